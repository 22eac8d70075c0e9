//! The gradient of every differentiable operation against central differences in f64.
//!
//! One table, [`table`]: an operation without a row fails `every_operation_has_a_row`. Each row is run
//! on each of its shapes, with inputs that are plain, transposed, narrowed and expanded views, and with
//! each input in turn needing no gradient.

mod common;

use azura_core::{
    Activation, DType, LstmOptions, LstmWeights, Reduction, Result, Rng, Tensor, grad,
};
use common::{Domain, Seen, distance, f64s, random};

type Apply = fn(&[Tensor]) -> Result<Vec<Tensor>>;

struct Row {
    /// The method of `Tensor`, then what sets the row apart.
    name: &'static str,
    domain: Domain,
    /// For each run, the shape of each input.
    shapes: Vec<Vec<Vec<usize>>>,
    f: Apply,
}

fn row(name: &'static str, domain: Domain, shapes: &[&[&[usize]]], f: Apply) -> Row {
    let shapes = shapes
        .iter()
        .map(|inputs| inputs.iter().map(|shape| shape.to_vec()).collect())
        .collect();
    Row {
        name,
        domain,
        shapes,
        f,
    }
}

/// Shapes of one input: random, size 1, rank 0, size 0.
const UNARY: &[&[&[usize]]] = &[
    &[&[3, 4]],
    &[&[2, 1, 5]],
    &[&[1]],
    &[&[]],
    &[&[0, 3]],
    &[&[2, 0]],
];
/// Shapes of two inputs with every kind of broadcasting.
const BINARY: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[3, 4], &[4]],
    &[&[4], &[3, 4]],
    &[&[3, 1], &[1, 4]],
    &[&[2, 1, 3], &[5, 1]],
    &[&[], &[2, 3]],
    &[&[2, 3], &[]],
    &[&[1], &[1]],
    &[&[], &[]],
    &[&[0, 3], &[1, 3]],
    &[&[2, 1], &[2, 0]],
];
/// Shapes of two inputs that must be equal.
const PAIRS: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[5], &[5]],
    &[&[1, 1], &[1, 1]],
    &[&[], &[]],
];
const MATMUL: &[&[&[usize]]] = &[
    &[&[3, 4], &[4, 2]],
    &[&[1, 1], &[1, 1]],
    &[&[4], &[4]],
    &[&[4], &[4, 3]],
    &[&[3, 4], &[4]],
    &[&[2, 3, 4], &[2, 4, 5]],
    &[&[2, 3, 4], &[4, 5]],
    &[&[3, 4], &[2, 4, 5]],
    &[&[2, 1, 3, 4], &[5, 4, 2]],
    &[&[4], &[2, 4, 3]],
    &[&[2, 3, 4], &[4]],
    &[&[3, 0], &[0, 2]],
    &[&[0, 3], &[3, 2]],
    &[&[0, 2, 3], &[0, 3, 2]],
    &[&[17, 33], &[33, 9]],
];
const LINEAR: &[&[&[usize]]] = &[
    &[&[3, 4], &[2, 4], &[2]],
    &[&[4], &[3, 4], &[3]],
    &[&[2, 3, 4], &[5, 4], &[5]],
    &[&[1, 1], &[1, 1], &[1]],
    &[&[0, 4], &[2, 4], &[2]],
    &[&[3, 0], &[2, 0], &[2]],
    &[&[3, 4], &[0, 4], &[0]],
    &[&[19, 35], &[18, 35], &[18]],
];
/// Shapes with at least one axis for reductions over the last.
const REDUCED: &[&[&[usize]]] = &[
    &[&[3, 4]],
    &[&[2, 3, 5]],
    &[&[4, 1]],
    &[&[1]],
    &[&[0, 3]],
    &[&[7]],
];
const SCORES: &[&[&[usize]]] = &[&[&[3, 4]], &[&[1, 1]], &[&[5, 2]], &[&[3, 19]]];

fn one(y: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![y?])
}

/// Integers in `0..size` that depend on nothing but their number.
fn ids(n: usize, size: usize) -> Tensor {
    let values = (0..n).map(|i| ((i * 7 + 3) % size) as i64).collect();
    Tensor::from_vec(values, [n]).unwrap()
}

