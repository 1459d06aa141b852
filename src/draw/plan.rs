//! A plan as people read it.

use std::collections::BTreeMap;

use owo_colors::{AnsiColors, OwoColorize};
use trueup_engine::plan::{Action, Change, Drift, Existing, FieldChange, Mode, Notice, Order, Plan, Summary};
use trueup_state::{Address, KindName, Place, Scope, Serial, Verb};

use super::{count, value};

/// The settings of a scope that tell where something is.
const TELLING: [&str; 5] = ["account", "project", "location", "region", "zone"];

/// The whole plan.
pub(crate) fn text(plan: &Plan, location: &str, serial: Serial) -> String {
    let mut text = heading(plan, location, serial);
    for resume in &plan.resumes {
        let what = match &resume.parked {
            Some(message) => message.clone(),
            None => format!("{} was begun by an earlier run, and is settled first", resume.verb.as_str()),
        };
        text.push_str(&format!("  {} {}: {what}\n", "↻".yellow(), resume.address.bold()));
    }
    text.push_str(&drift_lines(&plan.drift, planned_fate));
    let widths = Widths::of(plan);
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        text.push_str(&change_lines(change, &widths));
    }
    text.push_str(&deposed_lines(plan));
    text.push_str(&existing_lines(plan, &widths));
    if !plan.deferred.is_empty() {
        blank_line(&mut text);
        text.push_str(&deferred_lines(plan));
    }
    let outputs = output_lines(plan);
    if !outputs.is_empty() {
        blank_line(&mut text);
        text.push_str(&outputs);
    }
    if !plan.notices.is_empty() {
        blank_line(&mut text);
        text.push_str(&notice_lines(&plan.notices));
    }
    text.push_str(&refusal_lines(plan));
    blank_line(&mut text);
    text.push_str(&summary_line(plan));
    text
}

/// Only what differs outside.
pub(crate) fn drift(plan: &Plan, location: &str, serial: Serial) -> String {
    let mut text = heading(plan, location, serial);
    text.push_str(&drift_lines(&plan.drift, found_fate));
    text.push_str(&notice_lines(&plan.notices));
    blank_line(&mut text);
    if plan.drift.is_empty() {
        text.push_str("No drift: everything is as it was last seen.\n");
    } else {
        let what = count(plan.drift.len(), "resource");
        text.push_str(&format!("{what} drifted. `trueup drift --correct` brings back what it may.\n"));
    }
    text
}

/// Ends a paragraph, so that the next one begins after exactly one empty line.
fn blank_line(text: &mut String) {
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
}

/// What becomes of a drifted resource as the plan is carried out.
fn planned_fate(drift: &Drift) -> &'static str {
    match (drift.gone, drift.corrected) {
        (true, true) => "is gone; it is made again",
        (true, false) => "is gone",
        (false, true) => "is brought back",
        (false, false) => "is left as it is",
    }
}

/// What happened to a drifted resource, and whether `--correct` leaves it alone: looking brings nothing back.
fn found_fate(drift: &Drift) -> &'static str {
    match (drift.gone, drift.corrected) {
        (true, true) => "is gone",
        (true, false) => "is gone, and is not made again",
        (false, true) => "was changed",
        (false, false) => "was changed, and is left as it is",
    }
}

fn heading(plan: &Plan, location: &str, serial: Serial) -> String {
    let name = plan.stack.to_string();
    let state = match plan.lineage {
        Some(_) => format!("state: {location}, serial {serial}"),
        None => format!("state: {location}, none yet"),
    };
    let gap = 72_usize.saturating_sub(name.chars().count() + state.chars().count()).max(3);
    format!("{}{}{}\n\n", name.bold(), " ".repeat(gap), state.dimmed())
}

