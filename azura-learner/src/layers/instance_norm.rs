//! Instance normalisation.

use azura_core::{Scope, Tensor};

use super::batch_norm::{BatchNormOptions, Channels, check_rank};
use super::{Ctx, Module, RunningStats};
use crate::error::Result;

macro_rules! instance_norms {
    ($($(#[$doc:meta])* $name:ident $rank:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Each channel of each sample is normalised by its own statistics, or, with
        /// `track_running_stats`, when predicting by the running ones. One sample alone may come without
        /// the batch axis.
        #[derive(Clone, Debug)]
        pub struct $name(Channels);

        impl $name {
            /// A layer for so many channels, with PyTorch's defaults: no weight, no bias, no running
            /// statistics.
            ///
            /// # Errors
            /// None without parameters.
            pub fn new(channels: usize, p: &Scope) -> Result<Self> {
                let options = BatchNormOptions {
                    affine: false,
                    track_running_stats: false,
                    ..BatchNormOptions::default()
                };
                Self::with(channels, options, p)
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
                check_rank(stringify!($name), x, &[$rank - 1, $rank])?;
                if x.rank() == $rank {
                    return self.0.forward(x, Tensor::instance_norm, ctx);
                }
                let y = self.0.forward(&x.unsqueeze(0)?, Tensor::instance_norm, ctx)?;
                Ok(y.squeeze(0)?)
            }
        }
    )*};
}

instance_norms! {
    /// Instance normalisation of `[N, C, L]` (Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022), as
    /// `torch.nn.InstanceNorm1d`.
    InstanceNorm1d 3;
    /// Instance normalisation of images `[N, C, H, W]` (Ulyanov, Vedaldi & Lempitsky 2016,
    /// arXiv:1607.08022), as `torch.nn.InstanceNorm2d`.
    InstanceNorm2d 4;
    /// Instance normalisation of volumes `[N, C, D, H, W]` (Ulyanov, Vedaldi & Lempitsky 2016,
    /// arXiv:1607.08022), as `torch.nn.InstanceNorm3d`.
    InstanceNorm3d 5;
}
