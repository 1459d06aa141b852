//! `artifact` on S3.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::aws::proxy::Fault;
use crate::rig::Rig;
use crate::support::eventually;

const MIB: usize = 1024 * 1024;

/// A bucket, and in it what stands in `model`.
const WEIGHTS: &str = "  data: { kind: bucket }
  weights: { kind: artifact, bucket: \"{{ data }}\", source: ./model, path: models/tiny }
";

fn sha256(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(text))
}

/// The key of a content of `models/tiny`.
fn key(text: impl AsRef<[u8]>) -> String {
    format!("models/tiny/sha256/{}", sha256(text))
}

/// A file that is sent in three parts.
fn large(first: u8) -> Vec<u8> {
    let mut text: Vec<u8> = (0..20 * MIB).map(|n| u8::try_from(n / 4096 % 251).unwrap()).collect();
    text[0] = first;
    text
}

/// What boto3 sees of the only bucket.
struct Seen<'a> {
    rig: &'a Rig,
    bucket: String,
}

impl<'a> Seen<'a> {
    #[track_caller]
    fn by(rig: &'a Rig) -> Self {
        let mut buckets = rig.buckets();
        assert_eq!(buckets.len(), 1, "{buckets:?}");
        Self { rig, bucket: buckets.remove(0) }
    }

    /// What boto3 says of the bucket.
    fn asks(&self, call: &str, mut with: Json) -> Json {
        with["Bucket"] = json!(self.bucket);
        self.rig.s3(call, with)
    }

    /// All keys.
    fn keys(&self) -> Vec<String> {
        let listed = self.asks("list_objects_v2", json!({}));
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        objects.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
    }

    /// What an object holds.
    fn text(&self, key: &str) -> Vec<u8> {
        let got = self.asks("get_object", json!({ "Key": key }));
        STANDARD.decode(got["Body"].as_str().unwrap_or_else(|| panic!("{key}: {got}"))).unwrap()
    }

    fn manifest(&self) -> Json {
        serde_json::from_slice(&self.text("models/tiny/trueup-manifest.json")).unwrap()
    }

    /// How many uploads never ended.
    fn uploads(&self) -> usize {
        self.asks("list_multipart_uploads", json!({}))["Uploads"].as_array().map_or(0, Vec::len)
    }

    /// What stands in `model`, and nothing else, is there as the manifest says.
    #[track_caller]
    fn has(&self, files: &[(&str, &[u8])]) {
        let manifest = self.manifest();
        let named: Vec<(&str, &str)> = manifest["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| (file["path"].as_str().unwrap(), file["key"].as_str().unwrap()))
            .collect();
        let wanted: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, key(text))).collect();
        assert_eq!(named, wanted.iter().map(|(path, key)| (*path, key.as_str())).collect::<Vec<_>>());
        for ((_, text), (_, key)) in files.iter().zip(&wanted) {
            assert!(self.text(key) == *text, "{key} holds something else");
        }
        let mut keys: Vec<String> = wanted.into_iter().map(|(_, key)| key).collect();
        keys.push("models/tiny/trueup-manifest.json".to_owned());
        keys.sort();
        keys.dedup();
        assert_eq!(self.keys(), keys);
        assert_eq!(self.uploads(), 0);
    }
}

/// How often an operation was called since this was asked last, of several.
fn counts<const N: usize>(rig: &Rig, operations: [&str; N]) -> [usize; N] {
    let calls = rig.aws.proxy.take_operations();
    operations.map(|operation| calls.iter().filter(|call| call.strip_prefix("s3:") == Some(operation)).count())
}

