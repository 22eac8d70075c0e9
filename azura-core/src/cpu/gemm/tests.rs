use super::*;
use crate::cpu::threads::with_threads;

/// Numbers in −1..1 that do not repeat soon.
fn numbers<T: Real>(count: usize, seed: u64) -> Vec<T> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        T::lit((x >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    };
    (0..count).map(|_| next()).collect()
}

fn sets() -> Vec<InstructionSet> {
    use InstructionSet::{Avx2, Avx512, Portable};
    [Portable, Avx2, Avx512]
        .into_iter()
        .filter(|&set| set <= InstructionSet::current())
        .collect()
}

trait Wide: Real {
    const TOLERANCE: f64;
    fn wide(self) -> f64;
    fn bits(self) -> u64;
}
impl Wide for f32 {
    const TOLERANCE: f64 = 1e-6;
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}
impl Wide for f64 {
    const TOLERANCE: f64 = 2e-15;
    fn wide(self) -> f64 {
        self
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows,
    Columns,
    Gaps,
    /// One row, one column or one number, repeated: what `expand` gives, and the gradient of a sum.
    SameRows,
    SameColumns,
    Same,
}

const LAYOUTS: [Layout; 6] = [
    Layout::Rows,
    Layout::Columns,
    Layout::Gaps,
    Layout::SameRows,
    Layout::SameColumns,
    Layout::Same,
];

fn stored<T: Real>(layout: Layout, rows: usize, cols: usize, seed: u64) -> (Vec<T>, [usize; 2]) {
    let strides = match layout {
        Layout::Rows => [cols, 1],
        Layout::Columns => [1, rows],
        Layout::Gaps => [2 * cols + 3, 2],
        Layout::SameRows => [0, 1],
        Layout::SameColumns => [1, 0],
        Layout::Same => [0, 0],
    };
    (
        numbers(rows * strides[0] + cols * strides[1] + 1, seed),
        strides,
    )
}

/// One product on every instruction set and 1, 2 and 3 threads: near the f64 loop, and the same bits throughout.
fn check<T: Wide>(m: usize, n: usize, k: usize, left: Layout, right: Layout, case: u64) {
    let (a, [ar, ac]) = stored::<T>(left, m, k, 3);
    let (b, [br, bc]) = stored::<T>(right, k, n, 5);
    let (a, b) = (
        Mat::strided(&a, m, k, ar, ac),
        Mat::strided(&b, k, n, br, bc),
    );
    let accumulate = case & 1 == 1;
    let bias_of_rows = case & 10 == 10;
    let bias = (case & 2 == 2).then(|| numbers::<T>(if bias_of_rows { m } else { n }, 7));
    let act = match case / 4 % 2 {
        0 => Act::None,
        _ => Act::Relu,
    };
    // C wider than N, unless the case asks for a dense one: what lies between the rows must stay.
    let stride = n + if case & 1 == 1 { 5 } else { 0 };
    let before = numbers::<T>(m * stride, 11);
    let epilogue = Epilogue {
        accumulate,
        bias: bias.as_deref(),
        bias_of_rows,
        act,
        ..Epilogue::default()
    };
    let mut first: Option<(InstructionSet, Vec<T>)> = None;
    for set in sets() {
        for threads in 1..=3 {
            for packed in [false, true] {
                let mut c = before.clone();
                with_threads(threads, || {
                    if packed {
                        PackedB::with_set(b, set, |b| gemm_packed(a, b, &mut c, stride, epilogue));
                    } else {
                        assert!(fits(&a, &Right::Plain(b), c.len(), stride));
                        // SAFETY: the line above.
                        unsafe {
                            run(set, a, Right::Plain(b), c.as_mut_ptr(), stride, epilogue);
                        };
                    }
                });
                let what = format!(
                    "{m}x{n}x{k} {left:?} {right:?} case {case} {set:?} threads {threads} packed {packed}"
                );
                for (at, (&got, &old)) in c.iter().zip(&before).enumerate() {
                    let (i, j) = (at / stride.max(1), at % stride.max(1));
                    if j >= n {
                        assert_eq!(got.bits(), old.bits(), "{what}: touched ({i}, {j})");
                    } else if first.is_none() {
                        let mut want = if accumulate { old.wide() } else { 0.0 };
                        let mut size = want.abs();
                        for p in 0..k {
                            let term =
                                a.data[i * ar + p * ac].wide() * b.data[p * br + j * bc].wide();
                            want += term;
                            size += term.abs();
                        }
                        if let Some(bias) = &bias {
                            let bias = bias[if bias_of_rows { i } else { j }].wide();
                            want += bias;
                            size += bias.abs();
                        }
                        want = match act {
                            Act::None => want,
                            Act::Relu => want.max(0.0),
                        };
                        let room = T::TOLERANCE * (size + 1.0) * (size + 1.0).sqrt();
                        assert!(
                            (got.wide() - want).abs() <= room,
                            "{what}: ({i}, {j}) is {got:?}, not {want}"
                        );
                    }
                }
                match &first {
                    // On x86 the portable kernel rounds twice; the others must agree with each other.
                    Some((set, reference))
                        if *set != InstructionSet::Portable || !cfg!(target_arch = "x86_64") =>
                    {
                        assert!(
                            c.iter().zip(reference).all(|(x, y)| x.bits() == y.bits()),
                            "{what}: other bits"
                        );
                    }
                    Some((reference_set, reference)) if *reference_set == set => {
                        assert!(
                            c.iter().zip(reference).all(|(x, y)| x.bits() == y.bits()),
                            "{what}: other bits"
                        );
                    }
                    _ => first = Some((set, c)),
                }
            }
        }
        if set == InstructionSet::Portable && cfg!(target_arch = "x86_64") {
            first = None;
        }
    }
}

#[test]
fn small_shapes_in_every_layout() {
    let sizes = [
        (1, 1, 1),
        (2, 3, 0),
        (1, 33, 17),
        (33, 1, 9),
        (7, 16, 5),
        (14, 32, 8),
        (15, 31, 3),
        (29, 47, 40),
        (64, 10, 12),
        // One row against eight vectors.
        (1, 260, 5),
    ];
    let mut case = 0;
    for (m, n, k) in sizes {
        for left in LAYOUTS {
            for right in LAYOUTS {
                check::<f32>(m, n, k, left, right, case);
                check::<f64>(m, n, k, left, right, case + 5);
                case += 1;
            }
        }
    }
}

#[test]
fn empty_results_are_left_alone() {
    for (m, n, k) in [(0, 4, 3), (4, 0, 3), (0, 0, 0)] {
        check::<f32>(m, n, k, Layout::Rows, Layout::Rows, 0);
    }
}

#[test]
fn shapes_beyond_every_block_size() {
    // More rows than a block has, more k than K_BLOCK, several threads' worth of work.
    check::<f32>(290, 67, 530, Layout::Rows, Layout::Columns, 6);
    // More columns than are packed at once, and four vectors.
    check::<f32>(290, 2100, 9, Layout::Rows, Layout::Columns, 2);
    check::<f32>(90, 64, 100, Layout::Columns, Layout::Rows, 1);
    check::<f32>(300, 65, 70, Layout::Columns, Layout::Rows, 3);
    check::<f64>(285, 48, 270, Layout::Gaps, Layout::Rows, 1);
    // A is packed from columns that are far apart.
    check::<f32>(290, 300, 530, Layout::Columns, Layout::Rows, 2);
    check::<f64>(257, 270, 40, Layout::Columns, Layout::Columns, 2);
    // A large one for fewer columns, and a large B, whose next panels are asked for.
    check::<f32>(520, 70, 530, Layout::Columns, Layout::Rows, 0);
    check::<f32>(100, 700, 200, Layout::Rows, Layout::Rows, 1);
    check::<f32>(90, 300, 100, Layout::Rows, Layout::Rows, 10);
    check::<f32>(3, 500, 600, Layout::Rows, Layout::Columns, 2);
    check::<f32>(700, 1, 600, Layout::Rows, Layout::Columns, 2);
    for same in [Layout::SameRows, Layout::SameColumns, Layout::Same] {
        check::<f32>(1, 300, 600, Layout::Rows, same, 3);
        check::<f32>(3, 500, 600, same, Layout::Rows, 2);
        check::<f32>(3, 300, 600, Layout::Rows, same, 1);
        check::<f32>(90, 600, 600, same, same, 0);
    }
}

#[test]
fn nan_passes_through_relu_and_zero_times_infinity_is_nan() {
    let (a, b) = ([f32::INFINITY, 1.0], [0.0f32, 1.0]);
    let mut c = [7.0f32];
    gemm(
        Mat::new(&a, 1, 2),
        Mat::new(&b, 2, 1),
        &mut c,
        1,
        Epilogue {
            act: Act::Relu,
            ..Epilogue::default()
        },
    );
    assert!(c[0].is_nan());
}

#[test]
fn batches_equal_single_products() {
    let (count, m, n, k) = (5, 33, 70, 65);
    let (a, b) = (numbers::<f32>(count * m * k, 1), numbers::<f32>(k * n, 2));
    let left = |i: usize| Mat::new(&a[i * m * k..(i + 1) * m * k], m, k);
    let right = |_| Mat::new(&b, k, n);
    let mut want = numbers::<f32>(count * m * n, 3);
    let mut got = want.clone();
    let add = Epilogue {
        accumulate: true,
        ..Epilogue::default()
    };
    for (i, c) in want.chunks_mut(m * n).enumerate() {
        gemm(left(i), right(i), c, n, add);
    }
    for threads in 1..=3 {
        let mut c = got.clone();
        with_threads(threads, || gemm_batch(count, left, right, &mut c, add));
        assert_eq!(c, want);
    }
    gemm_batch(0, left, right, &mut got[..0], add);
}

/// Threads whose rows lie between each other's: what the walk of an LSTM over few rows does.
#[test]
fn rows_that_lie_between_those_of_another_thread() {
    let (parts, m, k, n) = (3, 5, 7, 19);
    let (a, b) = (numbers::<f32>(parts * m * k, 1), numbers::<f32>(k * n, 2));
    let mut want = vec![0.0; parts * m * n];
    let mut got = vec![f32::NAN; parts * m * n];
    for (i, c) in want.chunks_exact_mut(m * n).enumerate() {
        gemm(
            Mat::new(&a[i * m * k..], m, k),
            Mat::new(&b, k, n),
            c,
            n,
            Epilogue::default(),
        );
    }
    let c = Shared(got.as_mut_ptr());
    PackedB::with(Mat::new(&b, k, n), |b| {
        parallel(parts, |i| {
            let a = Mat::new(&a[i * m * k..], m, k);
            // SAFETY: part `i` has rows i, i + parts, …; nobody reads them before all are done.
            unsafe { gemm_packed_at(a, b, c.get().add(i * n), parts * n, Epilogue::default()) };
        });
    });
    for i in 0..parts * m {
        let (part, row) = (i % parts, i / parts);
        assert_eq!(got[i * n..][..n], want[(part * m + row) * n..][..n]);
    }
}

#[test]
#[should_panic(expected = "columns of A must equal rows of B")]
fn inner_sizes_must_agree() {
    gemm(
        Mat::new(&[0.0f32; 6], 2, 3),
        Mat::new(&[0.0; 4], 2, 2),
        &mut [0.0; 4],
        2,
        Epilogue::default(),
    );
}

#[test]
#[should_panic(expected = "in 5 elements")]
fn a_matrix_must_fit_its_data() {
    Mat::new(&[0.0f32; 5], 2, 3);
}

#[test]
fn a_negative_zero_is_one_for_every_number_of_rows() {
    // Every product is too small for a number, and negative.
    let (m, n, k) = (3, 8, 1 << 15);
    let (a, b) = (vec![-1e-30f32; m * k], vec![1e-30f32; n * k]);
    let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, n, k).t());
    let mut whole = vec![1.0f32; m * n];
    with_threads(1, || gemm(a, b, &mut whole, n, Epilogue::default()));
    assert!(whole.iter().all(|x| x.to_bits() == (-0.0f32).to_bits()));
    for row in 0..m {
        let mut c = vec![1.0f32; n];
        gemm(a.rows(row..row + 1), b, &mut c, n, Epilogue::default());
        assert!(c.iter().all(|x| x.to_bits() == (-0.0f32).to_bits()));
    }
}

