//! The loop: it learns, stops, tells and refuses.

use std::sync::{Arc, Mutex};

use azura_core::{DType, Init, Param, Rng, Store, Tensor};
use azura_learner::layers::{Linear, Module, Sequential, Tanh};
use azura_learner::train::{Every, On, ScheduleKind, Span, Stop, rehearse};
use azura_learner::{
    Batch, Class, Ctx, Error, Event, Fit, Loss, Model, Result, StopFlag, Supervised, TensorDataset,
    TrainConfig, Trainer, loss,
};

use crate::Folder;

/// `y = 2a - 3b + 0.5` with 64 points.
pub fn plane() -> TensorDataset {
    let mut rng = Rng::new(5);
    let x: Vec<f32> = (0..128).map(|_| rng.uniform() as f32).collect();
    let y: Vec<f32> = x.chunks(2).map(|p| 2.0 * p[0] - 3.0 * p[1] + 0.5).collect();
    let tensors = [
        Tensor::from_vec(x, [64, 2]).unwrap(),
        Tensor::from_vec(y, [64, 1]).unwrap(),
    ];
    TensorDataset::new(tensors).unwrap()
}

fn config(epochs: u64) -> TrainConfig {
    TrainConfig {
        epochs,
        batch: 16,
        lr: 0.05,
        weight_decay: 0.0,
        ..TrainConfig::default()
    }
}

fn fit(config: TrainConfig) -> (Store, Fit) {
    let store = Store::new(DType::F32);
    let layer = Linear::new(2, 1, &store.root(Rng::new(1))).unwrap();
    let model = Supervised::new(layer, loss::mse);
    (
        store.clone(),
        Fit::new(store, model, plane(), config).validate(plane()),
    )
}

#[test]
fn it_learns_a_linear_map() {
    let (store, mut fit) = fit(TrainConfig {
        patience: 0,
        ..config(150)
    });
    let outcome = Trainer::new().run(&mut fit).unwrap();
    assert_eq!(
        (outcome.stop, outcome.epochs, outcome.steps),
        (Stop::Epochs, 150, 600)
    );
    let state = store.state().unwrap();
    let weight = state[0].1.to_vec::<f32>().unwrap();
    let bias = state[1].1.to_vec::<f32>().unwrap();
    for (got, expected) in [(weight[0], 2.0), (weight[1], -3.0), (bias[0], 0.5)] {
        assert!((got - expected).abs() < 0.01, "{weight:?} {bias:?}");
    }
    // The store holds the best epoch, whose value is what it says.
    let best = outcome.best.unwrap();
    assert_eq!(best.key, "val.loss");
    let row = &outcome.history[best.epoch as usize - 1];
    assert!(row.best && row.metrics["val.loss"] == best.value);
    assert!(
        outcome
            .history
            .iter()
            .all(|row| row.metrics["val.loss"] >= best.value)
    );
}

#[test]
fn the_loss_that_stands_for_a_missing_score_is_better_lower() {
    let store = Store::new(DType::F32);
    let layer = Linear::new(2, 1, &store.root(Rng::new(1))).unwrap();
    let config = TrainConfig {
        monitor: "val.accuracy".to_string(),
        patience: 2,
        ..config(20)
    };
    let mut fit = Fit::new(store, Supervised::new(layer, loss::mse), plane(), config);
    let outcome = Trainer::new().run(&mut fit).unwrap();
    let best = outcome.best.unwrap();
    let lowest = outcome
        .history
        .iter()
        .map(|row| row.metrics["train.loss"])
        .fold(f64::INFINITY, f64::min);
    assert_eq!((best.key.as_str(), best.value), ("train.loss", lowest));
    assert!(outcome.epochs > 5 && best.epoch > 1);
}

