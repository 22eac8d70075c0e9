//! The nearest matrix with orthogonal rows or columns, roughly: Newton–Schulz on bf16.

use crate::cpu::gemm::{Epilogue, Mat, gemm};

/// Coefficients of the quintic, number of iterations, and the least norm.
#[derive(Clone, Copy)]
pub(crate) struct Iteration {
    pub coefficients: [f64; 3],
    pub steps: usize,
    pub eps: f64,
}

/// Replaces the `rows` × `cols` matrix `x` by `a X + (b A + c A²) X` with `A = X Xᵀ`, again and again, beginning with
/// `X` over its norm; a tall matrix is transposed. `work` holds [`work_len`] elements.
///
/// Products add in f32 and every result is rounded to bf16: as PyTorch does, whose steps these are.
pub(crate) fn orthogonalise(
    of: Iteration,
    x: &mut [f32],
    rows: usize,
    cols: usize,
    work: &mut [f32],
) {
    let (n, k) = (rows.min(cols), rows.max(cols));
    let (wide, rest) = work.split_at_mut(n * k);
    let (gram, rest) = rest.split_at_mut(n * n);
    let (mixed, product) = rest.split_at_mut(n * n);
    // Wide: n rows of k.
    let turned = rows > cols;
    for i in 0..rows {
        for j in 0..cols {
            let at = if turned { j * k + i } else { i * k + j };
            wide[at] = bf16(x[i * cols + j]);
        }
    }
    let square: f32 = wide.iter().map(|x| x * x).sum();
    let norm = bf16(square.sqrt()).max(bf16(of.eps as f32));
    wide.iter_mut().for_each(|x| *x = bf16(*x / norm));
    let [a, b, c] = of.coefficients.map(|x| x as f32);
    for _ in 0..of.steps {
        let now = Mat::new(&*wide, n, k);
        gemm(now, now.t(), gram, n, Epilogue::default());
        gram.iter_mut().for_each(|x| *x = bf16(*x));
        let square = Mat::new(&*gram, n, n);
        gemm(square, square, mixed, n, Epilogue::default());
        for (m, &g) in mixed.iter_mut().zip(&*gram) {
            *m = bf16(c * *m + b * g);
        }
        let product = &mut product[..n * k];
        gemm(
            Mat::new(&*mixed, n, n),
            now,
            product,
            k,
            Epilogue::default(),
        );
        for (x, &p) in wide.iter_mut().zip(&*product) {
            *x = bf16(p + a * *x);
        }
    }
    for i in 0..rows {
        for j in 0..cols {
            let at = if turned { j * k + i } else { i * k + j };
            x[i * cols + j] = wide[at];
        }
    }
}

/// Elements of workspace for a matrix of this size.
pub(crate) fn work_len(rows: usize, cols: usize) -> usize {
    let n = rows.min(cols);
    2 * (rows * cols + n * n)
}

/// The nearest bf16, ties to even; NaN stays NaN.
fn bf16(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    let bits = x.to_bits();
    let up = 0x7fff + ((bits >> 16) & 1);
    f32::from_bits(bits.wrapping_add(up) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_bf16() {
        assert_eq!(bf16(1.0), 1.0);
        assert_eq!(bf16(1.0 + 2f32.powi(-8)), 1.0);
        assert_eq!(bf16(1.0 + 3.0 * 2f32.powi(-8)), 1.0 + 2f32.powi(-6));
        assert_eq!(bf16(f32::MAX), f32::INFINITY);
        assert!(bf16(f32::NAN).is_nan());
    }

    #[test]
    fn singular_values_come_near_one() {
        for (rows, cols) in [(3, 5), (5, 3), (4, 4), (1, 1)] {
            let mut x: Vec<f32> = (0..rows * cols)
                .map(|i| ((i * 7 + 3) % 11) as f32 - 5.0)
                .collect();
            let of = Iteration {
                coefficients: [3.4445, -4.775, 2.0315],
                steps: 8,
                eps: 1e-7,
            };
            let mut work = vec![0.0; work_len(rows, cols)];
            orthogonalise(of, &mut x, rows, cols, &mut work);
            // The squares of the singular values add up to about their number.
            let squares: f32 = x.iter().map(|x| x * x).sum();
            let n = rows.min(cols) as f32;
            assert!(
                (0.4 * n..1.6 * n).contains(&squares),
                "{rows} x {cols}: {squares}"
            );
        }
    }
}
