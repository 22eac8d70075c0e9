//! Where a number stopped being finite.

use azura_core::{DType, Store, Tensor};

use crate::error::{Culprit, Result};

/// The first number of a tensor that is not finite.
pub(super) fn not_finite(tensor: &Tensor) -> Result<Option<f64>> {
    let bad = match tensor.dtype() {
        DType::F32 => tensor
            .to_vec::<f32>()?
            .into_iter()
            .map(f64::from)
            .find(|x| !x.is_finite()),
        _ => tensor
            .cast(DType::F64)?
            .to_vec::<f64>()?
            .into_iter()
            .find(|x| !x.is_finite()),
    };
    Ok(bad)
}

/// The first parameter whose gradient is not finite.
pub(super) fn bad_gradient(store: &Store, norm: f64) -> Result<(Culprit, f64)> {
    for param in store.params() {
        if let Some(gradient) = param.grad()
            && let Some(bad) = not_finite(&gradient)?
        {
            return Ok((Culprit::Gradient(param.name()), bad));
        }
    }
    // All are finite and their squares overflow.
    Ok((
        Culprit::Gradient("all parameters together".to_string()),
        norm,
    ))
}
