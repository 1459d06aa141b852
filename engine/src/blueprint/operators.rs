//! `<` and `~`. minijinja orders what has no order by its type, and puts text together of how Python would spell a value, which nobody
//! means: here these are errors.
//!
//! minijinja has no hook for an operator, so functions are called: `a < b` is compiled as `__ordered(a, "<", b)`, and `a ~ b` as
//! `__text(a) ~ __text(b)`. What an error says of the compiled text is said of the original's.
//!
//! Nor does it count what a comparison of two large lists costs: where an expression may repeat something, what is compared is weighed
//! first, `__light(a) == __light(b)`.

use std::cmp::Ordering;
use std::ops::Range;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::functions::{light, text_of};
use super::tokens::Token;
use super::tracking::is_unknown;

/// The function that comparisons become. No name of a blueprint begins with `_`.
pub(super) const ORDERED: &str = "__ordered";

/// The function that gives what it is given, unless that is too large to be compared.
pub(super) const LIGHT: &str = "__light";

/// The function that makes text of what `~` puts together.
pub(super) const TEXT: &str = "__text";

/// An expression with operators made calls.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// What is compiled.
    pub(super) text: String,
    edits: Vec<Edit>,
}

/// A stretch of the original that reads otherwise.
#[derive(Debug)]
struct Edit {
    at: Range<usize>,
    text: String,
}

/// What stands between two boundaries in one pair of brackets: a chain of comparisons.
struct Level {
    /// The word that the chain begins with.
    first: usize,
    /// The comparisons in it, as words.
    operators: Vec<Range<usize>>,
    /// What stands between two of them, or between those that add: a chain of `~`.
    text: Joined,
}

/// A chain of `~`.
struct Joined {
    /// The word that it begins with.
    first: usize,
    /// Each `~` in it.
    operators: Vec<usize>,
}

impl Level {
    fn new(first: usize) -> Self {
        Self { first, operators: Vec::new(), text: Joined { first, operators: Vec::new() } }
    }
}

/// Adds what comparisons are compiled to, and the tests that compare.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_function(ORDERED, chain);
    environment.add_function(LIGHT, |value: Value| light(&value).map(|()| value));
    environment.add_function(TEXT, |value: Value| text_of(&value));
    for (name, operator) in
        [("lt", "<"), ("lessthan", "<"), ("le", "<="), ("gt", ">"), ("greaterthan", ">"), ("ge", ">=")]
    {
        environment.add_test(name, move |left: &Value, right: &Value| holds(left, operator, right));
    }
}

/// An expression that minijinja can read, with operators made calls; none where it has none of these.
pub(super) fn rewritten(text: &str, words: &[(Token<'_>, Range<usize>)]) -> Option<Rewritten> {
    let mut edits = edits(text, words);
    if edits.is_empty() {
        return None;
    }
    // `~` binds tighter than a comparison.
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end, edit.text.starts_with(TEXT)));
    let (mut compiled, mut copied) = (String::with_capacity(text.len() * 2), 0);
    for edit in &edits {
        compiled.push_str(&text[copied..edit.at.start]);
        compiled.push_str(&edit.text);
        copied = edit.at.end;
    }
    compiled.push_str(&text[copied..]);
    Some(Rewritten { text: compiled, edits })
}

impl Rewritten {
    /// The stretch of the original that a stretch of the compiled text stands for.
    pub(super) fn original(&self, at: &Range<usize>) -> Range<usize> {
        let (start, end) = (self.place(at.start), self.place(at.end));
        start..end.max(start)
    }

    fn place(&self, at: usize) -> usize {
        // Where the next edit begins, in the compiled text and in the original.
        let (mut compiled, mut original) = (0, 0);
        for edit in &self.edits {
            let begins = compiled + (edit.at.start - original);
            if at < begins {
                break;
            }
            let ends = begins + edit.text.len();
            if at < ends {
                return edit.at.start;
            }
            (compiled, original) = (ends, edit.at.end);
        }
        original + (at - compiled)
    }
}

