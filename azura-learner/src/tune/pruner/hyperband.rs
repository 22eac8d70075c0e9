//! Hyperband.

use super::asha::{Asha, reached};
use super::{Pruner, Verdict, cost_on_reaching, rivals};
use crate::tune::{History, Trial};

/// Hyperband (Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018, arXiv:1603.06560): several brackets of successive
/// halving that differ in how early they prune, for when it is not known how much early reports tell.
///
/// With `s_max = ⌊log_factor(max_steps / min_steps)⌋`, bracket `s` from `s_max` down to 0 has
/// `n_s = ⌈(s_max + 1)/(s + 1) · factor^s⌉` trials and its first rung at `max_steps / factor^s`. Trials go to the
/// brackets in this order, `n_s` to each, and then from the beginning. Within a bracket the rule is that of [`Asha`],
/// which lets nobody wait, over all its trials.
#[derive(Clone, Copy, Debug)]
pub struct Hyperband {
    min_steps: u64,
    max_steps: u64,
    factor: u64,
}

impl Hyperband {
    /// Brackets whose first rungs lie between `min_steps` and `max_steps`.
    pub fn new(min_steps: u64, max_steps: u64, factor: u64) -> Self {
        let min_steps = min_steps.max(1);
        Hyperband {
            min_steps,
            max_steps: max_steps.max(min_steps),
            factor: factor.max(2),
        }
    }

    /// The size and the first rung of each bracket, the most eager one first.
    pub fn brackets(&self) -> Vec<(usize, u64)> {
        let mut most = 0u32;
        while self
            .min_steps
            .saturating_mul(self.factor.saturating_pow(most + 1))
            <= self.max_steps
        {
            most += 1;
        }
        (0..=most)
            .rev()
            .map(|s| {
                let power = self.factor.saturating_pow(s);
                let size = (u64::from(most) + 1)
                    .saturating_mul(power)
                    .div_ceil(u64::from(s) + 1);
                (size as usize, (self.max_steps / power).max(1))
            })
            .collect()
    }

    /// The bracket of a trial.
    pub fn bracket(&self, number: usize) -> usize {
        let brackets = self.brackets();
        let total: usize = brackets.iter().map(|b| b.0).sum();
        let mut place = number % total;
        for (i, (size, _)) in brackets.iter().enumerate() {
            if place < *size {
                return i;
            }
            place -= size;
        }
        0
    }
}

impl Pruner for Hyperband {
    fn name(&self) -> &'static str {
        "hyperband"
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        let bracket = self.bracket(number);
        let first = self.brackets()[bracket].1;
        // At the last step there is nothing left to save.
        let Some(rung) =
            reached(history, number, first, self.factor).filter(|r| *r < self.max_steps)
        else {
            return Verdict::Continue;
        };
        let own = cost_on_reaching(history, &history.trials[number], rung).unwrap_or(f64::INFINITY);
        let others = rivals(history).filter(|t: &&Trial| self.bracket(t.number) == bracket);
        let costs: Vec<f64> = others
            .filter_map(|t| cost_on_reaching(history, t, rung))
            .collect();
        Asha::verdict(&costs, own, rung, self.factor)
    }
}
