//! A run that is stopped or killed anywhere ends as if it had never stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use azura_core::{DType, Rng, Store, Tensor};
use azura_learner::layers::{BatchNorm1d, Ctx, Dropout, Linear, Lstm, Module};
use azura_learner::train::{AverageKind, EpochRow, Every, Monitor, On, ScheduleKind, Span, Stop};
use azura_learner::{
    Batch, Class, Error, Event, Fit, Loss, Model, Outcome, Result, StopFlag, Supervised,
    TensorDataset, TrainConfig, Trainer, loss,
};

use crate::Folder;

/// Everything whose state could be lost: recurrent layers, dropout between and after them, running
/// statistics.
struct Network {
    lstm: Lstm,
    norm: BatchNorm1d,
    dropout: Dropout,
    head: Linear,
}

impl Module for Network {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let (output, _) = self.lstm.forward(x, None, ctx)?;
        let last = output.select(1, x.shape()[1] - 1)?;
        let last = self.norm.forward(&last, ctx)?;
        self.head.forward(&self.dropout.forward(&last, ctx)?, ctx)
    }
}

fn waves() -> TensorDataset {
    let (rows, time) = (22, 4);
    let value = |i: usize| (i as f32 * 0.7).sin();
    let x: Vec<f32> = (0..rows)
        .flat_map(|row| (row..row + time).map(value))
        .collect();
    let y: Vec<f32> = (0..rows).map(|row| value(row + time)).collect();
    let x = Tensor::from_vec(x, [rows, time, 1]).unwrap();
    TensorDataset::new([x, Tensor::from_vec(y, [rows, 1]).unwrap()]).unwrap()
}

pub fn config() -> TrainConfig {
    let mut config = TrainConfig {
        epochs: 4,
        batch: 5,
        lr: 0.03,
        seed: 11,
        checkpoint_every: Every::Steps(3),
        // The wrong way round, so that the first epoch is the best and the plateau is soon reached:
        // weights of the best epoch and the lowered rate are then states of their own to lose.
        mode: Monitor::Max,
        ..TrainConfig::default()
    };
    config.schedule.kind = ScheduleKind::Plateau;
    config.schedule.patience = 0;
    config.schedule.factor = 0.5;
    config.schedule.warmup = 0.2;
    config
}

pub fn fit(config: TrainConfig) -> (Store, Fit) {
    fit_with(config, |model| model)
}

/// The same with something around the model.
fn fit_with<M: Model + 'static>(
    config: TrainConfig,
    around: impl FnOnce(Supervised<Network, fn(&Tensor, &Tensor) -> Result<Loss>>) -> M,
) -> (Store, Fit) {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(config.seed).fork("init"));
    let network = Network {
        lstm: Lstm::new(1, 3, &p.at("lstm"))
            .layers(2)
            .dropout(0.2)
            .build()
            .unwrap(),
        norm: BatchNorm1d::new(3, &p.at("norm")).unwrap(),
        dropout: Dropout::new(0.2).unwrap(),
        head: Linear::new(3, 1, &p.at("head")).unwrap(),
    };
    let model = around(Supervised::new(network, loss::mse as fn(&_, &_) -> _));
    (
        store.clone(),
        Fit::new(store, model, waves(), config).validate(waves()),
    )
}

/// All that must be the same, to the bit.
#[derive(Debug, PartialEq)]
pub struct Ending {
    stop: Stop,
    steps: u64,
    weights: Vec<(String, Vec<u32>)>,
    history: Vec<EpochRow>,
}

pub fn ending(store: &Store, outcome: Outcome) -> Ending {
    let bits = |t: &Tensor| match t.dtype() {
        // How many batches the running statistics saw.
        DType::I64 => vec![t.item::<i64>().unwrap() as u32],
        _ => t
            .to_vec::<f32>()
            .unwrap()
            .into_iter()
            .map(f32::to_bits)
            .collect(),
    };
    let without_time = |row: &EpochRow| EpochRow {
        seconds: 0.0,
        ..row.clone()
    };
    Ending {
        stop: outcome.stop,
        steps: outcome.steps,
        weights: store
            .state()
            .unwrap()
            .iter()
            .map(|(n, t)| (n.clone(), bits(t)))
            .collect(),
        history: outcome.history.iter().map(without_time).collect(),
    }
}

pub fn uninterrupted(config: TrainConfig) -> Ending {
    let (store, mut fit) = fit(config);
    let outcome = Trainer::new().run(&mut fit).unwrap();
    ending(&store, outcome)
}

