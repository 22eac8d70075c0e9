//! Scores: how well each next character was foreseen, by the model and by counting characters and pairs.

use std::collections::BTreeMap;

use azura_learner::Result;
use azura_learner::app::{ScoredSplit, Scores};
use azura_learner::data::{DataError, DataErrorKind, Dataset, Table};

use super::data::{TextData, TextFitted, Vocabulary};
use crate::tokens::{Bigram, Tally, Unigram};

/// The name of the loss in bits.
const BITS: &str = "bits_per_char";

/// The scores of one part of a text; baselines and rows only where they are looked at.
pub(super) fn score(fitted: &TextFitted, split: &ScoredSplit<'_, TextData>) -> Result<Scores> {
    let outputs = split.outputs.to_vec::<f32>()?;
    let data = split.data;
    if outputs.len() != data.len() * data.context() * 2 || data.is_empty() {
        let what = format!(
            "{} numbers for {} samples of {} characters",
            outputs.len(),
            data.len(),
            data.context()
        );
        return Err(DataError::new(DataErrorKind::Size, what).into());
    }
    let mut model = Tally::default();
    if !split.full {
        for (row, kept) in outputs.chunks_exact(2 * data.context()).enumerate() {
            let (_, targets) = data.window(row);
            for (&target, kept) in targets.iter().zip(kept.chunks_exact(2)) {
                model.add(-f64::from(kept[0]), kept[1] == target as f32);
            }
        }
        return Ok(Scores {
            metrics: model.metrics(BITS),
            ..Scores::default()
        });
    }
    let vocabulary = fitted.vocabulary();
    let counts: Vec<u64> = fitted.counts.iter().copied().chain([0]).collect();
    let unigram = Unigram::new(&counts);
    let bigram = Bigram::new(&fitted.pairs, vocabulary.len(), unigram.likeliest);
    let (mut by_unigram, mut by_bigram) = (Tally::default(), Tally::default());
    let mut rows = Rows::default();
    for (row, kept) in outputs.chunks_exact(2 * data.context()).enumerate() {
        let (inputs, targets) = data.window(row);
        let pairs = inputs.iter().zip(targets);
        for (i, ((&before, &target), kept)) in pairs.zip(kept.chunks_exact(2)).enumerate() {
            let nats = -f64::from(kept[0]);
            let counted = [unigram.nats(target), bigram.nats(before, target)];
            model.add(nats, kept[1] == target as f32);
            by_unigram.add(counted[0], unigram.likeliest == target);
            by_bigram.add(counted[1], bigram.likeliest(before) == target);
            rows.place.push((data.place(row) + i) as f64);
            rows.truth.push(shown(&vocabulary, target as usize));
            rows.prediction.push(shown(&vocabulary, kept[1] as usize));
            rows.nats.push(nats);
            rows.unigram.push(counted[0]);
            rows.bigram.push(counted[1]);
        }
    }
    Ok(Scores {
        metrics: model.metrics(BITS),
        baselines: BTreeMap::from([
            ("unigram".to_string(), by_unigram.metrics(BITS)),
            ("bigram".to_string(), by_bigram.metrics(BITS)),
        ]),
        rows: Some(rows.table()?),
    })
}

/// One row for each character that was to be foreseen.
#[derive(Default)]
struct Rows {
    place: Vec<f64>,
    truth: Vec<String>,
    prediction: Vec<String>,
    nats: Vec<f64>,
    unigram: Vec<f64>,
    bigram: Vec<f64>,
}

impl Rows {
    fn table(self) -> Result<Table> {
        Ok(Table::new("predictions")
            .with("character", self.place)?
            .with("truth", self.truth)?
            .with("prediction", self.prediction)?
            .with("nats", self.nats)?
            .with("unigram", self.unigram)?
            .with("bigram", self.bigram)?)
    }
}

/// A character as one sees it in a table: line ends, tabs and other controls are written as escapes.
fn shown(vocabulary: &Vocabulary, id: usize) -> String {
    let character = vocabulary.character(id);
    match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    }
}
