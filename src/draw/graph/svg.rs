//! The graph as a drawing that a browser shows: dependencies left, what depends on them right.

use std::collections::BTreeMap;

use trueup_state::{Address, KindName};
use unicode_width::UnicodeWidthStr;

use super::layers::{Lane, Point, Size};
use super::layout::{self, Layout, Rect};
use super::paint::{self, Paint};
use super::picture::{Fate, Node, Picture, What, own_name};
use crate::draw::{safe, value};

/// The most nodes that are drawn: more are no picture any more.
pub(crate) const MOST_NODES: usize = 5000;

/// How wide a character is at most, as a part of the size of its type: the type has letters of one width.
const ADVANCE: f64 = 0.62;

/// The sizes of type, in pixels.
const NAME: f64 = 12.5;
const SMALL: f64 = 10.5;
const HEADING: f64 = 16.0;

/// The longest that a name may be, in characters; the whole of it shows when it is pointed at.
const LONGEST: usize = 36;

/// The height of a node, and the room left and right of its words.
const HEIGHT: f64 = 40.0;
const PADDING: f64 = 14.0;

/// The diameter of a group.
const DOT: f64 = 8.0;

/// The room around everything, and the least width of a drawing.
const MARGIN: f64 = 28.0;
const LEAST: f64 = 420.0;

