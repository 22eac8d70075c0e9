//! Any series: what is found out about it, what is learned, what comes after it, and what is refused.

use azura_core::Rng;
use azura_learner::app::{Claim, Part, Predictor};
use azura_learner::data::{Table, Timestamp, read_csv_all_from, read_csv_from};
use azura_learner::run::{Finish, RunPaths, Trained, resume, train};
use azura_learner::train::On;
use azura_learner::{Class, Ctx, Event, Source, StopFlag};
use serde_json::{Value, json};

use crate::{app, file, text_of};

/// A folder that a run wrote to, and the run.
struct Run {
    folder: tempfile::TempDir,
    trained: Trained,
}

fn trained(name: &str, config: &Value, source: &Source) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let finish = train(
        app(name),
        config,
        source,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    );
    match finish.unwrap_or_else(|e| panic!("{e}")) {
        Finish::Trained(trained) => Run {
            folder,
            trained: *trained,
        },
        Finish::Interrupted(_) => panic!("nobody stopped it"),
    }
}

impl Run {
    fn model(&self) -> Box<dyn Predictor> {
        azura_apps::builtin().open(&self.trained.model).unwrap()
    }

    fn test(&self) -> &azura_learner::app::Scores {
        &self.trained.info.scores[&Part::Test]
    }
}

fn notes(config: &Value, source: &Source) -> Vec<String> {
    let training = app("forecast").start(config, source).unwrap();
    training.summary().notes.clone()
}

fn refused(config: &Value, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "mine.csv", text);
    let error = match app("forecast").start(config, &source) {
        Ok(_) => panic!("the file was taken"),
        Err(error) => error,
    };
    assert_eq!(error.class(), Class::Data, "{error}");
    let folder = format!("{}/", folder.path().display());
    error.to_string().replace(&folder, "")
}

/// Daily sales that rise on days of a promotion, which is known in advance, with a week's rhythm and some noise.
fn sales(rows: usize) -> String {
    let mut rng = Rng::new(3);
    let start: Timestamp = "2020-01-01".parse().unwrap();
    let mut text = "day,visitors,promotion,sales\n".to_string();
    for i in 0..rows {
        let promotion = f64::from(u8::from(rng.uniform() < 0.3));
        let week = [5.0, 3.0, 0.0, 1.0, 4.0, 9.0, 8.0][i % 7];
        let sales = 100.0 + week + 30.0 * promotion + rng.normal();
        let visitors = 200.0 + 2.0 * week + 5.0 * rng.normal();
        let day = start.add_days(i as i64).iso_date();
        text += &format!("{day},{visitors:.2},{promotion},{sales:.3}\n");
    }
    text
}

fn known(horizon: usize) -> Value {
    json!({
        "data": { "known": ["promotion"], "target": "sales" },
        "model": { "horizon": horizon, "window": 14 },
        "train": { "epochs": 80, "patience": 0, "lr": 0.02 },
    })
}

#[test]
fn years_of_sunspots_need_no_word() {
    let run = trained("forecast", &json!({}), &Source::Bundled);
    let data = &run.trained.info.data;
    assert_eq!(
        (data.rows, data.columns.as_slice()),
        (309, ["sunspots".to_string()].as_slice())
    );
    assert_eq!(
        data.notes,
        [
            "rows are 1 year apart; no season is known (data.season); 24 rows back, 1 row ahead",
            "times are in `year`, `sunspots` is predicted (data.time and data.target say otherwise)"
        ]
    );
    let test = run.test();
    assert!(test.metrics["rmse"] < 22.0, "{:?}", test.metrics);
    assert!(test.metrics["mae"] < 0.8 * test.baselines["persistence"]["mae"]);
    let forecast = run
        .model()
        .forecast(&run.model().table(&Source::Bundled).unwrap(), 3)
        .unwrap();
    assert_eq!(forecast.names(), ["time", "prediction", "low", "high"]);
    let years: Vec<String> = forecast
        .times("time")
        .unwrap()
        .iter()
        .map(|t| t.iso_date())
        .collect();
    assert_eq!(years, ["2009-01-01", "2010-01-01", "2011-01-01"]);
    let (low, high) = (
        forecast.numbers("low").unwrap(),
        forecast.numbers("high").unwrap(),
    );
    assert!(
        low[0] < high[0] && low[1].is_nan() && high[2].is_nan(),
        "{low:?} {high:?}"
    );
}

