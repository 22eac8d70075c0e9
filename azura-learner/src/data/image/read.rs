//! Which layout a path has, and the images, labels and parts that it holds.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::folder::{entries, is_image, list, load, name_of, subfolders};
use super::images::{ImageShape, Images};
use super::pixels::{PixelTable, as_numbers_or_texts, classes_of};
use super::resize::fit_planes;
use super::{cifar, decode, idx};
use crate::data::{
    DataError, DataErrorKind, DataResult, Parts, Table, quoted, read_csv_all, read_csv_all_from,
};

/// The colours that images are brought to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Grey if all images are grey, else colours.
    #[default]
    Auto,
    /// One channel.
    Grey,
    /// Red, green and blue.
    Rgb,
}

/// How images of other proportions come to one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The shorter side is scaled, and the middle is cut out.
    #[default]
    Crop,
    /// Both sides are scaled; shapes are distorted.
    Stretch,
}

/// What is done about files that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadFiles {
    /// They are left out and listed, each with the reason.
    #[default]
    List,
    /// The first ends the command.
    Error,
}

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its path.
    pub file: String,
    /// The reason, in a few words.
    pub why: String,
}

impl BadFile {
    pub(super) fn new(path: &Path, why: impl Into<String>) -> Self {
        BadFile {
            file: path.display().to_string(),
            why: why.into(),
        }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.why)
    }
}

/// How images are read.
#[derive(Clone, Debug)]
pub struct ReadImages {
    /// Height and width that images are brought to; 0 leaves them as they are.
    pub size: usize,
    /// Their colours.
    pub colour: Colour,
    /// How other proportions are brought to the size.
    pub fit: Fit,
    /// What is done about bad files.
    pub bad: BadFiles,
    /// Images of more bytes than this stay in their files, and are decoded for each batch.
    pub memory: usize,
    /// The column of the class, in a table of pixels.
    pub label: String,
    /// What a model was trained on, if the images must fit it.
    pub known: Option<Known>,
}

impl Default for ReadImages {
    fn default() -> Self {
        ReadImages {
            size: 0,
            colour: Colour::default(),
            fit: Fit::default(),
            bad: BadFiles::default(),
            memory: 1 << 31,
            label: "label".to_string(),
            known: None,
        }
    }
}

/// Shape, classes and columns that new images must fit.
#[derive(Clone, Debug)]
pub struct Known {
    /// The shape that images are brought to.
    pub shape: ImageShape,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The columns, if the model was trained on a table of pixels.
    pub pixels: Option<PixelTable>,
}

/// Images with their classes.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// The images.
    pub images: Images,
    /// The class of each.
    pub labels: Vec<usize>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// What people call each image: its path in the folder, its line, or its number.
    pub names: Vec<String>,
    /// The parts that the data itself is dealt into, if it is; `val` may be empty.
    pub parts: Option<Parts>,
    /// What was left out.
    pub bad: Vec<BadFile>,
    /// The columns, if it is a table of pixels.
    pub pixels: Option<PixelTable>,
    /// The layout that was found, for a person.
    pub layout: &'static str,
}

/// Reads labelled images from a path.
///
/// | path                                   | layout                                                                |
/// |----------------------------------------|-----------------------------------------------------------------------|
/// | a folder with `*images*idx3*`          | MNIST's IDX files, plain or gzip; those that begin with `t10k` or `test` are the test part |
/// | a folder with `data_batch_1.bin`, or `train.bin` | CIFAR-10 or CIFAR-100 (fine labels), binary version           |
/// | a folder of folders                    | one for each class, with PNG and JPEG files, in folders below it too; or `train`, `val` and `test` with such folders |
/// | a file `*images*idx3*`, or `*.bin`     | one file of these kinds                                               |
/// | another file                           | a CSV table, a column for each pixel (n² or 3 n²) and one for the class |
///
/// # Errors
/// With the file and what to do: an empty folder, a class without images, images of several sizes where none was chosen, a file that
/// ends too early, a wrong magic number, a label that is out of range or unknown, one class only, no memory.
pub fn read_images(path: &Path, options: &ReadImages) -> DataResult<Labelled> {
    let labelled = match path.is_dir() {
        true => read_folder(path, options)?,
        false => read_file(path, options)?,
    };
    let mut present: Vec<usize> = labelled.labels.clone();
    present.sort_unstable();
    present.dedup();
    if let (Some(&only), 1, None) = (present.first(), present.len(), &options.known) {
        let what = format!(
            "all {} images are of one class, `{}`",
            labelled.labels.len(),
            labelled.classes[only]
        );
        return Err(DataError::new(DataErrorKind::Size, what)
            .in_file(path.display().to_string())
            .remedy("a classifier needs at least two classes"));
    }
    Ok(labelled)
}

