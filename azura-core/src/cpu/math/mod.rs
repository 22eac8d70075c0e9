//! Arithmetic that elementwise expressions are written in, once for every number type.
//!
//! [`Num`] is implemented for `f32` and `f64` (the loops over them are compiled to vector code by
//! `simd::dispatch`) and for [`Dual`], which carries derivatives along: the gradient of an expression
//! is the expression itself, evaluated on dual numbers. What training runs in f32 is branch-free and
//! `#[inline(always)]`, so a loop over an expression vectorises, and lane `i` of a vector does the
//! same IEEE operations as the scalar tail: the bits do not depend on where an element stands.
//! [`Num::through`] is the way for the rest.
//!
//! | file     | what lives there                                                     |
//! |----------|----------------------------------------------------------------------|
//! | `single` | `f32`: polynomials without a call                                    |
//! | `double` | `f64`: the standard library's functions; exactness counts, speed does not |
//! | `dual`   | values with their derivatives                                        |
//! | `erf`    | the error function and the normal distribution, for both             |
//! | `wave`   | sine and cosine of f32                                               |

mod double;
mod dual;
mod erf;
mod single;
pub mod wave;

pub use dual::Dual;
use std::ops::{Add, Div, Mul, Neg, Sub};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl<T: super::Num, const K: usize> Sealed for super::Dual<T, K> {}
}

/// A number of an expression: an element, or one that carries its derivatives along. Functions over it are what
/// [`Tensor::map`](crate::Tensor::map) takes.
pub trait Num:
    sealed::Sealed
    + Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The constant `x`.
    fn lit(x: f64) -> Self;
    /// `self · a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// `if self > other { yes } else { no }`; NaN compares false.
    fn gt_select(self, other: Self, yes: Self, no: Self) -> Self;
    /// `if self is NaN { yes } else { no }`.
    fn nan_select(self, yes: Self, no: Self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The largest integer that is not larger.
    fn floor(self) -> Self;
    /// The smallest integer that is not smaller.
    fn ceil(self) -> Self;
    /// The integer part.
    fn trunc(self) -> Self;
    /// The nearest integer, the even one of two.
    fn round(self) -> Self;
    /// e to the power of `self`; at most 1 ulp in f32.
    fn exp(self) -> Self;
    /// `exp(self) - 1` without cancellation; at most 2 ulp in f32.
    fn exp_m1(self) -> Self;
    /// Natural logarithm; at most 2 ulp in f32.
    fn ln(self) -> Self;
    /// `ln(1 + self)` without cancellation; at most 2 ulp in f32.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent; at most 3 ulp in f32.
    fn tanh(self) -> Self;
    /// `1 / (1 + exp(-self))`, safe at any size; at most 3 ulp in f32, and 0 below -88.
    fn sigmoid(self) -> Self;
    /// The error function `2/√π ∫₀ˣ exp(-t²) dt`; at most 2 ulp in f32.
    fn erf(self) -> Self;
    /// The share of the standard normal distribution below `self`, `½ erfc(-x/√2)`, without
    /// cancellation: at most 3 ulp in f32, and 6 of the small values below 0.
    fn normal_cdf(self) -> Self;
    /// The density of the standard normal distribution, `exp(-x²/2) / √(2π)`; at most 3 ulp in f32.
    fn normal_pdf(self) -> Self;
    /// Sine; in f32 for angles up to 1e15 only, rounded correctly but for one in thousands.
    fn sin(self) -> Self;
    /// Cosine, with the same limit.
    fn cos(self) -> Self;
    /// `self` to the power of `p`.
    fn powf(self, p: f64) -> Self;
    /// `self` to the power of `p`.
    fn pow(self, p: Self) -> Self;
    /// The angle of the point `(x, self)`, in `-π..=π`.
    fn atan2(self, x: Self) -> Self;
    /// `self` modulo `b`, with the sign of `self`: what truncating division leaves.
    fn rem(self, b: Self) -> Self;
    /// A function given in f64 with its derivative: rounded once, a call for each element.
    fn through(self, f: fn(f64) -> f64, slope: fn(f64) -> f64) -> Self;
}

