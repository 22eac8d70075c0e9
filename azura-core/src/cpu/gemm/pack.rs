//! Copies of A and B in the order in which the micro-kernel reads them, and the memory for them.

use super::tile::Kernels;
use super::{Mat, Real, k_blocks, part};
use crate::buffer::Buffer;
use crate::cpu::simd::InstructionSet;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes of working memory at least, so that most uses find room in the first piece that is free.
const SMALLEST: usize = 64 << 10;

/// More than this comes from the pool of the tensors: the matrix kernels need no more, and threads keep it for ever.
const KEPT: usize = 8 << 20;

/// Working memory that a thread keeps for its next use, and leaves to others at its end.
struct Kept(RefCell<Vec<Buffer>>);

impl Drop for Kept {
    fn drop(&mut self) {
        leave(self.0.get_mut().drain(..));
    }
}

thread_local! {
    /// What nobody uses at the moment.
    static FREE: Kept = const { Kept(RefCell::new(Vec::new())) };
}

/// What threads have left.
static IDLE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

fn leave(buffers: impl IntoIterator<Item = Buffer>) {
    IDLE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(buffers);
}

/// A piece that nobody has, of at least so many bytes.
#[cold]
fn another(bytes: usize) -> Buffer {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    match idle.iter().position(|buffer| buffer.bytes() >= bytes) {
        Some(found) => idle.swap_remove(found),
        None => Buffer::working(bytes.max(SMALLEST)),
    }
}

/// Calls `f` with cache-line aligned memory for `len` elements, which this thread keeps for the next call. It holds
/// what was left there.
pub(crate) fn with_scratch<T: Copy, R>(len: usize, f: impl FnOnce(*mut T) -> R) -> R {
    let bytes = len * size_of::<T>();
    if bytes > KEPT {
        return f(Buffer::uninit(bytes)
            .as_mut_slice::<f32>()
            .as_mut_ptr()
            .cast());
    }
    let mut buffer = match FREE.with(|free| free.0.borrow_mut().pop()) {
        Some(buffer) if buffer.bytes() >= bytes => buffer,
        Some(short) => {
            leave([short]);
            another(bytes)
        }
        None => another(bytes),
    };
    let result = f(buffer.as_mut_slice::<f32>().as_mut_ptr().cast());
    FREE.with(|free| free.0.borrow_mut().push(buffer));
    result
}

/// [`with_scratch`] as a slice.
pub(crate) fn with_slice<T: Real, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    with_scratch(len, |memory: *mut T| {
        // SAFETY: `len` elements, aligned and initialised, that nobody else has; a `Real` is `f32` or `f64`, of which
        // every bit pattern is a value.
        f(unsafe { std::slice::from_raw_parts_mut(memory, len) })
    })
}

/// Copies columns `cols` of rows `k` of B into a panel of `width` columns.
///
/// # Safety
/// The ranges lie inside `b`, `dst` has room for `k.len() · width` elements, and the processor has the instruction set of
/// `kernels`.
pub(super) unsafe fn panel<T: Real>(
    kernels: &Kernels<T>,
    b: Mat<'_, T>,
    k: Range<usize>,
    cols: Range<usize>,
    width: usize,
    dst: *mut T,
) {
    if k.is_empty() {
        return;
    }
    // SAFETY: indices stay inside the ranges that the caller vouches for.
    unsafe {
        let src = b
            .data
            .as_ptr()
            .add(k.start * b.row_stride + cols.start * b.col_stride);
        if b.col_stride == 1 {
            match (cols.len() == width, width) {
                (true, 48) => copy_rows::<T, 48>(src, b.row_stride, dst, k.len()),
                (true, 32) => copy_rows::<T, 32>(src, b.row_stride, dst, k.len()),
                (true, 24) => copy_rows::<T, 24>(src, b.row_stride, dst, k.len()),
                (true, 16) => copy_rows::<T, 16>(src, b.row_stride, dst, k.len()),
                (true, 8) => copy_rows::<T, 8>(src, b.row_stride, dst, k.len()),
                (true, 4) => copy_rows::<T, 4>(src, b.row_stride, dst, k.len()),
                _ => {
                    for p in 0..k.len() {
                        let row = dst.add(p * width);
                        for j in 0..cols.len() {
                            row.add(j).write(src.add(p * b.row_stride + j).read());
                        }
                        for j in cols.len()..width {
                            row.add(j).write(T::default());
                        }
                    }
                }
            }
        } else if b.row_stride == 1 {
            (kernels.transpose)(src, b.col_stride, dst, width, cols.len(), k.len());
            for j in cols.len().next_multiple_of(kernels.block)..width {
                for p in 0..k.len() {
                    dst.add(p * width + j).write(T::default());
                }
            }
        } else {
            for p in 0..k.len() {
                for j in 0..width {
                    let x = if j < cols.len() {
                        src.add(p * b.row_stride + j * b.col_stride).read()
                    } else {
                        T::default()
                    };
                    dst.add(p * width + j).write(x);
                }
            }
        }
    }
}

