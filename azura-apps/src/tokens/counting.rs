//! What a model of the next token must beat: counting how often each occurs, and how often each follows each.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::LN_2;

use azura_learner::app::Metrics;

/// A token, the one after it, and how often that occurs.
pub(crate) type Pair = (u32, u32, u64);

/// How often each token follows each in some sequences; pairs that never occur are left out.
pub(crate) fn count_pairs<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Vec<Pair> {
    let mut pairs: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for sequence in sequences {
        for pair in sequence.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_default() += 1;
        }
    }
    pairs.into_iter().map(|((a, b), n)| (a, b, n)).collect()
}

/// Sums over tokens that were to be foreseen.
#[derive(Default)]
pub(crate) struct Tally {
    nats: f64,
    right: usize,
    tokens: usize,
}

impl Tally {
    /// Takes in one token: how unlikely it was, and whether it was the likeliest.
    pub fn add(&mut self, nats: f64, right: bool) {
        self.nats += nats;
        self.right += usize::from(right);
        self.tokens += 1;
    }

    /// `loss` in nats per token, the same in bits under the name `bits`, its exponential, and the share of likeliest tokens that
    /// came.
    pub fn metrics(&self, bits: &str) -> Metrics {
        let tokens = self.tokens as f64;
        let loss = self.nats / tokens;
        Metrics::from([
            ("loss".to_string(), loss),
            (bits.to_string(), loss / LN_2),
            ("perplexity".to_string(), loss.exp()),
            ("accuracy".to_string(), self.right as f64 / tokens),
        ])
    }
}

/// How likely each token is wherever it stands: `(n + 1) / (N + V)`, where `n` of the `N` tokens of the training part are it,
/// and `V` are possible.
pub(crate) struct Unigram {
    nats: Vec<f64>,
    /// The most frequent token.
    pub likeliest: u32,
}

impl Unigram {
    /// From how often each possible token occurs.
    pub fn new(counts: &[u64]) -> Self {
        let total = (counts.iter().sum::<u64>() + counts.len() as u64) as f64;
        let nats = counts.iter().map(|n| -((n + 1) as f64 / total).ln());
        Unigram {
            nats: nats.collect(),
            likeliest: first_largest(counts.iter().copied().zip(0..)),
        }
    }

    /// How unlikely a token is.
    pub fn nats(&self, target: u32) -> f64 {
        self.nats[target as usize]
    }
}

/// How likely each token is after each: `(n + 1) / (N + V)`, where `n` of the `N` tokens after it in the training part are this
/// one, and `V` are possible.
pub(crate) struct Bigram {
    pairs: HashMap<(u32, u32), u64>,
    /// How many tokens follow each, and the most frequent of them.
    after: Vec<(u64, u32)>,
    possible: usize,
}

impl Bigram {
    /// From pairs in their order, of `possible` tokens; after one that nothing follows, `likeliest` comes first.
    pub fn new(pairs: &[Pair], possible: usize, likeliest: u32) -> Self {
        let mut after = vec![(0, likeliest); possible];
        for followers in pairs.chunk_by(|a, b| a.0 == b.0) {
            let counts = || followers.iter().map(|&(_, b, n)| (n, b));
            let total = counts().map(|(n, _)| n).sum();
            after[followers[0].0 as usize] = (total, first_largest(counts()));
        }
        Bigram {
            pairs: pairs.iter().map(|&(a, b, n)| ((a, b), n)).collect(),
            after,
            possible,
        }
    }

    /// How unlikely a token is after another.
    pub fn nats(&self, before: u32, target: u32) -> f64 {
        let n = self.pairs.get(&(before, target)).copied().unwrap_or(0);
        let total = self.after[before as usize].0 + self.possible as u64;
        -((n + 1) as f64 / total as f64).ln()
    }

    /// The most frequent token after another.
    pub fn likeliest(&self, before: u32) -> u32 {
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
        let pairs = count_pairs([[0, 1, 0, 1, 0].as_slice()]);
        assert_eq!(pairs, [(0, 1, 2), (1, 0, 2)]);
        let unigram = Unigram::new(&[3, 2, 0]);
        let bigram = Bigram::new(&pairs, 3, unigram.likeliest);
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
        // No pair reaches from one sequence into the next.
        let two = count_pairs([[0, 1].as_slice(), &[2]]);
        assert_eq!(two, [(0, 1, 1)]);
    }

    #[test]
    fn a_tally_is_a_mean_in_four_units() {
        let mut tally = Tally::default();
        tally.add(LN_2, true);
        tally.add(3.0 * LN_2, false);
        let metrics = tally.metrics("bits");
        assert!((metrics["bits"] - 2.0).abs() < 1e-12);
        assert!((metrics["perplexity"] - 4.0).abs() < 1e-12);
        assert!((metrics["loss"] - 2.0 * LN_2).abs() < 1e-12);
        assert_eq!(metrics["accuracy"], 0.5);
    }
}
