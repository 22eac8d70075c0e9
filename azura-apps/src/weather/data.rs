//! Hourly rows: where the stretches begin, what the model sees, and what comes after the last row.

use azura_learner::Result;
use azura_learner::data::{DataResult, Table, Timestamp, Values};

use super::config::{DAY, WeatherData};
use crate::Bundled;
use crate::series::{Frame, Future, Step, check_size};

/// A typical year of hourly observations at Greensboro, North Carolina; `datasets/README.md` says more.
pub const GREENSBORO: Bundled = Bundled {
    name: "datasets/weather/greensboro.csv",
    text: include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/weather/greensboro.csv"
    )),
};

const HOUR: i64 = 3600;

/// The unit of a column of the bundled data and of the Open-Meteo archive; empty for other columns.
pub fn unit(column: &str) -> &'static str {
    match column {
        "temperature_2m" | "dew_point_2m" | "apparent_temperature" => "°C",
        "relative_humidity_2m" | "cloud_cover" => "%",
        "precipitation" | "rain" => "mm",
        "surface_pressure" | "pressure_msl" => "hPa",
        "wind_speed_10m" => "m/s",
        "wind_direction_10m" => "°",
        _ => "",
    }
}

/// Times, target, and as features the target itself and the configured columns.
pub(super) fn frame(config: &WeatherData, table: &Table) -> DataResult<Frame> {
    let times = table.times(&config.time)?.to_vec();
    let mut value_names = vec![config.target.clone()];
    value_names.extend(config.features.iter().cloned());
    for name in &value_names {
        check_size(table, name)?;
    }
    let (breaks, notes) = breaks(&config.time, table, &times)?;
    Ok(Frame {
        level: table.numbers(&config.target)?.to_vec(),
        values: table.matrix(&value_names)?,
        times,
        value_names,
        calendar: config.calendar.clone(),
        breaks,
        notes,
    })
}

/// A new stretch begins wherever a row is not one hour after the row before.
fn breaks(
    column: &str,
    table: &Table,
    times: &[Timestamp],
) -> DataResult<(Vec<usize>, Vec<String>)> {
    let steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[0].seconds_until(pair[1]))
        .collect();
    if let Some(first) = steps.first()
        && !steps.contains(&HOUR)
    {
        let (what, remedy) = match *first {
            seconds if seconds < 0 => (
                format!("is {} before the row above", span(-seconds)),
                "sort the rows, oldest first",
            ),
            seconds => (
                format!(
                    "is {} after the row before, but this app reads hourly rows",
                    span(seconds)
                ),
                "give one row an hour, oldest first",
            ),
        };
        return Err(table.error_at(1, column, what, remedy));
    }
    let breaks: Vec<usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| **step != HOUR)
        .map(|(i, _)| i + 1)
        .collect();
    let notes = match breaks.as_slice() {
        [] => Vec::new(),
        [first, ..] => {
            let stretches = breaks.len() + 1;
            let (before, after) = (times[first - 1].iso(), times[*first].iso());
            vec![format!(
                "{stretches} stretches of consecutive hours; no window reaches across a break (the first: {before} to {after})"
            )]
        }
    };
    Ok((breaks, notes))
}

fn span(seconds: i64) -> String {
    match seconds {
        s if s % 86_400 == 0 && s != 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 && s != 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// The hours to come: each is an hour later, over midnight and New Year, and every column but the target repeats the
/// same hour of the day before.
pub(super) struct Hours<'a> {
    pub(super) data: &'a WeatherData,
    pub(super) window: usize,
}

impl Future for Hours<'_> {
    fn frame(&self, table: &Table) -> Result<Frame> {
        Ok(frame(self.data, table)?)
    }

    fn next_time(&self, time: Timestamp) -> Timestamp {
        time.add_hours(1)
    }

    fn next_row(&self, history: &Table, time: Timestamp, value: f64) -> Result<Table> {
        let yesterday = history.len().saturating_sub(DAY);
        let mut row = Table::new(history.source());
        for (name, values) in history.slice(yesterday..yesterday + 1).columns() {
            let values = match name {
                _ if name == self.data.time => Values::Time(vec![time]),
                _ if name == self.data.target => Values::Number(vec![value]),
                _ => values.clone(),
            };
            row.push(name, values)?;
        }
        Ok(row)
    }

    fn step(&self) -> Step {
        Step::Difference
    }

    fn window(&self) -> usize {
        self.window
    }

    fn before(&self) -> usize {
        0
    }

    fn unit(&self) -> String {
        unit(&self.data.target).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_hour_repeats_yesterday_but_for_the_target() {
        let data = WeatherData {
            features: vec!["cloud_cover".to_string()],
            ..WeatherData::default()
        };
        let start: Timestamp = "1999-12-30T23:00".parse().unwrap();
        let table = Table::new("history")
            .with("cloud_cover", (0..25).map(f64::from).collect::<Vec<_>>())
            .unwrap()
            .with(
                "time",
                (0..25)
                    .map(|hour| start.add_hours(hour))
                    .collect::<Vec<_>>(),
            )
            .unwrap()
            .with("temperature_2m", vec![20.0; 25])
            .unwrap();
        let hours = Hours {
            data: &data,
            window: DAY,
        };
        let last = start.add_hours(24);
        let time = hours.next_time(last);
        assert_eq!(time.iso(), "2000-01-01T00:00:00");
        let row = hours.next_row(&table, time, -1.5).unwrap();
        // The row 24 hours before the new one is row 1.
        assert_eq!(row.numbers("cloud_cover").unwrap(), [1.0]);
        assert_eq!(row.numbers("temperature_2m").unwrap(), [-1.5]);
        assert_eq!(row.times("time").unwrap(), [time]);
        let longer = table.append(&row).unwrap();
        assert_eq!(hours.frame(&longer).unwrap().breaks, Vec::<usize>::new());
    }

    #[test]
    fn a_missing_an_extra_and_a_repeated_hour_begin_a_new_stretch() {
        let start: Timestamp = "2020-03-01T00:00".parse().unwrap();
        let hours = [0, 1, 3, 4, 4, 5, 2];
        let times: Vec<Timestamp> = hours.iter().map(|&hour| start.add_hours(hour)).collect();
        let table = Table::new("t").with("time", times.clone()).unwrap();
        let (breaks, notes) = breaks("time", &table, &times).unwrap();
        assert_eq!(breaks, [2, 4, 6]);
        assert_eq!(
            notes,
            [
                "4 stretches of consecutive hours; no window reaches across a break \
              (the first: 2020-03-01T01:00:00 to 2020-03-01T03:00:00)"
            ]
        );
        assert_eq!(
            [span(90), span(1800), span(7200), span(172_800)],
            ["90 s", "30 min", "2 h", "2 d"]
        );
    }
}
