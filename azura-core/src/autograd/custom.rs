//! Operations that users write themselves.

use super::{Edges, Grads};
use crate::tensor::Tensor;
use crate::{Error, Result, no_grad};

/// An operation with a backward rule of its own, for [`Tensor::custom`].
///
/// PyTorch: `torch.autograd.Function`.
///
/// ```
/// use azura_core::{CustomOp, Result, Tensor, grad};
///
/// /// Rounds, and lets the gradient through as if it had not (the straight-through estimator).
/// struct RoundThrough;
///
/// impl CustomOp for RoundThrough {
///     fn name(&self) -> &'static str {
///         "round_through"
///     }
///     fn forward(&self, x: &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
///         let rounded = x[0].to_vec::<f64>()?.iter().map(|x| x.round()).collect();
///         Ok((vec![Tensor::from_vec(rounded, x[0].shape())?], vec![]))
///     }
///     fn backward(&self, _: &[Tensor], dy: &[Option<Tensor>], _: &[bool]) -> Result<Vec<Option<Tensor>>> {
///         Ok(vec![dy[0].clone()])
///     }
/// }
///
/// let x = Tensor::from_slice(&[0.4, 1.7], [2])?.variable();
/// let y = Tensor::custom(RoundThrough, &[&x])?.remove(0);
/// assert_eq!(y.to_vec::<f64>()?, [0.0, 2.0]);
/// assert_eq!(grad(&y.sum_all()?, &[&x])?[0].to_vec::<f64>()?, [1.0, 1.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub trait CustomOp: Send + Sync + 'static {
    /// What errors call the operation.
    fn name(&self) -> &'static str;

    /// The outputs for these inputs, and the tensors that [`CustomOp::backward`] will need.
    ///
    /// Runs without recording: whatever is called here, the gradient is that of `backward`.
    ///
    /// # Errors
    /// Whatever the operation refuses.
    fn forward(&self, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)>;

    /// The gradient of each input, from what `forward` saved and the gradients of the outputs (`None`
    /// where nothing flowed back). `None` stands for zeros; where `wanted` is false nothing is read.
    ///
    /// # Errors
    /// Whatever the operation refuses.
    fn backward(
        &self,
        saved: &[Tensor],
        dy: &[Option<Tensor>],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>>;
}

impl Tensor {
    /// The outputs of an operation of one's own, with its backward rule behind them.
    ///
    /// # Errors
    /// What the operation returns; a backward pass fails with [`Error::Shape`] or [`Error::DType`] if a
    /// gradient does not have its input's shape and dtype.
    pub fn custom(op: impl CustomOp, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let name = op.name();
        let edges = Edges::of(inputs);
        let plain: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
        let (outputs, saved) = no_grad(|| op.forward(&plain))?;
        let saved: Vec<Tensor> = saved.iter().map(Tensor::detach).collect();
        let expected: Vec<_> = inputs.iter().map(|x| (*x.sizes(), x.dtype())).collect();
        Ok(edges.record_list(name, outputs, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let wanted: Vec<bool> = (0..expected.len()).map(|i| grads.wants(i)).collect();
                let gradients = op.backward(&saved, dy, &wanted)?;
                if gradients.len() != expected.len() {
                    return Err(Error::shape(
                        name,
                        format!("backward must return {} gradients", expected.len()),
                        format!("{}", gradients.len()),
                    ));
                }
                for (i, (gradient, (shape, dtype))) in
                    gradients.into_iter().zip(&expected).enumerate()
                {
                    let Some(gradient) = gradient.filter(|_| wanted[i]) else {
                        continue;
                    };
                    if gradient.sizes() != shape || gradient.dtype() != *dtype {
                        return Err(Error::shape(
                            name,
                            format!(
                                "the gradient of input {i} must be {dtype} of shape {:?}",
                                &shape[..]
                            ),
                            format!("{} of shape {:?}", gradient.dtype(), gradient.shape()),
                        ));
                    }
                    grads.add(i, gradient)?;
                }
                Ok(())
            }
        }))
    }
}
