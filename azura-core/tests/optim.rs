//! Optimisers: resuming, groups, averages, clipping. Their values are checked against PyTorch by the conformance runner.

use azura_core::optim::{
    Adadelta, Adafactor, Adagrad, Adam, Adamax, Asgd, Average, Group, Lion, Muon, NAdam, Optimizer,
    RAdam, RmsProp, Rprop, Sgd,
};
use azura_core::{DType, Init, Result, Rng, Store, Tensor};

/// A matrix, a vector and a number.
fn store(dtype: DType) -> Store {
    let store = Store::new(dtype);
    let root = store.root(Rng::new(3));
    let init = Init::Uniform { bound: 1.0 };
    root.at("a").param("weight", &[3, 4], init).unwrap();
    root.at("a").param("bias", &[3], init).unwrap();
    root.param("scale", &[], init).unwrap();
    store
}

/// Gradients that depend on the step and the values.
fn gradients(store: &Store, step: usize) -> Result<()> {
    store.zero_grad();
    for (k, param) in store.params().iter().enumerate() {
        if param.is_frozen() {
            continue;
        }
        let x = param.value();
        let factor = ((step * 5 + k * 3) % 7) as f64 - 3.0;
        x.clone()
            .mul(&x)?
            .mul(0.5)?
            .add(x.mul(factor)?)?
            .sum_all()?
            .backward()?;
    }
    Ok(())
}

fn values(store: &Store) -> Vec<Vec<f64>> {
    let list = store.state().unwrap().into_iter();
    list.map(|(_, x)| x.cast(DType::F64).unwrap().to_vec().unwrap())
        .collect()
}

type Make = fn(&Store) -> Result<Box<dyn Optimizer>>;

const ALL: [(&str, Make); 17] = [
    ("adam", |s| Ok(Box::new(Adam::new(s)?))),
    ("amsgrad", |s| {
        let mut o = Adam::adamw(s)?;
        o.amsgrad = true;
        Ok(Box::new(o))
    }),
    ("sgd", |s| Ok(Box::new(Sgd::new(s)?))),
    ("momentum", |s| {
        let mut o = Sgd::new(s)?;
        (o.momentum, o.nesterov) = (0.9, true);
        Ok(Box::new(o))
    }),
    ("nadam", |s| Ok(Box::new(NAdam::new(s)?))),
    ("radam", |s| Ok(Box::new(RAdam::new(s)?))),
    ("adagrad", |s| {
        let mut o = Adagrad::new(s)?;
        o.initial_accumulator_value = 0.1;
        Ok(Box::new(o))
    }),
    ("rmsprop", |s| Ok(Box::new(RmsProp::new(s)?))),
    ("rmsprop with all", |s| {
        let mut o = RmsProp::new(s)?;
        (o.centered, o.momentum) = (true, 0.9);
        Ok(Box::new(o))
    }),
    ("adadelta", |s| Ok(Box::new(Adadelta::new(s)?))),
    ("adamax", |s| Ok(Box::new(Adamax::new(s)?))),
    ("asgd", |s| Ok(Box::new(Asgd::new(s)?))),
    ("rprop", |s| Ok(Box::new(Rprop::new(s)?))),
    ("adafactor", |s| Ok(Box::new(Adafactor::new(s)?))),
    ("lion", |s| Ok(Box::new(Lion::new(s)?))),
    ("muon", |s| Ok(Box::new(Muon::new(s)?))),
    ("muon without matrices", |s| {
        let mut o = Muon::new(s)?;
        o.leave_to_adamw(&["*weight"]);
        Ok(Box::new(o))
    }),
];

#[test]
fn every_optimiser_moves_everything_and_resumes_to_the_same_bits() {
    for (name, make) in ALL {
        for dtype in [DType::F32, DType::F64] {
            let straight = store(dtype);
            let start = values(&straight);
            let mut optimizer = make(&straight).unwrap();
            for step in 0..7 {
                gradients(&straight, step).unwrap();
                optimizer.step(0.01).unwrap();
            }
            let end = values(&straight);
            for (before, after) in start.iter().zip(&end) {
                assert!(
                    before
                        .iter()
                        .zip(after)
                        .all(|(a, b)| a != b && b.is_finite()),
                    "{name}"
                );
            }
            let resumed = store(dtype);
            let mut optimizer = make(&resumed).unwrap();
            for step in 0..7 {
                gradients(&resumed, step).unwrap();
                optimizer.step(0.01).unwrap();
                let state = optimizer.state().unwrap();
                optimizer = make(&resumed).unwrap();
                optimizer.load(&state).unwrap();
            }
            assert_eq!(values(&resumed), end, "{name}");
            assert!(optimizer.load(&[]).is_err(), "{name}");
        }
    }
}

