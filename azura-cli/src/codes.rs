//! The codes of messages: what each means, and the exit status of a command that ends with it.

/// The stable codes of messages. `azura help CODE` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// E0101: something failed that nothing else describes.
    Unexpected,
    /// E0102: no trial of a study gave a value.
    NoTrial,
    /// E0201: the command line was not understood.
    CommandLine,
    /// E0202: a value that is neither TOML nor plain text.
    Value,
    /// E0203: a key that the app does not have.
    UnknownKey,
    /// E0204: a configuration file that cannot be read or is not TOML.
    ConfigFile,
    /// E0205: an app that does not exist.
    UnknownApp,
    /// E0207: a value of the wrong kind or out of range.
    OutOfRange,
    /// E0301: data that is missing, unreadable or unfit.
    Data,
    /// E0401: training met a NaN or an infinity.
    Diverged,
    /// E0501: a score is on the wrong side of a bar.
    Quality,
    /// E0601: the requested device cannot be used.
    Device,
    /// E0701: there is not enough memory.
    OutOfMemory,
    /// E0801: a model file that is damaged, foreign or too new.
    Model,
    /// E0802: a checkpoint that is damaged, foreign or too new.
    Checkpoint,
    /// E0803: the journal of a study is damaged.
    Journal,
    /// E0901: the run is in use by another process.
    RunInUse,
    /// E0902: the address or file is in use or exists.
    Exists,
    /// E1001: a run, model or file that is not there.
    NotFound,
    /// E1101: an address that is reachable from outside, without leave.
    Exposed,
}

