//! Characters as numbers: reading a text, its vocabulary, its parts, and windows of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use azura_learner::data::{Batch, DataError, DataErrorKind, DataResult, Dataset, check_memory};
use azura_learner::fs::sha256_hex;
use azura_learner::{Result, Source};
use serde::{Deserialize, Serialize};

use crate::tokens::{self, count_pairs};

/// Two plays by William Shakespeare; `datasets/README.md` says more.
pub const SHAKESPEARE: Bundled = Bundled {
    name: "datasets/text/shakespeare.txt",
    text: include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/text/shakespeare.txt"
    )),
};

/// A text that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// What people and error messages call it.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
}

/// A text as it was read.
pub(super) struct Read {
    /// The text, with line feeds as line ends and without a byte-order mark.
    pub text: String,
    /// What people and error messages call it.
    pub source: String,
    /// The sha256 of the bytes that it was read from.
    pub sha256: String,
    /// What was changed, one sentence each.
    pub notes: Vec<String>,
}

/// About what a byte of text takes: itself and a copy, its number in the whole text and in its part.
const BYTES_OF_A_BYTE: usize = 2 + 4 + 4;

/// Reads the bundled text or a file.
pub(super) fn read(source: &Source) -> DataResult<Read> {
    match source {
        Source::Bundled => Ok(Read {
            text: SHAKESPEARE.text.to_string(),
            source: SHAKESPEARE.name.to_string(),
            sha256: sha256_hex(SHAKESPEARE.text.as_bytes()),
            notes: Vec::new(),
        }),
        Source::File(path) => from_file(path),
    }
}

fn from_file(path: &Path) -> DataResult<Read> {
    let name = path.display().to_string();
    let failed = |e: std::io::Error| {
        DataError::new(DataErrorKind::Io, format!("cannot be read: {e}"))
            .in_file(&name)
            .remedy("check the path and the permissions")
    };
    let size = fs::metadata(path).map_err(failed)?.len();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    check_memory(size.saturating_mul(BYTES_OF_A_BYTE)).map_err(|error| error.in_file(&name))?;
    let bytes = fs::read(path).map_err(failed)?;
    let sha256 = sha256_hex(&bytes);
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
        let what = format!(
            "byte {} of the file (0x{:02x}) is not UTF-8 text",
            at + 1,
            bytes[at]
        );
        DataError::new(DataErrorKind::Encoding, what)
            .in_file(&name)
            .at_line(line as u64)
            .remedy("save the file as UTF-8")
    })?;
    let mut notes = Vec::new();
    let mut text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    };
    if text.contains("\r\n") {
        text = text.replace("\r\n", "\n");
        notes.push("line ends of Windows were read as line feeds".to_string());
    }
    if text.is_empty() {
        let error = DataError::new(DataErrorKind::Empty, "there is no text in it");
        return Err(error.in_file(&name).remedy("give a file of UTF-8 text"));
    }
    Ok(Read {
        text,
        source: name,
        sha256,
        notes,
    })
}

/// What is learned from the training part besides the weights: its characters, how often each occurs, and how often each
/// follows each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextFitted {
    /// The different characters, in their order in Unicode; the number of a character is its place here.
    pub characters: String,
    /// How often each of them occurs.
    pub counts: Vec<u64>,
    /// A character, the one after it, and how often that occurs; pairs that never occur are left out.
    pub pairs: Vec<(u32, u32, u64)>,
}

impl TextFitted {
    /// Counts a training part.
    pub(super) fn of(text: &str) -> Self {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        for character in text.chars() {
            *counts.entry(character).or_default() += 1;
        }
        let characters: String = counts.keys().collect();
        let vocabulary = Vocabulary::of(&characters);
        let pairs = count_pairs([vocabulary.encode(text).as_slice()]);
        TextFitted {
            characters,
            counts: counts.into_values().collect(),
            pairs,
        }
    }

    /// Numbers for characters and back.
    pub(super) fn vocabulary(&self) -> Vocabulary {
        Vocabulary::of(&self.characters)
    }
}

/// Numbers for characters and back: the place among the sorted characters of the training part, and the number after the
/// last of them for every other character.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    characters: Vec<char>,
}

impl Vocabulary {
    fn of(characters: &str) -> Self {
        Vocabulary {
            characters: characters.chars().collect(),
        }
    }

    /// How many characters are known.
    pub fn known(&self) -> usize {
        self.characters.len()
    }

    /// How many numbers there are: the known characters and the unknown one.
    pub fn len(&self) -> usize {
        self.characters.len() + 1
    }

    /// The number of every character that is not known.
    pub fn unknown(&self) -> u32 {
        self.characters.len() as u32
    }

    /// The number of a character.
    pub fn id(&self, character: char) -> u32 {
        let found = self.characters.binary_search(&character);
        found.map_or(self.unknown(), |at| at as u32)
    }

