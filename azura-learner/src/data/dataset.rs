//! What training reads: numbered samples that come in batches of tensors.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use azura_core::Tensor;
use sha2::{Digest, Sha256};

use super::error::{DataError, DataErrorKind, DataResult};
use crate::Result;
use crate::fs::sha256_hex;

/// A few samples as tensors, the first axis of each being the sample.
///
/// Which tensor is which is the app's convention: inputs first, the target last.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The tensors, inputs first.
    pub tensors: Vec<Tensor>,
    /// The samples' numbers in the data set.
    pub rows: Vec<usize>,
}

/// Samples by number. Batches may be asked for from several threads, in any order.
///
/// The same rows must always give the same tensors: resuming a run in the middle of an epoch depends on it.
pub trait Dataset: Send + Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order.
    ///
    /// # Errors
    /// What the data set meets on the way; a number outside of it.
    fn batch(&self, rows: &[usize]) -> Result<Batch>;

    /// The same samples as a step of training in `epoch`, from 0, sees them: changed at random, where the data set does that.
    ///
    /// The result may depend on the rows and the epoch, and on nothing else.
    ///
    /// # Errors
    /// As [`batch`](Dataset::batch).
    fn training_batch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        let _ = epoch;
        self.batch(rows)
    }
}

/// The SHA-256 of a file in hexadecimal, so that a run can say exactly what it learned from.
///
/// # Errors
/// [`DataErrorKind::Io`].
pub fn sha256_file(path: impl AsRef<Path>) -> DataResult<String> {
    let path = path.as_ref();
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hash.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    };
    read().map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &io::Error) -> DataError {
    DataError::new(DataErrorKind::Io, format!("cannot be read: {error}"))
        .in_file(path.display().to_string())
        .remedy("check the path and the permissions")
}

/// The SHA-256 of a file; of a folder, that of the list of its files as `sha256sum` writes it: a line with hash, two spaces and the
/// path below the folder for each, sorted by path. Names that begin with a dot do not count.
///
/// # Errors
/// As [`sha256_file`].
pub fn sha256_path(path: impl AsRef<Path>) -> DataResult<String> {
    let path = path.as_ref();
    if !path.is_dir() {
        return sha256_file(path);
    }
    let mut lines = Vec::new();
    for file in files_in(path)? {
        let inside = file.strip_prefix(path).unwrap_or(&file);
        let name = inside.to_string_lossy().replace('\\', "/");
        lines.push((name, sha256_file(&file)?));
    }
    lines.sort();
    let list: String = lines
        .iter()
        .map(|(name, hash)| format!("{hash}  {name}\n"))
        .collect();
    Ok(sha256_hex(list.as_bytes()))
}

/// The files of a folder and its folders, in the order of their names. Names that begin with a dot do not count, and links to
/// folders, which may lead back, are not followed.
pub(super) fn files_in(folder: &Path) -> DataResult<Vec<PathBuf>> {
    let failed = |e: io::Error| unreadable(folder, &e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(files_in(&path)?);
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