fn drift_lines(drift: &[Drift], fate: fn(&Drift) -> &'static str) -> String {
    if drift.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", "Changed outside Trueup since the last apply:".bold());
    for one in drift {
        let fate = fate(one);
        text.push_str(&format!(
            "  {} {}  {}  {fate}{}\n",
            "!".yellow().bold(),
            one.address.bold(),
            one.kind,
            place(one.source.as_ref())
        ));
        let width = field_width(&one.fields);
        for field in &one.fields {
            text.push_str(&field_line(field, width, ""));
        }
    }
    text.push('\n');
    text
}

fn symbol(action: Action) -> (&'static str, AnsiColors) {
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

/// How wide the columns of a plan are.
struct Widths {
    address: usize,
    kind: usize,
}

impl Widths {
    fn of(plan: &Plan) -> Self {
        let changed = plan.changes.iter().filter(|change| change.action != Action::None);
        let changed = changed.map(|change| (&change.address, &change.kind));
        let lines = changed.chain(plan.existing.iter().map(|existing| (&existing.address, &existing.kind)));
        lines.fold(Self { address: 0, kind: 0 }, |widths, (address, kind)| Self {
            address: widths.address.max(address.to_string().chars().count()),
            kind: widths.kind.max(kind.as_str().chars().count()),
        })
    }

    /// An address and its kind, each as wide as its column.
    fn columns(&self, address: &Address, kind: &KindName) -> String {
        let (text, width) = (address.to_string(), self.kind);
        let gap = " ".repeat(self.address.saturating_sub(text.chars().count()));
        format!("{}{gap}  {kind:width$}", text.bold())
    }
}

fn change_lines(change: &Change, widths: &Widths) -> String {
    let (symbol, colour) = symbol(change.action);
    let columns = widths.columns(&change.address, &change.kind);
    let (mark, whereabouts) = (symbol.color(colour), whereabouts(change));
    let mut text = format!("  {} {columns}  {whereabouts}{}\n", mark.bold(), place(change.source.as_ref()));
    let width = field_width(&change.fields);
    for field in &change.fields {
        text.push_str(&field_line(field, width, order_words(change.action)));
    }
    for reason in reasons(change) {
        text.push_str(&format!("      {}\n", reason.dimmed()));
    }
    text
}

fn order_words(action: Action) -> &'static str {
    match action {
        Action::Replace(Order::CreateFirst) => "replaces it; new one first",
        Action::Replace(Order::DestroyFirst) => "replaces it; old one goes first",
        _ => "",
    }
}

/// Those reasons that the fields do not tell already.
fn reasons(change: &Change) -> Vec<String> {
    use trueup_engine::plan::Reason;
    let shown = change.reasons.iter().filter(|reason| {
        !matches!(
            reason,
            Reason::New { .. }
                | Reason::Edited { .. }
                | Reason::Reads { .. }
                | Reason::Immutable { .. }
                | Reason::Destroyed
        )
    });
    shown.map(ToString::to_string).collect()
}

/// Who makes it and where; with a placement, the candidates in order.
fn whereabouts(change: &Change) -> String {
    if change.candidates.is_empty() {
        return scope(&change.scope);
    }
    let words: Vec<String> = change
        .candidates
        .iter()
        .map(|candidate| {
            let fields = ["region", "zone", "market"].iter().filter_map(|name| candidate.fields.get(*name)?.as_str());
            std::iter::once(candidate.provider.as_str()).chain(fields).collect::<Vec<_>>().join(" ")
        })
        .collect();
    words.join(", else ")
}

fn scope(scope: &Scope) -> String {
    let telling = TELLING.iter().filter_map(|name| scope.settings.get(*name)?.as_str());
    std::iter::once(scope.provider.as_str()).chain(telling).collect::<Vec<_>>().join(" ")
}

fn field_width(fields: &[FieldChange]) -> usize {
    fields.iter().map(|field| field.path.to_string().chars().count()).max().unwrap_or(0)
}

fn field_line(field: &FieldChange, width: usize, order: &str) -> String {
    let change = format!("{} → {}", value::optional(field.before.as_ref()), value::optional(field.after.as_ref()));
    let path = field.path.to_string();
    let why = if field.replaces { format!("   {}", order.magenta()) } else { String::new() };
    format!("      {path:width$}  {change}{why}{}\n", place(field.source.as_ref()))
}

