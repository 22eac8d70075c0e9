//! A trial in a process of its own, and how it and its worker talk.
//!
//! The child writes its events as JSON lines to stderr and its result to stdout, like `train --json --progress json`. After
//! each epoch it waits for a line on stdin: `go`, or `stop`, which ends it with a checkpoint. So no epoch is trained that
//! the pruner would have spared. When the worker dies, stdin ends, and that means `stop` too: no child is left behind.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use azura_learner::train::EpochRow;
use azura_learner::{Event, Observer, StopFlag};
use serde_json::{Map, Value};

use crate::output;
use crate::progress;

/// The name of the command that trains a trial.
const TRIAL: &str = "work";

/// What a worker tells its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on after this epoch.
    Go,
    /// End now, with a checkpoint.
    Stop,
}

/// What a child tells its worker.
#[derive(Debug)]
pub enum Told {
    /// It trains.
    Began {
        /// Epochs at most.
        epochs: u64,
        /// Numbers in the model.
        parameters: f64,
    },
    /// An epoch ended; a trial that goes on tells its earlier epochs again.
    Epoch {
        /// Which, from 1.
        epoch: u64,
        /// Its metrics.
        metrics: Map<String, Value>,
        /// Whether it is the best one so far.
        best: bool,
    },
    /// It ended.
    Ended(Exit),
}

/// How a child ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit status; `None` if a signal killed it.
    pub code: Option<i32>,
    /// The document it wrote, or null.
    pub document: Value,
    /// The last line on stderr that was no event, such as a panic's.
    pub words: Option<String>,
}

/// A child that trains a trial.
pub struct Child {
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts a child; what it tells comes through `tell` with the trial's number.
    ///
    /// # Errors
    /// The system's reason.
    pub fn start(
        study: &Path,
        trial: usize,
        threads: usize,
        tell: Sender<(usize, Told)>,
    ) -> io::Result<Child> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["tune", TRIAL])
            .arg(study)
            .arg(trial.to_string())
            .args(["--threads", &threads.to_string()])
            .args(["--json", "--progress", "json", "--color", "never"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let document = std::thread::Builder::new().spawn(move || {
            let mut text = String::new();
            // A document that is cut off or no text is none.
            let _ = stdout.map(|mut stdout| stdout.read_to_string(&mut text));
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })?;
        std::thread::Builder::new().spawn(move || {
            let mut words = None;
            for line in stderr
                .map(BufReader::new)
                .into_iter()
                .flat_map(BufRead::lines)
            {
                // Bytes that are no text end the listening, not the child.
                let Ok(line) = line else { break };
                match serde_json::from_str(&line) {
                    Ok(event) => {
                        if let Some(told) = read(&event) {
                            // A worker that no longer listens is about to end.
                            let _ = tell.send((trial, told));
                        }
                    }
                    Err(_) if !line.trim().is_empty() => words = Some(line),
                    Err(_) => {}
                }
            }
            let document = document.join().unwrap_or(Value::Null);
            let code = child.wait().ok().and_then(|status| status.code());
            let exit = Exit {
                code,
                document,
                words,
            };
            let _ = tell.send((trial, Told::Ended(exit)));
        })?;
        Ok(Child { stdin })
    }

    /// Gives an order. A child that has ended needs none.
    pub fn order(&mut self, order: Order) {
        if let Some(stdin) = &mut self.stdin {
            let line: &[u8] = match order {
                Order::Go => b"go\n",
                Order::Stop => b"stop\n",
            };
            let _ = stdin.write_all(line).and_then(|()| stdin.flush());
        }
    }
}

fn read(event: &Value) -> Option<Told> {
    let number = |name: &str| event.get(name).and_then(Value::as_u64);
    match event.get("event")?.as_str()? {
        "started" | "resumed" => Some(Told::Began {
            epochs: number("epochs")?,
            parameters: event.get("parameters")?.as_f64()?,
        }),
        "epoch" => Some(Told::Epoch {
            epoch: number("epoch")?,
            metrics: event.get("metrics")?.as_object()?.clone(),
            best: event.get("best")?.as_bool()?,
        }),
        _ => None,
    }
}

/// The child's side: tells events, and waits for orders.
pub struct Control {
    orders: Receiver<Order>,
    stop: StopFlag,
}

impl Control {
    /// Listens on stdin from now on.
    ///
    /// # Errors
    /// The system's reason if no thread can be made.
    pub fn listen(stop: &StopFlag) -> io::Result<Control> {
        let (give, orders) = channel();
        let flag = stop.clone();
        std::thread::Builder::new()
            .name("orders".to_string())
            .spawn(move || {
                for line in io::stdin().lock().lines() {
                    match line.as_deref() {
                        Ok("go") => {
                            let _ = give.send(Order::Go);
                        }
                        _ => break,
                    }
                }
                // `stop`, or the worker is gone. Dropping `give` ends the waiting.
                flag.raise();
            })?;
        Ok(Control {
            orders,
            stop: stop.clone(),
        })
    }

    fn epoch(&self, row: &EpochRow) {
        if let Some(event) = progress::describe(&Event::Epoch(row)) {
            output::event(&event);
        }
        if self.orders.recv().is_err() {
            self.stop.raise();
        }
    }
}

impl Observer for Control {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Epoch(row) => self.epoch(row),
            _ => {
                if let Some(event) = progress::describe(event) {
                    output::event(&event);
                }
            }
        }
        if let Event::Started { history, .. } = event {
            for row in *history {
                self.epoch(row);
            }
        }
    }
}
