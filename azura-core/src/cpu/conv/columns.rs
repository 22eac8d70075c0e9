//! Where the taps of a kernel read: the columns of the matrix that a convolution multiplies, without that matrix.

use std::ops::Range;

/// Runs of neighbours that are found before they are copied for all rows.
const RUNS: usize = 64;

/// One element of the kernel along one axis.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    /// Its place in the kernel.
    pub index: usize,
    /// What is added to the place of a column to get the place in the source.
    pub offset: isize,
    /// The columns for which that lies inside the source.
    pub inside: Range<usize>,
}

/// A matrix `[channels · taps, columns]` over a source `[batch, groups · channels, …]`, of three axes always: along each axis
/// column `q` and tap `t` read the source at `q · step + t.offset`, and 0 outside of it.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub batch: usize,
    pub groups: usize,
    /// Of one group.
    pub channels: usize,
    pub source: [usize; 3],
    /// Columns along each axis, of one image.
    pub count: [usize; 3],
    pub step: [usize; 3],
    pub taps: [Vec<Tap>; 3],
}

/// Neighbouring columns in one row of one image.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    pub image: usize,
    /// The place of the first along each axis.
    pub at: [usize; 3],
    pub len: usize,
    /// How many columns came before.
    pub before: usize,
}

impl Tap {
    pub fn new(index: usize, offset: isize, count: usize, step: usize, source: usize) -> Self {
        let (count, step, source) = (count as isize, step as isize, source as isize);
        // The first column at or after 0, and the first at or after the end.
        let start =
            (-offset).max(0).div_euclid(step) + isize::from((-offset).max(0).rem_euclid(step) != 0);
        let left = (source - offset).max(0);
        let end = left.div_euclid(step) + isize::from(left.rem_euclid(step) != 0);
        let end = end.clamp(0, count);
        Tap {
            index,
            offset,
            inside: start.min(end) as usize..end as usize,
        }
    }
}

impl Columns {
    /// Columns of one image.
    pub fn per_image(&self) -> usize {
        self.count.iter().product()
    }

    /// Elements of the source in one channel of one image.
    pub fn plane(&self) -> usize {
        self.source.iter().product()
    }

    /// Rows of the matrix, for one group.
    pub fn rows(&self) -> usize {
        self.channels * self.taps.iter().map(Vec::len).product::<usize>()
    }

    /// Whether the matrix of one image is the image.
    pub fn is_source(&self) -> bool {
        self.count == self.source
            && self.step == [1; 3]
            && self
                .taps
                .iter()
                .all(|taps| taps.len() == 1 && taps[0].offset == 0)
    }

    /// The runs that make up the columns `cols`, counted through all images.
    pub fn runs(&self, cols: Range<usize>) -> impl Iterator<Item = Run> {
        let [_, height, width] = self.count;
        let per_image = self.per_image();
        let mut next = cols.start;
        std::iter::from_fn(move || {
            if next >= cols.end {
                return None;
            }
            let (image, place) = (next / per_image, next % per_image);
            let at = [
                place / width / height,
                place / width % height,
                place % width,
            ];
            let len = (width - at[2]).min(cols.end - next);
            let run = Run {
                image,
                at,
                len,
                before: next - cols.start,
            };
            next += len;
            Some(run)
        })
    }

    /// Writes columns `cols` of the rows `rows` of the matrix of `group`: element `(r, j)` of that block to
    /// `to[r · width + j]`.
    pub fn fill<T: Copy + Default>(
        &self,
        source: &[T],
        group: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        width: usize,
        to: &mut [T],
    ) {
        let mut runs = self.runs(cols);
        let mut found = [Run::default(); RUNS];
        loop {
            let mut count = 0;
            for run in runs.by_ref().take(RUNS) {
                found[count] = run;
                count += 1;
            }
            if count == 0 {
                break;
            }
            self.fill_runs(source, group, rows.clone(), &found[..count], width, to);
        }
    }

    fn fill_runs<T: Copy + Default>(
        &self,
        source: &[T],
        group: usize,
        rows: Range<usize>,
        runs: &[Run],
        width: usize,
        to: &mut [T],
    ) {
        let [depths, heights, widths] = &self.taps;
        let (plane, [_, height, row_len]) = (self.plane(), self.source);
        // The first element of the source's row that each run reads; `None` outside.
        let mut starts = [None; RUNS];
        let mut r = rows.start;
        while r < rows.end {
            // All taps of one row of the kernel read the same rows of the source.
            let (channel, tap) = (
                r / (depths.len() * heights.len() * widths.len()),
                r / widths.len(),
            );
            let (z, y) = (
                &depths[tap / heights.len() % depths.len()],
                &heights[tap % heights.len()],
            );
            for (start, run) in starts.iter_mut().zip(runs) {
                let inside = z.inside.contains(&run.at[0]) && y.inside.contains(&run.at[1]);
                *start = inside.then(|| {
                    let image = (run.image * self.groups + group) * self.channels + channel;
                    let at = |axis: usize, tap: &Tap| {
                        (run.at[axis] * self.step[axis]).wrapping_add_signed(tap.offset)
                    };
                    image * plane + (at(0, z) * height + at(1, y)) * row_len
                });
            }
            let first = r % widths.len();
            let last = (first + rows.end - r).min(widths.len());
            for x in &widths[first..last] {
                let row = &mut to[(r - rows.start) * width..];
                for (start, run) in starts.iter().zip(runs) {
                    let piece = &mut row[run.before..run.before + run.len];
                    match start {
                        Some(start) => self.fill_run(&source[*start..], x, run, piece),
                        None => piece.fill(T::default()),
                    }
                }
                r += 1;
            }
        }
    }

    /// One run of one row of the matrix, from the row of the source that it reads.
    #[inline]
    fn fill_run<T: Copy + Default>(&self, row: &[T], tap: &Tap, run: &Run, to: &mut [T]) {
        let first = run.at[2];
        let from = tap.inside.start.clamp(first, first + run.len);
        let end = tap.inside.end.clamp(from, first + run.len);
        let step = self.step[2];
        if from > first {
            to[..from - first].fill(T::default());
        }
        if end < first + run.len {
            to[end - first..].fill(T::default());
        }
        if from == end {
            return;
        }
        let to = &mut to[from - first..end - first];
        let row = &row[(from * step).wrapping_add_signed(tap.offset)..];
        if step == 1 {
            to.copy_from_slice(&row[..to.len()]);
        } else {
            for (to, x) in to.iter_mut().zip(row.iter().step_by(step)) {
                *to = *x;
            }
        }
    }
}
