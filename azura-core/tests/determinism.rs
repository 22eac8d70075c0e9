//! The same bits for any number of threads.

mod common;

use azura_core::optim::{Adam, Optimizer};
use azura_core::{
    Activation, DType, Init, Param, RecurrentOptions, RecurrentWeights, Reduction, Result, Rng,
    Store, Tensor, grad, with_threads,
};
use azura_core::{
    AvgPoolOptions, ConvOptions, ConvTransposeOptions, EmbeddingOptions, GridSampleOptions,
    InterpolateMode, InterpolateOptions, MaxPoolOptions, PadMode, Resize, UnfoldOptions,
};
use common::bits;

/// Runs `f` with 1, 2, 3 and 4 threads, twice each, and compares the bits of everything it returns.
fn same_bits(what: &str, f: impl Fn() -> Result<Vec<Tensor>>) {
    let run = |threads| -> Vec<Vec<u32>> {
        with_threads(threads, || f().unwrap().iter().map(bits).collect())
    };
    let want = run(1);
    assert!(
        want.iter().any(|bits| !bits.is_empty()),
        "{what} returns nothing"
    );
    for threads in [1, 2, 3, 4, 2] {
        let got = run(threads);
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let differ = got.iter().zip(want).filter(|(a, b)| a != b).count();
            assert_eq!(
                (got.len(), differ),
                (want.len(), 0),
                "{what}: result {i} differs with {threads} threads"
            );
        }
    }
}

fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(seed);
    let n = shape.iter().product();
    // A wide range of sizes, so that another order of additions gives other bits.
    let values = (0..n)
        .map(|_| (rng.normal() * (3.0 * rng.normal()).exp()) as f32)
        .collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// An operation and its gradient, by a weight for each output.
fn with_gradients(
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    inputs: &[&Tensor],
) -> Result<Vec<Tensor>> {
    let inputs: Vec<Tensor> = inputs.iter().map(|&x| x.clone().variable()).collect();
    let y = f(&inputs)?;
    let loss = y.clone().mul(random(99, y.shape()))?.sum_all()?;
    let mut results = grad(&loss, &inputs.iter().collect::<Vec<_>>())?;
    results.extend([y.detach(), loss.detach()]);
    Ok(results)
}

#[test]
fn convolutions_pools_and_interpolation() {
    let x = random(30, &[5, 12, 17, 19]);
    let (w, b) = (random(31, &[20, 12, 3, 3]), random(32, &[20]));
    let options = ConvOptions {
        stride: [1, 2].into(),
        padding: 1.into(),
        ..ConvOptions::default()
    };
    same_bits("conv2d", || {
        with_gradients(|x| x[0].conv2d(&x[1], Some(&x[2]), options), &[&x, &w, &b])
    });
    let depthwise = ConvOptions {
        groups: 12,
        ..options
    };
    let one = random(33, &[12, 1, 3, 3]);
    same_bits("conv2d depthwise", || {
        with_gradients(|x| x[0].conv2d(&x[1], None, depthwise), &[&x, &one])
    });
    let back = random(34, &[12, 7, 4, 4]);
    let options = ConvTransposeOptions {
        stride: 2.into(),
        ..ConvTransposeOptions::default()
    };
    same_bits("conv_transpose2d", || {
        with_gradients(
            |x| x[0].conv_transpose2d(&x[1], None, options),
            &[&x, &back],
        )
    });
    let max = MaxPoolOptions {
        stride: Some(2.into()),
        padding: 1.into(),
        ..MaxPoolOptions::default()
    };
    same_bits("max_pool2d", || {
        with_gradients(|x| x[0].max_pool2d(3, max), &[&x])
    });
    same_bits("avg_pool2d", || {
        with_gradients(|x| x[0].avg_pool2d(3, AvgPoolOptions::default()), &[&x])
    });
    let linear = InterpolateOptions {
        mode: InterpolateMode::Linear,
        ..InterpolateOptions::default()
    };
    same_bits("interpolate", || {
        with_gradients(
            |x| x[0].interpolate(Resize::Size([23, 11].into()), linear),
            &[&x],
        )
    });
    let grid = random(35, &[5, 9, 8, 2]);
    same_bits("grid_sample", || {
        with_gradients(
            |x| x[0].grid_sample(&x[1], GridSampleOptions::default()),
            &[&x, &grid],
        )
    });
}

