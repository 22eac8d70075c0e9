//! The transforms of F(4 × 4, 3 × 3), sixteen channels at a time, in vectors of the processor's set.
//!
//! With the points 0, ±a, ±b and ∞, a = 3/4 and b = 5/4:
//!
//! ```text
//!       | a²b²   0     -(a²+b²)   0        1   0 |        | 1/(a²b²)              0     0 |
//!       | 0    -ab²      -b²      a        1   0 |        | u             ua           ua² |
//! Bᵀ =  | 0     ab²      -b²     -a        1   0 |   G =  | u            -ua           ua² |   u = 1/(2a²(a²-b²))
//!       | 0    -a²b      -a²      b        1   0 |        | v             vb           vb² |   v = 1/(2b²(b²-a²))
//!       | 0     a²b      -a²     -b        1   0 |        | v            -vb           vb² |
//!       | 0    a²b²       0    -(a²+b²)    0   1 |        | 0             0             1  |
//!
//!       | 1   1   1   1   1   0 |
//! Aᵀ =  | 0   a  -a   b  -b   0 |
//!       | 0   a²  a²  b²  b²  0 |
//!       | 0   a³ -a³  b³ -b³  1 |
//! ```
//!
//! Every element of Bᵀ and A is exact in f32. The usual points, 0, ±1, ±2 and ∞, have up to five times the error: their powers
//! differ more, so larger terms cancel.

use crate::cpu::gemm::lanes::{Lanes, Wide};
use crate::cpu::simd::InstructionSet;

/// Channels that are transformed together: whole vectors of every set.
pub(super) const GROUP: usize = 16;
/// Elements of a transformed tile.
pub(super) const POINTS: usize = 36;

const A: f32 = 0.75;
const B: f32 = 1.25;
/// The elements that the transforms multiply with.
static A1: [f32; 2] = [A, -A];
static B1: [f32; 2] = [B, -B];
static A2: [f32; 2] = [A * A, -A * A];
static B2: [f32; 2] = [B * B, -B * B];
static A3: f32 = A * A * A;
static B3: f32 = B * B * B;
static A2B2: f32 = A * A * B * B;
static SUM: f32 = -(A * A + B * B);
static MINUS: f32 = -1.0;
static G0: f32 = 1.0 / (A * A * B * B);
/// u, ua and ua².
static U: [f32; 3] = fractions(A as f64, B as f64);
/// v, vb and vb².
static V: [f32; 3] = fractions(B as f64, A as f64);

const fn fractions(a: f64, b: f64) -> [f32; 3] {
    let u = 1.0 / (2.0 * a * a * (a * a - b * b));
    [u as f32, (u * a) as f32, (u * a * a) as f32]
}

/// Where tiles stand among transformed ones: element `point · i + tile · j` belongs to point i of tile j.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub point: usize,
    pub tile: usize,
}

/// The transforms for one instruction set. Each treats [`GROUP`] channels, which stand side by side wherever they are.
///
/// # Safety
/// The processor has the set; what the fields say can be read and written.
pub(super) struct Transforms {
    /// `Bᵀ d B` of `tiles` tiles beside each other, four elements apart: `lines` are their six lines, `[4 · tiles + 2, GROUP]`.
    pub input: unsafe fn(lines: [*const f32; 6], tiles: usize, to: *mut f32, steps: Steps),
    /// `A d Aᵀ` of tiles of 4 × 4: `lines` are their four lines, `[4 · tiles, GROUP]`.
    pub gradient: unsafe fn(lines: [*const f32; 4], tiles: usize, to: *mut f32, steps: Steps),
    /// `Aᵀ m A + bias` of tiles beside each other, to four lines `[4 · tiles, GROUP]`; whether all that was written is finite.
    pub output: unsafe fn(
        from: *const f32,
        steps: Steps,
        bias: &[f32; GROUP],
        tiles: usize,
        lines: [*mut f32; 4],
    ) -> bool,
    /// `G g Gᵀ`, points `step` apart.
    pub weights: unsafe fn(taps: &[[f32; GROUP]; 9], to: *mut f32, step: usize),
    /// `Gᵀ s G` of sums whose points are `step` apart.
    pub taps: unsafe fn(from: *const f32, step: usize, to: &mut [[f32; GROUP]; 9]),
}

