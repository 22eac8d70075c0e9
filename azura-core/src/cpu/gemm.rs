//! Matrix products: `C = act(A·B + C + bias)` for `f32` and `f64`, any strides of A and B, row-major C.
//!
//! Every element of C is, for each block of k, one chain of fused multiply-adds in the order of k; the sums of the
//! blocks are added in order, then what C held, then the bias. The blocks depend on the length of k only, so neither
//! the number of threads nor the place of an element in a tile changes a bit, and AVX2 and AVX-512 agree.
//! `tile` holds the micro-kernel, `lanes` the vectors it is written in, `pack` the copies that it reads.

mod lanes;
pub(crate) mod pack;
mod tile;

use super::math::Num;
use super::simd::InstructionSet;
use super::threads::{Shared, parallel, part, threads};
pub(crate) use pack::PackedB;
use std::ops::Range;
use tile::{Kernels, Tile};

/// A floating point type that has matrix kernels: `f32` or `f64`.
pub(crate) trait Real:
    Num + Default + PartialOrd + Send + Sync + std::fmt::Debug + 'static
{
    /// The longest block of k: a panel of B two vectors wide and a tile of A must stay in the L2 cache beside the rest
    /// of A.
    const K_BLOCK: usize;
    /// The kernels for an instruction set that this processor has.
    fn kernels(set: InstructionSet) -> &'static Kernels<Self>;
}

impl Real for f32 {
    const K_BLOCK: usize = 512;
    fn kernels(set: InstructionSet) -> &'static Kernels<Self> {
        tile::f32_kernels(set)
    }
}

impl Real for f64 {
    const K_BLOCK: usize = 256;
    fn kernels(set: InstructionSet) -> &'static Kernels<Self> {
        tile::f64_kernels(set)
    }
}

/// A matrix with any strides: element `(i, j)` is `data[i·row_stride + j·col_stride]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A row-major matrix without gaps.
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// A matrix with strides; 0 repeats a row or a column.
    ///
    /// # Panics
    /// If an element would lie outside `data`.
    pub(crate) fn strided(
        data: &'a [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Self {
        let inside = rows == 0
            || cols == 0
            || (rows - 1) * row_stride + (cols - 1) * col_stride < data.len();
        assert!(
            inside,
            "a {rows} x {cols} matrix with strides {row_stride}, {col_stride} in {} elements",
            data.len()
        );
        Mat {
            data,
            rows,
            cols,
            row_stride,
            col_stride,
        }
    }

    /// What the matrix is a view of.
    pub(crate) fn data(self) -> &'a [T] {
        self.data
    }

    /// The transpose, without a copy.
    pub(crate) fn t(self) -> Self {
        Mat {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    fn row_range(self, rows: &Range<usize>) -> Self {
        let start = if rows.is_empty() {
            0
        } else {
            rows.start * self.row_stride
        };
        Mat {
            data: self.data.get(start..).unwrap_or(&[]),
            rows: rows.len(),
            ..self
        }
    }
}

/// What is done to a finished element of C.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Act<T> {
    /// Nothing.
    #[default]
    None,
    /// `max(0, x)`; NaN stays.
    Relu,
    /// Any elementwise function, called for pieces of rows. It must give an element the same bits wherever it stands.
    Map(fn(&mut [T])),
}

/// What is added to `A·B`, and what is done to the sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epilogue<'a, T> {
    /// Adds to what C holds instead of overwriting it.
    pub(crate) accumulate: bool,
    /// One number for each column of C.
    pub(crate) bias: Option<&'a [T]>,
    /// The activation, applied last.
    pub(crate) act: Act<T>,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Epilogue {
            accumulate: false,
            bias: None,
            act: Act::None,
        }
    }
}

/// `C = act(A·B [+ C] [+ bias])` on the threads of the budget.
///
/// C is row-major with rows `c_stride` apart. Unless it accumulates, C may hold anything before; elements between the
/// rows are not touched.
///
/// # Panics
/// If the inner sizes differ, or C or the bias is too small.
pub(crate) fn gemm<T: Real>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    c: &mut [T],
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    run(
        InstructionSet::current(),
        a,
        Right::Plain(b),
        c,
        c_stride,
        epilogue,
    );
}

