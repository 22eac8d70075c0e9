//! Functions of one number.

use super::function::{Saved, moderate, unary};
use crate::Result;
use crate::cpu::math::Num;
use crate::tensor::Tensor;

/// A type for each function of one number: its name, its numbers in parentheses, the operation in
/// messages, the expression, and how the derivative is found if not by dual numbers:
///
/// * `result y => df`: from the result, which is saved instead of the argument;
/// * `slope df`: written out, from the argument;
/// * `constant c`: the same everywhere; nothing is saved;
/// * `saves Slope`: with the value by dual numbers in the forward pass, whose exponential it shares.
///
/// The function's numbers have the type of the argument in expressions, and are f64 in a constant.
macro_rules! unary_types {
    ($(
        $ty:ident $params:tt $op:expr, |$x:ident| $f:expr
        $(, result $y:ident => $df:expr)? $(, slope $slope:expr)? $(, constant $c:expr)? $(, saves $saved:ident)?;
    )*) => {$(
        $crate::ops::elementwise::unary::function_struct!($ty $params);

        impl $crate::ops::elementwise::function::Unary for $ty {
            const OP: &'static str = $op;
            $(const SAVED: Saved = Saved::$saved;)?
            #[inline(always)]
            fn f<N: Num>(self, $x: N) -> N {
                $crate::ops::elementwise::unary::numbers!(N, self, $params);
                $f
            }
            $(
                const SAVED: Saved = Saved::Output;
                #[inline(always)]
                fn df<N: Num>(self, $y: N) -> N {
                    $crate::ops::elementwise::unary::numbers!(N, self, $params);
                    $df
                }
            )?
            $(
                #[inline(always)]
                fn df<N: Num>(self, $x: N) -> N {
                    $crate::ops::elementwise::unary::numbers!(N, self, $params);
                    $slope
                }
            )?
            $(
                #[inline(always)]
                fn df<N: Num>(self, _: N) -> N {
                    N::lit(self.slope().unwrap_or(0.0))
                }
                fn slope(self) -> Option<f64> {
                    $crate::ops::elementwise::unary::numbers!(self, $params);
                    Some($c)
                }
            )?
        }
    )*};
}

macro_rules! function_struct {
    ($ty:ident ($($p:ident),*)) => {
        #[derive(Clone, Copy)]
        pub(in crate::ops::elementwise) struct $ty {
            $(pub $p: f64),*
        }
    };
}

