//! Views show the elements that indices say, and share memory where they can.

mod common;

use azura_core::{DType, PadMode, Tensor};
use common::{distance, f64s, indices};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// A tensor as its definition: a shape and a value for each index in row-major order.
#[derive(Clone, Debug)]
struct Naive {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Naive {
    fn at(&self, index: &[usize]) -> f64 {
        let position = index
            .iter()
            .zip(&self.shape)
            .fold(0, |at, (i, size)| at * size + i);
        self.values[position]
    }

    /// The tensor of `shape` whose element at an index is that of `self` at `from(index)`.
    fn pull(&self, shape: Vec<usize>, from: impl Fn(&[usize]) -> Vec<usize>) -> Naive {
        let values = indices(&shape).iter().map(|i| self.at(&from(i))).collect();
        Naive { shape, values }
    }
}

/// A view with arguments that are folded into the range that the shape at hand allows.
#[derive(Clone, Debug)]
enum Step {
    Transpose(usize, usize),
    Rotate(usize),
    Narrow(usize, usize, usize),
    Select(usize, usize),
    Squeeze(usize),
    Unsqueeze(usize),
    Expand(usize, usize),
    Flatten(usize, usize),
    Split(usize, usize),
    Contiguous,
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0usize..12;
    prop_oneof![
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Transpose(a, b)),
        n.clone().prop_map(Step::Rotate),
        (n.clone(), n.clone(), n.clone()).prop_map(|(a, b, c)| Step::Narrow(a, b, c)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Select(a, b)),
        n.clone().prop_map(Step::Squeeze),
        n.clone().prop_map(Step::Unsqueeze),
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Expand(a, b)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Flatten(a, b)),
        (n.clone(), n).prop_map(|(a, b)| Step::Split(a, b)),
        Just(Step::Contiguous),
    ]
}

fn apply(step: &Step, x: &Tensor, naive: &Naive) -> azura_core::Result<(Tensor, Naive)> {
    let rank = naive.shape.len();
    let shape = naive.shape.clone();
    if rank == 0 && !matches!(step, Step::Unsqueeze(_) | Step::Contiguous) {
        return Ok((x.clone(), naive.clone()));
    }
    Ok(match *step {
        Step::Transpose(a, b) => {
            let (a, b) = (a % rank, b % rank);
            let mut to = shape;
            to.swap(a, b);
            let y = naive.pull(to, |i| {
                let mut i = i.to_vec();
                i.swap(a, b);
                i
            });
            (x.transpose(a as isize, b as isize - rank as isize)?, y)
        }
        Step::Rotate(by) => {
            let by = by % rank;
            let axes: Vec<isize> = (0..rank).map(|a| ((a + by) % rank) as isize).collect();
            let to = axes.iter().map(|&a| shape[a as usize]).collect();
            let y = naive.pull(to, |i| {
                let mut from = vec![0; rank];
                for (&axis, &i) in axes.iter().zip(i) {
                    from[axis as usize] = i;
                }
                from
            });
            (x.permute(&axes)?, y)
        }
        Step::Narrow(axis, start, len) => {
            let axis = axis % rank;
            let start = start % (shape[axis] + 1);
            let len = len % (shape[axis] - start + 1);
            let mut to = shape;
            to[axis] = len;
            let y = naive.pull(to, |i| {
                let mut i = i.to_vec();
                i[axis] += start;
                i
            });
            (x.narrow(axis as isize, start, len)?, y)
        }
        Step::Select(axis, entry) => {
            let axis = axis % rank;
            if shape[axis] == 0 {
                return Ok((x.clone(), naive.clone()));
            }
            let entry = entry % shape[axis];
            let mut to = shape;
            to.remove(axis);
            let y = naive.pull(to, |i| {
                let mut i = i.to_vec();
                i.insert(axis, entry);
                i
            });
            (x.select(axis as isize, entry)?, y)
        }
        Step::Squeeze(axis) => {
            let axis = axis % rank;
            let mut to = shape;
            if to[axis] == 1 {
                to.remove(axis);
            }
            let values = naive.values.clone();
            (x.squeeze(axis as isize)?, Naive { shape: to, values })
        }
        Step::Unsqueeze(axis) => {
            if rank == 8 {
                return Ok((x.clone(), naive.clone()));
            }
            let axis = axis % (rank + 1);
            let mut to = shape;
            to.insert(axis, 1);
            let values = naive.values.clone();
            (x.unsqueeze(axis as isize)?, Naive { shape: to, values })
        }
        Step::Expand(axis, size) => {
            let axis = axis % rank;
            let size = size % 4;
            let mut to = shape;
            if to[axis] != 1 {
                return Ok((x.clone(), naive.clone()));
            }
            to[axis] = size;
            let y = naive.pull(to.clone(), |i| {
                let mut i = i.to_vec();
                i[axis] = 0;
                i
            });
            (x.expand(to)?, y)
        }
        Step::Flatten(a, b) => {
            let (a, b) = ((a % rank).min(b % rank), (a % rank).max(b % rank));
            let mut to = shape[..a].to_vec();
            to.push(shape[a..=b].iter().product());
            to.extend(&shape[b + 1..]);
            let values = naive.values.clone();
            let y = x.flatten(a as isize, b as isize - rank as isize)?;
            (y, Naive { shape: to, values })
        }
        Step::Split(axis, parts) => {
            let axis = axis % rank;
            let parts = parts % 3 + 1;
            if rank == 8 || !shape[axis].is_multiple_of(parts) {
                return Ok((x.clone(), naive.clone()));
            }
            let mut to = shape;
            to[axis] /= parts;
            to.insert(axis, parts);
            let values = naive.values.clone();
            (x.reshape(&to)?, Naive { shape: to, values })
        }
        Step::Contiguous => (x.contiguous(), naive.clone()),
    })
}