#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Domain::{Any, Distinct, Positive};
    vec![
        row("neg", Any, UNARY, |x| one(x[0].clone().neg())),
        row("abs", Any, UNARY, |x| one(x[0].clone().abs())),
        row("sqrt", Positive, UNARY, |x| one(x[0].clone().sqrt())),
        row("square", Any, UNARY, |x| one(x[0].clone().square())),
        row("reciprocal", Positive, UNARY, |x| one(x[0].clone().reciprocal())),
        row("exp", Any, UNARY, |x| one(x[0].clone().exp())),
        row("log", Positive, UNARY, |x| one(x[0].clone().log())),
        row("sin", Any, UNARY, |x| one(x[0].clone().sin())),
        row("cos", Any, UNARY, |x| one(x[0].clone().cos())),
        row("tanh", Any, UNARY, |x| one(x[0].clone().tanh())),
        row("sigmoid", Any, UNARY, |x| one(x[0].clone().sigmoid())),
        row("relu", Any, UNARY, |x| one(x[0].clone().relu())),
        row("silu", Any, UNARY, |x| one(x[0].clone().silu())),
        row("gelu_tanh", Any, UNARY, |x| one(x[0].clone().gelu_tanh())),
        row("pow 2.5", Positive, UNARY, |x| one(x[0].clone().pow(2.5))),
        row("pow 3", Any, UNARY, |x| one(x[0].clone().pow(3.0))),
        row("pow 1", Any, UNARY, |x| one(x[0].clone().pow(1.0))),
        row("pow 0", Any, UNARY, |x| one(x[0].clone().pow(0.0))),
        row("pow -1", Positive, UNARY, |x| one(x[0].clone().pow(-1.0))),
        row("clamp", Any, UNARY, |x| one(x[0].clone().clamp(-0.5, 0.75))),
        row("cast f64", Any, UNARY, |x| one(x[0].cast(DType::F64))),
        row("contiguous", Any, UNARY, |x| one(Ok(x[0].contiguous()))),
        row("add", Any, BINARY, |x| one(x[0].clone().add(&x[1]))),
        row("sub", Any, BINARY, |x| one(x[0].clone().sub(&x[1]))),
        row("mul", Any, BINARY, |x| one(x[0].clone().mul(&x[1]))),
        row("div", Positive, BINARY, |x| one(x[0].clone().div(&x[1]))),
        row("maximum", Any, BINARY, |x| one(x[0].clone().maximum(&x[1]))),
        row("minimum", Any, BINARY, |x| one(x[0].clone().minimum(&x[1]))),
        row("add scalar", Any, UNARY, |x| one(x[0].clone().add(1.5))),
        row("sub scalar", Any, UNARY, |x| one(x[0].clone().sub(1.5))),
        row("mul scalar", Any, UNARY, |x| one(x[0].clone().mul(-2.5))),
        row("div scalar", Any, UNARY, |x| one(x[0].clone().div(0.3))),
        row("add operators", Any, BINARY, |x| Ok(vec![(&x[0] + &x[1])?, (1.5 + &x[0])?, (x[0].clone() + 2.0)?])),
        row("sub operators", Any, BINARY, |x| Ok(vec![(&x[0] - &x[1])?, (1.5 - &x[0])?, (x[0].clone() - 2.0)?])),
        row("mul operators", Any, BINARY, |x| Ok(vec![(&x[0] * &x[1])?, (1.5 * &x[0])?, (x[0].clone() * 2.0)?])),
        row("div operators", Positive, BINARY, |x| Ok(vec![(&x[0] / &x[1])?, (1.5 / &x[0])?, (x[0].clone() / 2.0)?])),
        row("mul by itself", Any, UNARY, |x| one(x[0].clone().mul(&x[0]))),
        row("where_", Any, BINARY, |x| {
            let condition = x[0].detach().gt(&x[1].detach().mul(0.5)?)?;
            one(Tensor::where_(&condition, &x[0], &x[1]))
        }),
        row("matmul", Any, MATMUL, |x| one(x[0].matmul(&x[1]))),
        row("linear", Any, LINEAR, |x| one(x[0].linear(&x[1], Some(&x[2])))),
        row("linear without bias", Any, LINEAR, |x| one(x[0].linear(&x[1], None))),
        row("linear_act relu", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Relu))),
        row("sum last", Any, REDUCED, |x| one(x[0].sum(&[-1], false))),
        row("sum first", Any, REDUCED, |x| one(x[0].sum(&[0], true))),
        row("sum outer axes", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]], &[&[2, 1, 3]]], |x| one(x[0].sum(&[0, 2], false))),
        row("sum middle", Any, &[&[&[2, 3, 4]], &[&[2, 3, 0]], &[&[2, 0, 3]], &[&[0, 2, 3]]], |x| one(x[0].sum(&[1], false))),
        row("sum of no axes", Any, UNARY, |x| one(x[0].sum(&[], false))),
        row("sum_all", Any, UNARY, |x| one(x[0].sum_all())),
        row("mean", Any, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[1]], &[&[0, 3]]], |x| one(x[0].mean(&[-1], true))),
        row("mean_all", Any, &[&[&[3, 4]], &[&[1]], &[&[]]], |x| one(x[0].mean_all())),
        row("var", Any, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[0, 3]]], |x| one(x[0].var(&[-1], 1, false))),
        row("var biased", Any, &[&[&[3, 4]], &[&[2, 1, 5]]], |x| one(x[0].var(&[0, 1], 0, true))),
        row("max", Distinct, REDUCED, |x| one(x[0].max(-1, false))),
        row("max first", Distinct, &[&[&[3, 4]], &[&[2, 3, 5]], &[&[1, 4]], &[&[2, 0]]], |x| one(x[0].max(0, true))),
        row("min", Distinct, REDUCED, |x| one(x[0].min(-1, false))),
        row("min middle", Distinct, &[&[&[2, 3, 4]], &[&[1, 1, 1]], &[&[2, 3, 0]]], |x| one(x[0].min(1, true))),
        row("reshape", Any, &[&[&[2, 3, 4]]], |x| one(x[0].reshape([4, 6]))),
        row("reshape empty", Any, &[&[&[0, 3]]], |x| one(x[0].reshape([2, 0, 5]))),
        row("flatten", Any, &[&[&[2, 3, 4]], &[&[2, 0, 4]], &[&[1, 1]]], |x| one(x[0].flatten(-2, -1))),
        row("permute", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]]], |x| one(x[0].permute(&[2, 0, -2]))),
        row("transpose", Any, &[&[&[2, 3, 4]], &[&[1, 1]], &[&[0, 2]]], |x| one(x[0].transpose(0, -1))),
        row("t", Any, &[&[&[3, 4]], &[&[1, 5]], &[&[0, 2]]], |x| one(x[0].t())),
        row("narrow", Any, &[&[&[3, 4]], &[&[4, 1]], &[&[3, 0]]], |x| one(x[0].narrow(0, 1, 2))),
        row("narrow to nothing", Any, &[&[&[3, 4]], &[&[1, 4]]], |x| one(x[0].narrow(0, 1, 0))),
        row("narrow last", Any, &[&[&[3, 4]], &[&[2, 2, 3]]], |x| one(x[0].narrow(-1, 1, 2))),
        row("select", Any, &[&[&[3, 4]], &[&[2, 2]], &[&[0, 2]]], |x| one(x[0].select(1, 1))),
        row("squeeze", Any, &[&[&[3, 1]], &[&[1]], &[&[2, 3]], &[&[0, 1]]], |x| one(x[0].squeeze(-1))),
        row("unsqueeze", Any, UNARY, |x| one(x[0].unsqueeze(-1))),
        row("expand", Any, &[&[&[3, 1]], &[&[1]], &[&[]], &[&[3, 4]]], |x| one(x[0].expand([2, 3, 4]))),
        row("expand to nothing", Any, &[&[&[3, 1]], &[&[1]]], |x| one(x[0].expand([3, 0]))),
        row("cat", Any, &[&[&[3, 4], &[3, 2]], &[&[1, 1], &[1, 1]], &[&[3, 0], &[3, 2]], &[&[0, 2], &[0, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1], &x[0]], 1))),
        row("cat first", Any, &[&[&[3, 4], &[2, 4]], &[&[2], &[3]], &[&[0, 2], &[1, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1]], 0))),
        row("stack", Any, &[&[&[3, 4], &[3, 4]], &[&[], &[]], &[&[0], &[0]]], |x| one(Tensor::stack(&[&x[0], &x[1]], -1))),
        row("index_select", Any, &[&[&[3, 4]], &[&[5]], &[&[2, 0]], &[&[1, 3]]], |x| one(x[0].index_select(0, &ids(6, x[0].shape()[0])))),
        row("index_select last", Any, &[&[&[3, 4]], &[&[2, 3, 2]], &[&[0, 3]]], |x| one(x[0].index_select(-1, &ids(3, x[0].dim(-1)?)))),
        row("index_select nothing", Any, &[&[&[3, 4]]], |x| one(x[0].index_select(1, &ids(0, 1)))),
        row("softmax", Any, UNARY, |x| one(x[0].softmax(-1))),
        row("softmax first", Any, &[&[&[3, 4]], &[&[2, 3, 20]], &[&[0, 2]], &[&[40, 3]]], |x| one(x[0].softmax(0))),
        row("log_softmax", Any, UNARY, |x| one(x[0].log_softmax(-1))),
        row("log_softmax middle", Any, &[&[&[2, 3, 4]], &[&[2, 40, 1]], &[&[2, 0, 3]]], |x| one(x[0].log_softmax(1))),
        row("dropout", Any, UNARY, |x| one(x[0].dropout(0.4, &mut Rng::new(5)))),
        row("dropout nothing", Any, UNARY, |x| one(x[0].dropout(0.0, &mut Rng::new(5)))),
        row("dropout all", Any, UNARY, |x| one(x[0].dropout(1.0, &mut Rng::new(5)))),
        row("mse_loss", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::Mean))),
        row("mse_loss none", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::None))),
        row("l1_loss", Any, PAIRS, |x| one(x[0].l1_loss(&x[1], Reduction::Sum))),
        row("huber_loss", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 0.8, Reduction::Mean))),
        row("huber_loss none", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 1.3, Reduction::None))),
        row("cross_entropy", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::Mean))),
        row("cross_entropy sum", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]).cast(DType::U32)?, Reduction::Sum))),
        row("lstm", Any, LSTM, |x| lstm(&x[0], None, &x[1..], true, false, 0.0)),
        row("lstm from a state", Any, LSTM_STATE, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)),
        row("lstm without bias", Any, &[&[&[2, 4, 3], &[8, 3], &[8, 2]]], |x| lstm(&x[0], None, &x[1..], false, false, 0.0)),
        row("lstm to h", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(1)])),
        row("lstm to c", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(2)])),
        row("lstm to output", Any, LSTM_STATE, |x| Ok(vec![lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, false, 0.0)?.swap_remove(0)])),
        row("lstm deep", Any, LSTM_DEEP, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, true, 0.0)),
        row("lstm deep with dropout", Any, LSTM_DEEP, |x| lstm(&x[0], Some((&x[1], &x[2])), &x[3..], true, true, 0.5)),
        row("lstm backwards", Any, &[&[&[3, 4, 2], &[8, 2], &[8, 2], &[8], &[8], &[8, 2], &[8, 2], &[8], &[8]]], |x| lstm(&x[0], None, &x[1..], true, true, 0.0)),
        row("cross_entropy none", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::None))),
    ]
}

