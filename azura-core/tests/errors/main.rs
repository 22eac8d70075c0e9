//! Bad arguments give an error that says what must hold and what was there instead; nothing panics.

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod attention;
mod conv;
mod elementwise;
mod linalg;
mod loss;
mod making;
mod norm;
mod pool;
mod random;
mod recurrent;
mod reduce;
mod shape;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{
    Activation, DType, Device, Error, Init, RecurrentOptions, RecurrentWeights, Reduction, Result,
    Rng, Store, Tensor, serial,
};
use common::operations;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32).unwrap()
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

/// The message of an error that must be there.
fn text<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

/// A message that was got, and what it should be: what a person reads is part of the interface.
type Message = (String, &'static str);

/// Random arguments for any operation.
struct Args {
    a: Tensor,
    b: Tensor,
    c: Tensor,
    shapes: [Vec<usize>; 3],
    dtypes: [DType; 3],
    dims: [isize; 3],
    sizes: [usize; 3],
    number: f64,
    keep: bool,
    /// Two i64 ids, the first from -1 to 3.
    ids: Tensor,
    /// As many u32 labels as `a` has rows.
    labels: Tensor,
}

/// A method of `Tensor` (then what sets the call apart), and a call of it.
type Call<'a> = (&'static str, Box<dyn Fn() -> Result<Tensor> + 'a>);

#[test]
fn messages() {
    let rows: Vec<Message> = [
        activation::messages(),
        attention::messages(),
        conv::messages(),
        elementwise::messages(),
        linalg::messages(),
        loss::messages(),
        making::messages(),
        norm::messages(),
        pool::messages(),
        random::messages(),
        reduce::messages(),
        shape::messages(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(got, want)| got != want)
        .map(|(got, want)| format!("got  {got}\nwant {want}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn calls(args: &Args) -> Vec<Call<'_>> {
    [
        activation::calls(args),
        attention::calls(args),
        conv::calls(args),
        elementwise::calls(args),
        linalg::calls(args),
        loss::calls(args),
        making::calls(args),
        norm::calls(args),
        pool::calls(args),
        random::calls(args),
        recurrent::calls(args),
        reduce::calls(args),
        shape::calls(args),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn store_and_optimiser_messages() -> Result<()> {
    let store = Store::new(DType::F32);
    let root = store.root(Rng::new(0));
    root.at("a").param("w", &[2], Init::Zeros)?;
    assert_eq!(
        text(root.param("a.w", &[2], Init::Zeros)),
        "[store] `a.w` is registered already"
    );
    assert_eq!(
        text(root.at("a").param("", &[2], Init::Zeros)),
        "[store] a parameter under `a` has an empty name"
    );
    assert_eq!(
        text(root.param("big", &[usize::MAX], Init::Zeros)),
        "[param] the number of elements must fit the address space, but got [18446744073709551615]"
    );
    let value = |name: &str, shape: &[usize], dtype: DType| {
        (name.to_string(), Tensor::zeros(shape, dtype).unwrap())
    };
    assert_eq!(
        text(store.load(&[])),
        "[store] `a.w` is missing from the values to load"
    );
    assert_eq!(
        text(store.load(&[value("a.w", &[3], DType::F32)])),
        "[store] `a.w` must be f32 of shape [2], but got f32 of shape [3]"
    );
    assert_eq!(
        text(store.load(&[value("a.w", &[2], DType::F64)])),
        "[store] `a.w` must be f32 of shape [2], but got f64 of shape [2]"
    );
    let twice = [
        value("a.w", &[2], DType::F32),
        value("a.w", &[2], DType::F32),
    ];
    assert_eq!(
        text(store.load(&twice)),
        "[store] `a.w` stands twice in the values to load"
    );
    let more = [value("a.w", &[2], DType::F32), value("b", &[2], DType::F32)];
    assert_eq!(
        text(store.load(&more)),
        "[store] `b` is neither a parameter nor a buffer of this store"
    );
    assert_eq!(
        text(
            Store::new(DType::I64)
                .root(Rng::new(0))
                .param("w", &[1], Init::Zeros)
        ),
        "[param] a store's dtype must be f32 or f64, but got i64"
    );
    let mut adam = Adam::new(&store)?;
    for lr in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(
            text(adam.step(lr)).starts_with(
                "[optimizer] the learning rate must be finite and not negative, but got"
            )
        );
    }
    let mut sgd = Sgd::new(&store)?;
    sgd.nesterov = true;
    assert_eq!(
        text(sgd.step(0.1)),
        "[sgd] Nesterov needs a momentum above 0 and no dampening, but got momentum 0 and dampening 0"
    );
    assert_eq!(
        text(adam.load(&[])),
        "[store] the optimiser's state lacks `steps`"
    );
    Ok(())
}

#[test]
fn devices_and_files_say_what_is_wrong() {
    let error = Device::Cuda(0).check().unwrap_err();
    assert!(matches!(error, Error::CudaUnavailable { .. }));
    assert!(
        error
            .to_string()
            .starts_with("[device] CUDA was requested but cannot be used: ")
    );
    assert!(
        "gpu"
            .parse::<Device>()
            .unwrap_err()
            .to_string()
            .contains("gpu")
    );
    assert!(text(serial::load("/nowhere/at all")).starts_with("/nowhere/at all: "));
    assert!(
        text(serial::read(b"", "empty.safetensors"))
            .starts_with("[safetensors] empty.safetensors: ")
    );
    let x = (String::from("x"), zeros(&[1]));
    assert_eq!(
        text(serial::to_bytes(&[x.clone(), x], &Default::default())),
        "[safetensors] file to write: two tensors are named `x`"
    );
}

/// `[op] rule, but got fact`, without the marks of a value printed in debug form.
fn well_formed(message: &str) -> bool {
    message.starts_with('[')
        && message.contains("] ")
        && message.contains(", but got ")
        && !message.contains("Some(")
        && !message.contains("None")
        && !message.ends_with('.')
}

fn any_shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(
        prop_oneof![Just(0usize), Just(1), Just(2), Just(3), 0usize..5],
        0..5,
    )
}

fn any_dim() -> impl Strategy<Value = isize> {
    prop_oneof![9 => -6isize..6, 1 => Just(isize::MIN), 1 => Just(isize::MAX)]
}

fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0usize..6, 1 => Just(usize::MAX), 1 => Just(1usize << 62)]
}

fn any_dtype() -> impl Strategy<Value = DType> {
    prop_oneof![
        6 => Just(DType::F64),
        2 => Just(DType::F32),
        2 => Just(DType::F16),
        1 => Just(DType::BF16),
        1 => Just(DType::I64),
        1 => Just(DType::U32),
        1 => Just(DType::Bool),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the arguments, every operation returns a result or a well-formed error, and where it
    /// returns a result its gradient can be taken.
    #[test]
    fn nothing_panics(
        shapes in [any_shape(), any_shape(), any_shape()],
        dtypes in [any_dtype(), any_dtype(), any_dtype()],
        dims in [any_dim(), any_dim(), any_dim()],
        sizes in [any_size(), any_size(), any_size()],
        number in prop_oneof![-2.0f64..3.0, Just(f64::NAN), Just(f64::INFINITY), Just(0.0)],
        keep in any::<bool>(),
        id in -1i64..4,
    ) {
        let [a, b, c] = [0, 1, 2].map(|i| Tensor::ones(&shapes[i], dtypes[i]).unwrap().variable());
        let ids = ints(&[id, 0]);
        let labels = Tensor::full([shapes[0].first().copied().unwrap_or(2)], id.max(0) as f64, DType::U32).unwrap();
        let args = Args { a, b, c, shapes, dtypes, dims, sizes, number, keep, ids, labels };
        let Args { a, b, c, .. } = &args;
        for (name, op) in &calls(&args) {
            match catch_unwind(AssertUnwindSafe(op)) {
                Err(_) => prop_assert!(false, "`{}` panics", name),
                Ok(Err(error)) => prop_assert!(well_formed(&error.to_string()), "`{}`: {}", name, error),
                Ok(Ok(y)) if y.needs_grad() && y.dtype().is_float() => {
                    let targets: Vec<&Tensor> = [a, b, c].into_iter().filter(|x| x.dtype().is_float()).collect();
                    let backward = || -> Result<()> {
                        let gradients = azura_core::grad(&y.sum_all()?, &targets)?;
                        for (gradient, target) in gradients.iter().zip(&targets) {
                            assert_eq!(gradient.shape(), target.shape());
                            assert_eq!(gradient.dtype(), target.dtype());
                        }
                        Ok(())
                    };
                    match catch_unwind(AssertUnwindSafe(backward)) {
                        Err(_) => prop_assert!(false, "the gradient of `{}` panics", name),
                        Ok(outcome) => prop_assert!(outcome.is_ok(), "the gradient of `{}`: {:?}", name, outcome),
                    }
                }
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// An operation that is not called with random arguments may panic unseen.
#[test]
fn every_operation_is_called() {
    let args = Args {
        a: zeros(&[2]),
        b: zeros(&[2]),
        c: zeros(&[2]),
        shapes: [vec![2], vec![2], vec![2]],
        dtypes: [DType::F32; 3],
        dims: [0; 3],
        sizes: [1; 3],
        number: 0.5,
        keep: false,
        ids: ints(&[0, 0]),
        labels: ints(&[0, 0]),
    };
    let called: Vec<&str> = calls(&args)
        .iter()
        .filter_map(|(name, _)| name.split(' ').next())
        .collect();
    let missing: Vec<String> = operations()
        .into_iter()
        .filter(|name| !called.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
}

#[test]
fn optimiser_options_out_of_range() {
    use azura_core::optim::{Adam, Optimizer};
    let store = azura_core::Store::new(DType::F32);
    let mut adam = Adam::new(&store).unwrap();
    adam.betas.1 = 1.0;
    assert_eq!(
        adam.step(0.1).unwrap_err().to_string(),
        "[adam] betas must lie in [0, 1), eps and weight_decay must not be negative, but got betas 0.9 and 1, eps 0.00000001 and weight_decay 0"
    );
}

#[test]
fn integers_have_no_gradient() {
    let x = Tensor::arange(0.0, 3.0, 1.0, DType::I64)
        .unwrap()
        .variable();
    assert!(!x.needs_grad());
}
