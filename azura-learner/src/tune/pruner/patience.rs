//! Patience.

use super::{Pruner, Verdict, cost};
use crate::tune::History;

/// Prunes a trial whose last `patience` reports brought nothing better than the reports before them, by more than `delta`
/// (early stopping, Prechelt 1998). It looks at no other trial.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    patience: usize,
    delta: f64,
}

impl Patience {
    /// The rule with this many reports of patience, at least 1.
    pub fn new(patience: usize) -> Self {
        Patience {
            patience: patience.max(1),
            delta: 0.0,
        }
    }

    /// By how much a report must be better to count.
    #[must_use]
    pub fn delta(self, delta: f64) -> Self {
        Patience { delta, ..self }
    }
}

impl Pruner for Patience {
    fn name(&self) -> &'static str {
        "patience"
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        let reports = &history.trials[number].intermediate;
        let Some(split) = reports.len().checked_sub(self.patience).filter(|n| *n > 0) else {
            return Verdict::Continue;
        };
        let best = |part: &[(u64, f64)]| {
            part.iter()
                .map(|(_, v)| cost(history, *v))
                .fold(f64::INFINITY, f64::min)
        };
        let (before, since) = reports.split_at(split);
        match best(since) < best(before) - self.delta {
            true => Verdict::Continue,
            false => Verdict::Prune(format!(
                "its last {} reports are no better than those before",
                self.patience
            )),
        }
    }
}
