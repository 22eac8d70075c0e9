use crate::{assert_distribution, assert_moments, below};
use azura_core::{DType, Result, Rng, Tensor, with_threads};

const N: usize = 200_000;

fn values(x: &Tensor) -> Vec<f64> {
    x.cast(DType::F64).unwrap().to_vec().unwrap()
}

#[test]
fn uniforms() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let x = values(&Tensor::rand([N], dtype, &mut Rng::new(1))?);
        assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
        assert_moments(&x, 0.5, 1.0 / 12.0, 1.8);
        assert_distribution(&x, |x| x);
        let x = values(&Tensor::uniform([N], -3.0, 0.1, dtype, &mut Rng::new(2))?);
        let high = if dtype == DType::F32 {
            f64::from(0.1f32)
        } else {
            0.1
        };
        assert!(x.iter().all(|x| (-3.0..high).contains(x)));
        assert_distribution(&x, |x| (x + 3.0) / 3.1);
    }
    for dtype in [DType::F16, DType::BF16] {
        for (low, high) in [(0.0, 1.0), (-2.0, -1.0), (-1.0, 0.0)] {
            let x = Tensor::uniform([N], low, high, dtype, &mut Rng::new(1))?;
            let x = values(&x.cast(DType::F64)?);
            assert!(
                x.iter().all(|x| (low..high).contains(x)),
                "{dtype} below {high}"
            );
        }
        let x = Tensor::uniform([9], 2.0, 2.0, dtype, &mut Rng::new(1))?;
        assert_eq!(values(&x.cast(DType::F64)?), [2.0; 9]);
    }
    // An interval of one f32 step: rounding must not reach the upper end.
    let (low, high) = (1.0, f64::from(1f32.next_up()));
    let x = Tensor::uniform([1000], low, high, DType::F32, &mut Rng::new(3))?;
    assert!(x.to_vec::<f32>()?.iter().all(|&x| x == 1.0));
    assert_eq!(
        values(&Tensor::uniform(
            [3],
            2.0,
            2.0,
            DType::F64,
            &mut Rng::new(3)
        )?),
        [2.0; 3]
    );
    Ok(())
}

#[test]
fn normals() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let x = values(&Tensor::randn([N], dtype, &mut Rng::new(4))?);
        assert_moments(&x, 0.0, 1.0, 3.0);
        assert_distribution(&x, below);
        // The tails: beyond 3 and 4 standard deviations, within four standard errors.
        for (limit, p) in [(3.0, 2.699_796_063e-3), (4.0, 6.334_248_366e-5)] {
            let count = x.iter().filter(|x| x.abs() > limit).count() as f64;
            let expected = p * N as f64;
            assert!(
                (count - expected).abs() < 4.0 * expected.sqrt(),
                "{count} beyond {limit}"
            );
        }
        // No symmetry is built in, and neighbours know nothing of each other.
        let product: Vec<f64> = x.windows(2).map(|w| w[0] * w[1]).collect();
        assert!(crate::moments(&product).0.abs() < 4.0 / (N as f64).sqrt());
        let x = values(&Tensor::normal([N], 5.0, 0.25, dtype, &mut Rng::new(5))?);
        assert_moments(&x, 5.0, 0.0625, 3.0);
    }
    let same = Tensor::normal([3], 5.0, 0.0, DType::F32, &mut Rng::new(5))?;
    assert_eq!(same.to_vec::<f32>()?, [5.0; 3]);
    Ok(())
}

#[test]
fn truncated_normals() -> Result<()> {
    let ends = [
        (-2.0, 2.0),
        (0.5, 1.5),
        (-1.0, -0.2),
        (-0.5, 3.0),
        (1.0, f64::INFINITY),
    ];
    for (low, high) in ends {
        let x = Tensor::truncated_normal(
            [N / 4],
            1.0,
            2.0,
            1.0 + 2.0 * low,
            1.0 + 2.0 * high,
            DType::F64,
            &mut Rng::new(6),
        )?;
        let x: Vec<f64> = values(&x).iter().map(|x| (x - 1.0) / 2.0).collect();
        assert!(
            x.iter().all(|x| (low - 1e-12..=high + 1e-12).contains(x)),
            "{low} {high}"
        );
        let (a, b) = (below(low), if high.is_finite() { below(high) } else { 1.0 });
        assert_distribution(&x, |x| (below(x) - a) / (b - a));
    }
    // Far out: near a the density falls as exp(-a (x - a)), so the mean distance from a is about 1/a.
    for (low, high, sign) in [(12.0, 20.0, 1.0), (-20.0, -12.0, -1.0)] {
        let x = values(&Tensor::truncated_normal(
            [N / 4],
            0.0,
            1.0,
            low,
            high,
            DType::F64,
            &mut Rng::new(7),
        )?);
        assert!(x.iter().all(|x| (low..=high).contains(x)));
        let mean = crate::moments(&x).0 * sign;
        assert!((mean - 12.081_8).abs() < 0.002, "{mean}");
    }
    let of = |mean, std, low, high| {
        Ok::<_, azura_core::Error>(values(&Tensor::truncated_normal(
            [2],
            mean,
            std,
            low,
            high,
            DType::F64,
            &mut Rng::new(8),
        )?))
    };
    assert_eq!(of(0.0, 1.0, 100.0, 200.0)?, [100.0; 2]);
    assert_eq!(of(0.0, 1.0, -200.0, -100.0)?, [-100.0; 2]);
    assert_eq!(of(0.5, 0.0, 0.5, 1.0)?, [0.5; 2]);
    assert_eq!(of(0.0, 0.0, 0.5, 1.0)?, [0.5; 2]);
    Ok(())
}

