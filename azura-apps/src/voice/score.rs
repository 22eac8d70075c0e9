//! Scores: how well each next sample was foreseen, by the model and by counting codes and pairs.

use std::collections::BTreeMap;

use azura_learner::Result;
use azura_learner::app::{ScoredSplit, Scores};
use azura_learner::data::{DataError, DataErrorKind, Dataset, Table};

use super::data::{VoiceData, VoiceFitted};
use crate::tokens::{Bigram, Tally, Unigram};

/// The name of the loss in bits.
const BITS: &str = "bits_per_sample";

/// The scores of one part; baselines and rows only where they are looked at.
pub(super) fn score(fitted: &VoiceFitted, split: &ScoredSplit<'_, VoiceData>) -> Result<Scores> {
    let outputs = split.outputs.to_vec::<f32>()?;
    let data = split.data;
    let size = 2 * data.context();
    if outputs.len() != data.len() * size || data.is_empty() {
        let what = format!(
            "{} numbers for {} windows of {} samples",
            outputs.len(),
            data.len(),
            data.context()
        );
        return Err(DataError::new(DataErrorKind::Size, what).into());
    }
    let unigram = Unigram::new(&fitted.counts);
    let bigram = Bigram::new(&fitted.pairs, fitted.counts.len(), unigram.likeliest);
    let (mut model, mut by_unigram, mut by_bigram) =
        (Tally::default(), Tally::default(), Tally::default());
    let mut rows = Rows::default();
    for (row, kept) in outputs.chunks_exact(size).enumerate() {
        let (inputs, targets) = data.window(row);
        let pairs = inputs.iter().zip(targets);
        for (i, ((&before, &target), kept)) in pairs.zip(kept.chunks_exact(2)).enumerate() {
            let nats = -f64::from(kept[0]);
            model.add(nats, kept[1] == target as f32);
            if !split.full {
                continue;
            }
            let counted = [unigram.nats(target), bigram.nats(before, target)];
            by_unigram.add(counted[0], unigram.likeliest == target);
            by_bigram.add(counted[1], bigram.likeliest(before) == target);
            rows.place.push((data.place(row) + i) as f64);
            rows.truth.push(f64::from(target));
            rows.prediction.push(f64::from(kept[1]));
            rows.nats.push(nats);
            rows.unigram.push(counted[0]);
            rows.bigram.push(counted[1]);
        }
    }
    let mut scores = Scores {
        metrics: model.metrics(BITS),
        ..Scores::default()
    };
    if split.full {
        scores.baselines = BTreeMap::from([
            ("unigram".to_string(), by_unigram.metrics(BITS)),
            ("bigram".to_string(), by_bigram.metrics(BITS)),
        ]);
        scores.rows = Some(rows.table()?);
    }
    Ok(scores)
}

/// One row for each sample that was to be foreseen.
#[derive(Default)]
struct Rows {
    place: Vec<f64>,
    truth: Vec<f64>,
    prediction: Vec<f64>,
    nats: Vec<f64>,
    unigram: Vec<f64>,
    bigram: Vec<f64>,
}

impl Rows {
    fn table(self) -> Result<Table> {
        Ok(Table::new("predictions")
            .with("sample", self.place)?
            .with("truth", self.truth)?
            .with("prediction", self.prediction)?
            .with("nats", self.nats)?
            .with("unigram", self.unigram)?
            .with("bigram", self.bigram)?)
    }
}
