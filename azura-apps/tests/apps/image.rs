//! The image app: it learns, resumes to the same bits with augmentation, predicts from files as from rows, and refuses what it cannot use.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use azura_apps::image::DIGITS;
use azura_core::with_threads;
use azura_learner::app::{Part, Predictor};
use azura_learner::data::Table;
use azura_learner::data::image::{ImageShape, encode_png};
use azura_learner::run::{Finish, RunPaths, Trained, resume, train};
use azura_learner::train::On;
use azura_learner::{Class, Event, ModelFile, Observer, Source, StopFlag};
use serde_json::{Value, json};

use crate::{app, file, text_of};

/// A model small enough for a test.
fn small(kind: &str, epochs: u64) -> Value {
    json!({
        "model": { "kind": kind, "hidden": 32, "layers": 1, "width": 4, "depth": 8 },
        "train": { "epochs": epochs, "seed": 3 },
    })
}

/// All that changes images.
fn augmented(mut config: Value) -> Value {
    config["augment"] = json!({
        "crop": 1, "flip": 0.5, "rotate": 10.0, "rand_augment": 1, "brightness": 0.2, "cutout": 2, "mixup": 0.2, "cutmix": 1.0,
    });
    config
}

fn trained(config: &Value, source: &Source) -> (Trained, Box<dyn Predictor>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let stop = StopFlag::new();
    match train(app("image"), config, source, &paths, Vec::new(), &stop).unwrap() {
        Finish::Trained(trained) => {
            let file = ModelFile::open(&trained.model).unwrap();
            (*trained, app("image").load(file).unwrap())
        }
        Finish::Interrupted(_) => panic!("nobody stopped it"),
    }
}

/// An MLP on the bundled digits; trained once for all tests.
fn example() -> &'static (Trained, Box<dyn Predictor>) {
    static EXAMPLE: OnceLock<(Trained, Box<dyn Predictor>)> = OnceLock::new();
    EXAMPLE.get_or_init(|| trained(&small("mlp", 12), &Source::Bundled))
}

/// The pixels of a bundled digit, as bytes.
fn digit(line: usize) -> Vec<u8> {
    let cells = DIGITS.text.lines().nth(line).unwrap().split(',').skip(1);
    cells
        .map(|cell| (cell.parse::<f64>().unwrap() * 255.0 / 16.0).round() as u8)
        .collect()
}

const DIGIT: ImageShape = ImageShape {
    channels: 1,
    height: 8,
    width: 8,
};

/// Some of the bundled digits as PNG files, in a folder for each class.
fn folder_of_digits(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for line in 1..=count {
        let label = DIGITS
            .text
            .lines()
            .nth(line)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let class = folder.path().join(label);
        std::fs::create_dir_all(&class).unwrap();
        let png = encode_png(&digit(line), DIGIT).unwrap();
        std::fs::write(class.join(format!("{line}.png")), png).unwrap();
    }
    folder
}

#[test]
fn every_model_learns_the_digits() {
    for (kind, epochs, bar) in [("cnn", 16, 0.93), ("resnet", 8, 0.9)] {
        let (trained, predictor) = trained(&small(kind, epochs), &Source::Bundled);
        let test = &trained.info.scores[&Part::Test];
        assert!(test.metrics["accuracy"] > bar, "{kind}: {test:?}");
        assert_eq!(predictor.verify().unwrap(), 0.0);
    }
    let test = &example().0.info.scores[&Part::Test];
    assert!(test.metrics["accuracy"] > 0.93, "{test:?}");
    assert!(test.metrics["top5_accuracy"] > 0.98);
    // Twelve epochs of a small model are modest: it is right more often than it says.
    assert!(test.metrics["calibration_error"] < 0.25);
    assert!(test.baselines["majority"]["accuracy"] < 0.15);
    assert!(test.baselines["logistic regression"]["accuracy"] > 0.9);
    assert_eq!(example().1.verify().unwrap(), 0.0);
}

#[test]
fn a_resnet_20_has_the_parameters_of_the_paper() {
    // He et al. 2016, table 6: 0.27 M; 269,722 with batch norms, option A and three channels.
    let folder = tempfile::tempdir().unwrap();
    let mut text = "label".to_string();
    for i in 0..3072 {
        text += &format!(",p{i}");
    }
    for i in 0..30 {
        text += &format!("\n{}", i % 10);
        for j in 0..3072 {
            text += if (i + j) % 7 == 0 { ",255" } else { ",0" };
        }
    }
    let source = file(folder.path(), "images.csv", &text);
    let config = json!({ "model": { "kind": "resnet" }, "data": { "val": 0.0, "test": 0.3 } });
    let training = app("image").start(&config, &source).unwrap();
    assert_eq!(training.store().numel(), 269_722);
}

