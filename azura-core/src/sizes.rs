//! Numbers for the spatial axes of convolutions, pools and interpolation.

use crate::{Error, Result};

/// The most spatial axes: those of a volume.
pub(crate) const MOST: usize = 3;

/// One number for every spatial axis, or one for each: `3.into()` or `[3, 5].into()`.
///
/// ```
/// use azura_core::Sizes;
/// let kernel: Sizes = [3, 5].into();
/// assert_ne!(kernel, 3.into());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    len: usize,
    values: [usize; MOST],
}

impl From<usize> for Sizes {
    fn from(size: usize) -> Self {
        Sizes {
            len: 1,
            values: [size; MOST],
        }
    }
}

macro_rules! from_arrays {
    ($($n:literal)*) => {$(
        impl From<[usize; $n]> for Sizes {
            fn from(sizes: [usize; $n]) -> Self {
                let mut values = [0; MOST];
                values[..$n].copy_from_slice(&sizes);
                Sizes { len: $n, values }
            }
        }
    )*};
}
from_arrays!(1 2 3);

impl TryFrom<&[usize]> for Sizes {
    type Error = Error;

    fn try_from(sizes: &[usize]) -> Result<Self> {
        match *sizes {
            [a] => Ok([a].into()),
            [a, b] => Ok([a, b].into()),
            [a, b, c] => Ok([a, b, c].into()),
            _ => Err(Error::argument(
                "sizes",
                "there are one to three spatial axes",
                format!("{sizes:?}"),
            )),
        }
    }
}

impl Sizes {
    /// The numbers for `axes` spatial axes, after `missing` for each of the three that is not there.
    pub(crate) fn of(
        self,
        op: &'static str,
        what: &str,
        axes: usize,
        missing: usize,
    ) -> Result<[usize; MOST]> {
        let values = &self.values[..self.len];
        if self.len != 1 && self.len != axes {
            return Err(Error::argument(
                op,
                format!("{what} must be one number or {axes}"),
                format!("{values:?}"),
            ));
        }
        let mut all = [missing; MOST];
        for (axis, to) in all[MOST - axes..].iter_mut().enumerate() {
            *to = values[axis % self.len];
        }
        Ok(all)
    }

    /// [`Sizes::of`] where 0 is no number.
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

/// The product, or an error that names what is too large.
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
