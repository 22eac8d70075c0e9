//! The loop of dropout.

use super::map::Map;
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::{Element, Rng};

/// Elements decided by one block of the generator.
pub(crate) const PER_BLOCK: usize = 4;
/// Philox costs about 3 ns for four elements; a thread should get more than 20 µs of it.
const GRAIN: usize = super::threads::grain::DROPOUT;

/// What becomes of an element that stays.
pub(crate) struct Scale<T>(pub T);

impl<T: Copy + Sync + std::ops::Mul<Output = T>> Map<T, T, 1> for Scale<T> {
    #[inline(always)]
    fn call(&self, [x]: [T; 1]) -> T {
        x * self.0
    }
}

/// The same with something added.
pub(crate) struct Affine<T> {
    pub scale: T,
    pub shift: T,
}

impl<T> Map<T, T, 1> for Affine<T>
where
    T: Copy + Sync + std::ops::Mul<Output = T> + std::ops::Add<Output = T>,
{
    #[inline(always)]
    fn call(&self, [x]: [T; 1]) -> T {
        x * self.scale + self.shift
    }
}

struct Drop<'a, T, F> {
    x: &'a [T],
    first_block: u64,
    threshold: u64,
    keep: &'a F,
    dropped: T,
    rng: &'a Rng,
    out: &'a mut [T],
}

impl<T: Element, F: Map<T, T, 1>> Kernel for Drop<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let pieces = self.out.chunks_mut(PER_BLOCK).zip(self.x.chunks(PER_BLOCK));
        for (block, (out, x)) in (self.first_block..).zip(pieces) {
            let bits = self.rng.block(block);
            for ((out, &x), bits) in out.iter_mut().zip(x).zip(bits) {
                *out = if u64::from(bits) < self.threshold {
                    self.dropped
                } else {
                    self.keep.call([x])
                };
            }
        }
    }
}

/// `out[i] = dropped` where number `i` is below `p · 2³²`, else `keep(x[i])`.
pub(crate) fn dropout<T: Element, F: Map<T, T, 1>>(
    x: &[T],
    p: f64,
    keep: &F,
    dropped: T,
    rng: &Rng,
    out: &mut [T],
) {
    let threshold = (p * 4_294_967_296.0).round() as u64;
    let len = out.len();
    let whole = len / PER_BLOCK * PER_BLOCK;
    let part = |first: usize, out: &mut [T]| {
        dispatch(Drop {
            x: &x[first..first + out.len()],
            first_block: (first / PER_BLOCK) as u64,
            threshold,
            keep,
            dropped,
            rng,
            out,
        });
    };
    let (body, tail) = out.split_at_mut(whole);
    for_rows(body, PER_BLOCK, GRAIN / PER_BLOCK, |row, out| {
        part(row * PER_BLOCK, out);
    });
    part(whole, tail);
}
