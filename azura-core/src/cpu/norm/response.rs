//! The sum of squares over neighbouring channels.

use super::Real;
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::for_rows;
use std::ops::Range;

/// `[samples, channels, inner]`, and what a channel is divided by:
/// `(k + alpha/size · Σ x²)^beta` over `size` channels around it.
#[derive(Clone, Copy)]
pub(crate) struct Response {
    pub channels: usize,
    pub inner: usize,
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
}

impl Response {
    /// The channels whose squares divide channel `c`: as many before it as after it, one more if
    /// `size` is even.
    fn around(&self, c: usize) -> Range<usize> {
        c.saturating_sub(self.size / 2)..c.saturating_add(self.size.div_ceil(2)).min(self.channels)
    }

    /// The channels that channel `c` divides.
    fn reached(&self, c: usize) -> Range<usize> {
        (c + 1).saturating_sub(self.size.div_ceil(2))
            ..c.saturating_add(self.size / 2 + 1).min(self.channels)
    }

    fn channel(&self, c: usize) -> Range<usize> {
        c * self.inner..(c + 1) * self.inner
    }
}

/// `out[c] = k + alpha/size · Σ x²`, for each sample.
pub(crate) fn divisors<T: Real>(r: Response, x: &[T], out: &mut [T]) {
    let sample = r.channels * r.inner;
    if sample == 0 {
        return;
    }
    for_rows(out, sample, 1, |first, out| {
        for (i, out) in out.chunks_exact_mut(sample).enumerate() {
            let x = &x[(first + i) * sample..(first + i + 1) * sample];
            dispatch(Divisors { r, x, out });
        }
    });
}

struct Divisors<'a, T> {
    r: Response,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for Divisors<'_, T> {
    #[inline(always)]
    fn run(self) {
        let r = self.r;
        let (scale, k) = (T::lit(r.alpha / r.size as f64), T::lit(r.k));
        for (c, out) in self.out.chunks_exact_mut(r.inner).enumerate() {
            out.fill(T::default());
            for near in r.around(c) {
                for (out, &x) in out.iter_mut().zip(&self.x[r.channel(near)]) {
                    *out = *out + x * x;
                }
            }
            for out in out {
                *out = *out * scale + k;
            }
        }
    }
}

/// `y = x · divisor^-beta`.
pub(crate) fn divide<T: Real>(beta: f64, x: &[T], divisors: &[T], y: &mut [T]) {
    for_rows(y, 1, 4096, |first, y| {
        for ((y, &x), d) in y.iter_mut().zip(&x[first..]).zip(&divisors[first..]) {
            *y = x * d.powf(-beta);
        }
    });
}

/// `dx = dy · d^-beta - 2 · alpha/size · beta · x · Σ dy · x · d^(-beta-1)` over the channels that x divides.
pub(crate) fn backward<T: Real>(r: Response, x: &[T], d: &[T], dy: &[T], dx: &mut [T]) {
    let sample = r.channels * r.inner;
    if sample == 0 {
        return;
    }
    let factor = T::lit(-2.0 * r.alpha / r.size as f64 * r.beta);
    for_rows(dx, sample, 1, |first, dx| {
        for (i, dx) in dx.chunks_exact_mut(sample).enumerate() {
            let range = (first + i) * sample..(first + i + 1) * sample;
            let (x, d, dy) = (&x[range.clone()], &d[range.clone()], &dy[range]);
            for c in 0..r.channels {
                let own = r.channel(c);
                let dx = &mut dx[own.clone()];
                dx.fill(T::default());
                for far in r.reached(c) {
                    let far = r.channel(far);
                    let terms = x[far.clone()].iter().zip(&d[far.clone()]).zip(&dy[far]);
                    for (dx, ((&x, d), &dy)) in dx.iter_mut().zip(terms) {
                        *dx = *dx + dy * x * d.powf(-r.beta - 1.0);
                    }
                }
                let terms = x[own.clone()].iter().zip(&d[own.clone()]).zip(&dy[own]);
                for (dx, ((&x, d), &dy)) in dx.iter_mut().zip(terms) {
                    *dx = dy * d.powf(-r.beta) + factor * x * *dx;
                }
            }
        }
    });
}
