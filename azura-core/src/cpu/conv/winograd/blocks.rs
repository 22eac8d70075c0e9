//! How the tiles of images are cut into blocks that stay in the cache.

use crate::cpu::threads::part;
use std::ops::Range;

/// Tiles beside and below each other, in some images.
#[derive(Clone)]
pub(super) struct Block {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
}

/// How the tiles are cut into blocks.
pub(super) struct Blocks {
    batch: usize,
    tiles: [usize; 2],
    /// Images of a block, and parts of an image along both axes; one of the two is 1.
    images: usize,
    pub parts: [usize; 2],
}

impl Blocks {
    /// Blocks of up to `most` tiles.
    pub fn new(batch: usize, tiles: [usize; 2], most: usize) -> Self {
        let [down, across] = tiles;
        let images = (most / (down * across)).clamp(1, batch);
        let rows = (most / across).max(1);
        Blocks {
            batch,
            tiles,
            images: batch.div_ceil(batch.div_ceil(images)),
            parts: [down.div_ceil(rows), across.div_ceil(most)],
        }
    }

    pub fn count(&self) -> usize {
        self.batch.div_ceil(self.images) * self.parts[0] * self.parts[1]
    }

    /// Tiles of the largest block.
    pub fn most(&self) -> usize {
        let [rows, cols] = [0, 1].map(|axis| self.tiles[axis].div_ceil(self.parts[axis]));
        self.images * rows * cols
    }

    pub fn block(&self, i: usize) -> Block {
        let [down, across] = self.parts;
        let parts = self.batch.div_ceil(self.images);
        Block {
            images: part(self.batch, parts, i / (down * across)),
            rows: part(self.tiles[0], down, i / across % down),
            cols: part(self.tiles[1], across, i % across),
        }
    }
}

impl Block {
    pub fn tiles(&self) -> usize {
        self.images.len() * self.rows.len() * self.cols.len()
    }
}
