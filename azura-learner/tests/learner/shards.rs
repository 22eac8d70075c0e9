//! `train.shards`: the mean of the whole batch, and the same bits for any number of threads.

use azura_core::{DType, Rng, Scope, Store, Tensor, with_threads};
use azura_learner::layers::{
    BatchNorm1d, Ctx, Dropout, InstanceNorm1d, Linear, Module, Sequential, Tanh,
};
use azura_learner::{Error, Fit, Result, TrainConfig, Trainer};

use crate::steps::{Weighted, data};

/// The weights after three epochs in batches of 5, the second without weight and the last of 2 rows.
fn trained(shards: usize, accumulate: usize, dropout: f64) -> Result<Vec<f64>> {
    let store = Store::new(DType::F64);
    let p = store.root(Rng::new(1));
    let model = Weighted(
        Sequential::new()
            .with(Linear::new(2, 4, &p.at("first"))?)
            .with(Tanh)
            .with(Dropout::new(dropout)?)
            .with(Linear::new(4, 1, &p.at("last"))?),
    );
    let config = TrainConfig {
        epochs: 3,
        batch: 5,
        lr: 0.05,
        shuffle: false,
        shards,
        accumulate,
        ..TrainConfig::default()
    };
    Trainer::new().run(&mut Fit::new(store.clone(), model, data(5..10), config))?;
    let mut values = Vec::new();
    for param in store.params() {
        values.extend(param.value().to_vec::<f64>()?);
    }
    Ok(values)
}

#[test]
fn parts_of_uneven_weight_give_the_gradient_of_the_whole_batch() -> Result<()> {
    for accumulate in [1, 3] {
        let whole = trained(1, accumulate, 0.0)?;
        for shards in [2, 3, 5] {
            let parts = trained(shards, accumulate, 0.0)?;
            for (a, b) in whole.iter().zip(&parts) {
                assert!((a - b).abs() < 1e-10, "{shards} shards: {b} for {a}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_bits_depend_on_the_shards_and_not_on_the_threads() -> Result<()> {
    let one = with_threads(1, || trained(3, 2, 0.3))?;
    for threads in [2, 4] {
        for _ in 0..3 {
            assert_eq!(with_threads(threads, || trained(3, 2, 0.3))?, one);
        }
    }
    assert_ne!(one, trained(2, 2, 0.3)?, "each part drops its own units");
    Ok(())
}

/// The problem of a configuration that is refused.
#[track_caller]
fn refused(error: Error) -> (String, String) {
    let Error::Config(problems) = error else {
        panic!("{error}");
    };
    let help = problems[0].help.clone().unwrap_or_default();
    (problems[0].to_string(), help)
}

#[test]
fn a_number_that_cannot_be_is_refused() {
    let (text, help) = refused(trained(6, 1, 0.0).unwrap_err());
    assert!(
        text.contains("train.shards") && text.contains("train.batch = 5"),
        "{text}"
    );
    assert!(help.contains("lower it"), "{help}");
    assert!(
        refused(trained(0, 1, 0.0).unwrap_err())
            .0
            .contains("at least 1")
    );
}

#[test]
fn a_layer_that_looks_at_the_whole_batch_refuses() -> Result<()> {
    let run = |norm: fn(&Scope) -> Result<Sequential>| -> Result<()> {
        let store = Store::new(DType::F64);
        let p = store.root(Rng::new(1));
        let model = Weighted(norm(&p)?.with(Linear::new(2, 1, &p.at("last"))?));
        let config = TrainConfig {
            epochs: 1,
            batch: 11,
            shards: 2,
            ..TrainConfig::default()
        };
        Trainer::new()
            .run(&mut Fit::new(store, model, data(5..10), config))
            .map(drop)
    };
    let batch = run(|p| Ok(Sequential::new().with(BatchNorm1d::new(2, &p.at("norm"))?)));
    let (text, help) = refused(batch.unwrap_err());
    assert!(
        text.contains("train.shards") && text.contains("BatchNorm1d"),
        "{text}"
    );
    assert!(help.contains("leave it at 1"), "{help}");
    // Each sample by itself is no matter of the batch.
    run(|p| {
        let norm = InstanceNorm1d::new(1, &p.at("norm"))?;
        Ok(Sequential::new().with(Alone(norm)))
    })
}

/// Instance norm over a channel axis that was not there.
#[derive(Debug)]
struct Alone(InstanceNorm1d);

impl Module for Alone {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        Ok(self.0.forward(&x.unsqueeze(1)?, ctx)?.squeeze(1)?)
    }
}
