//! Losses: how far predictions are from targets.

use super::elementwise::{Binary, binary};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::math::Num;
use crate::cpu::softmax as kernel;
use crate::dtype::for_float;
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
}

impl Reduction {
    fn apply(self, losses: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::None => Ok(losses.clone()),
            Reduction::Mean => losses.mean_all(),
            Reduction::Sum => losses.sum_all(),
        }
    }
}

#[derive(Clone, Copy)]
struct Squared;

impl Binary for Squared {
    const OP: &'static str = "mse_loss";
    #[inline(always)]
    fn f<N: Num>(self, a: N, b: N) -> N {
        (a - b) * (a - b)
    }
}

#[derive(Clone, Copy)]
struct Absolute;

impl Binary for Absolute {
    const OP: &'static str = "l1_loss";
    #[inline(always)]
    fn f<N: Num>(self, a: N, b: N) -> N {
        (a - b).abs()
    }
}

#[derive(Clone, Copy)]
struct Huber(f64);

impl Binary for Huber {
    const OP: &'static str = "huber_loss";
    #[inline(always)]
    fn f<N: Num>(self, a: N, b: N) -> N {
        let (size, delta) = ((a - b).abs(), N::lit(self.0));
        let near = N::lit(0.5) * size * size;
        let far = delta * (size - N::lit(0.5) * delta);
        size.gt_select(delta, far, near)
    }
    // The distance, cut at delta.
    #[inline(always)]
    fn df<N: Num>(self, a: N, b: N) -> [N; 2] {
        let (d, delta) = (a - b, N::lit(self.0));
        let d = (-delta).gt_select(d, -delta, d);
        let d = d.gt_select(delta, delta, d);
        [d, -d]
    }
}

impl Tensor {
    /// The squared error `(self - target)²`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ (nothing is broadcast: `[N, 1]` against `[N]` is a mistake),
    /// [`Error::DType`] if dtypes differ or are not floats.
    pub fn mse_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.paired_loss(target, Squared, reduction)
    }

    /// The absolute error `|self - target|`.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn l1_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.paired_loss(target, Absolute, reduction)
    }

    /// Half the squared error up to a distance of `delta`, from there on a line of slope `delta`
    /// (Huber 1964).
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`], and [`Error::Argument`] if `delta` is not positive.
    pub fn huber_loss(&self, target: &Tensor, delta: f64, reduction: Reduction) -> Result<Tensor> {
        if delta.is_nan() || delta <= 0.0 {
            return Err(Error::argument(
                "huber_loss",
                "delta must be positive",
                format!("{delta}"),
            ));
        }
        self.paired_loss(target, Huber(delta), reduction)
    }

    fn paired_loss<E: Binary>(
        &self,
        target: &Tensor,
        loss: E,
        reduction: Reduction,
    ) -> Result<Tensor> {
        same_dtype(E::OP, self, target)?;
        if self.shape() != target.shape() {
            return Err(Error::shape(
                E::OP,
                "predictions and targets must have the same shape",
                format!("{:?} and {:?}", self.shape(), target.shape()),
            ));
        }
        reduction.apply(&binary(self.clone(), target.clone(), loss)?)
    }

    /// The cross-entropy of class labels under the softmax of these scores: `ln Σ exp(x) - x[label]`.
    ///
    /// | value    | shape              |
    /// |----------|--------------------|
    /// | `self`   | `[N, C]` scores    |
    /// | `labels` | `[N]` u32 or i64   |
    /// | result   | scalar, or `[N]` for [`Reduction::None`] |
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit or a label is not in `0..C`, [`Error::DType`] if the
    /// scores are not floats or the labels not integers.
    pub fn cross_entropy(&self, labels: &Tensor, reduction: Reduction) -> Result<Tensor> {
        let op = "cross_entropy";
        if self.rank() != 2 || labels.shape() != &self.shape()[..1] {
            return Err(Error::shape(
                op,
                "needs scores [N, C] and labels [N]",
                format!("{:?} and {:?}", self.shape(), labels.shape()),
            ));
        }
        let (rows, classes) = (self.shape()[0], self.shape()[1]);
        let labels = super::view::indices(op, labels, classes)?;
        let edges = Edges::of(&[self]);
        let x = self.contiguous_detached();
        let losses = for_float!(op, x.dtype(), T => {
            let log_sums = Tensor::fill_new::<T>([rows, 2].into_iter().collect(), |out| {
                kernel::log_sum_exp(x.slice::<T>(), classes, out);
            });
            let losses = Tensor::fill_new::<T>([rows].into_iter().collect(), |out| {
                let (x, log_sums) = (x.slice::<T>(), log_sums.slice::<T>().chunks_exact(2));
                for (row, (out, log_sum)) in out.iter_mut().zip(log_sums).enumerate() {
                    *out = log_sum[1] - (x[row * classes + labels[row]] - log_sum[0]);
                }
            });
            edges.record(op, losses, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                        kernel::cross_entropy_backward(x.slice::<T>(), log_sums.slice(), &labels, dy.slice(), classes, dx);
                    }))
                }
            })
        });
        reduction.apply(&losses)
    }
}
