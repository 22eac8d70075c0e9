//! Mixing the images of a batch, and cutting a hole into one.

use azura_core::Rng;

use crate::data::image::ImageShape;

/// A number from the distribution Beta(a, a), a above 0.
///
/// By two gamma numbers (Marsaglia & Tsang 2000, "A simple method for generating gamma variables").
pub fn beta(a: f64, rng: &mut Rng) -> f64 {
    let (x, y) = (gamma(a, rng), gamma(a, rng));
    if x + y > 0.0 { x / (x + y) } else { 0.5 }
}

fn gamma(a: f64, rng: &mut Rng) -> f64 {
    if a < 1.0 {
        // Gamma(a) is Gamma(a + 1) · U^(1/a).
        let boost = (1.0 - rng.uniform()).powf(1.0 / a);
        return gamma(a + 1.0, rng) * boost;
    }
    let d = a - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - rng.uniform();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// Every sample of `width` numbers becomes `own · sample + (1 − own) · the sample before it`, the first with the last: mixup (Zhang,
/// Cissé, Dauphin & Lopez-Paz 2018, arXiv:1710.09412), as torchvision's `MixUp`.
pub fn mixup(samples: &mut [f32], width: usize, own: f64) {
    let old = samples.to_vec();
    let count = samples.len() / width.max(1);
    let (own, other) = (own as f32, (1.0 - own) as f32);
    for (i, sample) in samples.chunks_exact_mut(width).enumerate() {
        let before = (i + count - 1) % count;
        for (x, y) in sample.iter_mut().zip(&old[before * width..]) {
            *x = own * *x + other * y;
        }
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// First row and the row behind the last.
    pub rows: [usize; 2],
    /// First column and the column behind the last.
    pub columns: [usize; 2],
}

impl Rectangle {
    /// The rectangle of about a share of `1 − own` of an image about the pixel `(y, x)`, cut at the borders: torchvision's `CutMix`.
    pub fn about([y, x]: [usize; 2], own: f64, shape: ImageShape) -> Self {
        let half = 0.5 * (1.0 - own).sqrt();
        let range = |at: usize, size: usize| {
            let half = (half * size as f64) as usize;
            [at.saturating_sub(half), (at + half).min(size)]
        };
        Rectangle {
            rows: range(y, shape.height),
            columns: range(x, shape.width),
        }
    }

    /// The square of `side` pixels about the pixel `(y, x)`, cut at the borders.
    pub fn square([y, x]: [usize; 2], side: usize, shape: ImageShape) -> Self {
        let range = |at: usize, size: usize| {
            let end = (at + side).saturating_sub(side / 2).min(size);
            [at.saturating_sub(side / 2), end]
        };
        Rectangle {
            rows: range(y, shape.height),
            columns: range(x, shape.width),
        }
    }

    /// Its pixels.
    pub fn area(self) -> usize {
        (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])
    }
}

/// In every image the rectangle comes from the image before it, in the first from the last: cutmix (Yun et al. 2019, arXiv:1905.04899), as
/// torchvision's `CutMix`. Returns the share that is each image's own.
pub fn cutmix(images: &mut [f32], shape: ImageShape, hole: Rectangle) -> f64 {
    let old = images.to_vec();
    let size = shape.bytes();
    let count = images.len() / size.max(1);
    for (i, image) in images.chunks_exact_mut(size).enumerate() {
        let before = &old[(i + count - 1) % count * size..];
        for channel in 0..shape.channels {
            for y in hole.rows[0]..hole.rows[1] {
                let row = channel * shape.plane() + y * shape.width;
                let part = row + hole.columns[0]..row + hole.columns[1];
                image[part.clone()].copy_from_slice(&before[part]);
            }
        }
    }
    1.0 - hole.area() as f64 / shape.plane() as f64
}

/// The rectangle becomes zeros, which is the mean of normalised images: cutout (DeVries & Taylor 2017, arXiv:1708.04552).
pub fn cutout(image: &mut [f32], shape: ImageShape, hole: Rectangle) {
    for plane in image.chunks_exact_mut(shape.plane()) {
        for y in hole.rows[0]..hole.rows[1] {
            let row = y * shape.width;
            plane[row + hole.columns[0]..row + hole.columns[1]].fill(0.0);
        }
    }
}