/// The whole graph.
pub(crate) fn svg(picture: &Picture) -> String {
    let sizes: Vec<Size> = picture.nodes.iter().map(size).collect();
    let layout = layout::lay(picture, &sizes);
    let heading = width_of(&cut(&picture.title, 60), HEADING);
    let width = (layout.size.width + 2.0 * MARGIN).max(heading + 2.0 * MARGIN).max(LEAST);
    let mut body = String::new();
    let legend = legend(&mut body, picture, width);
    let shift = Point { x: MARGIN, y: legend + MARGIN * 0.6 };
    body.push_str(&format!("<g transform=\"translate({} {})\">\n", number(shift.x), number(shift.y)));
    draw(&mut body, picture, &layout);
    body.push_str("</g>\n");
    let height = shift.y + layout.size.height + MARGIN;
    let (width, height) = (number(width), number(height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n{}\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path class=\"tip\" d=\"M0 0.8 L8 4 L0 7.2 z\"/></marker></defs>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n",
        escaped(&picture.title),
        style(picture),
    )
}

fn draw(body: &mut String, picture: &Picture, layout: &Layout) {
    for (address, rect) in &layout.frames {
        body.push_str(&format!(
            "<g class=\"module\"><title>{}</title><rect {} rx=\"10\"/><text x=\"{}\" y=\"{}\">{}</text></g>\n",
            escaped(&format!("module {address}")),
            place(*rect),
            number(rect.corner.x + 14.0),
            number(rect.corner.y + 21.0),
            escaped(&frame_name(address)),
        ));
    }
    for ((from, to), lanes) in &layout.ways {
        let way = way(layout.nodes[*from], layout.nodes[*to], lanes);
        body.push_str(&format!("<path class=\"edge\" d=\"{way}\" marker-end=\"url(#tip)\"/>\n"));
    }
    let kinds = paint::kinds(picture);
    for (node, rect) in picture.nodes.iter().zip(&layout.nodes) {
        body.push_str(&node_text(node, *rect, picture.planned, &kinds));
    }
}

/// How much room a node takes.
fn size(node: &Node) -> Size {
    match &node.what {
        What::Group => Size { width: DOT, height: DOT },
        What::Resource { kind, .. } => {
            let name = width_of(&cut(&node.label(), LONGEST), NAME) + width_of("  ", NAME);
            let kind = width_of(&cut(kind.as_str(), LONGEST), SMALL);
            Size { width: (name.max(kind) + 2.0 * PADDING).max(96.0).ceil(), height: HEIGHT }
        }
    }
}

/// A node: what becomes of it colours the box, its kind the stripe at its left.
fn node_text(node: &Node, rect: Rect, planned: bool, kinds: &BTreeMap<&KindName, &str>) -> String {
    let What::Resource { kind, fate, .. } = &node.what else {
        let (x, y, r) = (number(rect.corner.x + DOT / 2.0), number(rect.corner.y + DOT / 2.0), number(DOT / 2.0));
        let tip = escaped(&format!("all of {}", node.address));
        return format!("<g class=\"group\"><title>{tip}</title><circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/></g>\n");
    };
    let Rect { corner: Point { x, y }, size } = rect;
    let become_of = if planned { format!(" · {}", fate.word()) } else { String::new() };
    let sign = if planned && *fate != Fate::Stays { fate.sign() } else { "" };
    format!(
        "<g class=\"node {}\"><title>{}</title><rect {} rx=\"5\"/>\
         <path d=\"M{} {} v{}\" stroke=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text><text class=\"kind\" x=\"{}\" y=\"{}\">{}</text>\
         <text class=\"sign\" x=\"{}\" y=\"{}\">{sign}</text></g>\n",
        fate.word(),
        escaped(&format!("{} · {kind}{become_of}", node.full_label())),
        place(rect),
        number(x + 5.0),
        number(y + 7.0),
        number(size.height - 14.0),
        kinds[kind],
        number(x + PADDING),
        number(y + 17.5),
        escaped(&cut(&node.label(), LONGEST)),
        number(x + PADDING),
        number(y + 31.5),
        escaped(&cut(kind.as_str(), LONGEST)),
        number(x + size.width - 12.0),
        number(y + 17.0),
    )
}

/// A line from box to box: level through its lanes, bent between them.
fn way(from: Rect, to: Rect, lanes: &[Lane]) -> String {
    let (mut x, mut y) = (from.corner.x + from.size.width, from.corner.y + from.size.height / 2.0);
    let mut path = format!("M{} {}", number(x), number(y));
    let end = Lane { left: to.corner.x, right: to.corner.x, y: to.corner.y + to.size.height / 2.0 };
    for lane in lanes.iter().chain([&end]) {
        if (lane.y - y).abs() > 0.05 || lane.left < x {
            let bend = ((lane.left - x) / 2.0).abs().max(14.0);
            path.push_str(&format!(
                " C{} {} {} {} {} {}",
                number(x + bend),
                number(y),
                number(lane.left - bend),
                number(lane.y),
                number(lane.left),
                number(lane.y)
            ));
            x = lane.left;
        }
        // Along the lane, and without a bend to it too.
        if lane.right > x {
            path.push_str(&format!(" H{}", number(lane.right)));
        }
        (x, y) = (lane.right, lane.y);
    }
    path
}

/// The heading and what the colours mean, in as many lines as they take; returns where they end.
fn legend(body: &mut String, picture: &Picture, width: f64) -> f64 {
    let title = escaped(&cut(&picture.title, 60));
    body.push_str(&format!("<text class=\"heading\" x=\"{MARGIN}\" y=\"38\">{title}</text>\n"));
    let mut pen = Point { x: MARGIN, y: 62.0 };
    let mut put = |words: &str, mark: &dyn Fn(Point) -> String| {
        let wide = 22.0 + width_of(words, SMALL) + 16.0;
        if pen.x > MARGIN && pen.x + wide > width - MARGIN * 0.5 {
            pen = Point { x: MARGIN, y: pen.y + 20.0 };
        }
        body.push_str(&mark(pen));
        let (x, y) = (number(pen.x + 20.0), number(pen.y));
        body.push_str(&format!("<text class=\"legend\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(words)));
        pen.x += wide;
    };
    if picture.nodes.is_empty() {
        put("There are no resources.", &|_| String::new());
    }
    let fates = picture.fates();
    for fate in Fate::ALL.into_iter().filter(|fate| picture.planned && fates.contains_key(fate)) {
        let mark = |at: Point| {
            let (class, x, y) = (fate.word(), number(at.x), number(at.y - 10.0));
            format!("<g class=\"key {class}\"><rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"12\" rx=\"3\"/></g>")
        };
        let sign = if fate == Fate::Stays { String::new() } else { format!("{} ", fate.sign()) };
        put(&format!("{sign}{} {}", fate.word(), fates[&fate]), &mark);
    }
    for (kind, colour) in paint::kinds(picture) {
        let of_kind: usize = picture.nodes.iter().filter(|node| node.kind() == Some(kind)).map(Node::count).sum();
        let mark = |at: Point| {
            let (x, y) = (number(at.x + 8.0), number(at.y - 10.0));
            format!("<path class=\"stripe\" d=\"M{x} {y} v12\" stroke=\"{colour}\"/>")
        };
        put(&format!("{} {of_kind}", cut(kind.as_str(), LONGEST)), &mark);
    }
    pen.y
}

/// What the classes look like, on a light page and on a dark one.
fn style(picture: &Picture) -> String {
    let mut style = String::from(
        "<style>\n\
         text { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 12.5px; }\n\
         .heading { font-size: 16px; font-weight: 600; } .kind, .legend, .module text { font-size: 10.5px; }\n\
         .sign { text-anchor: end; font-weight: 700; } .edge { fill: none; stroke-width: 1.1; }\n\
         .node rect { stroke-width: 1.3; } .node path, .stripe { stroke-width: 4; stroke-linecap: round; fill: none; }\n\
         .module rect { stroke-width: 1; stroke-dasharray: 5 3; }\n",
    );
    style.push_str(&page(picture, "#ffffff", "#1f2328", "#59636e", "#8c959f", "#6e7781", paint::light));
    style.push_str("@media (prefers-color-scheme: dark) {\n");
    style.push_str(&page(picture, "#0d1117", "#f0f6fc", "#9198a1", "#6e7681", "#8b949e", paint::dark));
    style.push_str("}\n</style>\n");
    style
}

fn page(
    picture: &Picture,
    page: &str,
    text: &str,
    faint: &str,
    border: &str,
    edge: &str,
    paint: fn(Fate) -> Paint,
) -> String {
    let mut style = format!(
        ".page {{ fill: {page}; }} text {{ fill: {text}; }} .kind, .legend, .module text {{ fill: {faint}; }}\n\
         .edge {{ stroke: {edge}; }} .tip, .group circle {{ fill: {edge}; }} .module rect {{ stroke: {border}; fill: {border}; fill-opacity: 0.07; }}\n"
    );
    for fate in picture.fates().into_keys() {
        let (class, Paint { line, fill, text }) = (fate.word(), paint(fate));
        style.push_str(&format!(
            ".{class} rect {{ stroke: {line}; fill: {fill}; }} .{class} text {{ fill: {text}; }} .{class} .sign {{ fill: {line}; }}\n"
        ));
    }
    style
}

/// How wide a module's name is drawn.
pub(super) fn frame_name_width(address: &Address) -> f64 {
    width_of(&frame_name(address), SMALL)
}

fn frame_name(address: &Address) -> String {
    cut(&own_name(address), LONGEST)
}

fn place(rect: Rect) -> String {
    let Rect { corner, size } = rect;
    let [x, y, width, height] = [corner.x, corner.y, size.width, size.height].map(number);
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

fn width_of(text: &str, size: f64) -> f64 {
    let columns = u32::try_from(text.width()).unwrap_or(u32::MAX);
    f64::from(columns) * size * ADVANCE
}

/// A number with one decimal at most.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn cut(text: &str, longest: usize) -> String {
    value::cut(text, longest)
}

/// A text as XML has it. What XML can't hold at all, and no reader would see, is shown as JSON writes it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in safe::line(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
