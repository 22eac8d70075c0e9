//! Times training steps of the peers' workloads on the public API: one JSON line each.
//!
//! `steps --workload mlp_train|lstm64_train [--threads N] [--secs S]`
//!
//! The layers, the loss, the optimiser and the order of calls are what a user writes; the sizes are
//! those of the peers (see RESULTS.md). Times are the median and the least of the steps of `secs`
//! seconds after a warm-up.

#![forbid(unsafe_code)]

use azura_benches::{Arguments, random_labels, random_normal, time_steps};
use azura_core::optim::{Adam, Optimizer};
use azura_core::{ConvOptions, DType, Rng, Store, Tensor, no_grad, with_threads};
use azura_learner::layers::{Conv2d, Linear, Lstm, MaxPool2d, Relu, Sequential};
use azura_learner::{Ctx, Module, Result, loss};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match with_threads(arguments.threads, || run(&arguments)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String> {
    match arguments.workload.as_str() {
        "mlp_train" => mlp(arguments),
        "lstm64_train" => lstm(arguments, 64),
        "lstm256_train" => lstm(arguments, 256),
        "cnn_train" => cnn(arguments),
        "conv2d" => conv2d(arguments),
        other => Err(azura_learner::Error::Usage(format!(
            "no workload `{other}`; there are mlp_train, lstm64_train, lstm256_train, cnn_train and conv2d"
        ))),
    }
}

/// 784-256-128-10 with ReLU, a batch of 64, cross-entropy, Adam.
fn mlp(arguments: &Arguments) -> Result<String> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let model = Sequential::new()
        .with(Linear::new(784, 256, &p.at("a"))?)
        .with(Relu)
        .with(Linear::new(256, 128, &p.at("b"))?)
        .with(Relu)
        .with(Linear::new(128, 10, &p.at("c"))?);
    let x = random_normal(&[64, 784], 1)?;
    let y = random_labels(64, 10, 2)?;
    let mut ctx = Ctx::train(Rng::new(0));
    train(arguments, &store, 64, || {
        loss::cross_entropy(&model.forward(&x, &mut ctx)?, &y)?.mean()
    })
}

/// Two layers of LSTM over 60 steps of 8 features and a linear head on the last one, a batch of 32,
/// mean squared error, Adam.
fn lstm(arguments: &Arguments, hidden: usize) -> Result<String> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let lstm = Lstm::new(8, hidden, &p.at("l")).layers(2).build()?;
    let head = Linear::new(hidden, 1, &p.at("o"))?;
    let x = random_normal(&[32, 60, 8], 1)?;
    let y = random_normal(&[32, 1], 2)?;
    let mut ctx = Ctx::train(Rng::new(0));
    train(arguments, &store, 32, || {
        let (output, _) = lstm.forward(&x, None, &mut ctx)?;
        let last = output.select(1, 59)?;
        loss::mse(&head.forward(&last, &mut ctx)?, &y)?.mean()
    })
}

/// Two convolutions of 3 x 3 over images of 28 x 28, a pool of 2 x 2 and two linear layers, a batch of 64, cross-entropy,
/// Adam.
fn cnn(arguments: &Arguments) -> Result<String> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let features = Sequential::new()
        .with(Conv2d::new(1, 32, 3, &p.at("c1")).build()?)
        .with(Relu)
        .with(Conv2d::new(32, 64, 3, &p.at("c2")).build()?)
        .with(Relu)
        .with(MaxPool2d::new(2));
    let head = Sequential::new()
        .with(Linear::new(64 * 12 * 12, 128, &p.at("f1"))?)
        .with(Relu)
        .with(Linear::new(128, 10, &p.at("f2"))?);
    let x = random_normal(&[64, 1, 28, 28], 1)?;
    let y = random_labels(64, 10, 2)?;
    let mut ctx = Ctx::train(Rng::new(0));
    train(arguments, &store, 64, || {
        let features = features.forward(&x, &mut ctx)?.flatten(1, -1)?;
        loss::cross_entropy(&head.forward(&features, &mut ctx)?, &y)?.mean()
    })
}

/// One convolution of 3 x 3 from 32 to 64 channels of 26 x 26, a batch of 64.
fn conv2d(arguments: &Arguments) -> Result<String> {
    let x = random_normal(&[64, 32, 26, 26], 1)?;
    let w = random_normal(&[64, 32, 3, 3], 2)?;
    time_steps(arguments, 64, || {
        let y = no_grad(|| x.conv2d(&w, None, ConvOptions::default()))?;
        Ok(y.dim(0)? as f64)
    })
}

fn train(
    arguments: &Arguments,
    store: &Store,
    samples: usize,
    mut loss: impl FnMut() -> Result<Tensor>,
) -> Result<String> {
    let mut optimizer = Adam::new(store)?;
    time_steps(arguments, samples, || {
        store.zero_grad();
        let loss = loss()?;
        loss.backward()?;
        optimizer.step(1e-3)?;
        Ok(f64::from(loss.item::<f32>()?))
    })
}
