//! Long short-term memory.

use super::{RecurrentOptions, RecurrentWeights, run};
use crate::cpu::recurrent::Lstm;
use crate::tensor::Tensor;
use crate::{Result, Rng};

/// What [`Tensor::lstm`] returns; `D` is 2 if bidirectional, else 1.
#[derive(Clone, Debug)]
pub struct LstmOutput {
    /// The last layer's hidden state at every time, `[B, T, D·P]`.
    pub output: Tensor,
    /// The hidden state after the last time step, `[L·D, B, P]`.
    pub h: Tensor,
    /// The cell state after the last time step, `[L·D, B, H]`.
    pub c: Tensor,
}

impl Tensor {
    /// Runs an LSTM (Hochreiter & Schmidhuber 1997) over a batch of sequences.
    ///
    /// ```text
    /// i, f, o = sigmoid(W x + b + U h + d)      g = tanh(W x + b + U h + d)
    /// c' = f · c + i · g                        h' = R (o · tanh(c'))
    /// ```
    ///
    /// `R` is a projection (Sak et al. 2014, arXiv:1402.1128); without one, which is usual, `P = H`.
    ///
    /// | value     | shape                                                           |
    /// |-----------|-----------------------------------------------------------------|
    /// | `self`    | `[B, T, I]`, batch first                                        |
    /// | `weights` | one entry for each layer, forward then backward                 |
    /// | `state`   | `h0` `[L·D, B, P]` and `c0` `[L·D, B, H]`; zeros if not given   |
    ///
    /// `rng` decides what is dropped between layers and is used only if `options.dropout > 0`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if sizes do not fit, [`Error::DType`](crate::Error::DType) if dtypes differ
    /// or are not floats, [`Error::Argument`](crate::Error::Argument) if the dropout is not in `[0, 1]` or a length is
    /// above `T`.
    pub fn lstm(
        &self,
        weights: &[RecurrentWeights],
        state: Option<(&Tensor, &Tensor)>,
        options: RecurrentOptions<'_>,
        rng: &mut Rng,
    ) -> Result<LstmOutput> {
        let state = state.map_or([None; 2], |(h, c)| [Some(h), Some(c)]);
        let [output, h, c] = run::<Lstm, 3>("lstm", self, weights, state, options, rng)?;
        Ok(LstmOutput { output, h, c })
    }
}
