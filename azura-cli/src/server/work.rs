//! How long the work that is waiting will take: its bytes, times what a byte took lately.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The part of the newest request in the average: an outlier is forgotten after some ten others.
const NEWEST: f64 = 0.2;

/// Bytes that wait or are computed, and the time for each.
#[derive(Debug)]
pub struct Work {
    workers: usize,
    bytes: AtomicUsize,
    /// Nanoseconds for a byte, as the bits of an `f64`. Two workers that write at once lose one of two values of an average.
    pace: AtomicU64,
}

impl Work {
    /// No work yet, and nothing known about its pace.
    pub fn new(workers: usize) -> Work {
        Work {
            workers: workers.max(1),
            bytes: AtomicUsize::new(0),
            pace: AtomicU64::new(0f64.to_bits()),
        }
    }

    /// Adds a body of so many bytes until the result is dropped.
    pub fn add(work: &Arc<Work>, bytes: usize) -> Load {
        work.bytes.fetch_add(bytes, Ordering::Relaxed);
        Load {
            work: Arc::clone(work),
            bytes,
        }
    }

    /// A body of so many bytes took so long.
    pub fn learn(&self, bytes: usize, took: Duration) {
        if bytes == 0 {
            return;
        }
        let newest = took.as_nanos() as f64 / bytes as f64;
        let known = f64::from_bits(self.pace.load(Ordering::Relaxed));
        let pace = match known {
            0.0 => newest,
            known => known + NEWEST * (newest - known),
        };
        self.pace.store(pace.to_bits(), Ordering::Relaxed);
    }

    /// About how long a new request waits for a worker; nothing as long as one is free.
    pub fn wait(&self) -> Duration {
        let pace = f64::from_bits(self.pace.load(Ordering::Relaxed));
        let bytes = self.bytes.load(Ordering::Relaxed);
        Duration::from_nanos((pace * bytes as f64 / self.workers as f64) as u64)
    }
}

/// A body's bytes among the work.
#[derive(Debug)]
pub struct Load {
    work: Arc<Work>,
    bytes: usize,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.work.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_from_bytes_and_pace() {
        let work = Arc::new(Work::new(2));
        let first = Work::add(&work, 1000);
        assert_eq!(work.wait(), Duration::ZERO);
        work.learn(1000, Duration::from_millis(1));
        drop(first);
        assert_eq!(work.wait(), Duration::ZERO);
        let many: Vec<_> = (0..4).map(|_| Work::add(&work, 500_000)).collect();
        // Two million bytes of a microsecond each, for two workers.
        assert_eq!(work.wait(), Duration::from_secs(1));
        drop(many);
        assert_eq!(work.wait(), Duration::ZERO);
        for _ in 0..40 {
            work.learn(1000, Duration::from_millis(3));
        }
        let _one = Work::add(&work, 2000);
        assert!(work.wait().abs_diff(Duration::from_millis(3)) < Duration::from_micros(10));
    }
}
