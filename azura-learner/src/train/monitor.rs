//! The value that decides which epoch is best.

use azura_core::Rng;

use super::reach::first_backward;
use super::{Evaluation, Training, evaluate};
use crate::app::{Metrics, Part};
use crate::data::{DataError, DataErrorKind};
use crate::error::{Error, Problem, Result};
use crate::layers::Ctx;

/// The configured key, or the training loss where there are no validation rows.
pub(super) fn key(training: &dyn Training) -> &str {
    let config = training.config();
    match training.data(Part::Val) {
        None if config.monitor.starts_with("val.") => "train.loss",
        _ => &config.monitor,
    }
}

/// Its value among the metrics of an epoch.
pub(super) fn value(training: &dyn Training, metrics: &Metrics) -> Result<f64> {
    let key = key(training);
    metrics.get(key).copied().ok_or_else(|| {
        let keys: Vec<&str> = metrics.keys().map(String::as_str).collect();
        let message = format!("must name a value of the training, but is `{key}`");
        let problem = Problem::new("train.monitor", message);
        Error::Config(vec![
            problem.help(format!("there are: {}", keys.join(", "))),
        ])
    })
}

/// Scores the validation rows, if there are any, and adds `val.loss` and each score to `metrics`. A loss that is not finite
/// is added too, but then nothing is scored.
pub(super) fn validate(
    training: &dyn Training,
    metrics: &mut Metrics,
) -> Result<Option<Evaluation>> {
    let Some(data) = training.data(Part::Val) else {
        return Ok(None);
    };
    let evaluation = evaluate(training.model(), data, training.config().batch)?;
    metrics.insert("val.loss".to_string(), evaluation.loss);
    if evaluation.loss.is_finite() || evaluation.weight == 0.0 {
        for (name, value) in training.score(&evaluation.outputs)? {
            metrics.insert(format!("val.{name}"), value);
        }
    }
    Ok(Some(evaluation))
}

/// What a training will need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Bytes of the parameters.
    pub weights: u64,
    /// Bytes of the optimiser's moments and of the average of the weights.
    pub moments: u64,
    /// Bytes that one batch took, forward and backward: its rows, what is kept for the gradients, and the gradients.
    pub step: u64,
    /// Rows of that batch.
    pub rows: usize,
}

/// Does once what a training does again and again, without a step: a batch forward and backward, and the scores of
/// the validation rows. So it finds a monitored value that does not exist before an epoch is spent, and measures memory.
///
/// # Errors
/// As the first epoch of [`Trainer::run`](super::Trainer::run).
pub fn rehearse(training: &dyn Training) -> Result<Rehearsal> {
    let config = training.config();
    let problems = config.check();
    if !problems.is_empty() {
        return Err(Error::Config(problems));
    }
    crate::optim::check_patterns(config, training.store())?;
    let data = training
        .data(Part::Train)
        .ok_or_else(|| DataError::new(DataErrorKind::Size, "there are no training rows"))?;
    let rows: Vec<usize> = (0..data.len().min(config.batch)).collect();
    let before = azura_core::bytes_from_system();
    let batch = data.batch(&rows)?;
    let mut ctx = Ctx::train(Rng::new(config.seed).fork("rehearsal"));
    let output = training.model().forward(&batch, &mut ctx)?;
    let loss = training.model().loss(&output, &batch)?;
    if loss.weight > 0.0 {
        first_backward(training.store(), &loss.mean()?)?;
    }
    let step = azura_core::bytes_from_system() - before;
    drop((output, loss));
    ctx.discard_statistics();
    training.store().zero_grad();
    let mut metrics = Metrics::from([("train.loss".to_string(), f64::NAN)]);
    validate(training, &mut metrics)?;
    value(training, &metrics)?;
    let weights: u64 = training
        .store()
        .params()
        .iter()
        .map(|p| (p.value().numel() * p.value().dtype().size()) as u64)
        .sum();
    Ok(Rehearsal {
        weights,
        moments: weights * config.moments(),
        step,
        rows: rows.len(),
    })
}
