//! The weights of a product that is made once or many times.

use crate::cpu::gemm::PackedB;
use crate::cpu::gemm::{
    Epilogue, Mat, Real, WideB, gemm, gemm_at, gemm_bands, gemm_packed_at, gemm_wide,
};

/// A matrix that rows are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a, T> {
    /// Where it is: read once, it is copied panel by panel if at all.
    Plain(Mat<'a, T>),
    /// For many products.
    Packed(PackedB<'a, T>),
    /// For many products of one row.
    Wide(WideB<'a, T>),
}

impl<T: Real> Factor<'_, T> {
    /// Calls `f` with `b`, packed if it has more than one use.
    pub(super) fn with<R>(b: Mat<'_, T>, uses: usize, f: impl FnOnce(Factor<'_, T>) -> R) -> R {
        if uses > 1 {
            PackedB::with(b, |b| f(Factor::Packed(b)))
        } else {
            f(Factor::Plain(b))
        }
    }

    /// [`Factor::with`] for products of at most `rows` rows, which are made by [`Factor::multiply`].
    pub(super) fn with_rows<R>(
        b: Mat<'_, T>,
        rows: usize,
        uses: usize,
        f: impl FnOnce(Factor<'_, T>) -> R,
    ) -> R {
        if rows == 1 && uses > 1 {
            WideB::with(b, |b| f(Factor::Wide(b)))
        } else {
            Factor::with(b, uses, f)
        }
    }

    /// The same matrix, read from its end where that is a choice ([`WideB::backwards`]).
    pub(super) fn backwards(self, backwards: bool) -> Self {
        match self {
            Factor::Wide(b) => Factor::Wide(b.backwards(backwards)),
            other => other,
        }
    }

    /// `C = A·B [+ C]`, on this thread if the matrix is packed.
    ///
    /// # Panics
    /// If C is too small.
    pub(super) fn multiply(self, a: Mat<'_, T>, c: &mut [T], c_stride: usize, accumulate: bool) {
        let (rows, _) = a.size();
        match self {
            Factor::Plain(b) => {
                let epilogue = Epilogue {
                    accumulate,
                    ..Epilogue::default()
                };
                gemm(a, b, c, c_stride, epilogue);
            }
            Factor::Packed(b) => {
                let last = rows.saturating_sub(1) * c_stride + b.cols();
                assert!(rows == 0 || last <= c.len(), "C is too small");
                let c = c.as_mut_ptr();
                // SAFETY: C holds all rows, and nobody else has it.
                unsafe { gemm_bands(1, |_| (a, c), b, c_stride, None, accumulate) };
            }
            Factor::Wide(_) if rows == 0 => {}
            Factor::Wide(b) => gemm_wide(a, b, c, accumulate),
        }
    }

    /// The product with a C given by its first element.
    ///
    /// # Safety
    /// As for [`gemm_packed_at`].
    pub(super) unsafe fn multiply_at(
        self,
        a: Mat<'_, T>,
        c: *mut T,
        c_stride: usize,
        epilogue: Epilogue<'_, T>,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            match self {
                Factor::Plain(b) => gemm_at(a, b, c, c_stride, epilogue),
                Factor::Packed(b) => gemm_packed_at(a, b, c, c_stride, epilogue),
                Factor::Wide(_) => unreachable!("made by with_rows, for multiply"),
            }
        }
    }

    /// Several products, as by [`gemm_bands`].
    ///
    /// # Safety
    /// As for [`gemm_bands`].
    pub(super) unsafe fn bands<'b>(
        self,
        count: usize,
        band: impl Fn(usize) -> (Mat<'b, T>, *mut T),
        c_stride: usize,
        bias: Option<&[T]>,
        accumulate: bool,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            if let Factor::Packed(b) = self {
                return gemm_bands(count, band, b, c_stride, bias, accumulate);
            }
            for i in 0..count {
                let (a, c) = band(i);
                let epilogue = Epilogue {
                    accumulate,
                    bias,
                    ..Epilogue::default()
                };
                self.multiply_at(a, c, c_stride, epilogue);
            }
        }
    }
}
