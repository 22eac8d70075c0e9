//! Random tensors, dropout and initial values: their distributions, with fixed seeds, and their bits.

#[path = "../common/mod.rs"]
mod common;

mod dropout;
mod init;
mod tensors;

/// The mean and the variance.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance)
}

/// Fails unless mean and variance are within four standard errors of what they should be; `kurtosis` is the
/// fourth central moment over the squared variance (3 of a normal, 1.8 of a uniform).
#[track_caller]
fn assert_moments(values: &[f64], mean: f64, variance: f64, kurtosis: f64) {
    let n = values.len() as f64;
    let (m, v) = moments(values);
    let slack = 4.0 * (variance / n).sqrt();
    assert!((m - mean).abs() < slack, "mean {m}, not {mean} ± {slack}");
    let slack = 4.0 * variance * ((kurtosis - 1.0) / n).sqrt();
    assert!(
        (v - variance).abs() < slack,
        "variance {v}, not {variance} ± {slack}"
    );
}

/// Kolmogorov and Smirnov: the largest distance of the empirical distribution from `probability`, times √n, is
/// above 1.95 once in a thousand times. Seeds are fixed, so the test gives the same answer every time.
#[track_caller]
fn assert_distribution(values: &[f64], probability: impl Fn(f64) -> f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(i, &x)| {
            let p = probability(x);
            (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
        })
        .fold(0.0, f64::max);
    assert!(distance * n.sqrt() < 1.95, "off by {distance}");
}

/// The probability that a standard normal number is below `x`: the midpoint rule, with nothing of the library.
fn below(x: f64) -> f64 {
    let steps = 60;
    let h = x / f64::from(steps);
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    0.5 + h
        * (0..steps)
            .map(|i| density((f64::from(i) + 0.5) * h))
            .sum::<f64>()
}
