//! Elements as another dtype.

use super::apply::operand;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map::{self, Map1};
use crate::dtype::for_dtype;
use crate::tensor::Tensor;
use crate::{DType, Element, Result};

struct Convert;

impl<A: Element, R: Element> Map1<A, R> for Convert {
    #[inline(always)]
    fn call(&self, a: A) -> R {
        R::from_f64(a.to_f64())
    }
}

impl Tensor {
    /// The elements as another dtype: floats to integers are cut towards zero, to bool is `!= 0`.
    ///
    /// A gradient flows between floats.
    ///
    /// # Errors
    /// None today; the result leaves room for devices that lack a dtype.
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        let from = self.dtype();
        if from == dtype {
            return Ok(self.clone());
        }
        let edges = if dtype.is_float() {
            Edges::of(&[self])
        } else {
            Edges::of(&[])
        };
        let shape = *self.sizes();
        let y = for_dtype!(from, A => for_dtype!(dtype, R => {
            Tensor::fill_new::<R>(shape, |out| map::map1(&Convert, &operand::<A>(self, &shape), out))
        }));
        Ok(edges.record("cast", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.cast(from)?)
            }
        }))
    }
}
