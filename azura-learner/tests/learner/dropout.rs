//! Dropout layers drop in training only, and only what they should.

use azura_core::{DType, Rng, Tensor};
use azura_learner::layers::{
    AlphaDropout, Ctx, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout, Module,
};

fn layers(p: f64) -> Vec<Box<dyn Module>> {
    vec![
        Box::new(Dropout::new(p).unwrap()),
        Box::new(Dropout1d::new(p).unwrap()),
        Box::new(Dropout2d::new(p).unwrap()),
        Box::new(Dropout3d::new(p).unwrap()),
        Box::new(AlphaDropout::new(p).unwrap()),
        Box::new(FeatureAlphaDropout::new(p).unwrap()),
    ]
}

#[test]
fn dropout_is_for_training() {
    let shapes: [&[usize]; 6] = [
        &[40, 30],
        &[10, 40, 3],
        &[10, 40, 3, 1],
        &[10, 40, 1, 3, 1],
        &[40, 30],
        &[10, 40, 3],
    ];
    for (i, (layer, shape)) in layers(0.5).iter().zip(shapes).enumerate() {
        let x = Tensor::ones(shape, DType::F32).unwrap();
        let predict = layer.forward(&x, &mut Ctx::eval()).unwrap();
        assert!(predict.to_vec::<f32>().unwrap().iter().all(|&y| y == 1.0));
        let mut ctx = Ctx::train(Rng::new(1));
        let first = layer
            .forward(&x, &mut ctx)
            .unwrap()
            .to_vec::<f32>()
            .unwrap();
        let second = layer
            .forward(&x, &mut ctx)
            .unwrap()
            .to_vec::<f32>()
            .unwrap();
        assert!(
            first.iter().any(|&y| y != first[0]) && first != second,
            "{i}"
        );
        // Elements of a channel share their fate, where there are channels.
        if shape.len() > 2 {
            assert!(
                first
                    .chunks(3)
                    .all(|channel| channel.iter().all(|&y| y == channel[0])),
                "{i}"
            );
        }
    }
    for layer in layers(0.0) {
        let x = Tensor::ones([2, 3], DType::F32).unwrap();
        let y = layer.forward(&x, &mut Ctx::train(Rng::new(1))).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), [1.0; 6]);
    }
}

#[test]
fn probabilities_have_bounds() {
    for p in [-0.1, 1.1, f64::NAN] {
        let message = Dropout2d::new(p).unwrap_err().to_string();
        assert!(message.contains("must lie in [0, 1], but is"), "{message}");
    }
    assert!(Dropout::new(1.0).is_ok());
}
