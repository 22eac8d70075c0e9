//! Convolutions of 3 × 3 by F(4 × 4, 3 × 3) of Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016,
//! arXiv:1509.09308): each tile of 4 × 4 results takes 36 products for a pair of channels instead of 144.
//!
//! | direction           | formula                                              |
//! |---------------------|------------------------------------------------------|
//! | forward             | `y = Aᵀ [ Σ_c (G w Gᵀ) ⊙ (Bᵀ x B) ] A`               |
//! | gradient of x       | the same, with the kernel turned round               |
//! | gradient of weights | `dw = Gᵀ [ Σ_tiles (A dy Aᵀ) ⊙ (Bᵀ x B) ] G`         |
//!
//! The matrices are in [`transform`]. Each of the 36 points is a product of matrices: tiles × channels by channels × outputs, or
//! outputs × tiles by tiles × channels. Planes are turned a group of channels at a time, so that channels stand side by side:
//! then the transforms are whole vectors for any image, and products read their results where they are. Tiles are taken
//! in blocks of which everything stays in the L2 cache.
//!
//! Rounding: the transforms multiply the error by 2 to 3. It stays below `4 · √k · ε` of the largest result, k the terms of a sum, with f32
//! (a test measures it); f64 is never computed this way. What is not finite would spread over its tile, and
//! large numbers overflow earlier than in the direct sums, so a result with an infinity or NaN is computed again, directly.

mod blocks;
mod transform;
mod weight;

use super::Conv;
use crate::buffer::Buffer;
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Epilogue, Mat, gemm_at, transpose, transpose_at};
use crate::cpu::simd::prefetch_all;
use crate::cpu::threads::{Shared, parallel, part, split, threads};
use blocks::{Block, Blocks};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use transform::{GROUP, POINTS, Steps, Transforms};

/// Results of a tile along each axis.
const TILE: usize = 4;
/// Elements of the transformed tiles of a block, of both sides of a product: with f32 three quarters of a 1 MiB L2 cache.
const ROOM: usize = 192 * 1024;
/// Tiles of a block: with fewer the weights would be read too often, and with more rows than these products copy all of them.
const TILES: Range<usize> = 24..80;
/// Outputs whose products are made together.
const OUTPUTS: usize = 64;
/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = crate::cpu::threads::grain::PRODUCT;
/// Sixteen kernels to be transformed that are.
const WEIGHTS: usize = 64;

/// A convolution of 3 × 3, without stride or dilation, of planes `source` to planes `target`.
pub(super) struct Winograd {
    batch: usize,
    groups: usize,
    /// Of one group.
    channels: usize,
    outputs: usize,
    source: [usize; 2],
    target: [usize; 2],
    padding: [usize; 2],
}

/// Where the weights of a convolution are.
pub(super) struct Weights<'a> {
    pub data: &'a [f32],
    /// From one output, and from one channel, of the same group to the next.
    pub output: usize,
    pub channel: usize,
    /// From one group to the next.
    pub group: usize,
    /// The last tap is the first.
    pub turned: bool,
}

/// Lines of a strip of tiles, `[line][column][GROUP]`, the last few of which are kept.
fn line_room(cols: usize, lines: usize) -> usize {
    lines * (TILE * cols + 2) * GROUP
}

/// Points stand a cache line more than their size apart: a power of two would put all of a tile into few sets of the cache.
fn point_room(tiles: usize, width: usize) -> usize {
    tiles * width + GROUP
}

impl Winograd {
    /// `None` where the direct way is the only one.
    fn new(conv: &Conv, turned: bool) -> Option<Self> {
        let plain = conv.kernel == [1, 3, 3]
            && conv.stride == [1; 3]
            && conv.dilation == [1; 3]
            && conv.x[0] == 1
            && conv.padding[0] == 0
            && conv.padding[1..].iter().all(|&size| size <= 2);
        let [source, target] = [conv.x, conv.y].map(|[_, height, width]| [height, width]);
        let padding = [conv.padding[1], conv.padding[2]];
        let this = if turned {
            Winograd {
                batch: conv.batch,
                groups: conv.groups,
                channels: conv.outputs,
                outputs: conv.inputs,
                source: target,
                target: source,
                padding: padding.map(|size| 2 - size.min(2)),
            }
        } else {
            Winograd {
                batch: conv.batch,
                groups: conv.groups,
                channels: conv.inputs,
                outputs: conv.outputs,
                source,
                target,
                padding,
            }
        };
        plain.then_some(this)
    }

