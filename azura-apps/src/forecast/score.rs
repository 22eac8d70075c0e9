//! Scores in the series' own unit, step by step, with the baselines that a model must be compared with.

use std::collections::BTreeMap;

use azura_learner::Result;
use azura_learner::app::{Metrics, Part, ScoredSplit, Scores};
use azura_learner::data::{Dataset, Table, Timestamp};

use super::config::{ForecastConfig, Transform};
use super::data::{Fitted, SeriesData, scale};
use super::intervals::Outputs;

/// Where the model is among the forecasters; the baselines follow.
const MODEL: usize = 0;

/// Errors of one forecaster for one series and step.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    n: f64,
    absolute: f64,
    squared: f64,
    signed: f64,
    symmetric: f64,
    /// Mean and squared distance from it of the true values, by Welford's update.
    mean: f64,
    spread: f64,
    /// Squared change from the newest value.
    moved: f64,
    changes: f64,
    right: f64,
    /// Whether the forecaster foresaw any change.
    spoke: bool,
}

impl Errors {
    fn add(&mut self, before: f64, truth: f64, prediction: f64) {
        let error = prediction - truth;
        self.n += 1.0;
        self.absolute += error.abs();
        self.squared += error * error;
        self.signed += error;
        if error != 0.0 {
            self.symmetric += 200.0 * error.abs() / (truth.abs() + prediction.abs());
        }
        let off = truth - self.mean;
        self.mean += off / self.n;
        self.spread += off * (truth - self.mean);
        let (change, foreseen) = (truth - before, prediction - before);
        self.moved += change * change;
        self.spoke |= foreseen != 0.0;
        if change != 0.0 {
            self.changes += 1.0;
            self.right += f64::from(u8::from(change * foreseen > 0.0));
        }
    }

    fn join(self, other: &Errors) -> Errors {
        let n = self.n + other.n;
        let off = other.mean - self.mean;
        let between = if n > 0.0 {
            off * off * self.n * other.n / n
        } else {
            0.0
        };
        Errors {
            n,
            absolute: self.absolute + other.absolute,
            squared: self.squared + other.squared,
            signed: self.signed + other.signed,
            symmetric: self.symmetric + other.symmetric,
            mean: if n > 0.0 {
                (self.mean * self.n + other.mean * other.n) / n
            } else {
                0.0
            },
            spread: self.spread + other.spread + between,
            moved: self.moved + other.moved,
            changes: self.changes + other.changes,
            right: self.right + other.right,
            spoke: self.spoke || other.spoke,
        }
    }

    fn mae(&self) -> f64 {
        self.absolute / self.n
    }

    fn rmse(&self) -> f64 {
        (self.squared / self.n).sqrt()
    }
}

/// Errors of one forecaster, `[series][step]`.
type Steps = Vec<Vec<Errors>>;

/// What intervals are worth, for one step of all series.
#[derive(Clone, Copy, Debug, Default)]
struct Sharpness {
    n: f64,
    inside: f64,
    width: f64,
    /// Twice the mean pinball loss over the quantiles.
    crps: f64,
}

/// All that is found out about one part.
struct Tally {
    names: Vec<&'static str>,
    /// The model first, then the baselines.
    errors: Vec<Steps>,
    intervals: Vec<Sharpness>,
    rows: Rows,
}

/// The table of predictions while it is made.
#[derive(Default)]
struct Rows {
    /// Which series, and which row of the data.
    places: Vec<(usize, usize)>,
    time: Vec<Timestamp>,
    target: Vec<String>,
    step: Vec<f64>,
    truth: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    predictions: Vec<Vec<f64>>,
}

/// The names of the baselines that a layout has.
fn baselines(fitted: &Fitted) -> Vec<&'static str> {
    let mut names = vec!["persistence", "drift", "ridge"];
    if fitted.layout.seasonal() {
        names.push("seasonal_naive");
    }
    names
}

