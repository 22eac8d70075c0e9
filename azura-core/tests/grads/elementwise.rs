//! Arithmetic and functions of each element.

use crate::common::Domain::{Any, Positive};
use crate::{BINARY, Row, UNARY, one, row};
use azura_core::{DType, Tensor};

pub const WITHOUT_GRADIENT: &[&str] = &["eq", "ne", "lt", "le", "gt", "ge"];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("neg", Any, UNARY, |x| one(x[0].clone().neg())),
        row("abs", Any, UNARY, |x| one(x[0].clone().abs())),
        row("sqrt", Positive, UNARY, |x| one(x[0].clone().sqrt())),
        row("square", Any, UNARY, |x| one(x[0].clone().square())),
        row("reciprocal", Positive, UNARY, |x| one(x[0].clone().reciprocal())),
        row("exp", Any, UNARY, |x| one(x[0].clone().exp())),
        row("log", Positive, UNARY, |x| one(x[0].clone().log())),
        row("sin", Any, UNARY, |x| one(x[0].clone().sin())),
        row("cos", Any, UNARY, |x| one(x[0].clone().cos())),
        row("tanh", Any, UNARY, |x| one(x[0].clone().tanh())),
        row("sigmoid", Any, UNARY, |x| one(x[0].clone().sigmoid())),
        row("pow 2.5", Positive, UNARY, |x| one(x[0].clone().pow(2.5))),
        row("pow 3", Any, UNARY, |x| one(x[0].clone().pow(3.0))),
        row("pow 1", Any, UNARY, |x| one(x[0].clone().pow(1.0))),
        row("pow 0", Any, UNARY, |x| one(x[0].clone().pow(0.0))),
        row("pow -1", Positive, UNARY, |x| one(x[0].clone().pow(-1.0))),
        row("clamp", Any, UNARY, |x| one(x[0].clone().clamp(-0.5, 0.75))),
        row("cast f64", Any, UNARY, |x| one(x[0].cast(DType::F64))),
        row("add", Any, BINARY, |x| one(x[0].clone().add(&x[1]))),
        row("sub", Any, BINARY, |x| one(x[0].clone().sub(&x[1]))),
        row("mul", Any, BINARY, |x| one(x[0].clone().mul(&x[1]))),
        row("div", Positive, BINARY, |x| one(x[0].clone().div(&x[1]))),
        row("maximum", Any, BINARY, |x| one(x[0].clone().maximum(&x[1]))),
        row("minimum", Any, BINARY, |x| one(x[0].clone().minimum(&x[1]))),
        row("add scalar", Any, UNARY, |x| one(x[0].clone().add(1.5))),
        row("sub scalar", Any, UNARY, |x| one(x[0].clone().sub(1.5))),
        row("mul scalar", Any, UNARY, |x| one(x[0].clone().mul(-2.5))),
        row("div scalar", Any, UNARY, |x| one(x[0].clone().div(0.3))),
        row("add operators", Any, BINARY, |x| Ok(vec![(&x[0] + &x[1])?, (1.5 + &x[0])?, (x[0].clone() + 2.0)?])),
        row("sub operators", Any, BINARY, |x| Ok(vec![(&x[0] - &x[1])?, (1.5 - &x[0])?, (x[0].clone() - 2.0)?])),
        row("mul operators", Any, BINARY, |x| Ok(vec![(&x[0] * &x[1])?, (1.5 * &x[0])?, (x[0].clone() * 2.0)?])),
        row("div operators", Positive, BINARY, |x| Ok(vec![(&x[0] / &x[1])?, (1.5 / &x[0])?, (x[0].clone() / 2.0)?])),
        row("mul by itself", Any, UNARY, |x| one(x[0].clone().mul(&x[0]))),
        row("where_", Any, BINARY, |x| {
            let condition = x[0].detach().gt(&x[1].detach().mul(0.5)?)?;
            one(Tensor::where_(&condition, &x[0], &x[1]))
        }),
    ]
}
