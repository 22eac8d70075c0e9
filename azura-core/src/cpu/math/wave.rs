//! Sine and cosine of f32, without a call.
//!
//! Computed in f64: the angle less the nearest multiple n of π/2, whose digits stand in three numbers
//! (Cody & Waite 1980), then Taylor's series up to π/4, whose rests are below 1e-9. With n up to 2⁵⁰
//! the rest is exact to 2⁻⁵², so results are rounded correctly but for one in thousands.

/// Up to this size an angle is reduced exactly.
pub const MODERATE: f32 = 1e15;

/// The angle less n quarter turns, and n in the low bits.
#[inline(always)]
pub(super) fn quarters(x: f32) -> (f64, u64) {
    // Adding 1.5·2⁵² rounds to an integer that then stands in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    let shifted = f64::mul_add(x, std::f64::consts::FRAC_2_PI, MAGIC);
    let n = shifted - MAGIC;
    let r = f64::mul_add(n, -std::f64::consts::FRAC_PI_2, x);
    let r = f64::mul_add(n, -6.123_233_995_736_766e-17, r);
    let r = f64::mul_add(n, 1.497_384_904_859_183_3e-33, r);
    (r, shifted.to_bits())
}

/// The sine of an angle `r` of at most an eighth turn, after `quarters` quarter turns.
#[inline(always)]
pub(super) fn sine(r: f64, quarters: u64) -> f32 {
    let s = r * r;
    let p = f64::mul_add(s, -1.0 / 39_916_800.0, 1.0 / 362_880.0);
    let p = f64::mul_add(s, p, -1.0 / 5_040.0);
    let p = f64::mul_add(s, p, 1.0 / 120.0);
    let p = f64::mul_add(s, p, -1.0 / 6.0);
    let sin = f64::mul_add(s * r, p, r);
    let q = f64::mul_add(s, 1.0 / 479_001_600.0, -1.0 / 3_628_800.0);
    let q = f64::mul_add(s, q, 1.0 / 40_320.0);
    let q = f64::mul_add(s, q, -1.0 / 720.0);
    let q = f64::mul_add(s, q, 1.0 / 24.0);
    let q = f64::mul_add(s, q, -0.5);
    let cos = f64::mul_add(s, q, 1.0);
    let y = if quarters & 1 == 0 { sin } else { cos };
    (if quarters & 2 == 0 { y } else { -y }) as f32
}
