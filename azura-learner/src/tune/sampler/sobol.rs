//! Quasi-random search: a scrambled Sobol sequence.

use serde::{Deserialize, Serialize};

use super::{Sampler, rng};
use crate::error::Result;
use crate::tune::History;

/// Points that fill the cube more evenly than random ones.
///
/// The sequence is that of Sobol 1967 with the direction numbers of Joe & Kuo 2008 ("Constructing Sobol sequences with better
/// two-dimensional projections", SIAM J. Sci. Comput. 30), scrambled as a nested uniform scramble by hashes (Owen 1995;
/// Burley 2020, "Practical hash-based Owen scrambling", JCGT 9(4)): each of the first `2^k` points lies in a cell of its own,
/// for every seed. Coordinates beyond the 64th are random.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sobol {
    seed: u64,
}

impl Sobol {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Sobol { seed }
    }

    /// Point number `index` of the sequence in `dims` dimensions.
    pub fn point(&self, index: usize, dims: usize) -> Vec<f64> {
        // Gray code order is not used: a point must be a function of its number alone.
        let index = index as u32;
        let mut scramble = rng(self.seed, "sobol", 0);
        let mut beyond = rng(self.seed, "sobol-beyond", index as usize);
        (0..dims)
            .map(|dim| {
                let seed = scramble.next_u64() as u32;
                if dim > DIRECTIONS.len() {
                    return beyond.uniform();
                }
                let digits = owen(digits(index, dim), seed);
                (f64::from(digits) + 0.5) / 2f64.powi(32)
            })
            .collect()
    }
}

impl Sampler for Sobol {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        Ok(Some(self.point(history.trials.len(), history.space.len())))
    }
}

/// The 32 binary digits of coordinate `dim` of point `index`, not scrambled.
fn digits(index: u32, dim: usize) -> u32 {
    if dim == 0 {
        return index.reverse_bits();
    }
    let (a, start) = DIRECTIONS[dim - 1];
    let degree = start.len();
    let mut v = [0u32; 32];
    for i in 0..32 {
        v[i] = if i < degree {
            start[i] << (31 - i)
        } else {
            let mut next = v[i - degree] ^ (v[i - degree] >> degree);
            for k in 1..degree {
                if (a >> (degree - 1 - k)) & 1 == 1 {
                    next ^= v[i - k];
                }
            }
            next
        };
    }
    (0..32)
        .filter(|i| (index >> i) & 1 == 1)
        .fold(0, |x, i| x ^ v[i])
}

/// A nested uniform scramble: each digit is flipped or not, as a hash of the higher digits says.
fn owen(x: u32, seed: u32) -> u32 {
    let mut x = x.reverse_bits().wrapping_add(seed);
    for factor in [0x6c50_b47c, 0xb82f_1e52, 0xc7af_e638, 0x8d22_f6e6u32] {
        x ^= x.wrapping_mul(factor);
    }
    x.reverse_bits()
}

