//! Scores in the series' own unit, with the baselines that a model must be compared with.

use std::collections::BTreeMap;

use azura_core::Tensor;
use azura_learner::app::{Metrics, ScoredSplit, Scores};
use azura_learner::baselines::{persistence, seasonal_naive};
use azura_learner::data::{DataError, DataErrorKind, Dataset, Table};
use azura_learner::metrics::Regression;
use azura_learner::{Error, Result};

use super::fit::{Fitted, SeriesData};
use super::step::Step;

/// A baseline besides persistence and the ridge regression, which every series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The value so many rows before the predicted one: `seasonal_naive`. Windows must be at least as long.
    Season(usize),
    /// The last value moved by the mean step of the training rows: `drift`.
    Drift,
}

/// Scores one part: MAE, RMSE, R², sMAPE, MASE and bias of the model and of each baseline, and how much
/// of the change from the last value was foreseen.
///
/// R² of a value says little where values hardly change from row to row: persistence has .98 for prices.
/// `change_r2` is `1 − Σ(y − ŷ)² / Σ(y − y₋₁)²`: 0 for persistence, 1 for perfect (the out-of-sample R² of Campbell &
/// Thompson 2008). `direction` is the share of changes whose sign was foreseen; a prediction without any change has none.
///
/// # Errors
/// If the outputs do not fit the samples.
pub fn score(
    step: Step,
    baseline: Baseline,
    fitted: &Fitted,
    split: &ScoredSplit<'_, SeriesData>,
) -> Result<Scores> {
    let data = split.data;
    let rows = data.target_rows();
    let level = data.level();
    let truth: Vec<f64> = rows.iter().map(|&row| level[row]).collect();
    let values = |outputs: &[f64]| -> Vec<f64> {
        rows.iter()
            .zip(outputs)
            .map(|(&row, &z)| fitted.value(step, level[row - 1], z))
            .collect()
    };
    let prediction = values(&outputs(split.outputs, data.len())?);
    let before: Vec<f64> = rows.iter().map(|&row| level[row - 1]).collect();
    let measure = |prediction: &[f64]| -> Result<Metrics> {
        let mut metrics = metrics(&Regression::of(&truth, prediction, fitted.mase_scale)?);
        let (change_r2, direction) = of_change(&before, &truth, prediction);
        metrics.insert("change_r2".to_string(), change_r2);
        if let Some(direction) = direction {
            metrics.insert("direction".to_string(), direction);
        }
        Ok(metrics)
    };
    let mut scores = Scores {
        metrics: measure(&prediction)?,
        ..Scores::default()
    };
    if !split.full {
        return Ok(scores);
    }

    let second = match baseline {
        Baseline::Season(season) => ("seasonal_naive", seasonal_naive(level, &rows, season, 1)?),
        // The scaler's mean is the mean step of the training rows.
        Baseline::Drift => ("drift", values(&vec![0.0; rows.len()])),
    };
    let columns = [
        ("persistence", persistence(level, &rows, 1)?),
        second,
        (
            "ridge",
            values(&fitted.ridge.predict_windows(data.windows())?),
        ),
    ];
    let mut table = Table::new("predictions")
        .with(
            "time",
            rows.iter()
                .map(|&row| data.times()[row])
                .collect::<Vec<_>>(),
        )?
        .with("truth", truth.clone())?
        .with("prediction", prediction)?;
    let mut baselines = BTreeMap::new();
    for (name, values) in columns {
        baselines.insert(name.to_string(), measure(&values)?);
        table.push(name, values)?;
    }
    scores.baselines = baselines;
    scores.rows = Some(table);
    Ok(scores)
}

/// The outputs of a model, one a sample, as numbers.
pub(super) fn outputs(outputs: &Tensor, samples: usize) -> Result<Vec<f64>> {
    let outputs: Vec<f32> = outputs.to_vec().map_err(Error::Core)?;
    if outputs.len() != samples {
        let what = format!("{} outputs for {samples} samples", outputs.len());
        return Err(DataError::new(DataErrorKind::Size, what).into());
    }
    Ok(outputs.into_iter().map(f64::from).collect())
}

/// Share of the squared change that is explained, and share of the changes whose sign is right.
fn of_change(before: &[f64], truth: &[f64], prediction: &[f64]) -> (f64, Option<f64>) {
    let (mut missed, mut moved) = (0.0, 0.0);
    let (mut right, mut changes, mut silent) = (0usize, 0usize, true);
    for ((before, truth), prediction) in before.iter().zip(truth).zip(prediction) {
        let (change, foreseen) = (truth - before, prediction - before);
        missed += (change - foreseen).powi(2);
        moved += change.powi(2);
        silent &= foreseen == 0.0;
        if change != 0.0 {
            changes += 1;
            right += usize::from(change * foreseen > 0.0);
        }
    }
    let direction = (!silent && changes > 0).then(|| right as f64 / changes as f64);
    (1.0 - missed / moved, direction)
}

fn metrics(r: &Regression) -> Metrics {
    [
        ("mae", r.mae),
        ("rmse", r.rmse),
        ("r2", r.r2),
        ("smape", r.smape),
        ("mase", r.mase),
        ("bias", r.bias),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::of_change;

    #[test]
    fn foreseen_changes() {
        let (before, truth) = ([1.0, 2.0, 3.0, 5.0], [2.0, 1.0, 3.0, 7.0]);
        assert_eq!(of_change(&before, &truth, &truth), (1.0, Some(1.0)));
        assert_eq!(of_change(&before, &truth, &before), (0.0, None));
        // Changes 1, −1, 0, 2; foreseen 1, 1, 1, −2: missed 0 + 4 + 1 + 16 of 6, one sign of three right.
        assert_eq!(
            of_change(&before, &truth, &[2.0, 3.0, 4.0, 3.0]),
            (1.0 - 21.0 / 6.0, Some(1.0 / 3.0))
        );
        assert!(of_change(&[1.0], &[1.0], &[1.0]).0.is_nan());
    }
}
