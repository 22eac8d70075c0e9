//! Daily rows: what the model sees of open, high, low, close and volume, and what comes after the last day.

use azura_learner::Result;
use azura_learner::data::{DataResult, Table, Timestamp, Values};

use super::config::{StockData, Ticker};
use crate::Bundled;
use crate::series::{Frame, Future, Step, check_size};

/// Microsoft, 2000 to 2013; `datasets/README.md` says more.
pub const MSFT: Bundled = Bundled {
    name: "datasets/stock/msft.csv",
    text: include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/stock/msft.csv"
    )),
};

/// The S&P 500 index, 1999 to 2018; `datasets/README.md` says more.
pub const SP500: Bundled = Bundled {
    name: "datasets/stock/sp500.csv",
    text: include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/stock/sp500.csv"
    )),
};

impl Ticker {
    /// The series.
    pub fn bundled(self) -> Bundled {
        match self {
            Ticker::Msft => MSFT,
            Ticker::Sp500 => SP500,
        }
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

/// Dates, close, and as features the returns of the day and the change of the volume.
pub(super) fn frame(config: &StockData, table: &Table) -> DataResult<Frame> {
    let times = table.times("date")?.to_vec();
    if let Some(at) = times.windows(2).position(|pair| pair[1] <= pair[0]) {
        let what = format!(
            "{} does not come after {}, the row before",
            times[at + 1].iso_date(),
            times[at].iso_date()
        );
        return Err(table.error_at(
            at + 1,
            "date",
            what,
            "sort the rows, oldest first, one row a day",
        ));
    }
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
    // The first day has no day before it: no window may hold it.
    let mut values = vec![f64::NAN; FEATURES.len() * table.len().min(1)];
    for row in 1..table.len() {
        values.extend(
            prices
                .iter()
                .map(|price| Step::LogReturn.between(close[row - 1], price[row])),
        );
        // One share more, so that days without trade are finite.
        values.push(volume[row].ln_1p() - volume[row - 1].ln_1p());
    }
    Ok(Frame {
        level: close.to_vec(),
        values,
        value_names: FEATURES.map(str::to_string).to_vec(),
        calendar: config.calendar.clone(),
        breaks: if table.len() > 1 { vec![1] } else { Vec::new() },
        times,
        notes: Vec::new(),
    })
}

/// The trading days to come: weekdays, since exchange holidays are not known; each opens at the close before it and trades
/// as many shares.
pub(super) struct Days<'a> {
    pub(super) data: &'a StockData,
    pub(super) window: usize,
}

impl Future for Days<'_> {
    fn frame(&self, table: &Table) -> Result<Frame> {
        Ok(frame(self.data, table)?)
    }

    fn next_time(&self, time: Timestamp) -> Timestamp {
        time.next_business_day()
    }

    fn next_row(&self, history: &Table, time: Timestamp, value: f64) -> Result<Table> {
        let last = history.tail(1);
        let open = last.numbers("close")?[0];
        let mut row = Table::new(history.source());
        for (name, values) in last.columns() {
            let values = match name {
                "date" => Values::Time(vec![time]),
                "open" => Values::Number(vec![open]),
                "high" => Values::Number(vec![open.max(value)]),
                "low" => Values::Number(vec![open.min(value)]),
                "close" => Values::Number(vec![value]),
                _ => values.clone(),
            };
            row.push(name, values)?;
        }
        Ok(row)
    }

    fn step(&self) -> Step {
        Step::LogReturn
    }

    fn window(&self) -> usize {
        self.window
    }

    fn before(&self) -> usize {
        1
    }

    fn unit(&self) -> String {
        super::UNIT.to_string()
    }
}
