//! A folder for each class.

use std::path::{Path, PathBuf};

use azura_core::in_parallel;

use super::decode::{Header, decode_file, header};
use super::images::{ImageShape, Images};
use super::read::{BadFile, BadFiles, Colour, ReadImages};
use crate::data::dataset::files_in;
use crate::data::{DataError, DataErrorKind, DataResult, check_memory};

/// Images that one thread takes at a time.
const AT_ONCE: usize = 16;

/// Whether a file's name ends as that of a PNG or JPEG.
pub fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// All PNG and JPEG files under `folder`, sorted.
///
/// # Errors
/// [`DataErrorKind::Io`] for a folder that cannot be read.
pub fn image_files(folder: &Path) -> DataResult<Vec<PathBuf>> {
    let mut files = files_in(folder)?;
    files.retain(|path| is_image(path));
    Ok(files)
}

/// Files and folders in `folder`, sorted; names that begin with a dot are the system's.
pub(super) fn entries(folder: &Path) -> DataResult<Vec<PathBuf>> {
    let failed = |e: std::io::Error| {
        DataError::new(DataErrorKind::Io, format!("cannot be read: {e}"))
            .in_file(folder.display().to_string())
            .remedy("check the path and the permissions")
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The folders in a folder.
pub(super) fn subfolders(folder: &Path) -> DataResult<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}

/// The last part of a path, as text.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// A file with its class.
pub(super) struct Found {
    pub path: PathBuf,
    pub class: usize,
    /// The part that its folder says, 0 to 2.
    pub part: usize,
}

/// The images of the class folders in `root`, and what is none.
pub(super) fn list(
    root: &Path,
    part: usize,
    classes: &[String],
    bad: &mut Vec<BadFile>,
) -> DataResult<Vec<Found>> {
    let mut found = Vec::new();
    for path in entries(root)? {
        if !path.is_dir() {
            bad.push(BadFile::new(
                &path,
                "lies beside the folders of the classes",
            ));
            continue;
        }
        let name = name_of(&path);
        let Some(class) = classes.iter().position(|class| *class == name) else {
            let what = format!("the class `{name}` has no folder among the training images");
            return Err(DataError::new(DataErrorKind::OutOfRange, what)
                .in_file(path.display().to_string())
                .remedy(format!("known classes: {}", classes.join(", "))));
        };
        let (images, others): (Vec<_>, Vec<_>) = files_in(&path)?
            .into_iter()
            .partition(|path| is_image(path));
        bad.extend(
            others
                .iter()
                .map(|path| BadFile::new(path, "its name does not end in .png, .jpg or .jpeg")),
        );
        if images.is_empty() {
            return Err(DataError::new(DataErrorKind::Empty, "holds no PNG or JPEG")
                .in_file(path.display().to_string())
                .remedy("put images of the class into it, or remove the folder"));
        }
        found.extend(images.into_iter().map(|path| Found { path, class, part }));
    }
    Ok(found)
}

/// Decodes files; those that cannot be are moved to `bad`.
pub(super) fn load(
    found: Vec<Found>,
    options: &ReadImages,
    root: &Path,
    bad: &mut Vec<BadFile>,
) -> DataResult<(Images, Vec<Found>)> {
    let headers = chunked(&found, |found| header(&found.path));
    let mut good = Vec::new();
    let mut sizes = Vec::new();
    for (found, header) in found.into_iter().zip(headers) {
        match header {
            Ok(header) => {
                sizes.push(header);
                good.push(found);
            }
            Err(why) => bad.push(BadFile::new(&found.path, why)),
        }
    }
    refuse_if(options.bad, bad)?;
    let shape = shape_of(&good, &sizes, options, root)?;

    let total = good.len().saturating_mul(shape.bytes());
    let hold = total <= options.memory;
    if hold {
        check_memory(total).map_err(|e| {
            e.in_file(root.display().to_string())
                .remedy("lower data.memory: images then stay in their files")
        })?;
    }
    // Every file is decoded once, held or not: only so is a cut-off one found before training.
    let decoded = chunked(&good, |found| {
        decode_file(&found.path, shape, options.fit)
            .map(|bytes| if hold { bytes } else { Vec::new() })
    });
    let mut bytes = Vec::with_capacity(if hold { total } else { 0 });
    let mut kept = Vec::new();
    for (found, image) in good.into_iter().zip(decoded) {
        match image {
            Ok(image) => {
                bytes.extend(image);
                kept.push(found);
            }
            Err(error) => bad.push(BadFile::new(&found.path, error.what())),
        }
    }
    refuse_if(options.bad, bad)?;
    if kept.is_empty() {
        return Err(DataError::new(DataErrorKind::Empty, "no image can be read")
            .in_file(root.display().to_string())
            .remedy(format!(
                "the first: {}",
                bad.first().map_or(String::new(), ToString::to_string)
            )));
    }
    let images = match hold {
        true => Images::new(shape, bytes),
        false => {
            let paths = kept.iter().map(|found| found.path.clone()).collect();
            Images::in_files(shape, paths, options.fit)
        }
    };
    Ok((images, kept))
}

/// `f` of each, by several threads, in order.
fn chunked<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let parts = items.len().div_ceil(AT_ONCE);
    let part = |i: usize| -> Vec<R> {
        let end = items.len().min((i + 1) * AT_ONCE);
        items[i * AT_ONCE..end].iter().map(&f).collect()
    };
    in_parallel(parts, part).into_iter().flatten().collect()
}

/// With `data.bad = "error"`, the first bad file is an error.
fn refuse_if(bad: BadFiles, files: &[BadFile]) -> DataResult<()> {
    match files.first() {
        Some(first) if bad == BadFiles::Error => {
            let more = match files.len() {
                1 => String::new(),
                n => format!(", and {} more files cannot be used", n - 1),
            };
            Err(
                DataError::new(DataErrorKind::Encoding, format!("{}{more}", first.why))
                    .in_file(&first.file)
                    .remedy(
                        "replace or remove it, or leave out what cannot be used: data.bad=list",
                    ),
            )
        }
        _ => Ok(()),
    }
}

/// The shape that all images get.
fn shape_of(
    found: &[Found],
    headers: &[Header],
    options: &ReadImages,
    root: &Path,
) -> DataResult<ImageShape> {
    let Some(first) = headers.first() else {
        return Err(DataError::new(DataErrorKind::Empty, "no image can be read")
            .in_file(root.display().to_string())
            .remedy("give a folder of folders, one for each class, with PNG or JPEG files"));
    };
    let channels = match options.colour {
        Colour::Grey => 1,
        Colour::Rgb => 3,
        Colour::Auto => {
            if headers.iter().all(|header| header.grey) {
                1
            } else {
                3
            }
        }
    };
    if options.size > 0 {
        return Ok(ImageShape {
            channels,
            height: options.size,
            width: options.size,
        });
    }
    let other = headers
        .iter()
        .position(|h| (h.height, h.width) != (first.height, first.width));
    if let Some(other) = other {
        let what = format!(
            "{} × {} pixels, but {} has {} × {}",
            headers[other].height,
            headers[other].width,
            found[0].path.display(),
            first.height,
            first.width
        );
        return Err(DataError::new(DataErrorKind::Size, what)
            .in_file(found[other].path.display().to_string())
            .remedy("choose one size for all: data.size=64"));
    }
    Ok(ImageShape {
        channels,
        height: first.height,
        width: first.width,
    })
}
