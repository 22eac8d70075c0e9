//! Arithmetic: tensors with tensors, tensors with numbers, and the operators.

use super::function::{Binary, Ternary, binary, ternary, unary};
use super::integer::{Op, absolute, integers, is_integer, negate};
use super::rhs::Rhs;
use super::unary::{Abs, Neg, unary_types};
use crate::Result;
use crate::cpu::math::Num;
use crate::tensor::Tensor;

unary_types! {
    AddNumber(b) "add", |x| x + b, constant 1.0;
    SubNumber(b) "sub", |x| x - b, constant 1.0;
    SubFrom(a) "sub", |x| a - x, constant -1.0;
    MulNumber(b) "mul", |x| x * b, constant b;
    DivBy(b) "div", |x| x / b, constant 1.0 / b;
    DivFrom(a) "div", |x| a / x, slope -(a / x) / x;
    TruncBy(b) "div_rounded", |x| (x / b).trunc(), constant 0.0;
    FloorBy(b) "div_rounded", |x| floor_quotient(x, b), constant 0.0;
}

/// Types of functions of two numbers: type, its numbers, the operation in messages, the expression, and
/// how the derivatives are found if not by dual numbers: `slopes`, written out, or `constant`.
macro_rules! binary_types {
    ($(
        $ty:ident $params:tt $op:expr, |$a:ident, $b:ident| $f:expr
        $(, slopes $df:expr)? $(, constant $c:expr)?;
    )*) => {$(
        super::unary::function_struct!($ty $params);

        impl Binary for $ty {
            const OP: &'static str = $op;
            #[inline(always)]
            fn f<N: Num>(self, $a: N, $b: N) -> N {
                super::unary::numbers!(N, self, $params);
                $f
            }
            $(
                #[inline(always)]
                fn df<N: Num>(self, $a: N, $b: N) -> [N; 2] {
                    super::unary::numbers!(N, self, $params);
                    $df
                }
            )?
            $(
                #[inline(always)]
                fn df<N: Num>(self, _: N, _: N) -> [N; 2] {
                    self.slopes().unwrap_or_default().map(N::lit)
                }
                fn slopes(self) -> Option<[f64; 2]> {
                    super::unary::numbers!(self, $params);
                    Some($c)
                }
            )?
        }
    )*};
}

binary_types! {
    Add() "add", |a, b| a + b, constant [1.0, 1.0];
    Sub() "sub", |a, b| a - b, constant [1.0, -1.0];
    // Written out: a dual number would add 0 times an infinite operand.
    Mul() "mul", |a, b| a * b, slopes [b, a];
    Div() "div", |a, b| a / b, slopes [N::lit(1.0) / b, -(a / b) / b];
    Trunc() "div_rounded", |a, b| (a / b).trunc(), constant [0.0, 0.0];
    Floor() "div_rounded", |a, b| floor_quotient(a, b), constant [0.0, 0.0];
    // A tie gives half to each, and a NaN all to both, as in PyTorch.
    Maximum() "maximum", |a, b| a.nan_select(a, a.gt_select(b, a, b)), slopes shares(a, b);
    Minimum() "minimum", |a, b| a.nan_select(a, b.gt_select(a, a, b)), slopes {
        let [right, left] = shares(a, b);
        [left, right]
    };
    // At the origin, which has no angle, the gradient is 0.
    Atan2() "atan2", |y, x| y.atan2(x), slopes {
        let (zero, square) = (N::lit(0.0), y * y + x * x);
        let slope = |a: N| square.nan_select(a, square.gt_select(zero, a / square, a));
        [slope(x), slope(-y)]
    };
    LerpBy(weight) "lerp", |a, b| lerp(a, b, weight), constant [1.0 - weight, weight];
}

/// How much of the gradient the larger of two numbers gets, as the first and as the second operand.
#[inline(always)]
pub(super) fn shares<N: Num>(a: N, b: N) -> [N; 2] {
    let (zero, one, half) = (N::lit(0.0), N::lit(1.0), N::lit(0.5));
    let equal = a.nan_select(one, b.nan_select(one, half));
    [
        a.gt_select(b, one, b.gt_select(a, zero, equal)),
        b.gt_select(a, one, a.gt_select(b, zero, equal)),
    ]
}

