//! The text app: it learns, its scores are what they say, and its text is the same whichever way it is made.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use azura_apps::text::SHAKESPEARE;
use azura_core::{Tensor, no_grad, with_threads};
use azura_learner::app::{Part, Predictor};
use azura_learner::data::Table;
use azura_learner::generate::Piece;
use azura_learner::run::{Finish, RunPaths, Trained, train};
use azura_learner::{Batch, Class, Ctx, GenerateOptions, ModelFile, Source, StopFlag, Trainer};
use serde_json::{Value, json};

use crate::{app, load as load_series};

/// A model small enough for a test: a few seconds.
fn tiny(kind: &str, steps: u64) -> Value {
    json!({
        "data": { "stride": 16 },
        "model": { "kind": kind, "context": 16, "layers": 2, "heads": 2, "width": 32 },
        "train": { "epochs": 1, "max_steps": steps, "batch": 16, "lr": 5e-3 },
    })
}

fn trained(config: &Value, source: &Source) -> (Trained, Box<dyn Predictor>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let stop = StopFlag::new();
    match train(app("text"), config, source, &paths, Vec::new(), &stop).unwrap() {
        Finish::Trained(trained) => {
            let file = ModelFile::open(&trained.model).unwrap();
            (*trained, app("text").load(file).unwrap())
        }
        Finish::Interrupted(_) => panic!("nobody stopped it"),
    }
}

type Example = (Trained, Box<dyn Predictor>);

/// A GPT after 400 steps on the bundled text; trained once for all tests.
fn example() -> &'static Example {
    static EXAMPLE: OnceLock<Example> = OnceLock::new();
    EXAMPLE.get_or_init(|| trained(&tiny("gpt", 400), &Source::Bundled))
}

fn options(tokens: usize, temperature: f64, seed: u64) -> GenerateOptions {
    GenerateOptions {
        tokens,
        temperature,
        seed,
        ..GenerateOptions::default()
    }
}

fn generated(model: &dyn Predictor, prompt: &str, options: &GenerateOptions) -> String {
    let mut pieces = String::new();
    let mut on_piece = |piece: Piece<'_>| {
        let Piece::Text(text) = piece else {
            panic!("the app makes text")
        };
        pieces += text;
        ControlFlow::Continue(())
    };
    let made = model.generate(prompt, options, &mut on_piece).unwrap();
    assert_eq!(pieces, made.text);
    assert_eq!(made.tokens, made.text.chars().count());
    made.text
}

fn table(texts: &[&str]) -> Table {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_string()).collect();
    Table::new("texts").with("text", texts).unwrap()
}

/// A file with these bytes in `folder`.
fn bytes(folder: &Path, name: &str, bytes: &[u8]) -> Source {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    Source::File(path)
}

#[test]
fn a_small_model_learns_more_than_how_often_characters_occur() {
    let (lstm, _) = trained(&tiny("lstm", 400), &Source::Bundled);
    for trained in [&example().0, &lstm] {
        let test = &trained.info.scores[&Part::Test];
        let (model, unigram, bigram) = (
            &test.metrics,
            &test.baselines["unigram"],
            &test.baselines["bigram"],
        );
        assert!(model["loss"] < unigram["loss"] - 0.4, "{test:?}");
        assert!(model["accuracy"] > unigram["accuracy"] + 0.1, "{test:?}");
        assert!(bigram["loss"] < unigram["loss"] - 0.5, "{test:?}");
        for metrics in [model, unigram, bigram] {
            let loss = metrics["loss"];
            assert!((metrics["bits_per_char"] - loss / 2f64.ln()).abs() < 1e-12);
            assert!((metrics["perplexity"] - loss.exp()).abs() < 1e-9);
        }
        // Chosen by the validation part; what the trainer watched and what is scored are the same loss.
        let best = trained.outcome.best.as_ref().unwrap();
        let val = trained.info.scores[&Part::Val].metrics["loss"];
        assert!((best.value - val).abs() < 1e-5, "{best:?} and {val}");
    }
    assert_eq!(example().1.verify().unwrap(), 0.0);
}

