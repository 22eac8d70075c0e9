//! Arithmetic on integers. It wraps around on overflow, as in PyTorch (and unlike Rust in debug builds).

use super::apply::{apply_to, together};
use super::rhs::Rhs;
use crate::tensor::Tensor;
use crate::{DType, Element, Error, Result};

/// An integer of a tensor.
pub(super) trait Integer: Element + Default + Ord {
    const ZERO: Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    /// The quotient cut towards zero, for `b` not 0.
    fn div_trunc(self, b: Self) -> Self;
    /// The quotient rounded down, for `b` not 0.
    fn div_floor(self, b: Self) -> Self;
}

impl Integer for i64 {
    const ZERO: Self = 0;
    fn add(self, b: Self) -> Self {
        self.wrapping_add(b)
    }
    fn sub(self, b: Self) -> Self {
        self.wrapping_sub(b)
    }
    fn mul(self, b: Self) -> Self {
        self.wrapping_mul(b)
    }
    fn div_trunc(self, b: Self) -> Self {
        self.wrapping_div(b)
    }
    fn div_floor(self, b: Self) -> Self {
        let quotient = self.wrapping_div(b);
        let inexact = self.wrapping_rem(b) != 0;
        quotient - i64::from(inexact && (self < 0) != (b < 0))
    }
}

impl Integer for u32 {
    const ZERO: Self = 0;
    fn add(self, b: Self) -> Self {
        self.wrapping_add(b)
    }
    fn sub(self, b: Self) -> Self {
        self.wrapping_sub(b)
    }
    fn mul(self, b: Self) -> Self {
        self.wrapping_mul(b)
    }
    fn div_trunc(self, b: Self) -> Self {
        self / b
    }
    fn div_floor(self, b: Self) -> Self {
        self / b
    }
}

/// An operation on integers.
#[derive(Clone, Copy)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Maximum,
    Minimum,
    DivTrunc,
    DivFloor,
}

/// Whether arithmetic on this dtype belongs here.
pub(super) fn is_integer(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::U32)
}

/// `a op b`, broadcast.
pub(super) fn integers(name: &'static str, op: Op, a: Tensor, b: impl Into<Rhs>) -> Result<Tensor> {
    let b = b.into().tensor(name, a.dtype())?;
    let operands = [a, b];
    let (dtype, shape) = together(name, &operands)?;
    if matches!(op, Op::DivTrunc | Op::DivFloor)
        && operands[1].eq(0)?.to_vec::<bool>()?.contains(&true)
    {
        return Err(Error::argument(
            name,
            "integers must not be divided by 0",
            "a 0",
        ));
    }
    Ok(match dtype {
        DType::I64 => apply_to::<i64, 2>(operands, Some(&shape), &|x, out| run(op, x, out)),
        _ => apply_to::<u32, 2>(operands, Some(&shape), &|x, out| run(op, x, out)),
    })
}

fn run<T: Integer>(op: Op, x: [&[T]; 2], out: &mut [T]) {
    match op {
        Op::Add => each(x, out, T::add),
        Op::Sub => each(x, out, T::sub),
        Op::Mul => each(x, out, T::mul),
        Op::Maximum => each(x, out, T::max),
        Op::Minimum => each(x, out, T::min),
        Op::DivTrunc => each(x, out, T::div_trunc),
        Op::DivFloor => each(x, out, T::div_floor),
    }
}

fn each<T: Integer>([a, b]: [&[T]; 2], out: &mut [T], f: impl Fn(T, T) -> T) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

/// `-x`, modulo 2³² for u32.
pub(super) fn negate(x: Tensor) -> Tensor {
    single(x, |x| i64::ZERO.sub(x), |x| u32::ZERO.sub(x))
}

/// `|x|`; of the smallest i64, itself.
pub(super) fn absolute(x: Tensor) -> Tensor {
    single(x, i64::wrapping_abs, |x| x)
}

fn single(x: Tensor, f: impl Fn(i64) -> i64 + Sync, g: impl Fn(u32) -> u32 + Sync) -> Tensor {
    fn each<T: Copy>([x]: [&[T]; 1], out: &mut [T], f: impl Fn(T) -> T) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = f(x);
        }
    }
    let dtype = x.dtype();
    match dtype {
        DType::I64 => apply_to::<i64, 1>([x], None, &|x, out| each(x, out, &f)),
        _ => apply_to::<u32, 1>([x], None, &|x, out| each(x, out, &g)),
    }
}
