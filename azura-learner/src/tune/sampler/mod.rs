//! Samplers: they propose the point of the next trial. One file for each; nothing here runs a trial.

mod cma_state;
mod cmaes;
mod gaussian;
mod gp;
mod grid;
mod named;
mod nsga2;
pub(super) mod parzen;
mod random;
mod replay;
mod sobol;
mod tpe;

pub use cmaes::CmaEs;
pub use gp::Gp;
pub use grid::Grid;
pub use named::{Choice, NAMES, named};
pub use nsga2::Nsga2;
pub use random::Random;
pub use replay::{Annealing, NelderMead, Pso};
pub use sobol::Sobol;
pub use tpe::Tpe;

use azura_core::Rng;

use super::history::{History, State, Trial, WORST};
use crate::error::{Error, Result};

/// Proposes points of the unit cube.
///
/// What it proposes depends on nothing but its own settings (with the seed) and the history: the same settings and the
/// same history give the same point, on any machine, in a new process too. A sampler that would be slow to compute anew
/// may keep a cache, with the same result; that is why [`ask`](Sampler::ask) takes `&mut self`.
///
/// Trials may be running when a point is asked for: they are in the history without values.
pub trait Sampler: Send {
    /// The name by which it is chosen, for example `tpe`.
    fn name(&self) -> &'static str;

    /// The point of trial number `history.trials.len()`; `None` when there is nothing left to try.
    ///
    /// The history decides what the point means: pass it to [`History::start`], which snaps it.
    ///
    /// # Errors
    /// [`Error::Usage`] if the sampler does not fit the space or the objectives.
    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>>;

    /// Up to `count` points for trials that will run at the same time: each knows that those before it run.
    ///
    /// # Errors
    /// Those of [`ask`](Sampler::ask).
    fn ask_many(&mut self, history: &History, count: usize) -> Result<Vec<Vec<f64>>> {
        let mut ahead = history.clone();
        let mut points = Vec::new();
        while points.len() < count {
            let Some(point) = self.ask(&ahead)? else {
                break;
            };
            let number = ahead.start(&point);
            points.push(ahead.trials[number].point.clone());
        }
        Ok(points)
    }
}

impl Sampler for Box<dyn Sampler> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        (**self).ask(history)
    }
}

/// The generator of one trial: a function of the seed, who asks, and the trial's number.
fn rng(seed: u64, label: &str, number: usize) -> Rng {
    Rng::new(seed).fork(&format!("tune/{label}/{number}"))
}

/// A uniform point.
fn uniform(rng: &mut Rng, dims: usize) -> Vec<f64> {
    (0..dims).map(|_| rng.uniform()).collect()
}

/// Refuses a study of several objectives.
fn one_objective(history: &History, name: &str) -> Result<()> {
    match history.objectives.len() {
        1 => Ok(()),
        n => Err(Error::Usage(format!(
            "the sampler `{name}` optimises one objective, but the study has {n}; use `nsga2`, `tpe`, `gp` or `random`"
        ))),
    }
}

/// One number for a finished trial, for samplers that know only a cost: a failed trial is the worst, one that breaks a
/// constraint is worse than all that do not, the more the farther.
fn penalised(history: &History, trial: &Trial) -> Option<f64> {
    if trial.state == State::Running {
        return None;
    }
    let violation = trial.violation();
    match history.cost(trial) {
        None => Some(WORST),
        Some(_) if violation > 0.0 => {
            Some(WORST * (0.25 + 0.5 * violation / (1.0 + violation)).min(0.75))
        }
        Some(cost) => Some(cost),
    }
}
