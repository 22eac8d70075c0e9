//! `plots/forecast.svg`: truth, prediction and baseline on the last test rows, and their errors below.

use azura_learner::data::{Kind, Table, Timestamp, Values};

use super::axis;
use super::svg::{Panel, Sheet, Stroke, ink, range};
use crate::progress::text;

const TRUTH: Stroke = Stroke {
    color: ink::BLACK,
    width: 2.4,
    dash: "",
};
const MODEL: Stroke = Stroke {
    color: ink::BLUE,
    width: 1.8,
    dash: "",
};
const BASELINES: [Stroke; 2] = [
    Stroke {
        color: ink::VERMILLION,
        width: 1.4,
        dash: "5 3",
    },
    Stroke {
        color: ink::GREEN,
        width: 1.4,
        dash: "2 3",
    },
];

/// As many rows as can be told apart: a week of hours, or eight months of trading days.
const ROWS: usize = 168;

/// Draws the plot from the table of predictions; `None` if the rows are no numbers (classes, texts).
pub fn forecast(
    title: &str,
    rows: &Table,
    name: Option<&str>,
    unit: Option<&str>,
) -> Option<String> {
    let rows = rows.tail(ROWS);
    let truth = rows.numbers("truth").ok()?;
    let model = rows.numbers("prediction").ok()?;
    // Persistence first: it is what a one-step forecast must beat.
    let mut names: Vec<&str> = rows
        .columns()
        .filter(|(name, values)| {
            values.kind() == Kind::Number && *name != "truth" && *name != "prediction"
        })
        .map(|(name, _)| name)
        .collect();
    names.sort_by_key(|name| *name != "persistence");
    names.truncate(1);
    let baselines: Vec<(&str, &[f64], Stroke)> = names
        .into_iter()
        .zip(BASELINES)
        .filter_map(|(name, stroke)| Some((name, rows.numbers(name).ok()?, stroke)))
        .collect();
    let times: Option<&[Timestamp]> = rows.columns().find_map(|(_, values)| match values {
        Values::Time(times) => Some(times.as_slice()),
        _ => None,
    });
    let xs: Vec<f64> = match times {
        Some(times) => times.iter().map(|t| t.unix() as f64).collect(),
        None => (0..rows.len()).map(|i| i as f64).collect(),
    };
    let mut all: Vec<&[f64]> = vec![truth, model];
    all.extend(baselines.iter().map(|b| b.1));
    let y = range(&all, 0.06)?;
    let x = match range(&[&xs], 0.0)? {
        (low, high) if high > low => (low, high),
        (low, _) => (low, low + 1.0),
    };
    let error =
        |values: &[f64]| -> Vec<f64> { values.iter().zip(truth).map(|(v, t)| v - t).collect() };
    let model_error = error(model);
    let baseline_errors: Vec<Vec<f64>> = baselines.iter().map(|b| error(b.1)).collect();
    let mut errors: Vec<&[f64]> = vec![&model_error];
    errors.extend(baseline_errors.iter().map(Vec::as_slice));
    // Symmetric, so that above and below zero can be compared.
    let reach = range(&errors, 0.08).map_or(1.0, |(low, high)| high.max(-low));
    let top = Panel {
        top: 76.0,
        height: 232.0,
        x,
        y,
    };
    let below = Panel {
        top: 352.0,
        height: 92.0,
        x,
        y: (-reach, reach),
    };
    let mae = |values: &[f64]| {
        let known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        known.iter().map(|v| v.abs()).sum::<f64>() / known.len().max(1) as f64
    };
    let mut means = format!("model {}", text::number(mae(&model_error)));
    for (baseline, errors) in baselines.iter().zip(&baseline_errors) {
        let name = baseline.0.replace('_', " ");
        means += &format!(", {name} {}", text::number(mae(errors)));
    }
    let about = format!(
        "Truth, model and baseline on the last {} test rows, and their errors. Mean absolute error: {means}.",
        rows.len()
    );
    let mut sheet = Sheet::new(492.0, title, &about);
    let mut legend = vec![("truth".to_string(), TRUTH), ("model".to_string(), MODEL)];
    legend.extend(baselines.iter().map(|b| (b.0.replace('_', " "), b.2)));
    sheet.legend(&legend);
    // Every app calls its output `prediction`; that says nothing about what it is.
    let axis_name = match (name.filter(|name| *name != "prediction"), unit) {
        (Some(name), Some(unit)) => format!("{} ({unit})", name.replace('_', " ")),
        (Some(name), None) => name.replace('_', " "),
        (None, Some(unit)) => unit.to_string(),
        (None, None) => "value".to_string(),
    };
    let ticks = |room: usize| match times {
        Some(times) => axis::time(times[0], times[times.len() - 1], room),
        None => axis::linear(x.0, x.1, room),
    };
    let across = ticks(9);
    top.draw_y(&mut sheet, &axis::linear(y.0, y.1, 5), &axis_name);
    top.draw_x(&mut sheet, &[], "");
    below.draw_y(
        &mut sheet,
        &axis::linear(-reach, reach, 5),
        "error (forecast − truth)",
    );
    let means = format!("mean absolute error here: {means}");
    sheet.text(856.0, below.top - 12.0, "end", 12.0, ink::GREY, 400, &means);
    let years = times.map_or(String::new(), |times| {
        let (first, last) = (times[0].year(), times[times.len() - 1].year());
        if first == last {
            first.to_string()
        } else {
            format!("{first} – {last}")
        }
    });
    below.draw_x(&mut sheet, &across, &years);
    for (baseline, errors) in baselines.iter().zip(&baseline_errors) {
        top.draw(&mut sheet, &xs, baseline.1, baseline.2);
        below.draw(&mut sheet, &xs, errors, baseline.2);
    }
    top.draw(&mut sheet, &xs, truth, TRUTH);
    top.draw(&mut sheet, &xs, model, MODEL);
    below.draw(&mut sheet, &xs, &model_error, MODEL);
    Some(sheet.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize, value: impl Fn(usize) -> f64) -> Table {
        let start = "2020-01-01".parse::<Timestamp>().unwrap();
        let times: Vec<_> = (0..rows).map(|i| start.add_hours(i as i64)).collect();
        let truth: Vec<f64> = (0..rows).map(&value).collect();
        let shifted: Vec<f64> = truth.iter().map(|v| v + 1.0).collect();
        Table::new("test")
            .with("time", times)
            .unwrap()
            .with("truth", truth.clone())
            .unwrap()
            .with("prediction", shifted)
            .unwrap()
            .with("persistence", truth)
            .unwrap()
    }

    #[test]
    fn any_series_draws_without_nan() {
        for rows in [1, 2, 200] {
            let svg = forecast(
                "t",
                &table(rows, |i| (i as f64 / 9.0).sin()),
                Some("temperature"),
                Some("°C"),
            )
            .unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.contains("temperature (°C)"));
            assert!(svg.contains("error: model 1.000, persistence 0."), "{svg}");
        }
        let svg = forecast(
            "t",
            &table(30, |i| if i == 7 { f64::NAN } else { 3.0 }),
            None,
            None,
        )
        .unwrap();
        assert!(!svg.contains(" NaN"), "{svg}");
    }

    #[test]
    fn classes_are_no_series() {
        let table = Table::new("t")
            .with("truth", vec!["cat".to_string()])
            .unwrap();
        assert!(forecast("t", &table, None, None).is_none());
        assert!(forecast("t", &table.slice(0..0), None, None).is_none());
    }
}
