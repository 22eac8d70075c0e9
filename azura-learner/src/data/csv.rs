//! CSV files into tables: streaming, with errors that name file, line and column.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::column::{Column, Kind, Values, reserve};
use super::csv_dialect::{Decimals, sniffed};
use super::csv_guard::{Guard, Reason, Stop};
use super::error::{DataError, DataErrorKind, DataResult, listed, quoted};
use super::table::{Table, check_names, unknown_column};
use super::time::Timestamp;

/// Reads the named columns of a CSV file.
///
/// The first line that is not blank is the header. Fields are separated by commas, or by `;`, tabs or `|`
/// if the header has no comma; they may be quoted as in RFC 4180, and lines may end in LF, CRLF or CR.
/// Where no comma separates fields, numbers may have a decimal comma (`1,5`), all of a column alike; the
/// [notes](Table::notes) of the table say which have. A byte-order mark, blank lines and spaces around
/// names and numbers are passed over, columns that were not asked for are not kept, and a gzip file is
/// unpacked on the way.
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
    let (file, name) = open(path.as_ref())?;
    read(file, &name, Some(columns), usize::MAX)
}

/// As [`read_csv`], from any reader; `name` is what errors call it (`stdin`).
///
/// # Errors
/// As [`read_csv`].
pub fn read_csv_from(reader: impl Read, name: &str, columns: &[Column]) -> DataResult<Table> {
    read(reader, name, Some(columns), usize::MAX)
}

/// Reads every column of a CSV file and finds out its kind: numbers if every filled cell is one, else
/// times if every cell is one, else text. A column without a name is called `column_N`. Where a few cells
/// made a text of what looks like numbers or times, the [notes](Table::notes) of the table say which.
///
/// # Errors
/// As [`read_csv`], less those about kinds.
pub fn read_csv_all(path: impl AsRef<Path>) -> DataResult<Table> {
    let (file, name) = open(path.as_ref())?;
    read(file, &name, None, usize::MAX)
}

/// As [`read_csv_all`], but no more than the first `rows` rows, and nothing is said about those behind them.
///
/// # Errors
/// As [`read_csv_all`].
pub fn read_csv_head(path: impl AsRef<Path>, rows: usize) -> DataResult<Table> {
    let (file, name) = open(path.as_ref())?;
    read(file, &name, None, rows)
}

/// As [`read_csv_all`], from any reader.
///
/// # Errors
/// As [`read_csv_all`].
pub fn read_csv_all_from(reader: impl Read, name: &str) -> DataResult<Table> {
    read(reader, name, None, usize::MAX)
}

fn open(path: &Path) -> DataResult<(File, String)> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| {
        DataError::new(DataErrorKind::Io, format!("cannot be opened: {e}"))
            .in_file(&name)
            .remedy("check the path and the permissions")
    })?;
    Ok((file, name))
}

/// Unpacks what starts with gzip's two magic bytes, and passes on everything else.
pub(super) fn unpacked<'a>(
    mut reader: impl Read + 'a,
    name: &str,
) -> DataResult<Box<dyn Read + 'a>> {
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
    columns: Option<&[Column]>,
    rows: usize,
) -> DataResult<Table> {
    let (delimiter, reader) =
        sniffed(unpacked(reader, name)?).map_err(|e| unreadable(&e).in_file(name))?;
    let guard = Guard::new(reader, delimiter);
    let mut reader = Reader {
        csv: csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(guard),
        delimiter,
        record: csv::ByteRecord::new(),
        line: 1,
        header: Vec::new(),
    };
    reader
        .table(name, columns, rows)
        .map_err(|e| e.in_file(name))
}

struct Reader<R: Read> {
    csv: csv::Reader<Guard<R>>,
    delimiter: u8,
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
    decimals: Decimals,
}

