//! The colours of drawings: by what becomes of a node, and by kind.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::KindName;

use super::picture::{Fate, Node, Picture};

/// A line's, a surface's and a text's colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    /// Of the border.
    pub(super) line: &'static str,
    /// Of the surface.
    pub(super) fill: &'static str,
    /// Of the text on it.
    pub(super) text: &'static str,
}

/// The colours of a fate on a light page.
pub(super) fn light(fate: Fate) -> Paint {
    let (line, fill) = match fate {
        Fate::Stays => ("#8c959f", "#f6f8fa"),
        Fate::Create => ("#1a7f37", "#dafbe1"),
        Fate::Update => ("#9a6700", "#fff3c4"),
        Fate::Replace => ("#8250df", "#f3e8ff"),
        Fate::Delete => ("#cf222e", "#ffe1de"),
        Fate::Record => ("#0969da", "#ddf4ff"),
    };
    Paint { line, fill, text: "#1f2328" }
}

/// The colours of a fate on a dark page.
pub(super) fn dark(fate: Fate) -> Paint {
    let (line, fill) = match fate {
        Fate::Stays => ("#6e7681", "#21262d"),
        Fate::Create => ("#3fb950", "#12361d"),
        Fate::Update => ("#d29922", "#3d2f00"),
        Fate::Replace => ("#a371f7", "#33205c"),
        Fate::Delete => ("#f85149", "#4f1a1a"),
        Fate::Record => ("#58a6ff", "#0f2d4f"),
    };
    Paint { line, fill, text: "#f0f6fc" }
}

/// The colours that kinds take in the order of their names: mid tones, which show on light and dark, and none that means a change.
const KINDS: [&str; 10] =
    ["#4c78a8", "#e8833a", "#2a9d8f", "#d277a5", "#9c755f", "#8f6cc2", "#a3a948", "#3aa7c9", "#c9a27a", "#6b8e9f"];

/// The colours of the kinds of a picture; beyond ten, colours come again.
pub(super) fn kinds(picture: &Picture) -> BTreeMap<&KindName, &'static str> {
    let kinds: BTreeSet<_> = picture.nodes.iter().filter_map(Node::kind).collect();
    kinds.into_iter().zip(KINDS.into_iter().cycle()).collect()
}
