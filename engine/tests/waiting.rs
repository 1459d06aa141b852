//! What exists while it waits for a further phase, and what becomes of phases that fail, are saved, or come to nothing.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::{House, address, blueprint, blueprint_with, moved, operations, pointed, using, with_moves};
use tokio::sync::watch;
use trueup_engine::plan::{Mode, Plan};
use trueup_engine::{EngineError, PlanOptions};
use trueup_state::entry::Class;

fn left(plan: &Plan) -> Vec<String> {
    plan.deferred.iter().map(|left| left.address.to_string()).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A house in which all phases of a blueprint are done.
async fn house_of(text: &str) -> House {
    let house = House::new();
    house.phases(text).await;
    house
}

#[tokio::test(start_paused = true)]
async fn what_exists_in_a_block_that_waits_stays_and_so_does_what_it_needs() {
    let house = house_of(&blueprint(&[
        "a: { kind: box, shape: round }",
        "e: { kind: box }",
        "d: { kind: box, host: '{{ e.id }}' }",
        "b: { kind: box, for_each: '{{ [a.id] }}', host: '{{ d.id }}' }",
        "q: { kind: box }",
    ]))
    .await;
    // `a` is made anew, so its id is not known; of the rest only `b` is in the blueprint still.
    let text = blueprint(&["a: { kind: box, shape: flat }", "b: { kind: box, for_each: '{{ [a.id] }}' }"]);
    let plan = house.plan(&text).await;
    assert_eq!((operations(&plan), left(&plan)), (names(&["create a", "delete a", "delete q"]), names(&["b"])));
    assert!(plan.changes.iter().all(|change| !["b", "d", "e"].contains(&change.address.name())), "{plan:#?}");
    let old = format!("delete b[\"{}\"]", house.recorded().await["a"][0]);
    let phases = house.phases(&text).await;
    let deletes: Vec<_> = phases[1].iter().filter(|call| call.starts_with("delete")).collect();
    assert_eq!(deletes, [&old[..], "delete d", "delete e"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_because_of_another_keeps_what_it_needs_too() {
    let text = |shape: &str, more: &[&str], host: &str| {
        let a = format!("a: {{ kind: box, shape: {shape} }}");
        let r = format!("r: {{ kind: box, depends_on: [b], host: {host} }}");
        let lines = [&a, "b: { kind: box, when: \"{{ a.zone == 'z1' }}\" }", &r];
        blueprint(&[&lines, more].concat())
    };
    let house = house_of(&text("round", &["g: { kind: box }"], "'{{ g.id }}'")).await;
    let plan = house.plan(&text("flat", &[], "none")).await;
    assert_eq!((operations(&plan), left(&plan)), (names(&["create a", "delete a"]), names(&["b", "r"])));
    let phases = house.phases(&text("flat", &[], "none")).await;
    assert_eq!(phases, [names(&["delete a", "create a"]), names(&["update r", "delete g"])]);
}

#[tokio::test(start_paused = true)]
async fn what_exists_in_a_module_that_waits_stays() {
    let module =
        "blueprint: m\nresources:\n  x: { kind: box }\n  y: { kind: box, for_each: [k], host: '{{ x.id }}' }\n";
    let text = |shape: &str| {
        let lines = [&format!("a: {{ kind: box, shape: {shape} }}")[..], "z: { kind: box }"];
        using(&["m: { source: m.yaml, when: \"{{ a.zone == 'z1' }}\" }"], &lines, module)
    };
    let house = house_of(&text("round")).await;
    let before = house.recorded().await;
    let plan = house.plan(&text("flat")).await;
    assert_eq!(
        (operations(&plan), left(&plan)),
        (vec!["create a".to_owned(), "delete a".to_owned()], vec!["m".to_owned()])
    );
    assert_eq!(house.phases(&text("flat")).await.len(), 1, "it comes to what it was");
    let mut after = house.recorded().await;
    assert_ne!(after.insert("a".to_owned(), before["a"].clone()), before.get("a").cloned());
    assert_eq!(after, before);
}

#[tokio::test(start_paused = true)]
async fn what_turns_out_not_to_be_there_goes_in_its_own_phase() {
    let text = |zone: &str, protect: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, zone: {zone}, shape: {zone} }}"),
            &format!("b: {{ kind: box, when: \"{{{{ a.zone == 'z1' }}}}\"{protect} }}"),
        ])
    };
    let house = house_of(&text("z1", "")).await;
    assert_eq!(house.phases(&text("z2", "")).await, [vec!["delete a", "create a"], vec!["delete b"]]);
    // Protection is asked in the phase that it is about, and what the one before did stays done.
    let house = house_of(&text("z1", ", protect: true")).await;
    let refused = house.try_phases(&text("z2", ", protect: true")).await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:#?}");
    assert!(house.cloud.one("a").spec.get("zone").unwrap().same(&"z2".into()));
    house.cloud.one("b");
}

