//! The rules for one value: its type, its range, its length, and the words that it may be.

use serde_json::Value;

use super::Walk;
use crate::data::nearest;
use crate::train::{Every, Span};

impl Walk<'_> {
    /// True if the value has a type that the schema allows.
    pub(super) fn has_type(&mut self, schema: &Value, value: &Value, key: &str) -> bool {
        let names: Vec<&str> = match schema.get("type") {
            None => return true,
            Some(Value::String(name)) => vec![name],
            Some(names) => names
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        };
        let fits = names.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        });
        if !fits {
            let wanted: Vec<&str> = names.iter().map(|name| described(name)).collect();
            let message = format!("must be {}, but is {}", wanted.join(" or "), shown(value));
            self.report(key, message, options(schema));
        }
        fits
    }

    pub(super) fn allowed(&mut self, schema: &Value, value: &Value, key: &str) {
        let only = schema.get("const").map(std::slice::from_ref);
        let Some(values) = only.or_else(|| schema.get("enum")?.as_array().map(Vec::as_slice))
        else {
            return;
        };
        if !values.contains(value) {
            self.not_among(values, value, key);
        }
    }

    pub(super) fn not_among(&mut self, values: &[Value], value: &Value, key: &str) {
        let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let near = value
            .as_str()
            .and_then(|text| nearest(text, names.iter().copied()));
        let all: Vec<String> = values.iter().map(Value::to_string).collect();
        let message = format!("must be one of {}, but is {}", all.join(", "), shown(value));
        self.report(
            key,
            message,
            near.map(|near| format!("did you mean `{near}`?")),
        );
    }

    pub(super) fn range(&mut self, schema: &Value, value: &Value, key: &str) {
        let Some(x) = value.as_f64() else { return };
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let low = bound("minimum")
            .filter(|&low| x < low)
            .map(|l| format!("at least {l}"));
        let high = bound("maximum")
            .filter(|&high| x > high)
            .map(|h| format!("at most {h}"));
        let above = bound("exclusiveMinimum")
            .filter(|&low| x <= low)
            .map(|l| format!("above {l}"));
        let below = bound("exclusiveMaximum")
            .filter(|&high| x >= high)
            .map(|h| format!("below {h}"));
        if let Some(rule) = low.or(high).or(above).or(below) {
            self.report(key, format!("must be {rule}, but is {value}"), None);
        }
    }

    pub(super) fn length(&mut self, schema: &Value, length: usize, unit: &str, key: &str) {
        let names = if unit == "items" {
            ["minItems", "maxItems"]
        } else {
            ["minLength", "maxLength"]
        };
        let [low, high] = names.map(|name| schema.get(name).and_then(Value::as_u64));
        let length = length as u64;
        if let Some(low) = low.filter(|&low| length < low) {
            self.report(
                key,
                format!("must have at least {low} {unit}, but has {length}"),
                None,
            );
        }
        if let Some(high) = high.filter(|&high| length > high) {
            self.report(
                key,
                format!("must have at most {high} {unit}, but has {length}"),
                None,
            );
        }
    }

    /// Our own formats; those of JSON Schema are notes for people.
    pub(super) fn format(&mut self, schema: &Value, value: &Value, key: &str) {
        let read = |value: &Value| match schema.get("format").and_then(Value::as_str) {
            Some("azura-span") => serde_json::from_value::<Span>(value.clone()).err(),
            Some("azura-every") => serde_json::from_value::<Every>(value.clone()).err(),
            _ => None,
        };
        if let Some(error) = read(value) {
            self.report(key, error.to_string(), None);
        }
    }
}

fn described(kind: &str) -> &str {
    match kind {
        "null" => "absent",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a section with keys of its own",
        other => other,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 {
        return text;
    }
    let start: String = text.chars().take(39).collect();
    format!("{start}…")
}

fn options(schema: &Value) -> Option<String> {
    let values = schema.get("enum")?.as_array()?;
    let all: Vec<String> = values.iter().map(Value::to_string).collect();
    Some(format!("one of {}", all.join(", ")))
}
