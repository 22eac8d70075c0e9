//! From a frame to samples: windows, the split, scalers and the linear baseline, fitted on training rows only.

use std::ops::Range;
use std::sync::Arc;

use azura_core::Tensor;
use azura_learner::app::{DataSummary, Prepared};
use azura_learner::baselines::Ridges;
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, PartSize, Scale, StandardScaler,
    Timestamp, WindowPlan, split_by_time,
};
use azura_learner::{Result, metrics};
use serde::{Deserialize, Serialize};

use super::clock::Every;
use super::config::{ForecastConfig, Gap, IntervalScale, Kind, Transform};
use super::frame::{Frame, leaks};
use super::model::Shape;
use super::source::{Names, rows};

/// Penalties that the ridge regression may have; the validation rows choose.
const ALPHAS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// Inputs of the ridge regression at most; beyond, it sees the target's own window only. Its time grows with their third power.
const RIDGE_INPUTS: usize = 1500;

/// The longest horizon that is chosen without being asked for.
const LONGEST: usize = 96;

/// What was found out about the data once; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Which columns are what.
    pub names: Names,
    /// How far rows are apart.
    pub every: Every,
    /// Rows in a season; 1 for none.
    pub season: usize,
    /// Rows of a window.
    pub window: usize,
    /// Steps ahead.
    pub horizon: usize,
}

impl Layout {
    /// What the configuration says, and what the data says where it does not, with a sentence about that.
    fn of(config: &ForecastConfig, names: Names, frame: &Frame) -> (Self, String) {
        let (model, stretch) = (&config.model, frame.longest_stretch());
        let (found, cycle) = frame.every.season();
        let season = match config.data.season {
            0 => found,
            rows => rows,
        };
        let horizon = match model.horizon {
            0 => season.min(LONGEST).min(stretch / 20).max(1),
            steps => steps,
        };
        let window = match model.window {
            0 => {
                let wanted = (2 * season).max(2 * horizon).max(24);
                let patch = if model.kind == Kind::Transformer {
                    model.patch
                } else {
                    2
                };
                wanted.min(stretch / 8).max(patch).max(2)
            }
            rows => rows,
        };
        let season_said = match (config.data.season, season) {
            (0, 1) => "no season is known (data.season)".to_string(),
            (0, rows) => format!("a season is {rows} rows, {cycle}"),
            (_, rows) => format!("a season is {rows} rows, as data.season says"),
        };
        let note = format!(
            "rows are {} apart; {season_said}; {} back, {} ahead",
            frame.every.name(),
            rows(window),
            rows(horizon)
        );
        let layout = Layout {
            names,
            every: frame.every,
            season,
            window,
            horizon,
        };
        (layout, note)
    }

    /// Whether the value one season ago lies inside every window.
    pub(super) fn seasonal(&self) -> bool {
        self.season > 1 && self.season <= self.window
    }
}

/// What preprocessing learned from the training rows; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// What was found out about the data.
    pub layout: Layout,
    /// Brings each target, as its transform counts it, to mean 0 and standard deviation 1.
    pub level: StandardScaler,
    /// The same for what is seen of the past, if anything is.
    pub past: Option<StandardScaler>,
    /// The same for what is known in advance.
    pub known: Option<StandardScaler>,
    /// The usual size of a change from the newest value to a coming one, in deviations of the target.
    pub change: f64,
    /// Mean change of each target from row to row, as its transform counts it.
    pub drift: Vec<f64>,
    /// For each target, the mean absolute error of the naive forecast of one season, or of one row where there is none: the scale of MASE.
    pub mase_scale: Vec<f64>,
    /// Linear regression from the same windows to the same changes.
    pub ridge: Ridges,
    /// The penalty of `ridge` that was best on the validation rows.
    pub ridge_alpha: f64,
    /// For each step and quantile, what is added to the prediction, in scales of the interval; empty without validation rows.
    pub offsets: Vec<Vec<f64>>,
}

