//! Recordings with their classes: where they come from, the three parts, and what the model sees of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use azura_core::{Rng, Tensor};
use azura_learner::app::{DataSummary, Prepared};
use azura_learner::data::audio::{
    MelOptions, MelSpectrogram, Sound, SpecAugment, add_noise, change_speed, read_wav,
    read_wav_from, sample_rng, shift, wav_files,
};
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, Parts, Table, check_memory, quoted,
    read_csv_all, read_csv_all_from, sha256_path, split_stratified,
};
use azura_learner::fs::sha256_hex;
use azura_learner::{Result, Source};
use serde::{Deserialize, Serialize};

use super::config::{Augment, Features, SoundConfig};
use super::fields::{CLASS, Fields, Pattern, Where};
use crate::classes::{self, Classes};
use crate::files;

/// Four words in twelve synthetic voices; `datasets/README.md` says more.
const WORDS: (&[u8], &str) = (
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/sound/words.wav"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/sound/words.csv"
    )),
);
/// What people and error messages call them.
const WORDS_NAME: &str = "datasets/sound/words.wav";
/// The field that the bundled words are grouped by.
const VOICE: &str = "voice";

/// Root mean square that every recording is brought to: its loudness tells no class.
const LOUDNESS: f64 = 0.1;
/// Added to powers before the logarithm: about 60 dB below speech of this loudness.
const FLOOR: f64 = 1e-4;

/// What preprocessing learned from the training rows; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoundFitted {
    pub(super) classes: Classes,
    /// Mean and deviation of each band.
    pub(super) bands: Vec<(f64, f64)>,
}

/// A recording as it was read: one channel, at the rate of the features.
struct Clip {
    name: String,
    fields: Fields,
    samples: Vec<f32>,
}

/// All recordings of a source.
struct Read {
    clips: Vec<Clip>,
    source: String,
    sha256: String,
    notes: Vec<String>,
}

/// Counts what must be said of the recordings.
#[derive(Default)]
struct Counts {
    rates: BTreeMap<u32, usize>,
    mixed: usize,
    samples: usize,
}

impl Counts {
    /// A sound as the features take it.
    fn take(&mut self, sound: &Sound, rate: u32) -> DataResult<Vec<f32>> {
        *self.rates.entry(sound.rate).or_default() += 1;
        self.mixed += usize::from(sound.channels > 1);
        let samples = sound.mono_at(rate)?;
        self.samples += samples.len();
        // Samples, and a spectrogram that is about half as large.
        check_memory(self.samples.saturating_mul(6))?;
        Ok(samples)
    }
}

fn read(config: &SoundConfig, source: &Source) -> Result<Read> {
    let rate = config.features.rate;
    let mut counts = Counts::default();
    let mut read = match source {
        Source::Bundled => bundled(&mut counts, rate)?,
        Source::File(path) => Read {
            clips: match path.is_file() && !is_wav(path) {
                true => listed(path, &mut counts, rate)?,
                false => found(path, &config.data.pattern, &mut counts, rate)?,
            },
            source: path.display().to_string(),
            sha256: sha256_path(path)?,
            notes: Vec::new(),
        },
    };
    let other: Vec<String> = counts
        .rates
        .iter()
        .filter(|(from, _)| **from != rate)
        .map(|(from, count)| format!("{count} of {from} Hz"))
        .collect();
    if !other.is_empty() {
        let what = format!("resampled to {rate} Hz: {}", other.join(", "));
        read.notes.push(what);
    }
    if counts.mixed > 0 {
        let what = format!(
            "{} with several channels: their mean was taken",
            counts.mixed
        );
        read.notes.push(what);
    }
    let longer = read
        .clips
        .iter()
        .filter(|clip| clip.samples.len() > config.features.samples());
    let longer = longer.count();
    if longer > 0 {
        read.notes.push(format!(
            "{longer} of {} recordings are longer than {} s: their middle was taken (features.seconds)",
            read.clips.len(),
            config.features.seconds
        ));
    }
    Ok(read)
}

fn is_wav(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("wav"))
}

