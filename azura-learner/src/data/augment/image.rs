//! What is done to images in training: the section `augment` of a configuration.

use azura_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mix::{Rectangle, beta, cutmix, cutout, mixup};
use super::rand_augment::{STRENGTHS, rand_augment};
use super::{between, colour, geometry};
use crate::data::image::ImageShape;
use crate::error::Problem;

/// Changes of images in training, in this order; all are off unless set. The same seed, epoch and image give the same change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageAugment {
    /// Pixels of margin from which a part of the image's size is cut at random; CIFAR is often trained with 4.
    #[schemars(range(max = 1024))]
    pub crop: usize,
    /// Probability of exchanging left and right; 0.5 for photographs, 0 for digits and letters.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub flip: f64,
    /// Turn by up to so many degrees, either way.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub rotate: f64,
    /// `RandAugment`: so many of its operations one after the other; 2 is usual.
    #[schemars(range(max = 14))]
    pub rand_augment: usize,
    /// How strong the operations of `RandAugment` are.
    #[schemars(range(max = 30))]
    pub magnitude: usize,
    /// Brightness times a number from 1 − x to 1 + x.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub brightness: f64,
    /// Contrast times a number from 1 − x to 1 + x.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub contrast: f64,
    /// Saturation times a number from 1 − x to 1 + x.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub saturation: f64,
    /// Hue turned by up to this share of a turn, either way.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub hue: f64,
    /// Side of a square of mean colour, in pixels; 0 for none.
    #[schemars(range(max = 1024))]
    pub cutout: usize,
    /// Mix images and classes of a batch, with shares from Beta(x, x); 0.2 is usual.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub mixup: f64,
    /// Put parts of images of a batch into others, with shares from Beta(x, x); 1 is usual. With `mixup`, each batch has one of the two.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub cutmix: f64,
}

/// How a batch was mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixed {
    /// The share of each image that is its own; the rest is that of the image before it in the batch, of the last for the first.
    pub own: f64,
}

impl ImageAugment {
    /// Whether anything is changed.
    pub fn is_on(&self) -> bool {
        let plain = ImageAugment {
            magnitude: self.magnitude,
            ..ImageAugment::default()
        };
        *self != plain
    }

    /// Rules that the schema cannot say; `section` is the name in the configuration.
    pub fn check(&self, section: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.rand_augment == 0 && self.magnitude > 0 {
            let message = format!("changes nothing while `{section}.rand_augment` is 0");
            problems.push(
                Problem::new(format!("{section}.magnitude"), message)
                    .help(format!("set {section}.rand_augment=2 too")),
            );
        }
        problems
    }

    /// The strength of `RandAugment`; torchvision's default, 9, if none is given.
    fn strength(&self) -> usize {
        match self.magnitude {
            0 => 9,
            given => given.min(STRENGTHS - 1),
        }
    }

    /// Changes the bytes of an image.
    pub fn change(&self, image: &mut [u8], shape: ImageShape, rng: &mut Rng) {
        if self.crop > 0 {
            let places = 2 * self.crop as u64 + 1;
            let at = [rng.below(places) as usize, rng.below(places) as usize];
            geometry::crop_padded(image, shape, self.crop, at);
        }
        if self.flip > 0.0 && rng.uniform() < self.flip {
            geometry::flip(image, shape);
        }
        if self.rotate > 0.0 {
            let degrees = between(rng, -self.rotate, self.rotate);
            geometry::rotate(image, shape, degrees);
        }
        if self.rand_augment > 0 {
            rand_augment(image, shape, self.rand_augment, self.strength(), rng);
        }
        self.jitter(image, shape, rng);
    }

    /// torchvision's `ColorJitter`: the four in an order drawn anew.
    fn jitter(&self, image: &mut [u8], shape: ImageShape, rng: &mut Rng) {
        let strengths = [self.brightness, self.contrast, self.saturation, self.hue];
        if strengths == [0.0; 4] {
            return;
        }
        let mut order = [0, 1, 2, 3];
        rng.shuffle(&mut order);
        for which in order {
            let strength = strengths[which];
            if strength == 0.0 {
                continue;
            }
            let factor = between(rng, (1.0 - strength).max(0.0), 1.0 + strength);
            match which {
                0 => colour::brightness(image, factor),
                1 => colour::contrast(image, shape, factor),
                2 => colour::saturation(image, shape, factor),
                _ => colour::hue(image, shape, between(rng, -strength, strength)),
            }
        }
    }

    /// Cuts a hole into a normalised image.
    pub fn erase(&self, image: &mut [f32], shape: ImageShape, rng: &mut Rng) {
        if self.cutout > 0 {
            let hole = Rectangle::square(place(shape, rng), self.cutout, shape);
            cutout(image, shape, hole);
        }
    }

    /// Mixes the normalised images of a batch, if asked to.
    pub fn mix(&self, images: &mut [f32], shape: ImageShape, rng: &mut Rng) -> Option<Mixed> {
        let cut = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return None,
            (true, true) => rng.below(2) == 1,
            (_, cut) => cut,
        };
        let own = if cut {
            let own = beta(self.cutmix, rng);
            cutmix(
                images,
                shape,
                Rectangle::about(place(shape, rng), own, shape),
            )
        } else {
            let own = beta(self.mixup, rng);
            mixup(images, shape.bytes(), own);
            own
        };
        Some(Mixed { own })
    }
}

/// A pixel at random.
fn place(shape: ImageShape, rng: &mut Rng) -> [usize; 2] {
    [shape.height, shape.width].map(|size| rng.below(size as u64) as usize)
}
