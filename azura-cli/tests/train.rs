//! The main job from the outside: what `train` prints and writes, and what the model is good for afterwards.

mod common;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use common::{Folder, short};
use serde_json::Value;

/// One trained run for all tests that only read it.
fn trained() -> &'static (Folder, Value) {
    static TRAINED: OnceLock<(Folder, Value)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new("train-shared");
        let document = folder.ok(short(["--json"])).json();
        (folder, document)
    })
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_document_has_everything_that_was_promised() {
    let (folder, document) = trained();
    assert_eq!(document["schema"], "azura.train/1");
    assert_eq!(document["forecasts"], true);
    assert_eq!(document["ok"], true);
    assert_eq!(document["app"], "weather");
    assert_eq!(document["device"], "cpu");
    assert_eq!(document["stop"], "epochs");
    assert_eq!(document["epochs"], 3);
    assert!(document["parameters"].as_u64().unwrap() > 100);
    assert!(document["seconds"].as_f64().unwrap() > 0.0);
    assert!(
        folder
            .path()
            .join(document["run"].as_str().unwrap())
            .is_dir()
    );
    assert!(
        folder
            .path()
            .join(document["model"].as_str().unwrap())
            .is_file()
    );
    assert_eq!(keys(&document["metrics"]), ["train", "val", "test"]);
    for metric in ["mae", "rmse", "r2", "mase"] {
        assert!(document["metrics"]["test"][metric].is_f64(), "{metric}");
    }
    for baseline in ["persistence", "seasonal_naive", "ridge"] {
        assert!(
            document["baselines"][baseline]["mae"].as_f64().unwrap() > 0.0,
            "{baseline}"
        );
    }
}

#[test]
fn the_run_directory_is_complete() {
    let (folder, document) = trained();
    let run = folder.path().join(document["run"].as_str().unwrap());
    for file in [
        "run.json",
        "config.toml",
        "config.origin.json",
        "data.lock",
        "env.json",
        "events.jsonl",
        "metrics.csv",
        "log.txt",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "model.safetensors",
        "eval/summary.json",
        "eval/predictions.csv",
        "plots/curves.svg",
        "plots/forecast.svg",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let record: Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(record["status"], "finished");
    assert_eq!(record["result"], *document);
    let origins: Value = serde_json::from_str(&read("config.origin.json")).unwrap();
    assert_eq!(origins["model.hidden"], "argument 6");
    assert_eq!(origins["train.lr"], "default");
    assert_eq!(read("metrics.csv").lines().count(), 4);
    for line in read("events.jsonl").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string() && event["time"].is_string());
    }
    let latest = std::fs::read_to_string(run.parent().unwrap().join("latest")).unwrap();
    assert_eq!(latest.trim(), run.file_name().unwrap().to_str().unwrap());
}

#[test]
fn anyone_can_recompute_the_metrics() {
    let (folder, document) = trained();
    let run = folder.path().join(document["run"].as_str().unwrap());
    let text = std::fs::read_to_string(run.join("eval/predictions.csv")).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let (truth, rows) = (
        column("truth"),
        lines
            .map(|l| l.split(',').collect::<Vec<_>>())
            .collect::<Vec<_>>(),
    );
    let mae = |name: &str| {
        let at = column(name);
        let number = |text: &str| text.parse::<f64>().unwrap();
        let sum: f64 = rows
            .iter()
            .map(|r| (number(r[at]) - number(r[truth])).abs())
            .sum();
        sum / rows.len() as f64
    };
    let close = |a: f64, b: &Value| (a / b.as_f64().unwrap() - 1.0).abs() < 1e-12;
    assert!(close(
        mae("prediction"),
        &document["metrics"]["test"]["mae"]
    ));
    for baseline in ["persistence", "seasonal_naive", "ridge"] {
        assert!(
            close(mae(baseline), &document["baselines"][baseline]["mae"]),
            "{baseline}"
        );
    }
}

