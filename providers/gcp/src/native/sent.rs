//! What is sent to make a thing, and to change it.

use serde_json::{Map as Object, Value as Json};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, FieldPath, Request, Value, codec};

use super::collection::{Mask, Named, Update};
use super::{Natives, change};
use crate::labels;

/// What a call is told in its query, and what it sends.
pub(super) type Told = (Vec<(String, String)>, Json);

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

    /// What an update sends, to what is there; none where nothing changes.
    pub(super) fn changed(
        &self,
        update: &Update,
        request: &Request,
        there: &Object<String, Json>,
    ) -> Result<Option<Told>, ProviderError> {
        let (wanted, mut before) = (self.wanted(request, Some(there))?, said(&request.before)?);
        let labels = self.of.collection.labels.as_ref();
        before.extend(labels.and_then(|name| Some((name.clone(), there.get(name)?.clone()))));
        let is_map = |path: &str| {
            let schema = self.of.schema.field(&FieldPath::parse(&format!("properties.{path}")));
            labels.is_some_and(|labels| labels == path)
                || schema.is_some_and(|schema| schema.get("properties").is_none())
        };
        let change = change::change(&before, there, &wanted, (update.mask, &is_map));
        if change.paths.is_empty() {
            return Ok(None);
        }
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
        Ok(Some((query, body)))
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