#[test]
fn integers_and_orders() -> Result<()> {
    let x = Tensor::randint(-2, 5, [70_000], &mut Rng::new(9))?.to_vec::<i64>()?;
    for value in -2..5 {
        let count = x.iter().filter(|&&x| x == value).count() as f64;
        assert!(
            (count - 10_000.0).abs() < 4.0 * 10_000f64.sqrt(),
            "{count} times {value}"
        );
    }
    assert!(x.iter().all(|x| (-2..5).contains(x)));
    let wide = Tensor::randint(i64::MIN, i64::MAX, [1000], &mut Rng::new(9))?.to_vec::<i64>()?;
    assert!(wide.iter().any(|&x| x < i64::MIN / 2) && wide.iter().any(|&x| x > i64::MAX / 2));
    // Every order of three is as likely as the others.
    let mut counts = std::collections::BTreeMap::new();
    let mut rng = Rng::new(10);
    for _ in 0..6000 {
        let order = Tensor::randperm(3, &mut rng)?.to_vec::<i64>()?;
        *counts.entry(order).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(
        counts.values().all(|&n: &i32| (870..1130).contains(&n)),
        "{counts:?}"
    );
    assert_eq!(Tensor::randperm(0, &mut rng)?.shape(), [0]);
    Ok(())
}

#[test]
fn coins() -> Result<()> {
    let p = Tensor::from_slice(&[0.0f32, 1.0, 0.3], [3, 1])?.expand([3, N])?;
    let x = p.bernoulli(&mut Rng::new(11))?;
    assert_eq!(x.dtype(), DType::F32);
    let x = values(&x);
    assert!(x[..N].iter().all(|&x| x == 0.0) && x[N..2 * N].iter().all(|&x| x == 1.0));
    let mean = crate::moments(&x[2 * N..]).0;
    assert!((mean - 0.3).abs() < 4.0 * (0.21 / N as f64).sqrt());
    // So rare that 24 random bits could not say it.
    let rare = Tensor::full([N], 1e-9, DType::F32)?.bernoulli(&mut Rng::new(12))?;
    assert!(values(&rare).iter().sum::<f64>() < 2.0);
    Ok(())
}

#[test]
fn draws_by_weight() -> Result<()> {
    let weights = Tensor::from_slice(&[1.0f32, 0.0, 3.0, 6.0, 0.0, 2.0, 2.0, 0.0], [2, 4])?;
    let n = 50_000;
    let x = weights.multinomial(n, true, &mut Rng::new(13))?;
    assert_eq!(x.shape(), [2, n]);
    let x = x.to_vec::<i64>()?;
    let share = |row: usize, index: i64| {
        x[row * n..(row + 1) * n]
            .iter()
            .filter(|&&i| i == index)
            .count() as f64
            / n as f64
    };
    for (row, want) in [[0.1, 0.0, 0.3, 0.6], [0.0, 0.5, 0.5, 0.0]]
        .into_iter()
        .enumerate()
    {
        for (index, want) in want.into_iter().enumerate() {
            let got = share(row, index as i64);
            assert!(
                (got - want).abs() <= 4.0 * (want * (1.0 - want) / n as f64).sqrt(),
                "{row} {index}: {got}"
            );
        }
    }
    // Without replacement: the first by weight, then by the weights of the rest.
    let weights = Tensor::from_slice(&[1.0f64, 0.0, 2.0, 3.0], [4])?;
    let rows = weights.unsqueeze(0)?.expand([20_000, 4])?;
    let x = rows
        .multinomial(3, false, &mut Rng::new(14))?
        .to_vec::<i64>()?;
    let mut firsts = [0.0; 4];
    let mut three_then_two = 0.0;
    for draw in x.chunks(3) {
        let mut sorted = draw.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 2, 3]);
        firsts[draw[0] as usize] += 1.0 / 20_000.0;
        if draw[..2] == [3, 2] {
            three_then_two += 1.0 / 20_000.0;
        }
    }
    let near = |got: f64, want: f64| (got - want).abs() < 0.015;
    assert!(
        near(firsts[0], 1.0 / 6.0) && near(firsts[2], 1.0 / 3.0) && near(firsts[3], 0.5),
        "{firsts:?}"
    );
    assert!(near(three_then_two, 0.5 * 2.0 / 3.0), "{three_then_two}");
    assert_eq!(
        weights.multinomial(0, false, &mut Rng::new(1))?.shape(),
        [0]
    );
    Ok(())
}

/// Each call takes its own numbers: two in a row differ, and the same seed gives the same.
#[test]
fn sequences_go_on() -> Result<()> {
    type Make = fn(&mut Rng) -> Result<Tensor>;
    let makes: [Make; 6] = [
        |rng| Tensor::rand([5], DType::F32, rng),
        |rng| Tensor::randn([5], DType::F64, rng),
        |rng| Tensor::truncated_normal([5], 0.0, 1.0, -1.0, 1.0, DType::F32, rng),
        |rng| Tensor::randint(0, 1 << 40, [5], rng),
        |rng| Tensor::randperm(20, rng),
        |rng| Tensor::ones([50], DType::F32)?.multinomial(9, false, rng),
    ];
    for (i, make) in makes.into_iter().enumerate() {
        let mut rng = Rng::new(15);
        let (first, second) = (values(&make(&mut rng)?), values(&make(&mut rng)?));
        assert_ne!(first, second, "{i}");
        assert_eq!(first, values(&make(&mut Rng::new(15))?), "{i}");
        let many = with_threads(2, || make(&mut Rng::new(15)))?;
        assert_eq!(first, values(&many), "{i}");
    }
    Ok(())
}
