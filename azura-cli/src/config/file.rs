//! Reads a TOML file into assignments that know their line and column.

use std::path::Path;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Assignment, Origin, Set};
use crate::failure::{Code, Failure, Place, TextPlace};

/// Reads a configuration file.
///
/// Sections, dotted keys and inline tables all set single keys: what they leave out stays as it was.
///
/// # Errors
/// [`Code::ConfigFile`] if the file cannot be read or is not TOML, with the place; [`Code::Value`] for a number that
/// no configuration can hold (`nan`, `inf`, beyond 64 bits).
pub fn read(path: &Path) -> Result<Vec<Assignment>, Vec<Failure>> {
    let source = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read {}: {error}", path.display());
        vec![Failure::new(Code::ConfigFile, what).at(Place::File(path.to_path_buf()))]
    })?;
    parse(path, &source)
}

/// Reads the text of a configuration file; `path` is for messages and relative paths.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, source: &str) -> Result<Vec<Assignment>, Vec<Failure>> {
    let (table, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| {
                let place = error
                    .span()
                    .map(|span| Place::Text(TextPlace::new(path, source, span)))
                    .unwrap_or_else(|| Place::File(path.to_path_buf()));
                let mut lines = error.message().lines();
                let message = format!("not TOML: {}", lines.next().unwrap_or("unreadable"));
                let failure = Failure::new(Code::ConfigFile, message).at(place);
                lines.fold(failure, |failure, line| failure.help(line))
            })
            .collect());
    }
    let mut reader = Reader {
        path,
        source,
        found: Vec::new(),
        failures: Vec::new(),
    };
    reader.table("", table.get_ref());
    if reader.failures.is_empty() {
        Ok(reader.found)
    } else {
        Err(reader.failures)
    }
}

struct Reader<'a> {
    path: &'a Path,
    source: &'a str,
    found: Vec<Assignment>,
    failures: Vec<Failure>,
}

impl Reader<'_> {
    fn place(&self, span: std::ops::Range<usize>) -> TextPlace {
        TextPlace::new(self.path, self.source, span)
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let path = match prefix {
                "" => key.get_ref().to_string(),
                _ => format!("{prefix}.{}", key.get_ref()),
            };
            match value.get_ref() {
                DeValue::Table(inner) => self.table(&path, inner),
                _ => match json(value) {
                    Ok(json) => self.found.push(Assignment {
                        key: path,
                        set: Set::Value(json),
                        origin: Origin::File {
                            key: self.place(key.span()),
                            value: self.place(value.span()),
                        },
                        base: self.path.parent().map(Path::to_path_buf),
                    }),
                    Err((span, why)) => self.failures.push(
                        Failure::new(Code::Value, format!("`{path}`: {why}"))
                            .at(Place::Text(self.place(span))),
                    ),
                },
            }
        }
    }
}

type Bad = (std::ops::Range<usize>, &'static str);

fn json(value: &Spanned<DeValue<'_>>) -> Result<Value, Bad> {
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .or_else(|_| u64::from_str_radix(number.as_str(), number.radix()).map(Value::from))
            .map_err(|_| (value.span(), "the number does not fit 64 bits"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or((value.span(), "must be a finite number"))?,
        DeValue::Array(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entries = entries
                .into_iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(value)?)));
            Value::Object(entries.collect::<Result<Map<_, _>, _>>()?)
        }
    })
}

/// Reads the text after `key=`: a TOML value if it is one, else the text itself (`None`).
///
/// # Errors
/// The reason, if the text begins like a TOML string, array or table but is not one.
pub fn inline(text: &str) -> Result<Option<Value>, String> {
    match DeValue::parse(text) {
        Ok(value) => json(&value).map(Some).map_err(|(_, why)| why.to_string()),
        Err(error) if text.starts_with(['"', '\'', '[', '{']) => Err(error
            .message()
            .lines()
            .next()
            .unwrap_or("unreadable")
            .to_string()),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_know_their_place() {
        let source = "app = \"weather\"\n[train]\nlr = 1e-3 # slow\nschedule = { kind = \"cosine\" }\nmodel.x=[1, 2]\n";
        let found = parse(Path::new("d/azura.toml"), source).unwrap();
        let keys: Vec<_> = found.iter().map(|a| a.key.as_str()).collect();
        assert_eq!(
            keys,
            ["app", "train.lr", "train.schedule.kind", "train.model.x"]
        );
        assert_eq!(found[2].set, Set::Value(json!("cosine")));
        let Origin::File { key, value } = &found[1].origin else {
            panic!()
        };
        assert_eq!((key.line, key.column, key.width), (3, 1, 2));
        assert_eq!((value.line, value.column, value.width), (3, 6, 4));
        assert_eq!(found[1].origin.to_string(), "d/azura.toml:3");
    }

    #[test]
    fn bad_files_are_refused_with_their_place() {
        for (source, line) in [
            ("a = 1\nb = ]\n", 2),
            ("a = nan\n", 1),
            ("\n\na = 99999999999999999999\n", 3),
            ("a = 1\na = 2\n", 2),
        ] {
            let failures = parse(Path::new("f"), source).unwrap_err();
            assert!(
                failures[0]
                    .render(false)
                    .contains(&format!("--> f:{line}:"))
            );
        }
    }

    #[test]
    fn a_value_is_toml_or_text() {
        assert_eq!(inline("50"), Ok(Some(json!(50))));
        assert_eq!(inline("1e-3"), Ok(Some(json!(1e-3))));
        assert_eq!(inline("[1, 2]"), Ok(Some(json!([1, 2]))));
        assert_eq!(inline("2015-01-01"), Ok(Some(json!("2015-01-01"))));
        assert_eq!(inline("5m"), Ok(None));
        assert_eq!(inline(""), Ok(None));
        assert!(inline("\"open").is_err());
        assert!(inline("[1, ").is_err());
    }
}
