//! Learning rates over time: functions with PyTorch's meaning, and the [`Schedule`] that the trainer
//! follows.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::train::{ScheduleKind, TrainConfig};

/// Half a cosine from `base` to `min` (Loshchilov & Hutter 2017, without restarts):
/// `min + (base - min) · (1 + cos(π·t/T)) / 2`, as the closed form of PyTorch's `CosineAnnealingLR`.
///
/// It rises again after `T`, as PyTorch's does; [`Schedule`] stays at `min`.
///
/// ```
/// use azura_learner::schedule::cosine;
/// assert_eq!(cosine(1.0, 0.0, 0.0, 10.0), 1.0);
/// assert!((cosine(1.0, 0.0, 5.0, 10.0) - 0.5).abs() < 1e-15);
/// ```
pub fn cosine(base: f64, min: f64, t: f64, total: f64) -> f64 {
    min + (base - min) * (1.0 + (PI * t / total).cos()) / 2.0
}

/// Lowers the rate when a value stops improving, as PyTorch's `ReduceLROnPlateau` with its defaults:
/// relative threshold 1e-4, and steps below 1e-8 are not made.
///
/// ```
/// use azura_learner::schedule::Plateau;
/// let mut plateau = Plateau::new(1.0, 0.1, 1, 0.0, false);
/// let rates: Vec<f64> = [3.0, 3.0, 3.0, 2.0].iter().map(|&loss| plateau.record(loss)).collect();
/// assert_eq!(rates, [1.0, 1.0, 0.1, 0.1]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    lr: f64,
    factor: f64,
    patience: u64,
    cooldown: u64,
    min_lr: f64,
    higher: bool,
    resting: u64,
    // None before the first value: an infinity cannot be saved as JSON.
    best: Option<f64>,
    bad: u64,
}

/// A value must be better by this part of the best to count (PyTorch's `threshold`).
const THRESHOLD: f64 = 1e-4;
/// A change of the rate below this is not made (PyTorch's `eps`).
const EPS: f64 = 1e-8;

impl Plateau {
    /// Multiplies `lr` by `factor` after more than `patience` values without a better one.
    pub fn new(lr: f64, factor: f64, patience: u64, min_lr: f64, higher_is_better: bool) -> Self {
        Plateau {
            lr,
            factor,
            patience,
            cooldown: 0,
            min_lr,
            higher: higher_is_better,
            resting: 0,
            best: None,
            bad: 0,
        }
    }

    /// The same, which counts nothing for `epochs` epochs after it lowered the rate.
    #[must_use]
    pub fn cooldown(mut self, epochs: u64) -> Self {
        self.cooldown = epochs;
        self
    }

    /// Takes the value of an epoch and returns the rate for the next.
    pub fn record(&mut self, value: f64) -> f64 {
        let better = match self.best {
            _ if !value.is_finite() => false,
            None => true,
            Some(best) if self.higher => value > best * (1.0 + THRESHOLD),
            Some(best) => value < best * (1.0 - THRESHOLD),
        };
        if better {
            self.best = Some(value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.resting > 0 {
            self.resting -= 1;
            self.bad = 0;
        }
        if self.bad > self.patience {
            let lower = (self.lr * self.factor).max(self.min_lr);
            if self.lr - lower > EPS {
                self.lr = lower;
            }
            self.resting = self.cooldown;
            self.bad = 0;
        }
        self.lr
    }

    /// The rate now.
    pub fn lr(&self) -> f64 {
        self.lr
    }
}

/// The learning rate of every step of a training.
///
/// In the first `warmup` part of all steps the rate rises linearly: step `s` of `w` has `lr · (s+1)/w`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    lr: f64,
    min_lr: f64,
    warmup: u64,
    total: u64,
    plateau: Plateau,
}

impl Schedule {
    /// The schedule of a configuration for a training of `total` steps.
    pub fn new(config: &TrainConfig, total: u64) -> Self {
        let s = &config.schedule;
        Schedule {
            kind: s.kind,
            lr: config.lr,
            min_lr: s.min_lr,
            warmup: (s.warmup * total as f64).round() as u64,
            total,
            plateau: Plateau::new(
                config.lr,
                s.factor,
                s.patience,
                s.min_lr,
                config.higher_is_better(),
            )
            .cooldown(s.cooldown),
        }
    }

    /// The rate of step `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        let top = match self.kind {
            ScheduleKind::Plateau => self.plateau.lr(),
            ScheduleKind::Constant | ScheduleKind::Cosine => self.lr,
        };
        if step < self.warmup {
            return top * (step + 1) as f64 / self.warmup as f64;
        }
        match self.kind {
            ScheduleKind::Constant | ScheduleKind::Plateau => top,
            ScheduleKind::Cosine => {
                let rest = (self.total - self.warmup.min(self.total)).max(1);
                let t = (step - self.warmup).min(rest);
                cosine(self.lr, self.min_lr, t as f64, rest as f64)
            }
        }
    }

    /// Takes the monitored value of an epoch.
    pub fn record(&mut self, value: f64) {
        if self.kind == ScheduleKind::Plateau {
            self.plateau.record(value);
        }
    }

    /// What must be saved to go on: the rest follows from the configuration.
    pub fn state(&self) -> Plateau {
        self.plateau.clone()
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, state: Plateau) {
        self.plateau = state;
    }
}
