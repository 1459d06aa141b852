//! What is there already comes under management: found by id, name or tags, shown, and recorded so that the next plan says no more.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;

use support::cloud::Fault;
use support::crash::Moment;
use support::{End, House, action, address, blueprint, blueprint_with, change, operations, stack};
use trueup_engine::EngineError;
use trueup_engine::by_hand::{AdoptError, Adoption, ByHandError, MatchedBy, Which};
use trueup_engine::plan::{Action, Mode, Order};
use trueup_state::entry::{Class, Event};
use trueup_state::soundness::verify;
use trueup_state::{Status, Store, Value};

const ELSEWHERE: &str = "fedcba9876543210";

fn id(at: &str, id: &str) -> Which {
    Which::Id { address: address(at), id: id.to_owned(), force: false }
}

/// What can be adopted; nothing is written, and nothing is changed.
async fn look(house: &House, text: &str, which: &Which) -> Result<Adoption, AdoptError> {
    house.cloud.take_calls();
    let before = house.store_state().await;
    let adoption = house.engine().adoption(&house.load(text), &stack(), which).await;
    assert_eq!(house.store_state().await, before);
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    match adoption {
        Ok(adoption) => Ok(adoption),
        Err(EngineError::ByHand(ByHandError::Adopt(error))) => Err(error),
        Err(error) => panic!("{error:#?}"),
    }
}

async fn record(house: &House, text: &str, which: &Which, shown: &Adoption) -> Result<(), EngineError> {
    house.engine().adopt(&house.load(text), &stack(), &house.holder(), which, shown).await
}

/// Looks and records, as floor 4 does; the next plan is what was shown.
async fn adopt(house: &House, text: &str, which: &Which) -> Adoption {
    let adoption = look(house, text, which).await.unwrap();
    record(house, text, which, &adoption).await.unwrap();
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    let plan = house.plan(text).await;
    assert!(plan.drift.is_empty(), "{plan:#?}");
    for shown in &adoption.plan.changes {
        let next = change(&plan, &shown.address.to_string());
        assert_eq!((next.action, &next.fields), (shown.action, &shown.fields));
    }
    assert!(verify(&house.store, &stack()).await.unwrap().unwrap().is_sound());
    adoption
}

async fn refused(house: &House, text: &str, which: &Which) -> (String, String) {
    let error = look(house, text, which).await.unwrap_err();
    (error.to_string(), error.help())
}

/// Puts a thing of somebody else's there, with these fields.
fn plant(house: &House, kind: &str, name: &str, fields: &[(&str, Value)]) -> String {
    house.cloud.plant(kind, name);
    let id = format!("other-{name}");
    house.cloud.edit_id(&id, "zone", Some("z1".into()));
    let name = (kind == "named").then(|| ("name", name.into()));
    for (field, value) in fields.iter().cloned().chain(name) {
        house.cloud.edit_id(&id, field, Some(value));
    }
    id
}

fn own(house: &House, id: &str, tags: &[(&str, &str)]) {
    let tags: BTreeMap<String, String> =
        tags.iter().map(|(name, value)| (format!("trueup:{name}"), (*value).to_owned())).collect();
    house.cloud.own(id, &tags);
}

fn map(entries: &[(&str, &str)]) -> Value {
    Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
}

fn fields(adoption: &Adoption, at: &str) -> Vec<String> {
    change(&adoption.plan, at).fields.iter().map(|field| field.path.to_string()).collect()
}

fn left(adoption: &Adoption) -> Vec<String> {
    adoption.left.iter().map(ToString::to_string).collect()
}

