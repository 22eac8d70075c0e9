//! How to train: the part of every app's configuration that is called `train`.
//!
//! Doc comments here are what `--help`, the JSON Schema and forms show. Numbers whose 0 means
//! "off" say so; there are no nulls, so that every value can be written in TOML and overridden.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::span::{Every, Span};
use crate::error::Problem;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training rows, at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: u64,
    /// Rows in a batch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch: usize,
    /// Learning rate at its highest.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1000.0))]
    pub lr: f64,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// Weight decay: decoupled for adamw, added to the gradient for adam and sgd.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Momentum of sgd; adam and adamw do not use it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's momentum for sgd.
    pub nesterov: bool,
    /// How the learning rate changes.
    pub schedule: ScheduleConfig,
    /// Largest norm of all gradients together; 0 turns clipping off.
    #[schemars(range(min = 0.0))]
    pub clip: f64,
    /// Epochs without a better monitored value before training stops; 0 never stops early.
    pub patience: u64,
    /// The value that decides which epoch is best: val.loss or a score such as val.mae.
    pub monitor: String,
    /// Whether a higher or a lower monitored value is better; auto knows the usual metrics.
    pub mode: Monitor,
    /// Seed of the initial weights, the order of the rows and dropout.
    pub seed: u64,
    /// A new random order of the training rows in every epoch.
    pub shuffle: bool,
    /// Steps (100) or time (5m) between checkpoints inside an epoch; 0 writes them at its end only.
    pub checkpoint_every: Every,
    /// Stop after this many optimiser steps; 0 is no limit.
    pub max_steps: u64,
    /// Stop after this time (30m, 2h), counted over all resumed parts; 0 is no limit.
    pub time_limit: Span,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            epochs: 20,
            batch: 64,
            lr: 1e-3,
            optimizer: OptimizerKind::Adamw,
            weight_decay: 0.01,
            momentum: 0.9,
            nesterov: false,
            schedule: ScheduleConfig::default(),
            clip: 1.0,
            patience: 15,
            monitor: "val.loss".to_string(),
            mode: Monitor::Auto,
            seed: 0,
            shuffle: true,
            checkpoint_every: Every::Time(Span::from_millis(60_000)),
            max_steps: 0,
            time_limit: Span::default(),
        }
    }
}

impl TrainConfig {
    /// Rules that the schema cannot say. Keys begin with `train.`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut finite = |key: &str, value: f64, low: f64| {
            if !value.is_finite() || value < low {
                problems.push(Problem::new(
                    format!("train.{key}"),
                    format!("must be a finite number of at least {low}, but is {value}"),
                ));
            }
        };
        finite("lr", self.lr, f64::MIN_POSITIVE);
        finite("weight_decay", self.weight_decay, 0.0);
        finite("momentum", self.momentum, 0.0);
        finite("clip", self.clip, 0.0);
        finite("schedule.min_lr", self.schedule.min_lr, 0.0);
        if self.epochs == 0 {
            problems.push(Problem::new("train.epochs", "must be at least 1, but is 0"));
        }
        if self.batch == 0 {
            problems.push(Problem::new("train.batch", "must be at least 1, but is 0"));
        }
        if self.schedule.min_lr > self.lr {
            problems.push(Problem::new(
                "train.schedule.min_lr",
                format!(
                    "must not be above train.lr, but is {} with train.lr = {}",
                    self.schedule.min_lr, self.lr
                ),
            ));
        }
        if !(0.0..1.0).contains(&self.schedule.factor) || self.schedule.factor == 0.0 {
            problems.push(Problem::new(
                "train.schedule.factor",
                format!("must be between 0 and 1, but is {}", self.schedule.factor),
            ));
        }
        if !(0.0..1.0).contains(&self.schedule.warmup) {
            problems.push(Problem::new(
                "train.schedule.warmup",
                format!(
                    "must be at least 0 and below 1, but is {}",
                    self.schedule.warmup
                ),
            ));
        }
        if self.nesterov && self.momentum == 0.0 {
            problems.push(
                Problem::new("train.nesterov", "needs a momentum")
                    .help("set train.momentum to 0.9 or leave nesterov off"),
            );
        }
        let part = self.monitor.split_once('.').map(|(part, _)| part);
        if !matches!(part, Some("val" | "train")) {
            problems.push(
                Problem::new(
                    "train.monitor",
                    format!("`{}` is not a monitored value", self.monitor),
                )
                .help("write train.loss, val.loss or a score such as val.mae"),
            );
        }
        problems
    }

    /// The configuration without what a resumed run may change: only its budget.
    pub(crate) fn without_budget(&self) -> TrainConfig {
        let free = TrainConfig::default();
        TrainConfig {
            epochs: free.epochs,
            max_steps: free.max_steps,
            time_limit: free.time_limit,
            checkpoint_every: free.checkpoint_every,
            ..self.clone()
        }
    }

    /// Numbers that the optimiser keeps for each parameter.
    pub(crate) fn moments(&self) -> u64 {
        match self.optimizer {
            OptimizerKind::Adamw | OptimizerKind::Adam => 2,
            OptimizerKind::Sgd => u64::from(self.momentum != 0.0),
        }
    }

    /// True if a higher monitored value is better.
    pub fn higher_is_better(&self) -> bool {
        match self.mode {
            Monitor::Max => true,
            Monitor::Min => false,
            Monitor::Auto => {
                let name = self.monitor.rsplit('.').next().unwrap_or_default();
                HIGHER.contains(&name)
            }
        }
    }
}

