//! The configuration of every series app: docs, ranges and defaults in one place.

use azura_learner::Problem;
use azura_learner::data::Cycle;
use azura_learner::train::{ScheduleConfig, ScheduleKind, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::Missing;
use crate::Bundled;
use crate::bundled::check_parts;

/// The next steps of a series, from what was seen of it and of other columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastConfig {
    /// What is read and predicted.
    pub data: ForecastData,
    /// The model.
    pub model: ForecastModel,
    /// How sure the forecasts are.
    pub intervals: IntervalConfig,
    /// How to train.
    pub train: TrainConfig,
}

/// What is read and predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastData {
    /// The series that is read when no file is given.
    pub dataset: Dataset,
    /// Column of the times, oldest first; empty takes the first column of dates and times.
    pub time: String,
    /// Column to predict; empty takes the last column of numbers.
    pub target: String,
    /// More columns to predict, each as a series of its own by the same model.
    pub more_targets: Vec<String>,
    /// Other columns that the model sees, up to the newest row of its window.
    pub features: Vec<String>,
    /// Columns that are known in advance, such as holidays or planned prices: the model sees them for the coming rows
    /// too. To forecast, give these rows with the columns filled and the target empty.
    pub known: Vec<String>,
    /// Cycles of the calendar that the model sees.
    pub calendar: Vec<Cycle>,
    /// What is done to the target before all else, and undone in the end.
    pub transform: Transform,
    /// Rows in a season; 0 follows the distance of the rows: a day of hours, a week of days, a year of weeks or months.
    pub season: usize,
    /// Use only the last so many rows; 0 uses all.
    pub rows: usize,
    /// Leave out the last so many rows, as if they had not come yet: `azura backtest` goes back in time by it.
    pub leave_out: usize,
    /// What to do with an empty cell.
    pub missing: Missing,
    /// What to do with a row that is no whole number of steps after the one before.
    pub irregular: Irregular,
    /// Put rows on a grid of this step by their means before all else, such as `30min`, `1h`, `1d`, `1w` or `1mo`; empty leaves them as they are.
    pub resample: String,
    /// How far the parts of the split are apart.
    pub gap: Gap,
    /// Rows for validation, just before the test part: a fraction below 1, or a number of rows; 0 for none.
    #[schemars(range(min = 0.0))]
    pub val: f64,
    /// Rows for the test, the last ones: a fraction below 1, or a number of rows.
    #[schemars(range(min = 0.0))]
    pub test: f64,
}

/// A series that comes with the program; `datasets/README.md` says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// Sunspots in each year from 1700 to 2008.
    #[default]
    Sunspots,
    /// Carbon dioxide in the air over Mauna Loa, weekly from 1958 to 2001, with weeks without a value.
    Co2,
    /// Hourly weather of a typical year at Greensboro, North Carolina.
    Greensboro,
    /// Microsoft on each trading day from 2000 to 2013, adjusted for dividends and splits.
    Msft,
    /// The S&P 500 index on each trading day from 1999 to 2018.
    Sp500,
}

macro_rules! bundled {
    ($path:literal) => {
        Bundled {
            name: concat!("datasets/", $path),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/", $path)),
        }
    };
}

impl Dataset {
    /// All of them.
    pub const ALL: [Dataset; 5] = [
        Dataset::Sunspots,
        Dataset::Co2,
        Dataset::Greensboro,
        Dataset::Msft,
        Dataset::Sp500,
    ];

    /// The series.
    pub fn bundled(self) -> Bundled {
        match self {
            Dataset::Sunspots => bundled!("series/sunspots.csv"),
            Dataset::Co2 => bundled!("series/co2.csv"),
            Dataset::Greensboro => bundled!("weather/greensboro.csv"),
            Dataset::Msft => bundled!("stock/msft.csv"),
            Dataset::Sp500 => bundled!("stock/sp500.csv"),
        }
    }
}

/// What is done to a target before all else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Nothing: its changes are differences.
    #[default]
    None,
    /// Its logarithm: its changes are log returns. Every value must be above 0, as prices are.
    Log,
}

impl Transform {
    /// The value as the model counts it.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Transform::None => x,
            Transform::Log => x.ln(),
        }
    }

    /// The value that is so much above `before`.
    ///
    /// A change of 0 gives `before` itself, to the bit.
    pub fn after(self, before: f64, change: f64) -> f64 {
        match self {
            Transform::None => before + change,
            Transform::Log => before * change.exp(),
        }
    }
}

