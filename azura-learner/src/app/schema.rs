//! The JSON Schema of a configuration, and a configuration over its defaults.
//!
//! The schema comes from the app's config type (`schemars`), so an app writes names, docs, defaults and
//! ranges once; `check.rs` holds values against it.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::Value;

/// The JSON Schema (draft 2020-12) of a configuration, with docs, ranges and defaults.
///
/// Sections are written out in their places and not as references, so that each key has the default
/// that it has in `T::default()`, which need not be the default of the section's type alone.
pub fn schema_of<T: JsonSchema + Serialize + Default>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Ok(defaults) = serde_json::to_value(T::default()) {
        put_defaults(&mut schema, &defaults);
    }
    schema
}

fn put_defaults(schema: &mut Value, defaults: &Value) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if let Some(default) = defaults.get(name) {
            put_defaults(property, default);
            if let Value::Object(property) = property {
                property.insert("default".to_string(), default.clone());
            }
        }
    }
}

/// `base` with the values of `over` in their places.
///
/// Sections (objects with named properties in `schema`) are merged key by key; everything else, such
/// as a list, a map or a choice between kinds of sections, is replaced as a whole.
///
/// ```
/// use azura_learner::app::{merge, schema_of};
/// use azura_learner::TrainConfig;
/// use serde_json::json;
/// let base = json!({ "lr": 0.1, "schedule": { "kind": "cosine", "warmup": 0.1 } });
/// let over = json!({ "schedule": { "warmup": 0.2 } });
/// let merged = merge(&schema_of::<TrainConfig>(), &base, &over);
/// assert_eq!(merged, json!({ "lr": 0.1, "schedule": { "kind": "cosine", "warmup": 0.2 } }));
/// ```
pub fn merge(schema: &Value, base: &Value, over: &Value) -> Value {
    merged(schema, schema, base, over, 0)
}

/// Schemas of configurations are shallow; a deeper one refers to itself.
pub(super) const DEEPEST: usize = 64;

fn merged(root: &Value, schema: &Value, base: &Value, over: &Value, depth: usize) -> Value {
    let schema = target(root, schema).unwrap_or(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let (Some(properties), Value::Object(base), Value::Object(over)) = (properties, base, over)
    else {
        return over.clone();
    };
    let mut result = base.clone();
    for (name, value) in over {
        let value = match (properties.get(name), base.get(name)) {
            (Some(property), Some(base)) if depth < DEEPEST => {
                merged(root, property, base, value, depth + 1)
            }
            _ => value.clone(),
        };
        result.insert(name.clone(), value);
    }
    Value::Object(result)
}

/// What a schema that is a reference refers to.
pub(super) fn target<'a>(root: &'a Value, schema: &Value) -> Option<&'a Value> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    root.pointer(pointer)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::train::TrainConfig;

    /// How rows are scaled.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Scaling {
        /// Not at all.
        #[default]
        None,
        /// To a range.
        Range { low: f64, high: f64 },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    pub struct Config {
        /// Columns.
        #[schemars(length(min = 1))]
        columns: Vec<String>,
        #[schemars(range(min = 2, max = 10))]
        window: usize,
        limit: Option<u32>,
        scaling: Scaling,
        weights: BTreeMap<String, f64>,
        train: TrainConfig,
    }

    impl Default for Config {
        fn default() -> Self {
            Config {
                columns: vec!["close".to_string()],
                window: 5,
                limit: None,
                scaling: Scaling::None,
                weights: BTreeMap::new(),
                train: TrainConfig {
                    epochs: 7,
                    ..TrainConfig::default()
                },
            }
        }
    }

    #[test]
    fn sections_are_merged_and_everything_else_is_replaced() {
        let base = json!({
            "columns": ["a", "b"], "weights": { "a": 1.0 }, "scaling": { "kind": "range", "low": 0, "high": 1 },
            "train": { "lr": 0.1, "schedule": { "kind": "cosine", "warmup": 0.1 } },
        });
        let over = json!({
            "columns": ["c"], "weights": { "b": 2.0 }, "scaling": { "kind": "none" },
            "train": { "schedule": { "warmup": 0.2 } }, "new": 1,
        });
        let merged = json!({
            "columns": ["c"], "weights": { "b": 2.0 }, "scaling": { "kind": "none" },
            "train": { "lr": 0.1, "schedule": { "kind": "cosine", "warmup": 0.2 } }, "new": 1,
        });
        assert_eq!(merge(&schema_of::<Config>(), &base, &over), merged);
        assert_eq!(merge(&schema_of::<Config>(), &base, &json!(3)), json!(3));
    }

    #[test]
    fn the_schema_has_docs_ranges_and_defaults() {
        let schema = schema_of::<Config>();
        let columns = &schema["properties"]["columns"];
        assert_eq!(columns["description"], "Columns.");
        assert_eq!(columns["default"], json!(["close"]));
        let train = &schema["properties"]["train"]["properties"];
        assert_eq!(train["epochs"]["minimum"], 1);
        // The app's default, not the section's.
        assert_eq!(train["epochs"]["default"], 7);
        assert_eq!(train["schedule"]["properties"]["factor"]["default"], 0.1);
        assert!(
            train
                .as_object()
                .unwrap()
                .values()
                .all(|p| p["description"].is_string())
        );
    }
}
