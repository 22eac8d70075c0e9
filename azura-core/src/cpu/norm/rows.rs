//! Rows that are normalised each by itself, scaled column by column.

use super::{GRAIN, Real, Standard, combine, lanes};
use crate::cpu::gemm::pack::with_scratch;
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{Shared, for_row_pairs, parallel, part, split};

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
}

/// Rows that are done together, one step after the other: the steps of a row wait for each other, those of different rows
/// do not.
const GROUP: usize = 8;
/// Partial sums of a row: one AVX-512 register of f32. They stay in registers; 32 of them did not.
const LANES: usize = 16;
/// Numbers summed in one precision: 32 to a lane.
const BLOCK: usize = 512;

/// `Σ term` over each of `count` rows, which have `n` elements.
#[inline(always)]
fn group_sums<'a, T: Real, const M: usize, const K: usize>(
    count: usize,
    n: usize,
    row: impl Fn(usize) -> [&'a [T]; M],
    term: impl Fn(usize, [T; M]) -> [T; K],
) -> [[f64; K]; GROUP] {
    let mut totals = [[0.0; K]; GROUP];
    for start in (0..n).step_by(BLOCK) {
        let block = start..n.min(start + BLOCK);
        let mut lanes = [[[T::default(); LANES]; K]; GROUP];
        for (r, lanes) in lanes[..count].iter_mut().enumerate() {
            let pieces = row(r).map(|row| &row[block.clone()]);
            lane_sums(pieces, lanes, |x| term(r, x));
        }
        for (totals, lanes) in totals[..count].iter_mut().zip(&lanes) {
            for (total, lanes) in totals.iter_mut().zip(lanes) {
                *total += lanes::total(lanes);
            }
        }
    }
    totals
}

/// `Σ term` in lanes, over pieces of one length.
#[inline(always)]
fn lane_sums<T: Real, const M: usize, const K: usize>(
    pieces: [&[T]; M],
    out: &mut [[T; LANES]; K],
    term: impl Fn([T; M]) -> [T; K],
) {
    let n = pieces[0].len();
    let whole = pieces.map(|piece| piece[..n].as_chunks::<LANES>().0);
    // A copy of its own, which is not seen from elsewhere.
    let mut lanes = [[T::default(); LANES]; K];
    for i in 0..n / LANES {
        let x = whole.map(|chunks| &chunks[i]);
        for lane in 0..LANES {
            let terms = term(x.map(|x| x[lane]));
            for k in 0..K {
                lanes[k][lane] = lanes[k][lane] + terms[k];
            }
        }
    }
    *out = lanes;
    for i in n / LANES * LANES..n {
        let terms = term(pieces.map(|piece| piece[i]));
        for k in 0..K {
            out[k][i % LANES] = out[k][i % LANES] + terms[k];
        }
    }
}

/// `y = x̂ · weight + bias`; mean and reciprocal deviation of each row into `stats` `[rows, 2]`.
pub(crate) fn forward<T: Real>(rows: Rows<'_, T>, eps: f64, stats: &mut [f64], y: &mut [T]) {
    if rows.n == 0 {
        return;
    }
    for_row_pairs((stats, 2), (y, rows.n), rows.grain(), |first, stats, y| {
        dispatch(Forward {
            rows,
            first,
            eps,
            stats,
            y,
        });
    });
}

struct Forward<'a, T> {
    rows: Rows<'a, T>,
    first: usize,
    eps: f64,
    stats: &'a mut [f64],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Forward {
            rows,
            first,
            eps,
            stats,
            y,
        } = self;
        let n = rows.n;
        let groups = stats.chunks_mut(2 * GROUP).zip(y.chunks_mut(GROUP * n));
        for (g, (stats, y)) in groups.enumerate() {
            let x = &rows.x[(first + g * GROUP) * n..][..y.len()];
            let (stats, _) = stats.as_chunks_mut::<2>();
            let (count, row) = (stats.len(), |r: usize| [&x[r * n..][..n]]);
            match rows.kind {
                Kind::Layer => {
                    let totals = group_sums(count, n, row, |_, x| x);
                    let shifts = totals.map(|[sum]| T::from_f64(sum / n as f64));
                    let rest = group_sums(count, n, row, |r, [x]| {
                        let d = x - shifts[r];
                        [d, d * d]
                    });
                    for (stats, (shift, rest)) in stats.iter_mut().zip(shifts.iter().zip(rest)) {
                        *stats = combine(shift.to_f64(), rest, n);
                    }
                }
                Kind::RootMeanSquare => {
                    let squares = group_sums(count, n, row, |_, [x]| [x * x]);
                    for (stats, [squares]) in stats.iter_mut().zip(squares) {
                        *stats = [0.0, squares / n as f64];
                    }
                }
            }
            for [_, rstd] in stats.iter_mut() {
                *rstd = 1.0 / (*rstd + eps).sqrt();
            }
            let pairs = x.chunks_exact(n).zip(y.chunks_exact_mut(n));
            for (&mut [mean, rstd], (x, y)) in stats.iter_mut().zip(pairs) {
                let s = Standard::<T>::new(mean, rstd);
                let xy = y.iter_mut().zip(x);
                match (rows.weight, rows.bias) {
                    (None, None) => xy.for_each(|(y, &x)| *y = s.of(x)),
                    (Some(w), None) => xy.zip(w).for_each(|((y, &x), &w)| *y = s.of(x) * w),
                    (None, Some(b)) => xy.zip(b).for_each(|((y, &x), &b)| *y = s.of(x) + b),
                    (Some(w), Some(b)) => xy
                        .zip(w.iter().zip(b))
                        .for_each(|((y, &x), (&w, &b))| *y = s.of(x) * w + b),
                }
            }
        }
    }
}

