//! The signal app: it learns shapes, of any length and number of channels, repeats, and refuses what is no series.

use std::path::Path;

use azura_learner::app::Part;
use azura_learner::data::Table;
use azura_learner::{Class, Source};
use serde_json::{Value, json};

use crate::sounds::{interrupted, refused, trained};

fn tiny(epochs: u64) -> Value {
    json!({ "model": { "width": 8 }, "train": { "epochs": epochs, "lr": 1e-2 } })
}

/// Waves of two lengths in two channels, of different lengths, as a `.ts` file.
fn waves(folder: &Path, name: &str, from: usize, count: usize) -> Source {
    let mut text = "# waves\n@problemName waves\n@data\n".to_string();
    for i in from..from + count {
        let (class, period) = if i % 2 == 0 {
            ("slow", 12.0)
        } else {
            ("fast", 5.0)
        };
        let value = |t: usize, shift: f32| ((t as f32 + i as f32) * 6.3 / period + shift).sin();
        let channel = |shift| {
            let values = (0..20 + i % 7).map(|t| value(t, shift).to_string());
            values.collect::<Vec<_>>().join(",")
        };
        text += &format!("{}:{}:{class}\n", channel(0.0), channel(1.0));
    }
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    Source::File(path)
}

#[test]
fn seasons_are_learned_from_days() {
    let (trained, model) = trained("signal", &tiny(6), &Source::Bundled);
    let notes = &trained.info.data.notes;
    assert_eq!(
        notes[0],
        "rows are series of 24 values in 1 channel, of 4 classes: autumn, spring, summer, winter"
    );
    let test = &trained.info.scores[&Part::Test];
    assert!(
        test.metrics["accuracy"] > test.baselines["majority"]["accuracy"] + 0.1,
        "{test:?}"
    );
    assert_eq!(model.verify().unwrap(), 0.0);
    let again = model.evaluate(&Source::Bundled).unwrap();
    assert_eq!(again.metrics, test.metrics);
}

#[test]
fn an_interrupted_run_with_changed_copies_gives_the_same_model() {
    for kind in ["fcn", "resnet"] {
        let mut config = tiny(2);
        config["model"]["kind"] = kind.into();
        config["model"]["width"] = 4.into();
        config["augment"] = json!({ "jitter": 0.05, "size": 0.1, "warp": 0.2 });
        let (whole, _) = trained("signal", &config, &Source::Bundled);
        assert_eq!(
            interrupted("signal", &config, &Source::Bundled, &[3, 15]),
            whole.sha256
        );
    }
}

#[test]
fn archives_have_their_own_test_and_lengths_may_differ() {
    let folder = tempfile::tempdir().unwrap();
    let source = waves(folder.path(), "waves_TRAIN.ts", 0, 40);
    let test = waves(folder.path(), "waves_TEST.ts", 40, 13);
    let (run, model) = trained("signal", &tiny(12), &source);
    let data = &run.info.data;
    assert_eq!((data.train, data.val, data.test), (34, 6, 13));
    assert_eq!(
        data.notes[0],
        "rows are series of 20 to 26 values in 2 channels, of 2 classes: fast, slow"
    );
    assert_eq!(run.info.scores[&Part::Test].metrics["accuracy"], 1.0);
    // The scores of the file by itself, whatever the longest series of it is.
    assert_eq!(model.evaluate(&test).unwrap().metrics["accuracy"], 1.0);
    let table = model.table(&test).unwrap();
    assert_eq!(table.names().len(), 2 * 26);
    let predictions = model.predict(&table).unwrap();
    let truth: Vec<&str> = (40..53)
        .map(|i| if i % 2 == 0 { "slow" } else { "fast" })
        .collect();
    assert_eq!(predictions.texts("prediction").unwrap(), truth);
    // A series alone and beside a longer one: its end is its end.
    let row = |range| {
        model
            .predict(&table.slice(range))
            .unwrap()
            .numbers("p_slow")
            .unwrap()[0]
    };
    assert!((row(0..1) - row(0..3)).abs() < 1e-6);
    let error = model
        .predict(&Table::new("t").with("c0_t0", vec![1.0]).unwrap())
        .unwrap_err();
    assert_eq!(error.class(), Class::Data);
}

#[test]
fn rows_of_a_table_are_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let mut text = "kind,a,b,c,d\n".to_string();
    for i in 0..30 {
        let rises = i % 2 == 0;
        let values: Vec<String> = (0..4)
            .map(|t| (if rises { t } else { 3 - t } * 2 + i / 2).to_string())
            .collect();
        text += &format!(
            "{},{}\n",
            if rises { "up" } else { "down" },
            values.join(",")
        );
    }
    std::fs::write(&path, &text).unwrap();
    let mut config = tiny(20);
    config["data"] = json!({ "target": "kind", "scale": "series" });
    let (run, model) = trained("signal", &config, &Source::File(path));
    assert_eq!(run.info.scores[&Part::Test].metrics["accuracy"], 1.0);
    let columns: Vec<&str> = model
        .signature()
        .inputs
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(columns, ["a", "b", "c", "d"]);
    let rows = run.rows.as_ref().unwrap();
    let line = rows.numbers("line").unwrap()[0] as usize;
    let truth = &rows.texts("truth").unwrap()[0];
    assert!(
        text.lines()
            .nth(line - 1)
            .unwrap()
            .starts_with(truth.as_str())
    );
}

#[test]
fn what_is_no_series_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let source = Source::File(path.clone());
    let say = |text: &str| {
        std::fs::write(&path, text).unwrap();
        refused("signal", &tiny(1), &source, folder.path())
    };
    assert_eq!(
        say("@data\n1,2:a\n1,x:b\n"),
        "a.ts:3: \"x\" is not a number; fill in a value, or leave the series out"
    );
    assert_eq!(
        say("@data\n1,2:a\n3,4:a\n"),
        "a.ts: everything is \"a\": there is nothing to tell apart; give at least two classes"
    );
    assert!(say("a,b\n1,2\n").starts_with("a.ts:1: \"a,b\" stands before @data"));
    let table = folder.path().join("a.csv");
    std::fs::write(&table, "a,b,class\n1,2,x\n1,,y\n").unwrap();
    let message = refused(
        "signal",
        &tiny(1),
        &Source::File(table.clone()),
        folder.path(),
    );
    assert!(
        message.contains("too few samples") || message.contains("leaves none"),
        "{message}"
    );
    std::fs::write(&table, "a,b,class\n1,2,x\n,2,y\n").unwrap();
    let message = refused("signal", &tiny(1), &Source::File(table), folder.path());
    assert!(
        message.starts_with("a.csv:3: column `a` (1): a value is missing"),
        "{message}"
    );
}