/// Many indices of one place, on enough elements for several threads.
#[test]
fn indices() {
    let x = random(40, &[300, 200]);
    let many = |n: usize, size: usize| {
        let ids = (0..n).map(|i| (i * i % 97 % size) as i64).collect();
        Tensor::from_vec(ids, [n]).unwrap()
    };
    for dim in [0, 1] {
        let size = x.shape()[dim as usize];
        let ids = many(400, size);
        let places = many(300 * 200, size).reshape([300, 200]).unwrap();
        same_bits("index_select", || {
            with_gradients(|x| x[0].index_select(dim, &ids), &[&x])
        });
        same_bits("gather", || {
            with_gradients(|x| x[0].gather(dim, &places), &[&x])
        });
        same_bits("scatter", || {
            with_gradients(|x| x[0].scatter(dim, &places, &x[1]), &[&x, &x])
        });
        same_bits("scatter_add", || {
            with_gradients(|x| x[0].scatter_add(dim, &places, &x[1]), &[&x, &x])
        });
        let mut sizes = [300, 200];
        sizes[dim as usize] = 400;
        let src = random(41, &sizes);
        same_bits("index_add", || {
            with_gradients(|x| x[0].index_add(dim, &ids, &x[1], 0.7), &[&x, &src])
        });
    }
    let ids = many(400, 300);
    same_bits("embedding", || {
        with_gradients(|x| x[0].embedding(&ids, EmbeddingOptions::default()), &[&x])
    });
    let images = random(42, &[2, 3, 60, 60]);
    same_bits("unfold", || {
        with_gradients(|x| x[0].unfold(3, UnfoldOptions::default()), &[&images])
    });
    same_bits("pad", || {
        with_gradients(
            |x| x[0].pad(&[20, 20, 20, 20], PadMode::Reflect),
            &[&images],
        )
    });
    same_bits("flip", || {
        with_gradients(|x| x[0].flip(&[1])?.narrow(0, 3, 290), &[&x])
    });
    same_bits("tril", || with_gradients(|x| x[0].tril(5), &[&x]));
}

#[test]
fn reductions() {
    let x = random(1, &[70_001]);
    let wide = random(2, &[37, 5003]);
    let deep = random(3, &[9, 131, 257]);
    same_bits("sum_all", || with_gradients(|x| x[0].sum_all(), &[&x]));
    for dim in [0, 1] {
        same_bits("sum", || {
            with_gradients(|x| x[0].sum(&[dim], false), &[&wide])
        });
        same_bits("var", || {
            with_gradients(|x| x[0].var(&[dim], 1, false), &[&wide])
        });
        same_bits("max", || with_gradients(|x| x[0].max(dim, false), &[&wide]));
        same_bits("std", || {
            with_gradients(|x| x[0].std(&[dim], 1, false), &[&wide])
        });
        same_bits("amax", || {
            with_gradients(|x| x[0].amax(&[dim], false), &[&wide])
        });
        same_bits("prod", || {
            with_gradients(|x| x[0].prod(&[dim], false), &[&wide])
        });
        for p in [1.0, 2.0, 1.5, f64::INFINITY] {
            same_bits("norm", || {
                with_gradients(|x| x[0].norm(p, &[dim], false), &[&wide])
            });
        }
        same_bits("logsumexp", || {
            with_gradients(|x| x[0].logsumexp(&[dim], false), &[&wide])
        });
        same_bits("cumsum", || with_gradients(|x| x[0].cumsum(dim), &[&wide]));
        same_bits("cumprod", || {
            with_gradients(|x| x[0].cumprod(dim), &[&wide])
        });
        same_bits("sort", || {
            with_gradients(|x| Ok(x[0].sort(dim, true)?.0), &[&wide])
        });
    }
    for dims in [&[0][..], &[1], &[2], &[0, 2], &[0, 1], &[1, 2]] {
        same_bits("mean", || {
            with_gradients(|x| x[0].mean(dims, true), &[&deep])
        });
    }
}

#[test]
fn rows_and_elements() {
    let wide = random(4, &[41, 3001]);
    let tall = random(5, &[30_011, 3]);
    for x in [&wide, &tall] {
        for dim in [0, 1] {
            same_bits("softmax", || with_gradients(|x| x[0].softmax(dim), &[x]));
            same_bits("log_softmax", || {
                with_gradients(|x| x[0].log_softmax(dim), &[x])
            });
        }
        same_bits("dropout", || {
            with_gradients(|x| x[0].dropout(0.3, &mut Rng::new(1)), &[x])
        });
        same_bits("elements", || {
            with_gradients(
                |x| {
                    x[0].clone()
                        .tanh()?
                        .mul(x[0].t()?.contiguous().t()?.sigmoid()?)?
                        .gelu_tanh()
                },
                &[x],
            )
        });
        let labels: Vec<u32> = (0..x.shape()[0])
            .map(|i| (i % x.shape()[1]) as u32)
            .collect();
        let labels = Tensor::from_vec(labels, [x.shape()[0]]).unwrap();
        same_bits("cross_entropy", || {
            with_gradients(|x| x[0].cross_entropy(&labels, Reduction::Mean), &[x])
        });
    }
    same_bits("broadcast", || {
        with_gradients(
            |x| x[0].clone().mul(&x[1])?.add(&x[2]),
            &[&wide, &random(6, &[3001]), &random(7, &[41, 1])],
        )
    });
}

