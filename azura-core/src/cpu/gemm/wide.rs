//! A single row times a matrix that was packed for it.

use super::pack::{panel, with_scratch};
use super::tile::Tile;
use super::{Mat, Real, k_blocks};
use crate::cpu::simd::InstructionSet;

/// Vectors of a panel, and of the widest tile of a single row: fewer sums would wait for each other.
const VECTORS: usize = 8;

/// A right-hand side for single rows, packed in panels of eight vectors: those of two of a
/// [`PackedB`](super::PackedB) make two or three sums of a row, each of which waits for the one before.
#[derive(Clone, Copy)]
pub(crate) struct WideB<'a, T> {
    set: InstructionSet,
    rows: usize,
    cols: usize,
    data: &'a [T],
    backwards: bool,
}

impl<T: Real> WideB<'_, T> {
    /// Packs `b` into memory that this thread reuses, and calls `f` with the result.
    pub(crate) fn with<R>(b: Mat<'_, T>, f: impl FnOnce(WideB<'_, T>) -> R) -> R {
        Self::with_set(b, InstructionSet::current(), f)
    }

    pub(super) fn with_set<R>(
        b: Mat<'_, T>,
        set: InstructionSet,
        f: impl FnOnce(WideB<'_, T>) -> R,
    ) -> R {
        let kernels = T::kernels(set);
        let (rows, cols) = b.size();
        let padded = cols.next_multiple_of(kernels.lanes);
        with_scratch(padded * rows, |data: *mut T| {
            for k in k_blocks::<T>(rows) {
                for j in (0..cols).step_by(VECTORS * kernels.lanes) {
                    let now = j..(j + VECTORS * kernels.lanes).min(cols);
                    let width = now.len().next_multiple_of(kernels.lanes);
                    let to = data.wrapping_add(k.start * padded + j * k.len());
                    // SAFETY: the panel is `k.len() · width` elements of `data`, and `panel` writes all of them.
                    unsafe { panel(kernels, b, k.clone(), now, width, to) };
                }
            }
            // SAFETY: the panels cover `padded · rows` elements, each written above.
            let data = unsafe { std::slice::from_raw_parts(data, padded * rows) };
            f(WideB {
                set,
                rows,
                cols,
                data,
                backwards: false,
            })
        })
    }

    /// Whether it is read from the last panel to the first: when the same matrix is read again and again, from either end
    /// in turn, what was read last is still in the cache.
    pub(crate) fn backwards(self, backwards: bool) -> Self {
        WideB { backwards, ..self }
    }
}

/// `c = a·B [+ c]` for a row `a`; the sums are those of [`gemm`](super::gemm()).
///
/// # Panics
/// If `a` or `c` does not have the size of a row.
pub(crate) fn gemm_wide<T: Real>(a: Mat<'_, T>, b: WideB<'_, T>, c: &mut [T], accumulate: bool) {
    assert!(
        a.size() == (1, b.rows) && c.len() == b.cols,
        "rows fit the matrix"
    );
    let kernels = T::kernels(b.set);
    let (lanes, padded) = (kernels.lanes, b.cols.next_multiple_of(kernels.lanes));
    let panels = b.cols.div_ceil(VECTORS * lanes);
    for i in 0..panels {
        let i = if b.backwards { panels - 1 - i } else { i };
        let first = i * VECTORS * lanes;
        let width = (padded - first).min(VECTORS * lanes);
        for k in k_blocks::<T>(b.rows) {
            let data = &b.data[k.start * padded + first * k.len()..][..width * k.len()];
            let mut at = 0;
            while at < width {
                let (run, vectors) = match (width - at) / lanes {
                    VECTORS => (kernels.row, VECTORS),
                    left => {
                        let vectors = left.min(kernels.vectors());
                        (kernels.tiles[0][vectors - 1], vectors)
                    }
                };
                let c = &mut c[first + at..];
                let cols = c.len().min(vectors * lanes);
                let tile = Tile {
                    k: k.len(),
                    blocks: &[0],
                    a: a.data.as_ptr().wrapping_add(k.start * a.col_stride),
                    a_row: 0,
                    a_col: a.col_stride,
                    a_skip: 0,
                    b: data.as_ptr().wrapping_add(at),
                    b_row: width,
                    c: c.as_mut_ptr(),
                    c_row: 0,
                    last: (cols - 1) % lanes + 1,
                    add: k.start > 0 || accumulate,
                    bias: std::ptr::null(),
                    bias_step: 0,
                    bias_row: 0,
                    relu: false,
                };
                // SAFETY: the panel holds these vectors for every k, C these columns, and whoever packed B detected its
                // instruction set.
                unsafe { run(&tile) };
                at += vectors * lanes;
            }
        }
    }
}
