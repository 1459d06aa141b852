//! Writes the corpora of saved plans, journals and exported states anew, from runs of the program: `cargo test -p trueup --test e2e
//! corpora -- --ignored`. What was damaged by hand, or found by the fuzzer, has another name and stays.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::codec::{NoKey, seal};
use trueup_state::holder::ThisHost;
use trueup_state::vault::Vault;
use trueup_state::{SqliteStore, Stack, Store};

use crate::support::Place;

/// A stack, and what is edited in it.
struct Life {
    name: &'static str,
    resources: &'static str,
    edit: (&'static str, &'static str),
}

const LIVES: [Life; 7] = [
    Life {
        name: "buckets",
        resources: "  one: { kind: bucket, tags: { team: a }, protect: true }\n  two: { kind: bucket }\n",
        edit: ("team: a", "team: b"),
    },
    Life {
        name: "replaced",
        resources: "  one: { kind: bucket, name: the-first }\n  two: { kind: 'Sim::Thing', properties: { text: '{{ one.uri }}' } }\n",
        edit: ("the-first", "the-other"),
    },
    Life {
        name: "secrets",
        resources: "  one: { kind: 'Sim::Thing', properties: { secret: '{{ var.token }}', text: a, labels: { $sealed: '1' } } }\n",
        edit: ("text: a", "text: 'b {{ var.token }}'"),
    },
    Life {
        name: "instances",
        resources: "  one: { kind: bucket, for_each: [a, 'b\"/]'] }\n  two: { kind: bucket, for_each: [1, 2], depends_on: [one] }\n",
        edit: ("[1, 2]", "[2, 3]"),
    },
    Life {
        name: "composed",
        resources: "  chat: { kind: endpoint, image: registry/chat, env: { T: '{{ var.token }}' } }\n",
        edit: ("registry/chat", "registry/chat:2"),
    },
    Life {
        name: "placed",
        resources: "  box: { kind: gpu_instance, gpu: { model: L4, count: 1 }, placement: [{ provider: sim, market: spot }, { provider: sim }] }\n",
        edit: ("count: 1", "count: 4"),
    },
    Life {
        name: "phases",
        resources: "  one: { kind: bucket }\n  two: { kind: bucket, for_each: '{{ [one.name] }}', ignore: [tags] }\n",
        edit: ("ignore: [tags]", "ignore: [], protect: false"),
    },
];

fn corpus(target: &str, name: &str, bytes: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
}

fn place(life: &Life) -> Place {
    let head = "blueprint: demo\nproviders: { sim: {} }\nvariables: { token: { type: string, secret: true, default: hunter2 } }";
    Place::with(&format!("{head}\nresources:\n{}outputs: {{ token: '{{{{ var.token }}}}' }}\n", life.resources))
}

/// The journal as it is kept, line by line.
fn journal(place: &Place) -> Vec<u8> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let vault = Arc::new(Vault::existing(place.path("no-key")));
    let store = SqliteStore::new(place.path(".trueup/state.db"), vault, clock, entropy, Arc::new(ThisHost));
    let stack = Stack { blueprint: "demo".into(), environment: "default".into(), file: "blueprint.yaml".into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entries = runtime.block_on(store.history(&stack, 0)).unwrap();
    let line = |entry: trueup_state::Entry| {
        let sealed = entry.try_map(&mut |value| seal(&value, &NoKey)).unwrap();
        serde_json::to_string(&sealed).unwrap() + "\n"
    };
    entries.into_iter().map(line).collect::<String>().into_bytes()
}

#[test]
#[ignore = "it writes the corpora anew"]
fn write() {
    for life in &LIVES {
        let (place, name) = (place(life), life.name);
        let plan = |what: &str, arguments: &[&str]| {
            place.run(&[&["plan", "--out", "plan.trueup"], arguments].concat());
            corpus("plan", &format!("{name}_{what}.json"), &fs::read(place.path("plan.trueup")).unwrap());
        };
        let export = |what: &str| {
            let exported = place.run(&["state", "export"]).exits(0).out;
            corpus("import", &format!("{name}_{what}.json"), exported.as_bytes());
            corpus("entry", &format!("{name}_{what}.jsonl"), &journal(&place));
        };
        plan("made", &[]);
        place.run(&["apply", "--yes=all"]).exits(0);
        export("made");
        let objects = place.run(&["sim", "objects", "--json"]).json_lines();
        place.run(&["sim", "break", objects[0]["id"].as_str().unwrap(), "tags.by=nobody"]).exits(0);
        place.edit(life.edit.0, life.edit.1);
        plan("edited", &["--view", "brief"]);
        place.run(&["apply", "--yes=all"]);
        export("edited");
        plan("gone", &["--destroy"]);
        if life.resources.contains("protect: true") {
            place.edit("protect: true", "protect: false");
            place.run(&["apply", "--yes"]).exits(0);
        }
        place.run(&["destroy", "--yes"]).exits(0);
        corpus("entry", &format!("{name}_gone.jsonl"), &journal(&place));
    }
}
