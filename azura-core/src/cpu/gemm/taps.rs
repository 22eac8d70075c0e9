//! Products whose right-hand side is read where it is, once under each tap of a kernel: row `(channel, tap)` of B begins at the
//! tap's offset, `channel` strides on, so a convolution needs no columns of its input.

use super::tile::{Kernels, Tile};
use super::{Mat, Real, part, transpose};
use crate::cpu::simd::InstructionSet;
use std::ops::Range;

/// Weights `[M, channels, taps]`, packed in the order in which the micro-kernel reads them: for each chunk of the channels
/// and each tile of rows, `(tap, channel, row)`.
#[derive(Clone, Copy)]
pub(crate) struct TapWeights<'a, T> {
    rows: usize,
    channels: usize,
    taps: usize,
    data: &'a [T],
}

/// Lines of a source: the same columns under every tap and in every channel.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a, T> {
    /// From the first column of the first line on, in channel 0 and before a tap's offset is added.
    pub data: &'a [T],
    /// To the next channel.
    pub channel: usize,
    /// To the next line.
    pub line: usize,
    /// To what each tap reads.
    pub offsets: &'a [usize],
    pub count: usize,
    /// Columns of a line.
    pub cols: usize,
}

/// Lines at most that [`add_tap_gradient`] takes.
pub(crate) const MOST_LINES: usize = 64;

impl<T> Lines<'_, T> {
    /// The elements that are read if a line has `cols` columns.
    pub(crate) fn extent(&self, channels: usize, cols: usize) -> usize {
        let last = self.offsets.iter().max().map_or(0, |last| last + 1);
        (channels - 1) * self.channel + (self.count - 1) * self.line + last + cols - 1
    }
}

/// Chunks of the channels whose sums are one chain: with all taps as long as a block of k.
fn chunks<T: Real>(channels: usize, taps: usize) -> impl Iterator<Item = Range<usize>> {
    let count = channels.div_ceil((T::K_BLOCK / taps.max(1)).max(1));
    (0..count).map(move |i| part(channels, count, i))
}

/// The rows of tile `t`.
fn tile<T>(kernels: &Kernels<T>, rows: usize, t: usize) -> Range<usize> {
    part(rows, rows.div_ceil(kernels.tiles.len()), t)
}

impl<'a, T: Real> TapWeights<'a, T> {
    /// Packs the weights `w(row, channel, tap)` into `data`, which has `rows · channels · taps` elements.
    pub(crate) fn pack(
        data: &'a mut [T],
        [rows, channels, taps]: [usize; 3],
        w: impl Fn(usize, usize, usize) -> T,
    ) -> Self {
        let kernels = T::kernels(InstructionSet::current());
        let mut to = data.iter_mut();
        for chunk in chunks::<T>(channels, taps) {
            for t in 0..rows.div_ceil(kernels.tiles.len()) {
                for tap in 0..taps {
                    for channel in chunk.clone() {
                        for (row, to) in tile(kernels, rows, t).zip(&mut to) {
                            *to = w(row, channel, tap);
                        }
                    }
                }
            }
        }
        assert_eq!(to.len(), 0, "the weights fill their room");
        Self::packed(data, [rows, channels, taps])
    }

    /// Weights that [`TapWeights::pack`] left in `data`.
    pub(crate) fn packed(data: &'a [T], [rows, channels, taps]: [usize; 3]) -> Self {
        assert_eq!(data.len(), rows * channels * taps, "all weights");
        TapWeights {
            rows,
            channels,
            taps,
            data,
        }
    }

