//! Arithmetic and functions of each element.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    vec![
        (text(&a + &b), "[add] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(&a - &double), "[sub] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.clone().maximum(&b)), "[maximum] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[1]).add(1.0)), "[add] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).exp()), "[exp] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.clone().clamp(1.0, 0.0)), "[clamp] low must not exceed high, but got 1 and 0"),
        (text(a.clone().clamp(f64::NAN, 0.0)), "[clamp] low must not exceed high, but got NaN and 0"),
        (text(a.eq(&b)), "[eq] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[1]).lt(2.5)), "[lt] the number must be a value of the tensor's dtype i64, but got 2.5; cast the tensor with `cast`"),
        (text(Tensor::zeros([1], DType::U32).unwrap().eq(-1.0)), "[eq] the number must be a value of the tensor's dtype u32, but got -1; cast the tensor with `cast`"),
        (text(Tensor::where_(&a, &a, &a)), "[where] the tensor must be bool, but got f32; cast it with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, dtypes, number, .. } = x;
    let number = *number;
    vec![
        ("add", Box::new(move || a.clone().add(b))),
        ("sub", Box::new(move || a.clone().sub(number))),
        ("mul", Box::new(move || a.clone().mul(b))),
        ("div", Box::new(move || a.clone().div(b))),
        ("maximum", Box::new(move || a.clone().maximum(b))),
        ("minimum", Box::new(move || a.clone().minimum(b))),
        ("pow", Box::new(move || a.clone().pow(number))),
        ("clamp", Box::new(move || a.clone().clamp(number, 1.0))),
        ("exp", Box::new(move || a.clone().exp())),
        ("abs", Box::new(move || a.clone().abs())),
        ("neg", Box::new(move || a.clone().neg())),
        ("square", Box::new(move || a.clone().square())),
        ("reciprocal", Box::new(move || a.clone().reciprocal())),
        ("log", Box::new(move || a.clone().log())),
        ("sin", Box::new(move || a.clone().sin())),
        ("cos", Box::new(move || a.clone().cos())),
        ("tanh", Box::new(move || a.clone().tanh())),
        ("sigmoid", Box::new(move || a.clone().sigmoid())),
        ("ne", Box::new(move || a.ne(b))),
        ("le", Box::new(move || a.le(b))),
        ("gt", Box::new(move || a.gt(b))),
        ("ge", Box::new(move || a.ge(b))),
        ("sqrt", Box::new(move || a.clone().sqrt())),
        ("where_", Box::new(move || Tensor::where_(a, b, c))),
        ("eq", Box::new(move || a.eq(b))),
        ("lt", Box::new(move || a.lt(number))),
        ("cast", Box::new(move || a.cast(dtypes[1]))),
    ]
}
