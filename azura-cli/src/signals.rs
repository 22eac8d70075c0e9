//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Code, Failure};

/// Which signal arrived, if any.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on. `first` is called once, in a thread of its own, when the first signal arrives.
    ///
    /// # Errors
    /// [`Code::Unexpected`] if the system refuses.
    pub fn listen(first: impl FnOnce() + Send + 'static) -> Result<Signals, Failure> {
        let signals = Signals::default();
        let again = Arc::new(AtomicBool::new(false));
        let register = || -> std::io::Result<()> {
            for signal in [SIGINT, SIGTERM] {
                // Order matters: the second signal finds `again` raised by the first and ends the process
                // from inside the handler, however busy the program is.
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
                flag::register(signal, Arc::clone(&again))?;
                flag::register_usize(signal, Arc::clone(&signals.which), signal as usize)?;
            }
            let watched = signals.clone();
            std::thread::Builder::new()
                .name("signals".to_string())
                .spawn(move || {
                    // A handler may do almost nothing, so a thread looks; 20 ms is below what a person notices.
                    while watched.exit().is_none() {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    first();
                })?;
            Ok(())
        };
        register().map_err(|error| {
            Failure::new(
                Code::Unexpected,
                format!("cannot listen for signals: {error}"),
            )
        })?;
        Ok(signals)
    }

    /// 130 or 143 once a signal has arrived.
    pub fn exit(&self) -> Option<u8> {
        match self.which.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(128 + signal as u8),
        }
    }
}
