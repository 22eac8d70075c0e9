//! CSV files into tables: streaming, with errors that name file, line and column.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::column::{Column, Kind, Values, reserve};
use super::csv_guard::{Guard, Reason, Stop};
use super::error::{DataError, DataErrorKind, DataResult, quoted};
use super::table::{Table, check_names, unknown_column};
use super::time::Timestamp;

/// Reads the named columns of a CSV file.
///
/// The first line that is not blank is the header. Fields are separated by commas (by tabs if the
/// file's name ends in `.tsv`), may be quoted as in RFC 4180, and lines may end in LF, CRLF or CR. A
/// byte-order mark, blank lines and spaces around names and numbers are passed over, columns that were
/// not asked for are not kept, and a gzip file is unpacked on the way.
///
/// # Errors
/// With file, line, column name and number, the text that is there and what to do:
/// [`Io`](DataErrorKind::Io), [`Encoding`](DataErrorKind::Encoding) (not UTF-8, NUL),
/// [`Empty`](DataErrorKind::Empty) (also a header without rows), [`Header`](DataErrorKind::Header) (a
/// name twice), [`UnknownColumn`](DataErrorKind::UnknownColumn), [`Ragged`](DataErrorKind::Ragged),
/// [`Quote`](DataErrorKind::Quote), [`NotANumber`](DataErrorKind::NotANumber),
/// [`NotATime`](DataErrorKind::NotATime), [`MissingValue`](DataErrorKind::MissingValue) and
/// [`OutOfRange`](DataErrorKind::OutOfRange) (`inf`, `1e309`).
pub fn read_csv(path: impl AsRef<Path>, columns: &[Column]) -> DataResult<Table> {
    let (file, name, delimiter) = open(path.as_ref())?;
    read(file, &name, delimiter, Some(columns))
}

/// As [`read_csv`], from any reader; `name` is what errors call it (`stdin`).
///
/// # Errors
/// As [`read_csv`].
pub fn read_csv_from(reader: impl Read, name: &str, columns: &[Column]) -> DataResult<Table> {
    read(reader, name, b',', Some(columns))
}

/// Reads every column of a CSV file and finds out its kind: numbers if every filled cell is one, else
/// times if every cell is one, else text. A column without a name is called `column_N`.
///
/// # Errors
/// As [`read_csv`], less those about kinds.
pub fn read_csv_all(path: impl AsRef<Path>) -> DataResult<Table> {
    let (file, name, delimiter) = open(path.as_ref())?;
    read(file, &name, delimiter, None)
}

/// As [`read_csv_all`], from any reader.
///
/// # Errors
/// As [`read_csv_all`].
pub fn read_csv_all_from(reader: impl Read, name: &str) -> DataResult<Table> {
    read(reader, name, b',', None)
}

fn open(path: &Path) -> DataResult<(File, String, u8)> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| {
        DataError::new(DataErrorKind::Io, format!("cannot be opened: {e}"))
            .in_file(&name)
            .remedy("check the path and the permissions")
    })?;
    let lower = name.to_lowercase();
    let tabs = lower.trim_end_matches(".gz").ends_with(".tsv");
    Ok((file, name, if tabs { b'\t' } else { b',' }))
}

/// Unpacks what starts with gzip's two magic bytes, and passes on everything else.
fn unpacked<'a>(mut reader: impl Read + 'a, name: &str) -> DataResult<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(2)
        .read_to_end(&mut head)
        .map_err(|e| unreadable(&e).in_file(name))?;
    let gzip = head == [0x1f, 0x8b];
    let whole = Cursor::new(head).chain(reader);
    Ok(if gzip {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    })
}

fn read(
    reader: impl Read,
    name: &str,
    delimiter: u8,
    columns: Option<&[Column]>,
) -> DataResult<Table> {
    let guard = Guard::new(unpacked(reader, name)?, delimiter);
    let mut reader = Reader {
        csv: csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(guard),
        record: csv::ByteRecord::new(),
        line: 1,
        header: Vec::new(),
    };
    reader.table(name, columns).map_err(|e| e.in_file(name))
}

struct Reader<R: Read> {
    csv: csv::Reader<Guard<R>>,
    record: csv::ByteRecord,
    /// The line on which `record` starts.
    line: u64,
    header: Vec<String>,
}

/// A column that is kept: where it is in the file, what it must be, and what was read so far.
struct Kept {
    at: usize,
    column: Column,
    values: Values,
}

