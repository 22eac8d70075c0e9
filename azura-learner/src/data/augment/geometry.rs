//! Flips, crops and affine maps of planes of bytes `[C, H, W]`, as torchvision's on tensors of bytes.

use crate::data::image::ImageShape;

/// Left and right exchanged: `torchvision.transforms.v2.functional.horizontal_flip`.
pub fn flip(image: &mut [u8], shape: ImageShape) {
    for row in image.chunks_exact_mut(shape.width) {
        row.reverse();
    }
}

/// The part of `shape` at `(top, left)` of the image with a margin of `padding` zeros on each side: torchvision's `RandomCrop` with
/// `padding` and the size of the image.
///
/// # Panics
/// If `top` or `left` is above `2 padding` (a mistake of the program).
pub fn crop_padded(image: &mut [u8], shape: ImageShape, padding: usize, [top, left]: [usize; 2]) {
    assert!(top.max(left) <= 2 * padding, "a crop inside of the margin");
    let (height, width) = (shape.height, shape.width);
    for plane in image.chunks_exact_mut(shape.plane()) {
        let old = plane.to_vec();
        plane.fill(0);
        for y in 0..height {
            let Some(from) = (y + top).checked_sub(padding).filter(|&y| y < height) else {
                continue;
            };
            // Columns x of the result for which x + left − padding lies inside.
            let first = padding.saturating_sub(left);
            let end = (width + padding).saturating_sub(left).min(width);
            if first < end {
                let start = from * width + first + left - padding;
                plane[y * width + first..y * width + end]
                    .copy_from_slice(&old[start..start + end - first]);
            }
        }
    }
}

/// What [`affine`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affine {
    /// Degrees clockwise, as torchvision's `affine` counts them; its `rotate` counts the other way.
    pub angle: f64,
    /// Pixels to the right and down.
    pub translate: [f64; 2],
    /// Degrees of shear along x and y.
    pub shear: [f64; 2],
    /// What stays in its place, from the middle of the image, in pixels.
    pub centre: [f64; 2],
}

/// An affine map, each pixel from the nearest one, zeros from outside: torchvision's `affine` with a scale of 1 and its defaults.
pub fn affine(image: &mut [u8], shape: ImageShape, map: Affine) {
    let (rotation, [sx, sy]) = (map.angle.to_radians(), map.shear.map(f64::to_radians));
    // The inverse of rotation · shear, as torchvision's `_get_inverse_affine_matrix`.
    let a = (rotation - sy).cos() / sy.cos();
    let b = -(rotation - sy).cos() * sx.tan() / sy.cos() - rotation.sin();
    let c = (rotation - sy).sin() / sy.cos();
    let d = -(rotation - sy).sin() * sx.tan() / sy.cos() + rotation.cos();
    let inverse = [[d, -b], [-c, a]];
    let from = [
        map.centre[0] + map.translate[0],
        map.centre[1] + map.translate[1],
    ];
    let (height, width) = (shape.height, shape.width);
    let (middle_x, middle_y) = (0.5 * width as f64 - 0.5, 0.5 * height as f64 - 0.5);
    let inside = |at: f64, size: usize| {
        let at = at.round_ties_even();
        (at >= 0.0 && at < size as f64).then_some(at as usize)
    };
    let mut sources = Vec::with_capacity(shape.plane());
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f64 - middle_x - from[0], y as f64 - middle_y - from[1]);
            let at = inverse.map(|row| row[0] * dx + row[1] * dy);
            let x = inside(at[0] + map.centre[0] + middle_x, width);
            let y = inside(at[1] + map.centre[1] + middle_y, height);
            sources.push(y.zip(x).map(|(y, x)| y * width + x));
        }
    }
    for plane in image.chunks_exact_mut(shape.plane()) {
        let old = plane.to_vec();
        for (pixel, source) in plane.iter_mut().zip(&sources) {
            *pixel = source.map_or(0, |source| old[source]);
        }
    }
}

/// Turned by so many degrees against the clock: torchvision's `rotate`.
pub fn rotate(image: &mut [u8], shape: ImageShape, degrees: f64) {
    let map = Affine {
        angle: -degrees,
        ..Affine::default()
    };
    affine(image, shape, map);
}
