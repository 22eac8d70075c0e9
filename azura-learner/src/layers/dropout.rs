//! Dropout.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::{Error, Problem, Result};

/// Sets elements to 0 with probability `p` in training and scales the others by `1/(1-p)`
/// (Srivastava et al. 2014); does nothing when predicting. As `torch.nn.Dropout`.
///
/// ```
/// use azura_core::{DType, Rng, Tensor};
/// use azura_learner::layers::{Ctx, Dropout, Module};
/// let x = Tensor::ones([1000], DType::F32)?;
/// let dropout = Dropout::new(0.5)?;
/// let y = dropout.forward(&x, &mut Ctx::train(Rng::new(1)))?.to_vec::<f32>()?;
/// assert!(y.iter().all(|&v| v == 0.0 || v == 2.0));
/// assert_eq!(dropout.forward(&x, &mut Ctx::eval())?.to_vec::<f32>()?, vec![1.0; 1000]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Dropout with probability `p`.
    ///
    /// # Errors
    /// [`Error::Config`] unless `0 <= p < 1`.
    pub fn new(p: f64) -> Result<Self> {
        if (0.0..1.0).contains(&p) {
            Ok(Dropout { p })
        } else {
            let message = format!("must be at least 0 and below 1, but is {p}");
            Err(Error::Config(vec![Problem::new("dropout", message)]))
        }
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        if ctx.train && self.p > 0.0 {
            Ok(x.clone().dropout(self.p, &mut ctx.rng)?)
        } else {
            Ok(x.clone())
        }
    }
}
