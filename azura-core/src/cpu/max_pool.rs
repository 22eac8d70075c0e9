//! The largest element of each window, and where it was.

use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::{Shared, for_rows};
use crate::Element;
use std::ops::Range;

/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// The place of the largest element of an empty window.
const NOWHERE: u32 = u32::MAX;

/// Windows along one axis of `size` elements.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    pub size: usize,
    /// From one element of a window to the next.
    pub dilation: usize,
    /// The first element of each window, and the end.
    pub ranges: Vec<Range<usize>>,
}

impl Windows {
    fn longest(&self) -> usize {
        let lens = self.ranges.iter().map(|r| r.len().div_ceil(self.dilation));
        lens.max().unwrap_or(0)
    }
}

/// Whether windows are pairs of neighbours, from the first element on: those of the most common pooling.
fn are_pairs(axis: &Windows) -> bool {
    let pair = |(i, range): (usize, &Range<usize>)| *range == (2 * i..2 * i + 2);
    axis.dilation == 1 && axis.ranges.iter().enumerate().all(pair)
}

/// Windows of 2 × 2, none of which overlap, or any.
fn are_squares([depths, heights, widths]: &[Windows; 3]) -> bool {
    depths.size == 1
        && depths.ranges.len() == 1
        && depths.ranges[0] == (0..1)
        && are_pairs(heights)
        && are_pairs(widths)
}

/// Some rows of windows of 2 × 2.
struct Squares<'a, T> {
    x: &'a [T],
    size: [usize; 2],
    count: [usize; 2],
    first: usize,
    y: &'a mut [T],
    /// As long as `y`.
    places: &'a mut [u32],
}

impl<T: PartialOrd + Copy> Kernel for Squares<'_, T> {
    #[inline(always)]
    fn run(self) {
        let ([height, width], [down, across]) = (self.size, self.count);
        let rows = self
            .y
            .chunks_exact_mut(across)
            .zip(self.places.chunks_exact_mut(across));
        for (i, (y, places)) in rows.enumerate() {
            let (plane, row) = ((self.first + i) / down, (self.first + i) % down);
            let start = 2 * row * width;
            let lines = &self.x[plane * height * width + start..][..2 * width];
            let (above, below) = lines.split_at(width);
            let columns = above
                .chunks_exact(2)
                .zip(below.chunks_exact(2))
                .zip(start as u32..);
            for (((y, place), ((above, below), at)), i) in
                y.iter_mut().zip(places).zip(columns).zip(0..)
            {
                let (mut best, mut found) = (above[0], 0);
                for (v, step) in [
                    (above[1], 1),
                    (below[0], width as u32),
                    (below[1], width as u32 + 1),
                ] {
                    // A later NaN replaces an earlier one, as in PyTorch.
                    let take = v > best || is_nan(v);
                    best = if take { v } else { best };
                    found = if take { step } else { found };
                }
                (*y, *place) = (best, at + i + found);
            }
        }
    }
}

/// Some rows of the result. Windows are searched by columns first, over whole rows, which the compiler vectorises.
struct Rows<'a, T> {
    x: &'a [T],
    axes: &'a [Windows; 3],
    /// Counts through planes and rows.
    first: usize,
    y: &'a mut [T],
    /// One for each element of `y`, or none.
    places: &'a mut [u32],
    /// The largest of each column, and the first element of its row.
    best: &'a mut [T],
    best_row: &'a mut [u32],
    /// Windows along a row that are alike, and the place of each's largest element.
    alike: &'a Alike,
    found: &'a mut [u32],
}

/// Windows of equal lengths at equal distances: all but those that a padding cuts.
struct Alike {
    windows: Range<usize>,
    step: usize,
    len: usize,
}

impl Alike {
    /// Those around the middle.
    fn new(ranges: &[Range<usize>]) -> Self {
        let middle = ranges.len() / 2;
        let Some(next) = ranges.get(middle + 1) else {
            return Alike {
                windows: 0..0,
                step: 0,
                len: 0,
            };
        };
        let (at, step) = (&ranges[middle], next.start - ranges[middle].start);
        let alike = |i: usize| {
            ranges[i].len() == at.len() && ranges[i].start + middle * step == at.start + i * step
        };
        let first = (0..middle).rev().take_while(|&i| alike(i)).last();
        let count = (middle..ranges.len()).take_while(|&i| alike(i)).count();
        Alike {
            windows: first.unwrap_or(middle)..middle + count,
            step,
            len: at.len(),
        }
    }
}