fn matched(adoption: &Adoption) -> Vec<(String, String, MatchedBy)> {
    let told = |one: &trueup_engine::by_hand::Match| (one.address.to_string(), one.id.clone(), one.by.clone());
    adoption.matches.iter().map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_is_wanted_is_only_recorded() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, size: 3, tags: { team: ml }, ports: [1, 2] }"]);
    let ports = Value::List(vec![2.into(), 1.into()]);
    let tags = map(&[("team", "ml"), ("cost", "others set it")]);
    let planted =
        plant(&house, "box", "x", &[("size", 3.into()), ("tags", tags), ("ports", ports), ("zone", "z1".into())]);
    let adoption = adopt(&house, &text, &id("a", &planted)).await;
    assert_eq!(matched(&adoption), [("a".to_owned(), planted.clone(), MatchedBy::Id(planted.clone()))]);
    assert!(adoption.plan.changes_nothing() && !adoption.matches[0].is_tagged, "{:#?}", adoption.plan);
    house.settled(&text).await;
    assert!(house.up(&text).await.done.is_empty());
    let history = house.store.history(&stack(), 0).await.unwrap();
    assert!(matches!(&history[..], [one] if matches!(one.event, Event::Adopted { .. })), "{history:#?}");
    let record = house.state().await.records[&address("a")].clone();
    assert_eq!((record.generation, record.status), (0, Status::Ready));
    house.cloud.edit_id(&planted, "size", Some(4.into()));
    let plan = house.plan(&text).await;
    assert_eq!((plan.drift.len(), operations(&plan)), (1, vec!["update a".to_owned()]), "it drifts from now on");
    house.run_for(&text, Mode::Destroy).await;
    assert!(house.cloud.things().is_empty() && house.state().await.is_empty());
    assert!(verify(&house.store, &stack()).await.unwrap().unwrap().is_sound());
}

