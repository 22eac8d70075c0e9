//! What a person gets to read when their file does not fit.

use azura_learner::{Class, Source};

use crate::{app, file, load};

/// The message of training on a file with this text, less the folder.
fn refused(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "mine.csv", text);
    let error = match app(name).start(&serde_json::json!({}), &source) {
        Ok(_) => panic!("the file was taken"),
        Err(error) => error,
    };
    assert_eq!(error.class(), Class::Data, "{error}");
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

const WEATHER: &str = "time,temperature_2m,relative_humidity_2m,precipitation,cloud_cover\n";
const STOCK: &str = "date,open,high,low,close,volume\n";

#[test]
fn columns_that_are_missing_or_hold_something_else() {
    let text = "time,temperature,relative_humidity_2m,precipitation,cloud_cover\n2020-01-01T00:00,1,2,3,4\n";
    let message = refused("weather", text);
    assert!(message.starts_with("mine.csv"), "{message}");
    assert!(message.contains("temperature_2m"), "{message}");
    let message = refused(
        "weather",
        &format!("{WEATHER}2020-01-01T00:00,cold,2,3,4\n"),
    );
    assert!(
        message.starts_with("mine.csv:2: column `temperature_2m` (2): \"cold\" is not a number"),
        "{message}"
    );
    let message = refused("stock", STOCK);
    assert!(message.starts_with("mine.csv"), "{message}");
}

#[test]
fn times_that_are_not_sorted() {
    let message = refused(
        "weather",
        &format!("{WEATHER}2020-01-01T02:00,1,2,3,4\n2020-01-01T01:00,1,2,3,4\n"),
    );
    assert_eq!(
        message,
        "mine.csv:3: column `time` (1): is 1 h before the row above; sort the rows, oldest first"
    );
    let message = refused(
        "stock",
        &format!("{STOCK}2020-01-03,1,1,1,1,9\n2020-01-02,1,1,1,1,9\n"),
    );
    assert_eq!(
        message,
        "mine.csv:3: column `date` (1): is 1 d before the row above; sort the rows, oldest first"
    );
}

#[test]
fn prices_and_volumes_that_cannot_be() {
    let message = refused(
        "stock",
        &format!("{STOCK}2020-01-02,1,1,1,1,9\n2020-01-03,1,1,0,1,9\n"),
    );
    assert_eq!(
        message,
        "mine.csv:3: column `low` (4): a price must be above 0, but is 0; correct or remove the row"
    );
    let message = refused(
        "stock",
        &format!("{STOCK}2020-01-02,1,1,1,1,-9\n2020-01-03,1,1,1,1,9\n"),
    );
    assert!(
        message.starts_with("mine.csv:2: column `volume` (6): a volume must not be below 0"),
        "{message}"
    );
}

#[test]
fn too_few_rows() {
    let message = refused(
        "stock",
        &format!("{STOCK}2020-01-02,1,1,1,1,9\n2020-01-03,1,1,1,1,9\n"),
    );
    assert!(
        message.starts_with("mine.csv: a window of 20 rows and a target 5 later need 25 rows"),
        "{message}"
    );
    let model = load("stock");
    let table = model.table(&Source::Bundled).unwrap();
    let error = model.predict(&table.slice(0..10)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "datasets/stock/msft.csv: one prediction needs 11 rows in a row, but the longest stretch without a break has 10; \
         give more rows, oldest first"
    );
    assert_eq!(model.predict(&table.slice(0..11)).unwrap().len(), 1);
    assert_eq!(model.forecast(&table.slice(0..11), 3).unwrap().len(), 3);
}

/// `rows` hours; the one with this index has this temperature.
fn hours(rows: usize, at: usize, temperature: &str) -> String {
    let mut text = WEATHER.to_string();
    for i in 0..rows {
        let value = match i == at {
            true => temperature.to_string(),
            false => format!("{}", 10 + i % 24),
        };
        let (day, hour) = (1 + i / 24, i % 24);
        text += &format!("2020-01-{day:02}T{hour:02}:00,{value},50,{},20\n", i % 3);
    }
    text
}

#[test]
fn a_value_that_is_too_large_is_shown_where_it_stands() {
    let place = "mine.csv:302: column `temperature_2m` (2): ";
    let rule = "is too large for the model; correct or remove the row";
    for value in ["1e300", "-4e38"] {
        let message = refused("weather", &hours(600, 300, value));
        assert_eq!(message, format!("{place}{value} {rule}"));
    }
    let message = refused("stock", &format!("{STOCK}2020-01-01,1,1,1,1e300,5\n"));
    assert!(
        message.starts_with("mine.csv:2: column `close` (5): 1e300 is too large"),
        "{message}"
    );
}

#[test]
fn empty_cells_are_refused_left_out_or_filled_and_it_is_said() {
    let text = hours(600, 300, "");
    let message = refused("weather", &text);
    assert!(
        message.starts_with("mine.csv:302: column `temperature_2m` (2): the value is missing")
            && message.contains("data.missing=ffill"),
        "{message}"
    );
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "mine.csv", &text);
    let summary = |policy: &str| {
        let config = serde_json::json!({"data": {"missing": policy}});
        let training = app("weather").start(&config, &source).unwrap();
        (training.summary().rows, training.summary().notes.clone())
    };
    let (rows, notes) = summary("drop");
    assert_eq!(rows, 599);
    assert_eq!(
        notes[1],
        "left out: 1 row with an empty cell (the first: line 302)"
    );
    assert!(
        notes[2].starts_with("2 stretches of rows 1 h apart, by 1 gap in which 1 rows are missing"),
        "{notes:?}"
    );
    let (rows, notes) = summary("ffill");
    assert_eq!(rows, 600);
    assert_eq!(
        notes[1..],
        ["filled with the value above: 1 row with an empty cell (the first: line 302)"]
    );
    let (rows, notes) = summary("interpolate");
    assert_eq!(rows, 600);
    assert_eq!(
        notes[1..],
        [
            "filled between the values above and below: 1 row with an empty cell (the first: line 302)"
        ]
    );
    // Nothing stands above the first row.
    let source = file(folder.path(), "mine.csv", &hours(600, 0, "NA"));
    let config = serde_json::json!({"data": {"missing": "ffill"}});
    let error = app("weather").start(&config, &source).err().unwrap();
    assert!(
        error
            .to_string()
            .contains(":2: column `temperature_2m` (2): the first value is missing"),
        "{error}"
    );
}
