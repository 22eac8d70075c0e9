//! Operations that draw random numbers.

use crate::common::Domain::Any;
use crate::{Row, UNARY, one, row};
use azura_core::Rng;

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("dropout", Any, UNARY, |x| one(x[0].dropout(0.4, &mut Rng::new(5)))),
        row("dropout nothing", Any, UNARY, |x| one(x[0].dropout(0.0, &mut Rng::new(5)))),
        row("dropout all", Any, UNARY, |x| one(x[0].dropout(1.0, &mut Rng::new(5)))),
    ]
}
