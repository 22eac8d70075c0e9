//! Takes `key=value`, `~key` and `--set` out of the command line, remembering where each stood.
//!
//! They are accepted anywhere, before the command too, which clap alone cannot express. A word is taken
//! only if it looks like a configuration key and no flag before it waits for a value.

use std::collections::BTreeSet;
use std::ffi::OsString;

/// One override from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// `train.lr`
    pub key: String,
    /// The text after `=`; `None` for `~key`, which goes back to the default.
    pub value: Option<String>,
    /// Which word it was, counted from 1.
    pub argument: usize,
    /// The flag, if it was not a bare word: `--set`, `--lr`.
    pub flag: Option<&'static str>,
}

/// The line without its overrides, and the overrides.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What clap reads, with the program's name in front.
    pub rest: Vec<OsString>,
    /// For each word of `rest`, which word of the whole line it was (0 is the program).
    pub index: Vec<usize>,
    /// In the order given.
    pub overrides: Vec<Token>,
}

/// Splits the line; `args` begins with the program's name.
pub fn split(command: &clap::Command, args: impl IntoIterator<Item = OsString>) -> Line {
    let waiting = flags_with_value(command);
    let mut line = Line::default();
    let mut args = args.into_iter().enumerate().peekable();
    let mut waits = false;
    let mut verbatim = false;
    while let Some((at, arg)) = args.next() {
        let keep = |line: &mut Line, arg: OsString| {
            line.rest.push(arg);
            line.index.push(at);
        };
        let text = match arg.to_str() {
            Some(text) if at > 0 && !verbatim && !waits => text,
            _ => {
                waits = false;
                keep(&mut line, arg);
                continue;
            }
        };
        if text == "--" {
            verbatim = true;
            keep(&mut line, arg);
        } else if text == "--set" || text == "-s" {
            let next =
                args.next_if(|(_, next)| next.to_str().is_some_and(|next| pair(next).is_some()));
            match next.as_ref().and_then(|(_, next)| pair(next.to_str()?)) {
                Some((key, value)) => line.overrides.push(Token {
                    key,
                    value,
                    argument: next.map_or(at, |(at, _)| at),
                    flag: Some("--set"),
                }),
                None => keep(&mut line, arg),
            }
        } else if let Some((key, value)) = text
            .strip_prefix("--set=")
            .or_else(|| text.strip_prefix("-s="))
            .and_then(pair)
        {
            line.overrides.push(Token {
                key,
                value,
                argument: at,
                flag: Some("--set"),
            });
        } else if let Some((key, value)) = pair(text) {
            line.overrides.push(Token {
                key,
                value,
                argument: at,
                flag: None,
            });
        } else {
            waits = waiting.contains(text);
            keep(&mut line, arg);
        }
    }
    line
}

/// `key=value` or `~key`, if the key is written like a configuration key.
fn pair(text: &str) -> Option<(String, Option<String>)> {
    let (key, value) = match text.strip_prefix('~') {
        Some(key) => (key, None),
        None => {
            let (key, value) = text.split_once('=')?;
            (key, Some(value.to_string()))
        }
    };
    is_key(key).then(|| (key.to_string(), value))
}

/// Whether `text` is written like a configuration key: lower-case words joined by dots.
pub fn is_key(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

fn flags_with_value(command: &clap::Command) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        for arg in command.get_arguments() {
            if !arg.get_action().takes_values() || arg.is_positional() {
                continue;
            }
            flags.extend(arg.get_long().map(|long| format!("--{long}")));
            flags.extend(arg.get_short().map(|short| format!("-{short}")));
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn line(words: &str) -> Line {
        split(
            &crate::args::Cli::command(),
            words.split(' ').map(OsString::from),
        )
    }

    fn keys(line: &Line) -> Vec<(&str, Option<&str>, usize)> {
        line.overrides
            .iter()
            .map(|t| (t.key.as_str(), t.value.as_deref(), t.argument))
            .collect()
    }

    #[test]
    fn overrides_stand_anywhere() {
        let line = line(
            "azura train.lr=0.1 train weather --set model.hidden=8 -c a=b.toml train.epochs=2 ~train.clip",
        );
        assert_eq!(line.rest, ["azura", "train", "weather", "-c", "a=b.toml"]);
        assert_eq!(line.index, [0, 2, 3, 6, 7]);
        assert_eq!(
            keys(&line),
            [
                ("train.lr", Some("0.1"), 1),
                ("model.hidden", Some("8"), 5),
                ("train.epochs", Some("2"), 8),
                ("train.clip", None, 9)
            ]
        );
    }

    #[test]
    fn what_is_no_key_stays() {
        let line = line("azura train ./a=b /x=1 A=2 --set bad -- train.lr=1");
        assert!(line.overrides.is_empty());
        assert_eq!(line.rest.len(), 9);
    }

    #[test]
    fn a_value_may_hold_anything() {
        assert_eq!(
            pair("data.filter=a=b c"),
            Some(("data.filter".into(), Some("a=b c".into())))
        );
        assert_eq!(pair("a="), Some(("a".into(), Some(String::new()))));
        assert_eq!(pair("=b"), None);
        assert_eq!(pair("a..b=1"), None);
    }
}
