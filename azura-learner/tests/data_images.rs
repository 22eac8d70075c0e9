//! Layouts of image data: what is read, and what each refusal says.

use std::io::Write;
use std::path::{Path, PathBuf};

use azura_learner::data::DataErrorKind;
use azura_learner::data::image::{
    BadFiles, Colour, Fit, ImageShape, Known, Labelled, ReadImages, encode_png, read_images,
};
use tempfile::TempDir;

fn options() -> ReadImages {
    ReadImages::default()
}

fn all_bytes(labelled: &Labelled) -> Vec<u8> {
    let rows: Vec<usize> = (0..labelled.images.len()).collect();
    labelled.images.read(&rows).unwrap()
}

fn refused(path: &Path, options: &ReadImages) -> (DataErrorKind, String) {
    let error = read_images(path, options).unwrap_err();
    (error.kind(), error.to_string())
}

/// IDX of these sizes.
fn idx(magic: u32, sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = magic.to_be_bytes().to_vec();
    for size in sizes {
        file.extend(size.to_be_bytes());
    }
    file.extend(bytes);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const IMAGES: u32 = 0x803;
const LABELS: u32 = 0x801;

/// Three training images, one packed; one test image.
fn mnist() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let pixels: Vec<u8> = (0..18).collect();
    write(
        "train-images-idx3-ubyte.gz",
        &gzip(&idx(IMAGES, &[3, 2, 3], &pixels)),
    );
    write("train-labels-idx1-ubyte", &idx(LABELS, &[3], &[7, 0, 7]));
    write(
        "t10k-images-idx3-ubyte",
        &idx(IMAGES, &[1, 2, 3], &[200; 6]),
    );
    write("t10k-labels-idx1-ubyte.gz", &gzip(&idx(LABELS, &[1], &[0])));
    folder
}

#[test]
fn idx_files_are_read_packed_or_not() {
    let folder = mnist();
    let labelled = read_images(folder.path(), &options()).unwrap();
    assert_eq!(labelled.classes, ["0", "7"]);
    assert_eq!(labelled.labels, [1, 0, 1, 0]);
    assert_eq!(
        labelled.images.shape(),
        ImageShape {
            channels: 1,
            height: 2,
            width: 3
        }
    );
    let bytes = all_bytes(&labelled);
    assert_eq!(bytes[..18], (0..18).collect::<Vec<u8>>());
    assert_eq!(bytes[18..], [200; 6]);
    let parts = labelled.parts.unwrap();
    assert_eq!(
        (parts.train, parts.val, parts.test),
        (vec![0, 1, 2], vec![], vec![3])
    );
    assert_eq!(labelled.names[3], "t10k-images-idx3-ubyte 0");
    // One file of the pair is enough to name it; then there are no parts.
    let one = read_images(
        &folder.path().join("train-images-idx3-ubyte.gz"),
        &options(),
    )
    .unwrap();
    assert_eq!((one.labels.len(), one.parts), (3, None));
}

#[test]
fn idx_files_that_are_wrong_are_refused_with_the_reason() {
    let folder = mnist();
    let images = folder.path().join("t10k-images-idx3-ubyte");
    let whole = std::fs::read(&images).unwrap();
    for (bytes, kind, says) in [
        (
            idx(0x802, &[1, 2, 3], &[0; 6]),
            DataErrorKind::Encoding,
            "begins with 0x00000802",
        ),
        (
            whole[..20].to_vec(),
            DataErrorKind::Size,
            "ends after 4 of 6 bytes; copy the file again",
        ),
        (whole[..6].to_vec(), DataErrorKind::Io, "it ends too early"),
        (
            [whole.clone(), vec![1]].concat(),
            DataErrorKind::Size,
            "goes on after the 6 bytes",
        ),
        (
            idx(IMAGES, &[0, 2, 3], &[]),
            DataErrorKind::Size,
            "[0, 2, 3]",
        ),
        (
            idx(IMAGES, &[u32::MAX; 3], &[]),
            DataErrorKind::Size,
            "says that it holds",
        ),
        (
            idx(IMAGES, &[2, 2, 3], &[0; 12]),
            DataErrorKind::Size,
            "1 labels, but",
        ),
        (
            idx(IMAGES, &[1, 1, 3], &[0; 3]),
            DataErrorKind::Size,
            "but others of",
        ),
    ] {
        std::fs::write(&images, bytes).unwrap();
        let (found, text) = refused(folder.path(), &options());
        assert!(
            found == kind && text.contains(says) && text.contains("t10k-"),
            "{found:?}: {text}"
        );
    }
    // A packed file that is cut off.
    let packed = gzip(&whole);
    std::fs::remove_file(&images).unwrap();
    std::fs::write(
        folder.path().join("t10k-images-idx3-ubyte.gz"),
        &packed[..packed.len() - 9],
    )
    .unwrap();
    let (_, text) = refused(folder.path(), &options());
    assert!(text.contains("t10k-images-idx3-ubyte.gz: "), "{text}");
    std::fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
    let (_, text) = refused(folder.path(), &options());
    assert!(
        text.contains("the labels `train-labels-idx1-ubyte` (or .gz) are not beside it"),
        "{text}"
    );
}

