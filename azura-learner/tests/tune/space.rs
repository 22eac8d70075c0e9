//! The texts of spaces, and the mapping between values and the unit cube.

use azura_learner::Error;
use azura_learner::tune::{Domain, Kind, Parameter, Space, Value};
use proptest::prelude::*;

fn domain() -> impl Strategy<Value = Domain> {
    let float = (-1e3..1e3f64, 1e-2..1e3f64).prop_map(|(low, width)| Domain::Float {
        low,
        high: low + width,
    });
    let log = (-12.0..3.0f64, 0.1..12.0f64).prop_map(|(low, width)| Domain::Log {
        low: 10f64.powf(low),
        high: 10f64.powf(low + width),
    });
    let int = (-1000..1000i64, 1..200i64, 1..20i64).prop_map(|(low, count, step)| Domain::Int {
        low,
        high: low + count * step,
        step,
    });
    let logint = (1..100i64, 1..5000i64).prop_map(|(low, width)| Domain::LogInt {
        low,
        high: low + width,
    });
    let words = prop::collection::btree_set("[a-z|]{1,6}", 2..6)
        .prop_filter("truth values are another domain", |w| {
            !(w.contains("true") && w.contains("false"))
        })
        .prop_map(|w| Domain::Categories(w.into_iter().map(Value::Text).collect()));
    let numbers = prop::collection::btree_set(-500..500i64, 2..8)
        .prop_map(|n| Domain::Categories(n.into_iter().map(Value::Int).collect()));
    prop_oneof![float, log, int, logint, words, numbers, Just(Domain::Bool)]
}

