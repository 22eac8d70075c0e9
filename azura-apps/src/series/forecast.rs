//! Predictions for every window of a table, and forecasts of many steps.

use azura_core::Tensor;
use azura_learner::app::Field;
use azura_learner::data::{Batch, DataError, DataErrorKind, Kind, Table, Timestamp};
use azura_learner::{Ctx, Error, Model, Result};

use super::fit::Fitted;
use super::frame::Frame;
use super::score::outputs;
use super::step::Step;

/// Windows that go through the model at a time.
const BATCH: usize = 256;

/// What the future of a series looks like: the app's calendar and its rule for the other columns.
pub trait Future {
    /// The columns of the table as a frame.
    ///
    /// # Errors
    /// If the table does not fit.
    fn frame(&self, table: &Table) -> Result<Frame>;

    /// The time of the row after the one at `time`.
    fn next_time(&self, time: Timestamp) -> Timestamp;

    /// One row more: `value` at `time`, and the other columns by the app's rule.
    ///
    /// # Errors
    /// If the table does not fit.
    fn next_row(&self, history: &Table, time: Timestamp, value: f64) -> Result<Table>;

    /// How the series moves.
    fn step(&self) -> Step;

    /// Rows that one prediction looks back on.
    fn window(&self) -> usize;

    /// Rows before the window that its features need.
    fn before(&self) -> usize;

    /// The unit of the series.
    fn unit(&self) -> String;
}

/// One prediction for every complete window of `input`: the row after the window's last one.
///
/// The result has the columns `time`, `prediction` and `unit`, in the order of the rows. Rows with fewer than a
/// window of rows up to and including themselves in their stretch have no prediction, so there are fewer rows than in
/// the input.
///
/// # Errors
/// [`DataErrorKind::Size`] if there is no complete window.
pub fn predict(
    future: &dyn Future,
    fitted: &Fitted,
    model: &dyn Model,
    input: &Table,
) -> Result<Table> {
    let frame = future.frame(input)?;
    let ends = frame.window_ends(future.window());
    if ends.is_empty() {
        let have = frame.longest_stretch();
        return Err(too_short(
            future,
            input,
            &format!(
                "the longest stretch without a break has {}",
                have + future.before()
            ),
        ));
    }
    let values = after(future, fitted, model, &frame, input, &ends)?;
    let stretch_begins = |row: usize| frame.breaks.binary_search(&row).is_ok();
    let times: Vec<Timestamp> = ends
        .iter()
        .map(|&end| match frame.times.get(end + 1) {
            // A trading day that is there is the next one, whatever a calendar says.
            Some(&time) if !stretch_begins(end + 1) => time,
            _ => future.next_time(frame.times[end]),
        })
        .collect();
    table(times, values, future.unit())
}

/// The next `steps` values after the last row of `history`, each from the ones before it.
///
/// # Errors
/// [`DataErrorKind::Size`] if the last stretch of `history` is shorter than a window.
pub fn forecast(
    future: &dyn Future,
    fitted: &Fitted,
    model: &dyn Model,
    history: &Table,
    steps: usize,
) -> Result<Table> {
    if steps == 0 {
        return Err(Error::Usage(
            "a forecast needs at least 1 step, but steps is 0".to_string(),
        ));
    }
    let need = future.window() + future.before();
    let frame = future.frame(history)?;
    let last = history.len().saturating_sub(1);
    if frame.window_ends(future.window()).last() != Some(&last) {
        let have = frame.last_stretch();
        return Err(too_short(
            future,
            history,
            &format!("after the last break there are {}", have + future.before()),
        ));
    }
    let mut recent = history.tail(need);
    let (mut times, mut values) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for _ in 0..steps {
        let frame = future.frame(&recent)?;
        let end = frame.len() - 1;
        let value = after(future, fitted, model, &frame, &recent, &[end])?[0];
        let time = future.next_time(frame.times[end]);
        let row = future.next_row(&recent, time, value)?;
        recent = recent.append(&row)?.tail(need);
        times.push(time);
        values.push(value);
    }
    table(times, values, future.unit())
}

/// The values that the model expects after the windows that end in these rows.
fn after(
    future: &dyn Future,
    fitted: &Fitted,
    model: &dyn Model,
    frame: &Frame,
    table: &Table,
    ends: &[usize],
) -> Result<Vec<f64>> {
    let (window, width) = (future.window(), frame.features().len());
    let inputs = fitted.inputs(frame, table)?;
    let mut values = Vec::with_capacity(ends.len());
    for ends in ends.chunks(BATCH) {
        let mut x = Vec::with_capacity(ends.len() * window * width);
        for &end in ends {
            x.extend_from_slice(&inputs[(end + 1 - window) * width..(end + 1) * width]);
        }
        let batch = Batch {
            tensors: vec![Tensor::from_vec(x, [ends.len(), window, width])?],
            rows: (0..ends.len()).collect(),
        };
        let output = outputs(&model.forward(&batch, &mut Ctx::eval())?, ends.len())?;
        values.extend(
            ends.iter()
                .zip(output)
                .map(|(&end, z)| fitted.value(future.step(), frame.level[end], z)),
        );
    }
    Ok(values)
}

fn too_short(future: &dyn Future, table: &Table, have: &str) -> Error {
    let need = future.window() + future.before();
    DataError::new(
        DataErrorKind::Size,
        format!("one prediction needs {need} rows in a row, but {have}"),
    )
    .in_file(table.source())
    .remedy("give more rows, oldest first")
    .into()
}

/// The columns that predictions and forecasts have.
pub(crate) fn output_fields(unit: &str) -> Vec<Field> {
    vec![
        Field::new(
            "time",
            Kind::Time,
            "the row that is predicted: the one after the window",
        ),
        Field::new("prediction", Kind::Number, "its predicted value").unit(unit),
        Field::new("unit", Kind::Text, "the unit of the prediction"),
    ]
}

fn table(times: Vec<Timestamp>, values: Vec<f64>, unit: String) -> Result<Table> {
    let units = vec![unit; times.len()];
    Ok(Table::new("predictions")
        .with("time", times)?
        .with("prediction", values)?
        .with("unit", units)?)
}
