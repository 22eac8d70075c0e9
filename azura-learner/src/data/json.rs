//! Tables from and to JSON rows: an array of objects, as the server speaks.

use serde_json::{Map, Value};

use super::column::{Column, Kind, Values};
use super::error::{DataError, DataErrorKind, DataResult, quoted};
use super::table::{Table, unknown_column};

/// Reads the named columns of `[{"time": "2013-05-01T13:00", "temp": 8.5}, …]`.
///
/// Numbers must be JSON numbers (`null` is missing), texts and times JSON strings. Keys that were not
/// asked for are passed over. `name` is what errors call the data (`request`).
///
/// # Errors
/// With the row's index (from 0) and the key: [`Json`](DataErrorKind::Json) if it is no array of objects,
/// [`Empty`](DataErrorKind::Empty), [`UnknownColumn`](DataErrorKind::UnknownColumn),
/// [`NotANumber`](DataErrorKind::NotANumber), [`WrongKind`](DataErrorKind::WrongKind),
/// [`NotATime`](DataErrorKind::NotATime), [`MissingValue`](DataErrorKind::MissingValue),
/// [`OutOfRange`](DataErrorKind::OutOfRange).
///
/// ```
/// use azura_learner::data::{Column, from_json_rows};
/// let rows = serde_json::json!([{"temp": 8.5}, {"temp": "cold"}]);
/// let error = from_json_rows(&rows, "request", &[Column::number("temp")]).unwrap_err();
/// assert_eq!(error.to_string(),
///     "request: row index 1, key `temp`: \"cold\" is not a number; write a JSON number such as 12.5");
/// ```
pub fn from_json_rows(rows: &Value, name: &str, columns: &[Column]) -> DataResult<Table> {
    let rows = objects(rows, name)?;
    let mut table = Table::new(name);
    for (at, column) in columns.iter().enumerate() {
        if column.optional && rows.iter().all(|row| !row.contains_key(column.name())) {
            continue;
        }
        let mut values = Values::empty(column.kind());
        for (index, row) in rows.iter().enumerate() {
            let Some(value) = row.get(column.name()) else {
                let keys: Vec<&str> = row.keys().map(String::as_str).collect();
                let error = unknown_column(name, column.name(), &keys);
                let hint = error
                    .advice()
                    .unwrap_or_default()
                    .replace("the columns", "the keys");
                let what = format!("row index {index} has no key `{}`", column.name());
                return Err(DataError::new(DataErrorKind::UnknownColumn, what)
                    .in_file(name)
                    .remedy(hint));
            };
            push(&mut values, value, column).map_err(|e| place(&e, name, index, column.name()))?;
        }
        table.push_numbered(column.name().to_string(), at + 1, values)?;
    }
    Ok(table)
}

/// Reads every key of the rows; the kind of each column follows from its values.
///
/// # Errors
/// As [`from_json_rows`], and [`DataErrorKind::WrongKind`] for values that are no number, text or `null`.
pub fn from_json_rows_all(rows: &Value, name: &str) -> DataResult<Table> {
    let objects = objects(rows, name)?;
    let mut columns: Vec<Column> = Vec::new();
    for key in objects.iter().flat_map(|row| row.keys()) {
        if !columns.iter().any(|column| column.name() == key) {
            let values = || objects.iter().filter_map(|row| row.get(key));
            let kind = if values().all(|v| v.is_number() || v.is_null()) {
                Kind::Number
            } else if values().all(|v| {
                v.as_str()
                    .is_some_and(|s| s.parse::<super::Timestamp>().is_ok())
            }) {
                Kind::Time
            } else {
                Kind::Text
            };
            columns.push(Column::new(key, kind).allow_missing());
        }
    }
    from_json_rows(rows, name, &columns)
}

fn objects<'a>(rows: &'a Value, name: &str) -> DataResult<Vec<&'a Map<String, Value>>> {
    let wrong = |what: String| {
        DataError::new(DataErrorKind::Json, what)
            .in_file(name)
            .remedy("send an array of objects, one object a row: [{\"column\": value}]")
    };
    let Value::Array(rows) = rows else {
        return Err(wrong(format!(
            "the rows are {}, not an array",
            described(rows)
        )));
    };
    if rows.is_empty() {
        return Err(DataError::new(DataErrorKind::Empty, "there are no rows").in_file(name));
    }
    rows.iter()
        .enumerate()
        .map(|(index, row)| {
            row.as_object().ok_or_else(|| {
                wrong(format!(
                    "row index {index} is {}, not an object",
                    described(row)
                ))
            })
        })
        .collect()
}

