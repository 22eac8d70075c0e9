//! Successive halving in groups.

use super::asha::reached;
use super::{Pruner, Verdict, cost_on_reaching};
use crate::tune::{History, State, Trial};

/// Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943): trials come in groups, and at each rung only the best
/// `1/factor` of a group go on.
///
/// Group `g` is trials `g · size` to `(g + 1) · size − 1`, and rung `k` is at step `min_steps · factor^k`, where
/// `⌊size / factor^(k+1)⌋` trials go on, at least one. A trial cannot wait for its group here. So it is pruned at once when
/// so many of its group were better at the rung that its place is lost; and a trial that a later one overtakes is pruned at its
/// next report. When all of a group have reached a rung, exactly the best ones are left.
#[derive(Clone, Copy, Debug)]
pub struct Halving {
    size: usize,
    min_steps: u64,
    factor: u64,
}

impl Halving {
    /// Groups of `size` trials with the first rung at `min_steps`; at least 2, 1 and 2.
    pub fn new(size: usize, min_steps: u64, factor: u64) -> Self {
        Halving {
            size: size.max(2),
            min_steps: min_steps.max(1),
            factor: factor.max(2),
        }
    }
}

impl Pruner for Halving {
    fn name(&self) -> &'static str {
        "halving"
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        let group = number / self.size * self.size;
        let members = &history.trials[group..history.trials.len().min(group + self.size)];
        judge(
            history,
            number,
            members,
            self.size,
            self.min_steps,
            self.factor,
        )
    }
}

/// The verdict on a trial of a group of `size` trials, of which `members` have begun.
fn judge(
    history: &History,
    number: usize,
    members: &[Trial],
    size: usize,
    min_steps: u64,
    factor: u64,
) -> Verdict {
    let trial = &history.trials[number];
    let Some(&(step, _)) = trial.intermediate.last() else {
        return Verdict::Continue;
    };
    let members: Vec<&Trial> = members
        .iter()
        .filter(|t| !matches!(t.state, State::Failed(_)))
        .collect();
    let mut places = size;
    let mut rung = min_steps;
    while rung <= step {
        places = (places / factor as usize).max(1);
        let own = cost_on_reaching(history, trial, rung).unwrap_or(f64::INFINITY);
        // Of equals the earlier trial is the better one, so that a rung never keeps too many.
        let better = members.iter().filter(|t| t.number != number).filter(|t| {
            cost_on_reaching(history, t, rung)
                .is_some_and(|c| c < own || (c == own && t.number < number))
        });
        let better = better.count();
        if better >= places || own == f64::INFINITY {
            let when = match reached(history, number, min_steps, factor) {
                Some(now) if now == rung => "",
                _ => ", by trials that came later",
            };
            return Verdict::Prune(format!(
                "at step {rung} {better} of its group of {size} were better{when}, and {places} go on"
            ));
        }
        let Some(next) = rung.checked_mul(factor) else {
            break;
        };
        rung = next;
    }
    Verdict::Continue
}
