//! Fully connected layers.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::gemm::{self, Act, Epilogue, Mat};
use crate::cpu::reduce::{self, Identity};
use crate::dtype::for_float;
use crate::ops::Activation;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

impl Tensor {
    /// `self · wᵀ + b`: a fully connected layer.
    ///
    /// | value  | shape       |
    /// |--------|-------------|
    /// | `self` | `[..., I]`  |
    /// | `w`    | `[O, I]`    |
    /// | `b`    | `[O]`       |
    /// | result | `[..., O]`  |
    ///
    /// A vector `w` `[I]` with a number `b` gives one output, without its axis, as in PyTorch.
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
        if w.rank() == 1 && b.is_none_or(|b| b.rank() == 0) {
            let b = b.map(|b| b.reshape([1])).transpose()?;
            let y = self.linear_act(&w.unsqueeze(0)?, b.as_ref(), activation)?;
            return y.squeeze(-1);
        }
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
        if dtype.is_half() {
            return self.in_f32(op, |x, wide| {
                x.linear_act(&wide.of(w)?, wide.some(b)?.as_ref(), activation)
            });
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
        // An activation whose gradient is made with its value is a pass of its own where that gradient will be taken.
        let apart = edges.recorded() && activation.needs_slope();
        let z = for_float!(op, dtype, T => Tensor::fill_new::<T>(sizes, |out| {
            let act = match activation {
                Activation::Relu => Act::Relu,
                _ => Act::None,
            };
            let bias = b.as_ref().map(Tensor::slice::<T>);
            let map = if apart { None } else { activation.in_place() };
            gemm::gemm(
                Mat::new(x.slice(), rows, inputs),
                Mat::new(w.slice(), outputs, inputs).t(),
                out,
                outputs,
                Epilogue { bias, act, map, ..Epilogue::default() },
            );
        }));
        let [y, saved] = if apart {
            activation.value_and_slope(z)?
        } else {
            [z.clone(), z]
        };
        let saved = (activation != Activation::None && edges.recorded()).then_some(saved);
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let mut dy = only(dy)?;
                if let Some(saved) = &saved {
                    dy = activation.backward(dy, saved)?;
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
