//! Recurrent nets over a whole sequence as one operation each: the walk over layers and directions, which is the same
//! for all of them. The cells are in `cpu::recurrent`.

mod backward;
mod gru;
mod lstm;
mod rnn;

pub use lstm::LstmOutput;

use crate::autograd::Edges;
use crate::cpu::recurrent::{Cell, Dims, State, Weights, forward};
use crate::dtype::for_float;
use crate::shape::{Shape, checked_numel};
use crate::tensor::{Tensor, same_dtype};
use crate::{Element, Error, Result, Rng};
use std::marker::PhantomData;
use std::ops::Range;

/// The weights of one layer in one direction; `G` gates are stacked: i, f, g, o of [`Tensor::lstm`], r, z, n of
/// [`Tensor::gru`], one of [`Tensor::rnn_tanh`] and [`Tensor::rnn_relu`].
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// Input to gates, `[G·H, I]`.
    pub w_ih: Tensor,
    /// Hidden state to gates, `[G·H, H]`; `[G·H, P]` with a projection.
    pub w_hh: Tensor,
    /// The bias beside the input's product, `[G·H]`.
    pub b_ih: Option<Tensor>,
    /// The bias beside the hidden state's product, `[G·H]`.
    pub b_hh: Option<Tensor>,
    /// The projection of an LSTM's hidden state, `[P, H]` with P below H.
    pub w_hr: Option<Tensor>,
}

/// How a recurrent net runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecurrentOptions<'a> {
    /// Whether each layer also reads the sequence backwards.
    pub bidirectional: bool,
    /// The probability of dropping an element between layers; 0 at evaluation time.
    pub dropout: f64,
    /// How many steps of each sequence count, one number of at most `T` for each of the batch, in any order; all of them
    /// if not given. PyTorch: a packed sequence, padded again to `T`.
    ///
    /// Behind a sequence's end the output is 0, whatever stands in the input, and no gradient flows. The final state is
    /// the one at its end, and the backward direction begins there. An empty sequence keeps its initial state. Least
    /// work is done if the batch is sorted from long to short.
    pub lengths: Option<&'a [usize]>,
}

/// What [`Tensor::gru`], [`Tensor::rnn_tanh`] and [`Tensor::rnn_relu`] return; `D` is 2 if bidirectional, else 1.
#[derive(Clone, Debug)]
pub struct RecurrentOutput {
    /// The last layer's hidden state at every time, `[B, T, D·H]`.
    pub output: Tensor,
    /// The hidden state after the last time step, `[L·D, B, H]`.
    pub h: Tensor,
}

/// Inputs before the weights: x, h0, c0.
const FIRST_WEIGHT: usize = 3;
const PER_DIRECTION: usize = 5;

impl RecurrentWeights {
    /// All tensors, in the order of the operation's inputs.
    fn parts(&self) -> [Option<&Tensor>; PER_DIRECTION] {
        [
            Some(&self.w_ih),
            Some(&self.w_hh),
            self.b_ih.as_ref(),
            self.b_hh.as_ref(),
            self.w_hr.as_ref(),
        ]
    }

    fn of<T: Element>(&self) -> Weights<'_, T> {
        Weights {
            w_ih: self.w_ih.slice(),
            w_hh: self.w_hh.slice(),
            b_ih: self.b_ih.as_ref().map(Tensor::slice),
            b_hh: self.b_hh.as_ref().map(Tensor::slice),
            w_hr: self.w_hr.as_ref().map(Tensor::slice),
        }
    }
}

