//! A kernel file compiled as C++ for this machine's CPU, and its kernels run.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program of the kernels of one file, at one tier.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) tier: u32,
}

/// What a kernel is given: bytes of a buffer, or of a scalar.
pub(crate) struct Arguments(Vec<u8>);

impl Arguments {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    pub(crate) fn words(self, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    pub(crate) fn narrow(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn wide(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn real(self, value: f32) -> Self {
        self.bytes(&value.to_le_bytes())
    }
}

impl Program {
    /// Compiles `file` of the kernels in `kernels`, with these entries. An error is what the compiler says.
    pub(crate) fn compile(kernels: &Path, file: &str, tier: u32, entries: &[&str], to: &Path) -> Result<Self, String> {
        let main = to.join(format!("{file}.{tier}.cpp"));
        let path = to.join(format!("{file}.{tier}.program"));
        let entries = entries.iter().map(|entry| format!("    ENTRY({entry})")).collect::<Vec<_>>().join("\n");
        let text = format!(
            "#include \"{file}\"\n#include \"cpu/run.h\"\nint main(int argc, char** argv) {{\n    if (argc != 4) return 2;\n{entries}\n    return 2;\n}}\n"
        );
        fs::write(&main, text).map_err(|error| error.to_string())?;
        let output = Command::new(compiler())
            .args(["-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas", "-Wno-unused"])
            .arg(format!("-DTIER={tier}"))
            .arg("-I")
            .arg(kernels)
            .args([&main, Path::new("-o"), &path])
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self { path, tier })
    }

    /// Runs one kernel; the buffers as it left them, as words.
    pub(crate) fn run(
        &self,
        kernel: &str,
        grid: u32,
        block: u32,
        arguments: &Arguments,
    ) -> Result<Vec<Vec<u32>>, String> {
        let mut child = Command::new(&self.path)
            .args([kernel, &grid.to_string(), &block.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().ok_or("no standard input")?;
        // It reads all before it writes. One that ended early is told by its exit status.
        let _ = stdin.write_all(&arguments.0);
        drop(stdin);
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{kernel}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        let mut rest = &output.stdout[..];
        let mut buffers = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
            let (bytes, after) = after.split_at(length);
            buffers.push(
                bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect(),
            );
            rest = after;
        }
        Ok(buffers)
    }
}

/// The system's C++ compiler; as every build that has C++ in it would find it.
fn compiler() -> OsString {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let build =
        cc::Build::new().cpp(true).opt_level(1).cargo_metadata(false).target(&target).host(&target).try_get_compiler();
    build.map_or_else(|_| "c++".into(), |tool| tool.path().as_os_str().to_owned())
}

/// Whether there is a C++ compiler; where not, the test is skipped by name, and fails where nothing may be skipped.
pub(crate) fn has_compiler() -> bool {
    let there = Command::new(compiler()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        assert!(std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "a C++ compiler is needed");
        let _ = writeln!(std::io::stderr(), "skipped: needs a C++ compiler");
    }
    there
}