/// The words that come with the app: pieces of one recording.
fn bundled(counts: &mut Counts, rate: u32) -> Result<Read> {
    let sound = read_wav_from(WORDS.0, WORDS_NAME)?;
    let table = read_csv_all_from(WORDS.1.as_bytes(), WORDS_NAME)?;
    let (words, voices) = (table.texts("word")?, table.texts(VOICE)?);
    let (starts, sizes) = (table.numbers("start")?, table.numbers("samples")?);
    let mut clips = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let (start, size) = (starts[row] as usize, sizes[row] as usize);
        let piece = Sound {
            samples: sound.samples[start..start + size].to_vec(),
            ..sound.clone()
        };
        let fields = [(CLASS, &words[row]), (VOICE, &voices[row])];
        clips.push(Clip {
            name: format!("{} {} {start}", words[row], voices[row]),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            samples: counts.take(&piece, rate)?,
        });
    }
    Ok(Read {
        clips,
        source: WORDS_NAME.to_string(),
        sha256: sha256_hex(WORDS.0),
        notes: Vec::new(),
    })
}

/// The recordings that a CSV file lists, with its other columns as fields.
fn listed(path: &Path, counts: &mut Counts, rate: u32) -> Result<Vec<Clip>> {
    let table = read_csv_all(path)?;
    for column in [files::PATH, CLASS] {
        // With near names, if it is not there.
        table.values(column)?;
    }
    let cell = |name: &str, row: usize| match table.values(name)? {
        azura_learner::data::Values::Number(v) => Ok(v[row].to_string()),
        azura_learner::data::Values::Text(v) => Ok(v[row].trim().to_string()),
        azura_learner::data::Values::Time(v) => DataResult::Ok(v[row].iso()),
    };
    let mut clips = Vec::with_capacity(table.len());
    for (row, sound) in files::sounds(&table)?.enumerate() {
        let mut fields = Fields::new();
        for name in table.names() {
            if name != files::PATH {
                fields.insert(name.to_string(), cell(name, row)?);
            }
        }
        if fields.get(CLASS).is_none_or(|class| class.is_empty()) {
            let remedy = "fill it in or remove the row";
            return Err(table
                .error_at(row, CLASS, "the class is missing", remedy)
                .into());
        }
        let sound = sound?;
        let name = cell(files::PATH, row)?;
        let samples = counts.take(&sound, rate).map_err(|e| e.in_file(&name))?;
        clips.push(Clip {
            name,
            fields,
            samples,
        });
    }
    Ok(clips)
}

/// The recordings of a folder, with what their names say.
fn found(path: &Path, pattern: &str, counts: &mut Counts, rate: u32) -> Result<Vec<Clip>> {
    let parsed = Pattern::parse(pattern).unwrap_or_default();
    let mut clips = Vec::new();
    for file in wav_files(path)? {
        let name = file.display().to_string();
        let fields = match pattern {
            "" => {
                let folder = file.parent().and_then(Path::file_name);
                let class = folder.map_or(String::new(), |f| f.to_string_lossy().to_string());
                Fields::from([(CLASS.to_string(), class)])
            }
            _ => {
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                parsed.fields_of(&stem).ok_or_else(|| {
                    let what = format!("the name does not fit data.pattern, {pattern}");
                    let error = DataError::new(DataErrorKind::Other, what).in_file(&name);
                    error.remedy(
                        "rename the file, take it out of the folder, or correct the pattern",
                    )
                })?
            }
        };
        let samples = counts.take(&read_wav(&file)?, rate);
        clips.push(Clip {
            fields,
            samples: samples.map_err(|e| e.in_file(&name))?,
            name,
        });
    }
    Ok(clips)
}

/// What makes spectrograms of recordings.
pub(super) struct Listener {
    mel: MelSpectrogram,
    samples: usize,
}

impl Listener {
    pub fn new(features: &Features) -> DataResult<Self> {
        Ok(Listener {
            mel: MelSpectrogram::new(MelOptions {
                rate: features.rate,
                window: features.window,
                hop: features.hop,
                bands: features.bands,
                low: features.low,
                high: features.highest(),
                scale: features.scale,
                floor: FLOOR,
            })?,
            samples: features.samples(),
        })
    }

