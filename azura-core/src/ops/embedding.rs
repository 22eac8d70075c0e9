//! Rows of a table looked up by number.

use super::view::indices;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::embedding as kernel;
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{Element, Error, Result};

/// The options of [`Tensor::embedding`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingOptions {
    /// A row that gets no gradient, such as that of padding. PyTorch's default: none.
    pub padding_idx: Option<usize>,
    /// The most length of a row; what is read of a longer one is shrunk. PyTorch's default: none.
    pub max_norm: Option<f64>,
    /// The norm that lengths are measured in, infinity included. PyTorch's default: 2.
    pub norm_type: f64,
    /// Whether the gradient of a row is divided by the number of times it was read. PyTorch's default: no.
    pub scale_grad_by_freq: bool,
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        EmbeddingOptions {
            padding_idx: None,
            max_norm: None,
            norm_type: 2.0,
            scale_grad_by_freq: false,
        }
    }
}

impl Tensor {
    /// The rows of this table that the ids name.
    ///
    /// | value  | shape                     |
    /// |--------|---------------------------|
    /// | `self` | `[V, D]`                  |
    /// | `ids`  | any `S`, u32 or i64       |
    /// | result | `[S…, D]`                 |
    ///
    /// The gradient of a row is the sum over all places where it was read, in their order. With
    /// `max_norm`, rows that are longer are read shrunk by `max_norm / (norm + 1e-7)`, and the gradient
    /// is that of the shrunk row. PyTorch writes the shrunk rows back into the table; here a table is
    /// never changed behind its owner's back: [`Param::shrink_rows`](crate::Param::shrink_rows) does that.
    ///
    /// # Errors
    /// [`Error::Shape`] if the table has not two axes or an id is not in `0..V`, [`Error::DType`] if the
    /// table is not of floats or the ids are no integers, [`Error::Argument`] if the padding row does not
    /// exist or a norm is not positive.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let table = Tensor::from_slice(&[0.0f32, 0.0, 1.0, 2.0, 3.0, 4.0], [3, 2])?;
    /// let ids = Tensor::from_slice(&[2i64, 1, 2], [3])?;
    /// let y = table.embedding(&ids, Default::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn embedding(&self, ids: &Tensor, options: EmbeddingOptions) -> Result<Tensor> {
        let op = "embedding";
        let EmbeddingOptions {
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
        } = options;
        let [rows, width] = *self.shape() else {
            return Err(Error::shape(
                op,
                "the table must be [V, D]",
                format!("{:?}", self.shape()),
            ));
        };
        if let Some(padding) = padding_idx.filter(|&padding| padding >= rows) {
            return Err(Error::argument(
                op,
                format!("padding_idx must lie in 0..{rows}"),
                format!("{padding}"),
            ));
        }
        if let Some(most) = max_norm {
            check_norms(op, most, norm_type)?;
        }
        if self.dtype().is_half() {
            return self.in_f32(op, |table, _| table.embedding(ids, options));
        }
        let mut sizes = ids.shape().to_vec();
        sizes.push(width);
        let shape = Shape::new(op, &sizes)?;
        shape::checked_numel(op, &shape)?;
        let ids = indices(op, ids, rows)?;
        let edges = Edges::of(&[self]);
        for_float!(op, self.dtype(), T => {
            let table = self.contiguous_detached();
            let y = Tensor::fill_new::<T>(shape, |out| {
                kernel::gather(table.slice::<T>(), width, &ids, out);
                if let Some(most) = max_norm && width > 0 {
                    for row in out.chunks_exact_mut(width) {
                        shrink(row, most, norm_type);
                    }
                }
            });
            let from = *self.sizes();
            Ok(edges.record(op, y, || {
                let scales: Option<Vec<T>> = scale_grad_by_freq.then(|| {
                    let mut counts = vec![0.0; rows];
                    ids.iter().for_each(|&id| counts[id] += 1.0);
                    counts.into_iter().map(|n: f64| T::from_f64(1.0 / n.max(1.0))).collect()
                });
                // Reads of the padding row go nowhere.
                let ids: Vec<usize> = ids
                    .into_iter()
                    .map(|id| if Some(id) == padding_idx { usize::MAX } else { id })
                    .collect();
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    grads.accumulate::<T>(0, &from, |out, accumulate| {
                        kernel::scatter(dy.slice(), width, &ids, scales.as_deref(), accumulate, out);
                    })
                }
            }))
        })
    }
}

pub(crate) fn shrink<T: Element>(row: &mut [T], most: f64, p: f64) {
    let factor = kernel::shrinkage(row, most, p);
    if factor < 1.0 {
        for x in row {
            *x = T::from_f64(x.to_f64() * factor);
        }
    }
}

pub(crate) fn check_norms(op: &'static str, max_norm: f64, norm_type: f64) -> Result<()> {
    for (name, value) in [("max_norm", max_norm), ("norm_type", norm_type)] {
        if value.is_nan() || value <= 0.0 {
            let rule = format!("{name} must be positive");
            return Err(Error::argument(op, rule, format!("{value}")));
        }
    }
    Ok(())
}
