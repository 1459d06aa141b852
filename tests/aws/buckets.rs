//! `bucket` on S3.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::rig::Rig;

fn tags(tagging: &Json) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    tagging["TagSet"].as_array().unwrap().iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// The only bucket, as the argument that boto3 takes.
fn only(rig: &Rig) -> Json {
    let buckets = rig.buckets();
    assert_eq!(buckets.len(), 1, "{buckets:?}");
    json!({ "Bucket": buckets[0] })
}

/// Arguments for the only bucket.
fn with(rig: &Rig, more: Json) -> Json {
    let mut arguments = only(rig);
    arguments.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    arguments
}

#[test]
fn a_bucket_is_made_private_encrypted_and_ours() {
    let Some(rig) = Rig::with("  data: { kind: bucket, tags: { team: search } }\n") else { return };
    rig.up();
    let bucket = only(&rig);
    assert!(bucket["Bucket"].as_str().unwrap().starts_with("demo-data-"), "{bucket}");
    let block = rig.s3("get_public_access_block", bucket.clone());
    for field in ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"] {
        assert_eq!(block["PublicAccessBlockConfiguration"][field], true, "{block}");
    }
    let encryption = rig.s3("get_bucket_encryption", bucket.clone());
    let rule = &encryption["ServerSideEncryptionConfiguration"]["Rules"][0];
    assert_eq!(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "{encryption}");
    let ownership = rig.s3("get_bucket_ownership_controls", bucket.clone());
    assert_eq!(ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced", "{ownership}");
    let tags = tags(&rig.s3("get_bucket_tagging", bucket));
    let tag = |name: &str| tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((tag("team"), tag("trueup:address"), tags.len()), (Some("search"), Some("data"), 5));
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
}

