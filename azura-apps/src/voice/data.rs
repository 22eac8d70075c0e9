//! Sound as codes: reading recordings, their parts, and windows of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use azura_learner::data::audio::{MuLaw, Sound, read_wav, read_wav_from, wav_files};
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, check_memory, sha256_path,
};
use azura_learner::fs::sha256_hex;
use azura_learner::{Result, Source};
use serde::{Deserialize, Serialize};

use super::config::VoiceParts;
use crate::tokens::{self, Pair, count_pairs};

/// A woman's voice that explains an echo test; `datasets/README.md` says more.
pub const ECHO_TEST: BundledSound = BundledSound {
    name: "datasets/voice/echo-test.wav",
    bytes: include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/voice/echo-test.wav"
    )),
};

/// A sound that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct BundledSound {
    /// What people and error messages call it.
    pub name: &'static str,
    /// The bytes of a WAV file.
    pub bytes: &'static [u8],
}

/// Recordings as they were read, one after the other.
pub(super) struct Read {
    /// The codes of all.
    pub codes: Vec<u32>,
    /// Where each recording lies in them.
    pub recordings: Vec<Range<usize>>,
    /// What people and error messages call them.
    pub source: String,
    /// The sha256 of the bytes that they were read from.
    pub sha256: String,
    /// What was changed, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the bundled sound, a WAV file, or all of a folder in the order of their names.
pub(super) fn read(source: &Source, config: &VoiceParts) -> DataResult<Read> {
    let law = MuLaw::new(config.bits)?;
    let mut read = Read {
        codes: Vec::new(),
        recordings: Vec::new(),
        source: source.to_string(),
        sha256: String::new(),
        notes: Vec::new(),
    };
    let mut rates: BTreeMap<u32, usize> = BTreeMap::new();
    let (mut mixed, mut full) = (0, 0);
    let mut take = |name: &str, sound: &Sound| -> DataResult<()> {
        *rates.entry(sound.rate).or_default() += 1;
        mixed += usize::from(sound.channels > 1);
        full += sound.samples.iter().filter(|x| x.abs() > 1.0).count();
        let samples = sound.mono_at(config.rate).map_err(|e| e.in_file(name))?;
        let start = read.codes.len();
        check_memory((start + samples.len()).saturating_mul(8)).map_err(|e| e.in_file(name))?;
        read.codes.extend(samples.iter().map(|&x| law.encode(x)));
        read.recordings.push(start..read.codes.len());
        Ok(())
    };
    match source {
        Source::Bundled => {
            take(
                ECHO_TEST.name,
                &read_wav_from(ECHO_TEST.bytes, ECHO_TEST.name)?,
            )?;
            read.source = ECHO_TEST.name.to_string();
            read.sha256 = sha256_hex(ECHO_TEST.bytes);
        }
        Source::File(path) => {
            for file in wav_files(path)? {
                take(&file.display().to_string(), &read_wav(&file)?)?;
            }
            read.sha256 = sha256_path(path)?;
        }
    }
    let other: Vec<String> = rates
        .iter()
        .filter(|(rate, _)| **rate != config.rate)
        .map(|(rate, count)| format!("{count} of {rate} Hz"))
        .collect();
    if !other.is_empty() {
        let what = format!("resampled to {} Hz: {}", config.rate, other.join(", "));
        read.notes.push(what);
    }
    if mixed > 0 {
        read.notes.push(format!(
            "{mixed} with several channels: their mean was taken"
        ));
    }
    if full > 0 {
        read.notes
            .push(format!("{full} samples beyond ±1 were cut off"));
    }
    Ok(read)
}

/// The codes of one sound.
pub(super) fn codes_of(sound: &Sound, config: &VoiceParts) -> DataResult<Vec<u32>> {
    let law = MuLaw::new(config.bits)?;
    let samples = sound.mono_at(config.rate)?;
    Ok(samples.iter().map(|&x| law.encode(x)).collect())
}

/// Reads the sound that a prompt names.
pub(super) fn prompt(path: &Path, config: &VoiceParts) -> DataResult<Vec<u32>> {
    codes_of(&read_wav(path)?, config)
}

/// What is learned from the training part besides the weights: how often each code occurs, and how often each follows each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoiceFitted {
    /// How often each code occurs.
    pub counts: Vec<u64>,
    /// A code, the one after it, and how often that occurs; pairs that never occur are left out.
    pub pairs: Vec<(u32, u32, u64)>,
}

impl VoiceFitted {
    /// Counts stretches of codes below `possible`.
    pub(super) fn of<'a>(
        stretches: impl Iterator<Item = &'a [u32]> + Clone,
        possible: usize,
    ) -> Self {
        let mut counts = vec![0; possible];
        for &code in stretches.clone().flatten() {
            counts[code as usize] += 1;
        }
        let pairs: Vec<Pair> = count_pairs(stretches);
        VoiceFitted { counts, pairs }
    }
}

