//! The stock app: the coming trading days' log returns of a daily price series, reported as prices. A preset of
//! [`forecast`](crate::forecast).
//!
//! Columns, calendar and default series are those of the Python AzuraForge's stock predictor: open, high, low, close, volume,
//! and sine and cosine of weekday, month and day of year. What is mended: the model sees and predicts returns, not prices on a scale that knew the
//! future, the price is the exact inverse of the return, and persistence ("tomorrow's price is today's") stands beside every score. A model of daily
//! prices alone is not expected to beat it, and the scores say so when it does not. Intervals follow the restlessness of the window.

use azura_learner::app::{AppConfig, Field};
use azura_learner::data::{Cycle, DataResult, Kind as Cells, Table};
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::forecast::{
    Dataset, ForecastConfig, ForecastData, ForecastModel, Frame, Gap, IntervalConfig,
    IntervalScale, Kind, LossKind, Names, Past, Preset, Series, Transform, check_size,
};

/// The coming trading days of a share or an index.
pub type Stock = Series<StockConfig>;

/// The coming trading days of a daily price series from the days before them: a [`ForecastConfig`] with other defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StockConfig(pub ForecastConfig);

impl Default for StockConfig {
    /// A small model, held back: the next day's return is nearly all noise, and a larger one learns it by heart.
    fn default() -> Self {
        StockConfig(ForecastConfig {
            data: ForecastData {
                dataset: Dataset::Msft,
                time: "date".to_string(),
                target: "close".to_string(),
                calendar: vec![Cycle::Weekday, Cycle::Month, Cycle::DayOfYear],
                transform: Transform::Log,
                gap: Gap::Window,
                val: 0.15,
                test: 0.2,
                ..ForecastData::default()
            },
            model: ForecastModel {
                kind: Kind::Lstm,
                window: 20,
                horizon: 5,
                hidden: 32,
                layers: 1,
                dropout: 0.3,
                loss: LossKind::Huber,
                ..ForecastModel::default()
            },
            intervals: IntervalConfig {
                scale: IntervalScale::Window,
                ..IntervalConfig::default()
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
        })
    }
}

impl AppConfig for StockConfig {
    fn train(&self) -> &TrainConfig {
        &self.0.train
    }

    fn check(&self) -> Vec<Problem> {
        self.0.check()
    }
}

/// Every price as a log return from the close of the day before: prices themselves drift away from what training saw.
const FEATURES: [&str; 5] = [
    "open_return",
    "high_return",
    "low_return",
    "close_return",
    "volume_change",
];
const PRICES: [&str; 4] = ["open", "high", "low", "close"];

impl Preset for StockConfig {
    const NAME: &'static str = "stock";
    const ABOUT: &'static str =
        "The coming trading days' prices of a share or an index, from daily prices and volumes";
    const ALIASES: &'static [&'static str] = &["stock_predictor"];
    /// The first return of a window needs the close before it.
    const BEFORE: usize = 1;

    fn series(&self) -> &ForecastConfig {
        &self.0
    }

    /// Prices are in whatever currency or points the file has.
    fn unit(column: &str) -> &'static str {
        match column {
            "volume" => "shares",
            column if PRICES.contains(&column) => "price",
            _ => "",
        }
    }

    fn inputs(config: &ForecastConfig, names: &Names) -> Vec<Field> {
        let mut fields = vec![Field::new(
            &names.time,
            Cells::Time,
            "one row a trading day, oldest first",
        )];
        for (name, about) in [
            ("open", "first price of the day"),
            ("high", "highest price of the day"),
            ("low", "lowest price of the day"),
            ("close", "last price of the day"),
            ("volume", "shares traded"),
        ] {
            fields.push(Field::new(name, Cells::Number, about).unit(Self::unit(name)));
        }
        for name in names
            .targets
            .iter()
            .chain(&config.data.features)
            .chain(&config.data.known)
        {
            if fields.iter().all(|field| field.name != *name) {
                fields.push(Field::new(name, Cells::Number, "seen by the model"));
            }
        }
        fields
    }

    fn past(config: &ForecastConfig, table: &Table) -> DataResult<Past> {
        let mut prices = Vec::with_capacity(PRICES.len());
        for name in PRICES {
            let column = table.numbers(name)?;
            if let Some(row) = column.iter().position(|&price| price <= 0.0) {
                let what = format!("a price must be above 0, but is {}", column[row]);
                return Err(table.error_at(row, name, what, "correct or remove the row"));
            }
            check_size(table, name)?;
            prices.push(column);
        }
        let volume = table.numbers("volume")?;
        if let Some(row) = volume.iter().position(|&shares| shares < 0.0) {
            let what = format!("a volume must not be below 0, but is {}", volume[row]);
            return Err(table.error_at(row, "volume", what, "correct or remove the row"));
        }
        let close = prices[3];
        let more = Past::of(table, &config.data.features)?;
        let width = more.names.len();
        let mut values = Vec::with_capacity(table.len() * (FEATURES.len() + width));
        for row in 0..table.len() {
            // The first day has no day before it: no window may hold it.
            let before = row.checked_sub(1);
            let ratio = |price: &[f64]| before.map_or(f64::NAN, |b| (price[row] / close[b]).ln());
            values.extend(prices.iter().map(|price| ratio(price)));
            // One share more, so that days without trade are finite.
            let traded = before.map_or(f64::NAN, |b| volume[row].ln_1p() - volume[b].ln_1p());
            values.push(traded);
            values.extend_from_slice(&more.values[row * width..(row + 1) * width]);
        }
        let mut names = FEATURES.map(str::to_string).to_vec();
        names.extend(more.names);
        Ok(Past {
            names,
            values,
            first: 1,
        })
    }

    /// A day opens at the close before it and trades as many shares; what else stands there repeats the last day.
    fn coming(frame: &Frame, _: usize, level: f64) -> Vec<f64> {
        let width = frame.past.names.len();
        let last = frame.len().saturating_sub(1);
        let mut row = frame.past.values[last * width..(last + 1) * width].to_vec();
        let moved = (level / frame.levels[0][last]).ln();
        row[..FEATURES.len()].copy_from_slice(&[0.0, moved.max(0.0), moved.min(0.0), moved, 0.0]);
        row
    }
}
