//! Registration under names.

use super::{Init, Named, NamedBuffer, Param, Segment, State, Store};
use crate::shape::{Shape, checked_numel};
use crate::tensor::Tensor;
use crate::{DType, Error, Result, Rng};
use std::fmt;

/// A prefix of parameter names and the randomness that initialises what is registered under it.
#[derive(Clone)]
pub struct Scope {
    pub(super) store: Store,
    pub(super) prefix: String,
    pub(super) rng: Rng,
}

impl Scope {
    /// The scope `prefix.name`.
    pub fn at(&self, name: impl fmt::Display) -> Scope {
        Scope {
            prefix: self.full_name(&name.to_string()),
            ..self.clone()
        }
    }

    /// The dtype of parameters registered here.
    pub fn dtype(&self) -> DType {
        self.store.dtype()
    }

    /// The store that parameters are registered in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Registers the parameter `prefix.name`.
    ///
    /// # Errors
    /// [`Error::Store`] if the name is empty or taken, [`Error::Shape`] if the shape is too large,
    /// [`Error::DType`] if the store's dtype is not a float, [`Error::Shape`] or [`Error::Argument`] if there are no
    /// such initial values of this shape.
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        let shape = Shape::new("param", shape)?;
        let numel = checked_numel("param", &shape)?;
        let full = self.full_name(name);
        if !self.dtype().is_float() {
            return Err(Error::dtype(
                "param",
                "a store's dtype must be f32 or f64",
                self.dtype().to_string(),
            ));
        }
        self.check_name(name)?;
        init.check(&shape)?;
        let mut state = self.store.lock();
        state.check_free(&full)?;
        let index = state.segments.len();
        state.segments.push(Segment {
            rng: self.rng.fork(&full),
            name: full,
            shape,
            init,
            arena: 0,
            range: 0..numel,
            frozen: false,
            touched: false,
        });
        Ok(Param {
            store: self.store.clone(),
            index,
        })
    }

    /// Registers the value `prefix.name`, which has no gradient: a running statistic (PyTorch:
    /// `register_buffer`). Saved and loaded with the parameters, left alone by optimisers.
    ///
    /// ```
    /// use azura_core::{DType, Rng, Store, Tensor};
    /// let store = Store::new(DType::F32);
    /// let mean = store.root(Rng::new(0)).at("norm").buffer("running_mean", &Tensor::zeros([2], DType::F32)?)?;
    /// mean.set(&Tensor::from_slice(&[0.5f32, 1.0], [2])?)?;
    /// assert_eq!(store.state()?[0].0, "norm.running_mean");
    /// assert_eq!((store.numel(), store.buffers().len()), (0, 1));
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`] if the name is empty or taken.
    pub fn buffer(&self, name: &str, value: &Tensor) -> Result<NamedBuffer> {
        self.check_name(name)?;
        let full = self.full_name(name);
        let mut state = self.store.lock();
        state.check_free(&full)?;
        state.buffers.push(Named {
            name: full,
            value: value.copy(),
        });
        Ok(NamedBuffer::new(
            self.store.clone(),
            state.buffers.len() - 1,
        ))
    }

    fn check_name(&self, name: &str) -> Result<()> {
        if name.is_empty() {
            return Err(Error::Store(format!(
                "a parameter under `{}` has an empty name",
                self.prefix
            )));
        }
        Ok(())
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}

impl State {
    fn check_free(&self, name: &str) -> Result<()> {
        let mut names = self.segments.iter().map(|segment| &segment.name);
        if names.any(|known| known == name) || self.buffers.iter().any(|b| b.name == name) {
            return Err(Error::Store(format!("`{name}` is registered already")));
        }
        Ok(())
    }
}
