//! The values one parameter may take, and their place on the unit interval.
//!
//! A [`Domain`] maps `u ∈ [0, 1]` to a value and back. A continuous domain takes `u` as it is; a discrete one divides
//! the interval into one cell for each value, and every `u` of a cell is that value. [`Domain::snap`] moves `u` to the
//! one number that stands for its value, so that `encode(decode(u)) = snap(u)` and `decode(encode(v)) = v`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::syntax;

/// One value of a parameter.
///
/// Its text ([`Display`](fmt::Display)) is what `--set KEY=VALUE` takes: a float always has a point or an exponent.
///
/// ```
/// use azura_learner::tune::Value;
/// assert_eq!(Value::Float(1.0).to_string(), "1.0");
/// assert_eq!(Value::Float(1e-7).to_string(), "1e-7");
/// assert_eq!(Value::Text("lstm".into()).to_string(), "lstm");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A word.
    Text(String),
}

impl Value {
    /// The value as a number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(x) => Some(*x),
            Value::Bool(_) | Value::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Text(t) => write!(f, "{t}"),
        }
    }
}

/// The values a parameter may take.
///
/// Text and serde use the syntax of the command line; see [`Space`](super::Space).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Domain {
    /// A number, uniform between the bounds: `0..0.5`.
    Float {
        /// Lower bound, included.
        low: f64,
        /// Upper bound, included.
        high: f64,
    },
    /// A number above 0 whose logarithm is uniform between those of the bounds: `log:1e-4..1e-2`.
    Log {
        /// Lower bound, above 0, included.
        low: f64,
        /// Upper bound, included.
        high: f64,
    },
    /// A whole number `low + i · step`: `int:20..120/20`.
    Int {
        /// Lower bound, included.
        low: i64,
        /// Upper bound, included; a whole number of steps above `low`.
        high: i64,
        /// Distance of two neighbours, at least 1.
        step: i64,
    },
    /// A whole number above 0 whose logarithm is uniform: `logint:8..1024`.
    LogInt {
        /// Lower bound, at least 1, included.
        low: i64,
        /// Upper bound, included.
        high: i64,
    },
    /// One of several values: `32|64|128`, `adam|sgd`.
    Categories(Vec<Value>),
    /// `true|false`.
    Bool,
}

/// What a sampler has to know about a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every `u` is a value of its own.
    Continuous,
    /// This many cells in an order that means something.
    Ordered(usize),
    /// This many equal cells whose order means nothing.
    Unordered(usize),
}

/// Continuous coordinates are whole multiples of this: fine enough for any hyper-parameter, and coarse enough that the
/// rounding of `decode` never leads `encode` to a neighbour.
const GRID: f64 = 1.0 / (1u64 << 32) as f64;

impl Domain {
    /// Whether the domain is continuous, ordered or unordered. Categories that are all numbers and rise or fall are
    /// ordered: 64 lies between 32 and 128.
    pub fn kind(&self) -> Kind {
        match self {
            Domain::Float { .. } | Domain::Log { .. } => Kind::Continuous,
            Domain::Int { low, high, step } => Kind::Ordered(((high - low) / step + 1) as usize),
            Domain::LogInt { low, high } => Kind::Ordered((high - low + 1) as usize),
            Domain::Categories(values) => {
                let numbers: Option<Vec<f64>> = values.iter().map(Value::number).collect();
                let ordered = numbers
                    .is_some_and(|n| n.is_sorted_by(|a, b| a < b) || n.is_sorted_by(|a, b| a > b));
                match ordered {
                    true => Kind::Ordered(values.len()),
                    false => Kind::Unordered(values.len()),
                }
            }
            Domain::Bool => Kind::Unordered(2),
        }
    }

    /// The value at `u`; numbers outside `[0, 1]` count as the nearer end.
    pub fn decode(&self, u: f64) -> Value {
        match self {
            Domain::Float { low, high } => {
                let u = on_grid(u);
                let x = low * (1.0 - u) + high * u;
                // Twelve digits of the range: finer than the grid, and short to read.
                let digits = (12.0 - (high - low).log10().floor()).clamp(0.0, 300.0) as usize;
                Value::Float(shortened(format!("{x:.digits$}"), x).clamp(*low, *high))
            }
            Domain::Log { low, high } => {
                let u = on_grid(u);
                let x = (low.ln() * (1.0 - u) + high.ln() * u).exp();
                Value::Float(shortened(format!("{x:.11e}"), x).clamp(*low, *high))
            }
            _ => self.nth(self.index(u)),
        }
    }