/// Joe & Kuo's file new-joe-kuo-6, dimensions 2 to 64: the inner coefficients of the primitive polynomial, and the first
/// direction numbers, as many as its degree.
#[rustfmt::skip]
const DIRECTIONS: [(u32, &[u32]); 63] = [
    (0, &[1]),
    (1, &[1, 3]),
    (1, &[1, 3, 1]),
    (2, &[1, 1, 1]),
    (1, &[1, 1, 3, 3]),
    (4, &[1, 3, 5, 13]),
    (2, &[1, 1, 5, 5, 17]),
    (4, &[1, 1, 5, 5, 5]),
    (7, &[1, 1, 7, 11, 19]),
    (11, &[1, 1, 5, 1, 1]),
    (13, &[1, 1, 1, 3, 11]),
    (14, &[1, 3, 5, 5, 31]),
    (1, &[1, 3, 3, 9, 7, 49]),
    (13, &[1, 1, 1, 15, 21, 21]),
    (16, &[1, 3, 1, 13, 27, 49]),
    (19, &[1, 1, 1, 15, 7, 5]),
    (22, &[1, 3, 1, 15, 13, 25]),
    (25, &[1, 1, 5, 5, 19, 61]),
    (1, &[1, 3, 7, 11, 23, 15, 103]),
    (4, &[1, 3, 7, 13, 13, 15, 69]),
    (7, &[1, 1, 3, 13, 7, 35, 63]),
    (8, &[1, 3, 5, 9, 1, 25, 53]),
    (14, &[1, 3, 1, 13, 9, 35, 107]),
    (19, &[1, 3, 1, 5, 27, 61, 31]),
    (21, &[1, 1, 5, 11, 19, 41, 61]),
    (28, &[1, 3, 5, 3, 3, 13, 69]),
    (31, &[1, 1, 7, 13, 1, 19, 1]),
    (32, &[1, 3, 7, 5, 13, 19, 59]),
    (37, &[1, 1, 3, 9, 25, 29, 41]),
    (41, &[1, 3, 5, 13, 23, 1, 55]),
    (42, &[1, 3, 7, 3, 13, 59, 17]),
    (50, &[1, 3, 1, 3, 5, 53, 69]),
    (55, &[1, 1, 5, 5, 23, 33, 13]),
    (56, &[1, 1, 7, 7, 1, 61, 123]),
    (59, &[1, 1, 7, 9, 13, 61, 49]),
    (62, &[1, 3, 3, 5, 3, 55, 33]),
    (14, &[1, 3, 1, 15, 31, 13, 49, 245]),
    (21, &[1, 3, 5, 15, 31, 59, 63, 97]),
    (22, &[1, 3, 1, 11, 11, 11, 77, 249]),
    (38, &[1, 3, 1, 11, 27, 43, 71, 9]),
    (47, &[1, 1, 7, 15, 21, 11, 81, 45]),
    (49, &[1, 3, 7, 3, 25, 31, 65, 79]),
    (50, &[1, 3, 1, 1, 19, 11, 3, 205]),
    (52, &[1, 1, 5, 9, 19, 21, 29, 157]),
    (56, &[1, 3, 7, 11, 1, 33, 89, 185]),
    (67, &[1, 3, 3, 3, 15, 9, 79, 71]),
    (70, &[1, 3, 7, 11, 15, 39, 119, 27]),
    (84, &[1, 1, 3, 1, 11, 31, 97, 225]),
    (97, &[1, 1, 1, 3, 23, 43, 57, 177]),
    (103, &[1, 3, 7, 7, 17, 17, 37, 71]),
    (115, &[1, 3, 1, 5, 27, 63, 123, 213]),
    (122, &[1, 1, 3, 5, 11, 43, 53, 133]),
    (8, &[1, 3, 5, 5, 29, 17, 47, 173, 479]),
    (13, &[1, 3, 3, 11, 3, 1, 109, 9, 69]),
    (16, &[1, 1, 1, 5, 17, 39, 23, 5, 343]),
    (22, &[1, 3, 1, 5, 25, 15, 31, 103, 499]),
    (25, &[1, 1, 1, 11, 11, 17, 63, 105, 183]),
    (44, &[1, 1, 5, 11, 9, 29, 97, 231, 363]),
    (47, &[1, 1, 5, 15, 19, 45, 41, 7, 383]),
    (52, &[1, 3, 7, 7, 31, 19, 83, 137, 221]),
    (55, &[1, 1, 1, 3, 23, 15, 111, 223, 83]),
    (59, &[1, 1, 5, 13, 31, 15, 55, 25, 161]),
    (62, &[1, 1, 3, 13, 25, 47, 39, 87, 257]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The first points as scipy.stats.qmc.Sobol(5, scramble=False) has them, in the order of the numbers (scipy's is the
    /// Gray code of it).
    #[test]
    fn digits_are_those_of_joe_and_kuo() {
        let point = |i: u32| -> Vec<f64> {
            let gray = i ^ (i >> 1);
            (0..5)
                .map(|d| f64::from(digits(gray, d)) / 2f64.powi(32))
                .collect()
        };
        assert_eq!(point(1), [0.5, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!(point(2), [0.75, 0.25, 0.25, 0.25, 0.75]);
        assert_eq!(point(3), [0.25, 0.75, 0.75, 0.75, 0.25]);
        assert_eq!(point(4), [0.375, 0.375, 0.625, 0.875, 0.375]);
        assert_eq!(point(5), [0.875, 0.875, 0.125, 0.375, 0.875]);
    }

    #[test]
    fn every_cell_of_a_line_has_one_point() {
        let sobol = Sobol::new(3);
        let points: Vec<Vec<f64>> = (0..64).map(|i| sobol.point(i, 70)).collect();
        for dim in 0..64 {
            let mut cells: Vec<usize> = points.iter().map(|p| (p[dim] * 64.0) as usize).collect();
            cells.sort_unstable();
            assert_eq!(cells, (0..64).collect::<Vec<_>>(), "coordinate {dim}");
        }
        assert!(points.iter().flatten().all(|u| (0.0..1.0).contains(u)));
    }
}
