//! Layers, trainer, checkpoints, model files and apps from the outside.

mod app;
mod attention;
mod blobs;
mod checkpoint;
mod convolutions;
mod dropout;
mod gpt;
mod kill;
mod layers;
mod model_file;
mod norms;
mod resume;
mod schedule;
mod shards;
mod steps;
mod trainer;
mod trial;

use std::path::{Path, PathBuf};

/// A folder of one test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    /// In memory where the system has that: waiting for the disk is most of what these tests would do.
    fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        Folder::under(parent, name)
    }

    fn on_disk(name: &str) -> Self {
        Folder::under(std::env::temp_dir(), name)
    }

    fn under(parent: PathBuf, name: &str) -> Self {
        let path = parent.join(format!("azura-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
