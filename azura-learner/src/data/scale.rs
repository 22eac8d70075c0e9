//! Scalers: every column brought to a common size, with what was learned from the training rows only.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{DataError, DataErrorKind, DataResult};
use super::scale_min_max::MinMaxScaler;
use super::scale_standard::StandardScaler;

/// What a scaler does: `z = (x − shift) / unit + low`, and `x = (z − low) · unit + shift` back.
///
/// Matrices are row-major `[rows, columns]`. The way back is the exact inverse of the formula; in floating
/// point it returns `x` to a few units in the last place of `max(|x|, |shift|)`.
pub trait Scale {
    /// The columns' names, in order.
    fn columns(&self) -> &[String];

    /// The scaled value of `x` in a column.
    ///
    /// # Panics
    /// If there is no such column (a mistake of the program, not of its user).
    fn value(&self, column: usize, x: f64) -> f64;

    /// The value in the column's own unit that `z` stands for.
    ///
    /// # Panics
    /// As [`Scale::value`].
    fn invert_value(&self, column: usize, z: f64) -> f64;

    /// Scales a matrix in place.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if the length is no multiple of the columns,
    /// [`DataErrorKind::OutOfRange`] with row and column for NaN and infinity.
    fn apply(&self, matrix: &mut [f64]) -> DataResult<()> {
        check(matrix, self.columns(), 0)?;
        let columns = self.columns().len();
        for row in matrix.chunks_exact_mut(columns) {
            for (column, x) in row.iter_mut().enumerate() {
                *x = self.value(column, *x);
            }
        }
        Ok(())
    }

    /// Brings a matrix back to its own units, in place.
    ///
    /// # Errors
    /// As [`Scale::apply`].
    fn invert(&self, matrix: &mut [f64]) -> DataResult<()> {
        check(matrix, self.columns(), 0)?;
        let columns = self.columns().len();
        for row in matrix.chunks_exact_mut(columns) {
            for (column, z) in row.iter_mut().enumerate() {
                *z = self.invert_value(column, *z);
            }
        }
        Ok(())
    }
}

/// Which scaler a configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScalerKind {
    /// Mean 0, standard deviation 1.
    #[default]
    Standard,
    /// Smallest value 0, largest 1.
    MinMax,
}

impl ScalerKind {
    /// Fits the scaler of this kind.
    ///
    /// # Errors
    /// As [`StandardScaler::fit`].
    pub fn fit(
        self,
        matrix: &[f64],
        columns: &[impl AsRef<str>],
        rows: Range<usize>,
    ) -> DataResult<Scaler> {
        Ok(match self {
            ScalerKind::Standard => Scaler::Standard(StandardScaler::fit(matrix, columns, rows)?),
            ScalerKind::MinMax => Scaler::MinMax(MinMaxScaler::fit(matrix, columns, rows)?),
        })
    }
}

/// A fitted scaler of either kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scaler {
    /// Mean 0, standard deviation 1.
    Standard(StandardScaler),
    /// Smallest value 0, largest 1.
    MinMax(MinMaxScaler),
}

impl Scaler {
    fn inner(&self) -> &dyn Scale {
        match self {
            Scaler::Standard(scaler) => scaler,
            Scaler::MinMax(scaler) => scaler,
        }
    }
}

impl Scale for Scaler {
    fn columns(&self) -> &[String] {
        self.inner().columns()
    }

    fn value(&self, column: usize, x: f64) -> f64 {
        self.inner().value(column, x)
    }

    fn invert_value(&self, column: usize, z: f64) -> f64 {
        self.inner().invert_value(column, z)
    }
}

pub(super) fn not_fitted(kind: &str) -> DataError {
    let what = format!("these are not the values of a fitted {kind} scaler");
    DataError::new(DataErrorKind::OutOfRange, what)
        .remedy("the file is damaged; fit or save it anew")
}

pub(super) fn too_wide(columns: &[String], column: usize) -> DataError {
    DataError::new(
        DataErrorKind::OutOfRange,
        "the values are too far apart to be scaled",
    )
    .in_column(&columns[column], column + 1)
    .remedy("remove or correct the extreme values")
}

/// The part of the matrix that the rows are, if all its values are finite.
pub(super) fn checked_rows<'a>(
    matrix: &'a [f64],
    columns: &[String],
    rows: Range<usize>,
) -> DataResult<&'a [f64]> {
    let width = columns.len();
    let total = matrix.len().checked_div(width).unwrap_or(0);
    if rows.start >= rows.end || rows.end > total {
        let (start, end) = (rows.start, rows.end);
        let what = format!(
            "cannot fit a scaler on rows {start} to {end} of {total} rows, {width} columns"
        );
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    let part = &matrix[rows.start * width..rows.end * width];
    if !matrix.len().is_multiple_of(width) {
        check(matrix, columns, 0)?;
    }
    check(part, columns, rows.start)?;
    Ok(part)
}