/// What a baseline expects of each step, as changes in the units of the model.
fn expected(
    name: &str,
    fitted: &Fitted,
    data: &SeriesData,
    transform: Transform,
    [end, target]: [usize; 2],
    flat: &mut [f64],
    out: &mut [f64],
) {
    let (level, unit) = (&data.frame().levels[target], fitted.unit(target));
    match name {
        "persistence" => out.fill(0.0),
        "drift" => {
            for (step, out) in out.iter_mut().enumerate() {
                *out = (step + 1) as f64 * fitted.drift[target] / unit;
            }
        }
        "ridge" => {
            data.inputs().flat(end, target, flat);
            fitted.ridge.predict(flat, out);
        }
        _ => {
            let season = fitted.layout.season;
            let last = transform.apply(level[end]);
            for (step, out) in out.iter_mut().enumerate() {
                let back = season - step % season;
                *out = (transform.apply(level[end + 1 - back]) - last) / unit;
            }
        }
    }
}

fn tally(
    config: &ForecastConfig,
    fitted: &Fitted,
    split: &ScoredSplit<'_, SeriesData>,
) -> Result<Tally> {
    let (data, transform) = (split.data, config.data.transform);
    let (horizon, targets) = (data.horizon(), data.frame().targets.len());
    let outputs = Outputs::of(config, split.outputs, data.len(), horizon)?;
    let mut names = vec!["prediction"];
    if split.full {
        names.extend(baselines(fitted));
    }
    let levels = config.intervals.quantiles();
    let (low, high) = config.intervals.bounds();
    let position = |bound: f64| levels.iter().position(|q| (q - bound).abs() < 1e-12);
    let bounds = position(low).zip(position(high));
    let intervals = split.full && !fitted.offsets.is_empty();
    // Every row is written once: by windows a horizon apart, from the last one back.
    let windows = data.len() / targets.max(1);
    let written = split.full && split.part == Part::Test;

    let mut tally = Tally {
        errors: vec![vec![vec![Errors::default(); horizon]; targets]; names.len()],
        intervals: vec![Sharpness::default(); if intervals { horizon } else { 0 }],
        rows: Rows {
            predictions: vec![Vec::new(); names.len()],
            ..Rows::default()
        },
        names,
    };
    let mut flat = vec![0.0; fitted.ridge.features()];
    let mut changes = vec![vec![0.0; horizon]; tally.names.len()];
    let mut quantiles = Vec::with_capacity(levels.len());
    for sample in 0..data.len() {
        let (end, target) = data.sample(sample);
        let (level, unit) = (&data.frame().levels[target], fitted.unit(target));
        let before = level[end];
        for (at, changes) in changes.iter_mut().enumerate() {
            if at == MODEL {
                for (step, change) in changes.iter_mut().enumerate() {
                    *change = outputs.point(sample, step);
                }
            } else {
                let name = tally.names[at];
                expected(
                    name,
                    fitted,
                    data,
                    transform,
                    [end, target],
                    &mut flat,
                    changes,
                );
            }
        }
        let restless = match intervals {
            true => scale(config.intervals.scale, data.inputs(), end, target),
            false => 0.0,
        };
        let writes = written && (windows - 1 - sample / targets).is_multiple_of(horizon);
        for step in 0..horizon {
            let truth = level[end + 1 + step];
            let seen = data.observed(sample, step);
            let value = |change: f64| transform.after(before, change * unit);
            if seen {
                for (changes, errors) in changes.iter().zip(&mut tally.errors) {
                    errors[target][step].add(before, truth, value(changes[step]));
                }
            }
            if intervals && (seen || writes) {
                outputs.quantiles(fitted, [sample, step], restless, &mut quantiles);
                quantiles.iter_mut().for_each(|q| *q = value(*q));
                if seen {
                    let sharp = &mut tally.intervals[step];
                    sharp.n += 1.0;
                    if let Some((low, high)) = bounds {
                        let (low, high) = (quantiles[low], quantiles[high]);
                        sharp.inside += f64::from(u8::from(low <= truth && truth <= high));
                        sharp.width += high - low;
                    }
                    let pinball = quantiles.iter().zip(&levels).map(|(at, q)| {
                        let error = truth - at;
                        (q * error).max((q - 1.0) * error)
                    });
                    sharp.crps += 2.0 * pinball.sum::<f64>() / levels.len() as f64;
                }
            }
            if writes {
                let rows = &mut tally.rows;
                rows.places.push((target, end + 1 + step));
                rows.time.push(data.frame().times[end + 1 + step]);
                rows.target.push(data.frame().targets[target].clone());
                rows.step.push((step + 1) as f64);
                rows.truth.push(if seen { truth } else { f64::NAN });
                if let Some((low, high)) = bounds.filter(|_| intervals) {
                    rows.low.push(quantiles[low]);
                    rows.high.push(quantiles[high]);
                }
                for (column, changes) in rows.predictions.iter_mut().zip(&changes) {
                    column.push(value(changes[step]));
                }
            }
        }
    }
    Ok(tally)
}

