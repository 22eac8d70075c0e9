//! Tables as CSV text.

use std::io::Write;

use super::column::Values;
use super::error::{DataError, DataErrorKind, DataResult};
use super::table::Table;

/// A number as the shortest decimal text that reads back as the same bits; empty if missing.
fn shortest(number: f64) -> String {
    if number.is_nan() {
        String::new()
    } else if number == 0.0 || (1e-5..1e16).contains(&number.abs()) {
        format!("{number}")
    } else {
        format!("{number:e}")
    }
}

impl Table {
    /// Writes the table as CSV (RFC 4180 quoting, lines end in LF). A file that must be whole or not there is
    /// [`write_atomic`](crate::fs::write_atomic)'s.
    ///
    /// Numbers are the shortest text that reads back to the same bits, missing ones are empty; times are
    /// ISO 8601, as dates if every one in the column is at midnight.
    ///
    /// # Errors
    /// [`DataErrorKind::Io`], or [`DataErrorKind::OutOfRange`] for an infinite number.
    pub fn to_csv(&self, mut out: impl Write) -> DataResult<()> {
        let write = |e: csv::Error| {
            DataError::new(DataErrorKind::Io, format!("the CSV cannot be written: {e}"))
        };
        // A header without a comma must not be taken for one with another separator.
        let others = |name: &&str| name.contains([';', '\t', '|']);
        let style = match self.names().iter().any(others) {
            true => csv::QuoteStyle::Always,
            false => csv::QuoteStyle::Necessary,
        };
        csv::WriterBuilder::new()
            .quote_style(style)
            .from_writer(&mut out)
            .write_record(self.names())
            .map_err(write)?;
        let mut csv = csv::Writer::from_writer(out);
        let columns: Vec<(&str, &Values, bool)> = self
            .columns()
            .map(|(name, values)| {
                let dates = matches!(values, Values::Time(t) if t.iter().all(|t| t.is_midnight()));
                (name, values, dates)
            })
            .collect();
        for row in 0..self.len() {
            for (name, values, dates) in &columns {
                let cell = match values {
                    Values::Text(texts) => csv.write_field(&texts[row]),
                    Values::Number(numbers) if numbers[row].is_infinite() => {
                        let what = format!("row index {row} holds {}", numbers[row]);
                        let number = columns.iter().position(|c| c.0 == *name).unwrap_or(0) + 1;
                        return Err(DataError::new(DataErrorKind::OutOfRange, what)
                            .in_file(self.source())
                            .in_column(*name, number)
                            .remedy("only finite and missing numbers can be written"));
                    }
                    Values::Number(numbers) => csv.write_field(shortest(numbers[row])),
                    Values::Time(times) if *dates => csv.write_field(times[row].iso_date()),
                    Values::Time(times) => csv.write_field(times[row].iso()),
                };
                cell.map_err(write)?;
            }
            csv.write_record(None::<&[u8]>).map_err(write)?;
        }
        csv.flush().map_err(|e| write(e.into()))
    }
}
