use crate::{assert_distribution, assert_moments, below};
use azura_core::{DType, Fan, Init, Nonlinearity, Result, Rng, Store, Tensor};

fn make(init: Init, shape: &[usize]) -> Result<Tensor> {
    let store = Store::new(DType::F64);
    Ok(store
        .root(Rng::new(3))
        .param("w", shape, init)?
        .value()
        .detach())
}

fn values(init: Init, shape: &[usize]) -> Vec<f64> {
    make(init, shape).unwrap().to_vec().unwrap()
}

#[track_caller]
fn message(init: Init, shape: &[usize], want: &str) {
    assert_eq!(make(init, shape).unwrap_err().to_string(), want);
}

#[test]
fn plain_distributions() {
    let shape = [100, 200];
    let x = values(
        Init::UniformIn {
            low: -1.0,
            high: 3.0,
        },
        &shape,
    );
    assert_moments(&x, 1.0, 16.0 / 12.0, 1.8);
    let x = values(
        Init::Normal {
            mean: 2.0,
            std: 0.5,
        },
        &shape,
    );
    assert_moments(&x, 2.0, 0.25, 3.0);
    let (low, high) = (-0.04, 0.02);
    let x = values(
        Init::TruncatedNormal {
            mean: 0.0,
            std: 0.02,
            low,
            high,
        },
        &shape,
    );
    assert!(x.iter().all(|x| (low..=high).contains(x)));
    let (a, b) = (below(-2.0), below(1.0));
    assert_distribution(&x, |x| (below(x / 0.02) - a) / (b - a));
    assert_eq!(values(Init::Eye, &[2, 3]), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(values(Init::Eye, &[3, 2]), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

/// The formulas of `torch.nn.init` for a convolution of 24 outputs and 16 inputs with a kernel of 3 by 5.
#[test]
fn fans() {
    let shape = [24, 16, 3, 5];
    let (fan_in, fan_out) = (16.0 * 15.0, 24.0 * 15.0);
    let uniform = |init, bound: f64| {
        let x = values(init, &shape);
        let largest = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(
            largest < bound && largest > 0.99 * bound,
            "{largest} and {bound}"
        );
        assert_moments(&x, 0.0, bound * bound / 3.0, 1.8);
    };
    let normal = |init, std: f64| assert_moments(&values(init, &shape), 0.0, std * std, 3.0);
    uniform(
        Init::XavierUniform { gain: 2.0 },
        2.0 * (6.0f64 / (fan_in + fan_out)).sqrt(),
    );
    normal(
        Init::XavierNormal { gain: 2.0 },
        2.0 * (2.0f64 / (fan_in + fan_out)).sqrt(),
    );
    let of = |fan| if fan == Fan::In { fan_in } else { fan_out };
    for fan in [Fan::In, Fan::Out] {
        let leaky = Nonlinearity::LeakyRelu(5f64.sqrt());
        uniform(
            Init::KaimingUniform {
                fan,
                nonlinearity: leaky,
            },
            1.0 / of(fan).sqrt(),
        );
        normal(
            Init::KaimingNormal {
                fan,
                nonlinearity: Nonlinearity::Relu,
            },
            (2.0 / of(fan)).sqrt(),
        );
    }
    let gains = [
        (Nonlinearity::Linear, 1.0),
        (Nonlinearity::Sigmoid, 1.0),
        (Nonlinearity::Tanh, 5.0 / 3.0),
        (Nonlinearity::Relu, std::f64::consts::SQRT_2),
        (Nonlinearity::LeakyRelu(0.01), 1.414_142_856_998_767_8),
        (Nonlinearity::Selu, 0.75),
    ];
    for (nonlinearity, gain) in gains {
        assert!((nonlinearity.gain() - gain).abs() < 1e-9);
    }
}

#[test]
fn identities_of_convolutions() -> Result<()> {
    // What goes in comes out, at the centre of the kernel.
    let w = make(Init::Dirac { groups: 2 }, &[6, 2, 3, 4])?;
    let x: Vec<f64> = w.to_vec()?;
    let ones: Vec<usize> = x
        .iter()
        .enumerate()
        .filter(|(_, x)| **x == 1.0)
        .map(|(i, _)| i)
        .collect();
    let at = |o: usize, i: usize| ((o * 2 + i) * 3 + 1) * 4 + 2;
    assert_eq!(ones, [at(0, 0), at(1, 1), at(3, 0), at(4, 1)]);
    assert_eq!(x.iter().sum::<f64>(), 4.0);
    Ok(())
}

#[test]
fn orthogonal_matrices() -> Result<()> {
    for shape in [
        &[40, 40][..],
        &[7, 90],
        &[90, 7],
        &[8, 3, 5],
        &[1, 1],
        &[1, 9],
        &[130, 64],
    ] {
        let gain = 1.5;
        let w = make(Init::Orthogonal { gain }, shape)?;
        let rows = shape[0];
        let w = w.reshape([rows, w.numel() / rows])?;
        let columns = w.dim(1)?;
        let product = if rows <= columns {
            w.matmul(&w.t()?)?
        } else {
            w.t()?.matmul(&w)?
        };
        let n = rows.min(columns);
        for (i, x) in product.to_vec::<f64>()?.into_iter().enumerate() {
            let want = if i / n == i % n { gain * gain } else { 0.0 };
            assert!((x - want).abs() < 1e-12, "{shape:?} at {i}: {x}");
        }
    }
    // Uniform among the orthogonal matrices: an entry has mean 0 and variance 1/n, on the diagonal too.
    let mut first = Vec::new();
    for seed in 0..2000 {
        let store = Store::new(DType::F64);
        let w = store
            .root(Rng::new(seed))
            .param("w", &[3, 3], Init::Orthogonal { gain: 1.0 })?;
        first.push(w.value().to_vec::<f64>()?[0]);
    }
    assert_moments(&first, 0.0, 1.0 / 3.0, 1.8);
    Ok(())
}

#[test]
fn impossible_values() {
    let kaiming = Init::KaimingNormal {
        fan: Fan::In,
        nonlinearity: Nonlinearity::Relu,
    };
    message(
        kaiming,
        &[3],
        "[init] a fan-in and a fan-out need two axes or more, but got shape [3]",
    );
    message(
        Init::XavierUniform { gain: 1.0 },
        &[],
        "[init] a fan-in and a fan-out need two axes or more, but got shape []",
    );
    message(
        Init::Orthogonal { gain: 1.0 },
        &[3],
        "[init] an orthogonal matrix needs two axes or more, but got shape [3]",
    );
    message(
        Init::Eye,
        &[3],
        "[init] the identity has two axes, but got shape [3]",
    );
    message(
        Init::Dirac { groups: 1 },
        &[3, 3],
        "[init] the identity of a convolution has three to five axes, but got shape [3, 3]",
    );
    message(
        Init::Dirac { groups: 0 },
        &[3, 3, 1],
        "[init] groups must divide the 3 outputs, but got 0",
    );
    message(
        Init::UniformIn {
            low: 1.0,
            high: 0.0,
        },
        &[3],
        "[init] low must not exceed high, but got 1 and 0",
    );
    let negative = Init::TruncatedNormal {
        mean: 0.0,
        std: -1.0,
        low: 0.0,
        high: 1.0,
    };
    message(
        negative,
        &[3],
        "[init] mean and std must be finite and std not negative, but got 0 and -1",
    );
    // Nothing to fill is no reason to fail.
    for init in [kaiming, Init::Orthogonal { gain: 1.0 }, Init::Eye] {
        assert!(values(init, &[0, 4]).is_empty());
        assert!(values(init, &[4, 0]).is_empty());
    }
}
