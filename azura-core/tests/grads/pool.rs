//! Pools and interpolation.

use crate::common::Domain::{Any, Distinct, Positive};
use crate::{Row, one, row};
use azura_core::{
    AvgPoolOptions, GridSampleMode, GridSampleOptions, GridSamplePadding, InterpolateMode,
    InterpolateOptions, LpPoolOptions, MaxPoolOptions, Resize, Result, Tensor,
};

const SIGNALS: &[&[&[usize]]] = &[
    &[&[2, 3, 7]],
    &[&[3, 5]],
    &[&[0, 2, 4]],
    &[&[2, 0, 4]],
    &[&[1, 1, 3]],
];
const IMAGES: &[&[&[usize]]] = &[&[&[2, 2, 5, 4]], &[&[1, 4, 5]], &[&[0, 2, 3, 3]]];
const VOLUMES: &[&[&[usize]]] = &[&[&[1, 2, 3, 4, 3]], &[&[2, 3, 3, 4]]];

fn max() -> MaxPoolOptions {
    MaxPoolOptions::default()
}

fn avg() -> AvgPoolOptions {
    AvgPoolOptions::default()
}

fn lp() -> LpPoolOptions {
    LpPoolOptions::default()
}

fn resized(x: &Tensor, to: Resize, mode: InterpolateMode, align: bool) -> Result<Vec<Tensor>> {
    let options = InterpolateOptions {
        mode,
        align_corners: align,
        recompute_scale_factor: false,
    };
    one(x.interpolate(to, options))
}

