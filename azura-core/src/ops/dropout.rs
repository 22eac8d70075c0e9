//! Dropout: no mask is kept, the generator makes it again in backward.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::dropout as kernel;
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Error, Result, Rng};

impl Tensor {
    /// Each element set to 0 with probability `p`, the others divided by `1 - p`
    /// (Srivastava et al. 2014). For training; at evaluation time do not call it.
    ///
    /// Element `i` is decided by number `i` of the sequence taken from `rng`, so the result depends
    /// neither on threads nor on the instruction set.
    ///
    /// # Errors
    /// [`Error::Argument`] if `p` is not in `[0, 1]`, [`Error::DType`] if the dtype is not a float.
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(
                "dropout",
                "p must lie in [0, 1]",
                format!("{p}"),
            ));
        }
        let start = rng.reserve(self.numel().div_ceil(kernel::PER_BLOCK) as u64);
        let edges = Edges::of(&[self]);
        let y = self.drop_elements(p, &start)?;
        Ok(edges.record("dropout", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.drop_elements(p, &start)?)
            }
        }))
    }

    fn drop_elements(&self, p: f64, start: &Rng) -> Result<Tensor> {
        let x = self.contiguous_detached();
        for_float!("dropout", x.dtype(), T => Ok(Tensor::fill_new::<T>(*x.sizes(), |out| {
            kernel::dropout(x.slice(), p, start, out);
        })))
    }
}