/// The six values of Bᵀ d.
#[inline(always)]
unsafe fn input_points<X: Lanes<E = f32>>(d: [X; 6]) -> [X; 6] {
    // SAFETY: the caller runs where the set of `X` is enabled (so in every function here); constants are read.
    unsafe {
        let [a, minus_a] = [X::splat(&A1[0]), X::splat(&A1[1])];
        let [b, minus_b] = [X::splat(&B1[0]), X::splat(&B1[1])];
        let [minus_a2, minus_b2] = [X::splat(&A2[1]), X::splat(&B2[1])];
        let (a2b2, sum) = (X::splat(&A2B2), X::splat(&SUM));
        let (even_a, odd_a) = (d[2].fma(minus_b2, d[4]), d[1].fma(minus_b2, d[3]));
        let (even_b, odd_b) = (d[2].fma(minus_a2, d[4]), d[1].fma(minus_a2, d[3]));
        [
            d[0].fma(a2b2, d[2].fma(sum, d[4])),
            odd_a.fma(a, even_a),
            odd_a.fma(minus_a, even_a),
            odd_b.fma(b, even_b),
            odd_b.fma(minus_b, even_b),
            d[1].fma(a2b2, d[3].fma(sum, d[5])),
        ]
    }
}

/// The six values of A d.
#[inline(always)]
unsafe fn gradient_points<X: Lanes<E = f32>>(d: [X; 4]) -> [X; 6] {
    // SAFETY: as in `input_points`.
    unsafe {
        let (a2, b2) = (X::splat(&A2[0]), X::splat(&B2[0]));
        let (even_a, odd_a) = (d[2].fma(a2, d[0]), d[3].fma(a2, d[1]));
        let (even_b, odd_b) = (d[2].fma(b2, d[0]), d[3].fma(b2, d[1]));
        [
            d[0],
            odd_a.fma(X::splat(&A1[0]), even_a),
            odd_a.fma(X::splat(&A1[1]), even_a),
            odd_b.fma(X::splat(&B1[0]), even_b),
            odd_b.fma(X::splat(&B1[1]), even_b),
            d[3],
        ]
    }
}

/// The four values of Aᵀ m, each with `plus` added.
#[inline(always)]
unsafe fn output_values<X: Lanes<E = f32>>(m: [X; 6], plus: X) -> [X; 4] {
    // SAFETY: as in `input_points`.
    unsafe {
        let minus = X::splat(&MINUS);
        let (sum_a, difference_a) = (m[1].add(m[2]), m[2].fma(minus, m[1]));
        let (sum_b, difference_b) = (m[3].add(m[4]), m[4].fma(minus, m[3]));
        let (a, b) = (X::splat(&A1[0]), X::splat(&B1[0]));
        let (a2, b2) = (X::splat(&A2[0]), X::splat(&B2[0]));
        let (a3, b3) = (X::splat(&A3), X::splat(&B3));
        [
            m[0].add(plus).add(sum_a.add(sum_b)),
            difference_a.fma(a, difference_b.fma(b, plus)),
            sum_a.fma(a2, sum_b.fma(b2, plus)),
            difference_a.fma(a3, difference_b.fma(b3, m[5].add(plus))),
        ]
    }
}

/// The six values of G g.
#[inline(always)]
unsafe fn weight_points<X: Lanes<E = f32>>(g: [X; 3]) -> [X; 6] {
    // SAFETY: as in `input_points`.
    unsafe {
        let (zero, minus) = (X::zero(), X::splat(&MINUS));
        let even_a = g[2].fma(X::splat(&U[2]), g[0].fma(X::splat(&U[0]), zero));
        let even_b = g[2].fma(X::splat(&V[2]), g[0].fma(X::splat(&V[0]), zero));
        let odd_a = g[1].fma(X::splat(&U[1]), zero);
        let odd_b = g[1].fma(X::splat(&V[1]), zero);
        [
            g[0].fma(X::splat(&G0), zero),
            even_a.add(odd_a),
            odd_a.fma(minus, even_a),
            even_b.add(odd_b),
            odd_b.fma(minus, even_b),
            g[2],
        ]
    }
}

