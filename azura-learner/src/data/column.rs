//! What a column of a table is: its name, its kind, its values.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{DataError, DataErrorKind, DataResult};
use super::time::Timestamp;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 64-bit floating-point numbers; NaN marks a missing one.
    Number,
    /// Text.
    Text,
    /// Dates and times.
    Time,
}

impl Kind {
    pub(super) fn plural(self) -> &'static str {
        match self {
            Kind::Number => "numbers",
            Kind::Text => "text",
            Kind::Time => "dates and times",
        }
    }
}

/// A column that a reader asks for.
///
/// ```
/// use azura_learner::data::{Column, read_csv_from};
/// let table = read_csv_from(
///     "time,temp,note\n2013-05-01 13:00,8.5,\"calm, dry\"\n2013-05-01 14:00,,\n".as_bytes(),
///     "example",
///     &[Column::time("time"), Column::number("temp").allow_missing()],
/// )?;
/// assert_eq!(table.names(), ["time", "temp"]);
/// assert_eq!(table.numbers("temp")?[0], 8.5);
/// assert!(table.numbers("temp")?[1].is_nan());
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) missing: bool,
    pub(super) optional: bool,
}

impl Column {
    /// A column of the given name and kind, in which every cell must be filled.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Column {
            name: name.into(),
            kind,
            missing: false,
            optional: false,
        }
    }

    /// A column of numbers, in which every cell must be filled.
    pub fn number(name: impl Into<String>) -> Self {
        Column::new(name, Kind::Number)
    }

    /// A column of text; empty cells are empty texts.
    pub fn text(name: impl Into<String>) -> Self {
        Column::new(name, Kind::Text)
    }

    /// A column of dates and times, in which every cell must be filled.
    pub fn time(name: impl Into<String>) -> Self {
        Column::new(name, Kind::Time)
    }

    /// Cells of a number column may be missing; they become NaN.
    ///
    /// Missing is an empty cell, `NA`, `N/A`, `NaN` or `null` in any case; in JSON `null`.
    #[must_use]
    pub fn allow_missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// The whole column may be absent from the data; the table then lacks it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of its values.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Values {
    /// Numbers, NaN where missing.
    Number(Vec<f64>),
    /// Texts.
    Text(Vec<String>),
    /// Times.
    Time(Vec<Timestamp>),
}

// Missing equals missing, so that a table equals its own copy; otherwise numbers are compared by value.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Values::Number(a), Values::Number(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(x, y)| x == y || (x.is_nan() && y.is_nan()))
            }
            (Values::Text(a), Values::Text(b)) => a == b,
            (Values::Time(a), Values::Time(b)) => a == b,
            _ => false,
        }
    }
}

/// Room for `more` values: where the standard library would end the process, this is an error with the size.
pub(super) fn reserve<T>(values: &mut Vec<T>, more: usize) -> DataResult<()> {
    if values.capacity() - values.len() >= more {
        return Ok(());
    }
    // Doubling, as the standard library does.
    let wanted = more.max(values.len());
    values.try_reserve_exact(wanted).map_err(|_| {
        let bytes = (values.len() + wanted).saturating_mul(size_of::<T>());
        out_of_memory(bytes)
    })
}

/// Asks the system for so many bytes at once and gives them back: whoever is about to make many vectors of one size learns
/// here, and not by the end of the process, that there is no room for them.
///
/// # Errors
/// [`DataErrorKind::Memory`] with the size.
///
/// ```
/// use azura_learner::data::check_memory;
/// assert!(check_memory(1 << 20).is_ok());
/// assert!(check_memory(usize::MAX >> 2).is_err());
/// ```
pub fn check_memory(bytes: usize) -> DataResult<()> {
    let mut room: Vec<u8> = Vec::new();
    room.try_reserve_exact(bytes)
        .map_err(|_| out_of_memory(bytes))
}

/// There is no room for a piece of data of so many bytes.
fn out_of_memory(bytes: usize) -> DataError {
    let what = format!("no memory for {} MiB of data", bytes >> 20);
    DataError::new(DataErrorKind::Memory, what)
        .remedy("use fewer rows, fewer columns, or a machine with more memory")
}

impl Values {
    /// An empty column of a kind.
    pub fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Number => Values::Number(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
            Kind::Time => Values::Time(Vec::new()),
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Number(v) => v.len(),
            Values::Text(v) => v.len(),
            Values::Time(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their kind.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Number(_) => Kind::Number,
            Values::Text(_) => Kind::Text,
            Values::Time(_) => Kind::Time,
        }
    }

    /// Room for `more` values.
    pub(super) fn reserve(&mut self, more: usize) -> DataResult<()> {
        match self {
            Values::Number(v) => reserve(v, more),
            Values::Text(v) => reserve(v, more),
            Values::Time(v) => reserve(v, more),
        }
    }

    /// The values of some rows.
    pub(super) fn select(&self, rows: &[usize]) -> Values {
        match self {
            Values::Number(v) => Values::Number(rows.iter().map(|&row| v[row]).collect()),
            Values::Text(v) => Values::Text(rows.iter().map(|&row| v[row].clone()).collect()),
            Values::Time(v) => Values::Time(rows.iter().map(|&row| v[row]).collect()),
        }
    }

    pub(super) fn slice(&self, rows: Range<usize>) -> Values {
        match self {
            Values::Number(v) => Values::Number(v[rows].to_vec()),
            Values::Text(v) => Values::Text(v[rows].to_vec()),
            Values::Time(v) => Values::Time(v[rows].to_vec()),
        }
    }
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Values::Number(values)
    }
}

impl From<Vec<String>> for Values {
    fn from(values: Vec<String>) -> Self {
        Values::Text(values)
    }
}

impl From<Vec<Timestamp>> for Values {
    fn from(values: Vec<Timestamp>) -> Self {
        Values::Time(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_is_an_error_with_the_size() {
        let mut values = vec![1.0f64];
        // Half of the address space: more than any system gives.
        let error = reserve(&mut values, usize::MAX >> 5).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Memory);
        assert_eq!(error.what(), "no memory for 4398046511104 MiB of data");
        reserve(&mut values, 3).unwrap();
        assert!(values.capacity() >= 4 && values == [1.0]);
        assert_eq!(crate::Error::from(error).class(), crate::Class::Memory);
    }
}