#[test]
fn the_resolved_configuration_and_any_number_of_threads_give_the_same_bits() {
    let (folder, document) = trained();
    let again = Folder::new("train-again");
    let config = folder
        .path()
        .join(document["run"].as_str().unwrap())
        .join("config.toml");
    for threads in ["1", "2"] {
        let args = [
            "train",
            "-c",
            config.to_str().unwrap(),
            "--threads",
            threads,
            "--json",
            "-q",
        ];
        let other = again.ok(args).json();
        for key in ["sha256", "metrics", "baselines", "best", "steps"] {
            assert_eq!(other[key], document[key], "{key} with {threads} threads");
        }
    }
    let seeded = again.ok(short(["--seed", "1", "--json", "-q"])).json();
    assert_ne!(seeded["sha256"], document["sha256"]);
    assert_eq!(
        seeded["run"],
        format!("runs/weather/{}", run_name(&again, "0003-"))
    );
}

fn run_name(folder: &Folder, prefix: &str) -> String {
    let entries = std::fs::read_dir(folder.path().join("runs/weather")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .into_iter()
        .find(|name| name.starts_with(prefix))
        .unwrap()
}

#[test]
fn evaluate_gives_the_same_scores_and_rows() {
    let (folder, document) = trained();
    let scores = folder
        .ok(["evaluate", "weather", "--json", "-o", "eval.csv"])
        .json();
    assert_eq!(scores["metrics"], document["metrics"]["test"]);
    assert_eq!(scores["baselines"], document["baselines"]);
    let rows = format!("{}/eval/predictions.csv", document["run"].as_str().unwrap());
    assert_eq!(folder.read("eval.csv"), folder.read(&rows));
}

/// Forty rows of the form that the weather app reads.
fn rows() -> String {
    let mut text =
        "time,temperature_2m,relative_humidity_2m,precipitation,cloud_cover\n".to_string();
    for i in 0..40 {
        text += &format!(
            "2020-05-{:02}T{:02}:00,{},{},0,50\n",
            1 + i / 24,
            i % 24,
            10 + i % 7,
            60 + i % 5
        );
    }
    text
}

#[test]
fn predict_and_forecast_write_csv_and_json() {
    let (folder, _) = trained();
    folder.write("in.csv", &rows());
    let run = folder.ok(["predict", "weather", "in.csv"]);
    assert!(run.stdout.starts_with("time,prediction"), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1 + 40 - 23);
    assert!(
        run.stderr.contains("23 rows have no prediction"),
        "{}",
        run.stderr
    );
    folder.ok(["predict", "weather/1", "in.csv", "-o", "out.csv", "-q"]);
    assert_eq!(folder.read("out.csv"), run.stdout);
    let json = folder
        .ok(["predict", "weather", "in.csv", "--json", "-q"])
        .json();
    assert_eq!(json["schema"], "azura.predict/1");
    assert_eq!(json["predictions"].as_array().unwrap().len(), 17);
    let piped = folder
        .azura(["predict", "weather", "-", "-q"])
        .stdin(std::fs::File::open(folder.path().join("in.csv")).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), run.stdout);
    let forecast = folder.ok(["forecast", "weather", "in.csv", "--steps", "30"]);
    assert_eq!(forecast.stdout.lines().count(), 31);
    assert!(
        forecast
            .stdout
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("2020-05-02T16:00:00,")
    );
    let bundled = folder
        .ok(["forecast", "weather", "--steps", "3", "--json"])
        .json();
    assert_eq!(bundled["forecast"].as_array().unwrap().len(), 3);
}

#[test]
fn bad_data_names_file_line_and_column() {
    let (folder, _) = trained();
    folder.write(
        "bad.csv",
        &rows().replace("2020-05-01T03:00,13,", "2020-05-01T03:00,n/a,"),
    );
    let run = folder.run(["predict", "weather", "bad.csv"]);
    assert_eq!(run.exit, Some(3));
    assert_eq!(run.stdout, "");
    for text in [
        "error[E0301]",
        "temperature_2m",
        "--> bad.csv:5:18",
        "^^^",
        "help:",
    ] {
        assert!(run.stderr.contains(text), "{text}\n{}", run.stderr);
    }
    folder.write("column.csv", "time,temperature_2m\n2020-01-01,1\n");
    folder.write("empty.csv", "");
    folder.write("ragged.csv", &format!("{}1,2\n", rows()));
    for (file, text) in [
        ("column.csv", "relative_humidity_2m"),
        ("empty.csv", "empty"),
        ("ragged.csv", "--> ragged.csv:42"),
        ("absent.csv", "absent.csv"),
    ] {
        let run = folder.run(["predict", "weather", file]);
        assert_eq!(run.exit, Some(3), "{file}");
        assert!(run.stderr.contains(text), "{file}\n{}", run.stderr);
    }
}

