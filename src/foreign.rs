//! What is typed out of habit from another tool, and what is typed here instead.

/// What to type instead of the first word that another tool has and this one has not.
pub(crate) fn hint(mut words: impl Iterator<Item = String>) -> Option<&'static str> {
    words.find_map(|word| instead_of(word.split('=').next().unwrap_or_default()))
}

fn instead_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "-var" => "write `--var NAME=VALUE`",
        "-var-file" => "write `--var-file FILE`",
        "-out" => "write `--out FILE`",
        "-json" => "write `--json`",
        "-auto-approve" | "--auto-approve" | "--yes-all" | "-y" => "write `--yes`",
        "-refresh-only" | "--refresh-only" | "refresh" => "write `trueup drift`",
        "-chdir" => "name the blueprint as the last argument",
        "workspace" => "a workspace is an environment here: write `--env NAME`",
        "up" | "deploy" | "launch" => "write `trueup apply`",
        "-destroy" | "--destroy" | "down" | "delete" | "rm" => "write `trueup destroy`",
        "diff" | "preview" => "write `trueup plan`",
        "fmt" | "format" => "a blueprint is YAML: any formatter of YAML will do",
        "get" | "providers" => "nothing is to be fetched: providers are built in",
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
    }
}
