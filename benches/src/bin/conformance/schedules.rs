//! Learning-rate schedules: the rate of each step.

use crate::compare::{distance, tolerance};
use crate::file::{File, Why, lacks};
use azura_core::DType;
use azura_learner::schedule::{
    Cyclic, Heights, OneCycle, constant, cosine, cosine_restarts, exponential, linear, multistep,
    polynomial, step,
};
use serde_json::Value;

/// The rate that the schedules were recorded with, where they do not have one of their own.
const BASE: f64 = 0.4;

/// Runs one schedule with its options over the recorded steps.
pub fn run(file: &File<'_>, name: &str, options: &Value) -> Result<(), Why> {
    let want: Vec<f64> = file.tensor(name)?.cast(DType::F64)?.to_vec()?;
    let number = |key: &str, default: f64| options[key].as_f64().unwrap_or(default);
    let whole = |key: &str, default: u64| options[key].as_u64().unwrap_or(default);
    let rate = |t: u64| -> Result<f64, Why> {
        let at = t as f64;
        Ok(match name {
            "StepLR" => step(BASE, t, whole("step_size", 1), number("gamma", 0.1)),
            "MultiStepLR" => {
                let milestones = options["milestones"].as_array().into_iter().flatten();
                let milestones: Vec<u64> = milestones.filter_map(Value::as_u64).collect();
                multistep(BASE, t, &milestones, number("gamma", 0.1))
            }
            "ConstantLR" => constant(
                BASE,
                t,
                whole("total_iters", 5),
                number("factor", 1.0 / 3.0),
            ),
            "LinearLR" => {
                let (start, end) = (number("start_factor", 1.0 / 3.0), number("end_factor", 1.0));
                linear(BASE, at, number("total_iters", 5.0), start, end)
            }
            "ExponentialLR" => exponential(BASE, at, number("gamma", 1.0)),
            "PolynomialLR" => {
                polynomial(BASE, at, number("total_iters", 5.0), number("power", 1.0))
            }
            "CosineAnnealingLR" => cosine(BASE, number("eta_min", 0.0), at, number("T_max", 1.0)),
            "CosineAnnealingWarmRestarts" => {
                let (first, factor) = (number("T_0", 1.0), number("T_mult", 1.0));
                cosine_restarts(BASE, number("eta_min", 0.0), at, first, factor)
            }
            "OneCycleLR" | "OneCycleLR3" => {
                let mut cycle = OneCycle::new(number("max_lr", BASE), number("total_steps", 1.0));
                cycle.rise = number("pct_start", cycle.rise);
                cycle.div = number("div_factor", cycle.div);
                cycle.final_div = number("final_div_factor", cycle.final_div);
                cycle.linear = options["anneal_strategy"] == "linear";
                cycle.three_phase = options["three_phase"] == true;
                cycle.lr(at)
            }
            "CyclicLR" | "CyclicLRexp" => {
                let up = number("step_size_up", 2000.0);
                let heights = match options["mode"].as_str() {
                    Some("triangular2") => Heights::Halved,
                    Some("exp_range") => Heights::Times(number("gamma", 1.0)),
                    _ => Heights::Same,
                };
                let cycle = Cyclic {
                    base: number("base_lr", 0.0),
                    max: number("max_lr", 0.0),
                    up,
                    down: number("step_size_down", up),
                    heights,
                };
                cycle.lr(at)
            }
            "LambdaLR" | "MultiplicativeLR" => {
                return lacks("the factor is a function of the caller's: write the rate to `step`");
            }
            _ => return lacks("no such schedule here"),
        })
    };
    let got: Vec<f64> = (0..want.len() as u64).map(rate).collect::<Result<_, _>>()?;
    let off = distance(&got, &want);
    if off > tolerance("optim", name, file.dtype) {
        return Err(Why::Wrong(format!("off by {off:.1e}")));
    }
    Ok(())
}
