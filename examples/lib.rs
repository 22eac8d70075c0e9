#![forbid(unsafe_code)]
//! Shared by the examples: nothing yet but the crate itself.
