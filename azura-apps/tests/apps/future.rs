//! Predictions and forecasts: the right rows, the right times.

use std::collections::HashMap;

use azura_learner::data::{Table, Timestamp};
use azura_learner::{Class, Source};

use crate::{example, load, text_of};

fn times(table: &Table) -> Vec<String> {
    table
        .times("time")
        .unwrap()
        .iter()
        .map(|t| t.iso())
        .collect()
}

#[test]
fn predictions_are_those_that_were_scored() {
    for name in ["weather", "stock"] {
        let model = load(name);
        let table = model.table(&Source::Bundled).unwrap();
        let predicted = model.predict(&table).unwrap();
        let by_time: HashMap<Timestamp, f64> = predicted
            .times("time")
            .unwrap()
            .iter()
            .copied()
            .zip(predicted.numbers("prediction").unwrap().iter().copied())
            .collect();
        let scored = &example(name).rows;
        assert_eq!(scored.names()[..3], ["time", "truth", "prediction"]);
        let mut columns = vec!["low", "high", "persistence", "drift", "ridge"];
        columns.extend((name == "weather" || name == "stock").then_some("seasonal_naive"));
        assert_eq!(scored.names()[3..], columns);
        assert!(scored.len() > 500);
        for (time, value) in scored
            .times("time")
            .unwrap()
            .iter()
            .zip(scored.numbers("prediction").unwrap())
        {
            // Batches of another size may round differently.
            let other = by_time[time];
            assert!(
                (other - value).abs() <= 1e-5 * value.abs().max(1.0),
                "{name} {time:?} {other} {value}"
            );
        }
        // The same rows twice are the same bits.
        assert_eq!(
            text_of(&predicted),
            text_of(&model.predict(&table).unwrap())
        );
        // Evaluating the saved model gives the scores that are in it.
        let again = model.evaluate(&Source::Bundled).unwrap();
        let stored = &model.info().scores;
        let test = stored
            .iter()
            .find(|(part, _)| part.name() == "test")
            .unwrap()
            .1;
        assert_eq!(&again.metrics, &test.metrics, "{name}");
        assert_eq!(&again.baselines, &test.baselines, "{name}");
        assert!(again.metrics["coverage"] > 0.5 && again.metrics["crps"] > 0.0);
        assert_eq!(again.baselines["persistence"]["change_r2"], 0.0);
        assert!(!again.baselines["persistence"].contains_key("direction"));
        assert!(model.verify().unwrap() == 0.0);
    }
}

#[test]
fn hours_go_on_over_midnight_and_new_year() {
    let model = load("weather");
    let table = model.table(&Source::Bundled).unwrap();
    // The last row is 1981-01-01T00:00.
    let history = table.slice(0..table.len() - 2);
    let forecast = model.forecast(&history, 30).unwrap();
    assert_eq!(forecast.len(), 30);
    assert_eq!(
        times(&forecast)[..3],
        [
            "1980-12-31T23:00:00",
            "1981-01-01T00:00:00",
            "1981-01-01T01:00:00"
        ]
    );
    assert_eq!(times(&forecast)[29], "1981-01-02T04:00:00");
    assert!(
        forecast
            .texts("unit")
            .unwrap()
            .iter()
            .all(|unit| unit == "°C")
    );
    assert!(
        forecast
            .numbers("prediction")
            .unwrap()
            .iter()
            .all(|x| x.is_finite())
    );
    // The first step is a plain prediction.
    let predicted = model.predict(&history).unwrap();
    let last = *predicted.numbers("prediction").unwrap().last().unwrap();
    assert!((forecast.numbers("prediction").unwrap()[0] - last).abs() < 1e-5);
    assert_eq!(times(&predicted).last(), times(&forecast).first());
}

#[test]
fn a_break_ends_a_stretch_with_a_prediction_for_the_hour_after_it() {
    let model = load("weather");
    let table = model.table(&Source::Bundled).unwrap();
    // January 1988 ends in row 743; February 1996 begins in row 744.
    let input = table.slice(740 - 30..744 + 30);
    let predicted = model.predict(&input).unwrap();
    assert_eq!(predicted.len(), 34 - 23 + 30 - 23);
    let times = times(&predicted);
    assert_eq!(times[34 - 23 - 1], "1988-02-01T01:00:00");
    assert_eq!(times[34 - 23], "1996-02-02T01:00:00");
    // A forecast starts at the end of the last stretch, which must be long enough.
    let error = model.forecast(&table.slice(700..744 + 23), 1).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(
        error
            .to_string()
            .contains("needs 24 rows in a row, but after the last break there are 23"),
        "{error}"
    );
}

#[test]
fn trading_days_skip_weekends() {
    let model = load("stock");
    let table = model.table(&Source::Bundled).unwrap();
    // The last day is Friday 2013-03-01.
    let forecast = model.forecast(&table, 7).unwrap();
    let days: Vec<String> = forecast
        .times("time")
        .unwrap()
        .iter()
        .map(|t| t.iso_date())
        .collect();
    assert_eq!(
        days,
        [
            "2013-03-04",
            "2013-03-05",
            "2013-03-06",
            "2013-03-07",
            "2013-03-08",
            "2013-03-11",
            "2013-03-12"
        ]
    );
    let close = *table.numbers("close").unwrap().last().unwrap();
    for price in forecast.numbers("prediction").unwrap() {
        assert!((price / close - 1.0).abs() < 0.2, "{price} after {close}");
    }
    // Inside the data the next day is the one that is there: Martin Luther King Day 2013 was no trading day.
    let rows = table.times("date").unwrap();
    let friday = rows
        .iter()
        .position(|t| t.iso_date() == "2013-01-18")
        .unwrap();
    let predicted = model
        .predict(&table.slice(friday - 20..friday + 2))
        .unwrap();
    let days: Vec<String> = predicted
        .times("time")
        .unwrap()
        .iter()
        .map(|t| t.iso_date())
        .collect();
    assert_eq!(days[days.len() - 2..], ["2013-01-22", "2013-01-23"]);
    assert!(model.forecast(&table, 0).is_err());
}
