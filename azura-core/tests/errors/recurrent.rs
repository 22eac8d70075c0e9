//! Recurrent networks.

use crate::*;

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, number, keep, .. } = x;
    let number = *number;
    let keep = *keep;
    let weights = RecurrentWeights { w_ih: b.clone(), w_hh: c.clone(), b_ih: None, b_hh: Some(a.clone()), w_hr: None };
    let from_state = weights.clone();
    let other = |w_ih: &Tensor, w_hh: &Tensor| RecurrentWeights { w_ih: w_ih.clone(), w_hh: w_hh.clone(), b_ih: None, b_hh: None, w_hr: None };
    vec![
        ("lstm", Box::new(move || Ok(a.lstm(std::slice::from_ref(&from_state), Some((b, c)), RecurrentOptions { bidirectional: keep, dropout: number, ..RecurrentOptions::default() }, &mut Rng::new(1))?.output))),
        ("lstm without state", Box::new(move || Ok(a.lstm(std::slice::from_ref(&weights), None, RecurrentOptions::default(), &mut Rng::new(1))?.h))),
        ("gru", Box::new(move || Ok(a.gru(&[other(c, b)], Some(c), RecurrentOptions { bidirectional: keep, dropout: number, lengths: Some(&[1, 2]) }, &mut Rng::new(1))?.h))),
        ("rnn_tanh", Box::new(move || Ok(a.rnn_tanh(&[other(b, c)], Some(a), RecurrentOptions::default(), &mut Rng::new(1))?.h))),
        ("rnn_relu", Box::new(move || Ok(a.rnn_relu(&[other(a, b)], None, RecurrentOptions::default(), &mut Rng::new(1))?.h))),
    ]
}

#[test]
fn lstm_messages() {
    let x = zeros(&[2, 3, 4]);
    let weights = |w_ih: &[usize], w_hh: &[usize]| RecurrentWeights {
        w_ih: zeros(w_ih),
        w_hh: zeros(w_hh),
        b_ih: None,
        b_hh: None,
        w_hr: None,
    };
    let good = weights(&[8, 4], &[8, 2]);
    let run =
        |x: &Tensor, w: &[RecurrentWeights], state: Option<(&Tensor, &Tensor)>, dropout: f64| {
            let options = RecurrentOptions {
                bidirectional: false,
                dropout,
                ..RecurrentOptions::default()
            };
            text(
                x.lstm(w, state, options, &mut Rng::new(0))
                    .map(|y| y.output),
            )
        };
    let one = std::slice::from_ref(&good);
    assert_eq!(
        run(&zeros(&[3, 4]), one, None, 0.0),
        "[lstm] needs x [B, T, I] and weights for each layer and direction, but got [3, 4] and 1 weights for 1 directions"
    );
    assert_eq!(
        run(&x, &[], None, 0.0),
        "[lstm] needs x [B, T, I] and weights for each layer and direction, but got [2, 3, 4] and 0 weights for 1 directions"
    );
    assert_eq!(
        run(&x, &[weights(&[8, 5], &[8, 2])], None, 0.0),
        "[lstm] weights of layer 0 must be [8, 4] and [8, 2], biases [8], but got [8, 5] and [8, 2]"
    );
    assert_eq!(
        run(&x, one, None, 1.5),
        "[lstm] dropout must lie in [0, 1], but got 1.5"
    );
    let state = zeros(&[1, 2, 3]);
    assert_eq!(
        run(&x, one, Some((&state, &state)), 0.0),
        "[lstm] the initial state must be of shape [1, 2, 2] and [1, 2, 2], but got [1, 2, 3] and [1, 2, 3]"
    );
    let biased = RecurrentWeights {
        b_ih: Some(zeros(&[7])),
        ..good.clone()
    };
    assert_eq!(
        run(&x, &[biased], None, 0.0),
        "[lstm] weights of layer 0 must be [8, 4] and [8, 2], biases [8], but got [8, 4] and [8, 2] and [7]"
    );
    for w in [
        weights(&[], &[]),
        weights(&[8], &[8]),
        weights(&[8, 4], &[]),
    ] {
        assert!(run(&x, &[w], None, 0.0).starts_with("[lstm] "));
    }
    // No hidden units at all.
    let none = weights(&[0, 4], &[0, 0]);
    let y = x
        .lstm(&[none], None, RecurrentOptions::default(), &mut Rng::new(0))
        .unwrap();
    assert_eq!(y.output.shape(), [2, 3, 0]);
}

