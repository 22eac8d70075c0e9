//! Functions of one number.

use super::apply::{map1, map2};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{Map1, Map2};
use crate::cpu::math::{Dual, Num};
use crate::tensor::Tensor;
use crate::{DType, Result};

/// What the derivative of a unary operation is computed from.
#[derive(PartialEq)]
pub(super) enum Saved {
    /// Nothing: it is a constant.
    Nothing,
    Input,
    Output,
}

/// A function of one number.
pub(super) trait Unary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    const SAVED: Saved = Saved::Input;
    fn f<N: Num>(self, x: N) -> N;
    /// The derivative, from the input or the output as `SAVED` says.
    #[inline(always)]
    fn df<N: Num>(self, saved: N) -> N {
        self.f(Dual::<N, 1>::input(saved, 0)).grad[0]
    }
}

pub(super) struct Value<E>(pub(super) E);
pub(super) struct Slope<E>(E);

impl<T: Num, E: Unary> Map1<T, T> for Value<E> {
    #[inline(always)]
    fn call(&self, x: T) -> T {
        self.0.f(x)
    }
}

/// `(dy, saved) -> dx`.
impl<T: Num, E: Unary> Map2<T, T, T> for Slope<E> {
    #[inline(always)]
    fn call(&self, dy: T, saved: T) -> T {
        dy * self.0.df(saved)
    }
}

pub(super) fn unary<E: Unary>(x: Tensor, e: E) -> Result<Tensor> {
    let dtype = x.dtype();
    if dtype.is_half() {
        return unary(x.cast(DType::F32)?, e)?.cast(dtype);
    }
    let edges = Edges::of(&[&x]);
    let input = (edges.recorded() && E::SAVED == Saved::Input).then(|| x.detach());
    let y = map1(E::OP, x, Value(e))?;
    let saved = input.or_else(|| (E::SAVED == Saved::Output).then(|| y.detach()));
    Ok(edges.record(E::OP, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?;
            let dx = match &saved {
                Some(saved) => map2(E::OP, dy, saved.clone(), Slope(e))?,
                None => map1(E::OP, dy, Slope(e))?,
            };
            grads.add(0, dx)
        }
    }))
}

/// The same where nothing is saved.
impl<T: Num, E: Unary> Map1<T, T> for Slope<E> {
    #[inline(always)]
    fn call(&self, dy: T) -> T {
        dy * self.0.df(T::lit(0.0))
    }
}

/// Each row: documentation, method, type, expression; where the derivative is taken from the result,
/// `y =>` and the derivative.
macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident $ty:ident |$x:ident| $f:expr $(, $y:ident => $df:expr)?;)*) => {
        $(
            #[derive(Clone, Copy)]
            struct $ty;

            impl Unary for $ty {
                const OP: &'static str = stringify!($name);
                #[inline(always)]
                fn f<N: Num>(self, $x: N) -> N {
                    $f
                }
                $(
                    const SAVED: Saved = Saved::Output;
                    #[inline(always)]
                    fn df<N: Num>(self, $y: N) -> N {
                        $df
                    }
                )?
            }
        )*

        #[allow(clippy::should_implement_trait, reason = "`-x` would hide that it can fail")]
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Error::DType`] if the dtype is not a float.
                pub fn $name(self) -> Result<Tensor> {
                    unary(self, $ty)
                }
            )*
        }
    };
}
pub(super) use unary_ops;

unary_ops! {
    /// `-x`.
    neg Neg |x| -x;
    /// `|x|`; the gradient at 0 is 0.
    abs Abs |x| x.abs();
    /// `√x`.
    sqrt Sqrt |x| x.sqrt(), y => N::lit(0.5) / y;
    /// `x²`.
    square Square |x| x * x;
    /// `1 / x`.
    reciprocal Reciprocal |x| N::lit(1.0) / x, y => -(y * y);
    /// `eˣ`.
    exp Exp |x| x.exp(), y => y;
    /// The natural logarithm.
    log Log |x| x.ln();
    /// The sine.
    sin Sin |x| x.sin();
    /// The cosine.
    cos Cos |x| x.cos();
    /// The hyperbolic tangent.
    tanh Tanh |x| x.tanh(), y => N::lit(1.0) - y * y;
    /// `1 / (1 + e⁻ˣ)`.
    sigmoid Sigmoid |x| x.sigmoid(), y => y * (N::lit(1.0) - y);
}
