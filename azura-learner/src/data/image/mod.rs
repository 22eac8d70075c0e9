//! Images on their way from files to batches.
//!
//! | file      | what lives there                                                              |
//! |-----------|-------------------------------------------------------------------------------|
//! | `images`  | [`Images`]: bytes in memory, or files that are decoded when they are asked for |
//! | `read`    | [`read_images`]: which layout a path has, and what it gives: [`Labelled`]      |
//! | `folder`  | a folder for each class, PNG and JPEG                                          |
//! | `idx`     | MNIST's format, plain or gzip                                                  |
//! | `cifar`   | CIFAR's binary format, 10 and 100 classes                                      |
//! | `pixels`  | a table with a column for each pixel                                           |
//! | `decode`  | one PNG or JPEG to planes of bytes; `resize`: cropping and scaling             |
//!
//! An image is planes of bytes, `[C, H, W]`, red, green and blue or grey. Changes of images are in
//! [`augment`](super::augment), batches in [`ImageRows`](super::ImageRows).

mod cifar;
mod decode;
mod folder;
mod idx;
mod images;
mod pixels;
mod read;
mod resize;

pub use decode::{decode_image, encode_png};
pub use folder::{image_files, is_image};
pub use images::{ImageShape, Images};
pub use pixels::{PixelTable, as_numbers_or_texts};
pub use read::{
    BadFile, BadFiles, Colour, Fit, Known, Labelled, ReadImages, convert_images, read_idx_bytes,
    read_images, read_pixels,
};
