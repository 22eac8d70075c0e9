//! Windows and the loader: which rows come, in which order, and what happens when something fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use azura_core::Tensor;
use azura_learner::data::{
    Batch, DataError, DataErrorKind, Dataset, Loader, LoaderConfig, WindowPlan, Windows,
    split_by_time,
};
use azura_learner::{Error, Result};

fn windows(rows: usize, breaks: &[usize]) -> Windows {
    // Feature 0 is the row's number, feature 1 its negative; the target is ten times the row's number.
    let features = (0..rows).flat_map(|r| [r as f32, -(r as f32)]).collect();
    let targets = (0..rows).map(|r| 10.0 * r as f32).collect();
    let plan = WindowPlan::new(rows, 3, 2, breaks).unwrap();
    Windows::new(features, 2, targets, Arc::new(plan)).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

#[test]
fn a_batch_holds_the_windows_and_their_targets() {
    let data = windows(10, &[]);
    assert_eq!(data.len(), 6);
    let batch = data.batch(&[4, 0]).unwrap();
    assert_eq!(batch.rows, [4, 0]);
    assert_eq!(batch.tensors[0].shape(), [2, 3, 2]);
    assert_eq!(batch.tensors[1].shape(), [2, 1]);
    assert_eq!(
        floats(&batch.tensors[0]),
        [
            4.0, -4.0, 5.0, -5.0, 6.0, -6.0, 0.0, -0.0, 1.0, -1.0, 2.0, -2.0
        ]
    );
    assert_eq!(floats(&batch.tensors[1]), [80.0, 40.0]);
    let mut flat = [0.0; 6];
    data.flat(4, &mut flat);
    assert_eq!(flat, [4.0, -4.0, 5.0, -5.0, 6.0, -6.0]);
    assert!(data.batch(&[6]).is_err());
}

#[test]
fn parts_share_and_renumber() {
    let data = windows(12, &[]);
    let part = data.part(2..6).unwrap().part(1..3).unwrap();
    assert_eq!((part.len(), part.samples()), (2, 3..5));
    let batch = part.batch(&[0]).unwrap();
    assert_eq!(floats(&batch.tensors[0])[..2], [3.0, -3.0]);
    assert_eq!(floats(&batch.tensors[1]), [70.0]);
    let mut flat = [0.0; 6];
    part.flat(1, &mut flat);
    assert_eq!((flat[0], part.target(1)), (4.0, 80.0));
    assert!(part.batch(&[2]).is_err());
    assert!(data.part(2..9).is_err());
    assert!(data.part(0..0).unwrap().is_empty());
}

#[test]
fn no_window_and_no_target_crosses_a_break() {
    let data = windows(20, &[12, 7, 7, 20]);
    let plan = data.plan();
    let starts: Vec<usize> = (0..plan.len()).map(|i| plan.start(i)).collect();
    // Stretches of 7, 5 and 8 rows; a sample spans 5.
    assert_eq!(starts, [0, 1, 2, 7, 12, 13, 14, 15]);
    assert_eq!((plan.last_row(3), plan.target_row(3)), (9, 11));
    assert_eq!(plan.target_rows(2..4), [6, 11]);
    assert_eq!(plan.rows_of(0..4), 0..12);
    assert_eq!(plan.rows_of(3..3), 0..0);
    assert!(WindowPlan::new(20, 3, 2, &[21]).is_err());
    assert!(WindowPlan::new(20, 0, 2, &[]).is_err());
    assert!(WindowPlan::new(20, 3, 0, &[]).is_err());
    assert!(WindowPlan::new(20, usize::MAX, 2, &[]).is_err());
    assert!(WindowPlan::new(0, 1, 1, &[]).is_err());
    let error = WindowPlan::new(20, 10, 1, &[10]).unwrap_err().to_string();
    assert!(
        error.contains("need 11 rows, but the longest unbroken stretch has 10"),
        "{error}"
    );
}

#[test]
fn values_that_are_not_finite_are_named() {
    let plan = Arc::new(WindowPlan::new(6, 2, 1, &[]).unwrap());
    let new = |x: Vec<f32>, y: Vec<f32>| Windows::new(x, 1, y, plan.clone());
    let (x, y) = (vec![0.0; 6], vec![0.0; 6]);
    let with = |v: &[f32], at: usize| {
        let mut v = v.to_vec();
        v[at] = f32::NAN;
        v
    };
    // Rows 0 and 1 are no sample's target, row 5 is in no window.
    assert!(new(with(&x, 5), with(&y, 1)).is_ok());
    let error = new(with(&x, 4), y.clone()).unwrap_err().to_string();
    assert!(error.contains("row index 4: feature 1 is NaN"), "{error}");
    let error = new(x.clone(), with(&y, 5)).unwrap_err().to_string();
    assert!(error.contains("row index 5: the target is NaN"), "{error}");
    assert!(new(x.clone(), vec![0.0; 5]).is_err());
    assert!(Windows::new(x.clone(), 0, y, plan).is_err());
    // Rows 3 and 4 are a stretch too short for a sample.
    let plan = WindowPlan::new(9, 2, 1, &[3, 5]).unwrap();
    let x = [&with(&x, 4)[..], &[0.0; 3]].concat();
    assert!(Windows::new(x, 1, vec![0.0; 9], Arc::new(plan)).is_ok());
}

#[test]
fn the_plans_gap_keeps_later_windows_clear_of_earlier_targets() {
    for breaks in [&[][..], &[31, 47]] {
        let data = windows(60, breaks);
        let plan = data.plan();
        let split = split_by_time(plan.len(), 5usize, 5usize, plan.gap()).unwrap();
        let newest_target =
            |part: std::ops::Range<usize>| plan.target_rows(part).into_iter().max().unwrap();
        assert!(plan.start(split.val.start) > newest_target(split.train.clone()));
        assert!(plan.start(split.test.start) > newest_target(split.val.clone()));
        // Without breaks one sample less would overlap: the gap is as small as it can be.
        if breaks.is_empty() {
            assert_eq!(plan.start(split.val.start - 1), newest_target(split.train));
        }
    }
}

/// Counts its batches; fails or panics at a chosen one.
struct Probe {
    len: usize,
    made: AtomicUsize,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
}

impl Probe {
    fn new(len: usize) -> Self {
        Probe {
            len,
            made: AtomicUsize::new(0),
            fails_at: None,
            panics_at: None,
        }
    }
}

impl Dataset for Probe {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        if self.fails_at == Some(number) {
            return Err(DataError::new(DataErrorKind::Other, "the disk is gone").into());
        }
        assert_ne!(self.panics_at, Some(number), "out of luck");
        let values: Vec<f32> = rows.iter().map(|&r| r as f32).collect();
        Ok(Batch {
            tensors: vec![Tensor::from_vec(values, [rows.len()])?],
            rows: rows.to_vec(),
        })
    }
}

