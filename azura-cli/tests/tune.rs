//! Studies from the outside: what they find, what they leave, and that no kill loses or doubles a trial.

mod common;

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{Folder, Run, says, wait_for};
use serde_json::{Value, json};

/// A tiny study: an MLP of 4 units on the bundled flowers, some milliseconds an epoch.
const TINY: [&str; 10] = [
    "tune",
    "tabular",
    "data.dataset=iris",
    "model.hidden=4",
    "model.layers=1",
    "train.epochs=4",
    "train.batch=16",
    "train.patience=0",
    "--search",
    "train.lr=log:1e-4..1",
];

fn tiny<'a>(more: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    TINY.into_iter().chain(more).collect()
}

/// What must not depend on when things happened: points, values, ends.
fn essence(folder: &Folder, study: &str) -> Value {
    let shown = folder.ok(["tune", "show", study, "--json"]).json();
    let trials = shown["trials"].as_array().unwrap().iter().map(|trial| {
        json!([
            trial["trial"],
            trial["state"],
            trial["reason"],
            trial["values"],
            trial["objectives"],
            trial["intermediate"],
        ])
    });
    trials.collect()
}

/// Entries of one kind in the journal, each with its trial.
fn entries(folder: &Folder, study: &str, kind: &str) -> Vec<u64> {
    let journal = folder.read(&format!("studies/{study}/journal.jsonl"));
    let lines = journal.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["entry"][kind]["trial"].as_u64()
    });
    lines.flatten().collect()
}

#[test]
fn a_study_finds_a_best_trial_and_trains_with_it() {
    let folder = Folder::new("tune-whole");
    let result = folder
        .ok(tiny(["--trials", "6", "--study", "one", "--json"]))
        .json();
    assert_eq!(result["schema"], "azura.tune/1");
    assert_eq!(result["ok"], true);
    assert_eq!(result["over"], "trials");
    assert_eq!(result["trials"]["all"], 6);
    let best = &result["best"][0];
    let number = best["trial"].as_u64().unwrap();
    let run = format!("studies/one/trials/{number:04}");
    for file in [
        "run.json",
        "config.toml",
        "metrics.csv",
        "model.safetensors",
        "events.jsonl",
    ] {
        assert!(folder.path().join(&run).join(file).is_file(), "{file}");
    }
    // The trial's own epochs hold the value, and no test row was scored.
    let record: Value = serde_json::from_str(&folder.read(&format!("{run}/run.json"))).unwrap();
    assert_eq!(record["status"], "finished");
    assert!(record["result"]["metrics"].get("val").is_some());
    assert!(record["result"]["metrics"].get("test").is_none());
    assert!(
        !folder
            .path()
            .join(&run)
            .join("eval/predictions.csv")
            .exists()
    );
    let origins: Value =
        serde_json::from_str(&folder.read(&format!("{run}/config.origin.json"))).unwrap();
    assert_eq!(origins["train.lr"], "tuner");
    // Trained anew with the same configuration, the same validation scores come out.
    let trained = folder
        .ok([
            "train",
            "--from-trial",
            &format!("one/{number}"),
            "--json",
            "-q",
        ])
        .json();
    assert_eq!(
        trained["metrics"]["val"],
        record["result"]["metrics"]["val"]
    );
    assert!(trained["metrics"]["test"].is_object());
    let html = folder.read("studies/one/report.html");
    assert!(html.contains("Parallel coordinates") && html.ends_with("</html>\n"));
    let table = folder.ok(["tune", "export", "csv", "one"]).stdout;
    assert_eq!(table.lines().count(), 7);
    assert!(table.starts_with("trial,state,reason,val."), "{table}");
    assert_eq!(
        folder.ok(["tune", "ls", "--json"]).json()["studies"][0]["best"],
        number
    );
    assert_eq!(
        folder.ok(["tune", "best", "--json"]).json()["best"][0]["trial"],
        number
    );
}

