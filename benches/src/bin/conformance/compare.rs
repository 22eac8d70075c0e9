//! What counts as equal.

use crate::file::{File, Why};
use azura_core::{DType, Tensor, grad};

/// The largest difference relative to the largest of `want` and at least 1; infinite if one is NaN
/// where the other is not, or the lengths differ.
pub fn distance(got: &[f64], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let scale = want
        .iter()
        .filter(|x| x.is_finite())
        .fold(1.0, |m: f64, x| m.max(x.abs()));
    let mut worst = 0.0f64;
    for (g, w) in got.iter().zip(want) {
        let off = if g == w || (g.is_nan() && w.is_nan()) {
            0.0
        } else {
            (g - w).abs() / scale
        };
        worst = if off.is_nan() {
            f64::INFINITY
        } else {
            worst.max(off)
        };
    }
    worst
}

/// Operators and modules whose values differ by rounding alone: arithmetic, products, convolutions,
/// norms. The others may use other polynomials than PyTorch.
const EXACT: &[&str] = &[
    "abs",
    "add",
    "addcdiv",
    "addcmul",
    "addmm",
    "baddbmm",
    "bmm",
    "conv",
    "div",
    "dot",
    "einsum",
    "group_norm",
    "instance_norm",
    "kron",
    "layer_norm",
    "lerp",
    "linear",
    "matmul",
    "mean",
    "mm",
    "mul",
    "neg",
    "batch_norm",
    "outer",
    "reciprocal",
    "rms_norm",
    "square",
    "sub",
    "sum",
    "true_divide",
    "batchnorm",
    "groupnorm",
    "instancenorm",
    "layernorm",
    "rmsnorm",
    "bilinear",
];

/// How far a value may be off.
pub fn tolerance(suite: &str, name: &str, dtype: DType) -> f64 {
    if dtype == DType::F32 {
        // Near a pole the rounding of the input alone moves the tangent by more.
        return if name == "tan" { 1e-4 } else { 2e-5 };
    }
    let name = name.to_lowercase();
    let name = name.strip_prefix("nn.functional.").unwrap_or(&name);
    if suite == "optim" {
        // Newton–Schulz rounds to bf16 as PyTorch does: one step of that grid.
        return if name == "muon" { 2f64.powi(-8) } else { 1e-12 };
    }
    let exact = EXACT.iter().any(|exact| match name.strip_prefix(exact) {
        Some(rest) => !rest.starts_with(char::is_alphabetic) || *exact == "conv",
        None => false,
    });
    if exact { 1e-12 } else { 1e-9 }
}

/// Compares results with `<case>/out/…`, then gradients with what is recorded for each target, by the
/// gradients that came in.
pub fn compare(
    file: &File<'_>,
    case: &str,
    outputs: &[Tensor],
    targets: &[(String, Tensor)],
    tolerance: f64,
) -> Result<(), Why> {
    let want = file.numbered(case, "out", outputs.len())?;
    let check = |what: &str, got: &Tensor, want: &Tensor| -> Result<(), Why> {
        let values = |x: &Tensor| x.cast(DType::F64)?.to_vec();
        let off = distance(&values(got)?, &values(want)?);
        // A number is stored as one element.
        let same_shape = got.shape() == want.shape() || (got.numel() == 1 && want.numel() == 1);
        if !same_shape || off > tolerance {
            return Err(Why::Wrong(format!(
                "{what}: off by {off:.1e}, {:?} where {:?} is right",
                got.shape(),
                want.shape()
            )));
        }
        Ok(())
    };
    let one_more = format!("{case}/out/{}", outputs.len());
    if file.has(&one_more) {
        return Err(Why::Wrong(format!(
            "{one_more} is recorded, but not computed"
        )));
    }
    for (j, (got, want)) in outputs.iter().zip(&want).enumerate() {
        match want {
            Some(want) => check(&format!("result {j}"), got, want)?,
            None => return Err(Why::Wrong(format!("result {j} has no reference"))),
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let mut loss = Tensor::scalar(0.0, file.dtype)?;
    for (y, gradient) in outputs
        .iter()
        .zip(file.numbered(case, "gout", outputs.len())?)
    {
        if let Some(gradient) = gradient {
            let gradient = gradient.reshape(y.shape())?;
            loss = loss.add(y.clone().mul(&gradient)?.sum_all()?)?;
        }
    }
    if !loss.needs_grad() {
        return Err(Why::Wrong("no gradient flows".into()));
    }
    let tensors: Vec<&Tensor> = targets.iter().map(|(_, tensor)| tensor).collect();
    for ((name, _), got) in targets.iter().zip(grad(&loss, &tensors)?) {
        check(name, &got, &file.tensor(name)?)?;
    }
    Ok(())
}
