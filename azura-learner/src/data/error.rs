//! The error of everything that reads, checks or cuts data.

use std::fmt;

/// A result of the data layer.
pub type DataResult<T> = Result<T, DataError>;

/// What went wrong with data: where it is, what it says, and what to do about it.
///
/// The text reads `FILE:LINE: column `NAME` (NUMBER): WHAT; REMEDY`, leaving out the parts that are
/// not known. Lines and columns count from 1, as editors and spreadsheets do.
///
/// ```
/// use azura_learner::data::{DataError, DataErrorKind};
/// let error = DataError::new(DataErrorKind::NotANumber, "\"n/e\" is not a number")
///     .in_file("gold.csv").at_line(12).in_column("close", 5).remedy("write a number such as 1.5");
/// assert_eq!(
///     error.to_string(),
///     "gold.csv:12: column `close` (5): \"n/e\" is not a number; write a number such as 1.5"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DataError(Box<Details>);

// Boxed: a `Result<f64, DataError>` stays two words, and errors are rare.
#[derive(Clone, PartialEq, Eq)]
struct Details {
    kind: DataErrorKind,
    file: Option<String>,
    line: Option<u64>,
    column: Option<(String, usize)>,
    what: String,
    remedy: Option<String>,
}

/// The kinds of [`DataError`], for programs that must tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// The file cannot be opened, read or written.
    Io,
    /// Bytes that are not UTF-8 text, or a NUL byte.
    Encoding,
    /// No header, or a header without rows.
    Empty,
    /// A header with a name missing or given twice.
    Header,
    /// A row with more or fewer fields than the header.
    Ragged,
    /// A quoted field that never ends, or a field too long to be meant.
    Quote,
    /// A column that was asked for is not there.
    UnknownColumn,
    /// A column holds another kind of values than asked for.
    WrongKind,
    /// A text stands where a number belongs.
    NotANumber,
    /// A text stands where a date or time belongs.
    NotATime,
    /// An empty cell where a value is needed.
    MissingValue,
    /// A number that is infinite, too large, or outside of what its use allows.
    OutOfRange,
    /// JSON that is not an array of objects.
    Json,
    /// Not a sound file, or one that is damaged or of a kind that cannot be read.
    Sound,
    /// Lengths that do not fit together, or too few rows for what was asked.
    Size,
    /// A split with an empty part or impossible fractions.
    Split,
    /// There is no memory for the data.
    Memory,
    /// The loader's thread failed.
    Loader,
    /// A check of an app's own.
    Other,
}

impl DataError {
    /// An error that says only what is wrong; add the place and the remedy with the other methods.
    pub fn new(kind: DataErrorKind, what: impl Into<String>) -> Self {
        DataError(Box::new(Details {
            kind,
            file: None,
            line: None,
            column: None,
            what: what.into(),
            remedy: None,
        }))
    }

    /// Names the file, or whatever the data came from (`stdin`, `request`).
    #[must_use]
    pub fn in_file(mut self, name: impl Into<String>) -> Self {
        self.0.file = Some(name.into());
        self
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    /// The column's name and its number, counted from 1.
    #[must_use]
    pub fn in_column(mut self, name: impl Into<String>, number: usize) -> Self {
        self.0.column = Some((name.into(), number));
        self
    }

    /// What the person can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The kind, for programs.
    pub fn kind(&self) -> DataErrorKind {
        self.0.kind
    }

    /// The file's name, if known.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The line, counted from 1, if known.
    pub fn line(&self) -> Option<u64> {
        self.0.line
    }

    /// The column's name and its number counted from 1, if known.
    pub fn column(&self) -> Option<(&str, usize)> {
        self.0.column.as_ref().map(|(name, n)| (name.as_str(), *n))
    }

    /// What is wrong, without place and remedy.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// What to do, if there is something.
    pub fn advice(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.0;
        match (&d.file, d.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        if let Some((name, number)) = &d.column {
            write!(f, "column `{name}` ({number}): ")?;
        }
        f.write_str(&d.what)?;
        if let Some(remedy) = &d.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataError({:?}, {self})", self.0.kind)
    }
}

impl std::error::Error for DataError {}

/// Text from a file as it may be shown: in quotes, without control characters, at most 40 characters.
///
/// Foreign text in a message must not move the cursor or flood the terminal.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (i, c) in text.chars().enumerate() {
        if i == 40 {
            out.push('…');
            break;
        }
        out.extend(c.escape_debug());
    }
    out.push('"');
    out
}

/// The name in `names` that `wanted` is most likely a slip of, if one is near enough.
///
/// Distance: optimal string alignment (insert, delete, replace, swap neighbours) on lower-case
/// letters; near means at most a third of the length, and at least one edit is always allowed.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.trim().to_lowercase().chars().take(64).collect();
    let limit = (wanted.len() / 3).max(1);
    names
        .into_iter()
        .map(|name| {
            let letters: Vec<char> = name.to_lowercase().chars().take(64).collect();
            (edits(&wanted, &letters), name)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// `a, b, c` in backquotes, at most `limit` of them, then how many more there are.
pub(crate) fn listed<'a>(
    names: impl ExactSizeIterator<Item = &'a str> + Clone,
    limit: usize,
) -> String {
    let total = names.len();
    let mut text = names
        .take(limit)
        .map(|name| {
            let shown = quoted(name);
            format!("`{}`", &shown[1..shown.len() - 1])
        })
        .collect::<Vec<_>>()
        .join(", ");
    if total > limit {
        text.push_str(&format!(" and {} more", total - limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_what_is_known() {
        let error = DataError::new(DataErrorKind::Empty, "the file is empty");
        assert_eq!(error.to_string(), "the file is empty");
        assert_eq!(
            error.clone().at_line(3).to_string(),
            "line 3: the file is empty"
        );
        assert_eq!(
            error.clone().in_file("a.csv").to_string(),
            "a.csv: the file is empty"
        );
        assert_eq!(error.in_column("x", 2).column(), Some(("x", 2)));
    }

    #[test]
    fn foreign_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}[2J\n"), "\"a\\u{1b}[2J\\n\"");
        assert_eq!(quoted(&"x".repeat(50)), format!("\"{}…\"", "x".repeat(40)));
    }

    #[test]
    fn nearest_name() {
        let names = ["temperature", "humidity", "wind"];
        assert_eq!(nearest("temprature", names), Some("temperature"));
        assert_eq!(nearest("Temperature", names), Some("temperature"));
        assert_eq!(nearest("wnid", names), Some("wind"));
        assert_eq!(nearest("pressure", names), None);
    }
}
