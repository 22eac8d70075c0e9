//! The gradient of the weights: for each weight a sum over all places of all images.

use super::Conv;
use super::columns::Columns;
use super::shifted::Shifted;
use crate::Element;
use crate::buffer::Buffer;
use crate::cpu::gemm::{Epilogue, Mat, PackedB, Real, gemm_packed};
use crate::cpu::threads::{for_rows, part, threads};

/// Columns are made and multiplied in blocks of rows that stay in the L2 cache, 256 KiB of f32.
const BLOCK: usize = 64 * 1024;
/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = crate::cpu::threads::grain::PRODUCT;

/// `dw[o, r] = Σ dy[o, column] · columns[r, column]`, as its transpose: then the rows of both operands run along the columns,
/// and `dy`, which is the smaller one, is what is packed.
///
/// The sum is cut after as many columns as the matrix kernels sum at once, so its order depends on sizes only. Threads
/// share the rows `r`.
pub(super) fn weight<T: Real + Element>(
    conv: &Conv,
    columns: &Columns,
    x: &[T],
    dy: &[T],
    accumulate: bool,
    dw: &mut [T],
) {
    let (m, k, per_image) = (conv.outputs, columns.rows(), columns.per_image());
    let all = per_image * columns.batch;
    if dw.is_empty() {
        return;
    }
    if let Some(shifted) = Shifted::new(columns) {
        return shifted.weight(m, x, dy, accumulate, dw);
    }
    // Tiles lie inside an image if it has enough columns for one.
    let block = if per_image >= T::K_BLOCK / 2 {
        per_image
    } else {
        all
    };
    let per_block = block.div_ceil(T::K_BLOCK).max(1);
    let size = block.div_ceil(per_block).max(1);
    let (tiles, groups) = (all / block.max(1) * per_block, columns.groups);
    let rows_at_once = (BLOCK / size).max(16).min(k);
    let parts = threads()
        .min(k)
        .min((m * k * all.max(1) * groups / PART_WORK).max(1));
    let (sums_room, columns_room, dy_room) = (k.div_ceil(parts) * m, rows_at_once * size, m * size);
    let room = sums_room + columns_room + dy_room;
    let mut rooms = Buffer::uninit(parts * room * size_of::<T>());
    let rooms = &mut rooms.as_mut_slice::<T>()[..parts * room];
    for group in 0..groups {
        for_rows(rooms, room, 1, |first, rooms| {
            for (i, room) in rooms.chunks_exact_mut(room).enumerate() {
                let rows = part(k, parts, first + i);
                let (sums, rest) = room.split_at_mut(sums_room);
                let (made, dy_block) = rest.split_at_mut(columns_room);
                sums.fill(T::default());
                for tile in 0..tiles {
                    let start = tile / per_block * block + tile % per_block * size;
                    let end = (start + size).min((tile / per_block + 1) * block);
                    let len = end - start;
                    let whole = start / per_image == (end - 1) / per_image;
                    let right = if whole {
                        let image = (start / per_image * groups + group) * m;
                        let from = &dy[image * per_image + start % per_image..];
                        Mat::strided(from, m, len, per_image, 1)
                    } else {
                        for run in columns.runs(start..end) {
                            for o in 0..m {
                                let channel = (run.image * groups + group) * m + o;
                                let [_, height, width] = columns.count;
                                let place = (run.at[0] * height + run.at[1]) * width + run.at[2];
                                dy_block[o * len + run.before..][..run.len]
                                    .copy_from_slice(&dy[channel * per_image + place..][..run.len]);
                            }
                        }
                        Mat::new(&dy_block[..m * len], m, len)
                    };
                    PackedB::with(right.t(), |right| {
                        let add = Epilogue {
                            accumulate: true,
                            ..Epilogue::default()
                        };
                        for from in rows.clone().step_by(rows_at_once) {
                            let now = from..(from + rows_at_once).min(rows.end);
                            let left = if whole && columns.is_source() {
                                let image = (start / per_image * groups + group) * k;
                                let first = (image + now.start) * per_image + start % per_image;
                                Mat::strided(&x[first..], now.len(), len, per_image, 1)
                            } else {
                                let made = &mut made[..now.len() * len];
                                columns.fill(x, group, now.clone(), start..end, len, made);
                                Mat::new(made, now.len(), len)
                            };
                            let sums = &mut sums[(now.start - rows.start) * m..];
                            gemm_packed(left, right, sums, m, add);
                        }
                    });
                }
            }
        });
        // Back from [k, m] to [m, k].
        let dw = &mut dw[group * m * k..(group + 1) * m * k];
        for i in 0..parts {
            for (j, r) in part(k, parts, i).enumerate() {
                let sums = &rooms[i * room + j * m..][..m];
                for (o, sum) in sums.iter().enumerate() {
                    let to = &mut dw[o * k + r];
                    *to = if accumulate { *to + *sum } else { *sum };
                }
            }
        }
    }
}
