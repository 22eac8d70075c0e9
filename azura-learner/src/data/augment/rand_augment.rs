//! RandAugment: a few operations at random, all as strong (Cubuk, Zoph, Shlens & Le 2019, arXiv:1909.13719).

use azura_core::Rng;

use super::colour;
use super::geometry::{Affine, affine};
use crate::data::image::ImageShape;

/// Strengths that there are, from 0.
pub const STRENGTHS: usize = 31;

/// One of the operations, with torchvision's ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 14] = [
        Operation::Identity,
        Operation::ShearX,
        Operation::ShearY,
        Operation::TranslateX,
        Operation::TranslateY,
        Operation::Rotate,
        Operation::Brightness,
        Operation::Color,
        Operation::Contrast,
        Operation::Sharpness,
        Operation::Posterize,
        Operation::Solarize,
        Operation::AutoContrast,
        Operation::Equalize,
    ];

    /// Changes an image with `strength` from 0 to 30; `negative` turns what has a direction the other way.
    pub fn apply(self, image: &mut [u8], shape: ImageShape, strength: usize, negative: bool) {
        let share = strength.min(STRENGTHS - 1) as f64 / (STRENGTHS - 1) as f64;
        let signed = |most: f64| {
            if negative {
                -most * share
            } else {
                most * share
            }
        };
        // About the upper left corner, as torchvision has it.
        let corner = [-0.5 * shape.width as f64, -0.5 * shape.height as f64];
        let mut mapped = |map: Affine| affine(image, shape, map);
        let shear = signed(0.3).atan().to_degrees();
        let shift = |size: usize| signed(150.0 / 331.0 * size as f64).trunc();
        match self {
            Operation::Identity => {}
            Operation::ShearX => mapped(Affine {
                shear: [shear, 0.0],
                centre: corner,
                ..Affine::default()
            }),
            Operation::ShearY => mapped(Affine {
                shear: [0.0, shear],
                centre: corner,
                ..Affine::default()
            }),
            Operation::TranslateX => mapped(Affine {
                translate: [shift(shape.width), 0.0],
                ..Affine::default()
            }),
            Operation::TranslateY => mapped(Affine {
                translate: [0.0, shift(shape.height)],
                ..Affine::default()
            }),
            Operation::Rotate => mapped(Affine {
                angle: -signed(30.0),
                ..Affine::default()
            }),
            Operation::Brightness => colour::brightness(image, 1.0 + signed(0.9)),
            Operation::Color => colour::saturation(image, shape, 1.0 + signed(0.9)),
            Operation::Contrast => colour::contrast(image, shape, 1.0 + signed(0.9)),
            Operation::Sharpness => colour::sharpness(image, shape, 1.0 + signed(0.9)),
            Operation::Posterize => {
                let bits = 8 - (4.0 * share).round_ties_even() as u32;
                colour::posterize(image, bits);
            }
            Operation::Solarize => colour::solarize(image, 255.0 * (1.0 - share)),
            Operation::AutoContrast => colour::auto_contrast(image, shape),
            Operation::Equalize => colour::equalize(image, shape),
        }
    }
}

/// `count` operations one after the other, each drawn from all, with a strength from 0 to 30.
pub fn rand_augment(
    image: &mut [u8],
    shape: ImageShape,
    count: usize,
    strength: usize,
    rng: &mut Rng,
) {
    for _ in 0..count {
        let operation = Operation::ALL[rng.below(Operation::ALL.len() as u64) as usize];
        let negative = rng.below(2) == 1;
        operation.apply(image, shape, strength, negative);
    }
}
