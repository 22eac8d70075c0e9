//! Loops that fill slices with random numbers.
//!
//! Element `i` is made of number `i` of the sequence alone, so a result depends neither on threads nor on
//! the instruction set.

use super::map::Map;
use super::normal::{probability, quantile};
use super::simd::{Kernel, dispatch};
use super::threads::for_rows;
use crate::{Element, Rng};

/// Elements made at a time: their bits stay in the first-level cache.
const BLOCK: usize = 512;
/// A number costs 2 to 10 ns; a thread should get more than 20 µs of them.
const GRAIN: usize = super::threads::grain::RANDOM;

/// The random bits of one element.
pub(crate) trait Bits: Copy + Default + Send + Sync {
    /// Elements made of one block of the generator.
    const PER_BLOCK: usize;
    fn split(block: [u32; 4], out: &mut [Self]);
    /// The middle of one of 2ᵏ equal parts of `(0, 1)`; never 0 or 1.
    fn open(self) -> f64;
    /// The lower end of one of 2ᵏ equal parts of `[0, 1)`.
    fn closed(self) -> f64;
    /// Standard normal.
    fn normal(self) -> f64;
}

impl Bits for u32 {
    const PER_BLOCK: usize = 4;
    #[inline(always)]
    fn split(block: [u32; 4], out: &mut [u32]) {
        out.copy_from_slice(&block[..out.len()]);
    }
    #[inline(always)]
    fn open(self) -> f64 {
        (f64::from(self) + 0.5) * (1.0 / 4_294_967_296.0)
    }
    /// 24 bits, all that an f32 below 1 can hold.
    #[inline(always)]
    fn closed(self) -> f64 {
        f64::from(self >> 8) * (1.0 / 16_777_216.0)
    }
    #[inline(always)]
    fn normal(self) -> f64 {
        // 2⁻³³ lies within e⁻²⁵.
        quantile::<false>(self.open())
    }
}

impl Bits for u64 {
    const PER_BLOCK: usize = 2;
    #[inline(always)]
    fn split(block: [u32; 4], out: &mut [u64]) {
        for (out, pair) in out.iter_mut().zip(block.chunks_exact(2)) {
            *out = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
    }
    /// 52 bits: the middles of that many parts are the last that f64 holds exactly.
    #[inline(always)]
    fn open(self) -> f64 {
        f64::from_bits(self >> 12 | 0x3ff0_0000_0000_0000) - (1.0 - f64::EPSILON / 2.0)
    }
    #[inline(always)]
    fn closed(self) -> f64 {
        (self >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    #[inline(always)]
    fn normal(self) -> f64 {
        quantile::<true>(self.open())
    }
}

/// A float type, and the bits it is made of.
pub(crate) trait Random: Element {
    type Bits: Bits;
    /// The largest number below.
    fn below(self) -> Self;
}
impl Random for f32 {
    type Bits = u32;
    fn below(self) -> Self {
        self.next_down()
    }
}
impl Random for f64 {
    type Bits = u64;
    fn below(self) -> Self {
        self.next_down()
    }
}

struct Fill<'a, B, T, F> {
    rng: &'a Rng,
    /// The block of the generator that the first element is made of.
    block: u64,
    f: &'a F,
    out: &'a mut [T],
    bits: std::marker::PhantomData<B>,
}

impl<B: Bits, T, F: Map<B, T, 1>> Kernel for Fill<'_, B, T, F> {
    #[inline(always)]
    fn run(self) {
        let mut bits = [B::default(); BLOCK];
        let mut block = self.block;
        for out in self.out.chunks_mut(BLOCK) {
            for bits in bits[..out.len()].chunks_mut(B::PER_BLOCK) {
                B::split(self.rng.block(block), bits);
                block = block.wrapping_add(1);
            }
            for (out, &bits) in out.iter_mut().zip(&bits) {
                *out = self.f.call([bits]);
            }
        }
    }
}

/// `out[i] = f(number i)` of the sequence that starts at `rng`.
pub(crate) fn fill<B: Bits, T: Send, F: Map<B, T, 1>>(rng: &Rng, f: &F, out: &mut [T]) {
    let whole = out.len() / B::PER_BLOCK * B::PER_BLOCK;
    let (body, tail) = out.split_at_mut(whole);
    let part = |first: usize, out: &mut [T]| {
        dispatch(Fill {
            rng,
            block: (first / B::PER_BLOCK) as u64,
            f,
            out,
            bits: std::marker::PhantomData::<B>,
        });
    };
    for_rows(body, B::PER_BLOCK, GRAIN / B::PER_BLOCK, |row, out| {
        part(row * B::PER_BLOCK, out);
    });
    part(whole, tail);
}

/// Writes what `next` returns, one after the other: a loop with a state, compiled for each instruction set so that its fused
/// multiply-adds are instructions and no calls.
pub(crate) fn sequence<T>(out: &mut [T], next: impl FnMut() -> T) {
    struct Sequence<'a, T, F>(&'a mut [T], F);
    impl<T, F: FnMut() -> T> Kernel for Sequence<'_, T, F> {
        #[inline(always)]
        fn run(self) {
            self.0.fill_with(self.1);
        }
    }
    dispatch(Sequence(out, next));
}

/// Uniform in `[low, high)`.
pub(crate) struct Uniform<T> {
    pub low: f64,
    pub width: f64,
    /// The largest value that may come out, whatever rounding does.
    pub last: T,
}

