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
const GRAIN: usize = crate::cpu::threads::grain::ELEMENTS;

/// Sums of `K` terms at once, each over the elements of `M` rows of one length.
#[inline(always)]
fn sums<T: Real, const M: usize, const K: usize>(
    rows: [&[T]; M],
    term: impl Fn([T; M]) -> [T; K],
) -> [f64; K] {
    let n = rows[0].len();
    let mut totals = [0.0; K];
    for start in (0..n).step_by(BLOCK) {
        let block = rows.map(|row| &row[start..n.min(start + BLOCK)]);
        let mut lanes = [[T::default(); LANES]; K];
        for base in (0..block[0].len()).step_by(LANES) {
            let mut pieces = [[T::default(); LANES]; M];
            let mut width = LANES;
            for (piece, row) in pieces.iter_mut().zip(block) {
                match row[base..].first_chunk() {
                    Some(whole) => *piece = *whole,
                    None => {
                        width = row.len() - base;
                        piece[..width].copy_from_slice(&row[base..]);
                    }
                }
            }
            // Whole pieces in a loop of their own, which has no end to look for.
            if width == LANES {
                add(&mut lanes, &pieces, LANES, &term);
            } else {
                add(&mut lanes, &pieces, width, &term);
            }
        }
        for k in 0..K {
            totals[k] += lanes::total(&lanes[k]);
        }
    }
    totals
}

/// Adds the terms of the first `width` of some elements to the lanes.
#[inline(always)]
fn add<T: Real, const M: usize, const K: usize>(
    lanes: &mut [[T; LANES]; K],
    pieces: &[[T; LANES]; M],
    width: usize,
    term: impl Fn([T; M]) -> [T; K],
) {
    for lane in 0..width {
        let mut x = [T::default(); M];
        for (x, piece) in x.iter_mut().zip(pieces) {
            *x = piece[lane];
        }
        let terms = term(x);
        for k in 0..K {
            lanes[k][lane] = lanes[k][lane] + terms[k];
        }
    }
}

/// Mean and biased variance of a row.
#[inline(always)]
fn moments<T: Real>(x: &[T]) -> [f64; 2] {
    let n = x.len();
    let [sum] = sums([x], |x| x);
    let shift = T::from_f64(sum / n as f64);
    let rest = distances(x, shift);
    combine(shift.to_f64(), rest, n)
}

/// Sum and sum of squares of the distances from `shift`.
#[inline(always)]
fn distances<T: Real>(x: &[T], shift: T) -> [f64; 2] {
    sums([x], |[x]| {
        let d = x - shift;
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
#[derive(Clone, Copy, Default)]
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
