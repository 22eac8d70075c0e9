//! Tables: named columns of numbers, texts or times, all of one length.

use std::collections::HashSet;
use std::ops::Range;

use super::column::{Kind, Values, reserve};
use super::error::{DataError, DataErrorKind, DataResult, listed, nearest, quoted};
use super::time::Timestamp;

/// Named columns of one length, which remember the file and the lines they came from.
///
/// Two tables are equal if their columns are (names, order, values; missing equals missing), wherever
/// they came from.
#[derive(Clone, Debug)]
pub struct Table {
    source: String,
    columns: Vec<(String, Values)>,
    // Column numbers of the file, counted from 1, and the line of each row, where known.
    numbers: Vec<usize>,
    lines: Vec<u64>,
    notes: Vec<String>,
    rows: usize,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

impl Table {
    /// A table without columns; `source` is the name that errors give.
    pub fn new(source: impl Into<String>) -> Self {
        Table {
            source: source.into(),
            columns: Vec::new(),
            numbers: Vec::new(),
            lines: Vec::new(),
            notes: Vec::new(),
            rows: 0,
        }
    }

    /// Adds a column and returns the table.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn with(mut self, name: impl Into<String>, values: impl Into<Values>) -> DataResult<Self> {
        self.push(name, values)?;
        Ok(self)
    }

    /// Adds a column.
    ///
    /// # Errors
    /// [`DataErrorKind::Header`] if the name is taken, [`DataErrorKind::Size`] if the length differs
    /// from that of the columns already there.
    pub fn push(&mut self, name: impl Into<String>, values: impl Into<Values>) -> DataResult<()> {
        let number = self.columns.len() + 1;
        self.push_numbered(name.into(), number, values.into())
    }

    pub(super) fn push_numbered(
        &mut self,
        name: String,
        number: usize,
        values: Values,
    ) -> DataResult<()> {
        if self.has(&name) {
            let what = format!("there are two columns {}", quoted(&name));
            return Err(self
                .error(DataErrorKind::Header, what)
                .remedy("rename one of them"));
        }
        if !self.columns.is_empty() && values.len() != self.rows {
            let (new, old) = (values.len(), self.rows);
            let what = format!(
                "column {} has {new} rows, but the table has {old}",
                quoted(&name)
            );
            return Err(self.error(DataErrorKind::Size, what));
        }
        self.rows = values.len();
        self.columns.push((name, values));
        self.numbers.push(number);
        Ok(())
    }

