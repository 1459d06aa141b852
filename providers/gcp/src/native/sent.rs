//! What is sent to make a thing, and to change it.

use serde_json::{Map as Object, Value as Json};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, FieldPath, Request, Value, codec};

use super::Natives;
use super::change::{self, Change};
use super::collection::{Mask, Named, Update};
use super::document::Method;
use super::setter::Setter;
use super::template::Template;
use crate::labels;

/// What a call is told in its query, and what it sends.
pub(super) type Told = (Vec<(String, String)>, Json);

/// The name of the call that changes all that no other one sets.
const UPDATE: &str = "update";

/// A call of those that change a thing.
pub(super) struct Next<'a> {
    /// Its name, by which it is known that it was sent.
    pub(super) name: &'a str,
    pub(super) method: &'a Method,
    pub(super) path: &'a Template,
    pub(super) told: Told,
}

impl Natives {
    /// The fields that a request asks for. `there`: those of the thing as it is, if there is one.
    fn wanted(
        &self,
        request: &Request,
        there: Option<&Object<String, Json>>,
    ) -> Result<Object<String, Json>, ProviderError> {
        let mut wanted = said(&request.spec)?;
        let Some(field) = &self.of.collection.labels else { return Ok(wanted) };
        let tags = request.spec.get("tags").and_then(codec::reveal).unwrap_or_default();
        let tags = tags.as_object().cloned().unwrap_or_default();
        let is_new = there.is_none();
        // What a thing was made by stays: it is no change of it.
        let owner = labels::owner(request).into_iter().filter(|(key, _)| is_new || !labels::is_kept(key));
        let kept = there.map(|there| self.labels(there)).unwrap_or_default();
        let kept = kept.into_iter().filter(|(key, _)| labels::is_kept(key));
        let labels: Object<_, _> =
            tags.into_iter().chain(owner.chain(kept).map(|(key, value)| (key, value.into()))).collect();
        if !(labels.is_empty() && is_new) {
            wanted.insert(field.clone(), labels.into());
        }
        Ok(wanted)
    }

    /// What a create sends, and what stands in its query.
    pub(super) fn made_of(&self, request: &Request, id: &str) -> Result<Told, ProviderError> {
        let create = &self.of.collection.create;
        let mut body = Json::Object(self.wanted(request, None)?);
        let (mut query, mut beside) = (self.demanded(&create.method), None);
        match &create.named {
            Named::Path | Named::Server => {}
            Named::Query(name) => query.push((name.clone(), request.name.clone())),
            Named::Beside(name) => beside = Some((name.clone(), request.name.clone())),
            Named::Last(field) => put(&mut body, field, request.name.as_str()),
            Named::Whole(field) => put(&mut body, field, id),
        }
        if create.method.takes("requestId") {
            query.push(("requestId".to_owned(), request.token.to_string()));
        }
        let Some(inside) = &create.inside else { return Ok((query, body)) };
        let mut whole = Object::from_iter([(inside.clone(), body)]);
        whole.extend(beside.map(|(name, id)| (name, Json::from(id))));
        Ok((query, whole.into()))
    }

    /// The next call that brings what is there to what is wanted; none where nothing is left to change. `did`: the calls that were sent already.
    pub(super) fn next(
        &self,
        request: &Request,
        there: &Object<String, Json>,
        did: &[String],
    ) -> Result<Option<Next<'_>>, ProviderError> {
        let of = &self.of.collection;
        let (mut wanted, mut before) = (self.wanted(request, Some(there))?, said(&request.before)?);
        before.extend(of.labels.as_ref().and_then(|name| Some((name.clone(), there.get(name)?.clone()))));
        // What stays as it was made is no part of a change, however Google shows it.
        let is_fixed = |name: &str| self.of.schema.is("x-immutable", &FieldPath::from_iter(["properties", name]));
        for fields in [&mut wanted, &mut before] {
            fields.retain(|name, _| !is_fixed(name));
        }
        let is_map = |path: &str| self.is_map(path);
        let all = change::change(&before, there, &wanted, (Mask::Query, &is_map)).paths;
        let of_setter = |setter: &&Setter| all.iter().any(|path| setter.takes(path));
        for setter in of.setters.iter().filter(of_setter) {
            if !did.contains(&setter.name) {
                let told = (self.demanded(&setter.method), setter.body(&wanted, there));
                return Ok(Some(Next { name: &setter.name, method: &setter.method, path: &setter.path, told }));
            }
        }
        // What a call of its own sets is no part of the update.
        for field in of.setters.iter().map(|setter| &setter.field) {
            wanted.shift_remove(field);
            before.shift_remove(field);
        }
        let Some(update) = &of.update else {
            let left = all.iter().find(|path| !of.setters.iter().any(|setter| setter.takes(path)));
            let message = |left| format!("update {}: Google has no call for `{left}`", self.name());
            return left
                .map_or(Ok(None), |left| Err(ProviderError::new(Class::Invalid { field: None }, message(left))));
        };
        let change = change::change(&before, there, &wanted, (update.mask, &is_map));
        if change.paths.is_empty() || did.iter().any(|name| name == UPDATE) {
            return Ok(None);
        }
        let told = self.updated(update, request, change);
        Ok(Some(Next { name: UPDATE, method: &update.method, path: &of.shape, told }))
    }

    /// Whether there is a map with keys of people's own at a path.
    fn is_map(&self, path: &str) -> bool {
        let schema = self.of.schema.field(&FieldPath::parse(&format!("properties.{path}")));
        self.of.collection.labels.as_deref() == Some(path)
            || schema.is_some_and(|schema| schema.get("properties").is_none())
    }

    /// What an update sends.
    fn updated(&self, update: &Update, request: &Request, change: Change) -> Told {
        let mask = change.paths.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let mut query = self.demanded(&update.method);
        let mut body = Json::Object(change.body);
        if let Some(inside) = &update.inside {
            body = Json::Object(Object::from_iter([(inside.clone(), body)]));
        }
        match update.mask {
            Mask::Query => query.push(("updateMask".to_owned(), mask)),
            Mask::Body => body["updateMask"] = mask.into(),
            Mask::Merge | Mask::All => {}
        }
        if update.method.takes("requestId") {
            query.push(("requestId".to_owned(), request.token.to_string()));
        }
        (query, body)
    }
}

/// The properties of a spec, all of which are known.
fn said(spec: &Value) -> Result<Object<String, Json>, ProviderError> {
    let unknown = || ProviderError::new(Class::Internal, "a part of the spec is not known");
    let body = spec.get("properties").cloned().unwrap_or_default();
    match codec::reveal(&body).ok_or_else(unknown)? {
        Json::Object(map) => Ok(map),
        _ => Ok(Object::new()),
    }
}

/// Puts a text where a path leads to.
fn put(body: &mut Json, path: &str, text: &str) {
    let target = path.split('.').fold(body, |at, step| &mut at[step]);
    *target = text.into();
}