impl Fitted {
    /// How large the model is.
    pub(super) fn shape(&self, config: &ForecastConfig) -> Shape {
        let width = |scaler: &Option<StandardScaler>| {
            scaler.as_ref().map_or(0, |scaler| scaler.columns().len())
        };
        Shape {
            window: self.layout.window,
            horizon: self.layout.horizon,
            past: width(&self.past),
            known: width(&self.known) + 2 * config.data.calendar.len(),
            told: width(&self.known),
            change: self.change,
        }
    }

    /// One unit of the model's output for a target, as its transform counts it.
    pub(super) fn unit(&self, target: usize) -> f64 {
        self.level.std()[target] * self.change
    }
}

/// The model's inputs for every row of a frame.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    window: usize,
    horizon: usize,
    /// Each target, scaled.
    targets: Vec<Vec<f32>>,
    /// What stands beside them: past, known, calendar; row-major, the coming rows behind the last one.
    beside: Vec<f32>,
    past: usize,
    width: usize,
}

impl Inputs {
    /// Scales a frame. What is not known of the `horizon` rows behind it is not there.
    ///
    /// # Errors
    /// With the row, if a value is too large for the model once it is scaled.
    pub(super) fn new(frame: &Frame, fitted: &Fitted, transform: Transform) -> DataResult<Self> {
        let rows = frame.len();
        let too_large = |name: &str, row: usize, value: f64| {
            let at = frame.times.get(row).map_or(String::new(), |t| t.iso());
            let what = format!("column `{name}`, {at}: {value:e} is too large for the model");
            DataError::new(DataErrorKind::OutOfRange, what).remedy("correct or remove the row")
        };
        let mut targets = Vec::with_capacity(frame.levels.len());
        for (at, level) in frame.levels.iter().enumerate() {
            let mut scaled = Vec::with_capacity(rows);
            for (row, &x) in level.iter().enumerate() {
                let input = fitted.level.value(at, transform.apply(x)) as f32;
                if input.is_infinite() {
                    return Err(too_large(&frame.targets[at], row, x));
                }
                scaled.push(input);
            }
            targets.push(scaled);
        }
        let (past, known) = (frame.past.names.len(), frame.known_names.len());
        let width = past + known + 2 * frame.calendar.len();
        let horizon = fitted.layout.horizon;
        let mut beside = Vec::with_capacity((rows + horizon) * width);
        let mut time = frame.times.first().copied();
        for row in 0..rows + horizon {
            // The calendar goes on behind the last row.
            time = match frame.times.get(row) {
                Some(&time) => Some(time),
                None => time.map(|time| frame.every.next(time)),
            };
            let Some(time) = time else { break };
            let mut push = |scaler: &Option<StandardScaler>, names: &[String], values: &[f64]| {
                let width = names.len();
                let cells = values.get(row * width..(row + 1) * width);
                for at in 0..width {
                    let value = cells.map_or(f64::NAN, |cells| cells[at]);
                    let input = scaler.as_ref().map_or(f64::NAN, |s| s.value(at, value)) as f32;
                    // Rows that no window can hold are NaN.
                    if input.is_infinite() {
                        return Err(too_large(&names[at], row, value));
                    }
                    beside.push(input);
                }
                Ok(())
            };
            push(&fitted.past, &frame.past.names, &frame.past.values)?;
            push(&fitted.known, &frame.known_names, &frame.known)?;
            let cycles = frame.calendar.iter().flat_map(|cycle| cycle.encode(time));
            beside.extend(cycles.map(|x| x as f32));
        }
        Ok(Inputs {
            window: fitted.layout.window,
            horizon,
            targets,
            beside,
            past,
            width,
        })
    }

