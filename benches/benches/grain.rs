//! What a second thread brings where it is just used: operations whose work is twice the least of a part
//! (`azura-core/src/cpu/threads/grain.rs`), so that both threads get one.
//!
//! `cargo bench -p azura-benches --bench grain -- NAME`.

use azura_benches::random_normal;
use azura_core::{ConvOptions, DType, Result, Rng, Tensor, no_grad, with_threads};
use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// A name, the shapes of the operands and the operation.
type Row = (
    &'static str,
    &'static [&'static [usize]],
    fn(&[Tensor]) -> Result<Tensor>,
);

const ROWS: &[Row] = &[
    ("elements", &[&[32, 1024], &[32, 1024]], |x| {
        x[0].clone().add(&x[1])
    }),
    ("inputs", &[&[128, 1024]], |x| x[0].sum(&[1], false)),
    ("softmax", &[&[16, 1024]], |x| x[0].softmax(-1)),
    ("sort", &[&[2, 1024]], |x| Ok(x[0].sort(1, false)?.0)),
    ("random", &[], |_| {
        Tensor::rand([16 * 1024], DType::F32, &mut Rng::new(1))
    }),
    ("dropout", &[&[64, 1024]], |x| {
        x[0].dropout(0.1, &mut Rng::new(1))
    }),
    ("product", &[&[64, 128], &[128, 64]], |x| x[0].matmul(&x[1])),
    ("row", &[&[1, 128], &[256, 128]], |x| {
        x[0].matmul(&x[1].t()?)
    }),
    ("depthwise", &[&[1, 16, 32, 32], &[16, 1, 3, 3]], |x| {
        let options = ConvOptions {
            padding: 1.into(),
            groups: 16,
            ..ConvOptions::default()
        };
        x[0].conv2d(&x[1], None, options)
    }),
];

fn grain(criterion: &mut Criterion) {
    for (name, shapes, op) in ROWS {
        let mut group = criterion.benchmark_group(*name);
        let operands: Vec<Tensor> = (1..)
            .zip(*shapes)
            .map(|(seed, shape)| random_normal(shape, seed).expect("operands fit in memory"))
            .collect();
        for threads in [1, 2] {
            group.bench_function(threads.to_string(), |bencher| {
                with_threads(threads, || no_grad(|| bencher.iter(|| op(&operands))));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    targets = grain
}
criterion_main!(benches);
