use azura_core::{DType, Result, Rng, Tensor, grad};

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap()
}

#[test]
fn whole_channels_go_or_stay() -> Result<()> {
    type Drop = fn(&Tensor, f64, &mut Rng) -> Result<Tensor>;
    let cases: [(Drop, &[usize], usize); 6] = [
        (Tensor::dropout1d, &[40, 50, 3], 3),
        (Tensor::dropout1d, &[2000, 3], 3),
        (Tensor::dropout2d, &[40, 50, 2, 3], 6),
        (Tensor::dropout3d, &[40, 50, 1, 2, 3], 6),
        (Tensor::dropout3d, &[2000, 1, 2, 3], 6),
        (Tensor::feature_dropout, &[40, 50], 1),
    ];
    for (drop, shape, size) in cases {
        let x = Tensor::ones(shape, DType::F64)?.variable();
        let y = drop(&x, 0.2, &mut Rng::new(1))?;
        let out = values(&y);
        let mut dropped = 0.0;
        for channel in out.chunks(size) {
            assert!(
                channel.iter().all(|&y| y == channel[0])
                    && (channel[0] == 0.0 || channel[0] == 1.25)
            );
            dropped += f64::from(u8::from(channel[0] == 0.0));
        }
        // Four standard errors of 2000 coins.
        assert!(
            (dropped - 400.0).abs() < 4.0 * 320f64.sqrt(),
            "{shape:?}: {dropped}"
        );
        assert_eq!(values(&grad(&y.sum_all()?, &[&x])?[0]), out);
        assert!(
            values(&drop(&x, 0.0, &mut Rng::new(1))?)
                .iter()
                .all(|&y| y == 1.0)
        );
        assert!(
            values(&drop(&x, 1.0, &mut Rng::new(1))?)
                .iter()
                .all(|&y| y == 0.0)
        );
    }
    Ok(())
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() -> Result<()> {
    let n = 100_000;
    let x = Tensor::randn([n / 10, 10], DType::F64, &mut Rng::new(2))?;
    for p in [0.1, 0.5, 0.9] {
        let y = values(&x.alpha_dropout(p, &mut Rng::new(3))?);
        let (mean, variance) = crate::moments(&y);
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{p}: {mean} {variance}"
        );
        let y = values(&x.feature_alpha_dropout(p, &mut Rng::new(3))?);
        let (mean, variance) = crate::moments(&y);
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{p}: {mean} {variance}"
        );
    }
    // The two values of PyTorch's formula for p = ½ and an input of 1.
    let alpha = 1.758_099_340_847_376_6f64;
    let a = 1.0 / ((alpha * alpha * 0.5 + 1.0) * 0.5).sqrt();
    let (kept, dropped) = (a + alpha * a * 0.5, -alpha * a * 0.5);
    let ones = Tensor::ones([100, 4], DType::F64)?;
    for y in [
        ones.alpha_dropout(0.5, &mut Rng::new(4))?,
        ones.feature_alpha_dropout(0.5, &mut Rng::new(4))?,
    ] {
        let near = |y: f64, want: f64| (y - want).abs() < 1e-14;
        assert!(
            values(&y)
                .iter()
                .all(|&y| near(y, kept) || near(y, dropped))
        );
        assert!(
            values(&y).iter().any(|&y| near(y, kept))
                && values(&y).iter().any(|&y| near(y, dropped))
        );
    }
    let same = values(&ones.alpha_dropout(0.0, &mut Rng::new(4))?);
    assert!(same.iter().all(|&y| y == 1.0));
    assert!(
        values(&ones.alpha_dropout(1.0, &mut Rng::new(4))?)
            .iter()
            .all(|&y| y == 0.0)
    );
    Ok(())
}