/// A table of pixels from memory; `name` is what errors call it.
///
/// # Errors
/// As [`read_images`].
pub fn read_pixels(reader: impl Read, name: &str, options: &ReadImages) -> DataResult<Labelled> {
    of_table(&read_csv_all_from(reader, name)?, options)
}

/// IDX files from memory: images, labels, and how many of the images, from the first on, are for training.
///
/// # Errors
/// As [`read_images`].
pub fn read_idx_bytes(
    images: &[u8],
    labels: &[u8],
    name: &str,
    training: usize,
    options: &ReadImages,
) -> DataResult<Labelled> {
    let pair = idx::read_pair_from(images, labels, name)?;
    let count = pair.labels.len();
    let parts = Parts {
        train: (0..training.min(count)).collect(),
        val: Vec::new(),
        test: (training.min(count)..count).collect(),
    };
    let names = (0..count).map(|i| format!("image {i}")).collect();
    of_numbers(pair, names, Some(parts), options, name, "IDX files")
}

fn read_folder(path: &Path, options: &ReadImages) -> DataResult<Labelled> {
    let idx_files: Vec<PathBuf> = entries(path)?
        .into_iter()
        .filter(|file| file.is_file() && is_idx_images(file))
        .collect();
    if !idx_files.is_empty() {
        return read_idx(path, &idx_files, options);
    }
    if let Some((train, test, kind)) = cifar::files(path) {
        return read_cifar(path, &train, &test, kind, options);
    }
    let folders = subfolders(path)?;
    if folders.is_empty() {
        let what = match entries(path)?.iter().any(|file| is_image(file)) {
            true => "holds images, but no folder for each class",
            false => "holds no images: neither folders of classes, nor IDX or CIFAR files",
        };
        return Err(DataError::new(DataErrorKind::Empty, what)
            .in_file(path.display().to_string())
            .remedy(
                "make a folder for each class and put its PNG or JPEG files into it: DIR/cat/1.png",
            ));
    }
    let named = |wanted: &[&str]| {
        folders
            .iter()
            .find(|folder| wanted.contains(&name_of(folder).as_str()))
    };
    let train = named(&["train", "training"]);
    let val = named(&["val", "valid", "validation"]);
    let test = named(&["test", "testing"]);
    let all_parts = [train, val, test].iter().flatten().count();
    let split = train.is_some() && all_parts == folders.len();
    let (layout, roots) = match split {
        true => (
            "folders of parts with a folder for each class",
            [train, val, test],
        ),
        false => ("a folder for each class", [None; 3]),
    };
    let of_classes = roots[0].map_or(path, |root| root);
    let classes = match &options.known {
        Some(known) => known.classes.clone(),
        None => subfolders(of_classes)?.iter().map(|f| name_of(f)).collect(),
    };
    if classes.is_empty() {
        return Err(
            DataError::new(DataErrorKind::Empty, "holds no folder of a class")
                .in_file(of_classes.display().to_string())
                .remedy("make a folder for each class and put its PNG or JPEG files into it"),
        );
    }
    let mut bad = Vec::new();
    let mut found = Vec::new();
    match split {
        true => {
            for (part, root) in roots.into_iter().enumerate() {
                if let Some(root) = root {
                    found.extend(list(root, part, &classes, &mut bad)?);
                }
            }
        }
        false => found = list(path, 0, &classes, &mut bad)?,
    }
    let (images, kept) = load(found, options, path, &mut bad)?;
    let of = |part: usize| (0..kept.len()).filter(|&i| kept[i].part == part).collect();
    let parts = split.then(|| Parts {
        train: of(0),
        val: of(1),
        test: of(2),
    });
    let names = kept.iter().map(|found| {
        let inside = found.path.strip_prefix(path).unwrap_or(&found.path);
        inside.to_string_lossy().replace('\\', "/")
    });
    Ok(Labelled {
        names: names.collect(),
        labels: kept.iter().map(|found| found.class).collect(),
        images,
        classes,
        parts,
        bad,
        pixels: None,
        layout,
    })
}

