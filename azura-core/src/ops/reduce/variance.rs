//! Variances and standard deviations.

use super::sum::sum_of;
use super::{all, plan};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::reduce::{Identity, Square};
use crate::tensor::Tensor;
use crate::{Error, Result};

impl Tensor {
    /// The variance over the axes `dims`: squared distances from the mean, summed and divided by
    /// `n - correction` (1 gives the unbiased estimate, PyTorch's default; 0 the mean square).
    ///
    /// A divisor below 0 counts as 0. The variance of one element with a correction of 1 is NaN.
    ///
    /// # Errors
    /// [`Error::Shape`] if an axis does not exist or is named twice, [`Error::DType`] if the dtype is not
    /// a float, [`Error::Argument`] if `correction` is NaN.
    pub fn var(&self, dims: &[isize], correction: impl Into<f64>, keepdim: bool) -> Result<Tensor> {
        variance("var", self, dims, correction.into(), keepdim)
    }

    /// The standard deviation over the axes `dims`, the root of [`Tensor::var`]. Where it is 0, so is
    /// the gradient, as in PyTorch.
    ///
    /// # Errors
    /// Those of [`Tensor::var`].
    pub fn std(&self, dims: &[isize], correction: impl Into<f64>, keepdim: bool) -> Result<Tensor> {
        let correction = correction.into();
        if self.dtype().is_half() {
            return self.in_f32("std", |x, _| x.std(dims, correction, keepdim));
        }
        let var = variance("std", self, dims, correction, keepdim)?;
        let edges = Edges::of(&[&var]);
        let y = var.detach().sqrt()?;
        let saved = y.detach();
        Ok(edges.record("std", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let slope = only(dy)?.mul(0.5)?.div(&saved)?;
                let zero = Tensor::full_like(&saved, 0.0);
                grads.add(0, Tensor::where_(&saved.eq(0.0)?, &zero, &slope)?)
            }
        }))
    }

    /// The variance of all elements.
    ///
    /// # Errors
    /// Those of [`Tensor::var`].
    pub fn var_all(&self, correction: impl Into<f64>) -> Result<Tensor> {
        self.var(&all(self), correction, false)
    }

    /// The standard deviation of all elements.
    ///
    /// # Errors
    /// Those of [`Tensor::var`].
    pub fn std_all(&self, correction: impl Into<f64>) -> Result<Tensor> {
        self.std(&all(self), correction, false)
    }
}

fn variance(
    op: &'static str,
    x: &Tensor,
    dims: &[isize],
    correction: f64,
    keepdim: bool,
) -> Result<Tensor> {
    if correction.is_nan() {
        return Err(Error::argument(
            op,
            "the correction must be a number",
            "NaN",
        ));
    }
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| variance(op, &x, dims, correction, keepdim));
    }
    let edges = Edges::of(&[x]);
    let values = x.detach().floats(op)?;
    let whole = plan(op, &values, dims, true)?;
    let n = whole.sizes[1];
    let scale = 1.0 / (n as f64 - correction).max(0.0);
    let mean = sum_of(op, &whole, &Identity, 1.0 / n as f64)?;
    let centred = values.clone().sub(&mean)?;
    let squares = plan(op, &centred, dims, keepdim)?;
    let mut y = sum_of(op, &squares, &Square, scale)?;
    // The mean was rounded, and by more than the spread if numbers are large and nearly equal: its
    // distance from the true one is taken out (Chan, Golub & LeVeque 1983).
    let rest = sum_of(op, &squares, &Identity, 1.0 / n as f64)?;
    if scale.is_finite() {
        y = y
            .sub(rest.clone().square()?.mul(scale * n as f64)?)?
            .relu()?;
    }
    let kept = whole.kept;
    Ok(edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            // The mean is made of the elements too, but distances from the true one add up to 0.
            let dy = only(dy)?.mul(2.0 * scale)?.reshape(&kept[..])?;
            let rest = rest.reshape(&kept[..])?;
            grads.add(0, values.clone().sub(&mean)?.sub(rest)?.mul(dy)?)
        }
    }))
}
