//! Sums over all alignments of a sequence with its labels, in logarithms (Graves et al. 2006).

use crate::Element;

/// One sequence: `[time, classes]` log-probabilities, and the labels that it spells.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    pub x: &'a [T],
    pub time: usize,
    pub classes: usize,
    pub labels: &'a [usize],
    pub blank: usize,
}

const NEVER: f64 = f64::NEG_INFINITY;

/// `ln Σ exp`, safe where all are impossible.
fn log_sum(terms: [f64; 3]) -> f64 {
    let top = terms.into_iter().fold(NEVER, f64::max);
    if top == NEVER {
        return NEVER;
    }
    top + terms.into_iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

impl<T: Element> Sequence<'_, T> {
    /// Labels with blanks before, between and after them.
    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    fn class(&self, state: usize) -> usize {
        if state.is_multiple_of(2) {
            self.blank
        } else {
            self.labels[state / 2]
        }
    }

    fn log_probability(&self, t: usize, class: usize) -> f64 {
        self.x[t * self.classes + class].to_f64()
    }

    /// Whether a path may go from the state two before to this one: over a blank between two labels that
    /// differ.
    fn skips(&self, state: usize) -> bool {
        state >= 2 && !state.is_multiple_of(2) && self.class(state) != self.class(state - 2)
    }

    /// Log-probabilities of all paths up to each time and state; `[time, states]`.
    fn forward(&self) -> Vec<f64> {
        let n = self.states();
        let mut alpha = vec![NEVER; self.time * n];
        for t in 0..self.time {
            for s in 0..n {
                let before = |back: usize| match s.checked_sub(back) {
                    Some(from) if t > 0 => alpha[(t - 1) * n + from],
                    _ => NEVER,
                };
                let paths = if t == 0 {
                    if s < 2 { 0.0 } else { NEVER }
                } else {
                    let skip = if self.skips(s) { before(2) } else { NEVER };
                    log_sum([before(0), before(1), skip])
                };
                alpha[t * n + s] = paths + self.log_probability(t, self.class(s));
            }
        }
        alpha
    }

    /// The same of all paths from each time and state to the end.
    fn backward(&self) -> Vec<f64> {
        let n = self.states();
        let mut beta = vec![NEVER; self.time * n];
        for t in (0..self.time).rev() {
            for s in 0..n {
                let paths = if t + 1 == self.time {
                    if s + 2 >= n { 0.0 } else { NEVER }
                } else {
                    let after = |on: usize| match s + on {
                        to if to < n => beta[(t + 1) * n + to],
                        _ => NEVER,
                    };
                    let skips = s + 2 < n && self.skips(s + 2);
                    log_sum([after(0), after(1), if skips { after(2) } else { NEVER }])
                };
                beta[t * n + s] = paths + self.log_probability(t, self.class(s));
            }
        }
        beta
    }

    fn total(&self, alpha: &[f64]) -> f64 {
        let n = self.states();
        if self.time == 0 {
            return if self.labels.is_empty() { 0.0 } else { NEVER };
        }
        let last = &alpha[(self.time - 1) * n..];
        let label = if n > 1 { last[n - 2] } else { NEVER };
        log_sum([last[n - 1], label, NEVER])
    }

    /// The negative logarithm of the probability of the labels.
    pub fn loss(&self) -> f64 {
        -self.total(&self.forward())
    }

    /// The gradient of the scores whose log-softmax `x` is, times `scale`: what each class has less what
    /// the labels' paths give it.
    pub fn gradient(&self, scale: f64, dx: &mut [T]) {
        let n = self.states();
        let (alpha, beta) = (self.forward(), self.backward());
        let total = self.total(&alpha);
        let mut share = vec![0.0; self.classes];
        for t in 0..self.time {
            share.fill(0.0);
            for s in 0..n {
                let class = self.class(s);
                let both = alpha[t * n + s] + beta[t * n + s] - self.log_probability(t, class);
                share[class] += (both - total).exp();
            }
            let dx = &mut dx[t * self.classes..(t + 1) * self.classes];
            for (class, (dx, share)) in dx.iter_mut().zip(&share).enumerate() {
                let own = self.log_probability(t, class).exp();
                *dx = T::from_f64(scale * (own - share));
            }
        }
        dx[self.time * self.classes..].fill(T::from_f64(0.0));
    }
}
