//! What the tests of the whole program share: a folder each, the program, and a training that takes a second.

#![allow(dead_code)] // Each test binary uses another part of this file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A training that is real but short: an LSTM of 16 units on the last 1,100 hours of the bundled weather, for the next one.
pub const SHORT: [&str; 11] = [
    "train",
    "weather",
    "data.rows=1100",
    "model.window=24",
    "model.horizon=1",
    "model.hidden=16",
    "model.dropout=0.2",
    "train.batch=32",
    "train.epochs=3",
    "train.patience=0",
    "train.checkpoint_every=1",
];

/// A folder of its own, removed when the test passes.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The program, to be started in this folder.
    pub fn azura<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azura"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AZURA") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(&self.0)
            .env("AZURA_HOME", self.0.join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.azura(args).output().unwrap())
    }

    /// Runs it, and wants it to succeed.
    pub fn ok<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(args);
        assert_eq!(run.exit, Some(0), "{}\n{}", run.stdout, run.stderr);
        run
    }

    /// The one run directory that there is, if there is one.
    pub fn run_dir(&self) -> Option<PathBuf> {
        let group = fs::read_dir(self.0.join("runs/weather")).ok()?;
        group
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("run.json").is_file())
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// How a process ended and what it wrote.
pub struct Run {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Run {
        Run {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one JSON document on stdout.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// `SHORT` and more.
pub fn short<'a>(more: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    SHORT.into_iter().chain(more).collect()
}

/// Sends a signal by name.
#[cfg(unix)]
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Waits until `done`, but not for ever.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !done() {
        assert!(began.elapsed().as_secs() < 30, "waited too long for {what}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// The program ended with this status, and said these words on stderr.
#[track_caller]
pub fn says(run: &Run, exit: i32, words: &[&str]) {
    assert_eq!(run.exit, Some(exit), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word}\n{}", run.stderr);
    }
}
