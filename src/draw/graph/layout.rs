//! Where everything of a drawing stands: modules are frames around what is in them, laid out from the inside out.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::visit::EdgeRef;
use trueup_state::Address;

use super::layers::{self, Laid, Lane, Piece, Point, Size};
use super::picture::{Picture, graph_of};

/// The room between a frame and what is in it; above, the frame's name stands in it.
const INSIDE: f64 = 18.0;
const HEADROOM: f64 = 34.0;

/// The room between pieces that nothing connects.
const APART: f64 = 28.0;

/// How much wider than high a drawing of many pieces is to be.
const ASPECT: f64 = 1.6;

/// A box's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) corner: Point,
    pub(super) size: Size,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// How much room it takes.
    pub(super) size: Size,
    /// The boxes of the nodes.
    pub(super) nodes: Vec<Rect>,
    /// The frames of the modules, outer ones first.
    pub(super) frames: Vec<(Address, Rect)>,
    /// The way of each edge: the lanes that it takes from box to box.
    pub(super) ways: Vec<((usize, usize), Vec<Lane>)>,
}

/// Lays a picture out, given the sizes of its nodes.
pub(super) fn lay(picture: &Picture, sizes: &[Size]) -> Layout {
    let mut frames = Frames::new(picture);
    frames.distribute(picture);
    for at in frames.inner_first() {
        frames.lay(at, sizes);
    }
    frames.compose(picture, sizes)
}

/// What stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Node(usize),
    Frame(usize),
}

/// A module, or the whole drawing.
#[derive(Debug, Default)]
struct Frame {
    address: Option<Address>,
    parent: Option<usize>,
    depth: usize,
    items: BTreeSet<Item>,
    /// From dependency to dependant. Two modules may depend on each other through different resources.
    edges: BTreeSet<(Item, Item)>,
    entered: BTreeSet<Item>,
    left: BTreeSet<Item>,
    size: Size,
    /// The upper left corner of each item, from the frame's own.
    corners: BTreeMap<Item, Point>,
    ways_in: BTreeMap<Item, Vec<Lane>>,
    ways_out: BTreeMap<Item, Vec<Lane>>,
    columns: BTreeMap<Item, usize>,
    /// Where each item comes in an order in which dependencies come first.
    order: BTreeMap<Item, usize>,
    /// The edges that run from right to left: they go straight.
    backward: BTreeSet<(Item, Item)>,
}

struct Frames {
    frames: Vec<Frame>,
    /// The frame that each node stands in.
    homes: Vec<usize>,
}

impl Frames {
    fn new(picture: &Picture) -> Self {
        let mut frames = Self { frames: vec![Frame::default()], homes: Vec::new() };
        let mut known: BTreeMap<Address, usize> = BTreeMap::new();
        for (at, node) in picture.nodes.iter().enumerate() {
            let mut modules: Vec<Address> = std::iter::successors(node.address.parent(), Address::parent).collect();
            modules.reverse();
            let mut home = 0;
            for module in modules {
                home = *known.entry(module.clone()).or_insert_with(|| frames.add(module, home));
            }
            frames.frames[home].items.insert(Item::Node(at));
            frames.homes.push(home);
        }
        frames
    }

    fn add(&mut self, module: Address, parent: usize) -> usize {
        let at = self.frames.len();
        let depth = self.frames[parent].depth + 1;
        self.frames[parent].items.insert(Item::Frame(at));
        self.frames.push(Frame { address: Some(module), parent: Some(parent), depth, ..Frame::default() });
        at
    }