/// Mean over the series.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

fn metrics(config: &ForecastConfig, fitted: &Fitted, steps: &Steps) -> Metrics {
    let whole: Vec<Errors> = steps
        .iter()
        .map(|steps| steps.iter().fold(Errors::default(), Errors::join))
        .collect();
    let each = |of: &dyn Fn(usize, &Errors) -> f64| {
        mean(whole.iter().enumerate().map(|(at, e)| of(at, e)))
    };
    let mut metrics = Metrics::from([
        ("mae".to_string(), each(&|_, e| e.mae())),
        ("rmse".to_string(), each(&|_, e| e.rmse())),
        ("smape".to_string(), each(&|_, e| e.symmetric / e.n)),
        ("bias".to_string(), each(&|_, e| e.signed / e.n)),
        ("r2".to_string(), each(&|_, e| ratio(e.squared, e.spread))),
        (
            "change_r2".to_string(),
            each(&|_, e| ratio(e.squared, e.moved)),
        ),
        (
            "mase".to_string(),
            each(&|at, e| match fitted.mase_scale[at] {
                0.0 => f64::NAN,
                scale => e.mae() / scale,
            }),
        ),
    ]);
    if whole.iter().all(|e| e.spoke && e.changes > 0.0) {
        metrics.insert("direction".to_string(), each(&|_, e| e.right / e.changes));
    }
    if fitted.layout.horizon > 1 {
        metrics.insert(
            "mae_step1".to_string(),
            mean(steps.iter().map(|s| s[0].mae())),
        );
    }
    if config.data.transform == Transform::None {
        let deviation = |at: usize| fitted.level.std()[at];
        let mse = each(&|at, e| e.squared / e.n / deviation(at).powi(2));
        metrics.insert("scaled_mse".to_string(), mse);
        let mae = each(&|at, e| e.mae() / deviation(at));
        metrics.insert("scaled_mae".to_string(), mae);
    }
    metrics
}

/// `1 − missed / all`; NaN where there is nothing to explain.
fn ratio(missed: f64, all: f64) -> f64 {
    match all {
        0.0 => f64::NAN,
        all => 1.0 - missed / all,
    }
}

/// Scores one part, over all steps: errors of the model and of each baseline, and what the intervals are worth.
///
/// Values that were filled in are not scored. R² of a value says little where values hardly change from row to row:
/// persistence has .98 for prices. `change_r2` is `1 − Σ(y − ŷ)² / Σ(y − y₀)²` with the newest value y₀: 0 for persistence, 1 for
/// perfect (the out-of-sample R² of Campbell & Thompson 2008). `direction` is the share of changes whose sign was
/// foreseen; a forecaster that foresees no change has none. `crps` is twice the mean pinball loss over the quantiles, which
/// is the continuous ranked probability score as far as ten quantiles know it. Of several series the figures are means.
///
/// # Errors
/// If the outputs do not fit the samples.
pub(super) fn score(
    config: &ForecastConfig,
    fitted: &Fitted,
    split: &ScoredSplit<'_, SeriesData>,
) -> Result<Scores> {
    let tally = tally(config, fitted, split)?;
    let mut own = metrics(config, fitted, &tally.errors[MODEL]);
    let sharp = tally
        .intervals
        .iter()
        .fold(Sharpness::default(), |a, b| Sharpness {
            n: a.n + b.n,
            inside: a.inside + b.inside,
            width: a.width + b.width,
            crps: a.crps + b.crps,
        });
    if sharp.n > 0.0 {
        own.insert("coverage".to_string(), sharp.inside / sharp.n);
        own.insert("width".to_string(), sharp.width / sharp.n);
        own.insert("crps".to_string(), sharp.crps / sharp.n);
    }
    let others = tally.names.iter().zip(&tally.errors).skip(1);
    let baselines: BTreeMap<String, Metrics> = others
        .map(|(name, steps)| ((*name).to_string(), metrics(config, fitted, steps)))
        .collect();
    let rows = match tally.rows.time.is_empty() {
        true => None,
        false => Some(table(tally.rows, &tally.names, fitted)?),
    };
    Ok(Scores {
        metrics: own,
        baselines,
        rows,
    })
}