#[test]
fn groups_have_their_own_rates_and_decays_and_freeze() {
    for (name, make) in ALL {
        let both = [store(DType::F64), store(DType::F64)];
        for (store, pattern) in both.iter().zip(["*.bias", "a.*"]) {
            let mut optimizer = make(store).unwrap();
            let group = Group {
                frozen: true,
                ..Group::new(pattern)
            };
            optimizer.set_groups(vec![group, Group::new("*")]).unwrap();
            let before = values(store);
            gradients(store, 0).unwrap();
            optimizer.step(0.01).unwrap();
            for ((param, before), after) in store.params().iter().zip(before).zip(values(store)) {
                let frozen = Group::new(pattern).fits(&param.name());
                assert_eq!(before == after, frozen, "{name} {}", param.name());
            }
        }
        let mut optimizer = make(&both[0]).unwrap();
        let wrong = optimizer.set_groups(vec![Group::new("encoder.*")]);
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "[optimizer] a group's pattern must fit the name of a parameter, but got `encoder.*`"
        );
    }
    // Twice the rate is twice the step; no decay is none.
    let [plain, grouped] = [store(DType::F64), store(DType::F64)];
    let start = values(&plain);
    for (store, factor) in [(&plain, 1.0), (&grouped, 2.0)] {
        let mut sgd = Sgd::new(store).unwrap();
        sgd.weight_decay = 0.5;
        let group = Group {
            lr: Some(factor),
            ..Group::new("a.*")
        };
        let free = Group {
            weight_decay: Some(0.0),
            ..Group::new("scale")
        };
        sgd.set_groups(vec![group, free]).unwrap();
        gradients(store, 0).unwrap();
        sgd.step(0.01).unwrap();
    }
    let (one, two) = (values(&plain), values(&grouped));
    for k in 0..2 {
        for i in 0..start[k].len() {
            let (step, double) = (one[k][i] - start[k][i], two[k][i] - start[k][i]);
            assert!((double - 2.0 * step).abs() < 1e-15);
        }
    }
    let (x, y) = (start[2][0], one[2][0]);
    assert!((y - (x - 0.01 * (x + 3.0))).abs() < 1e-15, "{y}");
}

#[test]
fn each_setting_comes_from_the_first_group_that_says_something() {
    let store = store(DType::F64);
    let mut sgd = Sgd::new(&store).unwrap();
    sgd.weight_decay = 0.5;
    let fast = Group {
        lr: Some(2.0),
        ..Group::new("a.*")
    };
    let free = Group {
        weight_decay: Some(0.0),
        ..Group::new("scale")
    };
    let all = Group {
        lr: Some(3.0),
        weight_decay: Some(0.25),
        ..Group::new("*")
    };
    sgd.set_groups(vec![fast, free, all]).unwrap();
    gradients(&store, 0).unwrap();
    let grads: Vec<Tensor> = store.params().iter().map(|p| p.grad().unwrap()).collect();
    let start = values(&store);
    sgd.step(0.01).unwrap();
    for (k, (param, after)) in store.params().iter().zip(values(&store)).enumerate() {
        let name = param.name();
        let factor = if name.starts_with("a.") { 2.0 } else { 3.0 };
        let decay = if name == "scale" { 0.0 } else { 0.25 };
        let grad = grads[k].to_vec::<f64>().unwrap();
        for ((x, g), y) in start[k].iter().zip(grad).zip(after) {
            let want = x - 0.01 * factor * (g + decay * x);
            assert!((y - want).abs() < 1e-15, "{name}: {y} for {want}");
        }
    }
}

#[test]
fn patterns_fit_whole_names() {
    for (pattern, name, fits) in [
        ("a.b", "a.b", true),
        ("a.b", "a.bc", false),
        ("*", "", true),
        ("*.bias", ".bias", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "ace", true),
        ("a*a", "a", false),
        ("*x*", "ab", false),
    ] {
        assert_eq!(Group::new(pattern).fits(name), fits, "{pattern} {name}");
    }
}

