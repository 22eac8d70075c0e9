//! Batch normalisation.

use azura_core::{Init, NormOptions, Param, Scope, Tensor};

use super::{Ctx, Module, RunningStats};
use crate::error::{Error, Problem, Result};

/// The options of [`BatchNorm1d`], [`InstanceNorm1d`](super::InstanceNorm1d) and their kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance. PyTorch's default: 1e-5.
    pub eps: f64,
    /// The share of the newest batch in running statistics; `None` averages over all batches evenly.
    /// PyTorch's default: 0.1.
    pub momentum: Option<f64>,
    /// Whether each channel has a weight and a bias. PyTorch's default: yes for batches, no for instances.
    pub affine: bool,
    /// Whether there is a bias where there is a weight. PyTorch's default: yes.
    pub bias: bool,
    /// Whether predictions use running statistics instead of their own. PyTorch's default: yes for
    /// batches, no for instances.
    pub track_running_stats: bool,
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        BatchNormOptions {
            eps: 1e-5,
            momentum: Some(0.1),
            affine: true,
            bias: true,
            track_running_stats: true,
        }
    }
}

/// Channels with weight, bias and running statistics.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    weight: Option<Param>,
    bias: Option<Param>,
    running: Option<RunningStats>,
    eps: f64,
}

impl Channels {
    pub fn new(channels: usize, options: BatchNormOptions, p: &Scope) -> Result<Self> {
        let BatchNormOptions {
            eps,
            momentum,
            affine,
            bias,
            track_running_stats,
        } = options;
        let given = |name, init| p.param(name, &[channels], init);
        Ok(Channels {
            weight: affine.then(|| given("weight", Init::Ones)).transpose()?,
            bias: (affine && bias)
                .then(|| given("bias", Init::Zeros))
                .transpose()?,
            running: track_running_stats
                .then(|| RunningStats::new(channels, momentum, p))
                .transpose()?,
            eps,
        })
    }

    pub fn running(&self) -> Option<&RunningStats> {
        self.running.as_ref()
    }

    /// Normalises `x`, by its own statistics (as `own` says) or by the running ones.
    pub fn forward(
        &self,
        x: &Tensor,
        own: fn(&Tensor, NormOptions<'_>) -> azura_core::Result<azura_core::Normalized>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let (weight, bias) = (
            self.weight.as_ref().map(Param::value),
            self.bias.as_ref().map(Param::value),
        );
        let options = NormOptions {
            weight: weight.as_ref(),
            bias: bias.as_ref(),
            eps: self.eps,
        };
        match &self.running {
            Some(running) if !ctx.train => {
                let (mean, var) = running.current()?;
                Ok(x.batch_norm_with(&mean, &var, options)?)
            }
            running => {
                let y = own(x, options)?;
                // Nothing was seen in no samples.
                if let Some(running) = running
                    && x.numel() > 0
                {
                    running.queue(y.mean, y.var, ctx)?;
                }
                Ok(y.output)
            }
        }
    }
}

/// The input must have one of these numbers of axes.
pub(super) fn check_rank(layer: &str, x: &Tensor, ranks: &[usize]) -> Result<()> {
    if ranks.contains(&x.rank()) {
        return Ok(());
    }
    let ranks: Vec<String> = ranks.iter().map(usize::to_string).collect();
    let message = format!(
        "takes {} axes, but got an input of shape {:?}",
        ranks.join(" or "),
        x.shape()
    );
    Err(Error::Config(vec![Problem::new(layer, message)]))
}

macro_rules! batch_norms {
    ($($(#[$doc:meta])* $name:ident $ranks:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// `y = (x - mean) / sqrt(var + eps) · weight + bias`
        ///
        /// In training, mean and biased variance are those of the batch, and what was seen is queued in
        /// `ctx` for the running statistics; when predicting they are the running ones. Parameters and
        /// statistics have PyTorch's names: `weight`, `bias`, `running_mean`, `running_var`,
        /// `num_batches_tracked`.
        #[derive(Clone, Debug)]
        pub struct $name(Channels);

        impl $name {
            /// A layer for so many channels, with PyTorch's defaults.
            ///
            /// # Errors
            /// If the scope has parameters of these names already.
            pub fn new(channels: usize, p: &Scope) -> Result<Self> {
                Self::with(channels, BatchNormOptions::default(), p)
            }

            /// The same with other options.
            ///
            /// # Errors
            /// If the scope has parameters of these names already.
            pub fn with(channels: usize, options: BatchNormOptions, p: &Scope) -> Result<Self> {
                Ok($name(Channels::new(channels, options, p)?))
            }

            /// The running statistics, if there are any.
            pub fn running(&self) -> Option<&RunningStats> {
                self.0.running()
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
                check_rank(stringify!($name), x, $ranks)?;
                ctx.needs_whole_batch(stringify!($name))?;
                self.0.forward(x, Tensor::batch_norm, ctx)
            }
        }
    )*};
}

batch_norms! {
    /// Batch normalisation of `[N, C]` or `[N, C, L]` (Ioffe & Szegedy 2015, arXiv:1502.03167), as
    /// `torch.nn.BatchNorm1d`.
    BatchNorm1d &[2, 3];
    /// Batch normalisation of images `[N, C, H, W]` (Ioffe & Szegedy 2015, arXiv:1502.03167), as
    /// `torch.nn.BatchNorm2d`.
    BatchNorm2d &[4];
    /// Batch normalisation of volumes `[N, C, D, H, W]` (Ioffe & Szegedy 2015, arXiv:1502.03167), as
    /// `torch.nn.BatchNorm3d`.
    BatchNorm3d &[5];
}
