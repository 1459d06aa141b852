//! Boxes in columns, dependencies left of dependants: one connected piece of a drawing.
//!
//! `rust-sugiyama` says in which order boxes stand in their column and how high; what it knows nothing of is done here: which column,
//! and the lanes on which an edge passes the columns between its ends. A lane is a thin box of its own, so nothing is drawn over it.

use std::collections::{BTreeMap, BTreeSet};

use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};

/// The least distance between two lanes of a column, and what boxes keep free above and below beside that.
const APART: f64 = 5.0;
const FREE: f64 = 5.0;

/// The height of a lane.
const LANE: f64 = 2.0;

/// The least width between two columns, and what each edge between them adds, up to a bound.
const GAP: (f64, f64, f64) = (44.0, 1.2, 240.0);

/// With more boxes and lanes than this, neighbours are not swapped any more to save crossings: it takes longer than it is worth.
const MOST_SWAPPED: usize = 400;

/// With more lanes than this, edges go straight.
const MOST_LANES: usize = 12_000;

/// A size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where an edge passes a column, from its left to its right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lane {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) y: f64,
}

/// A piece to be laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// The boxes. Every edge leads from an earlier to a later one.
    pub(super) boxes: Vec<Size>,
    /// The edges between boxes.
    pub(super) edges: BTreeSet<(usize, usize)>,
    /// The boxes that an edge reaches from the left of all columns.
    pub(super) entered: BTreeSet<usize>,
    /// The boxes that an edge leaves to the right of all columns.
    pub(super) left: BTreeSet<usize>,
}

/// A piece laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Laid {
    /// How much room it takes.
    pub(super) size: Size,
    /// The upper left corner of each box.
    pub(super) corners: Vec<Point>,
    /// The lanes from the left edge to each box that is entered.
    pub(super) ways_in: BTreeMap<usize, Vec<Lane>>,
    /// The lanes on from each box, beginning in its own column. One edge takes as many as it needs.
    pub(super) ways_out: BTreeMap<usize, Vec<Lane>>,
    /// The column of each box.
    pub(super) columns: Vec<usize>,
}

/// Lays a piece out.
pub(super) fn lay(piece: &Piece) -> Laid {
    let ranks = ranks(piece);
    let mut lanes = Lanes::new(piece, ranks);
    if lanes.count() > MOST_LANES {
        lanes = Lanes::straight(piece);
    }
    let places = lanes.places(piece);
    let columns = columns(piece, &lanes);
    let middles = middles(&lanes, &places);
    assemble(piece, &lanes, &columns, &middles)
}

/// The column of each box: one right of the last it depends on; what depends on nothing stands just left of what needs it first.
fn ranks(piece: &Piece) -> Vec<usize> {
    let mut ranks = vec![0; piece.boxes.len()];
    for (from, to) in &piece.edges {
        // In the order of their starts, and every edge leads on: the start is settled.
        ranks[*to] = ranks[*to].max(ranks[*from] + 1);
    }
    let fed: BTreeSet<usize> = piece.edges.iter().map(|(_, to)| *to).collect();
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for (from, to) in piece.edges.iter().filter(|(from, _)| !fed.contains(from)) {
        let nearest = first.entry(*from).or_insert(ranks[*to]);
        *nearest = ranks[*to].min(*nearest);
    }
    for (source, nearest) in first {
        ranks[source] = nearest - 1;
    }
    let least = ranks.iter().min().copied().unwrap_or(0);
    ranks.iter().map(|rank| rank - least).collect()
}

/// Boxes and lanes by column, with the links between neighbouring columns. Boxes come first, lanes after them.
#[derive(Default)]
struct Lanes {
    /// The column of each box.
    ranks: Vec<usize>,
    /// The column of each lane.
    lane_ranks: Vec<usize>,
    links: Vec<(usize, usize)>,
    /// The lanes that lead to a box from the first column, and those that lead on from it.
    before: BTreeMap<usize, Vec<usize>>,
    after: BTreeMap<usize, Vec<usize>>,
}

