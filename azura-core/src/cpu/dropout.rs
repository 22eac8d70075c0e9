//! The loop of dropout.

use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::{Element, Rng};

/// Elements decided by one block of the generator.
pub(crate) const PER_BLOCK: usize = 4;
/// Philox costs about 3 ns for four elements; a thread should get more than 20 µs of it.
const GRAIN: usize = 32 * 1024;

struct Drop<'a, T> {
    x: &'a [T],
    first_block: u64,
    threshold: u64,
    scale: T,
    rng: &'a Rng,
    out: &'a mut [T],
}

impl<T: Element + Default + std::ops::Mul<Output = T>> Kernel for Drop<'_, T> {
    #[inline(always)]
    fn run(self) {
        let pieces = self.out.chunks_mut(PER_BLOCK).zip(self.x.chunks(PER_BLOCK));
        for (block, (out, x)) in (self.first_block..).zip(pieces) {
            let bits = self.rng.block(block);
            for ((out, &x), bits) in out.iter_mut().zip(x).zip(bits) {
                *out = if u64::from(bits) < self.threshold {
                    T::default()
                } else {
                    x * self.scale
                };
            }
        }
    }
}

/// `out[i] = 0` where number `i` is below `p · 2³²`, else `x[i] / (1 - p)`.
pub(crate) fn dropout<T>(x: &[T], p: f64, rng: &Rng, out: &mut [T])
where
    T: Element + Default + std::ops::Mul<Output = T>,
{
    let threshold = (p * 4_294_967_296.0).round() as u64;
    let scale = T::from_f64(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 });
    let len = out.len();
    let whole = len / PER_BLOCK * PER_BLOCK;
    let (body, tail) = out.split_at_mut(whole);
    for_rows(body, PER_BLOCK, GRAIN / PER_BLOCK, |first, out| {
        let x = &x[first * PER_BLOCK..first * PER_BLOCK + out.len()];
        dispatch(Drop {
            x,
            first_block: first as u64,
            threshold,
            scale,
            rng,
            out,
        });
    });
    let first_block = (whole / PER_BLOCK) as u64;
    dispatch(Drop {
        x: &x[whole..len],
        first_block,
        threshold,
        scale,
        rng,
        out: tail,
    });
}
