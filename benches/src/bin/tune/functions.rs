//! The functions of the comparison with Optuna: the same as in benches/tune/functions.py.

use std::f64::consts::{E, PI};

use azura_learner::tune::{Space, Value, Values};

/// The name, the space and the cost of each function.
pub type Function = (
    &'static str,
    &'static [(&'static str, &'static str)],
    fn(&Values) -> f64,
);

/// All functions.
pub const FUNCTIONS: [Function; 6] = [
    ("branin", &[("x", "-5..10"), ("y", "0..15")], branin),
    ("hartmann6", &HARTMANN, hartmann6),
    ("ackley5", &ACKLEY, ackley5),
    ("rosenbrock10", &ROSENBROCK, rosenbrock10),
    ("mixed", &MIXED, mixed),
    ("conditional", &CONDITIONAL, conditional),
];

const HARTMANN: [(&str, &str); 6] = same("0..1");
const ACKLEY: [(&str, &str); 5] = same("-15..30");
const ROSENBROCK: [(&str, &str); 10] = same("-2.048..2.048");
const MIXED: [(&str, &str); 6] = [
    ("lr", "log:1e-5..1e-1"),
    ("layers", "int:1..8"),
    ("width", "16|32|64|128|256|512"),
    ("optimizer", "adam|sgd|rmsprop|lion"),
    ("dropout", "0..0.6"),
    ("norm", "true|false"),
];
const CONDITIONAL: [(&str, &str); 7] = [
    ("kind", "linear|forest|mlp"),
    ("l2", "log:1e-6..1.0 if kind=linear"),
    ("depth", "int:2..20 if kind=forest"),
    ("trees", "logint:10..1000 if kind=forest"),
    ("lr", "log:1e-5..1e-1 if kind=mlp"),
    ("hidden", "logint:8..512 if kind=mlp"),
    ("dropout", "0..0.8 if kind=mlp"),
];

const fn same<const N: usize>(text: &'static str) -> [(&'static str, &'static str); N] {
    const NAMES: [&str; 10] = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9"];
    let mut entries = [("", text); N];
    let mut i = 0;
    while i < N {
        entries[i].0 = NAMES[i];
        i += 1;
    }
    entries
}

/// The space of a function.
pub fn space(function: &Function) -> azura_learner::Result<Space> {
    Space::parse(function.1.iter().copied())
}

fn number(v: &Values, key: &str) -> f64 {
    v[key].number().unwrap_or(f64::NAN)
}

fn xs<const N: usize>(v: &Values) -> [f64; N] {
    std::array::from_fn(|i| number(v, &format!("x{i}")))
}

fn branin(v: &Values) -> f64 {
    let (x, y) = (number(v, "x"), number(v, "y"));
    let (b, c, t) = (5.1 / (4.0 * PI * PI), 5.0 / PI, 1.0 / (8.0 * PI));
    (y - b * x * x + c * x - 6.0).powi(2) + 10.0 * (1.0 - t) * x.cos() + 10.0
}

fn hartmann6(v: &Values) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let x: [f64; 6] = xs(v);
    let term = |c: f64, i: usize| {
        let sum: f64 = (0..6)
            .map(|j| A[i][j] * (x[j] - P[i][j] * 1e-4).powi(2))
            .sum();
        c * (-sum).exp()
    };
    -[1.0, 1.2, 3.0, 3.2]
        .iter()
        .enumerate()
        .map(|(i, c)| term(*c, i))
        .sum::<f64>()
}

fn ackley5(v: &Values) -> f64 {
    let x: [f64; 5] = xs(v);
    let squares = x.iter().map(|t| t * t).sum::<f64>() / 5.0;
    let waves = x.iter().map(|t| (2.0 * PI * t).cos()).sum::<f64>() / 5.0;
    -20.0 * (-0.2 * squares.sqrt()).exp() - waves.exp() + 20.0 + E
}

fn rosenbrock10(v: &Values) -> f64 {
    let x: [f64; 10] = xs(v);
    x.windows(2)
        .map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2))
        .sum()
}

fn mixed(v: &Values) -> f64 {
    let lr = number(v, "lr").log10();
    let (shift, extra) = match v["optimizer"].to_string().as_str() {
        "adam" => (0.0, 0.0),
        "sgd" => (1.0, 0.25),
        "rmsprop" => (-0.3, 0.1),
        _ => (-1.0, 0.05),
    };
    let (depth, width) = (number(v, "layers"), number(v, "width").log2());
    let mut loss = 0.5 * (lr + 2.7 - shift).powi(2) + extra;
    loss += 0.05 * (depth - 5.0).powi(2)
        + 0.1 * (width - 7.0).powi(2)
        + 0.03 * (depth - 5.0) * (width - 7.0);
    loss += 4.0 * (number(v, "dropout") - 0.05 * depth).powi(2);
    loss + if v["norm"] == Value::Bool(true) {
        0.0
    } else {
        0.1 * depth
    }
}

fn conditional(v: &Values) -> f64 {
    match v["kind"].to_string().as_str() {
        "linear" => 0.6 + 0.05 * (number(v, "l2").log10() + 3.0).powi(2),
        "forest" => {
            let trees = number(v, "trees").log10();
            0.3 + 0.02 * (number(v, "depth") - 9.0).powi(2) + 0.1 * (trees - 2.5).powi(2)
        }
        _ => {
            let (lr, hidden) = (number(v, "lr").log10(), number(v, "hidden").log2());
            0.4 * (lr + 3.0).powi(2)
                + 0.1 * (hidden - 6.5).powi(2)
                + 3.0 * (number(v, "dropout") - 0.2).powi(2)
        }
    }
}
