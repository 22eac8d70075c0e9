//! Who trains in a run directory, or works on a study, right now.
//!
//! The file `lease` is locked by the process that works, so that the lock goes when the process does, however it
//! ended. Its text names process and host and is renewed every few seconds, for people and for file systems that
//! do not carry locks from host to host.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::RunDir;
use crate::failure::{Code, Failure, Place};

/// The heartbeat is written this often.
const BEAT: Duration = Duration::from_secs(5);
/// Another host that has been silent for so long is taken for dead: twelve missed beats.
const SILENCE: u64 = 60;

/// The right to work somewhere; given back when dropped.
pub struct Lease {
    stop: Option<Sender<()>>,
    beating: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease of a run.
    ///
    /// # Errors
    /// [`Code::RunInUse`] if a living process holds it, [`Code::Unexpected`] if the file cannot be written.
    pub fn take(run: &RunDir) -> Result<Lease, Failure> {
        Lease::of(&run.file("lease"))?.map_err(|held| in_use(run, &held))
    }

    /// Takes the lease that a file stands for; if a living process holds it, what that wrote about itself.
    ///
    /// # Errors
    /// [`Code::Unexpected`] if the file cannot be written.
    pub fn of(path: &Path) -> Result<Result<Lease, Value>, Failure> {
        let bad = |error: io::Error| {
            Failure::new(
                Code::Unexpected,
                format!("cannot write {}: {error}", path.display()),
            )
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(bad)?;
        let held = read(&mut file);
        if foreign_and_alive(&held) || !lock(&file).map_err(bad)? {
            return Ok(Err(held));
        }
        beat(&mut file).map_err(bad)?;
        let (stop, stopped) = channel();
        let beating = std::thread::Builder::new()
            .name("lease".to_string())
            .spawn(move || {
                while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    // A full disk must not end the training; the lock still holds.
                    let _ = beat(&mut file);
                }
                let _ = file.set_len(0);
            })
            .map_err(bad)?;
        Ok(Ok(Lease {
            stop: Some(stop),
            beating: Some(beating),
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beating) = self.beating.take() {
            let _ = beating.join();
        }
    }
}

/// Whether a living process trains in the run.
pub fn is_held(run: &RunDir) -> bool {
    held(&run.file("lease"))
}

/// Whether a living process holds the lease that a file stands for.
pub fn held(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    // Shared, so that two who look do not see each other.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) => {
            let _ = file.unlock();
            foreign_and_alive(&read(&mut file))
        }
        Err(TryLockError::Error(_)) => fresh(&read(&mut file)),
    }
}

/// Locks, waiting a moment for someone who only looks.
fn lock(file: &File) -> io::Result<bool> {
    for _ in 0..10 {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

fn in_use(run: &RunDir, held: &Value) -> Failure {
    let who = match (held.get("pid"), held.get("host").and_then(Value::as_str)) {
        (Some(pid), Some(host)) => format!("process {pid} on {host}"),
        _ => "another process".to_string(),
    };
    Failure::new(
        Code::RunInUse,
        format!("{} is in use: {who} trains in it", run.full_id()),
    )
    .at(Place::File(run.path().to_path_buf()))
    .help("wait for it, or stop it with Ctrl-C or SIGTERM: it saves a checkpoint first")
}

fn read(file: &mut File) -> Value {
    let mut text = String::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(4096).read_to_string(&mut text));
    match read {
        Ok(_) => serde_json::from_str(&text).unwrap_or(Value::Null),
        Err(_) => Value::Null,
    }
}

fn beat(file: &mut File) -> io::Result<()> {
    let text = json!({"pid": std::process::id(), "host": host(), "heartbeat": now()}).to_string();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn foreign_and_alive(held: &Value) -> bool {
    let foreign = held
        .get("host")
        .and_then(Value::as_str)
        .is_some_and(|other| other != host());
    foreign && fresh(held)
}

fn fresh(held: &Value) -> bool {
    let beat = held.get("heartbeat").and_then(Value::as_u64);
    beat.is_some_and(|beat| now().saturating_sub(beat) < SILENCE)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// The machine's name, or an empty text.
pub fn host() -> String {
    let named = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    named("/proc/sys/kernel/hostname")
        .or_else(|| named("/etc/hostname"))
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
        .trim()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunDir {
        let path = std::env::temp_dir().join(format!("azura-lease-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        RunDir::at(path)
    }

    #[test]
    fn one_holds_it_and_the_next_is_refused() {
        let run = run("one");
        assert!(!is_held(&run));
        let lease = Lease::take(&run).unwrap();
        assert!(is_held(&run));
        let refused = Lease::take(&run).err().unwrap();
        assert_eq!(refused.code(), Code::RunInUse);
        assert!(refused.message().contains(&std::process::id().to_string()));
        drop(lease);
        assert!(!is_held(&run));
        drop(Lease::take(&run).unwrap());
        std::fs::remove_dir_all(run.path()).unwrap();
    }

    #[test]
    fn another_host_lives_as_long_as_its_heart_beats() {
        let run = run("host");
        let write = |age: u64| {
            let text = json!({"pid": 1, "host": "elsewhere", "heartbeat": now() - age});
            std::fs::write(run.file("lease"), text.to_string()).unwrap();
        };
        write(10);
        assert!(is_held(&run));
        assert!(Lease::take(&run).is_err());
        write(SILENCE + 1);
        assert!(!is_held(&run));
        assert!(Lease::take(&run).is_ok());
        std::fs::remove_dir_all(run.path()).unwrap();
    }

    #[test]
    fn a_torn_lease_is_nobodys() {
        let run = run("torn");
        std::fs::write(run.file("lease"), b"{\"pid\": 1, \"ho").unwrap();
        assert!(!is_held(&run));
        assert!(Lease::take(&run).is_ok());
        std::fs::remove_dir_all(run.path()).unwrap();
    }
}