fn same(x: &Tensor, naive: &Naive) -> Result<(), TestCaseError> {
    prop_assert_eq!(x.shape(), &naive.shape[..]);
    prop_assert_eq!(x.numel(), naive.values.len());
    prop_assert_eq!(f64s(x), naive.values.clone());
    Ok(())
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(
        prop_oneof![1 => Just(0usize), 3 => Just(1), 8 => 2usize..5],
        0..5,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any chain of views shows what naive indexing says, and so do the operations that read it.
    #[test]
    fn chains_of_views(shape in shape(), steps in prop::collection::vec(step(), 0..8)) {
        let numel: usize = shape.iter().product();
        let values: Vec<f64> = (0..numel).map(|i| i as f64).collect();
        let mut naive = Naive { shape: shape.clone(), values: values.clone() };
        let mut x = Tensor::from_vec(values, shape).unwrap();
        for step in &steps {
            let before = (x.clone(), naive.clone());
            (x, naive) = apply(step, &x, &naive).map_err(|e| TestCaseError::fail(e.to_string()))?;
            same(&x, &naive)?;
            same(&before.0, &before.1)?;
        }
        // Elementwise loops, comparisons, casts, reductions and files read any strides.
        let doubled: Vec<f64> = naive.values.iter().map(|x| x * 2.0).collect();
        prop_assert_eq!(&f64s(&x.clone().mul(2.0).unwrap()), &doubled);
        prop_assert_eq!(f64s(&x.clone().add(&x).unwrap()), doubled);
        let copied: Vec<f64> = x.cast(DType::I64).unwrap().to_vec::<i64>().unwrap().iter().map(|&x| x as f64).collect();
        prop_assert_eq!(&copied, &naive.values);
        prop_assert!(x.eq(&x).unwrap().to_vec::<bool>().unwrap().into_iter().all(|x| x));
        prop_assert_eq!(x.sum_all().unwrap().item::<f64>().unwrap(), naive.values.iter().sum::<f64>());
        for axis in 0..x.rank() {
            let mut to = naive.shape.clone();
            let n = std::mem::replace(&mut to[axis], 1);
            let pieces: Vec<Vec<f64>> = indices(&to)
                .iter()
                .map(|index| (0..n).map(|k| {
                    let mut index = index.clone();
                    index[axis] = k;
                    naive.at(&index)
                }).collect())
                .collect();
            let sums: Vec<f64> = pieces.iter().map(|piece| piece.iter().sum()).collect();
            prop_assert_eq!(f64s(&x.sum(&[axis as isize], true).unwrap()), sums);
            if n > 0 {
                let largest: Vec<f64> = pieces.iter().map(|piece| piece.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
                prop_assert_eq!(f64s(&x.max(axis as isize, false).unwrap()), largest);
                let soft: Vec<f64> = {
                    let top = |piece: &[f64]| piece.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    indices(&naive.shape).iter().map(|index| {
                        let mut outer = index.clone();
                        outer[axis] = 0;
                        let piece = &pieces[outer.iter().zip(&to).fold(0, |at, (i, size)| at * size + i)];
                        let total: f64 = piece.iter().map(|x| (x - top(piece)).exp()).sum();
                        (naive.at(index) - top(piece)).exp() / total
                    }).collect()
                };
                prop_assert!(distance(&f64s(&x.softmax(axis as isize).unwrap()), &soft) < 1e-14);
            }
        }
    }

    /// Binary operations on any pair of shapes that can be broadcast, against a naive loop.
    #[test]
    fn broadcasting(full in shape(), cut_a in 0usize..5, cut_b in 0usize..5, ones_a in any::<u8>(), ones_b in any::<u8>()) {
        let operand = |cut: usize, ones: u8, start: f64| {
            let shape: Vec<usize> = full.iter().enumerate()
                .skip(cut.min(full.len()))
                .map(|(axis, &size)| if ones >> axis & 1 == 1 { 1 } else { size })
                .collect();
            let numel: usize = shape.iter().product();
            let values: Vec<f64> = (0..numel).map(|i| start + i as f64 * 0.37).collect();
            (Tensor::from_slice(&values, &shape).unwrap(), Naive { shape, values })
        };
        let (a, naive_a) = operand(cut_a, ones_a, 1.0);
        let (b, naive_b) = operand(cut_b, ones_b, -2.0);
        let rank = a.rank().max(b.rank());
        let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
        let to: Vec<usize> = (0..rank).map(|axis| match (size(a.shape(), axis), size(b.shape(), axis)) {
            (1, y) => y,
            (x, _) => x,
        }).collect();
        let pick = |naive: &Naive, index: &[usize]| {
            let own = &index[rank - naive.shape.len()..];
            naive.at(&own.iter().zip(&naive.shape).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect::<Vec<_>>())
        };
        let expect = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            indices(&to).iter().map(|i| f(pick(&naive_a, i), pick(&naive_b, i))).collect()
        };
        let check = |y: Tensor, f: &dyn Fn(f64, f64) -> f64| -> Result<(), TestCaseError> {
            prop_assert_eq!(y.shape(), &to[..]);
            prop_assert_eq!(f64s(&y), expect(f));
            Ok(())
        };
        check(a.clone().add(&b).unwrap(), &|a, b| a + b)?;
        check(a.clone().sub(&b).unwrap(), &|a, b| a - b)?;
        check(a.clone().mul(&b).unwrap(), &|a, b| a * b)?;
        check(a.clone().div(&b).unwrap(), &|a, b| a / b)?;
        check(a.clone().maximum(&b).unwrap(), &f64::max)?;
        check(a.clone().minimum(&b).unwrap(), &f64::min)?;
        let less = a.lt(&b).unwrap();
        prop_assert_eq!(less.shape(), &to[..]);
        prop_assert_eq!(less.to_vec::<bool>().unwrap(), expect(&|a, b| f64::from(u8::from(a < b))).iter().map(|&x| x != 0.0).collect::<Vec<_>>());
        check(Tensor::where_(&a.gt(&b).unwrap(), &a, &b).unwrap(), &f64::max)?;
        // The last handle gives its buffer away; the result must be the same.
        check(Tensor::from_slice(&naive_a.values, &naive_a.shape).unwrap().sub(&b).unwrap(), &|a, b| a - b)?;
        check(a.clone().sub(Tensor::from_slice(&naive_b.values, &naive_b.shape).unwrap()).unwrap(), &|a, b| a - b)?;
        prop_assert_eq!(f64s(&a), naive_a.values.clone());
        prop_assert_eq!(f64s(&b), naive_b.values.clone());
    }

    /// `cat` and `index_select` undo each other's work.
    #[test]
    fn parts_and_whole(shape in prop::collection::vec(1usize..5, 1..4), axis in 0usize..4, cut in 0usize..5, seed in any::<u64>()) {
        let axis = axis % shape.len();
        let numel: usize = shape.iter().product();
        let x = Tensor::from_vec((0..numel).map(|i| i as f64).collect(), &shape).unwrap();
        let cut = cut % (shape[axis] + 1);
        let head = x.narrow(axis as isize, 0, cut).unwrap();
        let tail = x.narrow(axis as isize, cut, shape[axis] - cut).unwrap();
        let whole = Tensor::cat(&[&head, &tail], axis as isize - shape.len() as isize).unwrap();
        prop_assert_eq!(whole.shape(), &shape[..]);
        prop_assert_eq!(f64s(&whole), f64s(&x));
        let mut order: Vec<i64> = (0..shape[axis] as i64).collect();
        azura_core::Rng::new(seed).shuffle(&mut order);
        let mut inverse = order.clone();
        for (to, &from) in order.iter().enumerate() {
            inverse[from as usize] = to as i64;
        }
        let ids = |ids: Vec<i64>| { let n = ids.len(); Tensor::from_vec(ids, [n]).unwrap() };
        let there = x.index_select(axis as isize, &ids(order)).unwrap();
        let back = there.index_select(axis as isize, &ids(inverse)).unwrap();
        prop_assert_eq!(f64s(&back), f64s(&x));
        let entries: Vec<Tensor> = (0..shape[axis]).map(|i| x.select(axis as isize, i).unwrap()).collect();
        let stacked = Tensor::stack(&entries.iter().collect::<Vec<_>>(), axis as isize).unwrap();
        prop_assert_eq!(stacked.shape(), &shape[..]);
        prop_assert_eq!(f64s(&stacked), f64s(&x));
    }
}

/// Views cost no memory: a huge one is made at once.
#[test]
fn views_share_the_buffer() {
    let x = Tensor::zeros([1, 1], DType::F32).unwrap();
    let huge = x.expand([1 << 20, 1 << 20]).unwrap();
    assert_eq!(huge.numel(), 1 << 40);
    let part = huge
        .t()
        .unwrap()
        .narrow(0, 7, 3)
        .unwrap()
        .narrow(1, 5, 2)
        .unwrap();
    assert_eq!(part.to_vec::<f32>().unwrap(), [0.0; 6]);
}

/// Every dtype can be viewed, copied and joined.
#[test]
fn views_of_every_dtype() {
    for dtype in [DType::F32, DType::F64, DType::I64, DType::U32, DType::Bool] {
        let x = Tensor::from_slice(&[0.0f64, 1.0, 1.0, 0.0, 1.0, 0.0], [2, 3])
            .unwrap()
            .cast(dtype)
            .unwrap();
        let y = Tensor::cat(&[&x.t().unwrap(), &x.t().unwrap()], 1).unwrap();
        let y = y
            .index_select(0, &Tensor::from_slice(&[2u32, 0], [2]).unwrap())
            .unwrap();
        assert_eq!(y.dtype(), dtype);
        assert_eq!(
            f64s(&y.cast(DType::F64).unwrap()),
            [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
    }
}

/// Results of 8 axes work, and a ninth is refused.
#[test]
fn eight_axes() {
    let x = Tensor::from_slice(&[1.0f64, 2.0], [1, 1, 1, 2, 1, 1, 1, 1]).unwrap();
    let y = x
        .clone()
        .add(x.permute(&[3, 0, 1, 2, 4, 5, 6, 7]).unwrap())
        .unwrap();
    assert_eq!(f64s(&y), [2.0, 3.0, 3.0, 4.0]);
    assert!(x.unsqueeze(0).is_err());
    assert!(x.expand([2; 9]).is_err());
    assert!(Tensor::stack(&[&x, &x], 0).is_err());
}

/// What moves elements does so for every dtype, and the gradient of halves is one of halves.
#[test]
fn indices_of_every_dtype() -> azura_core::Result<()> {
    let ids = |values: &[i64]| Tensor::from_slice(values, [values.len()]);
    let of = |x: &Tensor| -> azura_core::Result<Vec<f64>> { x.cast(DType::F64)?.to_vec() };
    for dtype in [
        DType::F32,
        DType::F64,
        DType::F16,
        DType::BF16,
        DType::I64,
        DType::U32,
        DType::Bool,
    ] {
        let x = Tensor::from_slice(&[1.0f64, 0.0, 1.0], [3])?.cast(dtype)?;
        assert_eq!(
            of(&x.index_select(0, &ids(&[1, 2, 2])?)?)?,
            [0.0, 1.0, 1.0],
            "{dtype}"
        );
        assert_eq!(of(&x.gather(0, &ids(&[1, 0])?)?)?, [0.0, 1.0], "{dtype}");
        assert_eq!(
            of(&x.scatter(0, &ids(&[1, 1])?, &x)?)?,
            [1.0, 0.0, 1.0],
            "{dtype}"
        );
        assert_eq!(
            of(&x.scatter(0, &ids(&[0, 1])?, 1.0)?)?,
            [1.0, 1.0, 1.0],
            "{dtype}"
        );
        assert_eq!(of(&x.flip(&[0])?.narrow(0, 1, 2)?)?, [0.0, 1.0], "{dtype}");
        assert_eq!(
            of(&x.pad(&[1, 1], PadMode::Circular)?)?,
            [1.0, 1.0, 0.0, 1.0, 1.0],
            "{dtype}"
        );
        assert_eq!(
            of(&x.pad(&[1, -1], PadMode::Constant(1.0))?)?,
            [1.0, 1.0, 0.0],
            "{dtype}"
        );
        assert_eq!(of(&x.roll(&[1], &[0])?)?, [1.0, 1.0, 0.0], "{dtype}");
        assert_eq!(of(&x.unsqueeze(0)?.tril(1)?)?, [1.0, 0.0, 0.0], "{dtype}");
        assert_eq!(of(&x.masked_fill(&x.eq(0.0)?, 1.0)?)?, [1.0; 3], "{dtype}");
        assert_eq!(of(&x.masked_select(&x.eq(1.0)?)?)?, [1.0; 2], "{dtype}");
        assert_eq!(
            of(&x.repeat([2])?)?,
            [1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
            "{dtype}"
        );
        assert_eq!(
            of(&Tensor::cat(&[&x, &x], 0)?.strided_slice(0, None, None, -2)?)?,
            [1.0, 1.0, 0.0],
            "{dtype}"
        );
        let sums = x.scatter_add(0, &ids(&[2, 2])?, &x.narrow(0, 1, 2)?);
        if dtype == DType::Bool {
            assert!(sums.is_err());
            continue;
        }
        assert_eq!(of(&sums?)?, [1.0, 0.0, 2.0], "{dtype}");
        assert_eq!(
            of(&x.index_add(0, &ids(&[0, 0, 1])?, &x, 2.0)?)?,
            [3.0, 2.0, 1.0],
            "{dtype}"
        );
        if !dtype.is_float() {
            continue;
        }
        let x = x.variable();
        let y = Tensor::cat(
            &[
                &x.index_select(0, &ids(&[0, 0])?)?,
                &x.gather(0, &ids(&[1])?)?,
                &x.flip(&[0])?.narrow(0, 0, 1)?,
                &x.scatter_add(0, &ids(&[0])?, &x.narrow(0, 1, 1)?)?,
                &x.unsqueeze(0)?.matmul(&x.unsqueeze(1)?)?.flatten(0, -1)?,
            ],
            0,
        )?;
        let dx = &azura_core::grad(&y.sum_all()?, &[&x])?[0];
        assert_eq!(dx.dtype(), dtype);
        assert_eq!(of(dx)?, [5.0, 3.0, 4.0], "{dtype}");
    }
    Ok(())
}
