//! The graph in Graphviz's language: `trueup graph --format dot | dot -Tpng`.

use std::collections::BTreeMap;

use trueup_state::Address;

use super::paint::{self, Paint};
use super::picture::{Fate, Node, Picture, What, own_name};
use crate::draw::safe;

/// The whole graph, a cluster a module.
pub(crate) fn dot(picture: &Picture) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&picture.title));
    text.push_str("  rankdir=LR;\n  bgcolor=white;\n");
    text.push_str("  node [style=filled, fontname=\"Helvetica\", fontsize=11];\n");
    text.push_str("  edge [color=\"#6e7781\", arrowsize=0.7];\n");
    text.push_str("  graph [fontname=\"Helvetica\", fontsize=11, color=\"#8c959f\", style=rounded];\n");
    let mut open: Vec<Address> = Vec::new();
    for (path, nodes) in by_module(picture) {
        while open.last().is_some_and(|last| !path.contains(last)) {
            open.pop();
            text.push_str(&format!("{}}}\n", indent(open.len())));
        }
        for module in &path[open.len()..] {
            let at = indent(open.len());
            text.push_str(&format!("{at}subgraph {} {{\n", quoted(&format!("cluster_{module}"))));
            text.push_str(&format!("{at}  label={};\n", quoted(&own_name(module))));
            open.push(module.clone());
        }
        for (at, node) in nodes {
            text.push_str(&format!("{}n{at} [{}];\n", indent(open.len()), attributes(node, picture.planned)));
        }
    }
    for left in (0..open.len()).rev() {
        text.push_str(&format!("{}}}\n", indent(left)));
    }
    for (from, to) in &picture.edges {
        text.push_str(&format!("  n{from} -> n{to};\n"));
    }
    text.push_str("}\n");
    text
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth + 1)
}

/// The nodes of each module, by the modules it stands in, outermost first.
fn by_module(picture: &Picture) -> BTreeMap<Vec<Address>, Vec<(usize, &Node)>> {
    let mut modules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (at, node) in picture.nodes.iter().enumerate() {
        let mut path: Vec<Address> = std::iter::successors(node.address.parent(), Address::parent).collect();
        path.reverse();
        modules.entry(path).or_default().push((at, node));
    }
    modules
}

/// The attributes of a node: its shape says the kind, its colours say what becomes of it.
fn attributes(node: &Node, planned: bool) -> String {
    let What::Resource { kind, fate, .. } = &node.what else {
        let tip = quoted(&format!("all of {}", node.address));
        return format!("shape=point, width=0.08, color=\"#6e7781\", tooltip={tip}");
    };
    let sign = if planned && *fate != Fate::Stays { format!("{} ", fate.sign()) } else { String::new() };
    let label = format!("{}\\n{}", escaped(&format!("{sign}{}", node.label())), escaped(kind.as_str()));
    let (shape, tip) = (shape(kind.as_str()), quoted(&node.full_label()));
    let Paint { line, fill, text } = paint::light(*fate);
    format!(
        "label=\"{label}\", shape={shape}, color=\"{line}\", fillcolor=\"{fill}\", fontcolor=\"{text}\", tooltip={tip}"
    )
}

/// The shape of a kind.
fn shape(kind: &str) -> &'static str {
    match kind {
        "artifact" => "note",
        "bucket" => "cylinder",
        "endpoint" => "cds",
        "gpu_instance" => "box3d",
        "image" => "component",
        "registry" => "folder",
        _ => "box",
    }
}

/// A text between quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text as it stands between quotes: DOT reads `\n`, `\l`, `\N`, … in labels, so a backslash is doubled.
fn escaped(text: &str) -> String {
    safe::line(text).replace('\\', "\\\\").replace('"', "\\\"")
}
