//! Comparisons.

use super::Rhs;
use super::apply::operand;
use crate::cpu::map::{self, Map2};
use crate::dtype::for_number;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Error, Result};

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $ty:ident $op:tt;)*) => {
        $(
            struct $ty;
            impl<T: PartialOrd> Map2<T, T, bool> for $ty {
                #[inline(always)]
                fn call(&self, a: T, b: T) -> bool {
                    a $op b
                }
            }
        )*
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// The result is bool and carries no gradient.
                ///
                /// # Errors
                /// [`Error::Shape`] if sizes cannot be broadcast, [`Error::DType`] if dtypes differ,
                /// [`Error::Argument`] if a number is not a value of an integer tensor's dtype.
                pub fn $name(&self, rhs: impl Into<Rhs>) -> Result<Tensor> {
                    compare(stringify!($name), self, rhs.into(), $ty)
                }
            )*
        }
    };
}

comparisons! {
    /// `self == rhs` element by element.
    eq Eq ==;
    /// `self != rhs` element by element.
    ne Ne !=;
    /// `self < rhs` element by element.
    lt Lt <;
    /// `self <= rhs` element by element.
    le Le <=;
    /// `self > rhs` element by element.
    gt Gt >;
    /// `self >= rhs` element by element.
    ge Ge >=;
}

fn compare<F>(op: &'static str, a: &Tensor, b: Rhs, f: F) -> Result<Tensor>
where
    F: Map2<f32, f32, bool>
        + Map2<f64, f64, bool>
        + Map2<i64, i64, bool>
        + Map2<u32, u32, bool>
        + Map2<bool, bool, bool>,
{
    let b = match b {
        Rhs::Tensor(b) => b,
        Rhs::Scalar(value) => {
            let b = Tensor::scalar(value, a.dtype());
            // In a float's dtype a number is rounded; among integers it would become another one.
            if !a.dtype().is_float() && b.cast(DType::F64)?.item::<f64>()? != value {
                return Err(Error::argument(
                    op,
                    format!(
                        "the number must be a value of the tensor's dtype {}",
                        a.dtype()
                    ),
                    format!("{value}; cast the tensor with `cast`"),
                ));
            }
            b
        }
    };
    let dtype = same_dtype(op, a, &b)?;
    if dtype.is_half() {
        return compare(op, &a.cast(DType::F32)?, b.cast(DType::F32)?.into(), f);
    }
    let shape = shape::broadcast(op, a.sizes(), b.sizes())?;
    Ok(
        for_number!(dtype, T => Tensor::fill_new::<bool>(shape, |out| {
            map::map2(&f, &operand::<T>(a, &shape), &operand::<T>(&b, &shape), out);
        })),
    )
}
