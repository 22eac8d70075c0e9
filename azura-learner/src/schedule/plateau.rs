//! Lowering the rate when a value stops improving.

use serde::{Deserialize, Serialize};

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
