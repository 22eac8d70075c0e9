//! Convolutions and transposed convolutions.

use crate::*;
use azura_core::{ConvOptions, ConvTransposeOptions, Padding};

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let x = zeros(&[2, 4, 5]);
    let w = zeros(&[6, 4, 3]);
    let image = zeros(&[1, 2, 3, 3]);
    let double = Tensor::zeros([6, 4, 3], DType::F64).unwrap();
    let plain = ConvOptions::default();
    let back = ConvTransposeOptions::default();
    vec![
        (text(x.conv1d(&zeros(&[6, 2, 3]), None, plain)), "[conv1d] needs [B, C, L] or [C, L], weight [O, C / groups, K] and bias [O], O and C multiples of groups, but got [2, 4, 5], [6, 2, 3], no bias and 1 groups"),
        (text(x.conv1d(&w, Some(&zeros(&[4])), plain)), "[conv1d] needs [B, C, L] or [C, L], weight [O, C / groups, K] and bias [O], O and C multiples of groups, but got [2, 4, 5], [6, 4, 3], [4] and 1 groups"),
        (text(x.conv1d(&zeros(&[5, 2, 3]), None, ConvOptions { groups: 2, ..plain })), "[conv1d] needs [B, C, L] or [C, L], weight [O, C / groups, K] and bias [O], O and C multiples of groups, but got [2, 4, 5], [5, 2, 3], no bias and 2 groups"),
        (text(x.conv1d(&w, None, ConvOptions { groups: 0, ..plain })), "[conv1d] groups must be at least 1, but got 0"),
        (text(x.conv1d(&double, None, plain)), "[conv1d] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(ints(&[1]).conv1d(&ints(&[1]), None, plain)), "[conv1d] needs [B, C, L] or [C, L], weight [O, C / groups, K] and bias [O], O and C multiples of groups, but got [1], [1], no bias and 1 groups"),
        (text(ints(&[1]).reshape([1, 1]).unwrap().conv1d(&ints(&[1]).reshape([1, 1, 1]).unwrap(), None, plain)), "[conv1d] takes floats, but got i64; cast it first with `cast`"),
        (text(x.conv1d(&zeros(&[6, 4, 6]), None, plain)), "[conv1d] the kernel must not be longer than the padded input, but got kernel [6] with dilation [1] over [5] padded to 5 on axis 0"),
        (text(x.conv1d(&w, None, ConvOptions { dilation: 3.into(), ..plain })), "[conv1d] the kernel must not be longer than the padded input, but got kernel [3] with dilation [3] over [5] padded to 5 on axis 0"),
        (text(x.conv1d(&zeros(&[6, 4, 0]), None, plain)), "[conv1d] the kernel must not be empty, but got [6, 4, 0]"),
        (text(x.conv1d(&w, None, ConvOptions { stride: 0.into(), ..plain })), "[conv1d] stride must be at least 1, but got [0]"),
        (text(x.conv1d(&w, None, ConvOptions { dilation: 0.into(), ..plain })), "[conv1d] dilation must be at least 1, but got [0]"),
        (text(x.conv1d(&w, None, ConvOptions { stride: [1, 2].into(), ..plain })), "[conv1d] stride must be one number or 1, but got 2"),
        (text(x.conv1d(&w, None, ConvOptions { padding: usize::MAX.into(), ..plain })), "[conv1d] the padded input must fit the address space, but got numbers that are too large"),
        (text(x.conv1d(&w, None, ConvOptions { padding: (1 << 59).into(), ..plain })), "[conv1d] the number of elements must fit the address space, but got [2, 6, 1152921504606846979]"),
        (text(image.conv2d(&zeros(&[1, 2, 3, 3]), None, ConvOptions { padding: Padding::Same, stride: 2.into(), ..plain })), "[conv2d] padding `same` needs stride 1, but got [2, 2]"),
        (text(image.conv2d(&zeros(&[1, 2, 2, 4]), None, plain)), "[conv2d] the kernel must not be longer than the padded input, but got kernel [2, 4] with dilation [1, 1] over [3, 3] padded to 3 on axis 1"),
        (text(image.conv3d(&zeros(&[1, 1, 1, 1]), None, plain)), "[conv3d] needs [B, C, D, H, W] or [C, D, H, W], weight [O, C / groups, KD, KH, KW] and bias [O], O and C multiples of groups, but got [1, 2, 3, 3], [1, 1, 1, 1], no bias and 1 groups"),
        (text(x.conv_transpose1d(&zeros(&[6, 4, 3]), None, back)), "[conv_transpose1d] needs [B, C, L] or [C, L], weight [C, O / groups, K] and bias [O], C multiples of groups, but got [2, 4, 5], [6, 4, 3], no bias and 1 groups"),
        (text(image.conv_transpose2d(&zeros(&[2, 1, 3, 3]), None, ConvTransposeOptions { output_padding: [0, 1].into(), ..back })), "[conv_transpose2d] output_padding must be smaller than stride or dilation, but got [0, 1], [1, 1] and [1, 1]"),
        (text(image.conv_transpose2d(&zeros(&[2, 1, 1, 1]), None, ConvTransposeOptions { padding: 2.into(), ..back })), "[conv_transpose2d] neither the input's axes nor the output's may be empty, but got input [1, 2, 3, 3], output 3 less padding 4 on axis 0"),
        (text(zeros(&[1, 2, 0]).conv_transpose1d(&zeros(&[2, 1, 3]), None, back)), "[conv_transpose1d] neither the input's axes nor the output's may be empty, but got input [1, 2, 0], output 3 less padding 0 on axis 0"),
        (text(x.conv_transpose1d(&zeros(&[4, 1, 3]), None, ConvTransposeOptions { stride: usize::MAX.into(), ..back })), "[conv_transpose1d] the output must fit the address space, but got numbers that are too large"),
        (text(azura_core::Sizes::try_from(&[1, 2, 3, 4][..])), "[sizes] there are one to three spatial axes, but got 4"),
    ]
}

