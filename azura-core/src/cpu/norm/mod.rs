//! Loops of normalisation.
//!
//! | file       | what lives there                                                        |
//! |------------|-------------------------------------------------------------------------|
//! | `rows`     | rows that are normalised each by itself, scaled column by column        |
//! | `planes`   | planes, one for each sample and channel, scaled each as a whole         |
//! | `response` | the sum of squares over neighbouring channels                           |
//!
//! Statistics are two passes: the mean, then the distances from it, whose own mean takes out what
//! rounding left (Chan, Golub & LeVeque 1983). Partial sums run in lanes of the element type over short
//! blocks and are added up in f64, in an order that only the sizes decide.

pub(crate) mod planes;
pub(crate) mod response;
pub(crate) mod rows;

use super::lanes;
pub(crate) use super::softmax::Real;

/// Partial sums that run side by side: two AVX-512 registers of f32.
const LANES: usize = 32;
/// Numbers summed in one precision: 32 to a lane.
const BLOCK: usize = 1024;
/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = 16 * 1024;

/// Sums of `K` terms over `0..n` at once.
#[expect(
    clippy::needless_range_loop,
    reason = "`lane` is a place in every sum and in the input"
)]
#[inline(always)]
fn sums<T: Real, const K: usize>(n: usize, term: impl Fn(usize) -> [T; K]) -> [f64; K] {
    let mut totals = [0.0; K];
    let mut start = 0;
    while start < n {
        let end = (start + BLOCK).min(n);
        let mut lanes = [[T::default(); LANES]; K];
        let whole = start + (end - start) / LANES * LANES;
        for base in (start..whole).step_by(LANES) {
            for lane in 0..LANES {
                let terms = term(base + lane);
                for k in 0..K {
                    lanes[k][lane] = lanes[k][lane] + terms[k];
                }
            }
        }
        for i in whole..end {
            let terms = term(i);
            for k in 0..K {
                lanes[k][i - whole] = lanes[k][i - whole] + terms[k];
            }
        }
        for k in 0..K {
            totals[k] += lanes::total(&lanes[k]);
        }
        start = end;
    }
    totals
}

/// Mean and biased variance of a row.
#[inline(always)]
fn moments<T: Real>(x: &[T]) -> [f64; 2] {
    let n = x.len();
    let [sum] = sums(n, |i| [x[i]]);
    let shift = T::from_f64(sum / n as f64);
    let rest = distances(x, shift);
    combine(shift.to_f64(), rest, n)
}

/// Sum and sum of squares of the distances from `shift`.
#[inline(always)]
fn distances<T: Real>(x: &[T], shift: T) -> [f64; 2] {
    sums(x.len(), |i| {
        let d = x[i] - shift;
        [d, d * d]
    })
}

/// Mean and biased variance of `n` numbers from what [`distances`] gave.
pub(crate) fn combine(shift: f64, [sum, squares]: [f64; 2], n: usize) -> [f64; 2] {
    let n = n as f64;
    let variance = (squares - sum * sum / n) / n;
    // Rounding must not make it negative, and NaN must stay.
    let variance = if variance < 0.0 { 0.0 } else { variance };
    [shift + sum / n, variance]
}

/// `(x - mean) · rstd` as `(x - m) · r + c` with what the mean loses in the element type put into `c`.
#[derive(Clone, Copy)]
pub(crate) struct Standard<T> {
    pub m: T,
    pub r: T,
    pub c: T,
}

impl<T: Real> Standard<T> {
    #[inline(always)]
    pub fn new(mean: f64, rstd: f64) -> Self {
        let m = T::from_f64(mean);
        Standard {
            m,
            r: T::from_f64(rstd),
            c: T::from_f64((m.to_f64() - mean) * rstd),
        }
    }

    #[inline(always)]
    pub fn of(self, x: T) -> T {
        (x - self.m) * self.r + self.c
    }
}
