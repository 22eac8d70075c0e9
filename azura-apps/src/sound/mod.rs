//! The sound app: which class a recording belongs to, such as the word that is spoken or who speaks it.
//!
//! A recording becomes a log-mel spectrogram of a piece of equal length and loudness, and a small convolutional or recurrent net
//! looks at it. In training each epoch hears changed copies: moved, with noise, and with masks (`SpecAugment`). Beside its scores
//! stand the most frequent class, and a logistic regression of the mean of each band.

mod config;
mod data;
mod fields;
mod model;

pub use config::{Augment, Features, SoundConfig, SoundModel, SoundModelKind, SoundParts};
pub use data::{SoundData, SoundFitted};

use azura_core::{Scope, Tensor};
use azura_learner::app::{Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{Batch, Kind, Table};
use azura_learner::layers::Ctx;
use azura_learner::{App, Model, Result, Source};

use crate::files;
use model::Network;

/// Recordings that are predicted at a time.
const AT_ONCE: usize = 64;

/// The class of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoundApp;

impl App for SoundApp {
    type Config = SoundConfig;
    type Fitted = SoundFitted;
    type Data = SoundData;

    fn name(&self) -> &'static str {
        "sound"
    }

    fn about(&self) -> &'static str {
        "The class of a recording: which word is spoken, by whom, or what else names of files and folders say"
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(
        &self,
        config: &SoundConfig,
        source: &Source,
    ) -> Result<Prepared<SoundFitted, SoundData>> {
        data::prepare(config, source)
    }

    fn open(
        &self,
        config: &SoundConfig,
        fitted: &SoundFitted,
        source: &Source,
    ) -> Result<SoundData> {
        data::open(config, fitted, source)
    }

    fn build(
        &self,
        config: &SoundConfig,
        fitted: &SoundFitted,
        p: &Scope,
    ) -> Result<Box<dyn Model>> {
        let (bands, classes) = (config.features.bands, fitted.classes.names.len());
        Ok(Box::new(Network::new(&config.model, bands, classes, p)?))
    }

    fn score(
        &self,
        _: &SoundConfig,
        fitted: &SoundFitted,
        split: &ScoredSplit<'_, SoundData>,
    ) -> Result<Scores> {
        let data = split.data;
        if !split.full {
            return fitted.classes.score(&data.truth, split.outputs, None);
        }
        let full = Some((data.named()?, data.means()));
        let full = full
            .as_ref()
            .map(|(rows, means)| (rows.clone(), means.as_slice()));
        fitted.classes.score(&data.truth, split.outputs, full)
    }

    fn signature(&self, _: &SoundConfig, fitted: &SoundFitted) -> Signature {
        let mut outputs = vec![Field::new(files::PATH, Kind::Text, "the WAV file")];
        outputs.extend(fitted.classes.fields());
        Signature {
            inputs: vec![files::field()],
            rows: 1,
            outputs,
            forecast: false,
            generate: false,
        }
    }

    fn table(&self, _: &SoundConfig, source: &Source) -> Result<Table> {
        files::of_source(source)
    }

    fn predict(
        &self,
        config: &SoundConfig,
        fitted: &SoundFitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let listener = data::Listener::new(&config.features)?;
        let [bands, frames] = listener.shape();
        let mut outputs = Vec::new();
        let mut sounds = files::sounds(input)?;
        loop {
            let mut x = Vec::new();
            let mut rows = 0;
            for sound in sounds.by_ref().take(AT_ONCE) {
                let samples = sound?.mono_at(config.features.rate)?;
                x.extend(data::seen(&listener, fitted, &samples));
                rows += 1;
            }
            if rows == 0 {
                break;
            }
            let batch = Batch {
                tensors: vec![Tensor::from_vec(x, [rows, 1, bands, frames])?],
                rows: (0..rows).collect(),
            };
            outputs.push(model.forward(&batch, &mut Ctx::eval())?);
        }
        let paths = input.texts(files::PATH)?.to_vec();
        let table = Table::new("predictions").with(files::PATH, paths)?;
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        fitted
            .classes
            .predictions(table, &Tensor::cat(&outputs, 0)?)
    }
}
