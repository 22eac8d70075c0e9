//! What a study is: the app and its configuration, the space that is searched around it, and how.

use azura_learner::app::schema_of;
use azura_learner::train::Span;
use azura_learner::tune::{Domain, History, Objective, Parameter, Pruner, Sampler, Space, Values};
use azura_learner::{DynApp, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::choose;
use super::measure::{Constraint, parse_objective};
use crate::config::layers::Layers;
use crate::config::resolve::{Resolved, Rules, fit, put, resolve};
use crate::config::schema::Node;
use crate::config::{Assignment, Origin, Set, file};
use crate::failure::{Code, Failure, Place};
use crate::near;

/// How to search: the part of a configuration that is called `tune`, besides `[tune.space]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuneConfig {
    /// Trials of the study, at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub trials: usize,
    /// After this time (30m, 2h), counted anew for each command, no trial begins and those under way are interrupted; 0 is no
    /// limit.
    pub time_limit: Span,
    /// Trials at the same time, each in a process of its own.
    #[schemars(range(min = 1, max = 1024))]
    pub parallel: usize,
    /// Who proposes values.
    pub sampler: String,
    /// Who stops hopeless trials early.
    pub pruner: String,
    /// What is made small or large, such as "min val.mase"; the first one decides about pruning. None takes train.monitor.
    pub objectives: Vec<String>,
    /// What a trial must keep to be the best, such as "parameters<1e6".
    pub constraints: Vec<String>,
    /// Seed of the sampler; none takes train.seed.
    pub seed: Option<u64>,
}

impl Default for TuneConfig {
    fn default() -> Self {
        TuneConfig {
            trials: 50,
            time_limit: Span::default(),
            parallel: 1,
            sampler: "auto".to_string(),
            pruner: "auto".to_string(),
            objectives: Vec::new(),
            constraints: Vec::new(),
            seed: None,
        }
    }
}

/// The document that holds it, so that its keys begin with `tune.`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Document {
    /// How to search.
    tune: TuneConfig,
}

/// One `--search KEY=SPACE`.
pub struct Search {
    /// The key.
    pub key: String,
    /// The space, as text.
    pub text: String,
    /// Where it stands.
    pub place: Option<Place>,
}

/// Everything that decides a study.
pub struct Setup {
    /// The app.
    pub app: &'static dyn DynApp,
    /// The group that its runs would belong to.
    pub group: String,
    /// Its data.
    pub source: Source,
    /// The configuration around the searched keys.
    pub base: Resolved,
    /// What is searched.
    pub space: Space,
    /// Whether the space is the app's own, since nobody named one.
    pub usual: bool,
    /// What is made small or large.
    pub objectives: Vec<Objective>,
    /// What a trial must keep.
    pub constraints: Vec<Constraint>,
    /// The rest; `auto` is settled.
    pub tune: TuneConfig,
    /// Why this sampler, if nobody named one.
    pub why: Option<String>,
}

const SPACE: &str = "tune.space.";

