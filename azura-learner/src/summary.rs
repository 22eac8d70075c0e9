//! What a model is made of: operations, shapes, parameters, arithmetic and memory.

use std::collections::BTreeSet;
use std::fmt;

use azura_core::{Store, Traced, trace};

use crate::error::Result;

/// A table of the operations of one forward pass.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Linear, Module, Relu, Sequential};
/// use azura_learner::summary::Summary;
/// let store = Store::new(DType::F32);
/// let p = store.root(Rng::new(0));
/// let mlp = Sequential::new()
///     .with(Linear::new(784, 64, &p.at("hidden"))?)
///     .with(Relu)
///     .with(Linear::new(64, 10, &p.at("classes"))?);
/// let x = Tensor::zeros([32, 784], DType::F32)?;
/// let summary = Summary::of(&store, || mlp.forward(&x, &mut Ctx::eval()))?;
/// assert_eq!(summary.parameters, 784 * 64 + 64 + 64 * 10 + 10);
/// assert_eq!(summary.flops(), 2 * 32 * (784 * 64 + 64 * 10));
/// println!("{summary}");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Summary {
    /// The operations in their order; views, which cost nothing, are left out.
    pub rows: Vec<Row>,
    /// Parameters of the store, trained or not.
    pub parameters: usize,
    /// Parameters of the store that are trained.
    pub trainable: usize,
    /// Bytes of all parameters' values.
    pub parameter_bytes: usize,
}

/// One operation of a [`Summary`].
#[derive(Clone, Debug)]
pub struct Row {
    /// The common part of its parameters' names; empty if it has none.
    pub layer: String,
    /// The operation.
    pub op: &'static str,
    /// The shape of its first result.
    pub output: Vec<usize>,
    /// Its parameters that no earlier row has counted.
    pub parameters: usize,
    /// Whether an earlier row used all of its parameters already.
    pub shared: bool,
    /// Multiplications and additions of its matrix products; other arithmetic is not counted.
    pub flops: u64,
    /// Bytes of its results.
    pub bytes: usize,
}

/// Operations that only look at a buffer in another way.
const VIEWS: &[&str] = &[
    "reshape",
    "permute",
    "narrow",
    "expand",
    "contiguous",
    "slice",
    "diagonal",
];

impl Summary {
    /// Runs `forward` once and lists what it did. `store` holds the parameters.
    ///
    /// # Errors
    /// What `forward` returns.
    pub fn of<R>(store: &Store, forward: impl FnOnce() -> Result<R>) -> Result<Summary> {
        let (result, ops) = trace(forward);
        result?;
        let mut seen = BTreeSet::new();
        let rows = ops
            .iter()
            .filter(|op| !VIEWS.contains(&op.op))
            .map(|op| Row::of(op, &mut seen))
            .collect();
        let size = |trained: bool| {
            let params = store.params();
            let counted = params.iter().filter(|p| trained || p.is_frozen());
            counted
                .map(|p| p.shape().iter().product::<usize>())
                .sum::<usize>()
        };
        let parameters = size(true);
        Ok(Summary {
            rows,
            parameters,
            trainable: parameters - size(false),
            parameter_bytes: parameters * store.dtype().size(),
        })
    }

    /// Multiplications and additions of all matrix products of the pass.
    pub fn flops(&self) -> u64 {
        self.rows.iter().map(|row| row.flops).sum()
    }

    /// Bytes of all results: what training keeps at most for the backward pass.
    pub fn activation_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.bytes).sum()
    }
}

impl Row {
    fn of(op: &Traced, seen: &mut BTreeSet<String>) -> Row {
        let mut parameters = 0;
        let mut fresh = false;
        for param in &op.params {
            if seen.insert(param.name()) {
                fresh = true;
                parameters += param.shape().iter().product::<usize>();
            }
        }
        Row {
            layer: common_scope(op),
            op: op.op,
            output: op.outputs.first().cloned().unwrap_or_default(),
            parameters,
            shared: !op.params.is_empty() && !fresh,
            flops: flops(op),
            bytes: op.bytes,
        }
    }
}

/// `encoder.0` for `encoder.0.weight` and `encoder.0.bias`.
fn common_scope(op: &Traced) -> String {
    let names: Vec<String> = op.params.iter().map(|param| param.name()).collect();
    let mut scopes = names.iter().map(|name| {
        let mut parts: Vec<&str> = name.split('.').collect();
        parts.pop();
        parts
    });
    let Some(mut common) = scopes.next() else {
        return String::new();
    };
    for scope in scopes {
        let same = common
            .iter()
            .zip(&scope)
            .take_while(|(a, b)| a == b)
            .count();
        common.truncate(same);
    }
    common.join(".")
}