impl<R: Read> Reader<R> {
    fn table(&mut self, name: &str, columns: Option<&[Column]>, rows: usize) -> DataResult<Table> {
        self.read_header()?;
        let mut kept = match columns {
            Some(columns) => self.find(name, columns)?,
            None => (0..self.header.len())
                .map(|at| Kept {
                    at,
                    column: Column::text(self.header[at].clone()),
                    values: Values::empty(Kind::Text),
                    decimals: Decimals::new(self.delimiter),
                })
                .collect(),
        };
        let mut lines = Vec::new();
        while lines.len() < rows && self.next()? {
            if self.record.len() != self.header.len() {
                return Err(self.ragged());
            }
            for (at, field) in self.record.iter().enumerate() {
                std::str::from_utf8(field).map_err(|e| self.not_utf8(at, field, e))?;
            }
            for keep in &mut kept {
                // Checked just above, so nothing is ever replaced here.
                let text = String::from_utf8_lossy(&self.record[keep.at]);
                push(keep, &text).map_err(|e| {
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
        let mut commas = Vec::new();
        for mut keep in kept {
            let name = keep.column.name.clone();
            let values = match (keep.values, columns) {
                (Values::Text(texts), None) => {
                    let (values, why) = inferred(texts, &mut keep.decimals);
                    if let Some((row, why)) = why {
                        table.note(format!("`{name}` is text: line {} holds {why}", lines[row]));
                    }
                    values
                }
                (values, _) => values,
            };
            if keep.decimals.has_commas() && values.kind() == Kind::Number {
                commas.push(name.clone());
            }
            table.push_numbered(name, keep.at + 1, values)?;
        }
        if !commas.is_empty() {
            table.note(format!(
                "decimal commas in {}",
                listed(commas.iter().map(String::as_str), 8)
            ));
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
                        decimals: Decimals::new(self.delimiter),
                    });
                }
                None if column.optional => {}
                None => {
                    let names: Vec<&str> = self.header.iter().map(String::as_str).collect();
                    return Err(unknown_column(name, column.name(), &names).at_line(self.line));
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
            None => error.remedy("remove the surplus, or quote fields that contain a separator"),
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

fn push(keep: &mut Kept, text: &str) -> DataResult<()> {
    keep.values.reserve(1)?;
    match &mut keep.values {
        Values::Text(texts) => {
            let mut copy = String::new();
            copy.try_reserve_exact(text.len()).map_err(|_| {
                let what = format!("no memory for a text of {} bytes", text.len());
                DataError::new(DataErrorKind::Memory, what)
            })?;
            copy.push_str(text);
            texts.push(copy);
        }
        Values::Number(numbers) => {
            numbers.push(match number(text.trim(), &mut keep.decimals)? {
                Some(number) => number,
                None if keep.column.missing => f64::NAN,
                None => return Err(missing(text)),
            });
        }
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
fn number(text: &str, decimals: &mut Decimals) -> DataResult<Option<f64>> {
    if is_missing(text) {
        return Ok(None);
    }
    let pointed = decimals.pointed(text)?;
    let shown = quoted(text);
    match pointed.as_deref().unwrap_or(text).parse::<f64>() {
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

/// A column of texts as the narrowest kind that holds all of it; and if it stays text although most of its cells are numbers
/// or times, the row of the first that is not, and what it holds.
fn inferred(texts: Vec<String>, decimals: &mut Decimals) -> (Values, Option<(usize, String)>) {
    let numbers: Vec<_> = texts
        .iter()
        .map(|text| Ok(number(text.trim(), decimals)?.unwrap_or(f64::NAN)))
        .collect();
    let odd = odd_one(&texts, &numbers, "numbers");
    if let Ok(numbers) = numbers.into_iter().collect() {
        return (Values::Number(numbers), None);
    }
    let times: Vec<DataResult<Timestamp>> = texts.iter().map(|text| text.parse()).collect();
    let odd = odd.or_else(|| odd_one(&texts, &times, "times"));
    match times.into_iter().collect() {
        Ok(times) => (Values::Time(times), None),
        Err(_) => (Values::Text(texts), odd),
    }
}

/// The first cell that is not of a kind, if most of the filled ones are.
fn odd_one<T>(texts: &[String], read: &[DataResult<T>], kind: &str) -> Option<(usize, String)> {
    let of_kind = |row: &usize| read[*row].is_ok() && !is_missing(texts[*row].trim());
    let filled = texts.iter().filter(|text| !is_missing(text.trim())).count();
    let fit = (0..texts.len()).filter(of_kind).count();
    let first = read.iter().position(Result::is_err)?;
    (2 * fit > filled).then(|| {
        let cell = match texts[first].trim() {
            "" => "nothing".to_string(),
            cell => quoted(cell),
        };
        (
            first,
            format!("{cell}, while {fit} of {} cells are {kind}", texts.len()),
        )
    })
}
