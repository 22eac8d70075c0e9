//! Bad arguments give an error that says what must hold and what was there instead; nothing panics.

mod common;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{
    Activation, DType, Device, Error, Init, LstmOptions, LstmWeights, Reduction, Result, Rng,
    Store, Tensor, serial,
};
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

/// Every message in full: what a person reads is part of the interface.
#[test]
fn messages() {
    let (a, b) = (zeros(&[2, 3]), zeros(&[4]));
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    let labels = ints(&[0, 1]);
    let mut rng = Rng::new(0);
    #[rustfmt::skip]
    let rows: Vec<(String, &str)> = vec![
        (text(Tensor::from_slice(&[1.0f32], [2])), "[from_slice] the number of elements must be the product of the sizes, but got 1 elements for shape [2]"),
        (text(Tensor::zeros([1; 9], DType::F32)), "[full] a tensor has at most 8 axes, but got 9"),
        (text(Tensor::zeros([usize::MAX, 2], DType::F32)), "[full] the number of elements must fit the address space, but got [18446744073709551615, 2]"),
        (text(Tensor::zeros([0, usize::MAX], DType::F32)), "[full] the number of elements must fit the address space, but got [0, 18446744073709551615]"),
        (text(a.to_vec::<f64>()), "[to_vec] the tensor must be f64, but got f32; cast it with `cast`"),
        (text(a.item::<f32>()), "[item] the tensor must have one element, but got shape [2, 3]"),
        (text(a.dim(2)), "[dim] the axis must lie in -2..2, but got 2"),
        (text(zeros(&[]).dim(0)), "[dim] the axis must lie in 0..0, but got 0"),
        (text(&a + &b), "[add] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(&a - &double), "[sub] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.clone().maximum(&b)), "[maximum] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[1]).add(1.0)), "[add] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(ints(&[1]).exp()), "[exp] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.clone().clamp(1.0, 0.0)), "[clamp] low must not exceed high, but got 1 and 0"),
        (text(a.clone().clamp(f64::NAN, 0.0)), "[clamp] low must not exceed high, but got NaN and 0"),
        (text(a.eq(&b)), "[eq] sizes aligned at the last axis must be equal or 1, but got [2, 3] and [4]"),
        (text(ints(&[1]).lt(2.5)), "[lt] the number must be a value of the tensor's dtype i64, but got 2.5; cast the tensor with `cast`"),
        (text(Tensor::zeros([1], DType::U32).unwrap().eq(-1.0)), "[eq] the number must be a value of the tensor's dtype u32, but got -1; cast the tensor with `cast`"),
        (text(Tensor::where_(&a, &a, &a)), "[where] the tensor must be bool, but got f32; cast it with `cast`"),
        (text(a.matmul(&b)), "[matmul] columns of the left must equal rows of the right, but got [2, 3] and [4]"),
        (text(zeros(&[32, 784]).matmul(&zeros(&[128, 10]))), "[matmul] columns of the left must equal rows of the right, but got [32, 784] and [128, 10]"),
        (text(zeros(&[]).matmul(&a)), "[matmul] columns of the left must equal rows of the right, but got [] and [2, 3]"),
        (text(zeros(&[2, 1, 1]).matmul(&zeros(&[3, 1, 1]))), "[matmul] sizes aligned at the last axis must be equal or 1, but got [2] and [3]"),
        (text(a.linear(&zeros(&[5, 4]), None)), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 4] and no bias"),
        (text(a.linear(&zeros(&[5, 3]), Some(&b))), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 3] and [4]"),
        (text(a.sum(&[2], false)), "[sum] the axis must lie in -2..2, but got 2"),
        (text(a.sum(&[0, -2], false)), "[sum] each axis may be named once, but got [0, -2]"),
        (text(a.max(5, false)), "[max] the axis must lie in -2..2, but got 5"),
        (text(a.argmin(5, false)), "[argmin] the axis must lie in -2..2, but got 5"),
        (text(zeros(&[2, 0]).min(1, false)), "[min] the axis must not be empty, but got [2, 0]"),
        (text(ints(&[1]).sum_all()), "[sum] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.var(&[3], 1, false)), "[var] the axis must lie in -2..2, but got 3"),
        (text(ints(&[1]).var(&[0], 1, false)), "[var] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.reshape([7])), "[reshape] the number of elements must stay the same, but got [2, 3] to [7]"),
        (text(a.flatten(1, 0)), "[flatten] the first axis must not come after the last, but got 1 and 0"),
        (text(a.permute(&[0, 0])), "[permute] each axis must be named once, but got [0, 0] for 2 axes"),
        (text(a.permute(&[0])), "[permute] each axis must be named once, but got [0] for 2 axes"),
        (text(a.transpose(0, 2)), "[transpose] the axis must lie in -2..2, but got 2"),
        (text(b.t()), "[t] the tensor must have two axes, but got shape [4]"),
        (text(a.narrow(1, 2, 2)), "[narrow] start + len must not exceed the size 3 of axis 1, but got start 2 and len 2"),
        (text(a.narrow(1, usize::MAX, 2)), "[narrow] start + len must not exceed the size 3 of axis 1, but got start 18446744073709551615 and len 2"),
        (text(a.select(0, 2)), "[select] the index must lie in 0..2, but got 2"),
        (text(a.select(3, 0)), "[select] the axis must lie in -2..2, but got 3"),
        (text(a.squeeze(2)), "[squeeze] the axis must lie in -2..2, but got 2"),
        (text(a.unsqueeze(4)), "[unsqueeze] the axis must lie in -3..3, but got 4"),
        (text(zeros(&[1; 8]).unsqueeze(0)), "[unsqueeze] a tensor has at most 8 axes, but got 9"),
        (text(a.expand([4, 3])), "[expand] only axes of size 1 can be repeated, but got [2, 3] to [4, 3]"),
        (text(a.expand([3])), "[expand] only axes of size 1 can be repeated, but got [2, 3] to [3]"),
        (text(Tensor::cat(&[], 0)), "[cat] there must be a tensor, but got none"),
        (text(Tensor::cat(&[&a, &b], 0)), "[cat] sizes must be equal but for axis 0, but got [2, 3] and [4]"),
        (text(Tensor::cat(&[&a, &double], 0)), "[cat] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(Tensor::stack(&[], 0)), "[stack] there must be a tensor, but got none"),
        (text(Tensor::stack(&[&a, &b], 0)), "[stack] all tensors must have the same shape, but got [2, 3] and [4]"),
        (text(a.index_select(0, &a)), "[index_select] ids must have one axis, but got shape [2, 3]"),
        (text(a.index_select(0, &b)), "[index_select] indices must be u32 or i64, but got f32"),
        (text(a.index_select(0, &ints(&[1, 2]))), "[index_select] every index must lie in 0..2, but got 2 at position 1"),
        (text(a.index_select(0, &ints(&[-1]))), "[index_select] every index must lie in 0..2, but got -1 at position 0"),
        (text(a.softmax(2)), "[softmax] the axis must lie in -2..2, but got 2"),
        (text(ints(&[1]).log_softmax(0)), "[log_softmax] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.dropout(1.5, &mut rng)), "[dropout] p must lie in [0, 1], but got 1.5"),
        (text(a.dropout(f64::NAN, &mut rng)), "[dropout] p must lie in [0, 1], but got NaN"),
        (text(ints(&[1]).dropout(0.5, &mut rng)), "[dropout] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(a.mse_loss(&b, Reduction::Mean)), "[mse_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.l1_loss(&double, Reduction::Mean)), "[l1_loss] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.huber_loss(&a, 0.0, Reduction::Mean)), "[huber_loss] delta must be positive, but got 0"),
        (text(a.cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] needs scores [N, C] and labels [N], but got [2, 3] and [1]"),
        (text(a.cross_entropy(&ints(&[0, 3]), Reduction::Mean)), "[cross_entropy] every index must lie in 0..3, but got 3 at position 1"),
        (text(ints(&[1]).reshape([1, 1]).unwrap().cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(labels.cross_entropy(&labels, Reduction::Mean)), "[cross_entropy] needs scores [N, C] and labels [N], but got [2] and [2]"),
    ];
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

#[test]
fn lstm_messages() {
    let x = zeros(&[2, 3, 4]);
    let weights = |w_ih: &[usize], w_hh: &[usize]| LstmWeights {
        w_ih: zeros(w_ih),
        w_hh: zeros(w_hh),
        b_ih: None,
        b_hh: None,
    };
    let good = weights(&[8, 4], &[8, 2]);
    let run = |x: &Tensor, w: &[LstmWeights], state: Option<(&Tensor, &Tensor)>, dropout: f64| {
        let options = LstmOptions {
            bidirectional: false,
            dropout,
        };
        text(
            x.lstm(w, state, options, &mut Rng::new(0))
                .map(|y| y.output),
        )
    };
    let one = std::slice::from_ref(&good);
    assert_eq!(
        run(&zeros(&[3, 4]), one, None, 0.0),
        "[lstm] needs x [B, T, I] and weights for each layer and direction, but got [3, 4] and 1 weights for 1 directions"
    );
    assert_eq!(
        run(&x, &[], None, 0.0),
        "[lstm] needs x [B, T, I] and weights for each layer and direction, but got [2, 3, 4] and 0 weights for 1 directions"
    );
    assert_eq!(
        run(&x, &[weights(&[8, 5], &[8, 2])], None, 0.0),
        "[lstm] weights of layer 0 must be [8, 4] and [8, 2], biases [8], but got [8, 5] and [8, 2]"
    );
    assert_eq!(
        run(&x, one, None, 1.5),
        "[lstm] dropout must lie in [0, 1], but got 1.5"
    );
    let state = zeros(&[1, 2, 3]);
    assert_eq!(
        run(&x, one, Some((&state, &state)), 0.0),
        "[lstm] the initial state must be two tensors of shape [1, 2, 2], but got [1, 2, 3] and [1, 2, 3]"
    );
    let biased = LstmWeights {
        b_ih: Some(zeros(&[7])),
        ..good.clone()
    };
    assert_eq!(
        run(&x, &[biased], None, 0.0),
        "[lstm] weights of layer 0 must be [8, 4] and [8, 2], biases [8], but got [8, 4] and [8, 2] and [7]"
    );
    for w in [
        weights(&[], &[]),
        weights(&[8], &[8]),
        weights(&[8, 4], &[]),
    ] {
        assert!(run(&x, &[w], None, 0.0).starts_with("[lstm] "));
    }
    // No hidden units at all.
    let none = weights(&[0, 4], &[0, 0]);
    let y = x
        .lstm(&[none], None, LstmOptions::default(), &mut Rng::new(0))
        .unwrap();
    assert_eq!(y.output.shape(), [2, 3, 0]);
}

#[test]
fn store_and_optimiser_messages() -> Result<()> {
    let store = Store::new(DType::F32);
    let root = store.root(Rng::new(0));
    root.at("a").param("w", &[2], Init::Zeros)?;
    assert_eq!(
        text(root.param("a.w", &[2], Init::Zeros)),
        "[store] the parameter `a.w` is registered already"
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
        "[store] `b` is no parameter of this store"
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
        let [d, e, f] = dims;
        let ids = ints(&[id, 0]);
        let labels = Tensor::full([shapes[0].first().copied().unwrap_or(2)], id.max(0) as f64, DType::U32).unwrap();
        let rng = || Rng::new(1);
        let weights = LstmWeights { w_ih: b.clone(), w_hh: c.clone(), b_ih: None, b_hh: Some(a.clone()) };
        type Op<'a> = (&'static str, Box<dyn Fn() -> Result<Tensor> + 'a>);
        #[rustfmt::skip]
        let ops: Vec<Op<'_>> = vec![
            ("add", Box::new(|| a.clone().add(&b))),
            ("sub", Box::new(|| a.clone().sub(number))),
            ("mul", Box::new(|| a.clone().mul(&b))),
            ("div", Box::new(|| a.clone().div(&b))),
            ("maximum", Box::new(|| a.clone().maximum(&b))),
            ("minimum", Box::new(|| a.clone().minimum(&b))),
            ("pow", Box::new(|| a.clone().pow(number))),
            ("clamp", Box::new(|| a.clone().clamp(number, 1.0))),
            ("exp", Box::new(|| a.clone().exp())),
            ("sqrt", Box::new(|| a.clone().sqrt())),
            ("relu", Box::new(|| a.clone().relu())),
            ("where_", Box::new(|| Tensor::where_(&a, &b, &c))),
            ("eq", Box::new(|| a.eq(&b))),
            ("lt", Box::new(|| a.lt(number))),
            ("cast", Box::new(|| a.cast(dtypes[1]))),
            ("matmul", Box::new(|| a.matmul(&b))),
            ("linear", Box::new(|| a.linear(&b, Some(&c)))),
            ("linear_act", Box::new(|| a.linear_act(&b, None, Activation::Relu))),
            ("sum", Box::new(|| a.sum(&[d, e], keep))),
            ("sum one", Box::new(|| a.sum(&[d], keep))),
            ("mean", Box::new(|| a.mean(&[d], keep))),
            ("var", Box::new(|| a.var(&[d], sizes[0], keep))),
            ("sum_all", Box::new(|| a.sum_all())),
            ("mean_all", Box::new(|| a.mean_all())),
            ("max", Box::new(|| a.max(d, keep))),
            ("min", Box::new(|| a.min(d, keep))),
            ("argmax", Box::new(|| a.argmax(d, keep))),
            ("argmin", Box::new(|| a.argmin(d, keep))),
            ("reshape", Box::new(|| a.reshape(&shapes[1]))),
            ("reshape any", Box::new(|| a.reshape(sizes))),
            ("flatten", Box::new(|| a.flatten(d, e))),
            ("permute", Box::new(|| a.permute(&dims))),
            ("transpose", Box::new(|| a.transpose(d, e))),
            ("t", Box::new(|| a.t())),
            ("narrow", Box::new(|| a.narrow(d, sizes[0], sizes[1]))),
            ("select", Box::new(|| a.select(d, sizes[0]))),
            ("squeeze", Box::new(|| a.squeeze(d))),
            ("unsqueeze", Box::new(|| a.unsqueeze(d))),
            ("expand", Box::new(|| a.expand(&shapes[1]))),
            ("expand any", Box::new(|| a.expand(sizes).and_then(|x| x.narrow(0, 0, 0)))),
            ("cat", Box::new(|| Tensor::cat(&[&a, &b, &c], d))),
            ("stack", Box::new(|| Tensor::stack(&[&a, &b], d))),
            ("index_select", Box::new(|| a.index_select(d, &ids))),
            ("index_select b", Box::new(|| a.index_select(d, &b))),
            ("softmax", Box::new(|| a.softmax(d))),
            ("log_softmax", Box::new(|| a.log_softmax(f))),
            ("dropout", Box::new(|| a.dropout(number, &mut rng()))),
            ("mse_loss", Box::new(|| a.mse_loss(&b, Reduction::Mean))),
            ("l1_loss", Box::new(|| a.l1_loss(&b, Reduction::None))),
            ("huber_loss", Box::new(|| a.huber_loss(&b, number, Reduction::Sum))),
            ("cross_entropy", Box::new(|| a.cross_entropy(&labels, Reduction::Mean))),
            ("cross_entropy b", Box::new(|| a.cross_entropy(&b, Reduction::Sum))),
            ("lstm", Box::new(|| Ok(a.lstm(std::slice::from_ref(&weights), Some((&b, &c)), LstmOptions { bidirectional: keep, dropout: number }, &mut rng())?.output))),
            ("lstm without state", Box::new(|| Ok(a.lstm(std::slice::from_ref(&weights), None, LstmOptions::default(), &mut rng())?.h))),
            ("zeros", Box::new(|| Tensor::zeros([sizes[0], 0, sizes[1]], dtypes[0]))),
            ("from_slice", Box::new(|| Tensor::from_slice(&[1.0f32, 2.0], sizes))),
        ];
        for (name, op) in &ops {
            match catch_unwind(AssertUnwindSafe(op)) {
                Err(_) => prop_assert!(false, "`{}` panics", name),
                Ok(Err(error)) => prop_assert!(well_formed(&error.to_string()), "`{}`: {}", name, error),
                Ok(Ok(y)) if y.needs_grad() && y.dtype().is_float() => {
                    let targets: Vec<&Tensor> = [&a, &b, &c].into_iter().filter(|x| x.dtype().is_float()).collect();
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
    let x = Tensor::arange(3, DType::I64).variable();
    assert!(!x.needs_grad());
}
