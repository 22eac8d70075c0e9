//! Text or sound that a model makes, one token after the other: the options, the draw of a token, and what a model must offer.

use std::ops::ControlFlow;

use azura_core::{Rng, Tensor};

use crate::error::{Error, Result};

/// How a text or a sound is made.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Tokens to make; what a token is, is the app's.
    pub tokens: usize,
    /// Seconds of sound to make, in place of so many tokens; an app that makes no sound refuses it.
    pub seconds: Option<f64>,
    /// Divides the scores: below 1 likely tokens become likelier, above 1 all become more alike; 0 always takes the
    /// likeliest.
    pub temperature: f64,
    /// Only the so many likeliest tokens are drawn from; 0 takes all.
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities together reach this are drawn from (nucleus sampling, Holtzman et al.
    /// 2020, arXiv:1904.09751); 1 takes all.
    pub top_p: f64,
    /// Seed of the draws: the same seed gives the same text or sound.
    pub seed: u64,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        GenerateOptions {
            tokens: 500,
            seconds: None,
            temperature: 0.8,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
        }
    }
}

impl GenerateOptions {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Error::Usage`] with the name of the first that is not.
    pub fn check(&self) -> Result<()> {
        let refuse = |rule: &str, value: f64| Err(Error::Usage(format!("{rule}, but is {value}")));
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse(
                "the temperature must be a finite number of at least 0",
                self.temperature,
            );
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p must be above 0 and at most 1", self.top_p);
        }
        if let Some(seconds) = self.seconds.filter(|s| !(*s > 0.0 && s.is_finite())) {
            return refuse("the seconds must be a finite number above 0", seconds);
        }
        Ok(())
    }
}

/// A text or a sound that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// The new text, without the prompt; empty for a sound, whose pieces were handed out.
    pub text: String,
    /// How many tokens it has.
    pub tokens: usize,
    /// What a person should know, one sentence each, such as characters of the prompt that the model never saw.
    pub notes: Vec<String>,
}

/// A piece of what is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// Text.
    Text(&'a str),
    /// Sound of one channel.
    Sound {
        /// Samples a second, the same in every piece.
        rate: u32,
        /// The samples, in `[−1, 1]`.
        samples: &'a [f32],
    },
}

/// Gets each new piece as soon as it is made, and says whether to go on.
pub type OnPiece<'a> = dyn FnMut(Piece<'_>) -> ControlFlow<()> + 'a;

/// A model reading a text or a sound from its beginning on, a few tokens at a time. It keeps what it needs of those it has read (a
/// key and value cache, a recurrent state).
pub trait Decoder {
    /// Reads the next tokens; the scores `[T, V]` of what follows each of them, given all that was read so far.
    ///
    /// # Errors
    /// If there is no token, or one is outside of the vocabulary.
    fn feed(&mut self, tokens: &[u32]) -> Result<Tensor>;
}

/// Draws a token by its scores (logarithms of probabilities, up to a constant): softmax of `scores / temperature` over the
/// `top_k` likeliest, of those the fewest whose probabilities reach `top_p`, and one of these by its probability.
///
/// All in `f64`. Of equal scores the smaller number comes first. `None` if there are no scores.
///
/// ```
/// use azura_core::Rng;
/// use azura_learner::generate::{GenerateOptions, draw};
/// let greedy = GenerateOptions { temperature: 0.0, ..GenerateOptions::default() };
/// assert_eq!(draw(&[0.1, 2.0, 2.0], &greedy, &mut Rng::new(0)), Some(1));
/// ```
pub fn draw(scores: &[f32], options: &GenerateOptions, rng: &mut Rng) -> Option<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let likelier = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
    if options.temperature == 0.0 {
        return order.into_iter().min_by(likelier);
    }
    order.sort_unstable_by(likelier);
    if options.top_k > 0 {
        order.truncate(options.top_k);
    }
    let largest = f64::from(scores[*order.first()?]);
    let weight =
        |&token: &usize| ((f64::from(scores[token]) - largest) / options.temperature).exp();
    let mut weights: Vec<f64> = order.iter().map(weight).collect();
    if options.top_p < 1.0 {
        let enough = options.top_p * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = weights.iter().position(|weight| {
            sum += weight;
            sum >= enough
        });
        weights.truncate(reached.map_or(weights.len(), |last| last + 1));
    }
    let mut left = rng.uniform() * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // Rounding may leave a trace of the sum behind the last weight.
    Some(order[drawn.unwrap_or(weights.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each token is drawn in 20,000.
    fn shares(scores: &[f32], options: &GenerateOptions) -> Vec<f64> {
        let mut rng = Rng::new(3);
        let mut counts = vec![0.0; scores.len()];
        for _ in 0..20_000 {
            counts[draw(scores, options, &mut rng).unwrap()] += 1.0 / 20_000.0;
        }
        counts
    }

    fn options(temperature: f64, top_k: usize, top_p: f64) -> GenerateOptions {
        GenerateOptions {
            temperature,
            top_k,
            top_p,
            ..GenerateOptions::default()
        }
    }

    /// A share of 20,000 draws is off by 0.0035 (one standard deviation) at most.
    #[track_caller]
    fn close(shares: &[f64], wanted: &[f64]) {
        for (share, wanted) in shares.iter().zip(wanted) {
            assert!((share - wanted).abs() < 0.0175, "{shares:?}");
            assert!(*wanted > 0.0 || *share == 0.0, "{shares:?}");
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        // Probabilities 0.1, 0.4, 0.2, 0.3.
        let scores = [0.1f32, 0.4, 0.2, 0.3].map(f32::ln);
        close(
            &shares(&scores, &options(1.0, 0, 1.0)),
            &[0.1, 0.4, 0.2, 0.3],
        );
        // At half the temperature probabilities are squared: 1, 16, 4 and 9 of 30.
        let squared = [1.0, 16.0, 4.0, 9.0].map(|x| x / 30.0);
        close(&shares(&scores, &options(0.5, 0, 1.0)), &squared);
        let two = [0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0];
        close(&shares(&scores, &options(1.0, 2, 1.0)), &two);
        // 0.4 + 0.3 do not reach 0.75, the next does.
        let three = [0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0];
        close(&shares(&scores, &options(1.0, 0, 0.75)), &three);
        // Of the two likeliest 4/7 reaches a half.
        close(
            &shares(&scores, &options(1.0, 2, 0.5)),
            &[0.0, 1.0, 0.0, 0.0],
        );
    }

    #[test]
    fn greedy_is_the_likeliest_and_the_first_of_equals() {
        let scores = [-1.0, 3.0, 3.0, 2.0];
        let mut rng = Rng::new(0);
        for options in [
            options(0.0, 0, 1.0),
            options(5.0, 1, 1.0),
            options(1.0, 0, 1e-9),
        ] {
            assert_eq!(draw(&scores, &options, &mut rng), Some(1));
        }
        // Next to no temperature: no division by it becomes a NaN.
        let cold = draw(&[0.0, 1.0], &options(1e-300, 0, 1.0), &mut rng);
        assert_eq!(cold, Some(1));
        assert_eq!(draw(&[], &options(1.0, 0, 1.0), &mut rng), None);
    }

    #[test]
    fn options_out_of_range_are_named() {
        for (wrong, name) in [
            (options(-1.0, 0, 1.0), "temperature"),
            (options(f64::NAN, 0, 1.0), "temperature"),
            (options(1.0, 0, 0.0), "top_p"),
            (options(1.0, 0, 1.5), "top_p"),
            (
                GenerateOptions {
                    seconds: Some(0.0),
                    ..options(1.0, 0, 1.0)
                },
                "seconds",
            ),
        ] {
            let message = wrong.check().unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        assert!(GenerateOptions::default().check().is_ok());
    }
}
