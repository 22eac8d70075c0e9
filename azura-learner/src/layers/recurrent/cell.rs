//! One step of a recurrent net, for loops that decide on each step what comes next.

use azura_core::{RecurrentOptions, RecurrentWeights, Rng, Scope, Tensor};

use super::{Direction, LstmState, Nonlinearity, RecurrentBuilder};
use crate::error::Result;

/// Registers the parameters of a cell: those of a layer, without suffix.
fn direction(gates: usize, sizes: [usize; 2], bias: bool, p: &Scope) -> Result<Direction> {
    let builder = RecurrentBuilder::new(gates, sizes, p, |_, _| ()).bias(bias);
    Direction::new(&builder, sizes[0], "")
}

/// One step is a sequence of length 1: `[B, I]` and `[B, H]`, or `[I]` and `[H]` without batch.
struct Step {
    single: bool,
    x: Tensor,
}

impl Step {
    fn of(x: &Tensor) -> Result<Self> {
        let single = x.rank() == 1;
        let batch = if single { x.unsqueeze(0)? } else { x.clone() };
        let x = batch.unsqueeze(1)?;
        Ok(Step { single, x })
    }

    fn state(&self, state: Option<&Tensor>) -> Result<Option<Tensor>> {
        let Some(state) = state else { return Ok(None) };
        let batch = if self.single {
            state.unsqueeze(0)?
        } else {
            state.clone()
        };
        Ok(Some(batch.unsqueeze(0)?))
    }

    fn take(&self, state: &Tensor) -> Result<Tensor> {
        let state = state.squeeze(0)?;
        Ok(if self.single {
            state.squeeze(0)?
        } else {
            state
        })
    }
}

/// Nothing is dropped in a single step.
fn no_rng() -> Rng {
    Rng::new(0)
}

/// One step of long short-term memory, as `torch.nn.LSTMCell`; the equations are those of [`Lstm`](super::Lstm).
///
/// | value                 | shape                              |
/// |-----------------------|------------------------------------|
/// | `x`                   | `[B, I]`, or `[I]` without batch   |
/// | states `h`, `c`       | `[B, H]`                           |
/// | `weight_ih`           | `[4H, I]`                          |
/// | `weight_hh`           | `[4H, H]`                          |
/// | `bias_ih`, `bias_hh`  | `[4H]`                             |
#[derive(Clone, Debug)]
pub struct LstmCell(Direction);

impl LstmCell {
    /// A cell from `input` features to `hidden` units; PyTorch's `bias` says whether there are biases.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(input: usize, hidden: usize, bias: bool, p: &Scope) -> Result<Self> {
        direction(4, [input, hidden], bias, p).map(LstmCell)
    }

    /// The state after `x`, from `state` or from zeros.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor, state: Option<&LstmState>) -> Result<LstmState> {
        let step = Step::of(x)?;
        let h = step.state(state.map(|(h, _)| h))?;
        let c = step.state(state.map(|(_, c)| c))?;
        let y = step.x.lstm(
            &[self.0.values()],
            h.as_ref().zip(c.as_ref()),
            RecurrentOptions::default(),
            &mut no_rng(),
        )?;
        Ok((step.take(&y.h)?, step.take(&y.c)?))
    }
}

/// One step of gated recurrent units, as `torch.nn.GRUCell`; the equations are those of [`Gru`](super::Gru).
///
/// | value                 | shape                              |
/// |-----------------------|------------------------------------|
/// | `x`                   | `[B, I]`, or `[I]` without batch   |
/// | state `h`             | `[B, H]`                           |
/// | `weight_ih`           | `[3H, I]`                          |
/// | `weight_hh`           | `[3H, H]`                          |
/// | `bias_ih`, `bias_hh`  | `[3H]`                             |
#[derive(Clone, Debug)]
pub struct GruCell(Direction);

impl GruCell {
    /// A cell from `input` features to `hidden` units; PyTorch's `bias` says whether there are biases.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(input: usize, hidden: usize, bias: bool, p: &Scope) -> Result<Self> {
        direction(3, [input, hidden], bias, p).map(GruCell)
    }

    /// The state after `x`, from `h` or from zeros.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor, h: Option<&Tensor>) -> Result<Tensor> {
        step(x, h, |x, h| {
            let weights = [self.0.values()];
            let y = x.gru(&weights, h, RecurrentOptions::default(), &mut no_rng());
            Ok(y?.h)
        })
    }
}

/// One step of a plain recurrent net, as `torch.nn.RNNCell`; the equations are those of [`Rnn`](super::Rnn).
///
/// | value                 | shape                              |
/// |-----------------------|------------------------------------|
/// | `x`                   | `[B, I]`, or `[I]` without batch   |
/// | state `h`             | `[B, H]`                           |
/// | `weight_ih`           | `[H, I]`                           |
/// | `weight_hh`           | `[H, H]`                           |
/// | `bias_ih`, `bias_hh`  | `[H]`                              |
#[derive(Clone, Debug)]
pub struct RnnCell {
    weights: Direction,
    nonlinearity: Nonlinearity,
}

impl RnnCell {
    /// A cell from `input` features to `hidden` units; PyTorch's `bias` says whether there are biases.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(
        input: usize,
        hidden: usize,
        bias: bool,
        nonlinearity: Nonlinearity,
        p: &Scope,
    ) -> Result<Self> {
        Ok(RnnCell {
            weights: direction(1, [input, hidden], bias, p)?,
            nonlinearity,
        })
    }

    /// The state after `x`, from `h` or from zeros.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor, h: Option<&Tensor>) -> Result<Tensor> {
        step(x, h, |x, h| {
            let (options, mut rng) = (RecurrentOptions::default(), no_rng());
            let weights: [RecurrentWeights; 1] = [self.weights.values()];
            let y = match self.nonlinearity {
                Nonlinearity::Tanh => x.rnn_tanh(&weights, h, options, &mut rng),
                Nonlinearity::Relu => x.rnn_relu(&weights, h, options, &mut rng),
            };
            Ok(y?.h)
        })
    }
}

/// The state after `x` from one operation over the sequence of length 1.
fn step(
    x: &Tensor,
    h: Option<&Tensor>,
    run: impl FnOnce(&Tensor, Option<&Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    let step = Step::of(x)?;
    let h = step.state(h)?;
    step.take(&run(&step.x, h.as_ref())?)
}