impl<T: Element + PartialOrd, B: Bits> Map<B, T, 1> for Uniform<T> {
    #[inline(always)]
    fn call(&self, [bits]: [B; 1]) -> T {
        let x = T::from_f64(f64::mul_add(bits.closed(), self.width, self.low));
        if x > self.last { self.last } else { x }
    }
}

/// Normal.
pub(crate) struct Normal {
    pub mean: f64,
    pub std: f64,
}

impl<T: Element, B: Bits> Map<B, T, 1> for Normal {
    #[inline(always)]
    fn call(&self, [bits]: [B; 1]) -> T {
        T::from_f64(f64::mul_add(bits.normal(), self.std, self.mean))
    }
}

/// Normal, but only between two ends.
pub(crate) struct Truncated {
    pub mean: f64,
    /// Negative if the interval was turned round, so that it lies below the mean where probabilities are small
    /// numbers and keep their digits.
    pub std: f64,
    /// The probability below the lower end, and that between the ends.
    pub start: f64,
    pub width: f64,
    /// The ends.
    pub low: f64,
    pub high: f64,
}

impl Truncated {
    pub fn new(mean: f64, std: f64, low: f64, high: f64) -> Self {
        let ends = if std == 0.0 {
            // Every number is the mean, or the end that is nearer.
            [-1.0, 1.0]
        } else {
            [(low - mean) / std, (high - mean) / std]
        };
        let ([a, b], std) = if ends[0] > 0.0 {
            ([-ends[1], -ends[0]], -std)
        } else {
            (ends, std)
        };
        let start = probability(a);
        Truncated {
            mean,
            std,
            start,
            width: probability(b) - start,
            low,
            high,
        }
    }

    /// The number that a uniform one of `(0, 1)` stands for.
    #[inline(always)]
    pub fn at(&self, uniform: f64) -> f64 {
        let z = quantile::<true>(f64::mul_add(uniform, self.width, self.start));
        let x = f64::mul_add(z, self.std, self.mean);
        // An interval so far out that it has no probability gives its end; so does NaN.
        let x = if x < self.high { x } else { self.high };
        if x > self.low { x } else { self.low }
    }
}

impl<T: Element, B: Bits> Map<B, T, 1> for Truncated {
    #[inline(always)]
    fn call(&self, [bits]: [B; 1]) -> T {
        T::from_f64(self.at(bits.open()))
    }
}

/// An integer in `low..low + count`.
pub(crate) struct Integers {
    pub low: i64,
    pub count: u64,
}

impl Map<u64, i64, 1> for Integers {
    #[inline(always)]
    fn call(&self, [bits]: [u64; 1]) -> i64 {
        let above = (u128::from(bits) * u128::from(self.count)) >> 64;
        self.low.wrapping_add(above as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_threads;

    fn checksum(bits: impl Iterator<Item = u64>) -> u64 {
        // FNV-1a over the words.
        bits.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
            (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// The loop as the target's own instruction set compiles it, that of this processor, and several threads.
    fn three_ways<B: Bits, T: Copy + Default + Send + PartialEq + std::fmt::Debug>(
        f: &impl Map<B, T, 1>,
        n: usize,
    ) -> Vec<T> {
        let rng = Rng::new(2026).fork("test");
        let mut portable = vec![T::default(); n];
        Fill {
            rng: &rng,
            block: 0,
            f,
            out: &mut portable,
            bits: std::marker::PhantomData::<B>,
        }
        .run();
        for threads in [1, 2, 3] {
            let mut out = vec![T::default(); n];
            with_threads(threads, || fill(&rng, f, &mut out));
            assert!(out == portable, "{threads} threads give other bits");
        }
        portable
    }

    const MILLION: usize = 1_000_000;

    #[test]
    fn uniforms_have_the_same_bits_everywhere() {
        let unit = Uniform {
            low: 0.0,
            width: 1.0,
            last: 1f32.below(),
        };
        let values = three_ways::<u32, f32>(&unit, MILLION);
        let short = checksum(values.iter().map(|x| u64::from(x.to_bits())));
        let unit = Uniform {
            low: 0.0,
            width: 1.0,
            last: 1f64.below(),
        };
        let values = three_ways::<u64, f64>(&unit, MILLION);
        let long = checksum(values.iter().map(|x| x.to_bits()));
        assert_eq!(
            [short, long],
            [13_407_258_820_973_782_829, 4_034_877_281_135_800_825]
        );
    }

    #[test]
    fn normals_have_the_same_bits_everywhere() {
        let standard = Normal {
            mean: 0.0,
            std: 1.0,
        };
        let values = three_ways::<u32, f32>(&standard, MILLION);
        let short = checksum(values.iter().map(|x| u64::from(x.to_bits())));
        let values = three_ways::<u64, f64>(&standard, MILLION);
        let long = checksum(values.iter().map(|x| x.to_bits()));
        assert_eq!(
            [short, long],
            [12_365_103_635_233_538_709, 14_854_110_874_877_778_309]
        );
    }

    #[test]
    fn the_least_and_the_largest_bits_stay_inside() {
        for bits in [0, u64::MAX] {
            assert!(bits.open() > 0.0 && bits.open() < 1.0 && bits.closed() < 1.0);
            assert!(bits.normal().is_finite());
        }
        assert_eq!(0u64.open(), f64::EPSILON / 2.0);
        assert_eq!(u64::MAX.open(), 1.0 - f64::EPSILON / 2.0);
        for bits in [0, u32::MAX] {
            assert!(bits.open() > 0.0 && bits.open() < 1.0 && bits.closed() < 1.0);
            assert!(bits.normal().is_finite());
        }
        assert_eq!(0u32.normal(), -u32::MAX.normal());
    }
}
