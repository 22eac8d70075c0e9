//! Loops of losses over classes.

use super::lanes::fold;
use super::simd::{Kernel, dispatch};
use super::softmax::{GRAIN, Real};
use super::threads::for_rows;

/// A label that is left out.
pub(crate) const IGNORED: usize = usize::MAX;

/// What the classes of a row should be.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a, T> {
    /// The class of each row, or [`IGNORED`].
    Labels(&'a [usize]),
    /// The probability of each class of each row.
    Probabilities(&'a [T]),
}

/// The cross-entropy of rows of scores.
#[derive(Clone, Copy)]
pub(crate) struct CrossEntropy<'a, T> {
    pub x: &'a [T],
    pub classes: usize,
    /// What `softmax::log_sum_exp` gave.
    pub log_sums: &'a [T],
    pub target: Target<'a, T>,
    /// A factor of each class.
    pub weight: Option<&'a [T]>,
    /// How much of the target is spread evenly over all classes.
    pub smoothing: f64,
}

impl<T: Real> CrossEntropy<'_, T> {
    fn grain(&self) -> usize {
        (GRAIN / self.classes.max(1)).max(1)
    }

    #[inline(always)]
    fn scores(&self, row: usize) -> &[T] {
        &self.x[row * self.classes..(row + 1) * self.classes]
    }

    #[inline(always)]
    fn weight(&self, class: usize) -> T {
        self.weight.map_or(T::lit(1.0), |weight| weight[class])
    }

    /// `-ln softmax(x)` of one class.
    #[inline(always)]
    fn surprise(&self, row: usize, x: T) -> T {
        self.log_sums[2 * row + 1] - (x - self.log_sums[2 * row])
    }

    /// Share of the target that stays, and share that each class gets.
    #[inline(always)]
    fn shares(&self) -> (T, T) {
        let each = self.smoothing / self.classes as f64;
        (T::lit(1.0 - self.smoothing), T::lit(each))
    }

    #[inline(always)]
    fn sum(&self, row: usize, term: impl Fn(usize, T) -> T) -> T {
        fold(self.scores(row), T::default(), term, |a, b| a + b)
    }

    #[inline(always)]
    fn loss(&self, row: usize) -> T {
        let (stays, each) = self.shares();
        match self.target {
            Target::Labels(labels) if labels[row] == IGNORED => T::default(),
            Target::Labels(labels) => {
                let own = labels[row];
                let own = self.weight(own) * self.surprise(row, self.scores(row)[own]);
                // Without smoothing a class of score -inf must not count: 0 times infinity is NaN.
                if self.smoothing == 0.0 {
                    return own;
                }
                let all = self.sum(row, |c, x| self.weight(c) * self.surprise(row, x));
                stays * own + each * all
            }
            Target::Probabilities(t) => {
                let t = &t[row * self.classes..(row + 1) * self.classes];
                self.sum(row, |c, x| {
                    self.weight(c) * (stays * t[c] + each) * self.surprise(row, x)
                })
            }
        }
    }

    /// The gradient of one row's loss, times `dy`.
    #[inline(always)]
    fn row_backward(&self, row: usize, dy: T, dx: &mut [T]) {
        let (stays, each) = self.shares();
        let [top, log] = [self.log_sums[2 * row], self.log_sums[2 * row + 1]];
        let x = self.scores(row);
        match self.target {
            Target::Labels(labels) if labels[row] == IGNORED => dx.fill(T::default()),
            Target::Labels(labels) => {
                let own = stays * self.weight(labels[row]);
                let spread = if self.smoothing == 0.0 {
                    T::default()
                } else {
                    each * self.sum(row, |c, _| self.weight(c))
                };
                let factor = dy * (own + spread);
                for (dx, &x) in dx.iter_mut().zip(x) {
                    *dx = factor * ((x - top) - log).exp();
                }
                if self.smoothing != 0.0 {
                    for (c, dx) in dx.iter_mut().enumerate() {
                        *dx = *dx - dy * each * self.weight(c);
                    }
                }
                dx[labels[row]] = dx[labels[row]] - dy * own;
            }
            Target::Probabilities(t) => {
                let t = &t[row * self.classes..(row + 1) * self.classes];
                let total = self.sum(row, |c, _| self.weight(c) * (stays * t[c] + each));
                for (c, (dx, &x)) in dx.iter_mut().zip(x).enumerate() {
                    let share = self.weight(c) * (stays * t[c] + each);
                    *dx = dy * (total * ((x - top) - log).exp() - share);
                }
            }
        }
    }

    /// The loss of each row.
    pub fn forward(&self, out: &mut [T]) {
        for_rows(out, 1, self.grain(), |first, out| {
            dispatch(Forward {
                of: self,
                first,
                out,
            });
        });
    }

    /// The gradient of the scores.
    pub fn backward(&self, dy: &[T], dx: &mut [T]) {
        if self.classes > 0 {
            for_rows(dx, self.classes, self.grain(), |first, dx| {
                dispatch(BackwardRows {
                    of: self,
                    first,
                    dy,
                    dx,
                });
            });
        }
    }

    /// The gradient of probabilities that are targets.
    pub fn target_backward(&self, dy: &[T], dt: &mut [T]) {
        if self.classes == 0 {
            return;
        }
        let (stays, _) = self.shares();
        for_rows(dt, self.classes, self.grain(), |first, dt| {
            for (i, dt) in dt.chunks_exact_mut(self.classes).enumerate() {
                let row = first + i;
                for (c, (dt, &x)) in dt.iter_mut().zip(self.scores(row)).enumerate() {
                    *dt = dy[row] * stays * self.weight(c) * self.surprise(row, x);
                }
            }
        });
    }
}