#[test]
fn a_damaged_model_is_refused() {
    let (folder, document) = trained();
    folder.write("in2.csv", &rows());
    let whole = std::fs::read(folder.path().join(document["model"].as_str().unwrap())).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() - 1000;
    flipped[middle] ^= 1;
    let cases: [(&str, &[u8]); 4] = [
        ("cut", &whole[..whole.len() - 1]),
        ("head", &whole[..100]),
        ("flipped", &flipped),
        ("none", b""),
    ];
    for (name, bytes) in cases {
        let file = format!("{name}.safetensors");
        std::fs::write(folder.path().join(&file), bytes).unwrap();
        let run = folder.run(["predict", &file, "in2.csv"]);
        assert_eq!(run.exit, Some(8), "{name}\n{}", run.stderr);
        assert!(
            run.stderr.contains("E0801") && run.stderr.contains(&file),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_finished_run_shows_its_result_again_and_can_be_extended() {
    let (_, document) = trained();
    let folder = Folder::new("train-extend");
    folder.ok(short(["--json"]));
    let shown = folder.ok(["resume", "weather", "--json"]).json();
    assert_eq!(shown["sha256"], document["sha256"]);
    let refused = folder.run(["resume", "weather", "train.lr=0.5"]);
    assert_eq!(refused.exit, Some(2));
    assert!(refused.stderr.contains("train.lr"), "{}", refused.stderr);
    let longer = folder
        .ok(["resume", "weather", "train.epochs=4", "--json", "-q"])
        .json();
    assert_eq!(longer["epochs"], 4);
    assert_eq!(longer["run"], shown["run"]);
    // A model that was removed is made again from the checkpoint.
    let model = folder.path().join(longer["model"].as_str().unwrap());
    fs::remove_file(&model).unwrap();
    let again = folder.ok(["resume", "weather", "--json", "-q"]).json();
    assert_eq!(again["sha256"], longer["sha256"]);
    assert!(model.is_file());
    // To look at a result takes nothing that could be written.
    fs::remove_file(folder.run_dir().unwrap().join("lease")).unwrap();
    folder.ok(["resume", "weather", "-q"]);
    assert!(!folder.run_dir().unwrap().join("lease").exists());
}

#[test]
fn what_fails_before_training_leaves_no_run() {
    let folder = Folder::new("train-nothing");
    folder.write("bad.csv", "time,temperature_2m\n2020-01-01,x\n");
    let run = folder.run(["train", "weather", "--data", "bad.csv"]);
    assert_eq!(run.exit, Some(3), "{}", run.stderr);
    assert!(folder.run_dir().is_none());
    assert!(!Path::new(&folder.path().join("runs/weather/latest")).exists());
    let dry = folder.ok(short(["--dry-run", "--json"])).json();
    assert_eq!(dry["dry_run"], true);
    assert!(folder.run_dir().is_none());
}

#[test]
fn logs_are_plain_lines_and_events_are_json() {
    let folder = Folder::new("train-progress");
    let plain = folder.ok(short(["train.epochs=1"]));
    assert!(!plain.stderr.contains(['\r', '\u{1b}']), "{}", plain.stderr);
    assert!(
        plain.stderr.contains(" epoch=1/1 train.loss="),
        "{}",
        plain.stderr
    );
    let forced = folder.ok(short(["train.epochs=1", "--color", "always"]));
    assert!(forced.stdout.contains('\u{1b}'));
    let events = folder.ok(short([
        "train.epochs=1",
        "--progress",
        "json",
        "-q",
        "--json",
    ]));
    let kinds: Vec<String> = events
        .stderr
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_string()
        })
        .collect();
    assert_eq!(kinds[..2], ["run", "data"]);
    assert_eq!(kinds.last().map(String::as_str), Some("done"));
    let quiet = folder.ok(short(["train.epochs=1", "-q"]));
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_bar_that_is_not_met_ends_with_its_own_status_and_keeps_the_run() {
    let (folder, document) = trained();
    let run = document["run"].as_str().unwrap();
    let met = folder.run([
        "evaluate",
        run,
        "--require",
        "test.mae<1000",
        "--require",
        "test.r2>-9",
    ]);
    assert_eq!(met.exit, Some(0), "{}", met.stderr);
    let missed = folder.run(["evaluate", run, "--require", "test.mae<0.001"]);
    assert_eq!(missed.exit, Some(5));
    assert!(
        missed
            .stderr
            .contains("error[E0501]: quality gate failed: test.mae = "),
        "{}",
        missed.stderr
    );
    assert!(
        missed.stdout.contains("mae"),
        "the scores are shown all the same"
    );
    let unknown = folder.run(["evaluate", run, "--require", "test.mea<1", "--json"]);
    assert_eq!(unknown.exit, Some(5));
    let document = unknown.json();
    assert_eq!(document["ok"], false);
    assert!(
        document["errors"][0]["help"]
            .as_str()
            .unwrap()
            .contains("metrics of the test rows: ")
    );
    assert!(document["metrics"]["mae"].is_f64());
    let nonsense = folder.run(["train", "weather", "--require", "mae<1"]);
    assert_eq!(nonsense.exit, Some(2));

    let folder = Folder::new("train-require");
    let missed = folder.run(short(["--require", "val.mae<0.001", "--json"]));
    assert_eq!(missed.exit, Some(5), "{}", missed.stderr);
    let document = missed.json();
    assert_eq!(
        (&document["ok"], &document["exit"]),
        (&Value::from(false), &Value::from(5))
    );
    assert!(
        folder
            .path()
            .join(document["model"].as_str().unwrap())
            .is_file()
    );
}

#[test]
fn a_table_needs_no_app() {
    let folder = Folder::new("train-table");
    let mut text = "width,colour,kind\n".to_string();
    for i in 0..90 {
        let (colour, kind) = [("red", "rose"), ("white", "lily")][i * 7 % 10 / 5];
        text += &format!("{},{colour},{kind}\n", i % 13);
    }
    fs::write(folder.path().join("flowers.csv"), text).unwrap();
    let run = folder.ok(["train", "flowers.csv", "--target", "kind", "--epochs", "15"]);
    for words in [
        "note   app tabular since it reads any table; --app chooses another: weather, stock, forecast, tabular, text, image, voice, sound, signal",
        "note   classification: `kind` holds 2 different texts",
        "`colour` alone decides the target",
    ] {
        assert!(run.stderr.contains(words), "{words}\n{}", run.stderr);
    }
    let predicted = folder.ok(["predict", "tabular", "flowers.csv"]).stdout;
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("prediction,probability,p_lily,p_rose"));
    assert_eq!(lines.clone().count(), 90);
    assert!(lines.next().unwrap().starts_with("rose,"), "{predicted}");
    let scores = folder.ok(["evaluate", "tabular", "--json"]).json();
    assert_eq!(scores["metrics"]["accuracy"], 1.0);
    let absent = folder.run(["train", "flowers.csv", "--target", "kinds"]);
    assert_eq!(absent.exit, Some(3));
    assert!(
        absent.stderr.contains("did you mean `kind`?"),
        "{}",
        absent.stderr
    );
}

#[test]
fn folds_are_runs_whose_scores_are_summed_up() {
    let folder = Folder::new("train-folds");
    let words = [
        "train",
        "tabular",
        "data.dataset=iris",
        "--folds",
        "3",
        "--epochs",
        "20",
    ];
    let run = folder.ok(words.into_iter().chain(["--json"]));
    let document = run.json();
    assert_eq!(document["schema"], "azura.folds/1");
    let folds = document["folds"].as_array().unwrap();
    let accuracies: Vec<f64> = folds
        .iter()
        .map(|fold| fold["metrics"]["accuracy"].as_f64().unwrap())
        .collect();
    assert_eq!(accuracies.len(), 3);
    let mean = accuracies.iter().sum::<f64>() / 3.0;
    assert!((document["metrics"]["accuracy"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!(mean > 0.85, "{document}");
    let listed = folder.ok(["runs", "--json"]).json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 3, "{listed}");
    assert!(run.stderr.contains("fold 3 of 3"), "{}", run.stderr);
    let refused = folder.run(["train", "weather", "--folds", "3"]);
    assert_eq!(refused.exit, Some(2));
    assert!(
        refused.stderr.contains("cannot be dealt into folds"),
        "{}",
        refused.stderr
    );
    let beyond = folder.run(["train", "tabular", "data.folds=3", "data.fold=4"]);
    assert!(
        beyond.stderr.contains("is 4, but there are 3 folds"),
        "{}",
        beyond.stderr
    );
}

/// Days with a week's rhythm.
fn days(rows: usize) -> String {
    let mut text = "day,sold\n".to_string();
    for i in 0..rows {
        let (month, day) = (1 + i / 28, 1 + i % 28);
        if month <= 12 && day <= 28 {
            text += &format!(
                "2021-{month:02}-{day:02},{}\n",
                50 + [3, 1, 4, 1, 5, 9, 2][i % 7]
            );
        }
    }
    text
}

#[test]
fn a_table_with_times_is_a_series_and_can_be_tested_on_its_past() {
    let folder = Folder::new("train-series");
    // February has 28 days; the days after it are gaps, which are told.
    folder.write("shop.csv", &days(56));
    let run = folder.ok([
        "train",
        "shop.csv",
        "--target",
        "sold",
        "--epochs",
        "2",
        "model.window=7",
    ]);
    for words in [
        "note   app forecast since its rows are 1 d apart by `day` and `sold` holds numbers; --app chooses another: weather, stock, forecast, tabular, text",
        "a season is 7 rows, a week",
        "by 1 gap in which 3 rows are missing",
    ] {
        assert!(run.stderr.contains(words), "{words}\n{}", run.stderr);
    }
    let coming = folder.ok(["forecast", "forecast", "--steps", "2"]).stdout;
    let lines: Vec<&str> = coming.lines().collect();
    assert!(
        lines.len() == 3
            && lines[0].starts_with("time,")
            && lines[0].contains("prediction,low,high"),
        "{coming}"
    );
    assert!(lines[1].starts_with("2021-03-01,"), "{coming}");

    let back = [
        "backtest",
        "shop.csv",
        "--app",
        "forecast",
        "--target",
        "sold",
        "--folds",
        "2",
        "--rows",
        "4",
        "--epochs",
        "1",
        "model.window=7",
        "model.horizon=1",
        "data.irregular=break",
    ];
    let run = folder.ok(back);
    assert!(run.stderr.contains("fold   1 of 2"), "{}", run.stderr);
    assert!(
        run.stdout.starts_with("means of 2 folds of 4 rows"),
        "{}",
        run.stdout
    );
    let document = folder.ok(back.iter().copied().chain(["--json"])).json();
    assert_eq!(document["schema"], "azura.backtest/1");
    let folds = document["folds"].as_array().unwrap();
    let span = |fold: usize| {
        (
            folds[fold]["first"].as_str().unwrap(),
            folds[fold]["last"].as_str().unwrap(),
        )
    };
    assert_eq!(span(0), ("2021-02-21", "2021-02-24"));
    assert_eq!(span(1), ("2021-02-25", "2021-02-28"));
    assert!(folds[0]["train"].as_u64() < folds[1]["train"].as_u64());
    let means = |name: &str| document["metrics"][name].as_f64().unwrap();
    let of = |fold: usize, name: &str| folds[fold]["metrics"][name].as_f64().unwrap();
    assert!((means("mae") - (of(0, "mae") + of(1, "mae")) / 2.0).abs() < 1e-12);
    let none = folder.run(["backtest", "tabular"]);
    assert_eq!(none.exit, Some(2));
    assert!(
        none.stderr.contains("the app `tabular` has no backtest"),
        "{}",
        none.stderr
    );
}

#[test]
fn an_old_name_is_taken_and_the_new_one_said() {
    let folder = Folder::new("train-alias");
    let run = folder.ok(["train", "stock_predictor", "-n"]);
    assert!(
        run.stderr
            .contains("note   `stock_predictor` means the app stock"),
        "{}",
        run.stderr
    );
    for (old, new) in [
        ("cifar10_classifier", "image"),
        ("voice_generator", "voice"),
    ] {
        let run = folder.ok(["train", old, "-n"]);
        let words = format!("note   `{old}` means the app {new}");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
    let run = folder.run(["predict", "weather_forecaster", "x.csv"]);
    assert!(
        run.stderr.contains("no run of `weather` is in"),
        "{}",
        run.stderr
    );
}
