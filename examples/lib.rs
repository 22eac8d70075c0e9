//! The examples are the files beside this one; run one with
//! `cargo run --release -p azura-examples --example NAME`. The Rust of the README is tested here too.

#![forbid(unsafe_code)]

/// The README: its snippets are documentation tests of this item.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
