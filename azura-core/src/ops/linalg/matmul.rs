//! Matrix products over any leading axes.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::gemm::{self, Epilogue, Mat};
use crate::cpu::map;
use crate::dtype::for_float;
use crate::ops::elementwise::sum_to;
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

/// The factors of [`Tensor::addmm`] and [`Tensor::baddbmm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddmmOptions {
    /// That of the tensor that is added to; 0 leaves it out, NaN and all.
    pub beta: f64,
    /// That of the product.
    pub alpha: f64,
}

impl Default for AddmmOptions {
    fn default() -> Self {
        AddmmOptions {
            beta: 1.0,
            alpha: 1.0,
        }
    }
}

/// The last two axes of a tensor as matrices, without a copy where their strides allow it.
struct Matrices {
    tensor: Tensor,
    rows: usize,
    cols: usize,
    strides: [usize; 2],
}

impl Matrices {
    fn of(x: &Tensor) -> Self {
        let rank = x.rank();
        let usable = x.layout().strides.iter().all(|&stride| stride >= 0);
        let tensor = if usable {
            x.detach()
        } else {
            x.contiguous_detached()
        };
        let stride = |axis: usize| tensor.layout().strides[axis] as usize;
        let strides = [stride(rank - 2), stride(rank - 1)];
        Matrices {
            rows: x.shape()[rank - 2],
            cols: x.shape()[rank - 1],
            strides,
            tensor,
        }
    }

    /// Matrix number `index` of those the leading axes enumerate under the sizes `batch`, broadcast.
    fn at<T: crate::Element>(&self, index: usize, batch: &[usize]) -> Mat<'_, T> {
        let layout = self.tensor.layout();
        let own = layout.shape.len() - 2;
        let (mut rest, mut offset) = (index, layout.offset);
        for axis in (0..batch.len()).rev() {
            let i = rest % batch[axis];
            rest /= batch[axis];
            if let Some(axis) = (axis + own).checked_sub(batch.len())
                && layout.shape[axis] != 1
            {
                offset += i * layout.strides[axis] as usize;
            }
        }
        let data = self.tensor.buffer_slice::<T>();
        Mat::strided(
            &data[offset.min(data.len())..],
            self.rows,
            self.cols,
            self.strides[0],
            self.strides[1],
        )
    }
}

/// `a · b`, added to `c` if there is one, over the leading axes `batch`; `c` can be expanded to the result.
fn product(
    op: &'static str,
    a: &Tensor,
    b: &Tensor,
    c: Option<&Tensor>,
    batch: &Shape,
) -> Result<Tensor> {
    let (a, b) = (Matrices::of(a), Matrices::of(b));
    let mut sizes = *batch;
    sizes.push(a.rows);
    sizes.push(b.cols);
    shape::checked_numel(op, &sizes)?;
    let count = batch.iter().product();
    let layout = c.and_then(|c| Some((c, c.layout().expand(&sizes)?)));
    for_float!(op, a.tensor.dtype(), T => Ok(Tensor::fill_new::<T>(sizes, |out| {
        let mut epilogue = Epilogue::default();
        if let Some((c, layout)) = layout {
            map::copy(c.buffer_slice::<T>(), &layout, out);
            epilogue.accumulate = true;
        }
        if count == 1 {
            gemm::gemm(a.at(0, batch), b.at(0, batch), out, b.cols, epilogue);
        } else {
            gemm::gemm_batch(count, |i| a.at(i, batch), |i| b.at(i, batch), out, epilogue);
        }
    })))
}

impl Tensor {
    /// The matrix product, over any leading axes.
    ///
    /// | value  | shape       |
    /// |--------|-------------|
    /// | `self` | `[..., M, K]` |
    /// | `rhs`  | `[..., K, N]` |
    /// | result | `[..., M, N]` |
    ///
    /// Leading axes are broadcast. A vector is taken as a row on the left and as a column on the right,
    /// and its axis disappears from the result, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit, [`Error::DType`] if dtypes differ or are not floats.
    pub fn matmul(&self, rhs: &Tensor) -> Result<Tensor> {
        same_dtype("matmul", self, rhs)?;
        let unfit = || {
            Error::shape(
                "matmul",
                "columns of the left must equal rows of the right",
                format!("{:?} and {:?}", self.shape(), rhs.shape()),
            )
        };
        let rows = rhs.rank().saturating_sub(2);
        if self.rank() == 0 || rhs.rank() == 0 || self.shape().last() != rhs.shape().get(rows) {
            return Err(unfit());
        }
        match (self.rank(), rhs.rank()) {
            (1, _) => {
                let y = self.unsqueeze(0)?.matmul(rhs)?;
                y.squeeze(if rhs.rank() == 1 { 0 } else { -2 })
            }
            (_, 1) => self.matmul(&rhs.unsqueeze(1)?)?.squeeze(-1),
            _ => {
                let lead =
                    |x: &Tensor| x.shape()[..x.rank() - 2].iter().copied().collect::<Shape>();
                let batch = shape::broadcast("matmul", &lead(self), &lead(rhs))?;
                if batch.len() + 2 > shape::MAX_RANK {
                    return Err(unfit());
                }
                self.multiplied("matmul", rhs, None, AddmmOptions::default(), &batch)
            }
        }
    }

