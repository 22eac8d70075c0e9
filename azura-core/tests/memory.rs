//! Memory comes back: to the pool after each step, and from graphs that nobody needs.
//!
//! The pool's counter belongs to the whole program, so these tests run one at a time.

mod common;

use azura_core::optim::{Adam, Optimizer};
use azura_core::{
    Activation, AttentionOptions, ConvOptions, DType, EmbeddingOptions, Init, MaxPoolOptions,
    NormOptions, Param, RecurrentOptions, RecurrentWeights, Reduction, Result, Rng, Store, Tensor,
    buffers_from_system, grad, release_unused_memory, with_threads,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many buffers `f` fetches from the system if the pool is empty at its start.
fn fetched<R>(f: impl FnOnce() -> R) -> u64 {
    release_unused_memory();
    let before = buffers_from_system();
    let _result = f();
    buffers_from_system() - before
}

#[test]
fn a_training_loop_allocates_in_its_first_step_only() -> Result<()> {
    let _alone = alone();
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let init = Init::Uniform { bound: 0.2 };
    let (input, hidden) = (5, 8);
    let mut weights = Vec::new();
    for layer in 0..2 {
        let p = p.at(layer);
        let width = if layer == 0 { input } else { hidden };
        weights.push([
            p.param("w_ih", &[4 * hidden, width], init)?,
            p.param("w_hh", &[4 * hidden, hidden], init)?,
            p.param("b_ih", &[4 * hidden], init)?,
            p.param("b_hh", &[4 * hidden], init)?,
        ]);
    }
    let (w, b) = (p.param("w", &[3, hidden], init)?, p.param("b", &[3], init)?);
    let mut optimizer = Adam::adamw(&store)?;
    let mut rng = Rng::new(1);
    let mut after_first = 0;
    for step in 0..6 {
        let x = Tensor::full([4, 7, input], 0.1 * f64::from(step), DType::F32)?;
        let weights: Vec<RecurrentWeights> = weights
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
            dropout: 0.1,
            ..RecurrentOptions::default()
        };
        let y = x.lstm(&weights, None, options, &mut rng)?;
        let last = y.output.select(1, 6)?.dropout(0.1, &mut rng)?.tanh()?;
        let scores = last.linear(&w.value(), Some(&b.value()))?;
        let labels = Tensor::from_slice(&[0u32, 1, 2, 0], [4])?;
        let loss = scores
            .cross_entropy(&labels, Reduction::Mean)?
            .add(scores.softmax(-1)?.var(&[-1], 1, false)?.mean_all()?)?;
        assert!(loss.item::<f32>()?.is_finite());
        loss.backward()?;
        store.clip_grad_norm(1.0)?;
        drop((weights, y, last, scores, loss));
        optimizer.step(0.01)?;
        store.zero_grad();
        if step == 0 {
            after_first = buffers_from_system();
        }
    }
    assert_eq!(
        buffers_from_system() - after_first,
        0,
        "buffers from outside the pool after the first step"
    );
    Ok(())
}

/// A workload: the shapes of its parameters, and its loss from their values.
type Workload = (
    &'static str,
    &'static [&'static [usize]],
    fn(&[Tensor]) -> Result<Tensor>,
);

