//! Sums of products by an equation.

use super::equation::{Equation, wrong};
use crate::shape::{self, MAX_RANK, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

const OP: &str = "einsum";

/// An axis by its name: a letter, or one of those that `...` stands for, counted from the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Axis {
    Letter(char),
    Dots(usize),
}

/// A tensor whose axes have different names.
#[derive(Clone)]
struct Named {
    tensor: Tensor,
    axes: Vec<Axis>,
}

impl Tensor {
    /// A sum of products, each axis named by a letter (Einstein's convention), as PyTorch's `einsum`.
    ///
    /// Axes of one letter run together, those that are missing in the result are summed over; a letter twice in one
    /// operand takes the diagonal. `...` stands for any axes, which are broadcast. Without `->` the result has `...` and
    /// the letters that stand once, in the order of the alphabet. Operands are multiplied from the left to the right,
    /// each time by a product of matrices.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(Tensor::einsum("ij,jk", &[&x, &x])?.to_vec::<f32>()?, x.matmul(&x)?.to_vec::<f32>()?);
    /// assert_eq!(Tensor::einsum("ii->", &[&x])?.item::<f32>()?, 5.0);
    /// assert_eq!(Tensor::einsum("...i->...", &[&x])?.to_vec::<f32>()?, [3.0, 7.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if the equation cannot be read, with the place; [`Error::Shape`] if there is not an operand
    /// for each term, a term does not name its operand's axes, or sizes of one letter differ and none is 1;
    /// [`Error::DType`] if dtypes differ or are not floats.
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let read = Equation::parse(equation)?;
        if read.operands.len() != operands.len() {
            return Err(Error::shape(
                OP,
                format!("`{equation}` needs {} operands", read.operands.len()),
                format!("{}", operands.len()),
            ));
        }
        if let [first, rest @ ..] = operands
            && first.dtype().is_half()
        {
            return first.in_f32(OP, |first, wide| {
                let rest = rest.iter().map(|x| wide.of(x));
                let all = std::iter::once(Ok(first)).chain(rest);
                let all = all.collect::<Result<Vec<_>>>()?;
                Tensor::einsum(equation, &all.iter().collect::<Vec<_>>())
            });
        }
        let mut named = Vec::new();
        let mut dots = 0;
        for (number, (term, operand)) in read.operands.iter().zip(operands).enumerate() {
            same_dtype(OP, operands[0], operand)?;
            let hidden = operand.rank().checked_sub(term.letters.len());
            let Some(hidden) = hidden.filter(|&n| n == 0 || term.ellipsis.is_some()) else {
                return Err(Error::shape(
                    OP,
                    format!(
                        "operand {number} of `{equation}` must have {}{} axes",
                        if term.ellipsis.is_some() {
                            "at least "
                        } else {
                            ""
                        },
                        term.letters.len()
                    ),
                    format!("shape {:?}", operand.shape()),
                ));
            };
            dots = dots.max(hidden);
            let mut axes: Vec<Axis> = term.letters.iter().map(|&(c, _)| Axis::Letter(c)).collect();
            let at = term.ellipsis.unwrap_or(0);
            axes.splice(at..at, (0..hidden).rev().map(Axis::Dots));
            for (n, &(letter, place)) in term.letters.iter().enumerate() {
                let own = n + if n < at { 0 } else { hidden };
                let size = operand.shape()[own];
                let others = named.iter().flat_map(Named::sizes);
                let here = axes.iter().copied().zip(operand.shape().iter().copied());
                // Within one operand a letter has one size; between operands 1 fits to any.
                let differs = here
                    .filter(|(axis, _)| *axis == Axis::Letter(letter))
                    .any(|(_, other)| other != size)
                    || others
                        .filter(|(axis, _)| *axis == Axis::Letter(letter))
                        .any(|(_, other)| other != size && other != 1 && size != 1);
                if differs {
                    return Err(wrong(
                        "axes of one letter must have one size",
                        &format!("size {size} of `{letter}`"),
                        place,
                        equation,
                    ));
                }
            }
            for (axis, size) in axes.iter().zip(operand.shape()) {
                let same = |&(other, n): &(Axis, usize)| other == *axis && n != *size;
                let other = named.iter().flat_map(Named::sizes).find(same);
                if let (Axis::Dots(_), Some((_, other))) = (axis, other)
                    && other != 1
                    && *size != 1
                {
                    return Err(Error::shape(
                        OP,
                        format!("axes that `...` stands for in `{equation}` must be equal or 1"),
                        format!("sizes {other} and {size}"),
                    ));
                }
            }
            named.push(Named::new(operand, axes)?);
        }
        let mut result: Vec<Axis> = Vec::new();
        let letters = read.result_letters();
        let at = match &read.result {
            Some(term) => term.ellipsis,
            None => Some(0),
        };
        result.extend(letters.into_iter().map(Axis::Letter));
        if let Some(at) = at {
            result.splice(at..at, (0..dots).rev().map(Axis::Dots));
        }
        let mut later = named.split_off(1).into_iter();
        let mut product = named.swap_remove(0);
        while let Some(next) = later.next() {
            let needed = |axis: Axis| {
                result.contains(&axis) || later.as_slice().iter().any(|x| x.axes.contains(&axis))
            };
            product = product.times(next, needed)?;
        }
        product
            .summed(|axis| !result.contains(&axis))?
            .arranged(&result)
    }
}

