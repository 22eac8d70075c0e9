//! Rows of softmax: maximum, exponentials and their sum in one visit of the first-level cache.

use super::fold::{TILE, tiles};
use super::lanes::fold;
use super::map::Map;
use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;

/// Fewer elements than this on a thread cost more in hand-over than they save.
pub(super) const GRAIN: usize = super::threads::grain::SOFTMAX;

/// A number type that rows are made of.
pub(crate) trait Real: Num + Element + Default + PartialOrd {}
impl Real for f32 {}
impl Real for f64 {}

#[inline(always)]
fn largest<T: Real>(row: &[T]) -> T {
    // NaN stays: it is neither greater nor kept out by the first comparison.
    fold(
        row,
        T::lit(f64::NEG_INFINITY),
        |_, x| x,
        |a, b| b.nan_select(b, a.nan_select(a, b.gt_select(a, b, a))),
    )
}

#[inline(always)]
fn total<T: Real>(row: &[T]) -> T {
    fold(row, T::lit(0.0), |_, x| x, |a, b| a + b)
}

/// What is done with each row.
trait Row<T>: Sync {
    fn row(&self, inputs: [&[T]; 2], out: &mut [T]);
}

struct Rows<'a, T, F> {
    f: &'a F,
    inputs: [&'a [T]; 2],
    width: usize,
    out: &'a mut [T],
}

impl<T: Real, F: Row<T>> Kernel for Rows<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let width = self.width;
        for (i, out) in self.out.chunks_exact_mut(width).enumerate() {
            self.f.row(
                self.inputs.map(|input| &input[i * width..(i + 1) * width]),
                out,
            );
        }
    }
}

fn rows<T: Real, F: Row<T>>(f: F, inputs: [&[T]; 2], width: usize, out: &mut [T]) {
    if width == 0 {
        return;
    }
    for_rows(out, width, (GRAIN / width).max(1), |first, out| {
        let range = first * width..first * width + out.len();
        let inputs = inputs.map(|input| &input[range.clone()]);
        dispatch(Rows {
            f: &f,
            inputs,
            width,
            out,
        });
    });
}

struct Softmax;

impl<T: Real> Row<T> for Softmax {
    #[inline(always)]
    fn row(&self, [x, _]: [&[T]; 2], out: &mut [T]) {
        let top = largest(x);
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - top).exp();
        }
        let scale = T::lit(1.0) / total(out);
        for out in out {
            *out = *out * scale;
        }
    }
}

struct SoftmaxBackward;

impl<T: Real> Row<T> for SoftmaxBackward {
    #[inline(always)]
    fn row(&self, [y, dy]: [&[T]; 2], dx: &mut [T]) {
        let dot = fold(y, T::lit(0.0), |i, y| y * dy[i], |a, b| a + b);
        for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = y * (dy - dot);
        }
    }
}

struct LogSoftmax;

impl<T: Real> Row<T> for LogSoftmax {
    #[inline(always)]
    fn row(&self, [x, _]: [&[T]; 2], out: &mut [T]) {
        let top = largest(x);
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - top).exp();
        }
        let log = total(out).ln();
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - top) - log;
        }
    }
}

struct LogSoftmaxBackward;

impl<T: Real> Row<T> for LogSoftmaxBackward {
    #[inline(always)]
    fn row(&self, [y, dy]: [&[T]; 2], dx: &mut [T]) {
        let sum = total(dy);
        for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = dy - y.exp() * sum;
        }
    }
}

pub(crate) fn softmax<T: Real>(x: &[T], width: usize, out: &mut [T]) {
    rows(Softmax, [x, x], width, out);
}

pub(crate) fn softmax_backward<T: Real>(y: &[T], dy: &[T], width: usize, dx: &mut [T]) {
    rows(SoftmaxBackward, [y, dy], width, dx);
}

pub(crate) fn log_softmax<T: Real>(x: &[T], width: usize, out: &mut [T]) {
    rows(LogSoftmax, [x, x], width, out);
}

pub(crate) fn log_softmax_backward<T: Real>(y: &[T], dy: &[T], width: usize, dx: &mut [T]) {
    rows(LogSoftmaxBackward, [y, dy], width, dx);
}

/// `ln Σ exp(x)` of each row as two numbers whose sum it is: the largest `x`, and the logarithm of the
/// sum of `exp(x - largest)`. Added up, the second would lose its digits to a large first.
pub(crate) fn log_sum_exp<T: Real>(x: &[T], width: usize, out: &mut [T]) {
    for_rows(out, 2, (GRAIN / width.max(1)).max(1), |first, out| {
        for (i, out) in out.chunks_exact_mut(2).enumerate() {
            dispatch(LogSumExp {
                x: &x[(first + i) * width..(first + i + 1) * width],
                out,
            });
        }
    });
}

struct LogSumExp<'a, T> {
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for LogSumExp<'_, T> {
    #[inline(always)]
    fn run(self) {
        let top = largest(self.x);
        let sum = fold(self.x, T::lit(0.0), |_, x| (x - top).exp(), |a, b| a + b);
        self.out[0] = top;
        self.out[1] = sum.ln();
    }
}

/// `ln Σ exp(x[o, .., i])` of `[outer, n, inner]`, with the largest `x` of each in `top`.
pub(crate) fn log_sum_exp_over<T: Real>(
    x: &[T],
    [_, n, inner]: [usize; 3],
    top: &[T],
    out: &mut [T],
) {
    for_rows(out, 1, (GRAIN / n.max(1)).max(1), |start, out| {
        tiles(start, out, inner, |o, column, out| {
            let at = o * inner + column;
            dispatch(ExpSums {
                x: &x[o * n * inner..(o + 1) * n * inner],
                inner,
                column,
                top: &top[at..at + out.len()],
                out,
            });
        });
    });
}

struct ExpSums<'a, T> {
    x: &'a [T],
    inner: usize,
    column: usize,
    top: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for ExpSums<'_, T> {
    #[inline(always)]
    fn run(self) {
        // An infinite distance from an infinite top would be NaN.
        let base = |top: T| {
            if top.to_f64().is_infinite() {
                T::lit(0.0)
            } else {
                top
            }
        };
        if self.inner == 1 {
            let base = base(self.top[0]);
            let sum = fold(self.x, T::lit(0.0), |_, x| (x - base).exp(), |a, b| a + b);
            self.out[0] = sum.ln() + base;
            return;
        }
        let (mut bases, mut sums) = ([T::lit(0.0); TILE], [0.0; TILE]);
        for (to, &top) in bases.iter_mut().zip(self.top) {
            *to = base(top);
        }
        for row in self.x.chunks_exact(self.inner) {
            let row = &row[self.column..self.column + self.out.len()];
            for ((sum, &x), &base) in sums.iter_mut().zip(row).zip(&bases) {
                *sum += (x - base).exp().to_f64();
            }
        }
        for ((out, &sum), &base) in self.out.iter_mut().zip(&sums).zip(&bases) {
            *out = T::from_f64(sum.ln() + base.to_f64());
        }
    }
}

/// `(x, ln Σ exp(x), dy) -> dx`.
pub(crate) struct LogSumExpBackward;

impl<T: Real> Map<T, T, 3> for LogSumExpBackward {
    #[inline(always)]
    fn call(&self, [x, y, dy]: [T; 3]) -> T {
        dy * (x - y).exp()
    }
}
