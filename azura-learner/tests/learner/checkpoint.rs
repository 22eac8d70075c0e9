//! Checkpoints that are damaged are refused, and what to do is said.

use azura_core::{DType, Rng, Store};
use azura_learner::layers::Linear;
use azura_learner::{Class, Error, Fit, Supervised, TrainConfig, Trainer, loss};

use crate::Folder;
use crate::trainer::plane;

fn fit() -> Fit {
    let store = Store::new(DType::F32);
    let layer = Linear::new(2, 1, &store.root(Rng::new(1))).unwrap();
    let config = TrainConfig {
        epochs: 2,
        batch: 16,
        ..TrainConfig::default()
    };
    Fit::new(store, Supervised::new(layer, loss::mse), plane(), config)
}

#[test]
fn a_flipped_bit_or_a_torn_file_is_refused_and_not_replaced_in_silence() {
    let folder = Folder::new("torn");
    Trainer::new()
        .checkpoints(&*folder)
        .run(&mut fit())
        .unwrap();
    let last = folder.join("last.safetensors");
    let whole = std::fs::read(&last).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&last, bytes).unwrap();
        match Trainer::new().checkpoints(&*folder).resume(&mut fit()) {
            Err(error @ Error::Checkpoint { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains("last.safetensors") && text.contains("copy it over"),
                    "{text}"
                );
                assert_eq!(error.class(), Class::Model);
            }
            other => panic!("{other:?}"),
        }
    };
    for at in (0..whole.len()).step_by(61) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        refused(&flipped);
    }
    for len in (0..whole.len()).step_by(97) {
        refused(&whole[..len]);
    }
    // The remedy works: the best checkpoint is a whole state.
    std::fs::copy(folder.join("best.safetensors"), &last).unwrap();
    Trainer::new()
        .checkpoints(&*folder)
        .resume(&mut fit())
        .unwrap();
}

#[test]
fn what_a_killed_process_left_is_swept_away() {
    let folder = Folder::new("leftover");
    Trainer::new()
        .checkpoints(&*folder)
        .run(&mut fit())
        .unwrap();
    let left = folder.join(".last.safetensors.1.azura-tmp");
    std::fs::write(&left, b"half a checkpo").unwrap();
    Trainer::new()
        .checkpoints(&*folder)
        .resume(&mut fit())
        .unwrap();
    assert!(!left.exists());
}

#[test]
fn a_checkpoint_is_a_plain_safetensors_file_with_named_slices() {
    let folder = Folder::new("plain");
    Trainer::new()
        .checkpoints(&*folder)
        .run(&mut fit())
        .unwrap();
    let file = azura_core::serial::load(folder.join("last.safetensors")).unwrap();
    let names: Vec<&str> = file.tensors.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["value/weight", "value/bias", "m/weight", "v/bias"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let document: serde_json::Value = serde_json::from_str(&file.metadata["azura"]).unwrap();
    assert_eq!(document["kind"], "checkpoint");
    assert_eq!(document["state"]["position"]["step"], 8);
}
