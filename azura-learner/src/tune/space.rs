//! The space that is searched: parameters, their domains, and which depend on which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::domain::{Domain, Kind, Value};
use super::syntax;
use crate::data::nearest;
use crate::error::{Error, Problem, Result};

/// When a parameter is active: only while another one has one of these values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The other parameter.
    pub key: String,
    /// The values of it that make this one active.
    pub values: Vec<Value>,
}

/// One parameter of a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Dotted path of the configuration key, or any other name.
    pub key: String,
    /// The values it may take.
    pub domain: Domain,
    /// When it is active; `None` means always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// What one trial uses: the values of the active parameters.
pub type Values = BTreeMap<String, Value>;

/// The parameters that are searched.
///
/// Samplers see a space as the unit cube: one coordinate for each parameter, in the order of the space. A parameter that
/// is not active keeps its coordinate, which then means nothing and stands at its default of 0.5.
///
/// # The text of an entry
///
/// | text                       | values                                                  |
/// |----------------------------|---------------------------------------------------------|
/// | `0..0.5`, `float:0..0.5`   | numbers between the bounds                              |
/// | `log:1e-4..1e-2`           | numbers, uniform in the logarithm                       |
/// | `int:20..120/20`           | 20, 40, …, 120; without `/STEP` every whole number      |
/// | `logint:8..1024`           | whole numbers, uniform in the logarithm                 |
/// | `32\|64\|128`, `adam\|sgd` | one of these; rising or falling numbers are ordered     |
/// | `["a\|b", "c"]`            | the same as a list, for words with a bar                |
/// | `true\|false`              | both                                                    |
/// | `TEXT if KEY=A\|B`         | only while parameter KEY is A or B                      |
///
/// ```
/// use azura_learner::tune::{Space, Value};
/// let space = Space::parse([
///     ("train.lr", "log:1e-4..1e-2"),
///     ("model.hidden", "32|64|128"),
///     ("model.kind", "mlp|lstm"),
///     ("model.window", "int:20..120/20 if model.kind=lstm"),
/// ])?;
/// let values = space.values(&[0.5, 0.9, 0.1, 0.0]);
/// assert_eq!(values["model.hidden"], Value::Int(128));
/// assert!(!values.contains_key("model.window"), "an mlp has no window");
/// assert_eq!(space.values(&space.point(&values)?), values);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Parameter>", into = "Vec<Parameter>")]
pub struct Space {
    parameters: Vec<Parameter>,
    /// For each parameter the coordinate it depends on and the cells of it that make it active.
    parents: Vec<Option<(usize, Vec<usize>)>>,
}

