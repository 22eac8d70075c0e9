//! Planes of `inner` numbers, one for each sample and channel, scaled each as a whole: batch, group and
//! instance normalisation.

pub(crate) use super::Real;
use super::{GRAIN, Standard, distances, moments, sums};
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::for_rows;

/// Runs `f(plane, out)` for each plane and its `width` numbers of `out`.
fn each_plane<R: Send>(
    inner: usize,
    (out, width): (&mut [R], usize),
    f: impl Fn(usize, &mut [R]) + Sync,
) {
    if width == 0 {
        return;
    }
    let grain = (GRAIN / inner.max(1)).max(1);
    for_rows(out, width, grain, |first, out| {
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            f(first + i, out);
        }
    });
}

fn plane<T>(x: &[T], inner: usize, index: usize) -> &[T] {
    &x[index * inner..(index + 1) * inner]
}

/// A few sums over one plane.
struct Summed<'a, T> {
    x: &'a [T],
    of: What<'a, T>,
    out: &'a mut [f64],
}

enum What<'a, T> {
    /// `Σ x`.
    Sum,
    /// `Σ (x - shift)` and `Σ (x - shift)²`.
    Distances(T),
    /// Mean and biased variance.
    Moments,
    /// `Σ dy · x̂` and `Σ dy`.
    Gradient(Standard<T>, &'a [T]),
}

impl<T: Real> Kernel for Summed<'_, T> {
    #[inline(always)]
    fn run(self) {
        let x = self.x;
        match self.of {
            What::Sum => self.out.copy_from_slice(&sums([x], |x| x)),
            What::Distances(shift) => self.out.copy_from_slice(&distances(x, shift)),
            What::Moments => self.out.copy_from_slice(&moments(x)),
            What::Gradient(s, dy) => {
                let dy = &dy[..x.len()];
                let terms = |[x, dy]: [T; 2]| [dy * s.of(x), dy];
                self.out.copy_from_slice(&sums([x, dy], terms));
            }
        }
    }
}

/// The sum of each plane into `out` `[planes]`.
pub(crate) fn plane_sums<T: Real>(x: &[T], inner: usize, out: &mut [f64]) {
    each_plane(inner, (out, 1), |p, out| {
        let x = plane(x, inner, p);
        dispatch(Summed {
            x,
            of: What::Sum,
            out,
        });
    });
}

/// Sum and sum of squares of the distances of each plane from its `shift`, into `out` `[planes, 2]`.
pub(crate) fn plane_distances<T: Real>(
    x: &[T],
    inner: usize,
    shift: impl Fn(usize) -> T + Sync,
    out: &mut [f64],
) {
    each_plane(inner, (out, 2), |p, out| {
        let (x, of) = (plane(x, inner, p), What::Distances(shift(p)));
        dispatch(Summed { x, of, out });
    });
}

/// Mean and biased variance of each plane into `out` `[planes, 2]`.
pub(crate) fn plane_moments<T: Real>(x: &[T], inner: usize, out: &mut [f64]) {
    each_plane(inner, (out, 2), |p, out| {
        let (x, of) = (plane(x, inner, p), What::Moments);
        dispatch(Summed { x, of, out });
    });
}

/// `Σ dy · x̂` and `Σ dy` of each plane into `out` `[planes, 2]`; mean and reciprocal deviation by `of`.
pub(crate) fn gradient_sums<T: Real>(
    x: &[T],
    dy: &[T],
    inner: usize,
    of: impl Fn(usize) -> [f64; 2] + Sync,
    out: &mut [f64],
) {
    each_plane(inner, (out, 2), |p, out| {
        let [mean, rstd] = of(p);
        let of = What::Gradient(Standard::new(mean, rstd), plane(dy, inner, p));
        let x = plane(x, inner, p);
        dispatch(Summed { x, of, out });
    });
}

struct Scaled<'a, T> {
    x: &'a [T],
    m: T,
    scale: T,
    shift: T,
    y: &'a mut [T],
}

impl<T: Real> Kernel for Scaled<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (y, &x) in self.y.iter_mut().zip(self.x) {
            *y = (x - self.m) * self.scale + self.shift;
        }
    }
}

/// `y = (x - m) · scale + shift` of each plane; `[m, scale, shift]` by `of`.
pub(crate) fn scale<T: Real>(
    x: &[T],
    inner: usize,
    of: impl Fn(usize) -> [f64; 3] + Sync,
    y: &mut [T],
) {
    each_plane(inner, (y, inner), |p, y| {
        let [mean, scale, shift] = of(p);
        let m = T::from_f64(mean);
        dispatch(Scaled {
            x: plane(x, inner, p),
            m,
            scale: T::from_f64(scale),
            // What the mean loses in the element type belongs to the shift.
            shift: T::from_f64(shift + (m.to_f64() - mean) * scale),
            y,
        });
    });
}

/// What [`gradient`] multiplies.
pub(crate) struct Slope {
    pub mean: f64,
    pub rstd: f64,
    /// The factor of `dy`.
    pub dy: f64,
    /// The factor of `x̂`.
    pub x: f64,
    /// The summand.
    pub one: f64,
}

struct Gradient<'a, T> {
    x: &'a [T],
    dy: &'a [T],
    s: Standard<T>,
    factors: [T; 3],
    dx: &'a mut [T],
}

impl<T: Real> Kernel for Gradient<'_, T> {
    #[inline(always)]
    fn run(self) {
        let [a, b, c] = self.factors;
        for ((dx, &x), &dy) in self.dx.iter_mut().zip(self.x).zip(self.dy) {
            *dx = dy * a + (self.s.of(x) * b + c);
        }
    }
}

/// `dx = dy · a + x̂ · b + c` of each plane.
pub(crate) fn gradient<T: Real>(
    x: &[T],
    dy: &[T],
    inner: usize,
    of: impl Fn(usize) -> Slope + Sync,
    dx: &mut [T],
) {
    each_plane(inner, (dx, inner), |p, dx| {
        let slope = of(p);
        dispatch(Gradient {
            x: plane(x, inner, p),
            dy: plane(dy, inner, p),
            s: Standard::new(slope.mean, slope.rstd),
            factors: [slope.dy, slope.x, slope.one].map(T::from_f64),
            dx,
        });
    });
}
