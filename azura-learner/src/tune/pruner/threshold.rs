//! A fixed bar.

use super::{Pruner, Verdict};
use crate::tune::History;

/// Prunes a trial that reports NaN, an infinity, or a value outside of two bounds.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    low: f64,
    high: f64,
}

impl Threshold {
    /// The rule with these bounds, which belong to the allowed values; infinite ones allow all finite values.
    pub fn new(low: f64, high: f64) -> Self {
        Threshold { low, high }
    }
}

impl Pruner for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        match history.trials[number].intermediate.last() {
            Some(&(step, value)) if !value.is_finite() || value < self.low || value > self.high => {
                Verdict::Prune(format!(
                    "at step {step} it reported {value}, which is not between {} and {}",
                    self.low, self.high
                ))
            }
            _ => Verdict::Continue,
        }
    }
}