#[test]
fn labels_that_a_model_does_not_know_are_refused() {
    let folder = mnist();
    let known = Known {
        shape: ImageShape {
            channels: 3,
            height: 4,
            width: 4,
        },
        classes: vec!["0".to_string(), "1".to_string()],
        pixels: None,
    };
    let options = ReadImages {
        known: Some(known.clone()),
        ..options()
    };
    let (kind, text) = refused(folder.path(), &options);
    assert_eq!(kind, DataErrorKind::OutOfRange);
    assert!(
        text.contains("train-images-idx3-ubyte.gz 0 has the label 7; classes of the model: 0, 1"),
        "{text}"
    );
    // Those that it knows get the model's shape and numbers.
    let known = Known {
        classes: vec!["9".into(), "7".into(), "0".into()],
        ..known
    };
    let options = ReadImages {
        known: Some(known),
        ..options
    };
    let labelled = read_images(folder.path(), &options).unwrap();
    assert_eq!(labelled.labels, [1, 2, 1, 2]);
    assert_eq!(labelled.images.shape().bytes(), 48);
}

fn cifar(folder: &Path, name: &str, labels: &[u8], fine: Option<u8>) -> PathBuf {
    let mut bytes = Vec::new();
    for &label in labels {
        bytes.extend(fine.map(|_| 3));
        bytes.push(label);
        bytes.extend((0..3072).map(|i| (i / 1024) as u8 * 60 + label));
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn cifar_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    cifar(folder.path(), "data_batch_1.bin", &[3, 9], None);
    cifar(folder.path(), "data_batch_2.bin", &[0], None);
    let test = cifar(folder.path(), "test_batch.bin", &[9], None);
    let labelled = read_images(folder.path(), &options()).unwrap();
    assert_eq!(
        (labelled.labels.clone(), labelled.classes.len()),
        (vec![3, 9, 0, 9], 10)
    );
    let parts = labelled.parts.clone().unwrap();
    assert_eq!((parts.train, parts.test), (vec![0, 1, 2], vec![3]));
    let image = labelled.images.read(&[1]).unwrap();
    assert_eq!((image[0], image[1024], image[3071]), (9, 69, 129));

    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    std::fs::write(folder.path().join("batches.meta.txt"), names).unwrap();
    let named = read_images(folder.path(), &options()).unwrap();
    assert_eq!(named.classes[3], "cat");

    cifar(folder.path(), "test_batch.bin", &[1, 10], None);
    let (kind, text) = refused(folder.path(), &options());
    assert_eq!(kind, DataErrorKind::OutOfRange);
    assert!(
        text.contains("test_batch.bin: record 2 has the label 10"),
        "{text}"
    );
    std::fs::write(&test, &std::fs::read(&test).unwrap()[..4000]).unwrap();
    let (kind, text) = refused(folder.path(), &options());
    assert_eq!(kind, DataErrorKind::Size);
    assert!(
        text.contains("record 2 is cut off; copy the file again, whole"),
        "{text}"
    );

    let hundred = tempfile::tempdir().unwrap();
    cifar(hundred.path(), "train.bin", &[99, 4], Some(0));
    cifar(hundred.path(), "test.bin", &[4], Some(0));
    let labelled = read_images(hundred.path(), &options()).unwrap();
    assert_eq!(
        (labelled.labels, labelled.classes.len()),
        (vec![99, 4, 4], 100)
    );
}

/// A PNG of one brightness for each channel.
fn png(folder: &Path, name: &str, size: [usize; 2], colours: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let shape = ImageShape {
        channels: colours.len(),
        height: size[0],
        width: size[1],
    };
    let planes: Vec<u8> = colours
        .iter()
        .flat_map(|&c| vec![c; shape.plane()])
        .collect();
    std::fs::write(path, encode_png(&planes, shape).unwrap()).unwrap();
}

fn pets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        png(
            folder.path(),
            &format!("cat/{i}.png"),
            [4, 4],
            &[10 + i, 20, 30],
        );
        png(
            folder.path(),
            &format!("dog/deep/{i}.PNG"),
            [4, 4],
            &[200 + i, 20, 30],
        );
    }
    folder
}

