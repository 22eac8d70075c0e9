//! Values of reductions, scans and sorts where they are decided by a convention or by exactness.

mod common;

use azura_core::{DType, Result, Tensor, TopkOptions, grad, with_threads};
use common::{Domain, f64s, random};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn t(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

/// The value and the gradient of a reduction of a vector to one number.
fn both(values: &[f64], f: impl Fn(&Tensor) -> Result<Tensor>) -> (f64, Vec<f64>) {
    let x = t(values).variable();
    let y = f(&x).unwrap();
    let dx = grad(&y, &[&x]).unwrap().swap_remove(0);
    (y.item().unwrap(), f64s(&dx))
}

#[track_caller]
fn assert_both(got: (f64, Vec<f64>), value: f64, gradient: &[f64]) {
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12;
    assert!(same(got.0, value), "{} and not {value}", got.0);
    assert_eq!(got.1.len(), gradient.len());
    assert!(
        got.1.iter().zip(gradient).all(|(&a, &b)| same(a, b)),
        "{:?} and not {gradient:?}",
        got.1
    );
}

/// Recorded from PyTorch 2.15.
#[test]
fn norms_where_the_slope_is_a_convention() {
    for p in [0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF, -1.0, 0.0] {
        assert_both(both(&[0.0, 0.0], |x| x.norm_all(p)), 0.0, &[0.0, 0.0]);
    }
    let zero_inside = [1.0, 0.0, -2.0];
    let equal = [2.0, -2.0, 1.0];
    let of = |p: f64, values: &[f64]| both(values, |x| x.norm_all(p));
    assert_both(of(0.0, &zero_inside), 2.0, &[0.0; 3]);
    let root = 5f64.sqrt();
    assert_both(of(2.0, &zero_inside), root, &[1.0 / root, 0.0, -2.0 / root]);
    assert_both(of(1.0, &zero_inside), 3.0, &[1.0, 0.0, -1.0]);
    assert_both(
        of(0.5, &zero_inside),
        5.828_427_124_746_19,
        &[2.414_213_562_373_095, 0.0, -1.707_106_781_186_547_2],
    );
    assert_both(of(-1.0, &zero_inside), 0.0, &[0.0; 3]);
    assert_both(of(INF, &zero_inside), 2.0, &[0.0, 0.0, -1.0]);
    assert_both(of(-INF, &zero_inside), 0.0, &[0.0; 3]);
    assert_both(of(INF, &equal), 2.0, &[0.5, -0.5, 0.0]);
    assert_both(of(-INF, &equal), 1.0, &[0.0, 0.0, 1.0]);
    assert_both(of(-1.0, &equal), 0.5, &[0.0625, -0.0625, 0.25]);
    // The norm of nothing, and one whose square would overflow f32.
    assert_eq!(
        Tensor::zeros([0], DType::F64)
            .unwrap()
            .norm_all(2.0)
            .unwrap()
            .item::<f64>()
            .unwrap(),
        0.0
    );
    let large = Tensor::full([4], 1e30, DType::F32).unwrap();
    assert_eq!(large.norm_all(2.0).unwrap().item::<f32>().unwrap(), 2e30);
}

#[test]
fn equal_extremes() {
    let values = [1.0, 3.0, 3.0];
    assert_both(
        both(&values, |x| x.amax(&[0], false)),
        3.0,
        &[0.0, 0.5, 0.5],
    );
    assert_both(both(&values, Tensor::max_all), 3.0, &[0.0, 0.5, 0.5]);
    assert_both(both(&values, |x| x.max(0, false)), 3.0, &[0.0, 1.0, 0.0]);
    let third = 1.0 / 3.0;
    let square = |x: &Tensor| x.reshape([2, 2])?.amin(&[1, 0], false);
    assert_both(
        both(&[1.0, 1.0, 3.0, 1.0], square),
        1.0,
        &[third, third, 0.0, third],
    );
    assert_both(
        both(&[NAN, 3.0, NAN], Tensor::max_all),
        NAN,
        &[0.5, 0.0, 0.5],
    );
    // NaN wins either way, wherever it stands; the first is found.
    for n in [1usize, 3, 40, 100] {
        for at in [0, n / 2, n - 1] {
            let mut values: Vec<f64> = (0..n).map(|i| i as f64).collect();
            values[at] = NAN;
            for x in [
                t(&values),
                t(&values).reshape([n, 1]).unwrap().expand([n, 3]).unwrap(),
            ] {
                let (low, index) = x.min_with_index(0, false).unwrap();
                assert!(f64s(&low).iter().all(|x| x.is_nan()));
                assert!(
                    index
                        .to_vec::<i64>()
                        .unwrap()
                        .iter()
                        .all(|&i| i == at as i64)
                );
                let index = x.argmax(0, false).unwrap().to_vec::<i64>().unwrap();
                assert!(index.iter().all(|&i| i == at as i64));
            }
        }
    }
    assert_eq!(
        t(&[-INF, -INF])
            .argmax_all()
            .unwrap()
            .item::<i64>()
            .unwrap(),
        0
    );
    let flags = Tensor::from_slice(&[false, true, true], [3]).unwrap();
    assert!(flags.max_all().unwrap().item::<bool>().unwrap());
    assert_eq!(flags.argmax(0, false).unwrap().item::<i64>().unwrap(), 1);
    let ids = Tensor::from_slice(&[i64::MIN, i64::MAX, i64::MAX - 1], [3]).unwrap();
    assert_eq!(ids.max_all().unwrap().item::<i64>().unwrap(), i64::MAX);
    assert_eq!(
        ids.amin(&[0], true).unwrap().to_vec::<i64>().unwrap(),
        [i64::MIN]
    );
}

#[test]
fn extremes_of_many_columns_agree_with_a_loop() {
    let mut rng = azura_core::Rng::new(4);
    for shape in [[3, 5, 1], [2, 7, 300], [1, 40, 129], [5, 1, 2]] {
        let x = random(&mut rng, &shape, Domain::Any);
        let values = f64s(&x);
        let [outer, n, inner] = shape;
        let (top, index) = x.max_with_index(1, false).unwrap();
        let (top, index) = (f64s(&top), index.to_vec::<i64>().unwrap());
        for o in 0..outer {
            for i in 0..inner {
                let at = |k: usize| values[(o * n + k) * inner + i];
                let best = (0..n).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap();
                assert_eq!(
                    (top[o * inner + i], index[o * inner + i]),
                    (at(best), best as i64)
                );
            }
        }
    }
}

#[test]
fn log_sums_of_infinities() {
    let of = |values: &[f64]| both(values, |x| x.logsumexp(&[0], false));
    assert_both(of(&[-INF, -INF]), -INF, &[NAN, NAN]);
    assert_both(of(&[INF, 1.0]), INF, &[NAN, 0.0]);
    assert_both(of(&[-INF, 1.0]), 1.0, &[0.0, 1.0]);
    assert_both(of(&[NAN, 1.0]), NAN, &[NAN, NAN]);
    assert_both(of(&[1e4, 1e4]), 1e4 + 2f64.ln(), &[0.5, 0.5]);
    // The same in columns, and over nothing.
    let x = Tensor::from_slice(&[-INF, INF, 1e4, -INF, 0.0, 1e4], [2, 3]).unwrap();
    let y = f64s(&x.logsumexp(&[0], false).unwrap());
    assert_eq!(y, [-INF, INF, 1e4 + 2f64.ln()]);
    let none = Tensor::zeros([2, 0], DType::F64).unwrap();
    assert_eq!(f64s(&none.logsumexp(&[1], false).unwrap()), [-INF, -INF]);
}

#[test]
fn rows_without_a_finite_number() {
    for values in [[-INF, -INF], [INF, 1.0], [NAN, 1.0]] {
        let x = t(&values);
        for y in [x.softmax(0), x.log_softmax(0)] {
            assert!(f64s(&y.unwrap()).iter().all(|y| y.is_nan()), "{values:?}");
        }
    }
    // A row that is masked spoils no other, along any axis.
    let x = Tensor::from_slice(&[-INF, 1.0, -INF, 1.0], [2, 2]).unwrap();
    let y = f64s(&x.softmax(0).unwrap());
    assert!(y[0].is_nan() && y[2].is_nan() && y[1] == 0.5 && y[3] == 0.5);
}

#[test]
fn deviations_without_spread() {
    assert_both(both(&[2.0, 2.0], |x| x.std_all(1)), 0.0, &[0.0, 0.0]);
    assert_both(both(&[2.0], |x| x.std_all(1)), NAN, &[NAN]);
    assert_both(both(&[2.0], |x| x.var_all(1)), NAN, &[NAN]);
    assert!(f64s(&Tensor::zeros([0], DType::F64).unwrap().std_all(0).unwrap())[0].is_nan());
}

#[test]
fn integers_are_exact() -> Result<()> {
    // Beyond 2⁵³, where f64 has gaps.
    let large = (1i64 << 60) + 1;
    let x = Tensor::from_slice(&[large, 1, 2, large], [2, 2])?;
    assert_eq!(x.sum(&[0], false)?.to_vec::<i64>()?, [large + 2, large + 1]);
    assert_eq!(x.sum_all()?.item::<i64>()?, 2 * large + 3);
    assert_eq!(
        x.cumsum(1)?.to_vec::<i64>()?,
        [large, large + 1, 2, large + 2]
    );
    assert_eq!(x.prod(&[1], false)?.to_vec::<i64>()?, [large, 2 * large]);
    assert_eq!(
        x.cumprod(0)?.to_vec::<i64>()?,
        [large, 1, large.wrapping_mul(2), large]
    );
    let flags = Tensor::from_slice(&[true, false, true], [3])?;
    assert_eq!(flags.sum_all()?.item::<i64>()?, 2);
    assert_eq!(flags.cumsum(0)?.to_vec::<i64>()?, [1, 1, 2]);
    let ids = Tensor::full([3], f64::from(u32::MAX), DType::U32)?;
    assert_eq!(ids.sum_all()?.item::<i64>()?, 3 * i64::from(u32::MAX));
    assert_eq!(
        Tensor::zeros([0], DType::I64)?.prod_all()?.item::<i64>()?,
        1
    );
    Ok(())
}

#[test]
fn any_and_all() -> Result<()> {
    let x = Tensor::from_slice(&[0.0f32, -0.0, 0.0, 1.0, f32::NAN, 2.0], [2, 3])?;
    assert_eq!(x.any(&[1], false)?.to_vec::<bool>()?, [false, true]);
    assert_eq!(x.all(&[1], false)?.to_vec::<bool>()?, [false, true]);
    assert_eq!(x.any(&[0], true)?.to_vec::<bool>()?, [true, true, true]);
    assert!(x.any_all()?.item::<bool>()? && !x.all_all()?.item::<bool>()?);
    let none = Tensor::zeros([0, 2], DType::Bool)?;
    assert_eq!(none.any(&[0], false)?.to_vec::<bool>()?, [false, false]);
    assert_eq!(none.all(&[0], false)?.to_vec::<bool>()?, [true, true]);
    Ok(())
}

#[test]
fn order() -> Result<()> {
    let x = t(&[NAN, 1.0, -INF, INF, 0.0, -0.0, 1.0]);
    let index = |y: &Tensor| y.to_vec::<i64>().unwrap();
    let (up, at) = x.sort(0, false)?;
    assert_eq!(index(&at), [2, 4, 5, 1, 6, 3, 0]);
    assert!(f64s(&up)[6].is_nan() && f64s(&up)[0] == -INF);
    assert_eq!(index(&x.argsort(-1, true)?), [0, 3, 1, 6, 4, 5, 2]);
    let f32s = x.cast(DType::F32)?;
    assert_eq!(index(&f32s.argsort(0, false)?), [2, 4, 5, 1, 6, 3, 0]);
    assert_eq!(index(&f32s.argsort(0, true)?), [0, 3, 1, 6, 4, 5, 2]);
    let ids = Tensor::from_slice(&[3, i64::MIN, -1, i64::MAX], [4])?;
    assert_eq!(
        ids.sort(0, false)?.0.to_vec::<i64>()?,
        [i64::MIN, -1, 3, i64::MAX]
    );
    let flags = Tensor::from_slice(&[true, false, true], [3])?;
    assert_eq!(index(&flags.argsort(0, false)?), [1, 0, 2]);
    let k = |k| x.topk(k, TopkOptions::default());
    assert_eq!(index(&k(3)?.1), [0, 3, 1]);
    assert_eq!(k(0)?.0.shape(), [0]);
    let smallest = TopkOptions {
        largest: false,
        sorted: false,
        ..Default::default()
    };
    let mut lowest = index(&x.topk(3, smallest)?.1);
    lowest.sort_unstable();
    assert_eq!(lowest, [2, 4, 5]);
    Ok(())
}

/// Sorting agrees with the standard library's stable sort, and counts among threads do not matter.
#[test]
fn sorts_of_many_rows() -> Result<()> {
    let mut rng = azura_core::Rng::new(9);
    let (rows, n) = (7, 500);
    let values: Vec<f64> = (0..rows * n)
        .map(|_| (rng.normal() * 20.0).round() + 0.0)
        .collect();
    for dtype in [DType::F32, DType::F64, DType::I64] {
        let x = Tensor::from_slice(&values, [rows, n])?.cast(dtype)?;
        let want: Vec<i64> = values
            .chunks(n)
            .flat_map(|row| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&a, &b| row[a].total_cmp(&row[b]));
                order.into_iter().map(|i| i as i64)
            })
            .collect();
        for threads in [1, 2] {
            let got = with_threads(threads, || x.argsort(1, false))?;
            assert!(got.to_vec::<i64>()? == want, "{dtype}");
        }
        let columns = x.t()?.argsort(0, false)?.t()?.contiguous();
        assert!(columns.to_vec::<i64>()? == want, "{dtype}");
    }
    Ok(())
}

/// Casts that leave the range, on every machine the same.
#[test]
fn casts_beyond_the_range() -> Result<()> {
    let x = t(&[2.9, -2.9, NAN, INF, -INF, 1e20]);
    assert_eq!(
        x.cast(DType::I64)?.to_vec::<i64>()?,
        [2, -2, 0, i64::MAX, i64::MIN, i64::MAX]
    );
    assert_eq!(
        x.cast(DType::U32)?.to_vec::<u32>()?,
        [2, 0, 0, u32::MAX, 0, u32::MAX]
    );
    assert_eq!(x.cast(DType::Bool)?.to_vec::<bool>()?, [true; 6]);
    // Just above the middle of two f32: f64 rounds it onto the middle, and the even one would be taken.
    let odd = (1i64 << 60) + (1 << 36) + 1;
    let x = Tensor::from_slice(&[odd], [1])?.cast(DType::F32)?;
    assert_eq!(x.to_vec::<f32>()?, [odd as f32]);
    assert_ne!(odd as f32, odd as f64 as f32);
    Ok(())
}
