//! The micro-kernel: one tile of C, held in registers over a block of k.

use super::lanes::{Lanes, Wide};
use super::row::{COLS, DotsFn, dots};
use crate::cpu::simd::{InstructionSet, prefetch};

/// What one call of the micro-kernel works on. Rows, columns and vectors of the tile are fixed by the function called.
pub(crate) struct Tile<'a, E> {
    /// Length of the sum over one block of B.
    pub k: usize,
    /// Where each block of B begins, from `b` on: the sum goes through all of them, and A goes on from one to the next.
    pub blocks: &'a [usize],
    /// First element of A, and the steps to the next row and to the next k.
    pub a: *const E,
    pub a_row: usize,
    pub a_col: usize,
    /// What A skips between two blocks of B.
    pub a_skip: usize,
    /// First element of B and the step to the next k in a block. All vectors are read whole.
    pub b: *const E,
    pub b_row: usize,
    pub c: *mut E,
    pub c_row: usize,
    /// Columns that exist in the last vector, from 1 to the number of lanes.
    pub last: usize,
    /// Adds to C instead of overwriting it.
    pub add: bool,
    /// One value for each column (`bias_step` 1) or one for all of them (0), other ones for each row if `bias_row` is 1;
    /// null for none. It is added last.
    pub bias: *const E,
    pub bias_step: usize,
    /// To the next row's value.
    pub bias_row: usize,
    pub relu: bool,
}

/// A micro-kernel for tiles of one size.
///
/// # Safety
/// The processor has the instruction set that the function was compiled for, and the pointers of the tile are valid
/// for what their fields say.
pub(crate) type TileFn<E> = unsafe fn(&Tile<'_, E>);

/// Everything that depends on type and instruction set.
pub(crate) struct Kernels<E: 'static> {
    /// Columns of one vector.
    pub lanes: usize,
    /// `tiles[rows - 1][vectors - 1]`
    pub tiles: &'static [&'static [TileFn<E>]],
    /// The most rows of A in one block: with [`K_BLOCK`](super::Real::K_BLOCK) columns they fill half of the second-level cache of
    /// processors whose widest set this is: 512 KiB, 1 MiB with AVX-512 (2048 x 1152 x 384 on Zen 3: 77 and 84 GFLOP/s).
    pub m_block: usize,
    /// One row and eight vectors.
    pub row: TileFn<E>,
    pub dots: DotsFn<E>,
    pub transpose: TransposeFn<E>,
    /// Rows that `transpose` takes at a time.
    pub block: usize,
}

impl<E> Kernels<E> {
    /// Columns of the panels that a B of `cols` columns is cut into: those of the widest tiles, but two and two vectors for four, since a
    /// single one has too few sums of its own.
    pub fn width(&self, cols: usize) -> usize {
        let vectors = match cols.div_ceil(self.lanes) {
            4 => 2,
            _ => self.vectors(),
        };
        vectors * self.lanes
    }

    /// Vectors of the widest tiles.
    pub fn vectors(&self) -> usize {
        self.tiles[0].len()
    }
}

/// `dst[i + j·dst_row] = src[j + i·src_row]` for `i` below `rows` and `j` below `cols`. `dst_row` is at least `rows`
/// rounded up to [`Kernels::block`]; elements between the two may be overwritten with anything.
///
/// # Safety
/// As for [`TileFn`].
pub(crate) type TransposeFn<E> =
    unsafe fn(src: *const E, src_row: usize, dst: *mut E, dst_row: usize, rows: usize, cols: usize);

/// The accumulators are one chain of fused multiply-adds each, in the order of k, so an element's bits depend neither
/// on its place in a tile nor on the size of the tile.
#[inline(always)]
unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(t: &Tile<'_, V::E>) {
    // SAFETY: the caller vouches for the tile and the instruction set.
    unsafe {
        // C is not in the cache as a rule, and only so many stores may wait for it (256 x 784 x 64, nothing in the cache: 81 and 133 GFLOP/s).
        for i in 0..MR {
            for j in 0..NV {
                prefetch(t.c.wrapping_add(i * t.c_row + j * V::N));
            }
        }
        // The loop with the constant step saves a register for each row.
        let acc = if t.a_row == 1 {
            sum::<V, MR, NV>(t, 1)
        } else {
            sum::<V, MR, NV>(t, t.a_row)
        };
        if t.last < V::N {
            finish::<V, MR, NV, true>(t, acc);
        } else {
            finish::<V, MR, NV, false>(t, acc);
        }
    }
}

