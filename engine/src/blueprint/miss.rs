//! What to say of a path that leads nowhere.

use trueup_state::{Address, Key, Map, Value};

use super::foreign;
use super::sight::{Held, Miss, Seen, key_text, output_names, variable_names};
use super::tokens;
use super::world::Scope;
use crate::diagnostic::{closest, with_article};

impl Miss {
    /// What is wrong, what to say at its place, and what to do.
    pub(super) fn describe(&self, scope: &Scope) -> (String, String, String) {
        let name = &self.name;
        let label = match &self.from {
            None => "nothing has this name",
            Some(Seen::Variables) => "no variable has this name",
            Some(Seen::Resource(..)) => "no such attribute",
            Some(Seen::Group(_) | Seen::Calls(_)) => "no such instance",
            Some(Seen::Modules) => "no module has this name",
            Some(Seen::Call(_)) => "no such output",
            Some(_) => "this is not there",
        };
        let (message, help) = match &self.from {
            None => nothing_called(scope, name),
            Some(Seen::Variables) => {
                let help = suggest(
                    name,
                    &variable_names(scope),
                    "there are",
                    &format!("declare it: `variables: {{ {name}: {{ type: string }} }}`"),
                );
                (format!("there is no variable `{name}`"), help)
            }
            Some(Seen::Modules) => {
                let known = scope.world.frame().names(scope.module.as_ref(), true);
                let none = format!("declare it: `modules: {{ {name}: {{ source: ./{name}.yaml }} }}`");
                (format!("there is no module `{name}`"), suggest(name, &known, "there are", &none))
            }
            Some(Seen::Call(module)) if scope.world.frame().block(&module.child(name)).is_some() => (
                format!("the module `{module}` has no output `{name}`"),
                format!(
                    "it is a resource of the module, which shows its outputs alone: `outputs: {{ {name}: \"{{{{ {name}.… }}}}\" }}`"
                ),
            ),
            Some(Seen::Call(module)) => {
                let help = suggest(name, &output_names(scope, module), "its outputs are", "it has no outputs");
                (format!("the module `{module}` has no output `{name}`"), help)
            }
            Some(Seen::Calls(call)) => no_module_instance(scope, call, name),
            Some(Seen::Each) => (format!("`each` has no `{name}`"), "it has `each.key` and `each.value`".to_owned()),
            Some(Seen::Group(block)) => no_instance(scope, block, name),
            Some(Seen::Resource(address, Some(visible))) => {
                let known = names(visible.attributes.revealed().as_map());
                let inner = seen_from(scope, address);
                let none = format!(
                    "{} has no attributes: use it whole, `{{{{ {inner} }}}}`",
                    with_article(visible.kind.as_str())
                );
                let message = format!("the {} `{inner}` has no attribute `{name}`", visible.kind);
                let said = scope.world.schema(address).is_some_and(|schema| schema.fields().contains(&name.as_str()));
                let help = suggest(name, &known, "its attributes are", &none);
                if said && !help.starts_with("did you mean") {
                    (message, format!("it is what the blueprint says of it: use a variable for both; {help}"))
                } else {
                    (message, help)
                }
            }
            Some(Seen::Absent) => (
                format!("`{name}` is read from what is not there"),
                "its `when` is false: ask for it first, `{{ a.b if a else c }}`".to_owned(),
            ),
            Some(Seen::Held(held)) => no_part(scope, held, name),
            Some(Seen::Written(map)) => {
                let message = format!("there is no `{name}` in `{}`", map.name);
                let known: Vec<&str> = map.node.entries().iter().map(|(name, _)| name.text.as_str()).collect();
                (message, suggest(name, &known, "there are", "check what it holds"))
            }
            Some(_) => (format!("there is no `{name}` here"), "read one of its attributes by name".to_owned()),
        };
        (message, label.to_owned(), help)
    }
}

/// An address as expressions of a module write it: without the module, so that the same is said of each of its instances.
fn seen_from(scope: &Scope, address: &Address) -> Address {
    let around = scope.module.as_ref().filter(|module| address.is_in(module));
    let inner = address.segments().iter().skip(around.map_or(0, |module| module.segments().len()));
    Address::from_segments(inner.cloned().collect()).unwrap_or_else(|| address.clone())
}

fn names(map: Option<&Map>) -> Vec<&str> {
    map.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect()
}

fn nothing_called(scope: &Scope, name: &str) -> (String, String) {
    let message = format!("there is nothing called `{name}`");
    let known = scope.world.frame().names(scope.module.as_ref(), false);
    let help = match name {
        "each" => "`each` is there only in a resource that has `for_each`".to_owned(),
        _ if scope.variable(name).is_some() => format!("a variable is read as `var.{name}`"),
        "env" => "the environment can't be read: declare a variable, and give it by `TRUEUP_VAR_name`".to_owned(),
        _ if scope.world.frame().has_name(scope.module.as_ref(), true, name) => {
            format!("an output of a module is read as `module.{name}.OUTPUT`")
        }
        _ if outside(scope, name) => {
            format!("a module sees its own resources alone: give it as an input, and read `var.{name}`")
        }
        _ if is_kind(name) => "a resource is read by its name alone, without its kind: `weights.uri`".to_owned(),
        _ if foreign::root(name).is_some() && closest(name, known.iter().copied()).is_none() => {
            foreign::root(name).unwrap_or_default()
        }
        _ => suggest(
            name,
            &known,
            "there are `var` and the resources",
            "the only name here is `var`: there are no resources",
        ),
    };
    (message, help)
}

