//! Cross-entropy and negative log-likelihood of classes.

use super::Reduction;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::loss::{CrossEntropy, IGNORED, Target};
use crate::cpu::softmax;
use crate::dtype::for_float;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

/// The options of [`Tensor::cross_entropy`].
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropyOptions<'a> {
    /// A factor of each class `[C]`; none is 1 for all.
    pub weight: Option<&'a Tensor>,
    /// A label that counts for nothing, such as padding. PyTorch's default: -100.
    pub ignore_index: i64,
    /// How much of each target is spread evenly over all classes (Szegedy et al. 2015,
    /// arXiv:1512.00567). PyTorch's default: 0.
    pub label_smoothing: f64,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for CrossEntropyOptions<'_> {
    fn default() -> Self {
        CrossEntropyOptions {
            weight: None,
            ignore_index: -100,
            label_smoothing: 0.0,
            reduction: Reduction::Mean,
        }
    }
}

impl From<Reduction> for CrossEntropyOptions<'_> {
    fn from(reduction: Reduction) -> Self {
        CrossEntropyOptions {
            reduction,
            ..Default::default()
        }
    }
}

/// The options of [`Tensor::nll_loss`].
#[derive(Clone, Copy, Debug)]
pub struct NllOptions<'a> {
    /// A factor of each class `[C]`; none is 1 for all.
    pub weight: Option<&'a Tensor>,
    /// A label that counts for nothing, such as padding. PyTorch's default: -100.
    pub ignore_index: i64,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for NllOptions<'_> {
    fn default() -> Self {
        NllOptions {
            weight: None,
            ignore_index: -100,
            reduction: Reduction::Mean,
        }
    }
}

impl From<Reduction> for NllOptions<'_> {
    fn from(reduction: Reduction) -> Self {
        NllOptions {
            reduction,
            ..Default::default()
        }
    }
}

impl CrossEntropyOptions<'_> {
    /// What the mean over these targets divides by: the weights of all labels that count, added up, or
    /// the number of distributions. With it, means over parts of a batch can be put together.
    ///
    /// # Errors
    /// Those of [`Tensor::cross_entropy`] about labels and weight.
    pub fn total_weight(&self, scores: &Tensor, target: &Tensor) -> Result<f64> {
        let op = "cross_entropy";
        let classes = class_axis(op, scores)?.1;
        if target.dtype().is_float() {
            return Ok((target.numel() / classes.max(1)) as f64);
        }
        let labels = labels(op, target, classes, self.ignore_index)?;
        total_weight(op, &labels, classes, self.weight)
    }
}

/// The class axis and its size: the first of a vector, else the second.
fn class_axis(op: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    match x.shape() {
        [] => Err(Error::shape(
            op,
            "needs scores [C] or [N, C, …]",
            "a number",
        )),
        [classes] => Ok((0, *classes)),
        [_, classes, ..] => Ok((1, *classes)),
    }
}

/// The class axis brought to the end.
fn classes_last(x: &Tensor, axis: usize) -> Result<Tensor> {
    let rank = x.rank() as isize;
    let mut order: Vec<isize> = (0..rank).filter(|&a| a != axis as isize).collect();
    order.push(axis as isize);
    if axis as isize + 1 == rank {
        Ok(x.clone())
    } else {
        x.permute(&order)
    }
}

/// The shape without the class axis.
fn rest(x: &Tensor, axis: usize) -> Vec<usize> {
    let mut shape = x.shape().to_vec();
    shape.remove(axis);
    shape
}

/// Labels as indices, those to be left out marked.
fn labels(op: &'static str, target: &Tensor, classes: usize, ignore: i64) -> Result<Vec<usize>> {
    let values: Vec<i64> = match target.dtype() {
        DType::I64 => target.to_vec()?,
        DType::U32 => target.to_vec::<u32>()?.into_iter().map(i64::from).collect(),
        other => {
            return Err(Error::dtype(
                op,
                "labels must be u32 or i64",
                other.to_string(),
            ));
        }
    };
    let index = |(at, label): (usize, i64)| {
        if label == ignore {
            return Ok(IGNORED);
        }
        match usize::try_from(label) {
            Ok(label) if label < classes => Ok(label),
            _ => Err(Error::shape(
                op,
                format!("every label must lie in 0..{classes} or be the ignored {ignore}"),
                format!("{label} at position {at}"),
            )),
        }
    };
    values.into_iter().enumerate().map(index).collect()
}

/// The weights of all labels that count, added up.
fn total_weight(
    op: &'static str,
    labels: &[usize],
    classes: usize,
    weight: Option<&Tensor>,
) -> Result<f64> {
    let counted = labels.iter().filter(|&&label| label != IGNORED);
    let Some(weight) = weight else {
        return Ok(counted.count() as f64);
    };
    check_weight(op, weight, classes)?;
    let weight = weight.cast(DType::F64)?.to_vec::<f64>()?;
    Ok(counted.map(|&label| weight[label]).sum())
}