/// Code, exit status, title and explanation of every message.
pub const CODES: &[(Code, &str, u8, &str, &str)] = &[
    (
        Code::Unexpected,
        "E0101",
        1,
        "unexpected failure",
        "Something failed that no other code describes: often the operating system refused to read or write\n\
         (a full disk, missing permission). The message names the file and the system's reason. A run that was\n\
         training keeps its last checkpoint: mend the cause and continue with `azura resume`.",
    ),
    (
        Code::NoTrial,
        "E0102",
        1,
        "no trial gave a value",
        "Every trial of the study failed or was stopped before it had a value, so there is no best one. The message\n\
         and `azura tune show STUDY` name the reasons. Mend what they share (the data, a range that is too wild) and\n\
         go on with `azura tune resume STUDY --trials N`, or begin a new study.",
    ),
    (
        Code::CommandLine,
        "E0201",
        2,
        "the command line was not understood",
        "A command, flag or word that `azura` does not know, or one that is missing. Every word must be\n\
         understood before anything starts. `azura --help` lists the commands, `azura COMMAND --help` its flags.",
    ),
    (
        Code::Value,
        "E0202",
        2,
        "a value that cannot be read",
        "The value of `key=value` is read as TOML (50, 1e-3, true, \"text\", [1, 2]); anything else is plain text.\n\
         A value that begins with a quote or a bracket must be complete TOML. Quote it for the shell:\n\
         azura train weather 'data.columns=[\"a\", \"b\"]'",
    ),
    (
        Code::UnknownKey,
        "E0203",
        2,
        "unknown key",
        "The app has no such configuration key. `azura config print APP` lists all keys with their values and\n\
         where each came from; `azura config schema APP` prints types, ranges and descriptions.",
    ),
    (
        Code::ConfigFile,
        "E0204",
        2,
        "a configuration file cannot be read",
        "The file is missing, not UTF-8, or not TOML; the message shows the line. Files read, weakest first:\n\
         AZURA_HOME/config.toml, then ./azura.toml (or the file of -c).",
    ),
    (
        Code::UnknownApp,
        "E0205",
        2,
        "unknown app",
        "The first word of `train` is an app's name, or an existing data file together with `--app NAME`.\n\
         `azura apps list` shows the apps of this binary.",
    ),
    (
        Code::OutOfRange,
        "E0207",
        2,
        "a value of the wrong kind or out of range",
        "The key exists, but its value has the wrong kind or lies outside the allowed range. `azura config\n\
         explain KEY` shows the kind, the range, the default and where the value came from.",
    ),
    (
        Code::Data,
        "E0301",
        3,
        "the data cannot be used",
        "A data file is missing, unreadable or does not fit the app: the message names file, line and column.\n\
         Nothing is skipped or repaired in silence. `azura apps show APP` lists the columns that are needed.",
    ),
    (
        Code::Diverged,
        "E0401",
        4,
        "training diverged",
        "A loss, gradient or parameter became NaN or infinite. The best and the last good checkpoint are kept.\n\
         Lower `train.lr`, set `train.clip`, or look for extreme values in the data.",
    ),
    (
        Code::Quality,
        "E0501",
        5,
        "quality gate failed",
        "A score is on the wrong side of a bar that `--require` set, or does not exist. The run and its model are\n\
         complete and kept; only the exit status says that the model is not good enough.",
    ),
    (
        Code::Device,
        "E0601",
        6,
        "the requested device cannot be used",
        "`azura` never falls back to another device in silence. `azura doctor` shows which devices this build\n\
         and this machine have; `--device cpu` always works.",
    ),
    (
        Code::OutOfMemory,
        "E0701",
        7,
        "not enough memory",
        "The system has no room for a tensor of the model or of a batch; the message says how large it is.\n\
         A smaller model (fewer or narrower layers), a smaller `train.batch` or a shorter window needs less.\n\
         The run keeps its last checkpoint.",
    ),
    (
        Code::Model,
        "E0801",
        8,
        "not a usable model file",
        "The file is damaged, truncated, of another kind, of an app that this binary lacks, or written by a\n\
         newer version. Its tensors and its description are covered by a hash: a flipped bit is refused.",
    ),
    (
        Code::Checkpoint,
        "E0802",
        8,
        "not a usable checkpoint",
        "The checkpoint is damaged or belongs to another configuration. Start the run again with\n\
         `azura train -c RUN/config.toml`.",
    ),
    (
        Code::Journal,
        "E0803",
        8,
        "the journal of a study is damaged",
        "Each line of studies/NAME/journal.jsonl has a checksum over its entry. A last line that was cut short when a\n\
         process died is left out by itself; a line that is wrong before good ones means that the file was changed.\n\
         Put a copy back, or cut the file off before that line and go on with `azura tune resume NAME`: the trials\n\
         after it are made again, from their checkpoints where they have some.",
    ),
    (
        Code::RunInUse,
        "E0901",
        9,
        "the run is in use",
        "Another process is training in this run directory right now. Wait for it, or stop it with Ctrl-C or\n\
         SIGTERM: it saves a checkpoint first.",
    ),
    (
        Code::Exists,
        "E0902",
        9,
        "already there or in use",
        "A file that would be overwritten, or an address that another process listens on.",
    ),
    (
        Code::NotFound,
        "E1001",
        10,
        "not found",
        "No run, model or file has this name. A run is named by its directory, its number (12, 0012), its name\n\
         (0012-brave-otter, brave-otter), app/number, or `latest`; a model by a file, a run or an app whose latest\n\
         finished run is meant. `azura runs list` shows them.",
    ),
    (
        Code::Exposed,
        "E1101",
        11,
        "an address that others can reach",
        "The server has no authentication, so it listens on loopback addresses only. Put a proxy that checks\n\
         who calls in front of it, or say `--insecure` if the network is trusted.",
    ),
];

impl Code {
    fn row(self) -> &'static (Code, &'static str, u8, &'static str, &'static str) {
        CODES.iter().find(|row| row.0 == self).unwrap_or(&CODES[0])
    }

    /// `E0203`.
    pub fn id(self) -> &'static str {
        self.row().1
    }

    /// The exit status of a command that ends with it.
    pub fn exit(self) -> u8 {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_exits_with_its_class() {
        for (i, row) in CODES.iter().enumerate() {
            assert_eq!(row.0.id(), row.1);
            assert_eq!(row.0.exit(), row.2);
            assert!(CODES[..i].iter().all(|other| other.1 != row.1));
            let class: u8 = row.1[1..3].parse().unwrap();
            assert_eq!(class, row.2, "{}", row.1);
        }
    }
}
