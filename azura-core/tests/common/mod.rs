//! What the integration tests share: random inputs, views of them, and comparison.
#![allow(dead_code)]

use azura_core::{Result, Rng, Tensor};
use std::path::PathBuf;

/// Where random inputs lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// Standard normal.
    Any,
    /// In `[0.5, 2.5)`: for roots, logarithms and divisors.
    Positive,
    /// All different by at least 0.05, in random order: for extremes.
    Distinct,
}

/// Random f64 values of a shape.
pub fn random(rng: &mut Rng, shape: &[usize], domain: Domain) -> Tensor {
    let n = shape.iter().product::<usize>();
    let mut values: Vec<f64> = (0..n)
        .map(|i| match domain {
            Domain::Any => rng.normal(),
            Domain::Positive => 0.5 + 2.0 * rng.uniform(),
            Domain::Distinct => 0.1 * (i as f64 - n as f64 / 2.0) + 0.05 * rng.uniform(),
        })
        .collect();
    if domain == Domain::Distinct {
        rng.shuffle(&mut values);
    }
    Tensor::from_vec(values, shape).unwrap()
}

/// How an input lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// As it was made.
    Plain,
    /// Through the reversal of all axes.
    Transposed,
    /// As the middle of something larger in every axis.
    Narrowed,
    /// With one axis repeated.
    Expanded,
    /// Backwards along every axis.
    Flipped,
}

impl Seen {
    pub const ALL: [Seen; 5] = [
        Seen::Plain,
        Seen::Transposed,
        Seen::Narrowed,
        Seen::Expanded,
        Seen::Flipped,
    ];

    /// The shape of the base that [`Seen::view`] makes `shape` of; `None` if there is none.
    pub fn base(self, shape: &[usize]) -> Option<Vec<usize>> {
        match self {
            Seen::Plain => Some(shape.to_vec()),
            Seen::Flipped => (!shape.is_empty()).then(|| shape.to_vec()),
            Seen::Transposed => (shape.len() > 1).then(|| shape.iter().rev().copied().collect()),
            Seen::Narrowed if shape.is_empty() => Some(vec![3]),
            Seen::Narrowed => Some(shape.iter().map(|size| size + 2).collect()),
            Seen::Expanded => {
                let axis = shape.iter().position(|&size| size > 1)?;
                let mut base = shape.to_vec();
                base[axis] = 1;
                Some(base)
            }
        }
    }

    /// The view of `base` that has `shape`.
    pub fn view(self, base: &Tensor, shape: &[usize]) -> Result<Tensor> {
        match self {
            Seen::Plain => Ok(base.clone()),
            Seen::Transposed => {
                let axes: Vec<isize> = (0..shape.len() as isize).rev().collect();
                base.permute(&axes)
            }
            Seen::Narrowed if shape.is_empty() => base.select(0, 1),
            Seen::Narrowed => {
                let mut x = base.clone();
                for (axis, &size) in shape.iter().enumerate() {
                    x = x.narrow(axis as isize, 1, size)?;
                }
                Ok(x)
            }
            Seen::Expanded => base.expand(shape),
            Seen::Flipped => base.flip(&(0..shape.len() as isize).collect::<Vec<_>>()),
        }
    }
}

/// The largest difference, relative to the largest of `want` and at least 1; infinite if one is NaN
/// where the other is not, or the lengths differ.
pub fn distance(got: &[f64], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let scale = want
        .iter()
        .filter(|x| x.is_finite())
        .fold(1.0, |m: f64, x| m.max(x.abs()));
    got.iter()
        .zip(want)
        .map(|(g, w)| match (g.is_nan(), w.is_nan()) {
            (true, true) => 0.0,
            (false, false) if g == w => 0.0,
            (false, false) => (g - w).abs() / scale,
            _ => f64::INFINITY,
        })
        .fold(
            0.0,
            |m: f64, d| if d.is_nan() { f64::INFINITY } else { m.max(d) },
        )
}

/// Indices of all elements of a shape in row-major order.
pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let numel: usize = shape.iter().product();
    (0..numel)
        .map(|mut i| {
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = i % shape[axis];
                i /= shape[axis];
            }
            index
        })
        .collect()
}

/// The bits of f32 elements, for tests of sameness.
pub fn bits(x: &Tensor) -> Vec<u32> {
    x.to_vec::<f32>()
        .unwrap()
        .iter()
        .map(|x| x.to_bits())
        .collect()
}

/// The elements of an f64 tensor.
pub fn f64s(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap()
}

/// The operations of the crate: public functions, and rows of operation macros, in the sources of `src/ops`.
pub fn operations() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/ops"
    ))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                operations_of(&std::fs::read_to_string(path).unwrap(), &mut names);
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

fn operations_of(text: &str, names: &mut Vec<String>) {
    let mut in_macro = false;
    for line in text.lines() {
        if line.ends_with("_ops! {") || line == "comparisons! {" {
            in_macro = !line.starts_with("macro_rules!");
        } else if line == "}" {
            in_macro = false;
        }
        let word = |text: &str| {
            text.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<String>()
        };
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("pub fn ") {
            names.push(word(rest));
        } else if in_macro && line.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
            // A row: the method, then the type that stands for it.
            let is_row = line
                .split(' ')
                .nth(1)
                .is_some_and(|t| t.starts_with(char::is_uppercase));
            if is_row {
                names.push(word(line));
            }
        }
    }
}
