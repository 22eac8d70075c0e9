//! A multi-layer perceptron on real handwritten digits (8×8 pixels): reading the data, then the
//! model defined, trained and tested in fewer than 30 lines.

#![forbid(unsafe_code)]

use azura_core::{DType, Rng, Store, Tensor};
use azura_learner::data::{Parts, Table, read_csv_all, split_random};
use azura_learner::layers::{Ctx, Linear, Relu, Sequential};
use azura_learner::{
    Dataset, Fit, Result, Supervised, TensorDataset, TrainConfig, Trainer, Training, loss,
};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/digits/digits.csv");

fn main() -> Result<()> {
    let table = read_csv_all(DIGITS)?;
    let parts = split_random(table.len(), 0.1, 0.2, 0)?;
    let accuracy = train(&table, &parts)?;
    println!("accuracy on digits never seen: {:.1} %", 100.0 * accuracy);
    Ok(())
}

/// Images `[rows, 64]`, scaled to 0–1, and their labels.
fn samples(table: &Table, rows: &[usize]) -> Result<TensorDataset> {
    let names: Vec<String> = (0..64).map(|i| format!("p{i}")).collect();
    let pixels = table.matrix(&names)?;
    let labels = table.numbers("label")?;
    let image = |&row: &usize| pixels[row * 64..][..64].iter().map(|p| (p / 16.0) as f32);
    let images: Vec<f32> = rows.iter().flat_map(image).collect();
    let labels: Vec<i64> = rows.iter().map(|&row| labels[row] as i64).collect();
    TensorDataset::new([
        Tensor::from_vec(images, [rows.len(), 64])?,
        Tensor::from_vec(labels, [rows.len()])?,
    ])
}

fn train(table: &Table, parts: &Parts) -> Result<f64> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let mlp = Sequential::new()
        .with(Linear::new(64, 128, &p.at("hidden"))?)
        .with(Relu)
        .with(Linear::new(128, 10, &p.at("classes"))?);
    let model = Supervised::new(mlp, loss::cross_entropy);

    let config = TrainConfig {
        epochs: 30,
        lr: 3e-3,
        ..TrainConfig::default()
    };
    let mut fit = Fit::new(store, model, samples(table, &parts.train)?, config)
        .validate(samples(table, &parts.val)?);
    Trainer::new().run(&mut fit)?;

    let test = samples(table, &parts.test)?;
    let batch = test.batch(&(0..test.len()).collect::<Vec<_>>())?;
    let scores = fit.model().forward(&batch, &mut Ctx::eval())?;
    let right = scores.argmax(1, false)?.eq(&batch.tensors[1])?;
    Ok(right.cast(DType::F64)?.mean_all()?.item()?)
}

#[test]
fn reads_digits_after_thirty_lines() {
    let table = read_csv_all(DIGITS).unwrap();
    let parts = split_random(table.len(), 0.1, 0.2, 0).unwrap();
    assert!(train(&table, &parts).unwrap() > 0.95);

    let source = include_str!("digits_mlp.rs").lines();
    let body = source.skip_while(|line| !line.starts_with("fn train("));
    let lines = body.take_while(|line| *line != "}").count() + 1;
    assert!(lines <= 30, "{lines} lines");
}
