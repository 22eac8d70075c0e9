//! The voice app: the next sample of a sound, and so new sound.
//!
//! Samples are mu-law codes (ITU-T G.711), as in `WaveNet` (van den Oord et al. 2016, arXiv:1609.03499); the model is the one of the
//! Python AzuraForge: a table of codes, an LSTM, and a linear layer. Beside its scores stand those of counting: how often each
//! code occurs (unigram), and how often each follows each (bigram), with one added to every count.

mod config;
mod data;
mod sample;
mod score;

pub use config::{VoiceConfig, VoiceModel, VoiceParts};
pub use data::{BundledSound, ECHO_TEST, VoiceData, VoiceFitted};

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use azura_core::{Scope, Tensor};
use azura_learner::app::{DataSummary, Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::audio::MuLaw;
use azura_learner::data::{Batch, DataError, DataErrorKind, Kind, Table};
use azura_learner::generate::{Decoder, GenerateOptions, Generated, OnPiece};
use azura_learner::layers::Ctx;
use azura_learner::loss::{Loss, cross_entropy};
use azura_learner::{App, Dataset, Model, Result, Source};

use crate::files;
use crate::tokens::{self, TokenLstm};

/// The next sample of a sound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice;

impl App for Voice {
    type Config = VoiceConfig;
    type Fitted = VoiceFitted;
    type Data = VoiceData;

    fn name(&self) -> &'static str {
        "voice"
    }

    fn about(&self) -> &'static str {
        "The next sample of a sound from those before it, and so new sound in its manner"
    }

    fn version(&self) -> u32 {
        1
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["voice_generator"]
    }

    fn prepare(
        &self,
        config: &VoiceConfig,
        source: &Source,
    ) -> Result<Prepared<VoiceFitted, VoiceData>> {
        let read = data::read(source, &config.data)?;
        let context = config.model.context;
        let [train, val, test] = data::cut(&read, &config.data, context)?;
        let fitted = VoiceFitted::of(
            data::stretches(&read.recordings, &train).map(|range| &read.codes[range]),
            1 << config.data.bits,
        );
        let used = fitted.counts.iter().filter(|&&count| count > 0).count();
        let seconds = read.codes.len() as f64 / f64::from(config.data.rate);
        let mut notes = vec![format!(
            "rows are samples of {} Hz, {used} of {} codes are in the training part; {seconds:.1} s in {}; a window is {context} \
             samples, one every {} for training",
            config.data.rate,
            fitted.counts.len(),
            match read.recordings.len() {
                1 => "1 recording".to_string(),
                n => format!("{n} recordings"),
            },
            config.stride()
        )];
        notes.extend(read.notes);
        let codes = Arc::new(read.codes);
        let part = |range: &Range<usize>, stride| {
            let stretches = data::stretches(&read.recordings, range);
            Arc::new(VoiceData::new(&codes, stretches, context, stride))
        };
        let (train, val, test) = (
            part(&train, config.stride()),
            part(&val, context),
            part(&test, context),
        );
        let summary = DataSummary {
            source: read.source,
            rows: codes.len(),
            columns: vec!["code".to_string()],
            sha256: read.sha256,
            train: train.len(),
            val: val.len(),
            test: test.len(),
            notes,
            ..DataSummary::default()
        };
        Ok(Prepared {
            fitted,
            train,
            val,
            test,
            summary,
        })
    }

    fn open(&self, config: &VoiceConfig, _: &VoiceFitted, source: &Source) -> Result<VoiceData> {
        let read = data::read(source, &config.data)?;
        let context = config.model.context;
        let stretches = read.recordings.iter().cloned();
        let data = VoiceData::new(&Arc::new(read.codes), stretches, context, context);
        if data.is_empty() {
            let what = format!(
                "no recording is longer than the {context} samples of a window at {} Hz",
                config.data.rate
            );
            let error = DataError::new(DataErrorKind::Size, what).in_file(read.source);
            return Err(error.remedy("give longer recordings").into());
        }
        Ok(data)
    }

    fn build(&self, config: &VoiceConfig, _: &VoiceFitted, p: &Scope) -> Result<Box<dyn Model>> {
        let VoiceModel {
            embedding,
            hidden,
            layers,
            dropout,
            ..
        } = config.model;
        let codes = MuLaw::new(config.data.bits)?.codes();
        let lstm = TokenLstm::new(codes, [embedding, hidden, layers], dropout, p)?;
        Ok(Box::new(SampleModel { lstm }))
    }

    fn score(
        &self,
        _: &VoiceConfig,
        fitted: &VoiceFitted,
        split: &ScoredSplit<'_, VoiceData>,
    ) -> Result<Scores> {
        score::score(fitted, split)
    }

    fn signature(&self, config: &VoiceConfig, _: &VoiceFitted) -> Signature {
        let number = |name: &str, about: &str| Field::new(name, Kind::Number, about);
        Signature {
            inputs: vec![files::field()],
            rows: 1,
            outputs: vec![
                Field::new(files::PATH, Kind::Text, "the WAV file"),
                number("seconds", "how long it is").unit("s"),
                number(
                    "nats",
                    "how unlikely it is: minus the mean logarithm of the probabilities of its samples after the first",
                )
                .unit(format!("nats per sample of {} Hz", config.data.rate))
                .missing(),
                number("bits_per_sample", "the same in bits").missing(),
            ],
            forecast: false,
            generate: true,
        }
    }

    fn table(&self, _: &VoiceConfig, source: &Source) -> Result<Table> {
        files::of_source(source)
    }

    fn predict(
        &self,
        config: &VoiceConfig,
        _: &VoiceFitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        sample::predict(config, model, input)
    }

    /// A prompt is the path of a WAV file; without one the sound begins after silence.
    fn generate(
        &self,
        config: &VoiceConfig,
        _: &VoiceFitted,
        model: &dyn Model,
        prompt: &str,
        options: &GenerateOptions,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Generated> {
        let before = match prompt {
            "" => vec![MuLaw::new(config.data.bits)?.encode(0.0)],
            path => data::prompt(Path::new(path), &config.data)?,
        };
        sample::generate(config, model, &before, options, on_piece)
    }
}

/// A model of the next sample.
///
/// | value          | shape |
/// |----------------|-------|
/// | batch tensor 0 | `[B, T]`, codes |
/// | batch tensor 1 | `[B, T]`, those one sample on |
/// | output         | `[B, T, 2^bits]`, a score for each code |
/// | what is kept   | `[B, T, 2]`, the log-likelihood of the target and the likeliest code |
struct SampleModel {
    lstm: TokenLstm,
}

impl Model for SampleModel {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        Ok(self.lstm.scores(&batch.tensors[0], None, ctx)?.0)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let (scores, targets) = tokens::flat(output, batch)?;
        cross_entropy(&scores, &targets)
    }

    fn keep(&self, output: &Tensor, batch: &Batch) -> Result<Tensor> {
        tokens::keep(output, batch)
    }

    fn decoder(&self) -> Result<Box<dyn Decoder + '_>> {
        Ok(self.lstm.decoder())
    }
}