    /// For [`product`](Winograd::product) of x.
    pub fn forward(conv: &Conv) -> Option<Self> {
        Self::new(conv, false).filter(|this| this.pays(true))
    }

    /// For [`product`](Winograd::product) of dy.
    pub fn input(conv: &Conv) -> Option<Self> {
        Self::new(conv, true).filter(|this| this.pays(true))
    }

    /// For [`weight`](Winograd::weight).
    pub fn gradient(conv: &Conv) -> Option<Self> {
        Self::new(conv, false).filter(|this| this.pays(false))
    }

    /// Whether tiles take less time than the direct way. On one thread of a server processor, 64 channels to 64 (GFLOP/s of the direct way):
    ///
    /// | images       | direct | by tiles |     | channels, tiles | direct | by tiles |
    /// |--------------|--------|----------|-----|-----------------|--------|----------|
    /// | 64 of 5 × 5  | 56     | 139      |     | 256, 16         | 103    | 101      |
    /// | 64 of 7 × 7  | 62     | 252      |     | 256, 64         | 106    | 204      |
    /// | 32 of 9 × 9  | 107    | 188      |     | 512, 32         | 114    | 88       |
    /// | 64 of 32 × 32 | 118   | 219      |     | 512, 64         | 117    | 130      |
    ///
    /// 16 channels to 16 of 32 × 32: 131 and 155; 20 channels, which are computed as 32: 136 and 130.
    fn pays(&self, weights: bool) -> bool {
        let tiles = self.batch * self.tiles().iter().product::<usize>();
        let places = self.batch * self.target.iter().product::<usize>();
        self.channels >= 16
            && self.outputs >= 16
            // Transformed weights are four times as many and read once for each block.
            && tiles >= 16
            && (!weights || tiles * 4096 >= self.channels * self.outputs)
            // Lines of one or two places fill too little of a tile.
            && places >= 6 * tiles
            && self.groups > 0
            && self.source.iter().all(|&size| size > 0)
    }

    fn tiles(&self) -> [usize; 2] {
        self.target.map(|size| size.div_ceil(TILE))
    }

    /// Writes elements `[from, from + len)` of line `line` of up to [`GROUP`] channels, `[len, GROUP]`; 0 beyond the plane.
    fn turn_line(
        planes: &[f32],
        channels: usize,
        [height, width]: [usize; 2],
        [line, from]: [isize; 2],
        len: usize,
        to: &mut [f32],
    ) {
        let to = &mut to[..len * GROUP];
        if line < 0 || line >= height as isize {
            return to.fill(0.0);
        }
        let left = ((-from).max(0) as usize).min(len);
        let right = ((width as isize - from).max(0) as usize).min(len).max(left);
        to[..left * GROUP].fill(0.0);
        to[right * GROUP..].fill(0.0);
        let first = line as usize * width + (from + left as isize) as usize;
        let plane = height * width;
        for piece in pieces(right - left) {
            let planes = &planes[first + piece.start..];
            let lines = Mat::strided(planes, channels, piece.len(), plane, 1);
            transpose(lines, &mut to[(left + piece.start) * GROUP..], GROUP);
        }
    }

    /// Asks for elements `[from, from + len)` of [`TILE`] lines from `line` on of up to [`GROUP`] channels: so few of each that no
    /// processor sees the next ones coming.
    fn ask_lines(
        planes: *const f32,
        channels: usize,
        [height, width]: [usize; 2],
        [line, from]: [isize; 2],
        len: usize,
    ) {
        let lines =
            line.clamp(0, height as isize)..(line + TILE as isize).clamp(0, height as isize);
        let first = from.clamp(0, width as isize) as usize;
        let len = (from + len as isize).clamp(0, width as isize) as usize - first;
        for channel in 0..channels {
            for line in lines.clone() {
                let at = (channel * height + line as usize) * width + first;
                prefetch_all(planes.wrapping_add(at), len);
            }
        }
    }

