//! A collection of things that can be made, read and deleted, as its document has it: what is called, with what, and how its things are
//! named.

use std::collections::BTreeMap;

use serde_json::{Map as Object, Value as Json};

use super::document::{Document, Method};
use super::prose::{self, InBody};
use super::setter::Setter;
use super::template::Template;

/// A native kind.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    /// `pubsub.v1.projects.topics`.
    pub(crate) kind: String,
    /// `pubsub`.
    pub(crate) api: String,
    /// `https://pubsub.googleapis.com/`.
    pub(crate) root: String,
    /// Where it is asked of what is in one location, where the root does not know that.
    pub(crate) roots: BTreeMap<String, String>,
    /// What stands before the id of a thing in its path: `v1`, `compute/v1`.
    pub(crate) prefix: String,
    /// The form of an id: `projects/{projectsId}/topics/{topicsId}`.
    pub(crate) shape: Template,
    pub(crate) create: Create,
    pub(crate) update: Option<Update>,
    /// The calls that set one field each.
    pub(crate) setters: Vec<Setter>,
    pub(crate) delete: Method,
    pub(crate) list: Option<List>,
    /// The schema of a thing, by its name in the document.
    pub(crate) schema: String,
    /// The field that its labels stand in.
    pub(crate) labels: Option<String>,
}

/// How a thing is made.
#[derive(Clone, Debug)]
pub(crate) struct Create {
    pub(crate) method: Method,
    /// The path of the call, without the prefix.
    pub(crate) path: Template,
    /// The field of what is sent that the thing stands in; none where it is all that is sent.
    pub(crate) inside: Option<String>,
    pub(crate) named: Named,
}

/// Who names a thing, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Whoever makes it, in the call's path.
    Path,
    /// Likewise, in its query.
    Query(String),
    /// Likewise, beside the thing in what is sent.
    Beside(String),
    /// Likewise, in the thing itself: by the last part of its path.
    Last(String),
    /// Likewise, by its whole path.
    Whole(String),
    /// Google.
    Server,
}

/// How a thing is changed.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) method: Method,
    /// The field of what is sent that the thing stands in; none where it is all that is sent.
    pub(crate) inside: Option<String>,
    /// Where the names of what changes stand.
    pub(crate) mask: Mask,
}

/// How an update tells what changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// By a list of fields in the query.
    Query,
    /// By a list of fields in what is sent.
    Body,
    /// By what is sent: what is left out stays, and null takes away.
    Merge,
    /// Not: all is sent.
    All,
}

/// How things are listed.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) method: Method,
    /// The path of the call, without the prefix.
    pub(crate) path: Template,
    /// The field of the answer that they stand in.
    pub(crate) items: String,
    /// Whether all of each is shown.
    pub(crate) is_whole: bool,
}

impl Collection {
    /// The collection of a kind; why there is none.
    pub(crate) fn of(kind: &str, document: &Document, way: &str) -> Result<Self, String> {
        let found = document.collection(way).ok_or_else(|| missing(document, way))?;
        let method = |names: &[&str]| names.iter().find_map(|name| found.methods.get(*name));
        let (Some(read), Some(create), Some(delete)) =
            (method(&["get"]), method(&["create", "insert", prose::makes(kind)]), method(&["delete"]))
        else {
            return Err(format!("Google's API does not make, read and delete what is in {kind}"));
        };
        let schema = read.response.as_ref().map(|response| response.schema.clone()).unwrap_or_default();
        let template = Template::of(&read.path(document));
        let prefix = prefix(document, &template);
        let shape = template.between(prefix, 0);
        let last = shape.len().saturating_sub(1);
        let (Some(_), Some(of)) = (shape.name(last), shape.word(last.saturating_sub(1))) else {
            return Err(format!("what is in {kind} has no name of its own: there is one of it"));
        };
        let fields = fields(document, &schema);
        let create = Create::of(kind, document, create, (prefix, &shape), (&schema, of), !read.path.contains("{+"))?;
        Ok(Self {
            kind: kind.to_owned(),
            api: document.name.clone(),
            root: document.root_url.clone(),
            roots: roots(document),
            prefix: template.between(0, template.len() - prefix).to_string(),
            create,
            update: method(&["patch", "update"]).map(|update| Update::of(document, update, &schema)),
            setters: Setter::all(kind, document, found, (prefix, &schema)),
            delete: delete.clone(),
            list: found.methods.get("list").and_then(|list| List::of(document, list, prefix, &schema)),
            labels: prose::LABELS.into_iter().find(|name| is_labels(fields.get(*name))).map(str::to_owned),
            shape,
            schema,
        })
    }

    /// Where it is asked by a path.
    pub(crate) fn root_of(&self, path: &str) -> &str {
        let location = path.split('/').skip_while(|part| *part != "locations").nth(1);
        let root = location.and_then(|location| self.roots.get(location.split(':').next()?));
        root.unwrap_or(&self.root)
    }

    /// The form of what an id stands in: all but the last two parts.
    pub(crate) fn parent(&self) -> Template {
        self.shape.between(0, 2)
    }

    /// Whether whoever makes a thing names it.
    pub(crate) fn is_named(&self) -> bool {
        self.create.named != Named::Server
    }
}