#[test]
fn anyone_can_compute_the_scores_again() {
    let (trained, _) = example();
    let rows = trained.rows.as_ref().unwrap();
    let test = &trained.info.scores[&Part::Test];
    let mean = |name: &str| {
        let values = rows.numbers(name).unwrap();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!((mean("nats") - test.metrics["loss"]).abs() < 1e-9);
    assert!((mean("bigram") - test.baselines["bigram"]["loss"]).abs() < 1e-9);
    // The unigram from the text itself, and the characters where the table says that they stand.
    let text: Vec<char> = SHAKESPEARE.text.chars().collect();
    let train = text.len() - 2 * (text.len() as f64 * 0.05) as usize;
    let kinds = {
        let mut kinds = text[..train].to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.len()
    };
    let places = rows.numbers("character").unwrap();
    let (truth, unigram) = (
        rows.texts("truth").unwrap(),
        rows.numbers("unigram").unwrap(),
    );
    assert!(places[0] as usize > text.len() - (text.len() as f64 * 0.05) as usize);
    for i in (0..rows.len()).step_by(97) {
        let character = text[places[i] as usize - 1];
        let shown = if character == '\n' {
            "\\n".to_string()
        } else {
            character.to_string()
        };
        assert_eq!(truth[i], shown);
        let count = text[..train].iter().filter(|&&c| c == character).count();
        let share = (count + 1) as f64 / (train + kinds + 1) as f64;
        assert!((unigram[i] + share.ln()).abs() < 1e-9);
    }
    let right = |i: &usize| truth[*i] == rows.texts("prediction").unwrap()[*i];
    let accuracy = (0..rows.len()).filter(right).count() as f64 / rows.len() as f64;
    assert!((accuracy - test.metrics["accuracy"]).abs() < 1e-12);
}

#[test]
fn the_same_seed_gives_the_same_text_with_any_number_of_threads() {
    let model = &*example().1;
    let text = with_threads(1, || generated(model, "HAM", &options(60, 1.0, 7)));
    for threads in [1, 2, 5] {
        let again = with_threads(threads, || generated(model, "HAM", &options(60, 1.0, 7)));
        assert_eq!(again, text);
    }
    assert_ne!(generated(model, "HAM", &options(60, 1.0, 8)), text);
    // A longer text goes on from a shorter one, and one that is stopped is its beginning.
    let longer = generated(model, "HAM", &options(80, 1.0, 7));
    assert!(longer.starts_with(&text), "{longer:?} and {text:?}");
    let mut pieces = 0;
    let mut five = |_: Piece<'_>| {
        pieces += 1;
        match pieces {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let stopped = model.generate("HAM", &options(60, 1.0, 7), &mut five);
    let stopped = stopped.unwrap();
    assert_eq!(stopped.tokens, 5);
    assert!(text.starts_with(&stopped.text));
}

#[test]
fn the_likeliest_only_is_no_temperature() {
    let model = &*example().1;
    let greedy = generated(model, "The ", &options(60, 0.0, 1));
    for only in [
        GenerateOptions {
            top_k: 1,
            ..options(60, 2.0, 2)
        },
        GenerateOptions {
            top_p: 1e-9,
            ..options(60, 1.0, 3)
        },
    ] {
        assert_eq!(generated(model, "The ", &only), greedy);
    }
    for wrong in [
        options(5, -1.0, 0),
        GenerateOptions {
            seconds: Some(1.0),
            ..options(5, 1.0, 0)
        },
        GenerateOptions {
            top_p: 0.0,
            ..options(5, 1.0, 0)
        },
    ] {
        let error = model.generate("", &wrong, &mut |_| ControlFlow::Continue(()));
        assert_eq!(error.unwrap_err().class(), Class::Usage);
    }
    // Without a prompt a text begins as after a line end.
    let begun = generated(model, "", &options(20, 0.0, 0));
    assert_eq!(begun, generated(model, "\n", &options(20, 0.0, 0)));
}

#[test]
fn a_text_made_with_a_cache_is_that_made_without() {
    const CONTEXT: usize = 16;
    for kind in ["gpt", "lstm"] {
        let mut training = app("text")
            .start(&tiny(kind, 150), &Source::Bundled)
            .unwrap();
        let outcome = Trainer::new().run(training.training()).unwrap();
        let file = training.snapshot(&outcome).unwrap();
        let known: Vec<char> = file.info().fitted["characters"]
            .as_str()
            .unwrap()
            .chars()
            .collect();
        let prompt = "Enter ";
        let predictor = app("text").load(file).unwrap();
        let made = generated(&*predictor, prompt, &options(4 * CONTEXT, 0.0, 0));

        let mut text: Vec<char> = prompt.chars().collect();
        for next in made.chars() {
            // As documented: when the context is full, half of it is given up. An LSTM has read everything.
            let over = text.len().saturating_sub(CONTEXT);
            let start = match kind {
                "gpt" => over.div_ceil(CONTEXT / 2) * (CONTEXT / 2),
                _ => 0,
            };
            let ids: Vec<i64> = text[start..]
                .iter()
                .map(|c| known.binary_search(c).unwrap() as i64)
                .collect();
            let len = ids.len();
            let batch = Batch {
                tensors: vec![Tensor::from_vec(ids, [1, len]).unwrap()],
                rows: vec![0],
            };
            let scores = no_grad(|| training.model().forward(&batch, &mut Ctx::eval())).unwrap();
            let scores: Vec<f32> = scores.to_vec().unwrap();
            let last = &scores[scores.len() - known.len() - 1..scores.len() - 1];
            let best = (0..last.len())
                .max_by(|&a, &b| last[a].total_cmp(&last[b]))
                .unwrap();
            assert_eq!(known[best], next, "{kind} after {} characters", text.len());
            text.push(next);
        }
    }
}

#[test]
fn a_prediction_is_the_next_character_and_how_likely_the_text_is() {
    let model = &*example().1;
    let long = &SHAKESPEARE.text[200_000..203_000];
    let predictions = model
        .predict(&table(&["The que", "e", "zqxjzq", long]))
        .unwrap();
    let (next, probability, nats) = (
        predictions.texts("next").unwrap(),
        predictions.numbers("probability").unwrap(),
        predictions.numbers("nats").unwrap(),
    );
    assert_eq!(
        next[0],
        generated(model, "The que", &options(1, 0.0, 0)),
        "greedy is the prediction"
    );
    assert!(probability.iter().all(|p| (0.01..1.0).contains(p)));
    assert!(nats[1].is_nan(), "one character says nothing");
    assert!(nats[0] < nats[2] && nats[3] < nats[2], "{nats:?}");
    let train = example().0.info.scores[&Part::Train].metrics["loss"];
    assert!((nats[3] - train).abs() < 0.3, "{} and {train}", nats[3]);

    let error = model.predict(&table(&["a", ""])).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(error.to_string().contains("the text is empty"), "{error}");
    let lines = model.table(&Source::Bundled).unwrap();
    assert_eq!(lines.texts("text").unwrap()[0], "ROMEO AND JULIET");
}

/// The message of training on a file with these bytes, less the folder.
fn refused(text: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = bytes(folder.path(), "mine.txt", text);
    let Err(error) = app("text").start(&json!({}), &source) else {
        panic!("the file was taken");
    };
    assert_eq!(error.class(), Class::Data, "{error}");
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn files_that_are_no_text() {
    assert_eq!(
        refused(b"first\nsecond \xff\n"),
        "mine.txt:2: byte 14 of the file (0xff) is not UTF-8 text; save the file as UTF-8"
    );
    assert_eq!(
        refused(b""),
        "mine.txt: there is no text in it; give a file of UTF-8 text"
    );
    assert_eq!(
        refused("ä".repeat(100).as_bytes()),
        "mine.txt: the validation part has 5 of the 100 characters, but a sample takes 64 and the one after them; give more \
         text, or a smaller model.context"
    );
    let absent = Source::File("absent.txt".into());
    let Err(error) = app("text").start(&json!({}), &absent) else {
        panic!("there is no such file");
    };
    assert!(error.to_string().starts_with("absent.txt: cannot be read"));
}

#[test]
fn characters_that_training_never_saw_are_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "The cat sat on the mat.\r\n".repeat(80);
    text += "ЖЖ the dog sat on the log.\r\n";
    let source = bytes(
        folder.path(),
        "mine.txt",
        format!("\u{feff}{text}").as_bytes(),
    );
    let config = json!({
        "model": { "context": 8, "layers": 1, "heads": 1, "width": 8 },
        "train": { "epochs": 1, "max_steps": 3 },
    });
    let (trained, model) = trained(&config, &source);
    let data = &trained.info.data;
    // 24 characters a line, with one line end each.
    assert_eq!(data.rows, 80 * 24 + 27);
    assert_eq!(
        data.notes[0],
        "rows are characters, 13 different ones in the training part; samples are windows of 8, one every 2 for training"
    );
    // Ж (twice), d, g (twice), l: none of them is in the lines before.
    assert_eq!(
        data.notes[1..],
        [
            "line ends of Windows were read as line feeds",
            "6 characters of the validation and test parts are not in the training part, and count as unknown"
        ]
    );
    let test = &trained.info.scores[&Part::Test];
    assert!(test.metrics["loss"].is_finite());
    assert!(test.baselines["bigram"]["loss"].is_finite());

    let made = model
        .generate("dЖ", &options(300, 50.0, 0), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(
        made.notes,
        ["2 characters of the prompt are not in the training text: they are read as unknown"]
    );
    assert_eq!(made.tokens, 300);
    assert!(made.text.chars().all(|c| text.contains(c) && c != 'Ж'));
    // Other data is scored with the same characters; too little of it is refused.
    let other = bytes(folder.path(), "other.txt", "on the quay, ß\n".as_bytes());
    assert!(model.evaluate(&other).unwrap().metrics["loss"].is_finite());
    let little = bytes(folder.path(), "little.txt", b"the cat.");
    let error = model.evaluate(&little).unwrap_err();
    assert!(
        error.to_string().contains("the text has 8 characters"),
        "{error}"
    );
}

#[test]
fn rules_of_the_configuration() {
    let problem = |config: Value| app("text").check(&config)[0].to_string();
    assert_eq!(
        problem(json!({ "model": { "heads": 3 } })),
        "`model.heads`: must divide model.width, but 128 is no multiple of 3; each head takes an equal part of the width"
    );
    assert!(
        app("text")
            .check(&json!({ "model": { "heads": 3, "kind": "lstm" } }))
            .is_empty()
    );
    assert!(problem(json!({ "data": { "val": 0.5, "test": 0.5 } })).starts_with("`data.test`"));
    assert!(problem(json!({ "model": { "context": 1 } })).starts_with("`model.context`"));
    assert!(problem(json!({ "model": { "kind": "gtp" } })).contains("did you mean `gpt`?"));
}

#[test]
fn an_app_that_does_not_generate_says_so() {
    let weather = load_series("weather");
    assert!(!weather.signature().generate);
    let error = weather
        .generate("", &GenerateOptions::default(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    assert_eq!(
        error.to_string(),
        "the app `weather` does not generate; use predict"
    );
    assert!(example().1.signature().generate);
    let error = example().1.forecast(&table(&["a"]), 3).unwrap_err();
    assert!(error.to_string().contains("does not forecast"), "{error}");
}
