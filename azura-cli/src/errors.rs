//! From the libraries' errors to messages for people.

use std::path::Path;

use azura_learner::data::{DataError, DataErrorKind};
use azura_learner::error::Problem;
use azura_learner::{Class, Error};

use crate::failure::{Code, Failure, Place, Stop, TextPlace};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Data(data) => from_data(data),
            Error::NotFound { kind, name, help } => {
                let code = match *kind {
                    "app" => Code::UnknownApp,
                    _ => Code::NotFound,
                };
                let failure = Failure::new(code, format!("no {kind} is called `{name}`"));
                match help {
                    Some(help) => failure.help(help.clone()),
                    None => failure,
                }
            }
            Error::Model { path, reason } => {
                Failure::new(Code::Model, format!("not a usable model file: {reason}"))
                    .at(Place::File(path.clone()))
            }
            Error::Checkpoint { path, reason } => Failure::new(
                Code::Checkpoint,
                format!("not a usable checkpoint: {reason}"),
            )
            .at(Place::File(path.clone())),
            Error::Io {
                action,
                path,
                source,
            } => {
                let failure = Failure::new(
                    Code::Unexpected,
                    format!("cannot {action} {}: {source}", path.display()),
                );
                match source.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::FileTooLarge => failure
                        .help(
                            "free some space; a run's last checkpoint is whole, `azura resume` goes on",
                        ),
                    std::io::ErrorKind::PermissionDenied => {
                        failure.help("choose a folder that you may write: --runs DIR, -o FILE")
                    }
                    _ => failure,
                }
            }
            _ => {
                let code = match error.class() {
                    Class::Usage => Code::CommandLine,
                    Class::Data => Code::Data,
                    Class::Memory => Code::OutOfMemory,
                    Class::Diverged => Code::Diverged,
                    Class::Device => Code::Device,
                    Class::Model => Code::Model,
                    Class::Conflict => Code::Exists,
                    Class::NotFound => Code::NotFound,
                    _ => Code::Unexpected,
                };
                Failure::new(code, error.to_string())
            }
        }
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        let message = match problem.key.as_str() {
            "" => problem.message.clone(),
            key => format!("`{key}` {}", problem.message),
        };
        let failure = Failure::new(Code::OutOfRange, message);
        match &problem.help {
            Some(help) => failure.help(help.clone()),
            None => failure,
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Config(problems) => {
                Stop::before_start(problems.iter().map(Failure::from).collect())
            }
            other => Failure::from(other).into(),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        from_data(&error)
    }
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Self {
        from_data(&error).into()
    }
}

/// A data error with its line shown and the cell underlined, where the file can be read again.
fn from_data(error: &DataError) -> Failure {
    let what = match error.column() {
        Some((column, _)) => format!("column `{column}`: {}", error.what()),
        None => error.what().to_string(),
    };
    let code = match error.kind() {
        DataErrorKind::Memory => Code::OutOfMemory,
        _ => Code::Data,
    };
    let mut failure = Failure::new(code, what);
    if let Some(file) = error.file() {
        let path = Path::new(file);
        let number = error.column().map(|(_, number)| number);
        let text = error
            .line()
            .and_then(|line| place_of(path, line, number.filter(|n| *n > 0)));
        failure = failure.at(match (text, error.line()) {
            (Some(place), _) => Place::Text(place),
            (None, Some(line)) => Place::File(format!("{file}:{line}").into()),
            (None, None) => Place::File(path.to_path_buf()),
        });
    }
    match error.advice() {
        Some(advice) => failure.help(advice),
        None => failure,
    }
}

/// The n-th cell of a line of a text file, if there is one to show.
fn place_of(path: &Path, line: u64, column: Option<usize>) -> Option<TextPlace> {
    // A line longer than this helps nobody on a terminal.
    const WIDEST: usize = 160;
    let source = std::fs::read_to_string(path).ok()?;
    let wanted = usize::try_from(line).ok()?.checked_sub(1)?;
    let (start, text) = source
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line.trim_end()))
        })
        .nth(wanted)?;
    if text.chars().count() > WIDEST || text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let cell = match column {
        Some(number) => cell(text, number)?,
        None => 0..text.len(),
    };
    Some(TextPlace::new(
        path,
        &source,
        start + cell.start..start + cell.end,
    ))
}

/// The byte range of the n-th cell, counted from 1, in a line of CSV or TSV.
fn cell(line: &str, number: usize) -> Option<std::ops::Range<usize>> {
    let separator = if line.contains('\t') && !line.contains(',') {
        '\t'
    } else {
        ','
    };
    let mut start = 0;
    let mut cells = 1;
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                if cells == number {
                    return Some(start..at);
                }
                cells += 1;
                start = at + 1;
            }
            _ => {}
        }
    }
    (cells == number).then_some(start..line.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::data::DataErrorKind;

    #[test]
    fn a_bad_cell_is_shown_and_underlined() {
        let path = std::env::temp_dir().join(format!("azura-errors-{}.csv", std::process::id()));
        std::fs::write(&path, "date,close\n2020-01-01,\"1,5\"\n2020-01-02,n/a\n").unwrap();
        let error = DataError::new(DataErrorKind::NotANumber, "\"n/a\" is not a number")
            .in_file(path.display().to_string())
            .at_line(3)
            .in_column("close", 2)
            .remedy("write a number such as 1.5");
        let text = Failure::from(error).render(false);
        assert!(text.contains(":3:12\n"), "{text}");
        assert!(
            text.contains(" 3 | 2020-01-02,n/a\n   |            ^^^\n"),
            "{text}"
        );
        assert!(text.contains("help: write a number"), "{text}");
        assert_eq!(cell("2020-01-01,\"1,5\",x", 3), Some(17..18));
        assert_eq!(cell("a,b", 3), None);
        std::fs::remove_file(path).unwrap();
    }
}