#[test]
fn a_resumed_run_with_augmentation_gives_the_same_bits() {
    let mut config = augmented(small("cnn", 2));
    config["train"]["batch"] = json!(256);
    let (whole, _) = trained(&config, &Source::Bundled);
    // Stopped in the middle of the second epoch, and gone on with by another number of threads.
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let stop = StopFlag::new();
    let raise = stop.clone();
    let observer = On(move |event: &Event<'_>| {
        if matches!(event, Event::Step { step: 8, .. }) {
            raise.raise();
        }
    });
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(observer)];
    let first = train(
        app("image"),
        &config,
        &Source::Bundled,
        &paths,
        observers,
        &stop,
    )
    .unwrap();
    let Finish::Interrupted(outcome) = first else {
        panic!("it should have stopped");
    };
    assert_eq!((outcome.steps, outcome.epochs), (8, 1));
    let stop = StopFlag::new();
    let again = with_threads(1, || {
        resume(
            app("image"),
            &config,
            &Source::Bundled,
            &paths,
            Vec::new(),
            &stop,
        )
    });
    let Finish::Trained(resumed) = again.unwrap() else {
        panic!("nobody stopped it");
    };
    assert!(whole.outcome.steps > 8);
    // The hash covers weights, scores and the sample.
    assert_eq!(resumed.sha256, whole.sha256);

    let (plain, _) = trained(&small("cnn", 1), &Source::Bundled);
    assert_ne!(plain.sha256, whole.sha256);
}

#[test]
fn files_are_predicted_as_the_rows_that_they_show() {
    let model = &*example().1;
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for line in [1, 700, 1200] {
        let path = folder.path().join(format!("{line}.png"));
        std::fs::write(&path, encode_png(&digit(line), DIGIT).unwrap()).unwrap();
        files.push(path);
    }
    std::fs::write(folder.path().join("bad.png"), b"no picture").unwrap();
    files.push(folder.path().join("bad.png"));
    files.push(folder.path().join("not there.png"));
    let made = model.predict_files(&files, 3).unwrap();
    assert_eq!(made.bad.len(), 2);
    assert!(
        made.bad[0].1.contains("neither PNG nor JPEG") && made.bad[1].1.contains("cannot be read")
    );
    let table = model.table(&Source::Bundled).unwrap();
    let rows = model.predict(&table.select(&[0, 699, 1199])).unwrap();
    assert_eq!(
        made.rows.texts("prediction").unwrap(),
        rows.texts("prediction").unwrap()
    );
    let p = |table: &Table, column: &str| table.numbers(column).unwrap().to_vec();
    assert_eq!(p(&made.rows, "probability"), p(&rows, "probability"));
    for place in 0..3 {
        let three: f64 = ["probability", "probability_2", "probability_3"]
            .map(|column| p(&made.rows, column)[place])
            .iter()
            .sum();
        let all: f64 = (0..10)
            .map(|class| p(&rows, &format!("p_{class}"))[place])
            .sum();
        assert!(three <= 1.0 + 1e-9 && (all - 1.0).abs() < 1e-9);
        assert!(p(&made.rows, "probability")[place] >= p(&made.rows, "probability_2")[place]);
    }
    assert_eq!(model.files(), ["png", "jpg", "jpeg"]);
}

#[test]
fn a_folder_is_trained_on_and_says_what_it_left_out() {
    let folder = folder_of_digits(400);
    std::fs::write(
        folder.path().join("3/broken.png"),
        b"\x89PNG\r\n\x1a\nbroken",
    )
    .unwrap();
    let source = Source::File(folder.path().to_path_buf());
    let mut config = small("mlp", 8);
    let (trained, model) = trained(&config, &source);
    let notes = trained.info.data.notes.join("\n");
    assert!(
        notes.contains("found a folder for each class: 400 images of 8 × 8 pixels, grey"),
        "{notes}"
    );
    assert!(
        notes.contains("left out: 1 file") && notes.contains("broken.png: "),
        "{notes}"
    );
    let test = &trained.info.scores[&Part::Test];
    assert!(test.metrics["accuracy"] > 0.7, "{test:?}");
    // The test rows are found again by the folder's hash, and scored alike; another folder is scored whole.
    let again = model.evaluate(&source).unwrap();
    assert_eq!(again.metrics, test.metrics);
    let other = folder_of_digits(60);
    let all = model
        .evaluate(&Source::File(other.path().to_path_buf()))
        .unwrap();
    assert_eq!(all.rows.unwrap().len(), 60);
    // Without a table of its own, an image is a text in base64.
    assert_eq!(model.signature().inputs[0].name, "image");
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAE0lEQVR4nGNkYIYARgkog4UsBgAyBwFrbbGeFwAAAABJRU5ErkJggg==";
    let rows = Table::new("request")
        .with("image", vec![png.to_string()])
        .unwrap();
    assert_eq!(model.predict(&rows).unwrap().len(), 1);
    let rows = Table::new("request")
        .with("image", vec!["????".to_string()])
        .unwrap();
    let error = model.predict(&rows).unwrap_err().to_string();
    assert!(error.contains("it is no base64"), "{error}");

    config["data"] = json!({ "bad": "error" });
    let error = app("image").start(&config, &source).err().unwrap();
    assert_eq!(error.class(), Class::Data);
    assert!(error.to_string().contains("broken.png: "), "{error}");
}

