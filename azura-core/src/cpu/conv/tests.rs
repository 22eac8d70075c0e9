//! Against loops over every index, on sizes that cross tiles, blocks of k and images, with 1 to 3 threads.

use super::*;
use crate::cpu::simd::for_each_set;
use crate::cpu::threads::with_threads;

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Calls `f(x index, w index, y index)` for every product of the convolution.
fn every(c: &Conv, mut f: impl FnMut(usize, usize, usize)) {
    let places = |sizes: [usize; 3]| {
        (0..sizes[0]).flat_map(move |z| {
            (0..sizes[1]).flat_map(move |y| (0..sizes[2]).map(move |x| [z, y, x]))
        })
    };
    let flat = |sizes: [usize; 3], at: [usize; 3]| (at[0] * sizes[1] + at[1]) * sizes[2] + at[2];
    let volume = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    for n in 0..c.batch {
        for group in 0..c.groups {
            for o in 0..c.outputs {
                for i in 0..c.inputs {
                    let output = group * c.outputs + o;
                    let (xc, yc) = (
                        (n * c.groups + group) * c.inputs + i,
                        n * c.groups * c.outputs + output,
                    );
                    for at in places(c.y) {
                        for k in places(c.kernel) {
                            let from: [isize; 3] = std::array::from_fn(|a| {
                                (at[a] * c.stride[a] + k[a] * c.dilation[a]) as isize
                                    - c.padding[a] as isize
                            });
                            if (0..3).all(|a| (0..c.x[a] as isize).contains(&from[a])) {
                                f(
                                    xc * volume(c.x) + flat(c.x, from.map(|i| i as usize)),
                                    (output * c.inputs + i) * volume(c.kernel) + flat(c.kernel, k),
                                    yc * volume(c.y) + flat(c.y, at),
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let room = 1e-12 * want.abs().max(1.0);
        assert!(
            (got - want).abs() <= room,
            "{what}: {i} is {got}, not {want}"
        );
    }
}

fn check(c: Conv) {
    let volume = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    let x = numbers(c.batch * c.groups * c.inputs * volume(c.x), 1);
    let w = numbers(c.groups * c.outputs * c.inputs * volume(c.kernel), 2);
    let dy = numbers(c.batch * c.groups * c.outputs * volume(c.y), 3);
    let bias = numbers(c.groups * c.outputs, 4);
    let x_bias = numbers(c.groups * c.inputs, 5);
    let before = numbers(w.len(), 6);
    let planes = |sizes: [usize; 3], bias: &[f64]| -> Vec<f64> {
        let channels = (0..c.batch).flat_map(|_| bias.iter().copied());
        channels
            .flat_map(|b| std::iter::repeat_n(b, volume(sizes)))
            .collect()
    };
    let (mut y, mut dx, mut dw) = (planes(c.y, &bias), planes(c.x, &x_bias), before.clone());
    every(&c, |i, j, k| {
        y[k] += x[i] * w[j];
        dx[i] += dy[k] * w[j];
        dw[j] += dy[k] * x[i];
    });
    let compute = |what: &str| {
        // What is not written stays NaN.
        let mut got = [y.len(), dx.len(), dw.len()].map(|len| vec![f64::NAN; len]);
        got[2].copy_from_slice(&before);
        c.forward(&x, &w, Some(&bias), &mut got[0]);
        c.input(&dy, &w, Some(&x_bias), &mut got[1]);
        c.weight(&x, &dy, true, &mut got[2]);
        for (got, (want, name)) in got.iter().zip([(&y, "y"), (&dx, "dx"), (&dw, "dw")]) {
            close(got, want, &format!("{name} of {c:?} with {what}"));
        }
        got
    };
    let mut first = None;
    for threads in 1..=3 {
        let got = with_threads(threads, || compute(&format!("{threads} threads")));
        let first = first.get_or_insert_with(|| got.clone());
        assert_eq!(*first, got, "{c:?}: other bits with {threads} threads");
    }
    for_each_set(|set| {
        compute(set.name());
    });
}

const SQUARE: Conv = Conv {
    batch: 3,
    groups: 1,
    inputs: 5,
    outputs: 7,
    x: [1, 18, 19],
    y: [1, 18, 19],
    kernel: [1, 3, 3],
    stride: [1; 3],
    padding: [0, 1, 1],
    dilation: [1; 3],
};

#[test]
fn images_of_several_tiles() {
    check(SQUARE);
    check(Conv {
        batch: 2,
        inputs: 40,
        outputs: 17,
        x: [1, 20, 20],
        y: [1, 18, 18],
        padding: [0; 3],
        ..SQUARE
    });
}

#[test]
fn tiles_of_several_images() {
    check(Conv {
        batch: 19,
        x: [1, 6, 7],
        y: [1, 6, 7],
        ..SQUARE
    });
    check(Conv {
        batch: 70,
        groups: 2,
        x: [1, 1, 3],
        y: [1, 1, 3],
        kernel: [1, 1, 3],
        padding: [0, 0, 1],
        ..SQUARE
    });
}

#[test]
fn strides_and_dilations() {
    check(Conv {
        y: [1, 8, 6],
        stride: [1, 2, 3],
        padding: [0, 1, 2],
        dilation: [1, 2, 3],
        ..SQUARE
    });
    // A stride that shares a factor with the dilation leaves places that no tap reaches.
    check(Conv {
        y: [1, 7, 4],
        stride: [1, 2, 4],
        padding: [0, 0, 1],
        dilation: [1, 2, 2],
        ..SQUARE
    });
}

#[test]
fn single_elements_go_straight_to_the_product() {
    let single = Conv {
        kernel: [1; 3],
        padding: [0; 3],
        ..SQUARE
    };
    check(single);
    check(Conv {
        batch: 9,
        groups: 3,
        x: [1, 4, 5],
        y: [1, 4, 5],
        ..single
    });
}

#[test]
fn one_input_channel_a_group() {
    let depthwise = Conv {
        groups: 6,
        inputs: 1,
        outputs: 1,
        ..SQUARE
    };
    check(depthwise);
    check(Conv {
        outputs: 2,
        y: [1, 9, 6],
        stride: [1, 2, 3],
        ..depthwise
    });
    check(Conv {
        batch: 1,
        x: [1, 1, 9000],
        y: [1, 1, 9000],
        kernel: [1, 1, 3],
        padding: [0, 0, 1],
        ..depthwise
    });
    check(Conv {
        outputs: 6,
        ..depthwise
    });
}

#[test]
fn volumes() {
    check(Conv {
        batch: 2,
        x: [5, 6, 7],
        y: [5, 3, 7],
        kernel: [3, 2, 3],
        stride: [1, 2, 1],
        padding: [1, 0, 1],
        ..SQUARE
    });
}

/// [`check`] where the source is read shifted, and not as columns.
fn check_shifted(c: Conv) {
    assert!(shifted::Shifted::new(&c.columns()).is_some(), "{c:?}");
    check(c);
}

#[test]
fn shifted_sources() {
    check_shifted(SQUARE);
    // Lines of whole vectors, strips of a few lines, chains of several chunks and blocks of rows.
    check_shifted(Conv {
        batch: 1,
        inputs: 70,
        outputs: 290,
        x: [1, 12, 32],
        y: [1, 12, 32],
        ..SQUARE
    });
    // Read in place, in the last image too.
    check_shifted(Conv {
        batch: 2,
        groups: 2,
        x: [1, 30, 22],
        y: [1, 28, 20],
        padding: [0; 3],
        ..SQUARE
    });
    // In place but for the first and the last lines.
    check_shifted(Conv {
        x: [1, 60, 22],
        y: [1, 60, 20],
        padding: [0, 1, 0],
        ..SQUARE
    });
}

#[test]
fn shifted_residues() {
    check_shifted(Conv {
        x: [1, 23, 47],
        y: [1, 8, 24],
        stride: [1, 3, 2],
        padding: [0, 1, 2],
        dilation: [1, 1, 2],
        ..SQUARE
    });
    check_shifted(Conv {
        x: [1, 23, 47],
        y: [1, 11, 22],
        stride: [1, 2, 2],
        padding: [0, 0, 1],
        dilation: [1, 1, 3],
        ..SQUARE
    });
}

#[test]
fn shifted_lines_longer_than_a_strip() {
    check_shifted(Conv {
        batch: 2,
        x: [1, 1, 1100],
        y: [1, 1, 1102],
        kernel: [1, 1, 5],
        padding: [0, 0, 3],
        ..SQUARE
    });
    check_shifted(Conv {
        batch: 2,
        x: [1, 3, 2201],
        y: [1, 3, 1100],
        kernel: [1, 3, 4],
        stride: [1, 1, 2],
        padding: [0, 1, 0],
        ..SQUARE
    });
}

#[test]
fn shifted_volumes() {
    check_shifted(Conv {
        batch: 2,
        x: [5, 7, 17],
        y: [3, 6, 17],
        kernel: [3, 2, 3],
        stride: [2, 1, 1],
        padding: [1, 0, 1],
        ..SQUARE
    });
    check_shifted(Conv {
        batch: 2,
        inputs: 1,
        outputs: 9,
        x: [4, 12, 18],
        y: [6, 11, 16],
        kernel: [3, 2, 3],
        padding: [2, 0, 0],
        ..SQUARE
    });
}

/// What makes the numbers of a test hard for transforms that add and subtract them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hostile {
    None,
    /// Planes, and weights of a channel, of sizes from 1e-4 to 1e4.
    Channels,
    /// Places, and taps, of such sizes.
    Places,
    /// A few numbers are 1e4 times as large.
    Spikes,
    /// All numbers are positive.
    Positive,
    /// Numbers near the smallest ones by such that are near the largest.
    Far,
}

/// Numbers `[rows, inner]`, in planes of `place` numbers each.
fn hostile(rows: usize, place: usize, seed: u64, how: Hostile, far: f64) -> Vec<f32> {
    let random = numbers(rows * place, seed);
    let scales = |count: usize, seed: u64| -> Vec<f64> {
        let powers = numbers(count, seed).into_iter();
        powers.map(|x| 10f64.powf(4.0 * x)).collect()
    };
    let (of_rows, of_places) = (scales(rows, 77), scales(place, 78));
    let scaled = random.into_iter().enumerate().map(|(i, x)| match how {
        Hostile::None => x,
        Hostile::Channels => x * of_rows[i / place],
        Hostile::Places => x * of_places[i % place],
        Hostile::Spikes => x * if i % 97 == 0 { 1e4 } else { 1.0 },
        Hostile::Positive => x.abs(),
        Hostile::Far => x * far,
    });
    scaled.map(|x| x as f32).collect()
}

/// Winograd's results against direct ones in f64: off by at most `4 · √k · ε` of the largest result, k the terms of a sum.
fn check_winograd(c: Conv, how: Hostile) {
    for way in [
        Winograd::forward(&c),
        Winograd::input(&c),
        Winograd::gradient(&c),
    ] {
        assert!(way.is_some(), "{c:?} is computed directly");
    }
    let volume = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    let (inputs, outputs) = (c.groups * c.inputs, c.groups * c.outputs);
    let x = hostile(c.batch * inputs, volume(c.x), 1, how, 1e-30);
    let w = hostile(outputs * c.inputs, 9, 2, how, 1e30);
    let dy = hostile(c.batch * outputs, volume(c.y), 3, how, 1e-30);
    let [bias, x_bias] = [outputs, inputs].map(|len| hostile(len, 1, 4, Hostile::None, 1.0));
    let (zeros, before) = (
        vec![0.0; w.len()],
        hostile(w.len(), 1, 6, Hostile::None, 1.0),
    );
    let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let [x64, w64, dy64] = [&x, &w, &dy].map(|x| wide(x));
    let planes = |volume: usize, bias: &[f32]| -> Vec<f64> {
        let channels = (0..c.batch).flat_map(|_| wide(bias));
        channels.flat_map(|b| vec![b; volume]).collect()
    };
    let dw_before = if how == Hostile::Far { &zeros } else { &before };
    let mut want = [
        planes(volume(c.y), &bias),
        planes(volume(c.x), &x_bias),
        wide(dw_before),
    ];
    every(&c, |i, j, k| {
        want[0][k] += x64[i] * w64[j];
        want[1][i] += dy64[k] * w64[j];
        want[2][j] += dy64[k] * x64[i];
    });
    let terms = [9 * c.inputs, 9 * c.outputs, c.batch * volume(c.y)];
    let compute = |what: &str| {
        let mut got = [0, 1, 2].map(|i| vec![f32::NAN; want[i].len()]);
        got[2].copy_from_slice(dw_before);
        c.forward(&x, &w, Some(&bias), &mut got[0]);
        c.input(&dy, &w, Some(&x_bias), &mut got[1]);
        c.weight(&x, &dy, true, &mut got[2]);
        for (i, name) in ["y", "dx", "dw"].into_iter().enumerate() {
            let largest = want[i].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            let room = 4.0 * (terms[i] as f64).sqrt() * f64::from(f32::EPSILON) * largest;
            let pairs = got[i].iter().zip(&want[i]);
            // A NaN is not within any distance.
            let off = pairs.map(|(got, want)| (f64::from(*got) - want).abs());
            let (at, off) =
                off.enumerate().fold(
                    (0, 0.0),
                    |most, now| {
                        if now.1 <= most.1 { most } else { now }
                    },
                );
            assert!(
                off <= room.max(1e-37),
                "{name} of {c:?}, {how:?}, {what}: {at} is {off:e} off, of {room:e}"
            );
        }
        got
    };
    let mut first = None;
    for threads in 1..=3 {
        let got = with_threads(threads, || compute(&format!("{threads} threads")));
        let first = first.get_or_insert_with(|| got.clone());
        assert_eq!(*first, got, "{c:?}: other bits with {threads} threads");
    }
    for_each_set(|set| {
        compute(set.name());
    });
}

const TILES: Conv = Conv {
    batch: 2,
    groups: 1,
    inputs: 16,
    outputs: 32,
    x: [1, 13, 18],
    y: [1, 13, 18],
    kernel: [1, 3, 3],
    stride: [1; 3],
    padding: [0, 1, 1],
    dilation: [1; 3],
};

#[test]
fn winograd_of_hostile_numbers() {
    for how in [
        Hostile::None,
        Hostile::Channels,
        Hostile::Places,
        Hostile::Spikes,
        Hostile::Positive,
        Hostile::Far,
    ] {
        check_winograd(TILES, how);
    }
}

#[test]
fn winograd_of_many_sizes() {
    let check = |c: Conv| check_winograd(c, Hostile::None);
    // Several images in a block, channels that fill no group, and groups.
    check(Conv {
        batch: 11,
        inputs: 21,
        outputs: 19,
        x: [1, 5, 7],
        y: [1, 5, 7],
        ..TILES
    });
    check(Conv {
        groups: 2,
        x: [1, 12, 17],
        y: [1, 10, 15],
        padding: [0; 3],
        ..TILES
    });
    // Several blocks of outputs and channels.
    check(Conv {
        inputs: 72,
        outputs: 140,
        x: [1, 9, 9],
        y: [1, 11, 10],
        padding: [0, 2, 1],
        ..TILES
    });
    // Lines that are longer than a block, narrow ones, and more padding than image.
    check(Conv {
        batch: 1,
        inputs: 17,
        outputs: 16,
        x: [1, 6, 401],
        y: [1, 6, 401],
        ..TILES
    });
    check(Conv {
        x: [1, 40, 3],
        y: [1, 40, 3],
        ..TILES
    });
    check(Conv {
        batch: 17,
        x: [1, 4, 3],
        y: [1, 6, 5],
        padding: [0, 2, 2],
        ..TILES
    });
}

#[test]
fn winograd_leaves_what_is_not_finite_where_it_is() {
    let c = TILES;
    let volume = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = hostile(c.batch * c.inputs, volume(c.x), 1, Hostile::None, 1.0);
        let w = hostile(c.outputs * c.inputs, 9, 2, Hostile::None, 1.0);
        let mut dy = hostile(c.batch * c.outputs, volume(c.y), 3, Hostile::None, 1.0);
        (x[100], dy[300]) = (bad, bad);
        let mut want = [dy.len(), x.len(), w.len()].map(|len| vec![false; len]);
        every(&c, |i, j, k| {
            want[0][k] |= i == 100;
            want[1][i] |= k == 300;
            want[2][j] |= i == 100 || k == 300;
        });
        let mut got = [dy.len(), x.len(), w.len()].map(|len| vec![0.0; len]);
        c.forward(&x, &w, None, &mut got[0]);
        c.input(&dy, &w, None, &mut got[1]);
        c.weight(&x, &dy, false, &mut got[2]);
        for (got, want) in got.iter().zip(&want) {
            let spread = got
                .iter()
                .zip(want)
                .filter(|(x, bad)| x.is_finite() == **bad);
            assert_eq!(spread.count(), 0, "{bad} spreads as in the direct sums");
        }
    }
    // Sums of a tile overflow, those of a result do not.
    let x = vec![2e38; c.batch * c.inputs * volume(c.x)];
    let w = vec![1e-3; c.outputs * c.inputs * 9];
    let mut y = vec![0.0f32; c.batch * c.outputs * volume(c.y)];
    c.forward(&x, &w, None, &mut y);
    assert!(y.iter().all(|y| y.is_finite()), "no result is too large");
}