/// Two for each multiplication of a matrix product and the addition that follows it.
fn flops(op: &Traced) -> u64 {
    let numel = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let output = op.outputs.first().map_or(0, |shape| numel(shape));
    let input = |i: usize| op.inputs.get(i).map_or(&[][..], |shape| &shape[..]);
    // Numbers that go into one output: the weight's sizes but the first.
    let per_output = |shape: &[usize]| numel(shape.get(1..).unwrap_or_default());
    match op.op {
        "linear" | "linear_act" | "conv1d" | "conv2d" | "conv3d" => {
            2 * output * per_output(input(1))
        }
        "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d" => {
            2 * numel(input(0)) * per_output(input(1))
        }
        "matmul" => 2 * output * input(0).last().map_or(0, |&k| k as u64),
        // Every weight matrix is used once for each row of each step.
        "lstm" | "gru" | "rnn" => {
            let steps = numel(input(0)) / input(0).last().map_or(1, |&i| i.max(1) as u64);
            let weights = op.inputs.iter().skip(1).filter(|shape| shape.len() == 2);
            2 * steps * weights.map(|shape| numel(shape)).sum::<u64>()
        }
        "scaled_dot_product_attention" => {
            let last = |shape: &[usize], back: usize| {
                shape
                    .len()
                    .checked_sub(back)
                    .map_or(0, |axis| shape[axis] as u64)
            };
            let (q, k, v) = (input(0), input(1), input(2));
            let rows = numel(q) / last(q, 1).max(1);
            2 * rows * last(k, 2) * (last(q, 1) + last(v, 1))
        }
        // `[B, T, 3E]`: two products of T × T × E.
        "packed_attention" => match *input(0) {
            [batch, time, wide] => 4 * numel(&[batch, time, time, wide / 3]),
            _ => 0,
        },
        _ => 0,
    }
}

/// `12345678` as `12,345,678`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1536` as `1.5 KiB`.
fn bytes(n: usize) -> String {
    let (mut value, mut unit) = (n as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" {
        format!("{n} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = vec![
            [
                "layer",
                "operation",
                "output",
                "parameters",
                "FLOPs",
                "memory",
            ]
            .map(String::from),
        ];
        for row in &self.rows {
            let count = |n: u64| if n == 0 { String::new() } else { grouped(n) };
            table.push([
                row.layer.clone(),
                row.op.to_string(),
                format!("{:?}", row.output),
                if row.shared {
                    "shared".to_string()
                } else {
                    count(row.parameters as u64)
                },
                count(row.flops),
                bytes(row.bytes),
            ]);
        }
        let widths: Vec<usize> = (0..6)
            .map(|column| table.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        for (i, row) in table.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                // Text to the left, figures to the right.
                let cell = if column < 3 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                };
                line.push_str(if column > 0 { "  " } else { "" });
                line.push_str(&cell);
            }
            writeln!(f, "{}", line.trim_end())?;
            if i == 0 {
                writeln!(f, "{}", "─".repeat(widths.iter().sum::<usize>() + 10))?;
            }
        }
        writeln!(f)?;
        writeln!(
            f,
            "{} parameters, {} of them trained ({})",
            grouped(self.parameters as u64),
            grouped(self.trainable as u64),
            bytes(self.parameter_bytes)
        )?;
        write!(
            f,
            "{} FLOPs and {} of results in this pass",
            grouped(self.flops()),
            bytes(self.activation_bytes())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Ctx, Linear, Lstm, Module, Relu};
    use azura_core::{DType, Rng, Tensor};

    #[test]
    fn the_table_names_layers_and_counts_what_they_do() {
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(0));
        let lstm = Lstm::new(3, 4, &p.at("encoder")).build().unwrap();
        let head = Linear::new(4, 4, &p.at("head")).unwrap();
        head.weight().set_frozen(true);
        let x = Tensor::ones([2, 5, 3], DType::F32).unwrap();
        let summary = Summary::of(&store, || {
            let mut ctx = Ctx::eval();
            let (y, _) = lstm.forward(&x, None, &mut ctx)?;
            let y = Relu.forward(&head.forward(&y, &mut ctx)?, &mut ctx)?;
            head.forward(&y, &mut ctx)
        })
        .unwrap();
        let lstm_parameters = 16 * 3 + 16 * 4 + 16 + 16;
        assert_eq!(summary.parameters, lstm_parameters + 20);
        assert_eq!(summary.trainable, lstm_parameters + 4);
        assert_eq!(
            summary.flops(),
            2 * 10 * (16 * 3 + 16 * 4) + 2 * (2 * 40 * 4)
        );
        assert_eq!(
            summary.to_string(),
            "\
layer    operation  output     parameters  FLOPs  memory
────────────────────────────────────────────────────────
encoder  lstm       [2, 5, 4]         144  2,240   224 B
head     linear     [2, 5, 4]           4    320   160 B
         relu       [2, 5, 4]                      160 B
head     linear     [2, 5, 4]      shared    320   160 B

164 parameters, 148 of them trained (656 B)
2,880 FLOPs and 704 B of results in this pass"
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [grouped(7), grouped(1000), grouped(12_345_678)],
            ["7", "1,000", "12,345,678"]
        );
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(3 << 30)],
            ["1023 B", "1.5 KiB", "3.0 GiB"]
        );
    }
}
