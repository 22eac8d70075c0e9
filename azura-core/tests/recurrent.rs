//! Sequences of different lengths in one batch are the same as each of them alone.

use azura_core::{
    DType, RecurrentOptions, RecurrentWeights, Result, Rng, Tensor, grad, with_threads,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lstm,
    Projected,
    Gru,
    Tanh,
    Relu,
}

const KINDS: [Kind; 5] = [
    Kind::Lstm,
    Kind::Projected,
    Kind::Gru,
    Kind::Tanh,
    Kind::Relu,
];
const INPUT: usize = 3;
const HIDDEN: usize = 4;
const LAYERS: usize = 2;

fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let n = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|_| rng.uniform() - 0.5).collect();
    Tensor::from_vec(values, shape).unwrap()
}

impl Kind {
    fn output(self) -> usize {
        if self == Kind::Projected { 2 } else { HIDDEN }
    }

    /// Two layers of two directions.
    fn weights(self) -> Vec<RecurrentWeights> {
        let gates = match self {
            Kind::Lstm | Kind::Projected => 4 * HIDDEN,
            Kind::Gru => 3 * HIDDEN,
            Kind::Tanh | Kind::Relu => HIDDEN,
        };
        (0..2 * LAYERS as u64)
            .map(|k| {
                let input = if k < 2 { INPUT } else { 2 * self.output() };
                let w = |shape: &[usize], i: u64| numbers(shape, 10 * k + i).variable();
                RecurrentWeights {
                    w_ih: w(&[gates, input], 1),
                    w_hh: w(&[gates, self.output()], 2),
                    b_ih: Some(w(&[gates], 3)),
                    b_hh: Some(w(&[gates], 4)),
                    w_hr: (self == Kind::Projected).then(|| w(&[2, HIDDEN], 5)),
                }
            })
            .collect()
    }

    /// Output and final states.
    fn run(
        self,
        x: &Tensor,
        weights: &[RecurrentWeights],
        state: [&Tensor; 2],
        lengths: Option<&[usize]>,
    ) -> Result<Vec<Tensor>> {
        let options = RecurrentOptions {
            bidirectional: true,
            dropout: 0.0,
            lengths,
        };
        let (rng, [h, c]) = (&mut Rng::new(0), state);
        let y = match self {
            Kind::Lstm | Kind::Projected => {
                let y = x.lstm(weights, Some((h, c)), options, rng)?;
                return Ok(vec![y.output, y.h, y.c]);
            }
            Kind::Gru => x.gru(weights, Some(h), options, rng)?,
            Kind::Tanh => x.rnn_tanh(weights, Some(h), options, rng)?,
            Kind::Relu => x.rnn_relu(weights, Some(h), options, rng)?,
        };
        Ok(vec![y.output, y.h])
    }
}

fn parts(weights: &[RecurrentWeights]) -> Vec<&Tensor> {
    weights
        .iter()
        .flat_map(|w| {
            [
                Some(&w.w_ih),
                Some(&w.w_hh),
                w.b_ih.as_ref(),
                w.b_hh.as_ref(),
                w.w_hr.as_ref(),
            ]
        })
        .flatten()
        .collect()
}

/// The sum of all results, each weighted by numbers of its own.
fn loss(results: &[Tensor], weights: &[Tensor]) -> Result<Tensor> {
    let mut sum = Tensor::scalar(0.0, DType::F64)?;
    for (y, w) in results.iter().zip(weights) {
        sum = sum.add(y.clone().mul(w)?.sum_all()?)?;
    }
    Ok(sum)
}

fn f64s(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap()
}

/// Longest not first, one full, one empty; few rows, and more than are walked step by step.
const LENGTHS: [&[usize]; 2] = [&[2, 5, 0, 3], &[1, 4, 5, 2, 3, 5, 0, 1, 4, 2, 3]];

