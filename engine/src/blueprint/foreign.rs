//! Words of other tools, and what is written here instead. Whoever comes from Terraform, Helm or Python writes them first.

use std::ops::Range;

use super::calls;
use super::source::{Content, Name, Node};
use super::tokens;
use crate::diagnostic::{Diagnostic, Span};

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the top of a file.
    Top,
    /// In an environment.
    Environment,
    /// In a variable.
    Variable,
    /// In a resource.
    Resource,
    /// In a module.
    Module,
    /// In an entry of `moved`.
    Moved,
    /// In `drift`.
    Drift,
}

impl Place {
    /// The place in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Top => "at the top of a blueprint",
            Self::Environment => "in an environment",
            Self::Variable => "for a variable",
            Self::Resource => "for a resource",
            Self::Module => "for a module",
            Self::Moved => "in an entry of `moved`",
            Self::Drift => "in `drift`",
        }
    }
}

type Words = [(&'static [&'static str], &'static str)];

const TOP: &Words = &[
    (&["locals", "local"], "there are no locals: use an expression where the value is needed, or a YAML anchor"),
    (&["data", "data_sources"], "what is there already is a resource with `existing: NAME`"),
    (&["terraform", "backend"], "state is kept in `.trueup/` of the working directory: nothing is to be said of it"),
    (&["import", "imports"], "what is there already is read by `existing: NAME` in a resource"),
    (&["name"], "the blueprint's name stands after `blueprint:`"),
    (&["services", "tasks"], "what is to exist stands under `resources`"),
    (&["vars", "inputs", "parameters"], "what may differ from run to run stands under `variables`"),
];

const VARIABLE: &Words = &[
    (&["sensitive"], "a variable that is not to be shown is `secret: true`"),
    (&["validation", "condition"], "bounds are `minimum`, `maximum`, `enum` and `pattern`"),
    (&["min"], "did you mean `minimum`?"),
    (&["max"], "did you mean `maximum`?"),
    (&["nullable"], "a variable is null where its default is `null`; its type is `any` then"),
    (&["options", "choices", "values"], "did you mean `enum`?"),
    (&["value"], "did you mean `default`?"),
];

const RESOURCE: &Words = &[
    (&["count"], "for so many of it, write `for_each: \"{{ range(3) }}\"`; for one or none, `when`"),
    (&["prevent_destroy"], "write `protect: true`"),
    (&["ignore_changes"], "write `ignore: [FIELD]`"),
    (&["create_before_destroy"], "write `replace: create_first`"),
    (&["dependsOn", "needs"], "did you mean `depends_on`?"),
    (&["if", "condition", "enabled"], "did you mean `when`?"),
    (&["labels"], "did you mean `tags`?"),
    (&["foreach", "forEach", "with_items", "loop"], "did you mean `for_each`?"),
    (&["region", "zone", "location", "project"], "where it is says its provider: `providers: { aws: { region: … } }`"),
    (&["connection", "provisioner"], "there are no provisioners: put what runs into an image"),
];

const MODULE: &Words = &[
    (&["variables", "vars", "values"], "did you mean `inputs`?"),
    (&["version"], "a module is a file that is checked in: its version is that of the file"),
    (&["providers", "provider"], "a module has its own `providers`, or those of the blueprint around it"),
    (&["count"], "for so many of it, write `for_each: \"{{ range(3) }}\"`; for one or none, `when`"),
    (&["kind"], "a resource stands under `resources`"),
];

const KINDS: &[(&str, &[&str])] = &[
    ("bucket", &["s3", "gcs", "storage", "aws_s3_bucket", "google_storage_bucket", "azurerm_storage_container"]),
    (
        "gpu_instance",
        &["gpu", "vm", "instance", "node", "server", "machine", "aws_instance", "google_compute_instance", "ec2"],
    ),
    (
        "registry",
        &["ecr", "repository", "container_registry", "aws_ecr_repository", "google_artifact_registry_repository"],
    ),
    (
        "endpoint",
        &["service", "deployment", "model", "inference", "aws_sagemaker_endpoint", "google_vertex_ai_endpoint"],
    ),
    ("artifact", &["object", "file", "files", "dataset", "weights", "aws_s3_object", "google_storage_bucket_object"]),
    ("image", &["docker_image", "container", "container_image"]),
];

const ROOTS: &Words = &[
    (&["vars", "variables", "variable", "inputs", "input"], "a variable is read as `var.NAME`"),
    (&["modules"], "an output of a module is read as `module.NAME.OUTPUT`"),
    (&["resources", "resource", "data"], "a resource is read by its name alone: `weights.uri`"),
    (&["local", "locals"], "there are no locals: use a variable, or write the expression where it is needed"),
    (&["count"], "the number of an instance is `each.key`, where `for_each` is `{{ range(n) }}`"),
    (&["path"], "paths are relative to the blueprint's file: write `./…`"),
    (&["terraform", "workspace"], "the environment can't be read: use a variable that each environment sets"),
    (&["outputs", "output"], "outputs are for others to read: use what they are made of"),
    (&["null", "nil", "None", "undefined"], "nothing is written `none` in an expression"),
    (&["TRUE", "yes", "on"], "write `true`"),
    (&["FALSE", "no", "off"], "write `false`"),
];

fn find(words: &Words, word: &str) -> Option<&'static str> {
    words.iter().find(|(known, _)| known.contains(&word)).map(|(_, help)| *help)
}