/// Every kind of model on several steps: every parameter gets a gradient, training goes on to the same bits after an
/// interruption, and a model that was read back predicts what was scored.
#[test]
fn every_kind_of_model_trains_resumes_and_predicts_what_was_scored() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "sales.csv", &sales(160));
    for (kind, normalize, intervals) in [
        ("nlinear", "last", "conformal"),
        ("dlinear", "revin", "conformal"),
        ("mlp", "last", "quantile"),
        ("lstm", "none", "conformal"),
        ("gru", "revin", "quantile"),
        ("transformer", "last", "conformal"),
    ] {
        let config = json!({
            "data": { "target": "sales", "features": ["visitors"], "known": ["promotion"], "calendar": ["weekday"] },
            "model": { "kind": kind, "normalize": normalize, "horizon": 3, "window": 16, "hidden": 8, "heads": 2, "patch": 4, "kernel": 5 },
            "intervals": { "kind": intervals },
            "train": { "epochs": 2, "seed": 4 },
        });
        let training = app("forecast").start(&config, &source).unwrap();
        let batch = training
            .data(Part::Train)
            .unwrap()
            .batch(&[0, 3, 5, 8, 13, 21, 34, 55])
            .unwrap();
        let shapes: Vec<&[usize]> = batch.tensors.iter().map(|t| t.shape()).collect();
        assert_eq!(shapes, [&[8, 16, 5][..], &[8, 3, 3], &[8, 3]]);
        let output = training
            .model()
            .forward(&batch, &mut Ctx::train(Rng::new(1)))
            .unwrap();
        assert_eq!(
            output.shape(),
            [8, 3, if intervals == "quantile" { 9 } else { 1 }]
        );
        training
            .model()
            .loss(&output, &batch)
            .unwrap()
            .mean()
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(training.store().untouched(), Vec::<String>::new(), "{kind}");
        for parameter in training.store().params() {
            let gradient: Vec<f32> = parameter.grad().expect("a gradient").to_vec().unwrap();
            assert!(
                gradient.iter().any(|&g| g != 0.0),
                "{kind}: {}",
                parameter.name()
            );
        }

        let run = trained("forecast", &config, &source);
        let other = tempfile::tempdir().unwrap();
        let paths = RunPaths::in_folder(other.path());
        let stop = StopFlag::new();
        let raise = stop.clone();
        let watch = On(move |event: &Event<'_>| {
            if matches!(event, Event::Step { step: 3, .. }) {
                raise.raise();
            }
        });
        let finish = train(
            app("forecast"),
            &config,
            &source,
            &paths,
            vec![Box::new(watch)],
            &stop,
        );
        assert!(matches!(finish.unwrap(), Finish::Interrupted(_)), "{kind}");
        let finish = resume(
            app("forecast"),
            &config,
            &source,
            &paths,
            Vec::new(),
            &StopFlag::new(),
        );
        let Finish::Trained(again) = finish.unwrap() else {
            panic!("{kind}")
        };
        assert_eq!(again.sha256, run.trained.sha256, "{kind}");

        let model = run.model();
        assert_eq!(model.verify().unwrap(), 0.0);
        let table = model.table(&source).unwrap();
        let predicted = model.predict(&table).unwrap();
        assert_eq!(
            predicted.names(),
            ["time", "step", "prediction", "low", "high"]
        );
        let key = |table: &Table, row: usize| {
            (
                table.times("time").unwrap()[row],
                table.numbers("step").unwrap()[row] as usize,
            )
        };
        let by_key: std::collections::HashMap<_, usize> = (0..predicted.len())
            .map(|row| (key(&predicted, row), row))
            .collect();
        let scored = run.trained.rows.as_ref().unwrap();
        assert!(scored.len() >= 9);
        for row in 0..scored.len() {
            let at = by_key[&key(scored, row)];
            for column in ["prediction", "low", "high"] {
                let (a, b) = (
                    scored.numbers(column).unwrap()[row],
                    predicted.numbers(column).unwrap()[at],
                );
                assert!((a - b).abs() < 1e-4 * b.abs(), "{kind} {column} {a} {b}");
            }
        }
        assert_eq!(
            text_of(&predicted),
            text_of(&model.predict(&table).unwrap())
        );
        let scores = model.evaluate(&source).unwrap();
        assert_eq!(
            (&scores.metrics, &scores.baselines),
            (&run.test().metrics, &run.test().baselines)
        );
        // The errors of each step lie beside the predictions.
        let steps = std::fs::read_to_string(run.folder.path().join("eval/horizon.csv")).unwrap();
        let steps = read_csv_all_from(steps.as_bytes(), "horizon").unwrap();
        assert_eq!(steps.numbers("step").unwrap(), [1.0, 2.0, 3.0]);
        let first = steps.numbers("model_mae").unwrap()[0];
        assert!((first - run.test().metrics["mae_step1"]).abs() < 1e-9);
    }
}

