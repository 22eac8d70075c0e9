//! The graph: its life, what it releases, what it shares, and what it leaves alone.

mod common;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{DType, Error, Init, Reduction, Result, Rng, Store, Tensor, grad, no_grad};
use common::{Domain, f64s, random};
use proptest::prelude::*;

fn store_with(values: &[(&str, &[usize], f64)]) -> (Store, Vec<azura_core::Param>) {
    let store = Store::new(DType::F64);
    let root = store.root(Rng::new(0));
    let params = values
        .iter()
        .map(|(name, shape, value)| root.param(name, shape, Init::Constant(*value)).unwrap())
        .collect();
    (store, params)
}

/// Runs `f` on a thread whose stack would not hold a frame for each of 100,000 nodes.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(192 * 1024)
        .spawn(f)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_deep_graph_runs_and_drops_without_recursion() {
    on_a_small_stack(|| {
        let x = Tensor::scalar(1.0, DType::F64).unwrap().variable();
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = y.add(1.0).unwrap();
        }
        assert_eq!(y.item::<f64>().unwrap(), 100_001.0);
        assert_eq!(f64s(&grad(&y, &[&x]).unwrap()[0]), [1.0]);
        drop(y);
    });
    on_a_small_stack(|| {
        let (_, params) = store_with(&[("w", &[], 1.0)]);
        let mut y = params[0].value();
        // Two edges to each node: neither may be followed by recursion.
        for _ in 0..50_000 {
            y = y
                .clone()
                .mul(0.5)
                .unwrap()
                .add(y.mul(0.5).unwrap())
                .unwrap();
        }
        y.backward().unwrap();
        assert_eq!(f64s(&params[0].grad().unwrap()), [1.0]);
        drop(y);
    });
    on_a_small_stack(|| {
        let mut y = Tensor::scalar(1.0, DType::F64).unwrap().variable();
        for _ in 0..100_000 {
            y = y.add(1.0).unwrap();
        }
        drop(y);
    });
}

#[test]
fn a_pass_releases_the_graph_and_retain_keeps_it() -> Result<()> {
    let (store, params) = store_with(&[("w", &[3], 2.0)]);
    let loss = params[0].value().square()?.sum_all()?;
    loss.backward_retain()?;
    assert_eq!(f64s(&params[0].grad().unwrap()), [4.0; 3]);
    loss.backward()?;
    assert_eq!(f64s(&params[0].grad().unwrap()), [8.0; 3], "passes add up");
    let error = loss.backward().unwrap_err();
    assert!(matches!(error, Error::GraphReleased { .. }), "{error}");
    assert!(
        error.to_string().contains("compute the loss again"),
        "{error}"
    );
    assert!(matches!(
        grad(&loss, &[&params[0].value()]),
        Err(Error::GraphReleased { .. })
    ));
    // What failed has added nothing.
    assert_eq!(f64s(&params[0].grad().unwrap()), [8.0; 3]);
    store.zero_grad();
    assert!(params[0].grad().is_none());
    params[0].value().sum_all()?.backward()?;
    assert_eq!(
        f64s(&params[0].grad().unwrap()),
        [1.0; 3],
        "zero_grad forgets"
    );
    Ok(())
}

#[test]
fn a_shared_part_of_two_graphs_serves_the_first_pass_only() -> Result<()> {
    let (_, params) = store_with(&[("w", &[2], 3.0)]);
    let shared = params[0].value().square()?;
    let first = shared.sum_all()?;
    let second = shared.mean_all()?;
    first.backward()?;
    assert!(matches!(
        second.backward(),
        Err(Error::GraphReleased { op: "square" })
    ));
    Ok(())
}

