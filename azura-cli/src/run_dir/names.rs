//! Names that are easy to say and remember: `brave-otter`.

const ADJECTIVES: [&str; 64] = [
    "able", "airy", "amber", "azure", "bold", "brave", "brief", "bright", "brisk", "calm", "clear",
    "clever", "cool", "coral", "crisp", "curious", "deep", "eager", "early", "fair", "famous",
    "fast", "fine", "fond", "free", "fresh", "gentle", "glad", "golden", "grand", "green", "happy",
    "honest", "humble", "jolly", "keen", "kind", "light", "lively", "lucky", "mellow", "merry",
    "mild", "modest", "neat", "noble", "patient", "plain", "polite", "proud", "quick", "quiet",
    "ready", "rosy", "sharp", "silent", "silver", "steady", "sunny", "swift", "tidy", "warm",
    "wild", "wise",
];

const ANIMALS: [&str; 64] = [
    "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "boar", "camel", "cat", "cobra",
    "crab", "crane", "crow", "deer", "dingo", "dove", "duck", "eagle", "eel", "elk", "falcon",
    "finch", "fox", "frog", "gecko", "goat", "goose", "gull", "hare", "hawk", "heron", "horse",
    "ibis", "jay", "koala", "lark", "lemur", "lion", "lynx", "marten", "mole", "moose", "moth",
    "mouse", "newt", "otter", "owl", "panda", "puma", "quail", "rabbit", "raven", "robin", "seal",
    "shrew", "sloth", "swan", "tiger", "toad", "trout", "turtle", "whale", "wren",
];

/// A name for a seed; neighbouring seeds have unlike names.
pub fn name(seed: u64) -> String {
    // splitmix64: every bit of the seed reaches every bit of the result.
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let adjective = ADJECTIVES[(z % 64) as usize];
    let animal = ANIMALS[(z / 64 % 64) as usize];
    format!("{adjective}-{animal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_spread() {
        let names: std::collections::BTreeSet<_> = (0..100).map(name).collect();
        assert!(names.len() > 90);
        for word in ADJECTIVES.iter().chain(&ANIMALS) {
            assert!(word.bytes().all(|b| b.is_ascii_lowercase()));
        }
    }
}
