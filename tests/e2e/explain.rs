//! What `explain` says.

use crate::support::Place;

fn said(names: &[&str]) -> String {
    let place = Place::new();
    let text = names.iter().map(|name| place.run(&["explain", name]).exits(0).out);
    text.collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn without_a_name_it_lists_what_there_is() {
    let place = Place::new();
    insta::assert_snapshot!(place.run(&["explain"]).exits(0).out);
    let list = place.run(&["explain", "--json"]).exits(0).json();
    assert!(list["kinds"]["bucket"].is_string() && list["sections"]["moved"].is_string(), "{list}");
    assert!(!place.path(".trueup").exists());
}

#[test]
fn a_kind() {
    insta::assert_snapshot!(said(&["endpoint", "gpu_instance"]));
}

#[test]
fn a_field() {
    insta::assert_snapshot!(said(&[
        "endpoint.health.path",
        "endpoint.replicas.min",
        "bucket.force_destroy",
        "gpu_instance.user_data",
        "gpu_instance.gpu",
        "artifact.bucket",
        "bucket.lifecycle.transition.storage_class",
        "bucket.lifecycle[0].prefix",
        "image.digest",
        "endpoint.status",
        "bucket.protect",
    ]));
}

#[test]
fn the_language() {
    insta::assert_snapshot!(said(&[
        "variables",
        "resources",
        "resources.for_each",
        "environments.variables.type",
        "moved.from"
    ]));
}

#[test]
fn what_any_resource_may_have_is_explained_by_its_name_alone() {
    assert_eq!(said(&["placement"]), said(&["resources.placement"]));
    assert_eq!(said(&["placement.provider"]), said(&["resources.placement.provider"]));
}

#[test]
fn what_is_chosen_from_several_is_marked_as_a_choice() {
    insta::assert_snapshot!(said(&["schedule.starts", "schedule.starts.queue", "gpu_instance.market"]));
}

#[test]
fn options_are_their_providers_to_tell() {
    let place = Place::new();
    let told = |name: &str| place.run(&["explain", name]).exits(1);
    told("gpu_instance.options.sim")
        .complains("known to the provider `sim` alone")
        .complains("the documentation of `sim` lists its options");
    told("gpu_instance.options.nobody").complains("`gpu_instance.options` has no `nobody`");
}

#[test]
fn a_provider() {
    assert_eq!(said(&["local"]), said(&["providers.local"]));
    insta::assert_snapshot!(said(&["local", "local.root"]));
}

#[test]
fn a_name_that_means_nothing() {
    let place = Place::new();
    for name in ["endpont", "endpoint.helth", "bucket.name.first", "zebra", "", "Sim::Thing", "resources.weights"] {
        let ran = place.run(&["explain", name]).exits(1);
        assert!(ran.out.is_empty(), "{}", ran.out);
        place.run(&["explain", name, "--json"]).exits(1).json_lines();
    }
    let complaints = ["endpont", "bucket.versionning", "endpoint.helth", "bucket.name.first", "zebra", "Sim::Thing"];
    insta::assert_snapshot!(complaints.map(|name| place.run(&["explain", name]).err).join("---\n"));
}

#[test]
fn as_json_it_is_the_schema() {
    let place = Place::new();
    let kind = place.run(&["explain", "bucket", "--json"]).exits(0).json();
    assert_eq!(kind["spec"]["properties"]["name"]["x-immutable"], true);
    let makers = kind["providers"].as_array().unwrap();
    assert!(makers.contains(&"local".into()) && makers.contains(&"sim".into()), "{makers:?}");
    assert!(kind["attributes"]["properties"]["uri"].is_object());
    let field = place.run(&["explain", "endpoint.health.path", "--json"]).exits(0).json();
    assert_eq!(field["schema"]["default"], "/healthz");
    assert_eq!(field["required"], false);
}