    /// Bands and frames of a spectrogram.
    pub fn shape(&self) -> [usize; 2] {
        [self.mel.options().bands, self.mel.frames(self.samples)]
    }

    /// The piece of a recording that is looked at, as loud as any other: its middle, or all of it between silences.
    pub fn piece(&self, samples: &[f32]) -> Vec<f32> {
        let cut = samples.len().saturating_sub(self.samples) / 2;
        let kept = &samples[cut..samples.len().min(cut + self.samples)];
        let power =
            kept.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / kept.len().max(1) as f64;
        let gain = match power > 0.0 {
            true => (LOUDNESS / power.sqrt()) as f32,
            false => 0.0,
        };
        let before = (self.samples - kept.len()) / 2;
        let mut piece = vec![0.0; self.samples];
        for (y, x) in piece[before..].iter_mut().zip(kept) {
            *y = gain * x;
        }
        piece
    }

    /// The spectrogram of a piece, not yet scaled.
    pub fn spectrogram(&self, piece: &[f32]) -> Vec<f32> {
        self.mel.run(piece)
    }
}

/// Brings each band to mean 0 and deviation 1 over the training rows.
pub(super) fn scale(x: &mut [f32], bands: &[(f64, f64)]) {
    let frames = x.len() / bands.len();
    for (band, (mean, deviation)) in x.chunks_exact_mut(frames).zip(bands) {
        for x in band {
            *x = ((f64::from(*x) - mean) / deviation) as f32;
        }
    }
}

/// Mean and deviation of each band; deviation 1 where it is 0.
fn bands_of<'a>(spectrograms: impl Iterator<Item = &'a Vec<f32>>, bands: usize) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0, 0.0); bands];
    for x in spectrograms {
        for (band, (n, sum, squares)) in x.chunks_exact(x.len() / bands).zip(&mut sums) {
            for &x in band {
                *n += 1.0;
                *sum += f64::from(x);
                *squares += f64::from(x).powi(2);
            }
        }
    }
    let spread = |(n, sum, squares): &(f64, f64, f64)| {
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        (mean, if deviation > 1e-6 { deviation } else { 1.0 })
    };
    sums.iter().map(spread).collect()
}

/// Recordings of one part.
///
/// | batch tensor | shape                    |
/// |--------------|--------------------------|
/// | 0            | spectrograms, `[B, 1, bands, frames]` |
/// | 1            | classes, `[B]`, u32      |
pub struct SoundData {
    names: Vec<String>,
    pub(super) truth: Vec<usize>,
    /// Scaled spectrograms.
    spectrograms: Vec<Vec<f32>>,
    shape: [usize; 2],
    /// For training: pieces of sound, and how copies of them are changed.
    changed: Option<Changed>,
}

struct Changed {
    pieces: Vec<Vec<f32>>,
    listener: Listener,
    bands: Vec<(f64, f64)>,
    augment: Augment,
    rate: u32,
    seed: u64,
}

impl Changed {
    /// The scaled spectrogram of a changed copy.
    fn copy(&self, row: usize, epoch: u64) -> Vec<f32> {
        let mut rng: Rng = sample_rng(self.seed, epoch, row);
        let augment = &self.augment;
        let mut piece = self.pieces[row].clone();
        if augment.speed > 0.0 {
            change_speed(
                &mut piece,
                1.0 + augment.speed * (2.0 * rng.uniform() - 1.0),
            );
        }
        let most = (augment.shift * f64::from(self.rate)) as isize;
        if most > 0 {
            let by = rng.below(2 * most.unsigned_abs() as u64 + 1) as isize - most;
            shift(&mut piece, by);
        }
        // Half of the copies stay as clean as what the model will hear later.
        if augment.noise > 0.0 && rng.below(2) == 0 {
            let softer = 30.0 * rng.uniform();
            add_noise(&mut piece, augment.noise + softer, &mut rng);
        }
        let mut x = self.listener.spectrogram(&piece);
        scale(&mut x, &self.bands);
        let masks = SpecAugment {
            band_masks: augment.band_masks,
            band_width: augment.band_width,
            time_masks: augment.time_masks,
            time_width: augment.time_width,
        };
        // Scaled bands have the mean 0.
        masks.apply(&mut x, self.bands.len(), 0.0, &mut rng);
        x
    }
}

