//! Writes configurations as TOML that reads back to the same values.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::Node;

/// One value in TOML, on one line. Null, which TOML lacks, is written as the text `"none"`.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"none\"".to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            // TOML wants a dot or an exponent in a float, and Rust's `{:?}` gives the shortest that reads back.
            Some(float) if number.is_f64() => format!("{float:?}"),
            _ => number.to_string(),
        },
        Value::String(text) => quote(text),
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(name, value)| format!("{} = {}", bare(name), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn bare(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(plain) {
        key.to_string()
    } else {
        quote(key)
    }
}

/// A whole configuration as TOML sections; with a schema, each key with its description above it.
pub fn document(value: &Map<String, Value>, schema: Option<&Node<'_>>) -> String {
    let mut text = String::new();
    section("", "", value, schema, &mut text);
    text
}

fn section(
    heading: &str,
    path: &str,
    map: &Map<String, Value>,
    schema: Option<&Node<'_>>,
    text: &mut String,
) {
    let join = |name: &str| match path {
        "" => name.to_string(),
        _ => format!("{path}.{name}"),
    };
    let is_section = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
    let mut lines = String::new();
    for (name, value) in map.iter().filter(|(_, value)| !is_section(value)) {
        let described = schema.and_then(|schema| schema.at(&join(name)));
        if let Some(node) = described {
            let about = node.description().unwrap_or_default();
            for line in about.lines() {
                let _ = writeln!(lines, "# {line}");
            }
            let _ = writeln!(lines, "# ({})", node.range());
        }
        let _ = writeln!(lines, "{} = {}", bare(name), inline(value));
    }
    if !lines.is_empty() {
        if !heading.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{heading}]");
        }
        text.push_str(&lines);
    }
    for (name, value) in map {
        if let Value::Object(inner) = value
            && !inner.is_empty()
        {
            let below = match heading {
                "" => bare(name),
                _ => format!("{heading}.{}", bare(name)),
            };
            section(&below, &join(name), inner, schema, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "app": "weather",
            "train": {"lr": 1e-3, "tiny": 5e-324, "big": 1e300, "whole": 2.0, "epochs": 7, "flag": true,
                      "schedule": {"kind": "cosine \"é\" \\ \n\u{1}", "list": [1, 2.5, "x"]}},
            "odd key": {"a.b": 1},
        });
        let text = document(value.as_object().unwrap(), None);
        let back: toml::Table = text.parse().unwrap();
        assert_eq!(serde_json::to_value(back).unwrap(), value, "{text}");
        assert!(
            text.starts_with("app = \"weather\"\n\n[train]\nlr = 0.001\n"),
            "{text}"
        );
    }
}
