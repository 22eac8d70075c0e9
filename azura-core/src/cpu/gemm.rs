//! Matrix products: `C = act(A·B + C + bias)` for `f32` and `f64`, any strides of A and B, row-major C.
//!
//! Every element of C is, for each block of k, one chain of fused multiply-adds in the order of k; the sums of the
//! blocks are added in order, then what C held, then the bias. The blocks depend on the length of k only, so neither
//! the number of threads nor the place of an element in a tile changes a bit, and AVX2 and AVX-512 agree.
//! `walk` goes through the blocks, `taps` does so for a B that is read in place under each tap of a kernel, `tile` holds the micro-kernel, `row` that of a
//! single row by a transposed B, `lanes` the vectors it is written in, `pack` the copies that it reads. `bands`, `wide` and `outer` are the ways through products
//! that a recurrent net makes: some rows with a packed B, a single row with one, and sums over rows for several B.

mod bands;
pub(super) mod lanes;
mod outer;
pub(crate) mod pack;
mod row;
mod taps;
mod tile;
mod walk;
mod wide;

use super::math::Num;
use super::simd::InstructionSet;
use super::threads::{Shared, parallel, part, threads};
pub(crate) use bands::gemm_bands;
pub(crate) use outer::{Side, outer};
pub(crate) use pack::PackedB;
use std::ops::Range;
pub(crate) use taps::{Lines, MOST_LINES, TapWeights, add_tap_gradient};
use tile::Kernels;
use walk::{Out, Part};
pub(crate) use wide::{WideB, gemm_wide};

