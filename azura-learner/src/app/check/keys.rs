//! The key that an unknown one was meant to be.

use serde_json::{Map, Value};

use super::super::schema::target;
use super::Walk;
use crate::data::nearest;

impl<'a> Walk<'a> {
    /// The nearest sibling, or the same name elsewhere in the configuration.
    pub(super) fn near_key(
        &self,
        properties: &Map<String, Value>,
        name: &str,
        key: &str,
    ) -> Option<String> {
        let prefix = if key.is_empty() {
            String::new()
        } else {
            format!("{key}.")
        };
        let near = nearest(name, properties.keys().map(String::as_str));
        let near = near.map(|near| format!("{prefix}{near}")).or_else(|| {
            let mut paths = Vec::new();
            self.paths(self.root, "", 0, &mut paths);
            paths
                .into_iter()
                .find(|path| path.rsplit('.').next() == Some(name))
        });
        match near {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => {
                let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
                Some(format!("there are: {}", keys.join(", ")))
            }
        }
    }

    /// The dotted paths of all keys.
    fn paths(&self, schema: &'a Value, key: &str, depth: usize, paths: &mut Vec<String>) {
        if depth > 8 {
            return;
        }
        let schema = target(self.root, schema).unwrap_or(schema);
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let path = if key.is_empty() {
                name.clone()
            } else {
                format!("{key}.{name}")
            };
            self.paths(property, &path, depth + 1, paths);
            paths.push(path);
        }
    }
}
