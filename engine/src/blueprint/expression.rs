//! What stands in `{{ }}`, evaluated against what is visible.
//!
//! One sound rule for marks: a path that is the whole expression keeps what it leads to, with every mark inside; anything computed
//! is unknown if an unknown was read on the way, and secret if a secret was.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::ErrorKind;
use trueup_state::{Address, Value};

use super::failure;
use super::parse::MAX_DEPTH;
use super::sight::{self, Hop, Miss, Seen};
use super::template::{Compiled, Piece};
use super::tokens::{self, Chain};
use super::tracking::{self, Astray, Context, Origin, Tracker};
use super::world::Scope;
use super::{Content, Node};
use crate::diagnostic::{Diagnostic, Span};

pub use super::template::Template;

/// What a node came to.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Its value; unknown where there are problems, so that nothing more is said of them.
    pub value: Value,
    /// The resources it read, or the blocks it read whole.
    pub reads: BTreeSet<Address>,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
}

/// Evaluates a node and everything in it.
pub fn evaluate(node: &Node, scope: &Scope) -> Evaluated {
    let mut session = Session::new(scope, Arc::default());
    let value = session.node(node);
    session.problems.extend(session.tracker.problems());
    Evaluated { value, reads: session.tracker.reads(), problems: session.problems }
}

/// What a node of another scope leads to: the thing itself where it is nothing but a path, else a value. `name`: what the node
/// gives a value to. What is read counts as read by who asks, and so do problems.
pub(super) fn see(node: &Node, scope: &Scope, tracker: &Tracker, name: &str) -> Seen {
    let origin = Origin::of(node, scope);
    if let Some(seen) = tracker.found(&origin) {
        return seen;
    }
    let entered = match tracker.enter(&origin, name) {
        Ok(entered) => entered,
        Err(astray) => {
            tracker.problem(lost(astray, node.span));
            return Seen::Unknown;
        }
    };
    let mut session = Session::new(scope, Arc::new(tracker.nested()));
    let seen = if let Some((chain, compiled)) = node.path() {
        session.follow(chain, compiled).unwrap_or_else(|problem| {
            tracker.problem(problem);
            Seen::Unknown
        })
    } else {
        let value = session.node(node);
        session.problems.drain(..).for_each(|problem| tracker.problem(problem));
        Seen::owned(name.to_owned(), value)
    };
    drop(entered);
    tracker.keep(origin, seen.clone());
    seen
}

/// What to say of a value of another scope that can't be evaluated.
fn lost(astray: Astray, span: Span) -> Diagnostic {
    match astray {
        Astray::Circle(way) => {
            let problem = Diagnostic::error(format!("values read each other in a circle: {}", way.join(" -> ")));
            problem.at(span, "this reads itself").help("take one of these reads out; none could be known first")
        }
        Astray::TooFar => Diagnostic::error("too many values of modules are read through each other")
            .at(span, "here it is too far")
            .help("read what is meant from where it is made, and not through all of these modules"),
    }
}

/// What is wrong with a variable as its module reads it.
pub(super) fn variable_problems(scope: &Scope, name: &str) -> Vec<Diagnostic> {
    let tracker = Tracker::default();
    match Seen::Variables.step(scope, &Hop::Name(name), &tracker) {
        // All of it, whichever of its entries are read.
        Ok(seen @ Seen::Written(_)) => drop(seen.take(scope, &tracker)),
        Ok(_) => {}
        Err(miss) => tracker.problem(lost_at(&miss, Span::default(), scope)),
    }
    tracker.problems()
}

/// The names in a node's expressions that lead nowhere, also where evaluation does not come by.
pub(super) fn unresolved(node: &Node, scope: &Scope) -> Vec<Diagnostic> {
    let tracker = Tracker::default();
    let mut problems = Vec::new();
    node.templates(&mut |template| {
        for compiled in template.expressions() {
            for chain in &compiled.chains {
                if let Err((miss, at)) = first_steps(chain, scope, &tracker) {
                    problems.push(missing(&miss, compiled, at, scope));
                }
            }
        }
    });
    problems
}

