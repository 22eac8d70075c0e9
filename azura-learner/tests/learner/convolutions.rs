//! Convolutional layers: parameters that move, PyTorch's initial values, and errors.

use crate::layers::moves;
use azura_core::{
    ConvOptions, DType, InterpolateOptions, PadMode, Padding, Resize, Rng, Store, Tensor,
};
use azura_learner::layers::{
    AdaptiveAvgPool2d, AvgPool2d, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d,
    ConvTranspose3d, Ctx, LpPool1d, MaxPool2d, MaxPool3d, Module, Sequential, Tanh, Upsample,
};

fn random(shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(5);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.normal() as f32)
        .collect();
    Tensor::from_vec(values, shape).unwrap()
}

#[test]
fn a_network_for_images() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let model = Sequential::new()
        .with(Conv2d::new(2, 6, 3, &p.at(0)).padding(1).build().unwrap())
        .with(Tanh)
        .with(MaxPool2d::new(3).stride(2).padding(1))
        .with(
            Conv2d::new(6, 6, [3, 1], &p.at(3))
                .groups(6)
                .padding(Padding::Same)
                .bias(false)
                .build()
                .unwrap(),
        )
        .with(AvgPool2d::new(2))
        .with(
            ConvTranspose2d::new(6, 4, 2, &p.at(5))
                .stride(2)
                .groups(2)
                .build()
                .unwrap(),
        )
        .with(Upsample::new(
            Resize::Size([5, 7].into()),
            InterpolateOptions::default(),
        ))
        .with(AdaptiveAvgPool2d::new([None, Some(3)]));
    let names: Vec<String> = store.params().iter().map(|p| p.name()).collect();
    assert_eq!(
        names,
        ["0.weight", "0.bias", "3.weight", "5.weight", "5.bias"]
    );
    let x = random(&[3, 2, 9, 8]);
    moves(&store, |ctx| {
        let y = model.forward(&x, ctx).unwrap();
        assert_eq!(y.shape(), [3, 4, 5, 3]);
        y
    });
}

#[test]
fn networks_for_signals_and_volumes() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let signal = Sequential::new()
        .with(
            Conv1d::new(3, 4, 3, &p.at("a"))
                .dilation(2)
                .stride(2)
                .build()
                .unwrap(),
        )
        .with(
            ConvTranspose1d::new(4, 2, 3, &p.at("b"))
                .stride(2)
                .padding(1)
                .output_padding(1)
                .dilation(1)
                .build()
                .unwrap(),
        )
        .with(LpPool1d::new(2.0, 2).ceil_mode(true));
    let volume = Sequential::new()
        .with(Conv3d::new(1, 3, [1, 2, 3], &p.at("c")).build().unwrap())
        .with(MaxPool3d::new(2).ceil_mode(true))
        .with(
            ConvTranspose3d::new(3, 2, 2, &p.at("d"))
                .bias(false)
                .build()
                .unwrap(),
        );
    let (x, v) = (random(&[2, 3, 11]), random(&[2, 1, 3, 4, 5]));
    moves(&store, |ctx| {
        let parts = [signal.forward(&x, ctx), volume.forward(&v, ctx)]
            .map(|y| y.unwrap().flatten(0, -1).unwrap());
        Tensor::cat(&[&parts[0], &parts[1]], 0).unwrap()
    });
}

#[test]
fn initial_values_are_within_pytorchs_bounds() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    Conv2d::new(8, 64, [2, 4], &p.at("conv"))
        .groups(2)
        .build()
        .unwrap();
    ConvTranspose1d::new(64, 32, 2, &p.at("back"))
        .build()
        .unwrap();
    for (name, tensor) in store.state().unwrap() {
        // 4 · 8 elements a group's output sees, 32 · 2 that an input reaches.
        let bound: f32 = if name.starts_with("conv") {
            1.0 / 32f32.sqrt()
        } else {
            0.125
        };
        let values = tensor.to_vec::<f32>().unwrap();
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(
            largest <= bound && largest > 0.8 * bound,
            "{name}: {largest} within {bound}"
        );
    }
}

#[test]
fn paddings_of_other_kinds_come_before_the_convolution() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let x = random(&[1, 2, 5, 6]);
    for (i, mode) in [PadMode::Reflect, PadMode::Replicate, PadMode::Circular]
        .into_iter()
        .enumerate()
    {
        let conv = Conv2d::new(2, 3, [2, 3], &p.at(i))
            .padding(Padding::Same)
            .padding_mode(mode)
            .build()
            .unwrap();
        let y = conv.forward(&x, &mut Ctx::eval()).unwrap();
        let bias = conv.bias().unwrap().value();
        let padded = x.pad(&[1, 1, 0, 1], mode).unwrap();
        let want = padded
            .conv2d(&conv.weight().value(), Some(&bias), ConvOptions::default())
            .unwrap();
        assert_eq!(y.shape(), [1, 3, 5, 6]);
        assert_eq!(y.to_vec::<f32>().unwrap(), want.to_vec::<f32>().unwrap());
    }
}

#[test]
fn wrong_sizes_are_errors() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let text = |result: azura_learner::Result<Conv2d>| result.unwrap_err().to_string();
    let zero = text(Conv2d::new(0, 1, 3, &p.at("a")).build());
    assert!(zero.contains("channels"), "{zero}");
    let groups = text(Conv2d::new(4, 6, 3, &p.at("b")).groups(4).build());
    assert!(groups.contains("groups"), "{groups}");
    let kernel = text(Conv2d::new(4, 6, [1, 2, 3], &p.at("c")).build());
    assert!(kernel.contains("one number or 2"), "{kernel}");
    let empty = text(Conv2d::new(4, 6, [1, 0], &p.at("d")).build());
    assert!(empty.contains("kernel"), "{empty}");
    let conv = Conv2d::new(4, 6, 3, &p.at("e")).build().unwrap();
    let error = conv.forward(&random(&[1, 3, 5, 5]), &mut Ctx::eval());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("[1, 3, 5, 5]"), "{error}");
}
