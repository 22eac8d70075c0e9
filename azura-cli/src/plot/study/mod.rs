//! A study as one page of HTML that needs nothing else: every picture is inline SVG, and a little script lets lines of the
//! parallel coordinates be picked out.

mod frame;
mod over_time;
mod searched;
mod values;

use std::fmt::Write as _;

use azura_learner::tune::{Direction, History, State as Trialed, Trial};

use super::svg::{escape, ink};
use crate::progress::text;
use crate::study::State;

/// What stands above the pictures.
pub struct Page {
    /// The study.
    pub name: String,
    /// Its app.
    pub app: String,
    /// How it searches.
    pub manner: String,
    /// How many trials stand how.
    pub standing: String,
}

/// The table at the end of the page shows so many trials.
const ROWS: usize = 500;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("brush.js");

/// The whole page.
pub fn study(page: &Page, state: &State, importance: &[(String, f64)]) -> String {
    let history = &state.history;
    let mut pictures: Vec<(&str, Option<String>)> = vec![
        ("Values of the trials", over_time::values(history)),
        ("Values on the way", over_time::reports(history)),
        ("Parallel coordinates", searched::parallel(history)),
        ("What matters", searched::importance(importance)),
        ("One parameter at a time", searched::slices(history)),
        ("How often which value", values::distribution(history)),
        ("Who did what when", over_time::timeline(state)),
    ];
    if history.objectives.len() > 1 {
        pictures.insert(1, ("The front", values::front(history)));
    }
    let mut body = String::new();
    for (title, picture) in pictures {
        let _ = match picture {
            Some(svg) => writeln!(body, "<section><h2>{title}</h2>\n{svg}</section>"),
            None => writeln!(
                body,
                "<section><h2>{title}</h2><p class=\"none\">Too little is known for this picture.</p></section>"
            ),
        };
    }
    let best = match history.best() {
        Some(best) => {
            let values: Vec<String> = best
                .values
                .iter()
                .map(|(key, value)| {
                    format!(
                        "<code>{}={}</code>",
                        escape(key),
                        escape(&value.to_string())
                    )
                })
                .collect();
            format!(
                "<p>The best of {} is trial {}: {} {}. It tried {}.</p>",
                escape(&history.objectives[0].name),
                best.number,
                escape(&history.objectives[0].name),
                text::number(best.objectives[0]),
                values.join(" ")
            )
        }
        None => "<p>No trial has a value yet.</p>".to_string(),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} · azura</title>\n<style>\n{STYLE}</style></head><body><main>\n\
         <h1>{name}</h1>\n<p>app {app} · {manner}</p>\n<p>{standing}</p>\n{best}\n{body}{table}</main>\n\
         <script>\n{SCRIPT}</script></body></html>\n",
        name = escape(&page.name),
        app = escape(&page.app),
        manner = escape(&page.manner),
        standing = escape(&page.standing),
        table = table(state),
    )
}

fn table(state: &State) -> String {
    let history = &state.history;
    let mut text =
        "<section><h2>All trials</h2>\n<div class=\"wide\"><table><thead><tr><th>trial<th>state"
            .to_string();
    for objective in &history.objectives {
        let _ = write!(text, "<th>{}", escape(&objective.name));
    }
    for parameter in history.space.parameters() {
        let _ = write!(text, "<th>{}", escape(&parameter.key));
    }
    text += "<th>seconds<th>reason</tr></thead><tbody>\n";
    for trial in history.trials.iter().take(ROWS) {
        let (state_name, reason) = standing(trial);
        let _ = write!(text, "<tr><td>{}<td>{state_name}", trial.number);
        for i in 0..history.objectives.len() {
            let value = trial
                .objectives
                .get(i)
                .copied()
                .or_else(|| on_the_way(trial, i));
            let _ = write!(
                text,
                "<td>{}",
                value.map_or_else(String::new, self::text::number)
            );
        }
        for parameter in history.space.parameters() {
            let value = trial.values.get(&parameter.key).map(ToString::to_string);
            let _ = write!(text, "<td>{}", escape(&value.unwrap_or_default()));
        }
        let seconds = state.notes[trial.number].seconds();
        let seconds = seconds.map_or_else(String::new, |seconds| format!("{seconds:.1}"));
        let _ = writeln!(text, "<td>{seconds}<td>{}</tr>", escape(reason));
    }
    text += "</tbody></table></div>\n";
    if history.trials.len() > ROWS {
        let _ = writeln!(
            text,
            "<p>The first {ROWS} of {} trials; azura tune export csv writes all.</p>",
            history.trials.len()
        );
    }
    text + "</section>\n"
}

