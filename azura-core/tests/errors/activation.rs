//! Activation functions.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    vec![
        (text(ints(&[1]).relu6()), "[relu6] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).gelu()), "[gelu] takes floats, but got i64; cast it first with `cast`"),
        (text(a.clone().celu(0.0)), "[celu] alpha must not be 0, but got 0"),
        (text(a.clone().hardtanh(1.0, -1.0)), "[hardtanh] min must not exceed max, but got 1 and -1"),
        (text(a.clone().hardtanh(f64::NAN, 1.0)), "[hardtanh] min must not exceed max, but got NaN and 1"),
        (text(a.clone().softshrink(-0.5)), "[softshrink] lambda must not be negative, but got -0.5"),
        (text(a.clone().softplus(0.0, 20.0)), "[softplus] beta must not be 0, but got 0"),
        (text(a.clone().prelu(&zeros(&[2]))), "[prelu] the weight must be one number or one for each of the 3 channels, but got shape [2] for [2, 3]"),
        (text(zeros(&[2]).prelu(&zeros(&[2]))), "[prelu] the weight must be one number or one for each of the 1 channels, but got shape [2] for [2]"),
        (text(a.clone().prelu(&zeros(&[1, 3]))), "[prelu] the weight must be one number or one for each of the 3 channels, but got shape [1, 3] for [2, 3]"),
        (text(a.clone().prelu(&Tensor::zeros([3], DType::F64).unwrap())), "[prelu] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.glu(-1)), "[glu] the size of axis 1 must be even, but got shape [2, 3]"),
        (text(a.glu(2)), "[glu] the axis must lie in -2..2, but got 2"),
        (text(ints(&[1, 2]).glu(0)), "[glu] takes floats, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, dims, number, .. } = x;
    let number = *number;
    vec![
        ("gelu_tanh", Box::new(move || a.clone().gelu_tanh())),
        ("silu", Box::new(move || a.clone().silu())),
        ("relu", Box::new(move || a.clone().relu())),
        ("relu6", Box::new(move || a.clone().relu6())),
        ("selu", Box::new(move || a.clone().selu())),
        ("gelu", Box::new(move || a.clone().gelu())),
        ("mish", Box::new(move || a.clone().mish())),
        ("hardsigmoid", Box::new(move || a.clone().hardsigmoid())),
        ("hardswish", Box::new(move || a.clone().hardswish())),
        ("tanhshrink", Box::new(move || a.clone().tanhshrink())),
        ("softsign", Box::new(move || a.clone().softsign())),
        ("logsigmoid", Box::new(move || a.clone().logsigmoid())),
        ("leaky_relu", Box::new(move || a.clone().leaky_relu(number))),
        ("elu", Box::new(move || a.clone().elu(number))),
        ("celu", Box::new(move || a.clone().celu(number))),
        ("hardshrink", Box::new(move || a.clone().hardshrink(number))),
        ("softshrink", Box::new(move || a.clone().softshrink(number))),
        ("hardtanh", Box::new(move || a.clone().hardtanh(number, 1.0))),
        ("softplus", Box::new(move || a.clone().softplus(number, 20.0))),
        ("threshold", Box::new(move || a.clone().threshold(number, 0.5))),
        ("prelu", Box::new(move || a.clone().prelu(b))),
        ("glu", Box::new(move || a.glu(dims[0]))),
    ]
}
