//! Arithmetic that elementwise expressions are written in, once for every number type.
//!
//! [`Num`] is implemented for `f32` and `f64` (the loops over them are compiled to vector code by
//! `simd::dispatch`) and for [`Dual`], which carries derivatives along: the gradient of an expression
//! is the expression itself, evaluated on dual numbers. Everything here is branch-free and
//! `#[inline(always)]`, so a loop over an expression vectorises, and lane `i` of a vector does the
//! same IEEE operations as the scalar tail: the bits do not depend on where an element stands.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number of an expression.
pub trait Num:
    Copy
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
    /// e to the power of `self`; at most 1 ulp in f32.
    fn exp(self) -> Self;
    /// Natural logarithm; at most 2 ulp in f32.
    fn ln(self) -> Self;
    /// Hyperbolic tangent; at most 3 ulp in f32.
    fn tanh(self) -> Self;
    /// `1 / (1 + exp(-self))`, safe at any size; at most 3 ulp in f32, and 0 below -88.
    fn sigmoid(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// `self` to the power of `p`.
    fn powf(self, p: f64) -> Self;
}

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

    /// `2ⁿ · (1 + p)`, with the power in two factors so that results below the smallest normal number
    /// round correctly.
    #[inline(always)]
    fn exp(self) -> Self {
        // Beyond these the result is infinity or zero.
        let (p, n) = split_exp(self, -104.0, 89.0);
        let half = (n as i32) >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        (p + 1.0) * power(half) * power((n as i32).wrapping_sub(half))
    }

    /// Cephes `logf`: the mantissa in [√½, √2) by a polynomial, the exponent times ln 2 in two parts.
    #[inline(always)]
    fn ln(self) -> Self {
        let tiny = self < f32::MIN_POSITIVE;
        let scaled = if tiny { self * 8_388_608.0 } else { self };
        let bits = scaled.to_bits();
        // Shift the range so that the mantissa ends up in [√½, √2).
        let shifted = bits.wrapping_sub(0x3f35_04f3);
        let exponent = (shifted as i32) >> 23;
        let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
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
        let y = if self == f32::INFINITY {
            f32::INFINITY
        } else {
            y
        };
        let y = if self == 0.0 { f32::NEG_INFINITY } else { y };
        if self < 0.0 || self.is_nan() {
            f32::NAN
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
        m / (m + 2.0)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        let (p, n) = split_exp(-self, -87.0, 88.0);
        // Adding n to the exponent multiplies by 2ⁿ; 1 + p is between 0.7 and 1.5.
        let e = f32::from_bits((1.0 + p).to_bits().wrapping_add(n << 23));
        let y = 1.0 / (1.0 + e);
        // Here the result leaves the normal numbers.
        if self < -88.0 { 0.0 } else { y }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        f32::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        f32::cos(self)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        // In f64: f32's power near 1 with a large exponent loses digits otherwise.
        f64::powf(f64::from(self), p) as f32
    }
}

/// `(p, n)` with `exp(x) = 2ⁿ·(1 + p)` for x moved into `low..=high`: Cody–Waite reduction to ±½ ln 2 and
/// Cephes' polynomial. n stands in the low bits, as an `i32`. NaN gives a p that is NaN.
#[inline(always)]
fn split_exp(x: f32, low: f32, high: f32) -> (f32, u32) {
    // Written so that NaN passes through.
    let x = if x > high { high } else { x };
    let x = if x < low { low } else { x };
    // Adding 1.5·2²³ rounds to an integer that then stands in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = f32::mul_add(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = f32::mul_add(n, -0.693_359_4, x);
    let r = f32::mul_add(n, 2.121_944_4e-4, r);
    let q = 1.987_569_2e-4;
    let q = f32::mul_add(q, r, 1.398_199_9e-3);
    let q = f32::mul_add(q, r, 8.333_452e-3);
    let q = f32::mul_add(q, r, 4.166_579_6e-2);
    let q = f32::mul_add(q, r, 1.666_666_5e-1);
    let q = f32::mul_add(q, r, 0.5);
    let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits());
    (f32::mul_add(q, r * r, r), n)
}

/// `f64` serves gradient checks and data preparation: exactness counts and speed does not, so the
/// transcendental functions are the standard library's.
impl Num for f64 {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f64::mul_add(self, a, b)
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
        f64::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = f64::exp(-f64::abs(self));
        if self < 0.0 {
            e / (1.0 + e)
        } else {
            1.0 / (1.0 + e)
        }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        f64::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        f64::cos(self)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        f64::powf(self, p)
    }
}

