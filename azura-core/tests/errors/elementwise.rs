//! Arithmetic and functions of each element.

use crate::*;
use azura_core::{Elementwise, Elementwise2, Num, Rounding};

#[derive(Clone, Copy)]
struct Doubled;

impl Elementwise for Doubled {
    const NAME: &'static str = "doubled";
    fn call<N: Num>(self, x: N) -> N {
        x + x
    }
}

impl Elementwise2 for Doubled {
    const NAME: &'static str = "doubled";
    fn call<N: Num>(self, a: N, b: N) -> N {
        a + b + a + b
    }
}

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    vec![
        (text(&a + &b), "[add] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(&a - &double), "[sub] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.clone().maximum(&b)), "[maximum] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[1]).add(1.5)), "[add] the number must be a value of the tensor's dtype i64, but got 1.5; cast the tensor with `cast`"),
        (text(ints(&[1]).mul(&a)), "[mul] both operands must have the same dtype, but got i64 and f32; cast one with `cast`"),
        (text(ints(&[1]).div(2)), "[div] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).div_rounded(0, Rounding::Floor)), "[div_rounded] integers must not be divided by 0, but got a 0"),
        (text(ints(&[4, 5]).div_rounded(ints(&[2, 0]), Rounding::Trunc)), "[div_rounded] integers must not be divided by 0, but got a 0"),
        (text(ints(&[1]).maximum(&ints(&[1, 2, 3]).narrow(0, 0, 2).unwrap().reshape([2, 1]).unwrap()).and_then(|x| x.add(ints(&[1, 2, 3])))
            .and_then(|x| x.minimum(&ints(&[1, 2])))), "[minimum] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [2]"),
        (text(Tensor::zeros([1], DType::Bool).unwrap().add(1)), "[add] takes floats, but got bool; cast it first with `cast`"),
        (text(Tensor::zeros([1], DType::Bool).unwrap().neg()), "[neg] takes floats, but got bool; cast it first with `cast`"),
        (text(ints(&[1]).clamp(0.5, 1)), "[clamp] the number must be a value of the tensor's dtype i64, but got 0.5; cast the tensor with `cast`"),
        (text(ints(&[1]).clamp(0, f64::NAN)), "[clamp] the number must be a value of the tensor's dtype i64, but got NaN; cast the tensor with `cast`"),
        (text(Tensor::zeros([1], DType::Bool).unwrap().clamp(0, 1)), "[clamp] takes floats, but got bool; cast it first with `cast`"),
        (text(ints(&[1]).map(Doubled)), "[doubled] takes floats, but got i64; cast it first with `cast`"),
        (text(a.clone().map2(&double, Doubled)), "[doubled] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(ints(&[1]).clamp_min(0.5)), "[clamp_min] the number must be a value of the tensor's dtype i64, but got 0.5; cast the tensor with `cast`"),
        (text(a.clone().clamp(&b, 1.0)), "[clamp] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(a.clone().clamp_max(&double)), "[clamp_max] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.clone().pow(&b)), "[pow] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[2]).pow(2)), "[pow] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[2]).rpow(2.0)), "[rpow] takes floats, but got i64; cast it first with `cast`"),
        (text(a.clone().atan2(&b)), "[atan2] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(a.clone().lerp(&b, 0.5)), "[lerp] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(a.clone().lerp(&a, &double)), "[lerp] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.clone().addcmul(&a, &b, 1.0)), "[addcmul] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(a.clone().addcdiv(&double, &a, 1.0)), "[addcdiv] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.logical_and(&double)), "[logical_and] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(ints(&[1]).round()), "[round] takes floats, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).exp()), "[exp] takes floats, but got i64; cast it first with `cast`"),
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
        ("map", Box::new(move || a.clone().map(Doubled))),
        ("map2", Box::new(move || a.clone().map2(b, Doubled))),
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
        ("rsqrt", Box::new(move || a.clone().rsqrt())),
        ("expm1", Box::new(move || a.clone().expm1())),
        ("log1p", Box::new(move || a.clone().log1p())),
        ("log2", Box::new(move || a.clone().log2())),
        ("log10", Box::new(move || a.clone().log10())),
        ("tan", Box::new(move || a.clone().tan())),
        ("asin", Box::new(move || a.clone().asin())),
        ("acos", Box::new(move || a.clone().acos())),
        ("atan", Box::new(move || a.clone().atan())),
        ("sinh", Box::new(move || a.clone().sinh())),
        ("cosh", Box::new(move || a.clone().cosh())),
        ("erf", Box::new(move || a.clone().erf())),
        ("sign", Box::new(move || a.clone().sign())),
        ("floor", Box::new(move || a.clone().floor())),
        ("ceil", Box::new(move || a.clone().ceil())),
        ("round", Box::new(move || a.clone().round())),
        ("trunc", Box::new(move || a.clone().trunc())),
        ("round_decimals", Box::new(move || a.clone().round_decimals(x.dims[0] as i32))),
        ("div_rounded", Box::new(move || a.clone().div_rounded(b, Rounding::Floor))),
        ("div_rounded by a number", Box::new(move || a.clone().div_rounded(number, Rounding::Trunc))),
        ("add number", Box::new(move || a.clone().add(number))),
        ("mul number", Box::new(move || a.clone().mul(number))),
        ("pow tensor", Box::new(move || a.clone().pow(b))),
        ("rpow", Box::new(move || a.clone().rpow(number))),
        ("atan2", Box::new(move || a.clone().atan2(b))),
        ("lerp", Box::new(move || a.clone().lerp(b, c))),
        ("lerp number", Box::new(move || a.clone().lerp(b, number))),
        ("addcmul", Box::new(move || a.clone().addcmul(b, c, number))),
        ("addcdiv", Box::new(move || a.clone().addcdiv(b, c, number))),
        ("clamp tensors", Box::new(move || a.clone().clamp(b, c))),
        ("clamp_min", Box::new(move || a.clone().clamp_min(b))),
        ("clamp_max", Box::new(move || a.clone().clamp_max(number))),
        ("logical_and", Box::new(move || a.logical_and(b))),
        ("logical_or", Box::new(move || a.logical_or(b))),
        ("logical_xor", Box::new(move || a.logical_xor(number))),
        ("logical_not", Box::new(move || a.logical_not())),
        ("isnan", Box::new(move || a.isnan())),
        ("isinf", Box::new(move || a.isinf())),
        ("isfinite", Box::new(move || a.isfinite())),
    ]
}
