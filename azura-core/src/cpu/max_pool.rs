//! The largest element of each window, and where it was.

use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::{Shared, for_rows};
use crate::Element;
use std::ops::Range;

/// Fewer inputs than this on a thread cost more in hand-over than they save.
const GRAIN: usize = 16 * 1024;

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
                        self.best.copy_from_slice(row);
                        self.best_row.fill(start as u32);
                        begun = true;
                    }
                }
            }
            for (ox, (y, range)) in y.iter_mut().zip(&widths.ranges).enumerate() {
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
                if let Some(to) = self.places.get_mut(i * row_len + ox) {
                    *to = place;
                }
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
    for_rows(y, row_len, (GRAIN / read).max(1), |first, y| {
        let places: &mut [u32] = if keep {
            // SAFETY: `places` is as long as the whole of `y`, and blocks of different threads do not overlap.
            unsafe { std::slice::from_raw_parts_mut(places.get().add(first * row_len), y.len()) }
        } else {
            &mut []
        };
        let mut best = vec![T::lit(0.0); widths.size];
        let mut best_row = vec![0; widths.size];
        dispatch(Rows {
            x,
            axes,
            first,
            y,
            places,
            best: &mut best,
            best_row: &mut best_row,
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
        dx.fill(T::lit(0.0));
        for (i, dx) in dx.chunks_exact_mut(plane).enumerate() {
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
