//! Operations between a tensor and a number, and the operators.

use super::binary::Rhs;
use super::unary::{Saved, Unary, unary};
use crate::Result;
use crate::cpu::math::Num;
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub mul: f64,
    pub add: f64,
}

impl Unary for Affine {
    const OP: &'static str = "affine";
    const SAVED: Saved = Saved::Nothing;
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        x * N::lit(self.mul) + N::lit(self.add)
    }
    // A dual number would add 0 times an infinite x.
    #[inline(always)]
    fn df<N: Num>(self, _: N) -> N {
        N::lit(self.mul)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Power(pub f64);

impl Unary for Power {
    const OP: &'static str = "pow";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        x.powf(self.0)
    }
}

#[derive(Clone, Copy)]
pub(super) struct ScalarOver(f64);

impl Unary for ScalarOver {
    const OP: &'static str = "div";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        N::lit(self.0) / x
    }
    #[inline(always)]
    fn df<N: Num>(self, x: N) -> N {
        -(N::lit(self.0) / x) / x
    }
}

#[derive(Clone, Copy)]
pub(super) struct DivBy(pub f64);

impl Unary for DivBy {
    const OP: &'static str = "div";
    const SAVED: Saved = Saved::Nothing;
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        x / N::lit(self.0)
    }
    #[inline(always)]
    fn df<N: Num>(self, _: N) -> N {
        N::lit(1.0) / N::lit(self.0)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {$(
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
                left_scalar::$method(self, rhs.clone())
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

/// A number on the left of an operator.
mod left_scalar {
    use super::{Affine, ScalarOver, Tensor, unary};
    use crate::Result;

    pub fn add(a: f64, x: Tensor) -> Result<Tensor> {
        unary(x.floats("add")?, Affine { mul: 1.0, add: a })
    }
    pub fn sub(a: f64, x: Tensor) -> Result<Tensor> {
        unary(x.floats("sub")?, Affine { mul: -1.0, add: a })
    }
    pub fn mul(a: f64, x: Tensor) -> Result<Tensor> {
        unary(x.floats("mul")?, Affine { mul: a, add: 0.0 })
    }
    pub fn div(a: f64, x: Tensor) -> Result<Tensor> {
        unary(x, ScalarOver(a))
    }
}
