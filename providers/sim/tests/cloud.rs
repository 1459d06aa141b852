//! The cloud is a real one in all but its things.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{House, handle_of, thing};
use trueup_engine::provider::{By, Observation, Progress, Provider, RetrySafety, Target};
use trueup_state::{Address, Applied, Class, Value};

const THING: &str = "Sim::Thing";

#[tokio::test]
async fn every_kind_is_made_looked_at_changed_and_removed() {
    let reference = |kind: &str, attributes: serde_json::Value| json!({ "address": "x", "kind": kind, "provider": "sim", "attributes": attributes });
    let bucket = reference("bucket", json!({ "uri": "sim://b" }));
    let registry = reference("registry", json!({ "uri": "us-east-1.sim.invalid/r" }));
    let hosts = tempfile::tempdir().unwrap();
    let ssh = json!({ "directory": hosts.path(), "ssh": ["127.0.0.1:2201", "127.0.0.1:2202"] });
    let house = House::new(json!({ "prices": { "H100": 4 }, "hosts": ssh }));
    for (kind, spec, edited) in [
        ("bucket", json!({}), json!({ "versioning": true })),
        ("registry", json!({}), json!({ "tags": { "a": "b" } })),
        ("artifact", json!({ "bucket": bucket, "source": "src" }), json!({ "version": "2" })),
        ("image", json!({ "registry": registry, "from": { "reference": "docker://x/y:1" } }), json!({ "tag": ["v2"] })),
        ("gpu_instance", json!({ "gpu": { "model": "H100", "count": 2 } }), json!({ "tags": { "a": "b" } })),
        ("Sim::Network", json!({}), json!({})),
        ("Sim::Model", json!({ "image": "x" }), json!({ "model": "y" })),
        ("Sim::EndpointConfig", json!({ "model": "m" }), json!({ "replicas": { "min": 2 } })),
        ("Sim::Endpoint", json!({ "config": "c", "network": "n" }), json!({ "public": true, "tags": { "a": "b" } })),
        (THING, thing(json!({ "text": "a" })), json!({ "properties": { "text": "b" } })),
    ] {
        let manager = house.manager(kind).await;
        let mut request = house.request(kind, "a", spec);
        let made = manager.create(&request).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let made = house.end(manager.as_ref(), &request, made).await.unwrap().unwrap();
        assert_eq!(made.spec, request.spec, "{kind}");
        for attribute in manager.schema().attribute_names() {
            let optional = ["price_per_hour"].contains(&attribute) && kind != "gpu_instance";
            assert!(optional || made.attributes.get(attribute).is_some(), "{kind}.{attribute}: {:?}", made.attributes);
        }
        let seen = house.look(kind, By::Id(&made.id), Some(&request.spec)).await;
        assert_eq!(seen, Observation::Present(Box::new(made.clone())), "{kind}");

        let Value::Map(map) = &mut request.spec else { panic!("a spec is a map") };
        let Value::Map(edits) = Value::from(edited) else { panic!("a change is a map") };
        map.extend(edits);
        request.id = Some(made.id.clone());
        let progress = manager.update(&request).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let updated = house.end(manager.as_ref(), &request, progress).await.unwrap().unwrap();
        assert_eq!(updated.spec.get("tags"), request.spec.get("tags"));

        assert_eq!(manager.delete(&request).await.unwrap(), Progress::Done(None));
        assert_eq!(house.look(kind, By::Id(&made.id), None).await, Observation::Absent, "{kind}");
        assert_eq!(manager.delete(&request).await.unwrap(), Progress::Done(None), "twice is once");
    }
    let machine = house.make("gpu_instance", "m", json!({ "gpu": { "model": "H100", "count": 2 } })).await.unwrap();
    assert_eq!(machine.attributes.get("price_per_hour"), Some(&json!(8.0).into()));
    // It is the second host; who was the first is gone, and so is what that was told.
    assert_eq!(machine.attributes.get("ssh"), Some(&"127.0.0.1:2202".into()));
    assert!(hosts.path().join("1.json").is_file() && !hosts.path().join("0.json").exists());
}