#[test]
fn products() {
    for [m, k, n] in [
        [3, 5, 7],
        [130, 257, 65],
        [1, 3000, 50],
        [513, 33, 1],
        [64, 64, 64],
        [200, 1000, 10],
    ] {
        let (a, b) = (random(1, &[m, k]), random(2, &[k, n]));
        let w = random(3, &[n, k]);
        let bias = random(4, &[n]);
        same_bits("matmul", || {
            with_gradients(|x| x[0].matmul(&x[1]), &[&a, &b])
        });
        same_bits("linear", || {
            with_gradients(
                |x| x[0].linear_act(&x[1], Some(&x[2]), Activation::Relu),
                &[&a, &w, &bias],
            )
        });
    }
    same_bits("batches", || {
        with_gradients(
            |x| x[0].matmul(&x[1]),
            &[&random(1, &[6, 1, 40, 50]), &random(2, &[5, 50, 30])],
        )
    });
}

fn mlp(sizes: &[usize], store: &Store) -> Result<Vec<(Param, Param)>> {
    let root = store.root(Rng::new(3));
    sizes
        .windows(2)
        .enumerate()
        .map(|(i, pair)| {
            let p = root.at(i);
            let bound = 1.0 / (pair[0] as f64).sqrt();
            Ok((
                p.param("weight", &[pair[1], pair[0]], Init::Uniform { bound })?,
                p.param("bias", &[pair[1]], Init::Uniform { bound })?,
            ))
        })
        .collect()
}

fn values(store: &Store) -> Result<Vec<Tensor>> {
    Ok(store.state()?.into_iter().map(|(_, value)| value).collect())
}

#[test]
fn steps_of_a_perceptron() {
    same_bits("MLP", || {
        let store = Store::new(DType::F32);
        let layers = mlp(&[100, 260, 130, 10], &store)?;
        let mut optimizer = Adam::adamw(&store)?;
        let mut rng = Rng::new(1);
        for step in 0..4 {
            let mut x = random(step, &[97, 100]).clamp(-3.0, 3.0)?;
            for (i, (w, b)) in layers.iter().enumerate() {
                let act = if i < 2 {
                    Activation::Relu
                } else {
                    Activation::None
                };
                x = x.linear_act(&w.value(), Some(&b.value()), act)?;
                if i < 2 {
                    x = x.dropout(0.2, &mut rng)?;
                }
            }
            let labels: Vec<i64> = (0..97).map(|i| (i * 7 + step as i64) % 10).collect();
            let loss = x.cross_entropy(&Tensor::from_vec(labels, [97])?, Reduction::Mean)?;
            loss.backward()?;
            store.clip_grad_norm(0.5)?;
            optimizer.step(0.01)?;
            store.zero_grad();
        }
        values(&store)
    });
}

#[test]
fn steps_of_an_lstm() {
    for bidirectional in [false, true] {
        same_bits("LSTM", || {
            let (input, hidden, directions) = (7, 33, 1 + usize::from(bidirectional));
            let store = Store::new(DType::F32);
            let root = store.root(Rng::new(3));
            let init = Init::Uniform { bound: 0.2 };
            let mut params = Vec::new();
            for k in 0..2 * directions {
                let p = root.at(k);
                let width = if k < directions {
                    input
                } else {
                    directions * hidden
                };
                params.push([
                    p.param("w_ih", &[4 * hidden, width], init)?,
                    p.param("w_hh", &[4 * hidden, hidden], init)?,
                    p.param("b_ih", &[4 * hidden], init)?,
                    p.param("b_hh", &[4 * hidden], init)?,
                ]);
            }
            let w = root.param("w", &[1, directions * hidden], init)?;
            let mut optimizer = Adam::new(&store)?;
            let mut rng = Rng::new(1);
            for step in 0..3 {
                let x = random(step, &[37, 11, input]).clamp(-3.0, 3.0)?;
                let weights: Vec<RecurrentWeights> = params
                    .iter()
                    .map(|[w_ih, w_hh, b_ih, b_hh]| RecurrentWeights {
                        w_ih: w_ih.value(),
                        w_hh: w_hh.value(),
                        b_ih: Some(b_ih.value()),
                        b_hh: Some(b_hh.value()),
                        w_hr: None,
                    })
                    .collect();
                let options = RecurrentOptions {
                    bidirectional,
                    dropout: 0.2,
                    ..RecurrentOptions::default()
                };
                let y = x.lstm(&weights, None, options, &mut rng)?;
                let y = y.output.select(1, 10)?.linear(&w.value(), None)?;
                y.mse_loss(&Tensor::ones([37, 1], DType::F32)?, Reduction::Mean)?
                    .backward()?;
                store.clip_grad_norm(0.5)?;
                optimizer.step(0.01)?;
                store.zero_grad();
            }
            values(&store)
        });
    }
}
