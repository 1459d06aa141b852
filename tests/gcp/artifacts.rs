//! `artifact` on Cloud Storage: its contents and its manifest, what is sent again and what is not, and what others may do meanwhile.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::rig::Rig;
use crate::support::eventually;

const MIB: usize = 1024 * 1024;
const MANIFEST: &str = "models/tiny/trueup-manifest.json";

/// A bucket, and in it what stands in `model`.
const WEIGHTS: &str = "  data: { kind: bucket, name: b-PROJECT, force_destroy: true }
  weights: { kind: artifact, bucket: \"{{ data }}\", source: ./model, path: models/tiny }
";

fn sha256(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(text))
}

/// The key of a content.
fn key(text: impl AsRef<[u8]>) -> String {
    format!("models/tiny/sha256/{}", sha256(text))
}

/// A file that is sent in parts: thirteen of them.
fn large(first: u8) -> Vec<u8> {
    let mut text: Vec<u8> = (0..100 * MIB).map(|n| u8::try_from(n / 4096 % 251).unwrap()).collect();
    text[0] = first;
    text
}

impl Rig {
    /// A rig with some files in `model`; none is sent yet.
    fn with_files(resources: &str, files: &[(&str, &[u8])]) -> Option<Self> {
        let rig = Self::with(resources)?;
        fs::remove_dir_all(rig.place.path("model")).unwrap();
        fs::create_dir(rig.place.path("model")).unwrap();
        for (name, text) in files {
            fs::write(rig.place.path("model").join(name), text).unwrap();
        }
        Some(rig)
    }

    fn in_bucket(&self) -> String {
        format!("b-{}", self.gcp.project)
    }

    /// All keys of the bucket, as Google's own client lists them.
    fn keys(&self) -> Vec<String> {
        let asked = json!({ "parent": format!("projects/_/buckets/{}", self.in_bucket()) });
        let listed = self.gcp.observe_storage("list_objects", asked);
        let names = listed["items"].as_array().cloned().unwrap_or_default();
        names.iter().map(|object| object["name"].as_str().unwrap().to_owned()).collect()
    }

    fn manifest(&self) -> Json {
        serde_json::from_slice(&self.gcp.reads(&self.in_bucket(), MANIFEST).unwrap()).unwrap()
    }

    /// These files, and nothing else, are there as the manifest says.
    #[track_caller]
    fn has(&self, files: &[(&str, &[u8])]) {
        let named = self.manifest()["files"].as_array().unwrap().clone();
        let named: Vec<(&str, &str)> =
            named.iter().map(|file| (file["path"].as_str().unwrap(), file["key"].as_str().unwrap())).collect();
        let wanted: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, key(text))).collect();
        assert_eq!(named, wanted.iter().map(|(path, key)| (*path, key.as_str())).collect::<Vec<_>>());
        for (path, text) in files {
            assert!(
                self.gcp.reads(&self.in_bucket(), &key(text)).as_deref() == Some(*text),
                "{path} holds something else"
            );
        }
        let mut keys: Vec<String> = wanted.into_iter().map(|(_, key)| key).collect();
        keys.push(MANIFEST.to_owned());
        keys.sort();
        keys.dedup();
        assert_eq!(self.keys(), keys);
    }

    /// How many files were sent since this was asked last.
    fn sent(&self) -> usize {
        self.gcp.take_calls().iter().filter(|call| *call == "storage.objects.insert").count()
    }
}