impl SoundData {
    /// What the rows are called, for people.
    pub(super) fn named(&self) -> DataResult<Table> {
        Table::new("predictions").with("recording", self.names.clone())
    }

    /// What the logistic regression sees of each row: the mean of each band over time.
    pub(super) fn means(&self) -> Vec<f64> {
        means(&self.spectrograms, self.shape[1])
    }

    fn tensors(&self, rows: &[usize], of: impl Fn(usize) -> Vec<f32>) -> Result<Batch> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            let what = format!("there is no recording {row} of {}", self.len());
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        let x: Vec<f32> = rows.iter().flat_map(|&row| of(row)).collect();
        let y: Vec<u32> = rows.iter().map(|&row| self.truth[row] as u32).collect();
        let [bands, frames] = self.shape;
        Ok(Batch {
            tensors: vec![
                Tensor::from_vec(x, [rows.len(), 1, bands, frames])?,
                Tensor::from_vec(y, [rows.len()])?,
            ],
            rows: rows.to_vec(),
        })
    }
}

fn means(spectrograms: &[Vec<f32>], frames: usize) -> Vec<f64> {
    let mean = |band: &[f32]| band.iter().map(|&x| f64::from(x)).sum::<f64>() / frames as f64;
    spectrograms
        .iter()
        .flat_map(|x| x.chunks_exact(frames).map(mean))
        .collect()
}

impl Dataset for SoundData {
    fn len(&self) -> usize {
        self.truth.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.tensors(rows, |row| self.spectrograms[row].clone())
    }

    fn training_batch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        match &self.changed {
            Some(changed) => self.tensors(rows, |row| changed.copy(row, epoch)),
            None => self.batch(rows),
        }
    }
}

/// Reads, splits and fits.
pub(super) fn prepare(
    config: &SoundConfig,
    source: &Source,
) -> Result<Prepared<SoundFitted, SoundData>> {
    let read = read(config, source)?;
    let labels: Vec<String> = read
        .clips
        .iter()
        .map(|clip| clip.fields[CLASS].clone())
        .collect();
    let (names, truth) = classes::number(&labels, &read.source)?;
    let mut notes = vec![format!(
        "rows are recordings of {} classes: {}",
        names.len(),
        few(&names)
    )];
    let (parts, how) = deal(config, source, &read, &truth)?;
    notes.push(how);
    notes.extend(read.notes);

    let listener = Listener::new(&config.features)?;
    let [bands, frames] = listener.shape();
    let mut pieces: Vec<Vec<f32>> = read
        .clips
        .iter()
        .map(|clip| listener.piece(&clip.samples))
        .collect();
    let mut spectrograms: Vec<Vec<f32>> = pieces
        .iter()
        .map(|piece| listener.spectrogram(piece))
        .collect();
    let silent = pieces
        .iter()
        .filter(|piece| piece.iter().all(|&x| x == 0.0))
        .count();
    if silent > 0 {
        notes.push(format!("{silent} recordings are silent"));
    }
    let scales = bands_of(parts.train.iter().map(|&row| &spectrograms[row]), bands);
    spectrograms.iter_mut().for_each(|x| scale(x, &scales));

    let mut part = |rows: &[usize], changed: Option<Changed>| SoundData {
        names: rows
            .iter()
            .map(|&row| read.clips[row].name.clone())
            .collect(),
        truth: rows.iter().map(|&row| truth[row]).collect(),
        spectrograms: rows
            .iter()
            .map(|&row| std::mem::take(&mut spectrograms[row]))
            .collect(),
        shape: [bands, frames],
        changed,
    };
    let changed = Changed {
        pieces: parts
            .train
            .iter()
            .map(|&row| std::mem::take(&mut pieces[row]))
            .collect(),
        listener,
        bands: scales.clone(),
        augment: config.augment.clone(),
        rate: config.features.rate,
        seed: config.train.seed,
    };
    let train = part(&parts.train, Some(changed));
    let (val, test) = (part(&parts.val, None), part(&parts.test, None));
    let fitted = SoundFitted {
        classes: Classes::fit(names, &train.truth, &train.means(), &read.source)?,
        bands: scales,
    };
    let summary = DataSummary {
        source: read.source,
        rows: read.clips.len(),
        columns: read.clips[0].fields.keys().cloned().collect(),
        sha256: read.sha256,
        train: train.len(),
        val: val.len(),
        test: test.len(),
        notes,
        ..DataSummary::default()
    };
    Ok(Prepared {
        fitted,
        train: Arc::new(train),
        val: Arc::new(val),
        test: Arc::new(test),
        summary,
    })
}

