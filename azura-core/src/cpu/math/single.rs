//! Numbers of training: polynomials without a call, so that loops over them vectorise.

use super::{Num, erf, wave};

impl Num for f32 {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn gt_select(self, other: Self, yes: Self, no: Self) -> Self {
        if self > other { yes } else { no }
    }
    #[inline(always)]
    fn nan_select(self, yes: Self, no: Self) -> Self {
        if self.is_nan() { yes } else { no }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        f32::floor(self)
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        f32::ceil(self)
    }
    #[inline(always)]
    fn trunc(self) -> Self {
        f32::trunc(self)
    }
    #[inline(always)]
    fn round(self) -> Self {
        f32::round_ties_even(self)
    }

    /// `2ⁿ · (1 + p)`, with the power in two factors so that results below the smallest normal number
    /// round correctly.
    #[inline(always)]
    fn exp(self) -> Self {
        // Beyond these the result is infinity or zero.
        let (p, n) = split_exp(self, -104.0, 89.0);
        let half = (n as i32) >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        // What rounds to 0 is 0 before it is multiplied: -∞ stands for all that a mask hides, and a product that is too
        // small for a normal number takes as long as 50 others.
        let mantissa = if self < -104.0 { 0.0 } else { p + 1.0 };
        mantissa * power(half) * power((n as i32).wrapping_sub(half))
    }

    /// With `eˣ = 2ⁿ·(1 + p)` this is `2ⁿ·p + (2ⁿ - 1)`, exact to the last places near zero, where n is 0.
    /// Half of it is computed, since 2¹²⁸ is no number.
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let (p, n) = split_exp(self, -20.0, 89.0);
        let half = f32::from_bits(n.wrapping_add(126) << 23);
        let y = f32::mul_add(half, p, half - 0.5);
        // Here the result is its argument, and half of it may not be a number.
        if self.abs() < 1e-30 { self } else { y + y }
    }

    #[inline(always)]
    fn ln(self) -> Self {
        ln_of_sum(self, None)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        let sum = 1.0 + self;
        // What the sum lost.
        let part = sum - 1.0;
        let rest = (1.0 - (sum - part)) + (self - part);
        let y = ln_of_sum(sum, Some(rest));
        // A sum of 1 has lost all of it, and an infinite one has no rest.
        if sum == 1.0 || self == f32::INFINITY {
            self
        } else {
            y
        }
    }

    /// `(e²ˣ - 1) / (e²ˣ + 1)`. With `e²ˣ = 2ⁿ·(1 + p)` the numerator is `2ⁿ·p + (2ⁿ - 1)`, which is
    /// exact to the last places near zero, where n is 0.
    #[inline(always)]
    fn tanh(self) -> Self {
        // From 9.1 on the result rounds to 1.
        let (p, n) = split_exp(self + self, -20.0, 20.0);
        let scale = f32::from_bits(n.wrapping_add(127) << 23);
        let m = f32::mul_add(scale, p, scale - 1.0);
        // At -0 the sums above are +0.
        (m / (m + 2.0)).copysign(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        let (p, n) = split_exp(-self, -87.0, 88.0);
        let scale = f32::from_bits(n.wrapping_add(127) << 23);
        let e = f32::mul_add(scale, p, scale);
        let y = 1.0 / (1.0 + e);
        // Here the result leaves the normal numbers.
        if self < -88.0 { 0.0 } else { y }
    }
    #[inline(always)]
    fn erf(self) -> Self {
        erf::erf(self)
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        erf::normal(self).0
    }
    #[inline(always)]
    fn normal_pdf(self) -> Self {
        erf::normal(self).1
    }
    #[inline(always)]
    fn sin(self) -> Self {
        let (r, n) = wave::quarters(self);
        let y = wave::sine(r, n);
        // The angle of -0 is +0.
        if self == 0.0 { self } else { y }
    }
    #[inline(always)]
    fn cos(self) -> Self {
        let (r, n) = wave::quarters(self);
        wave::sine(r, n.wrapping_add(1))
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        // In f64: f32's power near 1 with a large exponent loses digits otherwise.
        f64::powf(f64::from(self), p) as f32
    }
    #[inline(always)]
    fn pow(self, p: Self) -> Self {
        f64::powf(f64::from(self), f64::from(p)) as f32
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        f64::atan2(f64::from(self), f64::from(x)) as f32
    }
    #[inline(always)]
    fn rem(self, b: Self) -> Self {
        self % b
    }
    #[inline(always)]
    fn through(self, f: fn(f64) -> f64, _: fn(f64) -> f64) -> Self {
        f(f64::from(self)) as f32
    }
}

