//! Scores beside the answer without looking and a linear model of the same inputs.

use std::collections::BTreeMap;

use azura_core::{DType, Tensor};
use azura_learner::app::{Metrics, ScoredSplit, Scores};
use azura_learner::baselines::Logistic;
use azura_learner::data::{Dataset, Table};
use azura_learner::metrics::{self, Average, Confusion};
use azura_learner::{Error, Result};

use super::data::{Fitted, Linear, Naive, TabularData, predictions};
use super::target::{Task, Truth};
use crate::probability::{most_probable, of_class, probabilities};

/// Scores of one part: accuracy, F1 (the mean over classes), log-loss and, for two classes, the area under the ROC curve; or MAE, RMSE,
/// R² and bias of a number, in its own unit.
pub(super) fn score(fitted: &Fitted, split: &ScoredSplit<'_, TabularData>) -> Result<Scores> {
    match (&split.data.truth, &fitted.target.task) {
        (Truth::Classes(truth), Task::Classes(names)) => classes(fitted, split, truth, names),
        (Truth::Numbers(truth), _) => numbers(fitted, split, truth),
        (Truth::Classes(_), Task::Number { .. }) => Err(Error::Usage(
            "the model predicts numbers, not classes".to_string(),
        )),
    }
}

/// A number in its own unit from a scaled one.
pub(super) fn unscaled(task: &Task, outputs: &Tensor) -> Result<Vec<f64>> {
    let (mean, std) = match task {
        Task::Number { mean, std } => (*mean, *std),
        Task::Classes(_) => (0.0, 1.0),
    };
    let outputs: Vec<f64> = outputs.cast(DType::F64)?.to_vec()?;
    Ok(outputs.into_iter().map(|z| mean + std * z).collect())
}

fn classes(
    fitted: &Fitted,
    split: &ScoredSplit<'_, TabularData>,
    truth: &[usize],
    names: &[String],
) -> Result<Scores> {
    let (data, count) = (split.data, names.len());
    let measure = |p: &[f64]| -> Result<(Metrics, Vec<usize>)> {
        let predicted = most_probable(p, count);
        let [_, _, f1] = Confusion::of(truth, &predicted, count)?.average(Average::Macro);
        let mut metrics = Metrics::from([
            (
                "accuracy".to_string(),
                metrics::accuracy(truth, &predicted)?,
            ),
            ("f1".to_string(), f1),
            ("log_loss".to_string(), metrics::log_loss(truth, p, count)?),
        ]);
        let second: Vec<bool> = truth.iter().map(|&class| class == 1).collect();
        if count == 2 && second.contains(&true) && second.contains(&false) {
            let score: Vec<f64> = p.chunks_exact(2).map(|p| p[1]).collect();
            metrics.insert("roc_auc".to_string(), metrics::roc_auc(&second, &score)?);
        }
        Ok((metrics, predicted))
    };
    let p = probabilities(split.outputs)?;
    let (own, predicted) = measure(&p)?;
    if !split.full {
        return Ok(Scores {
            metrics: own,
            ..Scores::default()
        });
    }
    let texts = |classes: &[usize]| -> Vec<String> {
        classes.iter().map(|&class| names[class].clone()).collect()
    };
    let best = of_class(&p, &predicted, count);
    let mut rows = named(data)?
        .with("truth", texts(truth))?
        .with("prediction", texts(&predicted))?
        .with("probability", best)?;
    let mut baselines = BTreeMap::new();
    if let Naive::Majority { class, shares } = &fitted.naive {
        let p: Vec<f64> = truth.iter().flat_map(|_| shares).copied().collect();
        let (metrics, _) = measure(&p)?;
        baselines.insert("majority".to_string(), metrics);
        rows.push("majority", texts(&vec![*class; truth.len()]))?;
    }
    if let Linear::Logistic(model) = &fitted.linear {
        let (metrics, predicted) = measure(&linear_probabilities(fitted, model, data))?;
        baselines.insert("logistic regression".to_string(), metrics);
        rows.push("logistic regression", texts(&predicted))?;
    }
    Ok(Scores {
        metrics: own,
        baselines,
        rows: Some(rows),
    })
}

fn linear_probabilities(fitted: &Fitted, model: &Logistic, data: &TabularData) -> Vec<f64> {
    let mut features = vec![0.0; fitted.inputs.one_hot_width()];
    (0..data.len())
        .flat_map(|row| {
            fitted.inputs.one_hot(&data.encoded, row, &mut features);
            model.predict(&features)
        })
        .collect()
}

fn numbers(fitted: &Fitted, split: &ScoredSplit<'_, TabularData>, truth: &[f64]) -> Result<Scores> {
    let data = split.data;
    let measure = |prediction: &[f64]| -> Result<Metrics> {
        Ok(Metrics::from([
            ("mae".to_string(), metrics::mae(truth, prediction)?),
            ("rmse".to_string(), metrics::rmse(truth, prediction)?),
            ("r2".to_string(), metrics::r2(truth, prediction)?),
            ("bias".to_string(), metrics::bias(truth, prediction)?),
        ]))
    };
    let prediction = unscaled(&fitted.target.task, split.outputs)?;
    let own = measure(&prediction)?;
    if !split.full {
        return Ok(Scores {
            metrics: own,
            ..Scores::default()
        });
    }
    let mut rows = named(data)?
        .with("truth", truth.to_vec())?
        .with("prediction", prediction)?;
    let mut baselines = BTreeMap::new();
    let mut beside = |name: &str, values: Vec<f64>| -> Result<()> {
        baselines.insert(name.to_string(), measure(&values)?);
        Ok(rows.push(name, values)?)
    };
    if let Naive::Mean(mean) = fitted.naive {
        beside("mean", vec![mean; truth.len()])?;
    }
    if let Linear::Ridge { model, .. } = &fitted.linear {
        beside(
            "ridge",
            predictions(model, &fitted.inputs, &data.encoded, data.len()),
        )?;
    }
    Ok(Scores {
        metrics: own,
        baselines,
        rows: Some(rows),
    })
}

/// A table with the line of each row, if it has one.
fn named(data: &TabularData) -> Result<Table> {
    let table = Table::new("predictions");
    if data.lines.len() == data.len() {
        return Ok(table.with("line", data.lines.clone())?);
    }
    Ok(table)
}
