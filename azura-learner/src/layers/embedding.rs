//! A table of vectors.

use azura_core::{EmbeddingOptions, Init, Param, Scope, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// A table of vectors, looked up by number, as `torch.nn.Embedding`.
///
/// | value    | shape               |
/// |----------|---------------------|
/// | `ids`    | any `S`, u32 or i64 |
/// | `weight` | `[V, D]`            |
/// | result   | `[S…, D]`           |
///
/// The weight begins standard normal, the padding row with 0. With `max_norm`, every pass, one that predicts too,
/// shrinks the rows that it reads in the store before it reads them, without a gradient, as PyTorch does. Who still
/// looks at the old rows (an old graph, another thread) keeps them.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Embedding, Module};
/// let store = Store::new(DType::F32);
/// let table = Embedding::new(10, 4, &store.root(Rng::new(0)).at("tokens"))?;
/// let y = table.forward(&Tensor::from_slice(&[3i64, 3, 9], [3])?, &mut Ctx::eval())?;
/// assert_eq!(y.shape(), [3, 4]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Param,
    options: EmbeddingOptions,
}

impl Embedding {
    /// A table of so many rows of so many numbers.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn new(rows: usize, width: usize, p: &Scope) -> Result<Self> {
        Self::with(rows, width, EmbeddingOptions::default(), p)
    }

    /// The same with other options.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn with(rows: usize, width: usize, options: EmbeddingOptions, p: &Scope) -> Result<Self> {
        let init = Init::Table {
            zero: options.padding_idx,
        };
        Ok(Embedding {
            weight: p.param("weight", &[rows, width], init)?,
            options,
        })
    }

    /// `[V, D]`.
    pub fn weight(&self) -> &Param {
        &self.weight
    }
}

impl Module for Embedding {
    fn forward(&self, ids: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        let mut options = self.options;
        if let Some(most) = options.max_norm.take() {
            self.weight.shrink_rows(ids, most, options.norm_type)?;
        }
        Ok(self.weight.value().embedding(ids, options)?)
    }
}
