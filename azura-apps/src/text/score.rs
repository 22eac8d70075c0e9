//! Scores: how well each next character was foreseen, by the model and by counting characters and pairs.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::LN_2;

use azura_learner::Result;
use azura_learner::app::{Metrics, ScoredSplit, Scores};
use azura_learner::data::{DataError, DataErrorKind, Dataset, Table};

use super::data::{TextData, TextFitted, Vocabulary};

/// Sums over characters that were to be foreseen.
#[derive(Default)]
struct Tally {
    nats: f64,
    right: usize,
    characters: usize,
}

impl Tally {
    fn add(&mut self, nats: f64, right: bool) {
        self.nats += nats;
        self.right += usize::from(right);
        self.characters += 1;
    }

    /// `loss` in nats per character, the same in bits, its exponential, and the share of likeliest characters that came.
    fn metrics(&self) -> Metrics {
        let characters = self.characters as f64;
        let loss = self.nats / characters;
        Metrics::from([
            ("loss".to_string(), loss),
            ("bits_per_char".to_string(), loss / LN_2),
            ("perplexity".to_string(), loss.exp()),
            ("accuracy".to_string(), self.right as f64 / characters),
        ])
    }
}

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
            metrics: model.metrics(),
            ..Scores::default()
        });
    }
    let vocabulary = fitted.vocabulary();
    let (unigram, bigram) = (Unigram::of(fitted), Bigram::of(fitted));
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
        metrics: model.metrics(),
        baselines: BTreeMap::from([
            ("unigram".to_string(), by_unigram.metrics()),
            ("bigram".to_string(), by_bigram.metrics()),
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

/// How likely each character is wherever it stands: `(n + 1) / (N + V)`, where `n` of the `N` characters of the training
/// part are it, and `V` are possible.
struct Unigram {
    nats: Vec<f64>,
    likeliest: u32,
}

impl Unigram {
    fn of(fitted: &TextFitted) -> Self {
        let counts = || fitted.counts.iter().copied().chain([0]);
        let total = (counts().sum::<u64>() + counts().count() as u64) as f64;
        Unigram {
            nats: counts().map(|n| -((n + 1) as f64 / total).ln()).collect(),
            likeliest: first_largest(counts().zip(0..)),
        }
    }

    fn nats(&self, target: u32) -> f64 {
        self.nats[target as usize]
    }
}

/// How likely each character is after each: `(n + 1) / (N + V)`, where `n` of the `N` characters after it in the training
/// part are this one, and `V` are possible.
struct Bigram {
    pairs: HashMap<(u32, u32), u64>,
    /// How many characters follow each, and the most frequent of them.
    after: Vec<(u64, u32)>,
    possible: usize,
}

impl Bigram {
    fn of(fitted: &TextFitted) -> Self {
        let possible = fitted.vocabulary().len();
        // After a character that nothing follows, the most frequent of all comes first.
        let mut after = vec![(0, Unigram::of(fitted).likeliest); possible];
        for followers in fitted.pairs.chunk_by(|a, b| a.0 == b.0) {
            let counts = || followers.iter().map(|&(_, b, n)| (n, b));
            let total = counts().map(|(n, _)| n).sum();
            after[followers[0].0 as usize] = (total, first_largest(counts()));
        }
        Bigram {
            pairs: fitted.pairs.iter().map(|&(a, b, n)| ((a, b), n)).collect(),
            after,
            possible,
        }
    }

    fn nats(&self, before: u32, target: u32) -> f64 {
        let n = self.pairs.get(&(before, target)).copied().unwrap_or(0);
        let total = self.after[before as usize].0 + self.possible as u64;
        -((n + 1) as f64 / total as f64).ln()
    }

    fn likeliest(&self, before: u32) -> u32 {
        self.after[before as usize].1
    }
}

/// The number with the largest count, the first of equals.
fn first_largest(counts: impl Iterator<Item = (u64, u32)>) -> u32 {
    let larger = |best: (u64, u32), next: (u64, u32)| if next.0 > best.0 { next } else { best };
    counts.reduce(larger).map_or(0, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_by_hand() {
        // a: 3, b: 2, unknown: 0, so 5 + 3 in all; after a: b, b; after b: a, a.
        let fitted = TextFitted::of("ababa");
        let (unigram, bigram) = (Unigram::of(&fitted), Bigram::of(&fitted));
        let is = |nats: f64, share: f64| assert!((nats + share.ln()).abs() < 1e-12, "{nats}");
        is(unigram.nats(0), 4.0 / 8.0);
        is(unigram.nats(2), 1.0 / 8.0);
        is(bigram.nats(0, 1), 3.0 / 5.0);
        is(bigram.nats(0, 0), 1.0 / 5.0);
        is(bigram.nats(1, 2), 1.0 / 5.0);
        // Nothing is known about what follows the unknown.
        is(bigram.nats(2, 0), 1.0 / 3.0);
        assert_eq!(unigram.likeliest, 0);
        assert_eq!([0, 1, 2].map(|before| bigram.likeliest(before)), [1, 0, 0]);
    }

    #[test]
    fn a_tally_is_a_mean_in_four_units() {
        let mut tally = Tally::default();
        tally.add(LN_2, true);
        tally.add(3.0 * LN_2, false);
        let metrics = tally.metrics();
        assert!((metrics["bits_per_char"] - 2.0).abs() < 1e-12);
        assert!((metrics["perplexity"] - 4.0).abs() < 1e-12);
        assert!((metrics["loss"] - 2.0 * LN_2).abs() < 1e-12);
        assert_eq!(metrics["accuracy"], 0.5);
    }
}