    /// `Bᵀ x B` of the tiles of a block, of `channels` of a group, to `[POINTS, tiles, width]`.
    #[allow(clippy::too_many_arguments)] // A source, what of it, a room and a target.
    fn transform_input(
        &self,
        transforms: &Transforms,
        source: &[f32],
        group: usize,
        channels: Range<usize>,
        block: &Block,
        room: &mut [f32],
        (to, width): (&mut [f32], usize),
    ) {
        let plane = self.source[0] * self.source[1];
        let steps = Steps {
            point: point_room(block.tiles(), width),
            tile: width,
        };
        let (cols, len) = (block.cols.len(), TILE * block.cols.len() + 2);
        assert!(
            to.len() >= POINTS * steps.point && room.len() >= line_room(cols, 6),
            "room for all tiles and for six lines"
        );
        let from = (block.cols.start * TILE) as isize - self.padding[1] as isize;
        let mut tile = 0;
        for image in block.images.clone() {
            let first = (image * self.groups + group) * self.channels + channels.start;
            for at in (0..channels.len()).step_by(GROUP) {
                let count = (channels.len() - at).min(GROUP);
                let planes = &source[(first + at) * plane..][..count * plane];
                let mut next = block.rows.start * TILE;
                for (i, row) in block.rows.clone().enumerate() {
                    let end = (row + 1) * TILE + 2;
                    for line in next..end {
                        let slot = &mut room[line % 6 * len * GROUP..];
                        let at = [line as isize - self.padding[0] as isize, from];
                        Self::turn_line(planes, count, self.source, at, len, slot);
                    }
                    next = end;
                    let ahead = [end as isize - self.padding[0] as isize, from];
                    Self::ask_lines(planes.as_ptr(), count, self.source, ahead, len);
                    let mut lines = [room.as_ptr(); 6];
                    for (j, line) in lines.iter_mut().enumerate() {
                        *line = room[(row * TILE + j) % 6 * len * GROUP..].as_ptr();
                    }
                    let to = &mut to[(tile + i * cols) * width + at..];
                    // SAFETY: `current` knows the processor; both rooms were measured above.
                    unsafe { (transforms.input)(lines, cols, to.as_mut_ptr(), steps) };
                }
            }
            tile += block.rows.len() * cols;
        }
    }

    /// `A dy Aᵀ`, as [`Winograd::transform_input`].
    #[allow(clippy::too_many_arguments)] // A source, what of it, a room and a target.
    fn transform_gradient(
        &self,
        transforms: &Transforms,
        dy: &[f32],
        group: usize,
        outputs: Range<usize>,
        block: &Block,
        room: &mut [f32],
        (to, width): (&mut [f32], usize),
    ) {
        let plane = self.target[0] * self.target[1];
        let steps = Steps {
            point: point_room(block.tiles(), width),
            tile: width,
        };
        let (cols, len) = (block.cols.len(), TILE * block.cols.len());
        assert!(
            to.len() >= POINTS * steps.point && room.len() >= line_room(cols, 6),
            "room for all tiles and for six lines"
        );
        let from = (block.cols.start * TILE) as isize;
        let mut tile = 0;
        for image in block.images.clone() {
            let first = (image * self.groups + group) * self.outputs + outputs.start;
            for row in block.rows.clone() {
                for at in (0..outputs.len()).step_by(GROUP) {
                    let count = (outputs.len() - at).min(GROUP);
                    let planes = &dy[(first + at) * plane..][..count * plane];
                    let mut lines = [room.as_ptr(); 4];
                    for (j, slot) in room.chunks_exact_mut(len * GROUP).take(TILE).enumerate() {
                        let at = [(row * TILE + j) as isize, from];
                        Self::turn_line(planes, count, self.target, at, len, slot);
                        lines[j] = slot.as_ptr();
                    }
                    let ahead = [((row + 1) * TILE) as isize, from];
                    Self::ask_lines(planes.as_ptr(), count, self.target, ahead, len);
                    let to = &mut to[tile * width + at..];
                    // SAFETY: `current` knows the processor; both rooms were measured above.
                    unsafe { (transforms.gradient)(lines, cols, to.as_mut_ptr(), steps) };
                }
                tile += cols;
            }
        }
    }