/// A value and its derivatives by `K` inputs: forward-mode differentiation of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Dual<T, const K: usize> {
    /// The value.
    pub value: T,
    /// The derivative by each input.
    pub grad: [T; K],
}

impl<T: Num, const K: usize> Dual<T, K> {
    /// Input number `index`: its derivative by itself is 1.
    #[inline(always)]
    pub fn input(value: T, index: usize) -> Self {
        let mut grad = [T::lit(0.0); K];
        grad[index] = T::lit(1.0);
        Dual { value, grad }
    }

    /// The function value `value` with derivative `slope` by this number.
    #[inline(always)]
    fn chain(self, value: T, slope: T) -> Self {
        Dual {
            value,
            grad: self.grad.map(|g| g * slope),
        }
    }

    #[inline(always)]
    fn zip(self, other: Self, value: T, f: impl Fn(T, T) -> T) -> Self {
        let mut grad = self.grad;
        for (g, h) in grad.iter_mut().zip(other.grad) {
            *g = f(*g, h);
        }
        Dual { value, grad }
    }
}

impl<T: Num, const K: usize> Add for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self.zip(o, self.value + o.value, |a, b| a + b)
    }
}

impl<T: Num, const K: usize> Sub for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self.zip(o, self.value - o.value, |a, b| a - b)
    }
}

impl<T: Num, const K: usize> Mul for Dual<T, K> {
    type Output = Self;
    #[expect(clippy::suspicious_arithmetic_impl, reason = "the product rule")]
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self.zip(o, self.value * o.value, |a, b| a * o.value + b * self.value)
    }
}

impl<T: Num, const K: usize> Div for Dual<T, K> {
    type Output = Self;
    #[expect(clippy::suspicious_arithmetic_impl, reason = "the quotient rule")]
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        let value = self.value / o.value;
        self.zip(o, value, |a, b| (a - value * b) / o.value)
    }
}

impl<T: Num, const K: usize> Neg for Dual<T, K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.chain(-self.value, T::lit(-1.0))
    }
}

impl<T: Num, const K: usize> Num for Dual<T, K> {
    #[inline(always)]
    fn lit(x: f64) -> Self {
        Dual {
            value: T::lit(x),
            grad: [T::lit(0.0); K],
        }
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline(always)]
    fn gt_select(self, other: Self, yes: Self, no: Self) -> Self {
        let pick = |y: T, n: T| self.value.gt_select(other.value, y, n);
        yes.zip(no, pick(yes.value, no.value), pick)
    }
    #[inline(always)]
    fn nan_select(self, yes: Self, no: Self) -> Self {
        let pick = |y: T, n: T| self.value.nan_select(y, n);
        yes.zip(no, pick(yes.value, no.value), pick)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // PyTorch's subgradient at 0 is 0.
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        let slope = self
            .value
            .gt_select(zero, one, zero.gt_select(self.value, -one, zero));
        self.chain(self.value.abs(), slope)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let y = self.value.sqrt();
        self.chain(y, T::lit(0.5) / y)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let y = self.value.exp();
        self.chain(y, y)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), T::lit(1.0) / self.value)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let y = self.value.tanh();
        self.chain(y, T::lit(1.0) - y * y)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let y = self.value.sigmoid();
        self.chain(y, y * (T::lit(1.0) - y))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        // A constant has slope 0 everywhere, at 0 too.
        let slope = if p == 0.0 {
            T::lit(0.0)
        } else {
            T::lit(p) * self.value.powf(p - 1.0)
        };
        self.chain(self.value.powf(p), slope)
    }
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
        let small = f32::from_bits(5);
        assert!((Num::ln(small) - f64::from(small).ln() as f32).abs() < 1e-4);
    }

    #[test]
    fn duals_carry_the_derivative() {
        // d/dx of x·tanh(x)/exp(x) + ln(x) against central differences.
        fn f<N: Num>(x: N) -> N {
            x * x.tanh() / x.exp() + x.ln() + x.sigmoid().sqrt() - x.sin() * x.cos() + x.powf(1.5)
        }
        for x in [0.1f64, 0.9, 2.3] {
            let h = 1e-6;
            let numeric = (f(x + h) - f(x - h)) / (2.0 * h);
            let dual = f(Dual::<f64, 1>::input(x, 0));
            assert_eq!(dual.value, f(x));
            assert!((dual.grad[0] - numeric).abs() < 1e-8, "at {x}");
        }
    }
}
