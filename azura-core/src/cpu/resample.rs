//! Weighted sums along each axis on its own: means over windows, and interpolation.
//!
//! An element of the result is `Σ wz · wy · wx · x[z, y, x] / (cz · cy · cx)`. Rows are summed first, over their whole
//! length, which the compiler vectorises; then each element sums its few neighbours in that row.

use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::Element;

/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// Which elements of an axis make up each element of the result.
#[derive(Clone, Debug)]
pub(crate) struct Taps {
    pub size: usize,
    /// An index in the source and its weight, for one result after the other.
    taps: Vec<(usize, f64)>,
    /// Where in `taps` those of each result end.
    ends: Vec<usize>,
    /// By what each result is divided.
    counts: Vec<f64>,
}

impl Taps {
    /// An axis of `size` elements that no result reads yet.
    pub fn new(size: usize) -> Self {
        Taps {
            size,
            taps: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// An axis that stays as it is.
    pub fn same(size: usize) -> Self {
        let mut axis = Taps::new(size);
        for i in 0..size {
            axis.push([(i, 1.0)], 1.0);
        }
        axis
    }

    /// One more result.
    pub fn push(&mut self, taps: impl IntoIterator<Item = (usize, f64)>, count: f64) {
        self.taps.extend(taps);
        self.ends.push(self.taps.len());
        self.counts.push(count);
    }

    /// How many results there are.
    pub fn results(&self) -> usize {
        self.ends.len()
    }

    #[inline(always)]
    fn of(&self, result: usize) -> &[(usize, f64)] {
        let start = result.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.taps[start..self.ends[result]]
    }

    fn longest(&self) -> usize {
        let lens = (0..self.results()).map(|i| self.of(i).len());
        lens.max().unwrap_or(0)
    }
}

/// `x / count`, which is `x` for most.
#[inline(always)]
fn divided<T: Num>(x: T, count: f64) -> T {
    if count == 1.0 { x } else { x / T::lit(count) }
}

/// Some rows of the result.
struct Forward<'a, T> {
    x: &'a [T],
    axes: &'a [Taps; 3],
    /// Counts through planes and rows.
    first: usize,
    y: &'a mut [T],
    sum: &'a mut [T],
}

impl<T: Element + Num> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let [depths, heights, widths] = self.axes;
        let (height, width) = (heights.size, widths.size);
        let plane = depths.size * height * width;
        for (i, y) in self.y.chunks_exact_mut(widths.results()).enumerate() {
            let r = self.first + i;
            let oy = r % heights.results();
            let oz = r / heights.results() % depths.results();
            let x = &self.x[r / heights.results() / depths.results() * plane..][..plane];
            let mut begun = false;
            for &(iz, wz) in depths.of(oz) {
                for &(iy, wy) in heights.of(oy) {
                    let row = &x[(iz * height + iy) * width..][..width];
                    let w = T::lit(wz * wy);
                    if begun {
                        for (sum, &x) in self.sum.iter_mut().zip(row) {
                            *sum = w.mul_add(x, *sum);
                        }
                    } else {
                        for (sum, &x) in self.sum.iter_mut().zip(row) {
                            *sum = w * x;
                        }
                        begun = true;
                    }
                }
            }
            if !begun {
                y.fill(T::lit(0.0));
                continue;
            }
            let count = depths.counts[oz] * heights.counts[oy];
            for (ox, y) in y.iter_mut().enumerate() {
                let mut taps = widths.of(ox).iter();
                let first = taps.next();
                let mut sum = first.map_or(T::lit(0.0), |&(ix, w)| T::lit(w) * self.sum[ix]);
                for &(ix, w) in taps {
                    sum = T::lit(w).mul_add(self.sum[ix], sum);
                }
                *y = divided(sum, count * widths.counts[ox]);
            }
        }
    }
}

/// Some planes of the gradient.
struct Backward<'a, T> {
    dy: &'a [T],
    axes: &'a [Taps; 3],
    dx: &'a mut [T],
    sum: &'a mut [T],
}

impl<T: Element + Num> Kernel for Backward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let [depths, heights, widths] = self.axes;
        let (height, width) = (heights.size, widths.size);
        let plane = depths.size * height * width;
        let y_plane = depths.results() * heights.results() * widths.results();
        self.dx.fill(T::lit(0.0));
        for (i, dx) in self.dx.chunks_exact_mut(plane).enumerate() {
            let dy = &self.dy[i * y_plane..(i + 1) * y_plane];
            for (r, dy) in dy.chunks_exact(widths.results().max(1)).enumerate() {
                let (oz, oy) = (r / heights.results(), r % heights.results());
                let count = depths.counts[oz] * heights.counts[oy];
                self.sum.fill(T::lit(0.0));
                for (ox, &dy) in dy.iter().enumerate() {
                    let dy = divided(dy, count * widths.counts[ox]);
                    for &(ix, w) in widths.of(ox) {
                        self.sum[ix] = T::lit(w).mul_add(dy, self.sum[ix]);
                    }
                }
                for &(iz, wz) in depths.of(oz) {
                    for &(iy, wy) in heights.of(oy) {
                        let w = T::lit(wz * wy);
                        let row = &mut dx[(iz * height + iy) * width..][..width];
                        for (dx, &sum) in row.iter_mut().zip(self.sum.iter()) {
                            *dx = w.mul_add(sum, *dx);
                        }
                    }
                }
            }
        }
    }
}

/// `y [planes, …]` from `x [planes, …]`.
pub(crate) fn resample<T: Element + Num>(x: &[T], axes: &[Taps; 3], y: &mut [T]) {
    let [depths, heights, widths] = axes;
    if y.is_empty() {
        return;
    }
    let read = depths.longest() * heights.longest() * widths.size;
    let read = read.max(widths.taps.len()).max(1);
    for_rows(y, widths.results(), (GRAIN / read).max(1), |first, y| {
        let mut sum = vec![T::lit(0.0); widths.size];
        dispatch(Forward {
            x,
            axes,
            first,
            y,
            sum: &mut sum,
        });
    });
}

/// The gradient of [`resample`]. Writes all of `dx`.
pub(crate) fn resample_backward<T: Element + Num>(dy: &[T], axes: &[Taps; 3], dx: &mut [T]) {
    if dx.is_empty() {
        return;
    }
    let plane: usize = axes.iter().map(|axis| axis.size).product();
    let y_plane: usize = axes.iter().map(Taps::results).product();
    let work = y_plane * axes[0].longest() * axes[1].longest() + plane;
    for_rows(dx, plane, (GRAIN / work).max(1), |first, dx| {
        let mut sum = vec![T::lit(0.0); axes[2].size];
        dispatch(Backward {
            dy: dy.get(first * y_plane..).unwrap_or_default(),
            axes,
            dx,
            sum: &mut sum,
        });
    });
}
