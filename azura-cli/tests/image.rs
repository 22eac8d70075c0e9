//! The app `image` as a person uses it: a folder of pictures in, a model, and predictions for other pictures.

mod common;

use std::path::Path;
use std::sync::OnceLock;

use azura_learner::data::image::{ImageShape, encode_png};
use common::{Folder, says};

/// A picture of stripes, across or down, moved by `i`.
fn stripes(folder: &Path, name: &str, across: bool, i: usize) {
    let shape = ImageShape {
        channels: 1,
        height: 8,
        width: 8,
    };
    let pixel = |at: usize| {
        let line = if across { at / 8 } else { at % 8 };
        if (line + i) % 4 < 2 {
            200 + (i % 40) as u8
        } else {
            20
        }
    };
    let bytes: Vec<u8> = (0..64).map(pixel).collect();
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode_png(&bytes, shape).unwrap()).unwrap();
}

/// A folder with pictures and a model of them.
fn trained() -> &'static Folder {
    static TRAINED: OnceLock<Folder> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new("image-shared");
        for i in 0..60 {
            stripes(folder.path(), &format!("stripes/across/{i}.png"), true, i);
            stripes(folder.path(), &format!("stripes/down/{i}.png"), false, i);
        }
        for i in 60..64 {
            stripes(folder.path(), &format!("new/{i}.png"), i % 2 == 0, i);
        }
        folder.write("stripes/across/broken.png", "no picture");
        let run = folder.ok([
            "train",
            "image",
            "--data",
            "stripes",
            "model.width=4",
            "augment.crop=1",
            "train.epochs=4",
        ]);
        for part in [
            "found a folder for each class: 120 images of 8 × 8 pixels, grey",
            "left out: 1 file that cannot be used (data.bad=error refuses them)",
            "broken.png: neither PNG nor JPEG",
            "azura predict image IN.png",
        ] {
            assert!(run.stderr.contains(part), "{part} is not in {}", run.stderr);
        }
        assert!(run.stdout.contains("calibration_error"), "{}", run.stdout);
        folder
    })
}

#[test]
fn pictures_are_classified() {
    let folder = trained();
    let run = folder.ok(["predict", "image", "new", "--top-k", "2"]);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "file,prediction,probability,prediction_2,probability_2"
    );
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    for (line, (file, class)) in lines[1..].iter().zip([
        ("new/60.png", "across"),
        ("new/61.png", "down"),
        ("new/62.png", "across"),
        ("new/63.png", "down"),
    ]) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[..2], [file, class], "{}", run.stdout);
        let p = |i: usize| cells[i].parse::<f64>().unwrap();
        assert!((p(2) + p(4) - 1.0).abs() < 1e-9 && p(2) > 0.5);
    }
    // A file that cannot be read is said, and the others are predicted.
    let run = folder.ok([
        "predict",
        "image",
        "new/60.png",
        "stripes/across/broken.png",
        "--json",
    ]);
    let document = run.json();
    assert_eq!(document["rows"], 1);
    assert_eq!(document["bad"][0]["reason"], "neither PNG nor JPEG");
    assert!(
        run.stderr
            .contains("stripes/across/broken.png: neither PNG nor JPEG; left out"),
        "{}",
        run.stderr
    );
    let plots = folder.path().join("runs/image");
    let run = std::fs::read_dir(plots)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    for plot in ["confusion.svg", "calibration.svg", "curves.svg"] {
        assert!(run.join("plots").join(plot).is_file(), "{plot}");
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    let folder = trained();
    std::fs::create_dir_all(folder.path().join("empty")).unwrap();
    for (line, code, part) in [
        (
            vec!["predict", "image", "nowhere.png"],
            3,
            "the file nowhere.png is not there",
        ),
        (
            vec!["predict", "image", "stripes/across/broken.png"],
            3,
            "neither PNG nor JPEG",
        ),
        (
            vec!["predict", "image", "empty"],
            3,
            "no file in the folder ends in png, jpg, jpeg",
        ),
        (
            vec!["predict", "image", "new/60.png", "table.csv"],
            2,
            "several inputs must all be folders or end in png, jpg, jpeg",
        ),
        (vec!["evaluate", "image", "nowhere"], 3, "is not there"),
    ] {
        let run = folder.run(&line);
        says(&run, code, &[part]);
    }
    let run = folder.ok(["evaluate", "image", "stripes"]);
    assert!(run.stdout.contains("accuracy"), "{}", run.stdout);
}
