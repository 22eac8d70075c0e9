//! Normalisation over neighbouring channels.

use azura_core::{ResponseOptions, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// Local response normalisation (Krizhevsky, Sutskever & Hinton 2012), as `torch.nn.LocalResponseNorm`.
///
/// `y = x / (k + alpha/size · Σ x²)^beta` over `size` channels of `[N, C, L, …]`
#[derive(Clone, Copy, Debug)]
pub struct LocalResponseNorm {
    size: usize,
    options: ResponseOptions,
}

impl LocalResponseNorm {
    /// A layer over so many channels with PyTorch's constants.
    pub fn new(size: usize) -> Self {
        Self::with(size, ResponseOptions::default())
    }

    /// The same with other constants.
    pub fn with(size: usize, options: ResponseOptions) -> Self {
        LocalResponseNorm { size, options }
    }
}

impl Module for LocalResponseNorm {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.local_response_norm(self.size, self.options)?)
    }
}
