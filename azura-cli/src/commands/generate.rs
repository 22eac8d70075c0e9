//! `azura generate`: new text, on the screen as it is made.

use std::ops::ControlFlow;

use azura_learner::GenerateOptions;
use serde_json::json;

use super::{Context, Ended, input};
use crate::args::Generate;
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::progress::text;

/// Runs the command.
pub fn run(context: &Context, args: Generate) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    if !model.signature().generate {
        return Err(Failure::new(
            Code::CommandLine,
            format!("the app `{}` does not generate text", model.info().app),
        )
        .at(context.place_of(&args.model))
        .help("use predict")
        .into());
    }
    let options = GenerateOptions {
        tokens: args.tokens as usize,
        temperature: args.temperature,
        top_k: args.top_k.unwrap_or(0) as usize,
        top_p: args.top_p,
        seed: context.globals.seed.unwrap_or(0),
    };
    if context.globals.dry_run {
        let tokens = text::thousands(options.tokens);
        say!("at most {tokens} tokens would be generated (--dry-run)");
        return Ok(0);
    }
    let json = context.globals.json;
    let mut stopped: Option<Stop> = None;
    let mut show = |piece: &str| match output::result(format_args!("{piece}")) {
        Ok(()) => ControlFlow::Continue(()),
        Err(stop) => {
            stopped = Some(stop);
            ControlFlow::Break(())
        }
    };
    // The text goes on from the prompt, so the prompt stands before it.
    if !json && show(&args.prompt).is_break() {
        return Err(stopped.unwrap_or_else(|| Stop::quietly(0)));
    }
    let mut on_text = |piece: &str| match json {
        true => ControlFlow::Continue(()),
        false => show(piece),
    };
    let made = context.with_threads(|| model.generate(&args.prompt, &options, &mut on_text))??;
    if let Some(stop) = stopped {
        return Err(stop);
    }
    if json {
        output::json(&json!({
            "schema": "azura.generate/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "prompt": args.prompt,
            "text": made.text,
            "tokens": made.tokens,
            "temperature": options.temperature,
            "top_k": args.top_k,
            "top_p": options.top_p,
            "seed": options.seed,
            "notes": made.notes,
        }))?;
        return Ok(0);
    }
    output::result(format_args!("\n"))?;
    if !context.globals.quiet {
        for note in &made.notes {
            say!("note: {note}");
        }
    }
    Ok(0)
}
