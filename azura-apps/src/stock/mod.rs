//! The stock app: the next trading day's log return of a daily price series, reported as a price.
//!
//! Columns, calendar and default series are those of the Python AzuraForge's stock predictor: open, high, low, close, volume,
//! and sine and cosine of weekday, month and day of year. What is mended: the model sees and predicts returns, not prices on a scale that knew the
//! future, the price is the exact inverse of the return, and persistence ("tomorrow's price is today's") stands beside every score. A model of daily
//! prices alone is not expected to beat it, and the scores say so when it does not.

mod config;
mod data;

pub use config::{StockConfig, StockData, Ticker};
pub use data::{MSFT, SP500};

use azura_core::Scope;
use azura_learner::app::{Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{DataResult, Kind, Table};
use azura_learner::{App, Model, Result, Source};

use crate::series::{self, Baseline, Fitted, Frame, Read, SeriesData, Sizes, Step, WindowLstm};
use data::Days;

/// Prices are in whatever currency or points the file has.
const UNIT: &str = "price";

/// The next trading day of a share or an index.
///
/// A forecast of more days feeds each prediction back and skips weekends; each day opens at the close before it, and the volume stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stock;

impl Stock {
    /// The data and its frame.
    fn read(config: &StockConfig, source: &Source) -> DataResult<(Read, Frame)> {
        let data = &config.data;
        let read = series::read(
            source,
            data.ticker.bundled(),
            inputs(),
            data.missing,
            data.rows,
        )?;
        let mut frame = data::frame(data, &read.table)?;
        frame.notes.extend(read.note.clone());
        Ok((read, frame))
    }

    fn days(config: &StockConfig) -> Days<'_> {
        Days {
            data: &config.data,
            window: config.model.window,
        }
    }
}

/// The input columns.
fn inputs() -> Vec<Field> {
    let price = |name: &str, about: &str| Field::new(name, Kind::Number, about).unit(UNIT);
    vec![
        Field::new("date", Kind::Time, "one row a trading day, oldest first"),
        price("open", "first price of the day"),
        price("high", "highest price of the day"),
        price("low", "lowest price of the day"),
        price("close", "last price of the day; what is predicted"),
        Field::new("volume", Kind::Number, "shares traded").unit("shares"),
    ]
}

impl App for Stock {
    type Config = StockConfig;
    type Fitted = Fitted;
    type Data = SeriesData;

    fn name(&self) -> &'static str {
        "stock"
    }

    fn about(&self) -> &'static str {
        "The next trading day's price of a share or an index, from daily prices and volumes"
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(
        &self,
        config: &StockConfig,
        source: &Source,
    ) -> Result<Prepared<Fitted, SeriesData>> {
        let (read, frame) = Stock::read(config, source)?;
        let sizes = Sizes {
            window: config.model.window,
            val: config.data.val,
            test: config.data.test,
        };
        series::prepare(&frame, &read.table, Step::LogReturn, sizes, read.sha256)
    }

    fn open(&self, config: &StockConfig, fitted: &Fitted, source: &Source) -> Result<SeriesData> {
        let (read, frame) = Stock::read(config, source)?;
        series::open(
            &frame,
            &read.table,
            Step::LogReturn,
            config.model.window,
            fitted,
        )
    }

    fn build(&self, config: &StockConfig, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let features = fitted.width(config.data.calendar.len());
        Ok(Box::new(WindowLstm::new(features, &config.model, p)?))
    }

    fn score(
        &self,
        _: &StockConfig,
        fitted: &Fitted,
        split: &ScoredSplit<'_, SeriesData>,
    ) -> Result<Scores> {
        series::score(Step::LogReturn, Baseline::Drift, fitted, split)
    }

    fn signature(&self, config: &StockConfig, _: &Fitted) -> Signature {
        Signature {
            inputs: config.data.missing.columns(inputs()),
            // The first return of a window needs the close before it.
            rows: config.model.window + 1,
            outputs: series::output_fields(UNIT),
            forecast: true,
            generate: false,
        }
    }

    fn table(&self, config: &StockConfig, source: &Source) -> Result<Table> {
        Ok(Stock::read(config, source)?.0.table)
    }

    fn predict(
        &self,
        config: &StockConfig,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let input = config.data.missing.mended(input)?;
        series::predict(&Stock::days(config), fitted, model, &input)
    }

    fn forecast(
        &self,
        config: &StockConfig,
        fitted: &Fitted,
        model: &dyn Model,
        history: &Table,
        steps: usize,
    ) -> Result<Table> {
        let history = config.data.missing.mended(history)?;
        series::forecast(&Stock::days(config), fitted, model, &history, steps)
    }
}