/// `C = Aᵀ·B [+ C]` for a B with a row of zeros against several sizes of both.
fn outer_products<T: Wide>() {
    for [m, k] in [
        [1, 1],
        [5, 3],
        [33, 17],
        [300, 40],
        [31, 530],
        [600, 530],
        [7, 0],
    ] {
        let gap = 3;
        let a: Vec<T> = numbers(k * (m + gap) + m, 1);
        let widths = [1, 64 + 37];
        let b = widths.map(|n| numbers::<T>(k * n, 2));
        let row = |i: usize, k: usize| match k {
            2 => &[][..],
            _ => &b[i][k * widths[i]..][..widths[i]],
        };
        let mut first: Option<Vec<Vec<T>>> = None;
        for set in sets() {
            for threads in [1, 3] {
                let before: Vec<Vec<T>> = widths.map(|n| numbers(m * n, 3)).to_vec();
                let mut c = before.clone();
                let [c0, c1] = &mut c[..] else { unreachable!() };
                let (row0, row1) = (|k: usize| row(0, k), |k: usize| row(1, k));
                let sides = [
                    Side {
                        row: &row0,
                        cols: widths[0],
                        c: c0,
                        accumulate: false,
                    },
                    Side {
                        row: &row1,
                        cols: widths[1],
                        c: c1,
                        accumulate: true,
                    },
                ];
                let a = Mat::strided(&a, k, m, m + gap, 1);
                with_threads(threads, || outer::outer_with(set, a, sides));
                for (side, c) in c.iter().enumerate() {
                    let n = widths[side];
                    for (at, got) in c.iter().enumerate() {
                        let (i, j) = (at / n, at % n);
                        let terms = (0..k).filter(|&k| k != 2);
                        let sum: f64 = terms
                            .map(|k| a.get(k, i).wide() * row(side, k)[j].wide())
                            .sum();
                        let want = sum
                            + if side == 1 {
                                before[side][at].wide()
                            } else {
                                0.0
                            };
                        let room = T::TOLERANCE * (1.0 + k as f64);
                        assert!(
                            (got.wide() - want).abs() <= room,
                            "{m} x {k}, {set:?} [{i}, {j}]"
                        );
                    }
                }
                if set != InstructionSet::Portable {
                    let same = first.get_or_insert_with(|| c.clone());
                    let bits = |c: &Vec<Vec<T>>| -> Vec<u64> {
                        c.iter().flatten().map(|x| x.bits()).collect()
                    };
                    assert_eq!(
                        bits(same),
                        bits(&c),
                        "{m} x {k}, {set:?}, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn sums_of_outer_products_are_those_of_the_definition() {
    outer_products::<f32>();
    outer_products::<f64>();
}

#[test]
fn a_single_row_and_bands_of_rows_have_the_bits_of_a_product() {
    for [k, n] in [
        [1, 1],
        [3, 17],
        [64, 256],
        [50, 64],
        [40, 300],
        [1030, 130],
        [0, 5],
    ] {
        let a: Vec<f32> = numbers(20 * k, 1);
        let b: Vec<f32> = numbers(k * n, 2);
        let a = Mat::new(&a, 20, k);
        for b in [Mat::new(&b, k, n), Mat::new(&b, n, k).t()] {
            for set in sets() {
                let before: Vec<f32> = numbers(20 * n, 3);
                let bits = |c: &[f32]| c.iter().map(|x| x.bits()).collect::<Vec<_>>();
                for accumulate in [false, true] {
                    let add = Epilogue {
                        accumulate,
                        ..Epilogue::default()
                    };
                    let mut want = before.clone();
                    PackedB::with_set(b, set, |b| gemm_packed(a, b, &mut want, n, add));
                    let mut c = before.clone();
                    PackedB::with_set(b, set, |b| {
                        let first = Shared(c.as_mut_ptr());
                        let band = |i: usize| {
                            let rows = [0..3, 3..3, 3..20][i].clone();
                            (
                                a.rows(rows.clone()),
                                first.get().wrapping_add(rows.start * n),
                            )
                        };
                        // SAFETY: the bands are rows of their own of C.
                        unsafe { gemm_bands(3, band, b, n, None, accumulate) };
                    });
                    assert_eq!(bits(&c), bits(&want), "bands {k} x {n}, {set:?}");
                    for backwards in [false, true] {
                        let mut c = before.clone();
                        WideB::with_set(b, set, |b| {
                            for (i, c) in c.chunks_exact_mut(n).enumerate() {
                                let row = a.rows(i..i + 1);
                                gemm_wide(row, b.backwards(backwards), c, accumulate);
                            }
                        });
                        assert_eq!(bits(&c), bits(&want), "row {k} x {n}, {set:?}");
                    }
                }
            }
        }
    }
}
