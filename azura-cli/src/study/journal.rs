//! `journal.jsonl`: everything that happened in a study, one line each, only ever appended.
//!
//! Whoever writes holds the lock of the file, has read all lines, and appends: so a trial is handed out once and ends once,
//! whichever processes work on the study. A line that was being written when its process died is no line: the next
//! writer cuts it off. A bad line with good ones after it is damage, and refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use azura_learner::tune::History;

use super::entry::{self, Entry};
use super::state::State;
use crate::failure::{Code, Failure, Place};

/// The journal of a study and what it says.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that `state` has taken in.
    read: u64,
    /// Lines that `state` has taken in.
    lines: usize,
    state: State,
    /// Bytes that were cut off: what a process was writing when it died.
    pub torn: u64,
}

impl Journal {
    /// Makes an empty journal, safe on disk.
    ///
    /// # Errors
    /// [`Code::Unexpected`] with the system's reason.
    pub fn create(path: &Path) -> Result<(), Failure> {
        Ok(azura_learner::fs::write_atomic(path, b"")?)
    }

    /// Opens a journal to read and to write; `empty` is the study without trials.
    ///
    /// # Errors
    /// [`Code::Unexpected`] if the file cannot be opened, [`Code::Journal`] if it is damaged.
    pub fn open(path: &Path, empty: History) -> Result<Journal, Failure> {
        Journal::with(path, empty, true)
    }

    /// Opens a journal to read only.
    ///
    /// # Errors
    /// As [`open`](Journal::open).
    pub fn look(path: &Path, empty: History) -> Result<Journal, Failure> {
        Journal::with(path, empty, false)
    }

    fn with(path: &Path, empty: History, write: bool) -> Result<Journal, Failure> {
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(path)
            .map_err(|error| cannot(path, "open", &error))?;
        let mut journal = Journal {
            path: path.to_path_buf(),
            file,
            read: 0,
            lines: 0,
            state: State::new(empty),
            torn: 0,
        };
        journal.refresh()?;
        Ok(journal)
    }

    /// What the journal says, as of the last reading.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reads what was appended since. Returns the bytes after the last good line.
    ///
    /// # Errors
    /// As [`open`](Journal::open).
    pub fn refresh(&mut self) -> Result<u64, Failure> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.read))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|error| cannot(&self.path, "read", &error))?;
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let Some(entry) = entry::decode(&rest[..end]) else {
                let good = |line: &[u8]| entry::decode(line).is_some();
                if rest[end + 1..].split(|byte| *byte == b'\n').any(good) {
                    return Err(self.damaged("it is not what was written"));
                }
                break;
            };
            self.state.apply(entry).map_err(|why| self.damaged(&why))?;
            self.lines += 1;
            self.read += end as u64 + 1;
            rest = &rest[end + 1..];
        }
        Ok(rest.len() as u64)
    }

    fn damaged(&self, why: &str) -> Failure {
        let line = self.lines + 1;
        let message = format!("line {line} of the study's journal is damaged: {why}");
        Failure::new(Code::Journal, message)
            .at(Place::File(self.path.clone()))
            .help("the lines before it are good; if no copy of the file is there, cut it off there and resume the study")
    }

    /// Does something while no other process writes, knowing all that was written.
    ///
    /// # Errors
    /// As [`open`](Journal::open), and what `work` returns.
    pub fn locked<R>(
        &mut self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        self.file
            .lock()
            .map_err(|error| cannot(&self.path, "lock", &error))?;
        let done = self.alone(work);
        // The lock would also go with the file; a failure to give it back is told by whoever waits for it.
        let _ = self.file.unlock();
        done
    }

    fn alone<R>(
        &mut self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let torn = self.refresh()?;
        if torn > 0 {
            self.file
                .set_len(self.read)
                .map_err(|error| cannot(&self.path, "write", &error))?;
            self.torn += torn;
        }
        work(&mut Writer { journal: self })
    }
}

/// The right to append, while the journal is locked.
pub struct Writer<'a> {
    journal: &'a mut Journal,
}

