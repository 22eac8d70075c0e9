//! Losses of pairs of elements: one expression each, its derivative written out where a convention or a
//! safe form asks for it.

use super::{Reduction, check_number, check_pair, paired, weighted};
use crate::cpu::math::Num;
use crate::dtype::for_float;
use crate::ops::elementwise::{Binary, binary};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

/// Each row: type with its constants, name, expression of prediction and target, derivatives by both.
macro_rules! losses {
    ($($ty:ident { $($field:ident),* } $op:literal |$a:ident, $b:ident| $f:expr, grad $df:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $ty {
            $($field: f64,)*
        }
        impl Binary for $ty {
            const OP: &'static str = $op;
            #[inline(always)]
            fn f<N: Num>(self, $a: N, $b: N) -> N {
                $(let $field = N::lit(self.$field);)*
                $f
            }
            #[inline(always)]
            fn df<N: Num>(self, $a: N, $b: N) -> [N; 2] {
                $(let $field = N::lit(self.$field);)*
                // A slope need not depend on both.
                let _ = ($a, $b);
                $df
            }
        }
    )*};
}

losses! {
    Squared {} "mse_loss" |a, b| (a - b) * (a - b), grad both_ways((a - b) + (a - b));
    Absolute {} "l1_loss" |a, b| (a - b).abs(), grad {
        let d = a - b;
        both_ways(d.gt_select(zero(), one(), zero::<N>().gt_select(d, -one::<N>(), zero())))
    };
    Huber { delta } "huber_loss" |a, b| {
        let size = (a - b).abs();
        let far = delta * (size - half::<N>() * delta);
        size.gt_select(delta, far, half::<N>() * size * size)
    }, grad both_ways(between(a - b, -delta, delta));
    SmoothL1 { beta } "smooth_l1_loss" |a, b| {
        let size = (a - b).abs();
        let near = half::<N>() * size * size / beta;
        beta.gt_select(size, near, size - half::<N>() * beta)
    }, grad both_ways(between((a - b) / beta, -one::<N>(), one()));
    Pinball { q } "quantile_loss" |a, b| {
        let short = b - a;
        short.gt_select(zero(), q * short, (q - one()) * short)
    }, grad {
        let short = b - a;
        let over = zero::<N>().gt_select(short, one::<N>() - q, zero());
        both_ways(short.gt_select(zero(), -q, over))
    };
    // Logarithms are cut at -100, as in PyTorch, so that a probability of 0 costs much and not infinity.
    Bce {} "binary_cross_entropy" |x, t| {
        (t - one()) * cut((-x).ln_1p()) - t * cut(x.ln())
    }, grad {
        let spread = (one::<N>() - x) * x;
        // PyTorch's number, which is f32 there.
        let least = N::lit(f64::from(1e-12f32));
        [(x - t) / least.gt_select(spread, least, spread), cut((-x).ln_1p()) - cut(x.ln())]
    };
    BceWithLogits {} "binary_cross_entropy_with_logits" |x, t| {
        (one::<N>() - t) * x + softplus(-x)
    }, grad [x.sigmoid() - t, -x];
    // `softplus(-x) · t`: what a weight of positive examples adds.
    Missed {} "binary_cross_entropy_with_logits" |x, t| softplus(-x) * t,
        grad [-((-x).sigmoid()) * t, softplus(-x)];
    Kl {} "kl_div" |x, t| {
        let own = zero::<N>().gt_select(t, t.ln(), t.gt_select(zero(), t * t.ln(), t));
        own - t * x
    }, grad [-t, t.ln() + one() - x];
    KlLog {} "kl_div" |x, t| t.exp() * (t - x), grad [-t.exp(), t.exp() * (t - x + one())];
    PoissonLog {} "poisson_nll_loss" |x, t| x.exp() - t * x, grad [x.exp() - t, -x];
    Poisson { eps } "poisson_nll_loss" |x, t| x - t * (x + eps).ln(),
        grad [one::<N>() - t / (x + eps), -((x + eps).ln())];
    // Stirling's approximation of `ln t!`, for targets above 1.
    Stirling {} "poisson_nll_loss" |x, t| {
        let tail = t * t.ln() - t + half::<N>() * (N::lit(std::f64::consts::TAU) * t).ln();
        x + t.gt_select(one(), tail, zero())
    }, grad {
        let tail = t.ln() + half::<N>() / t;
        [one(), t.gt_select(one(), tail, zero())]
    };
    // The variance is kept from 0 in the value; its gradient passes as if it were not.
    Gaussian { eps } "gaussian_nll_loss" |d, var| {
        let v = eps.gt_select(var, eps, var);
        half::<N>() * (v.ln() + d * d / v)
    }, grad {
        let v = eps.gt_select(var, eps, var);
        [d / v, half::<N>() * (one::<N>() - d * d / v) / v]
    };
    HingeEmbedding { margin } "hinge_embedding_loss" |x, y| {
        let near = unequal(y, -one::<N>(), x);
        near + unequal(y, one(), positive(margin - x))
    }, grad {
        let far = (margin - x).gt_select(zero(), -one::<N>(), zero());
        [unequal(y, -one::<N>(), one()) + unequal(y, one(), far), zero()]
    };
    Ranking { margin } "margin_ranking_loss" |d, y| positive(margin - y * d), grad {
        let on = |slope: N| (margin - y * d).gt_select(zero(), slope, zero());
        [on(-y), on(-d)]
    };
    SoftMargin {} "soft_margin_loss" |x, y| softplus(-(x * y)), grad {
        let share = (-(x * y)).sigmoid();
        [-(y * share), -(x * share)]
    };
}

