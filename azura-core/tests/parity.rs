//! Values and gradients as PyTorch has them, recorded by `fixtures/record.py`.

mod common;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{
    Activation, DType, Init, RecurrentOptions, RecurrentWeights, Reduction, Result, Rng, Store,
    Tensor, grad, serial,
};
use common::{distance, f64s};
use std::collections::{BTreeMap, BTreeSet};

struct Fixture(BTreeMap<String, Tensor>);

impl Fixture {
    fn load(name: &str) -> Self {
        let path = format!(
            "{}/tests/fixtures/{name}.safetensors",
            env!("CARGO_MANIFEST_DIR")
        );
        Fixture(serial::load(path).unwrap().tensors.into_iter().collect())
    }

    fn get(&self, name: &str) -> Tensor {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no `{name}` in the fixture"))
            .clone()
    }

    /// `<case>/<kind>/0`, `/1`, …
    fn all(&self, case: &str, kind: &str) -> Vec<Tensor> {
        (0..)
            .map_while(|i| self.0.get(&format!("{case}/{kind}/{i}")).cloned())
            .collect()
    }

    fn cases(&self) -> BTreeSet<String> {
        self.0
            .keys()
            .filter_map(|name| name.split('/').next().map(str::to_string))
            .collect()
    }
}

type Apply = fn(&[Tensor]) -> Result<Vec<Tensor>>;

fn one(y: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![y?])
}

fn reduction(case: &str) -> Reduction {
    match case.rsplit('.').next() {
        Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        _ => Reduction::None,
    }
}

/// What a case of `ops.safetensors` stands for.
#[rustfmt::skip]
fn operation(case: &str) -> Option<Apply> {
    Some(match case.strip_suffix(".odd").unwrap_or(case) {
        "neg" => |x| one(x[0].clone().neg()),
        "abs" => |x| one(x[0].clone().abs()),
        "square" => |x| one(x[0].clone().square()),
        "exp" => |x| one(x[0].clone().exp()),
        "sin" => |x| one(x[0].clone().sin()),
        "cos" => |x| one(x[0].clone().cos()),
        "tanh" => |x| one(x[0].clone().tanh()),
        "sigmoid" => |x| one(x[0].clone().sigmoid()),
        "relu" => |x| one(x[0].clone().relu()),
        "silu" => |x| one(x[0].clone().silu()),
        "gelu_tanh" => |x| one(x[0].clone().gelu_tanh()),
        "clamp" => |x| one(x[0].clone().clamp(-0.5, 0.75)),
        "pow3" => |x| one(x[0].clone().pow(3.0)),
        "pow0" => |x| one(x[0].clone().pow(0.0)),
        "sqrt" => |x| one(x[0].clone().sqrt()),
        "log" => |x| one(x[0].clone().log()),
        "reciprocal" => |x| one(x[0].clone().reciprocal()),
        "pow2.5" => |x| one(x[0].clone().pow(2.5)),
        "pow-1.5" => |x| one(x[0].clone().pow(-1.5)),
        "add" => |x| one(x[0].clone().add(&x[1])),
        "sub" => |x| one(x[0].clone().sub(&x[1])),
        "mul" => |x| one(x[0].clone().mul(&x[1])),
        "div" => |x| one(x[0].clone().div(&x[1])),
        "maximum" => |x| one(x[0].clone().maximum(&x[1])),
        "minimum" => |x| one(x[0].clone().minimum(&x[1])),
        "where_" => |x| one(Tensor::where_(&x[0].gt(&x[1])?, &x[0], &x[1].clone().mul(2.0)?)),
        "matmul" | "matmul.batch" | "matmul.vector" => |x| one(x[0].matmul(&x[1])),
        "linear" => |x| one(x[0].linear(&x[1], Some(&x[2]))),
        "linear_relu" => |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Relu)),
        "sum" => |x| one(x[0].sum(&[0, 2], false)),
        "mean" => |x| one(x[0].mean(&[1], true)),
        "var" => |x| one(x[0].var(&[0, 2], 1, false)),
        "var.biased" => |x| one(x[0].var(&[1], 0, false)),
        "var.close" => |x| one(x[0].var(&[0], 1, false)),
        "var.one" => |x| one(x[0].var(&[1], 1, false)),
        "max" | "max.ties" => |x| one(x[0].max(1, false)),
        "min" | "min.ties" => |x| one(x[0].min(1, false)),
        "narrow" => |x| one(x[0].narrow(2, 1, 2)),
        "cat" => |x| one(Tensor::cat(&[&x[0], &x[1], &x[0]], 1)),
        "stack" => |x| one(Tensor::stack(&[&x[0], &x[1]], -1)),
        "index_select" => |x| one(x[0].index_select(1, &x[1])),
        "softmax" => |x| one(x[0].softmax(1)),
        "softmax.last" | "softmax.big" | "softmax.infinite" => |x| one(x[0].softmax(-1)),
        "log_softmax" => |x| one(x[0].log_softmax(1)),
        "log_softmax.last" | "log_softmax.big" | "log_softmax.infinite" => |x| one(x[0].log_softmax(-1)),
        "cross_entropy.big" | "cross_entropy.f32" => |x| one(x[0].cross_entropy(&x[1], Reduction::None)),
        _ => return None,
    })
}