impl Setup {
    /// Reads what the layers and `searches` say about a search around `base`.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn new(
        app: &'static dyn DynApp,
        group: String,
        source: Source,
        mut base: Resolved,
        layers: &Layers,
        searches: &[Search],
    ) -> Result<Setup, Vec<Failure>> {
        let (tune, origins) = tune_config(layers, app.name())?;
        let mut failures = Vec::new();
        let mut objectives = Vec::new();
        for text in &tune.objectives {
            match parse_objective(text) {
                Ok(objective) => objectives.push(objective),
                Err(why) => failures.push(
                    Failure::new(Code::OutOfRange, format!("`{text}` is no objective"))
                        .at(origins.origin("tune.objectives").value_place())
                        .help(why),
                ),
            }
        }
        let mut constraints = Vec::new();
        for text in &tune.constraints {
            match text.parse() {
                Ok(constraint) => constraints.push(constraint),
                Err(why) => failures.push(
                    Failure::new(Code::OutOfRange, format!("`{text}` is no constraint"))
                        .at(origins.origin("tune.constraints").value_place())
                        .help(why),
                ),
            }
        }
        follow(&mut base, &mut objectives);
        let mut usual = false;
        let space = match space(app, &base, layers, searches, &mut usual) {
            Ok(space) => space,
            Err(more) => {
                failures.extend(more);
                return Err(failures);
            }
        };
        if !failures.is_empty() {
            return Err(failures);
        }
        let mut setup = Setup {
            app,
            group,
            source,
            base,
            space,
            usual,
            objectives,
            constraints,
            tune,
            why: None,
        };
        setup
            .settle()
            .map_err(|(key, failure)| vec![failure.at(origins.origin(key).value_place())])?;
        Ok(setup)
    }

    /// Puts names in the place of `auto`, so that any worker at any time does the same.
    fn settle(&mut self) -> Result<(), (&'static str, Failure)> {
        let empty = self
            .history()
            .map_err(|failure| ("tune.objectives", failure))?;
        let (sampler, why) = choose::sampler(&self.tune, self.seed(), &empty)
            .map_err(|failure| ("tune.sampler", failure))?;
        if self.tune.sampler == "auto" {
            self.why = Some(why);
            self.tune.sampler = sampler.name().to_string();
        }
        let epochs = self.base.get("train.epochs").and_then(Value::as_u64);
        let pruner =
            choose::pruner_name(&self.tune.pruner, epochs.unwrap_or(0), &empty).to_string();
        choose::pruner(&pruner).map_err(|failure| ("tune.pruner", failure))?;
        self.tune.pruner = pruner;
        Ok(())
    }

    /// The sampler.
    ///
    /// # Errors
    /// If there is none of its name.
    pub fn sampler(&self) -> Result<Box<dyn Sampler>, Failure> {
        Ok(choose::sampler(&self.tune, self.seed(), &self.history()?)?.0)
    }

    /// The pruner.
    ///
    /// # Errors
    /// If there is none of its name.
    pub fn pruner(&self) -> Result<Box<dyn Pruner>, Failure> {
        choose::pruner(&self.tune.pruner)
    }

    /// The seed of the sampler.
    pub fn seed(&self) -> u64 {
        let seed = || self.base.get("train.seed").and_then(Value::as_u64);
        self.tune.seed.or_else(seed).unwrap_or(0)
    }

    /// The study without trials.
    ///
    /// # Errors
    /// If two objectives have the same name.
    pub fn history(&self) -> Result<History, Failure> {
        let history = History::new(self.space.clone(), self.objectives.clone());
        history.map_err(Failure::from)
    }

    /// The configuration of a trial.
    pub fn configuration(&self, values: &Values) -> Resolved {
        let mut config = self.base.clone();
        let schema = self.app.schema();
        let schema = Node::root(&schema);
        for (key, value) in values {
            let value = serde_json::to_value(value).unwrap_or_default();
            put(&mut config.value, key, fit(value, None, schema.at(key)));
            config.origins.insert(key.clone(), Origin::Tuner);
        }
        config
    }

    /// The document of `study.toml`, which `-c` reads.
    pub fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("schema".to_string(), 1.into());
        document.insert("app".to_string(), self.app.name().into());
        document.insert("name".to_string(), self.group.as_str().into());
        if let Value::Object(config) = &self.base.value {
            document.extend(config.clone());
        }
        if let Source::File(path) = &self.source {
            let data = document
                .entry("data")
                .or_insert_with(|| Value::Object(Map::new()));
            data["path"] = path.to_string_lossy().into();
        }
        let tune = TuneConfig {
            objectives: self.objectives.iter().map(super::objective_text).collect(),
            seed: Some(self.seed()),
            ..self.tune.clone()
        };
        let mut tune = serde_json::to_value(tune).unwrap_or_default();
        let entries = self.space.parameters().iter();
        tune["space"] = entries
            .map(|parameter| (parameter.key.clone(), json!(parameter.text())))
            .collect::<Map<_, _>>()
            .into();
        document.insert("tune".to_string(), tune);
        document
    }
}

