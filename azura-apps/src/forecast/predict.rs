//! Predictions for every window of a table, and forecasts of what comes after its last row.

use azura_learner::app::Field;
use azura_learner::data::{Batch, DataError, DataErrorKind, Kind, Table, Timestamp};
use azura_learner::{Ctx, Error, Model, Result};

use super::config::ForecastConfig;
use super::data::{Fitted, Inputs, coming_times, scale};
use super::frame::Frame;
use super::intervals::Outputs;

/// Windows that go through the model at a time.
const BATCH: usize = 256;

/// What the model expects of the steps after a window, in the series' own unit.
struct Expected {
    values: Vec<f64>,
    /// Bounds of the interval, if there are validation rows to know them from.
    bounds: Vec<(f64, f64)>,
}

/// Runs windows that end in these rows, each of one target.
fn run(
    config: &ForecastConfig,
    fitted: &Fitted,
    model: &dyn Model,
    frame: &Frame,
    picks: &[(usize, usize)],
) -> Result<Vec<Expected>> {
    let transform = config.data.transform;
    let inputs = Inputs::new(frame, fitted, transform)?;
    let horizon = fitted.layout.horizon;
    let levels = config.intervals.quantiles();
    let (low, high) = config.intervals.bounds();
    let position = |bound: f64| levels.iter().position(|q| (q - bound).abs() < 1e-12);
    let places = position(low)
        .zip(position(high))
        .filter(|_| !fitted.offsets.is_empty());
    let mut quantiles = Vec::with_capacity(levels.len());
    let mut all = Vec::with_capacity(picks.len());
    for picks in picks.chunks(BATCH) {
        let batch = Batch {
            tensors: inputs.tensors(picks)?,
            rows: (0..picks.len()).collect(),
        };
        let outputs = model.forward(&batch, &mut Ctx::eval())?;
        let outputs = Outputs::of(config, &outputs, picks.len(), horizon)?;
        for (sample, &(end, target)) in picks.iter().enumerate() {
            let (before, unit) = (frame.levels[target][end], fitted.unit(target));
            let value = |change: f64| transform.after(before, change * unit);
            let restless = scale(config.intervals.scale, &inputs, end, target);
            let mut expected = Expected {
                values: Vec::with_capacity(horizon),
                bounds: Vec::new(),
            };
            for step in 0..horizon {
                expected.values.push(value(outputs.point(sample, step)));
                if let Some((low, high)) = places {
                    outputs.quantiles(fitted, [sample, step], restless, &mut quantiles);
                    expected
                        .bounds
                        .push((value(quantiles[low]), value(quantiles[high])));
                }
            }
            all.push(expected);
        }
    }
    Ok(all)
}

/// A table of predictions while it is made.
struct Rows<'a> {
    fitted: &'a Fitted,
    unit: &'a str,
    time: Vec<Timestamp>,
    target: Vec<String>,
    step: Vec<f64>,
    prediction: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl<'a> Rows<'a> {
    fn new(fitted: &'a Fitted, unit: &'a str) -> Self {
        Rows {
            fitted,
            unit,
            time: Vec::new(),
            target: Vec::new(),
            step: Vec::new(),
            prediction: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
        }
    }

    fn push(
        &mut self,
        time: Timestamp,
        target: usize,
        step: usize,
        value: f64,
        bounds: Option<(f64, f64)>,
    ) {
        self.time.push(time);
        self.target
            .push(self.fitted.layout.names.targets[target].clone());
        self.step.push(step as f64);
        self.prediction.push(value);
        let (low, high) = bounds.unwrap_or((f64::NAN, f64::NAN));
        self.low.push(low);
        self.high.push(high);
    }

    fn table(self) -> Result<Table> {
        let rows = self.time.len();
        let mut table = Table::new("predictions").with("time", self.time)?;
        if self.fitted.layout.names.targets.len() > 1 {
            table.push("target", self.target)?;
        }
        if self.fitted.layout.horizon > 1 {
            table.push("step", self.step)?;
        }
        table.push("prediction", self.prediction)?;
        if !self.fitted.offsets.is_empty() {
            table.push("low", self.low)?;
            table.push("high", self.high)?;
        }
        if !self.unit.is_empty() {
            table.push("unit", vec![self.unit.to_string(); rows])?;
        }
        Ok(table)
    }
}

/// The columns that predictions and forecasts have.
pub(super) fn output_fields(config: &ForecastConfig, fitted: &Fitted, unit: &str) -> Vec<Field> {
    let layout = &fitted.layout;
    let number = |name: &str, about: String| {
        let field = Field::new(name, Kind::Number, about);
        match unit {
            "" => field,
            unit => field.unit(unit),
        }
    };
    let mut fields = vec![Field::new("time", Kind::Time, "the row that is predicted")];
    if layout.names.targets.len() > 1 {
        fields.push(Field::new(
            "target",
            Kind::Text,
            "the column that is predicted",
        ));
    }
    fields.push(number("prediction", "its predicted value".to_string()));
    if layout.horizon > 1 {
        let about = "how many rows after the newest one that was seen";
        fields.push(Field::new("step", Kind::Number, about));
    }
    let (low, high) = config.intervals.bounds();
    for (name, q) in [("low", low), ("high", high)] {
        let about = format!("the value that is not passed with a probability of {q:.3}");
        fields.push(number(name, about).optional().missing());
    }
    if !unit.is_empty() {
        fields.push(Field::new("unit", Kind::Text, "the unit of the prediction"));
    }
    fields
}

