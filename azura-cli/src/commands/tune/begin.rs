//! `azura tune APP`: begins a study.

use std::path::Path;
use std::time::Instant;

use azura_learner::app::Part;
use azura_learner::train::{evaluate, rehearse};
use serde_json::{Map, Value, json};

use super::super::{Context, Ended, finish, train};
use super::{budget, name_of, table, worker};
use crate::args::{Subject, TuneBegin};
use crate::config::write;
use crate::failure::{Code, Failure, Place, Stop};
use crate::output::{self, say};
use crate::progress::text;
use crate::study::{Journal, Search, Setup, StudyDir, objective_text};
use crate::style::Paint;
use crate::tokens::is_key;

/// Runs the command.
pub fn run(context: &Context, args: TuneBegin, studies: &Path) -> Ended {
    let list = |texts: &[String]| {
        let items = texts
            .iter()
            .map(|text| Value::String(text.clone()))
            .collect();
        (!texts.is_empty()).then(|| write::inline(&Value::Array(items)))
    };
    let (objectives, constraints) = (list(&args.objective), list(&args.constraint));
    let mut flags = vec![
        ("--target", "data.target", args.target.as_ref()),
        ("--objective", "tune.objectives", objectives.as_ref()),
        ("--constraint", "tune.constraints", constraints.as_ref()),
        ("--sampler", "tune.sampler", args.sampler.as_ref()),
        ("--pruner", "tune.pruner", args.pruner.as_ref()),
    ];
    flags.extend(budget(&args.budget));
    let layers = context.layers(&flags)?;
    let words = Subject {
        what: args.what.clone(),
        app: args.app.clone(),
        data: args.data.clone(),
        ..Subject::default()
    };
    let plan = train::plan(context, &words, None, &layers)?;
    let searches = searches(context, &args.search)?;
    let setup = Setup::new(
        plan.app,
        plan.group,
        plan.source,
        plan.config,
        &layers,
        &searches,
    )
    .map_err(Stop::before_start)?;
    if let Some(name) = &args.study {
        train::group_name(name, "a study")?;
    }
    context.device()?;
    let cost = cost(context, &setup)?;
    if context.globals.dry_run {
        return preview(context, &setup, &cost);
    }
    let study = StudyDir::create(studies, args.study.as_deref(), &setup.group)?;
    Journal::create(&study.journal())?;
    save(&study, &setup)?;
    // From the file, as any other worker reads it.
    let why = setup.why;
    let setup = super::setup(context, &study, &[])?;
    if context.talks() {
        say!(
            "study  {}   app {}   {}",
            Paint::Bold.err(study.path().display()),
            setup.app.name(),
            table::manner(&setup)
        );
        say_space(&setup);
        if let Some(why) = why {
            say!("note   sampler {}: {why}", setup.tune.sampler);
        }
        say!("       {}", cost.text(&setup));
        say!(
            "       another process may help: azura tune resume {}",
            name_of(context, &study)
        );
    }
    let journal = Journal::open(&study.journal(), setup.history()?)?;
    worker::run(context, &study, &setup, journal, args.refit_best)
}

/// Writes `study.toml`: what makes the folder a study.
pub fn save(study: &StudyDir, setup: &Setup) -> Result<(), Failure> {
    let header = "# What this study searches, and the configuration around it. Begin another one with: azura tune -c FILE\n";
    let text = format!("{header}{}", write::document(&setup.document(), None));
    Ok(azura_learner::fs::write_atomic(
        study.file("study.toml"),
        text.as_bytes(),
    )?)
}

/// The words after `--search`, each with its place.
fn searches(context: &Context, texts: &[String]) -> Result<Vec<Search>, Stop> {
    let line = &context.line;
    let places = line.rest.iter().zip(&line.index).filter_map(|(word, at)| {
        let word = word.to_str()?;
        // `--search KEY=SPACE` stands in the next word.
        match word {
            "--search" => Some(at + 1),
            _ => word.starts_with("--search=").then_some(*at),
        }
    });
    let mut places = places.collect::<Vec<_>>().into_iter();
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for text in texts {
        let place = places.next().map(Place::Argument);
        match text.split_once('=') {
            Some((key, space)) if is_key(key) => found.push(Search {
                key: key.to_string(),
                text: space.to_string(),
                place,
            }),
            _ => failures.push(
                Failure::new(Code::CommandLine, format!("`{text}` is not KEY=SPACE"))
                    .at(place)
                    .help("write for example --search train.lr=log:1e-4..1e-2"),
            ),
        }
    }
    match failures.is_empty() {
        true => Ok(found),
        false => Err(Stop::before_start(failures)),
    }
}

