//! Where a series comes from, which of its columns are what, and what becomes of its empty cells.

use azura_learner::Source;
use azura_learner::app::Field;
use azura_learner::data::{
    Column, DataError, DataErrorKind, DataResult, Kind, Table, check_memory, read_csv,
    read_csv_all, read_csv_all_from, read_csv_from, sha256_file,
};
use azura_learner::fs::sha256_hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::ForecastData;
use super::resample;
use crate::Bundled;

/// What to do with an empty cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Refuse the file, with line and column.
    #[default]
    Error,
    /// Leave the row out; a new stretch begins after it.
    Drop,
    /// Repeat the last value above it.
    Ffill,
    /// The straight line between the values above and below. No window ends in such a row, which knows what comes.
    Interpolate,
}

/// Which columns are the times and the targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The times.
    pub time: String,
    /// What is predicted.
    pub targets: Vec<String>,
}

impl Names {
    /// The columns that the configuration names, and those that are found where it does not.
    ///
    /// # Errors
    /// If the data cannot be read or has no such columns.
    pub fn find(data: &ForecastData, source: &Source) -> DataResult<(Names, Option<String>)> {
        let all_targets = |target: &str| {
            let mut targets = vec![target.to_string()];
            targets.extend(data.more_targets.iter().cloned());
            targets
        };
        if !data.time.is_empty() && !data.target.is_empty() {
            let names = Names {
                time: data.time.clone(),
                targets: all_targets(&data.target),
            };
            return Ok((names, None));
        }
        let table = match source {
            Source::Bundled => {
                let Bundled { name, text } = data.dataset.bundled();
                read_csv_all_from(text.as_bytes(), name)?
            }
            Source::File(path) => read_csv_all(path)?,
        };
        let (time, target) = Names::guess(data, &table)?;
        let note = format!(
            "times are in `{time}`, `{target}` is predicted (data.time and data.target say otherwise)"
        );
        let names = Names {
            targets: all_targets(&target),
            time,
        };
        Ok((names, Some(note)))
    }

    /// Column of the times and column of the target.
    ///
    /// # Errors
    /// If there is none of them.
    pub fn guess(data: &ForecastData, table: &Table) -> DataResult<(String, String)> {
        let refuse = |what: &str, remedy: String| {
            let error = DataError::new(DataErrorKind::UnknownColumn, what);
            Err(error.in_file(table.source()).remedy(remedy))
        };
        let columns = || {
            let names = table.names();
            let shown: Vec<String> = names
                .iter()
                .take(12)
                .map(|name| format!("`{name}`"))
                .collect();
            shown.join(", ")
        };
        let time = match data.time.as_str() {
            "" => match table.names().into_iter().find(|name| is_time(table, name)) {
                Some(name) => name.to_string(),
                None => {
                    return refuse(
                        "no column holds dates or times",
                        format!(
                            "name the one that does with data.time; there are {}",
                            columns()
                        ),
                    );
                }
            },
            name => name.to_string(),
        };
        let taken = |name: &str| {
            name == time
                || [&data.features, &data.known, &data.more_targets]
                    .iter()
                    .any(|list| list.iter().any(|taken| taken == name))
        };
        let target = match data.target.as_str() {
            "" => {
                let mut numbers = table
                    .names()
                    .into_iter()
                    .filter(|name| table.kind(name) == Some(Kind::Number) && !taken(name));
                match numbers.next_back() {
                    Some(name) => name.to_string(),
                    None => {
                        return refuse(
                            "no column of numbers is left to predict",
                            format!("name one with data.target; there are {}", columns()),
                        );
                    }
                }
            }
            name => name.to_string(),
        };
        Ok((time, target))
    }
}

/// A column of times, or of years as whole numbers under that name.
pub(super) fn is_time(table: &Table, name: &str) -> bool {
    match table.kind(name) {
        Some(Kind::Time) => true,
        Some(Kind::Number) if name.eq_ignore_ascii_case("year") => {
            table.numbers(name).is_ok_and(|years| {
                let year = |y: &f64| y.fract() == 0.0 && (1000.0..=9999.0).contains(y);
                years.iter().all(year) && years.windows(2).all(|pair| pair[0] < pair[1])
            })
        }
        _ => false,
    }
}

/// Marks the columns whose cells may be empty.
///
/// Targets and features may be where empty cells are mended, and where rows at the end tell what is known in advance.
pub(super) fn fields(data: &ForecastData, inputs: Vec<Field>) -> Vec<Field> {
    let mended = data.missing != Missing::Error;
    let allow = |field: Field| {
        let coming = !data.known.is_empty() && !data.known.contains(&field.name);
        match field.kind == Kind::Number && (mended || coming) {
            true => field.missing(),
            false => field,
        }
    };
    inputs.into_iter().map(allow).collect()
}

/// About what preparing a row takes: every column twice as `f64` and twice as `f32`, four calendar cycles, and a dozen numbers
/// beside them (time, level, where its window begins, copies that the parts share).
fn bytes_of_a_row(columns: usize) -> usize {
    columns * (2 * 8 + 2 * 4) + 4 * 2 * 2 * 4 + 12 * 8
}

