//! Long short-term memory over a whole sequence as one operation.

use crate::autograd::{Backward, Edges, Grads};
use crate::buffer::Buffer;
use crate::cpu::lstm::{self as kernel, Dims, Slot, State, Weights};
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{Element, Error, Result, Rng};

/// The weights of one layer in one direction; gates are stacked in the order input, forget, cell, output.
#[derive(Clone, Debug)]
pub struct LstmWeights {
    /// Input to gates, `[4H, I]`.
    pub w_ih: Tensor,
    /// Hidden state to gates, `[4H, H]`.
    pub w_hh: Tensor,
    /// First bias, `[4H]`.
    pub b_ih: Option<Tensor>,
    /// Second bias, `[4H]`. Two biases are PyTorch's (and cuDNN's) form; they only ever appear added.
    pub b_hh: Option<Tensor>,
}

/// How [`Tensor::lstm`] runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LstmOptions {
    /// Whether each layer also reads the sequence backwards.
    pub bidirectional: bool,
    /// The probability of dropping an element between layers; 0 at evaluation time.
    pub dropout: f64,
}

/// What [`Tensor::lstm`] returns; `D` is 2 if bidirectional, else 1.
#[derive(Clone, Debug)]
pub struct LstmOutput {
    /// The last layer's hidden state at every time, `[B, T, D·H]`.
    pub output: Tensor,
    /// The hidden state after the last time step, `[L·D, B, H]`.
    pub h: Tensor,
    /// The cell state after the last time step, `[L·D, B, H]`.
    pub c: Tensor,
}

/// Inputs before the weights: x, h0, c0.
const FIRST_WEIGHT: usize = 3;
const PER_DIRECTION: usize = 4;

impl Tensor {
    /// Runs an LSTM (Hochreiter & Schmidhuber 1997) over a batch of sequences.
    ///
    /// ```text
    /// i, f, o = sigmoid(W x + U h + b)      g = tanh(W x + U h + b)
    /// c' = f · c + i · g                    h' = o · tanh(c')
    /// ```
    ///
    /// | value     | shape                                              |
    /// |-----------|----------------------------------------------------|
    /// | `self`    | `[B, T, I]`, batch first                           |
    /// | `weights` | one entry for each layer, forward then backward    |
    /// | `state`   | `h0` and `c0`, `[L·D, B, H]`; zeros if not given   |
    ///
    /// `rng` decides what is dropped between layers and is used only if `options.dropout > 0`.
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit, [`Error::DType`] if dtypes differ or are not floats,
    /// [`Error::Argument`] if the dropout is not in `[0, 1]`.
    pub fn lstm(
        &self,
        weights: &[LstmWeights],
        state: Option<(&Tensor, &Tensor)>,
        options: LstmOptions,
        rng: &mut Rng,
    ) -> Result<LstmOutput> {
        let plan = Plan::new(self, weights, state, options)?;
        let mut inputs: Vec<&Tensor> = vec![self];
        let none = Tensor::scalar(0.0, self.dtype());
        inputs.extend(state.map_or([&none, &none], |(h, c)| [h, c]));
        for w in weights {
            inputs.extend([
                &w.w_ih,
                &w.w_hh,
                w.b_ih.as_ref().unwrap_or(&none),
                w.b_hh.as_ref().unwrap_or(&none),
            ]);
        }
        let edges = Edges::of(&inputs);
        let layout = |tensor: &Tensor| tensor.contiguous_detached();
        let weights: Vec<LstmWeights> = weights
            .iter()
            .map(|w| LstmWeights {
                w_ih: layout(&w.w_ih),
                w_hh: layout(&w.w_hh),
                b_ih: w.b_ih.as_ref().map(layout),
                b_hh: w.b_hh.as_ref().map(layout),
            })
            .collect();
        let state = state.map(|(h, c)| [layout(h), layout(c)]);
        let (results, tape) = plan.forward(layout(self), weights, state, rng, edges.recorded())?;
        let [output, h, c] = edges.record_all("lstm", results, || tape);
        Ok(LstmOutput { output, h, c })
    }
}

/// The sizes of the operation.
#[derive(Clone, Copy)]
struct Plan {
    batch: usize,
    time: usize,
    input: usize,
    hidden: usize,
    layers: usize,
    directions: usize,
    dropout: f64,
}

/// What backward needs.
struct Tape {
    plan: Plan,
    /// The input of each layer, after dropout.
    inputs: Vec<Tensor>,
    /// The generator at the start of each layer's dropout.
    dropped: Vec<Option<Rng>>,
    weights: Vec<LstmWeights>,
    state: Option<[Tensor; 2]>,
    /// Gate activations and cell states of each layer and direction.
    saved: Vec<Tensor>,
}

