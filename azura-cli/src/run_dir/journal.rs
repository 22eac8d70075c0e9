//! What a run writes down while it trains: `events.jsonl`, `metrics.csv` and `log.txt`.
//!
//! `metrics.csv` holds no clock, so that an interrupted and resumed run ends with the same bytes as one that was
//! never interrupted; times are in `events.jsonl`.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use azura_learner::train::EpochRow;
use azura_learner::{Event, Observer};
use serde_json::{Value, json};

use super::{RunDir, now};
use crate::output::say;
use crate::progress;

/// Writes the files of a run; a disk that refuses is reported once and does not stop the training.
pub struct Journal {
    events: Option<File>,
    log: Option<File>,
    metrics: Option<File>,
    path: RunDir,
    failed: bool,
}

impl Journal {
    /// Goes on with the files of a run.
    ///
    /// # Errors
    /// The system's reason if they cannot be opened.
    pub fn open(run: &RunDir) -> io::Result<Journal> {
        let append = |name: &str| append(&run.file(name));
        Ok(Journal {
            events: Some(append("events.jsonl")?),
            log: Some(append("log.txt")?),
            metrics: None,
            path: run.clone(),
            failed: false,
        })
    }

    /// One event of the run's life.
    pub fn event(&mut self, value: &Value) {
        let line = format!("{value}\n");
        self.put(|journal| put(&mut journal.events, &line));
    }

    /// One line of `log.txt`.
    pub fn log(&mut self, text: &str) {
        let line = format!("{} {text}\n", now());
        self.put(|journal| put(&mut journal.log, &line));
    }

    fn put(&mut self, write: impl FnOnce(&mut Journal) -> io::Result<()>) {
        if let Err(error) = write(self)
            && !self.failed
        {
            self.failed = true;
            say!(
                "warning: cannot write the log files of {}: {error}",
                self.path.path().display()
            );
        }
    }

    /// Writes `metrics.csv` anew with everything known so far: a resumed run may stand before rows that were
    /// written already.
    fn restart_metrics(&mut self, history: &[EpochRow]) -> io::Result<()> {
        let mut text = String::new();
        if let Some(first) = history.first() {
            text += &header(first);
        }
        for row in history {
            text += &line(row);
        }
        let path = self.path.file("metrics.csv");
        let mut file = File::create(&path)?;
        file.write_all(text.as_bytes())?;
        self.metrics = Some(append(&path)?);
        Ok(())
    }

    fn epoch(&mut self, row: &EpochRow) -> io::Result<()> {
        let first = match &self.metrics {
            Some(file) => file.metadata()?.len() == 0,
            None => false,
        };
        let text = match first {
            true => header(row) + &line(row),
            false => line(row),
        };
        put(&mut self.metrics, &text)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn put(file: &mut Option<File>, text: &str) -> io::Result<()> {
    match file {
        Some(file) => file.write_all(text.as_bytes()),
        None => Ok(()),
    }
}

fn header(row: &EpochRow) -> String {
    let mut text = "epoch,step,lr".to_string();
    for name in row.metrics.keys() {
        let _ = write!(text, ",{name}");
    }
    text + ",best\n"
}

fn line(row: &EpochRow) -> String {
    let mut text = format!("{},{},{:?}", row.epoch, row.step, row.lr);
    for value in row.metrics.values() {
        text.push(',');
        if value.is_finite() {
            let _ = write!(text, "{value:?}");
        }
    }
    text + if row.best { ",1\n" } else { ",0\n" }
}

impl Observer for Journal {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Started {
                history, resumed, ..
            } => {
                self.put(|journal| journal.restart_metrics(history));
                self.log(&match resumed {
                    Some(at) => format!("resumed at epoch {} step {}", at.epoch + 1, at.step),
                    None => "started".to_string(),
                });
            }
            Event::Epoch(row) => {
                self.put(|journal| journal.epoch(row));
                let metrics: String = row
                    .metrics
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", progress::text::number(*value)))
                    .collect();
                self.log(&format!("epoch={}{metrics}", row.epoch));
            }
            Event::Warning(text) => self.log(&format!("warning: {text}")),
            Event::Finished(outcome) => self.log(&format!("ended: {}", outcome.stop.name())),
            _ => {}
        }
        if let Some(value) = progress::describe(event) {
            self.event(&value);
        }
    }
}

/// An event of the run's life that training does not know.
pub fn life(event: &str, more: Value) -> Value {
    let mut value = json!({"event": event, "time": now()});
    if let (Value::Object(into), Value::Object(more)) = (&mut value, more) {
        into.extend(more);
    }
    value
}
