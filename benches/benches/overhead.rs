//! What an operation costs beside its arithmetic: operations on tensors of four numbers, without a graph, recorded, and
//! recorded with the backward pass.
//!
//! `cargo bench -p azura-benches --bench overhead -- NAME`. Four numbers take a nanosecond or two, so each row is the
//! price of shapes, checks, memory from the pool and the record.

use azura_core::{Activation, Result, Tensor, no_grad};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// An operation on a matrix of 2 × 2 and a vector of 2.
type Row = (&'static str, fn(&Tensor, &Tensor) -> Result<Tensor>);

const ROWS: &[Row] = &[
    ("clone", |x, _| Ok(x.clone())),
    ("add", |x, _| x.clone().add(x)),
    ("add_number", |x, _| x.clone().add(1.0)),
    ("mul", |x, _| x.clone().mul(x)),
    ("relu", |x, _| x.clone().relu()),
    ("exp", |x, _| x.clone().exp()),
    ("sum_all", |x, _| x.sum_all()),
    ("matmul", |x, _| x.matmul(x)),
    ("linear", |x, b| x.linear_act(x, Some(b), Activation::None)),
    ("softmax", |x, _| x.softmax(-1)),
    ("reshape", |x, _| x.reshape([4])),
    ("transpose", |x, _| x.t()),
    ("slice", |x, _| x.narrow(0, 1, 1)),
];

/// The tensors of the rows, with or without a gradient.
fn operands(variable: bool) -> Result<[Tensor; 2]> {
    let x = Tensor::from_slice(&[0.1f32, 0.2, 0.3, 0.4], [2, 2])?;
    let b = Tensor::from_slice(&[0.5f32, 0.6], [2])?;
    Ok([x, b].map(|x| if variable { x.variable() } else { x }))
}

fn overhead(criterion: &mut Criterion) {
    let [x, b] = operands(false).expect("six numbers");
    let mut group = criterion.benchmark_group("plain");
    for (name, op) in ROWS {
        group.bench_function(*name, |bencher| {
            no_grad(|| bencher.iter(|| op(black_box(&x), &b)));
        });
    }
    group.finish();
    let [x, b] = operands(true).expect("six numbers");
    let mut group = criterion.benchmark_group("recorded");
    for (name, op) in ROWS {
        group.bench_function(*name, |bencher| bencher.iter(|| op(black_box(&x), &b)));
    }
    group.finish();
    // The operation, `sum_all` and the pass over both.
    let mut group = criterion.benchmark_group("backward");
    for (name, op) in ROWS {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| op(black_box(&x), &b)?.sum_all()?.backward());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_millis(400));
    targets = overhead
}
criterion_main!(benches);
