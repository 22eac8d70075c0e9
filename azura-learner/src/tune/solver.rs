//! Samplers as solvers of argmin: with its executor, observers and checkpoints, on any cost function.

use std::path::PathBuf;

use argmin::core::checkpointing::{Checkpoint, CheckpointingFrequency};
use argmin::core::{
    CostFunction, Error, IterState, KV, Problem, Solver, TerminationReason, TerminationStatus,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{History, Objective, Sampler, Space, State};
use crate::error::Result;

/// The state in which a [`SamplerSolver`] stands.
pub type SolverState = IterState<Vec<f64>, (), (), (), (), f64>;

/// A sampler as a solver of argmin.
///
/// The parameter of the cost function is a number for each parameter of the space: the value of a float or an integer, the
/// place of a category counted from 0, NaN for one that is not active. One iteration asks for `batch` points and evaluates
/// them by `bulk_cost`. A cost that is not finite is a failed trial. The history is part of the solver, and thereby of its
/// checkpoint.
///
/// ```
/// use argmin::core::{CostFunction, Error, Executor};
/// use azura_learner::tune::{SamplerSolver, SolverState, Space, sampler::Tpe};
///
/// struct Bowl;
/// impl CostFunction for Bowl {
///     type Param = Vec<f64>;
///     type Output = f64;
///     fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
///         Ok((x[0] - 1.0).powi(2) + (x[1].log10() + 3.0).powi(2))
///     }
/// }
///
/// let space = Space::parse([("x", "-5..5"), ("lr", "log:1e-6..1.0")])?;
/// let solver = SamplerSolver::new(Tpe::new(0), space)?;
/// let result = Executor::new(Bowl, solver)
///     .configure(|state: SolverState| state.max_iters(60))
///     .run()
///     .unwrap();
/// assert!(result.state.best_cost < 0.5);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SamplerSolver<S> {
    sampler: S,
    history: History,
    batch: usize,
    exhausted: bool,
}

impl<S: Sampler> SamplerSolver<S> {
    /// A solver that asks this sampler for one point an iteration.
    ///
    /// # Errors
    /// Those of [`History::new`].
    pub fn new(sampler: S, space: Space) -> Result<Self> {
        Ok(SamplerSolver {
            sampler,
            history: History::new(space, vec![Objective::minimize("cost")])?,
            batch: 1,
            exhausted: false,
        })
    }

    /// How many points an iteration evaluates, at least 1.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        SamplerSolver {
            batch: batch.max(1),
            ..self
        }
    }

    /// Every evaluation so far.
    pub fn history(&self) -> &History {
        &self.history
    }
}

impl<O, S> Solver<O, SolverState> for SamplerSolver<S>
where
    O: CostFunction<Param = Vec<f64>, Output = f64>,
    S: Sampler,
{
    fn name(&self) -> &str {
        self.sampler.name()
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: SolverState,
    ) -> Result<(SolverState, Option<KV>), Error> {
        let points = self.sampler.ask_many(&self.history, self.batch)?;
        self.exhausted = points.len() < self.batch;
        if points.is_empty() {
            return Ok((state, None));
        }
        let first = self.history.trials.len();
        for point in &points {
            self.history.start(point);
        }
        let started = &self.history.trials[first..];
        let params: Vec<Vec<f64>> = started
            .iter()
            .map(|t| self.history.space.numbers(&t.point))
            .collect();
        let costs = problem.bulk_cost(&params)?;
        for (trial, &cost) in self.history.trials[first..].iter_mut().zip(&costs) {
            trial.objectives = vec![cost];
            trial.state = match cost.is_finite() {
                true => State::Done,
                false => State::Failed(format!("the cost is {cost}")),
            };
        }
        let cost = |i: &usize| {
            if costs[*i].is_nan() {
                f64::INFINITY
            } else {
                costs[*i]
            }
        };
        let best = (0..costs.len())
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
            .unwrap_or(0);
        let kv = argmin::kv!("trials" => self.history.trials.len() as i64;);
        Ok((
            state.param(params[best].clone()).cost(cost(&best)),
            Some(kv),
        ))
    }

    fn terminate(&mut self, _state: &SolverState) -> TerminationStatus {
        match self.exhausted {
            true => TerminationStatus::Terminated(TerminationReason::SolverConverged),
            false => TerminationStatus::NotTerminated,
        }
    }
}

/// A checkpoint of argmin in one file, as MessagePack: JSON cannot hold the infinite costs of a state.
///
/// The file is written whole or not at all. argmin takes the limit of iterations from the file and would stop at once when
/// it was reached; here the run goes on up to `max_iters` iterations in all.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    every: u64,
    max_iters: u64,
}

impl CheckpointFile {
    /// A checkpoint at `path`, written after every `every` iterations, of a run of `max_iters` in all.
    pub fn new(path: impl Into<PathBuf>, every: u64, max_iters: u64) -> Self {
        CheckpointFile {
            path: path.into(),
            every: every.max(1),
            max_iters,
        }
    }
}

impl<S: Serialize + DeserializeOwned> Checkpoint<S, SolverState> for CheckpointFile {
    fn save(&self, solver: &S, state: &SolverState) -> Result<(), Error> {
        let bytes = rmp_serde::to_vec_named(&(solver, state))?;
        crate::fs::write_atomic(&self.path, &bytes)?;
        Ok(())
    }

    fn load(&self) -> Result<Option<(S, SolverState)>, Error> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(crate::Error::io("read", &self.path, e).into()),
        };
        let damaged = |e: rmp_serde::decode::Error| crate::Error::Checkpoint {
            path: self.path.clone(),
            reason: format!("it is damaged or of another solver ({e}); remove it to begin anew"),
        };
        let (solver, mut state): (S, SolverState) =
            rmp_serde::from_slice(&bytes).map_err(damaged)?;
        state.max_iters = self.max_iters;
        state.termination_status = TerminationStatus::NotTerminated;
        Ok(Some((solver, state)))
    }

    fn frequency(&self) -> CheckpointingFrequency {
        CheckpointingFrequency::Every(self.every)
    }
}