/// Writes the sums, with what is added to them; `PART` if the last vector has fewer columns than lanes. What is to be done is asked
/// once for the whole tile and not for each vector (32 x 256 x 64: 170 and 179 GFLOP/s).
#[inline(always)]
unsafe fn finish<V: Lanes, const MR: usize, const NV: usize, const PART: bool>(
    t: &Tile<'_, V::E>,
    mut acc: [[V; NV]; MR],
) {
    // SAFETY: the caller vouches for the tile and the instruction set.
    unsafe {
        if t.add {
            for (i, row) in acc.iter_mut().enumerate() {
                for (j, x) in row.iter_mut().enumerate() {
                    *x = x.add(load::<V, NV, PART>(t, t.c.add(i * t.c_row), j));
                }
            }
        }
        if !t.bias.is_null() {
            for (i, row) in acc.iter_mut().enumerate() {
                let bias = t.bias.add(i * t.bias_row);
                for (j, x) in row.iter_mut().enumerate() {
                    *x = x.add(if t.bias_step == 0 {
                        V::splat(bias)
                    } else {
                        load::<V, NV, PART>(t, bias, j)
                    });
                }
            }
        }
        if t.relu {
            for x in acc.as_flattened_mut() {
                *x = x.relu();
            }
        }
        for (i, row) in acc.into_iter().enumerate() {
            let c = t.c.add(i * t.c_row);
            for (j, x) in row.into_iter().enumerate() {
                if PART && j + 1 == NV {
                    x.store_part(c.add(j * V::N), t.last);
                } else {
                    x.store(c.add(j * V::N));
                }
            }
        }
    }
}

/// Vector `j` of a row of the tile at `p`. (A function for the reason given at [`step`].)
#[inline(always)]
unsafe fn load<V: Lanes, const NV: usize, const PART: bool>(
    t: &Tile<'_, V::E>,
    p: *const V::E,
    j: usize,
) -> V {
    // SAFETY: the caller vouches for the tile and the instruction set.
    unsafe {
        if PART && j + 1 == NV {
            V::load_part(p.add(j * V::N), t.last)
        } else {
            V::load(p.add(j * V::N))
        }
    }
}

#[inline(always)]
unsafe fn sum<V: Lanes, const MR: usize, const NV: usize>(
    t: &Tile<'_, V::E>,
    a_row: usize,
) -> [[V; NV]; MR] {
    // SAFETY: the caller vouches for the tile and the instruction set.
    unsafe {
        let mut acc = [[V::zero(); NV]; MR];
        let mut a = t.a;
        for block in t.blocks {
            let mut b = t.b.wrapping_add(*block);
            for _ in 0..t.k / 4 {
                for u in 0..4 {
                    step(
                        &mut acc,
                        a.wrapping_add(u * t.a_col),
                        a_row,
                        b.wrapping_add(u * t.b_row),
                    );
                }
                a = a.wrapping_add(4 * t.a_col);
                b = b.wrapping_add(4 * t.b_row);
            }
            for _ in 0..t.k % 4 {
                step(&mut acc, a, a_row, b);
                a = a.wrapping_add(t.a_col);
                b = b.wrapping_add(t.b_row);
            }
            a = a.wrapping_add(t.a_skip);
        }
        acc
    }
}

/// One k of all sums. (A function and not a closure: closures are not always inlined, and then lose the instruction set.)
#[inline(always)]
unsafe fn step<V: Lanes, const MR: usize, const NV: usize>(
    acc: &mut [[V; NV]; MR],
    a: *const V::E,
    a_row: usize,
    b: *const V::E,
) {
    // SAFETY: the caller vouches for the tile and the instruction set.
    unsafe {
        let mut column = [V::zero(); NV];
        for (j, x) in column.iter_mut().enumerate() {
            *x = V::load(b.add(j * V::N));
        }
        for (i, row) in acc.iter_mut().enumerate() {
            let x = V::splat(a.add(i * a_row));
            for (sum, y) in row.iter_mut().zip(column) {
                *sum = x.fma(y, *sum);
            }
        }
    }
}