/// What to do with a row at an odd time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Irregular {
    /// Refuse the file, with line and column.
    #[default]
    Error,
    /// Begin a new stretch there, which no window reaches across.
    Break,
}

/// How far the parts of a split are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// No row is predicted in two parts. Windows may look back on rows that an earlier part predicts, as they do in use.
    #[default]
    Horizon,
    /// Windows do not reach back to a row that an earlier part predicts either.
    Window,
}

/// The model between a window of rows and the steps that come after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastModel {
    /// What it is made of.
    pub kind: Kind,
    /// Rows that one forecast looks back on; 0 chooses: two seasons or two horizons, at least 24, where there are enough rows.
    #[schemars(range(max = 10000))]
    pub window: usize,
    /// Steps that are predicted at once; 0 chooses: a season, at most 96.
    #[schemars(range(max = 2000))]
    pub horizon: usize,
    /// What the target's window is measured from.
    pub normalize: Normalize,
    /// Units of each layer (lstm, gru, mlp), or the width of a token (transformer).
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// Layers of lstm, gru and transformer, or hidden ones of mlp.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Heads of the Transformer's attention; they divide `hidden`.
    #[schemars(range(min = 1, max = 64))]
    pub heads: usize,
    /// Rows in a patch, which is a token of the Transformer.
    #[schemars(range(min = 1, max = 512))]
    pub patch: usize,
    /// Rows of the moving average that dlinear takes the trend from.
    #[schemars(range(min = 1, max = 999))]
    pub kernel: usize,
    /// Probability of dropping a unit in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// The loss on the scaled change of the series; `intervals.kind=quantile` has its own.
    pub loss: LossKind,
}

/// What a model is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One linear layer from the window, less its last value, to all steps (Zeng et al. 2023, arXiv:2205.13504).
    #[default]
    Nlinear,
    /// Two linear layers, one from the window's moving average and one from the rest (the same paper).
    Dlinear,
    /// Fully connected layers with GELU from the window to all steps.
    Mlp,
    /// A long short-term memory over the window, and a linear layer on its last state.
    Lstm,
    /// A gated recurrent unit over the window, and a linear layer on its last state.
    Gru,
    /// A Transformer over patches of the window (Nie et al. 2023, arXiv:2211.14730), and a linear layer on all of them.
    Transformer,
}

impl Kind {
    /// Whether the model is linear in the target's window.
    pub fn is_linear(self) -> bool {
        matches!(self, Kind::Nlinear | Kind::Dlinear)
    }
}

/// What a window of the target is measured from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// From its newest value: a series may drift away from what training saw.
    #[default]
    Last,
    /// From its mean and by its deviation (`RevIN`, Kim et al. 2022, without learned scales).
    Revin,
    /// From the mean of the training rows.
    None,
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

/// How sure the forecasts are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntervalConfig {
    /// Where intervals come from.
    pub kind: IntervalKind,
    /// Share of the true values that an interval should hold.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub level: f64,
    /// What errors are measured by.
    pub scale: IntervalScale,
}

/// Where intervals come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalKind {
    /// The quantiles of the errors on the validation rows, step by step (split conformal prediction).
    #[default]
    Conformal,
    /// The model predicts quantiles (pinball loss), which the validation rows then set right in the same way.
    Quantile,
}

/// What the errors of intervals are measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalScale {
    /// One scale for all times.
    #[default]
    Constant,
    /// The deviation of the changes in the window: calm and restless times have intervals of their own.
    Window,
}

impl Default for ForecastData {
    fn default() -> Self {
        ForecastData {
            dataset: Dataset::default(),
            time: String::new(),
            target: String::new(),
            more_targets: Vec::new(),
            features: Vec::new(),
            known: Vec::new(),
            calendar: Vec::new(),
            transform: Transform::default(),
            season: 0,
            rows: 0,
            leave_out: 0,
            missing: Missing::Error,
            irregular: Irregular::default(),
            resample: String::new(),
            gap: Gap::default(),
            val: 0.15,
            test: 0.2,
        }
    }
}

