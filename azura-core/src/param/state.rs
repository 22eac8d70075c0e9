//! All values of a store by name: saving and loading.

use super::{State, Store, unshared};
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

impl Store {
    /// Copies of all values by name: parameters, then buffers, each in the order of registration.
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        drop(self.sealed()?);
        let parameters = self.params().into_iter();
        let parameters = parameters.map(|p| (p.name(), p.value().copy()));
        let buffers = self.buffers().into_iter();
        // A buffer's value is never written to, so it needs no copy.
        Ok(parameters
            .chain(buffers.map(|b| (b.name(), b.value())))
            .collect())
    }

    /// Replaces all values by those of the same names.
    ///
    /// # Errors
    /// [`Error::Store`] naming what is missing, unexpected, or of another shape or dtype; then nothing
    /// was changed.
    pub fn load(&self, values: &[(String, Tensor)]) -> Result<()> {
        let mut state = self.lock();
        // Before anything is allocated: a file that does not fit may ask for a model of any size.
        let parameters = state.segments.iter();
        let parameters = parameters.map(|s| (s.name.as_str(), &s.shape, self.0.dtype));
        let buffers = state.buffers.iter();
        let buffers = buffers.map(|b| (b.name.as_str(), b.value.sizes(), b.value.dtype()));
        check_names(parameters.chain(buffers), values)?;
        self.seal(&mut state)?;
        let State {
            segments,
            arenas,
            buffers,
            ..
        } = &mut *state;
        let find = |name: &str| values.iter().find(|(known, _)| known == name);
        for segment in segments.iter() {
            let Some((_, value)) = find(&segment.name) else {
                continue;
            };
            let values = unshared(&mut arenas[segment.arena].values);
            for_float!("load", self.0.dtype, T => {
                values.as_mut_slice::<T>()[segment.range.clone()].copy_from_slice(&value.to_vec::<T>()?);
            });
        }
        for buffer in buffers.iter_mut() {
            if let Some((_, value)) = find(&buffer.name) {
                buffer.replace(value)?;
            }
        }
        Ok(())
    }
}

/// Checks that `values` has exactly the names, shapes and dtypes of `expected`.
pub(crate) fn check_names<'a>(
    expected: impl Iterator<Item = (&'a str, &'a Shape, DType)>,
    values: &[(String, Tensor)],
) -> Result<()> {
    let expected: Vec<_> = expected.collect();
    for &(name, shape, dtype) in &expected {
        let mut found = values.iter().filter(|(n, _)| n == name);
        let Some((_, value)) = found.next() else {
            return Err(Error::Store(format!(
                "`{name}` is missing from the values to load"
            )));
        };
        if found.next().is_some() {
            return Err(Error::Store(format!(
                "`{name}` stands twice in the values to load"
            )));
        }
        if value.dtype() != dtype || value.shape() != &shape[..] {
            return Err(Error::Store(format!(
                "`{name}` must be {dtype} of shape {:?}, but got {} of shape {:?}",
                &shape[..],
                value.dtype(),
                value.shape()
            )));
        }
    }
    let unknown = |name: &str| !expected.iter().any(|(known, ..)| *known == name);
    match values.iter().find(|(name, _)| unknown(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Error::Store(format!(
            "`{name}` is neither a parameter nor a buffer of this store"
        ))),
    }
}
