//! What stands between a foreign file and the CSV parser: it makes lines uniform and stops what a
//! lenient parser would swallow.

use std::fmt;
use std::io::{self, Read};

/// A field longer than this is a quote that was never closed, not data (1 MiB).
const LONGEST_FIELD: usize = 1 << 20;
/// More columns than this are a file of another format.
const MOST_COLUMNS: usize = 1 << 20;

/// Why the guard stopped. Line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub reason: Reason,
    pub line: u64,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The file is UTF-16.
    Utf16,
    Nul,
    /// A quote was opened there and not closed.
    Unclosed,
    TooLong,
    TooWide,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} at line {}, column {}",
            self.reason, self.line, self.column
        )
    }
}

impl std::error::Error for Stop {}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: either its end or the first of a doubled quote.
    QuoteInQuoted,
}

/// Reads bytes for the CSV parser. Takes off a byte-order mark, turns CR and CRLF outside of quotes
/// into LF, ends the last line with LF, and fails at a NUL byte, at a quote without its partner, at
/// fields of more than 1 MiB and at rows of more than 2²⁰ columns.
///
/// It follows the quotes exactly as the `csv` crate does: a quote is special only where a field starts
/// or inside of a quoted field.
pub(super) struct Guard<R> {
    inner: R,
    delimiter: u8,
    state: State,
    line: u64,
    column: usize,
    field_bytes: usize,
    field_line: u64,
    after_cr: bool,
    /// Bytes of a possible byte-order mark, looked at before anything else.
    head: Option<Vec<u8>>,
    ended_with_newline: bool,
    done: bool,
}

impl<R: Read> Guard<R> {
    pub fn new(inner: R, delimiter: u8) -> Self {
        Guard {
            inner,
            delimiter,
            state: State::FieldStart,
            line: 1,
            column: 1,
            field_bytes: 0,
            field_line: 1,
            after_cr: false,
            head: Some(Vec::new()),
            ended_with_newline: true,
            done: false,
        }
    }

    fn stop(&self, reason: Reason, line: u64) -> io::Error {
        let stop = Stop {
            reason,
            line,
            column: self.column,
        };
        io::Error::new(io::ErrorKind::InvalidData, stop)
    }

