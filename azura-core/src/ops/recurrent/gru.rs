//! Gated recurrent units.

use super::{RecurrentOptions, RecurrentOutput, RecurrentWeights, run};
use crate::cpu::recurrent::Gru;
use crate::tensor::Tensor;
use crate::{Result, Rng};

impl Tensor {
    /// Runs gated recurrent units (Cho et al. 2014, arXiv:1406.1078) over a batch of sequences, in the form of PyTorch
    /// and cuDNN: the reset gate multiplies the product, its bias included.
    ///
    /// ```text
    /// r, z = sigmoid(W x + b + U h + d)      n = tanh(W x + b + r · (U h + d))
    /// h' = (1 - z) · n + z · h
    /// ```
    ///
    /// | value     | shape                                            |
    /// |-----------|--------------------------------------------------|
    /// | `self`    | `[B, T, I]`, batch first                         |
    /// | `weights` | one entry for each layer, forward then backward  |
    /// | `state`   | `h0` `[L·D, B, H]`; zeros if not given           |
    ///
    /// `rng` decides what is dropped between layers and is used only if `options.dropout > 0`.
    ///
    /// # Errors
    /// As [`Tensor::lstm`], and [`Error::Argument`](crate::Error::Argument) if there is a projection.
    pub fn gru(
        &self,
        weights: &[RecurrentWeights],
        state: Option<&Tensor>,
        options: RecurrentOptions<'_>,
        rng: &mut Rng,
    ) -> Result<RecurrentOutput> {
        let [output, h] = run::<Gru, 2>("gru", self, weights, [state, None], options, rng)?;
        Ok(RecurrentOutput { output, h })
    }
}
