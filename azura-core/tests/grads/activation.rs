//! Activation functions.

use crate::common::Domain::Any;
use crate::{Row, UNARY, one, row};

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("relu", Any, UNARY, |x| one(x[0].clone().relu())),
        row("silu", Any, UNARY, |x| one(x[0].clone().silu())),
        row("gelu_tanh", Any, UNARY, |x| one(x[0].clone().gelu_tanh())),
    ]
}
