//! Checkpointed segments, operations of one's own, anomaly detection, and gradients that are refused.

mod common;

use azura_core::{
    CustomOp, DType, Error, Init, Result, Rng, Store, Tensor, buffers_from_system, checkpoint,
    detect_anomaly, grad, no_grad,
};
use common::f64s;

fn vector(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

/// A two-layer net with dropout, on a captured input, whose parameters live in `store`.
fn segment(
    store: &Store,
    x: &Tensor,
) -> impl Fn() -> Result<[Tensor; 2]> + Send + Sync + use<> + 'static {
    let (params, x, rng) = (store.params(), x.clone(), Rng::new(3));
    move || {
        let h = x.linear(&params[0].value(), None)?.tanh()?;
        let h = h.dropout(0.3, &mut rng.clone())?;
        Ok([h.matmul(&params[1].value())?.exp()?, h])
    }
}

fn net() -> Result<Store> {
    let store = Store::new(DType::F64);
    let root = store.root(Rng::new(1));
    root.param("a", &[5, 3], Init::Uniform { bound: 0.7 })?;
    root.param("b", &[5, 2], Init::Uniform { bound: 0.7 })?;
    Ok(store)
}

fn loss([y, h]: &[Tensor; 2]) -> Result<Tensor> {
    y.sum_all()?.add(h.clone().square()?.sum_all()?)
}

#[test]
fn a_checkpointed_segment_has_the_same_gradients() -> Result<()> {
    let store = net()?;
    let leaf = vector(&[0.3, -0.8, 1.2]).variable();
    // What comes into the segment has a past of its own.
    let input = || leaf.clone().sin()?.reshape([1, 3]);
    let gradients = || -> Vec<Vec<f64>> {
        let params = store.params();
        let found = params.iter().map(|p| f64s(&p.grad().unwrap())).collect();
        store.zero_grad();
        found
    };
    let x = input()?;
    let plain = loss(&segment(&store, &x)()?)?;
    let segmented = loss(&checkpoint(segment(&store, &x))?)?;
    assert_eq!(plain.item::<f64>()?, segmented.item::<f64>()?);
    // Into the parameters …
    plain.backward_retain()?;
    let want = gradients();
    segmented.backward_retain()?;
    assert_eq!(gradients(), want);
    // … and asked for, twice, each kind of tensor.
    let [a, b] = [0, 1].map(|i| store.params()[i].value());
    let targets = [&leaf, &x, &a, &b];
    let want = grad(&plain, &targets)?;
    for _ in 0..2 {
        for (got, want) in grad(&segmented, &targets)?.iter().zip(&want) {
            assert_eq!(f64s(got), f64s(want));
        }
    }
    // One of them alone.
    assert_eq!(f64s(&grad(&segmented, &[&b])?[0]), f64s(&want[3]));
    assert_eq!(f64s(&grad(&segmented, &[&leaf])?[0]), f64s(&want[0]));
    Ok(())
}

#[test]
fn segments_may_be_nested_and_follow_each_other() -> Result<()> {
    let x = vector(&[0.5, -0.2]).variable();
    let step = |x: Tensor| x.clone().sin()?.mul(&x)?.add(0.3);
    let nested = move |x: Tensor| -> Result<[Tensor; 1]> {
        checkpoint(move || {
            let x = x.clone();
            let [y] = checkpoint(move || Ok([step(x.clone())?]))?;
            Ok([step(y)?])
        })
    };
    let mut plain = x.clone();
    for _ in 0..4 {
        plain = step(plain)?;
    }
    let [half] = nested(x.clone())?;
    let [segmented] = nested(half)?;
    let want = grad(&plain.sum_all()?, &[&x])?;
    let got = grad(&segmented.sum_all()?, &[&x])?;
    assert_eq!(f64s(&got[0]), f64s(&want[0]));
    Ok(())
}

#[test]
fn a_segment_without_a_gradient_is_only_run() -> Result<()> {
    let x = vector(&[1.0]);
    let captured = x.clone();
    let [y] = checkpoint(move || Ok([captured.clone().exp()?]))?;
    assert!(!y.needs_grad());
    let leaf = x.variable();
    let [y] = no_grad(|| checkpoint(move || Ok([leaf.clone().exp()?])))?;
    assert!(!y.needs_grad());
    Ok(())
}

