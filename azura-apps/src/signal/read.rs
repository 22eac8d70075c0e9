//! Series from files: the `.ts` files of the UCR and UEA archives, CSV files with a series in each row, and the bundled days.

use std::fs;
use std::path::{Path, PathBuf};

use azura_learner::data::{
    DataError, DataErrorKind, DataResult, Table, Values, check_memory, quoted, read_csv_all,
    read_csv_all_from,
};

use crate::forecast::Dataset::Greensboro;

/// A series: the values of each of its channels, all equally long.
pub(super) type Series = Vec<Vec<f32>>;

/// Series with their classes, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    pub series: Vec<Series>,
    pub labels: Vec<String>,
    /// The line of each, if it came from a file.
    pub lines: Vec<f64>,
    /// Names of the columns of a CSV file.
    pub columns: Option<Vec<String>>,
}

/// Whether a file is of the archives' kind.
pub(super) fn is_ts(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("ts"))
}

/// The file of test series that belongs to one of training series.
pub(super) fn test_file(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?.strip_suffix("_TRAIN")?;
    let ending = path.extension()?.to_str()?;
    let test = path.with_file_name(format!("{stem}_TEST.{ending}"));
    test.is_file().then_some(test)
}

/// Reads a `.ts` file: a head of lines that begin with `@`, then `@data`, and in each line the channels of a series with `:` between
/// them and its class behind the last. Lines that begin with `#` are comments.
pub(super) fn ts(path: &Path) -> DataResult<Labelled> {
    let name = path.display().to_string();
    let io = |e: std::io::Error| {
        DataError::new(DataErrorKind::Io, format!("cannot be read: {e}"))
            .in_file(&name)
            .remedy("check the path and the permissions")
    };
    let size = usize::try_from(fs::metadata(path).map_err(io)?.len()).unwrap_or(usize::MAX);
    check_memory(size.saturating_mul(4)).map_err(|e| e.in_file(&name))?;
    let bytes = fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let error = DataError::new(DataErrorKind::Encoding, "is not UTF-8 text").in_file(&name);
        error.remedy("save the file as UTF-8")
    })?;
    ts_text(&text).map_err(|error| error.in_file(&name))
}

fn ts_text(text: &str) -> DataResult<Labelled> {
    let mut read = Labelled::default();
    let mut in_data = false;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        let refuse = |kind, what: String, remedy: &str| {
            let error = DataError::new(kind, what).at_line(i as u64 + 1);
            Err(error.remedy(remedy))
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !in_data {
            let lower = line.to_lowercase();
            if lower.starts_with("@timestamps") && lower.ends_with("true") {
                let what = "series with times of their own are not read".to_string();
                return refuse(
                    DataErrorKind::Other,
                    what,
                    "write values at equal distances",
                );
            }
            if !line.starts_with('@') {
                let what = format!("{} stands before @data", quoted(line));
                return refuse(
                    DataErrorKind::Header,
                    what,
                    "give a .ts file, or name a table .csv",
                );
            }
            in_data = lower == "@data";
            continue;
        }
        let mut channels: Vec<&str> = line.split(':').collect();
        let label = channels.pop().unwrap_or_default().trim();
        if channels.is_empty() || label.is_empty() {
            let what = "a series needs values, a `:` and a class".to_string();
            return refuse(DataErrorKind::Ragged, what, "write it as 1.5,2.5:CLASS");
        }
        let mut series = Series::new();
        for channel in channels {
            let mut values = Vec::new();
            for value in channel.split(',') {
                match value.trim().parse::<f32>() {
                    Ok(x) if x.is_finite() => values.push(x),
                    _ => {
                        let what = format!("{} is not a number", quoted(value));
                        return refuse(
                            DataErrorKind::NotANumber,
                            what,
                            "fill in a value, or leave the series out",
                        );
                    }
                }
            }
            series.push(values);
        }
        if let Some(other) = series.iter().find(|c| c.len() != series[0].len()) {
            let what = format!(
                "channels of {} and {} values in one series",
                series[0].len(),
                other.len()
            );
            return refuse(
                DataErrorKind::Ragged,
                what,
                "give all channels of a series equally many",
            );
        }
        if let Some(first) = read
            .series
            .first()
            .filter(|first| first.len() != series.len())
        {
            let what = format!(
                "{} channels, but the first series has {}",
                series.len(),
                first.len()
            );
            return refuse(
                DataErrorKind::Ragged,
                what,
                "give all series equally many channels",
            );
        }
        read.series.push(series);
        read.labels.push(label.to_string());
        read.lines.push(i as f64 + 1.0);
    }
    if read.series.is_empty() {
        let error = DataError::new(DataErrorKind::Empty, "there is no series after @data");
        return Err(error.remedy("give a .ts file with series"));
    }
    Ok(read)
}

