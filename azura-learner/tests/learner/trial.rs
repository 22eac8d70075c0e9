//! A trial of a search leaves the test rows alone, and is otherwise the training that it would have been.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azura_core::Scope;
use azura_learner::app::{Part, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::Table;
use azura_learner::run::{Finish, RunPaths, Trained, train, trial};
use azura_learner::train::On;
use azura_learner::{App, Batch, Dataset, Event, Model, Result, Source, StopFlag, TensorDataset};
use serde_json::json;

use crate::Folder;
use crate::blobs::{Blobs, Config, Fitted};

/// [`Blobs`], counting the batches that are read of the test part.
struct Watched(Arc<AtomicUsize>);

struct Rows {
    data: TensorDataset,
    reads: Option<Arc<AtomicUsize>>,
}

impl Dataset for Rows {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        if let Some(reads) = &self.reads {
            reads.fetch_add(1, Ordering::Relaxed);
        }
        self.data.batch(rows)
    }
}

impl App for Watched {
    type Config = Config;
    type Fitted = Fitted;
    type Data = Rows;

    fn name(&self) -> &'static str {
        "watched"
    }

    fn about(&self) -> &'static str {
        "Counts who looks at the test rows"
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(&self, config: &Config, source: &Source) -> Result<Prepared<Fitted, Rows>> {
        let prepared = Blobs.prepare(config, source)?;
        let rows = |data: Arc<TensorDataset>, reads| {
            let data = TensorDataset::clone(&data);
            Arc::new(Rows { data, reads })
        };
        Ok(Prepared {
            fitted: prepared.fitted,
            train: rows(prepared.train, None),
            val: rows(prepared.val, None),
            test: rows(prepared.test, Some(Arc::clone(&self.0))),
            summary: prepared.summary,
        })
    }

    fn open(&self, config: &Config, fitted: &Fitted, source: &Source) -> Result<Rows> {
        let data = Blobs.open(config, fitted, source)?;
        Ok(Rows { data, reads: None })
    }

    fn build(&self, config: &Config, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        Blobs.build(config, fitted, p)
    }

    fn score(
        &self,
        config: &Config,
        fitted: &Fitted,
        split: &ScoredSplit<'_, Rows>,
    ) -> Result<Scores> {
        if split.part == Part::Test {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        let inner = ScoredSplit {
            part: split.part,
            data: &split.data.data,
            outputs: split.outputs,
            full: split.full,
        };
        Blobs.score(config, fitted, &inner)
    }

    fn signature(&self, config: &Config, fitted: &Fitted) -> Signature {
        Blobs.signature(config, fitted)
    }

    fn predict(
        &self,
        config: &Config,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        Blobs.predict(config, fitted, model, input)
    }
}

fn trained(finish: Finish) -> Trained {
    match finish {
        Finish::Trained(trained) => *trained,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_test_row_is_read_and_the_weights_are_the_same() {
    let reads = Arc::new(AtomicUsize::new(0));
    let app = Watched(Arc::clone(&reads));
    let (whole, held) = (Folder::new("trial-whole"), Folder::new("trial-held"));
    let config = json!({});
    let paths = RunPaths::in_folder(&*held);
    let stop = StopFlag::new();
    let observed = |stop: StopFlag, at: u64| {
        let watch = move |event: &Event<'_>| {
            if matches!(event, Event::Step { step, .. } if *step == at) {
                stop.raise();
            }
        };
        vec![Box::new(On(watch)) as Box<dyn azura_learner::Observer>]
    };
    // Interrupted in the middle, and gone on with.
    let begun = trial(
        &app,
        &config,
        &Source::Bundled,
        &paths,
        observed(stop.clone(), 7),
        &stop,
    );
    assert!(matches!(begun.unwrap(), Finish::Interrupted(_)));
    let stop = StopFlag::new();
    let held = trained(trial(&app, &config, &Source::Bundled, &paths, Vec::new(), &stop).unwrap());
    assert_eq!(
        reads.load(Ordering::Relaxed),
        0,
        "somebody looked at the test rows"
    );
    assert!(held.predictions.is_none() && !paths.predictions.exists());
    assert_eq!(
        held.info.scores.keys().collect::<Vec<_>>(),
        [&Part::Train, &Part::Val]
    );
    let paths = RunPaths::in_folder(&*whole);
    let whole = trained(train(&app, &config, &Source::Bundled, &paths, Vec::new(), &stop).unwrap());
    assert!(
        reads.load(Ordering::Relaxed) > 0,
        "the counter counts nothing"
    );
    assert_eq!(held.outcome.best, whole.outcome.best);
    assert_eq!(held.info.scores[&Part::Val], whole.info.scores[&Part::Val]);
}
