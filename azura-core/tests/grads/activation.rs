//! Activation functions.

use crate::common::Domain::Any;
use crate::{Row, UNARY, one, row};

/// Shapes whose last axis has an even size.
const HALVED: &[&[&[usize]]] = &[&[&[3, 4]], &[&[2]], &[&[0, 2]], &[&[3, 0]], &[&[2, 3, 6]]];
/// A tensor, and a weight for each channel or one for all.
const CHANNELS: &[&[&[usize]]] = &[
    &[&[2, 3, 4], &[3]],
    &[&[5, 3], &[3]],
    &[&[2, 3, 4], &[1]],
    &[&[4], &[]],
    &[&[4], &[1]],
    &[&[], &[1]],
    &[&[0, 3], &[3]],
    &[&[2, 0], &[0]],
];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("relu", Any, UNARY, |x| one(x[0].clone().relu())),
        row("silu", Any, UNARY, |x| one(x[0].clone().silu())),
        row("gelu_tanh", Any, UNARY, |x| one(x[0].clone().gelu_tanh())),
        row("relu6", Any, UNARY, |x| one(x[0].clone().mul(6.0)?.relu6())),
        row("leaky_relu", Any, UNARY, |x| one(x[0].clone().leaky_relu(0.2))),
        row("elu", Any, UNARY, |x| one(x[0].clone().elu(1.3))),
        row("celu", Any, UNARY, |x| one(x[0].clone().celu(1.3))),
        row("selu", Any, UNARY, |x| one(x[0].clone().selu())),
        row("gelu", Any, UNARY, |x| one(x[0].clone().gelu())),
        row("mish", Any, UNARY, |x| one(x[0].clone().mish())),
        row("hardtanh", Any, UNARY, |x| one(x[0].clone().hardtanh(-0.7, 0.9))),
        row("hardsigmoid", Any, UNARY, |x| one(x[0].clone().mul(3.0)?.hardsigmoid())),
        row("hardswish", Any, UNARY, |x| one(x[0].clone().mul(3.0)?.hardswish())),
        row("hardshrink", Any, UNARY, |x| one(x[0].clone().hardshrink(0.4))),
        row("softshrink", Any, UNARY, |x| one(x[0].clone().softshrink(0.4))),
        row("tanhshrink", Any, UNARY, |x| one(x[0].clone().tanhshrink())),
        row("softsign", Any, UNARY, |x| one(x[0].clone().softsign())),
        row("softplus", Any, UNARY, |x| one(x[0].clone().softplus(1.0, 20.0))),
        row("softplus cut", Any, UNARY, |x| one(x[0].clone().softplus(2.5, 1.0))),
        row("logsigmoid", Any, UNARY, |x| one(x[0].clone().logsigmoid())),
        row("threshold", Any, UNARY, |x| one(x[0].clone().threshold(0.3, -2.0))),
        row("prelu", Any, CHANNELS, |x| one(x[0].clone().prelu(&x[1]))),
        row("glu", Any, HALVED, |x| one(x[0].glu(-1))),
        row("glu first", Any, &[&[&[4, 3]], &[&[2, 2, 3]], &[&[0, 3]]], |x| one(x[0].glu(0))),
    ]
}
