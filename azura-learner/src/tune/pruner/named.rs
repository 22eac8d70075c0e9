//! Pruners by name.

use super::{Asha, Halving, Hyperband, Never, Patience, Percentile, Pruner, Threshold};
use crate::data::nearest;
use crate::error::{Error, Problem, Result};

/// The forms that are understood; what stands in brackets may be left out, from the end.
const FORMS: [(&str, &str); 8] = [
    ("none", "none"),
    ("median", "median(startup, warmup)"),
    ("percentile", "percentile(keep, startup, warmup)"),
    ("halving", "halving(size, min_steps, factor)"),
    ("asha", "asha(factor, min_steps)"),
    ("hyperband", "hyperband(max_steps, factor, min_steps)"),
    ("patience", "patience(reports, delta)"),
    ("threshold", "threshold(low, high)"),
];

/// The pruner that a text names: `asha`, `asha(3)`, `percentile(25, 10)`.
///
/// | text                                      | defaults    | rule                                     |
/// |-------------------------------------------|-------------|------------------------------------------|
/// | `none`                                    |             | [`Never`]                                |
/// | `median(startup, warmup)`                 | 5, 0        | [`Percentile::median`]                   |
/// | `percentile(keep, startup, warmup)`       | 25, 5, 0    | [`Percentile`]                           |
/// | `halving(size, min_steps, factor)`        | 9, 1, 3     | [`Halving`]                              |
/// | `asha(factor, min_steps)`                 | 3, 1        | [`Asha`]                                 |
/// | `hyperband(max_steps, factor, min_steps)` | 81, 3, 1    | [`Hyperband`]                            |
/// | `patience(reports, delta)`                | 10, 0       | [`Patience`]                             |
/// | `threshold(low, high)`                    | -inf, inf   | [`Threshold`]                            |
///
/// # Errors
/// [`Error::Config`] for a name that is none, too many numbers, or what is no number.
pub fn named(text: &str) -> Result<Box<dyn Pruner>> {
    let text = text.trim();
    let (name, list) = match text.split_once('(') {
        None => (text, ""),
        Some((name, rest)) => (
            name.trim_end(),
            rest.strip_suffix(')')
                .ok_or_else(|| wrong(text, "the bracket is not closed"))?,
        ),
    };
    let words = list.split(',').map(str::trim).filter(|w| !w.is_empty());
    let numbers: Vec<f64> = words
        .map(|w| {
            w.parse()
                .map_err(|_| wrong(text, &format!("`{w}` is no number")))
        })
        .collect::<Result<_>>()?;
    let form = FORMS.iter().find(|f| f.0 == name);
    let most = form.map_or(usize::MAX, |f| {
        f.1.matches(',').count() + usize::from(f.1.contains('('))
    });
    if numbers.len() > most {
        return Err(wrong(
            text,
            &format!(
                "there are {} numbers, but it takes at most {most}",
                numbers.len()
            ),
        ));
    }
    let number = |i: usize, default: f64| numbers.get(i).copied().unwrap_or(default);
    let whole = |i: usize, default: u64| match numbers.get(i) {
        None => Ok(default),
        Some(x) if *x >= 0.0 && x.fract() == 0.0 && *x < 1e15 => Ok(*x as u64),
        Some(x) => Err(wrong(
            text,
            &format!("{x} must be a whole number of at least 0"),
        )),
    };
    Ok(match name {
        "none" => Box::new(Never),
        "median" => Box::new(
            Percentile::median()
                .startup(whole(0, 5)? as usize)
                .warmup(whole(1, 0)?),
        ),
        "percentile" => Box::new(
            Percentile::new(number(0, 25.0))
                .startup(whole(1, 5)? as usize)
                .warmup(whole(2, 0)?),
        ),
        "halving" => Box::new(Halving::new(
            whole(0, 9)? as usize,
            whole(1, 1)?,
            whole(2, 3)?,
        )),
        "asha" => Box::new(Asha::new(whole(1, 1)?, whole(0, 3)?)),
        "hyperband" => Box::new(Hyperband::new(whole(2, 1)?, whole(0, 81)?, whole(1, 3)?)),
        "patience" => Box::new(Patience::new(whole(0, 10)? as usize).delta(number(1, 0.0))),
        "threshold" => Box::new(Threshold::new(
            number(0, f64::NEG_INFINITY),
            number(1, f64::INFINITY),
        )),
        _ => return Err(wrong(text, &format!("there is no pruner `{name}`"))),
    })
}

fn wrong(text: &str, message: &str) -> Error {
    let name = text.split('(').next().unwrap_or(text).trim_end();
    let help = match FORMS.iter().find(|f| f.0 == name) {
        Some((_, form)) => format!("write `{form}`"),
        None => match nearest(name, FORMS.map(|f| f.0)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the pruners are {}", FORMS.map(|f| f.0).join(", ")),
        },
    };
    Error::Config(vec![
        Problem::new("pruner", format!("{message} in `{text}`")).help(help),
    ])
}
