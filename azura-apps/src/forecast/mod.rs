//! Series: the next steps of one, from a window of its rows and of other columns.
//!
//! This folder is the app [`Forecast`] and the frame of every app about series. An app is a [`Preset`]: a configuration
//! with defaults of its own, a name, and what it knows of its columns; `weather` and `stock` are two. The rest is here: reading and mending
//! (`source`, `resample`), the clock (`clock`), rows made ready ([`Frame`]), windows, split and scalers ([`Fitted`]), models (`model`), intervals, scores with
//! baselines, predictions for every window and forecasts. Nothing here knows a column's name.

mod clock;
mod config;
mod data;
mod frame;
mod intervals;
mod model;
mod predict;
mod resample;
mod score;
mod source;

pub use clock::Every;
pub use config::{
    Dataset, ForecastConfig, ForecastData, ForecastModel, Gap, IntervalConfig, IntervalKind,
    IntervalScale, Irregular, Kind, LossKind, Normalize, Transform,
};
pub use data::{Fitted, Layout, SeriesData};
pub(crate) use frame::check_size;
pub use frame::{Frame, Past};
pub use source::{Missing, Names};

use std::marker::PhantomData;

use azura_core::Scope;
use azura_learner::app::{AppConfig, Claim, Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{DataError, DataResult, Kind as Cells, Table, Timestamp};
use azura_learner::{App, Error, Model, Problem, Result, Source, TrainConfig};

use model::Forecaster;

/// An app about series: a configuration with defaults of its own, and what it knows of its columns.
pub trait Preset: AppConfig {
    /// The name on the command line and in model files.
    const NAME: &'static str;
    /// One sentence for a person.
    const ABOUT: &'static str;
    /// Other names.
    const ALIASES: &'static [&'static str] = &[];
    /// Rows before a window that [`past`](Preset::past) needs.
    const BEFORE: usize = 0;

    /// The configuration.
    fn series(&self) -> &ForecastConfig;

    /// The unit of a column; empty if it is not known.
    fn unit(column: &str) -> &'static str {
        let _ = column;
        ""
    }

    /// The input columns.
    fn inputs(config: &ForecastConfig, names: &Names) -> Vec<Field> {
        let field = |name: &String, about: &str| {
            let field = Field::new(name, Cells::Number, about);
            match Self::unit(name) {
                "" => field,
                unit => field.unit(unit),
            }
        };
        let mut fields = vec![Field::new(
            &names.time,
            Cells::Time,
            "oldest first, at regular steps",
        )];
        fields.extend(
            names
                .targets
                .iter()
                .map(|name| field(name, "what is predicted")),
        );
        let features = config.data.features.iter();
        fields.extend(features.map(|name| field(name, "seen by the model")));
        let known = config.data.known.iter();
        fields.extend(known.map(|name| field(name, "known in advance")));
        fields
    }

    /// What the model sees of the past beside the target.
    ///
    /// # Errors
    /// With the cell, if a value cannot be.
    fn past(config: &ForecastConfig, table: &Table) -> DataResult<Past> {
        for name in &config.data.features {
            check_size(table, name)?;
        }
        Past::of(table, &config.data.features)
    }

    /// What stands beside a row that is not known yet and whose target will be `level`: what stood there a season before.
    fn coming(frame: &Frame, season: usize, level: f64) -> Vec<f64> {
        let _ = level;
        let width = frame.past.names.len();
        let row = frame.len().saturating_sub(season);
        frame.past.values[row * width..(row + 1) * width].to_vec()
    }

    /// Why the app is the right one for a table that comes without an app's name.
    fn reads(head: &Table, target: Option<&str>) -> Option<Claim> {
        let _ = (head, target);
        None
    }
}

/// The app of a [`Preset`].
#[derive(Debug)]
pub struct Series<C>(PhantomData<fn() -> C>);

/// The next steps of any series.
pub type Forecast = Series<ForecastConfig>;

impl<C> Series<C> {
    /// The app.
    pub const fn new() -> Self {
        Series(PhantomData)
    }
}

