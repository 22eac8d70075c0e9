//! A process that is killed with SIGKILL, at random moments and inside the writing of checkpoints.
//!
//! The child is this test program again, asked for [`child`] alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use azura_core::Rng;
use azura_learner::train::Every;
use azura_learner::{TrainConfig, Trainer};

use crate::Folder;
use crate::resume::{config, ending, fit, resumed, uninterrupted};

const FOLDER: &str = "AZURA_TEST_KILL_FOLDER";

/// A checkpoint after every step, so that much of the time is spent in writing one.
fn busy() -> TrainConfig {
    TrainConfig {
        checkpoint_every: Every::Steps(1),
        ..quiet()
    }
}

/// The same training with few checkpoints; how often they are written changes nothing else.
fn quiet() -> TrainConfig {
    TrainConfig {
        epochs: 4,
        checkpoint_every: Every::Steps(0),
        patience: 0,
        ..config()
    }
}

#[test]
fn child() {
    // On its own this test has nothing to do.
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let (_, mut fit) = fit(busy());
    Trainer::new().checkpoints(folder).run(&mut fit).unwrap();
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn being_written(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .into_iter()
        .any(|n| n.to_string_lossy().ends_with(".azura-tmp"))
}

#[test]
fn killed_at_twenty_moments_it_ends_the_same() {
    let expected = uninterrupted(quiet());
    let begin = Instant::now();
    assert!(
        spawn(&Folder::on_disk("kill-whole"))
            .wait()
            .unwrap()
            .success()
    );
    let whole = begin.elapsed();
    let mut rng = Rng::new(20);
    let (mut killed, mut inside) = (0, 0);
    for moment in 0..20 {
        // On a disk, whose fsync keeps a checkpoint in the writing long enough to be hit.
        let folder = Folder::on_disk("kill");
        let mut child = spawn(&folder);
        std::thread::sleep(whole.mul_f64(0.9 * rng.uniform()));
        if moment % 2 == 1 {
            // Until a checkpoint is being written, or the child has come to its end.
            while !being_written(&folder) && child.try_wait().unwrap().is_none() {
                std::hint::spin_loop();
            }
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        inside += u32::from(being_written(&folder));
        let got = if folder.join("last.safetensors").exists() {
            resumed(&folder, quiet())
        } else {
            // Killed before the first checkpoint: there is nothing to lose.
            azura_learner::fs::sweep(&*folder).unwrap();
            let (store, mut fit) = fit(quiet());
            let outcome = Trainer::new().checkpoints(&*folder).run(&mut fit).unwrap();
            ending(&store, outcome)
        };
        assert_eq!(got, expected, "moment {moment}");
        assert!(!being_written(&folder));
    }
    // The moments are random, but a test that never hit anything would test nothing.
    assert!(
        killed > 0 && inside > 0,
        "killed {killed}, inside of a write {inside}"
    );
}
