//! Reductions over axes.

use crate::common::Domain::{Any, Distinct, Positive};
use crate::{Row, UNARY, one, row};
use azura_core::{Result, Tensor, TopkOptions};

/// Shapes with at least one axis for reductions over the last.
const REDUCED: &[&[&[usize]]] = &[
    &[&[3, 4]],
    &[&[2, 3, 5]],
    &[&[4, 1]],
    &[&[1]],
    &[&[0, 3]],
    &[&[7]],
];

/// Shapes whose outer axes are reduced.
const OUTER: &[&[&[usize]]] = &[&[&[2, 3, 4]], &[&[1, 2, 2]], &[&[2, 1, 3]], &[&[2, 0, 2]]];
/// The same without an empty axis to reduce.
const OUTER_FULL: &[&[&[usize]]] = &[&[&[2, 3, 4]], &[&[1, 2, 2]], &[&[2, 1, 3]], &[&[2, 0, 2]]];
/// Two axes with something in them.
const FULL: &[&[&[usize]]] = &[&[&[3, 4]], &[&[1, 1]], &[&[5, 2]]];
const COSINE: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[1, 4], &[3, 4]],
    &[&[2, 3, 2], &[3, 1]],
    &[&[2, 1], &[1, 1]],
    &[&[0, 2], &[1, 2]],
];
/// Shapes for a reduction of the middle axis: columns side by side.
const MIDDLE: &[&[&[usize]]] = &[
    &[&[2, 3, 4]],
    &[&[3, 1, 2]],
    &[&[1, 4, 1]],
    &[&[2, 3, 0]],
    &[&[0, 3, 2]],
];

pub const WITHOUT_GRADIENT: &[&str] = &[
    "argmax",
    "argmin",
    "argmax_all",
    "argmin_all",
    "any",
    "all",
    "any_all",
    "all_all",
    "argsort",
];

