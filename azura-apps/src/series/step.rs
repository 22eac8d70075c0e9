//! How a series moves from one value to the next.

/// How a series moves from one value to the next: what the model predicts, and its inverse.
///
/// A model of the change starts from persistence: an output of 0 is "it stays as it is". On the bundled weather
/// that is worth 20 % of the mean absolute error against a model of the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `d = b − a`, for quantities on a linear scale such as temperatures.
    Difference,
    /// `r = ln(b / a)`, for prices, which must be above 0.
    LogReturn,
}

impl Step {
    /// The step from one value to a later one.
    pub fn between(self, before: f64, after: f64) -> f64 {
        match self {
            Step::Difference => after - before,
            Step::LogReturn => (after / before).ln(),
        }
    }

    /// The value that a step leads to.
    pub fn after(self, before: f64, step: f64) -> f64 {
        match self {
            Step::Difference => before + step,
            Step::LogReturn => before * step.exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_step_is_undone_exactly() {
        for a in [0.06, 1.0, 36.6, 1e5] {
            for b in [0.05, 0.999, 36.6, 2e5] {
                for step in [Step::Difference, Step::LogReturn] {
                    let back = step.after(a, step.between(a, b));
                    assert!(
                        (back - b).abs() <= 1e-12 * b.abs().max(a),
                        "{step:?} {a} {b} {back}"
                    );
                }
            }
        }
        assert_eq!(Step::Difference.between(-3.0, 2.0), 5.0);
        assert_eq!(Step::Difference.after(-3.0, 5.0), 2.0);
        assert!((Step::LogReturn.between(100.0, 110.0) - 1.1f64.ln()).abs() < 1e-15);
    }
}
