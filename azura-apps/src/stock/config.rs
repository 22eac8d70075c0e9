//! The configuration of the stock app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::data::Cycle;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::series::{LossKind, Missing, ModelConfig, check_data};

/// The next trading day of a daily price series from the days before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StockConfig {
    /// What is read and predicted.
    pub data: StockData,
    /// The model.
    pub model: ModelConfig,
    /// How to train.
    pub train: TrainConfig,
}

/// What is read and predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StockData {
    /// Which of the bundled series; a file of your own takes its place.
    pub ticker: Ticker,
    /// Cycles of the calendar that the model sees.
    pub calendar: Vec<Cycle>,
    /// Use only the last so many rows; 0 uses all.
    pub rows: usize,
    /// What to do with a row that has an empty cell.
    pub missing: Missing,
    /// Fraction of the samples for validation, just before the test part; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the samples for the test, the last ones.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
}

/// A bundled series of daily prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ticker {
    /// Microsoft, 2000 to 2013, adjusted for dividends and splits.
    #[default]
    Msft,
    /// The S&P 500 index, 1999 to 2018.
    Sp500,
}

impl Default for StockData {
    fn default() -> Self {
        StockData {
            ticker: Ticker::default(),
            calendar: vec![Cycle::Weekday, Cycle::Month, Cycle::DayOfYear],
            rows: 0,
            missing: Missing::Error,
            val: 0.15,
            test: 0.2,
        }
    }
}

impl Default for StockConfig {
    /// A small model, held back: the next day's return is nearly all noise, and a larger one learns it by heart.
    fn default() -> Self {
        StockConfig {
            data: StockData::default(),
            model: ModelConfig {
                window: 20,
                hidden: 32,
                layers: 1,
                dropout: 0.3,
                loss: LossKind::Huber,
            },
            train: TrainConfig {
                epochs: 20,
                batch: 64,
                lr: 1e-3,
                weight_decay: 0.01,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 6,
                monitor: "val.mae".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl AppConfig for StockConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.model.check();
        let data = &self.data;
        problems.extend(check_data(data.val, data.test, &data.calendar));
        problems
    }
}