/// The input with zeros in it: one in each row of the last axis, and two in each first row.
fn with_zeros(x: &Tensor) -> Result<Tensor> {
    let shape = x.shape().to_vec();
    let last = shape.last().copied().unwrap_or(1);
    let mask: Vec<f64> = (0..x.numel())
        .map(|i| {
            let (row, column) = (i / last, i % last);
            f64::from(u8::from(
                column != row % last && !(row == 0 && column + 1 == last),
            ))
        })
        .collect();
    x.clone()
        .mul(Tensor::from_vec(mask, shape)?.cast(x.dtype())?)
}

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
        row("max_with_index", Distinct, MIDDLE, |x| one(x[0].max_with_index(1, true).map(|y| y.0))),
        row("min_with_index", Distinct, REDUCED, |x| one(x[0].min_with_index(-1, false).map(|y| y.0))),
        row("amax", Distinct, OUTER_FULL, |x| one(x[0].amax(&[0, -1], false))),
        row("amax all", Distinct, FULL, |x| one(x[0].amax(&[0, 1], true))),
        row("amin", Distinct, OUTER_FULL, |x| one(x[0].amin(&[-1, 0], true))),
        row("amin middle", Distinct, MIDDLE, |x| one(x[0].amin(&[1], false))),
        row("amax of no axes", Distinct, UNARY, |x| one(x[0].amax(&[], false))),
        row("max_all", Distinct, FULL, |x| one(x[0].max_all())),
        row("min_all", Distinct, FULL, |x| one(x[0].min_all())),
        row("var_all", Any, FULL, |x| one(x[0].var_all(0))),
        row("var of a broken correction", Any, MIDDLE, |x| one(x[0].var(&[1], -1.5, false))),
        row("std", Any, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[0, 3]]], |x| one(x[0].std(&[-1], 1, false))),
        row("std outer", Any, &[&[&[2, 3, 4]], &[&[2, 1, 2]], &[&[2, 0, 2]]], |x| one(x[0].std(&[0, 2], 0.5, true))),
        row("std_all", Any, &[&[&[3, 4]], &[&[2]]], |x| one(x[0].std_all(1))),
        row("prod", Any, REDUCED, |x| one(x[0].prod(&[-1], false))),
        row("prod outer", Any, OUTER, |x| one(x[0].prod(&[0, 2], true))),
        row("prod middle", Any, MIDDLE, |x| one(x[0].prod(&[1], false))),
        row("prod of zeros", Any, &[&[&[3, 4]], &[&[2, 3, 3]], &[&[1]]], |x| one(with_zeros(&x[0])?.prod(&[-1], false))),
        row("prod_all", Any, UNARY, |x| one(x[0].prod_all())),
        row("cumsum", Any, REDUCED, |x| one(x[0].cumsum(-1))),
        row("cumsum middle", Any, MIDDLE, |x| one(x[0].cumsum(1))),
        row("cumsum number", Any, &[&[&[]]], |x| one(x[0].cumsum(0))),
        row("cumprod", Any, REDUCED, |x| one(x[0].cumprod(-1))),
        row("cumprod first", Any, &[&[&[4, 3]], &[&[3, 70]], &[&[1, 2]], &[&[0, 2]]], |x| one(x[0].cumprod(0))),
        row("cumprod of zeros", Any, &[&[&[3, 4]], &[&[2, 3, 3]], &[&[1]]], |x| one(with_zeros(&x[0])?.cumprod(-1))),
        row("norm 2", Any, REDUCED, |x| one(x[0].norm(2.0, &[-1], false))),
        row("norm 2 outer", Any, OUTER, |x| one(x[0].norm(2.0, &[0, 2], true))),
        row("norm 1", Any, MIDDLE, |x| one(x[0].norm(1.0, &[1], false))),
        row("norm 0", Any, MIDDLE, |x| one(x[0].norm(0.0, &[1], false))),
        row("norm 3", Any, MIDDLE, |x| one(x[0].norm(3.0, &[1], false))),
        row("norm 1.5", Any, OUTER, |x| one(x[0].norm(1.5, &[0, 2], true))),
        row("norm 0.5", Positive, REDUCED, |x| one(x[0].norm(0.5, &[-1], false))),
        row("norm -1", Positive, MIDDLE, |x| one(x[0].norm(-1.0, &[1], false))),
        row("norm inf", Distinct, MIDDLE, |x| one(x[0].norm(f64::INFINITY, &[1], false))),
        row("norm -inf", Positive, MIDDLE, |x| one(x[0].norm(f64::NEG_INFINITY, &[1], true))),
        row("norm_all", Any, UNARY, |x| one(x[0].norm_all(2.0))),
        row("normalize", Any, REDUCED, |x| one(x[0].normalize(2.0, -1, 1e-12))),
        row("normalize raised", Any, MIDDLE, |x| one(x[0].normalize(1.5, 1, 100.0))),
        row("cosine_similarity", Any, COSINE, |x| one(x[0].cosine_similarity(&x[1], 1, 1e-8))),
        row("logsumexp", Any, REDUCED, |x| one(x[0].logsumexp(&[-1], false))),
        row("logsumexp outer", Any, OUTER, |x| one(x[0].logsumexp(&[0, 2], true))),
        row("logsumexp middle", Any, MIDDLE, |x| one(x[0].logsumexp(&[1], false))),
        row("logsumexp_all", Any, FULL, |x| one(x[0].logsumexp_all())),
        row("softmin", Any, UNARY, |x| one(x[0].softmin(-1))),
        row("sort", Distinct, REDUCED, |x| one(x[0].sort(-1, false).map(|y| y.0))),
        row("sort descending", Distinct, MIDDLE, |x| one(x[0].sort(1, true).map(|y| y.0))),
        row("sort number", Distinct, &[&[&[]]], |x| one(x[0].sort(0, true).map(|y| y.0))),
        row("topk", Distinct, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[2]], &[&[0, 3]]], |x| one(x[0].topk(2, Default::default()).map(|y| y.0))),
        row("topk middle", Distinct, &[&[&[2, 3, 4]], &[&[2, 2, 1]], &[&[2, 3, 0]]], |x| one(x[0].topk(2, TopkOptions { dim: 1, largest: false, sorted: false }).map(|y| y.0))),
        row("topk nothing", Distinct, &[&[&[2, 3]]], |x| one(x[0].topk(0, Default::default()).map(|y| y.0))),
        row("softmax", Any, UNARY, |x| one(x[0].softmax(-1))),
        row("softmax first", Any, &[&[&[3, 4]], &[&[2, 3, 20]], &[&[0, 2]], &[&[40, 3]]], |x| one(x[0].softmax(0))),
        row("log_softmax", Any, UNARY, |x| one(x[0].log_softmax(-1))),
        row("log_softmax middle", Any, &[&[&[2, 3, 4]], &[&[2, 40, 1]], &[&[2, 0, 3]]], |x| one(x[0].log_softmax(1))),
    ]
}
