use super::*;
use crate::cpu::reduce::Sum;
use crate::cpu::threads::with_threads;

/// Numbers in −½..½ that do not repeat soon.
fn numbers<T: Real>(count: usize, seed: u64) -> Vec<T> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        T::lit((x >> 40) as f64 / (1u64 << 24) as f64 - 0.5)
    };
    (0..count).map(|_| next()).collect()
}

/// Everything that goes into a layer.
#[derive(Clone)]
struct Layer<T> {
    d: Dims<'static>,
    x: Vec<T>,
    w_ih: Vec<T>,
    w_hh: Vec<T>,
    b_ih: Vec<T>,
    b_hh: Vec<T>,
    h0: Vec<T>,
    c0: Vec<T>,
}

impl<T: Real + Sum> Layer<T> {
    fn new(batch: usize, time: usize, input: usize, hidden: usize, reverse: bool) -> Self {
        let d = Dims {
            batch,
            time,
            input,
            hidden,
            output: hidden,
            reverse,
            lengths: None,
        };
        Layer {
            d,
            x: numbers(batch * time * input, 1),
            w_ih: numbers(4 * hidden * input, 2),
            w_hh: numbers(4 * hidden * hidden, 3),
            b_ih: numbers(4 * hidden, 4),
            b_hh: numbers(4 * hidden, 5),
            h0: numbers(batch * hidden, 6),
            c0: numbers(batch * hidden, 7),
        }
    }

    fn weights(&self) -> Weights<'_, T> {
        Weights {
            w_ih: &self.w_ih,
            w_hh: &self.w_hh,
            b_ih: Some(&self.b_ih),
            b_hh: Some(&self.b_hh),
            w_hr: None,
        }
    }

    /// The values that have a gradient, in the order of `Gradients`.
    fn parts(&mut self) -> [&mut Vec<T>; 7] {
        [
            &mut self.x,
            &mut self.h0,
            &mut self.c0,
            &mut self.w_ih,
            &mut self.w_hh,
            &mut self.b_ih,
            &mut self.b_hh,
        ]
    }

    /// `out` with rows `H + gap` apart, `hn`, `cn`, and what was saved.
    fn forward(&self, gap: usize, save: bool) -> [Vec<T>; 4] {
        let Dims {
            batch,
            time,
            hidden,
            ..
        } = self.d;
        let mut out = vec![T::lit(7.0); batch * time * (hidden + gap)];
        let (mut hn, mut cn) = (
            vec![T::default(); batch * hidden],
            vec![T::default(); batch * hidden],
        );
        let mut saved = vec![T::lit(f64::NAN); if save { self.d.saved_len::<Lstm>() } else { 0 }];
        let init = State {
            h: Some(&self.h0[..]),
            c: Some(&self.c0[..]),
        };
        let keep = save.then_some(&mut saved[..]);
        forward::<Lstm, _>(
            &self.d,
            &self.x,
            &self.weights(),
            init,
            &mut out,
            hidden + gap,
            &mut hn,
            &mut cn,
            keep,
        );
        [out, hn, cn, saved]
    }

    /// The seven gradients; each starts at `before` and is added to if that is not zero.
    fn backward(&self, gap: usize, saved: &[T], douts: &[Vec<T>; 3], before: f64) -> Vec<Vec<T>> {
        let mut sizes = self.clone();
        let mut grads: Vec<Vec<T>> = sizes
            .parts()
            .iter()
            .map(|v| vec![T::lit(before); v.len()])
            .collect();
        let mut slots = grads.iter_mut().map(|g| {
            Some(Slot {
                data: &mut g[..],
                accumulate: before != 0.0,
            })
        });
        let mut slot = || slots.next().flatten();
        let grads_wanted = Grads {
            dx: slot(),
            dh0: slot(),
            dc0: slot(),
            dw_ih: slot(),
            dw_hh: slot(),
            db_ih: slot(),
            db_hh: slot(),
            dw_hr: None,
        };
        let mut work = vec![T::lit(f64::NAN); self.d.work_len::<Lstm>()];
        let [dout, dhn, dcn] = douts;
        let stride = self.d.hidden + gap;
        backward::<Lstm, _>(
            &self.d,
            &self.x,
            &self.weights(),
            saved,
            Some(dout),
            stride,
            Some(dhn),
            Some(dcn),
            &mut work,
            grads_wanted,
        );
        grads
    }
}

