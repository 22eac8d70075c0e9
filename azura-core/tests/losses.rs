//! Losses where a plain formula would overflow, lose its digits or divide by the wrong number; tables.

use azura_core::{
    BceOptions, CrossEntropyOptions, CtcOptions, EmbeddingOptions, GaussianNllOptions, NllOptions,
    Reduction, Result, Rng, Tensor, grad, with_threads,
};

fn f64s(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap()
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        let off = (got - want).abs();
        assert!(got == want || off <= 1e-12 * want.abs(), "{got} for {want}");
    }
}

/// The loss of each element and its slope by the first input.
fn both(x: &[f64], f: impl Fn(&Tensor) -> Result<Tensor>) -> (Vec<f64>, Vec<f64>) {
    let x = Tensor::from_slice(x, [x.len()]).unwrap().variable();
    let y = f(&x).unwrap();
    let dx = grad(&y.sum_all().unwrap(), &[&x]).unwrap();
    (f64s(&y), f64s(&dx[0]))
}

#[test]
fn scores_of_a_thousand_are_safe() -> Result<()> {
    let x = [1000.0, -1000.0, 1000.0, -1000.0, 40.0];
    let t = Tensor::from_slice(&[1.0, 1.0, 0.0, 0.0, 1.0], [5])?;
    let (y, dx) = both(&x, |x| {
        x.binary_cross_entropy_with_logits(&t, Reduction::None)
    });
    // The last keeps its digits: 1 + e⁻⁴⁰ is 1.
    close(&y, &[0.0, 1000.0, 1000.0, 0.0, (-40f64).exp()]);
    close(&dx[..4], &[0.0, -1.0, 1.0, 0.0]);
    assert!(dx[4] <= 0.0 && dx[4] > -1e-15);
    let signs = Tensor::from_slice(&[1.0, 1.0, -1.0, -1.0, 1.0], [5])?;
    let (y, dx) = both(&x, |x| x.soft_margin_loss(&signs, Reduction::None));
    close(&y, &[0.0, 1000.0, 1000.0, 0.0, (-40f64).exp()]);
    close(&dx[..4], &[0.0, -1.0, 1.0, 0.0]);

    let scores = Tensor::from_slice(&[1000.0f64, 0.0, -1000.0, 0.0, 1000.0, 999.0], [2, 3])?;
    let labels = Tensor::from_slice(&[2i64, 2], [2])?;
    let y = scores.cross_entropy(&labels, Reduction::None)?;
    close(&f64s(&y), &[2000.0, 1.0 + (-1f64).exp().ln_1p()]);
    let impossible = Tensor::from_slice(&[f64::NEG_INFINITY, 0.0, 0.0], [1, 3])?.variable();
    let y = impossible.cross_entropy(&Tensor::from_slice(&[1i64], [1])?, Reduction::Sum)?;
    close(&f64s(&y), &[2f64.ln()]);
    close(&f64s(&grad(&y, &[&impossible])?[0]), &[0.0, -0.5, 0.5]);

    // A probability of exactly 0 or 1 costs 100 where it is wrong.
    let p = [0.0, 1.0, 1.0];
    let t = Tensor::from_slice(&[1.0, 1.0, 0.0], [3])?;
    let (y, dx) = both(&p, |x| x.binary_cross_entropy(&t, Reduction::None));
    close(&y, &[100.0, 0.0, 100.0]);
    // PyTorch's least spread is an f32.
    let most = 1.0 / f64::from(1e-12f32);
    close(&dx, &[-most, 0.0, most]);

    let zero = Tensor::from_slice(&[0.0f64], [1])?;
    let (y, _) = both(&[2.0], |x| {
        let options = GaussianNllOptions {
            reduction: Reduction::None,
            ..Default::default()
        };
        x.gaussian_nll_loss(&zero, &zero, options)
    });
    close(&y, &[0.5 * (1e-6f64.ln() + 4.0 / 1e-6)]);
    // No target of probability 0 costs anything.
    let t = Tensor::from_slice(&[0.0, 0.5], [2])?;
    let (y, _) = both(&[-3.0, -1.0], |x| x.kl_div(&t, false, Reduction::None));
    close(&y, &[0.0, 0.5 * (0.5f64.ln() + 1.0)]);
    Ok(())
}

