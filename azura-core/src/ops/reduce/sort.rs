//! Order along an axis.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::sort::{self, Order};
use crate::dtype::{for_float, for_number};
use crate::shape;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// What [`Tensor::topk`] takes. The default is PyTorch's: the largest along the last axis, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopkOptions {
    /// The axis.
    pub dim: isize,
    /// The largest, else the smallest.
    pub largest: bool,
    /// In order, else in any order (the same one for the same numbers).
    pub sorted: bool,
}

impl Default for TopkOptions {
    fn default() -> Self {
        TopkOptions {
            dim: -1,
            largest: true,
            sorted: true,
        }
    }
}

impl Tensor {
    /// The elements along `dim` in order, and the indices (i64) where they stood. PyTorch: `sort`.
    ///
    /// Equal elements keep their order; NaN counts as the largest. A gradient goes where its element came from.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let (values, indices) = Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3])?.sort(-1, true)?;
    /// assert_eq!(values.to_vec::<f32>()?, [3.0, 2.0, 1.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0, 2]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis.
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        let how = Order {
            descending,
            sorted: true,
        };
        ordered("sort", self, dim, None, how)
    }

    /// The indices (i64) that put the elements along `dim` in order; equal elements keep theirs.
    ///
    /// # Errors
    /// Those of [`Tensor::sort`].
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        let how = Order {
            descending,
            sorted: true,
        };
        Ok(ordered("argsort", &self.detach(), dim, None, how)?.1)
    }

    /// The `k` largest (or smallest) elements along an axis, and their indices (i64). Of equal elements the
    /// first is taken first; NaN counts as the largest.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it has fewer than `k` elements.
    pub fn topk(&self, k: usize, options: TopkOptions) -> Result<(Tensor, Tensor)> {
        let how = Order {
            descending: options.largest,
            sorted: options.sorted,
        };
        ordered("topk", self, options.dim, Some(k), how)
    }
}

fn ordered(
    op: &'static str,
    x: &Tensor,
    dim: isize,
    k: Option<usize>,
    how: Order,
) -> Result<(Tensor, Tensor)> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| ordered(op, &x, dim, k, how));
    }
    if x.rank() == 0 {
        let (values, indices) = ordered(op, &x.reshape([1])?, dim, k, how)?;
        // One element, or none if none was asked for.
        let shape = if k == Some(0) { &[0][..] } else { &[] };
        return Ok((values.reshape(shape)?, indices.reshape(shape)?));
    }
    let axis = shape::axis(op, dim, x.rank())? as isize;
    let n = x.dim(axis)?;
    let k = k.unwrap_or(n);
    if k > n {
        return Err(Error::shape(
            op,
            format!("k must not exceed the size {n} of axis {axis}"),
            k.to_string(),
        ));
    }
    // Rows along the axis.
    let x = x.transpose(axis, -1)?.contiguous();
    let mut sizes = *x.sizes();
    let last = sizes.len() - 1;
    sizes[last] = k;
    let edges = Edges::of(&[&x]);
    let rows = x.detach();
    let (values, indices) = for_number!(x.dtype(), T => {
        let x = rows.slice::<T>();
        let indices = Tensor::fill_new::<i64>(sizes, |out| sort::order(x, n, k, how, out));
        let values = Tensor::fill_new::<T>(sizes, |out| {
            sort::take_rows(x, n, indices.slice(), k, out);
        });
        (values, indices)
    });
    let (from, saved) = (*x.sizes(), indices.clone());
    let values = edges.record(op, values, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                sort::put_rows(dy.slice::<T>(), k, saved.slice(), n, dx);
            })))
        }
    });
    Ok((values.transpose(axis, -1)?, indices.transpose(axis, -1)?))
}
