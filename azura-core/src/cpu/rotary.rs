//! The loop of rotary positions.

use super::matrices::{Matrices, Target};
use super::simd::{Kernel, dispatch};
use super::softmax::Real;
use super::threads::{parallel, part, split};

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// Sizes of each matrix, and how its columns are paired.
pub(crate) struct Turn<'a, T> {
    pub rows: usize,
    pub cols: usize,
    /// Cosine and sine of each row's angles, `[rows, pairs]`.
    pub cos: &'a [T],
    pub sin: &'a [T],
    pub pairs: usize,
    /// Columns `2i` and `2i + 1` make a pair; else `i` and `i + pairs`.
    pub interleaved: bool,
    /// Turns the other way: the gradient.
    pub back: bool,
}

struct Row<'a, T> {
    x: &'a [T],
    cos: &'a [T],
    sin: &'a [T],
    sign: T,
    interleaved: bool,
    y: &'a mut [T],
}

impl<T: Real> Kernel for Row<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (pairs, sign) = (self.cos.len(), self.sign);
        let angles = self.cos.iter().zip(self.sin);
        let (x, rest) = self.x.split_at(2 * pairs);
        let (y, y_rest) = self.y.split_at_mut(2 * pairs);
        y_rest.copy_from_slice(rest);
        if self.interleaved {
            let (x, y) = (x.as_chunks::<2>().0, y.as_chunks_mut::<2>().0);
            for ((x, y), (&c, &s)) in x.iter().zip(y).zip(angles) {
                let s = s * sign;
                *y = [x[0] * c - x[1] * s, x[1] * c + x[0] * s];
            }
        } else {
            let ((a, b), (u, v)) = (x.split_at(pairs), y.split_at_mut(pairs));
            for ((((&a, &b), u), v), (&c, &s)) in a.iter().zip(b).zip(u).zip(v).zip(angles) {
                let s = s * sign;
                *u = a * c - b * s;
                *v = b * c + a * s;
            }
        }
    }
}

/// Turns every pair of columns of every row by its angle. Elements of a row of `x` stand side by side.
pub(crate) fn rotary<T: Real>(x: &Matrices<'_, T>, turn: &Turn<'_, T>, out: &Target<'_, T>) {
    let rows = x.starts.len() * turn.rows;
    let parts = split(rows, GRAIN / turn.cols.max(1) + 1);
    let sign = T::lit(if turn.back { -1.0 } else { 1.0 });
    parallel(parts, |i| {
        for at in part(rows, parts, i) {
            let (index, row) = (at / turn.rows, at % turn.rows);
            // SAFETY: each row belongs to one part.
            let y = unsafe { out.row(index, row, turn.cols) };
            let angles = row * turn.pairs..(row + 1) * turn.pairs;
            dispatch(Row {
                x: x.row(index, row, turn.cols),
                cos: &turn.cos[angles.clone()],
                sin: &turn.sin[angles],
                sign,
                interleaved: turn.interleaved,
                y,
            });
        }
    });
}
