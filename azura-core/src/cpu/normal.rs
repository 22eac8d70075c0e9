//! The normal distribution in operations that are the same everywhere: sums, products, quotients, roots
//! and explicit fused multiply-adds, in one order. So a random normal number has the same bits on every
//! machine, with every instruction set, in a vector or alone.

/// `c[0] + c[1] x + c[2] x² + …`
#[inline(always)]
fn polynomial<const N: usize>(c: [f64; N], x: f64) -> f64 {
    c.into_iter()
        .rev()
        .fold(0.0, |sum, c| f64::mul_add(sum, x, c))
}

/// The natural logarithm of a positive normal number; at most 2 ulp away from 1.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const MANTISSA: u64 = (1 << 52) - 1;
    // x = 2ᵏ · m with m in [√½, √2).
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let m = f64::from_bits((shifted & MANTISSA) + ROOT_HALF);
    // k + 1023 as the low bits of 2⁵² and more: a conversion that every vector unit has.
    let k = f64::from_bits(0x4330_0000_0000_0000 | (shifted.wrapping_add(1023 << 52) >> 52))
        - (4_503_599_627_370_496.0 + 1023.0);
    // ln m = 2 artanh(s), and s² is below 0.03: the twelfth term is below 2⁻⁶⁰.
    let s = (m - 1.0) / (m + 1.0);
    let series = [
        1.0,
        1.0 / 3.0,
        1.0 / 5.0,
        1.0 / 7.0,
        1.0 / 9.0,
        1.0 / 11.0,
        1.0 / 13.0,
        1.0 / 15.0,
        1.0 / 17.0,
        1.0 / 19.0,
        1.0 / 21.0,
        1.0 / 23.0,
    ];
    f64::mul_add(
        k,
        std::f64::consts::LN_2,
        (s + s) * polynomial(series, s * s),
    )
}

/// The number that a standard normal one stays below with probability `p`, for `0 < p < 1`; relative
/// error 1e-15. (Wichura 1988, "Algorithm AS 241: The percentage points of the normal distribution",
/// PPND16; three rational functions, of which the fitting one is chosen without a branch.)
///
/// `FAR` says whether `p` or `1 - p` may be below `e⁻²⁵`.
#[inline(always)]
pub(crate) fn quantile<const FAR: bool>(p: f64) -> f64 {
    let q = p - 0.5;
    let r = f64::mul_add(-q, q, 0.180_625);
    let middle = [
        q * polynomial(
            [
                3.387_132_872_796_366_5,
                133.141_667_891_784_38,
                1_971.590_950_306_551_3,
                13_731.693_765_509_46,
                45_921.953_931_549_87,
                67_265.770_927_008_7,
                33_430.575_583_588_13,
                2_509.080_928_730_122_7,
            ],
            r,
        ),
        polynomial(
            [
                1.0,
                42.313_330_701_600_91,
                687.187_007_492_057_9,
                5_394.196_021_424_751,
                21_213.794_301_586_597,
                39_307.895_800_092_71,
                28_729.085_735_721_943,
                5_226.495_278_852_854,
            ],
            r,
        ),
    ];
    let outside = if q < 0.0 { p } else { 1.0 - p };
    let r = (-ln(outside)).sqrt();
    let near = r - 1.6;
    let mut tail = [
        polynomial(
            [
                1.423_437_110_749_683_5,
                4.630_337_846_156_546,
                5.769_497_221_460_691,
                3.647_848_324_763_204_5,
                1.270_458_252_452_368_4,
                0.241_780_725_177_450_6,
                0.022_723_844_989_269_184,
                7.745_450_142_783_414e-4,
            ],
            near,
        ),
        polynomial(
            [
                1.0,
                2.053_191_626_637_759,
                1.676_384_830_183_803_8,
                0.689_767_334_985_1,
                0.148_103_976_427_480_08,
                0.015_198_666_563_616_457,
                5.475_938_084_995_345e-4,
                1.050_750_071_644_416_9e-9,
            ],
            near,
        ),
    ];
    if FAR {
        let far = r - 5.0;
        let end = [
            polynomial(
                [
                    6.657_904_643_501_103,
                    5.463_784_911_164_114,
                    1.784_826_539_917_291_3,
                    0.296_560_571_828_504_87,
                    0.026_532_189_526_576_124,
                    0.001_242_660_947_388_078_4,
                    2.711_555_568_743_487_6e-5,
                    2.010_334_399_292_288_1e-7,
                ],
                far,
            ),
            polynomial(
                [
                    1.0,
                    0.599_832_206_555_888,
                    0.136_929_880_922_735_8,
                    0.014_875_361_290_850_615,
                    7.868_691_311_456_133e-4,
                    1.846_318_317_510_054_8e-5,
                    1.421_511_758_316_446e-7,
                    2.044_263_103_389_939_8e-15,
                ],
                far,
            ),
        ];
        tail = [
            if far > 0.0 { end[0] } else { tail[0] },
            if far > 0.0 { end[1] } else { tail[1] },
        ];
    }
    let above = if q < 0.0 { -tail[0] } else { tail[0] };
    let inside = q.abs() <= 0.425;
    let over = if inside { middle[0] } else { above };
    let under = if inside { middle[1] } else { tail[1] };
    over / under
}

