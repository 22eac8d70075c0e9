//! Reductions over the middle axis of `[outer, n, inner]`.
//!
//! The order of additions is a function of `n` alone: lanes and blocks of fixed sizes, on every
//! instruction set and any number of threads, so the bits are always the same. Blocks keep the
//! rounding error of a sum of n numbers near that of a sum of √n.

use super::lanes;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;

/// Partial sums that run side by side: two AVX-512 registers of f32.
const LANES: usize = 32;
/// Numbers summed in one precision before the partial sums are added up in f64: 32 to a lane, so that
/// even equal numbers, which all round the same way, keep six digits.
const BLOCK: usize = 1024;
/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = 32 * 1024;

/// What is done with each number before it is summed.
pub(crate) trait Term<T>: Sync {
    fn term(&self, x: T) -> T;
}

/// The number itself.
pub(crate) struct Identity;
/// Its square.
pub(crate) struct Square;

impl<T> Term<T> for Identity {
    #[inline(always)]
    fn term(&self, x: T) -> T {
        x
    }
}

impl<T: Copy + std::ops::Mul<Output = T>> Term<T> for Square {
    #[inline(always)]
    fn term(&self, x: T) -> T {
        x * x
    }
}

/// A number type that can be summed.
pub(crate) trait Sum: Element + Default + std::ops::Add<Output = Self> {}
impl Sum for f32 {}
impl Sum for f64 {}

struct RowSum<'a, T, F> {
    row: &'a [T],
    f: &'a F,
    total: &'a mut f64,
}

impl<T: Sum, F: Term<T>> Kernel for RowSum<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let mut total = 0.0;
        for block in self.row.chunks(BLOCK) {
            let mut lanes = [T::default(); LANES];
            let mut pieces = block.chunks_exact(LANES);
            for piece in &mut pieces {
                for (lane, &x) in lanes.iter_mut().zip(piece) {
                    *lane = *lane + self.f.term(x);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(pieces.remainder()) {
                *lane = *lane + self.f.term(x);
            }
            total += lanes::total(&lanes);
        }
        *self.total = total;
    }
}

fn row_sum<T: Sum, F: Term<T>>(row: &[T], f: &F) -> f64 {
    let mut total = 0.0;
    dispatch(RowSum {
        row,
        f,
        total: &mut total,
    });
    total
}

/// The sum of the squares of all elements.
pub(crate) fn sum_of_squares<T: Sum>(values: &[T]) -> f64
where
    Square: Term<T>,
{
    row_sum(values, &Square)
}

/// Columns summed at a time: their partial sums stay in registers and the first-level cache.
const TILE: usize = 128;

/// Adds columns `first..first + out.len()` of rows of `width` numbers.
struct AddRows<'a, T, F> {
    rows: &'a [T],
    width: usize,
    first: usize,
    f: &'a F,
    out: &'a mut [T],
}

impl<T: Sum, F: Term<T>> Kernel for AddRows<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        for row in self.rows.chunks_exact(self.width) {
            for (sum, &x) in self.out.iter_mut().zip(&row[self.first..]) {
                *sum = *sum + self.f.term(x);
            }
        }
    }
}

/// `out[o, i] (+)= scale · Σₙ f(x[o, n, i])`.
pub(crate) fn sum<T: Sum, F: Term<T>>(
    x: &[T],
    [outer, n, inner]: [usize; 3],
    f: &F,
    scale: f64,
    accumulate: bool,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let put = |out: &mut T, sum: f64| {
        let sum = T::from_f64(sum * scale);
        *out = if accumulate { *out + sum } else { sum };
    };
    if inner == 1 {
        let rows_a_part = (GRAIN / n.max(1)).max(1);
        for_rows(out, 1, rows_a_part, |first, out| {
            for (i, out) in out.iter_mut().enumerate() {
                put(out, row_sum(&x[(first + i) * n..(first + i + 1) * n], f));
            }
        });
        return;
    }
    // Rows are added up in blocks of 64, and the blocks in f64.
    const ROWS: usize = 64;
    let tiles = inner.div_ceil(TILE);
    let add_tile = |o: usize, first: usize, out: &mut [T]| {
        let rows = &x[o * n * inner..(o + 1) * n * inner];
        let mut total = [0.0f64; TILE];
        for rows in rows.chunks(ROWS * inner) {
            let mut block = [T::default(); TILE];
            let part = &mut block[..out.len()];
            dispatch(AddRows {
                rows,
                width: inner,
                first,
                f,
                out: part,
            });
            for (total, part) in total.iter_mut().zip(part) {
                *total += part.to_f64();
            }
        }
        for (out, total) in out.iter_mut().zip(total) {
            put(out, total);
        }
    };
    let tiles_a_part = (GRAIN / (n * inner.min(TILE)).max(1)).max(1);
    if outer == 1 {
        // One matrix: threads share its columns, whole tiles each.
        for_rows(out, 1, tiles_a_part * TILE, |start, out| {
            for (i, out) in out.chunks_mut(TILE).enumerate() {
                add_tile(0, start + i * TILE, out);
            }
        });
    } else {
        for_rows(out, inner, tiles_a_part.div_ceil(tiles), |start, out| {
            for (o, out) in out.chunks_exact_mut(inner).enumerate() {
                for (i, out) in out.chunks_mut(TILE).enumerate() {
                    add_tile(start + o, i * TILE, out);
                }
            }
        });
    }
}