#[test]
fn every_optimiser_and_schedule_learns() {
    use azura_learner::train::OptimizerKind::{Adam, Adamw, Sgd};
    for (optimizer, lr) in [(Adam, 0.05), (Adamw, 0.05), (Sgd, 0.05)] {
        for kind in [
            ScheduleKind::Constant,
            ScheduleKind::Cosine,
            ScheduleKind::Plateau,
        ] {
            let mut config = TrainConfig {
                optimizer,
                lr,
                nesterov: optimizer == Sgd,
                ..config(60)
            };
            config.schedule.kind = kind;
            config.schedule.warmup = 0.1;
            let (_, mut fit) = fit(config);
            let outcome = Trainer::new().run(&mut fit).unwrap();
            let value = outcome.best.unwrap().value;
            assert!(value < 0.05, "{optimizer:?} {kind:?}: {value}");
        }
    }
}

#[test]
fn events_come_in_order_and_count_right() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let observer = On(move |event: &Event<'_>| {
        let text = match event {
            Event::Started {
                total_steps,
                steps_per_epoch,
                ..
            } => {
                format!("started {steps_per_epoch} {total_steps}")
            }
            Event::Step {
                epoch,
                batch,
                step,
                rows,
                ..
            } => format!("step {epoch} {batch} {step} {rows}"),
            Event::Epoch(row) => format!("epoch {}", row.epoch),
            Event::Finished(outcome) => format!("finished {}", outcome.stop.name()),
            other => format!("{other:?}"),
        };
        sink.lock().unwrap().push(text);
    });
    let (_, mut fit) = fit(TrainConfig {
        batch: 40,
        ..config(2)
    });
    Trainer::new().observer(observer).run(&mut fit).unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "started 2 4",
            "step 1 1 1 40",
            "step 1 2 2 24",
            "epoch 1",
            "step 2 1 3 40",
            "step 2 2 4 24",
            "epoch 2",
            "finished epochs"
        ]
    );
}

#[test]
fn budgets_end_training_and_score_where_they_end() {
    let (_, mut fit_steps) = fit(TrainConfig {
        max_steps: 6,
        ..config(50)
    });
    let outcome = Trainer::new().run(&mut fit_steps).unwrap();
    assert_eq!(
        (outcome.stop, outcome.epochs, outcome.steps),
        (Stop::MaxSteps, 2, 6)
    );
    assert_eq!(
        outcome
            .history
            .iter()
            .map(|r| (r.epoch, r.step))
            .collect::<Vec<_>>(),
        [(1, 4), (2, 6)]
    );

    let (_, mut fit_time) = fit(TrainConfig {
        time_limit: Span::from_millis(1),
        ..config(1_000_000)
    });
    let outcome = Trainer::new().run(&mut fit_time).unwrap();
    assert_eq!(outcome.stop, Stop::TimeLimit);
}

#[test]
fn models_of_f64_are_trained_and_validated() {
    let store = Store::new(DType::F64);
    let layer = Linear::new(1, 1, &store.root(Rng::new(1))).unwrap();
    let x = Tensor::ones([8, 1], DType::F64).unwrap();
    let data = TensorDataset::new([x.clone(), x]).unwrap();
    let model = Supervised::new(layer, loss::mse);
    let mut fit = Fit::new(store, model, data.clone(), config(2)).validate(data);
    assert_eq!(Trainer::new().run(&mut fit).unwrap().steps, 2);
}

