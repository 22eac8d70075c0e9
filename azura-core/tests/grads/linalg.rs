//! Products of matrices.

use crate::common::Domain::Any;
use crate::{Row, one, row};
use azura_core::Activation;

const MATMUL: &[&[&[usize]]] = &[
    &[&[3, 4], &[4, 2]],
    &[&[1, 1], &[1, 1]],
    &[&[4], &[4]],
    &[&[4], &[4, 3]],
    &[&[3, 4], &[4]],
    &[&[2, 3, 4], &[2, 4, 5]],
    &[&[2, 3, 4], &[4, 5]],
    &[&[3, 4], &[2, 4, 5]],
    &[&[2, 1, 3, 4], &[5, 4, 2]],
    &[&[4], &[2, 4, 3]],
    &[&[2, 3, 4], &[4]],
    &[&[3, 0], &[0, 2]],
    &[&[0, 3], &[3, 2]],
    &[&[0, 2, 3], &[0, 3, 2]],
    &[&[17, 33], &[33, 9]],
];
const LINEAR: &[&[&[usize]]] = &[
    &[&[3, 4], &[2, 4], &[2]],
    &[&[4], &[3, 4], &[3]],
    &[&[2, 3, 4], &[5, 4], &[5]],
    &[&[1, 1], &[1, 1], &[1]],
    &[&[0, 4], &[2, 4], &[2]],
    &[&[3, 0], &[2, 0], &[2]],
    &[&[3, 4], &[0, 4], &[0]],
    &[&[19, 35], &[18, 35], &[18]],
];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("matmul", Any, MATMUL, |x| one(x[0].matmul(&x[1]))),
        row("linear", Any, LINEAR, |x| one(x[0].linear(&x[1], Some(&x[2])))),
        row("linear without bias", Any, LINEAR, |x| one(x[0].linear(&x[1], None))),
        row("linear_act relu", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Relu))),
    ]
}
