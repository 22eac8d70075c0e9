//! Choices between elements: `clamp` and `where_`.

use super::apply::{operand, sum_to};
use super::arithmetic::{binary_types, shares, ternary_types};
use super::function::{Binary, Ternary, binary, ternary, unary};
use super::integer::{Op, integers, is_integer};
use super::rhs::Rhs;
use super::unary::unary_types;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map;
use crate::cpu::math::Num;
use crate::dtype::for_dtype;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Result};

// Slopes at a bound are PyTorch's: 0 if it is a number, half for each if it is a tensor.
unary_types! {
    Clamp(low, high) "clamp", |x| at_most(at_least(x, low), high), slope {
        above(x, low) * above(high, x)
    };
    ClampMin(low) "clamp_min", |x| at_least(x, low), slope above(x, low);
    ClampMax(high) "clamp_max", |x| at_most(x, high), slope above(high, x);
}

binary_types! {
    ClampMinTensor() "clamp_min", |x, low| at_least(x, low), slopes shares(x, low);
    ClampMaxTensor() "clamp_max", |x, high| at_most(x, high), slopes shares(high, x);
}

ternary_types! {
    ClampTensor() "clamp", |x, low, high| at_most(at_least(x, low), high), slopes {
        let (zero, one, half) = (N::lit(0.0), N::lit(1.0), N::lit(0.5));
        // What a bound gets that x is equal to; equal bounds get nothing.
        let tie = high.gt_select(low, x.nan_select(zero, half), zero);
        let to_low = low.gt_select(x, one, x.gt_select(low, zero, tie));
        let to_high = x.gt_select(high, one, high.gt_select(x, zero, tie));
        // Where the bounds are crossed the result is the upper one.
        let to_low = low.gt_select(high, zero, to_low);
        let to_high = low.gt_select(high, one, to_high);
        [one - to_low - to_high, to_low, to_high]
    };
}

/// The larger of both; NaN if one is.
#[inline(always)]
fn at_least<N: Num>(x: N, low: N) -> N {
    low.gt_select(x, low, low.nan_select(low, x))
}

/// The smaller of both; NaN if one is.
#[inline(always)]
fn at_most<N: Num>(x: N, high: N) -> N {
    x.gt_select(high, high, high.nan_select(high, x))
}

/// 1 if `a > b`, else 0.
#[inline(always)]
fn above<N: Num>(a: N, b: N) -> N {
    a.gt_select(b, N::lit(1.0), N::lit(0.0))
}

impl Tensor {
    /// Each element moved into `low..=high`; bounds are numbers or tensors, all broadcast together. The
    /// gradient is 0 outside, and goes to the bound there; at a bound it is 0 if both are numbers, else half goes to that
    /// bound, or nothing if the bounds are equal. For one bound see [`Tensor::clamp_min`] and [`Tensor::clamp_max`]. Where
    /// the lower bound exceeds the upper one, the result is the upper; where a bound is NaN, so is the result.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a number is not a value of an integer tensor's dtype, [`Error::Shape`](crate::Error::Shape) if sizes
    /// cannot be broadcast, [`Error::DType`](crate::Error::DType) if dtypes differ or are bool.
    pub fn clamp(self, low: impl Into<Rhs>, high: impl Into<Rhs>) -> Result<Tensor> {
        let op = "clamp";
        let (low, high) = (low.into(), high.into());
        if let (&Rhs::Scalar(low), &Rhs::Scalar(high)) = (&low, &high)
            && !is_integer(self.dtype())
        {
            return unary(self, Clamp { low, high });
        }
        if is_integer(self.dtype()) {
            return integers(op, Op::Minimum, integers(op, Op::Maximum, self, low)?, high);
        }
        let (low, high) = (
            low.tensor(op, self.dtype())?,
            high.tensor(op, self.dtype())?,
        );
        ternary(self, low, high, ClampTensor {})
    }

    /// Each element moved up to `low` if it is below; the gradient goes to the bound there. At the bound it is 0 if that is
    /// a number, else half for each.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn clamp_min(self, low: impl Into<Rhs>) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("clamp_min", Op::Maximum, self, low);
        }
        match low.into() {
            Rhs::Scalar(low) => unary(self, ClampMin { low }),
            Rhs::Tensor(low) => binary(self, low, ClampMinTensor {}),
        }
    }

    /// Each element moved down to `high` if it is above; the gradient goes to the bound there. At the bound it is 0 if that
    /// is a number, else half for each.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn clamp_max(self, high: impl Into<Rhs>) -> Result<Tensor> {
        if is_integer(self.dtype()) {
            return integers("clamp_max", Op::Minimum, self, high);
        }
        match high.into() {
            Rhs::Scalar(high) => unary(self, ClampMax { high }),
            Rhs::Tensor(high) => binary(self, high, ClampMaxTensor {}),
        }
    }

    /// `yes` where `condition` is true, else `no`; all broadcast together, of any dtype.
    /// PyTorch: `where(condition, yes, no)`.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if `condition` is not bool or the others' dtypes differ, [`Error::Shape`](crate::Error::Shape) if sizes
    /// cannot be broadcast.
    pub fn where_(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
        let op = "where";
        condition.expect_dtype(op, DType::Bool)?;
        let dtype = same_dtype(op, yes, no)?;
        let shape = shape::broadcast(op, yes.sizes(), no.sizes())?;
        let shape = shape::broadcast(op, condition.sizes(), &shape)?;
        let edges = Edges::of(&[yes, no]);
        let y = for_dtype!(dtype, T => Tensor::fill_new::<T>(shape, |out| {
            map::choose(
                &operand::<bool>(condition, &shape),
                &operand::<T>(yes, &shape),
                &operand::<T>(no, &shape),
                out,
            );
        }));
        let (condition, shapes) = (condition.clone(), [*yes.sizes(), *no.sizes()]);
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                let zero = Tensor::number(0.0, dy.dtype());
                if grads.wants(0) {
                    let dyes = Tensor::where_(&condition, &dy, &zero)?;
                    grads.add(0, sum_to(dyes, &shapes[0])?)?;
                }
                if grads.wants(1) {
                    let dno = Tensor::where_(&condition, &zero, &dy)?;
                    grads.add(1, sum_to(dno, &shapes[1])?)?;
                }
                Ok(())
            }
        }))
    }
}
