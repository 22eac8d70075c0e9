//! One line of a study's journal: what happened, with a checksum.
//!
//! ```text
//! {"sum":"5f1c…","entry":{"report":{"trial":7,"step":1,"value":0.25}}}
//! ```
//!
//! `sum` is the first eight bytes of the sha256 over the text of `entry`, as it stands in the line.

use azura_learner::tune::{State, Values};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Something that happened in a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A trial was handed out.
    Start {
        /// Its number.
        trial: usize,
        /// Its point in the unit cube.
        point: Vec<f64>,
        /// The values that it tries.
        values: Values,
        /// Who chose them.
        from: From,
        /// The worker that trains it; `None` if somebody asked for it and will tell.
        worker: Option<String>,
        /// When, in seconds since 1970.
        time: f64,
    },
    /// Another worker goes on with a trial whose own died.
    Claim {
        /// The trial.
        trial: usize,
        /// The new worker.
        worker: String,
        /// When, in seconds since 1970.
        time: f64,
    },
    /// A value on the way.
    Report {
        /// The trial.
        trial: usize,
        /// The epoch.
        step: u64,
        /// The first objective; null if it is no finite number.
        value: Option<f64>,
    },
    /// A trial ended, in whatever way.
    End {
        /// The trial.
        trial: usize,
        /// How.
        state: State,
        /// A value for each objective if it is done.
        objectives: Vec<f64>,
        /// How far each constraint is violated; null if that is no finite number.
        constraints: Vec<Option<f64>>,
        /// What else was measured: epochs, parameters, seconds, scores.
        measured: Map<String, Value>,
        /// When, in seconds since 1970.
        time: f64,
    },
    /// Values that somebody wants tried next.
    Enqueue {
        /// The values.
        values: Values,
    },
    /// No worker shall begin another trial.
    Stop {
        /// When, in seconds since 1970.
        time: f64,
    },
    /// Workers may begin trials again.
    Go {
        /// When, in seconds since 1970.
        time: f64,
    },
}

/// Who chose the values of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The sampler.
    Sampler,
    /// A person, by `enqueue`.
    Queue,
}

const HEAD: &str = "{\"sum\":\"";
const MIDDLE: &str = "\",\"entry\":";
const SUM: usize = 16;

/// The line, with its end.
pub fn encode(entry: &Entry) -> String {
    // Numbers in an entry are finite or optional, so that it always is JSON.
    let text = serde_json::to_string(entry).unwrap_or_default();
    format!("{HEAD}{:016x}{MIDDLE}{text}}}\n", sum(text.as_bytes()))
}

/// The entry of a line without its end; `None` if it is not what was written.
pub fn decode(line: &[u8]) -> Option<Entry> {
    let rest = line.strip_prefix(HEAD.as_bytes())?;
    let (digits, rest) = rest.split_at_checked(SUM)?;
    let text = rest.strip_prefix(MIDDLE.as_bytes())?.strip_suffix(b"}")?;
    let written = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (written == sum(text)).then(|| serde_json::from_slice(text).ok())?
}

fn sum(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::tune;

    #[test]
    fn what_is_written_is_read_and_a_flipped_bit_is_not() {
        let entry = Entry::Start {
            trial: 7,
            point: vec![0.1, 1.0 / 3.0],
            values: Values::from([
                ("train.lr".to_string(), tune::Value::Float(1e-3 / 3.0)),
                (
                    "model.kind".to_string(),
                    tune::Value::Text("é|\"".to_string()),
                ),
            ]),
            from: From::Sampler,
            worker: Some("a-1".to_string()),
            time: 1.7e9,
        };
        let line = encode(&entry);
        assert!(serde_json::from_str::<Value>(&line).is_ok());
        let bytes = line.trim_end().as_bytes();
        assert_eq!(decode(bytes), Some(entry));
        for at in 0..bytes.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut bad = bytes.to_vec();
                bad[at] ^= bit;
                // A digit of the sum in capitals is the same number.
                let same =
                    bad.eq_ignore_ascii_case(bytes) && (HEAD.len()..HEAD.len() + SUM).contains(&at);
                assert!(same || decode(&bad).is_none(), "byte {at}");
            }
            assert_eq!(decode(&bytes[..at]), None);
        }
    }
}
