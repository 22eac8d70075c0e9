//! Losses.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::{
    BceOptions, CrossEntropyOptions, GaussianNllOptions, NllOptions, PoissonNllOptions, Tensor,
    TripletOptions,
};

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(name) = name.strip_prefix("nn.functional.") else {
        return Ok(None);
    };
    let x = || call.tensor(0, "input");
    let target = || call.tensor(1, "target");
    let r = call.reduction();
    let number =
        |name: &str, default: f64| Ok::<f64, Why>(call.float(usize::MAX, name)?.unwrap_or(default));
    let known = |names: &[&str]| {
        let mut all = vec!["reduction"];
        all.extend(names);
        call.only(&all)
    };
    Ok(Some(match name {
        "mse_loss" | "l1_loss" | "huber_loss" | "smooth_l1_loss" => {
            known(&["delta", "beta"])?;
            if x()?.shape() != target()?.shape() {
                return lacks("a target that is broadcast");
            }
            one(match name {
                "mse_loss" => x()?.mse_loss(target()?, r?),
                "l1_loss" => x()?.l1_loss(target()?, r?),
                "huber_loss" => x()?.huber_loss(target()?, number("delta", 1.0)?, r?),
                _ => x()?.smooth_l1_loss(target()?, number("beta", 1.0)?, r?),
            })?
        }
        "binary_cross_entropy" | "binary_cross_entropy_with_logits" => {
            known(&["weight", "pos_weight"])?;
            let options = BceOptions {
                weight: call.maybe(2, "weight")?,
                pos_weight: call.maybe(usize::MAX, "pos_weight")?,
                reduction: r?,
            };
            one(if name == "binary_cross_entropy" {
                x()?.binary_cross_entropy(target()?, options)
            } else {
                x()?.binary_cross_entropy_with_logits(target()?, options)
            })?
        }
        "cross_entropy" => {
            known(&["weight", "ignore_index", "label_smoothing"])?;
            let options = CrossEntropyOptions {
                weight: call.maybe(2, "weight")?,
                ignore_index: call.int(usize::MAX, "ignore_index")?.unwrap_or(-100),
                label_smoothing: number("label_smoothing", 0.0)?,
                reduction: r?,
            };
            one(x()?.cross_entropy(target()?, options))?
        }
        "nll_loss" => {
            known(&["weight", "ignore_index"])?;
            let options = NllOptions {
                weight: call.maybe(2, "weight")?,
                ignore_index: call.int(usize::MAX, "ignore_index")?.unwrap_or(-100),
                reduction: r?,
            };
            one(x()?.nll_loss(target()?, options))?
        }
        "kl_div" => {
            known(&["log_target"])?;
            one(x()?.kl_div(target()?, call.flag(usize::MAX, "log_target"), r?))?
        }
        "gaussian_nll_loss" => {
            known(&["full", "eps"])?;
            let options = GaussianNllOptions {
                full: call.flag(usize::MAX, "full"),
                eps: number("eps", 1e-6)?,
                reduction: r?,
            };
            one(x()?.gaussian_nll_loss(target()?, call.tensor(2, "var")?, options))?
        }
        "poisson_nll_loss" => {
            known(&["log_input", "full", "eps"])?;
            let options = PoissonNllOptions {
                log_input: !call.named.contains_key("log_input")
                    || call.flag(usize::MAX, "log_input"),
                full: call.flag(usize::MAX, "full"),
                eps: number("eps", 1e-8)?,
                reduction: r?,
            };
            one(x()?.poisson_nll_loss(target()?, options))?
        }
        "hinge_embedding_loss" => {
            known(&["margin"])?;
            let target = target()?.cast(x()?.dtype())?;
            one(x()?.hinge_embedding_loss(&target, number("margin", 1.0)?, r?))?
        }
        "margin_ranking_loss" => {
            known(&["margin"])?;
            let target = call.tensor(2, "target")?.cast(x()?.dtype())?;
            let other = call.tensor(1, "input2")?;
            one(x()?.margin_ranking_loss(other, &target, number("margin", 0.0)?, r?))?
        }
        "cosine_embedding_loss" => {
            known(&["margin"])?;
            let (other, target) = (call.tensor(1, "input2")?, call.tensor(2, "target")?);
            one(x()?.cosine_embedding_loss(other, target, number("margin", 0.0)?, r?))?
        }
        "triplet_margin_loss" => {
            known(&["margin", "p", "eps", "swap"])?;
            let options = TripletOptions {
                margin: number("margin", 1.0)?,
                p: number("p", 2.0)?,
                eps: number("eps", 1e-6)?,
                swap: call.flag(usize::MAX, "swap"),
                reduction: r?,
            };
            let (near, far) = (call.tensor(1, "positive")?, call.tensor(2, "negative")?);
            one(x()?.triplet_margin_loss(near, far, options))?
        }
        _ => return Ok(None),
    }))
}
