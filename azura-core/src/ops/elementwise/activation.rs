//! Activation functions.

use super::apply::apply;
use super::function::{Binary, Saved, binary, unary};
use super::unary::{unary_ops, unary_types};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::Map;
use crate::cpu::math::Num;
use crate::shape;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515: with these, activations of mean 0
/// and variance 1 stay so.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

unary_ops! {
    /// `max(x, 0)`; the gradient at 0 is 0.
    relu Relu() |x| N::lit(0.0).gt_select(x, N::lit(0.0), x), result y => {
        // NaN went through, and so does its gradient.
        let (zero, one) = (N::lit(0.0), N::lit(1.0));
        y.gt_select(zero, one, y.nan_select(one, zero))
    };
    /// `min(max(x, 0), 6)`; the gradient at 0 and 6 is 0.
    relu6 Relu6() |x| clip(x, N::lit(0.0), N::lit(6.0)), slope clip_slope(x, N::lit(0.0), N::lit(6.0));
    /// `x` above 0, else `negative_slope · x`. PyTorch's slope is 0.01 if none is given.
    leaky_relu LeakyRelu(negative_slope) |x| x.gt_select(N::lit(0.0), x, x * negative_slope);
    /// `x` above 0, else `alpha (eˣ - 1)` (Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289).
    /// PyTorch's alpha is 1 if none is given.
    elu Elu(alpha) |x| x.gt_select(N::lit(0.0), x, alpha * x.exp_m1());
    /// [`elu`](Tensor::elu) with constants that keep mean and variance over many layers:
    /// `1.0507 · (x above 0, else 1.6733 (eˣ - 1))` (Klambauer et al. 2017, arXiv:1706.02515).
    selu Selu() |x| N::lit(SELU_SCALE) * x.gt_select(N::lit(0.0), x, N::lit(SELU_ALPHA) * x.exp_m1());
    /// `x · sigmoid(x)`, also called swish (Elfwing, Uchibe & Doya 2017, arXiv:1702.03118).
    silu Silu() |x| x * x.sigmoid(), saves Slope;
    /// The Gaussian error linear unit `x · Φ(x)`, where `Φ(x) = ½ (1 + erf(x/√2))` is the share of the
    /// normal distribution below x (Hendrycks & Gimpel 2016, arXiv:1606.08415). Φ is computed without
    /// cancellation: the result is exact for large negative x too.
    gelu Gelu() |x| x * x.normal_cdf(), saves Slope;
    /// The tanh form of [`gelu`](Tensor::gelu): `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`,
    /// computed as `x · sigmoid(2 √(2/π) (x + 0.044715 x³))`, which is the same and takes one exponential.
    /// PyTorch: `gelu(approximate="tanh")`.
    gelu_tanh GeluTanh() |x| {
        let inner = N::lit(2.0 * 0.797_884_560_802_865_4) * (x + N::lit(0.044_715) * x * x * x);
        x * inner.sigmoid()
    }, saves Slope;
    /// `x · tanh(ln(1 + eˣ))` (Misra 2019, arXiv:1908.08681).
    mish Mish() |x| {
        let (_, n) = mish_parts(x);
        // From 20 on the tangent rounds to 1.
        x.gt_select(N::lit(20.0), x, x * (n / (n + N::lit(2.0))))
    }, slope {
        let (e, n) = mish_parts(x);
        let (one, two) = (N::lit(1.0), N::lit(2.0));
        // With t = n/(n + 2), 1 - t² is 4 (n + 1)/(n + 2)².
        let steepness = N::lit(4.0) * (n + one) / ((n + two) * (n + two));
        let slope = n / (n + two) + x * steepness * (e / (one + e));
        x.gt_select(N::lit(20.0), one, slope)
    };
    /// `min(max(x + 3, 0), 6) / 6`; the gradient at -3 and 3 is 0.
    hardsigmoid Hardsigmoid() |x| {
        clip(x + N::lit(3.0), N::lit(0.0), N::lit(6.0)) / N::lit(6.0)
    }, slope {
        // PyTorch rounds the sixth to f32, for f64 too; so its gradients are met to the last digits.
        let (zero, three, sixth) = (N::lit(0.0), N::lit(3.0), N::lit((1f32 / 6.0) as f64));
        x.gt_select(-three, three.gt_select(x, sixth, zero), zero)
    };
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al. 2019, arXiv:1905.02244); the gradient at -3 is 0,
    /// at 3 it is 1.
    hardswish Hardswish() |x| {
        x * clip(x + N::lit(3.0), N::lit(0.0), N::lit(6.0)) / N::lit(6.0)
    }, slope {
        let (zero, one, three) = (N::lit(0.0), N::lit(1.0), N::lit(3.0));
        let inside = x.gt_select(-three, x / three + N::lit(0.5), x.nan_select(one, zero));
        three.gt_select(x, inside, one)
    };
    /// `x - tanh(x)`.
    tanhshrink Tanhshrink() |x| x - x.tanh(), slope x.tanh() * x.tanh();
    /// `x / (1 + |x|)`.
    softsign Softsign() |x| x / (N::lit(1.0) + x.abs()), slope {
        let r = N::lit(1.0) / (N::lit(1.0) + x.abs());
        r * r
    };
    /// `ln(sigmoid(x))`, computed as `min(x, 0) - ln(1 + e^-|x|)`: finite and exact at any size.
    logsigmoid LogSigmoid() |x| {
        let zero = N::lit(0.0);
        zero.gt_select(x, x, zero) - (-x.abs()).exp().ln_1p()
    }, slope (-x).sigmoid();
    /// `x` above `threshold`, else `value`; the gradient at the threshold is 0.
    threshold Threshold(threshold, value) |x| x.gt_select(threshold, x, x.nan_select(x, value)), slope {
        let one = N::lit(1.0);
        x.gt_select(threshold, one, x.nan_select(one, N::lit(0.0)))
    };
}

