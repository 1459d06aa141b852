//! 200 buckets, beside boto3 with as many threads as it has use for.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::aws::{Aws, REGION};
use crate::python::python;
use crate::{median, timed, trueup};

const COUNT: usize = 200;
const TIMES: usize = 3;

/// What a drift run asks of 500 buckets: one list, and each of the things that make up a bucket once.
pub(crate) fn measure_drift() {
    const MANY: usize = 500;
    let Some(aws) = Aws::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let blueprint = format!(
        "blueprint: drift\nproviders: {{ aws: {{}} }}\nresources:\n  b:\n    kind: bucket\n    for_each: \"{{{{ range({MANY}) }}}}\"\n    name: \"drift-{{{{ each.key | string }}}}\"\n"
    );
    fs::write(place.path().join("blueprint.yaml"), blueprint).unwrap();
    let environment = aws.environment();
    timed(&mut trueup(place.path(), &environment, &["apply", "--yes"]));
    aws.proxy.take_operations();
    let (taken, _) = timed(&mut trueup(place.path(), &environment, &["drift"]));
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for call in aws.proxy.take_operations() {
        *calls.entry(call).or_default() += 1;
    }
    let aspects: Vec<&str> = calls.keys().filter_map(|call| call.strip_prefix("s3:Get")).collect();
    let asked: Vec<String> = calls.iter().map(|(call, count)| format!("{call} {count}")).collect();
    assert!(aspects.iter().all(|aspect| calls[&format!("s3:Get{aspect}")] == MANY), "{asked:?}");
    assert_eq!((calls["s3:ListBuckets"], calls["sts:GetCallerIdentity"]), (1, 1), "{asked:?}");
    assert_eq!(calls.len(), aspects.len() + 2, "{asked:?}");
    println!(
        "| `drift` of {MANY} buckets on moto, their versioning, encryption and so on by default | {:.1} s, {} calls: whose account it is, 1 list, and {} of each bucket ({}) |",
        taken.as_secs_f64(),
        calls.values().sum::<usize>(),
        aspects.len(),
        aspects.join(", ")
    );
}

pub(crate) fn measure() {
    let Some(python) = python("aws", include_str!("../../tests/support/aws/moto.txt")) else { return };
    let mut ratios = (Vec::new(), Vec::new());
    for time in 0..TIMES {
        let Some(aws) = Aws::start() else { return };
        let place = tempfile::tempdir().unwrap();
        let blueprint = format!(
            "blueprint: many\nproviders: {{ aws: {{}} }}\nresources:\n  b:\n    kind: bucket\n    for_each: \"{{{{ range({COUNT}) }}}}\"\n    name: \"many-{time}-{{{{ each.key | string }}}}\"\n"
        );
        fs::write(place.path().join("blueprint.yaml"), blueprint).unwrap();
        let environment = aws.environment();
        aws.proxy.take_operations();
        let (ours, _) = timed(&mut trueup(place.path(), &environment, &["apply", "--yes"]));
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in aws.proxy.take_operations() {
            *calls.entry(call).or_default() += 1;
        }
        let made = calls.get("s3:CreateBucket").copied();
        assert_eq!(made, Some(COUNT), "{calls:?}");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/aws/boto.py");
        let told = serde_json::json!({ "endpoint": aws.proxy.url, "region": REGION, "prefix": format!("other-{time}"), "calls": calls });
        let (_, said) = timed(Command::new(&python).arg(script).arg(told.to_string()));
        let theirs: f64 = String::from_utf8_lossy(&said.stdout).trim().parse().unwrap();
        let mut same: BTreeMap<String, usize> = BTreeMap::new();
        for call in aws.proxy.take_operations() {
            *same.entry(call).or_default() += 1;
        }
        assert_eq!(same, calls, "both make the same calls");
        ratios.0.push(ours);
        ratios.1.push(Duration::from_secs_f64(theirs));
    }
    let (ours, theirs) = (median(ratios.0), median(ratios.1));
    println!(
        "| `apply` of {COUNT} buckets on moto, beside boto3 with 32 threads doing the same calls | {:.2} s, boto3 {:.2} s: {:.2} times its time |",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}
