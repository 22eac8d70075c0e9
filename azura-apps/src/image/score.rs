//! Scores beside the most frequent class and a linear model of the pixels.

use std::collections::BTreeMap;

use azura_learner::Result;
use azura_learner::app::{Metrics, ScoredSplit, Scores};
use azura_learner::data::Table;
use azura_learner::metrics::{self, Average, Confusion};

use super::data::{Fitted, ImageSamples};
use crate::probability::{most_probable, of_class, probabilities};

/// Bins of the calibration error, as Guo et al. 2017 have them.
const BINS: usize = 15;

/// Accuracy, F1 (the mean over classes), log-loss in nats, calibration error and, where there are more than five classes, the share of
/// images whose class is among the five most probable.
pub(super) fn score(fitted: &Fitted, split: &ScoredSplit<'_, ImageSamples>) -> Result<Scores> {
    let (data, count) = (split.data, fitted.classes.len());
    let truth = data.rows.labels();
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
            (
                "calibration_error".to_string(),
                metrics::calibration_error(truth, p, count, BINS)?,
            ),
        ]);
        if count > 5 {
            let top = metrics::top_k_accuracy(truth, p, count, 5)?;
            metrics.insert("top5_accuracy".to_string(), top);
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
        let name = |&class: &usize| fitted.classes[class].clone();
        classes.iter().map(name).collect()
    };
    let best = of_class(&p, &predicted, count);
    let mut rows = Table::new("predictions")
        .with("image", data.names.clone())?
        .with("truth", texts(truth))?
        .with("prediction", texts(&predicted))?
        .with("probability", best)?;
    let mut baselines = BTreeMap::new();

    // With one image more of each class, so that no class is impossible.
    let all = (fitted.counts.iter().sum::<usize>() + count) as f64;
    let shares: Vec<f64> = fitted
        .counts
        .iter()
        .map(|&n| (n + 1) as f64 / all)
        .collect();
    let p: Vec<f64> = truth.iter().flat_map(|_| &shares).copied().collect();
    let (metrics, predicted) = measure(&p)?;
    baselines.insert("majority".to_string(), metrics);
    rows.push("majority", texts(&predicted))?;

    if let Some(model) = &fitted.logistic {
        let mut p = Vec::with_capacity(truth.len() * count);
        data.each(|pixels| p.extend(model.predict(pixels)))?;
        let (metrics, predicted) = measure(&p)?;
        baselines.insert("logistic regression".to_string(), metrics);
        rows.push("logistic regression", texts(&predicted))?;
    }
    Ok(Scores {
        metrics: own,
        baselines,
        rows: Some(rows),
    })
}
