//! `trueup gpucheck`: the program that measures, run against a double of the driver, and against scripts in its place.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::support::{Place, Ran, eventually};

/// A machine with one GPU of the double.
pub(crate) struct Node {
    place: Place,
    settings: Json,
}

impl Node {
    /// A healthy H100: it does what is expected of its model. None: what this needs is not built.
    pub(crate) fn healthy() -> Option<Self> {
        let [program, double] = [beside_program("gpucheck"), beside_test("libgpucheck_double.so")];
        if !is_built(&program) || !is_built(&double) {
            return None;
        }
        let place = Place::new();
        fs::create_dir(place.path("driver")).unwrap();
        for library in ["libcuda.so.1", "libnvidia-ml.so.1"] {
            fs::copy(&double, place.path("driver").join(library)).unwrap();
        }
        let gpu = json!({
            "name": "NVIDIA H100 HBM3", "memory": 84_181_356_544_u64, "capability": [9, 0], "multiprocessors": 132, "ecc": true,
            "bandwidth": 2881e9, "host": 54.817e9,
            "fp32": 63.65e12, "fp16": 652.7e12, "bf16": 652.7e12, "tf32": 326.4e12, "fp8": 1068.7e12,
            "pcie": [5, 16, 5, 16], "counted": { "rows": [0, 0, 0, 0], "links": [18, 0], "throttle": 4 },
        });
        Some(Self { place, settings: json!({ "gpus": [gpu] }) })
    }

    /// The same with half of the FP8 that it should have, and an XID.
    pub(crate) fn ill() -> Option<Self> {
        let mut node = Self::healthy()?;
        let gpu = &mut node.settings["gpus"][0];
        gpu["fp8"] = json!(534.3e12);
        gpu["counted"]["xids"] = json!([79]);
        Some(node)
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        let environment = self.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.place.run_with(&[&["gpucheck"], arguments].concat(), &environment)
    }

    /// The same with something of it set: a path in its GPU, or with a slash before it in the node.
    pub(crate) fn set(mut self, path: &str, value: Json) -> Self {
        let pointer = path.strip_prefix('/').map_or_else(|| format!("/gpus/0/{path}"), |path| format!("/{path}"));
        let (whole, last) = pointer.rsplit_once('/').unwrap();
        if self.settings.pointer(whole).is_none() {
            self.settings["gpus"][0]["ill"] = json!({});
        }
        self.settings.pointer_mut(whole).unwrap()[last] = value;
        self
    }

    /// What has programs find this node's GPUs.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let libraries = self.place.path("driver").display().to_string();
        vec![("LD_LIBRARY_PATH".to_owned(), libraries), ("GPUCHECK_DOUBLE".to_owned(), self.settings.to_string())]
    }
}

/// Where a program is that is built beside `trueup`.
fn beside_program(name: &str) -> PathBuf {
    assert_cmd::cargo::cargo_bin!("trueup").with_file_name(name)
}

/// Where a library is that is built beside this test.
fn beside_test(name: &str) -> PathBuf {
    std::env::current_exe().unwrap().with_file_name(name)
}

/// Whether it is there. Without it the test is left out, which is an error where none may be.
fn is_built(path: &Path) -> bool {
    let (found, path) = (path.is_file(), path.display());
    assert!(found || std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "{path} is needed, and not built");
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: needs {path}");
    }
    found
}

/// A place with a script in the place of the program. Another process writes it: a file that this one has open for writing could be
/// run by none, if a test beside it starts a process just then.
pub(crate) fn with_script(text: &str) -> Place {
    let place = Place::new();
    place.write("text", &format!("#!/bin/sh\n{text}\n"));
    assert!(place.shell("cp text measures && chmod +x measures").status().unwrap().success());
    place
}

const SCRIPT: [&str; 3] = ["gpucheck", "--gpucheck-program", "measures"];

#[test]
fn a_healthy_node_passes_and_its_table_is_shown() {
    let Some(node) = Node::healthy() else { return };
    let ran = node.check(&["--count", "1", "--model", "H100"]).exits(0);
    let ran = ran.says("GPU 0 · NVIDIA H100 HBM3").says("\npass: 29 passed, 0 warned of, 0 failed, 0 not checked\n");
    assert!(!ran.out.contains('\u{1b}'), "colours where there is no terminal");
    assert!(ran.err.starts_with("[1/14] identity on GPU 0\n"), "{}", ran.err);
    assert!(!ran.err.contains(['\r', '\u{1b}']), "{}", ran.err);
}