#[inline(always)]
fn zero<N: Num>() -> N {
    N::lit(0.0)
}

#[inline(always)]
fn one<N: Num>() -> N {
    N::lit(1.0)
}

#[inline(always)]
fn half<N: Num>() -> N {
    N::lit(0.5)
}

/// The slope by the first operand and its opposite by the second.
#[inline(always)]
fn both_ways<N: Num>(slope: N) -> [N; 2] {
    [slope, -slope]
}

#[inline(always)]
fn between<N: Num>(x: N, low: N, high: N) -> N {
    let x = low.gt_select(x, low, x);
    x.gt_select(high, high, x)
}

/// `max(x, 0)`; NaN stays.
#[inline(always)]
fn positive<N: Num>(x: N) -> N {
    zero::<N>().gt_select(x, zero(), x)
}

/// `yes` where `y` is not `value`, else 0.
#[inline(always)]
fn unequal<N: Num>(y: N, value: N, yes: N) -> N {
    y.gt_select(value, yes, value.gt_select(y, yes, zero()))
}

/// A logarithm, but not below -100.
#[inline(always)]
fn cut<N: Num>(log: N) -> N {
    let least = N::lit(-100.0);
    least.gt_select(log, least, log)
}

/// `ln(1 + eˣ)`, safe at any size.
#[inline(always)]
fn softplus<N: Num>(x: N) -> N {
    positive(x) + (-x.abs()).exp().ln_1p()
}

/// The options of [`Tensor::binary_cross_entropy`] and its form with logits.
#[derive(Clone, Copy, Debug, Default)]
pub struct BceOptions<'a> {
    /// A factor of each element's loss, broadcast to its shape.
    pub weight: Option<&'a Tensor>,
    /// A factor of the loss of positive targets, broadcast to its shape; only with logits.
    pub pos_weight: Option<&'a Tensor>,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl From<Reduction> for BceOptions<'_> {
    fn from(reduction: Reduction) -> Self {
        BceOptions {
            reduction,
            ..BceOptions::default()
        }
    }
}

