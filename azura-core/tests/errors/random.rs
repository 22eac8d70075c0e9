//! Operations that draw random numbers.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let mut rng = Rng::new(0);
    vec![
        (text(a.dropout(1.5, &mut rng)), "[dropout] p must lie in [0, 1], but got 1.5"),
        (text(a.dropout(f64::NAN, &mut rng)), "[dropout] p must lie in [0, 1], but got NaN"),
        (text(ints(&[1]).dropout(0.5, &mut rng)), "[dropout] takes f32 or f64, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, number, .. } = x;
    let number = *number;
    vec![
        ("dropout", Box::new(move || a.dropout(number, &mut Rng::new(1)))),
    ]
}
