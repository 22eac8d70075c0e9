//! Sums of outer products: one left-hand side against several right-hand sides, all of them stored by their rows of k.
//!
//! Rows are copied whole, so memory is read in its order: a tile of A alone would read 32 bytes of every row, which
//! are often a multiple of 4 KiB apart (1920 rows of 1024: 9.0 ms, 5.7 with rows copied). Short rows of A are read where they are.

use super::tile::{Kernels, Tile};
use super::{Mat, PART_WORK, Real, k_blocks, pack, part, work};
use crate::cpu::simd::{InstructionSet, Kernel, dispatch};
use crate::cpu::threads::{Shared, parallel, threads};
use std::ops::Range;

/// `C = Aᵀ·B [+ C]` of [`outer`].
pub(crate) struct Side<'f, 'a, T> {
    /// Row `k` of B; an empty one for zeros.
    pub(crate) row: &'f (dyn Fn(usize) -> &'a [T] + Sync),
    /// Columns of B.
    pub(crate) cols: usize,
    /// `[M, cols]`
    pub(crate) c: &'f mut [T],
    /// Adds to what C holds instead of overwriting it.
    pub(crate) accumulate: bool,
}

/// Makes the products of A, given as `[K, M]` with contiguous rows, with all of `sides` on the threads of the budget.
///
/// # Panics
/// If the rows of A are not contiguous, or C does not have its size. What a row of B lacks is 0.
pub(crate) fn outer<T: Real, const N: usize>(a: Mat<'_, T>, sides: [Side<'_, '_, T>; N]) {
    outer_with(InstructionSet::current(), a, sides);
}

/// [`outer`] with the kernels of `set`, which the processor has.
pub(super) fn outer_with<T: Real, const N: usize>(
    set: InstructionSet,
    a: Mat<'_, T>,
    sides: [Side<'_, '_, T>; N],
) {
    let (k, m) = a.size();
    assert!(a.col_stride == 1 || m <= 1, "A has contiguous rows");
    let fit = sides.iter().all(|side| side.c.len() == m * side.cols);
    assert!(fit, "C is [M, cols]");
    let cols: usize = sides.iter().map(|side| side.cols).sum();
    if m * cols == 0 {
        return;
    }
    let kernels = T::kernels(set);
    let products = sides.map(|side| Product {
        row: side.row,
        cols: side.cols,
        c: Shared(side.c.as_mut_ptr()),
        accumulate: side.accumulate,
    });
    let parts = threads().min(work(m, cols, k) / PART_WORK).clamp(1, m);
    parallel(parts, |i| {
        let rows = part(m, parts, i);
        // SAFETY: the processor has the set; C has all rows, and each part has rows of its own.
        unsafe { run(kernels, a, &products, rows) };
    });
}

/// A [`Side`] that threads share.
struct Product<'f, 'a, T> {
    row: &'f (dyn Fn(usize) -> &'a [T] + Sync),
    cols: usize,
    c: Shared<T>,
    accumulate: bool,
}

impl<T: Real> Product<'_, '_, T> {
    /// As wide as the kernels', and what is left.
    fn panels(&self, kernels: &Kernels<T>) -> Groups {
        Groups {
            next: 0,
            end: self.cols,
            size: kernels.width(self.cols),
            longer: 0,
            unit: kernels.lanes,
        }
    }

    fn padded(&self, kernels: &Kernels<T>) -> usize {
        self.cols.next_multiple_of(kernels.lanes)
    }
}

/// Rows of A that are no more bytes apart than this are read where they are: each tile reads a line of every row, and the processor
/// foresees such steps (256 rows of 272, for 72 columns: 132 and 143 GFLOP/s; of 1040, for 512: 171 and 156; while other programs ran).
const NEAR: usize = 2048;