/// What to write instead of a field that there is not.
pub(super) fn field(place: Place, word: &str) -> Option<&'static str> {
    match place {
        Place::Top | Place::Environment => find(TOP, word),
        Place::Variable => find(VARIABLE, word),
        Place::Resource => find(RESOURCE, word),
        Place::Module => find(MODULE, word),
        Place::Moved | Place::Drift => None,
    }
}

/// What stands in Terraform's `lifecycle` of a resource, written as it is here. Some kinds have a field of that name, for something
/// else.
pub(super) fn lifecycle(node: &Node) -> Option<String> {
    let items = |node: &Node| match &node.content {
        Content::List(items) => items
            .iter()
            .filter_map(|item| match &item.content {
                Content::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let written = |(name, node): &(Name, Node)| match name.text.as_str() {
        "prevent_destroy" => Some("`protect: true`".to_owned()),
        "create_before_destroy" => Some("`replace: create_first`".to_owned()),
        "ignore_changes" => {
            let items: Vec<String> = items(node);
            Some(if items.is_empty() {
                "`ignore: [FIELD]`".to_owned()
            } else {
                format!("`ignore: [{}]`", items.join(", "))
            })
        }
        _ => None,
    };
    let said: Vec<String> = node.entries().iter().filter_map(written).collect();
    (!said.is_empty()).then(|| format!("instead of it, write {} beside `kind`", said.join(" and ")))
}

/// An output in Terraform's shape. It may be meant, so this is a warning.
pub(super) fn output(name: &Name, node: &Node) -> Option<Diagnostic> {
    const SAID: [&str; 7] = ["value", "description", "sensitive", "type", "depends_on", "ephemeral", "precondition"];
    let value = node.get("value")?;
    if !node.entries().iter().all(|(name, _)| SAID.contains(&name.text.as_str())) {
        return None;
    }
    let help = match value.path() {
        Some((_, compiled)) => {
            format!("write `{}: \"{{{{ {} }}}}\"`", name.text, tokens::single_quotes(&compiled.text))
        }
        None => format!("write `{}: …`, with what stands after `value:`", name.text),
    };
    let secret = if node.get("sensitive").is_some() { "; what reads a secret is one by itself" } else { "" };
    let message = format!("the output `{}` is a map with `value` in it", name.text);
    let problem = Diagnostic::warning(message).at(name.span, "Terraform would take only the value");
    Some(problem.help(format!("{help}{secret}")))
}

/// The kind that another tool's word means.
pub(super) fn kind(word: &str) -> Option<&'static str> {
    KINDS.iter().find(|(_, known)| known.contains(&word)).map(|(kind, _)| *kind)
}

/// What to write instead of a name that an expression begins with.
pub(super) fn root(word: &str) -> Option<String> {
    find(ROOTS, word).map(str::to_owned).or_else(|| calls::named(word))
}

/// What text in it has that another tool would have replaced. It may be meant, for a shell as a rule, so this is a warning.
pub(super) fn in_text(text: &str, span: impl Fn(&Range<usize>) -> Span) -> Option<Diagnostic> {
    if let Some(at) = interpolation(text) {
        let inner = &text[at.start + 2..at.end - 1];
        let root = find(ROOTS, inner.split(['.', '(', '[']).next().unwrap_or_default()).map(str::to_owned);
        let meant = calls::expression(inner).unwrap_or_else(|| inner.to_owned());
        let help = root.unwrap_or_else(|| format!("write `{{{{ {meant} }}}}` if the value is meant"));
        let problem = Diagnostic::warning(format!("`${{{inner}}}` is text here, and no expression"));
        return Some(problem.at(span(&at), "Terraform would replace this").help(help));
    }
    let at = text.find("<no value>")?;
    Some(
        Diagnostic::warning("`<no value>` stands where a value was missing")
            .at(span(&(at..at + 10)), "a template of another tool left this behind")
            .help("write the value, or an expression: `{{ var.name }}`"),
    )
}

/// The first `${…}` of a text that no shell would read: one with a path or a call in it.
pub(super) fn interpolation(text: &str) -> Option<Range<usize>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("${").find_map(|(open, _)| {
        let inner = &text[open + 2..];
        let close = inner.find('}')?;
        let inner = &inner[..close];
        let name = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
        let goes_on = inner[name..].chars().next().is_some_and(|c| matches!(c, '.' | '('));
        (inner.starts_with(|c: char| c.is_ascii_lowercase()) && goes_on).then(|| open..open + 2 + close + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_reads_is_let_be() {
        for (text, expected) in [
            ("${HOME}/x ${USER:-nobody} $(date)", None),
            ("${model}", None),
            ("a ${var.x} b", Some("${var.x}")),
            ("${HOME} ${aws_s3_bucket.x.id}", Some("${aws_s3_bucket.x.id}")),
            ("${upper(var.x)}", Some("${upper(var.x)}")),
            ("${var.x", None),
        ] {
            assert_eq!(interpolation(text).map(|at| &text[at]), expected, "{text}");
        }
    }
}