impl Space {
    /// A space of these parameters.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem: no parameter, a key twice, a condition on a key that is not searched, on a
    /// continuous parameter, on a value that the other one never has, or on itself by a circle.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self> {
        let mut problems = Vec::new();
        if parameters.is_empty() {
            problems.push(
                Problem::new("", "there is no parameter to search")
                    .help("add one, for example `train.lr=log:1e-4..1e-2`"),
            );
        }
        for (i, parameter) in parameters.iter().enumerate() {
            if parameters[..i].iter().any(|p| p.key == parameter.key) {
                let problem = Problem::new(&parameter.key, "is searched twice");
                problems.push(problem.help("remove one of the two entries"));
            }
        }
        let parents: Vec<_> = parameters
            .iter()
            .map(|p| {
                parent(p, &parameters).unwrap_or_else(|problem| {
                    problems.push(problem);
                    None
                })
            })
            .collect();
        for (i, parameter) in parameters.iter().enumerate() {
            let mut at = i;
            let climbs = (0..parameters.len()).all(|_| match &parents[at] {
                Some((up, _)) => {
                    at = *up;
                    true
                }
                None => false,
            });
            if climbs && !parameters.is_empty() {
                let problem = Problem::new(&parameter.key, "depends on itself by a circle");
                problems.push(problem.help("remove one of the conditions"));
            }
        }
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        Ok(Space {
            parameters,
            parents,
        })
    }

    /// A space from pairs of key and text.
    ///
    /// # Errors
    /// Those of [`Space::new`], and [`Error::Config`] with every text that cannot be read: what, at which column, and what
    /// to write.
    pub fn parse<K: AsRef<str>, T: AsRef<str>>(
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<Self> {
        Self::collect(entries.into_iter().map(|(key, text)| {
            (
                key.as_ref().to_string(),
                Parameter::parse(key.as_ref(), text.as_ref()),
            )
        }))
    }

    /// A space from the entries of a TOML or JSON table: a text as above, or an array of values to choose from.
    ///
    /// # Errors
    /// As [`Space::parse`].
    pub fn from_table<'a>(
        entries: impl IntoIterator<Item = (&'a String, &'a serde_json::Value)>,
    ) -> Result<Self> {
        Self::collect(
            entries
                .into_iter()
                .map(|(key, value)| (key.clone(), Parameter::from_value(key, value))),
        )
    }

    fn collect(entries: impl Iterator<Item = (String, Result<Parameter>)>) -> Result<Self> {
        let mut problems = Vec::new();
        let mut parameters = Vec::new();
        for (_, parameter) in entries {
            match parameter {
                Ok(parameter) => parameters.push(parameter),
                Err(Error::Config(more)) => problems.extend(more),
                Err(other) => return Err(other),
            }
        }
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        Space::new(parameters)
    }

    /// The parameters in the order of the coordinates.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many coordinates a point has.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Never: a space has a parameter.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// The kind of each coordinate.
    pub fn kinds(&self) -> Vec<Kind> {
        self.parameters.iter().map(|p| p.domain.kind()).collect()
    }

    /// Whether some parameter is active only sometimes.
    pub fn is_conditional(&self) -> bool {
        self.parents.iter().any(Option::is_some)
    }

    /// How many different trials there are; `None` if a parameter is continuous or the number is beyond `u64`.
    pub fn count(&self) -> Option<u64> {
        // Cells of inactive parameters collapse to one: count the leaves below every parameter without a parent.
        let roots = (0..self.len()).filter(|&i| self.parents[i].is_none());
        roots
            .map(|i| self.count_below(i))
            .try_fold(1u64, |a, b| a.checked_mul(b?))
    }

    fn count_below(&self, at: usize) -> Option<u64> {
        let cells = match self.parameters[at].domain.kind() {
            Kind::Continuous => return None,
            Kind::Ordered(n) | Kind::Unordered(n) => n,
        };
        let children: Vec<(usize, &Vec<usize>)> = (0..self.len())
            .filter_map(|i| match &self.parents[i] {
                Some((up, active)) if *up == at => Some((i, active)),
                _ => None,
            })
            .collect();
        if children.is_empty() {
            return Some(cells as u64);
        }
        (0..cells).try_fold(0u64, |sum, cell| {
            let below = children
                .iter()
                .filter(|(_, active)| active.contains(&cell))
                .try_fold(1u64, |product, (i, _)| {
                    product.checked_mul(self.count_below(*i)?)
                })?;
            sum.checked_add(below)
        })
    }

    /// Which parameters are active at a point.
    pub fn active(&self, point: &[f64]) -> Vec<bool> {
        (0..self.len()).map(|i| self.is_active(i, point)).collect()
    }

    /// Whether parameter `at` is active at a point.
    pub(super) fn is_active(&self, mut at: usize, point: &[f64]) -> bool {
        while let Some((up, cells)) = &self.parents[at] {
            if !cells.contains(&self.parameters[*up].domain.index(point[*up])) {
                return false;
            }
            at = *up;
        }
        true
    }

    /// The coordinates in groups that are active together, each group behind the one it depends on.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let depth = |mut at: usize| {
            let mut depth = 0;
            while let Some((up, _)) = &self.parents[at] {
                (at, depth) = (*up, depth + 1);
            }
            depth
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in 0..self.len() {
            match groups
                .iter_mut()
                .find(|g| self.parents[g[0]] == self.parents[i])
            {
                Some(group) => group.push(i),
                None => groups.push(vec![i]),
            }
        }
        groups.sort_by_key(|group| depth(group[0]));
        groups
    }

    /// The point that stands for the trial at `point`: every active coordinate snapped, every other at 0.5.
    ///
    /// # Panics
    /// If the point has another length than the space (a mistake of the program).
    pub fn snap(&self, point: &[f64]) -> Vec<f64> {
        assert_eq!(point.len(), self.len(), "coordinates of a point");
        (0..self.len())
            .map(|i| match self.is_active(i, point) {
                true => self.parameters[i].domain.snap(point[i]),
                false => 0.5,
            })
            .collect()
    }

    /// The values of the active parameters at a point.
    ///
    /// # Panics
    /// If the point has another length than the space (a mistake of the program).
    pub fn values(&self, point: &[f64]) -> Values {
        assert_eq!(point.len(), self.len(), "coordinates of a point");
        (0..self.len())
            .filter(|&i| self.is_active(i, point))
            .map(|i| {
                let parameter = &self.parameters[i];
                (parameter.key.clone(), parameter.domain.decode(point[i]))
            })
            .collect()
    }

    /// A number for each parameter at a point: the value of a float or an integer, the place of a category or truth value
    /// counted from 0, NaN for one that is not active.
    ///
    /// # Panics
    /// If the point has another length than the space (a mistake of the program).
    pub fn numbers(&self, point: &[f64]) -> Vec<f64> {
        assert_eq!(point.len(), self.len(), "coordinates of a point");
        let number = |i: usize| {
            let domain = &self.parameters[i].domain;
            match domain {
                _ if !self.is_active(i, point) => f64::NAN,
                Domain::Categories(_) | Domain::Bool => domain.index(point[i]) as f64,
                _ => domain.decode(point[i]).number().unwrap_or(f64::NAN),
            }
        };
        (0..self.len()).map(number).collect()
    }

    /// The point of these values, snapped.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem: a key that is not searched, a value outside of its domain, an active
    /// parameter without a value, an inactive one with a value.
    pub fn point(&self, values: &Values) -> Result<Vec<f64>> {
        let mut problems = Vec::new();
        let mut point = vec![0.5; self.len()];
        for (key, value) in values {
            let Some(i) = self.parameters.iter().position(|p| p.key == *key) else {
                problems.push(unknown(key, &self.parameters));
                continue;
            };
            let domain = &self.parameters[i].domain;
            match domain.encode(value) {
                Some(u) => point[i] = u,
                None => {
                    let problem = Problem::new(key, format!("{value} is not one of `{domain}`"));
                    problems.push(problem.help("write a value of the space, or widen the space"));
                }
            }
        }
        if problems.is_empty() {
            for (parameter, active) in self.parameters.iter().zip(self.active(&point)) {
                let key = &parameter.key;
                match (active, values.contains_key(key)) {
                    (true, false) => problems
                        .push(Problem::new(key, "has no value").help(format!("add `{key}=VALUE`"))),
                    (false, true) => problems.push(
                        Problem::new(key, "has a value, but is not active beside the others")
                            .help("leave it out, or change the parameter it depends on"),
                    ),
                    _ => {}
                }
            }
        }
        match problems.is_empty() {
            true => Ok(self.snap(&point)),
            false => Err(Error::Config(problems)),
        }
    }
}