/// Where the rows of a block of k of A are.
#[derive(Clone, Copy)]
enum Left<'a, T> {
    /// Where they were, so many elements apart.
    Rows(&'a [T], usize),
    /// Copied, tile by tile.
    Tiles(&'a [T]),
}

/// Columns that are copied to a block of their own, whose rows are `stride` apart.
struct Group {
    cols: Range<usize>,
    stride: usize,
}

/// Groups of `size` columns, the first `longer` of them of one more. (A division for each, as in [`part`], would take as
/// long as the copying of some rows.)
#[derive(Clone)]
struct Groups {
    next: usize,
    end: usize,
    size: usize,
    longer: usize,
    /// The power of two that strides are multiples of.
    unit: usize,
}

impl Groups {
    /// The tiles of some rows of C: as few as possible, their sizes one apart at most.
    fn tiles<T>(kernels: &Kernels<T>, rows: &Range<usize>) -> Self {
        let count = rows.len().div_ceil(kernels.tiles.len()).max(1);
        Groups {
            next: rows.start,
            end: rows.end,
            size: rows.len() / count,
            longer: rows.len() % count,
            unit: kernels.block,
        }
    }
}

impl Iterator for Groups {
    type Item = Group;

    #[inline(always)]
    fn next(&mut self) -> Option<Group> {
        if self.next >= self.end {
            return None;
        }
        let size = self.size + usize::from(self.longer > 0);
        self.longer = self.longer.saturating_sub(1);
        let cols = self.next..(self.next + size).min(self.end);
        self.next = cols.end;
        let stride = (cols.len() + self.unit - 1) & !(self.unit - 1);
        Some(Group { cols, stride })
    }
}

/// Rows `rows` of all C.
///
/// # Safety
/// The rows lie inside A and C, nobody else touches them in C, and the processor has the instruction set of the kernels.
unsafe fn run<T: Real>(
    kernels: &Kernels<T>,
    a: Mat<'_, T>,
    products: &[Product<'_, '_, T>],
    rows: Range<usize>,
) {
    let (m, most) = (rows.len(), kernels.tiles.len());
    let longest = k_blocks::<T>(a.rows).map(|k| k.len()).max().unwrap_or(0);
    let b_cols: usize = products.iter().map(|p| p.padded(kernels)).sum();
    let blocks = m.div_ceil(kernels.m_block);
    let block = |i: usize| {
        let block = part(m, blocks, i);
        rows.start + block.start..rows.start + block.end
    };
    let direct = a.row_stride * size_of::<T>() <= NEAR;
    let a_cols = if direct {
        0
    } else {
        m.min(kernels.m_block).div_ceil(most) * most.next_multiple_of(kernels.block)
    };
    pack::with_slice(b_cols * longest, |b_pack: &mut [T]| {
        pack::with_slice(a_cols * longest, |a_pack: &mut [T]| {
            for k in k_blocks::<T>(a.rows) {
                let mut to = &mut *b_pack;
                for product in products {
                    let (now, rest) = to.split_at_mut(product.padded(kernels) * k.len());
                    copy(product.row, &k, product.panels(kernels), now);
                    to = rest;
                }
                for i in 0..blocks {
                    let rows = block(i);
                    let tiles = Groups::tiles(kernels, &rows);
                    let row = |p: usize| &a.data[p * a.row_stride..][..a.cols];
                    let left = if direct {
                        Left::Rows(&a.data[k.start * a.row_stride..], a.row_stride)
                    } else {
                        copy(&row, &k, tiles.clone(), a_pack);
                        Left::Tiles(a_pack)
                    };
                    let mut from = &*b_pack;
                    for product in products {
                        let (now, rest) = from.split_at(product.padded(kernels) * k.len());
                        // SAFETY: `left` and the copy of B hold these rows and columns of this k; the rest is the caller's contract.
                        unsafe { product.block(kernels, &k, tiles.clone(), left, now) };
                        from = rest;
                    }
                }
            }
        });
    });
}

impl<T: Real> Product<'_, '_, T> {
    /// The tiles `tiles` of C over the block `k`.
    ///
    /// # Safety
    /// `a` and `b` hold the tiles and all panels; the rest as for [`run`].
    unsafe fn block(
        &self,
        kernels: &Kernels<T>,
        k: &Range<usize>,
        tiles: Groups,
        a: Left<'_, T>,
        mut b: &[T],
    ) {
        for panel in self.panels(kernels) {
            let vectors = panel.stride / kernels.lanes;
            let mut packed = 0;
            for Group { cols: rows, stride } in tiles.clone() {
                let at = rows.start * self.cols + panel.cols.start;
                let (a, a_col) = match a {
                    // No row at all if there is no k.
                    Left::Rows(a, row) => (a.get(rows.start..).unwrap_or_default(), row),
                    Left::Tiles(a) => (&a[packed..], stride),
                };
                packed += stride * k.len();
                let tile = Tile {
                    k: k.len(),
                    blocks: &[0],
                    a: a.as_ptr(),
                    a_row: 1,
                    a_col,
                    a_skip: 0,
                    b: b.as_ptr(),
                    b_row: panel.stride,
                    c: self.c.get().wrapping_add(at),
                    c_row: self.cols,
                    last: (panel.cols.len() - 1) % kernels.lanes + 1,
                    add: k.start > 0 || self.accumulate,
                    bias: std::ptr::null(),
                    bias_step: 0,
                    bias_row: 0,
                    relu: false,
                };
                // SAFETY: the kernel is of the tile's size; the rest is the caller's contract.
                unsafe { kernels.tiles[rows.len() - 1][vectors - 1](&tile) };
            }
            b = &b[panel.stride * k.len()..];
        }
    }
}

/// Copies each group of columns of the rows `k` to a block of its own, one after the other in `to`. What a group's rows
/// have room for beyond its columns is anything.
fn copy<'a, T: Real>(
    row: &dyn Fn(usize) -> &'a [T],
    k: &Range<usize>,
    groups: Groups,
    to: &mut [T],
) {
    dispatch(Copy { row, k, groups, to });
}

