//! Changed copies of sounds and spectrograms, so that training never hears the same twice.
//!
//! Everything random comes from [`sample_rng`]: the same seed, epoch and sample give the same copy, in whatever order and
//! on whatever thread it is made.

use azura_core::Rng;
use serde::{Deserialize, Serialize};

/// The random numbers of a sample in an epoch.
pub fn sample_rng(seed: u64, epoch: u64, sample: usize) -> Rng {
    Rng::new(seed).fork(&format!("augment/{epoch}/{sample}"))
}

/// Adds white noise whose power is `decibels` below that of the sound; silence stays silent.
pub fn add_noise(x: &mut [f32], decibels: f64, rng: &mut Rng) {
    let power = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len().max(1) as f64;
    let deviation = (power / 10f64.powf(decibels / 10.0)).sqrt();
    for x in x {
        *x += (deviation * rng.normal()) as f32;
    }
}

/// Moves a sound by so many samples, later if above 0; silence takes the place that becomes free.
pub fn shift(x: &mut [f32], by: isize) {
    let n = by.unsigned_abs().min(x.len());
    if by > 0 {
        x.copy_within(..x.len() - n, n);
        x[..n].fill(0.0);
    } else {
        x.copy_within(n.., 0);
        let rest = x.len() - n;
        x[rest..].fill(0.0);
    }
}

/// Plays a sound `factor` times as fast, and so as high, without changing its length: its middle stays where it is, silence takes the
/// place that becomes free, and what no longer fits is cut off. Between two samples lies a straight line.
pub fn change_speed(x: &mut [f32], factor: f64) {
    let before = x.to_vec();
    let middle = (x.len().saturating_sub(1)) as f64 / 2.0;
    let at = |place: f64| before.get(place as usize).copied().map_or(0.0, f64::from);
    for (i, y) in x.iter_mut().enumerate() {
        let place = middle + (i as f64 - middle) * factor;
        if place < 0.0 {
            *y = 0.0;
            continue;
        }
        let share = place - place.floor();
        *y = (at(place.floor()) * (1.0 - share) + at(place.floor() + 1.0) * share) as f32;
    }
}

/// Masks of bands and of stretches of time (Park et al. 2019, SpecAugment, arXiv:1904.08779, without time warping).
///
/// Each mask has a width uniform in `0..=width`, and a place uniform where it fits; what it covers becomes `value`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpecAugment {
    /// Masks over bands.
    pub band_masks: usize,
    /// Bands that one covers at most.
    pub band_width: usize,
    /// Masks over time.
    pub time_masks: usize,
    /// Frames that one covers at most.
    pub time_width: usize,
}

impl SpecAugment {
    /// Masks a spectrogram `[bands, frames]`.
    pub fn apply(&self, x: &mut [f32], bands: usize, value: f32, rng: &mut Rng) {
        let frames = x.len() / bands.max(1);
        let mut place = |width: usize, of: usize| {
            let width = rng.below(width.min(of) as u64 + 1) as usize;
            let start = rng.below((of - width) as u64 + 1) as usize;
            start..start + width
        };
        for _ in 0..self.band_masks {
            let masked = place(self.band_width, bands);
            x[masked.start * frames..masked.end * frames].fill(value);
        }
        for _ in 0..self.time_masks {
            let masked = place(self.time_width, frames);
            for band in x.chunks_exact_mut(frames.max(1)) {
                band[masked.clone()].fill(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_changed_alike_every_time() {
        let noisy = |epoch, sample| {
            let mut x = vec![0.5f32; 100];
            add_noise(&mut x, 20.0, &mut sample_rng(7, epoch, sample));
            x
        };
        assert_eq!(noisy(1, 2), noisy(1, 2));
        assert_ne!(noisy(1, 2), noisy(2, 2));
        assert_ne!(noisy(1, 2), noisy(1, 3));
        assert_ne!(noisy(1, 2), noisy(2, 1));
    }

    #[test]
    fn noise_has_the_power_that_was_asked_for() {
        let mut x = vec![0.5f32; 20_000];
        add_noise(&mut x, 10.0, &mut Rng::new(3));
        let power = x.iter().map(|x| f64::from(x - 0.5).powi(2)).sum::<f64>() / 20_000.0;
        // A tenth of 0.25; the spread of the estimate is 1 %.
        assert!((power / 0.025 - 1.0).abs() < 0.05, "{power}");
        let mut silence = vec![0.0; 10];
        add_noise(&mut silence, 10.0, &mut Rng::new(3));
        assert_eq!(silence, [0.0; 10]);
    }

    #[test]
    fn shifts_fill_with_silence() {
        let moved = |by| {
            let mut x = [1.0, 2.0, 3.0];
            shift(&mut x, by);
            x
        };
        assert_eq!(moved(1), [0.0, 1.0, 2.0]);
        assert_eq!(moved(-1), [2.0, 3.0, 0.0]);
        assert_eq!(moved(0), [1.0, 2.0, 3.0]);
        assert_eq!(moved(9), [0.0; 3]);
        assert_eq!(moved(-9), [0.0; 3]);
    }

    #[test]
    fn speed_moves_everything_towards_the_middle() {
        let played = |factor| {
            let mut x = [1.0, 2.0, 3.0, 4.0, 5.0];
            change_speed(&mut x, factor);
            x
        };
        assert_eq!(played(1.0), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(played(2.0), [0.0, 1.0, 3.0, 5.0, 0.0]);
        assert_eq!(played(0.5), [2.0, 2.5, 3.0, 3.5, 4.0]);
        change_speed(&mut [], 2.0);
    }

    #[test]
    fn masks_cover_whole_bands_and_frames_up_to_their_width() {
        let masks = SpecAugment {
            band_masks: 1,
            band_width: 2,
            time_masks: 1,
            time_width: 3,
        };
        let (bands, frames) = (5, 7);
        let mut widths = [[false; 4]; 2];
        for seed in 0..300 {
            let mut x = vec![1.0; bands * frames];
            masks.apply(&mut x, bands, 0.0, &mut Rng::new(seed));
            let row = |b: usize| x[b * frames..(b + 1) * frames].iter().all(|&x| x == 0.0);
            let column = |t: usize| (0..bands).all(|b| x[b * frames + t] == 0.0);
            let rows: Vec<usize> = (0..bands).filter(|&b| row(b)).collect();
            let columns: Vec<usize> = (0..frames).filter(|&t| column(t)).collect();
            let zeros = x.iter().filter(|&&x| x == 0.0).count();
            let covered = rows.len() * frames + columns.len() * bands;
            assert_eq!(zeros, covered - rows.len() * columns.len());
            assert!(rows.windows(2).all(|w| w[1] == w[0] + 1));
            assert!(columns.windows(2).all(|w| w[1] == w[0] + 1));
            widths[0][rows.len()] = true;
            widths[1][columns.len()] = true;
        }
        assert_eq!(widths, [[true, true, true, false], [true; 4]]);
        // A mask wider than the picture covers it at most.
        let wide = SpecAugment {
            band_width: 99,
            time_width: 99,
            ..masks
        };
        for seed in 0..50 {
            wide.apply(&mut [1.0; 6], 2, 0.0, &mut Rng::new(seed));
        }
    }
}
