//! Tensors made from numbers.

use super::index::indices;
use crate::dtype::for_dtype;
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{DType, Element, Error, Result};

/// Which of two vectors of [`Tensor::meshgrid`] runs along the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Indexing {
    /// The first changes from row to row: matrices.
    #[default]
    Ij,
    /// The first changes from column to column: pictures.
    Xy,
}

/// The most integers that f64 counts through one by one.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Tensor {
    /// `start, start + step, start + 2 step, …` up to but without `end`.
    ///
    /// There are `ceil((end - start) / step)` elements; each is `start + i · step` in f64, then rounded to the dtype.
    ///
    /// ```
    /// use azura_core::{DType, Tensor};
    /// assert_eq!(Tensor::arange(0.0, 4.0, 1.0, DType::I64)?.to_vec::<i64>()?, [0, 1, 2, 3]);
    /// assert_eq!(Tensor::arange(1.0, 0.0, -0.25, DType::F32)?.to_vec::<f32>()?, [1.0, 0.75, 0.5, 0.25]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if a number is not finite, the step is 0 or leads away from `end`, or an integer dtype
    /// lacks one of the numbers; [`Error::DType`] for bool; [`Error::Shape`] if the result is too large.
    pub fn arange(start: f64, end: f64, step: f64, dtype: DType) -> Result<Tensor> {
        let op = "arange";
        if dtype == DType::Bool {
            return Err(Error::dtype(op, "makes numbers", "bool"));
        }
        let wrong = |rule: &str| {
            Err(Error::argument(
                op,
                rule,
                format!("start {start}, end {end} and step {step}"),
            ))
        };
        if !(start.is_finite() && end.is_finite() && step.is_finite()) {
            return wrong("all numbers must be finite");
        }
        if step == 0.0 || (step > 0.0 && end < start) || (step < 0.0 && end > start) {
            return wrong("the step must lead from start to end");
        }
        let count = ((end - start) / step).ceil();
        let n = if count < EXACT {
            count as usize
        } else {
            usize::MAX
        };
        shape::checked_numel(op, &[n])?;
        if !dtype.is_float() {
            let least = if dtype == DType::U32 { 0.0 } else { -EXACT };
            let most = if dtype == DType::U32 {
                f64::from(u32::MAX)
            } else {
                EXACT
            };
            let last = start + step * (count - 1.0).max(0.0);
            let whole = start.fract() == 0.0 && step.fract() == 0.0;
            if !whole || [start, last].iter().any(|x| !(least..=most).contains(x)) {
                return wrong(&format!("every number must be a value of {dtype}"));
            }
        }
        Ok(counted(dtype, n, |i| start + i as f64 * step))
    }

    /// `steps` numbers from `start` to `end`, both among them, at equal distances.
    ///
    /// The second half is counted from the end, as in PyTorch, so that `end` is met exactly.
    ///
    /// # Errors
    /// [`Error::DType`] if the dtype is not a float, [`Error::Argument`] if a number is not finite, [`Error::Shape`] if
    /// the result is too large.
    pub fn linspace(start: f64, end: f64, steps: usize, dtype: DType) -> Result<Tensor> {
        let op = "linspace";
        if !dtype.is_float() {
            return Err(Error::dtype(op, "makes floats", dtype.to_string()));
        }
        if !(start.is_finite() && end.is_finite()) {
            return Err(Error::argument(
                op,
                "start and end must be finite",
                format!("{start} and {end}"),
            ));
        }
        shape::checked_numel(op, &[steps])?;
        // Halved first: the distance of two finite numbers may be none.
        let step = (end / 2.0 - start / 2.0) / (steps.max(2) - 1) as f64 * 2.0;
        Ok(counted(dtype, steps, |i| {
            if i < steps / 2 || steps == 1 {
                start + i as f64 * step
            } else {
                end - (steps - 1 - i) as f64 * step
            }
        }))
    }

    /// The matrix `[rows, cols]` with ones on its main diagonal and zeros elsewhere.
    ///
    /// # Errors
    /// [`Error::Shape`] if the result is too large.
    pub fn eye(rows: usize, cols: usize, dtype: DType) -> Result<Tensor> {
        shape::checked_numel("eye", &[rows, cols])?;
        let shape: Shape = [rows, cols].into_iter().collect();
        Ok(for_dtype!(dtype, T => Tensor::fill_new::<T>(shape, |out| {
            out.fill(T::from_f64(0.0));
            for i in 0..rows.min(cols) {
                out[i * cols + i] = T::from_f64(1.0);
            }
        })))
    }

    /// For each label a row of `classes` numbers (i64): 1 at the label, else 0. PyTorch: `nn.functional.one_hot`.
    ///
    /// | value  | shape            |
    /// |--------|------------------|
    /// | labels | `[...]`          |
    /// | result | `[..., classes]` |
    ///
    /// # Errors
    /// [`Error::DType`] if the labels are not u32 or i64; [`Error::Shape`] if one is not in `0..classes`, or the result
    /// is too large.
    pub fn one_hot(&self, classes: usize) -> Result<Tensor> {
        let op = "one_hot";
        let labels = indices(op, self, classes)?;
        let mut sizes = self.shape().to_vec();
        sizes.push(classes);
        let sizes = Shape::new(op, &sizes)?;
        shape::checked_numel(op, &sizes)?;
        Ok(Tensor::fill_new::<i64>(sizes, |out| {
            out.fill(0);
            for (i, label) in labels.into_iter().enumerate() {
                out[i * classes + label] = 1;
            }
        }))
    }
}

/// `f(0), f(1), …` as elements.
fn counted(dtype: DType, n: usize, f: impl Fn(usize) -> f64) -> Tensor {
    let shape = [n].into_iter().collect();
    for_dtype!(dtype, T => Tensor::fill_new::<T>(shape, |out| {
        for (i, value) in out.iter_mut().enumerate() {
            *value = T::from_f64(f(i));
        }
    }))
}
