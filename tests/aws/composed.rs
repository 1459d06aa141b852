//! Kinds that are composed of native ones: each goes up, is changed field by field, is put right, and leaves nothing behind.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::natives::{all, by_hand, only};
use crate::rig::Rig;

/// The life of one resource.
pub(crate) struct Life<'a> {
    /// What the blueprint says first.
    pub(crate) resources: &'a str,
    /// Edits: what stands there, what comes instead, and what boto3 sees then of the only thing of a type.
    pub(crate) edits: &'a [(&'a str, &'a str, &'a str, &'a str, Json)],
    /// What others do to the only thing of a type: a property, what it becomes, and the word that a report has for it.
    pub(crate) drifts: &'a [(&'a str, &'a str, Json, &'a str)],
    /// The types of which nothing is there before and after.
    pub(crate) types: &'a [&'a str],
}

pub(crate) fn at<'a>(of: &'a Json, pointer: &str) -> &'a Json {
    of.pointer(pointer).unwrap_or(&Json::Null)
}

impl Life<'_> {
    /// Lives it, with replies of creates lost on the way.
    pub(crate) fn goes_on(&self) {
        let Some(rig) = Rig::with(self.resources) else { return };
        rig.aws.proxy.misbehave("cloudcontrolapi:CreateResource", Fault::LosesReply, 2, 4);
        rig.up();
        rig.aws.proxy.behave();
        for (before, after, kind, pointer, expected) in self.edits {
            rig.place.edit(before, after);
            rig.run(&["plan"]).exits(2);
            rig.up();
            let seen = only(&rig, kind);
            assert_eq!(at(&seen, pointer), expected, "{before} → {after}: {seen}");
        }
        for (kind, pointer, value, said) in self.drifts {
            let before = only(&rig, kind);
            by_hand(&rig, kind, json!([{ "op": "add", "path": pointer, "value": value }]));
            assert_eq!(at(&only(&rig, kind), pointer), value, "the observer changed it");
            rig.corrects(said);
            assert_eq!(at(&only(&rig, kind), pointer), at(&before, pointer), "{kind}{pointer}");
        }
        rig.run(&["destroy", "--yes"]).exits(0);
        for kind in self.types {
            assert_eq!(all(&rig, kind), [""; 0], "{kind} is left");
        }
    }
}

const REPOSITORY: &str = "AWS::ECR::Repository";
const SECRET: &str = "AWS::SecretsManager::Secret";
const FUNCTION: &str = "AWS::Lambda::Function";
const SCHEDULE: &str = "AWS::Scheduler::Schedule";
const BUDGET: &str = "AWS::Budgets::Budget";
const ALARM: &str = "AWS::CloudWatch::Alarm";
const TOPIC: &str = "AWS::SNS::Topic";
const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
const DISK: &str = "AWS::EC2::Volume";
const FILES: &str = "AWS::EFS::FileSystem";
const VPC: &str = "AWS::EC2::VPC";
pub(crate) const ROLE: &str = "AWS::IAM::Role";

#[test]
fn a_registry_is_a_repository() {
    Life {
        resources: "  images: { kind: registry, retention: { keep_last: 10 }, tags: { team: a } }\n",
        edits: &[
            ("keep_last: 10", "keep_last: 20", REPOSITORY, "/ImageScanningConfiguration/ScanOnPush", json!(true)),
            (", tags:", ", immutable_tags: false, tags:", REPOSITORY, "/ImageTagMutability", json!("MUTABLE")),
            (
                ", tags:",
                ", scan_on_push: false, tags:",
                REPOSITORY,
                "/ImageScanningConfiguration/ScanOnPush",
                json!(false),
            ),
            ("retention: { keep_last: 20 }, ", "", REPOSITORY, "/LifecyclePolicy", Json::Null),
            (
                ", tags:",
                ", encryption: { kms_key: alias/it }, tags:",
                REPOSITORY,
                "/EncryptionConfiguration",
                json!({ "EncryptionType": "KMS", "KmsKey": "alias/it" }),
            ),
        ],
        drifts: &[(REPOSITORY, "/ImageTagMutability", json!("IMMUTABLE"), "ImageTagMutability")],
        types: &[REPOSITORY],
    }
    .goes_on();
}

