//! What the program prints, draws and keeps.

use std::fs;

use serde_json::{Value, json};
use trueup_gpucheck::judge::{Subject, Verdict};

use crate::node::{Node, about};

#[test]
fn a_baseline_is_kept_and_held_against() {
    let top = tempfile::tempdir().unwrap();
    let file = top.path().join("baseline.json");
    let path = file.to_str().unwrap();
    let node = || Node::new("A100-SXM4-80GB", 2);
    assert_eq!(node().run(&["--store-baseline", path, "--progress", "none"]).code, 0);
    let baseline: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        (&baseline["model"], &baseline["gpus"], &baseline["driver"]),
        (&json!("A100-SXM4-80GB"), &json!(2), &json!("12.4"))
    );
    let (judgement, _, _) = node().check(&["--baseline", path]);
    assert_eq!(about(&judgement, Subject::Gpu(0), "fp16_rate"), (Verdict::Pass, "enough by a stored baseline"));
    // 88 % of what it was: enough by the specification, as its neighbour is as slow.
    let slower = || node().scale(0, "fp16", 0.88).scale(1, "fp16", 0.88);
    assert_eq!(slower().check(&[]).0.of("fp16_rate"), Some(Verdict::Warn));
    let (judgement, _, code) = slower().check(&["--baseline", path]);
    assert_eq!((judgement.of("fp16_rate"), code), (Some(Verdict::Fail), 2));
    // One that fails is no measure for others.
    let other = top.path().join("other.json");
    let failed = node().scale(1, "fp16", 0.5).run(&["--store-baseline", other.to_str().unwrap()]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("a node that fails makes no baseline") && !other.exists(), "{}", failed.stderr);
}

#[test]
fn progress_is_told_as_it_goes() {
    let node = Node::new("L4", 1);
    let plain = node.run(&[]).stderr;
    assert!(plain.contains("[1/14] identity on GPU 0\n") && plain.contains("[14/14] copies on GPU 0\n"), "{plain}");
    let lines = node.run(&["--progress", "json"]).stderr;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((kind("begin"), kind("end"), kind("done")), (14, 14, 1));
    assert_eq!(node.run(&["--progress", "none"]).stderr, "");
}

#[test]
fn a_report_is_judged_again_by_other_rules() {
    let top = tempfile::tempdir().unwrap();
    let file = top.path().join("report.json");
    let node = Node::new("L4", 1);
    let printed = node.run(&["--json", "--progress", "none"]);
    fs::write(&file, printed.stdout).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(node.run(&["judge", path]).code, 0);
    let other = node.run(&["judge", path, "--model", "H100"]);
    assert_eq!(other.code, 2);
    assert!(other.stdout.contains("it is no H100"), "{}", other.stdout);
    for text in [
        "",
        "{}",
        "[1]",
        "{\"report\": 1}",
        "{\"format\":9,\"program\":\"\",\"level\":\"quick\",\"driver\":null,\"gpus\":[]}",
    ] {
        fs::write(&file, text).unwrap();
        let refused = node.run(&["judge", path]);
        assert_eq!(refused.code, 1, "{text}");
        assert!(refused.stderr.contains("can't be read as a report"), "{}", refused.stderr);
    }
}

#[test]
fn a_table_for_people_and_a_drawing() {
    let top = tempfile::tempdir().unwrap();
    let file = top.path().join("gpus.svg");
    let node = Node::new("H100-SXM5-80GB", 2).scale(1, "fp8", 0.5).set(1, "counted.xids", json!([79]));
    let checked = node.run(&["--svg", file.to_str().unwrap(), "--progress", "none"]);
    assert_eq!(checked.code, 2);
    for line in ["GPU 1 · NVIDIA H100 HBM3", "FAIL: ", "the driver reported XID 79", "has not been run on hardware"] {
        assert!(checked.stdout.contains(line), "{}", checked.stdout);
    }
    assert!(!checked.stdout.contains('\u{1b}'), "colours where there is no terminal");
    let drawing = fs::read_to_string(&file).unwrap();
    let document = roxmltree::Document::parse(&drawing).unwrap();
    let columns = document
        .descendants()
        .filter(|node| node.is_element() && node.text().is_some_and(|text| text.starts_with("GPU ")));
    assert_eq!(columns.count(), 2);
}

/// The README's blocks with a report are what the program prints. `TRUEUP_WRITE_README` writes them.
#[test]
fn the_readme_shows_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/h100-sxm5-80gb.json");
    let real = Node::new("H100-SXM5-80GB", 1).run(&["judge", real]).stdout;
    let ill = Node::new("H100-SXM5-80GB", 2).scale(1, "fp8", 0.5).set(1, "counted.xids", json!([79]));
    let ill = ill.set(1, "ill.wrong", json!("product_bf16"));
    let printed = [real, ill.run(&["--progress", "none"]).stdout];
    let mut parts: Vec<&str> = readme.split("```\n").collect();
    let [real, ill] = [parts.len() - 4, parts.len() - 2];
    if std::env::var_os("TRUEUP_WRITE_README").is_some() {
        (parts[real], parts[ill]) = (&printed[0], &printed[1]);
        fs::write(path, parts.join("```\n")).unwrap();
    } else {
        let is_same = [parts[real], parts[ill]] == [&printed[0], &printed[1]];
        assert!(is_same, "the README shows other reports than are printed: TRUEUP_WRITE_README=1 writes them");
    }
}
