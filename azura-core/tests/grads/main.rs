//! The gradient of every differentiable operation against central differences in f64.
//!
//! One table, [`table`]: an operation without a row fails `every_operation_has_a_row`. Each row is run
//! on each of its shapes, with inputs that are plain, transposed, narrowed and expanded views, and with
//! each input in turn needing no gradient.

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod attention;
mod conv;
mod elementwise;
mod halves;
mod linalg;
mod loss;
mod norm;
mod pool;
mod random;
mod recurrent;
mod reduce;
mod shape;

use azura_core::{DType, Reduction, Result, Rng, Tensor, grad};
use common::{Domain, Seen, distance, f64s, operations, random};

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
fn one(y: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![y?])
}

/// Integers in `0..size` that depend on nothing but their number.
fn ids(n: usize, size: usize) -> Tensor {
    let values = (0..n).map(|i| ((i * 7 + 3) % size) as i64).collect();
    Tensor::from_vec(values, [n]).unwrap()
}

/// All rows: one list a family.
fn table() -> Vec<Row> {
    [
        activation::rows(),
        attention::rows(),
        conv::rows(),
        elementwise::rows(),
        linalg::rows(),
        loss::rows(),
        norm::rows(),
        pool::rows(),
        random::rows(),
        recurrent::rows(),
        reduce::rows(),
        shape::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Operations through which no gradient flows, on purpose.
fn without_gradient() -> Vec<&'static str> {
    [
        elementwise::WITHOUT_GRADIENT,
        loss::WITHOUT_GRADIENT,
        reduce::WITHOUT_GRADIENT,
        shape::WITHOUT_GRADIENT,
        random::WITHOUT_GRADIENT,
    ]
    .concat()
}

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
        let mut loss = Tensor::scalar(0.0, DType::F64)?;
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
    let mut wrong = Vec::new();
    for row in table() {
        // Of its own, so that a new row does not change the numbers of the others.
        let mut rng = Rng::new(20).fork(row.name);
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
    let (rows, without) = (table(), without_gradient());
    let missing: Vec<&String> = operations
        .iter()
        .filter(|name| !without.contains(&name.as_str()))
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
        let x = Tensor::scalar(x, DType::F64).unwrap().variable();
        let y = f(x.clone()).unwrap().sum_all().unwrap();
        grad(&y, &[&x]).unwrap()[0].item().unwrap()
    }
    assert_eq!(slope(0.0, Tensor::abs), 0.0);
    assert_eq!(slope(0.0, Tensor::relu), 0.0);
    assert_eq!(slope(-1.0, |x| x.clamp(-1.0, 1.0)), 0.0);
    assert_eq!(slope(1.0, |x| x.clamp(-1.0, 1.0)), 0.0);
    assert_eq!(slope(1.0, |x| x.clamp_min(1.0)), 0.0);
    assert_eq!(slope(1.0, |x| x.clamp_max(1.0)), 0.0);
    assert_eq!(slope(0.0, |x| x.pow(2.0)), 0.0);
    assert_eq!(slope(0.0, |x| x.pow(1.0)), 1.0);
    assert_eq!(slope(0.0, |x| x.pow(0.0)), 0.0);
    assert_eq!(slope(0.0, Tensor::sqrt), f64::INFINITY);
    assert_eq!(slope(0.0, Tensor::sign), 0.0);
    assert_eq!(slope(0.0, Tensor::relu6), 0.0);
    assert_eq!(slope(6.0, Tensor::relu6), 0.0);
    assert_eq!(slope(f64::NAN, Tensor::relu6), 1.0);
    assert_eq!(slope(1.0, |x| x.hardtanh(-1.0, 1.0)), 0.0);
    assert_eq!(slope(0.0, |x| x.leaky_relu(0.1)), 0.1);
    assert_eq!(slope(0.0, |x| x.elu(0.3)), 0.3);
    assert_eq!(slope(0.0, |x| x.celu(0.3)), 1.0);
    assert_eq!(slope(0.0, Tensor::selu), 1.758_099_340_847_376_6);
    assert_eq!(slope(0.0, |x| x.softplus(1.0, 20.0)), 0.5);
    assert_eq!(slope(0.0, Tensor::logsigmoid), 0.5);
    assert_eq!(slope(0.0, Tensor::softsign), 1.0);
    assert_eq!(slope(-3.0, Tensor::hardswish), 0.0);
    assert_eq!(slope(3.0, Tensor::hardswish), 1.0);
    assert_eq!(slope(3.0, Tensor::hardsigmoid), 0.0);
    assert_eq!(slope(0.5, |x| x.hardshrink(0.5)), 0.0);
    assert_eq!(slope(0.5, |x| x.softshrink(0.5)), 0.0);
    assert_eq!(slope(f64::NAN, |x| x.softshrink(0.5)), 1.0);
    assert_eq!(slope(0.5, |x| x.threshold(0.5, 0.0)), 0.0);
    assert_eq!(
        slope(0.0, |x| x.prelu(&Tensor::scalar(0.2, DType::F64)?)),
        0.2
    );
    assert_eq!(slope(0.0, |x| x.rpow(0.0)), 0.0);
    let one = Tensor::scalar(1.0, DType::F64).unwrap();
    let zero = Tensor::scalar(0.0, DType::F64).unwrap();
    assert_eq!(slope(0.0, |y| y.atan2(&zero)), 0.0);
    assert_eq!(slope(0.0, |x| zero.clone().atan2(&x)), 0.0);
    assert_eq!(slope(-0.0, |y| y.atan2(&one)), 1.0);
    // At a bound half of it goes there, beyond it all.
    assert_eq!(slope(1.0, |x| x.clamp_min(&one)), 0.5);
    assert_eq!(slope(1.0, |x| one.clone().clamp_min(&x)), 0.5);
    assert_eq!(slope(1.0, |x| x.clamp_max(&one)), 0.5);
    assert_eq!(slope(2.0, |x| one.clone().clamp_min(&x)), 1.0);
    assert_eq!(slope(0.5, |x| one.clone().clamp(-1.0, &x)), 1.0);
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

/// How a clamp by tensors shares its gradient among number and bounds, at and beyond them, equal and crossed.
#[test]
fn clamp_shares_gradients_as_pytorch() {
    for (numbers, want) in [
        ([0.0, -1.0, 1.0], [1.0, 0.0, 0.0]),
        ([-2.0, -1.0, 1.0], [0.0, 1.0, 0.0]),
        ([2.0, -1.0, 1.0], [0.0, 0.0, 1.0]),
        ([-1.0, -1.0, 1.0], [0.5, 0.5, 0.0]),
        ([1.0, -1.0, 1.0], [0.5, 0.0, 0.5]),
        ([1.0, 1.0, 1.0], [1.0, 0.0, 0.0]),
        ([0.0, 1.0, 1.0], [0.0, 1.0, 0.0]),
        ([2.0, 1.0, 1.0], [0.0, 0.0, 1.0]),
        ([1.0, 2.0, 1.0], [0.0, 0.0, 1.0]),
        ([0.0, 2.0, 1.0], [0.0, 0.0, 1.0]),
        ([3.0, 2.0, 1.0], [0.0, 0.0, 1.0]),
        ([f64::NAN, 0.0, 1.0], [1.0, 0.0, 0.0]),
        ([0.5, f64::NAN, 1.0], [1.0, 0.0, 0.0]),
    ] {
        let [x, low, high] = numbers.map(|n| Tensor::scalar(n, DType::F64).unwrap().variable());
        let y = x.clone().clamp(&low, &high).unwrap();
        let shares: Vec<f64> = grad(&y, &[&x, &low, &high])
            .unwrap()
            .iter()
            .map(|share| share.item().unwrap())
            .collect();
        assert_eq!(shares, want, "{numbers:?}");
    }
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
