//! What a person does to a state by hand: no provider is called, and what would lose something is refused.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::crash::Moment;
use support::{End, House, action, address, blueprint, operations, stack, using};
use trueup_engine::EngineError;
use trueup_engine::by_hand::{ByHandError, forgettable, recorded, renamings};
use trueup_engine::plan::Action;
use trueup_state::State;

const MODULE: &str = "blueprint: m\nresources:\n  x: { kind: box }\n  y: { kind: named, host: '{{ x.id }}' }\n";

/// Moves, and says what moved where.
async fn rename(house: &House, from: &str, to: &str) -> Result<Vec<String>, ByHandError> {
    let (engine, holder) = (house.engine(), house.holder());
    match engine.rename(&stack(), &holder, &address(from), &address(to)).await {
        Ok(renamings) => Ok(renamings.iter().map(|renaming| format!("{} -> {}", renaming.from, renaming.to)).collect()),
        Err(EngineError::ByHand(error)) => Err(error),
        Err(error) => panic!("{error:#?}"),
    }
}

async fn renamed(house: &House, from: &str, to: &str) -> Vec<String> {
    house.cloud.take_calls();
    let renamings = rename(house, from, to).await.unwrap();
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    renamings
}

/// Refuses, and leaves the state as it is.
async fn unmoved(house: &House, from: &str, to: &str) -> (String, Option<String>) {
    let before = house.state().await;
    let error = rename(house, from, to).await.unwrap_err();
    assert_eq!(house.state().await, before, "{error}");
    (error.to_string(), error.help())
}

