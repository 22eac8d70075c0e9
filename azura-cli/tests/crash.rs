//! A run that is killed, interrupted or starved of disk goes on to the same result as one that was not.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Folder, Run, short, signal, wait_for};
use serde_json::Value;

/// What an uninterrupted run ends with: the hash over its tensors, and its metrics file.
struct Whole {
    sha256: String,
    metrics: String,
    took: Duration,
}

fn uninterrupted() -> &'static Whole {
    static RESULT: OnceLock<Whole> = OnceLock::new();
    RESULT.get_or_init(|| {
        let folder = Folder::new("crash-whole");
        let began = Instant::now();
        let document = folder.ok(short(["--json", "-q"])).json();
        let took = began.elapsed();
        let run = document["run"].as_str().unwrap();
        Whole {
            sha256: document["sha256"].as_str().unwrap().to_string(),
            metrics: folder.read(&format!("{run}/metrics.csv")),
            took,
        }
    })
}

/// Finishes the run and compares it with the uninterrupted one.
fn finish_and_compare(folder: &Folder) {
    let document = folder.ok(["resume", "latest", "--json", "-q"]).json();
    let whole = uninterrupted();
    assert_eq!(document["sha256"], whole.sha256);
    let run = folder.run_dir().unwrap();
    assert_eq!(
        fs::read_to_string(run.join("metrics.csv")).unwrap(),
        whole.metrics
    );
    let record: Value =
        serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["status"], "finished");
    assert_eq!(leftovers(folder), 0);
}

/// Files that a process was writing when it died.
fn leftovers(folder: &Folder) -> usize {
    let Some(run) = folder.run_dir() else {
        return 0;
    };
    let entries = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".azura-tmp"))
        .count()
}

fn start(folder: &Folder) -> Child {
    let begun = folder.run_dir().is_some();
    let args = if begun {
        vec!["resume", "-q"]
    } else {
        short(["-q"])
    };
    folder
        .azura(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Numbers that look random and are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Twenty kills that meet a living process, every second one inside the writing of a checkpoint, over as
/// many runs as that takes.
#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_bits() {
    const KILLS: usize = 20;
    const KILLS_A_RUN: usize = 5;
    const RUNS: usize = 20;
    let mut dice = Dice(2026);
    // A run advances by a sixth between two kills on average, whatever the machine's speed.
    let longest = (uninterrupted().took.as_micros() as u64 / 3).max(1000);
    let (mut killed, mut torn) = (0, 0);
    for run in 0..RUNS {
        let folder = Folder::new(&format!("crash-kill-{run}"));
        for kill in 0..KILLS_A_RUN {
            let mut child = start(&folder);
            if kill % 2 == run % 2 {
                std::thread::sleep(Duration::from_micros(dice.below(longest)));
            } else {
                // Looks for the temporary file without a pause, and lets a few of them pass.
                let (skip, mut seen) = (dice.below(8), 0);
                while child.try_wait().unwrap().is_none() && seen <= skip {
                    seen += u64::from(leftovers(&folder) > 0);
                }
            }
            child.kill().unwrap();
            if child.wait().unwrap().code().is_some() {
                break;
            }
            killed += 1;
            torn += usize::from(leftovers(&folder) > 0);
        }
        if folder.run_dir().is_none() {
            start(&folder).wait().unwrap();
        }
        finish_and_compare(&folder);
        if killed >= KILLS {
            break;
        }
    }
    assert!(killed >= KILLS, "only {killed} kills met a living process");
    assert!(
        torn >= 3,
        "only {torn} kills left a half-written checkpoint"
    );
}

#[test]
fn a_signal_saves_and_says_how_to_go_on() {
    for (name, exit) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new(&format!("crash-signal-{name}"));
        let child = folder.azura(short(["--json"])).spawn().unwrap();
        wait_for("the first epoch", || epochs(&folder) > 0);
        signal(child.id(), name);
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.exit, Some(exit), "{}", run.stderr);
        assert!(run.stderr.contains("saving a checkpoint"), "{}", run.stderr);
        assert!(
            run.stderr.contains("azura resume weather/0001-"),
            "{}",
            run.stderr
        );
        assert_eq!(run.json()["stop"], "interrupted");
        assert_eq!(run.json()["exit"], run.exit.unwrap());
        assert_eq!(run.json()["errors"], serde_json::json!([]));
        let listed = folder.ok(["runs", "--json"]).json();
        assert_eq!(listed["runs"][0]["status"], "interrupted");
        finish_and_compare(&folder);
    }
}

fn epochs(folder: &Folder) -> usize {
    let Some(run) = folder.run_dir() else {
        return 0;
    };
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    events
        .lines()
        .filter(|line| line.contains("\"event\":\"epoch\""))
        .count()
}

#[test]
fn a_living_run_is_not_resumed_twice() {
    let folder = Folder::new("crash-lease");
    let mut child = folder
        .azura(short(["train.epochs=60", "-q"]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the first epoch", || epochs(&folder) > 0);
    let second = folder.run(["resume", "weather/1"]);
    assert_eq!(second.exit, Some(9), "{}", second.stderr);
    assert!(
        second.stderr.contains(&format!("process {}", child.id())),
        "{}",
        second.stderr
    );
    let listed = folder.ok(["runs", "--json"]).json();
    assert_eq!(listed["runs"][0]["status"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = folder.ok(["runs", "--json"]).json();
    assert_eq!(listed["runs"][0]["status"], "lost");
}

/// A limit on the size of files stands for a full disk: both make a write fail half-way.
#[test]
fn a_disk_that_refuses_leaves_the_last_checkpoint_whole() {
    let folder = Folder::new("crash-disk");
    let child = folder.azura(short(["-q"])).spawn().unwrap();
    wait_for("the first epoch", || epochs(&folder) > 0);
    signal(child.id(), "INT");
    child.wait_with_output().unwrap();
    let last = folder
        .run_dir()
        .unwrap()
        .join("checkpoints/last.safetensors");
    let before = fs::read(&last).unwrap();
    assert!(
        before.len() > 16 * 1024,
        "the limit below must be smaller than a checkpoint"
    );
    let program = Path::new(env!("CARGO_BIN_EXE_azura"));
    let output = Command::new("sh")
        // Blocks of 512 bytes; without the trap the signal would end the process before the error.
        .args(["-c", "trap '' XFSZ; ulimit -f 24; exec \"$0\" resume -q"])
        .arg(program)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let run = Run::of(output);
    assert_eq!(run.exit, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("error[E0101]") && run.stderr.contains("checkpoints"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("File too large"), "{}", run.stderr);
    assert!(
        fs::read(&last).unwrap() == before,
        "the last checkpoint changed"
    );
    finish_and_compare(&folder);
}

#[test]
fn runs_that_start_at_once_get_different_numbers() {
    let folder = Folder::new("crash-numbers");
    let children: Vec<Child> = (0..4)
        .map(|_| {
            folder
                .azura(short(["train.epochs=1", "-q", "--json"]))
                .spawn()
                .unwrap()
        })
        .collect();
    let mut runs: Vec<String> = children
        .into_iter()
        .map(|child| {
            Run::of(child.wait_with_output().unwrap()).json()["run"]
                .as_str()
                .unwrap()[..17]
                .to_string()
        })
        .collect();
    runs.sort();
    let expected: Vec<String> = (1..=4).map(|n| format!("runs/weather/{n:04}")).collect();
    assert_eq!(runs, expected);
}
