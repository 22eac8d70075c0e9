//! One named value without gradient.

use super::{Named, Store};
use crate::tensor::Tensor;
use crate::{DType, Error, Result};
use std::fmt;

/// A handle to a named value of a store that has no gradient, such as a running mean (PyTorch: a
/// buffer). Made by [`Scope::buffer`](crate::Scope::buffer).
///
/// It is saved and loaded with the parameters; optimisers, norms and counts of parameters leave it out.
#[derive(Clone)]
pub struct NamedBuffer {
    store: Store,
    index: usize,
}

impl NamedBuffer {
    pub(super) fn new(store: Store, index: usize) -> Self {
        NamedBuffer { store, index }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Named) -> R) -> R {
        f(&mut self.store.lock().buffers[self.index])
    }

    /// The value. A later [`NamedBuffer::set`] replaces it in the store and leaves this tensor as it is.
    pub fn value(&self) -> Tensor {
        self.with(|named| named.value.clone())
    }

    /// The full name, such as `norm.running_mean`.
    pub fn name(&self) -> String {
        self.with(|named| named.name.clone())
    }

    /// The sizes.
    pub fn shape(&self) -> Vec<usize> {
        self.with(|named| named.value.shape().to_vec())
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.with(|named| named.value.dtype())
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// [`Error::Store`] if shape or dtype differ from those it was registered with.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        self.with(|named| named.replace(value))
    }
}

impl Named {
    pub(super) fn replace(&mut self, value: &Tensor) -> Result<()> {
        let (dtype, shape) = (self.value.dtype(), self.value.shape());
        if value.dtype() != dtype || value.shape() != shape {
            return Err(Error::Store(format!(
                "`{}` must be {dtype} of shape {shape:?}, but got {} of shape {:?}",
                self.name,
                value.dtype(),
                value.shape()
            )));
        }
        // A copy: a view would keep alive what it looks at.
        self.value = value.copy();
        Ok(())
    }
}

impl fmt::Debug for NamedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedBuffer({}, {:?})", self.name(), self.shape())
    }
}
