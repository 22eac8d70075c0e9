//! Recurrent networks.

use crate::common::Domain::Any;
use crate::{Row, row};
use azura_core::{RecurrentOptions, RecurrentWeights, Result, Rng, Tensor};

/// The outputs of an LSTM whose weights lie in `inputs` one after the other.
fn lstm(
    x: &Tensor,
    state: Option<(&Tensor, &Tensor)>,
    inputs: &[Tensor],
    biases: bool,
    bidirectional: bool,
    dropout: f64,
) -> Result<Vec<Tensor>> {
    let weights: Vec<RecurrentWeights> = inputs
        .chunks_exact(if biases { 4 } else { 2 })
        .map(|w| RecurrentWeights {
            w_ih: w[0].clone(),
            w_hh: w[1].clone(),
            b_ih: biases.then(|| w[2].clone()),
            b_hh: biases.then(|| w[3].clone()),
            w_hr: None,
        })
        .collect();
    let options = RecurrentOptions {
        bidirectional,
        dropout,
        ..RecurrentOptions::default()
    };
    let y = x.lstm(&weights, state, options, &mut Rng::new(8))?;
    Ok(vec![y.output, y.h, y.c])
}

const LSTM: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[12, 2], &[12, 3], &[12], &[12]],
    &[&[1, 1, 1], &[4, 1], &[4, 1], &[4], &[4]],
    &[&[0, 3, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 0, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 3, 0], &[8, 0], &[8, 2], &[8], &[8]],
];
const LSTM_STATE: &[&[&[usize]]] = &[
    &[
        &[2, 3, 2],
        &[1, 2, 3],
        &[1, 2, 3],
        &[12, 2],
        &[12, 3],
        &[12],
        &[12],
    ],
    &[
        &[2, 0, 2],
        &[1, 2, 1],
        &[1, 2, 1],
        &[4, 2],
        &[4, 1],
        &[4],
        &[4],
    ],
    &[
        &[5, 4, 3],
        &[1, 5, 2],
        &[1, 5, 2],
        &[8, 3],
        &[8, 2],
        &[8],
        &[8],
    ],
];
/// Two layers of two directions: x, h0, c0, then four times the weights.
#[rustfmt::skip]
const LSTM_DEEP: &[&[&[usize]]] = &[&[
    &[2, 3, 3], &[4, 2, 2], &[4, 2, 2],
    &[8, 3], &[8, 2], &[8], &[8], &[8, 3], &[8, 2], &[8], &[8],
    &[8, 4], &[8, 2], &[8], &[8], &[8, 4], &[8, 2], &[8], &[8],
]];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("lstm", Any, LSTM, |x| lstm(&x[0], None, &x[1..], true, false, 0.0)),
        row("lstm from a state", Any, LSTM_STATE, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)),
        row("lstm without bias", Any, &[&[&[2, 4, 3], &[8, 3], &[8, 2]]], |x| lstm(&x[0], None, &x[1..], false, false, 0.0)),
        row("lstm to h", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(1)])),
        row("lstm to c", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(2)])),
        row("lstm to output", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(0)])),
        row("lstm deep", Any, LSTM_DEEP, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, true, 0.0)),
        row("lstm deep with dropout", Any, LSTM_DEEP, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, true, 0.5)),
        row("lstm backwards", Any, &[&[&[3, 4, 2], &[8, 2], &[8, 2], &[8], &[8], &[8, 2], &[8, 2], &[8], &[8]]], |x| lstm(&x[0], None, &x[1..], true, true, 0.0)),
    ]
}
