//! Against loops over every index, on sizes that cross tiles, blocks of k and images, with 1 to 3 threads.

use super::*;
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
    let mut first: Option<[Vec<f64>; 3]> = None;
    for threads in 1..=3 {
        // What is not written stays NaN.
        let mut got = [y.len(), dx.len(), dw.len()].map(|len| vec![f64::NAN; len]);
        got[2].copy_from_slice(&before);
        with_threads(threads, || {
            c.forward(&x, &w, Some(&bias), &mut got[0]);
            c.input(&dy, &w, Some(&x_bias), &mut got[1]);
            c.weight(&x, &dy, true, &mut got[2]);
        });
        for (got, (want, name)) in got.iter().zip([(&y, "y"), (&dx, "dx"), (&dw, "dw")]) {
            close(
                got,
                want,
                &format!("{name} of {c:?} with {threads} threads"),
            );
        }
        let first = first.get_or_insert_with(|| got.clone());
        assert_eq!(*first, got, "{c:?}: other bits with {threads} threads");
    }
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
