//! Drawings of pictures made by hand, and laws over any picture.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trueup_state::{Address, Key, KindName};

use super::picture::{Fate, Node, Picture, What};
use super::{dot, json, svg, text};

fn node(address: &str, kind: &str, fate: Fate) -> Node {
    let what = What::Resource { kind: KindName::from(kind), fate, instances: None };
    Node { address: address.parse().unwrap(), what }
}

fn picture(nodes: Vec<Node>, edges: &[(&str, &str)]) -> Picture {
    let mut nodes = nodes;
    nodes.sort();
    let place = |address: &str| {
        let (address, group) = address.strip_suffix('*').map_or((address, false), |address| (address, true));
        let is = |node: &Node| node.address.to_string() == address && (node.what == What::Group) == group;
        nodes.iter().position(is).unwrap()
    };
    let edges = edges.iter().map(|(from, to)| (place(from), place(to))).collect();
    Picture { title: "llm-serving · prod".to_owned(), planned: true, nodes, edges }
}

/// Modules in modules, a block that is read whole, instances alike and not alike, a cloud's own kind, every fate.
fn estate() -> Picture {
    let mut nodes = vec![
        node("weights", "bucket", Fate::Stays),
        node("tiny_llama", "artifact", Fate::Stays),
        node("images", "registry", Fate::Record),
        node("chat", "endpoint", Fate::Update),
        node("old", "endpoint", Fate::Delete),
        node("events", "AWS::SQS::Queue", Fate::Create),
        node("eval/results", "bucket", Fate::Stays),
        node("eval/judge", "endpoint", Fate::Replace),
        node("eval/scores/table", "artifact", Fate::Create),
    ];
    for (key, fate) in [("a", Fate::Create), ("b", Fate::Create), ("c", Fate::Replace)] {
        nodes.push(node(&format!("trainer[\"{key}\"]"), "gpu_instance", fate));
    }
    nodes.push(Node { address: Address::root("trainer"), what: What::Group });
    picture(
        nodes,
        &[
            ("weights", "tiny_llama"),
            ("tiny_llama", "trainer[\"a\"]"),
            ("tiny_llama", "trainer[\"b\"]"),
            ("tiny_llama", "trainer[\"c\"]"),
            ("trainer[\"a\"]", "trainer*"),
            ("trainer[\"b\"]", "trainer*"),
            ("trainer[\"c\"]", "trainer*"),
            ("trainer*", "chat"),
            ("tiny_llama", "chat"),
            ("images", "chat"),
            ("weights", "old"),
            ("weights", "eval/results"),
            ("chat", "eval/judge"),
            ("eval/results", "eval/judge"),
            ("eval/judge", "eval/scores/table"),
            ("eval/results", "eval/scores/table"),
            ("eval/scores/table", "events"),
        ],
    )
}

/// Keys that would break a format that does not expect them.
fn odd() -> Picture {
    let keys = ["\"><script>&amp;", "a\\", "line\nend", "🦙 模型", "\u{0}\u{7}\u{fffe}", "]]>{{ }}", ""];
    let keyed = |key: &&str| {
        let what = What::Resource { kind: "bucket".into(), fate: Fate::Create, instances: None };
        Node { address: Address::root("data").with_key(Key::String((*key).to_owned())), what }
    };
    let mut nodes: Vec<Node> = keys.iter().map(keyed).collect();
    nodes.sort();
    let edges = (1..nodes.len()).map(|at| (0, at)).collect();
    Picture { title: "odd \"<&>\" · default".to_owned(), planned: true, nodes, edges }
}

#[test]
fn a_tree_of_text() {
    insta::assert_snapshot!(anstream::adapter::strip_str(&text(&estate().folded())).to_string());
}

#[test]
fn a_tree_of_text_with_each_instance() {
    insta::assert_snapshot!(anstream::adapter::strip_str(&text(&estate())).to_string());
}