struct Copy<'f, 'a, T> {
    row: &'f dyn Fn(usize) -> &'a [T],
    k: &'f Range<usize>,
    groups: Groups,
    to: &'f mut [T],
}

/// Rows that are copied together: as many as the first-level cache keeps apart.
const ROWS: usize = 8;

impl<T: Real> Kernel for Copy<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let Copy { row, k, groups, to } = self;
        for first in k.clone().step_by(ROWS) {
            let count = ROWS.min(k.end - first);
            let mut rows: [&[T]; ROWS] = [&[]; ROWS];
            for (i, rows) in rows[..count].iter_mut().enumerate() {
                *rows = row(first + i);
            }
            let mut block = to.as_mut_ptr();
            let mut room = to.len();
            for Group { cols, stride } in groups.clone() {
                assert!(stride * k.len() <= room, "each block has room");
                for (i, from) in rows[..count].iter().enumerate() {
                    let to = block.wrapping_add((first - k.start + i) * stride);
                    // SAFETY: row `first + i` of a block that has room for all rows, as asserted.
                    unsafe {
                        match stride {
                            48 => copy_row::<T, 48>(from, &cols, to),
                            32 => copy_row::<T, 32>(from, &cols, to),
                            24 => copy_row::<T, 24>(from, &cols, to),
                            16 => copy_row::<T, 16>(from, &cols, to),
                            8 => copy_row::<T, 8>(from, &cols, to),
                            4 => copy_row::<T, 4>(from, &cols, to),
                            _ => copy_part(from, &cols, to),
                        }
                    }
                }
                block = block.wrapping_add(stride * k.len());
                room -= stride * k.len();
            }
        }
    }
}

/// A whole row of a block, with what follows in the source if there is as much.
///
/// # Safety
/// `to` has room for `N` elements, at least as many as `cols`.
#[inline(always)]
unsafe fn copy_row<T: Real, const N: usize>(from: &[T], cols: &Range<usize>, to: *mut T) {
    // SAFETY: the source has `N` elements there, which are copied as one array, or the caller's contract.
    unsafe {
        if cols.start + N <= from.len() {
            let from = from.as_ptr().add(cols.start).cast::<[T; N]>();
            to.cast::<[T; N]>().write(from.read());
        } else {
            copy_part(from, cols, to);
        }
    }
}

/// # Safety
/// `to` has room for `cols`.
unsafe fn copy_part<T: Real>(from: &[T], cols: &Range<usize>, to: *mut T) {
    for (i, j) in cols.clone().enumerate() {
        let x = from.get(j).copied().unwrap_or_default();
        // SAFETY: the caller's contract.
        unsafe { to.add(i).write(x) };
    }
}