#[test]
fn averages_follow_their_formulas_and_resume() {
    let store = store(DType::F64);
    let mut sgd = Sgd::new(&store).unwrap();
    let mut ema = Average::ema(&store, 0.75).unwrap();
    let mut swa = Average::swa(&store).unwrap();
    let (mut expected, mut seen) = (Vec::new(), Vec::new());
    for step in 0..5 {
        gradients(&store, step).unwrap();
        sgd.step(0.1).unwrap();
        ema.update().unwrap();
        swa.update().unwrap();
        let now = values(&store).concat();
        if step == 0 {
            expected.clone_from(&now);
        }
        for (e, x) in expected.iter_mut().zip(&now) {
            *e = 0.75 * *e + 0.25 * x;
        }
        seen.push(now);
        let state = ema.state().unwrap();
        ema = Average::ema(&store, 0.75).unwrap();
        ema.load(&state).unwrap();
    }
    let of = |average: &Average| -> Vec<f64> {
        let values = average.values().unwrap();
        values
            .iter()
            .flat_map(|(_, x)| x.to_vec::<f64>().unwrap())
            .collect()
    };
    assert_eq!(ema.updates(), 5);
    for (i, (e, s)) in of(&ema).into_iter().zip(of(&swa)).enumerate() {
        let mean = seen.iter().map(|v| v[i]).sum::<f64>() / 5.0;
        assert!((e - expected[i]).abs() < 1e-14 && (s - mean).abs() < 1e-14);
    }
    store.load(&swa.values().unwrap()).unwrap();
    assert!(Average::ema(&store, 1.5).is_err());
}

#[test]
fn clipping_by_value_and_a_norm_that_is_no_number() {
    let store = Store::new(DType::F32);
    let w = store
        .root(Rng::new(0))
        .param("w", &[4], Init::Zeros)
        .unwrap();
    let give = |g: [f32; 4]| {
        store.zero_grad();
        let g = Tensor::from_slice(&g, [4]).unwrap();
        w.value()
            .mul(&g)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
    };
    let grad = || w.grad().unwrap().to_vec::<f32>().unwrap();
    give([-3.0, 0.25, 2.0, 1.0]);
    store.clip_grad_value(1.0).unwrap();
    assert_eq!(grad(), [-1.0, 0.25, 1.0, 1.0]);
    store.scale_grad(0.5).unwrap();
    assert_eq!(grad(), [-0.5, 0.125, 0.5, 0.5]);
    for bad in [f32::NAN, f32::INFINITY] {
        give([1.0, bad, 2.0, 3.0]);
        assert!(!store.clip_grad_norm(1.0).unwrap().is_finite());
        assert_eq!(grad()[2..], [2.0, 3.0], "the others stay as they were");
    }
    assert!(store.clip_grad_value(0.0).is_err() && store.clip_grad_value(f64::NAN).is_err());
}

/// PyTorch makes the buffer in the first step with momentum, from the gradient alone; without momentum it stays as it is.
#[test]
fn momentum_begins_with_the_gradient_whenever_it_is_switched_on() -> Result<()> {
    let store = Store::new(DType::F64);
    let w = store.root(Rng::new(0)).param("w", &[1], Init::Zeros)?;
    let mut sgd = Sgd::new(&store)?;
    sgd.dampening = 0.5;
    let mut step = |momentum: f64, gradient: f64| -> Result<f64> {
        sgd.momentum = momentum;
        store.zero_grad();
        let before = w.value().sum_all()?.item::<f64>()?;
        w.value().mul(gradient)?.sum_all()?.backward()?;
        sgd.step(1.0)?;
        Ok(before - w.value().sum_all()?.item::<f64>()?)
    };
    assert_eq!([step(0.0, 2.0)?, step(0.0, 4.0)?], [2.0, 4.0]);
    assert_eq!(step(0.5, 8.0)?, 8.0);
    assert_eq!(step(0.5, 8.0)?, 0.5 * 8.0 + 0.5 * 8.0);
    assert_eq!(step(0.0, 16.0)?, 16.0);
    assert_eq!(step(0.5, 4.0)?, 0.5 * 8.0 + 0.5 * 4.0);
    Ok(())
}
