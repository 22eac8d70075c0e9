//! One row times a transposed matrix: what a fully connected layer is for a single sample, such as a token.
//!
//! Each element of B is needed once, so the time is that of reading B. Its columns stand one after the other, and 16 of
//! them are read side by side, a vector of each at a time, which are transposed on the way: every sum is the same
//! chain over k as in the other kernels.

use super::lanes::Lanes;
use super::walk::Out;
use super::{Act, Mat, Real, k_blocks};
use crate::cpu::simd::{LINE, prefetch};
use crate::cpu::threads::{grain, parallel, part, threads};
use std::sync::atomic::{Ordering, compiler_fence};

/// Columns of the product that are made side by side: two chains of fused multiply-adds in flight with vectors of eight, and so
/// few places to read from that the next ones can be asked for in time (with 32 columns and without asking: 0.6 of the speed
/// where B comes from memory).
pub(super) const COLS: usize = 16;

/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = grain::ROW;

/// A B of more bytes is asked for ahead: it comes from memory or a far cache. From a near one, asking costs more than it
/// saves (784 × 256 and 256 × 128 in turn, Zen 3: 24 µs without, 28 to 40 with).
const FAR: usize = 1 << 20;

/// `sums[j] = Σ a[p]·b[p + j·b_col]` over `p` below `k`, in order, for `j` below [`COLS`]. With `ahead`, what stands `b_col·COLS`
/// elements further on is fetched into the cache.
///
/// # Safety
/// The processor has the instruction set that the function was compiled for, and the pointers are valid for what is read.
pub(super) type DotsFn<E> =
    unsafe fn(k: usize, a: *const E, b: *const E, b_col: usize, ahead: bool, sums: &mut [E; COLS]);

/// The same in `G` groups of `N` columns, of which `block` transposes `N` elements each.
///
/// # Safety
/// As for [`DotsFn`].
#[inline(always)]
pub(super) unsafe fn dots<V: Lanes, const N: usize, const G: usize>(
    k: usize,
    a: *const V::E,
    b: *const V::E,
    b_col: usize,
    ahead: bool,
    sums: &mut [V::E; COLS],
    block: impl Fn([*const V::E; N]) -> [V; N],
) {
    const { assert!(V::N == N && N * G == COLS) };
    // SAFETY: the caller's contract; k stays below its number.
    unsafe {
        let mut acc = [V::zero(); G];
        let whole = k - k % N;
        for p in (0..whole).step_by(N) {
            for (g, sum) in acc.iter_mut().enumerate() {
                let src = b.wrapping_add(N * g * b_col + p);
                let mut from = [src; N];
                for (u, from) in from.iter_mut().enumerate() {
                    *from = src.wrapping_add(u * b_col);
                    if ahead && p % (LINE / size_of::<V::E>()) == 0 {
                        prefetch(from.wrapping_add(COLS * b_col));
                    }
                }
                for (u, y) in block(from).into_iter().enumerate() {
                    *sum = V::splat(a.add(p + u)).fma(y, *sum);
                }
                // No instruction. The compiler would load all groups first and spill them.
                compiler_fence(Ordering::SeqCst);
            }
        }
        for p in whole..k {
            for (g, sum) in acc.iter_mut().enumerate() {
                let mut row = [b.read(); N];
                for (u, x) in row.iter_mut().enumerate() {
                    *x = b.wrapping_add((N * g + u) * b_col + p).read();
                }
                *sum = V::splat(a.add(p)).fma(V::load(row.as_ptr()), *sum);
            }
        }
        for (g, sum) in acc.into_iter().enumerate() {
            sum.store(sums.as_mut_ptr().add(N * g));
        }
    }
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
    let ahead = size_of::<T>() * b.rows * b.cols > FAR;
    // SAFETY: these columns of C exist, and are this call's alone.
    let c = unsafe { std::slice::from_raw_parts_mut(out.c.get().add(first), count) };
    for k in k_blocks::<T>(a.cols) {
        let mut sums = [T::default(); COLS];
        // SAFETY: the caller's contract.
        unsafe {
            let row = a.data.as_ptr().add(k.start);
            let b_at = b.data.as_ptr().add(k.start + first * b.col_stride);
            if count == COLS {
                dots(k.len(), row, b_at, b.col_stride, ahead, &mut sums);
            } else if b.cols >= COLS {
                // The last columns of all, with some before them.
                let b_at = b_at.sub((COLS - count) * b.col_stride);
                dots(k.len(), row, b_at, b.col_stride, ahead, &mut sums);
                sums.copy_within(COLS - count.., 0);
            } else {
                // The last columns, one at a time: all places that are read are the same.
                for (j, sum) in sums[..count].iter_mut().enumerate() {
                    let mut same = [T::default(); COLS];
                    dots(
                        k.len(),
                        row,
                        b_at.add(j * b.col_stride),
                        0,
                        false,
                        &mut same,
                    );
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

#[cfg(test)]
mod tests {
    use super::super::{Act, Epilogue, Mat, Real, gemm};
    use crate::cpu::simd::for_each_set;
    use crate::cpu::threads::with_threads;

    /// Any numbers, of both signs.
    fn numbers<T: Real>(len: usize) -> Vec<T> {
        let number = |i: usize| T::lit(((i * 7919 + 13) % 1009) as f64 / 500.0 - 1.0);
        (0..len).map(number).collect()
    }

    fn check<T: Real>(n: usize, k: usize, most_threads: usize) {
        let (a, b, bias) = (numbers::<T>(3 * k), numbers::<T>(n * k), numbers::<T>(n));
        let (a, b) = (Mat::new(&a, 3, k), Mat::new(&b, n, k).t());
        for case in 0..8 {
            let epilogue = Epilogue {
                accumulate: case & 1 == 1,
                bias: (case & 2 == 2).then_some(&bias[..]),
                act: if case & 4 == 4 { Act::Relu } else { Act::None },
                map: (case == 5)
                    .then_some(|row| row.iter_mut().for_each(|x| *x = *x + T::lit(1.0))),
                ..Epilogue::default()
            };
            let mut whole = numbers::<T>(3 * n);
            gemm(a, b, &mut whole, n, epilogue);
            for threads in 1..=most_threads {
                let mut rows = numbers::<T>(3 * n);
                for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                    with_threads(threads, || gemm(a.rows(i..i + 1), b, row, n, epilogue));
                }
                // Debug formatting tells zeros of both signs apart, and shortest digits are one number's only.
                let bits = |x: &[T]| format!("{x:?}");
                assert!(
                    bits(&rows) == bits(&whole),
                    "{n} x {k}, case {case}, {threads} threads"
                );
            }
        }
    }

    #[test]
    fn one_row_has_the_bits_of_many() {
        for (n, k) in [(40, 1100), (16, 8), (17, 513), (5, 3), (300, 128)] {
            check::<f32>(n, k, 3);
            check::<f64>(n, k, 3);
            // Workers would take the widest set.
            for_each_set(|_| {
                check::<f32>(n, k, 1);
                check::<f64>(n, k, 1);
            });
        }
    }
}