#[test]
fn an_artifact_is_its_contents_and_a_manifest_that_says_whose_it_is() {
    let Some(rig) = Rig::with(
        "  data: { kind: bucket }
  weights: { kind: artifact, bucket: \"{{ data }}\", source: ./model, path: models/tiny, version: v1, tags: { team: a } }
outputs: { where: \"{{ weights.uri }}\", bytes: \"{{ weights.size_bytes }}\" }
",
    ) else {
        return;
    };
    fs::create_dir(rig.place.path("model/sub")).unwrap();
    rig.place.write("model/sub/config.json", "{}");
    rig.place.write("model/empty", "");
    rig.up();
    let seen = Seen::by(&rig);
    seen.has(&[("empty", b""), ("sub/config.json", b"{}"), ("weights.bin", b"0123456789")]);
    let manifest = seen.manifest();
    assert_eq!(
        (&manifest["version"], &manifest["size_bytes"], &manifest["tags"]),
        (&json!("v1"), &json!(12), &json!({ "team": "a" }))
    );
    assert_eq!(manifest["owner"]["trueup:address"], "weights");
    let head = seen.asks("head_object", json!({ "Key": key("0123456789"), "ChecksumMode": "ENABLED" }));
    assert!(head["ChecksumCRC64NVME"].is_string(), "{head}");
    let told = rig.run(&["output", "--json"]).exits(0).json();
    assert!(told.to_string().contains(&format!("s3://{}/models/tiny", seen.bucket)), "{told}");
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
}

#[test]
fn a_changed_file_is_all_that_is_sent() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    rig.place.write("model/config.json", "{}");
    rig.up();
    let seen = Seen::by(&rig);
    rig.place.write("model/config.json", "{ }");
    rig.run(&["plan"]).exits(2).says("digest");
    counts(&rig, []);
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(counts(&rig, ["PutObject", "HeadObject"]), [2, 0], "the file and the manifest");
    rig.is_level();
    seen.has(&[("config.json", b"{ }"), ("weights.bin", b"0123456789")]);
    // What only has another name, or is there once more, is there already.
    fs::rename(rig.place.path("model/config.json"), rig.place.path("model/zonfig.json")).unwrap();
    rig.place.write("model/again.bin", "0123456789");
    counts(&rig, []);
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(counts(&rig, ["PutObject", "HeadObject"]), [1, 0], "the manifest");
    rig.is_level();
    seen.has(&[("again.bin", b"0123456789"), ("weights.bin", b"0123456789"), ("zonfig.json", b"{ }")]);
}

#[test]
fn a_large_file_goes_in_parts() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    fs::write(rig.place.path("model/weights.bin"), large(1)).unwrap();
    rig.up();
    let sent = counts(&rig, ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"]);
    assert_eq!(sent, [1, 3, 1, 1]);
    let seen = Seen::by(&rig);
    seen.has(&[("weights.bin", &large(1))]);
    let head = seen.asks("head_object", json!({ "Key": key(large(1)), "ChecksumMode": "ENABLED" }));
    assert_eq!(
        (&head["ContentLength"], head["ETag"].as_str().map(|etag| etag.ends_with("-3\""))),
        (&json!(20 * MIB), Some(true)),
        "{head}"
    );
    assert_eq!(head["Metadata"]["trueup-sha256"], sha256(large(1)));
}

#[test]
fn what_is_held_against_sha_256_says_so() {
    let Some(rig) = Rig::with(&WEIGHTS.replace("path:", "options: { aws: { checksum_algorithm: sha256 } }, path:"))
    else {
        return;
    };
    fs::write(rig.place.path("model/large.bin"), large(1)).unwrap();
    rig.up();
    let seen = Seen::by(&rig);
    seen.has(&[("large.bin", &large(1)), ("weights.bin", b"0123456789")]);
    let head = seen.asks("head_object", json!({ "Key": key("0123456789"), "ChecksumMode": "ENABLED" }));
    assert_eq!(head["ChecksumSHA256"], STANDARD.encode(Sha256::digest("0123456789")), "{head}");
}

#[test]
fn a_reply_that_is_lost_has_nothing_sent_twice() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    fs::write(rig.place.path("model/large.bin"), large(1)).unwrap();
    for operation in ["s3:PutObject", "s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload"] {
        rig.aws.proxy.misbehave(operation, Fault::LosesReply, 1, 1);
    }
    rig.run(&["apply", "--yes"]).exits(0);
    let sent = counts(&rig, ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]);
    assert_eq!(sent, [2, 1, 3, 1]);
    rig.is_level();
    Seen::by(&rig).has(&[("large.bin", &large(1)), ("weights.bin", b"0123456789")]);
    // That of the manifest: of a new one over the old, and then of the first.
    rig.place.write("model/weights.bin", "9876543210");
    rig.aws.proxy.misbehave("s3:PutObject", Fault::LosesReply, 2, 1);
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(counts(&rig, ["PutObject"]), [2]);
    rig.is_level();
    Seen::by(&rig).has(&[("large.bin", &large(1)), ("weights.bin", b"9876543210")]);
    for operation in ["s3:DeleteObjects", "s3:DeleteObject"] {
        rig.aws.proxy.misbehave(operation, Fault::LosesReply, 1, 1);
    }
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
    rig.aws.proxy.misbehave("s3:PutObject", Fault::LosesReply, 2, 1);
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(counts(&rig, ["PutObject"]), [2]);
    rig.is_level();
}

