//! Pruners: they say whether a trial that reports on its way is worth going on. One file for each rule.

mod asha;
mod halving;
mod hyperband;
mod named;
mod patience;
mod percentile;
mod population;
mod threshold;

pub use asha::Asha;
pub use halving::Halving;
pub use hyperband::Hyperband;
pub use named::named;
pub use patience::Patience;
pub use percentile::Percentile;
pub use population::{Member, PopulationTraining, Turn};
pub use threshold::Threshold;

use super::history::{History, State, Trial};

/// What a pruner says about a running trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Stop; the reason in words, with the numbers that decided.
    Prune(String),
}

/// Decides by reports.
///
/// A trial reports values of the study's first objective at rising steps, which are counted as the user likes (epochs, usually).
/// The verdict depends on nothing but the rule's own settings and the history, which holds the reports of this and all other
/// trials.
///
/// Asked after each report, a pruner decides about that report alone; it keeps nothing in mind.
pub trait Pruner: Send {
    /// The name by which it is chosen, for example `asha`.
    fn name(&self) -> &'static str;

    /// The verdict on trial `number` after its last report.
    ///
    /// # Panics
    /// If the history has no such trial (a mistake of the program).
    fn judge(&self, history: &History, number: usize) -> Verdict;
}

impl Pruner for Box<dyn Pruner> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn judge(&self, history: &History, number: usize) -> Verdict {
        (**self).judge(history, number)
    }
}

/// Never prunes.
#[derive(Clone, Copy, Debug)]
pub struct Never;

impl Pruner for Never {
    fn name(&self) -> &'static str {
        "none"
    }

    fn judge(&self, _history: &History, _number: usize) -> Verdict {
        Verdict::Continue
    }
}

/// A report as a cost: NaN is the worst.
fn cost(history: &History, value: f64) -> f64 {
    let cost = history.objectives[0].direction.cost(value);
    if cost.is_nan() { f64::INFINITY } else { cost }
}

/// The cost a trial reported at `step`, or else at the last step before it.
fn cost_at(history: &History, trial: &Trial, step: u64) -> Option<f64> {
    trial.reported(step).map(|value| cost(history, value))
}

/// The cost a trial had when it reached `step`: its first report at `step` or behind it.
fn cost_on_reaching(history: &History, trial: &Trial, step: u64) -> Option<f64> {
    let first = trial.intermediate.iter().find(|(s, _)| *s >= step)?;
    Some(cost(history, first.1))
}

/// Trials that count as rivals: all but failed ones.
fn rivals(history: &History) -> impl Iterator<Item = &Trial> {
    history
        .trials
        .iter()
        .filter(|t| !matches!(t.state, State::Failed(_)))
}
