//! `azura serve`: loads models, checks them, and answers over HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use azura_learner::ModelFile;
use serde_json::json;

use super::{Context, Ended, input};
use crate::args::Serve;
use crate::failure::{Code, Failure, Place, Stop};
use crate::output::{self, say};
use crate::progress::text;
use crate::server::{self, Options, Served};

/// Runs the command.
pub fn run(context: &Context, args: Serve) -> Ended {
    let named = context
        .line
        .overrides
        .iter()
        .filter(|token| token.flag.is_none());
    let named = named.filter_map(|token| Some((Some(token.key.clone()), token.value.clone()?)));
    let bare = args.models.iter().map(|model| match model.split_once('=') {
        Some((name, model)) => (Some(name.to_string()), model.to_string()),
        None => (None, model.clone()),
    });
    let wanted: Vec<_> = bare.chain(named).collect();
    if wanted.is_empty() {
        return Err(
            Failure::new(Code::CommandLine, "no model to serve was named")
                .help("name a model file, a run or an app: azura serve weather")
                .into(),
        );
    }
    if !args.addr.ip().is_loopback() && !args.insecure {
        return Err(Failure::new(
            Code::Exposed,
            format!("{} can be reached from other machines, and the server asks nobody who they are", args.addr),
        )
        .at(context.place_of("--addr"))
        .help("put a proxy that checks callers in front of 127.0.0.1, or say --insecure if the network is trusted")
        .into());
    }
    let mut models: Vec<Served> = Vec::new();
    for (name, model) in wanted {
        let served = load(context, name, &model)?;
        if models.iter().any(|other| other.id == served.id) {
            return Err(Failure::new(
                Code::CommandLine,
                format!("two models would be called `{}`", served.id),
            )
            .help(format!("give one another name: NAME={model}"))
            .into());
        }
        models.push(served);
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let options = Options {
        addr: args.addr,
        workers: args.workers.map_or(cores, usize::from),
        queue: args.queue as usize,
        timeout: args.timeout,
        max_body: args.max_body,
        max_in_flight: args.max_in_flight,
        hosts: args
            .allow_host
            .iter()
            .map(|host| host.to_lowercase())
            .collect(),
        drain: args.drain,
        log: context.globals.verbose > 0,
    };
    if context.globals.dry_run {
        say!("everything is in order; nothing was started (--dry-run)");
        return Ok(0);
    }
    let (quiet, json) = (context.globals.quiet, context.globals.json);
    let names: Vec<String> = models.iter().map(|served| served.id.clone()).collect();
    let limits = format!(
        "{} worker{}   queue {}   timeout {} s   body ≤ {}   all bodies ≤ {}",
        options.workers,
        if options.workers == 1 { "" } else { "s" },
        options.queue,
        options.timeout.as_secs_f64(),
        text::bytes(options.max_body as u64),
        text::bytes(options.max_in_flight as u64)
    );
    let loopback = args.addr.ip().is_loopback();
    let finished = server::serve(Arc::new(models), options, |addr| {
        if json {
            let document = json!({
                "schema": "azura.serve/1", "ok": true, "url": format!("http://{addr}"), "models": names,
            });
            // The reader of stdout may be gone; the server serves all the same.
            let _ = output::json(&document);
        }
        if !quiet {
            say!("http   http://{addr}   {limits}");
            for name in &names {
                say!("       POST /v1/models/{name}/predict");
            }
            say!("       GET  /livez /readyz /metrics /v1/models");
            say!(
                "auth   none: {}",
                if loopback {
                    "the address is loopback"
                } else {
                    "--insecure was given"
                }
            );
        }
    })?;
    if !finished {
        return Err(Failure::new(
            Code::Unexpected,
            "requests were still running when the drain time was over",
        )
        .help("give them longer with --drain SECONDS")
        .into());
    }
    if !quiet {
        say!("stopped");
    }
    Ok(0)
}

fn load(context: &Context, name: Option<String>, wanted: &str) -> Result<Served, Stop> {
    let began = Instant::now();
    let (path, model) = input::model(context, wanted)?;
    let id = match name {
        Some(name) => name,
        None => id_of(context, wanted, &path),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) || id.starts_with('.') {
        return Err(Failure::new(
            Code::CommandLine,
            format!("`{id}` cannot be a model's name in an address"),
        )
        .at(context.place_of(wanted).or(None::<Place>))
        .help(format!(
            "give it one of letters, digits, `-`, `_` and `.`: NAME={wanted}"
        ))
        .into());
    }
    // Replaying the stored sample warms the model and proves that it computes here what it computed there.
    let replay = model.verify()?;
    let sha256 = ModelFile::open(&path)?.sha256()?;
    if !context.globals.quiet {
        let exact = if replay == 0.0 {
            "sample replayed exactly".to_string()
        } else {
            format!("sample within {replay:.1e}")
        };
        say!(
            "model  {id}   app {}   {} parameters   {exact}   ready in {:.0} ms",
            model.info().app,
            text::thousands(model.info().parameters),
            began.elapsed().as_secs_f64() * 1e3
        );
    }
    Ok(Served { id, model, sha256 })
}

/// An app or group keeps its name; a run's model has the run's id; a file is called as it is.
fn id_of(context: &Context, wanted: &str, path: &Path) -> String {
    let plain = Path::new(wanted).components().count() == 1;
    if plain && (context.registry.get(wanted).is_ok() || context.runs().join(wanted).is_dir()) {
        return wanted.to_string();
    }
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = path
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    match parent {
        Some(run) if stem == "model" => run,
        _ => stem,
    }
}
