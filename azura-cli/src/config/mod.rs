//! Configuration in layers, with the origin of every key.
//!
//! Weakest first: the app's defaults, `AZURA_HOME/config.toml`, `azura.toml` (or `-c FILE`), environment variables
//! `AZURA__TRAIN__LR`, the command line. What lives here knows keys and places; what a key means belongs to the
//! app, through its JSON Schema and its own check.

pub mod file;
pub mod layers;
pub mod resolve;
pub mod schema;
pub mod write;

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::failure::{Place, TextPlace};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The app's default.
    Default,
    /// A file: where the key stands and where its value stands.
    File {
        /// The key.
        key: TextPlace,
        /// The value.
        value: TextPlace,
    },
    /// An environment variable.
    Env(String),
    /// A search, which tries values.
    Tuner,
    /// A word of the command line.
    Argument {
        /// Which, counted from 1.
        index: usize,
        /// The flag, unless it was a bare `key=value`.
        flag: Option<&'static str>,
    },
}

impl Origin {
    /// Where to point when the key itself is wrong.
    pub fn key_place(&self) -> Option<Place> {
        match self {
            Origin::Default | Origin::Tuner => None,
            Origin::File { key, .. } => Some(Place::Text(key.clone())),
            Origin::Env(name) => Some(Place::Env(name.clone())),
            Origin::Argument { index, .. } => Some(Place::Argument(*index)),
        }
    }

    /// Where to point when the value is wrong.
    pub fn value_place(&self) -> Option<Place> {
        match self {
            Origin::File { value, .. } => Some(Place::Text(value.clone())),
            other => other.key_place(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Tuner => f.write_str("tuner"),
            Origin::File { key, .. } => write!(f, "{}:{}", key.path.display(), key.line),
            Origin::Env(name) => write!(f, "env {name}"),
            Origin::Argument {
                flag: Some(flag), ..
            } => f.write_str(flag),
            Origin::Argument { index, .. } => write!(f, "argument {index}"),
        }
    }
}

/// What a layer says about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Set {
    /// This value; the key's kind decides how a text is read (`"none"`, `"5m"`).
    Value(Value),
    /// This text, as it was written on the command line or in the environment.
    Text(String),
    /// Back to the default.
    Default,
}

/// One key set by one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The dotted key.
    pub key: String,
    /// What it is set to.
    pub set: Set,
    /// By whom.
    pub origin: Origin,
    /// Directory that a relative path in the value starts from; `None` is the working directory.
    pub base: Option<PathBuf>,
}
