//! Normalisation over the last axes.

use super::{NormOptions, add_pairs, table};
use crate::autograd::{Grads, only};
use crate::buffer::Buffer;
use crate::cpu::norm::rows::{self, Kind, Rows};
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

impl Tensor {
    /// Layer normalisation over the last axes (Ba, Kiros & Hinton 2016, arXiv:1607.06450).
    ///
    /// `y = (x - mean(x)) / sqrt(var(x) + eps) · weight + bias`
    ///
    /// | value            | shape                            |
    /// |------------------|----------------------------------|
    /// | `self`           | `[..., S]`, `S` one or more axes |
    /// | `normalized`     | the sizes `S`                    |
    /// | `weight`, `bias` | `S`                              |
    /// | result           | as `self`                        |
    ///
    /// The variance is the biased one (divided by n).
    ///
    /// # Errors
    /// [`Error::Shape`] if the last sizes are not `normalized` or weight and bias have another shape,
    /// [`Error::DType`] if the dtype is no float or they have another.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 10.0, 30.0], [2, 2])?;
    /// let y = x.layer_norm(&[2], Default::default())?.to_vec::<f32>()?;
    /// assert!((y[0] + 1.0).abs() < 1e-4 && (y[3] - 1.0).abs() < 1e-4);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn layer_norm(&self, normalized: &[usize], options: NormOptions<'_>) -> Result<Tensor> {
        self.norm_rows("layer_norm", Kind::Layer, normalized, options)
    }

    /// Root-mean-square normalisation over the last axes (Zhang & Sennrich 2019, arXiv:1910.07467).
    ///
    /// `y = x / sqrt(mean(x²) + eps) · weight`
    ///
    /// | value        | shape                            |
    /// |--------------|----------------------------------|
    /// | `self`       | `[..., S]`, `S` one or more axes |
    /// | `normalized` | the sizes `S`                    |
    /// | `weight`     | `S`                              |
    /// | result       | as `self`                        |
    ///
    /// Without `eps` it is the machine epsilon of the dtype, as in PyTorch.
    ///
    /// # Errors
    /// Those of [`Tensor::layer_norm`].
    pub fn rms_norm(
        &self,
        normalized: &[usize],
        weight: Option<&Tensor>,
        eps: Option<f64>,
    ) -> Result<Tensor> {
        let eps = eps.unwrap_or(match self.dtype() {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        });
        let options = NormOptions {
            weight,
            bias: None,
            eps,
        };
        self.norm_rows("rms_norm", Kind::RootMeanSquare, normalized, options)
    }

    fn norm_rows(
        &self,
        op: &'static str,
        kind: Kind,
        normalized: &[usize],
        options: NormOptions<'_>,
    ) -> Result<Tensor> {
        if normalized.is_empty() || !self.shape().ends_with(normalized) {
            return Err(Error::shape(
                op,
                format!("the input must end with the sizes {normalized:?}, at least one"),
                format!("{:?}", self.shape()),
            ));
        }
        let scaling = options.scaling(op, self, normalized)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let (weight, bias) = (wide.some(options.weight)?, wide.some(options.bias)?);
                let options = NormOptions {
                    weight: weight.as_ref(),
                    bias: bias.as_ref(),
                    ..options
                };
                x.norm_rows(op, kind, normalized, options)
            });
        }
        let edges = options.edges(self);
        let x = self.contiguous_detached();
        let n: usize = normalized.iter().product();
        let count = x.numel().checked_div(n).unwrap_or(0);
        let shape = Shape::new(op, normalized)?;
        for_float!(op, x.dtype(), T => {
            let mut y = None;
            let stats = table(count, 2, |stats| {
                y = Some(Tensor::fill_new::<T>(*x.sizes(), |y| {
                    let rows = Rows {
                        x: x.slice(),
                        n,
                        kind,
                        weight: scaling.weight(),
                        bias: scaling.bias(),
                    };
                    rows::forward(rows, options.eps, stats, y);
                }));
            });
            let y = y.expect("written with the statistics");
            Ok(edges.record(op, y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    let rows = Rows {
                        x: x.slice::<T>(),
                        n,
                        kind,
                        weight: scaling.weight(),
                        bias: None,
                    };
                    let stats = stats.slice::<f64>();
                    let mut sums = (grads.wants(1) || grads.wants(2)).then(|| Buffer::uninit(2 * n * size_of::<f64>()));
                    if grads.wants(0) {
                        grads.accumulate::<T>(0, x.sizes(), |dx, add| {
                            let sums = sums.as_mut().map(Buffer::as_mut_slice);
                            rows::backward(rows, stats, dy.slice(), Some((dx, add)), sums);
                        })?;
                    } else if let Some(sums) = &mut sums {
                        rows::backward(rows, stats, dy.slice(), None, Some(sums.as_mut_slice()));
                    }
                    if let Some(sums) = sums {
                        add_pairs::<T>(grads, &shape, sums.as_slice())?;
                    }
                    Ok(())
                }
            }))
        })
    }
}