#[test]
fn graphviz() {
    insta::assert_snapshot!(dot(&estate()));
}

#[test]
fn a_drawing() {
    insta::assert_snapshot!(svg(&estate()));
}

#[test]
fn odd_keys() {
    insta::assert_snapshot!(format!("{}\n{}", anstream::adapter::strip_str(&text(&odd())), dot(&odd())));
    assert_eq!(drawn(&odd()).nodes.len(), odd().nodes.len());
    // No XML holds these at all.
    let bare = Picture { title: "a\u{1}b\u{fffe}".to_owned(), ..odd() };
    assert_eq!(drawn(&bare).nodes.len(), odd().nodes.len());
}

#[test]
fn machines_read_positions() {
    let json = json(&estate().folded());
    let nodes = json["nodes"].as_array().unwrap();
    let place = |address: &str| nodes.iter().position(|node| node["address"] == address).unwrap();
    let edge = serde_json::json!({ "from": place("weights"), "to": place("tiny_llama") });
    assert!(json["edges"].as_array().unwrap().contains(&edge));
    assert_eq!(nodes[place("eval/judge")]["action"], "replace");
    assert_eq!(nodes[place("eval/scores/table")]["module"], "eval/scores");
}

#[test]
fn instances_that_are_alike_are_one_node() {
    let folded = estate().folded();
    let labels: Vec<String> = folded.nodes.iter().map(Node::full_label).collect();
    assert!(labels.contains(&"trainer (2)".to_owned()), "{labels:?}");
    assert!(labels.contains(&"trainer[\"c\"]".to_owned()), "{labels:?}");
    assert_eq!(folded.nodes.iter().map(Node::count).sum::<usize>(), 12, "none is lost");
    assert!(folded.nodes.iter().any(|node| node.what == What::Group), "two nodes feed it");

    let mut level = estate();
    for node in &mut level.nodes {
        if let What::Resource { fate, .. } = &mut node.what {
            *fate = Fate::Stays;
        }
    }
    let folded = level.folded();
    assert!(folded.nodes.iter().all(|node| node.what != What::Group), "one node feeds it and stands for it");
    let place = |label: &str| folded.nodes.iter().position(|node| node.label() == label).unwrap();
    assert!(folded.edges.contains(&(place("trainer (3)"), place("chat"))));
}

#[test]
fn instances_in_a_row_are_not_alike() {
    let row = [0, 1, 2].map(|at| node(&format!("a[{at}]"), "bucket", Fate::Create));
    let folded = picture(row.into(), &[("a[0]", "a[1]"), ("a[1]", "a[2]")]).folded();
    assert_eq!(folded.nodes.len(), 3);
}

#[test]
fn modules_that_depend_on_each_other_are_drawn() {
    let nodes = ["a/one", "a/two", "b/one", "b/two", "top"].map(|address| node(address, "bucket", Fate::Stays));
    let edges = [("a/one", "b/one"), ("b/one", "a/two"), ("a/two", "top"), ("top", "b/two"), ("a/one", "a/two")];
    let drawn = drawn(&picture(nodes.into(), &edges));
    assert_eq!((drawn.nodes.len(), drawn.edges.len(), drawn.modules.len()), (5, 5, 2));
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let empty = Picture { title: "empty · default".to_owned(), ..Picture::default() };
    assert!(svg(&empty).contains("There are no resources."));
    assert!(text(&empty).contains("There are no resources."));
    roxmltree::Document::parse(&svg(&empty)).unwrap();
    assert_eq!(drawn(&picture(vec![node("a", "bucket", Fate::Stays)], &[])).nodes.len(), 1);
}

