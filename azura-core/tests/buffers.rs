//! Named values without gradient: saved and loaded with the parameters, untouched by everything else.

use azura_core::optim::{Adam, Optimizer};
use azura_core::{DType, Init, Result, Rng, Store, Tensor, serial};

fn floats(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

#[test]
fn buffers_are_state_and_no_parameters() -> Result<()> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0)).at("norm");
    let mean = p.buffer("running_mean", &floats(&[1.0, 2.0]))?;
    let weight = p.param("weight", &[2], Init::Ones)?;
    let count = p.buffer("num_batches_tracked", &Tensor::scalar(0.0, DType::I64)?)?;
    let names =
        |state: &[(String, Tensor)]| state.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&store.state()?),
        [
            "norm.weight",
            "norm.running_mean",
            "norm.num_batches_tracked"
        ]
    );
    assert_eq!((store.params().len(), store.numel()), (1, 2));
    assert_eq!(store.buffers().len(), 2);

    // A step moves the parameter and nothing else; a buffer is no parameter without a gradient.
    let mut adam = Adam::new(&store)?;
    weight.value().mul(mean.value())?.sum_all()?.backward()?;
    assert!(store.untouched().is_empty());
    adam.step(0.1)?;
    assert_eq!(mean.value().to_vec::<f32>()?, [1.0, 2.0]);
    assert!(
        names(&adam.state()?)
            .iter()
            .all(|name| !name.contains("running"))
    );

    // Whoever looked at the old value keeps it.
    let seen = mean.value();
    mean.set(&floats(&[3.0, 4.0]))?;
    count.set(&Tensor::scalar(7.0, DType::I64)?)?;
    assert_eq!(seen.to_vec::<f32>()?, [1.0, 2.0]);

    // Through a file and back.
    let bytes = serial::to_bytes(&store.state()?, &Default::default())?;
    let saved = serial::read(&bytes, "memory")?.tensors;
    mean.set(&floats(&[0.0, 0.0]))?;
    count.set(&Tensor::scalar(0.0, DType::I64)?)?;
    store.load(&saved)?;
    assert_eq!(mean.value().to_vec::<f32>()?, [3.0, 4.0]);
    assert_eq!(count.value().item::<i64>()?, 7);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let mean = p.buffer("mean", &floats(&[1.0, 2.0]))?;
    p.param("weight", &[2], Init::Ones)?;
    let text = |e: azura_core::Error| e.to_string();
    assert_eq!(
        text(p.param("mean", &[1], Init::Ones).unwrap_err()),
        "[store] `mean` is registered already"
    );
    assert_eq!(
        text(p.buffer("weight", &floats(&[1.0])).unwrap_err()),
        "[store] `weight` is registered already"
    );
    assert_eq!(
        text(p.at("a").buffer("", &floats(&[1.0])).unwrap_err()),
        "[store] a parameter under `a` has an empty name"
    );
    assert_eq!(
        text(mean.set(&floats(&[1.0])).unwrap_err()),
        "[store] `mean` must be f32 of shape [2], but got f32 of shape [1]"
    );
    let mut state = store.state()?;
    state.retain(|(name, _)| name != "mean");
    assert_eq!(
        text(store.load(&state).unwrap_err()),
        "[store] `mean` is missing from the values to load"
    );
    state.push(("mean".into(), Tensor::zeros([2], DType::I64)?));
    assert_eq!(
        text(store.load(&state).unwrap_err()),
        "[store] `mean` must be f32 of shape [2], but got i64 of shape [2]"
    );
    Ok(())
}