pub fn resumed(folder: &Path, config: TrainConfig) -> Ending {
    let (store, mut fit) = fit(config);
    let outcome = Trainer::new().checkpoints(folder).resume(&mut fit).unwrap();
    ending(&store, outcome)
}

#[test]
fn stopping_at_any_step_changes_no_bit() {
    let expected = uninterrupted(config());
    assert_eq!(expected.steps, 20);
    assert!(!expected.history[3].best && expected.history[3].lr < expected.history[0].lr);
    for at in 1..=20 {
        let folder = Folder::new("stop");
        let stop = StopFlag::new();
        let raise = stop.clone();
        let observer = On(move |event: &Event<'_>| {
            if matches!(event, Event::Step { step, .. } if *step == at) {
                raise.raise();
            }
        });
        let (_, mut first) = fit(config());
        let trainer = Trainer::new()
            .checkpoints(&*folder)
            .observer(observer)
            .stop(stop);
        let outcome = trainer.run(&mut first).unwrap();
        assert_eq!(outcome.finished(), at == 20, "{at}");
        assert_eq!(
            resumed(&folder, config()),
            expected,
            "stopped after step {at}"
        );
    }
}

/// Several batches make a step, and an average of the weights goes along.
fn of_groups(average: AverageKind) -> TrainConfig {
    TrainConfig {
        accumulate: 2,
        average,
        average_decay: 0.8,
        average_start: 1,
        checkpoint_every: Every::Steps(1),
        ..config()
    }
}

/// A model that does something before its pass of a number, which is none of an evaluation.
struct Before<M, F> {
    model: M,
    pass: AtomicUsize,
    at: usize,
    act: F,
}

impl<M: Model, F: Fn() + Send + Sync> Model for Before<M, F> {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        if ctx.train && self.pass.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            (self.act)();
        }
        self.model.forward(batch, ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        self.model.loss(output, batch)
    }
}

/// Stops or dies in any pass, most of them in the middle of a step, and goes on.
#[test]
fn stopping_inside_a_step_changes_no_bit() {
    for average in [AverageKind::None, AverageKind::Ema, AverageKind::Swa] {
        let config = || of_groups(average);
        let expected = uninterrupted(config());
        assert_eq!(expected.steps, 12);
        // Three epochs of an SWA are followed by a pass for the statistics.
        let passes = 20 + 5 * usize::from(average == AverageKind::Swa) * 3;
        for at in 1..=passes {
            for dies in [false, true] {
                let folder = Folder::new("inside");
                let stop = StopFlag::new();
                let raise = stop.clone();
                let act = move || {
                    if dies {
                        std::panic::resume_unwind(Box::new("the power went out"));
                    }
                    raise.raise();
                };
                let (_, mut first) = fit_with(config(), |model| Before {
                    model,
                    pass: AtomicUsize::new(0),
                    at,
                    act,
                });
                let trainer = Trainer::new().checkpoints(&*folder).stop(stop);
                let ran = catch_unwind(AssertUnwindSafe(|| trainer.run(&mut first)));
                assert_eq!(ran.is_err(), dies, "{average:?} {at}");
                assert_eq!(
                    resumed(&folder, config()),
                    expected,
                    "{average:?}, pass {at}, dies: {dies}"
                );
            }
        }
    }
}

#[test]
fn a_larger_budget_goes_on_with_its_average() {
    for average in [AverageKind::Ema, AverageKind::Swa] {
        let config = TrainConfig {
            epochs: 5,
            schedule: Default::default(),
            ..of_groups(average)
        };
        let expected = uninterrupted(config.clone());
        for max_steps in 1..15 {
            let folder = Folder::new("budget");
            let (_, mut first) = fit(TrainConfig {
                max_steps,
                ..config.clone()
            });
            let trainer = Trainer::new().checkpoints(&*folder);
            trainer.run(&mut first).unwrap();
            assert_eq!(resumed(&folder, config.clone()), expected, "{max_steps}");
        }
    }
}

#[test]
fn dying_at_any_event_changes_no_bit() {
    let expected = uninterrupted(config());
    // 20 steps, 4 epochs, checkpoints of both kinds: more events than that do not come.
    let mut died = 0;
    for at in 1..=45 {
        let folder = Folder::new("die");
        let mut count = 0;
        let observer = On(move |_: &Event<'_>| {
            count += 1;
            if count == at {
                std::panic::resume_unwind(Box::new("the power went out"));
            }
        });
        let (_, mut first) = fit(config());
        let trainer = Trainer::new().checkpoints(&*folder).observer(observer);
        if catch_unwind(AssertUnwindSafe(|| trainer.run(&mut first))).is_err() {
            died += 1;
        }
        if at == 1 {
            // `Started` is told before the first checkpoint: there is nothing yet to go on from.
            assert!(!folder.join("last.safetensors").exists());
            continue;
        }
        assert_eq!(resumed(&folder, config()), expected, "died at event {at}");
    }
    assert!(died > 30, "{died}");
}

