//! How a CSV file separates its fields and writes its decimals: found out, not asked for.

use std::io::{self, Cursor, Read};

use super::error::{DataError, DataErrorKind, DataResult, quoted};

/// Where the header must end for the separator to be found (64 KiB); a longer one is separated by commas.
const LONGEST_HEADER: usize = 1 << 16;

/// The separators that are looked for, besides the comma, in the order of preference.
const OTHERS: [u8; 3] = [b';', b'\t', b'|'];

/// Finds the separator in the first line that is not blank: a comma if there is one outside of quotes, else whichever of `;`, tab and `|` is there most
/// often, else a comma. Returns it with a reader of everything from the start.
pub(super) fn sniffed<R: Read>(mut reader: R) -> io::Result<(u8, impl Read)> {
    let mut head = Vec::new();
    let mut block = [0; 4096];
    while head.len() < LONGEST_HEADER && first_line(&head).is_none() {
        match reader.read(&mut block) {
            Ok(0) => break,
            Ok(n) => head.extend_from_slice(&block[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let delimiter = separator(first_line(&head).unwrap_or(&head));
    Ok((delimiter, Cursor::new(head).chain(reader)))
}

/// The first line that is not blank, if it is there as a whole.
fn first_line(head: &[u8]) -> Option<&[u8]> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let start = text.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let mut quoted = false;
    let end = text[start..].iter().position(|&b| {
        quoted ^= b == b'"';
        !quoted && matches!(b, b'\r' | b'\n')
    })?;
    Some(&text[start..start + end])
}

fn separator(line: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|&&b| {
                quoted ^= b == b'"';
                !quoted && b == separator
            })
            .count()
    };
    if count(b',') > 0 {
        return b',';
    }
    let most = OTHERS.map(count).into_iter().max().unwrap_or(0);
    let found = OTHERS.into_iter().find(|&other| count(other) == most);
    found.filter(|_| most > 0).unwrap_or(b',')
}

/// How a column of numbers writes its decimals: settled by the first cell that has any.
#[derive(Clone, Debug, Default)]
pub(super) struct Decimals {
    /// Whether commas can be decimals at all: not where they separate fields.
    commas: bool,
    settled: Option<(char, String)>,
}

impl Decimals {
    /// For a file whose fields are separated by `delimiter`.
    pub fn new(delimiter: u8) -> Self {
        Decimals {
            commas: delimiter != b',',
            settled: None,
        }
    }

    /// Whether a decimal comma was read.
    pub fn has_commas(&self) -> bool {
        matches!(self.settled, Some((',', _)))
    }

    /// The trimmed cell with a decimal point, if it must be written anew.
    ///
    /// # Errors
    /// [`DataErrorKind::NotANumber`] if the column has decimal points and decimal commas: `1.234` could then be more than a
    /// thousand.
    pub fn pointed(&mut self, text: &str) -> DataResult<Option<String>> {
        if !self.commas {
            return Ok(None);
        }
        let sign = match (text.matches(',').count(), text.contains('.')) {
            (1, false) => ',',
            (0, true) => '.',
            _ => return Ok(None),
        };
        let plain = text.replace(',', ".");
        if plain.parse::<f64>().is_err() {
            return Ok(None);
        }
        match &self.settled {
            None => self.settled = Some((sign, text.to_string())),
            Some((other, first)) if *other != sign => {
                let what = format!(
                    "{} has its decimals after {}, but {} further up after {}",
                    quoted(text),
                    named(sign),
                    quoted(first),
                    named(*other)
                );
                return Err(DataError::new(DataErrorKind::NotANumber, what)
                    .remedy("write all numbers of the column alike"));
            }
            Some(_) => {}
        }
        Ok((sign == ',').then_some(plain))
    }
}

fn named(sign: char) -> &'static str {
    match sign {
        ',' => "a comma",
        _ => "a point",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> char {
        let (delimiter, mut reader) = sniffed(text.as_bytes()).unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, text, "nothing is lost");
        char::from(delimiter)
    }

    #[test]
    fn the_header_tells_the_separator() {
        assert_eq!(found("a,b\n1;2,3\n"), ',');
        assert_eq!(found("a;b\n1,5;2\n"), ';');
        assert_eq!(found("\u{feff}\r\n\na\tb\r\n"), '\t');
        assert_eq!(found("a|b;c|d"), '|');
        assert_eq!(found("\"a,x\";\"b\ny\"\n1;2\n"), ';');
        assert_eq!(found("only\n1\n"), ',');
        assert_eq!(found(""), ',');
        let long = format!("{};b\n", "x".repeat(LONGEST_HEADER + 5000));
        assert_eq!(found(&long), ',', "too long to look at");
    }

    #[test]
    fn decimals_are_alike_in_a_column() {
        let mut decimals = Decimals::new(b';');
        assert_eq!(decimals.pointed("12").unwrap(), None);
        assert_eq!(decimals.pointed("1,5").unwrap().as_deref(), Some("1.5"));
        assert_eq!(
            decimals.pointed("-1,5e3").unwrap().as_deref(),
            Some("-1.5e3")
        );
        assert_eq!(
            decimals.pointed("1.234,5").unwrap(),
            None,
            "left to the parser"
        );
        assert!(decimals.has_commas());
        assert_eq!(
            decimals.pointed("1.234").unwrap_err().what(),
            "\"1.234\" has its decimals after a point, but \"1,5\" further up after a comma"
        );
        let mut decimals = Decimals::new(b',');
        assert_eq!(decimals.pointed("1,5").unwrap(), None);
        let mut decimals = Decimals::new(b';');
        assert_eq!(decimals.pointed("1.5").unwrap(), None);
        assert!(decimals.pointed("1,5").is_err() && !decimals.has_commas());
    }
}
