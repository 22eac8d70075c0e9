//! Every parameter of every layer receives a gradient and moves.

use azura_core::{DType, Rng, Store, Tensor};
use azura_learner::layers::{
    AttentionInputs, Bilinear, Ctx, Dropout, Flatten, Glu, Gru, GruCell, Identity, LeakyRelu,
    Linear, Lstm, LstmCell, Module, MultiHeadAttention, Nonlinearity, Pad, PixelShuffle,
    PixelUnshuffle, Prelu, Relu, Residual, Rnn, RnnCell, Sequential, Sigmoid, Softplus, Tanh,
    Transformer, TransformerOptions, Unflatten,
};
use azura_learner::{Result, TrainConfig, loss, optim};

pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.normal() as f32)
        .collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// One step; panics unless every parameter had a gradient that is not all zeros and moved.
pub fn moves(store: &Store, forward: impl Fn(&mut Ctx) -> Tensor) {
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
    for (layers, bidirectional, bias) in [
        (1, false, true),
        (2, false, false),
        (1, true, true),
        (3, true, true),
    ] {
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(0));
        let builder = Lstm::new(2, 4, &p.at("lstm")).layers(layers).dropout(0.1);
        let lstm = builder
            .bidirectional(bidirectional)
            .bias(bias)
            .build()
            .unwrap();
        let directions = 1 + usize::from(bidirectional);
        let each = if bias { 4 } else { 2 };
        assert_eq!(store.params().len(), each * layers * directions);
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

/// A tensor of the record of `torch.nn.LSTM`, with the batch that it lacks as an axis of 1.
fn recorded(name: &str, batch_axis: Option<isize>) -> Tensor {
    let bytes = include_bytes!("../fixtures/lstm_torch.safetensors");
    let file = azura_core::serial::read(bytes, "lstm_torch").unwrap();
    let (_, tensor) = file.tensors.iter().find(|(n, _)| n == name).unwrap();
    batch_axis.map_or(tensor.clone(), |axis| tensor.unsqueeze(axis).unwrap())
}

#[test]
fn lstm_is_pytorchs_by_name_value_and_gradient() {
    let store = Store::new(DType::F64);
    let lstm = Lstm::new(2, 3, &store.root(Rng::new(0)))
        .layers(2)
        .bidirectional(true)
        .build()
        .unwrap();
    let names: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    let state: Vec<(String, Tensor)> = names
        .iter()
        .map(|name| (name.clone(), recorded(&format!("state/{name}"), None)))
        .collect();
    store.load(&state).unwrap();

    let x = recorded("in/0", Some(0)).variable();
    let (h, c) = (
        recorded("in/1", Some(1)).variable(),
        recorded("in/2", Some(1)).variable(),
    );
    let (out, (hn, cn)) = lstm
        .forward(&x, Some(&(h.clone(), c.clone())), &mut Ctx::eval())
        .unwrap();
    let close = |got: &Tensor, expected: &Tensor, what: &str| {
        assert_eq!(got.shape(), expected.shape(), "{what}");
        let (got, expected) = (
            got.to_vec::<f64>().unwrap(),
            expected.to_vec::<f64>().unwrap(),
        );
        for (g, e) in got.iter().zip(&expected) {
            assert!((g - e).abs() <= 1e-12 * e.abs().max(1.0), "{what}: {g} {e}");
        }
    };
    let axes = [Some(0), Some(1), Some(1)];
    let mut loss = Tensor::scalar(0.0, DType::F64).unwrap();
    for (i, got) in [&out, &hn, &cn].into_iter().enumerate() {
        close(got, &recorded(&format!("out/{i}"), axes[i]), "output");
        let weighted = got
            .clone()
            .mul(recorded(&format!("gout/{i}"), axes[i]))
            .unwrap();
        loss = loss.add(weighted.sum_all().unwrap()).unwrap();
    }
    let inputs = azura_core::grad(&loss, &[&x, &h, &c]);
    for (i, got) in inputs.unwrap().iter().enumerate() {
        close(
            got,
            &recorded(&format!("gin/{i}"), axes[i]),
            "input gradient",
        );
    }
    let (out, (hn, cn)) = lstm.forward(&x, Some(&(h, c)), &mut Ctx::eval()).unwrap();
    let mut loss = Tensor::scalar(0.0, DType::F64).unwrap();
    for (i, got) in [&out, &hn, &cn].into_iter().enumerate() {
        let weighted = got
            .clone()
            .mul(recorded(&format!("gout/{i}"), axes[i]))
            .unwrap();
        loss = loss.add(weighted.sum_all().unwrap()).unwrap();
    }
    loss.backward().unwrap();
    for param in store.params() {
        let name = param.name();
        close(
            &param.grad().unwrap(),
            &recorded(&format!("gstate/{name}"), None),
            &name,
        );
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
fn a_layer_with_a_way_around_it() -> Result<()> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let (inner, other) = (
        Linear::new(3, 3, &p.at("f"))?,
        Linear::new(3, 5, &p.at("g"))?,
    );
    let around = Linear::new(3, 5, &p.at("around"))?;
    let x = random(&[4, 3], 0);
    let ctx = &mut Ctx::eval();
    let plus = |a: &Tensor, b: &Tensor| a.clone().add(b).unwrap().to_vec::<f32>().unwrap();
    let want = plus(&inner.forward(&x, ctx)?, &x);
    let y = Residual::new(inner).forward(&x, ctx)?;
    assert_eq!(y.to_vec::<f32>()?, want);
    let want = plus(&other.forward(&x, ctx)?, &around.forward(&x, ctx)?);
    let z = Residual::new(other.clone())
        .projection(around)
        .forward(&x, ctx)?;
    assert_eq!(z.to_vec::<f32>()?, want);
    // Both ways get gradients.
    y.square()?
        .sum_all()?
        .add(z.square()?.sum_all()?)?
        .backward()?;
    assert_eq!(store.untouched(), [""; 0]);
    for param in store.params() {
        let grad = param.grad().unwrap().to_vec::<f32>()?;
        assert!(grad.iter().all(|&g| g != 0.0), "{}", param.name());
    }
    // One column would be broadcast over five.
    let error = Residual::new(other).forward(&random(&[4, 1], 0).expand([4, 3])?, ctx);
    assert_eq!(
        error.unwrap_err().to_string(),
        "[residual] both ways must give the same shape, but got [4, 5] through the layer and [4, 3] around it; a \
         projection changes the latter"
    );
    let narrow = Linear::new(3, 1, &p.at("narrow"))?;
    assert!(Residual::new(narrow).forward(&x, ctx).is_err());
    Ok(())
}

#[test]
fn everything_may_be_dropped() -> Result<()> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let x = random(&[2, 5, 4], 0);
    let train = || Ctx::train(Rng::new(3));
    // The second layer reads zeros at every time, so it does the same for every input.
    let lstm = Lstm::new(4, 3, &p.at("a")).layers(2).dropout(1.0).build()?;
    let (y, _) = lstm.forward(&x, None, &mut train())?;
    let (z, _) = lstm.forward(&random(&[2, 5, 4], 1), None, &mut train())?;
    assert_eq!(y.to_vec::<f32>()?, z.to_vec::<f32>()?);
    let (z, _) = lstm.forward(&x, None, &mut Ctx::eval())?;
    assert_ne!(y.to_vec::<f32>()?, z.to_vec::<f32>()?);
    let gru = Gru::new(4, 3, &p.at("b")).layers(2).dropout(1.0).build()?;
    let (y, _) = gru.forward(&x, None, &mut train())?;
    assert!(y.to_vec::<f32>()?.iter().all(|y| y.is_finite()));
    // No weight is left: what comes out is the bias of the last product, which begins with 0.
    let attention = MultiHeadAttention::new(4, 2, &p.at("c"))
        .dropout(1.0)
        .build()?;
    for need_weights in [false, true] {
        let inputs = AttentionInputs {
            need_weights,
            ..Default::default()
        };
        let (y, _) = attention.forward(&x, &x, &x, inputs, &mut train())?;
        assert_eq!(y.to_vec::<f32>()?, [0.0; 40]);
    }
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(Rnn::new(4, 3, &p.at("d")).dropout(bad).build().is_err());
        let attention = MultiHeadAttention::new(4, 2, &p.at("e")).dropout(bad);
        assert!(attention.build().is_err());
    }
    Ok(())
}

