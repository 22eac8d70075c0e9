//! Optimisers by configuration. The update rules are in `azura_core::optim`.

use azura_core::Store;
use azura_core::optim::{
    Adadelta, Adafactor, Adagrad, Adam, Adamax, Asgd, Group, Lion, Muon, NAdam, Optimizer, RAdam,
    RmsProp, Rprop, Sgd,
};

use crate::data::listed;
use crate::error::{Error, Problem, Result};
use crate::train::{OptimizerKind, TrainConfig};

/// The optimiser that a configuration asks for, over all parameters of `store`.
///
/// What `train.options` leaves out are the optimiser's own defaults. `train.freeze`, `train.no_decay` and
/// `train.lr_factors` become [`Group`]s.
///
/// # Errors
/// [`Error::Config`] for a pattern that fits no parameter and for a freeze that leaves none to train, and what the engine
/// says about the store and the options.
pub fn optimizer(config: &TrainConfig, store: &Store) -> Result<Box<dyn Optimizer>> {
    check_patterns(config, store)?;
    let mut optimizer = of_kind(config, store)?;
    let frozen = config.freeze.iter().map(|pattern| Group {
        frozen: true,
        ..Group::new(pattern)
    });
    let free = config.no_decay.iter().map(|pattern| Group {
        weight_decay: Some(0.0),
        ..Group::new(pattern)
    });
    let scaled = config.lr_factors.iter().map(|rate| Group {
        lr: Some(rate.factor),
        ..Group::new(&rate.pattern)
    });
    optimizer.set_groups(frozen.chain(free).chain(scaled).collect())?;
    Ok(optimizer)
}

/// Refuses patterns that fit no parameter of `store`, and a freeze that fits all of them.
pub(crate) fn check_patterns(config: &TrainConfig, store: &Store) -> Result<()> {
    let names: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    let fits = |pattern: &String, name: &String| Group::new(pattern).fits(name);
    let mut problems = Vec::new();
    let scaled = config.lr_factors.iter().map(|rate| &rate.pattern);
    for (key, patterns) in [
        ("train.freeze", config.freeze.iter().collect()),
        ("train.no_decay", config.no_decay.iter().collect()),
        ("train.lr_factors", scaled.collect::<Vec<_>>()),
    ] {
        let wrong = patterns
            .into_iter()
            .filter(|p| !names.iter().any(|name| fits(p, name)));
        problems.extend(wrong.map(|pattern| {
            let message = format!("must fit a parameter's name, but has `{pattern}`");
            let all = listed(names.iter().map(String::as_str), 30);
            Problem::new(key, message).help(format!("the parameters are {all}"))
        }));
    }
    let frozen = |name: &String| config.freeze.iter().any(|pattern| fits(pattern, name));
    if !names.is_empty() && names.iter().all(frozen) {
        let message = "must leave a parameter to train, but fits every one";
        problems.push(Problem::new("train.freeze", message));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Config(problems)),
    }
}

fn of_kind(config: &TrainConfig, store: &Store) -> Result<Box<dyn Optimizer>> {
    let (o, decay) = (&config.options, config.weight_decay);
    let betas = |(b1, b2): (f64, f64)| (o.beta1.unwrap_or(b1), o.beta2.unwrap_or(b2));
    Ok(match config.optimizer {
        kind @ (OptimizerKind::Adamw | OptimizerKind::Adam) => {
            let mut adam = match kind {
                OptimizerKind::Adamw => Adam::adamw(store)?,
                _ => Adam::new(store)?,
            };
            adam.betas = betas(adam.betas);
            adam.eps = o.eps.unwrap_or(adam.eps);
            adam.amsgrad = o.amsgrad;
            adam.weight_decay = decay;
            Box::new(adam)
        }
        OptimizerKind::Sgd => {
            let mut sgd = Sgd::new(store)?;
            sgd.momentum = config.momentum;
            sgd.nesterov = config.nesterov;
            sgd.weight_decay = decay;
            Box::new(sgd)
        }
        OptimizerKind::Nadam => {
            let mut nadam = NAdam::new(store)?;
            nadam.betas = betas(nadam.betas);
            nadam.eps = o.eps.unwrap_or(nadam.eps);
            nadam.weight_decay = decay;
            Box::new(nadam)
        }
        OptimizerKind::Radam => {
            let mut radam = RAdam::new(store)?;
            radam.betas = betas(radam.betas);
            radam.eps = o.eps.unwrap_or(radam.eps);
            radam.weight_decay = decay;
            Box::new(radam)
        }
        OptimizerKind::Adamax => {
            let mut adamax = Adamax::new(store)?;
            adamax.betas = betas(adamax.betas);
            adamax.eps = o.eps.unwrap_or(adamax.eps);
            adamax.weight_decay = decay;
            Box::new(adamax)
        }
        OptimizerKind::Adagrad => {
            let mut adagrad = Adagrad::new(store)?;
            adagrad.eps = o.eps.unwrap_or(adagrad.eps);
            adagrad.weight_decay = decay;
            Box::new(adagrad)
        }
        OptimizerKind::Rmsprop => {
            let mut rmsprop = RmsProp::new(store)?;
            rmsprop.alpha = o.decay.unwrap_or(rmsprop.alpha);
            rmsprop.eps = o.eps.unwrap_or(rmsprop.eps);
            rmsprop.momentum = o.momentum.unwrap_or(rmsprop.momentum);
            rmsprop.centered = o.centered;
            rmsprop.weight_decay = decay;
            Box::new(rmsprop)
        }
        OptimizerKind::Adadelta => {
            let mut adadelta = Adadelta::new(store)?;
            adadelta.rho = o.decay.unwrap_or(adadelta.rho);
            adadelta.eps = o.eps.unwrap_or(adadelta.eps);
            adadelta.weight_decay = decay;
            Box::new(adadelta)
        }
        OptimizerKind::Asgd => {
            let mut asgd = Asgd::new(store)?;
            asgd.weight_decay = decay;
            Box::new(asgd)
        }
        OptimizerKind::Rprop => Box::new(Rprop::new(store)?),
        OptimizerKind::Adafactor => {
            let mut adafactor = Adafactor::new(store)?;
            adafactor.weight_decay = decay;
            Box::new(adafactor)
        }
        OptimizerKind::Lion => {
            let mut lion = Lion::new(store)?;
            lion.betas = betas(lion.betas);
            lion.weight_decay = decay;
            Box::new(lion)
        }
        OptimizerKind::Muon => {
            let mut muon = Muon::new(store)?;
            muon.momentum = o.momentum.unwrap_or(muon.momentum);
            muon.weight_decay = decay;
            muon.others.betas = betas(muon.others.betas);
            muon.others.eps = o.eps.unwrap_or(muon.others.eps);
            muon.others.weight_decay = decay;
            Box::new(muon)
        }
    })
}
