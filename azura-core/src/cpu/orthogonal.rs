//! Orthonormal columns by Householder reflections (Householder 1958; Golub & Van Loan, "Matrix
//! computations", 5.1 and 5.2).

use super::simd::{Kernel, dispatch};
use super::threads::for_rows;

/// Partial sums side by side: two AVX-512 registers.
const LANES: usize = 16;
/// Fewer numbers than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::INPUTS;

/// `x -= tau (v · x) v`.
struct Reflect<'a> {
    v: &'a [f64],
    tau: f64,
    x: &'a mut [f64],
}

impl Kernel for Reflect<'_> {
    #[inline(always)]
    fn run(self) {
        let mut lanes = [0.0; LANES];
        let (v, x) = (self.v.chunks_exact(LANES), self.x.chunks_exact(LANES));
        let rest = v.remainder().iter().zip(x.remainder());
        for (v, x) in v.zip(x) {
            for (lane, (v, x)) in lanes.iter_mut().zip(v.iter().zip(x)) {
                *lane = f64::mul_add(*v, *x, *lane);
            }
        }
        for (lane, (v, x)) in lanes.iter_mut().zip(rest) {
            *lane = f64::mul_add(*v, *x, *lane);
        }
        let scale = -self.tau * lanes.iter().sum::<f64>();
        for (x, v) in self.x.iter_mut().zip(self.v) {
            *x = f64::mul_add(scale, *v, *x);
        }
    }
}

/// Writes into `q` the orthogonal factor of the `n` columns of length `m >= n` that lie one after the other in `a`,
/// with the signs that make the other factor's diagonal positive: of normal columns, a matrix that
/// is uniform among the orthogonal ones (Mezzadri 2007, arXiv:math-ph/0609050). `a` is used up.
pub(crate) fn orthonormalize(a: &mut [f64], m: usize, q: &mut [f64]) {
    if m == 0 {
        return;
    }
    let n = a.len() / m;
    let mut factors = Vec::with_capacity(n);
    for k in 0..n {
        let (front, later) = a.split_at_mut((k + 1) * m);
        let v = &mut front[k * m + k..];
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Away from the first number, so that nothing cancels.
        let diagonal = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= diagonal;
        let square = v.iter().map(|x| x * x).sum::<f64>();
        let tau = if square > 0.0 { 2.0 / square } else { 0.0 };
        factors.push((tau, if diagonal < 0.0 { -1.0 } else { 1.0 }));
        let v = &*v;
        for_rows(later, m, (GRAIN / m).max(1), |_, columns| {
            for x in columns.chunks_exact_mut(m) {
                dispatch(Reflect {
                    v,
                    tau,
                    x: &mut x[k..],
                });
            }
        });
    }
    let a = &*a;
    for_rows(q, m, (GRAIN / (m * n.max(1))).max(1), |first, columns| {
        for (j, x) in (first..).zip(columns.chunks_exact_mut(m)) {
            x.fill(0.0);
            x[j] = factors[j].1;
            // Later reflections leave this column alone.
            for k in (0..=j).rev() {
                dispatch(Reflect {
                    v: &a[k * m + k..(k + 1) * m],
                    tau: factors[k].0,
                    x: &mut x[k..],
                });
            }
        }
    });
}
