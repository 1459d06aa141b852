//! Looks at things of a type: by their identifiers, and for what bears owner tags and is asked for by none.
//!
//! That is a list and a read of each thing in it, so it is done only where a resource is looked for that has no identifier.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map as Object, Value as Json};
use trueup_engine::naming::TAG_STACK;
use trueup_engine::provider::{By, Found, Identity, Observation, Observed, ProviderError, Target};
use trueup_state::{Class, FieldPath, Value, codec};

use super::published::{Handler, Pointer, Published};
use super::{Natives, pairs, schema};
use crate::clients::AT_ONCE;
use crate::error::failed;
use crate::tags;

/// By what a thing of a type is known: its identifier, where its spec says all of that; else the tags on it.
pub(super) fn identity(published: &Published, spec: &Value) -> Identity {
    let parts = published.primary_identifier.iter().map(|pointer| said(spec, pointer));
    let name = || schema::name(published).and_then(|pointer| said(spec, pointer));
    match parts.collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty()) {
        Some(parts) => Identity::Is(parts.join(schema::BETWEEN)),
        None => match name().filter(|_| published.can(Handler::List)) {
            Some(name) => Identity::Called(name),
            None if is_searched(published) => Identity::Tags,
            None => Identity::Id,
        },
    }
}

/// A part of an identifier, as a spec says it.
fn said(spec: &Value, pointer: &Pointer) -> Option<String> {
    match spec.get("properties")?.at(&FieldPath::from_iter(pointer.steps()))? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(either) => Some(either.to_string()),
        _ => None,
    }
}

fn is_searched(published: &Published) -> bool {
    published.can(Handler::List) && published.tags().is_some()
}

/// What a list must be told to show what a spec describes; none where the spec does not say it.
fn place(published: &Published, spec: &Value) -> Option<Object<String, Json>> {
    let part = |name: &str| Some((name.to_owned(), codec::reveal(spec.get("properties")?.get(name)?)?));
    let sets = published.listed_under();
    if sets.is_empty() {
        return Some(published.listed_by().into_iter().filter_map(part).collect());
    }
    // Of a choice the first that is said: more than one of it may be refused.
    sets.into_iter().find_map(|set| set.into_iter().map(part).collect())
}

impl Natives {
    /// What is there of each target, and, where one is looked for by its tags, what bears such and is asked for by none.
    pub(super) async fn look_at(&self, targets: &[Target<'_>]) -> Observed {
        let looks: Vec<_> = targets.iter().map(|target| self.look_at_one(target)).collect();
        let mut observations: Vec<Observation> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        if !targets.iter().any(|target| self.is_searched_for(target)) {
            return Observed { observations, orphans: Vec::new() };
        }
        let found = self.search(targets).await;
        for (target, observation) in targets.iter().zip(&mut observations).filter(|(one, _)| self.is_searched_for(one))
        {
            match (&found, self.called(target)) {
                (Ok(found), Some(name)) => *observation = self.of_name(name, found),
                (Ok(_), None) => {}
                (Err(error), _) => *observation = Observation::Indeterminate(error.to_string()),
            }
        }
        let is_seen =
            |id: &str| observations.iter().any(|one| matches!(one, Observation::Present(there) if there.id == id));
        let found = found.unwrap_or_default().into_iter();
        let orphans = found.filter(|found| found.owner.contains_key(TAG_STACK) && !is_seen(&found.id)).collect();
        Observed { observations, orphans }
    }

    async fn look_at_one(&self, target: &Target<'_>) -> Observation {
        // AWS knows nothing by a token of ours but a repeat of its request, nor by a name that we would give.
        let id = match target.by {
            By::Id(id) => id,
            By::Name(name) if target.sent.is_none_or(|spec| self.is_called(name, spec)) => name,
            By::Name(_) | By::Token(_) => return Observation::Absent,
        };
        match self.look(id).await {
            Ok(Some(found)) => Observation::Present(Box::new(found)),
            Ok(None) => Observation::Absent,
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }

    fn is_called(&self, name: &str, spec: &Value) -> bool {
        identity(&self.of.published, spec) == Identity::Is(name.to_owned())
    }

    /// Whether a target takes a list of all that is there.
    fn is_searched_for(&self, target: &Target<'_>) -> bool {
        let by_tags = |spec| identity(&self.of.published, spec) == Identity::Tags;
        matches!(target.by, By::Name(_)) && (target.sent.is_some_and(by_tags) || self.called(target).is_some())
    }

    /// The name that a target is looked for by, where its spec says so and AWS does not know it by that.
    fn called<'a>(&self, target: &Target<'a>) -> Option<&'a str> {
        let By::Name(name) = target.by else { return None };
        (identity(&self.of.published, target.sent?) == Identity::Called(name.to_owned())).then_some(name)
    }

