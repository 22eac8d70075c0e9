//! Reductions over axes: sums, means, variances and extremes.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::reduce::{self, Identity, Square, Sum, Term};
use crate::dtype::{for_dtype, for_float};
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Which axes go, and how the elements are seen as `[outer, n, inner]` for it.
struct Plan {
    /// The input with the reduced axes next to each other.
    input: Tensor,
    sizes: [usize; 3],
    /// The result's sizes with the reduced axes kept as 1.
    kept: Shape,
    /// The result's sizes as asked for.
    shape: Shape,
}

fn plan(op: &'static str, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Plan> {
    let mut reduced = [false; shape::MAX_RANK];
    for &dim in dims {
        if x.rank() == 0 {
            // A number counts as one axis of size 1, as in PyTorch.
            shape::axis(op, dim, 1)?;
            continue;
        }
        let axis = shape::axis(op, dim, x.rank())?;
        if std::mem::replace(&mut reduced[axis], true) {
            return Err(Error::shape(
                op,
                "each axis may be named once",
                format!("{dims:?}"),
            ));
        }
    }
    let kept: Shape = x
        .shape()
        .iter()
        .enumerate()
        .map(|(axis, &size)| if reduced[axis] { 1 } else { size })
        .collect();
    let shape = if keepdim {
        kept
    } else {
        x.shape()
            .iter()
            .enumerate()
            .filter(|(axis, _)| !reduced[*axis])
            .map(|(_, &size)| size)
            .collect()
    };
    let product =
        |axes: std::ops::Range<usize>| axes.map(|axis| x.shape()[axis]).product::<usize>();
    let rank = x.rank();
    let first = (0..rank).position(|axis| reduced[axis]).unwrap_or(rank);
    let last = (0..rank)
        .rposition(|axis| reduced[axis])
        .map_or(first, |axis| axis + 1);
    if (first..last).all(|axis| reduced[axis]) {
        let sizes = [product(0..first), product(first..last), product(last..rank)];
        return Ok(Plan {
            input: x.contiguous_detached(),
            sizes,
            kept,
            shape,
        });
    }
    // Scattered axes: bring them to the end.
    let (gone, stay): (Vec<usize>, Vec<usize>) = (0..rank).partition(|&axis| reduced[axis]);
    let order: Vec<usize> = stay.iter().chain(&gone).copied().collect();
    let input = x
        .with_layout(x.layout().permute(&order))
        .contiguous_detached();
    let n = gone.iter().map(|&axis| x.shape()[axis]).product();
    let outer = stay.iter().map(|&axis| x.shape()[axis]).product();
    Ok(Plan {
        input,
        sizes: [outer, n, 1],
        kept,
        shape,
    })
}

fn sum_of<F>(op: &'static str, plan: &Plan, f: &F, scale: f64) -> Result<Tensor>
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
    /// # Errors
    /// [`Error::Shape`] if an axis does not exist or is named twice, [`Error::DType`] if the dtype is not a float.
    pub fn sum(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        self.scaled_sum("sum", dims, keepdim, |_| 1.0)
    }

    /// The mean over the axes `dims`; NaN over no elements.
    ///
    /// # Errors
    /// Those of [`Tensor::sum`].
    pub fn mean(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        self.scaled_sum("mean", dims, keepdim, |n| 1.0 / n as f64)
    }

    /// The sum of all elements.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float.
    pub fn sum_all(&self) -> Result<Tensor> {
        self.sum(&all(self), false)
    }

    /// The mean of all elements.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float.
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

    /// The variance over the axes `dims`: squared distances from the mean, summed and divided by
    /// `n - correction` (1 gives the unbiased estimate, PyTorch's default).
    ///
    /// # Errors
    /// Those of [`Tensor::sum`].
    pub fn var(&self, dims: &[isize], correction: usize, keepdim: bool) -> Result<Tensor> {
        let plan = plan("var", self, dims, keepdim)?;
        let n = plan.sizes[1];
        let scale = 1.0 / (n as f64 - correction as f64).max(0.0);
        let centred = self.clone().floats("var")?.sub(self.mean(dims, true)?)?;
        let edges = Edges::of(&[&centred]);
        let squares = self::plan("var", &centred, dims, keepdim)?;
        let mut y = sum_of("var", &squares, &Square, scale)?;
        if scale.is_finite() {
            // The mean was rounded, and by more than the spread if numbers are large and nearly equal:
            // its distance from the true one is taken out (Chan, Golub & LeVeque 1983).
            let rest = sum_of("var", &squares, &Identity, 1.0)?;
            y = y.sub(rest.square()?.mul(scale / n as f64)?)?.relu()?;
        }
        let (saved, kept) = (centred.detach(), plan.kept);
        Ok(edges.record("var", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.mul(2.0 * scale)?.reshape(&kept[..])?;
                grads.add(0, dy.mul(&saved)?)
            }
        }))
    }

    /// The largest element along `dim`; NaN if there is one. The gradient goes to the first of equals.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is empty.
    pub fn max(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let index = self.arg("max", dim, true, true)?;
        self.pick("max", dim, &index, keepdim)
    }

    /// The smallest element along `dim`; NaN if there is one. The gradient goes to the first of equals.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn min(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let index = self.arg("min", dim, true, false)?;
        self.pick("min", dim, &index, keepdim)
    }

    /// The index (i64) of the largest element along `dim`, the first of equals.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn argmax(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        self.arg("argmax", dim, keepdim, true)
    }

    /// The index (i64) of the smallest element along `dim`, the first of equals.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn argmin(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        self.arg("argmin", dim, keepdim, false)
    }

    fn arg(&self, op: &'static str, dim: isize, keepdim: bool, largest: bool) -> Result<Tensor> {
        let plan = plan(op, self, &[dim], keepdim)?;
        if plan.sizes[1] == 0 {
            return Err(Error::shape(
                op,
                "the axis must not be empty",
                format!("{:?}", self.shape()),
            ));
        }
        Ok(
            for_dtype!(self.dtype(), T => Tensor::fill_new::<i64>(plan.shape, |out| {
                let x = plan.input.slice::<T>();
                if largest {
                    reduce::arg(x, plan.sizes, |a, b| a.gt(&b), out);
                } else {
                    reduce::arg(x, plan.sizes, |a, b| a.lt(&b), out);
                }
            })),
        )
    }

    /// The element at `index` (`keepdim` form) along `dim`.
    fn pick(&self, op: &'static str, dim: isize, index: &Tensor, keepdim: bool) -> Result<Tensor> {
        let edges = Edges::of(&[self]);
        let plan = plan(op, self, &[dim], keepdim)?;
        let [_, n, inner] = plan.sizes;
        let index = index.to_vec::<i64>()?;
        let position = move |i: usize, at: i64| (i / inner * n + at as usize) * inner + i % inner;
        let y = for_dtype!(self.dtype(), T => Tensor::fill_new::<T>(plan.shape, |out| {
            let x = plan.input.slice::<T>();
            for (i, (out, &at)) in out.iter_mut().zip(&index).enumerate() {
                *out = x[position(i, at)];
            }
        }));
        let (from, dtype) = (*self.sizes(), self.dtype());
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                for_float!(op, dtype, T => grads.add(0, Tensor::fill_new::<T>(from, |out| {
                    out.fill(0.0);
                    for (i, (dy, &at)) in dy.slice::<T>().iter().zip(&index).enumerate() {
                        out[position(i, at)] = *dy;
                    }
                })))
            }
        }))
    }
}

fn all(x: &Tensor) -> Vec<isize> {
    (0..x.rank() as isize).collect()
}
