//! Mu-law companding: few codes, finer where sound is soft.

use super::super::error::{DataError, DataErrorKind, DataResult};

/// Mu-law companding (ITU-T G.711, the continuous formula) to `2^bits` codes.
///
/// With `μ = 2^bits − 1`: a sample `x` in `[−1, 1]` is compressed to `y = sign(x)·ln(1 + μ|x|)/ln(1 + μ)` and rounded to the
/// code `⌊(y + 1)/2·μ + 1/2⌋`. A code `c` stands for `y = 2c/μ − 1`, `x = sign(y)·((1 + μ)^|y| − 1)/μ`. These are the codes of
/// torchaudio's `mu_law_encoding`; G.711 itself approximates the curve by straight pieces.
///
/// ```
/// use azura_learner::data::audio::MuLaw;
/// let law = MuLaw::new(8)?;
/// assert_eq!([-1.0, 0.0, 1.0].map(|x| law.encode(x)), [0, 128, 255]);
/// assert!((law.decode(law.encode(0.01)) - 0.01).abs() < 0.001);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuLaw {
    mu: f64,
}

impl MuLaw {
    /// Companding to `2^bits` codes.
    ///
    /// # Errors
    /// [`DataErrorKind::OutOfRange`] unless `bits` is 1 to 16.
    pub fn new(bits: u32) -> DataResult<Self> {
        if !(1..=16).contains(&bits) {
            let what = format!("the bits of a code must be 1 to 16, but are {bits}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
        Ok(MuLaw {
            mu: f64::from((1u32 << bits) - 1),
        })
    }

    /// How many codes there are.
    pub fn codes(&self) -> usize {
        self.mu as usize + 1
    }

    /// The code of a sample; beyond ±1 it is that of ±1, and NaN is taken as silence.
    pub fn encode(&self, x: f32) -> u32 {
        let x = match x.is_nan() {
            true => 0.0,
            false => f64::from(x).clamp(-1.0, 1.0),
        };
        let y = (self.mu * x.abs()).ln_1p() / self.mu.ln_1p();
        ((y.copysign(x) + 1.0) / 2.0 * self.mu + 0.5) as u32
    }

    /// The sample that a code stands for; a number that is no code is taken as the largest.
    pub fn decode(&self, code: u32) -> f32 {
        let y = 2.0 * f64::from(code).min(self.mu) / self.mu - 1.0;
        let x = (y.abs() * self.mu.ln_1p()).exp_m1() / self.mu;
        x.copysign(y) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_torchaudio() {
        // numpy: x = [-1, -.5, -.1, -.01, -.001, 0, .001, .01, .1, .5, 1];
        // floor((sign(x) log1p(255|x|)/log(256) + 1)/2·255 + .5)
        let law = MuLaw::new(8).unwrap();
        let x = [
            -1.0, -0.5, -0.1, -0.01, -0.001, 0.0, 0.001, 0.01, 0.1, 0.5, 1.0,
        ];
        let codes = [0, 16, 52, 98, 122, 128, 133, 157, 203, 239, 255];
        assert_eq!(x.map(|x| law.encode(x)), codes);
        assert_eq!([-3.0, 3.0, f32::NAN].map(|x| law.encode(x)), [0, 255, 128]);
        assert!((law.decode(203) - 0.100_674_57).abs() < 1e-7);
    }

    #[test]
    fn every_code_comes_back() {
        for bits in [1, 2, 8, 12, 16] {
            let law = MuLaw::new(bits).unwrap();
            assert_eq!(law.codes(), 1 << bits);
            let mut before = f32::NEG_INFINITY;
            for code in 0..law.codes() as u32 {
                let x = law.decode(code);
                assert!(x > before && x.abs() <= 1.0, "{bits} bits, {code}: {x}");
                assert_eq!(law.encode(x), code, "{bits} bits: {x}");
                before = x;
            }
        }
        assert!(MuLaw::new(0).is_err() && MuLaw::new(17).is_err());
    }
}
