//! The error function and the normal distribution.
//!
//! `erfc(z) = exp(-z²) · R(z)` for z ≥ 0, where `(z + c) R(z)` is a polynomial in `(z - c) / (z + c)`, which maps all of z ≥ 0 to
//! [-1, 1) (the substitution of Shepherd & Laframboise 1981). What is near 0, `erf(x)` up to 1, is `x + x · S(x²)`.
//! The polynomials were fitted with 40 digits and more; their own errors are an ulp at most, and the share at 0 is ½. The square is split in two
//! numbers, since rounding it would cost z² ulp in the exponential.

use super::{Num, polynomial};

/// A number type with its own coefficients: no more of them than its digits need.
pub trait Coefficients: Num {
    /// From here on erfc is 0.
    const END: f64;
    /// The c of the substitution.
    const CENTRE: f64;
    /// What [`Coefficients::gauss`] is multiplied by, a power of two, so that it is a normal number where only the last of
    /// its products is not.
    const SCALE: f64;
    /// Whether the normal distribution takes `S` up to 1, which is more exact and slower.
    const NEAR: bool;
    /// `SCALE · exp(-half · a²)` for a power of two `half` and an a ≥ 0 with `half · a² ≤ END²`.
    fn gauss(a: Self, half: f64) -> Self;
    /// `S(x²)`.
    fn small(square: Self) -> Self;
    /// `factor · (z + c) R(z)`.
    fn tail(t: Self, factor: f64) -> Self;
}

#[inline(always)]
pub(super) fn erf<T: Coefficients>(x: T) -> T {
    let one = T::lit(1.0);
    let a = x.abs();
    let near = x.mul_add(T::small(x * x), x);
    let end = T::lit(T::END);
    let z = a.gt_select(end, end, a);
    let far = one - erfc(z, T::gauss(z, 1.0), 1.0, 1.0);
    let far = T::lit(0.0).gt_select(x, -far, far);
    a.gt_select(one, far, near)
}

/// The share of the standard normal distribution below `x`, and its density there.
#[inline(always)]
pub(super) fn normal<T: Coefficients>(x: T) -> (T, T) {
    use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
    let end = T::lit(T::END * SQRT_2);
    let a = x.abs();
    let a = a.gt_select(end, end, a);
    let gauss = T::gauss(a, 0.5);
    let tail = erfc(a, gauss, FRAC_1_SQRT_2, 0.5);
    let mut share = x.gt_select(T::lit(0.0), T::lit(1.0) - tail, tail);
    if T::NEAR {
        // Half of erf(x/√2), which is x/√8 at first.
        let (half, one) = (T::lit(0.5), T::lit(1.0));
        let slope = T::lit(0.353_553_390_593_273_8) * (one + T::small(half * (x * x)));
        share = a.gt_select(one, share, x.mul_add(slope, half));
    }
    // 1/√(2π).
    (share, gauss * T::lit(0.398_942_280_401_432_7 / T::SCALE))
}

/// `factor · erfc(unit · a)` for a ≥ 0 with its `gauss`.
#[inline(always)]
fn erfc<T: Coefficients>(a: T, gauss: T, unit: f64, factor: f64) -> T {
    let centre = T::lit(T::CENTRE / unit);
    let r = T::lit(1.0) / (a + centre);
    T::tail((a - centre) * r, factor / (unit * T::SCALE)) * r * gauss
}

impl Coefficients for f32 {
    const END: f64 = 10.3;
    const CENTRE: f64 = 2.05;
    const SCALE: f64 = super::single::GAUSS_SCALE;
    const NEAR: bool = false;

    #[inline(always)]
    fn gauss(a: Self, half: f64) -> Self {
        super::single::scaled_gauss(a, half as f32)
    }

    #[inline(always)]
    fn small(square: Self) -> Self {
        polynomial(
            square,
            [
                7.875_874_9e-5,
                -8.016_864_3e-4,
                5.189_087_2e-3,
                -2.685_421_1e-2,
                1.128_359_4e-1,
                -3.761_262_6e-1,
                1.283_791_7e-1,
            ],
        )
    }

    #[inline(always)]
    fn tail(t: Self, factor: f64) -> Self {
        let coefficients = [
            -4.500_269_2e-4,
            -1.014_124_4e-3,
            2.467_271_6e-3,
            7.984_677e-3,
            -1.921_093e-2,
            -4.867_326_5e-2,
            2.986_081_8e-1,
            -7.012_331e-1,
            1.025_649_65,
        ];
        polynomial(t, coefficients.map(|c| c * factor))
    }
}

impl Coefficients for f64 {
    const END: f64 = 27.5;
    const CENTRE: f64 = 3.0;
    const SCALE: f64 = 1.0;
    const NEAR: bool = true;

    #[inline(always)]
    fn gauss(a: Self, half: f64) -> Self {
        let square = a * a;
        let rest = a.mul_add(a, -square) * half;
        let e = (-(square * half)).exp();
        e - rest * e
    }

    #[inline(always)]
    fn small(square: Self) -> Self {
        polynomial(
            square,
            [
                -4.230_945_824_295_338e-12,
                8.709_045_129_053_106e-11,
                -1.216_456_005_728_345e-9,
                1.479_240_120_940_481_3e-8,
                -1.636_464_215_816_761_6e-7,
                1.646_204_544_146_841_8e-6,
                -1.492_564_756_751_933_2e-5,
                1.205_533_290_288_873_6e-4,
                -8.548_327_021_934_83e-4,
                5.223_977_625_423_298_5e-3,
                -2.686_617_064_512_984e-2,
                1.128_379_167_095_512e-1,
                -3.761_263_890_318_375_4e-1,
                1.283_791_670_955_125_7e-1,
            ],
        )
    }

    #[inline(always)]
    fn tail(t: Self, factor: f64) -> Self {
        let coefficients = [
            1.810_281_568_363_752_6e-10,
            8.102_668_624_003_257e-10,
            -1.079_503_727_851_077_5e-9,
            -8.689_172_296_735_63e-9,
            -7.153_751_145_495_182e-10,
            5.117_094_154_651_631e-8,
            4.565_470_037_225_715e-8,
            -2.338_373_598_043_518_4e-7,
            -4.075_688_442_682_298_5e-7,
            9.988_024_518_234_282e-7,
            2.765_147_991_601_647_6e-6,
            -4.749_019_807_941_394e-6,
            -1.747_047_597_754_263e-5,
            3.039_804_835_964_44e-5,
            1.075_614_667_538_378_9e-4,
            -2.767_778_132_333_872e-4,
            -5.483_096_892_521_68e-4,
            3.034_061_995_940_421_5e-3,
            -1.212_416_627_380_999_2e-3,
            -2.682_723_462_404_166_4e-2,
            1.195_277_612_872_965_7e-1,
            -3.104_672_619_005_836e-1,
            5.902_283_571_041_017e-1,
            -8.833_944_531_698_834e-1,
            1.074_006_907_088_339_8,
        ];
        polynomial(t, coefficients.map(|c| c * factor))
    }
}