    fn inner_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.frames.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.frames[*at].depth));
        order
    }

    /// The frames around a node with what of each it stands in: the innermost first.
    fn around(&self, node: usize) -> Vec<(usize, Item)> {
        let mut around = vec![(self.homes[node], Item::Node(node))];
        while let Some((frame, _)) = around.last()
            && let Some(parent) = self.frames[*frame].parent
        {
            around.push((parent, Item::Frame(*frame)));
        }
        around
    }

    /// The way of an edge through the frames: what it leaves, the frame where its ends meet, what it enters.
    fn crossing(&self, from: usize, to: usize) -> Crossing {
        let (mut out, mut into) = (self.around(from), self.around(to));
        let mut meeting = None;
        while let (Some(left), Some(right)) = (out.last(), into.last())
            && left.0 == right.0
        {
            meeting = Some((left.0, left.1, right.1));
            out.pop();
            into.pop();
        }
        let (frame, left, right) = meeting.unwrap_or((0, Item::Node(from), Item::Node(to)));
        Crossing { out, frame, left, right, into }
    }

    /// Tells each frame which edges it has, and where edges come in and go out.
    fn distribute(&mut self, picture: &Picture) {
        let crossings: Vec<Crossing> = picture.edges.iter().map(|(from, to)| self.crossing(*from, *to)).collect();
        for crossing in &crossings {
            self.frames[crossing.frame].edges.insert((crossing.left, crossing.right));
        }
        self.frames.iter_mut().for_each(Frame::arrange);
        for crossing in crossings {
            if self.frames[crossing.frame].backward.contains(&(crossing.left, crossing.right)) {
                continue;
            }
            for (frame, item) in crossing.out {
                self.frames[frame].left.insert(item);
            }
            for (frame, item) in crossing.into {
                self.frames[frame].entered.insert(item);
            }
        }
    }

    fn size(&self, item: Item, sizes: &[Size]) -> Size {
        match item {
            Item::Node(node) => sizes[node],
            Item::Frame(frame) => self.frames[frame].size,
        }
    }

    /// Lays one frame out, once the frames in it are.
    fn lay(&mut self, at: usize, sizes: &[Size]) {
        let pieces = self.pieces(at);
        let mut laid: Vec<(Vec<Item>, Laid)> = Vec::new();
        for items in pieces {
            let piece = self.piece(at, &items, sizes);
            laid.push((items, layers::lay(&piece)));
        }
        let is_module = self.frames[at].address.is_some();
        let corners = if is_module { stacked(&laid) } else { shelved(&laid) };
        let origin = if is_module { Point { x: INSIDE, y: HEADROOM } } else { Point::default() };
        let frame = &mut self.frames[at];
        let mut room = Size::default();
        for ((items, laid), corner) in laid.into_iter().zip(corners) {
            let shift = Point { x: corner.x + origin.x, y: corner.y + origin.y };
            room.width = room.width.max(corner.x + laid.size.width);
            room.height = room.height.max(corner.y + laid.size.height);
            frame.keep(&items, laid, shift);
        }
        frame.size = room;
        if is_module {
            let name = frame.address.as_ref().map_or(0.0, super::svg::frame_name_width);
            frame.size.width = (room.width + 2.0 * INSIDE).max(name + 2.0 * INSIDE);
            frame.size.height = room.height + HEADROOM + INSIDE;
        }
    }

    /// The items of a frame that edges connect, each piece in an order in which every edge leads on.
    fn pieces(&self, at: usize) -> Vec<Vec<Item>> {
        let frame = &self.frames[at];
        let mut near: BTreeMap<Item, Vec<Item>> = BTreeMap::new();
        for (left, right) in &frame.edges {
            near.entry(*left).or_default().push(*right);
            near.entry(*right).or_default().push(*left);
        }
        let mut seen = BTreeSet::new();
        let mut pieces = Vec::new();
        for item in &frame.items {
            let mut piece = Vec::new();
            let mut open = vec![*item];
            while let Some(item) = open.pop() {
                if seen.insert(item) {
                    piece.push(item);
                    open.extend(near.get(&item).into_iter().flatten());
                }
            }
            piece.sort_by_key(|item| (frame.order[item], *item));
            pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
        }
        pieces
    }

    fn piece(&self, at: usize, items: &[Item], sizes: &[Size]) -> Piece {
        let frame = &self.frames[at];
        let place: BTreeMap<Item, usize> = items.iter().enumerate().map(|(at, item)| (*item, at)).collect();
        let edges = frame.edges.iter().filter_map(|(left, right)| Some((*place.get(left)?, *place.get(right)?)));
        Piece {
            boxes: items.iter().map(|item| self.size(*item, sizes)).collect(),
            edges: edges.collect(),
            entered: frame.entered.iter().filter_map(|item| place.get(item).copied()).collect(),
            left: frame.left.iter().filter_map(|item| place.get(item).copied()).collect(),
        }
    }

    fn compose(&self, picture: &Picture, sizes: &[Size]) -> Layout {
        let mut corners = vec![Point::default(); self.frames.len()];
        let mut outer_first = self.inner_first();
        outer_first.reverse();
        for at in &outer_first {
            if let Some(parent) = self.frames[*at].parent {
                corners[*at] = moved(self.frames[parent].corners[&Item::Frame(*at)], corners[parent]);
            }
        }
        let rect = |node: usize| {
            let home = self.homes[node];
            Rect { corner: moved(self.frames[home].corners[&Item::Node(node)], corners[home]), size: sizes[node] }
        };
        let frame = |at: &usize| {
            let frame = &self.frames[*at];
            frame.address.clone().map(|address| (address, Rect { corner: corners[*at], size: frame.size }))
        };
        Layout {
            size: self.frames[0].size,
            nodes: (0..picture.nodes.len()).map(rect).collect(),
            frames: outer_first.iter().filter_map(frame).collect(),
            ways: picture.edges.iter().map(|edge| (*edge, self.way(*edge, &corners))).collect(),
        }
    }

    /// The lanes of an edge, from left to right.
    fn way(&self, (from, to): (usize, usize), corners: &[Point]) -> Vec<Lane> {
        let Crossing { out, frame, left, right, into } = self.crossing(from, to);
        if self.frames[frame].backward.contains(&(left, right)) {
            return Vec::new();
        }
        let mut way: Vec<Lane> = Vec::new();
        let leave = |way: &mut Vec<Lane>, frame: usize, item: Item, steps: usize| {
            let lanes = self.frames[frame].ways_out[&item].iter().take(steps);
            let mut lanes: Vec<Lane> = lanes.map(|lane| shifted(*lane, corners[frame])).collect();
            if let (Some(first), Some(last)) = (lanes.first_mut(), way.last()) {
                // It came out of a module at a height of its own, not at the module's middle.
                first.y = last.y;
            }
            way.append(&mut lanes);
        };
        for (inner, item) in out {
            leave(&mut way, inner, item, usize::MAX);
            let border = corners[inner].x + self.frames[inner].size.width;
            way.extend(way.last().map(|last| Lane { left: last.right, right: border, y: last.y }));
        }
        let columns = &self.frames[frame].columns;
        leave(&mut way, frame, left, columns[&right] - columns[&left]);
        for (inner, item) in into.into_iter().rev() {
            let lanes = self.frames[inner].ways_in.get(&item).into_iter().flatten();
            let mut lanes: Vec<Lane> = lanes.map(|lane| shifted(*lane, corners[inner])).collect();
            if let Some(first) = lanes.first_mut() {
                first.left = corners[inner].x;
            }
            way.extend(lanes);
        }
        way
    }
}