/// Transposes square blocks of `N` through registers with `block`. Rows beyond the last are read as the last one, so
/// that only columns have an edge to be done one by one.
#[inline(always)]
unsafe fn transpose<V: Lanes, const N: usize>(
    src: *const V::E,
    src_row: usize,
    dst: *mut V::E,
    dst_row: usize,
    rows: usize,
    cols: usize,
    block: impl Fn([*const V::E; N]) -> [V; N],
) {
    // SAFETY: rows are clamped and columns kept below their number; `dst_row` leaves room for whole blocks of rows.
    unsafe {
        for i in (0..rows).step_by(N) {
            // Loops and not `map`: a closure with an instruction set is not inlined into the library's functions.
            let mut from = [src; N];
            for (u, p) in from.iter_mut().enumerate() {
                *p = src.add((i + u).min(rows - 1) * src_row);
            }
            for j in (0..cols - cols % N).step_by(N) {
                for (u, column) in block(from).into_iter().enumerate() {
                    column.store(dst.add(i + (j + u) * dst_row));
                }
                for p in &mut from {
                    *p = p.wrapping_add(N);
                }
            }
            for j in cols - cols % N..cols {
                for (u, p) in from.iter_mut().enumerate() {
                    dst.add(i + u + j * dst_row).write(p.read());
                    *p = p.wrapping_add(1);
                }
            }
        }
    }
}

/// The tiles of `$mr` rows and up to `$vectors` vectors.
macro_rules! widths {
    ($E:ty, $mr:literal, 2) => {
        &[run::<$mr, 1> as TileFn<$E>, run::<$mr, 2>]
    };
    ($E:ty, $mr:literal, 3) => {
        &[run::<$mr, 1> as TileFn<$E>, run::<$mr, 2>, run::<$mr, 3>]
    };
}

