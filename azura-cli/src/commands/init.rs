//! `azura init`: a configuration file with every key of an app, described.

use serde_json::{Map, Value};

use super::{Context, Ended, resolved};
use crate::args::Init;
use crate::config::schema::Node;
use crate::config::write;
use crate::failure::{Code, Failure, Place};
use crate::output::{self, say};

/// Runs the command.
pub fn run(context: &Context, args: Init) -> Ended {
    let app = context.app(&args.app, context.place_of(&args.app))?;
    let mut layers = context.layers(&[])?;
    // The new file is made of defaults and what the command line says, not of an older azura.toml.
    layers
        .assignments
        .retain(|a| super::from_command_line(&a.origin));
    let resolved = resolved(app, &layers)?;
    let mut document = Map::new();
    document.insert("schema".to_string(), 1.into());
    document.insert("app".to_string(), app.name().into());
    if let Value::Object(config) = resolved.value {
        document.extend(config);
    }
    if let Some(data) = &args.data {
        let section = document
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        section["path"] = data.to_string_lossy().into();
    }
    let schema = app.schema();
    let head = format!(
        "# {}: {}\n# Every key with its default. Delete what you do not change.\n# Train with: azura train{}\n\n",
        app.name(),
        app.about(),
        match args.output.to_string_lossy().as_ref() {
            "azura.toml" => String::new(),
            other => format!(" -c {other}"),
        }
    );
    let text = format!(
        "{head}{}",
        write::document(&document, Some(&Node::root(&schema)))
    );
    if args.output.as_os_str() == "-" || context.globals.dry_run {
        output::result(format_args!("{text}"))?;
        return Ok(0);
    }
    if args.output.exists() && !args.force {
        return Err(Failure::new(
            Code::Exists,
            format!("{} is there already", args.output.display()),
        )
        .at(Place::File(args.output.clone()))
        .help("write elsewhere with -o FILE, or replace it with --force")
        .into());
    }
    super::input::check_output(Some(&args.output), &[])?;
    azura_learner::fs::write_atomic(&args.output, text.as_bytes())?;
    if context.globals.json {
        output::json(
            &serde_json::json!({"schema": "azura.init/1", "ok": true, "output": args.output}),
        )?;
    } else {
        say!("wrote {}", args.output.display());
        say!("next   azura config print │ azura train");
    }
    Ok(0)
}