/// [`gemm`] with a right-hand side that was packed before.
pub(crate) fn gemm_packed<T: Real>(
    a: Mat<'_, T>,
    b: PackedB<'_, T>,
    c: &mut [T],
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    run(b.set, a, Right::Packed(b), c, c_stride, epilogue);
}

/// `count` products of equal sizes: `C[i] = act(A(i)·B(i) [+ C[i]] [+ bias])`, with C laid out as `[count, M, N]`.
///
/// # Panics
/// As for [`gemm`], and if the products differ in their sizes.
pub(crate) fn gemm_batch<'a, T: Real>(
    count: usize,
    a: impl Fn(usize) -> Mat<'a, T> + Sync,
    b: impl Fn(usize) -> Mat<'a, T> + Sync,
    c: &mut [T],
    epilogue: Epilogue<'_, T>,
) {
    if count == 0 {
        return;
    }
    let (m, k, n) = (a(0).rows, a(0).cols, b(0).cols);
    let size = m * n;
    assert_eq!(c.len(), count * size, "C holds [count, M, N]");
    if size == 0 {
        return;
    }
    let parts = threads()
        .min(count)
        .min((count * work(m, n, k) / PART_WORK).max(1));
    let one = |i: usize, c: &mut [T]| {
        let (a, b) = (a(i), b(i));
        assert_eq!(
            (a.rows, a.cols, b.cols),
            (m, k, n),
            "products of one batch have equal sizes"
        );
        gemm(a, b, c, n, epilogue);
    };
    // Few large products are split one after the other, many small ones are dealt out.
    if parts < threads().min(work(m, n, k) / PART_WORK) || parts == 1 {
        return c
            .chunks_exact_mut(size)
            .enumerate()
            .for_each(|(i, c)| one(i, c));
    }
    super::threads::for_rows(c, size, count.div_ceil(parts).max(1), |first, block| {
        block
            .chunks_exact_mut(size)
            .enumerate()
            .for_each(|(i, c)| one(first + i, c));
    });
}

/// Multiply-adds that are worth a thread of their own: some 8 µs, where handing out a part takes 1 to 2 µs.
const PART_WORK: usize = 1 << 18;

/// Multiply-adds of a product; a tile is never narrower than a vector.
fn work(m: usize, n: usize, k: usize) -> usize {
    m * n.next_multiple_of(8) * k.max(1)
}

/// Rows of A in one block: with [`Real::K_BLOCK`] columns they fill half of a 1 MiB L2 cache.
const M_BLOCK: usize = 252;

/// Columns of B that are packed at once when A has several blocks; they stay in the L3 cache.
const N_BLOCK: usize = 2048;

/// Up to this many rows B is read where it is if its rows are contiguous: packing it costs about as much as 3 rows, and
/// more rows than these gain more than that from aligned, contiguous panels.
const DIRECT_ROWS: usize = 84;

/// From this many columns on A is packed: every panel of B reads it once.
const PACK_A_COLS: usize = 256;

/// The blocks of k, equal but for the last one; one empty block if there is no k, since C is to be written still.
fn k_blocks<T: Real>(k: usize) -> impl Iterator<Item = Range<usize>> {
    let count = k.div_ceil(T::K_BLOCK).max(1);
    let size = k.div_ceil(count).next_multiple_of(8);
    (0..k.div_ceil(size.max(1)).max(1)).map(move |i| i * size..((i + 1) * size).min(k))
}

#[derive(Clone, Copy)]
enum Right<'a, T> {
    Plain(Mat<'a, T>),
    Packed(PackedB<'a, T>),
}

impl<T> Right<'_, T> {
    fn size(&self) -> (usize, usize) {
        match self {
            Right::Plain(b) => (b.rows, b.cols),
            Right::Packed(b) => (b.rows, b.cols),
        }
    }
}

