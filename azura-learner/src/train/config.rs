//! How to train: the part of every app's configuration that is called `train`.
//!
//! Doc comments here are what `--help`, the JSON Schema and forms show. Numbers whose 0 means
//! "off" say so; a value that need not be there is written as "none" in TOML and on the command line.

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
    /// Batches whose gradients make one optimiser step: the mean over all their targets, as of one large batch. The last
    /// step of an epoch takes what is left.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub accumulate: usize,
    /// Parts of each batch that are computed at the same time, each on one thread; 1 splits every operation over the threads
    /// instead. Gradients are added in the order of the parts, so results depend on this number and not on that of threads.
    /// Each part drops its own units; batch norms, whose statistics are those of the whole batch, refuse.
    #[schemars(range(min = 1, max = 1024))]
    pub shards: usize,
    /// Learning rate at its highest.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1000.0))]
    pub lr: f64,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// Weight decay: decoupled for adamw, adafactor, lion and muon, added to the gradient for the others; rprop has none.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Momentum of sgd; the others have their own, see options.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's momentum for sgd.
    pub nesterov: bool,
    /// More options of the optimiser.
    pub options: OptimizerOptions,
    /// Names of parameters that are not trained; * stands for any characters.
    pub freeze: Vec<String>,
    /// Names of parameters without weight decay; * stands for any characters.
    pub no_decay: Vec<String>,
    /// Factors of the learning rate by names of parameters, [{ pattern = "encoder.*", factor = 0.1 }]; the first that fits
    /// counts.
    pub lr_factors: Vec<LrFactor>,
    /// The average of the weights that is scored and saved in their place.
    pub average: AverageKind,
    /// How much of the old average ema keeps in each step.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub average_decay: f64,
    /// Epochs before the average begins; until then the weights themselves are scored.
    pub average_start: u64,
    /// How the learning rate changes.
    pub schedule: ScheduleConfig,
    /// Largest norm of all gradients together; 0 turns clipping off.
    #[schemars(range(min = 0.0))]
    pub clip: f64,
    /// Largest size of each element of a gradient; 0 turns it off.
    #[schemars(range(min = 0.0))]
    pub clip_value: f64,
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
            accumulate: 1,
            shards: 1,
            lr: 1e-3,
            optimizer: OptimizerKind::Adamw,
            weight_decay: 0.01,
            momentum: 0.9,
            nesterov: false,
            options: OptimizerOptions::default(),
            freeze: Vec::new(),
            no_decay: Vec::new(),
            lr_factors: Vec::new(),
            average: AverageKind::None,
            average_decay: 0.999,
            average_start: 0,
            schedule: ScheduleConfig::default(),
            clip: 1.0,
            clip_value: 0.0,
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
        finite("clip_value", self.clip_value, 0.0);
        for (key, value) in [
            ("options.beta1", self.options.beta1),
            ("options.beta2", self.options.beta2),
            ("options.eps", self.options.eps),
            ("options.decay", self.options.decay),
            ("options.momentum", self.options.momentum),
            ("schedule.power", Some(self.schedule.power)),
        ] {
            finite(key, value.unwrap_or(0.0), 0.0);
        }
        for LrFactor { factor, .. } in &self.lr_factors {
            finite("lr_factors", *factor, 0.0);
        }
        for &part in &self.schedule.milestones {
            finite("schedule.milestones", part, 0.0);
        }
        finite("schedule.min_lr", self.schedule.min_lr, 0.0);
        if self.epochs == 0 {
            problems.push(Problem::new("train.epochs", "must be at least 1, but is 0"));
        }
        if self.batch == 0 {
            problems.push(Problem::new("train.batch", "must be at least 1, but is 0"));
        }
        if self.accumulate == 0 {
            let problem = Problem::new("train.accumulate", "must be at least 1, but is 0");
            problems.push(problem);
        }
        if self.shards == 0 {
            problems.push(Problem::new("train.shards", "must be at least 1, but is 0"));
        } else if self.shards > self.batch.max(1) {
            let rule = format!(
                "must not be above train.batch, but is {} with train.batch = {}",
                self.shards, self.batch
            );
            let problem = Problem::new("train.shards", rule);
            problems
                .push(problem.help("a part has at least one row; lower it or raise train.batch"));
        }
        if !(0.0..1.0).contains(&self.average_decay) {
            problems.push(Problem::new(
                "train.average_decay",
                format!(
                    "must be at least 0 and below 1, but is {}",
                    self.average_decay
                ),
            ));
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

    /// Numbers that the optimiser and the average keep for each parameter.
    pub(crate) fn moments(&self) -> u64 {
        let average = u64::from(self.average != AverageKind::None);
        let momentum = u64::from(self.options.momentum.is_some_and(|m| m != 0.0));
        average
            + match self.optimizer {
                OptimizerKind::Adamw | OptimizerKind::Adam => 2 + u64::from(self.options.amsgrad),
                OptimizerKind::Sgd => u64::from(self.momentum != 0.0),
                OptimizerKind::Rmsprop => 1 + u64::from(self.options.centered) + momentum,
                // The factors of rows and columns are small beside the values.
                OptimizerKind::Adafactor => 0,
                OptimizerKind::Adagrad | OptimizerKind::Asgd | OptimizerKind::Lion => 1,
                OptimizerKind::Nadam
                | OptimizerKind::Radam
                | OptimizerKind::Adamax
                | OptimizerKind::Adadelta
                | OptimizerKind::Rprop => 2,
                // Momentum for all, and what adamw keeps.
                OptimizerKind::Muon => 3,
            }
    }

    /// The same training, but for exactly so many epochs: without validation rows nothing says when to stop.
    #[must_use]
    pub fn for_epochs(&self, epochs: u64) -> TrainConfig {
        TrainConfig {
            epochs,
            patience: 0,
            ..self.clone()
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
    /// Adam with Nesterov momentum (Dozat 2016).
    Nadam,
    /// Rectified Adam (Liu et al. 2019).
    Radam,
    /// Adam with the largest gradient in place of their mean square (Kingma & Ba 2015).
    Adamax,
    /// Steps become smaller with the sum of squared gradients (Duchi et al. 2011).
    Adagrad,
    /// Divides by the running root mean square (Hinton 2012).
    Rmsprop,
    /// Steps in the units of the weights (Zeiler 2012); PyTorch's lr is 1.
    Adadelta,
    /// Averaged gradient descent (Polyak & Juditsky 1992).
    Asgd,
    /// Only the signs of gradients count, for batches of all rows (Riedmiller & Braun 1993).
    Rprop,
    /// Keeps means of rows and columns only (Shazeer & Stern 2018).
    Adafactor,
    /// Only the sign of the momentum counts; wants a smaller lr (Chen et al. 2023).
    Lion,
    /// Orthogonal momentum for matrices, adamw for the rest (Jordan et al. 2024).
    Muon,
}

/// Options of optimisers beyond those that are often set; without one the optimiser has its own default, which is PyTorch's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerOptions {
    /// Decay rate of the first moment of adam, adamw, nadam, radam, adamax and lion.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta1: Option<f64>,
    /// Decay rate of the second moment of the same.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta2: Option<f64>,
    /// What is added to divisors.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub eps: Option<f64>,
    /// Decay rate of the mean squares of rmsprop (alpha) and adadelta (rho).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: Option<f64>,
    /// Momentum of rmsprop and muon.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: Option<f64>,
    /// Whether the second moment of adam and adamw never falls.
    pub amsgrad: bool,
    /// Whether rmsprop takes the mean of the gradients away.
    pub centered: bool,
}

/// A factor of the learning rate for parameters by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LrFactor {
    /// The whole name; * stands for any characters.
    pub pattern: String,
    /// What the learning rate is multiplied with.
    #[schemars(range(min = 0.0))]
    pub factor: f64,
}

