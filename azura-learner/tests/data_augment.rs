//! Augmentation against torchvision and Pillow (`fixtures/augment_torchvision.py`), and what it depends on.

use std::collections::BTreeMap;
use std::sync::Arc;

use azura_core::Rng;
use azura_learner::Dataset;
use azura_learner::data::augment::{
    ImageAugment, Operation, colour, geometry, mix, series, tabular,
};
use azura_learner::data::image::{
    Fit, ImageShape, Images, convert_images, decode_image, encode_png,
};
use azura_learner::data::{ImageRows, Normalise};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    height: usize,
    width: usize,
    rgb: Vec<u8>,
    grey: Vec<u8>,
    cases: BTreeMap<String, Case>,
    large: Vec<u8>,
    equalized: Vec<u8>,
    boxes: Vec<Hole>,
    resized: BTreeMap<String, Vec<u8>>,
    files: BTreeMap<String, File>,
}

#[derive(Deserialize)]
struct Case {
    grey: bool,
    result: Vec<u8>,
}

#[derive(Deserialize)]
struct Hole {
    own: f64,
    at: [usize; 2],
    rows: [usize; 2],
    columns: [usize; 2],
}

#[derive(Deserialize)]
struct File {
    rgb: Option<Vec<u8>>,
    grey: Vec<u8>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/augment_torchvision.json")).unwrap()
}

impl Fixture {
    fn shape(&self, channels: usize) -> ImageShape {
        ImageShape {
            channels,
            height: self.height,
            width: self.width,
        }
    }
}

/// How many bytes differ, and the largest difference.
fn differences(a: &[u8], b: &[u8]) -> (usize, u8) {
    assert_eq!(a.len(), b.len());
    let gaps = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let count = gaps.clone().filter(|&gap| gap > 0).count();
    (count, gaps.max().unwrap_or(0))
}

#[test]
fn every_operation_is_torchvisions() {
    let fixture = fixture();
    for (name, case) in &fixture.cases {
        let (image, shape) = match case.grey {
            true => (&fixture.grey, fixture.shape(1)),
            false => (&fixture.rgb, fixture.shape(3)),
        };
        let mut image = image.clone();
        let words: Vec<&str> = name.split(' ').collect();
        let number = |i: usize| -> f64 { words[i].parse().unwrap() };
        match words[0] {
            "flip" => geometry::flip(&mut image, shape),
            "crop" => geometry::crop_padded(&mut image, shape, 3, [1, 5]),
            "rotate" => geometry::rotate(&mut image, shape, number(1)),
            "brightness" => colour::brightness(&mut image, number(1)),
            "contrast" => colour::contrast(&mut image, shape, number(1)),
            "saturation" => colour::saturation(&mut image, shape, number(1)),
            "hue" => colour::hue(&mut image, shape, number(1)),
            "sharpness" => colour::sharpness(&mut image, shape, number(1)),
            "posterize" => colour::posterize(&mut image, number(1) as u32),
            "solarize" => colour::solarize(&mut image, number(1)),
            "auto_contrast" => colour::auto_contrast(&mut image, shape),
            "rand_augment" => {
                let operation = Operation::ALL
                    .into_iter()
                    .find(|operation| format!("{operation:?}") == words[1])
                    .unwrap();
                operation.apply(&mut image, shape, number(2) as usize, number(3) == 1.0);
            }
            other => panic!("{other}"),
        }
        let (count, worst) = differences(&image, &case.result);
        // torchvision's f32 and this f32 add in another order: a byte may be rounded down on the other side of a whole number.
        assert!(
            worst <= 1 && count * 50 <= image.len(),
            "{name}: {count} bytes differ, by {worst}"
        );
    }
    assert!(fixture.cases.len() > 80);
    let shape = ImageShape {
        channels: 1,
        height: 40,
        width: 50,
    };
    let mut image = fixture.large.clone();
    colour::equalize(&mut image, shape);
    assert_eq!(image, fixture.equalized);
    assert_ne!(image, fixture.large);
}

#[test]
fn cutmix_cuts_where_torchvision_does() {
    let fixture = fixture();
    for hole in &fixture.boxes {
        let found = mix::Rectangle::about(hole.at, hole.own, fixture.shape(1));
        assert_eq!(
            (found.rows, found.columns),
            (hole.rows, hole.columns),
            "{}",
            hole.own
        );
    }
}