#[tokio::test(start_paused = true)]
async fn a_resource_moves_and_who_depends_on_it_follows() {
    let house = House::new();
    let text = |name: &str| {
        blueprint(&[&format!("{name}: {{ kind: box }}"), &format!("r: {{ kind: box, host: '{{{{ {name}.id }}}}' }}")])
    };
    house.up(&text("a")).await;
    assert_eq!(renamed(&house, "a", "b").await, ["a -> b"]);
    house.settled(&text("b")).await;
    assert_eq!(renamed(&house, "b", "a").await, ["b -> a"], "and back");
    house.settled(&text("a")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_moves_out_of_its_block_and_another_in() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x, y] }", "b: { kind: box }"])).await;
    assert_eq!(renamed(&house, r#"a["x"]"#, "c").await, [r#"a["x"] -> c"#]);
    assert_eq!(renamed(&house, "b", r#"a["z"]"#).await, [r#"b -> a["z"]"#]);
    house.settled(&blueprint(&["a: { kind: box, for_each: [y, z] }", "c: { kind: box }"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_block_moves_and_keeps_its_keys() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x, y] }", "n: { kind: box }"])).await;
    assert_eq!(renamed(&house, "a", "b").await, [r#"a["x"] -> b["x"]"#, r#"a["y"] -> b["y"]"#]);
    assert_eq!(renamed(&house, "n", "n[1]").await, ["n -> n[1]"], "into a `for_each` of its own name");
    house.settled(&blueprint(&["b: { kind: box, for_each: [x, y] }", "n: { kind: box, for_each: [1] }"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_module_moves_and_a_resource_into_one_and_out_again() {
    let house = House::new();
    house.up(&using(&["m: { source: m.yaml }"], &["a: { kind: box }"], MODULE)).await;
    assert_eq!(renamed(&house, "m", "n").await, ["m/x -> n/x", "m/y -> n/y"]);
    house.settled(&using(&["n: { source: m.yaml }"], &["a: { kind: box }"], MODULE)).await;
    assert_eq!(renamed(&house, "n/x", "x").await, ["n/x -> x"]);
    assert_eq!(renamed(&house, "a", "n/x").await, ["a -> n/x"]);
    assert_eq!(renamed(&house, "x", "a").await, ["x -> a"]);
    let plan = house.plan(&using(&["n: { source: m.yaml }"], &["a: { kind: box }"], MODULE)).await;
    assert_eq!(operations(&plan), ["update n/y"], "which reads another x now");
    assert_eq!(renamed(&house, "n", r#"n["eu"]"#).await, [r#"n/x -> n["eu"]/x"#, r#"n/y -> n["eu"]/y"#]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_move_is_refused_with_the_reason() {
    let house = House::new();
    let lines = ["a: { kind: box, for_each: [x, y] }", "chat: { kind: box }", "weights: { kind: box }"];
    house.up(&using(&["m: { source: m.yaml }"], &lines, MODULE)).await;
    for (from, to, said, help) in [
        ("chat", "chat", "chat can't move to itself", None),
        ("weigths", "b", "weigths is not recorded", Some("did you mean `weights`?")),
        ("mm", "n", "mm is not recorded", Some("did you mean `m`?")),
        ("q", "n", "q is not recorded", Some("`trueup state list` shows what is")),
        (
            "chat",
            "weights",
            "chat can't move to weights, which is recorded already",
            Some("move weights away first, or `trueup state forget` it"),
        ),
        ("m", "m/m", "m can't move to m/m: one is a part of the other", None),
        ("m/x", "m", "m/x can't move to m: one is a part of the other", None),
        (
            "a",
            r#"b["x"]"#,
            r#"a has several instances, and b["x"] is one"#,
            Some("move one instance at a time, or all of them to b"),
        ),
        (
            "chat",
            "module.chat",
            "nothing can be at module.chat: `module.chat` is no name that a blueprint can have",
            Some("names have lower-case letters, digits and `_`, a letter first: `chat`"),
        ),
        (
            "chat",
            "m/My-Chat",
            "nothing can be at m/My-Chat: `My-Chat` is no name that a blueprint can have",
            Some("names have lower-case letters, digits and `_`, a letter first: `my_chat`"),
        ),
        (
            "chat",
            "each",
            "nothing can be at each: `each` is no name that a blueprint can have",
            Some("it has a meaning of its own in expressions: choose another name"),
        ),
        (
            "chat",
            "weights/chat",
            "nothing can be at weights/chat: weights is a resource, and no module",
            Some("choose an address of its own"),
        ),
        (
            "m",
            r#"a["z"]"#,
            r#"nothing can be at a["z"]/x: a is a resource, and no module"#,
            Some("choose an address of its own"),
        ),
        ("chat", "m", "no resource can be at m: that is a module", Some("choose an address of its own")),
        (
            "chat",
            r#"m["x"]"#,
            r#"no resource can be at m["x"]: that is a module"#,
            Some("choose an address of its own"),
        ),
    ] {
        assert_eq!(unmoved(&house, from, to).await, (said.to_owned(), help.map(str::to_owned)), "{from} -> {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_stays_where_it_is() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: blind }", "c: { kind: box }"]);
    house.cloud.fail("create b", Fault::LostBefore);
    house.run(&text).await;
    let edited = text.replace("a: { kind: box }", "a: { kind: box, size: 2 }");
    assert!(matches!(house.run_to_death(&edited, Some((1, Moment::After))).await, End::Died));
    let resumed = Some("`trueup apply` settles what an earlier run left open".to_owned());
    let parked = Some("settle it with `trueup state resolve b`".to_owned());
    for (from, to, said, help) in [
        ("a", "d", "a update of a has not ended", &resumed),
        ("b", "d", "a create of b has not ended", &parked),
        ("c", "b", "a create of b has not ended", &parked),
    ] {
        assert_eq!(unmoved(&house, from, to).await, (said.to_owned(), help.clone()));
    }
    let state = house.state().await;
    for name in ["a", "b"] {
        let error = forgettable(&state, &[address("c"), address(name)]).unwrap_err();
        assert!(matches!(error, ByHandError::UnderWay { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_stays_where_it_is() {
    let house = House::new();
    let lines = ["a: { kind: box, for_each: [x, y] }", "b: { kind: box }"];
    let text = using(&["m: { source: m.yaml }"], &lines, MODULE);
    house.up(&text).await;
    let (serial, things) = (house.state().await.serial, house.cloud.things().len());
    house.cloud.take_calls();
    let addresses = [address(r#"a["x"]"#), address("m"), address("m/x")];
    let forgotten = house.engine().forget(&stack(), &house.holder(), &addresses, serial).await.unwrap();
    let forgotten: Vec<String> = forgotten.iter().map(|record| record.address.to_string()).collect();
    assert_eq!(forgotten, [r#"a["x"]"#, "m/x", "m/y"], "each once");
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    assert_eq!(house.cloud.things().len(), things);
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), [r#"a["y"]"#, "b"]);
    assert_eq!(
        action(&house.plan(&text).await, r#"a["x"]"#),
        Action::Create,
        "a blueprint that has it still makes another"
    );
}

#[tokio::test(start_paused = true)]
async fn every_object_of_a_record_is_forgotten() {
    let house = House::new();
    let text = |shape: &str| blueprint(&[&format!("a: {{ kind: scarce, shape: {shape} }}")]);
    house.up(&text("round")).await;
    house.cloud.fail("delete a", Fault::Fails(trueup_state::entry::Class::Denied));
    house.run(&text("square")).await;
    let state = house.state().await;
    assert_eq!(state.records[&address("a")].deposed.len(), 1);
    house.engine().forget(&stack(), &house.holder(), &[address("a")], state.serial).await.unwrap();
    assert!(house.state().await.is_empty());
    assert_eq!(house.cloud.of("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_that_was_not_shown() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    let before = house.state().await;
    for (addresses, serial) in
        [(vec![address("a")], before.serial - 1), (vec![address("a"), address("b")], before.serial)]
    {
        let outcome = house.engine().forget(&stack(), &house.holder(), &addresses, serial).await;
        assert!(matches!(outcome, Err(EngineError::ByHand(_))), "{outcome:?}");
    }
    assert_eq!(house.state().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_found_by_its_address_alone() {
    let house = House::new();
    house.up(&using(&["m: { source: m.yaml }"], &["weights: { kind: box }"], MODULE)).await;
    let state = house.state().await;
    assert_eq!(recorded(&state, &address("weights")).unwrap().address, address("weights"));
    let close = |at: &str| match recorded(&state, &address(at)) {
        Err(ByHandError::NotRecorded { close, .. }) => close,
        other => panic!("{other:?}"),
    };
    assert_eq!(close("weigths").as_deref(), Some("weights"));
    assert_eq!(close("m"), None, "a module has no record");
}

/// Another storage over the same cloud.
fn beside(house: &House) -> House {
    let mut other = House::seeded(8);
    other.cloud = house.cloud.clone();
    other
}

#[tokio::test(start_paused = true)]
async fn a_state_is_put_back_and_nothing_is_to_be_done() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named }", "b: { kind: tagged, host: '{{ a.id }}' }"]);
    house.up(&text).await;
    let edited = text.replace("kind: named }", "kind: named, size: 2 }");
    assert!(matches!(house.run_to_death(&edited, Some((1, Moment::After))).await, End::Died));
    let (state, other) = (house.state().await, beside(&house));
    let serial = other.engine().restore(&stack(), &other.holder(), state.clone()).await.unwrap();
    assert_eq!(serial, 1);
    assert_eq!(other.state().await, State { serial: 1, ..state });
    other.run(&edited).await;
    other.up(&edited).await;
    other.settled(&edited).await;
    assert_eq!(house.cloud.things().len(), 2, "what was under way was resumed, and nothing made twice");
}

#[tokio::test(start_paused = true)]
async fn a_state_is_put_back_only_where_nothing_is() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    house.up(&text).await;
    let (state, other) = (house.state().await, beside(&house));
    other.up(&blueprint(&["z: { kind: box }"])).await;
    for target in [&house, &other] {
        let before = target.state().await;
        let error = target.engine().restore(&stack(), &target.holder(), state.clone()).await.unwrap_err();
        assert!(matches!(error, EngineError::ByHand(ByHandError::NotEmpty { resources: 1, .. })), "{error}");
        assert_eq!(target.state().await, before);
    }
    // One from which all is gone has a lineage of its own, and is empty all the same.
    other.up(&blueprint(&[])).await;
    other.engine().restore(&stack(), &other.holder(), state.clone()).await.unwrap();
    assert_eq!(other.state().await.lineage, state.lineage);
    other.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_lease_is_not_overtaken() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    let (engine, holder) = (house.engine(), house.holder());
    let state = house.state().await;
    let _lease = engine.store.lease(&stack(), &holder).await.unwrap();
    let held = |error: EngineError| matches!(error, EngineError::Store(trueup_state::StoreError::Held(_)));
    assert!(held(engine.rename(&stack(), &holder, &address("a"), &address("b")).await.unwrap_err()));
    assert!(held(engine.forget(&stack(), &holder, &[address("a")], state.serial).await.unwrap_err()));
    assert_eq!(house.state().await, state);
    assert_eq!(renamings(&state, &address("a"), &address("b")).unwrap().len(), 1, "to look takes no lease");
}