fn loss(case: &str, x: &[Tensor]) -> Option<Result<Tensor>> {
    let reduction = reduction(case);
    Some(match case.split('.').next()? {
        "mse_loss" => x[0].mse_loss(&x[1], reduction),
        "l1_loss" => x[0].l1_loss(&x[1], reduction),
        "huber_loss" => x[0].huber_loss(&x[1], 0.7, reduction),
        "cross_entropy" => x[0].cross_entropy(&x[1], reduction),
        _ => return None,
    })
}

/// Compares results and gradients of one case; `tolerance` is relative to the largest of a tensor.
fn compare(
    fixture: &Fixture,
    case: &str,
    tolerance: f64,
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Vec<String> {
    let inputs: Vec<Tensor> = fixture
        .all(case, "in")
        .into_iter()
        .map(|x| {
            if x.dtype().is_float() {
                x.variable()
            } else {
                x
            }
        })
        .collect();
    let outputs = f(&inputs).unwrap_or_else(|e| panic!("{case}: {e}"));
    let (want, gout) = (fixture.all(case, "out"), fixture.all(case, "gout"));
    assert_eq!(outputs.len(), want.len(), "{case}: the number of results");
    let values = |x: &Tensor| f64s(&x.cast(DType::F64).unwrap());
    let mut wrong = Vec::new();
    let mut check = |what: String, got: &Tensor, want: &Tensor| {
        let off = distance(&values(got), &values(want));
        if got.shape() != want.shape() || off > tolerance {
            wrong.push(format!(
                "{case}: {what} is off by {off:.1e}\n got  {got:?}\n want {want:?}"
            ));
        }
    };
    for (j, (got, want)) in outputs.iter().zip(&want).enumerate() {
        check(format!("result {j}"), got, want);
    }
    let mut loss = Tensor::scalar(0.0, outputs[0].dtype()).unwrap();
    for (y, g) in outputs.iter().zip(&gout) {
        loss = loss
            .add(y.clone().mul(g).unwrap().sum_all().unwrap())
            .unwrap();
    }
    let targets: Vec<&Tensor> = inputs.iter().filter(|x| x.needs_grad()).collect();
    let mut gradients = grad(&loss, &targets).unwrap().into_iter();
    for (i, input) in inputs.iter().enumerate() {
        if input.needs_grad() {
            let want = fixture.get(&format!("{case}/gin/{i}"));
            check(format!("gradient {i}"), &gradients.next().unwrap(), &want);
        }
    }
    wrong
}

#[test]
fn operations_agree() {
    let fixture = Fixture::load("ops");
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in fixture.cases() {
        if case.starts_with("arg") {
            continue;
        }
        // Sums of a few numbers in another order; in f32 the rounding of one operation.
        let tolerance = if case.ends_with(".f32") { 2e-7 } else { 1e-13 };
        wrong.extend(match operation(&case) {
            Some(f) => compare(&fixture, &case, tolerance, f),
            None => compare(&fixture, &case, tolerance, |x| {
                one(loss(&case, x).unwrap_or_else(|| panic!("no operation for `{case}`")))
            }),
        });
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 80, "only {count} cases");
    let ties = fixture.get("max.ties/in/0");
    for (name, got) in [
        ("argmax", ties.argmax(1, false)),
        ("argmin", ties.argmin(1, false)),
    ] {
        let want = fixture.get(&format!("{name}.ties/out/0"));
        assert_eq!(
            got.unwrap().to_vec::<i64>().unwrap(),
            want.to_vec::<i64>().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn lstm_agrees() {
    let fixture = Fixture::load("lstm");
    let mut wrong = Vec::new();
    let cases = fixture.cases();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let options: Vec<&str> = case.split('.').collect();
        let (bidirectional, bias, state) =
            (options[1] == "1", options[2] == "1", options[3] == "1");
        wrong.extend(compare(&fixture, &case, 1e-13, |x| {
            let weights: Vec<RecurrentWeights> = x[3..]
                .chunks(if bias { 4 } else { 2 })
                .map(|w| RecurrentWeights {
                    w_ih: w[0].clone(),
                    w_hh: w[1].clone(),
                    b_ih: bias.then(|| w[2].clone()),
                    b_hh: bias.then(|| w[3].clone()),
                    w_hr: None,
                })
                .collect();
            let options = RecurrentOptions {
                bidirectional,
                dropout: 0.0,
                ..RecurrentOptions::default()
            };
            let given = state.then_some((&x[1], &x[2]));
            let y = x[0].lstm(&weights, given, options, &mut Rng::new(0))?;
            Ok(vec![y.output, y.h, y.c])
        }));
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn optimisers_agree_over_sixty_steps() -> Result<()> {
    let fixture = Fixture::load("optim");
    type Make = fn(&Store) -> Result<Box<dyn Optimizer>>;
    fn adam(mut adam: Adam, set: impl FnOnce(&mut Adam)) -> Result<Box<dyn Optimizer>> {
        set(&mut adam);
        Ok(Box::new(adam))
    }
    fn sgd(store: &Store, set: impl FnOnce(&mut Sgd)) -> Result<Box<dyn Optimizer>> {
        let mut sgd = Sgd::new(store)?;
        set(&mut sgd);
        Ok(Box::new(sgd))
    }
    let cases: &[(&str, Make)] = &[
        ("adam", |s| adam(Adam::new(s)?, |_| ())),
        ("adam.decay", |s| {
            adam(Adam::new(s)?, |a| {
                (a.betas, a.eps, a.weight_decay) = ((0.8, 0.95), 1e-3, 0.1);
            })
        }),
        ("adamw", |s| adam(Adam::adamw(s)?, |_| ())),
        ("adamw.decay", |s| {
            adam(Adam::adamw(s)?, |a| {
                (a.betas, a.weight_decay) = ((0.7, 0.99), 0.2);
            })
        }),
        ("sgd", |s| sgd(s, |_| ())),
        ("sgd.momentum", |s| sgd(s, |o| o.momentum = 0.9)),
        ("sgd.dampening", |s| {
            sgd(s, |o| (o.momentum, o.dampening) = (0.9, 0.3))
        }),
        ("sgd.dampening.only", |s| sgd(s, |o| o.dampening = 0.3)),
        ("sgd.nesterov", |s| {
            sgd(s, |o| {
                (o.momentum, o.nesterov, o.weight_decay) = (0.9, true, 0.1);
            })
        }),
    ];
    for (case, make) in cases {
        let store = Store::new(DType::F64);
        let root = store.root(Rng::new(0));
        let names = ["w", "b"];
        let start = names.map(|name| fixture.get(&format!("start/{name}")));
        let params: Vec<_> = names
            .iter()
            .zip(&start)
            .map(|(name, start)| root.param(name, start.shape(), Init::Zeros).unwrap())
            .collect();
        store.load(
            &names
                .map(String::from)
                .into_iter()
                .zip(start)
                .collect::<Vec<_>>(),
        )?;
        let mut optimizer = make(&store)?;
        let mut row = 0;
        for step in 0..60 {
            for (name, param) in names.iter().zip(&params) {
                if *name == "b" && step % 3 == 1 {
                    continue;
                }
                let gradient = fixture.get(&format!("gradients/{name}")).select(0, step)?;
                param.value().mul(&gradient)?.sum_all()?.backward()?;
            }
            optimizer.step(if step >= 40 { 0.005 } else { 0.02 })?;
            store.zero_grad();
            if [0, 1, 9, 59].contains(&step) {
                for (name, param) in names.iter().zip(&params) {
                    let want = fixture.get(&format!("{case}/{name}")).select(0, row)?;
                    let off = distance(&f64s(&param.value()), &f64s(&want));
                    assert!(
                        off < 1e-14,
                        "{case}: `{name}` after step {step} is off by {off:.1e}"
                    );
                }
                row += 1;
            }
        }
    }
    Ok(())
}

/// f32 is the training dtype: its values stay within a few units of the last place of f64's.
#[test]
fn single_precision_agrees_with_double() -> Result<()> {
    let fixture = Fixture::load("ops");
    for case in fixture.cases() {
        let Some(f) = operation(&case).filter(|_| {
            !case.contains(".odd")
                && !case.contains(".infinite")
                && !case.contains(".big")
                && !case.contains(".close")
                && !case.ends_with(".f32")
                && !case.ends_with(".one")
                && !case.ends_with(".ties")
        }) else {
            continue;
        };
        let inputs = fixture
            .all(&case, "in")
            .iter()
            .map(|x| {
                if x.dtype() == DType::F64 {
                    x.cast(DType::F32)
                } else {
                    Ok(x.clone())
                }
            })
            .collect::<Result<Vec<_>>>()?;
        for (got, want) in f(&inputs)?.iter().zip(fixture.all(&case, "out")) {
            assert_eq!(got.dtype(), DType::F32, "{case}");
            let off = distance(&f64s(&got.cast(DType::F64)?), &f64s(&want));
            assert!(off < 2e-6, "{case} in f32 is off by {off:.1e}");
        }
    }
    Ok(())
}
