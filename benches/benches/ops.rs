//! Criterion benches of all kernels, on the public API: a row for each family of `azura-core/src/cpu`.
//!
//! `cargo bench -p azura-benches --bench ops -- FAMILY/NAME`; threads by `AZURA_THREADS`. A row with numbers of operands is timed
//! forward and, for each of those, backward: the pass from the sum of the result to that operand, whose gradient alone is
//! computed (its first step writes the ones that the sum passes back).

use azura_benches::{random_labels, random_normal};
use azura_core::optim::{Adam, Muon, Optimizer, Sgd};
use azura_core::{
    Activation, AttentionOptions, AvgPoolOptions, ConvOptions, CtcOptions, DType, EmbeddingOptions,
    GridSampleOptions, Init, InterpolateMode, InterpolateOptions, MaxPoolOptions, NormOptions,
    PadMode, RecurrentOptions, RecurrentWeights, Reduction, Resize, ResponseOptions, Result, Rng,
    RotaryPairs, Store, Tensor, TopkOptions, UnfoldOptions, grad, no_grad,
};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

type Op = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operation on normal numbers of these shapes, and the operands whose gradients are timed too.
struct Row {
    name: &'static str,
    shapes: &'static [&'static [usize]],
    by: &'static [usize],
    op: Op,
}

fn row(
    name: &'static str,
    shapes: &'static [&'static [usize]],
    by: &'static [usize],
    op: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
) -> Row {
    Row {
        name,
        shapes,
        by,
        op: Box::new(op),
    }
}

fn labels(count: usize, classes: u64) -> Tensor {
    random_labels(count, classes, 3).expect("labels fit in memory")
}

/// Kernels `cpu/map`, `cpu/math`, `cpu/strides`.
fn elementwise() -> Vec<Row> {
    const X: &[&[usize]] = &[&[4096, 1024]];
    const XY: &[&[usize]] = &[&[4096, 1024], &[4096, 1024]];
    const BROADCAST: &[&[usize]] = &[&[4096, 1024], &[4096, 1]];
    vec![
        row("add", XY, &[], |x| x[0].clone().add(&x[1])),
        row("mul", XY, &[0], |x| x[0].clone().mul(&x[1])),
        row("mul_column", BROADCAST, &[1], |x| x[0].clone().mul(&x[1])),
        row("exp", X, &[0], |x| x[0].clone().exp()),
        row("log", X, &[], |x| x[0].clone().log()),
        row("sin", X, &[], |x| x[0].clone().sin()),
        row("tanh", X, &[0], |x| x[0].clone().tanh()),
        row("sigmoid", X, &[0], |x| x[0].clone().sigmoid()),
        row("silu", X, &[0], |x| x[0].clone().silu()),
        row("gelu", X, &[0], |x| x[0].clone().gelu()),
        row("gelu_tanh", X, &[0], |x| x[0].clone().gelu_tanh()),
        row("transposed", X, &[], |x| Ok(x[0].t()?.contiguous())),
        row("cat", XY, &[], |x| Tensor::cat(&[&x[0], &x[1]], 1)),
        row("pad", X, &[0], |x| {
            x[0].pad(&[3, 3], PadMode::Constant(0.0))
        }),
    ]
}

