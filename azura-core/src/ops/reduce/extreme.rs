//! The largest and the smallest, and where they stand.

use super::{all, along, not_empty};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::fold::{self, Extreme};
use crate::cpu::map::Map;
use crate::cpu::spread;
use crate::dtype::{for_float, for_number};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{DType, Result};

/// The gradient of an extreme goes to every element that is it: its share is in `dy` already.
pub(super) struct Equal;

impl<T: fold::Ordered + Default> Map<T, T, 3> for Equal {
    #[inline(always)]
    fn call(&self, [x, y, dy]: [T; 3]) -> T {
        if x == y || (x.is_nan() && y.is_nan()) {
            dy
        } else {
            T::default()
        }
    }
}

/// The extremes of a contiguous `[outer, n, inner]`.
fn extremes(x: &Tensor, sizes: [usize; 3], largest: bool) -> Tensor {
    for_number!(x.dtype(), T => Tensor::fill_new::<T>(rest(sizes), |out| {
        fold::fold(x.slice::<T>(), sizes, &Extreme { largest }, out);
    }))
}

/// Where `y` stands first.
fn indices(x: &Tensor, sizes: [usize; 3], y: &Tensor) -> Tensor {
    for_number!(x.dtype(), T => Tensor::fill_new::<i64>(rest(sizes), |out| {
        fold::first(x.slice::<T>(), sizes, y.slice::<T>(), out);
    }))
}

fn rest([outer, _, inner]: [usize; 3]) -> Shape {
    [outer, inner].into_iter().collect()
}

fn with_index(
    op: &'static str,
    x: &Tensor,
    dim: isize,
    keepdim: bool,
    largest: bool,
) -> Result<[Tensor; 2]> {
    along(op, x, &[dim], keepdim, |rows, sizes| {
        not_empty(op, x, sizes)?;
        let x = rows;
        let edges = Edges::of(&[x]);
        let y = extremes(x, sizes, largest);
        let index = indices(x, sizes, &y);
        let saved = index.clone();
        let y = edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                for_float!(op, dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(sizes.into_iter().collect(), |dx| {
                    spread::put(dy.slice::<T>(), saved.slice(), sizes, dx);
                })))
            }
        });
        Ok([y, index])
    })
}

fn shared(
    op: &'static str,
    x: &Tensor,
    dims: &[isize],
    keepdim: bool,
    largest: bool,
) -> Result<Tensor> {
    let [y] = along(op, x, dims, keepdim, |rows, sizes| {
        not_empty(op, x, sizes)?;
        let x = rows;
        let edges = Edges::of(&[x]);
        let y = extremes(x, sizes, largest);
        let saved = edges.recorded().then(|| (x.detach(), y.detach()));
        Ok([edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                match &saved {
                    Some((x, y)) => grads.add(0, share(op, x, sizes, y, dy)?),
                    None => Ok(()),
                }
            }
        })])
    })?;
    Ok(y)
}

/// `dy` in equal parts to those of `x` that are `y`.
pub(super) fn share(
    op: &'static str,
    x: &Tensor,
    sizes: [usize; 3],
    y: &Tensor,
    dy: Tensor,
) -> Result<Tensor> {
    for_float!(op, x.dtype(), T => {
        let equal = Tensor::fill_new::<T>(*y.sizes(), |out| {
            fold::count(x.slice::<T>(), sizes, y.slice::<T>(), out);
        });
        let part = dy.reshape(y.shape())?.div(equal)?.contiguous_detached();
        Ok(Tensor::fill_new::<T>(*x.sizes(), |dx| {
            spread::spread(&Equal, x.slice::<T>(), [y.slice(), part.slice()], sizes, dx);
        }))
    })
}

fn index(
    op: &'static str,
    x: &Tensor,
    dims: &[isize],
    keepdim: bool,
    largest: bool,
) -> Result<Tensor> {
    let [index] = along(op, &x.detach(), dims, keepdim, |rows, sizes| {
        not_empty(op, x, sizes)?;
        Ok([indices(rows, sizes, &extremes(rows, sizes, largest))])
    })?;
    debug_assert_eq!(index.dtype(), DType::I64);
    Ok(index)
}

impl Tensor {
    /// The largest element along `dim`; NaN if there is one. The gradient goes to the first of equals.
    /// PyTorch: `max(dim).values`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no such axis or it is empty.
    pub fn max(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let [values, _] = with_index("max", self, dim, keepdim, true)?;
        Ok(values)
    }

    /// The smallest element along `dim`; NaN if there is one. The gradient goes to the first of equals.
    /// PyTorch: `min(dim).values`.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn min(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let [values, _] = with_index("min", self, dim, keepdim, false)?;
        Ok(values)
    }

    /// The largest element along `dim` and its index (i64), the first of equals; NaN is largest.
    /// PyTorch: `max(dim)`.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 5.0, 5.0, 2.0, 0.0, 1.0], [2, 3])?;
    /// let (values, indices) = x.max_with_index(1, false)?;
    /// assert_eq!(values.to_vec::<f32>()?, [5.0, 2.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn max_with_index(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let [values, indices] = with_index("max", self, dim, keepdim, true)?;
        Ok((values, indices))
    }

    /// The smallest element along `dim` and its index (i64), the first of equals; a NaN wins.
    /// PyTorch: `min(dim)`.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn min_with_index(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let [values, indices] = with_index("min", self, dim, keepdim, false)?;
        Ok((values, indices))
    }

    /// The largest element over the axes `dims`; NaN if there is one. Equal elements share the gradient.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an axis does not exist, is named twice or is empty.
    pub fn amax(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        shared("amax", self, dims, keepdim, true)
    }

    /// The smallest element over the axes `dims`; NaN if there is one. Equal elements share the gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::amax`].
    pub fn amin(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        shared("amin", self, dims, keepdim, false)
    }

    /// The largest of all elements; NaN if there is one. Equal elements share the gradient.
    /// PyTorch: `max()`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no element.
    pub fn max_all(&self) -> Result<Tensor> {
        shared("max", self, &all(self), false, true)
    }

    /// The smallest of all elements; NaN if there is one. Equal elements share the gradient.
    /// PyTorch: `min()`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no element.
    pub fn min_all(&self) -> Result<Tensor> {
        shared("min", self, &all(self), false, false)
    }

    /// The index (i64) of the largest element along `dim`, the first of equals; a NaN wins.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn argmax(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        index("argmax", self, &[dim], keepdim, true)
    }

    /// The index (i64) of the smallest element along `dim`, the first of equals; a NaN wins.
    ///
    /// # Errors
    /// Those of [`Tensor::max`].
    pub fn argmin(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        index("argmin", self, &[dim], keepdim, false)
    }

    /// The index (i64) of the largest of all elements in row-major order. PyTorch: `argmax()`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no element.
    pub fn argmax_all(&self) -> Result<Tensor> {
        index("argmax", self, &all(self), false, true)
    }

    /// The index (i64) of the smallest of all elements in row-major order. PyTorch: `argmin()`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no element.
    pub fn argmin_all(&self) -> Result<Tensor> {
        index("argmin", self, &all(self), false, false)
    }
}
