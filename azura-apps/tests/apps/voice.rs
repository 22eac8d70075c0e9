//! The voice app: it learns, its scores are what they say, and its sound is the same whichever way it is made.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use azura_core::{Tensor, no_grad, with_threads};
use azura_learner::app::{Part, Predictor};
use azura_learner::data::Table;
use azura_learner::data::audio::{MuLaw, read_wav};
use azura_learner::generate::Piece;
use azura_learner::run::Trained;
use azura_learner::{Batch, Class, Ctx, GenerateOptions, Source, Trainer};
use serde_json::{Value, json};

use crate::app;
use crate::sounds::{interrupted, refused, tone, trained};

/// A model small enough for a test.
fn tiny(steps: u64) -> Value {
    json!({
        "data": { "rate": 2000, "bits": 5 },
        "model": { "context": 32, "embedding": 16, "hidden": 32 },
        "train": { "epochs": 1, "max_steps": steps, "batch": 16, "lr": 1e-2 },
    })
}

type Example = (Trained, Box<dyn Predictor>);

/// A model after 150 steps on the bundled sound; trained once for all tests.
fn example() -> &'static Example {
    static EXAMPLE: OnceLock<Example> = OnceLock::new();
    EXAMPLE.get_or_init(|| trained("voice", &tiny(150), &Source::Bundled))
}

fn options(tokens: usize, seed: u64) -> GenerateOptions {
    GenerateOptions {
        tokens,
        temperature: 1.0,
        seed,
        ..GenerateOptions::default()
    }
}

fn generated(model: &dyn Predictor, prompt: &str, options: &GenerateOptions) -> Vec<f32> {
    let mut sound = Vec::new();
    let mut on_piece = |piece: Piece<'_>| {
        let Piece::Sound { rate, samples } = piece else {
            panic!("the app makes sound")
        };
        assert_eq!(rate, 2000);
        sound.extend_from_slice(samples);
        ControlFlow::Continue(())
    };
    let made = model.generate(prompt, options, &mut on_piece).unwrap();
    assert_eq!(made.tokens, sound.len());
    sound
}

#[test]
fn a_small_model_learns_more_than_how_often_codes_follow_each_other() {
    let (trained, model) = example();
    let test = &trained.info.scores[&Part::Test];
    let (unigram, bigram) = (&test.baselines["unigram"], &test.baselines["bigram"]);
    assert!(test.metrics["loss"] < bigram["loss"], "{test:?}");
    assert!(bigram["loss"] < unigram["loss"], "{test:?}");
    for metrics in [&test.metrics, unigram, bigram] {
        assert!((metrics["bits_per_sample"] - metrics["loss"] / 2f64.ln()).abs() < 1e-12);
    }
    assert_eq!(model.verify().unwrap(), 0.0);
    // The same from the rows.
    let rows = trained.rows.as_ref().unwrap();
    let nats = rows.numbers("nats").unwrap();
    let mean = nats.iter().sum::<f64>() / nats.len() as f64;
    assert!((mean - test.metrics["loss"]).abs() < 1e-9);
}

#[test]
fn an_interrupted_run_gives_the_same_model() {
    let (whole, _) = trained("voice", &tiny(12), &Source::Bundled);
    assert_eq!(
        interrupted("voice", &tiny(12), &Source::Bundled, &[3, 8]),
        whole.sha256
    );
}

