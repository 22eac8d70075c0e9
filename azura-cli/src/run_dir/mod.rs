//! The run directory: everything about one training, in files that a person can read, copy and delete.
//!
//! ```text
//! runs/weather/
//!   latest                    the id of the newest run
//!   0042-brave-otter/         number and name; a number is never used twice
//!     run.json                what it is and how it stands, replaced as a whole
//!     config.toml             the resolved configuration, to be given back with -c
//!     config.origin.json      where each key came from
//!     data.lock  env.json     what it was trained on, and with what
//!     events.jsonl  metrics.csv  log.txt
//!     lease                   held by the process that trains
//!     checkpoints/  model.safetensors  eval/  plots/
//! ```
//!
//! The directory is the truth; nothing else keeps state about a run.

mod create;
mod find;
mod journal;
mod lease;
mod names;
mod record;

use std::path::{Path, PathBuf};

pub use create::{create, mark_latest};
pub use find::{find, latest_unfinished, list};
pub use journal::{Journal, life};
pub use lease::{Lease, held, host, is_held};
pub use record::{Record, Status, now};

/// The directory of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A directory that is taken to be a run.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        RunDir { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `0042-brave-otter`
    pub fn id(&self) -> String {
        file_name(&self.path)
    }

    /// `weather/0042-brave-otter`
    pub fn full_id(&self) -> String {
        match self.path.parent().map(file_name) {
            Some(group) if !group.is_empty() => format!("{group}/{}", self.id()),
            _ => self.id(),
        }
    }

    /// 42, if the directory's name begins with a number.
    pub fn number(&self) -> Option<u64> {
        number_of(&self.id())
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `model.safetensors`
    pub fn model(&self) -> PathBuf {
        self.file("model.safetensors")
    }

    /// The checkpoint that a resumed run goes on from.
    pub fn last_checkpoint(&self) -> PathBuf {
        self.file("checkpoints").join("last.safetensors")
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The number that a run's id begins with.
fn number_of(id: &str) -> Option<u64> {
    let digits = id.split('-').next().unwrap_or_default();
    if digits.len() < 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