    /// The input tensors for windows that end in these rows, each of one target.
    pub(super) fn tensors(&self, picks: &[(usize, usize)]) -> Result<Vec<Tensor>> {
        let (w, h) = (self.window, self.horizon);
        let features = 1 + self.width;
        let mut x = Vec::with_capacity(picks.len() * w * features);
        for &(end, target) in picks {
            for row in end + 1 - w..=end {
                x.push(self.targets[target][row]);
                x.extend_from_slice(&self.beside[row * self.width..(row + 1) * self.width]);
            }
        }
        let mut tensors = vec![Tensor::from_vec(x, [picks.len(), w, features])?];
        let known = self.width - self.past;
        if known > 0 {
            let mut coming = Vec::with_capacity(picks.len() * h * known);
            for &(end, _) in picks {
                for row in end + 1..=end + h {
                    let from = row * self.width;
                    coming.extend_from_slice(&self.beside[from + self.past..from + self.width]);
                }
            }
            tensors.push(Tensor::from_vec(coming, [picks.len(), h, known])?);
        }
        Ok(tensors)
    }

    /// The deviation of the target's changes from row to row in a window, and never nothing.
    pub(super) fn restlessness(&self, end: usize, target: usize) -> f64 {
        let window = &self.targets[target][end + 1 - self.window..=end];
        let changes = window.windows(2).map(|pair| f64::from(pair[1] - pair[0]));
        let n = (self.window - 1).max(1) as f64;
        let mean = changes.clone().sum::<f64>() / n;
        let variance = changes.map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        variance.sqrt().max(1e-3)
    }

    /// Inputs of the ridge regression.
    fn ridge_width(&self) -> (usize, bool) {
        let all = self.window * (1 + self.width) + self.horizon * (self.width - self.past);
        match all <= RIDGE_INPUTS {
            true => (all, true),
            false => (self.window, false),
        }
    }

    /// Writes the inputs of the ridge regression: the window from its newest value, and what stands beside it.
    pub(super) fn flat(&self, end: usize, target: usize, out: &mut [f64]) {
        let (w, h) = (self.window, self.horizon);
        let window = &self.targets[target][end + 1 - w..=end];
        let last = f64::from(window[w - 1]);
        for (out, &x) in out.iter_mut().zip(window) {
            *out = f64::from(x) - last;
        }
        // Its last number is 0; the value itself tells as much as the others.
        out[w - 1] = last;
        if out.len() == w {
            return;
        }
        let seen = &self.beside[(end + 1 - w) * self.width..(end + 1) * self.width];
        let coming = (end + 1..=end + h)
            .flat_map(|row| &self.beside[row * self.width + self.past..(row + 1) * self.width]);
        for (out, &x) in out[w..].iter_mut().zip(seen.iter().chain(coming)) {
            *out = f64::from(x);
        }
    }
}

/// The samples of one part of the data, with what scoring them needs.
///
/// A sample is a window of one target; all targets of a window are neighbours.
#[derive(Clone, Debug)]
pub struct SeriesData {
    shared: Arc<Shared>,
    /// The windows of this part.
    windows: Range<usize>,
}

#[derive(Debug)]
struct Shared {
    frame: Frame,
    inputs: Inputs,
    transform: Transform,
    /// The newest row of each window.
    ends: Vec<usize>,
    /// One unit of the output for each target, as its transform counts it.
    units: Vec<f64>,
}

impl SeriesData {
    /// The samples of a frame whose windows end in these rows.
    fn new(
        frame: Frame,
        fitted: &Fitted,
        transform: Transform,
        ends: Vec<usize>,
    ) -> DataResult<Self> {
        let known: Vec<String> = fitted.level.columns().to_vec();
        let seen = |scaler: &Option<StandardScaler>| {
            scaler.as_ref().map_or(Vec::new(), |s| s.columns().to_vec())
        };
        if known != frame.targets
            || seen(&fitted.past) != frame.past.names
            || seen(&fitted.known) != frame.known_names
        {
            let what = format!(
                "the model was fitted on other columns than {}",
                frame.features().join(", ")
            );
            return Err(DataError::new(DataErrorKind::UnknownColumn, what));
        }
        let inputs = Inputs::new(&frame, fitted, transform)?;
        let windows = 0..ends.len();
        let units = (0..frame.targets.len()).map(|at| fitted.unit(at)).collect();
        let shared = Shared {
            frame,
            inputs,
            transform,
            ends,
            units,
        };
        Ok(SeriesData {
            shared: Arc::new(shared),
            windows,
        })
    }

