//! Normalisation.

use crate::*;
use azura_core::{NormOptions, ResponseOptions};

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let x = zeros(&[2, 3]);
    let weight = |weight| NormOptions { weight: Some(weight), ..Default::default() };
    let double = Tensor::zeros([3], DType::F64).unwrap();
    let plain = NormOptions::default();
    let trained = zeros(&[3]).variable();
    vec![
        (text(x.layer_norm(&[2], plain)), "[layer_norm] the input must end with the sizes [2], at least one, but got [2, 3]"),
        (text(x.layer_norm(&[], plain)), "[layer_norm] the input must end with the sizes [], at least one, but got [2, 3]"),
        (text(x.layer_norm(&[3], weight(&zeros(&[2])))), "[layer_norm] weight must have shape [3], but got [2]"),
        (text(x.layer_norm(&[3], NormOptions { bias: Some(&double), ..plain })), "[layer_norm] bias must have the dtype of the input, but got f64 and f32; cast one with `cast`"),
        (text(ints(&[1, 2]).rms_norm(&[2], None, None)), "[rms_norm] takes floats, but got i64; cast it first with `cast`"),
        (text(x.rms_norm(&[2, 3], Some(&double), None)), "[rms_norm] weight must have the dtype of the input, but got f64 and f32; cast one with `cast`"),
        (text(zeros(&[1, 3]).batch_norm(plain)), "[batch_norm] training needs more than one value for each channel, but got [1, 3]"),
        (text(zeros(&[]).batch_norm(plain)), "[batch_norm] the input must have a channel axis, but got a number"),
        (text(x.batch_norm(weight(&zeros(&[2])))), "[batch_norm] weight must have shape [3], but got [2]"),
        (text(x.batch_norm_with(&zeros(&[2]), &zeros(&[3]), plain)), "[batch_norm_with] mean must have shape [3], but got [2]"),
        (text(x.batch_norm_with(&zeros(&[3]), &trained, plain)), "[batch_norm_with] the given statistics carry no gradient, but got ones that need one; detach them with `detach`"),
        (text(zeros(&[3]).group_norm(1, plain)), "[group_norm] the input must be [N, C] or have more axes, but got [3]"),
        (text(x.group_norm(2, plain)), "[group_norm] the groups must divide the 3 channels, but got 2"),
        (text(x.group_norm(0, plain)), "[group_norm] the groups must divide the 3 channels, but got 0"),
        (text(x.instance_norm(plain)), "[instance_norm] the input must be [N, C, L] or have more axes, but got [2, 3]"),
        (text(zeros(&[2, 3, 1]).instance_norm(plain)), "[instance_norm] an instance needs more than one value, but got [2, 3, 1]"),
        (text(x.local_response_norm(3, ResponseOptions::default())), "[local_response_norm] the input must be [N, C, L] or have more axes, but got [2, 3]"),
        (text(zeros(&[2, 3, 1]).local_response_norm(0, ResponseOptions::default())), "[local_response_norm] size must be at least 1, but got 0"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, shapes, sizes, number, .. } = x;
    let number = *number;
    let options = move || NormOptions { weight: Some(b), bias: Some(c), eps: number };
    vec![
        ("layer_norm", Box::new(move || a.layer_norm(&shapes[1], options()))),
        ("layer_norm own", Box::new(move || a.layer_norm(a.shape(), NormOptions::default()))),
        ("rms_norm", Box::new(move || a.rms_norm(&shapes[1], Some(b), Some(number)))),
        ("batch_norm", Box::new(move || Ok(a.batch_norm(options())?.output))),
        ("batch_norm plain", Box::new(move || Ok(a.batch_norm(NormOptions::default())?.mean))),
        ("batch_norm_with", Box::new(move || a.batch_norm_with(b, c, NormOptions::default()))),
        ("group_norm", Box::new(move || a.group_norm(sizes[0], options()))),
        ("group_norm plain", Box::new(move || a.group_norm(sizes[1], NormOptions::default()))),
        ("instance_norm", Box::new(move || Ok(a.instance_norm(options())?.var))),
        ("instance_norm plain", Box::new(move || Ok(a.instance_norm(NormOptions::default())?.output))),
        ("local_response_norm", Box::new(move || a.local_response_norm(sizes[0], ResponseOptions { alpha: number, ..Default::default() }))),
    ]
}
