//! Any table: what is found out about it, what is learned, and what is refused.

use azura_learner::app::Predictor;
use azura_learner::data::{Column, Table, read_csv_from};
use azura_learner::run::{Finish, RunPaths, train};
use azura_learner::{Class, Source, StopFlag};
use serde_json::{Value, json};

use crate::{app, file, text_of};

/// A model of this data.
fn trained(config: &Value, source: &Source) -> Box<dyn Predictor> {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let app = app("tabular");
    let finish = train(app, config, source, &paths, Vec::new(), &StopFlag::new()).unwrap();
    assert!(matches!(finish, Finish::Trained(_)));
    azura_apps::builtin().open(&paths.model).unwrap()
}

fn notes(config: &Value, source: &Source) -> Vec<String> {
    let training = app("tabular").start(config, source).unwrap();
    training.summary().notes.clone()
}

fn refused(config: &Value, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "mine.csv", text);
    let error = match app("tabular").start(config, &source) {
        Ok(_) => panic!("the file was taken"),
        Err(error) => error,
    };
    assert_eq!(error.class(), Class::Data, "{error}");
    let folder = format!("{}/", folder.path().display());
    error.to_string().replace(&folder, "")
}

/// Rows whose class follows from colour and size, with cells that are empty and a name for every row.
fn fruit(rows: usize) -> String {
    let mut text = "name,colour,grams,box,class\n".to_string();
    for i in 0..rows {
        let (colour, class) = [("red", "apple"), ("yellow", "banana"), ("green", "apple")][i % 3];
        let grams = if i % 11 == 5 {
            String::new()
        } else {
            format!("{}", 100 + (i * 37) % 60)
        };
        text += &format!("fruit{i},{colour},{grams},7,{class}\n");
    }
    text
}

#[test]
fn every_bundled_set_is_better_than_its_naive_baseline() {
    for (set, metric, least) in [
        ("wine", "accuracy", 0.9),
        ("iris", "accuracy", 0.85),
        ("breast_cancer", "accuracy", 0.9),
        ("diabetes", "r2", 0.25),
    ] {
        let config = json!({ "data": { "dataset": set }, "train": { "epochs": 40 } });
        let model = trained(&config, &Source::Bundled);
        let scores = &model.info().scores;
        let test = scores
            .iter()
            .find(|(part, _)| part.name() == "test")
            .unwrap()
            .1;
        assert!(test.metrics[metric] > least, "{set}: {:?}", test.metrics);
        for (name, baseline) in &test.baselines {
            assert!(baseline[metric].is_finite(), "{set}: {name}");
        }
        // The same rows give the same bits, after saving and loading.
        let table = model.table(&Source::Bundled).unwrap();
        let predicted = model.predict(&table).unwrap();
        assert_eq!(predicted.len(), table.len());
        assert_eq!(
            text_of(&predicted),
            text_of(&model.predict(&table).unwrap())
        );
        assert!(model.verify().unwrap() == 0.0);
        let whole = model.evaluate(&Source::Bundled).unwrap();
        assert_eq!(whole.metrics, test.metrics, "{set}");
    }
}

#[test]
fn a_transformer_learns_too() {
    let config = json!({
        "model": { "kind": "transformer", "hidden": 16, "layers": 1 },
        "train": { "epochs": 30, "lr": 3e-3 },
    });
    let model = trained(&config, &Source::Bundled);
    let test = model
        .info()
        .scores
        .iter()
        .find(|(part, _)| part.name() == "test")
        .unwrap()
        .1;
    assert!(test.metrics["accuracy"] > 0.85, "{:?}", test.metrics);
}

#[test]
fn what_is_found_out_about_a_table_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "fruit.csv", &fruit(60));
    let notes = notes(&json!({}), &source);
    assert_eq!(
        notes[..5],
        [
            "classification: `class` holds 2 different texts",
            "target: `class`, the last column, since data.target is empty",
            "left out: `name` has 39 different texts in 39 training rows",
            "left out: `box` is 7 in all training rows",
            "read colour (3 values) as categories, 1 as numbers",
        ]
    );
    assert!(
        notes[5].starts_with("`colour` alone decides the target in all training rows"),
        "{notes:?}"
    );
}

