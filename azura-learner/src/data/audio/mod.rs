//! Sound on its way from a WAV file to a batch, and back.
//!
//! `wav.rs` reads and writes files, `resample.rs` changes the sample rate, `mu_law.rs` makes one of a few codes from a
//! sample, `mel.rs` makes a picture of frequencies over time, `augment.rs` changes copies of these for training. Nothing
//! here knows a model or an app.

mod augment;
mod mel;
mod mu_law;
mod resample;
mod wav;

pub use augment::{SpecAugment, add_noise, change_speed, sample_rng, shift};
pub use mel::{MelOptions, MelScale, MelSpectrogram};
pub use mu_law::MuLaw;
pub use resample::Resampler;
pub use wav::{Sound, WavWriter, read_wav, read_wav_from, wav_files};