unary_types! {
    Celu(alpha) "celu", |x| x.gt_select(N::lit(0.0), x, alpha * (x / alpha).exp_m1()), slope {
        x.gt_select(N::lit(0.0), N::lit(1.0), (x / alpha).exp())
    };
    Hardtanh(low, high) "hardtanh", |x| clip(x, low, high), slope clip_slope(x, low, high);
    Hardshrink(lambda) "hardshrink", |x| {
        inside(x, lambda, N::lit(0.0), x)
    }, slope inside(x, lambda, N::lit(0.0), N::lit(1.0));
    Softshrink(lambda) "softshrink", |x| {
        x.gt_select(lambda, x - lambda, (-lambda).gt_select(x, x + lambda, x * N::lit(0.0)))
    }, slope inside(x, lambda, N::lit(0.0), N::lit(1.0));
    // Above the threshold the function rounds to its argument: PyTorch computes no exponential there.
    Softplus(beta, threshold) "softplus", |x| {
        let (z, zero) = (x * beta, N::lit(0.0));
        let soft = z.gt_select(zero, z, zero) + (-z.abs()).exp().ln_1p();
        z.gt_select(threshold, x, soft / beta)
    }, slope {
        let z = x * beta;
        z.gt_select(threshold, N::lit(1.0), z.sigmoid())
    };
}

/// `x` moved into `low..=high`; NaN stays.
#[inline(always)]
fn clip<N: Num>(x: N, low: N, high: N) -> N {
    let x = low.gt_select(x, low, x);
    x.gt_select(high, high, x)
}

/// 1 strictly between the bounds and for NaN, else 0, as PyTorch has it for `hardtanh`.
#[inline(always)]
fn clip_slope<N: Num>(x: N, low: N, high: N) -> N {
    let (zero, one) = (N::lit(0.0), N::lit(1.0));
    x.gt_select(low, high.gt_select(x, one, zero), x.nan_select(one, zero))
}

/// `yes` for x in `-bound..=bound`, else `no`, which is for NaN too.
#[inline(always)]
fn inside<N: Num>(x: N, bound: N, yes: N, no: N) -> N {
    let yes = x.gt_select(bound, no, x.nan_select(no, yes));
    (-bound).gt_select(x, no, yes)
}

/// `eˣ` and `eˣ (eˣ + 2)`, of which `tanh(ln(1 + eˣ))` is the second over itself plus 2. From 20 on
/// the first stays: its square must not overflow.
#[inline(always)]
fn mish_parts<N: Num>(x: N) -> (N, N) {
    let end = N::lit(20.0);
    let e = x.gt_select(end, end, x).exp();
    (e, e * (e + N::lit(2.0)))
}

#[derive(Clone, Copy)]
struct Prelu;

impl Binary for Prelu {
    const OP: &'static str = "prelu";
    #[inline(always)]
    fn f<N: Num>(self, x: N, weight: N) -> N {
        x.gt_select(N::lit(0.0), x, weight * x)
    }
    #[inline(always)]
    fn df<N: Num>(self, x: N, weight: N) -> [N; 2] {
        let zero = N::lit(0.0);
        [
            x.gt_select(zero, N::lit(1.0), weight),
            x.gt_select(zero, zero, x),
        ]
    }
}

#[derive(Clone, Copy)]
struct Glu;

impl Binary for Glu {
    const OP: &'static str = "glu";
    #[inline(always)]
    fn f<N: Num>(self, a: N, gate: N) -> N {
        a * gate.sigmoid()
    }
}

fn refuse(op: &'static str, rule: &'static str, fact: String) -> Result<Tensor> {
    Err(Error::argument(op, rule, fact))
}

impl Tensor {
    /// `x` above 0, else `alpha (exp(x/alpha) - 1)`, whose slope is continuous (Barron 2017,
    /// arXiv:1704.07483). PyTorch's alpha is 1 if none is given.
    ///
    /// # Errors
    /// [`Error::Argument`] if alpha is 0 or NaN, [`Error::DType`] if the dtype is not a float.
    pub fn celu(self, alpha: f64) -> Result<Tensor> {
        if alpha == 0.0 || alpha.is_nan() {
            return refuse("celu", "alpha must not be 0", format!("{alpha}"));
        }
        unary(self, Celu { alpha })
    }

