//! Rotary positions.

use super::layout::{Fresh, lead, matrices, rows_in_order, time_first};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::rotary::{Turn, rotary};
use crate::dtype::for_float;
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

const OP: &str = "rotary";

/// Which columns of a query or key [`Tensor::rotary`] turns together. Models trained with one cannot be run with the
/// other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotaryPairs {
    /// Columns `i` and `i + R/2`: Llama, GPT-NeoX, and Hugging Face's weights of most models.
    #[default]
    Halves,
    /// Columns `2i` and `2i + 1`: the paper, GPT-J, and Meta's own weights of Llama.
    Interleaved,
}

impl Tensor {
    /// Turns pairs of columns by angles that grow with the position, so that products of queries and keys
    /// depend on their distance (rotary positions; Su et al. 2021, arXiv:2104.09864).
    ///
    /// `y₁ = x₁ cos - x₂ sin`, `y₂ = x₂ cos + x₁ sin`
    ///
    /// | value        | shape         |
    /// |--------------|---------------|
    /// | `self`       | `[..., T, D]` |
    /// | `cos`, `sin` | `[T, R/2]`    |
    /// | result       | `[..., T, D]` |
    ///
    /// The first `R` columns are turned, `R` even and at most `D`; the others stay. The result lies in memory as
    /// `self` does.
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit, [`Error::DType`] if dtypes differ or are not floats,
    /// [`Error::NoGradient`] if `cos` or `sin` needs a gradient.
    ///
    /// ```
    /// use azura_core::{RotaryPairs, Tensor};
    /// // A quarter turn.
    /// let x = Tensor::from_slice(&[1.0f32, 0.0, 5.0], [1, 3])?;
    /// let (cos, sin) = (Tensor::from_slice(&[0.0f32], [1, 1])?, Tensor::from_slice(&[1.0f32], [1, 1])?);
    /// let y = x.rotary(&cos, &sin, RotaryPairs::Halves)?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 5.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn rotary(&self, cos: &Tensor, sin: &Tensor, pairs: RotaryPairs) -> Result<Tensor> {
        same_dtype(OP, self, cos)?;
        same_dtype(OP, self, sin)?;
        if self.dtype().is_half() {
            return self.in_f32(OP, |x, wide| {
                x.rotary(&wide.of(cos)?, &wide.of(sin)?, pairs)
            });
        }
        for_float!(OP, self.dtype(), _T => ());
        let fits = self.rank() >= 2
            && cos.rank() == 2
            && cos.shape() == sin.shape()
            && cos.shape()[0] == self.dim(-2)?
            && cos.shape()[1] <= self.dim(-1)? / 2;
        if !fits {
            return Err(Error::shape(
                OP,
                "needs [..., T, D], and cos and sin [T, R/2] with R at most D",
                format!(
                    "{:?}, {:?} and {:?}",
                    self.shape(),
                    cos.shape(),
                    sin.shape()
                ),
            ));
        }
        if Edges::of(&[cos, sin]).recorded() {
            return Err(Error::NoGradient {
                op: OP,
                hint: "angles are constants; detach `cos` and `sin`",
            });
        }
        let edges = Edges::of(&[self]);
        let (cos, sin) = (cos.contiguous_detached(), sin.contiguous_detached());
        let y = self.turned(&cos, &sin, pairs, false)?;
        Ok(edges.record(OP, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.turned(&cos, &sin, pairs, true)?)
            }
        }))
    }

    fn turned(&self, cos: &Tensor, sin: &Tensor, pairs: RotaryPairs, back: bool) -> Result<Tensor> {
        let x = rows_in_order(self);
        let (rows, cols) = (x.dim(-2)?, x.dim(-1)?);
        let mut y = Fresh::new(OP, x.dtype(), &lead(&x), rows, cols, time_first(&x))?;
        for_float!(OP, x.dtype(), T => {
            let turn = Turn {
                rows,
                cols,
                cos: cos.slice::<T>(),
                sin: sin.slice::<T>(),
                pairs: cos.shape()[1],
                interleaved: pairs == RotaryPairs::Interleaved,
                back,
            };
            rotary(&matrices(&x), &turn, &y.target());
        });
        Ok(y.finish())
    }
}