    /// `alpha · self · rhs + beta · c` of matrices over the leading axes `batch`.
    fn multiplied(
        &self,
        op: &'static str,
        rhs: &Tensor,
        c: Option<&Tensor>,
        options: AddmmOptions,
        batch: &Shape,
    ) -> Result<Tensor> {
        let AddmmOptions { beta, alpha } = options;
        if self.dtype().is_half() {
            return self.in_f32(op, |a, wide| {
                let (b, c) = (wide.of(rhs)?, wide.some(c)?);
                a.multiplied(op, &b, c.as_ref(), options, batch)
            });
        }
        let scaled = |x: Tensor, by: f64| if by == 1.0 { Ok(x) } else { x.mul(by) };
        let edges = match c {
            Some(c) => Edges::of(&[self, rhs, c]),
            None => Edges::of(&[self, rhs]),
        };
        let (a, b) = (self.detach(), rhs.detach());
        let start = match c {
            Some(c) if beta != 0.0 => Some(scaled(c.detach(), beta)?),
            _ => None,
        };
        let y = product(op, &scaled(a.clone(), alpha)?, &b, start.as_ref(), batch)?;
        let (batch, of_c) = (*batch, c.map(|c| *c.sizes()));
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                if grads.wants(0) {
                    let da = product(op, &dy, &b.transpose(-1, -2)?, None, &batch)?;
                    grads.add(0, scaled(sum_to(da, a.sizes())?, alpha)?)?;
                }
                if grads.wants(1) {
                    let db = product(op, &a.transpose(-1, -2)?, &dy, None, &batch)?;
                    grads.add(1, scaled(sum_to(db, b.sizes())?, alpha)?)?;
                }
                match &of_c {
                    Some(of_c) if grads.wants(2) => grads.add(2, scaled(sum_to(dy, of_c)?, beta)?),
                    _ => Ok(()),
                }
            }
        }))
    }

    /// [`Tensor::matmul`] of two matrices.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not two axes each or the sizes do not fit, [`Error::DType`] if dtypes differ or are
    /// not floats.
    pub fn mm(&self, rhs: &Tensor) -> Result<Tensor> {
        self.of_rank("mm", 2, rhs)?.matmul(rhs)
    }

    /// [`Tensor::matmul`] of as many matrices on the left as on the right.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not three axes each or the sizes do not fit, [`Error::DType`] if dtypes differ or
    /// are not floats.
    pub fn bmm(&self, rhs: &Tensor) -> Result<Tensor> {
        self.of_rank("bmm", 3, rhs)?.matmul(rhs)
    }

    /// The sum of the products of two vectors' elements.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are no vectors of one length, [`Error::DType`] if dtypes differ or are not floats.
    pub fn dot(&self, rhs: &Tensor) -> Result<Tensor> {
        self.of_rank("dot", 1, rhs)?.matmul(rhs)
    }

    /// This tensor, if both have so many axes and, without broadcasting, the same leading ones and inner sizes.
    fn of_rank(&self, op: &'static str, rank: usize, rhs: &Tensor) -> Result<&Tensor> {
        let fits = self.rank() == rank
            && rhs.rank() == rank
            && (rank < 3 || self.shape()[0] == rhs.shape()[0])
            && self.shape()[rank - 1] == rhs.shape()[rank.saturating_sub(2)];
        if fits {
            return Ok(self);
        }
        let rule = match rank {
            1 => "needs two vectors of one length",
            2 => "needs [M, K] and [K, N]",
            _ => "needs [B, M, K] and [B, K, N]",
        };
        Err(Error::shape(
            op,
            rule,
            format!("{:?} and {:?}", self.shape(), rhs.shape()),
        ))
    }

    /// `beta · self + alpha · a · b`: a product of matrices added to what is there, in one pass.
    ///
    /// | value    | shape                              |
    /// |----------|------------------------------------|
    /// | `self`   | any that is broadcast to `[M, N]`  |
    /// | `a`      | `[M, K]`                           |
    /// | `b`      | `[K, N]`                           |
    /// | result   | `[M, N]`                           |
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit, [`Error::DType`] if dtypes differ or are not floats.
    pub fn addmm(&self, a: &Tensor, b: &Tensor, options: AddmmOptions) -> Result<Tensor> {
        self.plus("addmm", 2, a, b, options)
    }

    /// `beta · self + alpha · a · b` over a batch of matrices.
    ///
    /// | value    | shape                                |
    /// |----------|--------------------------------------|
    /// | `self`   | any that is broadcast to `[B, M, N]` |
    /// | `a`      | `[B, M, K]`                          |
    /// | `b`      | `[B, K, N]`                          |
    /// | result   | `[B, M, N]`                          |
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit, [`Error::DType`] if dtypes differ or are not floats.
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor, options: AddmmOptions) -> Result<Tensor> {
        self.plus("baddbmm", 3, a, b, options)
    }

    fn plus(
        &self,
        op: &'static str,
        rank: usize,
        a: &Tensor,
        b: &Tensor,
        options: AddmmOptions,
    ) -> Result<Tensor> {
        same_dtype(op, self, a)?;
        same_dtype(op, a, b)?;
        a.of_rank(op, rank, b)?;
        let batch: Shape = a.shape()[..rank - 2].iter().copied().collect();
        let mut sizes = batch;
        sizes.push(a.shape()[rank - 2]);
        sizes.push(b.shape()[rank - 1]);
        if self.layout().expand(&sizes).is_none() {
            return Err(Error::shape(
                op,
                "the tensor that is added to must fit the product",
                format!("{:?} for {:?}", self.shape(), &sizes[..]),
            ));
        }
        a.multiplied(op, b, Some(self), options, &batch)
    }
}
