//! Reductions over the middle axis of `[outer, n, inner]`.
//!
//! The order of additions is a function of `n` alone: lanes and blocks of fixed sizes, on every
//! instruction set and any number of threads, so the bits are always the same. Blocks keep the
//! rounding error of a sum of n numbers near that of a sum of √n.

use super::lanes;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;

/// Numbers summed in one precision before the sums are added up in f64: at most 15 additions one after the other, so that
/// even equal numbers, which all round the same way, keep six digits.
const BLOCK: usize = 1024;
/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::INPUTS;

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
            let f = |_, x| self.f.term(x);
            total += lanes::fold(block, T::default(), f, |a, b| a + b).to_f64();
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

/// Columns summed at a time: their partial sums stay in the first-level cache, and a row is read far enough for its page to be
/// worth visiting.
const TILE: usize = 1024;
/// No thread gets fewer columns than this many at once: two cache lines of each row.
const COLUMNS: usize = 32;

/// Sums of columns under way: of a block of rows, and of all blocks before.
struct Scratch<T> {
    block: [T; TILE],
    total: [f64; TILE],
}

impl<T: Sum> Default for Scratch<T> {
    fn default() -> Self {
        Scratch {
            block: [T::default(); TILE],
            total: [0.0; TILE],
        }
    }
}

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
        let (first, cols) = (self.first, self.out.len());
        let mut fours = self.rows.chunks_exact(4 * self.width);
        for four in &mut fours {
            let row = |i: usize| &four[i * self.width + first..][..cols];
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            for (i, sum) in self.out.iter_mut().enumerate() {
                let term = |row: &[T]| self.f.term(row[i]);
                *sum = *sum + ((term(a) + term(b)) + (term(c) + term(d)));
            }
        }
        for row in fours.remainder().chunks_exact(self.width) {
            for (sum, &x) in self.out.iter_mut().zip(&row[first..]) {
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
    let add_tiles = |o: usize, start: usize, out: &mut [T], scratch: &mut Scratch<T>| {
        let rows = &x[o * n * inner..(o + 1) * n * inner];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            let total = &mut scratch.total[..out.len()];
            let block = &mut scratch.block[..out.len()];
            total.fill(0.0);
            for rows in rows.chunks(ROWS * inner) {
                block.fill(T::default());
                dispatch(AddRows {
                    rows,
                    width: inner,
                    first: start + tile * TILE,
                    f,
                    out: block,
                });
                for (total, part) in total.iter_mut().zip(&*block) {
                    *total += part.to_f64();
                }
            }
            for (out, total) in out.iter_mut().zip(total) {
                put(out, *total);
            }
        }
    };
    if outer == 1 {
        // One matrix: threads share its columns.
        let a_part = (GRAIN / n.max(1)).next_multiple_of(COLUMNS).max(COLUMNS);
        for_rows(out, 1, a_part, |start, out| {
            add_tiles(0, start, out, &mut Scratch::default());
        });
    } else {
        let a_part = (GRAIN / (n * inner).max(1)).max(1);
        for_rows(out, inner, a_part, |start, out| {
            let mut scratch = Scratch::default();
            for (o, out) in out.chunks_exact_mut(inner).enumerate() {
                add_tiles(start + o, 0, out, &mut scratch);
            }
        });
    }
}
