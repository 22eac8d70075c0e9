//! Finds models by name and reads tables, for all commands that use a saved model.

use std::io::Read;
use std::path::{Path, PathBuf};

use azura_learner::data::{Table, read_csv, read_csv_from};
use azura_learner::{Predictor, Source};

use super::{Context, finish};
use crate::args::Globals;
use crate::config::layers;
use crate::failure::{Code, Failure, Place, Stop};
use crate::near;
use crate::run_dir::{self, RunDir, Status};

/// The model file that `name` means: a file, a run, or the latest finished run of an app or group.
///
/// # Errors
/// [`Code::NotFound`] with near names.
pub fn model_path(context: &Context, name: &str) -> Result<PathBuf, Failure> {
    let direct = Path::new(name);
    if direct.is_file() {
        return Ok(direct.to_path_buf());
    }
    let runs = context.runs();
    let group = run_dir::list(&runs, Some(name));
    if direct.components().count() == 1 && !group.is_empty() && !direct.join("run.json").exists() {
        let finished = group.iter().find(|(run, _)| run.model().is_file());
        return match finished {
            Some((run, _)) => Ok(run.model()),
            None => Err(finish::no_model(context, &group[0].0, group[0].1.status)),
        };
    }
    if name.ends_with(".safetensors") {
        return Err(
            Failure::new(Code::NotFound, format!("there is no model file {name}"))
                .help("`azura runs list` shows the runs, each with its model.safetensors"),
        );
    }
    if let Ok(app) = context.registry.get(name)
        && app.name() != name
    {
        return model_path(context, app.name());
    }
    match run_dir::find(&runs, name) {
        Ok(run) => {
            let path = run.model();
            if path.is_file() {
                return Ok(path);
            }
            let status = run_dir::Record::read(&run).map_or(Status::Lost, |record| record.status);
            Err(finish::no_model(context, &run, status))
        }
        Err(_) if context.registry.get(name).is_ok() => Err(Failure::new(
            Code::NotFound,
            format!("no run of `{name}` is in {}", runs.display()),
        )
        .help(format!("train one first: azura train {name}"))),
        Err(failure) => {
            let names = context.registry.names();
            match near::nearest(name, names.iter().copied()) {
                Some(near) => Err(Failure::new(
                    Code::NotFound,
                    format!("no model is called `{name}`"),
                )
                .help(format!("did you mean `{near}`?"))),
                None => Err(failure),
            }
        }
    }
}

/// Opens the model that `name` means.
///
/// # Errors
/// As [`model_path`]; [`Code::Model`] if the file is damaged, foreign or too new.
pub fn model(context: &Context, name: &str) -> Result<(PathBuf, Box<dyn Predictor>), Stop> {
    context.device()?;
    let path = model_path(context, name)?;
    let predictor = context.registry.open(&path).map_err(|error| match error {
        azura_learner::Error::NotFound {
            kind: "app", name, ..
        } => Failure::new(
            Code::Model,
            format!("the model belongs to the app `{name}`, which this program lacks"),
        )
        .at(Place::File(path.clone()))
        .help(format!(
            "apps of this program: {}",
            context.registry.names().join(", ")
        )),
        other => other.into(),
    })?;
    Ok((path, predictor))
}

/// Reads a table with the columns that a model takes; `-` is stdin. A model that takes files also takes a file or a folder of
/// them in place of a table that lists them.
///
/// # Errors
/// [`Code::Data`] with file, line and column.
pub fn table(predictor: &dyn Predictor, path: &Path) -> Result<Table, Stop> {
    let columns = predictor.signature().columns();
    let takes_files = columns.iter().any(|column| column.name() == "path");
    if takes_files && path.exists() && !super::train::is_a_table(&path.to_string_lossy()) {
        return Ok(predictor.table(&Source::File(path.to_path_buf()))?);
    }
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| {
                Failure::new(Code::Data, format!("cannot read standard input: {error}"))
            })?;
        return Ok(read_csv_from(bytes.as_slice(), "standard input", &columns)?);
    }
    if !path.exists() {
        return Err(not_there(path).into());
    }
    Ok(read_csv(path, &columns)?)
}