macro_rules! numbers {
    ($N:ident, $self:ident, ($($p:ident),*)) => {
        $(#[allow(unused_variables)] let $p = $N::lit($self.$p);)*
    };
    ($self:ident, ($($p:ident),*)) => {
        $(#[allow(unused_variables)] let $p = $self.$p;)*
    };
}

/// The same, and a method of `Tensor` for each. Each row: documentation, method, then as above without
/// the operation in messages.
macro_rules! unary_ops {
    ($(
        $(#[$doc:meta])*
        $name:ident $ty:ident ($($p:ident),*) |$x:ident| $f:expr
        $(, result $y:ident => $df:expr)? $(, slope $slope:expr)? $(, constant $c:expr)? $(, saves $saved:ident)?;
    )*) => {
        $crate::ops::elementwise::unary::unary_types! {$(
            $ty ($($p),*) stringify!($name), |$x| $f
            $(, result $y => $df)? $(, slope $slope)? $(, constant $c)? $(, saves $saved)?;
        )*}

        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
                pub fn $name(self $(, $p: f64)*) -> Result<Tensor> {
                    unary(self, $ty { $($p),* })
                }
            )*
        }
    };
}
pub(super) use {function_struct, numbers, unary_ops, unary_types};

unary_ops! {
    /// `√x`.
    sqrt Sqrt() |x| x.sqrt(), result y => N::lit(0.5) / y;
    /// `1 / √x`.
    rsqrt Rsqrt() |x| N::lit(1.0) / x.sqrt(), result y => N::lit(-0.5) * (y * y * y);
    /// `x²`.
    square Square() |x| x * x;
    /// `1 / x`.
    reciprocal Reciprocal() |x| N::lit(1.0) / x, result y => -(y * y);
    /// `eˣ`.
    exp Exp() |x| x.exp(), result y => y;
    /// `eˣ - 1`, exact for small x too.
    expm1 Expm1() |x| x.exp_m1(), result y => y + N::lit(1.0);
    /// The natural logarithm.
    log Log() |x| x.ln();
    /// `ln(1 + x)`, exact for small x too.
    log1p Log1p() |x| x.ln_1p();
    /// The logarithm to base 2.
    log2 Log2() |x| x.through(f64::log2, |x| 1.0 / (x * std::f64::consts::LN_2));
    /// The logarithm to base 10.
    log10 Log10() |x| x.through(f64::log10, |x| 1.0 / (x * std::f64::consts::LN_10));
    /// The tangent of an angle in radians.
    tan Tan() |x| x.through(f64::tan, |x| 1.0 + x.tan().powi(2)), result y => y.mul_add(y, N::lit(1.0));
    /// The angle in `-π/2..=π/2` whose sine is `x`; NaN outside `-1..=1`.
    asin Asin() |x| x.through(f64::asin, |x| 1.0 / ((1.0 - x) * (1.0 + x)).sqrt());
    /// The angle in `0..=π` whose cosine is `x`; NaN outside `-1..=1`.
    acos Acos() |x| x.through(f64::acos, |x| -1.0 / ((1.0 - x) * (1.0 + x)).sqrt());
    /// The angle in `-π/2..=π/2` whose tangent is `x`.
    atan Atan() |x| x.through(f64::atan, |x| 1.0 / (x * x + 1.0));
    /// The hyperbolic sine.
    sinh Sinh() |x| x.through(f64::sinh, f64::cosh);
    /// The hyperbolic cosine.
    cosh Cosh() |x| x.through(f64::cosh, f64::sinh);
    /// The hyperbolic tangent.
    tanh Tanh() |x| x.tanh(), result y => N::lit(1.0) - y * y;
    /// `1 / (1 + e⁻ˣ)`.
    sigmoid Sigmoid() |x| x.sigmoid(), result y => y * (N::lit(1.0) - y);
    /// The error function `2/√π ∫₀ˣ exp(-t²) dt`.
    erf Erf() |x| x.erf();
    /// 1, 0 or -1 as x is above, at or below 0; 0 for NaN, as in PyTorch. The gradient is 0.
    sign Sign() |x| {
        let (zero, one) = (N::lit(0.0), N::lit(1.0));
        x.gt_select(zero, one, zero.gt_select(x, -one, zero))
    }, constant 0.0;
    /// The largest integer that is not larger. The gradient is 0.
    floor Floor() |x| x.floor(), constant 0.0;
    /// The smallest integer that is not smaller. The gradient is 0.
    ceil Ceil() |x| x.ceil(), constant 0.0;
    /// The nearest integer, the even one of two. The gradient is 0.
    round Round() |x| x.round(), constant 0.0;
    /// The integer part. The gradient is 0.
    trunc Trunc() |x| x.trunc(), constant 0.0;
}

unary_types! {
    Sin() "sin", |x| x.sin();
    SinOfAny() "sin", |x| x.through(f64::sin, f64::cos);
    Cos() "cos", |x| x.cos();
    CosOfAny() "cos", |x| x.through(f64::cos, |x| -x.sin());
    Neg() "neg", |x| -x, constant -1.0;
    // PyTorch's subgradient at 0 is 0.
    Abs() "abs", |x| x.abs();
    RoundScaled(scale) "round_decimals", |x| (x * scale).round() / scale, constant 0.0;
    RoundDivided(unit) "round_decimals", |x| (x / unit).round() * unit, constant 0.0;
}

impl Tensor {
    /// The sine of an angle in radians.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
    pub fn sin(self) -> Result<Tensor> {
        moderate(self, Sin {}, SinOfAny {})
    }

    /// The cosine of an angle in radians.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
    pub fn cos(self) -> Result<Tensor> {
        moderate(self, Cos {}, CosOfAny {})
    }

    /// The nearest number with `decimals` digits after the point, the even one of two; with a negative
    /// number of digits, the nearest multiple of `10^-decimals`. The gradient is 0.
    /// PyTorch: `round(decimals=…)`.
    ///
    /// ```
    /// # use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[0.125f64, 1250.0], [2])?;
    /// assert_eq!(x.clone().round_decimals(2)?.to_vec::<f64>()?, [0.12, 1250.0]);
    /// assert_eq!(x.round_decimals(-2)?.to_vec::<f64>()?, [0.0, 1200.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
    pub fn round_decimals(self, decimals: i32) -> Result<Tensor> {
        let power = 10f64.powi(decimals.saturating_abs());
        if decimals < 0 {
            unary(self, RoundDivided { unit: power })
        } else {
            unary(self, RoundScaled { scale: power })
        }
    }
}
