//! Normalisation, each with its statistics saved and its gradient written out.
//!
//! | file       | what lives there                                            |
//! |------------|-------------------------------------------------------------|
//! | `layer`    | over the last axes: `layer_norm`, `rms_norm`                |
//! | `channel`  | over samples or axes of a channel: batch, group, instance   |
//! | `response` | over neighbouring channels: `local_response_norm`           |

mod channel;
mod layer;
mod response;

pub use channel::Normalized;
pub use response::ResponseOptions;

use crate::autograd::{Edges, Grads};
use crate::cpu::norm::Real;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

/// What follows a normalisation, and what keeps it from dividing by zero.
#[derive(Clone, Copy, Debug)]
pub struct NormOptions<'a> {
    /// The factor of each element or channel; none is a factor of 1.
    pub weight: Option<&'a Tensor>,
    /// The summand of each element or channel; none is 0.
    pub bias: Option<&'a Tensor>,
    /// Added to the variance. PyTorch's default: 1e-5.
    pub eps: f64,
}

impl Default for NormOptions<'_> {
    fn default() -> Self {
        NormOptions {
            weight: None,
            bias: None,
            eps: 1e-5,
        }
    }
}

impl NormOptions<'_> {
    /// The edges to x, weight and bias, in this order.
    fn edges(&self, x: &Tensor) -> Edges {
        let none = Tensor::number(0.0, DType::F32);
        Edges::of(&[x, self.weight.unwrap_or(&none), self.bias.unwrap_or(&none)])
    }

    fn scaling(&self, op: &'static str, x: &Tensor, shape: &[usize]) -> Result<Scaling> {
        Ok(Scaling {
            weight: vector(op, "weight", x, self.weight, shape)?,
            bias: vector(op, "bias", x, self.bias, shape)?,
        })
    }
}

/// Weight and bias, contiguous and without a node.
struct Scaling {
    weight: Option<Tensor>,
    bias: Option<Tensor>,
}

impl Scaling {
    fn weight<T: Real>(&self) -> Option<&[T]> {
        self.weight.as_ref().map(Tensor::slice)
    }

    fn bias<T: Real>(&self) -> Option<&[T]> {
        self.bias.as_ref().map(Tensor::slice)
    }
}

/// An operand that must have this shape and the dtype of `x`.
fn vector(
    op: &'static str,
    name: &str,
    x: &Tensor,
    given: Option<&Tensor>,
    shape: &[usize],
) -> Result<Option<Tensor>> {
    let Some(given) = given else { return Ok(None) };
    if given.dtype() != x.dtype() {
        return Err(Error::dtype(
            op,
            format!("{name} must have the dtype of the input"),
            format!("{} and {}; cast one with `cast`", given.dtype(), x.dtype()),
        ));
    }
    if given.shape() != shape {
        return Err(Error::shape(
            op,
            format!("{name} must have shape {shape:?}"),
            format!("{:?}", given.shape()),
        ));
    }
    Ok(Some(given.contiguous_detached()))
}

/// Hands the gradients of weight (input 1) and bias (input 2) over, from pairs of their sums.
fn add_pairs<T: Real>(grads: &mut Grads<'_>, shape: &Shape, pairs: &[f64]) -> Result<()> {
    for i in 0..2 {
        grads.accumulate::<T>(i + 1, shape, |out, accumulate| {
            for (out, pair) in out.iter_mut().zip(pairs.chunks_exact(2)) {
                let sum = T::from_f64(pair[i]);
                *out = if accumulate { *out + sum } else { sum };
            }
        })?;
    }
    Ok(())
}

/// A table of numbers in f64, every one written by `f`.
fn table(rows: usize, columns: usize, f: impl FnOnce(&mut [f64])) -> Tensor {
    Tensor::fill_new::<f64>([rows, columns].into_iter().collect(), f)
}
