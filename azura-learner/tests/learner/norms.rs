//! Normalisation and embedding as layers: parameters move, statistics run, and nothing is counted twice.

use azura_core::optim::{Adam, Optimizer};
use azura_core::{DType, EmbeddingOptions, Rng, Store, Tensor, grad, no_grad};
use azura_learner::layers::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormOptions, Ctx, Embedding, GroupNorm,
    InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm, LocalResponseNorm, Module, RmsNorm,
};
use azura_learner::{Error, Result};

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.normal() as f32)
        .collect();
    Tensor::from_vec(values, shape).unwrap()
}

fn floats(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

/// One step; every parameter has these names, a gradient that is not all zeros, and moves.
fn moves(names: &[&str], store: &Store, layer: &dyn Module, shape: &[usize]) -> Result<()> {
    let have: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    assert_eq!(have, names);
    let before: Vec<Tensor> = store.params().iter().map(|p| p.value()).collect();
    let mut optimizer = Adam::new(store)?;
    let mut ctx = Ctx::train(Rng::new(3));
    let y = layer.forward(&random(shape, 1), &mut ctx)?;
    assert_eq!(y.shape(), shape);
    y.mul(random(shape, 2))?.sum_all()?.backward()?;
    assert_eq!(store.untouched(), [""; 0]);
    optimizer.step(0.01)?;
    ctx.update_statistics()?;
    for (param, before) in store.params().iter().zip(&before) {
        assert!(floats(&param.grad().unwrap()).iter().all(|&g| g != 0.0));
        assert_ne!(floats(&param.value()), floats(before), "{}", param.name());
    }
    Ok(())
}

#[test]
fn every_parameter_gets_a_gradient_and_moves() -> Result<()> {
    let scope = || {
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(0)).at("n");
        (store, p)
    };
    let both = ["n.weight", "n.bias"];
    let affine = BatchNormOptions::default();
    macro_rules! check {
        ($names:expr, $shape:expr, |$p:ident| $layer:expr) => {{
            let (store, $p) = scope();
            let layer = $layer?;
            moves(&$names, &store, &layer, &$shape)?;
        }};
    }
    check!(both, [4, 3], |p| BatchNorm1d::new(3, &p));
    check!(both, [4, 3, 5], |p| BatchNorm1d::new(3, &p));
    check!(both, [4, 3, 5, 2], |p| BatchNorm2d::new(3, &p));
    check!(both, [4, 3, 5, 2, 2], |p| BatchNorm3d::new(3, &p));
    check!(["n.weight"], [4, 3], |p| BatchNorm1d::with(
        3,
        BatchNormOptions {
            bias: false,
            ..affine
        },
        &p
    ));
    check!(both, [2, 3, 5], |p| InstanceNorm1d::with(3, affine, &p));
    check!(both, [3, 5], |p| InstanceNorm1d::with(3, affine, &p));
    check!(both, [2, 3, 5, 4], |p| InstanceNorm2d::with(3, affine, &p));
    check!(both, [2, 3, 5, 4, 2], |p| InstanceNorm3d::with(
        3, affine, &p
    ));
    let (store, p) = scope();
    let plain = InstanceNorm1d::new(3, &p)?;
    assert!(store.params().is_empty() && store.buffers().is_empty());
    let y = plain.forward(&random(&[2, 3, 5], 0), &mut Ctx::eval())?;
    assert_eq!(y.shape(), [2, 3, 5]);
    check!(both, [2, 3, 5], |p| LayerNorm::new(&[3, 5], &p));
    check!(["n.weight"], [2, 5], |p| LayerNorm::with(
        &[5],
        1e-5,
        true,
        false,
        &p
    ));
    check!(["n.weight"], [2, 5], |p| RmsNorm::new(&[5], &p));
    check!(both, [2, 6, 5], |p| GroupNorm::new(2, 6, &p));
    let y = LocalResponseNorm::new(3).forward(&random(&[2, 4, 3], 0), &mut Ctx::eval())?;
    assert_eq!(y.shape(), [2, 4, 3]);
    Ok(())
}

