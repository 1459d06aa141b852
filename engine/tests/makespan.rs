//! How long a run takes, compared with the least that any schedule could take: the longest path, or all work shared by all places.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "these are tests, and their counts are small")]

mod schedules;
mod support;

use std::time::Duration;

use schedules::Graph;
use support::{House, blueprint};

#[test]
fn no_schedule_could_be_much_shorter() {
    let graphs: Vec<Graph> = (0..200).map(Graph::of).collect();
    let ratios: Vec<f64> = graphs.iter().map(|graph| graph.makespan() / graph.bound()).collect();
    let figures = |shape: Option<&str>| {
        let of_shape = graphs.iter().zip(&ratios).filter(|(graph, _)| shape.is_none_or(|shape| graph.shape == shape));
        let ratios: Vec<f64> = of_shape.map(|(_, ratio)| *ratio).collect();
        (ratios.iter().sum::<f64>() / ratios.len() as f64, ratios.iter().copied().fold(0.0, f64::max))
    };
    let by_shape = ["chains", "layers", "forks", "sparse"].map(|shape| (shape, figures(Some(shape))));
    let (mean, worst) = figures(None);
    assert!(mean <= 1.05 && worst <= 1.25, "mean {mean:.4}, worst {worst:.4}, of each shape {by_shape:.4?}");
    assert!(ratios.iter().all(|ratio| *ratio > 0.999), "the bound is one");
}

#[tokio::test(start_paused = true)]
async fn what_took_long_before_is_taken_to_take_long_again() {
    let mut house = House::new();
    house.parallelism = 1;
    house.cloud.limits().takes =
        Some(Box::new(|_, request| Duration::from_secs(if request.kind.as_str() == "named" { 20 } else { 5 })));
    let before = ["k: { kind: named }", "l: { kind: box }"];
    house.up(&blueprint(&before)).await;
    house.cloud.take_calls();
    let after = ["a: { kind: box }", "b: { kind: box, depends_on: [a] }", "c: { kind: box, depends_on: [b] }"];
    house.up(&blueprint(&[&before[..], &after, &["d: { kind: named }"]].concat())).await;
    assert_eq!(house.cloud.take_calls(), ["create d", "create a", "create b", "create c"]);
}
