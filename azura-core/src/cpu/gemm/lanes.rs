//! The vectors that the micro-kernel is written in: one trait, one implementation for each instruction set and type.

/// A register of `N` numbers.
///
/// # Safety
/// Every method is to be inlined into a function that enables the instruction set of the implementation, and pointers
/// are valid for the lanes that the method names; no alignment is needed.
pub(in crate::cpu) trait Lanes: Copy {
    type E: Copy;
    const N: usize;
    unsafe fn zero() -> Self;
    /// The number at `p` in every lane.
    unsafe fn splat(p: *const Self::E) -> Self;
    unsafe fn load(p: *const Self::E) -> Self;
    /// The first `n` lanes; the others are 0 and their memory is not touched.
    unsafe fn load_part(p: *const Self::E, n: usize) -> Self;
    unsafe fn store(self, p: *mut Self::E);
    /// Stores the first `n` lanes; the memory of the others is not touched.
    unsafe fn store_part(self, p: *mut Self::E, n: usize);
    /// `self · b + c`, rounded once where the target has such an instruction.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// 0 where a lane is below 0, the lane itself (NaN too) elsewhere.
    unsafe fn relu(self) -> Self;
}

/// Vectors as arrays, for every target. On x86 without FMA a fused operation is a slow library call, so it is
/// two rounded ones there; elsewhere it is one.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Wide<E, const N: usize>([E; N]);

macro_rules! wide {
    ($E:ty) => {
        // SAFETY (of the accesses below): the contract of the trait.
        impl<const L: usize> Lanes for Wide<$E, L> {
            type E = $E;
            const N: usize = L;
            #[inline(always)]
            unsafe fn zero() -> Self {
                Wide([0.0; L])
            }
            #[inline(always)]
            unsafe fn splat(p: *const $E) -> Self {
                // SAFETY: the caller vouches for one element.
                Wide([unsafe { p.read() }; L])
            }
            #[inline(always)]
            unsafe fn load(p: *const $E) -> Self {
                // SAFETY: the caller vouches for `L` elements; an array has the alignment of its element.
                Wide(unsafe { p.cast::<[$E; L]>().read() })
            }
            #[inline(always)]
            unsafe fn load_part(p: *const $E, n: usize) -> Self {
                let mut lanes = [0.0; L];
                for (i, x) in lanes.iter_mut().enumerate().take(n) {
                    // SAFETY: only the first `n` elements are read, which the caller vouches for.
                    *x = unsafe { p.add(i).read() };
                }
                Wide(lanes)
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $E) {
                // SAFETY: as in `load`.
                unsafe { p.cast::<[$E; L]>().write(self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, p: *mut $E, n: usize) {
                for (i, x) in self.0.into_iter().enumerate().take(n) {
                    // SAFETY: as in `load_part`.
                    unsafe { p.add(i).write(x) }
                }
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                Wide(std::array::from_fn(|i| {
                    if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
                        self.0[i] * b.0[i] + c.0[i]
                    } else {
                        self.0[i].mul_add(b.0[i], c.0[i])
                    }
                }))
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                Wide(std::array::from_fn(|i| self.0[i] + b.0[i]))
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                Wide(self.0.map(|x| if 0.0 > x { 0.0 } else { x }))
            }
        }
    };
}
wide!(f32);
wide!(f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    macro_rules! avx512 {
        ($V:ty, $E:ty, $N:literal, $mask:ty, $zero:ident, $set1:ident, $load:ident, $load_part:ident, $store:ident,
         $store_part:ident, $fma:ident, $add:ident, $max:ident) => {
            impl Lanes for $V {
                type E = $E;
                const N: usize = $N;
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller runs where the instruction set is enabled (so in every method here).
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(p: *const $E) -> Self {
                    // SAFETY: the caller vouches for one element.
                    unsafe { $set1(p.read()) }
                }
                #[inline(always)]
                unsafe fn load(p: *const $E) -> Self {
                    // SAFETY: the caller vouches for all lanes.
                    unsafe { $load(p) }
                }
                #[inline(always)]
                unsafe fn load_part(p: *const $E, n: usize) -> Self {
                    // SAFETY: masked lanes are not accessed.
                    unsafe { $load_part(((1u32 << n) - 1) as $mask, p) }
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut $E) {
                    // SAFETY: the caller vouches for all lanes.
                    unsafe { $store(p, self) }
                }
                #[inline(always)]
                unsafe fn store_part(self, p: *mut $E, n: usize) {
                    // SAFETY: masked lanes are not accessed.
                    unsafe { $store_part(p, ((1u32 << n) - 1) as $mask, self) }
                }
                #[inline(always)]
                unsafe fn fma(self, b: Self, c: Self) -> Self {
                    // SAFETY: see `zero`.
                    unsafe { $fma(self, b, c) }
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: see `zero`.
                    unsafe { $add(self, b) }
                }
                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // SAFETY: see `zero`. The second operand is the result if either is NaN.
                    unsafe { $max($zero(), self) }
                }
            }
        };
    }
    avx512!(
        __m512,
        f32,
        16,
        __mmask16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_maskz_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mask_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_max_ps
    );
    avx512!(
        __m512d,
        f64,
        8,
        __mmask8,
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_maskz_loadu_pd,
        _mm512_storeu_pd,
        _mm512_mask_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_max_pd
    );

    macro_rules! avx2 {
        ($V:ty, $E:ty, $N:literal, $zero:ident, $set1:ident, $load:ident, $store:ident, $fma:ident, $add:ident,
         $max:ident) => {
            impl Lanes for $V {
                type E = $E;
                const N: usize = $N;
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller runs where the instruction set is enabled (so in every method here).
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(p: *const $E) -> Self {
                    // SAFETY: the caller vouches for one element.
                    unsafe { $set1(p.read()) }
                }
                #[inline(always)]
                unsafe fn load(p: *const $E) -> Self {
                    // SAFETY: the caller vouches for all lanes.
                    unsafe { $load(p) }
                }
                #[inline(always)]
                unsafe fn load_part(p: *const $E, n: usize) -> Self {
                    let mut lanes = [0.0; $N];
                    for (i, x) in lanes.iter_mut().enumerate().take(n) {
                        // SAFETY: only the first `n` elements are read, which the caller vouches for.
                        *x = unsafe { p.add(i).read() };
                    }
                    // SAFETY: the array holds all lanes.
                    unsafe { $load(lanes.as_ptr()) }
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut $E) {
                    // SAFETY: the caller vouches for all lanes.
                    unsafe { $store(p, self) }
                }
                #[inline(always)]
                unsafe fn store_part(self, p: *mut $E, n: usize) {
                    // Masked stores take some twenty cycles on several AMD processors; the edge goes through memory.
                    let mut lanes = [0.0; $N];
                    // SAFETY: the array holds all lanes, and only the first `n` elements of `p` are written.
                    unsafe {
                        $store(lanes.as_mut_ptr(), self);
                        std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
                    }
                }
                #[inline(always)]
                unsafe fn fma(self, b: Self, c: Self) -> Self {
                    // SAFETY: see `zero`.
                    unsafe { $fma(self, b, c) }
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: see `zero`.
                    unsafe { $add(self, b) }
                }
                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // SAFETY: see `zero`. The second operand is the result if either is NaN.
                    unsafe { $max($zero(), self) }
                }
            }
        };
    }
    avx2!(
        __m256,
        f32,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_max_ps
    );
    avx2!(
        __m256d,
        f64,
        4,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_max_pd
    );
}
