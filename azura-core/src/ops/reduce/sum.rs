//! Sums, means, and whether any or all elements are true.

use super::{Plan, all, along, plan};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::fold::{self, All, Any, SumExact};
use crate::cpu::reduce::{self, Identity, Sum, Term};
use crate::dtype::{for_float, for_integer, for_number};
use crate::tensor::Tensor;
use crate::{DType, Result};

/// The scaled sum of a function of the elements.
pub(super) fn sum_of<F>(op: &'static str, plan: &Plan, f: &F, scale: f64) -> Result<Tensor>
where
    F: Term<f32> + Term<f64>,
{
    fn run<T: Sum>(plan: &Plan, f: &impl Term<T>, scale: f64) -> Tensor {
        Tensor::fill_new::<T>(plan.shape, |out| {
            reduce::sum(plan.input.slice(), plan.sizes, f, scale, false, out);
        })
    }
    for_float!(op, plan.input.dtype(), T => Ok(run::<T>(plan, f, scale)))
}

impl Tensor {
    /// The sum over the axes `dims`; no axis means no reduction.
    ///
    /// The sum of integers or bools is i64 and exact (modulo 2⁶⁴).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an axis does not exist or is named twice.
    pub fn sum(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        if self.dtype().is_float() {
            return self.scaled_sum("sum", dims, keepdim, |_| 1.0);
        }
        let plan = plan("sum", self, dims, keepdim)?;
        for_integer!("sum", self.dtype(), T => Ok(Tensor::fill_new::<i64>(plan.shape, |out| {
            fold::fold(plan.input.slice::<T>(), plan.sizes, &SumExact, out);
        })))
    }

    /// The mean over the axes `dims`; NaN over no elements.
    ///
    /// # Errors
    /// Those of [`Tensor::sum`], and [`crate::Error::DType`] if the dtype is not a float.
    pub fn mean(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        self.scaled_sum("mean", dims, keepdim, |n| 1.0 / n as f64)
    }

    /// The sum of all elements; of integers or bools an exact i64.
    ///
    /// # Errors
    /// None today; the result leaves room for dtypes without a sum.
    pub fn sum_all(&self) -> Result<Tensor> {
        self.sum(&all(self), false)
    }

    /// The mean of all elements.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if the dtype is not a float.
    pub fn mean_all(&self) -> Result<Tensor> {
        self.mean(&all(self), false)
    }

    fn scaled_sum(
        &self,
        op: &'static str,
        dims: &[isize],
        keepdim: bool,
        scale: impl Fn(usize) -> f64,
    ) -> Result<Tensor> {
        if self.dtype().is_half() {
            let wide = self.cast(DType::F32)?;
            return wide
                .scaled_sum(op, dims, keepdim, scale)?
                .cast(self.dtype());
        }
        let edges = Edges::of(&[self]);
        let plan = plan(op, self, dims, keepdim)?;
        let scale = scale(plan.sizes[1]);
        // 0 · (1/0) would be NaN in the sum of nothing, as it should be; a plain sum of nothing is 0.
        let y = sum_of(op, &plan, &Identity, scale)?;
        let (from, kept) = (*self.sizes(), plan.kept);
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.mul(scale)?;
                grads.add(0, dy.reshape(&kept[..])?.expand(&from[..])?)
            }
        }))
    }

    /// Whether any element over the axes `dims` is not 0 (NaN is not); false over no elements.
    ///
    /// The result is bool and carries no gradient.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an axis does not exist or is named twice.
    pub fn any(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        truth("any", self, dims, keepdim, false)
    }

    /// Whether every element over the axes `dims` is not 0 (NaN is not); true over no elements.
    ///
    /// The result is bool and carries no gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::any`].
    pub fn all(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        truth("all", self, dims, keepdim, true)
    }

    /// Whether any element is not 0, as one bool. PyTorch: `any()`.
    ///
    /// # Errors
    /// None today; the result leaves room for devices.
    pub fn any_all(&self) -> Result<Tensor> {
        self.any(&all(self), false)
    }

    /// Whether every element is not 0, as one bool. PyTorch: `all()`.
    ///
    /// # Errors
    /// None today; the result leaves room for devices.
    pub fn all_all(&self) -> Result<Tensor> {
        self.all(&all(self), false)
    }
}

fn truth(
    op: &'static str,
    x: &Tensor,
    dims: &[isize],
    keepdim: bool,
    every: bool,
) -> Result<Tensor> {
    let [y] = along(op, &x.detach(), dims, keepdim, |x, sizes| {
        let shape = [sizes[0], sizes[2]].into_iter().collect();
        Ok([
            for_number!(x.dtype(), T => Tensor::fill_new::<bool>(shape, |out| {
                if every {
                    fold::fold(x.slice::<T>(), sizes, &All, out);
                } else {
                    fold::fold(x.slice::<T>(), sizes, &Any, out);
                }
            })),
        ])
    })?;
    debug_assert_eq!(y.dtype(), DType::Bool);
    Ok(y)
}
