//! Pools and interpolation.

use crate::*;
use azura_core::{
    AvgPoolOptions, GridSampleMode, GridSampleOptions, GridSamplePadding, InterpolateMode,
    InterpolateOptions, LpPoolOptions, MaxPoolOptions, Resize,
};

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let x = zeros(&[2, 4, 5]);
    let image = zeros(&[1, 2, 3, 3]);
    let max = MaxPoolOptions::default();
    let avg = AvgPoolOptions::default();
    let resize = InterpolateOptions::default();
    let ids = ints(&[1, 2]).reshape([1, 2]).unwrap();
    vec![
        (text(zeros(&[5]).max_pool1d(2, max)), "[max_pool1d] needs [B, C, L] or [C, L], but got [5]"),
        (text(x.max_pool3d(2, max)), "[max_pool3d] needs [B, C, D, H, W] or [C, D, H, W], but got [2, 4, 5]"),
        (text(x.max_pool1d(6, max)), "[max_pool1d] a window must not be longer than the padded input, but got kernel [6] over [5] padded to 5 on axis 0"),
        (text(x.max_pool1d(0, max)), "[max_pool1d] kernel must be at least 1, but got [0]"),
        (text(x.max_pool1d([2, 2], MaxPoolOptions { stride: Some(1.into()), ..max })), "[max_pool1d] kernel must be one number or 1, but got 2"),
        (text(x.max_pool1d(2, MaxPoolOptions { dilation: 0.into(), ..max })), "[max_pool1d] dilation must be at least 1, but got [0]"),
        (text(image.max_pool2d(3, MaxPoolOptions { padding: [1, 2].into(), ..max })), "[max_pool2d] padding must be at most half of the kernel, but got padding [1, 2] and kernel [3, 3]"),
        (text(zeros(&[2, 3, 0]).max_pool1d(1, max)), "[max_pool1d] the axes of windows must not be empty, but got [2, 3, 0]"),
        (text(ids.max_pool1d(1, max)), "[max_pool1d] takes floats, but got i64; cast it first with `cast`"),
        (text(ids.avg_pool1d(1, avg)), "[avg_pool1d] takes floats, but got i64; cast it first with `cast`"),
        (text(image.avg_pool2d(2, AvgPoolOptions { divisor_override: Some(0), ..avg })), "[avg_pool2d] the divisor must not be 0, but got 0"),
        (text(image.adaptive_avg_pool2d([1, 2, 3])), "[adaptive_avg_pool2d] the size must be one number or 2, but got 3"),
        (text(x.adaptive_avg_pool1d(usize::MAX)), "[adaptive_avg_pool1d] the number of elements must fit the address space, but got [2, 4, 18446744073709551615]"),
        (text(zeros(&[3]).adaptive_max_pool1d(1)), "[adaptive_max_pool1d] needs [B, C, L] or [C, L], but got [3]"),
        (text(x.lp_pool1d(0.0, 2, LpPoolOptions::default())), "[lp_pool1d] p must not be 0, but got 0"),
        (text(zeros(&[2, 3]).interpolate(Resize::Size(2.into()), resize)), "[interpolate] needs [B, C, L], [B, C, H, W] or [B, C, D, H, W], but got [2, 3]"),
        (text(x.interpolate(Resize::Size(2.into()), InterpolateOptions { mode: InterpolateMode::Cubic, ..resize })), "[interpolate] cubic interpolation needs [B, C, H, W], but got [2, 4, 5]"),
        (text(x.interpolate(Resize::Size(2.into()), InterpolateOptions { align_corners: true, ..resize })), "[interpolate] align_corners goes with linear and cubic interpolation, but got Nearest"),
        (text(x.interpolate(Resize::Scale((-1.0).into()), resize)), "[interpolate] the scale factor must be positive and finite, but got [-1.0]"),
        (text(x.interpolate(Resize::Scale(0.1.into()), resize)), "[interpolate] sizes must be at least 1, but got [5] to [0]"),
        (text(image.interpolate(Resize::Size([2, 2, 2].into()), resize)), "[interpolate] the size must be one number or 2, but got 3"),
        (text(image.grid_sample(&zeros(&[1, 2, 2, 3]), GridSampleOptions::default())), "[grid_sample] needs [B, C, H, W] and a grid [B, OH, OW, 2], or [B, C, D, H, W] and [B, OD, OH, OW, 3], but got [1, 2, 3, 3] and [1, 2, 2, 3]"),
        (text(image.grid_sample(&zeros(&[2, 2, 2, 2]), GridSampleOptions::default())), "[grid_sample] needs [B, C, H, W] and a grid [B, OH, OW, 2], or [B, C, D, H, W] and [B, OD, OH, OW, 3], but got [1, 2, 3, 3] and [2, 2, 2, 2]"),
        (text(image.interpolate(Resize::Scale(1e30.into()), resize)), "[interpolate] the number of elements must fit the address space, but got [1, 2, 18446744073709551615, 18446744073709551615]"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, sizes, keep, number, .. } = x;
    let (kernel, number) = (sizes[0], *number);
    let max = MaxPoolOptions {
        stride: keep.then_some(sizes[1].into()),
        padding: sizes[2].into(),
        dilation: sizes[1].into(),
        ceil_mode: *keep,
    };
    let avg = AvgPoolOptions {
        stride: max.stride,
        padding: max.padding,
        ceil_mode: *keep,
        count_include_pad: sizes[0].is_multiple_of(2),
        divisor_override: None,
    };
    let lp = LpPoolOptions { stride: max.stride, ceil_mode: *keep };
    let mode = [InterpolateMode::Nearest, InterpolateMode::NearestExact, InterpolateMode::Linear, InterpolateMode::Cubic, InterpolateMode::Area][sizes[1] % 5];
    let resize = InterpolateOptions { mode, align_corners: *keep, recompute_scale_factor: false };
    let sampled = GridSampleOptions {
        mode: [GridSampleMode::Linear, GridSampleMode::Nearest, GridSampleMode::Cubic][sizes[1] % 3],
        padding_mode: [GridSamplePadding::Zeros, GridSamplePadding::Border, GridSamplePadding::Reflection][sizes[2] % 3],
        align_corners: *keep,
    };
    let grid = move || {
        let shape: Vec<usize> = [a.shape().first(), a.shape().get(2), a.shape().get(3)].into_iter().map(|size| size.copied().unwrap_or(1)).chain([2]).collect();
        Tensor::full(shape, number, a.dtype())
    };
    // The largest sizes that are not refused would fill the memory.
    let size = if kernel > 1 << 62 { kernel } else { kernel % 9 };
    vec![
        ("max_pool1d", Box::new(move || a.max_pool1d(kernel, max))),
        ("max_pool2d", Box::new(move || a.max_pool2d(kernel, max))),
        ("max_pool3d", Box::new(move || a.max_pool3d(kernel, max))),
        ("max_pool1d_with_indices", Box::new(move || Ok(a.max_pool1d_with_indices(kernel, max)?.1))),
        ("max_pool2d_with_indices", Box::new(move || Ok(a.max_pool2d_with_indices(kernel, max)?.1))),
        ("max_pool3d_with_indices", Box::new(move || Ok(a.max_pool3d_with_indices(kernel, max)?.1))),
        ("avg_pool1d", Box::new(move || a.avg_pool1d(kernel, avg))),
        ("avg_pool2d", Box::new(move || a.avg_pool2d(kernel, avg))),
        ("avg_pool3d", Box::new(move || a.avg_pool3d(kernel, avg))),
        ("adaptive_avg_pool1d", Box::new(move || a.adaptive_avg_pool1d(size))),
        ("adaptive_avg_pool2d", Box::new(move || a.adaptive_avg_pool2d(size))),
        ("adaptive_avg_pool3d", Box::new(move || a.adaptive_avg_pool3d([None, Some(size), Some(1)]))),
        ("adaptive_max_pool1d", Box::new(move || a.adaptive_max_pool1d(size))),
        ("adaptive_max_pool2d", Box::new(move || a.adaptive_max_pool2d(size))),
        ("adaptive_max_pool3d", Box::new(move || a.adaptive_max_pool3d([None, Some(size), Some(1)]))),
        ("adaptive_max_pool1d_with_indices", Box::new(move || Ok(a.adaptive_max_pool1d_with_indices(size)?.1))),
        ("adaptive_max_pool2d_with_indices", Box::new(move || Ok(a.adaptive_max_pool2d_with_indices(size)?.1))),
        ("adaptive_max_pool3d_with_indices", Box::new(move || Ok(a.adaptive_max_pool3d_with_indices(size)?.1))),
        ("lp_pool1d", Box::new(move || a.lp_pool1d(number, kernel, lp))),
        ("lp_pool2d", Box::new(move || a.lp_pool2d(number, kernel, lp))),
        ("lp_pool3d", Box::new(move || a.lp_pool3d(number, kernel, lp))),
        ("grid_sample", Box::new(move || a.grid_sample(b, sampled))),
        ("grid_sample fitting", Box::new(move || a.grid_sample(&grid()?, sampled))),
        ("interpolate", Box::new(move || a.interpolate(Resize::Size(size.into()), resize))),
        ("interpolate by factors", Box::new(move || a.interpolate(Resize::Scale(number.into()), resize))),
    ]
}