#[test]
fn a_stop_flag_interrupts() {
    let stop = StopFlag::new();
    let raise = stop.clone();
    let observer = On(move |event: &Event<'_>| {
        if matches!(event, Event::Step { step: 3, .. }) {
            raise.raise();
        }
    });
    let (_, mut fit) = fit(config(50));
    let outcome = Trainer::new()
        .observer(observer)
        .stop(stop)
        .run(&mut fit)
        .unwrap();
    assert_eq!(
        (outcome.stop, outcome.steps, outcome.finished()),
        (Stop::Interrupted, 3, false)
    );
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    // The rate is so high that the loss soon gets worse.
    let (store, mut fit) = fit(TrainConfig {
        patience: 4,
        lr: 0.7,
        clip: 0.0,
        ..config(500)
    });
    let outcome = Trainer::new().run(&mut fit).unwrap();
    assert_eq!(outcome.stop, Stop::EarlyStop);
    let best = outcome.best.unwrap();
    assert_eq!(outcome.epochs, best.epoch + 4);
    let x = azura_learner::Dataset::batch(&plane(), &(0..64).collect::<Vec<_>>()).unwrap();
    let model = azura_learner::Training::model(&fit);
    let output = model.forward(&x, &mut Ctx::eval()).unwrap();
    let now = model
        .loss(&output, &x)
        .unwrap()
        .mean()
        .unwrap()
        .item::<f32>()
        .unwrap();
    assert!((f64::from(now) - best.value).abs() < 1e-5 * best.value.abs() + 1e-7);
    assert_eq!(store.params().len(), 2);
}

/// A model whose second parameter is in the store but not in the loss.
struct Forgetful(Param, #[allow(dead_code)] Param);

impl Model for Forgetful {
    fn forward(&self, batch: &Batch, _: &mut Ctx) -> Result<Tensor> {
        Ok(batch.tensors[0].linear(&self.0.value(), None)?)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        loss::mse(output, &batch.tensors[1])
    }
}

#[test]
fn a_parameter_that_the_loss_does_not_reach_is_named() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(1));
    let used = p.param("used", &[1, 2], Init::Zeros).unwrap();
    let forgotten = p.at("head").param("weight", &[3], Init::Zeros).unwrap();
    let model = Forgetful(used, forgotten.clone());
    let mut fit = Fit::new(store, model, plane(), config(1));
    match Trainer::new().run(&mut fit) {
        Err(Error::NoGradient(names)) => assert_eq!(names, ["head.weight"]),
        other => panic!("{other:?}"),
    }
    // Frozen on purpose it is no mistake.
    forgotten.set_frozen(true);
    Trainer::new().run(&mut fit).unwrap();
}

#[test]
fn a_parameter_of_another_store_is_named() {
    let (store, other) = (Store::new(DType::F32), Store::new(DType::F32));
    let first = Linear::new(2, 3, &store.root(Rng::new(1)).at("first")).unwrap();
    let last = Linear::new(3, 1, &other.root(Rng::new(2)).at("last")).unwrap();
    let network = Sequential::new().with(first).with(last);
    let model = Supervised::new(network, loss::mse);
    let mut fit = Fit::new(store, model, plane(), config(1));
    let error = Trainer::new().run(&mut fit).unwrap_err().to_string();
    assert_eq!(
        error,
        "the loss depends on parameters of another store, which no step would change: last.bias, last.weight; register \
         all layers in the store that is trained, or freeze those (`Param::set_frozen`)"
    );
    assert_eq!(rehearse(&fit).unwrap_err().to_string(), error);
    // A frozen network is part of many a model.
    for param in other.params() {
        param.set_frozen(true);
    }
    Trainer::new().run(&mut fit).unwrap();
}

/// Multiplies the loss of one row with a number that is not finite.
struct Poisoned {
    weight: Param,
    bias: Param,
    factor: f64,
}

impl Model for Poisoned {
    fn forward(&self, batch: &Batch, _: &mut Ctx) -> Result<Tensor> {
        Ok(batch.tensors[0].linear(&self.weight.value(), Some(&self.bias.value()))?)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let mut loss = loss::mse(output, &batch.tensors[1])?;
        if batch.rows.contains(&63) {
            if self.factor.is_nan() {
                loss.sum = loss.sum.mul(f64::NAN)?;
            } else {
                // The value is finite and its square root has an infinite slope at 0.
                let zero = self.bias.value().mul(0.0)?.abs()?.sqrt()?.sum_all()?;
                loss.sum = loss.sum.add(&zero)?;
            }
        }
        Ok(loss)
    }
}

