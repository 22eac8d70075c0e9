//! Reductions over axes.

use crate::common::Domain::{Any, Distinct};
use crate::{Row, UNARY, one, row};

/// Shapes with at least one axis for reductions over the last.
const REDUCED: &[&[&[usize]]] = &[
    &[&[3, 4]],
    &[&[2, 3, 5]],
    &[&[4, 1]],
    &[&[1]],
    &[&[0, 3]],
    &[&[7]],
];

pub const WITHOUT_GRADIENT: &[&str] = &["argmax", "argmin"];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("sum last", Any, REDUCED, |x| one(x[0].sum(&[-1], false))),
        row("sum first", Any, REDUCED, |x| one(x[0].sum(&[0], true))),
        row("sum outer axes", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]], &[&[2, 1, 3]]], |x| one(x[0].sum(&[0, 2], false))),
        row("sum middle", Any, &[&[&[2, 3, 4]], &[&[2, 3, 0]], &[&[2, 0, 3]], &[&[0, 2, 3]]], |x| one(x[0].sum(&[1], false))),
        row("sum of no axes", Any, UNARY, |x| one(x[0].sum(&[], false))),
        row("sum_all", Any, UNARY, |x| one(x[0].sum_all())),
        row("mean", Any, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[1]], &[&[0, 3]]], |x| one(x[0].mean(&[-1], true))),
        row("mean_all", Any, &[&[&[3, 4]], &[&[1]], &[&[]]], |x| one(x[0].mean_all())),
        row("var", Any, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[0, 3]]], |x| one(x[0].var(&[-1], 1, false))),
        row("var biased", Any, &[&[&[3, 4]], &[&[2, 1, 5]]], |x| one(x[0].var(&[0, 1], 0, true))),
        row("max", Distinct, REDUCED, |x| one(x[0].max(-1, false))),
        row("max first", Distinct, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[1, 4]], &[&[2, 0]]], |x| one(x[0].max(0, true))),
        row("min", Distinct, REDUCED, |x| one(x[0].min(-1, false))),
        row("min middle", Distinct, &[&[&[2, 3, 4]], &[&[1, 1, 1]], &[&[2, 3, 0]]], |x| one(x[0].min(1, true))),
        row("softmax", Any, UNARY, |x| one(x[0].softmax(-1))),
        row("softmax first", Any, &[&[&[3, 4]], &[&[2, 3, 20]], &[&[0, 2]], &[&[40, 3]]], |x| one(x[0].softmax(0))),
        row("log_softmax", Any, UNARY, |x| one(x[0].log_softmax(-1))),
        row("log_softmax middle", Any, &[&[&[2, 3, 4]], &[&[2, 40, 1]], &[&[2, 0, 3]]], |x| one(x[0].log_softmax(1))),
    ]
}
