//! Functions of one, two or three numbers, and how an operation is made of one.
//!
//! A function is a type with its expression. What the engine needs of it are its loops, and these are
//! passed behind a trait object: the walk over operands, the record in the graph and the backward rule
//! are compiled once for all functions, and a function costs two or three loops for each element type.

use super::apply::{
    Common, Loops, SlopeLoops, alike, apply, apply_as, sum_to, together, with_slope,
};
use crate::Result;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{Map, MapSlope, each, each_slope};
use crate::cpu::math::wave::MODERATE;
use crate::cpu::math::{Dual, Num};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What the derivative of a function of one number is computed from.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::ops) enum Saved {
    Input,
    Output,
    /// Itself: the forward pass makes it beside the value, where both need the same exponential. It takes the place of
    /// the input if nobody else looks at that.
    Slope,
}

/// A function of one number.
pub(in crate::ops) trait Unary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    const SAVED: Saved = Saved::Input;
    fn f<N: Num>(self, x: N) -> N;
    /// The derivative, from the input or the output as `SAVED` says.
    #[inline(always)]
    fn df<N: Num>(self, saved: N) -> N {
        self.f(Dual::<N, 1>::input(saved, 0)).grad[0]
    }
    /// The value, with the same bits, and the derivative.
    #[inline(always)]
    fn with_slope<N: Num>(self, x: N) -> [N; 2] {
        let y = self.f(Dual::<N, 1>::input(x, 0));
        [y.value, y.grad[0]]
    }
    /// The derivative if it is the same everywhere; then nothing is saved.
    fn slope(self) -> Option<f64> {
        None
    }
}

/// A function of two numbers.
pub(in crate::ops) trait Binary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    fn f<N: Num>(self, a: N, b: N) -> N;
    /// The derivatives by both operands.
    #[inline(always)]
    fn df<N: Num>(self, a: N, b: N) -> [N; 2] {
        self.f(Dual::<N, 2>::input(a, 0), Dual::input(b, 1)).grad
    }
    /// The derivatives if they are the same everywhere; then nothing is saved.
    fn slopes(self) -> Option<[f64; 2]> {
        None
    }
}

/// A function of three numbers.
pub(in crate::ops) trait Ternary: Copy + Send + Sync + 'static {
    const OP: &'static str;
    fn f<N: Num>(self, a: N, b: N, c: N) -> N;
    /// The derivatives by the operands.
    #[inline(always)]
    fn df<N: Num>(self, a: N, b: N, c: N) -> [N; 3] {
        let input = |x, index| Dual::<N, 3>::input(x, index);
        self.f(input(a, 0), input(b, 1), input(c, 2)).grad
    }
}

/// The operation `e` of one tensor.
pub(in crate::ops) fn unary<E: Unary>(x: Tensor, e: E) -> Result<Tensor> {
    record([x], &e)
}

/// The operation `near` of one tensor, whose f32 loops serve arguments up to [`MODERATE`], and `any` of
/// blocks that hold larger ones.
pub(super) fn moderate<A: Unary, B: Unary>(x: Tensor, near: A, any: B) -> Result<Tensor> {
    record([x], &Moderate(near, any))
}

/// The operation `e` of two tensors, broadcast.
pub(in crate::ops) fn binary<E: Binary>(a: Tensor, b: Tensor, e: E) -> Result<Tensor> {
    record([a, b], &e)
}

/// The operation `e` of three tensors, broadcast.
pub(in crate::ops) fn ternary<E: Ternary>(a: Tensor, b: Tensor, c: Tensor, e: E) -> Result<Tensor> {
    record([a, b, c], &e)
}

/// `dy · ∂e/∂a` and `dy · ∂e/∂b` of an operation of two tensors, for rules of its own kind.
pub(super) fn partials<E: Binary>(x: &[Tensor; 2], dy: &Tensor, e: E) -> Result<[Tensor; 2]> {
    let partial = |k| Function::<2>::partial(&e, k, x, dy.clone());
    Ok([partial(0)?, partial(1)?])
}

/// The values of `e` and its derivatives, without a node.
pub(super) fn value_and_slope<E: Unary>(e: E, x: Tensor) -> Result<[Tensor; 2]> {
    with_slope(E::OP, x, &Both(e))
}

/// `dy · ∂e/∂x` from what `e` saves.
pub(super) fn partial<E: Unary>(e: E, saved: &Tensor, dy: Tensor) -> Result<Tensor> {
    Function::<1>::partial(&e, 0, std::array::from_ref(saved), dy)
}

