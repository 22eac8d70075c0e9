//! Plain recurrent nets.

use super::{RecurrentOptions, RecurrentOutput, RecurrentWeights, run};
use crate::cpu::recurrent::Rnn;
use crate::tensor::Tensor;
use crate::{Result, Rng};

impl Tensor {
    /// Runs a plain recurrent net (Elman 1990) over a batch of sequences.
    ///
    /// `h' = tanh(W x + b + U h + d)`
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
    /// As [`Tensor::gru`].
    pub fn rnn_tanh(
        &self,
        weights: &[RecurrentWeights],
        state: Option<&Tensor>,
        options: RecurrentOptions<'_>,
        rng: &mut Rng,
    ) -> Result<RecurrentOutput> {
        let state = [state, None];
        let [output, h] = run::<Rnn<false>, 2>("rnn_tanh", self, weights, state, options, rng)?;
        Ok(RecurrentOutput { output, h })
    }

    /// As [`Tensor::rnn_tanh`] with the positive part in place of the tanh: `h' = max(0, W x + b + U h + d)`.
    ///
    /// # Errors
    /// As [`Tensor::gru`].
    pub fn rnn_relu(
        &self,
        weights: &[RecurrentWeights],
        state: Option<&Tensor>,
        options: RecurrentOptions<'_>,
        rng: &mut Rng,
    ) -> Result<RecurrentOutput> {
        let state = [state, None];
        let [output, h] = run::<Rnn<true>, 2>("rnn_relu", self, weights, state, options, rng)?;
        Ok(RecurrentOutput { output, h })
    }
}
