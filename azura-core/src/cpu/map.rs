//! Elementwise loops over operands of any strides.
//!
//! An operand is a slice that runs along with the output, one value, or anything else; the last kind
//! is gathered block by block into the first-level cache, so that the compiled loops only ever see
//! contiguous data.

use super::gemm::{self, Mat};
use super::simd::{Kernel, dispatch};
use super::strides::{merge, runs};
use super::threads::{for_row_pairs, for_rows};
use crate::Element;
use crate::shape::Layout;

/// Elements gathered at a time: three operands of f64 take half of the first-level cache.
const BLOCK: usize = 512;
/// The same for results that are not longer: to make room for [`BLOCK`] elements would take ten times as long as they do.
const SHORT: usize = 32;
/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// Where the elements of one operand come from.
pub(crate) enum Operand<'a, T> {
    /// In the order of the output.
    Slice(&'a [T]),
    /// The same everywhere.
    Splat(T),
    /// Wherever the layout says; its shape is the output's.
    Strided(&'a [T], Layout),
}

impl<'a, T: Copy + Default> Operand<'a, T> {
    /// `data` seen through `layout`, which was expanded to the output's shape.
    pub fn new(data: &'a [T], layout: Layout) -> Self {
        if layout.is_contiguous() {
            Operand::Slice(&data[layout.offset..layout.offset + layout.numel()])
        } else if layout
            .strides
            .iter()
            .zip(layout.shape.iter())
            .all(|(&stride, &size)| stride == 0 || size == 1)
        {
            Operand::Splat(data[layout.offset])
        } else {
            Operand::Strided(data, merge(&layout))
        }
    }

    /// The elements, if they lie in the order of the output.
    fn direct(&self) -> Option<&'a [T]> {
        match self {
            Operand::Slice(slice) => Some(slice),
            Operand::Splat(_) | Operand::Strided(..) => None,
        }
    }
}

/// An operand as contiguous pieces of at most `B` elements, one after the other.
struct Reader<'a, T, const B: usize> {
    operand: &'a Operand<'a, T>,
    block: [T; B],
}

impl<'a, T: Copy + Default, const B: usize> Reader<'a, T, B> {
    fn new(operand: &'a Operand<'a, T>) -> Self {
        let value = match operand {
            Operand::Splat(value) => *value,
            Operand::Slice(_) | Operand::Strided(..) => T::default(),
        };
        Reader {
            operand,
            block: [value; B],
        }
    }

    /// Elements `start..start + n` in the order of the output; n is at most `B`.
    fn piece(&mut self, start: usize, n: usize) -> &[T] {
        match self.operand {
            Operand::Splat(_) => &self.block[..n],
            Operand::Slice(slice) => &slice[start..start + n],
            Operand::Strided(data, layout) => {
                gather(data, layout, start, &mut self.block[..n]);
                &self.block[..n]
            }
        }
    }
}

/// Copies elements `start..` of a merged layout, in row-major order, until `out` is full.
fn gather<T: Copy>(data: &[T], layout: &Layout, start: usize, out: &mut [T]) {
    runs(layout, start, out.len(), |first, step, run| {
        let target = &mut out[run];
        match step {
            1 => target.copy_from_slice(&data[first as usize..first as usize + target.len()]),
            0 => target.fill(data[first as usize]),
            _ => {
                for (i, value) in target.iter_mut().enumerate() {
                    *value = data[(first + i as isize * step) as usize];
                }
            }
        }
    });
}

/// Copies the elements of a layout into `out` in row-major order.
pub(crate) fn copy<T: Element>(data: &[T], layout: &Layout, out: &mut [T]) {
    if layout.is_contiguous() {
        out.copy_from_slice(&data[layout.offset..layout.offset + out.len()]);
    } else if !out.is_empty() {
        let merged = merge(layout);
        if let [.., 1, _] = merged.strides[..] {
            return turn(data, &merged, out);
        }
        for_rows(out, 1, GRAIN, |start, chunk| {
            gather(data, &merged, start, chunk);
        });
    }
}

/// Rows and columns that are turned at a time: a cache line of f32.
const TURN: usize = 16;
/// Columns after which the next rows follow, so that the pages of the source stay at hand; also the rows that the kernels of the
/// matrix products turn at a time.
const TURN_COLS: usize = 64;

