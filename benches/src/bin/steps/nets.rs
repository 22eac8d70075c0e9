//! The networks of the workloads, under the names of their parameters in PyTorch.

use super::gpt::{Gpt, Size};
use azura_benches::{random_labels, random_normal};
use azura_core::{Rng, Scope, Store, Tensor};
use azura_learner::layers::{BatchNorm2d, Conv2d, Linear, Lstm, MaxPool2d, Relu, Sequential};
use azura_learner::{Ctx, Module, Result, loss};

/// What a workload trains.
pub trait Net: Sync {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor>;
}

/// A batch and its loss.
pub struct Inputs {
    pub x: Tensor,
    y: Tensor,
    pub samples: usize,
    squared: bool,
}

impl Inputs {
    pub fn new(name: &str, x: Tensor, y: Tensor) -> Self {
        Inputs {
            samples: x.shape()[0],
            x,
            y,
            squared: name.starts_with("lstm"),
        }
    }

    /// The batch in so many parts of equal size.
    pub fn parts(&self, count: usize) -> Result<Vec<Inputs>> {
        let part = |x: &Tensor, i: usize| {
            let rows = x.shape()[0] / count;
            x.narrow(0, i * rows, rows)
        };
        let parts = (0..count).map(|i| {
            Ok(Inputs {
                samples: self.samples / count,
                x: part(&self.x, i)?,
                y: part(&self.y, i)?,
                squared: self.squared,
            })
        });
        parts.collect()
    }

    pub fn loss(&self, output: &Tensor) -> Result<Tensor> {
        if self.squared {
            loss::mse(output, &self.y)?.mean()
        } else {
            loss::cross_entropy(output, &self.y)?.mean()
        }
    }
}

/// The network `name` and its inputs.
pub fn build(name: &str, store: &Store) -> Result<(Box<dyn Net>, Inputs)> {
    let p = store.root(Rng::new(0));
    type Pair = Result<(Tensor, Tensor)>;
    let images =
        |shape: [usize; 4]| -> Pair { Ok((random_normal(&shape, 1)?, random_labels(64, 10, 2)?)) };
    let series = || -> Pair { Ok((random_normal(&[32, 60, 8], 1)?, random_normal(&[32, 1], 2)?)) };
    let text = |size: &Size| -> Pair {
        let count = size.batch * size.length;
        let labels = |seed| random_labels(count, size.vocabulary as u64, seed);
        let x = labels(1)?.reshape([size.batch, size.length])?;
        Ok((x, labels(2)?))
    };
    let (net, (x, y)): (Box<dyn Net>, _) = match name {
        "mlp" => {
            let x = random_normal(&[64, 784], 1)?;
            (Box::new(mlp(&p)?), (x, random_labels(64, 10, 2)?))
        }
        "lstm64" => (Box::new(Recurrent::new(64, &p)?), series()?),
        "lstm256" => (Box::new(Recurrent::new(256, &p)?), series()?),
        "cnn" => (Box::new(Cnn::new(&p)?), images([64, 1, 28, 28])?),
        "resnet" => (Box::new(Residual::new(&p)?), images([64, 3, 32, 32])?),
        _ => {
            let size = Size::of(name);
            (Box::new(Gpt::new(size, &p)?), text(&size)?)
        }
    };
    Ok((net, Inputs::new(name, x, y)))
}

impl Net for Sequential {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        Module::forward(self, x, ctx)
    }
}

/// 784-256-128-10 with ReLU.
fn mlp(p: &Scope) -> Result<Sequential> {
    Ok(Sequential::new()
        .with(Linear::new(784, 256, &p.at("a"))?)
        .with(Relu)
        .with(Linear::new(256, 128, &p.at("b"))?)
        .with(Relu)
        .with(Linear::new(128, 10, &p.at("c"))?))
}

/// Two layers of LSTM and a linear head on the last step.
struct Recurrent {
    lstm: Lstm,
    head: Linear,
}

impl Recurrent {
    fn new(hidden: usize, p: &Scope) -> Result<Self> {
        Ok(Recurrent {
            lstm: Lstm::new(8, hidden, &p.at("l")).layers(2).build()?,
            head: Linear::new(hidden, 1, &p.at("o"))?,
        })
    }
}

impl Net for Recurrent {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let (output, _) = self.lstm.forward(x, None, ctx)?;
        self.head.forward(&output.select(1, 59)?, ctx)
    }
}

/// Two convolutions of 3 × 3, a pool of 2 × 2 and two linear layers.
struct Cnn {
    features: Sequential,
    head: Sequential,
}

impl Cnn {
    fn new(p: &Scope) -> Result<Self> {
        Ok(Cnn {
            features: Sequential::new()
                .with(Conv2d::new(1, 32, 3, &p.at("c1")).build()?)
                .with(Relu)
                .with(Conv2d::new(32, 64, 3, &p.at("c2")).build()?)
                .with(Relu)
                .with(MaxPool2d::new(2)),
            head: Sequential::new()
                .with(Linear::new(64 * 12 * 12, 128, &p.at("f1"))?)
                .with(Relu)
                .with(Linear::new(128, 10, &p.at("f2"))?),
        })
    }
}

impl Net for Cnn {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let features = Module::forward(&self.features, x, ctx)?.flatten(1, -1)?;
        Module::forward(&self.head, &features, ctx)
    }
}

/// A stem and one residual block of 64 channels with batch norm, the mean of each channel and a linear layer.
struct Residual {
    convolutions: [Conv2d; 3],
    norms: [BatchNorm2d; 3],
    head: Linear,
}

impl Residual {
    fn new(p: &Scope) -> Result<Self> {
        let conv = |inputs: usize, name: &str| {
            let conv = Conv2d::new(inputs, 64, 3, &p.at(name));
            conv.padding(1).bias(false).build()
        };
        let norm = |name: &str| BatchNorm2d::new(64, &p.at(name));
        Ok(Residual {
            convolutions: [conv(3, "c0")?, conv(64, "c1")?, conv(64, "c2")?],
            norms: [norm("b0")?, norm("b1")?, norm("b2")?],
            head: Linear::new(64, 10, &p.at("f"))?,
        })
    }
}

impl Net for Residual {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let mut layer = |i: usize, x: &Tensor| {
            let y = self.convolutions[i].forward(x, ctx)?;
            self.norms[i].forward(&y, ctx)
        };
        let x = layer(0, x)?.relu()?;
        let y = layer(1, &x)?.relu()?;
        let y = layer(2, &y)?.add(x)?.relu()?;
        self.head.forward(&y.mean(&[2, 3], false)?, ctx)
    }
}
