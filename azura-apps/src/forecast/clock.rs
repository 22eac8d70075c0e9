//! The clock of a series: how far apart its rows are, what comes next, and where it is broken.

use azura_learner::data::{DataResult, Table, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::Irregular;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// How many days an exchange or an office may be closed before it is a gap and no holiday.
const CLOSED: i64 = 10;

/// The distance between neighbouring rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// So many seconds.
    Seconds(i64),
    /// So many months, on the same day of the month.
    Months {
        /// How many.
        count: u32,
        /// On the last day of the month, whichever that is.
        end: bool,
    },
    /// Monday to Friday, without holidays that nobody knows of in advance.
    Workdays,
}

impl Every {
    /// The distance that most neighbours have; `None` for fewer than two different times.
    ///
    /// Distances of 28 days and more are months if the day of the month stays, and days without any weekend among them are workdays.
    pub fn of(times: &[Timestamp]) -> Option<Self> {
        let mut steps: Vec<i64> = distances(times).filter(|&step| step > 0).collect();
        steps.sort_unstable();
        // Of equally frequent ones the smallest.
        let step = steps
            .chunk_by(|a, b| a == b)
            .rev()
            .max_by_key(|same| same.len())
            .map(|same| same[0])?;
        if step >= 28 * DAY {
            let mut months: Vec<i64> = times
                .windows(2)
                .map(|pair| month(pair[1]) - month(pair[0]))
                .filter(|&months| months > 0)
                .collect();
            months.sort_unstable();
            let count = months
                .chunk_by(|a, b| a == b)
                .rev()
                .max_by_key(|same| same.len())
                .map_or(0, |same| same[0]);
            let end = times.iter().all(|&t| is_month_end(t));
            let same_day = end || times.windows(2).all(|pair| pair[0].day() == pair[1].day());
            if count > 0 && same_day {
                let count = u32::try_from(count).unwrap_or(1);
                return Some(Every::Months { count, end });
            }
        }
        let over_weekend = || {
            let pairs = times.windows(2);
            let mut pairs = pairs.map(|pair| pair[0].seconds_until(pair[1]));
            pairs.any(|step| step == 3 * DAY)
        };
        if step == DAY && !times.iter().any(|t| t.is_weekend()) && over_weekend() {
            return Some(Every::Workdays);
        }
        Some(Every::Seconds(step))
    }

    /// The time after `t`.
    pub fn next(self, t: Timestamp) -> Timestamp {
        match self {
            Every::Seconds(seconds) => t.add_seconds(seconds),
            Every::Workdays => t.next_business_day(),
            Every::Months { count, end } => {
                let month = month(t) + i64::from(count);
                let wanted = if end { 31 } else { t.day() };
                let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
                // From the 31st on back to a day that the month has.
                let year = i32::try_from(year).unwrap_or(9999);
                (1..=wanted)
                    .rev()
                    .find_map(|day| {
                        let clock = (t.hour(), t.minute(), t.second());
                        Timestamp::from_civil(year, month, day, clock.0, clock.1, clock.2).ok()
                    })
                    .unwrap_or(t)
            }
        }
    }

    /// How many steps it is from one time to a later one; `None` if it is no whole number of them, at least 1.
    pub fn steps(self, from: Timestamp, to: Timestamp) -> Option<usize> {
        let seconds = from.seconds_until(to);
        if seconds <= 0 {
            return None;
        }
        let whole = |of: i64, by: i64| {
            (by > 0 && of % by == 0)
                .then(|| usize::try_from(of / by).ok())
                .flatten()
        };
        match self {
            Every::Seconds(step) => whole(seconds, step),
            Every::Workdays if seconds % DAY != 0 => None,
            Every::Workdays if seconds <= CLOSED * DAY => Some(1),
            // About five of seven days.
            Every::Workdays => usize::try_from(seconds / DAY * 5 / 7).ok(),
            Every::Months { count, end } => {
                let same_clock = from.is_midnight() == to.is_midnight()
                    && (from.hour(), from.minute(), from.second())
                        == (to.hour(), to.minute(), to.second());
                let same_day = from.day() == to.day() || (end && is_month_end(to));
                (same_clock && same_day)
                    .then(|| whole(month(to) - month(from), i64::from(count)))
                    .flatten()
            }
        }
    }

    /// Rows in the cycle that such series usually have, and the cycle's name: a day of hours, a week of days, a year
    /// of months or weeks. 1 where there is none.
    pub fn season(self) -> (usize, &'static str) {
        match self {
            Every::Seconds(s) if s > 0 && s < DAY && DAY % s == 0 => {
                (usize::try_from(DAY / s).unwrap_or(1), "a day")
            }
            Every::Seconds(DAY) => (7, "a week"),
            Every::Workdays => (5, "a week"),
            Every::Seconds(s) if s == 7 * DAY => (52, "a year"),
            Every::Months { count, .. } if count < 12 && 12 % count == 0 => {
                (12 / count as usize, "a year")
            }
            _ => (1, ""),
        }
    }