/// The weights with each tensor replaced by what `f` makes of it.
fn each(
    weights: &[RecurrentWeights],
    f: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<RecurrentWeights>> {
    let some = |tensor: &Option<Tensor>| tensor.as_ref().map(&f).transpose();
    let all = weights.iter().map(|w| {
        Ok(RecurrentWeights {
            w_ih: f(&w.w_ih)?,
            w_hh: f(&w.w_hh)?,
            b_ih: some(&w.b_ih)?,
            b_hh: some(&w.b_hh)?,
            w_hr: some(&w.w_hr)?,
        })
    });
    all.collect()
}

/// Runs the net; `state` holds h0 and, for an LSTM, c0. The results are output, h and, for an LSTM, c.
fn run<C: Cell, const N: usize>(
    op: &'static str,
    x: &Tensor,
    weights: &[RecurrentWeights],
    state: [Option<&Tensor>; 2],
    options: RecurrentOptions<'_>,
    rng: &mut Rng,
) -> Result<[Tensor; N]> {
    let plan = Plan::<C>::new(op, x, weights, state, options)?;
    if x.dtype().is_half() {
        return x.in_f32(op, |x, wide| {
            let weights = each(weights, |tensor| wide.of(tensor))?;
            let [h, c] = state;
            let [h, c] = [wide.some(h)?, wide.some(c)?];
            let state = [h.as_ref(), c.as_ref()];
            run::<C, N>(op, &x, &weights, state, options, rng)
        });
    }
    let none = Tensor::number(0.0, x.dtype());
    let mut inputs: Vec<&Tensor> = vec![x];
    inputs.extend(state.map(|state| state.unwrap_or(&none)));
    for w in weights {
        inputs.extend(w.parts().map(|part| part.unwrap_or(&none)));
    }
    let edges = Edges::of(&inputs);
    let layout = |tensor: &Tensor| tensor.contiguous_detached();
    let weights = each(weights, |tensor| Ok(layout(tensor)))?;
    let mut tape = Tape {
        plan,
        inputs: Vec::new(),
        dropped: Vec::new(),
        weights,
        state: state.map(|state| state.map(layout)),
        saved: Vec::new(),
    };
    let results = tape.forward(layout(x), rng, edges.recorded())?;
    let mut results = results.into_iter();
    let results = std::array::from_fn(|_| results.next().expect("N is 2, or 3 with cells"));
    Ok(edges.record_all(op, results, || tape))
}

/// The sizes of the operation.
struct Plan<C> {
    op: &'static str,
    batch: usize,
    time: usize,
    input: usize,
    hidden: usize,
    /// Features of the hidden state: P with a projection, else H.
    output: usize,
    layers: usize,
    directions: usize,
    dropout: f64,
    lengths: Option<Vec<usize>>,
    cell: PhantomData<C>,
}

/// What backward needs.
struct Tape<C> {
    plan: Plan<C>,
    /// The input of each layer, after dropout.
    inputs: Vec<Tensor>,
    /// The generator at the start of each layer's dropout.
    dropped: Vec<Option<Rng>>,
    weights: Vec<RecurrentWeights>,
    state: [Option<Tensor>; 2],
    /// What the kernel saved of each layer and direction.
    saved: Vec<Tensor>,
}

impl<C: Cell> Plan<C> {
    fn new(
        op: &'static str,
        x: &Tensor,
        weights: &[RecurrentWeights],
        state: [Option<&Tensor>; 2],
        options: RecurrentOptions<'_>,
    ) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.dropout) {
            return Err(Error::argument(
                op,
                "dropout must lie in [0, 1]",
                format!("{}", options.dropout),
            ));
        }
        let directions = 1 + usize::from(options.bidirectional);
        if x.rank() != 3 || weights.is_empty() || !weights.len().is_multiple_of(directions) {
            return Err(Error::shape(
                op,
                "needs x [B, T, I] and weights for each layer and direction",
                format!(
                    "{:?} and {} weights for {directions} directions",
                    x.shape(),
                    weights.len()
                ),
            ));
        }
        let last = |tensor: &Tensor| tensor.shape().last().copied().unwrap_or(0);
        let output = last(&weights[0].w_hh);
        let plan = Plan {
            op,
            batch: x.shape()[0],
            time: x.shape()[1],
            input: x.shape()[2],
            hidden: weights[0].w_hr.as_ref().map_or(output, last),
            output,
            layers: weights.len() / directions,
            directions,
            dropout: options.dropout,
            lengths: options.lengths.map(<[usize]>::to_vec),
            cell: PhantomData,
        };
        plan.check_sizes()?;
        for (k, w) in weights.iter().enumerate() {
            plan.check_weights(k, x, w)?;
        }
        plan.check_state(x, state)?;
        plan.check_lengths()?;
        Ok(plan)
    }

    /// Everything that is multiplied later fits: blocks, states and cells of all steps, the gates, the results.
    fn check_sizes(&self) -> Result<()> {
        let Plan { op, batch, .. } = *self;
        let overflow = || {
            Error::shape(
                op,
                "the sizes must fit the address space",
                format!("H = {} and T = {}", self.hidden, self.time),
            )
        };
        let steps = self.time.checked_add(1).ok_or_else(overflow)?;
        let width = self
            .hidden
            .checked_add(self.output)
            .and_then(|sum| sum.checked_add(self.input))
            .ok_or_else(overflow)?;
        let each = C::BLOCKS + 4;
        checked_numel(op, &[batch, steps, each, width])?;
        checked_numel(op, &[each, self.hidden, width])?;
        checked_numel(op, &[self.layers, self.directions, batch, width])?;
        checked_numel(op, &[batch, self.time, self.directions, self.output])?;
        Ok(())
    }

    fn check_weights(&self, k: usize, x: &Tensor, w: &RecurrentWeights) -> Result<()> {
        let Plan {
            op, hidden, output, ..
        } = *self;
        let (layer, gates) = (k / self.directions, C::GATES * hidden);
        let input = self.layer_input(layer);
        for tensor in w.parts().into_iter().flatten() {
            same_dtype(op, x, tensor)?;
        }
        if w.w_hr.is_some() && !C::HAS_CELLS {
            return Err(Error::argument(
                op,
                "only an LSTM has a projection",
                "w_hr".to_string(),
            ));
        }
        let projects = output != hidden || w.w_hr.is_some();
        if projects && !(1..hidden).contains(&output) {
            return Err(Error::shape(
                op,
                "a projection must give at least 1 and fewer than H features",
                format!("{output} of H = {hidden}"),
            ));
        }
        let wanted: [&[usize]; PER_DIRECTION] = [
            &[gates, input],
            &[gates, output],
            &[gates],
            &[gates],
            &[output, hidden],
        ];
        let fits = w
            .parts()
            .into_iter()
            .zip(wanted)
            .all(|(part, wanted)| part.is_none_or(|part| part.shape() == wanted));
        if fits && w.w_hr.is_some() == projects {
            return Ok(());
        }
        let projection = if projects {
            format!(", the projection [{output}, {hidden}]")
        } else {
            String::new()
        };
        Err(Error::shape(
            op,
            format!(
                "weights of layer {layer} must be [{gates}, {input}] and [{gates}, {output}], biases [{gates}]{projection}"
            ),
            w.parts()
                .into_iter()
                .flatten()
                .map(|tensor| format!("{:?}", tensor.shape()))
                .collect::<Vec<_>>()
                .join(" and "),
        ))
    }

    fn check_state(&self, x: &Tensor, state: [Option<&Tensor>; 2]) -> Result<()> {
        let shapes = self.state_shapes();
        let given = || state.into_iter().flatten().zip(shapes);
        for (tensor, _) in given() {
            same_dtype(self.op, x, tensor)?;
        }
        if given().any(|(tensor, shape)| tensor.shape() != &shape[..]) {
            let list = |shapes: Vec<String>| shapes.join(" and ");
            return Err(Error::shape(
                self.op,
                format!(
                    "the initial state must be of shape {}",
                    list(given().map(|(_, s)| format!("{:?}", &s[..])).collect())
                ),
                list(given().map(|(t, _)| format!("{:?}", t.shape())).collect()),
            ));
        }
        Ok(())
    }

    fn check_lengths(&self) -> Result<()> {
        let Some(lengths) = &self.lengths else {
            return Ok(());
        };
        if lengths.len() != self.batch {
            return Err(Error::shape(
                self.op,
                format!("needs a length for each of {} sequences", self.batch),
                format!("{} lengths", lengths.len()),
            ));
        }
        match lengths.iter().position(|&length| length > self.time) {
            None => Ok(()),
            Some(row) => Err(Error::argument(
                self.op,
                format!("a length must be at most T = {}", self.time),
                format!("{} for sequence {row}", lengths[row]),
            )),
        }
    }

    /// The width of what layer `layer` reads.
    fn layer_input(&self, layer: usize) -> usize {
        if layer == 0 { self.input } else { self.width() }
    }

    /// The width of what a layer writes.
    fn width(&self) -> usize {
        self.directions * self.output
    }

    /// The shapes of h and c.
    fn state_shapes(&self) -> [Shape; 2] {
        let k = self.layers * self.directions;
        [self.output, self.hidden].map(|width| [k, self.batch, width].into_iter().collect())
    }

    /// Where layer and direction number `k` has its part of h and of c.
    fn states(&self, k: usize) -> [Range<usize>; 2] {
        let cells = if C::HAS_CELLS { self.hidden } else { 0 };
        [self.output, cells].map(|width| {
            let len = self.batch * width;
            k * len..(k + 1) * len
        })
    }

    fn dims(&self, k: usize) -> Dims<'_> {
        Dims {
            batch: self.batch,
            time: self.time,
            input: self.layer_input(k / self.directions),
            hidden: self.hidden,
            output: self.output,
            reverse: k % self.directions == 1,
            lengths: self.lengths.as_deref(),
        }
    }
}