impl<R: Read> Reader<R> {
    fn table(&mut self, name: &str, columns: Option<&[Column]>) -> DataResult<Table> {
        self.read_header()?;
        let mut kept = match columns {
            Some(columns) => self.find(name, columns)?,
            None => (0..self.header.len())
                .map(|at| Kept {
                    at,
                    column: Column::text(self.header[at].clone()),
                    values: Values::empty(Kind::Text),
                })
                .collect(),
        };
        let mut lines = Vec::new();
        while self.next()? {
            if self.record.len() != self.header.len() {
                return Err(self.ragged());
            }
            for (at, field) in self.record.iter().enumerate() {
                std::str::from_utf8(field).map_err(|e| self.not_utf8(at, field, e))?;
            }
            for keep in &mut kept {
                // Checked just above, so nothing is ever replaced here.
                let text = String::from_utf8_lossy(&self.record[keep.at]);
                push(&mut keep.values, &text, &keep.column).map_err(|e| {
                    e.at_line(self.line)
                        .in_column(keep.column.name(), keep.at + 1)
                })?;
            }
            reserve(&mut lines, 1)?;
            lines.push(self.line);
        }
        if lines.is_empty() {
            return Err(
                DataError::new(DataErrorKind::Empty, "has a header but no rows")
                    .at_line(self.line)
                    .remedy("add at least one row under the header"),
            );
        }
        let mut table = Table::new(name);
        for keep in kept {
            let values = if columns.is_none() {
                inferred(keep.values)
            } else {
                keep.values
            };
            table.push_numbered(keep.column.name, keep.at + 1, values)?;
        }
        table.set_lines(lines);
        Ok(table)
    }

    /// Reads the next record and the line it starts on; false at the end.
    fn next(&mut self) -> DataResult<bool> {
        if !self
            .csv
            .read_byte_record(&mut self.record)
            .map_err(broken)?
        {
            return Ok(false);
        }
        // The csv crate's own position of a record is that of the blank lines before it. The guard ends
        // every record with one LF, so the start follows from where the record ended.
        let inside = self
            .record
            .as_slice()
            .iter()
            .filter(|&&b| b == b'\n')
            .count() as u64;
        self.line = self.csv.position().line().saturating_sub(1 + inside).max(1);
        Ok(true)
    }

    fn read_header(&mut self) -> DataResult<()> {
        if !self.next()? {
            return Err(DataError::new(DataErrorKind::Empty, "the file is empty")
                .remedy("it needs a header line with the columns' names and then the rows"));
        }
        for (at, field) in self.record.iter().enumerate() {
            let number = at + 1;
            let text = std::str::from_utf8(field).map_err(|_| {
                DataError::new(
                    DataErrorKind::Encoding,
                    format!("the name of column {number} is not UTF-8 text"),
                )
                .at_line(self.line)
                .remedy("save the file as UTF-8")
            })?;
            let name = match text.trim() {
                "" => format!("column_{number}"),
                name => name.to_string(),
            };
            self.header.push(name);
        }
        check_names(&self.header).map_err(|(number, what)| {
            DataError::new(DataErrorKind::Header, what)
                .at_line(self.line)
                .in_column(&self.header[number - 1], number)
                .remedy("give every column a name of its own")
        })
    }

    fn find(&self, name: &str, columns: &[Column]) -> DataResult<Vec<Kept>> {
        let mut kept = Vec::new();
        for column in columns {
            match self.header.iter().position(|have| have == column.name()) {
                Some(at) => {
                    let values = Values::empty(column.kind());
                    kept.push(Kept {
                        at,
                        column: column.clone(),
                        values,
                    });
                }
                None if column.optional => {}
                None => {
                    let names: Vec<&str> = self.header.iter().map(String::as_str).collect();
                    let error = unknown_column(name, column.name(), &names).at_line(self.line);
                    return Err(match other_separator(&self.header) {
                        Some(separator) => error.remedy(format!(
                            "the fields seem to be separated by {separator}; save the file with commas"
                        )),
                        None => error,
                    });
                }
            }
        }
        Ok(kept)
    }

    fn ragged(&self) -> DataError {
        let (have, want) = (self.record.len(), self.header.len());
        let fields = |n: usize| {
            if n == 1 {
                "1 field".to_string()
            } else {
                format!("{n} fields")
            }
        };
        let what = format!("the row has {}, but the header has {want}", fields(have));
        let error = DataError::new(DataErrorKind::Ragged, what).at_line(self.line);
        match self.header.get(have) {
            Some(name) => error
                .in_column(name, have + 1)
                .remedy("the row ends before this column: add the missing fields"),
            None => error.remedy("remove the surplus, or quote fields that contain a comma"),
        }
    }

    fn not_utf8(&self, at: usize, field: &[u8], error: std::str::Utf8Error) -> DataError {
        let byte = field[error.valid_up_to()];
        let text = String::from_utf8_lossy(field);
        let what = format!("{} is not UTF-8 text (byte 0x{byte:02X})", quoted(&text));
        DataError::new(DataErrorKind::Encoding, what)
            .at_line(self.line)
            .in_column(&self.header[at], at + 1)
            .remedy("save the file as UTF-8")
    }
}

