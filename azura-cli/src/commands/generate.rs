//! `azura generate`: new text, on the screen as it is made, or new sound in a WAV file.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use azura_learner::GenerateOptions;
use azura_learner::data::audio::WavWriter;
use azura_learner::fs::write_atomic;
use azura_learner::generate::Piece;
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
            format!("the app `{}` does not generate", model.info().app),
        )
        .at(context.place_of(&args.model))
        .help("use predict")
        .into());
    }
    input::check_output(args.output.as_deref(), &[&path, Path::new(&args.prompt)])?;
    let options = GenerateOptions {
        tokens: args.tokens as usize,
        seconds: args.seconds,
        temperature: args.temperature,
        top_k: args.top_k.unwrap_or(0) as usize,
        top_p: args.top_p,
        seed: context.globals.seed.unwrap_or(0),
    };
    if context.globals.dry_run {
        match options.seconds {
            Some(seconds) => say!("at most {seconds} seconds would be generated (--dry-run)"),
            None => {
                let tokens = text::thousands(options.tokens);
                say!("at most {tokens} tokens would be generated (--dry-run)");
            }
        }
        return Ok(0);
    }
    let json = context.globals.json;
    let mut target = Target::new(args.output.as_deref(), json, &args.prompt);
    let mut on_piece = |piece: Piece<'_>| target.take(piece);
    let made = context.with_threads(|| model.generate(&args.prompt, &options, &mut on_piece))??;
    let rate = target.finish()?;
    if json {
        output::json(&json!({
            "schema": "azura.generate/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "prompt": args.prompt,
            "text": rate.is_none().then_some(made.text),
            "tokens": made.tokens,
            "seconds": rate.map(|rate| made.tokens as f64 / f64::from(rate)),
            "rate": rate,
            "output": args.output,
            "temperature": options.temperature,
            "top_k": args.top_k,
            "top_p": options.top_p,
            "seed": options.seed,
            "notes": made.notes,
        }))?;
        return Ok(0);
    }
    if context.globals.quiet {
        return Ok(0);
    }
    if let Some(output) = args.output.filter(|path| path != Path::new("-")) {
        let tokens = text::thousands(made.tokens);
        match rate {
            Some(rate) => say!(
                "wrote {}   {:.2} s, {tokens} samples at {rate} Hz",
                output.display(),
                made.tokens as f64 / f64::from(rate)
            ),
            None => say!("wrote {}   {tokens} tokens", output.display()),
        }
    }
    for note in &made.notes {
        say!("note: {note}");
    }
    Ok(0)
}

/// Where the pieces go.
struct Target {
    /// The file that was asked for; without one, standard output.
    file: Option<PathBuf>,
    /// A JSON document takes standard output.
    json: bool,
    prompt: String,
    /// A text for a file.
    text: Option<String>,
    sound: Option<(u32, Option<WavWriter>)>,
    stopped: Option<Stop>,
}

impl Target {
    fn new(output: Option<&Path>, json: bool, prompt: &str) -> Self {
        Target {
            file: output.map(Path::to_path_buf),
            json,
            prompt: prompt.to_string(),
            text: None,
            sound: None,
            stopped: None,
        }
    }

    fn take(&mut self, piece: Piece<'_>) -> ControlFlow<()> {
        let taken = match piece {
            Piece::Text(text) => self.text(text),
            Piece::Sound { rate, samples } => self.sound(rate, samples),
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                self.stopped = Some(stop);
                ControlFlow::Break(())
            }
        }
    }

    /// The path, unless it is standard output.
    fn path(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }

    fn text(&mut self, piece: &str) -> Result<(), Stop> {
        let to_file = self.path().is_some();
        // The text goes on from the prompt, so the prompt stands before it.
        let first = self.text.is_none();
        let text = self.text.get_or_insert_default();
        if to_file {
            if first {
                text.push_str(&self.prompt);
            }
            text.push_str(piece);
            return Ok(());
        }
        if self.json {
            return Ok(());
        }
        if first {
            output::result(format_args!("{}", self.prompt))?;
        }
        output::result(format_args!("{piece}"))
    }

    fn sound(&mut self, rate: u32, samples: &[f32]) -> Result<(), Stop> {
        if self.sound.is_none() {
            let writer = match (self.path(), &self.file) {
                (Some(path), _) => Some(WavWriter::create(path, rate)?),
                (None, Some(_)) if !self.json => {
                    output::checked(|out| out.write_all(&WavWriter::head(rate)))?;
                    None
                }
                _ => {
                    let failure = Failure::new(Code::CommandLine, "a sound needs a file");
                    let help = "say where to write it: -o new.wav; -o - writes to standard output, without --json";
                    return Err(failure.help(help).into());
                }
            };
            self.sound = Some((rate, writer));
        }
        match &mut self.sound {
            Some((_, Some(writer))) => Ok(writer.push(samples)?),
            _ => output::checked(|out| out.write_all(&WavWriter::bytes(samples))),
        }
    }

    /// Puts files at their places; the sample rate of a sound.
    fn finish(self) -> Result<Option<u32>, Stop> {
        if let Some(stop) = self.stopped {
            return Err(stop);
        }
        if let Some((rate, writer)) = self.sound {
            if let Some(writer) = writer {
                writer.finish()?;
            }
            return Ok(Some(rate));
        }
        match (self.file.as_deref(), self.text) {
            (Some(path), Some(text)) if path != Path::new("-") => {
                write_atomic(path, text.as_bytes())?;
            }
            _ if !self.json => output::result(format_args!("\n"))?,
            _ => {}
        }
        Ok(None)
    }
}