fn loader(probe: Probe, batch: usize, shuffle: bool, prefetch: usize) -> (Arc<Probe>, Loader) {
    let probe = Arc::new(probe);
    let config = LoaderConfig {
        batch,
        shuffle,
        seed: 42,
        prefetch,
        training: false,
    };
    (probe.clone(), Loader::new(probe, config).unwrap())
}

fn rows(loader: &Loader, epoch: u64, from: usize) -> Vec<Vec<usize>> {
    loader
        .epoch(epoch, from)
        .map(|batch| batch.unwrap().rows)
        .collect()
}

#[test]
fn without_shuffling_the_order_is_that_of_the_data() {
    let (_, loader) = loader(Probe::new(7), 3, false, 2);
    assert_eq!(loader.batches(), 3);
    assert_eq!(rows(&loader, 0, 0), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!(rows(&loader, 9, 2), [vec![6]]);
    assert_eq!(rows(&loader, 9, 3), Vec::<Vec<usize>>::new());
    assert_eq!(rows(&loader, 9, usize::MAX), Vec::<Vec<usize>>::new());
}

#[test]
fn the_order_depends_on_seed_and_epoch_alone() {
    let (_, first) = loader(Probe::new(40), 7, true, 2);
    let (_, again) = loader(Probe::new(40), 11, true, 0);
    assert_eq!(first.order(3), again.order(3));
    assert_ne!(first.order(3), first.order(4));
    let config = LoaderConfig {
        batch: 7,
        shuffle: true,
        seed: 43,
        prefetch: 2,
        training: false,
    };
    let other = Loader::new(Arc::new(Probe::new(40)), config).unwrap();
    assert_ne!(first.order(3), other.order(3));
    // Recorded: a run saved today must be resumed in this order by every later version.
    let (_, small) = loader(Probe::new(8), 8, true, 0);
    assert_eq!(small.order(0), [6, 0, 4, 1, 5, 2, 3, 7]);
}

#[test]
fn prefetching_and_resuming_change_nothing() {
    let (_, plain) = loader(Probe::new(23), 4, true, 0);
    let whole = rows(&plain, 5, 0);
    for prefetch in [0, 1, 2, 7] {
        let (_, loader) = loader(Probe::new(23), 4, true, prefetch);
        for from in 0..=whole.len() {
            assert_eq!(
                rows(&loader, 5, from),
                whole[from..],
                "prefetch {prefetch}, from {from}"
            );
        }
    }
}

#[test]
fn errors_reach_the_consumer_and_end_the_epoch() {
    for prefetch in [0, 2] {
        let probe = Probe {
            fails_at: Some(2),
            ..Probe::new(20)
        };
        let (probe, loader) = loader(probe, 2, false, prefetch);
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok());
        assert!(epoch.next().unwrap().is_ok());
        let error = epoch.next().unwrap().unwrap_err();
        assert!(
            matches!(&error, Error::Data(e) if e.what() == "the disk is gone"),
            "{error}"
        );
        assert!(epoch.next().is_none());
        drop(epoch);
        assert_eq!(
            probe.made.load(Ordering::SeqCst),
            3,
            "nothing is made after an error"
        );
    }
}