#[test]
fn statistics_run_and_are_what_predictions_use() -> Result<()> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let even = BatchNormOptions {
        momentum: None,
        ..BatchNormOptions::default()
    };
    let (running, average) = (
        BatchNorm1d::new(2, &p.at("a"))?,
        BatchNorm1d::with(2, even, &p.at("b"))?,
    );
    let batches = [
        Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2])?,
        Tensor::from_slice(&[5.0f32, 0.0, 5.0, 8.0], [2, 2])?,
    ];
    for x in &batches {
        let mut ctx = Ctx::train(Rng::new(0));
        running.forward(x, &mut ctx)?;
        average.forward(x, &mut ctx)?;
        // Before the step nothing has changed.
        let count = average.running().unwrap().batches()?;
        ctx.update_statistics()?;
        ctx.update_statistics()?;
        assert_eq!(average.running().unwrap().batches()?, count + 1);
    }
    let close = |t: Tensor, want: [f32; 2]| {
        for (got, want) in floats(&t).iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
    };
    // Means 2, 20 and 5, 4; unbiased variances 2, 200 and 0, 32.
    let average = average.running().unwrap();
    close(average.mean(), [3.5, 12.0]);
    close(average.var(), [1.0, 116.0]);
    let stats = running.running().unwrap();
    close(stats.mean(), [0.2 * 0.9 + 0.5, 2.0 * 0.9 + 0.4]);
    close(stats.var(), [1.1 * 0.9, 20.9 * 0.9 + 3.2]);
    // Predictions use them, and change nothing.
    let y = running.forward(&batches[0], &mut Ctx::eval())?;
    let want = (1.0 - 0.68) / (0.99f32 + 1e-5).sqrt();
    assert!((floats(&y)[0] - want).abs() < 1e-5);
    assert_eq!(stats.batches()?, 2);
    // They are state under PyTorch's names, and no parameters.
    let names: Vec<String> = store.buffers().iter().map(|b| b.name()).collect();
    assert_eq!(
        names[..3],
        ["a.running_mean", "a.running_var", "a.num_batches_tracked"]
    );
    assert_eq!(store.numel(), 8);
    let saved = store.state()?;
    let other = Store::new(DType::F32);
    let q = other.root(Rng::new(1));
    let copy = BatchNorm1d::new(2, &q.at("a"))?;
    BatchNorm1d::new(2, &q.at("b"))?;
    other.load(&saved)?;
    let again = copy.forward(&batches[0], &mut Ctx::eval())?;
    assert_eq!(floats(&again), floats(&y));
    Ok(())
}

