//! `docs/ops.md` says what the sources say.

use std::process::Command;

#[test]
fn the_page_of_operations_is_up_to_date() {
    let output = Command::new(env!("CARGO_BIN_EXE_ops_page"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