#[tokio::test]
async fn what_was_made_is_met_by_another_process() {
    let house = House::new(json!({}));
    let made = house.make(THING, "a", thing(json!({ "text": "a" }))).await.unwrap();
    let other = house.again(json!({}));
    assert!(matches!(other.look(THING, By::Id(&made.id), None).await, Observation::Present(_)));
    let seen = other.provider.inspect().await.unwrap().objects().await.unwrap();
    assert_eq!((seen.len(), seen[0].address.as_str()), (1, "a"));
}

#[tokio::test]
async fn a_token_answers_the_same_to_the_same_request_and_refuses_another() {
    let house = House::new(json!({ "pending": { "Sim::Thing": "60s" } }));
    let manager = house.manager(THING).await;
    assert!(matches!(manager.retry_safety(), RetrySafety::ClientToken { .. }));
    let request = house.request(THING, "a", thing(json!({ "text": "a", "secret": "x" })));
    let first = manager.create(&request).await.unwrap();
    // Another process, which knows nothing of the first.
    let repeated =
        house.again(json!({ "pending": { "Sim::Thing": "60s" } })).manager(THING).await.create(&request).await;
    assert_eq!(handle_of(&repeated.unwrap()), handle_of(&first));
    for (field, value) in [("text", json!("b")), ("secret", json!("y"))] {
        let mut other = request.clone();
        other.spec.put(&trueup_state::FieldPath::from_iter(["properties", field]), value.into());
        let error = manager.create(&other).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.applied), ("IdempotentParameterMismatch", Applied::No), "{field}");
    }
    assert_eq!(house.provider.inspect().await.unwrap().objects().await.unwrap().len(), 1);
    // What it made is gone: the token makes nothing new.
    let mut gone = request.clone();
    gone.id = handle_of(&first).map(|handle| handle.0["id"].as_str().unwrap().to_owned());
    manager.delete(&gone).await.unwrap();
    house.clock.pass(Duration::from_secs(61));
    assert_eq!(manager.create(&request).await.unwrap_err().class, Class::Conflict);
    // And after its time it is forgotten.
    house.clock.pass(Duration::from_hours(49));
    assert!(manager.create(&request).await.is_ok());
}

#[tokio::test]
async fn names_are_unique_in_a_region_and_free_again_after_a_delete() {
    let house = House::new(json!({}));
    let first = house.make("bucket", "a", json!({})).await.unwrap();
    let manager = house.manager("bucket").await;
    let mut second = house.request("bucket", "b", json!({}));
    second.name = "name-a".to_owned();
    assert_eq!(manager.create(&second).await.unwrap_err().class, Class::AlreadyExists);
    let elsewhere = house.again(json!({ "region": "eu-west-1" }));
    let mut there = elsewhere.request("bucket", "c", json!({}));
    there.name = "name-a".to_owned();
    assert!(elsewhere.manager("bucket").await.create(&there).await.is_ok());
    let mut delete = house.request("bucket", "a", json!({}));
    delete.id = Some(first.id);
    manager.delete(&delete).await.unwrap();
    assert!(manager.create(&second).await.is_ok());
}

#[tokio::test]
async fn pending_work_goes_on_while_no_process_lives() {
    let settings = json!({ "pending": { "bucket": "90s" } });
    let house = House::new(settings.clone());
    let manager = house.manager("bucket").await;
    let mut request = house.request("bucket", "a", json!({}));
    let made = manager.create(&request).await.unwrap();
    let Progress::Pending { id: Some(id), handle, poll_after, .. } = made.clone() else { panic!("{made:?}") };
    assert_eq!(poll_after, Duration::from_secs(15));
    request.id = Some(id.clone());
    assert_eq!(manager.update(&request).await.unwrap_err().class, Class::Conflict);
    house.clock.pass(Duration::from_secs(91));
    let later = house.again(settings).manager("bucket").await;
    assert!(matches!(later.poll(&request, &handle).await.unwrap(), Progress::Done(Some(_))));
    let going = manager.delete(&request).await.unwrap();
    let handle = handle_of(&going).unwrap();
    assert_eq!(
        handle_of(&manager.delete(&request).await.unwrap()),
        Some(handle.clone()),
        "it is being deleted already"
    );
    assert!(matches!(house.look("bucket", By::Id(&id), None).await, Observation::Present(_)));
    house.clock.pass(Duration::from_secs(91));
    assert_eq!(later.poll(&request, &handle).await.unwrap(), Progress::Done(None));
    assert_eq!(house.look("bucket", By::Id(&id), None).await, Observation::Absent);
}