impl Plan {
    fn new(
        x: &Tensor,
        weights: &[LstmWeights],
        state: Option<(&Tensor, &Tensor)>,
        options: LstmOptions,
    ) -> Result<Self> {
        let op = "lstm";
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
        let hidden = weights[0].w_hh.shape().last().copied().unwrap_or(0);
        let layers = weights.len() / directions;
        let plan = Plan {
            batch: x.shape()[0],
            time: x.shape()[1],
            input: x.shape()[2],
            hidden,
            layers,
            directions,
            dropout: options.dropout,
        };
        for (k, w) in weights.iter().enumerate() {
            let input = plan.layer_input(k / directions);
            let bias = [w.b_ih.as_ref(), w.b_hh.as_ref()];
            for tensor in [&w.w_ih, &w.w_hh]
                .into_iter()
                .chain(bias.into_iter().flatten())
            {
                same_dtype(op, x, tensor)?;
            }
            let fits = w.w_ih.shape() == [4 * hidden, input]
                && w.w_hh.shape() == [4 * hidden, hidden]
                && bias
                    .into_iter()
                    .flatten()
                    .all(|b| b.shape() == [4 * hidden]);
            if !fits {
                return Err(Error::shape(
                    op,
                    format!(
                        "weights of layer {layer} must be [{gates}, {input}] and [{gates}, {hidden}], biases [{gates}]",
                        layer = k / directions,
                        gates = 4 * hidden,
                    ),
                    [Some(&w.w_ih), Some(&w.w_hh)]
                        .into_iter()
                        .chain(bias)
                        .flatten()
                        .map(|tensor| format!("{:?}", tensor.shape()))
                        .collect::<Vec<_>>()
                        .join(" and "),
                ));
            }
        }
        if let Some((h, c)) = state {
            let expected = [layers * directions, plan.batch, hidden];
            same_dtype(op, x, h)?;
            same_dtype(op, x, c)?;
            if h.shape() != expected || c.shape() != expected {
                return Err(Error::shape(
                    op,
                    format!("the initial state must be two tensors of shape {expected:?}"),
                    format!("{:?} and {:?}", h.shape(), c.shape()),
                ));
            }
        }
        Ok(plan)
    }

    /// The width of what layer `layer` reads.
    fn layer_input(&self, layer: usize) -> usize {
        if layer == 0 { self.input } else { self.width() }
    }

    /// The width of what a layer writes.
    fn width(&self) -> usize {
        self.directions * self.hidden
    }

    fn dims(&self, k: usize) -> Dims {
        Dims {
            batch: self.batch,
            time: self.time,
            input: self.layer_input(k / self.directions),
            hidden: self.hidden,
            reverse: k % self.directions == 1,
        }
    }

    fn forward(
        self,
        x: Tensor,
        weights: Vec<LstmWeights>,
        state: Option<[Tensor; 2]>,
        rng: &mut Rng,
        record: bool,
    ) -> Result<([Tensor; 3], Tape)> {
        let mut tape = Tape {
            plan: self,
            inputs: Vec::new(),
            dropped: Vec::new(),
            weights,
            state,
            saved: Vec::new(),
        };
        let cells = self.batch * self.hidden;
        let states: Shape = [self.layers * self.directions, self.batch, self.hidden]
            .into_iter()
            .collect();
        for_float!("lstm", x.dtype(), T => {
            let mut output = x;
            let mut cn = None;
            let hn = Tensor::fill_new::<T>(states, |hn| {
                cn = Some(Tensor::fill_new::<T>(states, |cn| {
                    for layer in 0..self.layers {
                        let mut input = output.clone();
                        let drop = layer > 0 && self.dropout > 0.0;
                        tape.dropped.push(drop.then(|| rng.clone()));
                        if drop {
                            input = input.dropout(self.dropout, rng).expect("the probability was checked");
                        }
                        let sizes: Shape = [self.batch, self.time, self.width()].into_iter().collect();
                        output = Tensor::fill_new::<T>(sizes, |out| {
                            for direction in 0..self.directions {
                                let k = layer * self.directions + direction;
                                let dims = self.dims(k);
                                let cells = k * cells..(k + 1) * cells;
                                let mut run = |saved: Option<&mut [T]>| kernel::forward(
                                    &dims,
                                    input.slice(),
                                    &tape.kernel_weights(k),
                                    tape.initial(cells.clone()),
                                    out.get_mut(direction * self.hidden..).unwrap_or_default(),
                                    self.width(),
                                    &mut hn[cells.clone()],
                                    &mut cn[cells.clone()],
                                    saved,
                                );
                                if record {
                                    let len: Shape = [dims.saved_len()].into_iter().collect();
                                    let saved = Tensor::fill_new::<T>(len, |saved| run(Some(saved)));
                                    tape.saved.push(saved);
                                } else {
                                    run(None);
                                }
                            }
                        });
                        tape.inputs.push(input);
                    }
                }));
            });
            let cn = cn.expect("set above");
            Ok(([output, hn, cn], tape))
        })
    }
}