#[test]
fn what_is_not_finite_stops_training_and_is_never_saved() {
    for (factor, expected) in [
        (f64::NAN, "the loss is NaN"),
        (0.0, "the gradient of `bias` is"),
    ] {
        let folder = Folder::new("poison");
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(1));
        let weight = p.param("weight", &[1, 2], Init::Zeros).unwrap();
        let bias = p.param("bias", &[1], Init::Zeros).unwrap();
        let model = Poisoned {
            weight,
            bias,
            factor,
        };
        let every = TrainConfig {
            checkpoint_every: Every::Steps(1),
            shuffle: false,
            ..config(3)
        };
        let mut fit = Fit::new(store, model, plane(), every);
        let error = Trainer::new()
            .checkpoints(&*folder)
            .run(&mut fit)
            .unwrap_err();
        assert_eq!(error.class(), Class::Diverged);
        let text = error.to_string();
        // Row 63 is in the fourth batch.
        assert!(
            text.contains("at step 4 (epoch 1)") && text.contains(expected),
            "{text}"
        );
        let bytes = std::fs::read(folder.join("last.safetensors")).unwrap();
        let file = azura_core::serial::read(&bytes, "last").unwrap();
        for (name, tensor) in file.tensors.iter().filter(|(_, t)| t.dtype() == DType::F32) {
            assert!(
                tensor
                    .to_vec::<f32>()
                    .unwrap()
                    .iter()
                    .all(|x| x.is_finite()),
                "{name}"
            );
        }
    }
}

/// A large gradient and a larger rate, so that one step leaves no finite value.
struct Cliff(Param);

impl Model for Cliff {
    fn forward(&self, _: &Batch, _: &mut Ctx) -> Result<Tensor> {
        Ok(self.0.value().mul(1e18)?)
    }

    fn loss(&self, output: &Tensor, _: &Batch) -> Result<Loss> {
        Ok(Loss {
            sum: output.sum_all()?,
            weight: 1.0,
        })
    }
}

#[test]
fn a_value_that_is_not_finite_is_found_before_it_is_saved() {
    let folder = Folder::new("cliff");
    let store = Store::new(DType::F32);
    let weight = store
        .root(Rng::new(1))
        .param("weight", &[1], Init::Zeros)
        .unwrap();
    let steep = TrainConfig {
        optimizer: azura_learner::train::OptimizerKind::Sgd,
        lr: 1e25,
        clip: 0.0,
        checkpoint_every: Every::Steps(1),
        ..config(3)
    };
    let mut fit = Fit::new(store, Cliff(weight), plane(), steep);
    let error = Trainer::new()
        .checkpoints(&*folder)
        .run(&mut fit)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("at step 1 (epoch 1): parameter `weight` is -inf"),
        "{error}"
    );
    let file = azura_core::serial::load(folder.join("last.safetensors")).unwrap();
    let value = file
        .tensors
        .iter()
        .find(|(name, _)| name == "value/weight")
        .unwrap();
    assert_eq!(value.1.to_vec::<f32>().unwrap(), [0.0]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_its_path() {
    let folder = Folder::new("full");
    let taken = folder.join("checkpoints");
    std::fs::write(&taken, b"a file, not a folder").unwrap();
    let (_, mut fit) = fit(config(1));
    let error = Trainer::new()
        .checkpoints(&taken)
        .run(&mut fit)
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("checkpoints"), "{error}");
    assert_eq!(error.class(), Class::Failure);
}

#[test]
fn a_wrong_monitor_lists_what_there_is() {
    let (_, mut fit) = fit(TrainConfig {
        monitor: "val.mea".to_string(),
        ..config(1)
    });
    let error = Trainer::new().run(&mut fit).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`train.monitor`: must name a value of the training, but is `val.mea`; there are: train.loss, val.loss"
    );
    assert_eq!(error.class(), Class::Usage);
    // Without an epoch too.
    assert_eq!(rehearse(&fit).unwrap_err().to_string(), error.to_string());
}