#[tokio::test]
async fn a_refresh_takes_as_many_calls_as_there_are_pages() {
    let house = House::new(json!({ "page_size": 10 }));
    let mut ids = Vec::new();
    for number in 0..95 {
        ids.push(house.make(THING, &format!("t[{number}]"), thing(json!({ "size": number }))).await.unwrap().id);
    }
    let before = house.calls().await;
    let address = Address::root("any");
    let target = |id| Target { address: &address, generation: 0, by: By::Id(id), sent: None };
    let targets: Vec<Target<'_>> = ids[..90].iter().map(|id| target(id)).collect();
    let observed = house.manager(THING).await.observe(&targets).await.unwrap();
    for (number, observation) in observed.observations.iter().enumerate() {
        let Observation::Present(found) = observation else { panic!("{number}: {observation:?}") };
        assert_eq!(found.id, ids[number]);
    }
    let orphans: Vec<&str> = observed.orphans.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(orphans, ids[90..].iter().map(String::as_str).collect::<Vec<_>>());
    let after = house.calls().await;
    let more = |call: &str| after.get(call).unwrap_or(&0) - before.get(call).unwrap_or(&0);
    assert_eq!((more("describe"), more("list")), (1, 10));
}

#[tokio::test]
async fn lists_lag_behind_and_ids_do_not() {
    let house = House::new(json!({ "list_lag": "5s", "tokenless": [THING] }));
    let request = house.request(THING, "a", thing(json!({})));
    let manager = house.manager(THING).await;
    assert_eq!(manager.retry_safety(), RetrySafety::OwnerTag { grace: Duration::from_secs(5) });
    let made = house.make(THING, "a", thing(json!({}))).await.unwrap();
    assert_eq!(house.look(THING, By::Token(&request.token), None).await, Observation::Absent);
    assert!(matches!(house.look(THING, By::Id(&made.id), None).await, Observation::Present(_)));
    house.clock.pass(Duration::from_secs(5));
    assert!(matches!(house.look(THING, By::Token(&request.token), None).await, Observation::Present(_)));
}

#[tokio::test]
async fn kinds_are_as_untaggable_unlistable_and_named_as_they_are_said_to_be() {
    let house = House::new(
        json!({ "untaggable": [THING], "tokenless": [THING], "unlistable": ["bucket"], "named_by_caller": ["bucket"] }),
    );
    assert_eq!(house.manager(THING).await.retry_safety(), RetrySafety::None);
    assert_eq!(house.manager("bucket").await.retry_safety(), RetrySafety::NamedByCaller);
    let made = house.make(THING, "a", thing(json!({}))).await.unwrap();
    assert!(made.owner.is_empty());
    let again = house.make(THING, "a", thing(json!({}))).await.unwrap();
    assert_ne!(made.id, again.id, "without tokens, twice is two");
    house.make("bucket", "b", json!({})).await.unwrap();
    assert!(matches!(house.look("bucket", By::Name("name-b"), None).await, Observation::Present(_)));
    assert_eq!(house.calls().await.get("list"), None);
}