const WORKLOADS: &[Workload] = &[
    ("mlp", &[&[24, 40], &[24], &[3, 24], &[3]], |w| {
        let x = Tensor::full([16, 40], 0.3, DType::F32)?;
        let y = x.linear_act(&w[0], Some(&w[1]), Activation::Relu)?;
        y.linear(&w[2], Some(&w[3]))?
            .cross_entropy(&Tensor::zeros([16], DType::I64)?, Reduction::Mean)
    }),
    (
        "cnn",
        &[&[4, 1, 3, 3], &[4], &[8, 4, 3, 3], &[3, 128], &[3]],
        |w| {
            let x = Tensor::full([5, 1, 12, 12], 0.3, DType::F32)?;
            let y = x
                .conv2d(&w[0], Some(&w[1]), ConvOptions::default())?
                .relu()?;
            let y = y.conv2d(&w[2], None, ConvOptions::default())?;
            let y = y.batch_norm(NormOptions::default())?.output.relu()?;
            let y = y.max_pool2d(2, MaxPoolOptions::default())?.flatten(1, -1)?;
            y.linear(&w[3], Some(&w[4]))?
                .cross_entropy(&Tensor::zeros([5], DType::I64)?, Reduction::Mean)
        },
    ),
    (
        "gpt",
        &[&[11, 16], &[16], &[48, 16], &[32, 16], &[16, 32], &[11, 16]],
        |w| {
            let ids = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6, 7, 8], [2, 4])?;
            let x = ids_to_rows(&w[0], &ids)?;
            let norm = NormOptions {
                weight: Some(&w[1]),
                ..NormOptions::default()
            };
            let heads = |x: &Tensor| x.reshape([2, 4, 2, 8])?.transpose(1, 2);
            let qkv = x.layer_norm(&[16], norm)?.linear(&w[2], None)?;
            let [q, k, v] = [0, 16, 32].map(|at| heads(&qkv.narrow(-1, at, 16)?));
            let options = AttentionOptions {
                is_causal: true,
                ..AttentionOptions::default()
            };
            let y = q?.scaled_dot_product_attention(&k?, &v?, options)?;
            let x = y.transpose(1, 2)?.reshape([2, 4, 16])?.add(x)?;
            let y = x.linear(&w[3], None)?.gelu()?.linear(&w[4], None)?.add(x)?;
            let scores = y.linear(&w[5], None)?.reshape([8, 11])?;
            scores.cross_entropy(&Tensor::zeros([8], DType::I64)?, Reduction::Mean)
        },
    ),
];

fn ids_to_rows(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    table.embedding(ids, EmbeddingOptions::default())
}

/// With one thread and with two, whole batches and gradients apart from the store.
///
/// The arenas of gradients apart last, and are made when the first ones arrive: one may take the block of a temporary of the
/// same class, which the second step then fetches anew. So with them the count begins a step later.
#[test]
fn training_steps_allocate_in_the_first_one_only() -> Result<()> {
    let _alone = alone();
    for (name, shapes, loss) in WORKLOADS {
        for (threads, apart) in [(1, false), (2, false), (2, true)] {
            let store = Store::new(DType::F32);
            let p = store.root(Rng::new(0));
            let init = Init::Uniform { bound: 0.2 };
            let params = (0..shapes.len()).map(|i| p.param(&format!("w{i}"), shapes[i], init));
            let params = params.collect::<Result<Vec<_>>>()?;
            let mut optimizer = Adam::adamw(&store)?;
            let mut gradients = [store.gradients()];
            let mut after_first = 0;
            for step in 0..5 {
                with_threads(threads, || {
                    let values: Vec<Tensor> = params.iter().map(Param::value).collect();
                    if apart {
                        gradients[0].clear();
                        loss(&values)?.backward_into(&mut gradients[0])?;
                        store.add_gradients(&gradients, 1.0)
                    } else {
                        loss(&values)?.backward()
                    }
                })?;
                optimizer.step(0.01)?;
                store.zero_grad();
                if step == usize::from(apart) {
                    after_first = buffers_from_system();
                }
            }
            let later = buffers_from_system() - after_first;
            assert_eq!(later, 0, "{name}, {threads} threads, apart: {apart}");
        }
    }
    Ok(())
}

