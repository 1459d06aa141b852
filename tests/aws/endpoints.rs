//! `endpoint` on `SageMaker`: what it is made of, how it moves to what is new, and what is refused.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::natives::{self, all_under, by_hand, by_hand_at, read};
use crate::rig::Rig;

const ENDPOINT: &str = "AWS::SageMaker::Endpoint";
const CONFIG: &str = "AWS::SageMaker::EndpointConfig";
const MODEL: &str = "AWS::SageMaker::Model";
const TARGET: &str = "AWS::ApplicationAutoScaling::ScalableTarget";
const SCALING: &str = "AWS::ApplicationAutoScaling::ScalingPolicy";
const ROLE: &str = "AWS::IAM::Role";
const POLICY: &str = "AWS::IAM::RolePolicy";
const ALL: [&str; 7] = [ENDPOINT, CONFIG, MODEL, TARGET, SCALING, ROLE, POLICY];

const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat@sha256:11";
const NEXT_IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat@sha256:22";

/// The identifiers of all things of a type. What scales is listed by its service, and what a role may do is not listed at all.
fn all(rig: &Rig, kind: &str) -> Vec<String> {
    match kind {
        TARGET | SCALING => all_under(rig, kind, json!({ "ServiceNamespace": "sagemaker" })),
        POLICY => {
            let named = natives::all(rig, ROLE).into_iter().map(|role| format!("trueup|{role}"));
            let is_there = |key: &String| {
                rig.types("get_resource", json!({ "TypeName": POLICY, "Identifier": key })).get("error").is_none()
            };
            named.filter(is_there).collect()
        }
        _ => natives::all(rig, kind),
    }
}

fn only(rig: &Rig, kind: &str) -> Json {
    let all = all(rig, kind);
    let [key] = &all[..] else { panic!("{all:?}") };
    read(rig, kind, key)
}

