//! The model file: round trip to the bit, damage refused, hostile files survived.

use azura_core::Tensor;
use azura_learner::data::{Table, Values};
use azura_learner::run::{Finish, RunPaths, Trained, train};
use azura_learner::{Class, DynApp, Error, ModelFile, Registry, Source, StopFlag};
use serde_json::json;

use crate::Folder;
use crate::blobs::Blobs;

fn trained(folder: &Folder) -> Trained {
    let app: &dyn DynApp = &Blobs;
    let config = json!({ "hidden": 4, "points": 60, "train": { "epochs": 2 } });
    let paths = RunPaths::in_folder(&**folder);
    match train(
        app,
        &config,
        &Source::Bundled,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    )
    .unwrap()
    {
        Finish::Trained(trained) => *trained,
        other => panic!("{other:?}"),
    }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor
        .to_vec::<f32>()
        .unwrap()
        .into_iter()
        .map(f32::to_bits)
        .collect()
}

#[test]
fn saving_and_opening_changes_no_bit() {
    let folder = Folder::new("round");
    let trained = trained(&folder);
    let file = ModelFile::open(&trained.model).unwrap();
    assert_eq!(*file.info(), trained.info);
    assert_eq!(file.sha256().unwrap(), trained.sha256);
    assert_eq!(
        file.to_bytes().unwrap(),
        std::fs::read(&trained.model).unwrap()
    );
    // Names are those of the layers, and any reader of safetensors finds them.
    let raw = azura_core::serial::load(&trained.model).unwrap();
    let mut names: Vec<&str> = raw.tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "azura.sample.input.0",
            "azura.sample.input.1",
            "azura.sample.output",
            "classes.bias",
            "classes.weight",
            "hidden.bias",
            "hidden.weight"
        ]
    );
    assert_eq!(raw.metadata.keys().collect::<Vec<_>>(), ["azura"]);
}

#[test]
fn predictions_after_loading_are_those_before_saving() {
    let folder = Folder::new("same");
    let trained = trained(&folder);
    let registry = Registry::new().with(&Blobs);
    let model = registry.open(&trained.model).unwrap();
    assert_eq!(model.verify().unwrap(), 0.0);
    // The sample was run in training, before anything was saved.
    let file = ModelFile::open(&trained.model).unwrap();
    let sample = file.sample().unwrap();
    assert_eq!(sample.output.shape(), [4, 3]);
    let again = registry.open(&trained.model).unwrap();
    let column = |values: &[f64]| Values::Number(values.to_vec());
    let table = Table::new("t")
        .with("x", column(&[10.0, 11.5, 12.25]))
        .unwrap();
    let table = table.with("y", column(&[0.0, 1.0, 4.5])).unwrap();
    let (first, second) = (
        model.predict(&table).unwrap(),
        again.predict(&table).unwrap(),
    );
    assert_eq!(first, second);
    assert!(
        first
            .numbers("logit0")
            .unwrap()
            .iter()
            .all(|x| x.is_finite())
    );
    // A missing column is an error with its name.
    let error = model
        .predict(&Table::new("t").with("x", column(&[1.0])).unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("`y`"), "{error}");
    assert_eq!(error.class(), Class::Data);
}

#[test]
fn every_flipped_bit_is_refused() {
    let folder = Folder::new("flip");
    let trained = trained(&folder);
    let whole = std::fs::read(&trained.model).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at * 7 % 8);
        match ModelFile::from_bytes(&flipped, "flipped") {
            Err(Error::Model { .. }) => {}
            other => panic!("byte {at}: {:?}", other.map(|_| "opened")),
        }
    }
}

#[test]
fn every_truncation_and_every_extra_byte_is_refused() {
    let folder = Folder::new("cut");
    let trained = trained(&folder);
    let mut whole = std::fs::read(&trained.model).unwrap();
    for len in 0..whole.len() {
        let error = ModelFile::from_bytes(&whole[..len], "cut").unwrap_err();
        assert_eq!(error.class(), Class::Model, "{len}");
    }
    whole.push(0);
    assert!(ModelFile::from_bytes(&whole, "long").is_err());
}