#[test]
fn long_chains_and_wide_fans_are_drawn() {
    let many: Vec<Node> = (0..600).map(|at| node(&format!("a[{at}]"), "bucket", Fate::Stays)).collect();
    let mut chain = picture(many.clone(), &[]);
    chain.edges = (1..600).map(|at| (at - 1, at)).collect();
    assert_eq!(drawn(&chain).nodes.len(), 600);
    // Each end reads the beginning too: more lanes than are worth it.
    chain.edges.extend((2..600).map(|at| (0, at)));
    chain.edges.extend((2..600).map(|at| (at / 2, at)));
    assert_eq!(drawn(&chain).nodes.len(), 600);
    let mut fan = picture(many, &[]);
    fan.edges = (1..600).map(|at| (0, at)).collect();
    assert_eq!(drawn(&fan).nodes.len(), 600);
    assert_eq!(text(&fan).lines().count(), 2 + 2 * 599 + 2);
}

/// What is written of a chain, and of many that read many, grows with the picture and no faster.
#[test]
fn text_grows_with_the_picture() {
    let nodes =
        |count: usize| -> Vec<Node> { (0..count).map(|at| node(&format!("a[{at}]"), "bucket", Fate::Stays)).collect() };
    let chain = |length: usize| {
        let mut chain = picture(nodes(length), &[]);
        chain.edges = (1..length).map(|at| (at - 1, at)).collect();
        let text = anstream::adapter::strip_str(&text(&chain)).to_string();
        assert_eq!(text.lines().count(), length + 4);
        text
    };
    let (small, large) = (chain(500), chain(5_000));
    assert!(large.len() < 12 * small.len(), "{} bytes of 500, {} of 5,000", small.len(), large.len());
    assert!(small.contains("⋮499 a[0]"), "{small}");
    assert!(small.contains("beyond a depth of 16, `⋮` says how deep."), "{small}");

    // Each of the second half reads the first half as a whole.
    let count = 1_000;
    let mut all = nodes(2 * count);
    all.push(Node { address: Address::root("a"), what: What::Group });
    let mut many = picture(all, &[]);
    let group = many.nodes.iter().position(|node| node.what == What::Group).unwrap();
    let others: Vec<usize> = (0..many.nodes.len()).filter(|at| *at != group).collect();
    many.edges.extend(others[..count].iter().map(|at| (*at, group)));
    many.edges.extend(others[count..].iter().map(|at| (group, *at)));
    let text = anstream::adapter::strip_str(&text(&many)).to_string();
    assert!(text.lines().count() < 4 * count, "{} lines of {} nodes", text.lines().count(), 2 * count);
    assert_eq!(text.matches("all of a").count(), count);
}

/// A drawing as a reader of XML sees it.
struct Drawn {
    /// What each node's box says when it is pointed at, with its place.
    nodes: Vec<(String, [f64; 4])>,
    modules: Vec<(String, [f64; 4])>,
    edges: Vec<String>,
}

fn drawn(picture: &Picture) -> Drawn {
    let text = svg(picture);
    let document = roxmltree::Document::parse(&text).unwrap();
    let mut drawn = Drawn { nodes: Vec::new(), modules: Vec::new(), edges: Vec::new() };
    for element in document.descendants() {
        let class = element.attribute("class").unwrap_or_default();
        let child = |name: &str| element.children().find(|child| child.has_tag_name(name));
        let title = || child("title").and_then(|title| title.text()).unwrap_or_default().to_owned();
        let rect = |name| {
            let number = |attribute| child("rect").unwrap().attribute::<&str>(attribute).unwrap().parse().unwrap();
            (name, ["x", "y", "width", "height"].map(number))
        };
        if class.starts_with("node ") {
            drawn.nodes.push(rect(title()));
        } else if class == "module" {
            drawn.modules.push(rect(title()));
        } else if class == "edge" {
            drawn.edges.push(element.attribute("d").unwrap().to_owned());
        }
    }
    drawn
}

fn apart(a: [f64; 4], b: [f64; 4]) -> bool {
    a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1]
}

