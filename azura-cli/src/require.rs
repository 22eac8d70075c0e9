//! `--require test.mase<1`: a bar that a score must meet, so that a script learns from the exit status whether a model is good enough.

use std::str::FromStr;

use azura_learner::app::{Metrics, Part};

use serde_json::{Value, json};

use crate::commands::Ended;
use crate::failure::{Code, Failure, Stop};

/// A bar for one score.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    part: Part,
    metric: String,
    relation: Relation,
    bound: f64,
}

/// How the score must stand to the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Relation {
    /// Longer signs first, since they begin with shorter ones.
    const SIGNS: [(&'static str, Relation); 4] = [
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("<", Relation::Below),
        (">", Relation::Above),
    ];

    fn sign(self) -> &'static str {
        Relation::SIGNS
            .iter()
            .find(|(_, relation)| *relation == self)
            .map_or("", |(sign, _)| sign)
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Relation::Below => value < bound,
            Relation::AtMost => value <= bound,
            Relation::Above => value > bound,
            Relation::AtLeast => value >= bound,
        }
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write PART.METRIC, one of < <= > >=, and a number, such as test.mase<1";
        let found = Relation::SIGNS
            .iter()
            .filter_map(|(sign, relation)| Some((text.find(sign)?, sign, *relation)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let Some((at, sign, relation)) = found else {
            return Err(rule.to_string());
        };
        let (left, right) = (text[..at].trim(), text[at + sign.len()..].trim());
        let bound = right
            .parse::<f64>()
            .ok()
            .filter(|bound| bound.is_finite())
            .ok_or_else(|| format!("`{right}` is not a number; {rule}"))?;
        let (part, metric) = left.split_once('.').ok_or(rule)?;
        let part = Part::ALL
            .into_iter()
            .find(|known| known.name() == part)
            .ok_or_else(|| format!("`{part}` is no part of the data: train, val or test"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if metric.is_empty() || !metric.chars().all(plain) {
            return Err(rule.to_string());
        }
        Ok(Requirement {
            part,
            metric: metric.to_string(),
            relation,
            bound,
        })
    }
}

impl Requirement {
    /// The failure if the scores of a model do not meet the bar; a metric that is not there, or is NaN, does not.
    pub fn failure<'a>(&self, scores: impl Fn(Part) -> Option<&'a Metrics>) -> Option<Failure> {
        let name = format!("{}.{}", self.part.name(), self.metric);
        let (sign, bound) = (self.relation.sign(), self.bound);
        let metrics = scores(self.part);
        let Some(value) = metrics.and_then(|metrics| metrics.get(&self.metric)) else {
            let there: Vec<&str> = metrics
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            let help = match there.as_slice() {
                [] => format!("there are no scores of the {} rows", self.part.name()),
                names => format!(
                    "metrics of the {} rows: {}",
                    self.part.name(),
                    names.join(", ")
                ),
            };
            let message =
                format!("quality gate failed: there is no {name}, required {sign} {bound}");
            return Some(Failure::new(Code::Quality, message).help(help));
        };
        if self.relation.holds(*value, bound) {
            return None;
        }
        let message = format!("quality gate failed: {name} = {value:.4}, required {sign} {bound}");
        Some(Failure::new(Code::Quality, message))
    }
}

/// The failures of all bars that are not met.
pub fn failures<'a>(
    requirements: &[Requirement],
    scores: impl Fn(Part) -> Option<&'a Metrics>,
) -> Vec<Failure> {
    requirements
        .iter()
        .filter_map(|requirement| requirement.failure(&scores))
        .collect()
}

/// The document of a command whose bars are not met.
pub fn marked(mut document: Value, failures: &[Failure]) -> Value {
    if !failures.is_empty() {
        document["ok"] = false.into();
        document["exit"] = Code::Quality.exit().into();
        document["errors"] = json!(failures.iter().map(Failure::to_json).collect::<Vec<_>>());
    }
    document
}

/// The end of a command that has printed its result, with `json` as its only document.
pub fn ended(failures: Vec<Failure>, json: bool) -> Ended {
    if failures.is_empty() {
        return Ok(0);
    }
    let stop = Stop::from(failures);
    if !json {
        return Err(stop);
    }
    stop.report("", false);
    Err(Stop::quietly(stop.exit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_read_and_held_against_scores() {
        let metrics = Metrics::from([("mase".to_string(), 1.07), ("r2".to_string(), f64::NAN)]);
        let scores = |part| (part == Part::Test).then_some(&metrics);
        let message = |text: &str| {
            let requirement: Requirement = text.parse().unwrap();
            requirement
                .failure(scores)
                .map(|failure| failure.message().to_string())
        };
        assert_eq!(
            message("test.mase<1").unwrap(),
            "quality gate failed: test.mase = 1.0700, required < 1"
        );
        assert_eq!(message("test.mase <= 1.07"), None);
        assert_eq!(message("test.mase>=1"), None);
        assert!(message("test.mase>1.07").is_some());
        assert!(message("test.r2>0").is_some());
        assert!(
            message("test.mae<1")
                .unwrap()
                .contains("there is no test.mae")
        );
        assert!(
            message("val.mase<1")
                .unwrap()
                .contains("there is no val.mase")
        );
    }

    #[test]
    fn what_is_no_bar_is_refused() {
        for text in [
            "mase<1",
            "test.mase",
            "test.mase<one",
            "tests.mase<1",
            "test.<1",
            "test.mase=1",
            "test.mase=<1",
            "test.mase!>1",
            "test..>1",
            "",
        ] {
            assert!(text.parse::<Requirement>().is_err(), "{text}");
        }
    }
}
