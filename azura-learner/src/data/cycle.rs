//! Features made of a point in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::{DAY, Timestamp};

/// A cycle of the calendar, encoded as a point on the unit circle so that its end meets its start.
///
/// `[sin(2π·phase), cos(2π·phase)]` with the phase in `[0, 1)`:
///
/// | cycle       | phase                                   |
/// |-------------|-----------------------------------------|
/// | `Hour`      | `(hour + minute/60 + second/3600) / 24` |
/// | `Weekday`   | `weekday / 7`, Monday 0                 |
/// | `Month`     | `(month − 1) / 12`                      |
/// | `DayOfYear` | `(day_of_year − 1) / 365.25`            |
///
/// The divisor is the number of steps in the cycle (24, not 23): with 23 the hours 23 and 0 would be
/// the same point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// The time of day.
    Hour,
    /// The day of the week.
    Weekday,
    /// The month of the year.
    Month,
    /// The day of the year.
    DayOfYear,
}

impl Cycle {
    /// `[sin, cos]` of the phase at `t`.
    pub fn encode(self, t: Timestamp) -> [f64; 2] {
        let phase = match self {
            Cycle::Hour => f64::from(t.second_of_day()) / DAY as f64,
            Cycle::Weekday => f64::from(t.weekday()) / 7.0,
            Cycle::Month => f64::from(t.month() - 1) / 12.0,
            Cycle::DayOfYear => f64::from(t.day_of_year() - 1) / 365.25,
        };
        let (sin, cos) = (std::f64::consts::TAU * phase).sin_cos();
        [sin, cos]
    }

    /// The names of the two features, such as `hour_sin` and `hour_cos`.
    pub fn names(self) -> [&'static str; 2] {
        match self {
            Cycle::Hour => ["hour_sin", "hour_cos"],
            Cycle::Weekday => ["weekday_sin", "weekday_cos"],
            Cycle::Month => ["month_sin", "month_cos"],
            Cycle::DayOfYear => ["day_of_year_sin", "day_of_year_cos"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn cycles_close_without_a_double_point() {
        let close = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        assert!(close(Cycle::Hour.encode(t("2013-05-01T06:00")), [1.0, 0.0]) < 1e-12);
        assert!(close(Cycle::Hour.encode(t("2013-05-01T18:00")), [-1.0, 0.0]) < 1e-12);
        // Neighbours are equally far apart everywhere, over the seam too.
        let step = |a: &str, b: &str, cycle: Cycle| close(cycle.encode(t(a)), cycle.encode(t(b)));
        let hour = step("2013-05-01T23:00", "2013-05-02T00:00", Cycle::Hour);
        assert!((hour - step("2013-05-01T03:00", "2013-05-01T04:00", Cycle::Hour)).abs() < 1e-12);
        let week = step("2013-05-05", "2013-05-06", Cycle::Weekday);
        assert!((week - step("2013-05-06", "2013-05-07", Cycle::Weekday)).abs() < 1e-12);
        let month = step("2013-12-05", "2014-01-06", Cycle::Month);
        assert!((month - step("2013-05-06", "2013-06-07", Cycle::Month)).abs() < 1e-12);
        assert!(close(Cycle::DayOfYear.encode(t("2013-01-01")), [0.0, 1.0]) < 1e-12);
    }
}
