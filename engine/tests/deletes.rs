//! What a delete goes by, what stands in its way, and what is said of it when it fails.

mod support;

use support::cloud::Fault;
use support::provider::condemned;
use support::{House, action, blueprint, change, operations};
use trueup_engine::plan::{Action, Mode, Order, Plan, Reason};
use trueup_engine::{EngineError, PlanOptions};
use trueup_state::entry::Class;
use trueup_state::{FieldPath, Verb};

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text)
}

/// What the deletes of a plan carry of what matters to them alone, as `a true`.
fn forced(plan: &Plan) -> Vec<String> {
    let deletes = plan.operations.iter().filter(|operation| operation.verb == Verb::Delete);
    deletes.map(|delete| format!("{} {}", delete.address, delete.spec.get("force") == Some(&true.into()))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_delete_goes_by_what_the_blueprint_says_then() {
    let house = House::new();
    let first = blueprint(&["a: { kind: box, shape: round }", "b: { kind: box, force: true }"]);
    house.up(&first).await;
    let edited = blueprint(&["a: { kind: box, shape: flat, force: true }", "b: { kind: box }"]);
    assert_eq!(forced(&house.plan_for(&first, Mode::Destroy).await), ["a false", "b true"]);
    assert_eq!(forced(&house.plan_for(&edited, Mode::Destroy).await), ["a true", "b false"]);
    assert_eq!(forced(&house.plan(&edited).await), ["a true"]);
    // Whose block is gone, or is another's by now, goes as it was recorded.
    assert_eq!(forced(&house.plan(&blueprint(&[])).await), ["a false", "b true"]);
    let other = blueprint(&["a: { kind: scarce, force: true }", "b: { kind: box }"]);
    assert_eq!(forced(&house.plan(&other).await), ["a false"]);
    assert_eq!(forced(&house.plan_for(&other, Mode::Destroy).await), ["a false", "b false"]);
    let read = blueprint(&["a: { kind: box }", "b: { kind: box, existing: other }"]);
    assert_eq!(forced(&house.plan_for(&read, Mode::Destroy).await), ["a false", "b true"]);
    // What has another address is still declared.
    let moved = format!("{}moved: [{{ from: a, to: c }}]\n", blueprint(&["c: { kind: box, force: true }"]));
    assert_eq!(forced(&house.plan_for(&moved, Mode::Destroy).await), ["a true", "b true"]);
    // What is sent is what was planned, to what was superseded as well.
    house.cloud.fail("delete a", condemned());
    assert_eq!(house.run(&blueprint(&["a: { kind: box, shape: flat, replace: create_first }"])).await.failed.len(), 1);
    let again = blueprint(&["a: { kind: box, shape: flat, replace: create_first, force: true }"]);
    assert_eq!(forced(&house.plan(&again).await), ["a true"]);
}

/// What a plan is refused for, as message, help and line.
fn refused(plan: &Plan) -> Vec<(&str, &str, usize)> {
    let line = |refusal: &trueup_engine::plan::Refusal| refusal.source.as_ref().map_or(0, |place| place.line);
    plan.refusals.iter().map(|one| (one.message.as_str(), one.help.as_str(), line(one))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_deleted_is_told_before_anything_is() {
    let house = House::new();
    let text = |shape: &str, force: &str| {
        blueprint(&["a:", "  kind: box", "  label: sticky", &format!("  shape: {shape}"), force, "b: { kind: box }"])
    };
    house.up(&text("round", "  force: false")).await;
    let says =
        ("a can't be deleted: it sticks", "set `force: true` in the blueprint, and run the same command again", 8);
    let plan = house.plan_for(&text("round", "  force: false"), Mode::Destroy).await;
    assert_eq!((refused(&plan), operations(&plan).len()), (vec![says], 2));
    assert!(matches!(house.carry_out(&plan, &text("round", "  force: false")).await, Err(EngineError::Refused(_))));
    assert_eq!(refused(&house.plan(&text("flat", "  force: false")).await), [says]);
    assert!(refused(&house.plan(&text("round", "  force: false")).await).is_empty());
    for (text, mode) in [(text("round", "  force: true"), Mode::Destroy), (text("flat", "  force: true"), Mode::Apply)]
    {
        assert!(refused(&house.plan_for(&text, mode).await).is_empty());
    }
    // Its block is gone: it has to be put back before anything can be said of it.
    let plan = house.plan(&blueprint(&["b: { kind: box }"])).await;
    let back = "put its block back with `force: true`, apply, and take it out again";
    assert_eq!(refused(&plan), [("a can't be deleted: it sticks", back, 4)]);
    // Nobody asks where nobody is to look.
    let program = house.load(&blueprint(&[]));
    let options = PlanOptions { refresh: false, ..PlanOptions::new(Mode::Destroy) };
    let planned = house.engine().plan(&program, &support::stack(), options).await.unwrap();
    assert!(planned.plan.refusals.is_empty() && planned.plan.operations.len() == 2);
    // What may turn out an update is not refused before that is known.
    let perhaps =
        format!("{}  c: {{ kind: box }}\n", text("\"{{ 'round' if c.zone == 'z1' else 'flat' }}\"", "  note: x"));
    let plan = house.plan(&perhaps).await;
    assert_eq!((action(&plan, "a"), refused(&plan).len()), (Action::Replace(Order::DestroyFirst), 0));
    // What was superseded is in nobody's way.
    house.cloud.edit("a", "label", None);
    house.cloud.fail("delete a", condemned());
    let flat = text("flat", "  replace: create_first");
    assert_eq!(house.run(&flat).await.failed.len(), 1);
    let old = house.cloud.of("a").into_iter().find(|thing| thing.spec.get("shape") == Some(&"round".into())).unwrap();
    house.cloud.edit_id(&old.id, "label", Some("sticky".into()));
    let plan = house.plan(&flat).await;
    assert_eq!((operations(&plan), refused(&plan).len()), (vec!["delete a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_matters_only_to_a_delete_changes_only_the_record() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.take_calls();
    let text = blueprint(&["a:", "  kind: box", "  force: true"]);
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, "a"), operations(&plan).len()), (Action::Record, 0));
    assert_eq!(change(&plan, "a").reasons, [Reason::Recorded { what: "force".to_owned() }]);
    let field = &change(&plan, "a").fields[0];
    assert_eq!(
        (&field.path, &field.after, field.source.as_ref().unwrap().line),
        (&path("force"), &Some(true.into()), 6)
    );
    house.up(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    house.settled(&text).await;
    // Nobody looks what the cloud has of it.
    house.cloud.edit("a", "force", Some(false.into()));
    house.settled(&text).await;
    // Beside another change it is told too.
    let plan = house.plan(&blueprint(&["a: { kind: box, size: 2 }"])).await;
    let fields: Vec<_> = change(&plan, "a").fields.iter().map(|field| field.path.to_string()).collect();
    assert_eq!((action(&plan, "a"), fields), (Action::Update, vec!["force".to_owned(), "size".to_owned()]));
    // A correction leaves it, as it leaves other edits.
    let plan = house.plan_for(&blueprint(&["a: { kind: box }"]), Mode::Correct).await;
    assert_eq!((action(&plan, "a"), plan.notices.len()), (Action::None, 1));
    // What only apply can tell can't be recorded before.
    let text = blueprint(&["a: { kind: box, force: \"{{ b.zone != 'z1' }}\" }", "b: { kind: box }"]);
    house.cloud.take_calls();
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create b", "update a"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_to_do_is_told_by_what_failed_and_what_was_tried() {
    let helps = async |mode: Mode, resources: &[&str], call: &str, class: Class| {
        let house = House::new();
        if !call.starts_with("create") {
            house.up(&blueprint(&["a: { kind: box, shape: round, force: false }"])).await;
        }
        house.cloud.fail(call, Fault::Fails(class));
        let report = house.run_for(&blueprint(resources), mode).await;
        report.failed[0].help.clone().unwrap()
    };
    let invalid = |field: Option<&str>| Class::Invalid { field: field.map(str::to_owned) };
    let here: &[&str] = &["a: { kind: box, shape: flat }"];
    let cases = [
        (Mode::Apply, here, "create a", invalid(Some("force")), "correct the blueprint, and apply again"),
        (Mode::Apply, here, "delete a", invalid(None), "put that right, and apply again"),
        (Mode::Destroy, here, "delete a", invalid(Some("size")), "put that right, and run the same command again"),
        (
            Mode::Destroy,
            here,
            "delete a",
            Class::Denied,
            "give these credentials the permission, and run the same command again",
        ),
        (
            Mode::Apply,
            &[],
            "delete a",
            invalid(Some("force")),
            "put its block back with `force: true`, apply, and take it out again",
        ),
    ];
    for (mode, resources, call, class, help) in cases {
        assert_eq!(helps(mode, resources, call, class).await, help);
    }
    let said = ["a: { kind: box, shape: round, force: false }"];
    let help = helps(Mode::Destroy, &said, "delete a", invalid(Some("force"))).await;
    assert_eq!(help, "set `force: true` in the blueprint, and run the same command again");
}