    fn part(&self, windows: Range<usize>) -> Self {
        SeriesData {
            shared: Arc::clone(&self.shared),
            windows,
        }
    }

    /// The frame of all parts.
    pub fn frame(&self) -> &Frame {
        &self.shared.frame
    }

    /// The newest row of the window of a sample, and which target it is of.
    ///
    /// # Panics
    /// If there is no such sample (a mistake of the program).
    pub fn sample(&self, sample: usize) -> (usize, usize) {
        let targets = self.shared.frame.targets.len();
        let window = self.windows.start + sample / targets;
        assert!(window < self.windows.end, "sample {sample}");
        (self.shared.ends[window], sample % targets)
    }

    /// The newest rows of the windows of this part.
    pub fn ends(&self) -> &[usize] {
        &self.shared.ends[self.windows.clone()]
    }

    pub(super) fn inputs(&self) -> &Inputs {
        &self.shared.inputs
    }

    /// Steps ahead.
    pub fn horizon(&self) -> usize {
        self.shared.inputs.horizon
    }

    /// Whether the value of a step, counted from 0, was observed and not filled in.
    pub(super) fn observed(&self, sample: usize, step: usize) -> bool {
        let (end, target) = self.sample(sample);
        self.shared.frame.observed[target][end + 1 + step]
    }

    /// The changes from the newest value of a sample to each of the coming ones, as the model counts them.
    pub(super) fn changes(&self, sample: usize) -> impl Iterator<Item = f64> + '_ {
        let (end, target) = self.sample(sample);
        let (level, unit) = (&self.shared.frame.levels[target], self.shared.units[target]);
        let count = |x: f64| self.shared.transform.apply(x);
        let last = count(level[end]);
        let coming = &level[end + 1..=end + self.shared.inputs.horizon];
        coming.iter().map(move |&x| (count(x) - last) / unit)
    }
}

impl Dataset for SeriesData {
    fn len(&self) -> usize {
        self.windows.len() * self.shared.frame.targets.len()
    }

