//! Steps of the trainer against loops by hand with the engine's API: accumulated gradients, averages of the weights, rates
//! by name.

use std::ops::Range;
use std::sync::Arc;

use azura_core::optim::{Adam, Average, Optimizer};
use azura_core::{DType, Rng, Store, Tensor, serial};
use azura_learner::layers::{BatchNorm1d, Ctx, Linear, Module, Sequential, Tanh};
use azura_learner::train::{
    AverageKind, LrFactor, OptimizerKind, evaluate, recompute_statistics, rehearse,
};
use azura_learner::{
    Batch, Dataset, Error, Fit, Loss, Model, Result, TensorDataset, TrainConfig, Trainer, optim,
};

use crate::Folder;

/// Squared error, times a weight of each target.
pub struct Weighted(pub Sequential);

impl Model for Weighted {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        self.0.forward(&batch.tensors[0], ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let [_, weight, target] = &batch.tensors[..] else {
            return Err(Error::Usage("three tensors".to_string()));
        };
        let errors = output.clone().sub(target)?.square()?;
        Ok(Loss {
            sum: errors.mul(weight)?.sum_all()?,
            weight: weight.sum_all()?.item::<f64>()?,
        })
    }
}

/// 22 rows of weights 0, 1 and 2; the rows `without` have none.
pub fn data(without: Range<usize>) -> TensorDataset {
    let mut rng = Rng::new(5);
    let x: Vec<f64> = (0..44).map(|_| rng.normal()).collect();
    let y = x.chunks(2).map(|x| x[0] - 0.5 * x[1]).collect();
    let weight = |row: usize| if without.contains(&row) { 0 } else { row % 3 };
    let weights: Vec<f64> = (0..22).map(|row| weight(row) as f64).collect();
    let column = |values: Vec<f64>| Tensor::from_vec(values, [22, 1]).unwrap();
    let (weights, y) = (column(weights), column(y));
    TensorDataset::new([Tensor::from_vec(x, [22, 2]).unwrap(), weights, y]).unwrap()
}

/// A model in f64, so that only mistakes differ, with running statistics if asked for.
fn model(norm: bool) -> (Store, Weighted) {
    let store = Store::new(DType::F64);
    let p = store.root(Rng::new(1));
    let mut network = Sequential::new();
    if norm {
        // At the beginning: behind a bias it would cancel it, and Adam would follow the rounding of its gradient.
        network = network.with(BatchNorm1d::new(2, &p.at("norm")).unwrap());
    }
    let network = network
        .with(Linear::new(2, 4, &p.at("first")).unwrap())
        .with(Tanh)
        .with(Linear::new(4, 1, &p.at("last")).unwrap());
    (store, Weighted(network))
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch: 4,
        lr: 0.05,
        shuffle: false,
        clip: 0.0,
        ..TrainConfig::default()
    }
}

fn trained(config: TrainConfig, norm: bool) -> (Store, azura_learner::Outcome) {
    let (store, model) = model(norm);
    // Without validation rows the training loss decides the best epoch: here the last one.
    let mut fit = Fit::new(store.clone(), model, data(4..8), config);
    let outcome = Trainer::new().run(&mut fit).unwrap();
    assert_eq!(outcome.best.as_ref().unwrap().epoch, outcome.epochs);
    (store, outcome)
}

fn values(state: &[(String, Tensor)]) -> Vec<(String, Vec<f64>)> {
    let floats = |t: &Tensor| t.cast(DType::F64).unwrap().to_vec().unwrap();
    state.iter().map(|(n, t)| (n.clone(), floats(t))).collect()
}

#[track_caller]
fn close(got: &[(String, Tensor)], want: &[(String, Tensor)], within: f64) {
    for ((name, got), (other, want)) in values(got).iter().zip(values(want)) {
        assert_eq!(*name, other);
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= within, "{name}: {got} for {want}");
        }
    }
    assert_eq!(got.len(), want.len());
}

/// The batches of an epoch, in order.
fn batches() -> Vec<Batch> {
    let rows: Vec<usize> = (0..22).collect();
    rows.chunks(4)
        .map(|r| data(4..8).batch(r).unwrap())
        .collect()
}