/// The largest element of windows that begin `STEP` apart: a loop over windows, which the compiler vectorises. Columns are whole groups of
/// `STEP`.
#[inline(always)]
fn search<T: PartialOrd + Copy, const STEP: usize>(
    best: &[T],
    best_row: &[u32],
    first: usize,
    (len, dilation): (usize, usize),
    y: &mut [T],
    found: &mut [u32],
) {
    for k in 0..len.div_ceil(dilation) {
        let at = first + k * dilation;
        let columns = best[at..]
            .chunks_exact(STEP)
            .zip(best_row[at..].chunks_exact(STEP))
            .enumerate();
        let results = y.iter_mut().zip(found.iter_mut());
        for ((i, (v, row)), (y, found)) in columns.zip(results) {
            let new = (v[0], row[0] + (at + i * STEP) as u32);
            let take = k == 0 || wins(new, (*y, *found));
            *y = if take { new.0 } else { *y };
            *found = if take { new.1 } else { *found };
        }
    }
}

impl<T: Element + Num + PartialOrd> Kernel for Rows<'_, T> {
    #[inline(always)]
    fn run(self) {
        let [depths, heights, widths] = self.axes;
        let (height, width) = (heights.size, widths.size);
        let plane = depths.size * height * width;
        let row_len = widths.ranges.len();
        for (i, y) in self.y.chunks_exact_mut(row_len).enumerate() {
            let r = self.first + i;
            let oy = r % heights.ranges.len();
            let oz = r / heights.ranges.len() % depths.ranges.len();
            let x = &self.x[r / heights.ranges.len() / depths.ranges.len() * plane..][..plane];
            let mut begun = false;
            for iz in depths.ranges[oz].clone().step_by(depths.dilation) {
                for iy in heights.ranges[oy].clone().step_by(heights.dilation) {
                    let start = (iz * height + iy) * width;
                    let row = &x[start..start + width];
                    if begun {
                        let columns = self.best.iter_mut().zip(self.best_row.iter_mut());
                        for ((best, best_row), &v) in columns.zip(row) {
                            // A later NaN replaces an earlier one, as in PyTorch.
                            let take = v > *best || is_nan(v);
                            *best = if take { v } else { *best };
                            *best_row = if take { start as u32 } else { *best_row };
                        }
                    } else {
                        self.best[..width].copy_from_slice(row);
                        self.best_row.fill(start as u32);
                        begun = true;
                    }
                }
            }
            let alike = &self.alike.windows;
            let fast = begun && !alike.is_empty() && matches!(self.alike.step, 1 | 2);
            if fast {
                let (first, step) = (widths.ranges[alike.start].start, self.alike.step);
                let window = (self.alike.len, widths.dilation);
                let (y, found) = (&mut y[alike.clone()], &mut self.found[alike.clone()]);
                let (best, best_row) = (&*self.best, &*self.best_row);
                if step == 1 {
                    search::<T, 1>(best, best_row, first, window, y, found);
                } else {
                    search::<T, 2>(best, best_row, first, window, y, found);
                }
            }
            for (ox, (y, range)) in y.iter_mut().zip(&widths.ranges).enumerate() {
                if fast && alike.contains(&ox) {
                    continue;
                }
                let mut found = None;
                if begun {
                    for ix in range.clone().step_by(widths.dilation) {
                        let new = (self.best[ix], self.best_row[ix] + ix as u32);
                        if found.is_none_or(|old| wins(new, old)) {
                            found = Some(new);
                        }
                    }
                }
                let (v, place) = found.unwrap_or((T::lit(f64::NEG_INFINITY), NOWHERE));
                *y = v;
                self.found[ox] = place;
            }
            if let Some(to) = self.places.get_mut(i * row_len..(i + 1) * row_len) {
                to.copy_from_slice(self.found);
            }
        }
    }
}

/// Of equals the one that a walk by rows meets first wins, of NaNs the last: as in PyTorch, although columns come first
/// here.
#[inline(always)]
fn wins<T: PartialOrd + Copy>((new, at): (T, u32), (old, old_at): (T, u32)) -> bool {
    if is_nan(new) {
        !is_nan(old) || at > old_at
    } else {
        new > old || (new == old && at < old_at)
    }
}

#[inline(always)]
#[allow(clippy::eq_op)] // The definition of NaN.
fn is_nan<T: PartialEq + Copy>(x: T) -> bool {
    x != x
}