/// What a study costs, measured on the configuration around the space.
struct Cost {
    summary: azura_learner::app::DataSummary,
    parameters: usize,
    memory: u64,
    /// Seconds of one trial that trains all its epochs.
    trial: f64,
}

impl Cost {
    fn text(&self, setup: &Setup) -> String {
        let trials = setup.tune.trials;
        let rounds = trials.div_ceil(setup.tune.parallel) as f64;
        format!(
            "{}, each about {} if none stops early: {} together",
            text::counted(trials, "trial"),
            text::duration(self.trial),
            text::duration(self.trial * rounds)
        )
    }
}

/// Does once what every trial does: so a mistake in the data is found before a study begins.
fn cost(context: &Context, setup: &Setup) -> Result<Cost, Stop> {
    let (app, config) = (setup.app, &setup.base.value);
    let training = context.with_threads(|| app.start(config, &setup.source))??;
    if training.data(Part::Val).is_none()
        && setup.objectives.iter().any(|o| o.name.starts_with("val."))
    {
        return Err(Failure::new(
            Code::Data,
            "there are no validation rows to compare trials on",
        )
        .help("give data.val a share, such as data.val=0.15")
        .into());
    }
    let rehearsed = context.with_threads(|| -> azura_learner::Result<_> {
        // The first round also warms caches.
        let need = rehearse(&*training)?;
        let began = Instant::now();
        rehearse(&*training)?;
        let both = began.elapsed().as_secs_f64();
        let began = Instant::now();
        if let Some(data) = training.data(Part::Val) {
            evaluate(training.model(), data, training.config().batch)?;
        }
        Ok((need, both, began.elapsed().as_secs_f64()))
    })?;
    let plan = super::plan_of(setup, &azura_learner::tune::Values::new());
    let (need, both, val) = rehearsed.map_err(|error| train::placed(error, &plan, false))?;
    let train = training.config();
    let rows = training.data(Part::Train).map_or(0, |data| data.len());
    let mut steps = rows.div_ceil(train.batch) as f64 * train.epochs as f64;
    if train.max_steps > 0 {
        steps = steps.min(train.max_steps as f64);
    }
    Ok(Cost {
        summary: training.summary().clone(),
        parameters: training.store().numel(),
        memory: need.weights + need.moments + need.step,
        trial: (both - val).max(0.0) * steps + val * train.epochs as f64,
    })
}

fn say_space(setup: &Setup) {
    let wide = setup.space.parameters().iter().map(|p| p.key.len()).max();
    for (i, parameter) in setup.space.parameters().iter().enumerate() {
        say!(
            "{}  {:wide$}  {}",
            if i == 0 { "space" } else { "     " },
            parameter.key,
            parameter.text(),
            wide = wide.unwrap_or(0)
        );
    }
    if setup.usual {
        say!("       the app's own space; --search KEY=SPACE names another");
    }
}

fn preview(context: &Context, setup: &Setup, cost: &Cost) -> Ended {
    let count = setup.space.count();
    if context.globals.json {
        let space: Map<String, Value> = setup
            .space
            .parameters()
            .iter()
            .map(|parameter| (parameter.key.clone(), json!(parameter.text())))
            .collect();
        output::json(&json!({
            "schema": "azura.tune/1",
            "ok": true,
            "dry_run": true,
            "app": setup.app.name(),
            "space": space,
            "points": count,
            "trials": setup.tune.trials,
            "parallel": setup.tune.parallel,
            "objectives": setup.objectives.iter().map(objective_text).collect::<Vec<_>>(),
            "constraints": setup.tune.constraints,
            "sampler": setup.tune.sampler,
            "pruner": setup.tune.pruner,
            "seed": setup.seed(),
            "cost": {
                "seconds_a_trial": cost.trial,
                "parameters": cost.parameters,
                "memory": cost.memory,
            },
            "data": cost.summary,
            "config": setup.base.value,
        }))?;
        return Ok(0);
    }
    finish::say_data(&cost.summary);
    say_space(setup);
    say!(
        "       {}",
        match count {
            Some(1) => "one point".to_string(),
            Some(n) => format!(
                "{} different points",
                text::thousands(usize::try_from(n).unwrap_or(usize::MAX))
            ),
            None => "no end of points".to_string(),
        }
    );
    say!("study  {}", table::manner(setup));
    say!("cost   {}", cost.text(setup));
    say!(
        "       measured on the configuration around the space: {} parameters, a step needs {} beside data and program",
        text::thousands(cost.parameters),
        text::bytes(cost.memory)
    );
    say!("nothing was started (--dry-run).");
    Ok(0)
}
