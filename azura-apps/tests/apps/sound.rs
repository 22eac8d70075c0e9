//! The sound app: it learns words, keeps speakers apart, repeats, and refuses what it cannot tell apart.

use std::path::Path;

use azura_learner::app::Part;
use azura_learner::{Class, Source};
use serde_json::{Value, json};

use crate::app;
use crate::sounds::{interrupted, refused, tone, trained};

/// A model small enough for a test.
fn tiny(epochs: u64) -> Value {
    json!({
        "features": { "rate": 4000, "seconds": 0.6, "window": 128, "hop": 80, "bands": 16 },
        "augment": { "band_width": 2, "time_width": 3 },
        "model": { "width": 8, "layers": 2 },
        "train": { "epochs": epochs, "batch": 16, "lr": 1e-2 },
    })
}

/// Tones of two pitches by two players, as files `{class}_{player}_{take}.wav`.
fn tones(folder: &Path) -> Source {
    for player in 0..3 {
        for take in 0..4 {
            for (class, frequency) in [("low", 300.0), ("high", 900.0)] {
                let name = format!("{class}_p{player}_{take}.wav");
                let frequency = frequency + 20.0 * player as f32 + 5.0 * take as f32;
                tone(&folder.join(name), 4000, frequency, 0.3);
            }
        }
    }
    Source::File(folder.to_path_buf())
}

fn named(epochs: u64, data: Value) -> Value {
    let mut config = tiny(epochs);
    config["data"] = data;
    config["data"]["pattern"] = "{class}_{player}_{take}".into();
    config
}

#[test]
fn words_are_learned_and_predicted_again_after_loading() {
    let (trained, model) = trained("sound", &tiny(12), &Source::Bundled);
    let notes = &trained.info.data.notes;
    assert_eq!(
        notes[0],
        "rows are recordings of 4 classes: go, no, stop, yes"
    );
    assert!(
        notes[1].contains("by voice, of which there are 12"),
        "{notes:?}"
    );
    let test = &trained.info.scores[&Part::Test];
    assert!(
        test.metrics["accuracy"] > test.baselines["majority"]["accuracy"] + 0.3,
        "{test:?}"
    );
    assert!(test.baselines.contains_key("logistic regression"));
    assert_eq!(model.verify().unwrap(), 0.0);
    // The rows that the scores were computed from.
    let rows = trained.rows.as_ref().unwrap();
    let (truth, prediction) = (
        rows.texts("truth").unwrap(),
        rows.texts("prediction").unwrap(),
    );
    let right = truth.iter().zip(prediction).filter(|(a, b)| a == b).count();
    assert!((right as f64 / truth.len() as f64 - test.metrics["accuracy"]).abs() < 1e-12);
    let again = model.evaluate(&Source::Bundled).unwrap();
    assert_eq!(again.metrics, test.metrics);
}

#[test]
fn an_interrupted_run_with_changed_copies_gives_the_same_model() {
    for kind in ["cnn", "gru"] {
        let mut config = tiny(3);
        config["model"]["kind"] = kind.into();
        let (whole, _) = trained("sound", &config, &Source::Bundled);
        // In the middle of an epoch and at the end of one; an epoch has 4 steps.
        assert_eq!(
            interrupted("sound", &config, &Source::Bundled, &[2, 4, 7]),
            whole.sha256
        );
    }
}

#[test]
fn training_hears_changed_copies_and_nothing_else_does() {
    let training = app("sound").start(&tiny(1), &Source::Bundled).unwrap();
    let data = training.data(Part::Train).unwrap();
    let values = |batch: azura_learner::Result<azura_learner::Batch>| {
        batch.unwrap().tensors[0].to_vec::<f32>().unwrap()
    };
    let plain = values(data.batch(&[3]));
    assert_eq!(values(data.batch(&[3])), plain);
    let first = values(data.training_batch(&[3], 0));
    assert_ne!(first, plain);
    assert_ne!(values(data.training_batch(&[3], 1)), first);
    // The same copy, whatever else is in the batch.
    assert_eq!(
        values(data.training_batch(&[5, 3], 0))[plain.len()..],
        first
    );
    let val = training.data(Part::Val).unwrap();
    assert_eq!(values(val.training_batch(&[0], 3)), values(val.batch(&[0])));
}

