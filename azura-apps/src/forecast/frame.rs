//! A table made ready: the series, what is seen beside them, and the clock, row by row.

use azura_learner::data::{Cycle, DataError, DataResult, Table, Timestamp};

use super::clock::{self, Every};
use super::config::{ForecastConfig, Irregular, Transform};
use super::source::{Mended, Names};

/// Columns that the model sees up to the newest row of a window, as an app makes them of its table.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What they are called.
    pub names: Vec<String>,
    /// Row-major `[rows, names]`; may be NaN in the rows before `first`.
    pub values: Vec<f64>,
    /// The first row that a window may hold.
    pub first: usize,
}

impl Past {
    /// The columns of these names, as they are.
    ///
    /// # Errors
    /// If there is no such column of numbers.
    pub fn of(table: &Table, names: &[String]) -> DataResult<Self> {
        Ok(Past {
            names: names.to_vec(),
            values: table.matrix(names)?,
            first: 0,
        })
    }
}

/// Series with what is seen beside them. Everything in a row but `known` is known at the row's time only.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The time of each row.
    pub times: Vec<Timestamp>,
    /// How far rows are apart.
    pub every: Every,
    /// First row of each new stretch; no window reaches across one. Sorted.
    pub breaks: Vec<usize>,
    /// Names of the series.
    pub targets: Vec<String>,
    /// Each series, in its own unit.
    pub levels: Vec<Vec<f64>>,
    /// For each series and row, whether the value was observed and not filled in.
    pub observed: Vec<Vec<bool>>,
    /// Rows that no window may end in, since they were made with later ones.
    pub foreseen: Vec<bool>,
    /// What is seen up to the newest row of a window.
    pub past: Past,
    /// Names of what is known in advance.
    pub known_names: Vec<String>,
    /// What is known in advance, row-major: of all rows, and of the coming ones behind them.
    pub known: Vec<f64>,
    /// Cycles of the calendar, encoded as sine and cosine and not scaled: they are of size 1 already, and a
    /// scaler fitted on part of a year would blow up the rest of it.
    pub calendar: Vec<Cycle>,
    /// What was found, one sentence each, for a person.
    pub notes: Vec<String>,
}