#[test]
fn a_registry_of_models_is_a_package_group() {
    let group = "AWS::SageMaker::ModelPackageGroup";
    Life {
        resources: "  models: { kind: registry, format: model, name: tiny, tags: { team: a } }\n",
        edits: &[("name: tiny", "name: small", group, "/ModelPackageGroupName", json!("small"))],
        drifts: &[],
        types: &[group, REPOSITORY],
    }
    .goes_on();
}

#[test]
fn a_secret_is_written_and_never_seen() {
    let text = |value: &str| format!("  token: {{ kind: secret, name: hub, value: {value}, description: first }}\n");
    let Some(rig) = Rig::with(&text("HUNTER2-first")) else { return };
    rig.up();
    rig.place.edit("HUNTER2-first", "HUNTER2-second");
    rig.run(&["plan"]).exits(2).says("2 to change").says_not("HUNTER2");
    let told = rig.run_with(&["apply", "--yes"], &[("RUST_LOG", "trace")]).exits(0);
    assert!(told.err.contains("TRACE") && !told.err.contains("HUNTER2"));
    rig.is_level();
    rig.place.edit("first }", "second }");
    rig.up();
    let seen = only(&rig, SECRET);
    assert_eq!((&seen["Description"], seen.get("SecretString")), (&json!("second"), None), "{seen}");
    by_hand(&rig, SECRET, json!([{ "op": "add", "path": "/Description", "value": "theirs" }]));
    rig.corrects("Description");
    assert_eq!(rig.place.files_with("HUNTER2"), [rig.place.path("blueprint.yaml")]);
    rig.run(&["state", "show", "token", "--json"]).exits(0).says_not("HUNTER2");
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, SECRET), [""; 0]);
}