/// [`copy`] of a merged layout whose last two axes are a transposed matrix: neighbours lie along the last but one. Squares are
/// read line by line and written line by line.
fn turn<T: Element>(data: &[T], layout: &Layout, out: &mut [T]) {
    let last = layout.shape.len() - 1;
    let (rows, cols) = (layout.shape[last - 1], layout.shape[last]);
    let step = layout.strides[last];
    // The first element of each row of the result.
    let mut firsts = *layout;
    firsts.shape[last] = 1;
    for_rows(out, cols, GRAIN / cols + 1, |start, chunk| {
        let end = start + chunk.len() / cols;
        for begin in (0..cols).step_by(TURN_COLS) {
            let columns = begin..(begin + TURN_COLS).min(cols);
            // The kernels take four bytes and whole vectors of the lines that they turn.
            let whole = size_of::<T>() == size_of::<f32>() && step > 0 && columns.len() % 8 == 0;
            let mut row = start;
            while row < end {
                // Rows of one matrix.
                let most = if whole { TURN_COLS } else { TURN };
                let count = (rows - row % rows).min(end - row).min(most);
                let mut first = 0;
                runs(&firsts, row, 1, |at, _, _| first = at);
                let block = &mut chunk[(row - start) * cols..][..count * cols];
                if whole {
                    let step = step.unsigned_abs();
                    let from = &data[first as usize + begin * step..];
                    turn_block(
                        from,
                        step,
                        [columns.len(), count],
                        &mut block[begin..],
                        cols,
                    );
                    row += count;
                    continue;
                }
                let mut square = [[data[0]; TURN]; TURN];
                for j in columns.clone().step_by(TURN) {
                    let width = (columns.end - j).min(TURN);
                    for k in 0..width {
                        let from = (first + (j + k) as isize * step) as usize;
                        for (line, x) in square.iter_mut().zip(&data[from..from + count]) {
                            line[k] = *x;
                        }
                    }
                    for (line, to) in square.iter().zip(block.chunks_exact_mut(cols)) {
                        to[j..j + width].copy_from_slice(&line[..width]);
                    }
                }
                row += count;
            }
        }
    });
}

/// `to[j + i·cols] = from[i + j·step]` for elements of four bytes and a multiple of eight lines, by the kernels of the matrix
/// products.
fn turn_block<T: Element>(
    from: &[T],
    step: usize,
    [lines, width]: [usize; 2],
    to: &mut [T],
    cols: usize,
) {
    assert!(size_of::<T>() == size_of::<f32>() && lines % 8 == 0);
    // SAFETY: elements are plain numbers of four bytes, aligned as such, and any bits are an f32; they are only moved.
    let (from, to) = unsafe {
        (
            std::slice::from_raw_parts(from.as_ptr().cast::<f32>(), from.len()),
            std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<f32>(), to.len()),
        )
    };
    gemm::transpose(Mat::strided(from, lines, width, step, 1), to, cols);
}

/// A loop over contiguous data: `out[i]` from element i of each of the N slices, which are as long.
///
/// Loops are passed without their type, so that what walks over operands is compiled once for each
/// element type and not once for each function: the call costs a few nanoseconds a block.
pub(crate) type Loop<'f, T, R, const N: usize> = &'f (dyn Fn([&[T]; N], &mut [R]) + Sync);

