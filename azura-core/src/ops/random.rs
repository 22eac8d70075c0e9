//! Random tensors.
//!
//! Each takes a generator, and its element `i` is made of number `i` of the sequence drawn from it: the
//! same seed gives the same bits on every machine, with any instruction set and any number of threads.

use crate::cpu::normal;
use crate::cpu::random::{self as kernel, Bits, Integers, Normal, Random, Truncated, Uniform};
use crate::cpu::sort::{self, Order};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{DType, Error, Result, Rng};
use half::{bf16, f16};

/// Takes what `n` elements need out of the sequence.
fn reserve<B: Bits>(rng: &mut Rng, n: usize) -> Rng {
    rng.reserve(n.div_ceil(B::PER_BLOCK) as u64)
}

fn checked(op: &'static str, shape: &[usize]) -> Result<Shape> {
    let shape = Shape::new(op, shape)?;
    shape::checked_numel(op, &shape)?;
    Ok(shape)
}

fn finite(op: &'static str, what: &str, values: &[f64]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::argument(
            op,
            format!("{what} must be finite"),
            value.to_string(),
        )),
    }
}

fn ascending(op: &'static str, low: f64, high: f64) -> Result<()> {
    if low <= high {
        Ok(())
    } else {
        Err(Error::argument(
            op,
            "low must not exceed high",
            format!("{low} and {high}"),
        ))
    }
}

/// The largest half below `high`, or `low` if both are the same half.
fn last_half(low: f64, high: f64, dtype: DType) -> f64 {
    // Both formats are a sign and a size.
    let below = |bits: u16| match bits {
        0 => 0x8001,
        bits if bits >> 15 == 1 => bits + 1,
        bits => bits - 1,
    };
    let (low, high, last) = if dtype == DType::F16 {
        let (low, high) = (f16::from_f64(low), f16::from_f64(high));
        let last = f16::from_bits(below(high.to_bits()));
        (low.to_f64(), high.to_f64(), last.to_f64())
    } else {
        let (low, high) = (bf16::from_f64(low), bf16::from_f64(high));
        let last = bf16::from_bits(below(high.to_bits()));
        (low.to_f64(), high.to_f64(), last.to_f64())
    };
    if high > low { last } else { low }
}

fn uniform(
    op: &'static str,
    shape: &[usize],
    [low, high]: [f64; 2],
    dtype: DType,
    rng: &mut Rng,
) -> Result<Tensor> {
    if dtype.is_half() {
        let x = uniform(op, shape, [low, high], DType::F32, rng)?.cast(dtype)?;
        // Rounding reaches the upper end, of bf16 once in 512 numbers.
        return x.clamp_max(last_half(low, high, dtype));
    }
    let shape = checked(op, shape)?;
    finite(op, "low and high", &[low, high, high - low])?;
    ascending(op, low, high)?;
    for_float!(op, dtype, T => {
        let (low_, high_) = (low as T, high as T);
        let last = if high_ > low_ { high_.below() } else { low_ };
        let f = Uniform { low, width: high - low, last };
        Ok(Tensor::fill_new::<T>(shape, |out| {
            let start = reserve::<<T as Random>::Bits>(rng, out.len());
            kernel::fill::<<T as Random>::Bits, T, _>(&start, &f, out);
        }))
    })
}

impl Tensor {
    /// Uniform numbers in `[0, 1)`: 24 random bits in f32, 53 in f64. PyTorch: `rand`.
    ///
    /// Halves are rounded f32, so that 1 is possible among them.
    ///
    /// ```
    /// use azura_core::{DType, Rng, Tensor};
    /// let x = Tensor::rand([2, 3], DType::F32, &mut Rng::new(0))?;
    /// assert!(x.to_vec::<f32>()?.iter().all(|x| (0.0..1.0).contains(x)));
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape is too large, [`Error::DType`] if the dtype is not a float.
    pub fn rand(shape: impl AsRef<[usize]>, dtype: DType, rng: &mut Rng) -> Result<Tensor> {
        uniform("rand", shape.as_ref(), [0.0, 1.0], dtype, rng)
    }

    /// Uniform numbers in `[low, high)`. PyTorch: `Tensor.uniform_`.
    ///
    /// # Errors
    /// Those of [`Tensor::rand`]; [`Error::Argument`] if an end or the width is not finite, or `low` exceeds `high`.
    pub fn uniform(
        shape: impl AsRef<[usize]>,
        low: f64,
        high: f64,
        dtype: DType,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        uniform("uniform", shape.as_ref(), [low, high], dtype, rng)
    }

