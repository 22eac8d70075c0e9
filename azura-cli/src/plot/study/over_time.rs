//! Pictures of what happened one after the other: the value of each trial, its values on the way, and who did what when.

use azura_learner::tune::{History, State as Trialed};

use super::frame::{Frame, mark, scale};
use super::{better, color, on_the_way, tip};
use crate::plot::axis;
use crate::plot::svg::{Sheet, Stroke, WIDTH, escape, ink};
use crate::progress::text;
use crate::study::State;

/// More lines than these cannot be told apart.
const LINES: usize = 300;

const LEFT: f64 = 72.0;

fn frame(height: f64, x: (f64, f64), y: (f64, f64)) -> Frame {
    Frame {
        left: LEFT,
        top: 72.0,
        width: WIDTH - LEFT - 24.0,
        height,
        x,
        y,
    }
}

fn legend(sheet: &mut Sheet, entries: &[(&str, &'static str)]) {
    let stroke = |color| Stroke {
        color,
        width: 4.0,
        dash: "",
    };
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, c)| ((*name).to_string(), stroke(c)))
        .collect();
    sheet.legend(&entries);
}

/// The first objective of every trial, and the best so far as a line.
pub fn values(history: &History) -> Option<String> {
    let name = &history.objectives[0].name;
    let points: Vec<(usize, f64)> = history
        .trials
        .iter()
        .filter_map(|trial| {
            let value = trial
                .objectives
                .first()
                .copied()
                .or_else(|| on_the_way(trial, 0))?;
            value.is_finite().then_some((trial.number, value))
        })
        .collect();
    let all: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let y = scale(&all)?;
    let frame = frame(220.0, (-0.5, history.trials.len() as f64 - 0.5), y);
    let about = format!(
        "{name} of each of {} trials, and the best so far.",
        history.trials.len()
    );
    let mut sheet = Sheet::new(360.0, "", &about);
    legend(
        &mut sheet,
        &[
            ("done", ink::BLUE),
            ("pruned, last value", ink::VERMILLION),
            ("best so far", ink::GREEN),
        ],
    );
    frame.up(&mut sheet, name);
    frame.across(&mut sheet, &frame.counts(), "trial");
    let mut best: Option<f64> = None;
    let mut line = Vec::new();
    for trial in &history.trials {
        if trial.is_done() && trial.violation() == 0.0 {
            let value = trial.objectives[0];
            let x = frame.px(trial.number as f64);
            if let Some(old) = best {
                line.push((x, frame.py(old)));
            }
            if best.is_none_or(|old| better(history, 0, value, old)) {
                best = Some(value);
                line.push((x, frame.py(value)));
            }
        }
    }
    if let Some(best) = best {
        line.push((frame.px(history.trials.len() as f64 - 0.5), frame.py(best)));
    }
    let stroke = Stroke {
        color: ink::GREEN,
        width: 2.0,
        dash: "",
    };
    sheet.path(line.into_iter(), stroke);
    for (number, value) in points {
        let trial = &history.trials[number];
        let hollow = trial.state != Trialed::Done || trial.violation() > 0.0;
        let (x, y) = (frame.px(number as f64), frame.py(value));
        mark(&mut sheet, x, y, color(trial), hollow, &tip(trial, value));
    }
    Some(sheet.inline("values-"))
}

