//! The examples are the files beside this one; run one with
//! `cargo run --release -p azura-examples --example NAME`.

#![forbid(unsafe_code)]
