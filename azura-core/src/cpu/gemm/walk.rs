//! The way of one thread through its part of C, block by block.

use super::pack;
use super::tile::{Kernels, Tile, TileFn};
use super::{Act, Epilogue, Mat, Real, Right, k_blocks, part};
use crate::cpu::simd::prefetch_all;
use crate::cpu::threads::Shared;
use std::ops::Range;

/// Columns of B that are packed at once when A has several blocks, whole panels; they stay in the L3 cache.
const N_BLOCK: usize = 2016;

/// Up to this many rows B is read where it is if its rows are contiguous: packing it costs about as much as 3 rows, and
/// more rows than these gain more than that from aligned, contiguous panels.
const DIRECT_ROWS: usize = 84;

/// The same for a B of at least [`LARGE_B`] bytes, of which each tile that reads it misses more (64 x 9216 x 128, nothing in the cache:
/// 75 and 92 GFLOP/s).
const DIRECT_ROWS_LARGE: usize = 20;
const LARGE_B: usize = 256 << 10;

/// From this many rows on the next panel of such a B is asked for while one is worked on (the same product: 102 and 131 GFLOP/s).
const ASK_ROWS: usize = 64;

/// From this many columns on A is packed: every panel of B reads A once. Below, copying costs more than it gains
/// (768 x 384 x 128: 106 and 110 GFLOP/s).
const PACK_A_COLS: usize = 512;

/// The same for an A whose rows of one k stand together, as in the gradient of a weight, if one k is this far from the next and so in a
/// line of its own (1024 x 256 x 1920: 117 and 153 GFLOP/s).
const PACK_A_COLUMNS: usize = 256;
const FAR_COLUMNS: usize = 256;

/// The same for such an A of at least [`LARGE_A`] bytes, which is not in the cache as a rule (512 x 128 x 768, nothing in the cache: 85 and
/// 121 GFLOP/s; everything there: 155 and 146).
const PACK_LARGE_A_COLUMNS: usize = 64;
const LARGE_A: usize = 1 << 20;

/// Vectors of the tile that a single row takes: with two or three, its sums would wait for each other.
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
    /// Columns of a panel of B.
    pub(super) unit: usize,
    /// Starts at a panel.
    pub(super) cols: Range<usize>,
    pub(super) out: &'a Out<'a, T>,
}

/// What is copied to where the tiles read it.
#[derive(Clone, Copy)]
struct Copies {
    a: bool,
    b: bool,
    /// The next panel of B is asked for while one is worked on.
    ahead: bool,
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
        let (m, k, unit) = (self.a.rows, self.a.cols, self.unit);
        let longest = k_blocks::<T>(k).map(|k| k.len()).max().unwrap_or(0);
        let blocks = m.div_ceil(self.kernels.m_block);
        let n_step = if blocks > 1 { N_BLOCK } else { unit };
        let copies = self.copies(cols.len());
        // Tiles are rounded up to a block of the kernels, which all together takes no more than twice as much.
        let a_room = if copies.a {
            m.min(self.kernels.m_block).next_multiple_of(16) * 2 * longest
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
                            if copies.a && packed_rows.replace(i) != Some(i) {
                                let (rows, k) = (rows.clone(), k_range.clone());
                                let tiles = self.tile_count(&rows);
                                // SAFETY: the ranges lie inside A, and the scratch memory has `a_room` elements.
                                unsafe {
                                    pack::tiles(self.kernels, self.a, rows, tiles, k, a_pack);
                                };
                            }
                            for j in strip.clone().step_by(unit) {
                                let panel = j..(j + unit).min(strip.end);
                                let to = b_pack.wrapping_add((j - j0) * k_range.len());
                                let packed = copies.b && i > 0;
                                // SAFETY: the panel lies inside B and `to` has room for it.
                                let b =
                                    unsafe { self.panel(&k_range, &panel, to, copies.b, packed) };
                                let a = copies.a.then_some(a_pack.cast_const());
                                let next = match self.b {
                                    Right::Plain(b) if copies.ahead && panel.end < cols.end => {
                                        Some(Source {
                                            at: b.data.as_ptr().wrapping_add(
                                                k_range.start * b.row_stride + panel.end,
                                            ),
                                            row: 0,
                                            step: b.row_stride,
                                        })
                                    }
                                    _ => None,
                                };
                                // SAFETY: the sources hold these rows and columns.
                                unsafe { self.tiles(&k_range, &rows, &panel, a, b, next) };
                            }
                        }
                    }
                }
            });
        });
    }

    /// What pays for `cols` columns of this part.
    fn copies(&self, cols: usize) -> Copies {
        let Mat {
            rows: m,
            cols: k,
            row_stride,
            col_stride,
            ..
        } = self.a;
        let bytes = |rows: usize, cols: usize| rows * cols * size_of::<T>();
        let a = match (row_stride, bytes(m, k) >= LARGE_A) {
            (1, true) => cols >= PACK_LARGE_A_COLUMNS && col_stride >= FAR_COLUMNS,
            (1, false) => cols >= PACK_A_COLUMNS && col_stride >= FAR_COLUMNS,
            _ => cols >= PACK_A_COLS,
        };
        let Right::Plain(b) = self.b else {
            return Copies {
                a,
                b: false,
                ahead: false,
            };
        };
        let large = bytes(k, b.cols) >= LARGE_B;
        let direct = if large {
            DIRECT_ROWS_LARGE
        } else {
            DIRECT_ROWS
        };
        Copies {
            a,
            b: b.col_stride != 1 || m > direct,
            ahead: large && b.col_stride == 1 && (ASK_ROWS..=self.kernels.m_block).contains(&m),
        }
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

    /// The tiles of the rows `rows` and one panel of B; the panel `next` is asked for meanwhile.
    ///
    /// # Safety
    /// As for [`Part::run`]; `packed_a` holds these tiles if it is given.
    unsafe fn tiles(
        &self,
        k: &Range<usize>,
        rows: &Range<usize>,
        cols: &Range<usize>,
        mut packed_a: Option<*const T>,
        b: Source<T>,
        next: Option<Source<T>>,
    ) {
        let vectors = cols.len().div_ceil(self.kernels.lanes);
        let tiles = self.tile_count(rows);
        for t in 0..tiles {
            if let Some(next) = next {
                self.ask(next, part(k.len(), tiles, t));
            }
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

    fn tile_count(&self, rows: &Range<usize>) -> usize {
        rows.len().div_ceil(self.kernels.tiles.len())
    }

    /// Asks for rows of a panel of B before it is packed.
    fn ask(&self, panel: Source<T>, rows: Range<usize>) {
        for p in rows {
            prefetch_all(panel.at.wrapping_add(p * panel.step), self.unit);
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
            // SAFETY: the caller's contract; a B that is not packed is cut anywhere.
            unsafe { self.blocks(cols) };
        }
    }
}