/// Predictions for every complete window of a frame: all steps of the horizon, window by window, in the order of the rows.
///
/// Rows with fewer than a window of rows up to and including themselves in their stretch have no prediction. Where columns are known in
/// advance, neither have the last ones, unless the coming rows are given.
///
/// # Errors
/// [`DataErrorKind::Size`] if there is no complete window.
pub(super) fn predict(
    config: &ForecastConfig,
    fitted: &Fitted,
    model: &dyn Model,
    frame: &Frame,
    unit: &str,
    before: usize,
) -> Result<Table> {
    let layout = &fitted.layout;
    let mut ends = frame.window_ends(layout.window, 0);
    if !frame.known_names.is_empty() {
        let told = frame.len() + frame.coming();
        // Over a break nothing is known of the coming rows.
        let told = |end: usize| {
            let edge = frame.breaks.iter().find(|&&row| row > end);
            end + layout.horizon < edge.copied().unwrap_or(told)
        };
        ends.retain(|&end| told(end));
    }
    if ends.is_empty() {
        let have = frame.longest_stretch() + before;
        let what = match frame.known_names.is_empty() {
            true => format!("the longest stretch without a break has {have}"),
            false => format!(
                "the longest stretch without a break has {have} (and {} must tell of the {} after them)",
                frame.known_names.join(", "),
                layout.horizon
            ),
        };
        return Err(too_short(layout.window + before, &what));
    }
    let targets = layout.names.targets.len();
    let picks: Vec<(usize, usize)> = ends
        .iter()
        .flat_map(|&end| (0..targets).map(move |target| (end, target)))
        .collect();
    let mut rows = Rows::new(fitted, unit);
    for (&(end, target), expected) in picks.iter().zip(run(config, fitted, model, frame, &picks)?) {
        let times = coming_times(frame, end, layout.horizon);
        for (step, (time, value)) in times.into_iter().zip(&expected.values).enumerate() {
            rows.push(
                time,
                target,
                step + 1,
                *value,
                expected.bounds.get(step).copied(),
            );
        }
    }
    rows.table()
}

/// What stands beside a row that is not known yet: from the frame, the row and its target.
pub(super) type Coming<'a> = dyn Fn(&Frame, usize, f64) -> Vec<f64> + 'a;

/// The next `steps` rows after the last one of a frame.
///
/// Steps beyond the horizon are predicted from those before them; `coming` says what stands beside a row that is not known yet. They have no
/// intervals: errors that feed errors were not measured.
///
/// # Errors
/// [`DataErrorKind::Size`] if the last stretch is shorter than a window, or not all is given that is to be known in advance.
pub(super) fn forecast(
    config: &ForecastConfig,
    fitted: &Fitted,
    model: &dyn Model,
    frame: &Frame,
    unit: &str,
    (before, coming): (usize, &Coming<'_>),
    steps: usize,
) -> Result<Table> {
    if steps == 0 {
        let why = "a forecast needs at least 1 step, but steps is 0";
        return Err(Error::Usage(why.to_string()));
    }
    let layout = &fitted.layout;
    let last = frame.len().saturating_sub(1);
    if frame.window_ends(layout.window, 0).last() != Some(&last) {
        let have = frame.last_stretch() + before;
        let what = match frame.foreseen.last() {
            Some(true) => "the last row was filled in with a later one".to_string(),
            _ => format!("after the last break there are {have}"),
        };
        return Err(too_short(layout.window + before, &what));
    }
    // Whole horizons are predicted, so the columns must reach as far.
    let need = steps.div_ceil(layout.horizon) * layout.horizon;
    if !frame.known_names.is_empty() && frame.coming() < need {
        let what = format!(
            "a forecast of {steps} steps needs {} of the coming {need} rows, but the file tells of {}",
            frame.known_names.join(", "),
            frame.coming()
        );
        return Err(DataError::new(DataErrorKind::Size, what)
            .remedy(format!(
                "add rows with these columns filled and `{}` empty",
                layout.names.targets[0]
            ))
            .into());
    }
    let keep = layout.window.max(layout.season) + 1;
    let mut recent = frame.tail(keep);
    let targets = layout.names.targets.len();
    let mut rows = Rows::new(fitted, unit);
    let mut made = 0;
    while made < steps {
        let end = recent.len() - 1;
        let picks: Vec<(usize, usize)> = (0..targets).map(|target| (end, target)).collect();
        let expected = run(config, fitted, model, &recent, &picks)?;
        let times = coming_times(&recent, end, layout.horizon);
        for (step, time) in times.into_iter().enumerate().take(steps - made) {
            for (target, expected) in expected.iter().enumerate() {
                let bounds = expected.bounds.get(step).filter(|_| made == 0);
                let value = expected.values[step];
                rows.push(time, target, made + step + 1, value, bounds.copied());
            }
        }
        made += layout.horizon;
        for step in 0..layout.horizon {
            let levels: Vec<f64> = expected.iter().map(|e| e.values[step]).collect();
            let past = coming(&recent, layout.season, levels[0]);
            recent.push(&levels, &past);
        }
        recent = recent.tail(keep);
    }
    rows.table()
}

fn too_short(need: usize, have: &str) -> Error {
    DataError::new(
        DataErrorKind::Size,
        format!("one prediction needs {need} rows in a row, but {have}"),
    )
    .remedy("give more rows, oldest first")
    .into()
}
