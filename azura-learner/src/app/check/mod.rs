//! Values against a schema: unknown keys, wrong types, values out of range.
//!
//! This reads the part of JSON Schema that schemas of configurations use; a keyword that it does not
//! know never refuses a value, and the typed reading that follows has the last word. `rules.rs` has the rules for one value,
//! `keys.rs` finds the name that an unknown key was meant to be; here is the way through a document.

mod keys;
mod rules;

use serde_json::{Map, Value};

use super::schema::{DEEPEST, target};
use crate::error::Problem;

/// Everything in `value` that `schema` does not allow, in the order of `value`.
///
/// Objects with named properties are closed: a key that is none of them is a problem, with the nearest
/// name as help.
///
/// ```
/// use azura_learner::app::{check, schema_of};
/// use azura_learner::TrainConfig;
/// let problems = check(&schema_of::<TrainConfig>(), &serde_json::json!({ "epoch": 3, "batch": 0 }));
/// assert_eq!(problems[0].to_string(), "`epoch`: unknown key; did you mean `epochs`?");
/// assert_eq!(problems[1].to_string(), "`batch`: must be at least 1, but is 0");
/// ```
pub fn check(schema: &Value, value: &Value) -> Vec<Problem> {
    let mut walk = Walk {
        root: schema,
        problems: Vec::new(),
    };
    walk.visit(schema, value, "", 0);
    walk.problems
}

