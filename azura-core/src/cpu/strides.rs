//! The way through a layout in row-major order.

use crate::shape::{Dims, Layout};
use std::ops::Range;

/// The layout with neighbouring axes merged where they lie without a gap, so that inner runs are long.
pub(super) fn merge(layout: &Layout) -> Layout {
    let mut merged = Layout {
        shape: Dims::empty(),
        strides: Dims::empty(),
        offset: layout.offset,
    };
    for (&size, &stride) in layout.shape.iter().zip(layout.strides.iter()) {
        if size == 1 {
            continue;
        }
        match merged.shape.len().checked_sub(1) {
            Some(last) if merged.strides[last] == stride * size as isize => {
                merged.shape[last] *= size;
                merged.strides[last] = stride;
            }
            _ => {
                merged.shape.push(size);
                merged.strides.push(stride);
            }
        }
    }
    if merged.shape.is_empty() {
        merged.shape.push(1);
        merged.strides.push(0);
    }
    merged
}

/// Elements `start..start + count` of a merged layout as runs along its last axis: the place of the first, the step to
/// the next, and which of these elements they are, counted from `start`.
pub(super) fn runs(
    layout: &Layout,
    start: usize,
    count: usize,
    mut f: impl FnMut(isize, isize, Range<usize>),
) {
    let last = layout.shape.len() - 1;
    let (inner, step) = (layout.shape[last], layout.strides[last]);
    let mut index: Dims<usize> = layout.shape.iter().map(|_| 0).collect();
    let mut rest = start;
    for axis in (0..=last).rev() {
        index[axis] = rest % layout.shape[axis];
        rest /= layout.shape[axis];
    }
    let mut row = layout.offset as isize;
    for axis in 0..last {
        row += index[axis] as isize * layout.strides[axis];
    }
    let (mut column, mut done) = (index[last], 0);
    while done < count {
        let run = (inner - column).min(count - done);
        f(row + column as isize * step, step, done..done + run);
        done += run;
        column = 0;
        // Carry to the next row.
        for axis in (0..last).rev() {
            index[axis] += 1;
            row += layout.strides[axis];
            if index[axis] < layout.shape[axis] {
                break;
            }
            row -= layout.strides[axis] * layout.shape[axis] as isize;
            index[axis] = 0;
        }
    }
}
