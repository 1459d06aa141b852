//! Saved plans of the fuzzer's corpus, as they are and changed at random, drawn in every way: nothing that is read as a plan may stop
//! its drawing.

use std::path::Path;

use serde_json::Value as Json;
use trueup_engine::plan::{Plan, saved};
use trueup_state::codec::NoKey;

use super::markdown::{self, Looked};
use super::plan::Shown;
use super::{plan, terraform};
use crate::arguments::View;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/plan");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn draw(plan: &Plan) {
    for view in [View::Brief, View::Normal, View::Full] {
        let shown = Shown { plan, program: None, location: "plan.trueup", serial: plan.serial, view };
        assert!(!plan::text(&shown).is_empty() && !plan::drift(&shown).is_empty());
    }
    assert!(serde_json::to_value(terraform::plan(plan, None)).unwrap().is_object());
    let looked = Looked {
        stack: plan.stack.to_string(),
        file: plan.stack.file.clone(),
        environment: None,
        home: None,
        found: Ok(plan),
    };
    assert!(!markdown::one(&looked).is_empty());
}

/// The same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most.max(1)
    }
}

/// What stands in a JSON value, itself included.
fn count(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(count).sum(),
        Json::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The part of a JSON value that is so many parts from its start.
fn part<'a>(json: &'a mut Json, left: &mut usize) -> Option<&'a mut Json> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    match json {
        Json::Array(items) => items.iter_mut().find_map(|item| part(item, left)),
        Json::Object(fields) => fields.values_mut().find_map(|field| part(field, left)),
        _ => None,
    }
}

/// Puts a part of the value in the place of another, or something else there, or takes it out.
fn mutate(json: &mut Json, chance: &mut Chance) {
    let size = count(json);
    let donor = part(json, &mut chance.below(size)).cloned().unwrap_or_default();
    let Some(place) = part(json, &mut chance.below(size)) else { return };
    *place = match (chance.below(8), &mut *place) {
        (0, Json::Array(items)) if !items.is_empty() => {
            items.remove(chance.below(items.len()));
            return;
        }
        (1, Json::Array(items)) if !items.is_empty() => {
            let again = items[chance.below(items.len())].clone();
            return items.push(again);
        }
        (2, Json::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(chance.below(fields.len())).cloned().unwrap_or_default();
            fields.shift_remove(&name);
            return;
        }
        (3, _) => Json::Null,
        (4, Json::Number(_)) => chance.below(4).into(),
        (4, Json::String(_)) => ["", "a[0]", "ä\u{7}\n", "one", "create"][chance.below(5)].into(),
        (5, Json::String(text)) => text.chars().rev().collect::<String>().into(),
        (6, Json::Bool(truth)) => (!*truth).into(),
        _ => donor,
    };
}

/// Draws the plans of the corpus, each changed so often, up to three changes at once; how many of the changed ones were plans.
fn draw_changed(times: usize) -> usize {
    let mut drawn = 0;
    for (name, bytes) in corpus() {
        let Ok(whole) = serde_json::from_slice::<Json>(&bytes) else { continue };
        for seed in 0..times {
            let (mut json, mut chance) = (whole.clone(), Chance(seed as u64 + 1));
            (0..=seed % 3).for_each(|_| mutate(&mut json, &mut chance));
            let Ok(plan) = saved::read(&serde_json::to_vec(&json).unwrap(), &NoKey) else { continue };
            drawn += 1;
            let drawing = std::panic::catch_unwind(|| draw(&plan));
            assert!(drawing.is_ok(), "{name} with seed {seed}: {json}");
        }
    }
    drawn
}

#[test]
fn every_plan_of_the_corpus_is_drawn() {
    let plans: Vec<Plan> = corpus().iter().filter_map(|(_, bytes)| saved::read(bytes, &NoKey).ok()).collect();
    assert!(plans.len() >= 20, "{}", plans.len());
    plans.iter().for_each(draw);
}

#[test]
fn a_plan_that_was_changed_at_random_is_drawn_or_refused() {
    assert!(draw_changed(60) > 200);
}

#[test]
#[ignore = "it takes minutes"]
fn many_plans_that_were_changed_at_random_are_drawn_or_refused() {
    assert!(draw_changed(20_000) > 100_000);
}
