//! Gated recurrent units.

use azura_core::{Scope, Tensor};

use super::{Batch, Net, RecurrentBuilder};
use crate::error::Result;
use crate::layers::Ctx;

/// Gated recurrent units (Cho et al. 2014), as `torch.nn.GRU` with `batch_first`.
///
/// `r, z = σ(W x + b + U h + d)`, `n = tanh(W x + b + r·(U h + d))`, `h' = (1 - z)·n + z·h`
///
/// | value                      | shape         |
/// |----------------------------|---------------|
/// | `x`                        | `[B, T, I]`, or `[T, I]` without batch |
/// | state `h`                  | `[L·D, B, H]` |
/// | output                     | `[B, T, D·H]` |
/// | `weight_ih_lN`             | `[3H, I]`, `[3H, D·H]` above the first layer |
/// | `weight_hh_lN`             | `[3H, H]`     |
/// | `bias_ih_lN`, `bias_hh_lN` | `[3H]`        |
///
/// `L` layers, `D` directions; names of the backward direction end in `_reverse`; gates are stacked in the order r, z, n. All parameters begin
/// uniform in `±1/√H`. Dropout acts on the outputs of all layers but the last, in training.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Gru};
/// let store = Store::new(DType::F32);
/// let gru = Gru::new(3, 8, &store.root(Rng::new(0)).at("gru")).build()?;
/// let x = Tensor::ones([2, 5, 3], DType::F32)?;
/// let (output, h) = gru.forward(&x, None, &mut Ctx::eval())?;
/// assert_eq!((output.shape(), h.shape()), ([2, 5, 8].as_slice(), [1, 2, 8].as_slice()));
/// assert_eq!(store.params()[0].name(), "gru.weight_ih_l0");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gru {
    net: Net,
}

impl Gru {
    /// Begins a net from `input` features to `hidden` units: one layer, one direction, biases, no dropout.
    #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
    pub fn new(input: usize, hidden: usize, p: &Scope) -> RecurrentBuilder<Gru> {
        RecurrentBuilder::new(3, [input, hidden], p, |net, _| Gru { net })
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
        let y = x.gru(&weights, state, options, rng)?;
        Ok((batch.take(y.output, 0)?, batch.take(y.h, 1)?))
    }
}