/// `ln(x + rest)` for a rest below the last place of x. Cephes' `logf`: the mantissa in [√½, √2) by a
/// polynomial, the exponent times ln 2 in two parts.
#[inline(always)]
fn ln_of_sum(x: f32, rest: Option<f32>) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    // Shift the range so that the mantissa ends up in [√½, √2).
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32) >> 23;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    // The rest belongs to the mantissa: divided by the same power of two.
    let power = f32::from_bits(0x3f80_0000u32.wrapping_sub((exponent as u32) << 23));
    let m = rest.map_or(m, |rest| f32::mul_add(rest, power, m));
    let e = exponent as f32 - if tiny { 23.0 } else { 0.0 };
    let z = m * m;
    let p = 7.037_683_6e-2;
    let p = f32::mul_add(p, m, -1.151_461e-1);
    let p = f32::mul_add(p, m, 1.167_699_9e-1);
    let p = f32::mul_add(p, m, -1.242_014_1e-1);
    let p = f32::mul_add(p, m, 1.424_932_3e-1);
    let p = f32::mul_add(p, m, -1.666_805_7e-1);
    let p = f32::mul_add(p, m, 2.000_071_5e-1);
    let p = f32::mul_add(p, m, -2.499_999_4e-1);
    let p = f32::mul_add(p, m, 3.333_333e-1);
    let tail = f32::mul_add(e, -2.121_944_4e-4, p * m * z);
    let tail = f32::mul_add(z, -0.5, tail);
    let y = f32::mul_add(e, 0.693_359_4, m + tail);
    let y = if x == f32::INFINITY { f32::INFINITY } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// The power of two in [`GAUSS_SCALE`].
const GAUSS_SHIFT: i32 = 32;
/// See [`erf::Coefficients::SCALE`].
pub(super) const GAUSS_SCALE: f64 = (1u64 << GAUSS_SHIFT) as f64;

/// `2³² · exp(-half · a²)`, a normal number down to `exp(-109)`, where n is no less than -158.
#[inline(always)]
pub(super) fn scaled_gauss(a: f32, half: f32) -> f32 {
    // So much more than [`MAGIC`] that the low bits hold the exponent of 2³²·2ⁿ.
    const SHIFTED: f32 = MAGIC + (127 + GAUSS_SHIFT) as f32;
    let square = a * a;
    // What the square lost, which in the exponent is as large as other digits.
    let rest = f32::mul_add(a, a, -square);
    let shifted = f32::mul_add(square, -half * std::f32::consts::LOG2_E, SHIFTED);
    let r = f32::mul_add(rest, -half, reduced(-half * square, shifted - SHIFTED));
    let scale = f32::from_bits(shifted.to_bits() << 23);
    f32::mul_add(scale, exp_m1_near_zero(r), scale)
}

/// Adding 1.5·2²³ rounds to an integer that then stands in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// `(p, n)` with `exp(x) = 2ⁿ·(1 + p)` for x moved into `low..=high`: Cody–Waite reduction to ±½ ln 2. n stands in the
/// low bits, as an `i32`. NaN gives a p that is NaN.
#[inline(always)]
fn split_exp(x: f32, low: f32, high: f32) -> (f32, u32) {
    // Written so that NaN passes through.
    let x = if x > high { high } else { x };
    let x = if x < low { low } else { x };
    let shifted = f32::mul_add(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits());
    (exp_m1_near_zero(reduced(x, shifted - MAGIC)), n)
}

/// `x - n·ln 2`.
#[inline(always)]
fn reduced(x: f32, n: f32) -> f32 {
    let r = f32::mul_add(n, -0.693_359_4, x);
    f32::mul_add(n, 2.121_944_4e-4, r)
}

/// `exp(r) - 1` for an r of at most ½ ln 2.
#[inline(always)]
fn exp_m1_near_zero(r: f32) -> f32 {
    // (exp(r) - 1 - r) / r², fitted so that 1 + p has the least relative error, 3e-9.
    let q = 1.381_453_9e-3;
    let q = f32::mul_add(q, r, 8.368_745e-3);
    let q = f32::mul_add(q, r, 4.166_839e-2);
    let q = f32::mul_add(q, r, 1.666_652_1e-1);
    let q = f32::mul_add(q, r, 4.999_999_4e-1);
    f32::mul_add(q, r * r, r)
}