    /// The coordinate of a value: the centre of its cell, or the grid point next to it.
    ///
    /// `None` if the value does not belong to the domain. A whole number stands for a float too.
    pub fn encode(&self, value: &Value) -> Option<f64> {
        match self {
            Domain::Float { low, high } | Domain::Log { low, high } => {
                let x = value.number().filter(|x| (*low..=*high).contains(x))?;
                let part = match self {
                    Domain::Log { .. } => (x.ln() - low.ln()) / (high.ln() - low.ln()),
                    _ => (x - low) / (high - low),
                };
                Some(on_grid(part))
            }
            _ => {
                let index = match (self, value) {
                    (Domain::Int { low, high, step }, Value::Int(i))
                        if (low..=high).contains(&i) && (i - low) % step == 0 =>
                    {
                        ((i - low) / step) as usize
                    }
                    (Domain::LogInt { low, high }, Value::Int(i)) if (low..=high).contains(&i) => {
                        (i - low) as usize
                    }
                    (Domain::Categories(values), value) => {
                        values.iter().position(|v| v == value).or_else(|| {
                            values
                                .iter()
                                .position(|v| v.to_string() == value.to_string())
                        })?
                    }
                    (Domain::Bool, Value::Bool(b)) => usize::from(*b),
                    _ => return None,
                };
                Some(self.centre(index))
            }
        }
    }

    /// The coordinate that stands for the value at `u`.
    pub fn snap(&self, u: f64) -> f64 {
        match self.kind() {
            Kind::Continuous => on_grid(u),
            Kind::Ordered(_) | Kind::Unordered(_) => self.centre(self.index(u)),
        }
    }

    /// The lower and upper end of the cell of `u`; a continuous coordinate's cell is the point itself.
    pub fn cell(&self, u: f64) -> (f64, f64) {
        match self.kind() {
            Kind::Continuous => (on_grid(u), on_grid(u)),
            Kind::Ordered(_) | Kind::Unordered(_) => self.ends(self.index(u)),
        }
    }

    /// The number of the value at `u` in a discrete domain, counted from 0; 0 in a continuous one.
    pub fn index(&self, u: f64) -> usize {
        let u = if u.is_nan() { 0.0 } else { u.clamp(0.0, 1.0) };
        match (self, self.kind()) {
            (_, Kind::Continuous) => 0,
            (Domain::LogInt { low, high }, _) => {
                let (from, to) = log_ends(*low, *high);
                let x = (from * (1.0 - u) + to * u).exp().round() as i64;
                (x.clamp(*low, *high) - low) as usize
            }
            (_, Kind::Ordered(n) | Kind::Unordered(n)) => ((u * n as f64) as usize).min(n - 1),
        }
    }

    /// Value number `index` of a discrete domain.
    fn nth(&self, index: usize) -> Value {
        match self {
            Domain::Int { low, step, .. } => Value::Int(low + step * index as i64),
            Domain::LogInt { low, .. } => Value::Int(low + index as i64),
            Domain::Categories(values) => values[index].clone(),
            Domain::Bool => Value::Bool(index == 1),
            Domain::Float { low, .. } | Domain::Log { low, .. } => Value::Float(*low),
        }
    }

    /// The lower and upper end of cell `index`; of a continuous domain the whole interval.
    pub(super) fn ends(&self, index: usize) -> (f64, f64) {
        match (self, self.kind()) {
            (_, Kind::Continuous) => (0.0, 1.0),
            (Domain::LogInt { low, high }, _) => {
                let (from, to) = log_ends(*low, *high);
                let x = (low + index as i64) as f64;
                let at = |x: f64| ((x.ln() - from) / (to - from)).clamp(0.0, 1.0);
                (at(x - 0.5), at(x + 0.5))
            }
            (_, Kind::Ordered(n) | Kind::Unordered(n)) => {
                (index as f64 / n as f64, (index + 1) as f64 / n as f64)
            }
        }
    }

    /// The coordinate that stands for value `index`.
    pub(super) fn centre(&self, index: usize) -> f64 {
        let (low, high) = self.ends(index);
        0.5 * (low + high)
    }
}

/// Half a unit beyond both bounds, as logarithms, so that the first and the last integer have a whole cell.
fn log_ends(low: i64, high: i64) -> (f64, f64) {
    ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln())
}

/// The number that a text of fewer digits means.
fn shortened(text: String, x: f64) -> f64 {
    // Adding 0 turns −0 into 0.
    text.parse().unwrap_or(x) + 0.0
}

fn on_grid(u: f64) -> f64 {
    if u.is_nan() {
        return 0.0;
    }
    (u.clamp(0.0, 1.0) / GRID).round() * GRID
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Float { low, high } => write!(f, "{low:?}..{high:?}"),
            Domain::Log { low, high } => write!(f, "log:{low:?}..{high:?}"),
            Domain::Int { low, high, step: 1 } => write!(f, "int:{low}..{high}"),
            Domain::Int { low, high, step } => write!(f, "int:{low}..{high}/{step}"),
            Domain::LogInt { low, high } => write!(f, "logint:{low}..{high}"),
            Domain::Bool => write!(f, "true|false"),
            Domain::Categories(values) => syntax::write_categories(f, values),
        }
    }
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        syntax::domain(&text).map_err(|problem| problem.to_string())
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.to_string()
    }
}
