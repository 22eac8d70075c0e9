//! Series: noise, scale and tempo (Um et al. 2017, arXiv:1706.00527; Le Guennec, Malinowski & Tavenard 2016).
//!
//! A series is `[T, C]`: `channels` numbers for each step, one step after the other.

use azura_core::Rng;

/// Adds a normal number of standard deviation `sigma` to every value.
pub fn jitter(series: &mut [f32], sigma: f64, rng: &mut Rng) {
    for x in series {
        *x += (sigma * rng.normal()) as f32;
    }
}

/// Multiplies each channel by a normal number of mean 1 and standard deviation `sigma`.
pub fn scaling(series: &mut [f32], channels: usize, sigma: f64, rng: &mut Rng) {
    let factors: Vec<f32> = (0..channels)
        .map(|_| (1.0 + sigma * rng.normal()) as f32)
        .collect();
    for step in series.chunks_exact_mut(channels) {
        for (x, factor) in step.iter_mut().zip(&factors) {
            *x *= factor;
        }
    }
}

/// A window of `share` of the steps, anywhere, becomes twice as slow or twice as fast, and the whole is brought back to its length, all by
/// linear interpolation.
pub fn window_warping(series: &mut [f32], channels: usize, share: f64, rng: &mut Rng) {
    let steps = series.len() / channels.max(1);
    let window = ((share * steps as f64).round() as usize).min(steps);
    if window < 2 || steps < 3 {
        return;
    }
    let start = rng.below((steps - window + 1) as u64) as usize;
    let speed = if rng.below(2) == 1 { 2.0 } else { 0.5 };
    warp(series, channels, [start, start + window], speed);
}

/// Steps `window[0]..window[1]` played `speed` times as fast, the whole stretched back to its length.
pub fn warp(series: &mut [f32], channels: usize, window: [usize; 2], speed: f64) {
    let steps = series.len() / channels.max(1);
    let old = series.to_vec();
    let [start, end] = window.map(|at| at as f64);
    // Time after warping, as a function of time before: slope 1, then 1/speed inside of the window.
    let inside = (end - start) / speed;
    let whole = start + inside + (steps as f64 - end);
    let before = |t: f64| {
        if t < start {
            t
        } else if t < start + inside {
            start + (t - start) * speed
        } else {
            end + (t - start - inside)
        }
    };
    for (i, step) in series.chunks_exact_mut(channels).enumerate() {
        let t = i as f64 * (whole - 1.0) / (steps as f64 - 1.0);
        let at = before(t).clamp(0.0, steps as f64 - 1.0);
        let low = (at.floor() as usize).min(steps - 1);
        let high = (low + 1).min(steps - 1);
        let weight = (at - low as f64) as f32;
        for (c, x) in step.iter_mut().enumerate() {
            *x = old[low * channels + c] * (1.0 - weight) + old[high * channels + c] * weight;
        }
    }
}
