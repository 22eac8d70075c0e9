//! Losses: how far predictions are from targets.
//!
//! | file      | what lives there                                                            |
//! |-----------|-----------------------------------------------------------------------------|
//! | `mod`     | [`Reduction`], and how pairs of tensors become one loss                     |
//! | `paired`  | losses of pairs of elements: one expression each                            |
//! | `classes` | cross-entropy and negative log-likelihood of classes                        |
//! | `ctc`     | sequences with labels of unknown alignment                                  |
//! | `margin`  | losses that compare scores or distances within a row                        |

mod classes;
mod ctc;
mod margin;
mod paired;

pub use classes::{CrossEntropyOptions, NllOptions};
pub use ctc::CtcOptions;
pub use margin::{MultiMarginOptions, TripletOptions};
pub use paired::{BceOptions, GaussianNllOptions, PoissonNllOptions};

use crate::ops::elementwise::{Binary, binary};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

/// How the losses of the single elements are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Not at all: the result has a loss for each element.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum divided by the first size, which is what makes [`Tensor::kl_div`] a divergence.
    BatchMean,
}

impl Reduction {
    fn apply(self, losses: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::Mean => losses.mean_all(),
            _ => self.apply_by(losses, 1.0),
        }
    }

    /// The same where the mean divides by a sum of weights.
    fn apply_by(self, losses: &Tensor, total: f64) -> Result<Tensor> {
        match self {
            Reduction::None => Ok(losses.clone()),
            Reduction::Mean => losses.sum_all()?.div(total),
            Reduction::Sum => losses.sum_all(),
            Reduction::BatchMean => {
                let rows = losses.shape().first().copied().unwrap_or(1);
                losses.sum_all()?.div(rows as f64)
            }
        }
    }
}

/// Two tensors of one dtype and one shape: nothing is broadcast, since `[N, 1]` against `[N]` is a mistake.
fn check_pair(op: &'static str, x: &Tensor, target: &Tensor) -> Result<()> {
    same_dtype(op, x, target)?;
    if x.shape() != target.shape() {
        return Err(Error::shape(
            op,
            "predictions and targets must have the same shape",
            format!("{:?} and {:?}", x.shape(), target.shape()),
        ));
    }
    Ok(())
}

/// The loss of each pair of elements, combined.
fn paired<E: Binary>(
    x: &Tensor,
    target: &Tensor,
    loss: E,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    check_pair(E::OP, x, target)?;
    if x.dtype().is_half() {
        return x.in_f32(E::OP, |x, wide| {
            let (target, weight) = (wide.of(target)?, wide.some(weight)?);
            paired(&x, &target, loss, weight.as_ref(), reduction)
        });
    }
    let losses = binary(x.clone(), target.clone(), loss)?;
    reduction.apply(&weighted(E::OP, losses, weight)?)
}

/// Losses times weights, which are broadcast to their shape.
fn weighted(op: &'static str, losses: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    let Some(weight) = weight else {
        return Ok(losses);
    };
    same_dtype(op, &losses, weight)?;
    if weight.layout().expand(losses.sizes()).is_none() {
        return Err(Error::shape(
            op,
            format!(
                "the weight must be broadcast to the shape {:?}",
                losses.shape()
            ),
            format!("{:?}", weight.shape()),
        ));
    }
    losses.mul(weight)
}

/// An option that must be a number of some kind.
fn check_number(op: &'static str, rule: &str, holds: bool, value: f64) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::argument(op, rule, format!("{value}")))
    }
}
