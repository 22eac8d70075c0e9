//! Activation functions.

use super::Module;
use crate::file::{Why, lacks};
use azura_core::{Rng, Tensor};
use azura_learner::layers::{self, Ctx, Module as _};
use serde_json::Value;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let dim = || match m.int(0, "dim") {
        Some(dim) => Ok(dim as isize),
        None => lacks("an axis chosen by the rank"),
    };
    let number = |place, name: &str, default| m.number(place, name).unwrap_or(default);
    let lambda = number(0, "lambd", 0.5);
    let alpha = number(0, "alpha", 1.0);
    let layer: Box<dyn layers::Module> = match name {
        "ReLU" => Box::new(layers::Relu),
        "ReLU6" => Box::new(layers::Relu6),
        "SELU" => Box::new(layers::Selu),
        "SiLU" => Box::new(layers::Silu),
        "Mish" => Box::new(layers::Mish),
        "Hardsigmoid" => Box::new(layers::Hardsigmoid),
        "Hardswish" => Box::new(layers::Hardswish),
        "Tanh" => Box::new(layers::Tanh),
        "Tanhshrink" => Box::new(layers::Tanhshrink),
        "Sigmoid" => Box::new(layers::Sigmoid),
        "LogSigmoid" => Box::new(layers::LogSigmoid),
        "Softsign" => Box::new(layers::Softsign),
        "CELU" => Box::new(layers::Celu { alpha }),
        "ELU" => Box::new(layers::Elu { alpha }),
        "GELU" => Box::new(layers::Gelu {
            tanh: m.option(0, "approximate").and_then(Value::as_str) == Some("tanh"),
        }),
        "GLU" => Box::new(layers::Glu {
            dim: m.int(0, "dim").unwrap_or(-1) as isize,
        }),
        "Hardshrink" => Box::new(layers::Hardshrink { lambda }),
        "Softshrink" => Box::new(layers::Softshrink { lambda }),
        "Hardtanh" => Box::new(layers::Hardtanh {
            min_val: number(0, "min_val", -1.0),
            max_val: number(1, "max_val", 1.0),
        }),
        "LeakyReLU" => Box::new(layers::LeakyRelu {
            negative_slope: number(0, "negative_slope", 0.01),
        }),
        "Softplus" => Box::new(layers::Softplus {
            beta: number(0, "beta", 1.0),
            threshold: number(1, "threshold", 20.0),
        }),
        "Threshold" => match (m.number(0, "threshold"), m.number(1, "value")) {
            (Some(threshold), Some(value)) => Box::new(layers::Threshold { threshold, value }),
            _ => return lacks("no threshold"),
        },
        "PReLU" => {
            let store = m.store();
            let slopes = m.int(0, "num_parameters").unwrap_or(1) as usize;
            let layer = layers::Prelu::new(slopes, &store.root(Rng::new(0)));
            let layer = layer.map_err(|error| Why::Wrong(error.to_string()))?;
            m.load(&store)?;
            Box::new(layer)
        }
        "Softmax" => Box::new(layers::Softmax { dim: dim()? }),
        "LogSoftmax" => Box::new(layers::LogSoftmax { dim: dim()? }),
        "Softmin" => Box::new(layers::Softmin { dim: dim()? }),
        "Softmax2d" => Box::new(layers::Softmax2d),
        _ => return Ok(None),
    };
    match layer.forward(&m.input(0)?, &mut Ctx::eval()) {
        Ok(y) => Ok(Some(vec![y])),
        Err(error) => Err(Why::Wrong(error.to_string())),
    }
}
