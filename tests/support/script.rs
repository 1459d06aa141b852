//! Python programs that tests talk to, a line each way.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A Python program that lives as long as this process.
pub(crate) struct Script {
    _child: Child,
    /// What it is told.
    pub(crate) input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// Starts one of `tests/support`.
    pub(crate) fn start(python: &Path, name: &str, arguments: &[String]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name);
        let mut command = Command::new(python);
        command.arg(script).args(arguments).env_clear().env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { _child: child, input, output }
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}