#[tokio::test(start_paused = true)]
async fn a_move_to_what_waits_waits_and_takes_along_what_it_needs() {
    let house = House::new();
    house.up(&blueprint(&["d: { kind: box }", "old: { kind: box, host: '{{ d.id }}' }"])).await;
    let before = house.recorded().await;
    let text = moved(
        &[r#"old -> b["box-3"]"#],
        &["a: { kind: box }", "b: { kind: box, for_each: '{{ [a.id] }}', host: 'box-1' }"],
    );
    let plan = house.plan(&text).await;
    assert_eq!((operations(&plan), plan.entries.len()), (vec!["create a".to_owned()], 0));
    let told = plan.notices.iter().find(|notice| notice.address == Some(address("old"))).unwrap();
    assert_eq!(told.message, r#"it moves to b["box-3"], which waits"#);
    house.cloud.take_calls();
    assert_eq!(house.phases(&text).await, [vec!["create a"], vec!["delete d"]]);
    assert_eq!(house.recorded().await[r#"b["box-3"]"#], before["old"]);
    // And one that turns out to lead nowhere ends there.
    let house = House::new();
    house.up(&blueprint(&["old: { kind: box }"])).await;
    let text = moved(&["old -> b"], &["a: { kind: box }", "b: { kind: box, when: \"{{ a.zone == 'z9' }}\" }"]);
    assert_eq!(house.phases(&text).await, [vec!["create a"], vec!["delete b"]]);
}

#[tokio::test(start_paused = true)]
async fn a_move_of_what_is_left_as_it_is_goes_ahead_and_is_told() {
    for (waits_for, line) in [("box", "b: { kind: box, for_each: '{{ [a.id] }}' }"), ("blind", "b: { kind: box }")] {
        let house = House::new();
        house.up(&blueprint(&["old: { kind: box }"])).await;
        let (a, now) = (format!("a: {{ kind: {waits_for} }}"), "now: { kind: box, depends_on: [a, b] }");
        let text = moved(&["old -> now"], &[&a, line, now]);
        if waits_for == "blind" {
            house.cloud.fail("create a", Fault::LostAfter);
            house.run(&blueprint(&["old: { kind: box }", &a])).await;
        }
        let plan = house.plan(&text).await;
        let told = plan.notices.iter().filter(|notice| notice.address == Some(address("now")) && !notice.stops);
        let told: Vec<_> = told.map(|notice| &notice.message[..]).collect();
        assert_eq!(told, ["it moves here from old, and stays as it is otherwise"]);
        house.run(&text).await;
        assert!(house.recorded().await.contains_key("now"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_into_a_module_that_waits_waits() {
    let house = House::new();
    house.up(&blueprint(&["x: { kind: box }"])).await;
    let before = house.recorded().await;
    let module = "blueprint: m\nresources:\n  y: { kind: box }\nmoved: [{ from: w, to: y }]\n";
    let calls = ["m: { source: m.yaml, for_each: '{{ [a.zone] }}' }"];
    let text = with_moves(&[r#"x -> m["z1"]/w"#], &using(&calls, &["a: { kind: box }"], module));
    assert_eq!(operations(&house.plan(&text).await), ["create a"]);
    assert_eq!(house.phases(&text).await, [vec!["create a"], vec![]]);
    assert_eq!(house.recorded().await[r#"m["z1"]/y"#], before["x"]);
}

#[tokio::test(start_paused = true)]
async fn two_that_would_move_to_one_that_waits_are_refused_before_anything_is_lost() {
    let house = House::new();
    house.up(&blueprint(&["x: { kind: box }", "y: { kind: box }"])).await;
    let text = moved(&["x -> y", "y -> b"], &["a: { kind: box }", "b: { kind: box, when: \"{{ a.zone == 'z1' }}\" }"]);
    let problems = house.refused(&text).await;
    assert_eq!((problems.list.len(), pointed(&text, &problems)), (1, "'y'"));
}

#[tokio::test(start_paused = true)]
async fn a_phase_that_fails_is_the_last_and_the_next_run_goes_on() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "z: { kind: box }", "b: { kind: box, for_each: '{{ [a.zone] }}' }"]);
    house.cloud.fail("create z", Fault::Fails(Class::Denied));
    let reports = house.try_phases(&text).await.unwrap();
    assert_eq!((reports.len(), reports[0].failed.len()), (1, 1));
    house.cloud.fail(r#"create b["z1"]"#, Fault::Fails(Class::Denied));
    let reports = house.try_phases(&text).await.unwrap();
    assert_eq!((reports.len(), reports[0].failed.len()), (1, 1));
    assert_eq!(house.phases(&text).await, [[r#"create b["z1"]"#]]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_observed_is_still_known() {
    let text = blueprint(&["a: { kind: box }", "b: { kind: named, for_each: '{{ [a.id] }}' }"]);
    let house = house_of(&text).await;
    for _ in 0..2 {
        house.cloud.fail("observe", Fault::Fails(Class::Denied));
    }
    let plan = house.plan(&text).await;
    assert!(plan.is_empty() && plan.notices.len() == 2, "{plan:#?}");
    // Without looking at all.
    let options = PlanOptions { refresh: false, ..PlanOptions::new(Mode::Apply) };
    let plan = house.engine().plan(&house.load(&text), &support::stack(), options).await.unwrap().plan;
    assert!(plan.is_empty() && plan.notices.is_empty(), "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_destruction_waits_for_nothing() {
    let text = |shape: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape} }}"),
            "b: { kind: box, for_each: '{{ [a.id] }}' }",
            "c: { kind: box, depends_on: [b] }",
        ])
    };
    // All of it there, with an edit after which `b` would wait; and only its first phase done.
    let whole = house_of(&text("round")).await;
    let half = House::new();
    half.up(&text("round")).await;
    for (house, count) in [(whole, 3), (half, 1)] {
        assert_eq!(house.cloud.things().len(), count);
        let plan = house.plan_for(&text("flat"), Mode::Destroy).await;
        assert_eq!((left(&plan).len(), plan.operations.len()), (0, count));
        assert!(house.run_for(&text("flat"), Mode::Destroy).await.is_complete());
        assert!(house.cloud.things().is_empty() && house.state().await.records.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_correction_goes_through_phases_for_what_drifted_alone() {
    let text = |zone: &str, more: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, note: n, zone: {zone} }}"),
            // Volatile: not known while `a` is changed.
            "b: { kind: box, for_each: \"{{ ['k' ~ (a.address | length)] }}\", note: n }",
            more,
        ])
    };
    let house = house_of(&text("z1", "")).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    house.cloud.edit(r#"b["k7"]"#, "note", Some("by hand".into()));
    house.cloud.take_calls();
    // `new` is an edit, and what waits for it is not to come of a correction at all.
    let text = text("z1", "new: { kind: box }\n  late: { kind: box, for_each: '{{ [new.id] }}' }");
    assert_eq!(left(&house.plan_for(&text, Mode::Correct).await), ["b", "late"]);
    let (_cancel, cancelled) = watch::channel(false);
    let reports = house.phases_with(&text, Mode::Correct, &house.engine(), &cancelled).await.unwrap();
    assert_eq!(reports.len(), 2, "{reports:#?}");
    assert_eq!(house.cloud.take_calls(), ["update a", r#"update b["k7"]"#]);
    let plan = house.plan_for(&text, Mode::Correct).await;
    assert!(plan.is_empty(), "{plan:#?}");
    let told = plan.notices.iter().find(|notice| notice.address == Some(address("late"))).unwrap();
    assert_eq!(
        (told.stops, &told.message[..]),
        (false, "its for_each is known only after apply; it waits for an apply")
    );
}

#[tokio::test(start_paused = true)]
async fn what_turns_out_to_be_no_for_each_is_told_and_nothing_is_lost() {
    for each in ["'{{ [a.zone, a.zone] }}'", "'{{ a.zone | upper }}'"] {
        let house = House::new();
        let text = |each: &str| {
            blueprint(&[
                "a: { kind: box }",
                &format!("b: {{ kind: box, for_each: {each} }}"),
                "c: { kind: box, depends_on: [b] }",
            ])
        };
        let wrong = house.try_phases(&text(each)).await;
        let Err(EngineError::Blueprint(problems)) = wrong else { panic!("{wrong:#?}") };
        assert_eq!((problems.list.len(), pointed(&text(each), &problems)), (1, each));
        assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a"]);
        let put_right = text("'{{ [a.zone] }}'");
        assert_eq!(house.phases(&put_right).await, [[r#"create b["z1"]"#, "create c"]]);
        // Where it goes wrong with what exists, that stays.
        let before = house.recorded().await;
        assert!(house.try_phases(&text(each)).await.is_err());
        assert_eq!(house.recorded().await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn what_drifted_in_a_block_that_waits_is_put_right_in_its_phase() {
    let text = |shape: &str| {
        let b = "b: { kind: box, for_each: '{{ [a.zone] }}', note: n }";
        blueprint(&[&format!("a: {{ kind: box, shape: {shape} }}"), b])
    };
    let house = house_of(&text("round")).await;
    house.cloud.edit(r#"b["z1"]"#, "note", Some("by hand".into()));
    let plan = house.plan(&text("flat")).await;
    assert!(plan.drift.is_empty(), "what is not planned yet is not compared: {plan:#?}");
    assert_eq!(house.phases(&text("flat")).await, [vec!["delete a", "create a"], vec![r#"update b["z1"]"#]]);
}

#[tokio::test(start_paused = true)]
async fn where_a_provider_is_set_to_another_place_what_exists_moves_in_a_phase_of_its_own() {
    let text = |shape: &str, zone: &str, note: &str| {
        blueprint_with(
            "providers: { toy: {}, toy.far: { region: '{{ a.zone }}' } }",
            &[
                &format!("a: {{ kind: box, provider: toy, shape: {shape}, zone: {zone} }}"),
                &format!("b: {{ kind: box, provider: toy.far, note: {note} }}"),
            ],
        )
    };
    let house = house_of(&text("round", "z1", "n")).await;
    // What exists is changed where it is, and looked at again once the settings are known.
    let plan = house.plan(&text("flat", "z1", "m")).await;
    assert_eq!(
        (operations(&plan), left(&plan)),
        (vec!["create a".into(), "delete a".into(), "update b".into()], vec!["b".to_owned()])
    );
    assert_eq!(house.phases(&text("flat", "z1", "m")).await, [["delete a", "create a", "update b"]]);
    let phases = house.phases(&text("round", "z2", "m")).await;
    assert_eq!(phases, [["delete a", "create a"], ["delete b", "create b"]]);
    assert_eq!(house.cloud.one("b").region, "z2");
}

#[tokio::test(start_paused = true)]
async fn a_correction_moves_nothing_to_another_place() {
    // Volatile: not known while `a` is put right, and another after it.
    let text = blueprint_with(
        "providers: { toy: {}, toy.far: { region: '{{ a.address }}' } }",
        &["a: { kind: box, provider: toy, note: n }", "b: { kind: box, provider: toy.far, note: n }"],
    );
    let house = house_of(&text).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    house.cloud.edit("b", "note", Some("by hand".into()));
    let plan = house.plan_for(&text, Mode::Correct).await;
    assert_eq!((operations(&plan), left(&plan)), (names(&["update a", "update b"]), names(&[])));
    assert!(house.run_for(&text, Mode::Correct).await.is_complete());
    assert!(house.plan_for(&text, Mode::Correct).await.is_empty());
    assert_eq!(house.phases(&text).await, [names(&["delete b", "create b"])]);
}

#[tokio::test(start_paused = true)]
async fn outputs_are_told_in_the_phase_that_knows_them() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, for_each: '{{ [a.zone] }}' }"])
        + "outputs: { all: \"{{ b['z1'].id }}\", one: '{{ a.id }}' }\n";
    assert_eq!(house.plan(&text).await.outputs.into_keys().collect::<Vec<_>>(), ["all", "one"]);
    house.up(&text).await;
    assert_eq!(house.state().await.outputs.into_keys().collect::<Vec<_>>(), ["one"]);
    house.phases(&text).await;
    let known = house.state().await.outputs;
    assert_eq!(known.keys().collect::<Vec<_>>(), ["all", "one"]);
    // One that has to wait says until then what it said before.
    let text = text.replace("a: { kind: box }", "a: { kind: box, shape: flat }").replace("host: h", "host: other");
    house.up(&text).await;
    let then = house.state().await.outputs;
    assert!(then["all"] == known["all"] && then["one"] != known["one"], "{then:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_person_is_no_phase_without_end() {
    let house = House::new();
    let text = blueprint(&["a: { kind: blind }", "b: { kind: box, for_each: '{{ [a.id] }}' }"])
        + "outputs: { all: '{{ b }}', one: '{{ a.id }}' }\n";
    house.cloud.fail("create a", Fault::LostAfter);
    house.run(&text).await;
    let plan = house.plan(&text).await;
    assert_eq!((plan.resumes.len(), left(&plan)), (1, vec!["b".to_owned()]));
    assert!(plan.changes_nothing() && !plan.is_empty(), "nothing can become known: {:?}", plan.outputs);
    assert!(plan.notices.iter().any(|notice| notice.stops));
    assert!(house.try_phases(&text).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_later_phase_can_be_saved_too() {
    let text = |shape: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape} }}"),
            "b: { kind: box, for_each: '{{ [a.id] }}', host: '{{ a.address }}' }",
        ])
    };
    let house = House::new();
    house.up(&text("round")).await;
    let plan = house.plan(&text("round")).await;
    assert_eq!((operations(&plan), plan.known.len()), (vec![r#"create b["box-1"]"#.to_owned()], 1));
    let opened = house.saved(&plan);
    assert!(house.carry_out(&opened, &text("round")).await.unwrap().is_complete());
    assert_eq!(house.cloud.one(r#"b["box-1"]"#).spec.get("host"), Some(&"box-1.0".into()));
    house.settled(&text("round")).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_itself_at_a_distance_waits_and_loses_nothing() {
    // `f` must know `a`, which is made where `f` says.
    let text = |region: &str| {
        let head = format!("providers: {{ toy: {{}}, toy.far: {{ region: {region} }} }}");
        blueprint_with(
            &head,
            &["a: { kind: box, provider: toy.far }", "f: { kind: box, provider: toy, for_each: '{{ [a.zone] }}' }"],
        )
    };
    let house = house_of(&text("r9")).await;
    let before = house.recorded().await;
    let plan = house.plan(&text("\"{{ f['z1'].zone }}\"")).await;
    assert_eq!((operations(&plan), left(&plan)), (Vec::<String>::new(), vec!["f".to_owned(), "a".to_owned()]));
    assert!(plan.changes_nothing() && house.recorded().await == before);
}
