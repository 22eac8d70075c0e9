//! Rows put on a regular grid: one row a step, with the mean of each column.

use std::collections::BTreeMap;

use azura_learner::data::{DataResult, Kind, Table, Timestamp};

use super::clock::Every;
use super::source::{Missing, rows};

const DAY: i64 = 86_400;

/// Empty rows at most: a second's grid over a century would have 3·10⁹.
const MOST: usize = 10_000_000;

/// The step that a text such as `30min`, `1h`, `1d`, `1w`, `1mo` or `1y` means.
pub(super) fn step(text: &str) -> Result<Every, String> {
    let refuse = || format!("`{text}` is no step of time");
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(refuse)?;
    let (count, unit) = text.split_at(at);
    let count: i64 = match count {
        "" => 1,
        digits => digits.parse().map_err(|_| refuse())?,
    };
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => DAY,
        "w" => 7 * DAY,
        "mo" | "y" => {
            let months = count * if unit.trim() == "y" { 12 } else { 1 };
            return match u32::try_from(months) {
                Ok(count @ 1..=1200) => Ok(Every::Months { count, end: false }),
                _ => Err(refuse()),
            };
        }
        _ => return Err(refuse()),
    };
    match count.checked_mul(seconds) {
        Some(seconds @ 1..=31_536_000) => Ok(Every::Seconds(seconds)),
        _ => Err(refuse()),
    }
}

/// When the step begins that a time lies in.
fn begin(every: Every, t: Timestamp) -> Timestamp {
    match every {
        Every::Seconds(seconds) => {
            // Weeks begin on a Monday; 1970-01-01 was a Thursday.
            let monday = if seconds % (7 * DAY) == 0 { 4 * DAY } else { 0 };
            Timestamp::from_unix((t.unix() - monday).div_euclid(seconds) * seconds + monday)
        }
        Every::Months { count, .. } => {
            let count = i64::from(count);
            let month =
                (i64::from(t.year()) * 12 + i64::from(t.month()) - 1).div_euclid(count) * count;
            let year = i32::try_from(month.div_euclid(12)).unwrap_or(1);
            Timestamp::from_civil(year.max(1), month.rem_euclid(12) as u32 + 1, 1, 0, 0, 0)
                .unwrap_or(t)
        }
        Every::Workdays => t,
    }
}

/// The table with one row for each step, named by its beginning: the mean of every number that is there, and the first
/// text. Steps without a row become empty ones where empty cells are filled, and stay gaps otherwise.
///
/// # Errors
/// If the column of times is not there.
pub(super) fn resampled(
    table: &Table,
    time: &str,
    text: &str,
    missing: Missing,
) -> DataResult<(Table, String)> {
    let every =
        step(text).map_err(|what| table.error_at(0, time, what, "write data.resample=1h"))?;
    let mut bins: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
    for (row, &t) in table.times(time)?.iter().enumerate() {
        bins.entry(begin(every, t)).or_default().push(row);
    }
    let mut empty = 0;
    if matches!(missing, Missing::Ffill | Missing::Interpolate) {
        let starts: Vec<Timestamp> = bins.keys().copied().collect();
        for pair in starts.windows(2) {
            let mut next = every.next(pair[0]);
            while next < pair[1] {
                bins.entry(next).or_default();
                empty += 1;
                if empty > MOST {
                    let what =
                        format!("data.resample={text} makes over {MOST} rows without a value");
                    return Err(table.error_at(0, time, what, "use a longer step"));
                }
                next = every.next(next);
            }
        }
    }
    let mut made = Table::new(table.source());
    for (name, _) in table.columns() {
        match table.kind(name) {
            _ if name == time => made.push(name, bins.keys().copied().collect::<Vec<_>>())?,
            Some(Kind::Number) => {
                let values = table.numbers(name)?;
                let mean = |rows: &Vec<usize>| {
                    let there = rows.iter().map(|&row| values[row]).filter(|x| !x.is_nan());
                    let (sum, n) = there.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
                    if n > 0.0 { sum / n } else { f64::NAN }
                };
                made.push(name, bins.values().map(mean).collect::<Vec<f64>>())?;
            }
            _ => {}
        }
    }
    let note = format!(
        "{} made of {}, one each {}{}",
        rows(made.len()),
        rows(table.len()),
        every.name(),
        match empty {
            0 => String::new(),
            n => format!(", {n} of them without a value"),
        }
    );
    Ok((made, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        assert_eq!(step("30min"), Ok(Every::Seconds(1800)));
        assert_eq!(step("h"), Ok(Every::Seconds(3600)));
        assert_eq!(step("1w"), Ok(Every::Seconds(7 * DAY)));
        assert_eq!(
            step("3mo"),
            Ok(Every::Months {
                count: 3,
                end: false
            })
        );
        for text in [
            "",
            "1",
            "0h",
            "1 fortnight",
            "99999999999999999999h",
            "9999999y",
            "-1h",
        ] {
            assert!(step(text).is_err(), "{text}");
        }
    }

    #[test]
    fn means_of_each_step_in_the_order_of_time() {
        let times = [
            "2020-01-01T02:10",
            "2020-01-01T00:50",
            "2020-01-01T00:10",
            "2020-01-01T04:00",
        ];
        let times: Vec<Timestamp> = times.iter().map(|t| t.parse().unwrap()).collect();
        let table = Table::new("t")
            .with("x", vec![5.0, 3.0, 1.0, f64::NAN])
            .unwrap()
            .with("time", times)
            .unwrap();
        let (made, note) = resampled(&table, "time", "1h", Missing::Error).unwrap();
        let starts: Vec<String> = made
            .times("time")
            .unwrap()
            .iter()
            .map(|t| t.iso())
            .collect();
        assert_eq!(
            starts,
            [
                "2020-01-01T00:00:00",
                "2020-01-01T02:00:00",
                "2020-01-01T04:00:00"
            ]
        );
        assert_eq!(made.numbers("x").unwrap()[..2], [2.0, 5.0]);
        assert!(made.numbers("x").unwrap()[2].is_nan());
        assert_eq!(note, "3 rows made of 4 rows, one each 1 h");
        let (made, note) = resampled(&table, "time", "1h", Missing::Ffill).unwrap();
        assert_eq!(made.len(), 5);
        assert!(note.ends_with("2 of them without a value"), "{note}");
        // A week begins on Monday, a month on its first day.
        let t: Timestamp = "2020-05-07T13:00".parse().unwrap();
        assert_eq!(begin(step("1w").unwrap(), t).iso_date(), "2020-05-04");
        assert_eq!(begin(step("1mo").unwrap(), t).iso_date(), "2020-05-01");
        assert_eq!(begin(step("1y").unwrap(), t).iso_date(), "2020-01-01");
    }
}
