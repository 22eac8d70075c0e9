//! `azura config`: the values, their meaning, and where each comes from.

use azura_learner::DynApp;
use serde_json::{Value, json};

use super::{Context, Ended, origins, resolved};
use crate::args::ConfigAction;
use crate::config::layers::Layers;
use crate::config::schema::Node;
use crate::config::{Origin, write};
use crate::failure::{Code, Failure, Place, Stop};
use crate::near;
use crate::output;
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, action: ConfigAction) -> Ended {
    match action {
        ConfigAction::Print { app } => print(context, app.as_deref()),
        ConfigAction::Schema { app } => schema(context, app.as_deref()),
        ConfigAction::Explain { key, app } => explain(context, &key, app.as_deref()),
    }
}

fn print(context: &Context, app: Option<&str>) -> Ended {
    let layers = context.layers(&[])?;
    let app = context.app_or_configured(app, &layers)?;
    let resolved = resolved(app, &layers)?;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.config/1",
            "ok": true,
            "app": app.name(),
            "config": resolved.value,
            "origins": origins(&resolved),
        }))?;
        return Ok(0);
    }
    let mut rows = vec![(
        format!("app = {}", write::inline(&app.name().into())),
        String::new(),
    )];
    if let Some((path, origin)) = &layers.data {
        rows.push((
            format!(
                "data.path = {}",
                write::inline(&path.to_string_lossy().into())
            ),
            origin.to_string(),
        ));
    }
    rows.extend(resolved.leaves().into_iter().map(|(key, value)| {
        let origin = resolved.origin(&key);
        (
            format!("{key} = {}", write::inline(value)),
            origin.to_string(),
        )
    }));
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    output::checked(|out| {
        for (left, origin) in rows {
            let right = match origin.as_str() {
                "" => String::new(),
                "default" => Paint::Dim.out("# default"),
                _ => format!("# {origin}"),
            };
            writeln!(out, "{}", format!("{left:width$}  {right}").trim_end())?;
        }
        Ok(())
    })?;
    Ok(0)
}

fn schema(context: &Context, app: Option<&str>) -> Ended {
    let layers = context.layers(&[])?;
    let app = context.app_or_configured(app, &layers)?;
    let text = serde_json::to_string_pretty(&app.schema())
        .map_err(|error| Failure::new(Code::Unexpected, format!("the schema: {error}")))?;
    output::result(format_args!("{text}\n"))?;
    Ok(0)
}

/// The first app that has a key; the only one, if none has it.
fn first_with(context: &Context, key: &str) -> Result<&'static dyn DynApp, Stop> {
    let has = |name: &&str| {
        let app = context.registry.get(name);
        app.is_ok_and(|app| Node::root(&app.schema()).at(key).is_some())
    };
    let names = context.registry.names();
    match names.iter().find(|name| has(name)).or(names.first()) {
        Some(name) => context.app(name, None),
        None => context.app_or_configured(None, &Layers::default()),
    }
}

/// Explains a key; without an app, the first app that has it does.
pub fn explain(context: &Context, key: &str, app: Option<&str>) -> Ended {
    let mut layers = context.layers(&[])?;
    let app = match (app, &layers.app) {
        (None, None) => first_with(context, key)?,
        (None, Some(_)) => context.app_or_configured(None, &layers)?,
        (Some(name), _) => {
            let app = context.app(name, context.place_of(name))?;
            layers.leave_out_the_file_of_another(app.name());
            app
        }
    };
    let schema = app.schema();
    let root = Node::root(&schema);
    let keys = root.keys();
    let Some(node) = root.at(key) else {
        let failure = Failure::new(Code::UnknownKey, format!("unknown key `{key}`"))
            .at(context.place_of(key).or(None::<Place>));
        return Err(match near::nearest_key(key, &keys) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help(format!(
                "`azura config print {}` shows all keys",
                app.name()
            )),
        }
        .into());
    };
    let resolved = resolved(app, &layers)?;
    let defaults = app.defaults();
    let default = key.split('.').try_fold(&defaults, |v, part| v.get(part));
    let value = resolved.get(key);
    let below = format!("{key}.");
    let inside: Vec<&String> = keys
        .iter()
        .filter(|other| other.starts_with(&below))
        .collect();
    let origin = resolved.origin(key);
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.config/1",
            "ok": true,
            "app": app.name(),
            "key": key,
            "about": node.description(),
            "allowed": node.range(),
            "default": default,
            "value": value,
            "origin": origin.to_string(),
        }))?;
        return Ok(0);
    }
    let show = |value: Option<&Value>| value.map(write::inline).unwrap_or_default();
    output::checked(|out| {
        let others: Vec<&str> = context
            .registry
            .iter()
            .filter(|other| other.name() != app.name())
            .filter(|other| Node::root(&other.schema()).at(key).is_some())
            .map(|other| other.name())
            .collect();
        let also = match others.as_slice() {
            [] => String::new(),
            others => format!("; also of {}", others.join(", ")),
        };
        writeln!(out, "{}   (app {}{also})", Paint::Bold.out(key), app.name())?;
        writeln!(
            out,
            "  {}",
            node.description()
                .unwrap_or("(no description)")
                .replace('\n', "\n  ")
        )?;
        if inside.is_empty() {
            writeln!(out, "  allowed  {}", node.range())?;
            writeln!(out, "  default  {}", show(default))?;
            writeln!(out, "  value    {}   from {origin}", show(value))?;
        } else {
            for key in inside {
                writeln!(out, "  {key} = {}", show(resolved.get(key)))?;
            }
        }
        if let Origin::File { key, .. } = &origin {
            writeln!(out, "           {} | {}", key.line, key.text)?;
        }
        writeln!(
            out,
            "  set it   azura train {} {key}=…   or AZURA__{}=…",
            app.name(),
            key.replace('.', "__").to_uppercase()
        )
    })?;
    Ok(0)
}
