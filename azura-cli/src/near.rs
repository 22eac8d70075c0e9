//! "Did you mean" for dotted keys; for plain names, the learner's.

pub use azura_learner::data::nearest;

/// The key nearest to `key` among dotted `keys`: by its whole path, else by its last word.
pub fn nearest_key<'a>(key: &str, keys: &'a [String]) -> Option<&'a str> {
    if let Some(found) = nearest(key, keys.iter().map(String::as_str)) {
        return Some(found);
    }
    let word = key.rsplit('.').next().unwrap_or(key);
    let name = nearest(word, keys.iter().map(|key| last(key)))?;
    keys.iter()
        .map(String::as_str)
        .find(|key| last(key) == name)
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_found_and_nonsense_is_not() {
        let keys = ["train.epochs".to_string(), "model.hidden".to_string()];
        assert_eq!(nearest_key("train.epoch", &keys), Some("train.epochs"));
        assert_eq!(nearest_key("hiden", &keys), Some("model.hidden"));
        assert_eq!(nearest_key("learner.epochs", &keys), Some("train.epochs"));
        assert_eq!(nearest_key("zzz", &keys), None);
    }
}
