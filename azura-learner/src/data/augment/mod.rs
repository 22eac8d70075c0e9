//! Changed copies of samples, so that a model sees more than there is.
//!
//! | file           | what lives there                                                          |
//! |----------------|---------------------------------------------------------------------------|
//! | `image`        | [`ImageAugment`]: what is done to images, in which order                   |
//! | `geometry`     | flip, crop, rotate, shear and shift of planes of bytes                     |
//! | `colour`       | brightness, contrast, saturation, hue, sharpness and the like              |
//! | `rand_augment` | RandAugment: a few of those at random                                      |
//! | `mix`          | mixup and cutmix of a batch, cutout of an image; Beta numbers              |
//! | `series`       | jitter, scaling and window warping of series                               |
//! | `tabular`      | mixup of rows                                                              |
//!
//! Every function takes its random numbers from an [`Rng`] that its caller keys by seed, epoch and sample: then a
//! resumed training sees what an uninterrupted one would have, whichever thread makes it. Definitions are torchvision's where it has them.

pub mod colour;
pub mod geometry;
mod image;
pub mod mix;
mod rand_augment;
pub mod series;
pub mod tabular;

pub use self::image::{ImageAugment, Mixed};
pub use rand_augment::{Operation, rand_augment};

use azura_core::Rng;

/// A uniform number between `low` and `high`.
pub(crate) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}
