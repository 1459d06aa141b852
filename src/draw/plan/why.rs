//! Why each resource of a plan is dealt with as it is: one change leads to the next, down to what is so by itself, such as a line that
//! was edited.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Action, Change, Plan, Reason};
use trueup_state::{Address, FieldPath, Place};

use super::reads::Reads;
use super::{field_names, reference};
use crate::draw::safe;

/// The most links that are told of a chain: its beginning, and where it ends.
const MOST: usize = 6;

/// The reasons of a plan's changes.
pub(crate) struct Whys<'a> {
    /// What changes, each after what it depends on.
    changes: Vec<&'a Change>,
    places: BTreeMap<&'a Address, usize>,
    causes: Vec<Vec<Cause<'a>>>,
    /// Of each change: how many lie between it and where its first reason leads in the end, and that.
    ends: Vec<(usize, usize)>,
}

/// One reason for a change.
pub(crate) struct Cause<'a> {
    /// The fields that change for it; none where it is about all of the resource.
    fields: Vec<FieldPath>,
    because: Because<'a>,
    /// The line that says so.
    place: Option<&'a Place>,
}

#[derive(Clone, Copy)]
enum Because<'a> {
    /// Of another change, by its place among all.
    Of(usize),
    /// It is so by itself.
    Itself(&'a Reason),
}

/// From a change to where its reason ends.
pub(crate) struct Chain<'a> {
    links: Vec<Link<'a>>,
    /// How many links are left out before the last one.
    left_out: usize,
}

struct Link<'a> {
    change: &'a Change,
    cause: Option<&'a Cause<'a>>,
}

impl<'a> Link<'a> {
    /// What its resource is a part of.
    fn whole(&self) -> Option<&'a Address> {
        self.change.part_of.as_ref()
    }
}

