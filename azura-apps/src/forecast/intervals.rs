//! Intervals: what the errors on the validation rows say about those to come.
//!
//! Split conformal prediction (Vovk et al. 2005; Lei et al. 2018), step by step: for each quantile the errors `(y − ŷ) / s` of the
//! validation samples are sorted, and the one at `⌈(n + 1) q⌉` is what is added to a prediction, times its scale `s`. For a model that
//! predicts quantiles ŷ is that quantile (Romano et al. 2019). New values lie below with probability q as far as they
//! behave like those of the validation rows; a series whose restlessness changes does not, unless `s` follows it.

use azura_core::Tensor;
use azura_learner::data::{DataError, DataErrorKind};
use azura_learner::{Error, Result};

use super::config::ForecastConfig;
use super::data::{Fitted, SeriesData, scale};
use azura_learner::data::Dataset;

/// The outputs of a model as numbers, `[samples, H, Q]`.
pub(super) struct Outputs {
    values: Vec<f32>,
    horizon: usize,
    /// Numbers for each step: one, or one for each quantile.
    quantiles: usize,
    /// Where the point prediction is among them.
    middle: usize,
}

impl Outputs {
    pub(super) fn of(
        config: &ForecastConfig,
        outputs: &Tensor,
        samples: usize,
        horizon: usize,
    ) -> Result<Self> {
        let values: Vec<f32> = outputs.to_vec().map_err(Error::Core)?;
        let quantiles = values.len() / (samples * horizon).max(1);
        if quantiles == 0 || samples * horizon * quantiles != values.len() {
            let what = format!(
                "{} outputs for {samples} samples of {horizon} steps",
                values.len()
            );
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        let levels = config.intervals.quantiles();
        let middle = match quantiles {
            1 => 0,
            _ => levels.iter().position(|&q| q == 0.5).unwrap_or(0),
        };
        Ok(Outputs {
            values,
            horizon,
            quantiles,
            middle,
        })
    }

    /// The prediction for a step, counted from 0.
    pub(super) fn point(&self, sample: usize, step: usize) -> f64 {
        self.at(sample, step, self.middle)
    }

    /// The prediction that a quantile begins from.
    fn base(&self, sample: usize, step: usize, quantile: usize) -> f64 {
        match self.quantiles {
            1 => self.at(sample, step, 0),
            _ => self.at(sample, step, quantile),
        }
    }

    fn at(&self, sample: usize, step: usize, quantile: usize) -> f64 {
        f64::from(self.values[(sample * self.horizon + step) * self.quantiles + quantile])
    }

    /// Writes the quantiles of a step, ascending.
    pub(super) fn quantiles(
        &self,
        fitted: &Fitted,
        [sample, step]: [usize; 2],
        scale: f64,
        out: &mut Vec<f64>,
    ) {
        out.clear();
        let offsets = fitted.offsets[step].iter().enumerate();
        out.extend(offsets.map(|(q, offset)| self.base(sample, step, q) + scale * offset));
        // Quantiles that are predicted one by one may cross.
        out.sort_by(f64::total_cmp);
    }
}

/// For each step and quantile, what is added to the prediction, in scales.
pub(super) fn calibrate(
    config: &ForecastConfig,
    val: &SeriesData,
    outputs: &Tensor,
) -> Result<Vec<Vec<f64>>> {
    let horizon = val.horizon();
    let outputs = Outputs::of(config, outputs, val.len(), horizon)?;
    let levels = config.intervals.quantiles();
    let mut truth = Vec::with_capacity(val.len());
    let mut scales = Vec::with_capacity(val.len());
    for sample in 0..val.len() {
        let (end, target) = val.sample(sample);
        scales.push(scale(config.intervals.scale, val.inputs(), end, target));
        truth.push(val.changes(sample).collect::<Vec<f64>>());
    }
    let step_offsets = |step: usize| {
        let offset = |(at, q): (usize, &f64)| {
            let mut errors: Vec<f64> = (0..val.len())
                .filter(|&sample| val.observed(sample, step))
                .map(|i| (truth[i][step] - outputs.base(i, step, at)) / scales[i])
                .collect();
            errors.sort_by(f64::total_cmp);
            quantile(&errors, *q)
        };
        levels.iter().enumerate().map(offset).collect::<Vec<f64>>()
    };
    Ok((0..horizon).map(step_offsets).collect())
}

/// The error at `⌈(n + 1) q⌉` for quantiles above a half, and its mirror image below.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let n = sorted.len();
    let rank = |q: f64| ((((n + 1) as f64) * q - 1e-9).ceil() as usize).clamp(1, n.max(1));
    match n {
        0 => 0.0,
        _ if q >= 0.5 => sorted[rank(q) - 1],
        _ => sorted[n - rank(1.0 - q)],
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn ranks_are_those_of_split_conformal_prediction() {
        let errors: Vec<f64> = (1..=9).map(f64::from).collect();
        // n + 1 = 10: the ninth is above nine of ten new values, the first below as many.
        assert_eq!(quantile(&errors, 0.9), 9.0);
        assert_eq!(quantile(&errors, 0.1), 1.0);
        assert_eq!(quantile(&errors, 0.5), 5.0);
        assert_eq!(quantile(&errors, 0.8), 8.0);
        assert_eq!(quantile(&errors, 0.2), 2.0);
        // Too few for a bound that is never passed: the largest there is.
        assert_eq!(quantile(&errors, 0.99), 9.0);
        assert_eq!(quantile(&[], 0.9), 0.0);
    }

    /// Of values from the same source as many lie between the bounds as the level says.
    #[test]
    fn coverage_is_what_was_asked_for() {
        let mut rng = azura_core::Rng::new(5);
        let (mut inside, mut all) = (0, 0);
        for _ in 0..400 {
            let mut errors: Vec<f64> = (0..19).map(|_| rng.normal()).collect();
            errors.sort_by(f64::total_cmp);
            let (low, high) = (quantile(&errors, 0.1), quantile(&errors, 0.9));
            for _ in 0..20 {
                let x = rng.normal();
                inside += usize::from(x >= low && x <= high);
                all += 1;
            }
        }
        let share = inside as f64 / all as f64;
        assert!((share - 0.8).abs() < 0.02, "{share}");
    }
}
