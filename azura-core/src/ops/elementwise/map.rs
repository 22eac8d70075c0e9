//! Functions that users write themselves.

use super::function::{Binary, Unary, binary, unary};
use crate::Result;
use crate::cpu::math::{Dual, Num};
use crate::tensor::Tensor;

/// A function of one number, for [`Tensor::map`]. Written once over [`Num`], it gives the values, the derivative and the
/// compiled loops of every float dtype. For operations that are not a function of each element see
/// [`CustomOp`](crate::CustomOp).
///
/// A choice is [`Num::gt_select`], not `if`: both sides are computed. Mark the methods `#[inline(always)]`: only then do
/// they become part of the vector loops.
///
/// ```
/// use azura_core::{Elementwise, Num, Tensor, grad};
///
/// /// `x³`, and from `limit` on the line that goes on from there.
/// #[derive(Clone, Copy)]
/// struct Cube {
///     limit: f64,
/// }
///
/// impl Elementwise for Cube {
///     const NAME: &'static str = "cube";
///     #[inline(always)]
///     fn call<N: Num>(self, x: N) -> N {
///         let limit = N::lit(self.limit);
///         let square = limit * limit;
///         let line = square * limit + N::lit(3.0) * square * (x - limit);
///         x.gt_select(limit, line, x * x * x)
///     }
/// }
///
/// let x = Tensor::from_slice(&[-2.0f32, 1.0, 5.0], [3])?.variable();
/// let y = x.clone().map(Cube { limit: 3.0 })?;
/// assert_eq!(y.to_vec::<f32>()?, [-8.0, 1.0, 81.0]);
/// assert_eq!(grad(&y.sum_all()?, &[&x])?[0].to_vec::<f32>()?, [12.0, 3.0, 27.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub trait Elementwise: Copy + Send + Sync + 'static {
    /// What errors and lists of operations call it.
    const NAME: &'static str;

    /// The function.
    fn call<N: Num>(self, x: N) -> N;

    /// The derivative. If it is not written out, [`Elementwise::call`] on dual numbers finds it; write it out where there is
    /// a safer form, or where another slope is wanted than that of the function, such as a step's.
    #[inline(always)]
    fn slope<N: Num>(self, x: N) -> N {
        self.call(Dual::<N, 1>::input(x, 0)).grad[0]
    }
}

/// A function of two numbers, for [`Tensor::map2`]; as [`Elementwise`].
pub trait Elementwise2: Copy + Send + Sync + 'static {
    /// What errors and lists of operations call it.
    const NAME: &'static str;

    /// The function.
    fn call<N: Num>(self, a: N, b: N) -> N;

    /// The derivatives by both numbers; see [`Elementwise::slope`].
    #[inline(always)]
    fn slopes<N: Num>(self, a: N, b: N) -> [N; 2] {
        let (a, b) = (Dual::<N, 2>::input(a, 0), Dual::input(b, 1));
        self.call(a, b).grad
    }
}

#[derive(Clone, Copy)]
struct Mapped<F>(F);

impl<F: Elementwise> Unary for Mapped<F> {
    const OP: &'static str = F::NAME;
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        self.0.call(x)
    }
    #[inline(always)]
    fn df<N: Num>(self, x: N) -> N {
        self.0.slope(x)
    }
}

impl<F: Elementwise2> Binary for Mapped<F> {
    const OP: &'static str = F::NAME;
    #[inline(always)]
    fn f<N: Num>(self, a: N, b: N) -> N {
        self.0.call(a, b)
    }
    #[inline(always)]
    fn df<N: Num>(self, a: N, b: N) -> [N; 2] {
        self.0.slopes(a, b)
    }
}

impl Tensor {
    /// A function of one's own of each element, with its gradient; see [`Elementwise`].
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) if the dtype is not a float.
    pub fn map(self, f: impl Elementwise) -> Result<Tensor> {
        unary(self, Mapped(f))
    }

    /// A function of one's own of two elements, broadcast, with its gradients.
    ///
    /// ```
    /// use azura_core::{Elementwise2, Num, Tensor};
    ///
    /// /// `√(a² + b²)`
    /// #[derive(Clone, Copy)]
    /// struct Hypotenuse;
    ///
    /// impl Elementwise2 for Hypotenuse {
    ///     const NAME: &'static str = "hypotenuse";
    ///     #[inline(always)]
    ///     fn call<N: Num>(self, a: N, b: N) -> N {
    ///         a.mul_add(a, b * b).sqrt()
    ///     }
    /// }
    ///
    /// let a = Tensor::from_slice(&[3.0f32, 5.0], [2])?;
    /// let b = Tensor::from_slice(&[4.0f32, 12.0], [2, 1])?;
    /// assert_eq!(a.map2(&b, Hypotenuse)?.shape(), [2, 2]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sizes cannot be broadcast,
    /// [`Error::DType`](crate::Error::DType) if dtypes differ or are not floats.
    pub fn map2(self, other: &Tensor, f: impl Elementwise2) -> Result<Tensor> {
        binary(self, other.clone(), Mapped(f))
    }
}
