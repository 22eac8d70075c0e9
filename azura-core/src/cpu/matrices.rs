//! Many matrices in one buffer, read and written where they lie: heads of `[B, T, H, D]` as well as of `[B, H, T, D]`.

use super::gemm::Mat;
use super::threads::Shared;
use std::marker::PhantomData;

/// Matrices of equal sizes somewhere in a buffer.
pub(crate) struct Matrices<'a, E> {
    pub data: &'a [E],
    /// The first element of each.
    pub starts: Vec<usize>,
    pub row: usize,
    pub col: usize,
}

impl<'a, T> Matrices<'a, T> {
    /// `rows` rows from `first` on of matrix `index`.
    pub(super) fn at(&self, index: usize, first: usize, rows: usize, cols: usize) -> Mat<'a, T> {
        let start = if rows == 0 {
            0
        } else {
            self.starts[index] + first * self.row
        };
        let data = self.data.get(start..).unwrap_or(&[]);
        Mat::strided(data, rows, cols, self.row, self.col)
    }
}

impl<'a, E> Matrices<'a, E> {
    /// A row of `len` elements that stand side by side.
    pub(super) fn row(&self, index: usize, row: usize, len: usize) -> &'a [E] {
        if len == 0 {
            return &[];
        }
        &self.data[self.starts[index] + row * self.row..][..len]
    }
}

/// Matrices to be written by several threads, with columns side by side.
pub(crate) struct Target<'a, T> {
    data: Shared<T>,
    len: usize,
    starts: Vec<usize>,
    row: usize,
    life: PhantomData<&'a mut [T]>,
}

impl<'a, T: Copy> Target<'a, T> {
    pub(crate) fn new(data: &'a mut [T], starts: Vec<usize>, row: usize) -> Self {
        Target {
            len: data.len(),
            data: Shared(data.as_mut_ptr()),
            starts,
            row,
            life: PhantomData,
        }
    }

    /// Several groups of matrices in one buffer, each with its own first elements.
    pub(crate) fn several<const N: usize>(
        data: &'a mut [T],
        starts: [Vec<usize>; N],
        row: usize,
    ) -> [Self; N] {
        let (len, base) = (data.len(), data.as_mut_ptr());
        starts.map(|starts| Target {
            len,
            data: Shared(base),
            starts,
            row,
            life: PhantomData,
        })
    }

    /// Row `row` of matrix `index`, of `len` elements.
    ///
    /// # Safety
    /// Nobody else accesses that row while the slice lives.
    #[expect(
        clippy::mut_from_ref,
        reason = "several threads write rows of one target"
    )]
    pub(super) unsafe fn row(&self, index: usize, row: usize, len: usize) -> &mut [T] {
        if len == 0 {
            return &mut [];
        }
        let start = self.starts[index].saturating_add(row.saturating_mul(self.row));
        assert!(
            start.saturating_add(len) <= self.len,
            "the row lies in the target"
        );
        // SAFETY: the elements lie inside the slice that `new` borrowed; nobody else accesses them.
        unsafe { std::slice::from_raw_parts_mut(self.data.get().add(start), len) }
    }

    /// Writes row `row` of matrix `index`.
    ///
    /// # Safety
    /// No other thread accesses that row during the call.
    pub(super) unsafe fn write(&self, index: usize, row: usize, values: &[T]) {
        // SAFETY: the caller's contract.
        unsafe { self.row(index, row, values.len()) }.copy_from_slice(values);
    }
}
