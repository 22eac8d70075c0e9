//! Axes in another order.

use super::axes;
use crate::autograd::{Edges, Grads, only};
use crate::shape;
use crate::tensor::Tensor;
use crate::{Error, Result};

impl Tensor {
    /// The axes in another order.
    ///
    /// # Errors
    /// [`Error::Shape`] if `axes` does not name each axis once.
    pub fn permute(&self, axes: &[isize]) -> Result<Tensor> {
        let order = axes
            .iter()
            .map(|&a| shape::axis("permute", a, self.rank()))
            .collect::<Result<Vec<_>>>()?;
        let mut inverse = vec![usize::MAX; self.rank()];
        for (to, &from) in order.iter().enumerate() {
            inverse[from] = to;
        }
        if order.len() != self.rank() || inverse.contains(&usize::MAX) {
            return Err(Error::shape(
                "permute",
                "each axis must be named once",
                format!("{axes:?} for {} axes", self.rank()),
            ));
        }
        let edges = Edges::of(&[self]);
        let y = self.with_layout(self.layout().permute(&order));
        Ok(edges.record("permute", y, || {
            let inverse: Vec<isize> = inverse.iter().map(|&a| a as isize).collect();
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.permute(&inverse)?)
            }
        }))
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such axes.
    pub fn transpose(&self, a: isize, b: isize) -> Result<Tensor> {
        let a = super::axis("transpose", a, self.rank())?;
        let b = super::axis("transpose", b, self.rank())?;
        if a == b {
            return Ok(self.clone());
        }
        let mut axes: Vec<isize> = (0..self.rank() as isize).collect();
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// The transpose of a matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not two axes.
    pub fn t(&self) -> Result<Tensor> {
        if self.rank() != 2 {
            return Err(Error::shape(
                "t",
                "the tensor must have two axes",
                format!("shape {:?}", self.shape()),
            ));
        }
        self.permute(&[1, 0])
    }

    /// The axes `from` moved to the places `to`; the others keep their order.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, one is named twice, or the lists differ in length.
    pub fn movedim(&self, from: &[isize], to: &[isize]) -> Result<Tensor> {
        let op = "movedim";
        if from.len() != to.len() {
            return Err(Error::shape(
                op,
                "as many axes must be named as places",
                format!("{from:?} and {to:?}"),
            ));
        }
        let (moved, places) = (axes(op, from, self.rank())?, axes(op, to, self.rank())?);
        if self.rank() == 0 {
            return Ok(self.clone());
        }
        let mut rest = (0..self.rank()).filter(|axis| !moved.contains(axis));
        let order: Vec<isize> = (0..self.rank())
            .filter_map(|place| match places.iter().position(|&p| p == place) {
                Some(i) => Some(moved[i]),
                None => rest.next(),
            })
            .map(|axis| axis as isize)
            .collect();
        self.permute(&order)
    }
}
