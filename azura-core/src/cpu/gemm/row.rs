//! One row times a transposed matrix: what a fully connected layer is for a single sample, such as a token.
//!
//! Each element of B is needed once, so the time is that of reading B. Its rows stand one after the other, and 16 of
//! them are read side by side, eight numbers of each at a time, which are transposed on the way: every sum is the same
//! chain over k as in the other kernels.

use super::walk::Out;
use super::{Act, Mat, Real, k_blocks};
use crate::cpu::simd::InstructionSet;
use crate::cpu::threads::{grain, parallel, part, threads};

/// Columns of the product that are made side by side: two chains of fused multiply-adds in flight, and so few places
/// to read from that the next ones can be asked for in time (with 32 columns and without asking: 0.6 of the speed where B
/// comes from memory).
const COLS: usize = 16;

/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = grain::ROW;

/// `sums[j] = Σ a[p]·b[p + j·b_col]` over `p` below `k`, in order, for `j` below [`COLS`]. What `b_col·COLS` elements further on
/// stands may be fetched into the cache.
///
/// # Safety
/// The processor has the instruction set, and the pointers are valid for what is read and written.
pub(crate) type DotsFn<E> =
    unsafe fn(k: usize, a: *const E, b: *const E, b_col: usize, sums: &mut [E; COLS]);

/// The kernel for `set`, if there is one.
pub(super) fn f32_dots(set: InstructionSet) -> Option<DotsFn<f32>> {
    #[cfg(target_arch = "x86_64")]
    if set != InstructionSet::Portable {
        return Some(x86::dots);
    }
    let _ = set;
    None
}

/// Makes all of C, which is one row.
///
/// # Safety
/// `a` is one row whose elements stand side by side, `b` has neighbours of a column side by side, as many rows as `a` has
/// columns, and at least one; C is valid for as many elements as `b` has columns, and nobody else accesses it; the processor
/// has the instruction set of `dots`.
pub(super) unsafe fn run<T: Real>(dots: DotsFn<T>, a: Mat<'_, T>, b: Mat<'_, T>, out: &Out<'_, T>) {
    let n = b.cols;
    let units = n.div_ceil(COLS);
    let parts = threads().min(n * a.cols / PART_WORK).clamp(1, units);
    parallel(parts, |i| {
        let units = part(units, parts, i);
        for j in (units.start * COLS..(units.end * COLS).min(n)).step_by(COLS) {
            // SAFETY: the caller's contract; parts are disjoint columns of C.
            unsafe { columns(dots, a, b, j, COLS.min(n - j), out) };
        }
    });
}

