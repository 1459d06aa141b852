//! The graph for machines.

use serde_json::{Value as Json, json as json_of};

use super::picture::{Node, Picture, What};

/// `{stack, planned, nodes: [{address, kind, module, action, instances}], edges: [{from, to}]}`: edges run from dependency to
/// dependant, as positions among the nodes. A group has no kind and no action; nothing has one that was not planned.
pub(crate) fn json(picture: &Picture) -> Json {
    let nodes: Vec<Json> = picture.nodes.iter().map(|node| node_json(node, picture.planned)).collect();
    let edges: Vec<Json> = picture.edges.iter().map(|(from, to)| json_of!({ "from": from, "to": to })).collect();
    json_of!({ "stack": picture.title, "planned": picture.planned, "nodes": nodes, "edges": edges })
}

fn node_json(node: &Node, planned: bool) -> Json {
    let group = node.what == What::Group;
    json_of!({
        "address": node.address,
        "kind": node.kind(),
        "module": node.address.parent(),
        "action": (planned && !group).then(|| node.fate().word()),
        "instances": match &node.what {
            What::Resource { instances, .. } => *instances,
            What::Group => None,
        },
    })
}
