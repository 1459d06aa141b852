//! From blueprint to plan to apply: the engine of Trueup.
//!
//! It knows no provider by name, no terminal, no environment variable and no clock of its own. Data moves one way: text, blueprint,
//! resources, graph, plan, operations, records. Planning is pure; only [`apply`] acts on the world, and only through
//! [`provider::Manager`], [`provider::Check`] and [`trueup_state::Store`].

pub mod apply;
mod asking;
pub mod blueprint;
pub mod by_hand;
mod completion;
pub mod compose;
pub mod desired;
pub mod diagnostic;
mod digest;
pub mod engine;
pub mod estate;
pub mod finish;
pub mod graph;
pub mod help;
pub mod kept;
pub mod kinds;
pub mod missing;
pub mod naming;
pub mod native;
mod obstacles;
mod paths;
pub mod plan;
pub mod planning;
pub mod provider;
mod reach;
pub mod schema;
mod sources;
pub mod tree;
pub mod typed;
mod validate;
mod visits;

pub use engine::{Engine, EngineError};
pub use planning::{PlanOptions, Planned};
