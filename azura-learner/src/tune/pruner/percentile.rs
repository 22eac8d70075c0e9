//! The percentile rule, of which the median rule is one.

use super::{Pruner, Verdict, cost, cost_at};
use crate::tune::{History, State};

/// Prunes a trial whose best report so far is worse than a percentile of what finished trials reported at the same step.
///
/// With 50 per cent it is the median rule (Golovin et al. 2017, Google Vizier, section 3.2.2, with values instead of running
/// averages). Asked only from step `warmup` on, and once `startup` trials have ended.
#[derive(Clone, Copy, Debug)]
pub struct Percentile {
    keep: f64,
    startup: usize,
    warmup: u64,
}

impl Percentile {
    /// Keeps a trial that is among the best `keep` per cent, between 0 and 100; judges once 5 trials have ended.
    pub fn new(keep: f64) -> Self {
        Percentile {
            keep: keep.clamp(0.0, 100.0),
            startup: 5,
            warmup: 0,
        }
    }

    /// The median rule.
    pub fn median() -> Self {
        Self::new(50.0)
    }

    /// How many trials must have ended before any is judged.
    #[must_use]
    pub fn startup(self, startup: usize) -> Self {
        Percentile { startup, ..self }
    }

    /// The first step at which trials are judged.
    #[must_use]
    pub fn warmup(self, warmup: u64) -> Self {
        Percentile { warmup, ..self }
    }
}

impl Pruner for Percentile {
    fn name(&self) -> &'static str {
        if self.keep == 50.0 {
            "median"
        } else {
            "percentile"
        }
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        let trial = &history.trials[number];
        let Some(&(step, _)) = trial.intermediate.last() else {
            return Verdict::Continue;
        };
        let done = || history.trials.iter().filter(|t| t.state == State::Done);
        if step < self.warmup || done().count() < self.startup {
            return Verdict::Continue;
        }
        let mut others: Vec<f64> = done().filter_map(|t| cost_at(history, t, step)).collect();
        if others.is_empty() {
            return Verdict::Continue;
        }
        let own = trial
            .intermediate
            .iter()
            .map(|(_, v)| cost(history, *v))
            .fold(f64::INFINITY, f64::min);
        others.sort_by(f64::total_cmp);
        let bar = percentile(&others, self.keep);
        match own > bar {
            true => Verdict::Prune(format!(
                "its best report until step {step} is not among the best {} % of {} trials",
                self.keep,
                others.len()
            )),
            false => Verdict::Continue,
        }
    }
}

/// The percentile of sorted values, between two of them on the line through both.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (low, part) = (place as usize, place.fract());
    match sorted.get(low + 1) {
        Some(high) if part > 0.0 => sorted[low] + part * (high - sorted[low]),
        _ => sorted[low],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.percentile of 1, 2, 4, 8.
    #[test]
    fn percentiles_are_numpys() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (percent, value) in [
            (0.0, 1.0),
            (25.0, 1.75),
            (50.0, 3.0),
            (75.0, 5.0),
            (100.0, 8.0),
        ] {
            assert_eq!(percentile(&sorted, percent), value);
        }
    }
}
