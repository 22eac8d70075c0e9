//! Times the peers' workloads on the public API: one JSON line each.
//!
//! `steps --workload NAME [--threads N] [--secs S] [--shards P]`; without a name of its own it says which there are.
//! `steps --workload NAME_train --follow FILE` takes weights, inputs and losses that PyTorch wrote
//! (`benches/peers/torch_steps.py --export FILE`) and prints how far the losses are apart.
//!
//! Layers, loss, optimiser and the order of calls are what a user writes; the sizes are those of the peers (see RESULTS.md).
//! Times are the median and the least of the steps of `secs` seconds after a warm-up.

#![forbid(unsafe_code)]

mod generate;
mod gpt;
mod micro;
mod nets;

use azura_benches::{Arguments, time_callers, time_steps};
use azura_core::optim::{Adam, Optimizer};
use azura_core::{
    DType, Gradients, Rng, Store, Tensor, in_parallel, no_grad, serial, with_threads,
};
use azura_learner::{Ctx, Error, Result};
use nets::{Inputs, Net};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// What has a `_train`, an `_infer` (one sample) and a `_batch` (the batch of training, from as many callers as threads).
const NETS: [&str; 7] = [
    "mlp", "lstm64", "lstm256", "cnn", "resnet", "gptsmall", "gpt",
];

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match with_threads(arguments.threads, || run(&arguments)) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<String>> {
    let workload = arguments.workload.as_str();
    if workload == "micro" {
        return micro::run(arguments);
    }
    let store = Store::new(DType::F32);
    let net = |suffix: &str| {
        let name = workload.strip_suffix(suffix)?;
        NETS.contains(&name).then_some(name)
    };
    let line = if let Some(name) = net("_train") {
        let (net, inputs) = nets::build(name, &store)?;
        match &arguments.follow {
            Some(file) => follow(name, &store, net.as_ref(), file)?,
            None => train(arguments, &store, net.as_ref(), &inputs)?,
        }
    } else if let Some(name) = net("_infer") {
        let (net, inputs) = nets::build(name, &store)?;
        let x = inputs.x.narrow(0, 0, 1)?;
        no_grad(|| {
            time_steps(arguments, 1, 1, || {
                net.forward(&x, &mut Ctx::eval())?;
                Ok(0.0)
            })
        })?
    } else if let Some(name) = net("_batch") {
        let (net, inputs) = nets::build(name, &store)?;
        time_callers(arguments, inputs.samples, || {
            no_grad(|| net.forward(&inputs.x, &mut Ctx::eval())).map(drop)
        })?
    } else if workload.ends_with("_gen") {
        generate::run(arguments, &store)?
    } else {
        let rule = format!(
            "no workload `{workload}`; there are micro, gptsmall_gen, gpt_gen, and _train, _infer and _batch of {}",
            NETS.join(", ")
        );
        return Err(Error::Usage(rule));
    };
    Ok(vec![line])
}

/// PyTorch's AdamW for a GPT, Adam for the others, each with its defaults.
fn optimizer(workload: &str, store: &Store) -> Result<Adam> {
    Ok(if workload.starts_with("gpt") {
        Adam::adamw(store)?
    } else {
        Adam::new(store)?
    })
}

/// One step: the loss before it.
fn step(
    store: &Store,
    net: &dyn Net,
    inputs: &Inputs,
    ctx: &mut Ctx,
    optimizer: &mut Adam,
) -> Result<f64> {
    store.zero_grad();
    let loss = inputs.loss(&net.forward(&inputs.x, ctx)?)?;
    loss.backward()?;
    optimizer.step(1e-3)?;
    ctx.update_statistics()?;
    Ok(f64::from(loss.item::<f32>()?))
}

/// One step whose batch is taken in parts, as the trainer does with `train.shards`: the loss before it.
fn step_in_parts(
    store: &Store,
    net: &dyn Net,
    parts: &[Inputs],
    gradients: &mut [Gradients],
    optimizer: &mut Adam,
) -> Result<f64> {
    gradients.iter_mut().for_each(Gradients::clear);
    let rooms: Vec<Mutex<&mut Gradients>> = gradients.iter_mut().map(Mutex::new).collect();
    let losses = in_parallel(parts.len(), |i| -> Result<f64> {
        let mut ctx = Ctx::train(Rng::new(i as u64));
        let loss = parts[i].loss(&net.forward(&parts[i].x, &mut ctx)?)?;
        loss.backward_into(&mut rooms[i].lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(f64::from(loss.item::<f32>()?))
    });
    let losses = losses.into_iter().collect::<Result<Vec<f64>>>()?;
    store.zero_grad();
    store.add_gradients(gradients, 1.0 / parts.len() as f64)?;
    optimizer.step(1e-3)?;
    Ok(losses.iter().sum::<f64>() / parts.len() as f64)
}

fn train(arguments: &Arguments, store: &Store, net: &dyn Net, inputs: &Inputs) -> Result<String> {
    let mut ctx = Ctx::train(Rng::new(0));
    let mut optimizer = optimizer(&arguments.workload, store)?;
    if arguments.shards > 1 {
        let parts = inputs.parts(arguments.shards)?;
        let mut gradients: Vec<Gradients> = parts.iter().map(|_| store.gradients()).collect();
        return time_steps(arguments, inputs.samples, 1, || {
            step_in_parts(store, net, &parts, &mut gradients, &mut optimizer)
        });
    }
    time_steps(arguments, inputs.samples, 1, || {
        step(store, net, inputs, &mut ctx, &mut optimizer)
    })
}

/// Trains from PyTorch's weights on its inputs, and compares the losses.
fn follow(name: &str, store: &Store, net: &dyn Net, file: &str) -> Result<String> {
    let file = serial::load(file)?;
    let tensor = |name: &str| -> Result<Tensor> {
        let found = file.tensors.iter().find(|(other, _)| other == name);
        let found = found.map(|(_, tensor)| tensor.clone());
        found.ok_or_else(|| Error::Usage(format!("the file has no tensor `{name}`")))
    };
    for param in store.params() {
        param.set(&tensor(&param.name())?)?;
    }
    let inputs = Inputs::new(name, tensor("input")?, tensor("target")?);
    let want = tensor("losses")?.to_vec::<f64>()?;
    let mut ctx = Ctx::train(Rng::new(0));
    let mut optimizer = optimizer(name, store)?;
    let mut furthest = 0.0f64;
    for want in &want {
        let loss = step(store, net, &inputs, &mut ctx, &mut optimizer)?;
        furthest = furthest.max((loss - want).abs() / want.abs().max(1.0));
    }
    let line = serde_json::json!({
        "workload": name, "steps": want.len(), "furthest": furthest, "loss_last": want.last(),
    });
    Ok(line.to_string())
}