/// The outputs of an LSTM whose weights lie in `inputs` one after the other.
fn lstm(
    x: &Tensor,
    state: Option<(&Tensor, &Tensor)>,
    inputs: &[Tensor],
    biases: bool,
    bidirectional: bool,
    dropout: f64,
) -> Result<Vec<Tensor>> {
    let weights: Vec<LstmWeights> = inputs
        .chunks_exact(if biases { 4 } else { 2 })
        .map(|w| LstmWeights {
            w_ih: w[0].clone(),
            w_hh: w[1].clone(),
            b_ih: biases.then(|| w[2].clone()),
            b_hh: biases.then(|| w[3].clone()),
        })
        .collect();
    let options = LstmOptions {
        bidirectional,
        dropout,
    };
    let y = x.lstm(&weights, state, options, &mut Rng::new(8))?;
    Ok(vec![y.output, y.h, y.c])
}

const LSTM: &[&[&[usize]]] = &[
    &[&[2, 3, 2], &[12, 2], &[12, 3], &[12], &[12]],
    &[&[1, 1, 1], &[4, 1], &[4, 1], &[4], &[4]],
    &[&[0, 3, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 0, 2], &[8, 2], &[8, 2], &[8], &[8]],
    &[&[2, 3, 0], &[8, 0], &[8, 2], &[8], &[8]],
];
const LSTM_STATE: &[&[&[usize]]] = &[
    &[
        &[2, 3, 2],
        &[1, 2, 3],
        &[1, 2, 3],
        &[12, 2],
        &[12, 3],
        &[12],
        &[12],
    ],
    &[
        &[2, 0, 2],
        &[1, 2, 1],
        &[1, 2, 1],
        &[4, 2],
        &[4, 1],
        &[4],
        &[4],
    ],
    &[
        &[5, 4, 3],
        &[1, 5, 2],
        &[1, 5, 2],
        &[8, 3],
        &[8, 2],
        &[8],
        &[8],
    ],
];
/// Two layers of two directions: x, h0, c0, then four times the weights.
#[rustfmt::skip]
const LSTM_DEEP: &[&[&[usize]]] = &[&[
    &[2, 3, 3], &[4, 2, 2], &[4, 2, 2],
    &[8, 3], &[8, 2], &[8], &[8], &[8, 3], &[8, 2], &[8], &[8],
    &[8, 4], &[8, 2], &[8], &[8], &[8, 4], &[8, 2], &[8], &[8],
]];