fn edits(text: &str, words: &[(Token<'_>, Range<usize>)]) -> Vec<Edit> {
    let repeats = words.iter().any(|(word, _)| *word == Token::Sign('*'));
    let mut writer = Writer { text, words, repeats, edits: Vec::new() };
    let mut levels = vec![Level::new(0)];
    let mut position = 0;
    while position < words.len() {
        let mut width = 1;
        match words[position].0 {
            // What follows is the name of an attribute, of a filter or of a test.
            Token::Sign('.' | '|') => width = 2,
            Token::Name("is") => width = if is_name(words, position + 1, "not") { 3 } else { 2 },
            Token::Name("not") if is_name(words, position + 1, "in") => {
                width = 2;
                writer.compare(levels.last_mut(), position..position + 2);
            }
            Token::Name("in") => writer.compare(levels.last_mut(), position..position + 1),
            Token::Name("and" | "or" | "not" | "if" | "else") | Token::Sign(',' | ':') => {
                writer.finish(levels.last_mut(), position);
            }
            Token::Sign('(' | '[' | '{') => levels.push(Level::new(position + 1)),
            Token::Sign(')' | ']' | '}') => {
                writer.finish(levels.last_mut(), position);
                if levels.len() > 1 {
                    levels.pop();
                }
            }
            Token::Sign('<' | '>' | '=' | '!') => {
                width = operator(text, words, position);
                if text[words[position].1.start..].starts_with('=') && width == 1 {
                    // The name of an argument ends here.
                    writer.finish(levels.last_mut(), position);
                } else {
                    writer.compare(levels.last_mut(), position..position + width);
                }
            }
            Token::Sign('~') => {
                levels.last_mut().into_iter().for_each(|level| level.text.operators.push(position));
            }
            Token::Sign('+' | '-') if position > 0 && ends_value(&words[position - 1].0) => {
                writer.join(levels.last_mut(), position, position + 1);
            }
            _ => {}
        }
        position += width;
    }
    writer.finish(levels.last_mut(), words.len());
    writer.edits
}

fn is_name(words: &[(Token<'_>, Range<usize>)], position: usize, name: &str) -> bool {
    matches!(words.get(position), Some((Token::Name(found), _)) if *found == name)
}

/// Whether a word ends a value, so that a sign after it is no sign of a number.
fn ends_value(word: &Token<'_>) -> bool {
    match word {
        Token::Name(name) => !["and", "or", "not", "in", "is", "if", "else"].contains(name),
        Token::Text(_) | Token::Number(_) => true,
        Token::Sign(sign) => ")]}".contains(*sign),
    }
}

/// How many words an operator of comparison has: `<=` are two signs without a gap.
fn operator(text: &str, words: &[(Token<'_>, Range<usize>)], position: usize) -> usize {
    let signs = &text[words[position].1.start..];
    if ["<=", ">=", "==", "!="].iter().any(|two| signs.starts_with(two)) { 2 } else { 1 }
}

/// Writes chains of comparisons as calls.
struct Writer<'a> {
    text: &'a str,
    words: &'a [(Token<'a>, Range<usize>)],
    /// Whether something in the expression may be repeated, and so be large.
    repeats: bool,
    edits: Vec<Edit>,
}

impl Writer<'_> {
    /// Notes a comparison.
    fn compare(&mut self, level: Option<&mut Level>, at: Range<usize>) {
        let Some(level) = level else { return };
        self.join(Some(level), at.start, at.end);
        level.operators.push(at);
    }

    /// Ends a chain of `~` before a word, and begins the next at another.
    fn join(&mut self, level: Option<&mut Level>, end: usize, next: usize) {
        let Some(level) = level else { return };
        let begun = Joined { first: next, operators: Vec::new() };
        let Joined { first, operators } = std::mem::replace(&mut level.text, begun);
        if operators.is_empty() {
            return;
        }
        let starts = std::iter::once(first).chain(operators.iter().map(|at| at + 1));
        let ends = operators.iter().copied().chain([end]);
        starts.zip(ends).for_each(|(start, end)| self.call(TEXT, start..end));
    }

    /// Ends a chain before a word, and begins the next after it.
    fn finish(&mut self, level: Option<&mut Level>, end: usize) {
        let Some(level) = level else { return };
        self.join(Some(level), end, end + 1);
        let Level { first, operators, .. } = std::mem::replace(level, Level::new(end + 1));
        let is = |at: &Range<usize>, marks: &[&str]| marks.iter().any(|mark| self.written(at).starts_with(mark));
        let orders = operators.iter().any(|at| is(at, &["<", ">"]));
        let looks_in = operators.iter().any(|at| is(at, &["in", "not"]));
        if orders && !looks_in {
            self.call(ORDERED, first..end);
            for at in &operators {
                let text = format!(",\"{}\",", self.written(at));
                self.edits.push(Edit { at: self.place(at), text });
            }
        } else if self.repeats && !operators.is_empty() {
            let starts = std::iter::once(first).chain(operators.iter().map(|at| at.end));
            let ends = operators.iter().map(|at| at.start).chain([end]);
            starts.zip(ends).for_each(|(start, end)| self.call(LIGHT, start..end));
        }
    }

    /// Makes a stretch of words the argument of a function.
    fn call(&mut self, function: &str, at: Range<usize>) {
        if at.is_empty() || at.end > self.words.len() {
            return;
        }
        let Range { start, end } = self.place(&at);
        self.edits.push(Edit { at: start..start, text: format!("{function}(") });
        self.edits.push(Edit { at: end..end, text: ")".to_owned() });
    }

    fn place(&self, at: &Range<usize>) -> Range<usize> {
        self.words[at.start].1.start..self.words[at.end - 1].1.end
    }

    fn written(&self, at: &Range<usize>) -> &str {
        &self.text[self.place(at)]
    }
}

/// Whether a chain of comparisons holds: values with operators between them.
#[allow(clippy::needless_pass_by_value, reason = "minijinja's functions own the rest of their arguments")]
fn chain(parts: Rest<Value>) -> Result<Value, Error> {
    parts.iter().try_for_each(light)?;
    if let Some(unknown) = parts.iter().find(|part| is_unknown(part)) {
        return Ok(unknown.clone());
    }
    let mut all = true;
    for link in parts.windows(3).step_by(2) {
        all &= holds(&link[0], link[1].as_str().unwrap_or_default(), &link[2])?;
    }
    Ok(all.into())
}

fn holds(left: &Value, operator: &str, right: &Value) -> Result<bool, Error> {
    if left.is_undefined() || right.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    if is_unknown(left) || is_unknown(right) {
        return Ok(false);
    }
    let ordering = match operator {
        "==" => return Ok(left == right),
        "!=" => return Ok(left != right),
        _ => order(left, right)?,
    };
    Ok(match operator {
        "<" => ordering == Ordering::Less,
        "<=" => ordering != Ordering::Greater,
        ">" => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    })
}

/// The order of two numbers or of two texts; nothing else has one.
fn order(left: &Value, right: &Value) -> Result<Ordering, Error> {
    match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) | (ValueKind::String, ValueKind::String) => Ok(left.cmp(right)),
        (one, other) => {
            let detail = format!("there is no order between {} and {}", article(one), article(other));
            Err(Error::new(ErrorKind::InvalidOperation, detail))
        }
    }
}