#[test]
fn images_that_stay_in_their_files_train_to_the_same_bits() {
    let folder = folder_of_digits(150);
    let source = Source::File(folder.path().to_path_buf());
    let mut config = augmented(small("mlp", 1));
    let (held, _) = trained(&config, &source);
    config["data"] = json!({ "memory": 0 });
    let (lazy, _) = trained(&config, &source);
    assert!(
        lazy.info
            .data
            .notes
            .iter()
            .any(|note| note.contains("images stay in their files"))
    );
    let weights = |trained: &Trained| {
        let score = &trained.info.scores[&Part::Val];
        (
            score.metrics.clone(),
            trained.outcome.history[0].metrics.clone(),
        )
    };
    assert_eq!(weights(&held), weights(&lazy));
}

#[test]
fn options_do_what_they_say() {
    // Folds as scikit-learn deals them: 1,797 digits in five, the first three of 360 rows and the last two of 359 or so.
    let mut config = small("mlp", 1);
    config["data"] = json!({ "folds": 5, "fold": 2, "val": 0.0 });
    let training = app("image").start(&config, &Source::Bundled).unwrap();
    let summary = training.summary();
    assert_eq!((summary.train, summary.val, summary.test), (1437, 0, 360));

    config["data"] = json!({ "size": 12 });
    config["loss"] = json!({ "label_smoothing": 0.1, "class_weights": "balanced" });
    let (trained, _) = trained(&config, &Source::Bundled);
    assert!(trained.info.data.notes[0].contains("12 × 12 pixels"));
    let loss = trained.outcome.history[0].metrics["val.loss"];
    let log_loss = trained.outcome.history[0].metrics["val.log_loss"];
    assert!(
        loss > log_loss,
        "smoothing must raise {log_loss}, but the loss is {loss}"
    );
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let refused = |config: Value, source: &Source| {
        let error = app("image").start(&config, source).err().unwrap();
        (error.class(), error.to_string())
    };
    for (config, says) in [
        (
            json!({ "model": { "blocks": 4 } }),
            "`model.blocks`: is 4, but an image of 8 × 8 pixels can be halved 3 times only",
        ),
        (
            json!({ "model": { "kind": "resnet", "depth": 21 } }),
            "`model.depth`: must be 6 n + 2, but is 21",
        ),
        (
            json!({ "data": { "folds": 3, "fold": 4 } }),
            "`data.fold`: is 4, but there are 3 folds",
        ),
        (json!({ "augment": { "flip": 1.5 } }), "augment.flip"),
        (
            json!({ "augment": { "magnitude": 5 } }),
            "changes nothing while `augment.rand_augment` is 0",
        ),
        (
            json!({ "augment": { "mixup": 0.2 }, "loss": { "class_weights": "balanced" } }),
            "`loss.class_weights`: cannot be combined",
        ),
    ] {
        let (class, text) = refused(config, &Source::Bundled);
        assert!(class == Class::Usage && text.contains(says), "{text}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (class, text) = refused(json!({}), &Source::File(empty.path().to_path_buf()));
    assert!(
        class == Class::Data && text.contains("holds no images"),
        "{text}"
    );
    let missing = Source::File(Path::new("/not/there.csv").to_path_buf());
    assert_eq!(refused(json!({}), &missing).0, Class::Data);
    // A label that the model does not know, in data that is scored.
    let folder = tempfile::tempdir().unwrap();
    let line = DIGITS
        .text
        .lines()
        .nth(1)
        .unwrap()
        .split_once(',')
        .unwrap()
        .1;
    let text = format!("{}\n77,{line}\n", DIGITS.text.lines().next().unwrap());
    let source = file(folder.path(), "new.csv", &text);
    let error = example().1.evaluate(&source).unwrap_err().to_string();
    assert!(
        error.contains("new.csv:2") && error.contains("\"77\" is no class"),
        "{error}"
    );
}

#[test]
fn predictions_after_loading_are_those_before() {
    let (trained, model) = example();
    let rows = trained.rows.as_ref().unwrap();
    let again = model.evaluate(&Source::Bundled).unwrap();
    assert_eq!(text_of(again.rows.as_ref().unwrap()), text_of(rows));
    assert_eq!(again.metrics, trained.info.scores[&Part::Test].metrics);
    let right = rows
        .texts("truth")
        .unwrap()
        .iter()
        .zip(rows.texts("prediction").unwrap())
        .filter(|(truth, prediction)| truth == prediction)
        .count();
    let accuracy = right as f64 / rows.len() as f64;
    assert!((accuracy - again.metrics["accuracy"]).abs() < 1e-12);
}
