//! Optimisers: parameters after each step of a fixed stream of gradients.

use crate::compare::{distance, tolerance};
use crate::file::{File, Why, lacks};
use azura_core::optim::{
    Adadelta, Adafactor, Adagrad, Adam, Adamax, Asgd, Muon, MuonScale, NAdam, Optimizer, RAdam,
    RmsProp, Rprop, Sgd,
};
use azura_core::{DType, Init, Rng, Store};
use serde_json::Value;

/// Runs one optimiser with one set of options along the recorded gradients.
pub fn run(file: &File<'_>, name: &str, case: &str, options: &Value) -> Result<(), Why> {
    let store = Store::new(file.dtype);
    let root = store.root(Rng::new(0));
    let mut params = Vec::new();
    let mut start = Vec::new();
    for k in 0..3 {
        let init = format!("p{k}/init");
        if file.has(&init) {
            let init = file.tensor(&init)?;
            params.push((k, root.param(&format!("p{k}"), init.shape(), Init::Zeros)?));
            start.push((format!("p{k}"), init));
        }
    }
    store.load(&start)?;
    let given = Given(options);
    let mut optimizer = optimizer(name, &store, &given)?;
    let lr = given.number("lr", default_lr(name));
    let steps = file.tensor(&format!("g{}", params[0].0))?.shape()[0];
    for step in 0..steps {
        for (k, param) in &params {
            let gradient = file.tensor(&format!("g{k}"))?.select(0, step)?;
            param.value().mul(&gradient)?.sum_all()?.backward()?;
        }
        optimizer.step(lr)?;
        store.zero_grad();
        if step == steps / 2 {
            // Saving and loading in between must change nothing.
            let state = optimizer.state()?;
            optimizer = self::optimizer(name, &store, &given)?;
            optimizer.load(&state)?;
        }
        for (k, param) in &params {
            let all = file.tensor(&format!("p{k}/{case}"))?;
            // Row 0 is the value before the first step where there is one row more than steps.
            let want = all.select(0, step + all.shape()[0] - steps)?;
            let off = distance(
                &param.value().cast(DType::F64)?.to_vec()?,
                &want.cast(DType::F64)?.to_vec()?,
            );
            if off.is_nan() || off > tolerance("optim", name, file.dtype) {
                return Err(Why::Wrong(format!(
                    "p{k} is off by {off:.1e} after step {step}"
                )));
            }
        }
    }
    Ok(())
}

/// PyTorch's default learning rates.
fn default_lr(name: &str) -> f64 {
    match name {
        "Adadelta" => 1.0,
        "Adagrad" | "Adafactor" | "ASGD" | "RMSprop" | "Rprop" => 1e-2,
        "Adamax" | "NAdam" => 2e-3,
        _ => 1e-3,
    }
}

/// The options of a case.
struct Given<'a>(&'a Value);

impl Given<'_> {
    fn number(&self, name: &str, default: f64) -> f64 {
        self.0[name].as_f64().unwrap_or(default)
    }

    fn flag(&self, name: &str) -> bool {
        self.0[name] == true
    }

    fn pair(&self, name: &str, default: (f64, f64)) -> (f64, f64) {
        match &self.0[name] {
            Value::Array(pair) if pair.len() == 2 => (
                pair[0].as_f64().unwrap_or(default.0),
                pair[1].as_f64().unwrap_or(default.1),
            ),
            _ => default,
        }
    }

    /// Refuses options that the mapping does not know.
    fn only(&self, known: &[&str]) -> Result<(), Why> {
        let mut given = self.0.as_object().into_iter().flatten();
        match given.find(|(name, value)| {
            *name != "lr" && !known.contains(&name.as_str()) && **value != false && !value.is_null()
        }) {
            None => Ok(()),
            Some((name, _)) => lacks(format!("the option `{name}`")),
        }
    }
}