/// The largest integer not above the exact `a / b`, which the rounded quotient may exceed: the
/// remainder is taken off first, as in Python and PyTorch.
#[inline(always)]
fn floor_quotient<N: Num>(a: N, b: N) -> N {
    let (zero, one, half) = (N::lit(0.0), N::lit(1.0), N::lit(0.5));
    let rest = a.rem(b);
    let exact = (a - rest) / b;
    // One less where the remainder and the divisor have different signs.
    let below = rest.gt_select(zero, zero.gt_select(b, one, zero), {
        zero.gt_select(rest, b.gt_select(zero, one, zero), zero)
    });
    let quotient = exact - below;
    let floor = quotient.floor();
    let floor = (quotient - floor).gt_select(half, floor + one, floor);
    // Division by zero gives infinity or NaN.
    let plain = a / b;
    b.gt_select(zero, floor, zero.gt_select(b, floor, plain))
}

/// `a + weight (b - a)`, computed from the nearer end so that a weight of 1 gives b.
#[inline(always)]
fn lerp<N: Num>(a: N, b: N, weight: N) -> N {
    let d = b - a;
    let from_b = b - d * (N::lit(1.0) - weight);
    N::lit(0.5).gt_select(weight.abs(), a + weight * d, from_b)
}

macro_rules! ternary_types {
    ($(
        $ty:ident $params:tt $op:expr, |$a:ident, $b:ident, $c:ident| $f:expr, slopes $df:expr;
    )*) => {$(
        super::unary::function_struct!($ty $params);

        impl Ternary for $ty {
            const OP: &'static str = $op;
            #[inline(always)]
            fn f<N: Num>(self, $a: N, $b: N, $c: N) -> N {
                super::unary::numbers!(N, self, $params);
                $f
            }
            #[allow(unused_variables, reason = "not every slope depends on every operand")]
            #[inline(always)]
            fn df<N: Num>(self, $a: N, $b: N, $c: N) -> [N; 3] {
                super::unary::numbers!(N, self, $params);
                $df
            }
        }
    )*};
}
pub(super) use {binary_types, ternary_types};

ternary_types! {
    Addcmul(value) "addcmul", |x, a, b| x + value * a * b, slopes [N::lit(1.0), value * b, value * a];
    Addcdiv(value) "addcdiv", |x, a, b| x + value * (a / b), slopes {
        [N::lit(1.0), value / b, -(value * (a / b)) / b]
    };
    Lerp() "lerp", |a, b, weight| lerp(a, b, weight), slopes [N::lit(1.0) - weight, weight, b - a];
}

/// How a quotient becomes a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Cut towards zero, as C and Rust divide integers.
    Trunc,
    /// Down, as Python's `//`.
    Floor,
}

impl Tensor {
    /// `-self`. Integers wrap around.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is bool.
    #[expect(
        clippy::should_implement_trait,
        reason = "`-x` would hide that it can fail"
    )]
    pub fn neg(self) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return Ok(negate(self));
        }
        unary(self, Neg {})
    }

    /// `|self|`; the gradient at 0 is 0. Integers wrap around.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is bool.
    pub fn abs(self) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return Ok(absolute(self));
        }
        unary(self, Abs {})
    }

    /// `self / rhs` rounded to a whole number, broadcast; the gradient is 0.
    /// PyTorch: `div(rounding_mode=…)`.
    ///
    /// # Errors
    /// Those of [`Tensor::add`], and [`Error::Argument`](crate::Error::Argument) if integers are divided
    /// by 0.
    pub fn div_rounded(self, rhs: impl Into<Rhs>, rounding: Rounding) -> Result<Tensor> {
        let floor = rounding == Rounding::Floor;
        if is_integer(self.dtype()) {
            let op = if floor { Op::DivFloor } else { Op::DivTrunc };
            return integers("div_rounded", op, self, rhs);
        }
        match (rhs.into(), floor) {
            (Rhs::Tensor(b), true) => binary(self, b, Floor {}),
            (Rhs::Tensor(b), false) => binary(self, b, Trunc {}),
            (Rhs::Scalar(b), true) => unary(self, FloorBy { b }),
            (Rhs::Scalar(b), false) => unary(self, TruncBy { b }),
        }
    }

    /// The larger of two elements, broadcast; NaN if either is. Equal elements share the gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn maximum(self, rhs: &Tensor) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("maximum", Op::Maximum, self, rhs);
        }
        binary(self, rhs.clone(), Maximum {})
    }

    /// The smaller of two elements, broadcast; NaN if either is. Equal elements share the gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn minimum(self, rhs: &Tensor) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("minimum", Op::Minimum, self, rhs);
        }
        binary(self, rhs.clone(), Minimum {})
    }

    /// The angle of the point (`x`, `self`) in `-π..=π`, broadcast.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sizes cannot be broadcast,
    /// [`Error::DType`](crate::Error::DType) if dtypes differ or are not floats.
    pub fn atan2(self, x: &Tensor) -> Result<Tensor> {
        binary(self, x.clone(), Atan2 {})
    }

    /// `self + value · a · b`, all broadcast together, in one pass.
    ///
    /// # Errors
    /// Those of [`Tensor::atan2`].
    pub fn addcmul(self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        ternary(self, a.clone(), b.clone(), Addcmul { value })
    }

    /// `self + value · a / b`, all broadcast together, in one pass.
    ///
    /// # Errors
    /// Those of [`Tensor::atan2`].
    pub fn addcdiv(self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        ternary(self, a.clone(), b.clone(), Addcdiv { value })
    }

    /// `self + weight · (end - self)`, all broadcast together: `self` at weight 0, `end` at weight 1.
    ///
    /// # Errors
    /// Those of [`Tensor::atan2`].
    pub fn lerp(self, end: &Tensor, weight: impl Into<Rhs>) -> Result<Tensor> {
        match weight.into() {
            Rhs::Tensor(weight) => ternary(self, end.clone(), weight, Lerp {}),
            Rhs::Scalar(weight) => binary(self, end.clone(), LerpBy { weight }),
        }
    }
}

