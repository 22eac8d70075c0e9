//! Looks keys up in an app's JSON Schema: which exist, of what kind, in which range.

use serde_json::Value;

/// A key's schema and the way to its definitions. A key that several alternatives have is all of them.
#[derive(Clone)]
pub struct Node<'a> {
    root: &'a Value,
    nodes: Vec<&'a Value>,
}

impl<'a> Node<'a> {
    /// The schema of a whole configuration.
    pub fn root(root: &'a Value) -> Self {
        Node {
            root,
            nodes: vec![root],
        }
    }

    /// The schema of a dotted key; `None` if the app has no such key.
    pub fn at(&self, key: &str) -> Option<Node<'a>> {
        key.split('.')
            .try_fold(self.clone(), |node, part| node.child(part))
    }

    fn child(&self, name: &str) -> Option<Node<'a>> {
        let named = |node: &&'a Value| {
            let named = node.get("properties").and_then(|p| p.get(name));
            named.or_else(|| node.get("additionalProperties").filter(|n| n.is_object()))
        };
        let nodes: Vec<_> = self.variants().iter().filter_map(named).collect();
        (!nodes.is_empty()).then_some(Node {
            root: self.root,
            nodes,
        })
    }

    /// The nodes themselves and what they refer to or choose from (`$ref`, `allOf`, `anyOf`, `oneOf`).
    fn variants(&self) -> Vec<&'a Value> {
        // Deeper than any schema; a definition that refers to itself ends here.
        const DEEPEST: usize = 16;
        let mut found = Vec::new();
        let mut open: Vec<_> = self.nodes.iter().rev().map(|node| (*node, 0)).collect();
        while let Some((node, depth)) = open.pop() {
            found.push(node);
            if depth > DEEPEST {
                continue;
            }
            let target = node
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.strip_prefix('#'))
                .and_then(|path| self.root.pointer(path));
            open.extend(target.map(|target| (target, depth + 1)));
            for list in ["oneOf", "anyOf", "allOf"] {
                let list = node.get(list).and_then(Value::as_array);
                open.extend(list.into_iter().flatten().rev().map(|n| (n, depth + 1)));
            }
        }
        found
    }

    /// The kinds of value that are allowed: `number`, `integer`, `string`, `null`, …
    pub fn kinds(&self) -> Vec<&'a str> {
        let mut kinds = Vec::new();
        for variant in self.variants() {
            match variant.get("type") {
                Some(Value::String(kind)) => kinds.push(kind.as_str()),
                Some(Value::Array(list)) => kinds.extend(list.iter().filter_map(Value::as_str)),
                _ => {}
            }
            if variant.get("const").is_some_and(Value::is_string) || variant.get("enum").is_some() {
                kinds.push("string");
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The first description on the way.
    pub fn description(&self) -> Option<&'a str> {
        self.first("description").and_then(Value::as_str)
    }

    fn first(&self, name: &str) -> Option<&'a Value> {
        self.variants()
            .into_iter()
            .find_map(|variant| variant.get(name))
    }

    /// `number > 0`, `integer 1 … 100`, `one of adam, sgd`.
    pub fn range(&self) -> String {
        let mut kinds: Vec<_> = self.kinds();
        let optional = kinds.contains(&"null");
        kinds.retain(|kind| *kind != "null");
        let names = self.names();
        let mut text = if names.is_empty() {
            kinds.join(" or ")
        } else {
            format!("one of {}", names.join(", "))
        };
        let number = |name: &str| self.first(name).and_then(Value::as_f64);
        match (number("minimum"), number("maximum")) {
            (Some(low), Some(high)) => text += &format!(", {low} to {high}"),
            (Some(low), None) => text += &format!(", at least {low}"),
            (None, Some(high)) => text += &format!(", at most {high}"),
            (None, None) => {}
        }
        if let Some(low) = number("exclusiveMinimum") {
            text += &format!(", above {low}");
        }
        if let Some(high) = number("exclusiveMaximum") {
            text += &format!(", below {high}");
        }
        if optional {
            text += ", or none";
        }
        text
    }

    /// The names that a choice allows, if the key is a choice.
    pub fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for variant in self.variants() {
            let list = variant.get("enum").and_then(Value::as_array);
            names.extend(list.into_iter().flatten().filter_map(Value::as_str));
            names.extend(variant.get("const").and_then(Value::as_str));
        }
        names
    }

    /// All keys below, dotted; sections themselves are left out.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.collect("", 0, &mut keys);
        keys
    }

    fn collect(&self, prefix: &str, depth: usize, keys: &mut Vec<String>) {
        let mut leaf = true;
        if depth < 16 {
            for variant in self.variants() {
                let properties = variant.get("properties").and_then(Value::as_object);
                for (name, node) in properties.into_iter().flatten() {
                    leaf = false;
                    let path = match prefix {
                        "" => name.clone(),
                        _ => format!("{prefix}.{name}"),
                    };
                    let node = Node {
                        root: self.root,
                        nodes: vec![node],
                    };
                    node.collect(&path, depth + 1, keys);
                }
            }
        }
        let choice = self.kinds().iter().any(|kind| *kind != "object");
        if !prefix.is_empty() && (leaf || choice) && !keys.iter().any(|key| key == prefix) {
            keys.push(prefix.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "train": {"$ref": "#/$defs/Train", "description": "Training."},
                "name": {"type": ["string", "null"]},
            },
            "$defs": {
                "Train": {"type": "object", "additionalProperties": false, "properties": {
                    "lr": {"type": "number", "exclusiveMinimum": 0.0, "maximum": 10, "description": "Learning rate."},
                    "optimizer": {"$ref": "#/$defs/Optimizer"},
                    "clip": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                    "schedule": {"oneOf": [
                        {"type": "object", "properties": {"kind": {"const": "cosine"}, "warmup": {"type": "number"}}},
                        {"type": "object", "properties": {"kind": {"const": "constant"}}}]},
                }},
                "Optimizer": {"type": "string", "enum": ["adam", "sgd"]},
            }
        })
    }

    #[test]
    fn keys_kinds_and_ranges() {
        let schema = schema();
        let root = Node::root(&schema);
        assert_eq!(
            root.keys(),
            [
                "train.lr",
                "train.optimizer",
                "train.clip",
                "train.schedule.kind",
                "train.schedule.warmup",
                "name"
            ]
        );
        assert!(root.at("train.epochs").is_none());
        assert!(root.at("train.lr.x").is_none());
        let lr = root.at("train.lr").unwrap();
        assert_eq!(lr.range(), "number, at most 10, above 0");
        assert_eq!(lr.description(), Some("Learning rate."));
        assert_eq!(root.at("train.clip").unwrap().kinds(), ["null", "number"]);
        assert_eq!(
            root.at("train.optimizer").unwrap().range(),
            "one of adam, sgd"
        );
        assert_eq!(
            root.at("train.schedule.kind").unwrap().names(),
            ["cosine", "constant"]
        );
    }
}