/// Follows a path as far as what is declared tells where it leads: a name that is misspelt there is misspelt whatever the values are,
/// and whether or not a `default` stands ready. Instances, and what is inside of a value, may be there or not.
fn first_steps<'a>(chain: &'a Chain, scope: &Scope, tracker: &Tracker) -> Result<(), (Miss, &'a Range<usize>)> {
    let mut seen = Seen::root(scope, &chain.root, tracker).map_err(|miss| (miss, &chain.at))?;
    for (hop, at) in &chain.hops {
        let declared = matches!(seen, Seen::Variables | Seen::Modules | Seen::Call(_) | Seen::Resource(_, Some(_)));
        if !declared && !matches!(seen, Seen::Group(_) | Seen::Calls(_)) {
            return Ok(());
        }
        seen = match seen.step(scope, &hop.borrowed(), tracker) {
            Ok(next) => next,
            Err(miss) if declared => return Err((miss, at)),
            Err(_) => return Ok(()),
        };
    }
    Ok(())
}

/// What to say of a path of an expression that leads nowhere from one of its steps.
fn missing(miss: &Miss, compiled: &Compiled, at: &Range<usize>, scope: &Scope) -> Diagnostic {
    let meant = miss.from.is_none().then(|| hyphenated(&compiled.text, at, scope)).flatten();
    let problem = lost_at(miss, compiled.within(at), scope);
    match meant {
        Some(meant) => problem.help(format!("a hyphen is a minus here: is `{meant}` meant?")),
        None => problem,
    }
}

fn lost_at(miss: &Miss, span: Span, scope: &Scope) -> Diagnostic {
    let (message, label, help) = miss.describe(scope);
    Diagnostic::error(message).at(span, label).help(help)
}

/// The name that is meant by one with hyphens, of which a stretch of an expression is a part.
fn hyphenated(text: &str, at: &Range<usize>, scope: &Scope) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let before = text[..at.start].char_indices().rev().find(|(_, c)| !is_part(*c));
    let start = before.map_or(0, |(before, c)| before + c.len_utf8());
    let end = text[at.end..].find(|c| !is_part(c)).map_or(text.len(), |after| at.end + after);
    let whole = &text[start..end];
    let name = whole.replace('-', "_");
    let known = scope.world.frame().has_name(scope.module.as_ref(), false, &name);
    (whole.contains('-') && known).then_some(name)
}

impl Node {
    /// The path that it is, if it is nothing but one.
    pub(super) fn path(&self) -> Option<(&Chain, &Compiled)> {
        let Content::Template(template) = &self.content else { return None };
        template.path()
    }
}

impl Template {
    /// The path that it is, if it is nothing but one.
    pub(super) fn path(&self) -> Option<(&Chain, &Compiled)> {
        let [Piece::Expression(compiled)] = &self.pieces[..] else { return None };
        compiled.chains.first().filter(|_| compiled.is_path).map(|chain| (chain, &**compiled))
    }

    /// The resource that this is an attribute of, if it is nothing but the path of one.
    pub(super) fn attribute_of(&self, scope: &Scope) -> Option<Address> {
        let (chain, _) = self.path()?;
        let tracker = Tracker::default();
        let mut seen = Seen::root(scope, &chain.root, &tracker).ok()?;
        for (hop, _) in &chain.hops {
            if let Seen::Resource(address, Some(_)) = &seen {
                return Some(address.clone());
            }
            seen = seen.step(scope, &hop.borrowed(), &tracker).ok()?;
        }
        None
    }
}

impl tokens::Hop {
    pub(super) fn borrowed(&self) -> Hop<'_> {
        match self {
            Self::Name(name) => Hop::Name(name),
            Self::Index(index) => Hop::Index(*index),
        }
    }
}

/// One evaluation of a node: what its expressions share.
struct Session<'a> {
    from: &'a Scope,
    /// The scope as minijinja's objects hold it, made when first needed, and the names it shows.
    shared: OnceCell<(Arc<Scope>, minijinja::Value)>,
    tracker: Arc<Tracker>,
    problems: Vec<Diagnostic>,
    /// How many lists and maps stand around what is evaluated.
    depth: usize,
}

impl<'a> Session<'a> {
    fn new(from: &'a Scope, tracker: Arc<Tracker>) -> Self {
        Self { from, shared: OnceCell::new(), tracker, problems: Vec::new(), depth: 0 }
    }

    fn node(&mut self, node: &Node) -> Value {
        self.depth += 1;
        let value = self.content(node);
        self.depth -= 1;
        value
    }

    fn content(&mut self, node: &Node) -> Value {
        match &node.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::Template(template) => self.template(template),
            Content::List(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            Content::Map(entries) => {
                Value::Map(entries.iter().map(|(name, node)| (name.text.clone(), self.node(node))).collect())
            }
        }
    }

