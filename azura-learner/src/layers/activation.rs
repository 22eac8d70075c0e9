//! Activations as layers, for [`Sequential`](super::Sequential). The functions are methods of `Tensor`.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.clone().$method()?)
            }
        }
    )*};
}

activations! {
    /// `max(x, 0)`.
    Relu = relu;
    /// `tanh(x)`.
    Tanh = tanh;
    /// `1 / (1 + exp(-x))`.
    Sigmoid = sigmoid;
}