    /// `x` moved into `min..=max`; the gradient at the bounds and outside is 0. PyTorch's bounds are -1
    /// and 1 if none are given.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `min <= max`, [`Error::DType`] if the dtype is not a float.
    pub fn hardtanh(self, min: f64, max: f64) -> Result<Tensor> {
        if min.is_nan() || max.is_nan() || min > max {
            return refuse(
                "hardtanh",
                "min must not exceed max",
                format!("{min} and {max}"),
            );
        }
        unary(
            self,
            Hardtanh {
                low: min,
                high: max,
            },
        )
    }

    /// 0 for x in `-lambda..=lambda`, else x. PyTorch's lambda is 0.5 if none is given.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float.
    pub fn hardshrink(self, lambda: f64) -> Result<Tensor> {
        unary(self, Hardshrink { lambda })
    }

    /// x brought nearer to 0 by `lambda`, and 0 where it is as near already. PyTorch's lambda is 0.5 if
    /// none is given.
    ///
    /// # Errors
    /// [`Error::Argument`] if lambda is negative or NaN, [`Error::DType`] if the dtype is not a float.
    pub fn softshrink(self, lambda: f64) -> Result<Tensor> {
        if lambda.is_nan() || lambda < 0.0 {
            return refuse(
                "softshrink",
                "lambda must not be negative",
                format!("{lambda}"),
            );
        }
        unary(self, Softshrink { lambda })
    }

    /// `ln(1 + exp(beta · x)) / beta`, and `x` itself where `beta · x` exceeds `threshold`. PyTorch's beta
    /// is 1 and its threshold 20 if none are given. Finite and exact at any size.
    ///
    /// # Errors
    /// [`Error::Argument`] if beta is 0 or NaN, [`Error::DType`] if the dtype is not a float.
    pub fn softplus(self, beta: f64, threshold: f64) -> Result<Tensor> {
        if beta == 0.0 || beta.is_nan() {
            return refuse("softplus", "beta must not be 0", format!("{beta}"));
        }
        unary(self, Softplus { beta, threshold })
    }

    /// `x` above 0, else `weight · x`, with a weight that is learned (He et al. 2015, arXiv:1502.01852).
    ///
    /// | value    | shape                            |
    /// |----------|----------------------------------|
    /// | `self`   | any, or `[N, C, ...]`            |
    /// | `weight` | one number, or `[C]` for each channel |
    /// | result   | the shape of `self`              |
    ///
    /// A tensor of rank 0 or 1 has one channel.
    ///
    /// # Errors
    /// [`Error::Shape`] if the weight is neither one number nor one for each channel,
    /// [`Error::DType`] if dtypes differ or are not floats.
    pub fn prelu(self, weight: &Tensor) -> Result<Tensor> {
        let channels = self.shape().get(1).copied().unwrap_or(1);
        let weight = if weight.numel() == 1 {
            weight.reshape([])?
        } else if weight.rank() == 1 && weight.numel() == channels {
            let mut shape = vec![1; self.rank().saturating_sub(1).max(1)];
            shape[0] = channels;
            weight.reshape(shape)?
        } else {
            return Err(Error::shape(
                "prelu",
                format!("the weight must be one number or one for each of the {channels} channels"),
                format!("shape {:?} for {:?}", weight.shape(), self.shape()),
            ));
        };
        binary(self, weight, Prelu)
    }

    /// The gated linear unit: the first half of axis `dim`, times the sigmoid of the second (Dauphin et
    /// al. 2016, arXiv:1612.08083). PyTorch's axis is -1 if none is given.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or its size is odd, [`Error::DType`] if the dtype is not
    /// a float.
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        let op = "glu";
        let axis = shape::axis(op, dim, self.rank())?;
        let size = self.shape()[axis];
        if !size.is_multiple_of(2) {
            return Err(Error::shape(
                op,
                format!("the size of axis {axis} must be even"),
                format!("shape {:?}", self.shape()),
            ));
        }
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| x.glu(dim));
        }
        let edges = Edges::of(&[self]);
        let x = self.detach();
        let half = |start| x.narrow(axis as isize, start, size / 2);
        let halves = [half(0)?, half(size / 2)?];
        let y = binary(halves[0].clone(), halves[1].clone(), Glu)?;
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                let parts = super::function::partials(&halves, &dy, Glu)?;
                grads.add(0, Tensor::cat(&[&parts[0], &parts[1]], axis as isize)?)
            }
        }))
    }

    /// The gradient before a ReLU whose result was `y`.
    pub(crate) fn relu_backward(self, y: &Tensor) -> Result<Tensor> {
        apply("relu", [self, y.clone()], &ReluGate)
    }
}

struct ReluGate;

impl<T: Num> Map<T, T, 2> for ReluGate {
    #[inline(always)]
    fn call(&self, [dy, y]: [T; 2]) -> T {
        let zero = T::lit(0.0);
        y.gt_select(zero, dy, y.nan_select(dy, zero))
    }
}