fn read_file(path: &Path, options: &ReadImages) -> DataResult<Labelled> {
    if is_image(path) {
        return Err(
            DataError::new(DataErrorKind::WrongKind, "one image is no data set")
                .in_file(path.display().to_string())
                .remedy("give a folder with a folder for each class"),
        );
    }
    if is_idx_images(path) {
        return read_idx(path, &[path.to_path_buf()], options);
    }
    if path.extension().is_some_and(|ending| ending == "bin") {
        let size = std::fs::metadata(path).map_or(0, |data| data.len());
        let kind = match size.is_multiple_of(3074) && !size.is_multiple_of(3073) {
            true => cifar::Kind::Hundred,
            false => cifar::Kind::Ten,
        };
        let mut labelled = read_cifar(
            path.parent().unwrap_or(path),
            &[path.to_path_buf()],
            &[],
            kind,
            options,
        )?;
        labelled.parts = None;
        return Ok(labelled);
    }
    of_table(&read_csv_all(path)?, options)
}

fn is_idx_images(path: &Path) -> bool {
    let name = name_of(path);
    name.contains("images") && name.contains("idx3")
}

fn read_idx(place: &Path, files: &[PathBuf], options: &ReadImages) -> DataResult<Labelled> {
    let is_test = |path: &&PathBuf| {
        let name = name_of(path);
        name.starts_with("t10k") || name.starts_with("test")
    };
    let (test, train): (Vec<_>, Vec<_>) = files.iter().partition(|path| is_test(path));
    let mut whole: Option<idx::Idx> = None;
    let mut names = Vec::new();
    let training = train.len();
    let mut ends = [0; 2];
    for (i, path) in train.iter().chain(&test).enumerate() {
        let pair = idx::read_pair(path, &idx::labels_beside(path)?)?;
        let stem = name_of(path);
        names.extend((0..pair.labels.len()).map(|i| format!("{stem} {i}")));
        match &mut whole {
            None => whole = Some(pair),
            Some(whole) if whole.shape == pair.shape => {
                whole.bytes.extend(pair.bytes);
                whole.labels.extend(pair.labels);
            }
            Some(whole) => {
                let what = format!("images of {}, but others of {}", pair.shape, whole.shape);
                return Err(DataError::new(DataErrorKind::Size, what)
                    .in_file(path.display().to_string())
                    .remedy("put files of one set into the folder"));
            }
        }
        ends[usize::from(i >= training)] = names.len();
    }
    let Some(whole) = whole else {
        return Err(DataError::new(DataErrorKind::Empty, "holds no IDX images")
            .in_file(place.display().to_string()));
    };
    let parts = (!test.is_empty() && !train.is_empty()).then(|| Parts {
        train: (0..ends[0]).collect(),
        val: Vec::new(),
        test: (ends[0]..names.len()).collect(),
    });
    let name = place.display().to_string();
    of_numbers(whole, names, parts, options, &name, "IDX files")
}

/// IDX images whose labels are their class names.
fn of_numbers(
    whole: idx::Idx,
    names: Vec<String>,
    parts: Option<Parts>,
    options: &ReadImages,
    place: &str,
    layout: &'static str,
) -> DataResult<Labelled> {
    let texts: Vec<String> = whole.labels.iter().map(ToString::to_string).collect();
    let (classes, labels) = known_classes(&texts, options, |i, label| {
        DataError::new(
            DataErrorKind::OutOfRange,
            format!("{} has the label {label}", names[i]),
        )
        .in_file(place)
    })?;
    let to = target(whole.shape, options);
    Ok(Labelled {
        images: Images::new(
            to,
            convert_images(whole.bytes, whole.shape, to, options.fit),
        ),
        labels,
        classes,
        names,
        parts,
        bad: Vec::new(),
        pixels: None,
        layout,
    })
}

