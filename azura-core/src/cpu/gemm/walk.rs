//! The way of one thread through its part of C, block by block.

use super::pack;
use super::tile::{Kernels, Tile, TileFn};
use super::{Act, Epilogue, Mat, Real, Right, k_blocks, part};
use crate::cpu::threads::Shared;
use std::ops::Range;

/// The most rows of A in one block: with [`Real::K_BLOCK`] columns they fill half of a 1 MiB L2 cache.
pub(super) const M_BLOCK: usize = 280;

/// Columns of B that are packed at once when A has several blocks; they stay in the L3 cache.
const N_BLOCK: usize = 2048;

/// Up to this many rows B is read where it is if its rows are contiguous: packing it costs about as much as 3 rows, and
/// more rows than these gain more than that from aligned, contiguous panels.
const DIRECT_ROWS: usize = 84;

/// From this many columns on A is packed: every panel of B reads A once. Below, copying costs more than it gains
/// (768 x 384 x 128: 106 and 110 GFLOP/s).
const PACK_A_COLS: usize = 512;

/// The same for an A whose rows of one k stand together, as in the gradient of a weight. Where one k is this far from the next,
/// each is in a page of its own and packing gains more (1024 x 256 x 1920: 117 and 153 GFLOP/s; 512 x 128 x 768 loses 5 %).
const PACK_A_COLUMNS: [usize; 2] = [256, 256];

/// Vectors of the tile that a single row takes: with two, its sums would wait for each other.
const ROW_VECTORS: usize = 8;

/// C and what is done to it.
pub(super) struct Out<'a, T> {
    pub(super) c: Shared<T>,
    pub(super) stride: usize,
    /// From one column's bias to the next, and from one row's to the next: 1 or 0.
    pub(super) bias_steps: [usize; 2],
    pub(super) epilogue: Epilogue<'a, T>,
}

/// One thread's part of a product: some rows of A, by some columns of B.
pub(super) struct Part<'a, T: 'static> {
    pub(super) kernels: &'a Kernels<T>,
    /// The rows of this part.
    pub(super) a: Mat<'a, T>,
    pub(super) b: Right<'a, T>,
    /// The row of C that row 0 of `a` belongs to.
    pub(super) first_row: usize,
    /// Starts at a multiple of two vectors.
    pub(super) cols: Range<usize>,
    pub(super) out: &'a Out<'a, T>,
}

/// Where a tile finds its rows of A or its columns of B.
#[derive(Clone, Copy)]
struct Source<T> {
    at: *const T,
    /// To the next row of A; unused for B.
    row: usize,
    /// To the next k.
    step: usize,
}

