//! The activations of the gates, short enough for a step's cells to cost less than its matrix product.
//!
//! Gates saturate, so these take fewer steps than the functions of `math`: no results below the smallest normal number
//! and no second scaling. With them the cells of a step take 0.6 of the time; see the benches.

use crate::cpu::gemm::Real;
use crate::cpu::math::Num;

/// A number that has gate activations.
pub(crate) trait Gate: Real {
    /// `1 / (1 + exp(-x))`; in f32 within 3 ulp where the result is a normal number, and at least 2⁻¹²⁶.
    fn gate_sigmoid(self) -> Self;
    /// The hyperbolic tangent; in f32 within 3 ulp.
    fn gate_tanh(self) -> Self;
}

impl Gate for f64 {
    #[inline(always)]
    fn gate_sigmoid(self) -> Self {
        self.sigmoid()
    }
    #[inline(always)]
    fn gate_tanh(self) -> Self {
        Num::tanh(self)
    }
}

impl Gate for f32 {
    #[inline(always)]
    fn gate_sigmoid(self) -> Self {
        let (p, n) = split_exp(-self, 87.0);
        // Adding n to the exponent multiplies by 2ⁿ; 1 + p is between 0.7 and 1.5.
        let e = f32::from_bits((1.0 + p).to_bits().wrapping_add(n << 23));
        1.0 / (1.0 + e)
    }

    /// `(e²ˣ - 1) / (e²ˣ + 1)`. With `e²ˣ = 2ⁿ·(1 + p)` the numerator is `2ⁿ·p + (2ⁿ - 1)`, which is exact to
    /// the last places near zero, where n is 0.
    #[inline(always)]
    fn gate_tanh(self) -> Self {
        // From 9.1 on the result rounds to 1.
        let (p, n) = split_exp(self + self, 20.0);
        let scale = f32::from_bits(n.wrapping_add(127) << 23);
        let m = scale.mul_add(p, scale - 1.0);
        m / (m + 2.0)
    }
}

/// `(p, n)` with `exp(x) = 2ⁿ·(1 + p)` for x clamped to ±`limit`; NaN gives a p that is NaN.
#[inline(always)]
fn split_exp(x: f32, limit: f32) -> (f32, u32) {
    let x = if x > limit { limit } else { x };
    let x = if x < -limit { -limit } else { x };
    // Adding 1.5·2²³ rounds to an integer that then stands in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    // Cephes' polynomial for (exp(r) - 1 - r) / r².
    let q = 1.987_569_2e-4;
    let q = r.mul_add(q, 1.398_199_9e-3);
    let q = r.mul_add(q, 8.333_452e-3);
    let q = r.mul_add(q, 4.166_579_6e-2);
    let q = r.mul_add(q, 1.666_666_5e-1);
    let q = r.mul_add(q, 0.5);
    (
        q.mul_add(r * r, r),
        shifted.to_bits().wrapping_sub(MAGIC.to_bits()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units of the last place of the exact result.
    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, low: f32, high: f32) -> f64 {
        (0..400_000)
            .map(|i| {
                let x = low + (high - low) * i as f32 / 399_999.0;
                let (got, want) = (f64::from(f(x)), exact(f64::from(x)));
                let ulp = f64::from(f32::EPSILON) * 2f64.powi(want.abs().log2().floor() as i32);
                if want == got {
                    0.0
                } else {
                    (got - want).abs() / ulp
                }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn errors_stay_within_three_ulp() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (low, high) in [(-86.0, 90.0), (-2.0, 2.0), (-1e-3, 1e-3)] {
            let error = worst(Gate::gate_sigmoid, sigmoid, low, high);
            assert!(error <= 3.0, "sigmoid in {low}..{high}: {error}");
        }
        for (low, high) in [(-12.0, 12.0), (-0.4, 0.4), (-1e-3, 1e-3), (1e-30, 1e-28)] {
            let error = worst(Gate::gate_tanh, f64::tanh, low, high);
            assert!(error <= 3.0, "tanh in {low}..{high}: {error}");
        }
    }

    #[test]
    fn the_ends_saturate_and_nan_stays() {
        let inf = f32::INFINITY;
        assert_eq!([100.0, inf, f32::MAX].map(Gate::gate_sigmoid), [1.0; 3]);
        assert!(
            [-100.0, -inf, f32::MIN]
                .into_iter()
                .all(|x: f32| x.gate_sigmoid() < 2e-38)
        );
        assert_eq!(
            [100.0, inf, f32::MAX, -100.0, -inf, 0.0f32].map(Gate::gate_tanh),
            [1.0, 1.0, 1.0, -1.0, -1.0, 0.0]
        );
        assert!(f32::NAN.gate_sigmoid().is_nan() && f32::NAN.gate_tanh().is_nan());
    }
}
