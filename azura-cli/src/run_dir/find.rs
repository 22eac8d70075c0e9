//! Finds runs: by directory, number, name, group, or `latest`.

use std::fs;
use std::path::Path;

use super::{Record, RunDir, Status, number_of};
use crate::failure::{Code, Failure};
use crate::near;

/// All runs below `runs`, newest first, of one group or of all.
pub fn list(runs: &Path, group: Option<&str>) -> Vec<(RunDir, Record)> {
    let groups = match group {
        Some(group) => vec![runs.join(group)],
        None => directories(runs),
    };
    let mut found: Vec<_> = groups
        .iter()
        .flat_map(|group| directories(group))
        .map(RunDir::at)
        .filter(|run| run.number().is_some())
        .filter_map(|run| {
            let record = known(&run)?;
            Some((run, record))
        })
        .collect();
    found.sort_by(|(a, ra), (b, rb)| {
        (&rb.created, b.number(), b.path()).cmp(&(&ra.created, a.number(), a.path()))
    });
    found
}

/// The record of a run; one that cannot be read is [`Status::Damaged`] and says why. A folder without `run.json` is no run
/// (yet).
fn known(run: &RunDir) -> Option<Record> {
    match Record::read(run) {
        Ok(record) => Some(record),
        Err(failure) if run.file("run.json").exists() => Some(Record {
            id: run.id(),
            status: Status::Damaged,
            error: Some(failure.message().to_string()),
            ..Record::default()
        }),
        Err(_) => None,
    }
}

fn directories(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_str().is_some() && path.is_dir())
        .filter(|path| !super::file_name(path).starts_with('.'))
        .collect();
    found.sort();
    found
}

/// The latest run that can be resumed and in which no process trains; if there is none, the latest run.
///
/// # Errors
/// [`Code::NotFound`] if there are no runs.
pub fn latest_unfinished(runs: &Path) -> Result<RunDir, Failure> {
    let all = list(runs, None);
    let open = all.iter().find(|(_, record)| {
        matches!(
            record.status,
            Status::Interrupted | Status::Lost | Status::Failed
        )
    });
    match (open, all.first()) {
        (Some((run, _)), _) => Ok(run.clone()),
        // Nothing to continue: a finished run shows its result again, a living one refuses.
        (None, Some((run, _))) => Ok(run.clone()),
        (None, None) => Err(Failure::new(
            Code::NotFound,
            format!("there are no runs in {}", runs.display()),
        )
        .help("start one with `azura train APP`")),
    }
}

/// The run that `name` means: a directory, `0042-brave-otter`, `42`, `brave-otter`, `weather/42`, a group (its
/// latest run) or `latest`. A number or name that several groups have must be written with its group.
///
/// # Errors
/// [`Code::NotFound`] with near names, also if several runs are meant.
pub fn find(runs: &Path, name: &str) -> Result<RunDir, Failure> {
    let direct = Path::new(name);
    if direct.join("run.json").is_file() {
        return Ok(RunDir::at(direct));
    }
    let all = list(runs, None);
    let (group, wanted) = match name.trim_end_matches('/').rsplit_once('/') {
        Some((group, wanted)) => (Some(group), wanted),
        None => (None, name),
    };
    let mut meant: Vec<&RunDir> = all
        .iter()
        .map(|(run, _)| run)
        .filter(|run| group.is_none_or(|group| group_of(run) == group))
        .filter(|run| wanted == "latest" || matches(&run.id(), wanted))
        .collect();
    if wanted == "latest" {
        meant.truncate(1);
    }
    if meant.is_empty() && group.is_none() {
        meant = all
            .iter()
            .map(|(run, _)| run)
            .filter(|run| group_of(run) == wanted)
            .take(1)
            .collect();
    }
    match meant.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let failure = Failure::new(
                Code::NotFound,
                format!("no run in {} is called `{name}`", runs.display()),
            );
            let ids: Vec<_> = all
                .iter()
                .flat_map(|(run, _)| [run.full_id(), run.id()])
                .collect();
            Err(match near::nearest(name, ids.iter().map(String::as_str)) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`azura runs list` shows the runs"),
            })
        }
        several => Err(
            Failure::new(Code::NotFound, format!("several runs are called `{name}`")).help(
                format!(
                    "write one of {}",
                    several
                        .iter()
                        .map(|run| run.full_id())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
        ),
    }
}

