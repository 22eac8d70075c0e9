//! Loops over tensors: broadcasting, and reuse of buffers that nobody else sees.

use crate::buffer::Buffer;
use crate::cpu::map::{self, Loop, Operand};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Result};

/// The loops of one function of N numbers, for one element type: what the engine needs to know of it.
pub(super) trait Loops<T, const N: usize>: Sync {
    fn run(&self, x: [&[T]; N], out: &mut [T]);
}

/// Loops over floats.
pub(super) trait FloatLoops<const N: usize>: Loops<f32, N> + Loops<f64, N> {}
impl<L: Loops<f32, N> + Loops<f64, N>, const N: usize> FloatLoops<N> for L {}

/// `f` of the elements of floats, broadcast; into the buffer of an operand where that is allowed.
pub(super) fn apply<const N: usize>(
    op: &'static str,
    operands: [Tensor; N],
    f: &dyn FloatLoops<N>,
) -> Result<Tensor> {
    let (dtype, shape) = together(op, &operands)?;
    for_float!(op, dtype, T => Ok(apply_to::<T, N>(operands, shape, &|x, out| Loops::<T, N>::run(f, x, out))))
}

/// The dtype that all operands have, and the shape they are broadcast to.
pub(super) fn together(op: &'static str, operands: &[Tensor]) -> Result<(DType, Shape)> {
    let first = &operands[0];
    let mut shape = *first.sizes();
    for other in &operands[1..] {
        same_dtype(op, first, other)?;
        shape = shape::broadcast(op, &shape, other.sizes())?;
    }
    Ok((first.dtype(), shape))
}

/// [`apply`] for one element type; the operands have it, and can be broadcast to `shape`.
pub(super) fn apply_to<T: Element + Default, const N: usize>(
    operands: [Tensor; N],
    shape: Shape,
    f: Loop<'_, T, T, N>,
) -> Tensor {
    let mut operands = operands.map(Some);
    for own in 0..N {
        let mut buffer = match operands[own].take().map(|x| reuse(x, &shape)) {
            None => continue,
            Some(Err(x)) => {
                operands[own] = Some(x);
                continue;
            }
            Some(Ok(buffer)) => buffer,
        };
        // The operand whose buffer is overwritten is read from there.
        let read = operands.each_ref().map(|x| match x {
            Some(x) => operand(x, &shape),
            None => Operand::Splat(T::default()),
        });
        map::map_in_place(f, own, &read, buffer.as_mut_slice());
        return Tensor::from_buffer(buffer, shape, T::DTYPE);
    }
    Tensor::fill_new::<T>(shape, |out| {
        let read = operands.each_ref().map(|x| match x {
            Some(x) => operand(x, &shape),
            None => unreachable!("only a reused operand is taken"),
        });
        map::map(f, &read, out);
    })
}

fn reuse(x: Tensor, shape: &Shape) -> std::result::Result<Buffer, Tensor> {
    if x.sizes() == shape {
        x.into_unique_buffer()
    } else {
        Err(x)
    }
}

/// The elements of `x` in the order of a result of shape `shape`, to which it can be broadcast.
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
