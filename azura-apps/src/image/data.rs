//! From a path to the three parts of its images, with what preprocessing learned from the training images.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use azura_core::Rng;
use azura_learner::app::{DataSummary, Prepared};
use azura_learner::baselines::Logistic;
use azura_learner::data::image::{
    ImageShape, Images, Known, Labelled, PixelTable, ReadImages, convert_images, read_idx_bytes,
    read_images, read_pixels,
};
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, ImageRows, Normalise, Parts, Table,
    read_csv_all, read_csv_all_from, sha256_path, split_stratified, stratified_folds,
};
use azura_learner::fs::sha256_hex;
use azura_learner::{Error, Problem, Result, Source};
use serde::{Deserialize, Serialize};

use super::config::{ImageConfig, ImageSet};
use crate::Bundled;

/// Handwritten digits of 8 × 8 pixels.
pub const DIGITS: Bundled = Bundled {
    name: "datasets/digits/digits.csv",
    text: include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/digits/digits.csv"
    )),
};

/// The images of a part of MNIST, an IDX file, packed; its name and its bytes.
pub const MNIST_IMAGES: (&str, &[u8]) = (
    "datasets/mnist/part-images-idx3-ubyte.gz",
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/mnist/part-images-idx3-ubyte.gz"
    )),
);
/// Their labels.
pub const MNIST_LABELS: (&str, &[u8]) = (
    "datasets/mnist/part-labels-idx1-ubyte.gz",
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/mnist/part-labels-idx1-ubyte.gz"
    )),
);
/// How many of them, from the first on, are for training.
const MNIST_TRAINING: usize = 8000;

/// The penalty of the logistic regression: scikit-learn's default.
const PENALTY: f64 = 1.0;
/// Pixels · classes · images that the logistic regression is fitted to at most: some twenty seconds.
const LINEAR_WORK: usize = 40_000_000;
/// Weights that it may have: they are part of the model file.
const LINEAR_WEIGHTS: usize = 100_000;
/// Bad files that are named; more are counted.
const NAMED: usize = 100;
/// Images that are read at a time.
const AT_ONCE: usize = 1024;

/// What preprocessing learned from the training images; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub(super) classes: Vec<String>,
    pub(super) shape: ImageShape,
    pub(super) normalise: Normalise,
    /// Training images of each class.
    pub(super) counts: Vec<usize>,
    /// The linear model of all pixels, unless there are too many.
    pub(super) logistic: Option<Logistic>,
    /// The columns, if the images are rows of a table.
    pub(super) pixels: Option<PixelTable>,
}

/// The images of one part.
#[derive(Clone, Debug)]
pub struct ImageSamples {
    pub(super) rows: ImageRows,
    /// What people call each image.
    pub(super) names: Vec<String>,
}

impl Dataset for ImageSamples {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.rows.batch(rows)
    }

    fn training_batch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        self.rows.training_batch(rows, epoch)
    }
}

impl ImageSamples {
    /// Calls `f` with the pixels of each image, from 0 to 255, in order.
    pub(super) fn each(&self, mut f: impl FnMut(&[f64])) -> DataResult<()> {
        let rows: Vec<usize> = (0..self.len()).collect();
        for rows in rows.chunks(AT_ONCE) {
            let bytes = self.rows.bytes(rows)?;
            let numbers: Vec<f64> = bytes.iter().map(|&x| f64::from(x)).collect();
            let size = self.rows.images().shape().bytes();
            numbers.chunks_exact(size).for_each(&mut f);
        }
        Ok(())
    }
}

fn options(config: &ImageConfig, known: Option<Known>) -> ReadImages {
    let data = &config.data;
    ReadImages {
        size: data.size,
        colour: data.colour,
        fit: data.fit,
        bad: data.bad,
        memory: data.memory.saturating_mul(1 << 20),
        label: data.label.clone(),
        known,
    }
}

/// The name and the sha256 of a set that comes with the program.
fn bundled(set: ImageSet) -> (&'static str, String) {
    match set {
        ImageSet::Digits => (DIGITS.name, sha256_hex(DIGITS.text.as_bytes())),
        ImageSet::Mnist => {
            let bytes = [MNIST_IMAGES.1, MNIST_LABELS.1].concat();
            (MNIST_IMAGES.0, sha256_hex(&bytes))
        }
    }
}

fn read(config: &ImageConfig, source: &Source, known: Option<Known>) -> DataResult<Labelled> {
    let options = options(config, known);
    match (source, config.data.dataset) {
        (Source::File(path), _) => read_images(path, &options),
        (Source::Bundled, ImageSet::Digits) => {
            read_pixels(DIGITS.text.as_bytes(), DIGITS.name, &options)
        }
        (Source::Bundled, ImageSet::Mnist) => {
            let (name, images) = MNIST_IMAGES;
            read_idx_bytes(images, MNIST_LABELS.1, name, MNIST_TRAINING, &options)
        }
    }
}