fn group_of(run: &RunDir) -> String {
    run.path()
        .parent()
        .map(super::file_name)
        .unwrap_or_default()
}

fn matches(id: &str, wanted: &str) -> bool {
    let digits = wanted.bytes().all(|b| b.is_ascii_digit()) && !wanted.is_empty();
    id == wanted
        || id.split_once('-').is_some_and(|(_, name)| name == wanted)
        || (digits && wanted.parse().ok() == number_of(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("azura-find-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for (i, (id, status)) in [
            ("weather/0001-brave-otter", Status::Finished),
            ("weather/0002-calm-heron", Status::Interrupted),
            ("stock/0001-swift-lynx", Status::Finished),
        ]
        .into_iter()
        .enumerate()
        {
            let run = RunDir::at(path.join(id));
            fs::create_dir_all(run.path()).unwrap();
            let mut record = Record::begin(&run, "weather");
            record.created = format!("2026-01-01T00:00:0{i}Z");
            record.status = status;
            record.write(&run).unwrap();
        }
        path
    }

    #[test]
    fn every_way_to_name_a_run() {
        let runs = runs("names");
        for (name, id) in [
            ("weather/2", "0002-calm-heron"),
            ("0002", "0002-calm-heron"),
            ("2", "0002-calm-heron"),
            ("calm-heron", "0002-calm-heron"),
            ("0002-calm-heron", "0002-calm-heron"),
            ("weather", "0002-calm-heron"),
            ("stock/1", "0001-swift-lynx"),
            ("latest", "0001-swift-lynx"),
            ("weather/latest", "0002-calm-heron"),
        ] {
            assert_eq!(find(&runs, name).unwrap().id(), id, "{name}");
        }
        let path = runs.join("weather/0001-brave-otter");
        assert_eq!(find(&runs, path.to_str().unwrap()).unwrap().path(), path);
        assert_eq!(latest_unfinished(&runs).unwrap().id(), "0002-calm-heron");
        fs::remove_dir_all(&runs).unwrap();
    }

    #[test]
    fn a_damaged_run_is_listed_with_the_reason() {
        let runs = runs("damaged");
        let run = RunDir::at(runs.join("weather/0001-brave-otter"));
        fs::write(run.file("run.json"), "{\"schema\":").unwrap();
        let all = list(&runs, None);
        assert_eq!(all.len(), 3);
        let (last, record) = &all[2];
        assert_eq!((last.id(), record.status), (run.id(), Status::Damaged));
        let why = record.error.as_deref().unwrap();
        assert!(
            why.starts_with("the run.json of weather/0001-brave-otter is damaged"),
            "{why}"
        );
        assert_eq!(find(&runs, "brave-otter").unwrap().path(), run.path());
        fs::remove_dir_all(&runs).unwrap();
    }

    #[test]
    fn what_is_meant_twice_or_not_at_all_is_said() {
        let runs = runs("missing");
        let text = find(&runs, "1").unwrap_err().render(false);
        assert!(text.contains("weather/0001-brave-otter"), "{text}");
        assert!(text.contains("stock/0001-swift-lynx"), "{text}");
        let text = find(&runs, "calm-hero").unwrap_err().render(false);
        assert!(text.contains("E1001"), "{text}");
        let text = find(&runs, "weather/0002-calm-hero")
            .unwrap_err()
            .render(false);
        assert!(
            text.contains("did you mean `weather/0002-calm-heron`?"),
            "{text}"
        );
        assert!(latest_unfinished(&runs.join("none")).is_err());
        fs::remove_dir_all(&runs).unwrap();
    }
}
