//! The largest element of each window, and where it was.

use super::MaxPoolOptions;
use super::windows::{Plan, adaptive_part, adaptive_sizes, input, resized};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::max_pool::{self, Windows};
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::sizes::{MOST, OutputSizes, Sizes};
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

pub(super) fn max_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    kernel: Sizes,
    options: MaxPoolOptions,
) -> Result<(Tensor, Tensor)> {
    let sizes = input(op, axes, x)?;
    let plan = Plan::new(op, axes, sizes, kernel, options)?;
    let shape = resized(op, axes, x, plan.count)?;
    let windows = std::array::from_fn(|axis| Windows {
        size: sizes[axis],
        dilation: plan.dilation[axis],
        ranges: (0..plan.count[axis])
            .map(|i| {
                let (start, end) = plan.window(axis, i);
                // The first element of the window that is there.
                let start = if start < 0 {
                    start.rem_euclid(plan.dilation[axis] as isize)
                } else {
                    start
                };
                let end = end.min(sizes[axis] as isize).max(0);
                start.min(end) as usize..end as usize
            })
            .collect(),
    });
    record_max(op, x, windows, shape)
}

pub(super) fn adaptive_max(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    size: OutputSizes,
) -> Result<(Tensor, Tensor)> {
    let (sizes, parts, shape) = adaptive_sizes(op, axes, x, size)?;
    let windows = std::array::from_fn(|axis| Windows {
        size: sizes[axis],
        dilation: 1,
        ranges: (0..parts[axis])
            .map(|i| adaptive_part(sizes[axis], parts[axis], i))
            .collect(),
    });
    record_max(op, x, windows, shape)
}

/// The largest elements, and their places as u32.
fn record_max(
    op: &'static str,
    x: &Tensor,
    windows: [Windows; MOST],
    shape: Shape,
) -> Result<(Tensor, Tensor)> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| record_max(op, &x, windows, shape));
    }
    let plane: usize = windows.iter().map(|axis| axis.size).product();
    let y_plane: usize = windows.iter().map(|axis| axis.ranges.len()).product();
    if u32::try_from(plane).is_err() {
        return Err(Error::shape(
            op,
            "a channel must have fewer than 2³² elements",
            format!("{:?}", x.shape()),
        ));
    }
    let (edges, dtype, from) = (Edges::of(&[x]), x.dtype(), *x.sizes());
    let x = x.contiguous_detached();
    let mut places = Tensor::number(0.0, DType::U32);
    let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
        places = Tensor::fill_new::<u32>(shape, |places| {
            max_pool::max(x.slice::<T>(), &windows, y, places);
        });
    }));
    let saved = places.clone();
    let y = edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dtype, T => grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                max_pool::max_backward(dy.slice(), saved.slice(), [plane, y_plane], dx);
            })))
        }
    });
    Ok((y, places))
}

pub(super) fn with_indices((y, places): (Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
    Ok((y, places.cast(DType::I64)?))
}
