//! Learning rates over time: functions with PyTorch's meaning, and the [`Schedule`] that the trainer
//! follows.
//!
//! The functions are closed forms of the step, so that a resumed training needs no state; the one that listens to
//! results, [`Plateau`], is saved.
//!
//! A curve of no length is over when it begins, and a step without end is at its end: what has a lowest rate is there,
//! whether it would rise again or not.

mod cosine;
mod cycle;
mod decay;
mod plateau;

pub use cosine::{cosine, cosine_restarts};
pub use cycle::{Cyclic, Heights, OneCycle};
pub use decay::{constant, exponential, linear, multistep, polynomial, step};
pub use plateau::Plateau;

use crate::train::{ScheduleConfig, ScheduleKind, TrainConfig};

/// How much of `total` steps lies before step `t`, at most all.
fn part(t: f64, total: f64) -> f64 {
    if t >= total { 1.0 } else { t / total }
}

/// The learning rate of every step of a training.
///
/// In the first `warmup` part of all steps the rate rises linearly: step `s` of `w` has `lr · (s+1)/w`. Then the curve
/// begins, and ends with the last step.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    config: ScheduleConfig,
    lr: f64,
    warmup: u64,
    total: u64,
    plateau: Plateau,
}

impl Schedule {
    /// The schedule of a configuration for a training of `total` steps.
    pub fn new(config: &TrainConfig, total: u64) -> Self {
        let s = &config.schedule;
        Schedule {
            config: s.clone(),
            lr: config.lr,
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
        let top = match self.config.kind {
            ScheduleKind::Plateau => self.plateau.lr(),
            _ => self.lr,
        };
        if step < self.warmup {
            return self.curve(top, 0) * (step + 1) as f64 / self.warmup as f64;
        }
        self.curve(top, step - self.warmup)
    }

    /// The curve after the warm-up, from the rate `top` down.
    fn curve(&self, top: f64, step: u64) -> f64 {
        let ScheduleConfig {
            kind,
            min_lr,
            factor,
            power,
            steps,
            ..
        } = self.config;
        let rest = (self.total - self.warmup.min(self.total)).max(1);
        let (t, end) = (step.min(rest) as f64, rest as f64);
        // Without a number of steps there are ten stretches.
        let every = if steps == 0 {
            (rest / 10).max(1)
        } else {
            steps
        };
        match kind {
            ScheduleKind::Constant | ScheduleKind::Plateau => top,
            ScheduleKind::Cosine => cosine(top, min_lr, t, end),
            ScheduleKind::Restarts => {
                cosine_restarts(top, min_lr, step as f64, every as f64, power.max(1.0))
            }
            ScheduleKind::Step => decay::step(top, step, every, factor).max(min_lr),
            ScheduleKind::Multistep => {
                let milestones: Vec<u64> = self
                    .config
                    .milestones
                    .iter()
                    .map(|part| (part * self.total as f64).round() as u64)
                    .map(|at| at.saturating_sub(self.warmup))
                    .collect();
                multistep(top, step, &milestones, factor).max(min_lr)
            }
            ScheduleKind::Exponential => {
                exponential(top, step as f64 / every as f64, factor).max(min_lr)
            }
            ScheduleKind::Polynomial => min_lr + polynomial(top - min_lr, t, end, power),
            ScheduleKind::Linear => min_lr + polynomial(top - min_lr, t, end, 1.0),
            ScheduleKind::Onecycle => OneCycle::new(top, end).lr(t),
            ScheduleKind::Cyclic => {
                let half = every as f64;
                let cycle = Cyclic {
                    base: min_lr,
                    max: top,
                    up: half,
                    down: half,
                    heights: Heights::Same,
                };
                cycle.lr(step as f64)
            }
        }
    }

    /// Takes the monitored value of an epoch.
    pub fn record(&mut self, value: f64) {
        if self.config.kind == ScheduleKind::Plateau {
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
