//! An app of another kind, written outside of AzuraForge: handwritten digits with labels.
//!
//! Nothing in the engine, the learner or the command line knows of it, and yet
//! `cargo run --release -p azura-examples --example digits_app -- train digits` trains it, with a
//! configuration, checkpoints, resume, a report and a model file that `predict` and `serve` take.

#![forbid(unsafe_code)]

mod app;

use std::process::ExitCode;

fn main() -> ExitCode {
    azura_cli::run(azura_apps::builtin().with(&app::Digits))
}

#[test]
fn the_readme_shows_this_program() {
    let source = include_str!("main.rs");
    let program = source
        .split("\n\n")
        .skip_while(|part| *part != "mod app;")
        .take(3);
    let program = program.collect::<Vec<_>>().join("\n\n");
    assert!(include_str!("../../README.md").contains(program.trim_end()));
}

#[test]
fn the_guide_shows_this_program() {
    let guide = include_str!("../../docs/guide/write-an-app.md");
    let program = [include_str!("main.rs"), include_str!("app.rs")].concat();
    let blocks: Vec<&str> = guide
        .split("```rust\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() > 8);
    for block in blocks {
        assert!(
            program.contains(block.trim_end()),
            "not in the program:\n{block}"
        );
    }
}