#[test]
fn the_same_seed_gives_the_same_study_also_when_killed() {
    let folder = Folder::new("tune-same");
    let words = |study| tiny(["--trials", "6", "--seed", "3", "-q", "--study", study]);
    folder.ok(words("whole"));
    folder.ok(words("again"));
    assert_eq!(essence(&folder, "whole"), essence(&folder, "again"));
    let mut child = quiet(&folder, words("killed"));
    for reports in [3, 9, 14] {
        let told = || {
            let path = folder.path().join("studies/killed/journal.jsonl");
            let journal = fs::read_to_string(path).unwrap_or_default();
            journal.matches("{\"report\":").count()
        };
        wait_for("a report", || {
            told() >= reports || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        child = quiet(&folder, vec!["tune", "resume", "killed", "-q"]);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(essence(&folder, "whole"), essence(&folder, "killed"));
    assert_eq!(entries(&folder, "killed", "end"), [0, 1, 2, 3, 4, 5]);
}

fn quiet(folder: &Folder, words: Vec<&str>) -> Child {
    let mut command = folder.azura(words);
    command
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

/// The children that train right now.
#[cfg(unix)]
fn children(folder: &Folder) -> Vec<u64> {
    let trials = fs::read_dir(folder.path().join("studies/kills/trials"));
    let leases = trials.into_iter().flatten().flatten().filter_map(|trial| {
        let lease = fs::read_to_string(trial.path().join("lease")).ok()?;
        serde_json::from_str::<Value>(&lease).ok()?["pid"].as_u64()
    });
    leases.collect()
}

/// Four processes on one study; again and again one of them, or the child of one, is killed without a word.
#[cfg(unix)]
#[test]
fn killed_workers_lose_no_trial_and_count_none_twice() {
    const TRIALS: usize = 100;
    const KILLS: usize = 24;
    let folder = Folder::new("tune-kills");
    let trials = TRIALS.to_string();
    let first = quiet(
        &folder,
        tiny(["--trials", &trials, "-q", "--study", "kills"]),
    );
    let toml = folder.path().join("studies/kills/study.toml");
    wait_for("study.toml", || toml.is_file());
    let help = || quiet(&folder, vec!["tune", "resume", "kills", "-q"]);
    let mut workers = vec![first, help(), help(), help()];
    let mut dice = Dice(2026);
    let mut killed = 0;
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(dice.below(120)));
        if kill % 4 == 3 {
            let children = children(&folder);
            if !children.is_empty() {
                let pid = children[dice.below(children.len() as u64) as usize];
                // It may have ended just now.
                let _ = std::process::Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
            continue;
        }
        let victim = &mut workers[dice.below(4) as usize];
        if victim.try_wait().unwrap().is_none() {
            victim.kill().unwrap();
            killed += 1;
        }
        victim.wait().unwrap();
        *victim = help();
    }
    for worker in &mut workers {
        assert!(worker.wait().unwrap().success());
    }
    assert!(
        killed >= KILLS / 3,
        "only {killed} kills met a living worker"
    );
    let mut ended = entries(&folder, "kills", "end");
    ended.sort_unstable();
    assert_eq!(ended, (0..TRIALS as u64).collect::<Vec<_>>());
    let shown = folder.ok(["tune", "show", "kills", "--json"]).json();
    for trial in shown["trials"].as_array().unwrap() {
        assert_ne!(trial["state"], "running", "{trial}");
        assert_ne!(trial["state"], "failed", "{trial}");
    }
    let left = fs::read_dir(folder.path().join("studies/kills/trials"))
        .unwrap()
        .count();
    assert_eq!(left, TRIALS);
}

#[test]
fn a_space_is_checked_against_the_app_with_place_and_remedy() {
    let folder = Folder::new("tune-space");
    let run = folder.run([
        "tune",
        "tabular",
        "--search",
        "train.lrr=log:1e-4..1e-2",
        "--search",
        "model.hidden=8..64",
        "--search",
        "model.dropout=0..1.5",
        "--search",
        "train.optimizer=adam|addam",
        "--search",
        "train.batch=int:9..3",
    ]);
    says(
        &run,
        2,
        &[
            "unknown key `train.lrr`",
            "did you mean `train.lr`",
            "command line, argument 4",
            "`model.hidden` takes whole numbers",
            "write int:LOW..HIGH",
            "`model.dropout` cannot be 1.5",
            "`train.optimizer` cannot be \"addam\"",
            "argument 12",
            "nothing was started",
        ],
    );
    let table =
        "app = \"tabular\"\n[tune]\ntrails = 3\n[tune.space]\n\"train.lr\" = \"log:1e-2..1e-4\"\n";
    folder.write("azura.toml", table);
    let run = folder.run(["tune"]);
    says(&run, 2, &["azura.toml:3:1", "did you mean `tune.trials`"]);
    folder.write("azura.toml", &table.replace("trails", "trials"));
    says(&folder.run(["tune"]), 2, &["azura.toml:5:14", "train.lr"]);
    let run = folder.run([
        "tune",
        "-c",
        "/dev/null",
        "tabular",
        "--objective",
        "min test.accuracy",
    ]);
    says(&run, 2, &["never looks at the test rows"]);
    assert!(!folder.path().join("studies").exists());
    // The table of a search is none of a training's business.
    folder.write(
        "azura.toml",
        "app = \"tabular\"\ntrain.epochs = 1\n[tune.space]\n\"train.lr\" = \"log:1e-3..1e-2\"\n",
    );
    folder.ok(["train", "-q"]);
    let preview = folder
        .ok(["tune", "--dry-run", "--json", "--trials", "7"])
        .json();
    assert_eq!(preview["space"], json!({"train.lr": "log:0.001..0.01"}));
    assert_eq!(preview["trials"], 7);
    assert!(preview["cost"]["seconds_a_trial"].as_f64().unwrap() > 0.0);
    assert!(!folder.path().join("studies").exists());
}

#[test]
fn failures_are_recorded_and_said() {
    let folder = Folder::new("tune-failures");
    // Heads that do not divide the width: a configuration that only the app can refuse.
    let run = folder.run([
        "tune",
        "tabular",
        "data.dataset=iris",
        "model.kind=transformer",
        "model.hidden=9",
        "model.heads=3",
        "train.epochs=1",
        "--search",
        "model.heads=2|4|7",
        "--trials",
        "3",
        "--study",
        "bad",
    ]);
    says(
        &run,
        1,
        &[
            "E0102",
            "all of the first 3 trials failed",
            "none of the 3 trials",
        ],
    );
    let shown = folder.ok(["tune", "show", "bad", "--json"]).json();
    for trial in shown["trials"].as_array().unwrap() {
        assert_eq!(trial["state"], "failed");
        assert!(
            trial["reason"].as_str().unwrap().contains("heads"),
            "{trial}"
        );
    }
    says(&folder.run(["tune", "best", "bad"]), 10, &["none is done"]);
}

#[test]
fn people_may_ask_tell_enqueue_and_stop() {
    let folder = Folder::new("tune-hand");
    folder.ok(tiny(["--trials", "2", "--study", "hand", "-q"]));
    let name = folder.ok(["tune", "show", "hand", "--json"]).json()["objectives"][0].clone();
    let objective = name
        .as_str()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_string();
    folder.ok(["tune", "enqueue", "hand", "train.lr=0.125"]);
    let refused = folder.run(["tune", "enqueue", "hand", "train.lr=7.0"]);
    says(&refused, 2, &["`train.lr`", "argument 4"]);
    let asked = folder.ok(["tune", "ask", "hand", "--json"]).json();
    assert_eq!(asked["trial"], 2);
    assert_eq!(asked["values"]["train.lr"], 0.125);
    let told = folder.ok([
        "tune",
        "tell",
        "hand",
        "2",
        &format!("{objective}=0.5"),
        "--step",
        "1",
        "--json",
    ]);
    assert_eq!(told.json()["go_on"], true);
    folder.ok(["tune", "tell", "hand", "2", &format!("{objective}=0.25")]);
    says(
        &folder.run(["tune", "tell", "hand", "2", &format!("{objective}=0.25")]),
        9,
        &["has ended already"],
    );
    says(
        &folder.run(["tune", "tell", "hand", "9", &format!("{objective}=1")]),
        10,
        &["no trial 9"],
    );
    folder.ok(["tune", "ask", "hand", "-q"]);
    folder.ok(["tune", "tell", "hand", "3", "--failed", "no disk"]);
    let shown = folder.ok(["tune", "show", "hand", "--json"]).json();
    assert_eq!(shown["trials"][2]["objectives"][&objective], 0.25);
    assert_eq!(shown["trials"][3]["reason"], "no disk");
    folder.ok(["tune", "stop", "hand"]);
    assert_eq!(
        folder.ok(["tune", "show", "hand", "--json"]).json()["stopped"],
        true
    );
    // Going on takes the stop back; the budget of the study is larger now.
    folder.ok(["tune", "resume", "hand", "--trials", "5", "-q"]);
    let shown = folder.ok(["tune", "show", "hand", "--json"]).json();
    assert_eq!(
        (&shown["stopped"], shown["trials"].as_array().unwrap().len()),
        (&json!(false), 5)
    );
    says(
        &folder.run(["tune", "show", "hnd"]),
        10,
        &["did you mean `hand`"],
    );
}

#[test]
fn a_constraint_keeps_large_models_from_being_the_best() {
    let folder = Folder::new("tune-bound");
    let result = folder
        .ok(tiny([
            "--search",
            "model.hidden=2|64",
            "--constraint",
            "parameters<100",
            "--objective",
            "min val.loss",
            "--objective",
            "min parameters",
            "--trials",
            "8",
            "--parallel",
            "2",
            "--study",
            "bound",
            "--json",
        ]))
        .json();
    assert!(!result["best"].as_array().unwrap().is_empty());
    for best in result["best"].as_array().unwrap() {
        assert_eq!(best["values"]["model.hidden"], 2);
    }
    let shown = folder.ok(["tune", "show", "bound", "--json"]).json();
    let large = |trial: &&Value| trial["values"]["model.hidden"] == 64;
    let trials = shown["trials"].as_array().unwrap();
    assert!(trials.iter().filter(large).count() > 0);
    for trial in trials.iter().filter(large) {
        assert_eq!(trial["state"], "pruned", "{trial}");
        assert!(trial["reason"].as_str().unwrap().contains("parameters"));
        assert!(trial["violation"].as_f64().unwrap() > 0.0);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_study_keeps_its_trial_and_goes_on() {
    let folder = Folder::new("tune-signal");
    let words = tiny([
        "--trials",
        "2",
        "--study",
        "held",
        "train.epochs=4000",
        "train.checkpoint_every=20",
    ]);
    let child = folder.azura(words).spawn().unwrap();
    let journal = folder.path().join("studies/held/journal.jsonl");
    wait_for("a report", || {
        fs::read_to_string(&journal)
            .unwrap_or_default()
            .contains("report")
    });
    common::signal(child.id(), "INT");
    let run = Run::of(child.wait_with_output().unwrap());
    says(&run, 130, &["azura tune resume held"]);
    assert!(entries(&folder, "held", "end").is_empty());
    let run_dir = folder.path().join("studies/held/trials/0000");
    assert!(run_dir.join("checkpoints/last.safetensors").is_file());
    folder.ok(["tune", "stop", "held", "-q"]);
    let result = folder
        .ok(["tune", "resume", "held", "--time-limit", "1s", "--json"])
        .json();
    assert_eq!(result["over"], "time_limit");
    assert_eq!(entries(&folder, "held", "claim"), [0]);
}
