//! Loops over tensors: broadcasting, and reuse of buffers that nobody else sees.

use crate::cpu::map::{self, Loop, Operand, SlopeLoop};
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

/// The loops of a function of one number and its derivative: `x` holds arguments before and derivatives after.
pub(super) trait SlopeLoops<T>: Sync {
    fn run(&self, x: &mut [T], y: &mut [T]);
}

/// [`SlopeLoops`] over floats.
pub(super) trait FloatSlopeLoops: SlopeLoops<f32> + SlopeLoops<f64> {}
impl<L: SlopeLoops<f32> + SlopeLoops<f64>> FloatSlopeLoops for L {}

/// Values and derivatives of a function; the derivatives in the buffer of `x` where that is allowed.
pub(super) fn with_slope(
    op: &'static str,
    x: Tensor,
    f: &dyn FloatSlopeLoops,
) -> Result<[Tensor; 2]> {
    for_float!(op, x.dtype(), T => Ok(slope_of::<T>(x, &|x, y| SlopeLoops::<T>::run(f, x, y))))
}

fn slope_of<T: Element + Default>(x: Tensor, f: SlopeLoop<'_, T>) -> [Tensor; 2] {
    let shape = *x.sizes();
    let mut slope = None;
    let y = Tensor::fill_new::<T>(shape, |y| {
        slope = Some(match x.into_unique_buffer() {
            Ok(mut buffer) => {
                map::with_slope(f, None, buffer.as_mut_slice(), y);
                Tensor::from_buffer(buffer, shape, T::DTYPE)
            }
            Err(x) => Tensor::fill_new::<T>(shape, |slope| {
                map::with_slope(f, Some(&operand(&x, &shape)), slope, y);
            }),
        });
    });
    let slope = slope.expect("made with the values");
    [y, slope]
}

/// `f` of the elements of floats, broadcast; into the buffer of an operand where that is allowed.
pub(super) fn apply<const N: usize>(
    op: &'static str,
    operands: [Tensor; N],
    f: &dyn FloatLoops<N>,
) -> Result<Tensor> {
    let (_, shape) = together(op, &operands)?;
    apply_as(op, operands, Some(&shape), f)
}

/// [`apply`] for operands of one dtype that can be broadcast to `shape`.
pub(super) fn apply_as<const N: usize>(
    op: &'static str,
    operands: [Tensor; N],
    shape: Common<'_>,
    f: &dyn FloatLoops<N>,
) -> Result<Tensor> {
    let dtype = operands[0].dtype();
    for_float!(op, dtype, T => Ok(apply_to::<T, N>(operands, shape, &|x, out| Loops::<T, N>::run(f, x, out))))
}

/// The shape of a result: `None` if it is that of each operand, so that what is most often so needs no copy of it.
pub(super) type Common<'a> = Option<&'a Shape>;

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

/// Whether all operands have the dtype and the shape of the first.
pub(super) fn alike(operands: &[Tensor]) -> bool {
    let first = &operands[0];
    let same = |x: &Tensor| x.dtype() == first.dtype() && x.sizes() == first.sizes();
    operands[1..].iter().all(same)
}

/// [`apply`] for one element type; the operands have it, and can be broadcast to `shape`.
pub(super) fn apply_to<T: Element + Default, const N: usize>(
    operands: [Tensor; N],
    shape: Common<'_>,
    f: Loop<'_, T, T, N>,
) -> Tensor {
    let sizes = shape.unwrap_or(operands[0].sizes());
    let reusable = |x: &Tensor| x.is_unique() && x.sizes() == sizes;
    if let Some(own) = operands.iter().position(reusable) {
        let shape = *sizes;
        return apply_over(operands, own, &shape, f);
    }
    let direct = |x: &Tensor| x.is_contiguous() && x.sizes() == sizes;
    if operands.iter().all(direct) {
        return Tensor::fill_like::<T>(&operands[0], |out| {
            map::map_slices(f, operands.each_ref().map(Tensor::slice), out);
        });
    }
    Tensor::fill_new::<T>(*sizes, |out| {
        let read = operands.each_ref().map(|x| operand(x, sizes));
        map::map(f, &read, out);
    })
}

/// The same into the buffer of operand number `own`, which nobody else sees.
fn apply_over<T: Element + Default, const N: usize>(
    operands: [Tensor; N],
    own: usize,
    shape: &Shape,
    f: Loop<'_, T, T, N>,
) -> Tensor {
    let mut operands = operands.map(Some);
    let buffer = operands[own].take().map(Tensor::into_unique_buffer);
    let Some(Ok(mut buffer)) = buffer else {
        unreachable!("nobody can have got hold of a unique buffer");
    };
    // The operand whose buffer is overwritten is read from there.
    let read = operands.each_ref().map(|x| match x {
        Some(x) => operand(x, shape),
        None => Operand::Splat(T::default()),
    });
    map::map_in_place(f, own, &read, buffer.as_mut_slice());
    Tensor::from_buffer(buffer, *shape, T::DTYPE)
}

/// The elements of `x` in the order of a result of shape `shape`, to which it can be broadcast.
pub(super) fn operand<'a, T: Element + Default>(x: &'a Tensor, shape: &Shape) -> Operand<'a, T> {
    if x.sizes() == shape && x.is_contiguous() {
        return Operand::Slice(x.slice());
    }
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