/// Kills a run once the first two parts of its large file are there.
fn killed(rig: &Rig) {
    fs::write(rig.place.path("model/large.bin"), large(1)).unwrap();
    rig.aws.proxy.misbehave("s3:UploadPart", Fault::Refuses(503, "SlowDown"), 3, 1000);
    let run = rig.start(&["apply", "--yes"]);
    let mut parts = 0;
    eventually("two parts are sent", || {
        let calls = rig.aws.proxy.take_calls();
        parts += calls.iter().filter(|call| call.operation == "s3:UploadPart" && call.status == 200).count();
        parts == 2
    });
    run.signal(Signal::KILL);
    run.wait();
    rig.aws.proxy.behave();
    assert_eq!(Seen::by(rig).uploads(), 1);
    counts(rig, []);
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_where_it_was() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    killed(&rig);
    rig.run(&["apply", "--yes"]).exits(0);
    let sent = counts(&rig, ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]);
    assert_eq!(sent, [1, 0, 1, 1], "the third part, and the manifest");
    rig.is_level();
    Seen::by(&rig).has(&[("large.bin", &large(1)), ("weights.bin", b"0123456789")]);
}

#[test]
fn an_upload_that_somebody_gave_up_is_begun_again() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    killed(&rig);
    let seen = Seen::by(&rig);
    let upload = seen.asks("list_multipart_uploads", json!({}))["Uploads"][0].clone();
    seen.asks("abort_multipart_upload", json!({ "Key": upload["Key"], "UploadId": upload["UploadId"] }));
    rig.aws.proxy.misbehave("s3:UploadPart", Fault::Refuses(404, "NoSuchUpload"), 3, 1);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.is_level();
    seen.has(&[("large.bin", &large(1)), ("weights.bin", b"0123456789")]);
}

#[test]
fn what_a_killed_run_left_goes_when_it_is_not_wanted_any_more() {
    for is_there in [false, true] {
        let Some(rig) = Rig::with(WEIGHTS) else { return };
        if is_there {
            rig.up();
        }
        killed(&rig);
        fs::remove_file(rig.place.path("model/large.bin")).unwrap();
        rig.run(&["apply", "--yes"]);
        assert_eq!(Seen::by(&rig).uploads(), 0);
        rig.up();
        Seen::by(&rig).has(&[("weights.bin", b"0123456789")]);
    }
}

#[test]
fn what_can_not_be_undone_is_known_and_removed_later() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    killed(&rig);
    fs::remove_file(rig.place.path("model/large.bin")).unwrap();
    rig.write("  data: { kind: bucket }\n");
    rig.aws.proxy.misbehave("s3:AbortMultipartUpload", Fault::Refuses(403, "AccessDenied"), 1, 1000);
    rig.run(&["apply", "--yes"]);
    assert_eq!(Seen::by(&rig).uploads(), 1);
    rig.aws.proxy.behave();
    rig.up();
    let seen = Seen::by(&rig);
    assert_eq!((seen.keys(), seen.uploads()), (vec![], 0));
}

#[test]
fn a_source_that_changes_while_it_is_sent_leaves_nothing() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    fs::write(rig.place.path("model/large.bin"), large(1)).unwrap();
    rig.aws.proxy.misbehave("s3:UploadPart", Fault::Refuses(503, "SlowDown"), 2, 1000);
    let run = rig.start(&["apply", "--yes"]);
    eventually("a part is sent", || counts(&rig, ["UploadPart"]) != [0]);
    fs::write(rig.place.path("model/large.bin"), large(2)).unwrap();
    rig.aws.proxy.behave();
    run.wait().exits(3).says("no longer what it was when the plan was made");
    let seen = Seen::by(&rig);
    assert_eq!((seen.keys(), seen.uploads()), (vec![], 0));
    rig.up();
    seen.has(&[("large.bin", &large(2)), ("weights.bin", b"0123456789")]);
}

