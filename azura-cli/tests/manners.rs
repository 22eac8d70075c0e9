//! What is said when something is odd: files of another app, wrong values, damaged runs, readers that go away.

mod common;

use std::fs;
use std::io::Read;
use std::sync::OnceLock;

use common::{Folder, Run, says, short};
use serde_json::Value;

fn trained() -> &'static Folder {
    static TRAINED: OnceLock<Folder> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new("manners-shared");
        folder.ok(short(["train.epochs=1", "-q"]));
        folder
    })
}

/// Hours of 2021, as many as wanted.
fn hours(rows: usize) -> String {
    let mut text =
        "time,temperature_2m,relative_humidity_2m,precipitation,cloud_cover\n".to_string();
    for i in 0..rows {
        let (month, day, hour) = (1 + i / 672, 1 + i / 24 % 28, i % 24);
        let temperature = 10 + i % 24;
        text += &format!(
            "2021-{month:02}-{day:02}T{hour:02}:00,{temperature},50,{},20\n",
            i % 3
        );
    }
    text
}

#[test]
fn a_file_of_another_app_is_not_read_as_ones_own() {
    let folder = Folder::new("manners-app");
    folder.ok(["init", "weather"]);
    let words = [
        "azura.toml is the configuration of the app `weather`, not of `stock`",
        "--> azura.toml:",
        "azura init stock -o stock.toml",
    ];
    for command in [
        vec!["train", "stock", "-n"],
        vec!["config", "print", "stock"],
        vec!["train", "stock", "-n", "-c", "azura.toml"],
    ] {
        says(&folder.run(command), 2, &words);
    }
    folder.ok(["config", "print", "weather"]);
    folder.ok(["config", "print"]);
    folder.ok(["config", "print", "stock", "-c", "/dev/null"]);
}

#[test]
fn with_progress_json_every_line_is_an_event() {
    let folder = Folder::new("manners-json");
    let events = |run: &Run| -> Vec<Value> {
        run.stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect()
    };
    let kinds = |events: &[Value]| -> Vec<String> {
        let kind = |event: &Value| event["event"].as_str().unwrap().to_string();
        events.iter().map(kind).collect()
    };
    let found = events(&folder.ok(short(["--progress", "json", "--color", "always"])));
    let kinds_found = kinds(&found);
    assert_eq!(
        kinds_found[..3],
        ["run", "data", "started"],
        "{kinds_found:?}"
    );
    assert_eq!(kinds_found.last().unwrap(), "done");
    assert!(!kinds_found.contains(&"note".to_string()), "{found:?}");
    let wrong = folder.run(["train", "weather", "train.epoch=1", "--progress", "json"]);
    let found = events(&wrong);
    assert_eq!(kinds(&found), ["error"]);
    assert_eq!(
        (&found[0]["code"], &found[0]["exit"]),
        (&"E0203".into(), &2.into())
    );
    let wrong = folder.run(["train", "weather", "--nope", "--progress=json"]);
    assert_eq!(kinds(&events(&wrong)), ["error"]);
    // A command without progress has notes.
    assert_eq!(
        kinds(&events(&folder.ok([
            "init",
            "weather",
            "--progress",
            "json"
        ]))),
        ["note", "note"]
    );
    let silent = folder.ok(short(["--progress", "none", "-c", "/dev/null"]));
    assert_eq!(silent.stderr, "");
    assert!(
        silent.stdout.contains("trained after 3 epochs"),
        "{}",
        silent.stdout
    );
}

#[test]
fn a_dry_run_finds_a_wrong_monitor_and_estimates_memory() {
    let folder = Folder::new("manners-dry");
    let wrong = folder.run(short(["-n", "train.monitor=val.mea"]));
    says(
        &wrong,
        2,
        &[
            "E0207",
            "`train.monitor`",
            "val.mea",
            "argument 13",
            "val.mae",
        ],
    );
    assert!(!folder.path().join("runs").exists());
    let plan = folder.ok(short(["-n", "--json"])).json();
    let memory = &plan["memory"];
    let bytes = |name: &str| memory[name].as_u64().unwrap();
    let parameters = plan["parameters"].as_u64().unwrap();
    assert_eq!(bytes("weights"), 4 * parameters);
    assert_eq!(bytes("moments"), 8 * parameters);
    // A batch of 32 windows of 24 rows of 8 numbers is in it at least.
    assert!(bytes("step") > 32 * 24 * 8 * 4, "{memory}");
    assert_eq!(
        bytes("checkpoint"),
        3 * bytes("weights") + 2 * bytes("moments")
    );
    let later = bytes("best_weights") + bytes("moments") + bytes("checkpoint");
    let first = match memory["tried"].as_u64() {
        // The process holds its data, program and step at once.
        Some(tried) => tried.max(bytes("weights") + bytes("step") + 1),
        None => bytes("weights") + bytes("step"),
    };
    assert_eq!(bytes("bytes"), first + later, "{memory}");
    let text = folder.ok(short(["-n"])).stderr;
    assert!(text.contains("memory about "), "{text}");
}

