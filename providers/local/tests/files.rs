//! Buckets and artifacts.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::{Bench, local_path, reference, text};
use serde_json::json;
use trueup_engine::provider::{By, Observation, Progress, Target};
use trueup_engine::tree::tree_digest;
use trueup_state::{Applied, Class, Request, Token};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_bucket_is_a_private_directory() {
    let bench = Bench::new();
    let (mut made, found) = bench.make("bucket", "weights", json!({ "tags": { "team": "search" } })).await;
    let path = local_path(&text(&found, "uri"));
    assert_eq!(mode(&path), 0o700);
    bench.keeps_its_promises(&made).await;
    bench.set(&mut made, "versioning", json!(true)).await;
    bench.set(&mut made, "tags", json!({ "team": "ads" })).await;
    bench.set(&mut made, "lifecycle", json!([{ "prefix": "tmp/", "expire_after_days": 1 }])).await;
    bench.set(&mut made, "public_access", json!("read")).await;
    assert_eq!(mode(&path), 0o755);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(bench.drift(&made).await, ["public_access"]);
    bench.update(&made, made.spec.clone()).await.unwrap();
    assert!(bench.drift(&made).await.is_empty());
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

#[tokio::test]
async fn a_bucket_with_files_is_deleted_only_by_force() {
    let bench = Bench::new();
    let (mut made, found) = bench.make("bucket", "weights", json!({})).await;
    fs::write(local_path(&text(&found, "uri")).join("mine.txt"), "mine").unwrap();
    let refused = bench.delete(&made).await.unwrap_err();
    let at_fault = Class::Invalid { field: Some("force_destroy".to_owned()) };
    assert_eq!((&refused.class, refused.message.contains("files are in")), (&at_fault, true));
    assert!(matches!(bench.look(&made).await, Observation::Present(_)));
    bench.set(&mut made, "force_destroy", json!(true)).await;
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

/// What is in the way of deleting a bucket.
async fn obstacle(bench: &Bench, bucket: &Request) -> Option<String> {
    let target = Target { address: &bucket.address, generation: 0, by: By::Id(&bucket.name), sent: Some(&bucket.spec) };
    let mut told = bench.manager("bucket").await.obstacles(&[target]).await;
    assert_eq!(told.len(), 1);
    told.remove(0).map(|problem| format!("{}: {}", problem.path, problem.message))
}

#[tokio::test]
async fn what_is_in_the_way_of_a_delete_is_told_before() {
    let bench = Bench::new();
    let (bucket, spec) = with_bucket(&bench, false).await;
    assert_eq!(obstacle(&bench, &bucket).await, None);
    let (made, found) = bench.make("artifact", "tiny", spec).await;
    let artifact = local_path(&text(&found, "uri"));
    assert_eq!(obstacle(&bench, &bucket).await, None, "an artifact goes before its bucket");
    fs::remove_file(artifact.join("trueup-manifest.json")).unwrap();
    assert_eq!(obstacle(&bench, &bucket).await, None, "also one that was tampered with");
    fs::remove_file(bench.path("root/cards/artifact/tiny.json")).unwrap();
    assert!(obstacle(&bench, &bucket).await.unwrap().starts_with("force_destroy: the bucket `weights` is not empty"));
    fs::write(artifact.join("trueup-manifest.json"), "{}").unwrap();
    assert_eq!(obstacle(&bench, &bucket).await, None, "it may be of another root's stack");
    fs::write(artifact.with_file_name("mine"), "mine").unwrap();
    assert!(obstacle(&bench, &bucket).await.is_some());
    let mut forced = bucket.clone();
    forced.spec.put(&trueup_state::FieldPath::parse("force_destroy"), true.into());
    assert_eq!(obstacle(&bench, &forced).await, None);
    assert_eq!(obstacle(&bench, &made).await, None, "nobody knows a bucket of this name");
}

#[tokio::test]
async fn a_bucket_that_keeps_what_is_deleted_is_never_empty() {
    let bench = Bench::new();
    let (mut bucket, spec) = with_bucket(&bench, true).await;
    assert_eq!(obstacle(&bench, &bucket).await, None);
    let (made, _) = bench.make("artifact", "tiny", spec).await;
    assert!(obstacle(&bench, &bucket).await.unwrap().contains("keeps earlier versions"));
    bench.goes_without_a_trace(&made).await;
    assert!(obstacle(&bench, &bucket).await.unwrap().contains("is not empty"));
    assert_eq!(bench.delete(&bucket).await.unwrap_err().code, "BucketNotEmpty");
    // The request says whether it is forced, whatever was applied.
    bucket.spec.put(&trueup_state::FieldPath::parse("force_destroy"), true.into());
    bench.goes_without_a_trace(&bucket).await;
    bench.is_clean();
}

#[tokio::test]
async fn what_can_not_be_made_here_is_refused_by_field() {
    let bench = Bench::new();
    let request = bench.request("bucket", "weights", json!({ "encryption": { "kms_key": "k" } })).await;
    let error = bench.create(&request).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid { field: Some("encryption".to_owned()) });
    let escape = Request { name: "../out".to_owned(), ..bench.request("bucket", "weights", json!({})).await };
    assert_eq!(bench.create(&escape).await.unwrap_err().class, Class::Invalid { field: Some("name".to_owned()) });
    bench.is_clean();
}

#[tokio::test]
async fn a_directory_that_is_not_ours_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("root/buckets/weights")).unwrap();
    let request = bench.request("bucket", "weights", json!({})).await;
    assert_eq!(bench.create(&request).await.unwrap_err().class, Class::AlreadyExists);
    assert!(matches!(bench.look(&request).await, Observation::Indeterminate(_)));
}

