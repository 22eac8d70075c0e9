//! The configuration of the weather app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::data::Cycle;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::series::{Missing, ModelConfig, check_data};

/// Rows in a day: the shortest window, so that the same hour of yesterday is always inside.
pub(super) const DAY: usize = 24;

/// The next hour of a weather series from the hours before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WeatherConfig {
    /// What is read and predicted.
    pub data: WeatherData,
    /// The model; its window must hold a day (24 rows) at least.
    pub model: ModelConfig,
    /// How to train.
    pub train: TrainConfig,
}

/// What is read and predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WeatherData {
    /// Column of the times, one row an hour.
    #[schemars(length(min = 1))]
    pub time: String,
    /// Column to predict.
    #[schemars(length(min = 1))]
    pub target: String,
    /// Other columns that the model sees.
    pub features: Vec<String>,
    /// Cycles of the calendar that the model sees.
    pub calendar: Vec<Cycle>,
    /// Use only the last so many rows; 0 uses all.
    pub rows: usize,
    /// What to do with a row that has an empty cell. Where a row is left out, a new stretch of hours begins.
    pub missing: Missing,
    /// Fraction of the samples for validation, just before the test part; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the samples for the test, the last ones.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
}

impl Default for WeatherData {
    fn default() -> Self {
        WeatherData {
            time: "time".to_string(),
            target: "temperature_2m".to_string(),
            features: ["relative_humidity_2m", "precipitation", "cloud_cover"]
                .map(str::to_string)
                .to_vec(),
            calendar: vec![Cycle::Hour, Cycle::DayOfYear],
            rows: 0,
            missing: Missing::Error,
            val: 0.15,
            test: 0.15,
        }
    }
}

impl Default for WeatherConfig {
    /// Chosen on validation rows of three splits of the bundled data, with the test rows left alone: two days in the
    /// window, 128 units, batches of 32 or more epochs change the validation error by no more than seeds do.
    fn default() -> Self {
        WeatherConfig {
            data: WeatherData::default(),
            model: ModelConfig::default(),
            train: TrainConfig {
                epochs: 15,
                batch: 64,
                lr: 3e-3,
                weight_decay: 1e-4,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 5,
                monitor: "val.mae".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl AppConfig for WeatherConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.model.check();
        if self.model.window < DAY {
            let message = format!("must be at least {DAY} hours, but is {}", self.model.window);
            problems.push(
                Problem::new("model.window", message)
                    .help("the same hour of yesterday, the baseline and the rule for forecasts, must be inside"),
            );
        }
        let mut names = vec![&self.data.time, &self.data.target];
        for feature in &self.data.features {
            if names.contains(&feature) {
                problems.push(
                    Problem::new("data.features", format!("names `{feature}` twice"))
                        .help("the target is seen by itself; leave it out of the features"),
                );
            }
            names.push(feature);
        }
        if self.data.time == self.data.target {
            problems.push(Problem::new(
                "data.target",
                "must be another column than data.time",
            ));
        }
        let data = &self.data;
        problems.extend(check_data(data.val, data.test, &data.calendar));
        problems
    }
}
