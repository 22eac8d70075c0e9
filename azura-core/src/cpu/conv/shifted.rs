//! Convolutions whose columns are never made: under one tap, neighbouring columns read neighbours of the source, so the products
//! read the source itself, shifted. Before that a step is taken out (each residue becomes a plane of its own) and
//! the zeros of the padding are put in, for a strip of an image at a time; what needs neither is read in place.

use super::columns::{Columns, Tap};
use super::product::Target;
use crate::Element;
use crate::buffer::Buffer;
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Lines, MOST_LINES, Mat, Real, TapWeights, add_tap_gradient};
use crate::cpu::threads::{Shared, for_rows, parallel, part, threads};
use std::ops::Range;

/// Columns of a strip at most, and elements of its source: with f32 three eighths of a 1 MiB L2 cache.
const STRIP: usize = 512;
const ROOM: usize = 96 * 1024;
/// Lanes of the widest vectors: columns are read in whole ones.
const LANES: usize = 16;
/// Places of an image below which columns of several images together fill more of the vectors.
const FEWEST: usize = 64;
/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = crate::cpu::threads::grain::PRODUCT;

/// One axis of the columns: which residue of the source each tap reads, and where.
struct Axis {
    step: usize,
    /// The first element of a residue that any tap reads for column 0, and how much further the last tap reads.
    low: isize,
    reach: usize,
    residues: Vec<usize>,
    /// Which of the residues, and the element from `low` on.
    taps: Vec<[usize; 2]>,
}

impl Axis {
    fn new(taps: &[Tap], step: usize) -> Self {
        let size = step as isize;
        let low = taps.iter().map(|tap| tap.offset.div_euclid(size)).min();
        let low = low.unwrap_or(0);
        let mut residues = Vec::new();
        let mut read = Vec::new();
        for tap in taps {
            let residue = tap.offset.rem_euclid(size) as usize;
            let known = residues.iter().position(|&other| other == residue);
            let which = known.unwrap_or(residues.len());
            if known.is_none() {
                residues.push(residue);
            }
            read.push([which, (tap.offset.div_euclid(size) - low) as usize]);
        }
        Axis {
            step,
            low,
            reach: read.iter().map(|tap| tap[1]).max().unwrap_or(0),
            residues,
            taps: read,
        }
    }

    /// Where element 0 of a residue lies in the source for columns from `first` on; it may be outside.
    fn place(&self, residue: usize, first: usize) -> isize {
        (self.low + first as isize) * self.step as isize + self.residues[residue] as isize
    }

    /// Which of the first `len` elements of a residue lie in a source of this size.
    fn inside(&self, residue: usize, first: usize, len: usize, size: usize) -> Range<usize> {
        let at = self.place(residue, first);
        let until = |end: isize| ((end - at).max(0) as usize).div_ceil(self.step).min(len);
        until(0)..until(size as isize)
    }
}

/// Part of the places of one image, in one layer of the first axis.
#[derive(Clone)]
struct Strip {
    image: usize,
    layer: usize,
    lines: Range<usize>,
    cols: Range<usize>,
}

/// See the module.
pub(super) struct Shifted<'a> {
    columns: &'a Columns,
    y: Axis,
    x: Axis,
    /// Strips along the last two axes.
    strips: [usize; 2],
    /// Lines of a strip's source in one residue, and their length.
    lines: usize,
    wide: usize,
}

impl<'a> Shifted<'a> {
    /// `None` where columns are better: for single taps, few places, or lines so short that too much would be computed for
    /// the columns between them, which belong to no place.
    pub fn new(columns: &'a Columns) -> Option<Self> {
        let [_, height, width] = columns.count;
        let taps: usize = columns.taps.iter().map(Vec::len).product();
        if taps < 2 || columns.channels == 0 || height * width < FEWEST {
            return None;
        }
        let y = Axis::new(&columns.taps[1], columns.step[1]);
        let x = Axis::new(&columns.taps[2], columns.step[2]);
        let across = width.div_ceil(STRIP);
        let wide = width.div_ceil(across) + x.reach;
        if wide * across * 4 > width * 5 {
            return None;
        }
        let residues = y.residues.len() * x.residues.len();
        let line = columns.channels * columns.taps[0].len() * residues * wide;
        let most = (STRIP / wide).min((ROOM / line).saturating_sub(y.reach));
        let down = height.div_ceil(most.clamp(1, MOST_LINES));
        Some(Shifted {
            columns,
            lines: height.div_ceil(down) + y.reach,
            wide,
            strips: [down, across],
            y,
            x,
        })
    }