/// Public methods of `Tensor` in `src/ops` through which no gradient flows, on purpose.
const WITHOUT_GRADIENT: &[&str] = &["argmax", "argmin", "eq", "ne", "lt", "le", "gt", "ge"];

/// One set of inputs: bases, and how the operation sees each.
struct Inputs {
    bases: Vec<Tensor>,
    seen: Vec<Seen>,
    shapes: Vec<Vec<usize>>,
    /// What each output is multiplied with to make one number.
    weights: Vec<Tensor>,
}

impl Inputs {
    fn outputs(&self, f: Apply, bases: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs = bases
            .iter()
            .zip(&self.seen)
            .zip(&self.shapes)
            .map(|((base, seen), shape)| seen.view(base, shape))
            .collect::<Result<Vec<_>>>()?;
        f(&inputs)
    }

    /// The weighted sum of all outputs, without any operation of the library.
    fn number(&self, f: Apply, bases: &[Tensor]) -> Result<f64> {
        Ok(self
            .outputs(f, bases)?
            .iter()
            .zip(&self.weights)
            .flat_map(|(y, w)| f64s(y).into_iter().zip(f64s(w)))
            .map(|(y, w)| y * w)
            .sum())
    }

    /// The gradients of the bases in `wanted`, the others needing none.
    fn analytic(&self, f: Apply, wanted: &[bool]) -> Result<Vec<Option<Vec<f64>>>> {
        let bases: Vec<Tensor> = self
            .bases
            .iter()
            .zip(wanted)
            .map(|(base, &wanted)| {
                if wanted {
                    base.clone().variable()
                } else {
                    base.clone()
                }
            })
            .collect();
        let mut loss = Tensor::scalar(0.0, DType::F64);
        for (y, w) in self.outputs(f, &bases)?.into_iter().zip(&self.weights) {
            loss = loss.add(y.mul(w)?.sum_all()?)?;
        }
        let targets: Vec<&Tensor> = bases.iter().filter(|base| base.needs_grad()).collect();
        if !loss.needs_grad() {
            return Ok(vec![None; bases.len()]);
        }
        let mut gradients = grad(&loss, &targets)?.into_iter();
        Ok(bases
            .iter()
            .map(|base| {
                base.needs_grad().then(|| {
                    let gradient = gradients.next().expect("one for each target");
                    assert_eq!(gradient.shape(), base.shape(), "the shape of a gradient");
                    f64s(&gradient)
                })
            })
            .collect())
    }