    /// Adds a note for the person whose file it is.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What a person should know about how the file was read: sentences without a full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn set_lines(&mut self, lines: Vec<u64>) {
        self.lines = lines;
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Where the data came from: a path, `stdin`, `request`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The columns' names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Names and values of all columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Values)> {
        self.columns
            .iter()
            .map(|(name, values)| (name.as_str(), values))
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The kind of a column, if there is one of that name.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.position(name).map(|at| self.columns[at].1.kind())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(have, _)| have == name)
    }

    /// The values of a column.
    ///
    /// # Errors
    /// [`DataErrorKind::UnknownColumn`], with the names there are.
    pub fn values(&self, name: &str) -> DataResult<&Values> {
        let at = self
            .position(name)
            .ok_or_else(|| unknown_column(&self.source, name, &self.names()))?;
        Ok(&self.columns[at].1)
    }

    /// The values of a column of numbers, NaN where missing.
    ///
    /// # Errors
    /// [`DataErrorKind::UnknownColumn`] or [`DataErrorKind::WrongKind`].
    pub fn numbers(&self, name: &str) -> DataResult<&[f64]> {
        match self.values(name)? {
            Values::Number(values) => Ok(values),
            other => Err(self.wrong_kind(name, Kind::Number, other.kind())),
        }
    }

    /// The values of a column of texts.
    ///
    /// # Errors
    /// As [`Table::numbers`].
    pub fn texts(&self, name: &str) -> DataResult<&[String]> {
        match self.values(name)? {
            Values::Text(values) => Ok(values),
            other => Err(self.wrong_kind(name, Kind::Text, other.kind())),
        }
    }

    /// The values of a column of times.
    ///
    /// # Errors
    /// As [`Table::numbers`].
    pub fn times(&self, name: &str) -> DataResult<&[Timestamp]> {
        match self.values(name)? {
            Values::Time(values) => Ok(values),
            other => Err(self.wrong_kind(name, Kind::Time, other.kind())),
        }
    }

    fn wrong_kind(&self, name: &str, wanted: Kind, is: Kind) -> DataError {
        let what = format!("holds {}, but {} are needed", is.plural(), wanted.plural());
        self.error(DataErrorKind::WrongKind, what)
            .in_column(name, self.number(name))
    }

    fn number(&self, name: &str) -> usize {
        self.position(name).map_or(0, |at| self.numbers[at])
    }

    /// Columns of numbers as one row-major matrix `[rows, names.len()]`.
    ///
    /// # Errors
    /// As [`Table::numbers`].
    pub fn matrix(&self, names: &[impl AsRef<str>]) -> DataResult<Vec<f64>> {
        let columns = names
            .iter()
            .map(|name| self.numbers(name.as_ref()))
            .collect::<DataResult<Vec<_>>>()?;
        let mut out = Vec::new();
        reserve(&mut out, self.rows.saturating_mul(columns.len()))?;
        for row in 0..self.rows {
            out.extend(columns.iter().map(|column| column[row]));
        }
        Ok(out)
    }

    /// The rows of a range, cut to those there are.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Table {
        let end = rows.end.min(self.rows);
        let rows = rows.start.min(end)..end;
        Table {
            source: self.source.clone(),
            columns: self
                .columns
                .iter()
                .map(|(name, values)| (name.clone(), values.slice(rows.clone())))
                .collect(),
            numbers: self.numbers.clone(),
            notes: self.notes.clone(),
            lines: self
                .lines
                .get(rows.clone())
                .map_or_else(Vec::new, <[u64]>::to_vec),
            rows: rows.len(),
        }
    }

    /// The rows with a number missing in one of the columns.
    pub fn rows_with_missing(&self) -> Vec<usize> {
        let missing = |row: usize| {
            self.columns
                .iter()
                .any(|(_, values)| matches!(values, Values::Number(v) if v[row].is_nan()))
        };
        (0..self.rows).filter(|&row| missing(row)).collect()
    }

    /// The table without the rows that have a number missing.
    #[must_use]
    pub fn without_missing(&self) -> Table {
        let missing = self.rows_with_missing();
        let rows: Vec<usize> = (0..self.rows)
            .filter(|row| missing.binary_search(row).is_err())
            .collect();
        self.select(&rows)
    }

    /// Some of the rows, in the order given.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Table {
        let keep = |(name, values): &(String, Values)| (name.clone(), values.select(rows));
        Table {
            source: self.source.clone(),
            columns: self.columns.iter().map(keep).collect(),
            numbers: self.numbers.clone(),
            notes: self.notes.clone(),
            lines: rows.iter().filter_map(|&row| self.line(row)).collect(),
            rows: rows.len(),
        }
    }

    /// The table with every missing number replaced by the last one above it.
    ///
    /// # Errors
    /// [`DataErrorKind::Other`] with the place, if there is none above.
    pub fn filled_forward(mut self) -> DataResult<Table> {
        for at in 0..self.columns.len() {
            let (name, values) = &mut self.columns[at];
            let Values::Number(values) = values else {
                continue;
            };
            if values.first().is_some_and(|first| first.is_nan()) {
                let name = name.clone();
                let what = "the first value is missing, and there is none above to repeat";
                return Err(self.error_at(0, &name, what, "fill it in or remove the row"));
            }
            let mut last = f64::NAN;
            for value in values {
                if value.is_nan() {
                    *value = last;
                }
                last = *value;
            }
        }
        Ok(self)
    }

    /// The table with every missing number on the straight line between its neighbours above and below, or equal to
    /// the last one above where none comes below.
    ///
    /// A number that was filled in knows the one below it: whoever predicts that must not look at it.
    ///
    /// # Errors
    /// As [`filled_forward`](Table::filled_forward).
    pub fn interpolated(mut self) -> DataResult<Table> {
        for (_, values) in &mut self.columns {
            let Values::Number(values) = values else {
                continue;
            };
            let mut last: Option<usize> = None;
            for row in 0..values.len() {
                if values[row].is_nan() {
                    continue;
                }
                if let Some(above) = last.filter(|above| above + 1 < row) {
                    let (from, to) = (values[above], values[row]);
                    let rows = (row - above) as f64;
                    for (at, between) in (1..).zip(&mut values[above + 1..row]) {
                        let share = f64::from(at) / rows;
                        *between = from * (1.0 - share) + to * share;
                    }
                }
                last = Some(row);
            }
        }
        self.filled_forward()
    }

    /// The last `count` rows, or all if there are fewer.
    #[must_use]
    pub fn tail(&self, count: usize) -> Table {
        self.slice(self.rows.saturating_sub(count)..self.rows)
    }

    /// The rows of this table and then those of another with the same columns in any order.
    ///
    /// # Errors
    /// [`DataErrorKind::UnknownColumn`], [`DataErrorKind::WrongKind`], or [`DataErrorKind::Size`] if the
    /// other has more columns.
    pub fn append(&self, other: &Table) -> DataResult<Table> {
        if other.columns.len() != self.columns.len() {
            let (a, b) = (self.columns.len(), other.columns.len());
            let what = format!("cannot join tables of {a} and of {b} columns");
            return Err(self.error(DataErrorKind::Size, what));
        }
        let mut out = self.clone();
        for (name, values) in &mut out.columns {
            match values {
                Values::Number(v) => v.extend_from_slice(other.numbers(name)?),
                Values::Text(v) => v.extend_from_slice(other.texts(name)?),
                Values::Time(v) => v.extend_from_slice(other.times(name)?),
            }
        }
        out.rows += other.rows;
        if self.source == other.source && self.lines.len() == self.rows {
            out.lines.extend_from_slice(&other.lines);
        } else {
            // Lines of two files under one name would mislead.
            out.lines.clear();
        }
        Ok(out)
    }

    /// The line of the file that a row came from, counted from 1, if it came from one.
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    /// An error about one cell, with file, line and column: for checks of an app's own.
    ///
    /// ```
    /// use azura_learner::data::{Column, read_csv_from};
    /// let table = read_csv_from("day,price\nMon,2\nTue,-1\n".as_bytes(), "gold.csv",
    ///     &[Column::number("price")])?;
    /// let error = table.error_at(1, "price", "a price of -1 is not positive", "correct or remove the row");
    /// assert_eq!(error.to_string(),
    ///     "gold.csv:3: column `price` (2): a price of -1 is not positive; correct or remove the row");
    /// # Ok::<(), azura_learner::data::DataError>(())
    /// ```
    pub fn error_at(
        &self,
        row: usize,
        column: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DataError {
        let error = match self.line(row) {
            Some(line) => self.error(DataErrorKind::Other, what).at_line(line),
            None => {
                let what = format!("row index {row}: {}", what.into());
                self.error(DataErrorKind::Other, what)
            }
        };
        error.in_column(column, self.number(column)).remedy(remedy)
    }

    fn error(&self, kind: DataErrorKind, what: impl Into<String>) -> DataError {
        DataError::new(kind, what).in_file(&self.source)
    }
}

