//! The CSV reader on good, foreign and broken files: what it takes, and what it says.

use std::io::Write;

use azura_learner::data::{
    Column, DataError, DataErrorKind, Kind, Table, Timestamp, Values, read_csv, read_csv_all,
    read_csv_all_from, read_csv_from, sha256_file,
};

fn columns() -> [Column; 3] {
    [
        Column::time("day"),
        Column::number("close"),
        Column::text("note"),
    ]
}

fn table(bytes: impl AsRef<[u8]>) -> Table {
    read_csv_from(bytes.as_ref(), "gold.csv", &columns()).unwrap()
}

fn error(bytes: impl AsRef<[u8]>) -> DataError {
    read_csv_from(bytes.as_ref(), "gold.csv", &columns()).unwrap_err()
}

const PLAIN: &str = "day,close,note\n2013-05-01,1.5,a\n2013-05-02,-2e3,\"b, \"\"c\"\"\"\n";

#[test]
fn reads_the_columns_asked_for() {
    let t = table(PLAIN);
    assert_eq!(t.len(), 2);
    assert_eq!(t.numbers("close").unwrap(), [1.5, -2000.0]);
    assert_eq!(t.texts("note").unwrap(), ["a", "b, \"c\""]);
    assert_eq!(t.times("day").unwrap()[1].iso_date(), "2013-05-02");
    assert_eq!((t.line(0), t.line(1), t.line(2)), (Some(2), Some(3), None));
    let only = read_csv_from(PLAIN.as_bytes(), "x", &[Column::number("close")]).unwrap();
    assert_eq!(only.names(), ["close"]);
    assert!(
        only.error_at(1, "close", "no", "yes")
            .to_string()
            .starts_with("x:3: column `close` (2): no")
    );
}

#[test]
fn every_common_dialect_is_the_same_table() {
    let want = table(PLAIN);
    let crlf = PLAIN.replace('\n', "\r\n");
    let cr = PLAIN.replace('\n', "\r");
    let spaced =
        "\n day , close,note\n\n2013-05-01 , 1.5 ,a\n\n\n2013-05-02,-2e3,\"b, \"\"c\"\"\"\n\n";
    for text in [
        format!("\u{feff}{PLAIN}"),
        crlf.clone(),
        format!("\u{feff}{crlf}"),
        cr,
        PLAIN.trim_end().to_string(),
        spaced.to_string(),
        "note,close,other,day\na,1.5,,2013-05-01\n\"b, \"\"c\"\"\",-2e3,x,5/2/2013\n".to_string(),
    ] {
        let have = read_csv_from(text.as_bytes(), "x", &columns()).unwrap();
        assert_eq!(have, want, "{text:?}");
    }
    let t = table(spaced);
    assert_eq!((t.line(0), t.line(1)), (Some(4), Some(7)));
}

#[test]
fn joined_tables_keep_lines_only_within_one_file() {
    let gold = table(PLAIN);
    let twice = gold.append(&gold).unwrap();
    assert_eq!((twice.len(), twice.line(2)), (4, Some(2)));
    let other = read_csv_from(PLAIN.as_bytes(), "silver.csv", &columns()).unwrap();
    let both = gold.append(&other).unwrap();
    assert_eq!((both.len(), both.line(0), both.line(2)), (4, None, None));
    let error = both.error_at(2, "close", "no", "yes").to_string();
    assert_eq!(error, "gold.csv: column `close` (2): row index 2: no; yes");
}

