//! Every row on sixteen-bit floats: computed in f32 and rounded once, with gradients in the dtype of what they belong to.

use crate::{Apply, Row, common, table, without_gradient};
use azura_core::{CrossEntropyOptions, DType, Result, Rng, Tensor, grad};
use common::{Domain, distance, random};

/// The dtypes, and half the distance between 1 and the next number.
const HALVES: [(DType, f64); 2] = [(DType::F16, 4.882_812_5e-4), (DType::BF16, 3.906_25e-3)];

/// Rows of several operations, each of which rounds, and how many times as much that may be as one rounding of the
/// largest element.
const SEVERAL: &[(&str, f64)] = &[
    ("tan", 3.0),
    ("asin", 3.0),
    ("acos", 3.0),
    ("atan2", 3.0),
    ("relu6", 3.0),
    ("hardsigmoid", 3.0),
    ("hardswish", 3.0),
    ("binary_cross_entropy", 3.0),
    ("binary_cross_entropy weighted", 3.0),
    ("poisson_nll_loss of rates", 3.0),
    ("ctc_loss", 3.0),
    ("ctc_loss none", 3.0),
    ("einsum of three", 3.0),
];

/// An operation without gradient, of numbers in `[0.25, 1.25)`.
type Sample = (&'static str, fn(&Tensor) -> Result<Tensor>);

#[rustfmt::skip]
const SAMPLES: &[Sample] = &[
    ("eq", |x| x.eq(0.5)),
    ("ne", |x| x.ne(&x.flip(&[0])?)),
    ("lt", |x| x.lt(&x.flip(&[0])?)),
    ("le", |x| x.le(&x.flip(&[0])?)),
    ("gt", |x| x.gt(&x.flip(&[0])?)),
    ("ge", |x| x.ge(&x.flip(&[0])?)),
    ("logical_and", |x| x.logical_and(&x.clone().sub(x)?)),
    ("logical_or", |x| x.logical_or(&x.clone().sub(x)?)),
    ("logical_xor", |x| x.logical_xor(&x.clone().sub(x)?)),
    ("logical_not", |x| x.logical_not()),
    ("isnan", |x| x.isnan()),
    ("isinf", |x| x.isinf()),
    ("isfinite", |x| x.isfinite()),
    ("argmax", |x| x.argmax(0, false)),
    ("argmin", |x| x.argmin(1, true)),
    ("argmax_all", |x| x.argmax_all()),
    ("argmin_all", |x| x.argmin_all()),
    ("any", |x| x.any(&[0], false)),
    ("all", |x| x.all(&[1], false)),
    ("any_all", |x| x.any_all()),
    ("all_all", |x| x.all_all()),
    ("argsort", |x| x.argsort(0, true)),
    ("arange", |x| Tensor::arange(0.0, 2.0, 0.3, x.dtype())),
    ("linspace", |x| Tensor::linspace(0.0, 2.0, 7, x.dtype())),
    ("eye", |x| Tensor::eye(3, 2, x.dtype())),
    ("rand", |x| Tensor::rand([5], x.dtype(), &mut Rng::new(1))),
    ("uniform", |x| Tensor::uniform([5], -2.0, 3.0, x.dtype(), &mut Rng::new(1))),
    ("randn", |x| Tensor::randn([5], x.dtype(), &mut Rng::new(1))),
    ("normal", |x| Tensor::normal([5], 2.0, 3.0, x.dtype(), &mut Rng::new(1))),
    ("truncated_normal", |x| Tensor::truncated_normal([5], 2.0, 3.0, 1.0, 4.0, x.dtype(), &mut Rng::new(1))),
    ("bernoulli", |x| x.clone().sub(0.25)?.bernoulli(&mut Rng::new(1))),
    ("multinomial", |x| x.multinomial(2, false, &mut Rng::new(1))),
    ("total_weight", |x| {
        let (labels, weight) = (Tensor::from_slice(&[0i64, 2, 2], [3])?, x.select(0, 0)?);
        let options = CrossEntropyOptions { weight: Some(&weight), ..Default::default() };
        Tensor::scalar(options.total_weight(x, &labels)?, DType::F64)
    }),
];
/// Operations that neither take nor make floats.
const OF_INTEGERS: &[&str] = &["one_hot", "randint", "randperm"];

fn f64s(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).unwrap().to_vec().unwrap()
}

