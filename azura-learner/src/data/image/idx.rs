//! MNIST's IDX format: a magic number, sizes, bytes (LeCun, Cortes & Burges, "The MNIST database").

use std::io::Read;
use std::path::{Path, PathBuf};

use super::images::ImageShape;
use crate::data::csv::unpacked;
use crate::data::{DataError, DataErrorKind, DataResult, check_memory};

/// Images and labels of a pair of files.
pub(super) struct Idx {
    pub shape: ImageShape,
    pub bytes: Vec<u8>,
    pub labels: Vec<usize>,
}

/// `0x00 0x00`, the kind of elements (0x08 is unsigned bytes), the number of axes.
const IMAGES: u32 = 0x0000_0803;
const LABELS: u32 = 0x0000_0801;

/// Reads images `[N, H, W]` and the labels that belong to them.
pub(super) fn read_pair(images: &Path, labels: &Path) -> DataResult<Idx> {
    let names = [images, labels].map(|path| path.display().to_string());
    let open = |path: &Path, name: &str| {
        std::fs::File::open(path).map_err(|e| {
            DataError::new(DataErrorKind::Io, format!("cannot be opened: {e}")).in_file(name)
        })
    };
    pair(
        open(images, &names[0])?,
        &names[0],
        open(labels, &names[1])?,
        &names[1],
    )
}

/// The same from memory; `name` is what errors call it.
pub(super) fn read_pair_from(images: &[u8], labels: &[u8], name: &str) -> DataResult<Idx> {
    pair(images, name, labels, name)
}

fn pair(
    images: impl Read,
    images_name: &str,
    labels: impl Read,
    labels_name: &str,
) -> DataResult<Idx> {
    let (sizes, bytes) = read(images, images_name, IMAGES, "images (three axes of bytes)")?;
    let (counts, own) = read(labels, labels_name, LABELS, "labels (one axis of bytes)")?;
    let (count, height, width) = (sizes[0], sizes[1], sizes[2]);
    if counts[0] != count {
        let what = format!("{} labels, but {images_name} has {count} images", counts[0]);
        return Err(DataError::new(DataErrorKind::Size, what)
            .in_file(labels_name)
            .remedy("give files that belong together"));
    }
    Ok(Idx {
        shape: ImageShape {
            channels: 1,
            height,
            width,
        },
        bytes,
        labels: own.into_iter().map(usize::from).collect(),
    })
}

/// The file of labels beside a file of images: the same name with `labels-idx1` for `images-idx3`, packed or not.
pub(super) fn labels_beside(images: &Path) -> DataResult<PathBuf> {
    let name = images
        .file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let wanted = name
        .replace("images", "labels")
        .replace("idx3", "idx1")
        .trim_end_matches(".gz")
        .to_string();
    let packed = format!("{wanted}.gz");
    [&wanted, &packed]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| *path != images && path.is_file())
        .ok_or_else(|| {
            DataError::new(
                DataErrorKind::Io,
                format!("the labels `{wanted}` (or .gz) are not beside it"),
            )
            .in_file(images.display().to_string())
            .remedy("put both files into one folder, with the names of MNIST")
        })
}

fn read(
    source: impl Read,
    name: &str,
    magic: u32,
    what: &str,
) -> DataResult<(Vec<usize>, Vec<u8>)> {
    let failed = |kind, text: String| DataError::new(kind, text).in_file(name);
    let unreadable = |e: std::io::Error| {
        let text = match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "it ends too early".to_string(),
            _ => format!("cannot be read: {e}"),
        };
        failed(DataErrorKind::Io, text).remedy("copy the file again, whole")
    };
    let mut reader = unpacked(source, name)?;
    let mut word = || -> DataResult<u32> {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(u32::from_be_bytes(bytes))
    };
    let found = word()?;
    if found != magic {
        let text =
            format!("begins with 0x{found:08x}, but IDX files of {what} begin with 0x{magic:08x}");
        return Err(failed(DataErrorKind::Encoding, text)
            .remedy("give the file of that kind, as MNIST has it"));
    }
    let axes = (magic & 0xff) as usize;
    let sizes: Vec<usize> = (0..axes)
        .map(|_| word().map(|size| size as usize))
        .collect::<DataResult<_>>()?;
    let total = sizes
        .iter()
        .try_fold(1usize, |total, &size| total.checked_mul(size))
        .filter(|&total| total > 0)
        .ok_or_else(|| {
            failed(
                DataErrorKind::Size,
                format!("says that it holds {sizes:?} bytes"),
            )
        })?;
    check_memory(total).map_err(|e| e.in_file(name))?;
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(total as u64)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() < total {
        let text = format!("ends after {} of {total} bytes", bytes.len());
        return Err(failed(DataErrorKind::Size, text).remedy("copy the file again, whole"));
    }
    let mut more = [0];
    if reader.read(&mut more).map_err(unreadable)? > 0 {
        let text = format!("goes on after the {total} bytes that its header names");
        return Err(failed(DataErrorKind::Size, text).remedy("give the file as it was published"));
    }
    Ok((sizes, bytes))
}