struct Forward<'a, T> {
    of: &'a CrossEntropy<'a, T>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = self.of.loss(self.first + i);
        }
    }
}

struct BackwardRows<'a, T> {
    of: &'a CrossEntropy<'a, T>,
    first: usize,
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Kernel for BackwardRows<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (i, dx) in self.dx.chunks_exact_mut(self.of.classes).enumerate() {
            let row = self.first + i;
            self.of.row_backward(row, self.dy[row], dx);
        }
    }
}

/// `max(0, margin - x_y + x_j)^p` summed over all other classes j, divided by their number and one.
#[derive(Clone, Copy)]
pub(crate) struct MultiMargin<'a, T> {
    pub labels: &'a [usize],
    pub weight: Option<&'a [T]>,
    pub margin: f64,
    pub squared: bool,
}

impl<T: Real> MultiMargin<'_, T> {
    /// The loss of a row; `slope` hears of each class and its slope.
    pub fn row(&self, row: usize, x: &[T], mut slope: impl FnMut(usize, f64)) -> f64 {
        let own = self.labels[row];
        let weight = self.weight.map_or(1.0, |weight| weight[own].to_f64());
        let factor = weight / x.len() as f64;
        let mut loss = 0.0;
        for (class, other) in x.iter().enumerate() {
            let over = self.margin - x[own].to_f64() + other.to_f64();
            if class == own || over <= 0.0 {
                continue;
            }
            let (value, rate) = if self.squared {
                (over * over, 2.0 * over)
            } else {
                (over, 1.0)
            };
            loss += factor * value;
            slope(class, factor * rate);
            slope(own, -factor * rate);
        }
        loss
    }
}

/// `max(0, 1 - x_y + x_j)` summed over all classes y that are right and all j that are not, divided by
/// their number.
pub(crate) fn multilabel_margin<T: Real>(
    right: &[usize],
    x: &[T],
    mut slope: impl FnMut(usize, f64),
) -> f64 {
    let factor = 1.0 / x.len() as f64;
    let mut loss = 0.0;
    for &own in right {
        for (class, other) in x.iter().enumerate() {
            let over = 1.0 - x[own].to_f64() + other.to_f64();
            if over > 0.0 && !right.contains(&class) {
                loss += factor * over;
                slope(class, factor);
                slope(own, -factor);
            }
        }
    }
    loss
}