/// Rows whose contributions to the gradients of weight and bias are summed in one precision; fewer of long ones, so that
/// threads can share them.
fn rows_of_block(n: usize) -> usize {
    (GRAIN / n.max(1)).clamp(GROUP, 64)
}

/// The gradients, in one visit of `x` and `dy`.
///
/// Of x: `rstd · (g - mean(g) - x̂ · mean(g · x̂))` with `g = dy · weight`; without the mean of g where none was taken out
/// of x. It is added to `dx`, if that says so. Of weight and bias: `Σ dy · x̂` and `Σ dy` of each column into `sums` `[n, 2]`.
pub(crate) fn backward<T: Real>(
    rows: Rows<'_, T>,
    stats: &[f64],
    dy: &[T],
    dx: Option<(&mut [T], bool)>,
    sums: Option<&mut [f64]>,
) {
    let (n, count) = (rows.n, stats.len() / 2);
    if n == 0 {
        return;
    }
    let accumulate = matches!(dx, Some((_, true)));
    let dx = dx.map(|(dx, _)| {
        assert_eq!(dx.len(), count * n, "a gradient for each element");
        Shared(dx.as_mut_ptr())
    });
    let step = rows_of_block(n);
    let blocks = count.div_ceil(step);
    let room = if sums.is_some() { blocks * 2 * n } else { 0 };
    with_scratch(room, |partial: *mut T| {
        let partial = Shared(partial);
        let parts = split(count, rows.grain()).min(blocks.max(1));
        parallel(parts, |i| {
            for b in part(blocks, parts, i) {
                let block = b * step..((b + 1) * step).min(count);
                // SAFETY: each block of rows is taken once, and lies inside `dx`, which is borrowed mutably above.
                let dx = dx.as_ref().map(|dx| unsafe {
                    let first = dx.get().add(block.start * n);
                    std::slice::from_raw_parts_mut(first, block.len() * n)
                });
                // SAFETY: as above, of `blocks · 2n` elements that nobody else has.
                let sums = (room > 0).then(|| unsafe {
                    std::slice::from_raw_parts_mut(partial.get().add(b * 2 * n), 2 * n)
                });
                dispatch(Backward {
                    rows,
                    stats,
                    dy,
                    block,
                    dx,
                    accumulate,
                    sums,
                });
            }
        });
        if let Some(out) = sums {
            out.fill(0.0);
            for b in 0..blocks {
                // SAFETY: every block was written above, and all threads are done.
                let partial =
                    unsafe { std::slice::from_raw_parts(partial.get().add(b * 2 * n), 2 * n) };
                let (with_x, alone) = partial.split_at(n);
                let columns = with_x.iter().zip(alone);
                for (out, (x, y)) in out.chunks_exact_mut(2).zip(columns) {
                    out[0] += x.to_f64();
                    out[1] += y.to_f64();
                }
            }
        }
    });
}

