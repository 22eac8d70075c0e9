//! Choices between elements: `clamp` and `where_`.

use super::apply::{operand, sum_to};
use super::unary::{Unary, unary};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{self, Map3};
use crate::cpu::math::Num;
use crate::dtype::for_dtype;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Error, Result};

#[derive(Clone, Copy)]
struct Clamp {
    low: f64,
    high: f64,
}

impl Unary for Clamp {
    const OP: &'static str = "clamp";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        let (low, high) = (N::lit(self.low), N::lit(self.high));
        let x = low.gt_select(x, low, x);
        x.gt_select(high, high, x)
    }
    #[inline(always)]
    fn df<N: Num>(self, x: N) -> N {
        let (zero, one) = (N::lit(0.0), N::lit(1.0));
        let inside = x.gt_select(N::lit(self.high), zero, x.nan_select(zero, one));
        N::lit(self.low).gt_select(x, zero, inside)
    }
}

struct Pick;

impl<T> Map3<bool, T, T, T> for Pick {
    #[inline(always)]
    fn call(&self, condition: bool, yes: T, no: T) -> T {
        if condition { yes } else { no }
    }
}

impl Tensor {
    /// Each element moved into `[low, high]`; the gradient is 0 outside.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `low <= high`, [`Error::DType`] if the dtype is not a float.
    pub fn clamp(self, low: f64, high: f64) -> Result<Tensor> {
        if low.is_nan() || high.is_nan() || low > high {
            return Err(Error::argument(
                "clamp",
                "low must not exceed high",
                format!("{low} and {high}"),
            ));
        }
        unary(self, Clamp { low, high })
    }

    /// `yes` where `condition` is true, else `no`; all broadcast together.
    ///
    /// # Errors
    /// [`Error::DType`] if `condition` is not bool or the others' dtypes differ,
    /// [`Error::Shape`] if sizes cannot be broadcast.
    pub fn where_(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
        let op = "where";
        condition.expect_dtype(op, DType::Bool)?;
        let dtype = same_dtype(op, yes, no)?;
        if dtype.is_half() {
            let [yes, no] = [yes.cast(DType::F32)?, no.cast(DType::F32)?];
            return Tensor::where_(condition, &yes, &no)?.cast(dtype);
        }
        let shape = shape::broadcast(op, yes.sizes(), no.sizes())?;
        let shape = shape::broadcast(op, condition.sizes(), &shape)?;
        let edges = Edges::of(&[yes, no]);
        let y = for_dtype!(dtype, T => Tensor::fill_new::<T>(shape, |out| {
            map::map3(
                &Pick,
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
                let zero = Tensor::scalar(0.0, dy.dtype());
                if grads.wants(0) {
                    grads.add(
                        0,
                        sum_to(Tensor::where_(&condition, &dy, &zero)?, &shapes[0])?,
                    )?;
                }
                if grads.wants(1) {
                    grads.add(
                        1,
                        sum_to(Tensor::where_(&condition, &zero, &dy)?, &shapes[1])?,
                    )?;
                }
                Ok(())
            }
        }))
    }
}
