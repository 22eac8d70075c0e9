//! Lays the layers over an app's defaults, and finds everything that is wrong with the result at once.

use std::collections::BTreeMap;

use azura_learner::error::Problem;
use serde_json::{Map, Value};

use super::layers::Layers;
use super::schema::Node;
use super::{Assignment, Origin, Set, file};
use crate::failure::{Code, Failure};
use crate::near;

/// What an app says about its configuration.
pub struct Rules<'a> {
    /// JSON Schema.
    pub schema: &'a Value,
    /// Every key with its default.
    pub defaults: &'a Value,
    /// The app's own check of a whole configuration.
    pub check: &'a dyn Fn(&Value) -> Vec<Problem>,
    /// The app's name, for messages.
    pub app: &'a str,
}

/// A configuration with the origin of each key that no default gave.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The configuration, complete.
    pub value: Value,
    /// Origins of the keys that were set.
    pub origins: BTreeMap<String, Origin>,
}

impl Resolved {
    /// Where a key's value came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// All keys with their values, in the order of the defaults.
    pub fn leaves(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        leaves("", &self.value, &mut found);
        found
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        key.split('.')
            .try_fold(&self.value, |value, part| value.get(part))
    }
}

fn leaves<'a>(prefix: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() || prefix.is_empty() => {
            for (name, value) in map {
                let path = match prefix {
                    "" => name.clone(),
                    _ => format!("{prefix}.{name}"),
                };
                leaves(&path, value, found);
            }
        }
        _ => found.push((prefix.to_string(), value)),
    }
}

/// Lays the layers over the defaults.
///
/// # Errors
/// All unknown keys, unreadable values and everything the app's check finds, each with its place.
pub fn resolve(layers: &Layers, rules: &Rules<'_>) -> Result<Resolved, Vec<Failure>> {
    let schema = Node::root(rules.schema);
    let keys = schema.keys();
    let mut resolved = Resolved {
        value: rules.defaults.clone(),
        origins: BTreeMap::new(),
    };
    let mut failures = Vec::new();
    for assignment in &layers.assignments {
        match spread(assignment, &schema) {
            Err(failure) => failures.push(failure),
            Ok(leaves) => {
                for (key, value) in leaves {
                    if schema.at(&key).is_none() {
                        failures.push(unknown(&key, assignment, rules, &keys));
                        continue;
                    }
                    match value {
                        Some(value) => {
                            put(&mut resolved.value, &key, value);
                            resolved.origins.insert(key, assignment.origin.clone());
                        }
                        None => reset(&mut resolved, rules.defaults, &key),
                    }
                }
            }
        }
    }
    // The app's check reads the whole value, so it runs even after an unknown key: all problems at once.
    for problem in (rules.check)(&resolved.value) {
        failures.push(out_of_range(&problem, &resolved, &schema));
    }
    if failures.is_empty() {
        Ok(resolved)
    } else {
        Err(failures)
    }
}

type Leaf = (String, Option<Value>);

/// The single keys that an assignment sets; a table on the command line sets several.
fn spread(assignment: &Assignment, schema: &Node<'_>) -> Result<Vec<Leaf>, Failure> {
    let key = &assignment.key;
    let value = match &assignment.set {
        Set::Default => return Ok(vec![(key.clone(), None)]),
        Set::Value(value) => fit(value.clone(), None, schema.at(key)),
        Set::Text(text) => {
            let (text, parsed) = match text.strip_prefix('@') {
                Some(path) => {
                    let read = std::fs::read_to_string(path).map_err(|error| {
                        Failure::new(Code::Value, format!("`{key}`: cannot read {path}: {error}"))
                            .at(assignment.origin.value_place())
                    })?;
                    (read.trim_end().to_string(), None)
                }
                // A text may begin like a table or an array: {class}_{speaker}.
                None if text.starts_with(['[', '{']) && takes_text_only(schema.at(key)) => {
                    (text.clone(), None)
                }
                None => {
                    let parsed = file::inline(text).map_err(|why| {
                        let failure = Failure::new(Code::Value, format!("`{key}`: {why}"))
                            .at(assignment.origin.value_place());
                        match text.starts_with(['"', '\'', '[', '{']) {
                            true => failure.help(format!("close the quote or bracket; got {text}")),
                            false => failure.help(allowed(text, schema.at(key).as_ref())),
                        }
                    })?;
                    (text.clone(), parsed)
                }
            };
            let value = parsed.unwrap_or_else(|| Value::String(text.clone()));
            fit(value, Some(&text), schema.at(key))
        }
    };
    let mut found = Vec::new();
    leaves(key, &value, &mut found);
    Ok(found
        .into_iter()
        .map(|(key, value)| (key, Some(value.clone())))
        .collect())
}