fn table(rows: Rows, names: &[&str], fitted: &Fitted) -> Result<Table> {
    // Series by series, each in the order of the data.
    let mut order: Vec<usize> = (0..rows.places.len()).collect();
    order.sort_by_key(|&row| rows.places[row]);
    let mut table = Table::new("predictions").with("time", rows.time)?;
    if fitted.layout.names.targets.len() > 1 {
        table.push("target", rows.target)?;
    }
    if fitted.layout.horizon > 1 {
        table.push("step", rows.step)?;
    }
    table.push("truth", rows.truth)?;
    let mut predictions = rows.predictions.into_iter().zip(names);
    if let Some((values, name)) = predictions.next() {
        table.push(*name, values)?;
    }
    if !rows.low.is_empty() {
        table.push("low", rows.low)?;
        table.push("high", rows.high)?;
    }
    for (values, name) in predictions {
        table.push(*name, values)?;
    }
    Ok(table.select(&order))
}

/// The errors of each step: `horizon.csv`.
///
/// # Errors
/// As [`score`].
pub(super) fn details(
    config: &ForecastConfig,
    fitted: &Fitted,
    split: &ScoredSplit<'_, SeriesData>,
) -> Result<Vec<Table>> {
    let horizon = fitted.layout.horizon;
    if horizon == 1 {
        return Ok(Vec::new());
    }
    let tally = tally(config, fitted, split)?;
    let steps: Vec<f64> = (1..=horizon).map(|step| step as f64).collect();
    let mut table = Table::new("horizon").with("step", steps)?;
    for (name, series) in tally.names.iter().zip(&tally.errors) {
        let name = if *name == "prediction" { "model" } else { name };
        for (metric, of) in [
            ("mae", &Errors::mae as &dyn Fn(&Errors) -> f64),
            ("rmse", &Errors::rmse),
        ] {
            let column = (0..horizon).map(|step| mean(series.iter().map(|s| of(&s[step]))));
            table.push(format!("{name}_{metric}"), column.collect::<Vec<f64>>())?;
        }
    }
    if !tally.intervals.is_empty() {
        for (name, of) in [
            (
                "coverage",
                &(|s: &Sharpness| s.inside / s.n) as &dyn Fn(&Sharpness) -> f64,
            ),
            ("width", &|s| s.width / s.n),
            ("crps", &|s| s.crps / s.n),
        ] {
            table.push(name, tally.intervals.iter().map(of).collect::<Vec<f64>>())?;
        }
    }
    Ok(vec![table])
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::metrics::Regression;

    #[test]
    fn errors_are_those_of_the_metrics() {
        let (before, truth) = ([1.0, 2.0, 3.0, 5.0], [2.0, 1.0, 3.0, 7.0]);
        let prediction = [2.0, 3.0, 4.0, 3.0];
        let mut parts = [Errors::default(), Errors::default()];
        for row in 0..4 {
            parts[row / 3].add(before[row], truth[row], prediction[row]);
        }
        let whole = parts[0].join(&parts[1]);
        let want = Regression::of(&truth, &prediction, 2.0).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(whole.mae(), want.mae);
        close(whole.rmse(), want.rmse);
        close(whole.symmetric / whole.n, want.smape);
        close(whole.signed / whole.n, want.bias);
        close(ratio(whole.squared, whole.spread), want.r2);
        // Changes 1, −1, 0, 2; foreseen 1, 1, 1, −2: missed 0 + 4 + 1 + 16 of 6, one sign of three right.
        close(ratio(whole.squared, whole.moved), 1.0 - 21.0 / 6.0);
        assert_eq!((whole.right, whole.changes, whole.spoke), (1.0, 3.0, true));
        assert!(ratio(0.0, 0.0).is_nan());
    }
}