#[tokio::test]
async fn there_is_no_more_than_the_stock_the_quota_and_the_price_allow() {
    let house = House::new(json!({
        "stockouts": { "us-east-1": ["B200"] },
        "quota": { "us-east-1": { "H100": 4, "bucket": 1 } },
        "prices": { "L4": 1.0 },
    }));
    let machine = |model: &str, count: u32| json!({ "gpu": { "model": model, "count": count } });
    let refused = |address: &'static str, spec| async {
        let made = house.make("gpu_instance", address, spec).await;
        made.map(|_| ()).map_err(|error| (error.class, error.applied))
    };
    assert_eq!(refused("a", machine("B200", 1)).await, Err((Class::NoCapacity, Applied::No)));
    assert_eq!(refused("b", machine("H100", 3)).await, Ok(()));
    assert_eq!(refused("c", machine("H100", 2)).await, Err((Class::Quota, Applied::No)));
    assert_eq!(refused("d", machine("H100", 1)).await, Ok(()));
    let mut dear = machine("L4", 2);
    dear["max_price_per_hour"] = json!(1.5);
    assert_eq!(refused("e", dear).await, Err((Class::NoCapacity, Applied::No)));
    let bucket = house.make("bucket", "f", json!({})).await.unwrap();
    assert_eq!(house.make("bucket", "g", json!({})).await.unwrap_err().class, Class::Quota);
    let mut delete = house.request("bucket", "f", json!({}));
    delete.id = Some(bucket.id);
    house.manager("bucket").await.delete(&delete).await.unwrap();
    let second = house.make("bucket", "g", json!({})).await.unwrap();
    house.provider.inspect().await.unwrap().remove(&second.id).await.unwrap();
    assert!(house.make("bucket", "h", json!({})).await.is_ok(), "what is gone no longer counts, however it went");
}

#[tokio::test]
async fn too_many_calls_are_told_when_to_come_again() {
    let house = House::new(json!({ "rate_limit": { "per_second": 10, "burst": 2 } }));
    let manager = house.manager("bucket").await;
    let create = |address: &str| house.request("bucket", address, json!({}));
    manager.create(&create("a")).await.unwrap();
    manager.create(&create("b")).await.unwrap();
    let error = manager.create(&create("c")).await.unwrap_err();
    let Class::Throttled { retry_after: Some(wait) } = error.class else { panic!("{error:?}") };
    assert_eq!((wait, error.applied), (Duration::from_millis(100), Applied::No));
    house.clock.pass(wait);
    manager.create(&create("c")).await.unwrap();
    // The limit is the cloud's, and no process's.
    let other = house.again(json!({ "rate_limit": { "per_second": 10, "burst": 2 } }));
    assert!(matches!(
        other.manager("bucket").await.create(&create("d")).await.unwrap_err().class,
        Class::Throttled { .. }
    ));
}

/// The cloud's clock goes by milliseconds: a wait of less would end before anything has changed.
#[tokio::test]
async fn whoever_comes_a_hair_too_early_is_told_to_wait_for_more_than_a_hair() {
    let house = House::new(json!({ "rate_limit": { "per_second": 3, "burst": 1 } }));
    house.make("bucket", "a", json!({})).await.unwrap();
    house.clock.pass(Duration::from_millis(333));
    let error = house.make("bucket", "b", json!({})).await.unwrap_err();
    let Class::Throttled { retry_after: Some(wait) } = error.class else { panic!("{error:?}") };
    assert!(wait >= Duration::from_millis(1), "{wait:?}");
    house.clock.pass(wait);
    house.make("bucket", "b", json!({})).await.unwrap();
}