impl Lanes {
    fn new(piece: &Piece, ranks: Vec<usize>) -> Self {
        let last = ranks.iter().max().copied().unwrap_or(0);
        let mut lanes = Self { ranks, ..Self::default() };
        let fed: BTreeSet<usize> = piece.edges.iter().map(|(_, to)| *to).collect();
        for at in 0..piece.boxes.len() {
            // What nothing feeds needs lanes before it all the same: they hold it in its column.
            if piece.entered.contains(&at) || !fed.contains(&at) {
                lanes.lead_in(at);
            }
        }
        let mut reach: BTreeMap<usize, usize> = piece.left.iter().map(|at| (*at, last + 1)).collect();
        for (from, to) in &piece.edges {
            let farthest = reach.entry(*from).or_default();
            *farthest = lanes.ranks[*to].max(*farthest);
        }
        for (at, farthest) in reach {
            lanes.lead_out(at, farthest);
            if lanes.count() > MOST_LANES {
                return lanes;
            }
        }
        for (from, to) in &piece.edges {
            let steps = lanes.ranks[*to] - lanes.ranks[*from];
            let tail = if steps == 1 { *from } else { lanes.after[from][steps - 2] };
            lanes.links.push((tail, *to));
        }
        lanes
    }

    /// Without lanes: only what is in neighbouring columns is linked, which every box is with what holds it in its column.
    fn straight(piece: &Piece) -> Self {
        let mut ranks = vec![0; piece.boxes.len()];
        for (from, to) in &piece.edges {
            ranks[*to] = ranks[*to].max(ranks[*from] + 1);
        }
        let links = piece.edges.iter().filter(|(from, to)| ranks[*to] == ranks[*from] + 1).copied().collect();
        Self { ranks, links, ..Self::default() }
    }

    fn count(&self) -> usize {
        self.lane_ranks.len()
    }

    fn add(&mut self, rank: usize) -> usize {
        self.lane_ranks.push(rank);
        self.ranks.len() + self.lane_ranks.len() - 1
    }

    fn rank(&self, vertex: usize) -> usize {
        self.ranks.get(vertex).copied().unwrap_or_else(|| self.lane_ranks[vertex - self.ranks.len()])
    }

    fn lead_in(&mut self, at: usize) {
        let lanes: Vec<usize> = (0..self.ranks[at]).map(|rank| self.add(rank)).collect();
        self.links.extend(lanes.windows(2).map(|pair| (pair[0], pair[1])));
        self.links.extend(lanes.last().map(|last| (*last, at)));
        self.before.insert(at, lanes);
    }

    fn lead_out(&mut self, at: usize, end: usize) {
        let lanes: Vec<usize> = (self.ranks[at] + 1..end).map(|rank| self.add(rank)).collect();
        self.links.extend(lanes.first().map(|first| (at, *first)));
        self.links.extend(lanes.windows(2).map(|pair| (pair[0], pair[1])));
        self.after.insert(at, lanes);
    }

    /// How high the middle of each box and lane stands, with nothing over anything else.
    fn places(&self, piece: &Piece) -> Vec<(f64, f64)> {
        let count = self.ranks.len() + self.count();
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        // For the library layers go down the page: what is high here is wide there.
        let vertices: Vec<_> = (0..count).map(|at| (number(at), (height(piece, at), 1.0))).collect();
        let links: Vec<_> = self.links.iter().map(|(from, to)| (number(*from), number(*to))).collect();
        let config = Config {
            minimum_length: 1,
            vertex_spacing: APART,
            dummy_vertices: true,
            dummy_size: 1.0,
            ranking_type: RankingType::Up,
            c_minimization: CrossingMinimization::Barycenter,
            transpose: count <= MOST_SWAPPED,
        };
        let mut places = vec![0.0; count];
        for (layout, ..) in rust_sugiyama::from_vertices_and_edges(&vertices, &links, &config) {
            for (vertex, (across, _)) in layout {
                if let (Some(place), true) = (places.get_mut(vertex), across.is_finite()) {
                    *place = across;
                }
            }
        }
        (0..count).map(|at| (places[at], height(piece, at))).collect()
    }
}

