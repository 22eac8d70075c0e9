//! `azura generate`, from training to text.

mod common;

use std::io::Read;
use std::sync::OnceLock;

use common::{Folder, says, short};

/// A folder with a tiny model of a tiny text.
fn trained() -> &'static Folder {
    static TRAINED: OnceLock<Folder> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new("generate-shared");
        let story = "The cat sat on the mat, and the dog sat on the log.\n".repeat(60);
        folder.write("story.txt", &story);
        let run = folder.ok([
            "train",
            "text",
            "--data",
            "story.txt",
            "model.context=16",
            "model.layers=1",
            "model.heads=2",
            "model.width=16",
            "train.lr=1e-2",
            "train.max_steps=60",
        ]);
        assert!(
            run.stderr.contains("│ azura generate text │"),
            "{}",
            run.stderr
        );
        assert!(run.stdout.contains("bits_per_char"), "{}", run.stdout);
        folder
    })
}

#[test]
fn text_goes_on_from_the_prompt_and_repeats_with_its_seed() {
    let folder = trained();
    let line = [
        "generate",
        "text",
        "--prompt",
        "The ",
        "--tokens",
        "40",
        "--temperature",
        "1",
        "--seed",
        "3",
    ];
    let run = folder.ok(line);
    let text = run.stdout.strip_prefix("The ").expect("the prompt");
    assert_eq!(text.chars().count(), 41, "{text:?}");
    assert_eq!(run.stderr, "");
    let threads = line.iter().chain(&["--threads", "1"]);
    assert_eq!(folder.ok(threads).stdout, run.stdout);
    let other = line[..8].iter().chain(&["--seed", "4"]);
    assert_ne!(folder.ok(other).stdout, run.stdout);

    let document = folder.ok(line.iter().chain(&["--json"])).json();
    assert_eq!(document["schema"], "azura.generate/1");
    assert_eq!(document["ok"], true);
    assert_eq!(document["app"], "text");
    assert_eq!(document["prompt"], "The ");
    assert_eq!(
        format!("{}\n", document["text"].as_str().unwrap()),
        text,
        "the document and the screen"
    );
    assert_eq!(document["tokens"], 40);
    assert_eq!(document["seed"], 3);
    assert_eq!(document["notes"].as_array().unwrap().len(), 0);

    let greedy = ["generate", "text", "--tokens", "20", "--temperature", "0"];
    let text = folder.ok(greedy).stdout;
    let top = ["generate", "text", "--tokens", "20", "--top-k", "1"];
    assert_eq!(folder.ok(top).stdout, text);
    let nucleus = ["generate", "text", "--tokens", "20", "--top-p", "1e-9"];
    assert_eq!(folder.ok(nucleus).stdout, text);

    let unknown = folder.ok(["generate", "text", "--prompt=-=Ж", "--tokens", "3"]);
    assert!(unknown.stdout.starts_with("-=Ж"), "{}", unknown.stdout);
    assert!(
        unknown
            .stderr
            .contains("note: 3 characters of the prompt are not in the training text"),
        "{}",
        unknown.stderr
    );
    let plan = folder.ok(["generate", "text", "-n"]);
    assert_eq!(plan.stdout, "");
    assert!(
        plan.stderr.contains("at most 500 tokens"),
        "{}",
        plan.stderr
    );
}

#[test]
fn text_is_shown_as_it_is_made_and_a_reader_may_go_away() {
    let mut child = trained()
        .azura(["generate", "text", "--tokens", "1000000"])
        .spawn()
        .unwrap();
    // A million characters would take minutes; ten of them are there at once, and nobody reads on.
    let mut begin = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut begin).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn what_is_out_of_range_is_says() {
    let folder = trained();
    for (flag, value, rule) in [
        ("--tokens", "0", "0 is not in 1..=1000000"),
        ("--temperature", "-1", "must be between 0 and 100"),
        ("--temperature", "NaN", "must be between 0 and 100"),
        ("--temperature", "warm", "write a number, such as 0.8"),
        ("--top-k", "0", "0 is not in 1..=1000000"),
        ("--top-p", "0", "must be above 0 and at most 1"),
        ("--top-p", "1.5", "must be above 0 and at most 1"),
    ] {
        let run = folder.run(["generate", "text", flag, value]);
        says(&run, 2, &["E0201", flag, rule, "argument 3"]);
        assert_eq!(run.stdout, "");
    }
    let key = folder.run(["generate", "text", "train.lr=1"]);
    says(
        &key,
        2,
        &["`generate` takes no configuration key, but got `train.lr`"],
    );
}

#[test]
fn an_app_that_does_not_generate_says_so() {
    let folder = Folder::new("generate-weather");
    folder.ok(short(["train.epochs=1", "-q"]));
    let run = folder.run(["generate", "weather"]);
    says(
        &run,
        2,
        &[
            "error[E0201]: the app `weather` does not generate",
            "help: use predict",
        ],
    );
    let run = trained().run(["forecast", "text"]);
    says(&run, 2, &["the app `text` does not forecast"]);
    let run = folder.run(["generate", "text"]);
    says(&run, 10, &["train one first: azura train text"]);
}

#[test]
fn sound_goes_to_a_wav_file_and_is_heard_again() {
    let folder = Folder::new("generate-sound");
    folder.ok([
        "train",
        "voice",
        "data.rate=2000",
        "data.bits=5",
        "model.context=32",
        "model.embedding=8",
        "model.hidden=16",
        "train.max_steps=20",
    ]);
    let line = ["generate", "voice", "--seconds", "0.25", "--seed", "3"];
    let run = folder.run(line);
    says(&run, 2, &["E0201", "a sound needs a file", "-o new.wav"]);
    let run = folder.ok(line.iter().chain(&["-o", "new.wav"]));
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr
            .contains("wrote new.wav   0.25 s, 500 samples at 2000 Hz"),
        "{}",
        run.stderr
    );
    let wav = std::fs::read(folder.path().join("new.wav")).unwrap();
    assert_eq!(wav.len(), 44 + 1000);
    let document = folder
        .ok(line.iter().chain(&["-o", "new.wav", "--json"]))
        .json();
    assert_eq!(document["tokens"], 500);
    assert_eq!(document["seconds"], 0.25);
    assert_eq!(document["rate"], 2000);
    assert!(document["text"].is_null());
    assert_eq!(std::fs::read(folder.path().join("new.wav")).unwrap(), wav);

    let heard = folder.ok(["predict", "voice", "new.wav"]);
    assert!(
        heard
            .stdout
            .starts_with("path,seconds,nats,bits_per_sample\n"),
        "{}",
        heard.stdout
    );
    assert!(heard.stdout.contains("new.wav,0.25,"), "{}", heard.stdout);
    folder.write("list.csv", "path\nnew.wav\n");
    let listed = folder.ok(["predict", "voice", "list.csv"]);
    assert!(
        listed.stdout.contains("\nnew.wav,0.25,"),
        "{}",
        listed.stdout
    );
    folder.write("bad.wav", "no sound");
    let bad = folder.run(["predict", "voice", "bad.wav"]);
    says(&bad, 3, &["E0301", "is not a WAV file", "bad.wav"]);
    let both = folder.run(["generate", "voice", "--tokens", "3", "--seconds", "1"]);
    says(&both, 2, &["E0201", "--seconds"]);
}