    fn numeric(&self, f: Apply, index: usize) -> Result<Vec<f64>> {
        let values = f64s(&self.bases[index]);
        let shape = self.bases[index].shape();
        // The cube root of the rounding error balances truncation and cancellation.
        let h = 6e-6;
        (0..values.len())
            .map(|i| {
                let at = |x: f64| {
                    let mut values = values.clone();
                    values[i] = x;
                    let mut bases = self.bases.clone();
                    bases[index] = Tensor::from_vec(values, shape)?;
                    self.number(f, &bases)
                };
                Ok((at(values[i] + h)? - at(values[i] - h)?) / (2.0 * h))
            })
            .collect()
    }
}

/// Rounding (1e-16 / h) and truncation (h²) are both below 1e-10 of the largest term; sums of up to
/// a thousand terms leave room for 1e-7.
const TOLERANCE: f64 = 1e-7;

fn check(
    row: &Row,
    shapes: &[Vec<usize>],
    seen: &[Seen],
    rng: &mut Rng,
) -> std::result::Result<(), String> {
    let Some(bases) = shapes
        .iter()
        .zip(seen)
        .map(|(shape, seen)| seen.base(shape))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    let context = format!("`{}` on {shapes:?} seen as {seen:?}", row.name);
    let fail = |e: azura_core::Error| format!("{context}: {e}");
    let mut inputs = Inputs {
        bases: bases
            .iter()
            .map(|base| random(rng, base, row.domain))
            .collect(),
        seen: seen.to_vec(),
        shapes: shapes.to_vec(),
        weights: Vec::new(),
    };
    inputs.weights = inputs
        .outputs(row.f, &inputs.bases)
        .map_err(fail)?
        .iter()
        .map(|y| random(rng, y.shape(), Domain::Any))
        .collect();
    let count = bases.len();
    let all = inputs.analytic(row.f, &vec![true; count]).map_err(fail)?;
    for (index, analytic) in all.iter().enumerate() {
        let numeric = inputs.numeric(row.f, index).map_err(fail)?;
        let Some(analytic) = analytic else {
            return Err(format!("{context}: no gradient for input {index}"));
        };
        let distance = distance(analytic, &numeric);
        if distance > TOLERANCE {
            return Err(format!(
                "{context}: gradient {index} is off by {distance:.1e}\n analytic {analytic:?}\n numeric  {numeric:?}"
            ));
        }
    }
    for frozen in 0..count {
        let wanted: Vec<bool> = (0..count).map(|i| i != frozen).collect();
        let some = inputs.analytic(row.f, &wanted).map_err(fail)?;
        for index in (0..count).filter(|&index| index != frozen) {
            if some[index] != all[index] {
                return Err(format!(
                    "{context}: gradient {index} changes if input {frozen} needs none"
                ));
            }
        }
        if some[frozen].is_some() {
            return Err(format!("{context}: input {frozen} got a gradient unasked"));
        }
    }
    Ok(())
}

