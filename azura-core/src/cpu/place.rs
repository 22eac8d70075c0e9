//! Writing to the places of a layout: the other direction of `map::copy`.

use super::strides::{merge, runs};
use super::threads::{Shared, parallel, part, split};
use crate::shape::Layout;

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// `out[place i of the layout] = values[i]`, in row-major order of the layout, whose elements are all different.
///
/// # Panics
/// If the layout has not as many elements as `values`, or a place lies outside `out`.
pub(crate) fn write<T: Copy + Send + Sync>(values: &[T], layout: &Layout, out: &mut [T]) {
    each(values, layout, out, |out, value| *out = value);
}

/// `out[place i of the layout] += values[i]`.
///
/// # Panics
/// As for [`write`].
pub(crate) fn add<T>(values: &[T], layout: &Layout, out: &mut [T])
where
    T: Copy + Send + Sync + std::ops::AddAssign,
{
    each(values, layout, out, |out, value| *out += value);
}

fn each<T: Copy + Send + Sync>(
    values: &[T],
    layout: &Layout,
    out: &mut [T],
    f: impl Fn(&mut T, T) + Sync,
) {
    assert_eq!(values.len(), layout.numel(), "one value for each place");
    if values.is_empty() {
        return;
    }
    assert!(inside(layout, out.len()), "places outside the result");
    let merged = merge(layout);
    let parts = split(values.len(), GRAIN);
    let out = Shared(out.as_mut_ptr());
    parallel(parts, |i| {
        let range = part(values.len(), parts, i);
        let values = &values[range.clone()];
        runs(&merged, range.start, values.len(), |first, step, run| {
            for (j, &value) in values[run].iter().enumerate() {
                // SAFETY: `inside` checked all places, and those of one layout are different, so no two parts share
                // one.
                f(
                    unsafe { &mut *out.get().offset(first + j as isize * step) },
                    value,
                );
            }
        });
    });
}

/// Whether every place of a layout that is not empty lies in `0..len`.
fn inside(layout: &Layout, len: usize) -> bool {
    let (mut least, mut most) = (layout.offset as isize, layout.offset as isize);
    for (&size, &stride) in layout.shape.iter().zip(layout.strides.iter()) {
        let reach = (size as isize - 1) * stride;
        least += reach.min(0);
        most += reach.max(0);
    }
    least >= 0 && most < len as isize
}
