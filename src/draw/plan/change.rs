//! What becomes of one resource, in each of the views.

use std::collections::BTreeMap;

use owo_colors::{AnsiColors, OwoColorize};
use trueup_engine::plan::{Action, Change, Existing, Mode, Order, Reason};
use trueup_engine::provider::Candidate;
use trueup_state::{Address, Scope, Verb};

use super::fields::{self, Row, rows_of};
use super::reference::Index;
use super::takes::Takes;
use super::why::{Chain, Whys};
use super::{Shown, Widths, field_names, place};
use crate::arguments::View;
use crate::draw::safe;

/// The settings of a scope that tell where something is.
const TELLING: [&str; 5] = ["account", "project", "location", "region", "zone"];

/// The most reasons that are shown of one change, where not everything is.
const MOST: usize = 4;

/// What is known for drawing the changes of a plan.
pub(super) struct Drawing<'a> {
    shown: &'a Shown<'a>,
    widths: Widths,
    changes: Index<'a>,
    /// Not for the view that has only a line for each.
    reasons: Option<(Whys<'a>, Takes<'a>)>,
    /// What each resource that something is done to depends on.
    dependencies: BTreeMap<&'a Address, Vec<&'a Address>>,
}

impl<'a> Drawing<'a> {
    pub(super) fn new(shown: &'a Shown<'a>) -> Self {
        let plan = shown.plan;
        // A large stack is not looked through again and again.
        let done: Vec<&Change> = plan.changes.iter().filter(|change| change.action != Action::None).collect();
        let existing = plan.existing.iter().map(|existing| (&existing.address, &existing.kind));
        let widths = Widths::of(done.iter().map(|change| (&change.address, &change.kind)).chain(existing));
        let reasons = (shown.view != View::Brief && !done.is_empty()).then(|| {
            let whys = Whys::new(plan, shown.program);
            let takes = Takes::new(plan, &whys);
            (whys, takes)
        });
        let full = plan.operations.iter().filter(|_| shown.view == View::Full);
        let dependencies =
            full.map(|operation| (&operation.address, operation.declared.dependencies.iter().collect())).collect();
        let changes = done.into_iter().map(|change| (&change.address, change)).collect();
        Self { shown, widths, changes, reasons, dependencies }
    }

    /// What becomes of one resource.
    pub(super) fn change(&self, change: &Change) -> String {
        let (symbol, colour) = symbol(change.action);
        let columns = self.widths.columns(&change.address, &change.kind);
        let (mark, whereabouts) = (symbol.color(colour), whereabouts(change));
        let what = if self.shown.view == View::Brief { brief(change) } else { String::new() };
        let place = place(change.source.as_ref());
        let mut text = format!("  {} {columns}  {whereabouts}{what}{place}\n", mark.bold());
        match (self.shown.view, &self.reasons) {
            (View::Normal, Some((whys, takes))) => self.normal(change, whys, takes, &mut text),
            (View::Full, Some((whys, takes))) => self.full(change, whys, takes, &mut text),
            _ => {}
        }
        text
    }

    /// What was said of a new resource, or what changes; reasons that lead elsewhere; what goes with it.
    fn normal(&self, change: &Change, whys: &Whys<'_>, takes: &Takes<'_>, text: &mut String) {
        let rows = match change.action {
            Action::Create => fields::said(change, self.shown.program, &self.changes),
            _ => fields::changed(change, &self.changes),
        };
        text.push_str(&rows_of(rows));
        let chains = whys.chains(&change.address);
        let told: Vec<&Chain<'_>> = chains.iter().filter(|chain| is_news(chain)).collect();
        for chain in told.iter().take(MOST) {
            let because = if chain.goes_on() { "because " } else { "" };
            let place =
                if chain.goes_on() { place(chain.place()) } else { place(chain.reason().and_then(Reason::place)) };
            text.push_str(&format!("      {}{place}\n", format!("{because}{}", chain.words()).dimmed()));
        }
        if told.len() > MOST {
            text.push_str(&format!("      {}\n", format!("and for {} more reasons", told.len() - MOST).dimmed()));
        }
        let along = takes.words(&change.address).filter(|_| self.shown.plan.mode != Mode::Destroy);
        for line in takes.lost(change).map(str::to_owned).into_iter().chain(along) {
            text.push_str(&format!("      {}\n", line.dimmed()));
        }
    }

