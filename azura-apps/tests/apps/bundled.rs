//! The data in the program.

use azura_apps::stock::{MSFT, SP500};
use azura_apps::tabular::{BREAST_CANCER, DIABETES, IRIS, WINE};
use azura_apps::text::SHAKESPEARE;
use azura_apps::weather::GREENSBORO;
use azura_learner::Source;
use azura_learner::fs::sha256_hex;
use serde_json::json;

use crate::app;

#[test]
fn it_is_what_its_hashes_say() {
    let sums = include_str!("../../../datasets/SHA256SUMS");
    let tables = [GREENSBORO, MSFT, SP500, BREAST_CANCER, DIABETES, IRIS, WINE]
        .map(|bundled| (bundled.name, bundled.text));
    for (name, text) in tables
        .into_iter()
        .chain([(SHAKESPEARE.name, SHAKESPEARE.text)])
    {
        let line = format!(
            "{}  {}\n",
            sha256_hex(text.as_bytes()),
            name.trim_start_matches("datasets/")
        );
        assert!(sums.contains(&line), "{line}");
    }
}

#[test]
fn weather_has_twelve_months_and_no_window_across_them() {
    let training = app("weather").start(&json!({}), &Source::Bundled).unwrap();
    let summary = training.summary();
    assert_eq!(summary.rows, 8760);
    // Every stretch of n hours has n − 24 windows with a target; the two gaps take 24 each.
    assert_eq!(
        summary.train + summary.val + summary.test + 2 * summary.gap,
        8760 - 12 * 24
    );
    assert_eq!(summary.gap, 24);
    assert!(
        summary.notes[0].starts_with("12 stretches of consecutive hours"),
        "{:?}",
        summary.notes
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
            "hour_cos",
            "day_of_year_sin",
            "day_of_year_cos"
        ]
    );
}

#[test]
fn both_stocks_are_there() {
    for (ticker, rows) in [("msft", 3270), ("sp500", 5031)] {
        let config = json!({ "data": { "ticker": ticker } });
        let training = app("stock").start(&config, &Source::Bundled).unwrap();
        let summary = training.summary();
        assert_eq!(summary.rows, rows);
        // The first row has no return, so there is one window less.
        assert_eq!(
            summary.train + summary.val + summary.test + 2 * summary.gap,
            rows - 1 - 20
        );
        assert_eq!(summary.columns.len(), 11);
    }
    let config = json!({ "data": { "rows": 1000 } });
    let training = app("stock").start(&config, &Source::Bundled).unwrap();
    assert_eq!(training.summary().rows, 1000);
}