/// Kernels `cpu/gemm`.
fn products() -> Vec<Row> {
    fn linear(name: &'static str, shapes: &'static [&'static [usize]]) -> Row {
        row(name, shapes, &[0, 1], |x| {
            x[0].linear_act(&x[1], Some(&x[2]), Activation::None)
        })
    }
    vec![
        linear("linear_64x784x256", &[&[64, 784], &[256, 784], &[256]]),
        linear("linear_64x128x10", &[&[64, 128], &[10, 128], &[10]]),
        linear("linear_32x64x256", &[&[32, 64], &[256, 64], &[256]]),
        linear("linear_1x784x256", &[&[1, 784], &[256, 784], &[256]]),
        linear(
            "linear_2048x384x1536",
            &[&[2048, 384], &[1536, 384], &[1536]],
        ),
        row("matmul_2", &[&[2, 2], &[2, 2]], &[], |x| x[0].matmul(&x[1])),
        row("matmul_256", &[&[256, 256], &[256, 256]], &[], |x| {
            x[0].matmul(&x[1])
        }),
        row("matmul_512", &[&[512, 512], &[512, 512]], &[0], |x| {
            x[0].matmul(&x[1])
        }),
        row(
            "matmul_512_left_transposed",
            &[&[512, 512], &[512, 512]],
            &[],
            |x| x[0].t()?.matmul(&x[1]),
        ),
        row(
            "matmul_512_right_transposed",
            &[&[512, 512], &[512, 512]],
            &[],
            |x| x[0].matmul(&x[1].t()?),
        ),
        row(
            "batch_48x64x32",
            &[&[48, 64, 32], &[48, 32, 64]],
            &[0],
            |x| x[0].matmul(&x[1]),
        ),
    ]
}

/// Kernels `cpu/conv`, `cpu/patches`.
fn convolutions() -> Vec<Row> {
    fn conv(
        name: &'static str,
        shapes: &'static [&'static [usize]],
        options: fn() -> ConvOptions,
    ) -> Row {
        row(name, shapes, &[0, 1], move |x| {
            x[0].conv2d(&x[1], None, options())
        })
    }
    let padded = || ConvOptions {
        padding: 1.into(),
        ..ConvOptions::default()
    };
    let strided = || ConvOptions {
        padding: 1.into(),
        stride: 2.into(),
        ..ConvOptions::default()
    };
    let depthwise = || ConvOptions {
        padding: 1.into(),
        groups: 64,
        ..ConvOptions::default()
    };
    vec![
        conv(
            "3x3_1_to_32",
            &[&[64, 1, 28, 28], &[32, 1, 3, 3]],
            ConvOptions::default,
        ),
        conv(
            "3x3_32_to_64",
            &[&[64, 32, 26, 26], &[64, 32, 3, 3]],
            ConvOptions::default,
        ),
        conv(
            "3x3_64_to_64",
            &[&[64, 64, 32, 32], &[64, 64, 3, 3]],
            padded,
        ),
        conv(
            "1x1_64_to_256",
            &[&[16, 64, 28, 28], &[256, 64, 1, 1]],
            ConvOptions::default,
        ),
        conv(
            "3x3_stride_2",
            &[&[16, 64, 28, 28], &[64, 64, 3, 3]],
            strided,
        ),
        conv(
            "3x3_short_lines",
            &[&[64, 128, 7, 7], &[128, 128, 3, 3]],
            padded,
        ),
        conv(
            "depthwise_3x3",
            &[&[16, 64, 56, 56], &[64, 1, 3, 3]],
            depthwise,
        ),
        row("unfold_3x3", &[&[16, 32, 28, 28]], &[0], |x| {
            x[0].unfold(3, UnfoldOptions::default())
        }),
    ]
}

/// Kernels `cpu/max_pool`, `cpu/resample`, `cpu/grid_sample`.
fn pools() -> Vec<Row> {
    const X: &[&[usize]] = &[&[64, 64, 24, 24]];
    let bilinear = InterpolateOptions {
        mode: InterpolateMode::Linear,
        ..InterpolateOptions::default()
    };
    vec![
        row("max_2x2", X, &[0], |x| {
            x[0].max_pool2d(2, MaxPoolOptions::default())
        }),
        row("mean_2x2", X, &[0], |x| {
            x[0].avg_pool2d(2, AvgPoolOptions::default())
        }),
        row("mean_to_1", X, &[0], |x| x[0].adaptive_avg_pool2d(1)),
        row("interpolate_x2", &[&[16, 16, 32, 32]], &[0], move |x| {
            x[0].interpolate(Resize::Size(64.into()), bilinear)
        }),
        row(
            "grid_sample",
            &[&[8, 16, 32, 32], &[8, 32, 32, 2]],
            &[0, 1],
            |x| x[0].grid_sample(&x[1], GridSampleOptions::default()),
        ),
    ]
}