#[test]
fn missing_cells_are_nan_only_where_allowed() {
    let text = "a,b\n1,\n2, NA \n3,NaN\n4,null\n5,n/a\n6,0\n";
    let t = read_csv_from(text.as_bytes(), "x", &[Column::number("b").allow_missing()]).unwrap();
    assert_eq!(
        t.numbers("b")
            .unwrap()
            .iter()
            .filter(|x| x.is_nan())
            .count(),
        5
    );
    let strict = read_csv_from(text.as_bytes(), "x", &[Column::number("b")]).unwrap_err();
    assert_eq!(
        strict.to_string(),
        "x:2: column `b` (2): the value is missing; fill it in or remove the row"
    );
    let nan = read_csv_from("b\nNaN\n".as_bytes(), "x", &[Column::number("b")]).unwrap_err();
    assert_eq!(nan.what(), "the value is missing (\"NaN\")");
    let optional = [Column::number("a"), Column::number("c").optional()];
    assert_eq!(
        read_csv_from(text.as_bytes(), "x", &optional)
            .unwrap()
            .names(),
        ["a"]
    );
}

#[test]
fn other_separators_and_decimal_commas_are_found_and_told() {
    let t = table("day;close;note\r\n2013-05-01;1,5;\"a;b\"\r\n2013-05-02;-2e3;c,d\r\n");
    assert_eq!(t.numbers("close").unwrap(), [1.5, -2000.0]);
    assert_eq!(t.texts("note").unwrap(), ["a;b", "c,d"]);
    assert_eq!(t.notes(), ["decimal commas in `close`"]);
    let t = table("day|close|note\n2013-05-01|1.5|a\n");
    assert_eq!(
        (t.numbers("close").unwrap(), t.notes().len()),
        (&[1.5][..], 0)
    );
    let all = read_csv_all_from("a;b\n0,5;1,2,3\n1;x\n".as_bytes(), "x").unwrap();
    assert_eq!(all.numbers("a").unwrap(), [0.5, 1.0]);
    assert_eq!(all.texts("b").unwrap(), ["1,2,3", "x"]);
    assert_eq!(all.notes(), ["decimal commas in `a`"]);
}

#[test]
fn a_cell_that_makes_text_of_numbers_is_told() {
    let all = |text: &str| read_csv_all_from(text.as_bytes(), "x").unwrap();
    let t = all("age,day,name\n31,2020-01-01,a\n,2020-01-02,b\nunknown,,c\n40,2020-01-04,d\n");
    assert_eq!(t.kind("age"), Some(Kind::Text));
    assert_eq!(
        t.notes(),
        [
            "`age` is text: line 4 holds \"unknown\", while 2 of 4 cells are numbers",
            "`day` is text: line 4 holds nothing, while 3 of 4 cells are times"
        ]
    );
    assert_eq!(t.slice(0..2).notes().len(), 2, "parts keep them");
    assert!(all("name\n1\na\nb\n").notes().is_empty());
}

#[test]
fn a_name_with_another_separator_survives_writing() {
    let t = Table::new("x").with("a;b", vec![1.0]).unwrap();
    let mut out = Vec::new();
    t.to_csv(&mut out).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), "\"a;b\"\n1\n");
    assert_eq!(read_csv_all_from(out.as_slice(), "x").unwrap(), t);
}