    fn template(&mut self, template: &Template) -> Value {
        if template.is_broken() {
            return Value::Unknown;
        }
        if let [Piece::Expression(compiled)] = &template.pieces[..] {
            let value = self.expression(compiled).and_then(|value| {
                if self.depth + depth(&value) > MAX_DEPTH { Err(too_deep(compiled)) } else { Ok(value) }
            });
            return value.unwrap_or_else(|problem| {
                self.problems.push(problem);
                Value::Unknown
            });
        }
        self.text(template)
    }

    /// A template that has text beside its expressions is text.
    fn text(&mut self, template: &Template) -> Value {
        let (mut text, mut unknown, mut secret) = (String::new(), false, false);
        for piece in &template.pieces {
            let compiled = match piece {
                Piece::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Expression(compiled) => compiled,
            };
            let value = match self.expression(compiled) {
                Ok(value) => value,
                Err(problem) => {
                    self.problems.push(problem);
                    unknown = true;
                    continue;
                }
            };
            secret |= value.has_secret();
            match value.revealed() {
                Value::String(piece) => text.push_str(piece),
                Value::Bool(piece) => text.push_str(if *piece { "true" } else { "false" }),
                Value::Number(piece) => text.push_str(&piece.to_string()),
                Value::Unknown | Value::Secret(_) => unknown = true,
                other => {
                    unknown = true;
                    self.problems.push(no_text(other, compiled));
                }
            }
        }
        let value = if unknown { Value::Unknown } else { Value::String(text) };
        if secret { Value::secret(value) } else { value }
    }

    fn expression(&mut self, compiled: &Compiled) -> Result<Value, Diagnostic> {
        match &compiled.chains[..] {
            [chain] if compiled.is_path => self.path(chain, compiled),
            _ => self.computed(compiled),
        }
    }

    /// An expression that is a path: followed without minijinja, so that it costs little and an error knows its step.
    fn path(&self, chain: &Chain, compiled: &Compiled) -> Result<Value, Diagnostic> {
        let value = self.follow(chain, compiled)?.take(self.from, &self.tracker);
        self.tracker.room().take_all(&value).map_err(|message| self.failed(compiled, &message))?;
        Ok(value)
    }

    fn follow(&self, chain: &Chain, compiled: &Compiled) -> Result<Seen, Diagnostic> {
        let scope = self.from;
        let fail = |miss: Miss, at| missing(&miss, compiled, at, scope);
        let mut seen = Seen::root(scope, &chain.root, &self.tracker).map_err(|miss| fail(miss, &chain.at))?;
        for (hop, at) in &chain.hops {
            seen = seen.step(scope, &hop.borrowed(), &self.tracker).map_err(|miss| fail(miss, at))?;
        }
        Ok(seen)
    }

    fn computed(&self, compiled: &Compiled) -> Result<Value, Diagnostic> {
        let (_, names) = self.shared.get_or_init(|| {
            let scope = Arc::new(self.from.clone());
            let context = Context { scope: scope.clone(), tracker: self.tracker.clone() };
            (scope, minijinja::Value::from_object(context))
        });
        self.tracker.begin();
        let Some(code) = &compiled.code else { return Ok(Value::Unknown) };
        let result = code.eval(names.clone());
        let unknown = self.tracker.unknown();
        if unknown {
            self.read_all(compiled, result.is_err() || compiled.branches);
        }
        let value = match result {
            Ok(result) if result.is_undefined() => self.undefined(compiled)?,
            // Some filters make something of what is not there.
            Ok(_) if !unknown && !compiled.guarded && self.tracker.miss().is_some() => self.undefined(compiled)?,
            Ok(result) => tracking::value(&result, &mut self.tracker.room())
                .or_else(|message| if unknown { Ok(Value::Unknown) } else { Err(self.no_value(compiled, &message)) })?,
            Err(error) => self.recovered(compiled, &error)?,
        };
        let value = if unknown { Value::Unknown } else { value };
        Ok(if self.tracker.secret() { Value::secret(value) } else { value })
    }

    /// An unknown may decide which way an expression goes, or end it early: what it names on any way counts as read. Where it does
    /// not, only a whole `for_each` may have been passed over, such as in a comparison with something unknown.
    fn read_all(&self, compiled: &Compiled, all: bool) {
        for chain in compiled.chains.iter().filter(|chain| all || (chain.exact && chain.hops.is_empty())) {
            let Ok(seen) = Seen::root(self.from, &chain.root, &self.tracker) else { continue };
            let instance = chain.hops.first().map(|(hop, _)| seen.step(self.from, &hop.borrowed(), &self.tracker));
            if let (Seen::Group(block), None | Some(Err(_))) = (&seen, instance) {
                self.tracker.read(block);
            }
        }
    }