#[test]
fn accumulated_gradients_are_those_of_all_targets_together() {
    for accumulate in [1, 2, 4, 100] {
        let (store, by_hand) = model(true);
        let mut adam = Adam::adamw(&store).unwrap();
        adam.weight_decay = config().weight_decay;
        for _ in 0..3 {
            for group in batches().chunks(accumulate) {
                let mut ctx = Ctx::train(Rng::new(0));
                let mut weight = 0.0;
                for batch in group {
                    let mut pass = ctx.clone();
                    let output = by_hand.forward(batch, &mut pass).unwrap();
                    let loss = by_hand.loss(&output, batch).unwrap();
                    if loss.weight == 0.0 {
                        pass.discard_statistics();
                        continue;
                    }
                    loss.sum.backward().unwrap();
                    weight += loss.weight;
                }
                ctx.update_statistics().unwrap();
                if weight > 0.0 {
                    store.scale_grad(1.0 / weight).unwrap();
                    adam.step(0.05).unwrap();
                    store.zero_grad();
                }
            }
        }
        let (other, outcome) = trained(
            TrainConfig {
                accumulate,
                ..config()
            },
            true,
        );
        assert_eq!(outcome.steps as usize, 3 * 6usize.div_ceil(accumulate));
        close(&other.state().unwrap(), &store.state().unwrap(), 1e-12);
    }
    // As one large batch, where no layer looks at the batch as a whole.
    let two = TrainConfig {
        accumulate: 2,
        clip: 0.1,
        ..config()
    };
    let eight = TrainConfig {
        batch: 8,
        clip: 0.1,
        ..config()
    };
    let (two, eight) = (trained(two, false), trained(eight, false));
    close(&two.0.state().unwrap(), &eight.0.state().unwrap(), 1e-12);
    for (a, b) in two.1.history.iter().zip(&eight.1.history) {
        assert_eq!((a.step, a.lr), (b.step, b.lr));
        assert!((a.metrics["train.loss"] - b.metrics["train.loss"]).abs() < 1e-12);
    }
}

/// What a loop by hand ends with, and the average that it kept.
fn by_hand(kind: AverageKind, start: usize) -> (Store, Weighted, Average) {
    let (store, by_hand) = model(true);
    let mut adam = Adam::adamw(&store).unwrap();
    adam.weight_decay = config().weight_decay;
    let mut average = match kind {
        AverageKind::Ema => Average::ema(&store, 0.7).unwrap(),
        _ => Average::swa(&store).unwrap(),
    };
    for epoch in 0..3 {
        for batch in batches() {
            let mut ctx = Ctx::train(Rng::new(0));
            let output = by_hand.forward(&batch, &mut ctx).unwrap();
            let loss = by_hand.loss(&output, &batch).unwrap();
            if loss.weight == 0.0 {
                ctx.discard_statistics();
                continue;
            }
            loss.mean().unwrap().backward().unwrap();
            adam.step(0.05).unwrap();
            store.zero_grad();
            if kind == AverageKind::Ema && epoch >= start {
                average.update().unwrap();
            }
        }
        if kind == AverageKind::Swa && epoch >= start {
            average.update().unwrap();
        }
    }
    (store, by_hand, average)
}

#[test]
fn averages_are_what_is_scored_and_kept() {
    for (kind, start) in [
        (AverageKind::Ema, 0),
        (AverageKind::Ema, 1),
        (AverageKind::Swa, 0),
        (AverageKind::Swa, 1),
    ] {
        let (store, by_hand, average) = by_hand(kind, start);
        let own = store.state().unwrap();
        let mut want = average.values().unwrap();
        let buffers = store.buffers();
        want.extend(buffers.iter().map(|b| (b.name(), b.value())));
        store.load(&want).unwrap();
        if kind == AverageKind::Swa {
            recompute_statistics(&by_hand, Arc::new(data(4..8)), 4, &Rng::new(0)).unwrap();
        }
        let want = store.state().unwrap();
        let loss = evaluate(&by_hand, Arc::new(data(4..8)), 4).unwrap().loss;

        let config = TrainConfig {
            average: kind,
            average_decay: 0.7,
            average_start: start as u64,
            // The last epoch is the best, whatever it is.
            monitor: "train.loss".to_string(),
            ..config()
        };
        let folder = Folder::new("average");
        let (other, model) = model(true);
        let mut fit = Fit::new(other.clone(), model, data(4..8), config).validate(data(4..8));
        let trainer = Trainer::new().checkpoints(&*folder);
        let outcome = trainer.run(&mut fit).unwrap();
        assert_eq!(outcome.best.unwrap().epoch, 3);
        close(&other.state().unwrap(), &want, 1e-12);
        let scored = outcome.history[2].metrics["val.loss"];
        assert!((scored - loss).abs() < 1e-12, "{scored} for {loss}");
        // The checkpoint has the weights of training and their average.
        let saved = serial::load(folder.join("last.safetensors")).unwrap();
        let part = |prefix: &str| -> Vec<(String, Tensor)> {
            let named = saved.tensors.iter();
            named
                .filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_string(), t.clone())))
                .collect()
        };
        let sorted = |mut state: Vec<(String, Tensor)>| {
            state.sort_by(|a, b| a.0.cmp(&b.0));
            state
        };
        close(&sorted(part("value/")), &sorted(own), 1e-12);
        close(
            &sorted(part("averaged/average/")),
            &sorted(average.values().unwrap()),
            1e-12,
        );
    }
}

