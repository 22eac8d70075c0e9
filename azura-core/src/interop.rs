//! `ndarray` at the edge: arrays come in and go out by copy.

use crate::tensor::Tensor;
use crate::{Element, Result};
use ndarray::{ArrayD, ArrayView, Dimension, IxDyn};

impl Tensor {
    /// The elements of an `ndarray` array, in its logical order.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if it has more axes than a tensor can have.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_array(&ndarray::array![[1.0f32, 2.0], [3.0, 4.0]].t())?;
    /// assert_eq!(x.to_array::<f32>()?[[0, 1]], 3.0);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn from_array<T: Element, D: Dimension>(array: &ArrayView<'_, T, D>) -> Result<Tensor> {
        Tensor::from_vec(array.iter().copied().collect(), array.shape())
    }

    /// A copy as an `ndarray` array.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if `T` is not the tensor's dtype.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>> {
        let values = self.to_vec::<T>()?;
        Ok(
            ArrayD::from_shape_vec(IxDyn(self.shape()), values)
                .expect("one value for each element"),
        )
    }
}