/// A field of a bucket: how a blueprint says it, another way to say it, how boto3 changes it behind our back, and what boto3 reads of
/// each: of what, where in the answer.
struct Field {
    first: &'static str,
    second: &'static str,
    read: (&'static str, &'static str),
    /// What is there after the first, and after the second.
    there: (Json, Json),
    /// What somebody does by hand.
    by_hand: (&'static str, Json),
}

fn fields() -> Vec<Field> {
    let rule = |days: u32| json!([{ "ID": "trueup-0", "Filter": { "Prefix": "tmp/" }, "Status": "Enabled", "Expiration": { "Days": days } }]);
    let cors = |origin: &str| json!([{ "AllowedOrigins": [origin], "AllowedMethods": ["GET", "HEAD"], "MaxAgeSeconds": 3600 }]);
    vec![
        Field {
            first: "versioning: true",
            second: "versioning: false",
            read: ("get_bucket_versioning", "/Status"),
            there: (json!("Enabled"), json!("Suspended")),
            by_hand: ("put_bucket_versioning", json!({ "VersioningConfiguration": { "Status": "Enabled" } })),
        },
        Field {
            first: "lifecycle: [{ prefix: tmp/, expire_after_days: 3 }]",
            second: "lifecycle: [{ prefix: tmp/, expire_after_days: 4 }]",
            read: ("get_bucket_lifecycle_configuration", "/Rules"),
            there: (rule(3), rule(4)),
            by_hand: ("delete_bucket_lifecycle", json!({})),
        },
        Field {
            first: "storage_class: cold",
            second: "storage_class: automatic",
            read: ("get_bucket_lifecycle_configuration", "/Rules/0/Transitions/0/StorageClass"),
            there: (json!("GLACIER_IR"), json!("INTELLIGENT_TIERING")),
            by_hand: ("delete_bucket_lifecycle", json!({})),
        },
        Field {
            first: "cors: [{ origins: ['https://a.example'] }]",
            second: "cors: [{ origins: ['https://b.example'] }]",
            read: ("get_bucket_cors", "/CORSRules"),
            there: (cors("https://a.example"), cors("https://b.example")),
            by_hand: ("delete_bucket_cors", json!({})),
        },
        Field {
            first: "encryption: { kms_key: alias/a }",
            second: "encryption: { kms_key: alias/b }",
            read: (
                "get_bucket_encryption",
                "/ServerSideEncryptionConfiguration/Rules/0/ApplyServerSideEncryptionByDefault/KMSMasterKeyID",
            ),
            there: (json!("alias/a"), json!("alias/b")),
            by_hand: ("delete_bucket_encryption", json!({})),
        },
        Field {
            first: "public_access: read",
            second: "public_access: blocked",
            read: ("get_public_access_block", "/PublicAccessBlockConfiguration/BlockPublicPolicy"),
            there: (json!(false), json!(true)),
            by_hand: ("delete_public_access_block", json!({})),
        },
        Field {
            first: "tags: { team: a }",
            second: "tags: { team: b }",
            read: ("get_bucket_tagging", "/TagSet/0/Value"),
            there: (json!("a"), json!("b")),
            by_hand: ("put_bucket_tagging", json!({ "Tagging": { "TagSet": [{ "Key": "team", "Value": "c" }] } })),
        },
        Field {
            first: "options: { aws: { ownership: object_writer } }",
            second: "options: { aws: { ownership: bucket_owner_preferred } }",
            read: ("get_bucket_ownership_controls", "/OwnershipControls/Rules/0/ObjectOwnership"),
            there: (json!("ObjectWriter"), json!("BucketOwnerPreferred")),
            by_hand: ("delete_bucket_ownership_controls", json!({})),
        },
    ]
}

#[test]
fn each_field_is_made_changed_and_put_right() {
    for field in fields() {
        let blueprint = |said: &str| format!("  data: {{ kind: bucket, {said} }}\n");
        let Some(rig) = Rig::with(&blueprint(field.first)) else { return };
        let reads = || rig.s3(field.read.0, only(&rig)).pointer(field.read.1).cloned().unwrap_or_default();
        rig.up();
        assert_eq!(reads(), field.there.0, "{}", field.first);
        rig.write(&blueprint(field.second));
        rig.run(&["plan"]).exits(2).says("1 to change");
        rig.up();
        assert_eq!(reads(), field.there.1, "{}", field.second);
        let answer = rig.s3(field.by_hand.0, with(&rig, field.by_hand.1.clone()));
        assert_eq!(answer.get("error"), None, "{answer}");
        let name = field.second.split([':', ' ']).next().unwrap();
        rig.corrects(name);
        assert_eq!(reads(), field.there.1, "{} after a correction", field.second);
        rig.run(&["destroy", "--yes"]).exits(0);
        assert_eq!(rig.buckets(), [""; 0]);
    }
}

#[test]
fn what_is_said_no_more_is_undone() {
    let policy = "{ Version: '2012-10-17', Statement: [{ Sid: Theirs, Effect: Allow, Principal: { AWS: '123456789012' }, Action: 's3:GetObject', Resource: 'arn:aws:s3:::acme-all/*' }] }";
    let all = format!(
        "  logs: {{ kind: bucket }}
  data:
    kind: bucket
    name: acme-all
    versioning: true
    lifecycle: [{{ expire_after_days: 3 }}]
    cors: [{{ origins: ['https://a.example'] }}]
    logging: {{ bucket: \"{{{{ logs }}}}\" }}
    tags: {{ team: a }}
    options: {{ aws: {{ ownership: object_writer, policy: {policy} }} }}
"
    );
    let Some(rig) = Rig::with(&all) else { return };
    rig.up();
    let bucket = json!({ "Bucket": "acme-all" });
    let read = |call: &str| rig.s3(call, bucket.clone());
    assert!(read("get_bucket_policy")["Policy"].as_str().unwrap().contains("Theirs"));
    assert_eq!(
        read("get_bucket_ownership_controls")["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "ObjectWriter"
    );
    rig.write("  logs: { kind: bucket }\n  data: { kind: bucket, name: acme-all }\n");
    rig.up();
    assert_eq!(read("get_bucket_versioning")["Status"], "Suspended");
    assert_eq!(read("get_bucket_lifecycle_configuration")["error"], "NoSuchLifecycleConfiguration");
    assert_eq!(read("get_bucket_cors")["error"], "NoSuchCORSConfiguration");
    assert_eq!(read("get_bucket_logging").get("LoggingEnabled"), None);
    assert_eq!(read("get_bucket_policy")["error"], "NoSuchBucketPolicy");
    assert_eq!(
        read("get_bucket_ownership_controls")["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "BucketOwnerEnforced"
    );
    assert_eq!(tags(&read("get_bucket_tagging")).len(), 4);
}

#[test]
fn an_object_lock_is_put_on_and_never_taken_off() {
    let text = |more: &str| format!("  data: {{ kind: bucket, versioning: true{more} }}\n");
    let locked = ", options: { aws: { object_lock: true } }";
    let Some(rig) = Rig::with(&text(locked)) else { return };
    rig.up();
    let lock = rig.s3("get_object_lock_configuration", only(&rig));
    assert_eq!(lock["ObjectLockConfiguration"]["ObjectLockEnabled"], "Enabled", "{lock}");
    rig.write(&text(""));
    rig.run(&["plan"]).exits(2).says("1 to replace").says("object_lock");
}

#[test]
fn what_is_added_by_hand_is_found_and_taken_away() {
    let Some(rig) = Rig::with("  data: { kind: bucket, tags: { team: a } }\n") else { return };
    rig.up();
    let rules =
        json!([{ "ID": "theirs", "Filter": { "Prefix": "" }, "Status": "Enabled", "Expiration": { "Days": 1 } }]);
    rig.s3("put_bucket_lifecycle_configuration", with(&rig, json!({ "LifecycleConfiguration": { "Rules": rules } })));
    rig.corrects("lifecycle");
    assert_eq!(rig.s3("get_bucket_lifecycle_configuration", only(&rig))["error"], "NoSuchLifecycleConfiguration");
    rig.s3("put_bucket_versioning", with(&rig, json!({ "VersioningConfiguration": { "Status": "Enabled" } })));
    rig.corrects("versioning");
}

/// A block that was lifted holds for some seconds more: then a policy that lets everyone read is refused.
#[test]
fn what_is_opened_is_opened_though_the_block_lags() {
    let Some(rig) = Rig::with("  data: { kind: bucket, public_access: read }\n") else { return };
    rig.aws.proxy.misbehave("s3:PutBucketPolicy", Fault::Refuses(403, "AccessDenied"), 1, 2);
    rig.up();
    assert!(rig.s3("get_bucket_policy", only(&rig))["Policy"].as_str().unwrap().contains("TrueupEveryoneReads"));
}

/// In the first region, making a bucket that one has already succeeds: whether it is there must be known before.
#[test]
fn where_it_can_not_be_told_whether_a_name_is_free_nothing_is_made() {
    let Some(rig) = Rig::with("  data: { kind: bucket, name: acme-hidden }\n") else { return };
    rig.s3("create_bucket", json!({ "Bucket": "acme-hidden" }));
    rig.aws.proxy.misbehave("s3:HeadBucket", Fault::Refuses(403, "Forbidden"), 1, 1000);
    rig.run(&["apply", "--yes"]).exits(3).says("BucketAlreadyOwnedByYou");
    let block = rig.s3("get_public_access_block", json!({ "Bucket": "acme-hidden" }));
    assert_eq!(block["error"], "NoSuchPublicAccessBlockConfiguration", "it was left alone");
}

/// A list lags, and what it does not show is looked for by its name.
#[test]
fn what_a_list_does_not_show_is_no_absence() {
    let Some(rig) = Rig::with("  data: { kind: bucket, placement: [{ provider: aws, region: us-east-1 }] }\n") else {
        return;
    };
    rig.up();
    rig.aws.proxy.hide_from_lists(true);
    rig.is_level();
    rig.aws.proxy.hide_from_lists(false);
    rig.s3("delete_bucket", only(&rig));
    rig.run(&["plan"]).exits(2).says("1 to create");
}

#[test]
fn everyone_reads_what_is_public_and_nobody_what_was() {
    let Some(rig) = Rig::with("  data: { kind: bucket, public_access: read }\n") else { return };
    rig.up();
    let policy = rig.s3("get_bucket_policy", only(&rig));
    let policy: Json = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    let [statement] = &policy["Statement"].as_array().unwrap()[..] else { panic!("{policy}") };
    assert_eq!((&statement["Action"], &statement["Principal"]), (&json!("s3:GetObject"), &json!("*")));
    rig.write("  data: { kind: bucket }\n");
    rig.up();
    assert_eq!(rig.s3("get_bucket_policy", only(&rig))["error"], "NoSuchBucketPolicy");
}

#[test]
fn a_log_goes_where_it_is_sent() {
    let Some(rig) = Rig::with(
        "  logs: { kind: bucket }\n  data: { kind: bucket, logging: { bucket: \"{{ logs }}\", prefix: data/ } }\n",
    ) else {
        return;
    };
    rig.up();
    let buckets = rig.buckets();
    let named = |start: &str| buckets.iter().find(|name| name.starts_with(start)).unwrap();
    let log = rig.s3("get_bucket_logging", json!({ "Bucket": named("demo-data-") }));
    assert_eq!(log["LoggingEnabled"]["TargetBucket"], json!(named("demo-logs-")), "{log}");
    let off = json!({ "Bucket": named("demo-data-"), "BucketLoggingStatus": {} });
    rig.s3("put_bucket_logging", off);
    rig.corrects("logging");
    // That S3 may put it there is a part of that.
    rig.s3("delete_bucket_policy", json!({ "Bucket": named("demo-logs-") }));
    rig.corrects("logging");
    let policy = rig.s3("get_bucket_policy", json!({ "Bucket": named("demo-logs-") }));
    assert!(policy["Policy"].as_str().unwrap().contains("TrueupTakesLogs"), "{policy}");
}

#[test]
fn a_bucket_that_takes_several_logs_is_asked_once() {
    let Some(rig) = Rig::with(
        "  logs: { kind: bucket }\n  data: { kind: bucket, for_each: [a, b, c], logging: { bucket: \"{{ logs }}\" } }\n",
    ) else {
        return;
    };
    rig.up();
    rig.aws.proxy.take_operations();
    rig.run(&["drift"]).exits(0);
    let asked = rig.aws.proxy.take_operations();
    assert_eq!(asked.iter().filter(|call| *call == "s3:GetBucketPolicy").count(), 1, "{asked:?}");
}

#[test]
fn a_bucket_that_was_left_partly_made_is_made_whole_and_stays() {
    let Some(rig) = Rig::with("  data: { kind: bucket, name: acme-half, versioning: true }\n") else { return };
    rig.aws.proxy.misbehave("s3:PutBucketVersioning", Fault::Refuses(403, "AccessDenied"), 1, 1);
    rig.run(&["apply", "--yes"]).exits(3).says("AccessDenied");
    rig.run(&["plan"]).exits(2).says("it was left partly made: the rest is done now").says("1 to change");
    rig.aws.proxy.take_operations();
    rig.up();
    let called = rig.aws.proxy.take_operations();
    assert!(!called.iter().any(|call| ["s3:DeleteBucket", "s3:CreateBucket"].contains(&call.as_str())), "{called:?}");
    assert_eq!(rig.s3("get_bucket_versioning", json!({ "Bucket": "acme-half" }))["Status"], "Enabled");
    assert_eq!(rig.run(&["state", "show", "data", "--json"]).exits(0).json()["status"], "ready");
}

#[test]
fn nothing_is_asked_twice() {
    let Some(rig) = Rig::with("  data: { kind: bucket, for_each: [a, b, c] }\n") else { return };
    rig.up();
    rig.aws.proxy.take_operations();
    rig.run(&["drift"]).exits(0);
    let mut asked = rig.aws.proxy.take_operations();
    asked.sort();
    let of_each = [
        "s3:GetBucketCors",
        "s3:GetBucketEncryption",
        "s3:GetBucketLifecycle",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetPublicAccessBlock",
    ];
    let of_each = of_each.iter().flat_map(|call| [*call; 3]);
    let wanted: Vec<&str> = of_each.chain(["s3:ListBuckets", "sts:GetCallerIdentity"]).collect();
    assert_eq!(asked, wanted);
}

#[test]
fn a_reply_that_is_lost_makes_no_second_bucket_and_leaves_none_half_made() {
    let Some(rig) = Rig::with("  data: { kind: bucket, versioning: true }\n") else { return };
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::LosesReply, 1, 1);
    rig.aws.proxy.misbehave("s3:PutBucketVersioning", Fault::LosesReply, 1, 1);
    rig.up();
    assert_eq!(rig.s3("get_bucket_versioning", only(&rig))["Status"], "Enabled");
}

#[test]
fn a_bucket_whose_making_was_cut_short_is_made_whole_by_the_next_run() {
    let Some(rig) = Rig::with("  data: { kind: bucket, versioning: true, tags: { team: a } }\n") else { return };
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::LosesReply, 1, 1);
    rig.aws.proxy.misbehave("s3:ListBuckets", Fault::Refuses(403, "AccessDenied"), 1, 1000);
    rig.run(&["apply", "--yes"]).exits(3);
    assert_eq!(rig.s3("get_bucket_versioning", only(&rig)).get("Status"), None);
    rig.aws.proxy.behave();
    rig.up();
    assert_eq!(rig.s3("get_bucket_versioning", only(&rig))["Status"], "Enabled");
}

#[test]
fn what_can_not_be_told_is_no_absence() {
    let Some(rig) = Rig::with("  data: { kind: bucket }\n") else { return };
    rig.up();
    for (operation, code) in [("s3:ListBuckets", "AccessDenied"), ("s3:GetBucketVersioning", "AccessDenied")] {
        rig.aws.proxy.misbehave(operation, Fault::Refuses(403, code), 1, 1000);
        let ran = rig.run(&["plan"]);
        assert!(!ran.out.contains("to create, ") || ran.out.contains("0 to create"), "{}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(code), "{}{}", ran.out, ran.err);
        rig.aws.proxy.behave();
    }
    rig.is_level();
}

#[test]
fn where_there_is_too_much_of_it_it_is_gone_slower_about() {
    let Some(rig) = Rig::with("  data: { kind: bucket, for_each: [a, b, c, d] }\n") else { return };
    rig.aws.proxy.misbehave("s3:GetBucketTagging", Fault::Refuses(503, "SlowDown"), 2, 3);
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::Refuses(503, "SlowDown"), 2, 2);
    rig.up();
    assert_eq!(rig.buckets().len(), 4);
}

#[test]
fn a_call_that_takes_long_is_waited_for_and_made_once() {
    let Some(rig) = Rig::with("  data: { kind: bucket }\n") else { return };
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::Delays(Duration::from_secs(6)), 1, 1);
    rig.up();
    let calls = rig.aws.proxy.take_operations();
    assert_eq!(calls.iter().filter(|call| *call == "s3:CreateBucket").count(), 1, "{calls:?}");
}

#[test]
fn a_bucket_with_files_in_it_goes_only_if_it_is_said() {
    let Some(rig) = Rig::with("  data: { kind: bucket, versioning: true }\n") else { return };
    rig.up();
    for body in ["first", "second"] {
        rig.s3("put_object", with(&rig, json!({ "Key": "a/b", "Body": body })));
    }
    rig.s3("delete_object", with(&rig, json!({ "Key": "a/b" })));
    rig.s3("create_multipart_upload", with(&rig, json!({ "Key": "c" })));
    rig.run(&["destroy", "--yes"]).exits(5).says("is not empty").says("force_destroy");
    only(&rig);
    rig.write("  data: { kind: bucket, versioning: true, force_destroy: true }\n");
    rig.run(&["apply", "--yes"]).exits(0);
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
}

/// What goes on is over once it is refused for good: the next run begins anew.
#[test]
fn a_delete_that_is_refused_later_is_told_and_done_by_the_next_run() {
    let Some(rig) = Rig::with("  data: { kind: bucket, force_destroy: true }\n") else { return };
    rig.up();
    rig.aws.proxy.misbehave("s3:DeleteBucket", Fault::Refuses(409, "BucketNotEmpty"), 1, 1);
    rig.aws.proxy.misbehave("s3:DeleteBucket", Fault::Refuses(403, "AccessDenied"), 1, 1);
    rig.run(&["destroy", "--yes"]).exits(3).says("AccessDenied").says("1 failed").says("0 under way");
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
}

/// An update reads before it writes. One that may not read has changed nothing, and is no word on what is there.
#[test]
fn an_update_that_may_not_look_records_nothing() {
    let Some(rig) = Rig::with("  data: { kind: bucket, tags: { team: a } }\n") else { return };
    rig.up();
    rig.place.edit("team: a", "team: b");
    // The plan looks, and the apply once more before it changes anything.
    rig.aws.proxy.misbehave("s3:GetBucketVersioning", Fault::Refuses(403, "AccessDenied"), 3, 1);
    rig.run(&["apply", "--yes"]).exits(3).says("AccessDenied").says("1 failed");
    rig.run(&["plan"]).exits(2).says("1 to change").says_not("Changed outside");
    rig.up();
}

#[test]
fn another_region_has_buckets_of_its_own_and_loses_them_with_its_name() {
    let text = |regions: &str| {
        format!(
            "  data: {{ kind: bucket, for_each: [{regions}], placement: [{{ provider: aws, region: \"{{{{ each.key }}}}\" }}] }}\n"
        )
    };
    let Some(rig) = Rig::with(&text("us-east-1, eu-west-1")) else { return };
    rig.up();
    let in_eu = rig.buckets().into_iter().find(|name| name.contains("eu-west-1")).unwrap();
    let location = rig.s3("get_bucket_location", json!({ "Bucket": in_eu }));
    assert_eq!(location["LocationConstraint"], "eu-west-1", "{location}");
    rig.write(&text("us-east-1"));
    rig.up();
    assert_eq!(rig.buckets().len(), 1);
}

#[test]
fn a_name_that_somebody_has_is_not_taken_over() {
    let Some(rig) = Rig::with("  data: { kind: bucket, name: acme-weights }\n") else { return };
    rig.s3("create_bucket", json!({ "Bucket": "acme-weights" }));
    rig.run(&["apply", "--yes"]).exits(3).says("BucketAlreadyOwnedByYou");
    let block = rig.s3("get_public_access_block", json!({ "Bucket": "acme-weights" }));
    assert_eq!(block["error"], "NoSuchPublicAccessBlockConfiguration", "it was left alone");
    rig.run(&["adopt", "data", "--id", "acme-weights", "--yes"]).exits(0);
    rig.up();
    let block = rig.s3("get_public_access_block", json!({ "Bucket": "acme-weights" }));
    assert_eq!(block["PublicAccessBlockConfiguration"]["BlockPublicPolicy"], true);
}

#[test]
fn what_s3_can_not_take_is_told_with_its_line() {
    let Some(rig) = Rig::with("") else { return };
    for (said, complaint) in [
        ("name: Acme", "lower-case"),
        ("name: 192.168.5.4", "is no IP address"),
        ("location: EU", "provider's region"),
        ("storage_class: infrequent", "30 days"),
        ("options: { aws: { object_lok: true } }", "object_lock"),
        ("options: { aws: { object_lock: true } }", "versioning: true"),
        ("options: { aws: { ownership: mine } }", "object_writer"),
        ("options: { aws: { policy: '{}' } }", "it is a map"),
        ("lifecycle: [{ prefix: tmp/ }]", "expire_after_days"),
        ("tags: { 'aws:x': a }", "not a blueprint's"),
    ] {
        rig.write(&format!("  data:\n    kind: bucket\n    {said}\n"));
        rig.run(&["plan"]).exits(1).complains(complaint).complains("blueprint.yaml:6");
    }
    assert_eq!(rig.aws.proxy.take_operations().iter().filter(|call| call.starts_with("s3:Create")).count(), 0);
}

#[test]
fn credentials_of_another_account_do_nothing() {
    let Some(rig) = Rig::with("  data: { kind: bucket }\n") else { return };
    rig.place.edit("aws: {}", "aws: { account: \"999999999999\" }");
    rig.run(&["plan"]).exits(1).complains("999999999999").complains(&rig.aws.account);
    rig.place.edit("999999999999", &rig.aws.account);
    rig.up();
}

#[test]
fn of_fifty_buckets_of_which_every_fifth_reply_is_lost_there_are_fifty() {
    let Some(rig) = Rig::with("  data: { kind: bucket, for_each: \"{{ range(50) | list }}\" }\n") else { return };
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::LosesReply, 5, 1000);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.aws.proxy.behave();
    rig.is_level();
    let buckets = rig.buckets();
    assert_eq!(buckets.len(), 50);
    let listed = rig.run(&["state", "list", "--json"]).exits(0).json();
    let id = |record: &Json| record["current"]["id"].as_str().unwrap_or_else(|| panic!("{record}")).to_owned();
    let mut recorded: Vec<String> = listed["resources"].as_array().unwrap().iter().map(id).collect();
    recorded.sort();
    assert_eq!(recorded, buckets);
    for name in buckets {
        assert_eq!(tags(&rig.s3("get_bucket_tagging", json!({ "Bucket": name }))).len(), 4);
    }
}