#[test]
fn convolutions_take_their_room_from_the_pool() -> Result<()> {
    let _alone = alone();
    let [x, w, b] = [&[3, 4, 9, 10][..], &[6, 4, 3, 3], &[6]]
        .map(|shape| Tensor::ones(shape, DType::F32).unwrap().variable());
    let mut after_first = 0;
    for step in 0..4 {
        let y = x.conv2d(&w, Some(&b), ConvOptions::default())?;
        let y = y.max_pool2d(2, MaxPoolOptions::default())?.mean_all()?;
        drop(grad(&y, &[&x, &w, &b])?);
        drop(y);
        if step == 0 {
            after_first = buffers_from_system();
        }
    }
    assert_eq!(buffers_from_system(), after_first);
    Ok(())
}

/// A graph owns no cycles: when the last handle goes, every buffer it saved comes back.
#[test]
fn dropped_graphs_give_everything_back() -> Result<()> {
    let _alone = alone();
    let n = 123_457;
    let x = Tensor::ones([n], DType::F64)?.variable();
    // Each of these saves an input, its own output, or both.
    type Build = fn(&Tensor) -> Result<Tensor>;
    let graphs: &[(&str, Build)] = &[
        ("exp", |x| x.clone().exp()),
        ("sigmoid", |x| x.clone().sigmoid()),
        ("log", |x| x.clone().log()),
        ("mul", |x| x.clone().mul(x)),
        ("div", |x| x.clone().div(&x.clone().exp()?)),
        ("softmax", |x| x.softmax(0)),
        ("log_softmax", |x| x.log_softmax(0)),
        ("var", |x| x.var(&[0], 1, false)),
        ("max", |x| x.max(0, false)),
        ("matmul", |x| x.matmul(x)),
        ("linear", |x| {
            let x = x.reshape([1, x.numel()])?;
            x.linear_act(&x, None, azura_core::Activation::Relu)
        }),
        ("dropout", |x| x.dropout(0.5, &mut Rng::new(0))),
        ("where", |x| Tensor::where_(&x.gt(0.5)?, x, x)),
        ("mse_loss", |x| {
            x.mse_loss(&x.clone().exp()?, Reduction::Mean)
        }),
        ("lstm", |x| {
            let x = x.reshape([1, x.numel(), 1])?;
            let w = |shape: [usize; 2]| Tensor::ones(shape, DType::F64).map(Tensor::variable);
            let weights = RecurrentWeights {
                w_ih: w([4, 1])?,
                w_hh: w([4, 1])?,
                b_ih: None,
                b_hh: None,
                w_hr: None,
            };
            Ok(x.lstm(
                &[weights],
                None,
                RecurrentOptions::default(),
                &mut Rng::new(0),
            )?
            .output)
        }),
    ];
    for (name, build) in graphs {
        // Dropped without a pass, after a pass that keeps the graph, and after results outlive it.
        let runs: [fn(&Tensor, Tensor) -> Result<()>; 2] =
            [|_, _| Ok(()), |x, y| grad(&y.sum_all()?, &[x]).map(drop)];
        for (kind, run) in runs.iter().enumerate() {
            run(&x, build(&x)?)?;
            let before = buffers_from_system();
            for _ in 0..3 {
                run(&x, build(&x)?)?;
            }
            assert_eq!(
                buffers_from_system() - before,
                0,
                "`{name}` keeps memory (run {kind})"
            );
        }
    }
    Ok(())
}

/// A pass gives back what the graph had saved, even if the loss lives on.
#[test]
fn a_pass_frees_what_it_has_used() -> Result<()> {
    let _alone = alone();
    let n = 50_001;
    let store = Store::new(DType::F64);
    let w = store.root(Rng::new(0)).param("w", &[n], Init::Ones)?;
    let mut y = w.value();
    for _ in 0..20 {
        y = y.sin()?;
    }
    let loss = y.sum_all()?;
    drop(y);
    let make = || {
        (0..20)
            .map(|_| Tensor::ones([n], DType::F64))
            .collect::<Result<Vec<_>>>()
    };
    assert!(
        fetched(|| make().unwrap()) >= 20,
        "the graph holds what it saved"
    );
    release_unused_memory();
    loss.backward()?;
    let before = buffers_from_system();
    let again = make()?;
    // One more may be needed for the last gradient that is still on its way.
    let fetched = buffers_from_system() - before;
    assert!(fetched <= 1, "{fetched} of 20 buffers were not given back");
    drop((again, loss));
    Ok(())
}