#[test]
fn a_batch_of_lengths_is_each_sequence_alone() {
    for kind in KINDS {
        for lengths in LENGTHS {
            let (batch, time) = (lengths.len(), 5);
            let weights = kind.weights();
            // Behind the ends stands what must not be read.
            let mut values = f64s(&numbers(&[batch, time, INPUT], 90));
            for (b, &length) in lengths.iter().enumerate() {
                values[(b * time + length) * INPUT..(b + 1) * time * INPUT].fill(f64::NAN);
            }
            let x = Tensor::from_vec(values, [batch, time, INPUT])
                .unwrap()
                .variable();
            let h0 = numbers(&[2 * LAYERS, batch, kind.output()], 91).variable();
            let c0 = numbers(&[2 * LAYERS, batch, HIDDEN], 92).variable();
            let together = kind.run(&x, &weights, [&h0, &c0], Some(lengths)).unwrap();
            let upstream: Vec<Tensor> = together
                .iter()
                .enumerate()
                .map(|(i, y)| numbers(y.shape(), 93 + i as u64))
                .collect();
            let states: Vec<&Tensor> = [&h0, &c0].into_iter().take(together.len() - 1).collect();
            let targets: Vec<&Tensor> = [&[&x][..], &states, &parts(&weights)].concat();
            let got = grad(&loss(&together, &upstream).unwrap(), &targets).unwrap();

            let mut total = Tensor::scalar(0.0, DType::F64).unwrap();
            for (b, &length) in lengths.iter().enumerate() {
                let alone = |t: &Tensor, axis: isize| t.narrow(axis, b, 1).unwrap();
                let row = alone(&x, 0).narrow(1, 0, length).unwrap();
                let state = [&alone(&h0, 1), &alone(&c0, 1)];
                let want = kind.run(&row, &weights, state, None).unwrap();
                let mut of_row = vec![alone(&upstream[0], 0).narrow(1, 0, length).unwrap()];
                for (i, (want, got)) in want.iter().zip(&together).enumerate() {
                    let got = alone(got, isize::from(i > 0));
                    if i > 0 {
                        assert_eq!(f64s(&got), f64s(want), "{kind:?} state {i} of {b}");
                        of_row.push(alone(&upstream[i], 1));
                        continue;
                    }
                    let (head, tail) = (
                        got.narrow(1, 0, length),
                        got.narrow(1, length, time - length),
                    );
                    assert_eq!(f64s(&head.unwrap()), f64s(want), "{kind:?} output of {b}");
                    assert!(f64s(&tail.unwrap()).iter().all(|&y| y == 0.0));
                }
                total = total.add(loss(&want, &of_row).unwrap()).unwrap();
            }
            let want = grad(&total, &targets).unwrap();
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                for (got, want) in f64s(got).into_iter().zip(f64s(want)) {
                    assert!(
                        (got - want).abs() < 1e-12,
                        "{kind:?} gradient {i}: {got}, not {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for kind in KINDS {
        // Work for several threads.
        let (batch, time) = (37, 60);
        let lengths: Vec<usize> = (0..batch).map(|b| (b * 7) % (time + 1)).collect();
        let weights = kind.weights();
        let x = numbers(&[batch, time, INPUT], 1).variable();
        let h0 = numbers(&[2 * LAYERS, batch, kind.output()], 2);
        let c0 = numbers(&[2 * LAYERS, batch, HIDDEN], 3);
        let run = |threads: usize, lengths: Option<&[usize]>| {
            with_threads(threads, || {
                let y = kind.run(&x, &weights, [&h0, &c0], lengths).unwrap();
                let targets = [&[&x][..], &parts(&weights)].concat();
                let loss = loss(&y, &y.iter().map(Tensor::detach).collect::<Vec<_>>()).unwrap();
                let grads = grad(&loss, &targets).unwrap();
                y.iter().chain(&grads).map(f64s).collect::<Vec<_>>()
            })
        };
        for lengths in [None, Some(&lengths[..])] {
            let want = run(1, lengths);
            assert!(
                run(2, lengths) == want && run(3, lengths) == want,
                "{kind:?}"
            );
        }
    }
}

/// A bias's gradient is a sum over all steps of all sequences: a single chain in f32 would lose three digits of it.
#[test]
fn gradients_of_biases_keep_their_digits() -> Result<()> {
    let (batch, time) = (64, 512);
    let full = |shape: &[usize], x: f64| Tensor::full(shape, x, DType::F32);
    let bias = full(&[1], 0.1)?.variable();
    let weights = RecurrentWeights {
        w_ih: full(&[1, 1], 0.5)?,
        w_hh: full(&[1, 1], 0.0)?,
        b_ih: Some(bias.clone()),
        b_hh: None,
        w_hr: None,
    };
    let x = full(&[batch, time, 1], 0.3)?;
    let y = x.rnn_tanh(
        &[weights],
        None,
        RecurrentOptions::default(),
        &mut Rng::new(0),
    )?;
    let got = grad(&y.output.sum_all()?, &[&bias])?;
    let want = (batch * time) as f64 * (1.0 - 0.25f64.tanh().powi(2));
    let got = f64::from(got[0].item::<f32>()?);
    assert!((got / want - 1.0).abs() < 1e-6, "{got} for {want}");
    Ok(())
}
