//! Reductions over axes. Here is what they share: which axes go, and how the elements are seen for it.
//!
//! Everywhere `dims` names the axes that disappear (or stay as 1 with `keepdim`), none means no
//! reduction, and the `_all` form reduces to one number. PyTorch's empty list means all axes; here it
//! would make a list that happens to be empty do the opposite of a list of one.

mod extreme;
mod norm;
mod product;
mod sort;
mod sum;
mod variance;

pub use sort::TopkOptions;

use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Which axes go.
struct Axes {
    reduced: [bool; shape::MAX_RANK],
    /// The result's sizes with the reduced axes kept as 1.
    kept: Shape,
    /// The result's sizes as asked for.
    shape: Shape,
}

fn axes(op: &'static str, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Axes> {
    let mut reduced = [false; shape::MAX_RANK];
    for &dim in dims {
        if x.rank() == 0 {
            // A number counts as one axis of size 1, as in PyTorch.
            shape::axis(op, dim, 1)?;
            continue;
        }
        let axis = shape::axis(op, dim, x.rank())?;
        if std::mem::replace(&mut reduced[axis], true) {
            return Err(Error::shape(
                op,
                "each axis may be named once",
                format!("{dims:?}"),
            ));
        }
    }
    let sizes = || x.shape().iter().copied().enumerate();
    let kept: Shape = sizes()
        .map(|(axis, size)| if reduced[axis] { 1 } else { size })
        .collect();
    let shape = if keepdim {
        kept
    } else {
        sizes()
            .filter(|(axis, _)| !reduced[*axis])
            .map(|(_, size)| size)
            .collect()
    };
    Ok(Axes {
        reduced,
        kept,
        shape,
    })
}

/// The sizes `[outer, n, inner]`, and the order of axes that brings the reduced ones next to each
/// other if they are not.
fn grouped(x: &Tensor, axes: &Axes) -> ([usize; 3], Option<Vec<usize>>) {
    let rank = x.rank();
    let product =
        |axes: std::ops::Range<usize>| axes.map(|axis| x.shape()[axis]).product::<usize>();
    let first = (0..rank)
        .position(|axis| axes.reduced[axis])
        .unwrap_or(rank);
    let last = (0..rank)
        .rposition(|axis| axes.reduced[axis])
        .map_or(first, |axis| axis + 1);
    if (first..last).all(|axis| axes.reduced[axis]) {
        let sizes = [product(0..first), product(first..last), product(last..rank)];
        return (sizes, None);
    }
    // Scattered axes: bring them to the end.
    let (gone, stay): (Vec<usize>, Vec<usize>) = (0..rank).partition(|&axis| axes.reduced[axis]);
    let n = gone.iter().map(|&axis| x.shape()[axis]).product();
    let outer = stay.iter().map(|&axis| x.shape()[axis]).product();
    let order = stay.iter().chain(&gone).copied().collect();
    ([outer, n, 1], Some(order))
}

/// The elements as `[outer, n, inner]`, cut off from the graph.
struct Plan {
    /// The input with the reduced axes next to each other.
    input: Tensor,
    sizes: [usize; 3],
    kept: Shape,
    shape: Shape,
}

fn plan(op: &'static str, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Plan> {
    let axes = axes(op, x, dims, keepdim)?;
    let (sizes, order) = grouped(x, &axes);
    let input = match order {
        None => x.contiguous_detached(),
        Some(order) => x
            .with_layout(x.layout().permute(&order))
            .contiguous_detached(),
    };
    Ok(Plan {
        input,
        sizes,
        kept: axes.kept,
        shape: axes.shape,
    })
}

/// Runs `f` on the elements as a contiguous `[outer, n, inner]` that is part of the graph; `f` makes
/// results of `[outer, inner]`, which get the sizes asked for.
pub(super) fn along<const N: usize>(
    op: &'static str,
    x: &Tensor,
    dims: &[isize],
    keepdim: bool,
    f: impl FnOnce(&Tensor, [usize; 3]) -> Result<[Tensor; N]>,
) -> Result<[Tensor; N]> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| along(op, &x, dims, keepdim, f));
    }
    let axes = axes(op, x, dims, keepdim)?;
    let (sizes, order) = grouped(x, &axes);
    let x = match order {
        None => x.clone(),
        Some(order) => {
            let order: Vec<isize> = order.iter().map(|&axis| axis as isize).collect();
            x.permute(&order)?
        }
    };
    let results = f(&x.contiguous().reshape(sizes)?, sizes)?;
    let mut shaped = Vec::with_capacity(N);
    for result in results {
        shaped.push(result.reshape(&axes.shape[..])?);
    }
    Ok(shaped.try_into().expect("one for each result"))
}

/// An extreme of no elements does not exist.
fn not_empty(op: &'static str, x: &Tensor, [outer, n, inner]: [usize; 3]) -> Result<()> {
    if n == 0 && outer * inner > 0 {
        return Err(Error::shape(
            op,
            "there must be an element to take",
            format!("none in shape {:?}", x.shape()),
        ));
    }
    Ok(())
}

pub(super) fn all(x: &Tensor) -> Vec<isize> {
    (0..x.rank() as isize).collect()
}
