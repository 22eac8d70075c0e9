//! Nothing that lies in the future of a number may change it.

use azura_apps::forecast::{Dataset, Fitted, SeriesData};
use azura_apps::stock::StockConfig;
use azura_apps::weather::WeatherConfig;
use azura_apps::{Stock, Weather};
use azura_learner::app::Prepared;
use azura_learner::data::Dataset as _;
use azura_learner::{App, Source};

use crate::{file, load};

/// The first `rows` rows of a CSV text, with the cells of one column of some of them changed.
fn changed(text: &str, rows: usize, column: &str, which: impl Fn(usize) -> bool) -> String {
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let at = header.split(',').position(|name| name == column).unwrap();
    let mut out = format!("{header}\n");
    for (row, line) in lines.take(rows).enumerate() {
        let mut cells: Vec<String> = line.split(',').map(str::to_string).collect();
        if which(row) {
            cells[at] = format!("{}", cells[at].parse::<f64>().unwrap() * 1.5 + 3.0);
        }
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out
}

fn windows(data: &SeriesData) -> Vec<f32> {
    let batch = data.batch(&(0..data.len()).collect::<Vec<_>>()).unwrap();
    batch
        .tensors
        .iter()
        .flat_map(|t| t.to_vec::<f32>().unwrap())
        .collect()
}

/// Changes rows from `from` on and compares with nothing changed.
fn compare(
    text: &str,
    column: &str,
    from: usize,
    prepare: impl Fn(&Source) -> Prepared<Fitted, SeriesData>,
) -> (Prepared<Fitted, SeriesData>, Prepared<Fitted, SeriesData>) {
    let folder = tempfile::tempdir().unwrap();
    let rows = 600;
    let one = prepare(&file(
        folder.path(),
        "a.csv",
        &changed(text, rows, column, |_| false),
    ));
    let two = prepare(&file(
        folder.path(),
        "b.csv",
        &changed(text, rows, column, |row| row >= from),
    ));
    (one, two)
}

#[test]
fn validation_and_test_rows_reach_no_scaler_and_no_training_window() {
    let weather = |source: &Source| {
        Weather::new()
            .prepare(&WeatherConfig::default(), source)
            .unwrap()
    };
    let stock = |source: &Source| {
        Stock::new()
            .prepare(&StockConfig::default(), source)
            .unwrap()
    };
    let (greensboro, msft) = (
        Dataset::Greensboro.bundled().text,
        Dataset::Msft.bundled().text,
    );
    for (text, column, prepare) in [
        (
            greensboro,
            "temperature_2m",
            &weather as &dyn Fn(&Source) -> Prepared<Fitted, SeriesData>,
        ),
        (greensboro, "cloud_cover", &weather),
        (msft, "close", &stock),
        (msft, "volume", &stock),
    ] {
        let (plain, _) = compare(text, column, 600, prepare);
        let layout = &plain.fitted.layout;
        let last_train = plain.train.ends().last().unwrap() + layout.horizon;
        let first_test = plain.test.ends()[0] + 1 - layout.window;

        let (plain, other) = compare(text, column, last_train + 1, prepare);
        assert_eq!(plain.fitted.level, other.fitted.level, "{column}");
        assert_eq!(plain.fitted.past, other.fitted.past, "{column}");
        assert_eq!(plain.fitted.change, other.fitted.change, "{column}");
        assert_eq!(plain.fitted.drift, other.fitted.drift, "{column}");
        assert_eq!(plain.fitted.mase_scale, other.fitted.mase_scale, "{column}");
        assert_eq!(windows(&plain.train), windows(&other.train), "{column}");
        assert_ne!(windows(&plain.val), windows(&other.val), "{column}");

        // Test rows choose nothing, not even the penalty of the ridge regression.
        let (plain, other) = compare(text, column, first_test, prepare);
        assert_eq!(plain.fitted, other.fitted, "{column}");
        assert_eq!(windows(&plain.val), windows(&other.val), "{column}");
        assert_ne!(windows(&plain.test), windows(&other.test), "{column}");

        // The comparison can fail: a training row does reach the scalers.
        let (plain, other) = compare(text, column, last_train - 1, prepare);
        assert_ne!(plain.fitted, other.fitted, "{column}");
    }
}

#[test]
fn no_window_of_a_part_holds_a_target_of_an_earlier_part() {
    let data = Weather::new()
        .prepare(&WeatherConfig::default(), &Source::Bundled)
        .unwrap();
    let layout = &data.fitted.layout;
    for (earlier, later) in [(&data.train, &data.val), (&data.val, &data.test)] {
        let last_target = earlier.ends().last().unwrap() + layout.horizon;
        assert!(later.ends()[0] + 1 - layout.window > last_target);
    }
    // With the gap of a horizon they may look back, but no row is predicted in two parts.
    let mut config = WeatherConfig::default();
    config.0.data.gap = azura_apps::forecast::Gap::Horizon;
    let data = Weather::new().prepare(&config, &Source::Bundled).unwrap();
    for (earlier, later) in [(&data.train, &data.val), (&data.val, &data.test)] {
        let last_target = earlier.ends().last().unwrap() + layout.horizon;
        assert!(later.ends()[0] + 1 > last_target);
    }
}

#[test]
fn later_rows_do_not_change_a_prediction() {
    for (name, text, column) in [
        (
            "weather",
            Dataset::Greensboro.bundled().text,
            "temperature_2m",
        ),
        ("stock", Dataset::Msft.bundled().text, "close"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let model = load(name);
        let predict = |text: &str| {
            let table = model.table(&file(folder.path(), "rows.csv", text)).unwrap();
            model
                .predict(&table)
                .unwrap()
                .numbers("prediction")
                .unwrap()
                .to_vec()
        };
        let (rows, from) = (100, 60);
        let one = predict(&changed(text, rows, column, |_| false));
        let two = predict(&changed(text, rows, column, |row| row >= from));
        assert_eq!(one.len(), rows - model.signature().rows + 1);
        // A window that ends in row `i` gives prediction `i − rows + 1`.
        let known = from - (model.signature().rows - 1);
        assert_eq!(one[..known], two[..known], "{name}");
        assert_ne!(one[known], two[known], "{name}");
    }
}
