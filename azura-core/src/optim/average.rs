//! Averages of weights over time.

use super::core::{load_steps, save_steps};
use crate::param::Moments;
use crate::tensor::Tensor;
use crate::{Error, Result, Store};

/// An average of a store's values over the steps of training, often better than the last ones.
///
/// Exponential (Polyak averaging): `a ← decay · a + (1 - decay) θ`, or equal weights for all (SWA: Izmailov et al. 2018,
/// arXiv:1803.05407): `a ← a + (θ - a) / (n + 1)`. The first update copies. PyTorch: `AveragedModel`.
///
/// ```
/// use azura_core::optim::Average;
/// use azura_core::{DType, Init, Rng, Store};
/// let store = Store::new(DType::F32);
/// let w = store.root(Rng::new(0)).param("w", &[1], Init::Constant(1.0))?;
/// let mut average = Average::swa(&store)?;
/// average.update()?;
/// store.load(&[("w".to_string(), azura_core::Tensor::from_slice(&[3.0f32], [1])?)])?;
/// average.update()?;
/// assert_eq!(average.values()?[0].1.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub struct Average {
    store: Store,
    /// `None`: equal weights.
    decay: Option<f64>,
    updates: u64,
    average: Moments,
}

impl Average {
    /// An exponential average (EMA).
    ///
    /// # Errors
    /// [`Error::Argument`] if the decay is not in `[0, 1]`.
    pub fn ema(store: &Store, decay: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&decay) {
            return Err(Error::argument(
                "average",
                "the decay must lie in [0, 1]",
                format!("{decay}"),
            ));
        }
        let average = Average::swa(store)?;
        Ok(Average {
            decay: Some(decay),
            ..average
        })
    }

    /// An average with equal weights (SWA).
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn swa(store: &Store) -> Result<Self> {
        Ok(Average {
            store: store.clone(),
            decay: None,
            updates: 0,
            average: store.moments()?,
        })
    }

    /// Takes the values of now into the average: after each step, or for SWA after each epoch.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn update(&mut self) -> Result<()> {
        let weight = match self.decay {
            _ if self.updates == 0 => 1.0,
            Some(decay) => 1.0 - decay,
            None => 1.0 / (self.updates as f64 + 1.0),
        };
        self.store.average(&mut self.average, weight)?;
        self.updates += 1;
        Ok(())
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The averages by name, as [`Store::load`] takes them.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn values(&self) -> Result<Vec<(String, Tensor)>> {
        self.average.state(&self.store, "")
    }

    /// The averages as `average/NAME` and the number of updates as `steps`.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.average.state(&self.store, "average/")?;
        state.push(("steps".to_string(), save_steps(&[self.updates])?));
        Ok(state)
    }

    /// Takes what [`Average::state`] gave.
    ///
    /// # Errors
    /// [`Error::Store`] if names, shapes or dtypes are not those of the store.
    pub fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let updates = load_steps(&self.store, state)?;
        let mut average = self.store.moments()?;
        average.load(&self.store, "average/", state)?;
        (self.updates, self.average) = (updates.first().copied().unwrap_or(0), average);
        Ok(())
    }
}
