//! Products of some rows with a packed right-hand side, without threads: a few microseconds each, many after another.

use super::tile::Tile;
use super::{Mat, PackedB, Real, k_blocks};

/// Panels of B that stay in the L2 cache while all left-hand sides pass: 192 KiB with 256 rows of AVX-512.
const PANELS: usize = 4;

/// `C(i) = A(i)·B [+ C(i)] [+ bias]` for `i` below `count`, on this thread; `band` gives A and the first element of C. B is
/// read from memory once for all of them, and the sums are those of [`gemm_packed`](super::gemm_packed).
///
/// # Safety
/// As for [`gemm_packed_at`](super::gemm_packed_at), for each of them; no two share an element of C.
///
/// # Panics
/// As for [`gemm_packed_at`](super::gemm_packed_at).
pub(crate) unsafe fn gemm_bands<'a, T: Real>(
    count: usize,
    band: impl Fn(usize) -> (Mat<'a, T>, *mut T),
    b: PackedB<'_, T>,
    c_stride: usize,
    bias: Option<&[T]>,
    accumulate: bool,
) {
    let kernels = T::kernels(b.set);
    let (lanes, unit, most) = (kernels.lanes, kernels.width(b.cols), kernels.tiles.len());
    assert!(
        bias.is_none_or(|bias| bias.len() == b.cols),
        "one bias for each column"
    );
    for first in (0..b.cols).step_by(PANELS * unit) {
        let end = (first + PANELS * unit).min(b.cols);
        for i in 0..count {
            let (a, c) = band(i);
            assert_eq!(a.cols, b.rows, "columns of A must equal rows of B");
            assert!(
                a.rows <= 1 || c_stride >= b.cols,
                "rows of C must not overlap"
            );
            let tiles = a.rows.div_ceil(most).max(1);
            let (size, longer) = (a.rows / tiles, a.rows % tiles);
            if a.rows == 0 {
                continue;
            }
            for k in k_blocks::<T>(b.rows) {
                for j in (first..end).step_by(unit) {
                    let cols = (end - j).min(unit);
                    let vectors = cols.div_ceil(lanes);
                    let bias = match bias {
                        Some(bias) if k.end == b.rows => bias[j..].as_ptr(),
                        _ => std::ptr::null(),
                    };
                    let mut row = 0;
                    for t in 0..tiles {
                        let rows = size + usize::from(t < longer);
                        let at = row * a.row_stride + k.start * a.col_stride;
                        let tile = Tile {
                            k: k.len(),
                            blocks: &[0],
                            a: a.data.as_ptr().wrapping_add(at),
                            a_row: a.row_stride,
                            a_col: a.col_stride,
                            a_skip: 0,
                            b: b.panel(&k, j).as_ptr(),
                            b_row: vectors * lanes,
                            c: c.wrapping_add(row * c_stride + j),
                            c_row: c_stride,
                            last: (cols - 1) % lanes + 1,
                            add: k.start > 0 || accumulate,
                            bias,
                            bias_step: 1,
                            bias_row: 0,
                            relu: false,
                        };
                        // SAFETY: the kernel is of the tile's size, which lies inside A, B and C by their sizes and the
                        // caller's contract; whoever packed B detected its instruction set.
                        unsafe { kernels.tiles[rows - 1][vectors - 1](&tile) };
                        row += rows;
                    }
                }
            }
        }
    }
}