#[test]
fn a_folder_for_each_class_is_read() {
    let folder = pets();
    std::fs::write(folder.path().join(".DS_Store"), "x").unwrap();
    let labelled = read_images(folder.path(), &options()).unwrap();
    assert_eq!(labelled.classes, ["cat", "dog"]);
    assert_eq!(labelled.labels, [0, 0, 0, 1, 1, 1]);
    assert_eq!(labelled.names[4], "dog/deep/1.PNG");
    assert_eq!((labelled.bad.len(), labelled.parts.clone()), (0, None));
    let bytes = all_bytes(&labelled);
    assert_eq!((bytes[0], bytes[16], bytes[4 * 48]), (10, 20, 201));

    // Files that stay on the disk give the same bytes.
    let lazy = ReadImages {
        memory: 10,
        ..options()
    };
    let lazy = read_images(folder.path(), &lazy).unwrap();
    assert!(!lazy.images.in_memory() && labelled.images.in_memory());
    assert_eq!(all_bytes(&lazy), bytes);

    let grey = ReadImages {
        colour: Colour::Grey,
        size: 6,
        fit: Fit::Stretch,
        ..options()
    };
    let grey = read_images(folder.path(), &grey).unwrap();
    assert_eq!(
        grey.images.shape(),
        ImageShape {
            channels: 1,
            height: 6,
            width: 6
        }
    );
    // 0.299 · 10 + 0.587 · 20 + 0.114 · 30 = 18.15
    assert_eq!(grey.images.read(&[0]).unwrap(), [18; 36]);
}

#[test]
fn parts_in_folders_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 3), ("val", 1), ("test", 2)] {
        for class in ["a", "b"] {
            for i in 0..count {
                png(
                    folder.path(),
                    &format!("{part}/{class}/{i}.png"),
                    [2, 2],
                    &[9],
                );
            }
        }
    }
    let labelled = read_images(folder.path(), &options()).unwrap();
    let parts = labelled.parts.unwrap();
    assert_eq!(
        (parts.train.len(), parts.val.len(), parts.test.len()),
        (6, 2, 4)
    );
    assert_eq!(labelled.images.shape().channels, 1);
    png(folder.path(), "test/c/0.png", [2, 2], &[9]);
    let (kind, text) = refused(folder.path(), &options());
    assert_eq!(kind, DataErrorKind::OutOfRange);
    assert!(
        text.contains("the class `c` has no folder among the training images; known classes: a, b"),
        "{text}"
    );
}

#[test]
fn bad_files_are_listed_or_refused_and_never_skipped_in_silence() {
    let folder = pets();
    let whole = std::fs::read(folder.path().join("cat/0.png")).unwrap();
    let bad = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    bad("cat/empty.png", b"");
    bad("cat/text.jpg", b"this is no picture at all");
    bad("dog/cut.png", &whole[..whole.len() - 16]);
    bad("dog/notes.txt", b"notes");
    bad("readme.md", b"read me");
    let labelled = read_images(folder.path(), &options()).unwrap();
    assert_eq!(labelled.labels.len(), 6);
    let listed: Vec<(String, &str)> = labelled
        .bad
        .iter()
        .map(|bad| {
            let name = Path::new(&bad.file).file_name().unwrap();
            (name.to_string_lossy().into_owned(), bad.why.as_str())
        })
        .collect();
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["empty.png", "text.jpg", "cut.png", "notes.txt", "readme.md"] {
        assert!(names.contains(&name), "{listed:?}");
    }
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|(_, why)| why.len() > 5));

    let strict = ReadImages {
        bad: BadFiles::Error,
        ..options()
    };
    let (_, text) = refused(folder.path(), &strict);
    assert!(
        text.contains("more files cannot be used") && text.contains("data.bad=list"),
        "{text}"
    );
    assert!(read_images(pets().path(), &strict).is_ok());
}

