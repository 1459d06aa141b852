//! What has got another address keeps what it is: nothing is called for a name.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::{House, action, address, blueprint, change, done, moved, operations, pointed, using, with_moves};
use trueup_engine::EngineError;
use trueup_engine::plan::{Action, Mode, Reason};
use trueup_state::entry::Class;

const MODULE: &str = "blueprint: m\nresources:\n  x: { kind: box }\n  y: { kind: named, host: '{{ x.id }}' }\n";

/// Plans and applies what only moves, each as `a -> b`: it is told and recorded, and nothing is called for it.
async fn only_moves(house: &House, text: &str, moves: &[&str]) {
    let mut expected = house.recorded().await;
    house.cloud.take_calls();
    let plan = house.plan(text).await;
    assert_eq!(operations(&plan), Vec::<String>::new());
    for (from, to) in moves.iter().filter_map(|line| line.split_once(" -> ")) {
        assert_eq!(action(&plan, to), Action::Record, "{to}");
        let [Reason::Renamed { from: told, place }] = &change(&plan, to).reasons[..] else { panic!("{plan:#?}") };
        assert_eq!(*told, address(from));
        assert!(text.lines().nth(place.as_ref().unwrap().line - 1).unwrap().contains("from:"), "{place:?}");
        let objects = expected.remove(from).unwrap();
        assert_eq!(expected.insert(to.to_owned(), objects), None, "{to}");
    }
    let more = plan.changes.iter().filter(|change| change.action != Action::None).count();
    assert_eq!(more, moves.len(), "what reads it follows without a word: {plan:#?}");
    assert!(house.up(text).await.done.is_empty());
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    assert_eq!(house.recorded().await, expected);
    house.settled(text).await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_keeps_what_it_is_and_who_reads_it_sees_no_change() {
    for kind in ["box", "named", "tagged", "blind", "scarce"] {
        let house = House::new();
        let reads = |name: &str| format!("r: {{ kind: box, host: '{{{{ {name}.id }}}}', depends_on: [{name}] }}");
        house.up(&blueprint(&[&format!("a: {{ kind: {kind} }}"), &reads("a")])).await;
        let text = moved(&["a -> b"], &[&format!("b: {{ kind: {kind} }}"), &reads("b")]);
        only_moves(&house, &text, &["a -> b"]).await;
        let dependencies = &house.state().await.records[&address("r")].declared.dependencies;
        assert_eq!(dependencies.iter().collect::<Vec<_>>(), [&address("b")]);
        // The entry may go once no stack has the former address.
        house.settled(&blueprint(&[&format!("b: {{ kind: {kind} }}"), &reads("b")])).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_a_for_each_moves_and_keeps_its_keys() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x, y] }", "n: { kind: box, for_each: [1, 2] }"])).await;
    let lines = ["b: { kind: box, for_each: [x, y] }", "m: { kind: box, for_each: [1, 2] }"];
    let moves = [r#"a["x"] -> b["x"]"#, r#"a["y"] -> b["y"]"#, "n[1] -> m[1]", "n[2] -> m[2]"];
    only_moves(&house, &moved(&["a -> b", "n -> m"], &lines), &moves).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_unfinished_apply_left_of_a_blocks_former_shape_goes_and_the_rest_moves() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x] }"])).await;
    house.cloud.fail(r#"delete a["x"]"#, Fault::Fails(Class::Denied));
    let report = house.run(&blueprint(&["a: { kind: box }"])).await;
    assert_eq!((done(&report), report.failed.len()), (vec!["create a".to_owned()], 1));
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, r#"a["x"]"#), action(&plan, "b")), (Action::Delete, Action::Record));
    house.up(&text).await;
    house.settled(&text).await;
    // A block that has one shape only is no such thing.
    let other = House::new();
    other.up(&blueprint(&["a: { kind: box, for_each: [x] }"])).await;
    let Err(EngineError::Blueprint(problems)) = other.try_plan(&text, Mode::Apply).await else { panic!("{text}") };
    assert!(problems.list[0].message.contains("no `for_each` that could have it"), "{problems:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_goes_under_the_new_name() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x, y] }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box, for_each: [y, z] }"]);
    let plan = house.plan(&text).await;
    assert_eq!(operations(&plan), [r#"create b["z"]"#, r#"delete b["x"]"#]);
    house.up(&text).await;
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), [r#"b["y"]"#, r#"b["z"]"#]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn one_moves_into_an_instance_and_out_of_one() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "b: { kind: box, for_each: [x] }"])).await;
    let text = moved(&[r#"a -> a["k"]"#, r#"b["x"] -> b"#], &["a: { kind: box, for_each: [k] }", "b: { kind: box }"]);
    only_moves(&house, &text, &[r#"a -> a["k"]"#, r#"b["x"] -> b"#]).await;
    let text = moved(&[r#"a["k"] -> c[3]"#], &["c: { kind: box, for_each: [3] }", "b: { kind: box }"]);
    only_moves(&house, &text, &[r#"a["k"] -> c[3]"#]).await;
}

#[tokio::test(start_paused = true)]
async fn one_moves_into_a_module_and_out_of_one() {
    let house = House::new();
    let alone = ["a: { kind: box }", "b: { kind: named, host: '{{ a.id }}' }"];
    house.up(&blueprint(&alone)).await;
    let text = with_moves(&["a -> m/x", "b -> m/y"], &using(&["m: { source: m.yaml }"], &[], MODULE));
    only_moves(&house, &text, &["a -> m/x", "b -> m/y"]).await;
    let text = moved(&["m/x -> a", "m/y -> b"], &alone);
    only_moves(&house, &text, &["m/x -> a", "m/y -> b"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_module_moves_with_all_that_stands_in_it() {
    let house = House::new();
    house.up(&using(&["m: { source: m.yaml }", "n: { source: m.yaml, for_each: [p, q] }"], &[], MODULE)).await;
    let calls = ["new: { source: m.yaml }", "n: { source: m.yaml, for_each: [q, r] }"];
    let text = with_moves(&["m -> new", r#"n["p"] -> n["r"]"#], &using(&calls, &[], MODULE));
    let moves = ["m/x -> new/x", "m/y -> new/y", r#"n["p"]/x -> n["r"]/x"#, r#"n["p"]/y -> n["r"]/y"#];
    only_moves(&house, &text, &moves).await;
    // All instances of a module, and one that becomes an instance.
    let calls = ["new: { source: m.yaml, for_each: [only] }", "o: { source: m.yaml, for_each: [q, r] }"];
    let text = with_moves(&[r#"new -> new["only"]"#, "n -> o"], &using(&calls, &[], MODULE));
    let moves = [
        r#"new/x -> new["only"]/x"#,
        r#"new/y -> new["only"]/y"#,
        r#"n["q"]/x -> o["q"]/x"#,
        r#"n["q"]/y -> o["q"]/y"#,
        r#"n["r"]/x -> o["r"]/x"#,
        r#"n["r"]/y -> o["r"]/y"#,
    ];
    only_moves(&house, &text, &moves).await;
}

#[tokio::test(start_paused = true)]
async fn a_module_says_itself_what_moved_in_it() {
    let house = House::new();
    house.up(&using(&["m: { source: m.yaml, for_each: [p, q] }"], &[], MODULE)).await;
    let renamed = MODULE.replace("  x:", "  z:").replace("x.id", "z.id") + "moved: [{ from: x, to: z }]\n";
    let text = with_moves(&["m -> n"], &using(&["n: { source: m.yaml, for_each: [p, q] }"], &[], &renamed));
    let plan = house.plan(&text).await;
    assert_eq!(operations(&plan), Vec::<String>::new());
    let place = change(&plan, r#"n["p"]/z"#).reasons[0].place().unwrap();
    assert_eq!(
        place.file.to_str().unwrap(),
        "toy.yaml",
        "the move that an address begins with is the one that is told"
    );
    house.cloud.take_calls();
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    let addresses = [r#"n["p"]/y"#, r#"n["p"]/z"#, r#"n["q"]/y"#, r#"n["q"]/z"#];
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), addresses);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn moves_follow_each_other_from_wherever_a_stack_stands() {
    for (order, recorded) in [
        (["a -> b", "b -> c"], Some("a")),
        (["b -> c", "a -> b"], Some("a")),
        (["a -> b", "b -> c"], Some("b")),
        (["a -> b", "b -> c"], Some("c")),
        (["a -> b", "b -> c"], None),
    ] {
        let house = House::new();
        if let Some(name) = recorded {
            house.up(&blueprint(&[&format!("{name}: {{ kind: named }}")])).await;
        }
        let text = moved(&order, &["c: { kind: named }"]);
        match recorded {
            Some("c") => house.settled(&text).await,
            Some(name) => only_moves(&house, &text, &[&format!("{name} -> c")]).await,
            None => assert_eq!(done(&house.up(&text).await), ["create c"]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_swap_through_a_third_name() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }", "b: { kind: box, size: 2 }"])).await;
    let mut before = house.recorded().await;
    // In one go neither address is free.
    let at_once = moved(&["a -> b", "b -> a"], &["a: { kind: box, size: 2 }", "b: { kind: box, size: 1 }"]);
    assert!(house.try_load(&at_once).is_err());
    for (step, lines) in [
        ("a -> c", ["c: { kind: box, size: 1 }", "b: { kind: box, size: 2 }"]),
        ("b -> a", ["c: { kind: box, size: 1 }", "a: { kind: box, size: 2 }"]),
        ("c -> b", ["b: { kind: box, size: 1 }", "a: { kind: box, size: 2 }"]),
    ] {
        only_moves(&house, &moved(&[step], &lines), &[step]).await;
    }
    let (a, b) = (before.remove("a").unwrap(), before.remove("b").unwrap());
    assert_eq!(house.recorded().await.into_iter().collect::<Vec<_>>(), [("a".to_owned(), b), ("b".to_owned(), a)]);
}

#[tokio::test(start_paused = true)]
async fn where_both_addresses_are_recorded_nothing_is_done_and_the_entry_is_pointed_at() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "b: { kind: box }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    let problems = house.refused(&text).await;
    assert_eq!(problems.list[0].message, "`a` can't move to `b`: both are recorded");
    assert_eq!((problems.list.len(), pointed(&text, &problems)), (1, "'a'"));
    // Two that would come to one address, by one way or by two.
    for moves in [["a -> b", "b -> c"], ["b -> c", "a -> c"]] {
        let text = moved(&moves, &["c: { kind: box }"]);
        let problems = house.refused(&text).await;
        assert_eq!(problems.list[0].message, "`b` can't move to `c`: `a` moves there too");
        assert_eq!((problems.list.len(), pointed(&text, &problems)), (1, "'b'"));
    }
    // What the help says is so.
    house.cloud.take_calls();
    house.up(&blueprint(&["b: { kind: box }"])).await;
    assert_eq!(house.cloud.take_calls(), ["delete a"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_a_key_moves_to_nothing_without_one() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, for_each: [x, y] }", "b: { kind: box }"])).await;
    house.cloud.take_calls();
    let single = moved(&["a -> z"], &["z: { kind: box }", "b: { kind: box }"]);
    let several = moved(&["b -> z"], &["a: { kind: box, for_each: [x, y] }", "z: { kind: box, for_each: [x] }"]);
    for (text, said) in [(single, "and there is no `for_each`"), (several, "which is a `for_each`")] {
        let Err(EngineError::Blueprint(problems)) = house.try_plan(&text, Mode::Apply).await else { panic!("{text}") };
        assert!(problems.list.iter().all(|problem| problem.message.contains(said)), "{problems:#?}");
        assert!(house.cloud.take_calls().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_new_at_a_former_address_has_a_name_of_its_own() {
    let house = House::new();
    let named = |name: &str| format!("{name}: {{ kind: named }}");
    house.up(&blueprint(&[&named("a")])).await;
    house.up(&moved(&["a -> b"], &[&named("b")])).await;
    house.up(&blueprint(&[&named("a"), &named("b")])).await;
    // Again, and with a replacement at both.
    house.up(&moved(&["b -> c"], &[&named("a"), &named("c")])).await;
    let shaped = |name: &str| format!("{name}: {{ kind: named, shape: round }}");
    house.up(&blueprint(&[&shaped("a"), &shaped("b"), &shaped("c")])).await;
    let different: std::collections::BTreeSet<String> =
        house.cloud.things().into_iter().map(|thing| thing.name).collect();
    assert_eq!(different.len(), 3, "{different:?}");
    house.settled(&blueprint(&[&shaped("a"), &shaped("b"), &shaped("c")])).await;
}