impl Frame {
    /// The frame of a table without empty cells; `every` is the clock, or found out.
    ///
    /// # Errors
    /// With the cell: a value that the model cannot take, a time that is out of order.
    pub(super) fn new(
        config: &ForecastConfig,
        names: &Names,
        every: Option<Every>,
        mended: Mended,
        past: Past,
    ) -> DataResult<Frame> {
        let Mended {
            table,
            coming,
            observed,
            foreseen,
            mut notes,
        } = mended;
        let data = &config.data;
        let times = table.times(&names.time)?.to_vec();
        let every = every.or_else(|| Every::of(&times));
        // Without two different times nothing is known, and the first pair is refused below.
        let every = every.unwrap_or(Every::Seconds(86_400));
        let mut levels = Vec::with_capacity(names.targets.len());
        for name in &names.targets {
            check_size(&table, name)?;
            let level = table.numbers(name)?.to_vec();
            if data.transform == Transform::Log
                && let Some(row) = level.iter().position(|&x| x <= 0.0)
            {
                let what = format!("must be above 0 for a logarithm, but is {}", level[row]);
                let remedy = "correct or remove the row, or set data.transform=none";
                return Err(table.error_at(row, name, what, remedy));
            }
            levels.push(level);
        }
        for name in &data.known {
            check_size(&table, name)?;
            check_size(&coming, name)?;
        }
        let (mut breaks, found) = clock::breaks(&table, &names.time, every, data.irregular)?;
        notes.extend(found);
        if !coming.is_empty() {
            follows(&coming, &names.time, every, times.last().copied())?;
        }
        if past.first > 0 && past.first < times.len() && !breaks.contains(&past.first) {
            breaks.push(past.first);
            breaks.sort_unstable();
        }
        let mut known = table.matrix(&data.known)?;
        known.extend(coming.matrix(&data.known)?);
        Ok(Frame {
            times,
            every,
            breaks,
            targets: names.targets.clone(),
            levels,
            observed,
            foreseen,
            past,
            known_names: data.known.clone(),
            known,
            calendar: data.calendar.clone(),
            notes,
        })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Rows behind the last one of which is told what is known in advance.
    pub(super) fn coming(&self) -> usize {
        match self.known_names.len() {
            0 => 0,
            width => self.known.len() / width - self.len(),
        }
    }

    /// Names of all that the model sees of a row, in its order.
    pub fn features(&self) -> Vec<String> {
        let cycles = self.calendar.iter().flat_map(|cycle| cycle.names());
        self.targets
            .iter()
            .chain(&self.past.names)
            .chain(&self.known_names)
            .cloned()
            .chain(cycles.map(str::to_string))
            .collect()
    }

    /// First and last row, and one behind, of each stretch.
    fn edges(&self) -> Vec<usize> {
        let mut edges = vec![0];
        edges.extend_from_slice(&self.breaks);
        edges.push(self.len());
        edges
    }

    /// The newest rows of windows of `window` rows that lie in one stretch, with `ahead` rows of it behind them.
    pub fn window_ends(&self, window: usize, ahead: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        for edge in self.edges().windows(2) {
            let first = (edge[0] + window).saturating_sub(1);
            ends.extend((first..edge[1].saturating_sub(ahead)).filter(|&end| !self.foreseen[end]));
        }
        ends
    }

    /// Rows in the last stretch.
    pub(super) fn last_stretch(&self) -> usize {
        let edges = self.edges();
        edges[edges.len() - 1] - edges[edges.len() - 2]
    }

    /// Rows in the longest stretch.
    pub(super) fn longest_stretch(&self) -> usize {
        let edges = self.edges();
        edges
            .windows(2)
            .map(|edge| edge[1] - edge[0])
            .max()
            .unwrap_or(0)
    }

    /// The last `count` rows, with all that is known of the coming ones.
    pub(super) fn tail(&self, count: usize) -> Frame {
        let from = self.len().saturating_sub(count);
        let cut = |values: &[f64], width: usize| values[from * width..].to_vec();
        let breaks = self.breaks.iter().filter(|&&row| row > from);
        Frame {
            times: self.times[from..].to_vec(),
            breaks: breaks.map(|row| row - from).collect(),
            levels: self
                .levels
                .iter()
                .map(|level| level[from..].to_vec())
                .collect(),
            observed: self
                .observed
                .iter()
                .map(|seen| seen[from..].to_vec())
                .collect(),
            foreseen: self.foreseen[from..].to_vec(),
            past: Past {
                names: self.past.names.clone(),
                values: cut(&self.past.values, self.past.names.len()),
                first: self.past.first.saturating_sub(from),
            },
            known: cut(&self.known, self.known_names.len()),
            every: self.every,
            targets: self.targets.clone(),
            known_names: self.known_names.clone(),
            calendar: self.calendar.clone(),
            notes: Vec::new(),
        }
    }

    /// One row more: the next time, a value of each series, and what is seen beside them.
    pub(super) fn push(&mut self, levels: &[f64], past: &[f64]) {
        let next = self.times.last().map(|&t| self.every.next(t));
        self.times.extend(next);
        for ((level, seen), &value) in self.levels.iter_mut().zip(&mut self.observed).zip(levels) {
            level.push(value);
            seen.push(false);
        }
        self.foreseen.push(false);
        self.past.values.extend_from_slice(past);
    }
}

/// The coming rows follow the last one of the table, step by step.
fn follows(coming: &Table, time: &str, every: Every, last: Option<Timestamp>) -> DataResult<()> {
    let times = coming.times(time)?;
    let before = last.into_iter().chain(times.iter().copied());
    for (row, (before, &now)) in before.zip(times).enumerate() {
        if every.steps(before, now) != Some(1) {
            let what = format!(
                "{} does not follow {}: rows are {} apart",
                now.iso(),
                before.iso(),
                every.name()
            );
            let remedy = "give the coming rows without a gap, oldest first";
            return Err(coming.error_at(row, time, what, remedy));
        }
    }
    Ok(())
}

/// Refuses a number that an f32 cannot hold: the model computes with those.
pub(crate) fn check_size(table: &Table, column: &str) -> DataResult<()> {
    let values = table.numbers(column)?;
    let large = |x: &f64| x.abs() > f64::from(f32::MAX);
    match values.iter().position(large) {
        Some(row) => Err(too_large(table, row, column, values[row])),
        None => Ok(()),
    }
}

fn too_large(table: &Table, row: usize, column: &str, value: f64) -> DataError {
    let what = format!("{value:e} is too large for the model");
    table.error_at(row, column, what, "correct or remove the row")
}

/// Columns that give the next value of a series away, one sentence each.
///
/// A column is suspicious if a straight line through it leaves less than a thousandth of the squared change of the series
/// from row to row: a feature of the same row, or what is known of the next one, cannot know that much.
pub(super) fn leaks(
    frame: &Frame,
    rows: std::ops::Range<usize>,
    irregular: Irregular,
) -> Vec<String> {
    // Where times jump, neighbours say nothing about each other.
    let broken =
        |row: usize| irregular == Irregular::Break && frame.breaks.binary_search(&row).is_ok();
    let mut found = Vec::new();
    let past = frame.past.names.iter().enumerate().map(|(at, name)| {
        let width = frame.past.names.len();
        (name, 0, at, width, &frame.past.values)
    });
    let known = frame.known_names.iter().enumerate().map(|(at, name)| {
        let width = frame.known_names.len();
        (name, 1, at, width, &frame.known)
    });
    let columns: Vec<_> = past.chain(known).collect();
    for (target, level) in frame.targets.iter().zip(&frame.levels) {
        for &(name, later, at, width, values) in &columns {
            let pairs: Vec<(f64, f64, f64)> = (rows.start + 1..rows.end)
                .filter(|&row| !broken(row) && row > frame.past.first)
                .map(|row| {
                    (
                        values[(row - 1 + later) * width + at],
                        level[row],
                        level[row - 1],
                    )
                })
                .collect();
            let (left, moved) = line(&pairs);
            if pairs.len() > 20 && moved > 0.0 && left < 1e-3 * moved {
                found.push(format!(
                    "`{name}` gives the next value of `{target}` away (it explains {:.2} % of the change): is it known by then?",
                    100.0 * (1.0 - left / moved)
                ));
            }
        }
    }
    found
}

/// What a straight line through `x` leaves of `y`, and what `y` less the value before it is, both squared and summed.
fn line(pairs: &[(f64, f64, f64)]) -> (f64, f64) {
    let n = pairs.len().max(1) as f64;
    let (mx, my) = pairs
        .iter()
        .fold((0.0, 0.0), |(a, b), p| (a + p.0 / n, b + p.1 / n));
    let (mut sxx, mut sxy, mut syy, mut moved) = (0.0, 0.0, 0.0, 0.0);
    for (x, y, before) in pairs {
        sxx += (x - mx) * (x - mx);
        sxy += (x - mx) * (y - my);
        syy += (y - my) * (y - my);
        moved += (y - before) * (y - before);
    }
    let explained = if sxx > 0.0 { sxy * sxy / sxx } else { 0.0 };
    ((syy - explained).max(0.0), moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(level: Vec<f64>, past: Vec<f64>) -> Frame {
        let n = level.len();
        let start: Timestamp = "2020-01-01".parse().unwrap();
        Frame {
            times: (0..n).map(|i| start.add_days(i as i64)).collect(),
            every: Every::Seconds(86_400),
            breaks: vec![4],
            targets: vec!["y".to_string()],
            levels: vec![level],
            observed: vec![vec![true; n]],
            foreseen: vec![false; n],
            past: Past {
                names: vec!["x".to_string()],
                values: past,
                first: 0,
            },
            known_names: Vec::new(),
            known: Vec::new(),
            calendar: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn windows_lie_in_one_stretch_and_end_in_no_row_that_knows_more() {
        let mut frame = frame(vec![0.0; 10], vec![0.0; 10]);
        assert_eq!(frame.window_ends(3, 0), [2, 3, 6, 7, 8, 9]);
        assert_eq!(frame.window_ends(3, 2), [6, 7]);
        frame.foreseen[7] = true;
        assert_eq!(frame.window_ends(3, 2), [6]);
        assert_eq!((frame.longest_stretch(), frame.last_stretch()), (6, 6));
        let tail = frame.tail(7);
        assert_eq!((tail.len(), tail.breaks), (7, vec![1]));
    }

    #[test]
    fn a_column_that_knows_the_next_value_is_named() {
        let y: Vec<f64> = (0..60).map(|i| f64::from(i * i % 17)).collect();
        let tomorrow: Vec<f64> = y
            .iter()
            .skip(1)
            .chain([&0.0])
            .map(|y| 2.0 * y + 1.0)
            .collect();
        let told = leaks(&frame(y.clone(), tomorrow), 0..50, Irregular::Error);
        assert!(
            told.len() == 1 && told[0].contains("`x` gives the next value of `y` away"),
            "{told:?}"
        );
        // Today's value is no secret.
        assert!(leaks(&frame(y.clone(), y), 0..50, Irregular::Error).is_empty());
    }
}
