//! `azura help`: commands, codes, keys, exit statuses and environment variables.

use clap::CommandFactory;
use serde_json::json;

use super::{Context, Ended, config};
use crate::args::Cli;
use crate::failure::{CODES, Code, Failure};
use crate::near;
use crate::output;
use crate::tokens::is_key;

/// Exit statuses and their meaning.
const EXITS: [(u8, &str); 16] = [
    (
        0,
        "success; also when a budget was used up or training stopped early",
    ),
    (1, "unexpected failure"),
    (
        2,
        "usage: unknown command, flag, app or key, or a value out of range",
    ),
    (3, "data: missing, unreadable, or not what the app needs"),
    (4, "training diverged (NaN or infinity)"),
    (5, "quality gate failed (--require); the run is complete"),
    (6, "the requested device cannot be used"),
    (7, "out of memory"),
    (
        8,
        "a model file or checkpoint is damaged, foreign or too new",
    ),
    (9, "conflict: run in use, address in use, file exists"),
    (10, "run, model or file not found"),
    (11, "refused: not allowed without leave"),
    (101, "a bug in azura; a report file is named"),
    (130, "interrupted (Ctrl-C); a run has saved a checkpoint"),
    (137, "killed; a run can be resumed"),
    (143, "terminated (SIGTERM); a run has saved a checkpoint"),
];

const ENVIRONMENT: [(&str, &str); 13] = [
    (
        "AZURA__TRAIN__LR=0.1",
        "sets a configuration key: train.lr=0.1",
    ),
    (
        "AZURA_CONFIG",
        "the configuration file, instead of ./azura.toml",
    ),
    (
        "AZURA_HOME",
        "the folder of your own config.toml (default: XDG_CONFIG_HOME/azura)",
    ),
    ("AZURA_RUNS", "where runs are kept (default: ./runs)"),
    (
        "AZURA_STUDIES",
        "where studies are kept (default: ./studies)",
    ),
    ("AZURA_DEVICE", "cpu, cuda or cuda:N"),
    ("AZURA_THREADS", "threads to compute with"),
    (
        "AZURA_INSTRUCTIONS",
        "portable, avx2 or avx512: the widest to compute with",
    ),
    ("AZURA_PROGRESS", "auto, bar, plain, json or none"),
    ("AZURA_COLOR", "auto, always or never"),
    ("NO_COLOR", "no colour, whatever its value"),
    ("FORCE_COLOR", "colour although the output is no terminal"),
    ("TERM=dumb", "no colour and no progress bar"),
];

/// Runs the command.
pub fn run(context: &Context, topic: &[String]) -> Ended {
    match topic.first().map(String::as_str) {
        None => {
            let text = Cli::command().render_help();
            output::result(format_args!("{text}"))?;
            Ok(0)
        }
        Some("exit-codes" | "exit-code" | "exit" | "codes") => exit_codes(context),
        Some("environment" | "env") => environment(context),
        Some(word) if is_code(word) => code(context, word),
        Some(_) => command(context, topic),
    }
}

fn is_code(word: &str) -> bool {
    word.len() == 5 && word.starts_with(['E', 'e']) && word[1..].bytes().all(|b| b.is_ascii_digit())
}

fn exit_codes(context: &Context) -> Ended {
    if context.globals.json {
        let list: Vec<_> = EXITS
            .iter()
            .map(|(code, about)| json!({"exit": code, "about": about}))
            .collect();
        output::json(&json!({"schema": "azura.help/1", "ok": true, "exit_codes": list}))?;
        return Ok(0);
    }
    output::checked(|out| {
        for (code, about) in EXITS {
            writeln!(out, "{code:>4}  {about}")?;
        }
        Ok(())
    })?;
    Ok(0)
}

fn environment(_: &Context) -> Ended {
    output::checked(|out| {
        for (name, about) in ENVIRONMENT {
            writeln!(out, "{name:20}  {about}")?;
        }
        writeln!(
            out,
            "\nStronger: flags and key=value. Weaker: azura.toml, then AZURA_HOME/config.toml."
        )
    })?;
    Ok(0)
}

fn code(context: &Context, word: &str) -> Ended {
    let id = word.to_uppercase();
    let Some((_, id, exit, title, text)) = CODES.iter().find(|row| row.1 == id) else {
        let known: Vec<_> = CODES.iter().map(|row| row.1).collect();
        return Err(
            Failure::new(Code::NotFound, format!("there is no code {id}"))
                .help(format!("codes: {}", known.join(", ")))
                .into(),
        );
    };
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.help/1", "ok": true, "code": id, "exit": exit, "title": title, "text": text,
        }))?;
    } else {
        output::result(format_args!(
            "{id}: {title} (exit status {exit})\n\n{text}\n"
        ))?;
    }
    Ok(0)
}

fn command(context: &Context, topic: &[String]) -> Ended {
    let mut root = Cli::command();
    root.build();
    let mut found = &mut root;
    for word in topic {
        let names: Vec<String> = found
            .get_subcommands()
            .flat_map(|c| std::iter::once(c.get_name()).chain(c.get_all_aliases()))
            .map(str::to_string)
            .collect();
        match found.find_subcommand_mut(word) {
            Some(inner) => found = inner,
            None => {
                let key = word.strip_prefix("config.").unwrap_or(word);
                if topic.len() <= 2 && is_key(key) && key.contains('.') {
                    return config::explain(context, key, topic.get(1).map(String::as_str));
                }
                let failure = Failure::new(Code::NotFound, format!("there is no help on `{word}`"));
                let topics = ["exit-codes", "environment"];
                let names = names.iter().map(String::as_str).chain(topics);
                let failure = match near::nearest(word, names) {
                    Some(near) => failure.help(format!("did you mean `{near}`?")),
                    None => failure,
                };
                return Err(failure
                    .help("a command, a code (E0203), a key (train.lr), exit-codes or environment")
                    .into());
            }
        }
    }
    let text = found.render_long_help();
    output::result(format_args!("{text}"))?;
    Ok(0)
}
