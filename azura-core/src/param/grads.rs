//! All gradients of a store together.

use super::{Param, State, Store};
use crate::autograd::parameters;
use crate::cpu::reduce;
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Element, Error, Result};
use std::sync::Arc;

impl Store {
    /// Forgets all gradients: the next one to arrive overwrites.
    pub fn zero_grad(&self) {
        for segment in &mut self.lock().segments {
            segment.touched = false;
        }
    }

    /// The Euclidean norm of all gradients together.
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn grad_norm(&self) -> Result<f64> {
        let state = self.sealed()?;
        let mut square = 0.0;
        for segment in state.segments.iter().filter(|s| s.touched) {
            if let Some(grads) = &state.arenas[segment.arena].grads {
                square += for_float!("grad_norm", self.0.dtype, T => {
                    reduce::sum_of_squares(&grads.as_slice::<T>()[segment.range.clone()])
                });
            }
        }
        Ok(square.sqrt())
    }

    /// Scales all gradients by `max_norm / (norm + 1e-6)` if that is below 1, as PyTorch's
    /// `clip_grad_norm_` does, and returns the norm before.
    ///
    /// A norm that is not finite is returned and nothing is scaled: the caller sees it and each gradient can still be
    /// looked at. (PyTorch with `error_if_nonfinite=False` would turn all gradients into NaN or 0.)
    ///
    /// # Errors
    /// [`Error::Argument`] if `max_norm` is not positive.
    pub fn clip_grad_norm(&self, max_norm: f64) -> Result<f64> {
        if max_norm.is_nan() || max_norm <= 0.0 {
            return Err(Error::argument(
                "clip_grad_norm",
                "max_norm must be positive",
                format!("{max_norm}"),
            ));
        }
        let norm = self.grad_norm()?;
        let scale = max_norm / (norm + 1e-6);
        if norm.is_finite() && scale < 1.0 {
            self.scale_grad(scale)?;
        }
        Ok(norm)
    }

    /// Limits each element of all gradients to `[-max, max]`, as PyTorch's `clip_grad_value_` does; NaN stays.
    ///
    /// # Errors
    /// [`Error::Argument`] if `max` is not positive.
    pub fn clip_grad_value(&self, max: f64) -> Result<()> {
        if max.is_nan() || max <= 0.0 {
            return Err(Error::argument(
                "clip_grad_value",
                "the limit must be positive",
                format!("{max}"),
            ));
        }
        for_float!("clip_grad_value", self.0.dtype, T => {
            let max = max as T;
            self.each_grad::<T>(|g| *g = g.clamp(-max, max));
        });
        Ok(())
    }

    /// Multiplies all gradients: by `1/N` after `N` backward passes whose losses are means, for the mean of all.
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn scale_grad(&self, factor: f64) -> Result<()> {
        for_float!("scale_grad", self.0.dtype, T => {
            self.each_grad::<T>(|g| *g *= factor as T);
        });
        Ok(())
    }

    fn each_grad<T: Element>(&self, change: impl Fn(&mut T)) {
        let mut state = self.lock();
        let State {
            segments, arenas, ..
        } = &mut *state;
        for segment in segments.iter().filter(|s| s.touched) {
            if let Some(grads) = &mut arenas[segment.arena].grads {
                let grads = &mut grads.as_mut_slice::<T>()[segment.range.clone()];
                grads.iter_mut().for_each(&change);
            }
        }
    }

    /// The names of trainable parameters that got no gradient since the last [`Store::zero_grad`].
    pub fn untouched(&self) -> Vec<String> {
        let state = self.lock();
        state
            .segments
            .iter()
            .filter(|s| !s.frozen && !s.touched)
            .map(|s| s.name.clone())
            .collect()
    }

    /// The names of trainable parameters of other stores that `loss` depends on: an optimiser of this store does not move
    /// them. To be asked before the backward pass, which releases the graph.
    ///
    /// ```
    /// use azura_core::{DType, Init, Rng, Store};
    /// let (store, other) = (Store::new(DType::F32), Store::new(DType::F32));
    /// let w = store.root(Rng::new(0)).param("w", &[1], Init::Ones)?;
    /// let v = other.root(Rng::new(0)).param("v", &[1], Init::Ones)?;
    /// let loss = w.value().mul(&v.value())?;
    /// assert_eq!(store.foreign(&loss), ["v"]);
    /// v.set_frozen(true);
    /// assert!(store.foreign(&w.value().mul(&v.value())?).is_empty());
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn foreign(&self, loss: &Tensor) -> Vec<String> {
        parameters(loss)
            .iter()
            .filter(|param| !Arc::ptr_eq(&param.store.0, &self.0) && !param.is_frozen())
            .map(Param::name)
            .collect()
    }
}