/// Kernels `cpu/norm`.
fn norms() -> Vec<Row> {
    const ROWS: &[&[usize]] = &[&[4096, 384], &[384], &[384]];
    const IMAGES: &[&[usize]] = &[&[64, 64, 32, 32], &[64], &[64]];
    fn affine(x: &[Tensor]) -> NormOptions<'_> {
        NormOptions {
            weight: Some(&x[1]),
            bias: Some(&x[2]),
            ..NormOptions::default()
        }
    }
    vec![
        row("layer", ROWS, &[0, 1], |x| {
            x[0].layer_norm(&[384], affine(x))
        }),
        row("rms", ROWS, &[0], |x| {
            x[0].rms_norm(&[384], Some(&x[1]), None)
        }),
        row("batch", IMAGES, &[0, 1], |x| {
            Ok(x[0].batch_norm(affine(x))?.output)
        }),
        row("instance", IMAGES, &[0], |x| {
            Ok(x[0].instance_norm(affine(x))?.output)
        }),
        row("group", IMAGES, &[0], |x| x[0].group_norm(8, affine(x))),
        row("response", &[&[16, 64, 32, 32]], &[0], |x| {
            x[0].local_response_norm(5, ResponseOptions::default())
        }),
    ]
}

/// Kernels `cpu/softmax`, `cpu/loss`, `cpu/ctc`.
fn scores() -> Vec<Row> {
    const X: &[&[usize]] = &[&[4096, 1024]];
    let (classes, few, text) = (labels(4096, 1024), labels(768, 65), labels(16 * 20, 31));
    let text = text.reshape([16, 20]).expect("as many numbers");
    vec![
        row("softmax", X, &[0], |x| x[0].softmax(-1)),
        row("softmax_columns", X, &[], |x| x[0].softmax(0)),
        row("log_softmax", X, &[0], |x| x[0].log_softmax(-1)),
        row("logsumexp", X, &[0], |x| x[0].logsumexp(&[-1], false)),
        row("cross_entropy", X, &[0], move |x| {
            x[0].cross_entropy(&classes, Reduction::Mean)
        }),
        row("cross_entropy_768x65", &[&[768, 65]], &[0], move |x| {
            x[0].cross_entropy(&few, Reduction::Mean)
        }),
        row("ctc", &[&[100, 16, 32]], &[0], move |x| {
            let scores = x[0].log_softmax(-1)?;
            let options = CtcOptions {
                blank: 31,
                ..CtcOptions::default()
            };
            scores.ctc_loss(&text, &[100; 16], &[20; 16], options)
        }),
    ]
}

