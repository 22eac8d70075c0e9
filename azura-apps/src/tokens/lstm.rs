//! An LSTM over tokens.

use azura_core::{Scope, Tensor};
use azura_learner::Result;
use azura_learner::generate::Decoder;
use azura_learner::layers::{Ctx, Dropout, Embedding, Linear, Lstm, LstmState, Module};

use super::{nothing_to_read, one};

/// A table of tokens, an LSTM, and a linear layer on each of its outputs.
pub(crate) struct TokenLstm {
    tokens: Embedding,
    lstm: Lstm,
    dropout: Dropout,
    head: Linear,
}

impl TokenLstm {
    /// Registers `tokens.*`, `lstm.*` and `head.*`.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub fn new(
        vocabulary: usize,
        [embedding, hidden, layers]: [usize; 3],
        dropout: f64,
        p: &Scope,
    ) -> Result<Self> {
        let lstm = Lstm::new(embedding, hidden, &p.at("lstm"))
            .layers(layers)
            .dropout(dropout)
            .build()?;
        Ok(TokenLstm {
            tokens: Embedding::new(vocabulary, embedding, &p.at("tokens"))?,
            head: Linear::new(lstm.output_size(), vocabulary, &p.at("head"))?,
            lstm,
            dropout: Dropout::new(dropout)?,
        })
    }

    /// Scores `[B, T, V]` of tokens `[B, T]`, and the state after the last.
    pub fn scores(
        &self,
        ids: &Tensor,
        state: Option<&LstmState>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, LstmState)> {
        let x = self.tokens.forward(ids, ctx)?;
        let (y, state) = self.lstm.forward(&x, state, ctx)?;
        let y = self.dropout.forward(&y, ctx)?;
        Ok((self.head.forward(&y, ctx)?, state))
    }

    /// Reads from the beginning on, and keeps its state from token to token: nothing is computed twice.
    pub fn decoder(&self) -> Box<dyn Decoder + '_> {
        Box::new(LstmDecoder {
            lstm: self,
            state: None,
        })
    }
}

/// Reads with the state of the LSTM, which forgets nothing at once.
struct LstmDecoder<'a> {
    lstm: &'a TokenLstm,
    state: Option<LstmState>,
}

impl Decoder for LstmDecoder<'_> {
    fn feed(&mut self, tokens: &[u32]) -> Result<Tensor> {
        if tokens.is_empty() {
            return Err(nothing_to_read());
        }
        let (scores, state) =
            self.lstm
                .scores(&one(tokens)?, self.state.as_ref(), &mut Ctx::eval())?;
        self.state = Some(state);
        Ok(scores.select(0, 0)?)
    }
}