#[tokio::test(start_paused = true)]
async fn where_it_differs_the_next_plan_changes_it_and_nothing_else() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, size: 3, note: new, tags: { team: ml }, force: true }"]);
    let given = [
        ("size", 5.into()),
        ("host", "others".into()),
        ("tags", map(&[("team", "web"), ("cost", "x")])),
        ("zone", "z1".into()),
    ];
    let planted = plant(&house, "box", "x", &given);
    let adoption = adopt(&house, &text, &id("a", &planted)).await;
    assert_eq!(action(&adoption.plan, "a"), Action::Update);
    assert_eq!(fields(&adoption, "a"), ["note", "size", "tags.team"]);
    let shown = change(&adoption.plan, "a").fields.iter().find(|field| field.path.to_string() == "size").unwrap();
    assert_eq!((&shown.before, &shown.after), (&Some(5.into()), &Some(3.into())));
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!(house.cloud.calls().iter().filter(|call| call.verb == "create").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_changed_in_place_is_told_before() {
    let house = House::new();
    let planted = plant(&house, "box", "x", &[("shape", "round".into()), ("size", 1.into())]);
    let text = blueprint(&["a: { kind: box, shape: square }"]);
    let adoption = look(&house, &text, &id("a", &planted)).await.unwrap();
    assert_eq!(action(&adoption.plan, "a"), Action::Replace(Order::DestroyFirst));
    let kept = blueprint(&["a: { kind: box, shape: square, protect: true }"]);
    let adoption = adopt(&house, &kept, &id("a", &planted)).await;
    assert_eq!(adoption.plan.refusals.len(), 1, "{:#?}", adoption.plan);
    assert!(house.state().await.records[&address("a")].declared.protect);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_compared_stays_as_it_is_there() {
    let house = House::new();
    let planted = plant(
        &house,
        "box",
        "x",
        &[("size", 1.into()), ("note", "theirs".into()), ("host", "theirs".into()), ("label", "l".into())],
    );
    let text = blueprint(&["a: { kind: box, note: ours, label: m, ignore: [note, host] }"]);
    let adoption = adopt(&house, &text, &id("a", &planted)).await;
    assert_eq!(fields(&adoption, "a"), ["label"]);
    house.up(&text).await;
    house.settled(&text).await;
    let spec = house.cloud.things()[0].spec.clone();
    assert_eq!((spec.get("note"), spec.get("host")), (Some(&"theirs".into()), Some(&"theirs".into())));
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_is_found_by_its_name() {
    let house = House::new();
    plant(&house, "named", "given", &[("size", 1.into())]);
    let text =
        blueprint(&["a: { kind: named, name: given }", "b: { kind: named, name: missing }", "c: { kind: named }"]);
    let adoption = look(&house, &text, &Which::All).await.unwrap();
    let by = MatchedBy::Name("given".to_owned());
    assert_eq!(matched(&adoption), [("a".to_owned(), "other-given".to_owned(), by)]);
    assert_eq!(
        left(&adoption),
        [
            "b: there is no named with the name `missing` in toy (region r1)",
            "c can't be looked for: nothing that the blueprint says of it is what its provider knows it by"
        ]
    );
    let one = Which::One(address("b"));
    assert_eq!(refused(&house, &text, &one).await.0, "b: there is no named with the name `missing` in toy (region r1)");
    adopt(&house, &text, &Which::All).await;
    assert_eq!(operations(&house.plan(&text).await), ["create b", "create c"]);
    assert!(look(&house, &text, &Which::All).await.unwrap().matches.is_empty(), "what is recorded is not looked for");
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!(house.cloud.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_found_by_the_name_that_it_was_given() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named, size: 2 }", "b: { kind: named, host: '{{ a.id }}', password: hunter2 }"]);
    house.up(&text).await;
    let state = house.state().await;
    house.engine().forget(&stack(), &house.holder(), &[address("a"), address("b")], state.serial).await.unwrap();
    let adoption = adopt(&house, &text, &Which::All).await;
    assert_eq!(adoption.matches.len(), 2, "{:?}", adoption.left);
    assert!(adoption.matches.iter().all(|one| one.is_tagged), "{:#?}", adoption.matches);
    assert!(adoption.plan.changes_nothing(), "{:#?}", adoption.plan);
    house.settled(&text).await;
    let now = house.state().await;
    assert_eq!(house.cloud.things().len(), 2);
    for text in [format!("{now:?}"), format!("{:?} {:?}", adoption.matches, adoption.plan.changes)] {
        assert!(!text.contains("hunter2"));
    }
    assert_eq!(now.records[&address("b")].declared.dependencies, [address("a")].into());
}

#[tokio::test(start_paused = true)]
async fn the_generation_that_it_had_goes_on() {
    let house = House::new();
    let text = |shape: &str| blueprint(&[&format!("a: {{ kind: named, shape: {shape}, replace: create_first }}")]);
    house.up(&text("round")).await;
    house.up(&text("square")).await;
    let made = house.cloud.one("a").id;
    let serial = house.state().await.serial;
    house.engine().forget(&stack(), &house.holder(), &[address("a")], serial).await.unwrap();
    adopt(&house, &text("square"), &id("a", &made)).await;
    assert_eq!(house.state().await.records[&address("a")].generation, 1);
    house.up(&text("flat")).await;
    house.settled(&text("flat")).await;
    assert_eq!(house.cloud.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_read_or_not_declared_is_refused() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "r: { kind: named, existing: given }"]);
    plant(&house, "named", "given", &[]);
    house.up(&text).await;
    let planted = plant(&house, "box", "x", &[]);
    let (said, help) = refused(&house, &text, &id("a", &planted)).await;
    assert_eq!(said, "a is recorded already");
    assert!(help.contains("`trueup state forget a`"), "{help}");
    let (said, _) = refused(&house, &text, &id("r", "other-given")).await;
    assert_eq!(said, "r is `existing`: it is read, and never managed");
    let (said, help) = refused(&house, &text, &id("aa", &planted)).await;
    assert_eq!((said.as_str(), help.as_str()), ("the blueprint has no resource aa", "did you mean `a`?"));
    let wide = blueprint(&["a: { kind: box }", "b: { kind: box }"]);
    let made = house.cloud.one("a").id;
    let (said, help) = refused(&house, &wide, &id("b", &made)).await;
    assert_eq!(said, format!("b: `{made}` is recorded already, as a"));
    assert!(help.contains("`trueup state mv a b`"), "{help}");
    let adoption = look(&house, &text, &Which::All).await.unwrap();
    assert_eq!(left(&adoption), ["r is `existing`: it is read, and never managed"]);
}

#[tokio::test(start_paused = true)]
async fn what_moves_there_is_what_it_is() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    let text = support::moved(&["a -> b"], &["b: { kind: box }"]);
    let planted = plant(&house, "box", "x", &[]);
    let (said, _) = refused(&house, &text, &id("b", &planted)).await;
    assert_eq!(said, "b can't be adopted yet: something that is recorded moves there");
    let adoption = look(&house, &text, &Which::All).await.unwrap();
    assert!(adoption.matches.is_empty() && adoption.left.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_id_of_nothing_and_a_silent_provider_are_told_apart() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, name: x, password: hunter2 }", "b: { kind: box, name: y }"]);
    let (said, help) = refused(&house, &text, &id("a", "box-99")).await;
    assert_eq!(said, "a: there is no box with the id `box-99` in toy (region r1)");
    assert!(help.contains("provider's id"), "{help}");
    for (fault, said) in [
        (Fault::Fails(Class::Denied), "a: what is there can't be told: the list can't be had"),
        (Fault::Hangs, "a: what is there can't be told: the provider does not answer"),
    ] {
        house.cloud.fail("observe", fault.clone());
        assert_eq!(refused(&house, &text, &id("a", "box-99")).await.0, said);
        house.cloud.fail("observe", fault);
        let adoption = look(&house, &text, &Which::All).await.unwrap();
        assert_eq!(left(&adoption)[0], said);
        assert!(matches!(adoption.left[1], AdoptError::Unanswered { .. }));
    }
    assert!(house.store_state().await.is_none(), "and no state is made");
}

#[tokio::test(start_paused = true)]
async fn what_another_stack_has_is_taken_over_only_on_a_persons_word() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named, name: x, size: 2 }"]);
    let planted = plant(&house, "named", "x", &[("size", 1.into())]);
    own(&house, &planted, &[("stack", ELSEWHERE), ("address", "a"), ("generation", "7")]);
    let said = format!("a: `{planted}` belongs to another stack, with the lineage {ELSEWHERE}");
    for which in [id("a", &planted), Which::One(address("a"))] {
        let refusal = refused(&house, &text, &which).await;
        assert_eq!(refusal.0, said);
        assert!(refusal.1.contains(&format!("`trueup adopt a --id {planted} --force`")), "{}", refusal.1);
    }
    assert_eq!(left(&look(&house, &text, &Which::All).await.unwrap()), [said]);
    let force = Which::Id { address: address("a"), id: planted.clone(), force: true };
    let adoption = adopt(&house, &text, &force).await;
    assert_eq!(adoption.matches[0].taken_from.as_deref(), Some(ELSEWHERE));
    assert!(!adoption.matches[0].is_tagged);
    assert_eq!(house.state().await.records[&address("a")].generation, 0, "that generation was another stack's");
    house.up(&text).await;
    let state = house.state().await;
    assert_eq!(house.cloud.things()[0].owner["trueup:stack"], state.lineage, "an update writes the tags");
}