/// Kernels `cpu/attention`, `cpu/rotary`.
fn attention() -> Vec<Row> {
    fn attend(name: &'static str, shapes: &'static [&'static [usize]], is_causal: bool) -> Row {
        row(name, shapes, &[0, 1, 2], move |x| {
            let options = AttentionOptions {
                is_causal,
                ..AttentionOptions::default()
            };
            x[0].scaled_dot_product_attention(&x[1], &x[2], options)
        })
    }
    const SMALL: &[&[usize]] = &[&[12, 4, 64, 32], &[12, 4, 64, 32], &[12, 4, 64, 32]];
    const LARGE: &[&[usize]] = &[&[8, 6, 256, 64], &[8, 6, 256, 64], &[8, 6, 256, 64]];
    vec![
        attend("12x4x64x32_causal", SMALL, true),
        attend("8x6x256x64_causal", LARGE, true),
        attend("8x6x256x64", LARGE, false),
        attend(
            "one_query",
            &[&[1, 6, 1, 64], &[1, 6, 256, 64], &[1, 6, 256, 64]],
            false,
        ),
        row(
            "rotary",
            &[&[8, 6, 256, 64], &[256, 32], &[256, 32]],
            &[0],
            |x| x[0].rotary(&x[1], &x[2], RotaryPairs::Halves),
        ),
    ]
}

/// Kernels `cpu/recurrent`.
fn recurrent() -> Vec<Row> {
    fn weights(x: &[Tensor]) -> [RecurrentWeights; 1] {
        [RecurrentWeights {
            w_ih: x[1].clone(),
            w_hh: x[2].clone(),
            b_ih: None,
            b_hh: None,
            w_hr: None,
        }]
    }
    fn lstm(name: &'static str, shapes: &'static [&'static [usize]]) -> Row {
        row(name, shapes, &[1], |x| {
            let options = RecurrentOptions::default();
            Ok(x[0]
                .lstm(&weights(x), None, options, &mut Rng::new(0))?
                .output)
        })
    }
    vec![
        lstm("lstm_32x60x64", &[&[32, 60, 8], &[256, 8], &[256, 64]]),
        lstm("lstm_32x60x256", &[&[32, 60, 8], &[1024, 8], &[1024, 256]]),
        lstm("lstm_1x60x64", &[&[1, 60, 8], &[256, 8], &[256, 64]]),
        row(
            "gru_32x60x64",
            &[&[32, 60, 8], &[192, 8], &[192, 64]],
            &[1],
            |x| {
                let options = RecurrentOptions::default();
                Ok(x[0]
                    .gru(&weights(x), None, options, &mut Rng::new(0))?
                    .output)
            },
        ),
        row(
            "rnn_32x60x64",
            &[&[32, 60, 8], &[64, 8], &[64, 64]],
            &[1],
            |x| {
                let options = RecurrentOptions::default();
                Ok(x[0]
                    .rnn_tanh(&weights(x), None, options, &mut Rng::new(0))?
                    .output)
            },
        ),
    ]
}

/// Kernels `cpu/reduce`, `cpu/fold`, `cpu/scan`, `cpu/sort`, `cpu/spread`.
fn reductions() -> Vec<Row> {
    const X: &[&[usize]] = &[&[4096, 1024]];
    vec![
        row("sum_all", X, &[], |x| x[0].sum_all()),
        row("sum_rows", X, &[0], |x| x[0].sum(&[1], false)),
        row("sum_columns", X, &[], |x| x[0].sum(&[0], false)),
        row("var_rows", X, &[0], |x| x[0].var(&[1], 1, false)),
        row("prod_rows", X, &[], |x| x[0].prod(&[1], false)),
        row("max_rows", X, &[0], |x| x[0].max(1, false)),
        row("argmax_rows", X, &[], |x| x[0].argmax(1, false)),
        row("cumsum_rows", X, &[0], |x| x[0].cumsum(1)),
        row("cumsum_columns", X, &[], |x| x[0].cumsum(0)),
        row("sort_rows", &[&[256, 1024]], &[0], |x| {
            Ok(x[0].sort(1, false)?.0)
        }),
        row("topk_rows", &[&[256, 1024]], &[], |x| {
            Ok(x[0].topk(8, TopkOptions::default())?.0)
        }),
    ]
}

/// Kernels `cpu/embedding`, `cpu/indexing`, `cpu/place`.
fn indices() -> Vec<Row> {
    const TABLE: &[&[usize]] = &[&[50257, 384]];
    let (ids, rows) = (labels(8192, 50257), labels(8192, 4096));
    let columns = labels(4096 * 64, 1024);
    let columns = columns.reshape([4096, 64]).expect("as many numbers");
    vec![
        row("embedding", TABLE, &[0], move |x| {
            x[0].embedding(&ids, EmbeddingOptions::default())
        }),
        row("index_select", &[&[4096, 384]], &[0], move |x| {
            x[0].index_select(0, &rows)
        }),
        row("gather", &[&[4096, 1024]], &[0], move |x| {
            x[0].gather(1, &columns)
        }),
        row("narrow", &[&[4096, 1024]], &[0], |x| {
            x[0].narrow(1, 100, 500)
        }),
    ]
}

/// Kernels `cpu/random`, `cpu/normal`, `cpu/dropout`, `cpu/orthogonal`, `cpu/matrices`.
fn random() -> Vec<Row> {
    const SHAPE: [usize; 2] = [1024, 1024];
    vec![
        row("dropout", &[&[4096, 1024]], &[0], |x| {
            x[0].dropout(0.1, &mut Rng::new(1))
        }),
        row("uniform", &[], &[], |_| {
            Tensor::rand(SHAPE, DType::F32, &mut Rng::new(1))
        }),
        row("normal", &[], &[], |_| {
            Tensor::randn(SHAPE, DType::F32, &mut Rng::new(1))
        }),
        row("orthogonal_256", &[], &[], |_| {
            let store = Store::new(DType::F32);
            let init = Init::Orthogonal { gain: 1.0 };
            Ok(store
                .root(Rng::new(1))
                .param("w", &[256, 256], init)?
                .value())
        }),
    ]
}

/// All families under their names.
type Family = (&'static str, fn() -> Vec<Row>);
const FAMILIES: [Family; 10] = [
    ("elementwise", elementwise),
    ("product", products),
    ("conv", convolutions),
    ("pool", pools),
    ("norm", norms),
    ("score", scores),
    ("attention", attention),
    ("recurrent", recurrent),
    ("reduce", reductions),
    ("index", indices),
];

fn tensors(row: &Row) -> Vec<Tensor> {
    let shapes = row.shapes.iter().enumerate();
    shapes
        .map(|(i, shape)| random_normal(shape, i as u64).expect("they fit in memory"))
        .collect()
}

fn rows(criterion: &mut Criterion) {
    for (family, rows) in FAMILIES
        .into_iter()
        .chain([("random", random as fn() -> _)])
    {
        let mut group = criterion.benchmark_group(family);
        for row in rows() {
            // Numbers are made only for rows that the command line asks for.
            group.bench_function(row.name, |bencher| {
                let x = tensors(&row);
                no_grad(|| bencher.iter(|| (row.op)(black_box(&x))));
            });
            for &i in row.by {
                group.bench_function(format!("{} by {i}", row.name), |bencher| {
                    let mut x = tensors(&row);
                    x[i] = x[i].clone().variable();
                    let y = (row.op)(&x).expect("the row runs");
                    let loss = y.sum_all().expect("a sum");
                    bencher.iter(|| grad(black_box(&loss), &[&x[i]]));
                });
            }
        }
    }
}

/// Kernels `cpu/optim`: a step of a matrix of 1024 × 1024.
fn optimisers(criterion: &mut Criterion) {
    type Make = fn(&Store) -> Result<Box<dyn Optimizer>>;
    let all: [(&str, Make); 3] = [
        ("adamw", |store| Ok(Box::new(Adam::adamw(store)?))),
        ("sgd", |store| Ok(Box::new(Sgd::new(store)?))),
        ("muon", |store| Ok(Box::new(Muon::new(store)?))),
    ];
    let mut group = criterion.benchmark_group("optimiser");
    for (name, make) in all {
        group.bench_function(name, |bencher| {
            let store = Store::new(DType::F32);
            let p = store.root(Rng::new(0));
            let init = Init::Uniform { bound: 0.1 };
            let w = p.param("w", &[1024, 1024], init).expect("a fresh name");
            let loss = w.value().square().and_then(|y| y.sum_all()).expect("a sum");
            loss.backward().expect("it depends on the parameter");
            drop(loss);
            let mut optimizer = make(&store).expect("defaults");
            bencher.iter(|| optimizer.step(black_box(1e-3)));
        });
    }
}

criterion_group! {
    name = ops;
    config = Criterion::default().sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    targets = rows, optimisers
}
criterion_main!(ops);
