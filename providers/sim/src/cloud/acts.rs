//! What calls do. Nothing is written before all that may fail has been looked at, so that a call that fails leaves nothing behind.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::naming::TAG_STACK;
use trueup_engine::provider::{Found, Progress, ProviderError};
use trueup_engine::schema::{Effect, Schema};
use trueup_state::{Class, Handle, Request, Timestamp, Value, Verb};

use super::rows::Use;
use super::{Asked, Key, Page, Session, internal, unavailable};
use crate::attributes::{self, attributes, gpus, normalise, notes};
use crate::host::Host;
use crate::manager::VALID_FOR;
use crate::object::{Object, Work, shown, stored};
use crate::settings::What;
use crate::storage::Table;

type Answer = Result<Progress, ProviderError>;

/// The longest that a caller is told to wait before it asks after pending work again.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

fn error(class: Class, code: &str, message: impl Into<String>) -> ProviderError {
    ProviderError::new(class, message).code(code)
}

fn invalid(field: Option<String>, code: &str, message: impl Into<String>) -> ProviderError {
    error(Class::Invalid { field }, code, message)
}

/// Makes an object. A token that was used before answers with what it made, if the request is the same.
pub(super) async fn create(session: &mut Session<'_>, request: &Request) -> Answer {
    checked(request)?;
    let settings = session.place.settings.clone();
    let takes_tokens = !settings.tokenless.contains(&session.place.kind);
    let same = digest(request, &session.rows.salt);
    if takes_tokens && let Some(made) = used(session, request).await? {
        if made.digest != same {
            let message = "this token was used for another request";
            return Err(invalid(None, "IdempotentParameterMismatch", message));
        }
        session.logged.object = Some(made.id.clone());
        let object = live(session, &made.id).await?;
        let object = object.ok_or_else(|| error(Class::Conflict, "TokenUsedUp", "what this token made is gone"))?;
        return Ok(progress(session, &object, request));
    }
    is_sold_out(session)?;
    let mut spec = stored(&request.spec, &session.rows.salt);
    normalise(&session.place.kind, &mut spec, &settings);
    check_room(session, &spec).await?;
    let name_key = format!("{}/{}/{}", session.place.region, session.place.kind, request.name);
    let has_name = takes_tokens || settings.named_by_caller.contains(&session.place.kind);
    if has_name
        && let Some(id) = session.rows.get::<String>(Table::Names, &name_key).await.map_err(unavailable)?
        && live(session, &id).await?.is_some()
    {
        return Err(error(Class::AlreadyExists, "AlreadyExists", format!("the name `{}` is taken", request.name)));
    }
    let number = session.rows.next("object").await.map_err(unavailable)?;
    let mut object = new_object(session, request, spec, number);
    session.logged.object = Some(object.id.clone());
    give_host(session, &mut object, request).await?;
    write(session, &object).await?;
    session.rows.put(Table::Names, &name_key, &object.id).await.map_err(unavailable)?;
    let made = Use { digest: same, id: object.id.clone(), at: session.now };
    session.rows.put(Table::Tokens, request.token.as_str(), &made).await.map_err(unavailable)?;
    session.rows.count(&object, 1).await.map_err(unavailable)?;
    if object.whole {
        return Ok(progress(session, &object, request));
    }
    Err(partly(session, &object, request))
}

/// Fails where there is to be none left. What a token has made already is there all the same.
fn is_sold_out(session: &Session<'_>) -> Result<(), ProviderError> {
    if session.fault == Some(What::NoCapacity) {
        return Err(error(Class::NoCapacity, "InsufficientCapacity", "there is none left there"));
    }
    Ok(())
}

/// What is wrong with a request whoever sends it.
fn checked(request: &Request) -> Result<&'static Schema, ProviderError> {
    let kind = request.kind.as_str();
    let schema = attributes::schema_of(kind)
        .ok_or_else(|| invalid(None, "UnknownKind", format!("this cloud makes no `{kind}`")))?;
    match schema.problems(&request.spec).into_iter().next() {
        Some(problem) => Err(invalid(Some(problem.path.to_string()), "ValidationException", problem.message)),
        None => Ok(schema),
    }
}