#[test]
fn what_was_done_by_hand_is_seen_and_put_right() {
    let Some(rig) = Rig::with(&WEIGHTS.replace("path:", "version: v1, path:")) else { return };
    fs::write(rig.place.path("model/large.bin"), large(1)).unwrap();
    rig.up();
    let seen = Seen::by(&rig);
    let files: [(&str, &[u8]); 2] = [("large.bin", &large(1)), ("weights.bin", b"0123456789")];
    for (name, text) in files {
        seen.asks("delete_object", json!({ "Key": key(text) }));
        // What nobody names is no drift, and goes with the next that is put right.
        seen.asks("put_object", json!({ "Key": key(name), "Body": "extra" }));
        seen.asks("create_multipart_upload", json!({ "Key": key(name) }));
        rig.corrects("digest");
        seen.has(&files);
        let is_large = name == "large.bin";
        assert_eq!(counts(&rig, ["CompleteMultipartUpload", "HeadObject"])[0] > 0, is_large, "{name}");
    }
    // Another content of the same size.
    let forged = json!({ "Key": key("0123456789"), "Body": "9876543210" });
    seen.asks("put_object", forged);
    rig.corrects("digest");
    seen.has(&files);
    let manifest = "models/tiny/trueup-manifest.json";
    let mut altered = seen.manifest();
    altered["version"] = json!("v2");
    seen.asks("put_object", json!({ "Key": manifest, "Body": altered.to_string() }));
    rig.corrects("version");
    assert_eq!(seen.manifest()["version"], "v1");
    altered["version"] = json!("v1");
    altered["files"][0]["key"] = json!("elsewhere");
    for text in [altered.to_string(), "no manifest".to_owned()] {
        seen.asks("put_object", json!({ "Key": manifest, "Body": text }));
        rig.corrects("digest");
        seen.has(&files);
    }
    seen.asks("delete_object", json!({ "Key": manifest }));
    rig.run(&["drift"]).exits(2);
    counts(&rig, []);
    rig.up();
    assert_eq!(counts(&rig, ["PutObject", "CreateMultipartUpload"]), [1, 0], "only the manifest is written");
    seen.has(&files);
}

#[test]
fn what_is_not_the_artifact_s_is_left_alone() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    rig.up();
    let seen = Seen::by(&rig);
    let theirs = ["models/tiny/notes.txt", "models/tiny/sha256/notes.txt", "models/tiny-2/sha256/x"];
    for key in theirs {
        seen.asks("put_object", json!({ "Key": key, "Body": "mine" }));
    }
    rig.is_level();
    rig.place.write("model/weights.bin", "other");
    rig.up();
    rig.write("  data: { kind: bucket }\n");
    rig.up();
    let mut keys = theirs;
    keys.sort_unstable();
    assert_eq!(seen.keys(), keys);
}

#[test]
fn two_artifacts_of_the_same_files_do_not_need_each_other() {
    let other = "  more: { kind: artifact, bucket: \"{{ data }}\", source: ./model, path: models/other }\n";
    let Some(rig) = Rig::with(&format!("{WEIGHTS}{other}")) else { return };
    rig.up();
    rig.write(WEIGHTS);
    rig.up();
    Seen::by(&rig).has(&[("weights.bin", b"0123456789")]);
    // One name for both, at one place: the second is told, and nothing of the first is touched.
    rig.write(&format!("{WEIGHTS}{}", other.replace("other", "tiny")));
    rig.run(&["apply", "--yes"]).exits(3).says("there is an artifact at").says("path");
    Seen::by(&rig).has(&[("weights.bin", b"0123456789")]);
}

#[test]
fn a_look_takes_two_calls() {
    let Some(rig) = Rig::with(&WEIGHTS.replace("path: models/tiny", "for_each: [a, b, c]")) else { return };
    rig.up();
    counts(&rig, []);
    rig.run(&["drift"]).exits(0);
    let calls = rig.aws.proxy.take_operations();
    let mut of_artifacts: Vec<&str> = calls.iter().filter_map(|call| call.strip_prefix("s3:")).collect();
    of_artifacts.retain(|call| call.contains("Object") || call.contains("Multipart"));
    of_artifacts.sort_unstable();
    assert_eq!(
        of_artifacts,
        ["GetObject", "GetObject", "GetObject", "ListObjectsV2", "ListObjectsV2", "ListObjectsV2"]
    );
}