/// Reads a value the way the key's kind wants it: `.5` is a number for a number, `7` a text for a text.
pub fn fit(value: Value, text: Option<&str>, node: Option<Node<'_>>) -> Value {
    let Some(node) = node else { return value };
    let kinds = node.kinds();
    let wants = |kind: &str| kinds.contains(&kind);
    match &value {
        Value::String(word) if !wants("string") => {
            if wants("null") && (word == "none" || word == "null") {
                return Value::Null;
            }
            let word = word.trim();
            if wants("integer")
                && let Ok(number) = word.parse::<i64>()
            {
                return number.into();
            }
            if wants("number")
                && let Some(number) = word.parse().ok().and_then(serde_json::Number::from_f64)
            {
                return number.into();
            }
            value
        }
        Value::Number(number) if wants("integer") && !wants("number") => {
            // 1e3 epochs are 1000 epochs.
            match number.as_f64() {
                Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 9e15 => {
                    (whole as i64).into()
                }
                _ => value,
            }
        }
        Value::Number(_) | Value::Bool(_)
            if wants("string") && !wants("number") && !wants("integer") && !wants("boolean") =>
        {
            match text {
                Some(text) => Value::String(text.to_string()),
                None => value,
            }
        }
        _ => value,
    }
}

/// Whether a key takes texts, and neither tables nor arrays.
fn takes_text_only(node: Option<Node<'_>>) -> bool {
    let kinds = node.map(|node| node.kinds()).unwrap_or_default();
    kinds.contains(&"string") && !kinds.contains(&"array") && !kinds.contains(&"object")
}

/// What a key takes, instead of a text that is a number no configuration can hold.
fn allowed(text: &str, node: Option<&Node<'_>>) -> String {
    let got = format!("got {text}");
    match node.map(Node::range).filter(|range| !range.is_empty()) {
        Some(range) => format!("allowed: {range}; {got}"),
        None => got,
    }
}

/// Puts a value at a dotted key.
pub fn put(target: &mut Value, key: &str, value: Value) {
    let mut place = target;
    for part in key.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(part).or_insert(Value::Null);
    }
    *place = value;
}

fn reset(resolved: &mut Resolved, defaults: &Value, key: &str) {
    let default = key
        .split('.')
        .try_fold(defaults, |value, part| value.get(part));
    if let Some(default) = default {
        put(&mut resolved.value, key, default.clone());
    }
    let below = format!("{key}.");
    resolved
        .origins
        .retain(|other, _| other != key && !other.starts_with(&below));
}

fn unknown(key: &str, from: &Assignment, rules: &Rules<'_>, keys: &[String]) -> Failure {
    let failure =
        Failure::new(Code::UnknownKey, format!("unknown key `{key}`")).at(from.origin.key_place());
    match near::nearest_key(key, keys) {
        Some(near) => {
            let node = Node::root(rules.schema).at(near);
            let default = near
                .split('.')
                .try_fold(rules.defaults, |value, part| value.get(part));
            let about = match (node.map(|node| node.range()), default) {
                (Some(range), Some(default)) => {
                    format!(" ({range}; default {})", super::write::inline(default))
                }
                _ => String::new(),
            };
            failure.help(format!("did you mean `{near}`?{about}"))
        }
        None => failure.help(format!("`azura config print {}` shows all keys", rules.app)),
    }
}