/// A floating point type that has matrix kernels: `f32` or `f64`.
pub(crate) trait Real:
    Num + Default + PartialOrd + Send + Sync + std::fmt::Debug + 'static
{
    /// The longest block of k: a panel of B and a tile of A must stay in the L2 cache beside the rest
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
        let inside =
            rows == 0 || cols == 0 || extent([rows, cols], [row_stride, col_stride]) <= data.len();
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

    /// Rows and columns.
    pub(crate) fn size(self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Element `(i, j)`.
    #[inline(always)]
    pub(crate) fn get(&self, i: usize, j: usize) -> T
    where
        T: Copy,
    {
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// Some of the rows.
    pub(crate) fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.end <= self.rows, "the rows must exist");
        self.row_range(&rows)
    }

    /// Some of the columns.
    pub(crate) fn cols(self, cols: Range<usize>) -> Self {
        assert!(cols.end <= self.cols, "the columns must exist");
        self.t().row_range(&cols).t()
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
pub(crate) enum Act {
    /// Nothing.
    #[default]
    None,
    /// `max(0, x)`; NaN stays.
    Relu,
}

/// What is added to `A·B`, and what is done to the sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epilogue<'a, T> {
    /// Adds to what C holds instead of overwriting it.
    pub(crate) accumulate: bool,
    /// One number for each column of C, or for each row.
    pub(crate) bias: Option<&'a [T]>,
    /// The bias has one number for each row of C.
    pub(crate) bias_of_rows: bool,
    /// The activation, applied last.
    pub(crate) act: Act,
    /// What else is done to finished elements of a row, some at a time, while they are in the cache.
    pub(crate) map: Option<fn(&mut [T])>,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Epilogue {
            accumulate: false,
            bias: None,
            bias_of_rows: false,
            act: Act::None,
            map: None,
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
    let b = Right::Plain(b);
    assert!(fits(&a, &b, c.len(), c_stride), "C is too small");
    let c = c.as_mut_ptr();
    // SAFETY: C holds all rows, and nobody else has it.
    unsafe { run(InstructionSet::current(), a, b, c, c_stride, epilogue) };
}

/// [`gemm`] with a right-hand side that was packed before.
pub(crate) fn gemm_packed<T: Real>(
    a: Mat<'_, T>,
    b: PackedB<'_, T>,
    c: &mut [T],
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let set = b.set;
    let b = Right::Packed(b);
    assert!(fits(&a, &b, c.len(), c_stride), "C is too small");
    // SAFETY: C holds all rows, and nobody else has it.
    unsafe { run(set, a, b, c.as_mut_ptr(), c_stride, epilogue) };
}

/// [`gemm_packed`] where C is given by its first element: for threads whose rows of C lie between each other's, so that
/// no slice can stand for the rows of one of them.
///
/// # Safety
/// For each row `i` of A the elements `c[i·c_stride..][..N]` are inside one allocation, written before if the epilogue
/// accumulates, and nobody else reads or writes them during the call. What lies between the rows is not accessed.
///
/// # Panics
/// If the inner sizes differ, rows of C overlap, or the bias has not one element for each column (or row).
pub(crate) unsafe fn gemm_packed_at<T: Real>(
    a: Mat<'_, T>,
    b: PackedB<'_, T>,
    c: *mut T,
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let set = b.set;
    // SAFETY: the caller's contract.
    unsafe { run(set, a, Right::Packed(b), c, c_stride, epilogue) };
}

/// [`gemm`] where C is given by its first element.
///
/// # Safety
/// As for [`gemm_packed_at`].
///
/// # Panics
/// As for [`gemm_packed_at`].
pub(crate) unsafe fn gemm_at<T: Real>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    c: *mut T,
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let (set, b) = (InstructionSet::current(), Right::Plain(b));
    // SAFETY: the caller's contract.
    unsafe { run(set, a, b, c, c_stride, epilogue) };
}

/// How many elements a matrix that is not empty reaches over; no less where that is more than a number holds.
fn extent(sizes: [usize; 2], strides: [usize; 2]) -> usize {
    let ends = [0, 1].map(|axis| (sizes[axis] - 1).saturating_mul(strides[axis]));
    ends[0].saturating_add(ends[1]).saturating_add(1)
}

/// Whether `len` elements hold a C whose rows are `c_stride` apart.
fn fits<T>(a: &Mat<'_, T>, b: &Right<'_, T>, len: usize, c_stride: usize) -> bool {
    let (m, (_, n)) = (a.rows, b.size());
    m == 0 || n == 0 || extent([m, n], [c_stride, 1]) <= len
}

/// `dst[i + j·dst_row] = src[i, j]`: the transpose, with rows `dst_row` apart. Up to a vector beyond the last column
/// may be overwritten with anything.
///
/// # Panics
/// If `dst` is too small, or its rows are shorter than those of the transpose rounded up to a block of the kernels.
pub(crate) fn transpose<T: Real>(src: Mat<'_, T>, dst: &mut [T], dst_row: usize) {
    let (rows, cols) = src.size();
    if rows == 0 || cols == 0 {
        return;
    }
    let row = rows.next_multiple_of(T::kernels(InstructionSet::current()).block);
    assert!(
        dst_row >= row && extent([cols, row], [dst_row, 1]) <= dst.len(),
        "the transpose fits"
    );
    if src.col_stride == 1 {
        // SAFETY: the slice has room for all rows, and nobody else has it.
        unsafe { transpose_at(src, dst.as_mut_ptr(), dst_row) };
        return;
    }
    // The last row may be shorter than the distance to a next one.
    for (j, dst) in dst.chunks_mut(dst_row).take(cols).enumerate() {
        for (i, dst) in dst[..rows].iter_mut().enumerate() {
            *dst = src.get(i, j);
        }
    }
}

/// [`transpose`] of a row-major matrix where the result is given by its first element, for threads whose results lie between
/// each other's. If `src` has a multiple of eight rows, nothing beyond them is written.
///
/// # Safety
/// For each column of `src` as many elements as it has rows, rounded up to a multiple of eight, can be written at `dst`, `dst_row`
/// apart, and nobody else accesses them.
///
/// # Panics
/// If neighbours in a row of `src` do not stand side by side, or the rows of the transpose overlap.
pub(crate) unsafe fn transpose_at<T: Real>(src: Mat<'_, T>, dst: *mut T, dst_row: usize) {
    let kernels = T::kernels(InstructionSet::current());
    let (rows, cols) = src.size();
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(
        src.col_stride == 1 && dst_row >= rows.next_multiple_of(kernels.block),
        "rows of neighbours, and of the transpose without overlap"
    );
    // SAFETY: `src` holds these rows and columns, as `Mat::strided` asserted; the rest is the caller's contract. Blocks have one, four or
    // eight rows.
    unsafe {
        (kernels.transpose)(src.data.as_ptr(), src.row_stride, dst, dst_row, rows, cols);
    }
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
const PART_WORK: usize = super::threads::grain::PRODUCT;

/// Multiply-adds of a product; a tile is never narrower than a vector.
fn work(m: usize, n: usize, k: usize) -> usize {
    m * n.next_multiple_of(8) * k.max(1)
}

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

/// # Safety
/// As for [`gemm_packed_at`]; the processor has the instruction set `set`.
unsafe fn run<T: Real>(
    set: InstructionSet,
    a: Mat<'_, T>,
    b: Right<'_, T>,
    c: *mut T,
    c_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let (m, (k, n)) = (a.rows, b.size());
    assert_eq!(a.cols, k, "columns of A must equal rows of B");
    if m == 0 || n == 0 {
        return;
    }
    assert!(m == 1 || c_stride >= n, "rows of C must not overlap");
    assert!(
        epilogue
            .bias
            .is_none_or(|bias| bias.len() == if epilogue.bias_of_rows { m } else { n }),
        "one bias for each column or row"
    );
    let kernels = T::kernels(set);
    let mut out = Out {
        c: Shared(c),
        stride: c_stride,
        bias_steps: if epilogue.bias_of_rows {
            [0, 1]
        } else {
            [1, 0]
        },
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
        out.bias_steps = if epilogue.bias_of_rows {
            [1, 0]
        } else {
            [0, 0]
        };
    }
    if let Right::Plain(b) = b
        && (m, b.row_stride, a.col_stride) == (1, 1, 1)
        && b.col_stride != 1
        && k > 0
    {
        // SAFETY: the caller's contract; the sizes were compared above.
        return unsafe { row::run(kernels.dots, a, b, &out) };
    }
    let (rows, cols) = grid(kernels, m, n, k, &b);
    let unit = kernels.width(n);
    let panels = n.div_ceil(unit);
    parallel(rows * cols, |i| {
        let rows = part(m, rows, i / cols);
        let panels = part(panels, cols, i % cols);
        let cols = panels.start * unit..(panels.end * unit).min(n);
        let part = Part {
            kernels,
            a: a.row_range(&rows),
            b,
            first_row: rows.start,
            unit,
            cols,
            out: &out,
        };
        // SAFETY: the caller's contract; parts are disjoint blocks of C; `set` was detected by whoever made it.
        unsafe { part.run() };
    });
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
    let unit = kernels.width(n);
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

#[cfg(test)]
mod tests;
