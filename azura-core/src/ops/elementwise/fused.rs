//! Activations that other operations apply to their results in passing.

use super::activation::{Gelu, GeluTanh, Silu};
use super::function::{Saved, Unary, partial, value_and_slope};
use super::unary::{Sigmoid, Tanh};
use crate::Result;
use crate::cpu::math::Num;
use crate::cpu::simd::{Kernel, dispatch};
use crate::tensor::Tensor;

/// What [`Tensor::linear_act`] applies to its result in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// [`Tensor::relu`].
    Relu,
    /// [`Tensor::gelu`].
    Gelu,
    /// [`Tensor::gelu_tanh`].
    GeluTanh,
    /// [`Tensor::silu`].
    Silu,
    /// [`Tensor::tanh`].
    Tanh,
    /// [`Tensor::sigmoid`].
    Sigmoid,
}

/// Runs `$body` with `$e` standing for the function of an activation that is more than a comparison; else `$other`.
macro_rules! with_function {
    ($activation:expr, $e:ident => $body:expr, _ => $other:expr) => {
        match $activation {
            Activation::Gelu => {
                let $e = Gelu {};
                $body
            }
            Activation::GeluTanh => {
                let $e = GeluTanh {};
                $body
            }
            Activation::Silu => {
                let $e = Silu {};
                $body
            }
            Activation::Tanh => {
                let $e = Tanh {};
                $body
            }
            Activation::Sigmoid => {
                let $e = Sigmoid {};
                $body
            }
            Activation::None | Activation::Relu => $other,
        }
    };
}

struct InPlace<'a, T, E> {
    e: E,
    row: &'a mut [T],
}

impl<T: Num, E: Unary> Kernel for InPlace<'_, T, E> {
    #[inline(always)]
    fn run(self) {
        for x in self.row {
            *x = self.e.f(*x);
        }
    }
}

fn over<T: Num, E: Unary>(e: E, row: &mut [T]) {
    dispatch(InPlace { e, row });
}

fn saves_slope<E: Unary>(_: E) -> bool {
    E::SAVED == Saved::Slope
}

impl Activation {
    /// The function in place, for the epilogue of a product; `None` for what its kernel does itself.
    pub(in crate::ops) fn in_place<T: Num>(self) -> Option<fn(&mut [T])> {
        match self {
            Activation::None | Activation::Relu => None,
            Activation::Gelu => Some(|row| over(Gelu {}, row)),
            Activation::GeluTanh => Some(|row| over(GeluTanh {}, row)),
            Activation::Silu => Some(|row| over(Silu {}, row)),
            Activation::Tanh => Some(|row| over(Tanh {}, row)),
            Activation::Sigmoid => Some(|row| over(Sigmoid {}, row)),
        }
    }

    /// Whether the gradient needs the derivatives, and not the result.
    pub(in crate::ops) fn needs_slope(self) -> bool {
        with_function!(self, e => saves_slope(e), _ => false)
    }

    /// The function of a tensor and its derivatives; without a node. Only where [`Activation::needs_slope`].
    pub(in crate::ops) fn value_and_slope(self, z: Tensor) -> Result<[Tensor; 2]> {
        with_function!(self, e => value_and_slope(e, z), _ => Ok([z.detach(), z]))
    }

    /// The gradient before the activation, from the result or the derivatives as [`Activation::needs_slope`] says.
    pub(in crate::ops) fn backward(self, dy: Tensor, saved: &Tensor) -> Result<Tensor> {
        with_function!(self, e => partial(e, saved, dy), _ => match self {
            Activation::Relu => dy.relu_backward(saved),
            _ => Ok(dy),
        })
    }
}
