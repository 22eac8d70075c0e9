//! Means of windows, and sums of powers made of them.

use super::windows::{Plan, adaptive_part, adaptive_sizes, input, resized};
use super::{AvgPoolOptions, LpPoolOptions, MaxPoolOptions};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::resample::{Taps, resample, resample_backward};
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::sizes::{MOST, OutputSizes, Sizes};
use crate::tensor::Tensor;
use crate::{Error, Result};

pub(super) fn avg_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    kernel: Sizes,
    options: AvgPoolOptions,
) -> Result<Tensor> {
    let sizes = input(op, axes, x)?;
    if options.divisor_override == Some(0) {
        return Err(Error::argument(op, "the divisor must not be 0", "0"));
    }
    let windows = MaxPoolOptions {
        stride: options.stride,
        padding: options.padding,
        dilation: 1.into(),
        ceil_mode: options.ceil_mode,
    };
    let plan = Plan::new(op, axes, sizes, kernel, windows)?;
    let shape = resized(op, axes, x, plan.count)?;
    let mut taps = sizes.map(Taps::new);
    for (axis, taps) in taps.iter_mut().enumerate() {
        let size = sizes[axis] as isize;
        for i in 0..plan.count[axis] {
            let (start, end) = plan.window(axis, i);
            let padded = end.min(size + plan.padding[axis] as isize) - start;
            let inside = start.max(0) as usize..end.min(size).max(0) as usize;
            let count = match (options.divisor_override, options.count_include_pad) {
                // One axis divides for all.
                (Some(divisor), _) if axis == 0 => divisor as f64,
                (Some(_), _) => 1.0,
                (None, true) => padded as f64,
                (None, false) => inside.len().max(1) as f64,
            };
            taps.push(inside.map(|i| (i, 1.0)), count);
        }
    }
    record_resample(op, x, taps, shape)
}

pub(super) fn adaptive_avg(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    size: OutputSizes,
) -> Result<Tensor> {
    let (sizes, parts, shape) = adaptive_sizes(op, axes, x, size)?;
    let taps = std::array::from_fn(|axis| means(sizes[axis], parts[axis]));
    record_resample(op, x, taps, shape)
}

/// The means of equal parts of an axis.
pub(in crate::ops) fn means(size: usize, parts: usize) -> Taps {
    let mut taps = Taps::new(size);
    for i in 0..parts {
        let part = adaptive_part(size, parts, i);
        let count = part.len() as f64;
        taps.push(part.map(|i| (i, 1.0)), count);
    }
    taps
}

/// The weighted sums along each axis, of the last axes of `x`.
pub(in crate::ops) fn record_resample(
    op: &'static str,
    x: &Tensor,
    taps: [Taps; MOST],
    shape: Shape,
) -> Result<Tensor> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| record_resample(op, &x, taps, shape));
    }
    let (edges, dtype, from) = (Edges::of(&[x]), x.dtype(), *x.sizes());
    let x = x.contiguous_detached();
    let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
        resample(x.slice(), &taps, y);
    }));
    Ok(edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dtype, T => grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                resample_backward(dy.slice(), &taps, dx);
            })))
        }
    }))
}

pub(super) fn lp_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    p: f64,
    kernel: Sizes,
    options: LpPoolOptions,
) -> Result<Tensor> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| lp_pool(op, axes, &x, p, kernel, options));
    }
    if p == 0.0 || p.is_nan() {
        return Err(Error::argument(op, "p must not be 0", format!("{p}")));
    }
    let sizes = kernel.positive(op, "kernel", axes)?;
    let count: f64 = sizes.iter().map(|&size| size as f64).product();
    let options = AvgPoolOptions {
        stride: options.stride,
        ceil_mode: options.ceil_mode,
        ..AvgPoolOptions::default()
    };
    let mean = avg_pool(op, axes, &x.clone().pow(p)?, kernel, options)?;
    // Where the sum is 0 its root may have no slope: 1 takes its place, and 0 the place of the result.
    let zero = mean.eq(0.0)?;
    let one = Tensor::ones(mean.shape(), mean.dtype())?;
    let root = Tensor::where_(&zero, &one, &mean)?
        .mul(count)?
        .pow(1.0 / p)?;
    Tensor::where_(&zero, &mean.detach(), &root)
}