/// Reads the last `data.rows` rows (0: all) of the columns of `inputs`, and the sha256 of the bytes they come from.
///
/// # Errors
/// As [`read_csv`]: with file, line, column and remedy.
pub(super) fn read(
    source: &Source,
    data: &ForecastData,
    inputs: Vec<Field>,
) -> DataResult<(Table, String)> {
    let columns: Vec<Column> = fields(data, inputs).iter().map(Field::column).collect();
    let (table, sha256) = match source {
        Source::Bundled => {
            let Bundled { name, text } = data.dataset.bundled();
            (
                read_csv_from(text.as_bytes(), name, &columns),
                sha256_hex(text.as_bytes()),
            )
        }
        Source::File(path) => (read_csv(path, &columns), sha256_file(path)?),
    };
    let table = table.map_err(|error| match error.kind() {
        DataErrorKind::MissingValue => error.remedy(REMEDY),
        _ => error,
    })?;
    let table = match data.leave_out {
        0 => table,
        rows if rows < table.len() => table.slice(0..table.len() - rows),
        rows => {
            let what = format!(
                "data.leave_out = {rows} leaves none of {} rows",
                table.len()
            );
            return Err(DataError::new(DataErrorKind::Size, what)
                .in_file(table.source())
                .remedy("leave out fewer"));
        }
    };
    let table = match data.rows {
        0 => table,
        rows => table.tail(rows),
    };
    let need = table.len().saturating_mul(bytes_of_a_row(columns.len()));
    check_memory(need).map_err(|error| error.in_file(table.source()))?;
    Ok((table, sha256))
}

const REMEDY: &str = "fill it in or remove the row, or have it done: data.missing=ffill, data.missing=interpolate or data.missing=drop";

/// A table without empty cells, and what is known of the rows that come after it.
pub(super) struct Mended {
    pub(super) table: Table,
    /// Rows at the end whose targets are empty.
    pub(super) coming: Table,
    /// For each target and row, whether the value stood in the file.
    pub(super) observed: Vec<Vec<bool>>,
    /// For each row, whether a value in it was made with one below it.
    pub(super) foreseen: Vec<bool>,
    pub(super) notes: Vec<String>,
}

/// Puts the rows on their grid, takes the coming rows away, and mends empty cells.
///
/// # Errors
/// If a cell is empty that may not be, or no row is left.
pub(super) fn mend(data: &ForecastData, names: &Names, table: &Table) -> DataResult<Mended> {
    let mut notes = Vec::new();
    let resampled;
    let table = match data.resample.as_str() {
        "" => table,
        step => {
            let (made, note) = resample::resampled(table, &names.time, step, data.missing)?;
            notes.push(note);
            resampled = made;
            &resampled
        }
    };
    let end = match data.known.is_empty() {
        true => table.len(),
        false => {
            let empty = |row: usize| -> DataResult<bool> {
                let mut all = true;
                for target in &names.targets {
                    all &= table.numbers(target)?[row].is_nan();
                }
                Ok(all)
            };
            let mut end = table.len();
            while end > 0 && empty(end - 1)? {
                end -= 1;
            }
            end
        }
    };
    let (coming, mut table) = (table.slice(end..table.len()), table.slice(0..end));
    if !coming.is_empty() {
        notes.push(format!(
            "{} at the end without a value of `{}`: what is known of the coming ones",
            rows(coming.len()),
            names.targets[0]
        ));
    }
    let holes = table.rows_with_missing();
    let mut foreseen = vec![false; table.len()];
    if let Some(&first) = holes.first() {
        let at = table
            .line(first)
            .map_or(String::new(), |line| format!(" (the first: line {line})"));
        let did = match data.missing {
            Missing::Error => {
                let empty = table.columns().find_map(|(name, _)| {
                    let values = table.numbers(name).ok()?;
                    values[first].is_nan().then(|| name.to_string())
                });
                let column = empty.unwrap_or_default();
                return Err(table.error_at(first, &column, "the value is missing", REMEDY));
            }
            Missing::Drop => "left out",
            Missing::Ffill => "filled with the value above",
            Missing::Interpolate => "filled between the values above and below",
        };
        let empty = match holes.len() {
            1 => "1 row with an empty cell".to_string(),
            n => format!("{n} rows with an empty cell"),
        };
        notes.push(format!("{did}: {empty}{at}"));
    }
    let mut observed = Vec::with_capacity(names.targets.len());
    if data.missing == Missing::Drop && !holes.is_empty() {
        table = table.without_missing();
        foreseen = vec![false; table.len()];
    }
    for target in &names.targets {
        observed.push(table.numbers(target)?.iter().map(|x| !x.is_nan()).collect());
    }
    if !holes.is_empty() {
        table = match data.missing {
            Missing::Ffill => table.filled_forward()?,
            Missing::Interpolate => {
                holes.iter().for_each(|&row| foreseen[row] = true);
                table.interpolated()?
            }
            Missing::Error | Missing::Drop => table,
        };
    }
    if table.is_empty() {
        let what = "every row has an empty cell, so none is left";
        return Err(DataError::new(DataErrorKind::Empty, what).in_file(table.source()));
    }
    Ok(Mended {
        table,
        coming,
        observed,
        foreseen,
        notes,
    })
}

pub(super) fn rows(n: usize) -> String {
    match n {
        1 => "1 row".to_string(),
        n => format!("{n} rows"),
    }
}
