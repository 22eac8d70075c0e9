//! Images inside of a table's cells: PNG or JPEG in base64 (RFC 4648).

use azura_learner::data::image::{Fit, ImageShape, decode_image};
use azura_learner::data::{DataResult, Table};

/// The images of a column, one after the other.
///
/// # Errors
/// With the row: text that is no base64, bytes that are no image.
pub(super) fn decode(
    table: &Table,
    column: &str,
    shape: ImageShape,
    fit: Fit,
) -> DataResult<Vec<u8>> {
    let texts = table.texts(column)?;
    let mut out = Vec::with_capacity(texts.len() * shape.bytes());
    let images = azura_core::in_parallel(texts.len(), |row| {
        let bytes = base64(&texts[row]).ok_or("it is no base64".to_string())?;
        decode_image(&bytes, shape, fit)
    });
    for (row, image) in images.into_iter().enumerate() {
        out.extend(image.map_err(|why| {
            let remedy = "write the bytes of a PNG or JPEG file in base64";
            table.error_at(row, column, why, remedy)
        })?);
    }
    Ok(out)
}

/// The bytes of a text in base64, with or without padding and line ends; `data:image/png;base64,` may stand before it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = match text.split_once(";base64,") {
        Some((_, text)) => text,
        None => text,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.trim_end_matches(['=', '\n', '\r', ' ']).bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    // What is left over must be fewer bits than a digit has, all zero.
    (count < 6 && bits & ((1 << count) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("data:image/png;base64,Zm9v\nYmE=", "fooba"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for wrong in ["Z", "Zm9vY", "Zh==", "Z*9v"] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
    }
}