#[test]
fn sound_repeats_with_its_seed_and_goes_on_from_a_shorter_one() {
    let model = &*example().1;
    let sound = with_threads(1, || generated(model, "", &options(300, 7)));
    assert_eq!(sound.len(), 300);
    assert_eq!(
        with_threads(3, || generated(model, "", &options(300, 7))),
        sound
    );
    assert_ne!(generated(model, "", &options(300, 8)), sound);
    assert_eq!(generated(model, "", &options(450, 7))[..300], sound);
    let seconds = GenerateOptions {
        seconds: Some(0.15),
        ..options(9, 7)
    };
    assert_eq!(generated(model, "", &seconds), sound);
    let mut pieces = 0;
    let mut two = |_: Piece<'_>| {
        pieces += 1;
        match pieces {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    // A piece is a twentieth of a second.
    let stopped = model.generate("", &options(300, 7), &mut two).unwrap();
    assert_eq!(stopped.tokens, 200);
}

#[test]
fn sound_made_with_a_state_is_that_made_by_reading_all_again() {
    let mut training = app("voice").start(&tiny(20), &Source::Bundled).unwrap();
    let outcome = Trainer::new().run(training.training()).unwrap();
    let predictor = app("voice")
        .load(training.snapshot(&outcome).unwrap())
        .unwrap();
    let law = MuLaw::new(5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let prompt = folder.path().join("prompt.wav");
    tone(&prompt, 2000, 150.0, 0.03);
    let samples = read_wav(&prompt).unwrap().samples;
    for (prompt, before) in [("", vec![0.0]), (prompt.to_str().unwrap(), samples)] {
        let greedy = GenerateOptions {
            temperature: 0.0,
            ..options(40, 0)
        };
        let made = generated(&*predictor, prompt, &greedy);
        let mut codes: Vec<i64> = before.iter().map(|&x| i64::from(law.encode(x))).collect();
        for next in made {
            let batch = Batch {
                tensors: vec![Tensor::from_vec(codes.clone(), [1, codes.len()]).unwrap()],
                rows: vec![0],
            };
            let scores = no_grad(|| training.model().forward(&batch, &mut Ctx::eval())).unwrap();
            let scores: Vec<f32> = scores.to_vec().unwrap();
            let last = &scores[scores.len() - law.codes()..];
            let best =
                (0..last.len()).reduce(|best, i| if last[i] > last[best] { i } else { best });
            let best = best.unwrap() as u32;
            assert_eq!(law.decode(best), next);
            codes.push(i64::from(best));
        }
    }
}

#[test]
fn recordings_of_any_rate_are_scored() {
    let (trained, model) = example();
    let folder = tempfile::tempdir().unwrap();
    tone(&folder.path().join("low.wav"), 8000, 200.0, 0.5);
    tone(&folder.path().join("b/high.wav"), 11_025, 900.0, 0.25);
    let source = Source::File(folder.path().to_path_buf());
    let predictions = model.predict(&model.table(&source).unwrap()).unwrap();
    assert_eq!(predictions.numbers("seconds").unwrap()[1], 0.5);
    let nats = predictions.numbers("nats").unwrap();
    let bits = predictions.numbers("bits_per_sample").unwrap();
    assert!((bits[0] - nats[0] / 2f64.ln()).abs() < 1e-12);
    // The mean over a recording is that of its windows, but for how they begin.
    let scores = model.evaluate(&source).unwrap();
    assert!(scores.metrics["loss"].is_finite());
    // A request must not choose files.
    let table = Table::new("request")
        .with("path", vec!["low.wav".to_string()])
        .unwrap();
    let error = model.predict(&table).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(error.to_string().contains("not from a request"), "{error}");
    assert!(trained.info.signature.generate);
}

#[test]
fn rates_and_channels_are_said() {
    let folder = tempfile::tempdir().unwrap();
    tone(&folder.path().join("a.wav"), 2000, 100.0, 1.0);
    tone(&folder.path().join("b.wav"), 4000, 100.0, 1.0);
    let source = Source::File(folder.path().to_path_buf());
    let training = app("voice").start(&tiny(1), &source).unwrap();
    let data = training.summary();
    assert_eq!(data.rows, 4000);
    assert!(
        data.notes[0].contains("2.0 s in 2 recordings"),
        "{:?}",
        data.notes
    );
    assert_eq!(data.notes[1], "resampled to 2000 Hz: 1 of 4000 Hz");
}

#[test]
fn what_is_no_sound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let source = Source::File(path.clone());
    let say = || refused("voice", &tiny(1), &source, folder.path());
    assert_eq!(
        say(),
        "a.wav: cannot be read: No such file or directory (os error 2); check the path and the permissions"
    );
    std::fs::write(&path, "time,close\n").unwrap();
    assert!(say().starts_with("a.wav: is not a WAV file: no RIFF tag found; give a file"));
    tone(&path, 2000, 100.0, 0.1);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        say(),
        "a.wav: no stretch of the validation part is longer than 20 samples at 2000 Hz, but a window takes 32 and the one \
         after them; give more or longer recordings, or a smaller model.context"
    );
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    assert!(
        say().starts_with("a.wav: is cut short: 150 of 200 samples are there"),
        "{}",
        say()
    );
    std::fs::write(&path, &bytes[..44]).unwrap();
    assert!(say().contains("is cut short"), "{}", say());
    let model = &*example().1;
    let absent = model.generate("none.wav", &options(3, 0), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(
        absent
            .unwrap_err()
            .to_string()
            .starts_with("none.wav: cannot be read")
    );
}
