//! `run.json`: what a run is and how it stands.

use std::fmt;

use azura_learner::data::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{RunDir, lease};
use crate::failure::{Code, Failure, Place};

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process trains in it.
    #[default]
    Running,
    /// Trained, saved and scored.
    Finished,
    /// Stopped by a signal, with a checkpoint.
    Interrupted,
    /// Ended with an error.
    Failed,
    /// Its process died without a word; it can be resumed. Never written, only found.
    Lost,
    /// Its `run.json` cannot be read. Never written, only found.
    Damaged,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
            Status::Lost => "lost",
            Status::Damaged => "damaged",
        })
    }
}

/// The contents of `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// `azura.run/1`
    pub schema: String,
    /// `0042-brave-otter`
    pub id: String,
    /// The app.
    pub app: String,
    /// How it stands.
    pub status: Status,
    /// When it was created, in UTC.
    pub created: String,
    /// When it last started or went on, in UTC.
    pub started: String,
    /// When it ended, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The words of the command line.
    pub command: Vec<String>,
    /// The program's version.
    pub version: String,
    /// The machine.
    pub host: String,
    /// How often it was resumed.
    pub resumed: u32,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Once it is finished: what `train --json` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What a newer version may have added.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Now, as written in `run.json`: UTC, to the second.
pub fn now() -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    format!("{}Z", Timestamp::from_unix(seconds as i64).iso())
}

impl Record {
    /// The record of a run that begins now.
    pub fn begin(run: &RunDir, app: &str) -> Record {
        let now = now();
        Record {
            schema: "azura.run/1".to_string(),
            id: run.id(),
            app: app.to_string(),
            status: Status::Running,
            created: now.clone(),
            started: now,
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            host: lease::host(),
            ..Record::default()
        }
    }

    /// Reads `run.json`; a run whose process died is [`Status::Lost`].
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is none or it is not a run's.
    pub fn read(run: &RunDir) -> Result<Record, Failure> {
        let path = run.file("run.json");
        let failure =
            |message: String| Failure::new(Code::NotFound, message).at(Place::File(path.clone()));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            failure(format!("{} is not a run: {error}", run.path().display()))
                .help("`azura runs list` shows the runs")
        })?;
        let damaged = |why: String| {
            let failure = failure(format!(
                "the run.json of {} is damaged: {why}",
                run.full_id()
            ));
            let config = run.file("config.toml");
            match config.is_file() {
                true => failure.help(format!(
                    "train anew with `azura train -c {}`, or delete {}",
                    config.display(),
                    run.path().display()
                )),
                false => failure.help(format!("delete {}", run.path().display())),
            }
        };
        let mut record: Record =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if record.schema != "azura.run/1" {
            return Err(damaged(format!("its schema is `{}`", record.schema)));
        }
        if record.status == Status::Running && !lease::is_held(run) {
            record.status = Status::Lost;
        }
        Ok(record)
    }

    /// Writes `run.json`, whole or not at all.
    ///
    /// # Errors
    /// [`Code::Unexpected`] with the path and the system's reason.
    pub fn write(&self, run: &RunDir) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::new(Code::Unexpected, format!("run.json: {error}")))?;
        text.push('\n');
        azura_learner::fs::write_atomic(run.file("run.json"), text.as_bytes())
            .map_err(|error| Failure::new(Code::Unexpected, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_dead_run_is_lost() {
        let path = std::env::temp_dir().join(format!("azura-record-{}", std::process::id()));
        let run = RunDir::at(path.join("0007-calm-heron"));
        std::fs::create_dir_all(run.path()).unwrap();
        let mut record = Record::begin(&run, "weather");
        record.write(&run).unwrap();
        assert_eq!(Record::read(&run).unwrap().status, Status::Lost);
        let lease = lease::Lease::take(&run).unwrap();
        assert_eq!(Record::read(&run).unwrap(), record);
        drop(lease);
        record.status = Status::Finished;
        record.write(&run).unwrap();
        assert_eq!(Record::read(&run).unwrap(), record);
        std::fs::write(run.file("run.json"), "{").unwrap();
        assert_eq!(Record::read(&run).unwrap_err().code(), Code::NotFound);
        std::fs::remove_dir_all(path).unwrap();
    }
}
