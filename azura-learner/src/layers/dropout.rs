//! Dropout: nothing when predicting.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::{Error, Problem, Result};

/// `p`, if it is a probability.
pub(super) fn probability(p: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&p) {
        return Ok(p);
    }
    let message = format!("must lie in [0, 1], but is {p}");
    Err(Error::Config(vec![Problem::new("dropout", message)]))
}

/// Each row: documentation, layer, operation.
macro_rules! layers {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            p: f64,
        }

        impl $name {
            /// Dropout with probability `p`.
            ///
            /// # Errors
            /// [`Error::Config`] unless `p` lies in `[0, 1]`.
            pub fn new(p: f64) -> Result<Self> {
                probability(p).map(|p| $name { p })
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
                if ctx.train && self.p > 0.0 {
                    Ok(x.$op(self.p, &mut ctx.rng)?)
                } else {
                    Ok(x.clone())
                }
            }
        }
    )*};
}

layers! {
    /// Sets elements to 0 with probability `p` in training and scales the others by `1/(1-p)`
    /// (Srivastava et al. 2014). As `torch.nn.Dropout`.
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
    Dropout dropout;
    /// Sets whole channels of `[N, C, L]` (or of one `[C, L]`) to 0 with probability `p` in training and scales the
    /// others by `1/(1-p)` (Tompson et al. 2015, arXiv:1411.4280). As `torch.nn.Dropout1d`.
    ///
    /// ```
    /// use azura_core::{DType, Rng, Tensor};
    /// use azura_learner::layers::{Ctx, Dropout1d, Module};
    /// let x = Tensor::ones([8, 4, 3], DType::F32)?;
    /// let y = Dropout1d::new(0.5)?.forward(&x, &mut Ctx::train(Rng::new(1)))?;
    /// assert!(y.to_vec::<f32>()?.chunks(3).all(|channel| channel == [0.0; 3] || channel == [2.0; 3]));
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    Dropout1d dropout1d;
    /// [`Dropout1d`] for `[N, C, H, W]`. As `torch.nn.Dropout2d`.
    Dropout2d dropout2d;
    /// [`Dropout1d`] for `[N, C, D, H, W]`, or one `[C, D, H, W]`. As `torch.nn.Dropout3d`.
    Dropout3d dropout3d;
    /// Dropout that keeps mean and variance in networks of SELU units (Klambauer et al. 2017, arXiv:1706.02515). As
    /// `torch.nn.AlphaDropout`.
    AlphaDropout alpha_dropout;
    /// [`AlphaDropout`] of whole channels of `[N, C, ...]`. As `torch.nn.FeatureAlphaDropout`.
    FeatureAlphaDropout feature_alpha_dropout;
}
