//! One PNG or JPEG: its header, its pixels as planes, and planes as PNG.

use std::io::Cursor;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageReader, Limits};

use super::images::ImageShape;
use super::read::Fit;
use super::resize::fit_planes;
use crate::data::{DataError, DataErrorKind, DataResult};

/// The most pixels along a side, and bytes that a decoder may take: a small file can ask for much.
const LONGEST_SIDE: u32 = 32_768;
const MOST_BYTES: u64 = 1 << 30;

/// What the first bytes of an image say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub height: usize,
    pub width: usize,
    pub grey: bool,
}

fn reader<R: std::io::BufRead + std::io::Seek>(source: R) -> Result<ImageReader<R>, String> {
    let mut reader = ImageReader::new(source)
        .with_guessed_format()
        .map_err(|e| format!("cannot be read: {e}"))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    match reader.format() {
        Some(image::ImageFormat::Png | image::ImageFormat::Jpeg) => Ok(reader),
        _ => Err("neither PNG nor JPEG".to_string()),
    }
}

/// The size and colours of a file, without its pixels; or why it is no image.
pub(super) fn header(path: &Path) -> Result<Header, String> {
    let file = std::fs::File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    let decoder = reader(std::io::BufReader::new(file))?
        .into_decoder()
        .map_err(|e| reason(&e))?;
    let (width, height) = decoder.dimensions();
    let grey = matches!(
        decoder.color_type(),
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    );
    if width == 0 || height == 0 {
        return Err("it has no pixels".to_string());
    }
    Ok(Header {
        height: height as usize,
        width: width as usize,
        grey,
    })
}

fn reason(error: &image::ImageError) -> String {
    let text = match error {
        image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ends too early".to_string()
        }
        image::ImageError::Limits(_) => "it is larger than images may be".to_string(),
        other => other.to_string(),
    };
    // Messages of decoders may span lines and quote bytes of the file.
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(160)
        .collect()
}

/// The pixels of a PNG or JPEG, brought to `shape`.
///
/// Grey is Pillow's `L = (299 R + 587 G + 114 B) / 1000`; an alpha channel is dropped, sixteen bits become eight, and an orientation
/// in the metadata is not applied.
///
/// # Errors
/// Why the bytes are no image, in a few words.
pub fn decode_image(bytes: &[u8], shape: ImageShape, fit: Fit) -> Result<Vec<u8>, String> {
    let reader = reader(Cursor::new(bytes))?;
    if reader.format() == Some(image::ImageFormat::Jpeg) && !ends_as_a_jpeg(bytes) {
        return Err("it ends too early".to_string());
    }
    let image = reader.decode().map_err(|e| reason(&e))?;
    let from = ImageShape {
        channels: shape.channels,
        height: image.height() as usize,
        width: image.width() as usize,
    };
    if from.plane() == 0 {
        return Err("it has no pixels".to_string());
    }
    Ok(fit_planes(&planes(image, shape.channels), from, shape, fit))
}

/// Whether the segments of a JPEG reach its end-of-image marker. The decoder fills what is missing of a cut-off file with grey.
fn ends_as_a_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        match (first, marker) {
            (0xff, 0xd9) => return true,
            // Fill bytes, escaped bytes, restarts and data between markers: one byte on.
            (0xff, 0x00 | 0xff | 0xd0..=0xd8) => at += 1,
            (0xff, _) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ => at += 1,
        }
    }
    false
}

fn planes(image: DynamicImage, channels: usize) -> Vec<u8> {
    let is_grey = matches!(
        image.color(),
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    );
    if channels == 1 && is_grey {
        return image.into_luma8().into_raw();
    }
    let pixels = image.into_rgb8().into_raw();
    if channels == 1 {
        return pixels
            .chunks_exact(3)
            .map(|p| grey(p[0], p[1], p[2]))
            .collect();
    }
    let channel = |c: usize| pixels.iter().skip(c).step_by(3).copied();
    (0..3).flat_map(channel).collect()
}

/// Pillow's fixed-point luma.
pub(super) fn grey(r: u8, g: u8, b: u8) -> u8 {
    let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 0x8000;
    (sum >> 16) as u8
}

/// The pixels of a file, brought to `shape`.
pub(super) fn decode_file(path: &Path, shape: ImageShape, fit: Fit) -> DataResult<Vec<u8>> {
    let failed = |kind, what: String| {
        DataError::new(kind, what)
            .in_file(path.display().to_string())
            .remedy("replace the file, or take it out of the folder")
    };
    let bytes = std::fs::read(path)
        .map_err(|e| failed(DataErrorKind::Io, format!("cannot be read: {e}")))?;
    decode_image(&bytes, shape, fit).map_err(|why| failed(DataErrorKind::Encoding, why))
}

/// Planes as a PNG.
///
/// # Errors
/// [`DataErrorKind::Size`] if the bytes are not those of an image with one or three channels.
pub fn encode_png(planes: &[u8], shape: ImageShape) -> DataResult<Vec<u8>> {
    let plane = shape.plane();
    let colour = match shape.channels {
        1 => image::ExtendedColorType::L8,
        _ => image::ExtendedColorType::Rgb8,
    };
    let mut pixels = Vec::with_capacity(shape.bytes());
    for i in 0..plane {
        pixels.extend((0..shape.channels).filter_map(|c| planes.get(c * plane + i)));
    }
    let mut out = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    let fits = planes.len() == shape.bytes() && matches!(shape.channels, 1 | 3);
    let written = fits.then(|| {
        image::ImageEncoder::write_image(
            encoder,
            &pixels,
            shape.width as u32,
            shape.height as u32,
            colour,
        )
    });
    match written {
        Some(Ok(())) => Ok(out),
        _ => {
            let what = format!("{} bytes are no image of {shape}", planes.len());
            Err(DataError::new(DataErrorKind::Size, what))
        }
    }
}
