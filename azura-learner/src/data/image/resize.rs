//! Cropping and scaling planes of bytes.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};

use super::images::ImageShape;
use super::read::Fit;

/// `planes` of shape `from` brought to the height and width of `to`.
///
/// Scaling is bilinear with a filter as wide as the step, as Pillow's `BILINEAR` and torchvision's `antialias=True`, to within
/// rounding. [`Fit::Crop`] scales the shorter side and cuts out the middle, as torchvision's `Resize` and `CenterCrop`.
pub(super) fn fit_planes(planes: &[u8], from: ImageShape, to: ImageShape, fit: Fit) -> Vec<u8> {
    if (from.height, from.width) == (to.height, to.width) {
        return planes.to_vec();
    }
    let scaled = match fit {
        Fit::Stretch => (to.height, to.width),
        Fit::Crop => {
            // The smallest size of the same proportions that covers the target.
            let by_height = to.height * from.width >= to.width * from.height;
            match by_height {
                true => (
                    to.height,
                    (to.height * from.width / from.height).max(to.width),
                ),
                false => (
                    (to.width * from.height / from.width).max(to.height),
                    to.width,
                ),
            }
        }
    };
    let mut out = Vec::with_capacity(from.channels * to.plane());
    for plane in planes.chunks_exact(from.plane()) {
        let source: Option<ImageBuffer<Luma<u8>, &[u8]>> =
            ImageBuffer::from_raw(from.width as u32, from.height as u32, plane);
        let Some(source) = source else {
            continue;
        };
        let plane = resize(
            &source,
            scaled.1 as u32,
            scaled.0 as u32,
            FilterType::Triangle,
        )
        .into_raw();
        let (top, left) = (middle(scaled.0, to.height), middle(scaled.1, to.width));
        for row in plane.chunks_exact(scaled.1).skip(top).take(to.height) {
            out.extend_from_slice(&row[left..left + to.width]);
        }
    }
    out
}

/// Where the middle `part` of `whole` begins, rounded as Python rounds.
fn middle(whole: usize, part: usize) -> usize {
    ((whole - part) as f64 / 2.0).round_ties_even() as usize
}
