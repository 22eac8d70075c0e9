//! Matrix products.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::gemm::{self, Act, Epilogue, Mat};
use crate::cpu::reduce::{self, Identity};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

/// What [`Tensor::linear_act`] applies to its result in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(y, 0)`.
    Relu,
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

/// `a · b` over the leading axes `batch`.
fn product(a: &Tensor, b: &Tensor, batch: &Shape) -> Result<Tensor> {
    let (a, b) = (Matrices::of(a), Matrices::of(b));
    let mut sizes = *batch;
    sizes.push(a.rows);
    sizes.push(b.cols);
    shape::checked_numel("matmul", &sizes)?;
    let count = batch.iter().product();
    for_float!("matmul", a.tensor.dtype(), T => Ok(Tensor::fill_new::<T>(sizes, |out| {
        if count == 1 {
            gemm::gemm(a.at(0, batch), b.at(0, batch), out, b.cols, Epilogue::default());
        } else {
            gemm::gemm_batch(count, |i| a.at(i, batch), |i| b.at(i, batch), out, Epilogue::default());
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
                let edges = Edges::of(&[self, rhs]);
                let y = product(self, rhs, &batch)?;
                let (a, b) = (self.detach(), rhs.detach());
                Ok(edges.record("matmul", y, || {
                    move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                        let dy = only(dy)?;
                        if grads.wants(0) {
                            let da = product(&dy, &b.transpose(-1, -2)?, &batch)?;
                            grads.add(0, super::elementwise::sum_to(da, a.sizes())?)?;
                        }
                        if grads.wants(1) {
                            let db = product(&a.transpose(-1, -2)?, &dy, &batch)?;
                            grads.add(1, super::elementwise::sum_to(db, b.sizes())?)?;
                        }
                        Ok(())
                    }
                }))
            }
        }
    }

    /// `self · wᵀ + b`: a fully connected layer.
    ///
    /// | value  | shape       |
    /// |--------|-------------|
    /// | `self` | `[..., I]`  |
    /// | `w`    | `[O, I]`    |
    /// | `b`    | `[O]`       |
    /// | result | `[..., O]`  |
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes do not fit, [`Error::DType`] if dtypes differ or are not floats.
    pub fn linear(&self, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
        self.linear_act(w, b, Activation::None)
    }

    /// [`Tensor::linear`] and an activation in one pass.
    ///
    /// # Errors
    /// Those of [`Tensor::linear`].
    pub fn linear_act(
        &self,
        w: &Tensor,
        b: Option<&Tensor>,
        activation: Activation,
    ) -> Result<Tensor> {
        let op = "linear";
        let dtype = same_dtype(op, self, w)?;
        let fits = w.rank() == 2 && self.rank() >= 1 && self.shape().last() == w.shape().last();
        if !fits || b.is_some_and(|b| b.shape() != &w.shape()[..1]) {
            return Err(Error::shape(
                op,
                "needs [..., I], weight [O, I] and bias [O]",
                format!(
                    "{:?}, {:?} and {}",
                    self.shape(),
                    w.shape(),
                    b.map_or("no bias".to_string(), |b| format!("{:?}", b.shape()))
                ),
            ));
        }
        if let Some(b) = b {
            same_dtype(op, w, b)?;
        }
        let (outputs, inputs) = (w.shape()[0], w.shape()[1]);
        let rows = self.numel() / inputs.max(1);
        let rows = if inputs == 0 {
            self.shape()[..self.rank() - 1].iter().product()
        } else {
            rows
        };
        let edges = match b {
            Some(b) => Edges::of(&[self, w, b]),
            None => Edges::of(&[self, w]),
        };
        let (x, w) = (self.contiguous_detached(), w.contiguous_detached());
        let b = b.map(Tensor::contiguous_detached);
        let mut sizes = *self.sizes();
        let last = sizes.len() - 1;
        sizes[last] = outputs;
        shape::checked_numel(op, &sizes)?;
        let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(sizes, |out| {
            let act = match activation {
                Activation::None => Act::None,
                Activation::Relu => Act::Relu,
            };
            let bias = b.as_ref().map(Tensor::slice::<T>);
            gemm::gemm(
                Mat::new(x.slice(), rows, inputs),
                Mat::new(w.slice(), outputs, inputs).t(),
                out,
                outputs,
                Epilogue { bias, act, ..Epilogue::default() },
            );
        }));
        let saved = (activation != Activation::None && edges.recorded()).then(|| y.detach());
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let mut dy = only(dy)?;
                if let Some(y) = &saved {
                    dy = dy.relu_backward(y)?;
                }
                let dy = dy.contiguous_detached();
                for_float!(op, dtype, T => {
                    let gradient = dy.slice::<T>();
                    let dy = || Mat::new(gradient, rows, outputs);
                    grads.accumulate::<T>(1, w.sizes(), |out, accumulate| {
                        let epilogue = Epilogue { accumulate, ..Epilogue::default() };
                        gemm::gemm(dy().t(), Mat::new(x.slice(), rows, inputs), out, inputs, epilogue);
                    })?;
                    if let Some(b) = &b {
                        grads.accumulate::<T>(2, b.sizes(), |out, accumulate| {
                            reduce::sum(gradient, [1, rows, outputs], &Identity, 1.0, accumulate, out);
                        })?;
                    }
                    grads.accumulate::<T>(0, x.sizes(), |out, accumulate| {
                        let epilogue = Epilogue { accumulate, ..Epilogue::default() };
                        gemm::gemm(dy(), Mat::new(w.slice(), outputs, inputs), out, inputs, epilogue);
                    })
                })
            }
        }))
    }
}
