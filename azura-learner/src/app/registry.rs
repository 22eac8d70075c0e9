//! Finding apps by name.

use std::path::Path;

use super::{DynApp, Predictor};
use crate::data::nearest;
use crate::error::{Error, Result};
use crate::model::ModelFile;

/// The apps that a program knows.
///
/// ```
/// use azura_learner::Registry;
/// let registry = Registry::new();
/// assert!(registry.names().is_empty());
/// assert!(registry.get("weather").is_err());
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    apps: Vec<&'static dyn DynApp>,
}

impl Registry {
    /// A registry without apps.
    pub fn new() -> Self {
        Registry::default()
    }

    /// The same registry with one more app; an app of the same name is replaced.
    ///
    /// An app is usually a unit struct, and `&MyApp` lives for ever.
    #[must_use]
    pub fn with(mut self, app: &'static dyn DynApp) -> Self {
        match self.apps.iter_mut().find(|a| a.name() == app.name()) {
            Some(place) => *place = app,
            None => self.apps.push(app),
        }
        self
    }

    /// The app of this name, or else the one that has it as another name ([`App::aliases`](super::App::aliases)).
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest name or the list of names.
    pub fn get(&self, name: &str) -> Result<&'static dyn DynApp> {
        let named = self.apps.iter().find(|app| app.name() == name);
        let known = || self.apps.iter().find(|app| app.aliases().contains(&name));
        if let Some(app) = named.or_else(known) {
            return Ok(*app);
        }
        let names = self.names();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "this program has no apps".to_string(),
            None => format!("there are: {}", names.join(", ")),
        };
        Err(Error::NotFound {
            kind: "app",
            name: name.to_string(),
            help: Some(help),
        })
    }

    /// The names, in the order in which the apps were added.
    pub fn names(&self) -> Vec<&'static str> {
        self.apps.iter().map(|app| app.name()).collect()
    }

    /// The apps, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn DynApp> + '_ {
        self.apps.iter().copied()
    }

    /// Loads a model file with the app that made it.
    ///
    /// # Errors
    /// [`Error::Model`] if the file is damaged, foreign or too new, [`Error::NotFound`] if its app is
    /// not in this registry.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Box<dyn Predictor>> {
        let file = ModelFile::open(path)?;
        self.get(&file.info().app)?.load(file)
    }
}
