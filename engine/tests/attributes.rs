//! What a provider leaves out of the attributes that a kind's schema names is null, from the first moment on.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{House, blueprint};
use trueup_engine::plan::Mode;
use trueup_state::Value;

/// Two boxes, of which the second reads what the first one's provider leaves out where no password is given, and so do outputs.
fn text(size: u8) -> String {
    let resources = [
        format!("a: {{ kind: box, size: {size} }}"),
        "b: { kind: box, host: '{{ a.id }}', note: \"{{ 'nothing' if a.echo is none else 'something' }}\" }".to_owned(),
    ];
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    blueprint(&resources) + "outputs: { echo: '{{ a.echo }}', price: '{{ a.echo | default(0) }}' }\n"
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_null_in_the_apply_that_makes_it_and_in_the_next_plan() {
    let house = House::new();
    house.up(&text(1)).await;
    assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"nothing".into()));
    let outputs = house.state().await.outputs;
    assert_eq!((outputs.get("echo"), outputs.get("price")), (Some(&Value::Null), Some(&Value::Null)));
    house.settled(&text(1)).await;
    // An update leaves it out anew.
    house.up(&text(2)).await;
    assert_eq!(house.state().await.outputs, outputs);
    house.settled(&text(2)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_null_where_another_resource_alone_changes() {
    let house = House::new();
    let text = |host: &str| {
        let b =
            format!("b: {{ kind: box, host: {host}, note: \"{{{{ 'nothing' if a.echo is none else a.echo }}}}\" }}");
        blueprint(&["a: { kind: box }", &b])
    };
    house.up(&text("one")).await;
    house.up(&text("two")).await;
    assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"nothing".into()));
    house.settled(&text("two")).await;
    assert!(house.run_for(&text("two"), Mode::Correct).await.is_complete());
}
