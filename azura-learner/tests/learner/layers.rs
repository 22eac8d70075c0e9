//! Every parameter of every layer receives a gradient and moves.

use azura_core::{DType, Rng, Store, Tensor};
use azura_learner::layers::{Ctx, Dropout, Linear, Lstm, Module, Relu, Sequential, Sigmoid, Tanh};
use azura_learner::{TrainConfig, loss, optim};

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.normal() as f32)
        .collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// One step; panics unless every parameter had a gradient that is not all zeros and moved.
fn moves(store: &Store, forward: impl Fn(&mut Ctx) -> Tensor) {
    let before = store.state().unwrap();
    let mut optimizer = optim::optimizer(&TrainConfig::default(), store).unwrap();
    let output = forward(&mut Ctx::train(Rng::new(3)));
    let target = Tensor::full(output.shape(), 3.0, DType::F32).unwrap();
    loss::mse(&output, &target)
        .unwrap()
        .mean()
        .unwrap()
        .backward()
        .unwrap();
    assert_eq!(store.untouched(), [""; 0]);
    for param in store.params() {
        let gradient = param.grad().unwrap().to_vec::<f32>().unwrap();
        assert!(gradient.iter().any(|&g| g != 0.0), "{}", param.name());
    }
    optimizer.step(0.01).unwrap();
    for ((name, before), (_, after)) in before.iter().zip(&store.state().unwrap()) {
        assert_ne!(
            before.to_vec::<f32>().unwrap(),
            after.to_vec::<f32>().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn linear_and_activations() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let model = Sequential::new()
        .with(Linear::new(3, 6, &p.at(0)).unwrap())
        .with(Tanh)
        .with(Linear::without_bias(6, 6, &p.at(2)).unwrap())
        .with(Sigmoid)
        .with(Dropout::new(0.3).unwrap())
        .with(Linear::new(6, 6, &p.at(5)).unwrap())
        .with(Relu)
        .with(Linear::new(6, 2, &p.at(7)).unwrap());
    let names: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    assert_eq!(
        names,
        [
            "0.weight", "0.bias", "2.weight", "5.weight", "5.bias", "7.weight", "7.bias"
        ]
    );
    moves(&store, |ctx| {
        model.forward(&random(&[5, 3], 1), ctx).unwrap()
    });
}

#[test]
fn lstm_of_every_kind() {
    for (layers, bidirectional) in [(1, false), (2, false), (1, true), (3, true)] {
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(0));
        let builder = Lstm::new(2, 4, &p.at("lstm")).layers(layers).dropout(0.1);
        let lstm = builder.bidirectional(bidirectional).build().unwrap();
        let directions = 1 + usize::from(bidirectional);
        assert_eq!(store.params().len(), 4 * layers * directions);
        if bidirectional {
            assert_eq!(store.params()[4].name(), "lstm.weight_ih_l0_reverse");
        }
        let x = random(&[3, 5, 2], 1);
        moves(&store, |ctx| {
            let (output, (h, c)) = lstm.forward(&x, None, ctx).unwrap();
            assert_eq!(output.shape(), [3, 5, lstm.output_size()]);
            assert_eq!(h.shape(), [layers * directions, 3, 4]);
            assert_eq!(c.shape(), h.shape());
            output
        });
    }
}

#[test]
fn a_state_that_is_handed_on_continues_the_sequence() {
    let store = Store::new(DType::F32);
    let lstm = Lstm::new(2, 4, &store.root(Rng::new(0)))
        .layers(2)
        .build()
        .unwrap();
    let x = random(&[3, 6, 2], 1);
    let mut ctx = Ctx::eval();
    let (whole, (h, _)) = lstm.forward(&x, None, &mut ctx).unwrap();
    let (_, state) = lstm
        .forward(&x.narrow(1, 0, 2).unwrap(), None, &mut ctx)
        .unwrap();
    let (rest, (h2, _)) = lstm
        .forward(&x.narrow(1, 2, 4).unwrap(), Some(&state), &mut ctx)
        .unwrap();
    let close = |a: &Tensor, b: &Tensor| {
        let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
        a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    assert!(close(&whole.narrow(1, 2, 4).unwrap(), &rest));
    assert!(close(&h, &h2));
}

#[test]
fn initial_values_are_within_pytorchs_bounds() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    Linear::new(16, 64, &p.at("linear")).unwrap();
    Lstm::new(16, 25, &p.at("lstm")).build().unwrap();
    for (name, tensor) in store.state().unwrap() {
        let bound = if name.starts_with("linear") {
            0.25
        } else {
            0.2
        };
        let values = tensor.to_vec::<f32>().unwrap();
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(
            largest <= bound && largest > 0.8 * bound,
            "{name}: {largest}"
        );
    }
}

#[test]
fn wrong_sizes_are_errors() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    assert!(Dropout::new(1.0).is_err() && Dropout::new(f64::NAN).is_err());
    assert!(Lstm::new(2, 0, &p.at("a")).build().is_err());
    assert!(Lstm::new(2, 4, &p.at("b")).layers(0).build().is_err());
    assert!(Lstm::new(2, 4, &p.at("c")).dropout(-0.1).build().is_err());
    Linear::new(2, 3, &p.at("d")).unwrap();
    let error = Linear::new(2, 3, &p.at("d")).unwrap_err().to_string();
    assert!(error.contains("d.weight"), "{error}");
    let layer = Linear::new(2, 3, &p.at("e")).unwrap();
    let error = layer
        .forward(&random(&[4, 5], 0), &mut Ctx::eval())
        .unwrap_err()
        .to_string();
    assert!(error.contains('5') && error.contains('2'), "{error}");
}
