//! Replays what the fuzzer was given and what it found: none of it may panic, hang or fill the memory.

#![allow(clippy::unwrap_used, unreachable_pub)]

use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{target}");
    files
}

#[test]
fn every_blueprint_of_the_corpus_is_read_or_refused() {
    for path in corpus("blueprint") {
        targets::blueprint(&std::fs::read(path).unwrap());
    }
}

#[test]
fn every_expression_of_the_corpus_is_read_or_refused() {
    for path in corpus("expression") {
        targets::expression(&std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn every_plan_of_the_corpus_is_read_or_refused() {
    for path in corpus("plan") {
        targets::plan(&std::fs::read(path).unwrap());
    }
}

#[test]
fn every_journal_of_the_corpus_is_added_up_or_refused() {
    let read: usize = corpus("entry").into_iter().map(|path| targets::entry(&std::fs::read(path).unwrap())).sum();
    assert!(read >= 150, "{read} entries are read");
}

#[test]
fn every_export_of_the_corpus_is_read_or_refused() {
    let read = corpus("import").into_iter().filter(|path| targets::import(&std::fs::read(path).unwrap())).count();
    assert!(read >= 4, "{read} states are read");
}