/// The equations, one number at a time.
fn naive(l: &Layer<f64>) -> [Vec<f64>; 3] {
    let Dims {
        batch,
        time,
        input,
        hidden,
        reverse,
        ..
    } = l.d;
    let (mut h, mut c) = (l.h0.clone(), l.c0.clone());
    let mut out = vec![0.0; batch * time * hidden];
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for s in 0..time {
        let t = if reverse { time - 1 - s } else { s };
        for b in 0..batch {
            let before = h[b * hidden..][..hidden].to_vec();
            let gate = |k: usize, j: usize| {
                let row = k * hidden + j;
                let from_x: f64 = (0..input)
                    .map(|i| l.w_ih[row * input + i] * l.x[(b * time + t) * input + i])
                    .sum();
                let from_h: f64 = (0..hidden)
                    .map(|i| l.w_hh[row * hidden + i] * before[i])
                    .sum();
                from_x + from_h + l.b_ih[row] + l.b_hh[row]
            };
            for j in 0..hidden {
                let cell = sigmoid(gate(1, j)) * c[b * hidden + j]
                    + sigmoid(gate(0, j)) * gate(2, j).tanh();
                c[b * hidden + j] = cell;
                h[b * hidden + j] = sigmoid(gate(3, j)) * cell.tanh();
                out[(b * time + t) * hidden + j] = h[b * hidden + j];
            }
        }
    }
    [out, h, c]
}

const SHAPES: [[usize; 4]; 8] = [
    [1, 1, 1, 1],
    [3, 4, 2, 5],
    [1, 7, 3, 17],
    [9, 3, 1, 6],
    [2, 1, 4, 3],
    [17, 2, 9, 16],
    // More than GRADIENT_ROWS; weights from HEAVY on, and rows of x a multiple of PAGE apart.
    [70, 7, 2, 3],
    [9, 6, 256, 64],
];

fn layers<T: Real + Sum>() -> impl Iterator<Item = Layer<T>> {
    SHAPES
        .into_iter()
        .flat_map(|[b, t, i, h]| [false, true].map(|reverse| Layer::new(b, t, i, h, reverse)))
}

fn assert_near<'a>(
    got: impl Iterator<Item = f64>,
    want: impl Iterator<Item = &'a f64>,
    room: f64,
    what: &str,
) {
    for (i, (got, want)) in got.zip(want).enumerate() {
        assert!(
            (got - want).abs() <= room * (1.0 + want.abs()),
            "{what} [{i}]: {got}, not {want}"
        );
    }
}

#[test]
fn forward_follows_the_equations() {
    for (l, narrow) in layers::<f64>().zip(layers::<f32>()) {
        let want = naive(&l);
        let got = l.forward(0, true);
        let got32 = narrow.forward(0, true);
        for i in 0..3 {
            assert_near(
                got[i].iter().copied(),
                want[i].iter(),
                1e-13,
                &format!("{:?}", l.d),
            );
            assert_near(
                got32[i].iter().map(|&x| f64::from(x)),
                want[i].iter(),
                2e-6,
                &format!("f32 {:?}", l.d),
            );
        }
        assert_eq!(
            l.forward(0, false)[..3],
            got[..3],
            "without saving: {:?}",
            l.d
        );
    }
}