/// The README's table is what a real H100 was measured to do.
#[test]
fn the_readme_shows_the_report_of_a_real_one() {
    let program = beside_program("gpucheck");
    if !is_built(&program) {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let report = format!("{root}/gpucheck/reports/h100-sxm5-80gb.json");
    let judged = Command::new(program).args(["judge", &report]).output().unwrap();
    let table = String::from_utf8(judged.stdout).unwrap();
    assert!(judged.status.success() && table.contains("\npass: "), "{table}");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    assert!(readme.contains(&format!("```\n{table}```\n")), "the README shows another table than\n{table}");
}

#[test]
fn an_ill_node_fails() {
    let Some(node) = Node::ill() else { return };
    node.check(&[]).exits(2).says("the driver reported XID 79").says("FAIL: 27 passed, 0 warned of, 2 failed");
}

#[test]
fn what_was_required_and_is_not_so_fails_a_healthy_one() {
    let Some(node) = Node::healthy() else { return };
    node.check(&["--count", "8"]).exits(2).says("FAIL");
    node.check(&["--model", "A100"]).exits(2).says("it is no A100");
    node.check(&["--minimum", "1"]).exits(2).says("FAIL");
    node.check(&["--require", "ecc,burn"]).exits(2).says("burn");
}

#[test]
fn without_a_driver_or_a_gpu_there_is_nothing_to_check() {
    let Some(mut node) = Node::healthy() else { return };
    node.settings["seen_by_cuda"] = json!(0);
    node.check(&[]).exits(3).complains("nothing to check: the driver sees no GPU");
    // One that is no library, and not none: a machine may have a driver of its own.
    fs::write(node.place.path("driver/libcuda.so.1"), "no library").unwrap();
    let ran = node.check(&[]).exits(3).complains("nothing to check: the driver's library can't be loaded");
    assert_eq!(ran.out, "");
    assert_eq!(node.check(&["--json"]).exits(3).out, "");
}

#[test]
fn json_is_the_report_and_its_judgement() {
    let Some(node) = Node::healthy() else { return };
    for arguments in [&["--json"][..], &["--format", "json"]] {
        let answer = node.check(arguments).exits(0).json();
        assert_eq!((&answer["judgement"]["verdict"], &answer["report"]["level"]), (&json!("pass"), &json!("quick")));
        assert_eq!(answer["report"]["gpus"].as_array().unwrap().len(), 1);
    }
    let answer = Node::ill().unwrap().check(&["--json"]).exits(2).json();
    assert_eq!(answer["judgement"]["verdict"], "fail");
}

#[test]
fn figures_are_kept_and_drawn_where_it_was_asked_from() {
    let Some(mut node) = Node::healthy() else { return };
    node.check(&["--store-baseline", "good.json", "--svg", "gpus.svg"]).exits(0);
    let drawing = fs::read_to_string(node.place.path("gpus.svg")).unwrap();
    assert!(roxmltree::Document::parse(&drawing).is_ok());
    node.check(&["--baseline", "good.json"]).exits(0);
    // 86 % of what it was: only warned of by what is expected.
    node.settings["gpus"][0]["fp16"] = json!(561e12);
    node.check(&[]).exits(0).says("warn");
    node.check(&["--baseline", "good.json"]).exits(2).says("a stored baseline");
}

#[test]
fn arguments_that_mean_nothing_are_errors() {
    let Some(node) = Node::healthy() else { return };
    for (arguments, said) in [
        (&["--level", "slow"][..], "invalid value 'slow'"),
        (&["--minimum", "90"], "the minimum is a fraction from 0 to 1"),
        (&["--require", "ecc,luck"], "nothing that is measured is named `luck`"),
        (&["--model", "H1"], "no GPU model is named `H1`"),
        (&["--count", "many"], "invalid value 'many'"),
        (&["--count=-1"], "invalid value '-1'"),
        (&["--seconds", "0"], "invalid value '0'"),
        (&["--baseline", "none.json"], "none.json can't be read"),
        (&["--model"], "a value is required"),
        (&["judge"], "the blueprint `blueprint.yaml` can't be read"),
        (&["no address]"], "is no address"),
        (&["--format", "dot"], "only `trueup graph` draws"),
    ] {
        let ran = node.check(arguments).exits(1).complains(said);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(!ran.err.contains("[1/"), "{arguments:?}: something was measured: {}", ran.err);
    }
}

#[test]
fn help_has_the_exit_codes() {
    let help =
        Place::new().run(&["gpucheck", "--help"]).exits(0).says("--store-baseline <FILE>").says("standard: More of it");
    let words = help.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = "0 the GPUs pass, or are only warned of · 1 error · 2 the GPUs fail · 3 there is no driver, or no GPU";
    assert!(words.ends_with(&format!("Exit codes: {codes}")), "{words}");
}

#[test]
fn a_program_that_is_not_there_is_told_with_where_it_was_looked_for_and_what_makes_it() {
    let place = Place::new();
    let line = format!("mkdir alone && cp '{}' alone/", assert_cmd::cargo::cargo_bin!("trueup").display());
    assert!(place.shell(&line).status().unwrap().success());
    let looked = place.path("").canonicalize().unwrap().join("alone/gpucheck");
    let said = format!("the program gpucheck was looked for at {}, and is not there", looked.display());
    let output = place.shell("alone/trueup gpucheck").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
    assert!(told.contains(&said) && told.contains("help: `cargo build -p trueup-gpucheck` makes it"), "{told}");
    let output = place.shell("alone/trueup gpucheck --json").output().unwrap();
    let error: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &error["error"]["message"]), (Some(1), &json!(said)));
}

