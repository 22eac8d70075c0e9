//! The text app: the next character of a text, and so new text.
//!
//! Characters are the tokens. The model is a small Transformer, by default of the sizes that nanoGPT trains on a CPU, or an
//! LSTM. Beside its scores stand those of counting: how often each character occurs (unigram), and how often each follows
//! each (bigram), with one added to every count. A character that the training part lacks counts as unknown: it can be
//! read, and is never made.

mod config;
mod data;
mod model;
mod sample;
mod score;

pub use config::{TextConfig, TextModel, TextModelKind, TextParts};
pub use data::{Bundled, SHAKESPEARE, TextData, TextFitted};
pub use model::CharModel;

use std::sync::Arc;

use azura_core::Scope;
use azura_learner::app::{DataSummary, Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{DataError, DataErrorKind, Kind, Table};
use azura_learner::generate::{GenerateOptions, Generated, OnPiece};
use azura_learner::{App, Dataset, Model, Result, Source};

/// The next character of a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

/// The column of the input table.
const TEXT: &str = "text";

/// `1 character`, `2 characters`.
fn characters(count: usize) -> String {
    match count {
        1 => "1 character".to_string(),
        n => format!("{n} characters"),
    }
}

impl App for Text {
    type Config = TextConfig;
    type Fitted = TextFitted;
    type Data = TextData;

    fn name(&self) -> &'static str {
        "text"
    }

    fn about(&self) -> &'static str {
        "The next character of a text from those before it, and so new text in its manner"
    }

    fn version(&self) -> u32 {
        1
    }

    fn search_space(&self, config: &TextConfig) -> Vec<(&'static str, &'static str)> {
        let mut space = vec![
            ("train.lr", "log:3e-4..1e-2"),
            ("train.weight_decay", "log:1e-3..3e-1"),
            ("model.layers", "int:1..6"),
            ("model.width", "64|128|256"),
            ("model.dropout", "0..0.4"),
        ];
        if config.model.kind == TextModelKind::Gpt {
            space.push(("model.heads", "2|4|8"));
        }
        space
    }

    fn refit(&self, config: &TextConfig, epochs: u64) -> Option<TextConfig> {
        let mut refit = config.clone();
        refit.data.val = 0.0;
        refit.train = refit.train.for_epochs(epochs);
        Some(refit)
    }

    fn prepare(
        &self,
        config: &TextConfig,
        source: &Source,
    ) -> Result<Prepared<TextFitted, TextData>> {
        let read = data::read(source)?;
        let context = config.model.context;
        let count = read.text.chars().count();
        let cut = data::cut(count, config.data.val, config.data.test, context);
        let [train, val, test] = cut.map_err(|error| error.in_file(&read.source))?;
        let end = read.text.char_indices().nth(train);
        let fitted = TextFitted::of(&read.text[..end.map_or(read.text.len(), |(at, _)| at)]);
        let vocabulary = fitted.vocabulary();
        let ids = vocabulary.encode(&read.text);
        let part = |from: usize, size: usize, stride: usize| {
            Arc::new(TextData::new(
                &ids[from..from + size],
                from,
                context,
                stride,
            ))
        };
        let stride = config.stride();
        let mut notes = vec![format!(
            "rows are characters, {} different ones in the training part; samples are windows of {context}, one every \
             {stride} for training",
            vocabulary.known()
        )];
        notes.extend(read.notes);
        let unknown = ids.iter().filter(|&&id| id == vocabulary.unknown()).count();
        if unknown > 0 {
            notes.push(format!(
                "{} of the validation and test parts are not in the training part, and count as unknown",
                characters(unknown)
            ));
        }
        let (train, val, test) = (
            part(0, train, stride),
            part(train, val, context),
            part(train + val, test, context),
        );
        let summary = DataSummary {
            source: read.source,
            rows: count,
            columns: vec![TEXT.to_string()],
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

    fn open(&self, config: &TextConfig, fitted: &TextFitted, source: &Source) -> Result<TextData> {
        let read = data::read(source)?;
        let context = config.model.context;
        let ids = fitted.vocabulary().encode(&read.text);
        if ids.len() <= context {
            let what = format!(
                "the text has {}, but a sample takes {context} and the one after them",
                characters(ids.len())
            );
            let error = DataError::new(DataErrorKind::Size, what).in_file(read.source);
            return Err(error.remedy("give more text").into());
        }
        Ok(TextData::new(&ids, 0, context, context))
    }

    fn build(&self, config: &TextConfig, fitted: &TextFitted, p: &Scope) -> Result<Box<dyn Model>> {
        let vocabulary = fitted.vocabulary().len();
        Ok(Box::new(CharModel::new(vocabulary, &config.model, p)?))
    }

    fn score(
        &self,
        _: &TextConfig,
        fitted: &TextFitted,
        split: &ScoredSplit<'_, TextData>,
    ) -> Result<Scores> {
        score::score(fitted, split)
    }

    fn signature(&self, _: &TextConfig, _: &TextFitted) -> Signature {
        let number = |name: &str, about: &str| Field::new(name, Kind::Number, about);
        Signature {
            inputs: vec![Field::new(TEXT, Kind::Text, "the beginning of a text")],
            rows: 1,
            outputs: vec![
                Field::new("next", Kind::Text, "the likeliest next character"),
                number("probability", "how likely it is"),
                number(
                    "nats",
                    "how unlikely the text itself is: minus the mean logarithm of the probabilities of its characters after the \
                     first",
                )
                .unit("nats per character")
                .missing(),
            ],
            forecast: false,
            generate: true,
        }
    }

    /// The lines of the text that are not empty.
    fn table(&self, _: &TextConfig, source: &Source) -> Result<Table> {
        let read = data::read(source)?;
        let lines = read.text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines.map(str::to_string).collect();
        Ok(Table::new(read.source).with(TEXT, lines)?)
    }

    fn predict(
        &self,
        _: &TextConfig,
        fitted: &TextFitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        sample::predict(&fitted.vocabulary(), model, input)
    }

    /// A prompt without a character stands for the beginning of a line.
    fn generate(
        &self,
        _: &TextConfig,
        fitted: &TextFitted,
        model: &dyn Model,
        prompt: &str,
        options: &GenerateOptions,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Generated> {
        sample::generate(fitted, model, prompt, options, on_piece)
    }
}
