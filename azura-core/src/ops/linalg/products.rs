//! Outer and Kronecker products, bilinear forms.

use crate::shape::{self, MAX_RANK, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

impl Tensor {
    /// All products of the elements of two vectors: `y[i, j] = x[i] · rhs[j]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are no vectors, [`Error::DType`] if dtypes differ or are not floats.
    pub fn outer(&self, rhs: &Tensor) -> Result<Tensor> {
        let op = "outer";
        same_dtype(op, self, rhs)?;
        if self.rank() != 1 || rhs.rank() != 1 {
            return Err(Error::shape(
                op,
                "needs two vectors",
                format!("{:?} and {:?}", self.shape(), rhs.shape()),
            ));
        }
        shape::checked_numel(op, &[self.numel(), rhs.numel()])?;
        self.unsqueeze(1)?.matmul(&rhs.unsqueeze(0)?)
    }

    /// The Kronecker product: a copy of `rhs` for each element, times it.
    ///
    /// `y[i · P + k, j · Q + l] = x[i, j] · rhs[k, l]` for `rhs` `[P, Q]`, and so on for other numbers of axes; missing
    /// leading axes have size 1.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more than four axes or the result is too large, [`Error::DType`] if dtypes differ or
    /// are not floats.
    pub fn kron(&self, rhs: &Tensor) -> Result<Tensor> {
        let op = "kron";
        same_dtype(op, self, rhs)?;
        let rank = self.rank().max(rhs.rank());
        if 2 * rank > MAX_RANK {
            return Err(Error::shape(
                op,
                format!("takes at most {} axes", MAX_RANK / 2),
                format!("{:?} and {:?}", self.shape(), rhs.shape()),
            ));
        }
        let size = |x: &Tensor, axis: usize| {
            let own = (axis + x.rank()).checked_sub(rank);
            own.map_or(1, |axis| x.shape()[axis])
        };
        let (mut left, mut right, mut to) = (Vec::new(), Vec::new(), Vec::new());
        for axis in 0..rank {
            let (a, b) = (size(self, axis), size(rhs, axis));
            left.extend([a, 1]);
            right.extend([1, b]);
            to.push(a.saturating_mul(b));
        }
        shape::checked_numel(op, &to)?;
        self.reshape(left)?.mul(rhs.reshape(right)?)?.reshape(to)
    }

    /// A bilinear form of two tensors for each output. PyTorch: `nn.functional.bilinear`.
    ///
    /// `y[o] = Σᵢⱼ x[i] · w[o, i, j] · rhs[j] + b[o]`
    ///
    /// | value  | shape       |
    /// |--------|-------------|
    /// | `self` | `[..., I]`  |
    /// | `rhs`  | `[..., J]`  |
    /// | `w`    | `[O, I, J]` |
    /// | `b`    | `[O]`       |
    /// | result | `[..., O]`  |
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit, [`Error::DType`] if dtypes differ or are not floats.
    pub fn bilinear(&self, rhs: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
        let op = "bilinear";
        same_dtype(op, self, rhs)?;
        same_dtype(op, self, w)?;
        if let Some(b) = b {
            same_dtype(op, w, b)?;
        }
        let unfit = || {
            let bias = b.map_or("no bias".to_string(), |b| format!("{:?}", b.shape()));
            Error::shape(
                op,
                "needs [..., I], [..., J], weight [O, I, J] and bias [O]",
                format!(
                    "{:?}, {:?}, {:?} and {bias}",
                    self.shape(),
                    rhs.shape(),
                    w.shape()
                ),
            )
        };
        let (Some((&i, lead)), Some((&j, other)), &[outputs, rows, cols]) = (
            self.shape().split_last(),
            rhs.shape().split_last(),
            w.shape(),
        ) else {
            return Err(unfit());
        };
        if lead != other || [i, j] != [rows, cols] || b.is_some_and(|b| b.shape() != [outputs]) {
            return Err(unfit());
        }
        if self.dtype().is_half() {
            return self.in_f32(op, |x, wide| {
                let (rhs, w) = (wide.of(rhs)?, wide.of(w)?);
                x.bilinear(&rhs, &w, wide.some(b)?.as_ref())
            });
        }
        let n: usize = lead.iter().product();
        let wide = outputs.saturating_mul(j);
        shape::checked_numel(op, &[n, wide])?;
        let mut sizes = Shape::new(op, lead)?;
        sizes.push(outputs);
        // One product of matrices for all outputs, and one of small ones for each row.
        let w = w.permute(&[1, 0, 2])?.reshape([i, wide])?;
        let half = self.reshape([n, i])?.matmul(&w)?.reshape([n, outputs, j])?;
        let y = half.matmul(&rhs.reshape([n, j, 1])?)?.reshape(&sizes[..])?;
        match b {
            Some(b) => y.add(b),
            None => Ok(y),
        }
    }
}
