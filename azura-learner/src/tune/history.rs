//! What a study remembers: its space, what it optimises, and every trial.
//!
//! All of it is plain data that serde writes and reads back, so that a journal can hold it. Numbers that JSON cannot hold
//! are the texts `"NaN"`, `"inf"` and `"-inf"`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::space::{Space, Values};
use crate::error::{Error, Problem, Result};

/// Whether small or large values are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

impl Direction {
    /// The value as a cost, which is always minimised.
    pub fn cost(self, value: f64) -> f64 {
        match self {
            Direction::Minimize => value,
            Direction::Maximize => -value,
        }
    }
}

/// One thing a study optimises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// Its name, for example `val.loss`.
    pub name: String,
    /// Whether it is made small or large.
    pub direction: Direction,
}

impl Objective {
    /// An objective that is made small.
    pub fn minimize(name: impl Into<String>) -> Self {
        let (name, direction) = (name.into(), Direction::Minimize);
        Objective { name, direction }
    }

    /// An objective that is made large.
    pub fn maximize(name: impl Into<String>) -> Self {
        let (name, direction) = (name.into(), Direction::Maximize);
        Objective { name, direction }
    }
}

impl std::str::FromStr for Objective {
    type Err = Error;

    /// `min NAME` or `max NAME`, as in `--objective 'min val.loss'`.
    fn from_str(text: &str) -> Result<Self> {
        match text.trim().split_once(char::is_whitespace) {
            Some(("min", name)) => Ok(Objective::minimize(name.trim())),
            Some(("max", name)) => Ok(Objective::maximize(name.trim())),
            _ => Err(Error::Config(vec![
                Problem::new(
                    "objective",
                    format!("must be `min NAME` or `max NAME`, but is `{text}`"),
                )
                .help("write for example `min val.loss`"),
            ])),
        }
    }
}

/// How far a trial got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was handed out and has not ended.
    Running,
    /// It ended with a value for each objective.
    Done,
    /// It was stopped early; the reason says by which rule.
    Pruned(String),
    /// It ended without values; the reason says why.
    Failed(String),
}

/// One evaluation of the objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Number in the study, counted from 0.
    pub number: usize,
    /// Its point on the unit cube, snapped.
    pub point: Vec<f64>,
    /// The values of the active parameters.
    pub values: Values,
    /// How far it got.
    pub state: State,
    /// A value for each objective once it is done; empty before.
    #[serde(with = "numbers", default)]
    pub objectives: Vec<f64>,
    /// What the trial reported on its way: step and value of the first objective, steps rising.
    #[serde(with = "steps", default)]
    pub intermediate: Vec<(u64, f64)>,
    /// How far each constraint is violated; 0 or less means that it holds.
    #[serde(with = "numbers", default)]
    pub constraints: Vec<f64>,
    /// Anything the user wants to keep beside the trial.
    #[serde(default)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl Trial {
    /// Whether the trial has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        self.state != State::Running
    }

    /// Whether the trial is done and has finite values.
    pub fn is_done(&self) -> bool {
        self.state == State::Done && self.objectives.iter().all(|v| v.is_finite())
    }

    /// The sum of all violated constraints: 0 if all hold, infinite if one is not a number.
    pub fn violation(&self) -> f64 {
        let violated = |c: &f64| {
            if c.is_nan() {
                f64::INFINITY
            } else {
                c.max(0.0)
            }
        };
        self.constraints.iter().map(violated).sum()
    }

    /// The last value reported at `step` or before.
    pub fn reported(&self, step: u64) -> Option<f64> {
        self.intermediate
            .iter()
            .rev()
            .find(|(s, _)| *s <= step)
            .map(|(_, v)| *v)
    }
}

/// Everything a sampler or a pruner may look at.
///
/// ```
/// use azura_learner::tune::{History, Objective, Space, State};
/// let space = Space::parse([("x", "-1..1")])?;
/// let mut history = History::new(space, vec![Objective::minimize("loss")])?;
/// let number = history.start(&[0.25]);
/// history.trials[number].objectives = vec![0.25];
/// history.trials[number].state = State::Done;
/// assert_eq!(history.best().unwrap().values["x"].to_string(), "-0.5");
/// let text = serde_json::to_string(&history).unwrap();
/// assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The space that is searched.
    pub space: Space,
    /// What is optimised, at least one.
    pub objectives: Vec<Objective>,
    /// All trials; number `i` is at place `i`.
    pub trials: Vec<Trial>,
}

