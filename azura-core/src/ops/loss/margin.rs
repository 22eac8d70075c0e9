//! Losses that compare scores or distances within a row.

use super::{Reduction, check_number, check_pair};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::loss::{MultiMargin, multilabel_margin};
use crate::dtype::for_float;
use crate::ops::view::indices;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

/// The options of [`Tensor::triplet_margin_loss`].
#[derive(Clone, Copy, Debug)]
pub struct TripletOptions {
    /// By how much the negative must be farther away. PyTorch's default: 1.
    pub margin: f64,
    /// The norm of distances. PyTorch's default: 2.
    pub p: f64,
    /// Added to each difference. PyTorch's default: 1e-6.
    pub eps: f64,
    /// Whether the negative's distance from the positive counts if it is shorter (Balntas et al. 2016).
    /// PyTorch's default: no.
    pub swap: bool,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for TripletOptions {
    fn default() -> Self {
        TripletOptions {
            margin: 1.0,
            p: 2.0,
            eps: 1e-6,
            swap: false,
            reduction: Reduction::Mean,
        }
    }
}

/// The options of [`Tensor::multi_margin_loss`].
#[derive(Clone, Copy, Debug)]
pub struct MultiMarginOptions<'a> {
    /// The exponent, 1 or 2. PyTorch's default: 1.
    pub p: u32,
    /// By how much the right class must be above the others. PyTorch's default: 1.
    pub margin: f64,
    /// A factor of each class `[C]`; none is 1 for all.
    pub weight: Option<&'a Tensor>,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for MultiMarginOptions<'_> {
    fn default() -> Self {
        MultiMarginOptions {
            p: 1,
            margin: 1.0,
            weight: None,
            reduction: Reduction::Mean,
        }
    }
}

impl Tensor {
    /// `1 - cos(self, other)` for rows whose target is 1, `max(0, cos(self, other) - margin)` for -1.
    ///
    /// | value           | shape                                      |
    /// |-----------------|--------------------------------------------|
    /// | `self`, `other` | `[N, D]`, or `[D]`                         |
    /// | `target`        | `[N]`, or `[]`: 1 or -1, of any dtype      |
    /// | result          | scalar, or `[N]` for [`Reduction::None`]   |
    ///
    /// PyTorch's default margin is 0. Both squared lengths get 1e-12 added, as there.
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not fit, [`Error::DType`] if the inputs' dtypes differ or are no floats.
    pub fn cosine_embedding_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "cosine_embedding_loss";
        check_pair(op, self, other)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                x.cosine_embedding_loss(&wide.of(other)?, target, margin, reduction)
            });
        }
        let fits = matches!(self.rank(), 1 | 2);
        if !fits || target.shape() != &self.shape()[..self.rank() - 1] {
            return Err(Error::shape(
                op,
                "needs rows [N, D] and targets [N], or one row [D] and a number",
                format!("{:?} and {:?}", self.shape(), target.shape()),
            ));
        }
        let dot = |a: &Tensor, b: &Tensor| a.clone().mul(b)?.sum(&[-1], false);
        let square = |x: &Tensor| dot(x, x)?.add(1e-12);
        let cos = dot(self, other)?.div(square(self)?.mul(square(other)?)?.sqrt()?)?;
        let target = target.cast(DType::F64)?;
        let none = Tensor::full_like(&cos, 0.0);
        let alike = (1.0 - &cos)?;
        let unlike = cos.sub(margin)?.relu()?;
        let unlike = Tensor::where_(&target.eq(-1.0)?, &unlike, &none)?;
        reduction.apply(&Tensor::where_(&target.eq(1.0)?, &alike, &unlike)?)
    }

    /// `max(0, |self - positive|ₚ - |self - negative|ₚ + margin)`, distances over the last axis.
    ///
    /// | value                          | shape                                         |
    /// |--------------------------------|-----------------------------------------------|
    /// | `self`, `positive`, `negative` | `[N, …, D]`                                   |
    /// | result                         | scalar, or `[N, …]` for [`Reduction::None`]   |
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes differ or there is no axis, [`Error::DType`] if dtypes differ or are not
    /// floats, [`Error::Argument`] if margin or `p` is not positive.
    pub fn triplet_margin_loss(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        options: TripletOptions,
    ) -> Result<Tensor> {
        let op = "triplet_margin_loss";
        let TripletOptions {
            margin,
            p,
            eps,
            swap,
            reduction,
        } = options;
        check_number(op, "the margin must be positive", margin > 0.0, margin)?;
        let finite = p > 0.0 && p.is_finite();
        check_number(op, "p must be positive and finite", finite, p)?;
        check_pair(op, self, positive)?;
        check_pair(op, self, negative)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                x.triplet_margin_loss(&wide.of(positive)?, &wide.of(negative)?, options)
            });
        }
        if self.rank() == 0 {
            return Err(Error::shape(op, "there must be an axis", "a number"));
        }
        let distance = |a: &Tensor, b: &Tensor| -> Result<Tensor> {
            let d = a.clone().sub(b)?.add(eps)?;
            if p == 2.0 {
                return d.square()?.sum(&[-1], false)?.sqrt();
            }
            let sum = d.abs()?.pow(p)?.sum(&[-1], false)?;
            if p == 1.0 { Ok(sum) } else { sum.pow(1.0 / p) }
        };
        let near = distance(self, positive)?;
        let mut far = distance(self, negative)?;
        if swap {
            far = far.minimum(&distance(positive, negative)?)?;
        }
        reduction.apply(&near.sub(far)?.add(margin)?.relu()?)
    }

    /// The hinge of classes: `Σ max(0, margin - x[y] + x[j])ᵖ · w[y] / C` over all classes `j` but the
    /// label `y`.
    ///
    /// | value    | shape                                    |
    /// |----------|------------------------------------------|
    /// | `self`   | `[N, C]` scores, or `[C]`                |
    /// | `labels` | `[N]` u32 or i64, or `[]`                |
    /// | `weight` | `[C]`                                    |
    /// | result   | scalar, or `[N]` for [`Reduction::None`] |
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not fit or a label is not in `0..C`, [`Error::DType`] if the scores
    /// are not floats, [`Error::Argument`] if `p` is neither 1 nor 2 or the weight needs a gradient.
    pub fn multi_margin_loss(
        &self,
        labels: &Tensor,
        options: MultiMarginOptions<'_>,
    ) -> Result<Tensor> {
        let op = "multi_margin_loss";
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let weight = wide.some(options.weight)?;
                let weight = weight.as_ref();
                x.multi_margin_loss(labels, MultiMarginOptions { weight, ..options })
            });
        }
        let MultiMarginOptions {
            p,
            margin,
            weight,
            reduction,
        } = options;
        if !(1..=2).contains(&p) {
            return Err(Error::argument(op, "p must be 1 or 2", format!("{p}")));
        }
        let fits = matches!(self.rank(), 1 | 2);
        if !fits || labels.shape() != &self.shape()[..self.rank() - 1] {
            return Err(Error::shape(
                op,
                "needs scores [N, C] and labels [N], or [C] and a number",
                format!("{:?} and {:?}", self.shape(), labels.shape()),
            ));
        }
        let classes = self.dim(-1)?;
        let labels = indices(op, labels, classes)?;
        if let Some(weight) = weight {
            same_dtype(op, self, weight)?;
            if weight.shape() != [classes] || weight.needs_grad() {
                return Err(Error::argument(
                    op,
                    format!("the weight must have shape [{classes}] and need no gradient"),
                    format!("{:?}", weight.shape()),
                ));
            }
        }
        let weight = weight.map(Tensor::contiguous_detached);
        let losses = for_float!(op, self.dtype(), T => self.row_losses::<T>(op, move |row, x, slope| {
            let rule = MultiMargin {
                labels: &labels,
                weight: weight.as_ref().map(Tensor::slice::<T>),
                margin,
                squared: p == 2,
            };
            rule.row(row, x, slope)
        }))?;
        reduction.apply(&losses)
    }

    /// The hinge of several right classes: `Σ max(0, 1 - x[y] + x[j]) / C` over all right classes `y` and
    /// all `j` that are not right.
    ///
    /// | value    | shape                                                             |
    /// |----------|-------------------------------------------------------------------|
    /// | `self`   | `[N, C]` scores, or `[C]`                                         |
    /// | `labels` | the same, i64: the right classes of a row up to the first -1      |
    /// | result   | scalar, or `[N]` for [`Reduction::None`]                          |
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not fit or a label is not in `0..C`, [`Error::DType`] if the scores
    /// are not floats or the labels not i64.
    pub fn multilabel_margin_loss(&self, labels: &Tensor, reduction: Reduction) -> Result<Tensor> {
        let op = "multilabel_margin_loss";
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| x.multilabel_margin_loss(labels, reduction));
        }
        if !matches!(self.rank(), 1 | 2) || labels.shape() != self.shape() {
            return Err(Error::shape(
                op,
                "needs scores [N, C] or [C] and labels of the same shape",
                format!("{:?} and {:?}", self.shape(), labels.shape()),
            ));
        }
        labels.expect_dtype(op, DType::I64)?;
        let classes = self.dim(-1)?;
        let mut right: Vec<Vec<usize>> = Vec::new();
        if classes > 0 {
            for row in labels.to_vec::<i64>()?.chunks_exact(classes) {
                let given: Vec<i64> = row
                    .iter()
                    .copied()
                    .take_while(|&label| label >= 0)
                    .collect();
                let given = Tensor::from_slice(&given, [given.len()])?;
                right.push(indices(op, &given, classes)?);
            }
        }
        let losses = for_float!(op, self.dtype(), T => self.row_losses::<T>(op, move |row, x, slope| {
            multilabel_margin(&right[row], x, slope)
        }))?;
        reduction.apply(&losses)
    }

    /// A loss of each row of the last axis; `f(row, x, slope)` gives it and tells the slope by each class,
    /// in any number of parts.
    fn row_losses<T: Element + Default>(
        &self,
        op: &'static str,
        f: impl Fn(usize, &[T], &mut dyn FnMut(usize, f64)) -> f64 + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let edges = Edges::of(&[self]);
        let x = self.contiguous_detached();
        let width = x.dim(-1)?;
        let rows = x.shape()[..x.rank() - 1].iter().copied().collect();
        let span = move |i: usize| i * width..(i + 1) * width;
        let losses = Tensor::fill_new::<T>(rows, |out| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = if width == 0 {
                    T::default()
                } else {
                    T::from_f64(f(i, &x.slice()[span(i)], &mut |_, _| {}))
                };
            }
        });
        Ok(edges.record(op, losses, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                let dx = Tensor::fill_new::<T>(*x.sizes(), |dx| {
                    let mut slopes = vec![0.0; width];
                    let rows = dx.chunks_exact_mut(width.max(1));
                    for (i, (dx, dy)) in rows.zip(dy.slice::<T>()).enumerate() {
                        slopes.fill(0.0);
                        f(i, &x.slice()[span(i)], &mut |class, slope| {
                            slopes[class] += slope;
                        });
                        for (dx, slope) in dx.iter_mut().zip(&slopes) {
                            *dx = T::from_f64(dy.to_f64() * slope);
                        }
                    }
                });
                grads.add(0, dx)
            }
        }))
    }
}