struct Walk<'a> {
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, schema: &'a Value, value: &Value, key: &str, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        if let Some(target) = target(self.root, schema) {
            self.visit(target, value, key, depth + 1);
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            for each in all {
                self.visit(each, value, key, depth + 1);
            }
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
                self.choose(choices, value, key, depth + 1);
            }
        }
        if self.has_type(schema, value, key) {
            self.allowed(schema, value, key);
            self.format(schema, value, key);
            match value {
                Value::Number(_) => self.range(schema, value, key),
                Value::String(text) => self.length(schema, text.chars().count(), "characters", key),
                Value::Array(items) => self.array(schema, items, key, depth),
                Value::Object(map) => self.object(schema, map, key, depth),
                Value::Null | Value::Bool(_) => {}
            }
        }
    }

    fn report(&mut self, key: &str, message: String, help: Option<String>) {
        self.problems.push(Problem {
            key: key.to_string(),
            message,
            help,
        });
    }
    /// One of several schemas: silent if any allows the value, else the problems of the nearest one.
    fn choose(&mut self, choices: &'a [Value], value: &Value, key: &str, depth: usize) {
        // Documented variants of an enum come as one `const` each: they are one list of words.
        let words: Option<Vec<Value>> = choices
            .iter()
            .map(|c| {
                c.get("const")
                    .cloned()
                    .map(|c| vec![c])
                    .or_else(|| c.get("enum")?.as_array().cloned())
            })
            .collect::<Option<Vec<_>>>()
            .map(|lists| lists.concat());
        if let Some(words) = words {
            if !words.contains(value) {
                self.not_among(&words, value, key);
            }
            return;
        }
        let mut nearest: Option<Vec<Problem>> = None;
        for choice in choices {
            let mut walk = Walk {
                root: self.root,
                problems: Vec::new(),
            };
            walk.visit(choice, value, key, depth);
            if walk.problems.is_empty() {
                return;
            }
            let rank = |problems: &[Problem]| {
                // A problem deeper inside means that the outer shape was right.
                let here = problems.iter().filter(|p| p.key == key).count();
                (here, problems.len())
            };
            if nearest
                .as_ref()
                .is_none_or(|n| rank(&walk.problems) < rank(n))
            {
                nearest = Some(walk.problems);
            }
        }
        self.problems.extend(nearest.unwrap_or_default());
    }

    fn array(&mut self, schema: &'a Value, items: &[Value], key: &str, depth: usize) {
        self.length(schema, items.len(), "items", key);
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let twice = items
                .iter()
                .enumerate()
                .find(|(i, item)| items[..*i].contains(item));
            if let Some((_, item)) = twice {
                self.report(
                    key,
                    format!("must not repeat a value, but has {item} twice"),
                    None,
                );
            }
        }
        let first = schema.get("prefixItems").and_then(Value::as_array);
        for (i, item) in items.iter().enumerate() {
            let each = first
                .and_then(|first| first.get(i))
                .or_else(|| schema.get("items"));
            if let Some(each) = each {
                self.visit(each, item, &format!("{key}[{i}]"), depth + 1);
            }
        }
    }

    fn object(&mut self, schema: &'a Value, map: &Map<String, Value>, key: &str, depth: usize) {
        let join = |name: &str| match key {
            "" => name.to_string(),
            key => format!("{key}.{name}"),
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in map {
            if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                self.visit(property, value, &join(name), depth + 1);
            } else if let Some(other) = others.filter(|other| other.is_object()) {
                self.visit(other, value, &join(name), depth + 1);
            } else if let Some(properties) = properties
                && others != Some(&Value::Bool(true))
            {
                let help = self.near_key(properties, name, key);
                self.report(&join(name), "unknown key".to_string(), help);
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = name.as_str().filter(|name| !map.contains_key(*name)) {
                self.report(&join(name), "is missing".to_string(), None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::schema_of;
    use super::super::schema::tests::Config;
    use super::*;

    fn problems(value: Value) -> Vec<String> {
        check(&schema_of::<Config>(), &value)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn defaults_and_partial_documents_pass() {
        assert_eq!(
            problems(serde_json::to_value(Config::default()).unwrap()),
            [""; 0]
        );
        assert_eq!(problems(json!({})), [""; 0]);
        assert_eq!(
            problems(json!({
                "train": { "schedule": { "kind": "cosine", "warmup": 0.1 }, "time_limit": "30m", "lr": 1 },
                "limit": 3, "weights": { "a": 1.5 }, "scaling": { "kind": "range", "low": 0, "high": 1 },
            })),
            [""; 0]
        );
    }

    #[test]
    fn unknown_keys_come_with_a_suggestion() {
        assert_eq!(
            problems(json!({ "train": { "epoch": 5 } })),
            ["`train.epoch`: unknown key; did you mean `train.epochs`?"]
        );
        assert_eq!(
            problems(json!({ "epochs": 5 })),
            ["`epochs`: unknown key; did you mean `train.epochs`?"]
        );
        assert_eq!(
            problems(json!({ "zzzz": 5 })),
            ["`zzzz`: unknown key; there are: columns, window, limit, scaling, weights, train"]
        );
    }

    #[test]
    fn types_ranges_and_words_are_checked_with_their_key() {
        for (value, expected) in [
            (
                json!({ "window": 1 }),
                "`window`: must be at least 2, but is 1",
            ),
            (
                json!({ "window": 11 }),
                "`window`: must be at most 10, but is 11",
            ),
            (
                json!({ "window": 2.5 }),
                "`window`: must be an integer, but is 2.5",
            ),
            (
                json!({ "window": "5" }),
                "`window`: must be an integer, but is \"5\"",
            ),
            (
                json!({ "window": -1 }),
                "`window`: must be at least 2, but is -1",
            ),
            (
                json!({ "limit": "x" }),
                "`limit`: must be an integer or absent, but is \"x\"",
            ),
            (
                json!({ "columns": [] }),
                "`columns`: must have at least 1 items, but has 0",
            ),
            (
                json!({ "columns": [1] }),
                "`columns[0]`: must be a text, but is 1",
            ),
            (
                json!({ "weights": { "a": "b" } }),
                "`weights.a`: must be a number, but is \"b\"",
            ),
            (
                json!({ "train": 3 }),
                "`train`: must be a section with keys of its own, but is 3",
            ),
            (
                json!({ "train": { "lr": 0.0 } }),
                "`train.lr`: must be above 0, but is 0.0",
            ),
            (
                json!({ "train": { "optimizer": "adamv" } }),
                "`train.optimizer`: must be one of \"adamw\", \"adam\", \"sgd\", \"nadam\", \"radam\", \"adamax\", \"adagrad\", \"rmsprop\", \"adadelta\", \"asgd\", \"rprop\", \"adafactor\", \"lion\", \"muon\", but is \"adamv\"; did you mean \
                 `adamw`?",
            ),
            (
                json!({ "train": { "time_limit": "soon" } }),
                "`train.time_limit`: expected a length of time such as 90s, 5m or 1h30m, but got `soon`",
            ),
            (
                json!({ "train": { "schedule": { "warmup": 1 } } }),
                "`train.schedule.warmup`: must be below 1, but is 1",
            ),
        ] {
            assert_eq!(problems(value), [expected]);
        }
    }

    #[test]
    fn a_tagged_variant_reports_what_is_wrong_inside() {
        let found = problems(json!({ "scaling": { "kind": "range", "low": 0 } }));
        assert_eq!(found, ["`scaling.high`: is missing"]);
        let found = problems(json!({ "scaling": { "kind": "rang" } }));
        assert!(
            found[0].starts_with("`scaling.kind`: must be one of"),
            "{found:?}"
        );
    }

    /// Puts `value` at every key of `at` in turn.
    fn spread(at: &Value, value: &Value, out: &mut Vec<(String, Value)>) {
        for (name, inside) in at.as_object().into_iter().flatten() {
            let mut changed = at.clone();
            changed[name] = value.clone();
            out.push((name.clone(), changed));
            let mut deeper = Vec::new();
            spread(inside, value, &mut deeper);
            for (path, inner) in deeper {
                let mut changed = at.clone();
                changed[name] = inner;
                out.push((format!("{name}.{path}"), changed));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_problem_of_the_key_that_it_stands_at() {
        let schema = schema_of::<Config>();
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let values = [
            json!(null),
            json!(true),
            json!("x"),
            json!(-1),
            json!(0.5),
            json!(1e300),
            json!([]),
            json!([null]),
            json!({}),
            json!({ "zz": 1 }),
        ];
        let mut refused = 0;
        for value in &values {
            let mut changed = Vec::new();
            spread(&defaults, value, &mut changed);
            assert!(changed.len() > 25);
            for (key, document) in changed {
                let problems = check(&schema, &document);
                let read = serde_json::from_value::<Config>(document);
                assert!(read.is_ok() || !problems.is_empty(), "{key} = {value}");
                for problem in &problems {
                    assert!(problem.key.starts_with(&key), "{key} = {value}: {problem}");
                }
                refused += usize::from(!problems.is_empty());
            }
        }
        assert!(refused > 150, "{refused}");
    }
}