#[test]
fn what_can_not_be_told_is_no_drift() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    rig.up();
    for operation in ["s3:GetObject", "s3:ListObjectsV2"] {
        rig.aws.proxy.misbehave(operation, Fault::Refuses(403, "AccessDenied"), 1, 1000);
        let ran = rig.run(&["plan"]);
        assert!(
            !ran.out.contains("to create, ") || ran.out.contains("0 to create, 0 to change"),
            "{}{}",
            ran.out,
            ran.err
        );
        assert!(format!("{}{}", ran.out, ran.err).contains("AccessDenied"), "{}{}", ran.out, ran.err);
        rig.aws.proxy.behave();
    }
    rig.is_level();
}

#[test]
fn what_may_not_be_sent_is_sent_once_it_may() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    rig.aws.proxy.misbehave("s3:PutObject", Fault::Refuses(403, "AccessDenied"), 1, 1000);
    let ran = rig.run(&["apply", "--yes"]).exits(3);
    assert!(format!("{}{}", ran.out, ran.err).contains("AccessDenied"), "{}{}", ran.out, ran.err);
    rig.aws.proxy.behave();
    rig.up();
    Seen::by(&rig).has(&[("weights.bin", b"0123456789")]);
}

#[test]
fn what_s3_can_not_take_is_told_with_its_line() {
    let Some(rig) = Rig::with("") else { return };
    fs::create_dir(rig.place.path("empty")).unwrap();
    for (said, complaint) in [
        ("path: ../up", "no `..`"),
        ("name: /abs", "no slash at its ends"),
        ("options: { aws: { checksum_algorithm: md5 } }", "`crc64nvme` or `sha256`"),
        ("options: { aws: { checksum_algoritm: sha256 } }", "checksum_algorithm"),
        ("source: ./empty", "there is no file in"),
        ("bucket: \"{{ here }}\"", "made by `local`"),
    ] {
        let field = said.split(':').next().unwrap();
        let rest = ["bucket: \"{{ data }}\"", "source: ./model"];
        let rest: Vec<&str> = rest.into_iter().filter(|line| !line.starts_with(field)).collect();
        rig.place.write(
            "blueprint.yaml",
            &format!(
                "blueprint: demo\nproviders: {{ aws: {{}}, local: {{}} }}\nresources:\n  \
                 data: {{ kind: bucket, provider: aws }}\n  here: {{ kind: bucket, provider: local }}\n  weights:\n    kind: artifact\n    provider: aws\n    {said}\n    {}\n",
                rest.join("\n    ")
            ),
        );
        rig.run(&["plan"]).exits(1).complains(complaint).complains("blueprint.yaml:9");
    }
}

#[test]
fn a_bucket_in_another_region_is_told_before_anything_is_sent() {
    let far = "  data: { kind: bucket, placement: [{ provider: aws, region: eu-west-1 }] }";
    let Some(rig) = Rig::with(&WEIGHTS.replace("  data: { kind: bucket }", far)) else { return };
    let ran = rig.run(&["apply", "--yes"]).exits(3);
    assert!(
        format!("{}{}", ran.out, ran.err).contains("is in eu-west-1, and this in us-east-1"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(counts(&rig, ["PutObject"]), [0]);
}

#[test]
fn an_artifact_that_is_there_is_adopted_by_its_uri() {
    let Some(rig) = Rig::with(WEIGHTS) else { return };
    rig.up();
    rig.run(&["state", "forget", "weights", "--yes"]).exits(0);
    let seen = Seen::by(&rig);
    rig.run(&["adopt", "weights", "--id", &format!("s3://{}/models/none", seen.bucket), "--yes"]).exits(1);
    rig.run(&["adopt", "weights", "--id", &format!("s3://{}/models/tiny", seen.bucket), "--yes"]).exits(0);
    counts(&rig, []);
    rig.up();
    assert!(counts(&rig, ["PutObject"])[0] <= 1, "no more than the manifest");
    seen.has(&[("weights.bin", b"0123456789")]);
}
