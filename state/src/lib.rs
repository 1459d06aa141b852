//! What Trueup knows to exist: addresses, values, records, the journal and leases.
//!
//! State is the sum of an append-only journal ([`entry`], [`state`]). One trait, [`store::Store`], keeps journals; its backends
//! are [`sqlite`], the embedded default, and [`memory`], for simulation. Nothing here knows a provider, a terminal or an
//! environment variable, and time and randomness are arguments ([`clock`]).

pub mod address;
mod checkpoint;
pub mod clock;
pub mod codec;
pub mod document;
pub mod entry;
mod files;
mod form;
pub mod holder;
mod journal;
mod leases;
pub mod map;
pub mod memory;
pub mod names;
pub mod path;
pub mod record;
pub mod repair;
pub mod rules;
pub mod scope;
pub mod soundness;
pub mod sqlite;
pub mod state;
pub mod store;
mod undo;
pub mod value;
pub mod vault;

pub use address::{Address, Key, Segment};
pub use clock::{Clock, Entropy, Timestamp};
pub use entry::{Applied, Class, Entry, Event, Handle, Request, Serial, Verb};
pub use holder::Holder;
pub use map::Map;
pub use memory::MemoryStore;
pub use names::{KindName, ProviderName, Token};
pub use path::{FieldPath, Step};
pub use record::{Declared, Generation, Object, Place, Record, Status};
pub use scope::Scope;
pub use sqlite::SqliteStore;
pub use state::{OpenOperation, State};
pub use store::{Lease, Snapshot, Stack, Store, StoreError};
pub use value::{Secret, Value};