/// What a value is, with an article.
pub(super) fn article(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::None => "nothing (null)",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn comparisons_become_calls() {
        for (text, expected) in [
            ("a == b", None),
            ("a in b", None),
            ("a | default(1)", None),
            ("a < b", Some(r#"__ordered(a ,"<", b)"#)),
            ("a.x[0] <= b ~ 'c'", Some(r#"__ordered(a.x[0] ,"<=", __text(b) ~ __text('c'))"#)),
            ("a ~ b < c ~ d", Some(r#"__ordered(__text(a) ~ __text(b) ,"<", __text(c) ~ __text(d))"#)),
            ("a + b ~ -c ~ d - 1", Some("a + __text(b) ~ __text(-c) ~ __text(d) - 1")),
            ("a ~ (b ~ c) | upper", Some("__text(a) ~ __text((__text(b) ~ __text(c)) | upper)")),
            ("1 if a ~ b == c else [d ~ e]", Some("1 if __text(a) ~ __text(b) == c else [__text(d) ~ __text(e)]")),
            ("f(k=a ~ b, x['a' ~ b])", Some("f(k=__text(a) ~ __text(b), x[__text('a') ~ __text(b)])")),
            ("not a < b and c > -d", Some(r#"not __ordered(a ,"<", b) and __ordered(c ,">", -d)"#)),
            ("a < b == c", Some(r#"__ordered(a ,"<", b ,"==", c)"#)),
            ("x if a>=1 else y", Some(r#"x if __ordered(a,">=",1) else y"#)),
            ("[a < 1, f(k=b > 2)]", Some(r#"[__ordered(a ,"<", 1), f(k=__ordered(b ,">", 2))]"#)),
            ("((a < b) | int) < 3", Some(r#"__ordered(((__ordered(a ,"<", b)) | int) ,"<", 3)"#)),
            ("{'k': a < 1}", Some(r#"{'k': __ordered(a ,"<", 1)}"#)),
            ("a is not none and a < 1", Some(r#"a is not none and __ordered(a ,"<", 1)"#)),
            ("a not in b and c < 1", Some(r#"a not in b and __ordered(c ,"<", 1)"#)),
            ("a | select('odd') | length > 2", Some(r#"__ordered(a | select('odd') | length ,">", 2)"#)),
            ("'<~' | upper", None),
            ("a * 2 == b", Some("__light(a * 2) == __light(b)")),
            ("1 not in ([a] * 9)", Some("__light(1) not in __light(([a] * 9))")),
            ("a * 2 < b", Some(r#"__ordered(a * 2 ,"<", b)"#)),
        ] {
            let rewritten = rewritten(text, &tokens(text));
            assert_eq!(rewritten.as_ref().map(|rewritten| rewritten.text.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn a_place_in_a_call_is_one_in_the_comparison() {
        let text = "not alpha < beta and c";
        let rewritten = rewritten(text, &tokens(text)).unwrap();
        let compiled = &rewritten.text;
        for (part, stands_for) in
            [("__ordered(alpha ,\"<\", beta)", "alpha < beta"), ("alpha", "alpha"), ("beta", "beta")]
        {
            let at = compiled.find(part).unwrap();
            assert_eq!(&text[rewritten.original(&(at..at + part.len()))], stands_for);
        }
    }
}
