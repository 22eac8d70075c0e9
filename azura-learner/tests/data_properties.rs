//! Properties that hold for any input: no bytes make a reader panic, what is written is read back, and
//! splits, plans and loaders lose nothing and mix nothing.

use std::collections::HashSet;
use std::sync::Arc;

use azura_learner::Result;
use azura_learner::data::{
    Batch, Column, Cycle, Dataset, Kind, Loader, LoaderConfig, PartSize, Scale, ScalerKind, Table,
    Timestamp, Values, WindowPlan, from_json_rows, from_json_rows_all, read_csv_all_from,
    read_csv_from, split_by_time, split_random, split_stratified,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Text of the characters that matter to CSV, with some of any kind; NUL is refused by the reader.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        4 => prop::sample::select(vec!['"', ',', '\n', '\r', ' ', 'a', '1', '.', ';', '\u{feff}', 'é']),
        1 => any::<char>().prop_filter("NUL", |c| *c != '\0'),
    ];
    vec(letter, 0..8).prop_map(|letters| letters.into_iter().collect())
}

/// What a header can hold and the reader returns as it was: trimmed, filled, no byte-order mark first.
fn name() -> impl Strategy<Value = String> {
    let mark = |c: char| c == '\u{feff}' || c.is_whitespace();
    text()
        .prop_map(move |name| name.trim_start_matches(mark).trim_end().to_string())
        .prop_filter("empty", |name| !name.is_empty())
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
        1 => Just(f64::NAN),
        1 => prop::sample::select(vec![0.0, -0.0, 1e-5, 1e16, f64::MAX, f64::MIN_POSITIVE, 5e-324]),
        1 => (-1000i32..1000).prop_map(|i| f64::from(i) / 8.0),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800i64..253_402_300_800).prop_map(Timestamp::from_unix)
}