/// The file with its document changed by `edit`, hashed anew as a writer would.
fn rewritten(trained: &Trained, edit: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let raw = azura_core::serial::load(&trained.model).unwrap();
    let mut document = serde_json::from_str(&raw.metadata["azura"]).unwrap();
    edit(&mut document);
    let metadata = [("azura".to_string(), document.to_string())].into();
    azura_core::serial::to_bytes(&raw.tensors, &metadata).unwrap()
}

#[test]
fn newer_formats_foreign_files_and_other_apps_are_refused_in_words() {
    let folder = Folder::new("newer");
    let trained = trained(&folder);
    let reason = |bytes: &[u8]| ModelFile::from_bytes(bytes, "m").unwrap_err().to_string();
    let newer = reason(&rewritten(&trained, |document| {
        document["format"] = json!(2);
    }));
    assert!(
        newer.contains("format is version 2") && newer.contains("newer azura"),
        "{newer}"
    );
    let edited = reason(&rewritten(&trained, |d| d["model"]["seed"] = json!(7)));
    assert!(edited.contains("does not match its sha256"), "{edited}");
    let plain = azura_core::serial::to_bytes(&[], &Default::default()).unwrap();
    assert!(
        reason(&plain).contains("without azura's metadata"),
        "{}",
        reason(&plain)
    );
    let checkpoint = std::fs::read(folder.join("checkpoints/last.safetensors")).unwrap();
    assert!(reason(&checkpoint).contains("it is a checkpoint, not a model"));

    let error = Registry::new().open(&trained.model).err().unwrap();
    assert_eq!(
        error.to_string(),
        "no app is called `blobs`; this program has no apps"
    );
    let error = Registry::new().open(folder.join("absent")).err().unwrap();
    assert_eq!(error.class(), Class::NotFound);
    let file = ModelFile::open(&trained.model).unwrap();
    let mut info = file.info().clone();
    info.app_version = 3;
    let newer = ModelFile::new(info, file.weights().to_vec(), None).unwrap();
    let error = (&Blobs as &dyn DynApp)
        .load(newer)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("made by version 3 of the app `blobs`"),
        "{error}"
    );
    let mut fewer = file.weights().to_vec();
    fewer.pop();
    let fewer = ModelFile::new(file.info().clone(), fewer, None).unwrap();
    let error = (&Blobs as &dyn DynApp).load(fewer).err().unwrap();
    assert_eq!(error.class(), Class::Model);
}

#[test]
fn names_of_the_format_are_kept_from_parameters() {
    let folder = Folder::new("names");
    let file = ModelFile::open(trained(&folder).model).unwrap();
    let weights = vec![(
        "azura.x".to_string(),
        Tensor::scalar(0.0, azura_core::DType::F32).unwrap(),
    )];
    assert!(ModelFile::new(file.info().clone(), weights, None).is_err());
}

#[test]
fn fitted_floats_survive_to_the_bit() {
    let folder = Folder::new("fitted");
    let trained = trained(&folder);
    let app = azura_learner::App::prepare(&Blobs, &config_of(&trained), &Source::Bundled).unwrap();
    let read: crate::blobs::Fitted = serde_json::from_value(
        ModelFile::open(&trained.model)
            .unwrap()
            .info()
            .fitted
            .clone(),
    )
    .unwrap();
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.mean), bits(&app.fitted.mean));
    assert_eq!(bits(&read.scale), bits(&app.fitted.scale));
}

fn config_of(trained: &Trained) -> crate::blobs::Config {
    serde_json::from_value(trained.info.config.clone()).unwrap()
}

#[test]
fn weights_in_the_file_are_the_best_epochs() {
    let folder = Folder::new("best");
    let trained = trained(&folder);
    let best = azura_core::serial::load(folder.join("checkpoints/best.safetensors")).unwrap();
    let file = ModelFile::open(&trained.model).unwrap();
    for (name, tensor) in file.weights() {
        let stored = best
            .tensors
            .iter()
            .find(|(n, _)| *n == format!("value/{name}"))
            .unwrap();
        assert_eq!(bits(tensor), bits(&stored.1), "{name}");
    }
}
