//! Recurrent networks.

use crate::*;

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, number, keep, .. } = x;
    let number = *number;
    let keep = *keep;
    let weights = RecurrentWeights { w_ih: b.clone(), w_hh: c.clone(), b_ih: None, b_hh: Some(a.clone()), w_hr: None };
    let from_state = weights.clone();
    vec![
        ("lstm", Box::new(move || Ok(a.lstm(std::slice::from_ref(&from_state), Some((b, c)), RecurrentOptions { bidirectional: keep, dropout: number, ..RecurrentOptions::default() }, &mut Rng::new(1))?.output))),
        ("lstm without state", Box::new(move || Ok(a.lstm(std::slice::from_ref(&weights), None, RecurrentOptions::default(), &mut Rng::new(1))?.h))),
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
