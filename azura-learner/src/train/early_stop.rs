//! Early stopping, and the best epoch that it watches for.

use serde::{Deserialize, Serialize};

/// Counts the epochs since the monitored value was last better than ever.
///
/// A NaN or an infinity is never better. Equal is not better: the first of two equal epochs is kept.
///
/// ```
/// use azura_learner::train::EarlyStop;
/// let mut stop = EarlyStop::new(2, false);
/// assert!(stop.record(1.0));
/// assert!(!stop.record(1.0));
/// assert!(!stop.exhausted());
/// assert!(!stop.record(f64::NAN));
/// assert!(stop.exhausted());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    patience: u64,
    higher: bool,
    best: Option<f64>,
    bad: u64,
}

impl EarlyStop {
    /// Stops after `patience` epochs without a better value; 0 never stops.
    pub fn new(patience: u64, higher_is_better: bool) -> Self {
        EarlyStop {
            patience,
            higher: higher_is_better,
            best: None,
            bad: 0,
        }
    }

    /// Takes the value of an epoch; true if it is the best so far.
    pub fn record(&mut self, value: f64) -> bool {
        let better = match self.best {
            _ if !value.is_finite() => false,
            None => true,
            Some(best) if self.higher => value > best,
            Some(best) => value < best,
        };
        if better {
            self.best = Some(value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        better
    }

    /// True if it is time to stop.
    pub fn exhausted(&self) -> bool {
        self.patience > 0 && self.bad >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_can_be_better_and_zero_never_stops() {
        let mut stop = EarlyStop::new(0, true);
        assert!(stop.record(0.1) && stop.record(0.2) && !stop.record(0.15));
        for _ in 0..100 {
            stop.record(0.0);
        }
        assert_eq!(
            (stop.best, stop.bad, stop.exhausted()),
            (Some(0.2), 101, false)
        );
    }

    #[test]
    fn a_better_value_starts_the_count_anew() {
        let mut stop = EarlyStop::new(3, false);
        for (value, exhausted) in [
            (5.0, false),
            (6.0, false),
            (7.0, false),
            (4.0, false),
            (4.0, false),
            (9.0, false),
            (4.1, true),
        ] {
            stop.record(value);
            assert_eq!(stop.exhausted(), exhausted, "{value}");
        }
    }
}
