//! The command line: parses arguments, calls the engine, draws what comes back. No decision is made here.

mod arguments;
mod commands;
mod crash;
mod draw;
mod exit;
mod files;
mod foreign;
mod planfile;
mod workplace;

use clap::Parser;

/// A large stack is millions of small pieces, which this one hands out in less time and room than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    crash::install();
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            let asked = arguments::without_values(asked, std::env::args_os().skip(1));
            let _ = asked.print();
            if asked.use_stderr()
                && let Some(hint) =
                    foreign::hint(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
            {
                draw::note(&format!("\n  tip: {hint}"));
            }
            // clap's own code for a mistake is 2, which here says that changes were found.
            return if asked.use_stderr() { exit::Exit::Error } else { exit::Exit::Done }.into();
        }
    };
    draw::answer_in(arguments.format());
    workplace::stay_offline(arguments.offline);
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
    tracing::debug!(peak_mib = peak_memory());
    // Work that blocks, such as a copy, is resumed by the next run: nothing is waited for.
    runtime.shutdown_background();
    exit.into()
}

/// The most memory that this process has had, in MiB, as Linux tells it; 0 elsewhere.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

/// Logs to the standard error stream what `RUST_LOG` asks for, nothing without it.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
