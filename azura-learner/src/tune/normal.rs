//! The normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The density at `x`.
pub(super) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The probability of a value below `x`, to 1e-15, in the tail to eight digits (Hart 1968, algorithm 5666, as given by West 2005, "Better approximations
/// to cumulative normal functions").
pub(super) fn below(x: f64) -> f64 {
    // The tail beyond 8.3 is less than half a unit in the last place of 1, and most kernels end far from the border.
    if x > 8.3 {
        return 1.0;
    }
    let tail = tail(x.abs());
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The probability of a value above `x`, for `x` of 0 or more.
fn tail(x: f64) -> f64 {
    if x > 37.0 {
        return 0.0;
    }
    let e = (-0.5 * x * x).exp();
    if x < 10.0 * FRAC_1_SQRT_2 {
        let horner = |c: &[f64]| c.iter().fold(0.0, |sum, c| sum * x + c);
        e * horner(&UPPER) / horner(&LOWER)
    } else {
        let fraction = x + 1.0 / (x + 2.0 / (x + 3.0 / (x + 4.0 / (x + 0.65))));
        e / fraction / (2.0 * PI).sqrt()
    }
}

const UPPER: [f64; 7] = [
    3.526_249_659_989_11e-2,
    0.700_383_064_443_688,
    6.373_962_203_531_65,
    33.912_866_078_383,
    112.079_291_497_871,
    221.213_596_169_931,
    220.206_867_912_376,
];
const LOWER: [f64; 8] = [
    8.838_834_764_831_84e-2,
    1.755_667_163_182_64,
    16.064_177_579_207,
    86.780_732_202_946_1,
    296.564_248_779_674,
    637.333_633_378_831,
    793.826_512_519_948,
    440.413_735_824_752,
];

/// The logarithm of `φ(z) + z Φ(z)`, the expected improvement of a standard normal number over `−z`, and its derivative
/// `Φ(z) / (φ(z) + z Φ(z))` (Ament et al. 2023, "Unexpected improvements to expected improvement", arXiv:2310.20708).
pub(super) fn log_improvement(z: f64) -> (f64, f64) {
    if z > -5.0 {
        let h = density(z) + z * below(z);
        return (h.ln(), below(z) / h);
    }
    // Mills' ratio as an asymptotic series: h = φ(z) · (1/z² − 3/z⁴ + 15/z⁶ − 105/z⁸ …), cut where it still falls.
    let s = 1.0 / (z * z);
    let series = |c: [f64; 5]| c.iter().rev().fold(0.0, |sum, c| sum * s + c);
    let h = s * series([1.0, -3.0, 15.0, -105.0, 945.0]);
    let cdf = -1.0 / z * series([1.0, -1.0, 3.0, -15.0, 105.0]);
    (-0.5 * z * z - 0.5 * (2.0 * PI).ln() + h.ln(), cdf / h)
}

/// The logarithm of the probability below `z`, and its derivative.
pub(super) fn log_below(z: f64) -> (f64, f64) {
    if z > -5.0 {
        let p = below(z);
        return (p.ln(), density(z) / p);
    }
    // `x + 1/(x + 2/(x + …))` is the density over the probability; the fraction is exact to 1e-6 from 5 on.
    let x = -z;
    let ratio = x + 1.0 / (x + 2.0 / (x + 3.0 / (x + 4.0 / (x + 5.0 / x))));
    (-0.5 * z * z - 0.5 * (2.0 * PI).ln() - ratio.ln(), ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.norm.cdf
    #[test]
    fn probabilities() {
        for (x, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.96, 0.024_997_895_148_220_435),
            (-5.0, 2.866_515_718_791_933e-7),
            (-8.0, 6.220_960_574_271_785e-16),
        ] {
            assert!(
                (below(x) - p).abs() < 1e-15 && (below(x) / p - 1.0).abs() < 2e-8,
                "{x}: {}",
                below(x)
            );
        }
    }

    /// The two branches meet, and the derivative is that of the value.
    #[test]
    fn improvement() {
        let (a, b) = (
            log_improvement(-5.0 - 1e-9).0,
            log_improvement(-5.0 + 1e-9).0,
        );
        assert!((a - b).abs() < 1e-3, "{a} {b}");
        for z in [-30.0, -7.0, -2.0, 0.0, 3.0] {
            let difference = (log_improvement(z + 1e-5).0 - log_improvement(z - 1e-5).0) / 2e-5;
            let exact = log_improvement(z).1;
            assert!(
                (difference / exact - 1.0).abs() < 1e-2,
                "{z}: {difference} {exact}"
            );
        }
    }
}
