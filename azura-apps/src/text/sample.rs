//! A saved model in use: what comes next, how likely a text is, and new text.

use azura_core::Rng;
use azura_learner::data::Table;
use azura_learner::generate::{GenerateOptions, Generated, OnPiece, Piece, draw};
use azura_learner::{Error, Model, Result};

use super::data::{TextFitted, Vocabulary};
use super::{TEXT, characters};
use crate::tokens::last_row;

/// Characters that a decoder reads at a time: it bounds the memory for their scores.
const PIECE: usize = 1024;

/// The next character after each text, how likely it is, and how unlikely the text itself is.
pub(super) fn predict(vocabulary: &Vocabulary, model: &dyn Model, input: &Table) -> Result<Table> {
    let texts = input.texts(TEXT)?;
    let (mut next, mut probability, mut nats) = (Vec::new(), Vec::new(), Vec::new());
    for (row, text) in texts.iter().enumerate() {
        let ids = vocabulary.encode(text);
        if ids.is_empty() {
            let remedy = "give at least one character";
            return Err(input
                .error_at(row, TEXT, "the text is empty", remedy)
                .into());
        }
        let mut decoder = model.decoder()?;
        let (mut sum, mut last) = (0.0, Vec::new());
        for (piece, read) in ids.chunks(PIECE).enumerate() {
            let likely = decoder.feed(read)?.log_softmax(-1)?;
            let likely: Vec<f32> = likely.to_vec()?;
            let of_each = likely.chunks_exact(vocabulary.len());
            // The characters that these scores are about begin one later than those that were read.
            let targets = &ids[piece * PIECE + 1..];
            for (scores, &target) in of_each.clone().zip(targets) {
                sum -= f64::from(scores[target as usize]);
            }
            last = of_each.last().unwrap_or_default().to_vec();
        }
        let best = first_largest(&last[..vocabulary.known()]);
        next.push(vocabulary.character(best).to_string());
        probability.push(f64::from(last[best]).exp());
        nats.push(match ids.len() {
            1 => f64::NAN,
            n => sum / (n - 1) as f64,
        });
    }
    Ok(Table::new("predictions")
        .with("next", next)?
        .with("probability", probability)?
        .with("nats", nats)?)
}

fn first_largest(scores: &[f32]) -> usize {
    let larger = |best: usize, next: usize| match scores[next] > scores[best] {
        true => next,
        false => best,
    };
    (0..scores.len()).reduce(larger).unwrap_or(0)
}

/// The text that follows a prompt, character by character.
pub(super) fn generate(
    fitted: &TextFitted,
    model: &dyn Model,
    prompt: &str,
    options: &GenerateOptions,
    on_piece: &mut OnPiece<'_>,
) -> Result<Generated> {
    if options.seconds.is_some() {
        let what = "a text has no seconds; say how many tokens";
        return Err(Error::Usage(what.to_string()));
    }
    let vocabulary = fitted.vocabulary();
    let mut made = Generated::default();
    let mut ids = vocabulary.encode(prompt);
    let unknown = ids.iter().filter(|&&id| id == vocabulary.unknown()).count();
    if unknown > 0 {
        let how = match unknown {
            1 => "is not in the training text: it is read as unknown",
            _ => "are not in the training text: they are read as unknown",
        };
        made.notes
            .push(format!("{} of the prompt {how}", characters(unknown)));
    }
    if ids.is_empty() {
        ids.push(beginning(fitted, &vocabulary));
    }
    let mut decoder = model.decoder()?;
    let mut rng = Rng::new(options.seed).fork("generate");
    let mut scores = None;
    for piece in ids.chunks(PIECE) {
        scores = Some(decoder.feed(piece)?);
    }
    while made.tokens < options.tokens {
        let Some(read) = &scores else { break };
        let of_last = last_row(read)?;
        // The unknown character is the last one, and nobody could read it.
        let Some(id) = draw(&of_last[..vocabulary.known()], options, &mut rng) else {
            break;
        };
        let character = vocabulary.character(id);
        made.text.push(character);
        made.tokens += 1;
        if on_piece(Piece::Text(character.encode_utf8(&mut [0; 4]))).is_break() {
            break;
        }
        if made.tokens < options.tokens {
            scores = Some(decoder.feed(&[id as u32])?);
        }
    }
    Ok(made)
}

/// What stands before a text without a prompt: a line end, or else the most frequent character.
fn beginning(fitted: &TextFitted, vocabulary: &Vocabulary) -> u32 {
    let line_end = vocabulary.id('\n');
    if line_end != vocabulary.unknown() {
        return line_end;
    }
    let counts: Vec<f32> = fitted.counts.iter().map(|&n| n as f32).collect();
    first_largest(&counts) as u32
}