fn check_weight(op: &'static str, weight: &Tensor, classes: usize) -> Result<()> {
    if weight.shape() != [classes] {
        return Err(Error::shape(
            op,
            format!("the weight must have shape [{classes}]"),
            format!("{:?}", weight.shape()),
        ));
    }
    if weight.needs_grad() {
        return Err(Error::argument(
            op,
            "the weight of classes carries no gradient",
            "one that needs one; detach it with `detach`",
        ));
    }
    Ok(())
}

/// The weight of classes, contiguous and of the dtype of x.
fn class_weight(
    op: &'static str,
    x: &Tensor,
    weight: Option<&Tensor>,
    classes: usize,
) -> Result<Option<Tensor>> {
    let Some(weight) = weight else {
        return Ok(None);
    };
    same_dtype(op, x, weight)?;
    check_weight(op, weight, classes)?;
    Ok(Some(weight.contiguous_detached()))
}

/// Targets as the loops want them.
enum Classes {
    Labels(Vec<usize>),
    /// With the class axis last, contiguous.
    Probabilities(Tensor),
}

impl Classes {
    fn target<T: Element>(&self) -> Target<'_, T> {
        match self {
            Classes::Labels(labels) => Target::Labels(labels),
            Classes::Probabilities(t) => Target::Probabilities(t.slice()),
        }
    }
}