    /// `Aᵀ m A + bias` of the tiles of a block, for some outputs of a group; whether all is finite.
    ///
    /// # Safety
    /// Nobody else accesses the block's places of `out`, a whole result.
    #[allow(clippy::too_many_arguments)] // A source, a room and what of the target.
    unsafe fn transform_output(
        &self,
        transforms: &Transforms,
        from: &[f32],
        width: usize,
        group: usize,
        outputs: Range<usize>,
        bias: Option<&[f32]>,
        block: &Block,
        room: &mut [f32],
        out: *mut f32,
    ) -> bool {
        let [height, row_len] = self.target;
        let plane = height * row_len;
        let steps = Steps {
            point: point_room(block.tiles(), width),
            tile: width,
        };
        let (cols, len) = (block.cols.len(), TILE * block.cols.len());
        assert!(
            from.len() >= POINTS * steps.point && room.len() >= line_room(cols, 6),
            "all tiles, and room for four lines"
        );
        let (left, mut finite, mut tile) = (block.cols.start * TILE, true, 0);
        let valid = len.min(row_len - left);
        let (room, narrow) = room.split_at_mut(TILE * len * GROUP);
        for image in block.images.clone() {
            for row in block.rows.clone() {
                for at in (0..outputs.len()).step_by(GROUP) {
                    let first = group * self.outputs + outputs.start + at;
                    let count = (outputs.len() - at).min(GROUP);
                    let mut added = [0.0; GROUP];
                    if let Some(bias) = bias {
                        added[..count].copy_from_slice(&bias[first..first + count]);
                    }
                    let mut lines = [room.as_mut_ptr(); TILE];
                    for (line, slot) in lines.iter_mut().zip(room.chunks_exact_mut(len * GROUP)) {
                        *line = slot.as_mut_ptr();
                    }
                    let channel = image * self.groups * self.outputs + first;
                    let place = [(row * TILE) as isize, left as isize];
                    let planes = out.wrapping_add(channel * plane);
                    Self::ask_lines(planes, count, self.target, place, len);
                    let from = &from[tile * width + at..];
                    // SAFETY: `current` knows the processor; both rooms were measured above.
                    finite &=
                        unsafe { (transforms.output)(from.as_ptr(), steps, &added, cols, lines) };
                    let below = (height - row * TILE).min(TILE);
                    for (j, slot) in room.chunks_exact(len * GROUP).take(below).enumerate() {
                        let to = channel * plane + (row * TILE + j) * row_len + left;
                        for piece in pieces(valid) {
                            let values = Mat::new(&slot[piece.start * GROUP..], piece.len(), GROUP);
                            let values = values.cols(0..count);
                            if piece.len().is_multiple_of(8) {
                                // More planes at once, a power of two apart, would drive each other out of the nearest cache.
                                for i in (0..count).step_by(8) {
                                    let values = values.cols(i..(i + 8).min(count));
                                    let to = out.wrapping_add(to + i * plane + piece.start);
                                    // SAFETY: whole blocks of eight elements of lines of this block.
                                    unsafe { transpose_at(values, to, plane) };
                                }
                                continue;
                            }
                            transpose(values, narrow, 8);
                            for (i, values) in narrow.chunks_exact(8).take(count).enumerate() {
                                let to = out.wrapping_add(to + i * plane);
                                for (j, x) in values[..piece.len()].iter().enumerate() {
                                    // SAFETY: elements of lines of this block.
                                    unsafe { to.add(j).write(*x) };
                                }
                            }
                        }
                    }
                }
                tile += cols;
            }
        }
        finite
    }

    /// `G w Gᵀ` of all weights, as [`product`](Winograd::product) reads them: `[group, outputs / OUTPUTS, POINTS, channels, outputs]`.
    fn transform_weights(&self, transforms: &Transforms, w: &Weights<'_>, to: &mut [f32]) {
        let (channels, width) = (self.channels, self.outputs.next_multiple_of(GROUP));
        let units = self.groups * width / GROUP;
        let parts = split(units, WEIGHTS.div_ceil(channels));
        assert_eq!(
            to.len(),
            self.groups * POINTS * channels * width,
            "room for all points"
        );
        let to = Shared(to.as_mut_ptr());
        parallel(parts, |i| {
            for unit in part(units, parts, i) {
                let (group, at) = (unit * GROUP / width, unit * GROUP % width);
                let (start, count) = (at / OUTPUTS * OUTPUTS, (self.outputs - at).min(GROUP));
                let wide = (width - start).min(OUTPUTS);
                let first = POINTS * channels * (group * width + start) + at - start;
                let mut taps = [[0.0; GROUP]; 9];
                for channel in 0..channels {
                    let from = group * w.group + at * w.output + channel * w.channel;
                    for i in 0..count {
                        let from: &[f32] = &w.data[from + i * w.output..][..9];
                        for (j, taps) in taps.iter_mut().enumerate() {
                            taps[i] = from[if w.turned { 8 - j } else { j }];
                        }
                    }
                    let to = to.get().wrapping_add(first + channel * wide);
                    // SAFETY: `current` knows the processor; each unit has columns of its own in the blocks of outputs, which make up
                    // the room that was measured above.
                    unsafe { (transforms.weights)(&taps, to, channels * wide) };
                }
            }
        });
    }

