//! Reductions of the middle axis of `[outer, n, inner]` other than sums of floats.
//!
//! A [`Fold`] says how a number is taken into a running value. Rows run in a fixed number of lanes and
//! columns side by side, so an output is the same chain of operations for any number of threads.

use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;

/// Running values side by side in a row: four AVX-512 registers of f64.
const LANES: usize = 32;
/// Columns reduced at a time: their running values stay in the first-level cache.
pub(super) const TILE: usize = 128;
/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::INPUTS;

/// A reduction. Methods are `#[inline(always)]`.
pub(crate) trait Fold<T>: Sync {
    type Acc: Copy;
    type Out: Send;
    /// What changes nothing when it is joined.
    fn start(&self) -> Self::Acc;
    fn take(&self, acc: Self::Acc, x: T) -> Self::Acc;
    fn join(&self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn finish(&self, acc: Self::Acc) -> Self::Out;
}

struct Row<'a, T, F: Fold<T>> {
    row: &'a [T],
    f: &'a F,
    result: &'a mut F::Acc,
}

impl<T: Copy, F: Fold<T>> Kernel for Row<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let f = self.f;
        let mut lanes = [f.start(); LANES];
        let mut pieces = self.row.chunks_exact(LANES);
        for piece in &mut pieces {
            for (lane, &x) in lanes.iter_mut().zip(piece) {
                *lane = f.take(*lane, x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(pieces.remainder()) {
            *lane = f.take(*lane, x);
        }
        *self.result = lanes.into_iter().fold(f.start(), |a, b| f.join(a, b));
    }
}

/// Takes columns `first..first + acc.len()` of rows of `width` numbers.
struct Columns<'a, T, F: Fold<T>> {
    rows: &'a [T],
    width: usize,
    first: usize,
    f: &'a F,
    acc: &'a mut [F::Acc],
}

impl<T: Copy, F: Fold<T>> Kernel for Columns<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        for row in self.rows.chunks_exact(self.width) {
            for (acc, &x) in self.acc.iter_mut().zip(&row[self.first..]) {
                *acc = self.f.take(*acc, x);
            }
        }
    }
}

/// `out[o, i] = f` of `x[o, .., i]`.
pub(crate) fn fold<T: Copy + Sync, F: Fold<T>>(
    x: &[T],
    [_, n, inner]: [usize; 3],
    f: &F,
    out: &mut [F::Out],
) {
    for_rows(out, 1, (GRAIN / n.max(1)).max(1), |first, out| {
        if inner == 1 {
            for (i, out) in out.iter_mut().enumerate() {
                let mut result = f.start();
                dispatch(Row {
                    row: &x[(first + i) * n..(first + i + 1) * n],
                    f,
                    result: &mut result,
                });
                *out = f.finish(result);
            }
            return;
        }
        tiles(first, out, inner, |o, column, out| {
            let mut acc = [f.start(); TILE];
            let acc = &mut acc[..out.len()];
            dispatch(Columns {
                rows: &x[o * n * inner..(o + 1) * n * inner],
                width: inner,
                first: column,
                f,
                acc,
            });
            for (out, &acc) in out.iter_mut().zip(acc.iter()) {
                *out = f.finish(acc);
            }
        });
    });
}

/// Cuts the outputs `first..` of `[outer, inner]` into tiles of neighbouring columns of one `outer`.
pub(super) fn tiles<R>(
    first: usize,
    mut out: &mut [R],
    inner: usize,
    mut f: impl FnMut(usize, usize, &mut [R]),
) {
    let mut at = first;
    while !out.is_empty() {
        let (o, column) = (at / inner, at % inner);
        let len = (inner - column).min(TILE).min(out.len());
        let (tile, rest) = out.split_at_mut(len);
        f(o, column, tile);
        out = rest;
        at += len;
    }
}

/// A number type with an order; only floats have a value outside of it.
pub(crate) trait Ordered: Element + PartialOrd {
    const LOWEST: Self;
    const HIGHEST: Self;
    fn is_nan(self) -> bool;
}

macro_rules! ordered {
    ($($ty:ty: $low:expr, $high:expr, |$x:ident| $nan:expr;)*) => {$(
        impl Ordered for $ty {
            const LOWEST: Self = $low;
            const HIGHEST: Self = $high;
            #[inline(always)]
            fn is_nan(self) -> bool {
                let $x = self;
                $nan
            }
        }
    )*};
}
ordered! {
    f32: f32::NEG_INFINITY, f32::INFINITY, |x| f32::is_nan(x);
    f64: f64::NEG_INFINITY, f64::INFINITY, |x| f64::is_nan(x);
    i64: i64::MIN, i64::MAX, |_x| false;
    u32: u32::MIN, u32::MAX, |_x| false;
    bool: false, true, |_x| false;
}

/// The largest number, or the smallest; NaN if there is one.
pub(crate) struct Extreme {
    pub largest: bool,
}

impl<T: Ordered> Fold<T> for Extreme {
    type Acc = T;
    type Out = T;
    #[inline(always)]
    fn start(&self) -> T {
        if self.largest { T::LOWEST } else { T::HIGHEST }
    }
    #[inline(always)]
    fn take(&self, acc: T, x: T) -> T {
        let beats = if self.largest { x > acc } else { x < acc };
        if x.is_nan() || (beats && !acc.is_nan()) {
            x
        } else {
            acc
        }
    }
    #[inline(always)]
    fn join(&self, a: T, b: T) -> T {
        self.take(a, b)
    }
    #[inline(always)]
    fn finish(&self, acc: T) -> T {
        acc
    }
}