/// `out[i] = f(a[i], b[i], …)` for operands of one type.
pub(crate) fn map<T, R, const N: usize>(
    f: Loop<'_, T, R, N>,
    operands: &[Operand<'_, T>; N],
    out: &mut [R],
) where
    T: Copy + Default + Send + Sync,
    R: Send,
{
    let slices = operands.each_ref().map(Operand::direct);
    if slices.iter().all(Option::is_some) {
        map_slices(f, slices.map(Option::unwrap_or_default), out);
    } else if out.len() <= SHORT {
        map_blocks::<T, R, N, SHORT>(f, operands, 0, out);
    } else {
        for_rows(out, 1, GRAIN, |start, chunk| {
            map_blocks::<T, R, N, BLOCK>(f, operands, start, chunk);
        });
    }
}

/// [`map`] where nothing is gathered: one call for all that a thread has.
pub(crate) fn map_slices<T: Sync, R: Send, const N: usize>(
    f: Loop<'_, T, R, N>,
    operands: [&[T]; N],
    out: &mut [R],
) {
    for_rows(out, 1, GRAIN, |start, chunk| {
        f(operands.map(|x| &x[start..start + chunk.len()]), chunk);
    });
}

/// [`map`] for the elements from number `start` on, `B` at a time.
fn map_blocks<T: Copy + Default, R, const N: usize, const B: usize>(
    f: Loop<'_, T, R, N>,
    operands: &[Operand<'_, T>; N],
    start: usize,
    out: &mut [R],
) {
    let mut readers = operands.each_ref().map(Reader::<T, B>::new);
    for (i, out) in out.chunks_mut(B).enumerate() {
        let (at, n) = (start + i * B, out.len());
        f(readers.each_mut().map(|reader| reader.piece(at, n)), out);
    }
}

/// The same where operand number `own` is `out` itself, before it is overwritten; what stands at its
/// place in `operands` is not read.
pub(crate) fn map_in_place<T, const N: usize>(
    f: Loop<'_, T, T, N>,
    own: usize,
    operands: &[Operand<'_, T>; N],
    out: &mut [T],
) where
    T: Copy + Default + Send + Sync,
{
    if out.len() <= SHORT {
        return map_own_blocks::<T, N, SHORT>(f, own, operands, 0, out);
    }
    for_rows(out, 1, GRAIN, |start, chunk| {
        map_own_blocks::<T, N, BLOCK>(f, own, operands, start, chunk);
    });
}

/// [`map_in_place`] for the elements from number `start` on, `B` at a time.
fn map_own_blocks<T: Copy + Default, const N: usize, const B: usize>(
    f: Loop<'_, T, T, N>,
    own: usize,
    operands: &[Operand<'_, T>; N],
    start: usize,
    out: &mut [T],
) {
    let mut readers = operands.each_ref().map(Reader::<T, B>::new);
    let mut before = [T::default(); B];
    for (i, out) in out.chunks_mut(B).enumerate() {
        let (at, n) = (start + i * B, out.len());
        before[..n].copy_from_slice(out);
        let mut index = 0;
        let pieces = readers.each_mut().map(|reader| {
            index += 1;
            if index == own + 1 {
                &before[..n]
            } else {
                reader.piece(at, n)
            }
        });
        f(pieces, out);
    }
}

/// A loop over a function and its derivative: the first slice holds arguments before and derivatives after, the second
/// gets the values.
pub(crate) type SlopeLoop<'f, T> = &'f (dyn Fn(&mut [T], &mut [T]) + Sync);

/// Values into `y` and derivatives into `slope`, of the elements of `x`, or of what `slope` holds if there is none.
pub(crate) fn with_slope<T: Copy + Default + Send + Sync>(
    f: SlopeLoop<'_, T>,
    x: Option<&Operand<'_, T>>,
    slope: &mut [T],
    y: &mut [T],
) {
    for_row_pairs((slope, 1), (y, 1), GRAIN, |start, slope, y| {
        let Some(x) = x else {
            return f(slope, y);
        };
        let mut reader = Reader::<T, BLOCK>::new(x);
        let pieces = slope.chunks_mut(BLOCK).zip(y.chunks_mut(BLOCK));
        for (i, (slope, y)) in pieces.enumerate() {
            slope.copy_from_slice(reader.piece(start + i * BLOCK, y.len()));
            f(slope, y);
        }
    });
}

/// `out[i] = if condition[i] { yes[i] } else { no[i] }`.
pub(crate) fn choose<T: Copy + Default + Send + Sync>(
    condition: &Operand<'_, bool>,
    yes: &Operand<'_, T>,
    no: &Operand<'_, T>,
    out: &mut [T],
) {
    for_rows(out, 1, GRAIN, |start, chunk| {
        let mut condition = Reader::<bool, BLOCK>::new(condition);
        let mut yes = Reader::<T, BLOCK>::new(yes);
        let mut no = Reader::<T, BLOCK>::new(no);
        for (i, out) in chunk.chunks_mut(BLOCK).enumerate() {
            let (at, n) = (start + i * BLOCK, out.len());
            let pieces = condition.piece(at, n).iter().zip(yes.piece(at, n));
            for (out, ((&c, &y), &n)) in out.iter_mut().zip(pieces.zip(no.piece(at, n))) {
                *out = if c { y } else { n };
            }
        }
    });
}

/// A function of N numbers, written for vectorisation: `call` is `#[inline(always)]`.
pub(crate) trait Map<T, R, const N: usize>: Sync {
    fn call(&self, x: [T; N]) -> R;
}

/// A function of one number with its derivative, written for vectorisation: `call` is `#[inline(always)]`.
pub(crate) trait MapSlope<T>: Sync {
    /// The value and the derivative.
    fn call(&self, x: T) -> [T; 2];
}

struct EachSlope<'a, T, F> {
    f: &'a F,
    x: &'a mut [T],
    y: &'a mut [T],
}

impl<T: Copy, F: MapSlope<T>> Kernel for EachSlope<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let x = &mut self.x[..self.y.len()];
        for (y, x) in self.y.iter_mut().zip(x) {
            [*y, *x] = self.f.call(*x);
        }
    }
}

/// `y[i]` and then `x[i]` become value and derivative at `x[i]`, compiled for each instruction set.
pub(crate) fn each_slope<T: Copy, F: MapSlope<T>>(f: &F, x: &mut [T], y: &mut [T]) {
    dispatch(EachSlope { f, x, y });
}

struct Each<'a, T, R, F, const N: usize> {
    f: &'a F,
    x: [&'a [T]; N],
    out: &'a mut [R],
}

impl<T: Copy, R, F: Map<T, R, N>, const N: usize> Kernel for Each<'_, T, R, F, N> {
    #[inline(always)]
    fn run(self) {
        let n = self.out.len();
        // Cut to one length, so that the loop has no checks.
        let x = self.x.map(|x| &x[..n]);
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = self.f.call(x.map(|x| x[i]));
        }
    }
}