struct Crossing {
    out: Vec<(usize, Item)>,
    frame: usize,
    left: Item,
    right: Item,
    into: Vec<(usize, Item)>,
}

impl Frame {
    /// Puts its items in an order in which dependencies come first. Where modules depend on each other that can't be: the few edges
    /// that stand against the order are turned around.
    fn arrange(&mut self) {
        let items: Vec<Item> = self.items.iter().copied().collect();
        let place: BTreeMap<Item, usize> = items.iter().enumerate().map(|(at, item)| (*item, at)).collect();
        let edges = self.edges.iter().map(|(left, right)| (place[left], place[right])).collect();
        let mut graph = graph_of(items.len(), &edges);
        let closing: BTreeSet<_> = petgraph::algo::greedy_feedback_arc_set(&graph).map(|edge| edge.id()).collect();
        graph.retain_edges(|_, edge| !closing.contains(&edge));
        let order = petgraph::algo::toposort(&graph, None).unwrap_or_default();
        self.order = order.into_iter().enumerate().map(|(at, node)| (items[node.index()], at)).collect();
        let against = |(left, right): &&(Item, Item)| self.order[left] > self.order[right];
        self.backward = self.edges.iter().filter(against).copied().collect();
        for (left, right) in &self.backward {
            self.edges.remove(&(*left, *right));
            self.edges.insert((*right, *left));
        }
    }

