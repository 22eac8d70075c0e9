//! Normalisation over the samples and axes of a channel, or over groups of channels of a sample.

use super::{NormOptions, Scaling, add_pairs, table, vector};
use crate::autograd::{Grads, only};
use crate::cpu::norm::{combine, planes};
use crate::dtype::for_float;
use crate::shape::{Layout, Shape};
use crate::tensor::Tensor;
use crate::{DType, Element, Error, Result};

/// A normalised tensor and the statistics it was normalised by, for running averages of them.
#[derive(Clone, Debug)]
pub struct Normalized {
    /// The result.
    pub output: Tensor,
    /// The mean of each channel `[C]`; no gradient flows through it.
    pub mean: Tensor,
    /// The unbiased variance of each channel `[C]` (divided by n - 1), as running variances are made of;
    /// no gradient flows through it.
    pub var: Tensor,
}

/// Planes that share statistics.
#[derive(Clone, Copy)]
enum Shared {
    /// Those of a channel, over all samples.
    Channel,
    /// Those of so many neighbouring channels of a sample.
    Group(usize),
}

/// A tensor as `[samples, channels, inner]`.
#[derive(Clone, Copy)]
struct Sizes {
    samples: usize,
    channels: usize,
    inner: usize,
    shared: Shared,
    /// Whether the channel axis was brought to the front, so that planes are long.
    turned: bool,
}

/// Shorter planes than this are laid together: a call for each would cost more than its loop.
const SHORT: usize = 16;

impl Sizes {
    /// The channel axis is the second; a vector counts as one sample.
    fn of(op: &'static str, x: &Tensor, shared: Shared) -> Result<Self> {
        let shape = x.shape();
        let (samples, channels, inner) = match shape {
            [] => {
                return Err(Error::shape(
                    op,
                    "the input must have a channel axis",
                    "a number",
                ));
            }
            [channels] => (1, *channels, 1),
            [samples, channels, inner @ ..] => (*samples, *channels, inner.iter().product()),
        };
        let turned = matches!(shared, Shared::Channel) && samples > 1 && inner < SHORT;
        let mut sizes = Sizes {
            samples,
            channels,
            inner,
            shared,
            turned,
        };
        if turned {
            (sizes.samples, sizes.inner) = (1, samples * inner);
        }
        Ok(sizes)
    }

    /// The elements in the order of the planes.
    fn arrange(&self, x: &Tensor) -> Tensor {
        if !self.turned {
            return x.contiguous_detached();
        }
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.swap(0, 1);
        x.with_layout(x.layout().permute(&order))
            .contiguous_detached()
    }

    /// The way back, to a tensor of the shape it had.
    fn restore(&self, y: Tensor, shape: &Shape) -> Tensor {
        if !self.turned {
            return y;
        }
        let mut turned = *shape;
        turned.swap(0, 1);
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.swap(0, 1);
        y.with_layout(Layout::contiguous(turned).permute(&order))
            .copy()
    }

    fn planes(&self) -> usize {
        self.samples * self.channels
    }

    /// How many sets of statistics there are.
    fn sets(&self) -> usize {
        match self.shared {
            Shared::Channel => self.channels,
            Shared::Group(size) => self.planes() / size.max(1),
        }
    }

    /// Which set a plane belongs to.
    fn set(&self, plane: usize) -> usize {
        match self.shared {
            Shared::Channel => plane % self.channels,
            Shared::Group(size) => plane / size,
        }
    }

    /// How many numbers a set is made of.
    fn count(&self) -> usize {
        match self.shared {
            Shared::Channel => self.samples * self.inner,
            Shared::Group(size) => size * self.inner,
        }
    }

    /// Mean and biased variance of each set.
    fn moments<T: planes::Real>(&self, x: &[T], out: &mut [f64]) {
        let n = self.count();
        if n == 0 {
            out.fill(f64::NAN);
            return;
        }
        match self.shared {
            Shared::Group(size) => planes::plane_moments(x, size * self.inner, out),
            Shared::Channel if self.samples == 1 => planes::plane_moments(x, self.inner, out),
            Shared::Channel => {
                let sums = table(self.planes(), 1, |out| {
                    planes::plane_sums(x, self.inner, out);
                });
                let mut shifts = vec![0.0; self.channels];
                for (plane, sum) in sums.slice::<f64>().iter().enumerate() {
                    shifts[plane % self.channels] += sum / n as f64;
                }
                let shift = |plane: usize| T::from_f64(shifts[plane % self.channels]);
                let rests = table(self.planes(), 2, |out| {
                    planes::plane_distances(x, self.inner, shift, out);
                });
                out.fill(0.0);
                for (plane, rest) in rests.slice::<f64>().chunks_exact(2).enumerate() {
                    let channel = plane % self.channels;
                    out[2 * channel] += rest[0];
                    out[2 * channel + 1] += rest[1];
                }
                for (channel, pair) in out.chunks_exact_mut(2).enumerate() {
                    let both = combine(shift(channel).to_f64(), [pair[0], pair[1]], n);
                    pair.copy_from_slice(&both);
                }
            }
        }
    }
}

