//! A multi-layer perceptron on real handwritten digits (8×8 pixels), defined and trained in 30 lines.

use azura_core::{DType, Rng, Store, Tensor};
use azura_learner::data::{read_csv_all, split_random};
use azura_learner::layers::{Ctx, Linear, Module, Relu, Sequential};
use azura_learner::{Batch, Dataset, Model};
use azura_learner::{Fit, Result, Supervised, TensorDataset, TrainConfig, Trainer, Training, loss};

fn main() -> Result<()> {
    println!("accuracy on digits never seen: {:.1} %", 100.0 * train()?);
    Ok(())
}

// The 30 lines begin here.
fn train() -> Result<f64> {
    let table = read_csv_all(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/digits/digits.csv"
    ))?;
    let pixels: Vec<String> = (0..64).map(|i| format!("p{i}")).collect();
    let (x, y) = (table.matrix(&pixels)?, table.numbers("label")?);
    let parts = split_random(table.len(), 0.1, 0.2, 0)?;
    let part = |rows: &[usize]| {
        let x: Vec<f32> = rows
            .iter()
            .flat_map(|&r| x[r * 64..][..64].iter().map(|v| *v as f32 / 16.0))
            .collect();
        let y: Vec<u32> = rows.iter().map(|&r| y[r] as u32).collect();
        TensorDataset::new([
            Tensor::from_vec(x, [rows.len(), 64])?,
            Tensor::from_vec(y, [rows.len()])?,
        ])
    };
    let test = part(&parts.test)?;

    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let mlp = Sequential::new()
        .with(Linear::new(64, 128, &p.at("hidden"))?)
        .with(Relu)
        .with(Linear::new(128, 10, &p.at("classes"))?);
    let config = TrainConfig {
        epochs: 30,
        lr: 3e-3,
        ..TrainConfig::default()
    };
    let mut fit = Fit::new(
        store,
        Supervised::new(mlp, loss::cross_entropy),
        part(&parts.train)?,
        config,
    )
    .validate(part(&parts.val)?);
    Trainer::new().run(&mut fit)?;

    let batch = test.batch(&(0..test.len()).collect::<Vec<_>>())?;
    let classes = fit
        .model()
        .forward(&batch, &mut Ctx::eval())?
        .argmax(1, false)?;
    let right = classes
        .eq(&batch.tensors[1].cast(DType::I64)?)?
        .cast(DType::F64)?;
    Ok(right.mean_all()?.item()?)
}
// And end here.

#[test]
fn learns_to_read_digits_in_thirty_lines() {
    assert!(train().unwrap() > 0.95);
    let source = include_str!("digits_mlp.rs");
    let lines = source
        .lines()
        .skip_while(|l| !l.contains("lines begin"))
        .skip(1);
    assert!(lines.take_while(|l| !l.contains("And end")).count() <= 30);
}