impl<C> Default for Series<C> {
    fn default() -> Self {
        Series::new()
    }
}

impl AppConfig for ForecastConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        self.problems()
    }
}

impl Preset for ForecastConfig {
    const NAME: &'static str = "forecast";
    const ABOUT: &'static str =
        "The next steps of any series with a time column, with intervals, beside naive forecasts";

    fn series(&self) -> &ForecastConfig {
        self
    }

    /// A column of times that go on, and numbers to predict.
    fn reads(head: &Table, target: Option<&str>) -> Option<Claim> {
        let data = ForecastData {
            target: target.unwrap_or_default().to_string(),
            ..ForecastData::default()
        };
        let (time, target) = Names::guess(&data, head).ok()?;
        if head.kind(&target) != Some(Cells::Number) {
            return None;
        }
        let times: Vec<Timestamp> = match head.kind(&time)? {
            Cells::Number => {
                let years = head.numbers(&time).ok()?;
                years
                    .iter()
                    .map(|year| format!("{year:04}").parse().ok())
                    .collect::<Option<_>>()?
            }
            _ => head.times(&time).ok()?.to_vec(),
        };
        if times.len() < 3 || times.windows(2).any(|pair| pair[1] <= pair[0]) {
            return None;
        }
        let every = Every::of(&times)?;
        let regular = times
            .windows(2)
            .filter(|pair| every.steps(pair[0], pair[1]).is_some());
        if regular.count() * 10 < 9 * (times.len() - 1) {
            return None;
        }
        Some(Claim::Made(format!(
            "its rows are {} apart by `{time}` and `{target}` holds numbers",
            every.name()
        )))
    }
}

/// Data that was read, made ready.
struct Read {
    names: Names,
    frame: Frame,
    source: String,
    sha256: String,
}

impl<C: Preset> Series<C> {
    /// The columns that the configuration names or the data has.
    fn read(config: &C, source: &Source, known: Option<&Layout>) -> Result<Read> {
        let config = config.series();
        let (names, note) = match known {
            Some(layout) => (layout.names.clone(), None),
            None => Names::find(&config.data, source)?,
        };
        let (table, sha256) = source::read(source, &config.data, C::inputs(config, &names))?;
        let every = known.map(|layout| layout.every);
        let mut frame = Self::frame(config, &names, every, &table)?;
        if let Some(note) = note {
            frame.notes.insert(0, note);
        }
        Ok(Read {
            names,
            frame,
            source: table.source().to_string(),
            sha256,
        })
    }

    fn frame(
        config: &ForecastConfig,
        names: &Names,
        every: Option<Every>,
        table: &Table,
    ) -> DataResult<Frame> {
        let mended = source::mend(&config.data, names, table)?;
        let past = C::past(config, &mended.table)?;
        Frame::new(config, names, every, mended, past)
    }

    /// The unit of the targets, if they have one in common.
    fn unit(fitted: &Fitted) -> &'static str {
        let mut units = fitted.layout.names.targets.iter().map(|name| C::unit(name));
        let first = units.next().unwrap_or_default();
        match units.all(|unit| unit == first) {
            true => first,
            false => "",
        }
    }

    fn ready(config: &C, fitted: &Fitted, table: &Table) -> Result<Frame> {
        let layout = &fitted.layout;
        let frame = Self::frame(config.series(), &layout.names, Some(layout.every), table);
        Ok(frame.map_err(|e| e.in_file(table.source()))?)
    }
}

/// An error about data, with the file it is about.
fn in_file(error: Error, source: &str) -> Error {
    match error {
        Error::Data(error) => Error::Data(DataError::in_file(error, source)),
        other => other,
    }
}

impl<C: Preset> App for Series<C> {
    type Config = C;
    type Fitted = Fitted;
    type Data = SeriesData;

