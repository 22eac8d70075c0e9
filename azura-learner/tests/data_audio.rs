//! Sound: WAV files whole, odd and broken, and spectrograms beside those that numpy made.

use std::path::PathBuf;

use azura_learner::data::DataErrorKind;
use azura_learner::data::audio::{
    MelOptions, MelScale, MelSpectrogram, Sound, WavWriter, read_wav, read_wav_from, wav_files,
};
use serde_json::Value;

/// A WAV file byte by byte: format tag, channels, rate, bits, data.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn read(bytes: &[u8]) -> Sound {
    read_wav_from(bytes, "a.wav").unwrap()
}

fn refused(bytes: &[u8]) -> String {
    read_wav_from(bytes, "a.wav").unwrap_err().to_string()
}

/// A folder of its own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("azura-audio-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn samples_of_every_width() {
    let wide = |values: &[i32], bytes: usize| -> Vec<u8> {
        let each = values.iter();
        each.flat_map(|v| v.to_le_bytes()[..bytes].to_vec())
            .collect()
    };
    let wanted = [0.0, 0.5, -1.0];
    assert_eq!(read(&wav(1, 1, 8000, 8, &[128, 192, 0])).samples, wanted);
    let data = wide(&[0, 1 << 14, -1 << 15], 2);
    assert_eq!(read(&wav(1, 1, 8000, 16, &data)).samples, wanted);
    let data = wide(&[0, 1 << 22, -1 << 23], 3);
    assert_eq!(read(&wav(1, 1, 8000, 24, &data)).samples, wanted);
    let data = wide(&[0, 1 << 30, i32::MIN], 4);
    assert_eq!(read(&wav(1, 1, 8000, 32, &data)).samples, wanted);
    let data: Vec<u8> = wanted.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    assert_eq!(read(&wav(3, 1, 8000, 32, &data)).samples, wanted);
}

#[test]
fn channels_are_mixed_and_rates_changed() {
    let data: Vec<u8> = [0.5f32, 0.0, -0.5, 0.25]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let sound = read(&wav(3, 2, 4, 32, &data));
    assert_eq!((sound.rate, sound.channels), (4, 2));
    assert_eq!(sound.mono(), [0.25, -0.125]);
    assert_eq!(sound.seconds(), 0.5);
    assert_eq!(sound.mono_at(8).unwrap().len(), 4);
}

#[test]
fn broken_files_say_what_is_broken() {
    let whole = wav(1, 1, 8000, 16, &[1; 200]);
    assert_eq!(
        refused(b"time,close\n1,2\n"),
        "a.wav: is not a WAV file: no RIFF tag found; give a file that begins with RIFF and WAVE"
    );
    assert!(refused(b"").contains("is not a WAV file"));
    assert_eq!(
        refused(&whole[..144]),
        "a.wav: is cut short: 50 of 100 samples are there (Failed to read enough bytes.); copy the file again from where it \
         came"
    );
    assert_eq!(
        refused(&wav(1, 1, 8000, 16, &[])),
        "a.wav: has no samples; leave the file out, or record it again"
    );
    assert!(refused(&wav(7, 1, 8000, 8, &[0; 8])).contains("neither linear PCM"));
    assert!(refused(&wav(1, 1, 0, 16, &[0; 8])).contains("0 samples a second"));
    let nan = wav(3, 1, 8000, 32, &f32::NAN.to_le_bytes());
    assert!(refused(&nan).contains("sample 1 is NaN"));
    // Every beginning of a file is refused or read, and no byte of it makes the reader fail otherwise.
    for end in 0..whole.len() {
        assert!(read_wav_from(&whole[..end], "a.wav").is_err(), "{end}");
        let mut flipped = whole.clone();
        flipped[end] ^= 0xff;
        let _ = read_wav_from(flipped.as_slice(), "a.wav");
    }
    let absent = read_wav("absent.wav").unwrap_err();
    assert_eq!(absent.kind(), DataErrorKind::Io);
}