    /// `1 h`, `30 min`, `3 months`, `1 workday`.
    pub fn name(self) -> String {
        match self {
            Every::Seconds(seconds) => span(seconds),
            Every::Workdays => "1 workday".to_string(),
            Every::Months { count: 1, .. } => "1 month".to_string(),
            Every::Months { count, .. } if count % 12 == 0 => match count / 12 {
                1 => "1 year".to_string(),
                years => format!("{years} years"),
            },
            Every::Months { count, .. } => format!("{count} months"),
        }
    }
}

/// Months since the year 0.
fn month(t: Timestamp) -> i64 {
    i64::from(t.year()) * 12 + i64::from(t.month()) - 1
}

fn is_month_end(t: Timestamp) -> bool {
    t.add_days(1).day() == 1
}

fn distances(times: &[Timestamp]) -> impl Iterator<Item = i64> + '_ {
    times.windows(2).map(|pair| pair[0].seconds_until(pair[1]))
}

/// Seconds as a person says them.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        s if s % DAY == 0 && s != 0 => format!("{} d", s / DAY),
        s if s % HOUR == 0 && s != 0 => format!("{} h", s / HOUR),
        s if s % MINUTE == 0 => format!("{} min", s / MINUTE),
        s => format!("{s} s"),
    }
}

/// The first rows of new stretches, and what was found, one sentence each.
///
/// A row that is several steps after the one before follows a gap and begins a new stretch. A row that is no whole number of steps
/// after it, or not after it at all, is an error, unless `irregular` says that a new stretch begins there too.
///
/// # Errors
/// With the row, the times and the remedy.
pub(super) fn breaks(
    table: &Table,
    column: &str,
    every: Every,
    irregular: Irregular,
) -> DataResult<(Vec<usize>, Vec<String>)> {
    let times = table.times(column)?;
    let steps: Vec<Option<usize>> = times
        .windows(2)
        .map(|pair| every.steps(pair[0], pair[1]))
        .collect();
    // Where nothing follows anything it is no use to begin anew.
    let lenient = irregular == Irregular::Break && steps.contains(&Some(1));
    let (mut breaks, mut lost, mut jumps) = (Vec::new(), 0, 0);
    for (row, steps) in steps.into_iter().enumerate() {
        match steps {
            Some(1) => continue,
            Some(steps) if steps <= times.len() || !lenient => lost += steps - 1,
            // Also what would be a gap of more rows than there are.
            _ if lenient => jumps += 1,
            _ => return Err(refused(table, column, row + 1, every)),
        }
        breaks.push(row + 1);
    }
    let Some(&first) = breaks.first() else {
        return Ok((breaks, Vec::new()));
    };
    let stretches = breaks.len() + 1;
    let why = match (lost, jumps) {
        (lost, 0) => format!(
            "{} in which {lost} rows are missing",
            counted(breaks.len(), "gap")
        ),
        (0, jumps) => counted(jumps, "jump"),
        (lost, jumps) => format!(
            "{} in which {lost} rows are missing and {}",
            counted(breaks.len() - jumps, "gap"),
            counted(jumps, "jump")
        ),
    };
    let note = format!(
        "{stretches} stretches of rows {} apart, by {why} (the first: {} to {}); no window reaches across one",
        every.name(),
        times[first - 1].iso(),
        times[first].iso()
    );
    Ok((breaks, vec![note]))
}

fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn refused(
    table: &Table,
    column: &str,
    row: usize,
    every: Every,
) -> azura_learner::data::DataError {
    let Ok(times) = table.times(column) else {
        return table.error_at(row, column, "is no time".to_string(), "correct the row");
    };
    let (before, now) = (times[row - 1], times[row]);
    let seconds = before.seconds_until(now);
    let (what, remedy) = match seconds {
        0 => (
            format!("{} stands in the row above too", now.iso()),
            "remove one of the two rows, or have each step's rows made one by their mean: data.resample".to_string(),
        ),
        s if s < 0 => (
            format!("is {} before the row above", span(-s)),
            "sort the rows, oldest first".to_string(),
        ),
        s => (
            format!(
                "is {} after the row above, but rows are {} apart",
                span(s),
                every.name()
            ),
            "correct the row, have rows put on a grid by their means (such as data.resample=\"1h\"), or begin a new stretch there: data.irregular=break".to_string(),
        ),
    };
    table.error_at(row, column, what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn of(texts: &[&str]) -> Every {
        let times: Vec<Timestamp> = texts.iter().map(|text| t(text)).collect();
        Every::of(&times).unwrap()
    }

    #[test]
    fn the_clock_is_found_and_goes_on() {
        let cases: &[(&[&str], &str, &str, usize)] = &[
            (
                &["2020-01-01T22:00", "2020-01-01T23:00"],
                "1 h",
                "2020-01-02T00:00:00",
                24,
            ),
            (
                &[
                    "2020-01-01T00:00",
                    "2020-01-01T00:30",
                    "2020-01-01T01:30",
                    "2020-01-01T02:00",
                ],
                "30 min",
                "2020-01-01T02:30:00",
                48,
            ),
            (
                &["2020-02-28", "2020-02-29"],
                "1 d",
                "2020-03-01T00:00:00",
                7,
            ),
            (
                &["2020-01-31", "2020-02-29", "2020-03-31"],
                "1 month",
                "2020-04-30T00:00:00",
                12,
            ),
            (
                &["2020-11-01", "2020-12-01"],
                "1 month",
                "2021-01-01T00:00:00",
                12,
            ),
            (
                &["2020-01-15", "2020-04-15", "2020-07-15"],
                "3 months",
                "2020-10-15T00:00:00",
                4,
            ),
            (
                &["1700", "1701", "1702", "1703", "1704"],
                "1 year",
                "1705-01-01T00:00:00",
                1,
            ),
            (
                &["2020-01-06", "2020-01-13"],
                "7 d",
                "2020-01-20T00:00:00",
                52,
            ),
            (
                &["2013-03-01", "2013-03-04", "2013-03-05", "2013-03-06"],
                "1 workday",
                "2013-03-07T00:00:00",
                5,
            ),
            (
                &["2013-02-28", "2013-03-01", "2013-03-02", "2013-03-03"],
                "1 d",
                "2013-03-04T00:00:00",
                7,
            ),
        ];
        for (times, name, next, season) in cases {
            let every = of(times);
            assert_eq!(every.name(), *name, "{times:?}");
            assert_eq!(
                every.next(t(times[times.len() - 1])).iso(),
                *next,
                "{times:?}"
            );
            assert_eq!(every.season().0, *season, "{times:?}");
        }
        assert_eq!(Every::of(&[t("2020")]), None);
        assert_eq!(Every::of(&[t("2020"), t("2020")]), None);
        // 30 January and a month: there is no 30 February.
        let monthly = Every::Months {
            count: 1,
            end: false,
        };
        assert_eq!(monthly.next(t("2021-01-30")).iso_date(), "2021-02-28");
        assert_eq!(monthly.next(t("2021-01-05")).iso_date(), "2021-02-05");
    }

    #[test]
    fn steps_are_counted() {
        let hour = Every::Seconds(HOUR);
        assert_eq!(
            hour.steps(t("2020-01-01T00:00"), t("2020-01-01T03:00")),
            Some(3)
        );
        assert_eq!(
            hour.steps(t("2020-01-01T00:00"), t("2020-01-01T00:30")),
            None
        );
        assert_eq!(
            hour.steps(t("2020-01-01T01:00"), t("2020-01-01T00:00")),
            None
        );
        assert_eq!(hour.steps(t("2020-01-01"), t("2020-01-01")), None);
        let month = Every::Months {
            count: 1,
            end: false,
        };
        assert_eq!(month.steps(t("2019-12-01"), t("2020-02-01")), Some(2));
        assert_eq!(month.steps(t("2019-12-01"), t("2020-02-02")), None);
        let end = Every::Months {
            count: 1,
            end: true,
        };
        assert_eq!(end.steps(t("2020-01-31"), t("2020-02-29")), Some(1));
        // Over a holiday, and after a month without trade.
        assert_eq!(
            Every::Workdays.steps(t("2013-01-18"), t("2013-01-22")),
            Some(1)
        );
        assert_eq!(
            Every::Workdays.steps(t("2013-01-01"), t("2013-01-29")),
            Some(20)
        );
    }

    #[test]
    fn gaps_are_told_and_what_is_irregular_is_refused_with_its_place() {
        let table = |hours: &[i64]| {
            let times: Vec<Timestamp> = hours
                .iter()
                .map(|&half| t("2020-03-01T00:00").add_seconds(half * 1800))
                .collect();
            Table::new("mine.csv").with("time", times).unwrap()
        };
        let hour = Every::Seconds(HOUR);
        let (rows, notes) =
            breaks(&table(&[0, 2, 6, 8, 14]), "time", hour, Irregular::Error).unwrap();
        assert_eq!(rows, [2, 4]);
        assert_eq!(
            notes,
            [
                "3 stretches of rows 1 h apart, by 2 gaps in which 3 rows are missing (the first: 2020-03-01T01:00:00 to \
              2020-03-01T03:00:00); no window reaches across one"
            ]
        );
        let refuse = |hours: &[i64]| {
            breaks(&table(hours), "time", hour, Irregular::Error)
                .unwrap_err()
                .to_string()
        };
        let half = refuse(&[0, 2, 3]);
        assert!(
            half.starts_with("mine.csv: column `time` (1): row index 2: is 30 min after the row above, but rows are 1 h apart"),
            "{half}"
        );
        assert!(refuse(&[0, 2, 2]).contains("2020-03-01T01:00:00 stands in the row above too"));
        assert!(refuse(&[0, 2, 0]).contains("is 1 h before the row above; sort the rows"));
        let (rows, notes) =
            breaks(&table(&[0, 2, 3, 5, 1, 5]), "time", hour, Irregular::Break).unwrap();
        assert_eq!(rows, [2, 4, 5]);
        assert!(
            notes[0].contains("1 gap in which 1 rows are missing and 2 jumps"),
            "{notes:?}"
        );
    }
}