/// Where the statistics come from.
#[derive(Clone, Copy)]
enum Statistics<'a> {
    Own,
    Given { mean: &'a Tensor, var: &'a Tensor },
}

impl Tensor {
    /// Batch normalisation with the statistics of this batch, for training (Ioffe & Szegedy 2015,
    /// arXiv:1502.03167).
    ///
    /// `y = (x - mean(x)) / sqrt(var(x) + eps) · weight + bias`, mean and biased variance over all axes
    /// but the second
    ///
    /// | value            | shape                    |
    /// |------------------|--------------------------|
    /// | `self`           | `[N, C, …]`              |
    /// | `weight`, `bias` | `[C]`                    |
    /// | `output`         | as `self`                |
    /// | `mean`, `var`    | `[C]`; NaN if `N` is 0   |
    ///
    /// PyTorch: `batch_norm` with `training=True`; running statistics are made of the returned ones. Those of a
    /// sixteen-bit input are f32.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no second axis, a channel has one value only, or weight and bias
    /// are not `[C]`; [`Error::DType`] if the dtype is no float or they have another.
    pub fn batch_norm(&self, options: NormOptions<'_>) -> Result<Normalized> {
        let op = "batch_norm";
        let sizes = Sizes::of(op, self, Shared::Channel)?;
        if sizes.count() == 1 && sizes.channels > 0 {
            return Err(Error::shape(
                op,
                "training needs more than one value for each channel",
                format!("{:?}", self.shape()),
            ));
        }
        self.norm_planes(op, sizes, options, Statistics::Own)
    }

    /// Batch or instance normalisation with given statistics, the running ones, for predicting.
    ///
    /// `y = (x - mean) / sqrt(var + eps) · weight + bias`
    ///
    /// | value                           | shape       |
    /// |---------------------------------|-------------|
    /// | `self`                          | `[N, C, …]` |
    /// | `mean`, `var`, `weight`, `bias` | `[C]`       |
    /// | result                          | as `self`   |
    ///
    /// PyTorch: `batch_norm` with `training=False`. The statistics for a sixteen-bit input may be f32, as
    /// [`Tensor::batch_norm`] returns them.
    ///
    /// # Errors
    /// Those of [`Tensor::batch_norm`] but for single values, and [`Error::Argument`] if `mean` or `var`
    /// needs a gradient: none flows through them.
    pub fn batch_norm_with(
        &self,
        mean: &Tensor,
        var: &Tensor,
        options: NormOptions<'_>,
    ) -> Result<Tensor> {
        let op = "batch_norm_with";
        if mean.needs_grad() || var.needs_grad() {
            return Err(Error::argument(
                op,
                "the given statistics carry no gradient",
                "ones that need one; detach them with `detach`",
            ));
        }
        let sizes = Sizes::of(op, self, Shared::Channel)?;
        Ok(self
            .norm_planes(op, sizes, options, Statistics::Given { mean, var })?
            .output)
    }

    /// Instance normalisation: each channel of each sample by its own statistics (Ulyanov, Vedaldi &
    /// Lempitsky 2016, arXiv:1607.08022).
    ///
    /// | value            | shape                                             |
    /// |------------------|---------------------------------------------------|
    /// | `self`           | `[N, C, L, …]`                                    |
    /// | `weight`, `bias` | `[C]`                                             |
    /// | `output`         | as `self`                                         |
    /// | `mean`, `var`    | `[C]`, the means of the samples' own statistics; f32 of a sixteen-bit input |
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than three axes, an instance has one value only, or weight
    /// and bias are not `[C]`; [`Error::DType`] if the dtype is no float or they have another.
    pub fn instance_norm(&self, options: NormOptions<'_>) -> Result<Normalized> {
        let op = "instance_norm";
        if self.rank() < 3 {
            return Err(Error::shape(
                op,
                "the input must be [N, C, L] or have more axes",
                format!("{:?}", self.shape()),
            ));
        }
        let sizes = Sizes::of(op, self, Shared::Group(1))?;
        if sizes.inner == 1 {
            return Err(Error::shape(
                op,
                "an instance needs more than one value",
                format!("{:?}", self.shape()),
            ));
        }
        self.norm_planes(op, sizes, options, Statistics::Own)
    }

