//! Initial values.

use crate::cpu::orthogonal::orthonormalize;
use crate::cpu::random::{Bits, Truncated, sequence};
use crate::{Element, Error, Result, Rng};

/// The initial values of a parameter. Names and formulas are those of `torch.nn.init`.
///
/// The fan-in of a weight of shape `[O, I, ...]` is `I` times the product of the axes after it, its fan-out `O` times
/// that product.
///
/// ```
/// use azura_core::{DType, Fan, Init, Nonlinearity, Rng, Store};
/// let store = Store::new(DType::F32);
/// let he = Init::KaimingNormal { fan: Fan::In, nonlinearity: Nonlinearity::Relu };
/// let w = store.root(Rng::new(0)).param("weight", &[64, 32, 3, 3], he)?;
/// assert_eq!(w.value().shape(), [64, 32, 3, 3]);
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All the same.
    Constant(f64),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
    /// Uniform in `[low, high)`.
    UniformIn {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Standard normal rows of a table, one of them perhaps all 0: an embedding with padding.
    Table {
        /// The row that is 0.
        zero: Option<usize>,
    },
    /// Normal, but only values in `[low, high]`.
    TruncatedNormal {
        /// The mean of the whole distribution.
        mean: f64,
        /// Its standard deviation.
        std: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// The identity matrix: 1 on the diagonal of two axes, else 0.
    Eye,
    /// The identity of a convolution with weights `[O, I, ...]`: output `d` of each group is input `d`, if there is
    /// one.
    Dirac {
        /// How many groups of channels the convolution has.
        groups: usize,
    },
    /// Uniform in `±gain √(6 / (fan-in + fan-out))` (Glorot & Bengio 2010).
    XavierUniform {
        /// Mostly [`Nonlinearity::gain`]; PyTorch's default is 1.
        gain: f64,
    },
    /// Normal of standard deviation `gain √(2 / (fan-in + fan-out))` (Glorot & Bengio 2010).
    XavierNormal {
        /// Mostly [`Nonlinearity::gain`]; PyTorch's default is 1.
        gain: f64,
    },
    /// Uniform in `±gain √(3 / fan)` (He et al. 2015, arXiv:1502.01852).
    KaimingUniform {
        /// In keeps the variance of activations, out that of gradients. PyTorch's default is in.
        fan: Fan,
        /// What follows the layer, which gives the gain.
        nonlinearity: Nonlinearity,
    },
    /// Normal of standard deviation `gain / √fan` (He et al. 2015, arXiv:1502.01852).
    KaimingNormal {
        /// In keeps the variance of activations, out that of gradients. PyTorch's default is in.
        fan: Fan,
        /// What follows the layer, which gives the gain.
        nonlinearity: Nonlinearity,
    },
    /// A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`; axes after the first
    /// count as one (Saxe, McClelland & Ganguli 2013, arXiv:1312.6120).
    Orthogonal {
        /// PyTorch's default is 1.
        gain: f64,
    },
}

/// Which side of a weight [`Init`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of one output.
    In,
    /// Outputs of one input.
    Out,
}

/// What follows a layer: the factor that keeps the scale of what passes through both.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Nonlinearity {
    /// Nothing, or a convolution.
    Linear,
    /// [`Tensor::sigmoid`](crate::Tensor::sigmoid).
    Sigmoid,
    /// [`Tensor::tanh`](crate::Tensor::tanh).
    Tanh,
    /// [`Tensor::relu`](crate::Tensor::relu).
    Relu,
    /// Leaky ReLU with this slope below 0.
    LeakyRelu(f64),
    /// SELU.
    Selu,
}

impl Nonlinearity {
    /// The gain. PyTorch: `nn.init.calculate_gain`.
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::Relu => 2f64.sqrt(),
            Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Nonlinearity::Selu => 0.75,
        }
    }
}

impl Fan {
    fn of(self, shape: &[usize]) -> f64 {
        let side = match self {
            Fan::In => shape[1],
            Fan::Out => shape[0],
        };
        (side * shape[2..].iter().product::<usize>()) as f64
    }
}

impl Init {
    /// # Errors
    /// [`Error::Shape`] if there is no such value of this shape, [`Error::Argument`] if a number makes no sense.
    pub(super) fn check(self, shape: &[usize]) -> Result<()> {
        let axes = |rule: &str, right: bool| {
            if right {
                return Ok(());
            }
            Err(Error::shape("init", rule, format!("shape {shape:?}")))
        };
        match self {
            Init::Zeros | Init::Ones | Init::Constant(_) => Ok(()),
            Init::Uniform { .. } | Init::Normal { .. } => Ok(()),
            Init::UniformIn { low, high } => ends(low, high),
            Init::TruncatedNormal {
                low,
                high,
                mean,
                std,
            } => {
                if !(mean.is_finite() && std.is_finite() && std >= 0.0) {
                    return Err(Error::argument(
                        "init",
                        "mean and std must be finite and std not negative",
                        format!("{mean} and {std}"),
                    ));
                }
                ends(low, high)
            }
            Init::Table { zero } => axes(
                "a table has two axes, and the row of zeros",
                shape.len() == 2 && zero.is_none_or(|row| row < shape[0]),
            ),
            Init::Eye => axes("the identity has two axes", shape.len() == 2),
            Init::Dirac { groups } => {
                axes(
                    "the identity of a convolution has three to five axes",
                    (3..=5).contains(&shape.len()),
                )?;
                if groups == 0 || !shape[0].is_multiple_of(groups) {
                    return Err(Error::argument(
                        "init",
                        format!("groups must divide the {} outputs", shape[0]),
                        groups.to_string(),
                    ));
                }
                Ok(())
            }
            Init::XavierUniform { .. }
            | Init::XavierNormal { .. }
            | Init::KaimingUniform { .. }
            | Init::KaimingNormal { .. } => axes(
                "a fan-in and a fan-out need two axes or more",
                shape.len() >= 2,
            ),
            Init::Orthogonal { .. } => axes(
                "an orthogonal matrix needs two axes or more",
                shape.len() >= 2,
            ),
        }
    }