#[test]
fn sizes_and_files_are_pillows() {
    let fixture = fixture();
    for (name, want) in &fixture.resized {
        let (how, size) = name.split_once(' ').unwrap();
        let size = size.parse().unwrap();
        let fit = if how == "crop" {
            Fit::Crop
        } else {
            Fit::Stretch
        };
        let to = ImageShape {
            channels: 3,
            height: size,
            width: size,
        };
        let got = convert_images(fixture.rgb.clone(), fixture.shape(3), to, fit);
        let (_, worst) = differences(&got, want);
        assert!(worst <= 2, "{name}: {worst}");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/images/");
    for (name, want) in &fixture.files {
        let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
        // Decoders of JPEG may round differently; PNG is exact.
        let allowed = if name.ends_with(".jpg") { 3 } else { 0 };
        for (want, channels) in [(want.rgb.as_ref(), 3), (Some(&want.grey), 1)] {
            if let Some(want) = want {
                let got = decode_image(&bytes, fixture.shape(channels), Fit::Crop).unwrap();
                let (_, worst) = differences(&got, want);
                assert!(worst <= allowed, "{name} with {channels} channels: {worst}");
            }
        }
        for end in [0, 8, bytes.len() / 2, bytes.len() - 20] {
            let cut = decode_image(&bytes[..end], fixture.shape(3), Fit::Crop);
            assert!(cut.is_err(), "{name} cut after {end} of {}", bytes.len());
        }
    }
    let png = encode_png(&fixture.rgb, fixture.shape(3)).unwrap();
    let back = decode_image(&png, fixture.shape(3), Fit::Crop).unwrap();
    assert_eq!(back, fixture.rgb);
    assert!(encode_png(&fixture.rgb, fixture.shape(1)).is_err());
}

/// 40 images of two classes.
fn samples(augment: ImageAugment, seed: u64) -> ImageRows {
    let shape = ImageShape {
        channels: 3,
        height: 9,
        width: 7,
    };
    let mut rng = Rng::new(5);
    let bytes = (0..40 * shape.bytes())
        .map(|_| rng.below(256) as u8)
        .collect();
    let images = Arc::new(Images::new(shape, bytes));
    let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let rows: Vec<usize> = (0..40).collect();
    let normalise = Normalise::fit(&images, &rows).unwrap();
    ImageRows::new(images, &labels, 2, rows, normalise).augmented(augment, seed)
}

fn everything() -> ImageAugment {
    ImageAugment {
        crop: 2,
        flip: 0.5,
        rotate: 20.0,
        rand_augment: 2,
        brightness: 0.3,
        contrast: 0.3,
        saturation: 0.3,
        hue: 0.1,
        cutout: 3,
        ..ImageAugment::default()
    }
}

fn numbers(data: &ImageRows, rows: &[usize], epoch: u64) -> Vec<f32> {
    let batch = data.training_batch(rows, epoch).unwrap();
    batch.tensors[0].to_vec().unwrap()
}

#[test]
fn a_change_depends_on_seed_epoch_and_image_only() {
    let data = samples(everything(), 1);
    let size = 3 * 9 * 7;
    let together = numbers(&data, &[3, 8, 21], 4);
    for (place, image) in [3, 8, 21].into_iter().enumerate() {
        let alone = numbers(&samples(everything(), 1), &[image], 4);
        assert_eq!(alone, together[place * size..(place + 1) * size]);
    }
    assert_ne!(together, numbers(&data, &[3, 8, 21], 5));
    assert_ne!(together, numbers(&samples(everything(), 2), &[3, 8, 21], 4));
    // Scores are taken on images as they are.
    let plain = samples(ImageAugment::default(), 1);
    let as_it_is = data.batch(&[3, 8]).unwrap();
    assert_eq!(
        as_it_is.tensors[0].to_vec::<f32>().unwrap(),
        numbers(&plain, &[3, 8], 4)
    );
    assert_eq!(as_it_is.tensors[1].to_vec::<u32>().unwrap(), [1, 0]);
}

#[test]
fn mixed_images_have_mixed_classes() {
    let plain = samples(ImageAugment::default(), 1);
    let rows = [0, 1, 3, 5];
    let x = numbers(&plain, &rows, 0);
    let size = 3 * 9 * 7;
    let mixup = ImageAugment {
        mixup: 1.0,
        ..ImageAugment::default()
    };
    let batch = samples(mixup, 1).training_batch(&rows, 0).unwrap();
    let (mixed, shares): (Vec<f32>, Vec<f32>) = (
        batch.tensors[0].to_vec().unwrap(),
        batch.tensors[1].to_vec().unwrap(),
    );
    // Image 0 is of class 0 and has image 5, of class 1, before it; image 1 has image 0.
    let own = shares[0];
    assert!(own > 0.0 && own < 1.0);
    assert_eq!(shares[2..4], [1.0 - own, own]);
    assert_eq!(shares[4..6], [0.0, 1.0]);
    for i in 0..size {
        let want = own * x[i] + (1.0 - own) * x[3 * size + i];
        assert!((mixed[i] - want).abs() < 1e-5);
    }

    let cutmix = ImageAugment {
        cutmix: 1.0,
        ..ImageAugment::default()
    };
    let data = samples(cutmix, 3);
    let mut cut = 0;
    for epoch in 0..10 {
        let batch = data.training_batch(&rows, epoch).unwrap();
        let (mixed, shares): (Vec<f32>, Vec<f32>) = (
            batch.tensors[0].to_vec().unwrap(),
            batch.tensors[1].to_vec().unwrap(),
        );
        let other = (0..size).filter(|&i| mixed[i] != x[i]).count();
        assert!((0..size).all(|i| mixed[i] == x[i] || mixed[i] == x[3 * size + i]));
        // Equal pixels by chance look like its own.
        let share = other as f32 / size as f32;
        assert!(
            (1.0 - shares[0] - share).abs() < 0.05,
            "{} and {share}",
            shares[0]
        );
        cut += usize::from(other > 0);
    }
    assert!(cut > 5);
}

#[test]
fn beta_numbers_have_the_right_moments() {
    for a in [0.2, 1.0, 3.0] {
        let mut rng = Rng::new(9);
        let n = 20_000;
        let drawn: Vec<f64> = (0..n).map(|_| mix::beta(a, &mut rng)).collect();
        assert!(drawn.iter().all(|x| (0.0..=1.0).contains(x)));
        let mean = drawn.iter().sum::<f64>() / f64::from(n);
        let var = drawn.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / f64::from(n);
        let want = 1.0 / (4.0 * (2.0 * a + 1.0));
        // Four standard errors; the fourth moment of a number in [0, 1] about its middle is at most a quarter of its variance.
        let n = f64::from(n).sqrt();
        assert!(
            (mean - 0.5).abs() < 4.0 * want.sqrt() / n,
            "mean of Beta({a}): {mean}"
        );
        assert!(
            (var - want).abs() < 4.0 * (want / 4.0).sqrt() / n,
            "variance of Beta({a}): {var}"
        );
    }
}

#[test]
fn cutout_makes_a_square_of_the_mean() {
    let shape = ImageShape {
        channels: 2,
        height: 6,
        width: 5,
    };
    let mut image = vec![1.0f32; shape.bytes()];
    let hole = mix::Rectangle::square([0, 3], 3, shape);
    assert_eq!((hole.rows, hole.columns), ([0, 2], [2, 5]));
    mix::cutout(&mut image, shape, hole);
    assert_eq!(image.iter().filter(|&&x| x == 0.0).count(), 2 * hole.area());
    assert_eq!(image[2..5], [0.0; 3]);
    assert_eq!(image[10..15], [1.0; 5]);
}

#[test]
fn series_are_warped_by_linear_interpolation() {
    // Steps 2 to 6 twice as fast: 10 steps become 8, which are stretched to 10 again. Values by numpy:
    // np.interp(np.interp(np.arange(10) * 7 / 9, [0, 2, 4, 8], [0, 2, 6, 10]), np.arange(10), x), x = np.arange(10) ** 2
    let mut x: Vec<f32> = (0..10).map(|i| (i * i) as f32).collect();
    series::warp(&mut x, 1, [2, 6], 2.0);
    let want: [f32; 10] = [
        0.0, 0.77778, 2.66667, 7.33333, 18.0, 33.55556, 44.66667, 55.66667, 67.77778, 81.0,
    ];
    for (got, want) in x.iter().zip(want) {
        assert!((got - want).abs() < 1e-4, "{x:?}");
    }
    // Two channels are warped alike, and a speed of 1 changes nothing.
    let both: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let mut same = both.clone();
    series::warp(&mut same, 2, [3, 7], 1.0);
    for (a, b) in same.iter().zip(&both) {
        assert!((a - b).abs() < 1e-5);
    }
    let (mut a, mut b) = (both.clone(), both.clone());
    series::window_warping(&mut a, 2, 0.4, &mut Rng::new(1));
    series::window_warping(&mut b, 2, 0.4, &mut Rng::new(1));
    assert_eq!(a, b);
    assert_ne!(a, both);
}

#[test]
fn jitter_and_scaling_have_their_strength() {
    let n = 4000;
    let mut x = vec![0.0f32; n];
    series::jitter(&mut x, 0.5, &mut Rng::new(2));
    let var = x.iter().map(|x| x * x).sum::<f32>() / n as f32;
    assert!(
        (var - 0.25).abs() < 4.0 * 0.25 * (2.0 / n as f32).sqrt(),
        "{var}"
    );
    let mut x = vec![1.0f32; 12];
    series::scaling(&mut x, 3, 0.1, &mut Rng::new(3));
    assert!(x.chunks(3).all(|step| step == &x[..3]));
    assert!(x[0] != x[1] && (x[0] - 1.0).abs() < 0.5);
    let mut rows = vec![0.0f32, 1.0, 10.0, 11.0];
    let own = tabular::mixup_rows(&mut rows, 2, 1.0, &mut Rng::new(4)) as f32;
    assert!((rows[0] - (1.0 - own) * 10.0).abs() < 1e-5);
    assert!((rows[3] - (own * 11.0 + (1.0 - own))).abs() < 1e-5);
}
