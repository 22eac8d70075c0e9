//! Files: what is written is read back, and nothing that is read can do harm.

mod common;

use azura_core::{DType, Error, Tensor, serial};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sample() -> Vec<(String, Tensor)> {
    let x = Tensor::arange(0.0, 24.0, 1.0, DType::F32)
        .unwrap()
        .reshape([2, 3, 4])
        .unwrap();
    [DType::F32, DType::F64, DType::I64, DType::U32, DType::Bool]
        .into_iter()
        .map(|dtype| {
            (
                format!("tensor {dtype} ü"),
                x.cast(dtype).unwrap().transpose(0, 2).unwrap(),
            )
        })
        .chain([
            (
                "nothing".to_string(),
                Tensor::zeros([0, 3], DType::F64).unwrap(),
            ),
            (
                "number".to_string(),
                Tensor::scalar(-0.0, DType::F64).unwrap(),
            ),
            (
                "nan".to_string(),
                Tensor::scalar(f64::NAN, DType::F32).unwrap(),
            ),
        ])
        .collect()
}

fn metadata() -> BTreeMap<String, String> {
    [("azura", "{\"a\": 1}"), ("ü", ""), ("line\n", "\"\\")]
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .into()
}

#[test]
fn what_is_written_is_read() {
    let bytes = serial::to_bytes(&sample(), &metadata()).unwrap();
    // One piece of memory of the right size: the file of a large model is not held twice.
    assert_eq!(bytes.capacity(), bytes.len());
    assert_eq!(
        bytes,
        serial::to_bytes(&sample(), &metadata()).unwrap(),
        "the same content, the same bytes"
    );
    let file = serial::read(&bytes, "memory").unwrap();
    assert_eq!(file.metadata, metadata());
    let read: BTreeMap<String, Tensor> = file.tensors.into_iter().collect();
    assert_eq!(read.len(), sample().len());
    for (name, want) in sample() {
        let got = &read[&name];
        assert_eq!(
            (got.dtype(), got.shape()),
            (want.dtype(), want.shape()),
            "{name}"
        );
        assert_eq!(
            serial::to_le_bytes(got),
            serial::to_le_bytes(&want),
            "{name}"
        );
    }
    let reserved = [(
        "__metadata__".to_string(),
        Tensor::scalar(0.0, DType::F32).unwrap(),
    )];
    assert!(serial::to_bytes(&reserved, &BTreeMap::new()).is_err());
    let empty = serial::to_bytes(&[], &BTreeMap::new()).unwrap();
    assert!(serial::read(&empty, "memory").unwrap().tensors.is_empty());
}

/// As in the reference reader, any byte but 0 is true, and it is written as 1.
#[test]
fn bools_are_normalised() {
    let header = r#"{"x":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#;
    let mut bytes = file(header, 3);
    let data = bytes.len() - 3;
    bytes[data..].copy_from_slice(&[0, 2, 255]);
    let x = &serial::read(&bytes, "memory").unwrap().tensors[0].1;
    assert_eq!(x.to_vec::<bool>().unwrap(), [false, true, true]);
    assert_eq!(serial::to_le_bytes(x), [0, 1, 1]);
}

/// A header with one tensor, and `data` bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 1);
    bytes
}

#[test]
fn hostile_headers_are_refused() {
    let tensor = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(
            "{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}}}"
        )
    };
    assert!(serial::read(&file(&tensor("F32", "[1]", 0, 4), 4), "f").is_ok());
    let nine = tensor("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4);
    #[rustfmt::skip]
    let rows = [
        ("no bytes", Vec::new()),
        ("a header longer than the file", file("{", 0)[..9].to_vec()),
        ("a header of 2^63 bytes", { let mut b = file("{}", 0); b[7] = 0x80; b }),
        ("no JSON", file("hello", 0)),
        ("a missing byte", file(&tensor("F32", "[1]", 0, 4), 3)),
        ("a byte too many", file(&tensor("F32", "[1]", 0, 4), 5)),
        ("a gap", file(&tensor("F32", "[1]", 4, 8), 8)),
        ("another size than the shape's", file(&tensor("F32", "[2]", 0, 4), 4)),
        ("a size that overflows", file(&tensor("F32", "[4611686018427387905,4]", 0, 16), 16)),
        ("nothing of an enormous size", file(&tensor("F32", "[0,18446744073709551615]", 0, 0), 0)),
        ("offsets the wrong way round", file(&tensor("F32", "[1]", 4, 0), 4)),
        ("nine axes", file(&nine, 4)),
        ("an unknown dtype", file(&tensor("Q9", "[1]", 0, 4), 4)),
        ("a dtype without tensor", file(&tensor("U8", "[4]", 0, 4), 4)),
        ("a negative size", file(&tensor("F32", "[-1]", 0, 4), 4)),
    ];
    for (what, bytes) in rows {
        let error = serial::read(&bytes, "some/file").expect_err(what);
        assert!(matches!(error, Error::Format { .. }), "{what}: {error:?}");
        assert!(
            error.to_string().starts_with("[safetensors] some/file: "),
            "{what}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any damage to a file gives a file or an error, in no time and without a panic.
    #[test]
    fn damaged_files_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), keep in any::<prop::sample::Index>(), cut in any::<bool>()) {
        let mut bytes = serial::to_bytes(&sample(), &metadata()).unwrap();
        // Most of the changes belong in the header, the part that is interpreted.
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (i, (at, value)) in changes.iter().enumerate() {
            let at = at.index(if i % 3 == 2 { bytes.len() } else { header });
            bytes[at] = *value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        if let Ok(file) = serial::read(&bytes, "damaged") {
            for (_, tensor) in file.tensors {
                let _ = tensor.cast(DType::F64).unwrap().to_vec::<f64>().unwrap();
            }
        }
    }
}