#[tokio::test]
async fn what_no_target_asks_for_is_an_orphan() {
    let bench = Bench::new();
    let (one, _) = bench.make("bucket", "one", json!({})).await;
    bench.make("bucket", "two", json!({})).await;
    let observed = bench.observe(&one, trueup_engine::provider::By::Id("one")).await;
    assert_eq!(observed.orphans.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["two"]);
}

/// A bucket, and the spec of an artifact in it of the directory `source`.
async fn with_bucket(bench: &Bench, versioning: bool) -> (Request, serde_json::Value) {
    let (bucket, found) = bench.make("bucket", "weights", json!({ "versioning": versioning })).await;
    let source = bench.path("source");
    fs::create_dir_all(source.join("layers")).unwrap();
    fs::write(source.join("config.json"), "{}").unwrap();
    fs::write(source.join("layers/0.bin"), vec![7; 300_000]).unwrap();
    let spec = json!({
        "bucket": reference("bucket", &bucket, &found),
        "source": source,
        "digest": tree_digest(&source).unwrap(),
    });
    (bucket, spec)
}

#[tokio::test]
async fn an_artifact_is_copied_and_known_by_what_is_in_it() {
    let bench = Bench::new();
    let (bucket, spec) = with_bucket(&bench, false).await;
    let (mut made, found) = bench.make("artifact", "tiny", spec).await;
    let path = local_path(&text(&found, "uri"));
    assert_eq!(fs::read(path.join("layers/0.bin")).unwrap().len(), 300_000);
    assert_eq!(mode(&path.join("config.json")), 0o600);
    assert_eq!(found.attributes.get("size_bytes"), Some(&300_002.into()));
    assert_eq!(found.attributes.get("files"), Some(&2.into()));
    bench.keeps_its_promises(&made).await;
    bench.set(&mut made, "version", json!("2026-11")).await;
    bench.set(&mut made, "tags", json!({ "team": "ads" })).await;
    assert_eq!(bench.delete(&bucket).await.unwrap_err().code, "BucketNotEmpty");
    bench.goes_without_a_trace(&made).await;
    bench.goes_without_a_trace(&bucket).await;
    bench.is_clean();
}

