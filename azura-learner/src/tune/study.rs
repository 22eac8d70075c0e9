//! A study: trials of a Rust function, one after the other.

use std::collections::VecDeque;

use super::Value;
use super::history::{History, Objective, State, Trial};
use super::pruner::{Never, Pruner, Verdict};
use super::sampler::{Sampler, Tpe};
use super::space::{Space, Values};
use crate::error::Result;

/// Searches the best parameters of a function.
///
/// ```
/// use azura_learner::tune::{Objective, Space, Stop, Study, Suggestion};
///
/// let space = Space::parse([
///     ("kind", "line|curve"),
///     ("x", "-4..4"),
///     ("power", "int:2..6/2 if kind=curve"),
/// ])?;
/// let mut study = Study::new(space, vec![Objective::minimize("loss")])?;
/// study.optimize(50, |trial: &mut Suggestion<'_>| -> Result<f64, Stop> {
///     let x = trial.float("x");
///     Ok(match trial.text("kind") {
///         "curve" => (x - 1.0).powi(trial.int("power") as i32),
///         _ => 1.0 + x.abs(),
///     })
/// })?;
/// let best = study.history().best().unwrap();
/// assert!(best.objectives[0] < 0.1);
/// # Ok::<(), azura_learner::Error>(())
/// ```
///
/// The same seed gives the same study, bit for bit, also when it is interrupted and goes on from a
/// [`History`] that was saved.
pub struct Study {
    history: History,
    sampler: Box<dyn Sampler>,
    pruner: Box<dyn Pruner>,
    queue: VecDeque<Values>,
}

impl Study {
    /// A study with the sampler [`Tpe`] of seed 0 and no pruner.
    ///
    /// # Errors
    /// Those of [`History::new`].
    pub fn new(space: Space, objectives: Vec<Objective>) -> Result<Self> {
        Ok(Self::from_history(History::new(space, objectives)?))
    }

    /// A study that goes on from a history. Trials that were running at its end are made again with the same values; others
    /// that never ended count as failed.
    pub fn from_history(mut history: History) -> Self {
        let mut queue = VecDeque::new();
        while let Some(trial) = history.trials.pop_if(|t| t.state == State::Running) {
            queue.push_front(trial.values);
        }
        for trial in history
            .trials
            .iter_mut()
            .filter(|t| t.state == State::Running)
        {
            trial.state = State::Failed("the study was interrupted".to_string());
        }
        Study {
            history,
            sampler: Box::new(Tpe::new(0)),
            pruner: Box::new(Never),
            queue,
        }
    }

    /// The same study with another sampler.
    #[must_use]
    pub fn sampler(self, sampler: impl Sampler + 'static) -> Self {
        Study {
            sampler: Box::new(sampler),
            ..self
        }
    }

    /// The same study with a pruner.
    #[must_use]
    pub fn pruner(self, pruner: impl Pruner + 'static) -> Self {
        Study {
            pruner: Box::new(pruner),
            ..self
        }
    }

    /// Tries these values before the sampler's next proposal.
    ///
    /// # Errors
    /// Those of [`Space::point`].
    pub fn enqueue(&mut self, values: Values) -> Result<()> {
        self.history.space.point(&values)?;
        self.queue.push_back(values);
        Ok(())
    }

    /// All trials so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Runs up to `trials` more trials; fewer if the sampler has nothing left to try.
    ///
    /// The function returns a number, or an array or vector of one number for each objective. If it returns [`Stop`], by
    /// `?` from [`Suggestion::report`] or from any error, that is the trial's end and the study goes on. A value that is
    /// not finite is a failure too.
    ///
    /// # Errors
    /// Those of the sampler.
    pub fn optimize<V: Costs>(
        &mut self,
        trials: usize,
        mut function: impl FnMut(&mut Suggestion<'_>) -> Result<V, Stop>,
    ) -> Result<()> {
        for _ in 0..trials {
            let number = match self.queue.pop_front() {
                Some(values) => self.history.enqueue(values)?,
                None => match self.sampler.ask(&self.history)? {
                    Some(point) => self.history.start(&point),
                    None => return Ok(()),
                },
            };
            let mut suggestion = Suggestion {
                history: &mut self.history,
                pruner: &*self.pruner,
                number,
            };
            let end = function(&mut suggestion);
            let wanted = self.history.objectives.len();
            let trial = &mut self.history.trials[number];
            trial.state = match end {
                Err(Stop::Pruned(reason)) => State::Pruned(reason),
                Err(Stop::Failed(reason)) => State::Failed(reason),
                Ok(values) => {
                    let values = values.into_vec();
                    match values.iter().find(|v| !v.is_finite()) {
                        Some(bad) => State::Failed(format!("the value is {bad}")),
                        None if values.len() != wanted => State::Failed(format!(
                            "{} values for {wanted} objectives",
                            values.len()
                        )),
                        None => {
                            trial.objectives = values;
                            State::Done
                        }
                    }
                }
            };
        }
        Ok(())
    }
}

/// Why a trial ends without values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The pruner said so.
    Pruned(String),
    /// Something went wrong.
    Failed(String),
}