#[test]
fn statistics_cannot_be_forgotten() -> Result<()> {
    let store = Store::new(DType::F32);
    let norm = BatchNorm1d::new(2, &store.root(Rng::new(0)).at("norm"))?;
    let x = random(&[4, 2], 0);
    let batches = || norm.running().unwrap().batches();
    let predict = || norm.forward(&x, &mut Ctx::eval());
    assert!(predict().is_ok());
    // As long as they wait, nobody predicts: neither elsewhere nor with the context that has them.
    let mut ctx = Ctx::train(Rng::new(0));
    norm.forward(&x, &mut ctx)?;
    let error = predict().unwrap_err();
    assert!(matches!(error, Error::Usage(_)));
    assert!(
        error
            .to_string()
            .contains("`norm.running_mean` lacks what a training pass saw"),
        "{error}"
    );
    ctx.train = false;
    assert!(norm.forward(&x, &mut ctx).is_err());
    ctx.update_statistics()?;
    assert!(predict().is_ok() && norm.forward(&x, &mut ctx).is_ok());
    assert_eq!(batches()?, 1);
    // A later pass is not forgotten either, and a context that is dropped takes in what waits.
    let mut ctx = Ctx::train(Rng::new(0));
    norm.forward(&x, &mut ctx)?;
    assert!(predict().is_err());
    drop(ctx);
    assert!(predict().is_ok());
    assert_eq!(batches()?, 2);
    // So do two contexts, one after the other, and passes without gradients.
    let [mut first, mut second] = [0, 1].map(|seed| Ctx::train(Rng::new(seed)));
    norm.forward(&x, &mut first)?;
    no_grad(|| norm.forward(&x, &mut second))?;
    drop(first);
    assert!(predict().is_err());
    drop(second);
    assert!(predict().is_ok());
    assert_eq!(batches()?, 4);
    // A step that is given up leaves them as they were.
    let (mean, mut ctx) = (norm.running().unwrap().mean(), Ctx::train(Rng::new(0)));
    norm.forward(&random(&[4, 2], 1), &mut ctx)?;
    // A clone has a queue of its own.
    let mut clone = ctx.clone();
    clone.update_statistics()?;
    ctx.discard_statistics();
    drop((ctx, clone));
    assert!(predict().is_ok());
    assert_eq!(batches()?, 4);
    assert_eq!(floats(&norm.running().unwrap().mean()), floats(&mean));
    let error = norm
        .forward(&random(&[2], 0), &mut Ctx::eval())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("takes 2 or 3 axes, but got an input of shape [2]"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_segment_computed_twice_counts_once() -> Result<()> {
    let store = Store::new(DType::F32);
    let norm = BatchNorm1d::new(2, &store.root(Rng::new(0)))?;
    let x = random(&[6, 2], 0).variable();
    let run = |kept: bool| -> Result<(Vec<f32>, Vec<f32>, i64, u64)> {
        let mut ctx = Ctx::train(Rng::new(7));
        let (layer, input) = (norm.clone(), x.clone());
        let segment = move |ctx: &mut Ctx| {
            let y = layer.forward(&input, ctx)?;
            Ok([y.dropout(0.5, &mut ctx.rng)?])
        };
        let [y] = if kept {
            segment(&mut ctx)?
        } else {
            ctx.checkpoint(segment)?
        };
        // What comes after it draws on.
        let later = ctx.rng.state()[2];
        let dx = grad(&y.clone().square()?.sum_all()?, &[&x])?.remove(0);
        let before = norm.running().unwrap().batches()?;
        ctx.update_statistics()?;
        let count = norm.running().unwrap().batches()? - before;
        Ok((floats(&y), floats(&dx), count, later))
    };
    let (plain, again) = (run(true)?, run(false)?);
    assert_eq!(plain.2, 1);
    assert_eq!(plain, again);
    // The second run, and one inside of it, leaves nothing behind that waits.
    let before = norm.running().unwrap().batches()?;
    let (layer, mut ctx) = (norm.clone(), Ctx::train(Rng::new(7)));
    let inside = x.clone();
    let [y] = ctx.checkpoint(move |ctx| {
        let (layer, x) = (layer.clone(), inside.clone());
        ctx.checkpoint(move |ctx| Ok([layer.forward(&x, ctx)?]))
    })?;
    drop(ctx);
    grad(&y.square()?.sum_all()?, &[&x])?;
    assert_eq!(norm.running().unwrap().batches()?, before + 1);
    assert!(norm.forward(&x, &mut Ctx::eval()).is_ok());
    // An error comes out as it went in.
    let error = Ctx::eval()
        .checkpoint(|_| -> Result<[Tensor; 1]> { Err(Error::Usage("no".into())) })
        .unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    Ok(())
}

#[test]
fn embeddings() -> Result<()> {
    let store = Store::new(DType::F32);
    let options = EmbeddingOptions {
        padding_idx: Some(1),
        scale_grad_by_freq: true,
        ..EmbeddingOptions::default()
    };
    let table = Embedding::with(4, 2, options, &store.root(Rng::new(5)).at("e"))?;
    assert_eq!(table.weight().name(), "e.weight");
    let rows = floats(&table.weight().value());
    assert!(rows[2..4] == [0.0, 0.0] && rows[0] != 0.0);
    let ids = Tensor::from_slice(&[0i64, 1, 3, 3, 3, 1], [2, 3])?;
    let y = table.forward(&ids, &mut Ctx::eval())?;
    assert_eq!(y.shape(), [2, 3, 2]);
    let dy = Tensor::from_slice(
        &[
            1.0f32, 2.0, 9.0, 9.0, 3.0, 6.0, 3.0, 0.0, 3.0, 0.0, 9.0, 9.0,
        ],
        [2, 3, 2],
    )?;
    y.mul(&dy)?.sum_all()?.backward()?;
    assert_eq!(
        floats(&table.weight().grad().unwrap()),
        [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 2.0]
    );
    Ok(())
}

#[test]
fn long_rows_are_shrunk_where_they_are_read() -> Result<()> {
    let store = Store::new(DType::F32);
    let options = EmbeddingOptions {
        max_norm: Some(1.0),
        ..EmbeddingOptions::default()
    };
    let table = Embedding::with(3, 2, options, &store.root(Rng::new(0)))?;
    let long = Tensor::from_slice(&[3.0f32, 4.0, 0.3, 0.4, 6.0, 8.0], [3, 2])?;
    table.weight().set(&long)?;
    let ids = Tensor::from_slice(&[0i64, 1], [2])?;
    let close = |got: &[f32], want: &[f32]| {
        assert!(
            got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5),
            "{got:?} for {want:?}"
        );
    };
    let view = table.weight().value();
    // A prediction writes the rows it reads, as PyTorch's; who looked at the old ones keeps them.
    let y = no_grad(|| table.forward(&ids, &mut Ctx::eval()))?;
    close(&floats(&y), &[0.6, 0.8, 0.3, 0.4]);
    close(
        &floats(&table.weight().value()),
        &[0.6, 0.8, 0.3, 0.4, 6.0, 8.0],
    );
    assert_eq!(floats(&view), floats(&long));
    // So does a training pass.
    let ids = Tensor::from_slice(&[2i64], [1])?;
    let y = table.forward(&ids, &mut Ctx::train(Rng::new(0)))?;
    close(&floats(&y), &[0.6, 0.8]);
    close(
        &floats(&table.weight().value()),
        &[0.6, 0.8, 0.3, 0.4, 0.6, 0.8],
    );
    Ok(())
}
