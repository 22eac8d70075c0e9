//! What training reads: numbered samples that come in batches of tensors.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use azura_core::Tensor;
use sha2::{Digest, Sha256};

use super::error::{DataError, DataErrorKind, DataResult};
use crate::Result;

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
    read().map_err(|e| {
        DataError::new(DataErrorKind::Io, format!("cannot be read: {e}"))
            .in_file(path.display().to_string())
            .remedy("check the path and the permissions")
    })
}