#[test]
fn every_message() {
    let cases: &[(&[u8], &str)] = &[
        (
            b"",
            "gold.csv: the file is empty; it needs a header line with the columns' names and then the rows",
        ),
        (
            b"\xEF\xBB\xBF\r\n\r\n",
            "gold.csv: the file is empty; it needs a header line with the columns' names and then the rows",
        ),
        (
            b"day,close,note\n",
            "gold.csv:1: has a header but no rows; add at least one row under the header",
        ),
        (
            b"day,clsoe,note\n2013-05-01,1,a\n",
            "gold.csv:1: there is no column `close`; did you mean `clsoe`? the columns are `day`, `clsoe`, `note`",
        ),
        (
            b"day;close;note\n2013-05-01;1,5;a\n2013-05-02;1.234;a\n",
            "gold.csv:3: column `close` (2): \"1.234\" has its decimals after a point, but \"1,5\" further up after a comma; write all numbers of the column alike",
        ),
        (
            b"day;close;note\n2013-05-01;1.234,5;a\n",
            "gold.csv:2: column `close` (2): \"1.234,5\" is not a number; write a number such as 12.5, without unit or thousands separator",
        ),
        (
            b"day,close,note,day\n",
            "gold.csv:1: column `day` (4): the header has the name \"day\" twice; give every column a name of its own",
        ),
        (
            b"day,close,note\n2013-05-01,1,a\n2013-05-02,1.5 EUR,b\n",
            "gold.csv:3: column `close` (2): \"1.5 EUR\" is not a number; write a number such as 12.5, without unit or thousands separator",
        ),
        (
            b"day,close,note\n2013-05-01,\"1,5\",a\n",
            "gold.csv:2: column `close` (2): \"1,5\" is not a number; write a decimal point instead of the comma",
        ),
        (
            b"day,close,note\n2013-05-01,1e309,a\n",
            "gold.csv:2: column `close` (2): \"1e309\" is too large (at most 1.79e308); write a finite number, or leave the cell empty if it is missing",
        ),
        (
            b"day,close,note\n2013-05-01,-inf,a\n",
            "gold.csv:2: column `close` (2): \"-inf\" is not a finite number; write a finite number, or leave the cell empty if it is missing",
        ),
        (
            b"day,close,note\nsoon,1,a\n",
            "gold.csv:2: column `day` (1): \"soon\" is not a date or time; write it like 2013-05-01, 2013-05-01T13:00:00 or 5/1/2013",
        ),
        (
            b"day,close,note\n,1,a\n",
            "gold.csv:2: column `day` (1): the value is missing; fill it in or remove the row",
        ),
        (
            b"day,close,note\n2013-05-01,1\n",
            "gold.csv:2: column `note` (3): the row has 2 fields, but the header has 3; the row ends before this column: add the missing fields",
        ),
        (
            b"day,close,note\n2013-05-01,1,a,b\n",
            "gold.csv:2: the row has 4 fields, but the header has 3; remove the surplus, or quote fields that contain a separator",
        ),
        (
            b"day,close,note\n2013-05-01,1,a\n2013-05-02,1,\"b\n2013-05-03,1,c\n",
            "gold.csv:3: the quote that opens in column 3 is never closed; close it, and double quotes inside of a quoted field",
        ),
        (
            b"day,close,note\n2013-05-01,1,caf\xE9\n",
            "gold.csv:2: column `note` (3): \"caf\u{fffd}\" is not UTF-8 text (byte 0xE9); save the file as UTF-8",
        ),
        (
            b"day,close,n\xF6te\n",
            "gold.csv:1: the name of column 3 is not UTF-8 text; save the file as UTF-8",
        ),
        (
            b"day,close,note\n2013-05-01,\0,a\n",
            "gold.csv:2: there is a NUL byte in column 2; this is no text file, or a damaged one; save it as UTF-8 text",
        ),
        (
            b"\xFF\xFEd\0a\0",
            "gold.csv:1: the file is UTF-16; save it as UTF-8",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(
            error(bytes).to_string(),
            *message,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn lines_are_counted_through_quoted_line_ends() {
    let text =
        "day,close,note\r\n2013-05-01,1,\"two\r\nlines\nand three\"\r\n\r\n2013-05-02,x,b\r\n";
    let e = error(text);
    assert_eq!(
        (e.kind(), e.line(), e.column()),
        (DataErrorKind::NotANumber, Some(6), Some(("close", 2)))
    );
    let fixed = text.replace(",x,", ",2,");
    let t = table(&fixed);
    assert_eq!(t.texts("note").unwrap()[0], "two\r\nlines\nand three");
    assert_eq!((t.line(0), t.line(1)), (Some(2), Some(6)));
}

#[test]
fn hostile_text_is_shown_harmlessly() {
    let text = format!(
        "day,close,note\n2013-05-01,\u{1b}[2J{},a\n",
        "9".repeat(5000)
    );
    let message = error(text).to_string();
    assert!(
        !message.contains('\u{1b}') && message.len() < 300,
        "{message}"
    );
}

#[test]
fn kinds_are_inferred() {
    let text = "n,gap,t,mixed,,none\n1,2,2013-05-01,1,x,\n-2.5,,5/1/2013,one,y,\n";
    let t = read_csv_all_from(text.as_bytes(), "x").unwrap();
    let kinds = t
        .names()
        .into_iter()
        .map(|n| (n, t.kind(n).unwrap()))
        .collect::<Vec<_>>();
    assert_eq!(
        kinds,
        [
            ("n", Kind::Number),
            ("gap", Kind::Number),
            ("t", Kind::Time),
            ("mixed", Kind::Text),
            ("column_5", Kind::Text),
            ("none", Kind::Number)
        ]
    );
}

#[test]
fn files_plain_packed_and_with_tabs() {
    let dir = std::env::temp_dir().join(format!("azura-data-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name);
    let mut text = Vec::new();
    table(PLAIN).to_csv(&mut text).unwrap();
    assert_eq!(text, PLAIN.replace("-2e3", "-2000").into_bytes());
    std::fs::write(path("a.csv"), text).unwrap();
    assert_eq!(read_csv(path("a.csv"), &columns()).unwrap(), table(PLAIN));
    assert_eq!(read_csv_all(path("a.csv")).unwrap(), table(PLAIN));
    // The digest of the text just above, by sha256sum.
    let digest = sha256_file(path("a.csv")).unwrap();
    assert_eq!(
        digest,
        "6429ab1716888b56ce2e326bc6d74cc4855e2611b71b88f1fc76cf4b5ef9e6d6"
    );

    std::fs::write(path("b.TSV"), "day\tclose\n2013-05-01\t1\n").unwrap();
    let tabs = read_csv(path("b.TSV"), &columns()[..2]).unwrap();
    assert_eq!(tabs.numbers("close").unwrap(), [1.0]);

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(PLAIN.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(table(&packed), table(PLAIN));
    let cut = error(&packed[..packed.len() / 2]);
    assert_eq!(cut.kind(), DataErrorKind::Io);
    assert!(
        cut.to_string()
            .contains("check that it is a whole file, plain or gzip"),
        "{cut}"
    );

    let none = read_csv(path("none.csv"), &columns()).unwrap_err();
    assert_eq!(none.kind(), DataErrorKind::Io);
    assert!(
        none.to_string().contains("none.csv: cannot be opened"),
        "{none}"
    );
    assert_eq!(
        read_csv(&dir, &columns()).unwrap_err().kind(),
        DataErrorKind::Io
    );
    assert_eq!(
        sha256_file(path("none.csv")).unwrap_err().kind(),
        DataErrorKind::Io
    );
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(
        table(PLAIN).to_csv(Full).unwrap_err().kind(),
        DataErrorKind::Io
    );
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn numbers_are_written_shortest_and_times_by_need() {
    let day = |text: &str| text.parse::<Timestamp>().unwrap();
    let t = Table::new("x")
        .with("n", vec![0.1, 1e300, f64::NAN, -0.0])
        .and_then(|t| t.with("d", vec![day("2013-05-01"); 4]))
        .and_then(|t| {
            t.with(
                "t",
                vec![
                    day("2013-05-01"),
                    day("2013-05-01T01:00"),
                    day("2013-05-02"),
                    day("2013-05-03"),
                ],
            )
        })
        .unwrap();
    let mut out = Vec::new();
    t.to_csv(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "n,d,t\n0.1,2013-05-01,2013-05-01T00:00:00\n1e300,2013-05-01,2013-05-01T01:00:00\n\
         ,2013-05-01,2013-05-02T00:00:00\n-0,2013-05-01,2013-05-03T00:00:00\n"
    );
    let infinite = Table::new("x").with("n", vec![f64::INFINITY]).unwrap();
    assert_eq!(
        infinite.to_csv(Vec::new()).unwrap_err().kind(),
        DataErrorKind::OutOfRange
    );
    assert_eq!(Values::empty(Kind::Time).kind(), Kind::Time);
}
