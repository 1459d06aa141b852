//! `bucket` on S3.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::rig::Rig;

fn tags(tagging: &Json) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    tagging["TagSet"].as_array().unwrap().iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

#[test]
fn a_bucket_is_made_private_encrypted_and_ours() {
    let Some(rig) = Rig::with("  data: { kind: bucket, tags: { team: search } }\n") else { return };
    rig.up();
    let [name] = &rig.buckets()[..] else { panic!() };
    assert!(name.starts_with("demo-data-"), "{name}");
    let bucket = json!({ "Bucket": name });
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

#[test]
fn nothing_is_asked_twice() {
    let Some(rig) = Rig::with("  data: { kind: bucket, for_each: [a, b, c] }\n") else { return };
    rig.up();
    rig.aws.proxy.take_calls();
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
    let wanted: Vec<&str> =
        of_each.iter().flat_map(|call| [*call; 3]).chain(["s3:ListBuckets", "sts:GetCallerIdentity"]).collect();
    assert_eq!(asked, wanted);
}

#[test]
fn a_reply_that_is_lost_makes_no_second_bucket() {
    let Some(rig) = Rig::with("  data: { kind: bucket, versioning: true }\n") else { return };
    rig.aws.proxy.misbehave("s3:CreateBucket", Fault::LosesReply, 1, 1);
    rig.aws.proxy.misbehave("s3:PutBucketVersioning", Fault::LosesReply, 1, 1);
    rig.up();
    let [name] = &rig.buckets()[..] else { panic!("{:?}", rig.buckets()) };
    assert_eq!(rig.s3("get_bucket_versioning", json!({ "Bucket": name }))["Status"], "Enabled");
}
