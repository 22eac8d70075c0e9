//! Order along rows.
//!
//! A number is mapped to an unsigned key that sorts as it does, with NaN above everything and -0 equal
//! to 0; key and position are packed into one integer, so that the sort moves plain integers, is
//! stable without an effort, and gives the same order on every machine.

use super::threads::for_rows;
use crate::Element;

/// Sorting costs about 20 ns an element: a thread should get more than 20 µs of it.
const GRAIN: usize = super::threads::grain::SORT;

/// A number type that can be sorted.
pub(crate) trait Key: Element {
    /// Bits of [`Key::key`] that are used.
    const BITS: u32;
    /// Unsigned, in the order of the numbers.
    fn key(self) -> u64;
}

macro_rules! float_key {
    ($ty:ty, $bits:ty, $width:literal) => {
        impl Key for $ty {
            const BITS: u32 = $width;
            #[inline(always)]
            fn key(self) -> u64 {
                if self.is_nan() {
                    return u64::from(<$bits>::MAX);
                }
                // Adding 0 turns -0 into 0. Negative numbers go down as their bits go up.
                let bits = (self + 0.0).to_bits();
                let sign = 1 << ($width - 1);
                u64::from(if bits & sign == 0 { bits | sign } else { !bits })
            }
        }
    };
}
float_key!(f32, u32, 32);
float_key!(f64, u64, 64);

impl Key for i64 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn key(self) -> u64 {
        (self as u64) ^ (1 << 63)
    }
}

impl Key for u32 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn key(self) -> u64 {
        u64::from(self)
    }
}

impl Key for bool {
    const BITS: u32 = 32;
    #[inline(always)]
    fn key(self) -> u64 {
        u64::from(self)
    }
}

/// What order is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub descending: bool,
    /// Whether the `k` first are themselves in order.
    pub sorted: bool,
}

/// `out[o, j]` = the position in row `o` of its `j`th element in order, for `j < k`; of equal elements
/// the first comes first.
pub(crate) fn order<T: Key>(x: &[T], n: usize, k: usize, how: Order, out: &mut [i64]) {
    if k == 0 || out.is_empty() {
        return;
    }
    for_rows(out, k, (GRAIN / n).max(1), |first, out| {
        // Reused for each row.
        let (mut narrow, mut wide) = (Vec::<u64>::new(), Vec::<u128>::new());
        for (o, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &x[(first + o) * n..(first + o + 1) * n];
            let keys = row.iter().map(|x| {
                let key = x.key();
                if how.descending { !key } else { key }
            });
            if T::BITS == 32 && u32::try_from(n).is_ok() {
                narrow.clear();
                narrow.extend(keys.zip(0u64..).map(|(key, i)| key << 32 | i));
                take(&mut narrow, k, how.sorted);
                for (out, packed) in out.iter_mut().zip(&narrow) {
                    *out = i64::from(*packed as u32);
                }
            } else {
                wide.clear();
                wide.extend(keys.zip(0u128..).map(|(key, i)| u128::from(key) << 64 | i));
                take(&mut wide, k, how.sorted);
                for (out, packed) in out.iter_mut().zip(&wide) {
                    *out = *packed as u64 as i64;
                }
            }
        }
    });
}

/// Brings the `k` smallest to the front.
fn take<P: Ord>(packed: &mut [P], k: usize, sorted: bool) {
    let front = if k < packed.len() {
        packed.select_nth_unstable(k - 1);
        &mut packed[..k]
    } else {
        packed
    };
    if sorted {
        front.sort_unstable();
    }
}

/// `out[o, j] = x[o, index[o, j]]`.
pub(crate) fn take_rows<T: Copy + Send + Sync>(
    x: &[T],
    n: usize,
    index: &[i64],
    k: usize,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    for_rows(out, k, (16 * GRAIN / k).max(1), |first, out| {
        for (o, out) in out.chunks_exact_mut(k).enumerate() {
            let o = first + o;
            let row = &x[o * n..(o + 1) * n];
            for (out, &at) in out.iter_mut().zip(&index[o * k..(o + 1) * k]) {
                *out = row[at as usize];
            }
        }
    });
}

/// `dx[o, index[o, j]] = dy[o, j]`, and 0 elsewhere.
pub(crate) fn put_rows<T: Copy + Default + Send + Sync>(
    dy: &[T],
    k: usize,
    index: &[i64],
    n: usize,
    dx: &mut [T],
) {
    if dx.is_empty() {
        return;
    }
    for_rows(dx, n, (16 * GRAIN / n).max(1), |first, dx| {
        dx.fill(T::default());
        for (o, dx) in dx.chunks_exact_mut(n).enumerate() {
            let range = (first + o) * k..(first + o + 1) * k;
            for (&dy, &at) in dy[range.clone()].iter().zip(&index[range]) {
                dx[at as usize] = dy;
            }
        }
    });
}
