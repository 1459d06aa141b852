//! The PTX that is checked in: it is what the kernels compile to, and every architecture that it is for takes it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../../tests/support/python.rs"]
mod python;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{collections::BTreeMap, fs};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python that has NVIDIA's wheels.
fn tools() -> Option<PathBuf> {
    python::python("gpucheck", include_str!("../requirements.txt"))
}

fn run(python: &Path, command: &str, directory: &Path) -> Result<String, String> {
    let output = Command::new(python).arg(home().join("ptx.py")).arg(command).arg(directory).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

fn texts(directory: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_ptx_is_what_the_kernels_compile_to() {
    let Some(python) = tools() else { return };
    let top = tempfile::tempdir().unwrap();
    run(&python, "build", top.path()).unwrap();
    let (built, kept) = (texts(top.path()), texts(&home().join("ptx")));
    assert_eq!(built.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    let stale: Vec<&String> = built.keys().filter(|name| built[*name] != kept[*name]).collect();
    assert!(stale.is_empty(), "gpucheck/rebuild-ptx brings these up to date: {stale:?}");
}

#[test]
fn every_architecture_from_its_tier_on_takes_it_and_no_older_version_would_do() {
    let Some(python) = tools() else { return };
    let said = run(&python, "check", &home().join("ptx")).unwrap();
    for architecture in ["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"] {
        assert!(said.contains(architecture), "{said}");
    }
}

#[test]
fn what_a_version_of_ptx_lacks_and_what_no_chip_can_do_is_refused() {
    let Some(python) = tools() else { return };
    let refused = |file: &str, from: &str, to: &str| {
        let top = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(home().join("ptx").join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(top.path().join(file), text.replace(from, to)).unwrap();
        run(&python, "check", top.path()).unwrap_err()
    };
    assert!(refused("fp8.sm_89.ptx", ".version 8.4", ".version 8.3").contains("fp8.sm_89.ptx for sm_89"));
    assert!(refused("fp16.sm_70.ptx", ".version 6.4", ".version 7.0").contains("does as well"));
    assert!(refused("bf16.sm_80.ptx", "m16n8k16", "m16n8k17").contains("for sm_80"));
}
