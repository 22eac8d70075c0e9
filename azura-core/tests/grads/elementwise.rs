//! Arithmetic and functions of each element.

use crate::common::Domain::{Any, Positive};
use crate::{BINARY, Row, UNARY, one, row};
use azura_core::{DType, Elementwise, Elementwise2, Num, Rounding, Tensor};

pub const WITHOUT_GRADIENT: &[&str] = &[
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isnan",
    "isinf",
    "isfinite",
];

/// Shapes of three inputs with every kind of broadcasting.
const TERNARY: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4], &[3, 4]],
    &[&[3, 4], &[4], &[3, 1]],
    &[&[4], &[2, 1, 4], &[]],
    &[&[], &[1], &[]],
    &[&[0, 3], &[3], &[1, 1]],
];

/// `tanh(x)³` above -0.3, `eˣ` from there down.
#[derive(Clone, Copy)]
struct Bent;

impl Elementwise for Bent {
    const NAME: &'static str = "bent";
    #[inline(always)]
    fn call<N: Num>(self, x: N) -> N {
        let y = x.tanh();
        x.gt_select(N::lit(-0.3), y * y * y, x.exp())
    }
}

/// `√x`, with the slope written out.
#[derive(Clone, Copy)]
struct Root;

impl Elementwise for Root {
    const NAME: &'static str = "root";
    #[inline(always)]
    fn call<N: Num>(self, x: N) -> N {
        x.sqrt()
    }
    #[inline(always)]
    fn slope<N: Num>(self, x: N) -> N {
        N::lit(0.5) / x.sqrt()
    }
}

/// `a / (1 + b²)`
#[derive(Clone, Copy)]
struct Witch;

impl Elementwise2 for Witch {
    const NAME: &'static str = "witch";
    #[inline(always)]
    fn call<N: Num>(self, a: N, b: N) -> N {
        a / b.mul_add(b, N::lit(1.0))
    }
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("neg", Any, UNARY, |x| one(x[0].clone().neg())),
        row("abs", Any, UNARY, |x| one(x[0].clone().abs())),
        row("sqrt", Positive, UNARY, |x| one(x[0].clone().sqrt())),
        row("square", Any, UNARY, |x| one(x[0].clone().square())),
        row("reciprocal", Positive, UNARY, |x| one(x[0].clone().reciprocal())),
        row("rsqrt", Positive, UNARY, |x| one(x[0].clone().rsqrt())),
        row("expm1", Any, UNARY, |x| one(x[0].clone().expm1())),
        row("log1p", Positive, UNARY, |x| one(x[0].clone().log1p())),
        row("log2", Positive, UNARY, |x| one(x[0].clone().log2())),
        row("log10", Positive, UNARY, |x| one(x[0].clone().log10())),
        row("tan", Any, UNARY, |x| one(x[0].clone().mul(0.3)?.tan())),
        row("asin", Any, UNARY, |x| one(x[0].clone().mul(0.2)?.asin())),
        row("acos", Any, UNARY, |x| one(x[0].clone().mul(0.2)?.acos())),
        row("atan", Any, UNARY, |x| one(x[0].clone().atan())),
        row("sinh", Any, UNARY, |x| one(x[0].clone().sinh())),
        row("cosh", Any, UNARY, |x| one(x[0].clone().cosh())),
        row("erf", Any, UNARY, |x| one(x[0].clone().erf())),
        row("sign", Any, UNARY, |x| one(x[0].clone().sign())),
        row("floor", Any, UNARY, |x| one(x[0].clone().floor())),
        row("ceil", Any, UNARY, |x| one(x[0].clone().ceil())),
        row("round", Any, UNARY, |x| one(x[0].clone().round())),
        row("round_decimals", Any, UNARY, |x| one(x[0].clone().round_decimals(1))),
        row("round_decimals to tens", Any, UNARY, |x| one(x[0].clone().mul(30.0)?.round_decimals(-1))),
        row("trunc", Any, UNARY, |x| one(x[0].clone().trunc())),
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
        row("pow 2", Any, UNARY, |x| one(x[0].clone().pow(2))),
        row("pow 0.5", Positive, UNARY, |x| one(x[0].clone().pow(0.5))),
        row("pow by a tensor", Positive, BINARY, |x| one(x[0].clone().pow(&x[1]))),
        row("rpow", Any, UNARY, |x| one(x[0].clone().rpow(1.7))),
        row("atan2", Any, BINARY, |x| one(x[0].clone().atan2(&x[1].clone().add(3.0)?))),
        row("lerp", Any, BINARY, |x| one(x[0].clone().lerp(&x[1], 0.3))),
        row("lerp by a tensor", Any, TERNARY, |x| one(x[0].clone().lerp(&x[1], &x[2]))),
        row("addcmul", Any, TERNARY, |x| one(x[0].clone().addcmul(&x[1], &x[2], -1.5))),
        row("addcdiv", Positive, TERNARY, |x| one(x[0].clone().addcdiv(&x[1], &x[2], -1.5))),
        row("div_rounded down", Positive, BINARY, |x| one(x[0].clone().div_rounded(&x[1], Rounding::Floor))),
        row("div_rounded to zero", Any, UNARY, |x| one(x[0].clone().div_rounded(0.7, Rounding::Trunc))),
        row("clamp by tensors", Any, TERNARY, |x| one(x[0].clone().clamp(&x[1], &x[2]))),
        row("clamp by both kinds", Any, BINARY, |x| one(x[0].clone().clamp(&x[1], 0.5))),
        row("clamp_min", Any, UNARY, |x| one(x[0].clone().clamp_min(-0.5))),
        row("clamp_max", Any, UNARY, |x| one(x[0].clone().clamp_max(0.5))),
        row("clamp_min by a tensor", Any, BINARY, |x| one(x[0].clone().clamp_min(&x[1]))),
        row("clamp_max by a tensor", Any, BINARY, |x| one(x[0].clone().clamp_max(&x[1]))),
        row("clamp", Any, UNARY, |x| one(x[0].clone().clamp(-0.5, 0.75))),
        row("map", Any, UNARY, |x| one(x[0].clone().map(Bent))),
        row("map with a slope", Positive, UNARY, |x| one(x[0].clone().map(Root))),
        row("map2", Any, BINARY, |x| one(x[0].clone().map2(&x[1], Witch))),
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
