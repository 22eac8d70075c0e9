//! Changing the sample rate without folding high tones into low ones.

use std::f64::consts::PI;

use super::super::error::{DataError, DataErrorKind, DataResult};

/// Zero crossings of the sinc on either side. With [`BETA`] the step from passing to stopping then takes 9 % of the band.
const CROSSINGS: f64 = 64.0;
/// Shape of the Kaiser window: about −90 dB outside of the band.
const BETA: f64 = 9.0;
/// Middle of that step, as a share of half of the lower rate, so that it ends there.
const CUTOFF: f64 = 0.955;
/// Rates above are no sound, and their filters would be huge.
const HIGHEST: u32 = 768_000;

/// Band-limited resampling by any ratio of two rates, with a sinc under a Kaiser window.
///
/// `y[n] = Σ_k x[k]·h(n·from/to − k)`, `h(t) = w(t)·sin(πct)/(πt)` divided by its sum over `k`, where
/// `c = 0.955·min(1, to/from)` and `w` is the Kaiser window (β = 9) of 64 zero crossings on either side. Tones up to 91 % of half of
/// the lower rate pass; what lies above half of it is down by 90 dB. Silence is assumed before and after.
///
/// ```
/// use azura_learner::data::audio::Resampler;
/// let tone: Vec<f32> = (0..4410).map(|i| (i as f32 * 0.05).sin()).collect();
/// assert_eq!(Resampler::new(44_100, 8_000)?.run(&tone).len(), 800);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampler {
    from: u64,
    to: u64,
}

impl Resampler {
    /// From one number of samples a second to another.
    ///
    /// # Errors
    /// [`DataErrorKind::OutOfRange`] unless both are 1 to 768,000.
    pub fn new(from: u32, to: u32) -> DataResult<Self> {
        for rate in [from, to] {
            if !(1..=HIGHEST).contains(&rate) {
                let what = format!("a sample rate must be 1 to {HIGHEST}, but is {rate}");
                return Err(DataError::new(DataErrorKind::OutOfRange, what));
            }
        }
        let divisor = gcd(from, to);
        Ok(Resampler {
            from: u64::from(from / divisor),
            to: u64::from(to / divisor),
        })
    }

    /// How many samples become of `samples`: `⌈samples · to / from⌉`.
    pub fn len(&self, samples: usize) -> usize {
        ((samples as u128 * u128::from(self.to)).div_ceil(u128::from(self.from))) as usize
    }

    /// The sound at the other rate.
    pub fn run(&self, x: &[f32]) -> Vec<f32> {
        if self.from == self.to {
            return x.to_vec();
        }
        let mut y = vec![0.0; self.len(x.len())];
        let cutoff = CUTOFF * (self.to as f64 / self.from as f64).min(1.0);
        let half = CROSSINGS / cutoff;
        // Outputs `to` apart lie alike between two inputs, and share their weights.
        for phase in 0..(self.to as usize).min(y.len()) {
            let start = phase as u64 * self.from;
            let between = (start % self.to) as f64 / self.to as f64;
            let first = (between - half).ceil() as i64;
            let last = (between + half).floor() as i64;
            let mut weights: Vec<f64> = (first..=last)
                .map(|k| kernel(between - k as f64, cutoff, half))
                .collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            let mut middle = (start / self.to) as i64;
            for out in y[phase..].iter_mut().step_by(self.to as usize) {
                let begin = middle + first;
                let skip = (-begin).max(0) as usize;
                let from = (begin.max(0) as usize).min(x.len());
                let pairs = weights.iter().skip(skip).zip(&x[from..]);
                *out = pairs.map(|(w, x)| w * f64::from(*x)).sum::<f64>() as f32;
                middle += self.from as i64;
            }
        }
        y
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The windowed sinc at `t` samples from its middle.
fn kernel(t: f64, cutoff: f64, half: f64) -> f64 {
    let x = PI * cutoff * t;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let inside = 1.0 - (t / half).powi(2);
    sinc * bessel(BETA * inside.max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function I₀, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f64, frequency: f64, samples: usize) -> Vec<f32> {
        let at = |i: usize| (2.0 * PI * frequency * i as f64 / rate).sin() as f32;
        (0..samples).map(at).collect()
    }

    /// The largest difference away from the ends, where silence begins.
    fn apart(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let inner = a.len() / 4..a.len() * 3 / 4;
        let pairs = a[inner.clone()].iter().zip(&b[inner]);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn tones_in_the_band_are_the_same_tones() {
        for (from, to, tones) in [
            (44_100, 8_000, vec![100.0, 1_000.0, 3_600.0]),
            (8_000, 44_100, vec![100.0, 3_600.0]),
            (48_000, 16_000, vec![440.0, 7_200.0]),
            (8_000, 11_025, vec![1_234.0]),
        ] {
            let resampler = Resampler::new(from, to).unwrap();
            for frequency in tones {
                let x = tone(f64::from(from), frequency, from as usize / 4);
                let y = resampler.run(&x);
                let wanted = tone(f64::from(to), frequency, y.len());
                let error = apart(&y, &wanted);
                // −80 dB.
                assert!(error < 1e-4, "{from} to {to}, {frequency} Hz: {error}");
            }
        }
    }

    #[test]
    fn tones_above_the_band_vanish() {
        let resampler = Resampler::new(44_100, 8_000).unwrap();
        for frequency in [4_050.0, 5_000.0, 7_000.0, 12_345.0, 20_000.0] {
            let y = resampler.run(&tone(44_100.0, frequency, 11_025));
            let error = apart(&y, &vec![0.0; y.len()]);
            assert!(error < 1e-4, "{frequency} Hz: {error}");
        }
    }

    #[test]
    fn a_constant_stays_and_odd_lengths_fit() {
        let y = Resampler::new(22_050, 16_000).unwrap().run(&[0.5; 5000]);
        assert!(apart(&y, &vec![0.5; y.len()]) < 1e-6);
        let resampler = Resampler::new(3, 2).unwrap();
        for n in 0..10 {
            assert_eq!(resampler.run(&vec![1.0; n]).len(), (n * 2).div_ceil(3));
        }
        let same = Resampler::new(8_000, 8_000).unwrap();
        assert_eq!(same.run(&[0.1, -0.2]), [0.1, -0.2]);
        assert!(Resampler::new(0, 8_000).is_err());
        assert!(Resampler::new(8_000, u32::MAX).is_err());
    }
}