impl Parameter {
    /// A parameter from its key and text.
    ///
    /// # Errors
    /// [`Error::Config`] with the column of what cannot be read and what to write.
    pub fn parse(key: &str, text: &str) -> Result<Self> {
        let (domain, condition) = syntax::entry(text).map_err(|p| at_key(key, p))?;
        Ok(Parameter {
            key: key.to_string(),
            domain,
            condition,
        })
    }

    /// A parameter from a text or an array of values.
    ///
    /// # Errors
    /// As [`Parameter::parse`].
    pub fn from_value(key: &str, value: &serde_json::Value) -> Result<Self> {
        match value {
            serde_json::Value::String(text) => Self::parse(key, text),
            serde_json::Value::Array(_) => {
                let domain = syntax::domain(&value.to_string()).map_err(|p| at_key(key, p))?;
                Ok(Parameter {
                    key: key.to_string(),
                    domain,
                    condition: None,
                })
            }
            other => {
                let message = format!("must be a text or an array, but is {other}");
                let help = "write for example \"log:1e-4..1e-2\" or [32, 64, 128]";
                Err(at_key(key, Problem::new("", message).help(help)))
            }
        }
    }

    /// The text of the entry: [`Parameter::parse`] reads it back.
    pub fn text(&self) -> String {
        match &self.condition {
            None => self.domain.to_string(),
            Some(Condition { key, values }) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                format!("{} if {key}={}", self.domain, values.join("|"))
            }
        }
    }
}

fn at_key(key: &str, problem: Problem) -> Error {
    Error::Config(vec![Problem {
        key: key.to_string(),
        ..problem
    }])
}

fn unknown(key: &str, parameters: &[Parameter]) -> Problem {
    let keys = parameters.iter().map(|p| p.key.as_str());
    let help = match nearest(key, keys.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys are {}", keys.collect::<Vec<_>>().join(", ")),
    };
    Problem::new(key, "is not searched").help(help)
}

/// The coordinate a parameter depends on, and the cells of it that make it active.
fn parent(of: &Parameter, all: &[Parameter]) -> Result<Option<(usize, Vec<usize>)>, Problem> {
    let Some(condition) = &of.condition else {
        return Ok(None);
    };
    let Some(up) = all.iter().position(|p| p.key == condition.key) else {
        let problem = unknown(&condition.key, all);
        return Err(Problem::new(
            &of.key,
            format!("depends on `{}`, which is not searched", condition.key),
        )
        .help(problem.help.unwrap_or_default()));
    };
    let domain = &all[up].domain;
    if domain.kind() == Kind::Continuous {
        let message = format!("depends on `{}`, which is continuous", condition.key);
        return Err(Problem::new(&of.key, message)
            .help("depend on a whole number, a choice or a truth value"));
    }
    let cells = condition.values.iter().map(|value| {
        domain
            .encode(value)
            .map(|u| domain.index(u))
            .ok_or_else(|| {
                let message = format!(
                    "depends on `{}` being {value}, which it never is",
                    condition.key
                );
                Problem::new(&of.key, message).help(format!("its values are `{domain}`"))
            })
    });
    Ok(Some((up, cells.collect::<Result<_, _>>()?)))
}

impl TryFrom<Vec<Parameter>> for Space {
    type Error = Error;

    fn try_from(parameters: Vec<Parameter>) -> Result<Self> {
        Space::new(parameters)
    }
}

impl From<Space> for Vec<Parameter> {
    fn from(space: Space) -> Self {
        space.parameters
    }
}