#[test]
fn every_kind_of_loss_is_checked() {
    let x = Tensor::zeros([2], DType::F64).unwrap();
    let error = x.clone().variable().backward().unwrap_err().to_string();
    assert!(
        error.starts_with("[backward] the loss must be one number, but got shape [2]"),
        "{error}"
    );
    let error = x.sum_all().unwrap().backward().unwrap_err().to_string();
    assert!(
        error.starts_with("[backward] the loss must depend on"),
        "{error}"
    );
    let error = grad(&x.clone().variable().sum_all().unwrap(), &[&x])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("[grad] every tensor must need a gradient, but got number 0"),
        "{error}"
    );
    let hidden = no_grad(|| x.clone().variable().square().unwrap().sum_all().unwrap());
    assert!(!hidden.needs_grad());
}

#[test]
fn grad_answers_for_variables_parameters_and_intermediates() -> Result<()> {
    let (store, params) = store_with(&[("w", &[2], 3.0), ("v", &[2], 5.0)]);
    let x = Tensor::from_slice(&[1.0, 2.0], [2])?.variable();
    let other = Tensor::scalar(0.0, DType::F64)?.variable();
    let w = params[0].value();
    let middle = x.clone().mul(&w)?;
    let top = middle.clone().square()?;
    let loss = top.sum_all()?;
    // The same parameter may be asked for twice, through different handles.
    let again = params[0].value();
    let asked = [&x, &w, &middle, &top, &other, &again, &loss, &x];
    let first = grad(&loss, &asked)?;
    let second = grad(&loss, &asked)?;
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(f64s(a), f64s(b), "the graph is kept");
    }
    let values: Vec<Vec<f64>> = first.iter().map(f64s).collect();
    assert_eq!(values[0], [18.0, 36.0]);
    assert_eq!(values[1], [6.0, 24.0]);
    assert_eq!(values[2], [6.0, 12.0]);
    assert_eq!(values[3], [1.0, 1.0]);
    assert_eq!(values[4], [0.0], "the loss does not depend on it");
    assert_eq!(values[5], values[1]);
    assert_eq!(values[6], [1.0]);
    assert_eq!(values[7], values[0]);
    assert!(
        params.iter().all(|p| p.grad().is_none()),
        "parameters' gradients are left alone"
    );
    assert_eq!(store.untouched(), ["w", "v"]);
    // A target in front of another target.
    let both = grad(&loss, &[&middle, &x])?;
    assert_eq!(f64s(&both[1]), [18.0, 36.0]);
    Ok(())
}

#[test]
fn untouched_parameters_are_named_and_left_alone() -> Result<()> {
    let (store, params) = store_with(&[
        ("used", &[2], 1.0),
        ("unused", &[2], 1.0),
        ("late", &[2], 1.0),
    ]);
    let mut optimizer = Adam::adamw(&store)?;
    params[0].value().sum_all()?.backward()?;
    assert_eq!(store.untouched(), ["unused", "late"]);
    optimizer.step(0.1)?;
    assert!(f64s(&params[0].value())[0] < 1.0);
    assert_eq!(
        f64s(&params[1].value()),
        [1.0; 2],
        "no gradient, no weight decay"
    );
    store.zero_grad();
    // A parameter's own step count starts with its first gradient.
    params[2].value().sum_all()?.backward()?;
    optimizer.step(0.1)?;
    assert!((f64s(&params[2].value())[0] - (1.0 - 0.001 - 0.1)).abs() < 1e-8);
    let state = optimizer.state()?;
    let steps = &state.iter().find(|(name, _)| name == "steps").unwrap().1;
    assert_eq!(steps.to_vec::<i64>()?, [1, 0, 1]);
    Ok(())
}