    fn undefined(&self, compiled: &Compiled) -> Result<Value, Diagnostic> {
        match self.tracker.miss() {
            Some(miss) => Err(self.missing(compiled, &miss)),
            None if self.tracker.unknown() => Ok(Value::Unknown),
            None => Err(self.failed(compiled, "nothing is where it looks")),
        }
    }

    /// What an error means: where an unknown was read, it may not be one.
    fn recovered(&self, compiled: &Compiled, error: &minijinja::Error) -> Result<Value, Diagnostic> {
        let unknown = self.tracker.unknown();
        match (error.kind(), self.tracker.miss()) {
            (ErrorKind::UndefinedError, Some(miss)) if !(unknown && compiled.guarded) => {
                Err(self.missing(compiled, &miss))
            }
            (_, Some(_)) if !unknown && error.detail() == Some(tracking::NOT_THERE) => {
                Err(self.no_value(compiled, tracking::NOT_THERE))
            }
            (ErrorKind::UnknownFunction, Some(miss)) if miss.from.is_none() => Err(self.missing(compiled, &miss)),
            (
                ErrorKind::UnknownFunction
                | ErrorKind::UnknownMethod
                | ErrorKind::MissingArgument
                | ErrorKind::TooManyArguments
                | ErrorKind::OutOfFuel,
                _,
            ) => Err(failure::diagnose(compiled, error, self.tracker.secret())),
            _ if unknown => Ok(Value::Unknown),
            _ => Err(failure::diagnose(compiled, error, self.tracker.secret())),
        }
    }

    /// What is wrong with a result that no blueprint can hold: what was not there on the way to it, if that is why.
    fn no_value(&self, compiled: &Compiled, message: &str) -> Diagnostic {
        match self.tracker.miss().filter(|_| message == tracking::NOT_THERE) {
            Some(miss) => self.missing(compiled, &miss),
            None => self.failed(compiled, message),
        }
    }

    fn missing(&self, compiled: &Compiled, miss: &Miss) -> Diagnostic {
        let root = compiled.chains.iter().find(|chain| miss.from.is_none() && chain.root == miss.name);
        match root.map(|chain| &chain.at).or_else(|| compiled.place_of(&miss.name)) {
            Some(at) => missing(miss, compiled, at, self.from),
            // The name is not in the text: it may be what a secret says.
            None if self.tracker.secret() => self.failed(compiled, ""),
            None => lost_at(miss, compiled.span, self.from),
        }
    }

    /// What is wrong with all of it; not where it may repeat a secret.
    fn failed(&self, compiled: &Compiled, detail: &str) -> Diagnostic {
        failure::whole(compiled, detail, self.tracker.secret())
    }
}

/// How many lists and maps stand in each other in a value.
fn depth(value: &Value) -> usize {
    match value.revealed() {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn too_deep(compiled: &Compiled) -> Diagnostic {
    Diagnostic::error(format!("this comes to lists and maps that stand more than {MAX_DEPTH} levels deep"))
        .at(compiled.span, "here it is too deep")
        .help("does something read what it is itself a part of, by way of modules?")
}

fn no_text(value: &Value, compiled: &Compiled) -> Diagnostic {
    let text = &compiled.text;
    let problem = |message: String| Diagnostic::error(message).at(compiled.span, "this is not text");
    match value {
        Value::Map(map) if sight::is_reference(map) => {
            let attributes = map.get("attributes").and_then(Value::as_map);
            let first = attributes.and_then(|map| map.keys().next()).map_or("name", String::as_str);
            problem("a whole resource can't stand inside text".to_owned())
                .help(format!("name what is meant of it, such as `{{{{ {text}.{first} }}}}`"))
        }
        Value::Null => problem("nothing (null) can't stand inside text".to_owned())
            .help(format!("say what stands for it: `{{{{ {text} or \"none\" }}}}`")),
        Value::List(_) => problem("a list can't stand inside text".to_owned())
            .help(format!("make text of it: `{{{{ {text} | join(\",\") }}}}`, or `| tojson`")),
        _ => problem("a map can't stand inside text".to_owned())
            .help(format!("make text of it: `{{{{ {text} | tojson }}}}`")),
    }
}
