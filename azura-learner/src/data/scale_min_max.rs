//! The scaler to a range.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::{DataError, DataErrorKind, DataResult};
use super::scale::{Scale, checked_rows, not_fitted, too_wide};

/// Brings every column to the range from `low` to `high`:
/// `z = low + (x − min) / (max − min) · (high − low)`.
///
/// `min` and `max` are those of the rows that [`MinMaxScaler::fit`] saw; values outside of them leave the
/// range, they are not cut. A column that is constant there becomes `low` and comes back whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MinMaxFields")]
pub struct MinMaxScaler {
    columns: Vec<String>,
    min: Vec<f64>,
    max: Vec<f64>,
    low: f64,
    high: f64,
}

impl MinMaxScaler {
    /// Learns the range of every column from the given rows, to scale to 0…1.
    ///
    /// # Errors
    /// As [`StandardScaler::fit`](super::StandardScaler::fit).
    pub fn fit(
        matrix: &[f64],
        columns: &[impl AsRef<str>],
        rows: Range<usize>,
    ) -> DataResult<Self> {
        MinMaxScaler::fit_to(matrix, columns, rows, 0.0, 1.0)
    }

    /// As [`MinMaxScaler::fit`], to scale to `low`…`high`.
    ///
    /// # Errors
    /// As [`StandardScaler::fit`](super::StandardScaler::fit), and
    /// [`OutOfRange`](super::DataErrorKind::OutOfRange) unless `low < high`, both finite.
    pub fn fit_to(
        matrix: &[f64],
        columns: &[impl AsRef<str>],
        rows: Range<usize>,
        low: f64,
        high: f64,
    ) -> DataResult<Self> {
        if !(low < high && (high - low).is_finite()) {
            let what = format!("cannot scale to the range from {low} to {high}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
        let columns: Vec<String> = columns.iter().map(|c| c.as_ref().to_string()).collect();
        let matrix = checked_rows(matrix, &columns, rows)?;
        let width = columns.len();
        let (mut min, mut max) = (matrix[..width].to_vec(), matrix[..width].to_vec());
        for row in matrix.chunks_exact(width) {
            for (column, &x) in row.iter().enumerate() {
                min[column] = min[column].min(x);
                max[column] = max[column].max(x);
            }
        }
        if let Some(column) = (0..width).find(|&c| !(max[c] - min[c]).is_finite()) {
            return Err(too_wide(&columns, column));
        }
        Ok(MinMaxScaler {
            columns,
            min,
            max,
            low,
            high,
        })
    }

    /// The smallest value of each column.
    pub fn min(&self) -> &[f64] {
        &self.min
    }

    /// The largest value of each column.
    pub fn max(&self) -> &[f64] {
        &self.max
    }

    fn unit(&self, column: usize) -> f64 {
        let span = self.max[column] - self.min[column];
        if span == 0.0 {
            1.0
        } else {
            span / (self.high - self.low)
        }
    }
}

impl Scale for MinMaxScaler {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn value(&self, column: usize, x: f64) -> f64 {
        (x - self.min[column]) / self.unit(column) + self.low
    }

    fn invert_value(&self, column: usize, z: f64) -> f64 {
        (z - self.low) * self.unit(column) + self.min[column]
    }
}

// See `StandardFields`: believed only if a fit could have given it.
#[derive(Deserialize)]
struct MinMaxFields {
    columns: Vec<String>,
    min: Vec<f64>,
    max: Vec<f64>,
    low: f64,
    high: f64,
}

impl TryFrom<MinMaxFields> for MinMaxScaler {
    type Error = DataError;

    fn try_from(fields: MinMaxFields) -> DataResult<Self> {
        let MinMaxFields {
            columns,
            min,
            max,
            low,
            high,
        } = fields;
        let sizes = [min.len(), max.len()] == [columns.len(); 2];
        let sane = |(min, max): (&f64, &f64)| min <= max && (max - min).is_finite();
        let range = low < high && (high - low).is_finite();
        if columns.is_empty() || !sizes || !range || !min.iter().zip(&max).all(sane) {
            return Err(not_fitted("min-max"));
        }
        Ok(MinMaxScaler {
            columns,
            min,
            max,
            low,
            high,
        })
    }
}