    /// Standard normal numbers. PyTorch: `randn`.
    ///
    /// They are the normal quantile of uniform ones (32 bits in f32, so within ±6.3; 52 in f64, within ±8.3).
    ///
    /// # Errors
    /// Those of [`Tensor::rand`].
    pub fn randn(shape: impl AsRef<[usize]>, dtype: DType, rng: &mut Rng) -> Result<Tensor> {
        normals("randn", shape.as_ref(), 0.0, 1.0, dtype, rng)
    }

    /// Normal numbers of this mean and standard deviation. PyTorch: `normal`.
    ///
    /// # Errors
    /// Those of [`Tensor::rand`]; [`Error::Argument`] if `mean` or `std` is not finite, or `std` is negative.
    pub fn normal(
        shape: impl AsRef<[usize]>,
        mean: f64,
        std: f64,
        dtype: DType,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        normals("normal", shape.as_ref(), mean, std, dtype, rng)
    }

    /// Numbers of a normal distribution of this mean and standard deviation, but only those in `[low, high]`.
    /// PyTorch: `nn.init.trunc_normal_`.
    ///
    /// The quantile of a uniform number between the probabilities of the ends, so none is drawn in vain. An interval
    /// beyond 37 standard deviations gives the end that is nearer to the mean.
    ///
    /// # Errors
    /// Those of [`Tensor::normal`]; [`Error::Argument`] if an end is NaN or `low` exceeds `high`.
    pub fn truncated_normal(
        shape: impl AsRef<[usize]>,
        mean: f64,
        std: f64,
        low: f64,
        high: f64,
        dtype: DType,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        let op = "truncated_normal";
        if dtype.is_half() {
            return Tensor::truncated_normal(shape, mean, std, low, high, DType::F32, rng)?
                .cast(dtype);
        }
        let shape = checked(op, shape.as_ref())?;
        spread(op, mean, std)?;
        ascending(op, low, high)?;
        let f = Truncated::new(mean, std, low, high);
        for_float!(op, dtype, T => Ok(Tensor::fill_new::<T>(shape, |out| {
            let start = reserve::<<T as Random>::Bits>(rng, out.len());
            kernel::fill::<<T as Random>::Bits, T, _>(&start, &f, out);
        })))
    }

    /// Integers (i64) in `low..high`, each as likely as the others (to within one part in 2⁶⁴ of the range).
    /// PyTorch: `randint`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape is too large, [`Error::Argument`] if there is no integer in `low..high`.
    pub fn randint(
        low: i64,
        high: i64,
        shape: impl AsRef<[usize]>,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        let op = "randint";
        let shape = checked(op, shape.as_ref())?;
        if low >= high {
            return Err(Error::argument(
                op,
                "low must be below high",
                format!("{low} and {high}"),
            ));
        }
        let f = Integers {
            low,
            count: high.wrapping_sub(low) as u64,
        };
        Ok(Tensor::fill_new::<i64>(shape, |out| {
            let start = reserve::<u64>(rng, out.len());
            kernel::fill::<u64, i64, _>(&start, &f, out);
        }))
    }

    /// The integers (i64) `0..n` in random order. PyTorch: `randperm`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `n` is too large.
    pub fn randperm(n: usize, rng: &mut Rng) -> Result<Tensor> {
        let shape = checked("randperm", &[n])?;
        Ok(Tensor::fill_new::<i64>(shape, |out| {
            for (value, i) in out.iter_mut().zip(0..) {
                *value = i;
            }
            rng.shuffle(out);
        }))
    }

