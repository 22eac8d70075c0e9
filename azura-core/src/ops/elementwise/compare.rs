//! Comparisons, tests of single elements, and logic. Results are bool and carry no gradient.

use super::apply::{operand, together};
use super::rhs::Rhs;
use crate::cpu::map;
use crate::dtype::{for_dtype, for_number};
use crate::tensor::Tensor;
use crate::{DType, Element, Result};

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $ty:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// The result is bool and carries no gradient.
                ///
                /// # Errors
                /// [`Error::Shape`](crate::Error::Shape) if sizes cannot be broadcast,
                /// [`Error::DType`](crate::Error::DType) if dtypes differ,
                /// [`Error::Argument`](crate::Error::Argument) if a number is not a value of an integer
                /// tensor's dtype.
                pub fn $name(&self, rhs: impl Into<Rhs>) -> Result<Tensor> {
                    compare(stringify!($name), self, rhs.into(), Pair::$ty)
                }
            )*
        }
    };
}

comparisons! {
    /// `self == rhs` element by element.
    eq Eq;
    /// `self != rhs` element by element.
    ne Ne;
    /// `self < rhs` element by element.
    lt Lt;
    /// `self <= rhs` element by element.
    le Le;
    /// `self > rhs` element by element.
    gt Gt;
    /// `self >= rhs` element by element.
    ge Ge;
    /// Whether both are true; a number is true unless it is 0, so NaN is too.
    logical_and And;
    /// Whether one or both are true; a number is true unless it is 0, so NaN is too.
    logical_or Or;
    /// Whether one is true and the other is not; a number is true unless it is 0, so NaN is too.
    logical_xor Xor;
}

/// A question about two elements.
#[derive(Clone, Copy)]
enum Pair {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Xor,
}

fn compare(op: &'static str, a: &Tensor, b: Rhs, pair: Pair) -> Result<Tensor> {
    let operands = [a.clone(), b.tensor(op, a.dtype())?];
    let (dtype, shape) = together(op, &operands)?;
    if dtype.is_half() {
        let [a, b] = &operands;
        return compare(op, &a.cast(DType::F32)?, b.cast(DType::F32)?.into(), pair);
    }
    let [a, b] = match pair {
        Pair::Gt | Pair::Ge => [&operands[1], &operands[0]],
        _ => [&operands[0], &operands[1]],
    };
    Ok(
        for_number!(dtype, T => Tensor::fill_new::<bool>(shape, |out| {
            let operands = [operand::<T>(a, &shape), operand::<T>(b, &shape)];
            map::map(&|x, out| ask(pair, x, out), &operands, out);
        })),
    )
}

fn ask<T: Element + PartialOrd>(pair: Pair, x: [&[T]; 2], out: &mut [bool]) {
    let is = |x: T| x != T::from_f64(0.0);
    match pair {
        Pair::Eq => each(x, out, |a, b| a == b),
        Pair::Ne => each(x, out, |a, b| a != b),
        Pair::Lt | Pair::Gt => each(x, out, |a, b| a < b),
        Pair::Le | Pair::Ge => each(x, out, |a, b| a <= b),
        Pair::And => each(x, out, |a, b| is(a) & is(b)),
        Pair::Or => each(x, out, |a, b| is(a) | is(b)),
        Pair::Xor => each(x, out, |a, b| is(a) ^ is(b)),
    }
}

fn each<T: Copy>([a, b]: [&[T]; 2], out: &mut [bool], f: impl Fn(T, T) -> bool) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

/// `f` of each element as an f64.
fn test(x: &Tensor, f: impl Fn(f64) -> bool + Sync) -> Tensor {
    let shape = *x.sizes();
    for_dtype!(x.dtype(), T => Tensor::fill_new::<bool>(shape, |out| {
        let run = |[x]: [&[T]; 1], out: &mut [bool]| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = f(x.to_f64());
            }
        };
        map::map(&run, &[operand::<T>(x, &shape)], out);
    }))
}

impl Tensor {
    /// Whether each element is 0 or false: the opposite of what it is in logic.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn logical_not(&self) -> Result<Tensor> {
        Ok(test(self, |x| x == 0.0))
    }

    /// Whether each element is NaN.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn isnan(&self) -> Result<Tensor> {
        Ok(test(self, f64::is_nan))
    }

    /// Whether each element is infinity of either sign.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn isinf(&self) -> Result<Tensor> {
        Ok(test(self, f64::is_infinite))
    }

    /// Whether each element is neither infinite nor NaN.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn isfinite(&self) -> Result<Tensor> {
        Ok(test(self, f64::is_finite))
    }
}
