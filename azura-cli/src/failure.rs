//! What went wrong, where, and what to do: the one shape of every message that ends a command.
//!
//! ```text
//! error[E0203]: unknown key `train.epoch`
//!   --> command line, argument 4
//!   help: did you mean `train.epochs`?
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use crate::codes::{CODES, Code};
use crate::output::{self, say};
use crate::style::{Paint, colors_stderr};

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The n-th word after the program's name, counted from 1.
    Argument(usize),
    /// An environment variable.
    Env(String),
    /// A place in a text file, with what is needed to show it.
    Text(TextPlace),
    /// A file as a whole.
    File(PathBuf),
}

/// A span of one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPlace {
    /// The file.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The line's text.
    pub text: String,
}

impl TextPlace {
    /// The place of a byte range in `source`; at most the rest of its first line is marked.
    pub fn new(path: &Path, source: &str, range: std::ops::Range<usize>) -> Self {
        let start = floor(source, range.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let end = floor(source, range.end).clamp(start, line_end);
        TextPlace {
            path: path.to_path_buf(),
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            width: source[start..end].chars().count().max(1),
            text: source[line_start..line_end].trim_end().to_string(),
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One thing that is wrong.
// Boxed: results are returned everywhere, and failures are rare.
#[derive(Clone, Debug)]
pub struct Failure(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    code: Code,
    message: String,
    place: Option<Place>,
    mark: Option<String>,
    facts: Vec<(String, String)>,
    help: Vec<String>,
}

impl Failure {
    /// A failure with its code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure(Box::new(Details {
            code,
            message: message.into(),
            place: None,
            mark: None,
            facts: Vec::new(),
            help: Vec::new(),
        }))
    }

    /// The same failure, at a place.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.0.place = place.into();
        self
    }

    /// The same failure, with words beside the underlined text.
    #[must_use]
    pub fn mark(mut self, text: impl Into<String>) -> Self {
        self.0.mark = Some(text.into());
        self
    }

    /// The same failure, with a fact in a small table below the message.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.0.facts.push((name.into(), text.into()));
        self
    }

    /// The same failure, with a remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.0.help.push(text.into());
        self
    }

    /// The code.
    #[cfg(test)]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message without its place and remedy.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The text for a person, coloured if `color`.
    pub fn render(&self, color: bool) -> String {
        let head = Paint::Red.when(color, format!("error[{}]", self.0.code.id()));
        let mut text = format!("{head}: {}\n", Paint::Bold.when(color, &self.0.message));
        let arrow = |place: String| format!("{} {place}\n", Paint::Blue.when(color, "  -->"));
        match &self.0.place {
            None => {}
            Some(Place::Argument(n)) => text += &arrow(format!("command line, argument {n}")),
            Some(Place::Env(name)) => text += &arrow(format!("environment, {name}")),
            Some(Place::File(path)) => text += &arrow(path.display().to_string()),
            Some(Place::Text(at)) => {
                text += &arrow(format!("{}:{}:{}", at.path.display(), at.line, at.column));
                let number = at.line.to_string();
                let bar = |left: &str| {
                    Paint::Blue.when(
                        color,
                        format!("{left:>width$} |", width = number.len().max(2)),
                    )
                };
                let indent: String = at
                    .text
                    .chars()
                    .take(at.column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                let carets = Paint::Red.when(color, "^".repeat(at.width));
                let mark = self.0.mark.as_deref().unwrap_or_default();
                let _ = writeln!(text, "{}", bar(""));
                let _ = writeln!(text, "{} {}", bar(&number), at.text);
                let _ = writeln!(
                    text,
                    "{}",
                    format!("{} {indent}{carets} {mark}", bar("")).trim_end()
                );
            }
        }
        let width = self.0.facts.iter().map(|(name, _)| name.len()).max();
        for (name, fact) in &self.0.facts {
            let _ = writeln!(text, "  {name:width$}  {fact}", width = width.unwrap_or(0));
        }
        for help in &self.0.help {
            let _ = writeln!(
                text,
                "  {}: {}",
                Paint::Green.when(color, "help"),
                help.replace('\n', "\n        ")
            );
        }
        text
    }

    /// The failure as it stands in a document.
    pub fn to_json(&self) -> Value {
        let place = match &self.0.place {
            None => Value::Null,
            Some(Place::Argument(n)) => json!({"argument": n}),
            Some(Place::Env(name)) => json!({"env": name}),
            Some(Place::File(path)) => json!({"file": path}),
            Some(Place::Text(at)) => {
                json!({"file": at.path, "line": at.line, "column": at.column})
            }
        };
        json!({
            "code": self.0.code.id(),
            "message": self.0.message,
            "place": place,
            "help": if self.0.help.is_empty() { Value::Null } else { self.0.help.join("\n").into() },
        })
    }
}