/// Reads, splits and fits.
pub(super) fn prepare(
    config: &ImageConfig,
    source: &Source,
) -> Result<Prepared<Fitted, ImageSamples>> {
    let labelled = read(config, source, None)?;
    let (name, sha256) = match source {
        Source::Bundled => {
            let (name, sha256) = bundled(config.data.dataset);
            (name.to_string(), sha256)
        }
        Source::File(path) => (path.display().to_string(), sha256_path(path)?),
    };
    let parts = deal(&labelled, config).map_err(|error| match error {
        Error::Data(error) => Error::Data(error.in_file(&name)),
        other => other,
    })?;
    let Labelled {
        images,
        labels,
        classes,
        names,
        bad,
        pixels,
        layout,
        ..
    } = labelled;
    let shape = images.shape();
    let mut notes = vec![format!(
        "found {layout}: {} images of {shape}",
        images.len()
    )];
    if !bad.is_empty() {
        let count = match bad.len() {
            1 => "1 file that cannot be used".to_string(),
            n => format!("{n} files that cannot be used"),
        };
        notes.push(format!("left out: {count} (data.bad=error refuses them)"));
        notes.extend(bad.iter().take(NAMED).map(|bad| format!("left out: {bad}")));
        if bad.len() > NAMED {
            notes.push(format!("left out: … and {} more", bad.len() - NAMED));
        }
    }
    if !images.in_memory() {
        let limit = config.data.memory;
        notes.push(format!(
            "images stay in their files, since together they have more than {limit} MiB (data.memory)"
        ));
    }
    let mut counts = vec![0; classes.len()];
    for &row in &parts.train {
        counts[labels[row]] += 1;
    }
    notes.extend(absent(&classes, &counts));
    let images = Arc::new(images);
    let normalise = Normalise::fit(&images, &parts.train)?;
    let logistic = linear(&images, &labels, &classes, &parts.train, config, &mut notes)?;
    let part = |rows: &[usize]| ImageSamples {
        names: rows.iter().map(|&row| names[row].clone()).collect(),
        rows: ImageRows::new(
            Arc::clone(&images),
            &labels,
            classes.len(),
            rows.to_vec(),
            normalise.clone(),
        ),
    };
    let [mut train, val, test] = [&parts.train, &parts.val, &parts.test].map(|rows| part(rows));
    train.rows = train
        .rows
        .augmented(config.augment.clone(), config.train.seed);
    notes.extend(copies(&train, &[("validation", &val), ("test", &test)])?);
    let shown = match classes.len() {
        0..=20 => classes.join(", "),
        n => format!("{}, … and {} more", classes[..10].join(", "), n - 10),
    };
    let summary = DataSummary {
        source: name,
        rows: images.len(),
        columns: vec![format!("{} classes: {shown}", classes.len())],
        sha256,
        train: train.len(),
        val: val.len(),
        test: test.len(),
        notes,
        ..DataSummary::default()
    };
    Ok(Prepared {
        fitted: Fitted {
            classes,
            shape,
            normalise,
            counts,
            logistic,
            pixels,
        },
        train: Arc::new(train),
        val: Arc::new(val),
        test: Arc::new(test),
        summary,
    })
}

/// Every image of a source, with the preprocessing that was fitted in training.
pub(super) fn open(config: &ImageConfig, fitted: &Fitted, source: &Source) -> Result<ImageSamples> {
    let known = Known {
        shape: fitted.shape,
        classes: fitted.classes.clone(),
        pixels: fitted.pixels.clone(),
    };
    let labelled = read(config, source, Some(known))?;
    let rows = (0..labelled.images.len()).collect();
    Ok(ImageSamples {
        names: labelled.names,
        rows: ImageRows::new(
            Arc::new(labelled.images),
            &labelled.labels,
            fitted.classes.len(),
            rows,
            fitted.normalise.clone(),
        ),
    })
}

/// The table of a source of pixels.
pub(super) fn table(config: &ImageConfig, source: &Source) -> Result<Table> {
    let is_table = |path: &Path| {
        let name = path.to_string_lossy().to_lowercase();
        [".csv", ".tsv"]
            .iter()
            .any(|ending| name.trim_end_matches(".gz").ends_with(ending))
    };
    match (source, config.data.dataset) {
        (Source::Bundled, ImageSet::Digits) => {
            Ok(read_csv_all_from(DIGITS.text.as_bytes(), DIGITS.name)?)
        }
        (Source::File(path), _) if is_table(path) => Ok(read_csv_all(path)?),
        _ => Err(Error::Usage(format!(
            "{source} is no table of pixels; name image files or a folder"
        ))),
    }
}

/// Images of the shape of a table, brought to that of the model.
pub(super) fn fitting(
    bytes: Vec<u8>,
    from: ImageShape,
    config: &ImageConfig,
    fitted: &Fitted,
) -> Vec<u8> {
    convert_images(bytes, from, fitted.shape, config.data.fit)
}

