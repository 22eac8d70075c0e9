//! Long short-term memory.

use azura_core::{Init, LstmOptions, LstmWeights, Param, Scope, Tensor};

use super::Ctx;
use crate::error::{Error, Problem, Result};

/// Long short-term memory (Hochreiter & Schmidhuber 1997), as `torch.nn.LSTM` with `batch_first`.
///
/// `i, f, o = σ(W x + b + U h + d)`, `g = tanh(…)`, `c' = f·c + i·g`, `h' = o·tanh(c')`
///
/// | value                      | shape         |
/// |----------------------------|---------------|
/// | `x`                        | `[B, T, I]`   |
/// | states `h`, `c`            | `[L·D, B, H]` |
/// | output                     | `[B, T, D·H]` |
/// | `weight_ih_lN`             | `[4H, I]`, `[4H, D·H]` above the first layer |
/// | `weight_hh_lN`             | `[4H, H]`     |
/// | `bias_ih_lN`, `bias_hh_lN` | `[4H]`        |
///
/// `L` layers, `D` directions; names of the backward direction end in `_reverse`; gates are stacked in the
/// order i, f, g, o. All parameters begin uniform in `±1/√H`. Dropout acts on the outputs of all
/// layers but the last, in training.
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
    weights: Vec<Direction>,
    options: LstmOptions,
    hidden: usize,
}

/// Hidden and cell state of every layer and direction, each `[L·D, B, H]`.
pub type LstmState = (Tensor, Tensor);

/// The parameters of one layer in one direction.
#[derive(Clone, Debug)]
struct Direction {
    w_ih: Param,
    w_hh: Param,
    biases: Option<[Param; 2]>,
}

/// The options of an [`Lstm`] under construction.
#[derive(Clone)]
pub struct LstmBuilder {
    scope: Scope,
    input: usize,
    hidden: usize,
    layers: usize,
    bias: bool,
    bidirectional: bool,
    dropout: f64,
}

impl LstmBuilder {
    /// How many layers; 1 if not given.
    #[must_use]
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// Whether gates have biases; they do if not said otherwise.
    #[must_use]
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Whether every layer also reads the sequence backwards.
    #[must_use]
    pub fn bidirectional(mut self, bidirectional: bool) -> Self {
        self.bidirectional = bidirectional;
        self
    }

    /// The probability of dropping an output of a layer below the last, in training.
    #[must_use]
    pub fn dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Registers the parameters.
    ///
    /// # Errors
    /// [`Error::Config`] if a size is 0 or the dropout is not in `[0, 1)`.
    pub fn build(self) -> Result<Lstm> {
        let problem =
            |key: &str, message: String| Err(Error::Config(vec![Problem::new(key, message)]));
        for (name, size) in [
            ("input", self.input),
            ("hidden", self.hidden),
            ("layers", self.layers),
        ] {
            if size == 0 {
                return problem(name, "must be at least 1, but is 0".to_string());
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return problem(
                "dropout",
                format!("must be at least 0 and below 1, but is {}", self.dropout),
            );
        }
        let directions: &[&str] = if self.bidirectional {
            &["", "_reverse"]
        } else {
            &[""]
        };
        // Too large a size is refused where the shape is checked.
        let gates = self.hidden.saturating_mul(4);
        let init = Init::Uniform {
            bound: 1.0 / (self.hidden as f64).sqrt(),
        };
        let mut weights = Vec::with_capacity(self.layers * directions.len());
        for layer in 0..self.layers {
            let input = if layer == 0 {
                self.input
            } else {
                self.hidden.saturating_mul(directions.len())
            };
            for suffix in directions {
                let param = |name: &str, shape: &[usize]| {
                    self.scope
                        .param(&format!("{name}_l{layer}{suffix}"), shape, init)
                };
                weights.push(Direction {
                    w_ih: param("weight_ih", &[gates, input])?,
                    w_hh: param("weight_hh", &[gates, self.hidden])?,
                    biases: if self.bias {
                        Some([param("bias_ih", &[gates])?, param("bias_hh", &[gates])?])
                    } else {
                        None
                    },
                });
            }
        }
        let options = LstmOptions {
            bidirectional: self.bidirectional,
            dropout: self.dropout,
        };
        Ok(Lstm {
            weights,
            options,
            hidden: self.hidden,
        })
    }
}

impl Lstm {
    /// Begins an LSTM from `input` features to `hidden` units: one layer, one direction, biases, no
    /// dropout.
    #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
    pub fn new(input: usize, hidden: usize, p: &Scope) -> LstmBuilder {
        LstmBuilder {
            scope: p.clone(),
            input,
            hidden,
            layers: 1,
            bias: true,
            bidirectional: false,
            dropout: 0.0,
        }
    }

    /// Features of the output: `D·H`.
    pub fn output_size(&self) -> usize {
        self.hidden * if self.options.bidirectional { 2 } else { 1 }
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
        let weights: Vec<LstmWeights> = self
            .weights
            .iter()
            .map(|w| LstmWeights {
                w_ih: w.w_ih.value(),
                w_hh: w.w_hh.value(),
                b_ih: w.biases.as_ref().map(|[ih, _]| ih.value()),
                b_hh: w.biases.as_ref().map(|[_, hh]| hh.value()),
            })
            .collect();
        let options = LstmOptions {
            dropout: if ctx.train { self.options.dropout } else { 0.0 },
            ..self.options
        };
        let state = state.map(|(h, c)| (h, c));
        let result = x.lstm(&weights, state, options, &mut ctx.rng)?;
        Ok((result.output, (result.h, result.c)))
    }
}
