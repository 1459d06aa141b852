//! `blueprints/aws-llm-serving.yaml`: a model on AWS from the first plan to the end.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::aws::REGION;
use crate::aws::proxy::Fault;
use crate::fleet::machines_in;
use crate::layout::small_layout;
use crate::natives::{all, all_under, by_hand, by_hand_at, only, read};
use crate::rig::Rig;
use crate::support::{Ran, eventually};

const TARGET: &str = "AWS::ApplicationAutoScaling::ScalableTarget";
/// The types that it is made of, but for those that are listed under another or not at all.
const TYPES: [&str; 11] = [
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SecurityGroup",
    "AWS::ECR::Repository",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::Role",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::Model",
    "AWS::Scheduler::Schedule",
];
const ELSEWHERE: &str = "us-west-2";
/// What the operations of AWS's that change something begin with.
const CHANGES: [&str; 10] =
    ["Create", "Put", "Run", "Update", "Delete", "Terminate", "Upload", "Complete", "Initiate", "Modify"];

/// A place with the blueprint and what it needs; none where moto can't be had.
fn rig() -> Option<Rig> {
    let rig = Rig::with("")?;
    let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let text = fs::read_to_string(blueprints.join("aws-llm-serving.yaml")).unwrap();
    rig.place.write("blueprint.yaml", &text);
    fs::create_dir_all(rig.place.path("models/house-prices")).unwrap();
    for file in ["houses.csv", "model.json", "train.py"] {
        let text = fs::read_to_string(blueprints.join("models/house-prices").join(file)).unwrap();
        rig.place.write(&format!("models/house-prices/{file}"), &text);
    }
    small_layout(&rig.place, "images/chat");
    Some(rig)
}

const VARIABLES: [(&str, &str); 2] = [("TRUEUP_VAR_oncall", "ml@example.com"), ("TRUEUP_VAR_token", "HUNTER2-token")];

#[track_caller]
fn run(rig: &Rig, arguments: &[&str]) -> Ran {
    rig.run_with(arguments, &VARIABLES)
}

/// Runs the program until it has asked AWS so often for a change, and kills it: whether it had not ended by then.
#[track_caller]
fn killed(rig: &Rig, arguments: &[&str], after: usize) -> bool {
    rig.aws.proxy.take_calls();
    let running = rig.start_with(arguments, &VARIABLES);
    let mut asked = 0;
    eventually("it asks for changes, or ends", || {
        let is_change = |call: &String| CHANGES.iter().any(|verb| call.contains(&format!(":{verb}")));
        asked += rig.aws.proxy.take_operations().iter().filter(|call| is_change(call)).count();
        asked >= after || running.has_ended()
    });
    running.signal_if_there(Signal::KILL);
    running.wait().code == -1
}

/// Nothing is left to do, and nothing has drifted.
#[track_caller]
fn is_level(rig: &Rig) {
    run(rig, &["plan"]).exits(0);
    run(rig, &["drift"]).exits(0);
}

fn tags_of(rig: &Rig, bucket: &str) -> String {
    rig.s3("get_bucket_tagging", json!({ "Bucket": bucket }))["TagSet"].to_string()
}

