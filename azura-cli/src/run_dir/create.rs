//! Makes a new run directory with a number that no run of its group has or had.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{RunDir, names, number_of};
use crate::failure::{Code, Failure, Place};

/// Makes `runs/GROUP/NNNN-adjective-animal/`.
///
/// Numbers are handed out under a lock on `runs/GROUP/.numbers`, which also remembers the last one, so that two
/// processes never get the same number and a deleted run's number does not come back.
///
/// # Errors
/// [`Code::Unexpected`] with the path and the system's reason.
pub fn create(runs: &Path, group: &str) -> Result<RunDir, Failure> {
    let folder = runs.join(group);
    make(&folder).map_err(|(path, error)| {
        let what = format!("cannot create a run in {}: {error}", folder.display());
        Failure::new(Code::Unexpected, what)
            .at(Place::File(path))
            .help("choose another folder with --runs DIR or AZURA_RUNS")
    })
}

type Bad = (PathBuf, io::Error);

fn make(folder: &Path) -> Result<RunDir, Bad> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |error| (path, error)
    };
    fs::create_dir_all(folder).map_err(at(folder))?;
    let counter = folder.join(".numbers");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&counter)
        .map_err(at(&counter))?;
    file.lock().map_err(at(&counter))?;
    let number = last_number(&mut file, folder).map_err(at(folder))? + 1;
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64);
    let id = format!(
        "{number:04}-{}",
        names::name(nanos ^ u64::from(std::process::id()) << 32)
    );
    let path = folder.join(&id);
    fs::create_dir(&path).map_err(at(&path))?;
    remember(&mut file, number).map_err(at(&counter))?;
    // The lock ends here, with the file.
    Ok(RunDir::at(path))
}

/// Makes `latest` name this run. It is a convenience: nothing fails if it cannot be written.
pub fn mark_latest(run: &RunDir) {
    if let Some(folder) = run.path().parent() {
        let _ = azura_learner::fs::write_atomic(
            folder.join("latest"),
            format!("{}\n", run.id()).as_bytes(),
        );
    }
}

/// The largest number that any run has, or had when the counter was last written.
fn last_number(counter: &mut File, folder: &Path) -> io::Result<u64> {
    let mut text = String::new();
    // A counter that is not text counts as lost; the directories still know.
    let _ = counter.read_to_string(&mut text);
    let mut last = text.trim().parse().unwrap_or(0);
    for entry in fs::read_dir(folder)? {
        let id = entry?.file_name().to_string_lossy().into_owned();
        last = last.max(number_of(&id).unwrap_or(0));
    }
    let latest = fs::read_to_string(folder.join("latest")).unwrap_or_default();
    Ok(last.max(number_of(latest.trim()).unwrap_or(0)))
}

fn remember(counter: &mut File, number: u64) -> io::Result<()> {
    counter.seek(SeekFrom::Start(0))?;
    counter.set_len(0)?;
    writeln!(counter, "{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("azura-create-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_number_is_never_used_twice() {
        let runs = folder("twice");
        let first = create(&runs, "weather").unwrap();
        let second = create(&runs, "weather").unwrap();
        assert_eq!((first.number(), second.number()), (Some(1), Some(2)));
        assert_eq!(create(&runs, "stock").unwrap().number(), Some(1));
        fs::remove_dir_all(second.path()).unwrap();
        assert_eq!(create(&runs, "weather").unwrap().number(), Some(3));
        fs::remove_file(runs.join("weather/.numbers")).unwrap();
        let fourth = create(&runs, "weather").unwrap();
        assert_eq!(fourth.number(), Some(4));
        mark_latest(&fourth);
        fs::remove_dir_all(fourth.path()).unwrap();
        fs::remove_file(runs.join("weather/.numbers")).unwrap();
        assert_eq!(create(&runs, "weather").unwrap().number(), Some(5));
        fs::remove_dir_all(&runs).unwrap();
    }

    #[test]
    fn many_at_once_do_not_collide() {
        let runs = folder("many");
        let mut numbers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..8)
                            .map(|_| create(&runs, "weather").unwrap().number().unwrap())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
        fs::remove_dir_all(&runs).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let runs = folder("blocked");
        fs::write(&runs, "a file").unwrap();
        let text = create(&runs, "weather").unwrap_err().render(false);
        assert!(text.contains("azura-create-blocked"), "{text}");
        assert!(text.contains("--runs DIR"), "{text}");
        fs::remove_file(&runs).unwrap();
    }
}
