//! Reading, writing and adding at places that a list of indices names.
//!
//! Additions to one place are made in the order of the list. Threads share no place: they take other rows or columns.

use super::threads::{Shared, for_rows, parallel, part, split};
use std::ops::Range;

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// A number that can be summed at indices; integers wrap, as in PyTorch.
pub(crate) trait Number: Copy + Send + Sync {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! number {
    ($($ty:ty: $plus:expr, $times:expr;)*) => {$(
        impl Number for $ty {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $plus(self, other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $times(self, other)
            }
        }
    )*};
}
number! {
    f32: |a, b| a + b, |a, b| a * b;
    f64: |a, b| a + b, |a, b| a * b;
    i64: i64::wrapping_add, i64::wrapping_mul;
    u32: u32::wrapping_add, u32::wrapping_mul;
}

/// `out[o, j, :] = x[o, ids[j], :]` for `x` `[outer, size, inner]`.
///
/// # Panics
/// If an id is not below `size`, or the slices have not the sizes that these say.
pub(crate) fn select<T: Copy + Send + Sync>(
    x: &[T],
    [outer, size, inner]: [usize; 3],
    ids: &[usize],
    out: &mut [T],
) {
    assert_eq!(x.len(), outer * size * inner, "x is [outer, size, inner]");
    assert_eq!(
        out.len(),
        outer * ids.len() * inner,
        "the result is [outer, ids, inner]"
    );
    if out.is_empty() {
        return;
    }
    for_rows(out, inner, GRAIN.div_ceil(inner), |first, rows| {
        let mut rows = rows.chunks_exact_mut(inner);
        let (mut o, mut start) = (first / ids.len(), first % ids.len());
        while rows.len() > 0 {
            let x = &x[o * size * inner..][..size * inner];
            if inner == 1 {
                for (&id, row) in ids[start..].iter().zip(&mut rows) {
                    row[0] = x[id];
                }
            } else {
                for (&id, row) in ids[start..].iter().zip(&mut rows) {
                    row.copy_from_slice(&x[id * inner..][..inner]);
                }
            }
            (o, start) = (o + 1, 0);
        }
    });
}

/// `out[o, ids[j], :] += scale · x[o, j, :]` for `out` `[outer, size, inner]`, in the order of `j`.
///
/// # Panics
/// If an id is not below `size`, or the slices have not the sizes that these say.
pub(crate) fn add<T: Number>(
    x: &[T],
    [outer, size, inner]: [usize; 3],
    ids: &[usize],
    scale: T,
    out: &mut [T],
) {
    assert_eq!(
        x.len(),
        outer * ids.len() * inner,
        "x is [outer, ids, inner]"
    );
    assert_eq!(
        out.len(),
        outer * size * inner,
        "the result is [outer, size, inner]"
    );
    assert!(ids.iter().all(|&id| id < size), "ids lie in the axis");
    if x.is_empty() {
        return;
    }
    let parts = split(x.len(), GRAIN);
    let rows = parts.min(outer);
    let cols = (parts / rows).clamp(1, inner);
    let out = Shared(out.as_mut_ptr());
    parallel(rows * cols, |i| {
        let columns = part(inner, cols, i % cols);
        for o in part(outer, rows, i / cols) {
            for (j, &id) in ids.iter().enumerate() {
                let x = &x[(o * ids.len() + j) * inner..][columns.clone()];
                let at = (o * size + id) * inner + columns.start;
                // SAFETY: the place lies in `out`, whose size was checked; another part has other rows or columns.
                let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(at), x.len()) };
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = out.plus(scale.times(x));
                }
            }
        }
    });
}

/// An index for each of many elements along one axis of another tensor: `target[.., ids[i, j, k], ..]` for each
/// `(i, j, k)` of `shape`.
pub(crate) struct Along<'a> {
    /// Row-major, each below `target[axis]`.
    pub ids: &'a [usize],
    pub shape: &'a [usize],
    pub axis: usize,
    /// The sizes of the tensor that is indexed; those of other axes are at least those of `shape`.
    pub target: &'a [usize],
}