impl Create {
    fn of(
        kind: &str,
        document: &Document,
        method: &Method,
        (prefix, shape): (usize, &Template),
        (schema, of): (&str, &str),
        is_short: bool,
    ) -> Result<Self, String> {
        let path = Template::of(&method.path(document)).between(prefix, 0);
        let sent = method.request.as_ref().map(|request| request.schema.as_str()).unwrap_or_default();
        let inside = inside(document, sent, schema);
        if sent != schema && inside.is_none() {
            return Err(format!("what is sent to make {kind} is not what is there then: it can't be managed"));
        }
        let beside = || {
            let names = inside.as_ref().map(|_| fields(document, sent)).unwrap_or_default();
            names.keys().find(|name| is_id(name) && singular(of, name)).cloned()
        };
        let told: Vec<&String> = method.parameters.keys().filter(|name| method.takes(name) && is_id(name)).collect();
        let told = told.iter().find(|name| singular(of, name)).or(told.first().filter(|_| told.len() == 1));
        let named = match prose::named(kind) {
            Some(InBody::Last(field)) => Named::Last(field.to_owned()),
            Some(InBody::Whole(field)) => Named::Whole(field.to_owned()),
            None if path.len() == shape.len() && path.leads(shape) => Named::Path,
            None => match (told, beside()) {
                (Some(name), _) => Named::Query((*name).clone()),
                (None, Some(name)) => Named::Beside(name),
                (None, None) if is_short && is_settable(fields(document, schema).get("name")) => {
                    Named::Last("name".to_owned())
                }
                (None, None) => Named::Server,
            },
        };
        Ok(Self { method: method.clone(), path, inside, named })
    }
}

impl Update {
    fn of(document: &Document, method: &Method, schema: &str) -> Self {
        let sent = method.request.as_ref().map(|request| request.schema.as_str()).unwrap_or_default();
        let mask = match method.verb.as_str() {
            _ if method.takes("updateMask") => Mask::Query,
            _ if sent != schema && fields(document, sent).contains_key("updateMask") => Mask::Body,
            "PATCH" => Mask::Merge,
            _ => Mask::All,
        };
        Self { method: method.clone(), inside: inside(document, sent, schema), mask }
    }
}

impl List {
    fn of(document: &Document, method: &Method, prefix: usize, schema: &str) -> Option<Self> {
        let answer = fields(document, &method.response.as_ref()?.schema);
        let of = |field: &Json| field.get("items")?.get("$ref")?.as_str().map(str::to_owned);
        let lists: Vec<(&String, String)> =
            answer.iter().filter_map(|(name, field)| Some((name, of(field)?))).collect();
        let whole = lists.iter().find(|(_, item)| item == schema);
        let (items, item) = whole.or(lists.first().filter(|_| lists.len() == 1))?;
        // What has views shows a part of each unless it is told otherwise.
        let is_whole = item == schema && !["view", "projection"].iter().any(|name| method.takes(name));
        let path = Template::of(&method.path(document)).between(prefix, 0);
        Some(Self { method: method.clone(), path, items: (*items).clone(), is_whole })
    }
}

/// Why there is no collection at a way: what there is instead.
fn missing(document: &Document, way: &str) -> String {
    let of = format!("{}.{}", document.name, document.version);
    let (mut open, mut known) = (vec![(String::new(), &document.resources)], Vec::new());
    while let Some((before, resources)) = open.pop() {
        for (name, resource) in resources {
            let way = format!("{before}{name}");
            if resource.methods.contains_key("get") {
                known.push(way.clone());
            }
            open.push((format!("{way}."), &resource.resources));
        }
    }
    let close = trueup_engine::diagnostic::closest(way, known.iter().map(String::as_str));
    let meant = close.map(|close| format!(": `{of}.{close}` is meant, perhaps")).unwrap_or_default();
    format!("Google's API {of} has no `{way}`{meant}")
}

/// Where an API is asked of what is in each location; none where its root knows all of them.
fn roots(document: &Document) -> BTreeMap<String, String> {
    if !prose::is_asked_in_place(&document.name) {
        return BTreeMap::new();
    }
    document.endpoints.iter().map(|one| (one.location.clone(), one.endpoint_url.clone())).collect()
}

/// How many first parts of a path are the API's own and of no thing: its service path, its name, and a version.
fn prefix(document: &Document, path: &Template) -> usize {
    let service = Template::of(&document.service_path).len();
    let is_version =
        |word: &str| word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let begins = if path.word(service) == Some(document.name.as_str()) { service + 1 } else { service };
    let ends = if path.word(begins).is_some_and(is_version) { begins + 1 } else { service };
    ends.min(path.words())
}

/// The fields of a schema.
pub(crate) fn fields(document: &Document, schema: &str) -> Object<String, Json> {
    let found = document.schemas.get(schema).and_then(|schema| schema.get("properties")?.as_object());
    found.cloned().unwrap_or_default()
}

/// The field of what is sent that a thing stands in.
fn inside(document: &Document, sent: &str, schema: &str) -> Option<String> {
    if sent == schema {
        return None;
    }
    let is_it = |field: &Json| field.get("$ref").and_then(Json::as_str) == Some(schema);
    fields(document, sent).into_iter().find(|(_, field)| is_it(field)).map(|(name, _)| name)
}

/// Whether a name is that of an id: `serviceId`, and not that of a request.
fn is_id(name: &str) -> bool {
    name.ends_with("Id") && !["requestId", "projectId", "userProject", "clientOperationId"].contains(&name)
}

/// Whether `serviceId` is the id of one of the `services`.
fn singular(of: &str, name: &str) -> bool {
    let (of, name) = (of.to_lowercase(), name.trim_end_matches("Id").to_lowercase());
    of.starts_with(name.trim_end_matches('y')) || of.ends_with(&format!("{name}s")) || name == "account"
}

/// Whether a field is a map of labels.
fn is_labels(field: Option<&Json>) -> bool {
    let of = field.and_then(|field| field.get("additionalProperties")?.get("type")?.as_str());
    of == Some("string") && is_settable(field)
}

/// Whether a field is there and who makes a thing may say it.
fn is_settable(field: Option<&Json>) -> bool {
    field.is_some_and(|field| !super::schema::is_output(field))
}