/// One layer whose batches have known means and variances.
#[test]
fn statistics_are_taken_anew_as_if_there_had_been_none() {
    let store = Store::new(DType::F64);
    let p = store.root(Rng::new(0));
    let norm = BatchNorm1d::new(1, &p.at("norm")).unwrap();
    let running = norm.running().unwrap().clone();
    let model = Weighted(Sequential::new().with(norm));
    let x = Tensor::from_slice(&[1.0f64, 3.0, 5.0, 9.0, 4.0, 6.0], [6, 1]).unwrap();
    let data = TensorDataset::new([x.clone(), x.clone(), x]).unwrap();
    for _ in 0..2 {
        recompute_statistics(&model, Arc::new(data.clone()), 2, &Rng::new(0)).unwrap();
        // Means 2, 7, 5 and unbiased variances 2, 8, 2.
        let [mean, var] = [running.mean(), running.var()].map(|t| t.to_vec::<f64>().unwrap()[0]);
        assert!((mean - 14.0 / 3.0).abs() < 1e-12 && (var - 4.0).abs() < 1e-12);
        assert_eq!(running.batches().unwrap(), 3);
        assert!(evaluate(&model, Arc::new(data.clone()), 2).is_ok());
        // Something that must not count.
        let mut ctx = Ctx::train(Rng::new(0));
        let far = Tensor::from_slice(&[100.0f64, 300.0], [2, 1]).unwrap();
        model.0.forward(&far, &mut ctx).unwrap();
    }
}

#[test]
fn rates_go_by_name_beside_decay_and_freezing() {
    let (store, model) = model(false);
    let factor = |pattern: &str, factor: f64| LrFactor {
        pattern: pattern.to_string(),
        factor,
    };
    let config = TrainConfig {
        optimizer: OptimizerKind::Sgd,
        momentum: 0.0,
        weight_decay: 0.5,
        freeze: vec!["last.bias".to_string()],
        no_decay: vec!["*.bias".to_string()],
        lr_factors: vec![factor("first.*", 2.0), factor("*", 0.25)],
        ..config()
    };
    let mut optimizer = optim::optimizer(&config, &store).unwrap();
    let before = values(&store.state().unwrap());
    let batch = &batches()[0];
    let output = model.forward(batch, &mut Ctx::eval()).unwrap();
    let loss = model.loss(&output, batch).unwrap();
    loss.mean().unwrap().backward().unwrap();
    let grads: Vec<_> = store.params().iter().map(|p| p.grad()).collect();
    optimizer.step(0.1).unwrap();
    let after = values(&store.state().unwrap());
    for (k, (name, x)) in before.iter().enumerate() {
        let (factor, decay) = match name.as_str() {
            "first.weight" => (2.0, 0.5),
            "first.bias" => (2.0, 0.0),
            "last.weight" => (0.25, 0.5),
            _ => (0.0, 0.0),
        };
        let grad = grads[k].as_ref().map(|g| g.to_vec::<f64>().unwrap());
        for i in 0..x.len() {
            let g = grad.as_ref().map_or(0.0, |g| g[i]);
            let want = x[i] - 0.1 * factor * (g + decay * x[i]);
            assert!((after[k].1[i] - want).abs() < 1e-14, "{name}");
        }
    }
    let unfit = TrainConfig {
        lr_factors: vec![factor("encoder.*", 2.0)],
        ..config
    };
    let error = optim::optimizer(&unfit, &store).err().unwrap();
    assert!(error.to_string().contains("`encoder.*`"), "{error}");
}

/// 0 is a value, and not the absence of one.
#[test]
fn options_of_0_are_0() {
    let step = |beta1: Option<f64>| {
        let (store, model) = model(false);
        let mut config = TrainConfig {
            weight_decay: 0.0,
            ..config()
        };
        config.options.beta1 = beta1;
        let mut optimizer = optim::optimizer(&config, &store).unwrap();
        for batch in &batches()[2..4] {
            let output = model.forward(batch, &mut Ctx::eval()).unwrap();
            let loss = model.loss(&output, batch).unwrap();
            loss.mean().unwrap().backward().unwrap();
            optimizer.step(0.1).unwrap();
            store.zero_grad();
        }
        values(&store.state().unwrap())
    };
    assert_eq!(step(None), step(Some(0.9)));
    assert_ne!(step(None), step(Some(0.0)));
}

#[test]
fn a_rehearsal_leaves_statistics_as_they_are_and_counts_the_average() {
    let (store, model) = model(true);
    let config = TrainConfig {
        average: AverageKind::Ema,
        ..config()
    };
    let fit = Fit::new(store.clone(), model, data(4..8), config).validate(data(4..8));
    let before = values(&store.state().unwrap());
    let needs = rehearse(&fit).unwrap();
    assert_eq!(needs.moments, 3 * needs.weights);
    assert_eq!(values(&store.state().unwrap()), before);
}