#[test]
fn a_program_that_is_named_is_that_one_or_an_error() {
    let place = with_script("echo this one");
    place.run(&SCRIPT).exits(0).says("this one");
    place.run(&["gpucheck", "--gpucheck-program", "none"]).exits(1).complains("/none, and is not there");
    // A name alone is a file here, and none of `PATH`.
    place.run(&["gpucheck", "--gpucheck-program", "true"]).exits(1).complains("/true, and is not there");
    place.run(&["gpucheck", "--gpucheck-program", "model"]).exits(1).complains("/model, and is not there");
    let told = place.run(&["gpucheck", "--gpucheck-program", "text"]).exits(1);
    told.complains("/text can't be run: Permission denied").complains("--gpucheck-program FILE");
}

#[test]
fn arguments_are_handed_on_as_they_are_and_no_shell_reads_them() {
    let place = with_script(r#"for word; do printf '<%s>\n' "$word"; done"#);
    let given = ["--model", "$(touch made) *", "--require", "a,b", "--svg", "a b/../c.svg", "--count=-1", "--json"];
    let wanted = "<--count=-1>\n<--model=$(touch made) *>\n<--svg=a b/../c.svg>\n<--require=a,b>\n<--json>\n";
    assert_eq!(place.run(&[&SCRIPT[..], &given].concat()).exits(0).out, wanted);
    assert_eq!(place.run(&SCRIPT).exits(0).out, "", "what was not asked for is handed on");
    assert!(!place.path("made").exists());
}

#[test]
fn its_streams_are_those_of_who_asked() {
    let place = with_script("cat; echo said; echo complained >&2");
    let line = format!("echo typed | '{}' {}", assert_cmd::cargo::cargo_bin!("trueup").display(), SCRIPT.join(" "));
    let output = place.shell(&line).output().unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"typed\nsaid\n"[..], &b"complained\n"[..]));
    let place = with_script("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo a terminal");
    assert!(place.run_at_terminal(&SCRIPT.join(" "), b"").exits(0).out.contains("a terminal"));
}

#[test]
fn it_ends_as_the_program_does_if_that_means_something() {
    for code in 0..4 {
        let ran = with_script(&format!("exit {code}")).run(&SCRIPT).exits(code);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    }
    with_script("exit 101").run(&SCRIPT).exits(1).complains("/measures ended without a judgement: exit status: 101");
    with_script("exit 4").run(&SCRIPT).exits(1).complains("exit status: 4");
    let killed = with_script("kill -SEGV $$");
    killed.run(&SCRIPT).exits(1).complains("/measures ended without a judgement: signal: 11 (SIGSEGV)");
    let error = killed.run(&[&SCRIPT[..], &["--json"]].concat()).exits(1).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("SIGSEGV"), "{error}");
}

#[test]
fn who_is_told_to_end_leaves_no_program_behind() {
    let place = with_script("echo $$ > begun; mv begun pid; exec sleep 600");
    let running = place.start(&SCRIPT);
    eventually("the program runs", || place.path("pid").exists());
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    running.signal(Signal::TERM);
    // One that ended and is not yet waited for has no command line.
    let line = Path::new("/proc").join(pid.trim()).join("cmdline");
    eventually("the program is gone", || fs::read(&line).unwrap_or_default().is_empty());
    running.wait().exits(1).complains("gpucheck was ended before it was done");
}