fn out_of_range(problem: &Problem, resolved: &Resolved, schema: &Node<'_>) -> Failure {
    let key = problem.key.as_str();
    // What is in a list comes from where the list does.
    let origin = resolved.origin(key.split('[').next().unwrap_or(key));
    let message = if key.is_empty() {
        problem.message.clone()
    } else {
        format!("`{key}` {}", problem.message)
    };
    let mut failure = Failure::new(Code::OutOfRange, message).at(origin.value_place());
    if let (Origin::File { .. }, Some(value)) = (&origin, resolved.get(key)) {
        failure = failure.mark(format!("got {}", super::write::inline(value)));
    }
    match (&problem.help, schema.at(key)) {
        (Some(help), _) => failure.help(help.clone()),
        (None, Some(node)) if !node.range().is_empty() && !key.is_empty() => {
            failure.help(format!("allowed: {}", node.range()))
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Globals;
    use crate::config::layers;
    use crate::tokens::Token;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "train": {"type": "object", "properties": {
                "lr": {"type": "number"}, "epochs": {"type": "integer", "minimum": 1},
                "every": {"type": ["integer", "string"]},
                "schedule": {"type": "object", "properties": {"kind": {"type": "string"}, "warmup": {"type": "number"}}},
            }},
            "model": {"type": "object", "properties": {"hidden": {"type": "integer"}, "tag": {"type": "string"}}},
        }})
    }

    fn defaults() -> Value {
        json!({"train": {"lr": 0.1, "epochs": 10, "every": "1m", "schedule": {"kind": "constant", "warmup": 0.0}},
               "model": {"hidden": 8, "tag": "a"}})
    }

    fn token(key: &str, value: Option<&str>, argument: usize) -> Token {
        Token {
            key: key.to_string(),
            value: value.map(str::to_string),
            argument,
            flag: None,
        }
    }

    fn run(
        dir: &std::path::Path,
        env: &[(&str, &str)],
        tokens: &[Token],
    ) -> Result<Resolved, Vec<Failure>> {
        let globals = Globals {
            config: Some(dir.join("azura.toml")),
            ..Globals::default()
        };
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let layers = layers::gather(&globals, tokens, Some(dir), &|| env.clone())?;
        let (schema, defaults) = (schema(), defaults());
        resolve(
            &layers,
            &Rules {
                schema: &schema,
                defaults: &defaults,
                check: &|_| Vec::new(),
                app: "weather",
            },
        )
    }

    fn files(name: &str, user: &str, local: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("azura-resolve-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("config.toml"), user).unwrap();
        std::fs::write(dir.join("azura.toml"), local).unwrap();
        dir
    }

    #[test]
    fn a_stronger_layer_wins_and_every_origin_is_known() {
        let dir = files(
            "layers",
            "train.lr = 1\ntrain.epochs = 1\nmodel.hidden = 1\n[train.schedule]\nkind = \"user\"\nwarmup = 1",
            "train.lr = 2\ntrain.epochs = 2\nmodel = { hidden = 2 }\n",
        );
        let resolved = run(
            &dir,
            &[("AZURA__TRAIN__LR", "3"), ("AZURA__MODEL__HIDDEN", "3")],
            &[token("train.lr", Some("4"), 5)],
        )
        .unwrap();
        assert_eq!(resolved.get("train.lr"), Some(&json!(4)));
        assert_eq!(resolved.origin("train.lr").to_string(), "argument 5");
        assert_eq!(
            resolved.origin("model.hidden").to_string(),
            "env AZURA__MODEL__HIDDEN"
        );
        assert_eq!(resolved.get("train.epochs"), Some(&json!(2)));
        assert!(
            resolved
                .origin("train.epochs")
                .to_string()
                .ends_with("azura.toml:2")
        );
        assert_eq!(resolved.get("train.schedule.kind"), Some(&json!("user")));
        assert!(
            resolved
                .origin("train.schedule.kind")
                .to_string()
                .ends_with("config.toml:5")
        );
        assert_eq!(resolved.origin("model.tag"), Origin::Default);
    }

    #[test]
    fn a_text_is_read_as_its_key_wants_it() {
        let dir = files("text", "", "");
        let tokens = [
            token("train.lr", Some(".5"), 1),
            token("train.every", Some("5m"), 2),
            token("train.epochs", Some("1e3"), 3),
            token("model.tag", Some("007"), 4),
            token("train.schedule", Some("{kind = \"cosine\"}"), 5),
        ];
        let resolved = run(&dir, &[], &tokens).unwrap();
        assert_eq!(
            resolved.value,
            json!({"train": {"lr": 0.5, "epochs": 1000, "every": "5m", "schedule": {"kind": "cosine", "warmup": 0.0}},
                   "model": {"hidden": 8, "tag": "007"}})
        );
    }

    #[test]
    fn tilde_goes_back_to_the_default() {
        let dir = files("tilde", "", "train.lr = 2\ntrain.schedule.kind = \"x\"\n");
        let resolved = run(
            &dir,
            &[],
            &[token("train.lr", None, 1), token("train.schedule", None, 2)],
        )
        .unwrap();
        assert_eq!(resolved.value, defaults());
        assert!(resolved.origins.is_empty());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let dir = files("problems", "", "[train]\nepoch = 3\n");
        let failures = run(
            &dir,
            &[("AZURA__MODEL__HIDEN", "1")],
            &[
                token("nonsense", Some("1"), 2),
                token("model.tag", Some("\"open"), 3),
            ],
        )
        .unwrap_err();
        let text: String = failures.iter().map(|f| f.render(false)).collect();
        assert!(text.contains("azura.toml:2:1"), "{text}");
        assert!(text.contains(" 2 | epoch = 3"), "{text}");
        assert!(
            text.contains("did you mean `train.epochs`? (integer, at least 1; default 10)"),
            "{text}"
        );
        assert!(text.contains("environment, AZURA__MODEL__HIDEN"), "{text}");
        assert!(text.contains("command line, argument 2"), "{text}");
        assert!(text.contains("E0202"), "{text}");
        assert_eq!(failures.len(), 4);
    }
}
