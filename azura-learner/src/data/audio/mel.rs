//! A picture of a sound: how strong each band of frequencies is over time.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::super::error::{DataError, DataErrorKind, DataResult};

/// How pitch follows frequency.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// `m = 2595·log10(1 + f/700)` (O'Shaughnessy 1987; HTK).
    #[default]
    Htk,
    /// `m = 3f/200` up to 1 kHz, then `15 + 27·ln(f/1000)/ln 6.4` (Slaney 1998, Auditory Toolbox).
    Slaney,
}

impl MelScale {
    fn mel(self, hz: f64) -> f64 {
        match self {
            MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            MelScale::Slaney if hz < 1000.0 => 3.0 * hz / 200.0,
            MelScale::Slaney => 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln(),
        }
    }

    fn hz(self, mel: f64) -> f64 {
        match self {
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            MelScale::Slaney if mel < 15.0 => 200.0 * mel / 3.0,
            MelScale::Slaney => 1000.0 * (6.4f64.ln() * (mel - 15.0) / 27.0).exp(),
        }
    }
}

/// The sizes of a [`MelSpectrogram`].
#[derive(Clone, Debug, PartialEq)]
pub struct MelOptions {
    /// Samples a second.
    pub rate: u32,
    /// Samples of a frame, and of the Fourier transform.
    pub window: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Bands.
    pub bands: usize,
    /// The lowest frequency, in Hz.
    pub low: f64,
    /// The highest frequency, in Hz: half of the rate at most.
    pub high: f64,
    /// How the bands are spread.
    pub scale: MelScale,
    /// Added to each power before the logarithm: silence is its logarithm, not −∞.
    pub floor: f64,
}

/// Log-mel spectrogram: `ln(floor + Σ_k M[m, k]·|X[t, k]|²)`.
///
/// `X[t]` is the Fourier transform of the frame `x[t·hop .. t·hop + window]` under a periodic Hann window,
/// `w[n] = ½ − ½cos(2πn/window)`. `M` are `bands` triangles: their `bands + 2` corners lie at equal distances of mels from `low` to
/// `high`, triangle `m` rises from corner `m` to 1 at corner `m + 1` and falls to 0 at corner `m + 2`, on the scale of Hz, without a
/// normalisation of its area. Frames lie within the sound (no padding; `center=False` in librosa and torchaudio, `norm=None`); a sound
/// shorter than a frame is followed by silence.
pub struct MelSpectrogram {
    options: MelOptions,
    window: Vec<f64>,
    /// Of each band: the first coefficient, and the weights from there on.
    triangles: Vec<(usize, Vec<f64>)>,
    fft: Arc<dyn RealToComplex<f64>>,
}

impl MelSpectrogram {
    /// Prepares window, bands and transform.
    ///
    /// # Errors
    /// [`DataErrorKind::OutOfRange`] for sizes of 0, frequencies out of order, or a band so narrow that it holds no
    /// coefficient of the transform.
    pub fn new(options: MelOptions) -> DataResult<Self> {
        let refuse = |what: String, remedy: &str| {
            Err(DataError::new(DataErrorKind::OutOfRange, what).remedy(remedy))
        };
        let MelOptions {
            rate,
            window: size,
            hop,
            bands,
            low,
            high,
            scale,
            floor,
        } = options;
        if rate == 0 || size < 2 || hop == 0 || bands == 0 {
            let what = format!(
                "a spectrogram of {bands} bands, frames of {size} samples every {hop}, {rate} a second"
            );
            return refuse(what, "all of these must be above 0");
        }
        let nyquist = f64::from(rate) / 2.0;
        if !(low >= 0.0 && low < high && high <= nyquist && floor > 0.0) {
            let what =
                format!("bands from {low} to {high} Hz at {rate} samples a second, floor {floor}");
            return refuse(
                what,
                "0 ≤ low < high ≤ half of the rate, and a floor above 0",
            );
        }
        let (from, to) = (scale.mel(low), scale.mel(high));
        let corners: Vec<f64> = (0..bands + 2)
            .map(|i| scale.hz(from + (to - from) * i as f64 / (bands + 1) as f64))
            .collect();
        let mut triangles = Vec::with_capacity(bands);
        for corner in corners.windows(3) {
            let weight = |k: usize| {
                let hz = k as f64 * f64::from(rate) / size as f64;
                let rising = (hz - corner[0]) / (corner[1] - corner[0]);
                let falling = (corner[2] - hz) / (corner[2] - corner[1]);
                rising.min(falling).max(0.0)
            };
            let inside: Vec<usize> = (0..=size / 2).filter(|&k| weight(k) > 0.0).collect();
            let Some(&first) = inside.first() else {
                let what = format!(
                    "the band from {:.0} to {:.0} Hz is narrower than the {:.0} Hz between two coefficients",
                    corner[0],
                    corner[2],
                    f64::from(rate) / size as f64
                );
                return refuse(what, "use fewer bands or a longer window");
            };
            triangles.push((first, inside.into_iter().map(weight).collect()));
        }
        let hann = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / size as f64).cos();
        Ok(MelSpectrogram {
            window: (0..size).map(hann).collect(),
            triangles,
            fft: RealFftPlanner::new().plan_fft_forward(size),
            options,
        })
    }

    /// The sizes.
    pub fn options(&self) -> &MelOptions {
        &self.options
    }

    /// Frames of so many samples: `1 + ⌊(samples − window)/hop⌋`, and 1 for fewer than a window.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples.saturating_sub(self.options.window) / self.options.hop
    }

    /// The spectrogram `[bands, frames]`, band by band.
    pub fn run(&self, x: &[f32]) -> Vec<f32> {
        let frames = self.frames(x.len());
        let mut out = vec![0.0; self.triangles.len() * frames];
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        for t in 0..frames {
            let rest = &x[(t * self.options.hop).min(x.len())..];
            for (i, (value, weight)) in frame.iter_mut().zip(&self.window).enumerate() {
                *value = weight * rest.get(i).map_or(0.0, |&x| f64::from(x));
            }
            let done = self
                .fft
                .process_with_scratch(&mut frame, &mut spectrum, &mut scratch);
            debug_assert!(
                done.is_ok(),
                "the buffers are those that the transform made"
            );
            for (band, (first, weights)) in self.triangles.iter().enumerate() {
                let powers = spectrum[*first..].iter().zip(weights);
                let power: f64 = powers.map(|(x, weight)| weight * x.norm_sqr()).sum();
                out[band * frames + t] = (power + self.options.floor).ln() as f32;
            }
        }
        out
    }
}
