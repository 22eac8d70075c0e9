//! Views of some elements of a tensor, each at most once.

use super::axes;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::place;
use crate::shape::{self, Layout};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The view that `change` makes of the layout of `x`. Its elements are different ones of `x`, so that the gradient of
/// each has a place of its own.
fn part(op: &'static str, x: &Tensor, change: impl Fn(&mut Layout)) -> Tensor {
    let changed = |mut layout: Layout| {
        change(&mut layout);
        // Nothing is read through an empty layout; its offset must not point beyond the buffer.
        if layout.numel() == 0 {
            layout = Layout::contiguous(layout.shape);
        }
        layout
    };
    let edges = Edges::of(&[x]);
    let y = x.with_layout(changed(*x.layout()));
    let from = *x.sizes();
    edges.record(op, y, || {
        let places = changed(Layout::contiguous(from));
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            accumulate!(op, grads, only(dy)?, from, |dy, dx, add| {
                if add {
                    place::add(dy, &places, dx);
                } else {
                    dx.fill(0.0);
                    place::write(dy, &places, dx);
                }
            })
        }
    })
}

/// Moves the offset of a layout by `steps` along an axis of this stride.
fn advance(layout: &mut Layout, steps: usize, stride: isize) {
    layout.offset = layout
        .offset
        .wrapping_add_signed((steps as isize).wrapping_mul(stride));
}

impl Tensor {
    /// The part `start..start + len` of one axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is too short.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Tensor> {
        let axis = shape::axis("narrow", dim, self.rank())?;
        let size = self.shape()[axis];
        if start.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::shape(
                "narrow",
                format!("start + len must not exceed the size {size} of axis {axis}"),
                format!("start {start} and len {len}"),
            ));
        }
        Ok(part("narrow", self, |layout| {
            layout.shape[axis] = len;
            advance(layout, start, layout.strides[axis]);
        }))
    }

    /// Entry `index` of one axis, which disappears.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or entry.
    pub fn select(&self, dim: isize, index: usize) -> Result<Tensor> {
        let axis = shape::axis("select", dim, self.rank())?;
        let size = self.shape()[axis];
        if index >= size {
            return Err(Error::shape(
                "select",
                format!("the index must lie in 0..{size}"),
                format!("{index}"),
            ));
        }
        Ok(part("select", self, |layout| {
            advance(layout, index, layout.strides[axis]);
            layout.shape.remove(axis);
            layout.strides.remove(axis);
        }))
    }

    /// Every `step`-th entry of one axis from `start` up to but without `end`, a view. PyTorch: `x[start:end:step]`.
    ///
    /// As in Python, negative bounds count from the end, bounds beyond the ends are moved to them, and `None` stands for
    /// the end where the way begins or stops. A negative step (which PyTorch refuses) goes backwards.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5], [6])?;
    /// assert_eq!(x.strided_slice(0, 1, None, 2)?.to_vec::<i64>()?, [1, 3, 5]);
    /// assert_eq!(x.strided_slice(0, None, -1, 3)?.to_vec::<i64>()?, [0, 3]);
    /// assert_eq!(x.strided_slice(0, 4, 0, -2)?.to_vec::<i64>()?, [4, 2]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, [`Error::Argument`] if `step` is 0.
    pub fn strided_slice(
        &self,
        dim: isize,
        start: impl Into<Option<isize>>,
        end: impl Into<Option<isize>>,
        step: isize,
    ) -> Result<Tensor> {
        let op = "strided_slice";
        let axis = shape::axis(op, dim, self.rank())?;
        if step == 0 {
            return Err(Error::argument(op, "the step must not be 0", "0"));
        }
        let size = self.shape()[axis] as isize;
        // Where the way begins if nothing is said, and where it stops.
        let (first, last) = if step > 0 { (0, size) } else { (size - 1, -1) };
        let place = |bound: isize| {
            let index = bound.saturating_add(if bound < 0 { size } else { 0 });
            index.clamp(first.min(last), first.max(last))
        };
        let start = start.into().map_or(first, place);
        let end = end.into().map_or(last, place);
        let distance = if step > 0 { end - start } else { start - end };
        let len = (distance.max(0) as usize).div_ceil(step.unsigned_abs());
        Ok(part(op, self, |layout| {
            let stride = layout.strides[axis];
            layout.shape[axis] = len;
            if len > 0 {
                advance(layout, start as usize, stride);
            }
            // With one entry or none there is no next one, however long the step.
            layout.strides[axis] = if len > 1 { stride * step } else { stride };
        }))
    }

    /// The axes `dims` in reverse order: a view, where PyTorch's `flip` copies.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is named twice.
    pub fn flip(&self, dims: &[isize]) -> Result<Tensor> {
        let flipped = axes("flip", dims, self.rank())?;
        if self.rank() == 0 {
            return Ok(self.clone());
        }
        Ok(part("flip", self, |layout| {
            for &axis in &flipped {
                let (size, stride) = (layout.shape[axis], layout.strides[axis]);
                advance(layout, size.saturating_sub(1), stride);
                layout.strides[axis] = -stride;
            }
        }))
    }

    /// The diagonals of the matrices that two axes span, as a new last axis: a view.
    ///
    /// Entry `i` is the one at `(i, i + offset)` of the axes `dim1` and `dim2`, or at `(i - offset, i)` if the offset
    /// is negative. PyTorch's defaults are `diagonal(0, 0, 1)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such axes or they are the same.
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let op = "diagonal";
        let (rows, cols) = (
            shape::axis(op, dim1, self.rank())?,
            shape::axis(op, dim2, self.rank())?,
        );
        if rows == cols {
            return Err(Error::shape(
                op,
                "the axes must differ",
                format!("{dim1} and {dim2}"),
            ));
        }
        let (below, above) = if offset < 0 {
            (offset.unsigned_abs(), 0)
        } else {
            (0, offset as usize)
        };
        let left = |axis: usize, skipped: usize| self.shape()[axis].saturating_sub(skipped);
        let len = left(rows, below).min(left(cols, above));
        Ok(part(op, self, |layout| {
            let (down, right) = (layout.strides[rows], layout.strides[cols]);
            if len > 0 {
                advance(layout, below, down);
                advance(layout, above, right);
            }
            for axis in [rows.max(cols), rows.min(cols)] {
                layout.shape.remove(axis);
                layout.strides.remove(axis);
            }
            layout.shape.push(len);
            layout.strides.push(down + right);
        }))
    }
}