fn other_separator(header: &[String]) -> Option<&'static str> {
    match header {
        [only] if only.contains(';') => Some("`;`"),
        [only] if only.contains('\t') => Some("tabs"),
        [only] if only.contains('|') => Some("`|`"),
        _ => None,
    }
}

fn unreadable(error: &io::Error) -> DataError {
    DataError::new(DataErrorKind::Io, format!("cannot be read: {error}"))
        .remedy("check that it is a whole file, plain or gzip")
}

fn broken(error: csv::Error) -> DataError {
    let csv::ErrorKind::Io(error) = error.into_kind() else {
        // Byte records of any length are read, so the parser has no complaint of its own left.
        return DataError::new(DataErrorKind::Io, "the CSV parser failed");
    };
    let Some(stop) = error.get_ref().and_then(|e| e.downcast_ref::<Stop>()) else {
        return unreadable(&error);
    };
    let column = stop.column;
    let (kind, what, remedy) = match stop.reason {
        Reason::Utf16 => (
            DataErrorKind::Encoding,
            "the file is UTF-16".to_string(),
            "save it as UTF-8",
        ),
        Reason::Nul => (
            DataErrorKind::Encoding,
            format!("there is a NUL byte in column {column}"),
            "this is no text file, or a damaged one; save it as UTF-8 text",
        ),
        Reason::Unclosed => (
            DataErrorKind::Quote,
            format!("the quote that opens in column {column} is never closed"),
            "close it, and double quotes inside of a quoted field",
        ),
        Reason::TooLong => (
            DataErrorKind::Quote,
            format!("the field in column {column} is longer than 1 MiB"),
            "check that this is a CSV file",
        ),
        Reason::TooWide => (
            DataErrorKind::Ragged,
            "the row has more than a million fields".to_string(),
            "check that this is a CSV file",
        ),
    };
    DataError::new(kind, what).at_line(stop.line).remedy(remedy)
}

/// Whether a trimmed cell of numbers counts as missing.
fn is_missing(text: &str) -> bool {
    ["", "na", "n/a", "nan", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

fn push(values: &mut Values, text: &str, column: &Column) -> DataResult<()> {
    values.reserve(1)?;
    match values {
        Values::Text(texts) => {
            let mut copy = String::new();
            copy.try_reserve_exact(text.len()).map_err(|_| {
                let what = format!("no memory for a text of {} bytes", text.len());
                DataError::new(DataErrorKind::Memory, what)
            })?;
            copy.push_str(text);
            texts.push(copy);
        }
        Values::Number(numbers) => numbers.push(match number(text.trim())? {
            Some(number) => number,
            None if column.missing => f64::NAN,
            None => return Err(missing(text)),
        }),
        Values::Time(times) => {
            if is_missing(text.trim()) {
                return Err(missing(text));
            }
            times.push(text.parse()?);
        }
    }
    Ok(())
}

fn missing(text: &str) -> DataError {
    let what = match text.trim() {
        "" => "the value is missing".to_string(),
        text => format!("the value is missing ({})", quoted(text)),
    };
    DataError::new(DataErrorKind::MissingValue, what).remedy("fill it in or remove the row")
}

/// The number that a trimmed text stands for; `None` if missing.
fn number(text: &str) -> DataResult<Option<f64>> {
    if is_missing(text) {
        return Ok(None);
    }
    let shown = quoted(text);
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        Ok(_) => {
            let too_large = text.bytes().any(|b| b.is_ascii_digit());
            let rule = if too_large {
                "too large (at most 1.79e308)"
            } else {
                "not a finite number"
            };
            Err(
                DataError::new(DataErrorKind::OutOfRange, format!("{shown} is {rule}"))
                    .remedy("write a finite number, or leave the cell empty if it is missing"),
            )
        }
        Err(_) => {
            let comma = text.contains(',') && text.replace(',', ".").parse::<f64>().is_ok();
            Err(DataError::new(
                DataErrorKind::NotANumber,
                format!("{shown} is not a number"),
            )
            .remedy(if comma {
                "write a decimal point instead of the comma"
            } else {
                "write a number such as 12.5, without unit or thousands separator"
            }))
        }
    }
}

/// A column of texts as the narrowest kind that holds all of it.
fn inferred(values: Values) -> Values {
    let Values::Text(texts) = values else {
        return values;
    };
    let numbers: DataResult<Vec<f64>> = texts
        .iter()
        .map(|text| Ok(number(text.trim())?.unwrap_or(f64::NAN)))
        .collect();
    if let Ok(numbers) = numbers {
        return Values::Number(numbers);
    }
    match texts.iter().map(|text| text.parse::<Timestamp>()).collect() {
        Ok(times) => Values::Time(times),
        Err(_) => Values::Text(texts),
    }
}
