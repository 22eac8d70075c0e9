//! Activations as layers, for [`Sequential`](super::Sequential). The functions are methods of `Tensor`;
//! names and defaults are PyTorch's.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

/// Each row: documentation, the layer, the method of `Tensor`.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name;

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.clone().$method()?)
            }
        }
    )*};
}

/// Each row: documentation, the layer, its numbers with PyTorch's defaults, the operation on x.
macro_rules! with_numbers {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$about:meta])* $field:ident: $ty:ty = $default:expr),* }
        |$x:ident, $layer:ident| $y:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: $ty),*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default),* }
            }
        }

        impl Module for $name {
            fn forward(&self, $x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                let $layer = self;
                Ok($y?)
            }
        }
    )*};
}

plain! {
    /// `max(x, 0)`. PyTorch: `ReLU`.
    Relu relu;
    /// `min(max(x, 0), 6)`. PyTorch: `ReLU6`.
    Relu6 relu6;
    /// The exponential linear unit with constants that keep mean and variance over many layers
    /// (Klambauer et al. 2017, arXiv:1706.02515). PyTorch: `SELU`.
    Selu selu;
    /// `x · sigmoid(x)`. PyTorch: `SiLU`.
    Silu silu;
    /// `x · tanh(ln(1 + eˣ))`.
    Mish mish;
    /// `min(max(x + 3, 0), 6) / 6`.
    Hardsigmoid hardsigmoid;
    /// `x · min(max(x + 3, 0), 6) / 6`.
    Hardswish hardswish;
    /// `tanh(x)`.
    Tanh tanh;
    /// `x - tanh(x)`.
    Tanhshrink tanhshrink;
    /// `1 / (1 + exp(-x))`.
    Sigmoid sigmoid;
    /// `ln(sigmoid(x))`.
    LogSigmoid logsigmoid;
    /// `x / (1 + |x|)`.
    Softsign softsign;
}

with_numbers! {
    /// `x` above 0, else `negative_slope · x`. PyTorch: `LeakyReLU`.
    LeakyRelu {
        /// The slope below 0.
        negative_slope: f64 = 0.01
    } |x, layer| x.clone().leaky_relu(layer.negative_slope);
    /// `x` above 0, else `alpha (eˣ - 1)`. PyTorch: `ELU`.
    Elu {
        /// Minus the value far below 0.
        alpha: f64 = 1.0
    } |x, layer| x.clone().elu(layer.alpha);
    /// `x` above 0, else `alpha (exp(x/alpha) - 1)`. PyTorch: `CELU`.
    Celu {
        /// Minus the value far below 0; not 0.
        alpha: f64 = 1.0
    } |x, layer| x.clone().celu(layer.alpha);
    /// `x` moved into `min_val..=max_val`, without a gradient at the bounds.
    Hardtanh {
        /// The lower bound.
        min_val: f64 = -1.0,
        /// The upper bound.
        max_val: f64 = 1.0
    } |x, layer| x.clone().hardtanh(layer.min_val, layer.max_val);
    /// 0 for x in `-lambda..=lambda`, else x.
    Hardshrink {
        /// Where the gap ends. PyTorch: `lambd`.
        lambda: f64 = 0.5
    } |x, layer| x.clone().hardshrink(layer.lambda);
    /// x brought nearer to 0 by `lambda`, and 0 where it is as near already.
    Softshrink {
        /// How much nearer; not negative. PyTorch: `lambd`.
        lambda: f64 = 0.5
    } |x, layer| x.clone().softshrink(layer.lambda);
    /// `ln(1 + exp(beta · x)) / beta`, and x where `beta · x` exceeds the threshold.
    Softplus {
        /// The sharpness of the bend; not 0.
        beta: f64 = 1.0,
        /// From here on the function is its argument.
        threshold: f64 = 20.0
    } |x, layer| x.clone().softplus(layer.beta, layer.threshold);
    /// The gated linear unit: the first half of axis `dim` times the sigmoid of the second. PyTorch: `GLU`.
    ///
    /// `[..., 2 C, ...]` becomes `[..., C, ...]`.
    Glu {
        /// The axis, of even size.
        dim: isize = -1
    } |x, layer| x.glu(layer.dim);
    /// The Gaussian error linear unit `x · Φ(x)` (Hendrycks & Gimpel 2016, arXiv:1606.08415). PyTorch: `GELU`.
    Gelu {
        /// Its tanh form instead of the exact one. PyTorch: `approximate="tanh"`.
        tanh: bool = false
    } |x, layer| if layer.tanh { x.clone().gelu_tanh() } else { x.clone().gelu() };
}

/// `x` above `threshold`, else `value`. As in PyTorch, it has no defaults.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::layers::{Ctx, Module, Threshold};
/// let x = Tensor::from_slice(&[0.0f32, 2.0], [2])?;
/// let y = Threshold { threshold: 1.0, value: -5.0 }.forward(&x, &mut Ctx::eval())?;
/// assert_eq!(y.to_vec::<f32>()?, [-5.0, 2.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// What x must exceed to stay.
    pub threshold: f64,
    /// The result elsewhere.
    pub value: f64,
}

impl Module for Threshold {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.clone().threshold(self.threshold, self.value)?)
    }
}