    fn strip_count(&self) -> usize {
        self.columns.batch * self.columns.count[0] * self.strips[0] * self.strips[1]
    }

    fn strip(&self, i: usize) -> Strip {
        let [layers, height, width] = self.columns.count;
        let [down, across] = self.strips;
        let (image, rest) = (i / (layers * down * across), i % (layers * down * across));
        Strip {
            image,
            layer: rest / (down * across),
            lines: part(height, down, rest / across % down),
            cols: part(width, across, rest % across),
        }
    }

    /// Elements of one channel of a strip's source under one tap of the first axis.
    fn block(&self) -> usize {
        self.y.residues.len() * self.x.residues.len() * self.lines * self.wide
    }

    /// Room for the source of a strip with this many channels, with the vector that is read beyond its end.
    fn room(&self, channels: usize) -> usize {
        (self.columns.taps[0].len() * channels * self.block()).next_multiple_of(LANES) + LANES
    }

    /// What each tap reads in a copied source, and in one that is in place.
    fn offsets(&self, channels: usize) -> [Vec<usize>; 2] {
        let [_, height, width] = self.columns.source;
        let low = self.low_layer();
        let (mut copied, mut in_place) = (Vec::new(), Vec::new());
        for (z, tap) in self.columns.taps[0].iter().enumerate() {
            for [down, y] in &self.y.taps {
                for [across, x] in &self.x.taps {
                    let residue = down * self.x.residues.len() + across;
                    let line = residue * self.lines + y;
                    copied.push(z * channels * self.block() + line * self.wide + x);
                    in_place.push(((tap.offset - low) as usize * height + y) * width + x);
                }
            }
        }
        [copied, in_place]
    }

    fn low_layer(&self) -> isize {
        let offsets = self.columns.taps[0].iter().map(|tap| tap.offset);
        offsets.min().unwrap_or(0)
    }