    /// Group normalisation: neighbouring channels of a sample together (Wu & He 2018, arXiv:1803.08494).
    ///
    /// | value            | shape                          |
    /// |------------------|--------------------------------|
    /// | `self`           | `[N, C, …]`                    |
    /// | `groups`         | how many, a divisor of `C`     |
    /// | `weight`, `bias` | `[C]`                          |
    /// | result           | as `self`                      |
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no second axis or it cannot be divided into groups, or weight and
    /// bias are not `[C]`; [`Error::DType`] if the dtype is no float or they have another.
    pub fn group_norm(&self, groups: usize, options: NormOptions<'_>) -> Result<Tensor> {
        let op = "group_norm";
        let channels = match self.shape() {
            [_, channels, ..] => *channels,
            shape => {
                return Err(Error::shape(
                    op,
                    "the input must be [N, C] or have more axes",
                    format!("{shape:?}"),
                ));
            }
        };
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::shape(
                op,
                format!("the groups must divide the {channels} channels"),
                format!("{groups}"),
            ));
        }
        let sizes = Sizes::of(op, self, Shared::Group(channels / groups))?;
        Ok(self
            .norm_planes(op, sizes, options, Statistics::Own)?
            .output)
    }

    fn norm_planes(
        &self,
        op: &'static str,
        sizes: Sizes,
        options: NormOptions<'_>,
        from: Statistics<'_>,
    ) -> Result<Normalized> {
        let channels = [sizes.channels];
        let scaling = options.scaling(op, self, &channels)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let (weight, bias) = (wide.some(options.weight)?, wide.some(options.bias)?);
                let options = NormOptions {
                    weight: weight.as_ref(),
                    bias: bias.as_ref(),
                    ..options
                };
                let given = |statistic: &Tensor| match statistic.dtype() {
                    DType::F32 => Ok(statistic.clone()),
                    _ => wide.of(statistic),
                };
                match from {
                    Statistics::Own => x.norm_planes(op, sizes, options, from),
                    Statistics::Given { mean, var } => {
                        let (mean, var) = (&given(mean)?, &given(var)?);
                        x.norm_planes(op, sizes, options, Statistics::Given { mean, var })
                    }
                }
            });
        }
        let edges = options.edges(self);
        let shape = *self.sizes();
        for_float!(op, self.dtype(), T => {
            let x = sizes.arrange(self);
            let own = matches!(from, Statistics::Own);
            // Means and biased variances, of which the second become reciprocal deviations.
            let moments = match from {
                Statistics::Own => table(sizes.sets(), 2, |out| sizes.moments(x.slice::<T>(), out)),
                Statistics::Given { mean, var } => {
                    let given = |name, tensor| vector(op, name, self, Some(tensor), &channels);
                    let (mean, var) = (given("mean", mean)?, given("var", var)?);
                    let values = |of: &Option<Tensor>| of.as_ref().map_or(Vec::new(), |x| x.slice::<T>().to_vec());
                    table(sizes.channels, 2, |out| {
                        let pairs = values(&mean).into_iter().zip(values(&var));
                        for (out, (mean, var)) in out.chunks_exact_mut(2).zip(pairs) {
                            out.copy_from_slice(&[mean.to_f64(), var.to_f64()]);
                        }
                    })
                }
            };
            let (mean, var) = channel_statistics::<T>(&sizes, moments.slice());
            let stats = table(moments.shape()[0], 2, |out| {
                for (out, pair) in out.chunks_exact_mut(2).zip(moments.slice::<f64>().chunks_exact(2)) {
                    out.copy_from_slice(&[pair[0], 1.0 / (pair[1] + options.eps).sqrt()]);
                }
            });
            let y = Tensor::fill_new::<T>(*x.sizes(), |y| {
                let (stats, scales) = (stats.slice::<f64>(), Scales::<T>::of(&scaling));
                let of = |plane: usize| {
                    let (set, channel) = (sizes.set(plane), plane % sizes.channels);
                    [stats[2 * set], stats[2 * set + 1] * scales.weight(channel), scales.bias(channel)]
                };
                planes::scale(x.slice(), sizes.inner, of, y);
            });
            let output = edges.record(op, sizes.restore(y, &shape), || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = sizes.arrange(&only(dy)?);
                    let (x, dy, stats) = (x.slice::<T>(), dy.slice::<T>(), stats.slice::<f64>());
                    let scales = Scales::<T>::of(&scaling);
                    let wants_scaling = grads.wants(1) || grads.wants(2);
                    let sums = (wants_scaling || own).then(|| table(sizes.planes(), 2, |out| {
                        let of = |plane: usize| {
                            let set = sizes.set(plane);
                            [stats[2 * set], stats[2 * set + 1]]
                        };
                        planes::gradient_sums(x, dy, sizes.inner, of, out);
                    }));
                    let sums = sums.as_ref().map_or(&[][..], Tensor::slice::<f64>);
                    if wants_scaling {
                        let of_channels = table(sizes.channels, 2, |out| {
                            total(sums, out, |plane| (plane % sizes.channels, 1.0));
                        });
                        add_pairs::<T>(grads, &[sizes.channels].into_iter().collect(), of_channels.slice())?;
                    }
                    if !grads.wants(0) {
                        return Ok(());
                    }
                    let of_sets = table(sizes.sets(), 2, |out| {
                        total(sums, out, |plane| (sizes.set(plane), scales.weight(plane % sizes.channels)));
                    });
                    let (of_sets, n) = (of_sets.slice::<f64>(), sizes.count() as f64);
                    let slope = |plane: usize| {
                        let set = sizes.set(plane);
                        let (mean, rstd) = (stats[2 * set], stats[2 * set + 1]);
                        planes::Slope {
                            mean,
                            rstd,
                            dy: rstd * scales.weight(plane % sizes.channels),
                            x: if own { -rstd * of_sets[2 * set] / n } else { 0.0 },
                            one: if own { -rstd * of_sets[2 * set + 1] / n } else { 0.0 },
                        }
                    };
                    let dx = Tensor::fill_new::<T>(shape, |dx| planes::gradient(x, dy, sizes.inner, slope, dx));
                    grads.add(0, sizes.restore(dx, &shape))
                }
            });
            Ok(Normalized { output, mean, var })
        })
    }
}