    /// What has a name.
    fn of_name(&self, name: &str, found: &[Found]) -> Observation {
        let has_it = |found: &&Found| matches!(identity(&self.of.published, &found.spec), Identity::Called(other) if other == name);
        let named: Vec<&Found> = found.iter().filter(has_it).collect();
        match named[..] {
            [] => Observation::Absent,
            [one] => Observation::Present(Box::new(one.clone())),
            [..] => {
                let ids: Vec<&str> = named.iter().map(|found| found.id.as_str()).collect();
                Observation::Indeterminate(format!("several are called `{name}`: {}", ids.join(", ")))
            }
        }
    }

    /// What bears owner tags, anybody's, or has a name that is looked for, in all that targets may be in.
    async fn search(&self, targets: &[Target<'_>]) -> Result<Vec<Found>, ProviderError> {
        let specs = targets.iter().filter(|target| self.is_searched_for(target)).filter_map(|target| target.sent);
        let places: BTreeSet<String> = specs
            .filter_map(|spec| place(&self.of.published, spec))
            .map(|place| Json::Object(place).to_string())
            .collect();
        let names: BTreeSet<&str> = targets.iter().filter_map(|target| self.called(target)).collect();
        let mut ids = BTreeSet::new();
        for place in places {
            ids.extend(self.list(&place, |shown| self.may_be_owned(shown) || self.may_be_called(shown, &names)).await?);
        }
        targets.iter().for_each(|target| {
            if let By::Id(id) = target.by {
                ids.remove(id);
            }
        });
        let looks: Vec<_> = ids.iter().map(|id| self.look(id)).collect();
        let found: Vec<Option<Found>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Everything of the type, whoever's.
    pub(super) async fn all(&self) -> Result<Vec<Found>, ProviderError> {
        let ids = self.list("{}", |_| true).await?;
        let looks: Vec<_> = ids.iter().map(|id| self.look(id)).collect();
        let found: Vec<Option<Found>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The identifiers of the things in a place that are wanted, by what a list shows of each.
    async fn list(&self, place: &str, is_wanted: impl Fn(Option<&str>) -> bool) -> Result<Vec<String>, ProviderError> {
        let call = self.clients.cloud_control.reads.list_resources().type_name(self.name());
        let call = call.set_resource_model((place != "{}").then(|| place.to_owned()));
        let mut pages = call.into_paginator().send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(|error| failed(&format!("list {}", self.name()), &error)) {
                Ok(page) => page,
                // What it is listed under is gone.
                Err(error) if error.class == Class::NotFound => return Ok(ids),
                Err(error) => return Err(error),
            };
            let listed = page.resource_descriptions().iter();
            let wanted = listed.filter(|described| is_wanted(described.properties()));
            ids.extend(wanted.filter_map(|described| described.identifier().map(str::to_owned)));
        }
        Ok(ids)
    }

    /// Whether a thing has one of some names, or may have, as far as a list shows it.
    fn may_be_called(&self, shown: Option<&str>, names: &BTreeSet<&str>) -> bool {
        let shown: Option<Json> = shown.and_then(|text| serde_json::from_str(text).ok());
        let name = schema::name(&self.of.published).and_then(|pointer| shown.as_ref()?.get(pointer.top())?.as_str());
        !names.is_empty() && name.is_none_or(|name| names.contains(name))
    }

    /// Whether owner tags are on a thing, or may be, as far as a list shows it: most show little more than the identifier.
    fn may_be_owned(&self, shown: Option<&str>) -> bool {
        let shown: Option<Json> = shown.and_then(|text| serde_json::from_str(text).ok());
        let Some(place) = self.of.published.tags() else { return false };
        let Some(there) = shown.and_then(|mut shown| shown.get_mut(&place.property).map(Json::take)) else {
            return true;
        };
        tags::apart(pairs(&place.form, Some(there))).0.contains_key(TAG_STACK)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn published(identifier: &Json, handlers: &Json) -> Published {
        let tag = json!({ "type": "object", "properties": { "Key": {}, "Value": {} } });
        serde_json::from_value(json!({
            "typeName": "AWS::Test::Thing",
            "properties": { "Name": {}, "Port": {}, "Id": {}, "Tags": { "type": "array", "items": tag } },
            "primaryIdentifier": identifier,
            "handlers": handlers,
        }))
        .unwrap()
    }

    #[test]
    fn an_identifier_is_known_where_a_spec_says_all_of_it() {
        let of = |identifier: Json, properties: Json| {
            let spec = json!({ "properties": properties }).into();
            identity(&published(&identifier, &json!({ "list": {} })), &spec)
        };
        let both = json!(["/properties/Name", "/properties/Port"]);
        assert_eq!(of(both.clone(), json!({ "Name": "a", "Port": 80 })), Identity::Is("a|80".to_owned()));
        assert_eq!(of(both, json!({ "Name": "a" })), Identity::Tags);
        assert_eq!(of(json!(["/properties/Name"]), json!({ "Name": "" })), Identity::Tags);
        assert_eq!(of(json!([]), json!({ "Name": "a" })), Identity::Tags);
        let unlisted = published(&json!(["/properties/Id"]), &json!({}));
        assert_eq!(identity(&unlisted, &json!({ "properties": {} }).into()), Identity::Id);
        let secret = [("Name".to_owned(), Value::secret("HUNTER2".into()))];
        let spec = [("properties".to_owned(), Value::Map(secret.into()))];
        assert_eq!(
            identity(&published(&json!(["/properties/Name"]), &json!({})), &Value::Map(spec.into())),
            Identity::Id
        );
    }

    #[test]
    fn what_is_known_otherwise_may_be_called_something() {
        let of = |handlers: Json, properties: Json| {
            let mut published = published(&json!(["/properties/Id"]), &handlers);
            published.create_only_properties = serde_json::from_value(json!(["/properties/Name"])).unwrap();
            identity(&published, &json!({ "properties": properties }).into())
        };
        assert_eq!(of(json!({ "list": {} }), json!({ "Name": "a" })), Identity::Called("a".to_owned()));
        assert_eq!(of(json!({ "list": {} }), json!({ "Port": 1 })), Identity::Tags);
        assert_eq!(of(json!({}), json!({ "Name": "a" })), Identity::Id);
    }

    #[test]
    fn what_a_list_needs_is_taken_from_the_spec() {
        let under = json!({ "list": { "handlerSchema": { "required": ["Name"] } } });
        let of = |properties: Json| {
            let spec = json!({ "properties": properties }).into();
            place(&published(&json!(["/properties/Id"]), &under), &spec).map(Json::Object)
        };
        assert_eq!(of(json!({ "Name": "a", "Port": 1 })), Some(json!({ "Name": "a" })));
        assert_eq!(of(json!({ "Port": 1 })), None);
    }

    #[test]
    fn of_a_choice_a_list_is_told_what_the_spec_says_and_no_more() {
        let choice = json!([{ "required": ["Name"] }, { "required": ["Id"] }]);
        let under = json!({ "list": { "handlerSchema": { "required": ["Port"], "oneOf": choice } } });
        let published = published(&json!(["/properties/Id"]), &under);
        let of = |properties: Json| place(&published, &json!({ "properties": properties }).into()).map(Json::Object);
        assert_eq!(of(json!({ "Id": "i", "Port": 1 })), Some(json!({ "Port": 1, "Id": "i" })));
        assert_eq!(of(json!({ "Id": "i", "Name": "a", "Port": 1 })), Some(json!({ "Port": 1, "Name": "a" })));
        assert_eq!(of(json!({ "Port": 1 })), None);
        assert_eq!(of(json!({ "Name": "a" })), None);
    }

    #[test]
    fn what_a_list_may_be_told_is_told_where_it_stays() {
        let may = json!({ "list": { "handlerSchema": { "properties": { "Name": {}, "Port": {} } } } });
        let mut published = published(&json!(["/properties/Id"]), &may);
        published.create_only_properties = serde_json::from_value(json!(["/properties/Name"])).unwrap();
        let of = |properties: Json| place(&published, &json!({ "properties": properties }).into()).map(Json::Object);
        assert_eq!(
            of(json!({ "Name": "a", "Port": 1 })),
            Some(json!({ "Name": "a" })),
            "a port may have changed since"
        );
        assert_eq!(of(json!({ "Port": 1 })), Some(json!({})));
    }
}
