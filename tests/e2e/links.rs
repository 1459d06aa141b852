//! Sources with symbolic links in them, as the caches of models are.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::Place;

/// Files in one place, and a directory of links to them.
fn place(provider: &str) -> Place {
    let place = Place::with(&format!(
        "blueprint: demo\nproviders: {{ {provider}: {{}} }}\nresources:\n  \
         data: {{ kind: bucket, force_destroy: true }}\n  \
         model: {{ kind: artifact, bucket: '{{{{ data }}}}', source: ./cache/snapshot }}\n\
         outputs: {{ digest: '{{{{ model.digest }}}}', bytes: '{{{{ model.size_bytes }}}}', at: '{{{{ model.uri }}}}' }}\n"
    ));
    fs::create_dir_all(place.path("cache/snapshot")).unwrap();
    fs::create_dir_all(place.path("cache/blobs")).unwrap();
    place.write("cache/blobs/one", "weights");
    symlink("../blobs/one", place.path("cache/snapshot/model.bin")).unwrap();
    place
}

#[test]
fn what_a_link_leads_to_is_what_is_copied_and_compared() {
    for provider in ["local", "sim"] {
        let place = place(provider);
        place.run(&["apply", "--yes"]).exits(0);
        let outputs = || place.run(&["output", "--json"]).exits(0).json();
        let before = outputs();
        assert_eq!(before["bytes"], 7, "{provider}: {before}");
        place.run(&["plan"]).exits(0);
        // A file in the link's place is the same.
        fs::remove_file(place.path("cache/snapshot/model.bin")).unwrap();
        place.write("cache/snapshot/model.bin", "weights");
        place.run(&["plan"]).exits(0);
        fs::remove_file(place.path("cache/snapshot/model.bin")).unwrap();
        place.write("cache/blobs/two", "other weights");
        symlink(place.path("cache/blobs/two"), place.path("cache/snapshot/model.bin")).unwrap();
        place.run(&["plan"]).exits(2);
        place.run(&["apply", "--yes"]).exits(0);
        let after = outputs();
        assert!(after["bytes"] == 13 && after["digest"] != before["digest"], "{provider}: {after}");
        if let Some(made) = after["at"].as_str().and_then(|uri| uri.strip_prefix("file://")) {
            let made = std::path::Path::new(made).join("model.bin");
            assert!(fs::symlink_metadata(&made).unwrap().is_file(), "a copy, and no link");
            assert_eq!(fs::read_to_string(made).unwrap(), "other weights");
        }
    }
}

#[test]
fn a_link_to_anything_else_is_told_when_a_plan_is_made() {
    for (to, why) in [
        ("../blobs", "a symbolic link to a directory"),
        ("nothing", "a symbolic link that leads nowhere"),
        ("extra", "a symbolic link that leads nowhere"),
    ] {
        let place = place("local");
        symlink(to, place.path("cache/snapshot/extra")).unwrap();
        let ran = place.run(&["plan"]).exits(1).complains(why).complains("symbolic links to such a file");
        assert!(!ran.err.contains("a path is relative"), "{}", ran.err);
    }
}