/// The results, and the gradients of their weighted sum.
fn run(f: Apply, inputs: &[Tensor], seed: &Rng) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let results = f(inputs)?;
    let mut rng = seed.clone();
    let mut loss = Tensor::scalar(0.0, DType::F32)?;
    for y in &results {
        // Exact in 16 bits, so that the gradients begin without a rounding.
        let weights = random(&mut rng, y.shape(), Domain::Any)
            .cast(DType::BF16)?
            .cast(DType::F16)?;
        loss = loss.add(
            y.cast(DType::F32)?
                .mul(weights.cast(DType::F32)?)?
                .sum_all()?,
        )?;
    }
    let gradients = grad(&loss, &inputs.iter().collect::<Vec<_>>())?;
    Ok((results, gradients))
}

/// How far apart they are, in `unit`s of the largest, which counts as 1 if it is less; infinite if one is NaN where the
/// other is not.
fn roundings(got: &Tensor, want: &Tensor, unit: f64) -> f64 {
    distance(&f64s(got), &f64s(want)) / unit
}

/// What is wrong with a row.
fn check(
    row: &Row,
    shapes: &[Vec<usize>],
    (dtype, unit): (DType, f64),
    rng: &mut Rng,
) -> Result<Option<String>> {
    let (mut halves, mut wide) = (Vec::new(), Vec::new());
    for shape in shapes {
        let half = random(rng, shape, row.domain).cast(dtype)?;
        wide.push(half.cast(DType::F32)?.variable());
        halves.push(half.variable());
    }
    let (want, want_gradients) = run(row.f, &wide, rng)?;
    let (got, gradients) = run(row.f, &halves, rng)?;
    let several = SEVERAL.iter().find(|(name, _)| *name == row.name);
    let several = several.map(|(_, factor)| *factor);
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let want = want.cast(dtype)?;
        let far = roundings(got, &want, unit);
        if got.dtype() != dtype || got.shape() != want.shape() || far > several.unwrap_or(0.0) {
            let text = format!("result {i} is {far:.1} off: {got:?} and not {want:?}");
            return Ok(Some(text));
        }
    }
    for (i, (got, want)) in gradients.iter().zip(&want_gradients).enumerate() {
        let far = roundings(got, want, unit);
        if got.dtype() != dtype || far > several.unwrap_or(4.0) {
            let text = format!("gradient {i} is {far:.1} off: {got:?} and not {want:?}");
            return Ok(Some(text));
        }
    }
    Ok(None)
}

#[test]
fn halves_round_once() {
    let mut wrong = Vec::new();
    // A cast is what the others are made of, and has tests of its own.
    for row in table().iter().filter(|row| !row.name.starts_with("cast")) {
        let mut rng = Rng::new(16).fork(row.name);
        for half in HALVES {
            for shapes in &row.shapes {
                let context = format!("`{}` on {shapes:?} of {}", row.name, half.0);
                match check(row, shapes, half, &mut rng) {
                    Ok(None) => {}
                    Ok(Some(message)) => wrong.push(format!("{context}: {message}")),
                    Err(error) => wrong.push(format!("{context}: {error}")),
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
fn what_has_no_gradient_takes_halves_too() -> Result<()> {
    for name in without_gradient() {
        let known =
            SAMPLES.iter().any(|(sample, _)| *sample == name) || OF_INTEGERS.contains(&name);
        assert!(known, "no sample of `{name}`");
    }
    for (dtype, _) in HALVES {
        let mut rng = Rng::new(17);
        let x = Tensor::rand([3, 4], dtype, &mut rng)?.add(0.25)?;
        for (name, f) in SAMPLES {
            let (got, want) = (f(&x)?, f(&x.cast(DType::F32)?)?);
            let wanted = match want.dtype() {
                DType::F32 => dtype,
                other => other,
            };
            assert_eq!(got.dtype(), wanted, "`{name}` of {dtype}");
            assert_eq!(f64s(&got), f64s(&want.cast(wanted)?), "`{name}` of {dtype}");
        }
    }
    Ok(())
}
