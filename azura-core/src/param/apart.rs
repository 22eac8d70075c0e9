//! Gradients apart from those of the store, for passes that run at the same time.

use super::{Param, State, Store};
use crate::buffer::Buffer;
use crate::cpu::optim::add_scaled;
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Element, Error, Result};
use std::sync::Arc;

/// Gradients of a store's parameters that a backward pass of its own fills ([`Tensor::backward_into`]), until
/// [`Store::add_gradients`] takes them in.
///
/// Parts of a batch have their passes at the same time, and their gradients are added in the order of the parts: the bits depend
/// on how the batch was cut and not on who was first.
///
/// ```
/// use azura_core::{DType, Init, Rng, Store, Tensor, in_parallel};
/// let store = Store::new(DType::F64);
/// let w = store.root(Rng::new(0)).param("w", &[1], Init::Constant(3.0))?;
/// let parts = in_parallel(2, |i| {
///     let x = Tensor::scalar(i as f64 + 1.0, DType::F64)?;
///     let mut gradients = store.gradients();
///     w.value().mul(&x)?.square()?.sum_all()?.backward_into(&mut gradients)?;
///     Ok(gradients)
/// });
/// let parts = parts.into_iter().collect::<azura_core::Result<Vec<_>>>()?;
/// store.add_gradients(&parts, 0.5)?;
/// // The mean of 2 · 3 · 1² and 2 · 3 · 2².
/// assert_eq!(w.grad().unwrap().to_vec::<f64>()?, [15.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub struct Gradients {
    store: Store,
    /// For each arena of the store, from its first gradient on.
    arenas: Vec<Option<Buffer>>,
    /// For each parameter whether it has a gradient here; none beyond the end.
    touched: Vec<bool>,
}

impl Gradients {
    pub(super) fn new(store: Store) -> Self {
        Gradients {
            store,
            arenas: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// The same without its gradients, and none here.
    pub(crate) fn take(&mut self) -> Self {
        let store = self.store.clone();
        std::mem::replace(self, Gradients::new(store))
    }

    /// Forgets all gradients and keeps their memory.
    pub fn clear(&mut self) {
        self.touched.fill(false);
    }

    /// Lets `write` put a gradient here; it is told whether to add to what is there.
    pub(crate) fn write<T: Element>(
        &mut self,
        param: &Param,
        write: impl FnOnce(&mut [T], bool),
    ) -> Result<()> {
        if !Arc::ptr_eq(&param.store.0, &self.store.0) {
            return Err(Error::Store(format!(
                "`{}` belongs to another store than the gradients of this pass; register all layers in one store, or \
                 freeze those of the other",
                param.name()
            )));
        }
        let (arena, len, range) = {
            let state = self.store.sealed()?;
            let segment = &state.segments[param.index];
            let len = state.arenas[segment.arena].len;
            (segment.arena, len, segment.range.clone())
        };
        if self.arenas.len() <= arena {
            self.arenas.resize_with(arena + 1, || None);
        }
        if self.touched.len() <= param.index {
            self.touched.resize(param.index + 1, false);
        }
        let touched = std::mem::replace(&mut self.touched[param.index], true);
        // What is between the gradients is never read.
        let values = self.arenas[arena].get_or_insert_with(|| Buffer::uninit(len * size_of::<T>()));
        write(&mut values.as_mut_slice()[range], touched);
        Ok(())
    }

    /// Adds `gradient` to that of `param`.
    pub(crate) fn add(&mut self, param: &Param, gradient: &Tensor) -> Result<()> {
        for_float!("backward", self.store.0.dtype, T => {
            let gradient = gradient.contiguous_detached();
            self.write::<T>(param, |into, add| put(into, gradient.slice(), add))
        })
    }
}

/// Writes a gradient, or adds it.
pub(super) fn put<T: Element + std::ops::AddAssign>(into: &mut [T], gradient: &[T], add: bool) {
    if add {
        into.iter_mut()
            .zip(gradient)
            .for_each(|(sum, g)| *sum += *g);
    } else {
        into.copy_from_slice(gradient);
    }
}

impl Store {
    /// Room for gradients apart from those of the store.
    pub fn gradients(&self) -> Gradients {
        Gradients::new(self.clone())
    }

    /// Adds `factor` times the sum of `parts`, taken in their order, to the gradients.
    ///
    /// # Errors
    /// [`Error::Store`] if they are of another store.
    pub fn add_gradients(&self, parts: &[Gradients], factor: f64) -> Result<()> {
        if parts
            .iter()
            .any(|part| !Arc::ptr_eq(&part.store.0, &self.0))
        {
            let rule = "gradients can be added to those of their own store only";
            return Err(Error::Store(rule.to_string()));
        }
        let mut state = self.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        for_float!("add_gradients", self.0.dtype, T => {
            for (index, segment) in segments.iter_mut().enumerate() {
                let arena = &mut arenas[segment.arena];
                let sources: Vec<&[T]> = parts
                    .iter()
                    .filter(|part| part.touched.get(index) == Some(&true))
                    .filter_map(|part| part.arenas[segment.arena].as_ref())
                    .map(|values| &values.as_slice::<T>()[segment.range.clone()])
                    .collect();
                if sources.is_empty() {
                    continue;
                }
                let bytes = arena.len * size_of::<T>();
                let grads = arena.grads.get_or_insert_with(|| Buffer::zeroed(bytes));
                let into = &mut grads.as_mut_slice::<T>()[segment.range.clone()];
                add_scaled(&sources, factor as T, segment.touched, into);
                segment.touched = true;
            }
            Ok(())
        })
    }
}
