//! Python tools that tests talk to, each set in a virtual environment of its own under `target/`, made once with pinned versions.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that has what `tests/support/NAME.txt` pins; none where it can't be had, which skips the test by name, and is an error
/// where nothing may be skipped. Of several that ask at once, in any number of processes, one makes it and the others wait.
pub(crate) fn python(name: &str) -> Option<PathBuf> {
    let made = make(name);
    if let Err(reason) = &made {
        assert!(std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "the Python tools `{name}` are needed: {reason}");
        let _ = writeln!(std::io::stderr(), "skipped: needs the Python tools `{name}`: {reason}");
    }
    made.ok()
}

fn make(name: &str) -> Result<PathBuf, String> {
    let top = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let fail = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(format!("{name}.txt"));
    let wanted = fs::read_to_string(&pins).map_err(|error| fail(&pins.display().to_string(), &error))?;
    let lock = File::create(top.join(format!("python-{name}.lock"))).map_err(|error| fail("its lock", &error))?;
    lock.lock().map_err(|error| fail("its lock", &error))?;
    let home = top.join(format!("python-{name}"));
    let python = home.join("bin/python");
    // Written last, so that one that was cut short is made again.
    let receipt = home.join("made-of.txt");
    if fs::read_to_string(&receipt).is_ok_and(|made_of| made_of == wanted) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&home);
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--requirement"];
    run(Command::new(&python).args(install).arg(&pins))?;
    fs::write(&receipt, wanted).map_err(|error| fail("its receipt", &error))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
