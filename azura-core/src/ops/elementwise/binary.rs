//! Functions of two numbers, and arithmetic.

use super::apply::{map1, map2, map3, sum_to};
use super::scalar::{Affine, DivBy, Power};
use super::unary::{Value, unary};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{Map1, Map2, Map3};
use crate::cpu::math::{Dual, Num};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Result};

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

/// A function of two numbers.
pub(in crate::ops) trait Binary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    /// Whether the derivatives depend on the operands, so that these must be saved.
    const SAVES: bool = true;
    fn f<N: Num>(self, a: N, b: N) -> N;
    /// The derivatives by both operands.
    #[inline(always)]
    fn df<N: Num>(self, a: N, b: N) -> [N; 2] {
        self.f(Dual::<N, 2>::input(a, 0), Dual::input(b, 1)).grad
    }
}

impl<T: Num, E: Binary> Map2<T, T, T> for Value<E> {
    #[inline(always)]
    fn call(&self, a: T, b: T) -> T {
        self.0.f(a, b)
    }
}

/// `(a, b, dy) -> dy · df/d(operand K)`.
struct Partial<E, const K: usize>(E);

impl<T: Num, E: Binary, const K: usize> Map3<T, T, T, T> for Partial<E, K> {
    #[inline(always)]
    fn call(&self, a: T, b: T, dy: T) -> T {
        dy * self.0.df(a, b)[K]
    }
}

/// The same where the derivative is a constant.
impl<T: Num, E: Binary, const K: usize> Map1<T, T> for Partial<E, K> {
    #[inline(always)]
    fn call(&self, dy: T) -> T {
        dy * self.0.df(T::lit(0.0), T::lit(0.0))[K]
    }
}

pub(in crate::ops) fn binary<E: Binary>(a: Tensor, b: Tensor, e: E) -> Result<Tensor> {
    let dtype = same_dtype(E::OP, &a, &b)?;
    if dtype.is_half() {
        return binary(a.cast(DType::F32)?, b.cast(DType::F32)?, e)?.cast(dtype);
    }
    let edges = Edges::of(&[&a, &b]);
    let shapes = [*a.sizes(), *b.sizes()];
    let saved = (edges.recorded() && E::SAVES).then(|| (a.detach(), b.detach()));
    let y = map2(E::OP, a, b, Value(e))?;
    Ok(edges.record(E::OP, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?;
            for (i, shape) in shapes.iter().enumerate() {
                if !grads.wants(i) {
                    continue;
                }
                let gradient = match (&saved, i) {
                    (None, 0) => map1(E::OP, dy.clone(), Partial::<E, 0>(e))?,
                    (None, _) => map1(E::OP, dy.clone(), Partial::<E, 1>(e))?,
                    (Some((a, b)), 0) => map3(E::OP, a, b, &dy, Partial::<E, 0>(e))?,
                    (Some((a, b)), _) => map3(E::OP, a, b, &dy, Partial::<E, 1>(e))?,
                };
                grads.add(i, sum_to(gradient, shape)?)?;
            }
            Ok(())
        }
    }))
}

macro_rules! binary_types {
    ($($ty:ident $op:literal, saves $saves:literal, |$a:ident, $b:ident| $f:expr $(, grad $df:expr)?;)*) => {$(
        #[derive(Clone, Copy)]
        struct $ty;
        impl Binary for $ty {
            const OP: &'static str = $op;
            const SAVES: bool = $saves;
            #[inline(always)]
            fn f<N: Num>(self, $a: N, $b: N) -> N {
                $f
            }
            $(
                #[inline(always)]
                fn df<N: Num>(self, $a: N, $b: N) -> [N; 2] {
                    $df
                }
            )?
        }
    )*};
}

binary_types! {
    Add "add", saves false, |a, b| a + b;
    Sub "sub", saves false, |a, b| a - b;
    // Written out: a dual number would add 0 times an infinite operand.
    Mul "mul", saves true, |a, b| a * b, grad [b, a];
    Div "div", saves true, |a, b| a / b, grad [N::lit(1.0) / b, -(a / b) / b];
    // A tie gives half to each, and a NaN all to both, as in PyTorch.
    Maximum "maximum", saves true, |a, b| a.nan_select(a, a.gt_select(b, a, b)), grad shares(a, b);
    Minimum "minimum", saves true, |a, b| a.nan_select(a, b.gt_select(a, a, b)), grad {
        let [right, left] = shares(a, b);
        [left, right]
    };
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

#[expect(
    clippy::should_implement_trait,
    reason = "the operators call these, for every kind of operand"
)]
impl Tensor {
    /// `self + rhs`, broadcast.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes cannot be broadcast, [`Error::DType`] if dtypes differ or are not floats.
    pub fn add(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Add),
            Rhs::Scalar(add) => unary(self.floats("add")?, Affine { mul: 1.0, add }),
        }
    }

    /// `self - rhs`, broadcast.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn sub(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Sub),
            Rhs::Scalar(b) => unary(self.floats("sub")?, Affine { mul: 1.0, add: -b }),
        }
    }

    /// `self · rhs` element by element, broadcast.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn mul(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Mul),
            Rhs::Scalar(mul) => unary(self.floats("mul")?, Affine { mul, add: 0.0 }),
        }
    }

    /// `self / rhs` element by element, broadcast.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn div(self, rhs: impl Into<Rhs>) -> Result<Tensor> {
        match rhs.into() {
            Rhs::Tensor(b) => binary(self, b, Div),
            Rhs::Scalar(b) => unary(self, DivBy(b)),
        }
    }

    /// The larger of two elements, broadcast; NaN if either is. Equal elements share the gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn maximum(self, rhs: &Tensor) -> Result<Tensor> {
        binary(self, rhs.clone(), Maximum)
    }

    /// The smaller of two elements, broadcast; NaN if either is. Equal elements share the gradient.
    ///
    /// # Errors
    /// Those of [`Tensor::add`].
    pub fn minimum(self, rhs: &Tensor) -> Result<Tensor> {
        binary(self, rhs.clone(), Minimum)
    }

    /// `selfᵖ` for a constant exponent.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float.
    pub fn pow(self, p: f64) -> Result<Tensor> {
        unary(self, Power(p))
    }
}