impl Along<'_> {
    /// Calls `f(k, place in the target, place in a tensor of the sizes other)` for each id number `k`, on several
    /// threads, of which no two get the same place; ids of the same place come in their order.
    fn each(&self, other: &[usize], f: impl Fn(usize, usize, usize) + Sync) {
        let Along {
            ids,
            shape,
            axis,
            target,
        } = *self;
        let fits = ids.len() == shape.iter().product::<usize>()
            && axis < shape.len()
            && target.len() == shape.len()
            && other.len() == shape.len()
            && (0..shape.len())
                .all(|a| (a == axis || shape[a] <= target[a]) && shape[a] <= other[a])
            && ids.iter().all(|&id| id < target[axis]);
        assert!(fits, "indices lie in the tensors");
        if ids.is_empty() {
            return;
        }
        // Different entries of any other axis are different places.
        let across = (0..shape.len())
            .filter(|&a| a != axis)
            .max_by_key(|&a| shape[a]);
        let parts = across.map_or(1, |a| split(ids.len(), GRAIN).min(shape[a]));
        parallel(parts, |i| {
            let mut ranges: Vec<Range<usize>> = shape.iter().map(|&size| 0..size).collect();
            if let Some(a) = across {
                ranges[a] = part(shape[a], parts, i);
            }
            self.walk(other, &ranges, &f);
        });
    }

    /// The elements of these ranges in row-major order.
    fn walk(&self, other: &[usize], ranges: &[Range<usize>], f: impl Fn(usize, usize, usize)) {
        let rank = ranges.len();
        let mut to_target = steps(self.target);
        let along = std::mem::replace(&mut to_target[self.axis], 0);
        let steps = [steps(self.shape), to_target, steps(other)];
        let mut at = steps.each_ref().map(|steps| {
            ranges
                .iter()
                .zip(steps)
                .map(|(r, step)| r.start * step)
                .sum::<usize>()
        });
        let mut index: Vec<usize> = ranges.iter().map(|range| range.start).collect();
        'rows: loop {
            let [mut k, mut target, mut other] = at;
            for _ in ranges[rank - 1].clone() {
                f(k, target + self.ids[k] * along, other);
                k += steps[0][rank - 1];
                target += steps[1][rank - 1];
                other += steps[2][rank - 1];
            }
            for axis in (0..rank - 1).rev() {
                index[axis] += 1;
                let back = if index[axis] < ranges[axis].end {
                    0
                } else {
                    index[axis] = ranges[axis].start;
                    ranges[axis].len()
                };
                for (at, steps) in at.iter_mut().zip(&steps) {
                    *at = *at + steps[axis] - back * steps[axis];
                }
                if back == 0 {
                    continue 'rows;
                }
            }
            return;
        }
    }

    /// `out[k] = x[place of k]`.
    pub(crate) fn gather<T: Copy + Send + Sync>(&self, x: &[T], out: &mut [T]) {
        assert_eq!(out.len(), self.ids.len(), "one element for each index");
        let out = Shared(out.as_mut_ptr());
        self.each(self.shape, |k, place, _| {
            // SAFETY: `k` is the number of an id, and each has one element.
            unsafe { out.get().add(k).write(x[place]) };
        });
    }

    /// `out[place of k] = value(k, place in a tensor of the sizes other)`; of several at one place the last stays.
    pub(crate) fn scatter<T: Copy + Send + Sync>(
        &self,
        other: &[usize],
        value: impl Fn(usize, usize) -> T + Sync,
        out: &mut [T],
    ) {
        self.update(other, out, |_, k, source| value(k, source));
    }

    /// `out[place of k] += x[place of k in a tensor of the sizes other]`, in the order of `k`.
    pub(crate) fn scatter_add<T: Number>(&self, x: &[T], other: &[usize], out: &mut [T]) {
        self.update(other, out, |old, _, source| old.plus(x[source]));
    }

    /// `out[place of k in a tensor of the sizes other] = value(k, place in the target)`.
    pub(crate) fn scatter_back<T: Copy + Send + Sync>(
        &self,
        other: &[usize],
        value: impl Fn(usize, usize) -> T + Sync,
        out: &mut [T],
    ) {
        assert_eq!(out.len(), other.iter().product::<usize>());
        let out = Shared(out.as_mut_ptr());
        self.each(other, |k, place, source| {
            // SAFETY: `source` lies in a tensor of the sizes `other`, another one for each `k`.
            unsafe { out.get().add(source).write(value(k, place)) };
        });
    }

    fn update<T: Copy + Send + Sync>(
        &self,
        other: &[usize],
        out: &mut [T],
        new: impl Fn(T, usize, usize) -> T + Sync,
    ) {
        assert_eq!(out.len(), self.target.iter().product::<usize>());
        let out = Shared(out.as_mut_ptr());
        self.each(other, |k, place, source| {
            // SAFETY: the place lies in the target, and no other thread has it.
            unsafe {
                let out = out.get().add(place);
                out.write(new(out.read(), k, source));
            }
        });
    }
}

/// The steps of a row-major tensor.
fn steps(sizes: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        steps[axis - 1] = steps[axis] * sizes[axis];
    }
    steps
}
