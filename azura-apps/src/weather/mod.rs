//! The weather app: the next hour of an hourly series, by default the temperature.
//!
//! Target, features and calendar are those of the Python AzuraForge's weather forecaster: temperature with humidity,
//! precipitation and cloud cover, and sine and cosine of hour and day of year. What is mended: scalers learn from training rows only, hours
//! are divided by 24 (with 23, midnight and 23:00 were the same), the model predicts the change from the last hour, and every score has
//! persistence, yesterday's same hour and a ridge regression beside it.

mod config;
mod data;

pub use config::{WeatherConfig, WeatherData};
pub use data::{GREENSBORO, unit};

use azura_core::Scope;
use azura_learner::app::{Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{DataResult, Kind, Table};
use azura_learner::{App, Model, Result, Source};

use crate::series::{self, Baseline, Fitted, Frame, Read, SeriesData, Sizes, Step, WindowLstm};
use config::DAY;
use data::Hours;

/// The next hour of a weather series.
///
/// A forecast of more hours feeds each prediction back; the hour and the day go on with the calendar, and the other columns
/// repeat the same hour of the day before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather;

impl Weather {
    /// The data and its frame.
    fn read(config: &WeatherConfig, source: &Source) -> DataResult<(Read, Frame)> {
        let data = &config.data;
        let read = series::read(source, GREENSBORO, inputs(config), data.missing, data.rows)?;
        let mut frame = data::frame(data, &read.table)?;
        frame.notes.extend(read.note.clone());
        Ok((read, frame))
    }

    fn hours(config: &WeatherConfig) -> Hours<'_> {
        Hours {
            data: &config.data,
            window: config.model.window,
        }
    }
}

/// The input columns.
fn inputs(config: &WeatherConfig) -> Vec<Field> {
    let data = &config.data;
    let mut fields = vec![
        Field::new(&data.time, Kind::Time, "one row an hour, oldest first"),
        Field::new(&data.target, Kind::Number, "what is predicted").unit(unit(&data.target)),
    ];
    fields.extend(
        data.features
            .iter()
            .map(|name| Field::new(name, Kind::Number, "seen by the model").unit(unit(name))),
    );
    fields
}

impl App for Weather {
    type Config = WeatherConfig;
    type Fitted = Fitted;
    type Data = SeriesData;

    fn name(&self) -> &'static str {
        "weather"
    }

    fn about(&self) -> &'static str {
        "The next hour of a weather series, such as the temperature, from the hours before it"
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(
        &self,
        config: &WeatherConfig,
        source: &Source,
    ) -> Result<Prepared<Fitted, SeriesData>> {
        let (read, frame) = Weather::read(config, source)?;
        let sizes = Sizes {
            window: config.model.window,
            val: config.data.val,
            test: config.data.test,
        };
        series::prepare(&frame, &read.table, Step::Difference, sizes, read.sha256)
    }

    fn open(&self, config: &WeatherConfig, fitted: &Fitted, source: &Source) -> Result<SeriesData> {
        let (read, frame) = Weather::read(config, source)?;
        series::open(
            &frame,
            &read.table,
            Step::Difference,
            config.model.window,
            fitted,
        )
    }

    fn build(&self, config: &WeatherConfig, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let features = fitted.width(config.data.calendar.len());
        Ok(Box::new(WindowLstm::new(features, &config.model, p)?))
    }

    fn score(
        &self,
        _: &WeatherConfig,
        fitted: &Fitted,
        split: &ScoredSplit<'_, SeriesData>,
    ) -> Result<Scores> {
        series::score(Step::Difference, Baseline::Season(DAY), fitted, split)
    }

    fn signature(&self, config: &WeatherConfig, _: &Fitted) -> Signature {
        Signature {
            inputs: config.data.missing.columns(inputs(config)),
            rows: config.model.window,
            outputs: series::output_fields(unit(&config.data.target)),
            forecast: true,
            generate: false,
        }
    }

    fn table(&self, config: &WeatherConfig, source: &Source) -> Result<Table> {
        Ok(Weather::read(config, source)?.0.table)
    }

    fn predict(
        &self,
        config: &WeatherConfig,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let input = config.data.missing.mended(input)?;
        series::predict(&Weather::hours(config), fitted, model, &input)
    }

    fn forecast(
        &self,
        config: &WeatherConfig,
        fitted: &Fitted,
        model: &dyn Model,
        history: &Table,
        steps: usize,
    ) -> Result<Table> {
        let history = config.data.missing.mended(history)?;
        series::forecast(&Weather::hours(config), fitted, model, &history, steps)
    }
}
