//! Loops over tensors: broadcasting, and reuse of buffers that nobody else sees.

use crate::cpu::map::{self, Map1, Map2, Map3, Operand};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Element, Result};

/// `f` of each element, into the buffer of `x` if nobody else sees it.
pub(super) fn map1<F>(op: &'static str, x: Tensor, f: F) -> Result<Tensor>
where
    F: Map1<f32, f32> + Map1<f64, f64>,
{
    let shape = *x.sizes();
    for_float!(op, x.dtype(), T => Ok(match x.into_unique_buffer() {
        Ok(mut buffer) => {
            map::map1_in_place::<T, F>(&f, buffer.as_mut_slice());
            Tensor::from_buffer(buffer, shape, T::DTYPE)
        }
        Err(x) => Tensor::fill_new::<T>(shape, |out| {
            map::map1(&f, &Operand::new(x.buffer_slice::<T>(), *x.layout()), out);
        }),
    }))
}

/// `f` of each pair of elements, broadcast; into the buffer of `a` or `b` where that is allowed.
pub(super) fn map2<F>(op: &'static str, a: Tensor, b: Tensor, f: F) -> Result<Tensor>
where
    F: Map2<f32, f32, f32> + Map2<f64, f64, f64>,
{
    let dtype = same_dtype(op, &a, &b)?;
    let shape = shape::broadcast(op, a.sizes(), b.sizes())?;
    for_float!(op, dtype, T => {
        let a = match reuse(a, &shape) {
            Err(a) => a,
            Ok(mut buffer) => {
                map::map2_in_place::<T, F>(&f, buffer.as_mut_slice(), &operand(&b, &shape));
                return Ok(Tensor::from_buffer(buffer, shape, dtype));
            }
        };
        let b = match reuse(b, &shape) {
            Err(b) => b,
            Ok(mut buffer) => {
                map::map2_in_place::<T, _>(&Swapped(f), buffer.as_mut_slice(), &operand(&a, &shape));
                return Ok(Tensor::from_buffer(buffer, shape, dtype));
            }
        };
        Ok(Tensor::fill_new::<T>(shape, |out| {
            map::map2(&f, &operand(&a, &shape), &operand(&b, &shape), out);
        }))
    })
}

pub(super) fn map3<F>(op: &'static str, a: &Tensor, b: &Tensor, c: &Tensor, f: F) -> Result<Tensor>
where
    F: Map3<f32, f32, f32, f32> + Map3<f64, f64, f64, f64>,
{
    let shape = *c.sizes();
    for_float!(op, a.dtype(), T => Ok(Tensor::fill_new::<T>(shape, |out| {
        map::map3(&f, &operand::<T>(a, &shape), &operand::<T>(b, &shape), &operand::<T>(c, &shape), out);
    })))
}

struct Swapped<F>(F);

impl<T, F: Map2<T, T, T>> Map2<T, T, T> for Swapped<F> {
    #[inline(always)]
    fn call(&self, a: T, b: T) -> T {
        self.0.call(b, a)
    }
}

pub(super) fn reuse(
    x: Tensor,
    shape: &Shape,
) -> std::result::Result<crate::buffer::Buffer, Tensor> {
    if x.sizes() == shape {
        x.into_unique_buffer()
    } else {
        Err(x)
    }
}

pub(super) fn operand<'a, T: Element + Default>(x: &'a Tensor, shape: &Shape) -> Operand<'a, T> {
    let layout = x
        .layout()
        .expand(shape)
        .expect("the caller broadcast the shapes");
    Operand::new(x.buffer_slice(), layout)
}

/// The gradient of an operand that was broadcast: summed over the axes it was repeated along.
pub(crate) fn sum_to(gradient: Tensor, shape: &Shape) -> Result<Tensor> {
    if gradient.sizes() == shape {
        return Ok(gradient);
    }
    let lead = gradient.rank() - shape.len();
    let repeated: Vec<isize> = (0..gradient.rank())
        .filter(|&axis| axis < lead || (shape[axis - lead] == 1 && gradient.shape()[axis] != 1))
        .map(|axis| axis as isize)
        .collect();
    gradient.sum(&repeated, true)?.reshape(&shape[..])
}