/// One block of rows.
struct Backward<'a, T> {
    rows: Rows<'a, T>,
    stats: &'a [f64],
    dy: &'a [T],
    block: std::ops::Range<usize>,
    dx: Option<&'a mut [T]>,
    accumulate: bool,
    /// `Σ dy · x̂` of all columns, then `Σ dy`.
    sums: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for Backward<'_, T> {
    #[inline(always)]
    fn run(mut self) {
        let (rows, n) = (self.rows, self.rows.n);
        if let Some(sums) = &mut self.sums {
            sums.fill(T::default());
        }
        for first in self.block.clone().step_by(GROUP) {
            let count = GROUP.min(self.block.end - first);
            let part = first * n..(first + count) * n;
            let (x, dy) = (&rows.x[part.clone()], &self.dy[part]);
            let mut s = [Standard::<T>::default(); GROUP];
            for (s, stats) in s.iter_mut().zip(self.stats[2 * first..].as_chunks::<2>().0) {
                *s = Standard::new(stats[0], stats[1]);
            }
            if let Some(dx) = &mut self.dx {
                let dx = &mut dx[(first - self.block.start) * n..][..count * n];
                let means = means(rows, &s, x, dy, count);
                for (r, dx) in dx.chunks_exact_mut(n).enumerate() {
                    let (x, dy) = (&x[r * n..][..n], &dy[r * n..][..n]);
                    let w = rows.weight.unwrap_or(dy);
                    let (s, means) = (s[r], means[r]);
                    match (rows.weight.is_some(), self.accumulate) {
                        (false, false) => {
                            row_gradient(s, means, x, dy, w, dx, |dy, _| dy, |_, new| new);
                        }
                        (false, true) => {
                            row_gradient(s, means, x, dy, w, dx, |dy, _| dy, |old, new| old + new);
                        }
                        (true, false) => {
                            row_gradient(s, means, x, dy, w, dx, |dy, w| dy * w, |_, new| new);
                        }
                        (true, true) => {
                            let add = |old, new| old + new;
                            row_gradient(s, means, x, dy, w, dx, |dy, w| dy * w, add);
                        }
                    }
                }
            }
            if let Some(sums) = &mut self.sums {
                let (with_x, alone) = sums.split_at_mut(n);
                add_columns(&s[..count], x, dy, with_x, alone);
            }
        }
    }
}

/// `[mean(g), mean(g · x̂)]` of each row of a group.
#[inline(always)]
fn means<T: Real>(
    rows: Rows<'_, T>,
    s: &[Standard<T>; GROUP],
    x: &[T],
    dy: &[T],
    count: usize,
) -> [[T; 2]; GROUP] {
    let n = rows.n;
    let totals = match rows.weight {
        None => group_sums(
            count,
            n,
            |r| [&dy[r * n..][..n], &x[r * n..][..n]],
            |r, [dy, x]| [dy, dy * s[r].of(x)],
        ),
        Some(w) => group_sums(
            count,
            n,
            |r| [&dy[r * n..][..n], &x[r * n..][..n], w],
            |r, [dy, x, w]| {
                let g = dy * w;
                [g, g * s[r].of(x)]
            },
        ),
    };
    totals.map(|totals| {
        let [g, gx] = totals.map(|sum| T::from_f64(sum / n as f64));
        match rows.kind {
            Kind::Layer => [g, gx],
            Kind::RootMeanSquare => [T::default(), gx],
        }
    })
}

/// The gradient of a row of x, `put` where there is something already.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Slices apart, so that the compiler knows that they do not overlap.
fn row_gradient<T: Real>(
    s: Standard<T>,
    [g_mean, gx_mean]: [T; 2],
    x: &[T],
    dy: &[T],
    w: &[T],
    dx: &mut [T],
    scaled: impl Fn(T, T) -> T,
    put: impl Fn(T, T) -> T,
) {
    let n = dx.len();
    let (x, dy, w) = (&x[..n], &dy[..n], &w[..n]);
    for i in 0..n {
        let g = scaled(dy[i], w[i]);
        dx[i] = put(dx[i], s.r * (g - g_mean - s.of(x[i]) * gx_mean));
    }
}

/// Adds `dy · x̂` and `dy` of some rows to the sums of all columns, in the order of the rows.
#[inline(always)]
fn add_columns<T: Real>(s: &[Standard<T>], x: &[T], dy: &[T], with_x: &mut [T], alone: &mut [T]) {
    let n = with_x.len();
    let columns = with_x.as_chunks_mut::<LANES>().0.iter_mut();
    for (c, (with_x, alone)) in columns.zip(alone.as_chunks_mut::<LANES>().0).enumerate() {
        let (mut a, mut b) = (*with_x, *alone);
        for (r, s) in s.iter().enumerate() {
            let at = r * n + c * LANES;
            let (x, dy) = (&x[at..at + LANES], &dy[at..at + LANES]);
            for lane in 0..LANES {
                a[lane] = a[lane] + dy[lane] * s.of(x[lane]);
                b[lane] = b[lane] + dy[lane];
            }
        }
        (*with_x, *alone) = (a, b);
    }
    for i in n / LANES * LANES..n {
        for (r, s) in s.iter().enumerate() {
            with_x[i] = with_x[i] + dy[r * n + i] * s.of(x[r * n + i]);
            alone[i] = alone[i] + dy[r * n + i];
        }
    }
}