#[test]
fn what_is_known_in_advance_is_used_and_must_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let text = sales(400);
    let source = file(folder.path(), "sales.csv", &text);
    let run = trained("forecast", &known(2), &source);
    let (scores, model) = (run.test(), run.model());
    // Promotions move sales by 30 and noise by 1.
    assert!(scores.metrics["mae"] < 2.0, "{:?}", scores.metrics);
    assert!(scores.baselines["persistence"]["mae"] > 10.0);
    let coverage = scores.metrics["coverage"];
    assert!((0.65..0.95).contains(&coverage), "{coverage}");

    let history = |rows: &str| {
        let columns = model.signature().columns();
        read_csv_from(format!("{text}{rows}").as_bytes(), "new.csv", &columns).unwrap()
    };
    let last: Timestamp = "2020-01-01".parse().unwrap();
    let day = |i: i64| last.add_days(400 + i).iso_date();
    let error = model.forecast(&history(""), 2).unwrap_err().to_string();
    assert_eq!(
        error,
        "new.csv: a forecast of 2 steps needs promotion of the coming 2 rows, but the file tells of 0; \
         add rows with these columns filled and `sales` empty"
    );
    let quiet = format!("{},,0,\n{},,0,\n", day(0), day(1));
    let loud = format!("{},,0,\n{},,1,\n", day(0), day(1));
    let (quiet, loud) = (
        model.forecast(&history(&quiet), 2).unwrap(),
        model.forecast(&history(&loud), 2).unwrap(),
    );
    let (quiet, loud) = (
        quiet.numbers("prediction").unwrap(),
        loud.numbers("prediction").unwrap(),
    );
    assert!(
        (quiet[0] - loud[0]).abs() < 1.0 && loud[1] - quiet[1] > 20.0,
        "{quiet:?} {loud:?}"
    );
    let gap = format!("{},,0,\n{},,1,\n", day(0), day(2));
    let error = model.forecast(&history(&gap), 2).unwrap_err().to_string();
    assert!(error.contains("does not follow"), "{error}");
    // Training takes the coming rows away, and says so.
    let with = file(
        folder.path(),
        "with.csv",
        &format!("{text}{},,0,\n{},,1,\n", day(0), day(1)),
    );
    let told = notes(&known(2), &with);
    assert!(
        told.iter()
            .any(|note| note.starts_with("2 rows at the end without a value of `sales`")),
        "{told:?}"
    );
}

#[test]
fn several_series_share_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "sales.csv", &sales(200));
    let config = json!({
        "data": { "target": "sales", "more_targets": ["visitors"] },
        "model": { "horizon": 2, "window": 14 },
        "train": { "epochs": 3 },
    });
    let run = trained("forecast", &config, &source);
    let model = run.model();
    let table = model.table(&source).unwrap();
    let forecast = model.forecast(&table, 3).unwrap();
    assert_eq!(
        forecast.names(),
        ["time", "target", "step", "prediction", "low", "high"]
    );
    assert_eq!(
        forecast.texts("target").unwrap(),
        [
            "sales", "visitors", "sales", "visitors", "sales", "visitors"
        ]
    );
    let values = forecast.numbers("prediction").unwrap();
    assert!(
        values.iter().step_by(2).all(|v| (80.0..160.0).contains(v)),
        "{values:?}"
    );
    assert!(
        values
            .iter()
            .skip(1)
            .step_by(2)
            .all(|v| (170.0..250.0).contains(v)),
        "{values:?}"
    );
    let scored = run.trained.rows.as_ref().unwrap();
    assert_eq!(scored.names()[..4], ["time", "target", "step", "truth"]);
    assert!(run.test().metrics["scaled_mse"] > 0.0);
}

