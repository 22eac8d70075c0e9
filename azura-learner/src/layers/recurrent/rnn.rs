//! A plain recurrent net.

use azura_core::{Scope, Tensor};

use super::{Batch, Net, RecurrentBuilder};
use crate::error::Result;
use crate::layers::Ctx;

/// What the plain recurrent net does to its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// The positive part.
    Relu,
}

/// A plain recurrent net (Elman 1990), as `torch.nn.RNN` with `batch_first`.
///
/// `h' = tanh(W x + b + U h + d)`, or its positive part in place of the tanh
///
/// | value                      | shape         |
/// |----------------------------|---------------|
/// | `x`                        | `[B, T, I]`, or `[T, I]` without batch |
/// | state `h`                  | `[L·D, B, H]` |
/// | output                     | `[B, T, D·H]` |
/// | `weight_ih_lN`             | `[H, I]`, `[H, D·H]` above the first layer |
/// | `weight_hh_lN`             | `[H, H]`     |
/// | `bias_ih_lN`, `bias_hh_lN` | `[H]`        |
///
/// `L` layers, `D` directions; names of the backward direction end in `_reverse`. All parameters begin
/// uniform in `±1/√H`. Dropout acts on the outputs of all layers but the last, in training.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Rnn};
/// let store = Store::new(DType::F32);
/// let rnn = Rnn::new(3, 8, &store.root(Rng::new(0)).at("rnn")).build()?;
/// let x = Tensor::ones([2, 5, 3], DType::F32)?;
/// let (output, h) = rnn.forward(&x, None, &mut Ctx::eval())?;
/// assert_eq!((output.shape(), h.shape()), ([2, 5, 8].as_slice(), [1, 2, 8].as_slice()));
/// assert_eq!(store.params()[0].name(), "rnn.weight_ih_l0");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rnn {
    net: Net,
    nonlinearity: Nonlinearity,
}

impl RecurrentBuilder<Rnn> {
    /// What is done to the sums; the hyperbolic tangent if not said otherwise.
    #[must_use]
    pub fn nonlinearity(mut self, nonlinearity: Nonlinearity) -> Self {
        self.nonlinearity = nonlinearity;
        self
    }
}

impl Rnn {
    /// Begins a net from `input` features to `hidden` units: one layer, one direction, biases, no dropout, tanh.
    #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
    pub fn new(input: usize, hidden: usize, p: &Scope) -> RecurrentBuilder<Rnn> {
        RecurrentBuilder::new(1, [input, hidden], p, |net, nonlinearity| Rnn {
            net,
            nonlinearity,
        })
    }

    /// Features of the output: `D·H`.
    pub fn output_size(&self) -> usize {
        self.net.output_size()
    }

    /// The output at every time and the state after the last, from `state` or from zeros.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        state: Option<&Tensor>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Tensor)> {
        self.run(x, None, state, ctx)
    }

    /// The same for sequences of different lengths, as PyTorch's packed sequences: outputs behind a length are 0,
    /// and the state is the one at the length.
    ///
    /// # Errors
    /// If the shapes do not fit, or a length is above `T`.
    pub fn forward_lengths(
        &self,
        x: &Tensor,
        lengths: &[usize],
        state: Option<&Tensor>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Tensor)> {
        self.run(x, Some(lengths), state, ctx)
    }

    fn run(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        state: Option<&Tensor>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Tensor)> {
        let (batch, x) = Batch::of(x)?;
        let state = state.map(|h| batch.state(h)).transpose()?;
        let options = self.net.options(lengths, ctx);
        let weights = self.net.values();
        let (state, rng) = (state.as_ref(), &mut ctx.rng);
        let y = match self.nonlinearity {
            Nonlinearity::Tanh => x.rnn_tanh(&weights, state, options, rng)?,
            Nonlinearity::Relu => x.rnn_relu(&weights, state, options, rng)?,
        };
        Ok((batch.take(y.output, 0)?, batch.take(y.h, 1)?))
    }
}