/// Recordings to be scored.
pub(super) fn open(
    config: &SoundConfig,
    fitted: &SoundFitted,
    source: &Source,
) -> Result<SoundData> {
    let read = read(config, source)?;
    let labels: Vec<String> = read
        .clips
        .iter()
        .map(|clip| clip.fields[CLASS].clone())
        .collect();
    let truth = fitted.classes.of(&labels, &read.source)?;
    let listener = Listener::new(&config.features)?;
    let clips = read.clips.iter();
    Ok(SoundData {
        spectrograms: clips
            .clone()
            .map(|clip| seen(&listener, fitted, &clip.samples))
            .collect(),
        names: clips.map(|clip| clip.name.clone()).collect(),
        truth,
        shape: listener.shape(),
        changed: None,
    })
}

/// What the model sees of a recording.
pub(super) fn seen(listener: &Listener, fitted: &SoundFitted, samples: &[f32]) -> Vec<f32> {
    let mut x = listener.spectrogram(&listener.piece(samples));
    scale(&mut x, &fitted.bands);
    x
}

/// The parts, and a sentence about them.
fn deal(
    config: &SoundConfig,
    source: &Source,
    read: &Read,
    truth: &[usize],
) -> Result<(Parts, String)> {
    let data = &config.data;
    let in_file = |error: DataError| error.in_file(&read.source);
    let group = match (data.group.as_str(), source) {
        ("", Source::Bundled) => VOICE,
        (group, _) => group,
    };
    let chosen = Where::parse(&data.test_where).unwrap_or_default();
    for field in chosen.iter().map(|c| c.field.as_str()).chain([group]) {
        if !field.is_empty()
            && !read
                .clips
                .iter()
                .all(|clip| clip.fields.contains_key(field))
        {
            let known: Vec<&str> = read.clips[0].fields.keys().map(String::as_str).collect();
            let what = format!(
                "recordings have no field {}; they have {}",
                quoted(field),
                known.join(", ")
            );
            let error = DataError::new(DataErrorKind::UnknownColumn, what);
            return Err(in_file(
                error.remedy("name it in data.pattern, or in a column of a CSV file"),
            )
            .into());
        }
    }
    let of = |row: usize, field: &str| read.clips[row].fields[field].clone();
    let (test, rest): (Vec<usize>, Vec<usize>) = match &chosen {
        Some(chosen) => {
            (0..truth.len()).partition(|&row| chosen.values.contains(&of(row, &chosen.field)))
        }
        None => (Vec::new(), (0..truth.len()).collect()),
    };
    if let (Some(chosen), true) = (&chosen, test.is_empty()) {
        let what = format!(
            "no recording has {} = {}",
            chosen.field,
            chosen.values.join(" or ")
        );
        let error = DataError::new(DataErrorKind::Split, what);
        return Err(in_file(error.remedy("correct data.test_where")).into());
    }
    // What a condition does not give is dealt: by whole groups, or by recordings of each class.
    let test_share = if chosen.is_some() { 0.0 } else { data.test };
    let seed = config.train.seed;
    let (dealt, how) = match group {
        "" => {
            let labels: Vec<usize> = rest.iter().map(|&row| truth[row]).collect();
            let dealt = split_stratified(&labels, data.val, test_share, seed).map_err(in_file)?;
            (dealt, "dealt at random, each class by itself".to_string())
        }
        field => {
            let groups: Vec<String> = rest.iter().map(|&row| of(row, field)).collect();
            let (dealt, count) = by_groups(&groups, data.val, test_share, seed).map_err(in_file)?;
            (
                dealt,
                format!(
                    "dealt at random by {field}, of which there are {count}: no {field} is in two of the parts dealt"
                ),
            )
        }
    };
    let rows = |dealt: Vec<usize>| dealt.into_iter().map(|i| rest[i]).collect::<Vec<_>>();
    let how = match &chosen {
        Some(_) => format!("test: {}; the others are {how}", data.test_where),
        None => how,
    };
    Ok((
        Parts {
            train: rows(dealt.train),
            val: rows(dealt.val),
            test: if chosen.is_some() {
                test
            } else {
                rows(dealt.test)
            },
        },
        how,
    ))
}