/// Weight and bias of a channel in f64.
struct Scales<'a, T>(Option<&'a [T]>, Option<&'a [T]>);

impl<'a, T: planes::Real> Scales<'a, T> {
    fn of(scaling: &'a Scaling) -> Self {
        Scales(scaling.weight(), scaling.bias())
    }

    fn weight(&self, channel: usize) -> f64 {
        self.0.map_or(1.0, |weight| weight[channel].to_f64())
    }

    fn bias(&self, channel: usize) -> f64 {
        self.1.map_or(0.0, |bias| bias[channel].to_f64())
    }
}

/// Adds the pairs of planes up, each where `of` says and with its factor.
fn total(pairs: &[f64], out: &mut [f64], of: impl Fn(usize) -> (usize, f64)) {
    out.fill(0.0);
    for (plane, pair) in pairs.chunks_exact(2).enumerate() {
        let (to, factor) = of(plane);
        out[2 * to] += factor * pair[0];
        out[2 * to + 1] += factor * pair[1];
    }
}

/// Mean and unbiased variance of each channel: over samples, the mean of theirs.
fn channel_statistics<T: planes::Real>(sizes: &Sizes, moments: &[f64]) -> (Tensor, Tensor) {
    let n = sizes.count() as f64;
    let of = |index: usize, unbias: bool| {
        Tensor::fill_new::<T>([sizes.channels].into_iter().collect(), |out| {
            let sets = moments.len() / 2;
            for (channel, out) in out.iter_mut().enumerate() {
                // Groups of several channels have no statistics of a channel.
                let own = (channel..sets).step_by(sizes.channels);
                let (sum, count) = own.fold((0.0, 0.0), |(sum, count), set| {
                    (sum + moments[2 * set + index], count + 1.0)
                });
                let mean = sum / count;
                *out = T::from_f64(if unbias { mean * n / (n - 1.0) } else { mean });
            }
        })
    };
    (of(0, false), of(1, true))
}