/// Reads a CSV file with a series in each row: one column is the class, the others are values in their order.
pub(super) fn csv(path: &Path, target: &str) -> DataResult<Labelled> {
    let table = read_csv_all(path)?;
    let names = table.names();
    let target = match target {
        "" => names.last().copied().unwrap_or_default().to_string(),
        name => name.to_string(),
    };
    let labels = match table.values(&target)? {
        Values::Text(v) => v.iter().map(|label| label.trim().to_string()).collect(),
        Values::Number(v) => v.iter().map(f64::to_string).collect(),
        Values::Time(v) => v.iter().map(|time| time.iso()).collect::<Vec<_>>(),
    };
    let missing = |label: &String| label.is_empty() || label == "NaN";
    if let Some(row) = labels.iter().position(missing) {
        return Err(table.error_at(
            row,
            &target,
            "the class is missing",
            "fill it in or remove the row",
        ));
    }
    let columns: Vec<String> = names
        .iter()
        .filter(|name| **name != target)
        .map(ToString::to_string)
        .collect();
    let series = from_table(&table, std::slice::from_ref(&columns))?;
    Ok(Labelled {
        series,
        labels,
        lines: (0..table.len())
            .filter_map(|row| table.line(row))
            .map(|line| line as f64)
            .collect(),
        columns: Some(columns),
    })
}

/// The series in the rows of a table: for each channel the columns of its values. Empty cells at the end make a series shorter.
pub(super) fn from_table(table: &Table, channels: &[Vec<String>]) -> DataResult<Vec<Series>> {
    let columns: Vec<Vec<&[f64]>> = channels
        .iter()
        .map(|names| names.iter().map(|name| table.numbers(name)).collect())
        .collect::<DataResult<_>>()?;
    let series = |row: usize| -> DataResult<Series> {
        let filled = |column: &[&[f64]]| {
            column
                .iter()
                .rposition(|v| !v[row].is_nan())
                .map_or(0, |last| last + 1)
        };
        let length = columns
            .iter()
            .map(|channel| filled(channel))
            .max()
            .unwrap_or(0);
        if length == 0 {
            let name = channels[0].first().map_or("", String::as_str);
            return Err(table.error_at(
                row,
                name,
                "the series has no value",
                "fill in values or remove the row",
            ));
        }
        let mut series = Series::new();
        for (values, names) in columns.iter().zip(channels) {
            let mut channel = Vec::with_capacity(length);
            for (value, name) in values.iter().zip(names).take(length) {
                let x = value[row] as f32;
                if !x.is_finite() {
                    return Err(table.error_at(
                        row,
                        name,
                        "a value is missing or too large",
                        "fill it in or remove the row",
                    ));
                }
                channel.push(x);
            }
            series.push(channel);
        }
        Ok(series)
    };
    (0..table.len()).map(series).collect()
}

/// The days of the bundled weather: 24 hourly temperatures each, and the season as class.
pub(super) fn days() -> DataResult<Labelled> {
    let bundled = Greensboro.bundled();
    let table = read_csv_all_from(bundled.text.as_bytes(), bundled.name)?;
    let (times, values) = (table.times("time")?, table.numbers("temperature_2m")?);
    let mut read = Labelled::default();
    for (i, day) in values.chunks_exact(24).enumerate() {
        // The last hour of a day ends on the next.
        let season = match times[i * 24].month() {
            12 | 1 | 2 => "winter",
            3..=5 => "spring",
            6..=8 => "summer",
            _ => "autumn",
        };
        read.series
            .push(vec![day.iter().map(|&x| x as f32).collect()]);
        read.labels.push(season.to_string());
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_read() {
        let text = "# about\n@problemName x\n@univariate false\n@classLabel true a b\n@data\n1,2.5:-1,0:a\n\n3:4:b\n";
        let read = ts_text(text).unwrap();
        assert_eq!(read.labels, ["a", "b"]);
        assert_eq!(
            read.series,
            [
                vec![vec![1.0, 2.5], vec![-1.0, 0.0]],
                vec![vec![3.0], vec![4.0]]
            ]
        );
        assert_eq!(read.lines, [6.0, 8.0]);
    }

    #[test]
    fn broken_archives_say_where() {
        for (text, why) in [
            ("1,2:a\n", "line 1: \"1,2:a\" stands before @data"),
            ("@data\n1,?:a\n", "line 2: \"?\" is not a number"),
            ("@data\n1,2\n", "line 2: a series needs values"),
            ("@data\n1,2:\n", "line 2: a series needs values"),
            ("@data\n1,2:1:a\n", "line 2: channels of 2 and 1 values"),
            (
                "@data\n1:a\n1:2:a\n",
                "line 3: 2 channels, but the first series has 1",
            ),
            ("@timeStamps true\n@data\n", "line 1: series with times"),
            ("@data\n", "there is no series after @data"),
            ("", "there is no series after @data"),
        ] {
            let error = ts_text(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn rows_are_series_and_may_be_shorter() {
        let table = Table::new("t")
            .with("a", vec![1.0, 2.0])
            .and_then(|t| t.with("b", vec![3.0, f64::NAN]))
            .unwrap();
        let names = vec!["a".to_string(), "b".to_string()];
        assert_eq!(
            from_table(&table, std::slice::from_ref(&names)).unwrap(),
            [vec![vec![1.0, 3.0]], vec![vec![2.0]]]
        );
        let turned = vec!["b".to_string(), "a".to_string()];
        let error = from_table(&table, &[turned]).unwrap_err().to_string();
        assert!(
            error.contains("column `b`") && error.contains("missing"),
            "{error}"
        );
    }

    #[test]
    fn the_bundled_days_are_a_year() {
        let days = days().unwrap();
        assert_eq!(
            (days.series.len(), days.labels[0].as_str()),
            (365, "winter")
        );
        assert_eq!(days.labels.iter().filter(|l| *l == "summer").count(), 92);
    }
}