#[tokio::test(start_paused = true)]
async fn two_resources_are_not_the_same_thing() {
    let house = House::new();
    let planted = plant(&house, "box", "x", &[("size", 1.into())]);
    let text = blueprint(&["a: { kind: box }", "b: { kind: box }"]);
    let ids = |names: &[&str]| Which::Ids(names.iter().map(|name| (address(name), planted.clone())).collect());
    let adoption = look(&house, &text, &ids(&["a", "b"])).await.unwrap();
    assert!(adoption.matches.is_empty());
    assert_eq!(left(&adoption), ["a: `other-x` would be b as well", "b: `other-x` would be a as well"]);
    adopt(&house, &text, &ids(&["a"])).await;
    assert_eq!(left(&look(&house, &text, &ids(&["b"])).await.unwrap()), ["b: `other-x` is recorded already, as a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_yet_waits() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named, name: x }", "b: { kind: box, for_each: ['{{ a.id }}'] }"]);
    let planted = plant(&house, "named", "x", &[("size", 1.into())]);
    let (said, help) = refused(&house, &text, &id("b", &planted)).await;
    assert_eq!(said, "b can't be adopted yet: its for_each is known only after apply");
    assert!(help.contains("trueup apply"), "{help}");
    let adoption = adopt(&house, &text, &Which::All).await;
    assert_eq!(left(&adoption), ["b can't be adopted yet: its for_each is known only after apply"]);
    assert_eq!(adoption.matches.len(), 1);
    let other = plant(&house, "box", "y", &[("size", 1.into())]);
    adopt(&house, &text, &id(&format!("b[\"{planted}\"]"), &other)).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_settled_first() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named, name: x }"]);
    assert!(matches!(house.run_to_death(&text, Some((1, Moment::After))).await, End::Died));
    let planted = plant(&house, "named", "y", &[]);
    let (said, _) = refused(&house, &text, &id("a", &planted)).await;
    assert_eq!(
        said,
        "a can't be adopted yet: a create of an earlier run has not ended; `trueup apply` settles it first"
    );
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_it_was_shown_is_not_recorded() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, size: 1 }"]);
    let planted = plant(&house, "box", "x", &[("size", 1.into())]);
    let which = id("a", &planted);
    let shown = look(&house, &text, &which).await.unwrap();
    house.cloud.edit_id(&planted, "size", Some(2.into()));
    let error = record(&house, &text, &which, &shown).await.unwrap_err();
    assert!(matches!(error, EngineError::ByHand(ByHandError::Overtaken)), "{error:?}");
    assert!(house.state().await.is_empty());

    let shown = look(&house, &text, &which).await.unwrap();
    house.up(&blueprint(&["z: { kind: box }"])).await;
    let error = record(&house, &text, &which, &shown).await.unwrap_err();
    assert!(matches!(error, EngineError::ByHand(ByHandError::Overtaken)), "{error:?}");
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["z"]);
    house.engine().store.lease(&stack(), &house.holder()).await.expect("the lease is given back");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_the_lease_goes_first() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    let planted = plant(&house, "box", "x", &[]);
    let shown = look(&house, &text, &id("a", &planted)).await.unwrap();
    let holder = house.holder();
    let lease = house.engine().store.lease(&stack(), &holder).await.unwrap();
    let tried = house.engine().adopt(&house.load(&text), &stack(), &holder, &id("a", &planted), &shown).await;
    assert!(matches!(tried, Err(EngineError::Store(trueup_state::StoreError::Held(_)))), "{tried:?}");
    house.engine().store.release(lease).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_checked_is_checked_by_the_next_run() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, size: 1, validate: { level: quick } }"]);
    let planted = plant(&house, "box", "x", &[("size", 1.into())]);
    let adoption = adopt(&house, &text, &id("a", &planted)).await;
    assert_eq!(operations(&adoption.plan), ["check a"]);
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn secrets_that_are_there_are_kept_as_such() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, password: hunter2 }"]);
    let one = plant(&house, "box", "x", &[("password", "canary-1".into()), ("note", "canary-1".into())]);
    let two = plant(&house, "box", "y", &[("password", "canary-2".into())]);
    let first = adopt(&house, &text, &id("a", &one)).await;
    let second = adopt(&house, &text, &id("b", &two)).await;
    assert_eq!(fields(&second, "b"), ["password", "size"]);
    let history = house.store.history(&stack(), 0).await.unwrap();
    let all = format!("{:?} {:?} {history:?} {:?}", first.matches, second.matches, house.state().await);
    let all = format!("{all} {:?} {:?}", first.plan.changes, second.plan.changes);
    for secret in ["canary-1", "canary-2", "hunter2"] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_placement_stands_where_it_was_found() {
    let house = House::new();
    let head = "providers: { toy: {} }";
    let text = blueprint_with(
        head,
        &["a: { kind: box, size: 1, placement: [{ provider: toy, region: r1 }, { provider: toy, region: r2 }] }"],
    );
    let planted = plant(&house, "box", "x", &[("size", 1.into())]);
    let adoption = adopt(&house, &text, &id("a", &planted)).await;
    assert_eq!(adoption.matches[0].scope.settings["region"], "r1");
    house.settled(&text).await;
}