/// Metrics of which more is better.
const HIGHER: [&str; 8] = [
    "r2",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "top5",
];

/// The rule by which gradients change weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    #[default]
    Adamw,
    /// Adam (Kingma & Ba 2015).
    Adam,
    /// Stochastic gradient descent, with momentum.
    Sgd,
}

/// Which direction of the monitored value is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Monitor {
    /// Higher for accuracy, r2, f1 and the like, lower for everything else.
    #[default]
    Auto,
    /// Lower is better.
    Min,
    /// Higher is better.
    Max,
}

/// How the learning rate changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The shape of the curve.
    pub kind: ScheduleKind,
    /// Fraction of all steps in which the rate first rises linearly to train.lr.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub warmup: f64,
    /// The lowest learning rate of cosine and plateau.
    #[schemars(range(min = 0.0))]
    pub min_lr: f64,
    /// What plateau multiplies the rate with.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// Epochs without a better monitored value before plateau lowers the rate.
    pub patience: u64,
    /// Epochs after plateau lowered the rate in which it counts nothing.
    pub cooldown: u64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        ScheduleConfig {
            kind: ScheduleKind::Constant,
            warmup: 0.0,
            min_lr: 0.0,
            factor: 0.1,
            patience: 10,
            cooldown: 0,
        }
    }
}

/// The shape of the learning rate's curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Always the same.
    #[default]
    Constant,
    /// Half a cosine from lr down to min_lr over all steps.
    Cosine,
    /// Times factor whenever the monitored value has not improved for patience epochs.
    Plateau,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_order() {
        assert_eq!(TrainConfig::default().check(), []);
    }

    #[test]
    fn rules_between_values_are_checked() {
        let mut config = TrainConfig {
            lr: f64::NAN,
            monitor: "mae".to_string(),
            nesterov: true,
            momentum: 0.0,
            ..TrainConfig::default()
        };
        config.schedule.warmup = 1.0;
        let keys: Vec<String> = config.check().into_iter().map(|p| p.key).collect();
        assert_eq!(
            keys,
            [
                "train.lr",
                "train.schedule.warmup",
                "train.nesterov",
                "train.monitor"
            ]
        );
    }

    #[test]
    fn the_direction_of_known_metrics_is_known() {
        let monitor = |key: &str| TrainConfig {
            monitor: key.to_string(),
            ..TrainConfig::default()
        };
        assert!(monitor("val.accuracy").higher_is_better());
        assert!(monitor("val.r2").higher_is_better());
        assert!(!monitor("val.mae").higher_is_better());
        assert!(!monitor("val.loss").higher_is_better());
    }
}