/// # Safety
/// `rows` rows of `N` elements at `src`, `src_row` apart, and room for them at `dst`.
unsafe fn copy_rows<T: Copy, const N: usize>(
    src: *const T,
    src_row: usize,
    dst: *mut T,
    rows: usize,
) {
    for p in 0..rows {
        // SAFETY: the caller's contract.
        unsafe {
            dst.add(p * N)
                .cast::<[T; N]>()
                .write(src.add(p * src_row).cast::<[T; N]>().read());
        }
    }
}

/// Copies `len` elements, at most 8, by one copy or two that may overlap.
///
/// # Safety
/// As for [`std::ptr::copy_nonoverlapping`].
#[inline(always)]
unsafe fn copy_few<T: Copy>(src: *const T, dst: *mut T, len: usize) {
    // SAFETY: each copy ends at `len`.
    unsafe {
        if len == 8 {
            copy_rows::<T, 8>(src, 0, dst, 1);
        } else if len >= 4 {
            copy_rows::<T, 4>(src, 0, dst, 1);
            copy_rows::<T, 4>(src.add(len - 4), 0, dst.add(len - 4), 1);
        } else {
            for i in 0..len {
                dst.add(i).write(src.add(i).read());
            }
        }
    }
}

/// Columns of A that [`tiles`] copies together.
const COLUMNS: usize = 8;

/// The step from one k to the next in a packed tile of `rows` rows of A.
pub(super) fn tile_stride<T: Real>(kernels: &Kernels<T>, rows: usize) -> usize {
    rows.next_multiple_of(kernels.block)
}

/// Copies columns `k` of the rows `rows` of A, cut into `tiles` even tiles, so that the rows of one k of a tile stand
/// together, [`tile_stride`] apart. One tile follows the other.
///
/// # Safety
/// As for [`panel`]; `dst` has room for all tiles.
pub(super) unsafe fn tiles<T: Real>(
    kernels: &Kernels<T>,
    a: Mat<'_, T>,
    rows: Range<usize>,
    tiles: usize,
    k: Range<usize>,
    dst: *mut T,
) {
    let tile = |t: usize| {
        let tile = part(rows.len(), tiles, t);
        rows.start + tile.start..rows.start + tile.end
    };
    // SAFETY: indices stay inside the ranges that the caller vouches for.
    unsafe {
        let src = a
            .data
            .as_ptr()
            .wrapping_add(rows.start * a.row_stride + k.start * a.col_stride);
        if a.row_stride == 1 {
            // The elements of one k stand together in A too: each is visited once, and some of them together, since the places of
            // one k in all tiles compete for the same lines of the first-level cache.
            for first in (0..k.len()).step_by(COLUMNS) {
                let some = first..(first + COLUMNS).min(k.len());
                let (mut from, mut to) = (src, dst);
                for t in 0..tiles {
                    let Range { start, end } = tile(t);
                    let len = end - start;
                    let stride = tile_stride(kernels, len);
                    // Eight at once, where there are so many: what is too many is never read.
                    let copied = if stride == 8 && start + 8 <= a.rows {
                        8
                    } else {
                        len
                    };
                    for p in some.clone() {
                        copy_few(from.add(p * a.col_stride), to.add(p * stride), copied);
                    }
                    (from, to) = (from.add(len), to.add(stride * k.len()));
                }
            }
            return;
        }
        let mut to = dst;
        for t in 0..tiles {
            let (tile, skip) = (tile(t), tile(t).start - rows.start);
            let (from, stride) = (
                src.wrapping_add(skip * a.row_stride),
                tile_stride(kernels, tile.len()),
            );
            if a.col_stride == 1 {
                (kernels.transpose)(from, a.row_stride, to, stride, tile.len(), k.len());
            } else {
                for p in 0..k.len() {
                    let (from, to) = (from.add(p * a.col_stride), to.add(p * stride));
                    for i in 0..tile.len() {
                        to.add(i).write(from.add(i * a.row_stride).read());
                    }
                }
            }
            to = to.add(stride * k.len());
        }
    }
}

