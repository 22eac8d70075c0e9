//! Pictures of values alone: how often which, and the front of two objectives.

use azura_learner::tune::History;

use super::frame::{Frame, mark, scale};
use super::tip;
use crate::plot::axis;
use crate::plot::svg::{Sheet, Stroke, WIDTH, ink};

const LEFT: f64 = 72.0;

/// The share of trials that are done with a value at most so large.
pub fn distribution(history: &History) -> Option<String> {
    let mut values: Vec<f64> = history.done().map(|trial| trial.objectives[0]).collect();
    if values.len() < 2 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let x = scale(&values)?;
    let frame = Frame {
        left: LEFT,
        top: 48.0,
        width: WIDTH - LEFT - 24.0,
        height: 180.0,
        x,
        y: (0.0, 1.0),
    };
    let name = &history.objectives[0].name;
    let about = format!(
        "The share of {} trials whose {name} is at most so large.",
        values.len()
    );
    let mut sheet = Sheet::new(288.0, "", &about);
    frame.up(&mut sheet, "share of trials");
    frame.across(&mut sheet, &axis::linear(x.0, x.1, 8), name);
    let share = |i: usize| i as f64 / values.len() as f64;
    let mut line = vec![(frame.px(x.0), frame.py(0.0))];
    for (i, value) in values.iter().enumerate() {
        line.push((frame.px(*value), frame.py(share(i))));
        line.push((frame.px(*value), frame.py(share(i + 1))));
    }
    line.push((frame.px(x.1), frame.py(1.0)));
    let stroke = Stroke {
        color: ink::BLUE,
        width: 2.0,
        dash: "",
    };
    sheet.path(line.into_iter(), stroke);
    Some(sheet.inline("distribution-"))
}

/// The first two objectives of every trial, and those that none beats.
pub fn front(history: &History) -> Option<String> {
    let done: Vec<_> = history.done().collect();
    let of = |i: usize| {
        done.iter()
            .map(|trial| trial.objectives[i])
            .collect::<Vec<f64>>()
    };
    let (x, y) = (scale(&of(0))?, scale(&of(1))?);
    let frame = Frame {
        left: LEFT,
        top: 60.0,
        width: WIDTH - LEFT - 24.0,
        height: 280.0,
        x,
        y,
    };
    let front = history.pareto_front();
    let names = [&history.objectives[0].name, &history.objectives[1].name];
    let about = format!(
        "{} against {} of {} trials; {} of them are beaten by no other in all objectives.",
        names[0],
        names[1],
        done.len(),
        front.len()
    );
    let mut sheet = Sheet::new(400.0, "", &about);
    frame.up(&mut sheet, names[1]);
    frame.across(&mut sheet, &axis::linear(x.0, x.1, 8), names[0]);
    let legend = |color, name: &str| {
        let stroke = Stroke {
            color,
            width: 4.0,
            dash: "",
        };
        (name.to_string(), stroke)
    };
    sheet.legend(&[
        legend(ink::VERMILLION, "beaten by none"),
        legend(ink::BLUE, "others"),
    ]);
    for trial in &done {
        let best = front.iter().any(|other| other.number == trial.number);
        let (px, py) = (frame.px(trial.objectives[0]), frame.py(trial.objectives[1]));
        let color = if best { ink::VERMILLION } else { ink::BLUE };
        mark(
            &mut sheet,
            px,
            py,
            color,
            !best,
            &tip(trial, trial.objectives[0]),
        );
    }
    Some(sheet.inline("front-"))
}