/// Shapes that fit now and then: `w` with as many axes as asked for, and the channels of `x`.
fn weight(x: &Tensor, w: &Tensor, axes: usize) -> Result<Tensor> {
    let channels = x.shape().iter().rev().nth(axes).copied().unwrap_or(1);
    let mut sizes = vec![channels; 2];
    sizes.extend((0..axes).map(|axis| w.shape().get(axis).copied().unwrap_or(1)));
    Tensor::ones(sizes, x.dtype())
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, sizes, keep, .. } = x;
    let options = ConvOptions {
        stride: sizes[0].into(),
        padding: if *keep { Padding::Same } else { sizes[1].into() },
        dilation: [sizes[2], 1].into(),
        ..ConvOptions::default()
    };
    let one = ConvOptions { dilation: sizes[2].into(), ..options };
    let back = ConvTransposeOptions {
        stride: sizes[0].into(),
        padding: sizes[1].into(),
        output_padding: [1, sizes[1]].into(),
        dilation: sizes[2].into(),
        groups: 1,
    };
    let back_one = ConvTransposeOptions { output_padding: sizes[1].into(), ..back };
    vec![
        ("conv1d", Box::new(move || a.conv1d(b, None, one))),
        ("conv1d fitting", Box::new(move || a.conv1d(&weight(a, b, 1)?, None, one))),
        ("conv2d", Box::new(move || a.conv2d(b, None, options))),
        ("conv2d fitting", Box::new(move || a.conv2d(&weight(a, b, 2)?, None, options))),
        ("conv3d", Box::new(move || a.conv3d(&weight(a, b, 3)?, None, one))),
        ("conv_transpose1d", Box::new(move || a.conv_transpose1d(&weight(a, b, 1)?, None, back_one))),
        ("conv_transpose2d", Box::new(move || a.conv_transpose2d(&weight(a, b, 2)?, None, back))),
        ("conv_transpose3d", Box::new(move || a.conv_transpose3d(&weight(a, b, 3)?, None, back_one))),
    ]
}
