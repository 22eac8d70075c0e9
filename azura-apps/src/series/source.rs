//! Where an app's table comes from: the data in the program, or a file.

use azura_learner::Source;
use azura_learner::data::{Column, DataResult, Table, read_csv, read_csv_from, sha256_file};
use azura_learner::fs::sha256_hex;

/// A data set that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// What people and error messages call it.
    pub name: &'static str,
    /// The CSV text.
    pub text: &'static str,
}

/// The table and the sha256 of the bytes it was read from.
///
/// # Errors
/// As [`read_csv`]: with file, line, column and remedy.
pub fn read(source: &Source, bundled: Bundled, columns: &[Column]) -> DataResult<(Table, String)> {
    match source {
        Source::Bundled => Ok((
            read_csv_from(bundled.text.as_bytes(), bundled.name, columns)?,
            sha256_hex(bundled.text.as_bytes()),
        )),
        Source::File(path) => Ok((read_csv(path, columns)?, sha256_file(path)?)),
    }
}
