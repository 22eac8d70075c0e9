//! The data in the program.

use azura_apps::forecast::Dataset;
use azura_apps::image::{DIGITS, MNIST_IMAGES, MNIST_LABELS};
use azura_apps::tabular::{BREAST_CANCER, DIABETES, IRIS, WINE};
use azura_apps::text::SHAKESPEARE;
use azura_apps::voice::ECHO_TEST;
use azura_learner::Source;
use azura_learner::fs::sha256_hex;
use serde_json::json;

use crate::app;

#[test]
fn it_is_what_its_hashes_say() {
    let sums = include_str!("../../../datasets/SHA256SUMS");
    let series = Dataset::ALL.map(Dataset::bundled);
    let tables = [BREAST_CANCER, DIABETES, IRIS, WINE];
    let tables = series.into_iter().chain(tables);
    let others = [
        (SHAKESPEARE.name, SHAKESPEARE.text),
        (DIGITS.name, DIGITS.text),
    ];
    let texts = tables
        .map(|bundled| (bundled.name, bundled.text))
        .chain(others);
    for (name, bytes) in texts
        .map(|(name, text)| (name, text.as_bytes()))
        .chain([MNIST_IMAGES, MNIST_LABELS])
    {
        let line = format!(
            "{}  {}\n",
            sha256_hex(bytes),
            name.trim_start_matches("datasets/")
        );
        assert!(sums.contains(&line), "{line}");
    }
    let voice = format!("{}  voice/echo-test.wav\n", sha256_hex(ECHO_TEST.bytes));
    assert!(sums.contains(&voice), "{voice}");
    // The words are in the program too; their hash is what a run says that it learned from.
    let sound = app("sound").start(&json!({}), &Source::Bundled).unwrap();
    let words = format!("{}  sound/words.wav\n", sound.summary().sha256);
    assert!(sums.contains(&words), "{words}");
}

#[test]
fn the_part_of_mnist_has_parts_of_its_own() {
    let config = json!({ "data": { "dataset": "mnist", "size": 7 } });
    let training = app("image").start(&config, &Source::Bundled).unwrap();
    let summary = training.summary();
    assert_eq!(summary.rows, 10_000);
    assert_eq!((summary.train + summary.val, summary.test), (8000, 2000));
    assert_eq!(
        summary.columns,
        ["10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"]
    );
}

#[test]
fn weather_has_twelve_months_and_no_window_across_them() {
    let training = app("weather").start(&json!({}), &Source::Bundled).unwrap();
    let summary = training.summary();
    assert_eq!(summary.rows, 8760);
    // Every stretch of n hours has n − 71 windows of 48 with 24 hours behind them; the two gaps take 71 each.
    assert_eq!(
        summary.train + summary.val + summary.test + 2 * summary.gap,
        8760 - 12 * 71
    );
    assert_eq!(summary.gap, 71);
    assert_eq!(
        summary.notes,
        [
            "rows are 1 h apart; a season is 24 rows, a day; 48 rows back, 24 rows ahead",
            "12 stretches of rows 1 h apart, by 11 jumps (the first: 1988-02-01T00:00:00 to 1996-02-01T01:00:00); \
             no window reaches across one"
        ]
    );
    assert_eq!(
        summary.span,
        Some((
            "1988-01-01T01:00:00".to_string(),
            "1981-01-01T00:00:00".to_string()
        ))
    );
    assert_eq!(
        summary.columns,
        [
            "temperature_2m",
            "relative_humidity_2m",
            "precipitation",
            "cloud_cover",
            "hour_sin",
            "hour_cos"
        ]
    );
}

#[test]
fn both_stocks_are_there() {
    for (ticker, rows) in [("msft", 3270), ("sp500", 5031)] {
        let config = json!({ "data": { "dataset": ticker } });
        let training = app("stock").start(&config, &Source::Bundled).unwrap();
        let summary = training.summary();
        assert_eq!(summary.rows, rows);
        // The first row has no return, so there is one window less.
        assert_eq!(
            summary.train + summary.val + summary.test + 2 * summary.gap,
            rows - 1 - 24
        );
        assert_eq!(summary.columns.len(), 12);
    }
    let config = json!({ "data": { "rows": 1000 } });
    let training = app("stock").start(&config, &Source::Bundled).unwrap();
    assert_eq!(training.summary().rows, 1000);
}
