//! Rows of a parameter that is a table.

use super::Param;
use crate::cpu::embedding::shrinkage;
use crate::dtype::for_float;
use crate::ops::embedding::{check_norms, shrink};
use crate::ops::indices;
use crate::tensor::Tensor;
use crate::{Error, Result};

impl Param {
    /// Shrinks the rows that the ids name to a length of `max_norm` where they are longer, as PyTorch's
    /// `embedding` with `max_norm` does before it reads them.
    ///
    /// If a view of the parameters lives, such as an old graph, it keeps the long rows.
    ///
    /// # Errors
    /// Those of [`Tensor::embedding`].
    pub fn shrink_rows(&self, ids: &Tensor, max_norm: f64, norm_type: f64) -> Result<()> {
        let op = "shrink_rows";
        check_norms(op, max_norm, norm_type)?;
        let table = self.value().detach();
        let [rows, width] = *table.shape() else {
            return Err(Error::shape(
                op,
                "the table must be [V, D]",
                format!("{:?}", table.shape()),
            ));
        };
        let mut ids = indices(op, ids, rows)?;
        ids.sort_unstable();
        ids.dedup();
        for_float!(op, table.dtype(), T => {
            let values = table.slice::<T>();
            ids.retain(|&id| shrinkage(&values[id * width..(id + 1) * width], max_norm, norm_type) < 1.0);
            // The view must be gone, or writing would copy the whole arena.
            drop(table);
            if ids.is_empty() {
                return Ok(());
            }
            self.rewrite::<T>(|values| {
                for id in ids {
                    shrink(&mut values[id * width..(id + 1) * width], max_norm, norm_type);
                }
            })
        })
    }
}