/// What the request's token was used for, if the cloud still knows.
async fn used(session: &mut Session<'_>, request: &Request) -> Result<Option<Use>, ProviderError> {
    let made = session.rows.get::<Use>(Table::Tokens, request.token.as_str()).await.map_err(unavailable)?;
    Ok(made.filter(|made| session.now.since(made.at) < VALID_FOR))
}

/// What tells one request from another.
fn digest(request: &Request, salt: &str) -> String {
    let spec = stored(&request.spec, salt);
    let scope: Vec<String> = request.scope.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = json!([request.kind.as_str(), request.name, scope, spec, request.owner]).to_string();
    hex::encode(Sha256::digest(text))
}

/// Whether the region has what an object needs.
async fn check_room(session: &mut Session<'_>, spec: &Json) -> Result<(), ProviderError> {
    let (place, settings) = (session.place, session.place.settings.clone());
    let (model, gpu_count) = if place.kind == kinds::GpuInstance::NAME { gpus(spec) } else { (String::new(), 0) };
    if settings.stockouts.get(&place.region).is_some_and(|models| models.contains(&model)) {
        let message = format!("{} has no {model} left", place.region);
        return Err(error(Class::NoCapacity, "InsufficientInstanceCapacity", message));
    }
    if let (Some(most), Some(price)) = (spec["max_price_per_hour"].as_f64(), settings.prices.get(&model)) {
        let price = price * f64::from(gpu_count);
        if price > most {
            let message = format!("it costs {price} US dollars an hour, and {most} is the most");
            return Err(error(Class::NoCapacity, "PriceTooHigh", message));
        }
    }
    for (what, more) in [(place.kind.as_str(), 1), (model.as_str(), gpu_count)] {
        let Some(most) = settings.quota.get(&place.region).and_then(|quota| quota.get(what)) else { continue };
        let key = format!("{}/{what}", place.region);
        let there = session.rows.get::<u32>(Table::Counts, &key).await.map_err(unavailable)?.unwrap_or_default();
        if there.saturating_add(more) > *most {
            let message = format!("the quota of {} is {most} of {what}, and {there} are there", place.region);
            return Err(error(Class::Quota, "QuotaExceeded", message));
        }
    }
    Ok(())
}

fn new_object(session: &Session<'_>, request: &Request, spec: Json, number: u64) -> Object {
    let place = session.place;
    let lineage = request.owner.get(TAG_STACK).map_or("", String::as_str);
    let taggable = !place.settings.untaggable.contains(&place.kind);
    Object {
        id: format!("{}{number:08x}", owned_by(place, if taggable { lineage } else { "" })),
        kind: place.kind.clone(),
        region: place.region.clone(),
        name: request.name.clone(),
        address: request.address.to_string(),
        notes: notes(&place.kind, &spec, number, &place.settings),
        spec,
        owner: if taggable { request.owner.clone() } else { BTreeMap::new() },
        token: request.token.to_string(),
        host: None,
        made_at: session.now,
        work: work(session, Verb::Create),
        whole: session.fault != Some(What::Partly),
        revision: 0,
    }
}

/// Lets a machine be one of the hosts that there are for them, if there are any.
async fn give_host(session: &mut Session<'_>, object: &mut Object, request: &Request) -> Result<(), ProviderError> {
    let is_machine = object.kind == kinds::GpuInstance::NAME;
    let settings = session.place.settings.clone();
    let Some(hosts) = settings.hosts.as_ref().filter(|_| is_machine) else {
        let message = "no machine stands for it that could be checked: say `hosts` of `sim`, or leave out `validate`";
        return if is_machine && request.check.is_some() { Err(invalid(None, "NoHost", message)) } else { Ok(()) };
    };
    let number = session.rows.next("host").await.map_err(unavailable)?;
    object.host = Host::of(hosts, number);
    object.host.as_ref().map_or(Ok(()), |host| host.start(&object.id, request))
}

/// What the ids of an owner's objects begin with.
pub(super) fn owned_by(place: &super::Place, lineage: &str) -> String {
    let digest = if lineage.is_empty() {
        [0; 4]
    } else {
        let whole = Sha256::digest(lineage);
        [whole[0], whole[1], whole[2], whole[3]]
    };
    format!("{}/{}/{}", place.region, place.kind, hex::encode(digest))
}

