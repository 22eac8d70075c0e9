//! Normalised and augmented batches of images.

use std::sync::Arc;

use azura_core::{Rng, Tensor};
use serde::{Deserialize, Serialize};

use super::augment::{ImageAugment, Mixed};
use super::image::{ImageShape, Images};
use super::{Batch, DataResult, Dataset};
use crate::Result;

/// Images that are read at a time where all are visited.
const AT_ONCE: usize = 256;

/// `(x / 255 − mean) / std` for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalise {
    /// The mean of each channel, from 0 to 1.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel over all pixels; 1 where all are equal.
    pub std: Vec<f64>,
}

impl Normalise {
    /// Mean and standard deviation of each channel over all pixels of these images: of the training images.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn fit(images: &Images, rows: &[usize]) -> DataResult<Self> {
        let shape = images.shape();
        // Counts of each byte: exact, in any order.
        let mut counts = vec![[0u64; 256]; shape.channels];
        for rows in rows.chunks(AT_ONCE) {
            for image in images.read(rows)?.chunks_exact(shape.bytes()) {
                for (plane, counts) in image.chunks_exact(shape.plane()).zip(&mut counts) {
                    for &byte in plane {
                        counts[usize::from(byte)] += 1;
                    }
                }
            }
        }
        let moment = |counts: &[u64; 256], f: &dyn Fn(f64) -> f64| {
            let total: u64 = counts.iter().sum();
            let weighted = counts.iter().enumerate();
            let sum: f64 = weighted.map(|(x, &n)| f(x as f64 / 255.0) * n as f64).sum();
            sum / total.max(1) as f64
        };
        let mean: Vec<f64> = counts.iter().map(|c| moment(c, &|x| x)).collect();
        let std = counts.iter().zip(&mean).map(|(counts, mean)| {
            let var = moment(counts, &|x| (x - mean).powi(2));
            if var > 0.0 { var.sqrt() } else { 1.0 }
        });
        let std = std.collect();
        Ok(Normalise { mean, std })
    }

    /// Bytes of images, one after the other, as numbers.
    pub fn apply(&self, bytes: &[u8], shape: ImageShape) -> Vec<f32> {
        let table = |channel: usize| {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            std::array::from_fn::<f32, 256, _>(|x| ((x as f64 / 255.0 - mean) / std) as f32)
        };
        let tables: Vec<[f32; 256]> = (0..shape.channels).map(table).collect();
        let mut out = Vec::with_capacity(bytes.len());
        for (i, plane) in bytes.chunks_exact(shape.plane()).enumerate() {
            let table = &tables[i % shape.channels];
            out.extend(plane.iter().map(|&byte| table[usize::from(byte)]));
        }
        out
    }
}

/// Images with classes as samples of a training.
///
/// | tensor | shape                                                                                 |
/// |--------|---------------------------------------------------------------------------------------|
/// | input  | `[B, C, H, W]`, normalised                                                            |
/// | target | classes `[B]` (u32), or shares of classes `[B, K]` where a step of training mixes images |
///
/// What augmentation makes of an image depends on the seed, the epoch and the image's number alone.
#[derive(Clone, Debug)]
pub struct ImageRows {
    images: Arc<Images>,
    rows: Vec<usize>,
    labels: Vec<usize>,
    classes: usize,
    normalise: Normalise,
    augment: Option<(ImageAugment, Rng)>,
}

impl ImageRows {
    /// The images of these numbers; `labels` has one for every image, not only for these.
    ///
    /// # Panics
    /// If a number is not below that of the images or labels (a mistake of the program).
    pub fn new(
        images: Arc<Images>,
        labels: &[usize],
        classes: usize,
        rows: Vec<usize>,
        normalise: Normalise,
    ) -> Self {
        ImageRows {
            labels: rows.iter().map(|&row| labels[row]).collect(),
            images,
            rows,
            classes,
            normalise,
            augment: None,
        }
    }

    /// The same, augmented in training.
    #[must_use]
    pub fn augmented(mut self, augment: ImageAugment, seed: u64) -> Self {
        self.augment = augment
            .is_on()
            .then(|| (augment, Rng::new(seed).fork("augment")));
        self
    }

    /// The class of each.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The number of each among all images.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Where they come from.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The bytes of some of them, `[rows, C, H, W]`.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn bytes(&self, rows: &[usize]) -> DataResult<Vec<u8>> {
        let of: Vec<usize> = rows.iter().map(|&row| self.rows[row]).collect();
        self.images.read(&of)
    }

    fn tensor(&self, numbers: Vec<f32>, rows: usize) -> Result<Tensor> {
        let shape = self.images.shape();
        let sizes = [rows, shape.channels, shape.height, shape.width];
        Ok(Tensor::from_vec(numbers, sizes)?)
    }

    fn classes_of(&self, rows: &[usize]) -> Result<Tensor> {
        let classes: Vec<u32> = rows.iter().map(|&row| self.labels[row] as u32).collect();
        Ok(Tensor::from_vec(classes, [rows.len()])?)
    }
}

impl Dataset for ImageRows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let numbers = self
            .normalise
            .apply(&self.bytes(rows)?, self.images.shape());
        Ok(Batch {
            tensors: vec![self.tensor(numbers, rows.len())?, self.classes_of(rows)?],
            rows: rows.to_vec(),
        })
    }

    fn training_batch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        let Some((augment, rng)) = &self.augment else {
            return self.batch(rows);
        };
        let shape = self.images.shape();
        let rng = rng.fork(&format!("epoch {epoch}"));
        let mut bytes = self.bytes(rows)?;
        let mut rngs: Vec<Rng> = rows
            .iter()
            .map(|&row| rng.fork(&format!("image {}", self.rows[row])))
            .collect();
        for (image, rng) in bytes.chunks_exact_mut(shape.bytes()).zip(&mut rngs) {
            augment.change(image, shape, rng);
        }
        let mut numbers = self.normalise.apply(&bytes, shape);
        for (image, rng) in numbers.chunks_exact_mut(shape.bytes()).zip(&mut rngs) {
            augment.erase(image, shape, rng);
        }
        let first = rows.first().map_or(0, |&row| self.rows[row]);
        let mut rng = rng.fork(&format!("batch of image {first}"));
        let target = match augment.mix(&mut numbers, shape, &mut rng) {
            None => self.classes_of(rows)?,
            Some(Mixed { own }) => {
                // Each image is mixed with the one before it; the first with the last.
                let mut shares = vec![0.0f32; rows.len() * self.classes];
                for (i, shares) in shares.chunks_exact_mut(self.classes).enumerate() {
                    let before = (i + rows.len() - 1) % rows.len();
                    shares[self.labels[rows[i]]] += own as f32;
                    shares[self.labels[rows[before]]] += (1.0 - own) as f32;
                }
                Tensor::from_vec(shares, [rows.len(), self.classes])?
            }
        };
        Ok(Batch {
            tensors: vec![self.tensor(numbers, rows.len())?, target],
            rows: rows.to_vec(),
        })
    }
}
