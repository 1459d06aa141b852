//! This machine.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::machine::{Machine, Output, Unreachable};

/// This machine.
pub(crate) struct Here;

#[async_trait]
impl Machine for Here {
    async fn run(&self, script: &str, input: &[u8]) -> Result<Output, Unreachable> {
        let cannot = |error: std::io::Error| Unreachable::of("a shell can't be run here", &error);
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(cannot)?;
        let stdin = child.stdin.take();
        let write = async {
            if let Some(mut stdin) = stdin {
                // A script that wants no more of it says so by its end.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.map_err(cannot)?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Output { code: output.status.code(), stdout: output.stdout, stderr })
    }
}
