//! How long a `for_each` of 100,000 takes to load and to evaluate: `cargo bench -p trueup-engine --bench expand`.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

#[path = "../tests/reading/mod.rs"]
mod reading;
#[path = "../tests/reading/wide.rs"]
mod wide;

use std::time::Instant;

use trueup_engine::blueprint::evaluate;

const COUNT: usize = 100_000;

fn main() {
    let text = wide::wide(COUNT);
    let since = Instant::now();
    let program = match reading::load_text(text.as_bytes(), &reading::given(&[])) {
        Ok(program) => program,
        Err(errors) => panic!("{}", reading::draw(&errors)),
    };
    println!("loaded {} resources in {:.2} s", program.resources.len(), since.elapsed().as_secs_f64());
    let world = program.world();
    let since = Instant::now();
    for resource in program.resources.values().filter(|resource| resource.address.name() == "node") {
        std::hint::black_box(evaluate(&resource.spec, &resource.scope(&world)));
    }
    println!("evaluated {COUNT} specs with three expressions in {:.2} s", since.elapsed().as_secs_f64());
}