/// The work that a call leaves to be done.
fn work(session: &Session<'_>, verb: Verb) -> Option<Work> {
    if session.fault == Some(What::Stuck) {
        return Some(Work { verb, until: None });
    }
    let span = session.settings().pending.get(&session.place.kind).map(kinds::Span::duration).unwrap_or_default();
    let until = Some(session.now.plus(span));
    (verb == Verb::Delete || !span.is_zero()).then_some(Work { verb, until })
}

async fn write(session: &mut Session<'_>, object: &Object) -> Result<(), ProviderError> {
    session.rows.put(Table::Objects, &object.id, object).await.map_err(unavailable)
}

/// An object that is there.
async fn live(session: &mut Session<'_>, id: &str) -> Result<Option<Object>, ProviderError> {
    let object = session.rows.get::<Object>(Table::Objects, id).await.map_err(unavailable)?;
    Ok(object.filter(|object| !object.is_gone(session.now)))
}

/// Changes an object to what the request says.
pub(super) async fn update(session: &mut Session<'_>, request: &Request) -> Answer {
    let schema = checked(request)?;
    is_sold_out(session)?;
    let id = request.id.as_deref().unwrap_or_default();
    let mut object = live(session, id).await?.ok_or_else(|| error(Class::NotFound, "NotFound", "it is not there"))?;
    if object.is_busy(session.now) {
        return Err(error(Class::Conflict, "OperationInProgress", "something is being done to it"));
    }
    let mut spec = stored(&request.spec, &session.rows.salt);
    normalise(&session.place.kind, &mut spec, &session.place.settings);
    if let Effect::Replace(paths) = schema.effect(&object.spec.clone().into(), &spec.clone().into()) {
        let field = paths.first().map(ToString::to_string);
        return Err(invalid(field, "ImmutableField", "this can't be changed in place"));
    }
    let number = object.notes["host"].as_u64().unwrap_or_default();
    object.notes = notes(&object.kind, &spec, number, &session.place.settings);
    object.spec = spec;
    if !object.owner.is_empty() {
        object.owner.clone_from(&request.owner);
    }
    object.revision += 1;
    object.whole = true;
    object.work = work(session, Verb::Update);
    write(session, &object).await?;
    Ok(progress(session, &object, request))
}

/// Removes an object. One that is not there is removed already.
pub(super) async fn delete(session: &mut Session<'_>, request: &Request) -> Answer {
    let id = request.id.as_deref().unwrap_or_default();
    let Some(mut object) = live(session, id).await? else { return Ok(Progress::Done(None)) };
    let going = object.work.is_some_and(|work| work.verb == Verb::Delete);
    if !going {
        if let Some(host) = &object.host {
            host.end(&object.id);
        }
        object.work = work(session, Verb::Delete);
        session.rows.count(&object, -1).await.map_err(unavailable)?;
    }
    if object.is_gone(session.now) {
        session.rows.remove(Table::Objects, &object.id).await.map_err(unavailable)?;
        return Ok(Progress::Done(None));
    }
    write(session, &object).await?;
    Ok(progress(session, &object, request))
}

/// What a machine has left where its stack can read it.
pub(super) async fn left(session: &mut Session<'_>, id: &str) -> Result<Option<Vec<u8>>, ProviderError> {
    let object = live(session, id).await?;
    Ok(object.and_then(|object| object.host?.read_left(&object.id)))
}

/// Asks after the work that a handle stands for.
pub(super) async fn poll(session: &mut Session<'_>, request: &Request, handle: &Handle) -> Answer {
    let id = handle.0["id"].as_str().unwrap_or_default();
    session.logged.object = Some(id.to_owned());
    let deletes = handle.0["verb"] == "delete";
    match live(session, id).await? {
        Some(object) => Ok(progress(session, &object, request)),
        None if deletes => Ok(Progress::Done(None)),
        None => Err(error(Class::NotFound, "NotFound", "it was deleted meanwhile")),
    }
}

/// How far the work with an object is.
fn progress(session: &Session<'_>, object: &Object, request: &Request) -> Progress {
    let Some(work) = object.work.filter(|work| work.goes_on(session.now)) else {
        return Progress::Done(Some(Box::new(found(object, Some(&request.spec), session.now, &session.rows.salt))));
    };
    let left = work.until.map_or(LONGEST_WAIT, |until| until.since(session.now));
    Progress::Pending {
        id: Some(object.id.clone()),
        handle: handle(object, work),
        poll_after: left.min(LONGEST_WAIT),
        amount: None,
        note: Some(object.status(session.now, "running").to_owned()),
    }
}

