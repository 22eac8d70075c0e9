//! Studies: many trainings of one app that search for good hyper-parameters. Nothing here knows a terminal.
//!
//! ```text
//! studies/gold-1/
//!   study.toml        what is searched, how, and the configuration around it; `azura tune -c` takes it too
//!   journal.jsonl     everything that happened, a checksummed line each, only appended (journal.rs, entry.rs)
//!   workers/          a lease for each process that works on the study
//!   trials/0007/      a run directory like any other, one for each trial
//!   report.html       the study in pictures
//! ```
//!
//! `engine.rs` is a worker: it asks the sampler, starts children, judges their reports and writes the journal. Any number
//! of workers may work on one study; all they share is the journal.

mod child;
mod choose;
mod engine;
mod entry;
mod journal;
mod measure;
mod setup;
mod state;

use std::fs;
use std::path::{Path, PathBuf};

pub use child::Control;
pub use engine::{Engine, Limits, Live, Over, Watch, begin, report};
pub use entry::Entry;
#[cfg(test)]
pub use entry::From;
pub use journal::Journal;
pub use measure::{direction, objective_text};
pub use setup::{Search, Setup};
pub use state::{Counts, State};

use crate::failure::{Code, Failure, Place};
use crate::near;
use crate::run_dir::RunDir;

/// The directory of one study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyDir {
    path: PathBuf,
}

impl StudyDir {
    /// A directory that is taken to be a study.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        StudyDir { path: path.into() }
    }

    /// Makes the directory of a new study, called `name`, or else `GROUP-N` with the next free number.
    ///
    /// # Errors
    /// [`Code::Exists`] if there is a study of this name, [`Code::Unexpected`] with the system's reason.
    pub fn create(studies: &Path, name: Option<&str>, group: &str) -> Result<StudyDir, Failure> {
        let bad = |path: &Path, error: std::io::Error| {
            let message = format!("cannot create a study in {}: {error}", path.display());
            Failure::new(Code::Unexpected, message)
                .at(Place::File(path.to_path_buf()))
                .help("choose another folder with --studies DIR or AZURA_STUDIES")
        };
        fs::create_dir_all(studies).map_err(|error| bad(studies, error))?;
        for number in 1..=1_000_000u32 {
            let id = name.map_or_else(|| format!("{group}-{number}"), str::to_string);
            let path = studies.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => {
                    for inner in ["workers", "trials"] {
                        let inner = path.join(inner);
                        fs::create_dir(&inner).map_err(|error| bad(&inner, error))?;
                    }
                    return Ok(StudyDir { path });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if name.is_some() {
                        let message = format!("there is a study called `{id}` already");
                        return Err(Failure::new(Code::Exists, message)
                            .at(Place::File(path))
                            .help(format!("go on with it: azura tune resume {id}"))
                            .help("or choose another name with --study"));
                    }
                }
                Err(error) => return Err(bad(&path, error)),
            }
        }
        Err(Failure::new(
            Code::Exists,
            format!("{} is full of studies called {group}-N", studies.display()),
        ))
    }

    /// The study that `name` means: a directory or a name; without one, the study that was worked on last.
    ///
    /// # Errors
    /// [`Code::NotFound`] with near names.
    pub fn find(studies: &Path, name: Option<&str>) -> Result<StudyDir, Failure> {
        let all = StudyDir::list(studies);
        let Some(name) = name else {
            let latest = all.iter().max_by_key(|study| {
                let touched = fs::metadata(study.journal()).and_then(|m| m.modified());
                touched.unwrap_or(std::time::UNIX_EPOCH)
            });
            return latest.cloned().ok_or_else(|| {
                let message = format!("there are no studies in {}", studies.display());
                Failure::new(Code::NotFound, message).help("begin one with `azura tune APP`")
            });
        };
        for path in [PathBuf::from(name), studies.join(name)] {
            if path.join("study.toml").is_file() {
                return Ok(StudyDir { path });
            }
        }
        let message = format!("no study in {} is called `{name}`", studies.display());
        let names: Vec<String> = all.iter().map(StudyDir::name).collect();
        let failure = Failure::new(Code::NotFound, message);
        Err(
            match near::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`azura tune list` shows the studies"),
            },
        )
    }

    /// All studies, by name.
    pub fn list(studies: &Path) -> Vec<StudyDir> {
        let entries = fs::read_dir(studies).into_iter().flatten().flatten();
        let mut found: Vec<StudyDir> = entries
            .map(|entry| StudyDir { path: entry.path() })
            .filter(|study| study.file("study.toml").is_file())
            .collect();
        found.sort_by_key(StudyDir::name);
        found
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `gold-1`
    pub fn name(&self) -> String {
        let name = self.path.file_name();
        name.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// A file of the study.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `journal.jsonl`
    pub fn journal(&self) -> PathBuf {
        self.file("journal.jsonl")
    }

    /// The lease of a worker.
    pub fn worker(&self, id: &str) -> PathBuf {
        self.path.join("workers").join(format!("{id}.lease"))
    }

    /// The run directory of a trial.
    pub fn trial(&self, number: usize) -> RunDir {
        RunDir::at(self.path.join("trials").join(format!("{number:04}")))
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |time| (time.as_secs_f64() * 1e3).round() / 1e3)
}