    /// The numbers of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        text.chars().map(|character| self.id(character)).collect()
    }

    /// The character of a number; the replacement character for the unknown one.
    pub fn character(&self, id: usize) -> char {
        let known = self.characters.get(id).copied();
        known.unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Where a text is cut: characters of the training, the validation and the test part.
///
/// # Errors
/// [`DataErrorKind::Size`] if a part that is wanted holds no window.
pub(super) fn cut(
    characters: usize,
    val: f64,
    test: f64,
    context: usize,
) -> DataResult<[usize; 3]> {
    let part = |fraction: f64| (characters as f64 * fraction) as usize;
    let (val_size, test_size) = (part(val), part(test));
    let train_size = characters - val_size - test_size;
    for (name, size, wanted) in [
        ("training", train_size, true),
        ("validation", val_size, val > 0.0),
        ("test", test_size, test > 0.0),
    ] {
        if wanted && size <= context {
            let what = format!(
                "the {name} part has {size} of the {characters} characters, but a sample takes {context} and the one after \
                 them"
            );
            let error = DataError::new(DataErrorKind::Size, what);
            return Err(error.remedy("give more text, or a smaller model.context"));
        }
    }
    Ok([train_size, val_size, test_size])
}

/// Windows of a part of a text, each with the characters that follow its own.
///
/// | batch tensor | shape               |
/// |--------------|---------------------|
/// | 0, inputs    | `[B, context]`, i64 |
/// | 1, targets   | `[B, context]`, i64: the inputs one character on |
pub struct TextData {
    ids: Vec<u32>,
    /// The place of the first of `ids` in the whole text.
    first: usize,
    context: usize,
    stride: usize,
}

impl TextData {
    pub(super) fn new(ids: &[u32], first: usize, context: usize, stride: usize) -> Self {
        TextData {
            ids: ids.to_vec(),
            first,
            context,
            stride,
        }
    }

    /// The inputs and targets of one window.
    pub(super) fn window(&self, row: usize) -> (&[u32], &[u32]) {
        let start = row * self.stride;
        let end = start + self.context;
        (&self.ids[start..end], &self.ids[start + 1..=end])
    }

    /// The place of the first target of a window in the whole text, counted from 1.
    pub(super) fn place(&self, row: usize) -> usize {
        self.first + row * self.stride + 2
    }

    pub(super) fn context(&self) -> usize {
        self.context
    }
}

impl Dataset for TextData {
    fn len(&self) -> usize {
        match self.ids.len().checked_sub(self.context + 1) {
            Some(room) => room / self.stride + 1,
            None => 0,
        }
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        tokens::batch(rows, self.len(), self.context, |row| self.window(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_pairs_are_counted() {
        let fitted = TextFitted::of("abäab");
        assert_eq!(fitted.characters, "abä");
        assert_eq!(fitted.counts, [2, 2, 1]);
        assert_eq!(fitted.pairs, [(0, 1, 2), (1, 2, 1), (2, 0, 1)]);
        let vocabulary = fitted.vocabulary();
        assert_eq!(vocabulary.encode("äxa"), [2, 3, 0]);
        assert_eq!((vocabulary.known(), vocabulary.len()), (3, 4));
        assert_eq!(vocabulary.character(2), 'ä');
        assert_eq!(vocabulary.character(3), '\u{fffd}');
    }

    #[test]
    fn windows_have_the_next_characters_as_targets() {
        let ids: Vec<u32> = (10..20).collect();
        // Three characters and the one after them fit seven times; every second of these is a sample.
        let data = TextData::new(&ids, 100, 3, 2);
        assert_eq!(data.len(), 4);
        let batch = data.batch(&[3, 0]).unwrap();
        assert_eq!(
            batch.tensors[0].to_vec::<i64>().unwrap(),
            [16, 17, 18, 10, 11, 12]
        );
        assert_eq!(
            batch.tensors[1].to_vec::<i64>().unwrap(),
            [17, 18, 19, 11, 12, 13]
        );
        // The target 17 is the 108th character: 100 stand before the part, and 7 of it before 17.
        assert_eq!(data.place(3), 108);
        assert!(data.batch(&[4]).is_err());
        assert_eq!(TextData::new(&ids[..3], 0, 3, 2).len(), 0);
        assert_eq!(TextData::new(&ids[..4], 0, 3, 3).len(), 1);
    }

    #[test]
    fn a_part_without_a_window_is_refused() {
        assert_eq!(cut(1000, 0.1, 0.05, 20).unwrap(), [850, 100, 50]);
        assert_eq!(cut(100, 0.0, 0.0, 99).unwrap(), [100, 0, 0]);
        let message = cut(100, 0.05, 0.5, 20).unwrap_err().to_string();
        assert!(
            message.contains("the validation part has 5 of the 100"),
            "{message}"
        );
        assert!(cut(100, 0.0, 0.0, 100).is_err());
    }
}