fn values(rows: usize) -> impl Strategy<Value = Values> {
    prop_oneof![
        vec(number(), rows).prop_map(Values::Number),
        vec(text(), rows).prop_map(Values::Text),
        vec(time(), rows).prop_map(Values::Time),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    (1usize..5)
        .prop_flat_map(|rows| vec((name(), values(rows)), 1..5))
        .prop_map(|columns| {
            let mut table = Table::new("generated");
            for (name, values) in columns {
                if !table.has(&name) {
                    table.push(name, values).unwrap();
                }
            }
            table
        })
}

fn spec(table: &Table) -> Vec<Column> {
    table
        .columns()
        .map(|(name, values)| Column::new(name, values.kind()).allow_missing())
        .collect()
}

fn bits(table: &Table) -> Vec<u64> {
    table
        .columns()
        .filter_map(|(_, values)| match values {
            Values::Number(numbers) => Some(numbers.iter().map(|x| x.to_bits())),
            _ => None,
        })
        .flatten()
        // Which NaN it was is not kept.
        .map(|bits| {
            if f64::from_bits(bits).is_nan() {
                f64::NAN.to_bits()
            } else {
                bits
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn a_csv_is_read_back_as_it_was_written(table in table()) {
        let mut out = Vec::new();
        table.to_csv(&mut out).unwrap();
        let back = read_csv_from(out.as_slice(), "generated", &spec(&table)).unwrap();
        prop_assert_eq!(bits(&back), bits(&table));
        prop_assert_eq!(&back, &table);
        prop_assert!((0..back.len()).all(|row| back.line(row).is_some()));
        // A CR between lines is an LF to the reader, so the file may use either.
        let crlf = String::from_utf8(out).unwrap();
        if !crlf.contains(['\r', '"']) {
            let crlf = crlf.replace('\n', "\r\n");
            prop_assert_eq!(read_csv_from(crlf.as_bytes(), "x", &spec(&table)).unwrap(), table);
        }
    }

    #[test]
    fn rows_of_json_are_read_back_as_they_were_written(table in table()) {
        let rows = serde_json::Value::Array(table.to_json_rows());
        let text = serde_json::to_string(&rows).unwrap();
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        let back = from_json_rows(&rows, "generated", &spec(&table)).unwrap();
        prop_assert_eq!(bits(&back), bits(&table));
        prop_assert_eq!(back, table);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let columns = [Column::number("a"), Column::time("b").optional()];
        let _ = read_csv_from(bytes.as_slice(), "x", &columns);
        let _ = read_csv_all_from(bytes.as_slice(), "x");
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in "(\u{feff})?[ab,;\"\r\n1.e+\\-:/ TZ\u{0}é]{0,80}", gzip in any::<bool>()
    ) {
        let mut bytes = if gzip { vec![0x1f, 0x8b] } else { b"a,b\n".to_vec() };
        bytes.extend(text.bytes());
        if let Ok(table) = read_csv_all_from(bytes.as_slice(), "x") {
            prop_assert!(!table.is_empty());
            // Whatever can be read can be written and is the same table again.
            let mut out = Vec::new();
            table.to_csv(&mut out).unwrap();
            prop_assert_eq!(read_csv_all_from(out.as_slice(), "x").unwrap(), table);
        }
        let columns = [Column::number("a"), Column::time("b")];
        let _ = read_csv_from(bytes.as_slice(), "x", &columns);
        let _ = text.parse::<Timestamp>();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let _ = from_json_rows_all(&json, "x");
    }

    #[test]
    fn a_csv_error_names_the_line_and_column_of_the_bad_cell(
        rows in 1usize..6, columns in 1usize..5, at in any::<prop::sample::Index>(), quoted in any::<bool>()
    ) {
        let at = at.index(rows * columns);
        let mut text = (0..columns).map(|c| format!("c{c}")).collect::<Vec<_>>().join(",") + "\n";
        let mut line = 1;
        let mut bad_line = 0;
        for r in 0..rows {
            line += 1;
            for c in 0..columns {
                let cell = match r * columns + c {
                    n if n == at => { bad_line = line; "x".to_string() }
                    _ => "1".to_string(),
                };
                text += &if quoted { format!("\"{cell}\"") } else { cell };
                text += if c + 1 < columns { "," } else { "\n" };
            }
        }
        let spec: Vec<Column> = (0..columns).map(|c| Column::number(format!("c{c}"))).collect();
        let error = read_csv_from(text.as_bytes(), "x", &spec).unwrap_err();
        let (name, number) = error.column().unwrap();
        prop_assert_eq!(error.line(), Some(bad_line));
        prop_assert_eq!(name, format!("c{}", at % columns));
        prop_assert_eq!(number, at % columns + 1);
    }

    #[test]
    fn times_are_read_back_as_they_are_written(t in time()) {
        prop_assert_eq!(t.iso().parse::<Timestamp>().unwrap(), t);
        let us = format!("{}/{}/{:04} {:02}:{:02}:{:02}", t.month(), t.day(), t.year(), t.hour(), t.minute(), t.second());
        prop_assert_eq!(us.parse::<Timestamp>().unwrap(), t);
        for cycle in [Cycle::Hour, Cycle::Weekday, Cycle::Month, Cycle::DayOfYear] {
            let [sin, cos] = cycle.encode(t);
            prop_assert!((sin.hypot(cos) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_split_by_time_keeps_order_gap_and_counts(
        n in 0usize..400, val in 0usize..60, test in 0usize..60, gap in 0usize..60
    ) {
        let needed = val + test + gap * (usize::from(val > 0) + usize::from(test > 0));
        match split_by_time(n, val, test, gap) {
            Err(_) => prop_assert!(n <= needed),
            Ok(split) => {
                prop_assert_eq!(split.train.len() + needed, n);
                prop_assert_eq!((split.val.len(), split.test.len()), (val, test));
                prop_assert_eq!((split.train.start, split.test.end), (0, n));
                if val > 0 {
                    prop_assert_eq!(split.val.start, split.train.end + gap);
                }
                if test > 0 {
                    prop_assert_eq!(split.test.start, split.val.end.max(split.train.end) + gap);
                }
            }
        }
    }

    #[test]
    fn parts_of_a_random_split_are_disjoint_and_whole(
        labels in vec(0usize..4, 1..80), val in 0.0..0.5f64, test in 0.0..0.5f64, seed in any::<u64>()
    ) {
        let n = labels.len();
        let stratified = split_stratified(&labels, val, test, seed);
        let random = split_random(n, PartSize::Fraction(val), PartSize::Fraction(test), seed);
        for parts in [stratified, random].into_iter().flatten() {
            let mut all = [parts.train, parts.val, parts.test].concat();
            prop_assert!(!all.is_empty());
            all.sort_unstable();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn plans_hold_every_sample_that_fits_and_no_other(
        rows in 0usize..60, window in 1usize..8, horizon in 1usize..5, breaks in vec(0usize..60, 0..4)
    ) {
        let breaks: Vec<usize> = breaks.into_iter().filter(|&b| b <= rows).collect();
        let fits = |start: usize| {
            let target = start + window - 1 + horizon;
            target < rows && !breaks.iter().any(|&b| start < b && b <= target)
        };
        let want: Vec<usize> = (0..rows).filter(|&s| fits(s)).collect();
        match WindowPlan::new(rows, window, horizon, &breaks) {
            Err(_) => prop_assert!(want.is_empty()),
            Ok(plan) => {
                let have: Vec<usize> = (0..plan.len()).map(|i| plan.start(i)).collect();
                prop_assert_eq!(have, want);
            }
        }
    }

    #[test]
    fn an_epoch_has_every_sample_once_wherever_it_is_resumed(
        n in 1usize..60, batch in 1usize..20, prefetch in 0usize..4, seed in any::<u64>(),
        epoch in any::<u64>(), from in 0usize..8
    ) {
        struct Numbers(usize);
        impl Dataset for Numbers {
            fn len(&self) -> usize {
                self.0
            }
            fn batch(&self, rows: &[usize]) -> Result<Batch> {
                Ok(Batch { tensors: Vec::new(), rows: rows.to_vec() })
            }
        }
        let config = LoaderConfig { batch, shuffle: true, seed, prefetch, training: false };
        let loader = Loader::new(Arc::new(Numbers(n)), config).unwrap();
        let take = |from| loader.epoch(epoch, from).map(|b| b.unwrap().rows).collect::<Vec<_>>();
        let whole = take(0);
        prop_assert_eq!(whole.len(), loader.batches());
        prop_assert!(whole[..whole.len() - 1].iter().all(|rows| rows.len() == batch));
        prop_assert_eq!(whole.concat().into_iter().collect::<HashSet<_>>().len(), n);
        prop_assert_eq!(whole.concat().len(), n);
        prop_assert_eq!(take(from), whole[from.min(whole.len())..].to_vec());
    }

    #[test]
    fn scalers_come_back_to_within_rounding(
        matrix in vec(-1e6..1e6f64, 2..40), standard in any::<bool>()
    ) {
        let kind = if standard { ScalerKind::Standard } else { ScalerKind::MinMax };
        let rows = matrix.len() / 2;
        let scaler = kind.fit(&matrix[..rows * 2], &["a", "b"], 0..rows).unwrap();
        let mut there = matrix[..rows * 2].to_vec();
        scaler.apply(&mut there).unwrap();
        scaler.invert(&mut there).unwrap();
        for (a, b) in there.iter().zip(&matrix) {
            prop_assert!((a - b).abs() <= 1e6 * 8.0 * f64::EPSILON, "{} {}", a, b);
        }
        let again = serde_json::from_str(&serde_json::to_string(&scaler).unwrap()).unwrap();
        prop_assert_eq!(scaler, again);
    }
}

#[test]
fn inferred_kinds_of_json() {
    let rows = serde_json::json!([{"a": 1, "b": "2013-05-01"}, {"a": null, "b": "2013-05-02"}]);
    let table = from_json_rows_all(&rows, "x").unwrap();
    assert_eq!(
        (table.kind("a"), table.kind("b")),
        (Some(Kind::Number), Some(Kind::Time))
    );
}