/// A gradient that nobody wants is not computed: its buffer is never asked for.
#[test]
fn unwanted_gradients_cost_nothing() -> Result<()> {
    let _alone = alone();
    type Apply = fn(&[Tensor]) -> Result<Tensor>;
    let rows: &[(&str, &[&[usize]], Apply)] = &[
        ("matmul", &[&[300, 20], &[20, 5]], |x| x[0].matmul(&x[1])),
        ("matmul right", &[&[5, 20], &[20, 300]], |x| {
            x[0].matmul(&x[1])
        }),
        ("linear", &[&[300, 20], &[5, 20], &[5]], |x| {
            x[0].linear(&x[1], Some(&x[2]))
        }),
        ("mul", &[&[300, 20], &[20]], |x| x[0].clone().mul(&x[1])),
        ("where_", &[&[300, 20], &[20]], |x| {
            Tensor::where_(&x[0].gt(0.5)?, &x[0], &x[1])
        }),
        ("lstm", &[&[2, 300, 20], &[4, 20], &[4, 1]], |x| {
            let w = RecurrentWeights {
                w_ih: x[1].clone(),
                w_hh: x[2].clone(),
                b_ih: None,
                b_hh: None,
                w_hr: None,
            };
            Ok(x[0]
                .lstm(&[w], None, RecurrentOptions::default(), &mut Rng::new(0))?
                .output)
        }),
    ];
    for (name, shapes, f) in rows {
        // The input with most elements is the one that needs no gradient.
        let largest = (0..shapes.len())
            .max_by_key(|&i| shapes[i].iter().product::<usize>())
            .unwrap();
        // `needs`: whether the large one needs a gradient; `asked`: whether it is asked for.
        let count = |needs: bool, asked: bool| -> Result<u64> {
            let inputs = shapes
                .iter()
                .enumerate()
                .map(|(i, shape)| {
                    let x = Tensor::ones(*shape, DType::F64)?;
                    Ok(if needs || i != largest {
                        x.variable()
                    } else {
                        x
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            let loss = f(&inputs)?.sum_all()?;
            let wanted: Vec<&Tensor> = (0..inputs.len())
                .filter(|&i| asked || i != largest)
                .map(|i| &inputs[i])
                .collect();
            Ok(fetched(|| grad(&loss, &wanted).unwrap()))
        };
        let all = count(true, true)?;
        for (what, some) in [
            ("needs none", count(false, false)?),
            ("is not asked for", count(true, false)?),
        ] {
            assert!(
                some < all,
                "`{name}`: {some} buffers where the large one {what}, {all} else"
            );
        }
    }
    Ok(())
}

/// Views and `variable`, `detach`, `cast` to the same dtype ask for no memory.
#[test]
fn views_need_no_memory() -> Result<()> {
    let _alone = alone();
    let x = Tensor::ones([64, 64], DType::F32)?;
    let views = fetched(|| -> Result<Vec<Tensor>> {
        Ok(vec![
            x.t()?,
            x.narrow(0, 3, 9)?,
            x.reshape([4096])?,
            x.t()?.reshape([64, 8, 8])?,
            x.unsqueeze(0)?.expand([9, 64, 64])?,
            x.clone().variable().detach(),
            x.cast(DType::F32)?,
            x.contiguous(),
        ])
    });
    assert_eq!(views, 0);
    // The last handle of a temporary gives its buffer to the result.
    let chain = fetched(|| {
        x.clone()
            .add(1.0)
            .unwrap()
            .sqrt()
            .unwrap()
            .neg()
            .unwrap()
            .mul(&x)
            .unwrap()
    });
    assert_eq!(chain, 1);
    Ok(())
}
