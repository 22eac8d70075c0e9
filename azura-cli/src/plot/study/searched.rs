//! Pictures of the space: parallel coordinates, what matters, and one parameter at a time.

use azura_learner::tune::{Domain, History, Kind, Parameter, Trial, Value};

use super::frame::{AXIS, Frame, mark, scale};
use super::{on_the_way, tip};
use crate::plot::axis::Tick;
use crate::plot::svg::{Sheet, WIDTH, ink};
use crate::progress::text;

/// More lines than these are a surface.
const LINES: usize = 1000;

/// The trials that have a value, with it: done ones, and pruned ones with their last report.
fn valued(history: &History) -> Vec<(&Trial, f64)> {
    let value = |trial: &Trial| {
        trial
            .objectives
            .first()
            .copied()
            .or_else(|| on_the_way(trial, 0))
    };
    let found = history.trials.iter().filter(|trial| trial.is_finished());
    found
        .filter_map(|trial| Some((trial, value(trial).filter(|v| v.is_finite())?)))
        .collect()
}

fn label(value: &Value) -> String {
    let text = match value {
        Value::Float(x) => text::number(*x),
        other => other.to_string(),
    };
    match text.char_indices().nth(12) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Ticks on the unit interval: each value of a short list, else the ends and the middle.
fn ticks(domain: &Domain, most: usize) -> Vec<Tick> {
    let places: Vec<f64> = match domain.kind() {
        Kind::Ordered(n) | Kind::Unordered(n) if n <= most => {
            (0..n).map(|i| (i as f64 + 0.5) / n as f64).collect()
        }
        _ => vec![0.0, 0.5, 1.0],
    };
    places
        .into_iter()
        .map(|u| (domain.snap(u), label(&domain.decode(u))))
        .collect()
}

fn short(parameter: &Parameter) -> &str {
    parameter.key.rsplit('.').next().unwrap_or(&parameter.key)
}

/// Blue for the best, grey for the worst.
fn shade(rank: f64) -> String {
    let mix = |good: f64, bad: f64| (good + (bad - good) * rank.sqrt()).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(0.0, 208.0),
        mix(114.0, 215.0),
        mix(178.0, 222.0)
    )
}

/// One line for each trial through an axis for each parameter and one for the value. The script of the page lets ranges of the
/// axes be picked: it finds lines by `class`, their places by `data-at`.
pub fn parallel(history: &History) -> Option<String> {
    let mut trials = valued(history);
    let parameters = history.space.parameters();
    let all: Vec<f64> = trials.iter().map(|(_, value)| *value).collect();
    let y = scale(&all)?;
    if trials.len() < 2 {
        return None;
    }
    let cost = |value: f64| history.objectives[0].direction.cost(value);
    // The worst first, so that the best lie on top.
    trials.sort_by(|a, b| cost(b.1).total_cmp(&cost(a.1)));
    let left_out = trials.len().saturating_sub(LINES);
    let trials = &trials[left_out..];
    let frame = Frame {
        left: 84.0,
        top: 76.0,
        width: WIDTH - 84.0 - 64.0,
        height: 260.0,
        x: (0.0, parameters.len() as f64),
        y: (0.0, 1.0),
    };
    let about = format!(
        "Each of {} trials as a line through its values; blue is good. Drag along an axis to pick lines, double-click to let go.",
        trials.len()
    );
    let mut sheet = Sheet::new(380.0, "", &about);
    sheet.text(24.0, 28.0, "start", 12.0, ink::GREY, 400, &about);
    sheet.raw("<g class=\"lines\">");
    for (i, (trial, value)) in trials.iter().enumerate() {
        let rank = 1.0 - (i + 1) as f64 / trials.len() as f64;
        let mut at: Vec<Option<f64>> = parameters
            .iter()
            .zip(&trial.point)
            .map(|(parameter, u)| trial.values.contains_key(&parameter.key).then_some(*u))
            .collect();
        at.push(Some(((value - y.0) / (y.1 - y.0)).clamp(0.0, 1.0)));
        let mut data = String::new();
        let mut pen = 'M';
        for (axis, up) in at.iter().enumerate() {
            // A parameter that is not active leaves no point; the line goes straight on.
            if let Some(up) = up {
                data += &format!("{pen}{:.1} {:.1}", frame.px(axis as f64), frame.py(*up));
                pen = 'L';
            }
        }
        let places: Vec<String> = at
            .iter()
            .map(|up| up.map_or_else(String::new, |up| format!("{up:.4}")))
            .collect();
        sheet.raw(&format!(
            "<path class=\"line\" d=\"{data}\" data-at=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" stroke-opacity=\"0.8\"><title>{}</title></path>",
            places.join(","),
            shade(rank),
            tip(trial, *value)
        ));
    }
    sheet.raw("</g>");
    let value_ticks: Vec<Tick> = crate::plot::axis::linear(y.0, y.1, 4)
        .into_iter()
        .map(|(value, label)| ((value - y.0) / (y.1 - y.0), label))
        .collect();
    for axis in 0..=parameters.len() {
        let x = frame.px(axis as f64);
        let (name, ticks) = match parameters.get(axis) {
            Some(parameter) => (short(parameter), ticks(&parameter.domain, 8)),
            None => (history.objectives[0].name.as_str(), value_ticks.clone()),
        };
        sheet.line(x, frame.top, x, frame.top + frame.height, AXIS);
        for (up, label) in &ticks {
            let y = frame.py(*up);
            sheet.line(x - 4.0, y, x, y, AXIS);
            sheet.text(x - 7.0, y + 4.0, "end", 11.0, ink::BLACK, 400, label);
        }
        let base = frame.top + frame.height;
        sheet.text(x, base + 24.0, "middle", 12.0, ink::BLACK, 600, name);
        sheet.raw(&format!(
            "<rect class=\"axis\" data-axis=\"{axis}\" x=\"{:.1}\" y=\"{:.1}\" width=\"24\" height=\"{}\" fill=\"#0072B2\" fill-opacity=\"0\"/>\
             <rect class=\"picked\" x=\"{:.1}\" y=\"0\" width=\"12\" height=\"0\" fill=\"#D55E00\" fill-opacity=\"0.35\" pointer-events=\"none\"/>",
            x - 12.0,
            frame.top,
            frame.height,
            x - 6.0
        ));
    }
    let note = match left_out {
        0 => String::new(),
        n => format!("the best {LINES}; {n} more trials are not drawn"),
    };
    sheet.text(24.0, 368.0, "start", 12.0, ink::GREY, 400, &note);
    let svg = sheet.inline("parallel-");
    Some(format!(
        "<div class=\"parallel\">{svg}<p class=\"picked-count\" aria-live=\"polite\"></p></div>\n"
    ))
}

