//! Long short-term memory.

use azura_core::{Scope, Tensor};

use super::{Batch, LstmBuilder, Net, RecurrentBuilder};
use crate::error::Result;
use crate::layers::Ctx;

/// Long short-term memory (Hochreiter & Schmidhuber 1997), as `torch.nn.LSTM` with `batch_first`.
///
/// `i, f, o = σ(W x + b + U h + d)`, `g = tanh(…)`, `c' = f·c + i·g`, `h' = o·tanh(c')`
///
/// | value                      | shape         |
/// |----------------------------|---------------|
/// | `x`                        | `[B, T, I]`, or `[T, I]` without batch |
/// | states `h`, `c`            | `[L·D, B, H]` |
/// | output                     | `[B, T, D·H]` |
/// | `weight_ih_lN`             | `[4H, I]`, `[4H, D·H]` above the first layer |
/// | `weight_hh_lN`             | `[4H, H]`     |
/// | `bias_ih_lN`, `bias_hh_lN` | `[4H]`        |
///
/// `L` layers, `D` directions; names of the backward direction end in `_reverse`; gates are stacked in the
/// order i, f, g, o. All parameters begin uniform in `±1/√H`. Dropout acts on the outputs of all
/// layers but the last, in training. With a [projection](RecurrentBuilder::projection) to `P` features there is
/// `weight_hr_lN` `[P, H]`, and `h` and all that reads it are `P` wide.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Lstm};
/// let store = Store::new(DType::F32);
/// let lstm = Lstm::new(3, 8, &store.root(Rng::new(0)).at("lstm")).build()?;
/// let x = Tensor::ones([2, 5, 3], DType::F32)?;
/// let (output, (h, c)) = lstm.forward(&x, None, &mut Ctx::eval())?;
/// assert_eq!(output.shape(), [2, 5, 8]);
/// assert_eq!((h.shape(), c.shape()), ([1, 2, 8].as_slice(), [1, 2, 8].as_slice()));
/// assert_eq!(store.params()[0].name(), "lstm.weight_ih_l0");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lstm {
    net: Net,
}

/// Hidden and cell state of every layer and direction, each `[L·D, B, H]`.
pub type LstmState = (Tensor, Tensor);

impl RecurrentBuilder<Lstm> {
    /// Projects the hidden state to this many features, fewer than the hidden units (Sak et al. 2014). PyTorch:
    /// `proj_size`.
    #[must_use]
    pub fn projection(mut self, size: usize) -> Self {
        self.projection = Some(size);
        self
    }
}

impl Lstm {
    /// Begins an LSTM from `input` features to `hidden` units: one layer, one direction, biases, no
    /// dropout.
    #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
    pub fn new(input: usize, hidden: usize, p: &Scope) -> LstmBuilder {
        RecurrentBuilder::new(4, [input, hidden], p, |net, _| Lstm { net })
    }

    /// Features of the output: `D·H`, or `D·P` with a projection.
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
        state: Option<&LstmState>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, LstmState)> {
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
        state: Option<&LstmState>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, LstmState)> {
        self.run(x, Some(lengths), state, ctx)
    }

    fn run(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        state: Option<&LstmState>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, LstmState)> {
        let (batch, x) = Batch::of(x)?;
        let state = match state {
            Some((h, c)) => Some((batch.state(h)?, batch.state(c)?)),
            None => None,
        };
        let state = state.as_ref().map(|(h, c)| (h, c));
        let options = self.net.options(lengths, ctx);
        let y = x.lstm(&self.net.values(), state, options, &mut ctx.rng)?;
        let state = (batch.take(y.h, 1)?, batch.take(y.c, 1)?);
        Ok((batch.take(y.output, 0)?, state))
    }
}
