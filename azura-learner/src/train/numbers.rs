//! Metrics in JSON. JSON has no NaN and no infinity, and a score can be either (R² of a constant
//! target); they are written as null and read as NaN.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Metrics = BTreeMap<String, f64>;

/// Writes metrics; what is not finite becomes null.
pub fn serialize<S: Serializer>(metrics: &Metrics, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(name, value)| (name, finite(*value))))
}

/// Reads metrics; null becomes NaN.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
    let read = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(read
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
        .collect())
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The same for metrics under a name each.
pub mod nested {
    use super::*;

    /// One map of metrics inside of another.
    #[derive(Serialize, Deserialize)]
    struct Inner(#[serde(with = "super")] Metrics);

    /// Writes named metrics; what is not finite becomes null.
    pub fn serialize<S: Serializer>(
        metrics: &BTreeMap<String, Metrics>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(metrics.iter().map(|(name, m)| (name, Inner(m.clone()))))
    }

    /// Reads named metrics; null becomes NaN.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Metrics>, D::Error> {
        let read = BTreeMap::<String, Inner>::deserialize(deserializer)?;
        Ok(read
            .into_iter()
            .map(|(name, inner)| (name, inner.0))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        metrics: Metrics,
    }

    #[test]
    fn not_finite_is_null_and_back() {
        let metrics = [("a", 0.1 + 0.2), ("b", f64::NAN), ("c", f64::INFINITY)];
        let metrics = metrics.map(|(k, v)| (k.to_string(), v)).into();
        let json = serde_json::to_string(&Row { metrics }).unwrap();
        assert_eq!(
            json,
            r#"{"metrics":{"a":0.30000000000000004,"b":null,"c":null}}"#
        );
        let back: Row = serde_json::from_str(&json).unwrap();
        assert_eq!(back.metrics["a"].to_bits(), (0.1f64 + 0.2).to_bits());
        assert!(back.metrics["b"].is_nan() && back.metrics["c"].is_nan());
    }
}