#[test]
fn a_chain_of_deaths_gets_there() {
    let expected = uninterrupted(config());
    let folder = Folder::new("chain");
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries < 30);
        let mut steps = 0;
        let observer = On(move |event: &Event<'_>| {
            steps += u32::from(matches!(event, Event::Step { .. }));
            if steps == 4 {
                std::panic::resume_unwind(Box::new("again"));
            }
        });
        let (store, mut fit) = fit(config());
        let trainer = Trainer::new().checkpoints(&*folder).observer(observer);
        let result = catch_unwind(AssertUnwindSafe(|| {
            if tries == 1 {
                trainer.run(&mut fit)
            } else {
                trainer.resume(&mut fit)
            }
        }));
        if let Ok(outcome) = result {
            assert_eq!(ending(&store, outcome.unwrap()), expected);
            break;
        }
    }
    assert!(tries > 3);
}

#[test]
fn a_finished_training_returns_its_record() {
    let folder = Folder::new("finished");
    let (_, mut first) = fit(config());
    let outcome = Trainer::new()
        .checkpoints(&*folder)
        .run(&mut first)
        .unwrap();
    let (store, mut again) = fit(config());
    let steps = On(|event: &Event<'_>| assert!(!matches!(event, Event::Step { .. })));
    let trainer = Trainer::new().checkpoints(&*folder).observer(steps);
    let recorded = trainer.resume(&mut again).unwrap();
    assert_eq!(recorded.history, outcome.history);
    assert_eq!(ending(&store, recorded), uninterrupted(config()));
    // It is not begun anew by mistake.
    let error = Trainer::new()
        .checkpoints(&*folder)
        .run(&mut again)
        .unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
}

#[test]
fn a_larger_budget_goes_on_to_the_result_of_that_budget() {
    let longer = TrainConfig {
        epochs: 7,
        ..config()
    };
    for first in [
        config(),
        TrainConfig {
            max_steps: 7,
            ..longer.clone()
        },
        TrainConfig {
            max_steps: 10,
            ..longer.clone()
        },
    ] {
        // A warm-up that is a part of all steps would differ between budgets.
        let still = |mut config: TrainConfig| {
            config.schedule.warmup = 0.0;
            config.patience = 0;
            config
        };
        let folder = Folder::new("extend");
        let (_, mut fit) = fit(still(first));
        Trainer::new().checkpoints(&*folder).run(&mut fit).unwrap();
        let longer = still(longer.clone());
        let got = resumed(&folder, longer.clone());
        let expected = uninterrupted(longer);
        assert_eq!((got.steps, got.stop), (expected.steps, expected.stop));
        let rows = |e: &Ending| {
            e.history
                .iter()
                .map(|r| (r.epoch, r.metrics.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&got), rows(&expected));
    }
}

/// A score where the old budget ended, inside an epoch, is neither the best epoch nor one without a better value: a
/// training with the larger budget would not have looked there.
#[test]
fn a_larger_budget_forgets_the_score_at_the_old_end() {
    let config = TrainConfig {
        epochs: 40,
        patience: 2,
        schedule: Default::default(),
        ..config()
    };
    let expected = uninterrupted(config.clone());
    assert_eq!(expected.stop, Stop::EarlyStop);
    let mut tried = [0; 2];
    for max_steps in 1..expected.steps {
        let folder = Folder::new("patience");
        let (_, mut first) = fit(TrainConfig {
            max_steps,
            ..config.clone()
        });
        let first = Trainer::new()
            .checkpoints(&*folder)
            .run(&mut first)
            .unwrap();
        let last = first.history.last().unwrap();
        assert_eq!(first.epochs, last.epoch);
        tried[usize::from(last.best)] += 1;
        if last.best {
            // The best checkpoint is of that end too, and goes on to the same result.
            std::fs::copy(
                folder.join("best.safetensors"),
                folder.join("last.safetensors"),
            )
            .unwrap();
        }
        assert_eq!(resumed(&folder, config.clone()), expected, "{max_steps}");
    }
    // The score at the old end was the best so far, and was not.
    assert!(tried[0] > 0 && tried[1] > 0, "{tried:?}");
}

/// Where the rates so far depend on how many steps were planned, a changed budget gives no training's result: it is said.
#[test]
fn a_stretched_schedule_is_said() {
    let with = |epochs, kind, warmup| {
        let mut config = config();
        (config.epochs, config.patience) = (epochs, 0);
        (config.schedule.kind, config.schedule.warmup) = (kind, warmup);
        config
    };
    for (kind, warmup, epochs, said) in [
        (ScheduleKind::Cosine, 0.0, 3, 1),
        (ScheduleKind::Cosine, 0.0, 2, 0),
        (ScheduleKind::Constant, 0.5, 3, 1),
        (ScheduleKind::Constant, 0.0, 3, 0),
        (ScheduleKind::Plateau, 0.0, 3, 0),
    ] {
        let folder = Folder::new("stretched");
        let (_, mut first) = fit(with(2, kind, warmup));
        Trainer::new()
            .checkpoints(&*folder)
            .run(&mut first)
            .unwrap();
        let (_, mut second) = fit(with(epochs, kind, warmup));
        let mut warnings = 0;
        let observer = On(|event: &Event<'_>| {
            if let Event::Warning(text) = event {
                assert!(text.contains("now 15 steps instead of 10"), "{text}");
                warnings += 1;
            }
        });
        let trainer = Trainer::new().checkpoints(&*folder).observer(observer);
        trainer.resume(&mut second).unwrap();
        assert_eq!(warnings, said, "{kind:?} {warmup} {epochs}");
    }
}

#[test]
fn other_data_of_the_same_size_is_refused() {
    let training = |seed: u64| {
        let store = Store::new(DType::F32);
        let layer = Linear::new(1, 1, &store.root(Rng::new(1))).unwrap();
        let mut rng = Rng::new(seed);
        let [x, y] = [(); 2].map(|()| {
            let values: Vec<f32> = (0..8).map(|_| rng.uniform() as f32).collect();
            Tensor::from_vec(values, [8, 1]).unwrap()
        });
        let data = TensorDataset::new([x, y]).unwrap();
        Fit::new(store, Supervised::new(layer, loss::mse), data, config())
    };
    let folder = Folder::new("data");
    Trainer::new()
        .checkpoints(&*folder)
        .run(&mut training(1))
        .unwrap();
    let resume = |seed| {
        Trainer::new()
            .checkpoints(&*folder)
            .resume(&mut training(seed))
    };
    assert!(resume(1).is_ok());
    assert!(matches!(resume(2), Err(Error::Checkpoint { .. })));
}

#[test]
fn time_spent_is_carried_over() {
    let folder = Folder::new("time");
    let long = TrainConfig {
        epochs: 1_000_000,
        ..config()
    };
    let stop = StopFlag::new();
    let raise = stop.clone();
    let observer = On(move |event: &Event<'_>| {
        if matches!(event, Event::Step { .. }) {
            std::thread::sleep(std::time::Duration::from_millis(20));
            raise.raise();
        }
    });
    let (_, mut first) = fit(long.clone());
    let trainer = Trainer::new()
        .checkpoints(&*folder)
        .observer(observer)
        .stop(stop);
    let first = trainer.run(&mut first).unwrap();
    assert!(first.steps == 1 && first.seconds >= 0.02);
    // A limit below what is spent already leaves no time for another step.
    let limit = TrainConfig {
        time_limit: Span::from_millis(10),
        ..long
    };
    let (_, mut second) = fit(limit);
    let outcome = Trainer::new()
        .checkpoints(&*folder)
        .resume(&mut second)
        .unwrap();
    assert_eq!((outcome.stop, outcome.steps), (Stop::TimeLimit, 1));
    assert!(outcome.seconds >= first.seconds);
}

#[test]
fn another_configuration_is_refused() {
    let folder = Folder::new("other");
    let (_, mut first) = fit(config());
    Trainer::new()
        .checkpoints(&*folder)
        .run(&mut first)
        .unwrap();
    let (_, mut other) = fit(TrainConfig {
        lr: 0.04,
        ..config()
    });
    let error = Trainer::new()
        .checkpoints(&*folder)
        .resume(&mut other)
        .unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    assert!(
        error.to_string().contains("another configuration"),
        "{error}"
    );
    let (_, mut absent) = fit(config());
    let error = Trainer::new()
        .checkpoints(folder.join("no"))
        .resume(&mut absent)
        .unwrap_err();
    assert_eq!(error.class(), Class::NotFound);
}