/// "There is no column X; did you mean Y? The columns are …".
pub(super) fn unknown_column(source: &str, wanted: &str, have: &[&str]) -> DataError {
    let slip = nearest(wanted, have.iter().copied());
    let hint = match slip {
        Some(name) => format!("did you mean `{name}`? "),
        None => String::new(),
    };
    DataError::new(
        DataErrorKind::UnknownColumn,
        format!("there is no column `{wanted}`"),
    )
    .in_file(source)
    .remedy(format!(
        "{hint}the columns are {}",
        listed(have.iter().copied(), 30)
    ))
}

/// Refuses column names that are empty or there twice. Returns the number (from 1) and the reason.
pub(super) fn check_names(names: &[String]) -> Result<(), (usize, String)> {
    let mut seen = HashSet::new();
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err((at + 1, "the header has a column without a name".to_string()));
        }
        if !seen.insert(name) {
            return Err((
                at + 1,
                format!("the header has the name {} twice", quoted(name)),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new("gold.csv")
            .with("price", vec![1.0, 2.0, f64::NAN])
            .and_then(|t| t.with("note", vec!["a".to_string(), "b".into(), "c".into()]))
            .unwrap()
    }

    #[test]
    fn columns_are_found_by_name_and_kind() {
        let t = table();
        assert_eq!(t.numbers("price").unwrap()[..2], [1.0, 2.0]);
        assert_eq!(t.kind("note"), Some(Kind::Text));
        let error = t.numbers("prise").unwrap_err();
        assert_eq!(
            error.to_string(),
            "gold.csv: there is no column `prise`; did you mean `price`? the columns are `price`, `note`"
        );
        assert_eq!(
            t.numbers("note").unwrap_err().to_string(),
            "gold.csv: column `note` (2): holds text, but numbers are needed"
        );
        assert_eq!(
            t.times("price").unwrap_err().kind(),
            DataErrorKind::WrongKind
        );
        assert_eq!(
            t.texts("price").unwrap_err().kind(),
            DataErrorKind::WrongKind
        );
    }

    #[test]
    fn columns_must_fit() {
        let error = table().with("x", vec![1.0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "gold.csv: column \"x\" has 1 rows, but the table has 3"
        );
        assert_eq!(
            table().with("note", vec![1.0; 3]).unwrap_err().kind(),
            DataErrorKind::Header
        );
    }

    #[test]
    fn rows_are_cut_and_joined() {
        let t = table();
        assert_eq!(t.tail(2), t.slice(1..99));
        assert_eq!(t.slice(0..1).append(&t.slice(1..3)).unwrap(), t);
        assert_eq!(t.slice(5..9).len(), 0);
        #[allow(
            clippy::reversed_empty_ranges,
            reason = "a reversed range must not panic"
        )]
        let none = t.slice(3..1);
        assert!(none.is_empty());
        let other = Table::new("x").with("price", vec![1.0]).unwrap();
        assert_eq!(t.append(&other).unwrap_err().kind(), DataErrorKind::Size);
    }

    #[test]
    fn matrix_is_row_major() {
        let t = Table::new("t")
            .with("a", vec![1.0, 2.0])
            .unwrap()
            .with("b", vec![3.0, 4.0])
            .unwrap();
        assert_eq!(t.matrix(&["b", "a"]).unwrap(), [3.0, 1.0, 4.0, 2.0]);
        assert!(t.matrix(&["c"]).is_err());
    }
}
