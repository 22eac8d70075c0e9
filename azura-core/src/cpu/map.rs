//! Elementwise loops over operands of any strides.
//!
//! An operand is a slice that runs along with the output, one value, or anything else; the last kind
//! is gathered block by block into the first-level cache, so that the compiled loops only ever see
//! contiguous data.

use super::simd::{Kernel, dispatch};
use super::strides::{merge, runs};
use super::threads::for_rows;
use crate::shape::Layout;

/// Elements gathered at a time: three operands of f64 take half of the first-level cache.
const BLOCK: usize = 512;
/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = 16 * 1024;

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

    /// Elements `start..start + n` in the order of the output, through `block` if they lie elsewhere;
    /// then `n` is at most its length.
    fn piece<'b>(&'b self, start: usize, n: usize, block: &'b mut [T]) -> Source<'b, T> {
        match self {
            Operand::Slice(slice) => Source::Slice(&slice[start..start + n]),
            Operand::Splat(value) => Source::Splat(*value),
            Operand::Strided(data, layout) => {
                gather(data, layout, start, &mut block[..n]);
                Source::Slice(&block[..n])
            }
        }
    }

    /// The same as a slice always.
    fn slice<'b>(&'b self, start: usize, n: usize, block: &'b mut [T]) -> &'b [T] {
        match self {
            Operand::Splat(value) => {
                block[..n].fill(*value);
                &block[..n]
            }
            Operand::Slice(slice) => &slice[start..start + n],
            Operand::Strided(data, layout) => {
                gather(data, layout, start, &mut block[..n]);
                &block[..n]
            }
        }
    }

    fn is_direct(&self) -> bool {
        matches!(self, Operand::Slice(_) | Operand::Splat(_))
    }
}

enum Source<'a, T> {
    Slice(&'a [T]),
    Splat(T),
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
pub(crate) fn copy<T: Copy + Send + Sync>(data: &[T], layout: &Layout, out: &mut [T]) {
    if layout.is_contiguous() {
        out.copy_from_slice(&data[layout.offset..layout.offset + out.len()]);
    } else if !out.is_empty() {
        let merged = merge(layout);
        for_rows(out, 1, GRAIN, |start, chunk| {
            gather(data, &merged, start, chunk);
        });
    }
}

/// A function of one number, written for vectorisation: `call` is `#[inline(always)]`.
pub(crate) trait Map1<A, R>: Sync {
    fn call(&self, a: A) -> R;
}

/// A function of two numbers.
pub(crate) trait Map2<A, B, R>: Sync {
    fn call(&self, a: A, b: B) -> R;
}

/// A function of three numbers.
pub(crate) trait Map3<A, B, C, R>: Sync {
    fn call(&self, a: A, b: B, c: C) -> R;
}

struct Loop1<'a, A, R, F> {
    f: &'a F,
    a: Source<'a, A>,
    out: &'a mut [R],
}

impl<A: Copy, R, F: Map1<A, R>> Kernel for Loop1<'_, A, R, F> {
    #[inline(always)]
    fn run(self) {
        match self.a {
            Source::Splat(a) => {
                for out in self.out {
                    *out = self.f.call(a);
                }
            }
            Source::Slice(a) => {
                for (out, &a) in self.out.iter_mut().zip(a) {
                    *out = self.f.call(a);
                }
            }
        }
    }
}

struct Loop2<'a, A, B, R, F> {
    f: &'a F,
    a: Source<'a, A>,
    b: Source<'a, B>,
    out: &'a mut [R],
}

impl<A: Copy, B: Copy, R, F: Map2<A, B, R>> Kernel for Loop2<'_, A, B, R, F> {
    #[inline(always)]
    fn run(self) {
        let (f, out) = (self.f, self.out);
        match (self.a, self.b) {
            (Source::Slice(a), Source::Slice(b)) => {
                for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *out = f.call(a, b);
                }
            }
            (Source::Slice(a), Source::Splat(b)) => {
                for (out, &a) in out.iter_mut().zip(a) {
                    *out = f.call(a, b);
                }
            }
            (Source::Splat(a), Source::Slice(b)) => {
                for (out, &b) in out.iter_mut().zip(b) {
                    *out = f.call(a, b);
                }
            }
            (Source::Splat(a), Source::Splat(b)) => {
                for out in out {
                    *out = f.call(a, b);
                }
            }
        }
    }
}

struct Loop3<'a, A, B, C, R, F> {
    f: &'a F,
    a: &'a [A],
    b: &'a [B],
    c: &'a [C],
    out: &'a mut [R],
}

impl<A: Copy, B: Copy, C: Copy, R, F: Map3<A, B, C, R>> Kernel for Loop3<'_, A, B, C, R, F> {
    #[inline(always)]
    fn run(self) {
        for (((out, &a), &b), &c) in self.out.iter_mut().zip(self.a).zip(self.b).zip(self.c) {
            *out = self.f.call(a, b, c);
        }
    }
}

