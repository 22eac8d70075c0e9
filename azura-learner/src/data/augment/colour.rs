//! Brightness and colours of planes of bytes `[C, H, W]`, as torchvision's `v2.functional` on tensors of bytes.
//!
//! Where torchvision computes in `f32`, so does this; results are cut to `0..=255` and rounded down, as its cast does.

use crate::data::image::ImageShape;

fn to_byte(x: f32) -> u8 {
    // A cast of a number in range rounds down.
    x.clamp(0.0, 255.0) as u8
}

/// `factor · image`.
pub fn brightness(image: &mut [u8], factor: f64) {
    for x in image {
        *x = to_byte(f32::from(*x) * factor as f32);
    }
}

/// Grey of each pixel, rounded down: `0.2989 R + 0.587 G + 0.114 B`.
fn grey(image: &[u8], shape: ImageShape) -> Vec<f32> {
    let plane = shape.plane();
    if shape.channels != 3 {
        return image[..plane].iter().map(|&x| f32::from(x)).collect();
    }
    let at = |channel: usize, i: usize| f32::from(image[channel * plane + i]);
    let of = |i: usize| (at(0, i) * 0.2989 + at(1, i) * 0.587 + at(2, i) * 0.114).floor();
    (0..plane).map(of).collect()
}

/// `ratio · a + (1 − ratio) · b`; the shares are rounded to `f32` by themselves, as torchvision's are.
fn blend(a: u8, b: f32, ratio: f64) -> u8 {
    to_byte(f32::from(a) * ratio as f32 + b * (1.0 - ratio) as f32)
}

/// `factor · image + (1 − factor) · mean of its grey`.
pub fn contrast(image: &mut [u8], shape: ImageShape, factor: f64) {
    let grey = grey(image, shape);
    let mean = grey.iter().map(|&x| f64::from(x)).sum::<f64>() / grey.len().max(1) as f64;
    for x in image {
        *x = blend(*x, mean as f32, factor);
    }
}

/// `factor · image + (1 − factor) · grey`; grey images stay as they are.
pub fn saturation(image: &mut [u8], shape: ImageShape, factor: f64) {
    if shape.channels != 3 {
        return;
    }
    let grey = grey(image, shape);
    for plane in image.chunks_exact_mut(shape.plane()) {
        for (x, &grey) in plane.iter_mut().zip(&grey) {
            *x = blend(*x, grey, factor);
        }
    }
}

/// All hues turned by `shift` of a whole turn, −0.5 to 0.5; grey images stay as they are.
pub fn hue(image: &mut [u8], shape: ImageShape, shift: f64) {
    if shape.channels != 3 {
        return;
    }
    let plane = shape.plane();
    for i in 0..plane {
        let rgb = [0, 1, 2].map(|c| f32::from(image[c * plane + i]) / 255.0);
        let [h, s, v] = hsv_of(rgb);
        let rgb = rgb_of([(h + shift as f32).rem_euclid(1.0), s, v]);
        for (c, x) in rgb.into_iter().enumerate() {
            // torchvision's cast from shares to bytes.
            image[c * plane + i] = (x * (255.0 + 1.0 - 1e-3)) as u8;
        }
    }
}

fn hsv_of([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let range = max - min;
    if range == 0.0 {
        return [0.0, 0.0, max];
    }
    let part = |x: f32| (max - x) / range;
    let h = if r == max {
        part(b) - part(g)
    } else if g == max {
        2.0 + part(r) - part(b)
    } else {
        4.0 + part(g) - part(r)
    };
    [(h / 6.0 + 1.0).rem_euclid(1.0), range / max, max]
}

fn rgb_of([h, s, v]: [f32; 3]) -> [f32; 3] {
    let h6 = h * 6.0;
    let sector = h6.floor();
    let f = h6 - sector;
    let share = |x: f32| x.clamp(0.0, 1.0);
    let p = share(v * (1.0 - s));
    let q = share(v * (1.0 - s * f));
    let t = share(v * (1.0 - s * (1.0 - f)));
    match sector as i32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// `factor · image + (1 − factor) · blurred`; the border stays as it is. The blur is `[[1 1 1] [1 5 1] [1 1 1]] / 13`, rounded.
pub fn sharpness(image: &mut [u8], shape: ImageShape, factor: f64) {
    let (height, width) = (shape.height, shape.width);
    if height <= 2 || width <= 2 {
        return;
    }
    for plane in image.chunks_exact_mut(shape.plane()) {
        let old = plane.to_vec();
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                let at = y * width + x;
                let row = |at: usize| {
                    old[at - 1..=at + 1]
                        .iter()
                        .map(|&x| u32::from(x))
                        .sum::<u32>()
                };
                let sum = row(at - width) + row(at) + row(at + width) + 4 * u32::from(old[at]);
                let blurred = (sum as f32 / 13.0).round_ties_even();
                plane[at] = blend(old[at], blurred, factor);
            }
        }
    }
}

/// Only the highest `bits` bits of each byte are kept.
pub fn posterize(image: &mut [u8], bits: u32) {
    let mask = (255u32 << (8 - bits.min(8))) as u8;
    for x in image {
        *x &= mask;
    }
}

/// Bytes of at least `threshold` are inverted.
pub fn solarize(image: &mut [u8], threshold: f64) {
    for x in image {
        if f64::from(*x) >= threshold {
            *x = 255 - *x;
        }
    }
}

/// Each channel stretched to the whole range.
pub fn auto_contrast(image: &mut [u8], shape: ImageShape) {
    for plane in image.chunks_exact_mut(shape.plane()) {
        let (min, max) = plane
            .iter()
            .fold((255, 0), |(min, max), &x| (x.min(min), x.max(max)));
        if min < max {
            let scale = f32::from(max - min) * (1.0 / 255.0);
            for x in plane {
                *x = to_byte(f32::from(*x - min) / scale);
            }
        }
    }
}

/// Each channel with an even histogram.
pub fn equalize(image: &mut [u8], shape: ImageShape) {
    for plane in image.chunks_exact_mut(shape.plane()) {
        let mut counts = [0usize; 256];
        for &x in plane.iter() {
            counts[usize::from(x)] += 1;
        }
        let last = counts.iter().rposition(|&n| n > 0).unwrap_or(0);
        let step = (plane.len() - counts[last]) / 255;
        if step == 0 {
            continue;
        }
        let mut below = 0;
        let table = counts.map(|n| {
            let level = (below + step / 2) / step;
            below += n;
            level.min(255) as u8
        });
        for x in plane {
            *x = table[usize::from(*x)];
        }
    }
}