fn within(inner: [f64; 4], outer: [f64; 4]) -> bool {
    inner[0] >= outer[0]
        && inner[1] >= outer[1]
        && inner[0] + inner[2] <= outer[0] + outer[2]
        && inner[1] + inner[3] <= outer[1] + outer[3]
}

/// Any graph without circles, with modules in modules and any keys.
fn any_picture() -> impl Strategy<Value = Picture> {
    let key = prop_oneof![
        3 => Just(None),
        1 => any::<i64>().prop_map(|number| Some(Key::Integer(number))),
        1 => any::<String>().prop_map(|text| Some(Key::String(text))),
    ];
    let fate = prop::sample::select(Fate::ALL.to_vec());
    let node = (0..6_usize, key, fate, 0..4_usize);
    let nodes = prop::collection::vec(node, 0..40);
    (nodes, prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..80)).prop_map(
        |(drafts, links)| {
            let mut nodes = BTreeMap::new();
            for (at, (module, key, fate, kind)) in drafts.into_iter().enumerate() {
                let name = format!("n{}", at % 9);
                let modules = ["", "a", "b", "a/c", "a/c/d", "m[\"x\"]"][module];
                let address: Address = match modules.parse::<Address>() {
                    Ok(module) => module.child(name),
                    Err(_) => Address::root(name),
                };
                let address = key.map_or(address.clone(), |key| address.with_key(key));
                let kind = ["bucket", "endpoint", "AWS::SQS::Queue", "gpu_instance"][kind].into();
                nodes.insert(address.clone(), Node { address, what: What::Resource { kind, fate, instances: None } });
            }
            let nodes: Vec<Node> = nodes.into_values().collect();
            let mut edges = BTreeSet::new();
            if !nodes.is_empty() {
                for (one, other) in links {
                    let (one, other) = (one.index(nodes.len()), other.index(nodes.len()));
                    // Against the order of addresses as well as with it, and still without circles.
                    let turned = |at: usize| at.wrapping_mul(7919) % 41;
                    if turned(one) < turned(other) {
                        edges.insert((one, other));
                    }
                }
            }
            Picture { title: "any · default".to_owned(), planned: true, nodes, edges }
        },
    )
}

proptest! {
    #[test]
    fn any_picture_is_drawn_whole_and_apart(picture in any_picture()) {
        let Drawn { nodes, modules, edges } = drawn(&picture);
        prop_assert_eq!(nodes.len(), picture.nodes.len());
        prop_assert_eq!(edges.len(), picture.edges.len());
        for (at, (name, one)) in nodes.iter().enumerate() {
            for (_, other) in &nodes[at + 1..] {
                prop_assert!(apart(*one, *other), "{} stands over another", name);
            }
            for (module, frame) in &modules {
                // Titles are cut for nobody: they hold the whole address.
                let inside = name.starts_with(&format!("{}/", module.trim_start_matches("module ")));
                let stands = if inside { within(*one, *frame) } else { apart(*one, *frame) };
                prop_assert!(stands, "{} and {}", name, module);
            }
        }
        prop_assert_eq!(svg(&picture), svg(&picture));
    }

    #[test]
    fn folding_loses_no_resource_and_makes_no_circle(picture in any_picture()) {
        let folded = picture.folded();
        let count = |picture: &Picture| picture.nodes.iter().map(Node::count).sum::<usize>();
        prop_assert_eq!(count(&picture), count(&folded));
        prop_assert_eq!(folded.order().len(), folded.nodes.len());
        prop_assert_eq!(drawn(&folded).nodes.len(), folded.nodes.len());
    }

    #[test]
    fn every_resource_has_a_line(picture in any_picture()) {
        let text = anstream::adapter::strip_str(&text(&picture)).to_string();
        for node in &picture.nodes {
            prop_assert!(text.contains(&node.label()), "{} is not in\n{}", node.label(), text);
        }
        prop_assert_eq!(dot(&picture).matches(" -> ").count(), picture.edges.len());
    }
}