    fn batch(&self, samples: &[usize]) -> Result<Batch> {
        let have = self.len();
        if let Some(outside) = samples.iter().find(|&&sample| sample >= have) {
            let what = format!("sample {outside} was asked for, but there are {have}");
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        let picks: Vec<(usize, usize)> = samples.iter().map(|&i| self.sample(i)).collect();
        let mut tensors = self.shared.inputs.tensors(&picks)?;
        let horizon = self.shared.inputs.horizon;
        let mut targets = Vec::with_capacity(samples.len() * horizon);
        for &sample in samples {
            targets.extend(self.changes(sample).map(|z| z as f32));
        }
        tensors.push(Tensor::from_vec(targets, [samples.len(), horizon])?);
        Ok(Batch {
            tensors,
            rows: samples.to_vec(),
        })
    }
}

/// Where the windows of a frame end, with all steps of the horizon behind them.
fn ends(frame: &Frame, layout: &Layout, source: &str) -> DataResult<Vec<usize>> {
    let Layout {
        window, horizon, ..
    } = *layout;
    let ends = frame.window_ends(window, horizon);
    if ends.is_empty() {
        // The plan says what is missing.
        let plan = WindowPlan::new(frame.len(), window, horizon, &frame.breaks);
        plan.map_err(|e| e.in_file(source))?;
        let what = "no window ends in a row that was observed";
        return Err(DataError::new(DataErrorKind::Size, what)
            .in_file(source)
            .remedy("use data.missing=ffill, or more data"));
    }
    Ok(ends)
}

/// Cuts a frame into training, validation and test samples and fits everything on the training rows.
///
/// # Errors
/// [`DataErrorKind::Size`] and [`DataErrorKind::Split`] if there are too few rows.
pub(super) fn prepare(
    config: &ForecastConfig,
    names: Names,
    frame: Frame,
    source: &str,
    sha256: String,
) -> Result<Prepared<Fitted, SeriesData>> {
    let in_file = |e: DataError| e.in_file(source);
    let transform = config.data.transform;
    let (layout, note) = Layout::of(config, names, &frame);
    let ends = ends(&frame, &layout, source)?;
    let gap = match config.data.gap {
        Gap::Horizon => layout.horizon - 1,
        Gap::Window => layout.window + layout.horizon - 1,
    };
    // A number of rows holds as many windows as predict nothing outside of them.
    let part = |size: f64| {
        if size == 0.0 {
            PartSize::Count(0)
        } else if size < 1.0 {
            PartSize::Fraction(size)
        } else {
            PartSize::Count((size as usize).saturating_sub(layout.horizon - 1).max(1))
        }
    };
    let split = split_by_time(
        ends.len(),
        part(config.data.val),
        part(config.data.test),
        gap,
    )
    .map_err(in_file)?;

    let trained = &ends[split.train.clone()];
    let first = (trained[0] + 1).saturating_sub(layout.window);
    let rows = first..trained[trained.len() - 1] + 1 + layout.horizon;
    let scaler = |names: &[String], values: &[f64]| {
        (!names.is_empty())
            .then(|| StandardScaler::fit(values, names, rows.clone()))
            .transpose()
            .map_err(in_file)
    };
    let count = frame.targets.len();
    let mut counted = Vec::with_capacity(frame.len() * count);
    for row in 0..frame.len() {
        counted.extend(frame.levels.iter().map(|level| transform.apply(level[row])));
    }
    let level = StandardScaler::fit(&counted, &frame.targets, rows.clone()).map_err(in_file)?;
    let (mut drift, mut mase_scale) = (vec![0.0; count], vec![0.0; count]);
    let mut squares = 0.0;
    for target in 0..count {
        let at = |row: usize| counted[row * count + target];
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for &end in trained {
            drift[target] += (at(end + 1) - at(end)) / trained.len() as f64;
            for step in 1..=layout.horizon {
                let change = (at(end + step) - at(end)) / level.std()[target];
                squares += change * change / (trained.len() * layout.horizon * count) as f64;
            }
            let back = if layout.seasonal() { layout.season } else { 1 };
            before.push(frame.levels[target][end + 1 - back]);
            after.push(frame.levels[target][end + 1]);
        }
        mase_scale[target] = metrics::mae(&after, &before)?;
    }
    let change = match squares.sqrt() {
        // A series that never changes.
        0.0 => 1.0,
        size => size,
    };

    // The ridge needs inputs, which need the scalers: it is filled in below.
    let mut fitted = Fitted {
        past: scaler(&frame.past.names, &frame.past.values)?,
        known: scaler(&frame.known_names, &frame.known)?,
        level,
        change,
        drift,
        mase_scale,
        ridge: Ridges::fit(1, 1, 1, |_, row| row[0] = 0.0, &[0.0], &[1.0])?.remove(0),
        ridge_alpha: ALPHAS[0],
        offsets: Vec::new(),
        layout,
    };
    let mut notes = vec![note];
    notes.extend(frame.notes.clone());
    notes.extend(leaks(&frame, rows.clone(), config.data.irregular));
    let span = frame.times.first().zip(frame.times.last());
    let mut summary = DataSummary {
        source: source.to_string(),
        rows: frame.len(),
        columns: frame.features(),
        sha256,
        span: span.map(|(a, b)| (a.iso(), b.iso())),
        train: split.train.len() * count,
        val: split.val.len() * count,
        test: split.test.len() * count,
        gap,
        notes: Vec::new(),
    };
    let data = SeriesData::new(frame, &fitted, transform, ends).map_err(in_file)?;
    let (train, val, test) = (
        data.part(split.train),
        data.part(split.val),
        data.part(split.test),
    );
    let (width, whole) = data.shared.inputs.ridge_width();
    if !whole {
        notes.push(format!(
            "the ridge regression sees {width} values of the target only: with all columns it would have over {RIDGE_INPUTS} inputs"
        ));
    }
    (fitted.ridge, fitted.ridge_alpha) = ridge(&train, &val)?;
    summary.notes = notes;
    Ok(Prepared {
        fitted,
        train: Arc::new(train),
        val: Arc::new(val),
        test: Arc::new(test),
        summary,
    })
}

/// Every sample of a frame, with the preprocessing that was fitted in training.
///
/// # Errors
/// [`DataErrorKind::Size`] if there are too few rows.
pub(super) fn open(
    config: &ForecastConfig,
    frame: Frame,
    source: &str,
    fitted: &Fitted,
) -> Result<SeriesData> {
    let ends = ends(&frame, &fitted.layout, source)?;
    let transform = config.data.transform;
    Ok(SeriesData::new(frame, fitted, transform, ends).map_err(|e| e.in_file(source))?)
}

/// The ridge regression whose penalty is best on the validation rows, with that penalty.
fn ridge(train: &SeriesData, val: &SeriesData) -> Result<(Ridges, f64)> {
    let inputs = &train.shared.inputs;
    let (width, _) = inputs.ridge_width();
    let horizon = inputs.horizon;
    let y: Vec<f64> = (0..train.len()).flat_map(|i| train.changes(i)).collect();
    let row = |i: usize, out: &mut [f64]| {
        let (end, target) = train.sample(i);
        inputs.flat(end, target, out);
    };
    let ridges = Ridges::fit(train.len(), width, horizon, row, &y, &ALPHAS)?;
    let (mut x, mut out) = (vec![0.0; width], vec![0.0; horizon]);
    let mut errors = vec![0.0; ALPHAS.len()];
    for sample in 0..val.len() {
        let (end, target) = val.sample(sample);
        inputs.flat(end, target, &mut x);
        for (error, ridge) in errors.iter_mut().zip(&ridges) {
            ridge.predict(&x, &mut out);
            let missed = out
                .iter()
                .zip(val.changes(sample))
                .map(|(a, b)| (a - b).abs());
            *error += missed.sum::<f64>();
        }
    }
    // Without validation rows all errors are 0, and the smallest penalty is the first.
    let best = (0..ALPHAS.len())
        .min_by(|&a, &b| errors[a].total_cmp(&errors[b]))
        .unwrap_or(0);
    Ok((ridges[best].clone(), ALPHAS[best]))
}

/// The time of each of the steps after a row, as the data has it or as the clock goes on.
///
/// A row that is there is the next one, whatever a calendar says of holidays.
pub(super) fn coming_times(frame: &Frame, end: usize, horizon: usize) -> Vec<Timestamp> {
    let mut times = Vec::with_capacity(horizon);
    let mut time = frame.times[end];
    let mut inside = true;
    for step in 1..=horizon {
        let row = end + step;
        inside &= row < frame.len() && frame.breaks.binary_search(&row).is_err();
        time = match frame.times.get(row) {
            Some(&time) if inside => time,
            _ => frame.every.next(time),
        };
        times.push(time);
    }
    times
}

/// The scale of an interval for a window.
pub(super) fn scale(kind: IntervalScale, inputs: &Inputs, end: usize, target: usize) -> f64 {
    match kind {
        IntervalScale::Constant => 1.0,
        IntervalScale::Window => inputs.restlessness(end, target),
    }
}