fn run<T: Real>(
    set: InstructionSet,
    a: Mat<'_, T>,
    b: Right<'_, T>,
    c: &mut [T],
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let (m, (k, n)) = (a.rows, b.size());
    assert_eq!(a.cols, k, "columns of A must equal rows of B");
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        (m == 1 || c_stride >= n) && (m - 1) * c_stride + n <= c.len(),
        "C is too small"
    );
    assert!(
        epilogue.bias.is_none_or(|bias| bias.len() == n),
        "one bias for each column"
    );
    let kernels = T::kernels(set);
    let mut out = Out {
        c: Shared(c.as_mut_ptr()),
        stride: c_stride,
        bias_step: 1,
        epilogue,
    };
    let (mut a, mut b) = (a, b);
    let (mut m, mut n) = (m, n);
    if let Right::Plain(column) = b
        && n == 1
        && c_stride == 1
        && m > 1
    {
        // One column: its transpose fills whole vectors.
        (a, b) = (column.t(), Right::Plain(a.t()));
        (m, n) = (n, m);
        out.stride = n;
        out.bias_step = 0;
    }
    let (rows, cols) = grid(kernels, m, n, k, &b);
    let unit = 2 * kernels.lanes;
    let panels = n.div_ceil(unit);
    parallel(rows * cols, |i| {
        let rows = part(m, rows, i / cols);
        let panels = part(panels, cols, i % cols);
        // SAFETY: sizes were checked above; parts are disjoint blocks of C; `set` was detected by whoever made it.
        unsafe {
            block(
                kernels,
                a,
                &b,
                rows,
                panels.start * unit..(panels.end * unit).min(n),
                &out,
            )
        };
    });
}

/// C and what is done to it.
struct Out<'a, T> {
    c: Shared<T>,
    stride: usize,
    bias_step: usize,
    epilogue: Epilogue<'a, T>,
}

/// Into how many blocks of rows and of columns C is cut for the threads: the cut that gives the largest part the least
/// to multiply and to copy.
fn grid<T: Real>(
    kernels: &Kernels<T>,
    m: usize,
    n: usize,
    k: usize,
    b: &Right<'_, T>,
) -> (usize, usize) {
    let parts = threads().min(work(m, n, k) / PART_WORK).max(1);
    let unit = 2 * kernels.lanes;
    let copy = match b {
        Right::Packed(_) => 0,
        Right::Plain(b) if b.col_stride == 1 => 2,
        Right::Plain(_) => 4,
    };
    let cost = |rows: usize, cols: usize| {
        let (m, n) = (
            m.div_ceil(rows),
            (n.div_ceil(unit).div_ceil(cols) * unit).min(n),
        );
        m * n.next_multiple_of(kernels.lanes) + copy * n + 2 * m
    };
    (1..=parts)
        .map(|rows| (rows.min(m), (parts / rows).min(n.div_ceil(unit))))
        .min_by_key(|&(rows, cols)| cost(rows, cols))
        .unwrap_or((1, 1))
}

