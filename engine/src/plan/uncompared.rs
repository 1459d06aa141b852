//! What a plan can't compare, since it is sealed for a key that is not here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trueup_state::{Address, FieldPath};

/// What is sealed for a key that is not here. It counts as unchanged: whether it is, nobody here can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncompared {
    /// The fields of each resource.
    pub fields: BTreeMap<Address, BTreeSet<FieldPath>>,
    /// The outputs.
    pub outputs: BTreeSet<String>,
}

impl Uncompared {
    /// Whether there is nothing that can't be compared.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.outputs.is_empty()
    }
}
