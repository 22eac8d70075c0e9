//! What names say about files: patterns with fields, and conditions on fields.

use std::collections::BTreeMap;

use azura_learner::Problem;

/// The field that is the class.
pub(super) const CLASS: &str = "class";

/// What is known about a recording besides its sound: its class, speaker, take, …
pub(super) type Fields = BTreeMap<String, String>;

/// A pattern of names such as `{class}_{speaker}_{take}`: text before each field, and text after the last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pattern {
    fields: Vec<(String, String)>,
    end: String,
}

impl Pattern {
    /// Reads a pattern; an empty one has no fields.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |what: &str| {
            let problem = Problem::new("data.pattern", format!("{what}: {text}"));
            problem.help("write it as {class}_{speaker}_{take}")
        };
        let mut pattern = Pattern::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, later) = after
                .split_once('}')
                .ok_or_else(|| wrong("a { is not closed"))?;
            if name.is_empty() || pattern.fields.iter().any(|(_, known)| known == name) {
                return Err(wrong("a field without a name, or one named twice"));
            }
            if before.is_empty() && !pattern.fields.is_empty() {
                return Err(wrong("two fields with nothing between them"));
            }
            pattern.fields.push((before.to_string(), name.to_string()));
            rest = later;
        }
        pattern.end = rest.to_string();
        let has_class = pattern.fields.iter().any(|(_, name)| name == CLASS);
        if !text.is_empty() && !has_class {
            return Err(wrong("there is no {class}"));
        }
        Ok(pattern)
    }

    /// The fields of a name; `None` if it does not fit. A field ends where the text after it first occurs.
    pub fn fields_of(&self, name: &str) -> Option<Fields> {
        let mut rest = name.strip_suffix(&self.end)?;
        let mut found = Fields::new();
        for (i, (before, field)) in self.fields.iter().enumerate() {
            rest = rest.strip_prefix(before.as_str())?;
            let end = match self.fields.get(i + 1) {
                Some((next, _)) => rest.find(next.as_str())?,
                None => rest.len(),
            };
            if end == 0 {
                return None;
            }
            found.insert(field.clone(), rest[..end].to_string());
            rest = &rest[end..];
        }
        Some(found)
    }
}

/// A condition such as `take=0,1,2`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Where {
    /// The field.
    pub field: String,
    /// The values that it may have.
    pub values: Vec<String>,
}

impl Where {
    /// Reads a condition; an empty text is none.
    pub fn parse(text: &str) -> Result<Option<Self>, Problem> {
        if text.is_empty() {
            return Ok(None);
        }
        let parts = text.split_once('=');
        let parts = parts.map(|(field, values)| (field.trim(), values.trim()));
        let Some((field, values)) = parts.filter(|(f, v)| !f.is_empty() && !v.is_empty()) else {
            let problem = Problem::new(
                "data.test_where",
                format!("is no field with values: {text}"),
            );
            return Err(problem.help("write it as speaker=theo or take=0,1,2"));
        };
        Ok(Some(Where {
            field: field.to_string(),
            values: values.split(',').map(|v| v.trim().to_string()).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pattern: &str, name: &str) -> Option<Vec<(String, String)>> {
        let found = Pattern::parse(pattern).unwrap().fields_of(name)?;
        Some(found.into_iter().collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(
            pairs
                .iter()
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .collect(),
        )
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(
            fields("{class}_{speaker}_{take}", "7_theo_12"),
            pairs(&[("class", "7"), ("speaker", "theo"), ("take", "12")])
        );
        assert_eq!(fields("{class}_{speaker}_{take}", "7-theo"), None);
        assert_eq!(fields("{class}_{take}", "_3"), None);
        assert_eq!(
            fields("rec-{class}.x", "rec-no.x"),
            pairs(&[("class", "no")])
        );
        assert_eq!(fields("rec-{class}.x", "rec-no"), None);
        assert_eq!(
            fields("{n}_{class}", "1_a_b"),
            pairs(&[("class", "a_b"), ("n", "1")])
        );
        for (wrong, why) in [
            ("{speaker}", "no {class}"),
            ("{class", "not closed"),
            ("{class}{take}", "nothing between"),
            ("{class}_{class}", "named twice"),
        ] {
            let problem = Pattern::parse(wrong).unwrap_err().to_string();
            assert!(problem.contains(why), "{problem}");
        }
    }

    #[test]
    fn conditions() {
        let condition = Where::parse("take=0, 1").unwrap().unwrap();
        assert_eq!(
            (condition.field.as_str(), condition.values),
            ("take", vec!["0".to_string(), "1".to_string()])
        );
        assert_eq!(Where::parse("").unwrap(), None);
        assert!(Where::parse("theo").is_err());
        assert!(Where::parse("speaker=").is_err());
    }
}
