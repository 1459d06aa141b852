//! What holds after every run, whatever befell it: told from the cloud's own books.

use std::collections::{BTreeMap, BTreeSet};

use trueup_engine::naming::TAG_STACK;
use trueup_provider_sim::{Call, Seen};
use trueup_state::State;

use crate::storage::{is_sound, unlike, unsent};
use crate::world::{FOREIGN, World};

/// What is wrong now.
pub(crate) async fn broken(world: &World) -> Vec<String> {
    let mut wrongs = std::mem::take(&mut world.ledger().wrongs);
    let inspector = world.inspector().await;
    let objects = inspector.objects().await.expect("memory can be read");
    let seen = world.ledger().calls;
    let calls = inspector.calls(seen).await.expect("memory can be read");
    wrongs.extend(made_twice(world, &calls));
    if let Some(state) = world.state().await {
        wrongs.extend(disowned(&state, &objects));
        wrongs.extend(lost(world, &state, &objects));
    }
    wrongs.extend(is_sound(world).await.err());
    wrongs
}

/// One operation makes one object.
fn made_twice(world: &World, calls: &[Call]) -> Vec<String> {
    let mut ledger = world.ledger();
    let mut wrongs = Vec::new();
    for call in calls {
        ledger.count(format!("{}: {}", call.call, call.outcome));
        ledger.calls = call.number;
        if call.outcome == "IdempotentParameterMismatch" {
            wrongs.push(format!("the token {:?} was used for another request of {:?}", call.token, call.address));
        }
        let is_made = call.call == "create" && matches!(call.outcome.as_str(), "ok" | "ReplyLost" | "PartlyMade");
        let (Some(token), Some(object), true) = (&call.token, &call.object, is_made) else { continue };
        let first = ledger.made.insert(token.clone(), object.clone()).filter(|first| first != object);
        // What somebody took away meanwhile may be made again.
        let first = first.filter(|first| !ledger.touched.contains(first));
        wrongs.extend(first.map(|first| format!("{:?} was made twice: {first} and {object}", call.address)));
    }
    wrongs
}

/// Every object is owned by one record, or by an operation that has not ended.
fn disowned(state: &State, objects: &[Seen]) -> Vec<String> {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for record in state.records.values() {
        for id in record.objects().filter_map(|object| object.id.as_deref()) {
            owners.entry(id).or_default().push(record.address.to_string());
        }
    }
    let is_ours = |object: &&Seen| {
        let owner = object.owner.get(TAG_STACK);
        object.address != FOREIGN && owner.is_none_or(|owner| *owner == state.lineage)
    };
    let wrong = |object: &Seen| match owners.get(object.id.as_str()).map_or(&[][..], Vec::as_slice) {
        [_] => None,
        [] if state.open.keys().any(|token| token.as_str() == object.token) => None,
        [] => Some(format!("{} of {} is nobody's", object.id, object.address)),
        several => Some(format!("{} is recorded at {}", object.id, several.join(" and "))),
    };
    objects.iter().filter(is_ours).filter_map(wrong).collect()
}

/// What is recorded is there, unless somebody took it away or it is being deleted.
fn lost(world: &World, state: &State, objects: &[Seen]) -> Vec<String> {
    let ledger = world.ledger();
    let there: BTreeSet<&str> = objects.iter().map(|seen| seen.id.as_str()).collect();
    let mut wrongs = Vec::new();
    for record in state.records.values() {
        for id in record.objects().filter_map(|object| object.id.as_deref()) {
            let is_there = there.contains(id);
            let is_going = state.open.values().any(|open| open.request.id.as_deref() == Some(id));
            if !is_there && !is_going && !ledger.touched.contains(id) {
                wrongs.push(format!("{id} is recorded at {}, and is not there", record.address));
            }
        }
    }
    wrongs
}

/// What is recorded is what is there, to the last field, and what was sent last has come about.
pub(crate) async fn differing(world: &World) -> Vec<String> {
    let Some(state) = world.state().await else { return Vec::new() };
    let objects = world.inspector().await.objects().await.expect("memory can be read");
    let mut wrongs = Vec::new();
    for record in state.records.values() {
        if !record.deposed.is_empty() {
            wrongs.push(format!("{} has deposed objects left", record.address));
        }
        let Some(object) = record.current.as_ref().filter(|object| object.id.is_some()) else { continue };
        let found = objects.iter().find(|seen| Some(&seen.id) == object.id.as_ref());
        let is_clear = object.id.as_ref().is_none_or(|id| !world.ledger().blurred.contains(id));
        let unsent = || unsent(object, found.filter(|_| is_clear)?);
        let wrong = unlike(object, found, Some(&state.lineage)).or_else(unsent);
        wrongs.extend(wrong.map(|wrong| format!("{}: {wrong}", record.address)));
    }
    wrongs
}