fn optimizer(name: &str, store: &Store, o: &Given<'_>) -> Result<Box<dyn Optimizer>, Why> {
    let maximize = o.flag("maximize");
    let decay = |default: f64| o.number("weight_decay", default);
    Ok(match name {
        "Adam" | "AdamW" => {
            o.only(&["betas", "eps", "weight_decay", "amsgrad", "maximize"])?;
            let made = if name == "Adam" {
                Adam::new(store)?
            } else {
                Adam::adamw(store)?
            };
            let mut made = made;
            made.betas = o.pair("betas", made.betas);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(made.weight_decay);
            (made.amsgrad, made.maximize) = (o.flag("amsgrad"), maximize);
            Box::new(made)
        }
        "SGD" => {
            o.only(&[
                "momentum",
                "dampening",
                "weight_decay",
                "nesterov",
                "maximize",
            ])?;
            let mut made = Sgd::new(store)?;
            made.momentum = o.number("momentum", 0.0);
            made.dampening = o.number("dampening", 0.0);
            made.weight_decay = decay(0.0);
            (made.nesterov, made.maximize) = (o.flag("nesterov"), maximize);
            Box::new(made)
        }
        "NAdam" => {
            o.only(&[
                "betas",
                "eps",
                "weight_decay",
                "momentum_decay",
                "decoupled_weight_decay",
                "maximize",
            ])?;
            let mut made = NAdam::new(store)?;
            made.betas = o.pair("betas", made.betas);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(0.0);
            made.momentum_decay = o.number("momentum_decay", made.momentum_decay);
            made.decoupled_weight_decay = o.flag("decoupled_weight_decay");
            made.maximize = maximize;
            Box::new(made)
        }
        "RAdam" => {
            o.only(&[
                "betas",
                "eps",
                "weight_decay",
                "decoupled_weight_decay",
                "maximize",
            ])?;
            let mut made = RAdam::new(store)?;
            made.betas = o.pair("betas", made.betas);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(0.0);
            made.decoupled_weight_decay = o.flag("decoupled_weight_decay");
            made.maximize = maximize;
            Box::new(made)
        }
        "Adagrad" => {
            o.only(&[
                "lr_decay",
                "weight_decay",
                "initial_accumulator_value",
                "eps",
                "maximize",
            ])?;
            let mut made = Adagrad::new(store)?;
            made.lr_decay = o.number("lr_decay", 0.0);
            made.weight_decay = decay(0.0);
            made.initial_accumulator_value = o.number("initial_accumulator_value", 0.0);
            made.eps = o.number("eps", made.eps);
            made.maximize = maximize;
            Box::new(made)
        }
        "RMSprop" => {
            o.only(&[
                "alpha",
                "eps",
                "weight_decay",
                "momentum",
                "centered",
                "maximize",
            ])?;
            let mut made = RmsProp::new(store)?;
            made.alpha = o.number("alpha", made.alpha);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(0.0);
            made.momentum = o.number("momentum", 0.0);
            (made.centered, made.maximize) = (o.flag("centered"), maximize);
            Box::new(made)
        }
        "Adadelta" => {
            o.only(&["rho", "eps", "weight_decay", "maximize"])?;
            let mut made = Adadelta::new(store)?;
            made.rho = o.number("rho", made.rho);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(0.0);
            made.maximize = maximize;
            Box::new(made)
        }
        "Adamax" => {
            o.only(&["betas", "eps", "weight_decay", "maximize"])?;
            let mut made = Adamax::new(store)?;
            made.betas = o.pair("betas", made.betas);
            made.eps = o.number("eps", made.eps);
            made.weight_decay = decay(0.0);
            made.maximize = maximize;
            Box::new(made)
        }
        "ASGD" => {
            o.only(&["lambd", "alpha", "t0", "weight_decay", "maximize"])?;
            let mut made = Asgd::new(store)?;
            made.lambd = o.number("lambd", made.lambd);
            made.alpha = o.number("alpha", made.alpha);
            made.t0 = o.number("t0", made.t0);
            made.weight_decay = decay(0.0);
            made.maximize = maximize;
            Box::new(made)
        }
        "Rprop" => {
            o.only(&["etas", "step_sizes", "maximize"])?;
            let mut made = Rprop::new(store)?;
            made.etas = o.pair("etas", made.etas);
            made.step_sizes = o.pair("step_sizes", made.step_sizes);
            made.maximize = maximize;
            Box::new(made)
        }
        "Adafactor" => {
            o.only(&["beta2_decay", "d", "weight_decay", "maximize"])?;
            let mut made = Adafactor::new(store)?;
            made.beta2_decay = o.number("beta2_decay", made.beta2_decay);
            made.d = o.number("d", made.d);
            made.weight_decay = decay(0.0);
            made.maximize = maximize;
            Box::new(made)
        }
        "Muon" => {
            o.only(&[
                "momentum",
                "nesterov",
                "weight_decay",
                "eps",
                "ns_steps",
                "ns_coefficients",
                "adjust_lr_fn",
            ])?;
            let mut made = Muon::new(store)?;
            made.momentum = o.number("momentum", made.momentum);
            made.nesterov = o.0["nesterov"] != false;
            made.weight_decay = decay(made.weight_decay);
            made.eps = o.number("eps", made.eps);
            made.ns_steps = o.number("ns_steps", 5.0) as usize;
            if let Value::Array(given) = &o.0["ns_coefficients"] {
                for (to, from) in made.ns_coefficients.iter_mut().zip(given) {
                    *to = from.as_f64().unwrap_or(f64::NAN);
                }
            }
            made.scale = match o.0["adjust_lr_fn"].as_str() {
                None | Some("original") => MuonScale::Original,
                Some("match_rms_adamw") => MuonScale::MatchRmsAdamw,
                Some("spectral_unclamped") => MuonScale::SpectralUnclamped,
                Some(other) => return lacks(format!("adjust_lr_fn {other}")),
            };
            Box::new(made)
        }
        "LBFGS" => {
            return lacks(
                "LBFGS calls the model several times a step; a step here is one pass over gradients",
            );
        }
        "SparseAdam" => {
            return lacks(
                "gradients are dense here; SparseAdam is Adam on those rows that got one",
            );
        }
        _ => return lacks("no such optimiser here"),
    })
}