impl Default for ForecastModel {
    fn default() -> Self {
        ForecastModel {
            kind: Kind::default(),
            window: 0,
            horizon: 0,
            normalize: Normalize::default(),
            hidden: 64,
            layers: 1,
            heads: 4,
            patch: 8,
            kernel: 25,
            dropout: 0.1,
            loss: LossKind::default(),
        }
    }
}

impl Default for IntervalConfig {
    fn default() -> Self {
        IntervalConfig {
            kind: IntervalKind::default(),
            level: 0.8,
            scale: IntervalScale::default(),
        }
    }
}

impl Default for ForecastConfig {
    fn default() -> Self {
        ForecastConfig {
            data: ForecastData::default(),
            model: ForecastModel::default(),
            intervals: IntervalConfig::default(),
            train: TrainConfig {
                epochs: 100,
                batch: 32,
                lr: 3e-3,
                weight_decay: 1e-4,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 20,
                monitor: "val.mae".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl IntervalConfig {
    /// The quantiles that are predicted, ascending: the deciles, and the two bounds of the interval.
    pub fn quantiles(&self) -> Vec<f64> {
        let (low, high) = self.bounds();
        let mut all: Vec<f64> = (1..10).map(|tenth| f64::from(tenth) / 10.0).collect();
        all.retain(|q| (q - low).abs() > 1e-9 && (q - high).abs() > 1e-9);
        all.extend([low, high]);
        all.sort_by(f64::total_cmp);
        all
    }

    /// The quantiles that an interval lies between.
    pub fn bounds(&self) -> (f64, f64) {
        ((1.0 - self.level) / 2.0, (1.0 + self.level) / 2.0)
    }
}

impl ForecastConfig {
    /// Rules that the schema cannot say.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let (data, model) = (&self.data, &self.model);
        let mut problems = Vec::new();
        if !(0.0..1.0).contains(&model.dropout) {
            let message = format!("must be at least 0 and below 1, but is {}", model.dropout);
            problems.push(Problem::new("model.dropout", message));
        }
        if model.window == 1 {
            problems.push(Problem::new(
                "model.window",
                "must be 0 or at least 2, but is 1",
            ));
        }
        if model.kind == Kind::Transformer && !model.hidden.is_multiple_of(model.heads) {
            let message = format!(
                "must divide model.hidden, {}, but is {}",
                model.hidden, model.heads
            );
            problems.push(Problem::new("model.heads", message));
        }
        if model.kind == Kind::Transformer && model.window != 0 && model.patch > model.window {
            let message = format!(
                "must not be above model.window, {}, but is {}",
                model.window, model.patch
            );
            problems.push(Problem::new("model.patch", message));
        }
        let mut names: Vec<&str> = [&data.time, &data.target]
            .into_iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        if names.len() == 2 && names[0] == names[1] {
            problems.push(Problem::new(
                "data.target",
                "must be another column than data.time",
            ));
            names.pop();
        }
        for (key, columns) in [
            ("data.more_targets", &data.more_targets),
            ("data.features", &data.features),
            ("data.known", &data.known),
        ] {
            for name in columns {
                if names.contains(&name.as_str()) {
                    problems.push(
                        Problem::new(key, format!("names `{name}` twice"))
                            .help("a target is seen by itself; name every column once"),
                    );
                }
                names.push(name);
            }
        }
        for (at, cycle) in data.calendar.iter().enumerate() {
            if data.calendar[..at].contains(cycle) {
                let name = cycle.names()[0].trim_end_matches("_sin");
                let message = format!("names `{name}` twice");
                problems.push(Problem::new("data.calendar", message));
            }
        }
        let mut fractions = [data.val, data.test];
        for (key, part) in ["data.val", "data.test"].into_iter().zip(&mut fractions) {
            if *part >= 1.0 {
                if part.fract() != 0.0 {
                    let message =
                        format!("must be below 1 or a whole number of rows, but is {part}");
                    problems.push(Problem::new(key, message));
                }
                *part = 0.0;
            }
        }
        problems.extend(check_parts(fractions[0], fractions[1]));
        if !data.resample.is_empty()
            && let Err(message) = super::resample::step(&data.resample)
        {
            problems.push(
                Problem::new("data.resample", message)
                    .help("write a number and a unit: 30min, 1h, 1d, 1w, 1mo, 1y"),
            );
        }
        problems
    }
}