#[test]
fn a_file_is_there_when_it_is_finished_and_not_before() {
    let folder = Folder::new("write");
    let path = folder.0.join("out.wav");
    let mut writer = WavWriter::create(&path, 8000).unwrap();
    writer.push(&[0.0, 0.25]).unwrap();
    assert!(!path.exists());
    writer.push(&[-0.5, 7.0]).unwrap();
    writer.finish().unwrap();
    let sound = read_wav(&path).unwrap();
    assert_eq!((sound.rate, sound.channels), (8000, 1));
    assert_eq!(sound.samples, [0.0, 0.25, -0.5, 32767.0 / 32768.0]);
    // Given up: the old file stays, and nothing else.
    let mut writer = WavWriter::create(&path, 8000).unwrap();
    writer.push(&[0.1]).unwrap();
    drop(writer);
    assert_eq!(read_wav(&path).unwrap(), sound);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    assert!(WavWriter::create(folder.0.join("none/out.wav"), 8000).is_err());
}

#[test]
fn folders_are_searched_in_the_order_of_names() {
    let folder = Folder::new("folder");
    let error = wav_files(&folder.0).unwrap_err();
    assert!(error.to_string().contains("there is no .wav file"));
    for name in ["b.wav", "yes/a.WAV", "a.txt", "no/1.wav"] {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    let found = wav_files(&folder.0).unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(&folder.0).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["b.wav", "no/1.wav", "yes/a.WAV"]);
}

fn options(case: &Value, rate: &Value) -> MelOptions {
    let number = |name: &str| case[name].as_f64().unwrap();
    MelOptions {
        rate: rate.as_u64().unwrap() as u32,
        window: number("window") as usize,
        hop: number("hop") as usize,
        bands: number("bands") as usize,
        low: number("low"),
        high: number("high"),
        scale: match case["scale"].as_str().unwrap() {
            "htk" => MelScale::Htk,
            _ => MelScale::Slaney,
        },
        floor: number("floor"),
    }
}

#[test]
fn spectrograms_are_those_of_numpy() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/mel_numpy.json")).unwrap();
    let floats = |value: &Value| -> Vec<f32> {
        let values = value.as_array().unwrap().iter();
        values.map(|v| v.as_f64().unwrap() as f32).collect()
    };
    let x = floats(&fixture["samples"]);
    for case in fixture["cases"].as_array().unwrap() {
        let mel = MelSpectrogram::new(options(case, &fixture["rate"])).unwrap();
        assert_eq!(mel.frames(x.len()) as u64, case["frames"].as_u64().unwrap());
        let (y, wanted) = (mel.run(&x), floats(&case["values"]));
        assert_eq!(y.len(), wanted.len());
        for (y, wanted) in y.iter().zip(&wanted) {
            // The fixture has seven digits.
            assert!(
                (y - wanted).abs() < 2e-6 * wanted.abs().max(1.0),
                "{y} and {wanted}"
            );
        }
    }
    // A sound shorter than a frame is one frame, and silence is the logarithm of the floor.
    let mel = MelSpectrogram::new(options(&fixture["cases"][0], &fixture["rate"])).unwrap();
    assert_eq!(mel.run(&[]), [1e-6f64.ln() as f32; 12]);
    let full = mel.run(&[x[..50].to_vec(), vec![0.0; 206]].concat());
    assert_eq!(mel.run(&x[..50]), full);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let fine = MelOptions {
        rate: 8000,
        window: 256,
        hop: 128,
        bands: 20,
        low: 0.0,
        high: 4000.0,
        scale: MelScale::Htk,
        floor: 1e-6,
    };
    for (wrong, part) in [
        (
            MelOptions {
                hop: 0,
                ..fine.clone()
            },
            "above 0",
        ),
        (
            MelOptions {
                high: 5000.0,
                ..fine.clone()
            },
            "half of the rate",
        ),
        (
            MelOptions {
                low: 4000.0,
                ..fine.clone()
            },
            "low < high",
        ),
        (MelOptions { bands: 200, ..fine }, "use fewer bands"),
    ] {
        let Err(error) = MelSpectrogram::new(wrong) else {
            panic!("{part}: was taken");
        };
        assert!(error.to_string().contains(part), "{error}");
    }
}
