//! A matrix times columns that are made tile by tile, and where the results go.

use super::columns::Columns;
use super::shifted::Shifted;
use crate::Element;
use crate::buffer::Buffer;
use crate::cpu::gemm::{Epilogue, Mat, PackedB, Real, gemm_at, gemm_packed, gemm_packed_at};
use crate::cpu::threads::{Shared, for_rows, part, threads};
use std::ops::Range;

/// Elements of the columns that are made at once: with f32 half of a 1 MiB L2 cache.
const TILE: usize = 128 * 1024;
/// Columns of a tile at least: fewer would read all weights too often.
const FEWEST: usize = 128;
const MOST: usize = 1024;
/// A multiple of the panels of every instruction set: large tiles are made of whole ones.
const PANEL: usize = 48;
/// What smaller ones are a multiple of, so that threads have equal shares.
const LANES: usize = 16;
/// Images with fewer columns than this share tiles.
const SMALL_IMAGE: usize = 256;
/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = crate::cpu::threads::grain::PRODUCT;

/// Where element `(m, column)` goes: to place `origin + q · step` along each axis of channel `m` of the group.
pub(super) struct Target {
    pub sizes: [usize; 3],
    pub origin: [usize; 3],
    pub step: [usize; 3],
}

impl Target {
    /// Columns in order, without gaps.
    pub fn dense(sizes: [usize; 3]) -> Self {
        Target {
            sizes,
            origin: [0; 3],
            step: [1; 3],
        }
    }
}

/// How the columns are cut.
struct Tiles {
    columns: usize,
    /// A tile does not reach from one block of this many columns into the next.
    block: usize,
    size: usize,
}

impl Tiles {
    fn new(columns: &Columns) -> Self {
        let per_image = columns.per_image();
        let all = per_image * columns.batch;
        let block = if per_image >= SMALL_IMAGE {
            per_image
        } else {
            all
        };
        let most = (TILE / columns.rows().max(1)).clamp(FEWEST, MOST);
        // Every thread gets something to do; where a column lies in a tile decides no bit.
        let fair = (all * columns.groups).div_ceil(threads());
        let count = block.div_ceil(most.min(fair).max(1)).max(1);
        let size = block.div_ceil(count);
        Tiles {
            columns: all,
            block,
            size: if size < 2 * PANEL {
                size.next_multiple_of(LANES)
            } else {
                size.next_multiple_of(PANEL)
            },
        }
    }

    fn per_block(&self) -> usize {
        self.block.div_ceil(self.size)
    }

    fn count(&self) -> usize {
        self.columns / self.block.max(1) * self.per_block()
    }

    fn tile(&self, i: usize) -> Range<usize> {
        let (block, tile) = (i / self.per_block(), i % self.per_block());
        let start = block * self.block + tile * self.size;
        start..(start + self.size).min((block + 1) * self.block)
    }
}

/// `out[n, g·m + i, place(column)] = Σ a(g)[i, r] · columns[r, column] + bias[g·m + i]`.
///
/// Every place of the target is written.
pub(super) fn product<'a, T: Real + Element>(
    columns: &Columns,
    source: &[T],
    a: impl Fn(usize) -> Mat<'a, T> + Sync,
    m: usize,
    bias: Option<&[T]>,
    target: &Target,
    out: &mut [T],
) {
    let (k, per_image) = (columns.rows(), columns.per_image());
    if m == 0 || per_image == 0 || columns.batch == 0 || columns.groups == 0 {
        return;
    }
    if let Some(shifted) = Shifted::new(columns) {
        return shifted.product(source, a, m, bias, target, out);
    }
    let tiles = Tiles::new(columns);
    let plane: usize = target.sizes.iter().product();
    let units = tiles.count() * columns.groups;
    let work = m * k.max(1) * tiles.columns * columns.groups;
    let parts = threads().min(units).min((work / PART_WORK).max(1));
    let dense = target.step == [1; 3] && columns.count == target.sizes;
    let inside = |tile: &Range<usize>| tile.start / per_image == (tile.end - 1) / per_image;
    // An image's tile goes straight to its place; others pass through a block of their own.
    let plain = columns.is_source();
    let through = !(dense && tiles.block == per_image);
    // Every thread's room begins at a cache line.
    let packed_room = PackedB::<T>::room(k, tiles.size)
        .max(1)
        .next_multiple_of(16);
    let room = packed_room + if through { m * tiles.size } else { 0 };
    let mut rooms = Buffer::uninit(parts * room * size_of::<T>());
    let rooms = &mut rooms.as_mut_slice::<T>()[..parts * room];
    let to = Shared(out.as_mut_ptr());
    let len = out.len();
    for_rows(rooms, room, 1, |first, rooms| {
        for (i, room) in rooms.chunks_exact_mut(room).enumerate() {
            for unit in part(units, parts, first + i) {
                let (group, tile) = (unit % columns.groups, tiles.tile(unit / columns.groups));
                let (packed, block) = room.split_at_mut(packed_room);
                let epilogue = Epilogue {
                    bias: bias.map(|bias| &bias[group * m..(group + 1) * m]),
                    bias_of_rows: true,
                    ..Epilogue::default()
                };
                let (image, start) = (tile.start / per_image, tile.start % per_image);
                let channel =
                    |image: usize, i: usize| ((image * columns.groups + group) * m + i) * plane;
                let direct = dense && inside(&tile);
                if direct && plain {
                    let first = (image * columns.groups + group) * k * per_image + start;
                    let b = Mat::strided(
                        source.get(first..).unwrap_or_default(),
                        k,
                        tile.len(),
                        per_image,
                        1,
                    );
                    let at = channel(image, 0) + start;
                    assert!(
                        at + (m - 1) * plane + tile.len() <= len,
                        "the tile lies in the result"
                    );
                    // SAFETY: the line above; tiles of different parts share no column.
                    unsafe { gemm_at(a(group), b, to.get().add(at), plane, epilogue) };
                    continue;
                }
                let b = PackedB::filled(packed, k, tile.len(), |k, cols, width, panel| {
                    let cols = tile.start + cols.start..tile.start + cols.end;
                    columns.fill(source, group, k, cols, width, panel);
                });
                if direct {
                    let at = channel(image, 0) + start;
                    assert!(
                        at + (m - 1) * plane + tile.len() <= len,
                        "the tile lies in the result"
                    );
                    // SAFETY: the line above; tiles of different parts share no column.
                    unsafe { gemm_packed_at(a(group), b, to.get().add(at), plane, epilogue) };
                    continue;
                }
                gemm_packed(a(group), b, block, tile.len(), epilogue);
                for run in columns.runs(tile.clone()) {
                    let at = |axis: usize| target.origin[axis] + run.at[axis] * target.step[axis];
                    let row = (at(0) * target.sizes[1] + at(1)) * target.sizes[2] + at(2);
                    for i in 0..m {
                        let from = &block[i * tile.len() + run.before..][..run.len];
                        let (first, step) = (channel(run.image, i) + row, target.step[2]);
                        assert!(
                            first + (run.len - 1) * step < len,
                            "the run lies in the result"
                        );
                        for (j, x) in from.iter().enumerate() {
                            // SAFETY: the line above; runs of different parts share no column.
                            unsafe { to.get().add(first + j * step).write(*x) };
                        }
                    }
                }
            }
        }
    });
}