#[test]
fn gradients_are_the_slopes() {
    let mut rng = Rng::new(20);
    let mut wrong = Vec::new();
    for row in table() {
        for shapes in &row.shapes {
            for seen in Seen::ALL {
                // All inputs the same way, and the first alone.
                let ways = [vec![seen; shapes.len()], {
                    let mut first = vec![Seen::Plain; shapes.len()];
                    first[0] = seen;
                    first
                }];
                let count = if shapes.len() > 1 && seen != Seen::Plain {
                    2
                } else {
                    1
                };
                for way in &ways[..count] {
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        check(&row, shapes, way, &mut rng)
                    }));
                    match outcome {
                        Ok(Ok(())) => {}
                        Ok(Err(message)) => wrong.push(message),
                        Err(_) => wrong.push(format!(
                            "`{}` panics on {shapes:?} seen as {way:?}",
                            row.name
                        )),
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The names of public functions and of rows of operation macros in the sources of `src/ops`.
fn operations() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut in_macro = false;
        for line in text.lines() {
            if line.ends_with("_ops! {") || line == "comparisons! {" {
                in_macro = !line.starts_with("macro_rules!");
            } else if line == "}" {
                in_macro = false;
            }
            let word = |text: &str| {
                text.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect::<String>()
            };
            let line = line.trim_start();
            if let Some(rest) = line.strip_prefix("pub fn ") {
                names.push(word(rest));
            } else if in_macro && line.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
                // A row: the method, then the type that stands for it.
                let is_row = line
                    .split(' ')
                    .nth(1)
                    .is_some_and(|t| t.starts_with(char::is_uppercase));
                if is_row {
                    names.push(word(line));
                }
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_operation_has_a_row() {
    let operations = operations();
    // If the sources are laid out in a way that this test cannot read, it must not pass.
    for known in [
        "exp", "add", "matmul", "narrow", "softmax", "mse_loss", "eq", "dropout", "sum",
    ] {
        assert!(
            operations.iter().any(|name| name == known),
            "`{known}` was not found in src/ops"
        );
    }
    let rows = table();
    let missing: Vec<&String> = operations
        .iter()
        .filter(|name| !WITHOUT_GRADIENT.contains(&name.as_str()))
        .filter(|name| {
            !rows
                .iter()
                .any(|row| row.name.split(' ').next() == Some(name))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "no row in the gradient table for {missing:?}"
    );
    for row in &rows {
        let method = row.name.split(' ').next().unwrap();
        assert!(
            operations.iter().any(|name| name == method),
            "`{method}` is no operation"
        );
    }
}

/// Where a derivative has a convention instead of a value, it is PyTorch's.
#[test]
fn conventions_at_kinks() {
    fn slope(x: f64, f: impl Fn(Tensor) -> Result<Tensor>) -> f64 {
        let x = Tensor::scalar(x, DType::F64).variable();
        let y = f(x.clone()).unwrap().sum_all().unwrap();
        grad(&y, &[&x]).unwrap()[0].item().unwrap()
    }
    assert_eq!(slope(0.0, Tensor::abs), 0.0);
    assert_eq!(slope(0.0, Tensor::relu), 0.0);
    assert_eq!(slope(-1.0, |x| x.clamp(-1.0, 1.0)), 1.0);
    assert_eq!(slope(1.0, |x| x.clamp(-1.0, 1.0)), 1.0);
    assert_eq!(slope(0.0, |x| x.pow(2.0)), 0.0);
    assert_eq!(slope(0.0, |x| x.pow(1.0)), 1.0);
    assert_eq!(slope(0.0, |x| x.pow(0.0)), 0.0);
    assert_eq!(slope(0.0, Tensor::sqrt), f64::INFINITY);
    let one = Tensor::scalar(1.0, DType::F64);
    assert_eq!(slope(1.0, |x| x.maximum(&one)), 0.5);
    assert_eq!(slope(1.0, |x| x.minimum(&one)), 0.5);
    assert_eq!(slope(1.0, |x| x.l1_loss(&one, Reduction::Mean)), 0.0);
    assert_eq!(
        slope(2.0, |x| x.huber_loss(&one, 1.0, Reduction::Mean)),
        1.0
    );
    // The first of equals takes all.
    let x = Tensor::from_slice(&[1.0, 3.0, 3.0], [3])
        .unwrap()
        .variable();
    let y = x.max(0, false).unwrap();
    assert_eq!(f64s(&grad(&y, &[&x]).unwrap()[0]), [0.0, 1.0, 0.0]);
}

/// A cast between floats carries the gradient and its dtype.
#[test]
fn casts_carry_gradients_of_the_right_dtype() {
    let x = Tensor::from_slice(&[1.0f32, -2.0], [2]).unwrap().variable();
    let y = x
        .cast(DType::F64)
        .unwrap()
        .square()
        .unwrap()
        .sum_all()
        .unwrap();
    let dx = &grad(&y, &[&x]).unwrap()[0];
    assert_eq!(dx.to_vec::<f32>().unwrap(), [2.0, -4.0]);
    let ids = x.cast(DType::I64).unwrap();
    assert!(!ids.needs_grad());
}