/// The options of [`Tensor::gaussian_nll_loss`].
#[derive(Clone, Copy, Debug)]
pub struct GaussianNllOptions {
    /// Whether the constant `½ ln 2π` is added. PyTorch's default: no.
    pub full: bool,
    /// The least variance. PyTorch's default: 1e-6.
    pub eps: f64,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for GaussianNllOptions {
    fn default() -> Self {
        GaussianNllOptions {
            full: false,
            eps: 1e-6,
            reduction: Reduction::Mean,
        }
    }
}

/// The options of [`Tensor::poisson_nll_loss`].
#[derive(Clone, Copy, Debug)]
pub struct PoissonNllOptions {
    /// Whether predictions are logarithms of rates. PyTorch's default: yes.
    pub log_input: bool,
    /// Whether Stirling's approximation of `ln target!` is added. PyTorch's default: no.
    pub full: bool,
    /// Added to a rate before its logarithm is taken. PyTorch's default: 1e-8.
    pub eps: f64,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for PoissonNllOptions {
    fn default() -> Self {
        PoissonNllOptions {
            log_input: true,
            full: false,
            eps: 1e-8,
            reduction: Reduction::Mean,
        }
    }
}

impl Tensor {
    /// The squared error `(self - target)²`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ (nothing is broadcast: `[N, 1]` against `[N]` is a mistake),
    /// [`Error::DType`] if dtypes differ or are not floats.
    pub fn mse_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        paired(self, target, Squared {}, None, reduction)
    }

    /// The absolute error `|self - target|`.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn l1_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        paired(self, target, Absolute {}, None, reduction)
    }