/// The share of each parameter in the differences between trials.
pub fn importance(shares: &[(String, f64)]) -> Option<String> {
    if shares.is_empty() {
        return None;
    }
    let height = 28.0 * shares.len() as f64;
    let about = "How much of the differences between trials each parameter explains.";
    let mut sheet = Sheet::new(height + 48.0, "", about);
    let (left, width) = (220.0, WIDTH - 220.0 - 84.0);
    let most = shares.iter().map(|(_, share)| *share).fold(1e-9, f64::max);
    for (i, (key, share)) in shares.iter().enumerate() {
        let y = 24.0 + 28.0 * i as f64;
        sheet.text(left - 10.0, y + 15.0, "end", 13.0, ink::BLACK, 400, key);
        let wide = share / most * width;
        sheet.raw(&format!(
            "<rect x=\"{left}\" y=\"{y}\" width=\"{wide:.1}\" height=\"20\" rx=\"2\" fill=\"{}\"/>",
            ink::BLUE
        ));
        let text = format!("{share:.2}");
        sheet.text(
            left + wide + 8.0,
            y + 15.0,
            "start",
            13.0,
            ink::BLACK,
            400,
            &text,
        );
    }
    Some(sheet.inline("importance-"))
}

/// The value against each parameter, in small pictures side by side.
pub fn slices(history: &History) -> Option<String> {
    let trials = valued(history);
    let all: Vec<f64> = trials.iter().map(|(_, value)| *value).collect();
    let y = scale(&all)?;
    let parameters = history.space.parameters();
    const ACROSS: usize = 3;
    const WIDE: f64 = 210.0;
    const HIGH: f64 = 150.0;
    let down = parameters.len().div_ceil(ACROSS) as f64;
    let name = &history.objectives[0].name;
    let about =
        format!("{name} of each trial against each of its values, darker for later trials.");
    let mut sheet = Sheet::new(24.0 + down * (HIGH + 84.0), "", &about);
    for (i, parameter) in parameters.iter().enumerate() {
        let frame = Frame {
            left: 64.0 + (i % ACROSS) as f64 * (WIDE + 70.0),
            top: 48.0 + (i / ACROSS) as f64 * (HIGH + 84.0),
            width: WIDE,
            height: HIGH,
            x: (0.0, 1.0),
            y,
        };
        frame.up(&mut sheet, if i % ACROSS == 0 { name } else { "" });
        frame.across(&mut sheet, &ticks(&parameter.domain, 6), &parameter.key);
        for (trial, value) in &trials {
            if !trial.values.contains_key(&parameter.key) {
                continue;
            }
            let late = trial.number as f64 / history.trials.len().max(1) as f64;
            let hollow = trial.objectives.is_empty();
            let (x, up) = (frame.px(trial.point[i]), frame.py(*value));
            mark(
                &mut sheet,
                x,
                up,
                &shade(1.0 - late),
                hollow,
                &tip(trial, *value),
            );
        }
    }
    Some(sheet.inline("slices-"))
}
