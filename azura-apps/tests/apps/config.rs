//! Ranges, defaults and rules of the configurations.

use crate::app;
use serde_json::json;

fn problem(name: &str, config: serde_json::Value) -> String {
    let problems = app(name).check(&config);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn defaults_are_valid_and_complete() {
    for name in ["weather", "stock", "forecast", "text"] {
        let defaults = app(name).defaults();
        assert_eq!(app(name).check(&defaults), []);
        assert_eq!(app(name).resolve(&json!({})).unwrap(), defaults);
        // A key left out is the app's default, also beside one that is given.
        let resolved = app(name)
            .resolve(&json!({ "train": { "epochs": 3 } }))
            .unwrap();
        assert_eq!(resolved["train"]["epochs"], 3);
        assert_eq!(resolved["train"]["lr"], defaults["train"]["lr"]);
        assert_eq!(resolved["model"], defaults["model"]);
    }
    let weather = app("weather").defaults();
    assert_eq!(
        weather["data"]["features"],
        json!(["relative_humidity_2m", "precipitation", "cloud_cover"])
    );
    assert_eq!(weather["data"]["calendar"], json!(["hour"]));
    assert_eq!(app("stock").defaults()["data"]["dataset"], "msft");
    // The schema of a preset has its own defaults.
    let schema = app("stock").schema();
    let horizon = &schema["properties"]["model"]["properties"]["horizon"];
    assert_eq!(horizon["default"], 5);
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for name in ["weather", "stock", "forecast"] {
        for (section, key, value) in [
            ("model", "hidden", json!(0)),
            ("model", "hidden", json!(-3)),
            ("model", "layers", json!(9)),
            ("model", "dropout", json!(1.0)),
            ("model", "dropout", json!(-0.1)),
            ("model", "window", json!(1)),
            ("model", "window", json!("24")),
            ("model", "loss", json!("hubert")),
            ("data", "val", json!(1.5)),
            ("data", "resample", json!("1 fortnight")),
            ("data", "missing", json!("forward_fill")),
            ("intervals", "level", json!(1.0)),
            ("intervals", "kind", json!("bayes")),
            ("data", "test", json!(-0.1)),
            ("data", "rows", json!(-1)),
            ("data", "calendar", json!(["hours"])),
            ("data", "calendar", json!(["month", "month"])),
            ("train", "epochs", json!(0)),
            ("train", "lr", json!(0)),
        ] {
            let message = app(name)
                .check(&json!({ section: { key: value } }))
                .first()
                .unwrap_or_else(|| panic!("{name}: {section}.{key} = {value} was allowed"))
                .to_string();
            assert!(
                message.starts_with(&format!("`{section}.{key}")),
                "{message}"
            );
        }
    }
}

#[test]
fn rules_between_values_say_what_to_do() {
    assert_eq!(
        problem(
            "forecast",
            json!({ "model": { "kind": "transformer", "heads": 3 } })
        ),
        "`model.heads`: must divide model.hidden, 64, but is 3"
    );
    assert_eq!(
        problem("weather", json!({ "data": { "target": "cloud_cover" } })),
        "`data.features`: names `cloud_cover` twice; a target is seen by itself; name every column once"
    );
    assert_eq!(
        problem("stock", json!({ "data": { "val": 0.5, "test": 0.6 } })),
        "`data.test`: and `data.val` take 1.1 of the samples and leave none for training; make them smaller, such as 0.15 each"
    );
    assert_eq!(
        problem("stock", json!({ "data": { "datset": "msft" } })),
        "`data.datset`: unknown key; did you mean `data.dataset`?"
    );
    let message = problem("stock", json!({ "data": { "dataset": "sp50" } }));
    assert!(message.contains("did you mean `sp500`?"), "{message}");
}
