//! The committed reference cases, in f64 and in f32: none fails, and what is not supported is exactly
//! what `unsupported.txt` says, with a reason for each. The list may only get shorter.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Lines `UNSUPPORTED name reason` and `FAIL …` of a run over the committed folders.
fn run(flags: &[&str]) -> (Vec<String>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../azura-core/tests/reference");
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["operators", "modules", "optimisers"].map(|name| folder.join(name)))
        .args(flags)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = |word: &str| {
        let found = text.lines().filter_map(|line| line.strip_prefix(word));
        found
            .map(|line| line.trim().to_string())
            .collect::<Vec<_>>()
    };
    assert!(lines("PASS").len() > 500, "{text}");
    (lines("UNSUPPORTED"), lines("FAIL"))
}

#[test]
fn cases_pass_in_f64() {
    let (unsupported, failed) = run(&[]);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let list = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/unsupported.txt"
    ))
    .unwrap();
    let known: BTreeMap<&str, &str> = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(' ').expect("a name and a reason"))
        .collect();
    let found: BTreeMap<&str, &str> = unsupported
        .iter()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(name, _)| !known.contains_key(*name))
        .collect();
    assert!(new.is_empty(), "not supported any more: {new:#?}");
    let done: Vec<_> = known
        .keys()
        .filter(|name| !found.contains_key(*name))
        .collect();
    assert!(
        done.is_empty(),
        "supported now, take them off the list: {done:#?}"
    );
}

#[test]
fn cases_pass_in_f32() {
    let (_, failed) = run(&["--f32"]);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