#[test]
fn names_of_files_say_class_and_speaker() {
    let folder = tempfile::tempdir().unwrap();
    let source = tones(folder.path());
    let mut config = named(
        40,
        json!({ "group": "player", "test_where": "player=p2", "val": 0.4 }),
    );
    // Pure tones between pure silence: noise would be nearly all that there is.
    config["augment"]["noise"] = 0.into();
    config["augment"]["speed"] = 0.into();
    let (run, model) = trained("sound", &config, &source);
    let data = &run.info.data;
    assert_eq!((data.train, data.val, data.test), (8, 8, 8));
    assert_eq!(data.columns, ["class", "player", "take"]);
    assert!(
        data.notes[1].starts_with("test: player=p2; the others are dealt at random by player"),
        "{:?}",
        data.notes
    );
    let rows = run.rows.as_ref().unwrap();
    assert!(
        rows.texts("recording")
            .unwrap()
            .iter()
            .all(|name| name.contains("_p2_"))
    );
    assert_eq!(run.info.scores[&Part::Test].metrics["accuracy"], 1.0);
    // Without a condition on players the same speaker is never in two parts.
    let training = app("sound")
        .start(
            &named(1, json!({ "group": "player", "val": 0.3, "test": 0.3 })),
            &source,
        )
        .unwrap();
    let data = training.summary();
    assert_eq!((data.train, data.val, data.test), (8, 8, 8));

    // Predictions for a folder, a file, and a table with paths beside it.
    let predictions = model.predict(&model.table(&source).unwrap()).unwrap();
    assert_eq!(predictions.len(), 24);
    let low = folder.path().join("low_p2_0.wav");
    let one = model
        .predict(&model.table(&Source::File(low)).unwrap())
        .unwrap();
    assert_eq!(one.texts("prediction").unwrap(), ["low"]);
    let p = one.numbers("probability").unwrap()[0];
    assert_eq!(p, one.numbers("p_low").unwrap()[0]);
    assert!((p + one.numbers("p_high").unwrap()[0] - 1.0).abs() < 1e-12);
    let list = folder.path().join("list.csv");
    std::fs::write(&list, "path\nhigh_p1_3.wav\nlow_p1_3.wav\n").unwrap();
    let columns = model.signature().columns();
    let table = azura_learner::data::read_csv(&list, &columns).unwrap();
    let listed = model.predict(&table).unwrap();
    assert_eq!(listed.texts("prediction").unwrap(), ["high", "low"]);
    std::fs::write(&list, "path\nhigh_p1_3.wav\nnone.wav\n").unwrap();
    let table = azura_learner::data::read_csv(&list, &columns).unwrap();
    let error = model.predict(&table).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(
        error.to_string().contains("list.csv:3: column `path`"),
        "{error}"
    );

    // A class that training did not know.
    tone(
        &folder.path().join("other/middle_p0_0.wav"),
        4000,
        600.0,
        0.3,
    );
    let other = Source::File(folder.path().join("other"));
    let error = model.evaluate(&other).unwrap_err().to_string();
    assert!(
        error.contains("\"middle\" was no class in training; the classes are high, low"),
        "{error}"
    );
}

#[test]
fn folders_are_classes_and_a_table_may_say_them() {
    let folder = tempfile::tempdir().unwrap();
    for take in 0..6 {
        tone(
            &folder.path().join(format!("all/low/{take}.wav")),
            8000,
            300.0,
            0.9,
        );
        tone(
            &folder.path().join(format!("all/high/{take}.wav")),
            4000,
            900.0,
            0.3,
        );
    }
    let source = Source::File(folder.path().join("all"));
    let training = app("sound").start(&tiny(1), &source).unwrap();
    let notes = &training.summary().notes;
    assert_eq!(notes[0], "rows are recordings of 2 classes: high, low");
    assert_eq!(notes[2], "resampled to 4000 Hz: 6 of 8000 Hz");
    assert_eq!(
        notes[3],
        "6 of 12 recordings are longer than 0.6 s: their middle was taken (features.seconds)"
    );

    let list = folder.path().join("list.csv");
    let rows: String = (0..6)
        .map(|i| {
            format!(
                "all/low/{i}.wav,down,{}\nall/high/{i}.wav,up,{}\n",
                i % 3,
                i % 3
            )
        })
        .collect();
    std::fs::write(&list, format!("path,class,take\n{rows}")).unwrap();
    let mut config = tiny(1);
    config["data"] = json!({ "test_where": "take=2" });
    let training = app("sound").start(&config, &Source::File(list)).unwrap();
    let data = training.summary();
    assert_eq!(data.test, 4);
    assert_eq!(data.notes[0], "rows are recordings of 2 classes: down, up");
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let say = |config: &Value, name: &str| {
        let source = Source::File(folder.path().join(name));
        refused("sound", config, &source, folder.path())
    };
    for take in 0..6 {
        tone(
            &folder.path().join(format!("one/low/{take}.wav")),
            4000,
            300.0,
            0.3,
        );
    }
    assert_eq!(
        say(&tiny(1), "one"),
        "one: everything is \"low\": there is nothing to tell apart; give at least two classes"
            .replacen(
                "one",
                &folder
                    .path()
                    .join("one")
                    .display()
                    .to_string()
                    .replace(&format!("{}/", folder.path().display()), ""),
                1
            )
    );
    let message = say(&named(1, json!({})), "one");
    assert!(
        message.contains("the name does not fit data.pattern"),
        "{message}"
    );
    tones(&folder.path().join("two"));
    let message = say(&named(1, json!({ "test_where": "player=p9" })), "two");
    assert!(
        message.contains("no recording has player = p9; correct data.test_where"),
        "{message}"
    );
    let message = say(&named(1, json!({ "group": "speaker" })), "two");
    assert!(
        message.contains("no field \"speaker\"; they have class, player, take"),
        "{message}"
    );
    let message = say(&named(1, json!({ "test_where": "class=low" })), "two");
    assert!(message.contains("no training row is \"low\""), "{message}");
    std::fs::create_dir_all(folder.path().join("three/a")).unwrap();
    assert!(say(&tiny(1), "three").contains("there is no .wav file in the folder"));
    std::fs::write(folder.path().join("three/a/x.wav"), b"RIFF").unwrap();
    assert!(say(&tiny(1), "three").contains("three/a/x.wav: is not a WAV file"));
}

#[test]
fn rules_of_the_configuration() {
    let problem = |config: Value| app("sound").check(&config)[0].to_string();
    assert!(
        problem(json!({ "data": { "pattern": "{speaker}" } }))
            .starts_with("`data.pattern`: there is no {class}")
    );
    assert!(problem(json!({ "data": { "test_where": "theo" } })).starts_with("`data.test_where`"));
    assert!(
        problem(json!({ "features": { "high": 5000.0 } }))
            .contains("at most half of `features.rate`")
    );
    assert!(problem(json!({ "features": { "low": 4000.0 } })).starts_with("`features.low`"));
    assert!(problem(json!({ "model": { "layers": 7 } })).contains("too often"));
    assert!(
        app("sound")
            .check(&json!({ "model": { "layers": 7, "kind": "gru" } }))
            .is_empty()
    );
}
