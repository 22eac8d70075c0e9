//! Apps without their types: check, train, interrupt, resume, evaluate.

use std::collections::BTreeSet;

use azura_learner::app::{AppTraining, Part};
use azura_learner::run::{Finish, RunPaths, Trained, resume, train};
use azura_learner::train::{On, Stop};
use azura_learner::{Class, DynApp, Error, Event, Observer, Registry, Source, StopFlag};
use serde_json::{Value, json};

use crate::Folder;
use crate::blobs::{Blobs, accuracy};

const APP: &dyn DynApp = &Blobs;

fn train_in(folder: &Folder, config: &Value) -> Trained {
    let paths = RunPaths::in_folder(&**folder);
    match train(
        APP,
        config,
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

#[test]
fn names_are_found_or_suggested() {
    let registry = Registry::new().with(&Blobs);
    assert_eq!(
        registry.get("blobs").unwrap().about(),
        "Tells clouds of points apart"
    );
    let error = registry.get("blob").err().unwrap();
    assert_eq!(
        error.to_string(),
        "no app is called `blob`; did you mean `blobs`?"
    );
    assert_eq!(error.class(), Class::NotFound);
    let error = registry.get("weather").err().unwrap().to_string();
    assert_eq!(error, "no app is called `weather`; there are: blobs");
}

#[test]
fn another_name_finds_the_app_and_a_name_of_its_own_comes_first() {
    let registry = Registry::new().with(&Blobs);
    assert_eq!(registry.get("clouds").unwrap().name(), "blobs");
    assert_eq!(registry.names(), ["blobs"]);
}

#[test]
fn configurations_are_checked_by_schema_rules_and_app() {
    let problems = |value: Value| -> Vec<String> {
        APP.check(&value).iter().map(ToString::to_string).collect()
    };
    assert_eq!(problems(APP.defaults()), [""; 0]);
    assert_eq!(problems(json!({})), [""; 0]);
    assert_eq!(
        problems(json!({ "hiden": 3 })),
        ["`hiden`: unknown key; did you mean `hidden`?"]
    );
    assert_eq!(
        problems(json!({ "points": 5 })),
        ["`points`: must be at least 20, but is 5"]
    );
    assert_eq!(
        problems(json!({ "points": 20, "hidden": 30 })),
        ["`hidden`: must not be above points"]
    );
    assert_eq!(
        problems(json!({ "train": { "monitor": "mae" } })),
        [
            "`train.monitor`: `mae` is not a monitored value; write train.loss, val.loss or a score such as val.mae"
        ]
    );
    assert_eq!(
        APP.schema()["properties"]["hidden"]["description"],
        "Units of the hidden layer."
    );
    let resolved = APP.resolve(&json!({ "hidden": 3 })).unwrap();
    assert_eq!(
        (&resolved["hidden"], &resolved["points"]),
        (&json!(3), &json!(120))
    );
    assert_eq!(resolved["train"]["monitor"], "val.accuracy");
    assert!(matches!(APP.resolve(&json!(3)), Err(Error::Config(_))));
}

#[test]
fn a_run_leaves_a_scored_model_and_predictions() {
    let folder = Folder::new("run");
    let trained = train_in(&folder, &json!({ "train": { "epochs": 20 } }));
    assert_eq!(
        trained.outcome.stop.name(),
        trained.info.training.stop.name()
    );
    assert_eq!(
        trained.info.scores.keys().copied().collect::<Vec<_>>(),
        Part::ALL
    );
    let test = &trained.info.scores[&Part::Test];
    assert!(
        accuracy(&trained.info.scores, Part::Test) > test.baselines["majority_class"]["accuracy"]
    );
    assert!(accuracy(&trained.info.scores, Part::Test) > 0.8);
    let csv = std::fs::read_to_string(trained.predictions.unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 1 + 24);
    assert!(csv.starts_with("truth,prediction\n"));
    assert_eq!(trained.rows.unwrap().len(), 24);
    // The monitored value of the best epoch is the validation score of the saved model.
    let best = trained.outcome.best.unwrap();
    assert_eq!(best.value, accuracy(&trained.info.scores, Part::Val));

    // What was trained on is scored on its test part; other data as a whole.
    let model = Registry::new().with(&Blobs).open(&trained.model).unwrap();
    let scores = model.evaluate(&Source::Bundled).unwrap();
    assert_eq!(scores.metrics, test.metrics);
    let other = folder.join("other.csv");
    std::fs::write(&other, "x,y,label\n10,0,0\n11,1,1\n12,4,2\n").unwrap();
    let scores = model.evaluate(&Source::File(other)).unwrap();
    assert_eq!(scores.rows.unwrap().len(), 3);
    let empty = folder.join("empty.csv");
    std::fs::write(&empty, "x,y,label\n").unwrap();
    assert_eq!(
        model.evaluate(&Source::File(empty)).unwrap_err().class(),
        Class::Data
    );
    let error = model
        .evaluate(&Source::File(folder.join("absent.csv")))
        .unwrap_err();
    assert_eq!(error.class(), Class::Data);
    let error = model
        .forecast(&azura_learner::data::Table::new("t"), 3)
        .unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    let options = azura_learner::GenerateOptions::default();
    let error = model
        .generate("", &options, &mut |_| std::ops::ControlFlow::Continue(()))
        .unwrap_err();
    assert_eq!(error.class(), Class::Usage);
}

#[test]
fn an_interrupted_run_resumes_to_the_same_file() {
    let config = json!({ "hidden": 5, "train": { "epochs": 3, "checkpoint_every": 2 } });
    let whole = Folder::new("whole");
    let expected = train_in(&whole, &config);
    let expected_bytes = std::fs::read(&expected.model).unwrap();
    for at in [1, 4, 7, 15] {
        let folder = Folder::new("part");
        let paths = RunPaths::in_folder(&*folder);
        let stop = StopFlag::new();
        let raise = stop.clone();
        let observer: Box<dyn Observer> = Box::new(On(move |event: &Event<'_>| {
            if matches!(event, Event::Step { step, .. } if *step == at) {
                raise.raise();
            }
        }));
        match train(
            APP,
            &config,
            &Source::Bundled,
            &paths,
            vec![observer],
            &stop,
        )
        .unwrap()
        {
            Finish::Interrupted(outcome) => assert_eq!(outcome.stop, Stop::Interrupted),
            Finish::Trained(_) => assert_eq!(at, 15, "the last step ends the run"),
        }
        assert_eq!(paths.model.exists(), at == 15);
        let again = resume(
            APP,
            &config,
            &Source::Bundled,
            &paths,
            Vec::new(),
            &StopFlag::new(),
        );
        let Finish::Trained(trained) = again.unwrap() else {
            panic!("{at}")
        };
        assert_eq!(trained.recorded, at == 15);
        assert_eq!(trained.sha256, expected.sha256);
        assert_eq!(
            std::fs::read(&trained.model).unwrap(),
            expected_bytes,
            "{at}"
        );
        let predictions = |paths: &RunPaths| std::fs::read(&paths.predictions).unwrap();
        assert_eq!(
            predictions(&paths),
            predictions(&RunPaths::in_folder(&*whole))
        );
    }
}

#[test]
fn a_finished_run_is_reported_and_never_overwritten() {
    let folder = Folder::new("twice");
    let config = json!({ "train": { "epochs": 2 } });
    let first = train_in(&folder, &config);
    let paths = RunPaths::in_folder(&*folder);
    let again = train(
        APP,
        &config,
        &Source::Bundled,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    );
    assert_eq!(again.unwrap_err().class(), Class::Conflict);
    // Even without the data.
    let gone = Source::File(folder.join("gone.csv"));
    let again = resume(APP, &config, &gone, &paths, Vec::new(), &StopFlag::new()).unwrap();
    let Finish::Trained(again) = again else {
        panic!()
    };
    assert!(
        again.recorded
            && again.info == first.info
            && again.outcome.history == first.outcome.history
    );
    // A larger budget goes on.
    let more = json!({ "train": { "epochs": 4 } });
    let more = resume(
        APP,
        &more,
        &Source::Bundled,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    )
    .unwrap();
    let Finish::Trained(more) = more else {
        panic!()
    };
    assert_eq!((more.recorded, more.outcome.epochs), (false, 4));
    assert_eq!(more.outcome.history[..2], first.outcome.history[..]);
    // Another configuration does not.
    let other = json!({ "hidden": 3, "train": { "epochs": 4 } });
    let error = resume(
        APP,
        &other,
        &Source::Bundled,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    )
    .unwrap_err();
    assert_eq!(error.class(), Class::Model);
}

#[test]
fn a_run_that_died_before_its_model_was_written_writes_it() {
    let folder = Folder::new("late");
    let config = json!({ "train": { "epochs": 2 } });
    let first = train_in(&folder, &config);
    let expected = std::fs::read(&first.model).unwrap();
    let paths = RunPaths::in_folder(&*folder);
    std::fs::remove_file(&paths.model).unwrap();
    std::fs::remove_file(&paths.predictions).unwrap();
    let half = folder.join(".model.safetensors.1.azura-tmp");
    std::fs::write(&half, &expected[..100]).unwrap();
    let no_step = On(|event: &Event<'_>| assert!(!matches!(event, Event::Step { .. })));
    let observers: Vec<Box<dyn Observer>> = vec![Box::new(no_step)];
    let source = Source::Bundled;
    let again = resume(APP, &config, &source, &paths, observers, &StopFlag::new()).unwrap();
    assert!(matches!(again, Finish::Trained(trained) if trained.sha256 == first.sha256));
    assert_eq!(std::fs::read(&paths.model).unwrap(), expected);
    assert!(paths.predictions.exists() && !half.exists());

    // A damaged model is not taken for a record.
    std::fs::write(&paths.model, &expected[..expected.len() - 1]).unwrap();
    let again = resume(APP, &config, &source, &paths, Vec::new(), &StopFlag::new());
    let error = again.unwrap_err();
    assert_eq!(error.class(), Class::Model);
    assert!(
        error
            .to_string()
            .ends_with("to write it anew from the checkpoint"),
        "{error}"
    );
}

#[test]
fn observers_see_the_data_first() {
    let folder = Folder::new("observe");
    let kinds = std::sync::Mutex::new(Vec::new());
    let observer = On(|event: &Event<'_>| {
        let kind = match event {
            Event::Data(summary) => format!("data {} {}", summary.rows, summary.train),
            Event::Started { parameters, .. } => format!("started {parameters}"),
            _ => return,
        };
        kinds.lock().unwrap().push(kind);
    });
    let paths = RunPaths::in_folder(&*folder);
    let config = json!({ "train": { "epochs": 1 } });
    let observers: Vec<Box<dyn Observer + '_>> = vec![Box::new(observer)];
    train(
        APP,
        &config,
        &Source::Bundled,
        &paths,
        observers,
        &StopFlag::new(),
    )
    .unwrap();
    assert_eq!(*kinds.lock().unwrap(), ["data 120 72", "started 51"]);
}

#[test]
fn every_parameter_of_the_app_moves_in_the_first_step() {
    let mut training: Box<dyn AppTraining> = APP
        .start(&json!({ "train": { "max_steps": 1 } }), &Source::Bundled)
        .unwrap();
    let before = training.store().state().unwrap();
    azura_learner::Trainer::new()
        .run(training.training())
        .unwrap();
    let after = training.store().state().unwrap();
    let moved: BTreeSet<&String> = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a.1.to_vec::<f32>().unwrap() != b.1.to_vec::<f32>().unwrap())
        .map(|(a, _)| &a.0)
        .collect();
    assert_eq!(moved.len(), before.len());
}
