//! Files that are either whole or not there.
//!
//! Every file that this crate writes goes through [`write_atomic`], so that a crash, a full disk or a
//! power cut leaves the old file or the new one, never a part of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Ends the names of files that are still being written.
const TEMPORARY: &str = ".azura-tmp";

/// Writes `bytes` to `path` so that `path` always holds a whole file: to a temporary name in the same
/// folder, fsync, rename, fsync of the folder. The folder is created if it is not there. A link is
/// followed; a device or pipe is written to, for there is nothing to replace.
///
/// # Errors
/// [`Error::Io`] with the path; the temporary file is removed and an old file at `path` is untouched.
///
/// ```
/// let path = std::env::temp_dir().join(format!("azura-doc-{}", std::process::id()));
/// azura_learner::fs::write_atomic(&path, b"all or nothing")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"all or nothing");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    // Renaming over a link or a device would put a file in its place.
    let real = fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
    let path = real.as_path();
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let write = || OpenOptions::new().write(true).open(path)?.write_all(bytes);
        return write().map_err(|e| Error::io("write", path, e));
    }
    let folder = folder_of(path);
    fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, e))?;
    let temporary = temporary_name(path)?;
    let written = write_and_sync(&temporary, bytes)
        .map_err(|e| Error::io("write", &temporary, e))
        .and_then(|()| fs::rename(&temporary, path).map_err(|e| Error::io("rename to", path, e)));
    if written.is_err() {
        // The first error is the one to report; a leftover is swept away by `sweep`.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(&folder)
}

/// Removes what a killed process left half-written in `folder`. Returns how many files that were.
///
/// Only call it while no one else writes there.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read or a file in it cannot be removed.
pub fn sweep(folder: impl AsRef<Path>) -> Result<usize> {
    let folder = folder.as_ref();
    let mut swept = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::io("read the folder", folder, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("read the folder", folder, e))?;
        if entry.file_name().to_string_lossy().ends_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(|e| Error::io("remove", entry.path(), e))?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// The sha256 of `bytes` as 64 lower-case hexadecimal digits.
///
/// ```
/// assert!(azura_learner::fs::sha256_hex(b"").starts_with("e3b0c44298fc1c14"));
/// ```
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

pub(crate) fn temporary_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        Error::io(
            "write",
            path,
            io::Error::new(io::ErrorKind::InvalidInput, "not a file name"),
        )
    })?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    // Two processes that write the same file must not write into one temporary file.
    temporary.push(format!(".{}{TEMPORARY}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|e| Error::io("sync the folder", folder, e))
}

/// Windows has no fsync of a folder; its rename is journaled.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<()> {
    let _ = File::open;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("azura-fs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        use std::os::unix::fs::FileTypeExt;
        let folder = folder("link");
        write_atomic(folder.join("target"), b"old").unwrap();
        std::os::unix::fs::symlink("target", folder.join("link")).unwrap();
        write_atomic(folder.join("link"), b"new").unwrap();
        assert!(folder.join("link").is_symlink());
        assert_eq!(fs::read(folder.join("target")).unwrap(), b"new");
        fs::remove_dir_all(&folder).unwrap();
        // A pipe to a reader, as in `-o /dev/stdout | less`; made here so that no device is at risk.
        let pipe = std::env::temp_dir().join(format!("azura-fs-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            let path = pipe.clone();
            let reader = std::thread::spawn(move || fs::read(path).unwrap());
            write_atomic(&pipe, b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
            assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
            fs::remove_file(&pipe).unwrap();
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left() {
        let folder = folder("replace");
        let path = folder.join("deep/file");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let folder = folder("fail");
        let path = folder.join("target");
        // A folder in the place of the file makes the rename fail.
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_atomic(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("target"), "{error}");
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn leftovers_are_swept_and_nothing_else() {
        let folder = folder("sweep");
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!(".last.safetensors.7{TEMPORARY}")),
            b"half",
        )
        .unwrap();
        fs::write(folder.join("last.safetensors"), b"whole").unwrap();
        assert_eq!(sweep(&folder).unwrap(), 1);
        assert_eq!(sweep(&folder).unwrap(), 0);
        assert!(folder.join("last.safetensors").exists());
        assert_eq!(sweep(folder.join("absent")).unwrap(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}