#[test]
fn frozen_parameters_get_no_gradient_and_stay() -> Result<()> {
    let (store, params) = store_with(&[("a", &[2], 2.0), ("b", &[2], 3.0)]);
    params[0].set_frozen(true);
    assert!(!params[0].value().needs_grad());
    let loss = params[0].value().mul(params[1].value())?.sum_all()?;
    loss.backward()?;
    assert!(params[0].grad().is_none());
    assert_eq!(f64s(&params[1].grad().unwrap()), [2.0; 2]);
    assert!(
        store.untouched().is_empty(),
        "a frozen parameter is not missed"
    );
    Sgd::new(&store)?.step(1.0)?;
    assert_eq!(f64s(&params[0].value()), [2.0; 2]);
    assert_eq!(f64s(&params[1].value()), [1.0; 2]);
    // Frozen after its gradient came in: the step skips it all the same.
    store.zero_grad();
    params[1].value().sum_all()?.backward()?;
    params[1].set_frozen(true);
    Sgd::new(&store)?.step(1.0)?;
    assert_eq!(f64s(&params[1].value()), [1.0; 2]);
    params[0].set_frozen(false);
    assert!(params[0].value().needs_grad());
    Ok(())
}

#[test]
fn a_view_keeps_its_values_across_a_step() -> Result<()> {
    let (store, params) = store_with(&[("w", &[2, 2], 2.0)]);
    let before = params[0].value();
    let part = before.select(0, 1)?;
    let old_graph = before.clone().square()?.sum_all()?;
    before.sum_all()?.backward()?;
    Sgd::new(&store)?.step(0.5)?;
    assert_eq!(f64s(&before), [2.0; 4]);
    assert_eq!(f64s(&part), [2.0; 2]);
    assert_eq!(f64s(&params[0].value()), [1.5; 4]);
    // A graph made before the step differentiates at the values it was made with.
    store.zero_grad();
    old_graph.backward()?;
    assert_eq!(f64s(&params[0].grad().unwrap()), [4.0; 4]);
    // Loading is a write as well.
    let held = params[0].value();
    store.load(&[("w".into(), Tensor::full([2, 2], 7.0, DType::F64)?)])?;
    assert_eq!(f64s(&held), [1.5; 4]);
    assert_eq!(f64s(&params[0].value()), [7.0; 4]);
    // Copies of the state and of gradients are copies.
    let state = store.state()?;
    params[0].value().sum_all()?.backward()?;
    let gradient = params[0].grad().unwrap();
    Sgd::new(&store)?.step(1.0)?;
    store.zero_grad();
    params[0].value().mul(9.0)?.sum_all()?.backward()?;
    assert_eq!(f64s(&state[0].1), [7.0; 4]);
    assert_eq!(f64s(&gradient), [5.0; 4]);
    Ok(())
}

#[test]
fn a_parameter_used_often_collects_every_use() -> Result<()> {
    let (_, params) = store_with(&[("w", &[2, 2], 2.0)]);
    let x = Tensor::from_slice(&[1.0, 2.0], [1, 2])?;
    let w = params[0].value();
    // Through linear (written straight into the arena), matmul (added), itself and a view.
    let loss = x
        .linear(&w, None)?
        .sum_all()?
        .add(x.matmul(&params[0].value())?.sum_all()?)?
        .add(params[0].value().sum_all()?)?
        .add(w.select(0, 0)?.sum_all()?)?;
    loss.backward()?;
    assert_eq!(
        f64s(&params[0].grad().unwrap()),
        [
            1.0 + 1.0 + 1.0 + 1.0,
            2.0 + 1.0 + 1.0 + 1.0,
            1.0 + 2.0 + 1.0,
            2.0 + 2.0 + 1.0
        ]
    );
    Ok(())
}

#[test]
fn threads_share_a_store() -> Result<()> {
    let (store, params) = store_with(&[("w", &[64, 32], 1.0), ("b", &[64], 0.0)]);
    let pass = |x: f64| -> Result<()> {
        let x = Tensor::full([8, 32], x, DType::F64)?;
        x.linear(&params[0].value(), Some(&params[1].value()))?
            .sum_all()?
            .backward()
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for _ in 0..50 {
                    pass(f64::from(thread)).unwrap();
                }
            });
        }
    });
    // Whole numbers: exact in any order.
    assert_eq!(
        f64s(&params[0].grad().unwrap()),
        vec![50.0 * 8.0 * 6.0; 64 * 32]
    );
    assert_eq!(f64s(&params[1].grad().unwrap()), vec![50.0 * 8.0 * 4.0; 64]);
    drop(store);
    Ok(())
}

