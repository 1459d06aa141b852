//! How the portable kinds that a cloud has no one thing for are put together of the native kinds that it has: a part's properties, where
//! each came from, and what it reads ([`Native`]); what a field names ([`Whole`]); how addresses are shared out ([`addresses`]); what has to be known for that ([`Recipe`]); and what each kind needs to be
//! allowed ([`permissions`]).

pub mod addresses;
mod part;
pub mod permissions;
mod recipe;
mod whole;

pub use part::{Native, field, is_said, map, option, texts};
pub use recipe::{Known, Recipe, attributes};
pub use whole::{Whole, changed, followed};