impl<'a> Whys<'a> {
    /// The reasons of all changes of a plan. `program`: the blueprint, where it is at hand.
    pub(crate) fn new(plan: &'a Plan, program: Option<&'a Program>) -> Self {
        let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.action != Action::None).collect();
        let places = changes.iter().enumerate().map(|(at, change)| (&change.address, at)).collect();
        let mut whys = Self { changes, places, causes: Vec::new(), ends: Vec::new() };
        let reading = |change: &&Change| change.reasons.iter().any(|reason| matches!(reason, Reason::Reads { .. }));
        let reads = whys.changes.iter().any(reading).then(|| Reads::new(plan, program));
        for at in 0..whys.changes.len() {
            let causes = whys.causes_of(at, reads.as_ref());
            let end = match causes.first().map(|cause| cause.because) {
                Some(Because::Of(other)) => (whys.ends[other].0 + 1, whys.ends[other].1),
                _ => (0, at),
            };
            whys.causes.push(causes);
            whys.ends.push(end);
        }
        whys
    }

    /// The reasons of one change, what decides most first.
    fn causes_of(&self, at: usize, reads: Option<&Reads<'_>>) -> Vec<Cause<'a>> {
        let change = self.changes[at];
        let mut causes: Vec<Cause<'a>> = Vec::new();
        for reason in &change.reasons {
            let fields: Vec<FieldPath> = path_of(reason).map(|path| field(change, path)).into_iter().collect();
            match (reason, reads) {
                // It says of a field that is told already what follows from its change.
                (Reason::Immutable { .. }, _) => {}
                (Reason::Reads { path, .. }, Some(reads)) => {
                    let others = self.read_from(at, change, path, reads);
                    for other in &others {
                        add(&mut causes, &fields, Because::Of(*other), reason.place());
                    }
                    if others.is_empty() {
                        add(&mut causes, &fields, Because::Itself(reason), reason.place());
                    }
                }
                _ => add(&mut causes, &fields, Because::Itself(reason), reason.place()),
            }
        }
        let replaces = |cause: &Cause<'_>| {
            let own = |path: &FieldPath| cause.fields.iter().any(|field| field.covers(path));
            change.fields.iter().any(|field| field.replaces && own(&field.path))
        };
        causes.sort_by_key(|cause| match cause.because {
            Because::Itself(Reason::CreateFirstFor { .. }) => 3,
            Because::Itself(
                Reason::Asked | Reason::Tainted | Reason::Partial | Reason::Unfinished | Reason::Moved { .. },
            ) => 0,
            _ if replaces(cause) => 1,
            _ => 2,
        });
        causes
    }

    /// The changes before this one that a field reads from, as far as they leave something to be known.
    fn read_from(&self, at: usize, change: &Change, path: &FieldPath, reads: &Reads<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        for read in reads.of(change, path) {
            let whole = self
                .places
                .range::<Address, _>(&read..)
                .take_while(|(address, _)| address.is_in(&read))
                .map(|(_, at)| *at);
            let one = self.places.get(&read).copied();
            found.extend(one.or_else(|| whole.into_iter().find(|other| self.is_open(*other))));
        }
        found.retain(|other| *other < at && self.is_open(*other));
        found
    }

    /// Whether something of a change can only be known after apply.
    fn is_open(&self, at: usize) -> bool {
        self.changes[at].attributes_after.has_unknown()
    }

    /// What becomes of a resource; none where that is nothing.
    pub(super) fn change(&self, address: &Address) -> Option<&'a Change> {
        self.places.get(address).map(|at| self.changes[*at])
    }

    /// The reasons of a change, each followed to its end.
    pub(crate) fn chains(&self, address: &Address) -> Vec<Chain<'_>> {
        let Some(at) = self.places.get(address).copied() else { return Vec::new() };
        self.causes[at].iter().map(|cause| self.chain(at, cause)).collect()
    }

    fn chain<'b>(&'b self, at: usize, cause: &'b Cause<'a>) -> Chain<'b> {
        let mut links = vec![Link { change: self.changes[at], cause: Some(cause) }];
        let mut next = cause.because;
        while let Because::Of(other) = next {
            let (steps, end) = self.ends[other];
            if links.len() + 1 >= MOST && steps > 0 {
                links.push(self.link(end));
                return Chain { links, left_out: steps };
            }
            links.push(self.link(other));
            let Some(cause) = self.causes[other].first() else { break };
            next = cause.because;
        }
        Chain { links, left_out: 0 }
    }

    fn link(&self, at: usize) -> Link<'_> {
        Link { change: self.changes[at], cause: self.causes[at].first() }
    }

    /// Which resources change because of which.
    pub(super) fn dependants(&self) -> impl Iterator<Item = (&'a Address, &'a Address)> + '_ {
        let of = |at: usize| self.causes[at].iter().map(move |cause| (at, cause.because));
        (0..self.changes.len()).flat_map(of).filter_map(|(at, because)| match because {
            Because::Of(other) => Some((&self.changes[other].address, &self.changes[at].address)),
            Because::Itself(_) => None,
        })
    }
}

/// Adds a reason, or the fields to one that is the same.
fn add<'a>(causes: &mut Vec<Cause<'a>>, fields: &[FieldPath], because: Because<'a>, place: Option<&'a Place>) {
    let alike = |cause: &&mut Cause<'a>| match (cause.because, because) {
        (Because::Of(one), Because::Of(other)) => one == other,
        (Because::Itself(one), Because::Itself(other)) => {
            !fields.is_empty()
                && std::mem::discriminant(one) == std::mem::discriminant(other)
                && one.place() == other.place()
        }
        _ => false,
    };
    match causes.iter_mut().find(alike) {
        Some(cause) => {
            let new: Vec<FieldPath> = fields.iter().filter(|field| !cause.fields.contains(field)).cloned().collect();
            cause.fields.extend(new);
        }
        None => causes.push(Cause { fields: fields.to_vec(), because, place }),
    }
}

fn path_of(reason: &Reason) -> Option<&FieldPath> {
    match reason {
        Reason::Edited { path, .. }
        | Reason::Reads { path, .. }
        | Reason::Drifted { path }
        | Reason::Immutable { path } => Some(path),
        _ => None,
    }
}

/// The field as a reader knows it: of a whole resource, the field that holds it.
fn field(change: &Change, path: &FieldPath) -> FieldPath {
    reference::around(change, path).unwrap_or_else(|| path.clone())
}

