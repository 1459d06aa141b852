//! Functions as other languages have them, loops among them, and what is written here instead: `join(',', l)` is `l | join(',')`. What
//! is said is made from what was written, so that it can be put in its place.

use std::ops::Range;

use super::functions::{FILTERS, FUNCTIONS};
use super::tokens::{self, KEYWORDS, Token};
use crate::diagnostic::closest;

type Words<'a> = [(Token<'a>, Range<usize>)];

/// What stands for a call: in a text, `$0` and `$1` are its arguments, `$1…` all from one on.
enum Form {
    /// A text for each number of arguments, the largest first.
    Each(&'static [&'static str]),
    /// All arguments, with a sign between them.
    Between(&'static str),
    /// What stands for it as words: nothing can be put in its place.
    Words(&'static str),
}

use Form::{Between, Each};

const CALLS: &[(&[&str], Form)] = &[
    (&["lookup", "get"], Each(&["$0[$1] | default($2)", "$0[$1]"])),
    (&["element"], Each(&["$0[$1]"])),
    (&["join"], Each(&["$1 | join($0)", "$0 | join(',')"])),
    (&["split"], Each(&["$1 | split($0)", "$0 | split(',')"])),
    (&["contains"], Each(&["$1 in $0"])),
    (&["flatten"], Each(&["$0 | sum(start=[])"])),
    (&["concat"], Between(" + ")),
    (&["coalesce"], Between(" or ")),
    (&["merge"], Each(&["$0 | chain($1…)"])),
    (&["try"], Each(&["$0 | default($1)"])),
    (&["can"], Each(&["$0 is defined"])),
    (&["sprintf"], Each(&["$0 | format($1…)"])),
    (&["len", "size"], Each(&["$0 | length"])),
    (&["jsonencode", "json", "toJson", "yamlencode", "toYaml"], Each(&["$0 | tojson"])),
    (&["toset", "set", "distinct"], Each(&["$0 | unique"])),
    (&["tolist"], Each(&["$0 | list"])),
    (&["tostring", "str"], Each(&["$0 | string"])),
    (&["tonumber"], Each(&["$0 | float"])),
    (&["parseint"], Each(&["$0 | int"])),
    (&["tobool"], Each(&["$0 | bool"])),
    (&["trimspace", "strip"], Each(&["$0 | trim"])),
    (&["min"], Each(&["[$0, $1…] | min", "$0 | min"])),
    (&["max"], Each(&["[$0, $1…] | max", "$0 | max"])),
    (&["ceil"], Each(&["$0 | round(0, 'ceil') | int"])),
    (&["floor"], Each(&["$0 | round(0, 'floor') | int"])),
    (&["slice"], Each(&["$0[$1:$2]"])),
    (&["substr"], Each(&["$0[$1:$1 + $2]"])),
    (&["startswith", "hasPrefix"], Each(&["$0 is startingwith($1)"])),
    (&["endswith", "hasSuffix"], Each(&["$0 is endingwith($1)"])),
    (&["compact"], Each(&["$0 | select | list"])),
    (&["one"], Each(&["$0 | first"])),
    (&["sorted"], Each(&["$0 | sort"])),
    (&["reversed"], Each(&["$0 | reverse"])),
    (
        &["env", "getenv"],
        Form::Words("the environment can't be read: declare a variable, and give it by `TRUEUP_VAR_name`"),
    ),
    (
        &["file", "templatefile"],
        Form::Words("nothing is read from outside: give it by a variable, or name a path where one belongs"),
    ),
];

/// What to do about the call of a function that there is not; none where a word calls none.
pub(super) fn unknown(text: &str, words: &Words<'_>, position: usize) -> Option<String> {
    let Token::Name(name) = words.get(position)?.0 else { return None };
    let is_call = sign(words, position + 1) == Some('(');
    if !is_call || KEYWORDS.contains(&name) || FUNCTIONS.contains(&name) {
        return None;
    }
    let before = |back: usize| position.checked_sub(back).map(|position| words[position].0);
    if matches!(before(1), Some(Token::Sign('.' | '|') | Token::Name("is"))) {
        return None;
    }
    let is_test = before(1) == Some(Token::Name("not")) && before(2) == Some(Token::Name("is"));
    let arguments = arguments(text, words, position + 1);
    let help = || match instead(name, &arguments) {
        Some(instead) => instead.help(name),
        None => callable(name),
    };
    (!is_test).then(help)
}

/// What to write instead of a function's name that stands alone.
pub(super) fn named(name: &str) -> Option<String> {
    instead(name, &[]).map(|instead| instead.help(name))
}

/// The expression that stands for a text that is the call of a function that there is not.
pub(super) fn expression(text: &str) -> Option<String> {
    let words = tokens::tokens(text);
    unknown(text, &words, 0)?;
    let (Token::Name(name), _) = words.first()? else { return None };
    match instead(name, &arguments(text, &words, 1))? {
        Instead::Expression(expression) => Some(expression),
        Instead::Words(_) => None,
    }
}

/// What stands for a call.
enum Instead {
    /// An expression.
    Expression(String),
    /// Nothing that could be put in its place.
    Words(&'static str),
}

impl Instead {
    fn help(self, name: &str) -> String {
        match self {
            Self::Words(words) => words.to_owned(),
            Self::Expression(text) if FILTERS.contains(&name) => format!("`{name}` is a filter: write `{text}`"),
            Self::Expression(text) => format!("write `{text}`"),
        }
    }
}

/// The functions and the filters that there are, for who calls another.
pub(super) fn callable(name: &str) -> String {
    match closest(name, FILTERS.iter().chain(&FUNCTIONS).copied()) {
        Some(meant) if FUNCTIONS.contains(&meant.as_str()) => format!("did you mean `{meant}`?"),
        Some(meant) => format!("is the filter meant? Write `a | {meant}`"),
        None => format!("there are the functions `{}`; the rest are filters: `a | upper`", FUNCTIONS.join("`, `")),
    }
}

/// What stands for a call here.
fn instead(name: &str, arguments: &[String]) -> Option<Instead> {
    let count = arguments.len();
    // Python and Jinja name the list or the text first, Terraform what stands between.
    let is_text = |at: usize| arguments.get(at).is_some_and(|argument| argument.starts_with(['"', '\'']));
    let jinja = ["join", "split"].contains(&name) && is_text(1) && !is_text(0);
    let found = CALLS.iter().find(|(names, _)| names.contains(&name) && !jinja).map(|(_, form)| form);
    let expression = match found {
        Some(Form::Words(words)) => return Some(Instead::Words(words)),
        Some(Between(between)) if count > 1 => arguments.join(between),
        Some(Between(between)) => format!("a{between}b"),
        Some(Each(forms)) => {
            let fits = |form: &&&str| asks(form) <= count;
            fill(forms.iter().find(fits).or(forms.first())?, arguments)
        }
        None if !FILTERS.contains(&name) => return None,
        None if count > 1 => fill(&format!("$0 | {name}($1…)"), arguments),
        None => fill(&format!("$0 | {name}"), arguments),
    };
    Some(Instead::Expression(expression))
}

/// How many arguments a form asks for.
fn asks(form: &str) -> usize {
    ["$0", "$1", "$2"].iter().filter(|mark| form.contains(*mark)).count()
}

/// A form with arguments in it, letters for those that are missing.
fn fill(form: &str, arguments: &[String]) -> String {
    let argument = |at: usize| arguments.get(at).map_or(["a", "b", "c"][at.min(2)], String::as_str);
    let rest = if arguments.len() > 1 { arguments[1..].join(", ") } else { "b".to_owned() };
    let filled = form.replace("$1…", &rest);
    (0..3).fold(filled, |filled, at| filled.replace(&format!("${at}"), argument(at)))
}

/// The arguments of a call, from its bracket on; each can stand before a `|`.
fn arguments(text: &str, words: &Words<'_>, open: usize) -> Vec<String> {
    let close = closing(words, open).unwrap_or(words.len());
    let mut arguments = Vec::new();
    let mut begin = open + 1;
    for end in commas(words, open + 1..close).chain([close]) {
        if begin < end {
            arguments.push(operand(text, words, begin..end));
        }
        begin = end + 1;
    }
    arguments
}

/// A stretch of words as it can stand beside an operator, with the quotes that a scalar in `"…"` leaves room for.
fn operand(text: &str, words: &Words<'_>, at: Range<usize>) -> String {
    let mut depth = 0_usize;
    let mut compound = false;
    for (word, _) in &words[at.clone()] {
        match word {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Token::Sign('+' | '-' | '*' | '/' | '%' | '~' | '<' | '>' | '=' | '!')
            | Token::Name("and" | "or" | "not" | "in" | "is" | "if") => compound |= depth == 0,
            _ => {}
        }
    }
    let place = match &words[at] {
        [first, .., last] => first.1.start..last.1.end,
        [only] => only.1.clone(),
        [] => return String::new(),
    };
    let single = tokens::single_quotes(&text[place]);
    if compound { format!("({single})") } else { single }
}

/// The commas of a stretch of words that stand in no bracket of it.
fn commas<'a>(words: &'a Words<'_>, at: Range<usize>) -> impl Iterator<Item = usize> + 'a {
    let mut depth = 0_usize;
    at.filter(move |position| {
        match sign(words, *position) {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Some(',') => return depth == 0,
            _ => {}
        }
        false
    })
}

/// The bracket that closes one.
fn closing(words: &Words<'_>, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    (open..words.len()).find(|position| {
        match sign(words, *position) {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

fn is_name(words: &Words<'_>, position: usize, name: &str) -> bool {
    matches!(words.get(position), Some((Token::Name(found), _)) if *found == name)
}

fn sign(words: &Words<'_>, position: usize) -> Option<char> {
    match words.get(position) {
        Some((Token::Sign(sign), _)) => Some(*sign),
        _ => None,
    }
}

/// What to write instead of Terraform's `a[*].uri` or `[for x in a : x.uri]`.
pub(super) fn of_each(text: &str, words: &Words<'_>) -> Option<String> {
    (0..words.len()).find_map(|position| splat(text, words, position).or_else(|| loop_over(text, words, position)))
}

/// `a[*].uri`, or `a.*.uri` as it once was.
fn splat(text: &str, words: &Words<'_>, position: usize) -> Option<String> {
    let after = match (sign(words, position)?, sign(words, position + 1)) {
        ('[', Some('*')) if sign(words, position + 2) == Some(']') => position + 3,
        ('.', Some('*')) => position + 2,
        _ => return None,
    };
    let start = words[position].1.start;
    let chain = tokens::chains(&words[..position]).into_iter().next_back()?;
    let whole = operand_of(text, words, chain.at.start, start);
    let (path, _) = names_from(words, after);
    let of_each = if path.is_empty() { String::new() } else { format!(" | map(attribute='{path}')") };
    if !["var", "each"].contains(&chain.root.as_str()) {
        return Some(format!("write `{whole} | values{of_each} | list`"));
    }
    Some(format!("write `{whole}{of_each} | list`; of a map: `{whole} | values{of_each} | list`"))
}

/// A stretch of the text that begins and ends with a word.
fn operand_of(text: &str, words: &Words<'_>, start: usize, end: usize) -> String {
    let inside = |at: &Range<usize>| at.start >= start && at.end <= end;
    let first = words.iter().position(|(_, at)| inside(at)).unwrap_or_default();
    let count = words.iter().filter(|(_, at)| inside(at)).count();
    if count == 0 { text[start..end].trim().to_owned() } else { operand(text, words, first..first + count) }
}

/// The names with points before them from a word on, and the word after them.
fn names_from(words: &Words<'_>, mut position: usize) -> (String, usize) {
    let mut names = Vec::new();
    while let (Some('.'), Some((Token::Name(name), _))) = (sign(words, position), words.get(position + 1)) {
        names.push(*name);
        position += 2;
    }
    (names.join("."), position)
}

/// `[for x in a : x.uri]`, and its like with keys and values.
fn loop_over(text: &str, words: &Words<'_>, position: usize) -> Option<String> {
    const GENERAL: &str = "an expression has no loops: `a | map(attribute='uri') | list` reads the same of each, \
                           `a | map('upper') | list` does the same to each, and `selectattr` keeps some";
    let is_list = sign(words, position).filter(|open| matches!(open, '[' | '{'))? == '[';
    if !is_name(words, position + 1, "for") {
        return None;
    }
    let parts = Loop::read(words, position).filter(|_| is_list);
    let exact = parts.and_then(|parts| parts.instead(text, words));
    Some(exact.map_or_else(|| GENERAL.to_owned(), |exact| format!("write `{exact}`")))
}

/// The parts of a loop, as words.
struct Loop<'a> {
    /// What an item is called, perhaps after what its key is.
    names: Vec<&'a str>,
    /// What is gone through.
    over: Range<usize>,
    /// What each item becomes.
    body: Range<usize>,
}

impl<'a> Loop<'a> {
    fn read(words: &Words<'a>, open: usize) -> Option<Self> {
        let close = closing(words, open)?;
        let over = (open..close).find(|at| is_name(words, *at, "in"))?;
        let colon = (over..close).find(|at| sign(words, *at) == Some(':'))?;
        let name = |(word, _): &(Token<'a>, Range<usize>)| match word {
            Token::Name(name) => Some(*name),
            _ => None,
        };
        let names = words[open + 2..over].iter().filter_map(name).collect();
        (over + 1 < colon).then_some(Self { names, over: over + 1..colon, body: colon + 1..close })
    }

    /// What stands for it, where there is a filter that does the same.
    fn instead(&self, text: &str, words: &Words<'_>) -> Option<String> {
        let over = operand(text, words, self.over.clone());
        let body = &words[self.body.clone()];
        let (over, value) = match (&self.names[..], body) {
            ([key, _], [(Token::Name(found), _)]) if found == key => return Some(format!("{over} | keys")),
            ([value], _) => (over, *value),
            ([_, value], _) => (format!("{over} | values"), *value),
            _ => return None,
        };
        let becomes = match body {
            [(Token::Name(found), _), rest @ ..] if *found == value => match names_from(words, self.body.start + 1) {
                (_, end) if end != self.body.end => return None,
                _ if rest.is_empty() => String::new(),
                (path, _) => format!(" | map(attribute='{path}')"),
            },
            [(Token::Name(filter), _), (Token::Sign('('), _), (Token::Name(found), _), _]
                if *found == value && FILTERS.contains(filter) =>
            {
                format!(" | map('{filter}')")
            }
            _ => return None,
        };
        Some(format!("{over}{becomes} | list"))
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::super::functions::environment;
    use super::*;

    fn said(text: &str) -> Option<String> {
        let words = tokens::tokens(text);
        let call = || (0..words.len()).find_map(|position| unknown(text, &words, position));
        of_each(text, &words).or_else(call)
    }

    /// The expression that is said to stand for one, and what it comes to.
    fn instead_of(text: &str) -> (String, serde_json::Value) {
        let help = said(text).unwrap_or_else(|| panic!("{text}"));
        let expression = help.split('`').rev().nth(1).unwrap().to_owned();
        let names = context! {
            l => vec!["x", "y"], n => vec![1, 2], m => context! { k => "v" }, s => "a,b", z => " q ", f => 1.5,
            nested => vec![vec!["x"], vec!["y"]],
            things => vec![context! { uri => "u", b => context! { c => 1 } }],
            by_key => context! { k => context! { uri => "u" } },
        };
        let value = environment().compile_expression(&format!("({expression}) | tojson")).unwrap().eval(names);
        let value = value.unwrap_or_else(|error| panic!("{expression}: {error}"));
        (expression, serde_json::from_str(value.as_str().unwrap()).unwrap())
    }

    #[test]
    fn what_stands_for_a_call_comes_to_what_it_would() {
        use serde_json::json;
        for (text, expression, value) in [
            ("join(',', l)", "l | join(',')", json!("x,y")),
            ("join(\",\", l)", "l | join(',')", json!("x,y")),
            ("join(l, ',')", "l | join(',')", json!("x,y")),
            ("split(',', s)", "s | split(',')", json!(["a", "b"])),
            ("element(l, 0)", "l[0]", json!("x")),
            ("lookup(m, 'k', 'd')", "m['k'] | default('d')", json!("v")),
            ("lookup(m, 'k')", "m['k']", json!("v")),
            ("format('%s-%s', s, f)", "'%s-%s' | format(s, f)", json!("a,b-1.5")),
            ("contains(l, 'x')", "'x' in l", json!(true)),
            ("flatten(nested)", "nested | sum(start=[])", json!(["x", "y"])),
            ("concat(l, n)", "l + n", json!(["x", "y", 1, 2])),
            ("merge(m, {'b': 2})", "m | chain({'b': 2})", json!({ "k": "v", "b": 2 })),
            ("coalesce(none, s)", "none or s", json!("a,b")),
            ("try(m.q, 1)", "m.q | default(1)", json!(1)),
            ("can(m.k)", "m.k is defined", json!(true)),
            ("length(l)", "l | length", json!(2)),
            ("len(l + n)", "(l + n) | length", json!(4)),
            ("toset(l)", "l | unique", json!(["x", "y"])),
            ("tostring(1)", "1 | string", json!("1")),
            ("tonumber('1.5')", "'1.5' | float", json!(1.5)),
            ("parseint('7', 10)", "'7' | int", json!(7)),
            ("tobool('true')", "'true' | bool", json!(true)),
            ("jsonencode(l)", "l | tojson", json!("[\"x\",\"y\"]")),
            ("trimspace(z)", "z | trim", json!("q")),
            ("max(1, 2, 3)", "[1, 2, 3] | max", json!(3)),
            ("min(n)", "n | min", json!(1)),
            ("ceil(f)", "f | round(0, 'ceil') | int", json!(2)),
            ("floor(f)", "f | round(0, 'floor') | int", json!(1)),
            ("slice(l, 0, 1)", "l[0:1]", json!(["x"])),
            ("substr(s, 0, 2)", "s[0:0 + 2]", json!("a,")),
            ("startswith(s, 'a')", "s is startingwith('a')", json!(true)),
            ("compact(['', 'a'])", "['', 'a'] | select | list", json!(["a"])),
            ("one(l)", "l | first", json!("x")),
            ("sorted(n)", "n | sort", json!([1, 2])),
            ("reversed(n)", "n | reverse", json!([2, 1])),
            ("upper('a')", "'a' | upper", json!("A")),
            ("replace(s, ',', '-')", "s | replace(',', '-')", json!("a-b")),
            ("by_key[*].uri", "by_key | values | map(attribute='uri') | list", json!(["u"])),
            ("[for x in things : x.uri]", "things | map(attribute='uri') | list", json!(["u"])),
            ("[for x in things : x.b.c]", "things | map(attribute='b.c') | list", json!([1])),
            ("[for k, v in by_key : v.uri]", "by_key | values | map(attribute='uri') | list", json!(["u"])),
            ("[for k, v in by_key : k]", "by_key | keys", json!(["k"])),
            ("[for x in l : upper(x)]", "l | map('upper') | list", json!(["X", "Y"])),
        ] {
            assert_eq!(instead_of(text), (expression.to_owned(), value), "{text}");
        }
        let list = said("var.l[*].uri").unwrap();
        assert!(list.starts_with("write `var.l | map(attribute='uri') | list`;"), "{list}");
    }

    #[test]
    fn what_is_no_such_call_is_let_be() {
        for text in ["a | join(',')", "x is divisibleby(3)", "x is not divisibleby(3)", "not (a)", "range(3)", "a.b(c)"]
        {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
