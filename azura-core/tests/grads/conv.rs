//! Convolutions and transposed convolutions.

use crate::common::Domain::Any;
use crate::{Row, one, row};
use azura_core::{ConvOptions, ConvTransposeOptions, Padding};

fn options() -> ConvOptions {
    ConvOptions::default()
}

fn transposed() -> ConvTransposeOptions {
    ConvTransposeOptions::default()
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("conv1d", Any, &[
            &[&[2, 3, 6], &[4, 3, 3], &[4]],
            &[&[3, 6], &[2, 3, 1], &[2]],
            &[&[1, 1, 1], &[1, 1, 1], &[1]],
            &[&[0, 2, 4], &[3, 2, 2], &[3]],
            &[&[2, 0, 4], &[3, 0, 2], &[3]],
            &[&[2, 2, 4], &[0, 2, 2], &[0]],
        ], |x| one(x[0].conv1d(&x[1], Some(&x[2]), options()))),
        row("conv1d strided", Any, &[
            &[&[2, 3, 9], &[6, 3, 3], &[6]],
            &[&[1, 4, 5], &[5, 4, 2], &[5]],
        ], |x| one(x[0].conv1d(&x[1], Some(&x[2]), ConvOptions { stride: 3.into(), padding: 2.into(), dilation: 2.into(), ..options() }))),
        row("conv2d", Any, &[
            &[&[2, 2, 4, 5], &[5, 2, 3, 2], &[5]],
            &[&[2, 4, 5], &[3, 2, 1, 1], &[3]],
            &[&[2, 0, 5, 5], &[2, 0, 3, 2], &[2]],
        ], |x| one(x[0].conv2d(&x[1], Some(&x[2]), options()))),
        row("conv2d without bias, uneven options", Any, &[
            &[&[1, 2, 5, 7], &[5, 2, 2, 3]],
            &[&[2, 4, 6, 4], &[6, 4, 3, 2]],
            &[&[1, 1, 5, 5], &[2, 1, 3, 3]],
        ], |x| one(x[0].conv2d(&x[1], None, ConvOptions { stride: [2, 3].into(), padding: [1, 2].into(), dilation: [2, 1].into(), ..options() }))),
        row("conv2d stride beyond the kernel", Any, &[
            &[&[2, 2, 7, 7], &[5, 2, 2, 2]],
        ], |x| one(x[0].conv2d(&x[1], None, ConvOptions { stride: 3.into(), ..options() }))),
        row("conv2d same", Any, &[
            &[&[2, 2, 3, 4], &[5, 2, 2, 3], &[5]],
            &[&[2, 1, 1], &[1, 2, 4, 2], &[1]],
        ], |x| one(x[0].conv2d(&x[1], Some(&x[2]), ConvOptions { padding: Padding::Same, dilation: [1, 2].into(), ..options() }))),
        row("conv2d groups", Any, &[
            &[&[2, 4, 4, 3], &[10, 2, 2, 2], &[10]],
            &[&[1, 4, 3, 3], &[2, 2, 1, 1], &[2]],
        ], |x| one(x[0].conv2d(&x[1], Some(&x[2]), ConvOptions { groups: 2, padding: 1.into(), ..options() }))),
        row("conv2d depthwise", Any, &[
            &[&[2, 3, 4, 5], &[3, 1, 3, 2], &[3]],
            &[&[2, 3, 4, 4], &[6, 1, 2, 3], &[6]],
            &[&[3, 5, 4], &[3, 1, 1, 1], &[3]],
        ], |x| one(x[0].conv2d(&x[1], Some(&x[2]), ConvOptions { groups: 3, padding: 1.into(), ..options() }))),
        row("conv2d depthwise strided", Any, &[
            &[&[2, 3, 5, 6], &[3, 1, 3, 2], &[3]],
            &[&[1, 3, 4, 5], &[6, 1, 2, 2], &[6]],
        ], |x| one(x[0].conv2d(&x[1], Some(&x[2]), ConvOptions { groups: 3, padding: [0, 2].into(), stride: [2, 3].into(), dilation: 2.into() }))),
        row("conv3d", Any, &[
            &[&[2, 2, 3, 2, 4], &[5, 2, 2, 1, 3], &[5]],
            &[&[2, 2, 3, 3], &[3, 2, 1, 2, 2], &[3]],
        ], |x| one(x[0].conv3d(&x[1], Some(&x[2]), ConvOptions { padding: [1, 0, 1].into(), ..options() }))),
        row("conv3d strided", Any, &[
            &[&[1, 2, 4, 3, 5], &[5, 2, 2, 2, 2]],
        ], |x| one(x[0].conv3d(&x[1], None, ConvOptions { stride: [2, 1, 3].into(), padding: 1.into(), ..options() }))),
        row("conv_transpose1d", Any, &[
            &[&[2, 5, 4], &[5, 3, 3], &[3]],
            &[&[5, 4], &[5, 2, 1], &[2]],
            &[&[1, 1, 1], &[1, 1, 2], &[1]],
            &[&[0, 5, 4], &[5, 2, 2], &[2]],
        ], |x| one(x[0].conv_transpose1d(&x[1], Some(&x[2]), transposed()))),
        row("conv_transpose1d strided", Any, &[
            &[&[2, 5, 4], &[5, 3, 3], &[3]],
            &[&[1, 2, 3], &[2, 1, 4], &[1]],
        ], |x| one(x[0].conv_transpose1d(&x[1], Some(&x[2]), ConvTransposeOptions { stride: 3.into(), padding: 1.into(), output_padding: 2.into(), dilation: 2.into(), ..transposed() }))),
        row("conv_transpose2d", Any, &[
            &[&[2, 6, 3, 4], &[6, 2, 3, 2]],
            &[&[6, 2, 2], &[6, 1, 2, 3]],
        ], |x| one(x[0].conv_transpose2d(&x[1], None, ConvTransposeOptions { stride: [1, 2].into(), padding: [1, 0].into(), groups: 1, ..transposed() }))),
        row("conv_transpose2d groups", Any, &[
            &[&[2, 4, 3, 3], &[4, 2, 2, 2], &[4]],
            &[&[1, 2, 3, 2], &[2, 1, 3, 3], &[2]],
        ], |x| one(x[0].conv_transpose2d(&x[1], Some(&x[2]), ConvTransposeOptions { stride: 2.into(), groups: 2, ..transposed() }))),
        row("conv_transpose3d", Any, &[
            &[&[1, 5, 2, 3, 2], &[5, 2, 2, 2, 3], &[2]],
        ], |x| one(x[0].conv_transpose3d(&x[1], Some(&x[2]), ConvTransposeOptions { stride: [1, 2, 1].into(), padding: [0, 1, 1].into(), output_padding: [0, 1, 0].into(), ..transposed() }))),
    ]
}