#[test]
fn names_of_parameters_are_checked_where_they_are_written() {
    let folder = Folder::new("manners-freeze");
    for words in [vec!["-n"], vec![]] {
        let wrong = short(words.iter().copied().chain(["train.freeze=[\"lstm\"]"]));
        let parts = [
            "E0207",
            "`train.freeze` must fit",
            "`lstm`",
            "`lstm.weight_ih_l0`",
        ];
        says(&folder.run(wrong), 2, &parts);
        let all = short(words.iter().copied().chain(["train.freeze=[\"*\"]"]));
        says(
            &folder.run(all),
            2,
            &["E0207", "leave a parameter to train", "argument"],
        );
    }
    assert!(folder.run_dir().is_none());
    let few = folder.ok(short(["train.max_steps=2", "-q"])).stdout;
    assert!(
        few.contains("step limit reached after 2 steps, in epoch 1"),
        "{few}"
    );
}

#[cfg(unix)]
#[test]
fn words_that_are_no_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("manners-bytes");
    let odd = OsStr::from_bytes(b"od\xffd");
    let word = |words: &[&'static str]| -> Run {
        let line = words.iter().map(OsStr::new).chain([odd]);
        folder.run(line.collect::<Vec<_>>())
    };
    for words in [
        &["train", "weather", "train.epochs=1", "--runs"][..],
        &["train", "weather", "--data"],
        &["predict", "weather"],
        &["runs", "list", "-C"],
    ] {
        says(&word(words), 2, &["UTF-8"]);
    }
    let run = folder
        .azura(["runs"])
        .env("AZURA_RUNS", odd)
        .output()
        .unwrap();
    says(&Run::of(run), 2, &["environment, AZURA_RUNS", "UTF-8"]);
    // Such a folder among the runs is none of ours.
    fs::create_dir_all(folder.path().join("runs").join(odd)).unwrap();
    folder.ok(["runs", "--json"]);
}

#[test]
fn variables_that_cannot_be_read_are_refused() {
    let folder = Folder::new("manners-env");
    for (name, value) in [
        ("AZURA_INSTRUCTIONS", "sse"),
        ("AZURA_THREADS", "x"),
        ("AZURA_THREADS", "0"),
        ("AZURA_PROGRESS", "fancy"),
        ("AZURA_COLOR", "blue"),
    ] {
        let output = folder.azura(["apps"]).env(name, value).output().unwrap();
        says(
            &Run::of(output),
            2,
            &[&format!("environment, {name}"), value],
        );
        let output = folder
            .azura(["help", "environment"])
            .env(name, value)
            .output();
        assert!(output.unwrap().status.success());
    }
}

#[test]
fn verbose_says_more() {
    let folder = Folder::new("manners-verbose");
    let plain = folder.ok(short(["train.epochs=1"])).stderr;
    assert!(!plain.contains("checkpoint"), "{plain}");
    let more = folder.ok(short(["train.epochs=1", "-v"])).stderr;
    assert!(
        more.contains("config model.hidden = 16   from argument 6"),
        "{more}"
    );
    assert!(
        more.contains("checkpoint last.safetensors   step "),
        "{more}"
    );
    assert!(!more.contains("grad_norm"), "{more}");
    let all = folder.ok(short(["train.epochs=1", "-vv"])).stderr;
    assert!(
        all.contains("step 1   epoch 1   batch 1   rows 32   loss "),
        "{all}"
    );
}