#[tokio::test]
async fn whoever_asks_too_often_is_answered_all_the_same() {
    let house = House::new(json!({ "rate_limit": { "per_second": 1, "burst": 4 }, "page_size": 1 }));
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(house.make("bucket", name, json!({})).await.unwrap().id);
    }
    let manager = house.manager("bucket").await;
    let address: Address = "a".parse().unwrap();
    let target = |id| Target { address: &address, generation: 1, by: By::Id(id), sent: None };
    let targets: Vec<Target<'_>> = ids.iter().map(|id| target(id)).collect();
    let observed = manager.observe(&targets).await.unwrap();
    assert!(observed.observations.iter().all(|one| matches!(one, Observation::Present(_))), "{observed:?}");
    let calls = house.provider.inspect().await.unwrap().calls(0).await.unwrap();
    assert!(calls.iter().any(|call| call.outcome == "ThrottlingException"), "it was one too many");
    assert!(!house.clock.slept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_made_already_is_there_though_there_is_none_left() {
    let none_left = json!([{ "fault": "no_capacity", "call": "create", "after": 1, "times": 2 }]);
    let house = House::new(json!({ "faults": none_left }));
    let manager = house.manager(THING).await;
    let request = house.request(THING, "a", thing(json!({})));
    let made = manager.create(&request).await.unwrap();
    assert_eq!(manager.create(&request).await.unwrap(), made, "by its token");
    let other = house.make(THING, "b", thing(json!({}))).await.unwrap_err();
    assert_eq!((other.class, other.applied), (Class::NoCapacity, Applied::No));
}

#[tokio::test]
async fn what_is_being_made_is_found_as_such() {
    let house = House::new(json!({ "pending": { "bucket": "60s" } }));
    let manager = house.manager("bucket").await;
    let request = house.request("bucket", "a", json!({}));
    let handle = handle_of(&manager.create(&request).await.unwrap()).unwrap();
    let found = async || match house.look("bucket", By::Token(&request.token), None).await {
        Observation::Present(found) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found().await.pending, Some(handle));
    house.clock.pass(Duration::from_mins(1));
    assert_eq!(found().await.pending, None);
}

#[tokio::test]
async fn what_a_script_says_goes_wrong_and_nothing_else() {
    for (fault, class, applied, there) in [
        ("throttled", Class::Throttled { retry_after: None }, Applied::No, false),
        ("transient", Class::Transient, Applied::No, false),
        ("denied", Class::Denied, Applied::No, false),
        ("no_capacity", Class::NoCapacity, Applied::No, false),
        ("lost", Class::Transient, Applied::Unknown, true),
    ] {
        let house = House::new(
            json!({ "faults": [{ "fault": fault, "call": "create", "address": "b", "after": 1, "times": 1 }] }),
        );
        house.make(THING, "a", thing(json!({}))).await.unwrap();
        house.make(THING, "b", thing(json!({}))).await.unwrap();
        let request = house.request(THING, "c", thing(json!({})));
        let mut second = request.clone();
        second.address = "b".parse().unwrap();
        let manager = house.manager(THING).await;
        let error = manager.create(&second).await.unwrap_err();
        assert_eq!((error.class, error.applied), (class, applied), "{fault}");
        let objects = house.provider.inspect().await.unwrap().objects().await.unwrap();
        assert_eq!(objects.iter().any(|object| object.name == "name-c"), there, "{fault}");
        assert!(manager.create(&second).await.is_ok(), "{fault}: only once");
    }
}

#[tokio::test]
async fn what_is_partly_made_is_told_and_what_is_stuck_stays_so() {
    let house =
        House::new(json!({ "faults": [{ "fault": "partly", "address": "a" }, { "fault": "stuck", "address": "b" }] }));
    let error = house.make("bucket", "a", json!({})).await.unwrap_err();
    let Applied::Partly(object) = error.applied else { panic!("{error:?}") };
    assert!(matches!(house.look("bucket", By::Id(object.id.as_deref().unwrap()), None).await, Observation::Present(_)));
    let manager = house.manager("bucket").await;
    let request = house.request("bucket", "b", json!({}));
    let handle = handle_of(&manager.create(&request).await.unwrap()).unwrap();
    house.clock.pass(Duration::from_secs(1_000_000));
    assert!(matches!(manager.poll(&request, &handle).await.unwrap(), Progress::Pending { .. }));
}

#[tokio::test]
async fn faults_by_rate_come_about_as_often_as_they_say() {
    let house = House::new(json!({ "faults": [{ "fault": "transient", "rate": 0.3 }] }));
    let manager = house.manager("bucket").await;
    let mut failed = 0;
    for number in 0..500 {
        failed +=
            usize::from(manager.create(&house.request("bucket", &format!("b[{number}]"), json!({}))).await.is_err());
    }
    assert!((110..=190).contains(&failed), "{failed}");
}

#[tokio::test]
async fn the_cloud_fills_in_and_rewrites_what_it_is_sent() {
    let house = House::new(json!({
        "defaults": { "Sim::Thing": { "properties": { "size": 7 }, "tags": { "by": "cloud" } } },
        "normalise": { "Sim::Thing": { "properties.text": "lower", "properties.items": "sort" } },
    }));
    let made = house.make(THING, "a", thing(json!({ "text": "ABC", "items": ["b", "a"] }))).await.unwrap();
    let expected =
        json!({ "properties": { "text": "abc", "items": ["a", "b"], "size": 7 }, "tags": { "by": "cloud" } });
    assert_eq!(made.spec, expected.into());
}

#[tokio::test]
async fn a_request_that_can_not_be_right_is_refused() {
    let house = House::new(json!({}));
    for spec in
        [thing(json!({ "size": -1 })), thing(json!({ "size": "large" })), json!({ "properties": {}, "colour": "red" })]
    {
        let error = house.make(THING, "a", spec).await.unwrap_err();
        assert!(matches!(error.class, Class::Invalid { field: Some(_) }), "{error:?}");
    }
    let made = house.make(THING, "a", thing(json!({ "shape": "round" }))).await.unwrap();
    let mut request = house.request(THING, "a", thing(json!({ "shape": "square" })));
    request.id = Some(made.id);
    let error = house.manager(THING).await.update(&request).await.unwrap_err();
    assert_eq!(error.code, "ImmutableField");
    request.id = Some("us-east-1/Sim::Thing/nothing".to_owned());
    assert_eq!(house.manager(THING).await.update(&request).await.unwrap_err().class, Class::NotFound);
    assert!(house.provider.scope(&"sim".into(), &json!({ "file": "relative" }).into(), None).is_err());
    assert!(house.provider.scope(&"sim".into(), &json!({ "latency": "fast" }).into(), None).is_err());
}

#[tokio::test]
async fn calls_take_their_time_and_are_logged() {
    let house = House::new(json!({ "latency": "20ms" }));
    house.make("bucket", "a", json!({})).await.unwrap();
    assert_eq!(house.clock.slept.lock().unwrap().as_slice(), [Duration::from_millis(10); 2]);
    let calls = house.provider.inspect().await.unwrap().calls(0).await.unwrap();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!((call.number, call.call.as_str(), call.outcome.as_str()), (1, "create", "ok"));
    assert_eq!((call.address.as_deref(), call.at.0), (Some("a"), 10));
}

#[tokio::test]
async fn no_secret_is_in_the_file() {
    let house = House::new(json!({}));
    let spec = thing(json!({ "secret": "hunter2-canary" }));
    let mut request = house.request(THING, "a", spec);
    let secret = trueup_state::FieldPath::from_iter(["properties", "secret"]);
    request.spec.put(&secret, Value::secret("hunter2-canary".into()));
    let made = house.manager(THING).await.create(&request).await.unwrap();
    let Progress::Done(Some(made)) = made else { panic!("{made:?}") };
    assert_eq!(made.spec, request.spec, "and it is known again");
    for file in std::fs::read_dir(house.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(14).any(|window| window == b"hunter2-canary"));
    }
}

#[tokio::test]
async fn things_can_be_broken_by_hand() {
    let house = House::new(json!({}));
    let made = house.make(THING, "a", thing(json!({ "text": "a" }))).await.unwrap();
    let inspector = house.provider.inspect().await.unwrap();
    assert!(inspector.edit(&made.id, "properties.text", Some(json!("broken"))).await.unwrap());
    assert!(inspector.edit(&made.id, "tags.by", Some(json!("hand"))).await.unwrap());
    let Observation::Present(seen) = house.look(THING, By::Id(&made.id), None).await else { panic!("it is there") };
    assert_eq!(seen.spec, json!({ "properties": { "text": "broken" }, "tags": { "by": "hand" } }).into());
    assert!(inspector.remove(&made.id).await.unwrap());
    assert_eq!(house.look(THING, By::Id(&made.id), None).await, Observation::Absent);
    assert!(!inspector.remove(&made.id).await.unwrap() && !inspector.edit("nothing", "x", None).await.unwrap());
}
