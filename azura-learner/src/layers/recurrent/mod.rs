//! Recurrent layers: what [`Lstm`], [`Gru`] and [`Rnn`] have in common lives here, the cells of one step in `cell`.

mod cell;
mod gru;
mod lstm;
mod rnn;

pub use cell::{GruCell, LstmCell, RnnCell};
pub use gru::Gru;
pub use lstm::{Lstm, LstmState};
pub use rnn::{Nonlinearity, Rnn};

use azura_core::{Init, Param, RecurrentOptions, RecurrentWeights, Scope, Tensor};

use super::Ctx;
use super::dropout::probability;
use crate::error::{Error, Problem, Result};

/// The options of an [`Lstm`] under construction.
pub type LstmBuilder = RecurrentBuilder<Lstm>;

/// The options of a recurrent layer under construction.
#[derive(Clone)]
pub struct RecurrentBuilder<L> {
    scope: Scope,
    gates: usize,
    input: usize,
    hidden: usize,
    layers: usize,
    bias: bool,
    bidirectional: bool,
    dropout: f64,
    projection: Option<usize>,
    nonlinearity: Nonlinearity,
    make: fn(Net, Nonlinearity) -> L,
}

impl<L> RecurrentBuilder<L> {
    fn new(
        gates: usize,
        [input, hidden]: [usize; 2],
        p: &Scope,
        make: fn(Net, Nonlinearity) -> L,
    ) -> Self {
        RecurrentBuilder {
            scope: p.clone(),
            gates,
            input,
            hidden,
            layers: 1,
            bias: true,
            bidirectional: false,
            dropout: 0.0,
            projection: None,
            nonlinearity: Nonlinearity::Tanh,
            make,
        }
    }

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
    /// [`Error::Config`] if a size is 0, the dropout is not in `[0, 1]`, or a projection does not make the
    /// hidden state smaller.
    pub fn build(self) -> Result<L> {
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
        let dropout = probability(self.dropout)?;
        if let Some(size) = self.projection
            && !(1..self.hidden).contains(&size)
        {
            return problem(
                "projection",
                format!(
                    "must be at least 1 and below hidden = {}, but is {size}",
                    self.hidden
                ),
            );
        }
        let directions: &[&str] = if self.bidirectional {
            &["", "_reverse"]
        } else {
            &[""]
        };
        let output = self.projection.unwrap_or(self.hidden);
        let mut weights = Vec::new();
        for layer in 0..self.layers {
            let input = if layer == 0 {
                self.input
            } else {
                output.saturating_mul(directions.len())
            };
            for suffix in directions {
                let suffix = format!("_l{layer}{suffix}");
                weights.push(Direction::new(&self, input, &suffix)?);
            }
        }
        let net = Net {
            weights,
            bidirectional: self.bidirectional,
            dropout,
            output,
        };
        Ok((self.make)(net, self.nonlinearity))
    }
}

/// The parameters of one layer in one direction.
#[derive(Clone, Debug)]
struct Direction {
    w_ih: Param,
    w_hh: Param,
    biases: Option<[Param; 2]>,
    w_hr: Option<Param>,
}

impl Direction {
    /// Registers `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` and `weight_hr`, each with `suffix`; all begin uniform in
    /// `±1/√H`, as PyTorch's.
    fn new<L>(of: &RecurrentBuilder<L>, input: usize, suffix: &str) -> Result<Self> {
        // Too large a size is refused where the shape is checked.
        let gates = of.hidden.saturating_mul(of.gates);
        let output = of.projection.unwrap_or(of.hidden);
        let bound = 1.0 / (of.hidden as f64).sqrt();
        let param = |name: &str, shape: &[usize]| {
            let name = format!("{name}{suffix}");
            of.scope.param(&name, shape, Init::Uniform { bound })
        };
        Ok(Direction {
            w_ih: param("weight_ih", &[gates, input])?,
            w_hh: param("weight_hh", &[gates, output])?,
            biases: if of.bias {
                Some([param("bias_ih", &[gates])?, param("bias_hh", &[gates])?])
            } else {
                None
            },
            w_hr: match of.projection {
                Some(size) => Some(param("weight_hr", &[size, of.hidden])?),
                None => None,
            },
        })
    }

    fn values(&self) -> RecurrentWeights {
        RecurrentWeights {
            w_ih: self.w_ih.value(),
            w_hh: self.w_hh.value(),
            b_ih: self.biases.as_ref().map(|[ih, _]| ih.value()),
            b_hh: self.biases.as_ref().map(|[_, hh]| hh.value()),
            w_hr: self.w_hr.as_ref().map(Param::value),
        }
    }
}

/// Parameters and options of all layers and directions.
#[derive(Clone, Debug)]
struct Net {
    weights: Vec<Direction>,
    bidirectional: bool,
    dropout: f64,
    output: usize,
}

impl Net {
    fn output_size(&self) -> usize {
        self.output * if self.bidirectional { 2 } else { 1 }
    }

    fn values(&self) -> Vec<RecurrentWeights> {
        self.weights.iter().map(Direction::values).collect()
    }

    fn options<'a>(&self, lengths: Option<&'a [usize]>, ctx: &Ctx) -> RecurrentOptions<'a> {
        RecurrentOptions {
            bidirectional: self.bidirectional,
            dropout: if ctx.train { self.dropout } else { 0.0 },
            lengths,
        }
    }
}

/// A batch of one: a sequence `[T, I]` and states `[L·D, H]` get the axis that the operation wants.
struct Batch {
    single: bool,
}

impl Batch {
    /// The input with a batch axis.
    fn of(x: &Tensor) -> Result<(Self, Tensor)> {
        let single = x.rank() == 2;
        let x = if single { x.unsqueeze(0)? } else { x.clone() };
        Ok((Batch { single }, x))
    }

    /// A state with a batch axis.
    fn state(&self, state: &Tensor) -> Result<Tensor> {
        if self.single {
            Ok(state.unsqueeze(1)?)
        } else {
            Ok(state.clone())
        }
    }

    /// A result without the axis if the input had none; outputs have it at 0, states at 1.
    fn take(&self, y: Tensor, axis: isize) -> Result<Tensor> {
        if self.single {
            Ok(y.squeeze(axis)?)
        } else {
            Ok(y)
        }
    }
}
