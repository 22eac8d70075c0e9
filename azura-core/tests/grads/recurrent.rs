//! Recurrent networks.

use crate::common::Domain::Any;
use crate::{Row, row};
use azura_core::{RecurrentOptions, RecurrentOutput, RecurrentWeights, Result, Rng, Tensor};

/// What a net's weights are, and how it runs.
#[derive(Clone, Copy)]
struct Net {
    biases: bool,
    projected: bool,
    options: RecurrentOptions<'static>,
}

const PLAIN: Net = Net {
    biases: true,
    projected: false,
    options: RecurrentOptions {
        bidirectional: false,
        dropout: 0.0,
        lengths: None,
    },
};

impl Net {
    const fn bidirectional(mut self) -> Self {
        self.options.bidirectional = true;
        self
    }

    const fn dropout(mut self) -> Self {
        self.options.dropout = 0.5;
        self
    }

    const fn lengths(mut self, lengths: &'static [usize]) -> Self {
        self.options.lengths = Some(lengths);
        self
    }

    const fn without_bias(mut self) -> Self {
        self.biases = false;
        self
    }

    const fn projected(mut self) -> Self {
        self.projected = true;
        self
    }

    /// The weights that lie in `inputs` one after the other.
    fn weights(self, inputs: &[Tensor]) -> Vec<RecurrentWeights> {
        let biases = if self.biases { 2 } else { 0 };
        inputs
            .chunks_exact(2 + biases + usize::from(self.projected))
            .map(|w| RecurrentWeights {
                w_ih: w[0].clone(),
                w_hh: w[1].clone(),
                b_ih: self.biases.then(|| w[2].clone()),
                b_hh: self.biases.then(|| w[3].clone()),
                w_hr: self.projected.then(|| w[2 + biases].clone()),
            })
            .collect()
    }

    fn lstm(self, x: &[Tensor], state: bool) -> Result<Vec<Tensor>> {
        let first = if state { 3 } else { 1 };
        let state = state.then(|| (&x[1], &x[2]));
        let y = x[0].lstm(
            &self.weights(&x[first..]),
            state,
            self.options,
            &mut Rng::new(8),
        )?;
        Ok(vec![y.output, y.h, y.c])
    }

    fn other(self, x: &[Tensor], state: bool, op: Op) -> Result<Vec<Tensor>> {
        let first = if state { 2 } else { 1 };
        let state = state.then(|| &x[1]);
        let y = op(
            &x[0],
            &self.weights(&x[first..]),
            state,
            self.options,
            &mut Rng::new(8),
        )?;
        Ok(vec![y.output, y.h])
    }
}

type Op = fn(
    &Tensor,
    &[RecurrentWeights],
    Option<&Tensor>,
    RecurrentOptions<'_>,
    &mut Rng,
) -> Result<RecurrentOutput>;

