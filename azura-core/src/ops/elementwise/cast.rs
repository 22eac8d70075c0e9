//! Elements as another dtype.

use super::apply::operand;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map;
use crate::dtype::for_number;
use crate::tensor::Tensor;
use crate::{DType, Element, Result};
use half::{bf16, f16};

impl Tensor {
    /// The elements as another dtype: floats to integers are cut towards zero, to bool is `!= 0`,
    /// to fewer bits the nearest number is taken, of two the even one.
    ///
    /// An integer dtype's least or greatest value stands for what lies beyond it, and 0 for NaN, on every machine;
    /// PyTorch leaves both to the processor. A number too large for a float dtype becomes infinite.
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
        if (from.is_half() || dtype.is_half()) && from != DType::F32 && dtype != DType::F32 {
            // Every half is an f32; into a half PyTorch rounds twice too.
            return self.cast(DType::F32)?.cast(dtype);
        }
        let edges = if dtype.is_float() {
            Edges::of(&[self])
        } else {
            Edges::of(&[])
        };
        let y = match (from, dtype) {
            (DType::F16, _) => self.converted::<f16, f32>(),
            (DType::BF16, _) => self.converted::<bf16, f32>(),
            // By way of f64 it would be rounded twice.
            (DType::I64, DType::F32) => self.converted_by(|x: i64| x as f32),
            (_, DType::F16) => self.converted::<f32, f16>(),
            (_, DType::BF16) => self.converted::<f32, bf16>(),
            _ => for_number!(from, A => for_number!(dtype, R => self.converted::<A, R>())),
        };
        Ok(edges.record("cast", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.cast(from)?)
            }
        }))
    }

    fn converted<A: Element, R: Element>(&self) -> Tensor {
        self.converted_by(|x: A| R::from_f64(x.to_f64()))
    }

    fn converted_by<A: Element, R: Element>(&self, f: impl Fn(A) -> R + Sync) -> Tensor {
        let shape = *self.sizes();
        Tensor::fill_new::<R>(shape, |out| {
            let run = |[x]: [&[A]; 1], out: &mut [R]| {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = f(x);
                }
            };
            map::map(&run, &[operand::<A>(self, &shape)], out);
        })
    }
}
