//! Asynchronous successive halving.

use super::{Pruner, Verdict, cost_on_reaching, rivals};
use crate::tune::History;

/// Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht & Talwalkar 2020, "A system for massively
/// parallel hyperparameter tuning", arXiv:1810.05934).
///
/// Rung `k` is at step `min_steps · factor^k`. A trial that reaches a rung goes on if it is among the best `1/factor` of all
/// trials that have reached it so far; nobody waits for anybody. In a rung of fewer than `factor` trials the best one goes on.
#[derive(Clone, Copy, Debug)]
pub struct Asha {
    min_steps: u64,
    factor: u64,
}

impl Asha {
    /// The rule with rungs at `min_steps`, `min_steps · factor`, …; the first is at least 1, the factor at least 2.
    pub fn new(min_steps: u64, factor: u64) -> Self {
        Asha {
            min_steps: min_steps.max(1),
            factor: factor.max(2),
        }
    }

    /// Whether a cost is among the best `1/factor` of all costs at a rung, itself included.
    pub(super) fn verdict(costs: &[f64], own: f64, rung: u64, factor: u64) -> Verdict {
        let better = costs.iter().filter(|c| **c < own).count();
        let places = (costs.len() / factor as usize).max(1);
        match better < places && own < f64::INFINITY {
            true => Verdict::Continue,
            false => Verdict::Prune(format!(
                "at step {rung} it is number {} of {}, and the best {places} go on",
                better + 1,
                costs.len()
            )),
        }
    }

    /// The rung that the trial's last report reached: its step, if no earlier report reached it.
    fn reached(&self, history: &History, number: usize) -> Option<u64> {
        reached(history, number, self.min_steps, self.factor)
    }
}

/// The highest rung between the last but one and the last report of a trial.
pub(super) fn reached(
    history: &History,
    number: usize,
    min_steps: u64,
    factor: u64,
) -> Option<u64> {
    let reports = &history.trials[number].intermediate;
    let step = reports.last()?.0;
    let before = reports.len().checked_sub(2).map_or(0, |i| reports[i].0);
    let rungs = std::iter::successors(Some(min_steps), |rung| rung.checked_mul(factor));
    rungs
        .take_while(|rung| *rung <= step)
        .filter(|rung| *rung > before)
        .last()
}

impl Pruner for Asha {
    fn name(&self) -> &'static str {
        "asha"
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        let Some(rung) = self.reached(history, number) else {
            return Verdict::Continue;
        };
        let costs = rivals(history).filter_map(|t| cost_on_reaching(history, t, rung));
        let costs: Vec<f64> = costs.collect();
        let own = cost_on_reaching(history, &history.trials[number], rung).unwrap_or(f64::INFINITY);
        Asha::verdict(&costs, own, rung, self.factor)
    }
}
