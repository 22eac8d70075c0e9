//! The configuration of the voice app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The next sample of a sound from those before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VoiceConfig {
    /// How sound becomes codes, and how it is divided.
    pub data: VoiceParts,
    /// The model.
    pub model: VoiceModel,
    /// How to train.
    pub train: TrainConfig,
}

/// How sound becomes codes, and how it is divided: first training, then validation, then test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VoiceParts {
    /// Samples a second that the model hears and makes, in Hz; recordings of another rate are resampled. Telephones use 8000.
    #[schemars(range(min = 1_000, max = 48_000))]
    pub rate: u32,
    /// Bits of a mu-law code: there are 2^bits codes, and the model scores each.
    #[schemars(range(min = 2, max = 16))]
    pub bits: u32,
    /// Fraction of the samples for validation, just before the test part; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the samples for the test, the last ones.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Samples from the start of one training window to that of the next; 0 takes half of model.context. Validation and test
    /// windows never overlap.
    #[schemars(range(max = 1_000_000))]
    pub stride: usize,
}

impl Default for VoiceParts {
    fn default() -> Self {
        VoiceParts {
            rate: 8_000,
            bits: 8,
            val: 0.1,
            test: 0.1,
            stride: 0,
        }
    }
}

/// The model: a table of codes, an LSTM, and a linear layer that scores each possible next code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VoiceModel {
    /// Samples in a window of training; when it generates, the model carries its state on without end.
    #[schemars(range(min = 2, max = 65_536))]
    pub context: usize,
    /// Numbers that stand for a code.
    #[schemars(range(min = 1, max = 4_096))]
    pub embedding: usize,
    /// Units of each layer of the LSTM.
    #[schemars(range(min = 1, max = 4_096))]
    pub hidden: usize,
    /// Layers of the LSTM.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Probability of dropping a unit in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

impl Default for VoiceModel {
    /// The sizes of the Python AzuraForge.
    fn default() -> Self {
        VoiceModel {
            context: 256,
            embedding: 128,
            hidden: 256,
            layers: 1,
            dropout: 0.0,
        }
    }
}

impl Default for VoiceConfig {
    fn default() -> Self {
        VoiceConfig {
            data: VoiceParts::default(),
            model: VoiceModel::default(),
            train: TrainConfig {
                epochs: 10,
                batch: 32,
                lr: 2e-3,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    warmup: 0.05,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 3,
                monitor: "val.loss".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl VoiceConfig {
    /// Samples from the start of one training window to that of the next.
    pub(super) fn stride(&self) -> usize {
        match self.data.stride {
            0 => (self.model.context / 2).max(1),
            stride => stride,
        }
    }
}

impl AppConfig for VoiceConfig {
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
                "and `data.val` take {} of the sound and leave none for training",
                data.val + data.test
            );
            let problem = Problem::new("data.test", message);
            problems.push(problem.help("make them smaller, such as 0.1 each"));
        }
        problems
    }
}
