//! The rectifier with a learned slope.

use azura_core::{Init, Param, Scope, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// `x` above 0, else `weight · x`, as `torch.nn.PReLU` (He et al. 2015, arXiv:1502.01852).
///
/// | value    | shape                                    |
/// |----------|------------------------------------------|
/// | `x`      | `[N, C, ...]`; any for one number        |
/// | `weight` | `[1]`, or `[C]` for a slope each channel |
/// | result   | that of `x`                              |
///
/// Slopes begin at 0.25. PyTorch advises against weight decay for them.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Module, Prelu};
/// let store = Store::new(DType::F32);
/// let layer = Prelu::new(1, &store.root(Rng::new(0)))?;
/// let y = layer.forward(&Tensor::from_slice(&[-2.0f32, 3.0], [2])?, &mut Ctx::eval())?;
/// assert_eq!(y.to_vec::<f32>()?, [-0.5, 3.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prelu {
    weight: Param,
}

impl Prelu {
    /// A layer with `num_parameters` slopes: 1, or as many as there are channels.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn new(num_parameters: usize, p: &Scope) -> Result<Self> {
        let weight = p.param("weight", &[num_parameters], Init::Constant(0.25))?;
        Ok(Prelu { weight })
    }

    /// `[1]` or `[C]`.
    pub fn weight(&self) -> &Param {
        &self.weight
    }
}

impl Module for Prelu {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.clone().prelu(&self.weight.value())?)
    }
}
