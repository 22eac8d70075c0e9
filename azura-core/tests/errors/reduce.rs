//! Reductions over axes.

use crate::*;
use azura_core::TopkOptions;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    vec![
        (text(a.sum(&[2], false)), "[sum] the axis must lie in -2..2, but got 2"),
        (text(a.sum(&[0, -2], false)), "[sum] each axis may be named once, but got [0, -2]"),
        (text(a.max(5, false)), "[max] the axis must lie in -2..2, but got 5"),
        (text(a.argmin(5, false)), "[argmin] the axis must lie in -2..2, but got 5"),
        (text(zeros(&[2, 0]).min(1, false)), "[min] there must be an element to take, but got none in shape [2, 0]"),
        (text(zeros(&[2, 0]).argmax_all()), "[argmax] there must be an element to take, but got none in shape [2, 0]"),
        (text(zeros(&[2, 0, 3]).amax(&[-1, 1], true)), "[amax] there must be an element to take, but got none in shape [2, 0, 3]"),
        (text(zeros(&[0]).max_all()), "[max] there must be an element to take, but got none in shape [0]"),
        (text(a.max_with_index(-3, false)), "[max] the axis must lie in -2..2, but got -3"),
        (text(a.amin(&[1, 1], false)), "[amin] each axis may be named once, but got [1, 1]"),
        (text(ints(&[1]).mean_all()), "[mean] takes floats, but got i64; cast it first with `cast`"),
        (text(a.prod(&[4], false)), "[prod] the axis must lie in -2..2, but got 4"),
        (text(a.any(&[4], false)), "[any] the axis must lie in -2..2, but got 4"),
        (text(a.all(&[0, 0], false)), "[all] each axis may be named once, but got [0, 0]"),
        (text(a.cumsum(2)), "[cumsum] the axis must lie in -2..2, but got 2"),
        (text(a.cumprod(-4)), "[cumprod] the axis must lie in -2..2, but got -4"),
        (text(a.var(&[0], f64::NAN, false)), "[var] the correction must be a number, but got NaN"),
        (text(ints(&[1]).std_all(1)), "[std] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).norm_all(2.0)), "[norm] takes floats, but got i64; cast it first with `cast`"),
        (text(a.norm(f64::NAN, &[0], false)), "[norm] p must be a number, but got NaN"),
        (text(zeros(&[2, 0]).norm(f64::INFINITY, &[1], false)), "[norm] there must be an element to take, but got none in shape [2, 0]"),
        (text(a.normalize(2.0, 2, 1e-12)), "[norm] the axis must lie in -2..2, but got 2"),
        (text(a.cosine_similarity(&zeros(&[2]), 1, 1e-8)), "[cosine_similarity] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [2]"),
        (text(a.cosine_similarity(&ints(&[1]), 1, 1e-8)), "[cosine_similarity] both operands must have the same dtype, but got f32 and i64; cast one with `cast`"),
        (text(a.logsumexp(&[2], false)), "[logsumexp] the axis must lie in -2..2, but got 2"),
        (text(ints(&[1]).logsumexp_all()), "[logsumexp] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).softmin(0)), "[softmin] takes floats, but got i64; cast it first with `cast`"),
        (text(a.sort(2, false)), "[sort] the axis must lie in -2..2, but got 2"),
        (text(zeros(&[]).argsort(1, false)), "[argsort] the axis must lie in -1..1, but got 1"),
        (text(a.topk(4, TopkOptions::default())), "[topk] k must not exceed the size 3 of axis 1, but got 4"),
        (text(a.var(&[3], 1, false)), "[var] the axis must lie in -2..2, but got 3"),
        (text(ints(&[1]).var(&[0], 1, false)), "[var] takes floats, but got i64; cast it first with `cast`"),
        (text(a.softmax(2)), "[softmax] the axis must lie in -2..2, but got 2"),
        (text(ints(&[1]).log_softmax(0)), "[log_softmax] takes floats, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, sizes, keep, number, .. } = x;
    let (keep, number) = (*keep, *number);
    let k = sizes[0];
    let [d, e, f] = x.dims;
    vec![
        ("sum", Box::new(move || a.sum(&[d, e], keep))),
        ("sum one", Box::new(move || a.sum(&[d], keep))),
        ("mean", Box::new(move || a.mean(&[d], keep))),
        ("var", Box::new(move || a.var(&[d], number, keep))),
        ("sum_all", Box::new(move || a.sum_all())),
        ("mean_all", Box::new(move || a.mean_all())),
        ("max", Box::new(move || a.max(d, keep))),
        ("min", Box::new(move || a.min(d, keep))),
        ("argmax", Box::new(move || a.argmax(d, keep))),
        ("argmin", Box::new(move || a.argmin(d, keep))),
        ("max_with_index", Box::new(move || Ok(a.max_with_index(d, keep)?.0))),
        ("min_with_index", Box::new(move || Ok(a.min_with_index(d, keep)?.1))),
        ("amax", Box::new(move || a.amax(&[d, e], keep))),
        ("amin", Box::new(move || a.amin(&[d], keep))),
        ("max_all", Box::new(move || a.max_all())),
        ("min_all", Box::new(move || a.min_all())),
        ("argmax_all", Box::new(move || a.argmax_all())),
        ("argmin_all", Box::new(move || a.argmin_all())),
        ("any", Box::new(move || a.any(&[d, e], keep))),
        ("all", Box::new(move || a.all(&[d], keep))),
        ("any_all", Box::new(move || a.any_all())),
        ("all_all", Box::new(move || a.all_all())),
        ("var_all", Box::new(move || a.var_all(number))),
        ("std", Box::new(move || a.std(&[d], number, keep))),
        ("std_all", Box::new(move || a.std_all(1))),
        ("prod", Box::new(move || a.prod(&[d, e], keep))),
        ("prod_all", Box::new(move || a.prod_all())),
        ("cumsum", Box::new(move || a.cumsum(d))),
        ("cumprod", Box::new(move || a.cumprod(e))),
        ("norm", Box::new(move || a.norm(number, &[d, e], keep))),
        ("norm 2", Box::new(move || a.norm(2.0, &[d], keep))),
        ("norm_all", Box::new(move || a.norm_all(number))),
        ("normalize", Box::new(move || a.normalize(number, d, 1e-12))),
        ("cosine_similarity", Box::new(move || a.cosine_similarity(b, d, number))),
        ("logsumexp", Box::new(move || a.logsumexp(&[d, e], keep))),
        ("logsumexp_all", Box::new(move || a.logsumexp_all())),
        ("softmin", Box::new(move || a.softmin(d))),
        ("sort", Box::new(move || Ok(a.sort(d, keep)?.0))),
        ("argsort", Box::new(move || a.argsort(d, keep))),
        ("topk", Box::new(move || Ok(a.topk(k, TopkOptions { dim: d, largest: keep, sorted: true })?.0))),
        ("topk unsorted", Box::new(move || Ok(a.topk(k, TopkOptions { dim: d, largest: true, sorted: false })?.1))),
        ("softmax", Box::new(move || a.softmax(d))),
        ("log_softmax", Box::new(move || a.log_softmax(f))),
    ]
}