/// A polynomial with the coefficients of the highest power first.
#[inline(always)]
fn polynomial<T: Num, const N: usize>(x: T, coefficients: [f64; N]) -> T {
    let mut sum = T::lit(coefficients[0]);
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, T::lit(*c));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` against `exact`, in units of the last place of the exact result.
    fn worst(
        f: impl Fn(f32) -> f32,
        exact: impl Fn(f64) -> f64,
        points: impl Iterator<Item = f32>,
    ) -> f64 {
        points
            .map(|x| {
                let (got, want) = (f64::from(f(x)), exact(f64::from(x)));
                let ulp = f64::from(f32::EPSILON)
                    * 2f64
                        .powi(want.abs().log2().floor() as i32)
                        .max(f64::from(f32::MIN_POSITIVE));
                if want as f32 == got as f32 {
                    0.0
                } else {
                    (got - want).abs() / ulp
                }
            })
            .fold(0.0, f64::max)
    }

    fn grid(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..200_000).map(move |i| low + (high - low) * i as f32 / 199_999.0)
    }

    #[test]
    fn f32_functions_keep_their_bounds() {
        assert!(worst(Num::exp, f64::exp, grid(-103.0, 88.7)) <= 1.0);
        assert!(worst(Num::ln, f64::ln, grid(1e-6, 1e6).chain(grid(0.5, 2.0))) <= 2.0);
        assert!(
            worst(
                Num::tanh,
                f64::tanh,
                grid(-12.0, 12.0).chain(grid(-0.7, 0.7))
            ) <= 3.0
        );
        assert!(worst(Num::sigmoid, <f64 as Num>::sigmoid, grid(-86.0, 90.0)) <= 3.0);
        for (low, high) in [(-20.0, 88.7), (-1.0, 1.0), (-1e-3, 1e-3), (-1e-8, 1e-8)] {
            assert!(worst(Num::exp_m1, f64::exp_m1, grid(low, high)) <= 2.0);
        }
        for (low, high) in [(-0.99999, 1e6), (-0.9, 1.0), (-1e-3, 1e-3), (-1e-8, 1e-8)] {
            assert!(worst(Num::ln_1p, f64::ln_1p, grid(low, high)) <= 2.0);
        }
        for (low, high) in [(-4.5, 4.5), (-1e-3, 1e-3), (0.9, 1.1)] {
            assert!(worst(Num::erf, <f64 as Num>::erf, grid(low, high)) <= 2.0);
        }
        assert!(worst(Num::normal_cdf, <f64 as Num>::normal_cdf, grid(-12.0, 0.0)) <= 6.0);
        assert!(worst(Num::normal_cdf, <f64 as Num>::normal_cdf, grid(0.0, 6.0)) <= 3.0);
        assert!(worst(Num::normal_pdf, <f64 as Num>::normal_pdf, grid(-12.0, 12.0)) <= 3.0);
    }

    #[test]
    fn f32_functions_are_right_at_the_ends() {
        let inf = f32::INFINITY;
        assert_eq!(
            [
                Num::exp(inf),
                Num::exp(-inf),
                Num::exp(0.0f32),
                Num::exp(100.0f32)
            ],
            [inf, 0.0, 1.0, inf]
        );
        assert_eq!(
            [Num::ln(inf), Num::ln(0.0f32), Num::ln(1.0f32)],
            [inf, -inf, 0.0]
        );
        assert_eq!(
            [Num::tanh(inf), Num::tanh(-inf), Num::tanh(100.0f32)],
            [1.0, -1.0, 1.0]
        );
        assert_eq!(
            [
                Num::sigmoid(inf),
                Num::sigmoid(-inf),
                Num::sigmoid(100.0f32)
            ],
            [1.0, 0.0, 1.0]
        );
        for f in [Num::exp, Num::ln, Num::tanh, Num::sigmoid] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(Num::ln(-1.0f32).is_nan());
        // A NaN with other bits, such as memory that was filled with ones, stays one too.
        let odd = f32::from_bits(0x7fff_ffff);
        for f in [
            Num::exp,
            Num::tanh,
            Num::sigmoid,
            Num::erf,
            Num::normal_cdf,
            Num::normal_pdf,
        ] {
            assert!(f(f32::NAN).is_nan() && f(odd).is_nan() && f(-odd).is_nan());
        }
        assert_eq!(
            [inf, -inf, 0.0].map(Num::normal_cdf),
            [1.0, 0.0, 0.5],
            "the normal distribution"
        );
        assert_eq!([inf, -inf].map(Num::normal_pdf), [0.0, 0.0]);
        assert_eq!([inf, -inf].map(Num::erf), [1.0, -1.0]);
        // Below the smallest normal number the last place is that of 1e-45.
        for i in 0..=300 {
            let x = -12.0 - i as f32 / 100.0;
            let (got, want) = (f64::from(x.normal_cdf()), f64::from(x).normal_cdf());
            assert!((got - want).abs() <= 6.0 * want * 1.2e-7 + 1.5e-45, "{x}");
        }
        let small = f32::from_bits(5);
        assert!((Num::ln(small) - f64::from(small).ln() as f32).abs() < 1e-4);
    }

    #[test]
    fn duals_carry_the_derivative() {
        // d/dx of x·tanh(x)/exp(x) + ln(x) against central differences.
        fn f<N: Num>(x: N) -> N {
            x * x.tanh() / x.exp() + x.ln() + x.sigmoid().sqrt() - x.erf() * x.normal_cdf()
                + x.powf(1.5)
                + x.exp_m1() * x.ln_1p()
                + x.normal_pdf()
                + x.pow(x + x)
                - x.atan2(x * x)
                + x.through(f64::sin, f64::cos)
        }
        for x in [0.1f64, 0.9, 2.3] {
            let h = 1e-6;
            let numeric = (f(x + h) - f(x - h)) / (2.0 * h);
            let dual = f(Dual::<f64, 1>::input(x, 0));
            assert_eq!(dual.value, f(x));
            let scale = dual.value.abs().max(1.0);
            assert!((dual.grad[0] - numeric).abs() < 1e-8 * scale, "at {x}");
        }
    }
}
