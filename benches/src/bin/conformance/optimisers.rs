//! Optimisers: parameters after each step of a fixed stream of gradients.

use crate::compare::{distance, tolerance};
use crate::file::{File, Why, lacks};
use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{DType, Init, Rng, Store};
use serde_json::Value;

/// Runs one optimiser with one set of options along the recorded gradients.
pub fn run(file: &File<'_>, name: &str, case: &str, options: &Value) -> Result<(), Why> {
    if !["Adam", "AdamW", "SGD"].contains(&name) {
        return lacks("no such optimiser here");
    }
    let store = Store::new(DType::F64);
    let root = store.root(Rng::new(0));
    let mut params = Vec::new();
    let mut start = Vec::new();
    for k in 0..3 {
        let init = file.tensor(&format!("p{k}/init"))?;
        params.push(root.param(&format!("p{k}"), init.shape(), Init::Zeros)?);
        start.push((format!("p{k}"), init));
    }
    store.load(&start)?;
    let (mut adam, mut sgd) = match name {
        "AdamW" => (Adam::adamw(&store)?, Sgd::new(&store)?),
        _ => (Adam::new(&store)?, Sgd::new(&store)?),
    };
    let mut lr = 1e-3;
    for (option, value) in options.as_object().into_iter().flatten() {
        let number = value.as_f64();
        match (option.as_str(), number) {
            ("lr", Some(x)) => lr = x,
            ("weight_decay", Some(x)) => (adam.weight_decay, sgd.weight_decay) = (x, x),
            ("eps", Some(x)) => adam.eps = x,
            ("momentum", Some(x)) => sgd.momentum = x,
            ("dampening", Some(x)) => sgd.dampening = x,
            ("nesterov", _) => sgd.nesterov = value == true,
            ("betas", _) => {
                adam.betas = (
                    value[0].as_f64().unwrap_or(f64::NAN),
                    value[1].as_f64().unwrap_or(f64::NAN),
                );
            }
            _ if value == false || value.is_null() => {}
            _ => return lacks(format!("the option `{option}`")),
        }
    }
    let optimizer: &mut dyn Optimizer = if name == "SGD" { &mut sgd } else { &mut adam };
    let steps = file.tensor("g0")?.shape()[0];
    for step in 0..steps {
        for (k, param) in params.iter().enumerate() {
            let gradient = file.tensor(&format!("g{k}"))?.select(0, step)?;
            param.value().mul(&gradient)?.sum_all()?.backward()?;
        }
        optimizer.step(lr)?;
        store.zero_grad();
        for (k, param) in params.iter().enumerate() {
            let all = file.tensor(&format!("p{k}/{case}"))?;
            // Row 0 is the value before the first step where there is one row more than steps.
            let want = all.select(0, step + all.shape()[0] - steps)?;
            let off = distance(&param.value().to_vec()?, &want.to_vec()?);
            if off.is_nan() || off > tolerance("optim", name) {
                return Err(Why::Wrong(format!(
                    "p{k} is off by {off:.1e} after step {step}"
                )));
            }
        }
    }
    Ok(())
}
