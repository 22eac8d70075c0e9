//! Running sums and products along the middle axis of `[outer, n, inner]`.
//!
//! A running value is kept in f64 (or i64) and rounded where it is written. Threads share `outer`.

use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;
use crate::cpu::fold::Integer;

/// Columns at a time: their running values stay in registers and the first-level cache.
const TILE: usize = 64;
/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// How the next number changes the running value. Methods are `#[inline(always)]`.
pub(crate) trait Step<T>: Sync {
    type Acc: Copy;
    type Out: Send;
    fn start(&self) -> Self::Acc;
    fn step(&self, acc: Self::Acc, x: T) -> Self::Acc;
    fn write(&self, acc: Self::Acc) -> Self::Out;
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident <$T:ident: $bound:path> $acc:ty => $out:ty, $start:expr, |$a:ident, $x:ident| $step:expr, |$r:ident| $write:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl<$T: $bound> Step<$T> for $name {
            type Acc = $acc;
            type Out = $out;
            #[inline(always)]
            fn start(&self) -> $acc {
                $start
            }
            #[inline(always)]
            fn step(&self, $a: $acc, $x: $T) -> $acc {
                $step
            }
            #[inline(always)]
            fn write(&self, $r: $acc) -> $out {
                $write
            }
        }
    )*};
}
steps! {
    /// Running sums of floats.
    Sums<T: Element> f64 => T, 0.0, |acc, x| acc + x.to_f64(), |acc| T::from_f64(acc);
    /// Running products of floats.
    Products<T: Element> f64 => T, 1.0, |acc, x| acc * x.to_f64(), |acc| T::from_f64(acc);
    /// Running sums of integers, modulo 2⁶⁴.
    SumsExact<T: Integer> i64 => i64, 0, |acc, x| acc.wrapping_add(x.to_i64()), |acc| acc;
    /// Running products of integers, modulo 2⁶⁴.
    ProductsExact<T: Integer> i64 => i64, 1, |acc, x| acc.wrapping_mul(x.to_i64()), |acc| acc;
}

struct Scan<'a, T, F: Step<T>> {
    f: &'a F,
    x: &'a [T],
    inner: usize,
    reverse: bool,
    out: &'a mut [F::Out],
}

impl<T: Copy, F: Step<T>> Kernel for Scan<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let (f, inner) = (self.f, self.inner);
        let n = self.x.len() / inner;
        if inner == 1 {
            let mut acc = f.start();
            for i in 0..n {
                let at = if self.reverse { n - 1 - i } else { i };
                acc = f.step(acc, self.x[at]);
                self.out[at] = f.write(acc);
            }
            return;
        }
        for first in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - first);
            let mut acc = [f.start(); TILE];
            for i in 0..n {
                let at = if self.reverse { n - 1 - i } else { i } * inner + first;
                let (x, out) = (&self.x[at..at + width], &mut self.out[at..at + width]);
                for ((acc, &x), out) in acc.iter_mut().zip(x).zip(out) {
                    *acc = f.step(*acc, x);
                    *out = f.write(*acc);
                }
            }
        }
    }
}

/// `out[o, k, i] = f` of `x[o, ..=k, i]`, or of `x[o, k.., i]` in reverse.
pub(crate) fn scan<T: Copy + Sync, F: Step<T>>(
    f: &F,
    x: &[T],
    [_, n, inner]: [usize; 3],
    reverse: bool,
    out: &mut [F::Out],
) {
    let row = n * inner;
    if row == 0 {
        return;
    }
    for_rows(out, row, (GRAIN / row).max(1), |first, out| {
        for (o, out) in out.chunks_exact_mut(row).enumerate() {
            let x = &x[(first + o) * row..(first + o + 1) * row];
            dispatch(Scan {
                f,
                x,
                inner,
                reverse,
                out,
            });
        }
    });
}

/// The gradients that come in: one for each product, or one for the product of all.
pub(crate) enum Incoming<'a, T> {
    Each(&'a [T]),
    Last(&'a [T]),
}

struct ProductsBackward<'a, T> {
    x: &'a [T],
    dy: Incoming<'a, T>,
    inner: usize,
    dx: &'a mut [T],
}

impl<T: Element> Kernel for ProductsBackward<'_, T> {
    /// `dx[k] = (Π x[..k]) · S[k]` with `S[k] = dy[k] + x[k+1] · S[k+1]`: no division, so zeros need no
    /// case of their own.
    #[inline(always)]
    fn run(self) {
        let (x, dx, inner) = (self.x, self.dx, self.inner);
        let n = x.len() / inner;
        for first in (0..inner).step_by(TILE) {
            let width = TILE.min(inner - first);
            let mut before = [1.0; TILE];
            for k in 0..n {
                let at = k * inner + first;
                for ((before, &x), dx) in
                    before.iter_mut().zip(&x[at..]).zip(&mut dx[at..at + width])
                {
                    *dx = T::from_f64(*before);
                    *before *= x.to_f64();
                }
            }
            let mut after = [0.0; TILE];
            for k in (0..n).rev() {
                let at = k * inner + first;
                for i in 0..width {
                    let next = if k + 1 < n {
                        x[at + inner + i].to_f64() * after[i]
                    } else {
                        0.0
                    };
                    after[i] = match self.dy {
                        Incoming::Each(dy) => dy[at + i].to_f64() + next,
                        Incoming::Last(dy) if k + 1 == n => dy[first + i].to_f64(),
                        Incoming::Last(_) => next,
                    };
                    let dx = &mut dx[at + i];
                    *dx = T::from_f64(dx.to_f64() * after[i]);
                }
            }
        }
    }
}

/// The gradient of running products, or of the product of all, by each factor.
pub(crate) fn products_backward<T: Element>(
    x: &[T],
    dy: &Incoming<'_, T>,
    [_, n, inner]: [usize; 3],
    dx: &mut [T],
) {
    let row = n * inner;
    if row == 0 {
        return;
    }
    for_rows(dx, row, (GRAIN / row).max(1), |first, dx| {
        for (o, dx) in dx.chunks_exact_mut(row).enumerate() {
            let o = first + o;
            let dy = match dy {
                Incoming::Each(dy) => Incoming::Each(&dy[o * row..(o + 1) * row]),
                Incoming::Last(dy) => Incoming::Last(&dy[o * inner..(o + 1) * inner]),
            };
            dispatch(ProductsBackward {
                x: &x[o * row..(o + 1) * row],
                dy,
                inner,
                dx,
            });
        }
    });
}