    /// 1 with the probability that each element gives, else 0, in the same dtype. The result carries no
    /// gradient. PyTorch: `bernoulli`.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float, [`Error::Argument`] if an element is not in `[0, 1]`.
    pub fn bernoulli(&self, rng: &mut Rng) -> Result<Tensor> {
        let op = "bernoulli";
        let p = self.detach().floats(op)?.cast(DType::F64)?.contiguous();
        if let Some(wrong) = p.slice::<f64>().iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(Error::argument(
                op,
                "every probability must lie in [0, 1]",
                wrong.to_string(),
            ));
        }
        // In f64: 24 bits would turn a probability of 1e-9 into one of 6e-8.
        uniform(op, self.shape(), [0.0, 1.0], DType::F64, rng)?
            .lt(&p)?
            .cast(self.dtype())
    }

    /// Indices (i64) drawn by weight: `count` from each row of weights, which need not add up to 1.
    ///
    /// | value   | shape             |
    /// |---------|-------------------|
    /// | weights | `[C]` or `[B, C]` |
    /// | result  | `[count]` or `[B, count]` |
    ///
    /// Without replacement no index comes twice, and the order is that of drawing (each index with a weight of 0 left
    /// out). PyTorch: `multinomial`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not one or two axes, [`Error::DType`] if the dtype is not a float,
    /// [`Error::Argument`] if a weight is negative or not finite, if a row has no weight, or fewer positive ones than
    /// `count` without replacement.
    pub fn multinomial(&self, count: usize, replacement: bool, rng: &mut Rng) -> Result<Tensor> {
        let op = "multinomial";
        if !(1..=2).contains(&self.rank()) {
            return Err(Error::shape(
                op,
                "the weights must have one or two axes",
                format!("shape {:?}", self.shape()),
            ));
        }
        let weights = self.detach().floats(op)?.cast(DType::F64)?.contiguous();
        let weights = weights.slice::<f64>();
        let n = self.dim(-1)?;
        let mut sizes = *self.sizes();
        let last = sizes.len() - 1;
        sizes[last] = count;
        shape::checked_numel(op, &sizes)?;
        for row in 0..sizes[..last].iter().product() {
            check_weights(op, &weights[row * n..(row + 1) * n], count, replacement)?;
        }
        Ok(Tensor::fill_new::<i64>(sizes, |out| {
            if out.is_empty() {
                return;
            }
            let draws = if replacement { count } else { n };
            for (weights, out) in weights.chunks_exact(n).zip(out.chunks_exact_mut(count)) {
                let start = reserve::<u64>(rng, draws);
                let number = |i: usize| {
                    let mut pair = [0; 2];
                    u64::split(start.block(i as u64 / 2), &mut pair);
                    pair[i % 2].open()
                };
                if replacement {
                    with_replacement(weights, number, out);
                } else {
                    without_replacement(weights, number, out);
                }
            }
        }))
    }
}

fn spread(op: &'static str, mean: f64, std: f64) -> Result<()> {
    finite(op, "mean and std", &[mean, std])?;
    if std < 0.0 {
        return Err(Error::argument(
            op,
            "std must not be negative",
            std.to_string(),
        ));
    }
    Ok(())
}

fn normals(
    op: &'static str,
    shape: &[usize],
    mean: f64,
    std: f64,
    dtype: DType,
    rng: &mut Rng,
) -> Result<Tensor> {
    if dtype.is_half() {
        return normals(op, shape, mean, std, DType::F32, rng)?.cast(dtype);
    }
    let shape = checked(op, shape)?;
    spread(op, mean, std)?;
    let f = Normal { mean, std };
    for_float!(op, dtype, T => Ok(Tensor::fill_new::<T>(shape, |out| {
        let start = reserve::<<T as Random>::Bits>(rng, out.len());
        kernel::fill::<<T as Random>::Bits, T, _>(&start, &f, out);
    })))
}

fn check_weights(op: &'static str, row: &[f64], count: usize, replacement: bool) -> Result<()> {
    if let Some(wrong) = row.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
        return Err(Error::argument(
            op,
            "every weight must be finite and not negative",
            wrong.to_string(),
        ));
    }
    let positive = row.iter().filter(|w| **w > 0.0).count();
    let needed = if replacement { count.min(1) } else { count };
    if positive < needed {
        return Err(Error::argument(
            op,
            format!("each row must have {needed} positive weights or more"),
            positive.to_string(),
        ));
    }
    Ok(())
}

/// Where a uniform number falls among the running sums of the weights.
fn with_replacement(weights: &[f64], number: impl Fn(usize) -> f64, out: &mut [i64]) {
    let mut sum = 0.0;
    let sums: Vec<f64> = weights
        .iter()
        .map(|w| {
            sum += w;
            sum
        })
        .collect();
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    for (i, out) in out.iter_mut().enumerate() {
        let at = number(i) * sum;
        // An index without weight ends where it begins, so none falls on it.
        *out = sums.partition_point(|s| *s <= at).min(last) as i64;
    }
}

/// Exponential clocks of rate `w`: the first to ring is drawn first (Efraimidis & Spirakis 2006, "Weighted random
/// sampling with a reservoir").
fn without_replacement(weights: &[f64], number: impl Fn(usize) -> f64, out: &mut [i64]) {
    let times: Vec<f64> = weights
        .iter()
        .enumerate()
        .map(|(i, w)| {
            if *w > 0.0 {
                -normal::ln(number(i)) / w
            } else {
                f64::NAN
            }
        })
        .collect();
    let first = Order {
        descending: false,
        sorted: true,
    };
    sort::order(&times, times.len(), out.len(), first, out);
}