fn read_cifar(
    folder: &Path,
    train: &[PathBuf],
    test: &[PathBuf],
    kind: cifar::Kind,
    options: &ReadImages,
) -> DataResult<Labelled> {
    let (mut bytes, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut training = 0;
    for (number, path) in train.iter().chain(test).enumerate() {
        let before = labels.len();
        cifar::read(path, kind, &mut bytes, &mut labels)?;
        let stem = name_of(path);
        names.extend((0..labels.len() - before).map(|i| format!("{stem} {i}")));
        if number < train.len() {
            training = labels.len();
        }
    }
    let own = cifar::class_names(folder, kind)
        .unwrap_or_else(|| (0..kind.classes()).map(|i| i.to_string()).collect());
    let texts: Vec<String> = labels.iter().map(|&label| own[label].clone()).collect();
    let (classes, labels) = match &options.known {
        None => (own, labels),
        Some(_) => known_classes(&texts, options, |i, label| {
            DataError::new(
                DataErrorKind::OutOfRange,
                format!("{} has the class {label}", names[i]),
            )
            .in_file(folder.display().to_string())
        })?,
    };
    let to = target(cifar::SHAPE, options);
    let parts = (!test.is_empty()).then(|| Parts {
        train: (0..training).collect(),
        val: Vec::new(),
        test: (training..labels.len()).collect(),
    });
    Ok(Labelled {
        images: Images::new(to, convert_images(bytes, cifar::SHAPE, to, options.fit)),
        labels,
        classes,
        names,
        parts,
        bad: Vec::new(),
        pixels: None,
        layout: match kind {
            cifar::Kind::Ten => "CIFAR-10",
            cifar::Kind::Hundred => "CIFAR-100, fine labels",
        },
    })
}

fn of_table(table: &Table, options: &ReadImages) -> DataResult<Labelled> {
    let label = &options.label;
    let texts = as_numbers_or_texts(table, label)?;
    let pixels = match options
        .known
        .as_ref()
        .and_then(|known| known.pixels.clone())
    {
        Some(pixels) => pixels,
        None => PixelTable::find(table, label)?,
    };
    let (classes, labels) = known_classes(&texts, options, |row, text| {
        table.error_at(
            row,
            label,
            format!("{} is no class", quoted(text)),
            "labels must be classes of the training images",
        )
    })?;
    let to = target(pixels.shape, options);
    let bytes = convert_images(pixels.bytes(table)?, pixels.shape, to, options.fit);
    let name = |row: usize| match table.line(row) {
        Some(line) => format!("line {line}"),
        None => format!("row {}", row + 1),
    };
    Ok(Labelled {
        images: Images::new(to, bytes),
        labels,
        classes,
        names: (0..table.len()).map(name).collect(),
        parts: None,
        bad: Vec::new(),
        pixels: Some(pixels),
        layout: "a table of pixels",
    })
}

/// Classes and the class of each label; those of the model if there is one, where another label is an error.
fn known_classes(
    texts: &[String],
    options: &ReadImages,
    unknown: impl Fn(usize, &str) -> DataError,
) -> DataResult<(Vec<String>, Vec<usize>)> {
    let Some(known) = &options.known else {
        return Ok(classes_of(texts));
    };
    let place = |(i, text): (usize, &String)| {
        known
            .classes
            .iter()
            .position(|class| class == text)
            .ok_or_else(|| {
                let names = known.classes.join(", ");
                unknown(i, text).remedy(format!("classes of the model: {names}"))
            })
    };
    let labels = texts
        .iter()
        .enumerate()
        .map(place)
        .collect::<DataResult<_>>()?;
    Ok((known.classes.clone(), labels))
}

/// The shape that images of shape `from` are brought to.
fn target(from: ImageShape, options: &ReadImages) -> ImageShape {
    if let Some(known) = &options.known {
        return known.shape;
    }
    let channels = match options.colour {
        Colour::Auto => from.channels,
        Colour::Grey => 1,
        Colour::Rgb => 3,
    };
    match options.size {
        0 => ImageShape { channels, ..from },
        size => ImageShape {
            channels,
            height: size,
            width: size,
        },
    }
}

/// Images of one shape, one after the other, brought to another: colours by Pillow's grey, sizes as `fit` says.
pub fn convert_images(bytes: Vec<u8>, from: ImageShape, to: ImageShape, fit: Fit) -> Vec<u8> {
    if from == to {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() / from.bytes().max(1) * to.bytes());
    for image in bytes.chunks_exact(from.bytes()) {
        out.extend(convert_one(image, from, to, fit));
    }
    out
}

/// An image of one shape brought to another.
fn convert_one(image: &[u8], from: ImageShape, to: ImageShape, fit: Fit) -> Vec<u8> {
    let plane = from.plane();
    let coloured = match (from.channels, to.channels) {
        (3, 1) => (0..plane)
            .map(|i| decode::grey(image[i], image[plane + i], image[2 * plane + i]))
            .collect(),
        (1, 3) => image.repeat(3),
        _ => image.to_vec(),
    };
    let from = ImageShape {
        channels: to.channels,
        ..from
    };
    fit_planes(&coloured, from, to, fit)
}
