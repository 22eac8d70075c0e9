//! Whether a loss reaches what is trained, and nothing else.

use azura_core::{Store, Tensor};

use crate::error::{Error, Result};

/// The first backward pass of a training: all trainable parameters of `store` get a gradient, and no others.
pub(super) fn first_backward(store: &Store, loss: &Tensor) -> Result<()> {
    let foreign = store.foreign(loss);
    if !foreign.is_empty() {
        return Err(Error::Usage(format!(
            "the loss depends on parameters of another store, which no step would change: {}; register all layers in \
             the store that is trained, or freeze those (`Param::set_frozen`)",
            foreign.join(", ")
        )));
    }
    loss.backward()?;
    all_reached(store)
}

/// All trainable parameters of `store` have a gradient.
pub(super) fn all_reached(store: &Store) -> Result<()> {
    let untouched = store.untouched();
    if !untouched.is_empty() {
        return Err(Error::NoGradient(untouched));
    }
    Ok(())
}
