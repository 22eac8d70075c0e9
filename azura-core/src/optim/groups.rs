//! Groups of parameters by name.

use super::positive;
use crate::{Error, Result, Store};

/// How parameters whose names fit a pattern are treated. PyTorch: a parameter group.
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
    pub lr: f64,
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
            lr: 1.0,
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
        if !positive(&[*lr, weight_decay.unwrap_or(0.0)]) {
            return Err(Error::argument(
                "optimizer",
                "a group's factor and weight decay must be finite and not negative",
                format!("{lr} and {weight_decay:?} for `{pattern}`"),
            ));
        }
    }
    for param in params {
        let name = param.name();
        if groups
            .iter()
            .find(|group| group.fits(&name))
            .is_some_and(|group| group.frozen)
        {
            param.set_frozen(true);
        }
    }
    Ok(())
}