#[test]
fn a_panic_of_the_data_set_is_an_error() {
    for prefetch in [0, 2] {
        let (_, loader) = loader(
            Probe {
                panics_at: Some(1),
                ..Probe::new(20)
            },
            2,
            false,
            prefetch,
        );
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok());
        let error = epoch.next().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("the data set panicked") && error.contains("out of luck"),
            "{error}"
        );
        assert!(epoch.next().is_none());
        drop(epoch);
        // The loader itself is still good: the probe panics only once.
        assert_eq!(rows(&loader, 0, 0).len(), 10);
    }
}

#[test]
fn dropping_early_stops_the_thread_and_frees_the_data() {
    for taken in 0..3 {
        let (probe, loader) = loader(Probe::new(1000), 1, false, 2);
        let mut epoch = loader.epoch(0, 0);
        for _ in 0..taken {
            epoch.next().unwrap().unwrap();
        }
        drop(epoch);
        drop(loader);
        // Taken, waiting in the channel, and the one being handed over: never the whole epoch.
        let made = probe.made.load(Ordering::SeqCst);
        assert!(made <= taken + 3, "{made} batches made for {taken}");
        assert_eq!(
            Arc::strong_count(&probe),
            1,
            "the thread has ended and let go"
        );
    }
}

#[test]
fn at_most_the_depth_is_made_ahead() {
    // A data set that says when a batch was made, so that the test waits for events, not for time.
    struct Told(Mutex<std::sync::mpsc::Sender<usize>>);
    impl Dataset for Told {
        fn len(&self) -> usize {
            100
        }
        fn batch(&self, rows: &[usize]) -> Result<Batch> {
            self.0.lock().unwrap().send(rows[0]).unwrap();
            Ok(Batch {
                tensors: Vec::new(),
                rows: rows.to_vec(),
            })
        }
    }
    let (sender, told) = std::sync::mpsc::channel();
    let config = LoaderConfig {
        batch: 1,
        prefetch: 2,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(Arc::new(Told(Mutex::new(sender))), config).unwrap();
    let mut epoch = loader.epoch(0, 0);
    // Two wait in the channel and a third is in the thread's hand; they are made without being asked for.
    assert_eq!(
        [told.recv(), told.recv(), told.recv()],
        [Ok(0), Ok(1), Ok(2)]
    );
    assert!(told.try_recv().is_err());
    assert_eq!(epoch.next().unwrap().unwrap().rows, [0]);
    assert_eq!(told.recv(), Ok(3));
}

#[test]
fn loaders_need_samples_and_a_batch_size() {
    let new = |len, batch| {
        let config = LoaderConfig {
            batch,
            ..LoaderConfig::default()
        };
        Loader::new(Arc::new(Probe::new(len)), config)
            .map(|_| ())
            .unwrap_err()
            .kind()
    };
    assert_eq!(new(0, 1), DataErrorKind::Size);
    assert_eq!(new(1, 0), DataErrorKind::Size);
}
