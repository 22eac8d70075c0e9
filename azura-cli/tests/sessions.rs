//! Sessions at the command line, word for word: `tests/sessions/*.md` and the user guide. After a wanted change, run with
//! `TRYCMD=overwrite` and read the difference.

#[test]
fn sessions() {
    trycmd::TestCases::new()
        .case("tests/sessions/*.md")
        .case("../docs/guide/*.md")
        .env("AZURA_HOME", "nowhere")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1");
}