/// The three values of Gᵀ s.
#[inline(always)]
unsafe fn tap_values<X: Lanes<E = f32>>(s: [X; 6]) -> [X; 3] {
    // SAFETY: as in `input_points`.
    unsafe {
        let (zero, minus) = (X::zero(), X::splat(&MINUS));
        let (sum_a, difference_a) = (s[1].add(s[2]), s[2].fma(minus, s[1]));
        let (sum_b, difference_b) = (s[3].add(s[4]), s[4].fma(minus, s[3]));
        let first = s[0].fma(X::splat(&G0), zero);
        [
            sum_a.fma(X::splat(&U[0]), sum_b.fma(X::splat(&V[0]), first)),
            difference_a.fma(X::splat(&U[1]), difference_b.fma(X::splat(&V[1]), zero)),
            sum_a.fma(X::splat(&U[2]), sum_b.fma(X::splat(&V[2]), s[5])),
        ]
    }
}

/// The vectors at `at` of each line.
#[inline(always)]
unsafe fn across<X: Lanes<E = f32>, const N: usize>(lines: [*const f32; N], at: usize) -> [X; N] {
    // SAFETY: the caller vouches for a vector there in each line.
    unsafe {
        let mut d = [X::zero(); N];
        for (d, line) in d.iter_mut().zip(lines) {
            *d = X::load(line.add(at));
        }
        d
    }
}

/// Row `i` of columns.
#[inline(always)]
unsafe fn row<X: Lanes<E = f32>, const N: usize, const M: usize>(
    columns: &[[X; M]; N],
    i: usize,
) -> [X; N] {
    // SAFETY: as in `input_points`.
    let mut row = [unsafe { X::zero() }; N];
    for (x, column) in row.iter_mut().zip(columns) {
        *x = column[i];
    }
    row
}

