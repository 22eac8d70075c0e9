//! Activation functions.

use super::apply::map2;
use super::unary::{Saved, Unary, unary, unary_ops};
use crate::Result;
use crate::cpu::map::Map2;
use crate::cpu::math::Num;
use crate::tensor::Tensor;

unary_ops! {
    /// `max(x, 0)`; the gradient at 0 is 0.
    relu Relu |x| N::lit(0.0).gt_select(x, N::lit(0.0), x), y => {
        // NaN went through, and so does its gradient.
        let (zero, one) = (N::lit(0.0), N::lit(1.0));
        y.gt_select(zero, one, y.nan_select(one, zero))
    };
    /// `x · sigmoid(x)`, also called swish (Elfwing, Uchibe & Doya 2017, arXiv:1702.03118).
    silu Silu |x| x * x.sigmoid();
    /// The tanh form of the Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415):
    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`,
    /// computed as `x · sigmoid(2 √(2/π) (x + 0.044715 x³))`, which is the same and takes one exponential.
    gelu_tanh GeluTanh |x| {
        let inner = N::lit(2.0 * 0.797_884_560_802_865_4) * (x + N::lit(0.044_715) * x * x * x);
        x * inner.sigmoid()
    };
}

struct ReluGate;

impl<T: Num> Map2<T, T, T> for ReluGate {
    #[inline(always)]
    fn call(&self, dy: T, y: T) -> T {
        let zero = T::lit(0.0);
        y.gt_select(zero, dy, y.nan_select(dy, zero))
    }
}

impl Tensor {
    /// The gradient before a ReLU whose result was `y`.
    pub(crate) fn relu_backward(self, y: &Tensor) -> Result<Tensor> {
        map2("relu", self, y.clone(), ReluGate)
    }
}
