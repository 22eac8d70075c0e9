//! The text of a space's entry: what `--search KEY=TEXT` and the table `[tune.space]` take.
//!
//! | text                      | values                                                   |
//! |---------------------------|----------------------------------------------------------|
//! | `0..0.5`, `float:0..0.5`  | numbers between the bounds                               |
//! | `log:1e-4..1e-2`          | numbers, uniform in the logarithm                        |
//! | `int:20..120/20`          | 20, 40, …, 120; without `/STEP` every whole number       |
//! | `logint:8..1024`          | whole numbers, uniform in the logarithm                  |
//! | `32|64|128`, `adam|sgd`   | one of these                                             |
//! | `["a|b", "c"]`            | the same as a list, for words with a bar                 |
//! | `true|false`              | both                                                     |
//! | `TEXT if KEY=VALUE|VALUE` | only while parameter KEY has one of these values         |

use std::fmt;

use super::domain::{Domain, Value};
use super::space::Condition;
use crate::error::Problem;

/// More values than this are not a choice but a range.
const MOST_CATEGORIES: usize = 1000;

/// Whole numbers up to 2^53 are exact as floats; coordinates need that.
const LARGEST: i64 = 1 << 53;

/// Domain and condition of one entry.
pub(super) fn entry(text: &str) -> Result<(Domain, Option<Condition>), Problem> {
    match text.rsplit_once(" if ") {
        None => Ok((domain(text)?, None)),
        Some((before, after)) => {
            let (key, values) = after.split_once('=').ok_or_else(|| {
                wrong(text, after, "a condition needs KEY=VALUE")
                    .help("write for example `0..0.5 if model.kind=lstm|gru`")
            })?;
            let key = key.trim();
            let values: Vec<Value> = values.split('|').map(|v| value(v.trim())).collect();
            if key.is_empty() || values.iter().any(|v| v.to_string().is_empty()) {
                return Err(
                    wrong(text, after, "the condition has an empty key or value")
                        .help("write for example `0..0.5 if model.kind=lstm|gru`"),
                );
            }
            let condition = Condition {
                key: key.to_string(),
                values,
            };
            Ok((domain(before)?, Some(condition)))
        }
    }
}

/// A domain from its text.
pub(super) fn domain(text: &str) -> Result<Domain, Problem> {
    let whole = text;
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::new("", "the space is empty").help(FORMS));
    }
    if text.starts_with('[') {
        let list: Vec<Value> = serde_json::from_str(text).map_err(|e| {
            wrong(whole, text, &format!("not a list of values ({e})"))
                .help("write for example `[\"a\", \"b\"]` or `a|b`")
        })?;
        return categories(whole, list);
    }
    for (prefix, parse) in PREFIXES {
        if let Some(rest) = text.strip_prefix(prefix) {
            return parse(whole, rest.trim());
        }
    }
    if text.contains('|') {
        let words: Vec<&str> = text.split('|').map(str::trim).collect();
        if words.iter().any(|w| w.is_empty()) {
            return Err(wrong(whole, text, "one of the values is empty")
                .help("remove the bar that has nothing beside it"));
        }
        return categories(whole, words.into_iter().map(value).collect());
    }
    if let Some((prefix, _)) = text.split_once(':') {
        return Err(wrong(whole, prefix, "no such kind of space").help(FORMS));
    }
    if text.contains("..") {
        return float(whole, text);
    }
    Err(wrong(whole, text, "a single value is no space").help(format!(
        "fix it with `--set KEY={text}`, or write several values (`{text}|…`) or a range (`a..b`)"
    )))
}

const FORMS: &str =
    "write `a..b`, `log:a..b`, `int:a..b`, `int:a..b/step`, `logint:a..b` or `x|y|z`";

type Parse = fn(&str, &str) -> Result<Domain, Problem>;

const PREFIXES: [(&str, Parse); 4] = [
    ("float:", float),
    ("log:", log),
    ("int:", int),
    ("logint:", logint),
];

fn float(whole: &str, text: &str) -> Result<Domain, Problem> {
    let (low, high) = bounds::<f64>(whole, text, "a number")?;
    Ok(Domain::Float { low, high })
}

fn log(whole: &str, text: &str) -> Result<Domain, Problem> {
    let (low, high) = bounds::<f64>(whole, text, "a number")?;
    if low <= 0.0 {
        return Err(wrong(
            whole,
            text,
            "the lower bound of a logarithmic range must be above 0",
        )
        .help("write a small number such as 1e-6, or leave out `log:`"));
    }
    Ok(Domain::Log { low, high })
}