impl<T: Real> Part<'_, T> {
    /// Makes this part of C.
    ///
    /// # Safety
    /// The part lies inside A, B and C (with its stride), nobody else touches it in C, and the processor has the
    /// instruction set of the kernels.
    pub(super) unsafe fn run(&self) {
        match self.b {
            // SAFETY: the caller's contract.
            Right::Plain(b) if self.a.rows == 1 => unsafe { self.row(b) },
            // SAFETY: as above.
            _ => unsafe { self.blocks(self.cols.clone()) },
        }
    }

    /// Columns `cols`, through blocks of k, of columns and of rows.
    ///
    /// # Safety
    /// As for [`Part::run`].
    unsafe fn blocks(&self, cols: Range<usize>) {
        let (m, k, unit) = (self.a.rows, self.a.cols, 2 * self.kernels.lanes);
        let longest = k_blocks::<T>(k).map(|k| k.len()).max().unwrap_or(0);
        let blocks = m.div_ceil(M_BLOCK);
        let n_step = if blocks > 1 { N_BLOCK } else { unit };
        let pack_b = matches!(self.b, Right::Plain(b) if b.col_stride != 1 || m > DIRECT_ROWS);
        let pack_a = if self.a.row_stride == 1 {
            cols.len() >= PACK_A_COLUMNS[0] && self.a.col_stride >= PACK_A_COLUMNS[1]
        } else {
            cols.len() >= PACK_A_COLS
        };
        // A tile takes 16 rows' room for 13 or 14, 8 for 5 or 6, and never more than twice its own.
        let a_room = if pack_a {
            m.min(M_BLOCK).next_multiple_of(16) * 2 * longest
        } else {
            0
        };
        let b_room = n_step.min(cols.len().next_multiple_of(unit)) * longest;
        pack::with_scratch(b_room, |b_pack: *mut T| {
            pack::with_scratch(a_room, |a_pack: *mut T| {
                for k_range in k_blocks::<T>(k) {
                    let mut packed_rows = None;
                    for j0 in cols.clone().step_by(n_step) {
                        let strip = j0..(j0 + n_step).min(cols.end);
                        for i in 0..blocks {
                            let rows = part(m, blocks, i);
                            let tiles = rows.len().div_ceil(self.kernels.tiles.len());
                            if pack_a && packed_rows.replace(i) != Some(i) {
                                let (rows, k) = (rows.clone(), k_range.clone());
                                // SAFETY: the ranges lie inside A, and the scratch memory has `a_room` elements.
                                unsafe {
                                    pack::tiles(self.kernels, self.a, rows, tiles, k, a_pack);
                                };
                            }
                            for j in strip.clone().step_by(unit) {
                                let panel = j..(j + unit).min(strip.end);
                                let to = b_pack.wrapping_add((j - j0) * k_range.len());
                                let packed = pack_b && i > 0;
                                // SAFETY: the panel lies inside B and `to` has room for it.
                                let b = unsafe { self.panel(&k_range, &panel, to, pack_b, packed) };
                                let a = pack_a.then_some(a_pack.cast_const());
                                // SAFETY: the sources hold these rows and columns.
                                unsafe { self.tiles(&k_range, &rows, tiles, &panel, a, b) };
                            }
                        }
                    }
                }
            });
        });
    }

    /// The columns `cols` of rows `k` of B: where they are, or packed to `to`.
    ///
    /// # Safety
    /// The ranges lie inside B; `to` has room for the panel, and holds it already if it is `packed`.
    unsafe fn panel(
        &self,
        k: &Range<usize>,
        cols: &Range<usize>,
        to: *mut T,
        pack: bool,
        packed: bool,
    ) -> Source<T> {
        let width = cols.len().next_multiple_of(self.kernels.lanes);
        let source = |at: *const T, step: usize| Source { at, row: 0, step };
        match self.b {
            Right::Packed(b) => source(b.panel(k, cols.start).as_ptr(), width),
            // Whole vectors are read, so the last columns are packed in any case unless they fill one.
            Right::Plain(b) if !pack && width == cols.len() => source(
                b.data
                    .as_ptr()
                    .wrapping_add(k.start * b.row_stride + cols.start),
                b.row_stride,
            ),
            Right::Plain(b) => {
                if !packed {
                    // SAFETY: the caller's contract.
                    unsafe { pack::panel(self.kernels, b, k.clone(), cols.clone(), width, to) };
                }
                source(to, width)
            }
        }
    }

    /// The tiles of the rows `rows` and one panel of B.
    ///
    /// # Safety
    /// As for [`Part::run`]; `packed_a` holds these tiles if it is given.
    unsafe fn tiles(
        &self,
        k: &Range<usize>,
        rows: &Range<usize>,
        tiles: usize,
        cols: &Range<usize>,
        mut packed_a: Option<*const T>,
        b: Source<T>,
    ) {
        let vectors = cols.len().div_ceil(self.kernels.lanes);
        for t in 0..tiles {
            let tile = part(rows.len(), tiles, t);
            let tile = rows.start + tile.start..rows.start + tile.end;
            let a = match &mut packed_a {
                Some(at) => {
                    let step = pack::tile_stride(self.kernels, tile.len());
                    let source = Source {
                        at: *at,
                        row: 1,
                        step,
                    };
                    *at = at.wrapping_add(step * k.len());
                    source
                }
                None => self.rows_of_a(tile.start, k.start),
            };
            let run = self.kernels.tiles[tile.len() - 1][vectors - 1];
            // SAFETY: the kernel is of the tile's size; the rest is the caller's contract.
            unsafe { self.tile(run, a, b, k, &tile, cols) };
        }
    }

    fn rows_of_a(&self, row: usize, k: usize) -> Source<T> {
        let Mat {
            data,
            row_stride,
            col_stride,
            ..
        } = self.a;
        let at = data
            .as_ptr()
            .wrapping_add(row * row_stride + k * col_stride);
        Source {
            at,
            row: row_stride,
            step: col_stride,
        }
    }

    /// One tile over the block `k`; after the last k with its bias and activation.
    ///
    /// # Safety
    /// `run` takes tiles of this size, the sources hold that many steps; the rest as for [`Part::run`].
    unsafe fn tile(
        &self,
        run: TileFn<T>,
        a: Source<T>,
        b: Source<T>,
        k: &Range<usize>,
        rows: &Range<usize>,
        cols: &Range<usize>,
    ) {
        let Out {
            c,
            stride,
            bias_steps: [bias_step, bias_row],
            epilogue,
        } = self.out;
        let row = self.first_row + rows.start;
        let finish = k.end == self.a.cols;
        let c = c.get().wrapping_add(row * stride + cols.start);
        let tile = Tile {
            k: k.len(),
            blocks: &[0],
            a: a.at,
            a_row: a.row,
            a_col: a.step,
            a_skip: 0,
            b: b.at,
            b_row: b.step,
            c,
            c_row: *stride,
            last: (cols.len() - 1) % self.kernels.lanes + 1,
            add: k.start > 0 || epilogue.accumulate,
            bias: match epilogue.bias {
                Some(bias) if finish => bias
                    .as_ptr()
                    .wrapping_add(cols.start * bias_step + row * bias_row),
                _ => std::ptr::null(),
            },
            bias_step: *bias_step,
            bias_row: *bias_row,
            relu: finish && matches!(epilogue.act, Act::Relu),
        };
        // SAFETY: the caller's contract.
        unsafe { run(&tile) };
        if let (true, Some(map)) = (finish, epilogue.map) {
            for row in 0..rows.len() {
                let first = c.wrapping_add(row * stride);
                // SAFETY: this part of C, which the kernel has just written and nobody else touches.
                map(unsafe { std::slice::from_raw_parts_mut(first, cols.len()) });
            }
        }
    }

    /// A single row by rows of B: they are read once and from where they are. The sums are the same chains.
    ///
    /// # Safety
    /// As for [`Part::run`].
    unsafe fn row(&self, b: Mat<'_, T>) {
        let wide = ROW_VECTORS * self.kernels.lanes;
        let mut cols = self.cols.clone();
        if b.col_stride == 1 {
            while cols.len() >= wide {
                let now = cols.start..cols.start + wide;
                for k in k_blocks::<T>(self.a.cols) {
                    let at = b
                        .data
                        .as_ptr()
                        .wrapping_add(k.start * b.row_stride + now.start);
                    let source = Source {
                        at,
                        row: 0,
                        step: b.row_stride,
                    };
                    // SAFETY: the caller's contract; these columns exist.
                    unsafe {
                        self.tile(
                            self.kernels.row,
                            self.rows_of_a(0, k.start),
                            source,
                            &k,
                            &(0..1),
                            &now,
                        );
                    };
                }
                cols.start = now.end;
            }
        }
        if !cols.is_empty() {
            // SAFETY: the caller's contract; what is left starts at a multiple of two vectors.
            unsafe { self.blocks(cols) };
        }
    }
}
