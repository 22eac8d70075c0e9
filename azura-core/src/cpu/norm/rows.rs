//! Rows that are normalised each by itself, scaled column by column.

use super::{GRAIN, Real, Standard, moments, sums};
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{for_row_pairs, for_rows};

/// What a row is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The mean is taken out, then the standard deviation divides.
    Layer,
    /// The root of the mean square divides.
    RootMeanSquare,
}

/// Rows of `n` numbers, and the factor and summand of each column.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub x: &'a [T],
    pub n: usize,
    pub kind: Kind,
    pub weight: Option<&'a [T]>,
    pub bias: Option<&'a [T]>,
}

impl<'a, T: Real> Rows<'a, T> {
    fn grain(&self) -> usize {
        (GRAIN / self.n.max(1)).max(1)
    }

    fn row(&self, row: usize) -> &'a [T] {
        &self.x[row * self.n..(row + 1) * self.n]
    }
}

/// `y = x̂ · weight + bias`; mean and reciprocal deviation of each row into `stats` `[rows, 2]`.
pub(crate) fn forward<T: Real>(rows: Rows<'_, T>, eps: f64, stats: &mut [f64], y: &mut [T]) {
    if rows.n == 0 {
        return;
    }
    for_row_pairs((stats, 2), (y, rows.n), rows.grain(), |first, stats, y| {
        let pairs = stats.chunks_exact_mut(2).zip(y.chunks_exact_mut(rows.n));
        for (i, (stats, y)) in pairs.enumerate() {
            let x = rows.row(first + i);
            dispatch(Forward {
                rows,
                x,
                eps,
                stats,
                y,
            });
        }
    });
}

struct Forward<'a, T> {
    rows: Rows<'a, T>,
    x: &'a [T],
    eps: f64,
    stats: &'a mut [f64],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let x = self.x;
        let [mean, variance] = match self.rows.kind {
            Kind::Layer => moments(x),
            Kind::RootMeanSquare => {
                let [squares] = sums([x], |[x]| [x * x]);
                [0.0, squares / x.len() as f64]
            }
        };
        let rstd = 1.0 / (variance + self.eps).sqrt();
        self.stats.copy_from_slice(&[mean, rstd]);
        let s = Standard::<T>::new(mean, rstd);
        let xy = self.y.iter_mut().zip(x);
        match (self.rows.weight, self.rows.bias) {
            (None, None) => xy.for_each(|(y, &x)| *y = s.of(x)),
            (Some(w), None) => xy.zip(w).for_each(|((y, &x), &w)| *y = s.of(x) * w),
            (None, Some(b)) => xy.zip(b).for_each(|((y, &x), &b)| *y = s.of(x) + b),
            (Some(w), Some(b)) => xy
                .zip(w.iter().zip(b))
                .for_each(|((y, &x), (&w, &b))| *y = s.of(x) * w + b),
        }
    }
}

/// `dx = rstd · (g - mean(g) - x̂ · mean(g · x̂))` with `g = dy · weight`; without the mean of g where
/// none was taken out of x.
pub(crate) fn backward<T: Real>(rows: Rows<'_, T>, stats: &[f64], dy: &[T], dx: &mut [T]) {
    let n = rows.n;
    if n == 0 {
        return;
    }
    for_rows(dx, n, rows.grain(), |first, dx| {
        for (i, dx) in dx.chunks_exact_mut(n).enumerate() {
            let row = first + i;
            dispatch(Backward {
                rows,
                x: rows.row(row),
                stats: &stats[2 * row..2 * row + 2],
                dy: &dy[row * n..(row + 1) * n],
                dx,
            });
        }
    });
}

struct Backward<'a, T> {
    rows: Rows<'a, T>,
    x: &'a [T],
    stats: &'a [f64],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Kernel for Backward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.x.len();
        let (x, dy, dx) = (&self.x[..n], &self.dy[..n], &mut self.dx[..n]);
        let (mean, rstd) = (self.stats[0], self.stats[1]);
        let s = Standard::<T>::new(mean, rstd);
        let [g_mean, gx_mean] = match self.rows.weight {
            None => sums([dy, x], |[dy, x]| [dy, dy * s.of(x)]),
            Some(w) => {
                let w = &w[..n];
                sums([dy, x, w], |[dy, x, w]| {
                    let g = dy * w;
                    [g, g * s.of(x)]
                })
            }
        }
        .map(|sum| T::from_f64(sum / n as f64));
        let g_mean = match self.rows.kind {
            Kind::Layer => g_mean,
            Kind::RootMeanSquare => T::default(),
        };
        let rule = |g: T, x: T| s.r * (g - g_mean - s.of(x) * gx_mean);
        match self.rows.weight {
            None => {
                for i in 0..n {
                    dx[i] = rule(dy[i], x[i]);
                }
            }
            Some(w) => {
                let w = &w[..n];
                for i in 0..n {
                    dx[i] = rule(dy[i] * w[i], x[i]);
                }
            }
        }
    }
}

/// Columns summed at a time: their partial sums stay in the first-level cache.
const TILE: usize = 128;
/// Rows summed in one precision.
const ROWS: usize = 64;

/// `Σ dy · x̂` and `Σ dy` of each column into `out` `[n, 2]`: the gradients of weight and bias.
pub(crate) fn column_sums<T: Real>(rows: Rows<'_, T>, stats: &[f64], dy: &[T], out: &mut [f64]) {
    let count = stats.len() / 2;
    let grain = (GRAIN / count.max(1)).max(TILE);
    for_rows(out, 2, grain, |start, out| {
        for (i, out) in out.chunks_mut(2 * TILE).enumerate() {
            out.fill(0.0);
            for first in (0..count).step_by(ROWS) {
                dispatch(Columns {
                    rows,
                    dy,
                    stats,
                    block: first..(first + ROWS).min(count),
                    column: start + i * TILE,
                    out,
                });
            }
        }
    });
}

struct Columns<'a, T> {
    rows: Rows<'a, T>,
    dy: &'a [T],
    stats: &'a [f64],
    block: std::ops::Range<usize>,
    column: usize,
    out: &'a mut [f64],
}

impl<T: Real> Kernel for Columns<'_, T> {
    #[inline(always)]
    fn run(self) {
        let width = self.out.len() / 2;
        let (mut with_x, mut alone) = ([T::default(); TILE], [T::default(); TILE]);
        let (with_x, alone) = (&mut with_x[..width], &mut alone[..width]);
        for row in self.block {
            let s = Standard::<T>::new(self.stats[2 * row], self.stats[2 * row + 1]);
            let at = row * self.rows.n + self.column;
            let (x, dy) = (&self.rows.x[at..at + width], &self.dy[at..at + width]);
            for i in 0..width {
                with_x[i] = with_x[i] + dy[i] * s.of(x[i]);
                alone[i] = alone[i] + dy[i];
            }
        }
        for (out, (x, y)) in self.out.chunks_exact_mut(2).zip(with_x.iter().zip(alone)) {
            out[0] += x.to_f64();
            out[1] += y.to_f64();
        }
    }
}
