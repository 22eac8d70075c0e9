//! Groups of parameters by name.

use super::positive;
use crate::{Error, Result, Store};

/// How parameters whose names fit a pattern are treated. PyTorch: a parameter group; but a parameter may be in several
/// here, and the first of them that says something about a setting decides it.
///
/// ```
/// use azura_core::optim::Group;
/// let group = Group { weight_decay: Some(0.0), ..Group::new("*.bias") };
/// assert!(group.fits("encoder.0.bias") && !group.fits("encoder.0.weight"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The whole name, in which `*` stands for any characters.
    pub pattern: String,
    /// Factor of the learning rate.
    pub lr: Option<f64>,
    /// The weight decay in place of the optimiser's.
    pub weight_decay: Option<f64>,
    /// Excludes the parameters from training.
    pub frozen: bool,
}

impl Group {
    /// A group that changes nothing yet.
    pub fn new(pattern: impl Into<String>) -> Self {
        Group {
            pattern: pattern.into(),
            lr: None,
            weight_decay: None,
            frozen: false,
        }
    }

    /// Whether a name fits the pattern.
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let parts: Vec<&str> = parts.collect();
        let Some((last, middle)) = parts.split_last() else {
            return rest.is_empty();
        };
        for part in middle {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Checks groups against a store and freezes what they say.
pub(super) fn apply(store: &Store, groups: &[Group]) -> Result<()> {
    let params = store.params();
    for group in groups {
        let Group {
            pattern,
            lr,
            weight_decay,
            ..
        } = group;
        if !params.iter().any(|p| group.fits(&p.name())) {
            return Err(Error::argument(
                "optimizer",
                "a group's pattern must fit the name of a parameter",
                format!("`{pattern}`"),
            ));
        }
        if !positive(&[lr.unwrap_or(1.0), weight_decay.unwrap_or(0.0)]) {
            return Err(Error::argument(
                "optimizer",
                "a group's factor and weight decay must be finite and not negative",
                format!("{lr:?} and {weight_decay:?} for `{pattern}`"),
            ));
        }
    }
    for param in params {
        let name = param.name();
        if fitting(groups, &name).any(|group| group.frozen) {
            param.set_frozen(true);
        }
    }
    Ok(())
}

/// The groups of a parameter.
fn fitting<'a>(groups: &'a [Group], name: &'a str) -> impl Iterator<Item = &'a Group> {
    groups.iter().filter(move |group| group.fits(name))
}

/// What groups say about a parameter; those with the same settings take their steps together.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Settings {
    lr: f64,
    weight_decay: Option<f64>,
}

impl Settings {
    pub fn of(groups: &[Group], name: &str) -> Self {
        let (mut lr, mut weight_decay) = (None, None);
        for group in fitting(groups, name) {
            lr = lr.or(group.lr);
            weight_decay = weight_decay.or(group.weight_decay);
        }
        Settings {
            lr: lr.unwrap_or(1.0),
            weight_decay,
        }
    }

    /// The learning rate and weight decay, from those of the optimiser.
    pub fn at(self, lr: f64, weight_decay: f64) -> (f64, f64) {
        (lr * self.lr, self.weight_decay.unwrap_or(weight_decay))
    }
}