/// Deals whole groups at random: `val` and `test` are fractions of the groups. Also how many groups there are.
fn by_groups(groups: &[String], val: f64, test: f64, seed: u64) -> DataResult<(Parts, usize)> {
    let mut names: Vec<&String> = groups.iter().collect();
    names.sort();
    names.dedup();
    let count = names.len();
    Rng::new(seed).fork("split").shuffle(&mut names);
    let share = |fraction: f64| match fraction {
        0.0 => 0,
        fraction => ((fraction * count as f64).round() as usize).max(1),
    };
    let (test, val) = (share(test), share(val));
    if test + val >= count {
        let what = format!(
            "{count} groups are too few for {val} of validation, {test} of test and one of training"
        );
        let error = DataError::new(DataErrorKind::Split, what);
        return Err(error.remedy("use more groups, smaller parts, or data.group=\"\""));
    }
    let rows = |wanted: &[&String]| -> Vec<usize> {
        (0..groups.len())
            .filter(|&row| wanted.contains(&&groups[row]))
            .collect()
    };
    let parts = Parts {
        test: rows(&names[..test]),
        val: rows(&names[test..test + val]),
        train: rows(&names[test + val..]),
    };
    Ok((parts, count))
}

/// Names in a sentence.
fn few(names: &[String]) -> String {
    match names.len() {
        0..=12 => names.join(", "),
        n => format!("{} and {} more", names[..12].join(", "), n - 12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_whole() {
        let groups: Vec<String> = (0..60).map(|i| format!("g{}", i % 10)).collect();
        let (parts, count) = by_groups(&groups, 0.2, 0.3, 1).unwrap();
        assert_eq!(count, 10);
        assert_eq!(
            (parts.test.len(), parts.val.len(), parts.train.len()),
            (18, 12, 30)
        );
        let of = |rows: &[usize]| {
            rows.iter()
                .map(|&row| row % 10)
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert!(of(&parts.test).is_disjoint(&of(&parts.train)));
        assert!(of(&parts.val).is_disjoint(&of(&parts.train)));
        assert!(of(&parts.val).is_disjoint(&of(&parts.test)));
        let error = by_groups(&groups[..2], 0.2, 0.2, 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("2 groups are too few"), "{error}");
    }

    #[test]
    fn pieces_are_equally_long_and_loud() {
        let features = Features {
            rate: 1000,
            seconds: 0.1,
            window: 64,
            bands: 4,
            hop: 10,
            ..Features::default()
        };
        let listener = Listener::new(&features).unwrap();
        let rms = |x: &[f32]| (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32).sqrt();
        let long: Vec<f32> = (0..300).map(|i| i as f32).collect();
        let piece = listener.piece(&long);
        assert_eq!(piece.len(), 100);
        assert!((rms(&piece) - 0.1).abs() < 1e-6);
        // The middle: samples 100 to 199, to scale.
        assert!((piece[99] / piece[0] - 1.99).abs() < 1e-5);
        let short = listener.piece(&[0.5; 20]);
        assert_eq!(short.iter().filter(|&&x| x == 0.1).count(), 20);
        assert!(short[..40].iter().chain(&short[60..]).all(|&x| x == 0.0));
        assert_eq!(listener.piece(&[0.0; 20]), vec![0.0; 100]);
    }
}
