//! Sixteen-bit floats: stored, not computed with. An operation on them is the operation in f32 between two casts.

use super::norm::Normalized;
use crate::tensor::{Tensor, mixed};
use crate::{DType, Result};

/// What widens the operands of one operation.
pub(crate) struct Wide {
    op: &'static str,
    dtype: DType,
}

impl Wide {
    /// `x` in f32; it must have the dtype of the other operands.
    pub(crate) fn of(&self, x: &Tensor) -> Result<Tensor> {
        if x.dtype() != self.dtype {
            return Err(mixed(self.op, self.dtype, x.dtype()));
        }
        x.cast(DType::F32)
    }

    /// The same of an operand that need not be there.
    pub(crate) fn some(&self, x: Option<&Tensor>) -> Result<Option<Tensor>> {
        x.map(|x| self.of(x)).transpose()
    }
}

/// What an operation returns.
pub(crate) trait Results: Sized {
    /// The same with its floats rounded to `dtype`; indices and truth values stay what they are.
    fn rounded(self, dtype: DType) -> Result<Self>;
}

impl Results for Tensor {
    fn rounded(self, dtype: DType) -> Result<Self> {
        if self.dtype().is_float() {
            self.cast(dtype)
        } else {
            Ok(self)
        }
    }
}

impl Results for (Tensor, Tensor) {
    fn rounded(self, dtype: DType) -> Result<Self> {
        Ok((self.0.rounded(dtype)?, self.1.rounded(dtype)?))
    }
}

impl<const N: usize> Results for [Tensor; N] {
    fn rounded(mut self, dtype: DType) -> Result<Self> {
        for result in &mut self {
            *result = result.clone().rounded(dtype)?;
        }
        Ok(self)
    }
}

/// Statistics are numbers about a tensor, of which running averages are made: they stay in f32.
impl Results for Normalized {
    fn rounded(mut self, dtype: DType) -> Result<Self> {
        self.output = self.output.rounded(dtype)?;
        Ok(self)
    }
}

impl Tensor {
    /// The results of `f` on this tensor of halves in f32, rounded to its dtype; `f` widens the other operands. Gradients
    /// come back through the casts, in the dtype of what they belong to.
    pub(crate) fn in_f32<R: Results>(
        &self,
        op: &'static str,
        f: impl FnOnce(Tensor, &Wide) -> Result<R>,
    ) -> Result<R> {
        let dtype = self.dtype();
        let wide = Wide { op, dtype };
        f(wide.of(self)?, &wide)?.rounded(dtype)
    }
}