/// The reason for segments: what lies inside them is not kept.
#[test]
fn a_segment_keeps_nothing_it_computes() -> Result<()> {
    let x = Tensor::ones([64, 1024], DType::F32)?.variable();
    let deep = |x: &Tensor| {
        let mut y = x.clone();
        for _ in 0..16 {
            y = y.sin()?;
        }
        Ok(y)
    };
    // Once each, so that the pool holds what one graph needs.
    let count = |f: &dyn Fn() -> Result<Vec<Tensor>>| -> Result<usize> {
        azura_core::release_unused_memory();
        let before = buffers_from_system();
        let kept = f()?;
        let taken = buffers_from_system() - before;
        drop(kept);
        Ok(taken as usize)
    };
    let plain = count(&|| (0..4).map(|_| deep(&x)).collect())?;
    let segmented = count(&|| {
        let segment = |_| {
            let x = x.clone();
            checkpoint(move || Ok([deep(&x)?])).map(|[y]| y)
        };
        (0..4).map(segment).collect()
    })?;
    assert!(
        segmented * 2 < plain,
        "{segmented} buffers with segments, {plain} without"
    );
    Ok(())
}

#[test]
fn a_segment_must_repeat_itself() -> Result<()> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let runs = AtomicUsize::new(0);
    let x = vector(&[1.0, 2.0]).variable();
    let input = x.clone();
    let [y] = checkpoint(move || {
        let len = 2 - runs.fetch_add(1, Ordering::Relaxed);
        Ok([input.narrow(0, 0, len)?])
    })?;
    assert_eq!(
        grad(&y.sum_all()?, &[&x]).unwrap_err().to_string(),
        "[checkpoint] the segment must give the same shapes each time it runs, but got [2], then [1]"
    );
    Ok(())
}

/// `a · b` with a rule that can be told to misbehave.
struct Product {
    wrong: &'static str,
}

impl CustomOp for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn forward(&self, x: &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let y = x[0].clone().mul(&x[1])?;
        // A tensor that was made while recording is off has no past, and must not get one here.
        assert!(!y.needs_grad());
        Ok((
            vec![y, Tensor::arange(0.0, 2.0, 1.0, DType::I64)?],
            x.to_vec(),
        ))
    }

    fn backward(
        &self,
        saved: &[Tensor],
        dy: &[Option<Tensor>],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let dy = dy[0].as_ref().expect("only the product has a gradient");
        match self.wrong {
            "count" => return Ok(vec![]),
            "shape" => return Ok(vec![Some(dy.sum_all()?), None]),
            "dtype" => return Ok(vec![Some(dy.cast(DType::F32)?), None]),
            _ => {}
        }
        let times = |i: usize| dy.clone().mul(&saved[i]);
        Ok(vec![
            wanted[0].then(|| times(1)).transpose()?,
            wanted[1].then(|| times(0)).transpose()?,
        ])
    }
}

#[test]
fn operations_of_ones_own_have_their_own_rule() -> Result<()> {
    let (a, b) = (
        vector(&[2.0, 3.0]).variable(),
        vector(&[5.0, 7.0]).variable(),
    );
    let run = |wrong| Tensor::custom(Product { wrong }, &[&a, &b]);
    let outputs = run("")?;
    assert!(outputs[0].needs_grad() && !outputs[1].needs_grad());
    let gradients = grad(&outputs[0].sum_all()?, &[&a, &b])?;
    assert_eq!(f64s(&gradients[0]), [5.0, 7.0]);
    assert_eq!(f64s(&gradients[1]), [2.0, 3.0]);
    let fails = |wrong| {
        let y = run(wrong)?.remove(0).sum_all()?;
        Ok::<_, Error>(grad(&y, &[&a]).unwrap_err().to_string())
    };
    assert_eq!(
        fails("count")?,
        "[product] backward must return 2 gradients, but got 0"
    );
    assert_eq!(
        fails("shape")?,
        "[product] the gradient of input 0 must be f64 of shape [2], but got f64 of shape []"
    );
    assert_eq!(
        fails("dtype")?,
        "[product] the gradient of input 0 must be f64 of shape [2], but got f32 of shape [2]"
    );
    let constant = Tensor::custom(Product { wrong: "" }, &[&a.detach(), &b.detach()])?;
    assert!(!constant[0].needs_grad());
    Ok(())
}