/// Columns `first..first + count` of C.
///
/// # Safety
/// As for [`run`].
unsafe fn columns<T: Real>(
    dots: DotsFn<T>,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    first: usize,
    count: usize,
    out: &Out<'_, T>,
) {
    let epilogue = &out.epilogue;
    // SAFETY: these columns of C exist, and are this call's alone.
    let c = unsafe { std::slice::from_raw_parts_mut(out.c.get().add(first), count) };
    for k in k_blocks::<T>(a.cols) {
        let mut sums = [T::default(); COLS];
        // SAFETY: the caller's contract.
        unsafe {
            let row = a.data.as_ptr().add(k.start);
            let b_at = b.data.as_ptr().add(k.start + first * b.col_stride);
            if count == COLS {
                dots(k.len(), row, b_at, b.col_stride, &mut sums);
            } else {
                // The last columns, one at a time: all places that are read are the same.
                for (j, sum) in sums[..count].iter_mut().enumerate() {
                    let mut same = [T::default(); COLS];
                    dots(k.len(), row, b_at.add(j * b.col_stride), 0, &mut same);
                    *sum = same[0];
                }
            }
        }
        if k.start > 0 || epilogue.accumulate {
            for (sum, &c) in sums.iter_mut().zip(&*c) {
                *sum = *sum + c;
            }
        }
        c.copy_from_slice(&sums[..count]);
    }
    if let Some(bias) = epilogue.bias {
        let step = out.bias_steps[0];
        for (j, c) in c.iter_mut().enumerate() {
            *c = *c + bias[(first + j) * step];
        }
    }
    if matches!(epilogue.act, Act::Relu) {
        let zero = T::default();
        for c in c.iter_mut() {
            *c = zero.gt_select(*c, zero, *c);
        }
    }
    if let Some(map) = epilogue.map {
        map(c);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::COLS;
    use std::arch::x86_64::*;
    use std::sync::atomic::{Ordering, compiler_fence};

    /// 8 × 8 in registers. Halves of rows four apart are put together by the loads, which takes the place of the last of
    /// three rounds of shuffles.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn turned(src: *const f32, step: usize) -> [__m256; 8] {
        let mut columns = [_mm256_setzero_ps(); 8];
        for half in 0..2 {
            let mut r = [_mm256_setzero_ps(); 4];
            for (i, r) in r.iter_mut().enumerate() {
                // SAFETY: the caller vouches for 8 elements of each of 8 rows.
                unsafe {
                    let low = _mm_loadu_ps(src.add(i * step + 4 * half));
                    let high = _mm_loadu_ps(src.add((i + 4) * step + 4 * half));
                    *r = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                }
            }
            let (a, b) = (
                _mm256_unpacklo_ps(r[0], r[1]),
                _mm256_unpackhi_ps(r[0], r[1]),
            );
            let (c, d) = (
                _mm256_unpacklo_ps(r[2], r[3]),
                _mm256_unpackhi_ps(r[2], r[3]),
            );
            columns[4 * half] = _mm256_shuffle_ps::<0x44>(a, c);
            columns[4 * half + 1] = _mm256_shuffle_ps::<0xee>(a, c);
            columns[4 * half + 2] = _mm256_shuffle_ps::<0x44>(b, d);
            columns[4 * half + 3] = _mm256_shuffle_ps::<0xee>(b, d);
        }
        columns
    }

    /// [`super::DotsFn`] of f32.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn dots(
        k: usize,
        a: *const f32,
        b: *const f32,
        b_col: usize,
        sums: &mut [f32; COLS],
    ) {
        let mut acc = [_mm256_setzero_ps(); 2];
        let whole = k - k % 8;
        for p in (0..whole).step_by(8) {
            for (g, sum) in acc.iter_mut().enumerate() {
                let src = b.wrapping_add(8 * g * b_col + p);
                if p % 16 == 0 {
                    for u in 0..8 {
                        let next = src.wrapping_add((COLS + u) * b_col);
                        _mm_prefetch::<_MM_HINT_T0>(next.cast());
                    }
                }
                // SAFETY: the caller vouches for `k` elements of each column of B and of A.
                unsafe {
                    for (u, y) in turned(src, b_col).into_iter().enumerate() {
                        *sum = _mm256_fmadd_ps(_mm256_set1_ps(*a.add(p + u)), y, *sum);
                    }
                }
                // No instruction. The compiler would load both groups first and spill them.
                compiler_fence(Ordering::SeqCst);
            }
        }
        for (sums, acc) in sums.chunks_exact_mut(8).zip(acc) {
            // SAFETY: eight elements.
            unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), acc) };
        }
        for p in whole..k {
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                *sum = unsafe { f32::mul_add(*a.add(p), *b.add(p + j * b_col), *sum) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Epilogue, Mat, gemm};
    use crate::cpu::threads::with_threads;

    /// Any numbers, of both signs.
    fn numbers(len: usize) -> Vec<f32> {
        let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 500.0 - 1.0;
        (0..len).map(number).collect()
    }

    #[test]
    fn one_row_has_the_bits_of_many() {
        for (n, k) in [(40, 1100), (16, 8), (17, 513), (5, 3), (300, 128)] {
            let (a, b, bias) = (numbers(3 * k), numbers(n * k), numbers(n));
            let (a, b) = (Mat::new(&a, 3, k), Mat::new(&b, n, k).t());
            for case in 0..8 {
                let epilogue = Epilogue {
                    accumulate: case & 1 == 1,
                    bias: (case & 2 == 2).then_some(&bias[..]),
                    act: if case & 4 == 4 { Act::Relu } else { Act::None },
                    map: (case == 5).then_some(|row| row.iter_mut().for_each(|x| *x += 1.0)),
                    ..Epilogue::default()
                };
                let mut whole = numbers(3 * n);
                gemm(a, b, &mut whole, n, epilogue);
                for threads in 1..=3 {
                    let mut rows = numbers(3 * n);
                    for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                        with_threads(threads, || gemm(a.rows(i..i + 1), b, row, n, epilogue));
                    }
                    let same = rows
                        .iter()
                        .zip(&whole)
                        .all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(same, "{n} x {k}, case {case}, {threads} threads");
                }
            }
        }
    }
}