#[expect(
    clippy::should_implement_trait,
    reason = "the operators call these, for every kind of operand"
)]
impl Tensor {
    /// `self + rhs`, broadcast. Integers wrap around on overflow.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sizes cannot be broadcast,
    /// [`Error::DType`](crate::Error::DType) if dtypes differ or are bool,
    /// [`Error::Argument`](crate::Error::Argument) if a number is not a value of an integer tensor's dtype.
    pub fn add(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("add", Op::Add, self, rhs);
        }
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Add {}),
            Rhs::Scalar(b) => unary(self, AddNumber { b }),
        }
    }

    /// `self - rhs`, broadcast. Integers wrap around on overflow.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn sub(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("sub", Op::Sub, self, rhs);
        }
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Sub {}),
            Rhs::Scalar(b) => unary(self, SubNumber { b }),
        }
    }

    /// `self · rhs` element by element, broadcast. Integers wrap around on overflow.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn mul(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("mul", Op::Mul, self, rhs);
        }
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Mul {}),
            Rhs::Scalar(b) => unary(self, MulNumber { b }),
        }
    }

    /// `self / rhs` element by element, broadcast. For whole quotients, of integers too, see
    /// [`Tensor::div_rounded`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sizes cannot be broadcast,
    /// [`Error::DType`](crate::Error::DType) if dtypes differ or are not floats.
    pub fn div(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Div {}),
            Rhs::Scalar(b) => unary(self, DivBy { b }),
        }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $left:expr),*) => {$(
        impl<R: Into<Rhs>> std::ops::$trait<R> for Tensor {
            type Output = Result<Tensor>;
            fn $method(self, rhs: R) -> Result<Tensor> {
                Tensor::$method(self, rhs)
            }
        }
        impl<R: Into<Rhs>> std::ops::$trait<R> for &Tensor {
            type Output = Result<Tensor>;
            fn $method(self, rhs: R) -> Result<Tensor> {
                Tensor::$method(self.clone(), rhs)
            }
        }
        impl std::ops::$trait<&Tensor> for f64 {
            type Output = Result<Tensor>;
            fn $method(self, rhs: &Tensor) -> Result<Tensor> {
                let left: fn(f64, Tensor) -> Result<Tensor> = $left;
                left(self, rhs.clone())
            }
        }
    )*};
}
operators!(
    Add add |a, x| x.add(a),
    Sub sub |a, x| match is_integer(x.dtype()) {
        true => integers("sub", Op::Sub, Rhs::Scalar(a).tensor("sub", x.dtype())?, x),
        false => unary(x, SubFrom { a }),
    },
    Mul mul |a, x| x.mul(a),
    Div div |a, x| unary(x, DivFrom { a })
);
