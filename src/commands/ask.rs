//! Asks a person before something is done.

use std::io::{BufRead, IsTerminal, Write};

use crate::draw;
use crate::exit::Failure;

/// Puts a question at the terminal, and says whether the answer was `yes`; false once `cancelled` is there. An error where nobody can be
/// asked.
pub(super) async fn confirmed(
    question: &str,
    json: bool,
    cancelled: impl Future<Output = ()>,
) -> Result<bool, Failure> {
    if json || !std::io::stdin().is_terminal() {
        let why = if json { "with `--json` nobody is asked" } else { "there is no terminal to ask at" };
        return Err(
            Failure::new(format!("this has to be agreed to, and {why}")).help("add `--yes` to agree beforehand")
        );
    }
    draw::put(&format!("\n{question}"));
    let _ = std::io::stdout().flush();
    // Read beside the runtime, so that Ctrl-C is heard meanwhile.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok(answer)) => Ok(answer.trim() == "yes"),
            Ok(Err(error)) => Err(Failure::new(error.to_string())),
            Err(error) => Err(Failure::new(error.to_string())),
        },
        () = cancelled => Ok(false),
    }
}