#[test]
fn an_anomaly_is_named_where_it_was_born() -> Result<()> {
    let x = vector(&[1.0, 0.0]).variable();
    let message = |f: &dyn Fn() -> Result<Tensor>| detect_anomaly(f).unwrap_err().to_string();
    assert_eq!(
        message(&|| x.clone().add(1.0)?.sub(1.0)?.log()?.exp()?.add(1.0)),
        "[log] this operation made an infinity of finite numbers, in a tensor of shape [2]"
    );
    assert_eq!(
        message(&|| x.clone().sub(1.0)?.sqrt()?.mul(2.0)),
        "[sqrt] this operation made NaN of finite numbers, in a tensor of shape [2]"
    );
    // √x is finite at 0, its slope is not.
    assert_eq!(
        message(&|| {
            let y = x.clone().sqrt()?.sum_all()?;
            Ok(grad(&y, &[&x])?.remove(0))
        }),
        "[sqrt] the gradient of this operation made an infinity of finite numbers, in a tensor of shape [2]"
    );
    // Into a parameter too.
    let store = Store::new(DType::F64);
    let p = store.root(Rng::new(0)).param("p", &[2], Init::Zeros)?;
    let backward = || p.value().sqrt()?.sum_all()?.backward();
    assert!(matches!(
        detect_anomaly(backward),
        Err(Error::Anomaly { op: "sqrt", .. })
    ));
    // Inside a rule an infinity may come and go: the slope of a spread of 0 is 0.
    let flat = Tensor::zeros([3], DType::F64)?.variable();
    let slope = detect_anomaly(|| grad(&flat.std_all(1)?, &[&flat]))?;
    assert_eq!(f64s(&slope[0]), [0.0; 3]);
    // A half that overflows is born in the cast.
    let large = Tensor::full([1], 1e6, DType::F32)?;
    assert!(
        message(&|| large.cast(DType::F16)?.mul(2.0))
            .starts_with("[cast] this operation made an infinity")
    );
    // What came in wrong was not born here, and what is meant is let be.
    let wrong = vector(&[f64::NAN, f64::INFINITY]);
    assert_eq!(detect_anomaly(|| wrong.clone().mul(2.0))?.numel(), 2);
    let mask = Tensor::from_slice(&[true, false], [2])?;
    let low = Tensor::scalar(f64::NEG_INFINITY, DType::F64)?;
    let masked = detect_anomaly(|| Tensor::where_(&mask, &low, &x))?;
    assert_eq!(f64s(&masked), [f64::NEG_INFINITY, 0.0]);
    // Outside nothing is looked at, after a failure too.
    x.clone().log()?;
    assert!(detect_anomaly(|| x.clone().mul(2.0)).is_ok());
    Ok(())
}

#[test]
fn a_gradient_is_no_constant() -> Result<()> {
    let x = vector(&[3.0]).variable();
    let dx = grad(&x.clone().square()?.sum_all()?, &[&x])?.remove(0);
    let penalty = dx.clone().square()?.sum_all()?;
    let second = "[grad] has no gradient: second derivatives are not offered; to take a gradient as a constant, `detach` it";
    assert_eq!(grad(&penalty, &[&x]).unwrap_err().to_string(), second);
    assert_eq!(penalty.backward().unwrap_err().to_string(), second);
    let constant = x.clone().mul(dx.detach())?.sum_all()?;
    assert_eq!(f64s(&grad(&constant, &[&x])?[0]), [6.0]);
    Ok(())
}

#[test]
fn a_parameter_frozen_after_the_forward_pass_gets_nothing() -> Result<()> {
    let store = net()?;
    let params = store.params();
    let x = Tensor::ones([1, 3], DType::F64)?;
    let y = loss(&segment(&store, &x)()?)?;
    params[0].set_frozen(true);
    y.backward()?;
    assert!(params[0].grad().is_none() && params[1].grad().is_some());
    Ok(())
}