#[inline(always)]
unsafe fn input<X: Lanes<E = f32>>(
    lines: [*const f32; 6],
    tiles: usize,
    to: *mut f32,
    steps: Steps,
) {
    for lane in (0..GROUP).step_by(X::N) {
        // SAFETY: the contract of `Transforms::input`.
        unsafe {
            let mut columns = [[X::zero(); 6]; 6];
            columns[4] = input_points(across(lines, lane));
            columns[5] = input_points(across(lines, GROUP + lane));
            for tile in 0..tiles {
                // Neighbours share two columns.
                columns[0] = columns[4];
                columns[1] = columns[5];
                for (i, c) in columns.iter_mut().enumerate().skip(2) {
                    *c = input_points(across(lines, (4 * tile + i) * GROUP + lane));
                }
                let to = to.add(tile * steps.tile + lane);
                for i in 0..6 {
                    let points = input_points(row(&columns, i));
                    for (j, x) in points.into_iter().enumerate() {
                        x.store(to.add((6 * i + j) * steps.point));
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn gradient<X: Lanes<E = f32>>(
    lines: [*const f32; 4],
    tiles: usize,
    to: *mut f32,
    steps: Steps,
) {
    for lane in (0..GROUP).step_by(X::N) {
        for tile in 0..tiles {
            // SAFETY: the contract of `Transforms::gradient`.
            unsafe {
                let mut columns = [[X::zero(); 6]; 4];
                for (i, c) in columns.iter_mut().enumerate() {
                    *c = gradient_points(across(lines, (4 * tile + i) * GROUP + lane));
                }
                let to = to.add(tile * steps.tile + lane);
                for i in 0..6 {
                    let points = gradient_points(row(&columns, i));
                    for (j, x) in points.into_iter().enumerate() {
                        x.store(to.add((6 * i + j) * steps.point));
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn output<X: Lanes<E = f32>>(
    from: *const f32,
    steps: Steps,
    bias: &[f32; GROUP],
    tiles: usize,
    lines: [*mut f32; 4],
) -> bool {
    let mut sum = 0.0;
    for lane in (0..GROUP).step_by(X::N) {
        // SAFETY: the contract of `Transforms::output`.
        unsafe {
            let bias = X::load(bias.as_ptr().add(lane));
            let zero = X::zero();
            // 0 times what is not finite is NaN.
            let mut zeros = [zero; 4];
            for tile in 0..tiles {
                let from = from.add(tile * steps.tile + lane);
                let mut columns = [[zero; 4]; 6];
                for (j, column) in columns.iter_mut().enumerate() {
                    let mut m = [zero; 6];
                    for (i, m) in m.iter_mut().enumerate() {
                        *m = X::load(from.add((6 * i + j) * steps.point));
                    }
                    *column = output_values(m, zero);
                }
                for (i, line) in lines.into_iter().enumerate() {
                    let values = output_values(row(&columns, i), bias);
                    for (j, (x, zeros)) in values.into_iter().zip(&mut zeros).enumerate() {
                        x.store(line.add((4 * tile + j) * GROUP + lane));
                        *zeros = x.fma(zero, *zeros);
                    }
                }
            }
            let mut lanes = [0.0; GROUP];
            let zeros = zeros[0].add(zeros[1]).add(zeros[2].add(zeros[3]));
            zeros.store(lanes.as_mut_ptr());
            sum += lanes.iter().sum::<f32>();
        }
    }
    sum == 0.0
}

#[inline(always)]
unsafe fn weights<X: Lanes<E = f32>>(taps: &[[f32; GROUP]; 9], to: *mut f32, step: usize) {
    for lane in (0..GROUP).step_by(X::N) {
        // SAFETY: the contract of `Transforms::weights`.
        unsafe {
            let mut columns = [[X::zero(); 6]; 3];
            for (j, column) in columns.iter_mut().enumerate() {
                let rows = [&taps[j], &taps[3 + j], &taps[6 + j]];
                let lines = [rows[0].as_ptr(), rows[1].as_ptr(), rows[2].as_ptr()];
                *column = weight_points(across(lines, lane));
            }
            for i in 0..6 {
                let points = weight_points(row(&columns, i));
                for (j, x) in points.into_iter().enumerate() {
                    x.store(to.add((6 * i + j) * step + lane));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn taps<X: Lanes<E = f32>>(from: *const f32, step: usize, to: &mut [[f32; GROUP]; 9]) {
    for lane in (0..GROUP).step_by(X::N) {
        // SAFETY: the contract of `Transforms::taps`.
        unsafe {
            let mut columns = [[X::zero(); 3]; 6];
            for (j, column) in columns.iter_mut().enumerate() {
                let mut s = [X::zero(); 6];
                for (i, s) in s.iter_mut().enumerate() {
                    *s = X::load(from.add((6 * i + j) * step + lane));
                }
                *column = tap_values(s);
            }
            for i in 0..3 {
                let values = tap_values(row(&columns, i));
                for (j, x) in values.into_iter().enumerate() {
                    x.store(to[3 * i + j].as_mut_ptr().add(lane));
                }
            }
        }
    }
}

macro_rules! transforms {
    ($name:ident, $X:ty $(, #[$feature:meta])?) => {
        static $name: Transforms = {
            // SAFETY (of each function here): the caller's contract, which is that of `Transforms`.
            $(#[$feature])?
            unsafe fn run_input(lines: [*const f32; 6], tiles: usize, to: *mut f32, steps: Steps) {
                // SAFETY: as above.
                unsafe { input::<$X>(lines, tiles, to, steps) }
            }
            $(#[$feature])?
            unsafe fn run_gradient(lines: [*const f32; 4], tiles: usize, to: *mut f32, steps: Steps) {
                // SAFETY: as above.
                unsafe { gradient::<$X>(lines, tiles, to, steps) }
            }
            $(#[$feature])?
            unsafe fn run_output(
                from: *const f32,
                steps: Steps,
                bias: &[f32; GROUP],
                tiles: usize,
                lines: [*mut f32; 4],
            ) -> bool {
                // SAFETY: as above.
                unsafe { output::<$X>(from, steps, bias, tiles, lines) }
            }
            $(#[$feature])?
            unsafe fn run_weights(taps: &[[f32; GROUP]; 9], to: *mut f32, step: usize) {
                // SAFETY: as above.
                unsafe { weights::<$X>(taps, to, step) }
            }
            $(#[$feature])?
            unsafe fn run_taps(from: *const f32, step: usize, to: &mut [[f32; GROUP]; 9]) {
                // SAFETY: as above.
                unsafe { taps::<$X>(from, step, to) }
            }
            Transforms {
                input: run_input,
                gradient: run_gradient,
                output: run_output,
                weights: run_weights,
                taps: run_taps,
            }
        };
    };
}

transforms!(PORTABLE, Wide<f32, 4>);
#[cfg(target_arch = "x86_64")]
transforms!(AVX2, std::arch::x86_64::__m256, #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
transforms!(AVX512, std::arch::x86_64::__m512, #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]);

impl Transforms {
    /// Those of this processor.
    pub fn current() -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        match InstructionSet::current() {
            InstructionSet::Avx512 => return &AVX512,
            InstructionSet::Avx2 => return &AVX2,
            InstructionSet::Portable => {}
        }
        &PORTABLE
    }
}