#[rustfmt::skip]
const LSTM: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[12, 2], &[12, 3], &[12], &[12]],
    &[&[1, 1, 1], &[4, 1], &[4, 1], &[4], &[4]],
    &[&[0, 3, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 0, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 3, 0], &[8, 0], &[8, 2], &[8], &[8]],
];
#[rustfmt::skip]
const LSTM_STATE: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[1, 2, 3], &[1, 2, 3], &[12, 2], &[12, 3], &[12], &[12]],
    &[&[2, 0, 2], &[1, 2, 1], &[1, 2, 1], &[4, 2], &[4, 1], &[4], &[4]],
    &[&[5, 4, 3], &[1, 5, 2], &[1, 5, 2], &[8, 3], &[8, 2], &[8], &[8]],
];
/// Two layers of two directions: x, h0, c0, then four times the weights.
#[rustfmt::skip]
const LSTM_DEEP: &[&[&[usize]]] = &[&[
    &[2, 3, 3], &[4, 2, 2], &[4, 2, 2],
    &[8, 3], &[8, 2], &[8], &[8], &[8, 3], &[8, 2], &[8], &[8],
    &[8, 4], &[8, 2], &[8], &[8], &[8, 4], &[8, 2], &[8], &[8],
]];
/// A projection of 3 units to 2, in two directions; few and many rows.
#[rustfmt::skip]
const LSTM_PROJECTED: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[2, 2, 2], &[2, 2, 3], &[12, 2], &[12, 2], &[12], &[12], &[2, 3], &[12, 2], &[12, 2], &[12], &[12], &[2, 3]],
    &[&[9, 2, 2], &[2, 9, 1], &[2, 9, 2], &[8, 2], &[8, 1], &[8], &[8], &[1, 2], &[8, 2], &[8, 1], &[8], &[8], &[1, 2]],
];
#[rustfmt::skip]
const GRU: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[1, 2, 3], &[9, 2], &[9, 3], &[9], &[9]],
    &[&[1, 1, 1], &[1, 1, 1], &[3, 1], &[3, 1], &[3], &[3]],
    &[&[9, 2, 1], &[1, 9, 2], &[6, 1], &[6, 2], &[6], &[6]],
    &[&[0, 3, 2], &[1, 0, 2], &[6, 2], &[6, 2], &[6], &[6]],
    &[&[2, 0, 2], &[1, 2, 2], &[6, 2], &[6, 2], &[6], &[6]],
    &[&[2, 3, 0], &[1, 2, 2], &[6, 0], &[6, 2], &[6], &[6]],
];
#[rustfmt::skip]
const GRU_DEEP: &[&[&[usize]]] = &[&[
    &[3, 4, 3], &[4, 3, 2],
    &[6, 3], &[6, 2], &[6], &[6], &[6, 3], &[6, 2], &[6], &[6],
    &[6, 4], &[6, 2], &[6], &[6], &[6, 4], &[6, 2], &[6], &[6],
]];
#[rustfmt::skip]
const RNN: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[1, 2, 3], &[3, 2], &[3, 3], &[3], &[3]],
    &[&[1, 1, 1], &[1, 1, 1], &[1, 1], &[1, 1], &[1], &[1]],
    &[&[9, 2, 1], &[1, 9, 2], &[2, 1], &[2, 2], &[2], &[2]],
    &[&[0, 3, 2], &[1, 0, 2], &[2, 2], &[2, 2], &[2], &[2]],
    &[&[2, 0, 2], &[1, 2, 2], &[2, 2], &[2, 2], &[2], &[2]],
];
#[rustfmt::skip]
const RNN_DEEP: &[&[&[usize]]] = &[&[
    &[3, 4, 3], &[4, 3, 2],
    &[2, 3], &[2, 2], &[2], &[2], &[2, 3], &[2, 2], &[2], &[2],
    &[2, 4], &[2, 2], &[2], &[2], &[2, 4], &[2, 2], &[2], &[2],
]];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("lstm", Any, LSTM, |x| PLAIN.lstm(x, false)),
        row("lstm from a state", Any, LSTM_STATE, |x| PLAIN.lstm(x, true)),
        row("lstm without bias", Any, &[&[&[2, 4, 3], &[8, 3], &[8, 2]]], |x| PLAIN.without_bias().lstm(x, false)),
        row("lstm to h", Any, LSTM_STATE, |x| Ok(vec![PLAIN.lstm(x, true)?.swap_remove(1)])),
        row("lstm to c", Any, LSTM_STATE, |x| Ok(vec![PLAIN.lstm(x, true)?.swap_remove(2)])),
        row("lstm to output", Any, LSTM_STATE, |x| Ok(vec![PLAIN.lstm(x, true)?.swap_remove(0)])),
        row("lstm deep", Any, LSTM_DEEP, |x| PLAIN.bidirectional().lstm(x, true)),
        row("lstm deep with dropout", Any, LSTM_DEEP, |x| PLAIN.bidirectional().dropout().lstm(x, true)),
        row("lstm deep with lengths", Any, LSTM_DEEP, |x| PLAIN.bidirectional().lengths(&[1, 3]).lstm(x, true)),
        row("lstm backwards", Any, &[&[&[3, 4, 2], &[8, 2], &[8, 2], &[8], &[8], &[8, 2], &[8, 2], &[8], &[8]]], |x| PLAIN.bidirectional().lstm(x, false)),
        row("lstm projected", Any, LSTM_PROJECTED, |x| PLAIN.bidirectional().projected().lstm(x, true)),
        row("lstm projected with lengths", Any, &LSTM_PROJECTED[..1], |x| PLAIN.bidirectional().projected().lengths(&[3, 2]).lstm(x, true)),
        row("lstm projected to h", Any, &LSTM_PROJECTED[..1], |x| Ok(vec![PLAIN.bidirectional().projected().lstm(x, true)?.swap_remove(1)])),
        row("gru", Any, GRU, |x| PLAIN.other(x, true, Tensor::gru)),
        row("gru without bias", Any, &[&[&[2, 4, 3], &[6, 3], &[6, 2]]], |x| PLAIN.without_bias().other(x, false, Tensor::gru)),
        row("gru to h", Any, GRU, |x| Ok(vec![PLAIN.other(x, true, Tensor::gru)?.swap_remove(1)])),
        row("gru deep with dropout", Any, GRU_DEEP, |x| PLAIN.bidirectional().dropout().other(x, true, Tensor::gru)),
        row("gru deep with lengths", Any, GRU_DEEP, |x| PLAIN.bidirectional().lengths(&[2, 4, 0]).other(x, true, Tensor::gru)),
        row("rnn_tanh", Any, RNN, |x| PLAIN.other(x, true, Tensor::rnn_tanh)),
        row("rnn_tanh to h", Any, RNN, |x| Ok(vec![PLAIN.other(x, true, Tensor::rnn_tanh)?.swap_remove(1)])),
        row("rnn_tanh deep with lengths", Any, RNN_DEEP, |x| PLAIN.bidirectional().lengths(&[2, 4, 0]).other(x, true, Tensor::rnn_tanh)),
        row("rnn_relu", Any, RNN, |x| PLAIN.other(x, true, Tensor::rnn_relu)),
        row("rnn_relu without bias", Any, &[&[&[2, 4, 3], &[2, 3], &[2, 2]]], |x| PLAIN.without_bias().other(x, false, Tensor::rnn_relu)),
        row("rnn_relu deep with dropout", Any, RNN_DEEP, |x| PLAIN.bidirectional().dropout().other(x, true, Tensor::rnn_relu)),
    ]
}