#[test]
fn means_divide_by_the_weights_of_what_counts() -> Result<()> {
    let mut rng = Rng::new(1);
    let scores: Vec<f64> = (0..12).map(|_| rng.normal()).collect();
    let scores = Tensor::from_vec(scores, [4, 3])?;
    let weight = Tensor::from_slice(&[0.5, 2.0, 4.0], [3])?;
    let labels = Tensor::from_slice(&[0i64, 7, 2, 7], [4])?;
    let options = CrossEntropyOptions {
        weight: Some(&weight),
        ignore_index: 7,
        ..Default::default()
    };
    let mean = scores.cross_entropy(&labels, options)?.item::<f64>()?;
    let log = f64s(&scores.log_softmax(1)?);
    close(&[mean], &[(-0.5 * log[0] - 4.0 * log[8]) / 4.5]);
    assert_eq!(options.total_weight(&scores, &labels)?, 4.5);
    let nll = NllOptions {
        weight: Some(&weight),
        ignore_index: 7,
        reduction: Reduction::Mean,
    };
    close(
        &[scores.log_softmax(1)?.nll_loss(&labels, nll)?.item()?],
        &[mean],
    );
    // Nothing that counts has no mean.
    let none = Tensor::from_slice(&[7i64; 4], [4])?;
    assert!(
        scores
            .cross_entropy(&none, options)?
            .item::<f64>()?
            .is_nan()
    );
    // A certain distribution is its label.
    let certain = Tensor::from_slice(
        &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0],
        [4, 3],
    )?;
    let labels = Tensor::from_slice(&[0i64, 2, 1, 0], [4])?;
    let smooth = CrossEntropyOptions {
        label_smoothing: 0.3,
        ..Default::default()
    };
    let [a, b] = [&certain, &labels].map(|t| scores.cross_entropy(t, smooth).unwrap());
    close(&f64s(&a), &f64s(&b));
    // Of pairs, everything counts; a weight changes the losses and not the divisor.
    let t = Tensor::from_slice(&[1.0, 0.0, 1.0], [3])?;
    let row = scores.select(0, 0)?;
    let weighted = BceOptions {
        weight: Some(&weight),
        ..Default::default()
    };
    let each = f64s(&row.binary_cross_entropy_with_logits(&t, Reduction::None)?);
    let mean = row.binary_cross_entropy_with_logits(&t, weighted)?;
    close(
        &f64s(&mean),
        &[(0.5 * each[0] + 2.0 * each[1] + 4.0 * each[2]) / 3.0],
    );
    Ok(())
}

/// By hand: over three times, "a" is spelled by aaa, aa-, -aa, a--, -a- and --a.
#[test]
fn alignments_are_counted_once() -> Result<()> {
    let p = [[0.6, 0.4], [0.3, 0.7], [0.8, 0.2f64]];
    let x: Vec<f64> = p.iter().flatten().map(|p| p.ln()).collect();
    let x = Tensor::from_vec(x, [1, 3, 2])?;
    let labels = Tensor::from_slice(&[1i64], [1])?;
    let loss = x.ctc_loss(&labels, &[3], &[1], CtcOptions::default())?;
    let [n, a] = [0, 1].map(|class| p.map(|p| p[class]));
    let all = a[0] * a[1] * a[2]
        + a[0] * a[1] * n[2]
        + n[0] * a[1] * a[2]
        + a[0] * n[1] * n[2]
        + n[0] * a[1] * n[2]
        + n[0] * n[1] * a[2];
    close(&f64s(&loss), &[-all.ln()]);
    // Two equal labels need a blank between them: two times are too few.
    let twice = Tensor::from_slice(&[1i64, 1], [1, 2])?;
    let short = |zero_infinity| {
        let options = CtcOptions {
            zero_infinity,
            ..Default::default()
        };
        let x = x.clone().variable();
        let loss = x.ctc_loss(&twice, &[2], &[2], options)?;
        Ok::<_, azura_core::Error>((f64s(&loss)[0], f64s(&grad(&loss, &[&x])?[0])))
    };
    assert_eq!(short(false)?.0, f64::INFINITY);
    assert_eq!(short(true)?, (0.0, vec![0.0; 6]));
    Ok(())
}

#[test]
fn a_tables_gradient_is_the_same_for_any_threads() -> Result<()> {
    let mut rng = Rng::new(3);
    let (rows, width) = (300, 130);
    let table: Vec<f32> = (0..rows * width).map(|_| rng.normal() as f32).collect();
    let table = Tensor::from_vec(table, [rows, width])?;
    let ids: Vec<i64> = (0..2000).map(|i| (i * i + 3 * i) % rows as i64).collect();
    let ids = Tensor::from_vec(ids, [40, 50])?;
    let run = |threads| {
        with_threads(threads, || {
            let table = table.clone().variable();
            let options = EmbeddingOptions {
                padding_idx: Some(0),
                ..Default::default()
            };
            let y = table.embedding(&ids, options)?;
            let loss = y.clone().mul(y)?.sin()?.sum_all()?;
            let gradient = grad(&loss, &[&table])?[0].to_vec::<f32>()?;
            assert!(gradient[..width].iter().all(|&g| g == 0.0));
            Ok::<_, azura_core::Error>(gradient.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        })
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}
