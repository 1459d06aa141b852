//! What is said when Trueup itself fails: where, what to do next, and no value.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

/// Says of every panic from now on where it was and what to do.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        // Nothing may fail here: where the standard error stream is closed, nobody is told.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), report(info, &Backtrace::capture()).as_bytes());
    }));
}

fn report(info: &PanicHookInfo<'_>, trace: &Backtrace) -> String {
    let place = info.location().map_or_else(|| "a place unknown".to_owned(), ToString::to_string);
    // Words that were put together at run time may repeat a value, and so a secret.
    let words = info.payload().downcast_ref::<&'static str>();
    let words = words.map_or("what was said may repeat a secret, and is left out", |words| *words);
    let mut text = format!(
        "error: Trueup has failed, by a mistake of its own, at {place}: {words}\n  \
         help: run the command again: what was begun is in the state, and the next run settles it. If it fails again, report this \
         place, and what `RUST_BACKTRACE=1` adds to it\n"
    );
    // It names functions, and no values.
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("{trace}\n"));
    }
    text
}
