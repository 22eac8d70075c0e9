//! The configuration of the text app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::train::{OptimizerOptions, ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The next character of a text from those before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// How the text is divided.
    pub data: TextParts,
    /// The model.
    pub model: TextModel,
    /// How to train.
    pub train: TrainConfig,
}

/// How the text is divided: first training, then validation, then test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextParts {
    /// Fraction of the characters for validation, just before the test part; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the characters for the test, the last ones.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Characters from the start of one training sample to that of the next; 0 takes a quarter of model.context, so that
    /// each character is seen at four places. Validation and test samples never overlap.
    #[schemars(range(max = 1_000_000))]
    pub stride: usize,
}

impl Default for TextParts {
    fn default() -> Self {
        TextParts {
            val: 0.05,
            test: 0.05,
            stride: 0,
        }
    }
}

/// The model: characters in, a score for each possible next character out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextModel {
    /// The network.
    pub kind: TextModelKind,
    /// Characters in a sample; gpt looks back on no more than these, lstm carries its state on.
    #[schemars(range(min = 2, max = 65_536))]
    pub context: usize,
    /// Layers.
    #[schemars(range(min = 1, max = 64))]
    pub layers: usize,
    /// Heads of the attention of gpt; they divide the width.
    #[schemars(range(min = 1, max = 256))]
    pub heads: usize,
    /// Numbers that stand for a character between layers.
    #[schemars(range(min = 1, max = 16_384))]
    pub width: usize,
    /// Probability of dropping a unit in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

impl Default for TextModel {
    fn default() -> Self {
        TextModel {
            kind: TextModelKind::Gpt,
            context: 64,
            layers: 4,
            heads: 4,
            width: 128,
            dropout: 0.0,
        }
    }
}

/// The network between characters and scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextModelKind {
    /// A Transformer that looks back only (Radford et al. 2018).
    #[default]
    Gpt,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997).
    Lstm,
}

impl Default for TextConfig {
    /// The sizes and rates are those that nanoGPT trains with on a CPU.
    fn default() -> Self {
        TextConfig {
            data: TextParts::default(),
            model: TextModel::default(),
            train: TrainConfig {
                epochs: 2,
                batch: 12,
                lr: 1e-3,
                weight_decay: 0.1,
                options: OptimizerOptions {
                    beta1: Some(0.9),
                    beta2: Some(0.99),
                    ..OptimizerOptions::default()
                },
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    warmup: 0.05,
                    min_lr: 1e-4,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 5,
                monitor: "val.loss".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl TextConfig {
    /// Characters from the start of one training sample to that of the next.
    pub(super) fn stride(&self) -> usize {
        match self.data.stride {
            0 => (self.model.context / 4).max(1),
            stride => stride,
        }
    }
}

impl AppConfig for TextConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (data, model) = (&self.data, &self.model);
        for (key, part) in [
            ("data.val", data.val),
            ("data.test", data.test),
            ("model.dropout", model.dropout),
        ] {
            if !(0.0..1.0).contains(&part) {
                let message = format!("must be at least 0 and below 1, but is {part}");
                problems.push(Problem::new(key, message));
            }
        }
        if problems.is_empty() && data.val + data.test >= 1.0 {
            let message = format!(
                "and `data.val` take {} of the text and leave none for training",
                data.val + data.test
            );
            let problem = Problem::new("data.test", message);
            problems.push(problem.help("make them smaller, such as 0.05 each"));
        }
        if model.kind == TextModelKind::Gpt && !model.width.is_multiple_of(model.heads.max(1)) {
            let message = format!(
                "must divide model.width, but {} is no multiple of {}",
                model.width, model.heads
            );
            let problem = Problem::new("model.heads", message);
            problems.push(problem.help("each head takes an equal part of the width"));
        }
        problems
    }
}
