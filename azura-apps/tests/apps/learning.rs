//! What never happened in the Python AzuraForge: training reaches every parameter.

use azura_core::Rng;
use azura_learner::Ctx;
use azura_learner::app::{AppTraining, Part};
use azura_learner::{Source, Trainer};
use serde_json::json;

fn state(training: &dyn AppTraining) -> Vec<(String, Vec<f32>)> {
    let parameters = training.store().params();
    parameters
        .iter()
        .map(|p| (p.name(), p.value().to_vec().unwrap()))
        .collect()
}

/// Tenths of a parameter that a batch must reach: of the 256 codes of a voice it holds those of soft sounds only.
fn wanted(app: &str, parameter: &str) -> usize {
    match (app, parameter) {
        ("voice", "tokens.weight") => 3,
        _ => 9,
    }
}

#[test]
fn every_parameter_of_every_app_gets_a_gradient_and_moves_in_the_first_step() {
    let registry = azura_apps::builtin();
    assert_eq!(
        registry.names(),
        [
            "weather", "stock", "forecast", "tabular", "text", "image", "voice", "sound", "signal"
        ]
    );
    for app in registry.iter() {
        // Two layers, so that what lies between layers is looked at too.
        let model = match app.name() {
            "signal" => json!({ "kind": "resnet" }),
            // Its linear model has two parameters; `forecast.rs` looks at every kind.
            "forecast" => json!({ "layers": 2, "kind": "gru" }),
            _ => json!({ "layers": 2 }),
        };
        let config = json!({ "model": model, "train": { "max_steps": 1 } });
        let mut training = app.start(&config, &Source::Bundled).unwrap();
        let parameters = training.store().params();
        assert!(
            parameters.len() >= 6,
            "{}: {} parameters",
            app.name(),
            parameters.len()
        );

        let batch = training
            .data(Part::Train)
            .unwrap()
            .batch(&(0..64).collect::<Vec<_>>())
            .unwrap();
        let output = training
            .model()
            .forward(&batch, &mut Ctx::train(Rng::new(1)))
            .unwrap();
        assert_eq!(output.shape()[0], 64);
        training
            .model()
            .loss(&output, &batch)
            .unwrap()
            .mean()
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            training.store().untouched(),
            Vec::<String>::new(),
            "{}",
            app.name()
        );
        for parameter in &parameters {
            let gradient: Vec<f32> = parameter.grad().expect("a gradient").to_vec().unwrap();
            let reached = gradient.iter().filter(|&&g| g != 0.0).count();
            assert!(
                reached * 10 >= gradient.len() * wanted(app.name(), &parameter.name()),
                "{}: {}: {reached} of {}",
                app.name(),
                parameter.name(),
                gradient.len()
            );
        }
        training.store().zero_grad();

        let before = state(&*training);
        Trainer::new().run(training.training()).unwrap();
        let after = state(&*training);
        for ((name, before), (_, after)) in before.iter().zip(&after) {
            let moved = before.iter().zip(after).filter(|(a, b)| a != b).count();
            assert!(
                moved * 10 >= before.len() * wanted(app.name(), name),
                "{}: {name}: {moved} of {} moved",
                app.name(),
                before.len()
            );
        }
    }
}