#[test]
fn folders_without_what_is_needed_are_refused() {
    let empty = tempfile::tempdir().unwrap();
    let (kind, text) = refused(empty.path(), &options());
    assert_eq!(kind, DataErrorKind::Empty);
    assert!(
        text.contains("holds no images") && text.contains("DIR/cat/1.png"),
        "{text}"
    );
    png(empty.path(), "a.png", [2, 2], &[1]);
    let (_, text) = refused(empty.path(), &options());
    assert!(
        text.contains("holds images, but no folder for each class"),
        "{text}"
    );

    let folder = pets();
    std::fs::create_dir(folder.path().join("bird")).unwrap();
    let (kind, text) = refused(folder.path(), &options());
    assert_eq!(kind, DataErrorKind::Empty);
    assert!(
        text.contains("bird: holds no PNG or JPEG; put images of the class into it"),
        "{text}"
    );

    let one = tempfile::tempdir().unwrap();
    png(one.path(), "cat/1.png", [2, 2], &[1]);
    png(one.path(), "cat/2.png", [2, 2], &[1]);
    let (kind, text) = refused(one.path(), &options());
    assert_eq!(kind, DataErrorKind::Size);
    assert!(
        text.contains("all 2 images are of one class, `cat`; a classifier needs at least two"),
        "{text}"
    );

    let folder = pets();
    png(folder.path(), "dog/large.png", [5, 4], &[1, 2, 3]);
    let (kind, text) = refused(folder.path(), &options());
    assert_eq!(kind, DataErrorKind::Size);
    assert!(
        text.contains("large.png: 5 × 4 pixels, but") && text.contains("data.size=64"),
        "{text}"
    );
    let sized = ReadImages {
        size: 4,
        ..options()
    };
    assert_eq!(read_images(folder.path(), &sized).unwrap().labels.len(), 7);

    let image = folder.path().join("cat/0.png");
    assert!(
        refused(&image, &options())
            .1
            .contains("one image is no data set")
    );
}

#[test]
fn a_table_of_pixels_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pixels.csv");
    let table = |text: &str| std::fs::write(&path, text).unwrap();
    table("label,a,b,c,d\ncat,0,16,8,4\ndog,1,2,3,4\ncat,0,0,0,0\n");
    let labelled = read_images(&path, &options()).unwrap();
    assert_eq!(
        (labelled.classes.clone(), labelled.labels.clone()),
        (vec!["cat".into(), "dog".into()], vec![0, 1, 0])
    );
    // White is 16: 8 is half of it.
    assert_eq!(all_bytes(&labelled)[..4], [0, 255, 128, 64]);
    assert_eq!(labelled.names[1], "line 3");
    table("a,b,c,d,label\n0,1,0.5,0,10\n0,0,0,0,9\n");
    let labelled = read_images(&path, &options()).unwrap();
    // Numbers are in the order of numbers.
    assert_eq!(labelled.classes, ["9", "10"]);
    assert_eq!(all_bytes(&labelled)[..4], [0, 255, 128, 0]);
    for (text, says) in [
        (
            "label,a,b\n1,2,3\n2,3,4\n",
            "2 columns beside `label` are the pixels of no square image",
        ),
        (
            "label,a\n1,300\n2,3\n",
            "pixels.csv:2: column `a` (2): 300 is no brightness from 0 to 255",
        ),
        ("label,a\n1,-1\n2,3\n", "-1 is no brightness"),
        (
            "label,a\n1.5,1\n2,3\n",
            "pixels.csv:2: column `label` (1): 1.5 is no label",
        ),
        ("class,a\n1,1\n2,3\n", "label"),
        ("label,a\n1,x\n2,3\n", "a"),
    ] {
        table(text);
        let (_, found) = refused(&path, &options());
        assert!(found.contains(says), "{found}");
    }
}