/// A function of N numbers without its type.
trait Function<const N: usize>: Send + Sync {
    fn op(&self) -> &'static str;
    fn saved(&self) -> Saved {
        Saved::Input
    }
    fn slopes(&self) -> Option<[f64; N]> {
        None
    }
    /// The values for operands that can be broadcast to `shape`.
    fn value(&self, x: [Tensor; N], shape: Common<'_>) -> Result<Tensor>;
    /// The value, and what a function saves that saves its slope.
    fn value_and_slope(
        &self,
        x: [Tensor; N],
        shape: Common<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        Ok((self.value(x, shape)?, None))
    }
    /// `dy · ∂f/∂x[k]`.
    fn partial(&self, k: usize, saved: &[Tensor; N], dy: Tensor) -> Result<Tensor>;
    /// A copy for the backward rule: only what is recorded takes memory for it.
    fn kept(&self) -> Box<dyn Function<N>>;
}

fn record<const N: usize>(x: [Tensor; N], e: &dyn Function<N>) -> Result<Tensor> {
    let joined: Option<Shape> = if alike(&x) {
        None
    } else {
        Some(together(e.op(), &x)?.1)
    };
    let (dtype, shape) = (x[0].dtype(), joined.as_ref());
    if dtype.is_half() {
        let mut operands = x;
        return operands[0].clone().in_f32(e.op(), |first, wide| {
            operands[0] = first;
            for x in &mut operands[1..] {
                *x = wide.of(x)?;
            }
            record(operands, e)
        });
    }
    let (op, edges) = (e.op(), Edges::of(&x.each_ref()));
    if !edges.recorded() {
        let y = e.value(x, shape)?;
        return Ok(edges.unrecorded(op, y));
    }
    let shapes = x.each_ref().map(|x| *x.sizes());
    let slopes = e.slopes();
    let saves = slopes.is_none();
    let inputs = (saves && e.saved() == Saved::Input).then(|| x.each_ref().map(Tensor::detach));
    let (y, slope) = if saves && e.saved() == Saved::Slope {
        e.value_and_slope(x, shape)?
    } else {
        (e.value(x, shape)?, None)
    };
    let output = || slope.as_ref().unwrap_or(&y).detach();
    let saved = inputs.or_else(|| saves.then(|| [(); N].map(|()| output())));
    Ok(edges.record(op, y, || {
        let e = e.kept();
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let mut dy = Some(only(dy)?);
            let wanted: Vec<usize> = (0..N).filter(|&k| grads.wants(k)).collect();
            for (i, &k) in wanted.iter().enumerate() {
                // The last gradient may be written over dy.
                let last = i + 1 == wanted.len();
                let Some(dy) = (if last { dy.take() } else { dy.clone() }) else {
                    continue;
                };
                let dx = match (&saved, &slopes) {
                    (Some(saved), _) => e.partial(k, saved, dy)?,
                    (None, Some(slopes)) => scaled(op, dy, slopes[k])?,
                    (None, None) => unreachable!("what is recorded is saved or has slopes"),
                };
                grads.add(k, sum_to(dx, &shapes[k])?)?;
            }
            Ok(())
        }
    }))
}

/// `dy · slope`. Nothing flows through a step function, not even NaN; a product with the number 0 is a
/// product, and keeps NaN.
fn scaled(op: &'static str, dy: Tensor, slope: f64) -> Result<Tensor> {
    if slope == 1.0 {
        Ok(dy)
    } else if slope == 0.0 && op != "mul" {
        Ok(Tensor::full_like(&dy, 0.0))
    } else {
        dy.mul(slope)
    }
}

/// The loops of values.
struct Value<E>(E);
/// The loops of `dy · ∂f/∂x[K]`.
struct Partial<E, const K: usize>(E);
/// The loops of values and derivatives at once.
struct Both<E>(E);
/// The loops of `dy · slope`.
struct Times;

impl<T: Copy, F: Map<T, T, N>, const N: usize> Loops<T, N> for F {
    fn run(&self, x: [&[T]; N], out: &mut [T]) {
        each(self, x, out);
    }
}

impl<T: Num, E: Unary> Map<T, T, 1> for Value<E> {
    #[inline(always)]
    fn call(&self, [x]: [T; 1]) -> T {
        self.0.f(x)
    }
}

impl<T: Num> Map<T, T, 2> for Times {
    #[inline(always)]
    fn call(&self, [slope, dy]: [T; 2]) -> T {
        dy * slope
    }
}

impl<T: Num, E: Unary> MapSlope<T> for Both<E> {
    #[inline(always)]
    fn call(&self, x: T) -> [T; 2] {
        self.0.with_slope(x)
    }
}

impl<T: Num, E: Unary> SlopeLoops<T> for Both<E> {
    fn run(&self, x: &mut [T], y: &mut [T]) {
        each_slope(self, x, y);
    }
}

impl<T: Num, E: Unary> Map<T, T, 2> for Partial<E, 0> {
    #[inline(always)]
    fn call(&self, [saved, dy]: [T; 2]) -> T {
        dy * self.0.df(saved)
    }
}

