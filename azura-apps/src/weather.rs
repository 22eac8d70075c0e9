//! The weather app: the next day of an hourly series, by default the temperature. A preset of [`forecast`](crate::forecast).
//!
//! Target and features are those of the Python AzuraForge's weather forecaster: temperature with humidity,
//! precipitation and cloud cover, and sine and cosine of the hour. What is mended: scalers learn from training rows only, hours
//! are divided by 24 (with 23, midnight and 23:00 were the same), the model predicts the change from the last hour, and every score has
//! persistence, yesterday's same hour and a ridge regression beside it.

use azura_learner::app::AppConfig;
use azura_learner::data::Cycle;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::forecast::{
    Dataset, ForecastConfig, ForecastData, ForecastModel, Gap, IntervalConfig, IntervalKind,
    Irregular, Kind, LossKind, Normalize, Preset, Series,
};

/// The next hours of a weather series.
pub type Weather = Series<WeatherConfig>;

/// The next hours of a weather series from those before them: a [`ForecastConfig`] with other defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WeatherConfig(pub ForecastConfig);

impl Default for WeatherConfig {
    fn default() -> Self {
        WeatherConfig(ForecastConfig {
            data: ForecastData {
                dataset: Dataset::Greensboro,
                time: "time".to_string(),
                target: "temperature_2m".to_string(),
                features: ["relative_humidity_2m", "precipitation", "cloud_cover"]
                    .map(str::to_string)
                    .to_vec(),
                // No cycle of the year: two thirds of one, the training rows, cannot teach it.
                calendar: vec![Cycle::Hour],
                // Typical years are made of months from different years.
                irregular: Irregular::Break,
                gap: Gap::Window,
                val: 0.15,
                test: 0.15,
                ..ForecastData::default()
            },
            model: ForecastModel {
                kind: Kind::Lstm,
                window: 48,
                horizon: 24,
                normalize: Normalize::None,
                hidden: 64,
                layers: 1,
                dropout: 0.1,
                loss: LossKind::Huber,
                ..ForecastModel::default()
            },
            intervals: IntervalConfig {
                kind: IntervalKind::Quantile,
                ..IntervalConfig::default()
            },
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
        })
    }
}

impl AppConfig for WeatherConfig {
    fn train(&self) -> &TrainConfig {
        &self.0.train
    }

    fn check(&self) -> Vec<Problem> {
        self.0.check()
    }
}

impl Preset for WeatherConfig {
    const NAME: &'static str = "weather";
    const ABOUT: &'static str =
        "The next day of an hourly weather series, such as the temperature, with intervals";
    const ALIASES: &'static [&'static str] = &["weather_forecaster"];

    fn series(&self) -> &ForecastConfig {
        &self.0
    }

    /// The unit of a column of the bundled data and of the Open-Meteo archive.
    fn unit(column: &str) -> &'static str {
        match column {
            "temperature_2m" | "dew_point_2m" | "apparent_temperature" => "°C",
            "relative_humidity_2m" | "cloud_cover" => "%",
            "precipitation" | "rain" => "mm",
            "surface_pressure" | "pressure_msl" => "hPa",
            "wind_speed_10m" => "m/s",
            "wind_direction_10m" => "°",
            _ => "",
        }
    }
}
