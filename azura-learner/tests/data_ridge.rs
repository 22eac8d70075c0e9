//! Ridge regression against values recorded from numpy, and on windows.

use std::sync::Arc;

use azura_learner::baselines::Ridge;
use azura_learner::data::{Dataset, WindowPlan, Windows};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alpha: f64,
    weights: Vec<f64>,
    intercept: f64,
    predictions: Vec<f64>,
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!(
        (a - b).abs() <= tolerance * b.abs().max(1.0),
        "{a} is not {b}"
    );
}

#[test]
fn agrees_with_numpy() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/ridge_numpy.json")).unwrap();
    let (rows, features) = (fixture.x.len(), fixture.x[0].len());
    for case in &fixture.cases {
        let row = |i: usize, out: &mut [f64]| out.copy_from_slice(&fixture.x[i]);
        let ridge = Ridge::fit(rows, features, row, &fixture.y, case.alpha).unwrap();
        // Normal equations square the condition number: with alpha .01 it is about 1e4 here, and the
        // intercept sums weights times means of 1e3.
        for (a, b) in ridge.weights().iter().zip(&case.weights) {
            close(*a, *b, 1e-10);
        }
        close(ridge.intercept(), case.intercept, 1e-10);
        for (x, p) in fixture.x.iter().zip(&case.predictions) {
            close(ridge.predict(x), *p, 1e-11);
        }
    }
}

#[test]
fn more_rows_than_a_block_hold_the_same_solution() {
    // y = 2 a − 3 b + 1 exactly, over three blocks, the last of them partial.
    let n = 2500;
    let row = |i: usize, out: &mut [f64]| {
        let t = i as f64;
        out.copy_from_slice(&[(t * 0.7).sin(), (t * 0.3).cos()]);
    };
    let mut x = [0.0; 2];
    let y: Vec<f64> = (0..n)
        .map(|i| {
            row(i, &mut x);
            2.0 * x[0] - 3.0 * x[1] + 1.0
        })
        .collect();
    let ridge = Ridge::fit(n, 2, row, &y, 0.0).unwrap();
    close(ridge.weights()[0], 2.0, 1e-12);
    close(ridge.weights()[1], -3.0, 1e-12);
    close(ridge.intercept(), 1.0, 1e-12);
}

#[test]
fn more_features_than_a_panel_hold_the_same_solution() {
    // Feature j is 1 in the rows j, n + j, …: weights can be read off, wherever the panels end.
    let n = 300;
    let row = |i: usize, out: &mut [f64]| {
        out.fill(0.0);
        out[i % n] = 1.0;
    };
    // Each pattern has two targets, one above and one below its number, so the number is the best answer.
    let y: Vec<f64> = (0..2 * n)
        .map(|i| (i % n) as f64 + if i < n { 1.0 } else { -1.0 })
        .collect();
    let alpha = 1e-6;
    let ridge = Ridge::fit(2 * n, n, row, &y, alpha).unwrap();
    let mut x = vec![0.0; n];
    for j in [0, 1, 127, 128, 200, 255, 256, 299] {
        row(j, &mut x);
        close(ridge.predict(&x), j as f64, 1e-6);
    }
}

#[test]
fn finds_the_recurrence_of_a_series_in_its_windows() {
    // x[t+1] = x[t] − 0.25 x[t−1] + 2, from two values that keep it moving; targets are the series.
    let mut series = vec![9.0f32, -4.0];
    for t in 1..11 {
        series.push(series[t] - 0.25 * series[t - 1] + 2.0);
    }
    let plan = Arc::new(WindowPlan::new(series.len(), 2, 1, &[]).unwrap());
    let windows = Windows::new(series.clone(), 1, series, plan).unwrap();
    let ridge = Ridge::fit_windows(&windows, 0.0).unwrap();
    close(ridge.weights()[0], -0.25, 1e-4);
    close(ridge.weights()[1], 1.0, 1e-4);
    close(ridge.intercept(), 2.0, 1e-4);
    let predictions = ridge.predict_windows(&windows).unwrap();
    for (sample, prediction) in predictions.iter().enumerate() {
        close(*prediction, f64::from(windows.target(sample)), 1e-4);
    }
    assert_eq!(predictions.len(), windows.len());
    let wider = Windows::new(
        vec![0.0; 8],
        2,
        vec![0.0; 4],
        Arc::new(WindowPlan::new(4, 2, 1, &[]).unwrap()),
    );
    assert!(ridge.predict_windows(&wider.unwrap()).is_err());
}
