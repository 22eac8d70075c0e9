//! The model's part of the configuration.

use azura_learner::Problem;
use azura_learner::data::Cycle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundled::check_parts;

/// The model: an LSTM over the window, dropout, and a linear layer on its last state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Rows that one prediction looks back on.
    #[schemars(range(min = 2, max = 2000))]
    pub window: usize,
    /// Units of each LSTM layer.
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// LSTM layers.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Probability of dropping a unit in training, between layers and before the last one.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// The loss on the scaled change of the series.
    pub loss: LossKind,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            window: 24,
            hidden: 64,
            layers: 1,
            dropout: 0.1,
            loss: LossKind::Huber,
        }
    }
}

impl ModelConfig {
    /// Rules that the schema cannot say. Keys begin with `model.`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(0.0..1.0).contains(&self.dropout) {
            let message = format!("must be at least 0 and below 1, but is {}", self.dropout);
            problems.push(Problem::new("model.dropout", message));
        }
        problems
    }
}

/// A loss of one number against another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Squared up to one standard deviation of the change, linear beyond: outliers pull less.
    #[default]
    Huber,
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
}

/// What is wrong with the sizes of the validation and test parts and with the calendar.
pub(crate) fn check_data(val: f64, test: f64, calendar: &[Cycle]) -> Vec<Problem> {
    let mut problems = check_parts(val, test);
    for (at, cycle) in calendar.iter().enumerate() {
        if calendar[..at].contains(cycle) {
            let name = cycle.names()[0].trim_end_matches("_sin");
            let message = format!("names `{name}` twice");
            problems.push(Problem::new("data.calendar", message));
        }
    }
    problems
}