/// `tune` without its space.
fn tune_config(layers: &Layers, app: &str) -> Result<(TuneConfig, Resolved), Vec<Failure>> {
    let own = |a: &&Assignment| a.key != "tune.space" && !a.key.starts_with(SPACE);
    let layers = Layers {
        assignments: layers.tune.iter().filter(own).cloned().collect(),
        ..Layers::default()
    };
    let schema = schema_of::<Document>();
    let defaults = serde_json::to_value(Document::default()).unwrap_or_default();
    let rules = Rules {
        schema: &schema,
        defaults: &defaults,
        check: &|value: &Value| azura_learner::app::check(&schema, value),
        app,
    };
    let resolved = resolve(&layers, &rules)?;
    let document: Document = serde_json::from_value(resolved.value.clone())
        .map_err(|error| vec![Failure::new(Code::OutOfRange, format!("`tune`: {error}"))])?;
    Ok((document.tune, resolved))
}

/// The epoch that training keeps is the best one by `train.monitor`: what is searched for is what must be watched. Without
/// objectives it is the other way round.
fn follow(base: &mut Resolved, objectives: &mut Vec<Objective>) {
    let monitor = base.get("train.monitor").and_then(Value::as_str);
    let monitor = monitor.unwrap_or("val.loss").to_string();
    let mode = base.get("train.mode").and_then(Value::as_str);
    let Some(first) = objectives.first() else {
        objectives.push(match mode {
            Some("min") => Objective::minimize(monitor),
            Some("max") => Objective::maximize(monitor),
            _ => {
                let direction = super::direction(&monitor);
                Objective {
                    name: monitor,
                    direction,
                }
            }
        });
        return;
    };
    let untouched = base.origin("train.monitor") == Origin::Default;
    if untouched && first.name.starts_with("val.") && first.name != monitor {
        let mode = match first.direction {
            azura_learner::tune::Direction::Minimize => "min",
            azura_learner::tune::Direction::Maximize => "max",
        };
        for (key, value) in [("train.monitor", first.name.as_str()), ("train.mode", mode)] {
            put(&mut base.value, key, value.into());
            base.origins.insert(key.to_string(), Origin::Tuner);
        }
    }
}

struct Wanted {
    key: String,
    value: Value,
    place: Option<Place>,
}