    fn name(&self) -> &'static str {
        C::NAME
    }

    fn about(&self) -> &'static str {
        C::ABOUT
    }

    fn version(&self) -> u32 {
        2
    }

    fn aliases(&self) -> &'static [&'static str] {
        C::ALIASES
    }

    fn reads(&self, head: &Table, target: Option<&str>) -> Option<Claim> {
        C::reads(head, target)
    }

    fn search_space(&self, config: &C) -> Vec<(&'static str, &'static str)> {
        let mut space = vec![
            ("train.lr", "log:3e-4..3e-2"),
            ("train.weight_decay", "log:1e-5..1e-1"),
        ];
        if !matches!(config.series().model.kind, Kind::Nlinear | Kind::Dlinear) {
            space.extend([
                ("model.hidden", "16|32|64|128"),
                ("model.layers", "int:1..2"),
                ("model.dropout", "0..0.5"),
            ]);
        }
        space
    }

    fn prepare(&self, config: &C, source: &Source) -> Result<Prepared<Fitted, SeriesData>> {
        let Read {
            names,
            frame,
            source,
            sha256,
        } = Self::read(config, source, None)?;
        data::prepare(config.series(), names, frame, &source, sha256)
    }

    fn open(&self, config: &C, fitted: &Fitted, source: &Source) -> Result<SeriesData> {
        let read = Self::read(config, source, Some(&fitted.layout))?;
        data::open(config.series(), read.frame, &read.source, fitted)
    }

    fn build(&self, config: &C, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let config = config.series();
        let quantiles = match config.intervals.kind {
            IntervalKind::Quantile => config.intervals.quantiles(),
            IntervalKind::Conformal => Vec::new(),
        };
        let shape = fitted.shape(config);
        Ok(Box::new(Forecaster::new(
            &config.model,
            quantiles,
            shape,
            p,
        )?))
    }

    fn score(
        &self,
        config: &C,
        fitted: &Fitted,
        split: &ScoredSplit<'_, SeriesData>,
    ) -> Result<Scores> {
        score::score(config.series(), fitted, split)
    }

    fn details(
        &self,
        config: &C,
        fitted: &Fitted,
        split: &ScoredSplit<'_, SeriesData>,
    ) -> Result<Vec<Table>> {
        score::details(config.series(), fitted, split)
    }

    fn calibrate(
        &self,
        config: &C,
        fitted: &Fitted,
        val: &ScoredSplit<'_, SeriesData>,
    ) -> Result<Option<Fitted>> {
        let offsets = intervals::calibrate(config.series(), val.data, val.outputs)?;
        Ok(Some(Fitted {
            offsets,
            ..fitted.clone()
        }))
    }

    fn signature(&self, config: &C, fitted: &Fitted) -> Signature {
        let config = config.series();
        let inputs = C::inputs(config, &fitted.layout.names);
        Signature {
            inputs: source::fields(&config.data, inputs),
            rows: fitted.layout.window + C::BEFORE,
            outputs: predict::output_fields(config, fitted, Self::unit(fitted)),
            forecast: true,
            generate: false,
        }
    }

    fn table(&self, config: &C, source: &Source) -> Result<Table> {
        let config = config.series();
        let (names, _) = Names::find(&config.data, source)?;
        Ok(source::read(source, &config.data, C::inputs(config, &names))?.0)
    }

    fn predict(
        &self,
        config: &C,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let frame = Self::ready(config, fitted, input)?;
        let unit = Self::unit(fitted);
        predict::predict(config.series(), fitted, model, &frame, unit, C::BEFORE)
            .map_err(|error| in_file(error, input.source()))
    }

    fn forecast(
        &self,
        config: &C,
        fitted: &Fitted,
        model: &dyn Model,
        history: &Table,
        steps: usize,
    ) -> Result<Table> {
        let frame = Self::ready(config, fitted, history)?;
        let unit = Self::unit(fitted);
        let rule = (
            C::BEFORE,
            &C::coming as &dyn Fn(&Frame, usize, f64) -> Vec<f64>,
        );
        predict::forecast(config.series(), fitted, model, &frame, unit, rule, steps)
            .map_err(|error| in_file(error, history.source()))
    }
}
