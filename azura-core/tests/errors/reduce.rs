//! Reductions over axes.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    vec![
        (text(a.sum(&[2], false)), "[sum] the axis must lie in -2..2, but got 2"),
        (text(a.sum(&[0, -2], false)), "[sum] each axis may be named once, but got [0, -2]"),
        (text(a.max(5, false)), "[max] the axis must lie in -2..2, but got 5"),
        (text(a.argmin(5, false)), "[argmin] the axis must lie in -2..2, but got 5"),
        (text(zeros(&[2, 0]).min(1, false)), "[min] the axis must not be empty, but got [2, 0]"),
        (text(ints(&[1]).sum_all()), "[sum] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.var(&[3], 1, false)), "[var] the axis must lie in -2..2, but got 3"),
        (text(ints(&[1]).var(&[0], 1, false)), "[var] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.softmax(2)), "[softmax] the axis must lie in -2..2, but got 2"),
        (text(ints(&[1]).log_softmax(0)), "[log_softmax] takes f32 or f64, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, sizes, keep, .. } = x;
    let keep = *keep;
    let sizes = *sizes;
    let [d, e, f] = x.dims;
    vec![
        ("sum", Box::new(move || a.sum(&[d, e], keep))),
        ("sum one", Box::new(move || a.sum(&[d], keep))),
        ("mean", Box::new(move || a.mean(&[d], keep))),
        ("var", Box::new(move || a.var(&[d], sizes[0], keep))),
        ("sum_all", Box::new(move || a.sum_all())),
        ("mean_all", Box::new(move || a.mean_all())),
        ("max", Box::new(move || a.max(d, keep))),
        ("min", Box::new(move || a.min(d, keep))),
        ("argmax", Box::new(move || a.argmax(d, keep))),
        ("argmin", Box::new(move || a.argmin(d, keep))),
        ("softmax", Box::new(move || a.softmax(d))),
        ("log_softmax", Box::new(move || a.log_softmax(f))),
    ]
}
