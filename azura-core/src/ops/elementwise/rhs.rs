//! The right side of an operation: a tensor or a number.

use crate::tensor::Tensor;
use crate::{DType, Error, Result};

/// The right side of an arithmetic operation: a tensor or a number.
///
/// A number takes the tensor's dtype.
#[derive(Clone, Debug)]
pub enum Rhs {
    /// A tensor, broadcast against the left side.
    Tensor(Tensor),
    /// The same number for every element.
    Scalar(f64),
}

impl From<Tensor> for Rhs {
    fn from(x: Tensor) -> Self {
        Rhs::Tensor(x)
    }
}

impl From<&Tensor> for Rhs {
    fn from(x: &Tensor) -> Self {
        Rhs::Tensor(x.clone())
    }
}

macro_rules! scalar_rhs {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Rhs {
            fn from(x: $ty) -> Self {
                Rhs::Scalar(f64::from(x))
            }
        }
    )*};
}
scalar_rhs!(f64, f32, i32, u32);

impl Rhs {
    /// As a tensor of this dtype. In a float's dtype a number is rounded; among integers it would become
    /// another one, which is an error.
    pub(in crate::ops) fn tensor(self, op: &'static str, dtype: DType) -> Result<Tensor> {
        let value = match self {
            Rhs::Tensor(tensor) => return Ok(tensor),
            Rhs::Scalar(value) => value,
        };
        if !dtype.has(value) {
            return Err(Error::argument(
                op,
                format!("the number must be a value of the tensor's dtype {dtype}"),
                format!("{value}; cast the tensor with `cast`"),
            ));
        }
        Ok(Tensor::number(value, dtype))
    }
}