/// The space of `[tune.space]` with every `--search` laid over it, or the app's own; checked against the app's schema.
fn space(
    app: &dyn DynApp,
    base: &Resolved,
    layers: &Layers,
    searches: &[Search],
    usual: &mut bool,
) -> Result<Space, Vec<Failure>> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut want = |key: &str, value: Option<Value>, place: Option<Place>| {
        let at = wanted.iter().position(|other| other.key == key);
        let new = value.map(|value| Wanted {
            key: key.to_string(),
            value,
            place,
        });
        match (at, new) {
            (Some(at), Some(new)) => wanted[at] = new,
            (Some(at), None) => drop(wanted.remove(at)),
            (None, Some(new)) => wanted.push(new),
            (None, None) => {}
        }
    };
    for assignment in &layers.tune {
        let Some(key) = assignment.key.strip_prefix(SPACE) else {
            continue;
        };
        let value = match &assignment.set {
            Set::Value(value) => Some(value.clone()),
            Set::Text(text) => Some(match file::inline(text) {
                Ok(Some(list @ Value::Array(_))) => list,
                _ => Value::String(text.clone()),
            }),
            Set::Default => None,
        };
        want(key, value, assignment.origin.value_place());
    }
    for search in searches {
        let text = Value::String(search.text.clone());
        want(&search.key, Some(text), search.place.clone());
    }
    if wanted.is_empty() {
        *usual = true;
        let entries = app
            .search_space(&base.value)
            .map_err(|e| vec![Failure::from(e)])?;
        wanted.extend(entries.into_iter().map(|(key, text)| Wanted {
            key: key.to_string(),
            value: text.into(),
            place: None,
        }));
    }
    let whole = app.schema();
    let mut failures = Vec::new();
    let mut parameters = Vec::new();
    for entry in &wanted {
        match Parameter::from_value(&entry.key, &entry.value) {
            Ok(parameter) => match check(app, base, &whole, &parameter) {
                Ok(()) => parameters.push(parameter),
                Err(failure) => failures.push(failure.at(entry.place.clone())),
            },
            Err(error) => failures.extend(of_space(error, &wanted)),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    Space::new(parameters).map_err(|error| of_space(error, &wanted))
}

/// What the library says about a space, each where its entry stands.
fn of_space(error: azura_learner::Error, wanted: &[Wanted]) -> Vec<Failure> {
    let azura_learner::Error::Config(problems) = error else {
        return vec![error.into()];
    };
    let at = |key: &str| wanted.iter().find(|entry| entry.key == key);
    let failures = problems.iter().map(|problem| {
        let message = format!("the space of `{}`: {}", problem.key, problem.message);
        let failure = Failure::new(Code::Value, message)
            .at(at(&problem.key).and_then(|entry| entry.place.clone()));
        match &problem.help {
            Some(help) => failure.help(help.clone()),
            None => failure,
        }
    });
    failures.collect()
}

/// Whether the app has the key, and may have each of these values there. Rules about several keys together are left to the
/// trials: another searched key may fit.
fn check(
    app: &dyn DynApp,
    base: &Resolved,
    whole: &Value,
    parameter: &Parameter,
) -> Result<(), Failure> {
    let schema = Node::root(whole);
    let key = &parameter.key;
    let Some(node) = schema.at(key) else {
        let failure = Failure::new(Code::UnknownKey, format!("unknown key `{key}`"));
        return Err(match near::nearest_key(key, &schema.keys()) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help(format!(
                "`azura config print {}` shows all keys",
                app.name()
            )),
        });
    };
    let kinds = node.kinds();
    let no_fractions = kinds.contains(&"integer") && !kinds.contains(&"number");
    let fractions = matches!(parameter.domain, Domain::Float { .. } | Domain::Log { .. });
    if no_fractions && fractions {
        let message = format!(
            "`{key}` takes whole numbers, but {} has others too",
            parameter.domain
        );
        return Err(Failure::new(Code::OutOfRange, message)
            .help("write int:LOW..HIGH, int:LOW..HIGH/STEP, logint:LOW..HIGH or A|B|C"));
    }
    let number = |x: f64| serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number);
    let ends = match &parameter.domain {
        Domain::Float { low, high } | Domain::Log { low, high } => {
            vec![number(*low), number(*high)]
        }
        Domain::Int { low, high, .. } | Domain::LogInt { low, high } => {
            vec![(*low).into(), (*high).into()]
        }
        Domain::Categories(values) => values
            .iter()
            .map(|value| serde_json::to_value(value).unwrap_or_default())
            .collect(),
        Domain::Bool => vec![false.into(), true.into()],
    };
    for value in ends {
        let mut config = base.value.clone();
        let value = fit(value, None, Some(node.clone()));
        put(&mut config, key, value.clone());
        let problems = azura_learner::app::check(whole, &config);
        if let Some(problem) = problems.iter().find(|problem| problem.key == *key) {
            let text = crate::config::write::inline(&value);
            let message = format!("`{key}` cannot be {text}: it {}", problem.message);
            let failure = Failure::new(Code::OutOfRange, message);
            return Err(match (&problem.help, node.range()) {
                (Some(help), _) => failure.help(help.clone()),
                (None, range) if !range.is_empty() => failure.help(format!("allowed: {range}")),
                _ => failure,
            });
        }
    }
    Ok(())
}
