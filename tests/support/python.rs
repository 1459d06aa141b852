//! Python tools that tests talk to, each set in a virtual environment of its own under `target/`, made once with pinned versions.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that has these packages, in the form of a requirements file that pins each, as `include_str!("jsonschema.txt")` gives
/// it; none where it can't be had, which skips the test by name, and is an error where nothing may be skipped. Of several that ask
/// for one name at once, in any number of processes, one makes it and the others wait.
pub(crate) fn python(name: &str, pins: &str) -> Option<PathBuf> {
    let made = make(name, pins);
    if let Err(reason) = &made {
        assert!(std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "the Python tools `{name}` are needed: {reason}");
        let _ = writeln!(std::io::stderr(), "skipped: needs the Python tools `{name}`: {reason}");
    }
    made.ok()
}

fn make(name: &str, pins: &str) -> Result<PathBuf, String> {
    let fail = |error: std::io::Error| format!("its directory can't be used: {error}");
    let top = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(top.join(format!("python-{name}.lock"))).map_err(fail)?;
    lock.lock().map_err(fail)?;
    let home = top.join(format!("python-{name}"));
    let python = home.join("bin/python");
    // It has this name only once all is installed, so that one that was cut short is made again.
    let receipt = home.join("installed.txt");
    if fs::read_to_string(&receipt).is_ok_and(|installed| installed == pins) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&home);
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let wanted = home.join("wanted.txt");
    fs::write(&wanted, pins).map_err(fail)?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--requirement"];
    run(Command::new(&python).args(install).arg(&wanted))?;
    fs::rename(&wanted, &receipt).map_err(fail)?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
