//! One parameter: its value and gradient.

use super::apart::put;
use super::{State, Store, unshared};
use crate::buffer::Buffer;
use crate::dtype::for_float;
use crate::shape::Layout;
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Error, Result};
use std::fmt;
use std::sync::Arc;

/// A handle to one parameter of a store.
#[derive(Clone)]
pub struct Param {
    pub(super) store: Store,
    pub(super) index: usize,
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.store.0, &other.store.0)
    }
}

impl Param {
    /// The values as a tensor through which a gradient flows back here (unless frozen). It is a view:
    /// it costs nothing, and keeps these values even if an optimiser step follows.
    pub fn value(&self) -> Tensor {
        let state = self
            .store
            .sealed()
            .expect("`Scope::param` lets no other dtype in than f32 and f64");
        let segment = &state.segments[self.index];
        let layout = Layout {
            offset: segment.range.start,
            ..Layout::contiguous(segment.shape)
        };
        let origin = if segment.frozen {
            Origin::None
        } else {
            Origin::Param(self.clone())
        };
        Tensor::view_of(
            Arc::clone(&state.arenas[segment.arena].values),
            layout,
            self.store.0.dtype,
            origin,
        )
    }

    /// Replaces the values. Views of the old ones keep them.
    ///
    /// # Errors
    /// [`Error::Store`] if shape or dtype differ.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let dtype = self.store.0.dtype;
        if value.dtype() != dtype || value.shape() != self.shape() {
            return Err(Error::Store(format!(
                "`{}` must be {dtype} of shape {:?}, but got {} of shape {:?}",
                self.name(),
                self.shape(),
                value.dtype(),
                value.shape()
            )));
        }
        let value = value.contiguous_detached();
        for_float!("set", dtype, T => self.rewrite::<T>(|values| values.copy_from_slice(value.slice())))
    }

    /// Lets `write` change the values; if a view of them lives, those of a copy.
    pub(crate) fn rewrite<T: Element>(&self, write: impl FnOnce(&mut [T])) -> Result<()> {
        let mut state = self.store.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        let segment = &segments[self.index];
        let values = unshared(&mut arenas[segment.arena].values);
        write(&mut values.as_mut_slice()[segment.range.clone()]);
        Ok(())
    }

    /// The full name, such as `encoder.0.weight`.
    pub fn name(&self) -> String {
        self.store.lock().segments[self.index].name.clone()
    }

    /// The sizes.
    pub fn shape(&self) -> Vec<usize> {
        self.store.lock().segments[self.index].shape.to_vec()
    }

    /// A copy of the gradient, `None` if none arrived since the last [`Store::zero_grad`].
    pub fn grad(&self) -> Option<Tensor> {
        let state = self.store.lock();
        let segment = &state.segments[self.index];
        let grads = state
            .arenas
            .get(segment.arena)?
            .grads
            .as_ref()
            .filter(|_| segment.touched)?;
        let range = segment.range.clone();
        match self.store.0.dtype {
            DType::F64 => Tensor::from_slice(&grads.as_slice::<f64>()[range], &*segment.shape),
            _ => Tensor::from_slice(&grads.as_slice::<f32>()[range], &*segment.shape),
        }
        .ok()
    }

    /// Excludes the parameter from training, or includes it again.
    pub fn set_frozen(&self, frozen: bool) {
        self.store.lock().segments[self.index].frozen = frozen;
    }

    /// Whether the parameter is excluded from training.
    pub fn is_frozen(&self) -> bool {
        self.store.lock().segments[self.index].frozen
    }

    /// Lets `write` put a gradient into the arena; it is told whether to add to what is there.
    pub(crate) fn write_grad<T: Element>(&self, write: impl FnOnce(&mut [T], bool)) -> Result<()> {
        let mut state = self.store.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        let segment = &mut segments[self.index];
        let arena = &mut arenas[segment.arena];
        let bytes = arena.len * self.store.0.dtype.size();
        let grads = arena.grads.get_or_insert_with(|| Buffer::zeroed(bytes));
        write(
            &mut grads.as_mut_slice()[segment.range.clone()],
            segment.touched,
        );
        segment.touched = true;
        Ok(())
    }

    pub(crate) fn add_grad(&self, gradient: &Tensor) -> Result<()> {
        for_float!("backward", self.store.0.dtype, T => {
            let gradient = gradient.contiguous_detached();
            let source = gradient.slice::<T>();
            self.write_grad::<T>(|into, add| put(into, source, add))
        })
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param({}, {:?})", self.name(), self.shape())
    }
}