    /// Writes the values of a parameter whose shape passed [`Init::check`].
    pub(super) fn fill<T: Element>(self, values: &mut [T], shape: &[usize], mut rng: Rng) {
        if values.is_empty() {
            return;
        }
        let both = |shape| Fan::In.of(shape) + Fan::Out.of(shape);
        match self {
            Init::Zeros => values.fill(T::from_f64(0.0)),
            Init::Ones => values.fill(T::from_f64(1.0)),
            Init::Constant(value) => values.fill(T::from_f64(value)),
            Init::Uniform { bound } => {
                sequence(values, || T::from_f64((rng.uniform() * 2.0 - 1.0) * bound));
            }
            Init::UniformIn { low, high } => {
                sequence(values, || {
                    T::from_f64(f64::mul_add(rng.uniform(), high - low, low))
                });
            }
            Init::Normal { mean, std } => {
                sequence(values, || {
                    T::from_f64(f64::mul_add(rng.normal(), std, mean))
                });
            }
            Init::TruncatedNormal {
                mean,
                std,
                low,
                high,
            } => {
                let truncated = Truncated::new(mean, std, low, high);
                sequence(values, || T::from_f64(truncated.at(rng.next_u64().open())));
            }
            Init::Table { zero } => {
                sequence(values, || T::from_f64(rng.normal()));
                if let Some(row) = zero {
                    values[row * shape[1]..(row + 1) * shape[1]].fill(T::from_f64(0.0));
                }
            }
            Init::Eye => {
                values.fill(T::from_f64(0.0));
                for value in values
                    .iter_mut()
                    .step_by(shape[1] + 1)
                    .take(shape[0].min(shape[1]))
                {
                    *value = T::from_f64(1.0);
                }
            }
            Init::Dirac { groups } => dirac(values, shape, groups),
            Init::XavierUniform { gain } => {
                let bound = gain * (6.0 / both(shape)).sqrt();
                Init::Uniform { bound }.fill(values, shape, rng);
            }
            Init::XavierNormal { gain } => {
                let std = gain * (2.0 / both(shape)).sqrt();
                Init::Normal { mean: 0.0, std }.fill(values, shape, rng);
            }
            Init::KaimingUniform { fan, nonlinearity } => {
                let bound = nonlinearity.gain() * (3.0 / fan.of(shape)).sqrt();
                Init::Uniform { bound }.fill(values, shape, rng);
            }
            Init::KaimingNormal { fan, nonlinearity } => {
                let std = nonlinearity.gain() / fan.of(shape).sqrt();
                Init::Normal { mean: 0.0, std }.fill(values, shape, rng);
            }
            Init::Orthogonal { gain } => orthogonal(values, shape[0], gain, &mut rng),
        }
    }
}

fn ends(low: f64, high: f64) -> Result<()> {
    if low <= high {
        return Ok(());
    }
    Err(Error::argument(
        "init",
        "low must not exceed high",
        format!("{low} and {high}"),
    ))
}

fn dirac<T: Element>(values: &mut [T], shape: &[usize], groups: usize) {
    values.fill(T::from_f64(0.0));
    let (outputs, inputs) = (shape[0] / groups, shape[1]);
    let kernel: usize = shape[2..].iter().product();
    let middle = shape[2..]
        .iter()
        .fold(0, |middle, &size| middle * size + size / 2);
    for group in 0..groups {
        for d in 0..outputs.min(inputs) {
            let output = group * outputs + d;
            values[(output * inputs + d) * kernel + middle] = T::from_f64(1.0);
        }
    }
}

/// The orthogonal factor of a normal matrix; of wide ones, of the transpose.
fn orthogonal<T: Element>(values: &mut [T], rows: usize, gain: f64, rng: &mut Rng) {
    let columns = values.len() / rows;
    let (long, short) = (rows.max(columns), rows.min(columns));
    let mut normal = vec![0.0; values.len()];
    sequence(&mut normal, || rng.normal());
    let mut q = vec![0.0; values.len()];
    orthonormalize(&mut normal, long, &mut q);
    for (i, value) in values.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        // `q` holds `short` vectors one after the other: the rows of a wide matrix, the columns of a tall one.
        let at = if rows == short {
            i
        } else {
            column * long + row
        };
        *value = T::from_f64(gain * q[at]);
    }
}