/// The largest element of each window of `x [planes, …]`; NaN if there is one, -∞ if the window is empty. `places`, empty or
/// as long as `y`, gets the index of that element in its plane.
pub(crate) fn max<T: Element + Num + PartialOrd>(
    x: &[T],
    axes: &[Windows; 3],
    y: &mut [T],
    places: &mut [u32],
) {
    let [depths, heights, widths] = axes;
    let row_len = widths.ranges.len();
    if y.is_empty() {
        return;
    }
    let keep = !places.is_empty();
    assert!(
        !keep || places.len() == y.len(),
        "one place for each result"
    );
    let read = (depths.longest() * heights.longest() * widths.size).max(row_len);
    let places = Shared(places.as_mut_ptr());
    let (alike, squares) = (Alike::new(&widths.ranges), are_squares(axes));
    for_rows(y, row_len, (GRAIN / read).max(1), |first, y| {
        let places: &mut [u32] = if keep {
            // SAFETY: `places` is as long as the whole of `y`, and blocks of different threads do not overlap.
            unsafe { std::slice::from_raw_parts_mut(places.get().add(first * row_len), y.len()) }
        } else {
            &mut []
        };
        if keep && squares {
            let [size, count] = [
                [heights.size, widths.size],
                [heights.ranges.len(), widths.ranges.len()],
            ];
            return dispatch(Squares {
                x,
                size,
                count,
                first,
                y,
                places,
            });
        }
        // One more, so that the last window of a step of two begins a whole pair.
        let mut best = vec![T::lit(0.0); widths.size + 1];
        let mut best_row = vec![0; widths.size + 1];
        let mut found = vec![NOWHERE; row_len];
        dispatch(Rows {
            x,
            axes,
            first,
            y,
            places,
            best: &mut best,
            best_row: &mut best_row,
            alike: &alike,
            found: &mut found,
        });
    });
}

/// The gradient of [`max`]: each element of `dy` is added where the largest element was. Writes all of `dx`.
pub(crate) fn max_backward<T: Element + Num>(
    dy: &[T],
    places: &[u32],
    [plane, y_plane]: [usize; 2],
    dx: &mut [T],
) {
    if dx.is_empty() {
        return;
    }
    for_rows(dx, plane, (GRAIN / plane).max(1), |first, dx| {
        for (i, dx) in dx.chunks_exact_mut(plane).enumerate() {
            dx.fill(T::lit(0.0));
            let range = (first + i) * y_plane..(first + i + 1) * y_plane;
            for (dy, &place) in dy[range.clone()].iter().zip(&places[range]) {
                if place != NOWHERE {
                    let dx = &mut dx[place as usize];
                    *dx = *dx + *dy;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::for_each_set;

    fn windows(
        size: usize,
        kernel: usize,
        step: usize,
        padding: usize,
        dilation: usize,
    ) -> Windows {
        let reach = dilation * (kernel - 1) + 1;
        let ranges = (0..(size + 2 * padding - reach) / step + 1).map(|i| {
            let start = (i * step) as isize - padding as isize;
            let end = (start + reach as isize).clamp(0, size as isize) as usize;
            let start = if start < 0 {
                start.rem_euclid(dilation as isize)
            } else {
                start
            };
            (start as usize).min(end)..end
        });
        Windows {
            size,
            dilation,
            ranges: ranges.collect(),
        }
    }

    /// Windows that are searched side by side find what a walk through each finds: of equals the first, of NaNs the last.
    #[test]
    fn every_window_finds_its_largest() {
        let single = || windows(1, 1, 1, 0, 1);
        for [size, kernel, step, padding, dilation] in [
            [24, 2, 2, 0, 1],
            [25, 2, 2, 0, 1],
            [3, 2, 2, 0, 1],
            [25, 3, 2, 1, 1],
            [40, 3, 1, 1, 1],
            [41, 3, 2, 1, 2],
            [23, 3, 3, 0, 1],
            [7, 5, 1, 2, 1],
            [2, 2, 2, 0, 1],
            [5, 2, 2, 1, 3],
        ] {
            let axis = || windows(size, kernel, step, padding, dilation);
            let axes = [single(), axis(), axis()];
            let x: Vec<f32> = (0..2 * size * size)
                .map(|i| match i * 7919 % 31 {
                    30 => f32::NAN,
                    29 => f32::NEG_INFINITY,
                    n => (n % 5) as f32,
                })
                .collect();
            let ranges = &axes[1].ranges;
            let (mut want, mut want_places) = (Vec::new(), Vec::new());
            for x in x.chunks_exact(size * size) {
                for rows in ranges {
                    for cols in ranges {
                        let (mut best, mut place) = (f32::NEG_INFINITY, NOWHERE);
                        for row in rows.clone().step_by(dilation) {
                            for col in cols.clone().step_by(dilation) {
                                let v = x[row * size + col];
                                if place == NOWHERE || v > best || v.is_nan() {
                                    (best, place) = (v, (row * size + col) as u32);
                                }
                            }
                        }
                        want.push(best.to_bits());
                        want_places.push(place);
                    }
                }
            }
            for_each_set(|set| {
                let mut y = vec![0.0f32; want.len()];
                let mut places = vec![0; want.len()];
                max(&x, &axes, &mut y, &mut places);
                let y: Vec<u32> = y.iter().map(|y| y.to_bits()).collect();
                let case = [size, kernel, step, padding, dilation];
                assert_eq!(
                    (y, places),
                    (want.clone(), want_places.clone()),
                    "{case:?}, {set:?}"
                );
            });
        }
    }
}
