//! `dw = Gᵀ [ Σ_tiles (A dy Aᵀ) ⊙ (Bᵀ x B) ] G`.

use super::blocks::Blocks;
use super::transform::{GROUP, POINTS, Transforms};
use super::{OUTPUTS, ROOM, TILES, Winograd, line_room, point_room};
use crate::buffer::Buffer;
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Epilogue, Mat, gemm_at};
use crate::cpu::threads::{for_rows, part};

/// Parts of the images whose sums are made on their own: as many threads have something to do where there are few channels.
const CHUNKS: usize = 8;

impl Winograd {
    /// The gradient of the weights, added to `dw` if `accumulate`; `false`, and `dw` as before, if something in it is not
    /// finite.
    pub fn weight(&self, x: &[f32], dy: &[f32], accumulate: bool, dw: &mut [f32]) -> bool {
        let transforms = Transforms::current();
        let (batch, groups) = (self.batch, self.groups);
        let [down, across] = self.tiles();
        // Blocks of outputs and of channels whose sums stay in the cache, with all places or an eighth of the images.
        let sides = [self.outputs, self.channels].map(|size| size.div_ceil(OUTPUTS));
        let widest =
            [self.outputs, self.channels].map(|size| size.min(OUTPUTS).next_multiple_of(GROUP));
        let most = (ROOM / (POINTS * (widest[0] + widest[1]))).clamp(TILES.start, TILES.end);
        let blocks = Blocks::new(batch, [down, across], most);
        let chunks = (CHUNKS / (sides[0] * sides[1] * groups)).clamp(1, blocks.count());
        let units = groups * sides[0] * sides[1] * chunks;
        let size = 9 * widest[0] * widest[1];
        let mut partial = Buffer::uninit(units * size * size_of::<f32>());
        let partial = &mut partial.as_mut_slice::<f32>()[..units * size];
        let most = blocks.most();
        let cols = across.div_ceil(blocks.parts[1]);
        let rooms = [
            POINTS * point_room(most, widest[0]),
            POINTS * point_room(most, widest[1]),
            POINTS * point_room(widest[0], widest[1]),
            line_room(cols, 6),
        ];
        let place = |unit: usize| {
            let (which, chunk) = (unit / chunks, unit % chunks);
            let (group, which) = (which / (sides[0] * sides[1]), which % (sides[0] * sides[1]));
            let outputs = part(self.outputs, sides[0], which / sides[1]);
            let channels = part(self.channels, sides[1], which % sides[1]);
            (group, outputs, channels, chunk)
        };
        for_rows(partial, size, 1, |first, partial| {
            with_slice(rooms.iter().sum(), |room: &mut [f32]| {
                let (right, room) = room.split_at_mut(rooms[0]);
                let (left, room) = room.split_at_mut(rooms[1]);
                let (sums, lines) = room.split_at_mut(rooms[2]);
                for (i, partial) in partial.chunks_exact_mut(size).enumerate() {
                    let (group, outputs, channels, chunk) = place(first + i);
                    let widths =
                        [outputs.len(), channels.len()].map(|size| size.next_multiple_of(GROUP));
                    let step = point_room(outputs.len(), widths[1]);
                    for (j, i) in part(blocks.count(), chunks, chunk).enumerate() {
                        let block = blocks.block(i);
                        let count = block.tiles();
                        let target = (&mut *right, widths[0]);
                        let range = outputs.clone();
                        self.transform_gradient(
                            transforms, dy, group, range, &block, lines, target,
                        );
                        let target = (&mut *left, widths[1]);
                        let range = channels.clone();
                        self.transform_input(transforms, x, group, range, &block, lines, target);
                        for point in 0..POINTS {
                            let [a, b] = [0, 1].map(|i| point * point_room(count, widths[i]));
                            let a = Mat::strided(&right[a..], count, outputs.len(), widths[0], 1);
                            let b = Mat::new(&left[b..][..count * widths[1]], count, widths[1]);
                            let sums = &mut sums[point * step..][..outputs.len() * widths[1]];
                            let add = Epilogue {
                                accumulate: j > 0,
                                ..Epilogue::default()
                            };
                            // SAFETY: the line above; the room is this thread's own.
                            unsafe { gemm_at(a.t(), b, sums.as_mut_ptr(), widths[1], add) };
                        }
                    }
                    let mut taps = [[0.0; GROUP]; 9];
                    for output in 0..outputs.len() {
                        for at in (0..widths[1]).step_by(GROUP) {
                            let sums = &sums[output * widths[1] + at..];
                            assert!(sums.len() >= (POINTS - 1) * step + GROUP, "all points");
                            // SAFETY: `current` knows the processor; the line above.
                            unsafe { (transforms.taps)(sums.as_ptr(), step, &mut taps) };
                            for (tap, values) in taps.iter().enumerate() {
                                let to = (tap * widest[0] + output) * widest[1] + at;
                                partial[to..to + GROUP].copy_from_slice(values);
                            }
                        }
                    }
                }
            });
        });
        let partial = &*partial;
        let finite = |unit: usize, partial: &[f32]| {
            let (_, outputs, channels, _) = place(unit);
            partial.chunks_exact(widest[0] * widest[1]).all(|tap| {
                let rows = tap.chunks_exact(widest[1]).take(outputs.len());
                rows.flat_map(|row| &row[..channels.len()])
                    .fold(0.0, |sum, x| x * 0.0 + sum)
                    == 0.0
            })
        };
        if !partial
            .chunks_exact(size)
            .enumerate()
            .all(|(unit, partial)| finite(unit, partial))
        {
            return false;
        }
        for unit in 0..units {
            let (group, outputs, channels, chunk) = place(unit);
            let partial = &partial[unit * size..][..size];
            for (i, output) in outputs.enumerate() {
                let row = (group * self.outputs + output) * self.channels;
                for tap in 0..9 {
                    let from = &partial[(tap * widest[0] + i) * widest[1]..][..channels.len()];
                    for (channel, x) in channels.clone().zip(from) {
                        let to = &mut dw[(row + channel) * 9 + tap];
                        *to = if accumulate || chunk > 0 {
                            *to + *x
                        } else {
                            *x
                        };
                    }
                }
            }
        }
        true
    }
}
