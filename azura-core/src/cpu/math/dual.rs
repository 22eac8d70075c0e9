//! Forward-mode differentiation.

use super::Num;
use std::ops::{Add, Div, Mul, Neg, Sub};

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
    fn floor(self) -> Self {
        self.chain(self.value.floor(), T::lit(0.0))
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        self.chain(self.value.ceil(), T::lit(0.0))
    }
    #[inline(always)]
    fn trunc(self) -> Self {
        self.chain(self.value.trunc(), T::lit(0.0))
    }
    #[inline(always)]
    fn round(self) -> Self {
        self.chain(self.value.round(), T::lit(0.0))
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
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let slope = T::lit(1.0) / (T::lit(1.0) + self.value);
        self.chain(self.value.ln_1p(), slope)
    }
    #[inline(always)]
    fn erf(self) -> Self {
        // The square in two numbers, as in the function itself.
        let (x, square) = (self.value, self.value * self.value);
        let e = (-square).exp();
        let e = e - x.mul_add(x, -square) * e;
        self.chain(x.erf(), T::lit(std::f64::consts::FRAC_2_SQRT_PI) * e)
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        // The compiler finds that both take the same exponential: value and slope cost little more than one of them.
        self.chain(self.value.normal_cdf(), self.value.normal_pdf())
    }
    #[inline(always)]
    fn normal_pdf(self) -> Self {
        let y = self.value.normal_pdf();
        self.chain(y, -(self.value * y))
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
    #[inline(always)]
    fn pow(self, p: Self) -> Self {
        let (zero, a, b) = (T::lit(0.0), self.value, p.value);
        let value = a.pow(b);
        let by_base = b * a.pow(b - T::lit(1.0));
        // A constant has slope 0 everywhere, at 0 too.
        let by_base = is_zero(b, zero, by_base);
        // 0ᵇ = 0 for all b > 0.
        let by_power = value * a.ln();
        let by_power = is_zero(a, zero.gt_select(b, by_power, zero), by_power);
        // What does not depend on an input gets nothing of it, not even NaN (the logarithm of a negative base).
        self.zip(p, value, |da, db| {
            is_zero(da, zero, da * by_base) + is_zero(db, zero, db * by_power)
        })
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        let square = self.value * self.value + x.value * x.value;
        self.zip(x, self.value.atan2(x.value), |dy, dx| {
            (dy * x.value - dx * self.value) / square
        })
    }
    #[inline(always)]
    fn rem(self, b: Self) -> Self {
        let whole = (self.value / b.value).trunc();
        self.zip(b, self.value.rem(b.value), |da, db| da - db * whole)
    }
    #[inline(always)]
    fn through(self, f: fn(f64) -> f64, slope: fn(f64) -> f64) -> Self {
        let slope_here = self.value.through(slope, slope);
        self.chain(self.value.through(f, slope), slope_here)
    }
}

/// `if x == 0 { yes } else { no }`; NaN is not 0.
#[inline(always)]
fn is_zero<T: Num>(x: T, yes: T, no: T) -> T {
    let zero = T::lit(0.0);
    x.gt_select(zero, no, zero.gt_select(x, no, x.nan_select(no, yes)))
}