#[tokio::test]
async fn what_is_the_same_is_not_copied_again() {
    let bench = Bench::new();
    let (_, spec) = with_bucket(&bench, true).await;
    let (mut made, found) = bench.make("artifact", "tiny", spec).await;
    let path = local_path(&text(&found, "uri"));
    let stamp = |name: &str| {
        let metadata = fs::metadata(path.join(name)).unwrap();
        (metadata.ino(), metadata.mtime_nsec(), metadata.ctime_nsec())
    };
    let before = stamp("layers/0.bin");
    let source = bench.path("source");
    fs::write(source.join("config.json"), r#"{"a":1}"#).unwrap();
    fs::write(source.join("new.txt"), "new").unwrap();
    bench.set(&mut made, "digest", json!(tree_digest(&source).unwrap())).await;
    assert_eq!(stamp("layers/0.bin"), before);
    assert_eq!(fs::read_to_string(path.join("config.json")).unwrap(), r#"{"a":1}"#);
    // The same content with another time is read again, and still not written again.
    let content = fs::read(source.join("layers/0.bin")).unwrap();
    fs::write(source.join("layers/0.bin"), content).unwrap();
    fs::remove_file(source.join("new.txt")).unwrap();
    bench.set(&mut made, "digest", json!(tree_digest(&source).unwrap())).await;
    assert_eq!(stamp("layers/0.bin"), before);
    assert!(!path.join("new.txt").exists());
    let versions = bench.files("root/buckets/.versions");
    assert_eq!(versions.len(), 2, "the old config.json and new.txt: {versions:?}");
}

#[tokio::test]
async fn what_is_altered_by_hand_is_found_and_put_right() {
    let bench = Bench::new();
    let (_, spec) = with_bucket(&bench, false).await;
    let (made, found) = bench.make("artifact", "tiny", spec).await;
    let path = local_path(&text(&found, "uri"));
    let file = path.join("layers/0.bin");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let tampers: [&dyn Fn(); 4] = [
        &|| {
            fs::write(&file, vec![8; 300_000]).unwrap();
            fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        },
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::write(path.join("extra"), "x").unwrap(),
        &|| fs::write(path.join("trueup-manifest.json"), "{}").unwrap(),
    ];
    for tamper in tampers {
        tamper();
        assert_eq!(bench.drift(&made).await, ["digest"]);
        bench.update(&made, made.spec.clone()).await.unwrap();
        assert!(bench.drift(&made).await.is_empty());
        assert_eq!(fs::read(&file).unwrap(), vec![7; 300_000]);
    }
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(bench.look(&made).await, Observation::Absent);
    bench.create(&Request { token: Token::from("another"), ..made.clone() }).await.unwrap();
    assert!(bench.drift(&made).await.is_empty());
}

#[tokio::test]
async fn a_copy_goes_on_after_its_process_was_killed() {
    let mut bench = Bench::new();
    bench.step_bytes = 1;
    let (_, spec) = with_bucket(&bench, false).await;
    let large = bench.path("source/large.bin");
    fs::write(&large, vec![1; 5 * 1024 * 1024]).unwrap();
    let mut spec = spec;
    spec["digest"] = json!(tree_digest(&bench.path("source")).unwrap());
    let request = bench.request("artifact", "tiny", spec).await;
    let mut progress = bench.manager("artifact").await.create(&request).await.unwrap();
    let mut steps = 0;
    let mut last = 0;
    while let Progress::Pending { handle, amount, .. } = progress {
        let amount = amount.unwrap();
        assert!(amount.done >= last && amount.done <= amount.total, "{amount:?}");
        last = amount.done;
        assert_eq!(bench.look(&request).await, Observation::Absent, "half an artifact is none");
        // A new manager knows nothing of the old one's copy: as after kill -9.
        progress = bench.manager("artifact").await.poll(&request, &handle).await.unwrap();
        steps += 1;
        assert!(steps < 50, "it never ends");
    }
    assert!((5..=12).contains(&steps), "{steps}");
    assert!(bench.drift(&request).await.is_empty());
    assert!(bench.files("root/buckets/.staging").is_empty());
}

#[tokio::test]
async fn a_source_that_is_missing_or_changed_leaves_nothing_behind() {
    let bench = Bench::new();
    let (bucket, spec) = with_bucket(&bench, false).await;
    let mut missing = spec.clone();
    missing["source"] = json!(bench.path("nowhere"));
    let error = bench.create(&bench.request("artifact", "tiny", missing).await).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid { field: Some("source".to_owned()) });
    fs::write(bench.path("source/config.json"), "changed").unwrap();
    let error = bench.create(&bench.request("artifact", "tiny", spec).await).await.unwrap_err();
    assert_eq!((error.class, error.applied), (Class::Conflict, Applied::No));
    bench.goes_without_a_trace(&bucket).await;
    bench.is_clean();
}

#[tokio::test]
async fn two_artifacts_never_share_a_place() {
    let bench = Bench::new();
    let (_, mut spec) = with_bucket(&bench, false).await;
    spec["path"] = json!("models");
    bench.make("artifact", "one", spec.clone()).await;
    for path in ["models", "models/inner"] {
        spec["path"] = json!(path);
        let request = bench.request("artifact", "two", spec.clone()).await;
        assert_eq!(bench.create(&request).await.unwrap_err().class, Class::AlreadyExists);
    }
    spec["path"] = json!("../escape");
    let request = bench.request("artifact", "two", spec).await;
    assert_eq!(bench.create(&request).await.unwrap_err().class, Class::Invalid { field: Some("path".to_owned()) });
}