/// Products large enough to be shared among threads, while the store they write into is shared too.
#[test]
fn threads_of_threads_share_a_store() -> Result<()> {
    let store = Store::new(DType::F32);
    let w = store
        .root(Rng::new(0))
        .param("w", &[200, 300], Init::Ones)?;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                azura_core::with_threads(2, || {
                    for _ in 0..5 {
                        let x = Tensor::ones([128, 300], DType::F32).unwrap();
                        let y = x.linear(&w.value(), None).unwrap();
                        y.sum_all().unwrap().backward().unwrap();
                    }
                });
            });
        }
    });
    assert_eq!(
        w.grad().unwrap().to_vec::<f32>()?,
        vec![3.0 * 5.0 * 128.0; 200 * 300]
    );
    Ok(())
}

#[test]
fn a_reader_never_sees_half_a_step() -> Result<()> {
    let n = 20_000;
    let store = Store::new(DType::F32);
    let root = store.root(Rng::new(0));
    let params = [
        root.param("a", &[n], Init::Zeros)?,
        root.param("b", &[n], Init::Zeros)?,
    ];
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            loop {
                let last = done.load(std::sync::atomic::Ordering::Relaxed);
                let values: Vec<f32> = params[1].value().to_vec().unwrap();
                assert!(
                    values.iter().all(|&x| x == values[0]),
                    "half a step at {}",
                    values[0]
                );
                seen += 1;
                if last {
                    break;
                }
            }
            seen
        });
        let mut optimizer = Sgd::new(&store).unwrap();
        for _ in 0..100 {
            let loss = params[0]
                .value()
                .sum_all()
                .unwrap()
                .add(params[1].value().sum_all().unwrap())
                .unwrap();
            loss.backward().unwrap();
            optimizer.step(1.0).unwrap();
            store.zero_grad();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let seen: usize = reader.join().unwrap();
        assert!(seen > 0);
    });
    assert_eq!(params[1].value().to_vec::<f32>()?, vec![-100.0; n]);
    Ok(())
}

#[test]
fn one_graph_from_two_threads_is_used_once() -> Result<()> {
    for _ in 0..20 {
        let (_, params) = store_with(&[("w", &[16], 3.0)]);
        let loss = params[0].value().square()?.square()?.sum_all()?;
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| loss.backward().is_ok()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|ok| **ok).count(), 1);
        assert_eq!(f64s(&params[0].grad().unwrap()), [108.0; 16]);
    }
    Ok(())
}

#[test]
fn a_gradient_that_is_a_broadcast_view_is_not_overwritten() -> Result<()> {
    // The gradient of `sum_all` is one number seen everywhere; two uses of x add into it.
    let x = Tensor::from_slice(&[1.0, 2.0, 3.0], [3])?.variable();
    let loss = x
        .sum_all()?
        .add(x.sum_all()?)?
        .add(x.clone().square()?.sum_all()?)?;
    assert_eq!(f64s(&grad(&loss, &[&x])?[0]), [4.0, 6.0, 8.0]);
    // One gradient that goes to both operands, each of which is used again.
    let y = Tensor::from_slice(&[1.0, 2.0, 3.0], [3])?.variable();
    let sum = x.clone().add(&y)?;
    let loss = sum.clone().add(&x)?.add(sum)?.sum_all()?;
    let gradients = grad(&loss, &[&x, &y])?;
    assert_eq!(f64s(&gradients[0]), [3.0; 3]);
    assert_eq!(f64s(&gradients[1]), [2.0; 3]);
    Ok(())
}