#[test]
fn widths_beyond_memory_are_errors() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let options = TransformerOptions {
        dim_feedforward: usize::MAX,
        ..Default::default()
    };
    assert!(Transformer::new(4, 2, [1, 0], &options, &p.at("a")).is_err());
    for width in [usize::MAX / 2 + 1, usize::MAX / 4 * 3 + 1] {
        assert!(
            MultiHeadAttention::new(width, 1, &p.at("b"))
                .build()
                .is_err()
        );
        let attention = MultiHeadAttention::new(4, 1, &p.at("c").at(width)).kdim(width);
        assert!(attention.build().is_err());
    }
}

#[test]
fn wrong_sizes_are_errors() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    assert!(Dropout::new(1.5).is_err() && Dropout::new(f64::NAN).is_err());
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

#[test]
fn learned_slopes_and_gates() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let model = Sequential::new()
        .with(Linear::new(3, 8, &p.at(0)).unwrap())
        .with(Prelu::new(1, &p.at(1)).unwrap())
        .with(Glu::default())
        .with(Linear::new(4, 4, &p.at(3)).unwrap())
        .with(Prelu::new(4, &p.at(4)).unwrap())
        .with(LeakyRelu::default())
        .with(Softplus::default());
    let params = store.params();
    let slopes = params.iter().find(|p| p.name() == "4.weight").unwrap();
    assert_eq!(slopes.value().to_vec::<f32>().unwrap(), [0.25; 4]);
    let x = random(&[16, 3], 7);
    moves(&store, |ctx| model.forward(&x, ctx).unwrap());
}