    /// `C[row, line, column] = Σ w[row, channel, tap] · source[channel, tap, line, column] + bias[row]`, on this thread. Rows of C are
    /// `row` apart, lines `line`.
    ///
    /// # Safety
    /// The lines of C can be written, and nobody else accesses them.
    ///
    /// # Panics
    /// If the source does not hold all that is read, which is whole vectors of columns.
    pub(crate) unsafe fn product(
        &self,
        source: Lines<'_, T>,
        bias: Option<&[T]>,
        c: *mut T,
        [row, line]: [usize; 2],
    ) {
        let kernels = T::kernels(InstructionSet::current());
        let (lanes, unit) = (kernels.lanes, kernels.width(source.cols));
        let tiles = self.rows.div_ceil(kernels.tiles.len());
        let at_once = kernels.m_block / kernels.tiles.len();
        let extent = source.extent(self.channels, source.cols.next_multiple_of(lanes));
        assert!(
            source.offsets.len() == self.taps
                && extent <= source.data.len()
                && bias.is_none_or(|bias| bias.len() == self.rows),
            "an offset for each tap, a source for all of them, a bias for each row"
        );
        for chunk in chunks::<T>(self.channels, self.taps) {
            let finish = chunk.end == self.channels;
            for first in (0..tiles).step_by(at_once) {
                for (i, j) in panels(source.count, source.cols, unit) {
                    let cols = (source.cols - j).min(unit);
                    let b = &source.data[chunk.start * source.channel + i * source.line + j..];
                    for t in first..(first + at_once).min(tiles) {
                        let rows = tile(kernels, self.rows, t);
                        let start =
                            self.taps * (chunk.start * self.rows + rows.start * chunk.len());
                        let bias = bias.filter(|_| finish).map(|bias| &bias[rows.start..]);
                        let tile = Tile {
                            k: chunk.len(),
                            blocks: source.offsets,
                            a: self.data[start..].as_ptr(),
                            a_row: 1,
                            a_col: rows.len(),
                            a_skip: 0,
                            b: b.as_ptr(),
                            b_row: source.channel,
                            c: c.wrapping_add(rows.start * row + i * line + j),
                            c_row: row,
                            last: (cols - 1) % lanes + 1,
                            add: chunk.start > 0,
                            bias: bias.map_or(std::ptr::null(), <[T]>::as_ptr),
                            bias_step: 0,
                            bias_row: 1,
                            relu: false,
                        };
                        let run = kernels.tiles[rows.len() - 1][cols.div_ceil(lanes) - 1];
                        // SAFETY: the kernel is of the tile's size and of this processor's set; tiles and chunks of the weights follow
                        // each other without gaps; the source was measured above; C is the caller's contract.
                        unsafe { run(&tile) };
                    }
                }
            }
        }
    }
}

/// Lines and first columns of the panels that they are cut into.
fn panels(lines: usize, cols: usize, unit: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..lines).flat_map(move |i| (0..cols).step_by(unit).map(move |j| (i, j)))
}

/// `sums[tap, channel, o] += Σ source[channel, tap, line, column] · dy(line)[o, column]`, on this thread; `packed` is room for `dy` of
/// a panel of outputs.
///
/// # Panics
/// If sizes do not fit each other, or there are more than [`MOST_LINES`].
pub(crate) fn add_tap_gradient<'a, T: Real>(
    source: Lines<'_, T>,
    [channels, outputs]: [usize; 2],
    dy: impl Fn(usize) -> Mat<'a, T>,
    packed: &mut [T],
    sums: &mut [T],
) {
    let kernels = T::kernels(InstructionSet::current());
    let (lanes, unit, height) = (kernels.lanes, kernels.width(outputs), kernels.tiles.len());
    assert!(
        source.extent(channels, source.cols) <= source.data.len()
            && sums.len() == source.offsets.len() * channels * outputs,
        "a source for all channels and taps, and a sum for each"
    );
    for j in (0..outputs).step_by(unit) {
        let outs = j..(j + unit).min(outputs);
        let width = outs.len().next_multiple_of(lanes);
        let mut blocks = [0; MOST_LINES];
        let blocks = &mut blocks[..source.count];
        for (i, block) in blocks.iter_mut().enumerate() {
            *block = i * source.cols * width;
            let to = &mut packed[*block..][..source.cols * width];
            transpose(dy(i).rows(outs.clone()), to, width);
        }
        for (offset, sums) in source
            .offsets
            .iter()
            .zip(sums.chunks_exact_mut(channels * outputs))
        {
            for t in 0..channels.div_ceil(height) {
                let rows = tile(kernels, channels, t);
                let tile = Tile {
                    k: source.cols,
                    blocks,
                    a: source.data[offset + rows.start * source.channel..].as_ptr(),
                    a_row: source.channel,
                    a_col: 1,
                    a_skip: source.line - source.cols,
                    b: packed.as_ptr(),
                    b_row: width,
                    c: sums[rows.start * outputs + j..].as_mut_ptr(),
                    c_row: outputs,
                    last: (outs.len() - 1) % lanes + 1,
                    add: true,
                    bias: std::ptr::null(),
                    bias_step: 0,
                    bias_row: 0,
                    relu: false,
                };
                let run = kernels.tiles[rows.len() - 1][outs.len().div_ceil(lanes) - 1];
                // SAFETY: the kernel is of the tile's size and of this processor's set; source and sums were measured above;
                // every line of the panel was packed, and what its last vector has beyond is anything.
                unsafe { run(&tile) };
            }
        }
    }
}