/// An endpoint that serves an artifact, with further fields.
fn serving(image: &str, more: &str) -> String {
    format!(
        "  weights: {{ kind: bucket, provider: aws, name: endpoint-weights-ACCOUNT, force_destroy: true }}
  tiny: {{ kind: artifact, bucket: \"{{{{ weights }}}}\", source: model }}
  chat:
    kind: endpoint
    provider: aws
    image: {image}
    model: \"{{{{ tiny.uri }}}}\"
    tags: {{ team: a }}
    {more}
"
    )
}

/// A place with a model and an image; none where moto can't be had.
fn rig(more: &str) -> Option<Rig> {
    let rig = Rig::with("")?;
    rig.aws.has_images(&[IMAGE, NEXT_IMAGE]);
    rig.place.write("model/weights.bin", "numbers");
    say(&rig, IMAGE, more);
    Some(rig)
}

fn say(rig: &Rig, image: &str, more: &str) {
    rig.write(&serving(image, more).replace("ACCOUNT", &rig.aws.account));
}

/// The variant by which the endpoint serves, as boto3 sees it.
fn variant(rig: &Rig) -> Json {
    let serves_by = only(rig, ENDPOINT)["EndpointConfigName"].clone();
    let config = only(rig, CONFIG);
    assert_eq!(config["EndpointConfigName"], serves_by, "it serves by the only configuration that is there");
    let variants = config["ProductionVariants"].as_array().unwrap();
    assert_eq!(variants.len(), 1);
    assert_eq!(variants[0]["ModelName"], only(rig, MODEL)["ModelName"], "and that has the only model");
    variants[0].clone()
}

fn is_gone(rig: &Rig) {
    for kind in ALL {
        assert_eq!(all(rig, kind), [""; 0], "{kind}");
    }
}

#[test]
fn an_endpoint_serves_an_image_and_a_model_and_may_read_these_alone() {
    let more = "gpu: { model: L4, count: 1 }\n    env: { LOG: info }\n    health: { start_timeout: 10m }";
    let Some(rig) = rig(more) else { return };
    rig.up();
    let variant = variant(&rig);
    assert_eq!((&variant["InstanceType"], &variant["InitialInstanceCount"]), (&json!("ml.g6.xlarge"), &json!(1)));
    assert_eq!(variant["ContainerStartupHealthCheckTimeoutInSeconds"], 600);
    let container = &only(&rig, MODEL)["PrimaryContainer"];
    assert_eq!(container["Image"], IMAGE);
    assert_eq!(container["Environment"], json!({ "MODEL": "/opt/ml/model", "LOG": "info" }));
    let source = &container["ModelDataSource"]["S3DataSource"];
    assert_eq!((&source["S3DataType"], &source["CompressionType"]), (&json!("S3Prefix"), &json!("None")));
    let uri = source["S3Uri"].as_str().unwrap();
    let place = uri.strip_prefix("s3://").and_then(|place| place.strip_suffix('/')).unwrap();
    let policy = only(&rig, POLICY)["PolicyDocument"].to_string();
    assert!(policy.contains(&format!("arn:aws:s3:::{place}/*")) && policy.contains("s3:GetObject"), "{policy}");
    assert!(policy.contains("arn:aws:ecr:us-east-1:123456789012:repository/chat"), "{policy}");
    assert!(!policy.contains("s3:Put") && !policy.contains("s3:*"), "{policy}");
    let role = only(&rig, ROLE);
    assert_eq!(only(&rig, MODEL)["ExecutionRoleArn"], role["Arn"]);
    assert!(role["AssumeRolePolicyDocument"].to_string().contains("sagemaker.amazonaws.com"), "{role}");
    let tags = only(&rig, ENDPOINT)["Tags"].to_string();
    assert!(tags.contains("trueup:stack") && tags.contains("team"), "{tags}");
    rig.run(&["destroy", "--yes"]).exits(0);
    is_gone(&rig);
}

#[test]
fn it_is_moved_to_what_is_new_before_the_old_goes() {
    let Some(rig) = rig("gpu: { model: L4 }") else { return };
    rig.up();
    let (endpoint, model) = (all(&rig, ENDPOINT), all(&rig, MODEL));
    // What serves by a configuration, and what that is of, the fake does not let go.
    say(&rig, IMAGE, "gpu: { model: L4, count: 4 }");
    rig.run(&["plan"]).exits(2).says("chat/config").says("new one first");
    rig.up();
    assert_eq!(variant(&rig)["InstanceType"], "ml.g6.12xlarge");
    assert_eq!((all(&rig, ENDPOINT), all(&rig, MODEL)), (endpoint.clone(), model.clone()));
    say(&rig, NEXT_IMAGE, "gpu: { model: L4, count: 4 }\n    replace: destroy_first");
    rig.up();
    assert_eq!(only(&rig, MODEL)["PrimaryContainer"]["Image"], NEXT_IMAGE);
    assert_eq!(variant(&rig)["InstanceType"], "ml.g6.12xlarge");
    assert!(all(&rig, ENDPOINT) == endpoint && all(&rig, MODEL) != model);
}

#[test]
fn one_that_serves_as_before_though_aws_says_it_is_done_is_a_failure() {
    let Some(rig) = rig("gpu: { model: L4 }") else { return };
    rig.up();
    say(&rig, IMAGE, "gpu: { model: L4, count: 4 }");
    let old = only(&rig, ENDPOINT)["EndpointConfigName"].clone();
    // The new configuration is made; the endpoint is said to be moved, and is not.
    rig.aws.fails_later(&["Fine", "Nothing"]);
    rig.run(&["apply", "--yes"]).exits(3).says("AWS says that it is done").says(old.as_str().unwrap());
    assert_eq!(only(&rig, ENDPOINT)["EndpointConfigName"], old);
    rig.up();
    assert_eq!(variant(&rig)["InstanceType"], "ml.g6.12xlarge");
}

#[test]
fn it_is_scaled_between_two_numbers_by_what_is_said() {
    let scaled = |max: u8, target: &str| format!("replicas: {{ min: 1, max: {max}, target: {target} }}");
    let Some(rig) = rig(&scaled(4, "{ metric: concurrency, value: 8 }")) else { return };
    rig.up();
    let name = only(&rig, ENDPOINT)["EndpointName"].as_str().unwrap().to_owned();
    let target = only(&rig, TARGET);
    assert_eq!(target["ResourceId"], format!("endpoint/{name}/variant/primary"));
    assert_eq!((&target["MinCapacity"], &target["MaxCapacity"]), (&json!(1), &json!(4)));
    let follows = || only(&rig, SCALING)["TargetTrackingScalingPolicyConfiguration"].clone();
    assert_eq!(follows()["TargetValue"], 8.0);
    say(&rig, IMAGE, &scaled(6, "{ metric: requests_per_second, value: 2 }"));
    rig.up();
    assert_eq!(only(&rig, TARGET)["MaxCapacity"], 6);
    assert_eq!(follows()["TargetValue"], 120.0, "AWS counts by the minute");
    say(&rig, IMAGE, &scaled(6, "{ metric: gpu_utilization, value: 70 }"));
    rig.up();
    let metric = follows()["CustomizedMetricSpecification"].clone();
    assert_eq!((&metric["MetricName"], &metric["Dimensions"][0]["Value"]), (&json!("GPUUtilization"), &json!(name)));
    let patch = json!([{ "op": "replace", "path": "/MaxCapacity", "value": 50 }]);
    by_hand_at(&rig, TARGET, &all(&rig, TARGET)[0], patch);
    rig.corrects("MaxCapacity");
    assert_eq!(only(&rig, TARGET)["MaxCapacity"], 6);
    say(&rig, IMAGE, "replicas: { min: 2 }");
    rig.up();
    assert_eq!((all(&rig, TARGET), all(&rig, SCALING)), (vec![], vec![]));
    assert_eq!(variant(&rig)["InitialInstanceCount"], 2);
    rig.run(&["destroy", "--yes"]).exits(0);
    is_gone(&rig);
}

#[test]
fn what_was_moved_by_hand_is_moved_back() {
    let Some(rig) = rig("gpu: { model: L4 }") else { return };
    rig.up();
    let ours = only(&rig, ENDPOINT)["EndpointConfigName"].clone();
    let theirs = json!({ "EndpointConfigName": "by-hand", "ProductionVariants": [{ "VariantName": "primary", "InitialVariantWeight": 1, "ModelName": only(&rig, MODEL)["ModelName"] }] });
    rig.types("create_resource", json!({ "TypeName": CONFIG, "DesiredState": theirs.to_string() }));
    by_hand(&rig, ENDPOINT, json!([{ "op": "replace", "path": "/EndpointConfigName", "value": "by-hand" }]));
    assert_eq!(only(&rig, ENDPOINT)["EndpointConfigName"], "by-hand");
    rig.corrects("EndpointConfigName");
    assert_eq!(only(&rig, ENDPOINT)["EndpointConfigName"], ours);
}

#[test]
fn one_whose_image_or_weights_are_not_there_is_refused_and_made_once_they_are() {
    let Some(rig) = rig("gpu: { model: L4 }") else { return };
    let missing = IMAGE.replace("11", "33");
    say(&rig, &missing, "gpu: { model: L4 }");
    rig.run(&["apply", "--yes"]).exits(3).says("not found");
    assert_eq!(all(&rig, ENDPOINT), [""; 0]);
    rig.aws.has_images(&[&missing]);
    rig.up();
    variant(&rig);
}

#[test]
fn every_lost_reply_is_settled() {
    let Some(rig) = rig("gpu: { model: L4 }\n    replicas: { min: 1, max: 2 }") else { return };
    rig.aws.proxy.misbehave("cloudcontrolapi:CreateResource", Fault::LosesReply, 2, 8);
    rig.up();
    rig.aws.proxy.behave();
    variant(&rig);
    for kind in [ENDPOINT, CONFIG, MODEL, TARGET, ROLE, POLICY] {
        assert_eq!(all(&rig, kind).len(), 1, "{kind}");
    }
}

#[test]
fn what_sagemaker_can_not_do_is_told_at_its_field() {
    let Some(rig) = rig("") else { return };
    for (field, said) in [
        ("port: 9000", "listens on port 8080"),
        ("public: true", "whom IAM lets"),
        ("request_timeout: 2m", "60 s at the most"),
        ("secrets: { TOKEN: prod/token }", "no environment from a store"),
        ("runtime: vertex", "`sagemaker`"),
        ("gpu: { model: L5 }", "has no `L5`"),
        ("gpu: { model: L4, count: 3 }", "it has 1, 4, 8"),
        ("cpu: 500", "so many processor cores"),
        ("replicas: { min: 0 }", "at least one replica"),
        ("health: { start_timeout: 5s }", "60 s to 1 h"),
        ("options: { aws: { variant: a } }", "no option `variant`"),
        ("options: { aws: { subnets: [subnet-1] } }", "go together"),
    ] {
        say(&rig, IMAGE, field);
        rig.run(&["plan"]).exits(1).complains(said).complains("blueprint.yaml:12");
    }
    say(&rig, "docker.io/library/nginx", "");
    rig.run(&["plan"]).exits(1).complains("images of ECR").complains("blueprint.yaml:9");
    assert!(!rig.aws.proxy.take_operations().iter().any(|operation| operation.ends_with("CreateResource")));
}