/// How many elements to hand to a compiled loop at once: all, unless something must be gathered.
fn step(all_direct: bool, len: usize) -> usize {
    if all_direct { len.max(1) } else { BLOCK }
}

/// `out[i] = f(a[i])`.
pub(crate) fn map1<A, R, F>(f: &F, a: &Operand<'_, A>, out: &mut [R])
where
    A: Copy + Default + Send + Sync,
    R: Send,
    F: Map1<A, R>,
{
    for_rows(out, 1, GRAIN, |start, chunk| {
        let mut block = [A::default(); BLOCK];
        let step = step(a.is_direct(), chunk.len());
        for (i, out) in chunk.chunks_mut(step).enumerate() {
            let a = a.piece(start + i * step, out.len(), &mut block);
            dispatch(Loop1 { f, a, out });
        }
    });
}

/// `out[i] = f(a[i], b[i])`.
pub(crate) fn map2<A, B, R, F>(f: &F, a: &Operand<'_, A>, b: &Operand<'_, B>, out: &mut [R])
where
    A: Copy + Default + Send + Sync,
    B: Copy + Default + Send + Sync,
    R: Send,
    F: Map2<A, B, R>,
{
    for_rows(out, 1, GRAIN, |start, chunk| {
        let (mut block_a, mut block_b) = ([A::default(); BLOCK], [B::default(); BLOCK]);
        let step = step(a.is_direct() && b.is_direct(), chunk.len());
        for (i, out) in chunk.chunks_mut(step).enumerate() {
            let (at, n) = (start + i * step, out.len());
            let (a, b) = (a.piece(at, n, &mut block_a), b.piece(at, n, &mut block_b));
            dispatch(Loop2 { f, a, b, out });
        }
    });
}

/// `out[i] = f(a[i], b[i], c[i])`.
pub(crate) fn map3<A, B, C, R, F>(
    f: &F,
    a: &Operand<'_, A>,
    b: &Operand<'_, B>,
    c: &Operand<'_, C>,
    out: &mut [R],
) where
    A: Copy + Default + Send + Sync,
    B: Copy + Default + Send + Sync,
    C: Copy + Default + Send + Sync,
    R: Send,
    F: Map3<A, B, C, R>,
{
    for_rows(out, 1, GRAIN, |start, chunk| {
        let (mut block_a, mut block_b, mut block_c) = (
            [A::default(); BLOCK],
            [B::default(); BLOCK],
            [C::default(); BLOCK],
        );
        for (i, out) in chunk.chunks_mut(BLOCK).enumerate() {
            let (at, n) = (start + i * BLOCK, out.len());
            let a = a.slice(at, n, &mut block_a);
            let b = b.slice(at, n, &mut block_b);
            let c = c.slice(at, n, &mut block_c);
            dispatch(Loop3 { f, a, b, c, out });
        }
    });
}

/// `out[i] = f(out[i])`.
pub(crate) fn map1_in_place<T, F>(f: &F, out: &mut [T])
where
    T: Copy + Default + Send + Sync,
    F: Map1<T, T>,
{
    for_rows(out, 1, GRAIN, |_, chunk| {
        let mut block = [T::default(); BLOCK];
        for out in chunk.chunks_mut(BLOCK) {
            let own = &mut block[..out.len()];
            own.copy_from_slice(out);
            dispatch(Loop1 {
                f,
                a: Source::Slice(own),
                out,
            });
        }
    });
}

/// `out[i] = f(out[i], b[i])`.
pub(crate) fn map2_in_place<T, F>(f: &F, out: &mut [T], b: &Operand<'_, T>)
where
    T: Copy + Default + Send + Sync,
    F: Map2<T, T, T>,
{
    for_rows(out, 1, GRAIN, |start, chunk| {
        let (mut block_a, mut block_b) = ([T::default(); BLOCK], [T::default(); BLOCK]);
        for (i, out) in chunk.chunks_mut(BLOCK).enumerate() {
            let own = &mut block_a[..out.len()];
            own.copy_from_slice(out);
            let b = b.piece(start + i * BLOCK, out.len(), &mut block_b);
            dispatch(Loop2 {
                f,
                a: Source::Slice(own),
                b,
                out,
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sub;
    impl Map2<f64, f64, f64> for Sub {
        #[inline(always)]
        fn call(&self, a: f64, b: f64) -> f64 {
            a - b
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
            map2(
                &Sub,
                &Operand::new(&data, view),
                &Operand::Slice(&naive),
                &mut out,
            );
            assert!(out.iter().all(|&x| x == 0.0), "{view:?}");
            map2_in_place(&Sub, &mut copied, &Operand::new(&data, view));
            assert!(copied.iter().all(|&x| x == 0.0), "{view:?}");
        }
    }
}