#[test]
fn what_comes_after_the_horizon_is_predicted_from_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "sales.csv", &sales(200));
    let config = json!({
        "data": { "target": "sales", "features": ["visitors"] },
        "model": { "horizon": 4, "window": 14 },
        "train": { "epochs": 3 },
    });
    let model = trained("forecast", &config, &source).model();
    let table = model.table(&source).unwrap();
    let (four, ten) = (
        model.forecast(&table, 4).unwrap(),
        model.forecast(&table, 10).unwrap(),
    );
    let (four, ten) = (
        four.numbers("prediction").unwrap(),
        ten.numbers("prediction").unwrap(),
    );
    assert_eq!((four, ten.len()), (&ten[..4], 10));
    assert!(ten.iter().all(|x| (60.0..180.0).contains(x)), "{ten:?}");
    // Feeding the first four back by hand, with the visitors of a week before, gives the next four.
    let mut longer = table.tail(60);
    let visitors = longer.numbers("visitors").unwrap().to_vec();
    let n = longer.len();
    for (i, value) in four.iter().enumerate() {
        let time = longer.times("day").unwrap()[longer.len() - 1].add_days(1);
        let row = Table::new(longer.source())
            .with("day", vec![time])
            .unwrap()
            .with("visitors", vec![visitors[n - 7 + i]])
            .unwrap()
            .with("sales", vec![*value])
            .unwrap();
        longer = longer.append(&row).unwrap();
    }
    let next = model.forecast(&longer, 4).unwrap();
    for (a, b) in next.numbers("prediction").unwrap().iter().zip(&ten[4..8]) {
        assert!((a - b).abs() < 1e-4 * b, "{a} {b}");
    }
}

/// A straight line: the model of changes and the drift foresee it, and every score says so.
#[test]
fn scores_are_right_where_they_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let start: Timestamp = "2020-01-01".parse().unwrap();
    let mut text = "day,y\n".to_string();
    for i in 0..120 {
        text += &format!("{},{}\n", start.add_days(i).iso_date(), 5 * i);
    }
    let source = file(folder.path(), "line.csv", &text);
    let config = json!({ "model": { "horizon": 3, "window": 7 }, "train": { "epochs": 1 } });
    let run = trained("forecast", &config, &source);
    let baselines = &run.test().baselines;
    // Persistence misses 5, 10 and 15; a week before, 35 at every step.
    assert!((baselines["persistence"]["mae"] - 10.0).abs() < 1e-9);
    assert!((baselines["persistence"]["mae_step1"] - 5.0).abs() < 1e-9);
    assert!((baselines["seasonal_naive"]["mae"] - 35.0).abs() < 1e-9);
    assert!((baselines["seasonal_naive"]["mase"] - 1.0).abs() < 1e-9);
    assert!(baselines["drift"]["mae"] < 1e-6);
    assert!(baselines["ridge"]["mae"] < 1.0, "{:?}", baselines["ridge"]);
    assert_eq!(baselines["persistence"]["change_r2"], 0.0);
    assert_eq!(baselines["drift"]["direction"], 1.0);
}

#[test]
fn intervals_cover_what_they_promise_and_follow_restless_times() {
    let folder = tempfile::tempdir().unwrap();
    // A walk that is calm in the first 700 days and then wild.
    let mut rng = Rng::new(11);
    let start: Timestamp = "2000-01-01".parse().unwrap();
    let (mut text, mut level) = ("day,y\n".to_string(), 0.0);
    for i in 0..1000 {
        level += rng.normal() * if i < 700 { 1.0 } else { 4.0 };
        text += &format!("{},{level:.4}\n", start.add_days(i).iso_date());
    }
    let source = file(folder.path(), "walk.csv", &text);
    let coverage = |scale: &str, level: f64| {
        let config = json!({
            "data": { "val": 0.2, "test": 0.28 },
            "model": { "horizon": 2, "window": 20 },
            "intervals": { "scale": scale, "level": level },
            "train": { "epochs": 2 },
        });
        trained("forecast", &config, &source).test().metrics["coverage"]
    };
    let (constant, window) = (coverage("constant", 0.8), coverage("window", 0.8));
    assert!(constant < 0.5, "{constant}");
    assert!((window - 0.8).abs() < 0.08, "{window}");
    assert!(coverage("window", 0.95) > window + 0.05);
}

