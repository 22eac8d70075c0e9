//! All gradients of a store together.

use super::{State, Store};
use crate::cpu::reduce;
use crate::dtype::for_float;
use crate::{Error, Result};

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
        if scale < 1.0 {
            let mut state = self.lock();
            let State {
                segments, arenas, ..
            } = &mut *state;
            for segment in segments.iter().filter(|s| s.touched) {
                if let Some(grads) = &mut arenas[segment.arena].grads {
                    for_float!("clip_grad_norm", self.0.dtype, T => {
                        for g in &mut grads.as_mut_slice::<T>()[segment.range.clone()] {
                            *g *= scale as T;
                        }
                    });
                }
            }
        }
        Ok(norm)
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
}
