//! The error function and the normal distribution.
//!
//! Up to 1, `erf(x) = x + x · S(x²)`. From there on it is `1 - erfc(x)` with `erfc(z) = exp(-z²) · R(z)`,
//! where `(z + 3) R(z)` is a polynomial in `(z - 3) / (z + 3)`, which maps all of z ≥ 0 to [-1, 1) (the
//! substitution of Shepherd & Laframboise 1981). Both polynomials interpolate at Chebyshev nodes and were
//! computed with 50 digits; their errors are below half an ulp. The square is split in two numbers, since
//! rounding it would cost z² ulp in the exponential.

use super::{Num, polynomial};

/// A number type with its own coefficients: no more of them than its digits need.
pub trait Coefficients: Num {
    /// Here erfc is 0.
    const END: f64;
    /// `S(x²)`.
    fn small(square: Self) -> Self;
    /// `(z + 3) R(z)`.
    fn tail(t: Self) -> Self;
}

#[inline(always)]
pub(super) fn erf<T: Coefficients>(x: T) -> T {
    let a = x.abs();
    let near = x.mul_add(T::small(x * x), x);
    let far = T::lit(1.0) - erfc_tail(a, a, T::lit(1.0));
    let far = T::lit(0.0).gt_select(x, -far, far);
    a.gt_select(T::lit(1.0), far, near)
}

#[inline(always)]
pub(super) fn normal_cdf<T: Coefficients>(x: T) -> T {
    let (half, one) = (T::lit(0.5), T::lit(1.0));
    let a = x.abs();
    let z = a * T::lit(std::f64::consts::FRAC_1_SQRT_2);
    let tail = half * erfc_tail(z, a, half);
    let far = x.gt_select(T::lit(0.0), one - tail, tail);
    // Half of erf(x/√2), which is x/√8 at first.
    let slope = T::lit(0.353_553_390_593_273_8) * (one + T::small(half * (x * x)));
    a.gt_select(one, far, x.mul_add(slope, half))
}

/// `erfc(z)` for z ≥ 0, where `z² = half · a²`.
#[inline(always)]
fn erfc_tail<T: Coefficients>(z: T, a: T, half: T) -> T {
    let end = T::lit(T::END);
    let r = T::lit(1.0) / (z + T::lit(3.0));
    let tail = T::tail((z - T::lit(3.0)) * r) * r;
    // Beyond the end nothing may overflow; NaN passes.
    z.gt_select(end, T::lit(0.0), exp_minus_square(a, half) * tail)
}

/// `exp(-half · a²)` for a power of two `half`.
#[inline(always)]
pub(super) fn exp_minus_square<T: Num>(a: T, half: T) -> T {
    let square = a * a;
    let rest = a.mul_add(a, -square) * half;
    let e = (-(square * half)).exp();
    e - rest * e
}

impl Coefficients for f32 {
    const END: f64 = 10.5;

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
    fn tail(t: Self) -> Self {
        polynomial(
            t,
            [
                2.025_413_2e-5,
                6.773_367_2e-5,
                -2.666_347_7e-4,
                -5.076_098e-4,
                3.029_083_6e-3,
                -1.232_582_7e-3,
                -2.682_61e-2,
                1.195_323_8e-1,
                -3.104_673_6e-1,
                5.902_279_6e-1,
                -8.833_944_8e-1,
                1.074_006_9,
            ],
        )
    }
}

impl Coefficients for f64 {
    const END: f64 = 27.5;

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
    fn tail(t: Self) -> Self {
        polynomial(
            t,
            [
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
            ],
        )
    }
}