/// Why a command ended before its result: failures with one exit status, or a quiet end.
#[derive(Clone, Debug)]
pub struct Stop {
    failures: Vec<Failure>,
    exit: u8,
    nothing_started: bool,
}

impl Stop {
    /// An end without a message (interrupted after saying so; the reader of stdout went away).
    pub fn quietly(exit: u8) -> Self {
        Stop {
            failures: Vec::new(),
            exit,
            nothing_started: false,
        }
    }

    /// Several problems found at once, before anything started.
    pub fn before_start(failures: Vec<Failure>) -> Self {
        Stop {
            nothing_started: true,
            ..Stop::from(failures)
        }
    }

    /// The exit status.
    pub fn exit(&self) -> u8 {
        self.exit
    }

    /// The failures, empty for a quiet end.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Prints the failures on stderr, and with `--json` the document on stdout.
    pub fn report(&self, schema: &str, json: bool) {
        for failure in &self.failures {
            if output::events() {
                let mut event = failure.to_json();
                event["event"] = "error".into();
                event["exit"] = self.exit.into();
                output::event(&event);
            } else {
                say!("{}", failure.render(colors_stderr()).trim_end());
            }
        }
        if !output::events() && self.nothing_started && !self.failures.is_empty() {
            let n = self.failures.len();
            say!(
                "{n} error{}, nothing was started.   azura help {}",
                if n == 1 { "" } else { "s" },
                self.failures[0].0.code.id()
            );
        }
        if json && !self.failures.is_empty() {
            // A failure to print the failure has no place left to be told.
            let _ = output::json(&self.document(schema));
        }
    }

    fn document(&self, schema: &str) -> Value {
        json!({
            "schema": schema,
            "ok": false,
            "exit": self.exit,
            "errors": self.failures.iter().map(Failure::to_json).collect::<Vec<_>>(),
        })
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::from(vec![failure])
    }
}

impl From<Vec<Failure>> for Stop {
    fn from(failures: Vec<Failure>) -> Self {
        let exit = failures.first().map_or(1, |first| first.0.code.exit());
        Stop {
            failures,
            exit,
            nothing_started: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_file_is_underlined() {
        let source = "[model]\ndropout = 10\n";
        let at = source.find("10").unwrap();
        let failure = Failure::new(Code::OutOfRange, "`model.dropout` must be between 0 and 1")
            .at(Place::Text(TextPlace::new(
                Path::new("azura.toml"),
                source,
                at..at + 2,
            )))
            .mark("got 10")
            .help("write 0.10");
        assert_eq!(
            failure.render(false),
            "error[E0207]: `model.dropout` must be between 0 and 1\n  --> azura.toml:2:11\n   |\n 2 | dropout = 10\n   |           ^^ got 10\n  help: write 0.10\n"
        );
    }

    #[test]
    fn a_range_beyond_the_text_is_no_panic() {
        let place = TextPlace::new(Path::new("a"), "é\n", 1..99);
        assert_eq!((place.line, place.column, place.width), (1, 1, 1));
        let empty = TextPlace::new(Path::new("a"), "", 5..9);
        assert_eq!((empty.line, empty.column), (1, 1));
    }
}
