//! Softmax and its relatives as layers.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

macro_rules! along_an_axis {
    ($($(#[$doc:meta])* $name:ident |$x:ident, $dim:ident| $y:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            /// The axis that sums to 1; negative axes count from the end.
            pub dim: isize,
        }

        impl Module for $name {
            fn forward(&self, $x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                let $dim = self.dim;
                Ok($y?)
            }
        }
    )*};
}

along_an_axis! {
    /// `exp(x) / Σ exp(x)` along the axis `dim`.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::layers::{Ctx, Module, Softmax};
    /// let x = Tensor::from_slice(&[0.0f32, 0.0, 3.0, 3.0], [2, 2])?;
    /// let y = Softmax { dim: -1 }.forward(&x, &mut Ctx::eval())?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.5; 4]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    Softmax |x, dim| x.softmax(dim);
    /// `ln(softmax(x))` along the axis `dim`, without the rounding of either.
    LogSoftmax |x, dim| x.log_softmax(dim);
    /// `softmax(-x)` along the axis `dim`.
    Softmin |x, dim| x.clone().neg()?.softmax(dim);
}

/// The softmax over channels, at each place of an image: `[N, C, H, W]` or `[C, H, W]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softmax2d;

impl Module for Softmax2d {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.softmax(-3)?)
    }
}