/// Deals images to training, validation and test.
fn deal(labelled: &Labelled, config: &ImageConfig) -> Result<Parts> {
    let (data, seed, labels) = (&config.data, config.train.seed, &labelled.labels);
    // Among some of the images, numbered as all are.
    let among = |rows: &[usize], val: f64, test: f64| -> DataResult<Parts> {
        let own: Vec<usize> = rows.iter().map(|&row| labels[row]).collect();
        let parts = split_stratified(&own, val, test, seed)?;
        let named = |part: Vec<usize>| part.into_iter().map(|i| rows[i]).collect();
        Ok(Parts {
            train: named(parts.train),
            val: named(parts.val),
            test: named(parts.test),
        })
    };
    if data.folds > 0 {
        if labelled.parts.is_some() {
            let message = "the data has parts of its own, which folds would mix";
            return Err(Error::Config(vec![Problem::new("data.folds", message)]));
        }
        let folds = stratified_folds(labels, data.folds)?;
        let (test, rest): (Vec<usize>, Vec<usize>) =
            (0..labels.len()).partition(|&i| folds[i] + 1 == data.fold);
        let parts = among(&rest, data.val, 0.0)?;
        return Ok(Parts { test, ..parts });
    }
    let Some(own) = &labelled.parts else {
        let all: Vec<usize> = (0..labels.len()).collect();
        return Ok(among(&all, data.val, data.test)?);
    };
    if own.train.is_empty() {
        return Err(DataError::new(DataErrorKind::Empty, "there are no training images").into());
    }
    // What the data does not deal itself is dealt from its training images.
    let val = if own.val.is_empty() { data.val } else { 0.0 };
    let test = if own.test.is_empty() { data.test } else { 0.0 };
    let dealt = among(&own.train, val, test)?;
    let or = |own: &Vec<usize>, dealt: Vec<usize>| match own.is_empty() {
        true => dealt,
        false => own.clone(),
    };
    Ok(Parts {
        train: dealt.train,
        val: or(&own.val, dealt.val),
        test: or(&own.test, dealt.test),
    })
}

/// Classes that cannot be learned, since no training image shows them.
fn absent(classes: &[String], counts: &[usize]) -> Option<String> {
    let absent: Vec<&str> = classes
        .iter()
        .zip(counts)
        .filter(|&(_, &count)| count == 0)
        .map(|(class, _)| class.as_str())
        .collect();
    (!absent.is_empty()).then(|| {
        let names = absent.join(", ");
        format!("no training image shows {names}: the model cannot learn that")
    })
}

/// The linear model of the pixels, fitted to as many images as there is time for.
fn linear(
    images: &Images,
    labels: &[usize],
    classes: &[String],
    train: &[usize],
    config: &ImageConfig,
    notes: &mut Vec<String>,
) -> Result<Option<Logistic>> {
    let features = images.shape().bytes();
    let weights = features * classes.len();
    if weights > LINEAR_WEIGHTS {
        notes.push(format!(
            "no logistic regression beside the model: it would have {weights} weights"
        ));
        return Ok(None);
    }
    let most = LINEAR_WORK / weights;
    let mut rows = train.to_vec();
    if rows.len() > most {
        Rng::new(config.train.seed)
            .fork("logistic regression")
            .shuffle(&mut rows);
        rows.truncate(most);
        rows.sort_unstable();
        notes.push(format!(
            "the logistic regression beside the model is fitted to {most} of {} training images, for time",
            train.len()
        ));
    }
    let bytes = images.read(&rows)?;
    let own: Vec<usize> = rows.iter().map(|&row| labels[row]).collect();
    let row = |i: usize, out: &mut [f64]| {
        for (out, &x) in out.iter_mut().zip(&bytes[i * features..]) {
            *out = f64::from(x);
        }
    };
    let model = Logistic::fit(rows.len(), features, row, &own, classes.len(), PENALTY)?;
    Ok(Some(model))
}

/// How many images of other parts are also among the training images, byte by byte.
fn copies(train: &ImageSamples, others: &[(&str, &ImageSamples)]) -> DataResult<Vec<String>> {
    let hashes = |data: &ImageSamples| -> DataResult<Vec<u64>> {
        let size = data.rows.images().shape().bytes();
        let rows: Vec<usize> = (0..data.len()).collect();
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.chunks(AT_ONCE) {
            let bytes = data.rows.bytes(rows)?;
            all.extend(bytes.chunks_exact(size).map(|image| {
                let mut hasher = DefaultHasher::new();
                image.hash(&mut hasher);
                hasher.finish()
            }));
        }
        Ok(all)
    };
    let known: HashSet<u64> = hashes(train)?.into_iter().collect();
    let mut notes = Vec::new();
    for (part, data) in others {
        let count = hashes(data)?
            .iter()
            .filter(|&hash| known.contains(hash))
            .count();
        if count > 0 {
            notes.push(format!(
                "{count} of {} {part} images are also among the training images: their scores may be too good",
                data.len()
            ));
        }
    }
    Ok(notes)
}
