//! A cloud to rehearse on, in one file. It is a real one in all but its things: it outlives the process, names are unique, tokens make
//! creates repeatable, lists are paged and lag behind, work goes on while nobody looks, and what goes wrong at clouds can go wrong here
//! when a blueprint asks for it.
//!
//! Every call is one transaction, committed before it is answered, and is written into an audit log.

mod attributes;
mod cloud;
mod endpoint;
mod host;
mod look;
mod manager;
mod object;
mod provider;
mod settings;
mod storage;
mod thing;

pub use look::{Call, Inspector, Seen};
pub use provider::SimProvider;
pub use storage::StorageError;