impl Tensor {
    /// The cross-entropy of classes under the softmax of these scores: `ln Σ exp(x) - x[label]`.
    ///
    /// | value    | shape                                                       |
    /// |----------|-------------------------------------------------------------|
    /// | `self`   | `[N, C, d…]` scores, or `[C]`                               |
    /// | `target` | `[N, d…]` labels (u32 or i64), or `[]`; or probabilities of the shape of `self` |
    /// | `weight` | `[C]`                                                       |
    /// | result   | scalar, or `[N, d…]` for [`Reduction::None`]                |
    ///
    /// With options, label `y` costs `(1 - s) w[y] l[y] + s/C · Σ w[c] l[c]` for smoothing `s` and
    /// `l = ln Σ exp(x) - x`; the mean divides by the sum of `w[y]` over the labels that are not ignored, and is
    /// NaN if all are. Probabilities `t` cost `Σ w[c] ((1 - s) t[c] + s/C) l[c]`; their mean divides by their
    /// number.
    ///
    /// ```
    /// use azura_core::{CrossEntropyOptions, Reduction, Tensor};
    /// let scores = Tensor::from_slice(&[2.0f64, 0.0, 0.0, 1000.0], [2, 2])?;
    /// let labels = Tensor::from_slice(&[0i64, -1], [2])?;
    /// let options = CrossEntropyOptions { ignore_index: -1, ..Default::default() };
    /// let loss = scores.cross_entropy(&labels, options)?.item::<f64>()?;
    /// assert!((loss - 0.126928).abs() < 1e-6);
    /// let same = scores.narrow(0, 0, 1)?.cross_entropy(&labels.narrow(0, 0, 1)?, Reduction::Mean)?;
    /// assert_eq!(loss, same.item::<f64>()?);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit or a label is not in `0..C`, [`Error::DType`] if the
    /// scores are not floats or the labels not integers, [`Error::Argument`] if the smoothing is not in
    /// `[0, 1]`, the weight needs a gradient, or a label is to be ignored among probabilities.
    pub fn cross_entropy<'a>(
        &self,
        target: &Tensor,
        options: impl Into<CrossEntropyOptions<'a>>,
    ) -> Result<Tensor> {
        let op = "cross_entropy";
        let options = options.into();
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let weight = wide.some(options.weight)?;
                let target = match target.dtype().is_float() {
                    true => &wide.of(target)?,
                    false => target,
                };
                let weight = weight.as_ref();
                x.cross_entropy(target, CrossEntropyOptions { weight, ..options })
            });
        }
        let CrossEntropyOptions {
            weight,
            ignore_index,
            label_smoothing: smoothing,
            reduction,
        } = options;
        if !(0.0..=1.0).contains(&smoothing) {
            let rule = "label_smoothing must lie in [0, 1]";
            return Err(Error::argument(op, rule, format!("{smoothing}")));
        }
        let (axis, classes) = class_axis(op, self)?;
        let probabilities = target.dtype().is_float();
        let shape = rest(self, axis);
        if target.shape()
            != if probabilities {
                self.shape()
            } else {
                &shape[..]
            }
        {
            return Err(Error::shape(
                op,
                "needs scores [N, C, d…] with labels [N, d…], or with probabilities of the same shape",
                format!("{:?} and {:?}", self.shape(), target.shape()),
            ));
        }
        let weight = class_weight(op, self, weight, classes)?;
        let scores = classes_last(self, axis)?;
        let (second, classes_of, total) = if probabilities {
            same_dtype(op, self, target)?;
            if ignore_index >= 0 {
                return Err(Error::argument(
                    op,
                    "no class can be ignored among probabilities",
                    format!("ignore_index {ignore_index}"),
                ));
            }
            let t = classes_last(target, axis)?;
            let rows = shape.iter().product::<usize>();
            let contiguous = t.contiguous_detached();
            (t, Classes::Probabilities(contiguous), rows as f64)
        } else {
            let labels = labels(op, target, classes, ignore_index)?;
            let total = total_weight(op, &labels, classes, weight.as_ref())?;
            (target.clone(), Classes::Labels(labels), total)
        };
        let edges = Edges::of(&[&scores, &second]);
        let x = scores.contiguous_detached();
        let rows = shape.iter().product::<usize>();
        let losses = for_float!(op, x.dtype(), T => {
            let log_sums = Tensor::fill_new::<T>([rows, 2].into_iter().collect(), |out| {
                softmax::log_sum_exp(x.slice::<T>(), classes, out);
            });
            let kernel = move |x: &Tensor, log_sums: &Tensor, weight: &Option<Tensor>, classes_of: &Classes, f: &mut dyn FnMut(CrossEntropy<'_, T>)| {
                f(CrossEntropy {
                    x: x.slice(),
                    classes,
                    log_sums: log_sums.slice(),
                    target: classes_of.target(),
                    weight: weight.as_ref().map(Tensor::slice),
                    smoothing,
                });
            };
            let losses = Tensor::fill_new::<T>(shape.iter().copied().collect(), |out| {
                kernel(&x, &log_sums, &weight, &classes_of, &mut |k| k.forward(out));
            });
            edges.record(op, losses, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    if grads.wants(0) {
                        grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                            kernel(&x, &log_sums, &weight, &classes_of, &mut |k| k.backward(dy.slice(), dx));
                        }))?;
                    }
                    if grads.wants(1) {
                        grads.add(1, Tensor::fill_new::<T>(*x.sizes(), |dt| {
                            kernel(&x, &log_sums, &weight, &classes_of, &mut |k| k.target_backward(dy.slice(), dt));
                        }))?;
                    }
                    Ok(())
                }
            })
        });
        reduction.apply_by(&losses, total)
    }

    /// The negative log-likelihood of class labels under these log-probabilities: `-w[y] · x[y]`.
    ///
    /// | value    | shape                                        |
    /// |----------|----------------------------------------------|
    /// | `self`   | `[N, C, d…]` log-probabilities, or `[C]`     |
    /// | `target` | `[N, d…]` labels (u32 or i64), or `[]`       |
    /// | `weight` | `[C]`                                        |
    /// | result   | scalar, or `[N, d…]` for [`Reduction::None`] |
    ///
    /// The mean divides by the sum of the weights of the labels that are not ignored.
    ///
    /// # Errors
    /// Those of [`Tensor::cross_entropy`].
    pub fn nll_loss<'a>(
        &self,
        target: &Tensor,
        options: impl Into<NllOptions<'a>>,
    ) -> Result<Tensor> {
        let op = "nll_loss";
        let options = options.into();
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let weight = wide.some(options.weight)?;
                let weight = weight.as_ref();
                x.nll_loss(target, NllOptions { weight, ..options })
            });
        }
        let NllOptions {
            weight,
            ignore_index,
            reduction,
        } = options;
        let (axis, classes) = class_axis(op, self)?;
        let shape = rest(self, axis);
        if target.shape() != shape {
            return Err(Error::shape(
                op,
                "needs log-probabilities [N, C, d…] and labels [N, d…]",
                format!("{:?} and {:?}", self.shape(), target.shape()),
            ));
        }
        let weight = class_weight(op, self, weight, classes)?;
        let labels = labels(op, target, classes, ignore_index)?;
        let total = total_weight(op, &labels, classes, weight.as_ref())?;
        let scores = classes_last(self, axis)?;
        let edges = Edges::of(&[&scores]);
        let x = scores.contiguous_detached();
        let losses = for_float!(op, x.dtype(), T => {
            let losses = Tensor::fill_new::<T>(shape.iter().copied().collect(), |out| {
                let (x, w) = (x.slice::<T>(), weight.as_ref().map(Tensor::slice::<T>));
                for (row, (out, &label)) in out.iter_mut().zip(&labels).enumerate() {
                    *out = match label {
                        IGNORED => 0.0,
                        label => -x[row * classes + label] * w.map_or(1.0, |w| w[label]),
                    };
                }
            });
            let shape = *x.sizes();
            edges.record(op, losses, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    grads.add(0, Tensor::fill_new::<T>(shape, |dx| {
                        let w = weight.as_ref().map(Tensor::slice::<T>);
                        dx.fill(0.0);
                        for (row, (dy, &label)) in dy.slice::<T>().iter().zip(&labels).enumerate() {
                            if label != IGNORED {
                                dx[row * classes + label] = -dy * w.map_or(1.0, |w| w[label]);
                            }
                        }
                    }))
                }
            })
        });
        reduction.apply_by(&losses, total)
    }
}