#[test]
fn a_model_goes_up_is_put_right_and_comes_down() {
    let Some(rig) = rig() else { return };
    run(&rig, &["plan"]).exits(2).says("trainer").says_not("HUNTER2");
    // Where the first region has no room, the second has the machine.
    rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(500, "InsufficientInstanceCapacity"), 1, 1);
    run(&rig, &["apply", "--yes"]).exits(0).says_not("HUNTER2");
    is_level(&rig);
    assert_eq!((machines_in(&rig, REGION).len(), machines_in(&rig, ELSEWHERE).len()), (0, 1));
    let buckets = rig.buckets();
    let bucket = |name: &str| buckets.iter().find(|bucket| bucket.contains(name)).unwrap().clone();
    assert_eq!(buckets.len(), 3, "{buckets:?}");
    let weights = bucket("weights");
    let listed = rig.s3("list_objects_v2", json!({ "Bucket": weights }));
    assert!(listed.to_string().contains("trueup-manifest.json"), "{listed}");
    let model = only(&rig, "AWS::SageMaker::Model");
    let image = model["PrimaryContainer"]["Image"].as_str().unwrap().to_owned();
    assert!(image.contains(".dkr.ecr.us-east-1.amazonaws.com/") && image.contains("@sha256:"), "{image}");
    let schedule = only(&rig, "AWS::Scheduler::Schedule");
    assert_eq!(schedule["Target"]["Arn"], only(&rig, "AWS::SQS::Queue")["Arn"]);
    let alarm = only(&rig, "AWS::CloudWatch::Alarm");
    let endpoint = only(&rig, "AWS::SageMaker::Endpoint")["EndpointName"].as_str().unwrap().to_owned();
    assert!(alarm["Dimensions"].to_string().contains(&endpoint), "{alarm}");
    run(&rig, &["output", "url"]).exits(0).says(&format!("/endpoints/{endpoint}/invocations"));
    assert_eq!(rig.place.files_with("HUNTER2"), [""; 0].map(std::path::PathBuf::from));

    drifts(&rig, &weights);
    run(&rig, &["plan", "--env", "prod"]).exits(2);
    // What a role lets in is the same each time that it is asked.
    run(&rig, &["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
    for kind in TYPES {
        assert_eq!(all(&rig, kind), [""; 0], "{kind}");
    }
    assert_eq!((machines_in(&rig, REGION).len(), machines_in(&rig, ELSEWHERE).len()), (0, 0));
}

#[test]
fn a_model_whose_runs_are_killed_again_and_again_is_made_once_and_removed_whole() {
    let Some(rig) = rig() else { return };
    let kills = [2, 5, 9, 4, 7, 3, 11, 6].into_iter().filter(|after| killed(&rig, &["apply", "--yes"], *after)).count();
    assert!(kills >= 5, "{kills} runs were killed");
    run(&rig, &["apply", "--yes"]).exits(0);
    is_level(&rig);
    let (machines, buckets) = (machines_in(&rig, REGION).len() + machines_in(&rig, ELSEWHERE).len(), rig.buckets());
    assert_eq!((machines, buckets.len()), (1, 3), "{buckets:?}");
    let once = ["AWS::SQS::Queue", "AWS::SageMaker::Model", "AWS::SageMaker::Endpoint", "AWS::Scheduler::Schedule"];
    for kind in once.into_iter().chain(["AWS::Budgets::Budget", "AWS::CloudWatch::Alarm", "AWS::ECR::Repository"]) {
        assert_eq!(all(&rig, kind).len(), 1, "{kind}");
    }
    let kills = [1, 3, 6, 4].into_iter().filter(|after| killed(&rig, &["destroy", "--yes"], *after)).count();
    assert!(kills >= 2, "{kills} runs were killed");
    run(&rig, &["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
    for kind in TYPES {
        assert_eq!(all(&rig, kind), [""; 0], "{kind}");
    }
    assert_eq!((machines_in(&rig, REGION).len(), machines_in(&rig, ELSEWHERE).len()), (0, 0));
}

/// Others change a thing of each sort; it is found, and put right.
#[track_caller]
fn drifts(rig: &Rig, weights: &str) {
    let replaced = |path: &str, value: Json| json!([{ "op": "replace", "path": path, "value": value }]);
    let suspended = json!({ "Bucket": weights, "VersioningConfiguration": { "Status": "Suspended" } });
    rig.s3("put_bucket_versioning", suspended);
    by_hand(rig, "AWS::SQS::Queue", replaced("/MessageRetentionPeriod", json!(60)));
    by_hand(rig, "AWS::CloudWatch::Alarm", replaced("/Threshold", json!(9)));
    by_hand(rig, "AWS::Scheduler::Schedule", replaced("/State", json!("DISABLED")));
    let scaled = || all_under(rig, TARGET, json!({ "ServiceNamespace": "sagemaker" })).remove(0);
    by_hand_at(rig, TARGET, &scaled(), replaced("/MaxCapacity", json!(50)));
    let machine = machines_in(rig, ELSEWHERE).remove(0)["InstanceId"].clone();
    let tag = json!({ "Resources": [machine], "Tags": [{ "Key": "team", "Value": "nobody" }] });
    rig.aws.boto_in(ELSEWHERE, "ec2", "create_tags", tag);
    let found = run(rig, &["drift"]).exits(2);
    for what in ["weights", "events", "slow/alarm", "nightly/schedule", "chat/target", "trainer"] {
        assert!(found.out.contains(what), "{what} is not in {}", found.out);
    }
    run(rig, &["drift", "--correct", "--yes"]).exits(0);
    is_level(rig);
    let versioning = rig.s3("get_bucket_versioning", json!({ "Bucket": weights }));
    assert_eq!(versioning["Status"], "Enabled");
    assert!(tags_of(rig, weights).contains("search"));
    assert_eq!(only(rig, "AWS::SQS::Queue")["MessageRetentionPeriod"], 86400);
    // AWS counts it in microseconds.
    assert_eq!(only(rig, "AWS::CloudWatch::Alarm")["Threshold"], 2_000_000.0);
    assert_eq!(only(rig, "AWS::Scheduler::Schedule")["State"], "ENABLED");
    assert_eq!(read(rig, TARGET, &scaled())["MaxCapacity"], 4);
    assert!(machines_in(rig, ELSEWHERE)[0]["Tags"].to_string().contains("search"));
}