/// What to ask after while work goes on.
fn handle(object: &Object, work: Work) -> Handle {
    Handle(json!({ "id": object.id, "verb": work.verb.as_str() }))
}

fn partly(session: &Session<'_>, object: &Object, request: &Request) -> ProviderError {
    let found = found(object, Some(&request.spec), session.now, &session.rows.salt);
    error(Class::Internal, "PartlyMade", "it was only partly made").partly(request, found)
}

/// An object as the caller sees it.
pub(super) fn found(object: &Object, sent: Option<&Value>, now: Timestamp, salt: &str) -> Found {
    let mut spec = shown(&object.spec, sent, salt);
    // What is written and never read back.
    if let (Value::Map(map), Some(schema)) = (&mut spec, attributes::schema_of(&object.kind)) {
        map.retain(|name, _| !schema.is("x-write-only", &trueup_state::FieldPath::root().field(name)));
    }
    // Of two that are the same, one is kept.
    let spec = sent.filter(|sent| **sent == spec).cloned().unwrap_or(spec);
    let mut attributes = attributes(object, now);
    if let (Some(map), Some(schema)) = (attributes.as_object_mut(), attributes::schema_of(&object.kind)) {
        map.retain(|name, value| !value.is_null() && schema.has_attribute(name));
    }
    let work = object.work.filter(|work| work.verb != Verb::Delete && work.goes_on(now));
    let pending = work.map(|work| handle(object, work));
    Found { id: object.id.clone(), spec, attributes: attributes.into(), owner: object.owner.clone(), pending }
}

/// Whether lists and searches show an object yet.
fn is_listed(session: &Session<'_>, object: &Object, now: Timestamp) -> bool {
    let lag = session.settings().list_lag.as_ref().map(kinds::Span::duration).unwrap_or_default();
    now.since(object.made_at) >= lag
}

/// Objects by what they are asked for.
pub(super) async fn describe(
    session: &mut Session<'_>,
    asked: &[Asked<'_>],
) -> Result<Vec<Option<Found>>, ProviderError> {
    if asked.len() > session.settings().page_size() {
        return Err(invalid(None, "TooManyIds", "this asks for more than a page"));
    }
    let mut all = Vec::with_capacity(asked.len());
    for (key, sent) in asked {
        let id = match key {
            Key::Id(id) => Some((*id).to_owned()),
            Key::Token(token) => {
                let made = session.rows.get::<Use>(Table::Tokens, token.as_str()).await.map_err(unavailable)?;
                // A token is found by the owner tag that holds it.
                made.map(|made| made.id).filter(|_| !session.settings().untaggable.contains(&session.place.kind))
            }
            Key::Name(name) => {
                let key = format!("{}/{}/{name}", session.place.region, session.place.kind);
                session.rows.get::<String>(Table::Names, &key).await.map_err(unavailable)?
            }
        };
        let object = match id {
            Some(id) => live(session, &id).await?,
            None => None,
        };
        let by_id = matches!(key, Key::Id(_));
        let mine = |object: &Object| object.kind == session.place.kind && object.region == session.place.region;
        let object = object.filter(|object| mine(object) && (by_id || is_listed(session, object, session.now)));
        all.push(object.map(|object| found(&object, *sent, session.now, &session.rows.salt)));
    }
    Ok(all)
}

/// A page of what an owner has.
pub(super) async fn list(session: &mut Session<'_>, lineage: &str, after: &str) -> Result<Page, ProviderError> {
    if session.settings().unlistable.contains(&session.place.kind) {
        return Err(internal("this kind can't be listed"));
    }
    let size = session.settings().page_size();
    let prefix = owned_by(session.place, lineage);
    let mut objects = session.rows.objects(&prefix, after, size).await.map_err(unavailable)?;
    let next = if objects.len() < size { None } else { objects.last().map(|object| object.id.clone()) };
    objects.retain(|object| !object.is_gone(session.now) && is_listed(session, object, session.now));
    Ok(Page { objects, now: session.now, salt: session.rows.salt.clone(), next })
}