impl Chain<'_> {
    /// Whether it goes on to another resource.
    pub(super) fn goes_on(&self) -> bool {
        self.links.len() > 1
    }

    /// The reason itself, where it does not.
    pub(super) fn reason(&self) -> Option<&Reason> {
        match self.links.first()?.cause?.because {
            Because::Itself(reason) => Some(reason),
            Because::Of(_) => None,
        }
    }

    /// Where it ends: the line that is the reason for all of it.
    pub(super) fn place(&self) -> Option<&Place> {
        let last = self.links.last()?;
        last.cause.and_then(|cause| cause.place).or(last.change.source.as_ref())
    }

    /// Whether a link leads from one part of a resource to the next of the same: what that is made of is said by its ends.
    fn is_inner(&self, position: usize) -> bool {
        let next_is_left_out = self.left_out > 0 && position + 2 == self.links.len();
        match self.links.get(position.saturating_sub(1)..position + 2) {
            Some([before, link, after]) if position > 0 && !next_is_left_out => {
                link.whole().is_some() && before.whole() == link.whole() && link.whole() == after.whole()
            }
            _ => false,
        }
    }

    /// `model changes, because weights is replaced, because path was edited`. Of links between parts of one resource the first and the
    /// last are told.
    pub(super) fn words(&self) -> String {
        let mut parts = Vec::new();
        for (position, link) in self.links.iter().enumerate() {
            if self.is_inner(position) {
                continue;
            }
            let is_last = position + 1 == self.links.len();
            if is_last && self.left_out > 0 {
                parts.push(format!("because of {} more in a row", self.left_out));
            }
            if position > 0 {
                parts.push(format!("because {} {}", safe::line(&link.change.address), becomes(link.change.action)));
            }
            if let Some(cause) = link.cause {
                let because = if position > 0 { "because " } else { "" };
                parts.push(format!("{because}{}", cause.words()));
            }
        }
        parts.join(", ")
    }

    /// `{links: [{address, action, fields, reason, message, source}], left_out}`.
    pub(crate) fn json(&self) -> Json {
        let link = |link: &Link<'_>| {
            let fields = link.cause.into_iter().flat_map(|cause| &cause.fields);
            json!({
                "address": link.change.address,
                "action": action(link.change.action),
                "fields": fields.map(ToString::to_string).collect::<Vec<_>>(),
                "reason": link.cause.map(|cause| match cause.because {
                    Because::Itself(reason) => word(reason),
                    Because::Of(_) => "reads".to_owned(),
                }),
                "message": link.cause.map(Cause::words),
                "source": link.cause.and_then(|cause| cause.place).or(link.change.source.as_ref()),
            })
        };
        json!({ "links": self.links.iter().map(link).collect::<Vec<_>>(), "left_out": self.left_out })
    }
}

impl Cause<'_> {
    fn words(&self) -> String {
        let fields = field_names(self.fields.iter());
        let one = self.fields.len() == 1;
        let was = if one { "was" } else { "were" };
        match self.because {
            Because::Of(_) => format!("{fields} {}", if one { "changes" } else { "change" }),
            Because::Itself(Reason::Edited { .. }) => format!("{fields} {was} edited"),
            Because::Itself(Reason::Drifted { .. }) => format!("{fields} {was} changed outside Trueup"),
            Because::Itself(Reason::Reads { .. }) => {
                format!("{fields} {} known after apply", if one { "is" } else { "are" })
            }
            Because::Itself(reason) => safe::line(reason),
        }
    }
}

/// The word by which machines know a reason.
fn word(reason: &Reason) -> String {
    let json = serde_json::to_value(reason).unwrap_or_default();
    json.get("reason").and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// The word by which machines know what becomes of a resource.
fn action(action: Action) -> &'static str {
    match action {
        Action::None => "none",
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace(_) => "replace",
        Action::Delete => "delete",
        Action::Adopt => "adopt",
        Action::Forget => "forget",
        Action::Read => "read",
        Action::Record => "record",
    }
}

/// What becomes of a resource, after its name.
pub(super) fn becomes(action: Action) -> &'static str {
    match action {
        Action::None => "stays",
        Action::Create => "is created",
        Action::Update => "changes",
        Action::Replace(_) => "is replaced",
        Action::Delete => "is deleted",
        Action::Adopt => "is adopted",
        Action::Forget => "is forgotten",
        Action::Read => "is checked again",
        Action::Record => "is recorded anew",
    }
}
