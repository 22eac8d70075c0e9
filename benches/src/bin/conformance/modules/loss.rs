//! Losses.

use super::Module;
use crate::call::{one, reduction};
use crate::file::Why;
use azura_core::{
    BceOptions, CrossEntropyOptions, CtcOptions, GaussianNllOptions, MultiMarginOptions,
    NllOptions, PoissonNllOptions, Tensor,
};
use serde_json::Value;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let r = || reduction(m.option(usize::MAX, "reduction").and_then(Value::as_str));
    let x = || m.input(0);
    let target = || m.input(1);
    // Labels of 0, 1 or -1 are integers in some samples.
    let signs = |i: usize| Ok::<Tensor, Why>(m.input(i)?.cast(m.file.dtype)?);
    let number = |name: &str, default: f64| m.number(usize::MAX, name).unwrap_or(default);
    if !name.ends_with("Loss") {
        return Ok(None);
    }
    let weight = m.leaf("state/weight")?;
    let known = |names: &[&str]| {
        let mut all = vec!["reduction"];
        all.extend(names);
        m.only(&all)
    };
    let bce = || {
        Ok::<_, Why>(BceOptions {
            weight: weight.as_ref(),
            pos_weight: None,
            reduction: r()?,
        })
    };
    let entropy = || {
        Ok::<_, Why>(CrossEntropyOptions {
            weight: weight.as_ref(),
            ignore_index: m.int(usize::MAX, "ignore_index").unwrap_or(-100),
            label_smoothing: number("label_smoothing", 0.0),
            reduction: r()?,
        })
    };
    Ok(Some(match name {
        "MSELoss" => one(x()?.mse_loss(&target()?, r()?))?,
        "L1Loss" => one(x()?.l1_loss(&target()?, r()?))?,
        "HuberLoss" => one(x()?.huber_loss(&target()?, number("delta", 1.0), r()?))?,
        "SmoothL1Loss" => one(x()?.smooth_l1_loss(&target()?, number("beta", 1.0), r()?))?,
        "BCELoss" => {
            known(&["weight"])?;
            one(x()?.binary_cross_entropy(&target()?, bce()?))?
        }
        "BCEWithLogitsLoss" => {
            known(&["weight"])?;
            one(x()?.binary_cross_entropy_with_logits(&target()?, bce()?))?
        }
        "MultiLabelSoftMarginLoss" => {
            known(&["weight"])?;
            one(x()?.multilabel_soft_margin_loss(&signs(1)?, bce()?))?
        }
        "CrossEntropyLoss" => {
            known(&["weight", "ignore_index", "label_smoothing"])?;
            one(x()?.cross_entropy(&target()?, entropy()?))?
        }
        "LinearCrossEntropyLoss" => {
            let x = x()?;
            let (rows, classes) = (x.shape()[0], m.int(1, "num_classes").unwrap_or(0));
            let out = m
                .option(usize::MAX, "out_features")
                .and_then(Value::as_array);
            let out = out.into_iter().flatten().filter_map(Value::as_u64);
            let mut shape = vec![rows, classes as usize];
            shape.extend(out.map(|size| size as usize));
            let bias = m.leaf("state/linear.bias")?;
            let scores = x.linear(&m.need("state/linear.weight")?, bias.as_ref())?;
            one(scores.reshape(shape)?.cross_entropy(&target()?, entropy()?))?
        }
        "NLLLoss" => {
            known(&["weight", "ignore_index"])?;
            let options = NllOptions {
                weight: weight.as_ref(),
                ignore_index: m.int(usize::MAX, "ignore_index").unwrap_or(-100),
                reduction: r()?,
            };
            one(x()?.nll_loss(&target()?, options))?
        }
        "KLDivLoss" => {
            known(&["log_target"])?;
            let log_target = m.flag(usize::MAX, "log_target", false);
            let x = x()?;
            // Of a number, PyTorch's samples are input and target at once.
            let twice = m.call["desc"]
                .as_str()
                .is_some_and(|desc| desc.starts_with("scalar"));
            let target = if twice { x.clone() } else { target()? };
            one(x.kl_div(&target, log_target, r()?))?
        }
        "GaussianNLLLoss" => {
            known(&["full", "eps"])?;
            let options = GaussianNllOptions {
                full: m.flag(usize::MAX, "full", false),
                eps: number("eps", 1e-6),
                reduction: r()?,
            };
            one(x()?.gaussian_nll_loss(&target()?, &m.input(2)?, options))?
        }
        "PoissonNLLLoss" => {
            known(&["full", "eps", "log_input"])?;
            let options = PoissonNllOptions {
                log_input: m.flag(usize::MAX, "log_input", true),
                full: m.flag(usize::MAX, "full", false),
                eps: number("eps", 1e-8),
                reduction: r()?,
            };
            one(x()?.poisson_nll_loss(&target()?, options))?
        }
        "HingeEmbeddingLoss" => {
            one(x()?.hinge_embedding_loss(&signs(1)?, number("margin", 1.0), r()?))?
        }
        "MarginRankingLoss" => {
            one(x()?.margin_ranking_loss(&m.input(1)?, &signs(2)?, number("margin", 0.0), r()?))?
        }
        "CosineEmbeddingLoss" => one(x()?.cosine_embedding_loss(
            &m.input(1)?,
            &m.input(2)?,
            number("margin", 0.0),
            r()?,
        ))?,
        "SoftMarginLoss" => one(x()?.soft_margin_loss(&signs(1)?, r()?))?,
        "MultiMarginLoss" => {
            known(&["weight", "p", "margin"])?;
            let options = MultiMarginOptions {
                p: number("p", 1.0) as u32,
                margin: number("margin", 1.0),
                weight: weight.as_ref(),
                reduction: r()?,
            };
            one(x()?.multi_margin_loss(&target()?, options))?
        }
        "CTCLoss" => {
            known(&["blank", "zero_infinity"])?;
            // Here batches come first always.
            let x = x()?;
            let single = x.rank() == 2;
            let x = if single {
                x.unsqueeze(0)?
            } else {
                x.transpose(0, 1)?
            };
            let (samples, time) = (x.shape()[0], x.shape()[1]);
            let lengths = |name: &str, given: &[usize]| -> Result<Vec<usize>, Why> {
                Ok(match m.leaf(name)? {
                    Some(lengths) => {
                        let lengths = lengths.reshape([lengths.numel()])?.to_vec::<i64>()?;
                        lengths.into_iter().map(|n| n as usize).collect()
                    }
                    None => given.to_vec(),
                })
            };
            // Lengths that were lists are not recorded: the samples are PyTorch's own, where sequences are
            // whole and have 30, 25 and 20 labels.
            let times = lengths("in/2", &vec![time; samples])?;
            let counts = lengths("in/3", &[30, 25, 20])?;
            let options = CtcOptions {
                blank: m.int(usize::MAX, "blank").unwrap_or(0) as usize,
                zero_infinity: m.flag(usize::MAX, "zero_infinity", false),
                reduction: r()?,
            };
            one(x.ctc_loss(&target()?, &times, &counts, options))?
        }
        "MultiLabelMarginLoss" => one(x()?.multilabel_margin_loss(&target()?, r()?))?,
        _ => return Ok(None),
    }))
}
