//! Where the ticks of an axis stand, and what they say.

use azura_learner::data::Timestamp;

/// A tick: its place on the axis and its label.
pub type Tick = (f64, String);

/// About `count` round numbers between `low` and `high`.
pub fn linear(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let step = nice_step((high - low) / count.max(1) as f64);
    if !(step.is_finite() && step > 0.0) {
        return vec![(low, short(low, 1.0))];
    }
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last.min(first + 100))
        .map(|i| {
            let value = i as f64 * step;
            (value, short(value, step))
        })
        .collect()
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= rough * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

fn short(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{:.digits$}", value.abs());
    // A typographic minus is as wide as a digit.
    let sign = if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        "−"
    } else {
        ""
    };
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let mut grouped = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
            grouped.push('\u{2009}');
        }
        grouped.push(c);
    }
    match rest {
        Some(rest) => format!("{sign}{grouped}.{rest}"),
        None => format!("{sign}{grouped}"),
    }
}

/// Powers of ten between `low` and `high`, with 2 and 5 between them if there would be few. Places are logarithms.
pub fn logarithmic(low: f64, high: f64) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let factors: &[f64] = if last - first <= 3 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let mut ticks = Vec::new();
    for power in first..=last {
        for factor in factors {
            let value = factor * 10f64.powi(power);
            if (low * 0.999..=high * 1.001).contains(&value) {
                ticks.push((value.log10(), short(value, 10f64.powi(power.min(0)))));
            }
        }
    }
    ticks
}

/// Ticks of a time axis: hours, days, months or years, whichever gives at most `most`.
pub fn time(first: Timestamp, last: Timestamp, most: usize) -> Vec<Tick> {
    let span = first.seconds_until(last).max(1);
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    for step in [
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        7 * DAY,
        14 * DAY,
    ] {
        if span / step < most as i64 {
            // Weeks start on Mondays: 1970-01-05 was one.
            let origin = if step >= 7 * DAY { 4 * DAY } else { 0 };
            let start = (first.unix() - origin).div_euclid(step) * step + origin;
            return (0..)
                .map(|i| Timestamp::from_unix(start + i * step))
                .skip_while(|t| *t < first)
                .take_while(|t| *t <= last)
                .take(100)
                .map(|t| (t.unix() as f64, clock(t, step < DAY)))
                .collect();
        }
    }
    for months in [1, 2, 3, 6, 12, 24, 60, 120] {
        if span / (months * 30 * DAY) < most as i64 {
            let month = |t: Timestamp| i64::from(t.year()) * 12 + i64::from(t.month()) - 1;
            let start = month(first).div_euclid(months) * months;
            return (0..)
                .map_while(|i| {
                    let m = start + i * months;
                    let year = i32::try_from(m.div_euclid(12)).ok()?;
                    Timestamp::from_civil(year, m.rem_euclid(12) as u32 + 1, 1, 0, 0, 0).ok()
                })
                .skip_while(|t| *t < first)
                .take_while(|t| *t <= last)
                .take(100)
                .map(|t| (t.unix() as f64, calendar(t, months < 12)))
                .collect();
        }
    }
    Vec::new()
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn month(t: Timestamp) -> &'static str {
    MONTHS[(t.month().clamp(1, 12) - 1) as usize]
}

fn clock(t: Timestamp, hours: bool) -> String {
    if hours && !t.is_midnight() {
        format!("{:02}:{:02}", t.hour(), t.minute())
    } else {
        format!("{} {}", t.day(), month(t))
    }
}

fn calendar(t: Timestamp, months: bool) -> String {
    if months && t.month() != 1 {
        month(t).to_string()
    } else {
        t.year().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(linear(-3.2, 11.0, 5)), ["0", "5", "10"]);
        assert_eq!(
            labels(linear(0.0, 0.1, 5)),
            ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]
        );
        assert_eq!(
            labels(linear(-20_000.0, 0.0, 2)),
            ["−20\u{2009}000", "−10\u{2009}000", "0"]
        );
        assert_eq!(linear(3.0, 3.0, 5).len(), 1);
        assert_eq!(
            labels(logarithmic(0.05, 1.0)),
            ["0.05", "0.1", "0.2", "0.5", "1"]
        );
        assert_eq!(
            labels(logarithmic(1e-4, 10.0)),
            ["0.0001", "0.001", "0.01", "0.1", "1", "10"]
        );
    }

    #[test]
    fn times_are_where_a_calendar_has_them() {
        let t = |text: &str| text.parse::<Timestamp>().unwrap();
        let ticks = labels(time(t("2020-02-28T05:00"), t("2020-03-01T03:00"), 8));
        assert_eq!(
            ticks,
            [
                "06:00", "12:00", "18:00", "29 Feb", "06:00", "12:00", "18:00", "1 Mar"
            ]
        );
        let ticks = labels(time(t("2019-11-15"), t("2020-06-10"), 8));
        assert_eq!(ticks, ["Dec", "2020", "Feb", "Mar", "Apr", "May", "Jun"]);
        let ticks = labels(time(t("1999-01-04"), t("2019-06-10"), 8));
        assert_eq!(ticks, ["2000", "2005", "2010", "2015"]);
        assert!(!time(t("2020-01-01"), t("2020-01-01"), 8).is_empty());
    }
}
