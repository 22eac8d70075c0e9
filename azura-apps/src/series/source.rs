//! Where an app's table comes from, and what becomes of its empty cells.

use std::borrow::Cow;

use azura_learner::Source;
use azura_learner::app::Field;
use azura_learner::data::{
    Column, DataError, DataErrorKind, DataResult, Table, check_memory, read_csv, read_csv_from,
    sha256_file,
};
use azura_learner::fs::sha256_hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bundled;

/// What to do with an empty cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Refuse the file, with line and column.
    #[default]
    Error,
    /// Leave the row out.
    Drop,
    /// Repeat the last value above it.
    ForwardFill,
}

impl Missing {
    /// The input columns, in which numbers may be missing unless that is an error.
    pub fn columns(self, inputs: Vec<Field>) -> Vec<Field> {
        let allow = |field: Field| match self {
            Missing::Error => field,
            Missing::Drop | Missing::ForwardFill => field.missing(),
        };
        inputs.into_iter().map(allow).collect()
    }

    /// The table without empty cells; the same one if it has none.
    ///
    /// # Errors
    /// As [`mend`](Missing::mend).
    pub fn mended(self, table: &Table) -> DataResult<Cow<'_, Table>> {
        if self == Missing::Error || table.rows_with_missing().is_empty() {
            return Ok(Cow::Borrowed(table));
        }
        Ok(Cow::Owned(self.mend(table.clone())?.0))
    }

    /// The table without empty cells, and how many rows had one, as a sentence.
    ///
    /// # Errors
    /// If there is no value above an empty cell to repeat, or no row is left.
    pub fn mend(self, table: Table) -> DataResult<(Table, Option<String>)> {
        let rows = table.rows_with_missing();
        let Some(&first) = rows.first() else {
            return Ok((table, None));
        };
        let at = table
            .line(first)
            .map_or(String::new(), |line| format!(" (the first: line {line})"));
        let count = match rows.len() {
            1 => "1 row with an empty cell".to_string(),
            n => format!("{n} rows with an empty cell"),
        };
        let (did, table) = match self {
            Missing::Error => return Ok((table, None)),
            Missing::Drop => ("left out", table.without_missing()),
            Missing::ForwardFill => ("filled with the value above", table.filled_forward()?),
        };
        if table.is_empty() {
            let what = "every row has an empty cell, so none is left";
            return Err(DataError::new(DataErrorKind::Empty, what).in_file(table.source()));
        }
        let note = format!("{did}: {count}{at}");
        Ok((table, Some(note)))
    }
}

/// Data as it was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// The table.
    pub table: Table,
    /// The sha256 of the bytes that it was read from.
    pub sha256: String,
    /// What became of empty cells.
    pub note: Option<String>,
}

/// About what preparing a row takes: features twice as `f64` and twice as `f32`, four calendar cycles, and a dozen numbers
/// beside them (time, level, step, target, where its window begins, copies that the parts share).
fn bytes_of_a_row(columns: usize) -> usize {
    columns * (2 * 8 + 2 * 4) + 4 * 2 * 2 * 4 + 12 * 8
}

/// Reads the last `rows` rows (0: all) of the columns of `inputs`.
///
/// # Errors
/// As [`read_csv`]: with file, line, column and remedy.
pub fn read(
    source: &Source,
    bundled: Bundled,
    inputs: Vec<Field>,
    missing: Missing,
    rows: usize,
) -> DataResult<Read> {
    let columns: Vec<Column> = missing.columns(inputs).iter().map(Field::column).collect();
    let (table, sha256) = match source {
        Source::Bundled => (
            read_csv_from(bundled.text.as_bytes(), bundled.name, &columns),
            sha256_hex(bundled.text.as_bytes()),
        ),
        Source::File(path) => (read_csv(path, &columns), sha256_file(path)?),
    };
    let table = table.map_err(|error| match error.kind() {
        DataErrorKind::MissingValue => error.remedy(
            "fill it in or remove the row, or have it done: data.missing=drop or data.missing=forward_fill",
        ),
        _ => error,
    })?;
    let table = match rows {
        0 => table,
        rows => table.tail(rows),
    };
    let (table, note) = missing.mend(table)?;
    let need = table.len().saturating_mul(bytes_of_a_row(columns.len()));
    check_memory(need).map_err(|error| error.in_file(table.source()))?;
    Ok(Read {
        table,
        sha256,
        note,
    })
}
