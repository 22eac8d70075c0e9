//! Values for the spatial axes of convolutions, pools and interpolation.

use crate::{Error, Result};
use std::fmt::Debug;

/// The most spatial axes: those of a volume.
pub(crate) const MOST: usize = 3;

/// One value for every spatial axis, or one for each.
///
/// ```
/// use azura_core::{PerAxis, Sizes};
/// let kernel: Sizes = [3, 5].into();
/// assert_ne!(kernel, 3.into());
/// let scale: PerAxis<f64> = 0.5.into();
/// assert_eq!(scale, PerAxis::from(0.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAxis<T> {
    len: usize,
    values: [T; MOST],
}

/// Numbers for the spatial axes: `3.into()` for all, or `[3, 5].into()`.
pub type Sizes = PerAxis<usize>;

/// Sizes of a result, where `None` keeps the input's: `7.into()`, `[7, 5].into()` or `[None, Some(5)].into()`.
pub type OutputSizes = PerAxis<Option<usize>>;

impl<T: Copy> PerAxis<T> {
    fn all(value: T) -> Self {
        PerAxis {
            len: 1,
            values: [value; MOST],
        }
    }
}

impl From<usize> for Sizes {
    fn from(size: usize) -> Self {
        PerAxis::all(size)
    }
}

impl From<f64> for PerAxis<f64> {
    fn from(factor: f64) -> Self {
        PerAxis::all(factor)
    }
}

impl From<usize> for OutputSizes {
    fn from(size: usize) -> Self {
        PerAxis::all(Some(size))
    }
}

impl From<Sizes> for OutputSizes {
    fn from(sizes: Sizes) -> Self {
        PerAxis {
            len: sizes.len,
            values: sizes.values.map(Some),
        }
    }
}

macro_rules! from_arrays {
    ($($n:literal)*) => {$(
        impl<T: Copy> From<[T; $n]> for PerAxis<T> {
            fn from(each: [T; $n]) -> Self {
                PerAxis {
                    len: $n,
                    values: std::array::from_fn(|axis| each[axis.min($n - 1)]),
                }
            }
        }

        impl From<[usize; $n]> for OutputSizes {
            fn from(sizes: [usize; $n]) -> Self {
                Sizes::from(sizes).into()
            }
        }
    )*};
}
from_arrays!(1 2 3);

/// From one to three values.
impl<T: Copy> TryFrom<&[T]> for PerAxis<T> {
    type Error = Error;

    fn try_from(each: &[T]) -> Result<Self> {
        if each.is_empty() || each.len() > MOST {
            return Err(Error::argument(
                "sizes",
                "there are one to three spatial axes",
                format!("{}", each.len()),
            ));
        }
        Ok(PerAxis {
            len: each.len(),
            values: std::array::from_fn(|axis| each[axis.min(each.len() - 1)]),
        })
    }
}

impl<T: Copy + Debug> PerAxis<T> {
    /// The values of that many spatial axes, one to three.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is more than one value, and not one for each.
    ///
    /// ```
    /// use azura_core::Sizes;
    /// assert_eq!(Sizes::from(3).to_vec(2)?, [3, 3]);
    /// assert!(Sizes::from([3, 5]).to_vec(3).is_err());
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn to_vec(self, axes: usize) -> Result<Vec<T>> {
        let axes = axes.clamp(1, MOST);
        let all = self.of("sizes", "sizes", axes, self.values[0])?;
        Ok(all[MOST - axes..].to_vec())
    }

    /// The values for `axes` spatial axes, after `missing` for each of the three that is not there.
    pub(crate) fn of(
        self,
        op: &'static str,
        what: &str,
        axes: usize,
        missing: T,
    ) -> Result<[T; MOST]> {
        if self.len != 1 && self.len != axes {
            return Err(Error::argument(
                op,
                format!("{what} must be one number or {axes}"),
                format!("{}", self.len),
            ));
        }
        let mut all = [missing; MOST];
        all[MOST - axes..].copy_from_slice(&self.values[..axes]);
        Ok(all)
    }
}

impl Sizes {
    /// [`PerAxis::of`] where 0 is no number.
    pub(crate) fn positive(
        self,
        op: &'static str,
        what: &str,
        axes: usize,
    ) -> Result<[usize; MOST]> {
        let all = self.of(op, what, axes, 1)?;
        if all.contains(&0) {
            return Err(Error::argument(
                op,
                format!("{what} must be at least 1"),
                format!("{:?}", &self.values[..self.len]),
            ));
        }
        Ok(all)
    }
}

/// What was computed, or an error that names what is too large.
pub(crate) fn checked(
    op: &'static str,
    what: &str,
    compute: impl FnOnce() -> Option<usize>,
) -> Result<usize> {
    // Distances are also added as signed numbers.
    compute()
        .filter(|&n| n <= isize::MAX as usize / 4)
        .ok_or_else(|| {
            Error::argument(
                op,
                format!("{what} must fit the address space"),
                "numbers that are too large",
            )
        })
}

/// The last `axes` of the sizes of a tensor, after as many ones as are missing.
pub(crate) fn spatial(sizes: &[usize], axes: usize) -> [usize; MOST] {
    let mut all = [1; MOST];
    all[MOST - axes..].copy_from_slice(&sizes[sizes.len() - axes..]);
    all
}