impl Named {
    /// Axes of one name become their diagonal.
    fn new(x: &Tensor, mut axes: Vec<Axis>) -> Result<Named> {
        let mut tensor = x.clone().floats(OP)?;
        while let Some((a, b)) = twice(&axes) {
            tensor = tensor.diagonal(0, a as isize, b as isize)?;
            let axis = axes.remove(b);
            axes.remove(a);
            axes.push(axis);
        }
        Ok(Named { tensor, axes })
    }

    fn sizes(&self) -> impl Iterator<Item = (Axis, usize)> + '_ {
        self.axes
            .iter()
            .copied()
            .zip(self.tensor.shape().iter().copied())
    }

    fn size(&self, axis: Axis) -> Option<usize> {
        self.sizes()
            .find(|(own, _)| *own == axis)
            .map(|(_, size)| size)
    }

    /// Without the axes that `gone` names, which are summed over.
    fn summed(self, gone: impl Fn(Axis) -> bool) -> Result<Named> {
        let dims: Vec<isize> = (0..self.axes.len())
            .filter(|&i| gone(self.axes[i]))
            .map(|i| i as isize)
            .collect();
        if dims.is_empty() {
            return Ok(self);
        }
        let tensor = self.tensor.sum(&dims, false)?;
        let axes = self.axes.into_iter().filter(|&axis| !gone(axis)).collect();
        Ok(Named { tensor, axes })
    }

    /// Without the axes of size 1 that `other` has longer: what is multiplied with all of them.
    fn squeezed(self, other: &Named) -> Result<Named> {
        let gone = |axis: Axis, size: usize| size == 1 && other.size(axis).is_some_and(|n| n != 1);
        let kept: Vec<(Axis, usize)> = self.sizes().filter(|&(axis, n)| !gone(axis, n)).collect();
        let sizes: Vec<usize> = kept.iter().map(|&(_, size)| size).collect();
        Ok(Named {
            tensor: self.tensor.reshape(sizes)?,
            axes: kept.into_iter().map(|(axis, _)| axis).collect(),
        })
    }

    /// The axes in this order, as a tensor.
    fn arranged(&self, axes: &[Axis]) -> Result<Tensor> {
        let order: Vec<isize> = axes
            .iter()
            .filter_map(|axis| self.axes.iter().position(|own| own == axis))
            .map(|place| place as isize)
            .collect();
        self.tensor.permute(&order)
    }

    /// The product with `other`, summed over what nobody needs any more.
    fn times(self, other: Named, needed: impl Fn(Axis) -> bool) -> Result<Named> {
        let left = self.clone().squeezed(&other)?;
        let right = other.squeezed(&self)?;
        let alone = |x: &Named, axis: Axis| x.size(axis).is_none() && !needed(axis);
        let a = left.clone().summed(|axis| alone(&right, axis))?;
        let b = right.summed(|axis| alone(&left, axis))?;
        let of = |axes: &[Axis], keep: &dyn Fn(Axis) -> bool| -> Vec<Axis> {
            axes.iter().copied().filter(|&axis| keep(axis)).collect()
        };
        let batch = of(&a.axes, &|axis| b.size(axis).is_some() && needed(axis));
        let inner = of(&a.axes, &|axis| b.size(axis).is_some() && !needed(axis));
        let rows = of(&a.axes, &|axis| b.size(axis).is_none());
        let cols = of(&b.axes, &|axis| a.size(axis).is_none());
        let axes = [&batch[..], &rows, &cols].concat();
        let sizes = |x: &Named, axes: &[Axis]| -> Vec<usize> {
            axes.iter().filter_map(|&axis| x.size(axis)).collect()
        };
        let (of_batch, of_rows, of_cols) = (sizes(&a, &batch), sizes(&a, &rows), sizes(&b, &cols));
        let to = [&of_batch[..], &of_rows, &of_cols].concat();
        shape::checked_numel(OP, &Shape::new(OP, &to)?)?;
        let (m, n): (usize, usize) = (of_rows.iter().product(), of_cols.iter().product());
        let k: usize = sizes(&a, &inner).iter().product();
        // Leading axes stay apart, which needs no copy, unless there are too many.
        let lead = if of_batch.len() + 2 > MAX_RANK {
            vec![of_batch.iter().product()]
        } else {
            of_batch
        };
        let x = a.arranged(&[&batch[..], &rows, &inner].concat())?;
        let y = b.arranged(&[&batch[..], &inner, &cols].concat())?;
        let tensor = if inner.is_empty() && (rows.is_empty() || cols.is_empty()) {
            // Nothing to sum: an elementwise product is the quicker way.
            let x = x.reshape([&lead[..], &[m, 1]].concat())?;
            x.mul(y.reshape([&lead[..], &[1, n]].concat())?)?
        } else {
            let x = x.reshape([&lead[..], &[m, k]].concat())?;
            x.matmul(&y.reshape([&lead[..], &[k, n]].concat())?)?
        };
        Ok(Named {
            tensor: tensor.reshape(to)?,
            axes,
        })
    }
}

/// The places of two axes of one name.
fn twice(axes: &[Axis]) -> Option<(usize, usize)> {
    (0..axes.len()).find_map(|b| axes[..b].iter().position(|&a| a == axes[b]).map(|a| (a, b)))
}