proptest! {
    #[test]
    fn value_to_point_and_back(domain in domain(), u in 0.0..=1.0f64) {
        let value = domain.decode(u);
        let encoded = domain.encode(&value).expect("a value of the domain");
        prop_assert_eq!(encoded, domain.snap(u));
        prop_assert_eq!(domain.decode(encoded), value);
        prop_assert_eq!(domain.snap(encoded), encoded);
        let (low, high) = domain.cell(u);
        prop_assert!(low <= encoded && encoded <= high);
    }

    #[test]
    fn values_stay_in_the_domain(domain in domain(), u in prop::num::f64::ANY) {
        let value = domain.decode(u);
        match (&domain, value.number()) {
            (Domain::Float { low, high } | Domain::Log { low, high }, Some(x)) => {
                prop_assert!((*low..=*high).contains(&x));
            }
            (Domain::Int { low, high, .. } | Domain::LogInt { low, high }, Some(x)) => {
                prop_assert!((*low as f64..=*high as f64).contains(&x));
            }
            (Domain::Categories(values), _) => prop_assert!(values.contains(&value)),
            (Domain::Bool, _) => prop_assert!(matches!(value, Value::Bool(_))),
            _ => prop_assert!(false, "{value:?}"),
        }
    }

    #[test]
    fn text_and_json_give_the_domain_back(domain in domain()) {
        let parameter = Parameter { key: "k".into(), domain, condition: None };
        prop_assert_eq!(&Parameter::parse("k", &parameter.text()).unwrap(), &parameter);
        let json = serde_json::to_string(&parameter).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Parameter>(&json).unwrap(), &parameter);
    }

    /// Each value of a discrete domain has the same part of the interval (in its logarithm), and they rise.
    #[test]
    fn cells_cover_the_interval(low in 1..50i64, width in 1..60i64) {
        for domain in [Domain::Int { low, high: low + width, step: 1 }, Domain::LogInt { low, high: low + width }] {
            let mut end = 0.0;
            for i in low..=low + width {
                let (from, to) = domain.cell(domain.encode(&Value::Int(i)).unwrap());
                prop_assert!((from - end).abs() < 1e-12 && to > from);
                end = to;
            }
            prop_assert!((end - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
        let _parsed = Parameter::parse("k", &text);
    }
}

#[test]
fn the_texts_of_the_command_line() {
    let space = Space::parse([
        ("train.lr", "log:1e-4..1e-2"),
        ("model.hidden", "32|64|128"),
        ("model.window", "int:20..120/20"),
        ("model.dropout", "0..0.5"),
        ("model.bias", "true|false"),
        ("train.optimizer", "adam|sgd"),
    ])
    .unwrap();
    let kinds = [
        Kind::Continuous,
        Kind::Ordered(3),
        Kind::Ordered(6),
        Kind::Continuous,
        Kind::Unordered(2),
        Kind::Unordered(2),
    ];
    assert_eq!(space.kinds(), kinds);
    let texts: Vec<String> = space
        .values(&[0.5, 0.5, 1.0, 0.0, 0.9, 0.6])
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        texts,
        [
            "model.bias=true",
            "model.dropout=0.0",
            "model.hidden=64",
            "model.window=120",
            "train.lr=0.001",
            "train.optimizer=sgd",
        ]
    );
}

#[test]
fn a_table_may_hold_arrays() {
    let table = serde_json::json!({ "a": [32, 64], "b": "int:1..3", "c": ["x|y", "z"] });
    let space = Space::from_table(table.as_object().unwrap()).unwrap();
    assert_eq!(
        space.values(&[0.9, 0.5, 0.0])["c"],
        Value::Text("x|y".into())
    );
    let table = serde_json::json!({ "a": 3 });
    let error = Space::from_table(table.as_object().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`a`: must be a text or an array, but is 3"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_is_told_with_place_and_remedy() {
    for (text, wanted) in [
        ("", "the space is empty; write `a..b`"),
        (
            "5",
            "a single value is no space, but column 1 of `5` has `5`; fix it with `--set KEY=5`",
        ),
        ("0.5..0.1", "the lower bound must be below the upper one"),
        (
            "log:0..1",
            "must be above 0, but column 5 of `log:0..1` has `0..1`; write a small number",
        ),
        (
            "int:1..2.5",
            "the bound must be a whole number, but column 8 of `int:1..2.5` has `2.5`",
        ),
        (
            "int:0..10/3",
            "10 is no whole number of steps above 0, but column 5",
        ),
        ("int:0..10/3", "end at 9 or 12"),
        (
            "int:0..10/0",
            "the step must be a whole number of at least 1, but column 11",
        ),
        ("logint:0..9", "begin at 1"),
        ("a||b", "one of the values is empty"),
        ("a|b|a", "the value `a` is there twice"),
        (
            "lin:0..1",
            "no such kind of space, but column 1 of `lin:0..1` has `lin`",
        ),
        ("0..inf", "the bound must be a number"),
        ("0..1 if kind", "a condition needs KEY=VALUE"),
        ("[1]", "a choice needs at least 2 values"),
        ("[1,", "not a list of values"),
    ] {
        let error = Parameter::parse("train.lr", text).unwrap_err().to_string();
        assert!(
            error.starts_with("`train.lr`: ") && error.contains(wanted),
            "{text}: {error}"
        );
    }
}

#[test]
fn conditions() {
    let space = Space::parse([
        ("cells", "int:1..3 if kind=lstm"),
        ("kind", "mlp|lstm|gru"),
        ("peephole", "true|false if cells=2|3"),
        ("lr", "log:1e-4..1e-2"),
    ])
    .unwrap();
    let active = |u: &[f64]| space.active(u);
    assert_eq!(active(&[0.0, 0.0, 0.5, 0.5]), [false, true, false, true]);
    assert_eq!(active(&[0.0, 0.5, 0.5, 0.5]), [true, true, false, true]);
    assert_eq!(active(&[0.9, 0.5, 0.5, 0.5]), [true, true, true, true]);
    // What is not active counts for nothing: the points are the same trial.
    assert_eq!(
        space.snap(&[0.9, 0.1, 0.3, 0.5]),
        space.snap(&[0.1, 0.1, 0.9, 0.5])
    );
    let values = space.values(&[0.9, 0.5, 0.9, 0.5]);
    assert_eq!(
        space.point(&values).unwrap(),
        space.snap(&[0.9, 0.5, 0.9, 0.5])
    );
    let mut wrong = values.clone();
    wrong.remove("cells");
    wrong.insert("kin".into(), Value::Int(1));
    let Error::Config(problems) = space.point(&wrong).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(
        problems[0].to_string(),
        "`kin`: is not searched; did you mean `kind`?"
    );
    wrong.remove("kin");
    let error = space.point(&wrong).unwrap_err().to_string();
    assert_eq!(error, "`cells`: has no value; add `cells=VALUE`");
    let mut wrong = values;
    wrong.insert("kind".into(), Value::Text("mlp".into()));
    let error = space.point(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("`cells`: has a value, but is not active")
            && error.contains("`peephole`: has a value, but"),
        "{error}"
    );
    let json = serde_json::to_string(&space).unwrap();
    assert_eq!(serde_json::from_str::<Space>(&json).unwrap(), space);
}

#[test]
fn spaces_that_make_no_sense() {
    let error = |entries: &[(&str, &str)]| {
        Space::parse(entries.iter().copied())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[]).contains("there is no parameter"));
    assert!(error(&[("a", "0..1"), ("a", "0..2")]).contains("`a`: is searched twice"));
    assert!(
        error(&[("a", "0..1 if b=1"), ("c", "1|2")])
            .contains("depends on `b`, which is not searched")
    );
    assert!(
        error(&[("a", "0..1 if b=1"), ("b", "0..2")])
            .contains("depends on `b`, which is continuous")
    );
    assert!(error(&[("a", "0..1 if b=3"), ("b", "1|2")]).contains("being 3, which it never is"));
    let circle = error(&[("a", "1|2 if b=1"), ("b", "1|2 if a=1"), ("c", "1|2")]);
    assert!(
        circle.contains("`a`: depends on itself") && !circle.contains("`c`"),
        "{circle}"
    );
}

#[test]
fn combinations_are_counted() {
    let count = |entries: &[(&str, &str)]| Space::parse(entries.iter().copied()).unwrap().count();
    assert_eq!(count(&[("a", "1|2|3"), ("b", "int:1..4")]), Some(12));
    assert_eq!(count(&[("a", "1|2|3"), ("b", "0..1")]), None);
    // Two kinds without a child, one with four and with two children of 2: 2 + 4 · 2.
    assert_eq!(
        count(&[
            ("k", "x|y|z"),
            ("b", "int:1..4 if k=z"),
            ("c", "true|false if k=z")
        ]),
        Some(10)
    );
}