macro_rules! kernels {
    ($name:ident, $E:ty, $V:ty, $(#[$feature:meta])? $block:literal, $T:ty, $transpose_block:expr, [$($mr:literal)*], $vectors:tt, $m_block:literal) => {
        pub(super) static $name: Kernels<$E> = {
            // SAFETY: the caller runs it only on a processor that has the instruction set.
            $(#[$feature])?
            unsafe fn run<const MR: usize, const NV: usize>(t: &Tile<'_, $E>) {
                // SAFETY: the caller's contract.
                unsafe { tile::<$V, MR, NV>(t) }
            }
            $(#[$feature])?
            unsafe fn turn(src: *const $E, src_row: usize, dst: *mut $E, dst_row: usize, rows: usize, cols: usize) {
                // SAFETY: the caller's contract.
                unsafe {
                    transpose::<$T, $block>(src, src_row, dst, dst_row, rows, cols, |s| $transpose_block(s));
                }
            }
            $(#[$feature])?
            unsafe fn dot(
                k: usize,
                a: *const $E,
                b: *const $E,
                b_col: usize,
                ahead: bool,
                sums: &mut [$E; COLS],
            ) {
                // SAFETY: the caller's contract.
                unsafe {
                    dots::<$T, $block, { COLS / $block }>(k, a, b, b_col, ahead, sums, |s| $transpose_block(s));
                }
            }
            Kernels {
                lanes: <$V as Lanes>::N,
                tiles: &[$(widths!($E, $mr, $vectors)),*],
                m_block: $m_block,
                row: run::<1, 8>,
                dots: dot,
                transpose: turn,
                block: $block,
            }
        };
    };
}

/// One element: the portable kernels transpose without registers.
unsafe fn single<V: Lanes>([src]: [*const V::E; 1]) -> [V; 1] {
    // SAFETY: the caller vouches for one element.
    [unsafe { V::load(src) }]
}

kernels!(PORTABLE_F32, f32, Wide<f32, 4>, 1, Wide<f32, 1>, single, [1 2 3 4 5 6], 2, 144);
kernels!(PORTABLE_F64, f64, Wide<f64, 2>, 1, Wide<f64, 1>, single, [1 2 3 4 5 6], 2, 144);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{COLS, Kernels, Lanes, Tile, TileFn, dots, tile, transpose};
    use std::arch::x86_64::*;

    /// 8 × 8 in registers: halves of two rows are put together on the way from memory, which leaves only shuffles inside of
    /// halves, of which processors do more at a time than of those across.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block8(src: [*const f32; 8]) -> [__m256; 8] {
        // SAFETY: the caller vouches for 8 elements at each pointer.
        unsafe {
            let mut columns = [_mm256_setzero_ps(); 8];
            for half in [0, 4] {
                let mut r = [_mm256_setzero_ps(); 4];
                for (i, r) in r.iter_mut().enumerate() {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(src[i].add(half)));
                    *r = _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(src[i + 4].add(half)));
                }
                let (a, b) = (
                    _mm256_unpacklo_ps(r[0], r[1]),
                    _mm256_unpackhi_ps(r[0], r[1]),
                );
                let (c, d) = (
                    _mm256_unpacklo_ps(r[2], r[3]),
                    _mm256_unpackhi_ps(r[2], r[3]),
                );
                columns[half] = _mm256_shuffle_ps::<0x44>(a, c);
                columns[half + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                columns[half + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                columns[half + 3] = _mm256_shuffle_ps::<0xee>(b, d);
            }
            columns
        }
    }

    /// 4 × 4 in registers.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block4(src: [*const f64; 4]) -> [__m256d; 4] {
        // SAFETY: the caller vouches for 4 elements at each pointer.
        unsafe {
            let mut r = [_mm256_setzero_pd(); 4];
            for (r, p) in r.iter_mut().zip(src) {
                *r = _mm256_loadu_pd(p);
            }
            let (a, b) = (
                _mm256_unpacklo_pd(r[0], r[1]),
                _mm256_unpackhi_pd(r[0], r[1]),
            );
            let (c, d) = (
                _mm256_unpacklo_pd(r[2], r[3]),
                _mm256_unpackhi_pd(r[2], r[3]),
            );
            [
                _mm256_permute2f128_pd::<0x20>(a, c),
                _mm256_permute2f128_pd::<0x20>(b, d),
                _mm256_permute2f128_pd::<0x31>(a, c),
                _mm256_permute2f128_pd::<0x31>(b, d),
            ]
        }
    }

    // 6 × 2 vectors: 12 sums, 2 columns and 1 broadcast in 16 registers.
    kernels!(AVX2_F32, f32, __m256, #[target_feature(enable = "avx2,fma")] 8, __m256, block8, [1 2 3 4 5 6], 2, 144);
    kernels!(AVX2_F64, f64, __m256d, #[target_feature(enable = "avx2,fma")] 4, __m256d, block4, [1 2 3 4 5 6], 2, 144);
    // 8 × 3 vectors: 24 sums, 3 columns and broadcasts in 32 registers, and few enough rows to address them from few registers. (14 × 2,
    // alone in the cache: 204 GFLOP/s, these 222, of a peak of 227. On the 16 registers of AVX2 4 × 3 spills: 70 and 110 for 6 × 2.)
    kernels!(AVX512_F32, f32, __m512, #[target_feature(enable = "avx512f,avx512vl,avx2,fma")] 8, __m256, block8,
        [1 2 3 4 5 6 7 8], 3, 280);
    kernels!(AVX512_F64, f64, __m512d, #[target_feature(enable = "avx512f,avx512vl,avx2,fma")] 4, __m256d, block4,
        [1 2 3 4 5 6 7 8], 3, 280);
}

macro_rules! choose {
    ($name:ident, $E:ty, $portable:ident, $avx2:ident, $avx512:ident) => {
        /// The kernels for `set`, which the processor must have.
        pub(super) fn $name(set: InstructionSet) -> &'static Kernels<$E> {
            #[cfg(target_arch = "x86_64")]
            match set {
                InstructionSet::Avx512 => return &x86::$avx512,
                InstructionSet::Avx2 => return &x86::$avx2,
                InstructionSet::Portable => {}
            }
            let _ = set;
            &$portable
        }
    };
}
choose!(f32_kernels, f32, PORTABLE_F32, AVX2_F32, AVX512_F32);
choose!(f64_kernels, f64, PORTABLE_F64, AVX2_F64, AVX512_F64);
