//! Rounding, extremes and NaN in f32, the dtype of training.

mod common;
#[path = "numerics/elementwise.rs"]
mod elementwise;

use azura_core::{Activation, DType, Reduction, Result, Rng, Tensor, grad};
use common::bits;

fn f32s(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

fn value(x: azura_core::Result<Tensor>) -> f64 {
    f64::from(x.unwrap().item::<f32>().unwrap())
}

/// An activation in the pass of a product is the one that would follow it.
#[test]
fn activations_of_a_product() -> Result<()> {
    let mut rng = Rng::new(17);
    let mut normal = |shape: &[usize]| {
        let values = (0..shape.iter().product()).map(|_| rng.normal() as f32);
        Tensor::from_vec(values.collect::<Vec<f32>>(), shape)
    };
    type Apply = fn(Tensor) -> Result<Tensor>;
    let all: [(Activation, Apply); 7] = [
        (Activation::None, Ok),
        (Activation::Relu, Tensor::relu),
        (Activation::Gelu, Tensor::gelu),
        (Activation::GeluTanh, Tensor::gelu_tanh),
        (Activation::Silu, Tensor::silu),
        (Activation::Tanh, Tensor::tanh),
        (Activation::Sigmoid, Tensor::sigmoid),
    ];
    // One column, one row, less and more than a tile, more than a block of rows and of k.
    for [m, k, n] in [[5, 3, 1], [1, 7, 40], [3, 5, 17], [300, 600, 70]] {
        let (x, w, b) = (normal(&[m, k])?, normal(&[n, k])?, normal(&[n])?);
        for (activation, apply) in all {
            let apart = apply(x.linear(&w, Some(&b))?)?;
            let fused = x.linear_act(&w, Some(&b), activation)?;
            assert_eq!(
                bits(&fused),
                bits(&apart),
                "{activation:?} of {m} x {k} x {n}"
            );
            let recorded = x.clone().variable().linear_act(&w, Some(&b), activation)?;
            assert_eq!(
                bits(&recorded),
                bits(&apart),
                "{activation:?} with a gradient"
            );
        }
    }
    Ok(())
}

#[test]
fn sums_of_ten_million() -> Result<()> {
    let n = 10_000_000;
    let x = Tensor::full([n], 0.1, DType::F32)?;
    let exact = f64::from(0.1f32) * n as f64;
    assert!(
        (value(x.sum_all()) / exact - 1.0).abs() < 1e-6,
        "{}",
        value(x.sum_all())
    );
    assert!((value(x.mean_all()) / f64::from(0.1f32) - 1.0).abs() < 1e-6);
    // Along the first axis the additions of a column are far apart.
    let columns = x.reshape([n / 4, 4])?.sum(&[0], false)?.to_vec::<f32>()?;
    for sum in columns {
        assert!((f64::from(sum) / (exact / 4.0) - 1.0).abs() < 1e-6, "{sum}");
    }
    // Numbers of both signs that nearly cancel.
    let mut rng = Rng::new(1);
    let values: Vec<f32> = (0..1_000_000).map(|_| rng.normal() as f32).collect();
    let exact: f64 = values.iter().map(|&x| f64::from(x)).sum();
    let total: f64 = values.iter().map(|&x| f64::from(x.abs())).sum();
    let off = (value(f32s(&values).sum_all()) - exact).abs();
    assert!(off < 1e-8 * total, "{off:e} of {total:e}");
    Ok(())
}

/// Sums over any axis of sizes around the kernel's blocks and tiles, against a naive loop.
#[test]
fn sums_around_blocks() -> Result<()> {
    let mut rng = Rng::new(2);
    for shape in [
        [2, 63, 130],
        [1, 65, 127],
        [3, 129, 1],
        [1, 1, 1025],
        [2, 5, 4097],
        [300, 2, 3],
    ] {
        let n = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let x = Tensor::from_slice(&values, shape)?;
        for axis in 0..3usize {
            let inner: usize = shape[axis + 1..].iter().product();
            let mut want = vec![0.0; n / shape[axis]];
            for (i, value) in values.iter().enumerate() {
                want[i / (inner * shape[axis]) * inner + i % inner] += value;
            }
            let got: Vec<f64> = x.sum(&[axis as isize], false)?.to_vec()?;
            let off = common::distance(&got, &want);
            assert!(off < 1e-13, "axis {axis} of {shape:?} is off by {off:.1e}");
        }
    }
    Ok(())
}

#[test]
fn variance_of_nearly_equal_numbers() -> Result<()> {
    // Neighbours of 10,000 in f32 are a thousandth apart: the rounded mean must not count as spread.
    let step = 2f32.powi(-10);
    for n in [3usize, 10, 1000, 4097] {
        let values: Vec<f32> = (0..n).map(|i| 10_000.0 + step * (i % 3) as f32).collect();
        let exact: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        let mean = exact.iter().sum::<f64>() / n as f64;
        let variance = exact.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let x = f32s(&values).variable();
        let y = x.var(&[0], 1, false)?;
        let got = f64::from(y.item::<f32>()?);
        assert!(
            (got / variance - 1.0).abs() < 1e-6,
            "{n} numbers: {got:e}, not {variance:e}"
        );
        let gradient = &grad(&y, &[&x])?[0].to_vec::<f32>()?;
        for (g, x) in gradient.iter().zip(&exact) {
            let want = 2.0 * (x - mean) / (n - 1) as f64;
            assert!(
                (f64::from(*g) - want).abs() < 1e-6 * f64::from(step),
                "{g:e}, not {want:e}"
            );
        }
    }
    let x = Tensor::full([1000], 3.7e7, DType::F32)?;
    assert_eq!(value(x.var(&[0], 1, false)), 0.0);
    // More taken off than there are numbers: PyTorch's infinity, and NaN where nothing is spread.
    let two = f32s(&[1.0, 2.0]);
    assert_eq!(value(two.var(&[0], 3, false)), f64::INFINITY);
    assert!(value(f32s(&[1.0]).var(&[0], 1, false)).is_nan());
    assert!(value(f32s(&[]).var(&[0], 0, false)).is_nan());
    Ok(())
}

#[test]
fn softmax_of_extremes() -> Result<()> {
    let inf = f32::INFINITY;
    for n in [2usize, 5, 17, 100, 1000] {
        let mut scores = vec![-1e4f32; n];
        scores[n - 1] = 1e4;
        let y = f32s(&scores).softmax(0)?.to_vec::<f32>()?;
        assert_eq!((y[0], y[n - 1]), (0.0, 1.0));
        let log = f32s(&scores).log_softmax(0)?.to_vec::<f32>()?;
        assert_eq!((log[0], log[n - 1]), (-2e4, 0.0));
        let even = f32s(&vec![1e4; n]).softmax(0)?.to_vec::<f32>()?;
        assert!(even.iter().all(|&p| (p * n as f32 - 1.0).abs() < 1e-6));
        // A masked place has no probability, no gradient, and does not disturb the others.
        scores = (0..n).map(|i| i as f32 / n as f32).collect();
        scores[0] = -inf;
        let x = f32s(&scores).variable();
        let y = x.softmax(0)?;
        let p = y.to_vec::<f32>()?;
        assert_eq!(p[0], 0.0);
        assert!((p.iter().map(|&p| f64::from(p)).sum::<f64>() - 1.0).abs() < 1e-6);
        let dx = grad(&y.square()?.sum_all()?, &[&x])?[0].to_vec::<f32>()?;
        assert!(dx[0] == 0.0 && dx.iter().all(|x| x.is_finite()), "{dx:?}");
        // Nothing but masks has no answer.
        assert!(
            f32s(&vec![-inf; n])
                .softmax(0)?
                .to_vec::<f32>()?
                .iter()
                .all(|p| p.is_nan())
        );
    }
    // A long row.
    let x = Tensor::arange(0.0, 200_000.0, 1.0, DType::F32)?.mul(1e-4)?;
    assert!((value(x.softmax(0)?.sum_all()) - 1.0).abs() < 1e-5);
    Ok(())
}

#[test]
fn cross_entropy_of_extremes() -> Result<()> {
    let inf = f32::INFINITY;
    let scores = Tensor::from_slice(
        &[1e4f32, -1e4, 0.0, 1e4, -1e4, 0.0, -inf, 0.0, -inf],
        [3, 3],
    )?
    .variable();
    let labels = Tensor::from_slice(&[0i64, 1, 1], [3])?;
    let losses = scores.cross_entropy(&labels, Reduction::None)?;
    assert_eq!(losses.to_vec::<f32>()?, [0.0, 2e4, 0.0]);
    let dx = grad(&losses.sum_all()?, &[&scores])?[0].to_vec::<f32>()?;
    assert_eq!(dx, [0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
    // The loss of one against one is the same wherever both stand.
    for top in [0.0f32, 1e3, -3e4, 1e6] {
        let x = Tensor::from_slice(&[top, top - 1.0], [1, 2])?;
        let loss = value(x.cross_entropy(&Tensor::from_slice(&[0i64], [1])?, Reduction::Mean));
        let want = (-1f64).exp().ln_1p();
        assert!((loss - want).abs() < 1e-7, "{loss} at {top}");
    }
    Ok(())
}

/// NaN in one place gives NaN in that place, wherever it stands in a vector register.
#[test]
fn nan_goes_through() -> Result<()> {
    let n = 67;
    for at in 0..n {
        let mut values: Vec<f32> = (0..n).map(|i| i as f32 - 30.0).collect();
        values[at] = f32::NAN;
        let x = f32s(&values);
        let other = f32s(&vec![0.5; n]);
        let only_there = |what: &str, y: Tensor| {
            let y = y.to_vec::<f32>().unwrap();
            for (i, y) in y.iter().enumerate() {
                assert_eq!(y.is_nan(), i == at, "{what} at {i}, NaN at {at}");
            }
        };
        only_there("relu", x.clone().relu()?);
        only_there("clamp", x.clone().clamp(-1.0, 1.0)?);
        only_there("maximum", x.clone().maximum(&other)?);
        only_there("maximum", other.clone().maximum(&x)?);
        only_there("minimum", x.clone().minimum(&other)?);
        only_there("minimum", other.clone().minimum(&x)?);
        only_there("tanh", x.clone().tanh()?);
        only_there("sigmoid", x.clone().sigmoid()?);
        only_there("exp", x.clone().exp()?);
        only_there("abs", x.clone().abs()?);
        let column = x.unsqueeze(1)?;
        let one = Tensor::ones([1, 1], DType::F32)?;
        only_there("matmul", column.matmul(&one)?.squeeze(1)?);
        only_there(
            "linear_act",
            column
                .linear_act(&one, None, Activation::Relu)?
                .squeeze(1)?,
        );
        for y in [
            x.max(0, false)?,
            x.min(0, false)?,
            x.sum_all()?,
            x.var(&[0], 1, false)?,
        ] {
            assert!(y.item::<f32>()?.is_nan());
        }
        assert_eq!(
            x.argmax(0, false)?.item::<i64>()?,
            at as i64,
            "the first NaN wins"
        );
        assert_eq!(x.argmin(0, false)?.item::<i64>()?, at as i64);
        assert!(x.softmax(0)?.to_vec::<f32>()?.iter().all(|y| y.is_nan()));
        let compared = x.eq(&x)?.to_vec::<bool>()?;
        assert!(
            compared
                .iter()
                .enumerate()
                .all(|(i, &same)| same == (i != at))
        );
    }
    Ok(())
}

/// An element's bits do not depend on where it stands: vector lanes and the scalar rest agree.
#[test]
fn lanes_and_rest_agree() -> Result<()> {
    let mut rng = Rng::new(3);
    let values: Vec<f32> = (0..103).map(|_| (4.0 * rng.normal()) as f32).collect();
    type Unary = fn(Tensor) -> Result<Tensor>;
    let all: [(&str, Unary); 9] = [
        ("exp", Tensor::exp),
        ("log", |x| x.abs()?.log()),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("silu", Tensor::silu),
        ("gelu_tanh", Tensor::gelu_tanh),
        ("sin", Tensor::sin),
        ("sqrt", |x| x.abs()?.sqrt()),
        ("pow", |x| x.abs()?.pow(1.7)),
    ];
    for (name, f) in all {
        let whole = bits(&f(f32s(&values))?);
        for (i, &x) in values.iter().enumerate() {
            assert_eq!(whole[i], bits(&f(f32s(&[x]))?)[0], "{name} of {x}");
        }
    }
    Ok(())
}

#[test]
fn casts_cut_and_saturate() -> Result<()> {
    let x = f32s(&[-1.9, -0.5, 0.0, 1.9, 3e9, 1e20, f32::NAN]);
    assert_eq!(
        x.cast(DType::U32)?.to_vec::<u32>()?,
        [0, 0, 0, 1, 3_000_000_000, u32::MAX, 0]
    );
    assert_eq!(
        x.cast(DType::I64)?.to_vec::<i64>()?,
        [-1, 0, 0, 1, 3_000_000_000, i64::MAX, 0]
    );
    assert_eq!(
        x.cast(DType::Bool)?.to_vec::<bool>()?,
        [true, true, false, true, true, true, true]
    );
    let big = Tensor::from_slice(&[i64::MAX, -7, (1 << 53) + 1], [3])?;
    assert_eq!(
        big.cast(DType::U32)?.to_vec::<u32>()?,
        [u32::MAX, 0, u32::MAX]
    );
    Ok(())
}

#[test]
fn dropout_keeps_the_mean_and_the_share() -> Result<()> {
    let n = 200_000;
    let x = Tensor::ones([n], DType::F32)?;
    for p in [0.1, 0.5, 0.9] {
        let y = x.dropout(p, &mut Rng::new(4))?.to_vec::<f32>()?;
        let kept = y.iter().filter(|&&y| y != 0.0).count() as f64 / n as f64;
        let spread = (p * (1.0 - p) / n as f64).sqrt();
        assert!(
            (kept - (1.0 - p)).abs() < 4.0 * spread,
            "{kept} kept of {p} dropped"
        );
        assert!(
            y.iter()
                .all(|&y| y == 0.0 || (y - (1.0 / (1.0 - p)) as f32).abs() < 1e-6)
        );
    }
    assert_eq!(
        x.dropout(1.0, &mut Rng::new(4))?.to_vec::<f32>()?,
        vec![0.0; n]
    );
    assert_eq!(
        x.dropout(0.0, &mut Rng::new(4))?.to_vec::<f32>()?,
        vec![1.0; n]
    );
    // The generator moves on: the next call drops others.
    let mut rng = Rng::new(4);
    let (a, b) = (x.dropout(0.5, &mut rng)?, x.dropout(0.5, &mut rng)?);
    let same = bits(&a)
        .iter()
        .zip(bits(&b))
        .filter(|(a, b)| **a == *b)
        .count() as f64
        / n as f64;
    assert!((same - 0.5).abs() < 0.01, "{same}");
    Ok(())
}
