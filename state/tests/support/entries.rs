//! Entries as an engine writes them.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::collections::BTreeMap;

use trueup_state::entry::{Applied, Class, Resolution};
use trueup_state::{
    Address, Declared, Entry, Event, Generation, Handle, Object, Request, Scope, State, Timestamp, Value, Verb,
};

/// When all of it happens.
pub(crate) const AT: Timestamp = Timestamp(1_700_000_000_000);

/// A bucket as a blueprint has it, of about the size that specs have.
pub(crate) fn spec(region: &str) -> Value {
    serde_json::json!({
        "name": "model-weights-production",
        "region": region,
        "versioning": true,
        "lifecycle": [{"prefix": "checkpoints/", "days": 30}, {"prefix": "logs/", "days": 7}],
        "tags": {"team": "research", "cost-center": "ml-42", "trueup:stack": "0123456789abcdef"},
    })
    .into()
}

pub(crate) fn scope() -> Scope {
    let settings =
        BTreeMap::from([("region".to_owned(), "us-east-1".into()), ("project".to_owned(), "research".into())]);
    Scope::at("aws", settings)
}

pub(crate) fn request(verb: Verb, address: &Address, generation: Generation, token: &str, spec: Value) -> Request {
    let exists = verb != Verb::Create;
    Request {
        token: token.into(),
        address: address.clone(),
        kind: "bucket".into(),
        schema_version: 1,
        generation,
        scope: scope(),
        name: format!("llm-serving-{}-1a2b3c4d", address.name()),
        id: exists.then(|| format!("id-of-{}", address.name())),
        before: if exists { spec.clone() } else { Value::Null },
        attributes: if exists { attributes(address) } else { Value::Null },
        check: None,
        spec,
        owner: BTreeMap::from([
            ("trueup:address".to_owned(), address.to_string()),
            ("trueup:generation".to_owned(), generation.to_string()),
            ("trueup:token".to_owned(), token.to_owned()),
        ]),
    }
}

fn attributes(address: &Address) -> Value {
    serde_json::json!({ "uri": format!("s3://{}", address.name()), "arn": format!("arn:aws:s3:::{}", address.name()) })
        .into()
}

pub(crate) fn object(address: &Address, generation: Generation, token: &str, spec: Value) -> Object {
    Object {
        id: Some(format!("id-of-{}", address.name())),
        scope: scope(),
        generation,
        token: token.into(),
        sent: spec.clone(),
        seen: spec,
        attributes: attributes(address),
        made_at: AT,
        price_at_launch: None,
    }
}

fn about(address: &Address, event: Event) -> Entry {
    Entry { at: AT, address: Some(address.clone()), event }
}

pub(crate) fn begin(verb: Verb, address: &Address, generation: Generation, token: &str, spec: Value) -> Entry {
    let request = Box::new(request(verb, address, generation, token, spec));
    about(address, Event::Begin { verb, request, declared: Box::default() })
}

pub(crate) fn submitted(address: &Address, token: &str) -> Entry {
    let handle = Handle(serde_json::json!({ "operation": token }));
    about(address, Event::Submitted { token: token.into(), id: Some("early".to_owned()), handle })
}

pub(crate) fn succeeded(address: &Address, token: &str, object: Option<Object>) -> Entry {
    about(address, Event::Succeeded { token: token.into(), object: object.map(Box::new) })
}

pub(crate) fn failed(address: &Address, token: &str, applied: Applied) -> Entry {
    about(address, Event::Failed { token: token.into(), class: Class::Quota, message: "no more".to_owned(), applied })
}

/// The end of a check that found the object wrong.
pub(crate) fn refuted(address: &Address, token: &str) -> Entry {
    let (class, applied) = (Class::Invalid { field: None }, Applied::No);
    about(address, Event::Failed { token: token.into(), class, message: "too slow".to_owned(), applied })
}

pub(crate) fn parked(address: &Address, token: &str) -> Entry {
    about(address, Event::Parked { token: token.into(), message: "can't be told".to_owned() })
}

pub(crate) fn resolved(address: &Address, token: &str, resolution: Resolution) -> Entry {
    about(address, Event::Resolved { token: token.into(), resolution })
}

pub(crate) fn moved(address: &Address, to: &Address) -> Entry {
    about(address, Event::Moved { to: to.clone() })
}

pub(crate) fn forgotten(address: &Address, generation: Generation) -> Entry {
    about(address, Event::Forgotten { generation })
}

pub(crate) fn annotated(address: &Address, declared: Declared, object: Option<Object>) -> Entry {
    about(address, Event::Annotated { declared: Box::new(declared), object: object.map(Box::new) })
}

pub(crate) fn adopted(address: &Address, declared: Declared, object: Object) -> Entry {
    let (declared, object) = (Box::new(declared), Box::new(object));
    about(address, Event::Adopted { kind: "bucket".into(), schema_version: 1, declared, object })
}

pub(crate) fn restored(state: &State) -> Entry {
    Entry { at: AT, address: None, event: Event::Restored { state: Box::new(state.clone()) } }
}

pub(crate) fn outputs(name: &str, value: Value) -> Entry {
    Entry { at: AT, address: None, event: Event::Outputs { outputs: BTreeMap::from([(name.to_owned(), value)]) } }
}

/// A resource made in one go: its beginning and its end.
pub(crate) fn made(name: &str, spec: Value) -> [Entry; 2] {
    let (address, token) = (Address::root(name), format!("make-{name}"));
    let object = object(&address, 0, &token, spec.clone());
    [begin(Verb::Create, &address, 0, &token, spec), succeeded(&address, &token, Some(object))]
}