#[test]
fn bilinear_between_layers_of_shape() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let form = Bilinear::new(16, 3, 4, &p.at("form")).unwrap();
    let plain = Bilinear::without_bias(4, 4, 2, &p.at("plain")).unwrap();
    let names: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    assert_eq!(names, ["form.weight", "form.bias", "plain.weight"]);
    let front = Sequential::new()
        .with(Pad::<2>::reflection(&[1]).unwrap())
        .with(PixelUnshuffle { factor: 2 })
        .with(PixelShuffle { factor: 2 })
        .with(Flatten::default())
        .with(Unflatten {
            dim: 1,
            sizes: vec![-1, 16],
        })
        .with(Flatten { from: 0, to: 1 })
        .with(Identity);
    let images = random(&[2, 1, 2, 2], 5);
    moves(&store, |ctx| {
        let x = front.forward(&images, ctx).unwrap();
        let y = form.forward(&x, &random(&[2, 3], 6)).unwrap();
        plain.forward(&y, &y).unwrap()
    });
}

#[test]
fn a_pad_has_one_margin_or_two_for_each_axis() {
    assert_eq!(
        Pad::<2>::zero(&[1, 2]).unwrap_err().to_string(),
        "[pad] there must be one margin or 4, but got [1, 2]"
    );
}

#[test]
fn recurrent_layers_with_lengths_move_everything() {
    let lengths = [5, 2, 0];
    let x = random(&[3, 5, 2], 1);
    let store = Store::new(DType::F32);
    let gru = Gru::new(2, 4, &store.root(Rng::new(0)).at("gru"))
        .layers(2)
        .bidirectional(true)
        .build()
        .unwrap();
    assert_eq!(store.params()[2].name(), "gru.bias_ih_l0");
    assert_eq!(store.params()[2].shape(), [12]);
    moves(&store, |ctx| {
        let (y, h) = gru.forward_lengths(&x, &lengths, None, ctx).unwrap();
        assert_eq!((y.shape(), h.shape()), (&[3, 5, 8][..], &[4, 3, 4][..]));
        y
    });
    for nonlinearity in [Nonlinearity::Tanh, Nonlinearity::Relu] {
        let store = Store::new(DType::F32);
        let rnn = Rnn::new(2, 4, &store.root(Rng::new(0)).at("rnn"))
            .nonlinearity(nonlinearity)
            .build()
            .unwrap();
        moves(&store, |ctx| {
            rnn.forward_lengths(&x, &lengths, None, ctx).unwrap().0
        });
    }
    let store = Store::new(DType::F32);
    let lstm = Lstm::new(2, 4, &store.root(Rng::new(0)).at("lstm")).projection(3);
    let lstm = lstm.build().unwrap();
    assert_eq!(store.params()[4].name(), "lstm.weight_hr_l0");
    moves(&store, |ctx| {
        let (y, (h, c)) = lstm.forward_lengths(&x, &lengths, None, ctx).unwrap();
        assert_eq!((h.shape(), c.shape()), (&[1, 3, 3][..], &[1, 3, 4][..]));
        y
    });
    let p = store.root(Rng::new(0));
    assert!(Lstm::new(2, 4, &p.at("b")).projection(4).build().is_err());
}

#[test]
fn cells_are_one_step_of_their_layers() {
    let x = random(&[3, 2], 1);
    let store = Store::new(DType::F32);
    let cell = GruCell::new(2, 4, true, &store.root(Rng::new(0)).at("cell")).unwrap();
    assert_eq!(store.params()[0].name(), "cell.weight_ih");
    let h = random(&[3, 4], 2);
    moves(&store, |_| cell.forward(&x, Some(&h)).unwrap());
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let cell = RnnCell::new(2, 4, true, Nonlinearity::Tanh, &p).unwrap();
    moves(&store, |_| cell.forward(&x, Some(&h)).unwrap());
    let store = Store::new(DType::F32);
    let cell = LstmCell::new(2, 4, true, &store.root(Rng::new(0))).unwrap();
    let state = (h, random(&[3, 4], 3));
    moves(&store, |_| cell.forward(&x, Some(&state)).unwrap().0);
    // Without a batch.
    let (h, c) = cell.forward(&random(&[2], 4), None).unwrap();
    assert_eq!((h.shape(), c.shape()), (&[4][..], &[4][..]));
}
