//! The learner's one error type and the class of each error.
//!
//! An [`Error`] says what happened, where, and where possible what to do. Its [`Class`] is what a
//! program decides by: the command line turns it into an exit code, a server into a status.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::data::{DataError, DataErrorKind};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error: a command line has an exit code for each, a server a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Something failed that none of the other classes describes.
    Failure,
    /// A wrong key, value or request.
    Usage,
    /// Missing, unreadable or unfit data.
    Data,
    /// Training met a NaN or an infinity.
    Diverged,
    /// There is no memory for it.
    Memory,
    /// The requested device is not there.
    Device,
    /// A model file or checkpoint is damaged, foreign or too new.
    Model,
    /// Something exists already or is in use.
    Conflict,
    /// A named app, run or file does not exist.
    NotFound,
}

/// One thing that is wrong with a configuration.
///
/// `key` is the dotted path (`train.epochs`); it is empty when the whole document is meant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Dotted path of the key.
    pub key: String,
    /// What is wrong, without the key.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a remedy.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            key: key.into(),
            message: message.into(),
            help: None,
        }
    }

    /// The same problem with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}", self.message)?;
        } else {
            write!(f, "`{}`: {}", self.key, self.message)?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// What training was doing when a number stopped being finite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Culprit {
    /// The loss of a training batch.
    Loss,
    /// The gradient of this parameter.
    Gradient(String),
    /// The value of this parameter.
    Value(String),
    /// The loss over the validation rows.
    Validation,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Culprit::Loss => write!(f, "the loss"),
            Culprit::Gradient(name) => write!(f, "the gradient of `{name}`"),
            Culprit::Value(name) => write!(f, "parameter `{name}`"),
            Culprit::Validation => write!(f, "the validation loss"),
        }
    }
}

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the engine: shapes, dtypes, devices, damaged safetensors.
    #[error(transparent)]
    Core(#[from] azura_core::Error),
    /// The configuration has at least one problem.
    #[error("{}", list(.0))]
    Config(Vec<Problem>),
    /// A request that cannot be met as it was made.
    #[error("{0}")]
    Usage(String),
    /// Data is missing, unreadable or unfit.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A number stopped being finite.
    #[error(
        "training diverged at step {step} (epoch {epoch}): {culprit} is {value}; \
         lower `train.lr` or set `train.clip`, or look for extreme values in the data"
    )]
    Diverged {
        /// Optimiser step, counted from 1.
        step: u64,
        /// Epoch, counted from 1.
        epoch: u64,
        /// What stopped being finite.
        culprit: Culprit,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// Trainable parameters that the loss does not reach.
    #[error(
        "{} trainable parameter(s) got no gradient in the first step: {}; \
         the loss must depend on them, or they must be frozen on purpose (`Param::set_frozen`)",
        .0.len(), .0.join(", ")
    )]
    NoGradient(Vec<String>),
    /// A model file that is damaged, foreign or too new.
    #[error("{}: not a usable model file: {reason}", .path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that is damaged, foreign or too new.
    #[error("{}: not a usable checkpoint: {reason}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what can be done.
        reason: String,
    },
    /// A name that nothing has.
    #[error("no {kind} is called `{name}`{}", hint(.help))]
    NotFound {
        /// What was looked for: `app`, `run`, `model`, `checkpoint`.
        kind: &'static str,
        /// The name.
        name: String,
        /// A near name or what there is.
        help: Option<String>,
    },
    /// Something is there already or in use.
    #[error("{0}")]
    Conflict(String),
    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// `read`, `write`, `create`, `rename`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A value could not be written as JSON or read from it.
    #[error("{what}: {source}")]
    Json {
        /// What was being written or read.
        what: String,
        /// The reason.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// What a caller can do about this error.
    pub fn class(&self) -> Class {
        match self {
            Error::Core(azura_core::Error::CudaUnavailable { .. }) => Class::Device,
            Error::Config(_) | Error::Usage(_) => Class::Usage,
            Error::Data(data) if data.kind() == DataErrorKind::Memory => Class::Memory,
            Error::Data(_) => Class::Data,
            Error::Diverged { .. } => Class::Diverged,
            Error::Model { .. } | Error::Checkpoint { .. } => Class::Model,
            Error::NotFound { .. } => Class::NotFound,
            Error::Conflict(_) => Class::Conflict,
            Error::Io { .. } | Error::Json { .. } | Error::NoGradient(_) | Error::Core(_) => {
                Class::Failure
            }
        }
    }

    /// An I/O error with its path.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io {
            action,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// A JSON error with what was being handled.
    pub fn json(what: impl Into<String>, source: serde_json::Error) -> Self {
        Error::Json {
            what: what.into(),
            source,
        }
    }
}

fn hint(help: &Option<String>) -> String {
    help.as_ref().map_or(String::new(), |h| format!("; {h}"))
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        many => {
            let mut text = format!("{} problems in the configuration", many.len());
            for problem in many {
                text.push_str("\n  ");
                text.push_str(&problem.to_string());
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed() {
        let error = Error::Config(vec![
            Problem::new("train.epoch", "unknown key").help("did you mean `train.epochs`?"),
            Problem::new("train.lr", "must be above 0, but is -1"),
        ]);
        assert_eq!(
            error.to_string(),
            "2 problems in the configuration\n  `train.epoch`: unknown key; did you mean \
             `train.epochs`?\n  `train.lr`: must be above 0, but is -1"
        );
        assert_eq!(error.class(), Class::Usage);
    }
}
