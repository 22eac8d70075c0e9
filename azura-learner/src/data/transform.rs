//! Transforms of single values with their inverse, and returns of prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{DataError, DataErrorKind, DataResult};

/// A transform of a column's values before they are scaled.
///
/// | transform  | forward      | back          | defined for |
/// |------------|--------------|---------------|-------------|
/// | `Identity` | `x`          | `y`           | every `x`   |
/// | `Log`      | `ln(x)`      | `exp(y)`      | `x > 0`     |
/// | `Log1p`    | `ln(1 + x)`  | `exp(y) − 1`  | `x > −1`    |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Leaves values as they are.
    #[default]
    Identity,
    /// The natural logarithm.
    Log,
    /// The natural logarithm of one more than the value.
    Log1p,
}

impl Transform {
    /// The transformed value.
    ///
    /// # Errors
    /// [`DataErrorKind::OutOfRange`] where the transform is not defined, and for NaN and infinity.
    pub fn apply(self, x: f64) -> DataResult<f64> {
        let (defined, rule) = match self {
            Transform::Identity => (true, "any finite number"),
            Transform::Log => (x > 0.0, "above 0 for a logarithm"),
            Transform::Log1p => (x > -1.0, "above -1 for log1p"),
        };
        if !(defined && x.is_finite()) {
            return Err(DataError::new(
                DataErrorKind::OutOfRange,
                format!("the value must be {rule}, but is {x}"),
            ));
        }
        Ok(match self {
            Transform::Identity => x,
            Transform::Log => x.ln(),
            Transform::Log1p => x.ln_1p(),
        })
    }

    /// The value that `y` is the transform of.
    pub fn invert(self, y: f64) -> f64 {
        match self {
            Transform::Identity => y,
            Transform::Log => y.exp(),
            Transform::Log1p => y.exp_m1(),
        }
    }
}

/// The log return into each row: `r[t] = ln(p[t] / p[t−1])`, NaN in the first row.
///
/// # Errors
/// [`DataErrorKind::OutOfRange`] with the row index if a price is not above 0 and finite.
///
/// ```
/// use azura_learner::data::{log_returns, price_after};
/// let returns = log_returns(&[100.0, 110.0])?;
/// assert!(returns[0].is_nan());
/// assert!((price_after(100.0, returns[1]) - 110.0).abs() < 1e-12);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn log_returns(prices: &[f64]) -> DataResult<Vec<f64>> {
    if let Some(row) = prices.iter().position(|&p| !(p > 0.0 && p.is_finite())) {
        let what = format!(
            "row index {row}: a price must be above 0, but is {}",
            prices[row]
        );
        return Err(
            DataError::new(DataErrorKind::OutOfRange, what).remedy("correct or remove the row")
        );
    }
    let mut returns = vec![f64::NAN; prices.len().min(1)];
    returns.extend(prices.windows(2).map(|pair| (pair[1] / pair[0]).ln()));
    Ok(returns)
}

/// The price that follows `price` with a log return: `price · exp(log_return)`.
pub fn price_after(price: f64, log_return: f64) -> f64 {
    price * log_return.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transform_has_its_inverse() {
        for transform in [Transform::Identity, Transform::Log, Transform::Log1p] {
            for x in [1e-9, 0.06, 1.0, 500.0, 1e12] {
                let back = transform.invert(transform.apply(x).unwrap());
                assert!(
                    (back - x).abs() <= 1e-13 * x.max(1.0),
                    "{transform:?} {x} {back}"
                );
            }
            assert!(transform.apply(f64::NAN).is_err());
            assert!(transform.apply(f64::INFINITY).is_err());
        }
        assert_eq!(
            Transform::Log.apply(0.0).unwrap_err().what(),
            "the value must be above 0 for a logarithm, but is 0"
        );
        assert_eq!(Transform::Log1p.apply(0.0).unwrap(), 0.0);
        assert!(Transform::Log1p.apply(-1.0).is_err());
        assert_eq!(Transform::Log.apply(std::f64::consts::E).unwrap(), 1.0);
    }

    #[test]
    fn returns_and_prices() {
        let prices = [100.0, 110.0, 99.0];
        let returns = log_returns(&prices).unwrap();
        assert!((returns[2] - 0.9f64.ln()).abs() < 1e-15);
        for t in 1..3 {
            assert!((price_after(prices[t - 1], returns[t]) - prices[t]).abs() < 1e-12);
        }
        assert_eq!(log_returns(&[]).unwrap().len(), 0);
        assert!(
            log_returns(&[1.0, 0.0])
                .unwrap_err()
                .to_string()
                .contains("row index 1")
        );
        assert!(log_returns(&[f64::NAN]).is_err());
    }
}