#[test]
fn gaps_are_told_and_holes_are_filled_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = sales(150).lines().map(str::to_string).collect();
    let mut gap = lines.clone();
    gap.drain(60..63);
    let source = file(folder.path(), "gap.csv", &(gap.join("\n") + "\n"));
    let config = json!({ "data": { "target": "sales" }, "model": { "horizon": 1, "window": 7 } });
    let told = notes(&config, &source);
    assert!(
        told.contains(&"2 stretches of rows 1 d apart, by 1 gap in which 3 rows are missing (the first: 2020-02-28T00:00:00 \
             to 2020-03-03T00:00:00); no window reaches across one".to_string()),
        "{told:?}"
    );
    // A day twice, and a day at another hour.
    let mut twice = lines.clone();
    twice.insert(31, lines[30].clone());
    let error = refused(&config, &(twice.join("\n") + "\n"));
    assert!(
        error.starts_with("mine.csv:32: column `day` (1): 2020-01-30T00:00:00 stands in the row above too; remove one"),
        "{error}"
    );
    let mut late = lines.clone();
    late[30] = late[30].replace("2020-01-30", "2020-01-30T06:00");
    let late = late.join("\n") + "\n";
    let error = refused(&config, &late);
    assert!(
        error.starts_with("mine.csv:31: column `day` (1): is 30 h after the row above, but rows are 1 d apart; correct the row, "),
        "{error}"
    );
    let source = file(folder.path(), "late.csv", &late);
    let told = notes(
        &json!({ "data": { "target": "sales", "resample": "1d" } }),
        &source,
    );
    assert!(
        told.iter()
            .any(|note| note == "150 rows made of 150 rows, one each 1 d"),
        "{told:?}"
    );
    let told = notes(
        &json!({ "data": { "target": "sales", "irregular": "break" }, "model": { "window": 7, "horizon": 1 } }),
        &source,
    );
    assert!(
        told.iter().any(|note| note.contains("by 2 jumps")),
        "{told:?}"
    );
    // Empty cells of the target.
    let holes: String = (lines.iter().enumerate())
        .map(|(i, line)| match i % 10 {
            5 => format!("{},\n", line.rsplit_once(',').unwrap().0),
            _ => format!("{line}\n"),
        })
        .collect();
    let error = refused(&config, &holes);
    assert!(
        error.starts_with("mine.csv:6: column `sales` (4): the value is missing; fill it in"),
        "{error}"
    );
    let source = file(folder.path(), "holes.csv", &holes);
    let samples = |missing: &str| {
        let config = json!({
            "data": { "target": "sales", "missing": missing, "val": 0, "test": 0 },
            "model": { "horizon": 1, "window": 7 },
        });
        app("forecast")
            .start(&config, &source)
            .unwrap()
            .summary()
            .train
    };
    assert_eq!(samples("ffill"), 150 - 7);
    // No window ends in one of the 15 filled rows, which know the next; the first of them is too early for a window.
    assert_eq!(samples("interpolate"), 150 - 7 - 14);
    // Stretches of nine days have two windows with a day behind each.
    assert_eq!(samples("drop"), 14 * 2);
}

#[test]
fn a_column_that_knows_the_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = sales(200);
    let mut rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let tomorrow: Vec<&str> = rows
        .iter()
        .skip(2)
        .map(|row| row[3])
        .chain(["100"])
        .collect();
    rows[0].push("order");
    for (row, value) in rows.iter_mut().skip(1).zip(tomorrow) {
        row.push(value);
    }
    let text: String = rows.iter().map(|row| row.join(",") + "\n").collect();
    let source = file(folder.path(), "mine.csv", &text);
    let told = notes(
        &json!({ "data": { "target": "sales", "features": ["order", "visitors"] } }),
        &source,
    );
    let leaks: Vec<&String> = told
        .iter()
        .filter(|note| note.contains("gives the next value"))
        .collect();
    assert!(
        leaks.len() == 1 && leaks[0].starts_with("`order` gives the next value of `sales` away"),
        "{told:?}"
    );
}

