//! Points in time of a series.
//!
//! A [`Timestamp`] is what a clock on the wall shows: a date and a time of day without a zone. Series of
//! prices and weather are recorded that way, and every hour or day has the same length. No zone
//! database is needed for that, only the proleptic Gregorian calendar, which is thirty lines
//! (Howard Hinnant, "chrono-compatible low-level date algorithms"), so there is no date crate here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{DataError, DataErrorKind, DataResult, quoted};

pub(super) const DAY: i64 = 86_400;
// 0001-01-01 and 9999-12-31T23:59:59, the years that ISO 8601 writes with four digits.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// A date and time of day, to the second, without a time zone.
///
/// Read from ISO 8601 (`2013-05-01`, `2013-05-01 13:00`, `2013-05-01T13:00:00Z`, offsets such as
/// `+02:00` are taken off so that UTC remains; `20130501`; `2013-05` and `2013` are their first day) and from US dates
/// (`1/4/1999`, `01/01/1988 24:00`).
/// `24:00` is the midnight that ends the day. Serialised as ISO text.
///
/// ```
/// use azura_learner::data::Timestamp;
/// let friday: Timestamp = "2013-05-03T16:00".parse()?;
/// assert_eq!(friday.weekday(), 4);
/// assert_eq!(friday.next_business_day().iso(), "2013-05-06T16:00:00");
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Seconds since 1970-01-01T00:00:00; years outside of 1 to 9999 are clamped to them.
    pub fn from_unix(seconds: i64) -> Self {
        Timestamp(seconds.clamp(FIRST, LAST))
    }

    /// Seconds since 1970-01-01T00:00:00.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// From the parts of a date and a time of day.
    ///
    /// # Errors
    /// [`DataErrorKind::NotATime`] if the calendar has no such date or the day no such time.
    pub fn from_civil(
        year: i32,
        month: u32,
        day: u32,
        hour: u32,
        minute: u32,
        second: u32,
    ) -> DataResult<Self> {
        let refuse = |rule: String| Err(DataError::new(DataErrorKind::NotATime, rule));
        if !(1..=9999).contains(&year) {
            return refuse(format!("year {year} is not between 1 and 9999"));
        }
        if !(1..=12).contains(&month) {
            return refuse(format!("month {month} is not between 1 and 12"));
        }
        if day == 0 || day > days_in_month(year, month) {
            return refuse(format!("there is no day {day} in {year:04}-{month:02}"));
        }
        let ends_the_day = hour == 24 && minute == 0 && second == 0;
        if !(hour < 24 || ends_the_day) || minute > 59 || second > 59 {
            return refuse(format!(
                "there is no time {hour:02}:{minute:02}:{second:02}"
            ));
        }
        let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Ok(Timestamp::from_unix(
            days_from_civil(year, month, day) * DAY + of_day,
        ))
    }

    fn civil(self) -> (i32, u32, u32) {
        civil_from_days(self.0.div_euclid(DAY))
    }

    pub(super) fn second_of_day(self) -> u32 {
        self.0.rem_euclid(DAY) as u32
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> i32 {
        self.civil().0
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u32 {
        self.civil().1
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u32 {
        self.civil().2
    }

    /// The hour, 0 to 23.
    pub fn hour(self) -> u32 {
        self.second_of_day() / 3600
    }

    /// The minute, 0 to 59.
    pub fn minute(self) -> u32 {
        self.second_of_day() / 60 % 60
    }

    /// The second, 0 to 59.
    pub fn second(self) -> u32 {
        self.second_of_day() % 60
    }

    /// The day of the week, Monday 0 to Sunday 6.
    pub fn weekday(self) -> u32 {
        // 1970-01-01 was a Thursday.
        (self.0.div_euclid(DAY) + 3).rem_euclid(7) as u32
    }

    /// The day of the year, 1 to 366.
    pub fn day_of_year(self) -> u32 {
        (self.0.div_euclid(DAY) - days_from_civil(self.year(), 1, 1)) as u32 + 1
    }

    /// Whether it is a Saturday or a Sunday.
    pub fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }

    /// So many seconds later (earlier if negative).
    #[must_use]
    pub fn add_seconds(self, seconds: i64) -> Self {
        Timestamp::from_unix(self.0.saturating_add(seconds))
    }

    /// So many hours later (earlier if negative).
    #[must_use]
    pub fn add_hours(self, hours: i64) -> Self {
        self.add_seconds(hours.saturating_mul(3600))
    }

    /// So many days later (earlier if negative), at the same time of day.
    #[must_use]
    pub fn add_days(self, days: i64) -> Self {
        self.add_seconds(days.saturating_mul(DAY))
    }

    /// The next day that is neither Saturday nor Sunday, at the same time of day.
    ///
    /// Exchange holidays are not known to it.
    #[must_use]
    pub fn next_business_day(self) -> Self {
        self.add_days(match self.weekday() {
            4 => 3,
            5 => 2,
            _ => 1,
        })
    }

    /// Seconds from here to `later`; negative if that is earlier.
    pub fn seconds_until(self, later: Timestamp) -> i64 {
        later.0 - self.0
    }

    /// Whether the time of day is 00:00:00.
    pub fn is_midnight(self) -> bool {
        self.second_of_day() == 0
    }

    /// `2013-05-01T13:00:00`.
    pub fn iso(self) -> String {
        let (h, m, s) = (self.hour(), self.minute(), self.second());
        format!("{}T{h:02}:{m:02}:{s:02}", self.iso_date())
    }

    /// `2013-05-01`.
    pub fn iso_date(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

impl FromStr for Timestamp {
    type Err = DataError;

    fn from_str(text: &str) -> DataResult<Self> {
        parse(text.trim()).map_err(|reason| {
            let reason = reason.unwrap_or_else(|| "is not a date or time".to_string());
            DataError::new(
                DataErrorKind::NotATime,
                format!("{} {reason}", quoted(text)),
            )
            .remedy("write it like 2013-05-01, 2013-05-01T13:00:00 or 5/1/2013")
        })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.iso())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

// `Err(None)` is "not of this form at all", `Err(Some(..))` a form that was understood but refused.
type Parsed<T> = Result<T, Option<String>>;

fn parse(text: &str) -> Parsed<Timestamp> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
        None => (text, None),
    };
    let (year, month, day) = if date.contains('/') {
        let [month, day, year] = numbers(date, '/', [1..=2, 1..=2, 4..=4])?;
        (year, month, day)
    } else {
        match (date.len(), date.matches('-').count()) {
            (4, 0) if rest.is_none() => (numbers(date, '-', [4..=4])?[0], 1, 1),
            (8, 0) => {
                let whole = numbers(date, '-', [8..=8])?[0];
                (whole / 10_000, whole / 100 % 100, whole % 100)
            }
            (_, 1) if rest.is_none() => {
                let [year, month] = numbers(date, '-', [4..=4, 1..=2])?;
                (year, month, 1)
            }
            _ => {
                let [year, month, day] = numbers(date, '-', [4..=4, 1..=2, 1..=2])?;
                (year, month, day)
            }
        }
    };
    let (mut clock, mut offset) = ([0; 3], 0);
    if let Some(rest) = rest {
        let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
            Some(at) => (rest[..at].trim_end(), &rest[at..]),
            None => (rest, ""),
        };
        clock = time_of_day(time)?;
        offset = zone_offset(zone)?;
    }
    let [hour, minute, second] = clock;
    Timestamp::from_civil(year as i32, month, day, hour, minute, second)
        .map(|t| t.add_seconds(-offset))
        .map_err(|e| Some(format!("is no time: {}", e.what())))
}

fn time_of_day(text: &str) -> Parsed<[u32; 3]> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(None);
    }
    if fraction.bytes().any(|b| b != b'0') {
        return Err(Some(
            "has a fraction of a second, which is not kept".to_string(),
        ));
    }
    if text.matches(':').count() == 1 {
        let [hour, minute] = numbers(text, ':', [1..=2, 2..=2])?;
        Ok([hour, minute, 0])
    } else {
        numbers(text, ':', [1..=2, 2..=2, 2..=2])
    }
}

