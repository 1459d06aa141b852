//! The kinds that only a cloud has, at `sim`: up, changed, drifted, down.

use crate::support::Place;

const ESTATE: &str = r#"blueprint: estate
providers: { sim: {} }
variables: { token: { secret: true, default: canary-7c4a8d09 } }
resources:
  weights: { kind: bucket }
  images: { kind: registry }
  token: { kind: secret, value: "{{ var.token }}" }
  runner:
    kind: identity
    can: [{ read: "{{ weights }}" }, { read: "{{ token }}" }, { pull: "{{ images }}" }, { write: "{{ events }}" }]
    used_by: [function]
  events: { kind: "Sim::Thing" }
  retrain:
    kind: function
    code: { archive: { bucket: "{{ weights }}", file: retrain.zip } }
    handler: main.handle
    runtime: python3.13
    env: { TOKEN: "{{ var.token }}" }
    identity: "{{ runner.resource_id }}"
  nightly: { kind: schedule, cron: "30 3 * * 1-5", time_zone: Europe/Berlin, starts: { function: "{{ retrain }}" } }
  failing: { kind: alert, watch: { errors: "{{ retrain }}" }, threshold: 10, emails: [ml@example.com] }
  spending: { kind: budget, amount_usd: 500, emails: [ml@example.com] }
  net: { kind: network, zones: [us-east-1a, us-east-1b] }
  shared: { kind: volume, type: shared, reachable: { network: "{{ net }}", subnets: ["{{ net.subnets['us-east-1a'] }}"] } }
  disk: { kind: volume, zone: us-east-1a }
outputs:
  subnets: "{{ net.subnets | keys | list }}"
  log: "{{ retrain.log }}"
"#;

#[test]
fn they_go_up_change_drift_and_go_down() {
    let place = Place::with(ESTATE);
    place.run(&["plan"]).exits(2).says("12 to create").says_not("canary");
    let applied = place.run(&["apply", "--yes"]).exits(0);
    applied.says("us-east-1b").says("sim://logs/").says_not("canary");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    assert_eq!(place.files_with("canary"), [place.path("blueprint.yaml")]);

    for (before, after, said) in [
        ("30 3", "0 4", "cron"),
        ("amount_usd: 500", "amount_usd: 750", "amount_usd"),
        ("used_by: [function]", "used_by: [function, schedule]", "used_by"),
        ("threshold: 10", "threshold: 20", "threshold"),
        ("canary-7c4a8d09", "canary-eed57216", "(secret)"),
        ("us-east-1b]", "us-east-1b, us-east-1c]", "zones"),
    ] {
        place.edit(before, after);
        place.run(&["plan"]).exits(2).says(said).says("0 to create").says_not("canary");
        place.run(&["apply", "--yes"]).exits(0).says_not("canary");
        place.run(&["plan"]).exits(0).says("Nothing to do.");
    }
    place.edit("disk: { kind: volume, zone: us-east-1a }", "disk: { kind: volume, zone: us-east-1b }");
    place.run(&["plan"]).exits(2).says("1 to replace").says("zone");
    place.run(&["apply", "--yes"]).exits(0);

    place.run(&["sim", "break", "nightly", "enabled=false"]).exits(0);
    place.run(&["drift"]).exits(2).says("nightly").says("enabled");
    place.run(&["drift", "--correct", "--yes"]).exits(0);
    place.run(&["drift"]).exits(0);
    place.run(&["destroy", "--yes"]).exits(0);
    place.run(&["sim", "objects"]).exits(0).says("0 objects.");
}

#[test]
fn local_makes_none_of_them() {
    let place =
        Place::with("blueprint: demo\nproviders: { local: {} }\nresources: { net: { kind: network, zones: [a] } }\n");
    place.run(&["plan"]).exits(1).complains("no configured provider makes a network");
}
