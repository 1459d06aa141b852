//! The command line: parses arguments, calls the engine, draws what comes back. No decision is made here.

mod arguments;
mod commands;
mod draw;
mod exit;
mod files;
mod foreign;
mod planfile;
mod workplace;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            let _ = asked.print();
            if asked.use_stderr()
                && let Some(hint) = foreign::hint(std::env::args().skip(1))
            {
                draw::note(&format!("\n  tip: {hint}"));
            }
            // clap's own code for a mistake is 2, which here says that changes were found.
            return if asked.use_stderr() { exit::Exit::Error } else { exit::Exit::Done }.into();
        }
    };
    draw::answer_in(arguments.format());
    start_log();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return draw::failure(&exit::Failure::new(format!("the program can't start: {error}"))).into();
        }
    };
    let exit = draw::finish(match runtime.block_on(commands::run(arguments)) {
        Ok(exit) => exit,
        Err(failure) => draw::failure(&failure),
    });
    // Work that blocks, such as a copy, is resumed by the next run: nothing is waited for.
    runtime.shutdown_background();
    exit.into()
}

/// Logs to the standard error stream what `RUST_LOG` asks for, nothing without it.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