/// A type whose sums and products are exact integers.
pub(crate) trait Integer: Element {
    fn to_i64(self) -> i64;
}
impl Integer for i64 {
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self
    }
}
impl Integer for u32 {
    #[inline(always)]
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
}
impl Integer for bool {
    #[inline(always)]
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
}

/// One row: name, element bound, running value, result, its start, how a number is taken, how two running
/// values are joined, how the result is made.
macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident <$T:ident: $bound:path> $acc:ty => $out:ty,
        $start:expr, |$a:ident, $x:ident| $take:expr, |$b:ident, $c:ident| $join:expr, |$r:ident| $finish:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl<$T: $bound> Fold<$T> for $name {
            type Acc = $acc;
            type Out = $out;
            #[inline(always)]
            fn start(&self) -> $acc {
                $start
            }
            #[inline(always)]
            fn take(&self, $a: $acc, $x: $T) -> $acc {
                $take
            }
            #[inline(always)]
            fn join(&self, $b: $acc, $c: $acc) -> $acc {
                $join
            }
            #[inline(always)]
            fn finish(&self, $r: $acc) -> $out {
                $finish
            }
        }
    )*};
}

folds! {
    /// The sum of integers, modulo 2⁶⁴.
    SumExact<T: Integer> i64 => i64, 0, |acc, x| acc.wrapping_add(x.to_i64()), |a, b| a.wrapping_add(b), |acc| acc;
    /// The product of integers, modulo 2⁶⁴.
    ProductExact<T: Integer> i64 => i64, 1, |acc, x| acc.wrapping_mul(x.to_i64()), |a, b| a.wrapping_mul(b), |acc| acc;
    /// The product of floats.
    Product<T: Element> f64 => T, 1.0, |acc, x| acc * x.to_f64(), |a, b| a * b, |acc| T::from_f64(acc);
    /// Whether a number is not 0; NaN is not.
    Any<T: Element> bool => bool, false, |acc, x| acc | (x.to_f64() != 0.0), |a, b| a | b, |acc| acc;
    /// Whether no number is 0.
    All<T: Element> bool => bool, true, |acc, x| acc & (x.to_f64() != 0.0), |a, b| a & b, |acc| acc;
    /// How many numbers are not 0.
    NonZero<T: Element> f64 => T, 0.0, |acc, x| acc + f64::from(u8::from(x.to_f64() != 0.0)), |a, b| a + b, |acc| T::from_f64(acc);
    /// The sum of absolute values.
    Norm1<T: Element> f64 => T, 0.0, |acc, x| acc + x.to_f64().abs(), |a, b| a + b, |acc| T::from_f64(acc);
    /// The root of the sum of squares.
    Norm2<T: Element> f64 => T, 0.0, |acc, x| { let x = x.to_f64(); acc + x * x }, |a, b| a + b, |acc| T::from_f64(acc.sqrt());
    /// The largest absolute value.
    NormInf<T: Element> f64 => T, 0.0, |acc, x| Extreme { largest: true }.take(acc, x.to_f64().abs()), |a, b| Extreme { largest: true }.take(a, b), |acc| T::from_f64(acc);
    /// The smallest absolute value.
    NormNegInf<T: Element> f64 => T, f64::INFINITY, |acc, x| Extreme { largest: false }.take(acc, x.to_f64().abs()), |a, b| Extreme { largest: false }.take(a, b), |acc| T::from_f64(acc);
}

/// `(Σ |x|ᵖ)^(1/p)`.
pub(crate) struct NormP(pub f64);

impl<T: Element> Fold<T> for NormP {
    type Acc = f64;
    type Out = T;
    #[inline(always)]
    fn start(&self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn take(&self, acc: f64, x: T) -> f64 {
        acc + x.to_f64().abs().powf(self.0)
    }
    #[inline(always)]
    fn join(&self, a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn finish(&self, acc: f64) -> T {
        T::from_f64(acc.powf(1.0 / self.0))
    }
}

#[inline(always)]
fn same<T: Ordered>(a: T, b: T) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The index of the first `x[o, .., i]` that is `y[o, i]`; a NaN is a NaN.
pub(crate) fn first<T: Ordered>(x: &[T], [_, n, inner]: [usize; 3], y: &[T], out: &mut [i64]) {
    for_rows(out, 1, (GRAIN / n.max(1)).max(1), |start, out| {
        tiles(start, out, inner, |o, column, out| {
            let y = &y[o * inner + column..];
            if inner == 1 {
                let found = x[o * n..(o + 1) * n].iter().position(|&x| same(x, y[0]));
                out[0] = found.unwrap_or(0) as i64;
                return;
            }
            // From the back, so that the first one stays.
            for k in (0..n).rev() {
                let x = &x[(o * n + k) * inner + column..];
                for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    *out = if same(x, y) { k as i64 } else { *out };
                }
            }
        });
    });
}

/// `out[o, i]` = how many `x[o, .., i]` are `y[o, i]`; a NaN is a NaN.
pub(crate) fn count<T: Ordered>(x: &[T], [_, n, inner]: [usize; 3], y: &[T], out: &mut [T]) {
    for_rows(out, 1, (GRAIN / n.max(1)).max(1), |start, out| {
        tiles(start, out, inner, |o, column, out| {
            let y = &y[o * inner + column..];
            let mut counts = [0u64; TILE];
            for k in 0..n {
                let x = &x[(o * n + k) * inner + column..];
                for ((count, &x), &y) in counts[..out.len()].iter_mut().zip(x).zip(y) {
                    *count += u64::from(same(x, y));
                }
            }
            for (out, &count) in out.iter_mut().zip(&counts) {
                *out = T::from_f64(count as f64);
            }
        });
    });
}