#[test]
fn a_long_sequence_without_saving_is_the_same() {
    // Longer than CHUNK, few and many rows.
    for batch in [1, 9] {
        for reverse in [false, true] {
            let l = Layer::<f32>::new(batch, 150, 3, 8, reverse);
            assert_eq!(l.forward(0, false)[..3], l.forward(0, true)[..3]);
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for l in layers::<f64>() {
        let [out, hn, cn, saved] = l.forward(0, true);
        let douts = [
            numbers(out.len(), 21),
            numbers(hn.len(), 22),
            numbers(cn.len(), 23),
        ];
        let loss = |l: &Layer<f64>| -> f64 {
            let results = l.forward(0, false);
            results
                .iter()
                .zip(&douts)
                .flat_map(|(v, d)| v.iter().zip(d))
                .map(|(v, d)| v * d)
                .sum()
        };
        let grads = l.backward(0, &saved, &douts, 0.0);
        let mut moved = l.clone();
        for (part, grad) in grads.iter().enumerate() {
            // Some twenty elements of each are enough; all for small ones.
            for i in (0..grad.len()).step_by(grad.len() / 20 + 1) {
                let step = 1e-5;
                let old = moved.parts()[part][i];
                moved.parts()[part][i] = old + step;
                let up = loss(&moved);
                moved.parts()[part][i] = old - step;
                let down = loss(&moved);
                moved.parts()[part][i] = old;
                let numeric = (up - down) / (2.0 * step);
                let room = 1e-8 * (1.0 + numeric.abs());
                assert!(
                    (grad[i] - numeric).abs() <= room,
                    "{:?} gradient {part} [{i}]: {}, not {numeric}",
                    l.d,
                    grad[i]
                );
            }
        }
        let added = l.backward(0, &saved, &douts, 0.25);
        for (grad, added) in grads.iter().zip(&added) {
            assert_near(
                added.iter().map(|x| x - 0.25),
                grad.iter(),
                1e-12,
                "accumulated",
            );
        }
    }
}

#[test]
fn f32_gradients_are_near_those_of_f64() {
    for (l, narrow) in layers::<f64>().zip(layers::<f32>()) {
        let douts: [Vec<f64>; 3] = [
            numbers(l.d.batch * l.d.time * l.d.hidden, 21),
            numbers(l.h0.len(), 22),
            numbers(l.h0.len(), 23),
        ];
        let narrow_douts = douts
            .clone()
            .map(|v| v.into_iter().map(|x| x as f32).collect::<Vec<f32>>());
        let grads = l.backward(0, &l.forward(0, true)[3], &douts, 0.0);
        let got = narrow.backward(0, &narrow.forward(0, true)[3], &narrow_douts, 0.0);
        for (got, want) in got.iter().zip(&grads) {
            assert_near(
                got.iter().map(|&x| f64::from(x)),
                want.iter(),
                2e-5,
                &format!("{:?}", l.d),
            );
        }
    }
}

#[test]
fn any_number_of_threads_and_any_batch_give_the_same_bits() {
    for reverse in [false, true] {
        // Enough work for three threads, rows on both sides of STEPWISE_ROWS.
        let l = Layer::<f32>::new(26, 40, 24, 33, reverse);
        let run = |threads: usize| {
            with_threads(threads, || {
                let [out, hn, cn, saved] = l.forward(2, true);
                let douts = [
                    numbers(out.len(), 1),
                    numbers(hn.len(), 2),
                    numbers(cn.len(), 3),
                ];
                let grads = l.backward(2, &saved, &douts, 0.0);
                let quiet = l.forward(2, false);
                assert_eq!(
                    quiet[..3],
                    [out, hn, cn],
                    "{threads} threads, without saving"
                );
                (quiet, grads)
            })
        };
        assert!(
            with_threads(3, || l.d.parts::<Lstm>()) == 3,
            "the test must split the batch"
        );
        let want = run(1);
        for threads in [2, 3, 4] {
            assert!(run(threads) == want, "{threads} threads, reverse {reverse}");
        }
        // Row 5 on its own.
        let Dims {
            time,
            input,
            hidden,
            ..
        } = l.d;
        let single = Layer {
            d: Dims { batch: 1, ..l.d },
            x: l.x[5 * time * input..6 * time * input].to_vec(),
            h0: l.h0[5 * hidden..6 * hidden].to_vec(),
            c0: l.c0[5 * hidden..6 * hidden].to_vec(),
            ..l.clone()
        };
        let out = &single.forward(2, false)[0];
        assert_eq!(
            out[..],
            want.0[0][5 * time * (hidden + 2)..6 * time * (hidden + 2)]
        );
    }
}

#[test]
fn two_directions_share_an_output() {
    let ahead = Layer::<f32>::new(3, 4, 2, 5, false);
    let back = Layer::<f32>::new(3, 4, 2, 5, true);
    let mut out = vec![0.0f32; 3 * 4 * 10];
    let mut state = [vec![0.0f32; 15], vec![0.0f32; 15]];
    for (l, at) in [(&ahead, 0), (&back, 5)] {
        let [hn, cn] = &mut state;
        let init = State {
            h: Some(&l.h0[..]),
            c: Some(&l.c0[..]),
        };
        forward::<Lstm, _>(
            &l.d,
            &l.x,
            &l.weights(),
            init,
            &mut out[at..],
            10,
            hn,
            cn,
            None,
        );
    }
    let (a, b) = (ahead.forward(0, false), back.forward(0, false));
    for row in 0..12 {
        assert_eq!(out[row * 10..][..5], a[0][row * 5..][..5]);
        assert_eq!(out[row * 10 + 5..][..5], b[0][row * 5..][..5]);
    }
}

#[test]
fn what_is_not_given_is_zero_and_what_is_not_wanted_is_not_made() {
    let mut l = Layer::<f64>::new(9, 5, 3, 4, false);
    for part in [&mut l.h0, &mut l.c0, &mut l.b_ih, &mut l.b_hh] {
        part.fill(0.0);
    }
    let want = l.forward(0, true);
    let bare = Weights {
        b_ih: None,
        b_hh: None,
        ..l.weights()
    };
    let (mut out, mut hn, mut cn) = (vec![0.0; want[0].len()], vec![0.0; 36], vec![0.0; 36]);
    forward::<Lstm, _>(
        &l.d,
        &l.x,
        &bare,
        State { h: None, c: None },
        &mut out,
        4,
        &mut hn,
        &mut cn,
        None,
    );
    assert_eq!([&out, &hn, &cn], [&want[0], &want[1], &want[2]]);
    let zeros = [vec![0.0; out.len()], vec![0.0; 36], numbers(36, 9)];
    let all = l.backward(0, &want[3], &zeros, 0.0);
    let mut dx = vec![0.0; l.x.len()];
    let mut work = vec![0.0; l.d.work_len::<Lstm>()];
    let grads = Grads {
        dx: Some(Slot {
            data: &mut dx,
            accumulate: false,
        }),
        ..Grads::default()
    };
    backward::<Lstm, _>(
        &l.d,
        &l.x,
        &bare,
        &want[3],
        None,
        4,
        None,
        Some(&zeros[2]),
        &mut work,
        grads,
    );
    assert_eq!(dx, all[0]);
}

#[test]
fn sizes_of_zero_are_whole_results() {
    for [batch, time, input, hidden] in [
        [0, 3, 2, 4],
        [3, 0, 2, 4],
        [3, 3, 0, 4],
        [9, 3, 0, 4],
        [3, 3, 2, 0],
    ] {
        let l = Layer::<f64>::new(batch, time, input, hidden, false);
        let [out, hn, cn, saved] = l.forward(0, true);
        let want = naive(&l);
        for (got, want) in [&out, &hn, &cn].into_iter().zip(&want) {
            assert_near(got.iter().copied(), want.iter(), 1e-13, "empty");
        }
        let douts = [out.clone(), hn.clone(), cn.clone()];
        let grads = l.backward(0, &saved, &douts, 0.0);
        if time == 0 {
            assert_eq!(grads[1..3], [hn, cn]);
        }
        if batch == 0 || time == 0 {
            assert!(grads[3..].iter().flatten().all(|&g| g == 0.0));
        }
    }
}

#[test]
fn extreme_inputs_saturate_and_nan_stays_in_its_row() {
    let mut l = Layer::<f32>::new(9, 1, 1, 20, false);
    l.w_ih.iter_mut().for_each(|w| *w = 1.0);
    for (b, x) in [100.0, -100.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
        .into_iter()
        .enumerate()
    {
        l.x[b] = x;
    }
    let [out, _, cn, _] = l.forward(0, false);
    for j in 0..20 {
        // All gates open: the cell gains 1; all closed: nothing is left.
        for b in [0, 2] {
            assert!((cn[b * 20 + j] - (l.c0[b * 20 + j] + 1.0)).abs() < 1e-6);
        }
        for b in [1, 3] {
            assert!(cn[b * 20 + j].abs() < 1e-30 && out[b * 20 + j].abs() < 1e-30);
        }
        assert!(out[4 * 20 + j].is_nan());
        assert!(out[5 * 20 + j].is_finite());
    }
}
