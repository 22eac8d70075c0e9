//! The configuration of the signal app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundled::check_parts;

/// The class of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalConfig {
    /// Which series there are, and how they are divided.
    pub data: SignalParts,
    /// How copies for training are changed.
    pub augment: SignalAugment,
    /// The model.
    pub model: SignalModel,
    /// How to train.
    pub train: TrainConfig,
}

/// Which series there are, and how they are divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalParts {
    /// Of a CSV file with a series in each row: the column of the class; all others are the values in their order. Empty: the
    /// last column.
    pub target: String,
    /// How values are scaled.
    pub scale: SignalScale,
    /// Fraction of the training series for validation, each class by itself; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction for the test, each class by itself. A file NAME_TRAIN.ts beside a NAME_TEST.ts has that as its test instead.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalScale {
    /// Each channel to mean 0 and deviation 1 over the training series: level and size count.
    #[default]
    Training,
    /// Each channel of each series to mean 0 and deviation 1: only the shape counts.
    Series,
}

/// How copies for training are changed; every epoch anew (Um et al. 2017, arXiv:1706.00527; Le Guennec et al. 2016).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalAugment {
    /// Deviation of noise that is added to each value, after scaling; 0 for none.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub jitter: f64,
    /// Deviation of the factor around 1 that a channel is multiplied by; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub size: f64,
    /// Share of a series that is stretched to twice or squeezed to half its length at a random place (window warping); 0 for none.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub warp: f64,
}

/// The model between series and classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalModel {
    /// What it is made of.
    pub kind: SignalModelKind,
    /// Channels of the first convolution; the middle of an FCN, and all but the first block of a ResNet, have twice as many.
    #[schemars(range(min = 1, max = 1_024))]
    pub width: usize,
    /// Probability of dropping a unit before the last layer in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

/// What the model is made of (Wang, Yan & Oates 2017, arXiv:1611.06455).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalModelKind {
    /// Three convolutions, of kernels 8, 5 and 3, with batch norm and `ReLU`, and the mean over time.
    #[default]
    Fcn,
    /// Three residual blocks of such three, and the mean over time.
    Resnet,
}

impl Default for SignalParts {
    fn default() -> Self {
        SignalParts {
            target: String::new(),
            scale: SignalScale::default(),
            val: 0.15,
            test: 0.2,
        }
    }
}

impl Default for SignalModel {
    fn default() -> Self {
        SignalModel {
            kind: SignalModelKind::Fcn,
            width: 64,
            dropout: 0.0,
        }
    }
}

impl Default for SignalConfig {
    fn default() -> Self {
        SignalConfig {
            data: SignalParts::default(),
            augment: SignalAugment::default(),
            model: SignalModel::default(),
            train: TrainConfig {
                epochs: 100,
                batch: 16,
                lr: 2e-3,
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

impl AppConfig for SignalConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        check_parts(self.data.val, self.data.test)
    }
}
