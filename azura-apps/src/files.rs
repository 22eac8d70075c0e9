//! Sound files as input: a table whose column `path` names them.

use std::path::{Path, PathBuf};

use azura_learner::app::Field;
use azura_learner::data::audio::{Sound, read_wav, wav_files};
use azura_learner::data::{DataError, DataErrorKind, DataResult, Kind, Table};
use azura_learner::{Error, Result, Source};

/// The column of the input table.
pub(crate) const PATH: &str = "path";

/// The column as a signature has it.
pub(crate) fn field() -> Field {
    Field::new(
        PATH,
        Kind::Text,
        "a WAV file; its place is seen from the table's own folder",
    )
}

/// The WAV files of a source as a table.
///
/// # Errors
/// [`Error::Usage`] for bundled data, which is in no file.
pub(crate) fn of_source(source: &Source) -> Result<Table> {
    match source {
        Source::File(path) => Ok(table(path)?),
        Source::Bundled => Err(Error::Usage(
            "the bundled sound is in no file; name a WAV file or a folder".to_string(),
        )),
    }
}

fn table(path: &Path) -> DataResult<Table> {
    let names = wav_files(path)?.into_iter().map(|file| {
        let absolute = std::path::absolute(&file).unwrap_or(file);
        absolute.display().to_string()
    });
    Table::new(path.display().to_string()).with(PATH, names.collect::<Vec<_>>())
}

/// The folder that paths in a table start from.
///
/// # Errors
/// [`DataErrorKind::Other`] if the table came from a request: whoever sends one must not choose files of this machine.
fn folder(table: &Table) -> DataResult<PathBuf> {
    let source = Path::new(table.source());
    // What the server calls the rows that it was sent.
    let sent = source == Path::new("request");
    if source.is_dir() && !sent {
        return Ok(source.to_path_buf());
    }
    if source.is_file() && !sent {
        return Ok(source.parent().unwrap_or(Path::new("")).to_path_buf());
    }
    let what = "paths are taken from a file only, not from a request or standard input";
    let error = DataError::new(DataErrorKind::Other, what).in_file(table.source());
    Err(error.remedy("write the paths into a CSV file, or name a WAV file or a folder"))
}

/// The sound that each row of a table names, one after the other.
///
/// # Errors
/// If there is no column `path`, and for each row what is wrong with its file, with the row's line.
pub(crate) fn sounds(table: &Table) -> DataResult<impl Iterator<Item = DataResult<Sound>>> {
    let folder = folder(table)?;
    let paths = table.texts(PATH)?;
    Ok(paths.iter().enumerate().map(move |(row, path)| {
        if path.trim().is_empty() {
            let remedy = "give the path of a WAV file";
            return Err(table.error_at(row, PATH, "the path is empty", remedy));
        }
        read_wav(folder.join(path)).map_err(|error| match table.line(row) {
            Some(_) => {
                let what = format!("{}: {}", error.file().unwrap_or(path), error.what());
                let remedy = error.advice().unwrap_or("correct the row");
                table.error_at(row, PATH, what, remedy)
            }
            None => error,
        })
    }))
}