#[test]
fn length_and_projection_messages() {
    let x = zeros(&[2, 3, 4]);
    let weights = |w_ih: &[usize], w_hh: &[usize], w_hr: Option<&[usize]>| {
        [RecurrentWeights {
            w_ih: zeros(w_ih),
            w_hh: zeros(w_hh),
            b_ih: None,
            b_hh: None,
            w_hr: w_hr.map(zeros),
        }]
    };
    let gru = |lengths: &[usize], w: &[RecurrentWeights], h: Option<&Tensor>| {
        let options = RecurrentOptions {
            lengths: Some(lengths),
            ..RecurrentOptions::default()
        };
        text(x.gru(w, h, options, &mut Rng::new(0)).map(|y| y.h))
    };
    let good = weights(&[6, 4], &[6, 2], None);
    assert_eq!(
        gru(&[1], &good, None),
        "[gru] needs a length for each of 2 sequences, but got 1 lengths"
    );
    assert_eq!(
        gru(&[3, 4], &good, None),
        "[gru] a length must be at most T = 3, but got 4 for sequence 1"
    );
    assert_eq!(
        gru(&[1, 1], &weights(&[8, 4], &[8, 2], None), None),
        "[gru] weights of layer 0 must be [6, 4] and [6, 2], biases [6], but got [8, 4] and [8, 2]"
    );
    assert_eq!(
        gru(&[1, 1], &good, Some(&zeros(&[1, 2, 3]))),
        "[gru] the initial state must be of shape [1, 2, 2], but got [1, 2, 3]"
    );
    assert_eq!(
        gru(&[1, 1], &weights(&[9, 4], &[9, 2], Some(&[2, 3])), None),
        "[gru] only an LSTM has a projection, but got w_hr"
    );
    let lstm = |w: &[RecurrentWeights]| {
        let y = x.lstm(w, None, RecurrentOptions::default(), &mut Rng::new(0));
        text(y.map(|y| y.h))
    };
    assert_eq!(
        lstm(&weights(&[8, 4], &[8, 2], Some(&[2, 2]))),
        "[lstm] a projection must give at least 1 and fewer than H features, but got 2 of H = 2"
    );
    assert_eq!(
        lstm(&weights(&[8, 4], &[8, 1], Some(&[2, 2]))),
        "[lstm] weights of layer 0 must be [8, 4] and [8, 1], biases [8], the projection [1, 2], but got [8, 4] and [8, 1] and [2, 2]"
    );
}

#[test]
fn sizes_beyond_the_address_space_are_refused() {
    // Views that repeat one element: they cost nothing, their results would.
    let one = zeros(&[1, 1, 1]);
    let x = one.expand([1 << 22, 1 << 21, 1]).unwrap();
    let w = zeros(&[1, 1]);
    let weights = [RecurrentWeights {
        w_ih: w.clone(),
        w_hh: w,
        b_ih: None,
        b_hh: None,
        w_hr: None,
    }];
    let y = x.rnn_tanh(
        &weights,
        None,
        RecurrentOptions::default(),
        &mut Rng::new(0),
    );
    assert!(text(y.map(|y| y.h)).starts_with("[rnn_tanh] the number of elements must fit"));
    let gates = zeros(&[1, 1]).expand([4, 1 << 41]).unwrap();
    let weights = [RecurrentWeights {
        w_ih: gates.clone(),
        w_hh: gates,
        b_ih: None,
        b_hh: None,
        w_hr: None,
    }];
    let y = one.lstm(
        &weights,
        None,
        RecurrentOptions::default(),
        &mut Rng::new(0),
    );
    assert!(text(y.map(|y| y.h)).contains("must fit the address space"));
}