fn int(whole: &str, text: &str) -> Result<Domain, Problem> {
    let (range, step) = match text.split_once('/') {
        None => (text, 1),
        Some((range, step)) => {
            let parsed = step.trim().parse::<i64>().ok().filter(|s| *s >= 1);
            let step = parsed.ok_or_else(|| {
                wrong(whole, step, "the step must be a whole number of at least 1")
                    .help("write for example `int:20..120/20`")
            })?;
            (range, step)
        }
    };
    let (low, high) = bounds::<i64>(whole, range, "a whole number")?;
    let rest = (high - low) % step;
    if rest != 0 {
        return Err(wrong(
            whole,
            text,
            &format!("{high} is no whole number of steps above {low}"),
        )
        .help(format!("end at {} or {}", high - rest, high - rest + step)));
    }
    Ok(Domain::Int { low, high, step })
}

fn logint(whole: &str, text: &str) -> Result<Domain, Problem> {
    let (low, high) = bounds::<i64>(whole, text, "a whole number")?;
    if low < 1 {
        return Err(wrong(
            whole,
            text,
            "the lower bound of a logarithmic range must be at least 1",
        )
        .help("begin at 1, or write `int:`"));
    }
    Ok(Domain::LogInt { low, high })
}

/// What a bound can be.
trait Bound: std::str::FromStr + PartialOrd + Copy {
    fn fits(self) -> bool;
}

impl Bound for f64 {
    fn fits(self) -> bool {
        self.is_finite()
    }
}

impl Bound for i64 {
    fn fits(self) -> bool {
        (-LARGEST..=LARGEST).contains(&self)
    }
}

fn bounds<T: Bound>(whole: &str, text: &str, what: &str) -> Result<(T, T), Problem> {
    let (low, high) = text
        .split_once("..")
        .ok_or_else(|| wrong(whole, text, "a range needs `..` between its bounds").help(FORMS))?;
    let bound = |part: &str| {
        part.trim()
            .parse::<T>()
            .ok()
            .filter(|x| x.fits())
            .ok_or_else(|| {
                wrong(whole, part.trim(), &format!("the bound must be {what}")).help(FORMS)
            })
    };
    let (low, high) = (bound(low)?, bound(high)?);
    if low >= high {
        return Err(
            wrong(whole, text, "the lower bound must be below the upper one")
                .help("swap them, or fix the value with `--set`"),
        );
    }
    Ok((low, high))
}

fn categories(whole: &str, values: Vec<Value>) -> Result<Domain, Problem> {
    let bad = |message: String, help: &str| Err(wrong(whole, whole.trim(), &message).help(help));
    if values.len() < 2 {
        return bad(
            "a choice needs at least 2 values".into(),
            "fix a single value with `--set`",
        );
    }
    if values.len() > MOST_CATEGORIES {
        let message = format!(
            "{} values, but a choice has at most {MOST_CATEGORIES}",
            values.len()
        );
        return bad(message, "write a range");
    }
    for (i, value) in values.iter().enumerate() {
        if values[..i]
            .iter()
            .any(|v| v.to_string() == value.to_string())
        {
            return bad(
                format!("the value `{value}` is there twice"),
                "remove one of them",
            );
        }
        if value.number().is_some_and(|x| !x.is_finite()) {
            return bad(format!("the value `{value}` is not finite"), "remove it");
        }
    }
    let both = [Value::Bool(true), Value::Bool(false)];
    if values.len() == 2 && both.iter().all(|b| values.contains(b)) {
        return Ok(Domain::Bool);
    }
    Ok(Domain::Categories(values))
}

/// A word as what it looks like: truth value, whole number, number, text.
pub(super) fn value(word: &str) -> Value {
    if let Ok(b) = word.parse::<bool>() {
        return Value::Bool(b);
    }
    if let Ok(i) = word.parse::<i64>() {
        return Value::Int(i);
    }
    let looks = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match word.parse::<f64>() {
        Ok(x) if looks && x.is_finite() => Value::Float(x),
        _ => Value::Text(word.to_string()),
    }
}

/// The shorter form if it reads back as the same values, else the list.
pub(super) fn write_categories(f: &mut fmt::Formatter<'_>, values: &[Value]) -> fmt::Result {
    let words: Vec<String> = values.iter().map(Value::to_string).collect();
    let joined = words.join("|");
    match domain(&joined) {
        Ok(Domain::Categories(read)) if read == values && !joined.contains(" if ") => {
            write!(f, "{joined}")
        }
        _ => write!(f, "{}", serde_json::json!(values)),
    }
}

/// A problem with `part` of the text, and the column where it stands.
fn wrong(whole: &str, part: &str, message: &str) -> Problem {
    let at = part.as_ptr() as usize;
    let start = whole.as_ptr() as usize;
    let column = match at.checked_sub(start) {
        Some(bytes) if bytes <= whole.len() && whole.is_char_boundary(bytes) => {
            whole[..bytes].chars().count() + 1
        }
        _ => 1,
    };
    Problem::new(
        "",
        format!("{message}, but column {column} of `{whole}` has `{part}`"),
    )
}
