//! The way back from a reduction: what `[outer, inner]` says about each of `[outer, n, inner]`.

use super::map::Map;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

struct Loop<'a, T, F> {
    f: &'a F,
    x: &'a [T],
    y: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Copy, F: Map<T, T, 3>> Kernel for Loop<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        if let ([y], [dy]) = (self.y, self.dy) {
            for (dx, &x) in self.dx.iter_mut().zip(self.x) {
                *dx = self.f.call([x, *y, *dy]);
            }
        } else {
            let given = self.x.iter().zip(self.y).zip(self.dy);
            for (dx, ((&x, &y), &dy)) in self.dx.iter_mut().zip(given) {
                *dx = self.f.call([x, y, dy]);
            }
        }
    }
}

/// `dx[o, k, i] = f(x[o, k, i], y[o, i], dy[o, i])`.
pub(crate) fn spread<T, F>(
    f: &F,
    x: &[T],
    [y, dy]: [&[T]; 2],
    [_, n, inner]: [usize; 3],
    dx: &mut [T],
) where
    T: Copy + Send + Sync,
    F: Map<T, T, 3>,
{
    // A run shares one `y` or has one for each element.
    let (run, repeats) = if inner == 1 { (n, 1) } else { (inner, n) };
    if dx.is_empty() {
        return;
    }
    for_rows(dx, run, (GRAIN / run).max(1), |first, dx| {
        for (i, dx) in dx.chunks_exact_mut(run).enumerate() {
            let at = first + i;
            let o = at / repeats * inner;
            dispatch(Loop {
                f,
                x: &x[at * run..(at + 1) * run],
                y: &y[o..o + inner],
                dy: &dy[o..o + inner],
                dx,
            });
        }
    });
}

/// `dx[o, index[o, i], i] = dy[o, i]`, and 0 elsewhere.
pub(crate) fn put<T: Copy + Default + Send + Sync>(
    dy: &[T],
    index: &[i64],
    [_, n, inner]: [usize; 3],
    dx: &mut [T],
) {
    let row = n * inner;
    if dx.is_empty() {
        return;
    }
    for_rows(dx, row, (GRAIN / row).max(1), |first, dx| {
        dx.fill(T::default());
        for (o, dx) in dx.chunks_exact_mut(row).enumerate() {
            let range = (first + o) * inner..(first + o + 1) * inner;
            let pairs = dy[range.clone()].iter().zip(&index[range]);
            for (i, (&dy, &k)) in pairs.enumerate() {
                dx[k as usize * inner + i] = dy;
            }
        }
    });
}
