//! Gathers the layers: files, environment, command line, weakest first.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Assignment, Origin, Set, file};
use crate::args::Globals;
use crate::failure::{Code, Failure};
use crate::tokens::Token;

/// The environment, as a function so that tests have their own.
pub type Env<'a> = &'a dyn Fn() -> Vec<(String, String)>;

/// Everything the layers say, and the few keys that belong to no app.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Keys of the app, weakest layer first.
    pub assignments: Vec<Assignment>,
    /// `app`: the app's name.
    pub app: Option<(String, Origin)>,
    /// `name`: the group that the run belongs to.
    pub name: Option<(String, Origin)>,
    /// `data.path`: the data file, relative to the working directory.
    pub data: Option<(PathBuf, Origin)>,
    /// `tune` and all keys below it: what a search does, weakest layer first.
    pub tune: Vec<Assignment>,
    /// The file given with `-c` or found as `azura.toml`.
    pub file: Option<PathBuf>,
}

/// The folder of the user's own configuration.
pub fn home() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(home) = set("AZURA_HOME") {
        return Some(home.into());
    }
    if let Some(config) = set("XDG_CONFIG_HOME") {
        return Some(Path::new(&config).join("azura"));
    }
    let user = set("HOME").or_else(|| set("USERPROFILE"))?;
    Some(Path::new(&user).join(".config").join("azura"))
}

/// Gathers all layers. `flags` are the convenience flags (`--lr`), which count like `key=value`.
///
/// # Errors
/// Every problem of every file, variable and word that can be seen without knowing the app.
pub fn gather(
    globals: &Globals,
    overrides: &[Token],
    home: Option<&Path>,
    env: Env<'_>,
) -> Result<Layers, Vec<Failure>> {
    let mut layers = Layers::default();
    let mut failures = Vec::new();
    let mut add = |found: Result<Vec<Assignment>, Vec<Failure>>, into: &mut Layers| match found {
        Ok(found) => found.into_iter().for_each(|a| into.take(a, &mut failures)),
        Err(more) => failures.extend(more),
    };
    if let Some(user) = home.map(|home| home.join("config.toml"))
        && user.is_file()
    {
        add(file::read(&user), &mut layers);
    }
    let variables = env();
    let named = variables
        .iter()
        .find(|(name, value)| name == "AZURA_CONFIG" && !value.is_empty())
        .map(|(_, value)| PathBuf::from(value));
    let local = PathBuf::from("azura.toml");
    let chosen = globals
        .config
        .clone()
        .or(named)
        .or_else(|| local.is_file().then_some(local));
    if let Some(path) = chosen {
        add(file::read(&path), &mut layers);
        layers.file = Some(path);
    }
    add(Ok(from_env(&variables)), &mut layers);
    add(Ok(overrides.iter().map(from_token).collect()), &mut layers);
    if failures.is_empty() {
        Ok(layers)
    } else {
        Err(failures)
    }
}

/// `AZURA__TRAIN__LR=0.1` is `train.lr=0.1`.
fn from_env(variables: &[(String, String)]) -> Vec<Assignment> {
    let mut found: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix("AZURA__")?;
            Some(Assignment {
                key: key.split("__").collect::<Vec<_>>().join(".").to_lowercase(),
                set: Set::Text(value.clone()),
                origin: Origin::Env(name.clone()),
                base: None,
            })
        })
        .collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn from_token(token: &Token) -> Assignment {
    Assignment {
        key: token.key.clone(),
        set: match &token.value {
            Some(text) => Set::Text(text.clone()),
            None => Set::Default,
        },
        origin: Origin::Argument {
            index: token.argument,
            flag: token.flag,
        },
        base: None,
    }
}

impl Layers {
    /// Forgets what the file says, if it is of another app than `name`: what its keys mean is no help there.
    pub fn leave_out_the_file_of_another(&mut self, name: &str) {
        let other =
            matches!(&self.app, Some((owner, origin)) if owner != name && self.owns(origin));
        if other {
            let kept = std::mem::take(&mut self.assignments);
            let kept = kept.into_iter().filter(|a| !self.owns(&a.origin));
            self.assignments = kept.collect();
        }
    }

    /// Whether a value comes from the file given with `-c` or found as `azura.toml`, not from a weaker or stronger layer.
    pub fn owns(&self, origin: &Origin) -> bool {
        matches!(origin, Origin::File { key, .. } if Some(&key.path) == self.file.as_ref())
    }

    /// Sorts an assignment to the app or to the keys that belong to no app.
    fn take(&mut self, assignment: Assignment, failures: &mut Vec<Failure>) {
        let text = match &assignment.set {
            Set::Value(Value::String(text)) | Set::Text(text) => Some(text.clone()),
            Set::Value(other) => Some(other.to_string()),
            Set::Default => None,
        };
        let text = match &assignment.set {
            Set::Text(raw) => match file::inline(raw) {
                Ok(Some(Value::String(inner))) => Some(inner),
                _ => text,
            },
            _ => text,
        };
        let origin = assignment.origin.clone();
        match assignment.key.as_str() {
            "app" => self.app = text.map(|text| (text, origin)),
            "name" => self.name = text.map(|text| (text, origin)),
            "data.path" => {
                self.data = text.map(|text| {
                    let path = match &assignment.base {
                        Some(base) => base.join(text),
                        None => PathBuf::from(text),
                    };
                    (path, origin)
                });
            }
            "schema" => {
                if text.as_deref() != Some("1") {
                    failures.push(
                        Failure::new(
                            Code::ConfigFile,
                            format!(
                                "this version reads configuration schema 1, not {}",
                                text.unwrap_or_default()
                            ),
                        )
                        .at(origin.value_place())
                        .help("write schema = 1, or use a newer azura"),
                    );
                }
            }
            key if key == "tune" || key.starts_with("tune.") => self.tune.push(assignment),
            _ => self.assignments.push(assignment),
        }
    }
}