fn standing(trial: &Trial) -> (&'static str, &str) {
    match &trial.state {
        Trialed::Running => ("running", ""),
        Trialed::Done => ("done", ""),
        Trialed::Pruned(reason) => ("pruned", reason),
        Trialed::Failed(reason) => ("failed", reason),
    }
}

/// The last report of the first objective.
fn on_the_way(trial: &Trial, objective: usize) -> Option<f64> {
    trial
        .intermediate
        .last()
        .filter(|_| objective == 0)
        .map(|(_, value)| *value)
}

/// A colour for each state that is no colour alone: pictures also differ in shape or words.
fn color(trial: &Trial) -> &'static str {
    match trial.state {
        Trialed::Done => ink::BLUE,
        Trialed::Pruned(_) => ink::VERMILLION,
        Trialed::Failed(_) => ink::BLACK,
        Trialed::Running => ink::GREEN,
    }
}

/// Whether a value is better than another in an objective.
fn better(history: &History, objective: usize, a: f64, b: f64) -> bool {
    match history.objectives[objective].direction {
        Direction::Minimize => a < b,
        Direction::Maximize => a > b,
    }
}

/// What the pointer shows over a trial.
fn tip(trial: &Trial, value: f64) -> String {
    let values: Vec<String> = trial
        .values
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    escape(&format!(
        "trial {}: {}  {}",
        trial.number,
        text::number(value),
        values.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Entry, From};
    use azura_learner::tune::{Objective, Space};
    use serde_json::Map;

    fn some(trials: usize) -> State {
        let space = Space::parse([
            ("train.lr", "log:1e-4..1e-2"),
            ("model.kind", "a|b"),
            ("model.window", "int:20..120/20 if model.kind=b"),
        ])
        .unwrap();
        let objectives = vec![
            Objective::minimize("val.loss"),
            Objective::minimize("parameters"),
        ];
        let mut state = State::new(History::new(space, objectives).unwrap());
        for trial in 0..trials {
            let at = trial as f64 / trials as f64;
            let point = state.history.space.snap(&[at, 1.0 - at, 0.3]);
            let values = state.history.space.values(&point);
            let start = Entry::Start {
                trial,
                point,
                values,
                from: From::Sampler,
                worker: Some(format!("w{}", trial % 2)),
                time: 10.0 * at,
            };
            state.apply(start).unwrap();
            for step in 1..=3 {
                let value = (trial % 7 > 0).then_some(at / step as f64);
                state.apply(Entry::Report { trial, step, value }).unwrap();
            }
            let (ended, objectives) = match trial % 4 {
                0 => (
                    Trialed::Failed("<script>alert(1)</script>".to_string()),
                    vec![],
                ),
                1 => (Trialed::Pruned("rank 3 of 4".to_string()), vec![]),
                _ => (Trialed::Done, vec![at, 1.0 / (at + 0.1)]),
            };
            if trial + 1 < trials {
                let end = Entry::End {
                    trial,
                    state: ended,
                    objectives,
                    constraints: vec![],
                    measured: Map::new(),
                    time: 10.0 * at + 2.0,
                };
                state.apply(end).unwrap();
            }
        }
        state
    }

    fn page() -> Page {
        Page {
            name: "a<b".to_string(),
            app: "weather".to_string(),
            manner: "min val.loss".to_string(),
            standing: "1/2".to_string(),
        }
    }

    #[test]
    fn a_page_needs_nothing_else_and_shows_every_picture() {
        let html = study(
            &page(),
            &some(40),
            &[
                ("train.lr".to_string(), 0.7),
                ("model.kind".to_string(), 0.3),
            ],
        );
        assert_eq!(html.matches("<svg ").count(), 8);
        assert_eq!(html.matches("</svg>").count(), 8);
        for foreign in ["src=", "href=", "@import", "url(", "<script>alert"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        let ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "{ids:?}");
        assert!(!html.contains("NaN"), "a coordinate is no number");
    }

    #[test]
    fn a_study_without_trials_is_a_page_too() {
        for trials in [0, 1, 2] {
            let html = study(&page(), &some(trials), &[]);
            assert!(html.contains("Too little is known"), "{trials}");
            assert!(!html.contains("NaN") && !html.contains("inf"), "{trials}");
        }
    }
}