/// A right-hand side that was packed once to be multiplied many times.
#[derive(Clone, Copy)]
pub(crate) struct PackedB<'a, T> {
    pub(super) set: InstructionSet,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Columns with the last panel's padding.
    padded: usize,
    data: &'a [T],
}

impl<T: Real> PackedB<'_, T> {
    /// Packs `b` into memory that this thread reuses, and calls `f` with the result.
    pub(crate) fn with<R>(b: Mat<'_, T>, f: impl FnOnce(PackedB<'_, T>) -> R) -> R {
        Self::with_set(b, InstructionSet::current(), f)
    }

    pub(super) fn with_set<R>(
        b: Mat<'_, T>,
        set: InstructionSet,
        f: impl FnOnce(PackedB<'_, T>) -> R,
    ) -> R {
        let kernels = T::kernels(set);
        let (rows, cols) = (b.rows, b.cols);
        let padded = cols.next_multiple_of(kernels.lanes);
        let width = kernels.width(cols);
        with_scratch(padded * rows, |data: *mut T| {
            for k in k_blocks::<T>(rows) {
                for j in (0..cols).step_by(width) {
                    let panel_cols = j..(j + width).min(cols);
                    let width = panel_cols.len().next_multiple_of(kernels.lanes);
                    let to = data.wrapping_add(k.start * padded + j * k.len());
                    // SAFETY: the panel is `k.len() · width` elements of `data`, and `panel` writes all of them.
                    unsafe { panel(kernels, b, k.clone(), panel_cols, width, to) };
                }
            }
            // SAFETY: the panels cover `padded · rows` elements, each written above.
            let data = unsafe { std::slice::from_raw_parts(data, padded * rows) };
            f(PackedB {
                set,
                rows,
                cols,
                padded,
                data,
            })
        })
    }

    /// How many elements [`PackedB::filled`] needs for a matrix of this size.
    pub(crate) fn room(rows: usize, cols: usize) -> usize {
        let kernels = T::kernels(InstructionSet::current());
        rows * cols.next_multiple_of(kernels.lanes)
    }
}

impl<'a, T: Real> PackedB<'a, T> {
    /// A matrix that never lies anywhere but here: `fill(k, cols, width, panel)` writes its columns `cols` of the rows
    /// `k` so that element `(p, j)` of this block is `panel[p·width + j]`. Columns beyond the last are 0 already.
    ///
    /// # Panics
    /// If `data` is smaller than [`PackedB::room`].
    pub(crate) fn filled(
        data: &'a mut [T],
        rows: usize,
        cols: usize,
        mut fill: impl FnMut(Range<usize>, Range<usize>, usize, &mut [T]),
    ) -> Self {
        let set = InstructionSet::current();
        let kernels = T::kernels(set);
        let (lanes, unit) = (kernels.lanes, kernels.width(cols));
        let padded = cols.next_multiple_of(lanes);
        let data = &mut data[..padded * rows];
        for k in k_blocks::<T>(rows) {
            for j in (0..cols).step_by(unit) {
                let panel_cols = j..(j + unit).min(cols);
                let width = panel_cols.len().next_multiple_of(lanes);
                let start = k.start * padded + j * k.len();
                let panel = &mut data[start..start + k.len() * width];
                if panel_cols.len() < width {
                    panel.fill(T::default());
                }
                fill(k.clone(), panel_cols, width, panel);
            }
        }
        PackedB {
            set,
            rows,
            cols,
            padded,
            data,
        }
    }
}

impl<T> PackedB<'_, T> {
    /// Columns of the matrix.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The elements from the panel on that holds column `j` (a multiple of [`Kernels::width`]) of the block `k`.
    pub(super) fn panel(&self, k: &Range<usize>, j: usize) -> &[T] {
        &self.data[k.start * self.padded + j * k.len()..]
    }
}
