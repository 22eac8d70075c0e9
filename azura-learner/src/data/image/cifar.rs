//! CIFAR's binary format: records of one label (two for 100 classes) and 3 × 32 × 32 bytes (Krizhevsky 2009).

use std::path::{Path, PathBuf};

use super::images::ImageShape;
use crate::data::{DataError, DataErrorKind, DataResult, check_memory};

pub(super) const SHAPE: ImageShape = ImageShape {
    channels: 3,
    height: 32,
    width: 32,
};

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ten,
    Hundred,
}

impl Kind {
    pub fn classes(self) -> usize {
        match self {
            Kind::Ten => 10,
            Kind::Hundred => 100,
        }
    }

    /// Bytes before the pixels; the last of them is the label.
    fn labels(self) -> usize {
        match self {
            Kind::Ten => 1,
            Kind::Hundred => 2,
        }
    }

    /// Where the names of the classes stand.
    fn names(self) -> &'static str {
        match self {
            Kind::Ten => "batches.meta.txt",
            Kind::Hundred => "fine_label_names.txt",
        }
    }
}

/// The files of a folder: training, test, and which set they are.
pub(super) fn files(folder: &Path) -> Option<(Vec<PathBuf>, Vec<PathBuf>, Kind)> {
    let there = |names: &[&str]| -> Vec<PathBuf> {
        let paths = names.iter().map(|name| folder.join(name));
        paths.filter(|path| path.is_file()).collect()
    };
    let batches: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
    let ten = (there(&batches), there(&["test_batch.bin"]), Kind::Ten);
    let hundred = (there(&["train.bin"]), there(&["test.bin"]), Kind::Hundred);
    [ten, hundred]
        .into_iter()
        .find(|(train, ..)| !train.is_empty())
}

/// The names of the classes, if their file is there and whole.
pub(super) fn class_names(folder: &Path, kind: Kind) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(kind.names())).ok()?;
    let names: Vec<String> = text
        .lines()
        .map(|line| line.trim().to_string())
        .filter(|line| !line.is_empty())
        .collect();
    (names.len() == kind.classes()).then_some(names)
}

/// Appends the images and labels of a file.
pub(super) fn read(
    path: &Path,
    kind: Kind,
    bytes: &mut Vec<u8>,
    labels: &mut Vec<usize>,
) -> DataResult<()> {
    let failed =
        |kind, what: String| DataError::new(kind, what).in_file(path.display().to_string());
    let size = std::fs::metadata(path).map_or(0, |data| data.len() as usize);
    check_memory(2 * size).map_err(|e| e.in_file(path.display().to_string()))?;
    let file = std::fs::read(path)
        .map_err(|e| failed(DataErrorKind::Io, format!("cannot be read: {e}")))?;
    let record = kind.labels() + SHAPE.bytes();
    if file.is_empty() || !file.len().is_multiple_of(record) {
        let what = format!(
            "{} bytes are no whole records of {record} bytes; record {} is cut off",
            file.len(),
            file.len() / record + 1
        );
        return Err(failed(DataErrorKind::Size, what).remedy("copy the file again, whole"));
    }
    for (number, record) in file.chunks_exact(record).enumerate() {
        let (head, pixels) = record.split_at(kind.labels());
        let label = usize::from(head[kind.labels() - 1]);
        if label >= kind.classes() {
            let what = format!(
                "record {} has the label {label}, but CIFAR-{} has labels from 0 to {}",
                number + 1,
                kind.classes(),
                kind.classes() - 1
            );
            return Err(failed(DataErrorKind::OutOfRange, what)
                .remedy("give the binary version of the set, as it was published"));
        }
        labels.push(label);
        bytes.extend_from_slice(pixels);
    }
    Ok(())
}
