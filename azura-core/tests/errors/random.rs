//! Operations that draw random numbers.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let mut rng = Rng::new(0);
    vec![
        (text(a.dropout(1.5, &mut rng)), "[dropout] p must lie in [0, 1], but got 1.5"),
        (text(a.dropout(f64::NAN, &mut rng)), "[dropout] p must lie in [0, 1], but got NaN"),
        (text(ints(&[1]).dropout(0.5, &mut rng)), "[dropout] takes floats, but got i64; cast it first with `cast`"),
        (text(a.alpha_dropout(-0.5, &mut rng)), "[alpha_dropout] p must lie in [0, 1], but got -0.5"),
        (text(ints(&[1]).alpha_dropout(0.5, &mut rng)), "[alpha_dropout] takes floats, but got i64; cast it first with `cast`"),
        (text(a.feature_dropout(2.0, &mut rng)), "[feature_dropout] p must lie in [0, 1], but got 2"),
        (text(zeros(&[2]).feature_dropout(0.5, &mut rng)), "[feature_dropout] x must have two axes, batch and channels, or more, but got shape [2]"),
        (text(zeros(&[2]).feature_alpha_dropout(0.5, &mut rng)), "[feature_alpha_dropout] x must have two axes, batch and channels, or more, but got shape [2]"),
        (text(zeros(&[2]).dropout1d(0.5, &mut rng)), "[dropout1d] x must have 3 axes: batch, channels and 1 more, but got shape [2]"),
        (text(zeros(&[2, 3, 4]).dropout2d(0.5, &mut rng)), "[dropout2d] x must have 4 axes: batch, channels and 2 more, but got shape [2, 3, 4]"),
        (text(a.dropout3d(0.5, &mut rng)), "[dropout3d] x must have 5 axes: batch, channels and 3 more, but got shape [2, 3]"),
        (text(Tensor::rand([2], DType::I64, &mut rng)), "[rand] takes floats, but got i64; cast it first with `cast`"),
        (text(Tensor::rand([usize::MAX], DType::F32, &mut rng)), "[rand] the number of elements must fit the address space, but got [18446744073709551615]"),
        (text(Tensor::uniform([2], 1.0, 0.0, DType::F32, &mut rng)), "[uniform] low must not exceed high, but got 1 and 0"),
        (text(Tensor::uniform([2], 0.0, f64::INFINITY, DType::F32, &mut rng)), "[uniform] low and high must be finite, but got inf"),
        (text(Tensor::normal([2], 0.0, -1.0, DType::F32, &mut rng)), "[normal] std must not be negative, but got -1"),
        (text(Tensor::randn([1; 9], DType::F32, &mut rng)), "[randn] a tensor has at most 8 axes, but got 9"),
        (text(Tensor::truncated_normal([2], 0.0, 1.0, f64::NAN, 1.0, DType::F32, &mut rng)), "[truncated_normal] low must not exceed high, but got NaN and 1"),
        (text(Tensor::randint(3, 3, [2], &mut rng)), "[randint] low must be below high, but got 3 and 3"),
        (text(Tensor::randperm(usize::MAX, &mut rng)), "[randperm] the number of elements must fit the address space, but got [18446744073709551615]"),
        (text(Tensor::full([2], 1.5, DType::F32).unwrap().bernoulli(&mut rng)), "[bernoulli] every probability must lie in [0, 1], but got 1.5"),
        (text(ints(&[1]).bernoulli(&mut rng)), "[bernoulli] takes floats, but got i64; cast it first with `cast`"),
        (text(zeros(&[]).multinomial(1, true, &mut rng)), "[multinomial] the weights must have one or two axes, but got shape []"),
        (text(a.multinomial(1, true, &mut rng)), "[multinomial] each row must have 1 positive weights or more, but got 0"),
        (text(Tensor::full([2], -1.0, DType::F32).unwrap().multinomial(1, true, &mut rng)), "[multinomial] every weight must be finite and not negative, but got -1"),
        (text(Tensor::ones([2], DType::F32).unwrap().multinomial(3, false, &mut rng)), "[multinomial] each row must have 3 positive weights or more, but got 2"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, number, shapes, dtypes, sizes, keep, .. } = x;
    let (number, dtype, sizes, keep) = (*number, dtypes[0], *sizes, *keep);
    let shape = &shapes[1];
    let rng = || Rng::new(1);
    vec![
        ("alpha_dropout", Box::new(move || a.alpha_dropout(number, &mut rng()))),
        ("feature_dropout", Box::new(move || a.feature_dropout(number, &mut rng()))),
        ("feature_alpha_dropout", Box::new(move || a.feature_alpha_dropout(number, &mut rng()))),
        ("dropout1d", Box::new(move || a.dropout1d(number, &mut rng()))),
        ("dropout2d", Box::new(move || a.dropout2d(number, &mut rng()))),
        ("dropout3d", Box::new(move || a.dropout3d(number, &mut rng()))),
        ("rand", Box::new(move || Tensor::rand(shape, dtype, &mut rng()))),
        ("rand any", Box::new(move || Tensor::rand([sizes[0], 0, sizes[1]], dtype, &mut rng()))),
        ("uniform", Box::new(move || Tensor::uniform(shape, number, 0.5, dtype, &mut rng()))),
        ("randn", Box::new(move || Tensor::randn(shape, dtype, &mut rng()))),
        ("normal", Box::new(move || Tensor::normal(shape, 0.5, number, dtype, &mut rng()))),
        ("truncated_normal", Box::new(move || Tensor::truncated_normal(shape, number, 1.5, -1.0, number, dtype, &mut rng()))),
        ("randint", Box::new(move || Tensor::randint(-3, sizes[0] as i64, shape, &mut rng()))),
        ("randperm", Box::new(move || Tensor::randperm(sizes[0], &mut rng()))),
        ("bernoulli", Box::new(move || a.bernoulli(&mut rng()))),
        ("multinomial", Box::new(move || a.multinomial(sizes[0], keep, &mut rng()))),
        ("dropout", Box::new(move || a.dropout(number, &mut Rng::new(1)))),
    ]
}