#[test]
fn a_function_has_a_log_and_a_role_that_may_write_it() {
    let life = Life {
        resources: "  retrain: { kind: function, code: { image: \"r/i:1\" }, env: { LOG: b }, timeout: 2m, tags: { team: a } }\n",
        edits: &[
            ("timeout: 2m", "timeout: 10m", FUNCTION, "/Timeout", json!(600)),
            ("tags:", "memory_mib: 2048, tags:", FUNCTION, "/MemorySize", json!(2048)),
            ("LOG: b", "LOG: c", FUNCTION, "/Environment/Variables", json!({ "LOG": "c" })),
            ("env: { LOG: c }, ", "", FUNCTION, "/Environment", Json::Null),
            (
                "tags:",
                "options: { aws: { log_retention_days: 7 } }, tags:",
                "AWS::Logs::LogGroup",
                "/RetentionInDays",
                json!(7),
            ),
            ("r/i:1", "r/i:2", FUNCTION, "/PackageType", json!("Image")),
        ],
        drifts: &[
            (FUNCTION, "/Timeout", json!(3), "properties.Timeout"),
            ("AWS::Logs::LogGroup", "/RetentionInDays", json!(1), "properties.RetentionInDays"),
        ],
        types: &[FUNCTION, "AWS::Logs::LogGroup", ROLE],
    };
    life.goes_on();
    let Some(rig) = Rig::with(life.resources) else { return };
    rig.up();
    let (function, log, role) = (only(&rig, FUNCTION), only(&rig, "AWS::Logs::LogGroup"), only(&rig, ROLE));
    assert_eq!((&function["Role"], &function["LoggingConfig"]["LogGroup"]), (&role["Arn"], &log["LogGroupName"]));
    let policy = format!("trueup|{}", role["RoleName"].as_str().unwrap());
    let got = rig.types("get_resource", json!({ "TypeName": "AWS::IAM::RolePolicy", "Identifier": policy }));
    let policy: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    let may = json!([{ "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [log["Arn"]] }]);
    assert_eq!(policy["PolicyDocument"]["Statement"], may);
}

/// A secret in the environment of a function is AWS's to show, and nobody else's.
#[test]
fn a_secret_in_the_environment_of_a_function_is_sealed() {
    let Some(rig) =
        Rig::with("  retrain: { kind: function, code: { image: \"r/i:1\" }, env: { TOKEN: \"{{ var.token }}\" } }\n")
    else {
        return;
    };
    rig.place.edit("resources:", "variables: { token: { secret: true } }\nresources:");
    let with = [("TRUEUP_VAR_token", "canary-HUNTER2-1")];
    rig.run_with(&["plan"], &with).exits(2).says_not("HUNTER2");
    rig.run_with(&["apply", "--yes"], &with).exits(0).says_not("HUNTER2");
    assert_eq!(only(&rig, FUNCTION)["Environment"]["Variables"]["TOKEN"], "canary-HUNTER2-1");
    rig.run_with(&["plan"], &with).exits(0);
    rig.run_with(&["drift"], &with).exits(0);
    assert!(rig.place.files_with("HUNTER2").is_empty());
}

#[test]
fn a_schedule_starts_a_function_as_a_role_of_its_own() {
    Life {
        resources: "  retrain: { kind: function, code: { image: \"r/i:1\" } }\n  nightly: { kind: schedule, cron: \"30 3 * * 1-5\", starts: { function: \"{{ retrain }}\" }, tags: { team: a } }\n",
        edits: &[
            ("30 3", "0 4", SCHEDULE, "/ScheduleExpression", json!("cron(0 4 ? * MON,TUE,WED,THU,FRI *)")),
            ("cron: \"0 4 * * 1-5\"", "every: 6h", SCHEDULE, "/ScheduleExpression", json!("rate(360 minutes)")),
            ("tags:", "time_zone: Europe/Berlin, tags:", SCHEDULE, "/ScheduleExpressionTimezone", json!("Europe/Berlin")),
            ("tags:", "input: '{\"full\":true}', tags:", SCHEDULE, "/Target/Input", json!("{\"full\":true}")),
            ("tags:", "enabled: false, tags:", SCHEDULE, "/State", json!("DISABLED")),
        ],
        drifts: &[
            (SCHEDULE, "/State", json!("ENABLED"), "properties.State"),
            (SCHEDULE, "/ScheduleExpression", json!("rate(1 minute)"), "properties.ScheduleExpression"),
        ],
        types: &[SCHEDULE, FUNCTION, ROLE],
    }
    .goes_on();
}

#[test]
fn a_schedule_sends_a_message_to_a_queue() {
    let queue = "AWS::SQS::Queue";
    let Some(rig) = Rig::with(&format!(
        "  events: {{ kind: {queue} }}\n  hourly: {{ kind: schedule, every: 1h, starts: {{ queue: \"{{{{ events.Arn }}}}\" }} }}\n"
    )) else {
        return;
    };
    rig.up();
    assert_eq!(only(&rig, SCHEDULE)["Target"]["Arn"], only(&rig, queue)["Arn"]);
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!([SCHEDULE, queue, ROLE].map(|kind| all(&rig, kind).len()), [0; 3]);
}

#[test]
fn a_budget_counts_what_bears_its_tags() {
    let filter = json!({ "Tags": { "Key": "team", "Values": ["search"], "MatchOptions": ["EQUALS"] } });
    Life {
        resources: "  spending: { kind: budget, amount_usd: 500, emails: [ml@example.com], tags: { team: a } }\n",
        edits: &[
            ("500", "750", BUDGET, "/Budget/BudgetLimit/Amount", json!(750)),
            ("tags:", "only_tagged: { team: search }, tags:", BUDGET, "/Budget/FilterExpression", filter),
            (
                "tags:",
                "alerts: [{ percent: 50, of: forecast }], tags:",
                BUDGET,
                "/NotificationsWithSubscribers/0/Notification/NotificationType",
                json!("FORECASTED"),
            ),
        ],
        drifts: &[(BUDGET, "/Budget/BudgetLimit/Amount", json!(5.0), "BudgetLimit.Amount")],
        types: &[BUDGET],
    }
    .goes_on();
}

#[test]
fn an_alert_is_an_alarm_and_a_topic_with_a_subscription_for_each() {
    let life = Life {
        resources: "  retrain: { kind: function, code: { image: \"r/i:1\" } }\n  failing: { kind: alert, watch: { errors: \"{{ retrain }}\" }, threshold: 10, emails: [a@x.org], tags: { team: a } }\n",
        edits: &[
            ("threshold: 10", "threshold: 20", ALARM, "/Threshold", json!(20)),
            ("tags: { team: a } }\n", "periods: 3, tags: { team: a } }\n", ALARM, "/EvaluationPeriods", json!(3)),
            ("periods:", "period: 1m, periods:", ALARM, "/Period", json!(60)),
            (
                "periods:",
                "comparison: at_least, periods:",
                ALARM,
                "/ComparisonOperator",
                json!("GreaterThanOrEqualToThreshold"),
            ),
            ("periods:", "no_data: alert, periods:", ALARM, "/TreatMissingData", json!("breaching")),
            ("periods:", "statistic: p99, periods:", ALARM, "/ExtendedStatistic", json!("p99")),
            ("errors:", "calls:", ALARM, "/MetricName", json!("Invocations")),
            ("[a@x.org]", "[b@x.org]", SUBSCRIPTION, "/Endpoint", json!("b@x.org")),
        ],
        drifts: &[(ALARM, "/Threshold", json!(1.0), "properties.Threshold")],
        types: &[ALARM, TOPIC, SUBSCRIPTION, FUNCTION],
    };
    life.goes_on();
    let Some(rig) = Rig::with(life.resources) else { return };
    rig.up();
    let (alarm, topic) = (only(&rig, ALARM), only(&rig, TOPIC));
    assert_eq!(alarm["AlarmActions"], json!([topic["TopicArn"]]));
    assert_eq!(alarm["Dimensions"][0]["Value"], only(&rig, FUNCTION)["FunctionName"]);
    rig.place.edit("[a@x.org]", "[a@x.org, b@x.org]");
    rig.up();
    assert_eq!(all(&rig, SUBSCRIPTION).len(), 2);
    rig.place.edit("emails: [a@x.org, b@x.org], ", "");
    rig.up();
    assert_eq!((all(&rig, SUBSCRIPTION).len(), all(&rig, TOPIC).len()), (0, 0));
}

#[test]
fn a_disk_is_encrypted_grows_and_moves_by_being_made_anew() {
    let life = Life {
        resources: "  disk: { kind: volume, name: d, size_gb: 100, zone: us-east-1a, tags: { team: a } }\n",
        edits: &[
            ("size_gb: 100", "size_gb: 200", DISK, "/Size", json!(200)),
            ("tags:", "iops: 6000, tags:", DISK, "/Iops", json!(6000)),
            ("tags:", "type: fast, tags:", DISK, "/VolumeType", json!("io2")),
        ],
        drifts: &[(DISK, "/Size", json!(300), "properties.Size")],
        types: &[DISK],
    };
    life.goes_on();
    let Some(rig) = Rig::with(life.resources) else { return };
    rig.up();
    let before = only(&rig, DISK);
    assert_eq!(before["Encrypted"], true);
    assert!(before["Tags"].to_string().contains(r#"{"Key":"Name","Value":"d"}"#), "{before}");
    rig.place.edit("us-east-1a", "us-east-1b");
    rig.run(&["plan"]).exits(2).says("1 to replace");
    rig.up();
    assert_ne!(only(&rig, DISK)["VolumeId"], before["VolumeId"]);
}

#[test]
fn a_network_and_what_is_shared_in_it() {
    let text = "  net: { kind: network, name: n, zones: [us-east-1a, us-east-1b] }\n  shared: { kind: volume, type: shared, reachable: { network: \"{{ net }}\", subnets: [\"{{ net.subnets['us-east-1a'] }}\"] } }\n";
    let Some(rig) = Rig::with(text) else { return };
    rig.aws.proxy.misbehave("cloudcontrolapi:CreateResource", Fault::LosesReply, 3, 4);
    rig.up();
    rig.aws.proxy.behave();
    let vpc = only(&rig, VPC)["VpcId"].clone();
    let subnets = all(&rig, "AWS::EC2::Subnet");
    assert_eq!(subnets.len(), 2);
    let group = only(&rig, "AWS::EC2::SecurityGroup");
    assert_eq!((&group["VpcId"], &group["SecurityGroupIngress"][0]["FromPort"]), (&vpc, &json!(2049)), "{group}");
    let files = only(&rig, FILES);
    assert_eq!((&files["Encrypted"], &files["ThroughputMode"]), (&json!(true), &json!("elastic")));
    assert_eq!(only(&rig, "AWS::EC2::VPCEndpoint")["ServiceName"], "com.amazonaws.us-east-1.s3");
    // Another zone moves no subnet that is there.
    rig.place.edit("us-east-1b]", "us-east-1b, us-east-1c]");
    rig.run(&["plan"]).exits(2).says("2 to create").says("0 to replace");
    rig.up();
    let more = all(&rig, "AWS::EC2::Subnet");
    assert!(more.len() == 3 && subnets.iter().all(|subnet| more.contains(subnet)), "{more:?}");
    rig.place.edit("zones: [us-east-1a, us-east-1b, us-east-1c]", "zones: [us-east-1a]");
    rig.up();
    assert_eq!(all(&rig, "AWS::EC2::Subnet").len(), 1);
    rig.place.edit("zones: [us-east-1a]", "internet: false, zones: [us-east-1a]");
    rig.up();
    assert_eq!(all(&rig, "AWS::EC2::InternetGateway").len(), 0);
    by_hand(&rig, VPC, json!([{ "op": "add", "path": "/EnableDnsHostnames", "value": false }]));
    rig.corrects("EnableDnsHostnames");
    rig.run(&["destroy", "--yes"]).exits(0);
    for kind in
        [VPC, "AWS::EC2::Subnet", "AWS::EC2::RouteTable", "AWS::EC2::VPCEndpoint", "AWS::EC2::SecurityGroup", FILES]
    {
        assert_eq!(all(&rig, kind), [""; 0], "{kind} is left");
    }
}

#[test]
fn what_aws_can_not_take_is_told_at_plan_with_its_line() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |resource: &str, complaint: &str, line: &str| {
        rig.write(&format!("  a:\n    {resource}\n"));
        rig.run(&["plan"]).exits(1).complains(complaint).complains(&format!("blueprint.yaml:{line}"));
    };
    refused("{ kind: registry, name: Chat }", "name", "5:");
    refused("{ kind: schedule, every: 90s, starts: { queue: \"arn:aws:sqs:us-east-1:1:a\" } }", "whole minutes", "5:");
    refused("{ kind: function, code: { image: x }, env: { A: b } }", "`A`", "5:");
    refused("{ kind: function, code: { image: x }, timeout: 16m }", "at most `15m`", "5:");
    refused("{ kind: volume, size_gb: 10 }", "`zone` is missing", "4:");
    refused("{ kind: network, zones: [a1] }", "ends with a letter", "5:");
    refused("{ kind: identity, options: { aws: { boundary: x } } }", "has no option `boundary`", "5:");
    assert!(!rig.aws.proxy.take_operations().contains(&"cloudcontrolapi:CreateResource".to_owned()));
}