    /// Every field, every reason, and what it depends on.
    fn full(&self, change: &Change, whys: &Whys<'_>, takes: &Takes<'_>, text: &mut String) {
        text.push_str(&rows_of(fields::every(change, self.shown.program, &self.changes)));
        let mut rows: Vec<Row> = whys
            .chains(&change.address)
            .iter()
            .map(|chain| Row::of("why", format!("{}{}", chain.words(), place(chain.place()))))
            .collect();
        if let Some(dependencies) = self.dependencies.get(&change.address).filter(|list| !list.is_empty()) {
            let names: Vec<String> = dependencies.iter().map(safe::line).collect();
            rows.push(Row::of("depends on", names.join(", ")));
        }
        for (position, candidate) in (1..).zip(&change.candidates) {
            rows.push(Row::of("candidate", format!("{position}. {}", candidate_words(candidate))));
        }
        rows.extend(takes.lost(change).map(|words| Row::of("takes", words.to_owned())));
        rows.extend(takes.words(&change.address).map(|words| Row::of("takes", words)));
        text.push_str(&rows_of(rows));
    }

    /// Objects that a replacement superseded and that go now, beside what becomes of their resource.
    pub(super) fn deposed(&self) -> String {
        let deletes = self.shown.plan.operations.iter().filter(|one| one.verb == Verb::Delete && one.partner.is_none());
        let mut text = String::new();
        for operation in deletes {
            if self.changes.get(&operation.address).is_some_and(|change| change.action == Action::Delete) {
                continue;
            }
            text.push_str(&format!(
                "  {} {}  {}, superseded by a replacement\n",
                "-".red().bold(),
                self.widths.columns(&operation.address, &operation.kind),
                safe::line(operation.id.as_deref().unwrap_or("an object"))
            ));
        }
        text
    }

    /// What is read and never managed.
    pub(super) fn existing(&self) -> String {
        let line = |existing: &Existing| {
            let columns = self.widths.columns(&existing.address, &existing.kind);
            let (scope, id) = (scope(&existing.scope), safe::line(&existing.id));
            let place = place(existing.source.as_ref());
            format!("  {} {columns}  {scope}  {id}, only read{place}\n", "<".cyan().bold())
        };
        self.shown.plan.existing.iter().map(line).collect()
    }
}

pub(super) fn symbol(action: Action) -> (&'static str, AnsiColors) {
    match action {
        Action::None => (" ", AnsiColors::Default),
        Action::Create => ("+", AnsiColors::Green),
        Action::Update => ("~", AnsiColors::Yellow),
        Action::Replace(Order::CreateFirst) => ("±", AnsiColors::Magenta),
        Action::Replace(Order::DestroyFirst) => ("∓", AnsiColors::Magenta),
        Action::Delete => ("-", AnsiColors::Red),
        Action::Adopt => ("←", AnsiColors::Cyan),
        Action::Forget => ("×", AnsiColors::Default),
        Action::Read => ("?", AnsiColors::Cyan),
        Action::Record => ("=", AnsiColors::Cyan),
    }
}

/// What of a resource changes, in a few words.
fn brief(change: &Change) -> String {
    if change.fields.is_empty() {
        return String::new();
    }
    let named: std::collections::BTreeSet<_> = change
        .fields
        .iter()
        .map(|field| super::reference::around(change, &field.path).unwrap_or_else(|| field.path.clone()))
        .collect();
    format!("  {}", field_names(named.iter()))
}

/// Whether a reason says more than the fields and the sign before the resource do.
fn is_news(chain: &Chain<'_>) -> bool {
    !matches!(
        chain.reason(),
        Some(Reason::New { .. } | Reason::Edited { .. } | Reason::Reads { .. } | Reason::Destroyed)
    )
}

/// Who makes it and where; with a placement, the candidates in order.
fn whereabouts(change: &Change) -> String {
    if change.candidates.is_empty() {
        return scope(&change.scope);
    }
    change.candidates.iter().map(candidate_words).collect::<Vec<_>>().join(", else ")
}

fn candidate_words(candidate: &Candidate) -> String {
    let fields = ["region", "zone", "market"].iter().filter_map(|name| candidate.fields.get(*name)?.as_str());
    safe::line(std::iter::once(candidate.provider.as_str()).chain(fields).collect::<Vec<_>>().join(" "))
}

fn scope(scope: &Scope) -> String {
    let telling = TELLING.iter().filter_map(|name| scope.settings.get(*name)?.as_str());
    safe::line(std::iter::once(scope.provider.as_str()).chain(telling).collect::<Vec<_>>().join(" "))
}
