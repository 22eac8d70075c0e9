//! Criterion benches of single operations on the public API.
//!
//! `cargo bench -p azura-benches --bench ops -- NAME`; threads by `AZURA_THREADS`.

use azura_benches::random_normal;
use azura_core::{Activation, RecurrentOptions, RecurrentWeights, Rng, Tensor};
use azura_learner::Result;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// An operation on one tensor.
type Unary = (&'static str, fn(&Tensor) -> azura_core::Result<Tensor>);

const ELEMENTWISE: &[Unary] = &[
    ("add", |x| x.clone().add(x)),
    ("exp", |x| x.clone().exp()),
    ("tanh", |x| x.clone().tanh()),
    ("sigmoid", |x| x.clone().sigmoid()),
    ("silu", |x| x.clone().silu()),
    ("gelu_tanh", |x| x.clone().gelu_tanh()),
    ("softmax", |x| x.softmax(-1)),
    ("sum_rows", |x| x.sum(&[1], false)),
    ("sum_columns", |x| x.sum(&[0], false)),
];

fn elementwise(criterion: &mut Criterion) {
    let x = random_normal(&[4096, 1024], 0).expect("4 million numbers fit in memory");
    let mut group = criterion.benchmark_group("4096x1024");
    group.throughput(Throughput::Elements(x.numel() as u64));
    for (name, op) in ELEMENTWISE {
        group.bench_function(*name, |bencher| bencher.iter(|| op(black_box(&x))));
    }
}

/// The products of an MLP and an LSTM step: rows, inputs, outputs.
const LINEAR: [[usize; 3]; 4] = [[64, 784, 256], [64, 256, 128], [64, 128, 10], [32, 64, 256]];

fn linear(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linear");
    for [rows, inputs, outputs] in LINEAR {
        let tensors = || -> Result<_> {
            let x = random_normal(&[rows, inputs], 0)?;
            let w = random_normal(&[outputs, inputs], 1)?;
            Ok((x, w, random_normal(&[outputs], 2)?))
        };
        let (x, w, b) = tensors().expect("small tensors");
        group.throughput(Throughput::Elements((2 * rows * inputs * outputs) as u64));
        let id = BenchmarkId::from_parameter(format!("{rows}x{inputs}x{outputs}"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| black_box(&x).linear_act(&w, Some(&b), Activation::Relu));
        });
    }
}

fn lstm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lstm 32x60x8, forward");
    for hidden in [64, 256] {
        let tensors = || -> Result<_> {
            let scaled = |shape: &[usize], seed| -> Result<Tensor> {
                Ok(random_normal(shape, seed)?.mul(0.1)?)
            };
            let weights = RecurrentWeights {
                w_ih: scaled(&[4 * hidden, 8], 1)?,
                w_hh: scaled(&[4 * hidden, hidden], 2)?,
                b_ih: None,
                b_hh: None,
                w_hr: None,
            };
            Ok((random_normal(&[32, 60, 8], 0)?, [weights]))
        };
        let (x, weights) = tensors().expect("small tensors");
        let mut rng = Rng::new(0);
        group.bench_function(BenchmarkId::from_parameter(hidden), |bencher| {
            bencher
                .iter(|| black_box(&x).lstm(&weights, None, RecurrentOptions::default(), &mut rng));
        });
    }
}

criterion_group!(ops, elementwise, linear, lstm);
criterion_main!(ops);
