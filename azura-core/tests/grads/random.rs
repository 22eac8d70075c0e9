//! Operations that draw random numbers.

use crate::common::Domain::Any;
use crate::{Row, UNARY, one, row};
use azura_core::Rng;

/// Batch, channels, and what they hold.
const CHANNELS: &[&[&[usize]]] = &[&[&[3, 4, 2]], &[&[5, 3]], &[&[1, 1]], &[&[2, 0, 3]]];

/// Samples do not depend on what they are drawn by in a way that has a slope.
pub const WITHOUT_GRADIENT: &[&str] = &[
    "rand",
    "uniform",
    "randn",
    "normal",
    "truncated_normal",
    "randint",
    "randperm",
    "bernoulli",
    "multinomial",
];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("dropout", Any, UNARY, |x| one(x[0].dropout(0.4, &mut Rng::new(5)))),
        row("dropout nothing", Any, UNARY, |x| one(x[0].dropout(0.0, &mut Rng::new(5)))),
        row("dropout all", Any, UNARY, |x| one(x[0].dropout(1.0, &mut Rng::new(5)))),
        row("alpha_dropout", Any, UNARY, |x| one(x[0].alpha_dropout(0.4, &mut Rng::new(5)))),
        row("alpha_dropout all", Any, UNARY, |x| one(x[0].alpha_dropout(1.0, &mut Rng::new(5)))),
        row("feature_dropout", Any, CHANNELS, |x| one(x[0].feature_dropout(0.4, &mut Rng::new(5)))),
        row("feature_alpha_dropout", Any, CHANNELS, |x| one(x[0].feature_alpha_dropout(0.4, &mut Rng::new(5)))),
        row("dropout1d", Any, CHANNELS, |x| one(x[0].dropout1d(0.4, &mut Rng::new(5)))),
        row("dropout2d", Any, &[&[&[2, 3, 2, 2]], &[&[1, 1, 1, 1]], &[&[2, 0, 1, 3]]], |x| one(x[0].dropout2d(0.4, &mut Rng::new(5)))),
        row("dropout3d", Any, &[&[&[2, 3, 1, 2, 2]], &[&[4, 2, 2, 1]], &[&[0, 2, 2, 1]]], |x| one(x[0].dropout3d(0.4, &mut Rng::new(5)))),
    ]
}
