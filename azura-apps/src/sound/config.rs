//! The configuration of the sound app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::data::audio::MelScale;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{Pattern, Where};

/// The class of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoundConfig {
    /// Which recordings there are, and how they are divided.
    pub data: SoundParts,
    /// What the model sees of a recording.
    pub features: Features,
    /// How copies for training are changed.
    pub augment: Augment,
    /// The model.
    pub model: SoundModel,
    /// How to train.
    pub train: TrainConfig,
}

/// Which recordings there are, and how they are divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoundParts {
    /// How the name of a file (without its ending) tells its class and other fields: {class}_{speaker}_{take}. Empty: the
    /// class is the name of the folder that the file lies in. A CSV file has columns `path` and `class`, and its other columns
    /// are fields.
    pub pattern: String,
    /// A field whose values are never shared between parts, such as speaker: the scores then hold for speakers never heard.
    /// Empty: recordings are dealt one by one, each class by itself.
    pub group: String,
    /// Recordings that are the test: the field and its values, speaker=theo or take=0,1,2. Empty: data.test says how many.
    pub test_where: String,
    /// Fraction for validation; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction for the test.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
}

/// What the model sees: a log-mel spectrogram of a piece of equal length of every recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    /// Samples a second, in Hz; recordings of another rate are resampled.
    #[schemars(range(min = 1_000, max = 48_000))]
    pub rate: u32,
    /// Length of the piece in seconds: the middle of a longer recording, and a shorter one between silences.
    #[schemars(range(min = 0.05, max = 60.0))]
    pub seconds: f64,
    /// Samples of a frame, under a Hann window.
    #[schemars(range(min = 16, max = 16_384))]
    pub window: usize,
    /// Samples from one frame to the next.
    #[schemars(range(min = 1, max = 16_384))]
    pub hop: usize,
    /// Bands of frequencies.
    #[schemars(range(min = 2, max = 256))]
    pub bands: usize,
    /// The lowest frequency, in Hz.
    #[schemars(range(min = 0.0, max = 24_000.0))]
    pub low: f64,
    /// The highest frequency, in Hz; 0 takes half of the rate.
    #[schemars(range(min = 0.0, max = 24_000.0))]
    pub high: f64,
    /// How bands are spread over frequencies.
    pub scale: MelScale,
}

/// How copies for training are changed; every epoch anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// White noise in half of the copies, so many dB below the sound at its loudest and 30 more at its softest; 0 for none.
    #[schemars(range(min = 0.0, max = 120.0))]
    pub noise: f64,
    /// Seconds that a recording is moved at most, either way.
    #[schemars(range(min = 0.0, max = 60.0))]
    pub shift: f64,
    /// Share by which a recording is played faster or slower at most, and so higher or lower: other voices, as it were.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub speed: f64,
    /// Masks over bands (`SpecAugment`).
    #[schemars(range(max = 16))]
    pub band_masks: usize,
    /// Bands that a mask covers at most.
    #[schemars(range(max = 256))]
    pub band_width: usize,
    /// Masks over time (`SpecAugment`).
    #[schemars(range(max = 16))]
    pub time_masks: usize,
    /// Frames that a mask covers at most.
    #[schemars(range(max = 10_000))]
    pub time_width: usize,
}

/// The model between spectrogram and classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoundModel {
    /// What it is made of.
    pub kind: SoundModelKind,
    /// Channels of the first convolution, and half of those of the others; or units of the GRU, each way.
    #[schemars(range(min = 1, max = 1_024))]
    pub width: usize,
    /// Convolutions, each followed by a pool that halves both sides; or layers of the GRU.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Probability of dropping a unit before the last layer in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

/// What the model is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SoundModelKind {
    /// Convolutions of 3 × 3 with batch norm, `ReLU` and max pooling, and the sum of mean and maximum over what is left (Kong et al. 2020, arXiv:1912.10211).
    #[default]
    Cnn,
    /// A gated recurrent unit over the frames, both ways, and the sum of mean and maximum over time (Cho et al. 2014).
    Gru,
}

impl Default for SoundParts {
    fn default() -> Self {
        SoundParts {
            pattern: String::new(),
            group: String::new(),
            test_where: String::new(),
            val: 0.15,
            test: 0.2,
        }
    }
}

impl Default for Features {
    fn default() -> Self {
        Features {
            rate: 8_000,
            seconds: 1.0,
            window: 256,
            hop: 128,
            bands: 40,
            low: 50.0,
            high: 0.0,
            scale: MelScale::Htk,
        }
    }
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            noise: 20.0,
            shift: 0.1,
            speed: 0.1,
            band_masks: 2,
            band_width: 5,
            time_masks: 2,
            time_width: 8,
        }
    }
}

impl Default for SoundModel {
    fn default() -> Self {
        SoundModel {
            kind: SoundModelKind::Cnn,
            width: 32,
            layers: 3,
            dropout: 0.2,
        }
    }
}

impl Default for SoundConfig {
    fn default() -> Self {
        SoundConfig {
            data: SoundParts::default(),
            features: Features::default(),
            augment: Augment::default(),
            model: SoundModel::default(),
            train: TrainConfig {
                epochs: 30,
                batch: 32,
                lr: 3e-3,
                weight_decay: 1e-2,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    warmup: 0.05,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 0,
                ..TrainConfig::default()
            },
        }
    }
}

impl AppConfig for SoundConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let data = &self.data;
        for (key, part) in [
            ("data.val", data.val),
            ("data.test", data.test),
            ("model.dropout", self.model.dropout),
        ] {
            if !(0.0..1.0).contains(&part) {
                let message = format!("must be at least 0 and below 1, but is {part}");
                problems.push(Problem::new(key, message));
            }
        }
        if problems.is_empty() && data.val + data.test >= 1.0 {
            let message = format!(
                "and `data.val` take {} of the recordings and leave none for training",
                data.val + data.test
            );
            problems.push(Problem::new("data.test", message).help("make them smaller"));
        }
        problems.extend(Pattern::parse(&data.pattern).err());
        problems.extend(Where::parse(&data.test_where).err());
        let features = &self.features;
        let nyquist = f64::from(features.rate) / 2.0;
        if features.high > nyquist {
            let message = format!(
                "must be at most half of `features.rate`, {nyquist}, but is {}",
                features.high
            );
            problems.push(Problem::new("features.high", message));
        }
        let high = features.highest();
        if high <= nyquist && features.low >= high {
            let message = format!("must be below {high}, but is {}", features.low);
            problems.push(Problem::new("features.low", message));
        }
        let shorter =
            (features.frames() >> self.model.layers).min(features.bands >> self.model.layers);
        if self.model.kind == SoundModelKind::Cnn && shorter == 0 {
            let message = format!(
                "halves {} bands of {} frames too often, with {}",
                features.bands,
                features.frames(),
                self.model.layers
            );
            problems.push(
                Problem::new("model.layers", message).help("use fewer, or a shorter features.hop"),
            );
        }
        problems
    }
}

impl Features {
    /// The highest frequency.
    pub(super) fn highest(&self) -> f64 {
        match self.high {
            0.0 => f64::from(self.rate) / 2.0,
            high => high,
        }
    }

    /// Samples of the piece.
    pub(super) fn samples(&self) -> usize {
        ((self.seconds * f64::from(self.rate)).round() as usize).max(1)
    }

    /// Frames of the piece.
    pub(super) fn frames(&self) -> usize {
        1 + self.samples().saturating_sub(self.window) / self.hop.max(1)
    }
}
