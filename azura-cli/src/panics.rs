//! A panic is a bug of ours: it is said so, written down, and exits with 101. One is not: the engine
//! unwinds when there is no memory, and the command then ends with the code for that.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::panic::PanicHookInfo;

use azura_core::OutOfMemory;

use crate::failure::{Code, Failure, Stop};
use crate::output::say;

/// The exit status of a bug.
pub const EXIT: u8 = 101;

/// Replaces the standard message.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        if let Some(OutOfMemory { bytes }) = info.payload().downcast_ref() {
            let needed = format!("no memory for a tensor of {} MiB", bytes >> 20);
            let failure = Failure::new(Code::OutOfMemory, needed)
                .help("make the model, `train.batch` or the window smaller");
            let json = std::env::args_os().any(|arg| arg == "--json");
            Stop::from(failure).report("azura.error/1", json);
            // A server's worker unwinds and answers; a command is over.
            if std::thread::current().name() == Some("main") {
                std::process::exit(Code::OutOfMemory.exit().into());
            }
            return;
        }
        let backtrace = Backtrace::force_capture();
        let report = report(info, &backtrace);
        let path = std::env::temp_dir().join(format!("azura-bug-{}.txt", std::process::id()));
        let at = info
            .location()
            .map_or(String::new(), |at| format!(" ({at})"));
        say!("azura has a bug: {}{at}", message(info));
        match std::fs::write(&path, report) {
            Ok(()) => say!("  please report it with the file {}", path.display()),
            Err(error) => say!(
                "  the report could not be written to {}: {error}",
                path.display()
            ),
        }
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or("(no message)")
}

fn report(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let mut text = format!(
        "azura {} on {} {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    let args: Vec<_> = std::env::args_os().collect();
    let _ = writeln!(text, "command: {args:?}");
    let _ = writeln!(text, "thread: {:?}", std::thread::current().name());
    let _ = writeln!(text, "message: {}", message(info));
    if let Some(at) = info.location() {
        let _ = writeln!(text, "at: {at}");
    }
    let _ = writeln!(text, "\n{backtrace}");
    text
}
