//! `azura apps`: what can be trained.

use serde_json::{Value, json};

use super::{Context, Ended};
use crate::args::{Apps, AppsAction};
use crate::config::schema::Node;
use crate::config::write;
use crate::output;
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, args: Apps) -> Ended {
    match args.action.unwrap_or(AppsAction::List) {
        AppsAction::List => list(context),
        AppsAction::Show { app } => show(context, &app),
    }
}

fn list(context: &Context) -> Ended {
    if context.globals.json {
        let apps: Vec<Value> = context
            .registry
            .iter()
            .map(|app| json!({"name": app.name(), "about": app.about(), "version": app.version()}))
            .collect();
        output::json(&json!({"schema": "azura.apps/1", "ok": true, "apps": apps}))?;
        return Ok(0);
    }
    let names = context.registry.names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    output::checked(|out| {
        for app in context.registry.iter() {
            writeln!(
                out,
                "{:width$}  {}",
                Paint::Bold.out(app.name()),
                app.about()
            )?;
        }
        Ok(())
    })?;
    Ok(0)
}

fn show(context: &Context, name: &str) -> Ended {
    let app = context.app(name, context.place_of(name))?;
    let (schema, defaults) = (app.schema(), app.defaults());
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.apps/1",
            "ok": true,
            "name": app.name(),
            "about": app.about(),
            "version": app.version(),
            "defaults": defaults,
            "config": schema,
        }))?;
        return Ok(0);
    }
    let root = Node::root(&schema);
    let keys = root.keys();
    let rows: Vec<(String, String)> = keys
        .iter()
        .filter_map(|key| {
            let value = key.split('.').try_fold(&defaults, |v, part| v.get(part))?;
            let about = root
                .at(key)
                .and_then(|node| node.description())
                .unwrap_or_default();
            let about = about.lines().next().unwrap_or_default().to_string();
            Some((format!("{key} = {}", write::inline(value)), about))
        })
        .collect();
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0)
        .min(44);
    output::checked(|out| {
        writeln!(out, "{}  {}\n", Paint::Bold.out(app.name()), app.about())?;
        for (left, about) in rows {
            writeln!(out, "  {left:width$}  {about}")?;
        }
        writeln!(
            out,
            "\n  azura train {name} KEY=VALUE │ azura config explain KEY {name}"
        )
    })?;
    Ok(0)
}
