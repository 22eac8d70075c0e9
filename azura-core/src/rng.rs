//! Random numbers as a value: a counter-based generator with no global state.
//!
//! Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//! Number `i` of a stream is a function of (seed, stream, i), so any part of a sequence can be made
//! on any thread or device with the same bits, and the state to save is three integers.

use crate::cpu::normal::quantile;

/// A seeded generator. Cloning it repeats its future; [`Rng::fork`] makes an independent one.
///
/// ```
/// use azura_core::Rng;
/// let mut a = Rng::new(7);
/// let mut b = a.clone();
/// assert_eq!(a.next_u64(), b.next_u64());
/// let restored = Rng::from_state(a.state());
/// assert_eq!(restored.state(), b.state());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    seed: u64,
    stream: u64,
    /// The next block of four 32-bit numbers.
    counter: u64,
}

impl Rng {
    /// The generator of this seed, at its start.
    pub fn new(seed: u64) -> Self {
        Rng {
            seed,
            stream: 0,
            counter: 0,
        }
    }

    /// Seed, stream and counter: all there is to save.
    pub fn state(&self) -> [u64; 3] {
        [self.seed, self.stream, self.counter]
    }

    /// The generator that [`Rng::state`] described.
    pub fn from_state([seed, stream, counter]: [u64; 3]) -> Self {
        Rng {
            seed,
            stream,
            counter,
        }
    }

    /// An independent generator named `label`; it does not depend on how many numbers were drawn here.
    pub fn fork(&self, label: &str) -> Self {
        // FNV-1a over the label, continued from this stream, then one Philox block as a mixer.
        let hash = label
            .bytes()
            .fold(self.stream ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let mixed = philox(self.seed, hash, u64::MAX);
        Rng {
            seed: self.seed,
            stream: join(mixed[0], mixed[1]),
            counter: 0,
        }
    }

    /// 64 random bits.
    #[inline(always)]
    pub fn next_u64(&mut self) -> u64 {
        let block = self.next_block();
        join(block[0], block[1])
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    #[inline(always)]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A standard normal number (inverse of the distribution function).
    #[inline(always)]
    pub fn normal(&mut self) -> f64 {
        quantile::<true>(inside(self.uniform()))
    }

    /// A uniform integer in `0..n`, without bias. Returns 0 for `n` of 0 or 1.
    pub fn below(&mut self, n: u64) -> u64 {
        // Lemire 2019, "Fast random integer generation in an interval".
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if (product as u64) >= n.wrapping_neg() % n.max(1) {
                return (product >> 64) as u64;
            }
        }
    }

    /// Puts `values` in a uniformly random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    #[inline(always)]
    pub(crate) fn next_block(&mut self) -> [u32; 4] {
        let block = philox(self.seed, self.stream, self.counter);
        self.counter = self.counter.wrapping_add(1);
        block
    }

    /// Takes `blocks` blocks out of the sequence and returns the generator that stands at their start.
    pub(crate) fn reserve(&mut self, blocks: u64) -> Rng {
        let start = self.clone();
        self.counter = self.counter.wrapping_add(blocks);
        start
    }

    /// Block `i` after this generator's position.
    #[inline(always)]
    pub(crate) fn block(&self, i: u64) -> [u32; 4] {
        philox(self.seed, self.stream, self.counter.wrapping_add(i))
    }
}

/// A number of `[0, 1)` moved half a step away from 0, and kept from being rounded to 1: the normal quantile is infinite
/// at both.
#[inline(always)]
fn inside(uniform: f64) -> f64 {
    (uniform + 0.5 / (1u64 << 53) as f64).min(1.0 - f64::EPSILON / 2.0)
}

#[inline(always)]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[inline(always)]
fn philox(seed: u64, stream: u64, counter: u64) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = [
        counter as u32,
        (counter >> 32) as u32,
        stream as u32,
        (stream >> 32) as u32,
    ];
    let (mut k0, mut k1) = (seed as u32, (seed >> 32) as u32);
    for _ in 0..10 {
        let p = u64::from(a) * 0xD251_1F53;
        let q = u64::from(c) * 0xCD9E_8D57;
        [a, b, c, d] = [
            (q >> 32) as u32 ^ b ^ k0,
            q as u32,
            (p >> 32) as u32 ^ d ^ k1,
            p as u32,
        ];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        // kat_vectors of Random123 1.14: philox4x32 10 rounds.
        assert_eq!(
            philox(0, 0, 0),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox(u64::MAX, u64::MAX, u64::MAX),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                0x299f_31d0_a409_3822,
                0x0370_7344_1319_8a2e,
                0x85a3_08d3_243f_6a88
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn moments_of_uniform_and_normal_are_right() {
        let (mut rng, n) = (Rng::new(3), 100_000);
        let uniform: Vec<f64> = (0..n).map(|_| rng.uniform()).collect();
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        let square = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>() / n as f64;
        // Four standard errors of each mean.
        assert!((mean(&uniform) - 0.5).abs() < 4.0 * (1.0 / 12.0f64 / n as f64).sqrt());
        assert!(mean(&normal).abs() < 4.0 / (n as f64).sqrt());
        assert!((square(&normal) - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt());
        let last = inside(1.0 - f64::EPSILON / 2.0);
        assert!(quantile::<true>(last).is_finite() && quantile::<true>(inside(0.0)).is_finite());
    }

    #[test]
    fn a_sequence_goes_on_after_its_last_number() {
        let mut rng = Rng::from_state([1, 2, u64::MAX]);
        assert_eq!(rng.clone().reserve(2), rng);
        rng.next_u64();
        assert_eq!(rng.state(), [1, 2, 0]);
    }

    #[test]
    fn below_reaches_all_values_and_shuffle_keeps_them() {
        let mut rng = Rng::new(0);
        let mut seen = [0; 5];
        for _ in 0..5000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(
            seen.iter().all(|&count| (850..1150).contains(&count)),
            "{seen:?}"
        );
        let mut order: Vec<usize> = (0..100).collect();
        rng.shuffle(&mut order);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn forks_are_independent_of_draws_and_of_each_other() {
        let mut a = Rng::new(1);
        let fork = a.fork("x");
        a.next_u64();
        assert_eq!(a.fork("x"), fork);
        assert_ne!(a.fork("y"), fork);
        assert_ne!(fork.fork("x"), fork);
    }
}
