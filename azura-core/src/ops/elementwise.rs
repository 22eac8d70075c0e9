//! Operations on each element, with broadcasting.
//!
//! An operation is one expression over [`Num`], written once. Its loop is compiled for each
//! instruction set; its derivative is the same expression on dual numbers, unless a row says how to
//! take it from the result (which then is what is saved). Adding an operation is adding a row.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{self, Map1, Map2, Map3, Operand};
use crate::cpu::math::{Dual, Num};
use crate::dtype::{for_dtype, for_float};
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

/// What the derivative of a unary operation is computed from.
#[derive(PartialEq)]
enum Saved {
    /// Nothing: it is a constant.
    Nothing,
    Input,
    Output,
}

/// A function of one number.
trait Unary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    const SAVED: Saved = Saved::Input;
    fn f<N: Num>(self, x: N) -> N;
    /// The derivative, from the input or the output as `SAVED` says.
    #[inline(always)]
    fn df<N: Num>(self, saved: N) -> N {
        self.f(Dual::<N, 1>::input(saved, 0)).grad[0]
    }
}

struct Value<E>(E);
struct Slope<E>(E);

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

fn unary<E: Unary>(x: Tensor, e: E) -> Result<Tensor> {
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

/// `f` of each element, into the buffer of `x` if nobody else sees it.
fn map1<F>(op: &'static str, x: Tensor, f: F) -> Result<Tensor>
where
    F: Map1<f32, f32> + Map1<f64, f64>,
{
    let shape = *x.sizes();
    for_float!(op, x.dtype(), T => Ok(match x.into_unique_buffer() {
        Ok(mut buffer) => {
            map::map1_in_place::<T, F>(&f, buffer.as_mut_slice());
            Tensor::from_buffer(buffer, shape, T::DTYPE)
        }
        Err(x) => Tensor::fill_new::<T>(shape, |out| {
            map::map1(&f, &Operand::new(x.buffer_slice::<T>(), *x.layout()), out);
        }),
    }))
}

/// `f` of each pair of elements, broadcast; into the buffer of `a` or `b` where that is allowed.
fn map2<F>(op: &'static str, a: Tensor, b: Tensor, f: F) -> Result<Tensor>
where
    F: Map2<f32, f32, f32> + Map2<f64, f64, f64>,
{
    let dtype = same_dtype(op, &a, &b)?;
    let shape = shape::broadcast(op, a.sizes(), b.sizes())?;
    for_float!(op, dtype, T => {
        let a = match reuse(a, &shape) {
            Err(a) => a,
            Ok(mut buffer) => {
                map::map2_in_place::<T, F>(&f, buffer.as_mut_slice(), &operand(&b, &shape));
                return Ok(Tensor::from_buffer(buffer, shape, dtype));
            }
        };
        let b = match reuse(b, &shape) {
            Err(b) => b,
            Ok(mut buffer) => {
                map::map2_in_place::<T, _>(&Swapped(f), buffer.as_mut_slice(), &operand(&a, &shape));
                return Ok(Tensor::from_buffer(buffer, shape, dtype));
            }
        };
        Ok(Tensor::fill_new::<T>(shape, |out| {
            map::map2(&f, &operand(&a, &shape), &operand(&b, &shape), out);
        }))
    })
}

fn map3<F>(op: &'static str, a: &Tensor, b: &Tensor, c: &Tensor, f: F) -> Result<Tensor>
where
    F: Map3<f32, f32, f32, f32> + Map3<f64, f64, f64, f64>,
{
    let shape = *c.sizes();
    for_float!(op, a.dtype(), T => Ok(Tensor::fill_new::<T>(shape, |out| {
        map::map3(&f, &operand::<T>(a, &shape), &operand::<T>(b, &shape), &operand::<T>(c, &shape), out);
    })))
}

struct Swapped<F>(F);

impl<T, F: Map2<T, T, T>> Map2<T, T, T> for Swapped<F> {
    #[inline(always)]
    fn call(&self, a: T, b: T) -> T {
        self.0.call(b, a)
    }
}

fn reuse(x: Tensor, shape: &Shape) -> std::result::Result<crate::buffer::Buffer, Tensor> {
    if x.sizes() == shape {
        x.into_unique_buffer()
    } else {
        Err(x)
    }
}

fn operand<'a, T: Element + Default>(x: &'a Tensor, shape: &Shape) -> Operand<'a, T> {
    let layout = x
        .layout()
        .expand(shape)
        .expect("the caller broadcast the shapes");
    Operand::new(x.buffer_slice(), layout)
}

/// The gradient of an operand that was broadcast: summed over the axes it was repeated along.
pub(crate) fn sum_to(gradient: Tensor, shape: &Shape) -> Result<Tensor> {
    if gradient.sizes() == shape {
        return Ok(gradient);
    }
    let lead = gradient.rank() - shape.len();
    let repeated: Vec<isize> = (0..gradient.rank())
        .filter(|&axis| axis < lead || (shape[axis - lead] == 1 && gradient.shape()[axis] != 1))
        .map(|axis| axis as isize)
        .collect();
    gradient.sum(&repeated, true)?.reshape(&shape[..])
}

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

        #[expect(clippy::should_implement_trait, reason = "`-x` would hide that it can fail")]
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
    /// `max(x, 0)`; the gradient at 0 is 0.
    relu Relu |x| N::lit(0.0).gt_select(x, N::lit(0.0), x), y => {
        // NaN went through, and so does its gradient.
        let (zero, one) = (N::lit(0.0), N::lit(1.0));
        y.gt_select(zero, one, y.nan_select(one, zero))
    };
    /// `x · sigmoid(x)`, also called swish (Elfwing, Uchibe & Doya 2017, arXiv:1702.03118).
    silu Silu |x| x * x.sigmoid();
    /// The tanh form of the Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415):
    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`,
    /// computed as `x · sigmoid(2 √(2/π) (x + 0.044715 x³))`, which is the same and takes one exponential.
    gelu_tanh GeluTanh |x| {
        let inner = N::lit(2.0 * 0.797_884_560_802_865_4) * (x + N::lit(0.044_715) * x * x * x);
        x * inner.sigmoid()
    };
}

#[derive(Clone, Copy)]
struct Affine {
    mul: f64,
    add: f64,
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
struct Power(f64);

impl Unary for Power {
    const OP: &'static str = "pow";
    #[inline(always)]
    fn f<N: Num>(self, x: N) -> N {
        x.powf(self.0)
    }
}

#[derive(Clone, Copy)]
struct ScalarOver(f64);

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
struct DivBy(f64);

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

/// A function of two numbers.
pub(super) trait Binary: Copy + Send + Sync + 'static {
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

pub(super) fn binary<E: Binary>(a: Tensor, b: Tensor, e: E) -> Result<Tensor> {
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
fn shares<N: Num>(a: N, b: N) -> [N; 2] {
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
    /// [`Error::DType`] if `condition` is not bool or the others' dtypes differ or are not floats,
    /// [`Error::Shape`] if sizes cannot be broadcast.
    pub fn where_(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
        let op = "where";
        condition.expect_dtype(op, DType::Bool)?;
        let dtype = same_dtype(op, yes, no)?;
        let shape = shape::broadcast(op, yes.sizes(), no.sizes())?;
        let shape = shape::broadcast(op, condition.sizes(), &shape)?;
        let edges = Edges::of(&[yes, no]);
        let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |out| {
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

    /// The elements as another dtype: floats to integers are cut towards zero, to bool is `!= 0`.
    ///
    /// A gradient flows between floats.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        let from = self.dtype();
        if from == dtype {
            return Ok(self.clone());
        }
        let edges = if dtype.is_float() {
            Edges::of(&[self])
        } else {
            Edges::of(&[])
        };
        let shape = *self.sizes();
        let y = for_dtype!(from, A => for_dtype!(dtype, R => {
            Tensor::fill_new::<R>(shape, |out| map::map1(&Convert, &operand::<A>(self, &shape), out))
        }));
        Ok(edges.record("cast", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.cast(from)?)
            }
        }))
    }
}

struct Pick;

impl<T> Map3<bool, T, T, T> for Pick {
    #[inline(always)]
    fn call(&self, condition: bool, yes: T, no: T) -> T {
        if condition { yes } else { no }
    }
}

struct Convert;

impl<A: Element, R: Element> Map1<A, R> for Convert {
    #[inline(always)]
    fn call(&self, a: A) -> R {
        R::from_f64(a.to_f64())
    }
}

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
    let shape = shape::broadcast(op, a.sizes(), b.sizes())?;
    Ok(
        for_dtype!(dtype, T => Tensor::fill_new::<bool>(shape, |out| {
            map::map2(&f, &operand::<T>(a, &shape), &operand::<T>(&b, &shape), out);
        })),
    )
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

struct ReluGate;

impl<T: Num> Map2<T, T, T> for ReluGate {
    #[inline(always)]
    fn call(&self, dy: T, y: T) -> T {
        let zero = T::lit(0.0);
        y.gt_select(zero, dy, y.nan_select(dy, zero))
    }
}

impl Tensor {
    /// The gradient before a ReLU whose result was `y`.
    pub(crate) fn relu_backward(self, y: &Tensor) -> Result<Tensor> {
        map2("relu", self, y.clone(), ReluGate)
    }
}