    /// Half the squared error up to a distance of `delta`, from there on a line of slope `delta`
    /// (Huber 1964).
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`], and [`Error::Argument`] if `delta` is not positive.
    pub fn huber_loss(&self, target: &Tensor, delta: f64, reduction: Reduction) -> Result<Tensor> {
        check_number("huber_loss", "delta must be positive", delta > 0.0, delta)?;
        paired(self, target, Huber { delta }, None, reduction)
    }

    /// `½ d² / beta` for a distance `d` below `beta`, from there on a line of slope 1 (Girshick 2015,
    /// arXiv:1504.08083). A `beta` of 0 is the absolute error.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`], and [`Error::Argument`] if `beta` is negative.
    pub fn smooth_l1_loss(
        &self,
        target: &Tensor,
        beta: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "smooth_l1_loss";
        check_number(op, "beta must not be negative", beta >= 0.0, beta)?;
        check_pair(op, self, target)?;
        if beta == 0.0 {
            return paired(self, target, Absolute {}, None, reduction);
        }
        paired(self, target, SmoothL1 { beta }, None, reduction)
    }

    /// The loss whose least value is the quantile `q` (Koenker & Bassett 1978): `q · (target - self)`
    /// where the prediction is too low, `(1 - q) · (self - target)` where it is too high. Also called
    /// pinball loss; the gradient where both are equal is 0. PyTorch has none.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`], and [`Error::Argument`] unless `0 < q < 1`.
    pub fn quantile_loss(&self, target: &Tensor, q: f64, reduction: Reduction) -> Result<Tensor> {
        let inside = q > 0.0 && q < 1.0;
        check_number("quantile_loss", "q must lie between 0 and 1", inside, q)?;
        paired(self, target, Pinball { q }, None, reduction)
    }

    /// The cross-entropy of probabilities: `-(t ln x + (1 - t) ln (1 - x)) · weight`, logarithms not
    /// below -100.
    ///
    /// With scores use [`Tensor::binary_cross_entropy_with_logits`]: it loses no digits.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`]; [`Error::Argument`] if a prediction is not in `[0, 1]` or
    /// `pos_weight` is given; [`Error::Shape`] if the weight cannot be broadcast.
    pub fn binary_cross_entropy<'a>(
        &self,
        target: &Tensor,
        options: impl Into<BceOptions<'a>>,
    ) -> Result<Tensor> {
        let op = "binary_cross_entropy";
        let options = options.into();
        if options.pos_weight.is_some() {
            return Err(Error::argument(
                op,
                "a weight of positive targets needs logits",
                "`pos_weight`; use `binary_cross_entropy_with_logits`",
            ));
        }
        check_pair(op, self, target)?;
        let outside = first_where(op, self, |x| !(0.0..=1.0).contains(&x) && !x.is_nan())?;
        if let Some(outside) = outside {
            return Err(Error::argument(
                op,
                "predictions must lie in [0, 1]",
                format!("{outside}; for scores use `binary_cross_entropy_with_logits`"),
            ));
        }
        paired(self, target, Bce {}, options.weight, options.reduction)
    }

    /// The cross-entropy of the probabilities `sigmoid(self)`, from the scores:
    /// `((1 - t) x + (1 + (pos_weight - 1) t) · ln(1 + e⁻ˣ)) · weight`.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`]; [`Error::Shape`] if a weight cannot be broadcast.
    pub fn binary_cross_entropy_with_logits<'a>(
        &self,
        target: &Tensor,
        options: impl Into<BceOptions<'a>>,
    ) -> Result<Tensor> {
        let op = "binary_cross_entropy_with_logits";
        let options = options.into();
        check_pair(op, self, target)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let weight = wide.some(options.weight)?;
                let pos_weight = wide.some(options.pos_weight)?;
                let options = BceOptions {
                    weight: weight.as_ref(),
                    pos_weight: pos_weight.as_ref(),
                    ..options
                };
                x.binary_cross_entropy_with_logits(&wide.of(target)?, options)
            });
        }
        let mut losses = binary(self.clone(), target.clone(), BceWithLogits {})?;
        if let Some(pos_weight) = options.pos_weight {
            let missed = binary(self.clone(), target.clone(), Missed {})?;
            let more = pos_weight.clone().sub(1.0)?;
            losses = losses.add(weighted(op, missed, Some(&more))?)?;
        }
        options
            .reduction
            .apply(&weighted(op, losses, options.weight)?)
    }

    /// The Kullback–Leibler divergence of the targets from predictions in logarithms:
    /// `t · (ln t - self)`, or `eᵗ · (t - self)` if the targets are logarithms too.
    ///
    /// [`Reduction::BatchMean`] is the divergence of distributions; [`Reduction::Mean`] divides by the
    /// number of classes as well, as in PyTorch.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn kl_div(
        &self,
        target: &Tensor,
        log_target: bool,
        reduction: Reduction,
    ) -> Result<Tensor> {
        if log_target {
            paired(self, target, KlLog {}, None, reduction)
        } else {
            paired(self, target, Kl {}, None, reduction)
        }
    }

    /// The negative logarithm of a normal density with mean `self`:
    /// `½ (ln v + (self - target)² / v)` with `v = max(var, eps)`.
    ///
    /// | value    | shape                                                                      |
    /// |----------|----------------------------------------------------------------------------|
    /// | `self`   | `[N, …, D]`                                                                |
    /// | `target` | the same, or one that is broadcast to it                                   |
    /// | `var`    | the same, or with 1 for one of the sizes, or without the last axis         |
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not fit, [`Error::DType`] if dtypes differ or are not floats,
    /// [`Error::Argument`] if `eps` is not positive or a variance negative.
    pub fn gaussian_nll_loss(
        &self,
        target: &Tensor,
        var: &Tensor,
        options: GaussianNllOptions,
    ) -> Result<Tensor> {
        let op = "gaussian_nll_loss";
        let GaussianNllOptions {
            full,
            eps,
            reduction,
        } = options;
        check_number(op, "eps must be positive", eps > 0.0, eps)?;
        same_dtype(op, self, target)?;
        same_dtype(op, self, var)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                x.gaussian_nll_loss(&wide.of(target)?, &wide.of(var)?, options)
            });
        }
        if target.layout().expand(self.sizes()).is_none() {
            return Err(Error::shape(
                op,
                "targets must be broadcast to the predictions",
                format!("{:?} and {:?}", self.shape(), target.shape()),
            ));
        }
        let (own, of_var) = (self.shape(), var.shape());
        let unequal = own.iter().zip(of_var).filter(|(a, b)| a != b);
        let var = if own == of_var {
            var.clone()
        } else if own.split_last().is_some_and(|(_, rest)| rest == of_var) {
            var.unsqueeze(-1)?
        } else if own.len() == of_var.len() && unequal.map(|(_, b)| b).eq([&1]) {
            var.clone()
        } else {
            return Err(Error::shape(
                op,
                "the variance must have the shape of the predictions, 1 for one of its sizes, or lack the last axis",
                format!("{of_var:?} for {own:?}"),
            ));
        };
        if let Some(negative) = first_where(op, &var, |v| v < 0.0)? {
            let rule = "variances must not be negative";
            return Err(Error::argument(op, rule, format!("{negative}")));
        }
        let distance = self.clone().sub(target)?;
        let mut losses = binary(distance, var, Gaussian { eps })?;
        if full {
            losses = losses.add(0.5 * std::f64::consts::TAU.ln())?;
        }
        reduction.apply(&losses)
    }

    /// The negative logarithm of a Poisson probability, without a constant: `eˣ - t x` for predictions
    /// `x` that are logarithms of rates, else `x - t ln(x + eps)`.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn poisson_nll_loss(&self, target: &Tensor, options: PoissonNllOptions) -> Result<Tensor> {
        let op = "poisson_nll_loss";
        check_pair(op, self, target)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| x.poisson_nll_loss(&wide.of(target)?, options));
        }
        let (x, t) = (self.clone(), target.clone());
        let mut losses = if options.log_input {
            binary(x, t, PoissonLog {})?
        } else {
            binary(x, t, Poisson { eps: options.eps })?
        };
        if options.full {
            losses = binary(losses, target.clone(), Stirling {})?;
        }
        options.reduction.apply(&losses)
    }

    /// `self` where the target is 1, `max(0, margin - self)` where it is -1: distances of pairs that are
    /// alike or not. PyTorch's default margin is 1.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn hinge_embedding_loss(
        &self,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        paired(self, target, HingeEmbedding { margin }, None, reduction)
    }

    /// `max(0, margin - target · (self - other))`: a target of 1 wants `self` above `other`, -1 below.
    /// PyTorch's default margin is 0.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn margin_ranking_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "margin_ranking_loss";
        check_pair(op, self, other)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                x.margin_ranking_loss(&wide.of(other)?, &wide.of(target)?, margin, reduction)
            });
        }
        let difference = self.clone().sub(other)?;
        paired(&difference, target, Ranking { margin }, None, reduction)
    }

    /// `ln(1 + exp(-target · self))` for targets of 1 and -1.
    ///
    /// # Errors
    /// Those of [`Tensor::mse_loss`].
    pub fn soft_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        paired(self, target, SoftMargin {}, None, reduction)
    }

    /// The binary cross-entropy of the last axis's classes, each present or not, averaged over them.
    ///
    /// | value            | shape                                       |
    /// |------------------|---------------------------------------------|
    /// | `self`, `target` | `[N, …, C]` scores, and 0 or 1              |
    /// | `weight`         | broadcast to it                             |
    /// | result           | scalar, or `[N, …]` for [`Reduction::None`] |
    ///
    /// # Errors
    /// Those of [`Tensor::binary_cross_entropy_with_logits`], and [`Error::Shape`] if there is no axis.
    pub fn multilabel_soft_margin_loss<'a>(
        &self,
        target: &Tensor,
        options: impl Into<BceOptions<'a>>,
    ) -> Result<Tensor> {
        let op = "multilabel_soft_margin_loss";
        let options = options.into();
        check_pair(op, self, target)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let weight = wide.some(options.weight)?;
                let pos_weight = wide.some(options.pos_weight)?;
                let options = BceOptions {
                    weight: weight.as_ref(),
                    pos_weight: pos_weight.as_ref(),
                    ..options
                };
                x.multilabel_soft_margin_loss(&wide.of(target)?, options)
            });
        }
        if self.rank() == 0 {
            return Err(Error::shape(op, "there must be an axis of classes", "none"));
        }
        let losses = self.binary_cross_entropy_with_logits(
            target,
            BceOptions {
                reduction: Reduction::None,
                ..options
            },
        )?;
        options.reduction.apply(&losses.mean(&[-1], false)?)
    }
}

/// The first element that `f` holds for.
fn first_where(op: &'static str, x: &Tensor, f: impl Fn(f64) -> bool) -> Result<Option<f64>> {
    if x.dtype().is_half() {
        return first_where(op, &x.cast(DType::F32)?, f);
    }
    let x = x.contiguous_detached();
    for_float!(op, x.dtype(), T => {
        Ok(x.slice::<T>().iter().map(|x| x.to_f64()).find(|&x| f(x)))
    })
}