/// What trials reported on their way.
pub fn reports(history: &History) -> Option<String> {
    let name = &history.objectives[0].name;
    let reported = |trial: &&azura_learner::tune::Trial| trial.intermediate.len() > 1;
    let trials: Vec<_> = history
        .trials
        .iter()
        .rev()
        .filter(reported)
        .take(LINES)
        .collect();
    let all: Vec<f64> = trials
        .iter()
        .flat_map(|t| t.intermediate.iter().map(|(_, v)| *v))
        .collect();
    let y = scale(&all)?;
    let last = trials
        .iter()
        .filter_map(|t| t.intermediate.last())
        .map(|(step, _)| *step)
        .max()?;
    let frame = frame(240.0, (1.0, (last as f64).max(2.0)), y);
    let about = format!("{name} after each epoch of {} trials.", trials.len());
    let mut sheet = Sheet::new(380.0, "", &about);
    legend(
        &mut sheet,
        &[
            ("done", ink::BLUE),
            ("pruned", ink::VERMILLION),
            ("failed", ink::BLACK),
            ("running", ink::GREEN),
        ],
    );
    frame.up(&mut sheet, name);
    frame.across(&mut sheet, &frame.counts(), "epoch");
    let best = history.best().map(|trial| trial.number);
    for trial in trials.iter().rev() {
        let mut data = String::new();
        let mut pen = 'M';
        for (step, value) in &trial.intermediate {
            if !value.is_finite() {
                pen = 'M';
                continue;
            }
            data += &format!("{pen}{:.1} {:.1}", frame.px(*step as f64), frame.py(*value));
            pen = 'L';
        }
        let (width, opacity) = if best == Some(trial.number) {
            (3.0, 1.0)
        } else {
            (1.2, 0.55)
        };
        let value = trial
            .intermediate
            .last()
            .map_or(f64::NAN, |(_, value)| *value);
        sheet.raw(&format!(
            "<path d=\"{data}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-opacity=\"{opacity}\"><title>{}</title></path>",
            color(trial),
            tip(trial, value)
        ));
    }
    Some(sheet.inline("reports-"))
}

/// A bar for each trial, a row for each worker's place.
pub fn timeline(state: &State) -> Option<String> {
    let trials = &state.history.trials;
    let first = state
        .notes
        .iter()
        .map(|note| note.started)
        .reduce(f64::min)?;
    let now = state
        .notes
        .iter()
        .map(|note| note.ended.unwrap_or(note.started + 1.0))
        .reduce(f64::max)?;
    // Rows: a trial goes to the first row of its worker that is free.
    let mut rows: Vec<(String, f64)> = Vec::new();
    let mut bars = Vec::new();
    for (trial, note) in trials.iter().zip(&state.notes) {
        let worker = note.worker.clone().unwrap_or_else(|| "by hand".to_string());
        let (from, to) = (note.started - first, note.ended.unwrap_or(now) - first);
        let free = rows
            .iter()
            .position(|(of, until)| *of == worker && *until <= from + 1e-6);
        let row = free.unwrap_or_else(|| {
            rows.push((worker, 0.0));
            rows.len() - 1
        });
        rows[row].1 = to;
        bars.push((row, from, to, trial));
    }
    const MOST: usize = 60;
    if rows.len() > MOST {
        return None;
    }
    let height = (18.0 * rows.len() as f64).max(36.0);
    let frame = frame(
        height,
        (0.0, (now - first).max(1e-3)),
        (0.0, rows.len() as f64),
    );
    let mut sheet = Sheet::new(
        height + 140.0,
        "",
        &format!(
            "When each of {} trials ran, a row for each place of a worker.",
            trials.len()
        ),
    );
    legend(
        &mut sheet,
        &[
            ("done", ink::BLUE),
            ("pruned", ink::VERMILLION),
            ("failed", ink::BLACK),
            ("running", ink::GREEN),
        ],
    );
    frame.across(
        &mut sheet,
        &axis::linear(0.0, frame.x.1, 8),
        "seconds since the beginning",
    );
    for (n, (worker, _)) in rows.iter().enumerate() {
        let same = rows[..n].iter().all(|(other, _)| other != worker);
        if same {
            let number = rows[..n]
                .iter()
                .map(|(w, _)| w)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                + 1;
            let label = if worker == "by hand" {
                "by hand".to_string()
            } else {
                format!("worker {number}")
            };
            let y = frame.top + 18.0 * n as f64 + 13.0;
            sheet.text(LEFT - 8.0, y, "end", 11.0, ink::GREY, 400, &label);
        }
    }
    for (row, from, to, trial) in bars {
        let (x, end) = (frame.px(from), frame.px(to));
        sheet.raw(&format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" rx=\"2\" fill=\"{}\" fill-opacity=\"0.8\" stroke=\"#ffffff\" stroke-width=\"0.5\"><title>{}</title></rect>",
            frame.top + 18.0 * row as f64 + 2.0,
            (end - x).max(1.0),
            color(trial),
            escape(&format!("trial {}: {}", trial.number, text::duration(to - from)))
        ));
    }
    Some(sheet.inline("timeline-"))
}