fn sampled(
    x: &[Tensor],
    mode: GridSampleMode,
    padding_mode: GridSamplePadding,
    align_corners: bool,
) -> Result<Vec<Tensor>> {
    let options = GridSampleOptions {
        mode,
        padding_mode,
        align_corners,
    };
    one(x[0].grid_sample(&x[1], options))
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    use GridSampleMode as Mode;
    use GridSamplePadding::{Border, Reflection, Zeros};
    use InterpolateMode::{Area, Cubic, Linear, Nearest, NearestExact};
    let batches: &[&[&[usize]]] = &[&[&[2, 1, 5]], &[&[1, 2, 1]], &[&[0, 2, 3]]];
    let images: &[&[&[usize]]] = &[&[&[1, 2, 3, 5]], &[&[2, 1, 1, 4]]];
    let grids: &[&[&[usize]]] = &[
        &[&[2, 3, 4, 3], &[2, 2, 3, 2]],
        &[&[1, 1, 1, 2], &[1, 3, 1, 2]],
        &[&[0, 2, 2, 2], &[0, 1, 1, 2]],
        &[&[1, 0, 2, 2], &[1, 1, 2, 2]],
        &[&[1, 2, 3, 3], &[1, 0, 2, 2]],
        &[&[1, 2, 2, 3, 2], &[1, 1, 2, 2, 3]],
    ];
    vec![
        row("grid_sample", Any, grids, |x| sampled(x, Mode::Linear, Zeros, false)),
        row("grid_sample border", Any, grids, |x| sampled(x, Mode::Linear, Border, true)),
        row("grid_sample reflection", Any, grids, |x| sampled(x, Mode::Linear, Reflection, false)),
        row("grid_sample nearest", Any, grids, |x| sampled(x, Mode::Nearest, Border, false)),
        row("grid_sample cubic", Any, grids, |x| sampled(x, Mode::Cubic, Zeros, true)),
        row("grid_sample cubic reflection", Any, grids, |x| sampled(x, Mode::Cubic, Reflection, true)),
        row("max_pool1d", Distinct, SIGNALS, |x| one(x[0].max_pool1d(3, max()))),
        row("max_pool1d overlapping", Distinct, SIGNALS, |x| one(x[0].max_pool1d(3, MaxPoolOptions { stride: Some(1.into()), padding: 1.into(), ..max() }))),
        row("max_pool2d", Distinct, IMAGES, |x| one(x[0].max_pool2d([2, 3], MaxPoolOptions { stride: Some([2, 1].into()), padding: [1, 0].into(), ceil_mode: true, ..max() }))),
        row("max_pool2d dilated", Distinct, IMAGES, |x| one(x[0].max_pool2d(2, MaxPoolOptions { stride: Some(1.into()), dilation: [1, 2].into(), ..max() }))),
        row("max_pool3d", Distinct, VOLUMES, |x| one(x[0].max_pool3d(2, MaxPoolOptions { stride: Some(1.into()), ..max() }))),
        row("max_pool1d_with_indices", Distinct, SIGNALS, |x| one(Ok(x[0].max_pool1d_with_indices(2, max())?.0))),
        row("max_pool2d_with_indices", Distinct, IMAGES, |x| one(Ok(x[0].max_pool2d_with_indices(2, max())?.0))),
        row("max_pool3d_with_indices", Distinct, VOLUMES, |x| one(Ok(x[0].max_pool3d_with_indices(2, max())?.0))),
        row("avg_pool1d", Any, SIGNALS, |x| one(x[0].avg_pool1d(3, AvgPoolOptions { stride: Some(2.into()), padding: 1.into(), ..avg() }))),
        row("avg_pool1d ceil", Any, SIGNALS, |x| one(x[0].avg_pool1d(3, AvgPoolOptions { stride: Some(2.into()), padding: 1.into(), ceil_mode: true, ..avg() }))),
        row("avg_pool2d", Any, IMAGES, |x| one(x[0].avg_pool2d([2, 3], AvgPoolOptions { padding: 1.into(), ceil_mode: true, count_include_pad: false, ..avg() }))),
        row("avg_pool2d divisor", Any, IMAGES, |x| one(x[0].avg_pool2d(2, AvgPoolOptions { stride: Some(1.into()), divisor_override: Some(-3), ..avg() }))),
        row("avg_pool3d", Any, VOLUMES, |x| one(x[0].avg_pool3d([2, 3, 2], AvgPoolOptions { stride: Some(1.into()), padding: [0, 1, 1].into(), ..avg() }))),
        row("adaptive_avg_pool1d", Any, SIGNALS, |x| one(x[0].adaptive_avg_pool1d(2))),
        row("adaptive_avg_pool1d larger", Any, SIGNALS, |x| one(x[0].adaptive_avg_pool1d(9))),
        row("adaptive_avg_pool1d to nothing", Any, SIGNALS, |x| one(x[0].adaptive_avg_pool1d(0))),
        row("adaptive_avg_pool2d", Any, IMAGES, |x| one(x[0].adaptive_avg_pool2d([Some(3), None]))),
        row("adaptive_avg_pool3d", Any, VOLUMES, |x| one(x[0].adaptive_avg_pool3d([2, 1, 2]))),
        row("adaptive_max_pool1d", Distinct, SIGNALS, |x| one(x[0].adaptive_max_pool1d(2))),
        row("adaptive_max_pool2d", Distinct, IMAGES, |x| one(x[0].adaptive_max_pool2d([None, Some(3)]))),
        row("adaptive_max_pool3d", Distinct, VOLUMES, |x| one(x[0].adaptive_max_pool3d(2))),
        row("adaptive_max_pool1d_with_indices", Distinct, SIGNALS, |x| one(Ok(x[0].adaptive_max_pool1d_with_indices(3)?.0))),
        row("adaptive_max_pool2d_with_indices", Distinct, IMAGES, |x| one(Ok(x[0].adaptive_max_pool2d_with_indices(1)?.0))),
        row("adaptive_max_pool3d_with_indices", Distinct, VOLUMES, |x| one(Ok(x[0].adaptive_max_pool3d_with_indices([1, 2, 3])?.0))),
        row("lp_pool1d", Positive, SIGNALS, |x| one(x[0].lp_pool1d(1.5, 2, lp()))),
        row("lp_pool2d", Any, IMAGES, |x| one(x[0].lp_pool2d(2.0, 2, LpPoolOptions { ceil_mode: true, ..lp() }))),
        row("lp_pool3d", Positive, VOLUMES, |x| one(x[0].lp_pool3d(3.0, 2, LpPoolOptions { stride: Some(1.into()), ..lp() }))),
        row("interpolate nearest", Any, batches, |x| resized(&x[0], Resize::Size(7.into()), Nearest, false)),
        row("interpolate nearest exact, smaller", Any, batches, |x| resized(&x[0], Resize::Size(1.into()), NearestExact, false)),
        row("interpolate linear", Any, batches, |x| resized(&x[0], Resize::Size(4.into()), Linear, false)),
        row("interpolate linear by a factor", Any, batches, |x| resized(&x[0], Resize::Scale(1.7.into()), Linear, false)),
        row("interpolate bilinear", Any, images, |x| resized(&x[0], Resize::Size([5, 3].into()), Linear, true)),
        row("interpolate bicubic", Any, images, |x| resized(&x[0], Resize::Size([4, 3].into()), Cubic, false)),
        row("interpolate bicubic, corners", Any, images, |x| resized(&x[0], Resize::Scale([2.5, 1.0].into()), Cubic, true)),
        row("interpolate area", Any, images, |x| resized(&x[0], Resize::Size([2, 3].into()), Area, false)),
        row("interpolate trilinear", Any, &[&[&[1, 2, 2, 3, 2]], &[&[2, 1, 1, 1, 1]]], |x| resized(&x[0], Resize::Size([3, 2, 4].into()), Linear, false)),
    ]
}
