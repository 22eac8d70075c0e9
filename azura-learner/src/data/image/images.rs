//! Images of one shape: in memory, or in files that are decoded when they are asked for.

use std::path::PathBuf;

use azura_core::in_parallel;

use super::decode::decode_file;
use super::read::Fit;
use crate::data::DataResult;

/// Channels, height and width of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Pixels of one channel.
    pub fn plane(self) -> usize {
        self.height * self.width
    }

    /// Bytes of an image.
    pub fn bytes(self) -> usize {
        self.channels * self.plane()
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let colours = match self.channels {
            1 => "grey".to_string(),
            3 => "colours".to_string(),
            n => format!("{n} channels"),
        };
        write!(f, "{} × {} pixels, {colours}", self.height, self.width)
    }
}

/// Images of one shape, each `[C, H, W]` bytes.
#[derive(Clone, Debug)]
pub struct Images {
    shape: ImageShape,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    Bytes(Vec<u8>),
    Files { paths: Vec<PathBuf>, fit: Fit },
}

impl Images {
    /// Images in memory, one after the other.
    ///
    /// # Panics
    /// If the bytes are no whole images (a mistake of the program).
    pub fn new(shape: ImageShape, bytes: Vec<u8>) -> Self {
        assert!(
            bytes.len().is_multiple_of(shape.bytes().max(1)),
            "whole images"
        );
        Images {
            shape,
            held: Held::Bytes(bytes),
        }
    }

    /// Files that are decoded, brought to `shape` and forgotten again whenever they are asked for.
    pub(super) fn in_files(shape: ImageShape, paths: Vec<PathBuf>, fit: Fit) -> Self {
        Images {
            shape,
            held: Held::Files { paths, fit },
        }
    }

    /// The shape of each.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.held {
            Held::Bytes(bytes) => bytes.len() / self.shape.bytes().max(1),
            Held::Files { paths, .. } => paths.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the bytes are in memory.
    pub fn in_memory(&self) -> bool {
        matches!(self.held, Held::Bytes(_))
    }

    /// The images of these numbers, one after the other: `[rows, C, H, W]`. Files are decoded by several threads.
    ///
    /// # Errors
    /// What a file that has changed since it was first read has become.
    pub fn read(&self, rows: &[usize]) -> DataResult<Vec<u8>> {
        let size = self.shape.bytes();
        match &self.held {
            Held::Bytes(bytes) => {
                let mut out = Vec::with_capacity(rows.len() * size);
                for &row in rows {
                    out.extend_from_slice(&bytes[row * size..(row + 1) * size]);
                }
                Ok(out)
            }
            Held::Files { paths, fit } => {
                let decoded = in_parallel(rows.len(), |i| {
                    decode_file(&paths[rows[i]], self.shape, *fit)
                });
                let mut out = Vec::with_capacity(rows.len() * size);
                for image in decoded {
                    out.extend(image?);
                }
                Ok(out)
            }
        }
    }
}