impl<C: Cell> Tape<C> {
    /// Output, h and c; c is empty without cells.
    fn forward(&mut self, x: Tensor, rng: &mut Rng, record: bool) -> Result<[Tensor; 3]> {
        let [h_shape, c_shape] = self.plan.state_shapes();
        let c_shape = if C::HAS_CELLS {
            c_shape
        } else {
            [0].into_iter().collect()
        };
        for_float!(self.plan.op, x.dtype(), T => {
            let mut output = x;
            let mut c = None;
            let h = Tensor::fill_new::<T>(h_shape, |h| {
                c = Some(Tensor::fill_new::<T>(c_shape, |c| {
                    for layer in 0..self.plan.layers {
                        output = self.layer::<T>(layer, output.clone(), [&mut *h, c], rng, record);
                    }
                }));
            });
            Ok([output, h, c.expect("set above")])
        })
    }

    fn layer<T: Element + crate::cpu::gemm::Real>(
        &mut self,
        layer: usize,
        mut input: Tensor,
        [h, c]: [&mut [T]; 2],
        rng: &mut Rng,
        record: bool,
    ) -> Tensor {
        let Tape {
            plan,
            inputs,
            dropped,
            weights,
            state,
            saved,
        } = self;
        let drop = layer > 0 && plan.dropout > 0.0;
        dropped.push(drop.then(|| rng.clone()));
        if drop {
            input = input
                .dropout(plan.dropout, rng)
                .expect("the probability was checked");
        }
        let sizes: Shape = [plan.batch, plan.time, plan.width()].into_iter().collect();
        let output = Tensor::fill_new::<T>(sizes, |out| {
            for direction in 0..plan.directions {
                let k = layer * plan.directions + direction;
                let dims = plan.dims(k);
                let [of_h, of_c] = plan.states(k);
                let [h0, c0] = state.each_ref().map(|s| s.as_ref().map(Tensor::slice::<T>));
                let mut run = |saved: Option<&mut [T]>| {
                    forward::<C, T>(
                        &dims,
                        input.slice(),
                        &weights[k].of(),
                        State {
                            h: h0.map(|h| &h[of_h.clone()]),
                            c: c0.map(|c| &c[of_c.clone()]),
                        },
                        out.get_mut(direction * plan.output..).unwrap_or_default(),
                        plan.width(),
                        &mut h[of_h.clone()],
                        &mut c[of_c.clone()],
                        saved,
                    );
                };
                if record {
                    let len: Shape = [dims.saved_len::<C>()].into_iter().collect();
                    saved.push(Tensor::fill_new::<T>(len, |saved| run(Some(saved))));
                } else {
                    run(None);
                }
            }
        });
        inputs.push(input);
        output
    }
}
