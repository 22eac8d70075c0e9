//! A saved model in use: how unlikely recordings are, and new sound.

use std::f64::consts::LN_2;

use azura_core::Rng;
use azura_learner::data::Table;
use azura_learner::data::audio::MuLaw;
use azura_learner::generate::{GenerateOptions, Generated, OnPiece, Piece, draw};
use azura_learner::{Error, Model, Result};

use super::config::VoiceConfig;
use super::data;
use crate::files;
use crate::tokens::last_row;

/// Samples that a decoder reads at a time: it bounds the memory for their scores.
const PIECE: usize = 1024;
/// Parts of a second in which new sound is handed out.
const PIECES_A_SECOND: usize = 20;

/// How long each recording is, and how unlikely.
pub(super) fn predict(config: &VoiceConfig, model: &dyn Model, input: &Table) -> Result<Table> {
    let codes = MuLaw::new(config.data.bits)?.codes();
    let (mut seconds, mut nats) = (Vec::new(), Vec::new());
    for sound in files::sounds(input)? {
        let sound = sound?;
        let ids = data::codes_of(&sound, &config.data)?;
        let mut decoder = model.decoder()?;
        let mut sum = 0.0;
        for (piece, read) in ids.chunks(PIECE).enumerate() {
            let likely: Vec<f32> = decoder.feed(read)?.log_softmax(-1)?.to_vec()?;
            // The samples that these scores are about begin one later than those that were read.
            let targets = &ids[piece * PIECE + 1..];
            for (scores, &target) in likely.chunks_exact(codes).zip(targets) {
                sum -= f64::from(scores[target as usize]);
            }
        }
        seconds.push(sound.seconds());
        nats.push(match ids.len() {
            0 | 1 => f64::NAN,
            n => sum / (n - 1) as f64,
        });
    }
    let bits: Vec<f64> = nats.iter().map(|nats| nats / LN_2).collect();
    Ok(Table::new("predictions")
        .with(files::PATH, input.texts(files::PATH)?.to_vec())?
        .with("seconds", seconds)?
        .with("nats", nats)?
        .with("bits_per_sample", bits)?)
}

/// The sound that follows some codes, sample by sample. The state of the LSTM goes from each sample to the next, so that no window
/// is ever read again.
pub(super) fn generate(
    config: &VoiceConfig,
    model: &dyn Model,
    before: &[u32],
    options: &GenerateOptions,
    on_piece: &mut OnPiece<'_>,
) -> Result<Generated> {
    let law = MuLaw::new(config.data.bits)?;
    let rate = config.data.rate;
    let wanted = match options.seconds {
        Some(seconds) => ((seconds * f64::from(rate)).round() as usize).max(1),
        None => options.tokens,
    };
    let size = (rate as usize / PIECES_A_SECOND).max(1);
    let mut made = Generated::default();
    let mut decoder = model.decoder()?;
    let mut rng = Rng::new(options.seed).fork("generate");
    let mut scores = None;
    for piece in before.chunks(PIECE) {
        scores = Some(decoder.feed(piece)?);
    }
    let mut samples = Vec::with_capacity(size);
    while made.tokens < wanted {
        let Some(read) = &scores else { break };
        let Some(code) = draw(&last_row(read)?, options, &mut rng) else {
            break;
        };
        let code = u32::try_from(code).map_err(|e| Error::Usage(e.to_string()))?;
        samples.push(law.decode(code));
        made.tokens += 1;
        let last = made.tokens == wanted;
        if samples.len() == size || last {
            let piece = Piece::Sound {
                rate,
                samples: &samples,
            };
            if on_piece(piece).is_break() {
                break;
            }
            samples.clear();
        }
        if !last {
            scores = Some(decoder.feed(&[code])?);
        }
    }
    Ok(made)
}