/// Seconds that the zone is ahead of UTC.
fn zone_offset(zone: &str) -> Parsed<i64> {
    let Some(sign) = zone.chars().next() else {
        return Ok(0);
    };
    let (sign, rest) = match sign {
        'Z' | 'z' if zone.len() == 1 => return Ok(0),
        '+' => (1, &zone[1..]),
        '-' => (-1, &zone[1..]),
        _ => return Err(None),
    };
    let [hours, minutes] = match rest.len() {
        2 => [numbers(rest, ':', [2..=2])?[0], 0],
        4 if rest.is_ascii() => numbers(
            &format!("{}:{}", &rest[..2], &rest[2..]),
            ':',
            [2..=2, 2..=2],
        )?,
        _ => numbers(rest, ':', [2..=2, 2..=2])?,
    };
    if hours > 18 || minutes > 59 {
        return Err(Some("has an offset of more than 18 hours".to_string()));
    }
    Ok(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// `N` runs of digits between separators, each with as many digits as its range allows.
fn numbers<const N: usize>(
    text: &str,
    separator: char,
    digits: [std::ops::RangeInclusive<usize>; N],
) -> Parsed<[u32; N]> {
    let mut out = [0; N];
    let mut parts = text.split(separator);
    for (slot, digits) in out.iter_mut().zip(&digits) {
        let part = parts.next().ok_or(None)?;
        if !digits.contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(None);
        }
        *slot = part.parse().map_err(|_| None)?;
    }
    if parts.next().is_some() {
        Err(None)
    } else {
        Ok(out)
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap(year)),
        _ => 31,
    }
}