impl History {
    /// A history without trials.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no objective or two have the same name.
    pub fn new(space: Space, objectives: Vec<Objective>) -> Result<Self> {
        let twice = (1..objectives.len())
            .find(|&i| objectives[..i].iter().any(|o| o.name == objectives[i].name));
        let problem = match (objectives.is_empty(), twice) {
            (true, _) => Problem::new("objective", "there is none").help("write `min NAME`"),
            (_, Some(i)) => {
                let message = format!("`{}` is there twice", objectives[i].name);
                Problem::new("objective", message).help("remove one of the two")
            }
            (false, None) => {
                return Ok(History {
                    space,
                    objectives,
                    trials: Vec::new(),
                });
            }
        };
        Err(Error::Config(vec![problem]))
    }

    /// Adds a running trial at this point, snapped, and returns its number.
    pub fn start(&mut self, point: &[f64]) -> usize {
        let number = self.trials.len();
        let point = self.space.snap(point);
        self.trials.push(Trial {
            number,
            values: self.space.values(&point),
            point,
            state: State::Running,
            objectives: Vec::new(),
            intermediate: Vec::new(),
            constraints: Vec::new(),
            attributes: BTreeMap::new(),
        });
        number
    }

    /// Adds a running trial with values that somebody chose.
    ///
    /// # Errors
    /// Those of [`Space::point`].
    pub fn enqueue(&mut self, values: Values) -> Result<usize> {
        let point = self.space.point(&values)?;
        let number = self.start(&point);
        // Not the values of the point: a float keeps all its digits.
        self.trials[number].values = values;
        Ok(number)
    }

    /// The costs of a trial that is done: its values, with the sign turned where large is good.
    pub fn costs(&self, trial: &Trial) -> Vec<f64> {
        let pairs = trial.objectives.iter().zip(&self.objectives);
        pairs
            .map(|(value, objective)| objective.direction.cost(*value))
            .collect()
    }

    /// The cost of a trial in the first objective, for samplers of one objective.
    ///
    /// `None` while the trial runs, if it failed, and if it was pruned before it reported. A pruned trial counts with its
    /// last report. A value that is not finite counts as the largest cost.
    pub fn cost(&self, trial: &Trial) -> Option<f64> {
        let value = match trial.state {
            State::Done => *trial.objectives.first()?,
            State::Pruned(_) => trial.intermediate.last()?.1,
            State::Running | State::Failed(_) => return None,
        };
        let cost = self.objectives[0].direction.cost(value);
        Some(if cost.is_nan() {
            WORST
        } else {
            cost.clamp(-WORST, WORST)
        })
    }

    /// The trials that are done, with finite values.
    pub fn done(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|t| t.is_done())
    }

    /// The best trial of the first objective: the feasible one of the lowest cost, the earlier of equals.
    pub fn best(&self) -> Option<&Trial> {
        let feasible = self.done().filter(|t| t.violation() == 0.0);
        feasible.min_by(|a, b| self.costs(a)[0].total_cmp(&self.costs(b)[0]))
    }

    /// The feasible trials that no other one beats in all objectives, in the order of their numbers.
    pub fn pareto_front(&self) -> Vec<&Trial> {
        let feasible: Vec<&Trial> = self.done().filter(|t| t.violation() == 0.0).collect();
        let costs: Vec<Vec<f64>> = feasible.iter().map(|t| self.costs(t)).collect();
        let beaten = |i: usize| costs.iter().any(|other| dominates(other, &costs[i]));
        (0..feasible.len())
            .filter(|&i| !beaten(i))
            .map(|i| feasible[i])
            .collect()
    }
}

/// The cost of what has no number: large, and yet sums and differences of it stay finite.
pub const WORST: f64 = 1e150;

/// Whether costs `a` are nowhere above `b` and somewhere below.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    let mut pairs = a.iter().zip(b);
    a.iter().zip(b).all(|(a, b)| a <= b) && pairs.any(|(a, b)| a < b)
}

/// A number that JSON may be unable to hold.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(String),
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        match x.is_finite() {
            true => Number::Finite(x),
            false => Number::Word(x.to_string()),
        }
    }
}

impl TryFrom<Number> for f64 {
    type Error = String;

    fn try_from(number: Number) -> Result<f64, String> {
        match number {
            Number::Finite(x) => Ok(x),
            Number::Word(word) => match word.as_str() {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(format!("`{word}` is no number")),
            },
        }
    }
}

mod numbers {
    use super::Number;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|&x| Number::from(x)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let numbers = Vec::<Number>::deserialize(d)?;
        numbers
            .into_iter()
            .map(|n| f64::try_from(n).map_err(D::Error::custom))
            .collect()
    }
}

mod steps {
    use super::Number;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(values: &[(u64, f64)], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|&(step, x)| (step, Number::from(x))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<(u64, f64)>, D::Error> {
        let pairs = Vec::<(u64, Number)>::deserialize(d)?;
        let read = |(step, n)| Ok((step, f64::try_from(n).map_err(D::Error::custom)?));
        pairs.into_iter().map(read).collect()
    }
}
