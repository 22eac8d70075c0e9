//! Batches in a seeded order, made ready ahead of time on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use azura_core::Rng;

use super::dataset::{Batch, Dataset};
use super::error::{DataError, DataErrorKind, DataResult};
use crate::{Error, Result};

/// How a [`Loader`] goes through a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Samples in a batch; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Whether every epoch has a random order of its own.
    pub shuffle: bool,
    /// Seed of the orders.
    pub seed: u64,
    /// Batches made ready ahead of time; 0 makes each on the thread that asks for it.
    ///
    /// Two keep a training loop busy: one is taken while the next is made.
    pub prefetch: usize,
    /// Whether samples come as training sees them ([`Dataset::training_batch`]).
    pub training: bool,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig {
            batch: 32,
            shuffle: false,
            seed: 0,
            prefetch: 2,
            training: false,
        }
    }
}

/// Goes through a data set in batches, epoch by epoch.
///
/// The order of an epoch depends on the seed and the epoch's number alone (Fisher–Yates with the
/// counter-based [`Rng`]), so any position can be returned to: `epoch(e, b)` continues with batch `b` of
/// epoch `e`, as if the batches before had been taken. What is prefetched never changes what comes.
#[derive(Clone)]
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    config: LoaderConfig,
}

impl Loader {
    /// A loader over a data set.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if the batch size is 0 or the data set is empty.
    pub fn new(dataset: Arc<dyn Dataset>, config: LoaderConfig) -> DataResult<Self> {
        if config.batch == 0 {
            let what = "the batch size must be at least 1, but is 0";
            return Err(DataError::new(DataErrorKind::Size, what));
        }
        if dataset.is_empty() {
            return Err(DataError::new(
                DataErrorKind::Size,
                "there are no samples to load",
            ));
        }
        Ok(Loader { dataset, config })
    }

    /// Batches in an epoch.
    pub fn batches(&self) -> usize {
        self.dataset.len().div_ceil(self.config.batch)
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// The samples in the order of an epoch.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if self.config.shuffle {
            let mut rng = Rng::new(self.config.seed).fork(&format!("loader/epoch {epoch}"));
            rng.shuffle(&mut order);
        }
        order
    }

    /// The batches of an epoch from `from_batch` on; none if it is past the last.
    pub fn epoch(&self, epoch: u64, from_batch: usize) -> Epoch {
        let work = Work {
            dataset: self.dataset.clone(),
            order: self.order(epoch),
            batch: self.config.batch,
            training: self.config.training.then_some(epoch),
            next: from_batch.saturating_mul(self.config.batch),
        };
        let source = if self.config.prefetch == 0 || work.is_done() {
            Source::Here(work)
        } else {
            ahead(work, self.config.prefetch)
        };
        Epoch {
            source,
            failed: false,
        }
    }
}

/// The batches of one epoch. Ends after the first error.
///
/// Dropping it early stops its thread: at most the batch that is being made is finished first.
pub struct Epoch {
    source: Source,
    failed: bool,
}

enum Source {
    Here(Work),
    // `None` only while being dropped.
    Ahead {
        batches: Option<Receiver<Result<Batch>>>,
        thread: Option<JoinHandle<()>>,
    },
}

struct Work {
    dataset: Arc<dyn Dataset>,
    order: Vec<usize>,
    batch: usize,
    /// The epoch, if samples come as training sees them.
    training: Option<u64>,
    next: usize,
}

impl Work {
    fn is_done(&self) -> bool {
        self.next >= self.order.len()
    }

    /// The next batch; what the data set panics with becomes an error.
    fn make(&mut self) -> Option<Result<Batch>> {
        if self.is_done() {
            return None;
        }
        let end = self.next.saturating_add(self.batch).min(self.order.len());
        let rows = &self.order[self.next..end];
        self.next = end;
        let made = catch_unwind(AssertUnwindSafe(|| match self.training {
            Some(epoch) => self.dataset.training_batch(rows, epoch),
            None => self.dataset.batch(rows),
        }));
        Some(made.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_string());
            Err(Error::from(
                DataError::new(
                    DataErrorKind::Loader,
                    format!("the data set panicked: {text}"),
                )
                .remedy("this is a mistake in the app's code"),
            ))
        }))
    }
}

/// Makes batches on a thread, at most `depth` waiting. Without a thread to be had, they are made here.
fn ahead(work: Work, depth: usize) -> Source {
    let (sender, batches) = sync_channel(depth);
    // Kept aside in case the thread cannot be started: the closure that owns the work is lost then.
    let spare = Work {
        dataset: work.dataset.clone(),
        order: work.order.clone(),
        ..work
    };
    let mut work = work;
    let thread = std::thread::Builder::new()
        .name("azura-loader".to_string())
        .spawn(move || {
            while let Some(batch) = work.make() {
                let failed = batch.is_err();
                // An error of `send` means that nobody wants the rest.
                if sender.send(batch).is_err() || failed {
                    return;
                }
            }
        });
    match thread {
        Ok(thread) => Source::Ahead {
            batches: Some(batches),
            thread: Some(thread),
        },
        Err(_) => Source::Here(spare),
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed {
            return None;
        }
        let next = match &mut self.source {
            Source::Here(work) => work.make(),
            // The sender is dropped after the last batch, when the thread is done.
            Source::Ahead { batches, .. } => batches.as_ref()?.recv().ok(),
        };
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        if let Source::Ahead { batches, thread } = &mut self.source {
            // In this order: a thread that waits to send wakes up when the receiver is gone.
            drop(batches.take());
            if let Some(thread) = thread.take() {
                // The thread catches panics of the data set, and has none of its own.
                let _ = thread.join();
            }
        }
    }
}
