//! Tensors as many matrices, made and read where they lie.

use crate::buffer::Buffer;
use crate::cpu::matrices::{Matrices, Target};
use crate::shape::{self, Layout, MAX_RANK, Shape};
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Result};
use std::sync::Arc;

/// The leading axes of a matrix or of many.
pub(super) fn lead(x: &Tensor) -> Shape {
    x.shape()[..x.rank() - 2].iter().copied().collect()
}

/// `lead` with the sizes of a matrix after it.
pub(super) fn with_matrix(
    op: &'static str,
    lead: &Shape,
    rows: usize,
    cols: usize,
) -> Result<Shape> {
    let mut sizes = [0; MAX_RANK + 2];
    sizes[..lead.len()].copy_from_slice(lead);
    sizes[lead.len()] = rows;
    sizes[lead.len() + 1] = cols;
    let shape = Shape::new(op, &sizes[..lead.len() + 2])?;
    shape::checked_numel(op, &shape)?;
    Ok(shape)
}

/// Whether a tensor of heads lies in memory as `[..., T, H, D]`.
pub(super) fn time_first(x: &Tensor) -> bool {
    let strides = &x.layout().strides;
    x.rank() >= 3 && strides[x.rank() - 2] > strides[x.rank() - 3]
}

/// The tensor without a node, copied unless the elements of a row stand side by side.
pub(super) fn rows_in_order(x: &Tensor) -> Tensor {
    let (strides, last) = (&x.layout().strides, x.rank() - 1);
    let usable =
        strides.iter().all(|&stride| stride >= 0) && (x.shape()[last] <= 1 || strides[last] == 1);
    if usable {
        x.detach()
    } else {
        x.contiguous_detached()
    }
}

/// Where the matrices start that the leading axes of a layout enumerate.
pub(super) fn starts(layout: &Layout) -> Vec<usize> {
    let mut starts = vec![layout.offset];
    for axis in 0..layout.shape.len() - 2 {
        let (size, stride) = (layout.shape[axis], layout.strides[axis] as usize);
        starts = starts
            .iter()
            .flat_map(|start| (0..size).map(move |i| start + i * stride))
            .collect();
    }
    starts
}

pub(super) fn matrices<T: Element>(x: &Tensor) -> Matrices<'_, T> {
    let layout = x.layout();
    let (rank, strides) = (x.rank(), &layout.strides);
    let col = if x.shape()[rank - 1] <= 1 {
        0
    } else {
        strides[rank - 1] as usize
    };
    Matrices {
        data: x.buffer_slice::<T>(),
        starts: starts(layout),
        row: strides[rank - 2] as usize,
        col,
    }
}

/// A tensor `lead + [rows, cols]` whose elements a kernel is about to write.
pub(super) struct Fresh {
    buffer: Buffer,
    layout: Layout,
    dtype: DType,
}

impl Fresh {
    /// `time_first` lets it lie as `[..., rows, heads, cols]`.
    pub(super) fn new(
        op: &'static str,
        dtype: DType,
        lead: &Shape,
        rows: usize,
        cols: usize,
        time_first: bool,
    ) -> Result<Self> {
        let mut sizes = with_matrix(op, lead, rows, cols)?;
        let rank = sizes.len();
        let mut axes: Vec<usize> = (0..rank).collect();
        if time_first && rank >= 3 {
            sizes.swap(rank - 3, rank - 2);
            axes.swap(rank - 3, rank - 2);
        }
        let layout = Layout::contiguous(sizes).permute(&axes);
        Ok(Fresh {
            buffer: Buffer::uninit(layout.numel() * dtype.size()),
            layout,
            dtype,
        })
    }

    pub(super) fn target<T: Element>(&mut self) -> Target<'_, T> {
        let row = self.layout.strides[self.layout.shape.len() - 2] as usize;
        Target::new(self.buffer.as_mut_slice(), starts(&self.layout), row)
    }

    pub(super) fn finish(self) -> Tensor {
        Tensor::view_of(Arc::new(self.buffer), self.layout, self.dtype, Origin::None)
    }
}