    /// Keeps where a piece stands.
    fn keep(&mut self, items: &[Item], laid: Laid, shift: Point) {
        let lanes = |lanes: Vec<Lane>| lanes.into_iter().map(|lane| shifted(lane, shift)).collect();
        for (at, item) in items.iter().enumerate() {
            self.corners.insert(*item, moved(laid.corners[at], shift));
            self.columns.insert(*item, laid.columns[at]);
        }
        self.ways_in.extend(laid.ways_in.into_iter().map(|(at, way)| (items[at], lanes(way))));
        self.ways_out.extend(laid.ways_out.into_iter().map(|(at, way)| (items[at], lanes(way))));
    }
}

fn moved(point: Point, by: Point) -> Point {
    Point { x: point.x + by.x, y: point.y + by.y }
}

fn shifted(lane: Lane, by: Point) -> Lane {
    Lane { left: lane.left + by.x, right: lane.right + by.x, y: lane.y + by.y }
}

/// Pieces one below the other: their edges can reach the frame to the left and the right.
fn stacked(pieces: &[(Vec<Item>, Laid)]) -> Vec<Point> {
    let mut y = 0.0;
    let place = |(_, laid): &(Vec<Item>, Laid)| {
        let corner = Point { x: 0.0, y };
        y += laid.size.height + APART / 2.0;
        corner
    };
    pieces.iter().map(place).collect()
}

/// Pieces on shelves, the highest first, and lower ones on top of each other where a shelf is high enough, so that the whole is a
/// little wider than high.
fn shelved(pieces: &[(Vec<Item>, Laid)]) -> Vec<Point> {
    let size = |at: usize| Size { width: pieces[at].1.size.width + APART, height: pieces[at].1.size.height + APART };
    let area: f64 = (0..pieces.len()).map(|at| size(at).width * size(at).height).sum();
    let widest = (0..pieces.len()).map(|at| size(at).width).fold(0.0, f64::max);
    let width = (area * ASPECT).sqrt().max(widest);
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by(|a, b| size(*b).height.total_cmp(&size(*a).height).then(a.cmp(b)));
    let mut corners = vec![Point::default(); pieces.len()];
    // A column of the shelf that is being filled: its corner, its width, and how high it is filled.
    let (mut column, mut wide, mut filled) = (Point::default(), 0.0_f64, 0.0);
    let (mut top, mut shelf) = (0.0, 0.0);
    for at in order {
        let size = size(at);
        if filled + size.height > shelf || size.width > wide {
            column = Point { x: column.x + wide, y: top };
            (wide, filled) = (0.0, 0.0);
        }
        if column.x + size.width > width + 0.5 {
            top += shelf;
            shelf = 0.0;
            column = Point { x: 0.0, y: top };
        }
        corners[at] = Point { x: column.x, y: column.y + filled };
        (wide, filled, shelf) = (wide.max(size.width), filled + size.height, shelf.max(size.height));
    }
    corners
}
