//! What is typed out of habit from another tool, and what is typed here instead.

/// What to type instead of the first word that another tool has and this one has not.
pub(crate) fn hint(words: impl Iterator<Item = String>) -> Option<&'static str> {
    let mut words = words.peekable();
    let of_state = words.next_if(|word| word == "state").and_then(|_| instead_of_state(words.peek()?));
    of_state.or_else(|| words.find_map(|word| instead_of(word.split('=').next().unwrap_or_default())))
}

/// The same after `state`, where words mean less than elsewhere: nothing is destroyed there.
fn instead_of_state(word: &str) -> Option<&'static str> {
    Some(match word {
        "rm" | "remove" | "delete" => "write `trueup state forget`",
        "move" | "rename" => "write `trueup state mv`",
        "pull" | "backup" => "write `trueup state export`",
        "push" | "restore" => "write `trueup state import`",
        "log" => "write `trueup state history`",
        "fix" | "recover" => "write `trueup state repair`",
        "check" => "write `trueup state verify`",
        _ => return None,
    })
}

fn instead_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "-var" => "write `--var NAME=VALUE`",
        "-var-file" => "write `--var-file FILE`",
        "-out" => "write `--out FILE`",
        "-json" => "write `--json`",
        "-auto-approve" | "--auto-approve" | "--yes-all" | "-y" => "write `--yes`",
        "-refresh-only" | "--refresh-only" | "refresh" => "write `trueup drift`",
        "-target" => "write `--target SELECTOR`",
        "-exclude" => "write `--exclude SELECTOR`",
        "-replace" => "write `--replace ADDRESS`",
        "-refresh" => "write `--refresh=false`",
        "taint" => "write `trueup apply --replace ADDRESS`",
        "-chdir" => "name the blueprint as the last argument",
        "workspace" => "a workspace is an environment here: write `--env NAME`",
        "up" | "deploy" | "launch" => "write `trueup apply`",
        "-destroy" | "--destroy" | "down" | "delete" | "rm" => "write `trueup destroy`",
        "diff" | "preview" => "write `trueup plan`",
        "fmt" | "format" => "a blueprint is YAML: any formatter of YAML will do",
        "get" | "providers" => "nothing is to be fetched: providers are built in",
        "import" => "declare it, and write `trueup adopt ADDRESS --id ID`",
        "force-unlock" => "write `trueup unlock`",
        "status" | "ls" => "write `trueup state list`",
        "docs" | "man" => "write `trueup explain`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_foreign_word_is_told() {
        let hint = |line: &str| hint(line.split(' ').map(str::to_owned));
        assert_eq!(hint("plan -var=n=2 -out=x"), Some("write `--var NAME=VALUE`"));
        assert_eq!(hint("apply blueprint.yaml --auto-approve"), Some("write `--yes`"));
        assert_eq!(hint("apply blueprint.yaml --frobnicate"), None);
        assert_eq!(hint("import a i-0"), Some("declare it, and write `trueup adopt ADDRESS --id ID`"));
        assert_eq!(hint("rm a"), Some("write `trueup destroy`"));
        assert_eq!(hint("state rm a"), Some("write `trueup state forget`"));
        assert_eq!(hint("state ls"), Some("write `trueup state list`"));
        assert_eq!(hint("state"), None);
    }
}
