//! Losses.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    let labels = ints(&[0, 1]);
    vec![
        (text(a.mse_loss(&b, Reduction::Mean)), "[mse_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.l1_loss(&double, Reduction::Mean)), "[l1_loss] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.huber_loss(&a, 0.0, Reduction::Mean)), "[huber_loss] delta must be positive, but got 0"),
        (text(a.cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] needs scores [N, C] and labels [N], but got [2, 3] and [1]"),
        (text(a.cross_entropy(&ints(&[0, 3]), Reduction::Mean)), "[cross_entropy] every index must lie in 0..3, but got 3 at position 1"),
        (text(ints(&[1]).reshape([1, 1]).unwrap().cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] takes f32 or f64, but got i64; cast it first with `cast`"),
        (text(labels.cross_entropy(&labels, Reduction::Mean)), "[cross_entropy] needs scores [N, C] and labels [N], but got [2] and [2]"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, number, labels, .. } = x;
    let number = *number;
    vec![
        ("mse_loss", Box::new(move || a.mse_loss(b, Reduction::Mean))),
        ("l1_loss", Box::new(move || a.l1_loss(b, Reduction::None))),
        ("huber_loss", Box::new(move || a.huber_loss(b, number, Reduction::Sum))),
        ("cross_entropy", Box::new(move || a.cross_entropy(labels, Reduction::Mean))),
        ("cross_entropy b", Box::new(move || a.cross_entropy(b, Reduction::Sum))),
    ]
}
