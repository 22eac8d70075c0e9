//! The minimum of a smooth function in a box.

use crate::baselines::dot;
use crate::lbfgs::direction;

/// Pairs of steps remembered.
const MEMORY: usize = 8;

/// Limited-memory BFGS with projection (Nocedal 1980; coordinates that stand at a bound and want beyond are held there, as in
/// Bertsekas 1982, "Projected Newton methods").
///
/// `value` writes the gradient into its second argument. Returns the best point and its value; the value at `x` must be
/// finite, a value elsewhere that is not finite is stepped back from.
pub(super) fn minimise(
    x: Vec<f64>,
    low: &[f64],
    high: &[f64],
    steps: usize,
    mut value: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> (Vec<f64>, f64) {
    let n = x.len();
    let mut x: Vec<f64> = (0..n).map(|i| x[i].clamp(low[i], high[i])).collect();
    let mut gradient = vec![0.0; n];
    let mut now = value(&x, &mut gradient);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..steps {
        let held = |i: usize, g: f64| (x[i] <= low[i] && g > 0.0) || (x[i] >= high[i] && g < 0.0);
        let free: Vec<f64> = (0..n)
            .map(|i| {
                if held(i, gradient[i]) {
                    0.0
                } else {
                    gradient[i]
                }
            })
            .collect();
        let size = free.iter().fold(0.0f64, |top, g| top.max(g.abs()));
        if size < 1e-6 {
            break;
        }
        let mut direction = direction(&pairs, &free);
        (0..n)
            .filter(|&i| held(i, gradient[i]))
            .for_each(|i| direction[i] = 0.0);
        if dot(&direction, &free) >= -1e-12 * dot(&free, &free) {
            pairs.clear();
            direction = free.iter().map(|g| -g).collect();
        }
        // The first step has no scale of its own: a tenth of a unit in the steepest coordinate.
        let mut length = if pairs.is_empty() {
            (0.1 / size).min(1.0)
        } else {
            1.0
        };
        let mut new = vec![0.0; n];
        let found = loop {
            let to: Vec<f64> = (0..n)
                .map(|i| (x[i] + length * direction[i]).clamp(low[i], high[i]))
                .collect();
            let then = value(&to, &mut new);
            let moved: Vec<f64> = to.iter().zip(&x).map(|(a, b)| a - b).collect();
            if then.is_finite() && then <= now + 1e-4 * dot(&moved, &gradient) {
                break Some((to, then, moved));
            }
            length *= 0.4;
            if length < 1e-10 {
                break None;
            }
        };
        let Some((to, then, moved)) = found else {
            break;
        };
        let turned: Vec<f64> = new.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 1e-12 * dot(&turned, &turned) {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((moved, turned));
        }
        let gained = now - then;
        (x, now) = (to, then);
        gradient.copy_from_slice(&new);
        if gained <= 1e-9 * now.abs().max(1.0) {
            break;
        }
    }
    (x, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrock_in_and_on_the_box() {
        let value = |x: &[f64], g: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            g[0] = -2.0 * a - 400.0 * x[0] * b;
            g[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let (x, _) = minimise(vec![-1.2, 1.0], &[-2.0, -2.0], &[2.0, 2.0], 500, value);
        assert!(
            (x[0] - 1.0).abs() < 1e-3 && (x[1] - 1.0).abs() < 2e-3,
            "{x:?}"
        );
        // With x0 at most 0.5 the minimum is at (0.5, 0.25).
        let (x, f) = minimise(vec![-1.2, 1.0], &[-2.0, -2.0], &[0.5, 2.0], 500, value);
        assert!(
            (x[0] - 0.5).abs() < 1e-6 && (x[1] - 0.25).abs() < 1e-3,
            "{x:?}"
        );
        assert!((f - 0.25).abs() < 1e-4);
    }
}