pub(crate) fn place(place: Option<&Place>) -> String {
    place.map(|place| format!("   {}", place.dimmed())).unwrap_or_default()
}

/// Objects that a replacement superseded and that go now, beside what becomes of their resource.
fn deposed_lines(plan: &Plan) -> String {
    let changes: BTreeMap<&Address, &Change> = plan.changes.iter().map(|change| (&change.address, change)).collect();
    let mut text = String::new();
    for operation in
        plan.operations.iter().filter(|operation| operation.verb == Verb::Delete && operation.partner.is_none())
    {
        let Some(change) = changes.get(&operation.address).filter(|change| change.action != Action::Delete) else {
            continue;
        };
        let id = operation.id.as_deref().unwrap_or("an object");
        text.push_str(&format!(
            "  {} {}  {}  {id}, superseded by a replacement\n",
            "-".red().bold(),
            change.address.bold(),
            change.kind
        ));
    }
    text
}

/// What is read and never managed.
fn existing_lines(plan: &Plan, widths: &Widths) -> String {
    let line = |existing: &Existing| {
        let (columns, scope) = (widths.columns(&existing.address, &existing.kind), scope(&existing.scope));
        let place = place(existing.source.as_ref());
        format!("  {} {columns}  {scope}  {}, only read{place}\n", "<".cyan().bold(), existing.id)
    };
    plan.existing.iter().map(line).collect()
}

/// What is left to a further phase.
fn deferred_lines(plan: &Plan) -> String {
    let mut text = format!("{}\n", "Planned once this is done:".bold());
    for left in &plan.deferred {
        let waits: Vec<String> = left.waits_for.iter().map(ToString::to_string).collect();
        let place = place(left.source.as_ref());
        let mark = "…".cyan();
        text.push_str(&format!(
            "  {mark} {}  {}; it waits for {}{place}\n",
            left.address.bold(),
            left.reason,
            waits.join(", ")
        ));
    }
    text
}

fn output_lines(plan: &Plan) -> String {
    if plan.outputs.is_empty() || plan.mode == Mode::Destroy {
        return String::new();
    }
    let width = plan.outputs.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("{}\n", "Outputs".bold());
    for (name, change) in &plan.outputs {
        let (before, after) = (value::optional(change.before.as_ref()), value::optional(change.after.as_ref()));
        let words = if change.before.is_none() { after } else { format!("{before} → {after}") };
        text.push_str(&format!("  {name:width$}  {words}\n"));
    }
    text
}

fn notice_lines(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices {
        let about = notice.address.as_ref().map(|address| format!("{address}: ")).unwrap_or_default();
        let mark = if notice.stops { "stops:".red().to_string() } else { "note:".cyan().to_string() };
        text.push_str(&format!("{mark} {about}{}\n", notice.message));
    }
    text
}

fn refusal_lines(plan: &Plan) -> String {
    let mut text = String::new();
    for refusal in &plan.refusals {
        text.push_str(&format!(
            "\n{} {}{}\n  {} {}\n",
            "refused:".red().bold(),
            refusal.message,
            place(refusal.source.as_ref()),
            "help:".cyan(),
            refusal.help
        ));
    }
    text
}

fn summary_line(plan: &Plan) -> String {
    if plan.is_empty() {
        return "Nothing to do.\n".to_owned();
    }
    let Summary { create, update, replace, destroy, record } = plan.summary();
    let mut text = format!("{create} to create, {update} to change, {replace} to replace, {destroy} to destroy");
    if create + update + replace + destroy == 0 && !plan.outputs.is_empty() {
        text.push_str(&format!(", {} to set", count(plan.outputs.len(), "output")));
    }
    if record > 0 {
        text.push_str(&format!(", {record} in the state only"));
    }
    if !plan.deferred.is_empty() {
        text.push_str(&format!(", {} to plan after that", plan.deferred.len()));
    }
    text.push_str(".\n");
    text
}