    /// `out = source ⋆ w + bias`, all of it; `false` if something in it is not finite, and then to be computed another way.
    pub fn product(
        &self,
        source: &[f32],
        w: &Weights<'_>,
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) -> bool {
        let transforms = Transforms::current();
        let (batch, groups, channels, outputs) =
            (self.batch, self.groups, self.channels, self.outputs);
        let (width, all) = (
            channels.next_multiple_of(GROUP),
            outputs.next_multiple_of(GROUP),
        );
        assert!(
            source.len() == batch * groups * channels * self.source[0] * self.source[1]
                && out.len() == batch * groups * outputs * self.target[0] * self.target[1]
                && bias.is_none_or(|bias| bias.len() == groups * outputs),
            "whole planes, and a bias for each"
        );
        let mut transformed = Buffer::uninit(groups * POINTS * channels * all * size_of::<f32>());
        let transformed = transformed.as_mut_slice::<f32>();
        self.transform_weights(transforms, w, transformed);
        let transformed = &*transformed;
        let [down, across] = self.tiles();
        // Every thread gets something to do; where a tile lies in a block decides no bit.
        let fair = (batch * groups * down * across).div_ceil(threads());
        let blocks = Blocks::new(batch, [down, across], self.most_tiles().min(fair).max(1));
        let units = blocks.count() * groups;
        let work = POINTS * batch * groups * down * across * channels * outputs;
        let parts = threads().min(units).min((work / PART_WORK).max(1));
        let most = blocks.most();
        let cols = across.div_ceil(blocks.parts[1]);
        let rooms = [
            POINTS * point_room(most, width),
            POINTS * point_room(most, all.min(OUTPUTS)),
            line_room(cols, 6) + 8 * GROUP,
        ];
        let (to, finite) = (Shared(out.as_mut_ptr()), AtomicBool::new(true));
        parallel(parts, |i| {
            with_slice(rooms.iter().sum(), |room: &mut [f32]| {
                let (tiles, room) = room.split_at_mut(rooms[0]);
                let (sums, lines) = room.split_at_mut(rooms[1]);
                for unit in part(units, parts, i) {
                    let (group, block) = (unit % groups, blocks.block(unit / groups));
                    let count = block.tiles();
                    let target = (&mut *tiles, width);
                    self.transform_input(
                        transforms,
                        source,
                        group,
                        0..channels,
                        &block,
                        lines,
                        target,
                    );
                    for start in (0..outputs).step_by(OUTPUTS) {
                        let wide = (all - start).min(OUTPUTS);
                        let size = channels * wide;
                        let weights = &transformed[POINTS * channels * (group * all + start)..]
                            [..POINTS * size];
                        let (from, step) = (point_room(count, width), point_room(count, wide));
                        let now = start..(start + wide).min(outputs);
                        for (point, weights) in weights.chunks_exact(size).enumerate() {
                            let tiles =
                                Mat::strided(&tiles[point * from..], count, channels, width, 1);
                            let weights = Mat::new(weights, channels, wide);
                            let sums = &mut sums[point * step..][..count * wide];
                            // SAFETY: the line above; the room is this thread's own.
                            unsafe {
                                gemm_at(
                                    tiles,
                                    weights,
                                    sums.as_mut_ptr(),
                                    wide,
                                    Epilogue::default(),
                                );
                            };
                        }
                        // SAFETY: blocks of different units share no place.
                        let ok = unsafe {
                            self.transform_output(
                                transforms,
                                sums,
                                wide,
                                group,
                                now,
                                bias,
                                &block,
                                lines,
                                to.get(),
                            )
                        };
                        if !ok {
                            finite.store(false, Ordering::Relaxed);
                        }
                    }
                }
            });
        });
        finite.into_inner()
    }

    /// Tiles of a block at most.
    fn most_tiles(&self) -> usize {
        let width = self.channels.next_multiple_of(GROUP)
            + self.outputs.next_multiple_of(GROUP).min(OUTPUTS);
        (ROOM / (POINTS * width)).clamp(TILES.start, TILES.end)
    }
}

/// `0..len` in pieces of a multiple of eight elements, which may overlap, if there are that many.
fn pieces(len: usize) -> impl Iterator<Item = Range<usize>> {
    let whole = len / 8 * 8;
    let rest = if whole == len {
        None
    } else {
        Some(len.saturating_sub(8)..len)
    };
    (whole > 0).then_some(0..whole).into_iter().chain(rest)
}
