//! Sequences with labels of unknown alignment.

use super::Reduction;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::ctc::Sequence;
use crate::cpu::threads::for_rows;
use crate::dtype::for_float;
use crate::ops::indices;
use crate::tensor::Tensor;
use crate::{Element, Error, Result};

/// The options of [`Tensor::ctc_loss`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CtcOptions {
    /// The class that stands for no label. PyTorch's default: 0.
    pub blank: usize,
    /// Whether sequences too short for their labels cost 0 instead of infinity. PyTorch's default: no.
    pub zero_infinity: bool,
    /// How the losses are combined; the mean divides each by the number of its labels first.
    pub reduction: Reduction,
}

impl Tensor {
    /// Connectionist temporal classification (Graves et al. 2006): the negative logarithm of the
    /// probability of the labels, summed over all alignments.
    ///
    /// | value            | shape                                                                |
    /// |------------------|----------------------------------------------------------------------|
    /// | `self`           | `[N, T, C]` log-probabilities, from `log_softmax` (PyTorch: `[T, N, C]`) |
    /// | `labels`         | `[N, S]` padded, or `[Σ label_lengths]` one after the other; u32 or i64 |
    /// | `lengths`        | `N` numbers of times that count                                      |
    /// | `label_lengths`  | `N` numbers of labels                                                |
    /// | result           | scalar, or `[N]` for [`Reduction::None`]                             |
    ///
    /// The gradient is that of the scores before `log_softmax`, as in PyTorch: it passes through it
    /// unchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes and lengths do not fit or a label is not in `0..C`, [`Error::DType`] if the
    /// log-probabilities are not floats or the labels not integers, [`Error::Argument`] if the blank is no
    /// class.
    pub fn ctc_loss(
        &self,
        labels: &Tensor,
        lengths: &[usize],
        label_lengths: &[usize],
        options: CtcOptions,
    ) -> Result<Tensor> {
        let op = "ctc_loss";
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| {
                x.ctc_loss(labels, lengths, label_lengths, options)
            });
        }
        let CtcOptions {
            blank,
            zero_infinity,
            reduction,
        } = options;
        let [samples, time, classes] = *self.shape() else {
            return Err(Error::shape(
                op,
                "needs log-probabilities [N, T, C]",
                format!("{:?}", self.shape()),
            ));
        };
        if blank >= classes {
            let rule = format!("the blank must lie in 0..{classes}");
            return Err(Error::argument(op, rule, format!("{blank}")));
        }
        if lengths.len() != samples || label_lengths.len() != samples {
            return Err(Error::shape(
                op,
                format!("needs {samples} lengths of sequences and of labels"),
                format!("{} and {}", lengths.len(), label_lengths.len()),
            ));
        }
        if let Some(&long) = lengths.iter().find(|&&length| length > time) {
            let rule = format!("no sequence may be longer than {time}");
            return Err(Error::shape(op, rule, format!("{long}")));
        }
        let spelled = spelled(op, labels, label_lengths, samples, classes)?;
        let edges = Edges::of(&[self]);
        let x = self.contiguous_detached();
        let lengths = lengths.to_vec();
        let size = time * classes;
        let counts: Vec<f64> = label_lengths.iter().map(|&n| n.max(1) as f64).collect();
        let losses = for_float!(op, x.dtype(), T => {
            let sequence = move |x: &'_ [T], i: usize, run: &mut dyn FnMut(Sequence<'_, T>)| {
                run(Sequence {
                    x: &x[i * size..(i + 1) * size],
                    time: lengths[i],
                    classes,
                    labels: &spelled[i],
                    blank,
                });
            };
            let losses = Tensor::fill_new::<T>([samples].into_iter().collect(), |out| {
                for_rows(out, 1, 1, |first, out| {
                    for (i, out) in out.iter_mut().enumerate() {
                        sequence(x.slice(), first + i, &mut |s| {
                            let loss = s.loss();
                            *out = if zero_infinity && loss.is_infinite() { 0.0 } else { T::from_f64(loss) };
                        });
                    }
                });
            });
            let finite: Vec<bool> = losses.slice::<T>().iter().map(|loss| *loss != 0.0).collect();
            edges.record(op, losses, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                        if size == 0 {
                            return;
                        }
                        for_rows(dx, size, 1, |first, dx| {
                            for (i, dx) in dx.chunks_exact_mut(size).enumerate() {
                                let dy = dy.slice::<T>()[first + i].to_f64();
                                sequence(x.slice(), first + i, &mut |s| {
                                    if zero_infinity && !finite[first + i] {
                                        dx.fill(0.0);
                                    } else {
                                        s.gradient(dy, dx);
                                    }
                                });
                            }
                        });
                    }))
                }
            })
        });
        if reduction == Reduction::Mean {
            let counts = Tensor::from_vec(counts, [samples])?.cast(losses.dtype())?;
            return losses.div(counts)?.mean_all();
        }
        reduction.apply(&losses)
    }
}

/// The labels of each sample.
fn spelled(
    op: &'static str,
    labels: &Tensor,
    lengths: &[usize],
    samples: usize,
    classes: usize,
) -> Result<Vec<Vec<usize>>> {
    let padded = match *labels.shape() {
        [rows, width] => {
            let longest = lengths.iter().copied().max().unwrap_or(0);
            if rows != samples || width < longest {
                return Err(Error::shape(
                    op,
                    format!("padded labels must be [{samples}, {longest}] or wider"),
                    format!("{:?}", labels.shape()),
                ));
            }
            Some(width)
        }
        [all] => {
            let sum = lengths
                .iter()
                .try_fold(0usize, |sum, &n| sum.checked_add(n));
            if sum != Some(all) {
                return Err(Error::shape(
                    op,
                    "labels one after the other must be as many as their lengths say",
                    format!("{all} for {lengths:?}"),
                ));
            }
            None
        }
        _ => {
            return Err(Error::shape(
                op,
                "labels must be [N, S], or one after the other",
                format!("{:?}", labels.shape()),
            ));
        }
    };
    let mut start = 0;
    let mut spelled = Vec::with_capacity(samples);
    for (i, &length) in lengths.iter().enumerate() {
        // Padding may hold anything.
        let own = match padded {
            Some(_) => labels.select(0, i)?.narrow(0, 0, length)?,
            None => labels.narrow(0, start, length)?,
        };
        start += length;
        spelled.push(indices(op, &own, classes)?);
    }
    Ok(spelled)
}