impl Tape {
    fn kernel_weights<T: Element>(&self, k: usize) -> Weights<'_, T> {
        let w = &self.weights[k];
        Weights {
            w_ih: w.w_ih.slice(),
            w_hh: w.w_hh.slice(),
            b_ih: w.b_ih.as_ref().map(Tensor::slice),
            b_hh: w.b_hh.as_ref().map(Tensor::slice),
        }
    }

    fn initial<T: Element>(&self, cells: std::ops::Range<usize>) -> State<'_, T> {
        match &self.state {
            None => State { h: None, c: None },
            Some([h, c]) => State {
                h: Some(&h.slice()[cells.clone()]),
                c: Some(&c.slice()[cells]),
            },
        }
    }
}

impl Backward for Tape {
    fn backward(&self, dy: &mut [Option<Tensor>], grads: &mut Grads<'_>) -> Result<()> {
        let plan = self.plan;
        let [mut dout, dhn, dcn] =
            [0, 1, 2].map(|i| dy[i].take().map(|dy| dy.contiguous_detached()));
        let cells = plan.batch * plan.hidden;
        let states: Shape = [plan.layers * plan.directions, plan.batch, plan.hidden]
            .into_iter()
            .collect();
        let wants_state = self.state.is_some() && (grads.wants(1) || grads.wants(2));
        for_float!("lstm", self.inputs[0].dtype(), T => {
            let mut dstate = wants_state.then(|| [(); 2].map(|()| room::<T>(states.iter().product())));
            for layer in (0..plan.layers).rev() {
                let input = &self.inputs[layer];
                let wants_input = layer > 0 || grads.wants(0);
                let mut dx = wants_input.then(|| room::<T>(input.numel()));
                for direction in 0..plan.directions {
                    let k = layer * plan.directions + direction;
                    let dims = plan.dims(k);
                    let range = k * cells..(k + 1) * cells;
                    let first = FIRST_WEIGHT + k * PER_DIRECTION;
                    let w = &self.weights[k];
                    let shapes = [Some(*w.w_ih.sizes()), Some(*w.w_hh.sizes()), w.b_ih.as_ref().map(|b| *b.sizes()), w.b_hh.as_ref().map(|b| *b.sizes())];
                    let mut own: [Option<(Shape, Buffer)>; 4] = std::array::from_fn(|i| {
                        let shape = shapes[i].filter(|_| grads.wants(first + i))?;
                        Some((shape, room::<T>(shape.iter().product())))
                    });
                    let mut work = room::<T>(dims.work_len());
                    let [dw_ih, dw_hh, db_ih, db_hh] = own.each_mut().map(|slot| {
                        slot.as_mut().map(|(_, data)| Slot { data: data.as_mut_slice::<T>(), accumulate: false })
                    });
                    let mut states = dstate.iter_mut().flatten();
                    let [dh0, dc0] = [(); 2].map(|()| {
                        states.next().map(|data| Slot { data: &mut data.as_mut_slice::<T>()[range.clone()], accumulate: false })
                    });
                    let kernel_grads = kernel::Grads {
                        dx: dx.as_mut().map(|data| Slot { data: data.as_mut_slice::<T>(), accumulate: direction > 0 }),
                        dh0, dc0, dw_ih, dw_hh, db_ih, db_hh,
                    };
                    kernel::backward(
                        &dims,
                        input.slice(),
                        &self.kernel_weights(k),
                        self.saved[k].slice(),
                        dout.as_ref().map(|d| d.slice::<T>().get(direction * plan.hidden..).unwrap_or_default()),
                        plan.width(),
                        dhn.as_ref().map(|d| &d.slice::<T>()[range.clone()]),
                        dcn.as_ref().map(|d| &d.slice::<T>()[range.clone()]),
                        work.as_mut_slice(),
                        kernel_grads,
                    );
                    for (i, slot) in own.into_iter().enumerate() {
                        if let Some((shape, data)) = slot {
                            grads.add(first + i, Tensor::from_buffer(data, shape, T::DTYPE))?;
                        }
                    }
                }
                dout = match dx {
                    None => None,
                    Some(dx) => {
                        let dx = Tensor::from_buffer(dx, *input.sizes(), T::DTYPE);
                        Some(match &self.dropped[layer] {
                            Some(rng) => dx.dropout(plan.dropout, &mut rng.clone())?,
                            None => dx,
                        })
                    }
                };
            }
            if let Some([dh, dc]) = dstate {
                grads.add(1, Tensor::from_buffer(dh, states, T::DTYPE))?;
                grads.add(2, Tensor::from_buffer(dc, states, T::DTYPE))?;
            }
            match dout {
                Some(dx) => grads.add(0, dx),
                None => Ok(()),
            }
        })
    }
}

/// Memory that a kernel writes every element of.
fn room<T>(len: usize) -> Buffer {
    Buffer::uninit(len * size_of::<T>())
}
