//! WAV files, read with checks and written as they are made.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec};

use super::super::column::check_memory;
use super::super::dataset::files_in;
use super::super::error::{DataError, DataErrorKind, DataResult};
use super::Resampler;
use crate::error::{Error, Result};
use crate::fs::{sync_folder, temporary_name};

/// A sound as a file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: usize,
    /// The samples in `[−1, 1]`, those of all channels at a time side by side.
    pub samples: Vec<f32>,
}

impl Sound {
    /// One channel: the mean of all.
    pub fn mono(&self) -> Vec<f32> {
        let frames = self.samples.chunks_exact(self.channels);
        frames
            .map(|frame| frame.iter().sum::<f32>() / self.channels as f32)
            .collect()
    }

    /// One channel at another rate.
    ///
    /// # Errors
    /// [`DataErrorKind::OutOfRange`] if a rate is no rate of sound.
    pub fn mono_at(&self, rate: u32) -> DataResult<Vec<f32>> {
        Ok(Resampler::new(self.rate, rate)?.run(&self.mono()))
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / self.channels as f64 / f64::from(self.rate)
    }
}

/// Reads a WAV file of linear PCM (8, 16, 24 or 32 bits) or 32-bit floats, with any number of channels.
///
/// # Errors
/// [`DataErrorKind::Io`]; [`DataErrorKind::Sound`] if it is not such a file, is cut short, or has no samples;
/// [`DataErrorKind::OutOfRange`] for a float that is not finite.
pub fn read_wav(path: impl AsRef<Path>) -> DataResult<Sound> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let unreadable = |e: std::io::Error| {
        DataError::new(DataErrorKind::Io, format!("cannot be read: {e}"))
            .in_file(&name)
            .remedy("check the path and the permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    // The smallest sample has one byte, and becomes four.
    let bytes = usize::try_from(size)
        .unwrap_or(usize::MAX)
        .saturating_mul(4);
    check_memory(bytes).map_err(|error| error.in_file(&name))?;
    read_wav_from(BufReader::new(file), &name)
}

/// Reads a WAV file from anywhere; `name` is what messages call it.
///
/// # Errors
/// As [`read_wav`].
pub fn read_wav_from(from: impl Read, name: &str) -> DataResult<Sound> {
    let error = |kind, what: String, remedy: &str| {
        Err(DataError::new(kind, what).in_file(name).remedy(remedy))
    };
    let mut reader = match WavReader::new(from) {
        Ok(reader) => reader,
        Err(hound::Error::Unsupported) => {
            return error(
                DataErrorKind::Sound,
                "its samples are neither linear PCM nor 32-bit floats".to_string(),
                "convert it, such as with: ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav",
            );
        }
        Err(e) => {
            return error(
                DataErrorKind::Sound,
                format!("is not a WAV file: {}", reason(&e)),
                "give a file that begins with RIFF and WAVE",
            );
        }
    };
    let spec = reader.spec();
    if spec.sample_rate == 0 || spec.channels == 0 {
        return error(
            DataErrorKind::Sound,
            format!(
                "has {} channels of {} samples a second",
                spec.channels, spec.sample_rate
            ),
            "write the file again",
        );
    }
    let (channels, expected) = (usize::from(spec.channels), reader.len());
    let (samples, cut) = match spec.sample_format {
        SampleFormat::Float => until_error(reader.samples::<f32>(), |x| x),
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f64;
            until_error(reader.samples::<i32>(), |x| (f64::from(x) * scale) as f32)
        }
    };
    if let Some(why) = cut {
        return error(
            DataErrorKind::Sound,
            format!(
                "is cut short: {} of {expected} samples are there ({why})",
                samples.len()
            ),
            "copy the file again from where it came",
        );
    }
    if samples.is_empty() {
        return error(
            DataErrorKind::Sound,
            "has no samples".to_string(),
            "leave the file out, or record it again",
        );
    }
    if let Some(at) = samples.iter().position(|x| !x.is_finite()) {
        return error(
            DataErrorKind::OutOfRange,
            format!("sample {} is {}", at / channels + 1, samples[at]),
            "write the file again",
        );
    }
    Ok(Sound {
        rate: spec.sample_rate,
        channels,
        samples,
    })
}