#[test]
fn empty_cells_and_unknown_categories_are_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "fruit.csv", &fruit(120));
    let config = json!({ "train": { "epochs": 40, "lr": 1e-2 } });
    let model = trained(&config, &source);
    let columns: Vec<Column> = model.info().signature.columns();
    let input = "grams,colour\n,yellow\n120,red\n,violet\n";
    let input = read_csv_from(input.as_bytes(), "stdin", &columns).unwrap();
    let predicted: Table = model.predict(&input).unwrap();
    assert_eq!(
        predicted.names(),
        ["prediction", "probability", "p_apple", "p_banana"]
    );
    assert_eq!(
        predicted.texts("prediction").unwrap()[..2],
        ["banana", "apple"]
    );
    for row in 0..3 {
        let sum: f64 = ["p_apple", "p_banana"]
            .iter()
            .map(|name| predicted.numbers(name).unwrap()[row])
            .sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
}

#[test]
fn rows_that_are_copies_and_rows_without_a_target_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "x,y\n".to_string();
    for i in 0..80 {
        text += &format!("{},{}\n", i % 10, ["a", "b"][i % 2]);
    }
    text += "3,\n";
    let source = file(folder.path(), "t.csv", &text);
    let notes = notes(&json!({ "data": { "target": "y" } }), &source);
    assert!(
        notes.contains(&"left out: 1 row without a `y` (the first: line 82)".to_string()),
        "{notes:?}"
    );
    assert!(
        notes.contains(&"16 of 16 test rows have the same inputs as a training row: their scores may be too good".to_string()),
        "{notes:?}"
    );
}

#[test]
fn what_cannot_be_learned_is_refused_with_place_and_remedy() {
    let message = refused(
        &json!({ "data": { "target": "colour" } }),
        "color,y\nred,1\n",
    );
    assert!(
        message.contains("colour") && message.contains("did you mean `color`?"),
        "{message}"
    );
    let message = refused(&json!({}), "x,y\n1,a\n2,a\n");
    assert!(
        message.starts_with("mine.csv:2: column `y` (2): holds \"a\" in every row"),
        "{message}"
    );
    let message = refused(
        &json!({ "data": { "task": "regression" } }),
        "x,y\n1,a\n2,b\n",
    );
    assert!(
        message.contains("a regression needs numbers; set data.task=classification"),
        "{message}"
    );
    let message = refused(
        &json!({ "data": { "exclude": ["z"] } }),
        "x,y\n1,a\n2,b\n1,a\n2,b\n",
    );
    assert!(message.contains('z'), "{message}");
    let large = "x,y\n1,0.5\n2,1e300\n3,0.25\n4,0.1\n5,0.2\n6,0.3\n";
    let message = refused(&json!({}), large);
    assert!(
        message.starts_with("mine.csv:3: column `y` (2): 1e300 is too large for the model"),
        "{message}"
    );
    let same = "x,y\n1,a\n1,b\n1,a\n1,b\n1,a\n1,b\n";
    let message = refused(&json!({ "data": { "val": 0.0 } }), same);
    assert!(
        message.contains("no column is left to predict `y` from"),
        "{message}"
    );
}

#[test]
fn a_class_that_training_did_not_have_is_refused_when_it_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "fruit.csv", &fruit(60));
    let model = trained(&json!({ "train": { "epochs": 1 } }), &source);
    let other = file(
        folder.path(),
        "other.csv",
        "colour,grams,class\nred,100,cherry\n",
    );
    let error = model.evaluate(&other).unwrap_err().to_string();
    assert!(
        error.contains("other.csv:2: column `class` (3): \"cherry\" was no class in training; the classes are apple, banana"),
        "{error}"
    );
}