    /// Filters `bytes[..n]` in place; returns how many bytes are left.
    fn pass(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let mut byte = bytes[at];
            if byte == 0 {
                return Err(self.stop(Reason::Nul, self.line));
            }
            let follows_cr = std::mem::replace(&mut self.after_cr, false);
            if self.state != State::Quoted {
                if byte == b'\n' && follows_cr {
                    continue;
                }
                if byte == b'\r' {
                    self.after_cr = true;
                    byte = b'\n';
                }
            }
            self.follow(byte)?;
            bytes[kept] = byte;
            kept += 1;
        }
        if kept > 0 {
            self.ended_with_newline = bytes[kept - 1] == b'\n' && self.state != State::Quoted;
        }
        Ok(kept)
    }

    fn follow(&mut self, byte: u8) -> io::Result<()> {
        self.state = match self.state {
            State::Quoted => match byte {
                b'"' => State::QuoteInQuoted,
                _ => State::Quoted,
            },
            State::QuoteInQuoted if byte == b'"' => State::Quoted,
            State::FieldStart if byte == b'"' => State::Quoted,
            _ if byte == b'\n' || byte == self.delimiter => State::FieldStart,
            _ => State::Plain,
        };
        if byte == b'\n' {
            self.line += 1;
        }
        if self.state == State::FieldStart {
            self.column = if byte == b'\n' { 1 } else { self.column + 1 };
            self.field_bytes = 0;
            self.field_line = self.line;
            if self.column > MOST_COLUMNS {
                return Err(self.stop(Reason::TooWide, self.line));
            }
        } else {
            self.field_bytes += 1;
            if self.field_bytes > LONGEST_FIELD {
                let unclosed = self.state == State::Quoted;
                let reason = if unclosed {
                    Reason::Unclosed
                } else {
                    Reason::TooLong
                };
                return Err(self.stop(reason, self.field_line));
            }
        }
        Ok(())
    }

    /// The first bytes, without the byte-order mark.
    fn read_head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 3];
        let mut have = 0;
        while have < head.len() {
            match self.inner.read(&mut head[have..]) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        match &head[..have] {
            [0xEF, 0xBB, 0xBF] => Ok(Vec::new()),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(self.stop(Reason::Utf16, 1)),
            bytes => Ok(bytes.to_vec()),
        }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.done {
            return Ok(0);
        }
        if let Some(mut head) = self.head.take() {
            if head.is_empty() {
                head = self.read_head()?;
            }
            let now = head.len().min(out.len());
            out[..now].copy_from_slice(&head[..now]);
            if now < head.len() {
                self.head = Some(head.split_off(now));
            }
            if now > 0 {
                let kept = self.pass(&mut out[..now])?;
                if kept > 0 {
                    return Ok(kept);
                }
            }
        }
        loop {
            let n = match self.inner.read(out) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if n == 0 {
                break;
            }
            let kept = self.pass(&mut out[..n])?;
            if kept > 0 {
                return Ok(kept);
            }
        }
        self.done = true;
        if self.state == State::Quoted {
            return Err(self.stop(Reason::Unclosed, self.field_line));
        }
        if self.ended_with_newline {
            return Ok(0);
        }
        out[0] = b'\n';
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one to three bytes at a time, so that every state is cut somewhere.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 % 3 + 1;
            let n = self.1.min(self.0.len()).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn guarded(bytes: &[u8]) -> Result<Vec<u8>, Stop> {
        let read = |reader: &mut dyn Read| {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).map(|_| out).map_err(|e| {
                *e.get_ref()
                    .and_then(|e| e.downcast_ref::<Stop>())
                    .expect("a Stop")
            })
        };
        let whole = read(&mut Guard::new(bytes, b','));
        for start in 0..3 {
            assert_eq!(
                read(&mut Guard::new(Drip(bytes, start), b',')),
                whole,
                "cut differently"
            );
        }
        whole
    }

    #[test]
    fn line_ends_become_lf_outside_of_quotes() {
        assert_eq!(
            guarded(b"a,b\r\n1,\"x\r\ny\"\r\n").unwrap(),
            b"a,b\n1,\"x\r\ny\"\n"
        );
        assert_eq!(guarded(b"a\rb\r\rc").unwrap(), b"a\nb\n\nc\n");
        assert_eq!(guarded(b"\xEF\xBB\xBFa\n").unwrap(), b"a\n");
        assert_eq!(guarded(b"a").unwrap(), b"a\n");
        assert_eq!(guarded(b"ab").unwrap(), b"ab\n");
        assert_eq!(guarded(b"").unwrap(), b"");
        assert_eq!(guarded(b"\xEF\xBB\xBF").unwrap(), b"");
        assert_eq!(guarded(b"\r\n\r\n").unwrap(), b"\n\n");
        assert_eq!(guarded(b"a,\"x\"\"\r\"").unwrap(), b"a,\"x\"\"\r\"\n");
    }

    #[test]
    fn stops_with_line_and_column() {
        let stop = |bytes: &[u8]| guarded(bytes).unwrap_err();
        let at = |reason, line, column| Stop {
            reason,
            line,
            column,
        };
        assert_eq!(stop(b"a,b\n1,\0\n"), at(Reason::Nul, 2, 2));
        assert_eq!(stop(b"a,b\n1,\"x\n3,4\n"), at(Reason::Unclosed, 2, 2));
        assert_eq!(stop(b"\xFF\xFEa\0"), at(Reason::Utf16, 1, 1));
        let long = [b"a\n".to_vec(), vec![b'x'; LONGEST_FIELD + 1]].concat();
        assert_eq!(stop(&long), at(Reason::TooLong, 2, 1));
        let open = [b"a\n\"".to_vec(), b"1,2\n".repeat(LONGEST_FIELD / 4)].concat();
        assert_eq!(stop(&open), at(Reason::Unclosed, 2, 1));
        assert_eq!(
            stop(&vec![b','; MOST_COLUMNS]),
            at(Reason::TooWide, 1, MOST_COLUMNS + 1)
        );
    }
}