/// The part of C in `rows` and `cols`, on this thread.
///
/// # Safety
/// The ranges lie inside A, B and C (with its stride), nobody else touches that part of C, `cols` starts at a multiple
/// of two vectors, and the processor has the instruction set of `kernels`.
unsafe fn block<T: Real>(
    kernels: &Kernels<T>,
    a: Mat<'_, T>,
    b: &Right<'_, T>,
    rows: Range<usize>,
    cols: Range<usize>,
    out: &Out<'_, T>,
) {
    let (m, n, k) = (rows.len(), cols.len(), a.cols);
    let a = a.row_range(&rows);
    let unit = 2 * kernels.lanes;
    let longest = k_blocks::<T>(k).map(|k| k.len()).max().unwrap_or(0);
    let n_step = if m > M_BLOCK { N_BLOCK } else { unit };
    let pack_b = matches!(b, Right::Plain(b) if b.col_stride != 1 || m > DIRECT_ROWS);
    let pack_a = n >= PACK_A_COLS && m > 1;
    let heights = |m: usize| m.div_ceil(kernels.tiles.len());
    let a_room = if pack_a {
        m.min(M_BLOCK).next_multiple_of(16).max(16) * 2 * longest
    } else {
        0
    };
    pack::with_scratch(
        longest * n_step.min(n.next_multiple_of(unit)),
        |b_pack: *mut T| {
            pack::with_scratch(a_room, |a_pack: *mut T| {
                for k_range in k_blocks::<T>(k) {
                    let mut packed_rows = usize::MAX;
                    for j0 in (0..n).step_by(n_step) {
                        let strip = j0..(j0 + n_step).min(n);
                        for i0 in (0..m).step_by(M_BLOCK) {
                            let block_rows = i0..(i0 + M_BLOCK).min(m);
                            let tiles = heights(block_rows.len());
                            if pack_a && packed_rows != i0 {
                                packed_rows = i0;
                                // SAFETY: the ranges lie inside A; a tile takes at most 16 rows for each 13, or 8 for each 5,
                                // or its own number below that, and `a_room` has twice as many.
                                unsafe {
                                    pack::tiles(
                                        kernels,
                                        a,
                                        block_rows.clone(),
                                        tiles,
                                        k_range.clone(),
                                        a_pack,
                                    );
                                }
                            }
                            for j in strip.clone().step_by(unit) {
                                let width = (strip.end - j).min(unit);
                                let vectors = width.div_ceil(kernels.lanes);
                                let columns = cols.start + j..cols.start + j + width;
                                let last = width - (vectors - 1) * kernels.lanes;
                                let (b_at, b_row) = match b {
                                    Right::Packed(b) => (
                                        b.panel(&k_range, columns.start).as_ptr(),
                                        vectors * kernels.lanes,
                                    ),
                                    Right::Plain(b) if !pack_b && last == kernels.lanes => {
                                        // SAFETY: the first element of the panel, inside B unless the block is empty.
                                        (
                                            b.data.as_ptr().wrapping_add(
                                                k_range.start * b.row_stride + columns.start,
                                            ),
                                            b.row_stride,
                                        )
                                    }
                                    Right::Plain(b) => {
                                        let to = b_pack.wrapping_add((j - j0) * k_range.len());
                                        let width = vectors * kernels.lanes;
                                        if i0 == 0 || !pack_b {
                                            // SAFETY: the ranges lie inside B and the panel inside the scratch memory.
                                            unsafe {
                                                pack::panel(
                                                    kernels,
                                                    *b,
                                                    k_range.clone(),
                                                    columns.clone(),
                                                    width,
                                                    to,
                                                )
                                            };
                                        }
                                        (to.cast_const(), width)
                                    }
                                };
                                let mut a_at = a_pack.cast_const();
                                for t in 0..tiles {
                                    let tile_rows = part(block_rows.len(), tiles, t);
                                    let height = tile_rows.len();
                                    let row = i0 + tile_rows.start;
                                    let (from, a_row, a_col) = if pack_a {
                                        let stride = pack::tile_stride(kernels, height);
                                        let from = a_at;
                                        a_at = a_at.wrapping_add(stride * k_range.len());
                                        (from, 1, stride)
                                    } else {
                                        let at = row * a.row_stride + k_range.start * a.col_stride;
                                        (
                                            a.data.as_ptr().wrapping_add(at),
                                            a.row_stride,
                                            a.col_stride,
                                        )
                                    };
                                    let finish = k_range.end == k;
                                    let c = out.c.get().wrapping_add(
                                        (rows.start + row) * out.stride + columns.start,
                                    );
                                    let tile = Tile {
                                        k: k_range.len(),
                                        a: from,
                                        a_row,
                                        a_col,
                                        b: b_at,
                                        b_row,
                                        c,
                                        c_row: out.stride,
                                        last,
                                        add: k_range.start > 0 || out.epilogue.accumulate,
                                        bias: match out.epilogue.bias {
                                            Some(bias) if finish => bias
                                                .as_ptr()
                                                .wrapping_add(columns.start * out.bias_step),
                                            _ => std::ptr::null(),
                                        },
                                        bias_step: out.bias_step,
                                        relu: finish && matches!(out.epilogue.act, Act::Relu),
                                    };
                                    // SAFETY: the caller's contract; `height` and `vectors` index a kernel of that size.
                                    unsafe { kernels.tiles[height - 1][vectors - 1](&tile) };
                                    if finish && let Act::Map(map) = out.epilogue.act {
                                        for i in 0..height {
                                            // SAFETY: this piece of a row was just written and is ours.
                                            map(unsafe {
                                                std::slice::from_raw_parts_mut(
                                                    c.add(i * out.stride),
                                                    width,
                                                )
                                            });
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            });
        },
    );
}

#[cfg(test)]
mod tests;