/// Where the samples are cut: those of the training, the validation and the test part.
///
/// # Errors
/// [`DataErrorKind::Size`] if a part that is wanted holds no window.
pub(super) fn cut(
    read: &Read,
    config: &VoiceParts,
    context: usize,
) -> DataResult<[Range<usize>; 3]> {
    let all = read.codes.len();
    let part = |fraction: f64| (all as f64 * fraction) as usize;
    let (val, test) = (part(config.val), part(config.test));
    let train = all - val - test;
    let parts = [0..train, train..train + val, train + val..all];
    for ((name, wanted), range) in [
        ("training", true),
        ("validation", config.val > 0.0),
        ("test", config.test > 0.0),
    ]
    .into_iter()
    .zip(&parts)
    {
        let longest = stretches(&read.recordings, range).map(|s| s.len()).max();
        let longest = longest.unwrap_or(0);
        if wanted && longest <= context {
            let what = format!(
                "no stretch of the {name} part is longer than {longest} samples at {} Hz, but a window takes {context} and the \
                 one after them",
                config.rate
            );
            let error = DataError::new(DataErrorKind::Size, what).in_file(&read.source);
            return Err(error.remedy("give more or longer recordings, or a smaller model.context"));
        }
    }
    Ok(parts)
}

/// The recordings, or what of them lies in `range`.
pub(super) fn stretches(
    recordings: &[Range<usize>],
    range: &Range<usize>,
) -> impl Iterator<Item = Range<usize>> + Clone {
    let range = range.clone();
    let inside = move |r: &Range<usize>| r.start.max(range.start)..r.end.min(range.end);
    recordings.iter().map(inside).filter(|r| r.start < r.end)
}

/// Windows of recordings, each with the codes that follow its own. No window reaches from one recording into the next.
///
/// | batch tensor | shape               |
/// |--------------|---------------------|
/// | 0, inputs    | `[B, context]`, i64 |
/// | 1, targets   | `[B, context]`, i64: the inputs one sample on |
pub struct VoiceData {
    codes: Arc<Vec<u32>>,
    /// Where each window begins.
    starts: Vec<usize>,
    context: usize,
}

impl VoiceData {
    /// The windows of the recordings in `range`, one every `stride` samples.
    pub(super) fn new(
        codes: &Arc<Vec<u32>>,
        stretches: impl Iterator<Item = Range<usize>>,
        context: usize,
        stride: usize,
    ) -> Self {
        let windows = |s: Range<usize>| {
            let last = s.end.saturating_sub(context);
            (s.start..last.max(s.start)).step_by(stride)
        };
        VoiceData {
            codes: Arc::clone(codes),
            starts: stretches.flat_map(windows).collect(),
            context,
        }
    }

    /// The inputs and targets of one window.
    pub(super) fn window(&self, row: usize) -> (&[u32], &[u32]) {
        let start = self.starts[row];
        let end = start + self.context;
        (&self.codes[start..end], &self.codes[start + 1..=end])
    }

    /// The place of the first target of a window among all samples, counted from 1.
    pub(super) fn place(&self, row: usize) -> usize {
        self.starts[row] + 2
    }

    pub(super) fn context(&self) -> usize {
        self.context
    }
}

impl Dataset for VoiceData {
    fn len(&self) -> usize {
        self.starts.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        tokens::batch(rows, self.len(), self.context, |row| self.window(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stay_within_their_recording() {
        let codes = Arc::new((100..120).collect::<Vec<u32>>());
        // 8 and 12 samples; the part is the samples 2 to 18.
        let recordings = [0..8, 8..20];
        let parts: Vec<_> = stretches(&recordings, &(2..18)).collect();
        assert_eq!(parts, [2..8, 8..18]);
        let data = VoiceData::new(&codes, parts.into_iter(), 4, 3);
        // 2..=6 fits into 2..8, 5..=9 does not; 8..=12 and 11..=15 fit into 8..18, 14..=18 does not.
        assert_eq!(data.starts, [2, 8, 11]);
        assert_eq!(data.window(1), (&codes[8..12], &codes[9..13]));
        assert_eq!(data.place(1), 10);
        let batch = data.batch(&[2]).unwrap();
        assert_eq!(
            batch.tensors[1].to_vec::<i64>().unwrap(),
            [112, 113, 114, 115]
        );
        assert!(data.batch(&[3]).is_err());
        assert_eq!(VoiceData::new(&codes, std::iter::once(0..4), 4, 1).len(), 0);
        assert_eq!(VoiceData::new(&codes, std::iter::once(0..5), 4, 1).len(), 1);
    }
}