/// Whether these inputs are files of the app's own kind, or folders of such, and not a table.
pub fn are_files(model: &dyn Predictor, inputs: &[PathBuf]) -> bool {
    let endings = model.files();
    !endings.is_empty()
        && inputs
            .iter()
            .all(|path| path.is_dir() || ends_in(path, endings))
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|own| {
        endings
            .iter()
            .any(|ending| own.eq_ignore_ascii_case(ending))
    })
}

/// The files that these inputs mean: folders stand for all files of the app's kind in them and their folders, sorted.
///
/// # Errors
/// [`Code::Data`] for a file that is not there, a folder that cannot be read or has no such file.
pub fn files(model: &dyn Predictor, inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let endings = model.files();
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let before = files.len();
            add_folder(input, endings, &mut files)?;
            if files.len() == before {
                let what = format!("no file in the folder ends in {}", endings.join(", "));
                return Err(Failure::new(Code::Data, what)
                    .at(Place::File(input.clone()))
                    .help("name another folder, or the files themselves")
                    .into());
            }
        } else if input.exists() {
            files.push(input.clone());
        } else {
            return Err(not_there(input).into());
        }
    }
    Ok(files)
}

fn add_folder(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Code::Data, format!("cannot be read: {error}"))
            .at(Place::File(folder.to_path_buf()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    for path in found {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            add_folder(&path, endings, files)?;
        } else if ends_in(&path, endings) && !hidden {
            files.push(path);
        }
    }
    Ok(())
}

fn not_there(path: &Path) -> Failure {
    Failure::new(
        Code::Data,
        format!("the file {} is not there", path.display()),
    )
    .help("paths start from the working directory; - reads standard input")
}

/// The data that the model at `path` was trained on, as its run remembers it.
///
/// # Errors
/// [`Code::Data`] if the file is no longer there, and what is wrong with the run's configuration.
pub fn source_of(path: &Path, model: &dyn Predictor) -> Result<Source, Stop> {
    let config = path
        .parent()
        .map(|folder| RunDir::at(folder).file("config.toml"))
        .filter(|config| config.is_file());
    let known = match config {
        Some(config) => {
            let globals = Globals {
                config: Some(config),
                ..Globals::default()
            };
            let layers = layers::gather(&globals, &[], None, &Vec::new).map_err(Stop::from)?;
            layers.data.map(|(path, _)| path)
        }
        // A model away from its run: a file's path is absolute, the name of bundled data is not.
        None => Some(PathBuf::from(&model.info().data.source)).filter(|path| path.is_absolute()),
    };
    match known {
        None => Ok(Source::Bundled),
        Some(file) if file.exists() => Ok(Source::File(file)),
        Some(file) => Err(Failure::new(
            Code::Data,
            format!(
                "the data that the model was trained on is no longer at {}",
                file.display()
            ),
        )
        .help("put it back, or name a data file after the model")
        .into()),
    }
}

/// Refuses to write over what is read, over a folder, or into one that is not there, before anything is computed.
///
/// # Errors
/// [`Code::Exists`] for a folder or a file that is also read, [`Code::NotFound`] for a folder that is not there.
pub fn check_output(output: Option<&Path>, read: &[&Path]) -> Result<(), Stop> {
    let Some(output) = output.filter(|path| *path != Path::new("-")) else {
        return Ok(());
    };
    if output.is_dir() {
        return Err(
            Failure::new(Code::Exists, format!("{} is a folder", output.display()))
                .at(Place::File(output.to_path_buf()))
                .help(format!(
                    "name a file in it: -o {}",
                    output.join("out.csv").display()
                ))
                .into(),
        );
    }
    let real = |path: &Path| path.canonicalize().ok();
    if let Some(same) = real(output)
        && let Some(read) = read.iter().find(|path| real(path).as_ref() == Some(&same))
    {
        let message = format!("{} is read; it would be lost", read.display());
        return Err(Failure::new(Code::Exists, message)
            .at(Place::File(output.to_path_buf()))
            .help("write to another file")
            .into());
    }
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let message = format!("the folder {} is not there", folder.display());
        return Err(Failure::new(Code::NotFound, message)
            .at(Place::File(output.to_path_buf()))
            .help(format!("make it first: mkdir -p {}", folder.display()))
            .into());
    }
    Ok(())
}