fn push(values: &mut Values, value: &Value, column: &Column) -> DataResult<()> {
    let refuse = |kind, rule: &str, remedy: &str| {
        Err(DataError::new(kind, format!("{} {rule}", described(value))).remedy(remedy))
    };
    if value.is_null() {
        return match values {
            Values::Number(numbers) if column.missing => {
                numbers.push(f64::NAN);
                Ok(())
            }
            _ => refuse(DataErrorKind::MissingValue, "is missing", "give a value"),
        };
    }
    match values {
        Values::Number(numbers) => match value.as_f64() {
            Some(number) if number.is_finite() => numbers.push(number),
            Some(_) => {
                return refuse(
                    DataErrorKind::OutOfRange,
                    "is too large",
                    "at most 1.79e308",
                );
            }
            None => {
                let remedy = "write a JSON number such as 12.5";
                return refuse(DataErrorKind::NotANumber, "is not a number", remedy);
            }
        },
        Values::Text(texts) => match value.as_str() {
            Some(text) => texts.push(text.to_string()),
            None => {
                return refuse(
                    DataErrorKind::WrongKind,
                    "is not a text",
                    "write a JSON string",
                );
            }
        },
        Values::Time(times) => match value.as_str() {
            Some(text) => times.push(text.parse()?),
            None => {
                let remedy = "write a string such as \"2013-05-01T13:00:00\"";
                return refuse(DataErrorKind::NotATime, "is not a date or time", remedy);
            }
        },
    }
    Ok(())
}

fn place(error: &DataError, name: &str, index: usize, key: &str) -> DataError {
    let what = format!("row index {index}, key `{key}`: {}", error.what());
    let placed = DataError::new(error.kind(), what).in_file(name);
    match error.advice() {
        Some(advice) => placed.remedy(advice),
        None => placed,
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => quoted(s),
        Value::Array(_) => "an array".to_string(),
        Value::Object(_) => "an object".to_string(),
    }
}

impl Table {
    /// The rows as JSON objects, keys in the order of the columns.
    ///
    /// Missing and infinite numbers are `null` (JSON has no others); times are ISO 8601 strings, as dates
    /// if every one in the column is at midnight.
    pub fn to_json_rows(&self) -> Vec<Value> {
        let mut rows = vec![Map::new(); self.len()];
        for (name, values) in self.columns() {
            let dates = matches!(values, Values::Time(t) if t.iter().all(|t| t.is_midnight()));
            for (index, row) in rows.iter_mut().enumerate() {
                let value = match values {
                    Values::Number(numbers) => Value::from(numbers[index]),
                    Values::Text(texts) => Value::from(texts[index].as_str()),
                    Values::Time(times) if dates => Value::from(times[index].iso_date()),
                    Values::Time(times) => Value::from(times[index].iso()),
                };
                row.insert(name.to_string(), value);
            }
        }
        rows.into_iter().map(Value::Object).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(rows: Value, columns: &[Column]) -> String {
        from_json_rows(&rows, "request", columns)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn rows_there_and_back() {
        let rows = json!([
            {"time": "2013-05-01", "temp": 8.5, "sky": "clear"},
            {"time": "2013-05-02", "temp": null, "sky": ""}
        ]);
        let table = from_json_rows_all(&rows, "request").unwrap();
        assert_eq!(table.kind("time"), Some(Kind::Time));
        assert_eq!(table.kind("sky"), Some(Kind::Text));
        assert_eq!(Value::Array(table.to_json_rows()), rows);
        let columns = [
            Column::number("temp").allow_missing(),
            Column::number("wind").optional(),
        ];
        let table = from_json_rows(&rows, "request", &columns).unwrap();
        assert_eq!(table.names(), ["temp"]);
    }

    #[test]
    fn errors_name_row_and_key() {
        let temp = [Column::number("temp")];
        assert_eq!(
            error(json!([{"temp": 1}, {"tmep": 2}]), &temp),
            "request: row index 1 has no key `temp`; did you mean `tmep`? the keys are `tmep`"
        );
        assert_eq!(
            error(json!([{"temp": null}]), &temp),
            "request: row index 0, key `temp`: null is missing; give a value"
        );
        assert!(error(json!([{"temp": true}]), &temp).contains("true is not a number"));
        assert!(error(json!([{"temp": [1]}]), &temp).contains("an array is not a number"));
        assert!(error(json!([{"temp": 1}]), &[Column::text("temp")]).contains("1 is not a text"));
        assert!(
            error(json!([{"temp": "x"}]), &[Column::time("temp")]).contains("key `temp`: \"x\"")
        );
        assert!(error(json!([{"temp": 3}]), &[Column::time("temp")]).contains("3 is not a date"));
        assert!(error(json!({"temp": 3}), &temp).contains("an object, not an array"));
        assert!(error(json!([{"temp": 3}, 4]), &temp).contains("row index 1 is 4, not an object"));
        assert!(error(json!([]), &temp).contains("there are no rows"));
    }
}
