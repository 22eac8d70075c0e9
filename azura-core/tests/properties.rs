//! Laws that hold for any shapes: chains of operations against `ndarray`, views against each other.
#![cfg(feature = "ndarray")]

mod common;

use azura_core::{DType, Result, Rng, Tensor, serial};
use common::{Domain, distance, f64s, random};
use ndarray::{ArrayD, Axis, IxDyn};
use proptest::prelude::*;

/// One step of a chain: what our operations and those of `ndarray` both know.
#[derive(Clone, Debug)]
enum Step {
    Sin,
    Tanh,
    Square,
    Scale(f64),
    /// Adds the chain's first value, broadcast from one row.
    AddFirstRow,
    /// Multiplies by the mean along an axis, kept.
    TimesMean(usize),
    /// Takes the largest along an axis, kept.
    SubMax(usize),
    Reverse,
    Flat,
    Narrow(usize),
    /// Itself twice along an axis.
    Twice(usize),
    /// `x · xᵀ` if there are two axes.
    Gram,
    CumSum(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let axis = 0usize..4;
    prop_oneof![
        Just(Step::Sin),
        Just(Step::Tanh),
        Just(Step::Square),
        (-2.0f64..2.0).prop_map(Step::Scale),
        Just(Step::AddFirstRow),
        axis.clone().prop_map(Step::TimesMean),
        axis.clone().prop_map(Step::SubMax),
        Just(Step::Reverse),
        Just(Step::Flat),
        axis.clone().prop_map(Step::Narrow),
        axis.clone().prop_map(Step::Twice),
        Just(Step::Gram),
        axis.prop_map(Step::CumSum),
    ]
}

fn ours(x: &Tensor, step: &Step) -> Result<Tensor> {
    let axis = |a: usize| (a % x.rank()) as isize;
    match *step {
        Step::Sin => x.clone().sin(),
        Step::Tanh => x.clone().tanh(),
        Step::Square => x.clone().square(),
        Step::Scale(by) => x.clone().mul(by),
        Step::AddFirstRow => x.clone().add(x.narrow(0, 0, 1)?),
        Step::TimesMean(a) => x.clone().mul(x.mean(&[axis(a)], true)?),
        Step::SubMax(a) => x.clone().sub(x.max(axis(a), true)?),
        Step::Reverse => x.permute(&(0..x.rank() as isize).rev().collect::<Vec<_>>()),
        Step::Flat => x.reshape([x.numel()]),
        Step::Narrow(a) => x.narrow(axis(a), 0, x.dim(axis(a))?.div_ceil(2)),
        Step::Twice(a) if x.numel() < 500 => Tensor::cat(&[x, x], axis(a)),
        Step::Gram if x.rank() == 2 => x.matmul(&x.t()?),
        Step::CumSum(a) => x.cumsum(axis(a)),
        Step::Twice(_) | Step::Gram => Ok(x.clone()),
    }
}

fn theirs(x: &ArrayD<f64>, step: &Step) -> ArrayD<f64> {
    let axis = |a: usize| Axis(a % x.ndim());
    match *step {
        Step::Sin => x.mapv(f64::sin),
        Step::Tanh => x.mapv(f64::tanh),
        Step::Square => x.mapv(|x| x * x),
        Step::Scale(by) => x * by,
        Step::AddFirstRow => x + &x.index_axis(Axis(0), 0).insert_axis(Axis(0)),
        Step::TimesMean(a) => x * &x.mean_axis(axis(a)).unwrap().insert_axis(axis(a)),
        Step::SubMax(a) => {
            let largest = x.fold_axis(axis(a), f64::NEG_INFINITY, |m, x| m.max(*x));
            x - &largest.insert_axis(axis(a))
        }
        Step::Reverse => x.t().to_owned(),
        Step::Flat => {
            let values: Vec<f64> = x.iter().copied().collect();
            ArrayD::from_shape_vec(IxDyn(&[values.len()]), values).unwrap()
        }
        Step::Narrow(a) => {
            let half = x.len_of(axis(a)).div_ceil(2);
            x.slice_axis(axis(a), (0..half).into()).to_owned()
        }
        Step::Twice(a) if x.len() < 500 => {
            ndarray::concatenate(axis(a), &[x.view(), x.view()]).unwrap()
        }
        Step::Gram if x.ndim() == 2 => {
            let x = x.view().into_dimensionality::<ndarray::Ix2>().unwrap();
            x.dot(&x.t()).into_dyn()
        }
        Step::CumSum(a) => {
            let mut y = x.clone();
            y.accumulate_axis_inplace(axis(a), |before, now| *now += before);
            y
        }
        Step::Twice(_) | Step::Gram => x.clone(),
    }
}

/// One to four axes of one to five.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..6, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chains_agree_with_ndarray(sizes in sizes(), steps in prop::collection::vec(step(), 1..8), seed in any::<u64>()) {
        let mut x = random(&mut Rng::new(seed), &sizes, Domain::Any);
        let mut y = ArrayD::from_shape_vec(IxDyn(&sizes), f64s(&x)).unwrap();
        for step in &steps {
            // Products and squares grow without bound: bring both back to about one.
            let largest = y.iter().fold(1.0f64, |m, y| m.max(y.abs()));
            (x, y) = (x.div(largest).unwrap(), y / largest);
            (x, y) = (ours(&x, step).unwrap(), theirs(&y, step));
            prop_assert_eq!(x.shape(), y.shape(), "{:?}", step);
            let want: Vec<f64> = y.iter().copied().collect();
            let off = distance(&f64s(&x), &want);
            prop_assert!(off < 1e-11, "{:?} is off by {:e} on {:?}", step, off, sizes);
            // The same in f32, one step at a time.
            let single = ours(&x.cast(DType::F32).unwrap(), step).unwrap();
            let wide = ours(&x, step).unwrap();
            let off = distance(&f64s(&single.cast(DType::F64).unwrap()), &f64s(&wide));
            prop_assert!(off < 1e-4, "{:?} in f32 is off by {:e}", step, off);
        }
    }

    #[test]
    fn views_undo_each_other(sizes in sizes(), seed in any::<u64>(), at in 0usize..4) {
        let x = random(&mut Rng::new(seed), &sizes, Domain::Any);
        let rank = sizes.len();
        let same = |y: Tensor| f64s(&y) == f64s(&x) && y.shape() == x.shape();
        let mut order: Vec<isize> = (0..rank as isize).collect();
        Rng::new(seed).shuffle(&mut order);
        let mut back = vec![0; rank];
        for (to, &from) in order.iter().enumerate() {
            back[from as usize] = to as isize;
        }
        prop_assert!(same(x.permute(&order).unwrap().permute(&back).unwrap()));
        prop_assert!(same(x.flatten(0, -1).unwrap().reshape(&sizes).unwrap()));
        let axis = (at % rank) as isize;
        prop_assert!(same(x.unsqueeze(axis).unwrap().squeeze(axis).unwrap()));
        prop_assert!(same(x.flip(&[axis]).unwrap().flip(&[axis]).unwrap()));
        let shift = at as isize - 1;
        prop_assert!(same(x.roll(&[shift], &[axis]).unwrap().roll(&[-shift], &[axis]).unwrap()));
        let parts = x.unbind(axis).unwrap();
        prop_assert!(same(Tensor::stack(&parts.iter().collect::<Vec<_>>(), axis).unwrap()));
        let parts = x.split(2, axis).unwrap();
        prop_assert!(same(Tensor::cat(&parts.iter().collect::<Vec<_>>(), axis).unwrap()));
        // Selection by the order that sorts is sorting.
        let (sorted, index) = x.sort(axis, false).unwrap();
        prop_assert_eq!(f64s(&x.gather(axis, &index).unwrap()), f64s(&sorted));
    }

    #[test]
    fn broadcasting_is_repeating(sizes in sizes(), seed in any::<u64>(), ones in prop::collection::vec(any::<bool>(), 4)) {
        let mut rng = Rng::new(seed);
        let x = random(&mut rng, &sizes, Domain::Any);
        let small: Vec<usize> = sizes.iter().zip(&ones).map(|(&n, &one)| if one { 1 } else { n }).collect();
        let y = random(&mut rng, &small, Domain::Any);
        let full = y.expand(&sizes).unwrap().contiguous();
        type Binary = fn(Tensor, &Tensor) -> Result<Tensor>;
        let all: [Binary; 3] = [|a, b| a.add(b), |a, b| a.sub(b), |a, b| a.mul(b)];
        for f in all {
            prop_assert_eq!(f64s(&f(x.clone(), &y).unwrap()), f64s(&f(x.clone(), &full).unwrap()));
        }
        prop_assert_eq!(
            f64s(&x.clone().add(&y).unwrap()),
            f64s(&y.add(&x).unwrap())
        );
    }

    #[test]
    fn softmax_is_a_distribution(sizes in sizes(), seed in any::<u64>(), scale in 0.0f64..800.0, axis in 0usize..4) {
        let axis = (axis % sizes.len()) as isize;
        let x = random(&mut Rng::new(seed), &sizes, Domain::Any).mul(scale).unwrap();
        let y = x.softmax(axis).unwrap();
        prop_assert!(f64s(&y).iter().all(|y| (0.0..=1.0).contains(y)));
        for sum in f64s(&y.sum(&[axis], false).unwrap()) {
            prop_assert!((sum - 1.0).abs() < 1e-14);
        }
        let off = distance(&f64s(&x.log_softmax(axis).unwrap().exp().unwrap()), &f64s(&y));
        prop_assert!(off < 1e-13, "{off:e}");
    }

    #[test]
    fn files_give_back_what_went_in(sizes in prop::collection::vec(0usize..5, 0..6), seed in any::<u64>()) {
        let x = random(&mut Rng::new(seed), &sizes, Domain::Any);
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::Bool] {
            let x = x.cast(dtype).unwrap();
            let bytes = serial::to_bytes(&[("x".to_string(), x.clone())], &Default::default()).unwrap();
            let (name, y) = serial::read(&bytes, "memory").unwrap().tensors.remove(0);
            prop_assert_eq!((&*name, y.shape(), y.dtype()), ("x", x.shape(), dtype));
            prop_assert_eq!(serial::to_le_bytes(&y), serial::to_le_bytes(&x));
        }
    }
}