impl<E: Unary> Function<1> for E {
    fn op(&self) -> &'static str {
        E::OP
    }
    fn saved(&self) -> Saved {
        E::SAVED
    }
    fn slopes(&self) -> Option<[f64; 1]> {
        self.slope().map(|slope| [slope])
    }
    fn value(&self, x: [Tensor; 1], shape: Common<'_>) -> Result<Tensor> {
        apply_as(E::OP, x, shape, &Value(*self))
    }
    fn kept(&self) -> Box<dyn Function<1>> {
        Box::new(*self)
    }
    fn value_and_slope(
        &self,
        [x]: [Tensor; 1],
        shape: Common<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        if E::SAVED == Saved::Slope {
            let [y, slope] = value_and_slope(*self, x)?;
            return Ok((y, Some(slope)));
        }
        Ok((self.value([x], shape)?, None))
    }
    fn partial(&self, _: usize, [x]: &[Tensor; 1], dy: Tensor) -> Result<Tensor> {
        if E::SAVED == Saved::Slope {
            return apply(E::OP, [x.clone(), dy], &Times);
        }
        apply(E::OP, [x.clone(), dy], &Partial::<E, 0>(*self))
    }
}

/// The first function, or its loops, for moderate arguments, the second for any.
struct Moderate<A, B>(A, B);

impl<A: Loops<f32, N>, B: Loops<f32, N>, const N: usize> Loops<f32, N> for Moderate<A, B> {
    fn run(&self, x: [&[f32]; N], out: &mut [f32]) {
        // No early end: this loop vectorises.
        let far = x[0].iter().fold(false, |far, x| far | (x.abs() > MODERATE));
        if far {
            self.1.run(x, out);
        } else {
            self.0.run(x, out);
        }
    }
}

impl<A: Sync, B: Loops<f64, N>, const N: usize> Loops<f64, N> for Moderate<A, B> {
    fn run(&self, x: [&[f64]; N], out: &mut [f64]) {
        self.1.run(x, out);
    }
}

impl<A: Unary, B: Unary> Function<1> for Moderate<A, B> {
    fn op(&self) -> &'static str {
        A::OP
    }
    fn value(&self, x: [Tensor; 1], shape: Common<'_>) -> Result<Tensor> {
        apply_as(A::OP, x, shape, &Moderate(Value(self.0), Value(self.1)))
    }
    fn kept(&self) -> Box<dyn Function<1>> {
        Box::new(Moderate(self.0, self.1))
    }
    fn partial(&self, _: usize, [x]: &[Tensor; 1], dy: Tensor) -> Result<Tensor> {
        let loops = Moderate(Partial::<A, 0>(self.0), Partial::<B, 0>(self.1));
        apply(A::OP, [x.clone(), dy], &loops)
    }
}

impl<T: Num, E: Binary> Map<T, T, 2> for Value<E> {
    #[inline(always)]
    fn call(&self, [a, b]: [T; 2]) -> T {
        self.0.f(a, b)
    }
}

impl<T: Num, E: Binary, const K: usize> Map<T, T, 3> for Partial<E, K> {
    #[inline(always)]
    fn call(&self, [a, b, dy]: [T; 3]) -> T {
        dy * self.0.df(a, b)[K]
    }
}

impl<E: Binary> Function<2> for E {
    fn op(&self) -> &'static str {
        E::OP
    }
    fn slopes(&self) -> Option<[f64; 2]> {
        Binary::slopes(*self)
    }
    fn value(&self, x: [Tensor; 2], shape: Common<'_>) -> Result<Tensor> {
        apply_as(E::OP, x, shape, &Value(*self))
    }
    fn kept(&self) -> Box<dyn Function<2>> {
        Box::new(*self)
    }
    fn partial(&self, k: usize, [a, b]: &[Tensor; 2], dy: Tensor) -> Result<Tensor> {
        let operands = [a.clone(), b.clone(), dy];
        match k {
            0 => apply(E::OP, operands, &Partial::<E, 0>(*self)),
            _ => apply(E::OP, operands, &Partial::<E, 1>(*self)),
        }
    }
}

impl<T: Num, E: Ternary> Map<T, T, 3> for Value<E> {
    #[inline(always)]
    fn call(&self, [a, b, c]: [T; 3]) -> T {
        self.0.f(a, b, c)
    }
}

impl<T: Num, E: Ternary, const K: usize> Map<T, T, 4> for Partial<E, K> {
    #[inline(always)]
    fn call(&self, [a, b, c, dy]: [T; 4]) -> T {
        dy * self.0.df(a, b, c)[K]
    }
}

impl<E: Ternary> Function<3> for E {
    fn op(&self) -> &'static str {
        E::OP
    }
    fn value(&self, x: [Tensor; 3], shape: Common<'_>) -> Result<Tensor> {
        apply_as(E::OP, x, shape, &Value(*self))
    }
    fn kept(&self) -> Box<dyn Function<3>> {
        Box::new(*self)
    }
    fn partial(&self, k: usize, [a, b, c]: &[Tensor; 3], dy: Tensor) -> Result<Tensor> {
        let operands = [a.clone(), b.clone(), c.clone(), dy];
        match k {
            0 => apply(E::OP, operands, &Partial::<E, 0>(*self)),
            1 => apply(E::OP, operands, &Partial::<E, 1>(*self)),
            _ => apply(E::OP, operands, &Partial::<E, 2>(*self)),
        }
    }
}