    /// Some channels of the source of a strip: in place, or copied to `room`.
    fn source<'s, T: Copy + Default>(
        &self,
        source: &'s [T],
        group: usize,
        channels: Range<usize>,
        strip: &Strip,
        [copied, in_place]: &'s [Vec<usize>; 2],
        room: &'s mut [T],
    ) -> Lines<'s, T> {
        let (columns, count, cols) = (self.columns, strip.lines.len(), strip.cols.len());
        let [_, height, width] = columns.source;
        let plane = columns.plane();
        let first = (strip.image * columns.groups + group) * columns.channels + channels.start;
        let all_inside = |axis: &Axis, first: usize, len: usize, size: usize| {
            axis.step == 1
                && axis.inside(0, first, len + axis.reach, size).len() == len + axis.reach
        };
        let layers = columns.taps[0].iter();
        if layers.clone().all(|tap| tap.inside.contains(&strip.layer))
            && all_inside(&self.y, strip.lines.start, count, height)
            && all_inside(&self.x, strip.cols.start, cols, width)
            && (count == 1 || width == self.wide)
        {
            let layer = (strip.layer * columns.step[0]).wrapping_add_signed(self.low_layer());
            let line = self.y.place(0, strip.lines.start) as usize;
            let start = first * plane
                + (layer * height + line) * width
                + self.x.place(0, strip.cols.start) as usize;
            let lines = Lines {
                data: &source[start..],
                channel: plane,
                line: width,
                offsets: in_place,
                count,
                cols,
            };
            if lines.extent(channels.len(), cols + LANES) <= lines.data.len() {
                return lines;
            }
        }
        let residues = [self.y.residues.len(), self.x.residues.len()];
        let blocks = room.chunks_exact_mut(self.lines * self.wide);
        let places = layers.flat_map(|tap| {
            let layer = (strip.layer * columns.step[0]).wrapping_add_signed(tap.offset);
            let layer = tap.inside.contains(&strip.layer).then_some(layer);
            channels.clone().flat_map(move |channel| {
                (0..residues[0] * residues[1]).map(move |residue| (layer, channel, residue))
            })
        });
        for ((layer, channel, residue), block) in places.zip(blocks) {
            let Some(layer) = layer else {
                block.fill(T::default());
                continue;
            };
            let (down, across) = (residue / residues[1], residue % residues[1]);
            let plane = &source[(first + channel - channels.start) * plane..][..plane];
            let plane = &plane[layer * height * width..][..height * width];
            let inside = self.y.inside(down, strip.lines.start, self.lines, height);
            let len = cols + self.x.reach;
            let cols = self.x.inside(across, strip.cols.start, len, width);
            for (i, to) in block.chunks_exact_mut(self.wide).enumerate() {
                if !inside.contains(&i) || cols.is_empty() {
                    to.fill(T::default());
                    continue;
                }
                let y = self.y.place(down, strip.lines.start) + (i * self.y.step) as isize;
                let x =
                    self.x.place(across, strip.cols.start) + (cols.start * self.x.step) as isize;
                let from = &plane[y as usize * width + x as usize..];
                to[..cols.start].fill(T::default());
                to[cols.end..].fill(T::default());
                let to = &mut to[cols.clone()];
                if self.x.step == 1 {
                    to.copy_from_slice(&from[..to.len()]);
                } else {
                    for (to, x) in to.iter_mut().zip(from.iter().step_by(self.x.step)) {
                        *to = *x;
                    }
                }
            }
        }
        Lines {
            data: room,
            channel: self.block(),
            line: self.wide,
            offsets: copied,
            count,
            cols,
        }
    }

    /// As [`product`](super::product::product).
    pub fn product<'m, T: Real + Element>(
        &self,
        source: &[T],
        a: impl Fn(usize) -> Mat<'m, T>,
        m: usize,
        bias: Option<&[T]>,
        target: &Target,
        out: &mut [T],
    ) {
        let columns = self.columns;
        let (groups, channels, k) = (columns.groups, columns.channels, columns.rows());
        let taps = k / channels;
        let mut packed = Buffer::uninit(groups * m * k * size_of::<T>());
        let packed = &mut packed.as_mut_slice::<T>()[..groups * m * k];
        for (group, packed) in packed.chunks_exact_mut(m * k).enumerate() {
            let a = a(group);
            let sizes = [m, channels, taps];
            TapWeights::pack(packed, sizes, |i, channel, tap| {
                a.get(i, channel * taps + tap)
            });
        }
        let packed = &*packed;
        let offsets = self.offsets(channels);
        let units = self.strip_count() * groups;
        let work = m * k * columns.per_image() * columns.batch * groups;
        let parts = threads().min(units).min((work / PART_WORK).max(1));
        let plane: usize = target.sizes.iter().product();
        let dense = target.step == [1; 3] && columns.count == target.sizes;
        let (to, len) = (Shared(out.as_mut_ptr()), out.len());
        let line_room = (self.lines * self.wide).next_multiple_of(LANES);
        parallel(parts, |i| {
            with_slice(self.room(channels) + m * line_room, |room| {
                let (room, block) = room.split_at_mut(self.room(channels));
                for unit in part(units, parts, i) {
                    let (group, strip) = (unit % groups, self.strip(unit / groups));
                    let weights =
                        TapWeights::packed(&packed[group * m * k..][..m * k], [m, channels, taps]);
                    let mut lines = self.source(source, group, 0..channels, &strip, &offsets, room);
                    let bias = bias.map(|bias| &bias[group * m..][..m]);
                    let first = (strip.image * groups + group) * m;
                    let at = |line: usize| {
                        let place = [strip.layer, line, strip.cols.start];
                        let at =
                            |axis: usize| target.origin[axis] + place[axis] * target.step[axis];
                        (at(0) * target.sizes[1] + at(1)) * target.sizes[2] + at(2)
                    };
                    let last = first * plane + (m - 1) * plane + at(strip.lines.end - 1);
                    assert!(
                        last + (lines.cols - 1) * target.step[2] < len,
                        "the strip lies in the result"
                    );
                    let whole = lines.cols.is_multiple_of(LANES) || lines.count == 1;
                    if dense && whole {
                        let c = to.get().wrapping_add(first * plane + at(strip.lines.start));
                        // SAFETY: the line above; strips of different parts share no place.
                        unsafe { weights.product(lines, bias, c, [plane, target.sizes[2]]) };
                        continue;
                    }
                    // Lines follow each other without a gap: one line with some columns to be dropped.
                    let (count, cols, line) = (lines.count, lines.cols, lines.line);
                    (lines.count, lines.cols) = (1, (count - 1) * line + cols);
                    // SAFETY: the block has room for the lines of each row, and is this thread's own.
                    unsafe { weights.product(lines, bias, block.as_mut_ptr(), [line_room, 0]) };
                    for (i, row) in block.chunks_exact(line_room).take(m).enumerate() {
                        for j in 0..count {
                            let from = &row[j * line..][..cols];
                            let at = (first + i) * plane + at(strip.lines.start + j);
                            for (q, x) in from.iter().enumerate() {
                                // SAFETY: the assertion above; strips of different parts share no place.
                                unsafe { to.get().add(at + q * target.step[2]).write(*x) };
                            }
                        }
                    }
                }
            });
        });
    }

    /// As [`weight`](super::weights::weight), for `m` outputs of a group.
    pub fn weight<T: Real + Element>(
        &self,
        m: usize,
        x: &[T],
        dy: &[T],
        accumulate: bool,
        dw: &mut [T],
    ) {
        let columns = self.columns;
        let (groups, channels, k) = (columns.groups, columns.channels, columns.rows());
        let (taps, per_image) = (k / channels, columns.per_image());
        let [_, height, width] = columns.count;
        // Threads share the channels or the outputs, whichever are more.
        let most = channels.max(m);
        let parts = threads()
            .min(most)
            .min((m * k * per_image * columns.batch / PART_WORK).max(1));
        let share = |i: usize| {
            let mine = part(most, parts, i);
            if channels >= m {
                (mine, 0..m)
            } else {
                (0..channels, mine)
            }
        };
        let room = most.div_ceil(parts) * channels.min(m) * taps;
        let mut rooms = Buffer::uninit(parts * room * size_of::<T>());
        let rooms = &mut rooms.as_mut_slice::<T>()[..parts * room];
        for group in 0..groups {
            for_rows(rooms, room, 1, |first, rooms| {
                for (i, sums) in rooms.chunks_exact_mut(room).enumerate() {
                    let (inputs, outputs) = share(first + i);
                    let sizes = [inputs.len(), outputs.len()];
                    let sums = &mut sums[..taps * inputs.len() * outputs.len()];
                    sums.fill(T::default());
                    let offsets = self.offsets(inputs.len());
                    let source_room = self.room(inputs.len());
                    // A panel of the widest vectors.
                    let dy_room = self.lines * self.wide * 3 * LANES;
                    with_slice(source_room + dy_room, |room| {
                        let (source, packed) = room.split_at_mut(source_room);
                        for strip in (0..self.strip_count()).map(|i| self.strip(i)) {
                            let lines =
                                self.source(x, group, inputs.clone(), &strip, &offsets, source);
                            let channel = (strip.image * groups + group) * m + outputs.start;
                            let dy = |line: usize| {
                                let line = strip.layer * height + strip.lines.start + line;
                                let at = channel * per_image + line * width + strip.cols.start;
                                Mat::strided(&dy[at..], outputs.len(), lines.cols, per_image, 1)
                            };
                            add_tap_gradient(lines, sizes, dy, packed, sums);
                        }
                    });
                }
            });
            // From [tap, input, output] of each part.
            let dw = &mut dw[group * m * k..][..m * k];
            for (i, sums) in rooms.chunks_exact(room).enumerate() {
                let (inputs, outputs) = share(i);
                let mut sums = sums.iter();
                for tap in 0..taps {
                    for input in inputs.clone() {
                        for (output, sum) in outputs.clone().zip(&mut sums) {
                            let to = &mut dw[output * k + input * taps + tap];
                            *to = if accumulate { *to + *sum } else { *sum };
                        }
                    }
                }
            }
        }
    }
}
