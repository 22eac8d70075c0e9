//! Powers.

use super::arithmetic::binary_types;
use super::function::{Binary, Unary, binary, unary};
use super::rhs::Rhs;
use super::unary::unary_types;
use crate::Result;
use crate::cpu::math::Num;
use crate::tensor::Tensor;

/// `xᵖ` for a constant p, which is an f64 in expressions.
#[derive(Clone, Copy)]
struct ToThe(f64);

impl Unary for ToThe {
    const OP: &'static str = "pow";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        x.powf(self.0)
    }
}

unary_types! {
    // The exponents that training meets, without a power.
    Square() "pow", |x| x * x;
    Cube() "pow", |x| x * x * x, slope N::lit(3.0) * (x * x);
    Root() "pow", |x| x.sqrt(), slope N::lit(0.5) / x.sqrt();
    Inverse() "pow", |x| N::lit(1.0) / x, slope -(N::lit(1.0) / (x * x));
}

binary_types! {
    Pow() "pow", |a, b| a.pow(b);
}

#[derive(Clone, Copy)]
struct BaseTo(f64);

impl Unary for BaseTo {
    const OP: &'static str = "rpow";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        N::lit(self.0).pow(x)
    }
}

impl Tensor {
    /// `selfᵖ`, for an exponent that is a number or a tensor, broadcast. The gradient of a power of 0 is
    /// 0 by the exponent, and an exponent of 0 gives a gradient of 0 by the base.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sizes cannot be broadcast,
    /// [`Error::DType`](crate::Error::DType) if dtypes differ or are not floats.
    pub fn pow(self, p: impl Into<Rhs>) -> Result<Tensor> {
        match p.into() {
            Rhs::Tensor(p) => binary(self, p, Pow {}),
            Rhs::Scalar(2.0) => unary(self, Square {}),
            Rhs::Scalar(3.0) => unary(self, Cube {}),
            Rhs::Scalar(0.5) => unary(self, Root {}),
            Rhs::Scalar(-1.0) => unary(self, Inverse {}),
            Rhs::Scalar(p) => unary(self, ToThe(p)),
        }
    }

    /// `baseˣ` for a number `base` and the exponents in `self`. PyTorch: `base ** x`.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
    pub fn rpow(self, base: f64) -> Result<Tensor> {
        unary(self, BaseTo(base))
    }
}