#[test]
fn an_artifact_is_its_contents_and_a_manifest_that_says_whose_it_is() {
    let files: [(&str, &[u8]); 3] = [("a.bin", b"one"), ("b.bin", b"two"), ("c.bin", b"one")];
    let Some(rig) = Rig::with_files(WEIGHTS, &files) else { return };
    rig.up();
    rig.has(&files);
    let manifest = rig.manifest();
    assert_eq!(
        (&manifest["owner"]["trueup:address"], &manifest["size_bytes"]),
        (&json!("weights"), &json!(9)),
        "{manifest}"
    );
    let shown = rig.run(&["state", "show", "weights", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["uri"], format!("gs://{}/models/tiny", rig.in_bucket()), "{shown}");
    // Of what changes only what is new is sent, and the manifest.
    rig.gcp.take_calls();
    fs::write(rig.place.path("model/b.bin"), "three").unwrap();
    rig.up();
    assert_eq!(rig.sent(), 2);
    rig.has(&[("a.bin", b"one"), ("b.bin", b"three"), ("c.bin", b"one")]);
    rig.down();
}

#[test]
fn a_large_file_goes_in_parts_and_whoever_comes_next_goes_on_with_it() {
    let text = large(1);
    let Some(rig) = Rig::with_files(WEIGHTS, &[("model.bin", &text)]) else { return };
    // The second part is not taken, so that it can be killed with one there.
    rig.gcp.misbehaves("storage.objects.insert", json!({ "status": 503 }), 2, 1000);
    let running = rig.start(&["apply", "--yes"]);
    eventually("a part is there", || rig.keys().iter().any(|key| key.contains("/parts/")));
    running.signal(Signal::KILL);
    running.wait();
    let there = rig.keys().iter().filter(|key| key.contains("/parts/")).count();
    assert!(there < 13, "{:?}", rig.keys());
    rig.gcp.behaves();
    rig.gcp.take_calls();
    rig.up();
    // What is there is not sent again: the parts that are missing, and the manifest.
    assert_eq!(rig.sent(), 13 - there + 1);
    rig.has(&[("model.bin", &text)]);
    // Another first byte is another first part, and the rest of another content.
    fs::write(rig.place.path("model/model.bin"), large(2)).unwrap();
    rig.up();
    rig.has(&[("model.bin", &large(2))]);
    rig.down();
}

#[test]
fn what_others_did_to_it_is_told_and_put_right() {
    let files: [(&str, &[u8]); 2] = [("a.bin", b"one"), ("b.bin", b"two")];
    let Some(rig) = Rig::with_files(WEIGHTS, &files) else { return };
    rig.up();
    let name = |key: &str| json!({ "bucket": format!("projects/_/buckets/{}", rig.in_bucket()), "object_": key });
    for spoil in [
        Box::new(|| drop(rig.gcp.observe_storage("delete_object", name(&key("one"))))) as Box<dyn Fn()>,
        Box::new(|| rig.gcp.writes(&rig.in_bucket(), &key("two"), b"TWO")),
        Box::new(|| drop(rig.gcp.observe_storage("delete_object", name(MANIFEST)))),
        Box::new(|| rig.gcp.writes(&rig.in_bucket(), MANIFEST, b"{}")),
    ] {
        spoil();
        rig.corrects("weights");
        rig.has(&files);
    }
    rig.down();
}

#[test]
fn a_place_that_is_anothers_is_left_alone() {
    let Some(rig) =
        Rig::with_files("  data: { kind: bucket, name: b-PROJECT, force_destroy: true }\n", &[("a.bin", b"one")])
    else {
        return;
    };
    rig.up();
    rig.gcp.writes(&rig.in_bucket(), MANIFEST, b"{\"theirs\": true}");
    rig.write(WEIGHTS);
    rig.run(&["apply", "--yes"]).exits(3).says("there is an artifact at").says("another `path`");
    assert_eq!(rig.keys(), [MANIFEST]);
}

#[test]
fn lost_replies_and_refusals_that_pass_make_nothing_twice() {
    let texts: Vec<String> = (0..20).map(|n| format!("file {n}")).collect();
    let names: Vec<String> = (0..20).map(|n| format!("f{n:02}.bin")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_bytes)).collect();
    let Some(rig) = Rig::with_files(WEIGHTS, &files) else { return };
    rig.gcp.misbehaves("storage.objects.insert", json!("lost"), 5, 1000);
    rig.gcp.misbehaves("storage.ListObjects", json!({ "code": "UNAVAILABLE" }), 3, 1000);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.gcp.behaves();
    rig.is_level();
    rig.has(&files);
    rig.down();
}

#[test]
fn more_parts_than_one_call_puts_together_leave_nothing_also_where_versions_are_kept() {
    let text = vec![7; 257 * MIB];
    let versioned = WEIGHTS.replace("force_destroy", "versioning: true, force_destroy");
    let Some(rig) = Rig::with_files(&versioned, &[("model.bin", &text)]) else { return };
    rig.up();
    // 33 parts, of which 32 are put together, and those with the last.
    assert_eq!(rig.sent(), 33 + 1);
    let asked = json!({ "parent": format!("projects/_/buckets/{}", rig.in_bucket()), "versions": true });
    let listed = rig.gcp.observe_storage("list_objects", asked)["items"].as_array().cloned().unwrap_or_default();
    let names: Vec<(&str, &str)> =
        listed.iter().map(|one| (one["name"].as_str().unwrap(), one["size"].as_str().unwrap())).collect();
    let manifest = rig.gcp.reads(&rig.in_bucket(), MANIFEST).unwrap().len().to_string();
    assert_eq!(names, [(key(&text).as_str(), (257 * MIB).to_string().as_str()), (MANIFEST, manifest.as_str())]);
    rig.down();
}

#[test]
fn what_can_not_be_is_told_before_anything_is_sent() {
    let Some(rig) = Rig::with_files(WEIGHTS, &[]) else { return };
    rig.run(&["plan"]).exits(1).complains("no file in");
    fs::write(rig.place.path("model/a.bin"), "one").unwrap();
    for (fields, said) in [
        ("path: a//b", "no empty step"),
        ("options: { gcp: { checksum_algorithm: md5 } }", "no option `checksum_algorithm`"),
    ] {
        rig.write(&format!("  data: {{ kind: bucket }}\n  weights: {{ kind: artifact, bucket: \"{{{{ data }}}}\", source: ./model, {fields} }}\n"));
        rig.run(&["plan"]).exits(1).complains(said);
    }
    assert_eq!(rig.gcp.things(), [""; 0]);
}
