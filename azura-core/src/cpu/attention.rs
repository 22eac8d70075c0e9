//! Attention in tiles: nothing of size T × S is ever held.
//!
//! The scores of 48 queries against 256 keys are one matrix product; while the tile is in the cache it becomes
//! exponentials, whose product with the values is added to the output. A new largest score rescales what was
//! summed before (Milakov & Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135). Two numbers are
//! kept for each query, the largest score and one over the sum, from which `backward` makes the same weights again.
//!
//! Tiles begin at multiples of [`ROWS`] and [`KEYS`], and one thread sums what goes into one output, in the order
//! of queries and keys: the bits depend neither on the number of threads nor on how heads are dealt out.

mod backward;
mod forward;
mod mask_gradient;
mod tile;

use super::gemm::Real;
use super::matrices::{Matrices, Target};
use super::threads::{parallel, threads};
use crate::Rng;
pub(crate) use backward::{Gradients, Saved, backward};
pub(crate) use forward::forward;
pub(crate) use mask_gradient::{Places, mask_gradient};

/// Queries of one tile: whole tiles of the matrix kernels (of 6 and of 8 queries), few enough that little of a causal
/// diagonal is multiplied in vain.
const ROWS: usize = 48;
/// Keys of one tile: a tile of scores and one of their gradients fill 96 KiB in f32. At most
/// [`Real::K_BLOCK`], so that a sum over keys is one chain.
const KEYS: usize = 256;
/// The distance between rows of a tile.
const STRIDE: usize = KEYS;
/// From this many queries on, keys are transposed once for all of them instead of once for each tile.
const TRANSPOSE_FROM: usize = 8;
/// Multiply-adds that are worth a part of their own.
const GRAIN: usize = super::threads::grain::PRODUCT;

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    /// Groups of heads.
    pub batch: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, which divide `heads`.
    pub kv_heads: usize,
    /// Queries, T.
    pub queries: usize,
    /// Keys, S.
    pub keys: usize,
    /// Width of queries and keys, D.
    pub width: usize,
    /// Width of values.
    pub value_width: usize,
}

impl Dims {
    fn matrices(&self) -> usize {
        self.batch * self.heads
    }

    /// Query heads that share one head of keys.
    fn group(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// The matrix of keys that query matrix `head` looks at.
    fn kv(&self, head: usize) -> usize {
        let (batch, head) = (head / self.heads, head % self.heads);
        batch * self.kv_heads + head / self.group()
    }

    /// Multiply-adds of the two products of a forward pass.
    fn work(&self) -> usize {
        let pairs = self.queries.saturating_mul(self.keys);
        self.matrices()
            .saturating_mul(pairs)
            .saturating_mul(self.width + self.value_width)
    }
}

/// Which keys a query looks at, and how gladly.
pub(crate) enum Mask<'a, T> {
    None,
    /// True: may look.
    Look(Matrices<'a, bool>),
    /// Added to the scores.
    Add(Matrices<'a, T>),
}

/// Which of the weights are dropped: made again wherever they are needed.
pub(crate) struct Dropout {
    /// Stands at the first block of this call.
    pub rng: Rng,
    /// A weight is dropped if its 32 bits are below this.
    pub threshold: u64,
    /// What the others are multiplied with.
    pub scale: f64,
}

/// Weights decided by one block of the generator.
pub(crate) const PER_BLOCK: usize = super::dropout::PER_BLOCK;

/// Everything that goes into one call.
pub(crate) struct Call<'a, T> {
    pub dims: Dims,
    pub q: Matrices<'a, T>,
    pub k: Matrices<'a, T>,
    pub v: Matrices<'a, T>,
    pub mask: Mask<'a, T>,
    pub scale: T,
    /// Query `i` looks at keys `0..=i + offset` only.
    pub causal: Option<usize>,
    pub dropout: Option<Dropout>,
}

impl<T: Real> Call<'_, T> {
    /// How many of the keys before `end` query `row` may look at, as far as causality goes.
    #[inline(always)]
    fn limit(&self, row: usize, end: usize) -> usize {
        match self.causal {
            Some(offset) => row.saturating_add(offset).saturating_add(1).min(end),
            None => end,
        }
    }
}

/// Into how many parts the tiles of one matrix are cut: enough for the threads to share, no more, since each part
/// transposes the keys anew.
fn cuts(matrices: usize, tiles: usize) -> usize {
    if threads() == 1 {
        return 1;
    }
    (2 * threads())
        .div_ceil(matrices.max(1))
        .clamp(1, tiles.max(1))
}

/// Runs tasks `0..count`, dealt out to the threads if there is enough to do.
fn deal(count: usize, work: usize, f: impl Fn(usize) + Sync) {
    let parts = count.min(work / GRAIN).max(1);
    parallel(parts, |part| {
        for task in super::threads::part(count, parts, part) {
            f(task);
        }
    });
}

/// The distance between rows of transposed keys: whole vectors, and never a power of two, whose rows would all fall
/// into the same few lines of the cache.
fn padded(keys: usize) -> usize {
    keys.next_multiple_of(16) + 16
}