/// Which average of the weights is scored and saved in their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AverageKind {
    /// None: the weights themselves.
    #[default]
    None,
    /// Exponential, over all steps (Polyak & Juditsky 1992).
    Ema,
    /// Of the weights at the ends of epochs, which count alike (Izmailov et al. 2018); statistics of batch norms are
    /// taken anew, in a pass over the training rows.
    Swa,
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
    /// The lowest learning rate; constant and onecycle do not know it.
    #[schemars(range(min = 0.0))]
    pub min_lr: f64,
    /// What plateau, step, multistep and exponential multiply the rate with.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// Epochs without a better monitored value before plateau lowers the rate.
    pub patience: u64,
    /// Epochs after plateau lowered the rate in which it counts nothing.
    pub cooldown: u64,
    /// Steps between two falls of step, in which exponential falls by factor, of the first of the cosines of restarts,
    /// and up or down of cyclic; 0 takes a tenth of all steps.
    pub steps: u64,
    /// Parts of all steps (0 to 1) after which multistep falls by factor.
    pub milestones: Vec<f64>,
    /// Power of polynomial; how much longer each cosine of restarts is than the one before.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub power: f64,
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
            steps: 0,
            milestones: vec![0.5, 0.75],
            power: 1.0,
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
    /// A straight line from lr to min_lr over all steps.
    Linear,
    /// From lr to min_lr over all steps as a power of what is left of them.
    Polynomial,
    /// Times factor again and again, after as many steps as steps says.
    Step,
    /// Times factor at each of milestones.
    Multistep,
    /// As step, but a little every step.
    Exponential,
    /// Cosines from lr down to min_lr that begin again.
    Restarts,
    /// A rise from lr / 25 in the first 30 % of the steps and a long fall to next to nothing.
    Onecycle,
    /// Up from min_lr to lr and down again, again and again.
    Cyclic,
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
            accumulate: 0,
            shards: 100,
            average_decay: 1.0,
            lr_factors: vec![LrFactor {
                pattern: "*".to_string(),
                factor: f64::INFINITY,
            }],
            ..TrainConfig::default()
        };
        config.schedule.warmup = 1.0;
        let keys: Vec<String> = config.check().into_iter().map(|p| p.key).collect();
        assert_eq!(
            keys,
            [
                "train.lr",
                "train.lr_factors",
                "train.accumulate",
                "train.shards",
                "train.average_decay",
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