/// A step of a random program over a list of tensors of one shape.
#[derive(Clone, Debug)]
enum Op {
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Tanh(usize),
    Sigmoid(usize),
    Neg(usize),
    Scale(usize),
    Contiguous(usize),
    View(usize),
    Softmax(usize),
    /// Forgets a tensor, so that the next use of its result may have the last handle.
    Forget(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..64;
    prop_oneof![
        (n.clone(), n.clone()).prop_map(|(a, b)| Op::Add(a, b)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Op::Sub(a, b)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Op::Mul(a, b)),
        n.clone().prop_map(Op::Tanh),
        n.clone().prop_map(Op::Sigmoid),
        n.clone().prop_map(Op::Neg),
        n.clone().prop_map(Op::Scale),
        n.clone().prop_map(Op::Contiguous),
        n.clone().prop_map(Op::View),
        n.clone().prop_map(Op::Softmax),
        n.prop_map(Op::Forget),
    ]
}

/// A handle, and the values it had when it was taken.
type Held = (Tensor, Vec<f64>);

/// Runs a program twice over: with tensors that give their buffer away where they can (`take`), and
/// with every handle held by somebody else as well.
fn run(program: &[Op], start: &[Tensor], take: bool) -> Result<(Tensor, Vec<Held>)> {
    let mut tensors: Vec<Tensor> = start.to_vec();
    let mut held = Vec::new();
    for op in program {
        let n = tensors.len();
        let mut get = |i: usize| {
            let i = i % n;
            let tensor = tensors[i].clone();
            if take {
                // Leave a detached copy of nothing behind: the handle that goes on is the last.
                tensors[i] = Tensor::from_vec(f64s(&tensor), tensor.shape())?;
            } else {
                held.push((tensor.clone(), f64s(&tensor)));
            }
            Ok::<Tensor, Error>(tensor)
        };
        let y = match *op {
            Op::Add(a, b) => get(a)?.add(get(b)?)?,
            Op::Sub(a, b) => get(a)?.sub(get(b)?)?,
            Op::Mul(a, b) => get(a)?.mul(get(b)?)?,
            Op::Tanh(a) => get(a)?.tanh()?,
            Op::Sigmoid(a) => get(a)?.sigmoid()?,
            Op::Neg(a) => get(a)?.neg()?,
            Op::Scale(a) => get(a)?.mul(0.5)?,
            Op::Contiguous(a) => get(a)?.t()?.contiguous().t()?,
            Op::View(a) => get(a)?.reshape([9])?.reshape([3, 3])?,
            Op::Softmax(a) => get(a)?.softmax(0)?,
            Op::Forget(a) => {
                let i = a % n;
                if n > 3 {
                    tensors.remove(i);
                }
                continue;
            }
        };
        tensors.push(y);
    }
    let mut loss = Tensor::scalar(0.0, DType::F64)?;
    for tensor in &tensors {
        loss = loss.add(tensor.sum_all()?)?;
    }
    Ok((loss, held))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that somebody holds is ever overwritten, forwards or backwards.
    #[test]
    fn donation_is_honest(program in prop::collection::vec(op(), 1..25), seed in any::<u64>(), recorded in any::<bool>()) {
        let mut rng = Rng::new(seed);
        let start: Vec<Tensor> = (0..3)
            .map(|i| {
                let x = random(&mut rng, &[3, 3], Domain::Any);
                if recorded && i < 2 { x.variable() } else { x }
            })
            .collect();
        let values: Vec<Vec<f64>> = start.iter().map(f64s).collect();
        let (loss, held) = run(&program, &start, false).unwrap();
        for (tensor, values) in &held {
            prop_assert_eq!(&f64s(tensor), values);
        }
        if recorded && loss.needs_grad() {
            let targets: Vec<&Tensor> = start[..2].iter().chain(held.iter().map(|(t, _)| t).filter(|t| t.needs_grad())).collect();
            let first: Vec<Tensor> = grad(&loss, &targets).unwrap();
            let kept: Vec<Vec<f64>> = first.iter().map(f64s).collect();
            let second: Vec<Vec<f64>> = grad(&loss, &targets).unwrap().iter().map(f64s).collect();
            prop_assert_eq!(&kept, &second);
            prop_assert_eq!(first.iter().map(f64s).collect::<Vec<_>>(), kept);
            for (tensor, values) in &held {
                prop_assert_eq!(&f64s(tensor), values);
            }
        }
        for (x, values) in start.iter().zip(&values) {
            prop_assert_eq!(&f64s(x), values);
        }
        if !recorded {
            let (donated, _) = run(&program, &start, true).unwrap();
            prop_assert_eq!(f64s(&donated), f64s(&loss));
            for (x, values) in start.iter().zip(&values) {
                prop_assert_eq!(&f64s(x), values);
            }
        }
    }
}

#[test]
fn clipping_is_pytorchs() -> Result<()> {
    let (store, params) =
        store_with(&[("a", &[2], 0.0), ("b", &[1], 0.0), ("untouched", &[5], 0.0)]);
    let set = |scale: f64| -> Result<()> {
        store.zero_grad();
        let a = Tensor::from_slice(&[3.0 * scale, 0.0], [2])?;
        params[0]
            .value()
            .mul(&a)?
            .sum_all()?
            .add(params[1].value().mul(4.0 * scale)?.sum_all()?)?
            .backward()
    };
    set(1.0)?;
    assert_eq!(store.grad_norm()?, 5.0);
    assert_eq!(store.clip_grad_norm(1.0)?, 5.0);
    let factor = 1.0 / (5.0 + 1e-6);
    assert_eq!(f64s(&params[0].grad().unwrap()), [3.0 * factor, 0.0]);
    assert_eq!(f64s(&params[1].grad().unwrap()), [4.0 * factor]);
    set(1.0)?;
    assert_eq!(store.clip_grad_norm(5.1)?, 5.0);
    assert_eq!(
        f64s(&params[0].grad().unwrap()),
        [3.0, 0.0],
        "below the limit nothing changes"
    );
    set(0.0)?;
    assert_eq!(store.clip_grad_norm(1.0)?, 0.0);
    assert_eq!(f64s(&params[0].grad().unwrap()), [0.0, 0.0]);
    set(f64::NAN)?;
    assert!(store.clip_grad_norm(1.0)?.is_nan());
    for bad in [0.0, -1.0, f64::NAN] {
        assert!(store.clip_grad_norm(bad).is_err());
    }
    Ok(())
}

#[test]
fn an_optimiser_goes_on_from_its_state() -> Result<()> {
    let train = |optimizer: &mut dyn Optimizer,
                 store: &Store,
                 params: &[azura_core::Param],
                 from: usize,
                 to: usize|
     -> Result<()> {
        for step in from..to {
            let x = random(&mut Rng::new(step as u64), &[4, 3], Domain::Any);
            let y = x.linear(&params[0].value(), Some(&params[1].value()))?;
            y.mse_loss(&Tensor::ones([4, 2], DType::F64)?, Reduction::Mean)?
                .backward()?;
            optimizer.step(0.05)?;
            store.zero_grad();
        }
        Ok(())
    };
    type Make = fn(&Store) -> Result<Box<dyn Optimizer>>;
    let makes: [Make; 3] = [
        |s| Ok(Box::new(Adam::new(s)?)),
        |s| Ok(Box::new(Adam::adamw(s)?)),
        |s| {
            let mut sgd = Sgd::new(s)?;
            (sgd.momentum, sgd.nesterov) = (0.9, true);
            Ok(Box::new(sgd))
        },
    ];
    for make in makes {
        let new = || store_with(&[("w", &[2, 3], 0.5), ("b", &[2], 0.0)]);
        let (whole, params) = new();
        train(&mut *make(&whole)?, &whole, &params, 0, 10)?;
        let (half, params) = new();
        let mut first = make(&half)?;
        train(&mut *first, &half, &params, 0, 4)?;
        let (values, state) = (half.state()?, first.state()?);
        train(&mut *first, &half, &params, 4, 6)?;
        let (rest, params) = new();
        rest.load(&values)?;
        let mut second = make(&rest)?;
        second.load(&state)?;
        train(&mut *second, &rest, &params, 4, 10)?;
        for ((_, a), (_, b)) in whole.state()?.iter().zip(&rest.state()?) {
            assert_eq!(f64s(a), f64s(b));
        }
        // A state that does not fit is refused and changes nothing.
        let before = second.state()?;
        let mut short = state.clone();
        short.retain(|(name, _)| name != "steps");
        assert!(second.load(&short).is_err());
        let mut long = state.clone();
        if let Some((_, steps)) = long.iter_mut().find(|(name, _)| name == "steps") {
            *steps = Tensor::from_slice(&[1i64; 9], [9])?;
        }
        assert!(
            second.load(&long).is_err(),
            "nine step counts for two parameters"
        );
        let mut missing = state.clone();
        missing.retain(|(name, _)| !name.ends_with("/b") || name.starts_with("m/"));
        assert!(second.load(&missing).is_err());
        for ((name, a), (_, b)) in before.iter().zip(&second.state()?) {
            if name != "steps" {
                assert_eq!(f64s(a), f64s(b), "{name} after a refused load");
            }
        }
    }
    Ok(())
}

/// A damaged file's configuration may ask for a model of any size: nothing of it is allocated.
#[test]
fn values_that_do_not_fit_are_refused_before_anything_is_allocated() -> Result<()> {
    let store = Store::new(DType::F32);
    store
        .root(Rng::new(0))
        .param("w", &[1 << 40], Init::Zeros)?;
    let value = Tensor::ones([2], DType::F32)?;
    assert!(matches!(
        store.load(&[("w".to_string(), value)]),
        Err(Error::Store(_))
    ));
    Ok(())
}

/// Parameters that come after training began, such as a new head, get an arena of their own.
#[test]
fn late_parameters_join_in() -> Result<()> {
    let (store, mut params) = store_with(&[("w", &[3], 1.0)]);
    let held = params[0].value();
    let mut optimizer = Adam::new(&store)?;
    params[0].value().sum_all()?.backward()?;
    optimizer.step(0.1)?;
    store.zero_grad();
    let early = optimizer.state()?;
    params.push(store.root(Rng::new(0)).param("head", &[2], Init::Ones)?);
    assert_eq!(store.numel(), 5);
    let before = optimizer.state()?;
    Adam::new(&store)?.load(&before)?;
    let both = || -> Result<()> {
        let loss = params[0]
            .value()
            .sum_all()?
            .add(params[1].value().sum_all()?)?;
        loss.backward()
    };
    both()?;
    assert!((store.grad_norm()? - 5f64.sqrt()).abs() < 1e-12);
    optimizer.step(0.1)?;
    assert_eq!(f64s(&held), [1.0; 3]);
    // Each has taken its own number of steps of 0.1.
    assert!((f64s(&params[0].value())[0] - 0.8).abs() < 1e-7);
    assert!((f64s(&params[1].value())[0] - 0.9).abs() < 1e-7);
    let (values, state) = (store.state()?, optimizer.state()?);
    store.zero_grad();
    both()?;
    optimizer.step(0.1)?;
    let after: Vec<Vec<f64>> = params.iter().map(|p| f64s(&p.value())).collect();
    // From the saved state the same step follows.
    store.load(&values)?;
    optimizer.load(&state)?;
    optimizer.step(0.1)?;
    assert_eq!(
        params.iter().map(|p| f64s(&p.value())).collect::<Vec<_>>(),
        after
    );
    assert!(
        optimizer.load(&early).is_err(),
        "a state without the head's moments"
    );
    Ok(())
}
