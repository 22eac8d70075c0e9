//! Shows a study to the person or program that waits for it, on stderr: a live table on a terminal, else one line for each
//! trial and at least one every 30 seconds, or one JSON object for each event.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use azura_learner::tune::State as Trialed;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::super::Context;
use super::table;
use crate::args::ProgressChoice;
use crate::output::{self, say};
use crate::progress::{self, text};
use crate::run_dir;
use crate::study::{Limits, Live, Setup, State, StudyDir, Watch};
use crate::style::Paint;

const REDRAW: Duration = Duration::from_millis(200);
const AT_LEAST: Duration = Duration::from_secs(30);

/// Shows what a worker does.
pub struct Show<'a> {
    setup: &'a Setup,
    study: &'a StudyDir,
    how: ProgressChoice,
    bar: Option<ProgressBar>,
    drawn: Instant,
    began: Instant,
    /// Trials that had ended when this worker began.
    before: usize,
    parallel: usize,
}

impl<'a> Show<'a> {
    /// Nothing is shown yet.
    pub fn new(context: &Context, study: &'a StudyDir, setup: &'a Setup, limits: &Limits) -> Self {
        Show {
            setup,
            study,
            how: progress::choose(&context.globals),
            bar: None,
            drawn: Instant::now(),
            began: Instant::now(),
            before: 0,
            parallel: limits.parallel,
        }
    }

    /// The worker begins.
    pub fn begin(&mut self, state: &State) {
        self.before = state.counts().ended();
        if self.how == ProgressChoice::Bar {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            output::set_bar(Some(bar.clone()));
            self.bar = Some(bar);
        }
        if output::events() {
            output::event(&json!({
                "event": "study", "study": self.study.path(), "trials": self.setup.tune.trials,
                "ended": self.before, "time": run_dir::now(),
            }));
        }
    }

    /// The worker has ended.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            output::set_bar(None);
        }
    }

    /// `left ~4:10`, from the trials that this worker saw end.
    fn left(&self, state: &State) -> String {
        let ended = state.counts().ended();
        let (here, rest) = (
            ended.saturating_sub(self.before),
            self.setup.tune.trials.saturating_sub(ended),
        );
        if here < self.parallel || rest == 0 {
            return String::new();
        }
        let each = self.began.elapsed().as_secs_f64() / here as f64;
        let left = Duration::from_secs_f64((each * rest as f64).min(1e9));
        format!("   left ~{}", text::clock(left))
    }

    fn draw(&mut self, state: &State, live: &BTreeMap<usize, &Live>) {
        let Some(bar) = &self.bar else { return };
        let history = &state.history;
        let best = table::bests(history);
        let mut rows = table::Rows::new(self.setup);
        for number in best.iter().take(3) {
            rows.add(self.setup, state, &history.trials[*number], true);
        }
        for number in live.keys() {
            rows.add(self.setup, state, &history.trials[*number], false);
        }
        let ended = history
            .trials
            .iter()
            .rev()
            .filter(|t| t.is_finished() && !best.contains(&t.number));
        for trial in ended.take(3) {
            rows.add(self.setup, state, trial, false);
        }
        let width =
            terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(w, _)| w.0.into());
        let mut lines = rows.lines(width);
        lines[0] = Paint::Dim.err(&lines[0]);
        let others = state.counts().running.saturating_sub(live.len());
        let elsewhere = match others {
            0 => String::new(),
            n => format!("   {n} elsewhere"),
        };
        lines.push(format!(
            "{}{elsewhere}   {}{}",
            table::standing(&state.counts(), self.setup.tune.trials),
            text::clock(self.began.elapsed()),
            self.left(state)
        ));
        bar.set_message(lines.join("\n"));
        bar.tick();
    }

    fn best(state: &State) -> String {
        match state.history.best() {
            Some(best) => format!(
                " best={} @{}",
                text::number(best.objectives[0]),
                best.number
            ),
            None => String::new(),
        }
    }
}

impl Watch for Show<'_> {
    fn began(&mut self, state: &State, trial: usize, again: bool) {
        if output::events() {
            output::event(&json!({
                "event": "trial", "trial": trial, "state": if again { "resumed" } else { "started" },
                "values": state.history.trials[trial].values, "time": run_dir::now(),
            }));
        } else if again && matches!(self.how, ProgressChoice::Bar | ProgressChoice::Plain) {
            say!(
                "{} trial={trial} goes on: its worker is gone",
                run_dir::now()
            );
        }
    }

    fn moved(&mut self, state: &State, live: &BTreeMap<usize, &Live>) {
        match self.how {
            ProgressChoice::Bar if self.drawn.elapsed() >= REDRAW => {
                self.drawn = Instant::now();
                self.draw(state, live);
            }
            ProgressChoice::Plain | ProgressChoice::Auto if self.drawn.elapsed() >= AT_LEAST => {
                self.drawn = Instant::now();
                let now: Vec<String> = live
                    .iter()
                    .map(|(trial, live)| {
                        let since = text::clock(live.since.elapsed());
                        let value = text::number(live.value);
                        format!(
                            "{trial}: epoch {}/{} {value} {since}",
                            live.epoch, live.epochs
                        )
                    })
                    .collect();
                say!(
                    "{} ended={}/{} under way {}{}{}",
                    run_dir::now(),
                    state.counts().ended(),
                    self.setup.tune.trials,
                    now.join(", "),
                    Show::best(state),
                    self.left(state)
                );
            }
            _ => {}
        }
    }

    fn ended(&mut self, state: &State, trial: usize) {
        let found = &state.history.trials[trial];
        if output::events() {
            let mut event = table::document(self.study, state, found);
            event["event"] = "trial".into();
            event["time"] = run_dir::now().into();
            return output::event(&event);
        }
        if !matches!(self.how, ProgressChoice::Plain | ProgressChoice::Auto) {
            return;
        }
        self.drawn = Instant::now();
        let name = &self.setup.objectives[0].name;
        let last = found.intermediate.last();
        let how = match &found.state {
            Trialed::Running => String::new(),
            Trialed::Done => format!("done {name}={}", text::number(found.objectives[0])),
            Trialed::Pruned(_) => match last {
                Some((step, value)) => format!("pruned@{step} {name}={}", text::number(*value)),
                None => "pruned".to_string(),
            },
            Trialed::Failed(reason) => format!("failed \"{reason}\""),
        };
        let values: Vec<String> = found
            .values
            .iter()
            .map(|(key, value)| format!("{key}={}", table::tried(value)))
            .collect();
        say!(
            "{} trial={trial} {how} {}{}{}",
            run_dir::now(),
            values.join(" "),
            Show::best(state),
            self.left(state)
        );
    }

    fn note(&mut self, text: &str) {
        say!("{} {text}", Paint::Yellow.err("warning:"));
    }
}

impl Drop for Show<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}