/// How much of the height of its column a box or a lane takes.
fn height(piece: &Piece, vertex: usize) -> f64 {
    piece.boxes.get(vertex).map_or(LANE, |size| size.height + 2.0 * FREE)
}

/// The middles again, apart and from the top: the library has had bugs with boxes over each other.
fn middles(lanes: &Lanes, places: &[(f64, f64)]) -> Vec<f64> {
    let mut by_column: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (0..places.len()).for_each(|at| by_column.entry(lanes.rank(at)).or_default().push(at));
    let mut middles = vec![0.0; places.len()];
    for column in by_column.values_mut() {
        column.sort_by(|a, b| places[*a].0.total_cmp(&places[*b].0).then(a.cmp(b)));
        let mut free = f64::NEG_INFINITY;
        for at in column {
            let (middle, height) = places[*at];
            middles[*at] = middle.max(free + height / 2.0);
            free = middles[*at] + height / 2.0 + APART;
        }
    }
    let tops = middles.iter().zip(places).map(|(middle, (_, height))| middle - height / 2.0);
    let top = tops.fold(f64::INFINITY, f64::min);
    middles.iter().map(|middle| middle - top).collect()
}

/// The left and the right of each column.
fn columns(piece: &Piece, lanes: &Lanes) -> Vec<(f64, f64)> {
    let mut widths: BTreeMap<usize, f64> = BTreeMap::new();
    for (at, size) in piece.boxes.iter().enumerate() {
        let width = widths.entry(lanes.ranks[at]).or_default();
        *width = width.max(size.width);
    }
    let mut between: BTreeMap<usize, f64> = BTreeMap::new();
    lanes.links.iter().for_each(|(from, _)| *between.entry(lanes.rank(*from)).or_default() += GAP.1);
    let last = (0..lanes.ranks.len() + lanes.count()).map(|at| lanes.rank(at)).max().unwrap_or(0);
    let (mut columns, mut left) = (Vec::new(), 0.0);
    for rank in 0..=last {
        let right = left + widths.get(&rank).copied().unwrap_or_default();
        columns.push((left, right));
        left = right + (GAP.0 + between.get(&rank).copied().unwrap_or_default()).min(GAP.2);
    }
    columns
}

fn assemble(piece: &Piece, lanes: &Lanes, columns: &[(f64, f64)], middles: &[f64]) -> Laid {
    let lane = |at: &usize| {
        let (left, right) = columns[lanes.rank(*at)];
        Lane { left, right, y: middles[*at] }
    };
    let mut laid = Laid { columns: lanes.ranks.clone(), ..Laid::default() };
    for (at, size) in piece.boxes.iter().enumerate() {
        let (left, right) = columns[lanes.ranks[at]];
        let corner = Point { x: left, y: middles[at] - size.height / 2.0 };
        laid.corners.push(corner);
        laid.size.height = laid.size.height.max(corner.y + size.height);
        // The rest of its own column comes first: what is wider there must not be crossed.
        let rest = Lane { left: left + size.width, right, y: middles[at] };
        let after = lanes.after.get(&at).into_iter().flatten().map(lane);
        laid.ways_out.insert(at, std::iter::once(rest).chain(after).collect());
        if piece.entered.contains(&at) {
            laid.ways_in.insert(at, lanes.before.get(&at).into_iter().flatten().map(lane).collect());
        }
    }
    laid.size.height = middles[piece.boxes.len()..].iter().fold(laid.size.height, |height, y| height.max(y + LANE));
    laid.size.width = columns.last().map_or(0.0, |(_, right)| *right);
    laid
}