#[test]
fn a_damaged_run_is_reported() {
    let folder = Folder::new("manners-damaged");
    folder.ok(short(["train.epochs=1", "-q"]));
    let run = folder.run_dir().unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    fs::write(run.join("run.json"), "{\"schema\": \"az").unwrap();
    let list = folder.ok(["runs"]);
    assert!(
        list.stdout.contains(id) && list.stdout.contains("damaged"),
        "{}",
        list.stdout
    );
    assert!(
        list.stderr.contains("the run.json of weather/"),
        "{}",
        list.stderr
    );
    let all = folder.ok(["runs", "--json"]).json();
    assert_eq!(all["runs"][0]["status"], "damaged");
    says(
        &folder.run(["runs", "show", id]),
        10,
        &["damaged", "azura train -c", "config.toml"],
    );
    says(&folder.run(["resume", id]), 10, &["damaged"]);
}

#[test]
fn wrong_numbers_come_with_the_right_remedy() {
    let folder = Folder::new("manners-numbers");
    for (word, help) in [
        ("train.lr=nan", "allowed: number"),
        ("train.lr=inf", "allowed: number"),
        ("train.epochs=-inf", "allowed: integer"),
        ("train.epochs=-1", "allowed: integer, 1 to"),
        ("data.rows=-5", "allowed: integer, at least 0"),
        ("train.seed=-1", "allowed: integer, at least 0"),
        ("train.lr=-0.1", "allowed: number"),
        ("train.checkpoint_every=-3", "at least 0"),
    ] {
        let run = folder.run(["train", "weather", word]);
        says(&run, 2, &[help, "argument 3"]);
        assert!(!run.stderr.contains("quote or bracket"), "{}", run.stderr);
    }
    for flag in ["--seed", "--threads"] {
        let run = folder.run(["train", "weather", flag, "-1"]);
        says(&run, 2, &["invalid value '-1'"]);
    }
    folder.write("nan.toml", "app = \"weather\"\n[train]\nlr = nan\n");
    says(
        &folder.run(["train", "-c", "nan.toml"]),
        2,
        &["nan.toml:3:6", "finite number"],
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = trained();
    for command in [
        vec!["config", "schema", "weather"],
        vec!["config", "print", "weather"],
        vec!["--help"],
        vec!["runs"],
        vec!["completions", "bash"],
        vec!["forecast", "weather", "--steps", "400"],
    ] {
        let mut child = folder.azura(&command).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{command:?} {stderr}");
        assert!(
            !stderr.contains("panic") && !stderr.contains("bug"),
            "{stderr}"
        );
    }
}

#[test]
fn files_that_are_not_there_are_called_files() {
    let folder = Folder::new("manners-absent");
    for name in ["./nope.csv", "nope.csv", "data/nope"] {
        says(
            &folder.run(["train", name]),
            3,
            &["the data file", name, "argument 2"],
        );
    }
    says(
        &folder.run(["train", "nope"]),
        2,
        &["there is no app called `nope`"],
    );
}

#[test]
fn a_key_is_explained_without_naming_an_app() {
    let folder = Folder::new("manners-help");
    for (key, apps) in [
        ("data.calendar", "(app weather; also of stock, forecast)"),
        (
            "train.lr",
            "(app weather; also of stock, forecast, tabular, text, image, voice, sound, signal)",
        ),
    ] {
        let text = folder.ok(["help", key]).stdout;
        assert!(text.contains(apps), "{text}");
    }
    let pattern = "data.pattern={class}_{take}";
    let text = folder
        .ok(["config", "explain", "data.pattern", "sound", pattern])
        .stdout;
    assert!(text.contains("\"{class}_{take}\""), "{text}");
    let text = folder.ok(["help", "data.stride"]).stdout;
    assert!(text.contains("(app text; also of voice)"), "{text}");
}

#[test]
fn a_model_whose_data_is_gone_says_where_it_was() {
    let folder = Folder::new("manners-gone");
    folder.write("mine.csv", &hours(700));
    folder.ok(short(["train.epochs=1", "-q", "--data", "mine.csv"]));
    folder.ok(["evaluate", "weather"]);
    let model = folder.run_dir().unwrap().join("model.safetensors");
    fs::copy(model, folder.path().join("away.safetensors")).unwrap();
    // A model away from its run knows its data too, instead of taking the bundled one.
    let away = folder.ok(["evaluate", "away.safetensors", "--json"]).json();
    assert!(
        away["data"].as_str().unwrap().ends_with("mine.csv"),
        "{away}"
    );
    fs::remove_file(folder.path().join("mine.csv")).unwrap();
    for command in [
        ["evaluate", "weather"],
        ["forecast", "weather"],
        ["evaluate", "away.safetensors"],
    ] {
        says(
            &folder.run(command),
            3,
            &["is no longer at", "mine.csv", "name a data file"],
        );
    }
}

#[test]
fn nothing_is_written_over_what_is_read_or_into_a_new_folder() {
    let folder = trained();
    folder.write("in.csv", &hours(100));
    let before = folder.read("in.csv");
    for command in [
        ["predict", "weather"],
        ["forecast", "weather"],
        ["evaluate", "weather"],
    ] {
        let run = |output: &str| folder.run(command.into_iter().chain(["in.csv", "-o", output]));
        says(&run("in.csv"), 9, &["in.csv is read; it would be lost"]);
        says(&run("./in.csv"), 9, &["it would be lost"]);
        says(&run("."), 9, &["is a folder", "-o ./out.csv"]);
        says(
            &run("no/such/out.csv"),
            10,
            &["the folder no/such is not there", "mkdir -p"],
        );
        let run = run("out.csv");
        assert_eq!(run.exit, Some(0), "{}", run.stderr);
    }
    assert_eq!(folder.read("in.csv"), before);
    assert!(!folder.path().join("no").exists());
}

#[test]
fn the_last_word_of_the_command_line_counts() {
    let folder = Folder::new("manners-order");
    for (words, seed, epochs) in [
        (["--seed", "1", "train.seed=2", "train.epochs=5"], 2, 5),
        (["train.seed=2", "--seed", "1", "train.epochs=5"], 1, 5),
        (["train.epochs=4", "--epochs", "3", "--seed=7"], 7, 3),
        (["--epochs", "3", "train.epochs=4", "--seed=7"], 7, 4),
    ] {
        let line = ["train", "weather", "-n", "--json", "data.rows=1100"];
        let plan = folder.ok(line.iter().chain(&words)).json();
        assert_eq!(plan["config"]["train"]["seed"], seed, "{words:?}");
        assert_eq!(plan["config"]["train"]["epochs"], epochs, "{words:?}");
    }
    let run = trained().run(["resume", "weather", "--seed", "3"]);
    says(&run, 2, &["`train.seed` cannot change", "argument 3"]);
    let run = folder.run(["train", "weather", "my.csv"]);
    says(&run, 2, &["--data my.csv"]);
}

#[test]
fn the_next_command_finds_a_run_that_lies_elsewhere() {
    let folder = Folder::new("manners-elsewhere");
    let run = folder.ok(short(["train.epochs=1", "--runs", "other"]));
    let next = run.stderr.lines().last().unwrap();
    let name = next.split_whitespace().nth(3).unwrap();
    assert!(name.starts_with("other/weather/0001-"), "{next}");
    folder.ok(["forecast", name, "--steps", "2"]);
    let usual = trained().ok(["resume", "weather"]).stderr;
    assert!(usual.contains("azura predict weather IN.csv"), "{usual}");
}

#[test]
fn rows_that_the_model_has_seen_are_no_test() {
    let folder = Folder::new("manners-seen");
    folder.write("mine.csv", &hours(700));
    folder.ok(short(["train.epochs=1", "-q", "--data", "mine.csv"]));
    let own = folder.ok(["evaluate", "weather"]);
    assert!(!own.stderr.contains("warning"), "{}", own.stderr);
    folder.write("part.csv", &hours(300));
    let part = folder.ok(["evaluate", "weather", "part.csv"]);
    assert!(
        part.stderr
            .contains("warning: 276 of 276 rows lie between 2021-01-01T00:00:00"),
        "{}",
        part.stderr
    );
    folder.write("later.csv", &hours(300).replace("\n2021", "\n2022"));
    let later = folder.ok(["evaluate", "weather", "later.csv", "--json"]);
    assert_eq!(later.json()["warning"], Value::Null);
}

#[test]
fn a_run_that_was_resumed_once_says_once() {
    let folder = Folder::new("manners-once");
    folder.ok(short(["train.epochs=1", "-q"]));
    folder.ok(["resume", "weather", "train.epochs=2", "-q"]);
    let text = folder.ok(["runs", "show"]).stdout;
    assert!(text.contains("resumed  once"), "{text}");
}