/// Whether something of this name stands around the module.
fn outside(scope: &Scope, name: &str) -> bool {
    let around =
        std::iter::successors(scope.module.as_ref().map(Address::parent), |inner| inner.as_ref().map(Address::parent));
    around
        .into_iter()
        .any(|module| [false, true].iter().any(|modules| scope.world.frame().has_name(module.as_ref(), *modules, name)))
}

fn is_kind(name: &str) -> bool {
    crate::kinds::portable().iter().any(|kind| kind.name == name)
}

fn no_module_instance(scope: &Scope, call: &Address, name: &str) -> (String, String) {
    let known: Vec<String> = scope.world.call_keys(call).iter().take(1000).map(key_text).collect();
    let first = scope.world.call_keys(call).first().map(|key| call.with_key(key.clone()));
    if let Some(first) = first.filter(|first| output_names(scope, first).contains(&name)) {
        let message = format!("`{call}` is there several times, and `{name}` is an output of each");
        return (message, format!("say of which: `module.{}.{name}`", in_expression(&first)));
    }
    let help = suggest(name, &known, "its keys are", "its `for_each` is empty");
    (format!("the module `{call}` has no instance `{name}`"), help)
}

fn no_instance(scope: &Scope, block: &Address, name: &str) -> (String, String) {
    // Of very many keys only the first are told, and searched for what may be meant.
    const MOST: usize = 1000;
    let keys = scope.world.keys(block);
    let texts: Vec<String> = keys.iter().take(MOST).map(key_text).collect();
    let first = keys.first().map(|key| block.with_key(key.clone()));
    let is_attribute = first
        .as_ref()
        .and_then(|first| scope.world.visible(first))
        .is_some_and(|seen| seen.attributes.get(name).is_some());
    let whole = block;
    let (block, first) = (seen_from(scope, block), first.map(|first| seen_from(scope, &first)));
    if let (true, Some(first)) = (is_attribute, &first) {
        let message = format!("`{block}` stands for several resources, and `{name}` is an attribute of each");
        return (message, format!("say of which: `{}.{name}`", in_expression(first)));
    }
    let message = format!("`{block}` has no instance `{name}`");
    let other_type = name.parse().map(Key::Integer).into_iter().chain([Key::String(name.to_owned())]);
    if let Some(key) = other_type.into_iter().find(|key| scope.world.has_key(whole, key)) {
        return (message, format!("its keys are of another type: write `{}`", in_expression(&block.with_key(key))));
    }
    let known: Vec<&str> = texts.iter().map(String::as_str).collect();
    (message, suggest(name, &known, "its keys are", "its `for_each` is empty"))
}

fn no_part(scope: &Scope, held: &Held, name: &str) -> (String, String) {
    let value = held.value(scope).revealed();
    let path = held.name();
    match value {
        Value::Map(map) => {
            let known = if held.secret { Vec::new() } else { names(Some(map)) };
            (format!("there is no `{name}` in `{path}`"), suggest(name, &known, "there are", "check what it holds"))
        }
        Value::List(items) => {
            let message = format!("`{path}` has no item `{name}`");
            (message, format!("it is a list of {}: items are read by position, from `[0]`", items.len()))
        }
        other => (format!("`{path}` is {}, and has no `{name}`", article(other)), "use it as it is".to_owned()),
    }
}

/// An address as expressions write it. Outside of them keys have double quotes, which would end a scalar that has them too.
pub(super) fn in_expression(address: &Address) -> String {
    tokens::single_quotes(&address.to_string())
}

/// A value's type with its article.
pub(super) fn article(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => with_article(other.type_name()),
    }
}

/// `did you mean`, or a list of what there is, or what to say where there is nothing.
pub(super) fn suggest<S: AsRef<str>>(name: &str, known: &[S], listing: &str, none: &str) -> String {
    const MOST: usize = 12;
    if let Some(meant) = closest(name, known.iter().map(AsRef::as_ref)) {
        return format!("did you mean `{meant}`?");
    }
    if known.is_empty() {
        return none.to_owned();
    }
    if let ([only], Some(_)) = (known, listing.strip_suffix("are")) {
        return format!("there is only `{}`", only.as_ref());
    }
    let shown: Vec<String> = known.iter().take(MOST).map(|name| format!("`{}`", name.as_ref())).collect();
    let more = known.len().saturating_sub(MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{listing} {}{rest}", shown.join(", "))
}