#[test]
fn a_rehearsal_measures_and_changes_nothing() {
    let (store, training) = fit(config(1));
    let bits = |store: &Store| store.state().unwrap()[0].1.to_vec::<f32>().unwrap();
    let before = bits(&store);
    let rehearsal = rehearse(&training).unwrap();
    // Three f32; Adam keeps two moments of each.
    assert_eq!((rehearsal.weights, rehearsal.moments), (12, 24));
    assert_eq!(rehearsal.rows, 16);
    assert_eq!(bits(&store), before);
    assert!(store.params().iter().all(|p| p.grad().is_none()));
}

/// A loss whose targets count only where the first input is above a limit.
struct Masked {
    layer: Linear,
    limit: f64,
}

impl Model for Masked {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        self.layer.forward(&batch.tensors[0], ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let first = batch.rows.first().copied().unwrap_or(0) as f64;
        let all = loss::mse(output, &batch.tensors[1])?;
        Ok(if first < self.limit {
            Loss {
                sum: all.sum.mul(0.0)?,
                weight: 0.0,
            }
        } else {
            all
        })
    }
}

fn masked(limit: f64) -> (Result<azura_learner::Outcome>, Vec<String>) {
    let store = Store::new(DType::F32);
    let layer = Linear::new(2, 1, &store.root(Rng::new(1))).unwrap();
    let config = TrainConfig {
        shuffle: false,
        ..config(2)
    };
    let mut fit = Fit::new(store, Masked { layer, limit }, plane(), config).validate(plane());
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let outcome = Trainer::new()
        .observer(On(move |event: &Event<'_>| {
            if let Event::Warning(text) = event {
                heard.lock().unwrap().push((*text).to_string());
            }
        }))
        .run(&mut fit);
    let warnings = warnings.lock().unwrap().clone();
    (outcome, warnings)
}

#[test]
fn a_batch_in_which_nothing_counts_changes_nothing() {
    // The first of four batches has no weight.
    let (outcome, warnings) = masked(16.0);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.steps, outcome.epochs), (8, 2));
    assert!(outcome.history[1].metrics["train.loss"].is_finite());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("batch 1 of epoch 1"),
        "{warnings:?}"
    );
    // No batch has: there is no loss at all, and it is said that no epoch was the best.
    let (outcome, warnings) = masked(1e9);
    assert_eq!(outcome.unwrap().best, None);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].starts_with("`val.loss` was never a finite number"),
        "{warnings:?}"
    );
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        azura_core::with_threads(threads, || {
            let store = Store::new(DType::F32);
            let p = store.root(Rng::new(1));
            let network = Sequential::new()
                .with(Linear::new(2, 96, &p.at(0)).unwrap())
                .with(Tanh)
                .with(Linear::new(96, 96, &p.at(2)).unwrap())
                .with(Tanh)
                .with(Linear::new(96, 1, &p.at(4)).unwrap());
            let model = Supervised::new(network, loss::mse);
            let config = TrainConfig {
                batch: 64,
                ..config(4)
            };
            let mut fit = Fit::new(store.clone(), model, plane(), config).validate(plane());
            Trainer::new().run(&mut fit).unwrap();
            let values = |t: &Tensor| t.to_vec::<f32>().unwrap();
            let state = store.state().unwrap();
            let bits =
                |(_, t): &(String, Tensor)| values(t).into_iter().map(f32::to_bits).collect();
            state.iter().map(bits).collect()
        })
    };
    assert_eq!(bits(1), bits(2));
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let bits = |seed: u64| -> Vec<u32> {
        let (store, mut fit) = fit(TrainConfig { seed, ..config(3) });
        Trainer::new().run(&mut fit).unwrap();
        let weight = store.state().unwrap()[0].1.to_vec::<f32>().unwrap();
        weight.into_iter().map(f32::to_bits).collect()
    };
    assert_eq!(bits(3), bits(3));
    assert_ne!(bits(3), bits(4));
}