/// `out[i] = f(x[0][i], x[1][i], …)`, compiled for each instruction set.
pub(crate) fn each<T: Copy, R, F: Map<T, R, N>, const N: usize>(
    f: &F,
    x: [&[T]; N],
    out: &mut [R],
) {
    dispatch(Each { f, x, out });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub([a, b]: [&[f64]; 2], out: &mut [f64]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a - b;
        }
    }

    fn layout(shape: &[usize], strides: &[isize], offset: usize) -> Layout {
        Layout {
            shape: shape.iter().copied().collect(),
            strides: strides.iter().copied().collect(),
            offset,
        }
    }

    #[test]
    fn any_strides_are_read_in_row_major_order() {
        let data: Vec<f64> = (0..5000).map(f64::from).collect();
        // A transposed, a broadcast, a reversed and a narrowed view, longer than a block.
        for view in [
            layout(&[40, 30, 2], &[2, 80, 1], 0),
            layout(&[40, 60], &[0, 1], 7),
            layout(&[40, 60], &[60, -1], 59),
            layout(&[20, 3, 40], &[150, 50, 1], 3),
            layout(&[3, 37, 41], &[1600, 1, 38], 2),
            layout(&[2, 3, 5, 33], &[2400, 800, 1, -20], 700),
            layout(&[2400], &[2], 1),
        ] {
            let numel = view.numel();
            let naive: Vec<f64> = (0..numel)
                .map(|mut i| {
                    let mut at = view.offset as isize;
                    for axis in (0..view.shape.len()).rev() {
                        at += (i % view.shape[axis]) as isize * view.strides[axis];
                        i /= view.shape[axis];
                    }
                    data[at as usize]
                })
                .collect();
            let mut copied = vec![0.0; numel];
            copy(&data, &view, &mut copied);
            assert_eq!(copied, naive, "{view:?}");
            let mut out = vec![0.0; numel];
            map(
                &sub,
                &[Operand::new(&data, view), Operand::Slice(&naive)],
                &mut out,
            );
            assert!(out.iter().all(|&x| x == 0.0), "{view:?}");
            let operands = [Operand::Splat(f64::NAN), Operand::new(&data, view)];
            map_in_place(&sub, 0, &operands, &mut copied);
            assert!(copied.iter().all(|&x| x == 0.0), "{view:?}");
        }
    }
}
