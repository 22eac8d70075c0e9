//! Lengths of time as people write them: `90s`, `5m`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time: `250ms`, `90s`, `5m`, `1h30m`, `2d`; a bare number is seconds.
///
/// ```
/// use azura_learner::train::Span;
/// let span: Span = "1h30m".parse().unwrap();
/// assert_eq!(span.seconds(), 5400.0);
/// assert_eq!(span.to_string(), "1h30m");
/// assert!("5 parsecs".parse::<Span>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// Units and their milliseconds, largest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// A hundred years: longer spans are slips, and sums of shorter ones cannot overflow.
const LONGEST: u64 = 100 * 365 * 86_400_000;
const RULE: &str = "a length of time such as 90s, 5m or 1h30m";

impl Span {
    /// This many milliseconds.
    pub fn from_millis(millis: u64) -> Self {
        Span(Duration::from_millis(millis))
    }

    /// The length in seconds.
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// The length as the standard library has it.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// True for a length of 0, which stands for "no limit".
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected {RULE}, but got `{text}`");
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if compact.is_empty() || compact.len() > 64 {
            return Err(wrong());
        }
        let mut rest = compact.as_str();
        let mut millis = 0f64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "" if letters == rest.len() && digits == compact.len() => 1_000,
                name => UNITS.iter().find(|u| u.0 == name).ok_or_else(wrong)?.1,
            };
            rest = &rest[letters..];
            millis += number * unit as f64;
        }
        if millis > LONGEST as f64 {
            return Err(format!("`{text}` is longer than a hundred years"));
        }
        Ok(Span::from_millis(millis.round() as u64))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return write!(f, "0s");
        }
        for (name, unit) in UNITS {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RULE)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
        self.visit_str(&seconds.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "format": "azura-span" })
    }
}

/// How often something happens: every so many steps (an integer) or after a time (`5m`).
///
/// ```
/// use azura_learner::train::Every;
/// assert_eq!(serde_json::from_str::<Every>("100").unwrap(), Every::Steps(100));
/// assert_eq!(serde_json::to_string(&"5m".parse::<Every>().unwrap()).unwrap(), "\"5m\"");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Every {
    /// Every so many optimiser steps; 0 is never.
    Steps(u64),
    /// When at least so much time has passed; `0s` is never.
    Time(Span),
}

impl Every {
    fn steps(steps: f64) -> Result<Self, String> {
        // Above 2⁵³ not every whole number is a double.
        if steps.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&steps) {
            Ok(Every::Steps(steps as u64))
        } else {
            Err(format!(
                "expected a whole number of steps or {RULE}, but got `{steps}`"
            ))
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A number without a unit counts steps, however it is written: `100`, `1e3`, `100.0`.
        match text.trim().parse::<f64>() {
            Ok(steps) => Every::steps(steps),
            Err(_) => text.parse().map(Every::Time),
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Every::Steps(steps) => write!(f, "{steps} steps"),
            Every::Time(span) => span.fmt(f),
        }
    }
}

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Every::Steps(steps) => serializer.serialize_u64(*steps),
            Every::Time(span) => span.serialize(serializer),
        }
    }
}

struct EveryVisitor;

impl Visitor<'_> for EveryVisitor {
    type Value = Every;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of steps or {RULE}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Every, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, steps: u64) -> Result<Every, E> {
        Ok(Every::Steps(steps))
    }

    fn visit_i64<E: de::Error>(self, steps: i64) -> Result<Every, E> {
        u64::try_from(steps)
            .map(Every::Steps)
            .map_err(|_| E::custom(format!("expected at least 0 steps, but got {steps}")))
    }

    fn visit_f64<E: de::Error>(self, steps: f64) -> Result<Every, E> {
        Every::steps(steps).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EveryVisitor)
    }
}

impl JsonSchema for Every {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0, "format": "azura-every" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, millis, shown) in [
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("0", 0, "0s"),
            ("1.5h", 5_400_000, "1h30m"),
            (" 2 d ", 172_800_000, "2d"),
            ("250ms", 250, "250ms"),
            ("12", 12_000, "12s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span::from_millis(millis), "{text}");
            assert_eq!(span.to_string(), shown);
            let json = serde_json::to_string(&span).unwrap();
            assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span);
        }
        assert_eq!(serde_json::from_str::<Span>("90").unwrap().seconds(), 90.0);
    }

    #[test]
    fn a_bare_number_counts_steps() {
        for text in ["100", " 100 ", "100.0", "1e2"] {
            assert_eq!(text.parse(), Ok(Every::Steps(100)), "{text}");
        }
        assert_eq!(
            serde_json::from_str::<Every>("100.0").unwrap(),
            Every::Steps(100)
        );
        assert_eq!("100s".parse(), Ok(Every::Time(Span::from_millis(100_000))));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "", "m", "5x", "-5s", "1e9d", "5m 3", "1..5s", "nan", "9999999d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Every>("-1").is_err());
        for text in ["1.5", "-2", "nan", "inf", "1e30"] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Every>("true").is_err());
    }
}