// Days since 1970-01-01. Years begin in March so that the leap day comes last.
fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn reads_every_documented_form() {
        let cases = [
            ("2013-05-01", "2013-05-01T00:00:00"),
            ("2013-05-01 13:00", "2013-05-01T13:00:00"),
            ("2013-05-01T13:00:05Z", "2013-05-01T13:00:05"),
            ("2013-05-01T13:00:05.000", "2013-05-01T13:00:05"),
            ("2013-05-01T13:00:00+02:00", "2013-05-01T11:00:00"),
            ("2013-05-01T23:00:00-0230", "2013-05-02T01:30:00"),
            ("2013-05-01T13:00+02", "2013-05-01T11:00:00"),
            ("1/4/1999", "1999-01-04T00:00:00"),
            ("12/31/1988 24:00", "1989-01-01T00:00:00"),
            (" 2016-02-29 ", "2016-02-29T00:00:00"),
            ("1700", "1700-01-01T00:00:00"),
            ("1949-05", "1949-05-01T00:00:00"),
            ("19580329", "1958-03-29T00:00:00"),
            ("19580329T06:00", "1958-03-29T06:00:00"),
            ("0001-01-01", "0001-01-01T00:00:00"),
            ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ];
        for (text, iso) in cases {
            assert_eq!(t(text).iso(), iso, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "x",
            "213",
            "20131",
            "2013-13",
            "2013 12:00",
            "20131301",
            "2013-13-01",
            "2013-02-29",
            "2013-5-1-1",
            "13-05-01",
            "2013-05-01T25:00",
            "2013-05-01T24:01",
            "2013-05-01T13",
            "2013-05-01T13:00:00.5",
            "2013-05-01T13:00+19:00",
            "1/4/99",
            "4.5",
            "1/4",
            "2013-05-01T",
            "2013-05-01T13:00:60",
            "+2013-05-01",
            "२०१३-05-01",
            "2013-05-01T13:00+é€",
            "0000-01-01",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
        let error = "2013-02-29".parse::<Timestamp>().unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::NotATime);
        assert!(
            error.to_string().contains("there is no day 29 in 2013-02"),
            "{error}"
        );
    }

    #[test]
    fn calendar_parts() {
        // Known days: the Unix epoch was a Thursday, 2000-02-29 a Tuesday and the 60th day.
        assert_eq!((t("1970-01-01").unix(), t("1970-01-01").weekday()), (0, 3));
        let leap = t("2000-02-29T23:58:59");
        assert_eq!((leap.year(), leap.month(), leap.day()), (2000, 2, 29));
        assert_eq!((leap.hour(), leap.minute(), leap.second()), (23, 58, 59));
        assert_eq!((leap.weekday(), leap.day_of_year()), (1, 60));
        assert_eq!(t("1900-12-31").day_of_year(), 365);
        assert_eq!(t("2000-12-31").day_of_year(), 366);
        assert_eq!(t("1969-12-31T23:00").hour(), 23);
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        let mut day = t("1800-01-01");
        let mut weekday = day.weekday();
        for _ in 0..146_097 {
            let again = Timestamp::from_civil(day.year(), day.month(), day.day(), 0, 0, 0).unwrap();
            assert_eq!(again, day);
            day = day.add_days(1);
            weekday = (weekday + 1) % 7;
            assert_eq!(day.weekday(), weekday);
        }
        assert_eq!(day.iso_date(), "2200-01-01");
    }

    #[test]
    fn business_days_skip_weekends() {
        assert_eq!(t("2013-05-02").next_business_day(), t("2013-05-03"));
        assert_eq!(t("2013-05-03").next_business_day(), t("2013-05-06"));
        assert_eq!(t("2013-05-04").next_business_day(), t("2013-05-06"));
        assert_eq!(t("2013-05-05").next_business_day(), t("2013-05-06"));
        assert!(t("2013-05-05").is_weekend() && !t("2013-05-06").is_weekend());
    }

    #[test]
    fn arithmetic_saturates_at_the_calendars_ends() {
        assert_eq!(t("9999-12-31").add_days(i64::MAX), Timestamp(LAST));
        assert_eq!(t("0001-01-01").add_hours(i64::MIN), Timestamp(FIRST));
        assert_eq!(t("2013-05-01T23:00").add_hours(2), t("2013-05-02T01:00"));
        assert_eq!(t("2013-05-01").seconds_until(t("2013-05-02")), 86_400);
    }

    #[test]
    fn serialises_as_iso_text() {
        let time = t("2013-05-01T13:00");
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(json, "\"2013-05-01T13:00:00\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    }
}