impl Writer<'_> {
    /// What the journal says.
    pub fn state(&self) -> &State {
        &self.journal.state
    }

    /// Appends an entry; it is safe on disk on return, unless it is a report, which the next entry takes along.
    ///
    /// # Errors
    /// [`Code::Unexpected`] with the system's reason. What was written of the entry is cut off by the next writer.
    pub fn append(&mut self, entry: Entry) -> Result<(), Failure> {
        let journal = &mut *self.journal;
        let line = entry::encode(&entry);
        let write = |file: &mut File| -> io::Result<()> {
            file.seek(SeekFrom::Start(journal.read))?;
            file.write_all(line.as_bytes())?;
            match entry {
                Entry::Report { .. } => Ok(()),
                _ => file.sync_data(),
            }
        };
        write(&mut journal.file).map_err(|error| cannot(&journal.path, "write", &error))?;
        journal.state.apply(entry).map_err(|why| {
            let message = format!("the study's journal was given a wrong entry: {why}");
            Failure::new(Code::Unexpected, message)
        })?;
        journal.read += line.len() as u64;
        journal.lines += 1;
        Ok(())
    }
}

fn cannot(path: &Path, what: &str, error: &io::Error) -> Failure {
    let message = format!("cannot {what} {}: {error}", path.display());
    Failure::new(Code::Unexpected, message).at(Place::File(path.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::entry::From;
    use azura_learner::tune::{self, Objective, Space};
    use serde_json::Map;

    fn empty() -> History {
        let space = Space::parse([("train.lr", "log:1e-4..1e-2")]).unwrap();
        History::new(space, vec![Objective::minimize("val.loss")]).unwrap()
    }

    fn file(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("azura-journal-{name}-{}", std::process::id()));
        Journal::create(&path).unwrap();
        path
    }

    fn start(trial: usize) -> Entry {
        let mut history = empty();
        let number = history.start(&[0.25]);
        let started = &history.trials[number];
        Entry::Start {
            trial,
            point: started.point.clone(),
            values: started.values.clone(),
            from: From::Sampler,
            worker: Some("me".to_string()),
            time: 1.0,
        }
    }

    fn end(trial: usize) -> Entry {
        Entry::End {
            trial,
            state: tune::State::Done,
            objectives: vec![0.5],
            constraints: vec![],
            measured: Map::new(),
            time: 2.0,
        }
    }

    #[test]
    fn a_torn_tail_of_any_length_is_cut_off_and_nothing_before_it() {
        let path = file("torn");
        let mut journal = Journal::open(&path, empty()).unwrap();
        journal.locked(|w| w.append(start(0))).unwrap();
        journal.locked(|w| w.append(end(0))).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let line = entry::encode(&start(1)).into_bytes();
        for cut in 0..line.len() {
            // A power cut may also leave zeros, and an end of line after them.
            for tail in [
                line[..cut].to_vec(),
                [vec![0; cut], b"\n".to_vec()].concat(),
            ] {
                std::fs::write(&path, [whole.clone(), tail].concat()).unwrap();
                assert_eq!(
                    Journal::look(&path, empty()).unwrap().state().counts().done,
                    1
                );
                let mut journal = Journal::open(&path, empty()).unwrap();
                journal.locked(|w| w.append(start(1))).unwrap();
                let read = Journal::look(&path, empty()).unwrap();
                assert_eq!(read.state().counts().all, 2, "{cut}");
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn damage_before_the_end_is_refused_with_its_line() {
        let path = file("damage");
        let mut journal = Journal::open(&path, empty()).unwrap();
        for entry in [start(0), end(0), start(1)] {
            journal.locked(|w| w.append(entry)).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 40;
        bytes[second] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let failure = Journal::open(&path, empty()).err().unwrap();
        assert_eq!(failure.code(), Code::Journal);
        assert!(
            failure.message().contains("line 2"),
            "{}",
            failure.message()
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn two_writers_see_each_other_and_a_trial_ends_once() {
        let path = file("two");
        let mut one = Journal::open(&path, empty()).unwrap();
        let mut two = Journal::open(&path, empty()).unwrap();
        one.locked(|w| w.append(start(0))).unwrap();
        two.locked(|w| {
            assert!(w.state().is_of(0, Some("me")));
            w.append(end(0))
        })
        .unwrap();
        one.locked(|w| {
            assert!(!w.state().is_of(0, Some("me")));
            Ok(())
        })
        .unwrap();
        assert_eq!(one.state().counts().done, 1);
        std::fs::remove_file(path).unwrap();
    }
}
