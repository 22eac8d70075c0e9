//! What is measured of a trial: objectives and constraints, from its epochs and its result.

use std::fmt;
use std::str::FromStr;

use azura_learner::train::TrainConfig;
use azura_learner::tune::{Direction, Objective};
use serde_json::{Map, Value};

/// Numbers about the training itself that every app has.
const OWN: [&str; 4] = ["parameters", "seconds", "epochs", "bytes"];

/// Whether a measured number is better small or large, from what is known about the usual metrics.
pub fn direction(name: &str) -> Direction {
    let config = TrainConfig {
        monitor: name.to_string(),
        ..TrainConfig::default()
    };
    match config.higher_is_better() {
        true => Direction::Maximize,
        false => Direction::Minimize,
    }
}

/// `min val.mase`, `max val.accuracy`, or a name alone.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn parse_objective(text: &str) -> Result<Objective, String> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    let (direction, name) = match (first, second) {
        (name, None) => (direction(name), name),
        ("min", Some(name)) => (Direction::Minimize, name),
        ("max", Some(name)) => (Direction::Maximize, name),
        _ => {
            return Err(format!(
                "write min NAME or max NAME, such as 'min val.loss'; got {text}"
            ));
        }
    };
    if words.next().is_some() {
        return Err(format!(
            "write min NAME or max NAME, such as 'min val.loss'; got {text}"
        ));
    }
    measurable(name)?;
    Ok(Objective {
        name: name.to_string(),
        direction,
    })
}

/// `min val.mase`, as [`parse_objective`] reads it.
pub fn objective_text(objective: &Objective) -> String {
    match objective.direction {
        Direction::Minimize => format!("min {}", objective.name),
        Direction::Maximize => format!("max {}", objective.name),
    }
}

/// Whether a search may look at a number of this name.
fn measurable(name: &str) -> Result<(), String> {
    match name.split_once('.') {
        Some(("val" | "train", metric)) if !metric.is_empty() => Ok(()),
        Some(("test", _)) => Err(
            "a search never looks at the test rows: what is chosen on them would be no proof any more; write val. instead"
                .to_string(),
        ),
        None if OWN.contains(&name) => Ok(()),
        _ => Err(format!(
            "`{name}` is not measured: write val.METRIC, train.METRIC or one of {}",
            OWN.join(", ")
        )),
    }
}

/// A bound that a trial must keep: `parameters<1e6`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// What is bounded.
    pub name: String,
    below: bool,
    bound: f64,
}

impl Constraint {
    /// How far a value is on the wrong side; 0 or less if the bound is kept.
    pub fn violation(&self, value: f64) -> f64 {
        match self.below {
            true => value - self.bound,
            false => self.bound - value,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.below { "<=" } else { ">=" };
        write!(f, "{}{sign}{}", self.name, self.bound)
    }
}

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write NAME, one of < <= > >=, and a number, such as 'parameters<1e6'";
        let at = text.find(['<', '>']).ok_or(rule)?;
        let below = text[at..].starts_with('<');
        let name = text[..at].trim();
        let right = text[at + 1..].trim_start_matches('=').trim();
        let bound: f64 = right
            .parse()
            .ok()
            .filter(|bound: &f64| bound.is_finite())
            .ok_or_else(|| format!("`{right}` is not a number; {rule}"))?;
        measurable(name)?;
        Ok(Constraint {
            name: name.to_string(),
            below,
            bound,
        })
    }
}

/// What is known about a trial that ended with a model: the epoch whose weights were kept, and its result.
pub struct Measured {
    /// The metrics of the best epoch.
    pub best: Map<String, Value>,
    /// The document of `train --json`.
    pub result: Value,
    /// The size of the model file.
    pub bytes: u64,
}

impl Measured {
    /// A number by its name; an error names those that are there.
    ///
    /// # Errors
    /// A sentence.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        let own = match name {
            "bytes" => Some(self.bytes as f64),
            name if OWN.contains(&name) => self.result.get(name).and_then(Value::as_f64),
            _ => None,
        };
        if let Some(value) = own {
            return Ok(value);
        }
        let path = format!("/metrics/{}", name.replacen('.', "/", 1));
        match self.best.get(name).or_else(|| self.result.pointer(&path)) {
            Some(value) => Ok(value.as_f64().unwrap_or(f64::NAN)),
            None => Err(format!(
                "`{name}` is not measured by this app; there are: {}",
                self.names().join(", ")
            )),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.best.keys().cloned().collect();
        for part in ["train", "val"] {
            let scores = self.result.pointer(&format!("/metrics/{part}"));
            let scores = scores.and_then(Value::as_object).into_iter().flatten();
            names.extend(scores.map(|(name, _)| format!("{part}.{name}")));
        }
        names.extend(OWN.map(str::to_string));
        names.sort();
        names.dedup();
        names
    }

    /// What the journal keeps beside the objectives.
    pub fn kept(&self) -> Map<String, Value> {
        let mut kept = Map::new();
        for name in ["epochs", "parameters", "seconds", "stop"] {
            if let Some(value) = self.result.get(name) {
                kept.insert(name.to_string(), value.clone());
            }
        }
        kept.insert("bytes".to_string(), self.bytes.into());
        if let Some(epoch) = self.result.pointer("/best/epoch") {
            kept.insert("best_epoch".to_string(), epoch.clone());
        }
        for (name, value) in &self.best {
            kept.insert(name.clone(), value.clone());
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objectives_know_their_direction_and_leave_the_test_alone() {
        assert_eq!(
            parse_objective("val.accuracy").unwrap().direction,
            Direction::Maximize
        );
        assert_eq!(
            parse_objective("val.mase").unwrap().direction,
            Direction::Minimize
        );
        assert_eq!(
            parse_objective("max val.mase").unwrap().direction,
            Direction::Maximize
        );
        assert!(
            parse_objective("test.mase")
                .unwrap_err()
                .contains("never looks at the test")
        );
        for bad in [
            "",
            "mase",
            "min",
            "least val.mase",
            "min val.mase now",
            "val.",
        ] {
            assert!(parse_objective(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn constraints_are_read_and_measured() {
        let below: Constraint = "parameters < 1e3".parse().unwrap();
        assert_eq!(
            (below.violation(1500.0), below.violation(10.0)),
            (500.0, -990.0)
        );
        let above: Constraint = "val.accuracy>=0.9".parse().unwrap();
        assert!(above.violation(0.8) > 0.0 && above.violation(0.95) < 0.0);
        for bad in ["parameters", "parameters<x", "test.loss<1", "size<3", "<3"] {
            assert!(bad.parse::<Constraint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_best_epoch_comes_first_and_what_is_missing_is_said() {
        let best = json!({"val.loss": 0.5, "val.mae": null});
        let measured = Measured {
            best: best.as_object().unwrap().clone(),
            result: json!({"parameters": 12, "metrics": {"val": {"mae": 1.0}, "train": {"mae": 0.25}}}),
            bytes: 99,
        };
        assert_eq!(measured.number("val.loss"), Ok(0.5));
        assert!(measured.number("val.mae").unwrap().is_nan());
        assert_eq!(measured.number("train.mae"), Ok(0.25));
        assert_eq!(
            (measured.number("parameters"), measured.number("bytes")),
            (Ok(12.0), Ok(99.0))
        );
        assert!(measured.number("val.f1").unwrap_err().contains("train.mae"));
    }
}