/// The probability that a standard normal number is below `x`; relative error about 1e-14 on both sides.
/// (For the ends of an interval: two calls, so clarity counts and speed does not.)
pub(crate) fn probability(x: f64) -> f64 {
    let density = exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() < 2.5 {
        // Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/15 + …), Marsaglia 2004, "Evaluating the normal distribution".
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while sum + term != sum {
            odd += 2.0;
            term *= x * x / odd;
            sum += term;
        }
        return f64::mul_add(density, sum, 0.5);
    }
    // Laplace's continued fraction of the tail; at 2.5 a hundred terms are more than enough.
    let tail = |x: f64| {
        let fraction = (1..=200).rev().fold(x, |rest, k| x + f64::from(k) / rest);
        density / fraction
    };
    if x < 0.0 { tail(-x) } else { 1.0 - tail(x) }
}

/// eˣ for x of at most 0: 2ⁿ times the series of the rest.
fn exp(x: f64) -> f64 {
    if x < -745.0 {
        return 0.0;
    }
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let n = (x * std::f64::consts::LOG2_E).round();
    let r = f64::mul_add(-n, LN_2_LOW, f64::mul_add(-n, LN_2_HIGH, x));
    // r is at most ½ ln 2: the fourteenth term is below 2⁻⁵⁶.
    let series = (1..=14)
        .rev()
        .fold(1.0, |sum, k| f64::mul_add(sum, r / f64::from(k), 1.0));
    // In two factors, so that results below the smallest normal number round once.
    let half = n as i64 / 2;
    let power = |n: i64| f64::from_bits(((n + 1023) as u64) << 52);
    series * power(half) * power(n as i64 - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_tables() {
        // From mpmath at 40 digits.
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054_2),
            (0.001, -3.090_232_306_167_813_5),
            (1e-10, -6.361_340_902_404_056),
            (1e-12, -7.034_483_825_301_132),
            (1e-100, -21.273_453_560_965_315),
            (0.076, -1.432_502_720_825_811_6),
        ] {
            let got = quantile::<true>(p);
            assert!((got - z).abs() <= 2e-15 * z.abs(), "{p}: {got}, not {z}");
            if p > 1e-10 {
                assert_eq!(got, quantile::<false>(p));
            }
            if p > 1e-4 {
                assert!((quantile::<true>(1.0 - p) + z).abs() < 1e-12);
            }
        }
        let least = quantile::<true>(f64::EPSILON / 4.0);
        assert!(least.is_finite() && least < -8.0);
    }

    #[test]
    fn the_probability_is_the_inverse_of_the_quantile() {
        for i in -370..=80 {
            let x = f64::from(i) / 10.0;
            let p = probability(x);
            if p < 1.0 && p > 0.0 {
                // Near 1 a unit in the last place of p is a long way in x.
                let slack = 1e-13 * x.abs().max(1.0)
                    + if x > 0.0 {
                        1e-15 / probability(-x)
                    } else {
                        0.0
                    };
                assert!((quantile::<true>(p) - x).abs() < slack, "{x}: {p:e}");
            }
        }
        assert_eq!(
            [
                probability(-40.0),
                probability(f64::NEG_INFINITY),
                probability(f64::INFINITY)
            ],
            [0.0, 0.0, 1.0]
        );
        assert_eq!(probability(0.0), 0.5);
    }

    #[test]
    fn logarithms_are_near_the_standard_library() {
        for i in 1..20_000 {
            let x = (f64::from(i) / 20_000.0).powi(7);
            let (got, want) = (ln(x), x.ln());
            assert!(
                (got - want).abs() <= 4e-16 * want.abs(),
                "{x:e}: {got:e}, not {want:e}"
            );
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