/// The samples before the first that cannot be read, and why it cannot.
fn until_error<T>(
    samples: impl Iterator<Item = hound::Result<T>>,
    scaled: impl Fn(T) -> f32,
) -> (Vec<f32>, Option<String>) {
    let mut read = Vec::new();
    for sample in samples {
        match sample {
            Ok(x) => read.push(scaled(x)),
            Err(e) => return (read, Some(reason(&e))),
        }
    }
    (read, None)
}

fn reason(error: &hound::Error) -> String {
    match error {
        hound::Error::FormatError(why) => (*why).to_string(),
        hound::Error::IoError(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// The WAV files of a folder and its folders, in the order of their names: a file by itself is the only one.
///
/// # Errors
/// [`DataErrorKind::Io`]; [`DataErrorKind::Empty`] if there is none.
pub fn wav_files(path: impl AsRef<Path>) -> DataResult<Vec<PathBuf>> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let found = match path.is_dir() {
        true => {
            let all = files_in(path)?.into_iter();
            let is_wav = |file: &PathBuf| {
                let ending = file.extension();
                ending.is_some_and(|ending| ending.eq_ignore_ascii_case("wav"))
            };
            all.filter(is_wav).collect()
        }
        false => vec![path.to_path_buf()],
    };
    if found.is_empty() {
        let error = DataError::new(DataErrorKind::Empty, "there is no .wav file in the folder");
        return Err(error.in_file(name).remedy("name a folder of WAV files"));
    }
    Ok(found)
}

/// Writes a WAV file of one channel with 16 bits, a few samples at a time. The file is at its place when it is whole, and
/// not before: until then it has a temporary name.
///
/// ```
/// use azura_learner::data::audio::{WavWriter, read_wav};
/// let path = std::env::temp_dir().join(format!("azura-doc-{}.wav", std::process::id()));
/// let mut writer = WavWriter::create(&path, 8_000)?;
/// writer.push(&[0.0, 0.5, -1.0])?;
/// writer.finish()?;
/// assert_eq!(read_wav(&path)?.samples, [0.0, 0.5, -1.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub struct WavWriter {
    /// Gone when it is finished.
    file: Option<hound::WavWriter<BufWriter<File>>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl WavWriter {
    /// Begins a file of `rate` samples a second.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: impl AsRef<Path>, rate: u32) -> Result<Self> {
        // Renaming over a link would put a file in its place.
        let given = path.as_ref();
        let path = fs::canonicalize(given).unwrap_or_else(|_| given.to_path_buf());
        let temporary = temporary_name(&path)?;
        let file = hound::WavWriter::create(&temporary, spec(rate));
        let file = file.map_err(|e| failed(&temporary, e))?;
        Ok(WavWriter {
            file: Some(file),
            temporary,
            path,
        })
    }

    /// Adds samples; beyond ±1 they are cut off.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        for &x in samples {
            file.write_sample(pcm(x))
                .map_err(|e| failed(&self.temporary, e))?;
        }
        Ok(())
    }

    /// Puts the file at its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        file.finalize().map_err(|e| failed(&self.temporary, e))?;
        let synced = File::open(&self.temporary).and_then(|file| file.sync_all());
        synced.map_err(|e| Error::io("write", &self.temporary, e))?;
        fs::rename(&self.temporary, &self.path)
            .map_err(|e| Error::io("rename to", &self.path, e))?;
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => sync_folder(folder),
            _ => sync_folder(Path::new(".")),
        }
    }

    /// The head of a stream of [`WavWriter::bytes`] whose length nobody knows yet, for a pipe.
    pub fn head(rate: u32) -> Vec<u8> {
        spec(rate).into_header_for_infinite_file()
    }

    /// Samples as such a stream holds them.
    pub fn bytes(samples: &[f32]) -> Vec<u8> {
        let each = samples.iter();
        each.flat_map(|&x| pcm(x).to_le_bytes()).collect()
    }
}

impl Drop for WavWriter {
    fn drop(&mut self) {
        // What was not finished is no sound.
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn spec(rate: u32) -> WavSpec {
    WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    }
}

/// A sample with 16 bits.
fn pcm(x: f32) -> i16 {
    (f64::from(x) * 32768.0).round().clamp(-32768.0, 32767.0) as i16
}

fn failed(path: &Path, error: hound::Error) -> Error {
    let error = match error {
        hound::Error::IoError(e) => e,
        other => std::io::Error::other(other.to_string()),
    };
    Error::io("write", path, error)
}
