//! A machine of the double: so many GPUs of a model, each as fast as is expected of it, and what ails them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use trueup_gpucheck::format::TensorType;
use trueup_gpucheck::judge::thresholds::{direct, expectation};
use trueup_gpucheck::judge::{Judgement, Subject, Verdict};
use trueup_gpucheck::models::{Fabric, Model, named};
use trueup_gpucheck::report::{Quantity, Report};

/// A directory of libraries, and what machine they are.
pub(crate) struct Node {
    libraries: TempDir,
    pub(crate) settings: Value,
}

/// What the program did.
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Node {
    /// So many healthy GPUs of a model, with CUDA and NVML.
    pub(crate) fn new(model: &str, count: usize) -> Self {
        let model = named(model).unwrap();
        let gpu = healthy(model);
        let peer = direct(model, [None, None]).expected() * 1e9;
        let node = Self {
            libraries: tempfile::tempdir().unwrap(),
            settings: json!({ "gpus": vec![gpu; count], "peer": peer }),
        };
        fs::copy(double(), node.library("libcuda.so.1")).unwrap();
        fs::copy(double(), node.library("libnvidia-ml.so.1")).unwrap();
        node
    }

    pub(crate) fn library(&self, name: &str) -> PathBuf {
        self.libraries.path().join(name)
    }

    /// Changes what ails a GPU, or what is counted of it: `ill.hangs`, `counted.xids`, or a rate.
    pub(crate) fn set(mut self, gpu: usize, pointer: &str, value: Value) -> Self {
        let mut at = &mut self.settings["gpus"][gpu];
        for name in pointer.split('.') {
            at = &mut at[name];
        }
        *at = value;
        self
    }

    /// Makes a figure of a GPU so many times as fast.
    pub(crate) fn scale(self, gpu: usize, name: &str, by: f64) -> Self {
        let now = self.settings["gpus"][gpu][name].as_f64().unwrap();
        self.set(gpu, name, json!(now * by))
    }

    /// Adds cuBLASLt: the same library, so that it has the driver's GPUs.
    pub(crate) fn with_cublaslt(self) -> Self {
        std::os::unix::fs::symlink("libcuda.so.1", self.library("libcublasLt.so.12")).unwrap();
        self
    }

    /// Takes a symbol out of a library: the loader looks for it by its name, which is another then.
    pub(crate) fn without_symbol(self, library: &str, symbol: &str) -> Self {
        let path = self.library(library);
        let mut bytes = fs::read(&path).unwrap();
        let name: Vec<u8> = [&[0], symbol.as_bytes(), &[0]].concat();
        let places: Vec<usize> = (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(&name)).collect();
        assert!(!places.is_empty(), "{library} has no {symbol}");
        places.iter().for_each(|at| bytes[at + 1] = b'x');
        fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gpucheck"));
        command
            .args(arguments)
            .env("LD_LIBRARY_PATH", self.libraries.path())
            .env("GPUCHECK_DOUBLE", self.settings.to_string());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Checked {
        Checked::of(&self.command(arguments).output().unwrap())
    }

    /// Runs it for JSON: what it thinks, what it found, and its exit code.
    pub(crate) fn check(&self, arguments: &[&str]) -> (Judgement, Report, i32) {
        let checked = self.run(&[&["--json", "--progress", "none"], arguments].concat());
        let mut both: Value = serde_json::from_str(&checked.stdout).unwrap_or_else(|_| panic!("{}", checked.stderr));
        let mut take = |name: &str| both.get_mut(name).map(Value::take).unwrap();
        let judgement = serde_json::from_value(take("judgement")).unwrap();
        (judgement, serde_json::from_value(take("report")).unwrap(), checked.code)
    }
}

impl Checked {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// The library that is built beside this test.
fn double() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join("libgpucheck_double.so");
    assert!(Path::exists(&library), "{} is not built", library.display());
    library
}

/// One GPU that does what is expected of it.
fn healthy(model: &Model) -> Value {
    let of = |quantity| expectation(model, quantity, None).map_or(0.0, |expectation| expectation.expected());
    let (bandwidth, host) = (of(Quantity::CopyBandwidth) * 1e9, of(Quantity::HostToDevice) * 1e9);
    let [fp32, fp16, bf16, tf32, fp8] =
        [Quantity::Fp32Rate, Quantity::Fp16Rate, Quantity::Bf16Rate, Quantity::Tf32Rate, Quantity::Fp8Rate]
            .map(|rate| of(rate) * 1e12);
    let library = TensorType::ALL.map(|kind| of(Quantity::library(kind)) * 1e12);
    let links = if matches!(model.fabric, Fabric::NvLink(_)) { 18 } else { 0 };
    json!({
        "name": format!("NVIDIA {}", model.words.join(" ")),
        "memory": (model.memory * 0.98 * f64::from(1 << 30)) as u64 / 4096 * 4096,
        "capability": model.capability,
        "multiprocessors": 20,
        "ecc": true,
        "bandwidth": bandwidth, "host": host, "fp32": fp32, "fp16": fp16, "bf16": bf16, "tf32": tf32, "fp8": fp8,
        "library": library,
        "pcie": [model.pcie, 16, model.pcie, 16],
        "ill": {},
        "counted": { "rows": [0, 0, 0, 0], "links": [links, 0], "throttle": 4 },
    })
}

/// What is thought of a name of a subject, and why.
pub(crate) fn about<'a>(judgement: &'a Judgement, subject: Subject, what: &str) -> (Verdict, &'a str) {
    let found = judgement.findings.iter().find(|found| found.subject == subject && found.what == what);
    let found = found.unwrap_or_else(|| panic!("no finding {what} of {subject}: {:#?}", judgement.findings));
    (found.verdict, &found.reason)
}

/// What is worse than a pass, in words.
pub(crate) fn complaints(judgement: &Judgement) -> Vec<String> {
    let bad = judgement.findings.iter().filter(|found| found.verdict > Verdict::Pass);
    bad.map(|found| format!("{} {}: {}: {}", found.subject, found.what, found.verdict, found.reason)).collect()
}