#[test]
fn files_that_cannot_be_are_refused_with_their_place() {
    let config = json!({});
    for (text, words) in [
        ("", "the file is empty"),
        ("day,y\n", "has a header but no rows"),
        (
            "day,y\n2020-01-01,1\n",
            "a window of 2 rows and a target 1 later need 3 rows",
        ),
        (
            "a,b\n1,2\n3,4\n",
            "no column holds dates or times; name the one that does with data.time; there are `a`, `b`",
        ),
        (
            "day,name\n2020-01-01,x\n2020-01-02,y\n",
            "no column of numbers is left to predict; name one with data.target",
        ),
        ("day,y,y\n2020-01-01,1,2\n", "`y` (3)"),
        ("day,y\n2020-01-01,1\n2020-01-02\n", "mine.csv:3"),
        ("day,y\n2020-01-01,\"1\n2020-01-02,2\n", "mine.csv:2"),
        (
            "day,y\n2020-01-02,1\n2020-01-01,2\n",
            "mine.csv:3: column `day` (1): is 1 d before the row above; sort the rows",
        ),
        (
            "day,y\n2020-01-01,1\n2020-01-01,2\n",
            "mine.csv:3: column `day` (1): 2020-01-01T00:00:00 stands in the row above too",
        ),
        (
            "day,y\n2020-01-01,1\n2020-01-02,1e39\n2020-01-03,2\n",
            "mine.csv:3: column `y` (2): 1e39 is too large for the model",
        ),
    ] {
        let error = refused(&config, text);
        assert!(
            error.starts_with("mine.csv") && error.contains(words),
            "{text:?}: {error}"
        );
    }
    for (cell, words) in [
        ("1,5", "mine.csv:3"),
        ("inf", "mine.csv:3: column `y` (2)"),
        ("1e309", "mine.csv:3: column `y` (2)"),
        (
            "much",
            "mine.csv:3: column `y` (2): \"much\" is not a number",
        ),
    ] {
        let named = json!({ "data": { "time": "day", "target": "y" } });
        let error = refused(
            &named,
            &format!("day,y\n2020-01-01,1\n2020-01-02,{cell}\n2020-01-03,2\n"),
        );
        assert!(error.starts_with(words), "{cell}: {error}");
    }
    let named = json!({ "data": { "time": "day", "target": "y", "transform": "log" } });
    let error = refused(&named, "day,y\n2020-01-01,1\n2020-01-02,0\n2020-01-03,2\n");
    assert!(
        error.starts_with("mine.csv:3: column `y` (2): must be above 0 for a logarithm, but is 0"),
        "{error}"
    );
    // What is odd and still clear is read: a byte-order mark, CR LF, blank lines, quotes.
    let folder = tempfile::tempdir().unwrap();
    let mut odd = "\u{feff}day,\"the, value\"\r\n".to_string();
    let start: Timestamp = "2020-01-01".parse().unwrap();
    for i in 0..60 {
        odd += &format!("\"{}\", {} \r\n\r\n", start.add_days(i).iso_date(), i % 5);
    }
    let source = file(folder.path(), "odd.csv", &odd);
    let training = app("forecast")
        .start(&json!({ "model": { "window": 7, "horizon": 1 } }), &source)
        .unwrap();
    assert_eq!(training.summary().columns, ["the, value"]);
}

#[test]
fn a_table_with_times_that_go_on_is_claimed() {
    let claim = |name: &str, text: &str, target: Option<&str>| {
        app(name).reads(&read_csv_all_from(text.as_bytes(), "t").unwrap(), target)
    };
    let text = sales(30);
    assert_eq!(
        claim("forecast", &text, Some("sales")),
        Some(Claim::Made(
            "its rows are 1 d apart by `day` and `sales` holds numbers".to_string()
        ))
    );
    assert_eq!(
        claim("tabular", &text, None),
        Some(Claim::Any("it reads any table".to_string()))
    );
    for app in ["weather", "stock", "text"] {
        assert_eq!(claim(app, &text, None), None);
    }
    // No times, times twice, times without a step, a target of words.
    assert_eq!(claim("forecast", "a,b\n1,2\n3,4\n5,6\n", None), None);
    assert_eq!(
        claim(
            "forecast",
            "d,b\n2020-01-01,2\n2020-01-01,4\n2020-01-02,6\n",
            None
        ),
        None
    );
    assert_eq!(
        claim(
            "forecast",
            "d,b\n2020-01-01T00:00:07,2\n2020-01-03T04:11,4\n2020-01-09T02:02,6\n2020-01-19T12:02,6\n",
            None
        ),
        None
    );
    assert_eq!(
        claim(
            "forecast",
            "d,b\n2020-01-01,x\n2020-01-02,y\n2020-01-03,z\n",
            Some("b")
        ),
        None
    );
}

#[test]
fn old_names_are_found() {
    let registry = azura_apps::builtin();
    for (old, new) in [
        ("weather_forecaster", "weather"),
        ("stock_predictor", "stock"),
    ] {
        assert_eq!(registry.get(old).unwrap().name(), new);
        assert!(!registry.names().contains(&old));
    }
}