/// Every error is a failure of the trial.
impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// What an objective function may return: a value for each objective.
pub trait Costs {
    /// The values in the order of the objectives.
    fn into_vec(self) -> Vec<f64>;
}

impl Costs for f64 {
    fn into_vec(self) -> Vec<f64> {
        vec![self]
    }
}

impl Costs for Vec<f64> {
    fn into_vec(self) -> Vec<f64> {
        self
    }
}

impl<const N: usize> Costs for [f64; N] {
    fn into_vec(self) -> Vec<f64> {
        self.to_vec()
    }
}

/// The trial that a function is asked to evaluate.
pub struct Suggestion<'a> {
    history: &'a mut History,
    pruner: &'a dyn Pruner,
    number: usize,
}

impl Suggestion<'_> {
    /// The trial as it stands in the history.
    pub fn trial(&self) -> &Trial {
        &self.history.trials[self.number]
    }

    /// The value of a parameter; `None` if it is not active.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.trial().values.get(key)
    }

    /// The value of an active parameter of numbers.
    ///
    /// # Panics
    /// If it is none (a mistake of the program).
    pub fn float(&self, key: &str) -> f64 {
        let number = self.value(key).and_then(Value::number);
        number.unwrap_or_else(|| self.mistaken(key, "a number"))
    }

    /// The value of an active parameter of whole numbers.
    ///
    /// # Panics
    /// If it is none (a mistake of the program).
    pub fn int(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Int(i)) => *i,
            _ => self.mistaken(key, "a whole number"),
        }
    }

    /// The value of an active parameter of words.
    ///
    /// # Panics
    /// If it is none (a mistake of the program).
    pub fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Some(Value::Text(text)) => text,
            _ => self.mistaken(key, "a word"),
        }
    }

    /// The value of an active parameter of truth values.
    ///
    /// # Panics
    /// If it is none (a mistake of the program).
    pub fn flag(&self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Bool(flag)) => *flag,
            _ => self.mistaken(key, "a truth value"),
        }
    }

    fn mistaken(&self, key: &str, what: &str) -> ! {
        let has = self
            .value(key)
            .map_or("is not active in this trial".to_string(), |v| {
                format!("is {v}")
            });
        panic!("parameter `{key}` {has}, and not {what}")
    }

    /// Tells a value on the way, and asks the pruner. Steps must rise.
    ///
    /// # Errors
    /// [`Stop::Pruned`] if the trial is not worth going on, [`Stop::Failed`] if the step is not above the last one.
    pub fn report(&mut self, step: u64, value: f64) -> Result<(), Stop> {
        let trial = &mut self.history.trials[self.number];
        if let Some((last, _)) = trial.intermediate.last().filter(|(last, _)| *last >= step) {
            return Err(Stop::Failed(format!(
                "step {step} was reported after step {last}; steps must rise"
            )));
        }
        trial.intermediate.push((step, value));
        match self.pruner.judge(self.history, self.number) {
            Verdict::Continue => Ok(()),
            Verdict::Prune(reason) => Err(Stop::Pruned(reason)),
        }
    }

    /// Tells how far each constraint is violated; 0 or less means that it holds.
    pub fn constraints(&mut self, violations: impl Into<Vec<f64>>) {
        self.history.trials[self.number].constraints = violations.into();
    }

    /// Keeps something beside the trial.
    pub fn attribute(&mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) {
        let attributes = &mut self.history.trials[self.number].attributes;
        attributes.insert(name.into(), value.into());
    }
}