/// Refuses lengths that are no whole number of rows, and values that are not finite.
fn check(matrix: &[f64], columns: &[String], first_row: usize) -> DataResult<()> {
    let width = columns.len();
    if width == 0 || !matrix.len().is_multiple_of(width) {
        let what = format!(
            "{} values are no whole number of rows of {width} columns",
            matrix.len()
        );
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    match matrix.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (row, column) = (first_row + at / width, at % width);
            let what = format!(
                "row index {row} holds {}, which cannot be scaled",
                matrix[at]
            );
            Err(DataError::new(DataErrorKind::OutOfRange, what)
                .in_column(&columns[column], column + 1)
                .remedy("fill in missing values or remove the row"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: [f64; 8] = [1.0, 7.0, 2.0, 7.0, 6.0, 7.0, 1000.0, 8.0];

    #[test]
    fn standard_by_hand() {
        let scaler = StandardScaler::fit(&MATRIX, &["a", "b"], 0..3).unwrap();
        // a: mean 3, variance (4 + 1 + 9)/3; b is constant in the fitted rows.
        assert_eq!(scaler.mean(), [3.0, 7.0]);
        assert!((scaler.std()[0] - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(scaler.std()[1], 1.0);
        assert_eq!(scaler.value(1, 8.0), 1.0);
        let mut scaled = MATRIX;
        scaler.apply(&mut scaled).unwrap();
        assert_eq!(scaled[1], 0.0);
        scaler.invert(&mut scaled).unwrap();
        for (a, b) in scaled.iter().zip(MATRIX) {
            assert!(
                (a - b).abs() <= 4.0 * f64::EPSILON * b.abs().max(7.0),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn min_max_by_hand() {
        let scaler = MinMaxScaler::fit_to(&MATRIX, &["a", "b"], 0..3, -1.0, 1.0).unwrap();
        assert_eq!(
            [1.0, 6.0, 3.5, 8.5].map(|x| scaler.value(0, x)),
            [-1.0, 1.0, 0.0, 2.0]
        );
        assert_eq!(scaler.value(1, 7.0), -1.0);
        assert_eq!(scaler.invert_value(1, -1.0), 7.0);
        assert_eq!(scaler.invert_value(0, 2.0), 8.5);
    }

    #[test]
    fn a_constant_that_has_no_exact_mean_is_still_constant() {
        let matrix = [0.1; 7];
        let scaler = StandardScaler::fit(&matrix, &["a"], 0..7).unwrap();
        assert_eq!((scaler.mean()[0], scaler.std()[0]), (0.1, 1.0));
    }

    #[test]
    fn round_trips_bit_for_bit_through_json() {
        let matrix: Vec<f64> = (1..=30).map(|i| f64::from(i).sqrt() / 3.0).collect();
        for kind in [ScalerKind::Standard, ScalerKind::MinMax] {
            let scaler = kind.fit(&matrix, &["a", "b", "c"], 0..9).unwrap();
            let text = serde_json::to_string(&scaler).unwrap();
            assert_eq!(serde_json::from_str::<Scaler>(&text).unwrap(), scaler);
        }
    }

    #[test]
    fn a_file_cannot_make_a_scaler_that_no_fit_gives() {
        let good = r#"{"kind":"standard","columns":["a"],"mean":[1.0],"std":[2.0]}"#;
        assert_eq!(
            serde_json::from_str::<Scaler>(good).unwrap().value(0, 5.0),
            2.0
        );
        for (from, to) in [
            ("[1.0]", "[]"),
            ("[2.0]", "[0.0]"),
            ("[2.0]", "[-1.0]"),
            ("[\"a\"]", "[]"),
        ] {
            assert!(
                serde_json::from_str::<Scaler>(&good.replace(from, to)).is_err(),
                "{to}"
            );
        }
        let good =
            r#"{"kind":"min_max","columns":["a"],"min":[1.0],"max":[2.0],"low":0.0,"high":1.0}"#;
        assert_eq!(
            serde_json::from_str::<Scaler>(good).unwrap().value(0, 3.0),
            2.0
        );
        for (from, to) in [
            ("[1.0]", "[3.0]"),
            ("[2.0]", "[2.0,3.0]"),
            ("\"low\":0.0", "\"low\":1.0"),
        ] {
            assert!(
                serde_json::from_str::<Scaler>(&good.replace(from, to)).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn refuses_what_it_cannot_scale() {
        let fit = |m: &[f64], rows| {
            StandardScaler::fit(m, &["a", "b"], rows)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            fit(&[1.0, 2.0, 3.0, f64::NAN], 0..2),
            "column `b` (2): row index 1 holds NaN, which cannot be scaled; fill in missing values or remove the row"
        );
        assert!(
            fit(&[1.0, 2.0, f64::INFINITY, 4.0], 1..2).contains("`a` (1): row index 1 holds inf")
        );
        assert!(fit(&[1.0, 2.0], 0..0).contains("rows 0 to 0"));
        assert!(fit(&[1.0, 2.0], 0..2).contains("of 1 rows"));
        assert!(fit(&[1.0, 2.0, 3.0], 0..1).contains("3 values"));
        assert!(fit(&[1e308, 0.0, -1e308, 0.0], 0..2).contains("too far apart"));
        let none: [&str; 0] = [];
        assert!(StandardScaler::fit(&[1.0], &none, 0..1).is_err());
        assert!(MinMaxScaler::fit(&[1e308, -1e308], &["a"], 0..2).is_err());
        assert!(MinMaxScaler::fit_to(&[1.0], &["a"], 0..1, 1.0, 1.0).is_err());
        // What was not fitted on may hold NaN, but cannot be scaled.
        let scaler = StandardScaler::fit(&[1.0, 2.0, f64::NAN], &["a"], 0..2).unwrap();
        assert!(scaler.apply(&mut [f64::NAN]).is_err());
        assert!(scaler.invert(&mut [f64::NAN]).is_err());
    }
}
